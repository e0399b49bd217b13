/* W1: create, one tick of a workflow of one do step to completion. */
#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

static wfs_status order(wfs_run *run, void *user)
{
    const wfs_json *receipt;

    WFS_TRY(wfs_do(run, "charge", engine_work, user, NULL, &receipt));
    return wfs_return(run, receipt);
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
}

/* --- SQLite */

static bool peer_order(peer_run *run)
{
    peer_text receipt;

    if (!peer_do(run, 0, PEER_JSON(ENGINE_RECEIPT), &receipt))
        return false;
    peer_return(run, receipt);
    return true;
}

static void *open_peer(const bench_task *task)
{
    sqlite_peer *peer = peer_open(task, peer_order, 1);

    peer_declare_step(peer, 0, "do", "charge");
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
}

const bench_workload bench_w1 = {
    .key = "w1",
    .title = "create, and a tick of one do step to completion",
    .unit = "run",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .grows = true,
    .operations = bench_instances,
    .holders = bench_instances,
    .most_bytes = 600,
    .ours = {open_ours, run_ours, engine_memory, engine_close},
    .peer = {open_peer, run_peer, peer_memory, peer_close},
    .same = same_engine,
    .self_test = same_engine_self_test,
};
