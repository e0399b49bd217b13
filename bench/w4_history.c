/* W4: H do steps, each followed by a sleep of an hour: what a tick costs as
 * its history grows. The operation is a row that is replayed: a step row that
 * was there when a tick began. */
#include <stdlib.h>

#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

typedef struct step_names {
    char **dos, **sleeps;
} step_names;

static step_names *make_names(const bench_task *task)
{
    step_names *names = (step_names *)bench_allocate(1, sizeof *names);

    names->dos = bench_texts(task->history, "work-%lu");
    names->sleeps = bench_texts(task->history, "rest-%lu");
    return names;
}

static void free_names(void *own)
{
    step_names *names = (step_names *)own;

    bench_texts_free(names->dos);
    bench_texts_free(names->sleeps);
    free(names);
}

/* --- ours */

static wfs_status order(wfs_run *run, void *user)
{
    const bench_engine *engine = (const bench_engine *)user;
    const step_names *names = (const step_names *)engine->own;
    const wfs_json *result;
    size_t i;

    for (i = 0; i < engine->task->history; i++) {
        WFS_TRY(wfs_do(run, names->dos[i], engine_work, user, NULL, &result));
        WFS_TRY(wfs_sleep(run, names->sleeps[i], "1 hour"));
    }
    return WFS_OK;
}

static void *open_ours(const bench_task *task)
{
    bench_engine *engine = engine_open(task, order, true);

    engine->own = make_names(task);
    engine->free_own = free_names;
    return engine;
}

static void run_ours(void *state)
{
    bench_engine *engine = (bench_engine *)state;
    size_t i, tick;

    for (i = 0; i < engine->task->n; i++) {
        engine_create(engine, i);
        engine_process(engine, i);
        for (tick = 0; tick < engine->task->history; tick++) {
            wfs_clock_advance(engine->clock, ENGINE_HOUR);
            engine_process(engine, i);
        }
    }
}

/* --- SQLite */

/* Steps 2i and 2i + 1 are the i-th do and the sleep after it. */
static bool peer_order(peer_run *run)
{
    size_t i, steps = 2 * peer_of(run)->task->history;
    peer_text result;

    for (i = 0; i < steps; i += 2)
        if (!peer_do(run, i, PEER_JSON(ENGINE_RECEIPT), &result) ||
            !peer_sleep(run, i + 1, ENGINE_HOUR))
            return false;
    return true;
}

static void *open_peer(const bench_task *task)
{
    size_t i, history = task->history;
    sqlite_peer *peer = peer_open(task, peer_order, 2 * history);
    step_names *names = make_names(task);

    for (i = 0; i < history; i++) {
        peer_declare_step(peer, 2 * i, "do", names->dos[i]);
        peer_declare_step(peer, 2 * i + 1, "sleep", names->sleeps[i]);
    }
    free_names(names);
    return peer;
}

static void run_peer(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;
    size_t i, tick;

    for (i = 0; i < peer->task->n; i++) {
        peer_create(peer, i);
        peer_process(peer);
        for (tick = 0; tick < peer->task->history; tick++) {
            peer->now += ENGINE_HOUR;
            peer_process(peer);
        }
    }
}

/* Tick k begins with 2k rows, k from 0 to H. */
static size_t replayed_rows(const bench_task *task)
{
    size_t history = task->history;

    return task->n * history * (history + 1);
}

static size_t step_rows(const bench_task *task)
{
    return task->n * 2 * task->history;
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
        .most_bytes = 450,                                                    \
        .ours = {open_ours, run_ours, engine_memory, engine_close},           \
        .peer = {open_peer, run_peer, peer_memory, peer_close},               \
        .same = same_engine,                                                  \
        .self_test = same_engine_self_test,                                   \
    }

W4(10, 100, 1000, 10000);
W4(100, 1, 10, 100);
W4(1000, 1, 0, 0);
