/* D: steps of HTTP checks as a graph. Executions of one definition are run one
 * after the other, until so many steps have run: a chain of 10 steps, 10 steps
 * that are all begun at once, or a random graph in which a step depends on two
 * earlier ones. Old executions are evicted on the way. Who answers is a
 * function, so that what is measured is the DAGs' work; or the library's own
 * mocks. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "engine.h"
#include "wfscenario.h"

#define URL "https://api.example.com"
#define PATH "/items/%lu"       /* of a step; as a mock's pattern too */
#define STEP "step-%05lu"
#define STEP_ROOM 320           /* bytes of a definition for each step */
#define PATH_ROOM 32

#define TOKEN "\"t-4711\""      /* in every body; extracted by some steps */
#define BODY "{\"id\":17,\"token\":" TOKEN ",\"ready\":true}"
#define EXTRACT_EVERY 4         /* steps */
#define VARIABLE "token_%lu"    /* of a step */
#define NAME_ROOM 32

#define DAG "checks"
#define SEED 1
#define DELAYS 1024             /* latencies, which then come again */
#define MOST_DELAY 9            /* ms */
#define EVICT_EVERY 50          /* ms */

typedef enum dag_shape { CHAIN, FAN, GRAPH } dag_shape;

typedef struct dag_set {
    dag_shape shape;
    size_t steps;
    size_t kept;                /* executions; more are evicted */
    bool asks_mocks;
} dag_set;

typedef struct dags_side {
    const bench_task *task;
    const dag_set *set;
    wfs_dags *dags;
    wfs_mocks *mocks;           /* NULL: the function answers */
    wfs_mock_client client;
    wfs_http_transport transport;
    int64_t delays[DELAYS];
    size_t sent;                /* requests to the function */
    wfs_row_id last;            /* execution */
} dags_side;

static const wfs_http_header is_json[] = {
    {"content-type", "application/json"}, {NULL, NULL}};

/* A big graph is run once at least, and never in part. */
static size_t count_executions(const bench_task *task)
{
    const dag_set *set = (const dag_set *)task->workload->own;

    return (task->n + set->steps - 1) / set->steps;
}

static size_t count_steps(const bench_task *task)
{
    const dag_set *set = (const dag_set *)task->workload->own;

    return count_executions(task) * set->steps;
}

/* --- the definition */

/* JSON text that grows to what was made room for. */
typedef struct definition {
    char *text;
    size_t size, room;
} definition;

static void put(definition *made, const char *format, ...) BENCH_PRINTF(2, 3);

static void put(definition *made, const char *format, ...)
{
    size_t room = made->room - made->size;
    va_list values;
    int size;

    va_start(values, format);
    size = vsnprintf(made->text + made->size, room, format, values);
    va_end(values);
    if (size < 0 || (size_t)size >= room)
        bench_fail("d: a step's definition takes more than %d bytes",
                   STEP_ROOM);
    made->size += (size_t)size;
}

static void put_dependencies(definition *made, dag_shape shape, size_t step,
                             wfs_random *random)
{
    size_t first = step - 1, second = step - 1;

    if (shape == FAN || step == 0)
        return;
    if (shape == GRAPH) {
        first = (size_t)wfs_random_below(random, step);
        second = (size_t)wfs_random_below(random, step);
    }
    put(made, ",\"dependsOn\":[\"" STEP "\"", (unsigned long)first);
    if (second != first)
        put(made, ",\"" STEP "\"", (unsigned long)second);
    put(made, "]");
}

static void put_step(definition *made, dag_shape shape, size_t step,
                     wfs_random *random)
{
    unsigned long number = (unsigned long)step;

    put(made, "%s{\"id\":\"" STEP "\",\"name\":\"Item %lu\",\"stage\":\"read\"",
        step > 0 ? "," : "", number, number);
    put(made, ",\"request\":{\"method\":\"GET\",\"url\":\"" URL PATH "\","
              "\"headers\":{\"Accept\":\"application/json\"}}", number);
    put_dependencies(made, shape, step, random);
    if (step % EXTRACT_EVERY == 0)
        put(made, ",\"extract\":{\"" VARIABLE "\":{\"from\":\"body\","
                  "\"path\":\"token\"}}", number);
    put(made, ",\"expect\":{\"status\":200}}");
}

/* The text is freed by who asked for it. */
static definition define(const dag_set *set)
{
    definition made = {.room = (set->steps + 1) * STEP_ROOM};
    wfs_random random;
    size_t i;

    made.text = (char *)bench_allocate(made.room, 1);
    wfs_random_seed(&random, SEED);
    put(&made, "{\"id\":\"" DAG "\",\"name\":\"Items are there\",\"steps\":[");
    for (i = 0; i < set->steps; i++)
        put_step(&made, set->shape, i, &random);
    put(&made, "]}");
    return made;
}

/* --- who answers */

static wfs_status answer(const wfs_http_request *request, wfs_arena *arena,
                         wfs_http_response *response, wfs_error *error,
                         void *user)
{
    dags_side *side = (dags_side *)user;

    (void)request;
    (void)arena;
    (void)error;
    response->status = 200;
    response->headers = is_json;
    response->body = BODY;
    response->body_size = sizeof BODY - 1;
    response->delay = side->delays[side->sent++ % DELAYS];
    return WFS_OK;
}

static void make_delays(dags_side *side)
{
    wfs_random random;
    size_t i;

    wfs_random_seed(&random, SEED);
    for (i = 0; i < DELAYS; i++)
        side->delays[i] = (int64_t)wfs_random_below(&random, MOST_DELAY + 1);
}

/* A mock for each step. Without a log, which would grow with every request. */
static void create_mocks(dags_side *side)
{
    size_t steps = side->set->steps, i;
    wfs_mock *mocks = (wfs_mock *)bench_allocate(steps + 1, sizeof *mocks);
    char (*paths)[PATH_ROOM] =
        (char (*)[PATH_ROOM])bench_allocate(steps, PATH_ROOM);
    wfs_mock_scenario scenarios[] = {{.id = "default", .mocks = mocks}, {0}};
    wfs_mock_options options = {.scenarios = scenarios,
                                .clock_start = ENGINE_START,
                                .no_log = true};
    wfs_error error;

    for (i = 0; i < steps; i++) {
        snprintf(paths[i], PATH_ROOM, PATH, (unsigned long)i);
        mocks[i].method = "GET";
        mocks[i].url = paths[i];
        mocks[i].response.status = 200;
        mocks[i].response.body = BODY;
        mocks[i].response.headers = is_json;
        mocks[i].response.delay = side->delays[i % DELAYS];
    }
    if (wfs_mocks_create(&options, &side->mocks, &error) != WFS_OK)
        bench_fail("%s: mocks cannot be created: %s",
                   side->task->workload->key, error.message);
    free(paths);
    free(mocks);
}

static void choose_transport(dags_side *side)
{
    make_delays(side);
    if (side->set->asks_mocks) {
        create_mocks(side);
        side->client.mocks = side->mocks;
        side->client.keep_clock = true;
        side->transport = wfs_mock_transport(&side->client);
    } else {
        side->transport.send = answer;
        side->transport.user = side;
    }
}

/* --- making ready */

static void *open_ours(const bench_task *task)
{
    dags_side *side = (dags_side *)bench_allocate(1, sizeof *side);
    wfs_dag_options options = {0};
    definition made;
    wfs_error error;

    side->task = task;
    side->set = (const dag_set *)task->workload->own;
    choose_transport(side);
    made = define(side->set);
    options.json = made.text;
    options.json_size = made.size;
    options.transport = &side->transport;
    options.evict_above = side->set->kept;
    options.evict_every = EVICT_EVERY;
    options.clock_start = ENGINE_START;
    if (wfs_dags_create(&options, &side->dags, &error) != WFS_OK)
        bench_fail("%s: DAGs cannot be created: %s", task->workload->key,
                   error.message);
    free(made.text);
    return side;
}

/* What the last execution's steps have extracted, which is no part of what is
 * measured. */
static void check_variables(const dags_side *side)
{
    char name[NAME_ROOM];
    wfs_value key[2];
    const char *text;
    wfs_row row;
    size_t i;

    key[0] = wfs_integer(side->last);
    for (i = 0; i < side->set->steps; i += EXTRACT_EVERY) {
        snprintf(name, sizeof name, VARIABLE, (unsigned long)i);
        key[1] = wfs_text(name);
        if (wfs_find(wfs_dags_store(side->dags), "dag_variable", "by_name",
                     key, 2, &row) != WFS_OK)
            bench_fail("%s: %s was not extracted", side->task->workload->key,
                       name);
        text = wfs_row_text(&row, "context");
        if (text == NULL || strcmp(text, TOKEN) != 0)
            bench_fail("%s: %s is %s", side->task->workload->key, name,
                       text != NULL ? text : "null");
    }
}

static void close_ours(void *state)
{
    dags_side *side = (dags_side *)state;

    check_variables(side);
    wfs_dags_free(side->dags);
    wfs_mocks_free(side->mocks);
    free(side);
}

/* --- what is measured */

static void check_call(const dags_side *side, wfs_status status)
{
    if (status != WFS_OK)
        bench_fail("%s: %s: %s", side->task->workload->key,
                   wfs_status_name(status),
                   wfs_dags_error(side->dags)->message);
}

static void run_execution(dags_side *side)
{
    wfs_dag_execution ended;

    check_call(side, wfs_dags_start(side->dags, DAG, NULL, &side->last));
    check_call(side, wfs_dags_run(side->dags));
    check_call(side, wfs_dags_execution(side->dags, side->last, &ended));
    if (ended.status != WFS_DAG_COMPLETED ||
        ended.passed_count != side->set->steps)
        bench_fail("%s: execution %lu: %s, %lu of %lu steps passed",
                   side->task->workload->key, (unsigned long)side->last,
                   wfs_dag_status_name(ended.status),
                   (unsigned long)ended.passed_count,
                   (unsigned long)side->set->steps);
}

static void run_ours(void *state)
{
    dags_side *side = (dags_side *)state;
    size_t left;

    for (left = count_executions(side->task); left > 0; left--)
        run_execution(side);
    if (!side->set->asks_mocks && side->sent != count_steps(side->task))
        bench_fail("%s: %lu requests came, not %lu", side->task->workload->key,
                   (unsigned long)side->sent,
                   (unsigned long)count_steps(side->task));
}

#define D(name, what, ...)                                                    \
    const bench_workload bench_##name = {                                     \
        .key = #name,                                                         \
        .title = "HTTP checks as a graph: " what,                             \
        .unit = "step",                                                       \
        .operations = count_steps,                                            \
        .own = &name##_set,                                                   \
        .ours = {open_ours, run_ours, NULL, close_ours},                      \
        __VA_ARGS__                                                           \
    }

static const dag_set d_chain10_set = {CHAIN, 10, 50, false};
static const dag_set d_fan10_set = {FAN, 10, 50, false};
static const dag_set d_graph1000_set = {GRAPH, 1000, 1, false};
static const dag_set d_graph100000_set = {GRAPH, 100000, 1, false};
static const dag_set d_mocks10_set = {CHAIN, 10, 50, true};

D(d_chain10, "a chain of 10 steps", .sizes = {1000, 10000, 100000},
  .least_per_second = 1e6);
D(d_fan10, "10 steps at once", .sizes = {1000, 10000, 100000},
  .least_per_second = 1e6);
D(d_graph1000, "1,000 steps, two dependencies each",
  .sizes = {1000, 10000, 100000, 300000}, .least_per_second = 1e6);
D(d_graph100000, "100,000 steps, two dependencies each",
  .sizes = {100000, 300000}, .least_per_second = 1e6,
  .base = &bench_d_graph1000, .most_times = 1.5);
D(d_mocks10, "a chain of 10 steps against mocks",
  .sizes = {1000, 10000, 100000});
