/* HTTP mocks against what no friend would send: very many mocks, very large,
 * deep and broken requests, keys that are dangerous elsewhere, expressions that
 * hang others. That something is linear is seen by the memory it takes. */
#include "mock_support.h"

/* How many, where a hundred thousand are too slow: TEST_ROUNDS=5. */
static size_t many(size_t count)
{
    return getenv("TEST_ROUNDS") != NULL ? count / 50 : count;
}

/* head, the item that many times with its number for each %d in it (up to
 * two) and commas between, tail; to be freed. ' stands for ". */
static char *list_of(const char *head, const char *item, size_t count,
                     const char *tail)
{
    size_t room = strlen(head) + strlen(tail) + 1 +
                  count * (strlen(item) + 24);
    char *text = (char *)malloc(room), *at;
    size_t i;

    assert_non_null(text);
    at = text + sprintf(text, "%s", head);
    for (i = 0; i < count; i++) {
        if (i != 0)
            *at++ = ',';
        at += sprintf(at, item, (int)i, (int)i);
    }
    strcpy(at, tail);
    for (at = text; *at != '\0'; at++)
        if (*at == '\'')
            *at = '"';
    return text;
}

#define DEFAULT_BEFORE                                                        \
    "{'default':{'id':'default','name':'n','description':'','mocks':["
#define DEFAULT_AFTER "]}}"

/* Of a default scenario with that mock, that many times. */
static wfs_mocks *open_many(const char *mock, size_t count)
{
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    char *text = list_of(DEFAULT_BEFORE, mock, count, DEFAULT_AFTER);

    mocks_ok(mocks, wfs_mocks_load(mocks, text, 0));
    free(text);
    return mocks;
}

/* One request, whole as it is given. */
static wfs_status send_raw(wfs_mocks *mocks, const wfs_http_request *request,
                           wfs_mock_answer *answer)
{
    return wfs_mocks_request(mocks, NULL, request, mock_arena, answer);
}

static wfs_status send_body(wfs_mocks *mocks, const char *url,
                            const char *body, size_t size,
                            wfs_mock_answer *answer)
{
    wfs_http_request request = {.method = "POST", .url = url, .body = body,
                                .body_size = size};

    return send_raw(mocks, &request, answer);
}

/* What the call takes in its arena. */
#define bytes_of(call, count)                                                 \
    do {                                                                      \
        size_t before_;                                                       \
        wfs_allocator allocator_ = {.resize = sweep_resize, .user = &memory}; \
                                                                              \
        wfs_arena_free(mock_arena);                                           \
        before_ = memory.bytes;                                               \
        mock_arena = wfs_arena_create(&allocator_);                           \
        call;                                                                 \
        *(count) = memory.bytes - before_;                                    \
    } while (0)

static void linear_at(size_t half, size_t whole, int line)
{
    if (whole > half * 5 / 2 + 65536)
        fail_msg("line %d: %lu bytes, and %lu for twice as much", line,
                 (unsigned long)half, (unsigned long)whole);
}

#define assert_linear(half, whole) linear_at((half), (whole), __LINE__)

/* What is JSON in the store can be read by others; and the log can be read. */
static void all_is_json(wfs_mocks *mocks)
{
    const wfs_mock_request *requests;
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *text;
    size_t count, size;

    text = wfs_json_write(arena, wfs_mocks_state(mocks, NULL, arena), 0, &size);
    assert_non_null(wfs_json_parse(arena, text, size, NULL, NULL));
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, arena, &requests, &count));
    mocks_ok(mocks, wfs_mocks_log(mocks, NULL, arena, &text));
    wfs_arena_free(arena);
}

/* --- very many */

static void very_many_mocks(void **state)
{
    size_t count = many(100000), few, more;
    wfs_mocks *mocks = open_many(GET("/p/%d", SAYS("%d")), 1000);
    char request[64], expected[64], why[512];
    asked it;

    (void)state;
    bytes_of(it = ask(mocks, NULL, "GET /p/999"), &few);
    assert_string_equal(said(it), "200 999");
    close_mocks(mocks);

    mocks = open_many(GET("/p/%d", SAYS("%d")), count);
    sprintf(request, "GET /p/%d", (int)count - 1);
    sprintf(expected, "200 %d", (int)count - 1);
    bytes_of(it = ask(mocks, NULL, request), &more);
    assert_true(more <= few + 4096);
    assert_string_equal(said(it), expected);
    expect(mocks, NULL, "GET /p/0", "200 0");
    sprintf(why,
            "No mock matched for PUT https://x.test/p/7\n"
            "  default[7] GET /p/7: method: expected 'GET', actual 'PUT'\n"
            "  default[0] GET /p/0: url: expected '/p/0', actual '/p/7'\n"
            "  default[1] GET /p/1: url: expected '/p/1', actual '/p/7'\n"
            "  (and %d more)", (int)count - 3);
    expect_why(mocks, NULL, "PUT /p/7", why);
    close_mocks(mocks);
}

/* All of them fit, and the last one is meant. */
static void very_many_that_fit(void **state)
{
    static const char mock[] =
        POST("/p", "'match':{'body':{'n':%d}}," SAYS("%d"));
    size_t count = many(100000), half, whole;
    char request[64], expected[64];
    wfs_mocks *mocks = open_many(mock, count / 2);
    asked it;

    (void)state;
    sprintf(request, "POST /p {'n':%d}", (int)count / 2 - 1);
    bytes_of(it = ask(mocks, NULL, request), &half);
    assert_int_equal(it.status, WFS_OK);
    close_mocks(mocks);
    mocks = open_many(mock, count);
    sprintf(request, "POST /p {'n':%d}", (int)count - 1);
    sprintf(expected, "200 %d", (int)count - 1);
    bytes_of(it = ask(mocks, NULL, request), &whole);
    assert_string_equal(said(it), expected);
    assert_linear(half, whole);
    close_mocks(mocks);
}

static void very_many_problems(void **state)
{
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    size_t count = many(100000), found;
    char *text = list_of(DEFAULT_BEFORE, "{'url':'/%d'}", count, DEFAULT_AFTER);
    const wfs_problem *problems;
    char where[64];

    (void)state;
    assert_int_equal(wfs_mocks_load(mocks, text, 0), WFS_ERR_VALIDATION);
    problems = wfs_mocks_problems(mocks, &found);
    assert_int_equal(found, count);
    sprintf(where, "default.mocks[%d].method", (int)count - 1);
    assert_string_equal(problems[count - 1].where, where);
    free(text);
    close_mocks(mocks);
}

static wfs_mocks *open_captures(const char *target, size_t count)
{
    char *text = list_of(DEFAULT_BEFORE
                         "{'method':'POST','url':'/p','response':"
                         "{'status':200},'captureState':{",
                         target, count, "}}" DEFAULT_AFTER);
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);

    mocks_ok(mocks, wfs_mocks_load(mocks, text, 0));
    free(text);
    return mocks;
}

static void very_many_captures(void **state)
{
    static const char *const targets[] = {"'k%d':'body.n'", "'a.k%d':'body.n'"};
    size_t count = 1000, half, whole, i;
    wfs_mocks *mocks;
    asked it;

    (void)state;
    for (i = 0; i < 2; i++) {
        mocks = open_captures(targets[i], count / 2);
        bytes_of(it = ask(mocks, NULL, "POST /p {'n':1}"), &half);
        assert_int_equal(it.status, WFS_OK);
        close_mocks(mocks);
        mocks = open_captures(targets[i], count);
        bytes_of(it = ask(mocks, NULL, "POST /p {'n':1}"), &whole);
        assert_int_equal(it.status, WFS_OK);
        all_is_json(mocks);
        close_mocks(mocks);
        assert_linear(half, whole);
    }
}

/* What one request takes that many mocks look at, with criteria that all fail
 * at the end: a part of the request that is large is read once. */
static size_t bytes_looked_at(const char *mock, size_t mocks_count,
                              const wfs_http_request *request)
{
    wfs_mocks *mocks = open_many(mock, mocks_count);
    wfs_mock_answer answer;
    wfs_status status;
    size_t bytes;

    bytes_of(status = send_raw(mocks, request, &answer), &bytes);
    assert_int_equal(status, WFS_ERR_NO_MOCK_FOUND);
    close_mocks(mocks);
    return bytes;
}

#define MANY_CRITERIA 2000

static void very_many_criteria(void **state)
{
    static wfs_http_header headers[MANY_CRITERIA + 1];
    static char names[MANY_CRITERIA][16];
    char *list = list_of("{'k':[", "%d", 50000, "]}");
    char *query = list_of("https://x.test/p?", "a%%41%d=%%42", 5000, "");
    wfs_http_request body = {.method = "POST", .url = "https://x.test/p"};
    wfs_http_request get = {.url = "https://x.test/p"};
    size_t one, many_, i;
    char *at;

    (void)state;
    body.body = list;
    one = bytes_looked_at("{'method':'POST','url':'/p','match':{'body':{'k':"
                          "{'endsWith':'x'}}}}", 1, &body);
    many_ = bytes_looked_at("{'method':'POST','url':'/p','match':{'body':{'k':"
                            "{'endsWith':'x'}}}}", MANY_CRITERIA, &body);
    assert_true(many_ < one + MANY_CRITERIA * 200 + 1000000);
    for (at = query; *at != '\0'; at++)
        if (*at == ',')
            *at = '&';
    get.url = query;
    one = bytes_looked_at("{'method':'GET','url':'/p','match':{'query':{'aA7':"
                          "{'endsWith':'x'}}}}", 1, &get);
    many_ = bytes_looked_at("{'method':'GET','url':'/p','match':{'query':{"
                            "'aA7':{'endsWith':'x'}}}}", MANY_CRITERIA, &get);
    assert_true(many_ < one + MANY_CRITERIA * 200 + 1000000);
    for (i = 0; i < MANY_CRITERIA; i++) {
        sprintf(names[i], "X-%d", (int)(i / 2));
        headers[i].name = names[i];
        headers[i].value = i % 2 == 0 ? "one" : "two";
    }
    get.url = "https://x.test/p";
    get.headers = headers;
    one = bytes_looked_at("{'method':'GET','url':'/p','match':{'headers':{"
                          "'x-7':{'equals':'one, twO'}}}}", 1, &get);
    many_ = bytes_looked_at("{'method':'GET','url':'/p','match':{'headers':{"
                            "'x-7':{'equals':'one, twO'}}}}", MANY_CRITERIA,
                            &get);
    assert_true(many_ < one + MANY_CRITERIA * 200 + 1000000);
    free(list);
    free(query);
}

/* Many headers are looked up as few are. */
static void a_header_among_many(void **state)
{
    static wfs_http_header headers[] = {
        {"A", " 1"}, {"B", "2"}, {"a", "3 "}, {"C", "4"}, {"D", NULL},
        {"E1", "x"}, {"E2", "x"}, {"E3", "x"}, {"E4", "x"}, {"E5", "x"},
        {"F1", "x"}, {"F2", "x"}, {"F3", "x"}, {"F4", "x"}, {"F5", "x"},
        {"G1", "x"}, {"G2", "x"}, {"G3", "x"}, {"G4", "x"}, {"G5", "x"},
        {"H1", "x"}, {"H2", "x"}, {"H3", "x"}, {"H4", "x"}, {"H5", "x"},
        {"I1", "x"}, {"I2", "x"}, {"I3", "x"}, {"I4", "x"}, {"I5", "x"},
        {"J1", "x"}, {"J2", "x"}, {"J3", "x"}, {"J4", "x"}, {"J5", "x"},
        {"B", "last"}, {NULL, NULL}};
    wfs_mocks *mocks = open_mocks(DEFAULT(
        "{'method':'GET','url':'/p','match':{'headers':{'a':'1, 3','c':'4',"
        "'B':'2, last'}},'captureState':{'a':'headers.a','d':'headers.d',"
        "'none':'headers.k1'},'response':{'status':200,'body':"
        "'{{state.a}}|{{state.d}}|{{state.none}}'}}"));

    (void)state;
    assert_string_equal(said(ask_with(mocks, NULL, "GET /p", headers)),
                        "200 '1, 3||{{state.none}}'");
    headers[20].name = NULL;
    headers[20].value = NULL;
    assert_string_equal(said(ask_with(mocks, NULL, "GET /p", headers)),
                        "NO_MOCK_FOUND");
    close_mocks(mocks);
}

static void very_many_templates(void **state)
{
    size_t count = many(100000), i;
    char *text = list_of(DEFAULT_BEFORE
                         "{'method':'POST','url':'/p/:id','captureState':"
                         "{'x':'body.x'},'response':{'status':200,'body':[",
                         "'{{state.x}}','<{{params.id}}>{{state.no}}'", count,
                         "]}}" DEFAULT_AFTER);
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    const wfs_json *body;
    asked it;

    (void)state;
    mocks_ok(mocks, wfs_mocks_load(mocks, text, 0));
    it = ask(mocks, NULL, "POST /p/7 {'x':{'y':[1]}}");
    assert_int_equal(it.status, WFS_OK);
    body = wfs_json_parse(mock_arena, it.answer.response.body,
                          it.answer.response.body_size, NULL, NULL);
    assert_int_equal(wfs_json_count(body), 2 * count);
    for (i = 0; i < 2 * count; i += count) {
        assert_int_equal(wfs_json_integer(wfs_json_path(
            wfs_json_at(body, i), "y[0]")), 1);
        assert_string_equal(wfs_json_string(wfs_json_at(body, i + 1), NULL),
                            "<7>{{state.no}}");
    }
    free(text);
    close_mocks(mocks);
}

static void a_list_that_grows(void **state)
{
    wfs_mocks *mocks = open_mocks_with(
        (wfs_mock_options){.no_log = true},
        DEFAULT(POST("/p", "'captureState':{'all[]':'body.n'},"
                           SAYS("'{{state.all.length}}'"))));
    size_t count = many(2000), i;
    char request[64], expected[64];

    (void)state;
    for (i = 1; i <= count; i++) {
        sprintf(request, "POST /p {'n':%d}", (int)i);
        sprintf(expected, "200 %d", (int)i);
        expect(mocks, NULL, request, expected);
    }
    close_mocks(mocks);
}

/* --- very deep */

/* That many times the opening, then the closing ones; to be freed. */
static char *nested(const char *open, const char *middle, char close,
                    size_t depth)
{
    size_t size = strlen(open), i;
    char *text = (char *)malloc(depth * (size + 1) + strlen(middle) + 1), *at;

    assert_non_null(text);
    for (i = 0, at = text; i < depth; i++, at += size)
        memcpy(at, open, size);
    at += sprintf(at, "%s", middle);
    memset(at, close, depth);
    at[depth] = '\0';
    return text;
}

static void very_deep_bodies(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/p", "'match':{'body':{}},'captureState':{'a.b.c':'body.a'},"
                   SAYS("'{{state.a}}'"))));
    static const size_t depths[] = {2, 100, 512, 513, 100000};
    wfs_mock_answer answer;
    char *body;
    size_t i;

    (void)state;
    for (i = 0; i < 5; i++) {
        body = nested("{\"a\":", "1", '}', depths[i]);
        assert_int_equal(send_body(mocks, "http://x.test/p", body, 0, &answer),
                         depths[i] <= 512 ? WFS_OK : WFS_ERR_NO_MOCK_FOUND);
        free(body);
        body = nested("[", "", ']', depths[i]);
        assert_int_equal(send_body(mocks, "http://x.test/p", body, 0, &answer),
                         WFS_ERR_NO_MOCK_FOUND);
        free(body);
        wfs_arena_clear(mock_arena);
    }
    close_mocks(mocks);
}

static void very_deep_definitions(void **state)
{
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    char *text = nested("{\"id\":", "1", '}', 600);

    (void)state;
    assert_int_equal(wfs_mocks_load(mocks, text, 0), WFS_ERR_LIMIT);
    assert_int_equal(wfs_mocks_register_text(mocks, text, 0), WFS_ERR_LIMIT);
    free(text);
    close_mocks(mocks);
}

/* A path of a hundred thousand segments makes a state as deep, which goes
 * through everything that reads states. */
static void a_very_deep_state(void **state)
{
    size_t depth = many(100000);
    char *path = nested("a.", "b", '\0', depth), *text, *request;
    wfs_mocks *mocks = open_mocks_with((wfs_mock_options){0}, NULL);
    wfs_store *copy;
    asked it;

    (void)state;
    text = (char *)malloc(2 * depth + 1000);
    sprintf(text, DEFAULT_BEFORE "{'method':'POST','url':'/p','captureState':"
                  "{'%s':'body.n'},'response':{'status':200,'body':"
                  "'{{state.a}}'}},{'method':'GET','url':'/p','match':"
                  "{'state':{'a':{'a':1}}},'response':{'status':200}},"
                  "{'method':'PUT','url':'/p','response':{'status':200,"
                  "'headers':{'x':'{{state.a}} and {{state.a.a}}'}}}"
                  DEFAULT_AFTER, path);
    mocks_ok(mocks, load_text(mocks, text));
    request = (char *)malloc(2 * depth + 1000);
    for (depth = 0; depth < 2; depth++) {
        it = ask(mocks, NULL, "POST /p {'n':[5]}");
        assert_int_equal(it.status, WFS_OK);
        assert_non_null(wfs_mock_selected(mock_arena, &it.answer));
        wfs_arena_clear(mock_arena);
    }
    assert_int_equal(ask(mocks, NULL, "GET /p").status, WFS_ERR_NO_MOCK_FOUND);
    expect(mocks, NULL, "PUT /p", "200");
    assert_non_null(wfs_json_copy(mock_arena, wfs_mocks_state(mocks, NULL,
                                                              mock_arena)));
    assert_int_equal(wfs_store_fork(wfs_mocks_store(mocks), &copy), WFS_OK);
    assert_true(wfs_store_equal(copy, wfs_mocks_store(mocks), NULL));
    assert_true(wfs_store_hash(copy) ==
                wfs_store_hash(wfs_mocks_store(mocks)));
    wfs_store_free(copy);
    mocks_ok(mocks, wfs_mocks_switch(mocks, NULL, "default"));
    expect_state(mocks, NULL, "{}");
    free(request);
    free(text);
    free(path);
    close_mocks(mocks);
}

/* --- very large */

#define MEGABYTE 1000000

static void very_large_bodies(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/p", "'match':{'body':{'a':{'endsWith':'y'}}},"
                   "'captureState':{'a':'body.a'},"
                   "'response':{'status':200,'body':"
                   "['{{state.a}}','<{{state.a}}>']}")));
    char *body = repeated('x', MEGABYTE);
    wfs_mock_answer answer;
    const wfs_mock_request *requests;
    size_t count;

    (void)state;
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + MEGABYTE - 3, "y\"}", 3);
    assert_int_equal(send_body(mocks, "http://x.test/p", body, 0, &answer),
                     WFS_OK);
    assert_int_equal(answer.response.body_size, 2 * (MEGABYTE - 8) + 9);
    memcpy(body + MEGABYTE - 3, "z\"}", 3);
    assert_int_equal(send_body(mocks, "http://x.test/p", body, 0, &answer),
                     WFS_ERR_NO_MOCK_FOUND);
    assert_true(strlen(answer.explanation) < 4096);
    memset(body, '[', MEGABYTE);
    assert_int_equal(send_body(mocks, "http://x.test/p", body, MEGABYTE,
                               &answer), WFS_ERR_NO_MOCK_FOUND);
    memset(body, '"', MEGABYTE);
    assert_int_equal(send_body(mocks, "http://x.test/p", body, MEGABYTE,
                               &answer), WFS_ERR_NO_MOCK_FOUND);
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, mock_arena, &requests,
                                       &count));
    assert_int_equal(count, 4);
    assert_int_equal(requests[3].body_size, MEGABYTE);
    all_is_json(mocks);
    free(body);
    close_mocks(mocks);
}

static void very_long_urls(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(
        GET("/p/:id", SAYS("'{{params.id}}'")) ","
        GET("/q", "'match':{'query':{'k4':'v'}}," SAYS("2")) ","
        GET("/d/:more*", SAYS("'{{params.more.length}}'"))));
    char *url = repeated('a', MEGABYTE);
    wfs_http_request request = {0};
    wfs_mock_answer answer;
    const char *text;
    size_t i;

    (void)state;
    request.url = url;
    memcpy(url, "http://x.test/p/", 16);
    assert_int_equal(send_raw(mocks, &request, &answer), WFS_OK);
    assert_int_equal(answer.response.body_size, MEGABYTE - 16 + 2);
    memcpy(url, "http://x.test/n/", 16);
    assert_int_equal(send_raw(mocks, &request, &answer),
                     WFS_ERR_NO_MOCK_FOUND);
    assert_true(strlen(answer.explanation) < 4096);
    for (i = 17; i < MEGABYTE; i += 2)
        url[i] = '/';
    memcpy(url, "http://x.test/d/", 16);
    assert_int_equal(send_raw(mocks, &request, &answer), WFS_OK);
    for (i = 16; i + 5 <= MEGABYTE; i += 5)
        memcpy(url + i, "k4=w&", 5);
    memcpy(url, "http://x.test/q?", 16);
    assert_int_equal(send_raw(mocks, &request, &answer),
                     WFS_ERR_NO_MOCK_FOUND);
    memcpy(url + MEGABYTE - 9, "&k4=v&a=a", 9);
    assert_int_equal(send_raw(mocks, &request, &answer), WFS_OK);
    memset(url + 14, '%', MEGABYTE - 14);
    assert_int_not_equal(send_raw(mocks, &request, &answer),
                         WFS_ERR_NO_MEMORY);
    memset(url + 14, '.', MEGABYTE - 14);
    for (i = 15; i < MEGABYTE; i += 3)
        url[i] = '/';
    assert_int_not_equal(send_raw(mocks, &request, &answer),
                         WFS_ERR_NO_MEMORY);
    mocks_ok(mocks, wfs_mocks_log(mocks, NULL, mock_arena, &text));
    assert_true(strlen(text) > 4 * MEGABYTE);
    free(url);
    close_mocks(mocks);
}

#define HEADERS 10000

static void very_many_headers(void **state)
{
    wfs_http_header *headers =
        (wfs_http_header *)calloc(HEADERS + 1, sizeof *headers);
    char (*names)[16] = (char(*)[16])malloc(HEADERS * sizeof *names);
    wfs_mocks *mocks = open_mocks(DEFAULT(
        GET("/p", "'match':{'headers':{'X-9999':'v'}},'captureState':"
                  "{'h':'headers.x-same'}," SAYS("'{{state.h}}'"))));
    asked it;
    size_t i;

    (void)state;
    assert_true(headers != NULL && names != NULL);
    for (i = 0; i < HEADERS; i++) {
        sprintf(names[i], i % 2 != 0 ? "x-%d" : "X-Same", (int)i);
        headers[i].name = names[i];
        headers[i].value = "v";
    }
    it = ask_with(mocks, NULL, "GET /p", headers);
    assert_int_equal(it.status, WFS_OK);
    assert_int_equal(it.answer.response.body_size, 3 * HEADERS / 2 - 2 + 2);
    all_is_json(mocks);
    free(names);
    free(headers);
    close_mocks(mocks);
}

/* --- keys that are dangerous elsewhere */

static void dangerous_keys(void **state)
{
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/get", "'captureState':{'a':'body.__proto__.x',"
                     "'b':'body.constructor','c':'body.toString',"
                     "'d':'headers.__proto__','e':'query.constructor'},"
                     SAYS("1")) ","
        POST("/set", "'captureState':{'__proto__.x':'body.n',"
                     "'constructor':'body.n','a.prototype.b':'body.n',"
                     "'list.__proto__[]':'body.n','toString':'body.n'},"
                     SAYS("['{{state.__proto__.x}}','{{state.constructor}}',"
                          "'{{state.toString}}','<{{state.a.prototype}}>',"
                          "'{{params.__proto__}}']")) ","
        POST("/after", "'afterResponse':{'setState':{'__proto__':{'x':1},"
                       "'constructor':2,'prototype':3,'fine':4}},"
                       SAYS("1")) ","
        POST("/match", "'match':{'body':{'__proto__':'p'}}," SAYS("2")) ","
        POST("/u/:__proto__/:constructor", SAYS("3"))));

    (void)state;
    expect(mocks, NULL, "POST /get?constructor=1&__proto__=2 "
                        "{'__proto__':{'x':1},'constructor':{'y':2}}",
           "200 1");
    expect_state(mocks, NULL, "{}");
    expect(mocks, NULL, "POST /set {'n':1}",
           "200 [null,null,1,'<{{state.a.prototype}}>',null]");
    expect_state(mocks, NULL, "{'a':{},'list':{},'toString':1}");
    expect(mocks, NULL, "POST /after", "200 1");
    expect_state(mocks, NULL, "{'a':{},'list':{},'toString':1,'fine':4}");
    expect(mocks, NULL, "POST /match {'__proto__':'q'}", "NO_MOCK_FOUND");
    expect(mocks, NULL, "POST /match {}", "NO_MOCK_FOUND");
    expect(mocks, NULL, "POST /match {'__proto__':'p'}", "200 2");
    expect(mocks, NULL, "POST /u/1/2", "200 3");
    all_is_json(mocks);
    close_mocks(mocks);
}

/* --- expressions that hang others */

static wfs_mocks *open_expression(const char *source)
{
    char text[512];

    sprintf(text, DEFAULT_BEFORE "{'method':'POST','url':'/p','match':{'body':"
                  "{'a':{'regex':{'source':'%s'}}}},'response':"
                  "{'status':200}}" DEFAULT_AFTER, source);
    return open_mocks(text);
}

static void expressions_that_hang_others(void **state)
{
    static const char *const sources[] = {"(a+)+$", "^(a|a)*$", "^(a*)*b",
                                          "(.*a){12}b", "^(a?){50}a{50}$"};
    size_t size, sizes[2], i, j;
    wfs_mock_answer answer;
    wfs_mocks *mocks;
    wfs_status status = WFS_OK;
    char *body;

    (void)state;
    for (i = 0; i < 5; i++) {
        mocks = open_expression(sources[i]);
        for (j = 0; j < 2; j++) {
            size = many(100000) / (j == 0 ? 2 : 1);
            body = repeated('a', size);
            memcpy(body, "{\"a\":\"", 6);
            memcpy(body + size - 3, "!\"}", 3);
            bytes_of(status = send_body(mocks, "http://x.test/p", body, 0,
                                        &answer), &sizes[j]);
            assert_int_equal(status, WFS_ERR_NO_MOCK_FOUND);
            free(body);
        }
        assert_linear(sizes[0], sizes[1]);
        close_mocks(mocks);
    }
    mocks = open_expression("(a+)+$");
    expect(mocks, NULL, "POST /p {'a':'b aaa'}", "200");
    close_mocks(mocks);
}

/* --- bytes that are no text */

static void broken_bodies(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        bool is_json;
    } bodies[] = {
        {"{\"a\":\"\xE2\x82\"}", 10, false},
        {"{\"a\":\"\xFF\"}", 9, false},
        {"{\"a\":\"\0\"}", 9, false},
        {"{\"a\":1}\0", 8, false},
        {"\0", 1, false},
        {"{\"a\":\"\\ud800\"}", 14, false},
        {"{\"a\":\"\\u0000\"}", 14, true},
        {"\xEF\xBB\xBF{\"a\":1}", 10, true},
        {"\xEF\xBB\xBF", 3, false},
        {"{\"a\":1e999}", 11, false},
        {"{\"a\":1}", 6, false},
    };
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/p", "'match':{'body':{}},'captureState':{'a':'body.a',"
                   "'b':'body'}," SAYS("['{{state.a}}','<{{state.a}}>']"))));
    const wfs_mock_request *requests;
    wfs_mock_answer answer;
    size_t i, count;

    (void)state;
    for (i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(send_body(mocks, "http://x.test/p", bodies[i].bytes,
                                   bodies[i].size, &answer),
                         bodies[i].is_json ? WFS_OK : WFS_ERR_NO_MOCK_FOUND);
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, mock_arena, &requests,
                                       &count));
    for (i = 0; i < count; i++) {
        assert_int_equal(requests[i].body_size, bodies[i].size);
        assert_memory_equal(requests[i].body, bodies[i].bytes,
                            bodies[i].size);
    }
    all_is_json(mocks);
    expect(mocks, NULL, "POST /p {'a':'\\u0000'}",
           "200 ['\\u0000','<\\u0000>']");
    close_mocks(mocks);
}

static void broken_urls_and_headers(void **state)
{
    static const wfs_http_header headers[] = {
        {"x-cut", "\xE2\x82"}, {"x-bad", "a\xFF\x01z"}, {"\xC3", "name"},
        {"", "no name"}, {"x-empty", ""}, {0}};
    wfs_mocks *mocks = open_mocks(DEFAULT(
        GET("/:a", "'match':{'headers':{'x-bad':{'startsWith':'a'}}},"
                   "'captureState':{'cut':'headers.x-cut',"
                   "'bad':'headers.x-bad','q':'query.q'},"
                   SAYS("['{{state.cut}}','{{state.bad}}','{{state.q}}',"
                        "'{{params.a}}']"))));
    wfs_http_request request = {.headers = headers};
    wfs_mock_answer answer;

    (void)state;
    request.url = "http://x.test/\xE2\x82?q=%ff\xFF%E2%82";
    assert_int_equal(send_raw(mocks, &request, &answer), WFS_OK);
    assert_non_null(wfs_json_parse(mock_arena, answer.response.body,
                                   answer.response.body_size, NULL, NULL));
    request.url = "http://x.test/%ff%fe";
    assert_int_equal(send_raw(mocks, &request, &answer), WFS_ERR_HANDLER);
    assert_int_equal(answer.response.status, 500);
    request.url = "http://x.test/a%00b?q=%00";
    assert_int_equal(send_raw(mocks, &request, &answer), WFS_OK);
    assert_contains(answer.response.body, "a\\u0000b");
    request.url = "http://x.\xFF/";
    send_raw(mocks, &request, &answer);
    request.url = "http://x.test/a";
    request.method = "\xFFget\x01";
    assert_int_equal(send_raw(mocks, &request, &answer),
                     WFS_ERR_NO_MOCK_FOUND);
    all_is_json(mocks);
    close_mocks(mocks);
}

/* Each header comes back from the log as it was sent, but for line breaks,
 * which HTTP forbids, and which cannot make a header of their own. */
static void headers_in_the_log(void **state)
{
    static const struct {
        wfs_http_header sent;
        const char *kept;
    } headers[] = {
        {{"x-cut", "\xE2\x82"}, "\xE2\x82"},
        {{"x-lines", "a\nb: c\n"}, "a b: c "},
        {{"x-blanks", " spaced: \t"}, " spaced: \t"},
        {{"x-return", "a\r"}, "a\r"},
        {{"", ""}, ""},
        {{"X-Nothing", NULL}, ""},
        {{"x-colon", ":"}, ":"},
    };
    enum { COUNT = sizeof headers / sizeof headers[0] };
    wfs_http_header sent[COUNT + 1] = {{0}};
    wfs_mocks *mocks = open_mocks(DEFAULT(
        GET("/", "'match':{'headers':{'x-nothing':'1'}}," SAYS("1")) ","
        GET("/", "'captureState':{'n':'headers.x-nothing'}," SAYS("2"))));
    const wfs_mock_request *requests;
    size_t i, count;

    (void)state;
    for (i = 0; i < COUNT; i++)
        sent[i] = headers[i].sent;
    assert_string_equal(said(ask_with(mocks, NULL, "GET /", sent)), "200 2");
    mocks_ok(mocks, wfs_mocks_requests(mocks, NULL, mock_arena, &requests,
                                       &count));
    for (i = 0; i < COUNT; i++) {
        assert_non_null(requests[0].headers[i].name);
        assert_string_equal(requests[0].headers[i].name, sent[i].name);
        assert_string_equal(requests[0].headers[i].value, headers[i].kept);
    }
    assert_null(requests[0].headers[COUNT].name);
    close_mocks(mocks);
}

/* What was sent cannot break the response. */
static void headers_are_not_split(void **state)
{
    static const char *const values[] = {
        "a\\r\\nset-cookie: b", "a\\u0000b", "\\u0100", "\\ud83d\\ude00"};
    wfs_mocks *mocks = open_mocks(DEFAULT(
        POST("/p", "'captureState':{'v':'body.v'},"
                   "'response':{'status':200,"
                   "'headers':{'x-v':'<{{state.v}}>'}}")));
    char request[64];
    size_t i;

    (void)state;
    for (i = 0; i < 4; i++) {
        sprintf(request, "POST /p {'v':'%s'}", values[i]);
        expect(mocks, NULL, request,
               "HANDLER_ERROR 500 {'error':'Internal mock server error',"
               "'code':'HANDLER_ERROR'}");
    }
    expect(mocks, NULL, "POST /p {'v':'\\u00e9'}", "200");
    close_mocks(mocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(very_many_mocks),
        cmocka_unit_test(very_many_that_fit),
        cmocka_unit_test(very_many_problems),
        cmocka_unit_test(very_many_captures),
        cmocka_unit_test(very_many_criteria),
        cmocka_unit_test(a_header_among_many),
        cmocka_unit_test(very_many_templates),
        cmocka_unit_test(a_list_that_grows),
        cmocka_unit_test(very_deep_bodies),
        cmocka_unit_test(very_deep_definitions),
        cmocka_unit_test(a_very_deep_state),
        cmocka_unit_test(very_large_bodies),
        cmocka_unit_test(very_long_urls),
        cmocka_unit_test(very_many_headers),
        cmocka_unit_test(dangerous_keys),
        cmocka_unit_test(expressions_that_hang_others),
        cmocka_unit_test(broken_bodies),
        cmocka_unit_test(broken_urls_and_headers),
        cmocka_unit_test(headers_in_the_log),
        cmocka_unit_test(headers_are_not_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
