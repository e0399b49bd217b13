/* scenarist.c: runs recorded cases of HTTP mocks against wfscenario.h.
 *
 * The cases are JSON (the format is told in the README beside the recorded
 * ones); conformance.h reads and compares them. Of the recorded expectations
 * the rules are overlaid that the library has: sequences of their own, `*` in
 * patterns, and of the two rules for mocks without criteria the one that
 *
 *     --fallback first|last
 *
 * names (first). Numbers, booleans and null as body criteria, which the
 * recorded schema refuses, are expected to be accepted, and then to do what
 * the case's unchecked twin does.
 *
 * What is compared of an entry: everything but the wording of messages, the
 * names of JavaScript's error classes and the reference's issue codes. Of a
 * request that is answered, always the response on the wire too. Paths of
 * problems are compared as sets.
 */
#include "conformance.h"

static wfs_mock_fallback fallback = WFS_MOCK_FIRST_FALLBACK;

/* A case while it runs. */
typedef struct case_world {
    conf_case *one;
    wfs_arena *arena;
    wfs_mocks *mocks;
    const char *default_id;
    wfs_json *counters;             /* see below; NULL: nothing is shared */
} case_world;

/* --- short ways to JSON */

static const char *text_of(const wfs_json *object, const char *key)
{
    return wfs_json_string(wfs_json_get(object, key), NULL);
}

static bool has(const wfs_json *object, const char *key)
{
    return wfs_json_get(object, key) != NULL;
}

static void put(case_world *world, wfs_json *object, const char *key,
                const wfs_json *value)
{
    wfs_json_set(world->arena, object, key, value);
}

static void put_text(case_world *world, wfs_json *object, const char *key,
                     const char *text)
{
    put(world, object, key,
        text != NULL ? wfs_json_new_string(world->arena, text)
                     : wfs_json_new_null(world->arena));
}

static void put_integer(case_world *world, wfs_json *object, const char *key,
                        int64_t value)
{
    put(world, object, key, wfs_json_new_integer(world->arena, value));
}

static wfs_json *object_with_ok(case_world *world, bool ok)
{
    wfs_json *object = wfs_json_new_object(world->arena);

    put(world, object, "ok", wfs_json_new_bool(world->arena, ok));
    return object;
}

static void copy_member(case_world *world, wfs_json *to, const wfs_json *from,
                        const char *key)
{
    if (has(from, key))
        put(world, to, key, wfs_json_get(from, key));
}

/* --- paths of problems, sorted */

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The paths of a list as sorted texts without doubles. */
static wfs_json *path_set(case_world *world, const wfs_json *paths)
{
    size_t i, count = wfs_json_count(paths);
    const char **texts = (const char **)wfs_arena_allocate(
        world->arena, (count + 1) * sizeof *texts);
    wfs_json *set = wfs_json_new_array(world->arena);

    for (i = 0; texts != NULL && i < count; i++)
        texts[i] = wfs_json_write(world->arena, wfs_json_at(paths, i), 0, NULL);
    if (texts == NULL || wfs_arena_failed(world->arena))
        return NULL;
    qsort(texts, count, sizeof *texts, compare_texts);
    for (i = 0; i < count; i++)
        if (i == 0 || strcmp(texts[i - 1], texts[i]) != 0)
            wfs_json_append(world->arena, set,
                            wfs_json_new_string(world->arena, texts[i]));
    return set;
}

/* What a path of keys and places leads to. */
static const wfs_json *follow(const wfs_json *value, const wfs_json *path)
{
    const wfs_json *step;
    const char *key;
    size_t i, size;

    for (i = 0; i < wfs_json_count(path); i++) {
        step = wfs_json_at(path, i);
        key = wfs_json_string(step, &size);
        value = key != NULL
                    ? wfs_json_get_n(value, key, size)
                    : wfs_json_at(value, (size_t)wfs_json_integer(step));
    }
    return value;
}

/* Whether a path ends at a number, boolean or null in match.body. */
static bool is_body_literal(const wfs_json *value, const wfs_json *path)
{
    size_t count = wfs_json_count(path);
    const char *match, *body;

    if (count < 3)
        return false;
    match = wfs_json_string(wfs_json_at(path, count - 3), NULL);
    body = wfs_json_string(wfs_json_at(path, count - 2), NULL);
    if (match == NULL || body == NULL || strcmp(match, "match") != 0 ||
        strcmp(body, "body") != 0)
        return false;
    value = follow(value, path);
    return value != NULL && (wfs_json_type_of(value) == WFS_JSON_NULL ||
                             wfs_json_type_of(value) == WFS_JSON_BOOL ||
                             wfs_json_type_of(value) == WFS_JSON_INTEGER ||
                             wfs_json_type_of(value) == WFS_JSON_REAL);
}

/* --- expectations in the form that is compared */

/* What the default rendering of a response gives; the reference records the
 * wire only where it differs. */
static wfs_json *default_wire(case_world *world, const wfs_json *response)
{
    wfs_json *wire = wfs_json_new_object(world->arena);
    wfs_json *headers = wfs_json_new_object(world->arena);
    const wfs_json *given = wfs_json_get(response, "headers");
    const char *text = "", *key;
    char *name, digits[32];
    size_t i, j, size = 0, key_size;

    put(world, wire, "status", wfs_json_get(response, "status"));
    if (has(response, "body"))
        text = wfs_json_write(world->arena, wfs_json_get(response, "body"), 0,
                              &size);
    for (i = 0; i < wfs_json_count(given); i++) {
        key = wfs_json_key_at(given, i, &key_size);
        name = (char *)wfs_arena_allocate(world->arena, key_size + 1);
        if (name == NULL)
            return NULL;
        for (j = 0; j <= key_size; j++)
            name[j] = (char)(key[j] >= 'A' && key[j] <= 'Z' ? key[j] + 32
                                                            : key[j]);
        if (wfs_json_type_of(wfs_json_at(given, i)) == WFS_JSON_STRING)
            put(world, headers, name, wfs_json_at(given, i));
        else if (wfs_json_type_of(wfs_json_at(given, i)) == WFS_JSON_OBJECT)
            put_text(world, headers, name, "[object Object]");
        else
            put_text(world, headers, name,
                     wfs_json_write(world->arena, wfs_json_at(given, i), 0,
                                    NULL));
    }
    if (!has(headers, "content-type"))
        put_text(world, headers, "content-type", "application/json");
    snprintf(digits, sizeof digits, "%lu", (unsigned long)size);
    if (!has(headers, "content-length"))
        put_text(world, headers, "content-length", digits);
    put(world, wire, "headers", headers);
    put_text(world, wire, "text", text);
    return wire;
}

/* A wire whose JSON has a message: that there is one counts. */
static wfs_json *without_wording(case_world *world, const wfs_json *wire)
{
    const wfs_json *json = wfs_json_get(wire, "json");
    wfs_json *plain = wfs_json_copy(world->arena, wire), *body;

    if (!has(json, "message"))
        return plain;
    body = wfs_json_copy(world->arena, json);
    put_text(world, body, "message", "(some text)");
    put(world, plain, "json", body);
    return plain;
}

/* What a control endpoint answers: that there are details of a body that makes
 * no sense counts, and of another refusal that there is a text. */
static const wfs_json *without_reasons(case_world *world, const wfs_json *json)
{
    wfs_json *plain = wfs_json_copy(world->arena, json);

    if (wfs_json_count(wfs_json_get(json, "details")) != 0)
        put_text(world, plain, "details", "(some details)");
    else if (wfs_json_count(json) == 1 && text_of(json, "error") != NULL)
        put_text(world, plain, "error", "(some text)");
    return plain;
}

/* An error: its code, and what else is recorded of it and is no wording. */
static wfs_json *plain_error(case_world *world, const wfs_json *error)
{
    wfs_json *plain = wfs_json_new_object(world->arena);

    copy_member(world, plain, error, "code");
    copy_member(world, plain, error, "context");
    copy_member(world, plain, error, "scenarioId");
    if (has(error, "paths"))
        put(world, plain, "paths",
            path_set(world, wfs_json_get(error, "paths")));
    return plain;
}

static wfs_json *plain_expectation(case_world *world, const wfs_json *given)
{
    wfs_json *plain = wfs_json_new_object(world->arena);
    bool answered = has(given, "mock");
    const char *key;
    size_t i;

    for (i = 0; i < wfs_json_count(given); i++) {
        key = wfs_json_key_at(given, i, NULL);
        if (strcmp(key, "error") == 0 && !answered)
            put(world, plain, key, plain_error(world, wfs_json_at(given, i)));
        else if (strcmp(key, "wire") == 0)
            put(world, plain, key,
                without_wording(world, wfs_json_at(given, i)));
        else if (strcmp(key, "json") == 0)
            put(world, plain, key,
                without_reasons(world, wfs_json_at(given, i)));
        else
            put(world, plain, key, wfs_json_at(given, i));
    }
    if (answered && !has(given, "wire"))
        put(world, plain, "wire", default_wire(world, given));
    return plain;
}

/* --- the rules: which recorded expectations count */

static void overlay(case_world *world, wfs_json *entries, const wfs_json *rule)
{
    char place[32];
    size_t i;

    if (has(rule, "setup"))
        put(world, entries, "setup", wfs_json_get(rule, "setup"));
    for (i = 0; i < wfs_json_count(entries); i++) {
        snprintf(place, sizeof place, "%lu", (unsigned long)i);
        if (has(rule, place))
            put(world, entries, place, wfs_json_get(rule, place));
    }
}

/* The case whose expectations count: the unchecked twin of one that is refused
 * only for literals in match.body, else the case itself. */
static const wfs_json *judge_of(case_world *world)
{
    const wfs_json *json = world->one->json, *other;
    const char *name = text_of(json, "name"), *end;
    char twin[256];
    size_t i;

    if (wfs_json_bool(wfs_json_path(json, "setup.ok")) || !has(json, "setup"))
        return json;
    end = strstr(name, "-refused");
    snprintf(twin, sizeof twin, "%.*s-unchecked",
             (int)(end != NULL ? end - name : (int)strlen(name)), name);
    for (i = 0; i < wfs_json_count(world->one->siblings); i++) {
        other = wfs_json_at(world->one->siblings, i);
        if (strcmp(text_of(other, "name"), twin) == 0)
            return other;
    }
    return json;
}

/* A refusal without the paths of literals in match.body; {"ok": true} when
 * none is left. value: what was refused. */
static const wfs_json *accept_literals(case_world *world,
                                       const wfs_json *refusal,
                                       const wfs_json *value)
{
    const wfs_json *error = wfs_json_get(refusal, "error");
    const wfs_json *paths = wfs_json_get(error, "paths");
    wfs_json *left = wfs_json_new_array(world->arena), *copy, *inner;
    size_t i;

    for (i = 0; i < wfs_json_count(paths); i++)
        if (!is_body_literal(value, wfs_json_at(paths, i)))
            wfs_json_append(world->arena, left, wfs_json_at(paths, i));
    if (wfs_json_count(left) == wfs_json_count(paths))
        return refusal;
    if (wfs_json_count(left) == 0)
        return object_with_ok(world, true);
    copy = wfs_json_copy(world->arena, refusal);
    inner = wfs_json_copy(world->arena, error);
    put(world, inner, "paths", left);
    put(world, copy, "error", inner);
    return copy;
}

/* The expectations of all entries as an object: "0", "1", ..., and "setup". */
static wfs_json *expected_entries(case_world *world)
{
    const wfs_json *json = world->one->json;
    const wfs_json *setup = wfs_json_get(json, "setup");
    const wfs_json *script = wfs_json_get(json, "script");
    const wfs_json *judge, *expect, *variants;
    wfs_json *entries = wfs_json_new_object(world->arena);
    char place[32];
    size_t i;

    if (setup == NULL)
        setup = object_with_ok(world, true);
    setup = accept_literals(world, setup, wfs_json_get(json, "scenarios"));
    judge = wfs_json_bool(wfs_json_get(setup, "ok")) ? judge_of(world) : json;
    expect = wfs_json_get(judge, "expect");
    variants = wfs_json_get(judge, "variants");
    for (i = 0; i < wfs_json_count(expect); i++) {
        snprintf(place, sizeof place, "%lu", (unsigned long)i);
        put(world, entries, place,
            accept_literals(world, wfs_json_at(expect, i),
                            wfs_json_get(wfs_json_at(script, i), "scenario")));
    }
    put(world, entries, "setup", setup);
    overlay(world, entries, wfs_json_get(variants, "wildcard"));
    if (fallback == WFS_MOCK_FIRST_FALLBACK &&
        has(variants, "first_fallback+own_sequences")) {
        overlay(world, entries,
                wfs_json_get(variants, "first_fallback+own_sequences"));
        return entries;
    }
    overlay(world, entries, wfs_json_get(variants, "own_sequences"));
    if (fallback == WFS_MOCK_FIRST_FALLBACK) {
        overlay(world, entries, wfs_json_get(variants, "first_fallback"));
        world->counters = has(variants, "first_fallback")
                              ? wfs_json_new_object(world->arena)
                              : NULL;
    }
    return entries;
}

static const wfs_json *expectations(case_world *world)
{
    wfs_json *entries = expected_entries(world);
    wfs_json *plain = wfs_json_new_object(world->arena);
    size_t i;

    for (i = 0; i < wfs_json_count(entries); i++)
        put(world, plain, wfs_json_key_at(entries, i, NULL),
            plain_expectation(world, wfs_json_at(entries, i)));
    return plain;
}

/* --- what came of it */

static const wfs_json *problem_paths(case_world *world)
{
    wfs_json *paths = wfs_json_new_array(world->arena);
    const wfs_problem *problems;
    size_t i, count;

    problems = wfs_mocks_problems(world->mocks, &count);
    for (i = 0; i < count; i++)
        wfs_json_append(world->arena, paths,
                        wfs_json_copy(world->arena, problems[i].path));
    return path_set(world, paths);
}

/* A definition that was refused. expected: names what is to be told. */
static wfs_json *refusal(case_world *world, wfs_status status,
                         const wfs_json *expected, const wfs_json *definition)
{
    wfs_json *result = object_with_ok(world, false);
    wfs_json *error = wfs_json_new_object(world->arena);

    put_text(world, error, "code", wfs_status_name(status));
    if (status == WFS_ERR_VALIDATION)
        put(world, error, "paths", problem_paths(world));
    if (has(wfs_json_get(expected, "error"), "scenarioId"))
        put_text(world, error, "scenarioId",
                 text_of(definition, "id") != NULL ? text_of(definition, "id")
                                                   : "<unknown>");
    put(world, result, "error", error);
    return result;
}

static wfs_json *wire_of(case_world *world, const wfs_http_response *response)
{
    wfs_json *wire = wfs_json_new_object(world->arena);
    wfs_json *headers = wfs_json_new_object(world->arena);
    const wfs_http_header *header = response->headers;

    for (; header->name != NULL; header++)
        put_text(world, headers, header->name, header->value);
    put_integer(world, wire, "status", response->status);
    put(world, wire, "headers", headers);
    put(world, wire, "text",
        wfs_json_new_string_n(world->arena, response->body,
                              response->body_size));
    return wire;
}

/* {"status", "json"}: json only when the response has a text. */
static wfs_json *status_and_json(case_world *world,
                                 const wfs_http_response *response)
{
    wfs_json *wire = wfs_json_new_object(world->arena);
    wfs_error error;
    wfs_json *json;

    put_integer(world, wire, "status", response->status);
    if (response->body_size == 0)
        return wire;
    json = wfs_json_parse(world->arena, response->body, response->body_size,
                          NULL, &error);
    if (json == NULL)
        conf_problem(world->one, "the response is not JSON: %s",
                     error.message);
    put(world, wire, "json", json);
    return wire;
}

static wfs_json *answered(case_world *world, const wfs_mock_answer *answer)
{
    wfs_json *result = wfs_mock_selected(world->arena, answer);
    wfs_json *mock = wfs_json_new_object(world->arena);

    put_text(world, mock, "scenario", answer->scenario);
    put_integer(world, mock, "index", answer->mock);
    put_integer(world, mock, "specificity", answer->specificity);
    put(world, result, "mock", mock);
    if (answer->params != NULL)
        put(world, result, "params", answer->params);
    put(world, result, "wire", wire_of(world, &answer->response));
    return result;
}

static wfs_json *error_context(case_world *world, const wfs_json *request,
                               wfs_status status,
                               const wfs_mock_answer *answer)
{
    wfs_json *context = wfs_json_new_object(world->arena);
    wfs_json *info = wfs_json_new_object(world->arena);

    put_text(world, context, "testId", answer->test_id);
    put_text(world, context, "scenarioId", answer->active);
    if (status == WFS_ERR_VALIDATION) {
        put_integer(world, info, "index", answer->mock);
        put(world, context, "mockInfo", info);
    } else {
        put(world, info, "method", wfs_json_get(request, "method"));
        put_text(world, info, "url", answer->url);
        put(world, context, "requestInfo", info);
    }
    return context;
}

static wfs_json *unanswered(case_world *world, const wfs_json *request,
                            wfs_status status, const wfs_json *expected,
                            const wfs_mock_answer *answer)
{
    wfs_json *result = wfs_json_new_object(world->arena);
    wfs_json *error = wfs_json_new_object(world->arena);
    wfs_json *wire;

    put_text(world, error, "code", wfs_status_name(status));
    if (has(wfs_json_get(expected, "error"), "context"))
        put(world, error, "context",
            error_context(world, request, status, answer));
    put(world, result, "error", error);
    if (answer->passed_through) {
        wire = wfs_json_new_object(world->arena);
        put(world, wire, "passthrough", wfs_json_new_bool(world->arena, true));
    } else {
        wire = status_and_json(world, &answer->response);
    }
    put(world, result, "wire", without_wording(world, wire));
    return result;
}

/* --- requests */

static size_t header_count(const wfs_json *headers)
{
    size_t i, count = 0;

    for (i = 0; i < wfs_json_count(headers); i++)
        count += wfs_json_type_of(wfs_json_at(headers, i)) == WFS_JSON_ARRAY
                     ? wfs_json_count(wfs_json_at(headers, i))
                     : 1;
    return count;
}

/* Headers as an object of texts and lists, or a list of pairs; with a content
 * type (NULL: none) unless one is given. */
static const wfs_http_header *request_headers(case_world *world,
                                              const wfs_json *given,
                                              const char *type)
{
    bool pairs = wfs_json_type_of(given) == WFS_JSON_ARRAY;
    wfs_http_header *headers = (wfs_http_header *)wfs_arena_allocate(
        world->arena, (header_count(given) + 2) * sizeof *headers);
    const wfs_json *value;
    const char *name;
    size_t i, j, count = 0;

    if (headers == NULL)
        return NULL;
    for (i = 0; i < wfs_json_count(given); i++) {
        value = wfs_json_at(given, i);
        name = pairs ? wfs_json_string(wfs_json_at(value, 0), NULL)
                     : wfs_json_key_at(given, i, NULL);
        if (pairs)
            value = wfs_json_at(value, 1);
        for (j = 0; j < wfs_json_count(value); j++) {
            headers[count].name = name;
            headers[count++].value =
                wfs_json_string(wfs_json_at(value, j), NULL);
        }
        if (wfs_json_type_of(value) == WFS_JSON_STRING) {
            headers[count].name = name;
            headers[count++].value = wfs_json_string(value, NULL);
        }
    }
    headers[count].name = headers[count].value = NULL;
    if (type != NULL &&
        wfs_http_header_value(headers, "content-type") == NULL) {
        headers[count].name = "content-type";
        headers[count].value = type;
        headers[count + 1].name = headers[count + 1].value = NULL;
    }
    return headers;
}

static void fill_request(case_world *world, const wfs_json *entry,
                         const char *raw_type, wfs_http_request *request)
{
    const char *type = NULL;

    memset(request, 0, sizeof *request);
    request->method = text_of(entry, "method");
    request->url = text_of(entry, "url");
    if (has(entry, "body")) {
        request->body = wfs_json_write(world->arena,
                                       wfs_json_get(entry, "body"), 0,
                                       &request->body_size);
        type = "application/json";
    } else if (has(entry, "rawBody")) {
        request->body = wfs_json_string(wfs_json_get(entry, "rawBody"),
                                        &request->body_size);
        type = raw_type;
    }
    request->headers =
        request_headers(world, wfs_json_get(entry, "headers"), type);
}

static wfs_json *do_request(case_world *world, const wfs_json *entry,
                            const wfs_json *expected)
{
    wfs_http_request request;
    wfs_mock_answer answer;
    wfs_status status;

    fill_request(world, entry, NULL, &request);
    status = wfs_mocks_request(world->mocks, text_of(entry, "testId"),
                               &request, world->arena, &answer);
    return status == WFS_OK
               ? answered(world, &answer)
               : unanswered(world, entry, status, expected, &answer);
}

static wfs_json *do_http(case_world *world, const wfs_json *entry)
{
    wfs_http_request request;
    wfs_http_response response;
    const char *path = text_of(entry, "path");
    wfs_json *none;
    size_t size;
    char *url;
    bool answered_it;

    fill_request(world, entry, "application/json", &request);
    size = strlen(path) + 32;
    url = (char *)wfs_arena_allocate(world->arena, size);
    if (url == NULL)
        return NULL;
    snprintf(url, size, "http://localhost%s", path);
    request.url = url;
    if (wfs_mocks_control(world->mocks, &request, world->arena, &answered_it,
                          &response) != WFS_OK)
        conf_problem(world->one, "%s: %s", path,
                     wfs_mocks_error(world->mocks)->message);
    if (answered_it)
        return plain_expectation(world, status_and_json(world, &response));
    none = wfs_json_new_object(world->arena);
    put_integer(world, none, "status", 404);
    return none;
}

/* --- the other entries */

static wfs_json *do_switch(case_world *world, const wfs_json *entry,
                           const wfs_json *expected)
{
    const char *id = text_of(entry, "testId");
    const char *scenario = text_of(entry, "scenario");
    wfs_status status = wfs_mocks_switch(world->mocks, id, scenario);
    wfs_json *result = object_with_ok(world, status == WFS_OK);
    wfs_json *error, *context;

    if (status == WFS_OK)
        return result;
    error = wfs_json_new_object(world->arena);
    put_text(world, error, "code", wfs_status_name(status));
    if (has(wfs_json_get(expected, "error"), "context")) {
        context = wfs_json_new_object(world->arena);
        put_text(world, context, "testId",
                 id != NULL ? id : world->default_id);
        put_text(world, context, "scenarioId", scenario);
        put(world, error, "context", context);
    }
    put(world, result, "error", error);
    return result;
}

static wfs_json *do_clear(case_world *world, const wfs_json *entry)
{
    wfs_status status =
        wfs_mocks_clear(world->mocks, text_of(entry, "testId"));

    return object_with_ok(world, status == WFS_OK);
}

static wfs_json *do_active(case_world *world, const wfs_json *entry)
{
    wfs_json *result = wfs_json_new_object(world->arena);

    put_text(world, result, "active",
             wfs_mocks_active(world->mocks, text_of(entry, "testId")));
    return result;
}

static wfs_json *do_state(case_world *world, const wfs_json *entry)
{
    wfs_json *result = wfs_json_new_object(world->arena);

    put(world, result, "state",
        wfs_mocks_state(world->mocks, text_of(entry, "testId"),
                        world->arena));
    return result;
}

static wfs_json *do_list(case_world *world)
{
    wfs_json *result = wfs_json_new_object(world->arena);
    wfs_json *ids = wfs_json_new_array(world->arena);
    wfs_mock_scenario_info info;
    size_t i;

    for (i = 0; wfs_mocks_scenario_at(world->mocks, i, &info); i++)
        wfs_json_append(world->arena, ids,
                        wfs_json_new_string(world->arena, info.id));
    put(world, result, "scenarios", ids);
    return result;
}

static wfs_json *do_lookup(case_world *world, const wfs_json *entry)
{
    wfs_json *result = wfs_json_new_object(world->arena);
    wfs_mock_scenario_info info;
    bool found = wfs_mocks_scenario(world->mocks, text_of(entry, "scenario"),
                                    &info);

    put_text(world, result, "name", found ? info.name : NULL);
    if (found)
        put_integer(world, result, "mocks", (int64_t)info.mock_count);
    return result;
}

/* The definition that was registered under an id, the very same value. */
static const wfs_json *registered(case_world *world, const char *id)
{
    const wfs_json *scenarios = wfs_json_get(world->one->json, "scenarios");
    const wfs_json *script = wfs_json_get(world->one->json, "script");
    const wfs_json *definition;
    size_t i;

    for (i = 0; i < wfs_json_count(scenarios) + wfs_json_count(script); i++) {
        definition =
            i < wfs_json_count(scenarios)
                ? wfs_json_at(scenarios, i)
                : wfs_json_get(
                      wfs_json_at(script, i - wfs_json_count(scenarios)),
                      "scenario");
        if (text_of(definition, "id") != NULL &&
            strcmp(text_of(definition, "id"), id) == 0)
            return definition;
    }
    conf_problem(world->one, "no definition has the id %s", id);
    return NULL;
}

static wfs_json *do_register(case_world *world, const wfs_json *entry,
                             const wfs_json *expected)
{
    const wfs_json *definition = wfs_json_get(entry, "scenario");
    wfs_status status;

    if (has(entry, "same"))
        definition = registered(world, text_of(entry, "same"));
    status = wfs_mocks_register(world->mocks, definition);
    return status == WFS_OK ? object_with_ok(world, true)
                            : refusal(world, status, expected, definition);
}

static wfs_json *do_entry(case_world *world, const wfs_json *entry,
                          const wfs_json *expected)
{
    const char *what = text_of(entry, "do");

    if (strcmp(what, "request") == 0)
        return do_request(world, entry, expected);
    if (strcmp(what, "http") == 0)
        return do_http(world, entry);
    if (strcmp(what, "switch") == 0)
        return do_switch(world, entry, expected);
    if (strcmp(what, "clear") == 0)
        return do_clear(world, entry);
    if (strcmp(what, "active") == 0)
        return do_active(world, entry);
    if (strcmp(what, "state") == 0)
        return do_state(world, entry);
    if (strcmp(what, "list") == 0)
        return do_list(world);
    if (strcmp(what, "lookup") == 0)
        return do_lookup(world, entry);
    if (strcmp(what, "register") == 0)
        return do_register(world, entry, expected);
    conf_problem(world->one, "an entry does `%s`, which is not known", what);
    return NULL;
}

/* --- counters that mocks share
 *
 * Where both rules together were not recorded, `first_fallback` alone may rest
 * on the reference's counters: one for a test id, a scenario and a place among
 * the mocks that fit a request, so that mocks share them, and a mock reached
 * through other candidates has several. What is to come with sequences of
 * their own was not recorded then. So the counters are followed, by what the
 * recording says of who answered. An entry that differs, of a test whose
 * counters have been shared since it began, is named and not compared. */

static bool is_text(const wfs_json *value, const char *text)
{
    const char *there = wfs_json_string(value, NULL);

    return there != NULL && strcmp(there, text) == 0;
}

static const wfs_json *scenario_of_id(case_world *world, const char *id)
{
    const wfs_json *scenarios = wfs_json_get(world->one->json, "scenarios");
    size_t i;

    for (i = 0; i < wfs_json_count(scenarios); i++)
        if (is_text(wfs_json_get(wfs_json_at(scenarios, i), "id"), id))
            return wfs_json_at(scenarios, i);
    return NULL;
}

static bool mock_fits(case_world *world, const wfs_json *mock,
                      const wfs_json *request)
{
    const char *url = text_of(mock, "url");
    bool fits = false;

    return url != NULL &&
           is_text(wfs_json_get(mock, "method"), text_of(request, "method")) &&
           wfs_url_match(world->arena, url, text_of(request, "url"), &fits,
                         NULL, NULL) == WFS_OK &&
           fits;
}

/* A text made of a test id and others, for a place in `counters`. */
static const char *counter_key(case_world *world, const char *kind,
                               const char *test, const char *scenario,
                               const char *rest)
{
    size_t size = strlen(kind) + strlen(test) + strlen(scenario) +
                  strlen(rest) + 4;
    char *key = (char *)wfs_arena_allocate(world->arena, size);

    if (key != NULL)
        snprintf(key, size, "%s\n%s\n%s\n%s", kind, test, scenario, rest);
    return key != NULL ? key : "";
}

/* Whether the counter of one candidate, or its mock's, is another's too. won:
 * it answered, so that its counter moved. */
static bool follow_counter(case_world *world, const char *test,
                           const char *active, size_t place, const char *mock,
                           bool won)
{
    const char *by_place, *by_mock;
    char text[32];
    bool shared;

    snprintf(text, sizeof text, "%lu", (unsigned long)place);
    by_place = counter_key(world, "place", test, active, text);
    by_mock = counter_key(world, "mock", test, active, mock);
    shared = (has(world->counters, by_place) &&
              !is_text(wfs_json_get(world->counters, by_place), mock)) ||
             (has(world->counters, by_mock) &&
              !is_text(wfs_json_get(world->counters, by_mock), text));
    if (won) {
        put_text(world, world->counters, by_place, mock);
        put_text(world, world->counters, by_mock, text);
    }
    return shared;
}

/* Follow the candidates of a request in one scenario, from a place on. */
static bool follow_scenario(case_world *world, const char *test,
                            const char *active, const wfs_json *scenario,
                            const wfs_json *request, const wfs_json *expected,
                            size_t *place, bool *plain)
{
    const wfs_json *mocks = wfs_json_get(scenario, "mocks"), *mock;
    const wfs_json *winner = wfs_json_get(expected, "mock");
    const char *id = text_of(scenario, "id");
    char name[128];
    bool shared = false, won;
    size_t i;

    for (i = 0; i < wfs_json_count(mocks); i++) {
        mock = wfs_json_at(mocks, i);
        if (!mock_fits(world, mock, request))
            continue;
        *plain = *plain || !has(mock, "match");
        won = winner != NULL &&
              is_text(wfs_json_get(winner, "scenario"), id) &&
              wfs_json_integer(wfs_json_get(winner, "index")) == (int64_t)i;
        snprintf(name, sizeof name, "%s/%lu", id, (unsigned long)i);
        if (has(mock, "sequence") &&
            follow_counter(world, test, active, *place, name, won))
            shared = true;
        ++*place;
    }
    return shared;
}

static const char *test_of(case_world *world, const wfs_json *entry)
{
    return has(entry, "testId") ? text_of(entry, "testId") : world->default_id;
}

/* Whether the counters of an entry's test are shared up to now. */
static bool is_shared(case_world *world, const wfs_json *entry)
{
    return has(world->counters,
               counter_key(world, "shared", test_of(world, entry), "", ""));
}

static void follow_request(case_world *world, const wfs_json *request,
                           const wfs_json *expected)
{
    const char *test = test_of(world, request);
    const char *active = wfs_mocks_active(world->mocks, test);
    bool plain = false, shared = false;
    size_t place = 0;

    if (active != NULL)
        shared = follow_scenario(world, test, active,
                                 scenario_of_id(world, active), request,
                                 expected, &place, &plain);
    if (!plain && follow_scenario(world, test,
                                  active != NULL ? active : "default",
                                  scenario_of_id(world, "default"), request,
                                  expected, &place, &plain))
        shared = true;
    if (shared)
        put(world, world->counters,
            counter_key(world, "shared", test, "", ""),
            wfs_json_new_null(world->arena));
}

/* A switch starts a test's counters anew. */
static void forget_counters(case_world *world, const char *test)
{
    wfs_json *left = wfs_json_new_object(world->arena);
    const char *key, *start, *end;
    size_t i;

    for (i = 0; i < wfs_json_count(world->counters); i++) {
        key = wfs_json_key_at(world->counters, i, NULL);
        start = strchr(key, '\n') + 1;
        end = strchr(start, '\n');
        if (strlen(test) != (size_t)(end - start) ||
            memcmp(start, test, strlen(test)) != 0)
            put(world, left, key, wfs_json_at(world->counters, i));
    }
    world->counters = left;
}

/* What is to be compared with what an entry gave. */
static const wfs_json *judged(case_world *world, const wfs_json *entry,
                              const char *place, const wfs_json *actual)
{
    const wfs_json *expected = wfs_json_get(world->one->expected, place);
    conf_comparison quietly = {NULL, NULL};

    quietly.arena = world->arena;
    if (world->counters == NULL || !is_shared(world, entry) ||
        !conf_differ(&quietly, NULL, expected, actual))
        return expected;
    printf("NOTE %s: entry %s (%s) rests on sequence counters that mocks "
           "share, and is not compared\n",
           text_of(world->one->json, "name"), place, text_of(entry, "do"));
    return actual;
}

/* --- a case */

static wfs_mock_reaction reaction(const wfs_json *behaviors, const char *name)
{
    const char *text = text_of(behaviors, name);

    if (behaviors == NULL)
        return WFS_MOCK_IGNORE;
    if (text == NULL || strcmp(text, "throw") == 0)
        return WFS_MOCK_THROW;
    return strcmp(text, "warn") == 0 ? WFS_MOCK_WARN : WFS_MOCK_IGNORE;
}

static wfs_mock_options case_options(const wfs_json *config)
{
    const wfs_json *behaviors = wfs_json_get(config, "errorBehaviors");
    const wfs_json *endpoints = wfs_json_get(config, "endpoints");
    wfs_mock_options options;

    memset(&options, 0, sizeof options);
    options.fallback = fallback;
    options.default_test_id = text_of(config, "defaultTestId");
    options.test_id_header = "x-scenarist-test-id";
    options.strict = wfs_json_bool(wfs_json_get(config, "strictMode"));
    options.on_no_mock = reaction(behaviors, "onNoMockFound");
    options.on_exhausted = reaction(behaviors, "onSequenceExhausted");
    options.on_missing_test_id = reaction(behaviors, "onMissingTestId");
    options.set_scenario_path = text_of(endpoints, "setScenario");
    options.get_scenario_path = text_of(endpoints, "getScenario");
    options.get_state_path = text_of(endpoints, "getState");
    options.unchecked =
        has(config, "validate") &&
        !wfs_json_bool(wfs_json_get(config, "validate"));
    return options;
}

/* Load the scenarios: {"ok": true}, or why not. */
static wfs_json *set_up(case_world *world, const wfs_json *expected)
{
    const wfs_json *scenarios = wfs_json_get(world->one->json, "scenarios");
    const wfs_problem *problems;
    const char *key;
    wfs_status status;
    wfs_json *result;
    size_t i, count;

    status = wfs_mocks_load_json(world->mocks, scenarios);
    if (status == WFS_OK)
        return object_with_ok(world, true);
    problems = wfs_mocks_problems(world->mocks, &count);
    key = count != 0 ? wfs_json_string(wfs_json_at(problems[0].path, 0), NULL)
                     : NULL;
    result = refusal(world, status, expected,
                     key != NULL ? wfs_json_get(scenarios, key) : NULL);
    if (status == WFS_ERR_DUPLICATE_SCENARIO)
        put_text(world, result, "scenario", key);
    put_text(world, result, "stage",
             status == WFS_ERR_VALIDATION ? "config" : "register");
    for (i = 0; i < count; i++)
        if (wfs_json_count(problems[i].path) == 0)
            conf_problem(world->one, "a problem without a path");
    return result;
}

/* One entry, with what it does to the counters. */
static wfs_json *run_entry(case_world *world, const wfs_json *entry,
                           const wfs_json *expected)
{
    wfs_json *result;

    if (world->counters != NULL &&
        is_text(wfs_json_get(entry, "do"), "request"))
        follow_request(world, entry, expected);
    result = do_entry(world, entry, expected);
    if (world->counters != NULL &&
        is_text(wfs_json_get(entry, "do"), "switch"))
        forget_counters(world, test_of(world, entry));
    return result;
}

/* A case that was refused when it was recorded has no expectations, though its
 * definitions are accepted here. */
static void run_script(case_world *world, wfs_json *actual)
{
    const wfs_json *script = wfs_json_get(world->one->json, "script");
    const wfs_json *entry, *expected, *result;
    wfs_json *judgement = wfs_json_new_object(world->arena);
    char place[32];
    size_t i, count = wfs_json_count(script);

    if (wfs_json_count(world->one->expected) == 1)
        count = 0;
    for (i = 0; i < count; i++) {
        snprintf(place, sizeof place, "%lu", (unsigned long)i);
        entry = wfs_json_at(script, i);
        expected = wfs_json_get(world->one->expected, place);
        result = run_entry(world, entry, expected);
        put(world, actual, place, result);
        if (expected != NULL)
            put(world, judgement, place, judged(world, entry, place, result));
    }
    put(world, judgement, "setup",
        wfs_json_get(world->one->expected, "setup"));
    world->one->expected = wfs_json_copy(world->arena, judgement);
}

static void run_case(conf_case *one)
{
    wfs_mock_options options =
        case_options(wfs_json_get(one->json, "config"));
    case_world world;
    wfs_json *actual, *setup;
    wfs_error error;

    memset(&world, 0, sizeof world);
    world.one = one;
    world.arena = one->arena;
    world.default_id = options.default_test_id != NULL
                           ? options.default_test_id
                           : "default-test";
    if (wfs_mocks_create(&options, &world.mocks, &error) != WFS_OK) {
        conf_problem(one, "%s", error.message);
        return;
    }
    one->expected = expectations(&world);
    setup = set_up(&world, wfs_json_get(one->expected, "setup"));
    actual = wfs_json_new_object(one->arena);
    if (wfs_json_bool(wfs_json_get(setup, "ok")))
        run_script(&world, actual);
    put(&world, actual, "setup", setup);
    /* What was answered may point into the mocks. */
    one->actual = wfs_json_copy(one->arena, actual);
    wfs_mocks_free(world.mocks);
}

/* --- what is skipped */

static bool in_list(const wfs_json *list, const char *text)
{
    const char *item;
    size_t i;

    for (i = 0; i < wfs_json_count(list); i++) {
        item = wfs_json_string(wfs_json_at(list, i), NULL);
        if (item != NULL && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

/* Whether an expression in a value has look-around or a back-reference, as
 * refused by the library; depth bounds the recursion. */
static bool has_refused_regex(const wfs_json *value, int depth)
{
    const wfs_json *regex = wfs_json_get(value, "regex");
    const char *source = text_of(regex, "source");
    wfs_arena *arena;
    wfs_regex *compiled;
    wfs_error error;
    wfs_status status;
    size_t i;

    if (source != NULL) {
        arena = wfs_arena_create(NULL);
        status = arena != NULL
                     ? wfs_regex_compile(arena, source, text_of(regex, "flags"),
                                         &compiled, &error)
                     : WFS_OK;
        wfs_arena_free(arena);
        if (status == WFS_ERR_UNSUPPORTED &&
            (strstr(error.message, "look-around") != NULL ||
             strstr(error.message, "back-reference") != NULL))
            return true;
    }
    for (i = 0; depth > 0 && i < wfs_json_count(value); i++)
        if (has_refused_regex(wfs_json_at(value, i), depth - 1))
            return true;
    return false;
}

static const char *skip_case(const wfs_json *json)
{
    const char *origin = text_of(json, "origin");

    /* What was written for this library expects what it does. */
    if (origin != NULL && strcmp(origin, "own") == 0)
        return NULL;
    if (wfs_json_get(json, "quirk") != NULL)
        return "an artefact that is not copied (quirk)";
    if (in_list(wfs_json_get(json, "requires"), "native-regexp"))
        return "JSON holds no native regular expression (native-regexp)";
    if (in_list(wfs_json_get(json, "tags"), "redos"))
        return "matching is linear, so nothing is refused (redos)";
    if (has_refused_regex(wfs_json_get(json, "scenarios"), 40) ||
        has_refused_regex(wfs_json_get(json, "script"), 40))
        return "look-around or a back-reference, refused at load";
    return NULL;
}

static bool option(const char *name, const char *value)
{
    if (strcmp(name, "--fallback") != 0)
        return false;
    if (strcmp(value, "last") == 0)
        fallback = WFS_MOCK_LAST_FALLBACK;
    else if (strcmp(value, "first") != 0)
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static const conf_suite suite = {
        "scenarist",
        "tests/conformance/scenarist",
        "../shared/conformance/scenarist",
        run_case,
        skip_case,
        option,
        "[--fallback first|last] "};

    return conf_main(&suite, argc, argv);
}
