/* A sleep, a retry and an approval in one scenario, driven by hand: the clock,
 * the ticks, the event. Then everything that can be read is checked, and the
 * timeline shows what happened when.
 *
 *     cc examples/all_features.c -o all_features && ./all_features
 *
 * A test that includes this file defines WFS_EXAMPLE_NO_MAIN and uses the
 * scenario `all_features`.
 */
#include <stdio.h>

#ifndef WFS_EXAMPLE_NO_MAIN
#define WFSCENARIO_IMPLEMENTATION
#endif
#include "../wfscenario.h"

#define MINUTE ((int64_t)60000)

/* --- the workflows */

static wfs_status sleep_workflow(wfs_run *run, void *user)
{
    wfs_arena *arena = wfs_run_arena(run);

    (void)user;
    WFS_TRY(wfs_sleep(run, "sleep", "1 hour"));
    return wfs_return(run, wfs_json_set(arena, wfs_json_new_object(arena),
                                        "note",
                                        wfs_json_get(wfs_params(run), "note")));
}

static wfs_status maybe_fail(wfs_run *run, void *user)
{
    (void)user;
    if (wfs_attempt(run) == 1)
        return wfs_fail(run, NULL, "RETRY_ME");
    return wfs_return_text(run, "{\"ok\":true}");
}

static wfs_status retry_workflow(wfs_run *run, void *user)
{
    wfs_do_options options = {.retries = {.limit = 1, .delay = "10 minutes"}};
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "maybe-fail", maybe_fail, user, &options, &result));
    return wfs_return(run, result);
}

/* `user` is the event that was waited for. */
static wfs_status finish(wfs_run *run, void *user)
{
    wfs_arena *arena = wfs_run_arena(run);

    return wfs_return(run, wfs_json_set(arena, wfs_json_new_object(arena),
                                        "approval", (const wfs_json *)user));
}

static wfs_status approval_workflow(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "approved", .timeout = "2 hours"};
    const wfs_json *approval, *result;

    (void)user;
    WFS_TRY(wfs_wait_for_event(run, "await approval", &options, &approval));
    WFS_TRY(wfs_do(run, "finish", finish, (void *)approval, NULL, &result));
    return wfs_return(run, result);
}

static const wfs_workflow all_workflows[] = {
    {.key = "sleep", .name = "sleep-workflow", .run = sleep_workflow},
    {.key = "retry", .name = "retry-workflow", .run = retry_workflow},
    {.key = "approvals", .name = "approval-workflow", .run = approval_workflow},
    {0},
};

/* --- inputs that are asked for when their step runs */

static const char *sleep_id(wfs_context *context)
{
    return wfs_var_text(context, "sleepId");
}

static const wfs_payload *sleep_created(wfs_context *context)
{
    return wfs_context_payload(context, "sleep", "sleep-1", WFS_REASON_CREATE);
}

static const wfs_json *read_sleep_row(wfs_context *context)
{
    const wfs_instance *instance =
        wfs_context_require_instance(context, "sleep", "sleep-1");

    return instance != NULL ? wfs_instance_to_json(context->arena, instance)
                            : NULL;
}

static const wfs_json *read_sleep_steps(wfs_context *context)
{
    wfs_json *rows = wfs_json_new_array(context->arena);
    size_t count, i;
    const wfs_step *steps =
        wfs_context_steps(context, "sleep", "sleep-1", NULL, &count);

    if (steps == NULL)
        return NULL;
    for (i = 0; i < count; i++)
        rows = wfs_json_append(context->arena, rows,
                               wfs_step_to_json(context->arena, &steps[i]));
    return rows;
}

static const wfs_json *read_sleep_hooks(wfs_context *context)
{
    wfs_hook_filter filter = {.hook_name = "onWorkflowEnqueued",
                              .workflow = "sleep",
                              .instance_id = "sleep-1"};
    wfs_json *rows = wfs_json_new_array(context->arena);
    size_t count, i;
    const wfs_hook *hooks = wfs_context_hooks(context, &filter, &count);

    if (hooks == NULL)
        return NULL;
    for (i = 0; i < count; i++)
        rows = wfs_json_append(context->arena, rows,
                               wfs_hook_to_json(context->arena, &hooks[i]));
    return rows;
}

/* --- assertions */

/* A variable and the JSON that it must hold. */
typedef struct expectation {
    const char *variable;
    const char *json;
} expectation;

static const expectation after_creation[] = {
    {"startTime", "0"},
    {"sleepId", "\"sleep-1\""},
    {"approvalBatch",
     "[{\"id\":\"approval-1\",\"details\":{\"status\":\"queued\"}},"
     "{\"id\":\"approval-2\",\"details\":{\"status\":\"queued\"}}]"},
    {"retryId", "\"retry-1\""},
    {"sleepRow.instanceId", "\"sleep-1\""},
    {"sleepRow.workflowName", "\"sleep-workflow\""},
    {"sleepRow.status", "\"queued\""},
    {"sleepRow.createdAt", "0"},
    {"sleepRow.startedAt", "null"},
    {"sleepRow.params", "{\"note\":\"alpha\"}"},
    {"sleepRow.pauseRequested", "false"},
    {"sleepRow.runNumber", "0"},
    {0},
};

/* A waiting instance uses up all the ticks it is given. */
static const expectation after_first_ticks[] = {
    {"sleepTickProcessed", "1"},
    {"approvalFirstRun", "{\"processed\":25,\"ticks\":25}"},
    {"retryFirstRun", "{\"processed\":10,\"ticks\":10}"},
    {"retryStatus", "{\"status\":\"waiting\"}"},
    {0},
};

/* Ten minutes on the retry is due and the sleep is not. */
static const expectation after_retry[] = {
    {"afterRetryDelay", "600000"},
    {"retrySecondRun", "{\"processed\":1,\"ticks\":2}"},
    {"sleepFirstRun", "{\"processed\":25,\"ticks\":25}"},
    {"sleepStatus", "{\"status\":\"waiting\"}"},
    {0},
};

static const expectation after_wake_and_event[] = {
    {"afterSleep", "4200000"},
    {"sleepFinalRun", "{\"processed\":1,\"ticks\":2}"},
    {"approvalStatus", "{\"status\":\"waiting\"}"},
    {"approvalSecondRun", "{\"processed\":1,\"ticks\":2}"},
    {"approvalFinalStatus",
     "{\"status\":\"complete\",\"output\":{\"approval\":{"
     "\"type\":\"approved\",\"payload\":{\"ok\":true},"
     "\"timestamp\":\"1970-01-01T01:10:00.000Z\"}}}"},
    {0},
};

static const expectation of_rows[] = {
    {"sleepHistory.runNumber", "0"},
    {"sleepHistory.steps[0].stepKey", "\"sleep:sleep\""},
    {"sleepHistory.events", "[]"},
    {"sleepSteps[0].stepKey", "\"sleep:sleep\""},
    {"sleepSteps[0].type", "\"sleep\""},
    {"sleepSteps[0].status", "\"completed\""},
    {"sleepSteps[0].attempts", "0"},
    {"sleepSteps[0].maxAttempts", "1"},
    {"sleepSteps[0].wakeAt", "null"},
    {"sleepSteps[0].updatedAt", "4200000"},
    {"sleepSteps[1]", "null"},
    {"hooks[0].payload.reason", "\"create\""},
    {"hooks[0].status", "\"completed\""},
    {"hooks[0].nextRetryAt", "null"},
    {"hooks[1].payload.reason", "\"wake\""},
    {"hooks[1].status", "\"completed\""},
    {"hooks[1].nextRetryAt", "3600000"},
    {"hooks[1].lastAttemptAt", "4200000"},
    {"hooks[2]", "null"},
    {0},
};

/* The step's user pointer is its list of expectations. */
static wfs_status check_variables(wfs_context *context)
{
    const expectation *expected = (const expectation *)context->step->user;

    for (; expected->variable != NULL; expected++)
        WFS_TRY(wfs_expect_json(context, expected->variable, expected->json,
                                wfs_var(context, expected->variable)));
    return WFS_OK;
}

/* Rows can also be read as structs, with every column typed. */
static wfs_status check_retry(wfs_context *context)
{
    size_t count;
    const wfs_instance *instance =
        wfs_context_require_instance(context, "retry", "retry-1");
    const wfs_step *steps =
        wfs_context_steps(context, "retry", "retry-1", NULL, &count);

    if (instance == NULL || steps == NULL)
        return context->error->code;
    WFS_TRY(wfs_expect_integer(context, "completed at", 10 * MINUTE,
                               instance->completed_at));
    WFS_TRY(wfs_expect_json(context, "output", "{\"ok\":true}",
                            instance->output));
    WFS_TRY(wfs_expect_integer(context, "steps", 1, (int64_t)count));
    WFS_TRY(wfs_expect_text(context, "step key", "do:maybe-fail",
                            steps[0].step_key));
    WFS_TRY(wfs_expect_integer(context, "attempts", 2, steps[0].attempts));
    return wfs_expect(context, steps[0].next_retry_at == WFS_NO_TIME,
                      "no further retry");
}

static wfs_status check_event(wfs_context *context)
{
    size_t count;
    const wfs_event *events =
        wfs_context_events(context, "approvals", "approval-1", NULL, &count);

    if (events == NULL)
        return context->error->code;
    WFS_TRY(wfs_expect_integer(context, "events", 1, (int64_t)count));
    WFS_TRY(wfs_expect_text(context, "type", "approved", events[0].type));
    WFS_TRY(wfs_expect_text(context, "taken by", "waitForEvent:await approval",
                            events[0].consumed_by_step_key));
    return wfs_expect_status(context, "approvals", "approval-2",
                             WFS_INSTANCE_QUEUED);
}

/* --- the scenario */

static const wfs_batch_item approvals[] = {
    {.id = "approval-1", .params = "{\"note\":\"a\"}"},
    {.id = "approval-2", .params = "{\"note\":\"b\"}"},
    {0},
};

static const wfs_read_options first_fifty = {.page_size = 50};

#define EXPECT(text, expectations)                                            \
    WFS_ASSERT(.check = check_variables, .user = (void *)expectations,        \
               .label = text)

static const wfs_scenario_step all_steps[] = {
    WFS_SET_TIME(.timestamp = 0, .store_as = "startTime"),
    WFS_CREATE(.workflow = "sleep", .id = "sleep-1",
               .params = "{\"note\":\"alpha\"}", .store_as = "sleepId"),
    WFS_CREATE_BATCH(.workflow = "approvals", .instances = approvals,
                     .store_as = "approvalBatch"),
    WFS_CREATE(.workflow = "retry", .id = "retry-1", .store_as = "retryId"),
    WFS_READ(.read = read_sleep_row, .store_as = "sleepRow",
             .label = "read the row of sleep-1"),
    EXPECT("all are created", after_creation),

    WFS_TICK(.tick_payload_from = sleep_created,
             .store_as = "sleepTickProcessed"),
    WFS_RUN_UNTIL_IDLE(.workflow = "approvals", .id = "approval-1",
                       .reason = WFS_REASON_CREATE,
                       .store_as = "approvalFirstRun"),
    WFS_RUN_UNTIL_IDLE(.workflow = "retry", .id = "retry-1",
                       .reason = WFS_REASON_CREATE, .max_ticks = 10,
                       .store_as = "retryFirstRun"),
    WFS_STATUS(.workflow = "retry", .id = "retry-1",
               .store_as = "retryStatus"),
    EXPECT("all wait", after_first_ticks),

    WFS_ADVANCE_TIME(.duration = "10 minutes", .store_as = "afterRetryDelay"),
    WFS_RUN_UNTIL_IDLE(.workflow = "retry", .id = "retry-1",
                       .reason = WFS_REASON_RETRY,
                       .store_as = "retrySecondRun"),
    WFS_RUN_UNTIL_IDLE(.workflow = "sleep", .id_from = sleep_id,
                       .reason = WFS_REASON_CREATE,
                       .store_as = "sleepFirstRun"),
    WFS_STATUS(.workflow = "sleep", .id_from = sleep_id,
               .store_as = "sleepStatus"),
    EXPECT("only the retry was due", after_retry),
    WFS_ASSERT(.check = check_retry, .label = "the retry succeeded"),

    WFS_ADVANCE_TIME(.duration = "1 hour", .store_as = "afterSleep"),
    WFS_RUN_UNTIL_IDLE(.workflow = "sleep", .id_from = sleep_id,
                       .reason = WFS_REASON_WAKE, .store_as = "sleepFinalRun"),
    WFS_EVENT(.workflow = "approvals", .id = "approval-1", .type = "approved",
              .payload = "{\"ok\":true}", .store_as = "approvalStatus"),
    WFS_RUN_UNTIL_IDLE(.workflow = "approvals", .id = "approval-1",
                       .reason = WFS_REASON_EVENT,
                       .store_as = "approvalSecondRun"),
    WFS_STATUS(.workflow = "approvals", .id = "approval-1",
               .store_as = "approvalFinalStatus"),
    EXPECT("both are complete", after_wake_and_event),
    WFS_ASSERT(.check = check_event, .label = "the event was taken"),

    WFS_HISTORY(.workflow = "sleep", .id = "sleep-1", .options = &first_fifty,
                .store_as = "sleepHistory"),
    WFS_READ(.read = read_sleep_steps, .store_as = "sleepSteps",
             .label = "read the steps of sleep-1"),
    WFS_READ(.read = read_sleep_hooks, .store_as = "hooks",
             .label = "read the hooks of sleep-1"),
    EXPECT("the rows are as recorded", of_rows),
    {0},
};

static const wfs_scenario all_features = {
    .name = "a sleep, a retry and an approval",
    .workflows = all_workflows,
    .steps = all_steps,
};

#ifndef WFS_EXAMPLE_NO_MAIN
/* Like wfs_scenario_main, but keeps the harness to show its timeline. */
int main(void)
{
    wfs_report_options report = {0};
    const wfs_step_result *step = NULL;
    const wfs_scenario_result *result;
    wfs_runner *runner;
    wfs_error error;
    wfs_status status;

    if (wfs_runner_create(&all_features, &runner, &error) != WFS_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    wfs_report_plan(&report, &all_features);
    do {
        status = wfs_runner_next(runner, &step);
        if (status != WFS_DONE && step != NULL)
            wfs_report_step(&report, step);
    } while (status == WFS_OK);
    result = wfs_runner_result(runner);
    wfs_report_end(&report, result);
    status = result->status;
    printf("\n");
    if (status == WFS_OK)
        status = wfs_report_timeline(&report, wfs_runner_harness(runner));
    wfs_runner_free(runner);
    return status == WFS_OK ? 0 : 1;
}
#endif
