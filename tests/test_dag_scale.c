/* Graphs of a hundred thousand steps: that they are judged, loaded and run
 * right, in linear time and without recursion. That something is linear is seen
 * by the memory it asks for, by its requests and its events. */
#include <pthread.h>

#include "dag_support.h"

/* How many, where a hundred thousand are too slow: TEST_ROUNDS=5. */
static size_t many(size_t count)
{
    return getenv("TEST_ROUNDS") != NULL ? count / 50 : count;
}

/* --- an allocator that adds up */

typedef struct meter {
    size_t calls, bytes;        /* asked for so far */
    size_t alive;               /* bytes */
} meter;

static void *meter_resize(void *pointer, size_t old_size, size_t new_size,
                          void *user)
{
    meter *sum = (meter *)user;
    void *moved;

    if (new_size == 0) {
        free(pointer);
        sum->alive -= old_size;
        return NULL;
    }
    moved = realloc(pointer, new_size);
    if (moved == NULL)
        return NULL;
    sum->calls++;
    sum->bytes += new_size;
    sum->alive += new_size - old_size;
    return moved;
}

/* --- graphs as text */

typedef enum shape {
    CHAIN,                      /* each depends on the one before */
    FAN,                        /* all depend on the first */
    MESH,                       /* each on two or three drawn ones before */
    WIDE,                       /* the last on all others */
    RING                        /* a chain, closed */
} shape;

static const char *const shape_names[] = {"chain", "fan", "mesh", "wide",
                                          "ring"};

typedef struct text {
    char *data;
    size_t size, room;
} text;

static void put(text *to, const char *format, ...)
{
    va_list arguments;
    int size;

    if (to->room - to->size < 256) {
        to->room = to->room * 2 + 4096;
        to->data = (char *)realloc(to->data, to->room);
        if (to->data == NULL)
            abort();
    }
    va_start(arguments, format);
    size = vsnprintf(to->data + to->size, 256, format, arguments);
    va_end(arguments);
    if (size < 0 || size >= 256)
        abort();
    to->size += (size_t)size;
}

/* When each step of a mesh ends, where each takes 1 ms. */
static int64_t put_mesh_dependencies(text *to, size_t place, int64_t *ends,
                                     wfs_random *random)
{
    size_t count = 2 + (size_t)wfs_random_below(random, 2), i, on;
    int64_t last = 0;

    for (i = 0; i < count; i++) {
        on = (size_t)wfs_random_below(random, place);
        put(to, "%s\"s%lu\"", i != 0 ? "," : "", (unsigned long)on);
        last = ends[on] > last ? ends[on] : last;
    }
    return last;
}

static void put_wide_dependencies(text *to, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        put(to, "%s\"s%lu\"", i != 0 ? "," : "", (unsigned long)i);
}

/* When the last step of all ends. */
static int64_t put_dependencies(text *to, shape form, size_t place,
                                size_t count, int64_t *ends,
                                wfs_random *random)
{
    int64_t since = 0;

    put(to, ",\"dependsOn\":[");
    if (form == RING && place == 0)
        put(to, "\"s%lu\"", (unsigned long)count - 1);
    if (place != 0 && (form == CHAIN || form == RING)) {
        put(to, "\"s%lu\"", (unsigned long)place - 1);
        since = ends[place - 1];
    } else if (place != 0 && form == FAN) {
        put(to, "\"s0\"");
        since = 1;
    } else if (place != 0 && form == MESH) {
        since = put_mesh_dependencies(to, place, ends, random);
    } else if (form == WIDE && place + 1 == count) {
        put_wide_dependencies(to, place);
        since = 1;
    }
    put(to, "]");
    return ends[place] = since + 1;
}

/* A graph; *end: when it is over, where each step takes 1 ms. */
static text graph_of(shape form, size_t count, int64_t *end)
{
    int64_t *ends = (int64_t *)malloc(count * sizeof *ends), ended;
    text to = {NULL, 0, 0};
    wfs_random random;
    size_t i;

    if (ends == NULL)
        abort();
    *end = 0;
    wfs_random_seed(&random, count);
    put(&to, "{\"id\":\"large\",\"name\":\"large\",\"steps\":[");
    for (i = 0; i < count; i++) {
        put(&to, "%s{\"id\":\"s%lu\",\"name\":\"n\",\"stage\":\"s\","
                 "\"request\":{\"method\":\"GET\",\"url\":\"/%lu/{{v}}\"},"
                 "\"extract\":{\"v\":{\"from\":\"status\"}},"
                 "\"expect\":{\"status\":200}",
            i != 0 ? "," : "", (unsigned long)i, (unsigned long)i);
        ended = put_dependencies(&to, form, i, count, ends, &random);
        *end = ended > *end ? ended : *end;
        put(&to, "}");
    }
    put(&to, "]}");
    free(ends);
    return to;
}

/* --- what is done with one */

typedef struct work {
    shape form;
    size_t count;
    wfs_dag_scheduling scheduling;
    meter sum;
    meter judged, loaded, done;     /* the sum after each of these */
    size_t memory;                  /* of the store at the end */
    size_t requests, events, in_order;
    const char *fault;              /* the first that was found */
} work;

static void check(work *job, bool holds, const char *what)
{
    if (!holds && job->fault == NULL)
        job->fault = what;
}

static wfs_status answer(const wfs_http_request *request, wfs_arena *arena,
                         wfs_http_response *response, wfs_error *error,
                         void *user)
{
    work *job = (work *)user;

    (void)arena;
    (void)error;
    job->in_order += strtoul(request->url + 1, NULL, 10) == job->requests;
    job->requests++;
    response->status = 200;
    response->delay = 1;
    return WFS_OK;
}

static void observe(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    (void)dags;
    (void)event;
    ((work *)user)->events++;
}

static void judge(work *job, const text *given, const wfs_allocator *allocator)
{
    wfs_arena *values = wfs_arena_create(NULL);
    wfs_arena *arena = wfs_arena_create(allocator);
    const wfs_json *definition =
        wfs_json_parse(values, given->data, given->size, NULL, NULL);
    wfs_dag_verdict verdict;

    check(job, definition != NULL, "the text is no JSON");
    check(job,
          wfs_dag_validate(arena, definition, job->scheduling, &verdict) ==
              WFS_OK,
          "it could not be judged");
    check(job, verdict.accepted && verdict.warning_count == 0,
          "it was not accepted");
    check(job,
          wfs_json_count(wfs_json_get(verdict.normalized, "steps")) ==
              job->count,
          "steps are missing in what is used of it");
    wfs_arena_free(arena);
    wfs_arena_free(values);
    job->judged = job->sum;
}

static void check_result(work *job, wfs_dags *dags, int64_t end)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    wfs_dag_execution execution;
    wfs_dag_step step;
    const wfs_json *snapshot;

    check(job, wfs_dags_execution(dags, 1, &execution) == WFS_OK &&
                   execution.status == WFS_DAG_COMPLETED,
          "it was not completed");
    check(job, execution.step_count == job->count &&
                   execution.begun_count == job->count &&
                   execution.passed_count == job->count,
          "not all steps were completed");
    check(job, execution.completed_at == end, "it took another time");
    check(job, execution.score == 100, "another score");
    check(job, wfs_dags_step_at(dags, 1, job->count - 1, &step) == WFS_OK &&
                   step.status == WFS_DAG_STEP_COMPLETED &&
                   step.attempts == 1,
          "the last step was not completed");
    snapshot = wfs_dags_snapshot(dags, 1, arena);
    check(job, wfs_json_count(wfs_json_get(snapshot, "steps")) == job->count,
          "the snapshot has not all steps");
    wfs_arena_free(arena);
}

/* Load and run it. */
static void execute(work *job, const text *given, int64_t end,
                    const wfs_allocator *allocator)
{
    wfs_http_transport transport = {answer, job};
    wfs_dag_start how = {WFS_DAG_ASSESSMENT, NULL};
    wfs_dag_options options;
    wfs_dags *dags;

    memset(&options, 0, sizeof options);
    options.allocator = *allocator;
    options.json = given->data;
    options.json_size = given->size;
    options.scheduling = job->scheduling;
    options.transport = &transport;
    options.observe = observe;
    options.user = job;
    if (wfs_dags_create(&options, &dags, NULL) != WFS_OK) {
        check(job, false, "it was not loaded");
        return;
    }
    job->loaded = job->sum;
    check(job, wfs_dags_start(dags, "large", &how, NULL) == WFS_OK &&
                   wfs_dags_run(dags) == WFS_OK,
          "it could not be run");
    job->done = job->sum;
    job->memory = wfs_store_memory(wfs_dags_store(dags));
    check(job, job->requests == job->count, "requests");
    check(job, job->in_order == job->count || job->form == MESH,
          "the order of the requests");
    check(job, job->events == 2 * job->count + 2, "events");
    check_result(job, dags, end);
    wfs_dags_free(dags);
}

static void *do_work(void *user)
{
    work *job = (work *)user;
    wfs_allocator allocator;
    int64_t end;
    text given = graph_of(job->form, job->count, &end);

    allocator.resize = meter_resize;
    allocator.user = &job->sum;
    judge(job, &given, &allocator);
    if (job->fault == NULL)
        execute(job, &given, end, &allocator);
    check(job, job->sum.alive == 0, "memory is missing");
    free(given.data);
    return NULL;
}

/* --- on a small stack: what is deep is no deeper there */

#define SMALL_STACK ((size_t)256 * 1024)

static void on_small_stack(void *(*body)(void *user), work *job)
{
    pthread_attr_t small;
    pthread_t thread;

    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &small, body, job), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&small);
    if (job->fault != NULL)
        fail_msg("%s of %lu: %s", shape_names[job->form],
                 (unsigned long)job->count, job->fault);
}

static work worked(shape form, size_t count, wfs_dag_scheduling scheduling)
{
    work job;

    memset(&job, 0, sizeof job);
    job.form = form;
    job.count = count;
    job.scheduling = scheduling;
    on_small_stack(do_work, &job);
    return job;
}

/* --- ten times the steps need ten times as much */

static void at_most_11_times(const work *job, const char *what, size_t small,
                             size_t large)
{
    if (large > 11 * small)
        fail_msg("%s of %lu: %s grew from %lu to %lu", shape_names[job->form],
                 (unsigned long)job->count, what, (unsigned long)small,
                 (unsigned long)large);
}

static void compare(const work *small, const work *large)
{
    at_most_11_times(large, "allocations to judge it", small->judged.calls,
                     large->judged.calls);
    at_most_11_times(large, "bytes to judge it", small->judged.bytes,
                     large->judged.bytes);
    at_most_11_times(large, "allocations to load it",
                     small->loaded.calls - small->judged.calls,
                     large->loaded.calls - large->judged.calls);
    at_most_11_times(large, "bytes to load it",
                     small->loaded.bytes - small->judged.bytes,
                     large->loaded.bytes - large->judged.bytes);
    at_most_11_times(large, "allocations to run it",
                     small->done.calls - small->loaded.calls,
                     large->done.calls - large->loaded.calls);
    at_most_11_times(large, "bytes to run it",
                     small->done.bytes - small->loaded.bytes,
                     large->done.bytes - large->loaded.bytes);
    at_most_11_times(large, "the store", small->memory, large->memory);
}

static void scale(shape form, wfs_dag_scheduling scheduling)
{
    work small = worked(form, many(10000), scheduling);
    work large = worked(form, many(100000), scheduling);

    compare(&small, &large);
}

static void test_chain(void **state)
{
    (void)state;
    scale(CHAIN, WFS_DAG_WAVES);
}

static void test_fan(void **state)
{
    (void)state;
    scale(FAN, WFS_DAG_REACTIVE);
}

static void test_mesh(void **state)
{
    (void)state;
    scale(MESH, WFS_DAG_WAVES);
}

static void test_wide(void **state)
{
    (void)state;
    scale(WIDE, WFS_DAG_REACTIVE);
}

/* --- a chain that is closed */

/* It is told of with all its steps. */
static void *judge_ring(void *user)
{
    work *job = (work *)user;
    const wfs_dag_verdict *verdict;
    int64_t end;
    text given = graph_of(RING, job->count, &end);
    wfs_dags *dags;

    if (wfs_dags_create(NULL, &dags, NULL) != WFS_OK)
        abort();
    check(job, wfs_dags_load(dags, given.data, given.size) ==
                   WFS_ERR_VALIDATION,
          "it was loaded");
    verdict = wfs_dags_verdict(dags);
    check(job, !verdict->accepted && verdict->error_count == 1 &&
                   strcmp(verdict->errors[0].code, "cycle") == 0,
          "it is no cycle");
    check(job, job->fault != NULL ||
                   strlen(verdict->errors[0].message) > 4 * job->count,
          "steps of the cycle are missing");
    wfs_dags_free(dags);
    free(given.data);
    return NULL;
}

static void test_ring(void **state)
{
    work job;

    (void)state;
    memset(&job, 0, sizeof job);
    job.form = RING;
    job.count = many(100000);
    on_small_stack(judge_ring, &job);
}

/* --- control of what is large */

static wfs_dags *open_large(const text *given, work *job,
                            const wfs_http_transport *transport)
{
    wfs_dag_options options;
    wfs_dags *dags;

    memset(&options, 0, sizeof options);
    options.allocator.resize = meter_resize;
    options.allocator.user = &job->sum;
    options.json = given->data;
    options.json_size = given->size;
    options.transport = transport;
    options.unchecked = true;
    assert_int_equal(wfs_dags_create(&options, &dags, NULL), WFS_OK);
    assert_int_equal(wfs_dags_start(dags, "large", NULL, NULL), WFS_OK);
    return dags;
}

/* All requests in flight fail with a cancel, at once. */
static void test_cancel_wide(void **state)
{
    work job;
    int64_t end;
    text given = graph_of(WIDE, many(100000), &end);
    wfs_http_transport transport = {answer, &job};
    wfs_dag_execution execution;
    wfs_dags *dags;

    (void)state;
    memset(&job, 0, sizeof job);
    dags = open_large(&given, &job, &transport);
    assert_int_equal(job.requests, many(100000) - 1);
    assert_int_equal(wfs_dags_cancel(dags, 1, NULL), WFS_OK);
    assert_int_equal(wfs_dags_execution(dags, 1, &execution), WFS_OK);
    assert_int_equal(execution.status, WFS_DAG_CANCELLED);
    assert_int_equal(execution.begun_count, many(100000) - 1);
    assert_int_equal(execution.passed_count, 0);
    assert_int_equal(wfs_dags_run_until(dags, 10000000), WFS_OK);
    assert_int_equal(wfs_count(wfs_dags_store(dags), "dag_step"), 0);
    wfs_dags_free(dags);
    assert_int_equal(job.sum.alive, 0);
    free(given.data);
}

/* What cannot start fails, and says so. */
static void test_ring_runs(void **state)
{
    work job;
    int64_t end;
    text given = graph_of(RING, many(100000), &end);
    wfs_http_transport transport = {answer, &job};
    wfs_dag_execution execution;
    wfs_dags *dags;

    (void)state;
    memset(&job, 0, sizeof job);
    dags = open_large(&given, &job, &transport);
    assert_int_equal(wfs_dags_execution(dags, 1, &execution), WFS_OK);
    assert_int_equal(execution.status, WFS_DAG_FAILED);
    assert_string_equal(execution.error,
                        "Deadlock detected or invalid dependencies");
    assert_int_equal(job.requests, 0);
    wfs_dags_free(dags);
    assert_int_equal(job.sum.alive, 0);
    free(given.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_fan),
        cmocka_unit_test(test_mesh),
        cmocka_unit_test(test_wide),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_cancel_wide),
        cmocka_unit_test(test_ring_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
