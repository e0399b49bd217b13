/* W3: create, tick to waitForEvent, event, tick to completion. */
#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

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
    return engine_open(task, order, true);
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

/* --- SQLite */

#define PEER_EVENT_TYPE PEER_SYMBOL_COUNT       /* the first one interned */

static bool peer_order(peer_run *run)
{
    peer_text event;

    return peer_wait(run, 0, PEER_EVENT_TYPE, &event);
}

static void *open_peer(const bench_task *task)
{
    sqlite_peer *peer = peer_open(task, peer_order, 2);

    peer_intern(peer, EVENT_TYPE);
    peer_declare_step(peer, 0, "waitForEvent", "approval");
    return peer;
}

static void run_peer(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;
    size_t i;

    for (i = 0; i < peer->task->n; i++) {
        peer_create(peer, i);
        peer_process(peer);
    }
    for (i = 0; i < peer->task->n; i++) {
        peer_send_event(peer, i, PEER_EVENT_TYPE, PEER_JSON(EVENT_PAYLOAD));
        peer_process(peer);
    }
}

const bench_workload bench_w3 = {
    .key = "w3",
    .title = "create, tick to a wait, event, tick to completion",
    .unit = "tick",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .grows = true,
    .operations = bench_two_an_instance,
    .holders = bench_instances,
    .most_bytes = 1000,
    .ours = {open_ours, run_ours, engine_memory, engine_close},
    .peer = {open_peer, run_peer, peer_memory, peer_close},
    .same = same_engine,
    .self_test = same_engine_self_test,
};
