/* A workflow and its test: cc examples/hello.c -o hello && ./hello */
#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"
static wfs_status greet(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_sleep(run, "think", "1 hour"));
    return wfs_return_text(run, "\"hello\"");
}
static wfs_status has_greeted(wfs_context *context)
{
    return wfs_expect_status(context, "greet", "g", WFS_INSTANCE_COMPLETE);
}
static const wfs_workflow workflows[] = {{.key = "greet", .run = greet}, {0}};
static const wfs_scenario_step steps[] = {
    WFS_CREATE(.workflow = "greet", .id = "g"),
    WFS_ADVANCE_TIME(.duration = "1 hour"),
    WFS_ASSERT(.check = has_greeted, .label = "it has greeted"), {0}};
static const wfs_scenario scenario = {.name = "an hour later",
    .workflows = workflows, .steps = steps, .auto_tick = true};
int main(void) { return wfs_scenario_main(&scenario); }
