/* The reports: TAP to the byte, what it escapes, the timeline. */
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

/* --- a writer that keeps what it gets */

typedef struct paper {
    char *text;
    size_t size;
} paper;

static void keep(const char *text, size_t size, void *user)
{
    paper *page = (paper *)user;

    assert_true(size > 0);
    page->text = (char *)realloc(page->text, page->size + size + 1);
    assert_non_null(page->text);
    memcpy(page->text + page->size, text, size);
    page->size += size;
    page->text[page->size] = '\0';
}

static wfs_report_options to(paper *page, wfs_verbosity verbosity)
{
    wfs_report_options options;

    memset(&options, 0, sizeof options);
    memset(page, 0, sizeof *page);
    options.writer.write = keep;
    options.writer.user = page;
    options.verbosity = verbosity;
    return options;
}

/* --- scenarios */

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
    wfs_wait_options approved = {.type = "approved", .timeout = "2.5 hours"};
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

static wfs_status doomed(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, "DOOMED", "as ever");
}

static wfs_status inner(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return_text(run, "1");
}

static wfs_status outer(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "inner", inner, user, NULL, NULL));
    WFS_TRY(wfs_sleep(run, "rest", "1 s"));
    return wfs_return_text(run, "2");
}

static wfs_status nested(wfs_run *run, void *user)
{
    return wfs_do(run, "outer", outer, user, NULL, NULL);
}

static const wfs_workflow workflows[] = {
    {.key = "order", .name = "order-workflow", .run = order},
    {.key = "echo", .run = echo},
    {.key = "doomed", .run = doomed},
    {.key = "nested", .run = nested},
    {0},
};

static wfs_status is_complete(wfs_context *context)
{
    return wfs_expect_status(context, "order", "o-1", WFS_INSTANCE_COMPLETE);
}

static wfs_status odd_text(wfs_context *context)
{
    return wfs_expect_text(context, "it's", "line\nbreak\x7F", "caf\xC3\xA9");
}

static const wfs_json *read_odd(wfs_context *context)
{
    return wfs_json_new_string(context->arena, "a\x7F\"b\xE2\x80\xA8");
}

static wfs_scenario of(const char *name, const wfs_scenario_step *steps)
{
    wfs_scenario scenario;

    memset(&scenario, 0, sizeof scenario);
    scenario.name = name;
    scenario.workflows = workflows;
    scenario.steps = steps;
    return scenario;
}

/* Run and compare what is printed to the byte. */
static void expect_report(const wfs_scenario *scenario,
                          wfs_report_options options, int exit_status,
                          const char *text)
{
    paper *page = (paper *)options.writer.user;

    assert_int_equal(wfs_scenario_main_with(scenario, &options), exit_status);
    assert_string_equal(page->text, text);
    free(page->text);
    page->text = NULL;
    page->size = 0;
}

static const wfs_scenario_step good_steps[] = {
    {.kind = WFS_SCENARIO_CREATE, .workflow = "echo", .id = "e",
     .params = "{\"n\":[1,\"two\"]}"},
    {.kind = WFS_SCENARIO_ADVANCE_TIME, .duration = "1 hour"},
    {.kind = WFS_SCENARIO_RUN_UNTIL_IDLE, .workflow = "echo", .id = "e",
     .reason = WFS_REASON_CREATE},
    {.kind = WFS_SCENARIO_STATUS, .workflow = "echo", .id = "e",
     .label = "it is #1 \\o/\n"},
    {0},
};

static const wfs_scenario_step bad_steps[] = {
    {.kind = WFS_SCENARIO_CREATE, .workflow = "order", .id = "o-1"},
    {.kind = WFS_SCENARIO_ASSERT, .check = is_complete, .file = "a 'b'.c",
     .line = 12},
    {.kind = WFS_SCENARIO_STATUS, .workflow = "order", .id = "o-1"},
    {.kind = WFS_SCENARIO_STATUS, .workflow = "order", .id = "o-1"},
    {0},
};

/* --- TAP */

static void test_normal(void **state)
{
    wfs_scenario good = of("all # well", good_steps);
    wfs_scenario bad = of("not well", bad_steps);
    paper page;

    (void)state;
    expect_report(&good, to(&page, WFS_NORMAL), 0,
                  "TAP version 14\n"
                  "1..4\n"
                  "# all \\# well\n"
                  "ok 1 - create echo e\n"
                  "ok 2 - advance time by 1 hour\n"
                  "ok 3 - run echo e until idle (create)\n"
                  "ok 4 - it is \\#1 \\\\o/ \n"
                  "# 4 of 4 steps passed, the clock shows "
                  "1970-01-01T01:00:00.000Z\n");
    expect_report(&bad, to(&page, WFS_NORMAL), 1,
                  "TAP version 14\n"
                  "1..4\n"
                  "# not well\n"
                  "ok 1 - create order o-1\n"
                  "not ok 2 - assert\n"
                  "  ---\n"
                  "  message: 'o-1: expected complete, actual queued'\n"
                  "  severity: fail\n"
                  "  code: ASSERTION_FAILED\n"
                  "  kind: assert\n"
                  "  step: 2\n"
                  "  at:\n"
                  "    file: 'a ''b''.c'\n"
                  "    line: 12\n"
                  "  expected: 'complete'\n"
                  "  actual: 'queued'\n"
                  "  state: 'instance \"o-1\" of \"order-workflow\" is queued "
                  "(run 0) and was never ticked: set auto_tick, or "
                  "add a step that ticks it'\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n"
                  "ok 3 # SKIP step 2 failed\n"
                  "ok 4 # SKIP step 2 failed\n"
                  "# 1 of 4 steps passed, the clock shows "
                  "1970-01-01T00:00:00.000Z\n");
}

static void test_quiet(void **state)
{
    wfs_scenario good = of("all well", good_steps);
    wfs_scenario bad = of("not well", bad_steps);
    wfs_scenario nameless = of(NULL, good_steps);
    paper page;

    (void)state;
    expect_report(&good, to(&page, WFS_QUIET), 0,
                  "TAP version 14\n1..1\nok 1 - all well\n");
    expect_report(&nameless, to(&page, WFS_QUIET), 0,
                  "TAP version 14\n1..1\nok 1 - scenario\n");
    expect_report(&bad, to(&page, WFS_QUIET), 1,
                  "TAP version 14\n"
                  "1..1\n"
                  "not ok 1 - assert\n"
                  "  ---\n"
                  "  message: 'o-1: expected complete, actual queued'\n"
                  "  severity: fail\n"
                  "  code: ASSERTION_FAILED\n"
                  "  kind: assert\n"
                  "  step: 2\n"
                  "  at:\n"
                  "    file: 'a ''b''.c'\n"
                  "    line: 12\n"
                  "  expected: 'complete'\n"
                  "  actual: 'queued'\n"
                  "  state: 'instance \"o-1\" of \"order-workflow\" is queued "
                  "(run 0) and was never ticked: set auto_tick, or "
                  "add a step that ticks it'\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n");
}

static void test_verbose(void **state)
{
    wfs_scenario good = of("all well", good_steps);
    paper page;

    (void)state;
    expect_report(&good, to(&page, WFS_VERBOSE), 0,
                  "TAP version 14\n"
                  "1..4\n"
                  "# all well\n"
                  "ok 1 - create echo e\n"
                  "  ---\n"
                  "  kind: create\n"
                  "  value: \"e\"\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n"
                  "ok 2 - advance time by 1 hour\n"
                  "  ---\n"
                  "  kind: advanceTime\n"
                  "  value: 3600000\n"
                  "  clock: 1970-01-01T01:00:00.000Z\n"
                  "  ...\n"
                  "ok 3 - run echo e until idle (create)\n"
                  "  ---\n"
                  "  kind: runUntilIdle\n"
                  "  value: {\"processed\":1,\"ticks\":2}\n"
                  "  clock: 1970-01-01T01:00:00.000Z\n"
                  "  ...\n"
                  "ok 4 - it is \\#1 \\\\o/ \n"
                  "  ---\n"
                  "  kind: status\n"
                  "  value: {\"status\":\"complete\","
                  "\"output\":{\"n\":[1,\"two\"]}}\n"
                  "  clock: 1970-01-01T01:00:00.000Z\n"
                  "  ...\n"
                  "# 4 of 4 steps passed, the clock shows "
                  "1970-01-01T01:00:00.000Z\n");
}

/* What a YAML reader would refuse is escaped, in strings and in JSON. */
static void test_yaml_escapes(void **state)
{
    static const wfs_scenario_step steps[] = {
        {.kind = WFS_SCENARIO_READ, .read = read_odd, .label = "bad \xFF"},
        {.kind = WFS_SCENARIO_ASSERT, .check = odd_text, .label = "a\tb"},
        {0},
    };
    wfs_scenario scenario = of("odd", steps);
    paper page;

    (void)state;
    expect_report(&scenario, to(&page, WFS_VERBOSE), 1,
                  "TAP version 14\n"
                  "1..2\n"
                  "# odd\n"
                  "ok 1 - bad \xEF\xBF\xBD\n"
                  "  ---\n"
                  "  kind: read\n"
                  "  value: \"a\\u007f\\\"b\\u2028\"\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n"
                  "not ok 2 - a b\n"
                  "  ---\n"
                  "  message: \"it's: expected \\\"line\\\\nbreak\\u007f\\\", "
                  "actual \\\"caf\xC3\xA9\\\"\"\n"
                  "  severity: fail\n"
                  "  code: ASSERTION_FAILED\n"
                  "  kind: assert\n"
                  "  step: 2\n"
                  "  expected: \"\\\"line\\\\nbreak\\u007f\\\"\"\n"
                  "  actual: '\"caf\xC3\xA9\"'\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n"
                  "# 1 of 2 steps passed, the clock shows "
                  "1970-01-01T00:00:00.000Z\n");
}

static void test_colors(void **state)
{
    wfs_scenario bad = of("not well", bad_steps);
    wfs_report_options options;
    paper page;

    (void)state;
    options = to(&page, WFS_NORMAL);
    options.color = true;
    assert_int_equal(wfs_scenario_main_with(&bad, &options), 1);
    assert_non_null(strstr(page.text, "\n\033[32mok\033[0m 1 - create"));
    assert_non_null(strstr(page.text, "\n\033[31mnot ok\033[0m 2 - assert"));
    assert_non_null(strstr(page.text, "\n\033[32mok\033[0m 3 "
                                      "\033[33m# SKIP\033[0m step 2"));
    free(page.text);
    options = to(&page, WFS_NORMAL);
    assert_int_equal(wfs_scenario_main_with(&bad, &options), 1);
    assert_null(strchr(page.text, '\033'));
    free(page.text);
}

static const char setup_failed[] =
    "TAP version 14\n"
    "1..1\n"
    "# empty\n"
    "not ok 1 - set up the scenario\n"
    "  ---\n"
    "  message: 'scenario \"empty\" has no steps'\n"
    "  severity: fail\n"
    "  code: ARGUMENT_INVALID\n"
    "  step: 1\n"
    "  clock: 1970-01-01T00:00:00.000Z\n"
    "  ...\n"
    "# 0 of 0 steps passed, the clock shows 1970-01-01T00:00:00.000Z\n";

static void test_bad_scenarios(void **state)
{
    static const wfs_scenario_step none[] = {{0}};
    wfs_scenario empty = of("empty", none);
    wfs_scenario lost = of("lost", good_steps);
    paper page;

    (void)state;
    lost.workflows = NULL;
    expect_report(&empty, to(&page, WFS_NORMAL), 1, setup_failed);
    expect_report(NULL, to(&page, WFS_QUIET), 1,
                  "TAP version 14\n"
                  "1..1\n"
                  "not ok 1 - set up the scenario\n"
                  "  ---\n"
                  "  message: 'there is no scenario'\n"
                  "  severity: fail\n"
                  "  code: ARGUMENT_INVALID\n"
                  "  step: 1\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n");
    expect_report(&lost, to(&page, WFS_NORMAL), 1,
                  "TAP version 14\n"
                  "1..4\n"
                  "# lost\n"
                  "not ok 1 - set up the scenario\n"
                  "  ---\n"
                  "  message: 'scenario \"lost\" has no workflows'\n"
                  "  severity: fail\n"
                  "  code: ARGUMENT_INVALID\n"
                  "  step: 1\n"
                  "  clock: 1970-01-01T00:00:00.000Z\n"
                  "  ...\n"
                  "ok 2 # SKIP step 1 failed\n"
                  "ok 3 # SKIP step 1 failed\n"
                  "ok 4 # SKIP step 1 failed\n"
                  "# 0 of 4 steps passed, the clock shows "
                  "1970-01-01T00:00:00.000Z\n");
}

/* The parts print the same as the whole. */
static void test_parts(void **state)
{
    wfs_scenario scenario = of("not well", bad_steps);
    wfs_report_options options, whole_options;
    wfs_scenario_result result;
    paper parts, whole;
    wfs_verbosity verbosity = WFS_NORMAL;
    size_t i;

    (void)state;
    wfs_scenario_run(&scenario, &result);
    for (; verbosity <= WFS_VERBOSE;
         verbosity = (wfs_verbosity)(verbosity + 1)) {
        options = to(&parts, verbosity);
        wfs_report_plan(&options, &scenario);
        for (i = 0; i < result.step_count; i++)
            wfs_report_step(&options, &result.steps[i]);
        wfs_report_end(&options, &result);
        whole_options = to(&whole, verbosity);
        assert_int_equal(wfs_scenario_main_with(&scenario, &whole_options), 1);
        assert_string_equal(parts.text, whole.text);
        free(parts.text);
        free(whole.text);
    }
    wfs_scenario_result_free(&result);
}

/* --- every test of the plan is accounted for, whatever allocation fails */

/* Lines that start like this. */
static int count_lines(const char *text, const char *start)
{
    int count = 0;

    for (; text != NULL; text = strchr(text, '\n')) {
        text += *text == '\n';
        count += strncmp(text, start, strlen(start)) == 0;
    }
    return count;
}

static void hungry_story(const wfs_allocator *allocator, sweep_memory *memory,
                         void *user)
{
    wfs_scenario scenario = of("hungry", good_steps);
    wfs_report_options options;
    paper page;
    int status;

    options = to(&page, WFS_NORMAL);
    scenario.allocator = *allocator;
    status = wfs_scenario_main_with(&scenario, &options);
    assert_int_equal(count_lines(page.text, "ok ") +
                         count_lines(page.text, "not ok "), 4);
    assert_int_equal(count_lines(page.text, "not ok "), status);
    assert_true(status == 0 || memory->refused > 0);
    *(int *)user += status;
    free(page.text);
}

static void test_without_memory(void **state)
{
    int failures = 0;

    (void)state;
    sweep_all(SWEEP_ONCE, hungry_story, &failures);
    assert_true(failures > 10);
    failures = 0;
    sweep_all(SWEEP_FROM, hungry_story, &failures);
    assert_true(failures > 10);
}

/* --- the timeline */

static void expect_timeline(const wfs_scenario_step *steps, int width,
                            const char *text)
{
    wfs_scenario scenario = of("timeline", steps);
    wfs_report_options options;
    wfs_runner *runner;
    paper page;

    options = to(&page, WFS_NORMAL);
    options.width = width;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    while (wfs_runner_next(runner, NULL) == WFS_OK)
        ;
    assert_int_equal(wfs_runner_result(runner)->status, WFS_OK);
    assert_int_equal(wfs_report_timeline(&options,
                                         wfs_runner_harness(runner)), WFS_OK);
    assert_string_equal(page.text, text);
    wfs_runner_free(runner);
    free(page.text);
}

#define CREATED "\xE2\x97\x8F "
#define BEGUN "\xE2\x97\x8B "
#define DONE "\xE2\x9C\x93 "
#define FAILED "\xE2\x9C\x97 "
#define EVENT "\xE2\x96\xB8 "
#define CONTROL "\xE2\x97\x86 "
#define END "\xE2\x96\xA0 "
#define BLANK "                           "

static const wfs_scenario_step order_steps[] = {
    WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "o-1",
                           .params = "{\"sku\":7}"),
    WFS_ADVANCE_TIME(.duration = "10 s"),
    WFS_RETRY_AND_RUN(.workflow = "order", .id = "o-1"),
    WFS_ADVANCE_AND_RUN(.workflow = "order", .id = "o-1",
                        .duration = "1 hour"),
    WFS_ADVANCE_TIME(.duration = "90 s"),
    WFS_EVENT_AND_RUN(.workflow = "order", .id = "o-1", .type = "approved",
                      .payload = "{\"by\":\"me\"}"),
    {0},
};

static void test_timeline(void **state)
{
    (void)state;
    expect_timeline(
        order_steps, 0,
        "o-1 of order-workflow: complete\n"
        "  1970-01-01T00:00:00.000Z " CREATED "created with {\"sku\":7}\n"
        BLANK BEGUN "charge: begun\n"
        "  1970-01-01T00:00:10.000Z " DONE
        "charge: completed (attempt 2/4) with {\"receipt\":17}\n"
        BLANK BEGUN "cool off: sleeps\n"
        "  1970-01-01T01:00:10.000Z " DONE
        "cool off: over after 1h\n"
        BLANK BEGUN "approval: waits for \"approved\", at most 2h 30m\n"
        "  1970-01-01T01:01:40.000Z " EVENT
        "event \"approved\" with {\"by\":\"me\"}\n"
        BLANK DONE "approval: took \"approved\"\n"
        BLANK END "complete with {\"receipt\":17}\n");
}

static void test_timeline_wide(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "order", .id = "retrying"),
        WFS_CREATE(.workflow = "order", .id = "queued"),
        WFS_EVENT(.workflow = "order", .id = "queued", .type = "early"),
        WFS_INITIALIZE_AND_RUN(.workflow = "doomed", .id = "lost"),
        {0},
    };

    (void)state;
    expect_timeline(
        steps, 120,
        "retrying of order-workflow: waiting\n"
        "  1970-01-01T00:00:00.000Z " CREATED "created\n"
        BLANK FAILED "charge: failed (attempt 1/4), CARD_DECLINED: "
        "the bank said no; again at 1970-01-01T00:00...\n"
        "\n"
        "queued of order-workflow: queued\n"
        "  1970-01-01T00:00:00.000Z " CREATED "created\n"
        BLANK EVENT "event \"early\" (not taken)\n"
        "\n"
        "lost of doomed: errored\n"
        "  1970-01-01T00:00:00.000Z " CREATED "created\n"
        BLANK FAILED "errored: DOOMED: as ever\n");
}

static void test_timeline_controls(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "echo", .id = "e"),
        WFS_ADVANCE_TIME(.duration = "1 s"),
        WFS_PAUSE(.workflow = "echo", .id = "e"),
        WFS_ADVANCE_TIME(.duration = "1 s"),
        WFS_TICK(.workflow = "echo", .id = "e", .reason = WFS_REASON_EVENT),
        WFS_RESUME(.workflow = "echo", .id = "e"),
        WFS_ADVANCE_TIME(.duration = "1 s"),
        WFS_RESTART(.workflow = "echo", .id = "e"),
        WFS_TERMINATE(.workflow = "echo", .id = "e"),
        {0},
    };

    (void)state;
    expect_timeline(
        steps, 80,
        "e of echo: terminated, run 1\n"
        "  1970-01-01T00:00:00.000Z " CREATED "created\n"
        "  1970-01-01T00:00:01.000Z " CONTROL "pause asked for\n"
        "  1970-01-01T00:00:02.000Z " CONTROL "paused\n"
        BLANK CONTROL "resumed\n"
        "  1970-01-01T00:00:03.000Z " CONTROL "restarted as run 1\n"
        BLANK FAILED "terminated\n");
}

/* A step ends after the steps in it, though its row is older. */
static void test_timeline_nested(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_INITIALIZE_AND_RUN(.workflow = "nested", .id = "n",
                               .max_ticks = 1),
        WFS_ADVANCE_AND_RUN(.workflow = "nested", .id = "n",
                            .duration = "1 s"),
        {0},
    };

    (void)state;
    expect_timeline(
        steps, 80,
        "n of nested: complete\n"
        "  1970-01-01T00:00:00.000Z " CREATED "created\n"
        BLANK BEGUN "outer: begun\n"
        BLANK DONE "outer > inner: completed with 1\n"
        BLANK BEGUN "outer > rest: sleeps\n"
        "  1970-01-01T00:00:01.000Z " DONE
        "outer > rest: over after 1s\n"
        BLANK DONE "outer: completed with 2\n"
        BLANK END "complete\n");
}

/* Cutting never splits a character, and counts characters. */
static void test_timeline_cut(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_CREATE(.workflow = "echo", .id = "e",
                   .params = "\"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\""),
        WFS_CREATE(.workflow = "echo", .id = "f",
                   .params = "\"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\""),
        {0},
    };

    (void)state;
    expect_timeline(
        steps, 48,
        "e of echo: queued\n"
        "  1970-01-01T00:00:00.000Z " CREATED
        "created with \"\xC3\xA9\xC3\xA9...\n"
        "\n"
        "f of echo: queued\n"
        "  1970-01-01T00:00:00.000Z " CREATED
        "created with \"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\"\n");
    expect_timeline(
        steps, 49,
        "e of echo: queued\n"
        "  1970-01-01T00:00:00.000Z " CREATED
        "created with \"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\"\n"
        "\n"
        "f of echo: queued\n"
        "  1970-01-01T00:00:00.000Z " CREATED
        "created with \"\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\"\n");
}

static void test_timeline_empty(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_ADVANCE_TIME(.duration = "1 s"), {0}};

    (void)state;
    expect_timeline(steps, 0, "no instances\n");
}

static void test_timeline_colors_and_memory(void **state)
{
    wfs_scenario scenario = of("timeline", order_steps);
    wfs_report_options options;
    sweep_memory memory;
    wfs_runner *runner;
    wfs_status status;
    paper page;
    uint64_t hash;
    size_t n;

    (void)state;
    scenario.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    while (wfs_runner_next(runner, NULL) == WFS_OK)
        ;
    hash = wfs_store_hash(wfs_harness_store(wfs_runner_harness(runner)));
    for (n = 1;; n++) {
        options = to(&page, WFS_NORMAL);
        options.color = true;
        sweep_refuse(&memory, n, SWEEP_ONCE);
        status = wfs_report_timeline(&options, wfs_runner_harness(runner));
        sweep_allow(&memory);
        if (status == WFS_OK)
            break;
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
        free(page.text);
    }
    assert_int_equal(memory.refused, 0);
    assert_true(n > 2);
    assert_true(wfs_store_hash(wfs_harness_store(
                    wfs_runner_harness(runner))) == hash);
    assert_non_null(strstr(page.text, "\033[1mo-1 of order-workflow\033[0m: "
                                      "\033[32mcomplete\033[0m\n"));
    assert_null(strstr(page.text, "\033[31m"));
    free(page.text);
    wfs_runner_free(runner);
    sweep_expect_clean(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_verbose),
        cmocka_unit_test(test_yaml_escapes),
        cmocka_unit_test(test_colors),
        cmocka_unit_test(test_bad_scenarios),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_timeline_wide),
        cmocka_unit_test(test_timeline_controls),
        cmocka_unit_test(test_timeline_nested),
        cmocka_unit_test(test_timeline_cut),
        cmocka_unit_test(test_timeline_empty),
        cmocka_unit_test(test_timeline_colors_and_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
