/* W4: H do steps, each followed by a sleep of an hour: what a tick costs as
 * its history grows. The operation is a row that is replayed: a step row that
 * was there when a tick began. */
#include "engine.h"

static wfs_status work(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return_text(run, "{\"receipt\":17}");
}

static wfs_status order(wfs_run *run, void *user)
{
    const bench_engine *engine = (const bench_engine *)user;
    const wfs_json *result;
    size_t i;

    for (i = 0; i < engine->task->workload->history; i++) {
        WFS_TRY(wfs_do(run, engine->do_names[i], work, user, NULL, &result));
        WFS_TRY(wfs_sleep(run, engine->sleep_names[i], "1 hour"));
    }
    return WFS_OK;
}

static void *open_ours(const bench_task *task)
{
    bench_engine *engine = engine_open(task, order);

    engine->do_names = bench_texts(task->workload->history, "work-%lu");
    engine->sleep_names = bench_texts(task->workload->history, "rest-%lu");
    return engine;
}

static void run_ours(void *state)
{
    bench_engine *engine = (bench_engine *)state;
    size_t i, tick;

    for (i = 0; i < engine->task->n; i++) {
        engine_create(engine, i);
        engine_process(engine, i);
        for (tick = 0; tick < engine->task->workload->history; tick++) {
            wfs_clock_advance(engine->clock, ENGINE_HOUR);
            engine_process(engine, i);
        }
    }
}

/* Tick k begins with 2k rows, k from 0 to H. */
static size_t replayed_rows(const bench_task *task)
{
    size_t history = task->workload->history;

    return task->n * history * (history + 1);
}

static size_t step_rows(const bench_task *task)
{
    return task->n * 2 * task->workload->history;
}

#define W4(h, small, middle, large)                                           \
    const bench_workload bench_w4_##h = {                                     \
        .key = "w4_" #h,                                                      \
        .title = "a history of " #h " do steps, each with a sleep",           \
        .unit = "row",                                                        \
        .per = "step row",                                                    \
        .history = h,                                                         \
        .sizes = {small, middle, large},                                      \
        .operations = replayed_rows,                                          \
        .holders = step_rows,                                                 \
        .ours = {open_ours, run_ours, engine_memory, engine_close},           \
    }

W4(10, 100, 1000, 10000);
W4(100, 1, 10, 100);
W4(1000, 1, 0, 0);
