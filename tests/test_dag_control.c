/* Executions that are controlled at every instant: of many drawn graphs, each
 * is run once as it is; then anew for every event and every moment in which
 * something is due, with a pause, a cancel, or a network that breaks down just
 * there. Whatever happened, nothing may be left behind. */
#include "dag_support.h"

/* Fewer where every step is slow: TEST_ROUNDS=5. */
static uint64_t graph_count(void)
{
    return getenv("TEST_ROUNDS") != NULL ? 4 : 200;
}

/* --- drawn graphs */

#define MOST_STEPS 25

static struct {
    char text[16384];           /* with " */
    size_t size;
    uint64_t seed;
    size_t steps;
    wfs_dag_scheduling scheduling;
    wfs_random random;
} graph;

static void put(const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(graph.text + graph.size, sizeof graph.text - graph.size,
                     format, arguments);
    va_end(arguments);
    assert_true(size >= 0 && (size_t)size < sizeof graph.text - graph.size);
    graph.size += (size_t)size;
}

static uint64_t below(uint64_t bound)
{
    return wfs_random_below(&graph.random, bound);
}

static bool chance(uint64_t percent)
{
    return below(100) < percent;
}

static void put_dependencies(size_t place)
{
    const char *comma = "";
    size_t i, spread = 1 + (size_t)below(4);

    if (place == 0 || chance(15))
        return;
    put(",'dependsOn':[");
    for (i = 0; i < spread; i++, comma = ",")
        put("%s's%d'", comma, (int)below(place));
    put("]");
}

static void put_timing(void)
{
    put(",'execution':{'retries':%d,'iterations':%d", (int)below(3),
        chance(20) ? 2 + (int)below(2) : 1);
    if (chance(40))
        put(",'delayMs':%d", (int)below(30));
    if (chance(20))
        put(",'jitter':%d", 1 + (int)below(20));
    put("}");
}

/* Conditions are about any step, also one that is not waited for. */
static void put_condition(void)
{
    int of = (int)below(graph.steps);

    if (!chance(25))
        return;
    put(",'when':{'step':'s%d'", of);
    if (chance(70))
        put(",'succeeded':%s", chance(70) ? "true" : "false");
    if (chance(30))
        put(",'status':%d", chance(60) ? 200 : 500);
    put("}");
}

static void put_group(void)
{
    if (graph.scheduling == WFS_DAG_WAVES || chance(40))
        return;
    if (chance(40))
        put(",'executionMode':'sequential'");
    else if (chance(30))
        put(",'executionMode':'parallel'");
    else
        put(",'executionMode':'parallel','parallelGroup':%d", (int)below(3));
}

static void put_step(size_t place)
{
    put("%s{'id':'s%d','name':'n','stage':'s','request':{'method':'GET',"
        "'url':'/%d/{{v%d}}'}",
        place != 0 ? "," : "", (int)place, (int)place, (int)below(3));
    put_dependencies(place);
    put_timing();
    put_condition();
    put_group();
    if (chance(40))
        put(",'extract':{'v%d':{'from':'status'}}", (int)below(3));
    if (chance(70))
        put(",'expect':{'status':200}");
    put("}");
}

/* The graph of a seed, and one that waits for the slot of the first. */
static void draw_graph(uint64_t seed)
{
    static const wfs_dag_scheduling schedulings[] = {
        WFS_DAG_WAVES, WFS_DAG_REACTIVE, WFS_DAG_BY_DEFINITION};
    size_t i;

    memset(&graph, 0, sizeof graph);
    graph.seed = seed;
    wfs_random_seed(&graph.random, seed);
    graph.scheduling = schedulings[below(3)];
    graph.steps = 2 + (size_t)below(MOST_STEPS - 1);
    put("[{'id':'drawn','name':'drawn','steps':[");
    for (i = 0; i < graph.steps; i++)
        put_step(i);
    put("]}," DAG("next", STEP("only", "/next", "")) "]");
    for (i = 0; i < graph.size; i++)
        if (graph.text[i] == '\'')
            graph.text[i] = '"';
}

/* --- one run of it */

typedef enum act {
    ACT_NONE,
    ACT_CANCEL,
    ACT_PAUSE,                  /* and resume when it is quiet */
    ACT_PAUSE_CANCEL,           /* and cancel when it is quiet */
    ACT_BREAK                   /* no request is answered any more */
} act;

static const char *const act_names[] = {"nothing", "cancel", "pause, resume",
                                        "pause, cancel", "no network"};

static struct {
    act what;
    size_t at;                  /* the instant, or the request, from 1 */
    wfs_row_id id;
    size_t instants, requests;
    size_t asked[MOST_STEPS];   /* requests of each step */
    bool accepted, resumed;
    size_t requests_then;       /* when it was controlled */
    size_t begun_then;          /* likewise; SIZE_MAX: steps were being begun */
    bool active_then[MOST_STEPS];   /* steps that ran when it was cancelled */
    size_t events;              /* of that execution */
    wfs_dag_status last;        /* event's */
} run;

static void wrong(const char *what)
{
    fail_msg("graph %lu, %s at %lu: %s\n%s", (unsigned long)graph.seed,
             act_names[run.what], (unsigned long)run.at, what, graph.text);
}

static void must(bool holds, const char *what)
{
    if (!holds)
        wrong(what);
}

static void note_active(void)
{
    wfs_dag_step step;
    size_t i;

    for (i = 0; i < graph.steps; i++) {
        dags_ok(wfs_dags_step_at(world.dags, run.id, i, &step));
        run.active_then[i] = step.status == WFS_DAG_STEP_RUNNING;
    }
}

typedef wfs_status (*controller)(wfs_dags *dags, wfs_row_id id, bool *accepted);

static void control(controller how, bool inside)
{
    bool runs = execution_of(run.id).status == WFS_DAG_RUNNING;
    bool ends = execution_of(run.id).completed_at != WFS_NO_TIME;

    run.requests_then = run.requests;
    run.begun_then = inside ? SIZE_MAX : execution_of(run.id).begun_count;
    if (how == wfs_dags_cancel)
        note_active();
    dags_ok(how(world.dags, run.id, &run.accepted));
    if (how == wfs_dags_pause)
        must(run.accepted == runs, "a pause is for what runs");
    else
        must(run.accepted == !ends, "a cancel is for what has not ended");
}

/* Inside of an event, or a moment in which something is due. */
static void instant(bool inside)
{
    run.instants++;
    if (run.what == ACT_BREAK || run.instants != run.at)
        return;
    if (run.what == ACT_CANCEL)
        control(wfs_dags_cancel, inside);
    else if (run.what != ACT_NONE)
        control(wfs_dags_pause, inside);
}

static void observe(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    (void)user;
    must(dags == world.dags, "other DAGs");
    if (event->execution->id != run.id)
        return;
    must(run.last != WFS_DAG_COMPLETED && run.last != WFS_DAG_CANCELLED &&
             run.last != WFS_DAG_FAILED,
         "an event after the end");
    run.last = event->execution->status;
    run.events++;
    instant(true);
}

/* The answer depends on the step and on how often it asked, not on when. */
static wfs_status answer(const wfs_http_request *request, wfs_arena *arena,
                         wfs_http_response *response, wfs_error *error,
                         void *user)
{
    const wfs_dag_step *sending = wfs_dags_sending(world.dags);
    wfs_random random;

    (void)request;
    (void)arena;
    (void)user;
    if (sending->execution != run.id) {
        response->status = 200;
        return WFS_OK;
    }
    run.requests++;
    wfs_random_seed(&random, graph.seed * 1000 + sending->place * 37 +
                                 run.asked[sending->place]++);
    response->delay = (int64_t)wfs_random_below(&random, 51);
    if (wfs_random_below(&random, 3) == 0)
        response->delay = 0;
    response->status = wfs_random_below(&random, 4) == 0 ? 500 : 200;
    if ((run.what == ACT_BREAK && run.requests >= run.at) ||
        wfs_random_below(&random, 7) == 0) {
        strcpy(error->message, "no network");
        return WFS_ERR_HANDLER;
    }
    return WFS_OK;
}

static void open_graph(act what, size_t at)
{
    static const wfs_http_transport transport = {answer, NULL};
    wfs_dag_options options;

    memset(&options, 0, sizeof options);
    memset(&run, 0, sizeof run);
    run.what = what;
    run.at = at;
    run.id = 1;
    options.json = graph.text;
    options.scheduling = graph.scheduling;
    options.max_concurrency = 1;
    options.transport = &transport;
    options.observe = observe;
    options.seed = graph.seed;
    options.retention = WFS_DAG_KEEP_ALL;
    open_dags_with(options, NULL);
}

/* Step by step until nothing waits. */
static void go_on(void)
{
    int64_t due;
    wfs_status status;

    while ((status = wfs_dags_next(world.dags, &due)) == WFS_OK) {
        if (execution_of(run.id).completed_at == WFS_NO_TIME)
            instant(false);
        dags_ok(wfs_dags_run_until(world.dags, due));
    }
    must(status == WFS_DONE, "what is due next cannot be told");
}

static void check_none_begun(void)
{
    must(run.begun_then == SIZE_MAX ||
             execution_of(run.id).begun_count == run.begun_then,
         "a step was begun after that");
}

/* What was paused is resumed, or cancelled. */
static void finish_pause(void)
{
    bool accepted;

    if (execution_of(run.id).status != WFS_DAG_PAUSED) {
        must(!run.accepted || execution_of(run.id).status == WFS_DAG_COMPLETED,
             "a pause was lost");
        return;
    }
    must(execution_of(2).status == WFS_DAG_PENDING, "a pause gave its slot");
    check_none_begun();
    if (run.what == ACT_PAUSE)
        dags_ok(wfs_dags_resume(world.dags, run.id, &accepted));
    else
        dags_ok(wfs_dags_cancel(world.dags, run.id, &accepted));
    must(accepted, "it cannot be resumed");
    run.resumed = true;
    run.requests_then = run.requests;
    go_on();
}

/* --- what must hold at the end */

static bool is_null(const wfs_row *row, const char *column)
{
    return wfs_row_value(row, column).type == WFS_NULL;
}

/* Counts over the steps of an execution. */
typedef struct tally {
    size_t steps, begun, ended, passed, pending;
    uint64_t begun_orders, ended_orders;    /* as bits */
} tally;

static void check_nothing_left(const wfs_row *row)
{
    must(is_null(row, "timer"), "something is due");
    must(is_null(row, "inFlight") && is_null(row, "failure"),
         "something is in flight");
    must(is_null(row, "response"), "a response is kept");
    must(is_null(row, "request"), "a request is kept");
}

static void check_step(const wfs_row *row, tally *sum)
{
    const char *status = wfs_row_text(row, "status");
    bool pending = strcmp(status, "pending") == 0;
    bool skipped = strcmp(status, "skipped") == 0;
    bool completed = strcmp(status, "completed") == 0;

    check_nothing_left(row);
    must(strcmp(status, "running") != 0, "a step is running");
    must(is_null(row, "begun") == pending && is_null(row, "ended") == pending,
         "begun and ended are not what the status says");
    must(is_null(row, "startedAt") == (pending || skipped) &&
             is_null(row, "completedAt") == (pending || skipped),
         "times are not what the status says");
    must(wfs_row_integer(row, "startedAt") <=
             wfs_row_integer(row, "completedAt"),
         "it ended before it began");
    must((wfs_row_integer(row, "attempts") == 0) == (pending || skipped),
         "attempts are not what the status says");
    must(is_null(row, "error") == (strcmp(status, "failed") != 0),
         "an error is for what has failed");
    must(!completed || !is_null(row, "details"), "no details");
    sum->steps++;
    sum->pending += pending;
    sum->passed += completed;
    if (pending)
        return;
    sum->begun++;
    sum->begun_orders |= UINT64_C(1) << wfs_row_integer(row, "begun");
    sum->ended_orders |= UINT64_C(1) << wfs_row_integer(row, "ended");
}

static tally check_steps(wfs_row_id execution)
{
    wfs_value of = wfs_integer(execution);
    wfs_query query = {.table = "dag_step", .index = "by_execution",
                       .equal = &of, .equal_count = 1};
    wfs_cursor *cursor;
    tally sum;
    wfs_row row;

    memset(&sum, 0, sizeof sum);
    dags_ok(wfs_cursor_open(wfs_dags_store(world.dags), &query, &cursor));
    while (wfs_cursor_next(cursor, &row) == WFS_OK)
        check_step(&row, &sum);
    wfs_cursor_close(cursor);
    return sum;
}

static void check_execution(wfs_row_id id, size_t steps)
{
    wfs_store *store = wfs_dags_store(world.dags);
    uint64_t all;
    tally sum = check_steps(id);
    wfs_row row;

    must(wfs_get(store, "dag_execution", id, &row) == WFS_OK, "it is gone");
    must(execution_of(id).completed_at != WFS_NO_TIME, "it has not ended");
    must(is_null(&row, "open") && is_null(&row, "waiting"), "it is open");
    must(is_null(&row, "freshStep"), "a step is half begun");
    must(sum.steps == steps && wfs_row_integer(&row, "activeCount") == 0,
         "steps are active");
    must(wfs_row_integer(&row, "pendingCount") == (int64_t)sum.pending,
         "pendingCount");
    must(wfs_row_integer(&row, "begunCount") == (int64_t)sum.begun,
         "begunCount");
    must(wfs_row_integer(&row, "endedCount") == (int64_t)sum.begun,
         "endedCount");
    must(wfs_row_integer(&row, "passedCount") == (int64_t)sum.passed,
         "passedCount");
    all = (UINT64_C(1) << sum.begun) - 1;
    must(sum.begun_orders == all && sum.ended_orders == all,
         "orders have gaps");
    must(sum.pending == 0 || execution_of(id).status == WFS_DAG_CANCELLED,
         "steps were left out");
}

/* After a cancel nothing is begun or sent, and what was under way is over. */
static void check_cancelled(void)
{
    wfs_dag_step step;
    size_t i;

    check_none_begun();
    must(run.requests == run.requests_then,
         "requests were sent after a cancel");
    for (i = 0; i < graph.steps; i++) {
        dags_ok(wfs_dags_step_at(world.dags, run.id, i, &step));
        must(!run.active_then[i] || step.status == WFS_DAG_STEP_CANCELLED,
             "a step that ran was not cancelled");
    }
}

/* How the controlled execution must have ended. */
static void check_end(void)
{
    wfs_dag_status status = execution_of(run.id).status;
    bool cancels = run.accepted && (run.what == ACT_CANCEL ||
                                    (run.what == ACT_PAUSE_CANCEL &&
                                     run.resumed));
    wfs_row row;

    must(status == (cancels ? WFS_DAG_CANCELLED : WFS_DAG_COMPLETED),
         "it ended in another way");
    if (cancels)
        check_cancelled();
    must(wfs_get(wfs_dags_store(world.dags), "dag_execution", run.id, &row) ==
                 WFS_OK &&
             wfs_row_integer(&row, "eventCount") == (int64_t)run.events,
         "not every event was told");
    must(execution_of(2).status == WFS_DAG_COMPLETED &&
             execution_of(2).passed_count == 1,
         "the next execution did not run");
    must(wfs_get(wfs_dags_store(world.dags), "dag_queue", 1, &row) == WFS_OK &&
             wfs_row_integer(&row, "slots") == 0,
         "a slot is taken");
    must(wfs_count(wfs_dags_store(world.dags), "dag_timer") == 0,
         "a timer is left");
}

/* What became of the steps, as text. */
static void note_results(char *results)
{
    wfs_dag_step step;
    size_t i;

    results[0] = '\0';
    for (i = 0; i < graph.steps; i++) {
        dags_ok(wfs_dags_step_at(world.dags, run.id, i, &step));
        sprintf(results + strlen(results), "%s %d\n",
                wfs_dag_step_status_name(step.status), (int)step.attempts);
    }
}

#define RESULTS_SIZE (MOST_STEPS * 32)

static void run_graph(act what, size_t at, char *results)
{
    open_graph(what, at);
    start("drawn");
    start("next");
    go_on();
    if (what == ACT_PAUSE || what == ACT_PAUSE_CANCEL)
        finish_pause();
    check_execution(1, graph.steps);
    check_execution(2, 1);
    check_end();
    note_results(results);
    close_dags();
}

/* --- the tests */

/* Totals, so that a drawing of dull graphs would be seen. */
static struct {
    size_t runs, accepted, resumed, whole;
} total;

/* In waves a pause changes no more than when things happen. */
static void control_graph(void)
{
    char results[RESULTS_SIZE], controlled[RESULTS_SIZE];
    size_t instants, requests, k;
    act what;

    run_graph(ACT_NONE, 0, results);
    instants = run.instants;
    requests = run.requests;
    for (what = ACT_CANCEL; what <= ACT_PAUSE_CANCEL;
         what = (act)((int)what + 1))
        for (k = 1; k <= instants; k++) {
            run_graph(what, k, controlled);
            total.runs++;
            total.accepted += run.accepted;
            total.resumed += run.resumed;
            if (what == ACT_PAUSE && graph.scheduling == WFS_DAG_WAVES)
                must(strcmp(results, controlled) == 0,
                     "a pause changed what came of the steps");
        }
    for (k = 1; k <= requests; k++) {
        run_graph(ACT_BREAK, k, controlled);
        total.runs++;
    }
    total.whole++;
}

static void test_every_instant(void **state)
{
    uint64_t seed;

    (void)state;
    memset(&total, 0, sizeof total);
    for (seed = 1; seed <= graph_count(); seed++) {
        draw_graph(seed);
        control_graph();
    }
    assert_int_equal(total.whole, graph_count());
    assert_true(total.runs > 40 * total.whole);
    assert_true(total.accepted > 20 * total.whole);
    assert_true(total.resumed > 10 * total.whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_instant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
