/* Mistakes, as a scenario meets them: workflows that break a rule, inputs that
 * are missing, unknown, malformed or far too long. The step that fails names
 * the culprit, and store, clock, randomness and variables are as before it. */
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

#define LONG 10000

static char long_id[LONG + 1];      /* "iii..." */
static char long_text[LONG + 1];    /* "t t t ..." */

/* --- a step that fails, and what was before it */

typedef struct mistaken_step {
    wfs_function run;               /* of workflow "wrong"; NULL: harmless */
    wfs_scenario_step step;
    wfs_status status;
    const char *culprits[3];        /* all in the message; NULL: no more */
} mistaken_step;

static wfs_status harmless(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, NULL);
}

static void expect_culprits(const mistaken_step *mistake, const char *message)
{
    size_t i;

    assert_non_null(message);
    assert_true(strlen(message) < WFS_ERROR_MESSAGE_SIZE);
    for (i = 0; i < 3 && mistake->culprits[i] != NULL; i++)
        if (strstr(message, mistake->culprits[i]) == NULL)
            fail_msg("no \"%s\" in: %s", mistake->culprits[i], message);
}

static void expect_report(wfs_runner *runner, const char *label)
{
    const wfs_scenario_result *result = wfs_runner_result(runner);
    wfs_report_options options = {0};
    suite_text text = {0};

    options.writer.write = suite_write;
    options.writer.user = &text;
    options.verbosity = WFS_QUIET;
    wfs_report_step(&options, &result->steps[result->step_count - 1]);
    assert_non_null(strstr(text.data, "not ok "));
    assert_non_null(strstr(text.data, "message: "));
    assert_non_null(strstr(text.data, "test_misuse.c"));
    if (strlen(label) < 40 && strpbrk(label, "\n\"") == NULL)
        assert_non_null(strstr(text.data, label));
    suite_free(&text);
}

static void run_to(wfs_runner *runner, size_t count)
{
    const wfs_step_result *step;

    for (; count > 0; count--)
        if (wfs_runner_next(runner, &step) != WFS_OK)
            fail_msg("set-up: %s", step->message);
}

/* The step after `count` others fails as it should and changes nothing. */
static void expect_failure(wfs_runner *runner, const mistaken_step *mistake,
                           size_t count)
{
    wfs_harness *harness = wfs_runner_harness(runner);
    wfs_store *store = wfs_harness_store(harness);
    sweep_snapshot before;
    suite_text tables = {0}, after = {0};
    const wfs_step_result *step;
    uint64_t random;
    int64_t clock;

    run_to(runner, count);
    before = sweep_snapshot_of(store);
    suite_tables(&tables, store);
    suite_json(&tables, wfs_runner_result(runner)->vars);
    random = wfs_harness_random(harness)->state;
    clock = wfs_clock_now(wfs_harness_clock(harness));

    if (wfs_runner_next(runner, &step) != mistake->status)
        fail_msg("expected %s, actual %s: %s",
                 wfs_status_name(mistake->status),
                 wfs_status_name(step->status),
                 step->message != NULL ? step->message : "");
    assert_int_equal(step->status, mistake->status);
    assert_int_equal(step->index, count);
    assert_int_equal(step->line, mistake->step.line);
    assert_non_null(step->file);
    assert_null(step->value);
    expect_culprits(mistake, step->message);
    expect_report(runner, step->label);

    sweep_expect_same(&before, store);
    suite_tables(&after, store);
    suite_json(&after, wfs_runner_result(runner)->vars);
    assert_string_equal(after.data, tables.data);
    assert_true(wfs_harness_random(harness)->state == random);
    assert_int_equal(wfs_clock_now(wfs_harness_clock(harness)), clock);
    assert_int_equal(wfs_runner_next(runner, &step), WFS_DONE);
    assert_null(step);
    suite_free(&tables);
    suite_free(&after);
    sweep_drop(&before);
}

/* After some ordinary steps, with an instance of the workflow at fault. */
static void expect_mistake(const mistaken_step *mistake)
{
    wfs_workflow workflows[3];
    wfs_scenario_step steps[] = {
        WFS_ASSERT(.check = fill_shelves),
        WFS_CREATE(.workflow = "sell", .id = "s-1",
                   .params = "{\"quantity\":1}", .store_as = "first"),
        WFS_RUN_CREATE(.workflow = "sell", .id = "s-1", .max_ticks = 1),
        WFS_CREATE(.workflow = "wrong", .id = "w-1"),
        {0},
        {0},
    };
    wfs_scenario scenario = {.name = "mistakes", .tables = shop_tables};
    sweep_memory memory;
    wfs_runner *runner;

    memset(workflows, 0, sizeof workflows);
    workflows[0] = shop_workflows[0];
    workflows[1].key = "wrong";
    workflows[1].name = "wrong-workflow";
    workflows[1].run = mistake->run != NULL ? mistake->run : harmless;
    steps[4] = mistake->step;
    scenario.workflows = workflows;
    scenario.steps = steps;
    scenario.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    expect_failure(runner, mistake, 4);
    wfs_runner_free(runner);
    sweep_expect_clean(&memory);
}

#define expect_mistakes(mistakes)                                             \
    do {                                                                      \
        size_t place;                                                         \
                                                                              \
        for (place = 0; place < sizeof(mistakes) / sizeof((mistakes)[0]);     \
             place++) {                                                       \
            print_message("mistake %d\n", (int)place);                        \
            expect_mistake(&(mistakes)[place]);                               \
        }                                                                     \
    } while (0)

/* --- a status that is not checked */

static wfs_status forget_sleep(wfs_run *run, void *user)
{
    (void)user;
    wfs_sleep(run, "nap", "1 hour");
    return wfs_return(run, NULL);
}

static wfs_status forget_wait(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "paid"};

    (void)user;
    wfs_wait_for_event(run, "payment", &options, NULL);
    return WFS_OK;
}

static wfs_status fail_once(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, NULL, "not yet");
}

static wfs_status forget_retry(wfs_run *run, void *user)
{
    wfs_do_options options = {.retries = {.limit = 1, .delay = "1 hour"}};

    wfs_do(run, "charge", fail_once, user, &options, NULL);
    return wfs_fail(run, "SOMETHING", "else");
}

static wfs_status call_after(wfs_run *run, void *user)
{
    wfs_sleep(run, "nap", "1 hour");
    return wfs_do(run, "work", harmless, user, NULL, NULL);
}

static wfs_status sleep_in_body(wfs_run *run, void *user)
{
    (void)user;
    wfs_sleep(run, "inner nap", "1 hour");
    return wfs_return_text(run, "1");
}

static wfs_status forget_in_body(wfs_run *run, void *user)
{
    return wfs_do(run, "outer", sleep_in_body, user, NULL, NULL);
}

/* All is well in the body; the workflow goes on after it. */
static wfs_status wait_in_body(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "paid", .timeout = "1 hour"};

    (void)user;
    return wfs_wait_for_event(run, "inner wait", &options, NULL);
}

static wfs_status forget_body(wfs_run *run, void *user)
{
    wfs_do(run, "outer", wait_in_body, user, NULL, NULL);
    return wfs_sleep(run, "later", "1 hour");
}

static wfs_status forget_and_write(wfs_run *run, void *user)
{
    (void)user;
    wfs_sleep(run, "inner nap", "1 hour");
    return wfs_queue_insert(run, "items",
                            WFS_FIELDS({"sku", wfs_text("bowl")},
                                       {"stock", wfs_integer(1)}));
}

static wfs_status write_after(wfs_run *run, void *user)
{
    return wfs_do(run, "outer", forget_and_write, user, NULL, NULL);
}

static wfs_status made_up_suspension(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_SUSPENDED;
}

static wfs_status made_up_status(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_DONE;
}

#define TICK_IT                                                               \
    WFS_TICK(.workflow = "wrong", .id = "w-1", .reason = WFS_REASON_CREATE)

static void test_forgotten_checks(void **state)
{
    const mistaken_step mistakes[] = {
        {forget_sleep, TICK_IT, WFS_ERR_MISUSE, {"wrong", "\"nap\""}},
        {forget_wait, TICK_IT, WFS_ERR_MISUSE, {"wrong", "\"payment\""}},
        {forget_retry, TICK_IT, WFS_ERR_MISUSE, {"wrong", "\"charge\""}},
        {call_after, TICK_IT, WFS_ERR_MISUSE, {"wrong", "\"work\"", "\"nap\""}},
        {forget_in_body, TICK_IT, WFS_ERR_MISUSE,
         {"wrong", "\"inner nap\""}},
        {forget_body, TICK_IT, WFS_ERR_MISUSE, {"wrong", "\"later\""}},
        {write_after, TICK_IT, WFS_ERR_MISUSE, {"\"inner nap\""}},
        {made_up_suspension, TICK_IT, WFS_ERR_MISUSE, {"wrong", "SUSPENDED"}},
        {made_up_status, TICK_IT, WFS_ERR_MISUSE, {"wrong", "DONE"}},
        {forget_sleep,
         WFS_RUN_UNTIL_IDLE(.workflow = "wrong", .id = "w-1",
                            .reason = WFS_REASON_CREATE),
         WFS_ERR_MISUSE,
         {"wrong", "\"nap\""}},
        {call_after, WFS_RUN_CREATE(.workflow = "wrong", .id = "w-1"),
         WFS_ERR_MISUSE, {"wrong", "\"work\"", "\"nap\""}},
    };

    (void)state;
    expect_mistakes(mistakes);
}

/* --- NULL, and names that are too long, in a workflow */

static wfs_status do_without_name(wfs_run *run, void *user)
{
    return wfs_do(run, NULL, harmless, user, NULL, NULL);
}

static wfs_status do_without_body(wfs_run *run, void *user)
{
    return wfs_do(run, "hollow", NULL, user, NULL, NULL);
}

static wfs_status sleep_without_name(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep_ms(run, NULL, 1);
}

static wfs_status wait_without_options(wfs_run *run, void *user)
{
    (void)user;
    return wfs_wait_for_event(run, "anything", NULL, NULL);
}

static wfs_status wait_without_type(wfs_run *run, void *user)
{
    wfs_wait_options options = {.timeout = "1 hour"};

    (void)user;
    return wfs_wait_for_event(run, "anything", &options, NULL);
}

static wfs_status long_do(wfs_run *run, void *user)
{
    return wfs_do(run, long_text, harmless, user, NULL, NULL);
}

static wfs_status long_sleep(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, long_text, "1 hour");
}

static wfs_status long_wait(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "paid"};

    (void)user;
    return wfs_wait_for_event(run, long_text, &options, NULL);
}

static wfs_status now_outside(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, wfs_json_new_integer(wfs_run_arena(run),
                                                wfs_now(run)));
}

static wfs_status random_outside(wfs_run *run, void *user)
{
    (void)user;
    wfs_random_next(wfs_run_random(run));
    return WFS_OK;
}

static wfs_status return_no_json(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return_text(run, "{\"half\":");
}

static wfs_status body_no_json(wfs_run *run, void *user)
{
    return wfs_do(run, "half", return_no_json, user, NULL, NULL);
}

static void test_calls_of_a_workflow(void **state)
{
    const mistaken_step mistakes[] = {
        {do_without_name, TICK_IT, WFS_ERR_ARGUMENT, {"wrong", "do", "NULL"}},
        {do_without_body, TICK_IT, WFS_ERR_ARGUMENT, {"hollow"}},
        {sleep_without_name, TICK_IT, WFS_ERR_ARGUMENT,
         {"wrong", "sleep", "NULL"}},
        {wait_without_options, TICK_IT, WFS_ERR_ARGUMENT, {"anything"}},
        {wait_without_type, TICK_IT, WFS_ERR_ARGUMENT, {"anything"}},
        {long_do, TICK_IT, WFS_ERR_LIMIT, {"wrong", "10000", "t t t"}},
        {long_sleep, TICK_IT, WFS_ERR_LIMIT, {"wrong", "10000", "t t t"}},
        {long_wait, TICK_IT, WFS_ERR_LIMIT, {"wrong", "10000", "t t t"}},
        {now_outside, TICK_IT, WFS_ERR_MISUSE, {"wrong", "wfs_now"}},
        {random_outside, TICK_IT, WFS_ERR_MISUSE, {"wrong", "wfs_run_random"}},
        {return_no_json, TICK_IT, WFS_ERR_JSON,
         {"wfs_return_text", "column 9"}},
        {body_no_json, TICK_IT, WFS_ERR_JSON,
         {"wfs_return_text", "column 9"}},
    };

    (void)state;
    expect_mistakes(mistakes);
}

/* A duration in a workflow that is none fails the run, as any error of the
 * workflow's own does: the culprit stands in the instance. */
static wfs_status odd_duration(wfs_run *run, void *user)
{
    return wfs_sleep(run, "odd", (const char *)user);
}

static wfs_status names_duration(wfs_context *context)
{
    WFS_TRY(wfs_expect_json(context, "status", "\"errored\"",
                            wfs_var(context, "end.status")));
    return wfs_expect_json(context, "error",
                           (const char *)context->scenario->user,
                           wfs_var(context, "end.error.message"));
}

static void expect_duration_error(const char *duration, const char *message)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "odd", .id = "o"),
        WFS_STATUS(.workflow = "odd", .id = "o", .store_as = "end"),
        WFS_ASSERT(.check = names_duration),
        {0},
    };
    wfs_workflow workflows[] = {{.key = "odd", .run = odd_duration}, {0}};
    wfs_scenario scenario = {.name = "odd", .steps = steps};
    wfs_scenario_result result;

    workflows[0].user = (void *)duration;
    scenario.workflows = workflows;
    scenario.user = (void *)message;
    if (wfs_scenario_run(&scenario, &result) != WFS_OK)
        fail_msg("%s", result.steps[result.step_count - 1].message);
    wfs_scenario_result_free(&result);
}

static void test_duration_of_a_workflow(void **state)
{
    (void)state;
    expect_duration_error("5 parsecs",
                          "\"Unsupported duration unit: parsecs\"");
    expect_duration_error("soon", "\"Invalid duration: soon\"");
    expect_duration_error("", "\"Invalid duration\"");
}

/* --- writes that the store refuses: nothing of the tick is left */

static wfs_status queue_unknown_table(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "shelves", WFS_FIELDS({"a", wfs_bool(true)}));
}

static wfs_status queue_unknown_column(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "items",
                            WFS_FIELDS({"sku", wfs_text("bowl")},
                                       {"colour", wfs_text("red")}));
}

static wfs_status queue_twice(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_queue_insert(run, "items",
                             WFS_FIELDS({"sku", wfs_text("bowl")},
                                        {"stock", wfs_integer(1)})));
    return wfs_queue_insert(run, "items",
                            WFS_FIELDS({"sku", wfs_text("cup")},
                                       {"stock", wfs_integer(1)}));
}

static wfs_status queue_no_json(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "items",
                            WFS_FIELDS({"sku", wfs_text("bowl")},
                                       {"stock", wfs_integer(1)},
                                       {"note", wfs_json_text("[1,")}));
}

static wfs_status queue_into_engine(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_delete(run, "workflow_instance", 1, 0);
}

static wfs_status queue_null(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, NULL, NULL);
}

static wfs_status queue_long_table(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, long_text, WFS_FIELDS({"a", wfs_null()}));
}

static wfs_function queueing;

static wfs_status queue_in_body(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "before", harmless, user, NULL, NULL));
    return wfs_do(run, "write", queueing, user, NULL, NULL);
}

static void test_queued_writes(void **state)
{
    static const struct {
        wfs_function function;
        wfs_status status;
        const char *culprits[2];
    } writes[] = {
        {queue_unknown_table, WFS_ERR_TABLE_NOT_FOUND, {"shelves"}},
        {queue_unknown_column, WFS_ERR_COLUMN_NOT_FOUND, {"items", "colour"}},
        {queue_twice, WFS_ERR_UNIQUE, {"items", "cup"}},
        {queue_no_json, WFS_ERR_JSON, {"items", "note"}},
        {queue_null, WFS_ERR_TABLE_NOT_FOUND, {"null"}},
        {queue_long_table, WFS_ERR_TABLE_NOT_FOUND, {"t t t"}},
        {queue_into_engine, WFS_ERR_ARGUMENT, {"workflow_instance"}},
    };
    mistaken_step mistake = {queue_in_body, TICK_IT, WFS_OK, {NULL}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        print_message("write %d\n", (int)i);
        queueing = writes[i].function;
        mistake.status = writes[i].status;
        mistake.culprits[0] = writes[i].culprits[0];
        mistake.culprits[1] = writes[i].culprits[1];
        expect_mistake(&mistake);
    }
}

/* --- workflows and instances that are not there, of whatever kind of step */

static const wfs_batch_item one_item[] = {{.id = "b-1"}, {0}};

/* Every kind of step that takes a workflow and an instance. */
static size_t steps_of_target(wfs_scenario_step *steps, const char *workflow,
                              const char *id)
{
    const wfs_scenario_step all[] = {
        WFS_EVENT(.workflow = workflow, .id = id, .type = "paid"),
        WFS_TICK(.workflow = workflow, .id = id, .reason = WFS_REASON_WAKE),
        WFS_RUN_UNTIL_IDLE(.workflow = workflow, .id = id,
                           .reason = WFS_REASON_WAKE),
        WFS_STATUS(.workflow = workflow, .id = id, .store_as = "x"),
        WFS_HISTORY(.workflow = workflow, .id = id, .store_as = "x"),
        WFS_EVENT_AND_RUN(.workflow = workflow, .id = id, .type = "paid"),
        WFS_RUN_CREATE(.workflow = workflow, .id = id),
        WFS_RUN_RESUME(.workflow = workflow, .id = id),
        WFS_RETRY_AND_RUN(.workflow = workflow, .id = id),
        WFS_PAUSE(.workflow = workflow, .id = id),
        WFS_RESUME(.workflow = workflow, .id = id),
        WFS_TERMINATE(.workflow = workflow, .id = id),
        WFS_RESTART(.workflow = workflow, .id = id),
        WFS_RESUME_AND_RUN(.workflow = workflow, .id = id),
        WFS_CREATE(.workflow = workflow, .id = "n-1"),
        WFS_CREATE(.workflow = workflow, .store_as = "drawn"),
        WFS_CREATE_BATCH(.workflow = workflow, .instances = one_item),
        WFS_INITIALIZE_AND_RUN(.workflow = workflow, .id = "n-1"),
    };

    memcpy(steps, all, sizeof all);
    return sizeof all / sizeof all[0];
}

/* Of these the first so many need an instance that is there; to pause,
 * resume, terminate or restart none is a value, not a failure. */
#define TARGETS 18
#define NEED_INSTANCE 9

static void test_unknown_workflow(void **state)
{
    wfs_scenario_step steps[TARGETS];
    mistaken_step mistake = {NULL, {0}, WFS_ERR_WORKFLOW_NOT_FOUND, {NULL}};
    const char *names[4], *culprits[4];
    size_t i, j, count;

    (void)state;
    names[0] = culprits[0] = "purchase";
    names[1] = culprits[1] = "Sell";
    names[2] = long_text;
    culprits[2] = "t t t t t t";
    names[3] = culprits[3] = "\xC3\xA9\n\"";
    for (j = 0; j < 4; j++) {
        count = steps_of_target(steps, names[j], "s-1");
        assert_int_equal(count, TARGETS);
        mistake.culprits[0] = culprits[j];
        for (i = 0; i < count; i++) {
            print_message("%s\n", wfs_scenario_kind_name(steps[i].kind));
            mistake.step = steps[i];
            expect_mistake(&mistake);
        }
    }
}

static void test_no_workflow(void **state)
{
    wfs_scenario_step steps[TARGETS];
    mistaken_step mistake = {NULL, {0}, WFS_ERR_ARGUMENT, {"workflow"}};
    const char *names[2] = {NULL, ""};
    size_t i, j, count;

    (void)state;
    for (j = 0; j < 2; j++) {
        count = steps_of_target(steps, names[j], "s-1");
        for (i = 0; i < count; i++) {
            mistake.step = steps[i];
            /* "Tick step requires ..." begins with a capital. */
            mistake.culprits[1] = wfs_scenario_kind_name(steps[i].kind) + 1;
            expect_mistake(&mistake);
        }
    }
}

static void test_unknown_instance(void **state)
{
    wfs_scenario_step steps[TARGETS];
    mistaken_step mistake = {NULL, {0}, WFS_ERR_INSTANCE_NOT_FOUND, {NULL}};
    const char *ids[4], *culprits[4];
    size_t i, j;

    (void)state;
    ids[0] = culprits[0] = "s-none";
    ids[1] = culprits[1] = "w-1";       /* of another workflow */
    ids[2] = long_id;
    culprits[2] = "iiiiiii";
    ids[3] = culprits[3] = "no such \"id\"";
    for (j = 0; j < 4; j++) {
        steps_of_target(steps, "sell", ids[j]);
        mistake.culprits[0] = culprits[j];
        for (i = 0; i < NEED_INSTANCE; i++) {
            print_message("%s\n", wfs_scenario_kind_name(steps[i].kind));
            mistake.step = steps[i];
            expect_mistake(&mistake);
        }
    }
}

static void test_no_instance(void **state)
{
    wfs_scenario_step steps[TARGETS];
    mistaken_step mistake = {NULL, {0}, WFS_ERR_ARGUMENT, {"instanceId"}};
    size_t i;

    (void)state;
    steps_of_target(steps, "sell", NULL);
    for (i = 0; i < 14; i++) {
        print_message("%s\n", wfs_scenario_kind_name(steps[i].kind));
        mistake.step = steps[i];
        expect_mistake(&mistake);
    }
}

/* --- ids, types, texts that are not JSON */

static const wfs_batch_item long_batch[] = {
    {.id = "b-1"}, {.id = long_id}, {0}};
static const wfs_batch_item broken_batch[] = {
    {.id = "b-1"}, {.id = "b-2", .params = "{\"quantity\" 1}"}, {0}};
static const wfs_batch_item refused_batch[] = {
    {.id = "b-1", .params = "{\"quantity\":1}"},
    {.id = "b-2", .params = "{\"amount\":1}"},
    {0}};
static wfs_batch_item large_batch[102];

static void test_names_and_json(void **state)
{
    const mistaken_step mistakes[] = {
        {NULL, WFS_CREATE(.workflow = "wrong", .id = long_id),
         WFS_ERR_VALIDATION, {"iiiiiii"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .id = "-a"), WFS_ERR_VALIDATION,
         {"-a"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .id = "a b"),
         WFS_ERR_VALIDATION, {"a b"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .id = "w-1"),
         WFS_ERR_INSTANCE_ID_ALREADY_EXISTS, {"w-1"}},
        {NULL, WFS_CREATE_BATCH(.workflow = "wrong", .instances = long_batch),
         WFS_ERR_VALIDATION, {"iiiiiii"}},
        {NULL, WFS_CREATE_BATCH(.workflow = "wrong", .instances = broken_batch),
         WFS_ERR_JSON, {"params", "line 1, column 13"}},
        {NULL, WFS_CREATE_BATCH(.workflow = "sell", .instances = refused_batch),
         WFS_ERR_WORKFLOW_PARAMS_INVALID, {"sell", "needs a quantity"}},
        {NULL, WFS_CREATE_BATCH(.workflow = "wrong", .instances = large_batch),
         WFS_ERR_LIMIT, {"100"}},
        {NULL, WFS_CREATE_BATCH(.workflow = "wrong"), WFS_ERR_ARGUMENT,
         {"createBatch", "instances"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .params = "{\"a\":1,}"),
         WFS_ERR_JSON, {"params", "'}'", "line 1, column 8"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .params = "\xFF"),
         WFS_ERR_JSON, {"params", "0xFF", "line 1, column 1"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .params = long_text),
         WFS_ERR_JSON, {"params", "line 1, column 2"}},
        {NULL, WFS_CREATE(.workflow = "sell", .params = "{\"quantity\":\"1\"}"),
         WFS_ERR_WORKFLOW_PARAMS_INVALID, {"sell", "needs a quantity"}},
        {NULL, WFS_INITIALIZE_AND_RUN(.workflow = "wrong", .params = "nul"),
         WFS_ERR_JSON, {"params", "line 1, column 4"}},
        {NULL, WFS_EVENT(.workflow = "sell", .id = "s-1", .type = "paid",
                         .payload = "{\"by\":card}"),
         WFS_ERR_JSON, {"payload", "'c'", "line 1, column 7"}},
        {NULL, WFS_EVENT(.workflow = "sell", .id = "s-1", .type = "paid",
                         .payload = ""),
         WFS_ERR_JSON, {"payload", "line 1, column 1"}},
        {NULL, WFS_EVENT_AND_RUN(.workflow = "sell", .id = "s-1",
                                 .type = "paid", .payload = "[1] 2"),
         WFS_ERR_JSON, {"payload", "'2'", "line 1, column 5"}},
        {NULL, WFS_EVENT(.workflow = "sell", .id = "s-1", .type = long_id),
         WFS_ERR_VALIDATION, {"iiiiiii"}},
        {NULL, WFS_EVENT(.workflow = "sell", .id = "s-1", .type = "a/b"),
         WFS_ERR_VALIDATION, {"a/b"}},
        {NULL, WFS_EVENT(.workflow = "sell", .id = "s-1"), WFS_ERR_ARGUMENT,
         {"event", "type"}},
    };

    (void)state;
    expect_mistakes(mistakes);
}

/* --- durations, ticks, callbacks */

static const char *no_text(wfs_context *context)
{
    (void)context;
    return NULL;
}

static const char *odd_reason(wfs_context *context)
{
    (void)context;
    return "curiosity";
}

static const wfs_json *no_json(wfs_context *context)
{
    context->error->code = WFS_ERR_ROW_NOT_FOUND;
    return NULL;
}

static const wfs_payload *no_payload(wfs_context *context)
{
    return wfs_context_payload(context, "sell", "s-none", WFS_REASON_WAKE);
}

static wfs_status no_such_instance(wfs_context *context)
{
    return wfs_context_require_instance(context, "sell", "s-none") != NULL
               ? WFS_OK
               : context->error->code;
}

/* Half of what it writes is done when it is refused. */
static wfs_status write_badly(wfs_context *context)
{
    wfs_store *store = wfs_harness_store(context->harness);
    wfs_status status;

    WFS_TRY(wfs_begin(store));
    WFS_TRY(wfs_insert(store, "items",
                       WFS_FIELDS({"sku", wfs_text("bowl")},
                                  {"stock", wfs_integer(1)}),
                       NULL));
    status = wfs_insert(store, "items",
                        WFS_FIELDS({"sku", wfs_text("bowl")},
                                   {"stock", wfs_integer(1)}),
                        NULL);
    snprintf(context->error->message, sizeof context->error->message, "%s",
             wfs_store_error(store)->message);
    WFS_TRY(wfs_rollback(store));
    return status;
}

static const wfs_read_options bad_cursor = {.steps_cursor = "no cursor"};
static const wfs_read_options long_cursor = {.events_cursor = long_id};

static void test_other_inputs(void **state)
{
    const mistaken_step mistakes[] = {
        {NULL, WFS_ADVANCE_TIME(.duration = "5 parsecs"), WFS_ERR_DURATION,
         {"parsecs"}},
        {NULL, WFS_ADVANCE_TIME(.duration = "soon"), WFS_ERR_DURATION,
         {"soon"}},
        {NULL, WFS_ADVANCE_TIME(.duration = "1 hour 2"), WFS_ERR_DURATION,
         {"1 hour 2"}},
        {NULL, WFS_ADVANCE_TIME(.duration = long_text), WFS_ERR_DURATION,
         {"t t t"}},
        {NULL, WFS_ADVANCE_TIME(.store_as = "later"), WFS_ERR_ARGUMENT,
         {"advanceTime", "duration"}},
        {NULL, WFS_ADVANCE_TIME(.duration_from = no_text), WFS_ERR_ARGUMENT,
         {"advanceTime", "duration_from"}},
        {NULL, WFS_ADVANCE_AND_RUN(.workflow = "sell", .id = "s-1",
                                   .duration = "1 fortnight"),
         WFS_ERR_DURATION, {"fortnight"}},
        {NULL, WFS_ADVANCE_AND_RUN(.workflow = "sell", .id = "s-1"),
         WFS_ERR_ARGUMENT, {"advanceTimeAndRunUntilIdle"}},
        {NULL, WFS_TICK(.workflow = "sell", .id = "s-1"), WFS_ERR_ARGUMENT,
         {"Tick step", "reason"}},
        {NULL, WFS_TICK(.workflow = "sell", .id = "s-1",
                        .reason_from = odd_reason),
         WFS_ERR_ARGUMENT, {"curiosity"}},
        {NULL, WFS_TICK(.tick_payload_from = no_payload),
         WFS_ERR_INSTANCE_NOT_FOUND, {"s-none"}},
        {NULL, WFS_RUN_CREATE(.workflow = "sell", .id = "s-1",
                              .max_ticks = -1),
         WFS_ERR_ARGUMENT, {"max_ticks", "-1"}},
        {NULL, WFS_CREATE(.workflow_from = no_text), WFS_ERR_ARGUMENT,
         {"create", "workflow_from"}},
        {NULL, WFS_CREATE(.workflow = "wrong", .params_from = no_json),
         WFS_ERR_ROW_NOT_FOUND, {"create", "params_from"}},
        {NULL, WFS_HISTORY(.workflow = "sell", .id = "s-1",
                           .options = &bad_cursor),
         WFS_ERR_CURSOR, {"no cursor"}},
        {NULL, WFS_HISTORY(.workflow = "sell", .id = "s-1",
                           .options = &long_cursor),
         WFS_ERR_CURSOR, {"iiiiiii"}},
        {NULL, WFS_READ(.store_as = "x"), WFS_ERR_ARGUMENT, {"read"}},
        {NULL, WFS_READ(.read = no_json), WFS_ERR_ROW_NOT_FOUND, {"read"}},
        {NULL, WFS_ASSERT(.label = "nothing"), WFS_ERR_ARGUMENT,
         {"assert", "check"}},
        {NULL, WFS_ASSERT(.check = no_such_instance),
         WFS_ERR_INSTANCE_NOT_FOUND, {"s-none"}},
        {NULL, WFS_ASSERT(.check = write_badly), WFS_ERR_UNIQUE,
         {"items", "bowl"}},
        {NULL, WFSI_STEP((wfs_scenario_kind)99, .label = "odd"),
         WFS_ERR_ARGUMENT, {"99"}},
    };

    (void)state;
    expect_mistakes(mistakes);
}

/* --- what is merely long is no mistake */

static wfs_status long_values(wfs_context *context)
{
    size_t size;
    const wfs_instance *instance =
        wfs_context_require_instance(context, "keep", "k");

    if (instance == NULL)
        return context->error->code;
    wfs_json_string(wfs_json_get(instance->output, "text"), &size);
    WFS_TRY(wfs_expect_integer(context, "size", LONG, (int64_t)size));
    return wfs_expect_text(context, "variable", "k",
                           wfs_var_text(context, long_id));
}

static wfs_status keep(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, wfs_params(run));
}

static const wfs_json *long_params(wfs_context *context)
{
    return wfs_json_set(context->arena, wfs_json_new_object(context->arena),
                        "text", wfs_json_new_string(context->arena, long_text));
}

static void test_long_values(void **state)
{
    static const wfs_workflow workflows[] = {
        {.key = "keep", .run = keep},
        {0},
    };
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "keep", .id = "k",
                               .params_from = long_params,
                               .store_as = long_id, .label = long_text),
        WFS_ASSERT(.check = long_values),
        {0},
    };
    wfs_scenario scenario = {.workflows = workflows, .name = long_text};
    suite_text text = {0};

    (void)state;
    scenario.steps = steps;
    assert_int_equal(suite_run(&text, &scenario), WFS_OK);
    suite_free(&text);
}

/* --- scenarios that cannot begin */

static void expect_no_runner(const wfs_scenario *scenario, wfs_status status,
                             const char *culprit)
{
    wfs_runner *runner = (wfs_runner *)&status;
    wfs_scenario_result result;
    wfs_error error;

    assert_int_equal(wfs_runner_create(scenario, &runner, &error), status);
    assert_null(runner);
    assert_int_equal(error.code, status);
    assert_non_null(strstr(error.message, culprit));
    assert_int_equal(wfs_scenario_run(scenario, &result), status);
    assert_int_equal(result.step_count, 1);
    assert_string_equal(result.steps[0].message, error.message);
    wfs_scenario_result_free(&result);
}

static void test_scenarios(void **state)
{
    static const wfs_workflow twice[] = {
        {.key = "a", .run = harmless}, {.key = "a", .run = harmless}, {0}};
    static const wfs_workflow hollow[] = {{.key = "hollow"}, {0}};
    static const wfs_column bad_columns[] = {
        {.name = "a", .type = WFS_REFERENCE, .references = "nothing"}, {0}};
    static const wfs_table bad_tables[] = {
        {.name = "bad", .columns = bad_columns}, {0}};
    wfs_scenario scenario = {.name = "cannot begin"};

    (void)state;
    expect_no_runner(NULL, WFS_ERR_ARGUMENT, "scenario");
    expect_no_runner(&scenario, WFS_ERR_ARGUMENT, "cannot begin");
    scenario.workflows = twice;
    expect_no_runner(&scenario, WFS_ERR_ARGUMENT, "steps");
    scenario.steps = voyage_steps;
    expect_no_runner(&scenario, WFS_ERR_ARGUMENT, "a");
    scenario.workflows = hollow;
    expect_no_runner(&scenario, WFS_ERR_ARGUMENT, "hollow");
    scenario.workflows = voyage_workflows;
    scenario.tables = bad_tables;
    expect_no_runner(&scenario, WFS_ERR_SCHEMA, "nothing");
}

static int fill_texts(void **state)
{
    static char ids[102][8];
    size_t i;

    (void)state;
    memset(long_id, 'i', LONG);
    for (i = 0; i < LONG; i++)
        long_text[i] = i % 2 == 0 ? 't' : ' ';
    for (i = 0; i < 101; i++) {
        snprintf(ids[i], sizeof ids[i], "b-%d", (int)i);
        large_batch[i].id = ids[i];
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forgotten_checks),
        cmocka_unit_test(test_calls_of_a_workflow),
        cmocka_unit_test(test_duration_of_a_workflow),
        cmocka_unit_test(test_queued_writes),
        cmocka_unit_test(test_unknown_workflow),
        cmocka_unit_test(test_no_workflow),
        cmocka_unit_test(test_unknown_instance),
        cmocka_unit_test(test_no_instance),
        cmocka_unit_test(test_names_and_json),
        cmocka_unit_test(test_other_inputs),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_scenarios),
    };

    return cmocka_run_group_tests(tests, fill_texts, NULL);
}
