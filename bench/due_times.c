/* Random times at which something is due. */
#include <stdlib.h>
#include <string.h>

#include "due_times.h"
#include "engine.h"

#define SPAN (ENGINE_HOUR * 24)         /* within which nearly all are due */
#define SEED 5

/* Later by as little as makes them distinct. */
static void part(int64_t *sorted, size_t count)
{
    size_t i;

    for (i = 1; i < count; i++)
        if (sorted[i] <= sorted[i - 1])
            sorted[i] = sorted[i - 1] + 1;
}

static void shuffle(int64_t *times, size_t count, wfs_random *random)
{
    int64_t time;
    size_t i, other;

    for (i = count; i > 1; i--) {
        other = (size_t)wfs_random_below(random, i);
        time = times[i - 1];
        times[i - 1] = times[other];
        times[other] = time;
    }
}

due_times due_times_make(size_t count)
{
    wfs_random random;
    due_times times;
    size_t i;

    wfs_random_seed(&random, SEED);
    times.shuffled = (int64_t *)bench_allocate(count, sizeof *times.shuffled);
    times.sorted = (int64_t *)bench_allocate(count, sizeof *times.sorted);
    for (i = 0; i < count; i++)
        times.sorted[i] =
            ENGINE_START + 1 + (int64_t)wfs_random_below(&random, SPAN);
    bench_sort_times(times.sorted, count);
    part(times.sorted, count);
    memcpy(times.shuffled, times.sorted, count * sizeof *times.sorted);
    shuffle(times.shuffled, count, &random);
    return times;
}

void due_times_free(due_times *times)
{
    free(times->shuffled);
    free(times->sorted);
}
