/* Pause, resume, terminate and restart; each run keeps its own history.
 *
 *     cc examples/pause_restart.c -o pause_restart && ./pause_restart
 */
#include <string.h>

#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

/* Waits for its papers, then sails; the output tells which run it was. */
static wfs_status voyage(wfs_run *run, void *user)
{
    wfs_wait_options papers = {.type = "papers"};
    wfs_arena *arena = wfs_run_arena(run);

    (void)user;
    WFS_TRY(wfs_wait_for_event(run, "papers", &papers, NULL));
    WFS_TRY(wfs_sleep(run, "sail", "3 days"));
    return wfs_return(
        run, wfs_json_set(arena, wfs_json_new_object(arena), "run",
                          wfs_json_new_integer(arena, wfs_run_number(run))));
}

static wfs_status is_paused(wfs_context *context)
{
    return wfs_expect_status(context, "voyage", "v-1", WFS_INSTANCE_PAUSED);
}

static wfs_status still_paused(wfs_context *context)
{
    WFS_TRY(wfs_expect_json(context, "tick while paused", "0",
                            wfs_var(context, "ticked")));
    return is_paused(context);
}

static wfs_status is_terminated(wfs_context *context)
{
    WFS_TRY(wfs_expect_status(context, "voyage", "v-1",
                              WFS_INSTANCE_TERMINATED));
    WFS_TRY(wfs_expect_json(context, "terminate", "{\"ok\":true}",
                            wfs_var(context, "first")));
    return wfs_expect_json(context, "terminate once more",
                           "{\"error\":{\"code\":\"INSTANCE_TERMINAL\","
                           "\"message\":\"Instance is terminal\"}}",
                           wfs_var(context, "second"));
}

static wfs_status expect_step(wfs_context *context, int64_t run_number,
                              const char *name, wfs_step_status status)
{
    wfs_read_options options = {.has_run_number = true,
                                .run_number = run_number};
    const wfs_step *steps;
    size_t count, i;

    steps = wfs_context_steps(context, "voyage", "v-1", &options, &count);
    for (i = 0; i < count; i++)
        if (strcmp(steps[i].name, name) == 0)
            return wfs_expect_text(context, name, wfs_step_status_name(status),
                                   wfs_step_status_name(steps[i].status));
    return wfs_expect(context, false, name);
}

/* The first run was ended at sea; the second arrived. */
static wfs_status both_runs_are_kept(wfs_context *context)
{
    const wfs_instance *arrived =
        wfs_context_require_instance(context, "voyage", "v-1");

    if (arrived == NULL)
        return context->error->code;
    WFS_TRY(wfs_expect_json(context, "output", "{\"run\":1}",
                            arrived->output));
    WFS_TRY(expect_step(context, 0, "papers", WFS_STEP_COMPLETED));
    WFS_TRY(expect_step(context, 0, "sail", WFS_STEP_WAITING));
    WFS_TRY(expect_step(context, 1, "papers", WFS_STEP_COMPLETED));
    return expect_step(context, 1, "sail", WFS_STEP_COMPLETED);
}

static const wfs_workflow workflows[] = {
    {.key = "voyage", .name = "voyage-workflow", .run = voyage},
    {0},
};

static const wfs_scenario_step steps[] = {
    WFS_INITIALIZE_AND_RUN(.workflow = "voyage", .id = "v-1", .max_ticks = 1),

    /* A pause is asked for; the next tick, of whatever kind, obeys. */
    WFS_PAUSE(.workflow = "voyage", .id = "v-1"),
    WFS_TICK(.workflow = "voyage", .id = "v-1", .reason = WFS_REASON_EVENT),
    WFS_ASSERT(.check = is_paused, .label = "it is paused"),

    /* While paused events are kept and nothing runs. */
    WFS_EVENT(.workflow = "voyage", .id = "v-1", .type = "papers",
              .payload = "{\"harbour\":\"Kiel\"}"),
    WFS_TICK(.workflow = "voyage", .id = "v-1", .reason = WFS_REASON_EVENT,
             .store_as = "ticked"),
    WFS_ASSERT(.check = still_paused, .label = "it still is"),

    /* Resumed, it takes its event and sails. */
    WFS_RESUME_AND_RUN(.workflow = "voyage", .id = "v-1", .max_ticks = 1),

    /* Terminated at sea; the second time that is refused. */
    WFS_TERMINATE(.workflow = "voyage", .id = "v-1", .store_as = "first"),
    WFS_TERMINATE(.workflow = "voyage", .id = "v-1", .store_as = "second"),
    WFS_ASSERT(.check = is_terminated, .label = "it is terminated"),

    /* A new run starts from nothing: it needs papers of its own. */
    WFS_RESTART(.workflow = "voyage", .id = "v-1"),
    WFS_RUN_CREATE(.workflow = "voyage", .id = "v-1", .max_ticks = 1),
    WFS_EVENT_AND_RUN(.workflow = "voyage", .id = "v-1", .type = "papers",
                      .max_ticks = 1),
    WFS_ADVANCE_AND_RUN(.workflow = "voyage", .id = "v-1",
                        .duration = "3 days"),
    WFS_ASSERT(.check = both_runs_are_kept,
               .label = "each run has its history"),
    WFS_HISTORY(.workflow = "voyage", .id = "v-1"),
    {0},
};

int main(void)
{
    return wfs_scenario_main(&(wfs_scenario){
        .name = "a voyage, interrupted",
        .workflows = workflows,
        .steps = steps,
    });
}
