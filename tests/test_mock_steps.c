/* Steps of a scenario that are about HTTP mocks: what they take and give, what
 * a failure says, and that forks and memory that runs out leave them sound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "sweep.h"

/* --- a workflow that asks, and who answers */

static wfs_status ask(wfs_run *run, void *user)
{
    wfs_http_request request = {.method = "POST",
                                .url = "https://bank.test/pay",
                                .body = "{\"sum\":5}"};
    wfs_http_response response;

    (void)user;
    WFS_TRY(wfs_fetch(run, wfs_instance_id(run), &request, &response));
    if (response.status == 503)
        return wfs_fail(run, "BUSY", "try again");
    return wfs_return_text(run, response.body);
}

static wfs_status pay(wfs_run *run, void *user)
{
    wfs_do_options retry = {.retries = {.limit = 3, .delay = "10 s"}};
    const wfs_json *receipt;

    WFS_TRY(wfs_do(run, "ask", ask, user, &retry, &receipt));
    return wfs_return(run, receipt);
}

static const wfs_workflow workflows[] = {{.key = "pay", .run = pay}, {0}};

static const wfs_mock_response busy_once[] = {
    {.status = 503, .delay = 250},
    {.status = 200, .body = "{\"receipt\":18}"},
    {0}};
static const wfs_mock pays[] = {
    {.method = "POST", .url = "/pay",
     .capture_state = "{\"sums[]\":\"body.sum\"}",
     .response = {.status = 200, .body = "{\"receipt\":17}"}},
    {0}};
static const wfs_mock busy[] = {
    {.method = "POST", .url = "/pay", .sequence = busy_once,
     .capture_state = "{\"sums[]\":\"body.sum\"}"},
    {.method = "GET", .url = "/rates", .response = {.status = 200}},
    {0}};
static const wfs_mock_scenario bank[] = {
    {.id = "default", .mocks = pays}, {.id = "busy", .mocks = busy}, {0}};
static const wfs_mock_options mocks = {.scenarios = bank};

static wfs_scenario of(const wfs_scenario_step *steps)
{
    wfs_scenario scenario = {.name = "bank", .workflows = workflows,
                             .steps = steps, .mocks = &mocks,
                             .auto_tick = true};

    return scenario;
}

static const wfs_mock_filter of_a = {.test_id = "a"};

/* Run the steps, of which the last one fails with that. */
static void fails(const wfs_scenario_step *steps, wfs_status status,
                  const char *message, const char *label)
{
    wfs_scenario scenario = of(steps);
    const wfs_step_result *last;
    wfs_scenario_result result;

    assert_int_equal(wfs_scenario_run(&scenario, &result), status);
    assert_int_equal(result.step_count, result.planned_count);
    last = &result.steps[result.step_count - 1];
    assert_string_equal(last->message, message);
    assert_string_equal(last->label, label);
    wfs_scenario_result_free(&result);
}

/* --- what they give */

static const char *test_a(wfs_context *context)
{
    (void)context;
    return "a";
}

static const char *busy_name(wfs_context *context)
{
    (void)context;
    return "busy";
}

static const wfs_scenario_step story[] = {
    WFS_SWITCH_MOCKS(.test_id_from = test_a, .mock_scenario_from = busy_name,
                     .store_as = "switched"),
    WFS_CREATE(.workflow = "pay", .id = "a"),
    WFS_CREATE(.workflow = "pay", .id = "b"),
    WFS_EXPECT_REQUESTS(.requests = &of_a, .count = 1),
    WFS_ADVANCE_TIME(.duration = "10 s"),
    WFS_EXPECT_REQUESTS(.requests = &of_a, .store_as = "asked",
                        .log = "POST https://bank.test/pay -> busy[0] #1\n"
                               "POST https://bank.test/pay -> busy[0] #2\n"),
    WFS_EXPECT_REQUESTS(.count = 3),
    WFS_EXPECT_REQUESTS(.test_id = "b", .count = 1),
    WFS_EXPECT_REQUESTS(.test_id = "nobody"),
    WFS_EXPECT_MOCK_STATE(.test_id = "a", .state = "{\"sums\":[5,5]}",
                          .store_as = "state"),
    WFS_EXPECT_MOCKS_USED(.test_id = "b", .store_as = "used"),
    {0}};

static void test_values(void **state)
{
    wfs_scenario scenario = of(story);
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(wfs_scenario_run(&scenario, &result), WFS_OK);
    assert_string_equal(
        wfs_json_write(result.arena, result.vars, 0, NULL),
        "{\"switched\":{\"testId\":\"a\",\"scenarioId\":\"busy\"},"
        "\"asked\":2,\"state\":{\"sums\":[5,5]},\"used\":null}");
    assert_int_equal(result.clock, 250 + 10000);
    assert_string_equal(result.steps[0].label, "switch mocks of a to busy");
    assert_string_equal(result.steps[3].label, "expect requests");
    assert_string_equal(result.steps[9].label, "expect state of a");
    assert_string_equal(result.steps[10].label, "expect mocks used");
    wfs_scenario_result_free(&result);
}

static void test_default_test_id(void **state)
{
    static const wfs_scenario_step steps[] = {
        WFS_SWITCH_MOCKS(.mock_scenario = "busy", .store_as = "switched"),
        WFS_EXPECT_MOCK_STATE(.state = "{}"),
        {0}};
    wfs_scenario scenario = of(steps);
    wfs_scenario_result result;

    (void)state;
    assert_int_equal(wfs_scenario_run(&scenario, &result), WFS_OK);
    assert_string_equal(
        wfs_json_write(result.arena, result.vars, 0, NULL),
        "{\"switched\":{\"testId\":\"default-test\",\"scenarioId\":\"busy\"}}");
    assert_string_equal(result.steps[0].label,
                        "switch mocks of the default test to busy");
    wfs_scenario_result_free(&result);
}

/* --- what they refuse */

static void test_failed_expectations(void **state)
{
    static const wfs_scenario_step count[] = {
        WFS_CREATE(.workflow = "pay", .id = "b"),
        WFS_EXPECT_REQUESTS(.count = 2), {0}};
    static const wfs_scenario_step log[] = {
        WFS_CREATE(.workflow = "pay", .id = "b"),
        WFS_EXPECT_REQUESTS(.log = ""), {0}};
    static const wfs_scenario_step sums[] = {
        WFS_CREATE(.workflow = "pay", .id = "b"),
        WFS_EXPECT_MOCK_STATE(.test_id = "b", .state = "{\"sums\":[6]}"), {0}};
    static const wfs_scenario_step used[] = {
        WFS_SWITCH_MOCKS(.test_id = "a", .mock_scenario = "busy"),
        WFS_CREATE(.workflow = "pay", .id = "a"),
        WFS_EXPECT_MOCKS_USED(.test_id = "a"), {0}};

    (void)state;
    fails(count, WFS_ERR_ASSERTION, "requests: expected 2, actual 1",
          "expect requests");
    fails(log, WFS_ERR_ASSERTION,
          "requests: expected \"\", actual \"POST https://bank.test/pay -> "
          "default[0]\\n\"", "expect requests");
    fails(sums, WFS_ERR_ASSERTION, "state: sums[0]: expected 6, actual 5",
          "expect state of b");
    fails(used, WFS_ERR_ASSERTION,
          "unused mocks: expected \"\", actual \"busy[0] POST /pay #2\\n"
          "busy[1] GET /rates\\n\"", "expect mocks used");
}

static void test_refusals(void **state)
{
    static const wfs_mock_filter broken = {.url = "/:"};
    static const wfs_scenario_step unknown[] = {
        WFS_SWITCH_MOCKS(.test_id = "a", .mock_scenario = "shut"), {0}};
    static const wfs_scenario_step nowhere[] = {
        WFS_SWITCH_MOCKS(.test_id = "a"), {0}};
    static const wfs_scenario_step stateless[] = {
        WFS_EXPECT_MOCK_STATE(.test_id = "a"), {0}};
    static const wfs_scenario_step no_json[] = {
        WFS_EXPECT_MOCK_STATE(.test_id = "a", .state = "{"), {0}};
    static const wfs_scenario_step pattern[] = {
        WFS_EXPECT_REQUESTS(.requests = &broken), {0}};
    wfs_scenario scenario = of(pattern);
    wfs_scenario_result result;

    (void)state;
    fails(unknown, WFS_ERR_SCENARIO_NOT_FOUND,
          "Scenario 'shut' not found. Did you forget to register it?",
          "switch mocks of a to shut");
    fails(nowhere, WFS_ERR_ARGUMENT,
          "switchMocks step requires mock_scenario", "switch mocks of a to ?");
    fails(stateless, WFS_ERR_ARGUMENT, "expectMockState step requires state",
          "expect state of a");
    fails(no_json, WFS_ERR_JSON,
          "state: what is expected is not JSON: expected a key or '}', found "
          "the end of the text (line 1, column 2)",
          "expect state of a");
    assert_int_equal(wfs_scenario_run(&scenario, &result), WFS_ERR_VALIDATION);
    assert_non_null(strstr(result.steps[0].message, "/:"));
    wfs_scenario_result_free(&result);
}

/* Every kind says that there are no mocks. */
static void test_without_mocks(void **state)
{
    static const wfs_scenario_step steps[][2] = {
        {WFS_SWITCH_MOCKS(.mock_scenario = "busy"), {0}},
        {WFS_EXPECT_REQUESTS(.count = 0), {0}},
        {WFS_EXPECT_MOCK_STATE(.state = "{}"), {0}},
        {WFS_EXPECT_MOCKS_USED(.test_id = "a"), {0}}};
    wfs_scenario_result result;
    wfs_scenario scenario;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        scenario = of(steps[i]);
        scenario.mocks = NULL;
        assert_int_equal(wfs_scenario_run(&scenario, &result), WFS_ERR_MISUSE);
        assert_non_null(strstr(result.steps[0].message,
                               "step needs a scenario with mocks"));
        wfs_scenario_result_free(&result);
    }
}

static void test_bad_mocks(void **state)
{
    static const wfs_mock wrong[] = {
        {.method = "get", .url = "/x", .response = {.status = 200}}, {0}};
    static const wfs_mock_scenario definitions[] = {
        {.id = "default", .mocks = wrong}, {0}};
    static const wfs_mock_options options = {.scenarios = definitions};
    wfs_scenario scenario = of(story);
    wfs_runner *runner;
    wfs_error error;

    (void)state;
    scenario.mocks = &options;
    assert_int_equal(wfs_runner_create(&scenario, &runner, &error),
                     WFS_ERR_VALIDATION);
    assert_string_equal(error.message,
                        "mock scenario default: mocks[0].method must be one of "
                        "GET, POST, PUT, DELETE, PATCH, OPTIONS, HEAD");
    assert_null(runner);
}

/* --- forks and memory */

static void finish(wfs_runner *runner)
{
    wfs_status status;

    do
        status = wfs_runner_next(runner, NULL);
    while (status == WFS_OK);
    assert_int_equal(status, WFS_DONE);
    assert_int_equal(wfs_runner_result(runner)->status, WFS_OK);
}

/* Forked after each step, both go on to the same end. */
static void test_forks(void **state)
{
    wfs_scenario scenario = of(story);
    wfs_runner *runner, *copy;
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof story / sizeof story[0]; i++) {
        assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
        for (j = 0; j < i; j++)
            assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
        assert_int_equal(wfs_runner_fork(runner, &copy), WFS_OK);
        finish(runner);
        finish(copy);
        assert_true(wfs_store_equal(
            wfs_harness_store(wfs_runner_harness(runner)),
            wfs_harness_store(wfs_runner_harness(copy)), NULL));
        wfs_runner_free(runner);
        wfs_runner_free(copy);
    }
}

/* The story with each allocation refused once; a step that was refused is as if
 * it had not begun, and is run again. */
static void persistent_story(const wfs_allocator *allocator,
                             sweep_memory *memory, void *user)
{
    const uint64_t *hash = (const uint64_t *)user;
    wfs_scenario scenario = of(story);
    sweep_snapshot before;
    wfs_runner *runner;
    wfs_status status;
    wfs_store *store;
    wfs_error error;
    int64_t clock;

    scenario.allocator = *allocator;
    status = wfs_runner_create(&scenario, &runner, &error);
    if (status != WFS_OK) {
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
        assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
        return;
    }
    store = wfs_harness_store(wfs_runner_harness(runner));
    do {
        sweep_memory paused = sweep_pause(memory);

        before = sweep_snapshot_of(store);
        sweep_go_on(memory, paused);
        clock = wfs_clock_now(wfs_harness_clock(wfs_runner_harness(runner)));
        status = wfs_runner_next(runner, NULL);
        paused = sweep_pause(memory);
        if (status == WFS_ERR_NO_MEMORY) {
            sweep_expect_same(&before, store);
            assert_int_equal(wfs_clock_now(wfs_harness_clock(
                                 wfs_runner_harness(runner))), clock);
            status = WFS_OK;
        }
        sweep_drop(&before);
        sweep_go_on(memory, paused);
    } while (status == WFS_OK);
    assert_int_equal(status, WFS_DONE);
    assert_true(wfs_store_hash(store) == *hash);
    wfs_runner_free(runner);
}

static void test_no_memory(void **state)
{
    wfs_scenario scenario = of(story);
    wfs_runner *runner;
    uint64_t hash;

    (void)state;
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    finish(runner);
    hash = wfs_store_hash(wfs_harness_store(wfs_runner_harness(runner)));
    wfs_runner_free(runner);
    assert_true(sweep_all(SWEEP_ONCE, persistent_story, &hash) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_default_test_id),
        cmocka_unit_test(test_failed_expectations),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_without_mocks),
        cmocka_unit_test(test_bad_mocks),
        cmocka_unit_test(test_forks),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
