/* W3: create, tick to waitForEvent, event, tick to completion. */
#include "engine.h"

#define EVENT_TYPE "approved"
#define EVENT_PAYLOAD "{\"by\":\"alice\",\"ok\":true}"

static wfs_status order(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = EVENT_TYPE};
    const wfs_json *event;

    (void)user;
    return wfs_wait_for_event(run, "approval", &options, &event);
}

static void *open_ours(const bench_task *task)
{
    return engine_open(task, order);
}

static void run_ours(void *state)
{
    bench_engine *engine = (bench_engine *)state;
    size_t i;

    for (i = 0; i < engine->task->n; i++) {
        engine_create(engine, i);
        engine_process(engine, i);
    }
    for (i = 0; i < engine->task->n; i++) {
        engine_check(engine,
                     wfs_send_event(engine->harness, ENGINE_WORKFLOW,
                                    engine->ids[i], EVENT_TYPE, EVENT_PAYLOAD,
                                    NULL),
                     i);
        engine_process(engine, i);
    }
}

const bench_workload bench_w3 = {
    .key = "w3",
    .title = "create, tick to a wait, event, tick to completion",
    .unit = "tick",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .has_million = true,
    .operations = bench_two_an_instance,
    .holders = bench_instances,
    .ours = {open_ours, run_ours, engine_memory, engine_close},
};
