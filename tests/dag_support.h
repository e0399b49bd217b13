/* What the tests of DAGs share: definitions that are short to write, a
 * transport whose answers stand in the URL, and everything that happens as
 * text, a line each. In all of these texts ' stands for ". One world at a time,
 * whose memory is checked and wiped. */
#ifndef DAG_SUPPORT_H
#define DAG_SUPPORT_H

#include "mock_support.h"

/* --- definitions */

#define DAG(id, steps)                                                        \
    "{'id':'" id "','name':'" id " name','steps':[" steps "]}"
#define STEP(id, url, rest)                                                   \
    "{'id':'" id "','name':'" id "','stage':'s',"                             \
    "'request':{'method':'GET','url':'" url "'}" rest "}"
#define AFTER(ids) ",'dependsOn':[" ids "]"
#define TIMES(members) ",'execution':{" members "}"
#define EXPECT(members) ",'expect':{" members "}"
#define EXTRACT(members) ",'extract':{" members "}"
#define WHEN(members) ",'when':{" members "}"
#define MODE(mode) ",'executionMode':'" mode "'"

/* --- a world of DAGs */

typedef struct dag_world dag_world;

struct dag_world {
    wfs_dags *dags;
    size_t sent, events;        /* requests, and what was observed */
    char log[16384];            /* both, in order */
    size_t size;
    /* What a test does itself in the middle of either; NULL: nothing. */
    void (*on_event)(const wfs_dag_event *event);
    wfs_status (*on_send)(const wfs_http_request *request,
                          wfs_http_response *response, wfs_error *error);
};

static dag_world world;

static inline int64_t dag_now(void)
{
    return wfs_clock_now(wfs_dags_clock(world.dags));
}

static inline void dag_note(const char *text)
{
    size_t size = strlen(text);

    if (world.size + size >= sizeof world.log)
        fail_msg("the log is full");
    memcpy(world.log + world.size, text, size + 1);
    world.size += size;
}

static inline void dag_note_time(int64_t time)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld ", (long long)time);
    dag_note(digits);
}

/* "https://x.test/STATUS/DELAY/KIND": KIND json gives an object, else the body
 * is "ok"; "error" in the place of the status gives none at all. */
static inline wfs_status dag_answer(const wfs_http_request *request,
                                    wfs_http_response *response,
                                    wfs_error *error)
{
    static const wfs_http_header json[] = {
        {"Content-Type", "application/json"}, {NULL, NULL}};
    static const wfs_http_header text[] = {{"Content-Type", "text/plain"},
                                           {NULL, NULL}};
    const char *host = strstr(request->url, "://");
    const char *path = strchr(host != NULL ? host + 3 : request->url, '/');
    char status[16] = "200", kind[16] = "";
    long long delay = 0;

    if (path != NULL)
        sscanf(path, "/%15[a-z0-9]/%lld/%15[a-z]", status, &delay, kind);
    response->status = atoi(status);
    response->delay = delay;
    response->headers = strcmp(kind, "json") == 0 ? json : text;
    response->body = strcmp(kind, "json") == 0
                         ? "{\"id\":7,\"list\":[1,2],\"token\":\"t\"}"
                         : "ok";
    response->body_size = strlen(response->body);
    if (strcmp(status, "error") != 0)
        return WFS_OK;
    error->code = WFS_ERR_HANDLER;
    strcpy(error->message, "connection refused");
    return WFS_ERR_HANDLER;
}

static inline wfs_status dag_send(const wfs_http_request *request,
                                  wfs_arena *arena,
                                  wfs_http_response *response,
                                  wfs_error *error, void *user)
{
    (void)arena;
    (void)user;
    world.sent++;
    dag_note_time(dag_now());
    dag_note(request->method);
    dag_note(" ");
    dag_note(request->url);
    if (request->body != NULL) {
        dag_note(" ");
        dag_note(request->body);
    }
    dag_note("\n");
    return world.on_send != NULL ? world.on_send(request, response, error)
                                 : dag_answer(request, response, error);
}

static const wfs_http_transport dag_transport = {dag_send, NULL};

static inline void dag_observe(wfs_dags *dags, const wfs_dag_event *event,
                               void *user)
{
    char number[32];

    (void)user;
    assert_ptr_equal(dags, world.dags);
    world.events++;
    dag_note_time(event->time);
    snprintf(number, sizeof number, "#%lu ",
             (unsigned long)event->execution->id);
    dag_note(number);
    dag_note(wfs_dag_event_name(event->type));
    if (event->step != NULL) {
        dag_note(" ");
        dag_note(event->step->step_id);
        dag_note(" ");
        dag_note(wfs_dag_step_status_name(event->step->status));
    }
    dag_note("\n");
    if (world.on_event != NULL)
        world.on_event(event);
}

/* Options that observe, and ask the transport above. */
static inline wfs_dag_options dag_options(void)
{
    wfs_dag_options options;

    memset(&options, 0, sizeof options);
    options.transport = &dag_transport;
    options.observe = dag_observe;
    return options;
}

/* definitions: NULL for none but those of the options. */
static inline void open_dags_with(wfs_dag_options options,
                                  const char *definitions)
{
    wfs_error error;

    memset(&world, 0, sizeof world);
    options.allocator = sweep_allocator(&memory);
    mock_arena = wfs_arena_create(&options.allocator);
    assert_non_null(mock_arena);
    if (definitions != NULL)
        options.json = quoted(mock_arena, definitions);
    if (wfs_dags_create(&options, &world.dags, &error) != WFS_OK)
        fail_msg("no DAGs: %s", error.message);
    wfs_arena_clear(mock_arena);
}

static inline void open_dags(const char *definitions)
{
    open_dags_with(dag_options(), definitions);
}

static inline void close_dags(void)
{
    wfs_dags_free(world.dags);
    wfs_arena_free(mock_arena);
    world.dags = NULL;
    mock_arena = NULL;
    sweep_expect_clean(&memory);
}

/* DAGs refused to be made, for that reason. */
static inline void expect_no_dags_at(wfs_dag_options options,
                                     wfs_status expected, const char *culprit,
                                     int line)
{
    wfs_dags *dags = NULL;
    wfs_error error;
    wfs_status status;

    options.allocator = sweep_allocator(&memory);
    status = wfs_dags_create(&options, &dags, &error);
    if (status != expected || error.code != expected ||
        strstr(error.message, culprit) == NULL)
        fail_msg("line %d: %s (%s), not %s that names \"%s\"", line,
                 wfs_status_name(status), error.message,
                 wfs_status_name(expected), culprit);
    assert_null(dags);
    sweep_expect_clean(&memory);
}

#define expect_no_dags(options, expected, culprit)                            \
    expect_no_dags_at((options), (expected), (culprit), __LINE__)

/* --- calls that must succeed, calls that must fail and change nothing */

static inline void dags_ok_at(wfs_status status, const char *call, int line)
{
    if (status != WFS_OK)
        fail_msg("line %d: %s gave %s: %s", line, call,
                 wfs_status_name(status), wfs_dags_error(world.dags)->message);
}

#define dags_ok(call) dags_ok_at((call), #call, __LINE__)

static inline void dags_refused_at(wfs_status status, wfs_status expected,
                                   const char *culprit, const char *call,
                                   int line)
{
    const wfs_error *error = wfs_dags_error(world.dags);

    if (status != expected || error->code != expected ||
        strstr(error->message, culprit) == NULL)
        fail_msg("line %d: %s gave %s (%s), not %s that names \"%s\"", line,
                 call, wfs_status_name(status), error->message,
                 wfs_status_name(expected), culprit);
}

#define dags_refused(expected, culprit, call)                                 \
    do {                                                                      \
        sweep_snapshot before_ =                                              \
            sweep_snapshot_of(wfs_dags_store(world.dags));                    \
        wfs_status status_ = (call);                                          \
                                                                              \
        dags_refused_at(status_, (expected), (culprit), #call, __LINE__);     \
        sweep_expect_same(&before_, wfs_dags_store(world.dags));              \
        sweep_drop(&before_);                                                 \
    } while (0)

static inline wfs_status load(const char *definitions)
{
    return wfs_dags_load(world.dags, quoted(mock_arena, definitions), 0);
}

static inline wfs_row_id start(const char *id)
{
    wfs_row_id execution = 0;

    dags_ok(wfs_dags_start(world.dags, id, NULL, &execution));
    assert_true(execution != 0);
    return execution;
}

static inline wfs_row_id start_assessment(const char *id)
{
    wfs_dag_start how = {WFS_DAG_ASSESSMENT, NULL};
    wfs_row_id execution = 0;

    dags_ok(wfs_dags_start(world.dags, id, &how, &execution));
    return execution;
}

#define run_until(time) dags_ok(wfs_dags_run_until(world.dags, (time)))
#define run_all() dags_ok(wfs_dags_run(world.dags))

/* --- looking */

/* All that happened since it was looked at last; told from the first line on
 * that differs. */
static inline void happened_at(const char *expected, int line)
{
    const char *log = world.log, *end;

    while ((end = strchr(expected, '\n')) != NULL &&
           strncmp(expected, log, (size_t)(end + 1 - expected)) == 0) {
        log += end + 1 - expected;
        expected = end + 1;
    }
    same_text_at(expected, log, "what happened", line);
    world.size = 0;
    world.log[0] = '\0';
}

#define happened(expected) happened_at((expected), __LINE__)
#define forget()                                                              \
    do {                                                                      \
        world.size = 0;                                                       \
        world.log[0] = '\0';                                                  \
    } while (0)

static inline wfs_dag_execution execution_of(wfs_row_id id)
{
    wfs_dag_execution execution;

    dags_ok(wfs_dags_execution(world.dags, id, &execution));
    return execution;
}

static inline wfs_dag_step step_of(wfs_row_id id, const char *step)
{
    wfs_dag_step found;

    dags_ok(wfs_dags_step(world.dags, id, step, &found));
    return found;
}

#define assert_execution(id, expected)                                        \
    same_text_at((expected), wfs_dag_status_name(execution_of(id).status),    \
                 "execution", __LINE__)
#define assert_step(id, step, expected)                                       \
    same_text_at((expected),                                                  \
                 wfs_dag_step_status_name(step_of((id), (step)).status),      \
                 (step), __LINE__)

/* A value as text, with ' for ". */
static inline const char *shown(const wfs_json *value)
{
    return unquoted(mock_arena, wfs_json_write(mock_arena, value, 0, NULL));
}

static inline void same_json_at(const char *expected, const wfs_json *value,
                                int line)
{
    if (value == NULL)
        fail_msg("line %d: there is no value", line);
    same_text_at(expected, shown(value), "value", line);
}

#define assert_shown(expected, value)                                         \
    same_json_at((expected), (value), __LINE__)

#endif
