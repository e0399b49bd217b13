/* The store against what its manual promises: tables, rows, transactions,
 * cursors, forks, and every failing allocation. What a random test compares
 * with is a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "store_check.h"
#include "sweep.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- helpers */

static wfs_random source = {1};

static size_t below(size_t bound)
{
    return (size_t)(wfs_random_next(&source) % bound);
}

static bool one_in(size_t times)
{
    return below(times) == 0;
}

static wfs_store *make_store(const wfs_table *tables,
                             const wfs_allocator *allocator)
{
    wfs_store *store;
    wfs_error error;

    if (wfs_store_create(tables, allocator, &store, &error) != WFS_OK)
        fail_msg("%s", error.message);
    return store;
}

/* parts: "a|b": each must stand in the message. */
static void check_error(const wfs_error *error, wfs_status expected,
                        const char *parts)
{
    char part[256];
    const char *end;
    size_t size;

    assert_int_equal(error->code, expected);
    for (;; parts = end + 1) {
        end = strchr(parts, '|');
        size = end != NULL ? (size_t)(end - parts) : strlen(parts);
        assert_true(size < sizeof part);
        memcpy(part, parts, size);
        part[size] = '\0';
        if (strstr(error->message, part) == NULL)
            fail_msg("no \"%s\" in: %s", part, error->message);
        if (end == NULL)
            return;
    }
}

/* A call that must fail, say why, and change nothing. */
#define REFUSED(store, call, expected, parts)                                 \
    do {                                                                      \
        uint64_t hash_before = wfs_store_hash(store);                         \
                                                                              \
        assert_int_equal((call), (expected));                                 \
        check_error(wfs_store_error(store), (expected), (parts));             \
        assert_true(wfs_store_hash(store) == hash_before);                    \
        store_check(store);                                                   \
    } while (0)

#define OK(call) assert_int_equal((call), WFS_OK)

static bool same_value(const wfs_value *left, const wfs_value *right)
{
    if (left->type != right->type)
        return false;
    if (left->type == WFS_NULL)
        return true;
    if (left->type == WFS_REAL)
        return left->real == right->real ||
               (left->real != left->real && right->real != right->real);
    if (left->type != WFS_TEXT && left->type != WFS_JSON)
        return left->integer == right->integer;
    return left->size == right->size &&
           memcmp(left->text, right->text, left->size) == 0;
}

static void expect_cell(const wfs_row *row, const char *column,
                        wfs_value expected)
{
    wfs_value value = wfs_row_value(row, column);

    if (!same_value(&value, &expected))
        fail_msg("row %u, column %s: another value", (unsigned)row->id, column);
    if (value.text != NULL)
        assert_int_equal(value.text[value.size], 0);
}

static wfs_row get_row(wfs_store *store, const char *table, wfs_row_id id)
{
    wfs_row row;

    OK(wfs_get(store, table, id, &row));
    assert_int_equal(row.id, id);
    return row;
}

static wfs_row_id add(wfs_store *store, const char *table,
                      const wfs_field *fields)
{
    wfs_row_id id = 0;

    if (wfs_insert(store, table, fields, &id) != WFS_OK)
        fail_msg("%s", wfs_store_error(store)->message);
    assert_true(id != 0);
    return id;
}

/* The ids of a walk as text: "3 1 2". */
static const char *walk(wfs_store *store, const wfs_query *query)
{
    static char text[1024];
    wfs_cursor *cursor;
    wfs_status status;
    size_t size = 0;
    wfs_row row;

    if (wfs_cursor_open(store, query, &cursor) != WFS_OK)
        fail_msg("%s", wfs_store_error(store)->message);
    text[0] = '\0';
    while ((status = wfs_cursor_next(cursor, &row)) == WFS_OK)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%u",
                                 size != 0 ? " " : "", (unsigned)row.id);
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

static void expect_walk(wfs_store *store, const wfs_query *query,
                        const char *ids)
{
    assert_string_equal(walk(store, query), ids);
}

/* --- declaring tables */

static const wfs_column id_columns[] = {{.name = "id", .type = WFS_INTEGER},
                                        {0}};

static void schema_refused(const wfs_table *tables, const char *parts)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = (wfs_store *)&memory;
    wfs_error error;

    assert_int_equal(wfs_store_create(tables, &allocator, &store, &error),
                     WFS_ERR_SCHEMA);
    assert_null(store);
    check_error(&error, WFS_ERR_SCHEMA, parts);
    assert_null(strstr(error.message, "(null)"));
    sweep_expect_clean(&memory);
    assert_int_equal(wfs_store_create(tables, NULL, &store, NULL),
                     WFS_ERR_SCHEMA);
}

static void column_refused(wfs_column column, const char *parts)
{
    wfs_column columns[3];
    wfs_table tables[2];

    memset(columns, 0, sizeof columns);
    memset(tables, 0, sizeof tables);
    columns[0] = id_columns[0];
    columns[1] = column;
    tables[0].name = "orders";
    tables[0].columns = columns;
    schema_refused(tables, parts);
}

static void a_wrong_column_is_named(void **state)
{
    (void)state;
    column_refused((wfs_column){.name = "sku"}, "orders|sku");
    column_refused((wfs_column){.name = "sku", .type = (wfs_type)99},
                   "orders|sku");
    column_refused((wfs_column){.name = "id", .type = WFS_TEXT},
                   "orders|id|twice");
    column_refused((wfs_column){.name = "user", .type = WFS_REFERENCE,
                                .references = "users"},
                   "orders|user|users");
    column_refused((wfs_column){.name = "sku", .type = WFS_TEXT,
                                .default_value = {WFS_INTEGER, 1, 0, NULL, 0}},
                   "orders|sku");
    column_refused((wfs_column){.name = "sku", .type = WFS_TEXT,
                                .default_value = {WFS_TEXT, 0, 0, NULL, 0}},
                   "orders|sku");
}

static void a_reference_names_its_table(void **state)
{
    (void)state;
    column_refused((wfs_column){.name = "user", .type = WFS_REFERENCE},
                   "orders|user");
}

/* JSON is checked when it is written; a default is written by every insert. */
static void a_default_must_be_json(void **state)
{
    (void)state;
    column_refused((wfs_column){.name = "data", .type = WFS_JSON,
                                .default_value = {WFS_JSON, 0, 0, "{", 1}},
                   "orders|data");
}

static void index_refused(wfs_index index, const char *primary,
                          const char *parts)
{
    static const wfs_column columns[] = {{.name = "id", .type = WFS_INTEGER},
                                         {.name = "day", .type = WFS_TIME},
                                         {0}};
    wfs_index indexes[3];
    wfs_table tables[2];

    memset(indexes, 0, sizeof indexes);
    memset(tables, 0, sizeof tables);
    indexes[0].name = "by_day";
    indexes[0].columns = "day";
    indexes[1] = index;
    tables[0].name = "orders";
    tables[0].columns = columns;
    tables[0].indexes = indexes;
    tables[0].primary_key = primary;
    schema_refused(tables, parts);
}

static void a_wrong_index_is_named(void **state)
{
    static const char *const wrong[] = {"day id", "day,", ",day", "day,,id",
                                        " ", "dayid", "day;id", "da"};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wrong); i++)
        index_refused((wfs_index){.name = "x", .columns = wrong[i]}, NULL,
                      "orders|x");
    index_refused((wfs_index){.name = "x"}, NULL, "orders|x");
    index_refused((wfs_index){.name = "x", .columns = ""}, NULL, "orders|x");
    index_refused((wfs_index){.name = "by_day", .columns = "id"}, NULL,
                  "orders|by_day|twice");
    index_refused((wfs_index){.name = "primary", .columns = "id"}, "id",
                  "orders|primary|twice");
    index_refused((wfs_index){.name = "x", .columns = "id", .list = true,
                              .unique = true},
                  NULL, "orders|x");
    index_refused((wfs_index){.name = "x",
                              .columns = "id,id,id,id,id,id,id,id,id"},
                  NULL, "orders|x|8");
    index_refused((wfs_index){0}, "nothing", "orders|primary");
}

static void the_column_that_an_index_lacks_is_named(void **state)
{
    (void)state;
    index_refused((wfs_index){.name = "x", .columns = "day, price"}, NULL,
                  "orders|x|price");
}

static void a_wrong_table_is_named(void **state)
{
    static const wfs_column none[] = {{0}};
    static const wfs_table twice[] = {{.name = "a", .columns = id_columns},
                                      {.name = "a", .columns = id_columns},
                                      {0}};
    static const wfs_table without[] = {{.name = "bare"}, {0}};
    static const wfs_table empty[] = {{.name = "bare", .columns = none}, {0}};

    (void)state;
    schema_refused(twice, "table a");
    schema_refused(without, "bare");
    schema_refused(empty, "bare");
}

static void a_table_refers_to_those_before_it_and_to_itself(void **state)
{
    static const wfs_column columns[] = {
        {.name = "to", .type = WFS_REFERENCE, .references = "later"}, {0}};
    static const wfs_table later[] = {{.name = "sooner", .columns = columns},
                                      {.name = "later", .columns = id_columns},
                                      {0}};
    static const wfs_table own[] = {{.name = "later", .columns = columns}, {0}};

    (void)state;
    schema_refused(later, "sooner|to|later");
    wfs_store_free(make_store(own, NULL));
}

static void a_store_may_be_empty(void **state)
{
    wfs_store *store = make_store(NULL, NULL), *other;
    wfs_row row;

    (void)state;
    assert_int_equal(wfs_insert(store, "a", NULL, NULL),
                     WFS_ERR_TABLE_NOT_FOUND);
    assert_int_equal(wfs_get(store, NULL, 1, &row), WFS_ERR_TABLE_NOT_FOUND);
    assert_int_equal(wfs_count(store, "a"), 0);
    assert_int_equal(wfs_count(store, NULL), 0);
    OK(wfs_store_fork(store, &other));
    assert_true(wfs_store_equal(store, other, NULL));
    wfs_store_free(store);
    wfs_store_free(other);
    wfs_store_free(NULL);
}

/* 70 columns need three words of null bits. */
static void every_column_has_its_own_null_bit(void **state)
{
    enum { COLUMNS = 70 };
    static const wfs_type types[] = {WFS_INTEGER, WFS_BOOL, WFS_TEXT, WFS_REAL,
                                     WFS_TIME, WFS_BOOL, WFS_JSON};
    static const wfs_index indexes[] = {
        {.name = "list", .columns = "c69", .list = true},
        {.name = "order", .columns = "c68, c33"}, {0}};
    static char names[COLUMNS][16];
    wfs_column columns[COLUMNS + 1];
    wfs_table tables[2];
    wfs_store *store;
    wfs_row row;
    int i, j;

    (void)state;
    memset(columns, 0, sizeof columns);
    memset(tables, 0, sizeof tables);
    for (i = 0; i < COLUMNS; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        columns[i].name = names[i];
        columns[i].type = types[i % 7];
        columns[i].nullable = true;
    }
    tables[0].name = "wide";
    tables[0].columns = columns;
    tables[0].indexes = indexes;
    store = make_store(tables, NULL);
    for (i = 0; i < COLUMNS; i++) {
        wfs_field field[2] = {{names[i], wfs_integer(1)}, {0}};

        field[0].value.type = columns[i].type;
        field[0].value.real = 1;
        field[0].value.text = "1";
        field[0].value.size = 1;
        row = get_row(store, "wide", add(store, "wide", field));
        for (j = 0; j < COLUMNS; j++)
            assert_int_equal(wfs_row_value(&row, names[j]).type,
                             i == j ? columns[i].type : WFS_NULL);
        field[0].value = wfs_null();
        OK(wfs_update(store, "wide", row.id, 1, field));
        for (j = 0; j < COLUMNS; j++)
            assert_int_equal(wfs_row_value(&row, names[j]).type, WFS_NULL);
    }
    store_check(store);
    wfs_store_free(store);
}

/* A table takes 32 indexes, and all of them follow each write. */
static void a_table_has_up_to_32_indexes(void **state)
{
    static char names[33][16];
    static const char *const parts[] = {"id", "day", "id, day", "day, id"};
    static const wfs_column columns[] = {{.name = "id", .type = WFS_INTEGER},
                                         {.name = "day", .type = WFS_INTEGER},
                                         {0}};
    wfs_index indexes[34];
    wfs_table tables[2];
    wfs_query query;
    wfs_store *store;
    int i;

    (void)state;
    memset(indexes, 0, sizeof indexes);
    memset(tables, 0, sizeof tables);
    for (i = 0; i < 33; i++) {
        snprintf(names[i], sizeof names[i], "x%d", i);
        indexes[i].name = names[i];
        indexes[i].columns = parts[i % 4];
        indexes[i].list = i % 3 == 0;
        indexes[i].unique = indexes[i].ordered = i % 4 > 1 && i % 3 != 0;
    }
    tables[0].name = "t";
    tables[0].columns = columns;
    tables[0].indexes = indexes;
    schema_refused(tables, "table t|x32");
    memset(&indexes[32], 0, sizeof indexes[32]);
    store = make_store(tables, NULL);
    for (i = 0; i < 100; i++)
        add(store, "t", WFS_FIELDS({"id", wfs_integer(i % 10)},
                                   {"day", wfs_integer(i / 10)}));
    query = query_of("t", names[31]);
    walk(store, &query);
    store_check(store);
    OK(wfs_begin(store));
    OK(wfs_update(store, "t", 7, 0, WFS_FIELDS({"day", wfs_integer(55)})));
    OK(wfs_delete(store, "t", 8, 0));
    store_check(store);
    OK(wfs_rollback(store));
    store_check(store);
    tables[0].primary_key = "id, day";
    wfs_store_free(store);
    schema_refused(tables, "table t|x31");
}

static void a_key_has_up_to_8_columns(void **state)
{
    static const wfs_column columns[] = {
        {.name = "a", .type = WFS_INTEGER}, {.name = "b", .type = WFS_TEXT},
        {.name = "c", .type = WFS_REAL}, {.name = "d", .type = WFS_BOOL},
        {.name = "e", .type = WFS_TIME}, {.name = "f", .type = WFS_JSON},
        {.name = "g", .type = WFS_TEXT, .interned = true},
        {.name = "h", .type = WFS_INTEGER}, {0}};
    static const wfs_index indexes[] = {
        {.name = "list", .columns = "h,g,f,e,d,c,b,a", .list = true},
        {.name = "order", .columns = "  h ,g ,f,  e,d ,c,b,a  "}, {0}};
    static const wfs_table tables[] = {{.name = "t", .columns = columns,
                                        .indexes = indexes,
                                        .primary_key = "a,b,c,d,e,f,g,h"},
                                       {0}};
    wfs_store *store = make_store(tables, NULL);
    wfs_value key[8], back[8];
    wfs_query query;
    wfs_row row;
    int i, j;

    (void)state;
    for (i = 0; i < 128; i++) {
        key[0] = wfs_integer(i & 1);
        key[1] = wfs_text((i & 2) != 0 ? "x" : "y");
        key[2] = wfs_real((i & 4) != 0 ? 0.5 : 0.25);
        key[3] = wfs_bool((i & 8) != 0);
        key[4] = wfs_time(i & 16);
        key[5] = wfs_json_text((i & 32) != 0 ? "[]" : "{}");
        key[6] = wfs_text((i & 64) != 0 ? "p" : "q");
        key[7] = wfs_integer(0);
        for (j = 0; j < 8; j++)
            back[j] = key[7 - j];
        assert_int_equal(wfs_find(store, "t", "primary", key, 8, &row),
                         WFS_ERR_ROW_NOT_FOUND);
        add(store, "t",
            WFS_FIELDS({"a", key[0]}, {"b", key[1]}, {"c", key[2]},
                       {"d", key[3]}, {"e", key[4]}, {"f", key[5]},
                       {"g", key[6]}, {"h", key[7]}));
        OK(wfs_find(store, "t", "primary", key, 8, &row));
        assert_int_equal(row.id, i + 1);
        for (j = 0; j < 2; j++) {
            query = query_of("t", j == 0 ? "list" : "order");
            query.equal = back;
            query.equal_count = 8;
            assert_int_equal(strtol(walk(store, &query), NULL, 10), i + 1);
        }
    }
    REFUSED(store,
            wfs_update(store, "t", 1, 0, WFS_FIELDS({"a", wfs_integer(1)})),
            WFS_ERR_UNIQUE, "table t|primary|row 2|1, y, 0.25, 0, 0, {}, q, 0");
    store_check(store);
    wfs_store_free(store);
}

/* --- rows */

static const wfs_column user_columns[] = {
    {.name = "name", .type = WFS_TEXT},
    {.name = "city", .type = WFS_TEXT, .interned = true, .nullable = true},
    {.name = "friend", .type = WFS_REFERENCE, .references = "users",
     .nullable = true},
    {0}};
static const wfs_index user_indexes[] = {
    {.name = "by_name", .columns = "name", .unique = true},
    {.name = "by_city", .columns = "city, name"},
    {.name = "in_city", .columns = "city", .list = true},
    {0}};
static const wfs_column order_columns[] = {
    {.name = "user", .type = WFS_REFERENCE, .references = "users"},
    {.name = "n", .type = WFS_INTEGER, .default_value = {WFS_INTEGER, -3, 0,
                                                         NULL, 0}},
    {.name = "price", .type = WFS_REAL, .nullable = true},
    {.name = "paid", .type = WFS_BOOL, .default_value = {WFS_BOOL, 1, 0, NULL,
                                                         0}},
    {.name = "at", .type = WFS_TIME, .nullable = true},
    {.name = "note", .type = WFS_TEXT, .default_value = {WFS_TEXT, 0, 0, "-",
                                                         0}},
    {.name = "data", .type = WFS_JSON, .nullable = true,
     .default_value = {WFS_JSON, 0, 0, "[1]", 3}},
    {.name = "kind", .type = WFS_TEXT, .interned = true, .nullable = true,
     .default_value = {WFS_TEXT, 0, 0, "", 0}},
    {0}};
static const wfs_index order_indexes[] = {
    {.name = "by_price", .columns = "price", .unique = true, .ordered = true},
    {.name = "by_user", .columns = "user, n"},
    {.name = "of_user", .columns = "user", .list = true},
    {.name = "by_note", .columns = "note, at", .sparse = true},
    {0}};
static const wfs_table shop[] = {
    {.name = "users", .columns = user_columns, .indexes = user_indexes},
    {.name = "orders", .columns = order_columns, .indexes = order_indexes},
    {0}};

static wfs_store *make_shop(void)
{
    wfs_store *store = make_store(shop, NULL);

    add(store, "users", WFS_FIELDS({"name", wfs_text("ann")}));
    add(store, "users", WFS_FIELDS({"name", wfs_text("bob")},
                                   {"city", wfs_text("Oslo")}));
    return store;
}

static void a_new_row_has_defaults_and_nulls(void **state)
{
    wfs_store *store = make_shop();
    wfs_row row = get_row(
        store, "orders",
        add(store, "orders", WFS_FIELDS({"user", wfs_reference(2)})));

    (void)state;
    assert_int_equal(row.version, 1);
    assert_int_equal(wfs_count(store, "orders"), 1);
    expect_cell(&row, "user", wfs_reference(2));
    expect_cell(&row, "n", wfs_integer(-3));
    expect_cell(&row, "price", wfs_null());
    expect_cell(&row, "paid", wfs_bool(true));
    expect_cell(&row, "at", wfs_null());
    expect_cell(&row, "note", wfs_text("-"));
    expect_cell(&row, "data", wfs_json_text("[1]"));
    expect_cell(&row, "kind", wfs_text(""));
    expect_cell(&row, "none", wfs_null());
    assert_int_equal(wfs_row_integer(&row, "n"), -3);
    assert_int_equal(wfs_row_integer(&row, "paid"), 1);
    assert_int_equal(wfs_row_integer(&row, "note"), 0);
    assert_int_equal(wfs_row_integer(&row, "price"), 0);
    assert_string_equal(wfs_row_text(&row, "note"), "-");
    assert_null(wfs_row_text(&row, "n"));
    assert_null(wfs_row_text(&row, "none"));
    store_check(store);
    wfs_store_free(store);
}

static void values_come_out_as_they_went_in(void **state)
{
    static const double reals[] = {0.0, 1.5, -1e300, 5e-324, HUGE_VAL,
                                   -HUGE_VAL};
    static const int64_t integers[] = {0, 1, -1, INT64_MAX, INT64_MIN};
    wfs_store *store = make_shop();
    wfs_row row;
    size_t i;

    (void)state;
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    row = get_row(store, "orders", 1);
    for (i = 0; i < COUNT(reals); i++) {
        OK(wfs_update(store, "orders", 1, 0,
                      WFS_FIELDS({"price", wfs_real(reals[i])})));
        expect_cell(&row, "price", wfs_real(reals[i]));
    }
    for (i = 0; i < COUNT(integers); i++) {
        OK(wfs_update(store, "orders", 1, 0,
                      WFS_FIELDS({"n", wfs_integer(integers[i])},
                                 {"at", wfs_time(integers[i])})));
        expect_cell(&row, "n", wfs_integer(integers[i]));
        expect_cell(&row, "at", wfs_time(integers[i]));
    }
    OK(wfs_update(store, "orders", 1, 0,
                  WFS_FIELDS({"note", wfs_text_n("a\0b\0", 4)},
                             {"kind", wfs_text_n("\0", 1)},
                             {"paid", wfs_bool(false)},
                             {"data", wfs_json_text(" {\"a\": null} ")})));
    expect_cell(&row, "note", wfs_text_n("a\0b\0", 4));
    expect_cell(&row, "kind", wfs_text_n("\0", 1));
    expect_cell(&row, "paid", wfs_bool(false));
    expect_cell(&row, "data", wfs_json_text(" {\"a\": null} "));
    OK(wfs_update(store, "orders", 1, 0,
                  WFS_FIELDS({"note", wfs_text("")}, {"data", wfs_null()})));
    expect_cell(&row, "note", wfs_text(""));
    expect_cell(&row, "data", wfs_null());
    assert_int_equal(get_row(store, "orders", 1).version, 14);
    store_check(store);
    wfs_store_free(store);
}

static void the_last_of_equal_fields_counts(void **state)
{
    wfs_store *store = make_shop();
    wfs_row row;

    (void)state;
    add(store, "orders",
        WFS_FIELDS({"note", wfs_text("one")}, {"user", wfs_reference(1)},
                   {"note", wfs_text("a longer one")},
                   {"note", wfs_text("three")}, {"data", wfs_null()},
                   {"data", wfs_json_text("[]")}));
    store_check(store);
    row = get_row(store, "orders", 1);
    expect_cell(&row, "note", wfs_text("three"));
    expect_cell(&row, "data", wfs_json_text("[]"));
    OK(wfs_update(store, "orders", 1, 1,
                  WFS_FIELDS({"note", wfs_text("four")},
                             {"note", wfs_text("five")}, {"data", wfs_null()},
                             {"data", wfs_json_text("1")},
                             {"data", wfs_null()})));
    store_check(store);
    expect_cell(&row, "note", wfs_text("five"));
    expect_cell(&row, "data", wfs_null());
    REFUSED(store,
            wfs_update(store, "orders", 1, 0,
                       WFS_FIELDS({"note", wfs_text("six")},
                                  {"note", wfs_integer(7)})),
            WFS_ERR_TYPE, "orders|note|text|integer");
    expect_cell(&row, "note", wfs_text("five"));
    wfs_store_free(store);
}

/* What comes out of a row may go into it, or into another one. */
static void a_row_may_be_written_with_its_own_texts(void **state)
{
    wfs_store *store = make_shop();
    wfs_row row;

    (void)state;
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)},
                                    {"note", wfs_text("keep me")}));
    row = get_row(store, "orders", 1);
    OK(wfs_update(store, "orders", 1, 0,
                  WFS_FIELDS({"note", wfs_row_value(&row, "note")},
                             {"kind", wfs_row_value(&row, "note")})));
    expect_cell(&row, "note", wfs_text("keep me"));
    expect_cell(&row, "kind", wfs_text("keep me"));
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)},
                                    {"note", wfs_row_value(&row, "note")}));
    row = get_row(store, "orders", 2);
    expect_cell(&row, "note", wfs_text("keep me"));
    store_check(store);
    wfs_store_free(store);
}

static void a_refused_write_names_what_is_wrong(void **state)
{
    wfs_store *store = make_shop();

    (void)state;
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    REFUSED(store, wfs_insert(store, "carts", NULL, NULL),
            WFS_ERR_TABLE_NOT_FOUND, "carts");
    REFUSED(store, wfs_update(store, "carts", 1, 0, NULL),
            WFS_ERR_TABLE_NOT_FOUND, "carts");
    REFUSED(store, wfs_delete(store, "carts", 1, 0), WFS_ERR_TABLE_NOT_FOUND,
            "carts");
    REFUSED(store,
            wfs_insert(store, "users",
                       WFS_FIELDS({"name", wfs_text("carl")},
                                  {"sex", wfs_text("m")}), NULL),
            WFS_ERR_COLUMN_NOT_FOUND, "users|sex");
    REFUSED(store,
            wfs_insert(store, "users", WFS_FIELDS({"name", wfs_integer(1)}),
                       NULL),
            WFS_ERR_TYPE, "users|name|text|integer");
    REFUSED(store,
            wfs_update(store, "orders", 1, 0,
                       WFS_FIELDS({"n", wfs_integer(5)},
                                  {"at", wfs_integer(5)})),
            WFS_ERR_TYPE, "orders|at|time|integer");
    REFUSED(store, wfs_insert(store, "users", NULL, NULL), WFS_ERR_NOT_NULL,
            "users|name");
    REFUSED(store,
            wfs_update(store, "orders", 1, 0,
                       WFS_FIELDS({"note", wfs_text("x")}, {"n", wfs_null()})),
            WFS_ERR_NOT_NULL, "orders|column n ");
    REFUSED(store,
            wfs_insert(store, "users", WFS_FIELDS({"name", wfs_text("bob")}),
                       NULL),
            WFS_ERR_UNIQUE, "users|by_name|row 2|bob");
    REFUSED(store,
            wfs_update(store, "users", 1, 0,
                       WFS_FIELDS({"name", wfs_text("bob")})),
            WFS_ERR_UNIQUE, "users|by_name|row 2|bob");
    REFUSED(store,
            wfs_update(store, "orders", 1, 0,
                       WFS_FIELDS({"data", wfs_json_text("[1,")})),
            WFS_ERR_JSON, "orders|data");
    wfs_store_free(store);
}

static void a_row_must_be_there_in_the_version_seen(void **state)
{
    static const wfs_row_id absent[] = {0, 3, 64, 65, 1000, UINT32_MAX};
    wfs_store *store = make_shop();
    wfs_row row;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(absent); i++) {
        REFUSED(store, wfs_update(store, "users", absent[i], 0, NULL),
                WFS_ERR_ROW_NOT_FOUND, "users|row");
        REFUSED(store, wfs_delete(store, "users", absent[i], 0),
                WFS_ERR_ROW_NOT_FOUND, "users|row");
        REFUSED(store, wfs_get(store, "users", absent[i], &row),
                WFS_ERR_ROW_NOT_FOUND, "users|row");
    }
    OK(wfs_update(store, "users", 1, 1, NULL));
    row = get_row(store, "users", 1);
    assert_int_equal(row.version, 2);
    REFUSED(store, wfs_update(store, "users", 1, 1, NULL), WFS_ERR_CONFLICT,
            "users|row 1|2|1");
    REFUSED(store, wfs_delete(store, "users", 1, 3), WFS_ERR_CONFLICT,
            "users|row 1|2|3");
    OK(wfs_delete(store, "users", 1, 2));
    REFUSED(store, wfs_delete(store, "users", 1, 2), WFS_ERR_ROW_NOT_FOUND,
            "users|row 1");
    expect_cell(&row, "name", wfs_null());
    assert_null(wfs_row_text(&row, "name"));
    assert_int_equal(add(store, "users", WFS_FIELDS({"name", wfs_text("x")})),
                     3);
    wfs_store_free(store);
}

static void references_hold_both_ways(void **state)
{
    wfs_store *store = make_shop();

    (void)state;
    REFUSED(store,
            wfs_insert(store, "orders", WFS_FIELDS({"user", wfs_reference(3)}),
                       NULL),
            WFS_ERR_REFERENCE, "orders|user|row 3|users");
    REFUSED(store,
            wfs_insert(store, "orders", WFS_FIELDS({"user", wfs_reference(0)}),
                       NULL),
            WFS_ERR_NOT_NULL, "orders|user");
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    REFUSED(store,
            wfs_update(store, "orders", 1, 0,
                       WFS_FIELDS({"user", wfs_reference(UINT32_MAX)})),
            WFS_ERR_REFERENCE, "orders|user|row 4294967295|users");
    REFUSED(store, wfs_delete(store, "users", 1, 0), WFS_ERR_REFERENCE,
            "users|row 1|orders");
    OK(wfs_delete(store, "users", 2, 0));
    OK(wfs_begin(store));
    OK(wfs_delete(store, "orders", 1, 0));
    OK(wfs_delete(store, "users", 1, 0));
    REFUSED(store,
            wfs_insert(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}),
                       NULL),
            WFS_ERR_REFERENCE, "orders|user|row 1|users");
    OK(wfs_rollback(store));
    REFUSED(store, wfs_delete(store, "users", 1, 0), WFS_ERR_REFERENCE,
            "users|row 1|orders");
    wfs_store_free(store);
}

/* Only another row keeps a row from being deleted. */
static void a_row_that_refers_to_itself_can_go(void **state)
{
    wfs_store *store = make_shop();

    (void)state;
    OK(wfs_update(store, "users", 1, 0,
                  WFS_FIELDS({"friend", wfs_reference(1)})));
    OK(wfs_update(store, "users", 2, 0,
                  WFS_FIELDS({"friend", wfs_reference(1)})));
    REFUSED(store, wfs_delete(store, "users", 1, 0), WFS_ERR_REFERENCE,
            "users|row 1");
    OK(wfs_delete(store, "users", 2, 0));
    OK(wfs_delete(store, "users", 1, 0));
    store_check(store);
    wfs_store_free(store);
}

static void find_wants_a_whole_unique_key(void **state)
{
    wfs_store *store = make_shop();
    wfs_value key[2];
    wfs_row row;

    (void)state;
    key[0] = wfs_text("bob");
    key[1] = wfs_text("x");
    OK(wfs_find(store, "users", "by_name", key, 1, &row));
    assert_int_equal(row.id, 2);
    assert_int_equal(row.version, 1);
    REFUSED(store, wfs_find(store, "carts", "by_name", key, 1, &row),
            WFS_ERR_TABLE_NOT_FOUND, "carts");
    REFUSED(store, wfs_find(store, "users", "primary", key, 1, &row),
            WFS_ERR_INDEX_NOT_FOUND, "users|primary");
    REFUSED(store, wfs_find(store, "users", "by_city", key, 1, &row),
            WFS_ERR_ARGUMENT, "users|by_city");
    REFUSED(store, wfs_find(store, "users", "by_name", key, 0, &row),
            WFS_ERR_ARGUMENT, "users|by_name");
    REFUSED(store, wfs_find(store, "users", "by_name", key, 2, &row),
            WFS_ERR_ARGUMENT, "users|by_name");
    key[0] = wfs_integer(1);
    REFUSED(store, wfs_find(store, "users", "by_name", key, 1, &row),
            WFS_ERR_TYPE, "users|name|text|integer");
    key[0] = wfs_text_n("bob", 2);
    REFUSED(store, wfs_find(store, "users", "by_name", key, 1, &row),
            WFS_ERR_ROW_NOT_FOUND, "users|by_name");
    key[0] = wfs_null();
    REFUSED(store, wfs_find(store, "users", "by_name", key, 1, &row),
            WFS_ERR_ROW_NOT_FOUND, "users|by_name");
    wfs_store_free(store);
}

static void nulls_in_a_unique_key_never_clash(void **state)
{
    wfs_store *store = make_shop();
    wfs_value zero = wfs_real(-0.0);
    wfs_row row;
    int i;

    (void)state;
    for (i = 0; i < 5; i++)
        add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    OK(wfs_update(store, "orders", 3, 0, WFS_FIELDS({"price", wfs_real(0)})));
    REFUSED(store,
            wfs_update(store, "orders", 4, 0, WFS_FIELDS({"price", zero})),
            WFS_ERR_UNIQUE, "orders|by_price|row 3");
    OK(wfs_find(store, "orders", "by_price", &zero, 1, &row));
    assert_int_equal(row.id, 3);
    OK(wfs_update(store, "orders", 3, 0, WFS_FIELDS({"price", wfs_null()})));
    OK(wfs_update(store, "orders", 4, 0, WFS_FIELDS({"price", zero})));
    store_check(store);
    wfs_store_free(store);
}

static void a_clash_names_the_value_itself(void **state)
{
    static const double reals[] = {2.5, 1e300, -HUGE_VAL};
    static const char *const names[] = {"(2.5)", "(1e+300)", "(-Infinity)"};
    wfs_store *store = make_shop();
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(reals); i++) {
        wfs_field fields[3] = {{"user", wfs_reference(1)},
                               {"price", wfs_real(reals[i])}, {0}};

        add(store, "orders", fields);
        REFUSED(store, wfs_insert(store, "orders", fields, NULL),
                WFS_ERR_UNIQUE, names[i]);
    }
    wfs_store_free(store);
}

/* A key that is too long for a message is cut where a reader can see it. */
static void a_clash_of_long_keys_is_cut(void **state)
{
    wfs_store *store = make_shop();
    char name[601];
    const char *message;
    size_t i, ascii;

    (void)state;
    for (ascii = 0; ascii < 2; ascii++) {
        memset(name, 'n', ascii);
        for (i = ascii; i + 2 < sizeof name; i += 2)
            memcpy(name + i, "\xC3\xA9", 2);
        name[i] = '\0';
        add(store, "users", WFS_FIELDS({"name", wfs_text(name)}));
        REFUSED(store,
                wfs_insert(store, "users", WFS_FIELDS({"name", wfs_text(name)}),
                           NULL),
                WFS_ERR_UNIQUE, "by_name|\xC3\xA9...");
        message = wfs_store_error(store)->message;
        for (i = 0; message[i] != '\0'; i++)
            if ((unsigned char)message[i] == 0xC3)
                assert_int_equal((unsigned char)message[i + 1], 0xA9);
    }
    wfs_store_free(store);
}

/* Two keys whose hashes are equal, found by trying. */
typedef struct hashed_key {
    uint32_t hash;
    uint32_t key;
} hashed_key;

static int by_hash(const void *left, const void *right)
{
    uint32_t first = ((const hashed_key *)left)->hash;
    uint32_t second = ((const hashed_key *)right)->hash;

    return (first > second) - (first < second);
}

static void find_collision(int64_t *first, int64_t *second)
{
    enum { KEYS = 300000 };
    hashed_key *keys = (hashed_key *)malloc(KEYS * sizeof *keys);
    uint64_t word;
    uint32_t i;

    assert_non_null(keys);
    for (i = 0; i < KEYS; i++) {
        word = i;
        keys[i].hash = wfsi_key_hash(&word, 1);
        keys[i].key = i;
    }
    qsort(keys, KEYS, sizeof *keys, by_hash);
    for (i = 1; i < KEYS && keys[i].hash != keys[i - 1].hash;)
        i++;
    assert_true(i < KEYS);
    *first = keys[i - 1].key;
    *second = keys[i].key;
    free(keys);
}

static void keys_with_equal_hashes_are_told_apart(void **state)
{
    static const wfs_index indexes[] = {
        {.name = "one", .columns = "id", .unique = true},
        {.name = "all", .columns = "id", .list = true}, {0}};
    static const wfs_table tables[] = {{.name = "t", .columns = id_columns,
                                        .indexes = indexes}, {0}};
    wfs_store *store = make_store(tables, NULL);
    int64_t first, second;
    wfs_query query;
    wfs_value key;
    wfs_row row;

    (void)state;
    find_collision(&first, &second);
    add(store, "t", WFS_FIELDS({"id", wfs_integer(first)}));
    add(store, "t", WFS_FIELDS({"id", wfs_integer(second)}));
    key = wfs_integer(second);
    OK(wfs_find(store, "t", "one", &key, 1, &row));
    assert_int_equal(row.id, 2);
    query = query_of("t", "all");
    query.equal = &key;
    query.equal_count = 1;
    expect_walk(store, &query, "2");
    REFUSED(store,
            wfs_update(store, "t", 2, 0,
                       WFS_FIELDS({"id", wfs_integer(first)})),
            WFS_ERR_UNIQUE, "table t|one|row 1");
    REFUSED(store,
            wfs_update(store, "t", 1, 0,
                       WFS_FIELDS({"id", wfs_integer(second)})),
            WFS_ERR_UNIQUE, "table t|one|row 2");
    OK(wfs_delete(store, "t", 1, 0));
    OK(wfs_update(store, "t", 2, 0, WFS_FIELDS({"id", wfs_integer(first)})));
    store_check(store);
    wfs_store_free(store);
}

/* --- texts and their memory */

static const wfs_column note_columns[] = {
    {.name = "text", .type = WFS_TEXT, .nullable = true},
    {.name = "kept", .type = WFS_TEXT, .nullable = true, .interned = true},
    {0}};
static const wfs_table notes[] = {{.name = "notes", .columns = note_columns},
                                  {0}};

enum { LONGEST_TEXT = (1 << 20) + 1000 };

static char *long_text(void)
{
    static char text[LONGEST_TEXT + 1];
    size_t i;

    for (i = 0; text[LONGEST_TEXT - 1] == '\0' && i < LONGEST_TEXT; i++)
        text[i] = (char)('a' + i * 7 % 26);
    return text;
}

/* Sizes around everything that the heap counts in: 8 bytes, the lists, half a
 * chunk, a chunk. */
static size_t text_sizes(size_t *sizes)
{
    static const size_t units[] = {63, 64, 65, 80, 81, 96, 97, 112, 113, 128,
                                   129, 1024, 2048, 2049, 4000, 4095, 4096,
                                   4097, 8191, 8192, 8193, 20000};
    size_t i, count = 0;

    for (i = 0; i <= 64; i++)
        sizes[count++] = i;
    for (i = 0; i < COUNT(units); i++) {
        sizes[count++] = units[i] * 8 - 6;
        sizes[count++] = units[i] * 8 - 5;
        sizes[count++] = units[i] * 8 - 4;
    }
    sizes[count++] = 1 << 20;
    return count;
}

static void texts_of_every_size_are_kept(void **state)
{
    wfs_store *store = make_store(notes, NULL);
    size_t sizes[256], i, count = text_sizes(sizes);
    wfs_value text, other;
    wfs_row row;

    (void)state;
    for (i = 0; i < count; i++) {
        text = wfs_text_n(long_text() + i, sizes[i]);
        row = get_row(store, "notes",
                      add(store, "notes",
                          WFS_FIELDS({"text", text}, {"kept", text})));
        expect_cell(&row, "text", text);
        expect_cell(&row, "kept", text);
    }
    store_check(store);
    for (i = 0; i < count; i++) {
        text = wfs_text_n(long_text() + i, sizes[i]);
        other = wfs_text_n(long_text() + 5, sizes[count - 1 - i]);
        OK(wfs_update(store, "notes", (wfs_row_id)i + 1, 1,
                      WFS_FIELDS({"text", other})));
        row = get_row(store, "notes", (wfs_row_id)i + 1);
        expect_cell(&row, "text", other);
        expect_cell(&row, "kept", text);
    }
    store_check(store);
    for (i = 0; i < count; i++)
        OK(wfs_delete(store, "notes", (wfs_row_id)i + 1, 2));
    store_check(store);
    wfs_store_free(store);
}

/* Texts of these sizes come and go; from the second time on that takes no
 * more memory. */
static void what_is_freed_is_used_again(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(notes, &allocator);
    size_t sizes[256], i, round, count = text_sizes(sizes);
    size_t held = 0, told = 0;
    wfs_row_id id;

    (void)state;
    id = add(store, "notes", NULL);
    for (round = 0; round < 6; round++) {
        for (i = 0; i < count; i++)
            OK(wfs_update(store, "notes", id, 0,
                          WFS_FIELDS({"text", wfs_text_n(long_text(),
                                                         sizes[i])})));
        OK(wfs_begin(store));
        for (i = 0; i < count; i++)
            OK(wfs_update(store, "notes", id, 0,
                          WFS_FIELDS({"text", wfs_text_n(long_text(),
                                                         sizes[i])})));
        OK(round % 2 == 0 ? wfs_commit(store) : wfs_rollback(store));
        OK(wfs_update(store, "notes", id, 0,
                      WFS_FIELDS({"text", wfs_null()})));
        if (round > 1) {
            assert_int_equal(memory.bytes, held);
            assert_int_equal(wfs_store_memory(store), told);
        }
        held = memory.bytes;
        told = wfs_store_memory(store);
    }
    store_check(store);
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

static void a_large_text_gives_its_memory_back(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(notes, &allocator);
    size_t before, told;

    (void)state;
    add(store, "notes", WFS_FIELDS({"text", wfs_text("short")}));
    before = memory.bytes;
    told = wfs_store_memory(store);
    add(store, "notes",
        WFS_FIELDS({"text", wfs_text_n(long_text(), 1 << 20)}));
    assert_true(memory.bytes > before + (1 << 20));
    assert_true(wfs_store_memory(store) > told + (1 << 20));
    OK(wfs_delete(store, "notes", 2, 0));
    assert_true(memory.bytes < before + 4096);
    assert_true(wfs_store_memory(store) < told + 4096);
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

/* Of a full store, with every kind of part; give or take a tenth. */
static void the_memory_told_is_the_memory_held(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(shop, &allocator);
    wfs_query query = query_of("users", "by_city");
    size_t told, round;
    char name[32];
    int i;

    (void)state;
    for (round = 0; round < 3; round++) {
        OK(wfs_begin(store));
        for (i = 0; i < 3000; i++) {
            snprintf(name, sizeof name, "user %u %d", (unsigned)round, i);
            add(store, "users", WFS_FIELDS({"name", wfs_text(name)},
                                           {"city", wfs_text(name + 6)}));
        }
        query.page_size = 1;
        walk(store, &query);
        if (round == 2)
            for (i = 1; i <= 3000; i++)
                OK(wfs_delete(store, "users", (wfs_row_id)i, 0));
        told = wfs_store_memory(store);
        assert_true(told <= memory.bytes);
        assert_true(told >= memory.bytes - memory.bytes / 10);
        OK(wfs_commit(store));
    }
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

static wfs_row_id add_note(wfs_store *store, int number)
{
    char text[32];

    snprintf(text, sizeof text, "note %d", number);
    return add(store, "notes", WFS_FIELDS({"text", wfs_text(text)}));
}

/* Rows that are gone for good give their memory back, and ids go on. */
static void rows_that_are_gone_leave_no_memory(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(notes, &allocator);
    size_t held = 0;
    wfs_row_id id = 0;
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        assert_int_equal(add_note(store, i % 10), ++id);
        if (id > 100)
            OK(wfs_delete(store, "notes", id - 100, 0));
        if (i == 1000)
            held = memory.bytes;
    }
    assert_true(memory.bytes < held + 16384);
    assert_int_equal(wfs_count(store, "notes"), 100);
    store_check(store);
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

/* After a rollback there is room for rows far beyond the next one. */
static void rows_come_and_go_after_a_rollback(void **state)
{
    wfs_store *store = make_store(notes, NULL);
    wfs_row row;
    int i, round;

    (void)state;
    OK(wfs_begin(store));
    for (i = 0; i < 300; i++)
        add_note(store, i);
    OK(wfs_rollback(store));
    store_check(store);
    for (round = 0; round < 200; round++) {
        assert_int_equal(add_note(store, round), round + 1);
        OK(wfs_delete(store, "notes", (wfs_row_id)round + 1, 0));
        store_check(store);
        assert_int_equal(wfs_get(store, "notes", (wfs_row_id)round + 1, &row),
                         WFS_ERR_ROW_NOT_FOUND);
    }
    wfs_store_free(store);
}

static void a_refused_insert_at_a_new_chunk_is_forgotten(void **state)
{
    wfs_store *store = make_store(notes, NULL);
    int i;

    (void)state;
    for (i = 0; i < 64; i++)
        add_note(store, i);
    REFUSED(store, wfs_insert(store, "notes", WFS_FIELDS({"x", wfs_null()}),
                              NULL),
            WFS_ERR_COLUMN_NOT_FOUND, "notes|x");
    for (i = 0; i < 64; i++)
        OK(wfs_delete(store, "notes", (wfs_row_id)i + 1, 0));
    store_check(store);
    assert_int_equal(add_note(store, 1), 65);
    OK(wfs_delete(store, "notes", 65, 0));
    assert_int_equal(add_note(store, 1), 66);
    store_check(store);
    wfs_store_free(store);
}

/* --- transactions */

static void without_a_transaction_there_is_none_to_end(void **state)
{
    wfs_store *store = make_shop();

    (void)state;
    REFUSED(store, wfs_commit(store), WFS_ERR_NO_TRANSACTION, "transaction");
    REFUSED(store, wfs_rollback(store), WFS_ERR_NO_TRANSACTION, "transaction");
    OK(wfs_begin(store));
    OK(wfs_begin(store));
    OK(wfs_commit(store));
    OK(wfs_rollback(store));
    REFUSED(store, wfs_commit(store), WFS_ERR_NO_TRANSACTION, "transaction");
    wfs_store_free(store);
}

static void a_transaction_sees_what_it_wrote(void **state)
{
    wfs_store *store = make_shop();
    wfs_query query = query_of("users", "by_city");
    wfs_value key = wfs_text("carl");
    wfs_row row;

    (void)state;
    expect_walk(store, &query, "1 2");
    OK(wfs_begin(store));
    add(store, "users", WFS_FIELDS({"name", key}, {"city", wfs_text("Bonn")}));
    OK(wfs_find(store, "users", "by_name", &key, 1, &row));
    assert_int_equal(row.id, 3);
    expect_walk(store, &query, "1 3 2");
    OK(wfs_update(store, "users", 3, 1, WFS_FIELDS({"city", wfs_text("Rom")})));
    expect_walk(store, &query, "1 2 3");
    OK(wfs_delete(store, "users", 1, 0));
    expect_walk(store, &query, "2 3");
    assert_int_equal(wfs_count(store, "users"), 2);
    OK(wfs_commit(store));
    expect_walk(store, &query, "2 3");
    row = get_row(store, "users", 3);
    assert_int_equal(row.version, 2);
    store_check(store);
    wfs_store_free(store);
}

/* Change much: rows, keys, texts, chunks of rows. */
static void change_much(wfs_store *store, int seed)
{
    char name[48];
    int i;

    for (i = 0; i < 150; i++) {
        snprintf(name, sizeof name, "%d-%d and some more text", seed, i);
        add(store, "users",
            WFS_FIELDS({"name", wfs_text(name)},
                       {"city", wfs_text(i % 3 == 0 ? "Oslo" : name)}));
    }
    OK(wfs_update(store, "users", 1, 0,
                  WFS_FIELDS({"name", wfs_text(name + 1)},
                             {"city", wfs_text(name)})));
    OK(wfs_update(store, "users", 2, 0,
                  WFS_FIELDS({"name", wfs_text(name + 2)})));
    OK(wfs_delete(store, "users", (wfs_row_id)(wfs_count(store, "users") / 2),
                  0));
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(2)},
                                    {"note", wfs_text(name)}));
    OK(wfs_update(store, "orders", 1, 0,
                  WFS_FIELDS({"price", wfs_real(seed)}, {"n", wfs_integer(5)},
                             {"user", wfs_reference(2)})));
    store_check(store);
}

static void a_rollback_takes_everything_back(void **state)
{
    wfs_store *store = make_shop(), *before;
    wfs_query query = query_of("users", "by_city");
    wfs_error difference;
    wfs_row row;
    int round;

    (void)state;
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    OK(wfs_store_fork(store, &before));
    for (round = 0; round < 3; round++) {
        OK(wfs_begin(store));
        change_much(store, round);
        assert_true(wfs_store_hash(store) != wfs_store_hash(before));
        if (round == 1)
            query.page_size = (size_t)(walk(store, &query) != NULL);
        OK(wfs_rollback(store));
        store_check(store);
        assert_true(wfs_store_hash(store) == wfs_store_hash(before));
        if (!wfs_store_equal(before, store, &difference))
            fail_msg("%s", difference.message);
    }
    row = get_row(store, "users", 1);
    assert_int_equal(row.version, 1);
    assert_int_equal(add(store, "users", WFS_FIELDS({"name", wfs_text("x")})),
                     3);
    wfs_store_free(store);
    wfs_store_free(before);
}

static void savepoints_nest(void **state)
{
    enum { DEEP = 40 };
    wfs_store *store = make_shop();
    uint64_t hashes[DEEP + 1], hash;
    int i;

    (void)state;
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    for (i = 0; i < DEEP; i++) {
        hashes[i] = wfs_store_hash(store);
        OK(wfs_begin(store));
        if (i < 6)
            change_much(store, i);
        else
            OK(wfs_update(store, "users", 2, 0,
                          WFS_FIELDS({"city", wfs_text_n("0123456", 1 +
                                                         (size_t)i % 7)})));
    }
    for (i = DEEP - 1; i >= 10; i--) {
        OK(wfs_rollback(store));
        assert_true(wfs_store_hash(store) == hashes[i]);
    }
    hash = wfs_store_hash(store);
    for (i = 9; i >= 5; i--) {
        OK(wfs_commit(store));
        assert_true(wfs_store_hash(store) == hash);
    }
    for (i = 4; i >= 0; i--) {
        OK(wfs_rollback(store));
        assert_true(wfs_store_hash(store) == hashes[i]);
        store_check(store);
    }
    REFUSED(store, wfs_rollback(store), WFS_ERR_NO_TRANSACTION, "transaction");
    wfs_store_free(store);
}

static void a_refused_write_leaves_its_transaction_open(void **state)
{
    wfs_store *store = make_shop();

    (void)state;
    OK(wfs_begin(store));
    add(store, "users", WFS_FIELDS({"name", wfs_text("carl")}));
    REFUSED(store,
            wfs_insert(store, "users", WFS_FIELDS({"name", wfs_text("carl")}),
                       NULL),
            WFS_ERR_UNIQUE, "users|by_name|row 3|carl");
    REFUSED(store,
            wfs_update(store, "users", 3, 0,
                       WFS_FIELDS({"city", wfs_text("x")},
                                  {"name", wfs_text("ann")})),
            WFS_ERR_UNIQUE, "users|by_name|row 1|ann");
    OK(wfs_commit(store));
    assert_int_equal(wfs_count(store, "users"), 3);
    store_check(store);
    wfs_store_free(store);
}

/* --- scans */

static const wfs_column day_columns[] = {
    {.name = "day", .type = WFS_INTEGER, .nullable = true},
    {.name = "name", .type = WFS_TEXT, .nullable = true},
    {.name = "size", .type = WFS_REAL, .nullable = true},
    {.name = "done", .type = WFS_BOOL, .nullable = true},
    {0}};
static const wfs_index day_indexes[] = {
    {.name = "by_day", .columns = "day, name"},
    {.name = "by_name", .columns = "name"},
    {.name = "by_size", .columns = "size, day"},
    {.name = "named", .columns = "name", .sparse = true},
    {.name = "one_a_day", .columns = "day, size", .unique = true,
     .ordered = true},
    {.name = "of_day", .columns = "day", .list = true},
    {.name = "of_size", .columns = "size", .list = true},
    {.name = "of_done", .columns = "done", .list = true},
    {.name = "of_name", .columns = "name", .list = true},
    {.name = "only", .columns = "day, done, size", .unique = true},
    {0}};
static const wfs_table days[] = {
    {.name = "days", .columns = day_columns, .indexes = day_indexes}, {0}};

static wfs_row_id add_day(wfs_store *store, wfs_value day, wfs_value name,
                          wfs_value size)
{
    return add(store, "days", WFS_FIELDS({"day", day}, {"name", name},
                                         {"size", size}));
}

static void nulls_come_first(void **state)
{
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_day");
    wfs_value null = wfs_null(), lowest = wfs_integer(INT64_MIN);

    (void)state;
    add_day(store, lowest, null, null);
    add_day(store, null, wfs_text("b"), null);
    add_day(store, lowest, wfs_text(""), null);
    add_day(store, null, wfs_text("a"), null);
    add_day(store, wfs_integer(0), null, null);
    expect_walk(store, &query, "4 2 1 3 5");
    query.equal = &null;
    query.equal_count = 1;
    expect_walk(store, &query, "4 2");
    query.equal = &lowest;
    expect_walk(store, &query, "1 3");
    query.descending = true;
    expect_walk(store, &query, "3 1");
    query = query_of("days", "by_day");
    query.from = &lowest;
    expect_walk(store, &query, "1 3 5");
    query = query_of("days", "by_day");
    query.to = &null;
    expect_walk(store, &query, "4 2");
    query.to = &lowest;
    expect_walk(store, &query, "4 2 1 3");
    wfs_store_free(store);
}

static void zero_is_zero_with_either_sign(void **state)
{
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_size");
    wfs_value minus = wfs_real(-0.0), day = wfs_integer(2);

    (void)state;
    add_day(store, wfs_integer(1), wfs_null(), wfs_real(0.0));
    add_day(store, wfs_integer(2), wfs_null(), wfs_real(-0.0));
    add_day(store, wfs_integer(3), wfs_null(), wfs_real(-1));
    add_day(store, wfs_integer(4), wfs_null(), wfs_real(1));
    query.equal = &minus;
    query.equal_count = 1;
    expect_walk(store, &query, "1 2");
    query.from = &day;
    expect_walk(store, &query, "2");
    query.from = NULL;
    query.descending = true;
    expect_walk(store, &query, "2 1");
    query = query_of("days", "by_size");
    query.to = &minus;
    query.descending = true;
    expect_walk(store, &query, "2 1 3");
    query.descending = false;
    expect_walk(store, &query, "3 1 2");
    query.to = NULL;
    query.from = &minus;
    expect_walk(store, &query, "1 2 4");
    wfs_store_free(store);
}

/* A null is not the zero that its cell is filled with. */
static void a_list_tells_null_from_zero(void **state)
{
    static const char *const indexes[] = {"of_day", "of_size", "of_done",
                                          "of_name"};
    wfs_value values[4];
    wfs_store *store = make_store(days, NULL);
    wfs_query query;
    size_t i;

    (void)state;
    values[0] = wfs_integer(0);
    values[1] = wfs_real(0);
    values[2] = wfs_bool(false);
    values[3] = wfs_text("");
    add(store, "days", NULL);
    for (i = 0; i < 4; i++) {
        query = query_of("days", indexes[i]);
        query.equal = &values[i];
        query.equal_count = 1;
        expect_walk(store, &query, "");
    }
    add(store, "days", WFS_FIELDS({"day", values[0]}, {"size", values[1]},
                                  {"done", values[2]}, {"name", values[3]}));
    add(store, "days", NULL);
    for (i = 0; i < 4; i++) {
        query = query_of("days", indexes[i]);
        query.equal = &values[i];
        query.equal_count = 1;
        expect_walk(store, &query, "2");
    }
    store_check(store);
    wfs_store_free(store);
}

/* As an ordered index does. */
static void a_list_has_the_rows_with_null(void **state)
{
    wfs_value null = wfs_null();
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "of_day");

    (void)state;
    add(store, "days", NULL);
    add_day(store, wfs_integer(0), null, null);
    add(store, "days", NULL);
    query.equal = &null;
    query.equal_count = 1;
    expect_walk(store, &query, "1 3");
    query.descending = true;
    expect_walk(store, &query, "3 1");
    wfs_store_free(store);
}

static void a_prefix_finds_the_texts_that_start_with_it(void **state)
{
    static const char *const names[] = {"b", "", "abc", "ab", "a", "ac",
                                        "abcdefghij", "abcdefghik"};
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_name");
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        add_day(store, wfs_null(), wfs_text(names[i]), wfs_null());
    add_day(store, wfs_null(), wfs_null(), wfs_null());
    query.starts_with = "ab";
    expect_walk(store, &query, "4 3 7 8");
    query.descending = true;
    expect_walk(store, &query, "8 7 3 4");
    query.starts_with = "abcdefghi";
    expect_walk(store, &query, "8 7");
    query.starts_with = "c";
    expect_walk(store, &query, "");
    query.descending = false;
    expect_walk(store, &query, "");
    query.starts_with = "ac";
    expect_walk(store, &query, "6");
    query.index = "named";
    expect_walk(store, &query, "6");
    wfs_store_free(store);
}

/* Every text starts with no text; a null is no text. */
static void the_empty_prefix_finds_every_text(void **state)
{
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_name");

    (void)state;
    add_day(store, wfs_null(), wfs_null(), wfs_null());
    add_day(store, wfs_null(), wfs_text(""), wfs_null());
    add_day(store, wfs_null(), wfs_text("a"), wfs_null());
    query.starts_with = "";
    expect_walk(store, &query, "2 3");
    query.descending = true;
    expect_walk(store, &query, "3 2");
    wfs_store_free(store);
}

static void bounds_and_a_prefix_hold_together(void **state)
{
    static const char *const names[] = {"a", "ba", "bb", "bc", "c"};
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_name");
    wfs_value from = wfs_text("a"), to = wfs_text("bb");
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        add_day(store, wfs_null(), wfs_text(names[i]), wfs_null());
    query.starts_with = "b";
    query.from = &from;
    query.to = &to;
    expect_walk(store, &query, "2 3");
    query.descending = true;
    expect_walk(store, &query, "3 2");
    from = wfs_text("bb");
    to = wfs_text("c");
    expect_walk(store, &query, "4 3");
    query.descending = false;
    expect_walk(store, &query, "3 4");
    to = wfs_null();
    expect_walk(store, &query, "");
    wfs_store_free(store);
}

/* The end of a prefix is not found by counting its last byte up. */
static void a_prefix_may_end_with_the_highest_byte(void **state)
{
    static const char *const names[] = {"a", "a\xFF", "a\xFF\xFF", "b",
                                        "\xFF", "\xFF\xFFz", "a\x7F",
                                        "a\x80"};
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_name");
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(names); i++)
        add_day(store, wfs_null(), wfs_text(names[i]), wfs_null());
    query.descending = true;
    query.starts_with = "a\xFF";
    expect_walk(store, &query, "3 2");
    query.starts_with = "\xFF\xFF";
    expect_walk(store, &query, "6");
    query.starts_with = "\xFF";
    expect_walk(store, &query, "6 5");
    query.starts_with = "a\x7F";
    expect_walk(store, &query, "7");
    query.starts_with = "a";
    expect_walk(store, &query, "3 2 8 7 1");
    wfs_store_free(store);
}

static void scan_refused(wfs_store *store, wfs_query query,
                         wfs_status expected, const char *parts)
{
    wfs_cursor *cursor = (wfs_cursor *)store;

    REFUSED(store, wfs_cursor_open(store, &query, &cursor), expected, parts);
    assert_null(cursor);
}

static void a_query_must_fit_its_index(void **state)
{
    wfs_store *store = make_store(days, NULL);
    wfs_value day = wfs_integer(1), keys[3];

    (void)state;
    keys[0] = day;
    keys[1] = wfs_text("x");
    keys[2] = wfs_null();
    scan_refused(store, query_of("weeks", NULL), WFS_ERR_TABLE_NOT_FOUND,
                 "weeks");
    scan_refused(store, query_of("days", "by_week"), WFS_ERR_INDEX_NOT_FOUND,
                 "days|by_week");
    scan_refused(store, query_of("days", "only"), WFS_ERR_ARGUMENT,
                 "days|only");
    scan_refused(store, query_of("days", "of_day"), WFS_ERR_ARGUMENT,
                 "days|of_day");
    scan_refused(store, (wfs_query){.table = "days", .from = &day},
                 WFS_ERR_ARGUMENT, "days");
    scan_refused(store, (wfs_query){.table = "days", .index = "by_day",
                                    .equal = keys, .equal_count = 3},
                 WFS_ERR_ARGUMENT, "days|by_day");
    scan_refused(store, (wfs_query){.table = "days", .index = "by_day",
                                    .equal = keys, .equal_count = 2,
                                    .to = &day},
                 WFS_ERR_ARGUMENT, "days|by_day");
    scan_refused(store, (wfs_query){.table = "days", .index = "by_day",
                                    .equal = keys + 1, .equal_count = 1},
                 WFS_ERR_TYPE, "days|day|integer|text");
    scan_refused(store, (wfs_query){.table = "days", .index = "by_name",
                                    .from = &day},
                 WFS_ERR_TYPE, "days|name|text|integer");
    scan_refused(store, (wfs_query){.table = "days", .index = "by_name",
                                    .to = &day},
                 WFS_ERR_TYPE, "days|name|text|integer");
    scan_refused(store, (wfs_query){.table = "days", .index = "by_day",
                                    .starts_with = "1"},
                 WFS_ERR_TYPE, "days|day|integer|text");
    wfs_store_free(store);
}

/* --- cursors */

static void a_cursor_stays_valid_whatever_is_written(void **state)
{
    static const char *const indexes[] = {NULL, "by_day", "of_name"};
    wfs_value name = wfs_text("n");
    wfs_cursor *cursor;
    wfs_query query;
    wfs_row row;
    size_t i;
    int day;

    (void)state;
    for (i = 0; i < COUNT(indexes); i++) {
        wfs_store *store = make_store(days, NULL);

        query = query_of("days", indexes[i]);
        query.equal = i == 2 ? &name : NULL;
        query.equal_count = i == 2;
        for (day = 1; day <= 200; day++)
            add_day(store, wfs_integer(day), name, wfs_null());
        OK(wfs_cursor_open(store, &query, &cursor));
        assert_null(wfs_cursor_text(cursor));
        for (day = 1; day <= 200; day++) {
            assert_true(wfs_cursor_has_more(cursor));
            OK(wfs_cursor_next(cursor, &row));
            assert_int_equal(row.id, day);
            expect_cell(&row, "day", wfs_integer(day));
            if (day % 2 == 0)
                OK(wfs_begin(store));
            OK(wfs_delete(store, "days", row.id, row.version));
            if (day % 4 == 0)
                OK(wfs_rollback(store));
            else if (day % 4 == 2)
                OK(wfs_commit(store));
        }
        assert_false(wfs_cursor_has_more(cursor));
        assert_int_equal(wfs_cursor_next(cursor, &row), WFS_DONE);
        assert_int_equal(wfs_count(store, "days"), 50);
        add_day(store, wfs_integer(1), name, wfs_null());
        if (i != 1)     /* by day, that one lies before the cursor */
            OK(wfs_cursor_next(cursor, &row));
        assert_int_equal(wfs_cursor_next(cursor, &row), WFS_DONE);
        wfs_cursor_close(cursor);
        store_check(store);
        wfs_store_free(store);
    }
}

static void what_a_query_points_to_is_copied(void **state)
{
    wfs_store *store = make_store(days, NULL);
    wfs_query query = query_of("days", "by_name");
    char low[] = "b", high[] = "d", prefix[] = "c";
    wfs_value from = wfs_text(low), to = wfs_text(high);
    wfs_cursor *first, *second;
    wfs_row row;

    (void)state;
    add_day(store, wfs_null(), wfs_text("a"), wfs_null());
    add_day(store, wfs_null(), wfs_text("c"), wfs_null());
    add_day(store, wfs_null(), wfs_text("e"), wfs_null());
    query.from = &from;
    query.to = &to;
    OK(wfs_cursor_open(store, &query, &first));
    query = query_of("days", "by_name");
    query.starts_with = prefix;
    OK(wfs_cursor_open(store, &query, &second));
    low[0] = high[0] = prefix[0] = 'a';
    from = to = wfs_null();
    OK(wfs_cursor_next(first, &row));
    assert_int_equal(row.id, 2);
    assert_int_equal(wfs_cursor_next(first, &row), WFS_DONE);
    OK(wfs_cursor_next(second, &row));
    assert_int_equal(row.id, 2);
    assert_int_equal(wfs_cursor_next(second, &row), WFS_DONE);
    wfs_cursor_close(first);
    wfs_cursor_close(second);
    wfs_cursor_close(NULL);
    wfs_store_free(store);
}

/* Days 1 to 9 twice each, some without a name. */
static wfs_store *make_days(void)
{
    wfs_store *store = make_store(days, NULL);
    int i;

    for (i = 0; i < 18; i++)
        add_day(store, wfs_integer(1 + i % 9),
                i % 4 == 0 ? wfs_null() : wfs_text(i % 3 == 0 ? "x" : "yy"),
                wfs_real(i * 0.5));
    return store;
}

static char *text_after(wfs_store *store, const wfs_query *query, int rows)
{
    wfs_cursor *cursor;
    wfs_row row;
    char *copy;

    OK(wfs_cursor_open(store, query, &cursor));
    for (; rows > 0; rows--)
        OK(wfs_cursor_next(cursor, &row));
    assert_non_null(wfs_cursor_text(cursor));
    copy = (char *)malloc(strlen(wfs_cursor_text(cursor)) + 1);
    assert_non_null(copy);
    strcpy(copy, wfs_cursor_text(cursor));
    wfs_cursor_close(cursor);
    return copy;
}

/* A garbled text is refused, or leads to some place of the same walk. */
static void try_garbled(wfs_store *store, const wfs_query *query,
                        const char *text, const char *whole)
{
    char place[1024];
    wfs_query garbled = *query;
    wfs_cursor *cursor;
    wfs_status status;
    const char *rest;

    garbled.cursor = text;
    status = wfs_cursor_open(store, &garbled, &cursor);
    wfs_cursor_close(cursor);
    if (status != WFS_OK) {
        assert_int_equal(status, WFS_ERR_CURSOR);
        assert_int_equal(wfs_store_error(store)->code, WFS_ERR_CURSOR);
        assert_null(cursor);
        return;
    }
    snprintf(place, sizeof place, "%s", walk(store, &garbled));
    rest = whole + strlen(whole) - strlen(place);
    assert_true(strlen(place) <= strlen(whole));
    assert_string_equal(rest, place);
    assert_true(rest == whole || *rest == '\0' || rest[-1] == ' ');
}

static void garble(wfs_store *store, const wfs_query *query, int rows)
{
    static const char other[] = "0123456789abcdefAFg-/:`@~ \n\x01\x7F\xFF";
    char *text = text_after(store, query, rows), *longer, whole[1024];
    size_t i, j, size = strlen(text);
    char kept;

    snprintf(whole, sizeof whole, "%s", walk(store, query));
    longer = (char *)malloc(size * 2 + 3);
    assert_non_null(longer);
    for (i = 0; i < size; i++) {
        kept = text[i];
        for (j = 0; j < sizeof other; j++) {    /* the NUL cuts it */
            text[i] = other[j];
            try_garbled(store, query, text, whole);
        }
        text[i] = kept;
    }
    snprintf(longer, size * 2 + 3, "%s%s", text, text);
    try_garbled(store, query, longer, whole);
    for (i = 0; i < 16; i++) {
        snprintf(longer, size * 2 + 3, "%s0%x", text, (unsigned)i);
        try_garbled(store, query, longer, whole);
    }
    for (i = 0; i < 2000; i++) {
        strcpy(longer, text);
        for (j = 2 + below(6); j > 0; j--)
            longer[below(size)] = "0123456789abcdef"[below(16)];
        try_garbled(store, query, longer, whole);
    }
    free(longer);
    free(text);
}

static void a_garbled_cursor_does_no_harm(void **state)
{
    wfs_store *store = make_days();
    wfs_value name = wfs_text("yy");
    wfs_query query;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        query = query_of("days", NULL);
        query.descending = i == 1;
        garble(store, &query, 5);
        query.index = "by_day";
        garble(store, &query, 3);
        garble(store, &query, 18);
        query.index = "by_size";
        garble(store, &query, 4);
        query.index = "one_a_day";
        garble(store, &query, 1);
        query.index = "of_name";
        query.equal = &name;
        query.equal_count = 1;
        garble(store, &query, 2);
        query.index = "by_name";
        garble(store, &query, 2);
    }
    store_check(store);
    wfs_store_free(store);
}

/* The id of the place is bytes 4 to 7. */
static void nothing_comes_after_the_last_place(void **state)
{
    static const char *const indexes[] = {NULL, "by_day"};
    wfs_store *store = make_days();
    wfs_query query;
    char *text;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(indexes); i++) {
        query = query_of("days", indexes[i]);
        text = text_after(store, &query, 18);
        memset(text + 8, 'f', 8);
        query.cursor = text;
        expect_walk(store, &query, "");
        free(text);
    }
    wfs_store_free(store);
}

static void a_cursor_belongs_to_its_query(void **state)
{
    static const char *const wrong[] = {"", "0", "00", "zz", "00000000",
                                        "0000000000000000", "a cursor"};
    wfs_store *store = make_days(), *other = make_shop();
    wfs_query query = query_of("days", "by_day");
    char *text = text_after(store, &query, 3);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(wrong); i++)
        scan_refused(store, (wfs_query){.table = "days", .index = "by_day",
                                        .cursor = wrong[i]},
                     WFS_ERR_CURSOR, wrong[i]);
    scan_refused(store, (wfs_query){.table = "days", .cursor = text},
                 WFS_ERR_CURSOR, text);
    scan_refused(store, (wfs_query){.table = "days", .index = "by_size",
                                    .cursor = text},
                 WFS_ERR_CURSOR, text);
    scan_refused(store, (wfs_query){.table = "days", .index = "one_a_day",
                                    .cursor = text},
                 WFS_ERR_CURSOR, text);
    scan_refused(other, (wfs_query){.table = "users", .index = "by_city",
                                    .cursor = text},
                 WFS_ERR_CURSOR, text);
    free(text);
    wfs_store_free(store);
    wfs_store_free(other);
}

/* --- forks */

static void a_fork_goes_on_independently(void **state)
{
    wfs_store *store = make_shop(), *copy, *copy_of_copy;
    wfs_query query = query_of("users", "by_city");
    uint64_t hash;

    (void)state;
    add(store, "orders", WFS_FIELDS({"user", wfs_reference(1)}));
    walk(store, &query);
    change_much(store, 1);
    OK(wfs_store_fork(store, &copy));
    hash = wfs_store_hash(store);
    assert_true(wfs_store_hash(copy) == hash);
    assert_true(wfs_store_equal(store, copy, NULL));
    change_much(copy, 2);
    assert_true(wfs_store_hash(store) == hash);
    assert_false(wfs_store_equal(store, copy, NULL));
    store_check(store);
    OK(wfs_store_fork(copy, &copy_of_copy));
    change_much(store, 2);
    assert_true(wfs_store_equal(store, copy, NULL));
    assert_true(wfs_store_hash(copy) == wfs_store_hash(store));
    wfs_store_free(store);
    store_check(copy);
    change_much(copy_of_copy, 3);
    change_much(copy, 3);
    assert_true(wfs_store_equal(copy_of_copy, copy, NULL));
    wfs_store_free(copy);
    query = query_of("orders", "by_note");
    walk(copy_of_copy, &query);
    store_check(copy_of_copy);
    wfs_store_free(copy_of_copy);
}

static void a_store_in_a_transaction_is_not_forked(void **state)
{
    wfs_store *store = make_shop(), *copy = store;

    (void)state;
    OK(wfs_begin(store));
    REFUSED(store, wfs_store_fork(store, &copy), WFS_ERR_MISUSE,
            "transaction");
    assert_null(copy);
    OK(wfs_begin(store));
    OK(wfs_commit(store));
    assert_int_equal(wfs_store_fork(store, &copy), WFS_ERR_MISUSE);
    OK(wfs_rollback(store));
    OK(wfs_store_fork(store, &copy));
    wfs_store_free(copy);
    wfs_store_free(store);
}

static void expect_difference(const wfs_store *left, const wfs_store *right,
                              const char *parts)
{
    wfs_error difference;

    assert_false(wfs_store_equal(left, right, &difference));
    check_error(&difference, WFS_ERR_CONFLICT, parts);
    assert_false(wfs_store_equal(right, left, NULL));
    assert_true(wfs_store_hash(left) != wfs_store_hash(right));
}

static void a_difference_is_named(void **state)
{
    wfs_store *left = make_shop(), *right, *other = make_store(notes, NULL);

    (void)state;
    OK(wfs_store_fork(left, &right));
    assert_true(wfs_store_equal(left, right, NULL));
    OK(wfs_update(right, "users", 2, 0, WFS_FIELDS({"city", wfs_text("Rom")})));
    expect_difference(left, right, "users|row 2|city");
    OK(wfs_update(right, "users", 2, 0, WFS_FIELDS({"city", wfs_null()})));
    expect_difference(left, right, "users|row 2|city");
    OK(wfs_update(right, "users", 2, 0,
                  WFS_FIELDS({"city", wfs_text("Oslo")})));
    expect_difference(left, right, "users|row 2|version|1|4");
    OK(wfs_update(left, "users", 2, 0, NULL));
    OK(wfs_update(left, "users", 2, 0, NULL));
    OK(wfs_update(left, "users", 2, 0, NULL));
    assert_true(wfs_store_equal(left, right, NULL));
    OK(wfs_delete(left, "users", 1, 0));
    OK(wfs_delete(right, "users", 2, 0));
    expect_difference(left, right, "users|row 1");
    OK(wfs_delete(right, "users", 1, 0));
    expect_difference(left, right, "users");
    OK(wfs_delete(left, "users", 2, 0));
    assert_true(wfs_store_equal(left, right, NULL));
    add(left, "users", WFS_FIELDS({"name", wfs_text("x")}));
    OK(wfs_delete(left, "users", 3, 0));
    expect_difference(left, right, "users|next id");
    expect_difference(left, other, "tables");
    wfs_store_free(left);
    wfs_store_free(right);
    wfs_store_free(other);
}

static void tables_differ_by_their_columns_too(void **state)
{
    static const wfs_column renamed[] = {
        {.name = "text", .type = WFS_TEXT, .nullable = true},
        {.name = "held", .type = WFS_TEXT, .nullable = true}, {0}};
    static const wfs_column retyped[] = {
        {.name = "text", .type = WFS_TEXT, .nullable = true},
        {.name = "kept", .type = WFS_JSON, .nullable = true}, {0}};
    static const wfs_column fewer[] = {
        {.name = "text", .type = WFS_TEXT, .nullable = true}, {0}};
    static const wfs_table tables[][2] = {
        {{.name = "notes", .columns = renamed}, {0}},
        {{.name = "notes", .columns = retyped}, {0}},
        {{.name = "notes", .columns = fewer}, {0}},
        {{.name = "Notes", .columns = note_columns}, {0}}};
    wfs_store *store = make_store(notes, NULL), *other;
    wfs_error difference;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(tables); i++) {
        other = make_store(tables[i], NULL);
        assert_false(wfs_store_equal(store, other, &difference));
        check_error(&difference, WFS_ERR_CONFLICT, "table notes");
        assert_false(wfs_store_equal(other, store, NULL));
        wfs_store_free(other);
    }
    wfs_store_free(store);
}

static void a_hash_is_of_the_content_only(void **state)
{
    wfs_store *left = make_shop(), *right = make_store(shop, NULL);
    wfs_query query = query_of("users", "by_city");

    (void)state;
    walk(right, &query);    /* this one has its tree from the start */
    OK(wfs_begin(right));
    add(right, "users", WFS_FIELDS({"name", wfs_text("zoe")},
                                   {"city", wfs_text("Wien")}));
    add(right, "users", WFS_FIELDS({"name", wfs_text("yan")},
                                   {"city", wfs_text("Oslo")}));
    OK(wfs_rollback(right));
    add(right, "users", WFS_FIELDS({"name", wfs_text("ann")}));
    add(right, "users", WFS_FIELDS({"city", wfs_text("Oslo")},
                                   {"name", wfs_text("bob")}));
    assert_true(wfs_store_equal(left, right, NULL));
    assert_true(wfs_store_hash(left) == wfs_store_hash(right));
    add(left, "users", WFS_FIELDS({"name", wfs_text("c")},
                                  {"city", wfs_text("Rom")}));
    add(right, "users", WFS_FIELDS({"name", wfs_text("c")},
                                   {"city", wfs_text("Rom")}));
    assert_true(wfs_store_equal(left, right, NULL));
    assert_true(wfs_store_hash(left) == wfs_store_hash(right));
    walk(left, &query);
    assert_true(wfs_store_hash(left) == wfs_store_hash(right));
    wfs_store_free(left);
    wfs_store_free(right);
}

/* The same number on every machine: this one was reckoned in Python. */
static void a_hash_is_the_same_everywhere(void **state)
{
    wfs_store *store = make_shop();

    (void)state;
    add(store, "orders",
        WFS_FIELDS({"user", wfs_reference(1)}, {"n", wfs_integer(INT64_MIN)},
                   {"price", wfs_real(0.1)}, {"paid", wfs_bool(false)},
                   {"at", wfs_time(1700000000000)},
                   {"note", wfs_text_n("eight by\0tes", 12)},
                   {"kind", wfs_text("k")}));
    assert_true(wfs_store_hash(store) == UINT64_C(0x1533e5a7fbcb7993));
    wfs_store_free(store);
}

/* --- a model: the rows in a plain array, copied for each transaction */

enum { A, B, C, D, E, F, G, R, MODEL_COLUMNS };
enum { MODEL_ROWS = 4096, MODEL_DEPTH = 4, POOL = 64, MODEL_CURSORS = 6 };

static const wfs_column group_columns[] = {
    {.name = "name", .type = WFS_TEXT, .nullable = true}, {0}};
static const wfs_column thing_columns[] = {
    {.name = "a", .type = WFS_INTEGER, .nullable = true},
    {.name = "b", .type = WFS_TEXT},
    {.name = "c", .type = WFS_REAL, .nullable = true},
    {.name = "d", .type = WFS_TEXT, .nullable = true, .interned = true},
    {.name = "e", .type = WFS_BOOL, .default_value = {WFS_BOOL, 1, 0, NULL, 0}},
    {.name = "f", .type = WFS_TIME},
    {.name = "g", .type = WFS_JSON, .nullable = true,
     .default_value = {WFS_JSON, 0, 0, "{}", 2}},
    {.name = "r", .type = WFS_REFERENCE, .nullable = true,
     .references = "groups"},
    {0}};
static const wfs_index thing_indexes[] = {
    {.name = "ab", .columns = "a, b", .unique = true},
    {.name = "df", .columns = "d, f", .unique = true, .ordered = true},
    {.name = "a", .columns = "a"},
    {.name = "dca", .columns = "d, c, a"},
    {.name = "b", .columns = "b"},
    {.name = "cd", .columns = "c, d", .sparse = true},
    {.name = "er", .columns = "e, r"},
    {.name = "g", .columns = "g, b, d, f"},
    {.name = "f", .columns = "f"},
    {.name = "list d", .columns = "d", .list = true},
    {.name = "list ae", .columns = "a, e", .list = true},
    {.name = "list bg", .columns = "b, g", .list = true},
    {.name = "list c", .columns = "c", .list = true, .sparse = true},
    {0}};
static const wfs_table model_tables[] = {
    {.name = "groups", .columns = group_columns},
    {.name = "things", .columns = thing_columns, .indexes = thing_indexes},
    {0}};

/* The columns of each index once more, as the model reads them. */
static const int model_keys[][5] = {
    {A, B, -1}, {D, F, -1}, {A, -1}, {D, C, A, -1}, {B, -1}, {C, D, -1},
    {E, R, -1}, {G, B, D, F, -1}, {F, -1}, {D, -1}, {A, E, -1}, {B, G, -1},
    {C, -1}};

typedef struct model_row {
    uint32_t version;           /* 0: no row */
    wfs_value values[MODEL_COLUMNS];
} model_row;

typedef struct model_rows {
    wfs_row_id next_id;
    model_row rows[MODEL_ROWS];
} model_rows;

typedef struct model_cursor {
    wfs_cursor *cursor;         /* NULL: none */
    wfs_query query;
    wfs_value equal[4], from, to;
    char prefix[16];
    int index;                  /* -1: by row id */
    bool started;
    model_row last;
    wfs_row_id last_id;
} model_cursor;

static struct {
    wfs_store *store;
    model_rows levels[MODEL_DEPTH + 1];
    uint64_t hashes[MODEL_DEPTH + 1];
    int depth;                  /* open transactions */
    model_cursor cursors[MODEL_CURSORS];
    sweep_memory memory;
    bool short_of_memory;       /* now and then an allocation is refused */
    wfs_value pool[MODEL_COLUMNS][POOL];
    size_t pool_count[MODEL_COLUMNS];
    char texts[POOL][40000];
} model;

static model_rows *now(void)
{
    return &model.levels[model.depth];
}

/* What is refused for lack of memory is tried again. */
#define MODEL_TRY(status, call)                                               \
    do {                                                                      \
        if (model.short_of_memory && one_in(3))                               \
            sweep_refuse(&model.memory, 1 + below(4),                         \
                         one_in(2) ? SWEEP_ONCE : SWEEP_FROM);                \
        (status) = (call);                                                    \
        sweep_allow(&model.memory);                                           \
    } while ((status) == WFS_ERR_NO_MEMORY)

/* --- values to choose from: few, so that keys clash */

static void offer(int column, wfs_value value)
{
    assert_true(model.pool_count[column] < POOL);
    model.pool[column][model.pool_count[column]++] = value;
}

static void offer_texts(void)
{
    static const char *const roots[] = {"", "a", "ab", "abcdefgh", "abcdefghi",
                                        "abcdefgi", "b", "\xC3\xA9", "\xFF"};
    static const size_t sizes[] = {61, 300, 511, 2000, 33000, 39000};
    size_t i;

    for (i = 0; i < COUNT(roots); i++) {
        offer(B, wfs_text(roots[i]));
        offer(B, wfs_text_n(roots[i], strlen(roots[i]) + 1));
    }
    for (i = 0; i < COUNT(sizes); i++) {
        memset(model.texts[i], 'x', sizes[i]);
        offer(B, wfs_text_n(model.texts[i], sizes[i]));
    }
    for (i = COUNT(sizes); i < 40; i++) {
        snprintf(model.texts[i], sizeof model.texts[i], "ab%u", (unsigned)i);
        offer(B, wfs_text(model.texts[i]));
    }
}

static void fill_pools(void)
{
    static const double reals[] = {-HUGE_VAL, -1e300, -1.5, -0.0, 0.0, 5e-324,
                                   1.5, HUGE_VAL, (double)NAN};
    static const int64_t integers[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, 2,
                                       3, INT64_MAX - 1, INT64_MAX};
    static const char *const symbols[] = {"x", "", "xy", "xylophone",
                                          "xylophones", "y", "\n"};
    size_t i;

    memset(model.pool_count, 0, sizeof model.pool_count);
    offer_texts();
    for (i = 0; i < COUNT(reals); i++)
        offer(C, wfs_real(reals[i]));
    for (i = 0; i < COUNT(integers); i++)
        offer(A, wfs_integer(integers[i]));
    for (i = 0; i < COUNT(symbols); i++)
        offer(D, wfs_text(symbols[i]));
    for (i = 0; i < 40; i++)    /* the last one does not exist */
        offer(R, wfs_reference((wfs_row_id)(i < 39 ? 1 + i % 4 : 5)));
    offer(A, wfs_null());
    offer(C, wfs_null());
    offer(D, wfs_null());
    offer(R, wfs_null());
    offer(G, wfs_null());
    offer(G, wfs_json_text("[1, 2]"));
    offer(G, wfs_json_text("\"text\""));
    offer(E, wfs_bool(false));
    offer(E, wfs_bool(true));
}

static wfs_value any_value(int column)
{
    if (column == F)
        return wfs_time((int64_t)below(2000) - 10);
    if (column == A && one_in(2))
        return wfs_integer((int64_t)below(100));
    return model.pool[column][below(model.pool_count[column])];
}

/* --- what the store must answer */

static int plain_compare(const wfs_value *left, const wfs_value *right)
{
    size_t i;

    if (left->type == WFS_NULL || right->type == WFS_NULL)
        return (right->type == WFS_NULL) - (left->type == WFS_NULL);
    if (left->type == WFS_REAL) {
        if (isnan(left->real) || isnan(right->real))
            return (isnan(right->real) != 0) - (isnan(left->real) != 0);
        return left->real < right->real ? -1 : left->real > right->real;
    }
    if (left->type != WFS_TEXT && left->type != WFS_JSON)
        return left->integer < right->integer ? -1
                                              : left->integer > right->integer;
    for (i = 0; i < left->size && i < right->size; i++)
        if (left->text[i] != right->text[i])
            return (unsigned char)left->text[i] < (unsigned char)right->text[i]
                       ? -1
                       : 1;
    return left->size < right->size ? -1 : left->size > right->size;
}

static int plain_order(int index, const model_row *left, wfs_row_id left_id,
                       const model_row *right, wfs_row_id right_id)
{
    const int *key;
    int order = 0;

    if (index >= 0 && !thing_indexes[index].list)
        for (key = model_keys[index]; *key >= 0 && order == 0; key++)
            order = -plain_compare(&right->values[*key], &left->values[*key]);
    return order != 0 ? order
                      : left_id < right_id ? -1 : left_id > right_id;
}

static bool plain_indexed(int index, const model_row *row)
{
    const int *key;

    if (row->version == 0)
        return false;
    if (index < 0 ||
        (!thing_indexes[index].unique && !thing_indexes[index].sparse))
        return true;
    for (key = model_keys[index]; *key >= 0; key++)
        if (row->values[*key].type == WFS_NULL)
            return false;
    return true;
}

static bool plain_matches(const model_cursor *cursor, const model_row *row)
{
    const wfs_query *query = &cursor->query;
    const wfs_value *value;
    size_t i, size;

    if (!plain_indexed(cursor->index, row))
        return false;
    if (cursor->index < 0)
        return true;
    for (i = 0; i < query->equal_count; i++)
        if (plain_compare(&row->values[model_keys[cursor->index][i]],
                          &query->equal[i]) != 0)
            return false;
    if (model_keys[cursor->index][i] < 0)
        return true;
    value = &row->values[model_keys[cursor->index][i]];
    if ((query->from != NULL && plain_compare(value, query->from) < 0) ||
        (query->to != NULL && plain_compare(value, query->to) > 0))
        return false;
    size = query->starts_with != NULL ? strlen(query->starts_with) : 0;
    return query->starts_with == NULL ||
           (value->type == WFS_TEXT && value->size >= size &&
            memcmp(value->text, query->starts_with, size) == 0);
}

/* The row that must come next, or 0. */
static wfs_row_id plain_next(const model_cursor *cursor)
{
    const model_rows *rows = now();
    int sign = cursor->query.descending ? -1 : 1;
    wfs_row_id id, best = 0;

    for (id = 1; id < rows->next_id; id++) {
        if (!plain_matches(cursor, &rows->rows[id]))
            continue;
        if (cursor->started &&
            sign * plain_order(cursor->index, &rows->rows[id], id,
                               &cursor->last, cursor->last_id) <= 0)
            continue;
        if (best == 0 ||
            sign * plain_order(cursor->index, &rows->rows[id], id,
                               &rows->rows[best], best) < 0)
            best = id;
    }
    return best;
}

static wfs_row_id plain_find(int index, const model_row *row, wfs_row_id but)
{
    const model_rows *rows = now();
    const int *key;
    wfs_row_id id;

    if (!plain_indexed(index, row))
        return 0;
    for (id = 1; id < rows->next_id; id++) {
        if (id == but || !plain_indexed(index, &rows->rows[id]))
            continue;
        for (key = model_keys[index]; *key >= 0; key++)
            if (!same_value(&rows->rows[id].values[*key], &row->values[*key]))
                break;
        if (*key < 0)
            return id;
    }
    return 0;
}

static wfs_status plain_check(const model_row *row, wfs_row_id id)
{
    int i;

    for (i = 0; i < MODEL_COLUMNS; i++) {
        if (row->values[i].type == WFS_NULL && !thing_columns[i].nullable)
            return WFS_ERR_NOT_NULL;
        if (i == R && row->values[i].integer > 4)
            return WFS_ERR_REFERENCE;
    }
    return plain_find(0, row, id) != 0 || plain_find(1, row, id) != 0
               ? WFS_ERR_UNIQUE
               : WFS_OK;
}

/* --- writes */

/* Choose fields, put them into the row, and tell what is wrong with them. */
static wfs_status choose_fields(wfs_field *fields, model_row *row, bool all)
{
    size_t count = 0;
    int i;

    for (i = 0; i < MODEL_COLUMNS; i++) {
        if (!all && !one_in(3))
            continue;
        fields[count].column = thing_columns[i].name;
        fields[count].value = any_value(i);
        row->values[i] = fields[count++].value;
        if (one_in(10))
            i -= (int)below((size_t)i + 1); /* that column again */
        if (count > 30)
            break;
    }
    row->values[C].real += 0.0;
    memset(&fields[count], 0, 2 * sizeof fields[count]);
    if (!one_in(25))
        return WFS_OK;
    fields[count].column = one_in(2) ? "f" : one_in(2) ? "g" : "none";
    fields[count].value = wfs_json_text("{");
    return fields[count].column[0] == 'f'   ? WFS_ERR_TYPE
           : fields[count].column[0] == 'g' ? WFS_ERR_JSON
                                            : WFS_ERR_COLUMN_NOT_FOUND;
}

static void model_insert(void)
{
    model_rows *rows = now();
    wfs_field fields[40];
    wfs_row_id id = 0;
    model_row row;
    wfs_status expected, status;

    if (rows->next_id == MODEL_ROWS)
        return;
    memset(&row, 0, sizeof row);
    row.values[E] = wfs_bool(true);
    row.values[G] = wfs_json_text("{}");
    expected = choose_fields(fields, &row, !one_in(20));
    row.version = 1;
    if (expected == WFS_OK)
        expected = plain_check(&row, 0);
    MODEL_TRY(status, wfs_insert(model.store, "things", fields, &id));
    if (status != expected)
        fail_msg("insert: %s", wfs_store_error(model.store)->message);
    if (status != WFS_OK)
        return;
    assert_int_equal(id, rows->next_id);
    rows->rows[rows->next_id++] = row;
}

/* Of a row that is there, most of the time. */
static wfs_row_id any_id(void)
{
    const model_rows *rows = now();
    wfs_row_id id = 0;
    int i;

    if (one_in(50))
        return (wfs_row_id)below(rows->next_id + 100u);
    for (i = 0; i < 20 && rows->rows[id].version == 0; i++)
        id = (wfs_row_id)below(rows->next_id);
    return id;
}

/* The version to ask for, and what that must give. */
static wfs_status choose_version(wfs_row_id id, uint32_t *version)
{
    const model_rows *rows = now();

    *version = 0;
    if (id == 0 || id >= rows->next_id || rows->rows[id].version == 0)
        return WFS_ERR_ROW_NOT_FOUND;
    if (one_in(20)) {
        *version = rows->rows[id].version + 1;
        return WFS_ERR_CONFLICT;
    }
    if (one_in(2))
        *version = rows->rows[id].version;
    return WFS_OK;
}

static void model_update(void)
{
    wfs_row_id id = any_id();
    wfs_field fields[40];
    uint32_t version;
    wfs_status expected = choose_version(id, &version), status, wrong;
    model_row row;

    memset(&row, 0, sizeof row);
    if (expected != WFS_ERR_ROW_NOT_FOUND)
        row = now()->rows[id];
    wrong = choose_fields(fields, &row, one_in(10));
    if (expected == WFS_OK)
        expected = wrong;
    if (expected == WFS_OK)
        expected = plain_check(&row, id);
    MODEL_TRY(status,
              wfs_update(model.store, "things", id, version, fields));
    if (status != expected)
        fail_msg("update of row %u: %d, not %d: %s", (unsigned)id, status,
                 expected, wfs_store_error(model.store)->message);
    if (status != WFS_OK)
        return;
    row.version++;
    now()->rows[id] = row;
}

static void model_delete(wfs_row_id id)
{
    uint32_t version;
    wfs_status expected = choose_version(id, &version), status;

    MODEL_TRY(status, wfs_delete(model.store, "things", id, version));
    assert_int_equal(status, expected);
    if (expected == WFS_OK)
        now()->rows[id].version = 0;
}

/* Whole chunks of rows go. */
static void model_delete_many(void)
{
    wfs_row_id id = any_id(), end = id + 150;

    for (; id < end && id < now()->next_id; id++)
        model_delete(id);
}

/* --- transactions */

static void model_begin(void)
{
    const model_rows *rows = now();
    wfs_status status;

    if (model.depth == MODEL_DEPTH)
        return;
    model.hashes[model.depth] = wfs_store_hash(model.store);
    MODEL_TRY(status, wfs_begin(model.store));
    assert_int_equal(status, WFS_OK);
    model.depth++;
    now()->next_id = rows->next_id;
    memcpy(now()->rows, rows->rows, rows->next_id * sizeof rows->rows[0]);
}

static void model_end(void)
{
    const model_rows *rows = now();

    if (model.depth == 0)
        return;
    model.depth--;
    if (one_in(3)) {
        OK(wfs_rollback(model.store));
        assert_true(wfs_store_hash(model.store) == model.hashes[model.depth]);
        return;
    }
    OK(wfs_commit(model.store));
    now()->next_id = rows->next_id;
    memcpy(now()->rows, rows->rows, rows->next_id * sizeof rows->rows[0]);
}

/* --- reads */

static void same_row(const wfs_row *row, const model_row *expected)
{
    wfs_value value;
    int i;

    assert_int_equal(row->version, expected->version);
    for (i = 0; i < MODEL_COLUMNS; i++) {
        value = wfs_row_value(row, thing_columns[i].name);
        if (!same_value(&value, &expected->values[i]))
            fail_msg("row %u differs in %s", (unsigned)row->id,
                     thing_columns[i].name);
    }
}

static void model_compare(void)
{
    const model_rows *rows = now();
    size_t count = 0;
    wfs_row_id id;
    wfs_row row;

    for (id = 1; id < rows->next_id; id++) {
        if (rows->rows[id].version == 0) {
            assert_int_equal(wfs_get(model.store, "things", id, &row),
                             WFS_ERR_ROW_NOT_FOUND);
            continue;
        }
        OK(wfs_get(model.store, "things", id, &row));
        same_row(&row, &rows->rows[id]);
        count++;
    }
    assert_int_equal(wfs_get(model.store, "things", id, &row),
                     WFS_ERR_ROW_NOT_FOUND);
    assert_int_equal(wfs_count(model.store, "things"), count);
    store_check(model.store);
}

static void model_find(void)
{
    int index = (int)below(2);
    wfs_value key[2];
    wfs_row_id expected, id = any_id();
    wfs_status status;
    model_row row;
    wfs_row found;
    int i;

    memset(&row, 0, sizeof row);
    if (id < now()->next_id && one_in(2))
        row = now()->rows[id];
    else
        for (i = 0; i < MODEL_COLUMNS; i++)
            row.values[i] = any_value(i);
    row.version = 1;
    for (i = 0; i < 2; i++)
        key[i] = row.values[model_keys[index][i]];
    expected = plain_find(index, &row, 0);
    status = wfs_find(model.store, "things", thing_indexes[index].name, key, 2,
                      &found);
    assert_int_equal(status, expected != 0 ? WFS_OK : WFS_ERR_ROW_NOT_FOUND);
    if (status == WFS_OK)
        assert_int_equal(found.id, expected);
}

/* A value that a query may ask for: one of a row, or any. */
static wfs_value asked_value(int column)
{
    wfs_row_id id = any_id();

    return id < now()->next_id && id != 0 && now()->rows[id].version != 0 &&
                   one_in(2)
               ? now()->rows[id].values[column]
               : any_value(column);
}

static void choose_bounds(model_cursor *cursor, int column)
{
    wfs_query *query = &cursor->query;
    wfs_value text;

    if (thing_columns[column].type == WFS_TEXT && one_in(2)) {
        do
            text = asked_value(column);
        while (text.type == WFS_NULL);
        snprintf(cursor->prefix, 2 + below(sizeof cursor->prefix - 2), "%s",
                 text.text);
        query->starts_with = cursor->prefix;
        if (!one_in(3))
            return;
    }
    cursor->from = asked_value(column);
    cursor->to = asked_value(column);
    query->from = one_in(2) ? &cursor->from : NULL;
    query->to = one_in(2) ? &cursor->to : NULL;
}

static void choose_query(model_cursor *cursor)
{
    wfs_query *query = &cursor->query;
    size_t columns = 0;

    memset(cursor, 0, sizeof *cursor);
    query->table = "things";
    query->descending = one_in(2);
    cursor->index = (int)below(COUNT(model_keys)) - 1 + one_in(2);
    if (cursor->index == 0)
        cursor->index = 1;      /* the first one is not ordered */
    if (cursor->index < 0)
        return;
    query->index = thing_indexes[cursor->index].name;
    query->equal = cursor->equal;
    while (model_keys[cursor->index][columns] >= 0)
        columns++;
    query->equal_count = thing_indexes[cursor->index].list
                             ? columns
                             : below(below(columns + 1) + 1);
    for (columns = 0; columns < query->equal_count; columns++)
        cursor->equal[columns] =
            asked_value(model_keys[cursor->index][columns]);
    if (model_keys[cursor->index][columns] >= 0 && one_in(2))
        choose_bounds(cursor, model_keys[cursor->index][columns]);
}

static void open_cursor(model_cursor *cursor)
{
    wfs_status status;

    MODEL_TRY(status, wfs_cursor_open(model.store, &cursor->query,
                                      &cursor->cursor));
    if (status != WFS_OK)
        fail_msg("%s", wfs_store_error(model.store)->message);
}

/* Returns whether there was a next row. */
static bool model_step(model_cursor *cursor)
{
    wfs_row_id expected = plain_next(cursor);
    wfs_status status;
    wfs_row row;

    assert_true(one_in(2) ||
                wfs_cursor_has_more(cursor->cursor) == (expected != 0));
    MODEL_TRY(status, wfs_cursor_next(cursor->cursor, &row));
    assert_int_equal(status, expected != 0 ? WFS_OK : WFS_DONE);
    if (status == WFS_DONE)
        return false;
    assert_int_equal(row.id, expected);
    assert_int_equal(row.version, now()->rows[expected].version);
    cursor->started = true;
    cursor->last = now()->rows[expected];
    cursor->last_id = expected;
    return true;
}

/* These walks outlive what is written between their steps. */
static void model_walk_on(void)
{
    model_cursor *cursor = &model.cursors[below(MODEL_CURSORS)];
    size_t steps;

    if (cursor->cursor == NULL) {
        choose_query(cursor);
        open_cursor(cursor);
    }
    for (steps = below(6); steps > 0 && model_step(cursor); steps--)
        ;
    if (one_in(20)) {
        wfs_cursor_close(cursor->cursor);
        cursor->cursor = NULL;
    }
}

static void close_cursors(void)
{
    int i;

    for (i = 0; i < MODEL_CURSORS; i++) {
        wfs_cursor_close(model.cursors[i].cursor);
        model.cursors[i].cursor = NULL;
    }
}

/* --- whole scans */

typedef struct ordered_row {
    wfs_row_id id;
    const model_row *row;
} ordered_row;

static const model_cursor *sorted_for;

static int by_index(const void *left, const void *right)
{
    const ordered_row *first = (const ordered_row *)left;
    const ordered_row *second = (const ordered_row *)right;
    int order = plain_order(sorted_for->index, first->row, first->id,
                            second->row, second->id);

    return sorted_for->query.descending ? -order : order;
}

static size_t plain_scan(const model_cursor *cursor, ordered_row *result)
{
    const model_rows *rows = now();
    size_t count = 0;
    wfs_row_id id;

    for (id = 1; id < rows->next_id; id++)
        if (plain_matches(cursor, &rows->rows[id])) {
            result[count].id = id;
            result[count++].row = &rows->rows[id];
        }
    sorted_for = cursor;
    qsort(result, count, sizeof *result, by_index);
    return count;
}

/* Go back from a place in the middle, by its text. */
static void scan_back(model_cursor *cursor, const char *text,
                      const ordered_row *rows, size_t place)
{
    wfs_row row;

    cursor->query.cursor = text;
    cursor->query.page_size = 0;
    cursor->query.descending = !cursor->query.descending;
    open_cursor(cursor);
    while (place-- > 0) {
        OK(wfs_cursor_next(cursor->cursor, &row));
        assert_int_equal(row.id, rows[place].id);
    }
    assert_int_equal(wfs_cursor_next(cursor->cursor, &row), WFS_DONE);
    wfs_cursor_close(cursor->cursor);
}

/* One page; *text becomes the place after it. Returns its number of rows. */
static size_t scan_page(model_cursor *cursor, const ordered_row *rows,
                        size_t count, char **text)
{
    size_t given = 0, page = cursor->query.page_size;
    wfs_row row;

    open_cursor(cursor);
    while (wfs_cursor_next(cursor->cursor, &row) == WFS_OK) {
        assert_true(given < count);
        assert_int_equal(row.id, rows[given].id);
        given++;
    }
    assert_int_equal(given, page != 0 && page < count ? page : count);
    assert_true(wfs_cursor_has_more(cursor->cursor) == (given < count));
    if (given != 0) {
        free(*text);
        *text = (char *)malloc(strlen(wfs_cursor_text(cursor->cursor)) + 1);
        assert_non_null(*text);
        strcpy(*text, wfs_cursor_text(cursor->cursor));
    }
    wfs_cursor_close(cursor->cursor);
    return given;
}

static void model_scan(void)
{
    static ordered_row rows[MODEL_ROWS];
    model_cursor cursor;
    size_t count, place = 0, given;
    char *text = NULL;

    choose_query(&cursor);
    cursor.query.page_size = one_in(2) ? 0 : 1 + below(200);
    count = plain_scan(&cursor, rows);
    do {
        cursor.query.cursor = text;
        given = scan_page(&cursor, rows + place, count - place, &text);
        place += given;
    } while (given != 0 && given == cursor.query.page_size &&
             !(text != NULL && one_in(4)));
    if (text != NULL)
        scan_back(&cursor, text, rows, place - 1);
    free(text);
}

/* --- the random test */

static void model_fork(void)
{
    wfs_store *copy;
    wfs_status status;

    if (model.depth != 0) {
        assert_int_equal(wfs_store_fork(model.store, &copy), WFS_ERR_MISUSE);
        return;
    }
    MODEL_TRY(status, wfs_store_fork(model.store, &copy));
    assert_int_equal(status, WFS_OK);
    assert_true(wfs_store_equal(model.store, copy, NULL));
    assert_true(wfs_store_hash(model.store) == wfs_store_hash(copy));
    close_cursors();
    wfs_store_free(model.store);
    model.store = copy;         /* go on with the copy */
}

/* grows: more inserts than deletes. */
static void model_write(bool grows)
{
    size_t choice = below(1000);

    if (choice < (grows ? 600u : 100u))
        model_insert();
    else if (choice < 750)
        model_update();
    else if (choice < (grows ? 780u : 990u))
        model_delete(any_id());
    else if (choice >= 998)
        model_delete_many();
}

static void model_operation(bool grows)
{
    size_t choice = below(1000);

    if (choice < 800)
        model_write(grows);
    else if (choice < 810)
        model_begin();
    else if (choice < 825)
        model_end();
    else if (choice < 870)
        model_find();
    else if (choice < 960)
        model_walk_on();
    else if (choice < 985)
        model_scan();
    else if (choice < 990)
        model_compare();
    else if (choice < 992)
        model_fork();
}

static void model_open(void)
{
    wfs_allocator allocator = sweep_allocator(&model.memory);
    int i;

    model.store = make_store(model_tables, &allocator);
    model.depth = 0;
    model.levels[0].next_id = 1;
    memset(model.cursors, 0, sizeof model.cursors);
    fill_pools();
    for (i = 0; i < 4; i++)
        add(model.store, "groups", NULL);
}

static void model_run(uint64_t seed, int operations)
{
    int i;

    source.state = seed;
    model_open();
    for (i = 0; i < operations; i++)
        model_operation(i % 4000 < 3000);
    while (model.depth > 0)
        model_end();
    model_compare();
    close_cursors();
    wfs_store_free(model.store);
    sweep_expect_clean(&model.memory);
}

static void the_store_answers_as_a_plain_array_does(void **state)
{
    uint64_t seed;

    (void)state;
    model.short_of_memory = false;
    for (seed = 1; seed <= 4; seed++)
        model_run(seed, 8000);
}

static void and_so_it_does_when_memory_is_short(void **state)
{
    uint64_t seed;

    (void)state;
    model.short_of_memory = true;
    for (seed = 11; seed <= 12; seed++)
        model_run(seed, 8000);
}

/* A tree of three levels grows, is emptied from either end or at random, and
 * grows again. */
static void a_deep_tree_comes_and_goes(void **state)
{
    static const wfs_index indexes[] = {{.name = "order", .columns = "id"},
                                        {0}};
    static const wfs_table tables[] = {{.name = "t", .columns = id_columns,
                                        .indexes = indexes}, {0}};
    enum { ROWS = 6000 };
    wfs_store *store = make_store(tables, NULL);
    wfs_query query = query_of("t", "order");
    wfs_row_id first = 1, id;
    wfs_cursor *cursor;
    wfs_row row;
    int way, i;

    (void)state;
    query.page_size = 1;
    walk(store, &query);
    for (way = 0; way < 4; way++, first += ROWS) {
        for (i = 0; i < ROWS; i++)
            add(store, "t",
                WFS_FIELDS({"id", wfs_integer(way == 1   ? -i
                                              : way == 2 ? i * 7919 % ROWS
                                                         : i)}));
        store_check(store);
        for (i = 0; i < ROWS; i++) {
            id = first + (wfs_row_id)(way == 0   ? i
                                      : way == 1 ? ROWS - 1 - i
                                      : way == 2 ? i * 4801 % ROWS
                                                 : i / 2 + i % 2 * (ROWS / 2));
            OK(wfs_delete(store, "t", id, 0));
            if (i % 500 == 499)
                store_check(store);
        }
        assert_int_equal(wfs_count(store, "t"), 0);
        OK(wfs_cursor_open(store, &query, &cursor));
        assert_int_equal(wfs_cursor_next(cursor, &row), WFS_DONE);
        wfs_cursor_close(cursor);
    }
    wfs_store_free(store);
}

/* --- without memory */

/* What one step does; after WFS_ERR_NO_MEMORY it can be done again. */
typedef wfs_status (*attempt)(wfs_store *store, int number);

static wfs_status insert_user(wfs_store *store, int number)
{
    size_t size = number % 10 == 9 ? 40000 : 10 + (size_t)number % 300;

    return wfs_insert(store, "users",
                      WFS_FIELDS({"name", wfs_text_n(long_text() + number,
                                                     size)},
                                 {"city", wfs_text_n(long_text() + number % 20,
                                                     4)},
                                 {"name", wfs_text_n(long_text() + number,
                                                     size + 1)}),
                      NULL);
}

static wfs_status insert_order(wfs_store *store, int number)
{
    return wfs_insert(store, "orders",
                      WFS_FIELDS({"user", wfs_reference(1)},
                                 {"n", wfs_integer(number)},
                                 {"note", wfs_text_n(long_text(), 100)}),
                      NULL);
}

static wfs_status update_user(wfs_store *store, int number)
{
    return wfs_update(store, "users", 1, 0,
                      WFS_FIELDS({"name", wfs_text_n(long_text() + 500,
                                                     (size_t)number * 50)},
                                 {"city", wfs_text_n(long_text() + number,
                                                     7)}));
}

static wfs_status delete_user(wfs_store *store, int number)
{
    return wfs_delete(store, "users", (wfs_row_id)number, 0);
}

static wfs_status begin(wfs_store *store, int number)
{
    (void)number;
    return wfs_begin(store);
}

static wfs_status commit(wfs_store *store, int number)
{
    (void)number;
    return wfs_commit(store);
}

static wfs_status rollback(wfs_store *store, int number)
{
    (void)number;
    return wfs_rollback(store);
}

/* From the start and again from the middle. */
static wfs_status scan_users(wfs_store *store, int number)
{
    wfs_value from = wfs_text_n(long_text(), 2);
    wfs_query query = query_of("users", number % 2 == 0 ? "by_city" : NULL);
    wfs_cursor *cursor, *second;
    wfs_status status;
    wfs_row row;
    size_t count = 0, all = wfs_count(store, "users");

    query.from = number % 2 == 0 ? &from : NULL;
    WFS_TRY(wfs_cursor_open(store, &query, &cursor));
    while ((status = wfs_cursor_next(cursor, &row)) == WFS_OK)
        if (++count == all / 2) {
            query.cursor = wfs_cursor_text(cursor);
            status = query.cursor != NULL
                         ? wfs_cursor_open(store, &query, &second)
                         : WFS_ERR_NO_MEMORY;
            if (status != WFS_OK)
                break;
            status = wfs_cursor_next(second, &row);
            wfs_cursor_close(second);
            if (status != WFS_OK)
                break;
        }
    wfs_cursor_close(cursor);
    if (status == WFS_DONE)
        assert_true(count == all || number % 2 == 0);
    return status == WFS_DONE ? WFS_OK : status;
}

static wfs_status fork_it(wfs_store *store, int number)
{
    wfs_store *copy = store;
    wfs_status status = wfs_store_fork(store, &copy);

    (void)number;
    if (status != WFS_OK) {
        assert_null(copy);
        return status;
    }
    assert_true(wfs_store_equal(store, copy, NULL));
    store_check(copy);
    wfs_store_free(copy);
    return WFS_OK;
}

/* Do it until it succeeds, with one allocation more each time. */
static void insist(sweep_memory *memory, wfs_store *store, attempt step,
                   int number, sweep_mode mode)
{
    uint64_t hash = wfs_store_hash(store);
    wfs_status status;
    size_t nth = 0;

    do {
        sweep_refuse(memory, ++nth, mode);
        status = step(store, number);
        sweep_allow(memory);
        if (memory->fault != NULL)
            fail_msg("%s", memory->fault);
        store_check(store);
        if (status == WFS_OK)
            continue;
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
        assert_true(memory->refused != 0);
        assert_true(wfs_store_hash(store) == hash);
        assert_int_equal(wfs_store_error(store)->code, WFS_ERR_NO_MEMORY);
    } while (status != WFS_OK);
}

typedef struct script_step {
    attempt step;
    int number, times;
} script_step;

static const script_step script[] = {
    {insert_user, 0, 35}, {scan_users, 0, 2}, {insert_user, 35, 30},
    {scan_users, 0, 1}, {insert_order, 0, 5}, {fork_it, 0, 1},
    {update_user, 1, 5}, {delete_user, 2, 3}, {begin, 0, 1},
    {insert_user, 65, 25}, {update_user, 6, 4}, {insert_order, 5, 3},
    {scan_users, 0, 2}, {delete_user, 10, 20}, {begin, 0, 1},
    {delete_user, 30, 10}, {insert_user, 90, 10}, {scan_users, 0, 1},
    {rollback, 0, 1}, {begin, 0, 1}, {insert_user, 90, 3},
    {scan_users, 0, 2}, {update_user, 9, 1}, {commit, 0, 1},
    {rollback, 0, 1}, {begin, 0, 1}, {insert_user, 65, 15},
    {delete_user, 10, 30}, {commit, 0, 1}, {scan_users, 0, 2},
    {fork_it, 0, 1}, {insert_order, 20, 3}};

/* mode: of the refusals; without memory, none. */
static uint64_t run_script(sweep_memory *memory, sweep_mode mode, bool refuses)
{
    wfs_allocator allocator = sweep_allocator(memory);
    wfs_store *store = make_store(shop, &allocator);
    uint64_t hash;
    size_t i;
    int j, number;

    for (i = 0; i < COUNT(script); i++)
        for (j = 0; j < script[i].times; j++) {
            number = script[i].number + j;
            if (refuses)
                insist(memory, store, script[i].step, number, mode);
            else
                OK(script[i].step(store, number));
        }
    hash = wfs_store_hash(store);
    assert_int_equal(wfs_count(store, "orders"), 8);
    wfs_store_free(store);
    sweep_expect_clean(memory);
    return hash;
}

static void a_call_without_memory_changes_nothing(void **state)
{
    sweep_memory memory;
    uint64_t hash = run_script(&memory, SWEEP_ONCE, false);

    (void)state;
    assert_true(run_script(&memory, SWEEP_ONCE, true) == hash);
    assert_true(run_script(&memory, SWEEP_FROM, true) == hash);
}

static wfs_status tell_story(wfs_store *store)
{
    int i;

    for (i = 0; i < 40; i++)
        WFS_TRY(insert_user(store, i));
    WFS_TRY(scan_users(store, 0));
    WFS_TRY(wfs_begin(store));
    for (i = 40; i < 60; i++)
        WFS_TRY(insert_user(store, i));
    WFS_TRY(update_user(store, 3));
    WFS_TRY(delete_user(store, 5));
    WFS_TRY(wfs_begin(store));
    WFS_TRY(delete_user(store, 6));
    WFS_TRY(wfs_rollback(store));
    WFS_TRY(wfs_commit(store));
    return fork_it(store, 0);
}

/* Given up where it fails, even inside transactions. */
static void story(const wfs_allocator *allocator, sweep_memory *memory,
                  void *user)
{
    wfs_store *store = (wfs_store *)memory;
    wfs_error error;
    wfs_status status = wfs_store_create(shop, allocator, &store, &error);

    (void)user;
    if (status != WFS_OK) {
        assert_int_equal(status, WFS_ERR_NO_MEMORY);
        assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
        assert_null(store);
        return;
    }
    status = tell_story(store);
    assert_true(status == WFS_OK || memory->refused != 0);
    assert_true(status == WFS_OK || status == WFS_ERR_NO_MEMORY);
    store_check(store);
    wfs_store_free(store);
}

static void nothing_leaks_where_a_story_ends(void **state)
{
    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, story, NULL) > 50);
    assert_true(sweep_all(SWEEP_FROM, story, NULL) > 50);
}

/* The place of a walk survives a step for which there was no memory. */
static void a_walk_goes_on_after_a_step_without_memory(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(days, &allocator);
    wfs_query query = query_of("days", "by_name");
    wfs_cursor *cursor;
    wfs_status status;
    wfs_row row;
    int i;

    (void)state;
    for (i = 1; i < 40; i++)
        add_day(store, wfs_null(), wfs_text_n(long_text(), (size_t)(i * i)),
                wfs_null());
    OK(wfs_cursor_open(store, &query, &cursor));
    OK(wfs_cursor_next(cursor, &row));
    for (i = 2; i < 40; i++) {
        sweep_refuse(&memory, 1, SWEEP_FROM);
        while ((status = wfs_cursor_next(cursor, &row)) != WFS_OK) {
            sweep_allow(&memory);
            assert_int_equal(status, WFS_ERR_NO_MEMORY);
            add_day(store, wfs_null(), wfs_text(""), wfs_null());
        }
        sweep_allow(&memory);
        assert_int_equal(row.id, i);
    }
    wfs_cursor_close(cursor);
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

/* Without memory to build the index it is not known that nothing follows. */
static void more_rows_are_not_denied_for_lack_of_memory(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(days, &allocator);
    wfs_query query = query_of("days", "by_name");
    wfs_cursor *cursor;
    wfs_row row;

    (void)state;
    add_day(store, wfs_null(), wfs_null(), wfs_null());
    OK(wfs_cursor_open(store, &query, &cursor));
    sweep_refuse(&memory, 1, SWEEP_FROM);
    assert_true(wfs_cursor_has_more(cursor));
    assert_int_equal(wfs_cursor_next(cursor, &row), WFS_ERR_NO_MEMORY);
    sweep_allow(&memory);
    OK(wfs_cursor_next(cursor, &row));
    assert_false(wfs_cursor_has_more(cursor));
    wfs_cursor_close(cursor);
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

static void an_index_lost_for_lack_of_memory_is_built_again(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_store *store = make_store(days, &allocator);
    wfs_query query = query_of("days", "by_day");
    wfs_cursor *cursor;
    wfs_status status;
    wfs_row row;
    int i, last;

    (void)state;
    for (i = 0; i < 2000; i++) {
        sweep_refuse(&memory, 1 + below(3), SWEEP_FROM);
        status = wfs_insert(store, "days",
                            WFS_FIELDS({"day", wfs_integer(i * 7919 % 2000)}),
                            NULL);
        sweep_allow(&memory);
        if (status != WFS_OK)
            add_day(store, wfs_integer(i * 7919 % 2000), wfs_null(),
                    wfs_null());
        if (i % 100 != 99)
            continue;
        store_check(store);
        OK(wfs_cursor_open(store, &query, &cursor));
        for (last = -1; wfs_cursor_next(cursor, &row) == WFS_OK;) {
            assert_true(wfs_row_integer(&row, "day") > last);
            last = (int)wfs_row_integer(&row, "day");
        }
        wfs_cursor_close(cursor);
    }
    wfs_store_free(store);
    sweep_expect_clean(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_column_is_named),
        cmocka_unit_test(a_reference_names_its_table),
        cmocka_unit_test(a_default_must_be_json),
        cmocka_unit_test(a_wrong_index_is_named),
        cmocka_unit_test(the_column_that_an_index_lacks_is_named),
        cmocka_unit_test(a_wrong_table_is_named),
        cmocka_unit_test(a_table_refers_to_those_before_it_and_to_itself),
        cmocka_unit_test(a_store_may_be_empty),
        cmocka_unit_test(every_column_has_its_own_null_bit),
        cmocka_unit_test(a_table_has_up_to_32_indexes),
        cmocka_unit_test(a_key_has_up_to_8_columns),
        cmocka_unit_test(a_new_row_has_defaults_and_nulls),
        cmocka_unit_test(values_come_out_as_they_went_in),
        cmocka_unit_test(the_last_of_equal_fields_counts),
        cmocka_unit_test(a_row_may_be_written_with_its_own_texts),
        cmocka_unit_test(a_refused_write_names_what_is_wrong),
        cmocka_unit_test(a_row_must_be_there_in_the_version_seen),
        cmocka_unit_test(references_hold_both_ways),
        cmocka_unit_test(a_row_that_refers_to_itself_can_go),
        cmocka_unit_test(find_wants_a_whole_unique_key),
        cmocka_unit_test(nulls_in_a_unique_key_never_clash),
        cmocka_unit_test(a_clash_names_the_value_itself),
        cmocka_unit_test(a_clash_of_long_keys_is_cut),
        cmocka_unit_test(keys_with_equal_hashes_are_told_apart),
        cmocka_unit_test(texts_of_every_size_are_kept),
        cmocka_unit_test(what_is_freed_is_used_again),
        cmocka_unit_test(a_large_text_gives_its_memory_back),
        cmocka_unit_test(the_memory_told_is_the_memory_held),
        cmocka_unit_test(rows_that_are_gone_leave_no_memory),
        cmocka_unit_test(rows_come_and_go_after_a_rollback),
        cmocka_unit_test(a_refused_insert_at_a_new_chunk_is_forgotten),
        cmocka_unit_test(without_a_transaction_there_is_none_to_end),
        cmocka_unit_test(a_transaction_sees_what_it_wrote),
        cmocka_unit_test(a_rollback_takes_everything_back),
        cmocka_unit_test(savepoints_nest),
        cmocka_unit_test(a_refused_write_leaves_its_transaction_open),
        cmocka_unit_test(nulls_come_first),
        cmocka_unit_test(zero_is_zero_with_either_sign),
        cmocka_unit_test(a_list_tells_null_from_zero),
        cmocka_unit_test(a_list_has_the_rows_with_null),
        cmocka_unit_test(a_prefix_finds_the_texts_that_start_with_it),
        cmocka_unit_test(the_empty_prefix_finds_every_text),
        cmocka_unit_test(bounds_and_a_prefix_hold_together),
        cmocka_unit_test(a_prefix_may_end_with_the_highest_byte),
        cmocka_unit_test(a_query_must_fit_its_index),
        cmocka_unit_test(a_cursor_stays_valid_whatever_is_written),
        cmocka_unit_test(what_a_query_points_to_is_copied),
        cmocka_unit_test(a_garbled_cursor_does_no_harm),
        cmocka_unit_test(nothing_comes_after_the_last_place),
        cmocka_unit_test(a_cursor_belongs_to_its_query),
        cmocka_unit_test(a_fork_goes_on_independently),
        cmocka_unit_test(a_store_in_a_transaction_is_not_forked),
        cmocka_unit_test(a_difference_is_named),
        cmocka_unit_test(tables_differ_by_their_columns_too),
        cmocka_unit_test(a_hash_is_of_the_content_only),
        cmocka_unit_test(a_hash_is_the_same_everywhere),
        cmocka_unit_test(the_store_answers_as_a_plain_array_does),
        cmocka_unit_test(and_so_it_does_when_memory_is_short),
        cmocka_unit_test(a_deep_tree_comes_and_goes),
        cmocka_unit_test(a_call_without_memory_changes_nothing),
        cmocka_unit_test(nothing_leaks_where_a_story_ends),
        cmocka_unit_test(a_walk_goes_on_after_a_step_without_memory),
        cmocka_unit_test(more_rows_are_not_denied_for_lack_of_memory),
        cmocka_unit_test(an_index_lost_for_lack_of_memory_is_built_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
