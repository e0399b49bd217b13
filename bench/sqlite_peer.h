/* The same engine over SQLite in memory: what our side is compared with.
 *
 * It has the same tables, columns and transactions, and the indexes of the
 * engine that ours was recorded from. These choices are made in SQLite's
 * favour: no journal (so it could not roll back), statements kept, texts bound
 * without a copy, JSON not checked, names and ids interned to integers by the
 * caller before anything is measured, and only those columns read that are
 * used and those written that change.
 *
 * One is not: a hook is claimed and completed by an UPDATE each, as engines do
 * that others share the hooks with, though here both are in one transaction and
 * one UPDATE would do. Ours writes the row once.
 */
#ifndef BENCH_SQLITE_PEER_H
#define BENCH_SQLITE_PEER_H

#include <sqlite3.h>

#include "bench.h"

/* Texts that are integers in the tables; the ids of the instances follow from
 * PEER_FIRST_ID on. */
#define PEER_SYMBOLS(X)                                                       \
    X(WORKFLOW, "order")                                                      \
    X(WORKFLOWS, "workflows")                                                 \
    X(ENQUEUED, "onWorkflowEnqueued")                                         \
    X(QUEUED, "queued")                                                       \
    X(WAITING, "waiting")                                                     \
    X(COMPLETE, "complete")                                                   \
    X(COMPLETED, "completed")                                                 \
    X(PENDING, "pending")                                                     \
    X(PROCESSING, "processing")                                               \
    X(DO, "do")                                                               \
    X(SLEEP, "sleep")                                                         \
    X(WAIT_FOR_EVENT, "waitForEvent")                                         \
    X(CREATE, "create")                                                       \
    X(EVENT, "event")                                                         \
    X(WAKE, "wake")                                                           \
    X(USER, "user")

enum {
    PEER_NULL,                  /* no text: bound as NULL */
#define PEER_ENUMERATOR(name, text) PEER_##name,
    PEER_SYMBOLS(PEER_ENUMERATOR)
#undef PEER_ENUMERATOR
    PEER_SYMBOL_COUNT
};
#define PEER_FIRST_ID 10000

/* How a column's values stand in the table. */
typedef enum peer_kind { PEER_NUMBER, PEER_SYMBOL, PEER_TEXT } peer_kind;

typedef struct peer_column {
    const char *name;
    peer_kind kind;
} peer_column;

typedef struct peer_table {
    const char *name;
    const peer_column *columns; /* after id and version; ends with a zero */
} peer_table;

extern const peer_table peer_tables[];  /* ended by a zero entry */
#define PEER_HOOKS 3            /* the place of workflow_hook in it */

#define PEER_STATEMENTS(X)                                                    \
    X(BEGIN, "BEGIN")                                                         \
    X(COMMIT, "COMMIT")                                                       \
    X(INSERT_INSTANCE,                                                        \
      "INSERT INTO workflow_instance (version, instanceId, workflowName,"     \
      " status, createdAt, updatedAt, params, pauseRequested, runNumber)"     \
      " VALUES (1, ?1, ?2, ?3, ?4, ?4, ?5, 0, 0)")                            \
    X(FIND_INSTANCE,                                                          \
      "SELECT id, status, runNumber FROM workflow_instance"                   \
      " WHERE workflowName = ?1 AND instanceId = ?2")                         \
    X(GET_INSTANCE,                                                           \
      "SELECT version, instanceId, runNumber"                                 \
      " FROM workflow_instance WHERE id = ?1")                                \
    X(UPDATE_INSTANCE,                                                        \
      "UPDATE workflow_instance SET version = version + 1, status = ?3,"      \
      " updatedAt = ?4, startedAt = coalesce(startedAt, ?4),"                 \
      " completedAt = ?5, output = ?6 WHERE id = ?1 AND version = ?2")        \
    X(GET_STEPS,                                                              \
      "SELECT stepKey, status, result, id, version, wakeAt"                   \
      " FROM workflow_step WHERE instanceRef = ?1 AND runNumber = ?2"         \
      " ORDER BY id")                                                         \
    X(INSERT_STEP,                                                            \
      "INSERT INTO workflow_step (version, instanceRef, workflowName,"        \
      " instanceId, runNumber, stepKey, name, type, status, attempts,"        \
      " maxAttempts, wakeAt, waitEventType, result, createdAt, updatedAt)"    \
      " VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12,"     \
      " ?13, ?13)")                                                           \
    X(UPDATE_STEP,                                                            \
      "UPDATE workflow_step SET version = version + 1, status = ?3,"          \
      " wakeAt = NULL, result = ?4, updatedAt = ?5"                           \
      " WHERE id = ?1 AND version = ?2")                                      \
    X(GET_EVENTS,                                                             \
      "SELECT id, version, type, payload, createdAt"                          \
      " FROM workflow_event WHERE instanceRef = ?1 AND runNumber = ?2"        \
      " AND consumedByStepKey IS NULL ORDER BY createdAt")                    \
    X(INSERT_EVENT,                                                           \
      "INSERT INTO workflow_event (version, instanceRef, workflowName,"       \
      " instanceId, runNumber, actor, type, payload, createdAt)"              \
      " VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")                          \
    X(UPDATE_EVENT,                                                           \
      "UPDATE workflow_event SET version = version + 1, deliveredAt = ?3,"    \
      " consumedByStepKey = ?4 WHERE id = ?1 AND version = ?2")               \
    X(INSERT_HOOK,                                                            \
      "INSERT INTO workflow_hook (version, namespace, hookName,"              \
      " workflowName, instanceId, instanceRef, runNumber, reason, status,"    \
      " attempts, maxAttempts, nextRetryAt, createdAt, dueAt)"                \
      " VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 5, ?9, ?10, ?11)")      \
    X(GET_DUE_HOOK,                                                           \
      "SELECT id, version, instanceRef, runNumber, reason, nextRetryAt,"      \
      " createdAt FROM workflow_hook WHERE dueAt <= ?1"                       \
      " ORDER BY dueAt LIMIT 1")                                              \
    X(CLAIM_HOOK,                                                             \
      "UPDATE workflow_hook SET version = version + ?3,"                      \
      " attempts = attempts + ?3, status = ?4, lastAttemptAt = ?5"            \
      " WHERE id = ?1 AND version = ?2")                                      \
    X(COMPLETE_HOOK,                                                          \
      "UPDATE workflow_hook SET version = version + 1, status = ?3,"          \
      " dueAt = NULL WHERE id = ?1 AND version = ?2")

typedef enum peer_statement {
#define PEER_ENUMERATOR(name, sql) PEER_##name,
    PEER_STATEMENTS(PEER_ENUMERATOR)
#undef PEER_ENUMERATOR
    PEER_STATEMENT_COUNT
} peer_statement;

/* JSON text that someone else keeps; data NULL: null. */
typedef struct peer_text {
    const char *data;
    int size;
} peer_text;

#define PEER_JSON(literal) ((peer_text){literal, sizeof literal - 1})

/* What a step's row is found by: symbols. */
typedef struct peer_step {
    int64_t key, name;
} peer_step;

typedef struct peer_run peer_run;

/* A workflow as ours: true when it is complete, false when it waits. */
typedef bool (*peer_workflow)(peer_run *run);

typedef struct sqlite_peer {
    const bench_task *task;
    peer_workflow workflow;
    sqlite3 *db;
    sqlite3_stmt *statements[PEER_STATEMENT_COUNT];
    int64_t now;                /* ms, as our clock */
    char **ids, **params;       /* of the instances */
    int *params_sizes;
    char **symbols;             /* texts of those beyond the fixed ones */
    size_t symbol_count;
    peer_step *steps;           /* of the workflow */
    size_t bytes_empty;
    void *own;                  /* of the workload; NULL: nothing */
    void (*free_own)(void *own);
} sqlite_peer;

/* What a tick is asked to do, and when. */
typedef struct peer_payload {
    int64_t instance_ref, run_number, reason, at;
} peer_payload;
#define PEER_AT_ONCE INT64_MIN  /* a time: none */

/* A hook that is due. */
typedef struct peer_hook {
    int64_t id, version;
    peer_payload payload;
} peer_hook;

/* A database for the task; close it with peer_close, which frees the workload's
 * own too. The workflow may be NULL; at most `steps` steps can be declared. */
sqlite_peer *peer_open(const bench_task *task, peer_workflow workflow,
                       size_t steps);
size_t peer_memory(void *state);
void peer_close(void *state);

/* A text as an integer: made ready before the measured part. */
int64_t peer_intern(sqlite_peer *peer, const char *text);
const char *peer_symbol_text(const sqlite_peer *peer, int64_t symbol);

/* Declare the workflow's step of that number, type ("do") and name. */
void peer_declare_step(sqlite_peer *peer, size_t number, const char *type,
                       const char *name);

/* A transaction each: create the instance with that number; send it an event;
 * run the tick of the one hook that is due; run a tick without a hook; claim
 * and complete the first hook that is due, without its tick. */
void peer_create(sqlite_peer *peer, size_t number);
void peer_send_event(sqlite_peer *peer, size_t number, int64_t type,
                     peer_text payload);
void peer_process(sqlite_peer *peer);
void peer_tick(sqlite_peer *peer, const peer_payload *payload);
void peer_pop_hook(sqlite_peer *peer, int counts);

/* The parts of them. `counts`: claiming makes so many attempts and versions
 * more. Where our side writes the claim too that is 1; the engine writes a hook
 * once in a call, so that its peer, which still makes both updates, counts 0
 * for the tables to be equal. */
void peer_begin(sqlite_peer *peer);
void peer_commit(sqlite_peer *peer);
void peer_hook_insert(sqlite_peer *peer, int64_t instance_id,
                      const peer_payload *payload);
peer_hook peer_hook_due(sqlite_peer *peer);
void peer_hook_claim(sqlite_peer *peer, peer_hook *hook, int counts);
void peer_hook_complete(sqlite_peer *peer, const peer_hook *hook);

/* What a workflow calls: each is true when it may go on. A result lives until
 * the next call. */
bool peer_do(peer_run *run, size_t step, peer_text value, peer_text *result);
bool peer_sleep(peer_run *run, size_t step, int64_t ms);
bool peer_sleep_until(peer_run *run, size_t step, int64_t time);
bool peer_wait(peer_run *run, size_t step, int64_t type, peer_text *event);
void peer_return(peer_run *run, peer_text output);
sqlite_peer *peer_of(peer_run *run);

/* Statements: bind an integer, one that may stand for null, a text that may be
 * null; run one that gives no row, or an update that must find its row in the
 * version it names; go to the next row, false at the end; a text of that row,
 * in place. */
void peer_bind(sqlite3_stmt *statement, int place, int64_t value);
void peer_bind_or_null(sqlite3_stmt *statement, int place, int64_t value,
                       int64_t null);
void peer_bind_text(sqlite3_stmt *statement, int place, peer_text text);
void peer_run_statement(sqlite_peer *peer, peer_statement which);
void peer_run_update(sqlite_peer *peer, peer_statement which);
bool peer_next_row(sqlite_peer *peer, sqlite3_stmt *rows);
peer_text peer_column_text(sqlite3_stmt *statement, int column);

/* For looking at the tables: run SQL without a result; prepare a query. */
void peer_execute(sqlite_peer *peer, const char *sql);
sqlite3_stmt *peer_query(sqlite_peer *peer, const char *sql);

#endif
