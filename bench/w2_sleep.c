/* W2: create, tick to a sleep of an hour, advance, tick to completion. */
#include "engine.h"

static wfs_status order(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "cool-off", "1 hour");
}

static void *open_ours(const bench_task *task)
{
    return engine_open(task, order);
}

/* All fall asleep a millisecond apart, and so they wake. */
static void run_ours(void *state)
{
    bench_engine *engine = (bench_engine *)state;
    size_t i;

    for (i = 0; i < engine->task->n; i++) {
        engine_create(engine, i);
        engine_process(engine, i);
        wfs_clock_advance(engine->clock, 1);
    }
    wfs_clock_set(engine->clock, ENGINE_START + ENGINE_HOUR);
    for (i = 0; i < engine->task->n; i++) {
        engine_process(engine, i);
        wfs_clock_advance(engine->clock, 1);
    }
}

const bench_workload bench_w2 = {
    .key = "w2",
    .title = "create, tick to a sleep, wake tick to completion",
    .unit = "tick",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .has_million = true,
    .operations = bench_two_an_instance,
    .holders = bench_instances,
    .ours = {open_ours, run_ours, engine_memory, engine_close},
};
