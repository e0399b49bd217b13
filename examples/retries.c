/* A step that fails is tried again: how often, how long after, and when not.
 *
 *     cc examples/retries.c -o retries && ./retries
 */
#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

#define MINUTE ((int64_t)60000)

/* Fails three times; the fourth attempt succeeds. */
static wfs_status call_bank(wfs_run *run, void *user)
{
    (void)user;
    if (wfs_attempt(run) <= 3)
        return wfs_fail(run, "BANK_BUSY", "try again later");
    return wfs_return_text(run, "{\"receipt\":17}");
}

/* No further attempt can help. */
static wfs_status check_card(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail_for_good(run, "CARD_STOLEN", "the bank keeps it");
}

static wfs_status pay(wfs_run *run, void *user)
{
    wfs_do_options options = {
        .retries = {.limit = 3,
                    .delay = "1 minute",
                    .backoff = WFS_BACKOFF_EXPONENTIAL}};
    const wfs_json *receipt;

    WFS_TRY(wfs_do(run, "call the bank", call_bank, user, &options, &receipt));
    return wfs_return(run, receipt);
}

/* A step that failed for good is an ordinary status: handle it and go on. */
static wfs_status refund(wfs_run *run, void *user)
{
    wfs_do_options options = {.retries = {.limit = 5, .delay = "1 minute"}};
    wfs_status status;
    wfs_json *output;

    status = wfs_do(run, "check the card", check_card, user, &options, NULL);
    if (status != WFS_FAILED)
        return status;
    output = wfs_json_new_object(wfs_run_arena(run));
    output = wfs_json_set(
        wfs_run_arena(run), output, "refused",
        wfs_json_new_string(wfs_run_arena(run), wfs_run_error(run)->name));
    return wfs_return(run, output);
}

static wfs_status payment_waits(wfs_context *context)
{
    size_t count;
    const wfs_step *steps = wfs_context_steps(context, "pay", "p-1", NULL,
                                              &count);

    if (steps == NULL)
        return context->error->code;
    WFS_TRY(wfs_expect_integer(context, "steps", 1, (int64_t)count));
    WFS_TRY(wfs_expect_integer(context, "attempts", 1, steps[0].attempts));
    WFS_TRY(wfs_expect_integer(context, "attempts at most", 4,
                               steps[0].max_attempts));
    WFS_TRY(wfs_expect_text(context, "error", "BANK_BUSY",
                            steps[0].error_name));
    return wfs_expect_integer(context, "next attempt at", 1 * MINUTE,
                              steps[0].next_retry_at);
}

/* 1, 2 and 4 minutes passed between the four attempts. */
static wfs_status payment_is_made(wfs_context *context)
{
    const wfs_instance *payment =
        wfs_context_require_instance(context, "pay", "p-1");

    if (payment == NULL)
        return context->error->code;
    WFS_TRY(wfs_expect_integer(context, "completed at", 7 * MINUTE,
                               payment->completed_at));
    return wfs_expect_json(context, "output", "{\"receipt\":17}",
                           payment->output);
}

static wfs_status refund_is_refused(wfs_context *context)
{
    const wfs_instance *refused =
        wfs_context_require_instance(context, "refund", "r-1");

    if (refused == NULL)
        return context->error->code;
    WFS_TRY(wfs_expect_status(context, "refund", "r-1",
                              WFS_INSTANCE_COMPLETE));
    return wfs_expect_json(context, "output", "{\"refused\":\"CARD_STOLEN\"}",
                           refused->output);
}

static const wfs_workflow workflows[] = {
    {.key = "pay", .name = "pay-workflow", .run = pay},
    {.key = "refund", .name = "refund-workflow", .run = refund},
    {0},
};

static const wfs_scenario_step steps[] = {
    WFS_INITIALIZE_AND_RUN(.workflow = "pay", .id = "p-1", .max_ticks = 1),
    WFS_ASSERT(.check = payment_waits, .label = "it waits a minute"),
    WFS_ADVANCE_TIME(.duration = "1 minute"),
    WFS_RETRY_AND_RUN(.workflow = "pay", .id = "p-1", .max_ticks = 1),
    WFS_ADVANCE_TIME(.duration = "2 minutes"),
    WFS_RETRY_AND_RUN(.workflow = "pay", .id = "p-1", .max_ticks = 1),
    WFS_ADVANCE_TIME(.duration = "4 minutes"),
    WFS_RETRY_AND_RUN(.workflow = "pay", .id = "p-1"),
    WFS_ASSERT(.check = payment_is_made, .label = "it is paid"),
    WFS_INITIALIZE_AND_RUN(.workflow = "refund", .id = "r-1"),
    WFS_ASSERT(.check = refund_is_refused, .label = "the refusal was handled"),
    {0},
};

int main(void)
{
    return wfs_scenario_main(&(wfs_scenario){
        .name = "payments are tried again",
        .workflows = workflows,
        .steps = steps,
    });
}
