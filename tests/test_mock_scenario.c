/* Steps of scenarios that switch mocks and look at what they were asked: what
 * they give, and what they say when it is not as expected. */
#include "harness_support.h"

/* --- a workflow that asks */

static wfs_status pay(wfs_run *run, void *user)
{
    wfs_http_request request = {.method = "POST",
                                .url = "https://bank.test/pay",
                                .body = "{\"sum\":5}"};
    wfs_http_response response;

    (void)user;
    WFS_TRY(wfs_fetch(run, wfs_instance_id(run), &request, &response));
    return wfs_return_text(run, response.body);
}

static wfs_status order(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "pay", pay, user, NULL, &result));
    WFS_TRY(wfs_sleep(run, "rest", "1 hour"));
    WFS_TRY(wfs_do(run, "pay again", pay, user, NULL, &result));
    return wfs_return(run, result);
}

static const wfs_workflow workflows[] = {{.key = "order", .run = order}, {0}};

static const wfs_mock_response replies[] = {
    {.status = 200, .body = "1"}, {.status = 200, .body = "2"}, {0}};
static const wfs_mock counting[] = {
    {.method = "POST", .url = "/pay", .sequence = replies,
     .capture_state = "{\"sums[]\":\"body.sum\"}"},
    {0}};
static const wfs_mock constant[] = {
    {.method = "POST", .url = "/pay",
     .response = {.status = 200, .body = "\"ok\""}},
    {.method = "GET", .url = "/never", .response = {.status = 200}},
    {0}};
static const wfs_mock_scenario bank[] = {
    {.id = "default", .mocks = constant},
    {.id = "counting", .mocks = counting},
    {0}};
static const wfs_mock_options mocks = {.scenarios = bank};
static const wfs_mock_options without_log = {.scenarios = bank,
                                             .no_log = true};

/* --- running */

static wfs_scenario scenario_of(const wfs_scenario_step *steps)
{
    wfs_scenario scenario = {.name = "mocks", .workflows = workflows,
                             .steps = steps, .mocks = &mocks,
                             .auto_tick = true};

    return scenario;
}

/* The scenario ends at its last step, with that status and these texts. */
static void fails_at(wfs_scenario scenario, wfs_status expected,
                     const char *expected_text, const char *actual_text,
                     int line)
{
    const wfs_step_result *last;
    wfs_scenario_result result;
    wfs_status status;

    scenario.allocator = sweep_allocator(&memory);
    status = wfs_scenario_run(&scenario, &result);
    if (status != expected)
        fail_msg("line %d: %s", line, wfs_status_name(status));
    assert_int_equal(result.step_count, result.planned_count);
    last = &result.steps[result.step_count - 1];
    assert_int_equal(last->status, expected);
    assert_non_null(last->message);
    if (expected_text != NULL) {
        assert_string_equal(last->expected, expected_text);
        assert_string_equal(last->actual, actual_text);
    } else {
        assert_contains(last->message, actual_text);
    }
    wfs_scenario_result_free(&result);
    sweep_expect_clean(&memory);
}

#define STEPS(...) ((const wfs_scenario_step[]){__VA_ARGS__, {0}})
#define fails(expected, expected_text, actual_text, ...)                      \
    fails_at(scenario_of(STEPS(__VA_ARGS__)), (expected), (expected_text),    \
             (actual_text), __LINE__)

static const char *other_test(wfs_context *context)
{
    return wfs_var_text(context, "order");
}

/* --- tests */

static const wfs_scenario_step passing[] = {
    WFS_SWITCH_MOCKS(.test_id = "o-1", .mock_scenario = "counting",
                     .store_as = "switched"),
    WFS_CREATE(.workflow = "order", .id = "o-1", .store_as = "order"),
    WFS_CREATE(.workflow = "order", .id = "o-2"),
    WFS_EXPECT_MOCK_STATE(.test_id_from = other_test,
                          .state = "{\"sums\":[5.0]}", .store_as = "state"),
    WFS_ADVANCE_TIME(.duration = "1 hour"),
    WFS_EXPECT_MOCK_STATE(.test_id = "o-1", .state = "{\"sums\":[5,5]}"),
    WFS_EXPECT_MOCK_STATE(.state = "{}"),
    WFS_EXPECT_REQUESTS(.count = 4, .store_as = "all"),
    WFS_EXPECT_REQUESTS(.requests = &(wfs_mock_filter){.unanswered = true}),
    WFS_EXPECT_REQUESTS(.requests = &(wfs_mock_filter){.test_id = "o-1"},
                        .log = "POST https://bank.test/pay -> counting[0] #1\n"
                               "POST https://bank.test/pay -> counting[0] "
                               "#2\n"),
    WFS_EXPECT_REQUESTS(.requests = &(wfs_mock_filter){.test_id = "o-3"},
                        .log = ""),
    WFS_EXPECT_MOCKS_USED(.test_id_from = other_test),
    {0},
};

static void steps_that_pass(void **state)
{
    wfs_scenario scenario = scenario_of(passing);
    wfs_scenario_result result;

    (void)state;
    scenario.allocator = sweep_allocator(&memory);
    if (wfs_scenario_run(&scenario, &result) != WFS_OK)
        fail_msg("%s", result.steps[result.step_count - 1].message);
    assert_string_equal(
        wfs_json_write(result.arena, result.vars, 0, NULL),
        "{\"switched\":{\"testId\":\"o-1\",\"scenarioId\":\"counting\"},"
        "\"order\":\"o-1\",\"state\":{\"sums\":[5]},\"all\":4}");
    assert_string_equal(result.steps[0].label,
                        "switch mocks of o-1 to counting");
    wfs_scenario_result_free(&result);
    sweep_expect_clean(&memory);
}

static void expectations_that_fail(void **state)
{
    (void)state;
    fails(WFS_ERR_ASSERTION, "2", "1",
          WFS_CREATE(.workflow = "order", .id = "o-1"),
          WFS_EXPECT_REQUESTS(.count = 2));
    fails(WFS_ERR_ASSERTION, "\"GET /\\n\"",
          "\"POST https://bank.test/pay -> default[0]\\n\"",
          WFS_CREATE(.workflow = "order", .id = "o-1"),
          WFS_EXPECT_REQUESTS(.log = "GET /\n"));
    fails(WFS_ERR_ASSERTION, NULL, "sums",
          WFS_SWITCH_MOCKS(.test_id = "o-1", .mock_scenario = "counting"),
          WFS_CREATE(.workflow = "order", .id = "o-1"),
          WFS_EXPECT_MOCK_STATE(.test_id = "o-1", .state = "{\"sums\":[6]}"));
    fails(WFS_ERR_ASSERTION, "\"\"", "\"default[1] GET /never\\n\"",
          WFS_CREATE(.workflow = "order", .id = "o-1"),
          WFS_EXPECT_MOCKS_USED(.test_id = "o-1"));
    fails(WFS_ERR_ASSERTION, "\"\"", "\"default[1] GET /never\\n"
                                     "counting[0] POST /pay\\n\"",
          WFS_CREATE(.workflow = "order", .id = "o-1"),
          WFS_EXPECT_MOCKS_USED(0));
}

static void steps_that_are_wrong(void **state)
{
    wfs_scenario scenario;

    (void)state;
    fails(WFS_ERR_SCENARIO_NOT_FOUND, NULL, "'nowhere'",
          WFS_SWITCH_MOCKS(.mock_scenario = "nowhere"));
    fails(WFS_ERR_ARGUMENT, NULL, "mock_scenario", WFS_SWITCH_MOCKS(0));
    fails(WFS_ERR_VALIDATION, NULL, "/((",
          WFS_EXPECT_REQUESTS(.requests = &(wfs_mock_filter){.url = "/(("}));
    fails(WFS_ERR_JSON, NULL, "", WFS_EXPECT_MOCK_STATE(.state = "{"));
    scenario = scenario_of(STEPS(WFS_EXPECT_MOCKS_USED(0)));
    scenario.mocks = &without_log;
    fails_at(scenario, WFS_ERR_MISUSE, NULL, "log", __LINE__);
    scenario.mocks = NULL;
    fails_at(scenario, WFS_ERR_MISUSE, NULL, "mocks", __LINE__);
}

static void mocks_that_are_wrong(void **state)
{
    static const wfs_mock_options wrong = {.json = "{}"};
    wfs_scenario scenario = scenario_of(passing);
    wfs_runner *runner;
    wfs_error error;

    (void)state;
    scenario.mocks = &wrong;
    scenario.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_runner_create(&scenario, &runner, &error),
                     WFS_ERR_VALIDATION);
    assert_contains(error.message, "default");
    sweep_expect_clean(&memory);
}

/* From every step on a fork ends as the original does. */
static void forks_end_alike(void **state)
{
    wfs_scenario scenario = scenario_of(passing);
    wfs_runner *runner, *copy;
    uint64_t hash;
    size_t fork, i;

    (void)state;
    scenario.allocator = sweep_allocator(&memory);
    for (fork = 0; passing[fork].kind != WFS_SCENARIO_END; fork++) {
        assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
        for (i = 0; i < fork; i++)
            assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
        assert_int_equal(wfs_runner_fork(runner, &copy), WFS_OK);
        while (wfs_runner_next(copy, NULL) == WFS_OK)
            continue;
        assert_int_equal(wfs_runner_result(copy)->status, WFS_OK);
        hash = wfs_store_hash(wfs_harness_store(wfs_runner_harness(copy)));
        wfs_runner_free(copy);
        while (wfs_runner_next(runner, NULL) == WFS_OK)
            continue;
        assert_int_equal(wfs_runner_result(runner)->status, WFS_OK);
        assert_true(wfs_store_hash(wfs_harness_store(
                        wfs_runner_harness(runner))) == hash);
        wfs_runner_free(runner);
    }
    sweep_expect_clean(&memory);
}

/* A step that was refused memory is made again. */
static void steps_without_memory(void **state)
{
    wfs_scenario scenario = scenario_of(passing);
    wfs_runner *runner;
    wfs_status status;
    size_t nth, refusals = 0;

    (void)state;
    scenario.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_runner_create(&scenario, &runner, NULL), WFS_OK);
    do {
        for (nth = 1;; nth++) {
            sweep_snapshot then = sweep_snapshot_of(
                wfs_harness_store(wfs_runner_harness(runner)));

            sweep_refuse(&memory, nth, SWEEP_FROM);
            status = wfs_runner_next(runner, NULL);
            sweep_allow(&memory);
            if (status == WFS_ERR_NO_MEMORY)
                sweep_expect_same(&then, wfs_harness_store(
                                             wfs_runner_harness(runner)));
            sweep_drop(&then);
            if (status != WFS_ERR_NO_MEMORY)
                break;
            refusals++;
        }
    } while (status == WFS_OK);
    assert_int_equal(status, WFS_DONE);
    assert_int_equal(wfs_runner_result(runner)->status, WFS_OK);
    assert_true(refusals > 0);
    assert_int_equal(wfs_clock_now(wfs_harness_clock(
                         wfs_runner_harness(runner))), 3600000);
    wfs_runner_free(runner);
    sweep_expect_clean(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_that_pass),
        cmocka_unit_test(expectations_that_fail),
        cmocka_unit_test(steps_that_are_wrong),
        cmocka_unit_test(mocks_that_are_wrong),
        cmocka_unit_test(forks_end_alike),
        cmocka_unit_test(steps_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
