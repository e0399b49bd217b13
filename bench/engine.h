/* Our side of the workloads that run workflows: a harness with one workflow,
 * through the public API only. */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include "bench.h"
#include "wfscenario.h"

#define ENGINE_START INT64_C(1767225600000)     /* 2026-01-01 */
#define ENGINE_HOUR INT64_C(3600000)
#define ENGINE_WORKFLOW "order"
#define ENGINE_ID "order-%07lu"                 /* of an instance */
#define ENGINE_PARAMS "{\"sku\":%lu,\"count\":2}"

/* Bytes that an allocator has given and not got back. */
typedef struct bench_meter {
    size_t held;
} bench_meter;

/* An allocator that counts in the meter. */
wfs_allocator bench_meter_allocator(bench_meter *meter);

typedef struct bench_engine {
    const bench_task *task;
    wfs_harness *harness;
    wfs_clock *clock;
    char **ids, **params;       /* of the instances */
    wfs_workflow registry[2];
    bench_meter meter;
    size_t held_empty;
    void *own;                  /* of the workload; NULL: nothing */
    void (*free_own)(void *own);
} bench_engine;

/* A harness for the task's workflow; close it with engine_close, which frees
 * the workload's own too. With auto_tick a hook runs its tick, else it is only
 * marked. */
bench_engine *engine_open(const bench_task *task, wfs_function workflow,
                          bool auto_tick);
size_t engine_memory(void *state);
void engine_close(void *state);

/* End the program unless the call for that instance went well. */
void engine_check(bench_engine *engine, wfs_status status, size_t number);

/* The body of a do step: it returns ENGINE_RECEIPT. */
#define ENGINE_RECEIPT "{\"receipt\":17}"
wfs_status engine_work(wfs_run *run, void *user);

/* Create the instance with that number; process hooks: its own must be due,
 * and no other. */
void engine_create(bench_engine *engine, size_t number);
void engine_process(bench_engine *engine, size_t number);

#endif
