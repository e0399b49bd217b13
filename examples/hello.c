/* A workflow and its test: cc examples/hello.c -o hello && ./hello */
#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

static wfs_status greet(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_sleep(run, "think", "1 hour"));
    return wfs_return_text(run, "\"hello\"");
}
static const wfs_workflow workflows[] = {{.key = "greet", .run = greet}, {0}};
static const wfs_scenario_step steps[] = {
    WFS_INITIALIZE_AND_RUN(.workflow = "greet", .id = "g", .max_ticks = 1),
    WFS_ADVANCE_AND_RUN(.workflow = "greet", .id = "g", .duration = "1 hour"),
    WFS_STATUS(.workflow = "greet", .id = "g", .store_as = "said"), {0}};
int main(void)
{
    return wfs_scenario_main(&(wfs_scenario){
        .name = "an hour later", .workflows = workflows, .steps = steps});
}
