/* Compares the final tables of both sides, row by row and column by column. */
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "same_tables.h"

#define VALUE_SIZE 160          /* of a value in a message */

/* A value of either side as it is compared: null, a number or a text. */
typedef struct table_value {
    bool is_null;
    int64_t number;
    const char *text;           /* NULL: a number */
    size_t size;
} table_value;

static table_value our_value(const wfs_row *row, const char *column)
{
    wfs_value cell = wfs_row_value(row, column);
    table_value value = {.is_null = cell.type == WFS_NULL,
                         .number = cell.integer};

    if (cell.type == WFS_TEXT || cell.type == WFS_JSON) {
        value.text = cell.text;
        value.size = cell.size;
    }
    return value;
}

static table_value peer_value(const sqlite_peer *peer, sqlite3_stmt *row,
                              int place, peer_kind kind)
{
    table_value value = {0};

    value.is_null = sqlite3_column_type(row, place) == SQLITE_NULL;
    if (value.is_null)
        return value;
    value.number = sqlite3_column_int64(row, place);
    if (kind == PEER_TEXT) {
        value.text = (const char *)sqlite3_column_text(row, place);
        value.size = (size_t)sqlite3_column_bytes(row, place);
    } else if (kind == PEER_SYMBOL) {
        value.text = peer_symbol_text(peer, value.number);
        value.size = strlen(value.text);
    }
    return value;
}

static bool values_equal(const table_value *left, const table_value *right)
{
    if (left->is_null || right->is_null)
        return left->is_null && right->is_null;
    if (left->text == NULL || right->text == NULL)
        return left->text == right->text && left->number == right->number;
    return left->size == right->size &&
           memcmp(left->text, right->text, left->size) == 0;
}

static void describe_value(const table_value *value, char *text)
{
    if (value->is_null)
        snprintf(text, VALUE_SIZE, "null");
    else if (value->text != NULL)
        snprintf(text, VALUE_SIZE, "\"%.*s\"", (int)value->size, value->text);
    else
        snprintf(text, VALUE_SIZE, "%lld", (long long)value->number);
}

static bool same_value(const char *table, wfs_row_id id, const char *column,
                       const table_value *ours, const table_value *theirs,
                       bench_difference *difference)
{
    char left[VALUE_SIZE], right[VALUE_SIZE];

    if (values_equal(ours, theirs))
        return true;
    describe_value(ours, left);
    describe_value(theirs, right);
    snprintf(difference->text, sizeof difference->text,
             "%s, row %lu, %s: ours has %s, SQLite %s", table,
             (unsigned long)id, column, left, right);
    return false;
}

static bool same_row(const sqlite_peer *peer, const peer_table *table,
                     const wfs_row *row, sqlite3_stmt *theirs,
                     bench_difference *difference)
{
    table_value ours = {.number = row->id};
    table_value other = peer_value(peer, theirs, 0, PEER_NUMBER);
    const peer_column *column;
    int place = 2;

    if (!same_value(table->name, row->id, "id", &ours, &other, difference))
        return false;
    ours.number = row->version;
    other = peer_value(peer, theirs, 1, PEER_NUMBER);
    if (!same_value(table->name, row->id, "version", &ours, &other, difference))
        return false;
    for (column = table->columns; column->name != NULL; column++, place++) {
        ours = our_value(row, column->name);
        other = peer_value(peer, theirs, place, column->kind);
        if (!same_value(table->name, row->id, column->name, &ours, &other,
                        difference))
            return false;
    }
    return true;
}

/* Go to the next row of ours; false at the end. */
static bool next_row(wfs_cursor *cursor, const char *table, wfs_row *row)
{
    wfs_status status = wfs_cursor_next(cursor, row);

    if (status != WFS_OK && status != WFS_DONE)
        bench_fail("%s cannot be read: %s", table, wfs_status_name(status));
    return status == WFS_OK;
}

static bool same_rows(wfs_cursor *cursor, sqlite_peer *peer,
                      const peer_table *table, sqlite3_stmt *theirs,
                      bench_difference *difference)
{
    unsigned long count = 0;
    bool ours_has, other_has;
    wfs_row row;

    for (;; count++) {
        ours_has = next_row(cursor, table->name, &row);
        other_has = peer_next_row(peer, theirs);
        if (!ours_has || !other_has)
            break;
        if (!same_row(peer, table, &row, theirs, difference))
            return false;
    }
    if (ours_has != other_has)
        snprintf(difference->text, sizeof difference->text,
                 "%s: %s has only %lu rows", table->name,
                 ours_has ? "SQLite" : "ours", count);
    return ours_has == other_has;
}

/* All of a table's columns, in the order of its declaration. */
static sqlite3_stmt *select_all(sqlite_peer *peer, const peer_table *table)
{
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT * FROM %s ORDER BY id", table->name);
    return peer_query(peer, sql);
}

bool same_table(wfs_store *store, sqlite_peer *peer, const peer_table *table,
                bench_difference *difference)
{
    wfs_query query = {.table = table->name};
    sqlite3_stmt *theirs = select_all(peer, table);
    wfs_cursor *cursor;
    bool same;

    if (wfs_cursor_open(store, &query, &cursor) != WFS_OK)
        bench_fail("%s: %s", table->name, wfs_store_error(store)->message);
    same = same_rows(cursor, peer, table, theirs, difference);
    wfs_cursor_close(cursor);
    sqlite3_finalize(theirs);
    return same;
}

/* --- that the comparison can fail */

/* Whether a difference is found, and named. */
static void expect_difference(wfs_store *store, sqlite_peer *peer,
                              const peer_table *table, const char *name)
{
    bench_difference difference;

    if (same_table(store, peer, table, &difference))
        bench_fail("%s: %s was changed, and the comparison did not find it",
                   table->name, name);
    if (strstr(difference.text, table->name) == NULL ||
        strstr(difference.text, name) == NULL)
        bench_fail("%s: %s was changed, and the comparison found: %s",
                   table->name, name, difference.text);
}

/* Write a column of the last row. */
static void write_last(sqlite_peer *peer, const peer_table *table,
                       const char *column, const char *expression)
{
    char sql[512];

    snprintf(sql, sizeof sql,
             "UPDATE %s SET %s = %s WHERE id = (SELECT max(id) FROM %s)",
             table->name, column, expression, table->name);
    peer_execute(peer, sql);
}

/* Another value of a column of the last row, and back. */
static void change_column(wfs_store *store, sqlite_peer *peer,
                          const peer_table *table, const char *column)
{
    char sql[256];
    sqlite3_stmt *read;
    char *before;

    snprintf(sql, sizeof sql,
             "SELECT quote(%s) FROM %s ORDER BY id DESC LIMIT 1", column,
             table->name);
    read = peer_query(peer, sql);
    if (!peer_next_row(peer, read))
        bench_fail("SQLite: %s has no rows", table->name);
    before = sqlite3_mprintf("%s", sqlite3_column_text(read, 0));
    if (before == NULL)
        bench_fail("SQLite: no memory for a value of %s", column);
    sqlite3_finalize(read);
    snprintf(sql, sizeof sql, "coalesce(%s + 1, 1)", column);
    write_last(peer, table, column, sql);
    expect_difference(store, peer, table, column);
    write_last(peer, table, column, before);
    sqlite3_free(before);
}

static void add_row(wfs_store *store, sqlite_peer *peer,
                    const peer_table *table)
{
    char sql[128];

    snprintf(sql, sizeof sql, "INSERT INTO %s (version) VALUES (1)",
             table->name);
    peer_execute(peer, sql);
    expect_difference(store, peer, table, table->name);
    snprintf(sql, sizeof sql, "DELETE FROM %s WHERE id = (SELECT max(id) "
             "FROM %s)", table->name, table->name);
    peer_execute(peer, sql);
}

size_t same_table_self_test(wfs_store *store, sqlite_peer *peer,
                            const peer_table *table)
{
    bench_difference difference;
    size_t i;

    add_row(store, peer, table);
    i = 0;
    if (wfs_count(store, table->name) != 0) {
        change_column(store, peer, table, "id");
        change_column(store, peer, table, "version");
        for (; table->columns[i].name != NULL; i++)
            change_column(store, peer, table, table->columns[i].name);
        i += 2;
    }
    if (!same_table(store, peer, table, &difference))
        bench_fail("%s: the self-test has left it changed: %s", table->name,
                   difference.text);
    return i + 1;
}

/* --- an engine's tables */

bool same_engine(void *ours, void *peer, bench_difference *difference)
{
    wfs_store *store = wfs_harness_store(((bench_engine *)ours)->harness);
    const peer_table *table;

    for (table = peer_tables; table->name != NULL; table++)
        if (!same_table(store, (sqlite_peer *)peer, table, difference))
            return false;
    return true;
}

size_t same_engine_self_test(void *ours, void *peer)
{
    wfs_store *store = wfs_harness_store(((bench_engine *)ours)->harness);
    const peer_table *table;
    size_t changes = 0;

    for (table = peer_tables; table->name != NULL; table++)
        changes += same_table_self_test(store, (sqlite_peer *)peer, table);
    return changes;
}
