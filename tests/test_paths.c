/* The engine's short ways against plain models: keys of steps, the index by
 * key that waits, all indexes of its tables, hooks, events, and ticks in
 * ticks, whose outcomes were recorded with rows that ticks copied. */
#include "harness_support.h"

#include "store_check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR INT64_C(3600000)

static wfs_random source = {9};

static size_t below(size_t bound)
{
    return (size_t)wfs_random_below(&source, bound);
}

static wfs_function program;
static int calls;

static wfs_status run_orders(wfs_run *run, void *user)
{
    return program(run, user);
}

static const wfs_workflow workflows[] = {
    {.key = "orders", .run = run_orders},
    {0},
};

static wfs_status (*handler)(wfs_harness *harness, const wfs_hook *hook);

static wfs_status handle(wfs_harness *harness, const wfs_hook *hook,
                         void *user)
{
    (void)user;
    return handler(harness, hook);
}

static const wfs_hook_handler handlers[] = {
    {.hook_name = "notify", .handle = handle},
    {0},
};

static wfs_harness *open_world(wfs_function code, bool auto_tick)
{
    wfs_harness_options options = {.workflows = workflows,
                                   .hooks = handlers,
                                   .clock_start = 1000000,
                                   .seed = 7};

    options.auto_tick = auto_tick;
    program = code;
    calls = 0;
    return open_harness(options);
}

static void create(wfs_harness *harness, const char *id)
{
    ok(harness, wfs_create(harness, "orders", id, NULL, NULL));
}

static wfs_status count_call(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, wfs_json_new_integer(wfs_run_arena(run), ++calls));
}

/* --- keys of steps: stages of steps, a nap after each. AT_LAST: a name comes
 * again only among the new steps of the last stage */

typedef enum naming {
    SAME, DIFFERENT, BY_THREE, AT_LAST, BY_CHANCE
} naming;

static naming names;
static int stages, stage_size;

static const char *name_of(char *name, size_t size, int stage, int i)
{
    wfs_random chance = {(uint64_t)(stage * 1000 + i)};

    switch (names) {
    case SAME:
        return "step";
    case DIFFERENT:
        snprintf(name, size, "step %d of stage %d", i, stage);
        break;
    case BY_THREE:
        snprintf(name, size, "step %d", i % 3);
        break;
    case AT_LAST:
        snprintf(name, size, "step %d of stage %d",
                 stage == stages - 1 ? i % 3 : i, stage);
        break;
    default:
        snprintf(name, size, "step %d", (int)wfs_random_below(&chance, 20));
    }
    return name;
}

static wfs_status run_stages(wfs_run *run, void *user)
{
    char name[64];
    int stage, i;

    (void)user;
    for (stage = 0; stage < stages; stage++) {
        for (i = 0; i < stage_size; i++)
            WFS_TRY(wfs_do(run, name_of(name, sizeof name, stage, i),
                           count_call, NULL, NULL, NULL));
        snprintf(name, sizeof name, "nap %d", stage);
        WFS_TRY(wfs_sleep(run, names == AT_LAST ? name : "nap", "1 hour"));
    }
    return WFS_OK;
}

/* The key that a step has, by counting names from the start. */
static void expected_key(char *key, size_t size, int stage, int i)
{
    char name[64], other[64];
    const char *this_name = name_of(name, sizeof name, stage, i);
    int at_stage, at, uses = 0;

    for (at_stage = 0; at_stage <= stage; at_stage++)
        for (at = 0; at < (at_stage == stage ? i : stage_size); at++)
            uses += strcmp(name_of(other, sizeof other, at_stage, at),
                           this_name) == 0;
    snprintf(key, size, uses != 0 ? "do:%s#%d" : "do:%s", this_name, uses);
}

static wfs_status find_step(wfs_harness *harness, const char *id,
                            const char *key, wfs_row *row)
{
    wfs_instance instance = instance_of(harness, "orders", id);
    wfs_value values[3];

    values[0] = wfs_reference(instance.id);
    values[1] = wfs_integer(instance.run_number);
    values[2] = wfs_text(key);
    return wfs_find(wfs_harness_store(harness), "workflow_step", "by_key",
                    values, 3, row);
}

static void expect_step(wfs_harness *harness, const char *id, const char *key,
                        wfs_row_id expected)
{
    wfs_row row;

    row.id = 0;
    assert_int_equal(find_step(harness, id, key, &row),
                     expected != 0 ? WFS_OK : WFS_ERR_ROW_NOT_FOUND);
    assert_int_equal(row.id, expected);
}

/* After so many stages: all steps in order, with their keys; each found by
 * its key if it is asked for. */
static void check_keys(wfs_harness *harness, const char *id, int done,
                       bool find)
{
    const wfs_step *steps;
    char key[80];
    size_t count, at = 0;
    int stage, i;

    ok(harness, wfs_get_steps(harness, "orders", id, NULL, &steps, &count));
    assert_int_equal(count, done * (stage_size + 1));
    for (stage = 0; stage < done; stage++)
        for (i = 0; i <= stage_size; i++, at++) {
            if (i < stage_size)
                expected_key(key, sizeof key, stage, i);
            else
                snprintf(key, sizeof key,
                         names == AT_LAST ? "sleep:nap %d"
                         : stage != 0     ? "sleep:nap#%d"
                                          : "sleep:nap",
                         stage);
            assert_string_equal(steps[at].step_key, key);
            if (find)
                expect_step(harness, id, key, steps[at].id);
        }
    expect_step(harness, id, "do:other", 0);
}

static void next_stage(wfs_harness *harness, const char *id, bool first)
{
    if (!first)
        advance(harness, HOUR);
    assert_int_equal(tick(harness, "orders", id,
                          first ? WFS_REASON_CREATE : WFS_REASON_WAKE), 1);
}

/* asked_at: the stage from which on by_key is looked at. */
static void check_stages(naming how, int count, int size, int asked_at)
{
    wfs_harness *harness = open_world(run_stages, false);
    int stage;

    names = how;
    stages = count;
    stage_size = size;
    create(harness, "a");
    create(harness, "b");
    for (stage = 0; stage < count; stage++) {
        next_stage(harness, "a", stage == 0);
        if (stage >= asked_at)
            check_keys(harness, "a", stage + 1, true);
        next_stage(harness, "b", stage == 0);
        store_check(wfs_harness_store(harness));
    }
    check_keys(harness, "a", count, true);
    check_keys(harness, "b", count, true);
    assert_int_equal(calls, 2 * count * size);
    advance(harness, HOUR);
    assert_int_equal(tick(harness, "orders", "a", WFS_REASON_WAKE), 1);
    assert_state(harness, "orders", "a", WFS_INSTANCE_COMPLETE);
    store_check(wfs_harness_store(harness));
    close_harness(harness);
}

static void keys_of_steps_are_counted_as_names_come(void **state)
{
    static const int sizes[] = {1, 2, 6, 7, 8, 9, 10, 20, 70};
    size_t i;
    int how, count;

    (void)state;
    for (how = SAME; how <= BY_CHANCE; how++)
        for (i = 0; i < COUNT(sizes); i++) {
            count = sizes[i] < 3 ? 70 : sizes[i] < 12 ? 14 : 4;
            check_stages((naming)how, count, sizes[i], count);
        }
}

static void the_index_by_key_is_right_before_and_after_more_steps(void **state)
{
    int how, asked_at;

    (void)state;
    for (how = SAME; how <= BY_CHANCE; how++)
        for (asked_at = 0; asked_at < 4; asked_at++)
            check_stages((naming)how, 12, 7, asked_at * 3);
}

static bool by_key_is_built(wfs_harness *harness)
{
    return (wfs_harness_store(harness)->tables[WFSI_STEPS].mapped >>
                WFSI_STEP_BY_KEY & 1) != 0;
}

/* Asked for before, in, or after the transaction that is rolled back. */
static void the_index_by_key_is_right_after_a_rollback(void **state)
{
    wfs_harness *harness;
    wfs_store *store;
    int how, asked;

    (void)state;
    stages = 5;
    stage_size = 9;
    for (how = SAME; how <= BY_CHANCE; how++)
        for (asked = 0; asked < 3; asked++) {
            names = (naming)how;
            harness = open_world(run_stages, false);
            store = wfs_harness_store(harness);
            create(harness, "a");
            next_stage(harness, "a", true);
            if (asked == 0)
                check_keys(harness, "a", 1, true);
            assert_int_equal(by_key_is_built(harness), asked == 0);
            ok(harness, wfs_begin(store));
            next_stage(harness, "a", false);
            if (asked == 1)
                check_keys(harness, "a", 2, true);
            next_stage(harness, "a", false);
            ok(harness, wfs_rollback(store));
            store_check(store);
            assert_int_equal(by_key_is_built(harness), asked != 2);
            check_keys(harness, "a", 1, true);
            expect_step(harness, "a", "sleep:nap#1", 0);
            next_stage(harness, "a", false);
            check_keys(harness, "a", 2, true);
            store_check(store);
            close_harness(harness);
        }
}

static void the_index_by_key_is_right_in_forks(void **state)
{
    wfs_harness *harness, *copy;
    int how, asked;

    (void)state;
    stages = 12;
    stage_size = 8;
    for (how = SAME; how <= BY_CHANCE; how++)
        for (asked = 0; asked < 2; asked++) {
            names = (naming)how;
            harness = open_world(run_stages, false);
            create(harness, "a");
            next_stage(harness, "a", true);
            if (asked == 0)
                check_keys(harness, "a", 1, true);
            ok(harness, wfs_harness_fork(harness, &copy));
            assert_int_equal(by_key_is_built(copy), asked == 0);
            next_stage(copy, "a", false);
            check_keys(copy, "a", 2, true);
            check_keys(harness, "a", 1, true);
            next_stage(copy, "a", false);
            store_check(wfs_harness_store(copy));
            check_keys(copy, "a", 3, true);
            next_stage(harness, "a", false);
            check_keys(harness, "a", 2, true);
            store_check(wfs_harness_store(harness));
            wfs_harness_free(copy);
            next_stage(harness, "a", false);
            check_keys(harness, "a", 3, true);
            close_harness(harness);
        }
}

/* Refused memory where the index is made: asked again, it is there. */
static void the_index_by_key_waits_for_memory(void **state)
{
    wfs_harness *harness = open_world(run_stages, false);
    wfs_value values[3];
    wfs_status status = WFS_ERR_NO_MEMORY;
    size_t nth;
    wfs_row row;
    int stage;

    (void)state;
    names = SAME;
    stages = 8;
    stage_size = 9;
    create(harness, "a");
    for (stage = 0; stage < 5; stage++)
        next_stage(harness, "a", stage == 0);
    values[0] = wfs_reference(1);
    values[1] = wfs_integer(instance_of(harness, "orders", "a").run_number);
    values[2] = wfs_text("do:step#11");
    for (nth = 1; status == WFS_ERR_NO_MEMORY; nth++) {
        sweep_refuse(&memory, nth, SWEEP_FROM);
        status = wfs_find(wfs_harness_store(harness), "workflow_step",
                          "by_key", values, 3, &row);
        sweep_allow(&memory);
        store_check(wfs_harness_store(harness));
    }
    assert_true(nth > 2);
    ok(harness, status);
    assert_int_equal(row.id, 13);
    check_keys(harness, "a", 5, true);
    next_stage(harness, "a", false);
    check_keys(harness, "a", 6, true);
    store_check(wfs_harness_store(harness));
    close_harness(harness);
}

/* A long run whose program goes another way the next time: steps that the
 * history has, out of order, and new ones with names of both. */
static bool other_way;

static wfs_status run_two_ways(wfs_run *run, void *user)
{
    char name[16];
    int i, at;

    (void)user;
    for (i = 0; i < stage_size; i++) {
        at = other_way ? stage_size - 1 - i : i;
        snprintf(name, sizeof name, "s%d", at % 50);
        WFS_TRY(wfs_do(run, name, count_call, NULL, NULL, NULL));
        if (other_way && i % 10 == 0)
            WFS_TRY(wfs_do(run, "extra", count_call, NULL, NULL, NULL));
    }
    if (other_way)
        return WFS_OK;
    return wfs_sleep(run, "nap", "1 hour");
}

static void keys_are_right_when_steps_come_in_another_order(void **state)
{
    static const int sizes[] = {5, 49, 50, 60, 64, 65, 90, 120};
    wfs_harness *harness;
    const wfs_step *steps;
    size_t i, j, count, extras;
    char key[32];

    (void)state;
    for (i = 0; i < COUNT(sizes); i++) {
        harness = open_world(run_two_ways, false);
        stage_size = sizes[i];
        other_way = false;
        create(harness, "a");
        assert_int_equal(tick(harness, "orders", "a", WFS_REASON_CREATE), 1);
        other_way = true;
        advance(harness, HOUR);
        assert_int_equal(tick(harness, "orders", "a", WFS_REASON_WAKE), 1);
        assert_state(harness, "orders", "a", WFS_INSTANCE_COMPLETE);
        ok(harness,
           wfs_get_steps(harness, "orders", "a", NULL, &steps, &count));
        extras = ((size_t)stage_size + 9) / 10;
        assert_int_equal(count, (size_t)stage_size + 1 + extras);
        assert_int_equal(calls, (size_t)stage_size + extras);
        for (j = 0; j < extras; j++) {
            snprintf(key, sizeof key, j != 0 ? "do:extra#%d" : "do:extra",
                     (int)j);
            assert_string_equal(steps[count - extras + j].step_key, key);
        }
        for (j = 0; j < count; j++)
            expect_step(harness, "a", steps[j].step_key, steps[j].id);
        store_check(wfs_harness_store(harness));
        close_harness(harness);
    }
}

/* Names in different steps around them, and of different types. */
static wfs_status inner_steps(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "a", count_call, user, NULL, NULL));
    WFS_TRY(wfs_do(run, "b", count_call, user, NULL, NULL));
    return wfs_do(run, "a", count_call, user, NULL, NULL);
}

static wfs_status run_nested(wfs_run *run, void *user)
{
    int i;

    for (i = 0; i < 3; i++) {
        WFS_TRY(wfs_do(run, "a", inner_steps, user, NULL, NULL));
        WFS_TRY(wfs_sleep(run, "a", "1 hour"));
        WFS_TRY(wfs_do(run, "b", inner_steps, user, NULL, NULL));
    }
    return WFS_OK;
}

static void the_same_name_has_a_key_for_each_place(void **state)
{
    static const char *const keys[] = {
        "do:a", "do:a>do:a", "do:a>do:b", "do:a>do:a#1", "sleep:a",
        "do:b", "do:b>do:a", "do:b>do:b", "do:b>do:a#1",
        "do:a#1", "do:a#1>do:a", "do:a#1>do:b", "do:a#1>do:a#1", "sleep:a#1",
        "do:b#1", "do:b#1>do:a", "do:b#1>do:b", "do:b#1>do:a#1",
        "do:a#2", "do:a#2>do:a", "do:a#2>do:b", "do:a#2>do:a#1", "sleep:a#2",
        "do:b#2", "do:b#2>do:a", "do:b#2>do:b", "do:b#2>do:a#1"};
    wfs_harness *harness = open_world(run_nested, false);
    const wfs_step *steps;
    size_t i, count;
    int ticks;

    (void)state;
    create(harness, "a");
    for (ticks = 0; ticks < 4; ticks++)
        next_stage(harness, "a", ticks == 0);
    ok(harness, wfs_get_steps(harness, "orders", "a", NULL, &steps, &count));
    assert_int_equal(count, COUNT(keys));
    for (i = 0; i < count; i++) {
        assert_string_equal(steps[i].step_key, keys[i]);
        expect_step(harness, "a", keys[i], steps[i].id);
    }
    assert_int_equal(calls, 18);
    close_harness(harness);
}

/* --- every index of the engine's tables */

static const wfs_retries twice = {2, "10 minutes", 0, WFS_BACKOFF_LINEAR};

static wfs_status fail_at_first(wfs_run *run, void *user)
{
    if (wfs_attempt(run) == 1)
        return wfs_fail(run, "Error", "not yet");
    return count_call(run, user);
}

static wfs_status run_all_kinds(wfs_run *run, void *user)
{
    wfs_do_options retried = {.retries = twice};
    wfs_wait_options wait = {.type = "go", .timeout = "2 hours"};
    wfs_status status;
    int i;

    for (i = 0; i < 3; i++) {
        WFS_TRY(wfs_do(run, "count", count_call, user, NULL, NULL));
        WFS_TRY(wfs_do(run, "retried", fail_at_first, user, &retried, NULL));
        WFS_TRY(wfs_sleep(run, "nap", "30 minutes"));
        status = wfs_wait_for_event(run, "wait", &wait, NULL);
        if (status != WFS_OK && status != WFS_FAILED)
            return status;
    }
    return wfs_return_text(run, "{\"done\":true}");
}

static void index_query(wfs_store *store, uint32_t table, size_t index,
                        wfs_query *query)
{
    memset(query, 0, sizeof *query);
    query->table = wfsi_text(store, store->tables[table].name, NULL);
    query->index =
        wfsi_text(store, store->tables[table].indexes[index].name, NULL);
}

static uint32_t rows_with_key(wfs_store *store, const wfsi_table *table,
                              const wfsi_index *index, wfs_row_id like)
{
    uint32_t count = 0;
    wfs_row_id id;
    const char *row;

    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        count += row != NULL && store_has_key(index, row) &&
                 (like == 0 ||
                  store_order(store, table, index, id, like, false) == 0);
    }
    return count;
}

static void check_walk(wfs_store *store, const wfs_query *query,
                       const wfsi_table *table, const wfsi_index *index,
                       uint32_t expected)
{
    wfs_cursor *cursor;
    wfs_row_id last = 0;
    wfs_row row;
    int order;

    assert_int_equal(wfs_cursor_open(store, query, &cursor), WFS_OK);
    for (; wfs_cursor_next(cursor, &row) == WFS_OK; expected--) {
        assert_true(expected != 0);
        order = last != 0 ? store_order(store, table, index, last, row.id,
                                        true)
                          : 0;
        assert_true(last == 0 || (query->descending ? order > 0 : order < 0));
        last = row.id;
    }
    assert_int_equal(expected, 0);
    wfs_cursor_close(cursor);
}

/* By the key of each row: a walk over a list, a look-up in a unique one. */
static void check_row_keys(wfs_store *store, wfs_query *query,
                           const wfsi_table *table, const wfsi_index *index)
{
    wfs_value key[WFSI_INDEX_COLUMNS];
    wfs_row_id id;
    const char *row;
    wfs_row found;
    uint32_t i;

    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        if (row == NULL || !store_has_key(index, row))
            continue;
        for (i = 0; i < index->column_count; i++)
            key[i] = wfsi_cell(store, table, row, index->parts[i].column);
        query->equal = key;
        query->equal_count = index->column_count;
        if (index->list || index->tree)
            check_walk(store, query, table, index,
                       rows_with_key(store, table, index, id));
        if (!index->unique)
            continue;
        assert_int_equal(wfs_find(store, query->table, query->index, key,
                                  index->column_count, &found), WFS_OK);
        assert_int_equal(found.id, id);
    }
}

static void check_all_indexes(wfs_store *store)
{
    const wfsi_table *table;
    const wfsi_index *index;
    wfs_query query;
    uint32_t number;
    size_t i;

    for (number = 0; number < WFSI_TABLES; number++) {
        table = &store->tables[number];
        for (i = 0; i < wfsi_array_count(table->indexes); i++) {
            index = &table->indexes[i];
            index_query(store, number, i, &query);
            if (index->tree) {
                check_walk(store, &query, table, index,
                           rows_with_key(store, table, index, 0));
                query.descending = true;
                check_walk(store, &query, table, index,
                           rows_with_key(store, table, index, 0));
            }
            check_row_keys(store, &query, table, index);
        }
    }
    store_check(store);
}

static void do_something(wfs_harness *harness)
{
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    const char *id = ids[below(COUNT(ids))];
    wfs_status status = WFS_OK;

    switch (below(8)) {
    case 0:
        status = wfs_send_event(harness, "orders", id, "go", "{\"n\":1}",
                                NULL);
        break;
    case 1:
        status = wfs_send_event(harness, "orders", id, "other", NULL, NULL);
        break;
    case 2:
        status = wfs_pause(harness, "orders", id);
        break;
    case 3:
        status = wfs_resume(harness, "orders", id);
        break;
    case 4:
        status = below(4) == 0 ? wfs_restart(harness, "orders", id) : WFS_OK;
        break;
    case 5:
        status = below(9) == 0 ? wfs_terminate(harness, "orders", id) : WFS_OK;
        break;
    default:
        advance(harness, (int64_t)below(60) * 60000);
    }
    assert_true(status == WFS_OK || status == WFS_ERR_INSTANCE_TERMINAL);
    process(harness);
}

/* Some are built from the start, some in the middle, some late. */
static void every_index_of_the_engine_has_its_rows_in_order(void **state)
{
    wfs_harness *harness = open_world(run_all_kinds, true), *copy;
    wfs_store *store = wfs_harness_store(harness);
    int i;

    (void)state;
    create(harness, "a");
    create(harness, "b");
    create(harness, "c");
    process(harness);
    check_all_indexes(store);
    create(harness, "d");
    create(harness, "e");
    for (i = 0; i < 160; i++) {
        do_something(harness);
        if (i % 16 == 0)
            check_all_indexes(store);
        else
            store_check(store);
        if (i == 60) {
            ok(harness, wfs_harness_fork(harness, &copy));
            check_all_indexes(wfs_harness_store(copy));
            wfs_harness_free(copy);
        }
    }
    check_all_indexes(store);
    close_harness(harness);
}

/* None was looked at before. */
static void every_index_of_the_engine_can_be_built_late(void **state)
{
    wfs_harness *harness = open_world(run_all_kinds, true);
    wfs_store *store = wfs_harness_store(harness);
    int i;

    (void)state;
    create(harness, "a");
    create(harness, "b");
    create(harness, "c");
    create(harness, "d");
    create(harness, "e");
    for (i = 0; i < 120; i++)
        do_something(harness);
    store_check(store);
    ok(harness, wfs_begin(store));
    for (i = 0; i < 10; i++)
        do_something(harness);
    check_all_indexes(store);
    ok(harness, wfs_rollback(store));
    check_all_indexes(store);
    for (i = 0; i < 10; i++)
        do_something(harness);
    check_all_indexes(store);
    close_harness(harness);
}

/* --- hooks */

static char trail[2000];            /* what was handled, in order */

static void leave(const char *mark)
{
    assert_true(strlen(trail) + strlen(mark) + 2 < sizeof trail);
    if (trail[0] != '\0')
        strcat(trail, " ");
    strcat(trail, mark);
}

/* Hooks of the user's are queued by a body; each payload says what to do. */
static const char *const *hook_plan;

static wfs_status queue_hooks(wfs_run *run, void *user)
{
    wfs_arena *arena = wfs_run_arena(run);
    size_t i;

    (void)user;
    for (i = 0; hook_plan[i] != NULL; i++)
        WFS_TRY(wfs_queue_hook(run, "notify",
                               wfs_json_new_string(arena, hook_plan[i])));
    return WFS_OK;
}

static wfs_status run_hooks(wfs_run *run, void *user)
{
    char mark[64];

    if (wfs_instance_id(run)[0] == 'q') {
        WFS_TRY(wfs_do(run, "queue", queue_hooks, user, NULL, NULL));
        return WFS_OK;
    }
    snprintf(mark, sizeof mark, "%s@%d", wfs_instance_id(run),
             (int)(wfs_clock_now(wfs_harness_clock(wfs_run_harness(run)))
                   - 1000000));
    leave(mark);
    return wfs_instance_id(run)[0] == 's' ? wfs_sleep(run, "nap", "1 second")
                                          : WFS_OK;
}

/* "+500": the clock; "c-x": an instance; "!": refuse; "p": process hooks. */
static wfs_status handle_plan(wfs_harness *harness, const wfs_hook *hook)
{
    const char *what = wfs_json_string(hook->payload, NULL);
    size_t count;

    leave(what);
    switch (what[0]) {
    case '+':
        advance(harness, strtol(what, NULL, 10));
        return WFS_OK;
    case 'c':
    case 's':
        return wfs_create(harness, "orders", what, NULL, NULL);
    case '!':
        return WFS_ERR_ARGUMENT;
    case 'p':
        return wfs_process_hooks(harness, &count);
    default:
        return WFS_OK;
    }
}

static wfs_harness *open_hooks(const char *const *plan)
{
    wfs_harness *harness = open_world(run_hooks, true);

    trail[0] = '\0';
    hook_plan = plan;
    handler = handle_plan;
    create(harness, "q");
    return harness;
}

/* Once more there is nothing, whatever the clock says now. */
static void expect_trail(wfs_harness *harness, size_t count,
                         const char *expected)
{
    assert_int_equal(process(harness), count);
    assert_string_equal(trail, expected);
    assert_int_equal(process(harness), 0);
    assert_string_equal(trail, expected);
    store_check(wfs_harness_store(harness));
    trail[0] = '\0';
}

static void a_handler_that_moves_the_clock_makes_hooks_due(void **state)
{
    static const char *const plan[] = {"s-1", "x", "+1000", "y", NULL};
    static const char *const more[] = {"+1000", NULL};
    wfs_harness *harness = open_hooks(plan);

    (void)state;
    expect_trail(harness, 6, "s-1 x +1000 y s-1@1000");
    hook_plan = more;
    create(harness, "q2");
    expect_trail(harness, 3, "+1000 s-1@2000");
    assert_state(harness, "orders", "s-1", WFS_INSTANCE_COMPLETE);
    close_harness(harness);
}

/* Nothing is added in the round in which the clock is moved. */
static void time_alone_makes_hooks_due_in_the_same_call(void **state)
{
    static const char *const sleep_first[] = {"s-1", "s-2", NULL};
    static const char *const clock[] = {"+999", "+1", NULL};
    wfs_harness *harness = open_hooks(sleep_first);

    (void)state;
    expect_trail(harness, 5, "s-1 s-2 s-1@0 s-2@0");
    hook_plan = clock;
    create(harness, "q2");
    expect_trail(harness, 5, "+999 +1 s-1@1000 s-2@1000");
    close_harness(harness);
}

static void a_handler_that_creates_instances_queues_more(void **state)
{
    static const char *const plan[] = {"c-1", "c-2", "x", NULL};
    static const char *const last[] = {"x", "c-3", NULL};
    wfs_harness *harness = open_hooks(plan);

    (void)state;
    expect_trail(harness, 6, "c-1 c-2 x c-1@0 c-2@0");
    hook_plan = last;
    create(harness, "q2");
    expect_trail(harness, 4, "x c-3 c-3@0");
    close_harness(harness);
}

static void a_refused_hook_waits_for_its_delay(void **state)
{
    static const int delays[] = {100, 200, 400, 800};
    static const char *const plan[] = {"!", NULL};
    wfs_harness *harness = open_hooks(plan);
    size_t i;

    (void)state;
    expect_trail(harness, 2, "!");
    for (i = 0; i < COUNT(delays); i++) {
        advance(harness, delays[i] - 1);
        expect_trail(harness, 0, "");
        advance(harness, 1);
        expect_trail(harness, 1, "!");
    }
    advance(harness, 100 * HOUR);
    expect_trail(harness, 0, "");
    close_harness(harness);
}

/* It is in a later round, with others of that time. */
static void a_refused_hook_is_due_when_the_clock_was_moved(void **state)
{
    static const char *const plan[] = {"!", "+99", NULL};
    static const char *const enough[] = {"x", "+1", NULL};
    wfs_harness *harness = open_hooks(plan);

    (void)state;
    expect_trail(harness, 3, "! +99");
    hook_plan = enough;
    create(harness, "q2");
    expect_trail(harness, 4, "x +1 !");
    close_harness(harness);
}

/* Timed ones with small ids and at-once ones with larger, and the other way
 * around. */
static void hooks_that_are_due_together_come_in_order_of_id(void **state)
{
    static const char *const plan[] = {"s-1", "s-2", "!1", "s-3", NULL};
    static const char *const none[] = {"x", NULL};
    wfs_harness *harness = open_hooks(plan);
    const wfs_hook *hooks;
    size_t count, i;

    (void)state;
    expect_trail(harness, 8, "s-1 s-2 !1 s-3 s-1@0 s-2@0 s-3@0");
    hook_plan = none;
    create(harness, "c-4");
    advance(harness, 1000);
    create(harness, "c-5");
    create(harness, "q6");
    ok(harness, wfs_get_hooks(harness, NULL, &hooks, &count));
    for (i = 1; i < count; i++)
        assert_true(hooks[i - 1].id < hooks[i].id);
    expect_trail(harness, 8,
                 "!1 s-1@1000 s-2@1000 s-3@1000 c-4@1000 c-5@1000 x");
    close_harness(harness);
}

/* A handler that processes hooks takes those of the round it is in. */
static void a_handler_may_process_the_hooks_of_its_round(void **state)
{
    static const char *const plan[] = {"x", "p", "y", "c-1", "z", NULL};
    wfs_harness *harness = open_hooks(plan);

    (void)state;
    assert_int_equal(process(harness), 3);
    assert_string_equal(trail, "x p y c-1 z c-1@0");
    assert_int_equal(process(harness), 0);
    store_check(wfs_harness_store(harness));
    close_harness(harness);
}

/* Rolled back, they are pending again, each found by its own index. */
static void hooks_are_pending_again_after_a_rollback(void **state)
{
    static const char *const plan[] = {"s-1", "!", "x", NULL};
    wfs_harness *harness = open_hooks(plan);
    wfs_store *store = wfs_harness_store(harness);

    (void)state;
    ok(harness, wfs_begin(store));
    assert_int_equal(process(harness), 5);
    advance(harness, 1000);
    assert_int_equal(process(harness), 2);
    ok(harness, wfs_rollback(store));
    store_check(store);
    wfs_clock_set(wfs_harness_clock(harness), 1000000);
    trail[0] = '\0';
    expect_trail(harness, 5, "s-1 ! x s-1@0");
    advance(harness, 1000);
    expect_trail(harness, 2, "! s-1@1000");
    close_harness(harness);
}

/* --- events */

static const char *const types[] = {"red", "green", "blue", "pause"};

static int wanted[40];              /* types that are waited for, in order */
static int wanted_count;

static wfs_status run_waits(wfs_run *run, void *user)
{
    wfs_wait_options wait = {.type = NULL};
    int i;

    (void)user;
    for (i = 0; i < wanted_count; i++) {
        wait.type = types[wanted[i]];
        WFS_TRY(wfs_wait_for_event(run, "wait", &wait, NULL));
    }
    return wfs_sleep(run, "nap", "1 hour");
}

typedef struct sent_event {
    wfs_row_id id;
    int type, taken_by;             /* number of the wait, or -1 */
    int64_t time;
} sent_event;

/* The first in order of (created_at, id) that nothing has taken, or -1. */
static int first_sent(const sent_event *sent, int count, int type)
{
    int i, first = -1;

    for (i = 0; i < count; i++)
        if (sent[i].type == type && sent[i].taken_by < 0 &&
            (first < 0 || sent[i].time < sent[first].time))
            first = i;
    return first;
}

static void check_taken(wfs_harness *harness, const sent_event *sent,
                        int count)
{
    const wfs_event *events;
    size_t got, i;
    char key[40];
    int j;

    ok(harness, wfs_get_events(harness, "orders", "a", NULL, &events, &got));
    for (i = 0; i < got; i++) {
        for (j = 0; j < count && sent[j].id != events[i].id; j++)
            ;
        if (j == count) {
            assert_int_equal(events[i].actor, WFS_ACTOR_SYSTEM);
            continue;
        }
        snprintf(key, sizeof key,
                 sent[j].taken_by > 0 ? "waitForEvent:wait#%d"
                                      : "waitForEvent:wait",
                 sent[j].taken_by);
        if (sent[j].taken_by < 0)
            assert_null(events[i].consumed_by_step_key);
        else
            assert_string_equal(events[i].consumed_by_step_key, key);
    }
}

/* Some ticks: events before each, with the clock going to and fro. */
static void take_events(int most, bool pauses)
{
    wfs_harness *harness = open_world(run_waits, false);
    wfs_store *store = wfs_harness_store(harness);
    sent_event sent[200];
    int round, i, count = 0, next = 0, found;

    wanted_count = (int)below(COUNT(wanted)) + 1;
    for (i = 0; i < wanted_count; i++)
        wanted[i] = (int)below(COUNT(types));
    create(harness, "a");
    for (round = 0; round < 5; round++) {
        for (i = (int)below((size_t)most + 1); i > 0; i--, count++) {
            wfs_clock_set(wfs_harness_clock(harness),
                          1000000 + (int64_t)below(4));
            sent[count].type = (int)below(COUNT(types));
            sent[count].taken_by = -1;
            sent[count].time = wfs_harness_clock(harness)->now;
            sent[count].id = store->tables[WFSI_EVENTS].next_id;
            ok(harness, wfs_send_event(harness, "orders", "a",
                                       types[sent[count].type], "1", NULL));
            if (pauses && below(4) == 0)
                ok(harness, wfs_pause(harness, "orders", "a"));
        }
        if (pauses && count != 0) {
            ok(harness, wfs_pause(harness, "orders", "a"));
            tick(harness, "orders", "a", WFS_REASON_EVENT);
            assert_state(harness, "orders", "a", WFS_INSTANCE_PAUSED);
            check_taken(harness, sent, count);
            ok(harness, wfs_resume(harness, "orders", "a"));
        }
        tick(harness, "orders", "a", WFS_REASON_EVENT);
        for (; next < wanted_count; next++) {
            found = first_sent(sent, count, wanted[next]);
            if (found < 0)
                break;
            sent[found].taken_by = next;
        }
        check_taken(harness, sent, count);
        store_check(store);
    }
    close_harness(harness);
}

static void waits_take_events_in_order_of_time_and_id(void **state)
{
    static const int most[] = {1, 2, 5, 7, 8, 9, 16, 30};
    size_t i;
    int times;

    (void)state;
    for (i = 0; i < COUNT(most); i++)
        for (times = 0; times < 12; times++) {
            take_events(most[i], false);
            take_events(most[i], true);
        }
}

static int64_t until;               /* how long the second wait waits, ms */

static wfs_status run_deadline(wfs_run *run, void *user)
{
    wfs_wait_options late = {.type = "red", .timeout = "1 hour"};
    wfs_wait_options green = {.type = "green"};
    wfs_status status = wfs_wait_for_event(run, "late", &late, NULL);

    (void)user;
    if (status == WFS_OK)
        WFS_TRY(wfs_wait_for_event(run, "late", &late, NULL));
    else if (status != WFS_FAILED)
        return status;
    return wfs_wait_for_event(run, "green", &green, NULL);
}

/* others: events of another type that wait, too. */
static void check_deadline(int others, int64_t at, bool in_time)
{
    wfs_harness *harness = open_world(run_deadline, false);
    const wfs_event *events;
    size_t count;
    int i;

    until = HOUR;
    create(harness, "a");
    assert_int_equal(tick(harness, "orders", "a", WFS_REASON_CREATE), 1);
    advance(harness, at);
    for (i = 0; i < others; i++)
        ok(harness,
           wfs_send_event(harness, "orders", "a", "blue", NULL, NULL));
    ok(harness, wfs_send_event(harness, "orders", "a", "red", "1", NULL));
    ok(harness, wfs_send_event(harness, "orders", "a", "red", "2", NULL));
    wfs_clock_set(wfs_harness_clock(harness), 1000000 + 2 * until);
    assert_int_equal(tick(harness, "orders", "a", WFS_REASON_WAKE), 1);
    ok(harness, wfs_get_events(harness, "orders", "a", NULL, &events, &count));
    assert_int_equal(count, others + 2);
    for (i = 0; i < others; i++)
        assert_null(events[i].consumed_by_step_key);
    if (in_time) {
        assert_string_equal(events[others].consumed_by_step_key,
                            "waitForEvent:late");
        assert_string_equal(events[others + 1].consumed_by_step_key,
                            "waitForEvent:late#1");
    } else {
        assert_null(events[others].consumed_by_step_key);
        assert_null(events[others + 1].consumed_by_step_key);
    }
    store_check(wfs_harness_store(harness));
    close_harness(harness);
}

static void an_event_after_the_deadline_is_not_taken(void **state)
{
    int others;

    (void)state;
    for (others = 0; others < 12; others++) {
        check_deadline(others, 0, true);
        check_deadline(others, HOUR, true);
        check_deadline(others, HOUR + 1, false);
    }
}

/* --- ticks in ticks: who is second has not written anything */

static void (*act)(wfs_harness *harness);   /* what a body does; or NULL */
static int act_at;                          /* in which place */

static void act_here(wfs_run *run, int place)
{
    void (*once)(wfs_harness *harness) = act;

    if (once == NULL || place != act_at)
        return;
    act = NULL;
    once(wfs_run_harness(run));
}

/* Results that do not tell how often bodies ran. */
static wfs_status give_attempt(wfs_run *run, void *user)
{
    (void)user;
    calls++;
    return wfs_return(run, wfs_json_new_integer(wfs_run_arena(run),
                                                wfs_attempt(run)));
}

static wfs_status give_second(wfs_run *run, void *user)
{
    if (wfs_attempt(run) == 1)
        return wfs_fail(run, "Error", "not yet");
    return give_attempt(run, user);
}

static wfs_status act_in_body(wfs_run *run, void *user)
{
    act_here(run, 1);
    return give_attempt(run, user);
}

static wfs_status nap_in_body(wfs_run *run, void *user)
{
    act_here(run, 2);
    WFS_TRY(wfs_do(run, "inner", give_second, user, &(wfs_do_options){
                       .retries = {2, NULL, 60000, WFS_BACKOFF_CONSTANT}},
                   NULL));
    act_here(run, 3);
    WFS_TRY(wfs_sleep(run, "nap", "1 minute"));
    act_here(run, 4);
    return give_attempt(run, user);
}

static wfs_status run_with_acts(wfs_run *run, void *user)
{
    wfs_wait_options wait = {.type = "go", .timeout = "1 minute"};
    const wfs_json *value;
    wfs_status status;

    act_here(run, 0);
    WFS_TRY(wfs_do(run, "one", act_in_body, user, NULL, NULL));
    WFS_TRY(wfs_do(run, "outer", nap_in_body, user, NULL, &value));
    act_here(run, 5);
    status = wfs_wait_for_event(run, "wait", &wait, NULL);
    if (status != WFS_OK && status != WFS_FAILED)
        return status;
    act_here(run, 6);
    WFS_TRY(wfs_do(run, "one", act_in_body, user, NULL, NULL));
    return wfs_return(run, value);
}

static const wfs_reason act_reasons[] = {
    WFS_REASON_CREATE, WFS_REASON_RETRY, WFS_REASON_WAKE, WFS_REASON_EVENT,
    WFS_REASON_WAKE};

static wfs_reason own_reason;

static void tick_itself(wfs_harness *harness)
{
    tick(harness, "orders", "a", own_reason);
}

static void restart_itself(wfs_harness *harness)
{
    ok(harness, wfs_restart(harness, "orders", "a"));
}

static void restart_and_tick_itself(wfs_harness *harness)
{
    ok(harness, wfs_restart(harness, "orders", "a"));
    tick(harness, "orders", "a", WFS_REASON_CREATE);
}

static void terminate_itself(wfs_harness *harness)
{
    ok(harness, wfs_terminate(harness, "orders", "a"));
}

static void send_to_itself(wfs_harness *harness)
{
    ok(harness, wfs_send_event(harness, "orders", "a", "go", "1", NULL));
}

static void (*const acts[])(wfs_harness *harness) = {
    tick_itself, restart_itself, restart_and_tick_itself, terminate_itself,
    send_to_itself};

/* A harness before the tick of that number. */
static wfs_harness *harness_before(size_t number)
{
    wfs_harness *harness = open_world(run_with_acts, false);
    size_t i;

    act = NULL;
    create(harness, "a");
    for (i = 0; i < number; i++) {
        tick(harness, "orders", "a", act_reasons[i]);
        advance(harness, 60000);
    }
    own_reason = act_reasons[number];
    return harness;
}

/* The same act on a fork, from outside; both must hold the same. */
static void expect_as_if_alone(wfs_harness *harness, wfs_harness *alone,
                               void (*what)(wfs_harness *harness))
{
    wfs_error difference;

    act = NULL;
    what(alone);
    if (!wfs_store_equal(wfs_harness_store(alone), wfs_harness_store(harness),
                         &difference))
        fail_msg("%s", difference.message);
    check_all_indexes(wfs_harness_store(harness));
    wfs_harness_free(alone);
    close_harness(harness);
}

static void a_tick_that_another_was_before_has_written_nothing(void **state)
{
    wfs_harness *harness, *alone;
    size_t number, i, acted = 0;
    int processed;

    (void)state;
    for (number = 0; number < COUNT(act_reasons); number++)
        for (i = 0; i < COUNT(acts); i++)
            for (act_at = 0; act_at <= 6; act_at++) {
                harness = harness_before(number);
                ok(harness, wfs_harness_fork(harness, &alone));
                act = acts[i];
                processed = tick(harness, "orders", "a", own_reason);
                if (act != NULL) {
                    assert_int_equal(processed, 1);
                    wfs_harness_free(alone);
                    close_harness(harness);
                    continue;
                }
                acted++;
                assert_int_equal(processed, 0);
                expect_as_if_alone(harness, alone, acts[i]);
            }
    assert_true(acted >= 50);
}

/* Rolled back, what the body did is as if it had not been. */
static void (*rolled_back)(wfs_harness *harness);

static void act_and_roll_back(wfs_harness *harness)
{
    ok(harness, wfs_begin(wfs_harness_store(harness)));
    rolled_back(harness);
    ok(harness, wfs_rollback(wfs_harness_store(harness)));
}

static void a_tick_is_not_disturbed_by_what_is_rolled_back(void **state)
{
    wfs_harness *harness, *alone;
    size_t number, i;

    (void)state;
    for (number = 0; number < COUNT(act_reasons); number++)
        for (i = 0; i < COUNT(acts); i++)
            for (act_at = 0; act_at <= 6; act_at++) {
                harness = harness_before(number);
                ok(harness, wfs_harness_fork(harness, &alone));
                rolled_back = acts[i];
                act = act_and_roll_back;
                assert_int_equal(tick(harness, "orders", "a", own_reason), 1);
                expect_as_if_alone(harness, alone, tick_itself);
            }
}

/* In three phases: what is between two of them wins. */
static void check_split(size_t number, void (*what)(wfs_harness *harness),
                        bool before_plan)
{
    wfs_harness *harness = harness_before(number), *alone;
    wfs_open_tick *open;
    wfs_payload payload = payload_of(harness, "orders", "a", own_reason);
    int processed = -1;

    ok(harness, wfs_harness_fork(harness, &alone));
    ok(harness, wfs_tick_retrieve(harness, &payload, &open));
    if (before_plan)
        what(harness);
    ok(harness, wfs_tick_plan(open));
    if (!before_plan)
        what(harness);
    ok(harness, wfs_tick_commit(open, &processed));
    assert_int_equal(processed, 0);
    expect_as_if_alone(harness, alone, what);
}

static void an_open_tick_loses_to_what_came_between(void **state)
{
    size_t number, i;

    (void)state;
    for (number = 0; number < COUNT(act_reasons); number++)
        for (i = 0; i < COUNT(acts); i++) {
            check_split(number, acts[i], true);
            check_split(number, acts[i], false);
        }
}

/* It has copies of the rows: changed ones do not show in what it plans. */
static void an_open_tick_plans_with_the_rows_that_it_read(void **state)
{
    wfs_harness *harness;
    wfs_open_tick *open;
    wfs_payload payload;
    size_t number;
    int alone;

    (void)state;
    for (number = 0; number < COUNT(act_reasons); number++) {
        harness = harness_before(number);
        calls = 0;
        tick(harness, "orders", "a", own_reason);
        alone = calls;
        close_harness(harness);
        harness = harness_before(number);
        payload = payload_of(harness, "orders", "a", own_reason);
        ok(harness, wfs_tick_retrieve(harness, &payload, &open));
        tick(harness, "orders", "a", own_reason);
        calls = 0;
        ok(harness, wfs_tick_plan(open));
        assert_int_equal(calls, alone);
        wfs_tick_discard(open);
        close_harness(harness);
    }
}

/* A handler processes hooks: one of its round is refused and planned for
 * 100 ms later. The outer round has it on its list, and must leave it. */
static int refusals;

static wfs_status process_or_refuse(wfs_harness *harness, const wfs_hook *hook,
                         void *user)
{
    size_t count;

    (void)user;
    if (strcmp(wfs_json_string(hook->payload, NULL), "process") == 0)
        return wfs_process_hooks(harness, &count);
    refusals++;
    return WFS_ERR_ARGUMENT;
}

static wfs_status queue_two(wfs_run *run, void *user)
{
    wfs_arena *arena = wfs_run_arena(run);

    (void)user;
    WFS_TRY(wfs_queue_hook(run, "notify",
                           wfs_json_new_string(arena, "process")));
    return wfs_queue_hook(run, "notify", wfs_json_new_string(arena, "refuse"));
}

static wfs_status queue_and_end(wfs_run *run, void *user)
{
    return wfs_do(run, "queue", queue_two, user, NULL, NULL);
}

static void a_hook_refused_in_an_inner_round_waits_for_its_delay(void **state)
{
    static const wfs_workflow queueing[] = {
        {.key = "orders", .run = queue_and_end}, {0}};
    static const wfs_hook_handler nested[] = {
        {.hook_name = "notify", .handle = process_or_refuse}, {0}};
    wfs_harness_options options = {.workflows = queueing, .hooks = nested,
                                   .clock_start = 1000, .auto_tick = true};
    wfs_harness *harness = open_harness(options);

    (void)state;
    ok(harness, wfs_create(harness, "orders", "a", NULL, NULL));
    process(harness);
    close_harness(harness);
    assert_int_equal(refusals, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_steps_are_counted_as_names_come),
        cmocka_unit_test(the_index_by_key_is_right_before_and_after_more_steps),
        cmocka_unit_test(the_index_by_key_is_right_after_a_rollback),
        cmocka_unit_test(the_index_by_key_is_right_in_forks),
        cmocka_unit_test(the_index_by_key_waits_for_memory),
        cmocka_unit_test(keys_are_right_when_steps_come_in_another_order),
        cmocka_unit_test(the_same_name_has_a_key_for_each_place),
        cmocka_unit_test(every_index_of_the_engine_has_its_rows_in_order),
        cmocka_unit_test(every_index_of_the_engine_can_be_built_late),
        cmocka_unit_test(a_handler_that_moves_the_clock_makes_hooks_due),
        cmocka_unit_test(time_alone_makes_hooks_due_in_the_same_call),
        cmocka_unit_test(a_handler_that_creates_instances_queues_more),
        cmocka_unit_test(a_refused_hook_waits_for_its_delay),
        cmocka_unit_test(a_refused_hook_is_due_when_the_clock_was_moved),
        cmocka_unit_test(hooks_that_are_due_together_come_in_order_of_id),
        cmocka_unit_test(a_handler_may_process_the_hooks_of_its_round),
        cmocka_unit_test(hooks_are_pending_again_after_a_rollback),
        cmocka_unit_test(waits_take_events_in_order_of_time_and_id),
        cmocka_unit_test(an_event_after_the_deadline_is_not_taken),
        cmocka_unit_test(a_tick_that_another_was_before_has_written_nothing),
        cmocka_unit_test(a_tick_is_not_disturbed_by_what_is_rolled_back),
        cmocka_unit_test(a_hook_refused_in_an_inner_round_waits_for_its_delay),
        cmocka_unit_test(an_open_tick_loses_to_what_came_between),
        cmocka_unit_test(an_open_tick_plans_with_the_rows_that_it_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
