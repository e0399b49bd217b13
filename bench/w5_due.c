/* W5: instances that wait until random times, popped in the order of time.
 * Before anything is measured they have gone to sleep, and the hooks that would
 * have woken them were processed without a tick, as if a worker had died.
 * Inserted is the wake of each, by a tick that comes too early and plans it for
 * its time; popped is that hook, which is claimed and completed, and runs no
 * tick. */
#include <stdlib.h>

#include "due_times.h"
#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

/* What either side has made ready. */
typedef struct waits {
    due_times times;
    int64_t wake_at;            /* of the instance whose tick it is */
    wfs_payload *payloads;      /* of the early ticks; the peer's are NULL */
} waits;

static waits *make_waits(const bench_task *task)
{
    waits *own = (waits *)bench_allocate(1, sizeof *own);

    own->times = due_times_make(task->n);
    return own;
}

static void free_waits(void *own)
{
    due_times_free(&((waits *)own)->times);
    free(((waits *)own)->payloads);
    free(own);
}

/* --- ours */

static wfs_status order(wfs_run *run, void *user)
{
    const bench_engine *engine = (const bench_engine *)user;

    return wfs_sleep_until(run, "wait", ((const waits *)engine->own)->wake_at);
}

/* Make an instance that sleeps, and the payload to wake it with. */
static void sleep_ours(bench_engine *engine, size_t i)
{
    waits *own = (waits *)engine->own;
    wfs_payload *payload = &own->payloads[i];

    engine_create(engine, i);
    engine_process(engine, i);
    engine_check(engine,
                 wfs_build_payload(engine->harness, ENGINE_WORKFLOW,
                                   engine->ids[i], WFS_REASON_CREATE, payload),
                 i);
    own->wake_at = own->times.shuffled[i];
    engine_check(engine, wfs_tick(engine->harness, payload, NULL), i);
    payload->reason = WFS_REASON_WAKE;
}

static void *open_ours(const bench_task *task)
{
    bench_engine *engine = engine_open(task, order, false);
    waits *own = make_waits(task);
    size_t i;

    engine->own = own;
    engine->free_own = free_waits;
    own->payloads = (wfs_payload *)bench_allocate(task->n,
                                                  sizeof *own->payloads);
    for (i = 0; i < task->n; i++)
        sleep_ours(engine, i);
    wfs_clock_set(engine->clock, own->times.sorted[task->n - 1]);
    engine_check(engine, wfs_process_hooks(engine->harness, NULL), task->n);
    wfs_clock_set(engine->clock, ENGINE_START);
    return engine;
}

static void run_ours(void *state)
{
    bench_engine *engine = (bench_engine *)state;
    waits *own = (waits *)engine->own;
    size_t i;

    for (i = 0; i < engine->task->n; i++)
        engine_check(engine, wfs_tick(engine->harness, &own->payloads[i], NULL),
                     i);
    for (i = 0; i < engine->task->n; i++) {
        wfs_clock_set(engine->clock, own->times.sorted[i]);
        engine_process(engine, i);
    }
}

/* --- SQLite */

static bool peer_order(peer_run *run)
{
    const waits *own = (const waits *)peer_of(run)->own;

    return peer_sleep_until(run, 0, own->wake_at);
}

static void *open_peer(const bench_task *task)
{
    sqlite_peer *peer = peer_open(task, peer_order, 1);
    peer_payload payload = {0, 0, PEER_CREATE, peer->now};
    waits *own = make_waits(task);
    int64_t start = peer->now;
    size_t i;

    peer->own = own;
    peer->free_own = free_waits;
    peer_declare_step(peer, 0, "sleep", "wait");
    for (i = 0; i < task->n; i++) {
        peer_create(peer, i);
        peer_pop_hook(peer, 0);
        own->wake_at = own->times.shuffled[i];
        payload.instance_ref = (int64_t)i + 1;
        peer_tick(peer, &payload);
    }
    peer->now = own->times.sorted[task->n - 1];
    for (i = 0; i < task->n; i++)
        peer_pop_hook(peer, 0);
    peer->now = start;
    return peer;
}

static void run_peer(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;
    const waits *own = (const waits *)peer->own;
    peer_payload payload = {0, 0, PEER_WAKE, peer->now};
    size_t i;

    for (i = 0; i < peer->task->n; i++) {
        payload.instance_ref = (int64_t)i + 1;
        peer_tick(peer, &payload);
    }
    for (i = 0; i < peer->task->n; i++) {
        peer->now = own->times.sorted[i];
        peer_pop_hook(peer, 0);
    }
}

const bench_workload bench_w5 = {
    .key = "w5",
    .title = "plan a wake at a random time, pop in the order of time",
    .unit = "insert and pop",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .grows = true,
    .operations = bench_instances,
    .holders = bench_instances,
    .ours = {open_ours, run_ours, engine_memory, engine_close},
    .peer = {open_peer, run_peer, peer_memory, peer_close},
    .same = same_engine,
    .self_test = same_engine_self_test,
};
