/* What the tests of the engine and of the harness share: calls that must
 * succeed, calls that must fail and change nothing. One harness at a time,
 * whose memory is checked and wiped (sweep.h). */
#ifndef HARNESS_SUPPORT_H
#define HARNESS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "sweep.h"

/* All memory of the harness at hand. */
static sweep_memory memory;

/* --- calls that must succeed */

static inline void ok_at(wfs_harness *harness, wfs_status status,
                         const char *call, int line)
{
    if (status != WFS_OK)
        fail_msg("line %d: %s gave %s: %s", line, call,
                 wfs_status_name(status), wfs_harness_error(harness)->message);
}

#define ok(harness, call) ok_at((harness), (call), #call, __LINE__)

/* Change a row of the engine's behind its back, which the public functions
 * refuse; without fields, remove it. */
static inline wfs_status engine_write(wfs_harness *harness, const char *table,
                                      wfs_row_id id, const wfs_field *fields)
{
    wfs_store *store = wfs_harness_store(harness);
    uint32_t number = wfsi_table_find(store, table);

    assert_true(wfsi_begin(store));
    return wfsi_close(store, fields != NULL
                                 ? wfsi_update(store, number, id, fields)
                                 : wfsi_row_delete(store, number, id));
}

static inline wfs_harness *open_harness(wfs_harness_options options)
{
    wfs_harness *harness;
    wfs_error error;

    options.allocator = sweep_allocator(&memory);
    if (wfs_harness_create(&options, &harness, &error) != WFS_OK)
        fail_msg("no harness: %s", error.message);
    return harness;
}

static inline void close_harness(wfs_harness *harness)
{
    wfs_harness_free(harness);
    sweep_expect_clean(&memory);
}

static inline wfs_payload payload_of(wfs_harness *harness,
                                     const char *workflow, const char *id,
                                     wfs_reason reason)
{
    wfs_payload payload;

    memset(&payload, 0, sizeof payload);
    ok(harness, wfs_build_payload(harness, workflow, id, reason, &payload));
    return payload;
}

/* One tick; what it processed. */
static inline int tick(wfs_harness *harness, const char *workflow,
                       const char *id, wfs_reason reason)
{
    wfs_payload payload = payload_of(harness, workflow, id, reason);
    int processed = -1;

    ok(harness, wfs_tick(harness, &payload, &processed));
    return processed;
}

static inline wfs_instance instance_of(wfs_harness *harness,
                                       const char *workflow, const char *id)
{
    const wfs_instance *instance = NULL;

    ok(harness, wfs_get_instance(harness, workflow, id, &instance));
    assert_non_null(instance);
    return *instance;
}

static inline void advance(wfs_harness *harness, int64_t ms)
{
    wfs_clock_advance(wfs_harness_clock(harness), ms);
}

static inline size_t process(wfs_harness *harness)
{
    size_t count = 0;

    ok(harness, wfs_process_hooks(harness, &count));
    return count;
}

/* --- looking */

#define assert_state(harness, workflow, id, expected)                         \
    assert_string_equal(                                                      \
        wfs_instance_status_name(                                             \
            instance_of((harness), (workflow), (id)).status),                 \
        wfs_instance_status_name(expected))

/* Compares as text: what was stored is seen, not only what it is worth. */
static inline void json_is_at(wfs_harness *harness, const wfs_json *value,
                              const char *expected, int line)
{
    const char *text = wfs_json_write(wfs_harness_arena(harness), value, 0,
                                      NULL);

    assert_non_null(text);
    if (strcmp(text, expected) != 0)
        fail_msg("line %d: expected %s, actual %s", line, expected, text);
}

#define assert_json(harness, value, expected)                                 \
    json_is_at((harness), (value), (expected), __LINE__)

#define assert_contains(text, part)                                           \
    do {                                                                      \
        if (strstr((text), (part)) == NULL)                                   \
            fail_msg("line %d: \"%s\" does not contain \"%s\"", __LINE__,     \
                     (text), (part));                                         \
    } while (0)

/* --- calls that must fail and change nothing */

typedef struct before {
    sweep_snapshot snapshot;
    uint64_t random;
    int64_t clock;
} before;

static inline before remember(wfs_harness *harness)
{
    before then;

    then.snapshot = sweep_snapshot_of(wfs_harness_store(harness));
    then.random = wfs_harness_random(harness)->state;
    then.clock = wfs_harness_clock(harness)->now;
    return then;
}

/* Everything is as it was. */
static inline void unchanged(wfs_harness *harness, before then)
{
    sweep_expect_same(&then.snapshot, wfs_harness_store(harness));
    assert_true(then.random == wfs_harness_random(harness)->state);
    assert_true(then.clock == wfs_harness_clock(harness)->now);
    sweep_drop(&then.snapshot);
}

/* The call failed with that code and a message that names the culprit. */
static inline void refused_at(wfs_harness *harness, wfs_status status,
                              wfs_status expected, const char *culprit,
                              const char *call, int line)
{
    const wfs_error *error = wfs_harness_error(harness);

    if (status != expected)
        fail_msg("line %d: %s gave %s (%s), not %s", line, call,
                 wfs_status_name(status),
                 status != WFS_OK ? error->message : "",
                 wfs_status_name(expected));
    if (error->code != expected || strstr(error->message, culprit) == NULL)
        fail_msg("line %d: %s: \"%s\" (%s) does not name \"%s\"", line, call,
                 error->message, wfs_status_name(error->code), culprit);
}

/* The call is made once; afterwards all is as it was before. */
#define refused(harness, expected, culprit, call)                             \
    do {                                                                      \
        before then_ = remember(harness);                                     \
        wfs_status status_ = (call);                                          \
        refused_at((harness), status_, (expected), (culprit), #call,          \
                   __LINE__);                                                 \
        unchanged((harness), then_);                                          \
    } while (0)

/* A text of that many times the same character, to be freed. */
static inline char *repeated(char c, size_t count)
{
    char *text = (char *)malloc(count + 1);

    assert_non_null(text);
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

#endif
