/* Every allocation of whole scenarios and of every call on a harness refused
 * once: the call says NO_MEMORY and has changed nothing, or succeeds; going on
 * afterwards ends where an undisturbed run ends; nothing leaks. */
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

/* --- what is swept: calls on something that is made, forked and freed */

typedef struct story {
    const void *data;
    size_t calls;
    wfs_status (*create)(const wfs_allocator *allocator, const void *data,
                         void **self);
    /* WFS_OK, or NO_MEMORY with all as it was. */
    wfs_status (*call)(void *self, size_t number);
    /* MISUSE where it cannot be forked. */
    wfs_status (*fork)(void *self, void **copy);
    wfs_harness *(*harness)(void *self);
    /* What the caller got so far: results, variables. */
    void (*tell)(void *self, suite_text *text);
    void (*end)(void *self);    /* free it */
} story;

/* How things stood before a call, or at the end, in an undisturbed run. */
typedef struct moment {
    sweep_snapshot store;
    suite_text tables, told;
    int64_t clock;
    uint64_t random;
} moment;

static moment moment_of(const story *subject, void *self)
{
    wfs_harness *harness = subject->harness(self);
    moment now;

    memset(&now, 0, sizeof now);
    now.store = sweep_snapshot_of(wfs_harness_store(harness));
    suite_tables(&now.tables, wfs_harness_store(harness));
    subject->tell(self, &now.told);
    now.clock = wfs_clock_now(wfs_harness_clock(harness));
    now.random = wfs_harness_random(harness)->state;
    return now;
}

static void moment_drop(moment *then)
{
    sweep_drop(&then->store);
    suite_free(&then->tables);
    suite_free(&then->told);
}

static void expect_text(const suite_text *expected, const suite_text *actual)
{
    assert_string_equal(actual->data, expected->data);
    assert_int_equal(actual->size, expected->size);
}

/* tables_too: read row by row through the public functions as well. */
static void expect_moment(const story *subject, const moment *then,
                          void *self, bool tables_too)
{
    wfs_harness *harness = subject->harness(self);
    suite_text tables = {0}, told = {0};

    sweep_expect_same(&then->store, wfs_harness_store(harness));
    assert_int_equal(wfs_clock_now(wfs_harness_clock(harness)), then->clock);
    assert_true(wfs_harness_random(harness)->state == then->random);
    subject->tell(self, &told);
    expect_text(&then->told, &told);
    suite_free(&told);
    if (!tables_too)
        return;
    suite_tables(&tables, wfs_harness_store(harness));
    expect_text(&then->tables, &tables);
    suite_free(&tables);
}

/* moments[i] is before call i, the last one after all of them. */
static moment *undisturbed(const story *subject)
{
    moment *moments =
        (moment *)malloc((subject->calls + 1) * sizeof *moments);
    void *self;
    size_t i;

    assert_non_null(moments);
    assert_int_equal(subject->create(NULL, subject->data, &self), WFS_OK);
    for (i = 0; i < subject->calls; i++) {
        moments[i] = moment_of(subject, self);
        assert_int_equal(subject->call(self, i), WFS_OK);
    }
    moments[i] = moment_of(subject, self);
    subject->end(self);
    return moments;
}

static void forget(const story *subject, moment *moments)
{
    size_t i;

    for (i = 0; i <= subject->calls; i++)
        moment_drop(&moments[i]);
    free(moments);
}

/* --- the sweeps */

/* One run from the start to the end, the nth allocation of all refused; the
 * call that is told so is made again. False when it made fewer than nth. */
static bool run_refused(const story *subject, const moment *moments,
                        size_t nth, sweep_mode mode)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    bool refused = false;
    wfs_status status;
    void *self;
    size_t i;

    sweep_refuse(&memory, nth, mode);
    status = subject->create(&allocator, subject->data, &self);
    if (status == WFS_ERR_NO_MEMORY) {
        assert_true(memory.refused > 0);
        assert_null(self);
        sweep_expect_clean(&memory);
        return true;
    }
    assert_int_equal(status, WFS_OK);
    for (i = 0; i < subject->calls; i++) {
        status = subject->call(self, i);
        if (memory.refused > 0 && !refused) {
            sweep_allow(&memory);
            refused = true;
        }
        if (status == WFS_ERR_NO_MEMORY) {
            expect_moment(subject, &moments[i], self, true);
            status = subject->call(self, i);
        }
        assert_int_equal(status, WFS_OK);
    }
    sweep_allow(&memory);
    expect_moment(subject, &moments[i], self, true);
    subject->end(self);
    sweep_expect_clean(&memory);
    return refused;
}

static void sweep_from_the_start(const story *subject, sweep_mode mode)
{
    moment *moments = undisturbed(subject);
    size_t nth = 1;

    while (run_refused(subject, moments, nth, mode))
        nth++;
    printf("%d allocations refused, %d calls\n", (int)nth - 1,
           (int)subject->calls);
    assert_true(nth > subject->calls);
    forget(subject, moments);
}

/* One run; each call is refused its first allocation, then its second, and so
 * on until it passes. What it keeps of an attempt is there in the next. */
static void sweep_call_by_call(const story *subject)
{
    moment *moments = undisturbed(subject);
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    size_t i, nth, refused = 0;
    wfs_status status;
    void *self;

    assert_int_equal(subject->create(&allocator, subject->data, &self),
                     WFS_OK);
    for (i = 0; i < subject->calls; i++) {
        for (nth = 1;; nth++) {
            sweep_refuse(&memory, nth, SWEEP_FROM);
            status = subject->call(self, i);
            sweep_allow(&memory);
            if (status != WFS_ERR_NO_MEMORY)
                break;
            expect_moment(subject, &moments[i], self, true);
            refused++;
        }
        assert_int_equal(status, WFS_OK);
    }
    assert_true(refused > 0);
    expect_moment(subject, &moments[i], self, true);
    subject->end(self);
    sweep_expect_clean(&memory);
    forget(subject, moments);
}

/* Each call on a fresh fork, which has no room to spare anywhere; making the
 * fork is refused memory as well. */
static void *fork_refused(const story *subject, sweep_memory *memory,
                          void *self)
{
    size_t nth, blocks = memory->blocks, bytes = memory->bytes;
    wfs_status status;
    void *copy;

    for (nth = 1;; nth++) {
        sweep_refuse(memory, nth, SWEEP_ONCE);
        status = subject->fork(self, &copy);
        sweep_allow(memory);
        if (status != WFS_ERR_NO_MEMORY)
            break;
        assert_null(copy);
        assert_int_equal(memory->blocks, blocks);
        assert_int_equal(memory->bytes, bytes);
    }
    if (status == WFS_ERR_MISUSE)
        return NULL;
    assert_int_equal(status, WFS_OK);
    assert_true(nth > 1);
    return copy;
}

/* False when it passed without being refused. */
static bool call_refused(const story *subject, sweep_memory *memory,
                         const moment *moments, void *self, size_t number,
                         size_t nth)
{
    wfs_status status;
    void *copy;
    bool refused;

    assert_int_equal(subject->fork(self, &copy), WFS_OK);
    sweep_refuse(memory, nth, SWEEP_ONCE);
    status = subject->call(copy, number);
    sweep_allow(memory);
    refused = memory->refused > 0;
    assert_true(status == WFS_OK || (refused && status == WFS_ERR_NO_MEMORY));
    expect_moment(subject, &moments[status == WFS_OK ? number + 1 : number],
                  copy, false);
    subject->end(copy);
    return refused;
}

static void sweep_forks(const story *subject)
{
    moment *moments = undisturbed(subject);
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    size_t i, nth, forks = 0;
    void *self, *copy;

    assert_int_equal(subject->create(&allocator, subject->data, &self),
                     WFS_OK);
    for (i = 0; i < subject->calls; i++) {
        copy = fork_refused(subject, &memory, self);
        if (copy != NULL) {
            expect_moment(subject, &moments[i], copy, true);
            subject->end(copy);
            for (nth = 1;
                 call_refused(subject, &memory, moments, self, i, nth); nth++)
                continue;
            forks++;
        }
        expect_moment(subject, &moments[i], self, false);
        assert_int_equal(subject->call(self, i), WFS_OK);
    }
    assert_true(forks * 2 > subject->calls);
    expect_moment(subject, &moments[i], self, true);
    subject->end(self);
    sweep_expect_clean(&memory);
    forget(subject, moments);
}

/* --- scenarios */

typedef struct scenario_run {
    wfs_scenario scenario;      /* with the allocator */
    wfs_runner *runner;
    struct scenario_run *original;  /* a fork's: owner of the scenario */
} scenario_run;

static wfs_status scenario_create(const wfs_allocator *allocator,
                                  const void *data, void **self)
{
    scenario_run *run = (scenario_run *)calloc(1, sizeof *run);
    wfs_error error;
    wfs_status status;

    assert_non_null(run);
    run->scenario = *(const wfs_scenario *)data;
    if (allocator != NULL)
        run->scenario.allocator = *allocator;
    status = wfs_runner_create(&run->scenario, &run->runner, &error);
    *self = run;
    if (status != WFS_OK) {
        assert_int_equal(error.code, status);
        assert_null(run->runner);
        free(run);
        *self = NULL;
    }
    return status;
}

static wfs_status scenario_call(void *self, size_t number)
{
    scenario_run *run = (scenario_run *)self;
    const wfs_step_result *step;
    wfs_status status = wfs_runner_next(run->runner, &step);

    if (status == WFS_ERR_NO_MEMORY) {
        assert_null(step);
        return status;
    }
    assert_non_null(step);
    assert_int_equal(step->index, number);
    if (status != WFS_OK)
        fail_msg("step %d: %s", (int)number, step->message);
    return status;
}

static wfs_status scenario_fork(void *self, void **copy)
{
    scenario_run *run = (scenario_run *)self;
    scenario_run *other = (scenario_run *)calloc(1, sizeof *other);
    wfs_status status;

    assert_non_null(other);
    other->original = run;
    status = wfs_runner_fork(run->runner, &other->runner);
    *copy = other;
    if (status != WFS_OK) {
        assert_null(other->runner);
        free(other);
        *copy = NULL;
    }
    return status;
}

static wfs_harness *scenario_harness(void *self)
{
    return wfs_runner_harness(((scenario_run *)self)->runner);
}

/* The reports at the end only: they are long. */
static void scenario_tell(void *self, suite_text *text)
{
    scenario_run *run = (scenario_run *)self;
    const wfs_scenario_result *result = wfs_runner_result(run->runner);
    const wfs_scenario *scenario = run->original != NULL
                                       ? &run->original->scenario
                                       : &run->scenario;
    size_t i;

    suite_say(text, wfs_status_name(result->status));
    suite_integer(text, result->clock);
    suite_json(text, result->vars);
    for (i = 0; i < result->step_count; i++)
        suite_step(text, &result->steps[i]);
    if (result->step_count == result->planned_count)
        suite_reports(text, scenario, run->runner);
}

static void scenario_end(void *self)
{
    wfs_runner_free(((scenario_run *)self)->runner);
    free(self);
}

static story subject_of(const wfs_scenario *scenario)
{
    story subject = {.data = scenario,
                       .create = scenario_create,
                       .call = scenario_call,
                       .fork = scenario_fork,
                       .harness = scenario_harness,
                       .tell = scenario_tell,
                       .end = scenario_end};

    while (scenario->steps[subject.calls].kind != WFS_SCENARIO_END)
        subject.calls++;
    return subject;
}

static void test_all_features(void **state)
{
    story subject = subject_of(&all_features);

    (void)state;
    sweep_from_the_start(&subject, SWEEP_ONCE);
    sweep_from_the_start(&subject, SWEEP_FROM);
}

static void test_shop(void **state)
{
    story subject = subject_of(&shop);

    (void)state;
    sweep_from_the_start(&subject, SWEEP_ONCE);
}

static void test_shop_from_there_on(void **state)
{
    story subject = subject_of(&shop);

    (void)state;
    sweep_from_the_start(&subject, SWEEP_FROM);
}

static void test_other_scenarios(void **state)
{
    const wfs_scenario *others[] = {&clockwork, &voyages, &chances, &clerking,
                                    &watching};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof others / sizeof others[0]; i++) {
        story subject = subject_of(others[i]);

        sweep_from_the_start(&subject, SWEEP_ONCE);
    }
}

static void test_scenarios_call_by_call(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < SUITE_COUNT; i++) {
        story subject = subject_of(suite[i]);

        sweep_call_by_call(&subject);
    }
}

static void test_scenarios_on_forks(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < SUITE_COUNT; i++) {
        story subject = subject_of(suite[i]);

        sweep_forks(&subject);
    }
}

/* --- a whole run in one call, which gives up */

static void run_whole(const wfs_allocator *allocator, sweep_memory *memory,
                      void *user)
{
    wfs_scenario scenario = *(const wfs_scenario *)user;
    const wfs_step_result *last;
    wfs_scenario_result result;

    scenario.allocator = *allocator;
    if (wfs_scenario_run(&scenario, &result) != WFS_OK) {
        assert_int_equal(result.status, WFS_ERR_NO_MEMORY);
        assert_true(memory->refused > 0);
        last = result.step_count > 0 ? &result.steps[result.step_count - 1]
                                     : NULL;
        if (last != NULL) {
            assert_int_equal(last->status, WFS_ERR_NO_MEMORY);
            assert_non_null(last->label);
            assert_null(last->value);
        }
    } else {
        assert_int_equal(result.step_count, result.planned_count);
    }
    wfs_scenario_result_free(&result);
}

static void test_scenario_run(void **state)
{
    wfs_scenario scenario = all_features;

    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, run_whole, &scenario) > 50);
    assert_true(sweep_all(SWEEP_FROM, run_whole, &scenario) > 50);
    scenario = voyages;
    assert_true(sweep_all(SWEEP_FROM, run_whole, &scenario) > 50);
}

/* --- the timeline */

static void test_timeline(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    suite_text whole = {0}, text = {0};
    wfs_report_options options = {0};
    wfs_scenario scenario = shop;
    sweep_snapshot before;
    wfs_runner *runner;
    wfs_status status;
    size_t nth;

    (void)state;
    scenario.allocator = allocator;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    while (wfs_runner_next(runner, NULL) == WFS_OK)
        continue;
    before = sweep_snapshot_of(wfs_harness_store(wfs_runner_harness(runner)));
    options.writer.write = suite_write;
    for (nth = 1;; nth++) {
        suite_free(&text);
        options.writer.user = &text;
        sweep_refuse(&memory, nth, SWEEP_FROM);
        status = wfs_report_timeline(&options, wfs_runner_harness(runner));
        sweep_allow(&memory);
        sweep_expect_same(&before,
                          wfs_harness_store(wfs_runner_harness(runner)));
        if (status == WFS_OK)
            break;
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
    }
    options.writer.user = &whole;
    assert_int_equal(wfs_report_timeline(&options, wfs_runner_harness(runner)),
                     WFS_OK);
    expect_text(&whole, &text);
    suite_free(&text);
    suite_free(&whole);
    sweep_drop(&before);
    wfs_runner_free(runner);
    sweep_expect_clean(&memory);
}

/* --- every call on a harness */

/* A harness in use: what calls gave is told at once, on paper that never
 * runs out, but read from where the library keeps it. */
typedef struct play {
    wfs_harness *harness;
    suite_text told;
    wfs_open_tick *first, *second;
} play;

typedef wfs_status (*script_call)(play *script);

static wfs_status quick(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "throw", empty_handed, user, NULL, NULL));
    return wfs_return(run, wfs_json_new_real(
                               wfs_run_arena(run),
                               wfs_json_real(wfs_params(run)) / 3));
}

static const wfs_workflow script_workflows[] = {
    {.key = "sell",
     .name = "sell-workflow",
     .run = sell,
     .validate_params = sell_params},
    {.key = "lottery", .name = "lottery-workflow", .run = lottery},
    {.key = "quick", .run = quick},
    {0},
};

static void tell_json(play *script, wfs_arena *paper, const wfs_json *json)
{
    const char *text = wfs_json_write(paper, json, 0, NULL);

    assert_non_null(text);
    suite_say(&script->told, text);
    suite_say(&script->told, "\n");
}

static void tell_text(play *script, const char *text)
{
    suite_say(&script->told, text != NULL ? text : "(null)");
    suite_say(&script->told, "\n");
}

static void tell_integer(play *script, int64_t number)
{
    suite_integer(&script->told, number);
    suite_say(&script->told, "\n");
}

/* A call that is refused for that reason has done what it should. */
static wfs_status refused_with(wfs_status status, wfs_status expected)
{
    if (status == expected)
        return WFS_OK;
    return status == WFS_OK ? WFS_ERR_ASSERTION : status;
}

static wfs_status call_cup(play *script)
{
    return wfs_insert(wfs_harness_store(script->harness), "items",
                      WFS_FIELDS({"sku", wfs_text("cup")},
                                 {"stock", wfs_integer(10)}),
                      NULL);
}

static wfs_status call_pot(play *script)
{
    return wfs_insert(wfs_harness_store(script->harness), "items",
                      WFS_FIELDS({"sku", wfs_text("pot")},
                                 {"stock", wfs_integer(20)}),
                      NULL);
}

static wfs_status call_create(play *script)
{
    const char *id;

    WFS_TRY(wfs_create(script->harness, "sell", "s-1", "{\"quantity\":4}",
                       &id));
    tell_text(script, id);
    return WFS_OK;
}

static wfs_status call_create_again(play *script)
{
    return refused_with(wfs_create(script->harness, "sell", "s-1",
                                   "{\"quantity\":4}", NULL),
                        WFS_ERR_INSTANCE_ID_ALREADY_EXISTS);
}

static wfs_status call_create_without_quantity(play *script)
{
    return refused_with(wfs_create(script->harness, "sell", NULL, "{}", NULL),
                        WFS_ERR_WORKFLOW_PARAMS_INVALID);
}

static wfs_status call_create_with_no_json(play *script)
{
    return refused_with(wfs_create(script->harness, "sell", NULL,
                                   "{\"quantity\":", NULL),
                        WFS_ERR_JSON);
}

static wfs_status call_create_drawn(play *script)
{
    const char *id;

    WFS_TRY(wfs_create(script->harness, "lottery", NULL, NULL, &id));
    tell_text(script, id);
    return WFS_OK;
}

static wfs_status call_create_quick(play *script)
{
    return wfs_create(script->harness, "quick", "q-1", "5", NULL);
}

static wfs_status call_create_batch(play *script)
{
    static const wfs_batch_item items[] = {
        {.id = "s-1", .params = "{\"quantity\":1}"},
        {.id = "s-2", .params = "{\"quantity\":1}"},
        {.id = "s-3", .params = "{\"quantity\":3}"},
        {0},
    };
    const char *const *ids;
    size_t count, i;

    WFS_TRY(wfs_create_batch(script->harness, "sell", items, &ids, &count));
    for (i = 0; i < count; i++)
        tell_text(script, ids[i]);
    return WFS_OK;
}

static wfs_status payload_of(play *script, const char *workflow,
                             const char *id, wfs_reason reason,
                             wfs_payload *payload)
{
    return wfs_build_payload(script->harness, workflow, id, reason, payload);
}

static wfs_status tick(play *script, const char *id, wfs_reason reason)
{
    wfs_payload payload;
    int processed = -1;

    WFS_TRY(payload_of(script, "sell", id, reason, &payload));
    WFS_TRY(wfs_tick(script->harness, &payload, &processed));
    tell_integer(script, processed);
    return WFS_OK;
}

static wfs_status call_tick(play *script)
{
    return tick(script, "s-1", WFS_REASON_CREATE);
}

static wfs_status call_tick_retry(play *script)
{
    return tick(script, "s-1", WFS_REASON_RETRY);
}

static wfs_status call_tick_event(play *script)
{
    return tick(script, "s-1", WFS_REASON_EVENT);
}

static wfs_status call_tick_wake(play *script)
{
    return tick(script, "s-1", WFS_REASON_WAKE);
}

static wfs_status call_run_until_idle(play *script)
{
    wfs_payload payload;
    wfs_idle idle;

    WFS_TRY(payload_of(script, "sell", "s-2", WFS_REASON_CREATE, &payload));
    WFS_TRY(wfs_run_until_idle(script->harness, &payload, 3, &idle));
    tell_integer(script, idle.processed);
    tell_integer(script, idle.ticks);
    return WFS_OK;
}

/* Two ticks that race. Whoever was refused memory begins again; the instance
 * is complete once the first is committed, so the second does nothing, be it
 * that it lost or that it came late. */
static wfs_status begin_tick(play *script, wfs_open_tick **open, bool plan)
{
    wfs_payload payload;
    wfs_status status;

    if (*open == NULL) {
        WFS_TRY(payload_of(script, "quick", "q-1", WFS_REASON_CREATE,
                           &payload));
        WFS_TRY(wfs_tick_retrieve(script->harness, &payload, open));
    }
    if (!plan)
        return WFS_OK;
    status = wfs_tick_plan(*open);
    if (status != WFS_OK) {
        wfs_tick_discard(*open);
        *open = NULL;
    }
    return status;
}

/* Gives the tick back, whatever comes of it. */
static wfs_status end_tick(play *script, wfs_open_tick **open)
{
    wfs_open_tick *tick = *open;
    int processed;

    if (tick == NULL)
        WFS_TRY(begin_tick(script, open, true));
    tick = *open;
    *open = NULL;
    WFS_TRY(wfs_tick_commit(tick, &processed));
    tell_integer(script, processed);
    return WFS_OK;
}

static wfs_status call_retrieve_first(play *script)
{
    return begin_tick(script, &script->first, false);
}

static wfs_status call_retrieve_second(play *script)
{
    return begin_tick(script, &script->second, false);
}

static wfs_status call_plan_second(play *script)
{
    return begin_tick(script, &script->second, true);
}

static wfs_status call_plan_first(play *script)
{
    return begin_tick(script, &script->first, true);
}

static wfs_status call_commit_second(play *script)
{
    return end_tick(script, &script->second);
}

static wfs_status call_commit_first(play *script)
{
    return end_tick(script, &script->first);
}

static wfs_status call_discard(play *script)
{
    wfs_payload payload;
    wfs_open_tick *open;
    wfs_status status;

    WFS_TRY(payload_of(script, "sell", "s-3", WFS_REASON_CREATE, &payload));
    WFS_TRY(wfs_tick_retrieve(script->harness, &payload, &open));
    status = wfs_tick_plan(open);
    wfs_tick_discard(open);
    return status;
}

static wfs_status call_process_hooks(play *script)
{
    size_t processed;

    WFS_TRY(wfs_process_hooks(script->harness, &processed));
    tell_integer(script, (int64_t)processed);
    return WFS_OK;
}

static wfs_status call_minute(play *script)
{
    return wfs_clock_advance_by(wfs_harness_clock(script->harness), "1 minute",
                                NULL);
}

static wfs_status call_hours(play *script)
{
    return wfs_clock_advance_by(wfs_harness_clock(script->harness), "2 hours",
                                NULL);
}

static wfs_status call_send_event(play *script)
{
    wfs_instance_status before;

    WFS_TRY(wfs_send_event(script->harness, "sell", "s-1", "paid",
                           "{\"by\":[\"card\",1e3]}", &before));
    tell_text(script, wfs_instance_status_name(before));
    return WFS_OK;
}

static wfs_status call_send_event_to_nobody(play *script)
{
    return refused_with(wfs_send_event(script->harness, "sell", "s-none",
                                       "paid", NULL, NULL),
                        WFS_ERR_INSTANCE_NOT_FOUND);
}

static wfs_status call_pause(play *script)
{
    return wfs_pause(script->harness, "sell", "s-1");
}

static wfs_status call_resume(play *script)
{
    return wfs_resume(script->harness, "sell", "s-1");
}

static wfs_status call_terminate(play *script)
{
    return wfs_terminate(script->harness, "sell", "s-3");
}

static wfs_status call_terminate_again(play *script)
{
    return refused_with(wfs_terminate(script->harness, "sell", "s-3"),
                        WFS_ERR_INSTANCE_TERMINAL);
}

static wfs_status call_restart(play *script)
{
    return wfs_restart(script->harness, "sell", "s-3");
}

static wfs_status call_status(play *script)
{
    wfs_status_report report;
    wfs_arena *paper;

    WFS_TRY(wfs_get_status(script->harness, "sell", "s-1", &report));
    paper = wfs_arena_create(NULL);
    tell_text(script, wfs_instance_status_name(report.status));
    tell_text(script, report.error_name);
    tell_text(script, report.error_message);
    tell_json(script, paper, report.output);
    wfs_arena_free(paper);
    return WFS_OK;
}

static wfs_status call_instance(play *script)
{
    const wfs_instance *instance;
    wfs_arena *paper;

    WFS_TRY(wfs_get_instance(script->harness, "sell", "s-2", &instance));
    paper = wfs_arena_create(NULL);
    tell_json(script, paper, wfs_instance_to_json(paper, instance));
    wfs_arena_free(paper);
    return WFS_OK;
}

static void tell_steps(play *script, const wfs_step *steps, size_t count)
{
    wfs_arena *paper = wfs_arena_create(NULL);
    size_t i;

    for (i = 0; i < count; i++)
        tell_json(script, paper, wfs_step_to_json(paper, &steps[i]));
    wfs_arena_free(paper);
}

static void tell_events(play *script, const wfs_event *events, size_t count)
{
    wfs_arena *paper = wfs_arena_create(NULL);
    size_t i;

    for (i = 0; i < count; i++)
        tell_json(script, paper, wfs_event_to_json(paper, &events[i]));
    wfs_arena_free(paper);
}

/* One step a page, from the last to the first. */
static wfs_status call_history(play *script)
{
    wfs_read_options options = {.order = WFS_DESCENDING, .page_size = 1};
    size_t told = script->told.size;
    wfs_history history;
    wfs_status status;

    do {
        status = wfs_get_history(script->harness, "sell", "s-1", &options,
                                 &history);
        if (status != WFS_OK) {
            script->told.size = told;
            script->told.data[told] = '\0';
            return status;
        }
        tell_integer(script, history.run_number);
        tell_steps(script, history.steps, history.step_count);
        tell_events(script, history.events, history.event_count);
        options.steps_cursor = history.steps_cursor;
        options.events_cursor = history.events_cursor;
    } while (history.steps_cursor != NULL);
    return WFS_OK;
}

static wfs_status call_history_of_bad_cursor(play *script)
{
    wfs_read_options options = {.steps_cursor = "no cursor"};
    wfs_history history;

    return refused_with(wfs_get_history(script->harness, "sell", "s-1",
                                        &options, &history),
                        WFS_ERR_CURSOR);
}

static wfs_status call_steps(play *script)
{
    wfs_read_options first_run = {.has_run_number = true};
    const wfs_step *steps;
    size_t count;

    WFS_TRY(wfs_get_steps(script->harness, "sell", "s-1", &first_run, &steps,
                          &count));
    tell_steps(script, steps, count);
    return WFS_OK;
}

static wfs_status call_events(play *script)
{
    const wfs_event *events;
    size_t count;

    WFS_TRY(wfs_get_events(script->harness, "sell", "s-1", NULL, &events,
                           &count));
    tell_events(script, events, count);
    return WFS_OK;
}

static wfs_status call_hooks(play *script)
{
    wfs_hook_filter filter = {.workflow = "sell", .instance_id = "s-1"};
    const wfs_hook *hooks;
    wfs_arena *paper;
    size_t count, i;

    WFS_TRY(wfs_get_hooks(script->harness, &filter, &hooks, &count));
    paper = wfs_arena_create(NULL);
    for (i = 0; i < count; i++)
        tell_json(script, paper, wfs_hook_to_json(paper, &hooks[i]));
    wfs_arena_free(paper);
    return WFS_OK;
}

/* Two pages, of all or of those with a status. */
static wfs_status list(play *script, wfs_instance_status status)
{
    wfs_list_options options = {.page_size = 1};
    wfs_instance_list first, second;
    wfs_arena *paper;

    options.status = status;
    WFS_TRY(wfs_list_instances(script->harness, "sell", &options, &first));
    options.cursor = first.cursor;
    WFS_TRY(wfs_list_instances(script->harness, "sell", &options, &second));
    paper = wfs_arena_create(NULL);
    assert_int_equal(first.count, 1);
    tell_json(script, paper,
              wfs_instance_to_json(paper, &first.instances[0]));
    if (second.count > 0)
        tell_json(script, paper,
                  wfs_instance_to_json(paper, &second.instances[0]));
    tell_integer(script, second.has_next_page);
    wfs_arena_free(paper);
    return WFS_OK;
}

static wfs_status call_list(play *script)
{
    return list(script, WFS_INSTANCE_ANY);
}

static wfs_status call_list_waiting(play *script)
{
    return list(script, WFS_INSTANCE_WAITING);
}

static wfs_status call_release(play *script)
{
    wfs_harness_release(script->harness);
    return WFS_OK;
}

static wfs_status call_unknown_workflow(play *script)
{
    return refused_with(wfs_create(script->harness, "none", "n", NULL, NULL),
                        WFS_ERR_WORKFLOW_NOT_FOUND);
}

static const script_call script_calls[] = {
    call_cup,
    call_pot,
    call_create,
    call_create_again,
    call_create_without_quantity,
    call_create_with_no_json,
    call_create_drawn,
    call_create_quick,
    call_create_batch,
    call_unknown_workflow,
    call_retrieve_first,
    call_retrieve_second,
    call_plan_second,
    call_plan_first,
    call_commit_second,
    call_commit_first,
    call_tick,
    call_process_hooks,
    call_minute,
    call_tick_retry,
    call_process_hooks,
    call_list,
    call_release,
    call_run_until_idle,
    call_discard,
    call_send_event_to_nobody,
    call_pause,
    call_tick_event,
    call_send_event,
    call_events,
    call_resume,
    call_tick_event,
    call_process_hooks,
    call_steps,
    call_hours,
    call_tick_wake,
    call_status,
    call_terminate,
    call_terminate_again,
    call_restart,
    call_instance,
    call_history,
    call_history_of_bad_cursor,
    call_hooks,
    call_list_waiting,
    call_process_hooks,
};

static wfs_status script_create(const wfs_allocator *allocator,
                                const void *data, void **self)
{
    wfs_harness_options options = {.workflows = script_workflows,
                                   .tables = shop_tables,
                                   .hooks = shop_hooks,
                                   .seed = 99};
    play *created = (play *)calloc(1, sizeof *created);
    wfs_error error;
    wfs_status status;

    (void)data;
    assert_non_null(created);
    if (allocator != NULL)
        options.allocator = *allocator;
    status = wfs_harness_create(&options, &created->harness, &error);
    suite_say(&created->told, "made\n");
    *self = created;
    if (status != WFS_OK) {
        assert_null(created->harness);
        assert_int_equal(error.code, status);
        suite_free(&created->told);
        free(created);
        *self = NULL;
    }
    return status;
}

static wfs_status script_call_number(void *self, size_t number)
{
    play *used = (play *)self;
    wfs_status status = script_calls[number](used);

    if (status != WFS_OK && status != WFS_ERR_NO_MEMORY)
        fail_msg("call %d: %s: %s", (int)number, wfs_status_name(status),
                 wfs_harness_error(used->harness)->message);
    if (status == WFS_ERR_NO_MEMORY)
        assert_int_equal(wfs_harness_error(used->harness)->code, status);
    return status;
}

static wfs_status script_fork(void *self, void **copy)
{
    play *used = (play *)self;
    play *other = (play *)calloc(1, sizeof *other);
    wfs_status status;

    assert_non_null(other);
    status = wfs_harness_fork(used->harness, &other->harness);
    *copy = other;
    if (status != WFS_OK) {
        assert_null(other->harness);
        free(other);
        *copy = NULL;
        return status;
    }
    suite_say(&other->told, used->told.data);
    return WFS_OK;
}

static wfs_harness *script_harness(void *self)
{
    return ((play *)self)->harness;
}

static void script_tell(void *self, suite_text *text)
{
    suite_say(text, ((play *)self)->told.data);
}

static void script_end(void *self)
{
    play *used = (play *)self;

    wfs_tick_discard(used->first);
    wfs_tick_discard(used->second);
    wfs_harness_free(used->harness);
    suite_free(&used->told);
    free(used);
}

static const story harness_subject = {
    .calls = sizeof script_calls / sizeof script_calls[0],
    .create = script_create,
    .call = script_call_number,
    .fork = script_fork,
    .harness = script_harness,
    .tell = script_tell,
    .end = script_end,
};

static void test_harness(void **state)
{
    (void)state;
    sweep_from_the_start(&harness_subject, SWEEP_ONCE);
    sweep_from_the_start(&harness_subject, SWEEP_FROM);
}

static void test_harness_call_by_call(void **state)
{
    (void)state;
    sweep_call_by_call(&harness_subject);
}

static void test_harness_on_forks(void **state)
{
    (void)state;
    sweep_forks(&harness_subject);
}

/* --- what calls gave stays, wherever the library moves its own memory */

static void tell_kept(suite_text *text, const wfs_instance_list *list,
                      const wfs_step *steps, size_t count)
{
    wfs_arena *paper = wfs_arena_create(NULL);
    size_t i;

    for (i = 0; i < list->count; i++)
        suite_json(text, wfs_instance_to_json(paper, &list->instances[i]));
    for (i = 0; i < count; i++)
        suite_json(text, wfs_step_to_json(paper, &steps[i]));
    wfs_arena_free(paper);
}

static void test_rows_stay(void **state)
{
    wfs_list_options three = {.page_size = 3};
    wfs_instance_list list;
    suite_text before = {0}, after = {0};
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    const wfs_step *steps;
    const char *id;
    char name[64];
    play *used;
    void *self;
    size_t i, count;

    (void)state;
    assert_int_equal(script_create(&allocator, NULL, &self), WFS_OK);
    used = (play *)self;
    for (i = 0; i < harness_subject.calls; i++)
        assert_int_equal(script_calls[i](used), WFS_OK);
    assert_int_equal(wfs_create(used->harness, "quick", "the-first", NULL,
                                &id),
                     WFS_OK);
    assert_int_equal(wfs_list_instances(used->harness, "sell", &three, &list),
                     WFS_OK);
    assert_int_equal(wfs_get_steps(used->harness, "sell", "s-1", NULL, &steps,
                                   &count),
                     WFS_OK);
    assert_true(list.count > 0 && count > 0);
    tell_kept(&before, &list, steps, count);
    for (i = 0; i < 2000; i++) {
        snprintf(name, sizeof name, "quick-and-long-enough-to-matter-%d",
                 (int)i);
        assert_int_equal(wfs_create(used->harness, "quick", name, "[1,2,3]",
                                    NULL),
                         WFS_OK);
    }
    assert_int_equal(wfs_restart(used->harness, "sell", "s-1"), WFS_OK);
    assert_int_equal(wfs_process_hooks(used->harness, NULL), WFS_OK);
    tell_kept(&after, &list, steps, count);
    expect_text(&before, &after);
    assert_string_equal(id, "the-first");
    suite_free(&before);
    suite_free(&after);
    script_end(self);
    sweep_expect_clean(&memory);
}

/* --- the helper itself: it does find what it is there to find */

static void test_helper(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    void *first, *second;

    (void)state;
    sweep_refuse(&memory, 2, SWEEP_ONCE);
    first = allocator.resize(NULL, 0, 10, allocator.user);
    assert_non_null(first);
    memcpy(first, "123456789", 10);
    assert_null(allocator.resize(first, 10, 20, allocator.user));
    assert_string_equal((const char *)first, "123456789");
    second = allocator.resize(first, 10, 20, allocator.user);
    assert_ptr_not_equal(first, second);
    assert_string_equal((const char *)second, "123456789");
    assert_int_equal(memory.refused, 1);
    assert_int_equal(memory.calls, 3);
    assert_int_equal(memory.blocks, 1);
    assert_int_equal(memory.bytes, 20);
    sweep_refuse(&memory, 1, SWEEP_FROM);
    assert_null(allocator.resize(NULL, 0, 1, allocator.user));
    assert_null(allocator.resize(NULL, 0, 1, allocator.user));
    sweep_allow(&memory);
    assert_null(memory.fault);
    allocator.resize(second, 19, 0, allocator.user);
    assert_non_null(memory.fault);
    assert_int_equal(memory.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_helper),
        cmocka_unit_test(test_all_features),
        cmocka_unit_test(test_shop),
        cmocka_unit_test(test_shop_from_there_on),
        cmocka_unit_test(test_other_scenarios),
        cmocka_unit_test(test_scenarios_call_by_call),
        cmocka_unit_test(test_scenarios_on_forks),
        cmocka_unit_test(test_scenario_run),
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_harness),
        cmocka_unit_test(test_harness_call_by_call),
        cmocka_unit_test(test_harness_on_forks),
        cmocka_unit_test(test_rows_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
