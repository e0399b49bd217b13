// The header as C++: declarations and implementation, a scenario with the
// macros (C++20) and one with assigned fields (C++17).
#include <cstdio>
#include <cstring>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

static int passed, failed;

static void check(bool holds, const char *what)
{
    holds ? passed++ : failed++;
    std::printf("%s %d - %s\n", holds ? "ok" : "not ok", passed + failed, what);
}

static wfs_status charge(wfs_run *run, void *)
{
    if (wfs_attempt(run) == 1)
        return wfs_fail(run, "BANK_BUSY", "try again");
    return wfs_return_text(run, "{\"receipt\":17}");
}

static wfs_status order(wfs_run *run, void *)
{
    wfs_do_options retry = {};
    wfs_wait_options approved = {};
    const wfs_json *receipt;

    retry.retries.limit = 3;
    retry.retries.delay = "10 s";
    approved.type = "approved";
    WFS_TRY(wfs_do(run, "charge", charge, nullptr, &retry, &receipt));
    WFS_TRY(wfs_sleep(run, "cool off", "1 hour"));
    WFS_TRY(wfs_wait_for_event(run, "approval", &approved, nullptr));
    return wfs_return(run, receipt);
}

static wfs_status is_complete(wfs_context *context)
{
    return wfs_expect_status(context, "order", "o-1", WFS_INSTANCE_COMPLETE);
}

static wfs_status is_waiting(wfs_context *context)
{
    return wfs_expect_status(context, "order", "o-1", WFS_INSTANCE_WAITING);
}

static void run_and_check(const wfs_scenario_step *steps, std::size_t count,
                          const char *what)
{
    wfs_workflow workflows[2] = {};
    wfs_scenario scenario = {};
    wfs_scenario_result result;

    workflows[0].key = "order";
    workflows[0].run = order;
    scenario.name = what;
    scenario.workflows = workflows;
    scenario.steps = steps;
    scenario.auto_tick = true;
    check(wfs_scenario_run(&scenario, &result) == WFS_OK, what);
    check(result.step_count == count && result.planned_count == count,
          "every step ran");
    check(result.clock == 3610000, "the clock moved");
    wfs_scenario_result_free(&result);
}

static wfs_scenario_step step(wfs_scenario_kind kind)
{
    wfs_scenario_step made = {};

    made.kind = kind;
    made.workflow = "order";
    made.id = "o-1";
    return made;
}

static void fields_are_assigned()
{
    wfs_scenario_step steps[7] = {};

    steps[0] = step(WFS_SCENARIO_CREATE);
    steps[1] = step(WFS_SCENARIO_ADVANCE_TIME);
    steps[1].duration = "10 s";
    steps[2] = step(WFS_SCENARIO_ADVANCE_TIME);
    steps[2].duration = "1 hour";
    steps[3] = step(WFS_SCENARIO_ASSERT);
    steps[3].check = is_waiting;
    steps[4] = step(WFS_SCENARIO_EVENT);
    steps[4].type = "approved";
    steps[5] = step(WFS_SCENARIO_ASSERT);
    steps[5].check = is_complete;
    run_and_check(steps, 6, "fields are assigned");
}

#if __cplusplus >= 202002L
/* g++ takes every field that a designated initialiser leaves out for a
 * mistake. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
static void macros_are_used()
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "order", .id = "o-1"),
        WFS_ADVANCE_TIME(.duration = "10 s"),
        WFS_ADVANCE_TIME(.duration = "1 hour"),
        WFS_ASSERT(.check = is_waiting),
        WFS_EVENT(.workflow = "order", .id = "o-1", .type = "approved"),
        WFS_ASSERT(.check = is_complete),
        {},
    };

    run_and_check(steps, 6, "macros are used");
}
#pragma GCC diagnostic pop
#endif

static void json_is_read()
{
    static const char text[] = "{\"a\":[1,2.5,\"x\"]}";
    wfs_arena *arena = wfs_arena_create(nullptr);
    const wfs_json *value = wfs_json_parse(arena, text, sizeof text - 1,
                                           nullptr, nullptr);
    const char *written = wfs_json_write(arena, value, 0, nullptr);

    check(written != nullptr && std::strcmp(written, text) == 0,
          "JSON is read and written");
    wfs_arena_free(arena);
}

int main()
{
    fields_are_assigned();
#if __cplusplus >= 202002L
    macros_are_used();
#endif
    json_is_read();
    std::printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
