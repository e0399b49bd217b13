/* DAGs as the users of the C API meet them: definitions that are refused, rows
 * to read, functions that call back into the DAGs, whom a request may go to,
 * what is kept and for how long, time, transactions, and harnesses. */
#include "dag_support.h"

#define OK_STEP(id) STEP(id, "https://x.test/200/0/text", "")

/* --- making them */

static void test_create(void **state)
{
    wfs_dag_options options = dag_options();
    const char *text = "{\"id\":\"one\",\"name\":\"one\",\"steps\":[]}rest";
    wfs_dags *dags;

    (void)state;
    assert_int_equal(wfs_dags_create(NULL, &dags, NULL), WFS_OK);
    assert_int_equal(wfs_count(wfs_dags_store(dags), "dag"), 0);
    assert_int_equal(wfs_clock_now(wfs_dags_clock(dags)), 0);
    wfs_dags_free(dags);
    wfs_dags_free(NULL);

    options.clock_start = 1000;
    open_dags_with(options, DAG("one", OK_STEP("a")));
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 1);
    assert_int_equal(dag_now(), 1000);
    close_dags();
    open_dags("[" DAG("one", "") "," DAG("two", "") "]");
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 2);
    close_dags();
    open_dags("[]");
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 0);
    close_dags();

    options.json = text;
    options.json_size = strlen(text) - strlen("rest");
    open_dags_with(options, NULL);
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 1);
    dags_ok(wfs_dags_load(world.dags,
                          "{\"id\":\"two\",\"name\":\"two\",\"steps\":[]}!",
                          strlen(text) - strlen("rest")));
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 2);
    close_dags();
}

static void test_create_refused(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.json = "{\"id\":\n nothing}";
    expect_no_dags(options, WFS_ERR_JSON, "");
    options.json = "{\"id\":\"late\",\"name\":\"late\",\"steps\":{}}";
    expect_no_dags(options, WFS_ERR_VALIDATION, "DAG late: steps ");
    options.json = "[{\"id\":\"a\",\"name\":\"one\",\"steps\":[]},"
                   "{\"id\":\"a\",\"name\":\"two\",\"steps\":[]}]";
    expect_no_dags(options, WFS_ERR_DUPLICATE_SCENARIO, "id a ");
    options.json = "[[[[]]]]";
    options.limits.json_depth = 3;
    expect_no_dags(options, WFS_ERR_LIMIT, "");
    options.json = "[]";
    options.limits.json_size = 1;
    expect_no_dags(options, WFS_ERR_LIMIT, "");
}

static void test_syntax_position(void **state)
{
    const wfs_error *error;

    (void)state;
    open_dags(NULL);
    dags_refused(WFS_ERR_JSON, "", load("{'id':\n nothing}"));
    error = wfs_dags_error(world.dags);
    assert_int_equal(error->line, 2);
    assert_int_equal(error->offset, 9);
    close_dags();
}

/* --- definitions that are refused */

static void problem_is(const wfs_problem *problem, const char *where,
                       const char *code, const char *part)
{
    same_text_at(where, problem->where, "where", __LINE__);
    same_text_at(code, problem->code, problem->where, __LINE__);
    if (strstr(problem->message, part) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", where, problem->message,
                 part);
}

#define BAD_STEPS                                                             \
    "{'id':1,'name':'n','stage':'s','request':{'method':'FETCH'}},"           \
    "{'id':'b','name':'n','stage':'s','request':{'method':'GET','url':'/',"   \
    "'body':7},'execution':{'retries':-1,'iterations':1.5}}"

/* All that is wrong with a definition is told at once. */
static void test_all_issues(void **state)
{
    const wfs_dag_verdict *verdict;
    const wfs_problem *issues;
    const char *message;
    size_t i;

    (void)state;
    open_dags(NULL);
    dags_refused(WFS_ERR_VALIDATION, "DAG bad: ",
                 load("[" DAG("good", "") ",{'id':'bad','name':'xy','steps':["
                      BAD_STEPS "]}]"));
    verdict = wfs_dags_verdict(world.dags);
    assert_false(verdict->accepted);
    assert_int_equal(verdict->issue_count, 7);
    assert_int_equal(verdict->error_count, 0);
    assert_int_equal(verdict->warning_count, 0);
    assert_null(verdict->normalized);
    issues = verdict->issues;
    problem_is(&issues[0], "name", "too_small", "3 characters");
    problem_is(&issues[1], "steps[0].id", "invalid_type", "");
    problem_is(&issues[2], "steps[0].request.method", "invalid_enum_value",
               "DELETE");
    problem_is(&issues[3], "steps[0].request.url", "invalid_type", "");
    problem_is(&issues[4], "steps[1].request.body", "invalid_union", "text");
    problem_is(&issues[5], "steps[1].execution.retries", "too_small",
               "negative");
    problem_is(&issues[6], "steps[1].execution.iterations", "invalid_type",
               "integer");
    assert_shown("['steps',1,'execution','iterations']", issues[6].path);
    message = wfs_dags_error(world.dags)->message;
    for (i = 0; i < verdict->issue_count; i++)
        assert_contains(message, issues[i].where);
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 0);
    dags_refused(WFS_ERR_SCENARIO_NOT_FOUND, "good",
                 wfs_dags_start(world.dags, "good", NULL, NULL));
    close_dags();
}

static void test_all_graph_errors(void **state)
{
    const wfs_dag_verdict *verdict;

    (void)state;
    open_dags(DAG("there", OK_STEP("a")));
    dags_refused(
        WFS_ERR_VALIDATION, "\"a\" depends on unknown step \"ghost\"",
        load(DAG("bad",
                 STEP("a", "/", AFTER("'ghost','b'") WHEN("'step':'nobody'"))
                 "," STEP("b", "/", AFTER("'a'"))
                 "," STEP("c", "/", AFTER("'c'")))));
    verdict = wfs_dags_verdict(world.dags);
    assert_int_equal(verdict->issue_count, 0);
    assert_int_equal(verdict->error_count, 3);
    problem_is(&verdict->errors[0], "steps[0].dependsOn[0]", "unknown_step",
               "ghost");
    problem_is(&verdict->errors[1], "steps[0].when.step", "unknown_step",
               "nobody");
    problem_is(&verdict->errors[2], "steps", "cycle",
               "Dependency cycle detected among steps: a, b, c");
    assert_contains(wfs_dags_error(world.dags)->message, "a, b, c");
    assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag"), 1);
    close_dags();
}

static void test_duplicates(void **state)
{
    (void)state;
    open_dags(DAG("one", OK_STEP("a")));
    dags_refused(WFS_ERR_DUPLICATE_SCENARIO, "id one ",
                 load(DAG("one", OK_STEP("a"))));
    dags_refused(WFS_ERR_DUPLICATE_SCENARIO, "id two ",
                 load("[" DAG("two", "") "," DAG("two", "") "]"));
    dags_refused(WFS_ERR_DUPLICATE_SCENARIO, "id one ",
                 load("[" DAG("two", "") "," DAG("one", "") "]"));
    dags_ok(load(DAG("two", OK_STEP("b"))));
    start("two");
    start("one");
    run_all();
    assert_int_equal(world.sent, 2);
    close_dags();
}

static void test_not_an_object(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    open_dags(NULL);
    dags_refused(WFS_ERR_VALIDATION, "", load("7"));
    dags_refused(WFS_ERR_VALIDATION, "", load("[null]"));
    dags_refused(WFS_ERR_VALIDATION, "", load("[[]]"));
    dags_refused(WFS_ERR_VALIDATION, "", load("{}"));
    dags_refused(WFS_ERR_JSON, "", load(""));
    close_dags();
    options.unchecked = true;
    open_dags_with(options, NULL);
    dags_refused(WFS_ERR_VALIDATION, "object", load("'text'"));
    dags_ok(load("{'id':'half','steps':[{'id':'a'}]}"));
    assert_int_equal(wfs_dags_verdict(world.dags)->issue_count, 0);
    start("half");
    run_all();
    assert_step(1, "a", "completed");
    close_dags();
}

static void test_load_json(void **state)
{
    wfs_json *list;

    (void)state;
    open_dags(NULL);
    list = wfs_json_parse(mock_arena,
                          quoted(mock_arena, "[" DAG("one", "") "]"),
                          strlen("[" DAG("one", "") "]"), NULL, NULL);
    dags_ok(wfs_dags_load_json(world.dags, list));
    dags_refused(WFS_ERR_DUPLICATE_SCENARIO, "one",
                 wfs_dags_load_json(world.dags, list));
    dags_refused(WFS_ERR_VALIDATION, "",
                 wfs_dags_load_json(world.dags, NULL));
    start("one");
    assert_execution(1, "completed");
    close_dags();
}

/* --- judging */

static wfs_dag_verdict judged(const char *definition,
                              wfs_dag_scheduling scheduling)
{
    const char *text = quoted(mock_arena, definition);
    const wfs_json *value =
        wfs_json_parse(mock_arena, text, strlen(text), NULL, NULL);
    wfs_dag_verdict verdict;

    assert_non_null(value);
    assert_int_equal(
        wfs_dag_validate(mock_arena, value, scheduling, &verdict), WFS_OK);
    return verdict;
}

static void test_warnings(void **state)
{
    wfs_dag_verdict verdict;

    (void)state;
    open_dags(NULL);
    verdict = judged(
        DAG("one", STEP("a", "/{{id}}/{{later}}/{{random}}/{{id}}",
                        EXTRACT("'own':{'from':'status'}"))
            ",{'id':'b','name':'b','stage':'s','extra':1,'request':{"
            "'method':'POST','url':'/{{own}}','headers':{'x-b':'{{head}}'},"
            "'body':{'k':['{{deep}}','{{head}}']},'other':2},"
            "'extract':{'later':{'from':'body','path':'a','more':3}}}"),
        WFS_DAG_BY_DEFINITION);
    assert_true(verdict.accepted);
    assert_int_equal(verdict.issue_count, 0);
    assert_int_equal(verdict.error_count, 0);
    assert_int_equal(verdict.warning_count, 4);
    problem_is(&verdict.warnings[0], "steps[0].request.url",
               "unknown_template", "Step \"a\" uses template \"{{id}}\"");
    problem_is(&verdict.warnings[1], "steps[0].request.url",
               "unknown_template", "no prior step extracts \"later\"");
    problem_is(&verdict.warnings[2], "steps[1].request.headers.x-b",
               "unknown_template", "{{head}}");
    problem_is(&verdict.warnings[3], "steps[1].request.body",
               "unknown_template", "{{deep}}");
    assert_shown("['steps',1,'request','headers','x-b']",
                 verdict.warnings[2].path);
    assert_null(strstr(shown(verdict.normalized), "'extra'"));
    assert_null(strstr(shown(verdict.normalized), "'other'"));
    assert_null(strstr(shown(verdict.normalized), "'more'"));
    assert_non_null(strstr(shown(verdict.normalized), "'path':'a'"));
    close_dags();
}

#define GROUPED                                                               \
    DAG("one", STEP("a", "/", MODE("sequential") ",'parallelGroup':1"))

/* What only the reactive scheduler knows is no issue in waves. */
static void test_groups_judged(void **state)
{
    wfs_dag_verdict verdict;
    wfs_dag_options options = dag_options();

    (void)state;
    open_dags(NULL);
    verdict = judged(GROUPED, WFS_DAG_REACTIVE);
    assert_int_equal(verdict.issue_count, 1);
    problem_is(&verdict.issues[0], "steps[0].parallelGroup", "custom",
               "parallel");
    verdict = judged(GROUPED, WFS_DAG_BY_DEFINITION);
    assert_int_equal(verdict.issue_count, 1);
    verdict = judged(GROUPED, WFS_DAG_WAVES);
    assert_true(verdict.accepted);
    assert_null(strstr(shown(verdict.normalized), "executionMode"));
    assert_null(strstr(shown(verdict.normalized), "parallelGroup"));
    dags_refused(WFS_ERR_VALIDATION, "steps[0].parallelGroup", load(GROUPED));
    close_dags();
    options.scheduling = WFS_DAG_WAVES;
    open_dags_with(options, GROUPED);
    assert_true(wfs_dags_verdict(world.dags)->accepted);
    close_dags();
}

/* The verdict is that of the last definition, or of the one refused. */
static void test_verdict_of_load(void **state)
{
    (void)state;
    open_dags(NULL);
    assert_int_equal(wfs_dags_verdict(world.dags)->issue_count, 0);
    dags_ok(load("[" DAG("one", OK_STEP("a")) ","
                 DAG("two", STEP("a", "/{{x}}", "")) "]"));
    assert_true(wfs_dags_verdict(world.dags)->accepted);
    assert_int_equal(wfs_dags_verdict(world.dags)->warning_count, 1);
    assert_non_null(wfs_dags_verdict(world.dags)->normalized);
    dags_refused(WFS_ERR_VALIDATION, "DAG worse",
                 load("[" DAG("three", "") ",{'id':'worse'},{}]"));
    assert_int_equal(wfs_dags_verdict(world.dags)->issue_count, 2);
    dags_refused(WFS_ERR_JSON, "", load("["));
    assert_int_equal(wfs_dags_verdict(world.dags)->issue_count, 0);
    close_dags();
}

/* --- starting */

static void test_start_refused(void **state)
{
    wfs_dag_start how = {WFS_DAG_MODE_NONE, NULL};
    wfs_row_id id = 0;

    (void)state;
    open_dags(DAG("one", OK_STEP("a")));
    dags_refused(WFS_ERR_SCENARIO_NOT_FOUND, "Scenario two not found",
                 wfs_dags_start(world.dags, "two", NULL, &id));
    dags_refused(WFS_ERR_SCENARIO_NOT_FOUND, "",
                 wfs_dags_start(world.dags, NULL, NULL, &id));
    how.trigger = "{\"by\":}";
    dags_refused(WFS_ERR_JSON, "",
                 wfs_dags_start(world.dags, "one", &how, &id));
    how.trigger = "";
    dags_refused(WFS_ERR_JSON, "",
                 wfs_dags_start(world.dags, "one", &how, &id));
    how.trigger = NULL;
    how.mode = (wfs_dag_mode)WFS_DAG_MODE_COUNT;
    dags_refused(WFS_ERR_ARGUMENT, "one",
                 wfs_dags_start(world.dags, "one", &how, &id));
    how.mode = (wfs_dag_mode)-1;
    dags_refused(WFS_ERR_ARGUMENT, "one",
                 wfs_dags_start(world.dags, "one", &how, &id));
    assert_int_equal(id, 0);
    happened("");
    how.mode = WFS_DAG_MODE_NONE;
    how.trigger = "[1, {\"by\": null}]";
    dags_ok(wfs_dags_start(world.dags, "one", &how, NULL));
    assert_string_equal(execution_of(1).trigger, "[1, {\"by\": null}]");
    assert_int_equal(execution_of(1).mode, WFS_DAG_SIMULATION);
    close_dags();
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(wfs_dag_status_name(WFS_DAG_PENDING), "pending");
    assert_string_equal(wfs_dag_status_name(WFS_DAG_CANCELLED), "cancelled");
    assert_string_equal(wfs_dag_step_status_name(WFS_DAG_STEP_SKIPPED),
                        "skipped");
    assert_string_equal(wfs_dag_mode_name(WFS_DAG_ASSESSMENT), "assessment");
    assert_string_equal(wfs_dag_event_name(WFS_DAG_HAS_RESUMED),
                        "execution:resumed");
    assert_string_equal(wfs_dag_status_name(WFS_DAG_STATUS_NONE), "");
    assert_string_equal(wfs_dag_status_name(WFS_DAG_STATUS_COUNT), "");
    assert_string_equal(wfs_dag_step_status_name((wfs_dag_step_status)-1), "");
    assert_string_equal(wfs_dag_mode_name(WFS_DAG_MODE_COUNT), "");
    assert_string_equal(wfs_dag_event_name(WFS_DAG_EVENT_NONE), "");
}

/* --- reading */

#define MIXED                                                                 \
    DAG("mixed",                                                              \
        STEP("a", "https://x.test/200/10/json",                               \
             EXTRACT("'id':{'from':'body','path':'id'}")                      \
             EXPECT("'status':200")) ","                                      \
        STEP("b", "https://x.test/500/5/text",                                \
             EXPECT("'status':200") TIMES("'retries':1")) ","                 \
        STEP("c", "https://x.test/200/0/text",                                \
             AFTER("'a'") WHEN("'step':'b','succeeded':true")) ","            \
        STEP("d", "https://x.test/200/0/{{id}}", AFTER("'a','b'")))

static void test_read(void **state)
{
    wfs_dag_execution execution;
    wfs_dag_step step;
    wfs_row_id id;

    (void)state;
    open_dags(MIXED);
    id = start_assessment("mixed");
    execution = execution_of(id);
    assert_int_equal(execution.status, WFS_DAG_RUNNING);
    assert_true(execution.completed_at == WFS_NO_TIME);
    assert_int_equal(execution.begun_count, 2);
    assert_int_equal(execution.score, -1);
    step = step_of(id, "c");
    assert_int_equal(step.status, WFS_DAG_STEP_PENDING);
    assert_true(step.started_at == WFS_NO_TIME);
    run_all();
    execution = execution_of(id);
    assert_string_equal(execution.dag, "mixed");
    assert_int_equal(execution.mode, WFS_DAG_ASSESSMENT);
    assert_int_equal(execution.status, WFS_DAG_COMPLETED);
    assert_int_equal(execution.started_at, 0);
    assert_int_equal(execution.completed_at, 10);
    assert_null(execution.error);
    assert_string_equal(execution.trigger, "{}");
    assert_int_equal(execution.parent, 0);
    assert_int_equal(execution.step_count, 4);
    assert_int_equal(execution.begun_count, 4);
    assert_int_equal(execution.passed_count, 2);
    assert_int_equal(execution.score, 50);
    assert_false(execution.passed);
    step = step_of(id, "b");
    assert_int_equal(step.execution, id);
    assert_int_equal(step.place, 1);
    assert_int_equal(step.status, WFS_DAG_STEP_FAILED);
    assert_int_equal(step.attempts, 2);
    assert_int_equal(step.started_at, 0);
    assert_int_equal(step.completed_at, 10);
    assert_string_equal(step.error,
                        "Assertion failed: status: expected 200, got 500");
    assert_string_equal(step.assertions,
                        "[{\"field\":\"status\",\"expected\":200,"
                        "\"actual\":500,\"passed\":false}]");
    assert_non_null(step.details);
    dags_ok(wfs_dags_step_at(world.dags, id, 2, &step));
    assert_string_equal(step.step_id, "c");
    assert_int_equal(step.status, WFS_DAG_STEP_SKIPPED);
    assert_int_equal(step.attempts, 0);
    assert_true(step.started_at == WFS_NO_TIME);
    assert_true(step.completed_at == WFS_NO_TIME);
    assert_null(step.details);
    close_dags();
}

static void test_read_refused(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_dag_execution execution;
    wfs_dag_step step;
    wfs_row_id id, waits;

    (void)state;
    options.max_concurrency = 1;
    open_dags_with(options, MIXED);
    id = start("mixed");
    waits = start("mixed");
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "99",
                 wfs_dags_execution(world.dags, 99, &execution));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "0",
                 wfs_dags_execution(world.dags, 0, &execution));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "ghost",
                 wfs_dags_step(world.dags, id, "ghost", &step));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "99",
                 wfs_dags_step(world.dags, 99, "a", &step));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "4",
                 wfs_dags_step_at(world.dags, id, 4, &step));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "99",
                 wfs_dags_step_at(world.dags, 99, 0, &step));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "",
                 wfs_dags_step_at(world.dags, waits, 0, &step));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "99",
                 wfs_dags_restart(world.dags, 99, &id));
    assert_null(wfs_dags_snapshot(world.dags, 99, mock_arena));
    assert_null(wfs_dags_report(world.dags, 99, mock_arena));
    close_dags();
}

/* --- the tables */

/* The ids of the rows that a query gives, with blanks between. */
static const char *rows_of(wfs_query query, char *place, size_t size)
{
    char *text = (char *)wfs_arena_allocate(mock_arena, 1024);
    wfs_cursor *cursor;
    wfs_row row;

    assert_non_null(text);
    text[0] = '\0';
    dags_ok(wfs_cursor_open(wfs_dags_store(world.dags), &query, &cursor));
    while (wfs_cursor_next(cursor, &row) == WFS_OK)
        sprintf(text + strlen(text), "%s%lu", text[0] != '\0' ? " " : "",
                (unsigned long)row.id);
    if (wfs_cursor_has_more(cursor)) {
        assert_true(place != NULL && strlen(wfs_cursor_text(cursor)) < size);
        strcpy(place, wfs_cursor_text(cursor));
        strcat(text, " ...");
    }
    wfs_cursor_close(cursor);
    return text;
}

static const char *listed(const char *table, const char *index,
                          wfs_value equal, bool descending)
{
    wfs_query query = {.table = table, .index = index, .equal = &equal,
                       .equal_count = 1, .descending = descending};

    return rows_of(query, NULL, 0);
}

static void test_lists(void **state)
{
    wfs_value quick = wfs_text("quick");
    wfs_query query = {.table = "dag_execution", .index = "by_dag",
                       .equal = &quick, .equal_count = 1, .page_size = 3};
    char place[256];
    int i;

    (void)state;
    open_dags("[" DAG("quick", OK_STEP("a")) ","
              DAG("slow", STEP("a", "https://x.test/200/50/text", "")) "]");
    for (i = 0; i < 7; i++) {
        start(i % 3 == 1 ? "slow" : "quick");
        run_until(i + 1);
    }
    assert_string_equal(listed("dag_execution", "by_dag", quick, false),
                        "1 3 4 6 7");
    assert_string_equal(listed("dag_execution", "by_dag", wfs_text("slow"),
                               true),
                        "5 2");
    assert_string_equal(listed("dag_execution", "by_dag", wfs_text("none"),
                               false),
                        "");
    assert_string_equal(listed("dag_execution", "by_status",
                               wfs_text("running"), false),
                        "2 5");
    assert_string_equal(listed("dag_execution", "by_status",
                               wfs_text("completed"), true),
                        "7 6 4 3 1");
    assert_string_equal(rows_of(query, place, sizeof place), "1 3 4 ...");
    query.cursor = place;
    assert_string_equal(rows_of(query, place, sizeof place), "6 7");
    close_dags();
}

static void test_steps_listed(void **state)
{
    wfs_store *store;
    wfs_value of[2];
    wfs_query failed = {.table = "dag_step", .index = "by_status",
                        .equal = of, .equal_count = 2};
    wfs_row row;

    (void)state;
    open_dags(MIXED);
    store = wfs_dags_store(world.dags);
    start("mixed");
    start("mixed");
    run_all();
    assert_string_equal(listed("dag_step", "by_execution", wfs_integer(1),
                               false),
                        "1 2 3 4");
    assert_string_equal(listed("dag_step", "by_execution", wfs_integer(2),
                               true),
                        "8 7 6 5");
    of[0] = wfs_integer(2);
    of[1] = wfs_text("failed");
    assert_string_equal(rows_of(failed, NULL, 0), "6");
    assert_int_equal(wfs_get(store, "dag_step", 6, &row), WFS_OK);
    assert_string_equal(wfs_row_text(&row, "stepId"), "b");
    assert_int_equal(wfs_row_integer(&row, "attempts"), 2);
    assert_int_equal(wfs_count(store, "dag"), 1);
    assert_int_equal(wfs_get(store, "dag", 1, &row), WFS_OK);
    assert_string_equal(wfs_row_text(&row, "name"), "mixed name");
    assert_int_equal(wfs_count(store, "dag_timer"), 0);
    assert_int_equal(wfs_count(store, "dag_queue"), 1);
    assert_int_equal(wfs_get(store, "dag_queue", 1, &row), WFS_OK);
    assert_int_equal(wfs_row_integer(&row, "slots"), 0);
    close_dags();
}

static void test_variables(void **state)
{
    wfs_store *store;
    wfs_value key[2];
    wfs_row row;

    (void)state;
    open_dags(MIXED);
    store = wfs_dags_store(world.dags);
    start("mixed");
    start("mixed");
    run_all();
    assert_int_equal(wfs_count(store, "dag_variable"), 2);
    assert_string_equal(listed("dag_variable", "of_execution",
                               wfs_integer(2), false),
                        "2");
    key[0] = wfs_integer(2);
    key[1] = wfs_text("id");
    assert_int_equal(wfs_find(store, "dag_variable", "by_name", key, 2, &row),
                     WFS_OK);
    assert_string_equal(wfs_row_text(&row, "value"), "7");
    assert_string_equal(wfs_row_text(&row, "context"), "7");
    close_dags();
}

/* The tables are to read. */
static void test_tables_guarded(void **state)
{
    static const char *const tables[] = {"dag", "dag_execution", "dag_step",
                                         "dag_timer", "dag_variable",
                                         "dag_queue"};
    wfs_field none = {0};
    wfs_store *store;
    size_t i;

    (void)state;
    open_dags(MIXED);
    store = wfs_dags_store(world.dags);
    start("mixed");
    run_all();
    for (i = 0; i < sizeof tables / sizeof *tables; i++) {
        dags_refused(WFS_ERR_ARGUMENT, tables[i],
                     wfs_insert(store, tables[i], &none, NULL));
        dags_refused(WFS_ERR_ARGUMENT, tables[i],
                     wfs_update(store, tables[i], 1, 0, &none));
        dags_refused(WFS_ERR_ARGUMENT, tables[i],
                     wfs_delete(store, tables[i], 1, 0));
    }
    close_dags();
}

/* --- executions as values */

#define TWO                                                                   \
    DAG("two",                                                                \
        STEP("a", "https://x.test/200/5/json",                                \
             EXTRACT("'id':{'from':'body','path':'id'},"                      \
                     "'gone':{'from':'body','path':'none'}")                  \
             EXPECT("'status':200")) ","                                      \
        STEP("b", "https://x.test/200/1/text", AFTER("'a'")))

static void test_snapshot(void **state)
{
    wfs_dag_start how = {WFS_DAG_ASSESSMENT, "{\"by\":\"hand\"}"};
    wfs_dag_options options = dag_options();
    wfs_row_id id;

    (void)state;
    options.report_url = "http://dash.test";
    options.target = "http://t.test/";
    options.clock_start = 100;
    open_dags_with(options, TWO);
    dags_ok(wfs_dags_start(world.dags, "two", &how, &id));
    assert_shown("{'id':1,'scenarioId':'two','mode':'assessment',"
                 "'status':'running','startedAt':100,"
                 "'targetUrl':'http://t.test','steps':[{'stepId':'a',"
                 "'status':'running','startedAt':100,'attempts':1}],"
                 "'triggerData':{'by':'hand'},'context':{}}",
                 wfs_dags_snapshot(world.dags, id, mock_arena));
    run_all();
    assert_shown("{'id':1,'scenarioId':'two','mode':'assessment',"
                 "'status':'completed','startedAt':100,"
                 "'targetUrl':'http://t.test','completedAt':106,'duration':6,"
                 "'steps':[{'stepId':'a','status':'completed','startedAt':100,"
                 "'attempts':1,'completedAt':105,'duration':5,'assertions':["
                 "{'field':'status','expected':200,'actual':200,"
                 "'passed':true}]},{'stepId':'b','status':'completed',"
                 "'startedAt':105,'attempts':1,'completedAt':106,"
                 "'duration':1}],'triggerData':{'by':'hand'},"
                 "'context':{'id':7},'report':{'summary':"
                 "'Executed 2 steps. 2 passed.','passed':true,'score':100,"
                 "'artifacts':['/api/reports/1?format=html',"
                 "'/api/reports/1?format=json']}}",
                 wfs_dags_snapshot(world.dags, id, mock_arena));
    close_dags();
}

/* What was there when it paused stands in the snapshot until it goes on. */
static void test_paused_snapshot(void **state)
{
    const wfs_json *paused;
    wfs_row_id id;
    bool accepted;

    (void)state;
    open_dags(TWO);
    id = start("two");
    dags_ok(wfs_dags_pause(world.dags, id, &accepted));
    assert_true(accepted);
    assert_null(wfs_json_get(wfs_dags_snapshot(world.dags, id, mock_arena),
                             "pausedState"));
    run_all();
    assert_execution(id, "paused");
    paused = wfs_json_get(wfs_dags_snapshot(world.dags, id, mock_arena),
                          "pausedState");
    assert_shown("['b']", wfs_json_get(paused, "pendingStepIds"));
    assert_shown("['a']", wfs_json_get(paused, "completedStepIds"));
    assert_shown("{'id':7}", wfs_json_get(paused, "context"));
    assert_shown("1", wfs_json_get(paused, "passedSteps"));
    dags_ok(wfs_dags_resume(world.dags, id, &accepted));
    assert_true(accepted);
    assert_null(wfs_json_get(wfs_dags_snapshot(world.dags, id, mock_arena),
                             "pausedState"));
    run_all();
    assert_execution(id, "completed");
    close_dags();
}

static void test_report(void **state)
{
    wfs_dag_options options = dag_options();
    const wfs_json *report;

    (void)state;
    options.report_url = "http://dash.test";
    options.retention = WFS_DAG_KEEP_ALL;
    open_dags_with(
        options,
        DAG("one", "{'id':'a','name':'first','stage':'s','request':{"
                   "'method':'POST','url':'https://x.test/200/1/json',"
                   "'headers':{'Authorization':'Basic x','x-ok':'1'},"
                   "'body':{'apiKey':'k','n':1}}},"
                   STEP("b", "https://x.test/{{id}}", AFTER("'a'"))));
    start("one");
    run_until(0);
    report = wfs_dags_report(world.dags, 1, mock_arena);
    assert_shown("'pending'", wfs_json_path(report, "steps[1].status"));
    assert_shown("0", wfs_json_path(report, "steps[1].attempts"));
    run_all();
    report = wfs_dags_report(world.dags, 1, mock_arena);
    assert_shown("{'id':1,'scenarioId':'one','mode':'simulation',"
                 "'status':'completed','startedAt':0,'completedAt':1,"
                 "'duration':1}",
                 wfs_json_get(report, "execution"));
    assert_shown("{'id':'one','name':'one name'}",
                 wfs_json_get(report, "scenario"));
    assert_shown("{'json':'http://dash.test/api/reports/1?format=json',"
                 "'html':'http://dash.test/api/reports/1?format=html'}",
                 wfs_json_get(report, "exports"));
    assert_shown("{'method':'POST','url':'https://x.test/200/1/json',"
                 "'headers':{'Authorization':'[redacted]','x-ok':'1'},"
                 "'body':{'apiKey':'[redacted]','n':1}}",
                 wfs_json_path(report, "steps[0].request"));
    assert_shown("{'id':7,'list':[1,2],'token':'[redacted]'}",
                 wfs_json_path(report, "steps[0].result.response.body"));
    assert_shown("'[redacted response body]'",
                 wfs_json_path(report, "steps[1].details.response.body"));
    assert_shown("'https://x.test/{{id}}'",
                 wfs_json_path(report, "steps[1].request.url"));
    close_dags();
}

/* --- being told */

static void test_events(void **state)
{
    (void)state;
    open_dags(MIXED);
    start("mixed");
    happened("0 #1 execution:started\n"
             "0 #1 execution:updated a running\n"
             "0 GET https://x.test/200/10/json\n"
             "0 #1 execution:updated b running\n"
             "0 GET https://x.test/500/5/text\n");
    run_until(9);
    happened("5 GET https://x.test/500/5/text\n");
    run_until(10);
    happened("10 #1 execution:updated a completed\n"
             "10 #1 execution:updated b failed\n"
             "10 #1 execution:updated c skipped\n"
             "10 #1 execution:updated d running\n"
             "10 GET https://x.test/200/0/7\n"
             "10 #1 execution:updated d completed\n"
             "10 #1 execution:completed\n");
    run_all();
    happened("");
    close_dags();
}

static void event_is_row(const wfs_dag_event *event)
{
    wfs_dag_execution execution = execution_of(event->execution->id);
    wfs_dag_step step;

    assert_int_equal(event->time, dag_now());
    assert_int_equal(execution.version, event->execution->version);
    assert_int_equal(execution.status, event->execution->status);
    assert_int_equal(event->type == WFS_DAG_UPDATED, event->step != NULL);
    if (event->step == NULL)
        return;
    step = step_of(event->execution->id, event->step->step_id);
    assert_int_equal(step.id, event->step->id);
    assert_int_equal(step.version, event->step->version);
    assert_int_equal(step.status, event->step->status);
}

static void test_events_are_rows(void **state)
{
    (void)state;
    open_dags(MIXED);
    world.on_event = event_is_row;
    start("mixed");
    run_all();
    assert_int_equal(world.events, 9);
    close_dags();
}

/* Each event's message, a line each. */
static void note_message(const wfs_dag_event *event)
{
    dag_note(shown(wfs_dags_message(world.dags, event, mock_arena)));
    dag_note("\n");
}

static void test_messages(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.clock_start = 3;
    open_dags_with(options,
                   DAG("one", STEP("a", "https://x.test/200/2/json",
                                   EXTRACT("'id':{'from':'body',"
                                           "'path':'id'}"))
                       "," STEP("b", "https://x.test/200/0/{{id}}",
                                AFTER("'a'") WHEN("'step':'a',"
                                                  "'succeeded':false"))));
    world.on_event = note_message;
    start("one");
    run_all();
    happened(
        "3 #1 execution:started\n"
        "{'type':'EXECUTION_STARTED','payload':{'id':1,'scenarioId':'one',"
        "'mode':'simulation','status':'running','startedAt':3,'steps':[],"
        "'triggerData':{},'context':{}},'format':'snapshot','timestamp':3}\n"
        "3 #1 execution:updated a running\n"
        "{'type':'EXECUTION_DELTA','payload':{'id':1,'changes':{'steps':[{"
        "'stepId':'a','status':'running','startedAt':3,'attempts':0}]}},"
        "'format':'delta','timestamp':3}\n"
        "3 GET https://x.test/200/2/json\n"
        "5 #1 execution:updated a completed\n"
        "{'type':'EXECUTION_DELTA','payload':{'id':1,'changes':{'steps':[{"
        "'stepId':'a','status':'completed','attempts':1,'completedAt':5,"
        "'duration':2}]}},'format':'delta','timestamp':5}\n"
        "5 #1 execution:updated b skipped\n"
        "{'type':'EXECUTION_DELTA','payload':{'id':1,'changes':{'steps':[{"
        "'stepId':'b','status':'skipped','attempts':0}],'context':{'id':7}}},"
        "'format':'delta','timestamp':5}\n"
        "5 #1 execution:completed\n"
        "{'type':'EXECUTION_COMPLETED','payload':{'id':1,'scenarioId':'one',"
        "'mode':'simulation','status':'completed','startedAt':3,"
        "'completedAt':5,'duration':2,'steps':[{'stepId':'a',"
        "'status':'completed','startedAt':3,'attempts':1,'completedAt':5,"
        "'duration':2},{'stepId':'b','status':'skipped','attempts':0}],"
        "'triggerData':{},'context':{'id':7}},'format':'snapshot',"
        "'timestamp':5}\n");
    close_dags();
}

/* --- calls from inside of observe */

/* What is done at the event of that number, from 1. */
static struct {
    size_t at;
    wfs_status (*control)(wfs_dags *dags, wfs_row_id id, bool *accepted);
    bool accepted;
    wfs_row_id made;
} inside;

static void control_inside(const wfs_dag_event *event)
{
    if (world.events == inside.at)
        dags_ok(inside.control(world.dags, event->execution->id,
                               &inside.accepted));
}

static void control_at(size_t at,
                       wfs_status (*control)(wfs_dags *dags, wfs_row_id id,
                                             bool *accepted))
{
    memset(&inside, 0, sizeof inside);
    inside.at = at;
    inside.control = control;
    world.on_event = control_inside;
}

static void test_pause_inside(void **state)
{
    wfs_row_id id;

    (void)state;
    open_dags(TWO);
    control_at(2, wfs_dags_pause);
    id = start("two");
    assert_true(inside.accepted);
    run_all();
    happened("0 #1 execution:started\n"
             "0 #1 execution:updated a running\n"
             "0 GET https://x.test/200/5/json\n"
             "5 #1 execution:updated a completed\n"
             "5 #1 execution:paused\n");
    dags_ok(wfs_dags_resume(world.dags, id, NULL));
    run_all();
    happened("5 #1 execution:resumed\n"
             "5 #1 execution:updated b running\n"
             "5 GET https://x.test/200/1/text\n"
             "6 #1 execution:updated b completed\n"
             "6 #1 execution:completed\n");
    close_dags();
}

/* At the event of the pause it can be taken back. */
static void test_resume_inside(void **state)
{
    wfs_row_id id;

    (void)state;
    open_dags(TWO);
    control_at(4, wfs_dags_resume);
    id = start("two");
    dags_ok(wfs_dags_pause(world.dags, id, NULL));
    run_all();
    assert_true(inside.accepted);
    assert_execution(id, "completed");
    assert_int_equal(execution_of(id).completed_at, 6);
    close_dags();
}

static void test_cancel_inside(void **state)
{
    (void)state;
    open_dags(TWO);
    control_at(1, wfs_dags_cancel);
    start("two");
    assert_true(inside.accepted);
    happened("0 #1 execution:started\n"
             "0 #1 execution:cancelled\n");
    control_at(world.events + 2, wfs_dags_cancel);
    start("two");
    run_all();
    happened("0 #2 execution:started\n"
             "0 #2 execution:updated a running\n"
             "0 #2 execution:updated a cancelled\n"
             "0 #2 execution:cancelled\n");
    control_at(world.events + 4, wfs_dags_cancel);
    start("two");
    run_all();
    assert_step(3, "b", "cancelled");
    control_at(world.events + 5, wfs_dags_cancel);
    start("two");
    run_all();
    assert_step(4, "b", "completed");
    assert_execution(4, "cancelled");
    control_at(world.events + 6, wfs_dags_cancel);
    start("two");
    run_all();
    assert_false(inside.accepted);
    assert_execution(5, "completed");
    close_dags();
}

static void start_inside(const wfs_dag_event *event)
{
    if (world.events == inside.at)
        dags_ok(wfs_dags_start(world.dags, event->execution->dag, NULL,
                               &inside.made));
}

static void restart_inside(const wfs_dag_event *event)
{
    if (world.events == inside.at)
        dags_ok(wfs_dags_restart(world.dags, event->execution->id,
                                 &inside.made));
}

static void test_start_inside(void **state)
{
    size_t at;

    (void)state;
    for (at = 1; at <= 6; at++) {
        open_dags(TWO);
        control_at(at, NULL);
        world.on_event = start_inside;
        start("two");
        run_all();
        assert_int_equal(inside.made, 2);
        assert_execution(1, "completed");
        assert_execution(2, "completed");
        assert_int_equal(world.events, 12);
        assert_int_equal(world.sent, 4);
        close_dags();
    }
}

static void test_restart_inside(void **state)
{
    size_t at;

    (void)state;
    for (at = 1; at <= 6; at++) {
        open_dags(TWO);
        control_at(at, NULL);
        world.on_event = restart_inside;
        start_assessment("two");
        run_all();
        assert_int_equal(inside.made, 2);
        assert_execution(1, at < 6 ? "cancelled" : "completed");
        assert_execution(2, "completed");
        assert_int_equal(execution_of(2).parent, 1);
        assert_int_equal(execution_of(2).mode, WFS_DAG_ASSESSMENT);
        close_dags();
    }
}

static void run_inside(const wfs_dag_event *event)
{
    (void)event;
    assert_int_equal(wfs_dags_run(world.dags), WFS_ERR_MISUSE);
    assert_int_equal(wfs_dags_run_until(world.dags, 50), WFS_ERR_MISUSE);
    assert_contains(wfs_dags_error(world.dags)->message, "already");
}

static void test_run_inside(void **state)
{
    wfs_row_id id;

    (void)state;
    open_dags(TWO);
    world.on_event = run_inside;
    id = start("two");
    run_all();
    assert_int_equal(world.events, 6);
    assert_int_equal(execution_of(id).completed_at, 6);
    close_dags();
}

/* What observe rolls back is not what it was told of. */
static void roll_back_inside(const wfs_dag_event *event)
{
    wfs_store *store = wfs_dags_store(world.dags);

    if (world.events != inside.at)
        return;
    world.on_event = NULL;
    assert_int_equal(wfs_begin(store), WFS_OK);
    dags_ok(wfs_dags_start(world.dags, "two", NULL, &inside.made));
    dags_ok(wfs_dags_cancel(world.dags, event->execution->id, NULL));
    assert_int_equal(wfs_rollback(store), WFS_OK);
    assert_int_equal(wfs_rollback(store), WFS_ERR_NO_TRANSACTION);
}

static void test_rollback_inside(void **state)
{
    size_t at;

    (void)state;
    for (at = 1; at <= 6; at++) {
        open_dags(TWO);
        control_at(at, NULL);
        world.on_event = roll_back_inside;
        start("two");
        run_all();
        assert_int_equal(inside.made, 2);
        assert_int_equal(wfs_count(wfs_dags_store(world.dags),
                                   "dag_execution"),
                         1);
        assert_execution(1, "completed");
        assert_int_equal(execution_of(1).completed_at, 6);
        close_dags();
    }
}

/* A transaction that observe leaves open is taken back, and a mistake; what it
 * was told of stays. */
static void begin_inside(const wfs_dag_event *event)
{
    if (world.events != inside.at)
        return;
    assert_int_equal(wfs_begin(wfs_dags_store(world.dags)), WFS_OK);
    dags_ok(wfs_dags_start(world.dags, event->execution->dag, NULL, NULL));
}

static void test_transaction_inside(void **state)
{
    static const int64_t times[] = {5, 5, 6, 6};
    size_t i;

    (void)state;
    for (i = 0; i < 4; i++) {
        open_dags(TWO);
        start("two");
        control_at(3 + i, NULL);
        world.on_event = begin_inside;
        assert_int_equal(wfs_dags_run(world.dags), WFS_ERR_MISUSE);
        assert_int_equal(dag_now(), times[i]);
        assert_int_equal(wfs_count(wfs_dags_store(world.dags),
                                   "dag_execution"),
                         1);
        world.on_event = NULL;
        run_all();
        assert_execution(1, "completed");
        assert_int_equal(execution_of(1).completed_at, 6);
        close_dags();
    }
}

/* --- transports */

static void test_errors(void **state)
{
    wfs_dag_step step;

    (void)state;
    open_dags(DAG("one",
                  STEP("a", "https://x.test/error/7/x", TIMES("'retries':2"))
                  "," STEP("b", "https://x.test/error/0/x", "")));
    start("one");
    run_all();
    step = step_of(1, "a");
    assert_int_equal(step.status, WFS_DAG_STEP_FAILED);
    assert_int_equal(step.attempts, 3);
    assert_int_equal(step.completed_at, 21);
    assert_string_equal(step.error, "connection refused");
    assert_null(step.assertions);
    assert_null(step.details);
    assert_int_equal(step_of(1, "b").completed_at, 0);
    assert_execution(1, "completed");
    close_dags();
}

static wfs_status silent_send(const wfs_http_request *request,
                              wfs_http_response *response, wfs_error *error)
{
    (void)request;
    (void)response;
    (void)error;
    return WFS_ERR_HANDLER;
}

/* Without a message the error is what the status means; without a transport it
 * says so. */
static void test_no_answer(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    open_dags(DAG("one", OK_STEP("a")));
    world.on_send = silent_send;
    start("one");
    run_all();
    assert_string_equal(step_of(1, "a").error,
                        wfs_status_meaning(WFS_ERR_HANDLER));
    close_dags();
    options.transport = NULL;
    open_dags_with(options, DAG("one", OK_STEP("a")));
    start("one");
    run_all();
    assert_step(1, "a", "failed");
    assert_contains(step_of(1, "a").error, "no transport");
    close_dags();
}

static size_t refusals;

static wfs_status forgetful_send(const wfs_http_request *request,
                                 wfs_http_response *response, wfs_error *error)
{
    return refusals-- > 0 ? WFS_ERR_NO_MEMORY
                          : dag_answer(request, response, error);
}

/* A transport without memory leaves the request to be sent again. */
static void test_no_memory_in_transport(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_row_id id = 0;

    (void)state;
    options.seed = 7;
    open_dags_with(options,
                   DAG("one", STEP("a", "https://x.test/200/{{random}}",
                                   TIMES("'delayMs':3"))));
    world.on_send = forgetful_send;
    refusals = 2;
    dags_ok(wfs_dags_start(world.dags, "one", NULL, &id));
    assert_int_equal(wfs_dags_run(world.dags), WFS_ERR_NO_MEMORY);
    assert_int_equal(wfs_dags_run(world.dags), WFS_ERR_NO_MEMORY);
    assert_step(id, "a", "running");
    forget();
    run_all();
    assert_step(id, "a", "completed");
    assert_int_equal(world.sent, 3);
    close_dags();
    world.size = 0;
}

/* Which numbers were drawn is seen in what was sent. */
static wfs_status same_text_send(const wfs_http_request *request,
                                 wfs_http_response *response, wfs_error *error)
{
    static char first[64];

    if (refusals == 1)
        strncpy(first, request->url, sizeof first - 1);
    else
        assert_string_equal(request->url, first);
    return forgetful_send(request, response, error);
}

static void test_refused_draw(void **state)
{
    (void)state;
    open_dags(DAG("one", STEP("a", "https://x.test/{{random}}", "")));
    world.on_send = same_text_send;
    refusals = 1;
    dags_ok(wfs_dags_start(world.dags, "one", NULL, NULL));
    assert_step(1, "a", "running");
    run_all();
    assert_int_equal(world.sent, 2);
    assert_step(1, "a", "completed");
    close_dags();
}

static wfs_status bare_send(const wfs_http_request *request,
                            wfs_http_response *response, wfs_error *error)
{
    (void)error;
    memset(response, 0, sizeof *response);
    response->status = 204;
    response->delay = strstr(request->url, "late") != NULL ? INT64_MAX : -5;
    return WFS_OK;
}

/* Neither headers nor a body; a delay below 0 is none, and one without end is
 * never over in our time. */
static void test_bare_response(void **state)
{
    wfs_row_id id;

    (void)state;
    open_dags("[" DAG("one", STEP("a", "https://x.test/now",
                                  EXPECT("'status':204,'bodyContains':''")
                                  EXTRACT("'all':{'from':'header'},"
                                          "'body':{'from':'body'}")))
              "," DAG("late", STEP("a", "https://x.test/late", "")) "]");
    world.on_send = bare_send;
    id = start("one");
    run_all();
    assert_step(id, "a", "completed");
    assert_int_equal(execution_of(id).completed_at, 0);
    assert_shown("{'all':{},'body':''}",
                 wfs_json_get(wfs_dags_snapshot(world.dags, id, mock_arena),
                              "context"));
    run_until(10);
    id = start("late");
    run_until(INT64_C(1) << 52);
    assert_step(id, "a", "running");
    dags_ok(wfs_dags_cancel(world.dags, id, NULL));
    assert_execution(id, "cancelled");
    start("late");
    run_all();
    assert_true(dag_now() == INT64_MAX);
    close_dags();
}

/* --- a transport that calls back */

static wfs_status reading_send(const wfs_http_request *request,
                               wfs_http_response *response, wfs_error *error)
{
    const wfs_dag_step *sending = wfs_dags_sending(world.dags);
    wfs_dag_step row;

    assert_non_null(sending);
    row = step_of(sending->execution, sending->step_id);
    assert_int_equal(row.id, sending->id);
    assert_int_equal(sending->status, WFS_DAG_STEP_RUNNING);
    dag_note(sending->step_id);
    dag_note("\n");
    assert_int_equal(wfs_dags_run(world.dags), WFS_ERR_MISUSE);
    assert_int_equal(wfs_dags_run_until(world.dags, 9), WFS_ERR_MISUSE);
    assert_non_null(wfs_dags_snapshot(world.dags, 1, mock_arena));
    assert_non_null(wfs_dags_report(world.dags, 1, mock_arena));
    return dag_answer(request, response, error);
}

static void test_transport_reads(void **state)
{
    (void)state;
    open_dags(TWO);
    world.on_send = reading_send;
    assert_null(wfs_dags_sending(world.dags));
    start("two");
    assert_null(wfs_dags_sending(world.dags));
    forget();
    run_all();
    assert_contains(world.log, "5 GET https://x.test/200/1/text\nb\n");
    assert_execution(1, "completed");
    assert_int_equal(world.events, 6);
    close_dags();
}

/* What the transport does in the middle of a request. */
static wfs_status (*meanwhile)(void);
static size_t busy_request;

static wfs_status busy_send(const wfs_http_request *request,
                            wfs_http_response *response, wfs_error *error)
{
    if (world.sent == busy_request)
        dags_ok(meanwhile());
    return dag_answer(request, response, error);
}

static wfs_status starts_another(void)
{
    WFS_TRY(load(DAG("more", OK_STEP("m"))));
    WFS_TRY(wfs_dags_start(world.dags, "more", NULL, NULL));
    return wfs_dags_start(world.dags, "two", NULL, NULL);
}

static wfs_status pauses_all(void)
{
    size_t count = 0;

    WFS_TRY(wfs_dags_pause_all(world.dags, &count));
    assert_int_equal(count, 1);
    return WFS_OK;
}

static wfs_status cancels_all(void)
{
    size_t count = 0;

    WFS_TRY(wfs_dags_cancel_all(world.dags, &count));
    assert_int_equal(count, 1);
    return WFS_OK;
}

static wfs_status restarts(void)
{
    return wfs_dags_restart(world.dags, 1, NULL);
}

static void run_meanwhile(wfs_status (*what)(void))
{
    open_dags(TWO);
    world.on_send = busy_send;
    busy_request = 1;
    meanwhile = what;
    start("two");
    run_all();
}

static void test_transport_controls(void **state)
{
    (void)state;
    run_meanwhile(starts_another);
    assert_execution(1, "completed");
    assert_execution(2, "completed");
    assert_execution(3, "completed");
    assert_int_equal(world.sent, 5);
    close_dags();
    run_meanwhile(pauses_all);
    assert_execution(1, "paused");
    assert_int_equal(world.sent, 1);
    close_dags();
    run_meanwhile(cancels_all);
    assert_execution(1, "cancelled");
    assert_step(1, "b", "pending");
    assert_int_equal(world.sent, 1);
    close_dags();
    run_meanwhile(restarts);
    assert_execution(1, "cancelled");
    assert_execution(2, "completed");
    assert_int_equal(execution_of(2).parent, 1);
    assert_int_equal(world.sent, 3);
    close_dags();
}

/* In any attempt, and any iteration, of a step that fails. */
static void test_transport_cancels_retries(void **state)
{
    size_t at;

    (void)state;
    for (at = 1; at <= 6; at++) {
        open_dags(DAG("one", STEP("a", "https://x.test/500/0/text",
                                  EXPECT("'status':200")
                                  TIMES("'retries':2,'iterations':2"))
                             "," STEP("b", "https://x.test/200/9/text", "")));
        world.on_send = busy_send;
        busy_request = at < 2 ? at : at + 1;    /* 2 is that of b */
        meanwhile = cancels_all;
        start("one");
        run_all();
        assert_execution(1, "cancelled");
        assert_step(1, "a", "cancelled");
        assert_step(1, "b", "cancelled");
        assert_int_equal(wfs_count(wfs_dags_store(world.dags), "dag_timer"),
                         0);
        assert_int_equal(world.sent, at < 2 ? 1 : busy_request);
        close_dags();
    }
}

static wfs_status leaves_open(void)
{
    return wfs_begin(wfs_dags_store(world.dags));
}

static void test_transport_transaction(void **state)
{
    (void)state;
    run_meanwhile(leaves_open);
    assert_step(1, "a", "failed");
    assert_step(1, "b", "completed");
    assert_int_equal(wfs_commit(wfs_dags_store(world.dags)),
                     WFS_ERR_NO_TRANSACTION);
    close_dags();
}

/* --- what is filled in */

static void test_iteration(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.target = "http://t.test:8080/200//";
    open_dags_with(
        options,
        DAG("one", "{'id':'a','name':'a','stage':'s','request':{"
                   "'method':'POST','url':'/1/{{iteration}}',"
                   "'body':{'n':'{{iteration}} of {{target}}'}},"
                   "'execution':{'iterations':3}},"
                   STEP("b", "{{target}}/0/{{iteration}}", AFTER("'a'"))));
    start("one");
    run_all();
    assert_contains(world.log, "0 POST http://t.test:8080/200/1/1 "
                               "{\"n\":\"1 of http://t.test:8080/200\"}\n");
    assert_contains(world.log, "1 POST http://t.test:8080/200/1/2 "
                               "{\"n\":\"2 of http://t.test:8080/200\"}\n");
    assert_contains(world.log, "2 POST http://t.test:8080/200/1/3 "
                               "{\"n\":\"3 of http://t.test:8080/200\"}\n");
    assert_contains(world.log, "3 GET http://t.test:8080/200/0/1\n");
    close_dags();
}

/* Several iterations draw once, several attempts each time. */
static char *sent_with_seed(uint64_t seed)
{
    wfs_dag_options options = dag_options();
    char *log;

    options.seed = seed;
    open_dags_with(options,
                   DAG("one", STEP("a", "https://x.test/error/1/{{random}}",
                                   TIMES("'retries':1,'iterations':2,"
                                         "'jitter':9"))
                       "," STEP("b", "https://x.test/200/0/{{random_ip}}",
                                AFTER("'a'"))));
    start("one");
    run_all();
    log = (char *)malloc(world.size + 1);
    assert_non_null(log);
    memcpy(log, world.log, world.size + 1);
    close_dags();
    return log;
}

static void test_random(void **state)
{
    char *one = sent_with_seed(1), *again = sent_with_seed(1);
    char *other = sent_with_seed(2);
    const char *urls[4];
    size_t i, size = strlen("https://x.test/error/1/12345678");

    (void)state;
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
    urls[0] = strstr(one, "https://x.test/error");
    for (i = 1; i < 4; i++) {
        urls[i] = strstr(urls[i - 1] + 1, "https://x.test/error");
        assert_non_null(urls[i]);
    }
    assert_memory_equal(urls[0], urls[1], size);
    assert_memory_equal(urls[2], urls[3], size);
    assert_memory_not_equal(urls[0], urls[2], size);
    free(one);
    free(again);
    free(other);
}

static double half(void *user)
{
    ++*(size_t *)user;
    return 0.5;
}

static void test_own_random(void **state)
{
    wfs_dag_options options = dag_options();
    size_t draws = 0;

    (void)state;
    options.observe = NULL;
    options.random = half;
    options.user = &draws;
    open_dags_with(options, DAG("one", STEP("a", "/{{random}}/{{random_ip}}",
                                            TIMES("'delayMs':1,'jitter':3"))));
    start("one");
    run_all();
    happened("2 GET /i/128.128.128.128\n");
    assert_int_equal(draws, 6);
    close_dags();
}

/* --- whom a request may go to */

typedef struct aim {
    const char *target, *allow, *url;
    const char *error;          /* NULL: it is sent */
} aim;

#define BLOCKED(endpoint)                                                     \
    "Outbound request blocked for endpoint \"" endpoint "\""
#define NOT_A_URL "Resolved step URL must be a valid absolute URL"

static const aim aims[] = {
    {NULL, NULL, "/relative", NULL},
    {NULL, NULL, "anything at all", NULL},
    {NULL, "", "https://x.test/", BLOCKED("x.test:443")},
    {NULL, " , ,", "https://x.test/", BLOCKED("x.test:443")},
    {NULL, "x.test", "/relative", NOT_A_URL},
    {NULL, "x.test", "ftp://x.test/", "Resolved step URL must use http or"},
    {NULL, "x.test", "http://u:p@x.test/", "must not include credentials"},
    {NULL, "x.test", "http://x.test/#part", "must not include a fragment"},
    {"http://t.test", NULL, "https://elsewhere.test/", NULL},
    {"http://t.test", "x.test", "/path", NULL},
    {"http://t.test", "x.test", "https://t.test/", BLOCKED("t.test:443")},
    {"http://t.test:81/", "x.test", "/path", NULL},
    {"http://t.test:81/", "x.test", "http://t.test/", BLOCKED("t.test:80")},
    {"http://T.test", "", "http://t.TEST/path", NULL},
    {NULL, "https://x.test/some/path?q", "https://x.test/other", NULL},
    {NULL, "https://x.test", "https://x.test:443/", NULL},
    {NULL, "https://x.test", "http://x.test/", BLOCKED("x.test:80")},
    {NULL, "https://x.test", "http://x.test:443/", NULL},
    {NULL, "x.test:8080", "http://x.test:8080/", NULL},
    {NULL, "x.test:8080", "https://X.TEST:8080/", NULL},
    {NULL, "x.test:8080", "http://x.test/", BLOCKED("x.test:80")},
    {NULL, "x.test", "http://x.test/", NULL},
    {NULL, "x.test", "https://x.test/", NULL},
    {NULL, "x.test", "https://x.test:80/", BLOCKED("x.test:80")},
    {NULL, "X.Test", "https://x.test/", NULL},
    {NULL, "x.test", "https://y.x.test/", BLOCKED("y.x.test:443")},
    {NULL, "*.x.test", "https://y.x.test/", NULL},
    {NULL, "*.x.test", "https://z.y.x.test/", NULL},
    {NULL, "*.x.test", "https://x.test/", BLOCKED("x.test:443")},
    {NULL, "*.x.test", "https://yx.test/", BLOCKED("yx.test:443")},
    {NULL, "*.x.test", "https://y.x.test:444/", BLOCKED("y.x.test:444")},
    {NULL, "*.x.test:444", "https://y.x.test:444/", NULL},
    {NULL, "*.x.test:444", "https://y.x.test/", BLOCKED("y.x.test:443")},
    {NULL, "10.1.2.3", "http://10.1.2.3/", NULL},
    {NULL, "10.1.2.3", "http://10.1.2.4/", BLOCKED("10.1.2.4:80")},
    {NULL, "10.1.2.3", "http://10.1.2.3:81/", BLOCKED("10.1.2.3:81")},
    {NULL, "10.1.2.3:81", "http://10.1.2.3:81/", NULL},
    {NULL, "10.1.0.0/16", "https://10.1.255.9/", NULL},
    {NULL, "10.1.0.0/16", "https://10.2.0.1/", BLOCKED("10.2.0.1:443")},
    {NULL, "10.1.0.0/16", "https://ten.test/", BLOCKED("ten.test:443")},
    {NULL, "10.1.2.128/25", "http://10.1.2.128/", NULL},
    {NULL, "10.1.2.128/25", "http://10.1.2.127/", BLOCKED("10.1.2.127:80")},
    {NULL, "10.1.2.3/32", "http://10.1.2.3/", NULL},
    {NULL, "10.1.2.3/32", "http://10.1.2.2/", BLOCKED("10.1.2.2:80")},
    {NULL, "0.0.0.0/0", "http://192.0.2.1/", NULL},
    {NULL, "0.0.0.0/0", "http://[2001:db8::1]/",
     BLOCKED("[2001:db8::1]:80")},
    {NULL, "2001:db8::/32", "http://[2001:db8:9::1]/", NULL},
    {NULL, "2001:db8::/32", "http://[2001:db9::1]/",
     BLOCKED("[2001:db9::1]:80")},
    {NULL, "[2001:db8::1]", "https://[2001:DB8:0::1]/", NULL},
    {NULL, "2001:db8::1", "https://[2001:db8::1]/", NULL},
    {NULL, "[2001:db8::1]:8443", "https://[2001:db8::1]:8443/", NULL},
    {NULL, "[2001:db8::1]:8443", "https://[2001:db8::1]/",
     BLOCKED("[2001:db8::1]:443")},
    {NULL, "a.test, b.test ,c.test", "https://b.test/", NULL},
    {NULL, "a.test, b.test ,c.test", "https://c.test/", NULL},
    {NULL, "a.test, b.test ,c.test", "https://d.test/",
     BLOCKED("d.test:443")},
};

static void test_aims(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_dag_step step;
    size_t i;
    char text[512];

    (void)state;
    for (i = 0; i < sizeof aims / sizeof *aims; i++) {
        options.target = aims[i].target;
        options.allow = aims[i].allow;
        snprintf(text, sizeof text, DAG("one", STEP("a", "%s", "")),
                 aims[i].url);
        open_dags_with(options, text);
        start("one");
        run_all();
        step = step_of(1, "a");
        if (world.sent != (aims[i].error == NULL) ||
            (step.error == NULL) != (aims[i].error == NULL) ||
            (step.error != NULL && strstr(step.error, aims[i].error) == NULL))
            fail_msg("target %s, allow %s, %s: sent %lu times, error %s",
                     aims[i].target != NULL ? aims[i].target : "(none)",
                     aims[i].allow != NULL ? aims[i].allow : "(none)",
                     aims[i].url, (unsigned long)world.sent,
                     step.error != NULL ? step.error : "(none)");
        close_dags();
    }
}

/* What is refused is tried again like any failure, and nothing is sent. */
static void test_refused_before_it_is_sent(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.allow = "x.test";
    open_dags_with(options,
                   DAG("one", STEP("a", "https://x.test/200/0/json",
                                   EXTRACT("'host':{'from':'body',"
                                           "'path':'token'}"))
                       "," STEP("b", "https://{{host}}.test/",
                                AFTER("'a'")
                                TIMES("'retries':2,'delayMs':10,"
                                      "'iterations':3"))));
    start("one");
    run_all();
    assert_int_equal(world.sent, 1);
    assert_int_equal(step_of(1, "b").attempts, 3);
    assert_int_equal(step_of(1, "b").completed_at, 30);
    assert_contains(step_of(1, "b").error, BLOCKED("t.test:443"));
    close_dags();
}

static void test_aims_refused(void **state)
{
    static const char *const targets[] = {
        "", " ", "t.test", "/path", "ftp://t.test", "http://",
        "http://u@t.test/", "http://u:p@t.test/", "http://t.test/#part"};
    static const char *const entries[] = {
        "10.1.2.3/33", "10.1.2/8", "10.1.2.3/", "x.test/8", "x_y.test",
        "x.test:0", "x.test:65536", "x.test:", "x.test:http", "*", "*.",
        "a*.test", "[2001:db8::1", "[2001:db8::1]:0", "2001:db8::/129",
        "http://", "ftp://x.test", "http://u:p@x.test", "x test"};
    wfs_dag_options options = dag_options();
    char list[128];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof targets / sizeof *targets; i++) {
        options.target = targets[i];
        expect_no_dags(options, WFS_ERR_VALIDATION, "target must ");
    }
    options.target = NULL;
    for (i = 0; i < sizeof entries / sizeof *entries; i++) {
        snprintf(list, sizeof list, "good.test, %s", entries[i]);
        options.allow = list;
        expect_no_dags(options, WFS_ERR_VALIDATION, "allow ");
    }
}

/* --- what is kept of a response */

#define KEPT                                                                  \
    DAG("kept", STEP("good", "https://x.test/200/0/json", "") ","             \
                STEP("bad", "https://x.test/500/0/text",                      \
                     EXPECT("'status':200")) ","                              \
                STEP("none", "https://x.test/error/0/x", ""))

static void assert_details(const char *step, const char *expected)
{
    const char *details = step_of(1, step).details;

    same_text_at(expected,
                 details != NULL ? unquoted(mock_arena, details) : "(none)",
                 step, __LINE__);
}

static void open_kept(wfs_dag_retention retention, size_t size)
{
    wfs_dag_options options = dag_options();

    options.retention = retention;
    options.retention_size = size;
    open_dags_with(options, KEPT);
    start("kept");
    run_all();
    assert_details("none", "(none)");
}

#define BAD_DETAILS(policy)                                                   \
    "{'response':{'status':500,'headers':{'content-type':'text/plain'},"      \
    "'body':'ok'},'retention':{'policy':'" policy "','truncated':false,"      \
    "'contentType':'text/plain','originalBytes':2,'storedBytes':2,"           \
    "'bodyFormat':'text'}}"

static void test_retention(void **state)
{
    (void)state;
    open_kept(WFS_DAG_KEEP_FAILED, 0);
    assert_details("good", "(none)");
    assert_details("bad", BAD_DETAILS("failed-only"));
    close_dags();
    open_kept(WFS_DAG_KEEP_NONE, 0);
    assert_details("good", "(none)");
    assert_details("bad", "(none)");
    close_dags();
    open_kept(WFS_DAG_KEEP_ALL, 0);
    assert_details("good",
                   "{'response':{'status':200,'headers':{'content-type':"
                   "'application/json'},'body':{'id':7,'list':[1,2],'token':"
                   "'t'}},'retention':{'policy':'all','truncated':false,"
                   "'contentType':'application/json','originalBytes':33,"
                   "'storedBytes':33,'bodyFormat':'json'}}");
    assert_details("bad", BAD_DETAILS("all"));
    close_dags();
}

/* A body that is larger is cut, and is text; one that just fits is not. */
static void test_retention_size(void **state)
{
    (void)state;
    open_kept(WFS_DAG_KEEP_ALL, 33);
    assert_non_null(strstr(step_of(1, "good").details, "\"truncated\":false"));
    close_dags();
    open_kept(WFS_DAG_KEEP_ALL, 8);
    assert_details("good",
                   "{'response':{'status':200,'headers':{'content-type':"
                   "'application/json'},'body':'{\\'id\\':7,'},'retention':"
                   "{'policy':'all','truncated':true,'contentType':"
                   "'application/json','originalBytes':33,'storedBytes':8,"
                   "'bodyFormat':'text'}}");
    assert_details("bad", BAD_DETAILS("all"));
    close_dags();
}

/* The whole body is what assertions and extractions see, cut or not; by
 * default 65,536 bytes are kept. */
static char *large_body;

static wfs_status large_send(const wfs_http_request *request,
                             wfs_http_response *response, wfs_error *error)
{
    (void)request;
    (void)error;
    response->status = 200;
    response->body = large_body;
    response->body_size = strlen(large_body);
    return WFS_OK;
}

static void test_large_body(void **state)
{
    wfs_dag_options options = dag_options();
    const wfs_json *details;
    const char *text;
    size_t size;

    (void)state;
    options.retention = WFS_DAG_KEEP_ALL;
    open_dags_with(options,
                   DAG("one", STEP("a", "/", EXPECT("'bodyContains':'zend'"))));
    large_body = repeated('z', 70000);
    strcpy(large_body + 70000 - 3, "end");
    world.on_send = large_send;
    start("one");
    run_all();
    free(large_body);
    assert_step(1, "a", "completed");
    text = step_of(1, "a").details;
    details = wfs_json_parse(mock_arena, text, strlen(text), NULL, NULL);
    wfs_json_string(wfs_json_path(details, "response.body"), &size);
    assert_int_equal(size, 65536);
    assert_shown("70000", wfs_json_path(details, "retention.originalBytes"));
    assert_shown("true", wfs_json_path(details, "retention.truncated"));
    close_dags();
}

/* --- what is evicted, and when */

static bool is_stored(wfs_row_id id)
{
    wfs_dag_execution execution;

    return wfs_dags_execution(world.dags, id, &execution) == WFS_OK;
}

static size_t stored(const char *table)
{
    return wfs_count(wfs_dags_store(world.dags), table);
}

static void test_evict_by_age(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.evict_after = 1000;
    options.evict_every = 100;
    open_dags_with(options, "[" TWO "," DAG("long", STEP("a",
                   "https://x.test/200/900000/text", "")) "]");
    start("long");
    run_until(94);
    start("two");
    run_all();
    assert_true(is_stored(1));
    close_dags();

    open_dags_with(options, "[" TWO "," DAG("long", STEP("a",
                   "https://x.test/200/900000/text", "")) "]");
    start("long");
    run_until(94);
    start("two");               /* over at 100 */
    run_until(1100);
    assert_true(is_stored(2));  /* 1,000 is not more than 1,000 */
    assert_int_equal(stored("dag_variable"), 2);
    run_until(1199);
    assert_true(is_stored(2));
    run_until(1200);
    assert_false(is_stored(2));
    assert_int_equal(stored("dag_step"), 1);
    assert_int_equal(stored("dag_variable"), 0);
    assert_null(wfs_dags_snapshot(world.dags, 2, mock_arena));
    dags_refused(WFS_ERR_ROW_NOT_FOUND, "2",
                 wfs_dags_restart(world.dags, 2, NULL));
    assert_execution(1, "running");
    assert_int_equal(start("two"), 3);
    close_dags();
}

static void test_evict_by_count(void **state)
{
    wfs_dag_options options = dag_options();
    int i;

    (void)state;
    options.evict_above = 3;
    options.max_concurrency = 4;
    open_dags_with(options, "[" DAG("quick", OK_STEP("a")) ","
                   DAG("long", STEP("a", "https://x.test/200/70000/text", ""))
                   "]");
    start("long");
    for (i = 0; i < 4; i++) {
        run_until(10 * i);
        start("quick");
    }
    run_until(59999);
    assert_int_equal(stored("dag_execution"), 5);
    run_until(60000);
    assert_int_equal(stored("dag_execution"), 3);
    assert_true(is_stored(1));
    assert_false(is_stored(2));
    assert_false(is_stored(3));
    assert_true(is_stored(4));
    close_dags();

    options.max_concurrency = 9;
    open_dags_with(options, DAG("long", STEP("a",
                                             "https://x.test/200/70000/text",
                                             "")));
    for (i = 0; i < 8; i++)
        start("long");
    run_until(69999);
    assert_int_equal(stored("dag_execution"), 8);
    run_until(120000);
    assert_int_equal(stored("dag_execution"), 3);
    close_dags();
}

/* Many ended at once: 50 stay, or all. */
static void test_evict_defaults(void **state)
{
    wfs_dag_options options = dag_options();
    int i, all;

    (void)state;
    for (all = 0; all < 2; all++) {
        options.evict_above = all ? SIZE_MAX : 0;
        open_dags_with(options, DAG("quick", OK_STEP("a")));
        for (i = 0; i < 60; i++)
            start("quick");
        forget();
        run_until(60000);
        assert_int_equal(stored("dag_execution"), all ? 60 : 50);
        assert_int_equal(is_stored(10), all);
        assert_true(is_stored(11));
        run_until(1800000);
        assert_true(is_stored(60));
        run_until(1860000);
        assert_int_equal(stored("dag_execution"), 0);
        assert_int_equal(stored("dag_step"), 0);
        close_dags();
    }
}

/* Without a period it is the age itself. */
static void test_evict_exactly(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.evict_after = 5000;
    options.evict_every = -1;
    options.evict_above = SIZE_MAX;
    open_dags_with(options, "[" TWO "," DAG("long", STEP("a",
                   "https://x.test/200/9000/text", "")) "]");
    start("two");               /* over at 6 */
    start("long");
    run_until(5005);
    assert_true(is_stored(1));
    run_until(5006);
    assert_false(is_stored(1));
    assert_int_equal(dag_now(), 5006);
    run_all();
    assert_int_equal(dag_now(), 9000);
    assert_execution(2, "completed");
    close_dags();
}

/* What is paused, or waits, is never evicted. */
static void test_active_stay(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_row_id paused, waits;

    (void)state;
    options.max_concurrency = 1;
    options.evict_above = 1;
    options.evict_after = 10;
    options.evict_every = 10;
    open_dags_with(options, TWO);
    paused = start("two");
    waits = start("two");
    dags_ok(wfs_dags_pause(world.dags, paused, NULL));
    run_until(10000);
    assert_execution(paused, "paused");
    assert_execution(waits, "pending");
    dags_ok(wfs_dags_resume(world.dags, paused, NULL));
    run_until(10007);
    assert_execution(paused, "completed");
    assert_execution(waits, "completed");
    run_until(20000);
    assert_int_equal(stored("dag_execution"), 0);
    close_dags();
}

/* --- slots */

static void test_concurrency(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_row_id id[5];
    bool accepted;
    int i;

    (void)state;
    options.max_concurrency = 2;
    open_dags_with(options, TWO);
    for (i = 0; i < 5; i++)
        id[i] = start("two");
    assert_execution(id[1], "running");
    assert_execution(id[2], "pending");
    dags_ok(wfs_dags_pause(world.dags, id[2], &accepted));
    assert_false(accepted);
    dags_ok(wfs_dags_resume(world.dags, id[2], &accepted));
    assert_false(accepted);
    dags_ok(wfs_dags_cancel(world.dags, id[2], &accepted));
    assert_true(accepted);
    assert_execution(id[2], "pending");
    dags_ok(wfs_dags_pause(world.dags, id[0], &accepted));
    assert_true(accepted);
    forget();
    run_all();
    assert_execution(id[0], "paused");
    assert_execution(id[1], "completed");
    assert_execution(id[2], "cancelled");
    assert_int_equal(execution_of(id[2]).begun_count, 0);
    assert_execution(id[3], "completed");
    assert_int_equal(execution_of(id[3]).completed_at, 12);
    assert_int_equal(execution_of(id[4]).completed_at, 18);
    assert_contains(world.log, "6 #3 execution:started\n"
                               "6 #3 execution:cancelled\n"
                               "6 #4 execution:started\n");
    close_dags();
}

static void test_default_concurrency(void **state)
{
    int i;

    (void)state;
    open_dags(TWO);
    for (i = 0; i < 4; i++)
        start("two");
    assert_execution(3, "running");
    assert_execution(4, "pending");
    close_dags();
}

static void test_control_all(void **state)
{
    size_t count;
    int i;

    (void)state;
    open_dags(TWO);
    for (i = 0; i < 5; i++)
        start("two");
    dags_ok(wfs_dags_pause_all(world.dags, &count));
    assert_int_equal(count, 3);
    dags_ok(wfs_dags_resume_all(world.dags, &count));
    assert_int_equal(count, 0);
    run_all();
    dags_ok(wfs_dags_resume_all(world.dags, &count));
    assert_int_equal(count, 3);
    run_until(6);
    assert_execution(5, "running");
    dags_ok(wfs_dags_cancel_all(world.dags, &count));
    assert_int_equal(count, 2);
    dags_ok(wfs_dags_cancel_all(world.dags, NULL));
    assert_execution(3, "completed");
    assert_execution(4, "cancelled");
    dags_ok(wfs_dags_pause_all(world.dags, &count));
    assert_int_equal(count, 0);
    close_dags();
}

static void test_unknown_control(void **state)
{
    bool accepted = true;

    (void)state;
    open_dags(TWO);
    dags_ok(wfs_dags_pause(world.dags, 0, &accepted));
    assert_false(accepted);
    accepted = true;
    dags_ok(wfs_dags_resume(world.dags, 7, &accepted));
    assert_false(accepted);
    accepted = true;
    dags_ok(wfs_dags_cancel(world.dags, (wfs_row_id)-1, &accepted));
    assert_false(accepted);
    start("two");
    dags_ok(wfs_dags_cancel(world.dags, 1, NULL));
    dags_ok(wfs_dags_cancel(world.dags, 1, &accepted));
    assert_false(accepted);
    close_dags();
}

/* --- the clock */

static void next_is(wfs_status status, int64_t expected)
{
    int64_t time = -1;

    assert_int_equal(wfs_dags_next(world.dags, &time), status);
    if (status == WFS_OK)
        assert_int_equal(time, expected);
}

static void test_clock(void **state)
{
    wfs_row_id id;

    (void)state;
    open_dags(TWO);
    next_is(WFS_DONE, 0);
    run_all();
    assert_int_equal(dag_now(), 0);
    run_until(20);
    assert_int_equal(dag_now(), 20);
    run_until(10);
    assert_int_equal(dag_now(), 20);
    id = start("two");
    next_is(WFS_OK, 25);
    assert_int_equal(dag_now(), 20);
    run_until(24);
    assert_step(id, "a", "running");
    next_is(WFS_OK, 25);
    run_until(25);
    assert_step(id, "a", "completed");
    assert_step(id, "b", "running");
    next_is(WFS_OK, 26);
    run_all();
    assert_int_equal(dag_now(), 26);
    next_is(WFS_DONE, 0);
    run_until(1000);
    assert_int_equal(dag_now(), 1000);
    close_dags();
}

/* What is late is done now, in the order in which it was due. */
static void test_late(void **state)
{
    (void)state;
    open_dags(DAG("one", STEP("a", "https://x.test/200/20/text", "") ","
                         STEP("b", "https://x.test/200/10/text", "") ","
                         STEP("c", "https://x.test/200/30/text", "") ","
                         STEP("d", "https://x.test/200/5/text",
                              AFTER("'a','b'"))));
    start("one");
    forget();
    wfs_clock_set(wfs_dags_clock(world.dags), 25);
    next_is(WFS_OK, 25);
    run_until(15);
    assert_int_equal(dag_now(), 25);
    happened("25 #1 execution:updated b completed\n");
    run_until(25);
    happened("25 #1 execution:updated a completed\n");
    wfs_clock_set(wfs_dags_clock(world.dags), 100);
    run_all();
    happened("100 #1 execution:updated c completed\n"
             "100 #1 execution:updated d running\n"
             "100 GET https://x.test/200/5/text\n"
             "105 #1 execution:updated d completed\n"
             "105 #1 execution:completed\n");
    close_dags();
}

/* Set back, the clock goes through that time again. */
static void test_clock_back(void **state)
{
    (void)state;
    open_dags(TWO);
    run_until(1000);
    start("two");
    wfs_clock_set(wfs_dags_clock(world.dags), -50);
    next_is(WFS_OK, 1005);
    run_until(1000);
    assert_step(1, "a", "running");
    run_all();
    assert_execution(1, "completed");
    assert_int_equal(execution_of(1).completed_at, 1006);
    close_dags();
}

/* At the end of time nothing is due any later. */
static void test_end_of_time(void **state)
{
    wfs_dag_options options = dag_options();

    (void)state;
    options.clock_start = INT64_MAX - 3;
    open_dags_with(options, TWO);
    start("two");
    run_until(INT64_MAX - 1);
    assert_step(1, "a", "running");
    run_all();
    assert_execution(1, "completed");
    assert_true(execution_of(1).completed_at == INT64_MAX);
    close_dags();
}

/* --- transactions and forks */

static void test_rollback(void **state)
{
    sweep_snapshot then;
    wfs_store *store;
    size_t sent;

    (void)state;
    open_dags(TWO);
    store = wfs_dags_store(world.dags);
    start("two");
    run_until(3);
    then = sweep_snapshot_of(store);
    assert_int_equal(wfs_begin(store), WFS_OK);
    start("two");
    run_all();
    assert_execution(1, "completed");
    assert_execution(2, "completed");
    dags_ok(load(DAG("more", OK_STEP("a"))));
    start("more");
    assert_int_equal(wfs_rollback(store), WFS_OK);
    sweep_expect_same(&then, store);
    sweep_drop(&then);
    assert_false(is_stored(2));
    dags_refused(WFS_ERR_SCENARIO_NOT_FOUND, "more",
                 wfs_dags_start(world.dags, "more", NULL, NULL));
    sent = world.sent;
    assert_int_equal(start("two"), 2);
    dags_ok(load(DAG("more", STEP("other", "https://x.test/200/0/x", ""))));
    assert_int_equal(start("more"), 3);
    run_all();
    assert_execution(1, "completed");
    assert_execution(2, "completed");
    assert_step(3, "other", "completed");
    assert_int_equal(world.sent, sent + 4);
    close_dags();
}

static void test_commit(void **state)
{
    wfs_store *store;

    (void)state;
    open_dags(TWO);
    store = wfs_dags_store(world.dags);
    assert_int_equal(wfs_begin(store), WFS_OK);
    start("two");
    run_all();
    assert_int_equal(wfs_begin(store), WFS_OK);
    start("two");
    assert_int_equal(wfs_rollback(store), WFS_OK);
    assert_int_equal(wfs_commit(store), WFS_OK);
    assert_execution(1, "completed");
    assert_false(is_stored(2));
    close_dags();
}

/* The copy of a store stays as it is, and can be read. */
static void test_store_fork(void **state)
{
    wfs_store *copy;
    wfs_row row;

    (void)state;
    open_dags(TWO);
    start("two");
    assert_int_equal(wfs_store_fork(wfs_dags_store(world.dags), &copy),
                     WFS_OK);
    run_all();
    assert_execution(1, "completed");
    assert_int_equal(wfs_get(copy, "dag_execution", 1, &row), WFS_OK);
    assert_string_equal(wfs_row_text(&row, "status"), "running");
    assert_int_equal(wfs_get(copy, "dag_step", 2, &row), WFS_OK);
    assert_string_equal(wfs_row_text(&row, "status"), "pending");
    wfs_store_free(copy);
    close_dags();
}

/* --- memory that runs out: every call can be made again */

static void run_story(void)
{
    wfs_row_id id = 0;
    wfs_status status;
    size_t n = 0;

    do {
        sweep_refuse(&memory, ++n, SWEEP_ONCE);
        status = wfs_dags_start(world.dags, "mixed", NULL, &id);
        sweep_allow(&memory);
    } while (status == WFS_ERR_NO_MEMORY && id == 0);
    n = 0;
    do {
        sweep_refuse(&memory, ++n, SWEEP_ONCE);
        status = wfs_dags_run(world.dags);
        sweep_allow(&memory);
    } while (status == WFS_ERR_NO_MEMORY);
    assert_int_equal(status, WFS_OK);
}

static void test_no_memory(void **state)
{
    wfs_dag_options options = dag_options();
    const char *expected;
    char *log;

    (void)state;
    options.seed = 5;
    open_dags_with(options, MIXED);
    start("mixed");
    run_all();
    log = (char *)malloc(world.size + 1);
    assert_non_null(log);
    memcpy(log, world.log, world.size + 1);
    close_dags();
    open_dags_with(options, MIXED);
    run_story();
    assert_int_equal(world.events, 9);
    assert_execution(1, "completed");
    assert_int_equal(execution_of(1).completed_at, 10);
    expected = strstr(log, "10 #1 execution:completed");
    assert_contains(world.log, expected);
    free(log);
    close_dags();
}

/* --- in a harness */

static wfs_dag_start assessment = {WFS_DAG_ASSESSMENT, NULL};

/* What became of a body's call. */
static struct {
    const char *dag;
    bool break_tick;
    wfs_status status;
    char *result;               /* as text; freed by closing */
} check;

static wfs_status check_body(wfs_run *run, void *user)
{
    const wfs_json *result = NULL;

    (void)user;
    check.status = wfs_run_dag(run, check.dag, &assessment, &result);
    free(check.result);
    check.result = NULL;
    if (result != NULL) {
        const char *text = wfs_json_write(wfs_run_arena(run), result, 0, NULL);

        check.result = (char *)malloc(strlen(text) + 1);
        assert_non_null(check.result);
        strcpy(check.result, text);
    }
    WFS_TRY(check.status);
    if (check.break_tick)
        WFS_TRY(wfs_queue_insert(run, "once",
                                 WFS_FIELDS({"name", wfs_text("same")})));
    return wfs_return(run, result);
}

static wfs_status checks(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "check", check_body, user, NULL, &result));
    return wfs_return(run, wfs_json_get(result, "report"));
}

static wfs_status bodiless(wfs_run *run, void *user)
{
    (void)user;
    return wfs_run_dag(run, "good", NULL, NULL);
}

static const wfs_workflow workflows[] = {
    {.key = "checks", .run = checks}, {.key = "bodiless", .run = bodiless},
    {0}};
static const wfs_column once_columns[] = {{.name = "name", .type = WFS_TEXT},
                                          {0}};
static const wfs_table own_tables[] = {
    {.name = "once", .columns = once_columns, .primary_key = "name"}, {0}};

static const wfs_mock site[] = {
    {.method = "GET", .url = "/slow",
     .response = {.status = 200, .body = "{\"id\":7}", .delay = 40}},
    {.method = "GET", .url = "/item/7",
     .response = {.status = 200, .body = "{}", .delay = 2}},
    {.method = "GET", .url = "/broken", .response = {.status = 500}},
    {0}};
static const wfs_mock_scenario sites[] = {{.id = "default", .mocks = site},
                                          {0}};
static const wfs_mock_options mocks = {.scenarios = sites};

#define SITE_DAGS                                                             \
    "[" DAG("good",                                                           \
            STEP("a", "https://x.test/slow",                                  \
                 EXTRACT("'id':{'from':'body','path':'id'}")) ","             \
            STEP("b", "https://x.test/item/{{id}}", AFTER("'a'")              \
                 EXPECT("'status':200"))) ","                                 \
    DAG("poor", STEP("a", "https://x.test/slow", "") ","                      \
                STEP("b", "https://x.test/broken", EXPECT("'status':200")))   \
    "," DAG("unmocked", STEP("a", "https://x.test/nothing", "")) ","          \
    DAG("long", STEP("a", "https://x.test/slow", TIMES("'delayMs':1000"))     \
        "," STEP("b", "https://x.test/slow", AFTER("'a'")))                   \
    "]"

static wfs_harness *open_site(wfs_dag_options options)
{
    wfs_harness_options how = {.workflows = workflows, .tables = own_tables,
                               .mocks = &mocks, .seed = 3, .dags = &options};
    wfs_harness *harness;

    memset(&world, 0, sizeof world);
    memset(&check, 0, sizeof check);
    mock_arena = wfs_arena_create(NULL);
    assert_non_null(mock_arena);
    options.transport = NULL;
    options.json = quoted(mock_arena, SITE_DAGS);
    harness = open_harness(how);
    world.dags = wfs_harness_dags(harness);
    assert_non_null(world.dags);
    return harness;
}

static void close_site(wfs_harness *harness)
{
    wfs_arena_free(mock_arena);
    mock_arena = NULL;
    world.dags = NULL;
    free(check.result);
    check.result = NULL;
    close_harness(harness);
}

static void test_harness_parts(void **state)
{
    wfs_harness *harness = open_site(dag_options());
    wfs_harness_options plain = {.workflows = workflows};

    (void)state;
    assert_ptr_equal(wfs_dags_store(world.dags), wfs_harness_store(harness));
    assert_ptr_equal(wfs_dags_clock(world.dags), wfs_harness_clock(harness));
    assert_int_equal(stored("dag"), 4);
    assert_int_equal(stored("once"), 0);
    start("good");
    happened("0 #1 execution:started\n"
             "0 #1 execution:updated a running\n");
    run_all();
    assert_int_equal(wfs_harness_clock(harness)->now, 42);
    assert_execution(1, "completed");
    assert_int_equal(stored("mock_request"), 2);
    close_site(harness);
    harness = open_harness(plain);
    assert_null(wfs_harness_dags(harness));
    close_harness(harness);
}

static void test_run_dag(void **state)
{
    wfs_harness *harness = open_site(dag_options());

    (void)state;
    check.dag = "good";
    ok(harness, wfs_create(harness, "checks", "one", NULL, NULL));
    tick(harness, "checks", "one", WFS_REASON_CREATE);
    assert_state(harness, "checks", "one", WFS_INSTANCE_COMPLETE);
    assert_int_equal(check.status, WFS_OK);
    assert_contains(check.result, "\"context\":{\"id\":7}");
    assert_int_equal(wfs_harness_clock(harness)->now, 42);
    assert_json(harness, instance_of(harness, "checks", "one").output,
                "{\"summary\":\"Executed 2 steps. 2 passed.\","
                "\"passed\":true,\"score\":100}");
    assert_execution(1, "completed");
    close_site(harness);
}

/* The attempt fails; what was run is there all the same. */
static void run_dag_fails(const char *dag, const char *name,
                          const char *message, const char *result)
{
    wfs_harness *harness = open_site(dag_options());
    wfs_instance instance;

    check.dag = dag;
    ok(harness, wfs_create(harness, "checks", "one", NULL, NULL));
    tick(harness, "checks", "one", WFS_REASON_CREATE);
    assert_int_equal(check.status, WFS_FAILED);
    instance = instance_of(harness, "checks", "one");
    assert_int_equal(instance.status, WFS_INSTANCE_ERRORED);
    assert_string_equal(instance.error_name, name);
    assert_contains(instance.error_message, message);
    if (result == NULL)
        assert_null(check.result);
    else
        assert_contains(check.result, result);
    assert_int_equal(stored("dag_execution"), result != NULL);
    close_site(harness);
}

static void test_run_dag_fails(void **state)
{
    (void)state;
    run_dag_fails("poor", "DAG_NOT_PASSED", "Executed 2 steps. 1 passed.",
                  "\"score\":50");
    run_dag_fails("unmocked", "DAG_NOT_PASSED", "0 passed.",
                  "\"passed\":false");
    run_dag_fails("ghost", "SCENARIO_NOT_FOUND", "ghost", NULL);
    run_dag_fails(NULL, "SCENARIO_NOT_FOUND", "", NULL);
}

static void pause_started(const wfs_dag_event *event)
{
    if (event->type == WFS_DAG_STARTED)
        dags_ok(wfs_dags_pause(world.dags, event->execution->id, NULL));
}

static void cancel_started(const wfs_dag_event *event)
{
    if (event->type == WFS_DAG_STARTED)
        dags_ok(wfs_dags_cancel(world.dags, event->execution->id, NULL));
}

/* One that does not complete is DAG_FAILED. */
static void test_run_dag_stopped(void **state)
{
    void (*const stops[])(const wfs_dag_event *event) = {pause_started,
                                                        cancel_started};
    static const char *const how[] = {"paused", "cancelled"};
    wfs_harness *harness;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        harness = open_site(dag_options());
        world.on_event = stops[i];
        check.dag = "good";
        ok(harness, wfs_create(harness, "checks", "one", NULL, NULL));
        tick(harness, "checks", "one", WFS_REASON_CREATE);
        assert_string_equal(instance_of(harness, "checks", "one").error_name,
                            "DAG_FAILED");
        assert_contains(instance_of(harness, "checks", "one").error_message,
                        how[i]);
        assert_execution(1, how[i]);
        close_site(harness);
    }
}

static void test_run_dag_misused(void **state)
{
    wfs_harness_options plain = {.workflows = workflows, .tables = own_tables};
    wfs_harness *harness = open_site(dag_options());
    wfs_payload payload;

    (void)state;
    ok(harness, wfs_create(harness, "bodiless", "one", NULL, NULL));
    payload = payload_of(harness, "bodiless", "one", WFS_REASON_CREATE);
    refused(harness, WFS_ERR_MISUSE, "wfs_run_dag",
            wfs_tick(harness, &payload, NULL));
    close_site(harness);
    harness = open_harness(plain);
    check.dag = "good";
    ok(harness, wfs_create(harness, "checks", "one", NULL, NULL));
    payload = payload_of(harness, "checks", "one", WFS_REASON_CREATE);
    refused(harness, WFS_ERR_MISUSE, "wfs_run_dag",
            wfs_tick(harness, &payload, NULL));
    close_harness(harness);
}

/* A tick that fails takes the execution back, with the clock and what the
 * mocks wrote. */
static void test_tick_undone(void **state)
{
    wfs_harness *harness = open_site(dag_options());
    wfs_payload payload;

    (void)state;
    ok(harness, wfs_insert(wfs_harness_store(harness), "once",
                           WFS_FIELDS({"name", wfs_text("same")}), NULL));
    check.dag = "good";
    check.break_tick = true;
    ok(harness, wfs_create(harness, "checks", "one", NULL, NULL));
    payload = payload_of(harness, "checks", "one", WFS_REASON_CREATE);
    refused(harness, WFS_ERR_UNIQUE, "", wfs_tick(harness, &payload, NULL));
    assert_int_equal(check.status, WFS_OK);
    assert_int_equal(stored("dag_execution"), 0);
    assert_int_equal(stored("mock_request"), 0);
    assert_int_equal(wfs_harness_clock(harness)->now, 0);
    check.break_tick = false;
    ok(harness, wfs_tick(harness, &payload, NULL));
    assert_execution(1, "completed");
    close_site(harness);
}

/* It ends when its own execution does, whatever else is under way. */
static void test_run_dag_among_others(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_harness *harness;

    (void)state;
    options.evict_after = 10;
    options.evict_every = -1;
    harness = open_site(options);
    start("long");
    check.dag = "good";
    ok(harness, wfs_create(harness, "checks", "one", NULL, NULL));
    tick(harness, "checks", "one", WFS_REASON_CREATE);
    assert_int_equal(check.status, WFS_OK);
    assert_int_equal(wfs_harness_clock(harness)->now, 42);
    assert_state(harness, "checks", "one", WFS_INSTANCE_COMPLETE);
    assert_execution(1, "running");
    run_all();
    assert_execution(1, "completed");
    assert_int_equal(dag_now(), 1080);
    close_site(harness);
}

/* In the middle of executions, with one that waits, and drawn numbers to come:
 * both go on alike, and do not see each other. */
static void test_harness_fork(void **state)
{
    wfs_dag_options options = dag_options();
    wfs_harness *harness, *fork;
    wfs_error difference;
    int64_t at;

    (void)state;
    options.max_concurrency = 1;
    options.observe = NULL;
    for (at = 0; at <= 1100; at += at < 100 ? 20 : 200) {
        harness = open_site(options);
        start("good");
        start("long");
        run_until(at);
        assert_int_equal(wfs_harness_fork(harness, &fork), WFS_OK);
        run_all();
        dags_ok(load(DAG("more", OK_STEP("a"))));
        start("more");
        assert_int_equal(wfs_harness_clock(fork)->now, at);
        world.dags = wfs_harness_dags(fork);
        assert_int_equal(stored("dag"), 4);
        run_all();
        dags_ok(load(DAG("more", OK_STEP("a"))));
        start("more");
        if (!wfs_store_equal(wfs_harness_store(harness),
                             wfs_harness_store(fork), &difference))
            fail_msg("%s", difference.message);
        assert_int_equal(wfs_harness_clock(fork)->now,
                         wfs_harness_clock(harness)->now);
        assert_true(wfs_harness_random(fork)->state ==
                    wfs_harness_random(harness)->state);
        assert_execution(2, "completed");
        wfs_harness_free(fork);
        close_site(harness);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_syntax_position),
        cmocka_unit_test(test_all_issues),
        cmocka_unit_test(test_all_graph_errors),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_not_an_object),
        cmocka_unit_test(test_load_json),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_groups_judged),
        cmocka_unit_test(test_verdict_of_load),
        cmocka_unit_test(test_start_refused),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_refused),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_steps_listed),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_tables_guarded),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_paused_snapshot),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_are_rows),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_pause_inside),
        cmocka_unit_test(test_resume_inside),
        cmocka_unit_test(test_cancel_inside),
        cmocka_unit_test(test_start_inside),
        cmocka_unit_test(test_restart_inside),
        cmocka_unit_test(test_run_inside),
        cmocka_unit_test(test_rollback_inside),
        cmocka_unit_test(test_transaction_inside),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_no_memory_in_transport),
        cmocka_unit_test(test_refused_draw),
        cmocka_unit_test(test_bare_response),
        cmocka_unit_test(test_transport_reads),
        cmocka_unit_test(test_transport_controls),
        cmocka_unit_test(test_transport_cancels_retries),
        cmocka_unit_test(test_transport_transaction),
        cmocka_unit_test(test_iteration),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_own_random),
        cmocka_unit_test(test_aims),
        cmocka_unit_test(test_refused_before_it_is_sent),
        cmocka_unit_test(test_aims_refused),
        cmocka_unit_test(test_retention),
        cmocka_unit_test(test_retention_size),
        cmocka_unit_test(test_large_body),
        cmocka_unit_test(test_evict_by_age),
        cmocka_unit_test(test_evict_by_count),
        cmocka_unit_test(test_evict_defaults),
        cmocka_unit_test(test_evict_exactly),
        cmocka_unit_test(test_active_stay),
        cmocka_unit_test(test_concurrency),
        cmocka_unit_test(test_default_concurrency),
        cmocka_unit_test(test_control_all),
        cmocka_unit_test(test_unknown_control),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_late),
        cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_end_of_time),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_store_fork),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_harness_parts),
        cmocka_unit_test(test_run_dag),
        cmocka_unit_test(test_run_dag_fails),
        cmocka_unit_test(test_run_dag_stopped),
        cmocka_unit_test(test_run_dag_misused),
        cmocka_unit_test(test_tick_undone),
        cmocka_unit_test(test_run_dag_among_others),
        cmocka_unit_test(test_harness_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
