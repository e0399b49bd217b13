/* The benchmark's program: measures every workload, or those that are named.
 *
 *     bench [WORKLOAD ...] [-n N] [--million] [--once ours|peer]
 */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

#define ROUNDS 5

static const bench_workload *const workloads[] = {
#define BENCH_ADDRESS(key) &bench_##key,
    BENCH_WORKLOADS(BENCH_ADDRESS)
#undef BENCH_ADDRESS
};

#define WORKLOAD_COUNT (sizeof workloads / sizeof workloads[0])

typedef struct bench_options {
    bool chosen[WORKLOAD_COUNT];
    size_t n;                   /* 0: the sizes of each workload */
    bool million;
    const char *once;           /* the side to run once; or NULL */
} bench_options;

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* The measured part: callgrind collects in here. */
BENCH_NOINLINE void bench_measured(const bench_side *side, void *state);
BENCH_NOINLINE void bench_measured(const bench_side *side, void *state)
{
    side->run(state);
}

/* One run; how long it took in ns, and if asked for what it held. */
static int64_t run_once(const bench_side *side, const bench_task *task,
                        size_t *memory)
{
    void *state = side->open(task);
    int64_t start = now_ns(), end;

    bench_measured(side, state);
    end = now_ns();
    if (memory != NULL)
        *memory = side->memory(state);
    side->close(state);
    return end - start;
}

static int compare_times(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static int64_t median(int64_t *times)
{
    qsort(times, ROUNDS, sizeof *times, compare_times);
    return times[ROUNDS / 2];
}

static void measure(const bench_workload *workload, size_t n)
{
    bench_task task = {.workload = workload, .n = n, .count_memory = true};
    int64_t times[ROUNDS];
    double operations, ns;
    size_t round, memory;

    operations = (double)workload->operations(&task);
    run_once(&workload->ours, &task, &memory);
    task.count_memory = false;
    for (round = 0; round < ROUNDS; round++)
        times[round] = run_once(&workload->ours, &task, NULL);
    ns = (double)median(times) / operations;
    printf("%-8s %8lu %12.0f /s %10.1f ns %10.1f B per %s\n", workload->key,
           (unsigned long)n, 1e9 / ns, ns,
           (double)memory / (double)workload->holders(&task), workload->per);
}

static void measure_sizes(const bench_workload *workload,
                          const bench_options *options)
{
    size_t i;

    if (options->n != 0) {
        measure(workload, options->n);
        return;
    }
    for (i = 0; i < BENCH_SIZES && workload->sizes[i] != 0; i++)
        measure(workload, workload->sizes[i]);
    if (options->million && workload->has_million)
        measure(workload, 1000000);
}

/* For callgrind: one run, then the number of operations. */
static void only_once(const bench_workload *workload, const bench_options *options)
{
    bench_task task = {.workload = workload, .n = options->n};

    if (task.n == 0)
        task.n = workload->sizes[0];
    run_once(&workload->ours, &task, NULL);
    printf("%lu\n", (unsigned long)workload->operations(&task));
}

static void choose(bench_options *options, const char *key)
{
    size_t i;

    for (i = 0; i < WORKLOAD_COUNT; i++)
        if (strcmp(workloads[i]->key, key) == 0) {
            options->chosen[i] = true;
            return;
        }
    bench_fail("%s is neither an option nor a workload", key);
}

static bench_options parse(char **arguments)
{
    bench_options options = {.n = 0};
    bool any = false;
    size_t i;

    for (; *arguments != NULL; arguments++) {
        if (strcmp(*arguments, "-n") == 0 && arguments[1] != NULL)
            options.n = strtoul(*++arguments, NULL, 10);
        else if (strcmp(*arguments, "--million") == 0)
            options.million = true;
        else if (strcmp(*arguments, "--once") == 0 && arguments[1] != NULL)
            options.once = *++arguments;
        else
            choose(&options, *arguments);
    }
    for (i = 0; i < WORKLOAD_COUNT; i++)
        any = any || options.chosen[i];
    for (i = 0; !any && i < WORKLOAD_COUNT; i++)
        options.chosen[i] = true;
    return options;
}

int main(int argc, char **argv)
{
    bench_options options = parse(argv + (argc > 0));
    size_t i;

    for (i = 0; i < WORKLOAD_COUNT; i++) {
        if (!options.chosen[i])
            continue;
        if (options.once != NULL)
            only_once(workloads[i], &options);
        else
            measure_sizes(workloads[i], &options);
    }
    return 0;
}
