/* W2: create, tick to a sleep of an hour, advance, tick to completion. */
#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

static wfs_status order(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "cool-off", "1 hour");
}

static void *open_ours(const bench_task *task)
{
    return engine_open(task, order, true);
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

/* --- SQLite */

static bool peer_order(peer_run *run)
{
    return peer_sleep(run, 0, ENGINE_HOUR);
}

static void *open_peer(const bench_task *task)
{
    sqlite_peer *peer = peer_open(task, peer_order, 1);

    peer_declare_step(peer, 0, "sleep", "cool-off");
    return peer;
}

static void run_peer(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;
    size_t i;

    for (i = 0; i < peer->task->n; i++) {
        peer_create(peer, i);
        peer_process(peer);
        peer->now++;
    }
    peer->now = ENGINE_START + ENGINE_HOUR;
    for (i = 0; i < peer->task->n; i++) {
        peer_process(peer);
        peer->now++;
    }
}

const bench_workload bench_w2 = {
    .key = "w2",
    .title = "create, tick to a sleep, wake tick to completion",
    .unit = "tick",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .grows = true,
    .operations = bench_two_an_instance,
    .holders = bench_instances,
    .most_bytes = 800,
    .ours = {open_ours, run_ours, engine_memory, engine_close},
    .peer = {open_peer, run_peer, peer_memory, peer_close},
    .same = same_engine,
    .self_test = same_engine_self_test,
};
