/* J: parse and write params of about 200 bytes, beside cJSON. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "wfscenario.h"

/* The number takes two characters more than what stands for it. */
#define DOCUMENT                                                              \
    "{\"order\":{\"id\":\"o-%07lu\",\"express\":true,"                        \
    "\"note\":\"ring \\\"twice\\\"\\nthen wait\"},"                           \
    "\"lines\":[{\"sku\":\"cup-17\",\"pieces\":2,\"price\":12.5},"            \
    "{\"sku\":\"pot-3\",\"pieces\":1,\"price\":39.95}],"                      \
    "\"total\":64.95,\"coupon\":null,\"gift\":false}"
#define DOCUMENT_SIZE (sizeof DOCUMENT - 1 + 2)

typedef struct json_side {
    const bench_task *task;
    char **documents;
    wfs_arena *arena;           /* ours */
    const char *written;        /* ours: of the last document */
    char *printed;              /* the peer's */
} json_side;

static json_side *open_side(const bench_task *task)
{
    json_side *side = (json_side *)bench_allocate(1, sizeof *side);

    side->task = task;
    side->documents = bench_texts(task->n, DOCUMENT);
    if (strlen(side->documents[0]) != DOCUMENT_SIZE)
        bench_fail("j: a document has %lu bytes",
                   (unsigned long)strlen(side->documents[0]));
    return side;
}

static void close_side(void *state)
{
    json_side *side = (json_side *)state;

    wfs_arena_free(side->arena);
    cJSON_free(side->printed);
    bench_texts_free(side->documents);
    free(side);
}

/* --- ours */

static void *open_ours(const bench_task *task)
{
    json_side *side = open_side(task);

    side->arena = wfs_arena_create(NULL);
    if (side->arena == NULL)
        bench_fail("j: no memory for an arena");
    return side;
}

static void run_ours(void *state)
{
    json_side *side = (json_side *)state;
    wfs_error error;
    wfs_json *value;
    size_t i;

    for (i = 0; i < side->task->n; i++) {
        wfs_arena_clear(side->arena);
        value = wfs_json_parse(side->arena, side->documents[i], DOCUMENT_SIZE,
                               NULL, &error);
        if (value == NULL)
            bench_fail("j: document %lu: %s", (unsigned long)i, error.message);
        side->written = wfs_json_write(side->arena, value, 0, NULL);
        if (side->written == NULL)
            bench_fail("j: document %lu cannot be written", (unsigned long)i);
    }
}

/* --- cJSON */

static void *open_peer(const bench_task *task)
{
    return open_side(task);
}

static void run_peer(void *state)
{
    json_side *side = (json_side *)state;
    cJSON *value;
    size_t i;

    for (i = 0; i < side->task->n; i++) {
        cJSON_free(side->printed);
        value = cJSON_ParseWithLength(side->documents[i], DOCUMENT_SIZE);
        side->printed = cJSON_PrintUnformatted(value);
        cJSON_Delete(value);
        if (side->printed == NULL)
            bench_fail("j: cJSON fails at document %lu", (unsigned long)i);
    }
}

/* --- both */

/* Whether a side's last text has the value of the document it came from. */
static bool is_last(const json_side *side, wfs_arena *arena, const char *whose,
                    const char *text, bench_difference *difference)
{
    const char *given = side->documents[side->task->n - 1], *diff;
    wfs_json *expected = wfs_json_parse(arena, given, DOCUMENT_SIZE, NULL,
                                        NULL);
    wfs_json *actual = wfs_json_parse(arena, text, strlen(text), NULL, NULL);

    if (actual != NULL && wfs_json_equal(expected, actual))
        return true;
    diff = wfs_json_diff(arena, expected, actual);
    snprintf(difference->text, sizeof difference->text, "%s wrote %.200s: %s",
             whose, text, diff != NULL ? diff : "no JSON");
    return false;
}

static bool same(void *ours, void *peer, bench_difference *difference)
{
    const json_side *left = (const json_side *)ours;
    const json_side *right = (const json_side *)peer;

    return is_last(left, left->arena, "ours", left->written, difference) &&
           is_last(right, left->arena, "cJSON", right->printed, difference);
}

/* Change every digit of the peer's text, and back. */
static size_t self_test(void *ours, void *peer)
{
    char *at = ((json_side *)peer)->printed;
    bench_difference difference;
    size_t changes = 0;

    for (; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            continue;
        *at = (char)(*at ^ 1);
        if (same(ours, peer, &difference))
            bench_fail("j: a digit was changed, and nothing found it");
        *at = (char)(*at ^ 1);
        changes++;
    }
    return changes;
}

const bench_workload bench_j = {
    .key = "j",
    .title = "parse and write params of 200 bytes",
    .unit = "MB",
    .units = DOCUMENT_SIZE / 1e6,
    .sizes = {1000, 10000, 100000},
    .operations = bench_instances,
    .least_ratio = 4,
    .ours = {open_ours, run_ours, NULL, close_side},
    .peer = {open_peer, run_peer, NULL, close_side},
    .same = same,
    .self_test = self_test,
};
