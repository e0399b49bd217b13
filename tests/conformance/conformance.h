/* conformance.h: what the conformance programs have in common.
 *
 * A program names its suite and gives a function that runs one recorded case
 * and tells what was expected and what came of it; conf_main does the rest:
 * arguments, files, comparison, counting, the closing line. It takes
 *
 *     [--case NAME] [--verbose] [--self-test] [FILE...]
 *
 * and what options the suite has of its own, and reads JSON files: arrays of cases, or objects with them in `cases`.
 * Without a FILE it reads those of the suite's directories, relative to the
 * top of the repository. A line is printed for each case that fails or is
 * skipped, and `N passed, N failed, N skipped` closes the run. The exit status
 * is 0 when none failed, 1 when one did, 2 when a file could not be read, no
 * case was found, or the arguments make no sense.
 *
 * --self-test changes what each case expects, one place at a time, and fails
 * the case when the comparison misses a change or names another place.
 *
 * One program, one translation unit: the implementation comes with this file.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#define WFSCENARIO_IMPLEMENTATION
#include "../../wfscenario.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONF_TEXT_SIZE 1024     /* paths and values in a line, cut beyond */
#define CONF_DEPTH 2048         /* nesting of a file of cases */

/* One case while it runs. */
typedef struct conf_case {
    const wfs_json *json;           /* as it stands in the file */
    const wfs_json *siblings;       /* the cases of the file, in an array */
    wfs_arena *arena;               /* freed after the case */
    const wfs_json *expected;       /* the rest is set by the suite */
    const wfs_json *actual;
    char problem[CONF_TEXT_SIZE];   /* why it could not be run, or "" */
} conf_case;

typedef struct conf_suite {
    const char *program;
    const char *committed;          /* directory; must be there */
    const char *shared;             /* directory; read when it is there */
    void (*run)(conf_case *one);
    /* Why a case is to be skipped, or NULL; NULL: none ever is. */
    const char *(*skip)(const wfs_json *json);
    /* An option of the suite's own and its value; false: it makes no sense.
     * NULL: there is none. usage: what stands in the usage line. */
    bool (*option)(const char *name, const char *value);
    const char *usage;
} conf_suite;

/* One run of a program. */
typedef struct conf_run {
    const conf_suite *suite;
    const char *case_name;          /* NULL: all */
    bool verbose, self_test;
    size_t passed, failed, skipped;
    size_t changes;                 /* of the self-test */
    size_t errors;                  /* files that could not be read */
} conf_run;

/* --- text in lines */

/* Tell why a case could not be run; the first reason is kept. */
static inline void conf_problem(conf_case *one, const char *format, ...)
{
    va_list arguments;

    if (one->problem[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(one->problem, sizeof one->problem, format, arguments);
    va_end(arguments);
}

static inline void conf_append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s", more);
}

/* A value as compact JSON, cut where it is long. NULL: nothing is there. */
static inline void conf_value_text(wfs_arena *arena, bool there,
                                   const wfs_json *value, char *text,
                                   size_t size)
{
    const size_t longest = 300;
    const char *json;
    size_t length;

    if (!there) {
        snprintf(text, size, "nothing");
        return;
    }
    json = wfs_json_write(arena, value, 0, &length);
    if (json == NULL)
        snprintf(text, size, "(out of memory)");
    else if (length <= longest)
        snprintf(text, size, "%s", json);
    else
        snprintf(text, size, "%.*s...", (int)longest, json);
}

/* --- places in a value */

/* The way from the top of a value to a place in it; NULL is the top. */
typedef struct conf_place {
    const struct conf_place *above;
    const wfs_json *container;
    size_t place;
} conf_place;

static inline bool conf_plain_key(const char *key, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789_-$", key[i]) == NULL || key[i] == '\0')
            return false;
    }
    return size != 0;
}

static inline void conf_place_text(wfs_arena *arena, const conf_place *at,
                                   char *text, size_t size)
{
    char part[CONF_TEXT_SIZE];
    const char *key, *quoted;
    size_t key_size;

    if (at == NULL) {
        text[0] = '\0';
        return;
    }
    conf_place_text(arena, at->above, text, size);
    key = wfs_json_key_at(at->container, at->place, &key_size);
    if (key == NULL) {
        snprintf(part, sizeof part, "[%lu]", (unsigned long)at->place);
    } else if (conf_plain_key(key, key_size)) {
        snprintf(part, sizeof part, "%s%s", text[0] != '\0' ? "." : "", key);
    } else {
        quoted = wfs_json_write(arena, wfs_json_new_string_n(arena, key,
                                                             key_size),
                                0, NULL);
        snprintf(part, sizeof part, "[%s]", quoted != NULL ? quoted : "?");
    }
    conf_append(text, size, part);
}

/* --- comparison
 *
 * Written here, not taken from the library: what is under test must not be
 * its own judge. */

typedef struct conf_difference {
    char path[CONF_TEXT_SIZE];
    char expected[CONF_TEXT_SIZE];
    char actual[CONF_TEXT_SIZE];
} conf_difference;

typedef struct conf_comparison {
    wfs_arena *arena;
    conf_difference *difference;    /* NULL: only whether there is one */
} conf_comparison;

/* Always true, so that it can end a comparison. */
static inline bool conf_found(const conf_comparison *with,
                              const conf_place *at, bool expected_there,
                              const wfs_json *expected, bool actual_there,
                              const wfs_json *actual)
{
    conf_difference *difference = with->difference;

    if (difference == NULL)
        return true;
    conf_place_text(with->arena, at, difference->path,
                    sizeof difference->path);
    conf_value_text(with->arena, expected_there, expected,
                    difference->expected, sizeof difference->expected);
    conf_value_text(with->arena, actual_there, actual, difference->actual,
                    sizeof difference->actual);
    return true;
}

static inline bool conf_is_number(wfs_json_type type)
{
    return type == WFS_JSON_INTEGER || type == WFS_JSON_REAL;
}

static inline bool conf_same_text(const char *left, size_t left_size,
                                  const char *right, size_t right_size)
{
    return left_size == right_size && memcmp(left, right, left_size) == 0;
}

/* For values that are neither arrays nor objects. */
static inline bool conf_same_leaf(const wfs_json *left, const wfs_json *right)
{
    wfs_json_type left_type = wfs_json_type_of(left);
    wfs_json_type right_type = wfs_json_type_of(right);
    const char *left_text, *right_text;
    size_t left_size, right_size;

    if (conf_is_number(left_type) && conf_is_number(right_type)) {
        if (left_type == WFS_JSON_INTEGER && right_type == WFS_JSON_INTEGER)
            return wfs_json_integer(left) == wfs_json_integer(right);
        return !(wfs_json_real(left) < wfs_json_real(right)) &&
               !(wfs_json_real(left) > wfs_json_real(right));
    }
    if (left_type != right_type)
        return false;
    if (left_type == WFS_JSON_BOOL)
        return wfs_json_bool(left) == wfs_json_bool(right);
    if (left_type != WFS_JSON_STRING)
        return left_type == WFS_JSON_NULL;
    left_text = wfs_json_string(left, &left_size);
    right_text = wfs_json_string(right, &right_size);
    return conf_same_text(left_text, left_size, right_text, right_size);
}

/* The place of a key: most often the guess. Count when it is not there. */
static inline size_t conf_key_place(const wfs_json *object, const char *key,
                                    size_t size, size_t guess)
{
    size_t i, at, other_size, count = wfs_json_count(object);
    const char *other;

    for (i = 0; i < count; i++) {
        at = (guess + i) % count;
        other = wfs_json_key_at(object, at, &other_size);
        if (other != NULL && conf_same_text(key, size, other, other_size))
            return at;
    }
    return count;
}

static inline bool conf_differ(const conf_comparison *with,
                               const conf_place *above,
                               const wfs_json *expected,
                               const wfs_json *actual);

static inline bool conf_arrays_differ(const conf_comparison *with,
                                      const conf_place *above,
                                      const wfs_json *expected,
                                      const wfs_json *actual)
{
    size_t expected_count = wfs_json_count(expected);
    size_t actual_count = wfs_json_count(actual);
    conf_place at = {above, expected, 0};

    for (; at.place < expected_count && at.place < actual_count; at.place++) {
        if (conf_differ(with, &at, wfs_json_at(expected, at.place),
                        wfs_json_at(actual, at.place)))
            return true;
    }
    if (expected_count == actual_count)
        return false;
    return conf_found(with, &at, at.place < expected_count,
                      wfs_json_at(expected, at.place),
                      at.place < actual_count, wfs_json_at(actual, at.place));
}

static inline bool conf_objects_differ(const conf_comparison *with,
                                       const conf_place *above,
                                       const wfs_json *expected,
                                       const wfs_json *actual)
{
    size_t expected_count = wfs_json_count(expected);
    size_t actual_count = wfs_json_count(actual);
    size_t other, size;
    const char *key;
    conf_place at = {above, expected, 0};

    for (; at.place < expected_count; at.place++) {
        key = wfs_json_key_at(expected, at.place, &size);
        other = conf_key_place(actual, key, size, at.place);
        if (other == actual_count)
            return conf_found(with, &at, true, wfs_json_at(expected, at.place),
                              false, NULL);
        if (conf_differ(with, &at, wfs_json_at(expected, at.place),
                        wfs_json_at(actual, other)))
            return true;
    }
    at.container = actual;
    for (at.place = 0; at.place < actual_count; at.place++) {
        key = wfs_json_key_at(actual, at.place, &size);
        if (conf_key_place(expected, key, size, at.place) == expected_count)
            return conf_found(with, &at, false, NULL, true,
                              wfs_json_at(actual, at.place));
    }
    return false;
}

/* Whether two values differ anywhere; tells of the first place. */
static inline bool conf_differ(const conf_comparison *with,
                               const conf_place *above,
                               const wfs_json *expected,
                               const wfs_json *actual)
{
    wfs_json_type type = wfs_json_type_of(expected);

    if (type == wfs_json_type_of(actual)) {
        if (type == WFS_JSON_ARRAY)
            return conf_arrays_differ(with, above, expected, actual);
        if (type == WFS_JSON_OBJECT)
            return conf_objects_differ(with, above, expected, actual);
    }
    if (conf_same_leaf(expected, actual))
        return false;
    return conf_found(with, above, true, expected, true, actual);
}

/* --- self-test: expectations changed one place at a time */

typedef enum conf_change {
    CONF_REPLACE,           /* the value at a place by another */
    CONF_DROP,              /* an item or a member */
    CONF_ADD,               /* one at the end */
    CONF_SWAP               /* an item with the next */
} conf_change;

typedef struct conf_mutation {
    conf_run *run;
    conf_case *one;
    const char *name;
    wfs_arena *scratch;     /* cleared before each change */
    size_t missed;
} conf_mutation;

static inline wfs_json *conf_put(wfs_arena *arena, wfs_json *into,
                                 const wfs_json *from, size_t place,
                                 const wfs_json *value)
{
    size_t size;
    const char *key = wfs_json_key_at(from, place, &size);

    if (key == NULL)
        return wfs_json_append(arena, into, value);
    return wfs_json_set_n(arena, into, key, size, value);
}

/* A copy of an array or object with one change at a place. */
static inline wfs_json *conf_changed(wfs_arena *arena, const conf_place *at,
                                     conf_change change, const wfs_json *value)
{
    const wfs_json *from = at->container;
    bool is_array = wfs_json_type_of(from) == WFS_JSON_ARRAY;
    wfs_json *copy = is_array ? wfs_json_new_array(arena)
                              : wfs_json_new_object(arena);
    size_t i, other, count = wfs_json_count(from);

    for (i = 0; i < count; i++) {
        other = i;
        if (change == CONF_SWAP && (i == at->place || i == at->place + 1))
            other = 2 * at->place + 1 - i;
        if (i != at->place || change == CONF_SWAP || change == CONF_ADD)
            copy = conf_put(arena, copy, from, i, wfs_json_at(from, other));
        else if (change == CONF_REPLACE)
            copy = conf_put(arena, copy, from, i, value);
    }
    if (change != CONF_ADD)
        return copy;
    return is_array ? wfs_json_append(arena, copy, value)
                    : wfs_json_set(arena, copy, "an extra key", value);
}

static inline void conf_missed(conf_mutation *mutation, const conf_place *at,
                               const wfs_json *value, const char *what)
{
    char path[CONF_TEXT_SIZE], text[CONF_TEXT_SIZE];

    conf_place_text(mutation->scratch, at, path, sizeof path);
    conf_value_text(mutation->scratch, true, value, text, sizeof text);
    if (mutation->missed == 0)
        printf("FAIL %s: %s: change to %s %s\n", mutation->name, path, text,
               what);
    mutation->missed++;
}

/* Compare with one change made; it has to be noticed, and a replaced value
 * where it stands. */
static inline void conf_try(conf_mutation *mutation, const conf_place *at,
                            conf_change change, const wfs_json *value)
{
    wfs_arena *arena = mutation->scratch;
    char path[CONF_TEXT_SIZE];
    conf_difference difference;
    conf_comparison with = {arena, &difference};
    const conf_place *level;
    const wfs_json *expected = value;

    for (level = at; level != NULL; level = level->above) {
        expected = conf_changed(arena, level,
                                level == at ? change : CONF_REPLACE, expected);
    }
    mutation->run->changes++;
    if (wfs_arena_failed(arena))
        conf_missed(mutation, at, value, "ran out of memory");
    else if (!conf_differ(&with, NULL, expected, mutation->one->actual))
        conf_missed(mutation, at, value, "was not noticed");
    else if (change == CONF_REPLACE) {
        conf_place_text(arena, at, path, sizeof path);
        if (strcmp(path, difference.path) != 0)
            conf_missed(mutation, at, value, "was placed elsewhere");
    }
    wfs_arena_clear(arena);
}

/* Other values for a leaf: of its type where there is one, and of others. */
static inline void conf_try_leaf(conf_mutation *mutation,
                                 const conf_place *at, const wfs_json *leaf)
{
    wfs_arena *arena = mutation->scratch;
    wfs_json_type type = wfs_json_type_of(leaf);
    int64_t integer = wfs_json_integer(leaf);
    const char *text;
    char *longer;
    size_t size;

    if (type == WFS_JSON_INTEGER) {
        integer += integer < INT64_MAX ? 1 : -1;
        conf_try(mutation, at, CONF_REPLACE,
                 wfs_json_new_integer(arena, integer));
    } else if (type == WFS_JSON_REAL) {
        conf_try(mutation, at, CONF_REPLACE,
                 wfs_json_new_real(arena, wfs_json_real(leaf) * 2 + 1));
    } else if (type == WFS_JSON_BOOL) {
        conf_try(mutation, at, CONF_REPLACE,
                 wfs_json_new_bool(arena, !wfs_json_bool(leaf)));
    } else if (type == WFS_JSON_STRING) {
        text = wfs_json_string(leaf, &size);
        longer = (char *)wfs_arena_allocate(arena, size + 1);
        if (longer != NULL) {
            memcpy(longer, text, size);
            longer[size] = '~';
            conf_try(mutation, at, CONF_REPLACE,
                     wfs_json_new_string_n(arena, longer, size + 1));
        }
    } else {
        conf_try(mutation, at, CONF_REPLACE, wfs_json_new_integer(arena, 0));
    }
    if (type != WFS_JSON_STRING)
        conf_try(mutation, at, CONF_REPLACE, wfs_json_new_string(arena, ""));
    if (type != WFS_JSON_NULL)
        conf_try(mutation, at, CONF_REPLACE, wfs_json_new_null(arena));
}

static inline void conf_try_all(conf_mutation *mutation,
                                const conf_place *above, const wfs_json *value)
{
    wfs_json_type type = wfs_json_type_of(value);
    bool is_array = type == WFS_JSON_ARRAY;
    conf_comparison quiet = {mutation->scratch, NULL};
    conf_place at = {above, value, 0};
    size_t count = wfs_json_count(value);
    const wfs_json *item;

    if (!is_array && type != WFS_JSON_OBJECT) {
        conf_try_leaf(mutation, above, value);
        return;
    }
    for (; at.place < count; at.place++) {
        item = wfs_json_at(value, at.place);
        conf_try(mutation, &at, CONF_DROP, NULL);
        if (is_array && at.place + 1 < count &&
            conf_differ(&quiet, NULL, item, wfs_json_at(value, at.place + 1)))
            conf_try(mutation, &at, CONF_SWAP, NULL);
        conf_try_all(mutation, &at, item);
    }
    conf_try(mutation, &at, CONF_ADD, NULL);
    conf_try(mutation, above, CONF_REPLACE,
             wfs_json_new_null(mutation->scratch));
}

/* Whether every change of a case that passes is noticed. */
static inline bool conf_self_test(conf_run *run, conf_case *one,
                                  const char *name)
{
    conf_mutation mutation = {run, one, name, wfs_arena_create(NULL), 0};

    if (mutation.scratch == NULL) {
        printf("FAIL %s: out of memory\n", name);
        return false;
    }
    conf_try_all(&mutation, NULL, one->expected);
    wfs_arena_free(mutation.scratch);
    return mutation.missed == 0;
}

/* --- cases */

static inline bool conf_judge(conf_run *run, conf_case *one, const char *name)
{
    conf_difference difference;
    conf_comparison with = {one->arena, &difference};

    if (one->problem[0] == '\0' && wfs_arena_failed(one->arena))
        conf_problem(one, "out of memory");
    if (one->problem[0] == '\0' &&
        (one->expected == NULL || one->actual == NULL))
        conf_problem(one, "the case has no expectation");
    if (one->problem[0] != '\0') {
        printf("FAIL %s: %s\n", name, one->problem);
        return false;
    }
    if (conf_differ(&with, NULL, one->expected, one->actual)) {
        printf("FAIL %s: %s: expected %s, actual %s\n", name, difference.path,
               difference.expected, difference.actual);
        return false;
    }
    return !run->self_test || conf_self_test(run, one, name);
}

static inline void conf_run_case(conf_run *run, const wfs_json *siblings,
                                 const wfs_json *json, const char *name)
{
    conf_case one;
    const char *reason = NULL;

    if (run->suite->skip != NULL)
        reason = run->suite->skip(json);
    if (reason != NULL) {
        printf("SKIP %s: %s\n", name, reason);
        run->skipped++;
        return;
    }
    memset(&one, 0, sizeof one);
    one.json = json;
    one.siblings = siblings;
    one.arena = wfs_arena_create(NULL);
    if (one.arena == NULL) {
        printf("FAIL %s: out of memory\n", name);
        run->failed++;
        return;
    }
    run->suite->run(&one);
    if (conf_judge(run, &one, name)) {
        run->passed++;
        if (run->verbose)
            printf("ok   %s\n", name);
    } else {
        run->failed++;
    }
    wfs_arena_free(one.arena);
}

static inline void conf_run_cases(conf_run *run, const char *file,
                                  const wfs_json *cases)
{
    size_t i, count = wfs_json_count(cases);
    const wfs_json *json;
    const char *name;

    if (wfs_json_type_of(cases) != WFS_JSON_ARRAY || count == 0) {
        fprintf(stderr, "%s: %s: there is no case in it\n",
                run->suite->program, file);
        run->errors++;
        return;
    }
    for (i = 0; i < count; i++) {
        json = wfs_json_at(cases, i);
        name = wfs_json_string(wfs_json_get(json, "name"), NULL);
        if (name == NULL) {
            printf("FAIL %s: case %lu has no name\n", file, (unsigned long)i);
            run->failed++;
        } else if (run->case_name == NULL ||
                   strcmp(run->case_name, name) == 0) {
            conf_run_case(run, cases, json, name);
        }
    }
}

/* --- files */

/* The content of a file, to be freed; NULL when it cannot be read. */
static inline char *conf_read(const char *file, size_t *size)
{
    FILE *stream = fopen(file, "rb");
    char *text = NULL, *larger;
    size_t capacity = 0, got;

    *size = 0;
    if (stream == NULL)
        return NULL;
    do {
        if (*size == capacity) {
            capacity = capacity * 2 + 65536;
            larger = (char *)realloc(text, capacity);
            if (larger == NULL)
                break;
            text = larger;
        }
        got = fread(text + *size, 1, capacity - *size, stream);
        *size += got;
    } while (got > 0);
    if (ferror(stream) || !feof(stream)) {
        free(text);
        text = NULL;
    }
    fclose(stream);
    return text;
}

static inline void conf_run_text(conf_run *run, const char *file,
                                 const char *text, size_t size)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    wfs_limits limits = {0};
    wfs_error error;
    const wfs_json *json;

    limits.json_depth = CONF_DEPTH;
    limits.json_size = (size_t)1 << 30;
    json = arena == NULL ? NULL
                         : wfs_json_parse(arena, text, size, &limits, &error);
    if (arena == NULL) {
        fprintf(stderr, "%s: out of memory\n", run->suite->program);
        run->errors++;
    } else if (json == NULL) {
        fprintf(stderr, "%s: %s:%lu:%lu: %s\n", run->suite->program, file,
                (unsigned long)error.line, (unsigned long)error.column,
                error.message);
        run->errors++;
    } else {
        if (wfs_json_type_of(json) == WFS_JSON_OBJECT)
            json = wfs_json_get(json, "cases");
        conf_run_cases(run, file, json);
    }
    wfs_arena_free(arena);
}

static inline void conf_run_file(conf_run *run, const char *file)
{
    size_t size;
    char *text = conf_read(file, &size);

    if (text == NULL) {
        fprintf(stderr, "%s: cannot read %s\n", run->suite->program, file);
        run->errors++;
        return;
    }
    conf_run_text(run, file, text, size);
    free(text);
}

#define CONF_MOST_FILES 64

static inline int conf_compare_names(const void *left, const void *right)
{
    return strcmp((const char *)left, (const char *)right);
}

static inline bool conf_is_case_file(const char *name)
{
    size_t size = strlen(name);

    return name[0] != '.' && size > 5 && strcmp(name + size - 5, ".json") == 0;
}

/* Every *.json of a directory, in order of name; false when it cannot be
 * opened. */
static inline bool conf_run_directory(conf_run *run, const char *directory)
{
    static char files[CONF_MOST_FILES][CONF_TEXT_SIZE];
    DIR *entries = opendir(directory);
    struct dirent *entry;
    size_t i, count = 0;

    if (entries == NULL)
        return false;
    while ((entry = readdir(entries)) != NULL) {
        if (!conf_is_case_file(entry->d_name))
            continue;
        if (count == CONF_MOST_FILES) {
            fprintf(stderr, "%s: more than %d files in %s\n",
                    run->suite->program, CONF_MOST_FILES, directory);
            run->errors++;
            break;
        }
        snprintf(files[count++], CONF_TEXT_SIZE, "%s/%s", directory,
                 entry->d_name);
    }
    closedir(entries);
    qsort(files, count, sizeof files[0], conf_compare_names);
    for (i = 0; i < count; i++)
        conf_run_file(run, files[i]);
    return true;
}

static inline void conf_run_default(conf_run *run)
{
    const conf_suite *suite = run->suite;

    if (!conf_run_directory(run, suite->committed)) {
        fprintf(stderr, "%s: cannot read %s; run it at the top of the "
                        "repository\n",
                suite->program, suite->committed);
        run->errors++;
    }
    if (suite->shared != NULL)
        (void)conf_run_directory(run, suite->shared);
}

/* --- the program */

static inline int conf_usage(const conf_suite *suite)
{
    fprintf(stderr, "usage: %s [--case NAME] [--verbose] [--self-test] "
                    "%s[FILE...]\n",
            suite->program, suite->usage != NULL ? suite->usage : "");
    return 2;
}

/* The options, taken out of the arguments; how many files are left, or -1. */
static inline int conf_arguments(conf_run *run, int count, char **arguments)
{
    int i, files = 0;

    for (i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--case") == 0 && i + 1 < count)
            run->case_name = arguments[++i];
        else if (strcmp(arguments[i], "--verbose") == 0)
            run->verbose = true;
        else if (strcmp(arguments[i], "--self-test") == 0)
            run->self_test = true;
        else if (run->suite->option != NULL && i + 1 < count &&
                 run->suite->option(arguments[i], arguments[i + 1]))
            i++;
        else if (strncmp(arguments[i], "--", 2) == 0)
            return -1;
        else
            arguments[files++] = arguments[i];
    }
    return files;
}

static inline int conf_finish(conf_run *run)
{
    bool none = run->passed + run->failed + run->skipped == 0;

    if (none && run->case_name != NULL)
        fprintf(stderr, "%s: no case is named %s\n", run->suite->program,
                run->case_name);
    else if (none)
        fprintf(stderr, "%s: there was no case to run\n", run->suite->program);
    if (run->self_test)
        printf("%lu changes of expectations tried\n",
               (unsigned long)run->changes);
    printf("%lu passed, %lu failed, %lu skipped\n", (unsigned long)run->passed,
           (unsigned long)run->failed, (unsigned long)run->skipped);
    if (run->errors != 0 || none || (run->self_test && run->changes == 0))
        return 2;
    return run->failed != 0 ? 1 : 0;
}

static inline int conf_main(const conf_suite *suite, int count,
                            char **arguments)
{
    conf_run run;
    int i, files;

    memset(&run, 0, sizeof run);
    run.suite = suite;
    files = conf_arguments(&run, count, arguments);
    if (files < 0)
        return conf_usage(suite);
    for (i = 0; i < files; i++)
        conf_run_file(&run, arguments[i]);
    if (files == 0)
        conf_run_default(&run);
    return conf_finish(&run);
}

#endif /* CONFORMANCE_H */
