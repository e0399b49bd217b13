/* A table of one's own, through the store's public API alone: rows with random
 * times, inserted, then claimed and completed in the order of time. It has the
 * columns and the indexes of the engine's hooks. */
#include <stdlib.h>

#include "due_times.h"
#include "engine.h"
#include "same_tables.h"
#include "sqlite_peer.h"

#define TABLE "workflow_hook"

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

/* --- ours */

typedef struct store_side {
    const bench_task *task;
    wfs_store *store;
    char **ids;
    due_times times;
    bench_meter meter;
    size_t held_empty;
} store_side;

static void *open_ours(const bench_task *task)
{
    store_side *side = (store_side *)bench_allocate(1, sizeof *side);
    wfs_allocator counting = bench_meter_allocator(&side->meter);
    wfs_error error;

    side->task = task;
    side->ids = bench_texts(task->n, ENGINE_ID);
    side->times = due_times_make(task->n);
    if (wfs_store_create(tables, task->count_memory ? &counting : NULL,
                         &side->store, &error) != WFS_OK)
        bench_fail("store: cannot be created: %s", error.message);
    side->held_empty = side->meter.held;
    return side;
}

static size_t memory_ours(void *state)
{
    store_side *side = (store_side *)state;

    return side->meter.held - side->held_empty;
}

static void close_ours(void *state)
{
    store_side *side = (store_side *)state;

    wfs_store_free(side->store);
    bench_texts_free(side->ids);
    due_times_free(&side->times);
    free(side);
}

static void check(store_side *side, wfs_status status, const char *what,
                  size_t number)
{
    if (status != WFS_OK)
        bench_fail("store: %s %lu: %s: %s", what, (unsigned long)number,
                   wfs_status_name(status),
                   wfs_store_error(side->store)->message);
}

static void insert_all(store_side *side)
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
        fields[10].value = fields[12].value = wfs_time(side->times.shuffled[i]);
        check(side, wfs_insert(side->store, TABLE, fields, NULL), "insert", i);
    }
}

/* The first hook that is due, in one transaction: claimed, then completed. */
static wfs_status pop(store_side *side, int64_t now)
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
    store_side *side = (store_side *)state;
    size_t i;

    insert_all(side);
    for (i = 0; i < side->task->n; i++)
        check(side, pop(side, side->times.sorted[i]), "pop", i);
}

/* --- SQLite */

static void free_times(void *own)
{
    due_times_free((due_times *)own);
    free(own);
}

static void *open_peer(const bench_task *task)
{
    sqlite_peer *peer = peer_open(task, NULL, 0);
    due_times *times = (due_times *)bench_allocate(1, sizeof *times);

    *times = due_times_make(task->n);
    peer->own = times;
    peer->free_own = free_times;
    return peer;
}

static void run_peer(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;
    const due_times *times = (const due_times *)peer->own;
    peer_payload payload = {0, 0, PEER_WAKE, 0};
    size_t i;

    for (i = 0; i < peer->task->n; i++) {
        payload.instance_ref = (int64_t)i + 1;
        payload.at = times->shuffled[i];
        peer_begin(peer);
        peer_hook_insert(peer, PEER_FIRST_ID + (int64_t)i, &payload);
        peer_commit(peer);
    }
    for (i = 0; i < peer->task->n; i++) {
        peer->now = times->sorted[i];
        peer_pop_hook(peer, 1);
    }
}

/* --- both */

static bool same(void *ours, void *peer, bench_difference *difference)
{
    return same_table(((store_side *)ours)->store, (sqlite_peer *)peer,
                      &peer_tables[PEER_HOOKS], difference);
}

static size_t self_test(void *ours, void *peer)
{
    return same_table_self_test(((store_side *)ours)->store,
                                (sqlite_peer *)peer, &peer_tables[PEER_HOOKS]);
}

const bench_workload bench_store = {
    .key = "store",
    .title = "a table of one's own: insert with a random due time, claim and "
             "complete in the order of time",
    .unit = "insert and pop",
    .per = "row",
    .sizes = {1000, 10000, 100000},
    .grows = true,
    .operations = bench_instances,
    .holders = bench_instances,
    .ours = {open_ours, run_ours, memory_ours, close_ours},
    .peer = {open_peer, run_peer, peer_memory, peer_close},
    .same = same,
    .self_test = self_test,
};
