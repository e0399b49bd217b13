/* Our side of the workloads that run workflows. */
#include <stdlib.h>

#include "engine.h"

static void *meter_resize(void *pointer, size_t old_size, size_t new_size,
                          void *user)
{
    bench_meter *meter = (bench_meter *)user;
    void *memory = NULL;

    if (new_size == 0)
        free(pointer);
    else if ((memory = realloc(pointer, new_size)) == NULL)
        return NULL;
    meter->held = meter->held - old_size + new_size;
    return memory;
}

wfs_allocator bench_meter_allocator(bench_meter *meter)
{
    wfs_allocator allocator;

    allocator.resize = meter_resize;
    allocator.user = meter;
    return allocator;
}

bench_engine *engine_open(const bench_task *task, wfs_function workflow,
                          bool auto_tick)
{
    bench_engine *engine = (bench_engine *)bench_allocate(1, sizeof *engine);
    wfs_harness_options options = {0};
    wfs_error error;

    engine->task = task;
    engine->ids = bench_texts(task->n, ENGINE_ID);
    engine->params = bench_texts(task->n, ENGINE_PARAMS);
    engine->registry[0].key = ENGINE_WORKFLOW;
    engine->registry[0].run = workflow;
    engine->registry[0].user = engine;
    options.workflows = engine->registry;
    options.clock_start = ENGINE_START;
    options.auto_tick = auto_tick;
    if (task->count_memory)
        options.allocator = bench_meter_allocator(&engine->meter);
    if (wfs_harness_create(&options, &engine->harness, &error) != WFS_OK)
        bench_fail("%s: no harness: %s", task->workload->key, error.message);
    engine->clock = wfs_harness_clock(engine->harness);
    engine->held_empty = engine->meter.held;
    return engine;
}

size_t engine_memory(void *state)
{
    bench_engine *engine = (bench_engine *)state;

    return engine->meter.held - engine->held_empty;
}

void engine_close(void *state)
{
    bench_engine *engine = (bench_engine *)state;

    wfs_harness_free(engine->harness);
    bench_texts_free(engine->ids);
    bench_texts_free(engine->params);
    if (engine->own != NULL)
        engine->free_own(engine->own);
    free(engine);
}

void engine_check(bench_engine *engine, wfs_status status, size_t number)
{
    if (status != WFS_OK)
        bench_fail("%s: instance %lu of %lu: %s",
                   engine->task->workload->key, (unsigned long)number,
                   (unsigned long)engine->task->n,
                   wfs_harness_error(engine->harness)->message);
}

wfs_status engine_work(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return_text(run, ENGINE_RECEIPT);
}

void engine_create(bench_engine *engine, size_t number)
{
    engine_check(engine,
                 wfs_create(engine->harness, ENGINE_WORKFLOW,
                            engine->ids[number], engine->params[number], NULL),
                 number);
}

void engine_process(bench_engine *engine, size_t number)
{
    size_t processed;

    engine_check(engine, wfs_process_hooks(engine->harness, &processed),
                 number);
    if (processed != 1)
        bench_fail("%s: instance %lu: %lu hooks were due, not 1",
                   engine->task->workload->key, (unsigned long)number,
                   (unsigned long)processed);
}
