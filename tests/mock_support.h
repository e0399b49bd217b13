/* What the tests of HTTP mocks share: definitions and requests that are short
 * to write and to read. In all of their texts ' stands for ", also in what
 * comes back. One world at a time, whose memory is checked and wiped. */
#ifndef MOCK_SUPPORT_H
#define MOCK_SUPPORT_H

#include "harness_support.h"

/* --- definitions */

#define SCENARIO(id, mocks)                                                   \
    "'" id "':{'id':'" id "','name':'" id " name','description':'',"          \
    "'mocks':[" mocks "]}"
#define DEFAULT(mocks) "{" SCENARIO("default", mocks) "}"
#define GET(url, rest) "{'method':'GET','url':'" url "'," rest "}"
#define POST(url, rest) "{'method':'POST','url':'" url "'," rest "}"
#define REPLY(body) "{'status':200,'body':" body "}"
#define SAYS(body) "'response':" REPLY(body)
#define SEQUENCE(repeat, replies)                                             \
    "'sequence':{'repeat':'" repeat "','responses':[" replies "]}"

/* --- texts */

/* A copy in the arena, with one character for another. */
static inline char *swapped(wfs_arena *arena, const char *text, char from,
                            char to)
{
    size_t i, size = strlen(text) + 1;
    char *copy = (char *)wfs_arena_allocate(arena, size);

    assert_non_null(copy);
    for (i = 0; i < size; i++)
        copy[i] = text[i] == from ? to : text[i];
    return copy;
}

#define quoted(arena, text) swapped((arena), (text), '\'', '"')
#define unquoted(arena, text) swapped((arena), (text), '"', '\'')

static inline void same_text_at(const char *expected, const char *actual,
                                const char *what, int line)
{
    if (actual == NULL || strcmp(expected, actual) != 0)
        fail_msg("line %d: %s: expected \"%s\", actual \"%s\"", line, what,
                 expected, actual != NULL ? actual : "(none)");
}

/* --- a world of mocks */

/* Of what the calls give; cleared by expect. */
static wfs_arena *mock_arena;

static inline void mocks_ok_at(wfs_mocks *mocks, wfs_status status,
                               const char *call, int line)
{
    if (status != WFS_OK)
        fail_msg("line %d: %s gave %s: %s", line, call,
                 wfs_status_name(status), wfs_mocks_error(mocks)->message);
}

#define mocks_ok(mocks, call) mocks_ok_at((mocks), (call), #call, __LINE__)

/* definitions: NULL for none but those of the options. */
static inline wfs_mocks *open_mocks_with(wfs_mock_options options,
                                         const char *definitions)
{
    wfs_mocks *mocks;
    wfs_error error;

    options.allocator = sweep_allocator(&memory);
    mock_arena = wfs_arena_create(&options.allocator);
    assert_non_null(mock_arena);
    if (definitions != NULL)
        options.json = quoted(mock_arena, definitions);
    if (wfs_mocks_create(&options, &mocks, &error) != WFS_OK)
        fail_msg("no mocks: %s", error.message);
    wfs_arena_clear(mock_arena);
    return mocks;
}

static inline wfs_mocks *open_mocks(const char *definitions)
{
    wfs_mock_options options;

    memset(&options, 0, sizeof options);
    return open_mocks_with(options, definitions);
}

static inline void close_mocks(wfs_mocks *mocks)
{
    wfs_mocks_free(mocks);
    wfs_arena_free(mock_arena);
    mock_arena = NULL;
    sweep_expect_clean(&memory);
}

/* Mocks refused to be made, for that reason. */
static inline void expect_no_mocks_at(wfs_mock_options options,
                                      wfs_status expected, const char *culprit,
                                      int line)
{
    wfs_mocks *mocks;
    wfs_error error;
    wfs_status status;

    options.allocator = sweep_allocator(&memory);
    status = wfs_mocks_create(&options, &mocks, &error);
    if (status != expected || strstr(error.message, culprit) == NULL)
        fail_msg("line %d: %s (%s), not %s that names \"%s\"", line,
                 wfs_status_name(status), error.message,
                 wfs_status_name(expected), culprit);
    assert_null(mocks);
    sweep_expect_clean(&memory);
}

#define expect_no_mocks(options, expected, culprit)                           \
    expect_no_mocks_at((options), (expected), (culprit), __LINE__)

/* --- requests: "POST /pay {'sum':5}"; a path is one at https://x.test */

typedef struct asked {
    wfs_status status;
    wfs_mock_answer answer;
} asked;

static inline wfs_http_request request_of(const char *text)
{
    char *copy = quoted(mock_arena, text), *url = strchr(copy, ' ') + 1, *body;
    wfs_http_request request;
    char *absolute;

    memset(&request, 0, sizeof request);
    url[-1] = '\0';
    body = strchr(url, ' ');
    if (body != NULL)
        *body++ = '\0';
    absolute = (char *)wfs_arena_allocate(mock_arena, strlen(url) + 16);
    assert_non_null(absolute);
    sprintf(absolute, "%s%s", url[0] == '/' ? "https://x.test" : "", url);
    request.method = copy;
    request.url = absolute;
    request.body = body;
    return request;
}

static inline asked ask_with(wfs_mocks *mocks, const char *test_id,
                             const char *text, const wfs_http_header *headers)
{
    wfs_http_request request = request_of(text);
    asked it;

    request.headers = headers;
    it.status = wfs_mocks_request(mocks, test_id, &request, mock_arena,
                                  &it.answer);
    return it;
}

static inline asked ask(wfs_mocks *mocks, const char *test_id, const char *text)
{
    return ask_with(mocks, test_id, text, NULL);
}

/* "200 {'id':1}"; "NO_MOCK_FOUND", and what goes over the wire if anything
 * does: "NO_MOCK_FOUND 501". */
static inline const char *said(asked it)
{
    const wfs_http_response *response = &it.answer.response;
    char *text = (char *)wfs_arena_allocate(mock_arena,
                                            response->body_size + 64);
    int size = 0;

    assert_non_null(text);
    if (it.status != WFS_OK)
        size = sprintf(text, "%s", wfs_status_name(it.status));
    if (response->status != 0)
        size += sprintf(text + size, "%s%d", size != 0 ? " " : "",
                        response->status);
    if (response->body_size != 0)
        sprintf(text + size, " %s", response->body);
    return unquoted(mock_arena, text);
}

static inline void expect_at(wfs_mocks *mocks, const char *test_id,
                             const char *request, const char *expected,
                             int line)
{
    same_text_at(expected, said(ask(mocks, test_id, request)), request, line);
    wfs_arena_clear(mock_arena);
}

#define expect(mocks, test_id, request, expected)                             \
    expect_at((mocks), (test_id), (request), (expected), __LINE__)

/* --- what the mocks know */

static inline void expect_state_at(wfs_mocks *mocks, const char *test_id,
                                   const char *expected, int line)
{
    wfs_json *state = wfs_mocks_state(mocks, test_id, mock_arena);
    const char *text = wfs_json_write(mock_arena, state, 0, NULL);

    assert_non_null(state);
    same_text_at(expected, unquoted(mock_arena, text), "state", line);
    wfs_arena_clear(mock_arena);
}

#define expect_state(mocks, test_id, expected)                                \
    expect_state_at((mocks), (test_id), (expected), __LINE__)

static inline void expect_log_at(wfs_mocks *mocks,
                                 const wfs_mock_filter *filter,
                                 const char *expected, int line)
{
    const char *text;

    mocks_ok_at(mocks, wfs_mocks_log(mocks, filter, mock_arena, &text), "log",
                line);
    same_text_at(expected, text, "log", line);
    wfs_arena_clear(mock_arena);
}

/* expect_log(mocks, FILTER(.method = "GET", .scenario = "s"), "...") */
#define FILTER(...) (&(wfs_mock_filter){__VA_ARGS__})
#define expect_log(mocks, filter, expected)                                   \
    expect_log_at((mocks), (filter), (expected), __LINE__)

static inline void expect_unused_at(wfs_mocks *mocks, const char *test_id,
                                    const char *expected, int line)
{
    const char *text;

    mocks_ok_at(mocks, wfs_mocks_unused(mocks, test_id, mock_arena, &text),
                "unused", line);
    same_text_at(expected, text, "unused", line);
    wfs_arena_clear(mock_arena);
}

#define expect_unused(mocks, test_id, expected)                               \
    expect_unused_at((mocks), (test_id), (expected), __LINE__)

/* The explanation of a request that nobody answers. */
static inline void expect_why_at(wfs_mocks *mocks, const char *test_id,
                                 const char *request, const char *expected,
                                 int line)
{
    asked it = ask(mocks, test_id, request);

    assert_int_not_equal(it.status, WFS_OK);
    assert_non_null(it.answer.explanation);
    same_text_at(expected, unquoted(mock_arena, it.answer.explanation),
                 request, line);
    wfs_arena_clear(mock_arena);
}

#define expect_why(mocks, test_id, request, expected)                         \
    expect_why_at((mocks), (test_id), (request), (expected), __LINE__)

/* Register one scenario given as text. */
static inline wfs_status register_text(wfs_mocks *mocks, const char *text)
{
    wfs_status status = wfs_mocks_register_text(
        mocks, quoted(mock_arena, text), 0);

    wfs_arena_clear(mock_arena);
    return status;
}

static inline wfs_status load_text(wfs_mocks *mocks, const char *text)
{
    wfs_status status = wfs_mocks_load(mocks, quoted(mock_arena, text), 0);

    wfs_arena_clear(mock_arena);
    return status;
}

/* The status of a call that was refused, and that nothing changed. */
#define mocks_refused(mocks, expected, culprit, call)                         \
    do {                                                                      \
        sweep_snapshot then_ = sweep_snapshot_of(wfs_mocks_store(mocks));     \
        wfs_status status_ = (call);                                          \
        if (status_ != (expected) ||                                          \
            strstr(wfs_mocks_error(mocks)->message, (culprit)) == NULL)       \
            fail_msg("line %d: %s gave %s (%s)", __LINE__, #call,             \
                     wfs_status_name(status_),                                \
                     wfs_mocks_error(mocks)->message);                        \
        sweep_expect_same(&then_, wfs_mocks_store(mocks));                    \
        sweep_drop(&then_);                                                   \
    } while (0)

#endif /* MOCK_SUPPORT_H */
