/* The scenario runner: what steps take and give, what a failure says, that
 * running out of memory undoes a step, that forks are independent. */
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

#include "sweep.h"

/* --- workflows */

static wfs_status charge(wfs_run *run, void *user)
{
    (void)user;
    if (wfs_attempt(run) == 1)
        return wfs_fail(run, "CARD_DECLINED", "the bank said no");
    return wfs_return_text(run, "{\"receipt\":17}");
}

static wfs_status order(wfs_run *run, void *user)
{
    wfs_do_options retry = {.retries = {.limit = 3, .delay = "10 s"}};
    wfs_wait_options approved = {.type = "approved", .timeout = "2 hours"};
    const wfs_json *receipt;

    WFS_TRY(wfs_do(run, "charge", charge, user, &retry, &receipt));
    WFS_TRY(wfs_sleep(run, "cool off", "1 hour"));
    WFS_TRY(wfs_wait_for_event(run, "approval", &approved, NULL));
    return wfs_return(run, receipt);
}

static wfs_status echo(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, wfs_params(run));
}

static wfs_status nap(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "sleep", "1 hour");
}

static wfs_status doomed(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, "DOOMED", "as ever");
}

static wfs_status rest(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "rest", "1 s");
}

static wfs_status nested(wfs_run *run, void *user)
{
    return wfs_do(run, "outer", rest, user, NULL, NULL);
}

static const wfs_workflow workflows[] = {
    {.key = "order", .name = "order-workflow", .run = order},
    {.key = "echo", .run = echo},
    {.key = "nap", .name = "nap-workflow", .run = nap},
    {.key = "doomed", .run = doomed},
    {.key = "nested", .run = nested},
    {0},
};

/* --- running and looking */

static wfs_scenario of(const wfs_scenario_step *steps)
{
    wfs_scenario scenario = {.name = "test", .workflows = workflows};

    scenario.steps = steps;
    return scenario;
}

static wfs_status run(const wfs_scenario_step *steps,
                      wfs_scenario_result *result)
{
    wfs_scenario scenario = of(steps);

    return wfs_scenario_run(&scenario, result);
}

static const char *text_of(const wfs_scenario_result *result,
                           const wfs_json *value)
{
    return wfs_json_write(result->arena, value, 0, NULL);
}

static void assert_value(const wfs_scenario_result *result, size_t step,
                         const char *json)
{
    if (step >= result->step_count)
        fail_msg("step %d did not run", (int)step);
    if (result->steps[step].status != WFS_OK)
        fail_msg("step %d: %s", (int)step, result->steps[step].message);
    assert_string_equal(text_of(result, result->steps[step].value), json);
}

/* The last step failed like this. */
static const wfs_step_result *expect_failure(const wfs_scenario_result *result,
                                             wfs_status status,
                                             const char *message)
{
    const wfs_step_result *last;

    assert_true(result->step_count > 0);
    last = &result->steps[result->step_count - 1];
    assert_string_equal(wfs_status_name(last->status), wfs_status_name(status));
    assert_int_equal(result->status, status);
    assert_non_null(last->message);
    assert_string_equal(last->message, message);
    assert_null(last->value);
    return last;
}

/* A scenario of these steps, the last of which fails. */
static void expect_refusal(const wfs_scenario_step *steps, wfs_status status,
                           const char *message)
{
    wfs_scenario_result result;

    assert_int_equal(run(steps, &result), status);
    expect_failure(&result, status, message);
    assert_int_equal(result.step_count, result.planned_count);
    wfs_scenario_result_free(&result);
}

/* --- a whole scenario, and the shape of every value */

static const wfs_json *read_params(wfs_context *context)
{
    const wfs_instance *instance = wfs_context_require_instance(
        context, "order", wfs_var_text(context, "id"));

    return instance != NULL ? instance->params : NULL;
}

static wfs_status check_output(wfs_context *context)
{
    WFS_TRY(wfs_expect_status(context, "order", "o-1",
                              WFS_INSTANCE_COMPLETE));
    WFS_TRY(wfs_expect_integer(context, "clock", 3610000,
                               wfs_clock_now(context->clock)));
    WFS_TRY(wfs_expect_text(context, "id", "o-1",
                            wfs_var_text(context, "id")));
    return wfs_expect_json(context, "output", "{\"receipt\":17}",
                           wfs_var(context, "end.output"));
}

static const wfs_scenario_step order_steps[] = {
    WFS_CREATE(.workflow = "order", .id = "o-1", .params = "{\"sku\":7}",
               .store_as = "id"),
    WFS_RUN_UNTIL_IDLE(.workflow = "order", .id = "o-1",
                       .reason = WFS_REASON_CREATE, .max_ticks = 3),
    WFS_ADVANCE_TIME(.duration = "10 s", .store_as = "later"),
    WFS_RETRY_AND_RUN(.workflow = "order", .id = "o-1", .max_ticks = 1,
                      .store_as = "retry"),
    WFS_STATUS(.workflow = "order", .id = "o-1"),
    WFS_ADVANCE_AND_RUN(.workflow = "order", .id = "o-1", .duration = "1 hour",
                        .max_ticks = 2),
    WFS_EVENT_AND_RUN(.workflow = "order", .id = "o-1", .type = "approved",
                      .payload = "{\"by\":\"me\"}", .store_as = "before",
                      .run_store_as = "last"),
    WFS_STATUS(.workflow = "order", .id = "o-1", .store_as = "end"),
    WFS_HISTORY(.workflow = "order", .id = "o-1"),
    WFS_READ(.read = read_params, .store_as = "params"),
    WFS_ASSERT(.check = check_output, .label = "the order is complete"),
    {0},
};

static void test_order(void **state)
{
    wfs_scenario_result result;
    wfs_status status = run(order_steps, &result);

    (void)state;
    if (status != WFS_OK)
        fail_msg("%s", result.steps[result.step_count - 1].message);
    assert_int_equal(result.step_count, 11);
    assert_int_equal(result.planned_count, 11);
    assert_string_equal(result.name, "test");
    assert_value(&result, 0, "\"o-1\"");
    assert_value(&result, 1, "{\"processed\":3,\"ticks\":3}");
    assert_value(&result, 2, "10000");
    assert_value(&result, 3, "{\"processed\":1,\"ticks\":1}");
    assert_value(&result, 4, "{\"status\":\"waiting\"}");
    assert_value(&result, 5, "{\"processed\":2,\"ticks\":2}");
    assert_value(&result, 6, "{\"value\":{\"status\":\"waiting\"},"
                             "\"run\":{\"processed\":1,\"ticks\":2}}");
    assert_value(&result, 7, "{\"status\":\"complete\","
                             "\"output\":{\"receipt\":17}}");
    assert_value(&result, 9, "{\"sku\":7}");
    assert_value(&result, 10, "null");
    assert_string_equal(
        text_of(&result, result.vars),
        "{\"id\":\"o-1\",\"later\":10000,"
        "\"retry\":{\"processed\":1,\"ticks\":1},"
        "\"before\":{\"status\":\"waiting\"},"
        "\"last\":{\"processed\":1,\"ticks\":2},"
        "\"end\":{\"status\":\"complete\",\"output\":{\"receipt\":17}},"
        "\"params\":{\"sku\":7}}");
    assert_int_equal(result.clock, 3610000);
    assert_int_equal(result.steps[1].clock, 0);
    assert_int_equal(result.steps[2].clock, 10000);
    wfs_scenario_result_free(&result);
    assert_null(result.arena);
    wfs_scenario_result_free(&result);
}

static void test_history(void **state)
{
    wfs_scenario_result result;
    const char *history;

    (void)state;
    assert_int_equal(run(order_steps, &result), WFS_OK);
    history =
        "{\"runNumber\":0,\"steps\":["
        "{\"id\":1,\"runNumber\":0,\"stepKey\":\"do:charge\","
        "\"name\":\"charge\",\"type\":\"do\",\"status\":\"completed\","
        "\"attempts\":2,\"maxAttempts\":4,\"timeoutMs\":null,"
        "\"nextRetryAt\":null,\"wakeAt\":null,\"waitEventType\":null,"
        "\"result\":{\"receipt\":17},\"createdAt\":0,\"updatedAt\":10000},"
        "{\"id\":2,\"runNumber\":0,\"stepKey\":\"sleep:cool off\","
        "\"name\":\"cool off\",\"type\":\"sleep\",\"status\":\"completed\","
        "\"attempts\":0,\"maxAttempts\":1,\"timeoutMs\":null,"
        "\"nextRetryAt\":null,\"wakeAt\":null,\"waitEventType\":null,"
        "\"result\":null,\"createdAt\":10000,\"updatedAt\":3610000},"
        "{\"id\":3,\"runNumber\":0,\"stepKey\":\"waitForEvent:approval\","
        "\"name\":\"approval\",\"type\":\"waitForEvent\","
        "\"status\":\"completed\",\"attempts\":0,\"maxAttempts\":1,"
        "\"timeoutMs\":7200000,\"nextRetryAt\":null,\"wakeAt\":null,"
        "\"waitEventType\":\"approved\",\"result\":{\"type\":\"approved\","
        "\"payload\":{\"by\":\"me\"},"
        "\"timestamp\":\"1970-01-01T01:00:10.000Z\"},"
        "\"createdAt\":3610000,\"updatedAt\":3610000}],"
        "\"events\":[{\"id\":1,\"runNumber\":0,\"type\":\"approved\","
        "\"payload\":{\"by\":\"me\"},\"createdAt\":3610000,"
        "\"deliveredAt\":3610000,"
        "\"consumedByStepKey\":\"waitForEvent:approval\"}]}";
    assert_value(&result, 8, history);
    wfs_scenario_result_free(&result);
}

static void test_history_shows_errors(void **state)
{
    static const wfs_read_options options = {.page_size = 1};
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "a", .max_ticks = 1),
        WFS_HISTORY(.workflow = "order", .id = "a", .options = &options),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    assert_value(&result, 0, "{\"value\":\"a\","
                             "\"run\":{\"processed\":1,\"ticks\":1}}");
    assert_value(
        &result, 1,
        "{\"runNumber\":0,\"steps\":["
        "{\"id\":1,\"runNumber\":0,\"stepKey\":\"do:charge\","
        "\"name\":\"charge\",\"type\":\"do\",\"status\":\"waiting\","
        "\"attempts\":1,\"maxAttempts\":4,\"timeoutMs\":null,"
        "\"nextRetryAt\":10000,\"wakeAt\":null,\"waitEventType\":null,"
        "\"result\":null,\"error\":{\"name\":\"CARD_DECLINED\","
        "\"message\":\"the bank said no\"},"
        "\"createdAt\":0,\"updatedAt\":0}],\"events\":[]}");
    wfs_scenario_result_free(&result);
}

static void test_status_shows_errors(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "doomed", .id = "d"),
        WFS_STATUS(.workflow = "doomed", .id = "d"),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    assert_value(&result, 1, "{\"status\":\"errored\",\"error\":"
                             "{\"name\":\"DOOMED\",\"message\":\"as ever\"}}");
    wfs_scenario_result_free(&result);
}

static void test_batch(void **state)
{
    static const wfs_batch_item items[] = {
        {"b-1", NULL}, {"b-2", "{\"n\":2}"}, {"b-1", NULL}, {0}};
    static const wfs_scenario_step steps[] = {
        WFS_CREATE_BATCH(.workflow = "echo", .instances = items,
                         .store_as = "batch"),
        WFS_CREATE_BATCH(.workflow = "echo", .instances = items),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    assert_value(&result, 0,
                 "[{\"id\":\"b-1\",\"details\":{\"status\":\"queued\"}},"
                 "{\"id\":\"b-2\",\"details\":{\"status\":\"queued\"}}]");
    assert_value(&result, 1, "[]");
    assert_string_equal(wfs_json_string(wfs_json_path(result.vars,
                                                      "batch[1].id"), NULL),
                        "b-2");
    wfs_scenario_result_free(&result);
}

static void test_controls(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "nap", .id = "n"),
        WFS_PAUSE(.workflow = "nap", .id = "n"),
        WFS_TICK(.workflow = "nap", .id = "n", .reason = WFS_REASON_EVENT),
        WFS_STATUS(.workflow = "nap", .id = "n"),
        WFS_RESUME_AND_RUN(.workflow = "nap", .id = "n", .max_ticks = 1,
                           .store_as = "resumed", .run_store_as = "run"),
        WFS_TERMINATE(.workflow = "nap", .id = "n"),
        WFS_TERMINATE(.workflow = "nap", .id = "n", .store_as = "again"),
        WFS_PAUSE(.workflow = "nap", .id = "n"),
        WFS_RESTART(.workflow = "nap", .id = "n"),
        WFS_RUN_CREATE(.workflow = "nap", .id = "n", .max_ticks = 1),
        WFS_RUN_RESUME(.workflow = "nap", .id = "n", .max_ticks = 1),
        WFS_RESUME(.workflow = "nap", .id = "ghost"),
        WFS_RESTART(.workflow = "nap", .id = "ghost"),
        {0},
    };
    static const char terminal[] =
        "{\"error\":{\"code\":\"INSTANCE_TERMINAL\","
        "\"message\":\"Instance is terminal\"}}";
    static const char unknown[] =
        "{\"error\":{\"code\":\"INSTANCE_NOT_FOUND\","
        "\"message\":\"Instance not found\"}}";
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    assert_value(&result, 1, "{\"ok\":true}");
    assert_value(&result, 2, "1");
    assert_value(&result, 3, "{\"status\":\"paused\"}");
    assert_value(&result, 4, "{\"value\":{\"ok\":true},"
                             "\"run\":{\"processed\":1,\"ticks\":1}}");
    assert_value(&result, 5, "{\"ok\":true}");
    assert_value(&result, 6, terminal);
    assert_value(&result, 7, terminal);
    assert_value(&result, 8, "{\"ok\":true}");
    assert_value(&result, 9, "{\"processed\":1,\"ticks\":1}");
    assert_value(&result, 10, "{\"processed\":1,\"ticks\":1}");
    assert_value(&result, 11, unknown);
    assert_value(&result, 12, unknown);
    assert_string_equal(text_of(&result, wfs_json_get(result.vars, "again")),
                        terminal);
    assert_string_equal(text_of(&result, wfs_json_get(result.vars, "resumed")),
                        "{\"ok\":true}");
    assert_string_equal(text_of(&result, wfs_json_get(result.vars, "run")),
                        "{\"processed\":1,\"ticks\":1}");
    wfs_scenario_result_free(&result);
}

static void test_time(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_SET_TIME(.timestamp = 5),
        WFS_ADVANCE_TIME(.duration = "1.5 minutes"),
        WFS_SET_TIME(.timestamp = 0),
        WFS_CREATE(.workflow = "nap", .id = "n"),
        WFS_TICK(.workflow = "nap", .id = "n", .reason = WFS_REASON_CREATE,
                 .timestamp = 5000),
        WFS_ADVANCE_AND_RUN(.workflow = "nap", .id = "n", .timestamp = 3605000),
        WFS_STATUS(.workflow = "nap", .id = "n"),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    assert_value(&result, 0, "5");
    assert_value(&result, 1, "90005");
    assert_value(&result, 2, "0");
    assert_int_equal(result.steps[3].clock, 0);
    assert_int_equal(result.steps[4].clock, 5000);
    assert_value(&result, 5, "{\"processed\":1,\"ticks\":2}");
    assert_value(&result, 6, "{\"status\":\"complete\"}");
    assert_int_equal(result.clock, 3605000);
    wfs_scenario_result_free(&result);
}

/* The timestamp of a combined step is that of its run, not of its action. */
static void test_time_of_combined_steps(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "echo", .id = "e",
                               .timestamp = 7000),
        {0},
    };
    wfs_scenario scenario = of(steps);
    const wfs_instance *instance;
    wfs_runner *runner;

    (void)state;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
    assert_int_equal(wfs_get_instance(wfs_runner_harness(runner), "echo", "e",
                                      &instance), WFS_OK);
    assert_int_equal(instance->created_at, 0);
    assert_int_equal(instance->completed_at, 7000);
    wfs_runner_free(runner);
}

/* Ids drawn are the same for the same seed, and stand in the label. */
static void test_drawn_ids(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "echo"), WFS_CREATE(.workflow = "echo"), {0}};
    wfs_scenario scenario = of(steps);
    wfs_scenario_result first, second, other;
    char label[64];

    (void)state;
    assert_int_equal(wfs_scenario_run(&scenario, &first), WFS_OK);
    assert_int_equal(wfs_scenario_run(&scenario, &second), WFS_OK);
    scenario.seed = 1;
    assert_int_equal(wfs_scenario_run(&scenario, &other), WFS_OK);
    assert_true(wfs_json_equal(first.steps[0].value, second.steps[0].value));
    assert_false(wfs_json_equal(first.steps[0].value, first.steps[1].value));
    assert_false(wfs_json_equal(first.steps[0].value, other.steps[0].value));
    snprintf(label, sizeof label, "create echo %s",
             wfs_json_string(first.steps[0].value, NULL));
    assert_string_equal(first.steps[0].label, label);
    wfs_scenario_result_free(&first);
    wfs_scenario_result_free(&second);
    wfs_scenario_result_free(&other);
}

static void test_auto_tick(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "order", .id = "o"),
        WFS_ADVANCE_TIME(.duration = "10 s"),
        WFS_ADVANCE_TIME(.duration = "1 hour"),
        WFS_EVENT(.workflow = "order", .id = "o", .type = "approved"),
        WFS_STATUS(.workflow = "order", .id = "o"),
        {0},
    };
    wfs_scenario scenario = of(steps);
    wfs_scenario_result result;

    (void)state;
    scenario.auto_tick = true;
    assert_int_equal(wfs_scenario_run(&scenario, &result), WFS_OK);
    assert_value(&result, 3, "{\"status\":\"waiting\"}");
    assert_value(&result, 4, "{\"status\":\"complete\","
                             "\"output\":{\"receipt\":17}}");
    wfs_scenario_result_free(&result);
}

/* --- inputs from callbacks */

static const char *workflow_text(wfs_context *context)
{
    (void)context;
    return "order";
}

static const char *id_text(wfs_context *context)
{
    return (const char *)context->step->user;
}

static const wfs_json *params_value(wfs_context *context)
{
    return wfs_json_set(context->arena, wfs_json_new_object(context->arena),
                        "user", wfs_json_new_string(
                            context->arena, (const char *)context->user));
}

static const char *reason_text(wfs_context *context)
{
    (void)context;
    return "create";
}

static int64_t two(wfs_context *context)
{
    (void)context;
    return 2;
}

static int64_t noon(wfs_context *context)
{
    return wfs_clock_now(context->clock) + 43200000;
}

static const char *hour_text(wfs_context *context)
{
    (void)context;
    return "1 hour";
}

static const char *type_text(wfs_context *context)
{
    (void)context;
    return "approved";
}

static const wfs_batch_item *batch(wfs_context *context)
{
    wfs_batch_item *items = (wfs_batch_item *)wfs_arena_allocate(
        context->arena, 2 * sizeof *items);

    if (items == NULL)
        return NULL;
    memset(items, 0, 2 * sizeof *items);
    items[0].id = wfs_var_text(context, "id");
    return items;
}

static const wfs_payload *payload(wfs_context *context)
{
    return wfs_context_payload(context, "order", "o-1", WFS_REASON_CREATE);
}

static const wfs_read_options *backwards(wfs_context *context)
{
    static const wfs_read_options options = {.has_run_number = true,
                                             .run_number = 4};

    (void)context;
    return &options;
}

static const wfs_json *read_index(wfs_context *context)
{
    return wfs_json_new_integer(context->arena, (int64_t)context->step_index);
}

static const wfs_json *read_nothing(wfs_context *context)
{
    (void)context;
    return NULL;
}

static void test_callbacks(void **state)
{
    static char id[] = "o-1";
    static char user[] = "me";
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "unknown", .workflow_from = workflow_text,
                   .id = "unused", .id_from = id_text, .params = "not JSON",
                   .params_from = params_value, .user = id, .store_as = "id"),
        WFS_CREATE_BATCH(.workflow = "echo", .instances_from = batch),
        WFS_TICK(.tick_payload_from = payload),
        WFS_RUN_UNTIL_IDLE(.workflow = "order", .id = "o-1",
                           .reason_from = reason_text,
                           .max_ticks = 9, .max_ticks_from = two),
        WFS_SET_TIME(.timestamp_from = noon),
        WFS_ADVANCE_TIME(.duration_from = hour_text),
        WFS_EVENT(.workflow = "order", .id = "o-1", .type_from = type_text,
                  .payload_from = params_value),
        WFS_HISTORY(.workflow = "order", .id = "o-1",
                    .options_from = backwards),
        WFS_READ(.read = read_index),
        WFS_READ(.read = read_nothing, .store_as = "nothing"),
        {0},
    };
    wfs_scenario scenario = of(steps);
    wfs_scenario_result result;

    (void)state;
    scenario.user = user;
    assert_int_equal(wfs_scenario_run(&scenario, &result), WFS_OK);
    assert_value(&result, 0, "\"o-1\"");
    assert_value(&result, 1,
                 "[{\"id\":\"o-1\",\"details\":{\"status\":\"queued\"}}]");
    assert_value(&result, 2, "1");
    assert_value(&result, 3, "{\"processed\":2,\"ticks\":2}");
    assert_value(&result, 4, "43200000");
    assert_value(&result, 5, "46800000");
    assert_value(&result, 6, "{\"status\":\"waiting\"}");
    assert_value(&result, 7, "{\"runNumber\":4,\"steps\":[],\"events\":[]}");
    assert_value(&result, 8, "8");
    assert_value(&result, 9, "null");
    assert_string_equal(text_of(&result, result.vars),
                        "{\"id\":\"o-1\",\"nothing\":null}");
    assert_string_equal(result.steps[2].label, "tick order o-1 (create)");
    assert_string_equal(result.steps[4].label,
                        "set time to 1970-01-01T12:00:00.000Z");
    wfs_scenario_result_free(&result);
}

static const char *no_text(wfs_context *context)
{
    (void)context;
    return NULL;
}

static const char *missing_id(wfs_context *context)
{
    const wfs_instance *instance = wfs_context_require_instance(
        context, "order", "ghost");

    return instance != NULL ? instance->instance_id : NULL;
}

static int64_t no_number(wfs_context *context)
{
    context->error->code = WFS_ERR_LIMIT;
    return 0;
}

static const wfs_json *no_value(wfs_context *context)
{
    context->error->code = WFS_ERR_ROW_NOT_FOUND;
    strcpy(context->error->message, "no such thing");
    return NULL;
}

static const char *odd_reason(wfs_context *context)
{
    (void)context;
    return "boredom";
}

static const wfs_payload *no_payload(wfs_context *context)
{
    (void)context;
    return NULL;
}

static void test_callbacks_that_fail(void **state)
{
    (void)state;
    expect_refusal((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "order", .id_from = no_text), {0}},
        WFS_ERR_ARGUMENT, "create step: id_from gave nothing");
    expect_refusal((const wfs_scenario_step[]){
        WFS_STATUS(.workflow = "order", .id_from = missing_id), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND,
        "workflow \"order\" has no instance \"ghost\"");
    expect_refusal((const wfs_scenario_step[]){
        WFS_SET_TIME(.timestamp_from = no_number), {0}},
        WFS_ERR_LIMIT, "setTime step: timestamp_from gave nothing");
    expect_refusal((const wfs_scenario_step[]){
        WFS_READ(.read = no_value), {0}},
        WFS_ERR_ROW_NOT_FOUND, "no such thing");
    expect_refusal((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "order", .params_from = read_nothing), {0}},
        WFS_ERR_ARGUMENT, "create step: params_from gave nothing");
    expect_refusal((const wfs_scenario_step[]){
        WFS_TICK(.workflow = "order", .id = "a", .reason_from = odd_reason),
        {0}},
        WFS_ERR_ARGUMENT, "tick step: \"boredom\" is not a reason");
    expect_refusal((const wfs_scenario_step[]){
        WFS_TICK(.tick_payload_from = no_payload), {0}},
        WFS_ERR_ARGUMENT, "tick step: tick_payload_from gave nothing");
}

/* --- steps that cannot run */

static void test_missing_inputs(void **state)
{
    (void)state;
    expect_refusal((const wfs_scenario_step[]){WFS_CREATE(.id = "a"), {0}},
        WFS_ERR_ARGUMENT, "create step requires workflow");
    expect_refusal((const wfs_scenario_step[]){
        WFS_CREATE_BATCH(.workflow = "order"), {0}},
        WFS_ERR_ARGUMENT, "createBatch step requires instances");
    expect_refusal((const wfs_scenario_step[]){
        WFS_EVENT(.workflow = "order", .id = "a"), {0}},
        WFS_ERR_ARGUMENT, "event step requires an event type");
    expect_refusal((const wfs_scenario_step[]){
        WFS_STATUS(.workflow = "order"), {0}},
        WFS_ERR_ARGUMENT, "status step requires instanceId");
    expect_refusal((const wfs_scenario_step[]){
        WFS_RUN_CREATE(.id = "a"), {0}},
        WFS_ERR_ARGUMENT, "runCreateUntilIdle step requires workflow");
    expect_refusal((const wfs_scenario_step[]){WFS_ADVANCE_TIME(0), {0}},
        WFS_ERR_ARGUMENT, "advanceTime step requires duration");
    expect_refusal((const wfs_scenario_step[]){WFS_READ(0), {0}},
        WFS_ERR_ARGUMENT, "read step requires read");
    expect_refusal((const wfs_scenario_step[]){WFS_ASSERT(0), {0}},
        WFS_ERR_ARGUMENT, "assert step requires check");
    expect_refusal((const wfs_scenario_step[]){
        WFS_RUN_UNTIL_IDLE(.workflow = "order", .id = "a",
                           .reason = WFS_REASON_CREATE, .max_ticks = -1),
        {0}},
        WFS_ERR_ARGUMENT, "runUntilIdle step: max_ticks is out of range: -1");
}

/* The texts that Fragno has. */
static void test_recorded_texts(void **state)
{
    (void)state;
    expect_refusal((const wfs_scenario_step[]){
        WFS_TICK(.workflow = "order", .id = "a"), {0}},
        WFS_ERR_ARGUMENT, "Tick step requires workflow, instanceId, and reason "
                          "when payload is omitted");
    expect_refusal((const wfs_scenario_step[]){
        WFS_RUN_UNTIL_IDLE(.workflow = "order",
                           .reason = WFS_REASON_CREATE), {0}},
        WFS_ERR_ARGUMENT, "runUntilIdle step requires workflow, instanceId, "
                          "and reason when payload is omitted");
    expect_refusal((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "nap", .id = "a"),
        WFS_ADVANCE_AND_RUN(.workflow = "nap", .id = "a", .duration = "1 s",
                            .timestamp = 5), {0}},
        WFS_ERR_ARGUMENT, "advanceTimeAndRunUntilIdle requires either "
                          "advanceBy or setTo (not both)");
    expect_refusal((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "nap", .id = "a"),
        WFS_ADVANCE_AND_RUN(.workflow = "nap", .id = "a", .duration = ""),
        {0}},
        WFS_ERR_ARGUMENT, "advanceTimeAndRunUntilIdle requires either "
                          "advanceBy (relative) or setTo (absolute)");
}

/* The step fails, and its message names this. */
static void expect_named(const wfs_scenario_step *steps, wfs_status status,
                         const char *culprit)
{
    const wfs_step_result *last;
    wfs_scenario_result result;

    run(steps, &result);
    assert_string_equal(wfs_status_name(result.status),
                        wfs_status_name(status));
    last = &result.steps[result.step_count - 1];
    if (strstr(last->message, culprit) == NULL)
        fail_msg("\"%s\" does not name %s", last->message, culprit);
    assert_int_equal(result.step_count, result.planned_count);
    wfs_scenario_result_free(&result);
}

static void test_culprits(void **state)
{
    static const wfs_batch_item bad[] = {{"ok", NULL}, {"not ok", NULL}, {0}};
    static const wfs_payload lost = {"nowhere", "a", 0, 0, WFS_REASON_CREATE};

    (void)state;
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "nowhere"), {0}},
        WFS_ERR_WORKFLOW_NOT_FOUND, "nowhere");
    expect_named((const wfs_scenario_step[]){
        WFS_PAUSE(.workflow = "nowhere", .id = "a"), {0}},
        WFS_ERR_WORKFLOW_NOT_FOUND, "nowhere");
    expect_named((const wfs_scenario_step[]){
        WFS_TICK(.tick_payload = &lost), {0}},
        WFS_ERR_WORKFLOW_NOT_FOUND, "nowhere");
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "echo", .params = "{\"a\":}"), {0}},
        WFS_ERR_JSON, "line 1");
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "echo", .id = "a b"), {0}},
        WFS_ERR_VALIDATION, "a b");
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE_BATCH(.workflow = "echo", .instances = bad), {0}},
        WFS_ERR_VALIDATION, "not ok");
    expect_named((const wfs_scenario_step[]){
        WFS_ADVANCE_TIME(.duration = "3 fortnights"), {0}},
        WFS_ERR_DURATION, "fortnights");
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "echo", .id = "twice"),
        WFS_CREATE(.workflow = "echo", .id = "twice"), {0}},
        WFS_ERR_INSTANCE_ID_ALREADY_EXISTS, "twice");
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "echo", .id = "a"),
        WFS_EVENT(.workflow = "echo", .id = "a", .type = "no/good"), {0}},
        WFS_ERR_VALIDATION, "no/good");
    expect_named((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "echo", .id = "a"),
        WFS_EVENT(.workflow = "echo", .id = "a", .type = "t",
                  .payload = "nope"), {0}},
        WFS_ERR_JSON, "line 1");
}

static void test_unknown_instances(void **state)
{
    (void)state;
    expect_named((const wfs_scenario_step[]){
        WFS_TICK(.workflow = "echo", .id = "ghost",
                 .reason = WFS_REASON_CREATE), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND, "ghost");
    expect_named((const wfs_scenario_step[]){
        WFS_RUN_UNTIL_IDLE(.workflow = "echo", .id = "ghost",
                           .reason = WFS_REASON_CREATE), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND, "ghost");
    expect_named((const wfs_scenario_step[]){
        WFS_STATUS(.workflow = "echo", .id = "ghost"), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND, "ghost");
    expect_named((const wfs_scenario_step[]){
        WFS_HISTORY(.workflow = "echo", .id = "ghost"), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND, "ghost");
    expect_named((const wfs_scenario_step[]){
        WFS_EVENT(.workflow = "echo", .id = "ghost", .type = "t"), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND, "ghost");
    expect_named((const wfs_scenario_step[]){
        WFS_RESUME_AND_RUN(.workflow = "echo", .id = "ghost"), {0}},
        WFS_ERR_INSTANCE_NOT_FOUND, "ghost");
}

/* --- scenarios that cannot run */

static void expect_refused_scenario(const wfs_scenario *scenario,
                                    wfs_status status, const char *culprit)
{
    wfs_scenario_result result;

    assert_int_equal(wfs_scenario_run(scenario, &result), status);
    assert_int_equal(result.status, status);
    assert_int_equal(result.step_count, 1);
    assert_string_equal(result.steps[0].label, "set up the scenario");
    assert_string_equal(wfs_scenario_kind_name(result.steps[0].kind), "");
    if (strstr(result.steps[0].message, culprit) == NULL)
        fail_msg("\"%s\" does not name %s", result.steps[0].message, culprit);
    wfs_scenario_result_free(&result);
}

static void test_bad_scenarios(void **state)
{
    static const wfs_scenario_step none[] = {{0}};
    static const wfs_workflow no_workflows[] = {{0}};
    static const wfs_workflow no_function[] = {{.key = "hollow"}, {0}};
    wfs_scenario scenario = of(order_steps);
    wfs_runner *runner;
    wfs_error error;

    (void)state;
    expect_refused_scenario(NULL, WFS_ERR_ARGUMENT, "no scenario");
    scenario.steps = NULL;
    expect_refused_scenario(&scenario, WFS_ERR_ARGUMENT,
                            "\"test\" has no steps");
    scenario.steps = none;
    expect_refused_scenario(&scenario, WFS_ERR_ARGUMENT,
                            "\"test\" has no steps");
    scenario.steps = order_steps;
    scenario.workflows = NULL;
    expect_refused_scenario(&scenario, WFS_ERR_ARGUMENT,
                            "\"test\" has no workflows");
    scenario.workflows = no_workflows;
    expect_refused_scenario(&scenario, WFS_ERR_ARGUMENT,
                            "\"test\" has no workflows");
    scenario.workflows = no_function;
    expect_refused_scenario(&scenario, WFS_ERR_ARGUMENT, "hollow");
    assert_int_equal(wfs_runner_create(&scenario, &runner, &error),
                     WFS_ERR_ARGUMENT);
    assert_int_equal(error.code, WFS_ERR_ARGUMENT);
    assert_null(runner);
}

static void test_unknown_kind(void **state)
{
    wfs_scenario_step steps[2];

    (void)state;
    memset(steps, 0, sizeof steps);
    steps[0].kind = WFS_SCENARIO_KIND_COUNT;
    expect_refusal(steps, WFS_ERR_ARGUMENT,
                   "there is no kind of step with number 30");
}

static wfs_status always_fails(wfs_context *context)
{
    return wfs_expect(context, false, "luck");
}

/* What a failing step has done stays, due hooks run, nothing follows. */
static void test_failure_ends_scenario(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "echo", .id = "a"),
        WFS_ADVANCE_AND_RUN(.workflow = "echo", .id = "ghost",
                            .timestamp = 9000, .store_as = "never"),
        WFS_CREATE(.workflow = "echo", .id = "b"),
        {0},
    };
    wfs_hook_filter pending = {.status = WFS_HOOK_PENDING};
    wfs_scenario scenario = of(steps);
    const wfs_step_result *step;
    const wfs_hook *hooks;
    wfs_runner *runner;
    size_t count;

    (void)state;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    assert_int_equal(wfs_runner_next(runner, &step), WFS_OK);
    assert_int_equal(step->index, 0);
    assert_int_equal(wfs_runner_next(runner, &step),
                     WFS_ERR_INSTANCE_NOT_FOUND);
    assert_int_equal(step->index, 1);
    assert_null(step->value);
    assert_null(step->state);
    assert_int_equal(step->clock, 9000);
    assert_int_equal(wfs_clock_now(wfs_harness_clock(
                         wfs_runner_harness(runner))), 9000);
    assert_int_equal(wfs_runner_next(runner, &step), WFS_DONE);
    assert_null(step);
    assert_int_equal(wfs_runner_result(runner)->step_count, 2);
    assert_int_equal(wfs_runner_result(runner)->planned_count, 3);
    assert_int_equal(wfs_json_count(wfs_runner_result(runner)->vars), 0);
    assert_int_equal(wfs_get_hooks(wfs_runner_harness(runner), &pending,
                                   &hooks, &count), WFS_OK);
    assert_int_equal(count, 0);
    wfs_runner_free(runner);
}

static wfs_status create_then_fail(wfs_context *context)
{
    WFS_TRY(wfs_create(context->harness, "echo", "late", NULL, NULL));
    return WFS_ERR_ASSERTION;
}

static void test_hooks_of_a_failed_step_run(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_ASSERT(.check = create_then_fail), {0}};
    wfs_scenario scenario = of(steps);
    const wfs_step_result *step;
    const wfs_instance *late;
    wfs_runner *runner;

    (void)state;
    scenario.auto_tick = true;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    assert_int_equal(wfs_runner_next(runner, &step), WFS_ERR_ASSERTION);
    assert_string_equal(step->message, "the check returned ASSERTION_FAILED: "
                                       "expected and actual differ");
    assert_int_equal(wfs_get_instance(wfs_runner_harness(runner), "echo",
                                      "late", &late), WFS_OK);
    assert_int_equal(late->status, WFS_INSTANCE_COMPLETE);
    wfs_runner_free(runner);
}

static wfs_status leave_open(wfs_context *context)
{
    return wfs_begin(wfs_harness_store(context->harness));
}

static wfs_status close_ours(wfs_context *context)
{
    return wfs_commit(wfs_harness_store(context->harness));
}

static wfs_status return_done(wfs_context *context)
{
    (void)context;
    return WFS_DONE;
}

static void test_callbacks_that_misbehave(void **state)
{
    (void)state;
    expect_refusal((const wfs_scenario_step[]){
        WFS_ASSERT(.check = leave_open), {0}}, WFS_ERR_MISUSE,
        "the step left a transaction open");
    expect_refusal((const wfs_scenario_step[]){
        WFS_ASSERT(.check = close_ours), {0}}, WFS_ERR_NO_TRANSACTION,
        "the check returned NO_TRANSACTION: no transaction is open");
    expect_refusal((const wfs_scenario_step[]){
        WFS_ASSERT(.check = return_done), {0}}, WFS_ERR_ASSERTION,
        "the check returned DONE: there is no next one");
}

/* --- expectations, and what is said of the instance */

#define NEVER_TICKED                                                          \
    " and was never ticked: set auto_tick, or add a step that ticks it"

static wfs_status wrong_integer(wfs_context *context)
{
    return wfs_expect_integer(context, "total", 3, INT64_MIN);
}

static wfs_status wrong_text(wfs_context *context)
{
    return wfs_expect_text(context, "name", "a\"b", NULL);
}

static wfs_status wrong_json(wfs_context *context)
{
    return wfs_expect_json(context, "order", "{\"items\":[1,2]}",
                           wfs_var(context, "order"));
}

static wfs_status bad_json(wfs_context *context)
{
    return wfs_expect_json(context, "order", "{", NULL);
}

static wfs_status wrong_status(wfs_context *context)
{
    return wfs_expect_status(context, "order", "o-1", WFS_INSTANCE_COMPLETE);
}

static wfs_status wrong_ghost(wfs_context *context)
{
    return wfs_expect_status(context, "order", "ghost", WFS_INSTANCE_COMPLETE);
}

static wfs_status right(wfs_context *context)
{
    WFS_TRY(wfs_expect(context, true, "truth"));
    WFS_TRY(wfs_expect_integer(context, "one", 1, 1));
    WFS_TRY(wfs_expect_text(context, "text", "a", "a"));
    WFS_TRY(wfs_expect_text(context, "no text", NULL, NULL));
    WFS_TRY(wfs_expect_json(context, "json", "{\"items\":[1,3.0]}",
                            wfs_var(context, "order")));
    return wfs_expect_json(context, "null", "null", NULL);
}

static const wfs_json *read_order(wfs_context *context)
{
    return wfs_json_parse(context->arena, "{\"items\":[1,3]}", 15, NULL, NULL);
}

/* One check, after "order" is stored: how it fails. */
static void expect_unmet(wfs_check check, const char *message,
                         const char *expected, const char *actual)
{
    wfs_scenario_step steps[] = {
        WFS_READ(.read = read_order, .store_as = "order"),
        WFS_ASSERT(0),
        {0},
    };
    const wfs_step_result *last;
    wfs_scenario_result result;

    steps[1].check = check;
    assert_int_equal(run(steps, &result), WFS_ERR_ASSERTION);
    last = expect_failure(&result, WFS_ERR_ASSERTION, message);
    assert_string_equal(last->expected, expected);
    assert_string_equal(last->actual, actual);
    assert_null(last->state);
    wfs_scenario_result_free(&result);
}

static void test_expectations(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_READ(.read = read_order, .store_as = "order"),
        WFS_ASSERT(.check = right),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    wfs_scenario_result_free(&result);
    expect_unmet(always_fails, "luck: expected true, actual false", "true",
                 "false");
    expect_unmet(wrong_integer,
                 "total: expected 3, actual -9223372036854775808", "3",
                 "-9223372036854775808");
    expect_unmet(wrong_text, "name: expected \"a\\\"b\", actual null",
                 "\"a\\\"b\"", "null");
    expect_unmet(wrong_json, "order: items[1]: expected 2, actual 3",
                 "{\"items\":[1,2]}", "{\"items\":[1,3]}");
    expect_unmet(wrong_ghost,
                 "ghost: expected complete, actual no such instance",
                 "complete", "no such instance");
    expect_named((const wfs_scenario_step[]){
        WFS_ASSERT(.check = bad_json), {0}}, WFS_ERR_JSON,
        "order: what is expected is not JSON");
}

/* Run these steps; the last one expects that o-1 is complete. */
static void expect_state(const wfs_scenario_step *steps, const char *actual,
                         const char *sentence)
{
    const wfs_step_result *last;
    wfs_scenario_result result;
    char message[64];

    assert_int_equal(run(steps, &result), WFS_ERR_ASSERTION);
    snprintf(message, sizeof message, "o-1: expected complete, actual %s",
             actual);
    last = expect_failure(&result, WFS_ERR_ASSERTION, message);
    assert_string_equal(last->expected, "complete");
    assert_string_equal(last->actual, actual);
    assert_non_null(last->state);
    assert_string_equal(last->state, sentence);
    wfs_scenario_result_free(&result);
}

static void test_states(void **state)
{
    (void)state;
    expect_state((const wfs_scenario_step[]){
        WFS_CREATE(.workflow = "order", .id = "o-1"),
        WFS_ASSERT(.check = wrong_status), {0}},
        "queued", "instance \"o-1\" of \"order-workflow\" is queued (run 0)"
                  NEVER_TICKED);
    expect_state((const wfs_scenario_step[]){
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-1"),
        WFS_ASSERT(.check = wrong_status), {0}},
        "waiting",
        "instance \"o-1\" of \"order-workflow\" is waiting (run 0): "
        "step \"do:charge\" retries at 1970-01-01T00:00:10.000Z "
        "(attempt 1 of 4 failed: CARD_DECLINED: the bank said no); "
        "pending hooks: retry at 1970-01-01T00:00:10.000Z");
    expect_state((const wfs_scenario_step[]){
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-1"),
        WFS_RETRY_AND_RUN(.workflow = "order", .id = "o-1",
                          .timestamp = 10000),
        WFS_ASSERT(.check = wrong_status), {0}},
        "waiting",
        "instance \"o-1\" of \"order-workflow\" is waiting (run 0): "
        "step \"sleep:cool off\" sleeps until 1970-01-01T01:00:10.000Z; "
        "pending hooks: wake at 1970-01-01T01:00:10.000Z");
    expect_state((const wfs_scenario_step[]){
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-1"),
        WFS_RETRY_AND_RUN(.workflow = "order", .id = "o-1",
                          .timestamp = 10000),
        WFS_ADVANCE_AND_RUN(.workflow = "order", .id = "o-1",
                            .duration = "1 hour", .max_ticks = 1),
        WFS_ASSERT(.check = wrong_status), {0}},
        "waiting",
        "instance \"o-1\" of \"order-workflow\" is waiting (run 0): "
        "step \"waitForEvent:approval\" waits for event \"approved\" until "
        "1970-01-01T03:00:10.000Z; "
        "pending hooks: wake at 1970-01-01T03:00:10.000Z");
}

static wfs_status nested_status(wfs_context *context)
{
    return wfs_expect_status(context, "nested", "o-1", WFS_INSTANCE_COMPLETE);
}

/* A step in a step, and more hooks than are named. */
static void test_states_of_many(void **state)
{
    (void)state;
    expect_state((const wfs_scenario_step[]){
        WFS_INITIALIZE_AND_RUN(.workflow = "nested", .id = "o-1"),
        WFS_RUN_UNTIL_IDLE(.workflow = "nested", .id = "o-1",
                           .reason = WFS_REASON_WAKE, .max_ticks = 4),
        WFS_ASSERT(.check = nested_status), {0}},
        "waiting",
        "instance \"o-1\" of \"nested\" is waiting (run 0): "
        "step \"do:outer\" waits for a step in it (attempt 25 of 1), "
        "step \"do:outer>sleep:rest\" sleeps until 1970-01-01T00:00:01.000Z; "
        "pending hooks: wake at 1970-01-01T00:00:01.000Z, "
        "wake at 1970-01-01T00:00:01.000Z, "
        "wake at 1970-01-01T00:00:01.000Z and 2 more");
}

/* A step that names an instance tells of it when it fails. */
static void test_state_of_the_step(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "doomed", .id = "d"),
        WFS_EVENT(.workflow = "doomed", .id = "d", .type = "help"),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_ERR_INSTANCE_TERMINAL);
    assert_int_equal(result.step_count, 2);
    assert_string_equal(result.steps[1].state,
                        "instance \"d\" of \"doomed\" is errored (run 0): "
                        "DOOMED: as ever");
    wfs_scenario_result_free(&result);
}

/* --- labels */

static void test_labels(void **state)
{
    static const char *const labels[] = {
        "create order o-1", "create 2 of echo", "send approved to order o-1",
        "tick order o-1 (create)", "run order o-1 until idle (event)",
        "status of order o-1", "history of order o-1",
        "advance time by 1 hour", "set time to 1970-01-01T01:00:00.000Z",
        "read", "my own", "pause order o-1", "resume order o-1",
        "terminate order o-1", "restart order o-1",
        "create order o-2 and run until idle",
        "send approved to order o-2 and run until idle",
        "resume order o-2 and run until idle",
        "run order o-2 until idle (create)",
        "run order o-2 until idle (resume)",
        "run order o-2 until idle (retry)",
        "advance time by 1 s and run order o-2 until idle",
        "set time to 1970-01-01T02:00:00.000Z and run order o-2 until idle",
        "create ?"};
    static const wfs_batch_item two_items[] = {{"x", NULL}, {"y", NULL}, {0}};
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "order", .id = "o-1"),
        WFS_CREATE_BATCH(.workflow = "echo", .instances = two_items),
        WFS_EVENT(.workflow = "order", .id = "o-1", .type = "approved"),
        WFS_TICK(.workflow = "order", .id = "o-1",
                 .reason = WFS_REASON_CREATE),
        WFS_RUN_UNTIL_IDLE(.workflow = "order", .id = "o-1",
                           .reason = WFS_REASON_EVENT),
        WFS_STATUS(.workflow = "order", .id = "o-1"),
        WFS_HISTORY(.workflow = "order", .id = "o-1"),
        WFS_ADVANCE_TIME(.duration = "1 hour"),
        WFS_SET_TIME(.timestamp = 3600000),
        WFS_READ(.read = read_index),
        WFS_READ(.read = read_index, .label = "my own"),
        WFS_PAUSE(.workflow = "order", .id = "o-1"),
        WFS_RESUME(.workflow = "order", .id = "o-1"),
        WFS_TERMINATE(.workflow = "order", .id = "o-1"),
        WFS_RESTART(.workflow = "order", .id = "o-1"),
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-2"),
        WFS_EVENT_AND_RUN(.workflow = "order", .id = "o-2",
                          .type = "approved"),
        WFS_RESUME_AND_RUN(.workflow = "order", .id = "o-2"),
        WFS_RUN_CREATE(.workflow = "order", .id = "o-2"),
        WFS_RUN_RESUME(.workflow = "order", .id = "o-2"),
        WFS_RETRY_AND_RUN(.workflow = "order", .id = "o-2"),
        WFS_ADVANCE_AND_RUN(.workflow = "order", .id = "o-2",
                            .duration = "1 s"),
        WFS_ADVANCE_AND_RUN(.workflow = "order", .id = "o-2",
                            .timestamp = 7200000),
        WFS_CREATE(0),
        {0},
    };
    wfs_scenario_result result;
    size_t i;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_ERR_ARGUMENT);
    assert_int_equal(result.step_count, sizeof labels / sizeof labels[0]);
    for (i = 0; i < result.step_count; i++) {
        assert_string_equal(result.steps[i].label, labels[i]);
        assert_int_equal(result.steps[i].index, i);
        assert_int_equal(result.steps[i].kind, steps[i].kind);
        assert_int_equal(result.steps[i].line, steps[i].line);
        assert_string_equal(result.steps[i].file, steps[i].file);
    }
    wfs_scenario_result_free(&result);
}

static void test_kind_names(void **state)
{
    (void)state;
    assert_string_equal(wfs_scenario_kind_name(WFS_SCENARIO_END), "");
    assert_string_equal(wfs_scenario_kind_name(WFS_SCENARIO_CREATE), "create");
    assert_string_equal(wfs_scenario_kind_name(WFS_SCENARIO_ADVANCE_AND_RUN),
                        "advanceTimeAndRunUntilIdle");
    assert_string_equal(wfs_scenario_kind_name(WFS_SCENARIO_KIND_COUNT), "");
}

/* --- utilities */

static wfs_status look_around(wfs_context *context)
{
    wfs_hook_filter completed = {.status = WFS_HOOK_COMPLETED};
    const wfs_instance *instance;
    const wfs_event *events;
    const wfs_step *steps;
    const wfs_hook *hooks;
    const wfs_payload *now;
    size_t count;

    instance = wfs_context_instance(context, "order", "o-1");
    assert_non_null(instance);
    assert_string_equal(instance->workflow_name, "order-workflow");
    assert_null(wfs_context_instance(context, "order", "ghost"));
    assert_int_equal(context->error->code, WFS_OK);
    assert_null(wfs_context_require_instance(context, "order", "ghost"));
    assert_int_equal(context->error->code, WFS_ERR_INSTANCE_NOT_FOUND);
    assert_null(wfs_context_instance(context, "nowhere", "o-1"));
    assert_int_equal(context->error->code, WFS_ERR_WORKFLOW_NOT_FOUND);

    steps = wfs_context_steps(context, "order", "o-1", NULL, &count);
    assert_non_null(steps);
    assert_int_equal(count, 1);
    assert_string_equal(steps[0].step_key, "do:charge");
    events = wfs_context_events(context, "order", "o-1", NULL, &count);
    assert_non_null(events);
    assert_int_equal(count, 0);
    assert_null(wfs_context_events(context, "order", "ghost", NULL, &count));
    assert_int_equal(context->error->code, WFS_ERR_INSTANCE_NOT_FOUND);
    hooks = wfs_context_hooks(context, &completed, &count);
    assert_non_null(hooks);
    assert_int_equal(count, 1);
    assert_int_equal(hooks[0].reason, WFS_REASON_CREATE);

    now = wfs_context_payload(context, "order", "o-1", WFS_REASON_WAKE);
    assert_non_null(now);
    assert_int_equal(now->reason, WFS_REASON_WAKE);
    assert_int_equal(now->instance_ref, instance->id);
    assert_null(wfs_context_payload(context, "order", "ghost",
                                    WFS_REASON_WAKE));
    assert_null(wfs_var(context, "unknown.path"));
    assert_null(wfs_var(context, NULL));
    assert_null(wfs_var_text(context, "run"));
    assert_int_equal(wfs_json_integer(wfs_var(context, "run.ticks")), 1);
    return WFS_OK;
}

static void test_utilities(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-1",
                               .max_ticks = 1, .run_store_as = "run"),
        WFS_ASSERT(.check = look_around),
        {0},
    };
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(run(steps, &result), WFS_OK);
    wfs_scenario_result_free(&result);
}

/* --- running out of memory */

typedef struct snapshot {
    uint64_t hash, random;
    int64_t clock;
    size_t steps;
    char *vars;
} snapshot;

static snapshot take(wfs_runner *runner)
{
    const wfs_scenario_result *result = wfs_runner_result(runner);
    wfs_harness *harness = wfs_runner_harness(runner);
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *vars = wfs_json_write(arena, result->vars, 0, NULL);
    snapshot taken;

    taken.hash = wfs_store_hash(wfs_harness_store(harness));
    taken.random = wfs_harness_random(harness)->state;
    taken.clock = wfs_clock_now(wfs_harness_clock(harness));
    taken.steps = result->step_count;
    assert_non_null(vars);
    taken.vars = (char *)malloc(strlen(vars) + 1);
    assert_non_null(taken.vars);
    strcpy(taken.vars, vars);
    wfs_arena_free(arena);
    return taken;
}

/* Compare with what is there now, and drop it. */
static void expect_unchanged(snapshot *before, wfs_runner *runner)
{
    snapshot now = take(runner);

    assert_true(now.hash == before->hash);
    assert_true(now.random == before->random);
    assert_int_equal(now.clock, before->clock);
    assert_int_equal(now.steps, before->steps);
    assert_string_equal(now.vars, before->vars);
    free(now.vars);
    free(before->vars);
}

/* Every kind of step that writes, reads or draws. */
static const wfs_scenario_step hungry_steps[] = {
    WFS_CREATE(.workflow = "order", .params = "{\"sku\":[1,2,3]}",
               .store_as = "drawn"),
    WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-1", .max_ticks = 2,
                           .store_as = "id", .run_store_as = "run"),
    WFS_ADVANCE_TIME(.duration = "10 s", .store_as = "now"),
    WFS_RETRY_AND_RUN(.workflow = "order", .id = "o-1", .max_ticks = 1),
    WFS_ADVANCE_AND_RUN(.workflow = "order", .id = "o-1", .duration = "1 hour",
                        .max_ticks = 1, .store_as = "now"),
    WFS_EVENT_AND_RUN(.workflow = "order", .id = "o-1", .type = "approved",
                      .payload = "{\"by\":\"me\"}", .store_as = "before",
                      .run_store_as = "run"),
    WFS_HISTORY(.workflow = "order", .id = "o-1", .store_as = "history"),
    WFS_READ(.read = read_order, .store_as = "order"),
    WFS_RESTART(.workflow = "order", .id = "o-1"),
    WFS_PAUSE(.workflow = "order", .id = "o-1"),
    WFS_TICK(.workflow = "order", .id = "o-1", .reason = WFS_REASON_EVENT),
    WFS_STATUS(.workflow = "order", .id = "o-1", .store_as = "end"),
    WFS_ASSERT(.check = wrong_status),
    {0},
};

static uint64_t hash_of(wfs_runner *runner)
{
    return wfs_store_hash(wfs_harness_store(wfs_runner_harness(runner)));
}

static uint64_t run_undisturbed(const wfs_scenario *scenario, char **vars)
{
    wfs_runner *runner;
    snapshot end;

    assert_int_equal(wfs_runner_create(scenario, &runner, NULL), WFS_OK);
    while (wfs_runner_next(runner, NULL) == WFS_OK)
        ;
    end = take(runner);
    wfs_runner_free(runner);
    *vars = end.vars;
    return end.hash;
}

/* The end is the same as without refusals. */
static void expect_end(wfs_runner *runner, uint64_t hash, const char *vars)
{
    snapshot end = take(runner);

    assert_true(end.hash == hash);
    assert_string_equal(end.vars, vars);
    free(end.vars);
}

/* Each step: refuse its first allocation, its second, ... until it passes. */
static void refuse_step_by_step(sweep_mode mode)
{
    wfs_scenario scenario = of(hungry_steps);
    size_t i, n, refused = 0;
    sweep_memory memory;
    wfs_runner *runner;
    wfs_status status;
    snapshot before;
    uint64_t hash;
    char *vars;

    hash = run_undisturbed(&scenario, &vars);
    scenario.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    for (i = 0; hungry_steps[i].kind != WFS_SCENARIO_END; i++) {
        for (n = 1;; n++) {
            before = take(runner);
            sweep_refuse(&memory, n, mode);
            status = wfs_runner_next(runner, NULL);
            sweep_allow(&memory);
            if (status != WFS_ERR_NO_MEMORY)
                break;
            refused++;
            expect_unchanged(&before, runner);
        }
        free(before.vars);
        assert_int_equal(memory.refused, 0);
        assert_int_equal(status, hungry_steps[i + 1].kind != WFS_SCENARIO_END
                                     ? WFS_OK : WFS_ERR_ASSERTION);
    }
    assert_true(refused >= 10);     /* the sweep did bite */
    expect_end(runner, hash, vars);
    free(vars);
    wfs_runner_free(runner);
    sweep_expect_clean(&memory);
}

static void test_memory_step_by_step(void **state)
{
    (void)state;
    refuse_step_by_step(SWEEP_ONCE);
    refuse_step_by_step(SWEEP_FROM);
}

typedef struct ending {
    uint64_t hash;
    char *vars;
} ending;

/* Make a runner and run it to its end, trying again what was refused. */
static void persistent_story(const wfs_allocator *allocator,
                             sweep_memory *memory, void *user)
{
    const ending *end = (const ending *)user;
    wfs_scenario scenario = of(hungry_steps);
    wfs_runner *runner;
    wfs_status status;
    snapshot before;
    wfs_error error;

    scenario.allocator = *allocator;
    status = wfs_runner_create(&scenario, &runner, &error);
    if (status != WFS_OK) {
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
        assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
        assert_null(runner);
        return;
    }
    do {
        before = take(runner);
        status = wfs_runner_next(runner, NULL);
        if (status == WFS_ERR_NO_MEMORY) {
            assert_int_equal(memory->refused, 1);
            expect_unchanged(&before, runner);
            status = WFS_OK;
        } else {
            free(before.vars);
        }
    } while (status == WFS_OK);
    assert_int_equal(status, WFS_ERR_ASSERTION);
    expect_end(runner, end->hash, end->vars);
    wfs_runner_free(runner);
}

static void test_memory_from_the_start(void **state)
{
    wfs_scenario scenario = of(hungry_steps);
    ending end;

    (void)state;
    end.hash = run_undisturbed(&scenario, &end.vars);
    assert_true(sweep_all(SWEEP_ONCE, persistent_story, &end) > 30);
    free(end.vars);
}

/* wfs_scenario_run gives up, and its result says so. */
static void resigned_story(const wfs_allocator *allocator,
                           sweep_memory *memory, void *user)
{
    wfs_scenario scenario = of(hungry_steps);
    const wfs_step_result *last;
    wfs_scenario_result result;

    scenario.allocator = *allocator;
    wfs_scenario_run(&scenario, &result);
    if (result.status == WFS_ERR_NO_MEMORY) {
        assert_true(memory->refused > 0);
        if (result.step_count > 0) {
            last = &result.steps[result.step_count - 1];
            assert_int_equal(last->status, WFS_ERR_NO_MEMORY);
            assert_non_null(last->label);
            assert_non_null(last->message);
            ++*(size_t *)user;
        }
    } else {
        assert_int_equal(result.status, WFS_ERR_ASSERTION);
        assert_int_equal(result.step_count, 13);
    }
    wfs_scenario_result_free(&result);
}

static void test_memory_of_a_run(void **state)
{
    size_t given_up = 0;

    (void)state;
    sweep_all(SWEEP_ONCE, resigned_story, &given_up);
    assert_true(given_up > 20);
    given_up = 0;
    sweep_all(SWEEP_FROM, resigned_story, &given_up);
    assert_true(given_up > 20);
}

/* --- forks */

static void test_fork(void **state)
{
    wfs_scenario scenario = of(order_steps);
    wfs_runner *runner, *copy;
    wfs_error difference;
    uint64_t half;
    int i;

    (void)state;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    for (i = 0; i < 5; i++)
        assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
    half = hash_of(runner);
    assert_int_equal(wfs_runner_fork(runner, &copy), WFS_OK);
    assert_true(wfs_store_equal(
        wfs_harness_store(wfs_runner_harness(runner)),
        wfs_harness_store(wfs_runner_harness(copy)), &difference));
    assert_int_equal(wfs_runner_result(copy)->step_count, 5);
    assert_true(wfs_json_equal(wfs_runner_result(runner)->vars,
                               wfs_runner_result(copy)->vars));
    while (wfs_runner_next(runner, NULL) == WFS_OK)
        ;
    assert_true(hash_of(copy) == half);
    assert_int_equal(wfs_json_count(wfs_runner_result(copy)->vars), 3);
    assert_int_equal(wfs_runner_result(runner)->status, WFS_OK);
    half = hash_of(runner);
    wfs_runner_free(runner);

    assert_string_equal(wfs_runner_result(copy)->steps[0].label,
                        "create order o-1");
    assert_string_equal(wfs_json_string(
                            wfs_runner_result(copy)->steps[0].value, NULL),
                        "o-1");
    while (wfs_runner_next(copy, NULL) == WFS_OK)
        ;
    assert_int_equal(wfs_runner_result(copy)->status, WFS_OK);
    assert_int_equal(wfs_runner_result(copy)->step_count, 11);
    assert_true(hash_of(copy) == half);
    wfs_runner_free(copy);
}

static void test_fork_after_failure(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "order", .id = "o-1"),
        WFS_ASSERT(.check = wrong_status),
        {0},
    };
    wfs_scenario scenario = of(steps);
    wfs_runner *runner, *copy;
    const wfs_step_result *failed;

    (void)state;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
    assert_int_equal(wfs_runner_next(runner, NULL), WFS_ERR_ASSERTION);
    assert_int_equal(wfs_runner_fork(runner, &copy), WFS_OK);
    wfs_runner_free(runner);
    failed = &wfs_runner_result(copy)->steps[1];
    assert_string_equal(failed->message,
                        "o-1: expected complete, actual queued");
    assert_string_equal(failed->expected, "complete");
    assert_string_equal(failed->actual, "queued");
    assert_string_equal(
        failed->state,
        "instance \"o-1\" of \"order-workflow\" is queued (run 0)"
        NEVER_TICKED);
    assert_null(failed->value);
    assert_int_equal(wfs_runner_next(copy, NULL), WFS_DONE);
    wfs_runner_free(copy);
}

static void test_fork_without_memory(void **state)
{
    wfs_scenario scenario = of(order_steps);
    wfs_runner *runner, *copy;
    sweep_memory memory;
    wfs_status status;
    size_t n, blocks;
    int i;

    (void)state;
    scenario.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    for (i = 0; i < 9; i++)
        assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
    blocks = memory.blocks;
    for (n = 1;; n++) {
        sweep_refuse(&memory, n, SWEEP_ONCE);
        status = wfs_runner_fork(runner, &copy);
        sweep_allow(&memory);
        if (status == WFS_OK)
            break;
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
        assert_null(copy);
        assert_int_equal(memory.blocks, blocks);
    }
    assert_true(n > 3);
    assert_true(hash_of(copy) == hash_of(runner));
    wfs_runner_free(copy);
    wfs_runner_free(runner);
    sweep_expect_clean(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_history_shows_errors),
        cmocka_unit_test(test_status_shows_errors),
        cmocka_unit_test(test_batch),
        cmocka_unit_test(test_controls),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_time_of_combined_steps),
        cmocka_unit_test(test_drawn_ids),
        cmocka_unit_test(test_auto_tick),
        cmocka_unit_test(test_callbacks),
        cmocka_unit_test(test_callbacks_that_fail),
        cmocka_unit_test(test_missing_inputs),
        cmocka_unit_test(test_recorded_texts),
        cmocka_unit_test(test_culprits),
        cmocka_unit_test(test_unknown_instances),
        cmocka_unit_test(test_bad_scenarios),
        cmocka_unit_test(test_unknown_kind),
        cmocka_unit_test(test_failure_ends_scenario),
        cmocka_unit_test(test_hooks_of_a_failed_step_run),
        cmocka_unit_test(test_callbacks_that_misbehave),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_states_of_many),
        cmocka_unit_test(test_state_of_the_step),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_kind_names),
        cmocka_unit_test(test_utilities),
        cmocka_unit_test(test_memory_step_by_step),
        cmocka_unit_test(test_memory_from_the_start),
        cmocka_unit_test(test_memory_of_a_run),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_after_failure),
        cmocka_unit_test(test_fork_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
