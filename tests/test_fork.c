/* Forks: whoever goes on from a fork ends, byte for byte, where the original
 * does; and so does the original, whatever becomes of its forks. */
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

#include "suite.h"
#include "sweep.h"

/* A scenario whose memory is watched, and all that an undisturbed run of it
 * shows at the end. */
typedef struct watched {
    wfs_scenario scenario;
    sweep_memory memory;
    suite_text expected;
    size_t steps;
} watched;

static void fixture_open(watched *fixture, const wfs_scenario *scenario)
{
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(suite_run(&fixture->expected, scenario), WFS_OK);
    fixture->scenario = *scenario;
    fixture->scenario.allocator = sweep_allocator(&fixture->memory);
    while (scenario->steps[fixture->steps].kind != WFS_SCENARIO_END)
        fixture->steps++;
}

static void fixture_close(watched *fixture)
{
    sweep_expect_clean(&fixture->memory);
    suite_free(&fixture->expected);
}

static wfs_runner *start(watched *fixture)
{
    wfs_runner *runner;

    assert_int_equal(wfs_runner_create(&fixture->scenario, &runner, NULL),
                     WFS_OK);
    return runner;
}

static wfs_runner *fork_of(wfs_runner *runner)
{
    wfs_runner *copy;

    assert_int_equal(wfs_runner_fork(runner, &copy), WFS_OK);
    return copy;
}

static void run_steps(wfs_runner *runner, size_t count)
{
    for (; count > 0; count--)
        assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
}

static wfs_store *store_of(wfs_runner *runner)
{
    return wfs_harness_store(wfs_runner_harness(runner));
}

static void expect_bytes(const suite_text *expected, const suite_text *actual)
{
    assert_string_equal(actual->data, expected->data);
    assert_int_equal(actual->size, expected->size);
}

static suite_text all_of(watched *fixture, wfs_runner *runner)
{
    suite_text text = {0};

    suite_all_of(&text, &fixture->scenario, runner);
    return text;
}

static void expect_alike(watched *fixture, wfs_runner *left, wfs_runner *right)
{
    suite_text first = all_of(fixture, left), second = all_of(fixture, right);
    wfs_error difference;

    expect_bytes(&first, &second);
    suite_free(&first);
    suite_free(&second);
    if (!wfs_store_equal(store_of(left), store_of(right), &difference))
        fail_msg("%s", difference.message);
    assert_true(wfs_store_hash(store_of(left)) ==
                wfs_store_hash(store_of(right)));
}

/* Run it to its end, which has to be the known one. */
static void finish_run(watched *fixture, wfs_runner *runner)
{
    wfs_status status;
    suite_text text;

    do {
        status = wfs_runner_next(runner, NULL);
    } while (status == WFS_OK);
    assert_int_equal(status, WFS_DONE);
    text = all_of(fixture, runner);
    expect_bytes(&fixture->expected, &text);
    suite_free(&text);
}

/* --- each scenario, forked before every step and after the last */

static void for_each_scenario(void (*test)(watched *fixture))
{
    watched fixture;
    size_t i;

    for (i = 0; i < SUITE_COUNT; i++) {
        fixture_open(&fixture, suite[i]);
        test(&fixture);
        fixture_close(&fixture);
    }
}

/* The fork runs to the end at once; the original does not notice. */
static void fork_runs_first(watched *fixture)
{
    wfs_runner *runner = start(fixture), *copy;
    suite_text before, after;
    size_t i;

    for (i = 0; i <= fixture->steps; i++) {
        copy = fork_of(runner);
        expect_alike(fixture, runner, copy);
        before = all_of(fixture, runner);
        finish_run(fixture, copy);
        wfs_runner_free(copy);
        after = all_of(fixture, runner);
        expect_bytes(&before, &after);
        suite_free(&before);
        suite_free(&after);
        run_steps(runner, i < fixture->steps);
    }
    finish_run(fixture, runner);
    wfs_runner_free(runner);
}

/* The original runs to its end and is freed; the fork does not notice. */
static void original_runs_first(watched *fixture)
{
    wfs_runner *runner, *copy;
    suite_text before, after;
    size_t i;

    for (i = 0; i <= fixture->steps; i++) {
        runner = start(fixture);
        run_steps(runner, i);
        before = all_of(fixture, runner);
        copy = fork_of(runner);
        finish_run(fixture, runner);
        wfs_runner_free(runner);
        after = all_of(fixture, copy);
        expect_bytes(&before, &after);
        suite_free(&before);
        suite_free(&after);
        finish_run(fixture, copy);
        wfs_runner_free(copy);
    }
}

/* A fork of a fork of a fork: each takes one step and is freed. */
static void forks_of_forks(watched *fixture)
{
    wfs_runner *runner = start(fixture), *copy;
    size_t i;

    for (i = 0; i < fixture->steps; i++) {
        copy = fork_of(runner);
        wfs_runner_free(runner);
        runner = copy;
        run_steps(runner, 1);
    }
    finish_run(fixture, runner);
    wfs_runner_free(runner);
}

/* All forks alive at once, each a step further than the next; they take turns,
 * and the original is freed in the middle. */
static void forks_take_turns(watched *fixture)
{
    wfs_runner **forks =
        (wfs_runner **)malloc((fixture->steps + 1) * sizeof *forks);
    wfs_runner *runner = start(fixture);
    size_t i, round;

    assert_non_null(forks);
    for (i = 0; i <= fixture->steps; i++) {
        forks[i] = fork_of(runner);
        run_steps(runner, i < fixture->steps);
    }
    for (round = 0; round < fixture->steps; round++) {
        for (i = 0; i + round < fixture->steps; i++)
            run_steps(forks[i], 1);
        if (round == fixture->steps / 2)
            wfs_runner_free(runner);
    }
    for (i = 0; i <= fixture->steps; i++) {
        finish_run(fixture, forks[i]);
        wfs_runner_free(forks[i]);
    }
    free(forks);
}

static void test_fork_runs_first(void **state)
{
    (void)state;
    for_each_scenario(fork_runs_first);
}

static void test_original_runs_first(void **state)
{
    (void)state;
    for_each_scenario(original_runs_first);
}

static void test_forks_of_forks(void **state)
{
    (void)state;
    for_each_scenario(forks_of_forks);
}

static void test_forks_take_turns(void **state)
{
    (void)state;
    for_each_scenario(forks_take_turns);
}

/* Forks that go different ways differ, and each goes its own. */
static void test_forks_go_their_ways(void **state)
{
    wfs_runner *runner, *copy;
    wfs_error difference;
    watched fixture;

    (void)state;
    fixture_open(&fixture, &shop);
    runner = start(&fixture);
    run_steps(runner, 4);
    copy = fork_of(runner);
    assert_int_equal(wfs_terminate(wfs_runner_harness(copy), "sell", "s-050"),
                     WFS_OK);
    assert_false(wfs_store_equal(store_of(runner), store_of(copy),
                                 &difference));
    assert_non_null(strstr(difference.message, "workflow_instance"));
    assert_true(wfs_store_hash(store_of(runner)) !=
                wfs_store_hash(store_of(copy)));
    assert_int_equal(wfs_terminate(wfs_runner_harness(runner), "sell",
                                   "s-050"),
                     WFS_OK);
    expect_alike(&fixture, runner, copy);
    wfs_random_next(wfs_harness_random(wfs_runner_harness(copy)));
    wfs_clock_advance(wfs_harness_clock(wfs_runner_harness(copy)), 1);
    assert_true(wfs_harness_random(wfs_runner_harness(copy))->state !=
                wfs_harness_random(wfs_runner_harness(runner))->state);
    assert_true(wfs_clock_now(wfs_harness_clock(wfs_runner_harness(copy))) !=
                wfs_clock_now(wfs_harness_clock(wfs_runner_harness(runner))));
    wfs_runner_free(copy);
    wfs_runner_free(runner);
    fixture_close(&fixture);
}

/* --- a harness by itself, with own tables and hooks */

static void end_the_day(wfs_harness *harness)
{
    wfs_clock *clock = wfs_harness_clock(harness);

    assert_int_equal(wfs_send_event(harness, "sell", "s-2", "paid", "1", NULL),
                     WFS_OK);
    assert_int_equal(wfs_process_hooks(harness, NULL), WFS_OK);
    assert_int_equal(wfs_clock_advance_by(clock, "3 hours", NULL), WFS_OK);
    assert_int_equal(wfs_process_hooks(harness, NULL), WFS_OK);
    assert_int_equal(wfs_create(harness, "sell", NULL, "{\"quantity\":9}",
                                NULL),
                     WFS_OK);
    assert_int_equal(wfs_process_hooks(harness, NULL), WFS_OK);
}

static void test_harness(void **state)
{
    sweep_memory memory;
    wfs_harness_options options = {.workflows = shop_workflows,
                                   .tables = shop_tables,
                                   .hooks = shop_hooks,
                                   .seed = 5,
                                   .auto_tick = true};
    wfs_harness *harness, *copy;
    suite_text first = {0}, second = {0};
    wfs_store *store;

    (void)state;
    options.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_harness_create(&options, &harness, NULL), WFS_OK);
    store = wfs_harness_store(harness);
    assert_int_equal(wfs_insert(store, "items",
                                WFS_FIELDS({"sku", wfs_text("tray")},
                                           {"stock", wfs_integer(5)}),
                                NULL),
                     WFS_OK);
    assert_int_equal(wfs_insert(store, "items",
                                WFS_FIELDS({"sku", wfs_text("cup")},
                                           {"stock", wfs_integer(5)}),
                                NULL),
                     WFS_OK);
    assert_int_equal(wfs_create(harness, "sell", "s-2", "{\"quantity\":5}",
                                NULL),
                     WFS_OK);
    assert_int_equal(wfs_process_hooks(harness, NULL), WFS_OK);
    assert_int_equal(wfs_count(store, "orders"), 1);
    assert_int_equal(wfs_harness_fork(harness, &copy), WFS_OK);
    end_the_day(harness);
    suite_tables(&first, store);
    wfs_harness_free(harness);
    end_the_day(copy);
    store = wfs_harness_store(copy);
    suite_tables(&second, store);
    expect_bytes(&first, &second);
    assert_int_equal(wfs_count(store, "mails"), 1);
    suite_free(&first);
    suite_free(&second);
    wfs_harness_free(copy);
    sweep_expect_clean(&memory);
}

/* --- what it costs: no more memory than the original has */

static void test_cost(void **state)
{
    wfs_runner *runner;
    watched fixture;
    wfs_store *copy;
    size_t bytes, held;

    (void)state;
    fixture_open(&fixture, &shop);
    runner = start(&fixture);
    run_steps(runner, fixture.steps);
    bytes = fixture.memory.bytes;
    assert_int_equal(wfs_store_fork(store_of(runner), &copy), WFS_OK);
    held = fixture.memory.bytes - bytes;
    assert_true(held <= wfs_store_memory(store_of(runner)));
    assert_true(held <= bytes);
    wfs_store_free(copy);
    assert_int_equal(fixture.memory.bytes, bytes);
    wfs_runner_free(runner);
    fixture_close(&fixture);
}

/* --- when there can be no fork */

static wfs_status fork_in_a_step(wfs_context *context)
{
    wfs_harness *copy;
    wfs_status status = wfs_harness_fork(context->harness, &copy);

    if (copy != NULL)
        return wfs_expect(context, false, "no fork inside a step");
    return wfs_expect_text(context, "fork", "MISUSE", wfs_status_name(status));
}

static wfs_status fork_in_a_body(wfs_run *run, void *user)
{
    wfs_harness *copy;
    wfs_status status = wfs_harness_fork(wfs_run_harness(run), &copy);

    (void)user;
    assert_null(copy);
    return wfs_return(run, wfs_json_new_string(wfs_run_arena(run),
                                               wfs_status_name(status)));
}

static wfs_status forking(wfs_run *run, void *user)
{
    const wfs_json *status;

    WFS_TRY(wfs_do(run, "fork", fork_in_a_body, user, NULL, &status));
    return wfs_return(run, status);
}

static wfs_status was_misuse(wfs_context *context)
{
    return wfs_expect_json(context, "output", "\"MISUSE\"",
                           wfs_var(context, "end.output"));
}

static void test_no_fork_inside(void **state)
{
    static const wfs_workflow workflows[] = {
        {.key = "fork", .run = forking},
        {0},
    };
    static const wfs_scenario_step steps[] = {
        WFS_ASSERT(.check = fork_in_a_step),
        WFS_INITIALIZE_AND_RUN(.workflow = "fork", .id = "f"),
        WFS_STATUS(.workflow = "fork", .id = "f", .store_as = "end"),
        WFS_ASSERT(.check = was_misuse),
        {0},
    };
    wfs_scenario scenario = {.name = "forks inside", .workflows = workflows};
    watched fixture;

    (void)state;
    scenario.steps = steps;
    fixture_open(&fixture, &scenario);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork_runs_first),
        cmocka_unit_test(test_original_runs_first),
        cmocka_unit_test(test_forks_of_forks),
        cmocka_unit_test(test_forks_take_turns),
        cmocka_unit_test(test_forks_go_their_ways),
        cmocka_unit_test(test_harness),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_no_fork_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
