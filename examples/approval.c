/* Waiting for a person: an event in time, one too late, one too early.
 *
 *     cc examples/approval.c -o approval && ./approval
 */
#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

/* Ends with the decision, or, when nobody decides in two hours, with
 * {"escalated": true}. */
static wfs_status request(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "decided", .timeout = "2 hours"};
    const wfs_json *event;
    wfs_status status;

    (void)user;
    status = wfs_wait_for_event(run, "wait for the decision", &options, &event);
    if (status == WFS_FAILED)
        return wfs_return_text(run, "{\"escalated\":true}");
    WFS_TRY(status);
    return wfs_return(run, wfs_json_get(event, "payload"));
}

/* The variable that holds an instance's status is named in the step's user
 * pointer. */
static wfs_status is_granted(wfs_context *context)
{
    const char *name = (const char *)context->step->user;

    return wfs_expect_json(
        context, name, "{\"status\":\"complete\",\"output\":{\"ok\":true}}",
        wfs_var(context, name));
}

static wfs_status is_escalated(wfs_context *context)
{
    return wfs_expect_json(
        context, "late",
        "{\"status\":\"complete\",\"output\":{\"escalated\":true}}",
        wfs_var(context, "late"));
}

/* A decision after the end is refused; the event step would end the scenario,
 * so the harness is asked itself. */
static wfs_status no_second_decision(wfs_context *context)
{
    wfs_status status = wfs_send_event(context->harness, "request", "r-late",
                                       "decided", "{\"ok\":true}", NULL);

    return wfs_expect_text(context, "a decision after the end",
                           "INSTANCE_TERMINAL", wfs_status_name(status));
}

static const wfs_batch_item requests[] = {
    {.id = "r-granted", .params = "{\"amount\":100}"},
    {.id = "r-late", .params = "{\"amount\":200}"},
    {.id = "r-early", .params = "{\"amount\":300}"},
    {0},
};

static const wfs_workflow workflows[] = {
    {.key = "request", .name = "request-workflow", .run = request},
    {0},
};

static const wfs_scenario_step steps[] = {
    WFS_CREATE_BATCH(.workflow = "request", .instances = requests),

    /* In time. */
    WFS_RUN_CREATE(.workflow = "request", .id = "r-granted", .max_ticks = 1),
    WFS_ADVANCE_TIME(.duration = "30 minutes"),
    WFS_EVENT_AND_RUN(.workflow = "request", .id = "r-granted",
                      .type = "decided", .payload = "{\"ok\":true}"),
    WFS_STATUS(.workflow = "request", .id = "r-granted",
               .store_as = "granted"),
    WFS_ASSERT(.check = is_granted, .user = (void *)"granted",
               .label = "in time: granted"),

    /* Too late: the deadline is two hours after the wait began. */
    WFS_RUN_CREATE(.workflow = "request", .id = "r-late", .max_ticks = 1),
    WFS_ADVANCE_AND_RUN(.workflow = "request", .id = "r-late",
                        .duration = "2 hours"),
    WFS_STATUS(.workflow = "request", .id = "r-late", .store_as = "late"),
    WFS_ASSERT(.check = is_escalated, .label = "too late: escalated"),
    WFS_ASSERT(.check = no_second_decision,
               .label = "a decision after that is refused"),

    /* Too early: an event that comes before the wait is kept for it. */
    WFS_EVENT(.workflow = "request", .id = "r-early", .type = "decided",
              .payload = "{\"ok\":true}"),
    WFS_RUN_CREATE(.workflow = "request", .id = "r-early"),
    WFS_STATUS(.workflow = "request", .id = "r-early", .store_as = "early"),
    WFS_ASSERT(.check = is_granted, .user = (void *)"early",
               .label = "too early: granted"),
    {0},
};

int main(void)
{
    return wfs_scenario_main(&(wfs_scenario){
        .name = "a decision, in time or not",
        .workflows = workflows,
        .steps = steps,
    });
}
