/* Every allocation of every call on DAGs refused once: the call says NO_MEMORY
 * and the store is as it was, or at the end of a transition; made again, all
 * goes on, tells and ends as in an undisturbed life; nothing leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "suite.h"
#include "sweep.h"

/* --- a life: DAGs, and calls on them */

#define START INT64_C(1700000000000)
#define MOST_STATES 1024

typedef struct life {
    wfs_dags *dags;
    suite_text told;            /* messages */
    suite_text given;           /* what calls gave */
    sweep_memory *memory;       /* NULL: nothing is ever refused */
    size_t messages;            /* that were refused memory */
} life;

/* Memory for what the test asks for in between. */
static void *plain_resize(void *pointer, size_t old_size, size_t new_size,
                          void *user)
{
    (void)old_size;
    (void)user;
    if (new_size != 0)
        return realloc(pointer, new_size);
    free(pointer);
    return NULL;
}

static const wfs_allocator plain = {plain_resize, NULL};

/* The answer depends on the request alone: it may be sent again. */
static wfs_status reply(const wfs_http_request *request, wfs_arena *arena,
                        wfs_http_response *response, wfs_error *error,
                        void *user)
{
    static const wfs_http_header json[] = {
        {"Content-Type", "application/json"}, {"X-Sum", "7"}, {NULL, NULL}};

    (void)user;
    if (wfs_arena_allocate(arena, 4000) == NULL)
        return WFS_ERR_NO_MEMORY;
    if (strstr(request->url, "/refuse") != NULL) {
        strcpy(error->message, "connection refused");
        return WFS_ERR_HANDLER;
    }
    response->status = strstr(request->url, "/missing") != NULL ? 404 : 200;
    response->headers = json;
    response->body = "{\"id\":[1,2.5,\"caf\303\251\"],\"secret\":null}";
    response->body_size = strlen(response->body);
    response->delay = (int64_t)strlen(request->url) % 7 * 10;
    return WFS_OK;
}

static void tell_integer(life *self, int64_t value)
{
    suite_integer(&self->given, value);
    suite_say(&self->given, "\n");
}

/* A message for each event: without memory there is none, and it can be asked
 * for again. */
static void tell_message(life *self, const wfs_dag_event *event)
{
    wfs_store *store = wfs_dags_store(self->dags);
    uint64_t hash = wfs_store_hash(store);
    sweep_memory paused = {0};
    const wfs_json *message;
    wfs_arena *arena;
    size_t nth;

    if (self->memory != NULL)
        paused = sweep_pause(self->memory);
    for (nth = 1;; nth++) {
        sweep_memory own;
        wfs_allocator allocator = sweep_allocator(&own);

        sweep_refuse(&own, nth, SWEEP_ONCE);
        arena = wfs_arena_create(&allocator);
        message = arena != NULL
                      ? wfs_dags_message(self->dags, event, arena)
                      : NULL;
        sweep_allow(&own);
        if (message != NULL)
            suite_json(&self->told, message);
        wfs_arena_free(arena);
        sweep_expect_clean(&own);
        if (message != NULL)
            break;
        assert_true(own.refused > 0);
        self->messages++;
    }
    assert_true(wfs_store_hash(store) == hash);
    if (self->memory != NULL)
        sweep_go_on(self->memory, paused);
}

static void observe(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    life *self = (life *)user;

    self->dags = dags;
    tell_message(self, event);
}

#define STEP(id, url, rest)                                                   \
    "{\"id\":\"" id "\",\"name\":\"\",\"stage\":\"\",\"request\":{"           \
    "\"method\":\"POST\",\"url\":\"" url "\",\"headers\":{"                   \
    "\"X-A\":\"{{random}} {{id}}\"},\"body\":{\"at\":\"{{timestamp}}\"}}"     \
    rest "}"

/* In waves: all that an attempt may come to. */
static const char waves[] =
    "{\"id\":\"waves\",\"name\":\"in waves\",\"steps\":["
    STEP("first", "http://t.test/1",
         ",\"execution\":{\"delayMs\":5,\"jitter\":3,\"iterations\":2},"
         "\"extract\":{\"id\":{\"from\":\"body\",\"path\":\"id.2\"},"
         "\"all\":{\"from\":\"header\"}},\"expect\":{\"status\":200,"
         "\"bodyContains\":\"caf\303\251\",\"headerEquals\":{\"X-Sum\":\"7\"}}")
    "," STEP("gone", "http://t.test/refuse/{{id}}",
             ",\"execution\":{\"retries\":1,\"delayMs\":20}")
    "," STEP("missing", "/missing/{{id}}?{{iteration}}",
             ",\"dependsOn\":[\"first\"],\"expect\":{\"blocked\":true},"
             "\"execution\":{\"retries\":1,\"iterations\":2}")
    "," STEP("skipped", "/never",
             ",\"dependsOn\":[\"first\"],"
             "\"when\":{\"step\":\"gone\",\"succeeded\":true}")
    "," STEP("blocked", "http://else.test/", ",\"dependsOn\":[\"skipped\"]")
    "," STEP("last", "/last", ",\"dependsOn\":[\"missing\",\"gone\"]")
    "]}";

/* Reactive, and one whose graph is broken. */
static const char others[] =
    "[{\"id\":\"groups\",\"name\":\"in groups\",\"steps\":["
    STEP("a", "/a", ",\"executionMode\":\"sequential\"") ","
    STEP("b", "/bb", ",\"executionMode\":\"sequential\"") ","
    STEP("c", "/ccc", ",\"executionMode\":\"parallel\",\"parallelGroup\":1")
    "," STEP("d", "/dddd", ",\"executionMode\":\"parallel\","
                           "\"parallelGroup\":1,\"dependsOn\":[\"a\"]")
    "," STEP("e", "/e", ",\"extract\":{\"id\":{\"from\":\"status\"}},"
                        "\"when\":{\"step\":\"a\",\"status\":200}")
    "]},{\"id\":\"empty\",\"name\":\"nothing\",\"steps\":[]}]";

static const char wrong[] =
    "[{\"id\":\"fine\",\"name\":\"fine\",\"steps\":[]},"
    "{\"id\":\"wrong\",\"name\":\"wrong\",\"steps\":["
    STEP("a", "/{{nobody}}", ",\"dependsOn\":[\"b\",\"nobody\"]") ","
    STEP("b", "/", ",\"dependsOn\":[\"a\"]") "]}]";

/* --- the calls; each may be made again */

typedef wfs_status (*life_call)(life *self);

static wfs_status refused_with(wfs_status status, wfs_status expected)
{
    if (status == WFS_ERR_NO_MEMORY)
        return status;
    assert_int_equal(status, expected);
    return WFS_OK;
}

static wfs_status call_load(life *self)
{
    return wfs_dags_load(self->dags, others, 0);
}

static wfs_status call_load_wrong(life *self)
{
    return refused_with(wfs_dags_load(self->dags, wrong, 0),
                        WFS_ERR_VALIDATION);
}

static wfs_status call_load_again(life *self)
{
    return refused_with(wfs_dags_load(self->dags, waves, 0),
                        WFS_ERR_DUPLICATE_SCENARIO);
}

static wfs_status start(life *self, const char *id, wfs_dag_mode mode)
{
    wfs_dag_start options = {.mode = mode, .trigger = "{\"by\":[1,2]}"};
    wfs_row_id execution;

    WFS_TRY(wfs_dags_start(self->dags, id, &options, &execution));
    tell_integer(self, execution);
    return WFS_OK;
}

static wfs_status call_start_waves(life *self)
{
    return start(self, "waves", WFS_DAG_ASSESSMENT);
}

static wfs_status call_start_groups(life *self)
{
    return start(self, "groups", WFS_DAG_SIMULATION);
}

static wfs_status call_start_empty(life *self)
{
    return start(self, "empty", WFS_DAG_ASSESSMENT);
}

static wfs_status call_start_unknown(life *self)
{
    return refused_with(start(self, "none", WFS_DAG_SIMULATION),
                        WFS_ERR_SCENARIO_NOT_FOUND);
}

static wfs_status call_next(life *self)
{
    int64_t time = 0;
    wfs_status status = wfs_dags_next(self->dags, &time);

    if (status == WFS_ERR_NO_MEMORY)
        return status;
    tell_integer(self, status == WFS_DONE ? -1 : time);
    return WFS_OK;
}

static wfs_status accepted(life *self, wfs_status status, bool yes)
{
    WFS_TRY(status);
    tell_integer(self, yes);
    return WFS_OK;
}

static wfs_status call_pause(life *self)
{
    bool yes;
    wfs_status status = wfs_dags_pause(self->dags, 1, &yes);

    return accepted(self, status, yes);
}

static wfs_status call_resume(life *self)
{
    bool yes;
    wfs_status status = wfs_dags_resume(self->dags, 1, &yes);

    return accepted(self, status, yes);
}

static wfs_status call_cancel(life *self)
{
    bool yes;
    wfs_status status = wfs_dags_cancel(self->dags, 2, &yes);

    return accepted(self, status, yes);
}

static wfs_status counted(life *self, wfs_status status, size_t count)
{
    WFS_TRY(status);
    tell_integer(self, (int64_t)count);
    return WFS_OK;
}

static wfs_status call_pause_all(life *self)
{
    size_t count;
    wfs_status status = wfs_dags_pause_all(self->dags, &count);

    return counted(self, status, count);
}

static wfs_status call_resume_all(life *self)
{
    size_t count;
    wfs_status status = wfs_dags_resume_all(self->dags, &count);

    return counted(self, status, count);
}

static wfs_status call_cancel_all(life *self)
{
    size_t count;
    wfs_status status = wfs_dags_cancel_all(self->dags, &count);

    return counted(self, status, count);
}

static wfs_status call_restart(life *self)
{
    wfs_row_id restarted;

    WFS_TRY(wfs_dags_restart(self->dags, 2, &restarted));
    tell_integer(self, restarted);
    return WFS_OK;
}

static wfs_status call_restart_unknown(life *self)
{
    return refused_with(wfs_dags_restart(self->dags, 99, NULL),
                        WFS_ERR_ROW_NOT_FOUND);
}

typedef wfs_json *(*shower)(wfs_dags *dags, wfs_row_id execution,
                            wfs_arena *arena);

static wfs_status show(life *self, shower make)
{
    wfs_allocator allocator = plain;
    wfs_arena *arena;
    wfs_json *shown;
    wfs_row_id id;

    if (self->memory != NULL) {
        allocator.resize = sweep_resize;
        allocator.user = self->memory;
    }
    for (id = 1; id <= 2; id++) {
        arena = wfs_arena_create(&allocator);
        shown = arena != NULL ? make(self->dags, id, arena) : NULL;
        if (shown != NULL && id == 2)
            suite_json(&self->given, shown);
        wfs_arena_free(arena);
        if (shown == NULL)
            return WFS_ERR_NO_MEMORY;
    }
    return WFS_OK;
}

static wfs_status call_snapshot(life *self)
{
    return show(self, wfs_dags_snapshot);
}

static wfs_status call_report(life *self)
{
    return show(self, wfs_dags_report);
}

static wfs_status call_step(life *self)
{
    wfs_dag_step step;

    WFS_TRY(wfs_dags_step(self->dags, 1, "missing", &step));
    tell_integer(self, step.attempts);
    return WFS_OK;
}

/* Calls; without one, the clock runs to a time. Eviction looks every minute: at
 * what is old, and at what is too much. */
static const struct {
    life_call call;
    int64_t until;
} calls[] = {
    {call_load, 0},
    {call_load_wrong, 0},
    {call_load_again, 0},
    {call_start_waves, 0},
    {call_start_groups, 0},
    {call_start_unknown, 0},
    {call_start_empty, 0},
    {call_next, 0},
    {call_pause, 0},
    {NULL, START + 17},
    {call_snapshot, 0},
    {NULL, START + 130},
    {call_snapshot, 0},
    {call_report, 0},
    {call_resume, 0},
    {call_cancel, 0},
    {call_restart, 0},
    {call_restart_unknown, 0},
    {NULL, START + 180},
    {call_pause_all, 0},
    {NULL, INT64_MAX},
    {call_snapshot, 0},
    {call_resume_all, 0},
    {call_step, 0},
    {call_start_waves, 0},
    {NULL, INT64_MAX},
    {call_start_groups, 0},
    {call_cancel_all, 0},
    {call_start_groups, 0},
    {call_restart, 0},
    {NULL, INT64_MAX},
    {call_snapshot, 0},
    {call_report, 0},
    {call_start_empty, 0},
    {NULL, START + 60000},
    {NULL, START + 130000},
};
#define CALLS (sizeof calls / sizeof calls[0])

static wfs_status make_call(life *self, size_t number)
{
    int64_t until = calls[number].until;

    if (calls[number].call != NULL)
        return calls[number].call(self);
    return until == INT64_MAX ? wfs_dags_run(self->dags)
                              : wfs_dags_run_until(self->dags, until);
}

static wfs_status be_born(life *self, sweep_memory *memory)
{
    static const wfs_http_transport transport = {reply, NULL};
    wfs_dag_options options = {.json = waves,
                               .max_concurrency = 2,
                               .target = "http://t.test",
                               .allow = "10.0.0.0/8, *.example.test",
                               .retention = WFS_DAG_KEEP_ALL,
                               .evict_after = 40000,
                               .evict_above = 3,
                               .report_url = "http://dash.test",
                               .clock_start = START,
                               .seed = 4};
    wfs_error error;
    wfs_status status;

    memset(self, 0, sizeof *self);
    self->memory = memory;
    options.transport = &transport;
    options.observe = observe;
    options.user = self;
    if (memory != NULL) {
        options.allocator.resize = sweep_resize;
        options.allocator.user = memory;
    }
    status = wfs_dags_create(&options, &self->dags, &error);
    if (status != WFS_OK) {
        assert_int_equal(error.code, status);
        assert_null(self->dags);
    }
    return status;
}

static void die(life *self)
{
    wfs_dags_free(self->dags);
    suite_free(&self->told);
    suite_free(&self->given);
}

/* --- an undisturbed life */

/* The store's hashes at the end of every transition, and of every call; and all
 * that was told. */
typedef struct chronicle {
    uint64_t states[MOST_STATES];
    size_t count;
    uint64_t ends[CALLS];
    int64_t clocks[CALLS];
    suite_text told, given;
} chronicle;

static uint64_t hash_of(const life *self)
{
    return wfs_store_hash(wfs_dags_store(self->dags));
}

static void note_state(chronicle *all, const life *self)
{
    assert_true(all->count < MOST_STATES);
    all->states[all->count++] = hash_of(self);
}

static void settle_slowly(chronicle *all, life *self)
{
    bool more = true;

    while (more) {
        assert_int_equal(wfsi_settle_one(self->dags, &more), WFS_OK);
        note_state(all, self);
    }
}

/* A call, transition by transition: what follows the first one is held back
 * until that is done. */
static void call_slowly(chronicle *all, life *self, size_t number)
{
    bool more = calls[number].call == NULL;

    if (!more) {
        self->dags->settling = true;
        assert_int_equal(make_call(self, number), WFS_OK);
        self->dags->settling = false;
        note_state(all, self);
    }
    settle_slowly(all, self);
    while (more) {
        assert_int_equal(wfsi_run_one(self->dags, calls[number].until, 0,
                                      &more),
                         WFS_OK);
        settle_slowly(all, self);
    }
    wfs_clock_set(wfs_dags_clock(self->dags), all->clocks[number]);
    assert_true(hash_of(self) == all->ends[number]);
}

/* One life at full speed, and the same once more. */
static void record(chronicle *all)
{
    life self;
    size_t i;

    memset(all, 0, sizeof *all);
    assert_int_equal(be_born(&self, NULL), WFS_OK);
    for (i = 0; i < CALLS; i++) {
        assert_int_equal(make_call(&self, i), WFS_OK);
        all->ends[i] = hash_of(&self);
        all->clocks[i] = wfs_clock_now(wfs_dags_clock(self.dags));
    }
    assert_true(self.messages > 0);
    suite_say(&all->told, self.told.data);
    suite_say(&all->given, self.given.data);
    die(&self);
    assert_int_equal(be_born(&self, NULL), WFS_OK);
    note_state(all, &self);
    for (i = 0; i < CALLS; i++)
        call_slowly(all, &self, i);
    die(&self);
}

static void forget(chronicle *all)
{
    suite_free(&all->told);
    suite_free(&all->given);
}

/* --- lives with little memory */

static bool is_known(const chronicle *all, uint64_t hash)
{
    size_t i;

    for (i = 0; i < all->count; i++)
        if (all->states[i] == hash)
            return true;
    return false;
}

/* What a refused call has left: no half of a transition, nothing open. */
static void expect_between(const chronicle *all, const life *self,
                           size_t number)
{
    if (!is_known(all, hash_of(self)))
        fail_msg("call %d left a state that nobody knows", (int)number);
    assert_int_equal(wfs_rollback(wfs_dags_store(self->dags)),
                     WFS_ERR_NO_TRANSACTION);
    assert_null(wfs_dags_sending(self->dags));
}

/* A call that has passed is not made again. What it found no memory to go on
 * with is done by whoever runs next: up to a time that is over, nothing else
 * is. */
static void expect_end(const chronicle *all, const life *self, size_t number,
                       size_t nth)
{
    if (hash_of(self) != all->ends[number]) {
        expect_between(all, self, number);
        assert_int_equal(wfs_dags_run_until(self->dags, START - 1), WFS_OK);
    }
    if (hash_of(self) != all->ends[number])
        fail_msg("call %d ended otherwise, allocation %d refused", (int)number,
                 (int)nth);
    assert_int_equal(wfs_clock_now(wfs_dags_clock(self->dags)),
                     all->clocks[number]);
}

static void expect_told(const chronicle *all, const life *self)
{
    assert_string_equal(self->told.data, all->told.data);
    assert_string_equal(self->given.data, all->given.data);
}

/* A life in which the nth allocation of one call is refused; the call is made
 * again. False when it asked for fewer. */
static bool live_refused(const chronicle *all, size_t refused, size_t nth,
                         sweep_mode mode)
{
    sweep_memory memory;
    wfs_status status;
    bool was = false;
    life self;
    size_t i;

    sweep_allocator(&memory);
    assert_int_equal(be_born(&self, &memory), WFS_OK);
    for (i = 0; i < CALLS; i++) {
        if (i == refused)
            sweep_refuse(&memory, nth, mode);
        status = make_call(&self, i);
        sweep_allow(&memory);
        was = was || (i == refused && memory.refused > 0);
        if (status == WFS_ERR_NO_MEMORY) {
            assert_true(i == refused && memory.refused > 0);
            expect_between(all, &self, i);
            status = make_call(&self, i);
        }
        assert_int_equal(status, WFS_OK);
        expect_end(all, &self, i, nth);
    }
    expect_told(all, &self);
    die(&self);
    sweep_expect_clean(&memory);
    return was;
}

static void sweep_calls(sweep_mode mode)
{
    size_t i, nth, refused = 0;
    chronicle all;

    record(&all);
    for (i = 0; i < CALLS; i++)
        for (nth = 1; live_refused(&all, i, nth, mode); nth++)
            refused++;
    printf("%d allocations refused, %d calls\n", (int)refused, (int)CALLS);
    assert_true(refused > CALLS);
    forget(&all);
}

static void test_once(void **state)
{
    (void)state;
    sweep_calls(SWEEP_ONCE);
}

static void test_from_there_on(void **state)
{
    (void)state;
    sweep_calls(SWEEP_FROM);
}

/* One life in which each call finds memory for a little more each time. */
static void test_little_by_little(void **state)
{
    sweep_memory memory;
    size_t i, nth, refused = 0;
    wfs_status status;
    chronicle all;
    life self;

    (void)state;
    record(&all);
    sweep_allocator(&memory);
    assert_int_equal(be_born(&self, &memory), WFS_OK);
    for (i = 0; i < CALLS; i++) {
        for (nth = 1;; nth++) {
            sweep_refuse(&memory, nth, SWEEP_FROM);
            status = make_call(&self, i);
            sweep_allow(&memory);
            if (status != WFS_ERR_NO_MEMORY)
                break;
            expect_between(&all, &self, i);
            refused++;
        }
        assert_int_equal(status, WFS_OK);
        expect_end(&all, &self, i, nth);
    }
    assert_true(refused > 0);
    expect_told(&all, &self);
    die(&self);
    sweep_expect_clean(&memory);
    forget(&all);
}

/* --- birth: all or nothing */

static void born_or_not(const wfs_allocator *allocator, sweep_memory *memory,
                        void *user)
{
    life self;

    (void)allocator;
    (void)user;
    if (be_born(&self, memory) == WFS_OK)
        die(&self);
    else
        assert_true(memory->refused > 0);
}

static void test_birth(void **state)
{
    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, born_or_not, NULL) > 10);
    assert_true(sweep_all(SWEEP_FROM, born_or_not, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_birth),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_from_there_on),
        cmocka_unit_test(test_little_by_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
