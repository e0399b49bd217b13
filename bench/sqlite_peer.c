/* The same engine over SQLite in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "sqlite_peer.h"

/* --- tables */

#define NUMBER(name) {name, PEER_NUMBER}
#define SYMBOL(name) {name, PEER_SYMBOL}
#define TEXT(name) {name, PEER_TEXT}
#define END {NULL, PEER_NUMBER}

static const peer_column instance_columns[] = {
    SYMBOL("instanceId"), SYMBOL("workflowName"), SYMBOL("status"),
    NUMBER("createdAt"), NUMBER("updatedAt"), NUMBER("startedAt"),
    NUMBER("completedAt"), TEXT("params"), TEXT("output"),
    SYMBOL("errorName"), TEXT("errorMessage"), NUMBER("pauseRequested"),
    NUMBER("runNumber"), END};

static const peer_column step_columns[] = {
    NUMBER("instanceRef"), SYMBOL("workflowName"), SYMBOL("instanceId"),
    NUMBER("runNumber"), SYMBOL("stepKey"), SYMBOL("name"), SYMBOL("type"),
    SYMBOL("status"), NUMBER("attempts"), NUMBER("maxAttempts"),
    NUMBER("timeoutMs"), NUMBER("nextRetryAt"), NUMBER("wakeAt"),
    SYMBOL("waitEventType"), TEXT("result"), SYMBOL("errorName"),
    TEXT("errorMessage"), NUMBER("createdAt"), NUMBER("updatedAt"), END};

static const peer_column event_columns[] = {
    NUMBER("instanceRef"), SYMBOL("workflowName"), SYMBOL("instanceId"),
    NUMBER("runNumber"), SYMBOL("actor"), SYMBOL("type"), TEXT("payload"),
    NUMBER("createdAt"), NUMBER("deliveredAt"), SYMBOL("consumedByStepKey"),
    END};

static const peer_column hook_columns[] = {
    SYMBOL("namespace"), SYMBOL("hookName"), SYMBOL("workflowName"),
    SYMBOL("instanceId"), NUMBER("instanceRef"), NUMBER("runNumber"),
    SYMBOL("reason"), TEXT("payload"), SYMBOL("status"), NUMBER("attempts"),
    NUMBER("maxAttempts"), NUMBER("lastAttemptAt"), NUMBER("nextRetryAt"),
    TEXT("error"), NUMBER("createdAt"), NUMBER("dueAt"), END};

const peer_table peer_tables[] = {
    {"workflow_instance", instance_columns},
    {"workflow_step", step_columns},
    {"workflow_event", event_columns},
    {"workflow_hook", hook_columns},
    {NULL, NULL}};

/* The indexes of the recorded engine (Fragno's workflow schema), but for its
 * hooks' nonces, in whose place stands what is due. A tick has no need of s1
 * either: it finds a run's steps by s2, and ours keeps no twin of s1. */
static const struct {
    bool lean;                  /* a tick needs it */
    const char *text;
} indexes[] = {
    {true, "UNIQUE INDEX i1 ON workflow_instance (workflowName, instanceId)"},
    {false, "INDEX i2 ON workflow_instance (workflowName, status, updatedAt)"},
    {false, "UNIQUE INDEX s1 ON workflow_step"
            " (workflowName, instanceId, runNumber, stepKey)"},
    {true, "INDEX s2 ON workflow_step (instanceRef, runNumber)"},
    {false, "INDEX s3 ON workflow_step"
            " (workflowName, instanceId, runNumber, createdAt)"},
    {false, "INDEX s4 ON workflow_step"
            " (workflowName, instanceId, runNumber, status, wakeAt)"},
    {false, "INDEX s5 ON workflow_step (workflowName, instanceId, status)"},
    {false, "INDEX s6 ON workflow_step (status, nextRetryAt)"},
    {false, "INDEX e1 ON workflow_event"
            " (workflowName, instanceId, runNumber, type, deliveredAt)"},
    {true, "INDEX e2 ON workflow_event (instanceRef, runNumber, createdAt)"},
    {false, "INDEX e3 ON workflow_event"
            " (workflowName, instanceId, runNumber, createdAt)"},
    {false, "INDEX h1 ON workflow_hook (namespace, status, nextRetryAt)"},
    {false, "INDEX h2 ON workflow_hook (namespace, status, lastAttemptAt)"},
    {true, "INDEX h3 ON workflow_hook (dueAt) WHERE dueAt IS NOT NULL"}};

void peer_execute(sqlite_peer *peer, const char *sql)
{
    if (sqlite3_exec(peer->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_fail("SQLite: %s: %s", sql, sqlite3_errmsg(peer->db));
}

sqlite3_stmt *peer_query(sqlite_peer *peer, const char *sql)
{
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v3(peer->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
                           &statement, NULL) != SQLITE_OK)
        bench_fail("SQLite: %s: %s", sql, sqlite3_errmsg(peer->db));
    return statement;
}

static void create_table(sqlite_peer *peer, const peer_table *table)
{
    char sql[1024];
    size_t size, i;

    size = (size_t)snprintf(sql, sizeof sql, "CREATE TABLE %s (id INTEGER "
                            "PRIMARY KEY, version INTEGER", table->name);
    for (i = 0; table->columns[i].name != NULL && size < sizeof sql; i++)
        size += (size_t)snprintf(
            sql + size, sizeof sql - size, ", %s %s", table->columns[i].name,
            table->columns[i].kind == PEER_TEXT ? "TEXT" : "INTEGER");
    if (size < sizeof sql)
        size += (size_t)snprintf(sql + size, sizeof sql - size, ")");
    if (size >= sizeof sql)
        bench_fail("SQLite: table %s has too many columns", table->name);
    peer_execute(peer, sql);
}

static void create_index(sqlite_peer *peer, const char *text)
{
    char sql[256];

    snprintf(sql, sizeof sql, "CREATE %s", text);
    peer_execute(peer, sql);
}

/* --- opening and closing */

static size_t bytes_held(sqlite_peer *peer)
{
    sqlite3_stmt *pages = peer_query(
        peer, "SELECT page_count * page_size"
              " FROM pragma_page_count, pragma_page_size");
    size_t bytes;

    if (!peer_next_row(peer, pages))
        bench_fail("SQLite: no page count");
    bytes = (size_t)sqlite3_column_int64(pages, 0);
    sqlite3_finalize(pages);
    return bytes;
}

/* As fast as it can be told to be. Debian's build overwrites what is deleted,
 * unless it is told not to; of the page sizes 8,192 took the least time. */
static void open_database(sqlite_peer *peer)
{
    static const char *const pragmas[] = {
        "page_size = 8192", "journal_mode = OFF", "synchronous = OFF",
        "locking_mode = EXCLUSIVE", "temp_store = MEMORY",
        "cache_size = -4194304", "secure_delete = OFF", "foreign_keys = OFF",
        "automatic_index = OFF"};
    char sql[64];
    size_t i;

    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_open_v2(":memory:", &peer->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                            SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        bench_fail("SQLite: no database: %s", sqlite3_errmsg(peer->db));
    for (i = 0; i < sizeof pragmas / sizeof pragmas[0]; i++) {
        snprintf(sql, sizeof sql, "PRAGMA %s", pragmas[i]);
        peer_execute(peer, sql);
    }
}

static void make_texts(sqlite_peer *peer)
{
    size_t i, n = peer->task->n;

    peer->ids = bench_texts(n, ENGINE_ID);
    peer->params = bench_texts(n, ENGINE_PARAMS);
    peer->params_sizes = (int *)bench_allocate(n, sizeof(int));
    for (i = 0; i < n; i++)
        peer->params_sizes[i] = (int)strlen(peer->params[i]);
}

sqlite_peer *peer_open(const bench_task *task, peer_workflow workflow,
                       size_t steps)
{
    static const char *const statements[] = {
#define PEER_SQL(name, sql) sql,
        PEER_STATEMENTS(PEER_SQL)
#undef PEER_SQL
    };
    sqlite_peer *peer = (sqlite_peer *)bench_allocate(1, sizeof *peer);
    size_t i;

    peer->task = task;
    peer->workflow = workflow;
    peer->now = ENGINE_START;
    peer->steps = (peer_step *)bench_allocate(steps, sizeof *peer->steps);
    peer->symbols = (char **)bench_allocate(2 * steps + 1,
                                            sizeof *peer->symbols);
    make_texts(peer);
    open_database(peer);
    for (i = 0; peer_tables[i].name != NULL; i++)
        create_table(peer, &peer_tables[i]);
    for (i = 0; i < sizeof indexes / sizeof indexes[0]; i++)
        if (indexes[i].lean || !task->lean)
            create_index(peer, indexes[i].text);
    for (i = 0; i < PEER_STATEMENT_COUNT; i++)
        peer->statements[i] = peer_query(peer, statements[i]);
    peer->bytes_empty = bytes_held(peer);
    return peer;
}

size_t peer_memory(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;

    return bytes_held(peer) - peer->bytes_empty;
}

void peer_close(void *state)
{
    sqlite_peer *peer = (sqlite_peer *)state;
    size_t i;

    for (i = 0; i < PEER_STATEMENT_COUNT; i++)
        sqlite3_finalize(peer->statements[i]);
    if (sqlite3_close(peer->db) != SQLITE_OK)
        bench_fail("SQLite: %s", sqlite3_errmsg(peer->db));
    for (i = 0; i < peer->symbol_count; i++)
        free(peer->symbols[i]);
    free(peer->symbols);
    free(peer->steps);
    free(peer->params_sizes);
    bench_texts_free(peer->ids);
    bench_texts_free(peer->params);
    if (peer->own != NULL)
        peer->free_own(peer->own);
    free(peer);
}

/* --- symbols */

int64_t peer_intern(sqlite_peer *peer, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = (char *)bench_allocate(size, 1);

    memcpy(copy, text, size);
    peer->symbols[peer->symbol_count] = copy;
    return PEER_SYMBOL_COUNT + (int64_t)peer->symbol_count++;
}

const char *peer_symbol_text(const sqlite_peer *peer, int64_t symbol)
{
    static const char *const fixed[] = {
        "",
#define PEER_STRING(name, text) text,
        PEER_SYMBOLS(PEER_STRING)
#undef PEER_STRING
    };
    size_t number = (size_t)symbol;

    if (number < PEER_SYMBOL_COUNT)
        return fixed[number];
    if (number - PEER_SYMBOL_COUNT < peer->symbol_count)
        return peer->symbols[number - PEER_SYMBOL_COUNT];
    if (number >= PEER_FIRST_ID && number - PEER_FIRST_ID < peer->task->n)
        return peer->ids[number - PEER_FIRST_ID];
    return "(no symbol)";
}

void peer_declare_step(sqlite_peer *peer, size_t number, const char *type,
                       const char *name)
{
    char key[128];

    snprintf(key, sizeof key, "%s:%s", type, name);
    peer->steps[number].key = peer_intern(peer, key);
    peer->steps[number].name = peer_intern(peer, name);
}

/* --- statements */

void peer_bind(sqlite3_stmt *statement, int place, int64_t value)
{
    sqlite3_bind_int64(statement, place, value);
}

void peer_bind_or_null(sqlite3_stmt *statement, int place, int64_t value,
                       int64_t null)
{
    if (value == null)
        sqlite3_bind_null(statement, place);
    else
        sqlite3_bind_int64(statement, place, value);
}

void peer_bind_text(sqlite3_stmt *statement, int place, peer_text text)
{
    sqlite3_bind_text(statement, place, text.data, text.size, SQLITE_STATIC);
}

void peer_run_statement(sqlite_peer *peer, peer_statement which)
{
    sqlite3_stmt *statement = peer->statements[which];

    if (sqlite3_step(statement) != SQLITE_DONE)
        bench_fail("SQLite: %s: %s", sqlite3_sql(statement),
                   sqlite3_errmsg(peer->db));
    sqlite3_reset(statement);
}

void peer_run_update(sqlite_peer *peer, peer_statement which)
{
    peer_run_statement(peer, which);
    if (sqlite3_changes(peer->db) != 1)
        bench_fail("SQLite: %s: the row has changed since it was read",
                   sqlite3_sql(peer->statements[which]));
}

bool peer_next_row(sqlite_peer *peer, sqlite3_stmt *rows)
{
    int status = sqlite3_step(rows);

    if (status != SQLITE_ROW && status != SQLITE_DONE)
        bench_fail("SQLite: %s: %s", sqlite3_sql(rows),
                   sqlite3_errmsg(peer->db));
    return status == SQLITE_ROW;
}

peer_text peer_column_text(sqlite3_stmt *statement, int column)
{
    peer_text text;

    text.data = (const char *)sqlite3_column_text(statement, column);
    text.size = sqlite3_column_bytes(statement, column);
    return text;
}

void peer_begin(sqlite_peer *peer)
{
    peer_run_statement(peer, PEER_BEGIN);
}

void peer_commit(sqlite_peer *peer)
{
    peer_run_statement(peer, PEER_COMMIT);
}

/* --- hooks */

void peer_hook_insert(sqlite_peer *peer, int64_t instance_id,
                      const peer_payload *payload)
{
    sqlite3_stmt *insert = peer->statements[PEER_INSERT_HOOK];

    peer_bind(insert, 1, PEER_WORKFLOWS);
    peer_bind(insert, 2, PEER_ENQUEUED);
    peer_bind(insert, 3, PEER_WORKFLOW);
    peer_bind(insert, 4, instance_id);
    peer_bind(insert, 5, payload->instance_ref);
    peer_bind(insert, 6, payload->run_number);
    peer_bind(insert, 7, payload->reason);
    peer_bind(insert, 8, PEER_PENDING);
    peer_bind_or_null(insert, 9, payload->at, PEER_AT_ONCE);
    peer_bind(insert, 10, peer->now);
    peer_bind(insert, 11, payload->at);
    peer_run_statement(peer, PEER_INSERT_HOOK);
}

peer_hook peer_hook_due(sqlite_peer *peer)
{
    sqlite3_stmt *due = peer->statements[PEER_GET_DUE_HOOK];
    peer_hook hook;

    peer_bind(due, 1, peer->now);
    if (!peer_next_row(peer, due))
        bench_fail("SQLite: %s: no hook is due", peer->task->workload->key);
    hook.id = sqlite3_column_int64(due, 0);
    hook.version = sqlite3_column_int64(due, 1);
    hook.payload.instance_ref = sqlite3_column_int64(due, 2);
    hook.payload.run_number = sqlite3_column_int64(due, 3);
    hook.payload.reason = sqlite3_column_int64(due, 4);
    hook.payload.at = sqlite3_column_type(due, 5) != SQLITE_NULL
                          ? sqlite3_column_int64(due, 5)
                          : sqlite3_column_int64(due, 6);
    sqlite3_reset(due);
    return hook;
}

void peer_hook_claim(sqlite_peer *peer, peer_hook *hook, int counts)
{
    sqlite3_stmt *claim = peer->statements[PEER_CLAIM_HOOK];

    peer_bind(claim, 1, hook->id);
    peer_bind(claim, 2, hook->version);
    peer_bind(claim, 3, counts);
    peer_bind(claim, 4, PEER_PROCESSING);
    peer_bind(claim, 5, peer->now);
    peer_run_update(peer, PEER_CLAIM_HOOK);
    hook->version += counts;
}

void peer_hook_complete(sqlite_peer *peer, const peer_hook *hook)
{
    sqlite3_stmt *complete = peer->statements[PEER_COMPLETE_HOOK];

    peer_bind(complete, 1, hook->id);
    peer_bind(complete, 2, hook->version);
    peer_bind(complete, 3, PEER_COMPLETED);
    peer_run_update(peer, PEER_COMPLETE_HOOK);
}

void peer_pop_hook(sqlite_peer *peer, int counts)
{
    peer_hook hook;

    peer_begin(peer);
    hook = peer_hook_due(peer);
    peer_hook_claim(peer, &hook, counts);
    peer_hook_complete(peer, &hook);
    peer_commit(peer);
}

/* --- instances */

void peer_create(sqlite_peer *peer, size_t number)
{
    sqlite3_stmt *insert = peer->statements[PEER_INSERT_INSTANCE];
    int64_t id = PEER_FIRST_ID + (int64_t)number;
    peer_payload tick = {0, 0, PEER_CREATE, PEER_AT_ONCE};
    peer_text params;

    params.data = peer->params[number];
    params.size = peer->params_sizes[number];
    peer_begin(peer);
    peer_bind(insert, 1, id);
    peer_bind(insert, 2, PEER_WORKFLOW);
    peer_bind(insert, 3, PEER_QUEUED);
    peer_bind(insert, 4, peer->now);
    peer_bind_text(insert, 5, params);
    peer_run_statement(peer, PEER_INSERT_INSTANCE);
    tick.instance_ref = sqlite3_last_insert_rowid(peer->db);
    peer_hook_insert(peer, id, &tick);
    peer_commit(peer);
}

void peer_send_event(sqlite_peer *peer, size_t number, int64_t type,
                     peer_text payload)
{
    sqlite3_stmt *find = peer->statements[PEER_FIND_INSTANCE];
    sqlite3_stmt *insert = peer->statements[PEER_INSERT_EVENT];
    int64_t id = PEER_FIRST_ID + (int64_t)number;
    peer_payload tick = {0, 0, PEER_EVENT, PEER_AT_ONCE};

    peer_begin(peer);
    peer_bind(find, 1, PEER_WORKFLOW);
    peer_bind(find, 2, id);
    if (!peer_next_row(peer, find) ||
        sqlite3_column_int64(find, 1) == PEER_COMPLETE)
        bench_fail("SQLite: instance %lu cannot get an event",
                   (unsigned long)number);
    tick.instance_ref = sqlite3_column_int64(find, 0);
    tick.run_number = sqlite3_column_int64(find, 2);
    sqlite3_reset(find);
    peer_bind(insert, 1, tick.instance_ref);
    peer_bind(insert, 2, PEER_WORKFLOW);
    peer_bind(insert, 3, id);
    peer_bind(insert, 4, tick.run_number);
    peer_bind(insert, 5, PEER_USER);
    peer_bind(insert, 6, type);
    peer_bind_text(insert, 7, payload);
    peer_bind(insert, 8, peer->now);
    peer_run_statement(peer, PEER_INSERT_EVENT);
    peer_hook_insert(peer, id, &tick);
    peer_commit(peer);
}
