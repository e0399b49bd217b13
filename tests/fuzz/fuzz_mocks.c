/* Definitions of mocks, and a request to them. For libFuzzer, which
 * tests/fuzz/run.sh runs, with seeds; or by hand:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -I. \
 *         tests/fuzz/fuzz_mocks.c -o fuzz_mocks && ./fuzz_mocks -max_len=4096
 *
 * The input: a definition, the method, the URL and the body, with a NUL after
 * each of the first three. It is loaded checked and unchecked; what is refused
 * must have changed nothing, and neither must what is rolled back; what the
 * mocks tell must be readable. */
#include <stdlib.h>
#include <string.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The text up to the next NUL; what is left of the input starts after it. */
static const char *next_text(const char **at, const char *end)
{
    const char *text = *at;

    *at += strlen(text) + (text + strlen(text) < end ? 1 : 0);
    return text;
}

static void check_json(wfs_arena *arena, const wfs_json *value)
{
    wfs_limits limits = {.json_depth = SIZE_MAX / 2};
    size_t size;
    const char *text = wfs_json_write(arena, value, 0, &size);

    must(text != NULL);
    must(wfs_json_parse(arena, text, size, &limits, NULL) != NULL);
}

static void check_answer(wfs_arena *arena, wfs_status status,
                         const wfs_mock_answer *answer)
{
    must(status != WFS_ERR_NO_MEMORY);
    must(answer->response.headers != NULL && answer->response.body != NULL);
    must(answer->response.body[answer->response.body_size] == '\0');
    if (status == WFS_OK)
        must(answer->scenario != NULL && answer->mock >= 0 &&
             wfs_mock_selected(arena, answer) != NULL);
    else
        must(answer->url == NULL || answer->explanation != NULL);
}

static void ask(wfs_mocks *mocks, const wfs_http_request *request,
                wfs_arena *arena)
{
    wfs_store *store = wfs_mocks_store(mocks);
    uint64_t hash = wfs_store_hash(store);
    wfs_mock_answer answer;
    const char *text;
    wfs_status status;
    int i;

    must(wfs_begin(store) == WFS_OK);
    wfs_mocks_request(mocks, "t", request, arena, &answer);
    must(wfs_rollback(store) == WFS_OK && wfs_store_hash(store) == hash);
    for (i = 0; i < 2; i++) {
        status = wfs_mocks_request(mocks, "t", request, arena, &answer);
        check_answer(arena, status, &answer);
    }
    check_json(arena, wfs_mocks_state(mocks, "t", arena));
    must(wfs_mocks_log(mocks, NULL, arena, &text) == WFS_OK);
    must(wfs_mocks_unused(mocks, NULL, arena, &text) == WFS_OK);
    must(wfs_mocks_unused(mocks, "t", arena, &text) == WFS_OK);
}

/* An object of scenarios, or one. */
static bool load(wfs_mocks *mocks, const char *definition)
{
    uint64_t hash = wfs_store_hash(wfs_mocks_store(mocks));
    size_t count;

    if (wfs_mocks_load(mocks, definition, 0) == WFS_OK)
        return true;
    wfs_mocks_problems(mocks, &count);
    must(wfs_store_hash(wfs_mocks_store(mocks)) == hash);
    if (wfs_mocks_register_text(mocks, definition, 0) == WFS_OK)
        return true;
    must(wfs_store_hash(wfs_mocks_store(mocks)) == hash);
    return false;
}

static void try_it(bool unchecked, const char *definition,
                   const wfs_http_request *request)
{
    wfs_mock_options options = {.unchecked = unchecked};
    wfs_arena *arena = wfs_arena_create(NULL);
    wfs_mock_scenario_info info;
    wfs_mocks *mocks;
    size_t i;

    must(arena != NULL &&
         wfs_mocks_create(&options, &mocks, NULL) == WFS_OK);
    if (load(mocks, definition)) {
        ask(mocks, request, arena);
        for (i = 0; i < 3 && wfs_mocks_scenario_at(mocks, i, &info); i++)
            if (wfs_mocks_switch(mocks, "t", info.id) == WFS_OK)
                ask(mocks, request, arena);
    }
    wfs_mocks_free(mocks);
    wfs_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *input = (char *)malloc(size + 1);
    const char *at = input, *definition;
    wfs_http_request request = {0};

    must(input != NULL);
    if (size != 0)
        memcpy(input, data, size);
    input[size] = '\0';
    definition = next_text(&at, input + size);
    request.method = next_text(&at, input + size);
    request.url = next_text(&at, input + size);
    if (at < input + size) {
        request.body = at;
        request.body_size = (size_t)(input + size - at);
    }
    try_it(false, definition, &request);
    try_it(true, definition, &request);
    free(input);
    return 0;
}
