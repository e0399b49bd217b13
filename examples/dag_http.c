/* A transport that asks real servers, by libcurl; and with it the checks in a
 * file, run against a server:
 *
 *     cc examples/dag_http.c -o dag_http -lcurl && ./dag_http
 *
 * A test that includes this file defines WFS_EXAMPLE_NO_MAIN.
 */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200112L         /* for nanosleep, clock_gettime */
#endif
#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifndef WFS_EXAMPLE_NO_MAIN
#define WFSCENARIO_IMPLEMENTATION
#endif
#include "../wfscenario.h"

/* --- bytes that arrive in pieces */

typedef struct http_bytes {
    wfs_arena *arena;
    size_t limit;
    char *data;                 /* ended by a NUL; NULL: nothing yet */
    size_t size, capacity;
} http_bytes;

/* Append a piece: one of curl's callbacks. Returns how many bytes it took,
 * which are none beyond the limit and without memory. */
static size_t http_bytes_put(char *piece, size_t one, size_t size, void *user)
{
    http_bytes *bytes = (http_bytes *)user;
    char *larger;

    (void)one;
    if (size > bytes->limit - bytes->size)
        return 0;
    if (bytes->capacity - bytes->size < size + 1) {
        bytes->capacity = 2 * bytes->capacity + size + 1;
        larger = (char *)wfs_arena_allocate(bytes->arena, bytes->capacity);
        if (larger == NULL)
            return 0;
        if (bytes->size != 0)
            memcpy(larger, bytes->data, bytes->size);
        bytes->data = larger;
    }
    memcpy(bytes->data + bytes->size, piece, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
    return size;
}

/* --- the transport */

typedef struct http_client {
    CURL *curl;                 /* keeps connections open */
    long timeout;               /* ms for a request and its response */
    size_t body_limit;          /* bytes of a response */
    char message[CURL_ERROR_SIZE];
} http_client;

static wfs_status http_fail(wfs_error *error, wfs_status code,
                            const char *message)
{
    if (error != NULL) {
        memset(error, 0, sizeof *error);
        error->code = code;
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    return code;
}

static wfs_status http_put_header(struct curl_slist **lines, wfs_arena *arena,
                                  const char *name, const char *separator,
                                  const char *value)
{
    struct curl_slist *longer;
    char *line = (char *)wfs_arena_allocate(
        arena, strlen(name) + strlen(separator) + strlen(value) + 1);

    if (line == NULL)
        return WFS_ERR_NO_MEMORY;
    sprintf(line, "%s%s%s", name, separator, value);
    longer = curl_slist_append(*lines, line);
    if (longer == NULL)
        return WFS_ERR_NO_MEMORY;
    *lines = longer;
    return WFS_OK;
}

/* The request's headers, and none that curl would add to them. A value may come
 * from a server: it must not smuggle in further headers. */
static wfs_status http_put_headers(struct curl_slist **lines, wfs_arena *arena,
                                   const wfs_http_header *headers,
                                   wfs_error *error)
{
    static const char *const unasked[] = {"Accept", "Content-Type", "Expect"};
    const wfs_http_header *header;
    size_t i;

    for (header = headers; header != NULL && header->name != NULL; header++) {
        if (strpbrk(header->name, "\r\n") != NULL ||
            strpbrk(header->value, "\r\n") != NULL)
            return http_fail(error, WFS_ERR_HANDLER,
                             "a header has a line break");
        WFS_TRY(http_put_header(lines, arena, header->name,
                                header->value[0] != '\0' ? ": " : ";",
                                header->value));
    }
    for (i = 0; i < sizeof unasked / sizeof unasked[0]; i++)
        if (wfs_http_header_value(headers, unasked[i]) == NULL)
            WFS_TRY(http_put_header(lines, arena, unasked[i], ":", ""));
    return WFS_OK;
}

/* A response to HEAD has no body, whatever its headers say; POST, PUT and PATCH
 * say how long theirs is, even when there is none. */
static void http_put_body(CURL *curl, const wfs_http_request *request)
{
    const char *method = request->method != NULL ? request->method : "GET";
    const char *body = request->body;
    size_t size = request->body_size;

    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (body == NULL && method[0] == 'P')
        body = "";
    if (body != NULL) {
        size = size != 0 ? size : strlen(body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

/* What is asked, and nobody else: no proxy, and no redirection is followed. */
static void http_prepare(http_client *client, const wfs_http_request *request,
                         const char *url, struct curl_slist *headers,
                         http_bytes *body)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl);
    client->message[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->message);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, http_bytes_put);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    http_put_body(curl, request);
}

static char *http_copy(wfs_arena *arena, const char *text)
{
    char *copy = (char *)wfs_arena_allocate(arena, strlen(text) + 1);

    return copy != NULL ? strcpy(copy, text) : NULL;
}

/* The response's headers, in the arena, with names in lower case. */
static wfs_status http_take_headers(CURL *curl, wfs_arena *arena,
                                    const wfs_http_header **headers)
{
    struct curl_header *header = NULL;
    wfs_http_header *taken;
    size_t count = 0;
    char *name;

    while ((header = curl_easy_nextheader(curl, CURLH_HEADER, -1, header)))
        count++;
    taken = (wfs_http_header *)wfs_arena_allocate(arena,
                                                  (count + 1) * sizeof *taken);
    *headers = taken;
    for (; taken != NULL &&
           (header = curl_easy_nextheader(curl, CURLH_HEADER, -1, header));
         taken++) {
        taken->name = name = http_copy(arena, header->name);
        taken->value = http_copy(arena, header->value);
        for (; name != NULL && *name != '\0'; name++)
            *name = (char)tolower((unsigned char)*name);
    }
    if (wfs_arena_failed(arena))
        return WFS_ERR_NO_MEMORY;
    memset(taken, 0, sizeof *taken);
    return WFS_OK;
}

/* Perform what was prepared. A part of a millisecond counts as one. */
static wfs_status http_perform(http_client *client, http_bytes *body,
                               wfs_http_response *response, wfs_error *error)
{
    CURLcode code = curl_easy_perform(client->curl);
    curl_off_t microseconds = 0;
    long status = 0;

    curl_easy_getinfo(client->curl, CURLINFO_TOTAL_TIME_T, &microseconds);
    response->delay = (microseconds + 999) / 1000;
    if (wfs_arena_failed(body->arena) || code == CURLE_OUT_OF_MEMORY)
        return http_fail(error, WFS_ERR_NO_MEMORY, "no memory");
    if (code == CURLE_WRITE_ERROR)
        return http_fail(error, WFS_ERR_HANDLER, "the body is too large");
    if (code != CURLE_OK)
        return http_fail(error, WFS_ERR_HANDLER,
                         client->message[0] != '\0' ? client->message
                                                    : curl_easy_strerror(code));
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    response->status = (int)status;
    response->body = body->data != NULL ? body->data : "";
    response->body_size = body->size;
    return http_take_headers(client->curl, body->arena, &response->headers);
}

/* The URL is normalised first, so that curl asks the very host that was looked
 * up in the list of those that may be asked. */
static wfs_status http_send(const wfs_http_request *request, wfs_arena *arena,
                            wfs_http_response *response, wfs_error *error,
                            void *user)
{
    http_client *client = (http_client *)user;
    http_bytes body = {.arena = arena, .limit = client->body_limit};
    struct curl_slist *headers = NULL;
    const char *url;
    wfs_status status;

    memset(response, 0, sizeof *response);
    WFS_TRY(wfs_url_normalize(arena, request->url, &url, error));
    status = http_put_headers(&headers, arena, request->headers, error);
    if (status == WFS_OK) {
        http_prepare(client, request, url, headers, &body);
        status = http_perform(client, &body, response, error);
    }
    curl_slist_free_all(headers);
    return status;
}

/* False without memory. After curl_global_init, for one thread at a time; to be
 * closed, which is the end of its transport too. */
static bool http_open(http_client *client)
{
    memset(client, 0, sizeof *client);
    client->timeout = 30000;
    client->body_limit = (size_t)64 << 20;
    client->curl = curl_easy_init();
    return client->curl != NULL;
}

static void http_close(http_client *client)
{
    curl_easy_cleanup(client->curl);
}

static wfs_http_transport http_transport(http_client *client)
{
    wfs_http_transport transport = {.send = http_send, .user = client};

    return transport;
}

/* --- the checks in a file */

static char *read_file(wfs_arena *arena, const char *path, size_t *size)
{
    http_bytes text = {.arena = arena, .limit = SIZE_MAX};
    FILE *file = fopen(path, "rb");
    bool good = file != NULL;
    char piece[4096];
    size_t count;

    while (good && (count = fread(piece, 1, sizeof piece, file)) != 0)
        good = http_bytes_put(piece, 1, count, &text) == count;
    good = good && !ferror(file);
    if (file != NULL)
        fclose(file);
    *size = text.size;
    return good ? text.data : NULL;
}

static void show(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    const wfs_dag_step *step = event->step;
    int64_t since_start = event->time - event->execution->started_at;

    (void)dags;
    (void)user;
    if (step == NULL || step->status == WFS_DAG_STEP_RUNNING)
        return;
    printf("%5d ms  %-9s  %s", (int)since_start,
           wfs_dag_step_status_name(step->status), step->step_id);
    if (step->attempts > 1)
        printf(", in %d attempts", (int)step->attempts);
    printf("\n");
    if (step->error != NULL)
        printf("          %s\n", step->error);
}

static void show_warnings(const wfs_dag_verdict *verdict)
{
    size_t i;

    for (i = 0; i < verdict->warning_count; i++)
        printf("%s: %s\n", verdict->warnings[i].where,
               verdict->warnings[i].message);
}

static int64_t wall_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until(int64_t time)
{
    int64_t left;
    struct timespec wait;

    while ((left = time - wall_clock()) > 0) {
        wait.tv_sec = (time_t)(left / 1000);
        wait.tv_nsec = (long)(left % 1000) * 1000000;
        nanosleep(&wait, NULL);
    }
}

/* A virtual clock does not wait. Here it must, or a delay would be none for the
 * server. `origin` is where its 0 lies on the wall clock; it moves on when
 * requests that overlap in virtual time are sent one after the other. */
static wfs_status run_in_real_time(wfs_dags *dags, const char *id,
                                   wfs_dag_execution *result)
{
    wfs_dag_start start = {.mode = WFS_DAG_ASSESSMENT};
    int64_t origin = wall_clock() - wfs_clock_now(wfs_dags_clock(dags)), due;
    wfs_row_id execution;
    wfs_status status;

    WFS_TRY(wfs_dags_start(dags, id, &start, &execution));
    while ((status = wfs_dags_next(dags, &due)) == WFS_OK) {
        wait_until(origin + due);
        origin = wall_clock() - due;
        WFS_TRY(wfs_dags_run_until(dags, due));
    }
    return status == WFS_DONE ? wfs_dags_execution(dags, execution, result)
                              : status;
}

/* Whether the checks pass. */
static bool check(wfs_dags *dags, const wfs_json *definition)
{
    const char *id = wfs_json_string(wfs_json_get(definition, "id"), NULL);
    wfs_dag_execution result = {0};
    wfs_status status = wfs_dags_load_json(dags, definition);

    show_warnings(wfs_dags_verdict(dags));
    if (status == WFS_OK && id == NULL) {
        printf("a list of definitions: give one\n");
        return false;
    }
    if (status == WFS_OK)
        status = run_in_real_time(dags, id, &result);
    if (status != WFS_OK) {
        printf("%s\n", wfs_dags_error(dags)->message);
        return false;
    }
    if (result.error != NULL)
        printf("%s\n", result.error);
    printf("%d of %d steps passed: score %d, %s\n", (int)result.passed_count,
           (int)result.step_count, result.score,
           result.passed ? "passed" : "not passed");
    return result.passed;
}

/* Nobody but the target may be asked, whatever the definition says. */
static bool check_file(const char *path, const char *target)
{
    int64_t now = (int64_t)time(NULL) * 1000;
    http_client client;
    wfs_http_transport transport = http_transport(&client);
    wfs_dag_options options = {.transport = &transport, .target = target,
                               .allow = "", .observe = show,
                               .clock_start = now, .seed = (uint64_t)now};
    wfs_arena *arena = wfs_arena_create(NULL);
    wfs_error error = {.message = "no memory"};
    const wfs_json *definition = NULL;
    wfs_dags *dags = NULL;
    bool open = http_open(&client), passed = false;
    const char *text = NULL;
    size_t size;

    if (arena != NULL)
        text = read_file(arena, path, &size);
    if (text != NULL)
        definition = wfs_json_parse(arena, text, size, NULL, &error);
    if (definition != NULL && open &&
        wfs_dags_create(&options, &dags, &error) == WFS_OK)
        passed = check(dags, definition);
    else
        printf("%s: %s\n", path, text != NULL ? error.message : "not readable");
    wfs_dags_free(dags);
    wfs_arena_free(arena);
    http_close(&client);
    return passed;
}

#ifndef WFS_EXAMPLE_NO_MAIN
int main(int argc, char **argv)
{
    bool passed;

    if (argc != 3) {
        printf("dag_http FILE URL: run the checks in FILE against URL\n");
        return argc == 1 ? 0 : 2;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return 2;
    passed = check_file(argv[1], argv[2]);
    curl_global_cleanup();
    return passed ? 0 : 1;
}
#endif
