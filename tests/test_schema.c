/* The engine's tables: the C struct of a row lies as the store lays the row
 * out, column by column, and the declarations say what the recordings name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

static wfs_status nothing(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_OK;
}

static wfs_harness *open_harness(void)
{
    static const wfs_workflow workflows[] = {
        {.key = "nothing", .run = nothing}, {0}};
    wfs_harness_options options = {.workflows = workflows};
    wfs_harness *harness = NULL;

    assert_int_equal(wfs_harness_create(&options, &harness, NULL), WFS_OK);
    return harness;
}

static void check_column(const wfs_store *store, uint32_t number,
                         uint32_t column, const char *name, size_t offset,
                         size_t size)
{
    const wfsi_column *declared = &store->tables[number].columns[column];

    assert_string_equal(wfsi_text(store, declared->name, NULL), name);
    assert_int_equal(declared->offset, offset);
    assert_int_equal(declared->size, size);
}

/* In the scope of `store` and `i`, one check a column, in order. */
#define CHECK(row, number, member, name)                                      \
    check_column(store, number, i++, name, offsetof(row, member),             \
                 sizeof(((row *)0)->member));
#define CHECK_INSTANCE(c, member, name, ...)                                  \
    CHECK(wfsi_instance_row, WFSI_INSTANCES, member, name)
#define CHECK_STEP(c, member, name, ...)                                      \
    CHECK(wfsi_step_row, WFSI_STEPS, member, name)
#define CHECK_EVENT(c, member, name, ...)                                     \
    CHECK(wfsi_event_row, WFSI_EVENTS, member, name)
#define CHECK_HOOK(c, member, name, ...)                                      \
    CHECK(wfsi_hook_row, WFSI_HOOKS, member, name)

static void structs_lie_as_rows_do(void **state)
{
    wfs_harness *harness = open_harness();
    const wfs_store *store = wfs_harness_store(harness);
    uint32_t i;

    (void)state;
    i = 0;
    WFSI_INSTANCE_COLUMNS(CHECK_INSTANCE)
    assert_int_equal(i, wfsi_array_count(store->tables[0].columns));
    i = 0;
    WFSI_STEP_COLUMNS(CHECK_STEP)
    assert_int_equal(i, wfsi_array_count(store->tables[1].columns));
    i = 0;
    WFSI_EVENT_COLUMNS(CHECK_EVENT)
    assert_int_equal(i, wfsi_array_count(store->tables[2].columns));
    i = 0;
    WFSI_HOOK_COLUMNS(CHECK_HOOK)
    assert_int_equal(i, wfsi_array_count(store->tables[3].columns));
    wfs_harness_free(harness);
}

static void rows_have_room_for_structs(void **state)
{
    wfs_harness *harness = open_harness();
    const wfs_store *store = wfs_harness_store(harness);

    (void)state;
    assert_true(store->tables[WFSI_INSTANCES].row_size >=
                sizeof(wfsi_instance_row));
    assert_true(store->tables[WFSI_STEPS].row_size >= sizeof(wfsi_step_row));
    assert_true(store->tables[WFSI_EVENTS].row_size >= sizeof(wfsi_event_row));
    assert_true(store->tables[WFSI_HOOKS].row_size >= sizeof(wfsi_hook_row));
    assert_int_equal(
        store->tables[WFSI_STEPS].indexes[WFSI_OF_INSTANCE].link_offset,
        offsetof(wfsi_step_row, of_instance));
    assert_int_equal(
        store->tables[WFSI_EVENTS].indexes[WFSI_OF_INSTANCE].link_offset,
        offsetof(wfsi_event_row, of_instance));
    assert_int_equal(wfsi_step_run_number, WFSI_RUN_NUMBER);
    assert_int_equal(wfsi_event_run_number, WFSI_RUN_NUMBER);
    wfs_harness_free(harness);
}

static const char *index_name(const wfs_store *store, uint32_t table,
                              uint32_t index)
{
    return wfsi_text(store, store->tables[table].indexes[index].name, NULL);
}

static void numbers_stand_for_their_names(void **state)
{
    wfs_harness *harness = open_harness();
    const wfs_store *store = wfs_harness_store(harness);

    (void)state;
    assert_int_equal(wfsi_table_find(store, "workflow_instance"),
                     WFSI_INSTANCES);
    assert_int_equal(wfsi_table_find(store, "workflow_step"), WFSI_STEPS);
    assert_int_equal(wfsi_table_find(store, "workflow_event"), WFSI_EVENTS);
    assert_int_equal(wfsi_table_find(store, "workflow_hook"), WFSI_HOOKS);
    assert_string_equal(index_name(store, WFSI_INSTANCES, WFSI_INSTANCE_BY_ID),
                        "by_instance");
    assert_string_equal(
        index_name(store, WFSI_INSTANCES, WFSI_INSTANCE_BY_STATUS),
        "by_status");
    assert_string_equal(index_name(store, WFSI_STEPS, WFSI_OF_INSTANCE), "of_instance");
    assert_string_equal(index_name(store, WFSI_STEPS, WFSI_BY_CREATED),
                        "by_created");
    assert_string_equal(index_name(store, WFSI_STEPS, WFSI_STEP_BY_KEY),
                        "by_key");
    assert_string_equal(index_name(store, WFSI_EVENTS, WFSI_OF_INSTANCE),
                        "of_instance");
    assert_string_equal(index_name(store, WFSI_HOOKS, WFSI_HOOK_DUE), "due");
    wfs_harness_free(harness);
}

static void every_name_is_found_again(void **state)
{
    wfs_harness *harness = open_harness();
    const wfsi_names *names = &harness->names;
    int i;

    (void)state;
    for (i = 1; i < WFS_INSTANCE_STATUS_COUNT; i++)
        assert_int_equal(
            wfsi_enum(names, instance_status, names->instance_status[i]), i);
    for (i = 1; i < WFS_REASON_COUNT; i++)
        assert_int_equal(wfsi_enum(names, reason, names->reason[i]), i);
    assert_int_equal(wfsi_enum(names, reason, 0), 0);
    assert_string_equal(wfs_reason_name(WFS_REASON_WAKE), "wake");
    assert_string_equal(wfs_reason_name((wfs_reason)99), "");
    wfs_harness_free(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(structs_lie_as_rows_do),
        cmocka_unit_test(rows_have_room_for_structs),
        cmocka_unit_test(numbers_stand_for_their_names),
        cmocka_unit_test(every_name_is_found_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
