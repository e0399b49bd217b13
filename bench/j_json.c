/* J: parse and write params of about 200 bytes, beside cJSON. */
#include <cjson/cJSON.h>
#include <ctype.h>
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

/* Parse and write; lives until the arena is cleared. */
static const char *write_ours(wfs_arena *arena, const json_side *side,
                              size_t number)
{
    const char *written;
    wfs_error error;
    wfs_json *value = wfs_json_parse(arena, side->documents[number],
                                     DOCUMENT_SIZE, NULL, &error);

    if (value == NULL)
        bench_fail("j: document %lu: %s", (unsigned long)number,
                   error.message);
    written = wfs_json_write(arena, value, 0, NULL);
    if (written == NULL)
        bench_fail("j: document %lu cannot be written", (unsigned long)number);
    return written;
}

static void run_ours(void *state)
{
    json_side *side = (json_side *)state;
    size_t i;

    for (i = 0; i < side->task->n; i++) {
        wfs_arena_clear(side->arena);
        side->written = write_ours(side->arena, side, i);
    }
}

/* --- cJSON */

static void *open_peer(const bench_task *task)
{
    return open_side(task);
}

/* Parse and write; freed with cJSON_free. NULL when either fails. */
static char *write_peer(const json_side *side, size_t number)
{
    cJSON *value = cJSON_ParseWithLength(side->documents[number],
                                         DOCUMENT_SIZE);
    char *printed = cJSON_PrintUnformatted(value);

    cJSON_Delete(value);
    return printed;
}

static void run_peer(void *state)
{
    json_side *side = (json_side *)state;
    size_t i;

    for (i = 0; i < side->task->n; i++) {
        cJSON_free(side->printed);
        side->printed = write_peer(side, i);
        if (side->printed == NULL)
            bench_fail("j: cJSON fails at document %lu", (unsigned long)i);
    }
}

/* --- both */

/* Whether a side's text has the value of the document; the arena is cleared
 * by whoever made it. Numbers may be spelt in another way. */
static bool has_value(wfs_arena *arena, const char *document,
                      const char *whose, const char *text,
                      bench_difference *difference)
{
    const char *diff = NULL;
    wfs_json *expected = wfs_json_parse(arena, document, DOCUMENT_SIZE, NULL,
                                        NULL);
    wfs_json *actual = text != NULL ? wfs_json_parse(arena, text, strlen(text),
                                                     NULL, NULL)
                                    : NULL;

    if (actual != NULL && wfs_json_equal(expected, actual))
        return true;
    if (actual != NULL)
        diff = wfs_json_diff(arena, expected, actual);
    snprintf(difference->text, sizeof difference->text,
             "of %.240s %s wrote %.100s: %.100s", document, whose,
             text != NULL ? text : "nothing", diff != NULL ? diff : "no JSON");
    return false;
}

/* Whether both sides write that document's value, once more. The peer has
 * documents of its own, which are to be those of ours. */
static bool same_document(wfs_arena *arena, const json_side *ours,
                          const json_side *peer, size_t number,
                          bench_difference *difference)
{
    const char *document = ours->documents[number];
    char *printed = write_peer(peer, number);
    bool same = has_value(arena, document, "ours",
                          write_ours(arena, ours, number), difference) &&
                has_value(arena, document, "cJSON", printed, difference);

    cJSON_free(printed);
    return same;
}

/* What the measured part left is looked at first; then all documents. */
static bool same(void *ours, void *peer, bench_difference *difference)
{
    const json_side *left = (const json_side *)ours;
    const json_side *right = (const json_side *)peer;
    const char *last = left->documents[left->task->n - 1];
    wfs_arena *arena = wfs_arena_create(NULL);
    bool equal;
    size_t i;

    if (arena == NULL)
        bench_fail("j: no memory for an arena");
    equal = has_value(arena, last, "ours", left->written, difference) &&
            has_value(arena, last, "cJSON", right->printed, difference);
    for (i = 0; equal && i < left->task->n; i++) {
        wfs_arena_clear(arena);
        equal = same_document(arena, left, right, i, difference);
    }
    wfs_arena_free(arena);
    return equal;
}

/* Change that byte of the peer's text, and back. */
static void change(void *ours, void *peer, char *at)
{
    bench_difference difference;

    *at = (char)(*at ^ 1);
    if (same(ours, peer, &difference))
        bench_fail("j: nothing has found the change at %.40s", at);
    *at = (char)(*at ^ 1);
}

/* Change every digit and letter of what the peer has written last; and in the
 * first, middle and last of its documents a key, a string, a word and a
 * number. */
static size_t self_test(void *ours, void *peer)
{
    static const char *const places[] = {"sku", "cup", "true", "64.95"};
    json_side *side = (json_side *)peer;
    size_t numbers[3] = {0}, changes = 0, i, j;
    char *at;

    for (at = side->printed; *at != '\0'; at++)
        if (isalnum((unsigned char)*at)) {
            change(ours, peer, at);
            changes++;
        }
    numbers[1] = side->task->n / 2;
    numbers[2] = side->task->n - 1;
    for (i = 0; i < 3; i++)
        for (j = 0; j < sizeof places / sizeof places[0]; j++) {
            at = strstr(side->documents[numbers[i]], places[j]);
            change(ours, peer, at);
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
