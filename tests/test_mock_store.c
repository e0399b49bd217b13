/* HTTP mocks as rows of a store: tables to read, transactions, determinism,
 * thousands of tests at once, mocks in a harness and its forks, and every
 * allocation of every call refused. */
#include "mock_support.h"

/* Answers that depend on all that a test has done before. */
static const char world[] =
    "{" SCENARIO(
        "default",
        POST("/cart", "'captureState':{'items[]':'body.sku','who':'body.id',"
                                      "'by.agent':'headers.x-agent'},"
                      "'response':{'status':201,'delay':10,"
                      "'headers':{'x-count':'{{state.items.length}}'},"
                      "'body':{'items':'{{state.items}}',"
                      "'text':'{{state.who}} has {{state.items.length}}'}}")
        "," GET("/cart", SEQUENCE("cycle", REPLY("['a','{{state.who}}']") ","
                                           REPLY("'b'") "," REPLY("'c'")))
        "," POST("/pay", SEQUENCE("none", "{'status':503}," REPLY("'paid'")))
        "," GET("/users/:id", "'match':{'state':{'step':2}},"
                              SAYS("'two {{params.id}}'"))
        "," GET("/users/:id", "'afterResponse':{'setState':{'step':2}},"
                              SAYS("'one {{params.id}}'"))) ","
    SCENARIO(
        "other",
        POST("/cart", "'match':{'body':{'sku':{'regex':{'source':'^s[0-4]$'}}}"
                      "},'captureState':{'low[]':'body.sku'},"
                      SAYS("'low {{state.low.length}}'"))
        "," GET("/status", "'stateResponse':{'default':" REPLY("'new'")
                           ",'conditions':[{'when':{'step':2},'then':"
                           REPLY("'second'") "}]}")) "}";

/* --- tables */

static int64_t count_by_cursor(wfs_store *store, const char *table)
{
    wfs_query query = {.table = table};
    wfs_cursor *cursor;
    wfs_row row;
    int64_t count = 0;

    assert_int_equal(wfs_cursor_open(store, &query, &cursor), WFS_OK);
    while (wfs_cursor_next(cursor, &row) == WFS_OK) {
        assert_int_equal(row.id, ++count);
        assert_int_equal(wfs_row_value(&row, "no such column").type, WFS_NULL);
    }
    wfs_cursor_close(cursor);
    return count;
}

static void tables_to_read(void **state)
{
    wfs_mocks *mocks = open_mocks(world);
    wfs_store *store = wfs_mocks_store(mocks);
    wfs_value key = wfs_text("t");
    wfs_row row, test;

    (void)state;
    mocks_ok(mocks, wfs_mocks_switch(mocks, "t", "other"));
    expect(mocks, "t", "POST /cart {'sku':'s1'}", "200 'low 1'");
    expect(mocks, "t", "GET /cart", "200 ['a',null]");
    expect(mocks, "t", "GET /nothing", "NO_MOCK_FOUND");

    assert_int_equal(count_by_cursor(store, "mock_scenario"), 2);
    assert_int_equal(count_by_cursor(store, "mock_test"), 1);
    assert_int_equal(count_by_cursor(store, "mock_sequence"), 1);
    assert_int_equal(count_by_cursor(store, "mock_request"), 3);

    assert_int_equal(wfs_find(store, "mock_test", "by_test", &key, 1, &test),
                     WFS_OK);
    assert_string_equal(wfs_row_text(&test, "testId"), "t");
    assert_int_equal(wfs_row_integer(&test, "active"), 2);
    assert_string_equal(wfs_row_value(&test, "state").text,
                        "{\"low\":[\"s1\"]}");
    key = wfs_text("other");
    assert_int_equal(wfs_find(store, "mock_scenario", "by_scenario", &key, 1,
                              &row), WFS_OK);
    assert_string_equal(wfs_row_text(&row, "name"), "other name");
    assert_string_equal(wfs_row_text(&row, "description"), "");
    assert_contains(wfs_row_value(&row, "definition").text, "captureState");
    assert_int_equal(wfs_get(store, "mock_sequence", 1, &row), WFS_OK);
    assert_int_equal(wfs_row_integer(&row, "testRef"), test.id);
    assert_int_equal(wfs_row_integer(&row, "active"), 2);
    assert_int_equal(wfs_row_integer(&row, "scenario"), 1);
    assert_int_equal(wfs_row_integer(&row, "mock"), 1);
    assert_int_equal(wfs_row_integer(&row, "position"), 1);
    assert_int_equal(wfs_row_value(&row, "exhausted").integer, 0);
    assert_int_equal(wfs_get(store, "mock_request", 3, &row), WFS_OK);
    assert_string_equal(wfs_row_text(&row, "method"), "GET");
    assert_string_equal(wfs_row_text(&row, "url"), "https://x.test/nothing");
    assert_string_equal(wfs_row_text(&row, "error"), "NO_MOCK_FOUND");
    assert_int_equal(wfs_row_value(&row, "scenario").type, WFS_NULL);
    assert_int_equal(wfs_row_value(&row, "status").type, WFS_NULL);
    close_mocks(mocks);
}

static void walk_of_a_test(void **state)
{
    wfs_mocks *mocks = open_mocks(world);
    wfs_store *store = wfs_mocks_store(mocks);
    wfs_value second = wfs_reference(2);
    wfs_query query = {.table = "mock_request", .index = "of_test",
                       .equal = &second, .equal_count = 1};
    wfs_cursor *cursor;
    wfs_row row;

    (void)state;
    expect(mocks, "a", "GET /cart", "200 ['a',null]");
    expect(mocks, "b", "GET /cart", "200 ['a',null]");
    expect(mocks, "a", "GET /cart", "200 'b'");
    expect(mocks, "b", "GET /cart", "200 'b'");
    assert_int_equal(wfs_cursor_open(store, &query, &cursor), WFS_OK);
    assert_int_equal(wfs_cursor_next(cursor, &row), WFS_OK);
    assert_int_equal(row.id, 2);
    assert_int_equal(wfs_cursor_next(cursor, &row), WFS_OK);
    assert_int_equal(row.id, 4);
    assert_string_equal(wfs_row_text(&row, "testId"), "b");
    assert_int_equal(wfs_cursor_next(cursor, &row), WFS_DONE);
    wfs_cursor_close(cursor);
    close_mocks(mocks);
}

static void tables_are_not_written(void **state)
{
    static const char *const tables[] = {"mock_scenario", "mock_test",
                                         "mock_sequence", "mock_request"};
    wfs_mocks *mocks = open_mocks(world);
    wfs_store *store = wfs_mocks_store(mocks);
    const wfs_field none[] = {{0}};
    sweep_snapshot then;
    size_t i;

    (void)state;
    expect(mocks, "a", "GET /cart", "200 ['a',null]");
    then = sweep_snapshot_of(store);
    for (i = 0; i < 4; i++) {
        assert_int_equal(wfs_insert(store, tables[i], none, NULL),
                         WFS_ERR_ARGUMENT);
        assert_contains(wfs_store_error(store)->message, tables[i]);
        assert_int_equal(wfs_update(store, tables[i], 1, 0, none),
                         WFS_ERR_ARGUMENT);
        assert_int_equal(wfs_delete(store, tables[i], 1, 0),
                         WFS_ERR_ARGUMENT);
    }
    sweep_expect_same(&then, store);
    sweep_drop(&then);
    close_mocks(mocks);
}

/* --- transactions */

static void use_all(wfs_mocks *mocks)
{
    mocks_ok(mocks, wfs_mocks_switch(mocks, "a", "other"));
    expect(mocks, "a", "GET /cart", "200 ['a',null]");
    expect(mocks, "a", "GET /users/1", "200 'one 1'");
    expect(mocks, "a", "GET /users/1", "200 'two 1'");
    expect(mocks, "a", "GET /status", "200 'second'");
    expect(mocks, "a", "POST /pay", "503");
    expect(mocks, "a", "GET /nothing", "NO_MOCK_FOUND");
    expect(mocks, "new", "GET /cart", "200 ['a',null]");
    mocks_ok(mocks, wfs_mocks_clear(mocks, "a"));
}

static void requests_are_rolled_back(void **state)
{
    wfs_mocks *mocks = open_mocks(world);
    wfs_store *store = wfs_mocks_store(mocks);
    sweep_snapshot then;

    (void)state;
    expect(mocks, "a", "POST /pay", "503");
    expect(mocks, "a", "POST /cart {'sku':'s1','id':7}",
           "201 {'items':['s1'],'text':'7 has 1'}");
    expect(mocks, "a", "GET /cart", "200 ['a',7]");
    then = sweep_snapshot_of(store);
    assert_int_equal(wfs_begin(store), WFS_OK);
    use_all(mocks);
    assert_int_equal(wfs_begin(store), WFS_OK);
    expect(mocks, "a", "GET /cart", "200 ['a',null]");
    assert_int_equal(wfs_rollback(store), WFS_OK);
    expect(mocks, "a", "GET /cart", "200 ['a',null]");
    assert_int_equal(wfs_rollback(store), WFS_OK);
    sweep_expect_same(&then, store);
    sweep_drop(&then);

    expect_state(mocks, "a", "{'items':['s1'],'who':7}");
    expect_log(mocks, NULL, "POST https://x.test/pay -> default[2] #1\n"
                            "POST https://x.test/cart -> default[0]\n"
                            "GET https://x.test/cart -> default[1] #1\n");
    assert_null(wfs_mocks_active(mocks, "a"));
    expect(mocks, "a", "GET /cart", "200 'b'");
    expect(mocks, "a", "POST /pay", "200 'paid'");
    expect(mocks, "a", "POST /pay", "SEQUENCE_EXHAUSTED");
    expect(mocks, "a", "GET /users/1", "200 'one 1'");
    expect(mocks, "new", "GET /cart", "200 ['a',null]");
    close_mocks(mocks);
}

#define ONE(id, body)                                                         \
    "{'id':'" id "','name':'n','description':'','mocks':["                    \
    GET("/one", SAYS("'" body "'")) "]}"

static void registering_is_rolled_back(void **state)
{
    wfs_mocks *mocks = open_mocks(world);
    wfs_store *store = wfs_mocks_store(mocks);
    sweep_snapshot then = sweep_snapshot_of(store);
    wfs_mock_scenario in_c = {.id = "c", .description = ""};
    wfs_mock_scenario_info info;

    (void)state;
    assert_int_equal(wfs_begin(store), WFS_OK);
    mocks_ok(mocks, register_text(mocks, ONE("x", "x")));
    mocks_ok(mocks, wfs_mocks_switch(mocks, "t", "x"));
    expect(mocks, "t", "GET /one", "200 'x'");
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    assert_int_equal(wfs_rollback(store), WFS_OK);
    sweep_expect_same(&then, store);
    sweep_drop(&then);

    assert_null(wfs_mocks_active(mocks, "t"));
    assert_false(wfs_mocks_scenario(mocks, "x", &info));
    assert_int_equal(wfs_mocks_switch(mocks, "t", "x"),
                     WFS_ERR_SCENARIO_NOT_FOUND);
    expect_unused(mocks, NULL, "default[0] POST /cart\n"
                               "default[1] GET /cart\n"
                               "default[2] POST /pay\n"
                               "default[3] GET /users/:id\n"
                               "default[4] GET /users/:id\n"
                               "other[0] POST /cart\n"
                               "other[1] GET /status\n");
    mocks_ok(mocks, register_text(mocks, ONE("y", "y")));
    mocks_ok(mocks, wfs_mocks_switch(mocks, "t", "y"));
    expect(mocks, "t", "GET /one", "200 'y'");
    mocks_ok(mocks, register_text(mocks, ONE("x", "x again")));
    mocks_ok(mocks, wfs_mocks_switch(mocks, "t", "x"));
    expect(mocks, "t", "GET /one", "200 'x again'");
    in_c.name = "another now";
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    assert_true(wfs_mocks_scenario_at(mocks, 4, &info));
    assert_string_equal(info.name, "another now");
    assert_int_equal(wfs_count(store, "mock_scenario"), 5);
    close_mocks(mocks);
}

/* The first scenario of all, and the fallback of the others. */
static void the_default_is_rolled_back(void **state)
{
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    wfs_store *store = wfs_mocks_store(mocks);

    (void)state;
    assert_int_equal(wfs_begin(store), WFS_OK);
    mocks_ok(mocks, register_text(mocks, ONE("default", "backup")));
    expect(mocks, NULL, "GET /one", "200 'backup'");
    assert_int_equal(wfs_rollback(store), WFS_OK);
    expect(mocks, NULL, "GET /one", "NO_MOCK_FOUND");
    mocks_ok(mocks, register_text(mocks, ONE("x", "x")));
    expect(mocks, NULL, "GET /one", "NO_MOCK_FOUND");
    mocks_ok(mocks, register_text(mocks, ONE("default", "second")));
    expect(mocks, NULL, "GET /one", "200 'second'");
    close_mocks(mocks);
}

/* --- the same requests, the same rows */

static void the_same_hash(void **state)
{
    wfs_mocks *one = open_mocks(world), *other;
    wfs_mock_options options = {0};
    wfs_error error;

    (void)state;
    use_all(one);
    options.json = quoted(mock_arena, world);
    assert_int_equal(wfs_mocks_create(&options, &other, &error), WFS_OK);
    assert_true(wfs_store_hash(wfs_mocks_store(one)) !=
                wfs_store_hash(wfs_mocks_store(other)));
    use_all(other);
    assert_true(wfs_store_hash(wfs_mocks_store(one)) ==
                wfs_store_hash(wfs_mocks_store(other)));
    if (!wfs_store_equal(wfs_mocks_store(one), wfs_mocks_store(other), &error))
        fail_msg("%s", error.message);
    wfs_mocks_free(other);
    close_mocks(one);
}

/* --- thousands of tests */

#define STEPS 8

/* Fewer where every step is slow: TEST_ROUNDS=5. */
static size_t test_count(void)
{
    return getenv("TEST_ROUNDS") != NULL ? 500 : 10000;
}

static void mix(uint64_t *digest, const char *text)
{
    for (; *text != '\0'; text++)
        *digest = (*digest ^ (unsigned char)*text) * UINT64_C(1099511628211);
}

/* One step of a test: which one, and with what, depends on its number. What
 * came of it goes into the digest. */
static void step_of(wfs_mocks *mocks, size_t test, size_t step,
                    uint64_t *digest)
{
    char test_id[32], request[64];
    wfs_random random;
    int number;

    wfs_random_seed(&random, test * STEPS + step + 77);
    number = (int)wfs_random_below(&random, 10);
    sprintf(test_id, "test-%d", (int)test);
    switch (wfs_random_below(&random, 7)) {
    case 0:
        sprintf(request, "POST /cart {'sku':'s%d','id':%d}", number,
                (int)test);
        break;
    case 1:
        strcpy(request, "GET /cart");
        break;
    case 2:
        strcpy(request, "POST /pay");
        break;
    case 3:
        sprintf(request, "GET /users/%d", number);
        break;
    case 4:
        strcpy(request, "GET /status");
        break;
    case 5:
        mocks_ok(mocks, wfs_mocks_switch(mocks, test_id,
                                         number < 5 ? "default" : "other"));
        return;
    default:
        mocks_ok(mocks, wfs_mocks_clear(mocks, test_id));
        return;
    }
    mix(digest, said(ask(mocks, test_id, request)));
    mix(digest, wfs_json_write(mock_arena,
                               wfs_mocks_state(mocks, test_id, mock_arena), 0,
                               NULL));
    wfs_arena_clear(mock_arena);
}

/* What each test sees when it is alone. */
static uint64_t *seen_alone(size_t tests)
{
    uint64_t *digests = (uint64_t *)calloc(tests, sizeof *digests);
    size_t test, step;
    wfs_mocks *mocks;

    assert_non_null(digests);
    for (test = 0; test < tests; test++) {
        mocks = open_mocks(world);
        for (step = 0; step < STEPS; step++)
            step_of(mocks, test, step, &digests[test]);
        close_mocks(mocks);
    }
    return digests;
}

static void thousands_of_tests_at_once(void **state)
{
    size_t tests = test_count(), left = tests * STEPS, test;
    uint64_t *alone = seen_alone(tests);
    uint64_t *digests = (uint64_t *)calloc(tests, sizeof *digests);
    size_t *steps = (size_t *)calloc(tests, sizeof *steps);
    wfs_mocks *mocks = open_mocks(world);
    wfs_random random;

    (void)state;
    assert_true(digests != NULL && steps != NULL);
    wfs_random_seed(&random, 20261121);
    for (; left > 0; left--) {
        test = (size_t)wfs_random_below(&random, tests);
        while (steps[test] == STEPS)
            test = (test + 1) % tests;
        step_of(mocks, test, steps[test]++, &digests[test]);
    }
    for (test = 0; test < tests; test++)
        if (digests[test] != alone[test])
            fail_msg("test %d sees others", (int)test);
    close_mocks(mocks);
    free(alone);
    free(digests);
    free(steps);
}

/* --- in a harness */

static wfs_status ask_bank(wfs_run *run, const char *body)
{
    wfs_http_request request = {.method = "POST",
                                .url = "https://bank.test/pay",
                                .body = body};
    wfs_http_response response;

    WFS_TRY(wfs_fetch(run, wfs_instance_id(run), &request, &response));
    if (response.status != 200)
        return wfs_fail(run, "BUSY", "not now");
    return wfs_return_text(run, response.body);
}

static wfs_status pay_body(wfs_run *run, void *user)
{
    (void)user;
    return ask_bank(run, "{\"sum\":5}");
}

static wfs_status pay_workflow(wfs_run *run, void *user)
{
    wfs_do_options retry = {.retries = {.limit = 1, .delay = "1 s"}};
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "pay", pay_body, user, &retry, &result));
    return wfs_return(run, result);
}

static wfs_status lost_body(wfs_run *run, void *user)
{
    wfs_http_request request = {.url = "https://bank.test/lost"};
    wfs_http_response response;

    (void)user;
    return wfs_fetch(run, NULL, &request, &response);
}

static wfs_status lost_workflow(wfs_run *run, void *user)
{
    return wfs_do(run, "get lost", lost_body, user, NULL, NULL);
}

static wfs_status outside_workflow(wfs_run *run, void *user)
{
    return lost_body(run, user);
}

/* Goes on after it was suspended. */
static wfs_status broken_workflow(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "pay", pay_body, user, NULL, NULL));
    wfs_sleep(run, "nap", "1 s");
    return WFS_OK;
}

static const wfs_workflow payers[] = {
    {.key = "pay", .run = pay_workflow},
    {.key = "lost", .run = lost_workflow},
    {.key = "outside", .run = outside_workflow},
    {.key = "broken", .run = broken_workflow},
    {0},
};

#define BANK                                                                  \
    "{" SCENARIO("default",                                                   \
                 POST("/pay", "'captureState':{'sums[]':'body.sum'},"         \
                              "'response':{'status':200,'delay':250,"         \
                              "'body':'{{state.sums.length}}'}")) ","         \
    SCENARIO("busy", POST("/pay", SEQUENCE("last", "{'status':503,"           \
                                                   "'delay':40},"             \
                                                   REPLY("'late'")))) "}"

static wfs_harness *open_bank(void)
{
    wfs_mock_options mocks = {.clock_start = 7};
    wfs_harness_options options = {.workflows = payers, .mocks = &mocks,
                                   .clock_start = 1000, .auto_tick = true};

    mock_arena = wfs_arena_create(NULL);
    mocks.json = quoted(mock_arena, BANK);
    return open_harness(options);
}

static void close_bank(wfs_harness *harness)
{
    wfs_arena_free(mock_arena);
    mock_arena = NULL;
    close_harness(harness);
}

static void fetch_in_a_step(void **state)
{
    wfs_harness *harness = open_bank();
    wfs_mocks *mocks = wfs_harness_mocks(harness);
    wfs_status_report report;

    (void)state;
    assert_ptr_equal(wfs_mocks_store(mocks), wfs_harness_store(harness));
    assert_ptr_equal(wfs_mocks_clock(mocks), wfs_harness_clock(harness));
    ok(harness, wfs_create(harness, "pay", "p-1", NULL, NULL));
    process(harness);
    assert_state(harness, "pay", "p-1", WFS_INSTANCE_COMPLETE);
    ok(harness, wfs_get_status(harness, "pay", "p-1", &report));
    assert_json(harness, report.output, "1");
    assert_int_equal(wfs_clock_now(wfs_harness_clock(harness)), 1250);
    assert_int_equal(instance_of(harness, "pay", "p-1").completed_at, 1250);
    expect_log(mocks, FILTER(.test_id = "p-1"),
               "POST https://bank.test/pay -> default[0]\n");
    close_bank(harness);
}

/* Each attempt asks again, and what came of the first one stays. */
static void fetch_is_tried_again(void **state)
{
    wfs_harness *harness = open_bank();
    wfs_mocks *mocks = wfs_harness_mocks(harness);

    (void)state;
    mocks_ok(mocks, wfs_mocks_switch(mocks, "p-1", "busy"));
    ok(harness, wfs_create(harness, "pay", "p-1", NULL, NULL));
    process(harness);
    assert_state(harness, "pay", "p-1", WFS_INSTANCE_WAITING);
    assert_int_equal(wfs_clock_now(wfs_harness_clock(harness)), 1040);
    advance(harness, 1000);
    process(harness);
    assert_state(harness, "pay", "p-1", WFS_INSTANCE_COMPLETE);
    expect_log(mocks, NULL, "POST https://bank.test/pay -> busy[0] #1\n"
                            "POST https://bank.test/pay -> busy[0] #2\n");
    close_bank(harness);
}

static void nobody_answers_a_step(void **state)
{
    wfs_harness *harness = open_bank();
    wfs_status_report report;

    (void)state;
    ok(harness, wfs_create(harness, "lost", "l-1", NULL, NULL));
    process(harness);
    ok(harness, wfs_get_status(harness, "lost", "l-1", &report));
    assert_int_equal(report.status, WFS_INSTANCE_ERRORED);
    assert_string_equal(report.error_name, "NO_MOCK_FOUND");
    assert_contains(report.error_message, "GET https://bank.test/lost");
    assert_contains(report.error_message, "default[0] POST /pay: url");
    expect_log(wfs_harness_mocks(harness), NULL,
               "GET https://bank.test/lost -> NO_MOCK_FOUND\n");
    close_bank(harness);
}

static void fetch_where_it_may_not(void **state)
{
    wfs_harness *harness = open_bank();

    (void)state;
    ok(harness, wfs_create(harness, "outside", "o-1", NULL, NULL));
    refused(harness, WFS_ERR_MISUSE, "wfs_fetch",
            wfs_process_hooks(harness, NULL));
    close_bank(harness);

    harness = open_harness((wfs_harness_options){.workflows = payers,
                                                 .auto_tick = true});
    assert_null(wfs_harness_mocks(harness));
    ok(harness, wfs_create(harness, "lost", "l-1", NULL, NULL));
    refused(harness, WFS_ERR_MISUSE, "wfs_fetch",
            wfs_process_hooks(harness, NULL));
    close_harness(harness);
}

/* Mocks, log and clock are part of the tick. */
static void a_tick_that_fails(void **state)
{
    wfs_harness *harness = open_bank();

    (void)state;
    ok(harness, wfs_create(harness, "broken", "b-1", NULL, NULL));
    refused(harness, WFS_ERR_MISUSE, "broken",
            wfs_process_hooks(harness, NULL));
    expect_log(wfs_harness_mocks(harness), NULL, "");
    expect_state(wfs_harness_mocks(harness), "b-1", "{}");
    close_bank(harness);
}

static void options_of_a_harness_are_refused(void **state)
{
    wfs_mock_options mocks = {.json = "{}"};
    wfs_harness_options options = {.workflows = payers, .mocks = &mocks};
    wfs_harness *harness;
    wfs_error error;

    (void)state;
    options.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_harness_create(&options, &harness, &error),
                     WFS_ERR_VALIDATION);
    assert_contains(error.message, "default");
    assert_null(harness);
    sweep_expect_clean(&memory);
}

/* --- forks */

static void forks_go_on_alone(void **state)
{
    static const wfs_mock_scenario in_c = {.id = "c", .description = ""};
    wfs_harness *harness = open_bank(), *copy;
    wfs_mocks *mocks = wfs_harness_mocks(harness), *copied;

    (void)state;
    mocks_ok(mocks, wfs_mocks_switch(mocks, "t", "busy"));
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    expect(mocks, "t", "POST https://bank.test/pay {'sum':1}", "503");
    expect(mocks, "u", "POST https://bank.test/pay {'sum':1}", "200 1");
    ok(harness, wfs_harness_fork(harness, &copy));
    copied = wfs_harness_mocks(copy);
    assert_non_null(copied);
    assert_ptr_equal(wfs_mocks_clock(copied), wfs_harness_clock(copy));
    assert_true(wfs_store_hash(wfs_harness_store(harness)) ==
                wfs_store_hash(wfs_harness_store(copy)));

    expect(copied, "t", "POST https://bank.test/pay", "200 'late'");
    expect(copied, "u", "POST https://bank.test/pay {'sum':2}", "200 2");
    mocks_ok(copied, register_text(copied, ONE("x", "x")));
    mocks_ok(copied, wfs_mocks_switch(copied, "t", "x"));
    expect(copied, "t", "GET /one", "200 'x'");

    assert_string_equal(wfs_mocks_active(mocks, "t"), "busy");
    expect_state(mocks, "u", "{'sums':[1]}");
    expect_state(copied, "u", "{'sums':[1,2]}");
    assert_int_equal(wfs_mocks_switch(mocks, "t", "x"),
                     WFS_ERR_SCENARIO_NOT_FOUND);
    expect(mocks, "u", "POST https://bank.test/pay {'sum':3}", "200 2");
    mocks_ok(mocks, register_text(mocks, ONE("x", "another x")));
    mocks_ok(mocks, wfs_mocks_switch(mocks, "v", "x"));
    expect(mocks, "v", "GET /one", "200 'another x'");
    expect(copied, "t", "GET /one", "200 'x'");
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));

    ok(harness, wfs_create(harness, "pay", "p-1", NULL, NULL));
    process(harness);
    assert_int_equal(wfs_clock_now(wfs_harness_clock(copy)), 1000);
    wfs_harness_free(copy);
    expect(mocks, "t", "POST https://bank.test/pay", "200 'late'");
    close_bank(harness);
}

/* What is registered is known in a fork too, also as the value it was. */
static void the_same_value_in_a_fork(void **state)
{
    static const wfs_mock_scenario in_c = {.id = "c", .description = ""};
    wfs_harness *harness = open_bank(), *copy;
    wfs_mocks *mocks = wfs_harness_mocks(harness);

    (void)state;
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    ok(harness, wfs_harness_fork(harness, &copy));
    mocks = wfs_harness_mocks(copy);
    mocks_ok(mocks, wfs_mocks_add(mocks, &in_c));
    wfs_harness_free(copy);
    close_bank(harness);
}

/* --- every allocation refused */

static wfs_status send_with(wfs_mocks *mocks, const char *text,
                            const wfs_http_header *headers)
{
    wfs_mock_client client = {.mocks = mocks, .test_id = "t"};
    wfs_http_transport transport = wfs_mock_transport(&client);
    wfs_http_response response;
    wfs_http_request request;
    sweep_memory paused = sweep_pause(&memory);
    wfs_error error;

    request = request_of(text);
    sweep_go_on(&memory, paused);
    request.headers = headers;
    return transport.send(&request, mock_arena, &response, &error,
                          transport.user);
}

static wfs_status do_load(wfs_mocks *mocks)
{
    sweep_memory paused = sweep_pause(&memory);
    const char *text = quoted(
        mock_arena, "{" SCENARIO("l1", GET("/l", SAYS("1"))) ","
                        "'default':{'id':'l2','name':'n','description':'',"
                        "'mocks':[" POST("/:a([0-9]+)", SAYS("2")) "]}}");

    sweep_go_on(&memory, paused);
    return wfs_mocks_load(mocks, text, 0);
}

static wfs_status do_add(wfs_mocks *mocks)
{
    static const wfs_mock_response replies[] = {
        {.status = 200, .body = "1", .delay = 3}, {.status = 201}, {0}};
    static const wfs_mock added[] = {
        {.method = "GET", .url = "/a", .sequence = replies,
         .match = "{\"query\":{\"q\":{\"regex\":{\"source\":\"^a+$\"}}}}"},
        {0}};
    static const wfs_mock_scenario scenario = {
        .id = "in c", .description = "", .mocks = added};

    return wfs_mocks_add(mocks, &scenario);
}

static wfs_status do_switch(wfs_mocks *mocks)
{
    return wfs_mocks_switch(mocks, "t", "other");
}

static wfs_status do_switch_back(wfs_mocks *mocks)
{
    return wfs_mocks_switch(mocks, "t", "default");
}

static wfs_status do_clear(wfs_mocks *mocks)
{
    return wfs_mocks_clear(mocks, "t");
}

/* Body, captures, templates. */
static wfs_status do_fill(wfs_mocks *mocks)
{
    static const wfs_http_header headers[] = {
        {"X-Agent", "a"}, {"x-agent", "b"}, {0}};

    return send_with(mocks, "POST /cart {'sku':['s',{'1':'\\u00e9'}],'id':2}",
                     headers);
}

/* So much that each text is an allocation of its own. */
static wfs_status do_fill_much(wfs_mocks *mocks)
{
    static char text[40000];

    memset(text, 'x', sizeof text - 1);
    memcpy(text, "POST /cart {'sku':'", 19);
    strcpy(text + sizeof text - 4, "'}");
    return send_with(mocks, text, NULL);
}

static wfs_status do_sequence(wfs_mocks *mocks)
{
    return send_with(mocks, "GET /cart?q=%41&r=b", NULL);
}

static wfs_status do_exhaust(wfs_mocks *mocks)
{
    return send_with(mocks, "POST /pay", NULL);
}

static wfs_status do_state(wfs_mocks *mocks)
{
    return send_with(mocks, "GET /users/%61b", NULL);
}

static wfs_status do_match(wfs_mocks *mocks)
{
    return send_with(mocks, "POST /cart {'sku':'s3'}", NULL);
}

/* Nobody answers, and it is told why. */
static wfs_status do_fail(wfs_mocks *mocks)
{
    wfs_status status = send_with(mocks, "PATCH /users/1?long=%C3%A9 {'a':1}",
                                  NULL);

    return status == WFS_ERR_NO_MOCK_FOUND ? WFS_OK : status;
}

static const wfs_http_header json_type[] = {
    {"Content-Type", "application/json"}, {0}};

static wfs_status do_control(wfs_mocks *mocks)
{
    return send_with(mocks, "POST /__scenario__ {'scenario':'other'}",
                     json_type);
}

static wfs_status do_control_state(wfs_mocks *mocks)
{
    return send_with(mocks, "GET /__scenarist__/state", NULL);
}

static wfs_status do_log(wfs_mocks *mocks)
{
    const char *text;
    wfs_status status = wfs_mocks_log(mocks, FILTER(.url = "/:a/:b"),
                                      mock_arena, &text);

    return status;
}

static wfs_status do_unused(wfs_mocks *mocks)
{
    const char *text;

    return wfs_mocks_unused(mocks, NULL, mock_arena, &text);
}

static wfs_status do_read_state(wfs_mocks *mocks)
{
    return wfs_mocks_state(mocks, "t", mock_arena) != NULL
               ? WFS_OK : WFS_ERR_NO_MEMORY;
}

static wfs_status (*const swept[])(wfs_mocks *mocks) = {
    do_load, do_add, do_fill, do_fill_much, do_fill, do_sequence, do_sequence, do_exhaust,
    do_exhaust, do_fail, do_state, do_state, do_log, do_switch, do_match,
    do_match, do_fail, do_unused, do_control, do_control_state, do_read_state,
    do_clear, do_switch_back, do_fill, do_log};

#define SWEPT (sizeof swept / sizeof swept[0])

/* One without memory stays so; the next call gets another. */
static wfs_arena *fresh_arena(void)
{
    wfs_allocator allocator = {.resize = sweep_resize, .user = &memory};

    return wfs_arena_create(&allocator);
}

/* Make one call until it succeeds, each time with a later allocation refused;
 * refused, it has changed nothing. */
static size_t sweep_call(wfs_mocks *mocks, wfs_status (*call)(wfs_mocks *),
                         sweep_mode mode)
{
    int64_t now = wfs_clock_now(wfs_mocks_clock(mocks));
    sweep_snapshot then = sweep_snapshot_of(wfs_mocks_store(mocks));
    size_t nth, told = 0;
    wfs_status status;

    for (nth = 1;; nth++) {
        wfs_mocks_switch(mocks, "t", "nowhere");    /* another error */
        sweep_refuse(&memory, nth, mode);
        status = call(mocks);
        sweep_allow(&memory);
        if (status == WFS_ERR_NO_MEMORY) {
            assert_true(memory.refused > 0);
            told += wfs_mocks_error(mocks)->code == WFS_ERR_NO_MEMORY;
            sweep_expect_same(&then, wfs_mocks_store(mocks));
            assert_int_equal(wfs_clock_now(wfs_mocks_clock(mocks)), now);
        }
        wfs_arena_free(mock_arena);
        mock_arena = fresh_arena();
        if (status != WFS_ERR_NO_MEMORY)
            break;
    }
    mocks_ok(mocks, status);
    sweep_drop(&then);
    if (call != do_read_state)
        assert_int_equal(told, nth - 1);
    return nth - 1;
}

static void sweep_calls(sweep_mode mode)
{
    wfs_mocks *mocks = open_mocks(world);
    uint64_t expected;
    size_t i, refusals = 0;

    for (i = 0; i < SWEPT; i++) {
        mocks_ok(mocks, swept[i](mocks));
        wfs_arena_clear(mock_arena);
    }
    expected = wfs_store_hash(wfs_mocks_store(mocks));
    close_mocks(mocks);

    mocks = open_mocks(world);
    for (i = 0; i < SWEPT; i++)
        refusals += sweep_call(mocks, swept[i], mode);
    assert_true(wfs_store_hash(wfs_mocks_store(mocks)) == expected);
    printf("%d allocations refused in %d calls\n", (int)refusals, (int)SWEPT);
    assert_true(refusals > SWEPT);
    close_mocks(mocks);
}

static void calls_without_memory(void **state)
{
    (void)state;
    sweep_calls(SWEEP_ONCE);
    sweep_calls(SWEEP_FROM);
}

/* From nothing, to a request, to nothing. */
static void create_story(const wfs_allocator *allocator, sweep_memory *used,
                         void *user)
{
    wfs_mock_options options = {.json = (const char *)user,
                                .default_test_id = "d",
                                .allocator = *allocator};
    wfs_mocks *mocks;
    wfs_error error;
    wfs_status status = wfs_mocks_create(&options, &mocks, &error);

    if (status == WFS_OK) {
        wfs_mocks_free(mocks);
        return;
    }
    assert_int_equal(status, WFS_ERR_NO_MEMORY);
    assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
    assert_true(used->refused > 0);
    assert_null(mocks);
}

static void create_without_memory(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    char *json = quoted(arena, world);

    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, create_story, json) > 20);
    assert_true(sweep_all(SWEEP_FROM, create_story, json) > 20);
    wfs_arena_free(arena);
}

/* A tick that fetches, and a fork: refused, all is as it was, clock too. */
static void harness_without_memory(void **state)
{
    wfs_harness *harness = open_bank(), *copy = NULL;
    wfs_status status;
    before then;
    size_t nth;

    (void)state;
    ok(harness, wfs_create(harness, "pay", "p-1", NULL, NULL));
    for (nth = 1, status = WFS_ERR_NO_MEMORY; status != WFS_OK; nth++) {
        then = remember(harness);
        sweep_refuse(&memory, nth, SWEEP_ONCE);
        status = wfs_process_hooks(harness, NULL);
        sweep_allow(&memory);
        if (status == WFS_OK)
            sweep_drop(&then.snapshot);
        else
            unchanged(harness, then);
    }
    expect_state(wfs_harness_mocks(harness), "p-1", "{'sums':[5]}");
    for (nth = 1, status = WFS_ERR_NO_MEMORY; status != WFS_OK; nth++) {
        sweep_refuse(&memory, nth, SWEEP_ONCE);
        status = wfs_harness_fork(harness, &copy);
        sweep_allow(&memory);
    }
    expect(wfs_harness_mocks(copy), "p-1", "POST /pay {'sum':6}", "200 2");
    wfs_harness_free(copy);
    close_bank(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_to_read),
        cmocka_unit_test(walk_of_a_test),
        cmocka_unit_test(tables_are_not_written),
        cmocka_unit_test(requests_are_rolled_back),
        cmocka_unit_test(registering_is_rolled_back),
        cmocka_unit_test(the_default_is_rolled_back),
        cmocka_unit_test(the_same_hash),
        cmocka_unit_test(thousands_of_tests_at_once),
        cmocka_unit_test(fetch_in_a_step),
        cmocka_unit_test(fetch_is_tried_again),
        cmocka_unit_test(nobody_answers_a_step),
        cmocka_unit_test(fetch_where_it_may_not),
        cmocka_unit_test(a_tick_that_fails),
        cmocka_unit_test(options_of_a_harness_are_refused),
        cmocka_unit_test(forks_go_on_alone),
        cmocka_unit_test(the_same_value_in_a_fork),
        cmocka_unit_test(calls_without_memory),
        cmocka_unit_test(create_without_memory),
        cmocka_unit_test(harness_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
