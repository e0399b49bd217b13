/* The engine's tick over SQLite. */
#include <string.h>

#include "engine.h"
#include "sqlite_peer.h"

/* --- a tick: what it reads and what it is going to write */

#define MOST_WRITES 4           /* steps that a tick of any workload writes */

typedef struct peer_write {
    bool is_new;
    int64_t id, version;        /* of the row to update */
    const peer_step *step;
    int64_t type, status, attempts, wake_at, wait_type;
    peer_text result;
} peer_write;

struct peer_run {
    sqlite_peer *peer;
    const peer_payload *payload;
    int64_t instance_version, instance_id;
    bool has_event;             /* the query stands on an event */
    int64_t consumed_by;        /* the key of the step that took it */
    peer_write writes[MOST_WRITES];
    size_t write_count;
    int64_t resume_at;          /* PEER_AT_ONCE: no time */
    bool too_early;             /* to wake the step that waits until then */
    peer_text output;
    char event_text[512];
};

sqlite_peer *peer_of(peer_run *run)
{
    return run->peer;
}

static void get_instance(peer_run *run)
{
    sqlite_peer *peer = run->peer;
    sqlite3_stmt *get = peer->statements[PEER_GET_INSTANCE];

    peer_bind(get, 1, run->payload->instance_ref);
    if (!peer_next_row(peer, get) ||
        sqlite3_column_int64(get, 2) != run->payload->run_number)
        bench_fail("SQLite: %s: a tick of no instance",
                   peer->task->workload->key);
    run->instance_version = sqlite3_column_int64(get, 0);
    run->instance_id = sqlite3_column_int64(get, 1);
    sqlite3_reset(get);
}

/* Start both queries; they are read during the replay. */
static void get_history(peer_run *run)
{
    sqlite_peer *peer = run->peer;
    sqlite3_stmt *steps = peer->statements[PEER_GET_STEPS];
    sqlite3_stmt *events = peer->statements[PEER_GET_EVENTS];

    peer_bind(steps, 1, run->payload->instance_ref);
    peer_bind(steps, 2, run->payload->run_number);
    peer_bind(events, 1, run->payload->instance_ref);
    peer_bind(events, 2, run->payload->run_number);
    run->has_event = peer_next_row(peer, events);
}

/* The row of the step that comes next, in order; NULL: it is new. */
static sqlite3_stmt *find_step(peer_run *run, size_t step)
{
    sqlite3_stmt *row = run->peer->statements[PEER_GET_STEPS];

    if (run->write_count > 0 && run->writes[run->write_count - 1].is_new)
        return NULL;
    if (!peer_next_row(run->peer, row))
        return NULL;
    if (sqlite3_column_int64(row, 0) != run->peer->steps[step].key)
        bench_fail("SQLite: step %lu is out of order", (unsigned long)step);
    return row;
}

static bool is_completed(sqlite3_stmt *row)
{
    return sqlite3_column_int64(row, 1) == PEER_COMPLETED;
}

static peer_write *add_write(peer_run *run, size_t step, sqlite3_stmt *row,
                             int64_t status)
{
    peer_write *write;

    if (run->write_count == MOST_WRITES)
        bench_fail("SQLite: a tick writes more than %d steps", MOST_WRITES);
    write = &run->writes[run->write_count++];
    memset(write, 0, sizeof *write);
    write->is_new = row == NULL;
    write->step = &run->peer->steps[step];
    write->status = status;
    write->wake_at = PEER_AT_ONCE;
    if (row != NULL) {
        write->id = sqlite3_column_int64(row, 3);
        write->version = sqlite3_column_int64(row, 4);
    }
    return write;
}

bool peer_do(peer_run *run, size_t step, peer_text value, peer_text *result)
{
    sqlite3_stmt *row = find_step(run, step);
    peer_write *write;

    *result = value;
    if (row != NULL) {
        if (!is_completed(row))
            bench_fail("SQLite: step %lu has to be retried",
                       (unsigned long)step);
        *result = peer_column_text(row, 2);
        return true;
    }
    write = add_write(run, step, NULL, PEER_COMPLETED);
    write->type = PEER_DO;
    write->attempts = 1;
    write->result = value;
    return true;
}

bool peer_sleep_until(peer_run *run, size_t step, int64_t time)
{
    sqlite3_stmt *row = find_step(run, step);
    peer_write *write;

    if (row != NULL && is_completed(row))
        return true;
    if (row != NULL) {
        if (run->payload->reason != PEER_WAKE)
            bench_fail("SQLite: step %lu is not woken", (unsigned long)step);
        if (sqlite3_column_int64(row, 5) > run->payload->at) {
            run->resume_at = sqlite3_column_int64(row, 5);
            run->too_early = true;
            return false;
        }
        add_write(run, step, row, PEER_COMPLETED);
        return true;
    }
    write = add_write(run, step, NULL, PEER_WAITING);
    write->type = PEER_SLEEP;
    write->wake_at = run->resume_at = time;
    return false;
}

bool peer_sleep(peer_run *run, size_t step, int64_t ms)
{
    return peer_sleep_until(run, step, run->peer->now + ms);
}

static char *append(char *at, const char *text, size_t size)
{
    memcpy(at, text, size);
    return at + size;
}

/* {"type", "payload", "timestamp"}, as the engine keeps an event. */
static peer_text event_text(peer_run *run)
{
    sqlite3_stmt *row = run->peer->statements[PEER_GET_EVENTS];
    const char *type = peer_symbol_text(run->peer,
                                        sqlite3_column_int64(row, 2));
    peer_text payload = peer_column_text(row, 3), text;
    size_t type_size = strlen(type);
    char time[WFS_TIME_TEXT_SIZE], *at = run->event_text;

    if (type_size + (size_t)payload.size + 80 > sizeof run->event_text)
        bench_fail("SQLite: an event is too long");
    at = append(at, "{\"type\":\"", 9);
    at = append(at, type, type_size);
    at = append(at, "\",\"payload\":", 12);
    at = append(at, payload.data, (size_t)payload.size);
    at = append(at, ",\"timestamp\":\"", 14);
    wfs_format_time(sqlite3_column_int64(row, 4), time);
    at = append(at, time, strlen(time));
    at = append(at, "\"}", 2);
    text.data = run->event_text;
    text.size = (int)(at - run->event_text);
    return text;
}

bool peer_wait(peer_run *run, size_t step, int64_t type, peer_text *event)
{
    sqlite3_stmt *row = find_step(run, step);
    sqlite3_stmt *events = run->peer->statements[PEER_GET_EVENTS];
    peer_write *write;

    if (row != NULL && is_completed(row)) {
        *event = peer_column_text(row, 2);
        return true;
    }
    if (run->has_event && sqlite3_column_int64(events, 2) == type) {
        *event = event_text(run);
        run->consumed_by = run->peer->steps[step].key;
        add_write(run, step, row, PEER_COMPLETED)->result = *event;
        return true;
    }
    if (row == NULL) {
        write = add_write(run, step, NULL, PEER_WAITING);
        write->type = PEER_WAIT_FOR_EVENT;
        write->wait_type = type;
    }
    return false;
}

void peer_return(peer_run *run, peer_text output)
{
    run->output = output;
}

/* --- a tick: its writes */

static void insert_step(peer_run *run, const peer_write *write)
{
    sqlite3_stmt *insert = run->peer->statements[PEER_INSERT_STEP];

    peer_bind(insert, 1, run->payload->instance_ref);
    peer_bind(insert, 2, PEER_WORKFLOW);
    peer_bind(insert, 3, run->instance_id);
    peer_bind(insert, 4, run->payload->run_number);
    peer_bind(insert, 5, write->step->key);
    peer_bind(insert, 6, write->step->name);
    peer_bind(insert, 7, write->type);
    peer_bind(insert, 8, write->status);
    peer_bind(insert, 9, write->attempts);
    peer_bind_or_null(insert, 10, write->wake_at, PEER_AT_ONCE);
    peer_bind_or_null(insert, 11, write->wait_type, PEER_NULL);
    peer_bind_text(insert, 12, write->result);
    peer_bind(insert, 13, run->peer->now);
    peer_run_statement(run->peer, PEER_INSERT_STEP);
}

static void update_step(peer_run *run, const peer_write *write)
{
    sqlite3_stmt *update = run->peer->statements[PEER_UPDATE_STEP];

    peer_bind(update, 1, write->id);
    peer_bind(update, 2, write->version);
    peer_bind(update, 3, write->status);
    peer_bind_text(update, 4, write->result);
    peer_bind(update, 5, run->peer->now);
    peer_run_update(run->peer, PEER_UPDATE_STEP);
}

static void update_event(peer_run *run, int64_t id, int64_t version)
{
    sqlite3_stmt *update = run->peer->statements[PEER_UPDATE_EVENT];

    peer_bind(update, 1, id);
    peer_bind(update, 2, version);
    peer_bind(update, 3, run->peer->now);
    peer_bind(update, 4, run->consumed_by);
    peer_run_update(run->peer, PEER_UPDATE_EVENT);
}

static void update_instance(peer_run *run, bool complete)
{
    sqlite_peer *peer = run->peer;
    sqlite3_stmt *update = peer->statements[PEER_UPDATE_INSTANCE];

    peer_bind(update, 1, run->payload->instance_ref);
    peer_bind(update, 2, run->instance_version);
    peer_bind(update, 3, complete ? PEER_COMPLETE : PEER_WAITING);
    peer_bind(update, 4, peer->now);
    peer_bind_or_null(update, 5, complete ? peer->now : PEER_AT_ONCE,
                      PEER_AT_ONCE);
    peer_bind_text(update, 6, run->output);
    peer_run_update(peer, PEER_UPDATE_INSTANCE);
}

/* The instance goes on when it wakes. */
static void insert_wake(peer_run *run)
{
    peer_payload wake = *run->payload;

    wake.reason = PEER_WAKE;
    wake.at = run->resume_at;
    peer_hook_insert(run->peer, run->instance_id, &wake);
}

/* The queries end before what they read is written. */
static void close_history(peer_run *run, int64_t *event, int64_t *version)
{
    sqlite3_stmt *events = run->peer->statements[PEER_GET_EVENTS];

    if (run->consumed_by != PEER_NULL) {
        *event = sqlite3_column_int64(events, 0);
        *version = sqlite3_column_int64(events, 1);
    }
    sqlite3_reset(events);
    sqlite3_reset(run->peer->statements[PEER_GET_STEPS]);
}

static void commit_replay(peer_run *run, bool complete)
{
    int64_t event = 0, version = 0;
    size_t i;

    close_history(run, &event, &version);
    for (i = 0; i < run->write_count; i++)
        if (run->writes[i].is_new)
            insert_step(run, &run->writes[i]);
        else
            update_step(run, &run->writes[i]);
    if (run->consumed_by != PEER_NULL)
        update_event(run, event, version);
    if (!run->too_early)
        update_instance(run, complete);
    if (!complete && run->resume_at != PEER_AT_ONCE)
        insert_wake(run);
}

/* A run is large: only what it begins with is set. */
static void tick(sqlite_peer *peer, const peer_payload *payload)
{
    peer_run run;

    run.peer = peer;
    run.payload = payload;
    run.consumed_by = PEER_NULL;
    run.write_count = 0;
    run.resume_at = PEER_AT_ONCE;
    run.too_early = false;
    run.output.data = NULL;
    run.output.size = 0;
    get_instance(&run);
    get_history(&run);
    commit_replay(&run, peer->workflow(&run));
}

void peer_tick(sqlite_peer *peer, const peer_payload *payload)
{
    peer_begin(peer);
    tick(peer, payload);
    peer_commit(peer);
}

void peer_process(sqlite_peer *peer)
{
    peer_hook hook;

    peer_begin(peer);
    hook = peer_hook_due(peer);
    peer_hook_claim(peer, &hook, 0);
    tick(peer, &hook.payload);
    peer_hook_complete(peer, &hook);
    peer_commit(peer);
}
