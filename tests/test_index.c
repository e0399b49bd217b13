/* Indexes against a walk through all rows: lists whose heads are found by the
 * value, unique keys with nulls in wide tables, rows that an index refuses,
 * and cursors that are used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "store_check.h"
#include "sweep.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK(call) assert_int_equal((call), WFS_OK)

static wfs_random source = {3};
static sweep_memory memory;

static size_t below(size_t bound)
{
    return (size_t)wfs_random_below(&source, bound);
}

static wfs_store *make_store(const wfs_table *tables)
{
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store;
    wfs_error error;

    if (wfs_store_create(tables, &allocator, &store, &error) != WFS_OK)
        fail_msg("%s", error.message);
    return store;
}

static void drop_store(wfs_store *store)
{
    store_check(store);
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

static void expect_message(const wfs_store *store, const char *part)
{
    const char *message = wfs_store_error(store)->message;

    if (strstr(message, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, message);
}

/* The ids that a query gives, as text: "3 1 2". */
static const char *walk(wfs_store *store, const wfs_query *query)
{
    static char text[4096];
    wfs_cursor *cursor;
    wfs_status status;
    size_t size = 0;
    wfs_row row;

    if (wfs_cursor_open(store, query, &cursor) != WFS_OK)
        fail_msg("%s", wfs_store_error(store)->message);
    text[0] = '\0';
    while ((status = wfs_cursor_next(cursor, &row)) == WFS_OK) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%u",
                                 size != 0 ? " " : "", (unsigned)row.id);
        assert_true(size < sizeof text);
    }
    assert_int_equal(status, WFS_DONE);
    wfs_cursor_close(cursor);
    return text;
}

static wfs_query query_of(const char *table, const char *index)
{
    wfs_query query;

    memset(&query, 0, sizeof query);
    query.table = table;
    query.index = index;
    return query;
}

/* --- lists whose heads are found by the value */

static const wfs_column user_columns[] = {
    {.name = "n", .type = WFS_INTEGER, .nullable = true}, {0}};

static const wfs_column order_columns[] = {
    {.name = "user", .type = WFS_REFERENCE, .references = "users"},
    {.name = "friend", .type = WFS_REFERENCE, .references = "users",
     .nullable = true},
    {.name = "paid", .type = WFS_BOOL},
    {.name = "gift", .type = WFS_BOOL, .nullable = true},
    {.name = "note", .type = WFS_TEXT, .nullable = true},
    {0},
};

static const wfs_index order_indexes[] = {
    {.name = "of_user", .columns = "user", .list = true},
    {.name = "of_friend", .columns = "friend", .list = true},
    {.name = "of_friend_sparse", .columns = "friend", .list = true,
     .sparse = true},
    {.name = "by_paid", .columns = "paid", .list = true},
    {.name = "by_gift", .columns = "gift", .list = true},
    {.name = "by_gift_sparse", .columns = "gift", .list = true,
     .sparse = true},
    {.name = "by_note", .columns = "note", .ordered = true, .unique = true},
    {0},
};

static const wfs_table shop_tables[] = {
    {.name = "users", .columns = user_columns},
    {.name = "orders", .columns = order_columns, .indexes = order_indexes},
    {0},
};

enum { USERS = 5 };

static const char *const order_lists[] = {"of_user", "of_friend",
                                          "of_friend_sparse", "by_paid",
                                          "by_gift", "by_gift_sparse"};
static const char *const list_columns[] = {"user", "friend", "friend", "paid",
                                           "gift", "gift"};

static wfs_store *make_shop(void)
{
    wfs_store *store = make_store(shop_tables);
    int i;

    for (i = 0; i < USERS; i++)
        OK(wfs_insert(store, "users", NULL, NULL));
    return store;
}

static bool same(wfs_value left, wfs_value right)
{
    return left.type == right.type &&
           (left.type == WFS_NULL || left.integer == right.integer);
}

/* By looking at every row. */
static const char *ids_with(wfs_store *store, const char *column,
                            wfs_value value, bool nulls, bool descending)
{
    static char text[4096];
    wfs_row_id i, id, last = store->tables[1].next_id;
    size_t size = 0;
    wfs_row row;

    text[0] = '\0';
    for (i = 1; i < last; i++) {
        id = descending ? last - i : i;
        if ((value.type == WFS_NULL && !nulls) ||
            wfs_get(store, "orders", id, &row) != WFS_OK ||
            !same(wfs_row_value(&row, column), value))
            continue;
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%u",
                                 size != 0 ? " " : "", (unsigned)id);
    }
    return text;
}

static void check_list(wfs_store *store, size_t number, wfs_value value)
{
    wfs_query query = query_of("orders", order_lists[number]);
    bool nulls = strstr(order_lists[number], "sparse") == NULL;

    query.equal = &value;
    query.equal_count = 1;
    assert_string_equal(walk(store, &query),
                        ids_with(store, list_columns[number], value, nulls,
                                 false));
    query.descending = true;
    assert_string_equal(walk(store, &query),
                        ids_with(store, list_columns[number], value, nulls,
                                 true));
}

static void check_lists(wfs_store *store)
{
    wfs_row_id user;
    size_t i;

    store_check(store);
    for (i = 0; i < COUNT(order_lists); i++) {
        check_list(store, i, wfs_null());
        if (i < 3) {
            for (user = 1; user <= USERS + 2; user++)
                check_list(store, i, wfs_reference(user));
        } else {
            check_list(store, i, wfs_bool(false));
            check_list(store, i, wfs_bool(true));
        }
    }
}

static wfs_value some_user(bool nullable)
{
    size_t user = below(USERS + (nullable ? 2 : 0));

    return user < USERS ? wfs_reference((wfs_row_id)user + 1) : wfs_null();
}

static wfs_value some_bool(bool nullable)
{
    size_t value = below(nullable ? 3 : 2);

    return value < 2 ? wfs_bool(value == 1) : wfs_null();
}

/* One write of any kind; it may be refused. */
static wfs_status write_something(wfs_store *store)
{
    static const char *const notes[] = {"a", "b", "c", "dear customer", "e"};
    wfs_row_id id = (wfs_row_id)below(store->tables[1].next_id) + 1;
    wfs_field fields[6] = {{"user", some_user(false)},
                           {"friend", some_user(true)},
                           {"paid", some_bool(false)},
                           {"gift", some_bool(true)},
                           {"note", wfs_null()},
                           {NULL, wfs_null()}};
    size_t from = below(5);

    if (below(4) == 0)
        fields[4].value = wfs_text(notes[below(COUNT(notes))]);
    switch (below(5)) {
    case 0:
    case 1:
        return wfs_insert(store, "orders", fields, NULL);
    case 2:
        return wfs_delete(store, "orders", id, 0);
    default:
        return wfs_update(store, "orders", id, 0, fields + from);
    }
}

static void expect_a_known_refusal(wfs_status status)
{
    if (status != WFS_OK && status != WFS_ERR_ROW_NOT_FOUND &&
        status != WFS_ERR_UNIQUE)
        fail_msg("%s", wfs_status_name(status));
}

static void lists_by_value_hold_the_rows_that_have_it(void **state)
{
    wfs_store *store = make_shop(), *copy;
    int i;

    (void)state;
    for (i = 0; i < 600; i++) {
        expect_a_known_refusal(write_something(store));
        if (i % 7 == 0)
            check_lists(store);
        if (i % 50 != 49)
            continue;
        OK(wfs_store_fork(store, &copy));
        wfs_store_free(store);
        store = copy;
    }
    check_lists(store);
    drop_store(store);
}

static void lists_by_value_are_as_before_after_a_rollback(void **state)
{
    wfs_store *store = make_shop();
    sweep_snapshot before;
    int i, j;

    (void)state;
    for (i = 0; i < 60; i++) {
        for (j = 0; j < 5; j++)
            expect_a_known_refusal(write_something(store));
        before = sweep_snapshot_of(store);
        OK(wfs_begin(store));
        for (j = 0; j < 12; j++) {
            expect_a_known_refusal(write_something(store));
            if (j == 6)
                OK(wfs_begin(store));
        }
        OK(wfs_rollback(store));
        store_check(store);
        OK(wfs_rollback(store));
        sweep_expect_same(&before, store);
        check_lists(store);
        sweep_drop(&before);
    }
    drop_store(store);
}

static void lists_by_value_are_as_before_without_memory(void **state)
{
    wfs_store *store = make_shop();
    sweep_snapshot before;
    wfs_status status;
    size_t nth, refused = 0;
    uint64_t random;
    int i;

    (void)state;
    for (i = 0; i < 150; i++) {
        random = source.state;
        for (nth = 1, status = WFS_ERR_NO_MEMORY;
             status == WFS_ERR_NO_MEMORY; nth++) {
            before = sweep_snapshot_of(store);
            source.state = random;
            sweep_refuse(&memory, nth, SWEEP_FROM);
            status = write_something(store);
            sweep_allow(&memory);
            if (status == WFS_ERR_NO_MEMORY) {
                refused++;
                sweep_expect_same(&before, store);
                check_lists(store);
            }
            sweep_drop(&before);
        }
        expect_a_known_refusal(status);
    }
    assert_true(refused > 5);
    check_lists(store);
    drop_store(store);
}

/* What is rolled back needs no memory, also where lists become empty. */
static void a_rollback_of_lists_needs_no_memory(void **state)
{
    wfs_store *store = make_shop();
    sweep_snapshot before;
    int i, j;

    (void)state;
    for (i = 0; i < 40; i++) {
        expect_a_known_refusal(write_something(store));
        before = sweep_snapshot_of(store);
        OK(wfs_begin(store));
        for (j = 0; j < 20; j++)
            expect_a_known_refusal(write_something(store));
        sweep_refuse(&memory, 1, SWEEP_FROM);
        OK(wfs_rollback(store));
        sweep_allow(&memory);
        sweep_expect_same(&before, store);
        check_lists(store);
        sweep_drop(&before);
    }
    drop_store(store);
}

static void a_nullable_list_of_bools_keeps_null_and_false_apart(void **state)
{
    wfs_store *store = make_shop();
    wfs_field fields[4] = {{"user", wfs_reference(1)},
                           {"paid", wfs_bool(false)},
                           {"gift", wfs_null()},
                           {NULL, wfs_null()}};
    wfs_query query = query_of("orders", "by_gift");
    wfs_value value = wfs_null();
    int i;

    (void)state;
    assert_false(store->tables[1].indexes[4].direct);
    assert_true(store->tables[1].indexes[5].direct);
    for (i = 0; i < 6; i++) {
        fields[2].value = i % 2 == 0 ? wfs_null() : wfs_bool(false);
        OK(wfs_insert(store, "orders", fields, NULL));
    }
    query.equal = &value;
    query.equal_count = 1;
    assert_string_equal(walk(store, &query), "1 3 5");
    value = wfs_bool(false);
    assert_string_equal(walk(store, &query), "2 4 6");
    value = wfs_bool(true);
    assert_string_equal(walk(store, &query), "");
    query.index = "by_gift_sparse";
    assert_string_equal(walk(store, &query), "");
    value = wfs_null();
    assert_string_equal(walk(store, &query), "");
    value = wfs_bool(false);
    assert_string_equal(walk(store, &query), "2 4 6");
    drop_store(store);
}

/* --- unique keys with nulls, in wide tables */

enum { WIDE = 70, NARROWER = 40 };

static char wide_names[WIDE][16];
static wfs_column wide_columns[WIDE + 1], narrower_columns[NARROWER + 1];

/* Columns c0, c1, ...: integers that may be null; those in ",0,1," may not. 35
 * refers to a user, 36 is a text. */
static void fill_columns(wfs_column *columns, int count, const char *required)
{
    char listed[16];
    int i;

    memset(columns, 0, ((size_t)count + 1) * sizeof *columns);
    for (i = 0; i < count; i++) {
        snprintf(wide_names[i], sizeof wide_names[i], "c%d", i);
        snprintf(listed, sizeof listed, ",%d,", i);
        columns[i].name = wide_names[i];
        columns[i].type = i == 35 ? WFS_REFERENCE
                          : i == 36 ? WFS_TEXT : WFS_INTEGER;
        columns[i].references = i == 35 ? "users" : NULL;
        columns[i].nullable = strstr(required, listed) == NULL;
    }
}

static wfs_store *make_wide(int count, const wfs_index *indexes,
                            const char *required)
{
    wfs_column *columns = count == WIDE ? wide_columns : narrower_columns;
    wfs_table tables[3];
    wfs_store *store;

    fill_columns(columns, count, required);
    memset(tables, 0, sizeof tables);
    tables[0].name = "users";
    tables[0].columns = user_columns;
    tables[1].name = "wide";
    tables[1].columns = columns;
    tables[1].indexes = indexes;
    store = make_store(tables);
    OK(wfs_insert(store, "users", NULL, NULL));
    return store;
}

static wfs_status insert_two(wfs_store *store, const char *first,
                             wfs_value left, const char *second,
                             wfs_value right, wfs_row_id *id)
{
    wfs_field fields[3];

    memset(fields, 0, sizeof fields);
    fields[0].column = first;
    fields[0].value = left;
    fields[1].column = second;
    fields[1].value = right;
    return wfs_insert(store, "wide", fields, id);
}

static wfs_status set_one(wfs_store *store, wfs_row_id id, const char *column,
                          wfs_value value)
{
    wfs_field fields[2];

    memset(fields, 0, sizeof fields);
    fields[0].column = column;
    fields[0].value = value;
    return wfs_update(store, "wide", id, 0, fields);
}

static void expect_found(wfs_store *store, const char *index, wfs_value left,
                         wfs_value right, wfs_row_id expected)
{
    wfs_value key[2];
    wfs_row row;

    key[0] = left;
    key[1] = right;
    row.id = 0;
    assert_int_equal(wfs_find(store, "wide", index, key, 2, &row),
                     expected != 0 ? WFS_OK : WFS_ERR_ROW_NOT_FOUND);
    assert_int_equal(row.id, expected);
}

static void check_nulls_apart(int count, const char *first, const char *second)
{
    char columns[32];
    wfs_index indexes[2];
    wfs_store *store;
    wfs_row_id id = 0;

    snprintf(columns, sizeof columns, "%s, %s", first, second);
    memset(indexes, 0, sizeof indexes);
    indexes[0].name = "key";
    indexes[0].columns = columns;
    indexes[0].unique = true;
    store = make_wide(count, indexes, "");
    OK(insert_two(store, first, wfs_null(), second, wfs_null(), NULL));
    OK(insert_two(store, first, wfs_null(), second, wfs_null(), NULL));
    OK(insert_two(store, first, wfs_integer(1), second, wfs_null(), NULL));
    OK(insert_two(store, first, wfs_integer(1), second, wfs_null(), NULL));
    OK(insert_two(store, first, wfs_null(), second, wfs_integer(2), NULL));
    OK(insert_two(store, first, wfs_null(), second, wfs_integer(2), &id));
    OK(insert_two(store, first, wfs_integer(1), second, wfs_integer(2), NULL));
    assert_int_equal(id, 6);
    store_check(store);
    assert_int_equal(insert_two(store, first, wfs_integer(1), second,
                                wfs_integer(2), NULL),
                     WFS_ERR_UNIQUE);
    expect_message(store, "row 7 already has the key (1, 2)");
    assert_int_equal(set_one(store, 3, second, wfs_integer(2)),
                     WFS_ERR_UNIQUE);
    assert_int_equal(set_one(store, 6, first, wfs_integer(1)), WFS_ERR_UNIQUE);
    store_check(store);
    expect_found(store, "key", wfs_integer(1), wfs_integer(2), 7);
    OK(set_one(store, 7, second, wfs_null()));
    store_check(store);
    expect_found(store, "key", wfs_integer(1), wfs_integer(2), 0);
    OK(set_one(store, 6, first, wfs_integer(1)));
    store_check(store);
    expect_found(store, "key", wfs_integer(1), wfs_integer(2), 6);
    assert_int_equal(set_one(store, 7, second, wfs_integer(2)),
                     WFS_ERR_UNIQUE);
    OK(set_one(store, 7, second, wfs_integer(3)));
    expect_found(store, "key", wfs_integer(1), wfs_integer(3), 7);
    OK(set_one(store, 7, first, wfs_null()));
    expect_found(store, "key", wfs_integer(1), wfs_integer(3), 0);
    expect_found(store, "key", wfs_integer(1), wfs_null(), 0);
    OK(wfs_begin(store));
    OK(wfs_delete(store, "wide", 6, 0));
    OK(set_one(store, 7, first, wfs_integer(9)));
    OK(wfs_rollback(store));
    expect_found(store, "key", wfs_integer(1), wfs_integer(2), 6);
    expect_found(store, "key", wfs_integer(9), wfs_integer(3), 0);
    drop_store(store);
}

static void nulls_in_far_columns_do_not_clash(void **state)
{
    static const char *const pairs[][2] = {
        {"c0", "c1"}, {"c0", "c31"}, {"c31", "c32"}, {"c0", "c32"},
        {"c32", "c0"}, {"c2", "c34"}, {"c33", "c39"}, {"c39", "c7"}};
    static const char *const far[][2] = {
        {"c63", "c64"}, {"c31", "c63"}, {"c0", "c64"}, {"c37", "c69"},
        {"c69", "c5"}, {"c32", "c64"}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(pairs); i++) {
        check_nulls_apart(NARROWER, pairs[i][0], pairs[i][1]);
        check_nulls_apart(WIDE, pairs[i][0], pairs[i][1]);
    }
    for (i = 0; i < COUNT(far); i++)
        check_nulls_apart(WIDE, far[i][0], far[i][1]);
}

/* Sparse lists and trees over far columns leave rows with a null out. */
static void sparse_indexes_over_far_columns_leave_nulls_out(void **state)
{
    static const wfs_index indexes[] = {
        {.name = "list", .columns = "c3, c38", .list = true, .sparse = true},
        {.name = "tree", .columns = "c38", .ordered = true, .sparse = true},
        {.name = "of_user", .columns = "c35", .list = true, .sparse = true},
        {0}};
    wfs_store *store = make_wide(NARROWER, indexes, "");
    wfs_query query = query_of("wide", "list");
    wfs_value key[2];

    (void)state;
    OK(insert_two(store, "c3", wfs_integer(1), "c38", wfs_null(), NULL));
    OK(insert_two(store, "c3", wfs_integer(1), "c38", wfs_integer(5), NULL));
    OK(insert_two(store, "c3", wfs_null(), "c38", wfs_integer(4), NULL));
    OK(insert_two(store, "c35", wfs_reference(1), "c38", wfs_integer(3), NULL));
    key[0] = wfs_integer(1);
    key[1] = wfs_integer(5);
    query.equal = key;
    query.equal_count = 2;
    assert_string_equal(walk(store, &query), "2");
    key[1] = wfs_null();
    assert_string_equal(walk(store, &query), "");
    query = query_of("wide", "tree");
    assert_string_equal(walk(store, &query), "4 3 2");
    query.index = "of_user";
    query.equal = key;
    query.equal_count = 1;
    key[0] = wfs_reference(1);
    assert_string_equal(walk(store, &query), "4");
    OK(set_one(store, 2, "c38", wfs_null()));
    OK(set_one(store, 1, "c38", wfs_integer(9)));
    query = query_of("wide", "tree");
    assert_string_equal(walk(store, &query), "4 3 1");
    drop_store(store);
}

static void the_column_that_must_not_be_null_is_named(void **state)
{
    static const int numbers[] = {0, 1, 30, 31, 32, 33, 39, 63, 64, 69};
    char required[16], expected[80];
    wfs_store *store;
    wfs_row_id id;
    size_t i;
    int count;

    (void)state;
    for (i = 0; i < COUNT(numbers); i++) {
        count = numbers[i] < NARROWER ? NARROWER : WIDE;
        snprintf(required, sizeof required, ",%d,", numbers[i]);
        store = make_wide(count, NULL, required);
        snprintf(expected, sizeof expected, "column c%d must", numbers[i]);
        assert_int_equal(insert_two(store, "c2", wfs_integer(1), "c3",
                                    wfs_null(), NULL),
                         WFS_ERR_NOT_NULL);
        expect_message(store, expected);
        OK(insert_two(store, "c2", wfs_integer(1), wide_names[numbers[i]],
                      wfs_integer(2), &id));
        assert_int_equal(
            set_one(store, id, wide_names[numbers[i]], wfs_null()),
            WFS_ERR_NOT_NULL);
        expect_message(store, expected);
        OK(set_one(store, id, "c2", wfs_null()));
        assert_int_equal(wfs_count(store, "wide"), 1);
        drop_store(store);
    }
}

/* Of several the first is named. */
static void the_first_column_that_must_not_be_null_is_named(void **state)
{
    wfs_store *store = make_wide(WIDE, NULL, ",31,32,39,64,");
    wfs_field fields[5];

    (void)state;
    memset(fields, 0, sizeof fields);
    assert_int_equal(wfs_insert(store, "wide", NULL, NULL), WFS_ERR_NOT_NULL);
    expect_message(store, "column c31 must");
    fields[0].column = "c31";
    fields[0].value = wfs_integer(1);
    assert_int_equal(wfs_insert(store, "wide", fields, NULL),
                     WFS_ERR_NOT_NULL);
    expect_message(store, "column c32 must");
    fields[1].column = "c32";
    fields[1].value = wfs_integer(1);
    assert_int_equal(wfs_insert(store, "wide", fields, NULL),
                     WFS_ERR_NOT_NULL);
    expect_message(store, "column c39 must");
    fields[2].column = "c39";
    fields[2].value = wfs_integer(1);
    assert_int_equal(wfs_insert(store, "wide", fields, NULL),
                     WFS_ERR_NOT_NULL);
    expect_message(store, "column c64 must");
    fields[3].column = "c64";
    fields[3].value = wfs_integer(1);
    OK(wfs_insert(store, "wide", fields, NULL));
    drop_store(store);
}

static void references_in_far_columns_are_checked(void **state)
{
    wfs_store *store = make_wide(NARROWER, NULL, "");
    wfs_row_id id;

    (void)state;
    assert_int_equal(insert_two(store, "c35", wfs_reference(2), "c0",
                                wfs_null(), NULL),
                     WFS_ERR_REFERENCE);
    expect_message(store, "c35");
    OK(insert_two(store, "c35", wfs_null(), "c0", wfs_null(), &id));
    assert_int_equal(set_one(store, id, "c35", wfs_reference(7)),
                     WFS_ERR_REFERENCE);
    OK(wfs_delete(store, "users", 1, 0));
    OK(wfs_insert(store, "users", NULL, NULL));
    OK(set_one(store, id, "c35", wfs_reference(2)));
    assert_int_equal(wfs_delete(store, "users", 2, 0), WFS_ERR_REFERENCE);
    OK(set_one(store, id, "c35", wfs_null()));
    OK(wfs_delete(store, "users", 2, 0));
    drop_store(store);
}

/* --- rows that an index refuses */

static const wfs_column part_columns[] = {
    {.name = "a", .type = WFS_INTEGER},
    {.name = "b", .type = WFS_TEXT},
    {.name = "c", .type = WFS_TEXT, .interned = true},
    {.name = "d", .type = WFS_BOOL},
    {.name = "e", .type = WFS_INTEGER, .nullable = true},
    {0},
};

/* The unique ones are the first, two in the middle and the last; a list, a
 * list by value and trees lie between. */
static const wfs_index part_indexes[] = {
    {.name = "u_first", .columns = "a", .unique = true},
    {.name = "list", .columns = "b, d", .list = true},
    {.name = "tree", .columns = "c, b", .ordered = true},
    {.name = "u_middle", .columns = "b", .unique = true, .ordered = true},
    {.name = "by_d", .columns = "d", .list = true},
    {.name = "u_null", .columns = "e", .unique = true},
    {.name = "tree2", .columns = "e", .ordered = true, .sparse = true},
    {.name = "u_last", .columns = "c, d", .unique = true},
    {0},
};

static const wfs_table part_tables[] = {
    {.name = "parts", .columns = part_columns, .indexes = part_indexes}, {0}};

static void part_fields(wfs_field *fields, int number)
{
    static char texts[2][24];

    snprintf(texts[0], sizeof texts[0], "part number %d", number);
    snprintf(texts[1], sizeof texts[1], "kind %d", number / 2);
    memset(fields, 0, 6 * sizeof *fields);
    fields[0].column = "a";
    fields[0].value = wfs_integer(number);
    fields[1].column = "b";
    fields[1].value = wfs_text(texts[0]);
    fields[2].column = "c";
    fields[2].value = wfs_text(texts[1]);
    fields[3].column = "d";
    fields[3].value = wfs_bool(number % 2 == 1);
    fields[4].column = "e";
    fields[4].value = wfs_integer(number);
}

static wfs_store *make_parts(int count, bool trees)
{
    wfs_store *store = make_store(part_tables);
    wfs_query query;
    wfs_field fields[6];
    int i;

    for (i = 0; i < count; i++) {
        part_fields(fields, i);
        OK(wfs_insert(store, "parts", fields, NULL));
    }
    if (!trees)
        return store;
    query = query_of("parts", "tree");
    walk(store, &query);
    query.index = "tree2";
    walk(store, &query);
    query.index = "u_middle";
    walk(store, &query);
    return store;
}

/* All rows but "refused" are found by the keys that they had. */
static void check_parts(wfs_store *store, int count, int absent)
{
    wfs_field fields[6];
    wfs_row row;
    int i;

    store_check(store);
    for (i = 0; i < count; i++) {
        wfs_status expected = i != absent ? WFS_OK : WFS_ERR_ROW_NOT_FOUND;
        wfs_value key[2];

        part_fields(fields, i);
        key[0] = fields[2].value;
        key[1] = fields[3].value;
        assert_int_equal(wfs_find(store, "parts", "u_first", &fields[0].value,
                                  1, &row), expected);
        assert_true(expected != WFS_OK || row.id == (wfs_row_id)i + 1);
        assert_int_equal(wfs_find(store, "parts", "u_middle",
                                  &fields[1].value, 1, &row), expected);
        assert_true(expected != WFS_OK || row.id == (wfs_row_id)i + 1);
        assert_int_equal(wfs_find(store, "parts", "u_null", &fields[4].value,
                                  1, &row), expected);
        assert_true(expected != WFS_OK || row.id == (wfs_row_id)i + 1);
        assert_int_equal(wfs_find(store, "parts", "u_last", key, 2, &row),
                         expected);
        assert_true(expected != WFS_OK || row.id == (wfs_row_id)i + 1);
    }
}

/* Fields that clash with row `with` in one index only. */
static void clashing_fields(wfs_field *fields, int number, size_t in, int with)
{
    static char text[24], kind[24];
    wfs_field theirs[6];

    part_fields(theirs, with);
    snprintf(text, sizeof text, "%s", theirs[1].value.text);
    snprintf(kind, sizeof kind, "%s", theirs[2].value.text);
    part_fields(fields, number);
    if (in == 0)
        fields[0].value = theirs[0].value;
    if (in == 1)
        fields[1].value = wfs_text(text);
    if (in == 2)
        fields[4].value = theirs[4].value;
    if (in == 3) {
        fields[2].value = wfs_text(kind);
        fields[3].value = theirs[3].value;
    }
}

static const char *const part_uniques[] = {"u_first", "u_middle", "u_null",
                                           "u_last"};

static void a_refused_insert_is_in_no_index(void **state)
{
    wfs_store *store;
    wfs_field fields[6];
    sweep_snapshot before;
    size_t in;
    int trees;

    (void)state;
    for (trees = 0; trees < 2; trees++) {
        store = make_parts(40, trees != 0);
        for (in = 0; in < COUNT(part_uniques); in++) {
            before = sweep_snapshot_of(store);
            clashing_fields(fields, 40, in, 17);
            assert_int_equal(wfs_insert(store, "parts", fields, NULL),
                             WFS_ERR_UNIQUE);
            expect_message(store, part_uniques[in]);
            expect_message(store, "row 18 already");
            sweep_expect_same(&before, store);
            sweep_drop(&before);
            check_parts(store, 41, 40);
        }
        part_fields(fields, 40);
        OK(wfs_insert(store, "parts", fields, NULL));
        check_parts(store, 41, -1);
        drop_store(store);
    }
}

static void a_refused_update_keeps_the_old_keys(void **state)
{
    wfs_store *store;
    wfs_field fields[6];
    sweep_snapshot before;
    size_t in;
    int trees, number;

    (void)state;
    for (trees = 0; trees < 2; trees++) {
        store = make_parts(40, trees != 0);
        for (in = 0; in < COUNT(part_uniques); in++)
            for (number = 0; number < 40; number += 13) {
                before = sweep_snapshot_of(store);
                clashing_fields(fields, 90 + number, in, 17);
                assert_int_equal(
                    wfs_update(store, "parts", (wfs_row_id)number + 1, 0,
                               fields),
                    WFS_ERR_UNIQUE);
                expect_message(store, part_uniques[in]);
                sweep_expect_same(&before, store);
                sweep_drop(&before);
                check_parts(store, 41, 40);
            }
        part_fields(fields, 40);
        OK(wfs_update(store, "parts", 14, 0, fields));
        part_fields(fields, 13);
        OK(wfs_update(store, "parts", 14, 0, fields));
        check_parts(store, 41, 40);
        drop_store(store);
    }
}

/* From null to a value that another index then refuses, and back. */
static void a_refused_update_from_null_stays_null(void **state)
{
    wfs_store *store = make_parts(10, true);
    wfs_field fields[6];
    wfs_row row;

    (void)state;
    part_fields(fields, 4);
    fields[4].value = wfs_null();
    OK(wfs_update(store, "parts", 5, 0, fields));
    clashing_fields(fields, 77, 3, 8);
    assert_int_equal(wfs_update(store, "parts", 5, 0, fields), WFS_ERR_UNIQUE);
    expect_message(store, "u_last");
    store_check(store);
    assert_int_equal(wfs_find(store, "parts", "u_null", &fields[4].value, 1,
                              &row), WFS_ERR_ROW_NOT_FOUND);
    clashing_fields(fields, 4, 3, 8);
    fields[4].value = wfs_null();
    assert_int_equal(wfs_update(store, "parts", 5, 0, fields), WFS_ERR_UNIQUE);
    part_fields(fields, 4);
    OK(wfs_update(store, "parts", 5, 0, fields));
    check_parts(store, 10, -1);
    clashing_fields(fields, 4, 3, 8);
    fields[4].value = wfs_null();
    assert_int_equal(wfs_update(store, "parts", 5, 0, fields), WFS_ERR_UNIQUE);
    check_parts(store, 10, -1);
    drop_store(store);
}

/* At every size of the maps, without memory: refused for one reason or the
 * other, and as before. */
static void a_row_refused_without_memory_is_in_no_index(void **state)
{
    wfs_store *store;
    wfs_field fields[6];
    sweep_snapshot before;
    wfs_status status;
    size_t nth;
    int number;

    (void)state;
    store = make_parts(0, true);
    for (number = 0; number < 70; number++) {
        for (nth = 1, status = WFS_ERR_NO_MEMORY;
             status == WFS_ERR_NO_MEMORY; nth++) {
            before = sweep_snapshot_of(store);
            part_fields(fields, number);
            sweep_refuse(&memory, nth, nth % 2 == 0 ? SWEEP_ONCE : SWEEP_FROM);
            status = wfs_insert(store, "parts", fields, NULL);
            sweep_allow(&memory);
            if (status == WFS_ERR_NO_MEMORY) {
                sweep_expect_same(&before, store);
                check_parts(store, number + 1, number);
            }
            sweep_drop(&before);
        }
        OK(status);
    }
    check_parts(store, 70, -1);
    drop_store(store);
}

/* Such a value is made by hand: wfs_reference(0) gives null, whose list has
 * head 0. */
static void no_row_has_a_reference_to_row_0(void **state)
{
    static const wfs_column users[] = {{.name = "n", .type = WFS_INTEGER,
                                        .nullable = true}, {0}};
    static const wfs_column orders[] = {
        {.name = "user", .type = WFS_REFERENCE, .references = "users",
         .nullable = true}, {0}};
    static const wfs_index indexes[] = {
        {.name = "of_user", .columns = "user", .list = true}, {0}};
    static const wfs_table tables[] = {
        {.name = "users", .columns = users},
        {.name = "orders", .columns = orders, .indexes = indexes}, {0}};
    wfs_value none = {WFS_REFERENCE, 0, 0, NULL, 0};
    wfs_query query = {.table = "orders", .index = "of_user", .equal = &none,
                       .equal_count = 1};
    wfs_store *store;
    wfs_cursor *cursor;
    wfs_status status;
    wfs_row row;

    (void)state;
    assert_int_equal(wfs_store_create(tables, NULL, &store, NULL), WFS_OK);
    assert_int_equal(wfs_insert(store, "orders", NULL, NULL), WFS_OK);
    assert_int_equal(wfs_cursor_open(store, &query, &cursor), WFS_OK);
    status = wfs_cursor_next(cursor, &row);
    wfs_cursor_close(cursor);
    wfs_store_free(store);
    assert_int_equal(status, WFS_DONE);
}

/* --- lists and unique indexes whose maps are about to grow */

static const wfs_column pair_columns[] = {
    {.name = "k", .type = WFS_INTEGER},
    {.name = "n", .type = WFS_REAL},
    {0}};
static const wfs_index pair_indexes[] = {
    {.name = "of_k", .columns = "k", .list = true},
    {.name = "by_n", .columns = "n", .unique = true},
    {0}};
static const wfs_table pair_tables[] = {
    {.name = "pairs", .columns = pair_columns, .indexes = pair_indexes}, {0}};

/* Rows 1 and 2 have k 0, rows 3 and 4 have k 1, ... An update has been made
 * before, so that the next one needs memory for nothing but the indexes. */
static wfs_store *make_pairs(int count)
{
    wfs_store *store = make_store(pair_tables);
    int i;

    for (i = 0; i < count; i++)
        OK(wfs_insert(store, "pairs",
                      WFS_FIELDS({"k", wfs_integer(i / 2)},
                                 {"n", wfs_real(i)}), NULL));
    OK(wfs_update(store, "pairs", 1, 0,
                  WFS_FIELDS({"k", wfs_integer(0)}, {"n", wfs_real(-2)})));
    return store;
}

/* Whatever is refused, a row that could not move to a new key is found under
 * its old one. */
static void a_row_that_cannot_move_stays_in_its_list(void **state)
{
    sweep_snapshot before;
    wfs_store *store;
    wfs_status status;
    size_t nth, refused = 0;
    int count;

    (void)state;
    for (count = 1; count <= 70; count++) {
        store = make_pairs(count);
        for (nth = 1, status = WFS_ERR_NO_MEMORY;
             status == WFS_ERR_NO_MEMORY; nth++) {
            before = sweep_snapshot_of(store);
            sweep_refuse(&memory, nth, SWEEP_FROM);
            status = wfs_update(store, "pairs", 1, 0,
                                WFS_FIELDS({"k", wfs_integer(1000)},
                                           {"n", wfs_real(-1)}));
            sweep_allow(&memory);
            if (status == WFS_ERR_NO_MEMORY) {
                refused++;
                sweep_expect_same(&before, store);
            }
            sweep_drop(&before);
            store_check(store);
        }
        OK(status);
        OK(wfs_delete(store, "pairs", 1, 0));
        drop_store(store);
    }
    assert_true(refused >= 3);      /* where the map of the list grows */
}

/* Nor does it need memory to take a delete or a move back. */
static void taking_back_needs_no_memory_at_any_size(void **state)
{
    sweep_snapshot before;
    wfs_store *store;
    int count, step;

    (void)state;
    for (count = 2; count <= 70; count++) {
        store = make_pairs(count);
        for (step = 0; step < 3; step++) {
            before = sweep_snapshot_of(store);
            OK(wfs_begin(store));
            if (step != 1)
                OK(wfs_delete(store, "pairs", 1, 0));
            if (step != 0)
                OK(wfs_update(store, "pairs", 2, 0,
                              WFS_FIELDS({"k", wfs_integer(2000)})));
            sweep_refuse(&memory, 1, SWEEP_FROM);
            OK(wfs_rollback(store));
            sweep_allow(&memory);
            assert_int_equal(memory.refused, 0);
            sweep_expect_same(&before, store);
            sweep_drop(&before);
            store_check(store);
        }
        drop_store(store);
    }
}

/* There is one zero and one NaN, and two truths, however they are given. */
static void values_are_looked_up_as_they_are_stored(void **state)
{
    static const wfs_column columns[] = {
        {.name = "x", .type = WFS_REAL}, {.name = "b", .type = WFS_BOOL}, {0}};
    static const wfs_index indexes[] = {
        {.name = "by_x", .columns = "x", .unique = true},
        {.name = "by_b", .columns = "x, b", .unique = true},
        {.name = "of_b", .columns = "b", .list = true}, {0}};
    static const wfs_table tables[] = {
        {.name = "t", .columns = columns, .indexes = indexes}, {0}};
    wfs_store *store = make_store(tables);
    wfs_value key[2];
    wfs_query query = query_of("t", "of_b");
    double zero = 0.0;
    wfs_row row;

    (void)state;
    OK(wfs_insert(store, "t", WFS_FIELDS({"x", wfs_real(zero / zero)},
                                         {"b", wfs_bool(true)}), NULL));
    OK(wfs_insert(store, "t", WFS_FIELDS({"x", wfs_real(-zero)},
                                         {"b", wfs_bool(false)}), NULL));
    key[0] = wfs_real(-(zero / zero));
    OK(wfs_find(store, "t", "by_x", key, 1, &row));
    assert_int_equal(row.id, 1);
    key[1] = wfs_bool(true);
    key[1].integer = 2;
    OK(wfs_find(store, "t", "by_b", key, 2, &row));
    assert_int_equal(row.id, 1);
    query.equal = &key[1];
    query.equal_count = 1;
    assert_string_equal(walk(store, &query), "1");
    key[0] = wfs_real(zero);
    OK(wfs_find(store, "t", "by_x", key, 1, &row));
    assert_int_equal(row.id, 2);
    drop_store(store);
}

/* --- cursors that are used again */

static wfs_store *make_letters(void)
{
    static const wfs_column columns[] = {{.name = "name", .type = WFS_TEXT},
                                         {.name = "n", .type = WFS_INTEGER},
                                         {0}};
    static const wfs_index indexes[] = {
        {.name = "by_name", .columns = "name, n", .ordered = true},
        {.name = "by_n", .columns = "n", .ordered = true},
        {.name = "of_n", .columns = "n", .list = true},
        {0}};
    static const wfs_table tables[] = {
        {.name = "letters", .columns = columns, .indexes = indexes},
        {.name = "others", .columns = columns, .indexes = indexes},
        {0}};
    static const char *const names[] = {"ba", "ab", "b", "bb", "a", "bc", "c",
                                        "ba"};
    wfs_store *store = make_store(tables);
    wfs_field fields[3];
    size_t i;

    memset(fields, 0, sizeof fields);
    fields[0].column = "name";
    fields[1].column = "n";
    for (i = 0; i < COUNT(names); i++) {
        fields[0].value = wfs_text(names[i]);
        fields[1].value = wfs_integer((int64_t)i % 3);
        OK(wfs_insert(store, "letters", fields, NULL));
        OK(wfs_insert(store, "others", fields, NULL));
    }
    return store;
}

enum { LETTER_QUERIES = 12 };

/* Queries of every kind; what each gives. */
static const char *letter_query(int number, wfs_query *query)
{
    static wfs_value low, high, equal[2];

    *query = query_of("letters", "by_name");
    low = high = wfs_null();
    switch (number) {
    case 0:
        return "5 2 3 1 8 4 6 7";
    case 1:
        query->starts_with = "b";
        return "3 1 8 4 6";
    case 2:
        query->starts_with = "b";
        query->descending = true;
        return "6 4 8 1 3";
    case 3:
        low = wfs_text("ab");
        query->from = &low;
        high = wfs_text("ba");
        query->to = &high;
        return "2 3 1 8";
    case 4:
        equal[0] = wfs_text("ba");
        query->equal = equal;
        query->equal_count = 1;
        low = wfs_integer(1);
        query->from = &low;
        return "8";
    case 5:
        equal[0] = wfs_text("ba");
        equal[1] = wfs_integer(0);
        query->equal = equal;
        query->equal_count = 2;
        return "1";
    case 6:
        query->index = "of_n";
        equal[0] = wfs_integer(1);
        query->equal = equal;
        query->equal_count = 1;
        return "2 5 8";
    case 7:
        query->index = "of_n";
        query->descending = true;
        equal[0] = wfs_integer(2);
        query->equal = equal;
        query->equal_count = 1;
        return "6 3";
    case 8:
        query->index = NULL;
        query->descending = true;
        return "8 7 6 5 4 3 2 1";
    case 9:
        query->index = "by_n";
        high = wfs_integer(0);
        query->to = &high;
        return "1 4 7";
    case 10:
        query->page_size = 2;
        return "5 2";
    default:
        query->index = NULL;
        return "1 2 3 4 5 6 7 8";
    }
}

static void a_closed_cursor_leaves_nothing_to_the_next(void **state)
{
    wfs_store *store = make_letters();
    const char *expected;
    wfs_query query;
    int first, second;

    (void)state;
    for (first = 0; first < LETTER_QUERIES; first++)
        for (second = 0; second < LETTER_QUERIES; second++) {
            expected = letter_query(first, &query);
            assert_string_equal(walk(store, &query), expected);
            expected = letter_query(second, &query);
            assert_string_equal(walk(store, &query), expected);
        }
    drop_store(store);
}

/* Closed before the end, in the middle, or before any row. */
static void a_cursor_closed_early_leaves_nothing_to_the_next(void **state)
{
    wfs_store *store = make_letters();
    const char *expected;
    wfs_cursor *cursor;
    wfs_query query;
    wfs_row row;
    int first, second, steps, i;

    (void)state;
    for (first = 0; first < LETTER_QUERIES; first++)
        for (second = 0; second < LETTER_QUERIES; second++)
            for (steps = 0; steps < 3; steps++) {
                letter_query(first, &query);
                OK(wfs_cursor_open(store, &query, &cursor));
                for (i = 0; i < steps; i++)
                    wfs_cursor_next(cursor, &row);
                assert_int_equal(wfs_cursor_text(cursor) != NULL, steps != 0);
                wfs_cursor_close(cursor);
                expected = letter_query(second, &query);
                OK(wfs_cursor_open(store, &query, &cursor));
                assert_null(wfs_cursor_text(cursor));
                wfs_cursor_close(cursor);
                assert_string_equal(walk(store, &query), expected);
            }
    drop_store(store);
}

/* What the query pointed to may go once the cursor is open, also one that was
 * used before. */
static void a_cursor_used_again_keeps_copies_of_its_query(void **state)
{
    wfs_store *store = make_letters();
    char low[8] = "ab", prefix[8] = "b";
    wfs_query query = query_of("letters", "by_name");
    wfs_value from;
    wfs_cursor *cursor;
    wfs_row row;
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        strcpy(low, "ab");
        strcpy(prefix, "b");
        from = wfs_text(low);
        query.from = i % 2 == 0 ? &from : NULL;
        query.starts_with = i % 2 == 0 ? NULL : prefix;
        OK(wfs_cursor_open(store, &query, &cursor));
        memset(low, 'z', sizeof low - 1);
        memset(prefix, 'z', sizeof prefix - 1);
        OK(wfs_cursor_next(cursor, &row));
        assert_int_equal(row.id, i % 2 == 0 ? 2 : 3);
        wfs_cursor_close(cursor);
    }
    drop_store(store);
}

static void a_cursor_used_again_does_not_grow(void **state)
{
    wfs_store *store = make_letters();
    const char *expected;
    wfs_query query;
    size_t bytes = 0;
    int i;

    (void)state;
    for (i = 0; i < 3000; i++) {
        expected = letter_query(i % LETTER_QUERIES, &query);
        assert_string_equal(walk(store, &query), expected);
        if (i == 100)
            bytes = memory.bytes;
    }
    assert_int_equal(memory.bytes, bytes);
    drop_store(store);
}

static void expect_rest(wfs_cursor *cursor, const char *ids)
{
    char text[200] = "";
    size_t size = 0;
    wfs_row row;

    while (wfs_cursor_next(cursor, &row) == WFS_OK)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%u",
                                 size != 0 ? " " : "", (unsigned)row.id);
    assert_string_equal(text, ids);
}

/* The ids after the first of them, each of one digit. */
static const char *after_first(const char *ids)
{
    return strlen(ids) < 2 ? "" : ids + 2;
}

static void two_cursors_are_closed_in_either_order(void **state)
{
    wfs_store *store = make_letters();
    wfs_cursor *left, *right, *third;
    wfs_query query;
    wfs_row row;
    int order, a, b;

    (void)state;
    for (order = 0; order < 2; order++)
        for (a = 0; a < LETTER_QUERIES; a++)
            for (b = 0; b < LETTER_QUERIES; b++) {
                letter_query(a, &query);
                OK(wfs_cursor_open(store, &query, &left));
                OK(wfs_cursor_next(left, &row));
                letter_query(b, &query);
                OK(wfs_cursor_open(store, &query, &right));
                assert_ptr_not_equal(left, right);
                wfs_cursor_close(order == 0 ? left : right);
                OK(wfs_cursor_open(store, &query, &third));
                assert_ptr_not_equal(third, order == 0 ? right : left);
                expect_rest(third, letter_query(b, &query));
                if (order == 0)
                    expect_rest(right, letter_query(b, &query));
                else
                    expect_rest(left, after_first(letter_query(a, &query)));
                wfs_cursor_close(third);
                wfs_cursor_close(order == 0 ? right : left);
            }
    drop_store(store);
}

/* A fork has no cursor of the other; one that could not be opened is used
 * again too. */
static void closed_cursors_are_freed_with_their_own_store(void **state)
{
    wfs_store *store = make_letters(), *copy;
    wfs_query query, wrong = query_of("letters", "by_nothing");
    wfs_cursor *cursor;
    wfs_row row;
    const char *expected = letter_query(1, &query);

    (void)state;
    assert_string_equal(walk(store, &query), expected);
    OK(wfs_store_fork(store, &copy));
    assert_string_equal(walk(copy, &query), expected);
    assert_int_not_equal(wfs_cursor_open(store, &wrong, &cursor), WFS_OK);
    assert_int_not_equal(wfs_cursor_open(copy, &wrong, &cursor), WFS_OK);
    wfs_store_free(store);
    assert_string_equal(walk(copy, &query), expected);
    OK(wfs_cursor_open(copy, &query, &cursor));
    OK(wfs_cursor_next(cursor, &row));
    assert_ptr_equal(row.store, copy);
    wfs_cursor_close(cursor);
    drop_store(copy);
}

static void a_cursor_goes_on_only_in_its_own_index(void **state)
{
    static const char *const indexes[] = {"by_name", "by_n", NULL};
    static const char *const tables[] = {"letters", "others"};
    wfs_store *store = make_letters();
    wfs_query query;
    wfs_cursor *cursor;
    wfs_row row;
    size_t i, j, from, to;
    char *text;

    (void)state;
    for (i = 0; i < 6; i++) {
        query = query_of(tables[i / 3], indexes[i % 3]);
        OK(wfs_cursor_open(store, &query, &cursor));
        for (j = 0; j < 3; j++)
            OK(wfs_cursor_next(cursor, &row));
        from = strlen(wfs_cursor_text(cursor)) + 1;
        text = (char *)malloc(from);
        assert_non_null(text);
        memcpy(text, wfs_cursor_text(cursor), from);
        wfs_cursor_close(cursor);
        for (j = 0; j < 6; j++) {
            query = query_of(tables[j / 3], indexes[j % 3]);
            query.cursor = text;
            to = (size_t)wfs_cursor_open(store, &query, &cursor);
            assert_int_equal(to, i == j ? WFS_OK : WFS_ERR_CURSOR);
            if (i != j)
                continue;
            assert_string_equal(wfs_cursor_text(cursor), text);
            query.cursor = NULL;
            wfs_cursor_close(cursor);
            OK(wfs_cursor_open(store, &query, &cursor));
            for (from = 0; from < 3; from++)
                OK(wfs_cursor_next(cursor, &row));
            assert_string_equal(wfs_cursor_text(cursor), text);
            wfs_cursor_close(cursor);
        }
        query = query_of(tables[i / 3], indexes[i % 3]);
        query.cursor = text;
        text[0] = 'g';
        assert_int_equal(wfs_cursor_open(store, &query, &cursor),
                         WFS_ERR_CURSOR);
        free(text);
    }
    for (i = 0; i < 9; i++) {
        query.cursor = &"00000000"[i];
        assert_int_equal(wfs_cursor_open(store, &query, &cursor),
                         WFS_ERR_CURSOR);
    }
    drop_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_by_value_hold_the_rows_that_have_it),
        cmocka_unit_test(lists_by_value_are_as_before_after_a_rollback),
        cmocka_unit_test(lists_by_value_are_as_before_without_memory),
        cmocka_unit_test(a_rollback_of_lists_needs_no_memory),
        cmocka_unit_test(a_nullable_list_of_bools_keeps_null_and_false_apart),
        cmocka_unit_test(nulls_in_far_columns_do_not_clash),
        cmocka_unit_test(sparse_indexes_over_far_columns_leave_nulls_out),
        cmocka_unit_test(the_column_that_must_not_be_null_is_named),
        cmocka_unit_test(the_first_column_that_must_not_be_null_is_named),
        cmocka_unit_test(references_in_far_columns_are_checked),
        cmocka_unit_test(a_refused_insert_is_in_no_index),
        cmocka_unit_test(a_refused_update_keeps_the_old_keys),
        cmocka_unit_test(a_refused_update_from_null_stays_null),
        cmocka_unit_test(a_row_refused_without_memory_is_in_no_index),
        cmocka_unit_test(no_row_has_a_reference_to_row_0),
        cmocka_unit_test(a_row_that_cannot_move_stays_in_its_list),
        cmocka_unit_test(taking_back_needs_no_memory_at_any_size),
        cmocka_unit_test(values_are_looked_up_as_they_are_stored),
        cmocka_unit_test(a_closed_cursor_leaves_nothing_to_the_next),
        cmocka_unit_test(a_cursor_closed_early_leaves_nothing_to_the_next),
        cmocka_unit_test(a_cursor_used_again_keeps_copies_of_its_query),
        cmocka_unit_test(a_cursor_used_again_does_not_grow),
        cmocka_unit_test(two_cursors_are_closed_in_either_order),
        cmocka_unit_test(closed_cursors_are_freed_with_their_own_store),
        cmocka_unit_test(a_cursor_goes_on_only_in_its_own_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
