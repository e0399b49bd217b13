/* Walks through a whole store and verifies what its code takes for granted:
 * texts neither overlap nor leak, maps can be probed, lists are linked, trees
 * are in order. For tests that use cmocka; include it after cmocka.h and
 * wfscenario.h with its implementation. */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include <stdlib.h>
#include <string.h>

#define STORE_HOLDS(condition, table, index)                                  \
    do {                                                                      \
        if (!(condition))                                                     \
            fail_msg("%s: table %s, index %s", #condition,                    \
                     store_name(store, (table)->name),                        \
                     store_name(store, (index)->name));                       \
    } while (0)

static inline const char *store_name(const wfs_store *store,
                                     wfsi_handle handle)
{
    return wfsi_text(store, handle, NULL);
}

static inline bool store_is_text(const wfsi_column *column)
{
    return column->type == WFS_TEXT || column->type == WFS_JSON;
}

/* Whether its texts are freed with their rows. */
static inline bool store_owns(const wfsi_column *column)
{
    return store_is_text(column) && !column->interned;
}

/* Rows with a null are not in a unique index, nor in a sparse one. */
static inline bool store_has_key(const wfsi_index *index, const char *row)
{
    uint32_t i;

    for (i = 0; i < index->column_count; i++)
        if ((index->unique || index->sparse) &&
            wfsi_cell_is_null(row, index->parts[i].column))
            return false;
    return true;
}

/* --- texts: who has which units of which chunk */

typedef struct store_units {
    unsigned char **taken;      /* by chunk: by unit */
    uint32_t class_units[WFSI_TEXT_CLASSES];
} store_units;

static inline void store_take_units(const wfs_store *store,
                                    store_units *units, wfsi_handle handle,
                                    uint32_t count)
{
    uint32_t chunk = handle >> WFSI_CHUNK_BITS;
    uint32_t first = handle & (WFSI_CHUNK_UNITS - 1), i;

    assert_true(handle != 0);
    assert_true(chunk < wfsi_array_count(store->heap.chunks));
    assert_non_null(store->heap.chunks[chunk].data);
    assert_true(first + count <= store->heap.chunks[chunk].units);
    for (i = first; i < first + count; i++) {
        assert_int_equal(units->taken[chunk][i], 0);
        units->taken[chunk][i] = 1;
    }
}

static inline void store_take_text(const wfs_store *store, store_units *units,
                                   wfsi_handle handle)
{
    size_t size;
    const char *text = wfsi_text(store, handle, &size);
    uint32_t count = wfsi_text_units(size);

    if (handle == 0)
        return;
    assert_int_equal(text[size], 0);
    if (count <= WFSI_CHUNK_UNITS / 2) {
        wfsi_text_class(&count);
    } else {
        assert_int_equal(handle & (WFSI_CHUNK_UNITS - 1), 0);
        assert_int_equal(store->heap.chunks[handle >> WFSI_CHUNK_BITS].units,
                         count);
    }
    store_take_units(store, units, handle, count);
}

static inline void store_take_rows(const wfs_store *store, store_units *units)
{
    const wfsi_table *table;
    const char *row;
    wfs_row_id id;
    size_t i, j;

    for (i = 0; i < wfsi_array_count(store->tables); i++) {
        table = &store->tables[i];
        for (id = 1; id < table->next_id; id++) {
            row = wfsi_row_find(table, id);
            if (row == NULL)
                continue;
            for (j = 0; j < wfsi_array_count(table->columns); j++)
                if (store_owns(&table->columns[j]))
                    store_take_text(store, units,
                                    wfsi_cell_handle(&table->columns[j], row));
        }
    }
}

static inline void store_take_freed(const wfs_store *store, store_units *units)
{
    uint32_t i, list, count;
    wfsi_handle handle;

    for (i = 1; i <= WFSI_CHUNK_UNITS / 2; i++) {
        count = i;
        list = wfsi_text_class(&count);
        assert_true(list < WFSI_TEXT_CLASSES && count >= i);
        units->class_units[list] = count;
    }
    for (list = 0; list < WFSI_TEXT_CLASSES; list++)
        for (handle = store->heap.free_lists[list]; handle != 0;
             memcpy(&handle, wfsi_text_record(store, handle), sizeof handle))
            store_take_units(store, units, handle, units->class_units[list]);
}

/* Chunks are filled from the start: what nobody has lies at their ends. */
static inline void store_check_gaps(const wfs_store *store,
                                    const store_units *units)
{
    const wfsi_heap *heap = &store->heap;
    uint32_t chunk, first, end, i;

    for (chunk = 0; chunk < wfsi_array_count(heap->chunks); chunk++) {
        first = chunk == 0 ? 1 : 0;
        end = heap->chunks[chunk].units;
        while (end > first && units->taken[chunk][end - 1] == 0)
            end--;
        for (i = first; i < end; i++)
            assert_int_equal(units->taken[chunk][i], 1);
        if (heap->chunks[chunk].data == NULL)
            continue;
        assert_true(end > first);
        if (chunk == heap->top_chunk)
            assert_int_equal(end, heap->top_unit);
    }
}

static inline void store_check_texts(const wfs_store *store)
{
    size_t i, count = wfsi_array_count(store->heap.chunks);
    store_units units;

    memset(&units, 0, sizeof units);
    units.taken = (unsigned char **)calloc(count + 1, sizeof *units.taken);
    assert_non_null(units.taken);
    for (i = 0; i < count; i++) {
        units.taken[i] =
            (unsigned char *)calloc(store->heap.chunks[i].units + 1, 1);
        assert_non_null(units.taken[i]);
    }
    for (i = 0; i < store->symbols.capacity; i++)
        if (store->symbols.slots[i].value != 0)
            store_take_text(store, &units, store->symbols.slots[i].value);
    for (i = 0; i < wfsi_array_count(store->freed); i++)
        store_take_text(store, &units, store->freed[i]);
    store_take_rows(store, &units);
    store_take_freed(store, &units);
    store_check_gaps(store, &units);
    for (i = 0; i < count; i++)
        free(units.taken[i]);
    free(units.taken);
}

/* --- maps: no empty slot between a key's home and its slot */

static inline void store_check_map(const wfsi_map *map)
{
    uint32_t i, at, count = 0, mask = map->capacity - 1;

    assert_int_equal(map->capacity & (map->capacity - 1), 0);
    for (i = 0; i < map->capacity; i++) {
        if (map->slots[i].value == 0)
            continue;
        count++;
        for (at = map->slots[i].hash & mask; at != i; at = (at + 1) & mask)
            assert_true(map->slots[at].value != 0);
    }
    assert_int_equal(count, map->count);
    assert_true(map->capacity == 0 || count < map->capacity);
}

static inline void store_check_symbols(const wfs_store *store)
{
    const wfsi_slot *slot;
    const char *text;
    size_t size;
    uint32_t i;

    store_check_map(&store->symbols);
    for (i = 0; i < store->symbols.capacity; i++) {
        slot = &store->symbols.slots[i];
        if (slot->value == 0)
            continue;
        text = wfsi_text(store, slot->value, &size);
        assert_int_equal(slot->hash, wfsi_symbol_hash(text, size));
        assert_int_equal(wfsi_symbol_find(store, slot->hash, text, size),
                         slot->value);
    }
}

/* --- order of two rows in an index, by its definition */

static inline int store_order(const wfs_store *store, const wfsi_table *table,
                              const wfsi_index *index, wfs_row_id left,
                              wfs_row_id right, bool with_id)
{
    wfs_value first, second;
    uint32_t i;
    int order;

    for (i = 0; i < index->column_count; i++) {
        first = wfsi_cell(store, table, wfsi_row_at(table, left),
                          index->parts[i].column);
        second = wfsi_cell(store, table, wfsi_row_at(table, right),
                           index->parts[i].column);
        order = wfsi_value_compare(&first, &second);
        if (order != 0)
            return order;
    }
    return with_id ? (left > right) - (left < right) : 0;
}

/* --- unique indexes and lists */

static inline wfsi_slot *store_slot(const wfs_store *store,
                                    const wfsi_table *table,
                                    const wfsi_index *index, wfs_row_id id)
{
    const char *row = wfsi_row_at(table, id);
    uint32_t hash = wfsi_row_hash(store, index, row);
    uint32_t i, at, mask = index->map.capacity - 1;

    STORE_HOLDS(index->map.capacity != 0, table, index);
    at = hash & mask;
    for (i = 0; i < index->map.capacity; i++, at = (at + 1) & mask)
        if (index->map.slots[at].value != 0 &&
            index->map.slots[at].hash == hash &&
            store_order(store, table, index, index->map.slots[at].value, id,
                        false) == 0)
            return &index->map.slots[at];
    return NULL;
}

static inline void store_check_unique(const wfs_store *store,
                                      const wfsi_table *table,
                                      const wfsi_index *index)
{
    const wfsi_slot *slot;
    const char *row;
    uint32_t count = 0;
    wfs_row_id id;

    store_check_map(&index->map);
    if ((table->mapped >> (index - table->indexes) & 1) == 0) {
        STORE_HOLDS(index->map.count == 0, table, index);
        return;     /* its map waits to be asked for */
    }
    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        if (row == NULL || !store_has_key(index, row))
            continue;
        count++;
        slot = store_slot(store, table, index, id);
        STORE_HOLDS(slot != NULL && slot->value == id, table, index);
    }
    STORE_HOLDS(index->map.count == count, table, index);
}

/* Returns how many rows the list has. */
static inline uint32_t store_check_one_list(const wfs_store *store,
                                            const wfsi_table *table,
                                            const wfsi_index *index,
                                            wfs_row_id first)
{
    wfs_row_id id, last = 0;
    uint32_t count = 0;

    for (id = first; id != 0; id = wfsi_row_link(table, index, id)->next) {
        STORE_HOLDS(wfsi_row_find(table, id) != NULL, table, index);
        STORE_HOLDS(id > last, table, index);
        STORE_HOLDS(store_order(store, table, index, first, id, false) == 0,
                    table, index);
        STORE_HOLDS(id == first ||
                        wfsi_row_link(table, index, id)->prev == last,
                    table, index);
        last = id;
        count++;
    }
    STORE_HOLDS(wfsi_row_link(table, index, first)->prev == last, table,
                index);
    return count;
}

static inline void store_check_lists(const wfs_store *store,
                                     const wfsi_table *table,
                                     const wfsi_index *index)
{
    uint32_t i, count = 0, expected = 0;
    const char *row;
    wfs_row_id id;

    store_check_map(&index->map);
    STORE_HOLDS(!index->direct || index->map.count == 0, table, index);
    for (i = 0; i < wfsi_array_count(index->heads); i++) {
        id = index->heads[i];
        if (id == 0)
            continue;
        row = wfsi_row_find(table, id);
        STORE_HOLDS(row != NULL && store_has_key(index, row), table, index);
        STORE_HOLDS(wfsi_part_bytes(&index->parts[0], row) == i, table, index);
        count += store_check_one_list(store, table, index, id);
    }
    for (i = 0; i < index->map.capacity; i++) {
        id = index->map.slots[i].value;
        if (id == 0)
            continue;
        STORE_HOLDS(wfsi_row_find(table, id) != NULL, table, index);
        STORE_HOLDS(store_slot(store, table, index, id) ==
                        &index->map.slots[i],
                    table, index);
        count += store_check_one_list(store, table, index, id);
    }
    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        expected += row != NULL && store_has_key(index, row);
    }
    STORE_HOLDS(count == expected, table, index);
}

/* --- trees */

typedef struct store_walk {
    const wfs_store *store;
    const wfsi_table *table;
    const wfsi_index *index;
    int leaf_depth;             /* -1: no leaf so far */
    uint32_t last_leaf, nodes, entries;
    wfs_row_id last_id;         /* of the entry before */
} store_walk;

static inline void store_check_entry(store_walk *walk, const wfsi_entry *entry)
{
    const wfs_store *store = walk->store;
    const char *row = wfsi_row_find(walk->table, entry->id);
    wfs_value value;

    STORE_HOLDS(row != NULL && store_has_key(walk->index, row),
                walk->table, walk->index);
    value = wfsi_cell(store, walk->table, row, walk->index->parts[0].column);
    STORE_HOLDS(entry->prefix == wfsi_value_prefix(&value), walk->table,
                walk->index);
    STORE_HOLDS(walk->last_id == 0 ||
                    store_order(store, walk->table, walk->index, walk->last_id,
                                entry->id, true) < 0,
                walk->table, walk->index);
    walk->last_id = entry->id;
    walk->entries++;
}

static inline void store_check_leaf(store_walk *walk, uint32_t number,
                                    int depth)
{
    const wfs_store *store = walk->store;
    const wfsi_tree *tree = &walk->index->ordered;
    const wfsi_node *node = wfsi_node_at(tree, number);
    uint32_t i;

    STORE_HOLDS(walk->leaf_depth < 0 || walk->leaf_depth == depth, walk->table,
                walk->index);
    STORE_HOLDS((walk->last_leaf == 0) == (tree->first == number), walk->table,
                walk->index);
    STORE_HOLDS(node->prev == walk->last_leaf, walk->table, walk->index);
    STORE_HOLDS(walk->last_leaf == 0 ||
                    wfsi_node_at(tree, walk->last_leaf)->next == number,
                walk->table, walk->index);
    walk->leaf_depth = depth;
    walk->last_leaf = number;
    for (i = 0; i < node->count; i++)
        store_check_entry(walk, &node->entries[i]);
}

static inline void store_check_node(store_walk *walk, uint32_t number,
                                    int depth)
{
    const wfs_store *store = walk->store;
    const wfsi_tree *tree = &walk->index->ordered;
    const wfsi_node *node = wfsi_node_at(tree, number), *child;
    uint32_t i;

    STORE_HOLDS(depth < WFSI_TREE_HEIGHT, walk->table, walk->index);
    STORE_HOLDS(node->count >= 1 && node->count <= WFSI_FANOUT, walk->table,
                walk->index);
    walk->nodes++;
    if (node->leaf) {
        store_check_leaf(walk, number, depth);
        return;
    }
    STORE_HOLDS(depth != 0 || node->count > 1, walk->table, walk->index);
    for (i = 0; i < node->count; i++) {
        child = wfsi_node_at(tree, node->entries[i].child);
        STORE_HOLDS(node->entries[i].prefix == child->entries[0].prefix &&
                        node->entries[i].id == child->entries[0].id,
                    walk->table, walk->index);
        store_check_node(walk, node->entries[i].child, depth + 1);
    }
}

static inline void store_check_tree(const wfs_store *store,
                                    const wfsi_table *table,
                                    const wfsi_index *index)
{
    const wfsi_tree *tree = &index->ordered;
    uint32_t number, expected = 0;
    store_walk walk;
    const char *row;
    wfs_row_id id;

    memset(&walk, 0, sizeof walk);
    walk.store = store;
    walk.table = table;
    walk.index = index;
    walk.leaf_depth = -1;
    if (tree->root != 0) {
        store_check_node(&walk, tree->root, 0);
        STORE_HOLDS(wfsi_node_at(tree, walk.last_leaf)->next == 0, table,
                    index);
    }
    for (number = tree->free_node; number != 0;
         number = wfsi_node_at(tree, number)->next) {
        walk.nodes++;
        STORE_HOLDS(walk.nodes <= tree->node_count, table, index);
    }
    STORE_HOLDS(walk.nodes == tree->node_count, table, index);
    STORE_HOLDS(wfsi_array_count(tree->chunks) * WFSI_NODES >=
                    tree->node_count,
                table, index);
    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        expected += row != NULL && store_has_key(index, row);
    }
    STORE_HOLDS(walk.entries == expected, table, index);
}

/* --- tables */

static inline void store_check_rows(const wfsi_table *table)
{
    size_t chunk, chunks = wfsi_array_count(table->chunks);
    size_t next = (table->next_id - 1) >> WFSI_ROWS_BITS;
    uint32_t count = 0, live, id, end;

    assert_int_equal(wfsi_array_count(table->live), chunks);
    assert_true(next <= chunks);
    for (chunk = 0; chunk < chunks; chunk++) {
        live = 0;
        id = (uint32_t)(chunk << WFSI_ROWS_BITS) + 1;
        for (end = id + WFSI_ROWS; id < end; id++)
            live += wfsi_row_find(table, id) != NULL;
        assert_int_equal(table->live[chunk], live);
        /* The next row goes there without asking. */
        assert_true(chunk < next || table->chunks[chunk] != NULL);
        count += live;
    }
    assert_int_equal(table->count, count);
}

static inline void store_check_cells(const wfs_store *store,
                                     const wfsi_table *table)
{
    const wfsi_column *column;
    const char *row;
    wfs_row_id id;
    uint32_t i, byte;

    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        for (i = 0; row != NULL && i < wfsi_array_count(table->columns); i++) {
            column = &table->columns[i];
            if (!wfsi_cell_is_null(row, i)) {
                assert_true(!store_is_text(column) ||
                            wfsi_cell_handle(column, row) != 0);
                continue;
            }
            if (!column->nullable)
                fail_msg("null in %s", store_name(store, column->name));
            for (byte = 0; byte < column->size; byte++)
                assert_int_equal(row[column->offset + byte], 0);
        }
    }
}

/* Fails the test unless everything holds. */
static inline void store_check(const wfs_store *store)
{
    const wfsi_table *table;
    const wfsi_index *index;
    size_t i, j;

    store_check_symbols(store);
    for (i = 0; i < wfsi_array_count(store->tables); i++) {
        table = &store->tables[i];
        store_check_rows(table);
        store_check_cells(store, table);
        for (j = 0; j < wfsi_array_count(table->indexes); j++) {
            index = &table->indexes[j];
            if (index->unique)
                store_check_unique(store, table, index);
            if (index->list)
                store_check_lists(store, table, index);
            if (index->ordered.built)
                store_check_tree(store, table, index);
        }
    }
    store_check_texts(store);
}

#endif /* STORE_CHECK_H */
