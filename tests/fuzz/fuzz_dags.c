/* Definitions of DAGs, and their executions. For libFuzzer, which
 * tests/fuzz/run.sh runs, with seeds; or by hand:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -I. \
 *         tests/fuzz/fuzz_dags.c -o fuzz_dags && ./fuzz_dags -max_len=4096
 *
 * The input: a definition, the target, the allow-list, the body of responses,
 * and their headers ("name: value|name: value"), with a NUL after each; then
 * bytes that say how: six for the options (see options_of), and dice for what
 * the transport answers and for what happens between two events.
 *
 * The definition is judged, and loaded checked and unchecked; what is refused
 * must have changed nothing. Its executions must come to their ends, or wait
 * for a resume; what they tell must be readable, and what they tell of changes
 * must be all of them; a run that is rolled back must leave nothing behind, and
 * the same run must end the same. */
#include <stdlib.h>
#include <string.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST_ATTEMPTS 100.0     /* of one execution: more is not tried */
#define MOST_HEADERS 8
#define MOST_NEW 4              /* executions that are started on the way */
#define MOST_EXECUTIONS 16

typedef struct input {
    const char *definition, *target, *allow, *body;
    size_t body_size;
    wfs_http_header headers[MOST_HEADERS + 1];
    const uint8_t *bits;
    size_t bit_count;
} input;

/* One run, and what it has told so far. */
typedef struct run {
    const input *in;
    size_t at;                  /* dice thrown */
    size_t started;
    bool quiet;                 /* nothing happens between events any more */
    bool has_twins;
    uint64_t heard;             /* a hash of all requests and messages */
    wfs_arena *arena;
    wfs_json *known[MOST_EXECUTIONS];   /* as who follows the messages has it */
    const wfs_json *context[MOST_EXECUTIONS];   /* at the last event */
} run;

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* --- the input */

/* The text up to the next NUL; what is left of the input starts after it. */
static char *next_text(char **at, char *end)
{
    char *text = *at;

    *at += strlen(text) + (text + strlen(text) < end ? 1 : 0);
    return text;
}

static void read_headers(input *in, char *text)
{
    size_t count = 0;
    char *next, *colon;

    for (; text != NULL && count < MOST_HEADERS; text = next) {
        next = strchr(text, '|');
        if (next != NULL)
            *next++ = '\0';
        colon = strchr(text, ':');
        if (colon == NULL)
            continue;
        *colon = '\0';
        in->headers[count].name = text;
        in->headers[count++].value = colon + 1;
    }
}

static void read_input(input *in, char *text, size_t size)
{
    char *at = text, *end = text + size;

    memset(in, 0, sizeof *in);
    in->definition = next_text(&at, end);
    in->target = next_text(&at, end);
    in->allow = next_text(&at, end);
    in->body = next_text(&at, end);
    in->body_size = strlen(in->body);
    read_headers(in, next_text(&at, end));
    in->bits = (const uint8_t *)at;
    in->bit_count = (size_t)(end - at);
}

static uint8_t option_bits(const input *in, size_t place)
{
    return place < in->bit_count ? in->bits[place] : 0;
}

#define OPTION_COUNT 6

/* A number below a bound: the input's bytes from the options on, over and over,
 * each time other ones. */
static size_t throw_die(run *self, size_t bound)
{
    const input *in = self->in;
    size_t at = self->at++, count = in->bit_count;

    if (count <= OPTION_COUNT)
        return 0;
    count -= OPTION_COUNT;
    return (in->bits[OPTION_COUNT + at % count] + 31 * (at / count)) % bound;
}

static void hear(run *self, const char *text, size_t size)
{
    self->heard = wfsi_hash_bytes(self->heard + size, text, size);
}

static void hear_text(run *self, const char *text)
{
    hear(self, text, strlen(text));
}

/* --- what is told */

/* It is written as text that reads back the same. Infinite numbers, which
 * JavaScript makes of 1e400, are written as 1e999, which only it reads. */
static void check_json(run *self, const wfs_json *value)
{
    const wfs_json *again;
    const char *text;
    wfs_limits any;
    size_t size;

    must(value != NULL);
    memset(&any, 0xFF, sizeof any);
    text = wfs_json_write(self->arena, value, 0, &size);
    must(text != NULL);
    again = wfs_json_parse(self->arena, text, size, &any, NULL);
    if (again == NULL && strstr(text, "1e999") != NULL)
        must(wfsi_json_build_js(self->arena, text, size, &any, NULL) != NULL);
    else
        must(again != NULL && wfs_json_equal(value, again));
    hear(self, text, size);
}

/* A step's result in a list, or a new one at its end. */
static wfs_json *known_step(run *self, wfs_json *steps, const wfs_json *id)
{
    wfs_json *step;
    size_t i;

    for (i = 0; i < wfs_json_count(steps); i++) {
        step = (wfs_json *)wfs_json_at(steps, i);
        if (wfs_json_equal(wfs_json_get(step, "stepId"), id))
            return step;
    }
    step = wfs_json_new_object(self->arena);
    must(wfs_json_append(self->arena, steps, step) != NULL);
    return step;
}

/* What has changed comes to what was known. */
static void apply_changes(run *self, wfs_json *known, const wfs_json *changes)
{
    const wfs_json *steps = wfs_json_get(changes, "steps"), *from;
    wfs_json *to;
    size_t i, j;

    for (i = 0; i < wfs_json_count(steps); i++) {
        from = wfs_json_at(steps, i);
        to = known_step(self, (wfs_json *)wfs_json_get(known, "steps"),
                        wfs_json_get(from, "stepId"));
        for (j = 0; j < wfs_json_count(from); j++) {
            const char *key = wfs_json_key_at(from, j, NULL);

            must(wfs_json_set(self->arena, to, key, wfs_json_at(from, j)) !=
                 NULL);
        }
    }
    if (wfs_json_get(changes, "context") != NULL)
        must(wfs_json_set(self->arena, known, "context",
                          wfs_json_get(changes, "context")) != NULL);
}

/* Who has followed all messages knows what the snapshot says, but of the
 * context, of which a change is told with the event that follows. */
static void check_known(run *self, wfs_row_id id, wfs_json *whole)
{
    const wfs_json *known = wfs_json_get(self->known[id], "context");
    const wfs_json *now = wfs_json_get(whole, "context");

    must(wfs_json_equal(known, self->context[id]) ||
         wfs_json_equal(known, now));
    self->context[id] = now;
    must(wfs_json_set(self->arena, whole, "context", known) != NULL);
    must(self->has_twins || wfs_json_equal(self->known[id], whole));
}

static void follow(run *self, wfs_dags *dags, const wfs_dag_event *event)
{
    const wfs_json *message = wfs_dags_message(dags, event, self->arena);
    wfs_row_id id = event->execution->id;
    wfs_json *whole = wfs_dags_snapshot(dags, id, self->arena);
    const wfs_json *payload = wfs_json_get(message, "payload");

    check_json(self, message);
    check_json(self, whole);
    must(id < MOST_EXECUTIONS);
    if (event->type != WFS_DAG_UPDATED) {
        must(wfs_json_equal(payload, whole));
        self->known[id] = wfs_json_copy(self->arena, whole);
        self->context[id] = wfs_json_get(whole, "context");
        return;
    }
    must(self->known[id] != NULL);
    apply_changes(self, self->known[id], wfs_json_get(payload, "changes"));
    check_known(self, id, whole);
}

/* --- what happens on the way */

/* Id of the first definition; NULL when it cannot be named. */
static const char *loaded_id(wfs_dags *dags)
{
    wfs_value id;
    wfs_row row;

    if (wfs_get(wfs_dags_store(dags), "dag", 1, &row) != WFS_OK)
        return NULL;
    id = wfs_row_value(&row, "dagId");
    return strlen(id.text) == id.size ? id.text : NULL;
}

/* What the transport or who watches does with the executions. */
static void interfere(run *self, wfs_dags *dags, wfs_row_id id, bool inside)
{
    wfs_dag_start assessed = {.mode = WFS_DAG_ASSESSMENT, .trigger = "[0.1]"};
    size_t what = throw_die(self, 24);
    wfs_row_id other = id + (wfs_row_id)throw_die(self, 3) - 1;

    if (self->quiet)
        return;
    if (what == 1)
        must(wfs_dags_pause(dags, other, NULL) == WFS_OK);
    else if (what == 2)
        must(wfs_dags_resume(dags, other, NULL) == WFS_OK);
    else if (what == 3)
        must(wfs_dags_cancel(dags, other, NULL) == WFS_OK);
    else if (what == 4)
        must(wfs_dags_pause_all(dags, NULL) == WFS_OK);
    else if (what == 5)
        must(wfs_dags_resume_all(dags, NULL) == WFS_OK);
    else if (what == 6)
        must(wfs_dags_cancel_all(dags, NULL) == WFS_OK);
    else if (what == 7 && self->started++ < MOST_NEW)
        must(wfs_dags_restart(dags, id, NULL) == WFS_OK);
    else if (what == 8 && self->started++ < MOST_NEW)
        must(wfs_dags_start(dags, loaded_id(dags), &assessed, NULL) == WFS_OK);
    else if (what == 9 && inside)
        must(wfs_dags_run(dags) == WFS_ERR_MISUSE);
}

static void write_nowhere(const char *text, size_t size, void *user)
{
    hear((run *)user, text, size);
}

static void observe(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    run *self = (run *)user;
    wfs_report_options report = {.verbosity = WFS_VERBOSE};

    report.writer.write = write_nowhere;
    report.writer.user = self;
    must(event->time == wfs_clock_now(wfs_dags_clock(dags)));
    must((event->step != NULL) == (event->type == WFS_DAG_UPDATED));
    hear_text(self, wfs_dag_event_name(event->type));
    follow(self, dags, event);
    wfs_report_dag(dags, event, &report);
    interfere(self, dags, event->execution->id, true);
}

static double draw(void *user)
{
    return (double)throw_die((run *)user, 256) / 256;
}

/* --- the transport */

static const char *const bodies[] = {
    "", "null", "{\"a\":{\"b\":[1,\"two\",{\"c\":null}]},\"1\":1e999}", "[[],0]",
    "\"\\ud800\"", "{\"a\":", "\xEF\xBB\xBF{}", "caf\xC3"};

static const int statuses[] = {200, 200, 201, 204, 302, 403, 404, 429, 500,
                               0, -7, 2147483647};

static const int64_t latencies[] = {0, 0, 0, 1, 10, 10, 250, 60000, -1,
                                    INT64_MAX};

static const wfs_http_header json_type[] = {
    {"Content-Type", "application/json; charset=utf-8"}, {NULL, NULL}};

static void answer(run *self, wfs_http_response *response)
{
    size_t body = throw_die(self, 2 * WFSI_COUNT(bodies));

    response->status = statuses[throw_die(self, WFSI_COUNT(statuses))];
    response->headers = throw_die(self, 3) == 0 ? json_type
                                                : self->in->headers;
    response->body = self->in->body;
    response->body_size = self->in->body_size;
    if (body < WFSI_COUNT(bodies)) {
        response->body = bodies[body];
        response->body_size = strlen(bodies[body]);
    }
}

static wfs_status send(const wfs_http_request *request, wfs_arena *arena,
                       wfs_http_response *response, wfs_error *error,
                       void *user)
{
    run *self = (run *)user;
    size_t i;

    must(wfs_arena_allocate(arena, 8) != NULL);
    hear_text(self, request->method);
    hear_text(self, request->url);
    for (i = 0; request->headers != NULL && request->headers[i].name != NULL;
         i++)
        hear_text(self, request->headers[i].value);
    if (request->body != NULL)
        hear(self, request->body, request->body_size);
    response->delay = latencies[throw_die(self, WFSI_COUNT(latencies))];
    switch (throw_die(self, 8)) {
    case 1:
        strcpy(error->message, "connection refused \xFF");
        return WFS_ERR_HANDLER;
    case 2:
        return WFS_ERR_NO_MOCK_FOUND;
    default:
        answer(self, response);
        return WFS_OK;
    }
}

/* The transport has to know its DAGs, which are made after it. */
typedef struct line {
    run *self;
    wfs_dags *dags;
} line;

static wfs_status send_over(const wfs_http_request *request, wfs_arena *arena,
                            wfs_http_response *response, wfs_error *error,
                            void *user)
{
    const line *over = (const line *)user;
    const wfs_dag_step *step = wfs_dags_sending(over->dags);

    must(step != NULL && step->status == WFS_DAG_STEP_RUNNING &&
         step->attempts > 0);
    interfere(over->self, over->dags, step->execution, true);
    return send(request, arena, response, error, over->self);
}

/* --- at rest */

static int64_t slots_of(wfs_dags *dags)
{
    wfs_row row;

    must(wfs_get(wfs_dags_store(dags), "dag_queue", 1, &row) == WFS_OK);
    return wfs_row_integer(&row, "slots");
}

/* How many rows of a table have a value in a column. */
static int64_t count_of(wfs_dags *dags, const char *table, const char *column)
{
    wfs_query query = {.table = table};
    wfs_cursor *cursor;
    int64_t count = 0;
    wfs_row row;

    must(wfs_cursor_open(wfs_dags_store(dags), &query, &cursor) == WFS_OK);
    while (wfs_cursor_next(cursor, &row) == WFS_OK)
        count += wfs_row_value(&row, column).type != WFS_NULL;
    wfs_cursor_close(cursor);
    return count;
}

static void check_steps(wfs_dags *dags, const wfs_dag_execution *execution)
{
    size_t begun = 0, passed = 0, i;
    wfs_dag_step step;

    for (i = 0; wfs_dags_step_at(dags, execution->id, i, &step) == WFS_OK;
         i++) {
        must(step.status != WFS_DAG_STEP_RUNNING);
        begun += step.status != WFS_DAG_STEP_PENDING;
        passed += step.status == WFS_DAG_STEP_COMPLETED;
        must(step.status == WFS_DAG_STEP_PENDING ||
             step.status == WFS_DAG_STEP_SKIPPED ||
             (step.started_at != WFS_NO_TIME &&
              step.completed_at >= step.started_at));
    }
    must(begun == execution->begun_count && passed == execution->passed_count);
}

/* Everything has ended, or waits for a resume, or behind what does. How many
 * have paused. */
static size_t check_rest(run *self, wfs_dags *dags, size_t places)
{
    size_t paused = 0, waiting = 0;
    wfs_dag_execution execution;
    wfs_row_id id;

    for (id = 1; id < MOST_EXECUTIONS; id++) {
        if (wfs_dags_execution(dags, id, &execution) != WFS_OK)
            continue;
        must(execution.status != WFS_DAG_RUNNING);
        paused += execution.status == WFS_DAG_PAUSED;
        waiting += execution.status == WFS_DAG_PENDING;
        check_steps(dags, &execution);
        check_json(self, wfs_dags_snapshot(dags, id, self->arena));
        check_json(self, wfs_dags_report(dags, id, self->arena));
    }
    must(slots_of(dags) == (int64_t)paused);
    must(waiting == 0 || paused == places);
    must(wfs_count(wfs_dags_store(dags), "dag_timer") == 0);
    must(count_of(dags, "dag_step", "timer") == 0);
    must(count_of(dags, "dag_execution", "open") == (int64_t)paused);
    must(count_of(dags, "dag_execution", "waiting") == (int64_t)waiting);
    return paused;
}

/* After its end nothing is left of an execution. */
static void check_eviction(wfs_dags *dags, const wfs_dag_options *options)
{
    int64_t now = wfs_clock_now(wfs_dags_clock(dags));

    if (now > INT64_MAX / 2)
        return;
    must(wfs_dags_run_until(dags, now + options->evict_after + 200000) ==
         WFS_OK);
    must(wfs_clock_now(wfs_dags_clock(dags)) ==
         now + options->evict_after + 200000);
    must(wfs_count(wfs_dags_store(dags), "dag_execution") == 0);
    must(wfs_count(wfs_dags_store(dags), "dag_step") == 0);
    must(wfs_count(wfs_dags_store(dags), "dag_variable") == 0);
}

/* --- a run */

static wfs_dag_options options_of(const input *in, bool unchecked)
{
    static const int64_t clocks[] = {1700000000000, 0, -1, INT64_MAX - 100000};
    static const int64_t looks[] = {0, -1, 1, 60000};
    wfs_dag_options options = {.unchecked = unchecked, .evict_after = 5000};

    options.scheduling =
        (wfs_dag_scheduling)(option_bits(in, 0) % 3);
    options.retention = (wfs_dag_retention)(option_bits(in, 1) % 3);
    options.retention_size = option_bits(in, 1) / 3;
    options.max_concurrency = 1 + option_bits(in, 2) % 3;
    options.strict_json = option_bits(in, 3) % 2 != 0;
    options.report_url = option_bits(in, 3) % 4 > 1 ? "http://dash.test" : NULL;
    options.evict_every = looks[option_bits(in, 4) % 4];
    options.evict_above = option_bits(in, 4) / 4 % 8;
    options.clock_start = clocks[option_bits(in, 5) % 4];
    options.target = in->target[0] != '\0' ? in->target : NULL;
    options.allow = in->allow[0] != '\0' ? in->allow : NULL;
    return options;
}

static void start_and_run(run *self, wfs_dags *dags)
{
    wfs_dag_start start = {.mode = WFS_DAG_ASSESSMENT};
    size_t count = 1 + throw_die(self, 3), i;
    const char *id = loaded_id(dags);
    wfs_row_id started = 0;
    int64_t time, now;

    must(wfs_dags_start(dags, NULL, NULL, NULL) == WFS_ERR_SCENARIO_NOT_FOUND);
    for (i = 0; i < count; i++) {
        start.mode = (wfs_dag_mode)throw_die(self, WFS_DAG_MODE_COUNT);
        start.trigger = i == 0 ? NULL : "{\"by\":[\"hand\",null]}";
        must(wfs_dags_start(dags, id, &start, &started) == WFS_OK);
        interfere(self, dags, started, false);
    }
    now = wfs_clock_now(wfs_dags_clock(dags));
    if (throw_die(self, 2) != 0 && now < INT64_MAX - 15) {
        must(wfs_dags_run_until(dags, now + 15) == WFS_OK);
        must(wfs_clock_now(wfs_dags_clock(dags)) == now + 15);
        interfere(self, dags, started, false);
    }
    must(wfs_dags_run(dags) == WFS_OK);
    must(wfs_dags_next(dags, &time) == WFS_DONE);
}

/* To its end: those that have paused go on, and nobody interferes. */
static void run_through(run *self, wfs_dags *dags,
                        const wfs_dag_options *options)
{
    start_and_run(self, dags);
    self->quiet = true;
    while (check_rest(self, dags, options->max_concurrency) != 0) {
        must(wfs_dags_resume_all(dags, NULL) == WFS_OK);
        must(wfs_dags_run(dags) == WFS_OK);
    }
    must(slots_of(dags) == 0);
}

/* Attempts of all steps together, and whether two have the same id. */
static double attempts_of(run *self, wfs_dags *dags)
{
    const wfs_json *definition, *steps, *execution, *iterations;
    double sum = 0, times;
    wfs_limits any;
    wfs_value text;
    wfs_row row;
    size_t i, j;

    memset(&any, 0xFF, sizeof any);
    must(wfs_get(wfs_dags_store(dags), "dag", 1, &row) == WFS_OK);
    text = wfs_row_value(&row, "definition");
    definition = wfsi_json_build_js(self->arena, text.text, text.size, &any,
                                    NULL);
    must(definition != NULL);
    steps = wfs_json_get(definition, "steps");
    for (i = 0; i < wfs_json_count(steps); i++) {
        execution = wfs_json_get(wfs_json_at(steps, i), "execution");
        iterations = wfs_json_get(execution, "iterations");
        times = wfs_json_real(iterations) > 1 ? wfs_json_real(iterations) : 1;
        sum += times;
        if (wfs_json_real(wfs_json_get(execution, "retries")) > 0)
            sum += wfs_json_real(wfs_json_get(execution, "retries")) * times;
        for (j = 0; j < i && !self->has_twins; j++)
            self->has_twins =
                wfs_json_equal(wfs_json_get(wfs_json_at(steps, i), "id"),
                               wfs_json_get(wfs_json_at(steps, j), "id"));
    }
    return sum;
}

static void forget(run *self)
{
    const input *in = self->in;
    wfs_arena *arena = self->arena;

    wfs_arena_clear(arena);
    memset(self, 0, sizeof *self);
    self->in = in;
    self->arena = arena;
}

/* --- a definition */

static void check_problems(const wfs_problem *problems, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        must(problems[i].path != NULL && problems[i].where != NULL &&
             problems[i].code != NULL && problems[i].message[0] != '\0');
}

/* What is used of it is accepted as well, and all of that is used. */
static void judge(run *self, const wfs_json *definition,
                  wfs_dag_scheduling scheduling, wfs_dag_verdict *verdict)
{
    wfs_dag_verdict again;

    must(wfs_dag_validate(self->arena, definition, scheduling, verdict) ==
         WFS_OK);
    check_problems(verdict->issues, verdict->issue_count);
    check_problems(verdict->errors, verdict->error_count);
    check_problems(verdict->warnings, verdict->warning_count);
    must(verdict->accepted ==
         (verdict->issue_count + verdict->error_count == 0));
    must((verdict->normalized != NULL) == (verdict->issue_count == 0));
    if (verdict->normalized == NULL)
        return;
    must(wfs_dag_validate(self->arena, verdict->normalized, scheduling,
                          &again) == WFS_OK);
    must(again.issue_count == 0 && again.error_count == verdict->error_count &&
         again.warning_count == verdict->warning_count);
    must(wfs_json_equal(again.normalized, verdict->normalized));
}

static void judge_all(run *self)
{
    const char *text = self->in->definition;
    wfs_dag_verdict verdict;
    wfs_json *definition =
        wfs_json_parse(self->arena, text, strlen(text), NULL, NULL);
    int scheduling;

    for (scheduling = 0; definition != NULL && scheduling < 3; scheduling++)
        judge(self, definition, (wfs_dag_scheduling)scheduling, &verdict);
    forget(self);
}

/* --- all of it */

/* Without a target and an allow-list where those given are none. */
static wfs_dags *open_dags(wfs_dag_options *options)
{
    wfs_error error;
    wfs_dags *dags;

    if (wfs_dags_create(options, &dags, &error) == WFS_OK)
        return dags;
    must(dags == NULL && error.code == WFS_ERR_VALIDATION);
    options->target = options->allow = NULL;
    must(wfs_dags_create(options, &dags, NULL) == WFS_OK);
    return dags;
}

/* False when it is refused, or too much to run. */
static bool load(run *self, wfs_dags *dags)
{
    uint64_t hash = wfs_store_hash(wfs_dags_store(dags));
    wfs_status status = wfs_dags_load(dags, self->in->definition, 0);
    const wfs_dag_verdict *verdict = wfs_dags_verdict(dags);

    check_problems(verdict->issues, verdict->issue_count);
    check_problems(verdict->errors, verdict->error_count);
    if (status == WFS_OK)
        return loaded_id(dags) != NULL &&
               attempts_of(self, dags) <= MOST_ATTEMPTS;
    must(wfs_store_hash(wfs_dags_store(dags)) == hash);
    must(status == wfs_dags_error(dags)->code &&
         (status == WFS_ERR_JSON || status == WFS_ERR_VALIDATION ||
          status == WFS_ERR_LIMIT || status == WFS_ERR_DUPLICATE_SCENARIO));
    return false;
}

/* All of a run taken back, with clock and random numbers. */
static void run_in_vain(run *self, wfs_dags *dags,
                        const wfs_dag_options *options)
{
    wfs_store *store = wfs_dags_store(dags);
    uint64_t hash = wfs_store_hash(store);
    int64_t now = wfs_clock_now(wfs_dags_clock(dags));
    wfs_random random = dags->own_random;

    must(wfs_begin(store) == WFS_OK);
    run_through(self, dags, options);
    must(wfs_rollback(store) == WFS_OK);
    must(wfs_store_hash(store) == hash);
    wfs_clock_set(wfs_dags_clock(dags), now);
    dags->own_random = random;
}

/* What a run has told and what it left in the store. */
typedef struct outcome {
    uint64_t heard, hash;
} outcome;

static outcome run_once(run *self, wfs_dag_options options, bool twice)
{
    wfs_http_transport transport = {.send = send_over};
    outcome end = {0, 0};
    line over = {self, NULL};
    wfs_dags *dags;

    transport.user = &over;
    options.transport = &transport;
    options.observe = observe;
    options.user = self;
    if (option_bits(self->in, 3) / 4 % 2 == 0)
        options.random = draw;
    over.dags = dags = open_dags(&options);
    if (load(self, dags)) {
        if (twice) {
            run_in_vain(self, dags, &options);
            end.heard = self->heard;
            forget(self);
            must(attempts_of(self, dags) <= MOST_ATTEMPTS);
        }
        run_through(self, dags, &options);
        must(!twice || self->heard == end.heard);
        end.heard = self->heard;
        end.hash = wfs_store_hash(wfs_dags_store(dags));
        check_eviction(dags, &options);
    }
    wfs_dags_free(dags);
    forget(self);
    return end;
}

static void try_it(const input *in, bool unchecked)
{
    wfs_dag_options options = options_of(in, unchecked);
    outcome first, second;
    run self;

    memset(&self, 0, sizeof self);
    self.in = in;
    self.arena = wfs_arena_create(NULL);
    must(self.arena != NULL);
    judge_all(&self);
    first = run_once(&self, options, false);
    second = run_once(&self, options, true);
    must(first.heard == second.heard && first.hash == second.hash);
    wfs_arena_free(self.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = (char *)malloc(size + 1);
    input in;

    must(text != NULL);
    if (size != 0)
        memcpy(text, data, size);
    text[size] = '\0';
    read_input(&in, text, size);
    try_it(&in, false);
    try_it(&in, true);
    free(text);
    return 0;
}
