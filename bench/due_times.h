/* Random times at which something is due, for both sides of a workload. */
#ifndef BENCH_DUE_TIMES_H
#define BENCH_DUE_TIMES_H

#include "bench.h"

/* The same times twice: all of them later than ENGINE_START, and distinct. */
typedef struct due_times {
    int64_t *shuffled;          /* in order of instances */
    int64_t *sorted;            /* in order of time */
} due_times;

/* `count` times; the same ones whenever it is called. */
due_times due_times_make(size_t count);
void due_times_free(due_times *times);

#endif
