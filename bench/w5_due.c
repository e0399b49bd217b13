/* W5: instances that wait until random times, popped in the order of time:
 * the store alone, through its public API. The table has the columns and the
 * indexes of the engine's hooks. */
#include <stdlib.h>

#include "bench.h"
#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

#define TABLE "workflow_hook"
#define SPAN (ENGINE_HOUR * 24)         /* within which all are due */

static const wfs_column columns[] = {
    {.name = "namespace", .type = WFS_TEXT, .interned = true},
    {.name = "hookName", .type = WFS_TEXT, .interned = true},
    {.name = "workflowName", .type = WFS_TEXT, .nullable = true,
     .interned = true},
    {.name = "instanceId", .type = WFS_TEXT, .nullable = true,
     .interned = true},
    {.name = "instanceRef", .type = WFS_INTEGER, .nullable = true},
    {.name = "runNumber", .type = WFS_INTEGER, .nullable = true},
    {.name = "reason", .type = WFS_TEXT, .nullable = true, .interned = true},
    {.name = "payload", .type = WFS_JSON, .nullable = true},
    {.name = "status", .type = WFS_TEXT, .interned = true},
    {.name = "attempts", .type = WFS_INTEGER},
    {.name = "maxAttempts", .type = WFS_INTEGER},
    {.name = "lastAttemptAt", .type = WFS_TIME, .nullable = true},
    {.name = "nextRetryAt", .type = WFS_TIME, .nullable = true},
    {.name = "error", .type = WFS_TEXT, .nullable = true},
    {.name = "createdAt", .type = WFS_TIME},
    {.name = "dueAt", .type = WFS_TIME, .nullable = true},
    {0}};
static const wfs_index indexes[] = {
    {.name = "by_retry", .columns = "namespace, status, nextRetryAt",
     .ordered = true},
    {.name = "by_attempt", .columns = "namespace, status, lastAttemptAt",
     .ordered = true},
    {.name = "due", .columns = "dueAt", .ordered = true, .sparse = true},
    {0}};
static const wfs_table tables[] = {
    {.name = TABLE, .columns = columns, .indexes = indexes}, {0}};

/* --- when the hooks are due */

typedef struct due_times {
    int64_t *due;               /* of each, in order of insertion */
    int64_t *sorted;            /* the same, in order of time */
} due_times;

static due_times make_times(size_t n)
{
    wfs_random random;
    due_times times;
    size_t i;

    wfs_random_seed(&random, 5);
    times.due = (int64_t *)bench_allocate(n, sizeof *times.due);
    times.sorted = (int64_t *)bench_allocate(n, sizeof *times.sorted);
    for (i = 0; i < n; i++)
        times.due[i] = times.sorted[i] =
            ENGINE_START + (int64_t)wfs_random_below(&random, SPAN);
    bench_sort_times(times.sorted, n);
    return times;
}

static void free_times(due_times *times)
{
    free(times->due);
    free(times->sorted);
}

/* --- ours */

typedef struct due_side {
    const bench_task *task;
    wfs_store *store;
    char **ids;
    due_times times;
    bench_meter meter;
    size_t held_empty;
} due_side;

static void *open_ours(const bench_task *task)
{
    due_side *side = (due_side *)bench_allocate(1, sizeof *side);
    wfs_allocator counting = bench_meter_allocator(&side->meter);
    wfs_error error;

    side->task = task;
    side->ids = bench_texts(task->n, ENGINE_ID);
    side->times = make_times(task->n);
    if (wfs_store_create(tables, task->count_memory ? &counting : NULL,
                         &side->store, &error) != WFS_OK)
        bench_fail("w5: no store: %s", error.message);
    side->held_empty = side->meter.held;
    return side;
}

static size_t memory_ours(void *state)
{
    due_side *side = (due_side *)state;

    return side->meter.held - side->held_empty;
}

static void close_ours(void *state)
{
    due_side *side = (due_side *)state;

    wfs_store_free(side->store);
    bench_texts_free(side->ids);
    free_times(&side->times);
    free(side);
}

static void check(due_side *side, wfs_status status, const char *what,
                  size_t number)
{
    if (status != WFS_OK)
        bench_fail("w5: %s %lu: %s: %s", what, (unsigned long)number,
                   wfs_status_name(status),
                   wfs_store_error(side->store)->message);
}

static void insert_all(due_side *side)
{
    wfs_field fields[] = {
        {"namespace", wfs_text("workflows")},
        {"hookName", wfs_text("onWorkflowEnqueued")},
        {"workflowName", wfs_text(ENGINE_WORKFLOW)},
        {"instanceId", wfs_null()},
        {"instanceRef", wfs_null()},
        {"runNumber", wfs_integer(0)},
        {"reason", wfs_text("wake")},
        {"status", wfs_text("pending")},
        {"attempts", wfs_integer(0)},
        {"maxAttempts", wfs_integer(5)},
        {"nextRetryAt", wfs_null()},
        {"createdAt", wfs_time(ENGINE_START)},
        {"dueAt", wfs_null()},
        {NULL, wfs_null()}};
    size_t i;

    for (i = 0; i < side->task->n; i++) {
        fields[3].value = wfs_text(side->ids[i]);
        fields[4].value = wfs_integer((int64_t)i + 1);
        fields[10].value = fields[12].value = wfs_time(side->times.due[i]);
        check(side, wfs_insert(side->store, TABLE, fields, NULL), "insert", i);
    }
}

/* The first hook that is due, in one transaction: claimed, then completed. */
static wfs_status pop(due_side *side, int64_t now)
{
    wfs_value to = wfs_time(now);
    wfs_query query = {.table = TABLE, .index = "due", .to = &to,
                       .page_size = 1};
    wfs_field claim[] = {{"status", wfs_text("processing")},
                         {"attempts", wfs_null()},
                         {"lastAttemptAt", wfs_time(now)},
                         {NULL, wfs_null()}};
    static const wfs_field done[] = {
        {"status", {.type = WFS_TEXT, .text = "completed", .size = 9}},
        {"dueAt", {.type = WFS_NULL}},
        {0}};
    wfs_store *store = side->store;
    wfs_cursor *cursor;
    wfs_status status;
    wfs_row row;

    WFS_TRY(wfs_begin(store));
    WFS_TRY(wfs_cursor_open(store, &query, &cursor));
    status = wfs_cursor_next(cursor, &row);
    wfs_cursor_close(cursor);
    WFS_TRY(status);
    claim[1].value = wfs_integer(wfs_row_integer(&row, "attempts") + 1);
    WFS_TRY(wfs_update(store, TABLE, row.id, row.version, claim));
    WFS_TRY(wfs_update(store, TABLE, row.id, row.version + 1, done));
    return wfs_commit(store);
}

static void run_ours(void *state)
{
    due_side *side = (due_side *)state;
    size_t i;

    insert_all(side);
    for (i = 0; i < side->task->n; i++)
        check(side, pop(side, side->times.sorted[i]), "pop", i);
}

/* --- SQLite */

typedef struct due_peer {
    sqlite_peer *peer;
    due_times times;
} due_peer;

static void *open_peer(const bench_task *task)
{
    due_peer *side = (due_peer *)bench_allocate(1, sizeof *side);

    side->peer = peer_open(task, NULL, 0);
    side->times = make_times(task->n);
    return side;
}

static size_t memory_peer(void *state)
{
    return peer_memory(((due_peer *)state)->peer);
}

static void close_peer(void *state)
{
    due_peer *side = (due_peer *)state;

    peer_close(side->peer);
    free_times(&side->times);
    free(side);
}

static void peer_pop(sqlite_peer *peer)
{
    peer_hook hook;

    peer_begin(peer);
    hook = peer_hook_due(peer);
    peer_hook_claim(peer, &hook, 1);
    peer_hook_complete(peer, &hook);
    peer_commit(peer);
}

static void run_peer(void *state)
{
    due_peer *side = (due_peer *)state;
    sqlite_peer *peer = side->peer;
    size_t i;

    for (i = 0; i < peer->task->n; i++) {
        peer_begin(peer);
        peer_hook_insert(peer, PEER_FIRST_ID + (int64_t)i, (int64_t)i + 1, 0,
                         PEER_WAKE, side->times.due[i]);
        peer_commit(peer);
    }
    for (i = 0; i < peer->task->n; i++) {
        peer->now = side->times.sorted[i];
        peer_pop(peer);
    }
}

/* --- both */

static bool same(void *ours, void *peer, bench_difference *difference)
{
    return same_table(((due_side *)ours)->store, ((due_peer *)peer)->peer,
                      &peer_tables[PEER_HOOKS], difference);
}

static size_t self_test(void *ours, void *peer)
{
    return same_table_self_test(((due_side *)ours)->store,
                                ((due_peer *)peer)->peer,
                                &peer_tables[PEER_HOOKS]);
}

const bench_workload bench_w5 = {
    .key = "w5",
    .title = "insert with a random due time, pop in the order of time",
    .unit = "insert and pop",
    .per = "instance",
    .sizes = {1000, 10000, 100000},
    .grows = true,
    .operations = bench_instances,
    .holders = bench_instances,
    .ours = {open_ours, run_ours, memory_ours, close_ours},
    .peer = {open_peer, run_peer, memory_peer, close_peer},
    .same = same,
    .self_test = self_test,
};
