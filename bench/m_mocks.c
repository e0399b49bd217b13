/* M: requests to HTTP mocks. A shop has ten mocks, five for GET and five for
 * POST: literal URLs and parameters, criteria, a sequence, state. A hundred
 * shops make a thousand mocks; a request is of the same kind either way. Every
 * test is in a scenario of its own choice, whose mocks with criteria stand in
 * front of those of "default". */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "engine.h"
#include "wfscenario.h"

#define KINDS 10                /* mocks of a shop */
#define REQUESTS 1000           /* made ready; then they come again */
#define URL_ROOM 96

typedef struct mock_set {
    size_t shops, tests;
} mock_set;

/* A mock, and a request that it answers. */
typedef struct mock_kind {
    wfs_mock mock;              /* its URL has the shop's number in it */
    bool overrides;             /* stands in the active scenario */
    const char *url;            /* the request's: shop, number of the request */
    const char *body;           /* format of its number; NULL: none */
    const wfs_http_header *headers;
    int status;                 /* to be answered */
} mock_kind;

#define URL "https://shop.example.com"

static const wfs_http_header get_headers[] = {
    {"Accept", "application/json"},
    {"Authorization", "Bearer 0123456789abcdef"},
    {"X-Tier", "premium"},
    {NULL, NULL}};
static const wfs_http_header post_headers[] = {
    {"Content-Type", "application/json"},
    {"Authorization", "Bearer 0123456789abcdef"},
    {NULL, NULL}};
static const wfs_http_header cached[] = {
    {"Cache-Control", "max-age=60"}, {"ETag", "\"a1\""}, {NULL, NULL}};
static const wfs_mock_response job_stages[] = {
    {.status = 202, .body = "{\"stage\":\"queued\"}"},
    {.status = 202, .body = "{\"stage\":\"running\",\"percent\":60}"},
    {.status = 202, .body = "{\"stage\":\"packed\",\"percent\":100}"},
    {0}};

/* GET and POST in turn. */
static const mock_kind kinds[KINDS] = {
    {.mock = {.method = "GET", .url = "/shop-%02lu/products",
              .response = {.status = 200,
                           .body = "[{\"sku\":\"cup-17\",\"price\":12.5,"
                                   "\"pieces\":4},{\"sku\":\"pot-3\","
                                   "\"price\":39.95,\"pieces\":1}]",
                           .headers = cached}},
     .url = URL "/shop-%02lu/products", .headers = get_headers, .status = 200},
    {.mock = {.method = "POST", .url = "/shop-%02lu/orders",
              .match = "{\"body\":{\"sku\":{\"startsWith\":\"cup-\"},"
                       "\"express\":true}}",
              .response = {.status = 201, .body = "{\"accepted\":true}"}},
     .overrides = true,
     .url = URL "/shop-%02lu/orders", .headers = post_headers, .status = 201,
     .body = "{\"sku\":\"cup-%lu\",\"pieces\":2,\"express\":true}"},
    {.mock = {.method = "GET", .url = "/shop-%02lu/api/:kind/:id",
              .response = {.status = 200,
                           .body = "{\"kind\":\"{{params.kind}}\","
                                   "\"id\":\"{{params.id}}\"}"}},
     .url = URL "/shop-%02lu/api/customers/%lu", .headers = get_headers,
     .status = 200},
    {.mock = {.method = "POST", .url = "/shop-%02lu/cart",
              .response = {.status = 201, .body = "{\"added\":1}"},
              .capture_state = "{\"cart.sku\":\"body.sku\","
                               "\"cart.pieces\":\"body.pieces\"}"},
     .url = URL "/shop-%02lu/cart", .headers = post_headers, .status = 201,
     .body = "{\"sku\":\"pot-%lu\",\"pieces\":3,\"note\":\"blue\"}"},
    {.mock = {.method = "GET", .url = "/shop-%02lu/search",
              .match = "{\"query\":{\"q\":{\"contains\":\"cup\"}}}",
              .response = {.status = 200,
                           .body = "{\"hits\":[\"cup-17\",\"cup-18\"],"
                                   "\"total\":2}"}},
     .url = URL "/shop-%02lu/search?page=%lu&q=blue%%20cups",
     .headers = get_headers, .status = 200},
    {.mock = {.method = "POST", .url = "/shop-%02lu/checkout",
              .state_response =
                  "{\"default\":{\"status\":200,\"body\":{\"phase\":\"open\"}},"
                  "\"conditions\":[{\"when\":{\"phase\":\"paid\"},\"then\":"
                  "{\"status\":200,\"body\":{\"phase\":\"closed\"}}}]}"},
     .url = URL "/shop-%02lu/checkout", .headers = post_headers, .status = 200,
     .body = "{\"customer\":%lu}"},
    {.mock = {.method = "GET", .url = "/shop-%02lu/account",
              .match = "{\"headers\":{\"x-tier\":\"premium\"}}",
              .response = {.status = 200, .body = "{\"discount\":0.1}"}},
     .overrides = true,
     .url = URL "/shop-%02lu/account", .headers = get_headers, .status = 200},
    {.mock = {.method = "POST", .url = "/shop-%02lu/payments/:id",
              .response = {.status = 200,
                           .body = "{\"payment\":\"{{params.id}}\","
                                   "\"sku\":\"{{state.cart.sku}}\"}"},
              .after_response = "{\"setState\":{\"phase\":\"paid\"}}"},
     .url = URL "/shop-%02lu/payments/p-%lu", .headers = post_headers,
     .status = 200, .body = "{\"card\":\"4242\",\"amount\":%lu.5}"},
    {.mock = {.method = "GET", .url = "/shop-%02lu/jobs/:id",
              .sequence = job_stages, .repeat = WFS_MOCK_CYCLE},
     .url = URL "/shop-%02lu/jobs/%lu", .headers = get_headers, .status = 202},
    {.mock = {.method = "POST", .url = "/shop-%02lu/events",
              .response = {.status = 204}},
     .url = URL "/shop-%02lu/events", .headers = post_headers, .status = 204,
     .body = "{\"type\":\"click\",\"at\":%lu,\"target\":\"buy\"}"}};

typedef struct mocks_side {
    const bench_task *task;
    const mock_set *set;
    wfs_mocks *mocks;
    wfs_arena *arena;           /* of a request */
    char **tests;
    char **bodies[KINDS];       /* by number; NULL: none */
    char (*urls)[URL_ROOM];
    wfs_http_request requests[REQUESTS];
    bench_meter meter;
    size_t held_empty;
    size_t status_sum, body_sum;    /* of the answers */
} mocks_side;

/* --- making ready */

/* The shops' mocks that override others, or that do not; ended by a zero
 * entry. The URLs are of each shop's own, made with printf. */
static wfs_mock *make_mocks(size_t shops, bool overrides,
                            char (*urls)[URL_ROOM])
{
    wfs_mock *mocks = (wfs_mock *)bench_allocate(shops * KINDS + 1,
                                                 sizeof *mocks);
    size_t i, count = 0;

    for (i = 0; i < shops * KINDS; i++) {
        const mock_kind *kind = &kinds[i % KINDS];

        if (kind->overrides != overrides)
            continue;
        snprintf(urls[i], URL_ROOM, kind->mock.url, (unsigned long)i / KINDS);
        mocks[count] = kind->mock;
        mocks[count++].url = urls[i];
    }
    return mocks;
}

static void create_mocks(mocks_side *side)
{
    size_t shops = side->set->shops;
    char (*urls)[URL_ROOM] =
        (char (*)[URL_ROOM])bench_allocate(shops * KINDS, URL_ROOM);
    wfs_mock *backup = make_mocks(shops, false, urls);
    wfs_mock *active = make_mocks(shops, true, urls);
    wfs_mock_scenario scenarios[] = {
        {.id = "default", .description = "all well", .mocks = backup},
        {.id = "premium", .description = "of a premium customer",
         .mocks = active},
        {0}};
    wfs_mock_options options = {.scenarios = scenarios,
                                .clock_start = ENGINE_START};
    wfs_error error;

    if (side->task->count_memory)
        options.allocator = bench_meter_allocator(&side->meter);
    if (wfs_mocks_create(&options, &side->mocks, &error) != WFS_OK)
        bench_fail("%s: mocks cannot be created: %s",
                   side->task->workload->key, error.message);
    free(active);
    free(backup);
    free(urls);
}

static void switch_tests(mocks_side *side)
{
    size_t i;

    for (i = 0; i < side->set->tests; i++)
        if (wfs_mocks_switch(side->mocks, side->tests[i], "premium") != WFS_OK)
            bench_fail("%s: %s cannot switch: %s", side->task->workload->key,
                       side->tests[i], wfs_mocks_error(side->mocks)->message);
}

/* A request of each kind to one shop after the other. */
static void make_requests(mocks_side *side)
{
    size_t i, shop;

    side->urls = (char (*)[URL_ROOM])bench_allocate(REQUESTS, URL_ROOM);
    for (i = 0; i < KINDS; i++)
        if (kinds[i].body != NULL)
            side->bodies[i] = bench_texts(REQUESTS, kinds[i].body);
    for (i = 0; i < REQUESTS; i++) {
        const mock_kind *kind = &kinds[i % KINDS];

        shop = i / KINDS % side->set->shops;
        snprintf(side->urls[i], URL_ROOM, kind->url, (unsigned long)shop,
                 (unsigned long)i);
        side->requests[i].method = kind->mock.method;
        side->requests[i].url = side->urls[i];
        side->requests[i].headers = kind->headers;
        if (kind->body != NULL)
            side->requests[i].body = side->bodies[i % KINDS][i];
    }
}

static void *open_ours(const bench_task *task)
{
    mocks_side *side = (mocks_side *)bench_allocate(1, sizeof *side);

    side->task = task;
    side->set = (const mock_set *)task->workload->own;
    side->tests = bench_texts(side->set->tests, "test-%04lu");
    side->arena = wfs_arena_create(NULL);
    if (side->arena == NULL)
        bench_fail("%s: no memory for an arena", task->workload->key);
    create_mocks(side);
    switch_tests(side);
    make_requests(side);
    side->held_empty = side->meter.held;
    return side;
}

static size_t memory_ours(void *state)
{
    mocks_side *side = (mocks_side *)state;

    return side->meter.held - side->held_empty;
}

static void close_ours(void *state)
{
    mocks_side *side = (mocks_side *)state;
    size_t i;

    for (i = 0; i < KINDS; i++)
        bench_texts_free(side->bodies[i]);
    free(side->urls);
    wfs_mocks_free(side->mocks);
    wfs_arena_free(side->arena);
    bench_texts_free(side->tests);
    free(side);
}

/* --- what is measured */

/* Whose request it is: tests take turns, and come to another kind of request
 * each time round. */
static const char *test_of(const mocks_side *side, size_t number)
{
    return side->tests[(number + number / REQUESTS) % side->set->tests];
}

static void send(mocks_side *side, size_t number)
{
    const wfs_http_request *request = &side->requests[number % REQUESTS];
    wfs_mock_answer answer;
    wfs_status status;

    wfs_arena_clear(side->arena);
    status = wfs_mocks_request(side->mocks, test_of(side, number), request,
                               side->arena, &answer);
    if (status != WFS_OK)
        bench_fail("%s: request %lu, %s: %s: %s", side->task->workload->key,
                   (unsigned long)number, request->url,
                   wfs_status_name(status),
                   wfs_mocks_error(side->mocks)->message);
    if (answer.response.status != kinds[number % KINDS].status)
        bench_fail("%s: request %lu, %s: status %d",
                   side->task->workload->key, (unsigned long)number,
                   request->url, answer.response.status);
    side->status_sum += (size_t)answer.response.status;
    side->body_sum += answer.response.body_size;
}

static void run_ours(void *state)
{
    mocks_side *side = (mocks_side *)state;
    size_t i;

    for (i = 0; i < side->task->n; i++)
        send(side, i);
}

#define M(name, number_of_shops, number_of_tests, what, ...)                  \
    static const mock_set name##_set = {number_of_shops, number_of_tests};    \
    const bench_workload bench_##name = {                                     \
        .key = #name,                                                         \
        .title = "HTTP mocks: " what,                                         \
        .unit = "request",                                                    \
        .per = "request",                                                     \
        .sizes = {1000, 10000, 100000},                                       \
        .operations = bench_instances,                                        \
        .holders = bench_instances,                                           \
        .own = &name##_set,                                                   \
        .ours = {open_ours, run_ours, memory_ours, close_ours},               \
        __VA_ARGS__                                                           \
    }

M(m10, 1, 1, "10 of them, one test", .least_per_second = 1e6);
M(m1000, 100, 1, "1,000 of them, one test", .base = &bench_m10,
  .most_times = 1.5);
M(m10_tests, 1, 1000, "10 of them, 1,000 tests", .least_per_second = 1e6);
M(m1000_tests, 100, 1000, "1,000 of them, 1,000 tests",
  .base = &bench_m10_tests, .most_times = 1.5);
