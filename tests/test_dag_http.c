/* The transport of examples/dag_http.c, which asks real servers: against one on
 * the loopback interface, and nobody else. */
#define _POSIX_C_SOURCE 200112L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#define WFS_EXAMPLE_NO_MAIN
#include "../examples/dag_http.c"

#include "sweep.h"

#define JSON(...) #__VA_ARGS__
#define LARGE ((size_t)1 << 20)

/* --- the server: it has one thread, which libmicrohttpd makes */

typedef struct web_upload {
    char *data;
    size_t size;
} web_upload;

typedef struct web_page {
    unsigned status;
    const char *type;
    char *body;                 /* freed with the response */
    size_t size;
} web_page;

static void *allocate(size_t size)
{
    void *memory = malloc(size);

    if (memory == NULL)
        abort();                /* the machine itself has none left */
    return memory;
}

static void say(web_page *page, const char *text, size_t size)
{
    page->body = (char *)realloc(page->body, page->size + size + 1);
    if (page->body == NULL)
        abort();
    memcpy(page->body + page->size, text, size);
    page->size += size;
    page->body[page->size] = '\0';
}

static enum MHD_Result say_header(void *user, enum MHD_ValueKind kind,
                                  const char *name, const char *value)
{
    char line[256];

    (void)kind;
    snprintf(line, sizeof line, "%s: %s\n", name, value != NULL ? value : "");
    say((web_page *)user, line, strlen(line));
    return MHD_YES;
}

/* The request as it came, without its query. */
static void echo(web_page *page, struct MHD_Connection *connection,
                 const char *method, const char *url, const web_upload *upload)
{
    char line[256];

    snprintf(line, sizeof line, "%s %s\n", method, url);
    say(page, line, strlen(line));
    MHD_get_connection_values(connection, MHD_HEADER_KIND, say_header, page);
    say(page, "\n", 1);
    say(page, upload->data, upload->size);
}

static void say_json(web_page *page, const char *json)
{
    page->type = "application/json";
    say(page, json, strlen(json));
}

static void say_large(web_page *page)
{
    page->body = (char *)allocate(LARGE);
    page->size = LARGE;
    memset(page->body, '.', LARGE);
}

static bool has_header(struct MHD_Connection *connection, const char *name,
                       const char *expected)
{
    const char *value =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);

    return value != NULL && strcmp(value, expected) == 0;
}

static void route(web_page *page, struct MHD_Connection *connection,
                  const char *method, const char *url, const web_upload *upload)
{
    static int asked;           /* only the server's thread counts */

    if (strcmp(url, "/echo") == 0)
        echo(page, connection, method, url, upload);
    else if (strcmp(url, "/mirror") == 0)
        say(page, upload->data, upload->size);
    else if (strcmp(url, "/large") == 0)
        say_large(page);
    else if (strcmp(url, "/none") == 0)
        page->status = 204;
    else if (strcmp(url, "/login") == 0)
        say_json(page, JSON({"token": "t-17"}));
    else if (strcmp(url, "/smuggle") == 0)
        say_json(page, JSON({"token": "t-17\r\nX-Admin: yes"}));
    else if (strcmp(url, "/private") == 0)
        page->status = has_header(connection, "Authorization", "Bearer t-17")
                           ? 200 : 403;
    else if (strcmp(url, "/third") == 0)
        page->status = ++asked % 3 == 0 ? 200 : 503;
    else if (strcmp(url, "/moved") == 0)
        page->status = 302;
    else
        page->status = 404;
}

static ssize_t break_off(void *user, uint64_t at, char *buffer, size_t size)
{
    (void)user;
    (void)size;
    if (at != 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    buffer[0] = 'x';
    return 1;
}

static enum MHD_Result respond(struct MHD_Connection *connection,
                               const char *method, const char *url,
                               const web_upload *upload)
{
    web_page page = {.status = 200, .type = "text/plain"};
    struct MHD_Response *response;
    enum MHD_Result result;

    route(&page, connection, method, url, upload);
    response = strcmp(url, "/broken") == 0
                   ? MHD_create_response_from_callback(10, 10, break_off, NULL,
                                                       NULL)
                   : MHD_create_response_from_buffer(page.size, page.body,
                                                     MHD_RESPMEM_MUST_FREE);
    if (response == NULL)
        abort();
    MHD_add_response_header(response, "Content-Type", page.type);
    MHD_add_response_header(response, "X-TWICE", "one");
    MHD_add_response_header(response, "X-Twice", "two");
    if (page.status == 302)
        MHD_add_response_header(response, "Location", "/login");
    result = MHD_queue_response(connection, page.status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *user, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *piece,
                              size_t *size, void **own)
{
    web_upload *upload = (web_upload *)*own;

    (void)user;
    (void)version;
    if (upload == NULL) {
        *own = upload = (web_upload *)allocate(sizeof *upload);
        upload->data = (char *)allocate(2 * LARGE);
        upload->size = 0;
        return MHD_YES;
    }
    if (*size == 0)
        return respond(connection, method, url, upload);
    if (*size > 2 * LARGE - upload->size)
        return MHD_NO;
    memcpy(upload->data + upload->size, piece, *size);
    upload->size += *size;
    *size = 0;
    return MHD_YES;
}

static void answered(void *user, struct MHD_Connection *connection, void **own,
                     enum MHD_RequestTerminationCode code)
{
    web_upload *upload = (web_upload *)*own;

    (void)user;
    (void)connection;
    (void)code;
    if (upload != NULL)
        free(upload->data);
    free(upload);
    *own = NULL;
}

/* --- the world: a server, a port that nobody listens at, and one where nobody
 * ever answers */

typedef struct sending {
    char step[16];
    int64_t began, ended, delay;
} sending;

static sweep_memory memory;
static wfs_allocator allocator;
static struct MHD_Daemon *server;
static int deaf = -1, silent = -1;
static int server_port, deaf_port, silent_port;
static char target[64], file_name[512], output_name[512];
static http_client client;
static wfs_dags *dags;
static wfs_row_id execution_id;
static sending sendings[64];
static size_t sending_count;

static int open_port(int *port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int one = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(one >= 0);
    assert_int_equal(bind(one, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(one, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return one;
}

static void start_server(void)
{
    int listening = open_port(&server_port);

    assert_int_equal(listen(listening, 16), 0);
    server = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, answer, NULL,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)listening,
        MHD_OPTION_NOTIFY_COMPLETED, answered, NULL, MHD_OPTION_END);
    assert_non_null(server);
    snprintf(target, sizeof target, "http://127.0.0.1:%d", server_port);
}

/* That a proxy is asked for must not matter: it would not answer. */
static int open_world(void **state)
{
    char proxy[64];

    (void)state;
    deaf = open_port(&deaf_port);
    silent = open_port(&silent_port);
    assert_int_equal(listen(silent, 16), 0);
    start_server();
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", deaf_port);
    assert_int_equal(setenv("http_proxy", proxy, 1), 0);
    assert_int_equal(setenv("all_proxy", proxy, 1), 0);
    assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    MHD_stop_daemon(server);
    close(deaf);
    close(silent);
    curl_global_cleanup();
    return 0;
}

static int open_client(void **state)
{
    (void)state;
    sending_count = 0;
    allocator = sweep_allocator(&memory);
    assert_true(http_open(&client));
    return 0;
}

static int close_client(void **state)
{
    (void)state;
    wfs_dags_free(dags);
    dags = NULL;
    http_close(&client);
    sweep_expect_clean(&memory);
    return 0;
}

/* --- graphs */

/* Passes on, and notes what was sent when. */
static wfs_status send_and_note(const wfs_http_request *request,
                                wfs_arena *arena, wfs_http_response *response,
                                wfs_error *error, void *user)
{
    sending *noted = &sendings[sending_count++];
    wfs_status status;

    assert_true(sending_count <= sizeof sendings / sizeof sendings[0]);
    snprintf(noted->step, sizeof noted->step, "%s",
             wfs_dags_sending(dags)->step_id);
    noted->began = wall_clock();
    status = http_send(request, arena, response, error, user);
    noted->ended = wall_clock();
    noted->delay = response->delay;
    return status;
}

static void load(const char *definition)
{
    wfs_http_transport transport = {.send = send_and_note, .user = &client};
    wfs_dag_options options = {.json = definition, .transport = &transport,
                               .target = target, .allow = "",
                               .retention = WFS_DAG_KEEP_ALL,
                               .allocator = allocator};
    wfs_error error;

    if (wfs_dags_create(&options, &dags, &error) != WFS_OK)
        fail_msg("no graph: %s", error.message);
}

static wfs_dag_execution run(const char *definition)
{
    wfs_dag_start start = {.mode = WFS_DAG_ASSESSMENT};
    wfs_dag_execution execution;

    load(definition);
    assert_int_equal(wfs_dags_start(dags, "d", &start, &execution_id), WFS_OK);
    assert_int_equal(wfs_dags_run(dags), WFS_OK);
    assert_int_equal(wfs_dags_execution(dags, execution_id, &execution),
                     WFS_OK);
    assert_int_equal(execution.status, WFS_DAG_COMPLETED);
    return execution;
}

static wfs_dag_step step_of(const char *id)
{
    wfs_dag_step step;

    assert_int_equal(wfs_dags_step(dags, execution_id, id, &step), WFS_OK);
    return step;
}

/* error: a part of it; NULL: none. */
static void expect_step_at(const char *id, wfs_dag_step_status status,
                           int attempts, const char *error, int line)
{
    wfs_dag_step step = step_of(id);

    if (step.status != status || step.attempts != attempts ||
        (step.error == NULL) != (error == NULL) ||
        (error != NULL && strstr(step.error, error) == NULL))
        fail_msg("line %d: step %s is %s in %d attempts: %s", line, id,
                 wfs_dag_step_status_name(step.status), (int)step.attempts,
                 step.error != NULL ? step.error : "no error");
}

#define expect_step(id, status, attempts, error)                              \
    expect_step_at((id), (status), (attempts), (error), __LINE__)
#define expect_done(id) expect_step((id), WFS_DAG_STEP_COMPLETED, 1, NULL)

static void token_is_handed_on(void **state)
{
    wfs_dag_execution execution = run(JSON({"id": "d", "name": "tokens",
        "steps": [
        {"id": "login", "name": "", "stage": "",
         "request": {"method": "POST", "url": "/login", "body": {"a": 1}},
         "extract": {"token": {"from": "body", "path": "token"},
                     "twice": {"from": "header", "path": "X-Twice"}}},
        {"id": "with", "name": "", "stage": "", "dependsOn": ["login"],
         "request": {"method": "GET", "url": "{{target}}/private",
                     "headers": {"Authorization": "Bearer {{token}}"}},
         "expect": {"status": 200, "blocked": false}},
        {"id": "without", "name": "", "stage": "", "dependsOn": ["login"],
         "request": {"method": "GET", "url": "/private"},
         "expect": {"blocked": true}},
        {"id": "echo", "name": "", "stage": "", "dependsOn": ["login"],
         "request": {"method": "PUT", "url": "/echo", "body": "{{twice}}"},
         "expect": {"bodyContains": "one, two"}}]}));

    (void)state;
    expect_done("login");
    expect_done("with");
    expect_done("without");
    expect_done("echo");
    assert_int_equal(execution.score, 100);
    assert_true(execution.passed);
    assert_int_equal(sending_count, 4);
}

static const char third_time[] = JSON({"id": "d", "name": "patience", "steps": [
    {"id": "third", "name": "", "stage": "",
     "request": {"method": "GET", "url": "/third"},
     "execution": {"retries": 4, "delayMs": 30}, "expect": {"status": 200}}]});

static void retries(void **state)
{
    (void)state;
    run(third_time);
    expect_step("third", WFS_DAG_STEP_COMPLETED, 3, NULL);
    assert_int_equal(sending_count, 3);
    assert_true(step_of("third").completed_at >= 3 * 30);
}

/* No upper bounds: the machine may be slow. */
static void delays_are_real(void **state)
{
    wfs_dag_execution execution;
    size_t i;

    (void)state;
    load(third_time);
    assert_int_equal(run_in_real_time(dags, "d", &execution), WFS_OK);
    assert_int_equal(execution.score, 100);
    assert_int_equal(sending_count, 3);
    for (i = 1; i < sending_count; i++)
        assert_true(sendings[i].began >= sendings[i - 1].ended + 29);
}

/* When sending has taken longer than virtual time knows of, a delay is not
 * shorter for that: "a" holds up "b", whose first response is late. */
static void delays_are_real_after_others(void **state)
{
    wfs_dag_execution execution;

    (void)state;
    client.timeout = 60;
    snprintf(target, sizeof target, "http://127.0.0.1:%d", silent_port);
    load(JSON({"id": "d", "name": "late", "steps": [
        {"id": "a", "name": "", "stage": "",
         "request": {"method": "GET", "url": "/"}},
        {"id": "b", "name": "", "stage": "",
         "request": {"method": "GET", "url": "/"},
         "execution": {"retries": 1, "delayMs": 40}}]}));
    snprintf(target, sizeof target, "http://127.0.0.1:%d", server_port);
    assert_int_equal(run_in_real_time(dags, "d", &execution), WFS_OK);
    assert_int_equal(sending_count, 3);
    assert_string_equal(sendings[1].step, "b");
    assert_string_equal(sendings[2].step, "b");
    assert_true(sendings[2].began >= sendings[1].ended + 39);
}

/* What is sent one after the other overlaps in virtual time. */
static void parallel_steps(void **state)
{
    wfs_dag_execution execution = run(JSON({"id": "d", "name": "parallel",
        "steps": [
        {"id": "a", "name": "", "stage": "", "executionMode": "parallel",
         "parallelGroup": 1, "request": {"method": "GET", "url": "/large"}},
        {"id": "b", "name": "", "stage": "", "executionMode": "parallel",
         "parallelGroup": 1, "request": {"method": "GET", "url": "/login"}},
        {"id": "c", "name": "", "stage": "", "executionMode": "parallel",
         "parallelGroup": 1, "request": {"method": "GET", "url": "/none"},
         "expect": {"status": 204}},
        {"id": "d", "name": "", "stage": "", "dependsOn": ["a", "b", "c"],
         "executionMode": "sequential",
         "request": {"method": "GET", "url": "/none"}}]}));
    int64_t last = 0;
    size_t i;

    (void)state;
    assert_int_equal(execution.score, 100);
    assert_int_equal(sending_count, 4);
    for (i = 0; i < 3; i++) {
        wfs_dag_step step = step_of(sendings[i].step);

        assert_int_equal(step.started_at, 0);
        assert_true(sendings[i].delay > 0);
        assert_int_equal(step.completed_at, sendings[i].delay);
        last = step.completed_at > last ? step.completed_at : last;
    }
    assert_int_equal(step_of("d").started_at, last);
    assert_int_equal(execution.completed_at, last + sendings[3].delay);
}

static void nobody_listens(void **state)
{
    wfs_dag_execution execution;

    (void)state;
    snprintf(target, sizeof target, "http://127.0.0.1:%d", deaf_port);
    execution = run(JSON({"id": "d", "name": "refused", "steps": [
        {"id": "a", "name": "", "stage": "", "execution": {"retries": 1},
         "request": {"method": "GET", "url": "/echo"}}]}));
    snprintf(target, sizeof target, "http://127.0.0.1:%d", server_port);
    expect_step("a", WFS_DAG_STEP_FAILED, 2, "Failed to connect to 127.0.0.1");
    assert_int_equal(execution.score, 0);
    assert_false(execution.passed);
}

static void nobody_answers(void **state)
{
    (void)state;
    client.timeout = 50;
    snprintf(target, sizeof target, "http://127.0.0.1:%d", silent_port);
    run(JSON({"id": "d", "name": "timeout", "steps": [
        {"id": "a", "name": "", "stage": "",
         "request": {"method": "GET", "url": "/echo"}}]}));
    snprintf(target, sizeof target, "http://127.0.0.1:%d", server_port);
    expect_step("a", WFS_DAG_STEP_FAILED, 1, "timed out");
    assert_true(sendings[0].delay >= 50);
    assert_int_equal(step_of("a").completed_at, sendings[0].delay);
}

/* A URL that two parsers could read differently is asked where it was allowed
 * to go: {{target}}\@127.0.0.1:1 is a path of the target. */
static void only_the_target(void **state)
{
    (void)state;
    run(JSON({"id": "d", "name": "outbound", "steps": [
        {"id": "other", "name": "", "stage": "",
         "request": {"method": "GET", "url": "http://127.0.0.1:1/echo"}},
        {"id": "hidden", "name": "", "stage": "",
         "request": {"method": "GET", "url": "{{target}}\\@127.0.0.1:1/echo"},
         "expect": {"status": 404}},
        {"id": "moved", "name": "", "stage": "",
         "request": {"method": "GET", "url": "/moved"},
         "expect": {"status": 302, "headerEquals": {"location": "/login"}}}
        ]}));
    expect_step("other", WFS_DAG_STEP_FAILED, 1,
                "Outbound request blocked for endpoint \"127.0.0.1:1\"");
    expect_step("hidden", WFS_DAG_STEP_FAILED, 1,
                "Resolved step URL must name its host plainly");
    expect_done("moved");
    assert_int_equal(sending_count, 1);
}

static void no_smuggled_headers(void **state)
{
    (void)state;
    run(JSON({"id": "d", "name": "smuggling", "steps": [
        {"id": "login", "name": "", "stage": "",
         "request": {"method": "GET", "url": "/smuggle"},
         "extract": {"token": {"from": "body", "path": "token"}}},
        {"id": "use", "name": "", "stage": "", "dependsOn": ["login"],
         "request": {"method": "GET", "url": "/echo",
                     "headers": {"Authorization": "{{token}}"}}}]}));
    expect_done("login");
    expect_step("use", WFS_DAG_STEP_FAILED, 1, "a header has a line break");
}

/* --- requests without a graph */

static wfs_arena *arena;

static int open_arena(void **state)
{
    open_client(state);
    arena = wfs_arena_create(&allocator);
    assert_non_null(arena);
    return 0;
}

static int close_arena(void **state)
{
    wfs_arena_free(arena);
    return close_client(state);
}

static wfs_status ask(const char *method, const char *path, const char *body,
                      size_t size, wfs_http_response *response,
                      wfs_error *error)
{
    static const wfs_http_header headers[] = {
        {"X-Word", "a b"}, {"X-Nothing", ""}, {0}};
    char url[128];
    wfs_http_request request = {.method = method, .url = url, .body = body,
                                .headers = headers, .body_size = size};
    wfs_http_transport transport = http_transport(&client);

    snprintf(url, sizeof url, "%s%s", target, path);
    return transport.send(&request, arena, response, error, transport.user);
}

static wfs_http_response get(const char *method, const char *path,
                             const char *body, size_t size)
{
    wfs_http_response response;
    wfs_error error;

    if (ask(method, path, body, size, &response, &error) != WFS_OK)
        fail_msg("%s %s: %s", method, path, error.message);
    assert_non_null(response.headers);
    assert_non_null(response.body);
    assert_int_equal(response.body[response.body_size], '\0');
    assert_true(response.delay > 0);
    return response;
}

/* That much arrives, and nothing that curl thought of: rest is what comes after
 * the headers that all requests here have. */
static void expect_echo(const char *method, const char *body, const char *rest)
{
    wfs_http_response response =
        get(method, "/echo?a=%20b#c", body, 0);
    char expected[512];

    snprintf(expected, sizeof expected,
             "%s /echo\nHost: 127.0.0.1:%d\nX-Word: a b\nX-Nothing: \n%s",
             method != NULL ? method : "GET", server_port, rest);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, expected);
}

static void requests_arrive_as_they_are(void **state)
{
    (void)state;
    expect_echo("GET", NULL, "\n");
    expect_echo(NULL, NULL, "\n");
    expect_echo("GET", "why not", "Content-Length: 7\n\nwhy not");
    expect_echo("POST", "{\"a\":1}", "Content-Length: 7\n\n{\"a\":1}");
    expect_echo("POST", NULL, "Content-Length: 0\n\n");
    expect_echo("POST", "", "Content-Length: 0\n\n");
    expect_echo("PUT", NULL, "Content-Length: 0\n\n");
    expect_echo("PATCH", "x", "Content-Length: 1\n\nx");
    expect_echo("DELETE", NULL, "\n");
    expect_echo("OPTIONS", NULL, "\n");
}

static void no_broken_header_names(void **state)
{
    static const wfs_http_header headers[] = {{"X\nY", "a"}, {0}};
    wfs_http_transport transport = http_transport(&client);
    wfs_http_request request = {.url = target, .headers = headers};
    wfs_http_response response;
    wfs_error error;

    (void)state;
    assert_int_equal(transport.send(&request, arena, &response, &error,
                                    transport.user), WFS_ERR_HANDLER);
    assert_string_equal(error.message, "a header has a line break");
}

static void responses_arrive_as_they_are(void **state)
{
    wfs_http_response response = get("GET", "/login", NULL, 0);
    const wfs_http_header *header = response.headers;

    (void)state;
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "{\"token\": \"t-17\"}");
    assert_int_equal(response.body_size, strlen(response.body));
    while (strcmp(header->name, "x-twice") != 0)
        header++;
    assert_string_equal(header[0].value, "one");
    assert_string_equal(header[1].name, "x-twice");
    assert_string_equal(header[1].value, "two");
    assert_string_equal(wfs_http_header_value(response.headers, "Content-Type"),
                        "application/json");
    assert_int_equal(get("GET", "/no-such-page", NULL, 0).status, 404);
}

static void without_a_body(void **state)
{
    wfs_http_response response = get("GET", "/none", NULL, 0);

    (void)state;
    assert_int_equal(response.status, 204);
    assert_int_equal(response.body_size, 0);
    response = get("HEAD", "/large", "ignored", 0);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_size, 0);
    assert_string_equal(
        wfs_http_header_value(response.headers, "content-length"), "1048576");
}

static void any_bytes(void **state)
{
    wfs_http_response response = get("POST", "/mirror", "a\0b\xFF", 4);

    (void)state;
    assert_int_equal(response.body_size, 4);
    assert_memory_equal(response.body, "a\0b\xFF", 4);
}

static void large_bodies(void **state)
{
    size_t size = LARGE + 1;    /* from here on curl would ask first */
    char *body = (char *)allocate(size);
    wfs_http_response response;
    wfs_random random;
    size_t i;

    (void)state;
    wfs_random_seed(&random, 1);
    for (i = 0; i < size; i++)
        body[i] = (char)wfs_random_next(&random);
    response = get("POST", "/mirror", body, size);
    assert_int_equal(response.body_size, size);
    assert_memory_equal(response.body, body, size);
    response = get("POST", "/echo", body, size);
    assert_true(response.body_size > size);
    assert_null(strstr(response.body, "Expect"));
    free(body);
}

static void expect_error(const char *path, wfs_status expected,
                         const char *part)
{
    wfs_http_response response;
    wfs_error error;

    assert_int_equal(ask("GET", path, NULL, 0, &response, &error), expected);
    assert_int_equal(error.code, expected);
    assert_non_null(strstr(error.message, part));
    assert_int_equal(ask("GET", path, NULL, 0, &response, NULL), expected);
    assert_int_equal(get("GET", "/none", NULL, 0).status, 204);
}

static void no_response(void **state)
{
    (void)state;
    expect_error("/broken", WFS_ERR_HANDLER, "transfer closed");
    expect_error("0/port", WFS_ERR_VALIDATION, "");
    client.body_limit = LARGE - 1;
    expect_error("/large", WFS_ERR_HANDLER, "the body is too large");
    client.body_limit = LARGE;
    assert_int_equal(get("GET", "/large", NULL, 0).body_size, LARGE);
}

/* Each allocation that the transport makes is refused once. */
static void no_memory(void **state)
{
    wfs_http_response response;
    size_t n = 0, refused = 0;
    wfs_status status;

    (void)state;
    do {
        wfs_arena_free(arena);
        arena = wfs_arena_create(&allocator);
        sweep_refuse(&memory, ++n, SWEEP_ONCE);
        status = ask("GET", "/large", NULL, 0, &response, NULL);
        sweep_allow(&memory);
        refused += status == WFS_ERR_NO_MEMORY;
    } while (status == WFS_ERR_NO_MEMORY);
    assert_int_equal(status, WFS_OK);
    assert_true(refused > 3);
    assert_int_equal(response.body_size, LARGE);
}

/* --- the program */

static bool check_text(const char *definition)
{
    FILE *file = fopen(file_name, "wb");

    assert_non_null(file);
    assert_true(fputs(definition, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return check_file(file_name, target);
}

/* What a run prints; times are written as a dash. */
static const char *printed(const char *definition, bool *passed)
{
    int out, kept = dup(STDOUT_FILENO);
    char *text, *to, *from;
    size_t size;

    fflush(stdout);
    assert_non_null(freopen(output_name, "wb", stdout));
    *passed = check_text(definition);
    fflush(stdout);
    out = dup2(kept, STDOUT_FILENO);
    close(kept);
    assert_int_equal(out, STDOUT_FILENO);
    text = read_file(arena, output_name, &size);
    assert_non_null(text);
    for (to = from = text; *from != '\0'; to++) {
        if ((from == text || from[-1] == '\n') &&
            strspn(from, " 0123456789") == 6 && from[6] == 'm') {
            *to = '-';
            from += 8;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
    return text;
}

static void program_passes(void **state)
{
    bool passed;

    (void)state;
    assert_string_equal(
        printed(JSON({"id": "d", "name": "four of five", "steps": [
            {"id": "a", "name": "", "stage": "",
             "request": {"method": "GET", "url": "/third"},
             "execution": {"retries": 2}, "expect": {"status": 200}},
            {"id": "b", "name": "", "stage": "", "dependsOn": ["a"],
             "request": {"method": "GET", "url": "/none"}},
            {"id": "c", "name": "", "stage": "", "dependsOn": ["b"],
             "request": {"method": "GET", "url": "/private"},
             "expect": {"status": 200}},
            {"id": "d", "name": "", "stage": "", "dependsOn": ["c"],
             "request": {"method": "HEAD", "url": "/{{x}}"}},
            {"id": "e", "name": "", "stage": "", "dependsOn": ["d"],
             "request": {"method": "GET", "url": "/login"}}]}),
                &passed),
        "steps[3].request.url: Step \"d\" uses template \"{{x}}\" but no prior "
        "step extracts \"x\"\n"
        "-  completed  a, in 3 attempts\n"
        "-  completed  b\n"
        "-  failed     c\n"
        "          Assertion failed: status: expected 200, got 403\n"
        "-  completed  d\n"
        "-  completed  e\n"
        "4 of 5 steps passed: score 80, passed\n");
    assert_true(passed);
}

static void expect_failure_at(const char *definition, const char *expected,
                              int line)
{
    bool passed;
    const char *actual = printed(definition, &passed);

    if (passed || strcmp(actual, expected) != 0)
        fail_msg("line %d: expected \"%s\", actual \"%s\"", line, expected,
                 actual);
}

#define expect_failure(definition, expected)                                  \
    expect_failure_at((definition), (expected), __LINE__)

static void program_fails(void **state)
{
    (void)state;
    expect_failure(
        JSON({"id": "d", "name": "none", "steps": [
            {"id": "a", "name": "", "stage": "",
             "request": {"method": "GET", "url": "/none"},
             "expect": {"status": 200}},
            {"id": "b", "name": "", "stage": "",
             "request": {"method": "GET", "url": "http://127.0.0.1:1/"}}]}),
        "-  failed     b\n"
        "          Outbound request blocked for endpoint \"127.0.0.1:1\"\n"
        "-  failed     a\n"
        "          Assertion failed: status: expected 200, got 204\n"
        "0 of 2 steps passed: score 0, not passed\n");
}

static void program_refuses(void **state)
{
    char expected[640];

    (void)state;
    snprintf(expected, sizeof expected,
             "%s: expected a value, found the end of the text (line 1, column "
             "7)\n", file_name);
    expect_failure("{\"id\":", expected);
    expect_failure("[]", "a list of definitions: give one\n");
    expect_failure(JSON({"id": "d", "name": "cycle", "steps": [
        {"id": "a", "name": "", "stage": "", "dependsOn": ["a"],
         "request": {"method": "GET", "url": "/none"}}]}),
                   "DAG d: steps: Dependency cycle detected among steps: a\n");
    expect_failure(JSON({"id": "d", "name": "shape", "steps": [{"id": "a",
        "name": "", "stage": ""}]}),
                   "DAG d: steps[0].request is required\n");
    assert_int_equal(remove(file_name), 0);
    assert_false(check_file(file_name, target));
}

#define graph_test(function)                                                  \
    cmocka_unit_test_setup_teardown(function, open_client, close_client)
#define plain_test(function)                                                  \
    cmocka_unit_test_setup_teardown(function, open_arena, close_arena)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        graph_test(token_is_handed_on),
        graph_test(retries),
        graph_test(delays_are_real),
        graph_test(delays_are_real_after_others),
        graph_test(parallel_steps),
        graph_test(nobody_listens),
        graph_test(nobody_answers),
        graph_test(only_the_target),
        graph_test(no_smuggled_headers),
        plain_test(requests_arrive_as_they_are),
        plain_test(no_broken_header_names),
        plain_test(responses_arrive_as_they_are),
        plain_test(without_a_body),
        plain_test(any_bytes),
        plain_test(large_bodies),
        plain_test(no_response),
        plain_test(no_memory),
        plain_test(program_passes),
        plain_test(program_fails),
        plain_test(program_refuses),
    };

    (void)argc;
    snprintf(file_name, sizeof file_name, "%s.json", argv[0]);
    snprintf(output_name, sizeof output_name, "%s.out", argv[0]);
    return cmocka_run_group_tests(tests, open_world, close_world);
}
