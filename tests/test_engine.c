/* The engine, beyond the recorded cases: rows in place, ticks that race,
 * misuse, nested steps, retries, queued writes, results, and workflows that
 * call the harness from inside. */
#include "harness_support.h"

/* --- a world: two workflows whose code a test sets, tables, handlers */

static wfs_function program;            /* what "orders" does */
static wfs_function other_program;      /* what "parcels" does */
static int calls;                       /* of the body at hand */

static wfs_status run_orders(wfs_run *run, void *user)
{
    return program(run, user);
}

static wfs_status run_parcels(wfs_run *run, void *user)
{
    return other_program(run, user);
}

static const wfs_workflow workflows[] = {
    {.key = "orders", .name = "orders-workflow", .run = run_orders},
    {.key = "parcels", .run = run_parcels},
    {0},
};

static const wfs_column stock_columns[] = {
    {.name = "sku", .type = WFS_TEXT},
    {.name = "pieces", .type = WFS_INTEGER, .nullable = true},
    {.name = "data", .type = WFS_JSON, .nullable = true},
    {0},
};

static const wfs_table tables[] = {
    {.name = "stock", .columns = stock_columns, .primary_key = "sku"},
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
                                   .tables = tables,
                                   .hooks = handlers,
                                   .clock_start = 1000,
                                   .seed = 7};

    options.auto_tick = auto_tick;
    program = code;
    calls = 0;
    return open_harness(options);
}

/* With one instance of "orders". */
static wfs_harness *fresh(wfs_function code)
{
    wfs_harness *harness = open_world(code, false);

    ok(harness,
       wfs_create(harness, "orders", "o-1", "{\"sku\":\"cup\"}", NULL));
    return harness;
}

static const wfs_step *steps_of(wfs_harness *harness, const char *id,
                                size_t *count)
{
    const wfs_step *steps = NULL;

    ok(harness, wfs_get_steps(harness, "orders", id, NULL, &steps, count));
    return steps;
}

static wfs_step step_of(wfs_harness *harness, const char *id, const char *key)
{
    size_t i, count = 0;
    const wfs_step *steps = steps_of(harness, id, &count);

    for (i = 0; i < count; i++)
        if (strcmp(steps[i].step_key, key) == 0)
            return steps[i];
    fail_msg("there is no step %s", key);
    return steps[0];
}

static void assert_keys(wfs_harness *harness, const char *const *keys,
                        size_t key_count)
{
    size_t i, count = 0;
    const wfs_step *steps = steps_of(harness, "o-1", &count);

    for (i = 0; i < count && i < key_count; i++)
        assert_string_equal(steps[i].step_key, keys[i]);
    assert_int_equal(count, key_count);
}

static size_t hook_count(wfs_harness *harness, const char *name)
{
    wfs_hook_filter filter = {.hook_name = name};
    const wfs_hook *hooks = NULL;
    size_t count = 0;

    ok(harness, wfs_get_hooks(harness, &filter, &hooks, &count));
    return count;
}

/* --- bodies and workflows of use to many tests */

static wfs_status count_call(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, wfs_json_new_integer(wfs_run_arena(run), ++calls));
}

static wfs_status nothing(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_OK;
}

static wfs_status count_and_sleep(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "count", count_call, user, NULL, NULL));
    return wfs_sleep(run, "nap", "1 hour");
}

static wfs_status count_and_end(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "count", count_call, user, NULL, &result));
    return wfs_return(run, result);
}

/* --- the tables: rows in place */

static void check_column(const wfs_harness *harness, uint32_t table,
                         uint32_t number, const wfs_column *expected,
                         size_t offset, size_t size)
{
    const wfsi_column *column =
        &harness->store->tables[table].columns[number];

    assert_string_equal(wfsi_text(harness->store, column->name, NULL),
                        expected->name);
    assert_int_equal(column->offset, offset);
    assert_int_equal(column->size, size);
    assert_int_equal(column->type, expected->type);
    assert_int_equal(column->nullable, expected->nullable);
    assert_int_equal(column->interned, expected->interned);
    if (expected->references != NULL)
        assert_int_equal(column->references, WFSI_INSTANCES);
}

#define CHECK_COLUMN(table, row, number, c_type, member, column, type,        \
                     nullable, interned, refers)                              \
    do {                                                                      \
        wfs_column expected = {column, type, nullable, interned, refers,      \
                               {WFS_NULL, 0, 0, NULL, 0}};                    \
        check_column(harness, table, number, &expected, offsetof(row, member),\
                     sizeof(c_type));                                         \
    } while (0);
#define CHECK_INSTANCE(c_type, member, column, type, nullable, interned,      \
                       refers)                                                \
    CHECK_COLUMN(WFSI_INSTANCES, wfsi_instance_row, wfsi_instance_##member,   \
                 c_type, member, column, type, nullable, interned, refers)
#define CHECK_STEP(c_type, member, column, type, nullable, interned, refers)  \
    CHECK_COLUMN(WFSI_STEPS, wfsi_step_row, wfsi_step_##member, c_type,       \
                 member, column, type, nullable, interned, refers)
#define CHECK_EVENT(c_type, member, column, type, nullable, interned, refers) \
    CHECK_COLUMN(WFSI_EVENTS, wfsi_event_row, wfsi_event_##member, c_type,    \
                 member, column, type, nullable, interned, refers)
#define CHECK_HOOK(c_type, member, column, type, nullable, interned, refers)  \
    CHECK_COLUMN(WFSI_HOOKS, wfsi_hook_row, wfsi_hook_##member, c_type,       \
                 member, column, type, nullable, interned, refers)

static void check_instance_columns(const wfs_harness *harness)
{
    WFSI_INSTANCE_COLUMNS(CHECK_INSTANCE)
}

static void check_step_columns(const wfs_harness *harness)
{
    WFSI_STEP_COLUMNS(CHECK_STEP)
}

static void check_event_columns(const wfs_harness *harness)
{
    WFSI_EVENT_COLUMNS(CHECK_EVENT)
}

static void check_hook_columns(const wfs_harness *harness)
{
    WFSI_HOOK_COLUMNS(CHECK_HOOK)
}

/* The store's rows have the size of the struct, and as many columns. */
static void check_row(const wfs_harness *harness, uint32_t number,
                      const char *name, size_t columns, size_t size)
{
    const wfsi_table *table = &harness->store->tables[number];

    assert_string_equal(wfsi_text(harness->store, table->name, NULL), name);
    assert_int_equal(wfsi_array_count(table->columns), columns);
    assert_true(columns <= 32);
    assert_true(table->row_size >= size && table->row_size < size + 8);
}

static void check_index(const wfs_harness *harness, uint32_t table,
                        uint32_t number, const char *name)
{
    const wfsi_table *rows = &harness->store->tables[table];

    assert_true(number < wfsi_array_count(rows->indexes));
    assert_string_equal(
        wfsi_text(harness->store, rows->indexes[number].name, NULL), name);
}

static void test_rows_lie_as_the_store_lays_them_out(void **state)
{
    wfs_harness *harness = open_world(nothing, false);
    const wfsi_table *tables_of = harness->store->tables;

    (void)state;
    check_row(harness, WFSI_INSTANCES, "workflow_instance",
              wfsi_instance_count, sizeof(wfsi_instance_row));
    check_row(harness, WFSI_STEPS, "workflow_step", wfsi_step_count,
              sizeof(wfsi_step_row));
    check_row(harness, WFSI_EVENTS, "workflow_event", wfsi_event_count,
              sizeof(wfsi_event_row));
    check_row(harness, WFSI_HOOKS, "workflow_hook", wfsi_hook_count,
              sizeof(wfsi_hook_row));
    check_instance_columns(harness);
    check_step_columns(harness);
    check_event_columns(harness);
    check_hook_columns(harness);
    assert_int_equal(tables_of[WFSI_STEPS].indexes[WFSI_OF_INSTANCE].link_offset,
                     offsetof(wfsi_step_row, of_instance));
    assert_int_equal(tables_of[WFSI_EVENTS].indexes[WFSI_OF_INSTANCE].link_offset,
                     offsetof(wfsi_event_row, of_instance));
    check_index(harness, WFSI_INSTANCES, WFSI_INSTANCE_BY_ID, "by_instance");
    check_index(harness, WFSI_INSTANCES, WFSI_INSTANCE_BY_STATUS, "by_status");
    check_index(harness, WFSI_STEPS, WFSI_OF_INSTANCE, "of_instance");
    check_index(harness, WFSI_STEPS, WFSI_BY_CREATED, "by_created");
    check_index(harness, WFSI_STEPS, WFSI_STEP_BY_KEY, "by_key");
    check_index(harness, WFSI_EVENTS, WFSI_OF_INSTANCE, "of_instance");
    check_index(harness, WFSI_EVENTS, WFSI_BY_CREATED, "by_created");
    check_index(harness, WFSI_HOOKS, WFSI_HOOK_DUE, "due");
    close_harness(harness);
}

/* What the engine writes in place, the store's own functions read. */
static void test_the_store_reads_the_engine_s_rows(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_store *store = wfs_harness_store(harness);
    wfs_row row;

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    ok(harness, wfs_get(store, "workflow_instance", 1, &row));
    assert_string_equal(wfs_row_text(&row, "instanceId"), "o-1");
    assert_string_equal(wfs_row_text(&row, "status"), "waiting");
    assert_string_equal(wfs_row_text(&row, "params"), "{\"sku\":\"cup\"}");
    assert_int_equal(wfs_row_integer(&row, "startedAt"), 1000);
    assert_int_equal(wfs_row_value(&row, "completedAt").type, WFS_NULL);
    assert_int_equal(wfs_row_value(&row, "pauseRequested").type, WFS_BOOL);
    ok(harness, wfs_get(store, "workflow_step", 2, &row));
    assert_string_equal(wfs_row_text(&row, "stepKey"), "sleep:nap");
    assert_int_equal(wfs_row_integer(&row, "instanceRef"), 1);
    assert_int_equal(wfs_row_integer(&row, "wakeAt"), 3601000);
    assert_int_equal(wfs_row_value(&row, "nextRetryAt").type, WFS_NULL);
    ok(harness, wfs_get(store, "workflow_hook", 2, &row));
    assert_string_equal(wfs_row_text(&row, "reason"), "wake");
    assert_int_equal(wfs_row_integer(&row, "dueAt"), 3601000);
    close_harness(harness);
}

/* --- split ticks */

static wfs_open_tick *retrieve(wfs_harness *harness, const char *workflow,
                               const char *id, wfs_reason reason)
{
    wfs_payload payload = payload_of(harness, workflow, id, reason);
    wfs_open_tick *open;

    ok(harness, wfs_tick_retrieve(harness, &payload, &open));
    assert_non_null(open);
    return open;
}

static int commit(wfs_harness *harness, wfs_open_tick *open)
{
    int processed = -1;

    ok(harness, wfs_tick_commit(open, &processed));
    return processed;
}

/* No tick is open, and no text waits for one to be freed. */
static void assert_settled(const wfs_harness *harness)
{
    assert_int_equal(harness->open_ticks, 0);
    assert_null(harness->store->readers);
    assert_int_equal(wfsi_array_count(harness->store->freed), 0);
    assert_int_equal(wfsi_array_count(harness->store->savepoints), 0);
}

/* Two ticks, three phases each, in the order that bits of `order` give. */
static void race(unsigned order)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_open_tick *open[2] = {NULL, NULL};
    int phase[2] = {0, 0}, commits = 0, i;
    bool saw_old[2] = {false, false};
    uint64_t hash = 0;

    for (i = 0; i < 6; i++) {
        unsigned who = order >> i & 1;

        switch (phase[who]++) {
        case 0:
            open[who] = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
            saw_old[who] = commits == 0;
            break;
        case 1:
            ok(harness, wfs_tick_plan(open[who]));
            break;
        default:
            assert_int_equal(commit(harness, open[who]),
                             commits == 0 || !saw_old[who]);
            if (commits++ == 0)
                hash = wfs_store_hash(wfs_harness_store(harness));
            else if (saw_old[who])
                assert_true(hash == wfs_store_hash(wfs_harness_store(harness)));
        }
    }
    assert_int_equal(wfs_count(wfs_harness_store(harness), "workflow_step"), 2);
    assert_int_equal(hook_count(harness, NULL), 2);
    assert_int_equal(calls, saw_old[0] && saw_old[1] ? 2 : 1);
    assert_settled(harness);
    close_harness(harness);
}

static void test_two_ticks_in_every_order(void **state)
{
    unsigned order, bits, i, orders = 0;

    (void)state;
    for (order = 0; order < 64; order++) {
        for (bits = 0, i = 0; i < 6; i++)
            bits += order >> i & 1;
        if (bits != 3)
            continue;
        race(order);
        orders++;
    }
    assert_int_equal(orders, 20);
}

typedef struct interference {
    const char *name;
    wfs_status (*act)(wfs_harness *harness);
    bool loses;
} interference;

static wfs_status act_event(wfs_harness *harness)
{
    return wfs_send_event(harness, "orders", "o-1", "poke", NULL, NULL);
}

static wfs_status act_pause(wfs_harness *harness)
{
    return wfs_pause(harness, "orders", "o-1");
}

static wfs_status act_resume(wfs_harness *harness)
{
    return wfs_resume(harness, "orders", "o-1");
}

static wfs_status act_terminate(wfs_harness *harness)
{
    return wfs_terminate(harness, "orders", "o-1");
}

static wfs_status act_restart(wfs_harness *harness)
{
    return wfs_restart(harness, "orders", "o-1");
}

static wfs_status act_elsewhere(wfs_harness *harness)
{
    WFS_TRY(wfs_create(harness, "orders", "o-2", NULL, NULL));
    WFS_TRY(wfs_send_event(harness, "orders", "o-2", "poke", NULL, NULL));
    WFS_TRY(wfs_insert(wfs_harness_store(harness), "stock",
                       WFS_FIELDS({"sku", wfs_text("mug")}), NULL));
    wfs_clock_advance(wfs_harness_clock(harness), 5);
    return wfs_terminate(harness, "orders", "o-2");
}

static const interference interferences[] = {
    {"event", act_event, true},         {"pause", act_pause, true},
    {"resume", act_resume, false},      {"terminate", act_terminate, true},
    {"restart", act_restart, true},     {"elsewhere", act_elsewhere, false},
};

/* waits: the instance has had a tick before. after: the phases done when the
 * interference comes. */
static void interfere(const interference *with, bool waits, int after)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_open_tick *open;
    uint64_t hash;

    if (waits)
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    open = retrieve(harness, "orders", "o-1", WFS_REASON_EVENT);
    if (after == 1)
        ok(harness, with->act(harness));
    ok(harness, wfs_tick_plan(open));
    if (after == 2)
        ok(harness, with->act(harness));
    hash = wfs_store_hash(wfs_harness_store(harness));
    if (commit(harness, open) == (int)with->loses)
        fail_msg("%s after phase %d, %s", with->name, after,
                 waits ? "waiting" : "queued");
    assert_true(with->loses ==
                (hash == wfs_store_hash(wfs_harness_store(harness))));
    assert_settled(harness);
    close_harness(harness);
}

static void test_what_happens_between_phases(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(interferences); i++) {
        interfere(&interferences[i], false, 1);
        interfere(&interferences[i], false, 2);
        interfere(&interferences[i], true, 1);
        interfere(&interferences[i], true, 2);
    }
}

/* A tick that found the instance paused has nothing to do, also when it is
 * resumed before the commit. */
static void test_resumed_between_phases(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_open_tick *open;

    (void)state;
    ok(harness, act_pause(harness));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_PAUSED);
    open = retrieve(harness, "orders", "o-1", WFS_REASON_EVENT);
    ok(harness, act_resume(harness));
    ok(harness, wfs_tick_plan(open));
    assert_int_equal(commit(harness, open), 0);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_QUEUED);
    assert_int_equal(calls, 0);
    close_harness(harness);
}

/* A pause that was retrieved by two ticks is consumed by one, on a live and
 * on a terminal instance. */
static void test_two_ticks_race_for_a_pause(void **state)
{
    int terminal;

    (void)state;
    for (terminal = 0; terminal < 2; terminal++) {
        wfs_harness *harness = fresh(count_and_sleep);
        wfs_open_tick *first, *second;
        wfs_payload payload;
        uint64_t hash;

        ok(harness, act_pause(harness));
        ok(harness, act_pause(harness));
        if (terminal)
            ok(harness, act_terminate(harness));
        payload = payload_of(harness, "orders", "o-1", WFS_REASON_WAKE);
        ok(harness, wfs_tick_retrieve(harness, &payload, &first));
        ok(harness, wfs_tick_retrieve(harness, &payload, &second));
        ok(harness, wfs_tick_plan(first));
        ok(harness, wfs_tick_plan(second));
        assert_int_equal(commit(harness, second), 1);
        hash = wfs_store_hash(wfs_harness_store(harness));
        assert_int_equal(commit(harness, first), 0);
        assert_true(hash == wfs_store_hash(wfs_harness_store(harness)));
        assert_int_equal(calls, 0);
        close_harness(harness);
    }
}

/* Ticks that come too early change no more than the hooks: none loses. */
static void test_early_ticks_do_not_conflict(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_open_tick *first, *second;

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    first = retrieve(harness, "orders", "o-1", WFS_REASON_WAKE);
    second = retrieve(harness, "orders", "o-1", WFS_REASON_WAKE);
    ok(harness, wfs_tick_plan(first));
    ok(harness, wfs_tick_plan(second));
    assert_int_equal(commit(harness, first), 1);
    assert_int_equal(commit(harness, second), 1);
    assert_int_equal(hook_count(harness, NULL), 4);
    assert_int_equal(calls, 1);
    close_harness(harness);
}

static void test_ticks_of_different_instances(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_open_tick *open[3];
    int i;

    (void)state;
    other_program = count_and_sleep;
    ok(harness, wfs_create(harness, "orders", "o-2", NULL, NULL));
    ok(harness, wfs_create(harness, "parcels", "o-1", NULL, NULL));
    open[0] = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    open[1] = retrieve(harness, "orders", "o-2", WFS_REASON_CREATE);
    open[2] = retrieve(harness, "parcels", "o-1", WFS_REASON_CREATE);
    for (i = 0; i < 3; i++)
        ok(harness, wfs_tick_plan(open[i]));
    for (i = 2; i >= 0; i--)
        assert_int_equal(commit(harness, open[i]), 1);
    assert_int_equal(wfs_count(wfs_harness_store(harness), "workflow_step"), 6);
    assert_settled(harness);
    close_harness(harness);
}

/* A tick whose run, or whose instance, is not there. */
static void test_split_ticks_with_nothing_to_do(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_CREATE);
    wfs_open_tick *open;
    uint64_t hash = wfs_store_hash(wfs_harness_store(harness));
    size_t i;
    wfs_payload strange[4];

    (void)state;
    for (i = 0; i < 4; i++)
        strange[i] = payload;
    strange[0].run_number = 1;
    strange[1].run_number = INT64_MIN;
    strange[2].instance_ref = 0;
    strange[3].instance_ref = UINT32_MAX;
    for (i = 0; i < 4; i++) {
        ok(harness, wfs_tick_retrieve(harness, &strange[i], &open));
        ok(harness, wfs_tick_plan(open));
        assert_int_equal(commit(harness, open), 0);
        ok(harness, wfs_tick_retrieve(harness, &strange[i], &open));
        wfs_tick_discard(open);
    }
    assert_true(hash == wfs_store_hash(wfs_harness_store(harness)));
    assert_int_equal(calls, 0);
    close_harness(harness);
}

static wfs_status draw(wfs_run *run, void *user)
{
    (void)user;
    wfs_random_next(wfs_run_random(run));
    return count_call(run, NULL);
}

static wfs_status draw_and_end(wfs_run *run, void *user)
{
    return wfs_do(run, "draw", draw, user, NULL, NULL);
}

static void test_discard(void **state)
{
    wfs_harness *harness = fresh(draw_and_end);
    before then = remember(harness);
    wfs_open_tick *open, *other;

    (void)state;
    wfs_tick_discard(NULL);
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    wfs_tick_discard(open);
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    other = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    ok(harness, wfs_tick_plan(open));
    ok(harness, wfs_tick_plan(other));
    wfs_tick_discard(other);
    wfs_tick_discard(open);
    assert_int_equal(calls, 2);
    assert_settled(harness);
    unchanged(harness, then);
    close_harness(harness);
}

static wfs_status refuse_plan(wfs_run *run, void *user)
{
    (void)user;
    return wfs_do(run, NULL, nothing, NULL, NULL, NULL);
}

static void test_phases_out_of_order(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    before then = remember(harness);
    wfs_open_tick *open = retrieve(harness, "orders", "o-1",
                                   WFS_REASON_CREATE);
    int processed = -1;

    (void)state;
    refused_at(harness, wfs_tick_commit(open, &processed), WFS_ERR_MISUSE,
               "plan", "commit before plan", __LINE__);
    assert_int_equal(processed, 0);
    assert_settled(harness);

    program = refuse_plan;
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    refused_at(harness, wfs_tick_plan(open), WFS_ERR_ARGUMENT, "orders",
               "plan that fails", __LINE__);
    refused_at(harness, wfs_tick_plan(open), WFS_ERR_MISUSE, "planned once",
               "plan again", __LINE__);
    refused_at(harness, wfs_tick_commit(open, NULL), WFS_ERR_MISUSE, "plan",
               "commit of a plan that failed", __LINE__);
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    assert_int_equal(wfs_tick_plan(open), WFS_ERR_ARGUMENT);
    wfs_tick_discard(open);
    unchanged(harness, then);

    program = count_and_sleep;
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    ok(harness, wfs_tick_plan(open));
    refused_at(harness, wfs_tick_plan(open), WFS_ERR_MISUSE, "planned once",
               "plan twice", __LINE__);
    assert_int_equal(commit(harness, open), 1);
    assert_int_equal(calls, 1);
    close_harness(harness);
}

static void test_payloads_that_are_refused(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_payload good = payload_of(harness, "orders", "o-1", WFS_REASON_WAKE);
    wfs_payload none = good, large = good, unknown = good, null = good;
    wfs_open_tick *open = (wfs_open_tick *)(void *)harness;
    wfs_idle idle;

    (void)state;
    none.reason = WFS_REASON_NONE;
    large.reason = WFS_REASON_COUNT;
    unknown.workflow = "ghosts";
    null.workflow = NULL;
    refused(harness, WFS_ERR_ARGUMENT, "reason", wfs_tick(harness, NULL, NULL));
    refused(harness, WFS_ERR_ARGUMENT, "reason",
            wfs_tick(harness, &none, NULL));
    refused(harness, WFS_ERR_ARGUMENT, "reason",
            wfs_tick(harness, &large, NULL));
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, "WORKFLOW_NOT_FOUND: ghosts",
            wfs_tick(harness, &unknown, NULL));
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, "WORKFLOW_NOT_FOUND",
            wfs_tick(harness, &null, NULL));
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, "ghosts",
            wfs_tick_retrieve(harness, &unknown, &open));
    assert_null(open);
    refused(harness, WFS_ERR_ARGUMENT, "reason",
            wfs_tick_retrieve(harness, NULL, &open));
    assert_null(open);
    refused(harness, WFS_ERR_ARGUMENT, "reason",
            wfs_run_until_idle(harness, &none, 3, &idle));
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, "ghosts",
            wfs_run_until_idle(harness, &unknown, 3, NULL));
    close_harness(harness);
}

static void test_no_fork_with_an_open_tick(void **state)
{
    wfs_harness *harness = fresh(count_and_sleep);
    wfs_open_tick *open = retrieve(harness, "orders", "o-1",
                                   WFS_REASON_CREATE);
    wfs_harness *copy = harness;

    (void)state;
    refused_at(harness, wfs_harness_fork(harness, &copy), WFS_ERR_MISUSE,
               "open tick", "fork", __LINE__);
    assert_null(copy);
    wfs_tick_discard(open);
    ok(harness, wfs_harness_fork(harness, &copy));
    wfs_harness_free(copy);
    close_harness(harness);
}

/* --- a snapshot stays readable */

#define LARGE 100000            /* such a text has memory of its own */

static char seen_params, seen_result, seen_payload;

static char first_char(const wfs_json *value)
{
    size_t size = 0;
    const char *text = wfs_json_string(value, &size);

    return text != NULL && size == LARGE && text[LARGE - 1] == text[0]
               ? text[0]
               : '?';
}

static wfs_status large_body(wfs_run *run, void *user)
{
    char *text = repeated('r', LARGE);
    wfs_status status;

    (void)user;
    status = wfs_return(run, wfs_json_new_string(wfs_run_arena(run), text));
    free(text);
    return status;
}

static wfs_status read_all(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "letter"};
    const wfs_json *result, *event;

    WFS_TRY(wfs_do(run, "large", large_body, user, NULL, &result));
    WFS_TRY(wfs_wait_for_event(run, "letter", &options, &event));
    seen_params = first_char(wfs_params(run));
    seen_result = first_char(result);
    seen_payload = first_char(wfs_json_get(event, "payload"));
    return WFS_OK;
}

static char *large_json(char c)
{
    char *text = repeated(c, LARGE + 2);

    text[0] = text[LARGE + 1] = '"';
    return text;
}

static void rewrite(wfs_harness *harness, const char *table, wfs_row_id id,
                    const char *column, char c)
{
    char *text = large_json(c);

    ok(harness, engine_write(harness, table, id,
                             WFS_FIELDS({column, wfs_json_text(text)})));
    free(text);
}

/* An instance with large params, a large result and a large event. */
static wfs_harness *open_large(void)
{
    wfs_harness *harness = open_world(read_all, false);
    char *params = large_json('p'), *payload = large_json('e');

    ok(harness, wfs_create(harness, "orders", "o-1", params, NULL));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    ok(harness, wfs_send_event(harness, "orders", "o-1", "letter", payload,
                               NULL));
    free(params);
    free(payload);
    seen_params = seen_result = seen_payload = '?';
    return harness;
}

static void assert_seen(char params, char result, char payload)
{
    assert_int_equal(seen_params, params);
    assert_int_equal(seen_result, result);
    assert_int_equal(seen_payload, payload);
}

static void test_a_tick_reads_what_it_retrieved(void **state)
{
    wfs_harness *harness = open_large();
    wfs_open_tick *open = retrieve(harness, "orders", "o-1", WFS_REASON_EVENT);

    (void)state;
    rewrite(harness, "workflow_instance", 1, "params", 'P');
    rewrite(harness, "workflow_step", 1, "result", 'R');
    rewrite(harness, "workflow_event", 1, "payload", 'E');
    ok(harness, wfs_tick_plan(open));
    assert_seen('p', 'r', 'e');
    assert_int_equal(commit(harness, open), 0);
    assert_settled(harness);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    assert_seen('P', 'R', 'E');
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    close_harness(harness);
}

/* The plan's own values are good until the commit, and a taken event that
 * changed meanwhile makes the tick lose. */
static void test_a_plan_outlives_its_rows(void **state)
{
    wfs_harness *harness = open_large();
    wfs_open_tick *open = retrieve(harness, "orders", "o-1", WFS_REASON_EVENT);
    uint64_t hash;

    (void)state;
    ok(harness, wfs_tick_plan(open));
    rewrite(harness, "workflow_event", 1, "payload", 'E');
    hash = wfs_store_hash(wfs_harness_store(harness));
    assert_int_equal(commit(harness, open), 0);
    assert_true(hash == wfs_store_hash(wfs_harness_store(harness)));

    open = retrieve(harness, "orders", "o-1", WFS_REASON_EVENT);
    rewrite(harness, "workflow_step", 1, "result", 'R');
    ok(harness, wfs_tick_plan(open));
    assert_seen('p', 'r', 'E');
    assert_int_equal(commit(harness, open), 1);
    assert_settled(harness);
    close_harness(harness);
}

/* Texts written by a transaction that is rolled back: such a tick is refused,
 * or it loses, and never reads what it has not retrieved. */
static void test_a_snapshot_of_what_is_rolled_back(void **state)
{
    wfs_harness *harness = open_large();
    wfs_store *store = wfs_harness_store(harness);
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_EVENT);
    wfs_open_tick *open;
    wfs_status status;

    (void)state;
    ok(harness, wfs_begin(store));
    rewrite(harness, "workflow_instance", 1, "params", 'P');
    status = wfs_tick_retrieve(harness, &payload, &open);
    ok(harness, wfs_rollback(store));
    rewrite(harness, "workflow_instance", 1, "params", 'Q');
    if (status == WFS_OK) {
        ok(harness, wfs_tick_plan(open));
        assert_true(seen_params == 'P' || seen_params == '?');
        assert_int_equal(commit(harness, open), 0);
    } else {
        assert_int_equal(status, WFS_ERR_MISUSE);
        assert_null(open);
    }
    assert_settled(harness);
    close_harness(harness);
}

/* --- misuse: each suspension forgotten, in each way */

typedef struct move {
    const char *name;           /* what the message has to say */
    wfs_status (*make)(wfs_run *run);
} move;

static const wfs_do_options one_retry = {.retries = {.limit = 1,
                                                     .delay = "1 hour"}};

static wfs_status fail_once(wfs_run *run, void *user)
{
    (void)user;
    return wfs_attempt(run) == 1 ? wfs_fail(run, "ONCE", "") : WFS_OK;
}

static wfs_status nap_inside(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "culprit", "1 hour");
}

static wfs_status by_sleep(wfs_run *run)
{
    return wfs_sleep(run, "culprit", "1 hour");
}

static wfs_status by_sleep_ms(wfs_run *run)
{
    return wfs_sleep_ms(run, "culprit", 0);
}

static wfs_status by_sleep_until(wfs_run *run)
{
    return wfs_sleep_until(run, "culprit", 5000);
}

static wfs_status by_wait(wfs_run *run)
{
    wfs_wait_options options = {.type = "never"};

    return wfs_wait_for_event(run, "culprit", &options, NULL);
}

static wfs_status by_wait_with_timeout(wfs_run *run)
{
    wfs_wait_options options = {.type = "never", .timeout = "1 hour"};

    return wfs_wait_for_event(run, "culprit", &options, NULL);
}

static wfs_status by_retry(wfs_run *run)
{
    return wfs_do(run, "culprit", fail_once, NULL, &one_retry, NULL);
}

static wfs_status by_nested(wfs_run *run)
{
    return wfs_do(run, "around", nap_inside, NULL, NULL, NULL);
}

static const move suspensions[] = {
    {"sleep", by_sleep},           {"sleep_ms", by_sleep_ms},
    {"sleep_until", by_sleep_until}, {"wait", by_wait},
    {"timeout", by_wait_with_timeout}, {"retry", by_retry},
    {"nested", by_nested},
};

static wfs_status then_ok(wfs_run *run)
{
    (void)run;
    return WFS_OK;
}

static wfs_status then_failed(wfs_run *run)
{
    (void)run;
    return WFS_FAILED;
}

static wfs_status then_done(wfs_run *run)
{
    (void)run;
    return WFS_DONE;
}

static wfs_status then_error(wfs_run *run)
{
    (void)run;
    return WFS_ERR_TYPE;
}

static wfs_status then_do(wfs_run *run)
{
    return wfs_do(run, "later", count_call, NULL, NULL, NULL);
}

static wfs_status then_sleep(wfs_run *run)
{
    return wfs_sleep(run, "later", "1 s");
}

static wfs_status then_wait(wfs_run *run)
{
    wfs_wait_options options = {.type = "never"};

    return wfs_wait_for_event(run, "later", &options, NULL);
}

static wfs_status then_return(wfs_run *run)
{
    return wfs_return(run, wfs_params(run));
}

static wfs_status then_return_text(wfs_run *run)
{
    return wfs_return_text(run, "not JSON");
}

static wfs_status then_fail(wfs_run *run)
{
    return wfs_fail(run, "LATER", "");
}

static wfs_status then_fail_for_good(wfs_run *run)
{
    return wfs_fail_for_good(run, "LATER", "");
}

static wfs_status then_fail_with(wfs_run *run)
{
    wfs_failure failure = {"LATER", 5, "", 0, false};

    return wfs_fail_with(run, &failure);
}

static wfs_status then_queue(wfs_run *run)
{
    return wfs_queue_insert(run, "stock", WFS_FIELDS({"sku", wfs_text("x")}));
}

static wfs_status then_queue_hook(wfs_run *run)
{
    return wfs_queue_hook(run, "notify", NULL);
}

static const move mistakes[] = {
    {"returned OK", then_ok},
    {"returned FAILED", then_failed},
    {"returned DONE", then_done},
    {"returned TYPE_MISMATCH", then_error},
    {"step \"later\"", then_do},
    {"step \"later\"", then_sleep},
    {"step \"later\"", then_wait},
    {"wfs_return was called", then_return},
    {"wfs_return_text was called", then_return_text},
    {"wfs_fail \"LATER\"", then_fail},
    {"wfs_fail_for_good \"LATER\"", then_fail_for_good},
    {"wfs_fail \"LATER\"", then_fail_with},
    {"a queued write", then_queue},
    {"a queued write", then_queue_hook},
};

static const move *suspension, *mistake;

static wfs_status forget(wfs_run *run, void *user)
{
    (void)user;
    assert_int_equal(suspension->make(run), WFS_SUSPENDED);
    return mistake->make(run);
}

static wfs_status forget_in_a_body(wfs_run *run, void *user)
{
    return wfs_do(run, "outside", forget, user, NULL, NULL);
}

/* The body's mistake is hidden by what the body returns. */
static wfs_status hide(wfs_run *run, void *user)
{
    (void)user;
    suspension->make(run);
    mistake->make(run);
    return WFS_SUSPENDED;
}

static wfs_status suspend_well(wfs_run *run, void *user)
{
    (void)user;
    return suspension->make(run);
}

static void assert_forgotten(wfs_harness *harness, wfs_function code)
{
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_EVENT);
    wfs_open_tick *open;

    program = code;
    refused(harness, WFS_ERR_MISUSE, mistake->name,
            wfs_tick(harness, &payload, NULL));
    assert_contains(wfs_harness_error(harness)->message, "\"culprit\"");
    ok(harness, wfs_tick_retrieve(harness, &payload, &open));
    assert_int_equal(wfs_tick_plan(open), WFS_ERR_MISUSE);
    wfs_tick_discard(open);
    assert_int_equal(calls, 0);
}

static void forget_each(const move *how, const move *what)
{
    wfs_harness *harness = fresh(nothing);

    suspension = how;
    mistake = what;
    assert_forgotten(harness, forget);
    assert_forgotten(harness, forget_in_a_body);
    program = suspend_well;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_WAITING);
    assert_forgotten(harness, forget);
    if (what->make != then_ok && what->make != then_failed &&
        what->make != then_done && what->make != then_error)
        assert_forgotten(harness, hide);
    close_harness(harness);
}

static void test_a_forgotten_check(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < WFSI_COUNT(suspensions); i++)
        for (j = 0; j < WFSI_COUNT(mistakes); j++)
            forget_each(&suspensions[i], &mistakes[j]);
}

/* --- misuse: single mistakes */

static char *long_name;         /* of 10,000 characters */

static wfs_status null_do(wfs_run *run, void *user)
{
    return wfs_do(run, NULL, nothing, user, NULL, NULL);
}

static wfs_status sleep_null(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "nap", NULL);
}

static wfs_status null_sleep(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, NULL, "1 s");
}

static wfs_status null_sleep_ms(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep_ms(run, NULL, 1);
}

static wfs_status null_sleep_until(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep_until(run, NULL, 1);
}

static wfs_status null_wait(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "x"};

    (void)user;
    return wfs_wait_for_event(run, NULL, &options, NULL);
}

static wfs_status null_body(wfs_run *run, void *user)
{
    return wfs_do(run, "culprit", NULL, user, NULL, NULL);
}

static wfs_status null_sleep_options(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep_with(run, "culprit", NULL);
}

static wfs_status null_wait_options(wfs_run *run, void *user)
{
    (void)user;
    return wfs_wait_for_event(run, "culprit", NULL, NULL);
}

static wfs_status null_type(wfs_run *run, void *user)
{
    wfs_wait_options options = {.timeout = "1 s"};

    (void)user;
    return wfs_wait_for_event(run, "culprit", &options, NULL);
}

static wfs_status null_failure(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail_with(run, NULL);
}

static wfs_status long_do(wfs_run *run, void *user)
{
    return wfs_do(run, long_name, nothing, user, NULL, NULL);
}

static wfs_status long_sleep(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, long_name, "1 s");
}

static wfs_status long_wait(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "x"};

    (void)user;
    return wfs_wait_for_event(run, long_name, &options, NULL);
}

static wfs_status long_inside(wfs_run *run, void *user)
{
    return wfs_do(run, "around", long_do, user, NULL, NULL);
}

static wfs_status bad_json(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return_text(run, "{\"a\":1,}");
}

static wfs_status bad_json_ignored(wfs_run *run, void *user)
{
    (void)user;
    wfs_return_text(run, "nul");
    wfs_return_text(run, "1");
    return WFS_OK;
}

static wfs_status return_suspended(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_SUSPENDED;
}

static wfs_status return_done(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_DONE;
}

static wfs_status return_error(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_ERR_CURSOR;
}

/* Not the same as a tick that loses. */
static wfs_status return_conflict(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_ERR_CONFLICT;
}

static wfs_status null_ignored(wfs_run *run, void *user)
{
    null_do(run, user);
    wfs_sleep(run, "later", "1 s");
    return wfs_return_text(run, "1") == WFS_OK ? WFS_ERR_TYPE : WFS_OK;
}

static wfs_status now_outside(wfs_run *run, void *user)
{
    (void)user;
    return wfs_now(run) == 0 ? WFS_FAILED : WFS_OK;
}

static wfs_status random_outside(wfs_run *run, void *user)
{
    (void)user;
    wfs_random_next(wfs_run_random(run));
    return wfs_sleep(run, "later", "1 s");
}

typedef struct misuse {
    wfs_function code;
    wfs_status expected;
    const char *culprit;
} misuse;

static const misuse misuses[] = {
    {null_do, WFS_ERR_ARGUMENT, "orders: the name of a do step is NULL"},
    {sleep_null, WFS_ERR_ARGUMENT, "sleep \"nap\" has no duration"},
    {null_sleep, WFS_ERR_ARGUMENT, "orders: the name of a sleep step is NULL"},
    {null_sleep_ms, WFS_ERR_ARGUMENT, "name of a sleep step is NULL"},
    {null_sleep_until, WFS_ERR_ARGUMENT, "name of a sleep step is NULL"},
    {null_wait, WFS_ERR_ARGUMENT, "name of a waitForEvent step is NULL"},
    {null_body, WFS_ERR_ARGUMENT, "the body of step \"culprit\" is NULL"},
    {null_sleep_options, WFS_ERR_ARGUMENT, "\"culprit\""},
    {null_wait_options, WFS_ERR_ARGUMENT, "\"culprit\" has no event type"},
    {null_type, WFS_ERR_ARGUMENT, "\"culprit\" has no event type"},
    {null_failure, WFS_ERR_ARGUMENT, "orders"},
    {long_do, WFS_ERR_LIMIT, "10000 bytes, more than the 8192 allowed: nnnn"},
    {long_sleep, WFS_ERR_LIMIT, "8192 allowed: nnnn"},
    {long_wait, WFS_ERR_LIMIT, "8192 allowed: nnnn"},
    {long_inside, WFS_ERR_LIMIT, "8192 allowed: nnnn"},
    {bad_json, WFS_ERR_JSON, "orders: wfs_return_text"},
    {bad_json_ignored, WFS_ERR_JSON, "wfs_return_text"},
    {return_suspended, WFS_ERR_MISUSE, "returned SUSPENDED although no step"},
    {return_done, WFS_ERR_MISUSE, "returned DONE"},
    {return_error, WFS_ERR_CURSOR, "returned CURSOR_INVALID"},
    {return_conflict, WFS_ERR_CONFLICT, "returned CONFLICT"},
    {null_ignored, WFS_ERR_ARGUMENT, "name of a do step is NULL"},
    {now_outside, WFS_ERR_MISUSE, "orders: wfs_now"},
    {random_outside, WFS_ERR_MISUSE, "orders: wfs_run_random"},
};

static wfs_function wrapped;

static wfs_status wrap(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "before", count_call, NULL, NULL, NULL));
    return wfs_do(run, "outside", wrapped, user, NULL, NULL);
}

/* Nothing remains of a tick that broke a rule: a good one does as if it had
 * not been. */
static void assert_misuse(wfs_function code, const misuse *what)
{
    wfs_harness *harness = fresh(code);
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_CREATE);
    int processed = -1;
    wfs_idle idle;

    refused(harness, what->expected, what->culprit,
            wfs_tick(harness, &payload, &processed));
    assert_int_equal(processed, 0);
    refused(harness, what->expected, what->culprit,
            wfs_run_until_idle(harness, &payload, 3, &idle));
    assert_settled(harness);
    program = count_and_end;
    calls = 0;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(wfs_count(wfs_harness_store(harness), "workflow_step"), 1);
    close_harness(harness);
}

static void test_single_mistakes(void **state)
{
    size_t i;

    (void)state;
    long_name = repeated('n', 10000);
    for (i = 0; i < WFSI_COUNT(misuses); i++) {
        wrapped = misuses[i].code;
        assert_misuse(misuses[i].code, &misuses[i]);
        if (wrapped != now_outside && wrapped != random_outside)
            assert_misuse(wrap, &misuses[i]);
    }
    free(long_name);
}

static wfs_status return_unknown(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return (wfs_status)(WFS_STATUS_COUNT + 7);
}

/* A number that is no status at all. */
static void test_a_status_out_of_range(void **state)
{
    wfs_harness *harness = fresh(return_unknown);
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_CREATE);
    before then = remember(harness);

    (void)state;
    assert_true(wfs_tick(harness, &payload, NULL) != WFS_OK);
    assert_contains(wfs_harness_error(harness)->message, "orders");
    unchanged(harness, then);
    close_harness(harness);
}

/* --- names with a length need no end */

static char *open_name;         /* three bytes of memory, no NUL after them */
static wfs_function open_body;

static wfs_status use_open_names(wfs_run *run, void *user)
{
    wfs_do_options named = {.name_size = 3};
    wfs_sleep_options slept = {.duration = "1 s", .name_size = 3};
    wfs_wait_options waited = {.type = "x", .name_size = 3};

    WFS_TRY(wfs_do(run, open_name, open_body, user, &named, NULL));
    WFS_TRY(wfs_sleep_with(run, open_name, &slept));
    return wfs_wait_for_event(run, open_name, &waited, NULL);
}

static wfs_status sleep_then_open_name(wfs_run *run, void *user)
{
    wfs_do_options named = {.name_size = 3};

    (void)user;
    wfs_sleep(run, "nap", "1 s");
    return wfs_do(run, open_name, nothing, user, &named, NULL);
}

static wfs_status fail_with_open_name(wfs_run *run, void *user)
{
    wfs_failure failure = {open_name, 3, open_name, 3, false};

    (void)user;
    return wfs_fail_with(run, &failure);
}

static wfs_status sleep_then_open_failure(wfs_run *run, void *user)
{
    wfs_sleep(run, "nap", "1 s");
    return fail_with_open_name(run, user);
}

static void open_name_make(void)
{
    open_name = (char *)malloc(3);
    assert_non_null(open_name);
    memcpy(open_name, "abc", 3);
}

static void test_names_that_do_not_end(void **state)
{
    static const char *const keys[] = {"do:abc", "sleep:abc",
                                       "waitForEvent:abc"};
    wfs_harness *harness = fresh(use_open_names);

    (void)state;
    open_name_make();
    open_body = nothing;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    advance(harness, 1000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_keys(harness, keys, 3);
    ok(harness, act_restart(harness));
    program = fail_with_open_name;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_string_equal(instance_of(harness, "orders", "o-1").error_name,
                        "abc");
    free(open_name);
    close_harness(harness);
}

/* Messages too take the length that was given. */
static void test_messages_about_names_that_do_not_end(void **state)
{
    wfs_harness *harness = fresh(use_open_names);
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_CREATE);

    (void)state;
    open_name_make();
    open_body = return_done;
    refused(harness, WFS_ERR_MISUSE, "\"abc\"",
            wfs_tick(harness, &payload, NULL));
    open_body = NULL;
    refused(harness, WFS_ERR_ARGUMENT, "\"abc\"",
            wfs_tick(harness, &payload, NULL));
    program = sleep_then_open_name;
    refused(harness, WFS_ERR_MISUSE, "\"abc\"",
            wfs_tick(harness, &payload, NULL));
    program = sleep_then_open_failure;
    refused(harness, WFS_ERR_MISUSE, "\"abc\"",
            wfs_tick(harness, &payload, NULL));
    free(open_name);
    close_harness(harness);
}

static wfs_status longest_name(wfs_run *run, void *user)
{
    long_name[8192] = '\0';
    WFS_TRY(wfs_do(run, long_name, count_call, user, NULL, NULL));
    WFS_TRY(wfs_do(run, "", count_call, user, NULL, NULL));
    return wfs_do(run, ":", count_call, user, NULL, NULL);
}

static void test_the_longest_name(void **state)
{
    wfs_harness *harness = fresh(longest_name);
    size_t count = 0;

    (void)state;
    long_name = repeated('n', 10000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(strlen(steps_of(harness, "o-1", &count)->step_key),
                     8192 + 3);
    assert_int_equal(count, 3);
    free(long_name);
    close_harness(harness);
}

/* --- misuse: queued writes */

static wfs_function queue_code;

static wfs_status queue_step(wfs_run *run, void *user)
{
    return wfs_do(run, "write", queue_code, user, NULL, NULL);
}

static const wfs_field *cup(void)
{
    static wfs_field fields[3];

    fields[0].column = "sku";
    fields[0].value = wfs_text("cup");
    fields[1].column = "pieces";
    fields[1].value = wfs_integer(12);
    return fields;
}

static wfs_status insert_cup(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "stock", cup());
}

static wfs_status update_cup(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_update(run, "stock", 1, 0, cup());
}

static wfs_status delete_cup(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_delete(run, "stock", 1, 0);
}

static wfs_status notify_once(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_hook(run, "notify", wfs_params(run));
}

static const char *engine_table;

static wfs_status insert_engine(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, engine_table, NULL);
}

static wfs_status update_engine(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_update(run, engine_table, 1, 0, NULL);
}

static wfs_status delete_engine(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_delete(run, engine_table, 1, 0);
}

static wfs_status insert_nowhere(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "shelf", cup());
}

static wfs_status insert_null_table(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, NULL, cup());
}

static wfs_status insert_no_column(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "stock", WFS_FIELDS({"sku", wfs_text("a")},
                                                     {"price", wfs_null()}));
}

static wfs_status insert_wrong_type(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "stock", WFS_FIELDS({"sku", wfs_integer(1)}));
}

static wfs_status insert_without_sku(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "stock", NULL);
}

static wfs_status insert_bad_json(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_insert(run, "stock",
                            WFS_FIELDS({"sku", wfs_text("a")},
                                       {"data", wfs_json_text("{]")}));
}

static wfs_status insert_twice(wfs_run *run, void *user)
{
    WFS_TRY(insert_cup(run, user));
    return insert_cup(run, user);
}

static wfs_status queue_unnamed_hook(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_hook(run, "", NULL);
}

static wfs_status queue_null_hook(wfs_run *run, void *user)
{
    (void)user;
    return wfs_queue_hook(run, NULL, NULL);
}

static const misuse outside_misuses[] = {
    {insert_cup, WFS_ERR_MISUSE, "orders: writes can be queued only in"},
    {update_cup, WFS_ERR_MISUSE, "orders: writes can be queued only in"},
    {delete_cup, WFS_ERR_MISUSE, "orders: writes can be queued only in"},
    {notify_once, WFS_ERR_MISUSE, "orders: writes can be queued only in"},
};

static const misuse queue_misuses[] = {
    {insert_nowhere, WFS_ERR_TABLE_NOT_FOUND, "shelf"},
    {insert_null_table, WFS_ERR_TABLE_NOT_FOUND, "table"},
    {insert_no_column, WFS_ERR_COLUMN_NOT_FOUND, "price"},
    {insert_wrong_type, WFS_ERR_TYPE, "sku"},
    {insert_without_sku, WFS_ERR_NOT_NULL, "sku"},
    {insert_bad_json, WFS_ERR_JSON, "data"},
    {insert_twice, WFS_ERR_UNIQUE, "cup"},
    {update_cup, WFS_ERR_ROW_NOT_FOUND, "stock"},
    {delete_cup, WFS_ERR_ROW_NOT_FOUND, "stock"},
    {queue_unnamed_hook, WFS_ERR_ARGUMENT, "hook"},
    {queue_null_hook, WFS_ERR_ARGUMENT, "hook"},
};

static void test_mistakes_with_the_queue(void **state)
{
    static const char *const engine_tables[] = {
        "workflow_instance", "workflow_step", "workflow_event",
        "workflow_hook"};
    static const wfs_function engine_writes[] = {insert_engine, update_engine,
                                                 delete_engine};
    misuse engine = {NULL, WFS_ERR_ARGUMENT, NULL};
    size_t i, j;

    (void)state;
    for (i = 0; i < WFSI_COUNT(outside_misuses); i++)
        assert_misuse(outside_misuses[i].code, &outside_misuses[i]);
    for (i = 0; i < WFSI_COUNT(queue_misuses); i++) {
        queue_code = queue_misuses[i].code;
        assert_misuse(queue_step, &queue_misuses[i]);
    }
    for (i = 0; i < WFSI_COUNT(engine_tables); i++)
        for (j = 0; j < WFSI_COUNT(engine_writes); j++) {
            engine_table = engine.culprit = engine_tables[i];
            queue_code = engine_writes[j];
            assert_misuse(queue_step, &engine);
        }
}

/* --- what the workflow does wrong, as its own error */

static wfs_status sleep_badly(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "nap", "soon");
}

static wfs_status wait_badly(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "x", .timeout = "1 fortnight"};

    (void)user;
    return wfs_wait_for_event(run, "wait", &options, NULL);
}

/* A caught mistake leaves no row, and the run goes on. */
static wfs_status sleep_badly_and_go_on(wfs_run *run, void *user)
{
    assert_int_equal(sleep_badly(run, user), WFS_FAILED);
    assert_string_equal(wfs_run_error(run)->message, "Invalid duration: soon");
    assert_int_equal(wait_badly(run, user), WFS_FAILED);
    return count_and_sleep(run, user);
}

static void test_durations_that_are_none(void **state)
{
    static const struct {
        wfs_function code;
        const char *message;
    } cases[] = {{sleep_badly, "Invalid duration: soon"},
                 {wait_badly, "Unsupported duration unit: fortnight"}};
    static const char *const keys[] = {"do:count", "sleep:nap#1"};
    wfs_harness *harness;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(cases); i++) {
        harness = fresh(cases[i].code);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
        assert_string_equal(instance_of(harness, "orders", "o-1").error_message,
                            cases[i].message);
        assert_keys(harness, keys, 0);
        close_harness(harness);
    }
    harness = fresh(sleep_badly_and_go_on);
    for (i = 0; i < 3; i++)
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_WAITING);
    assert_keys(harness, keys, 2);
    assert_int_equal(calls, 1);
    close_harness(harness);
}

/* --- nested steps */

#define DEPTH 50

static wfs_function innermost;

static wfs_status go_deeper(wfs_run *run, void *user)
{
    int *depth = (int *)user;
    wfs_status status;

    if (*depth == DEPTH)
        return innermost(run, NULL);
    ++*depth;
    status = wfs_do(run, "deeper", go_deeper, user, NULL, NULL);
    --*depth;
    return status;
}

static wfs_status descend(wfs_run *run, void *user)
{
    int depth = 0;

    (void)user;
    return go_deeper(run, &depth);
}

static wfs_status nap_then_count(wfs_run *run, void *user)
{
    WFS_TRY(wfs_sleep(run, "nap", "1 hour"));
    return wfs_do(run, "count", count_call, user, NULL, NULL);
}

static void test_fifty_deep(void **state)
{
    wfs_harness *harness = fresh(descend);
    const wfs_step *steps = NULL;
    size_t i, count = 0;

    (void)state;
    innermost = nap_then_count;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    steps = steps_of(harness, "o-1", &count);
    assert_int_equal(count, DEPTH + 1);
    for (i = 0; i < DEPTH; i++) {
        assert_int_equal(strlen(steps[i].step_key), (i + 1) * 10 - 1);
        assert_int_equal(steps[i].status, WFS_STEP_WAITING);
        assert_int_equal(steps[i].attempts, 2);
        assert_true(steps[i].wake_at == WFS_NO_TIME);
    }
    assert_int_equal(steps[DEPTH].wake_at, 3601000);
    advance(harness, 3599999);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_int_equal(calls, 0);
    advance(harness, 1);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(calls, 1);
    steps = steps_of(harness, "o-1", &count);
    assert_int_equal(count, DEPTH + 2);
    for (i = 0; i < count; i++)
        assert_int_equal(steps[i].status, WFS_STEP_COMPLETED);
    close_harness(harness);
}

static wfs_status fail_deep(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, "DEEP", "down there");
}

/* A failure goes up through all bodies, each of which fails by it. */
static void test_failing_fifty_deep(void **state)
{
    wfs_harness *harness = fresh(descend);
    const wfs_step *steps = NULL;
    size_t i, count = 0;

    (void)state;
    innermost = fail_deep;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
    steps = steps_of(harness, "o-1", &count);
    assert_int_equal(count, DEPTH);
    for (i = 0; i < count; i++) {
        assert_int_equal(steps[i].status, WFS_STEP_ERRORED);
        assert_string_equal(steps[i].error_name, "DEEP");
        assert_string_equal(steps[i].error_message, "down there");
    }
    close_harness(harness);
}

static wfs_status twice_inside(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "in", count_call, user, NULL, NULL));
    WFS_TRY(wfs_do(run, "in", count_call, user, NULL, NULL));
    WFS_TRY(wfs_sleep(run, "in", "1 s"));
    return wfs_sleep(run, "in", "2 s");
}

static wfs_status twice_outside(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "out", twice_inside, user, NULL, NULL));
    WFS_TRY(wfs_do(run, "in", count_call, user, NULL, NULL));
    return wfs_do(run, "out", twice_inside, user, NULL, NULL);
}

static void test_suffixes_in_nested_scopes(void **state)
{
    static const char *const keys[] = {
        "do:out",        "do:out>do:in",      "do:out>do:in#1",
        "do:out>sleep:in", "do:out>sleep:in#1", "do:in",
        "do:out#1",      "do:out#1>do:in",    "do:out#1>do:in#1",
        "do:out#1>sleep:in", "do:out#1>sleep:in#1"};
    wfs_harness *harness = fresh(twice_outside);
    int i;

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    for (i = 0; i < 4; i++) {
        advance(harness, 2000);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    }
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(calls, 5);
    wfs_clock_set(wfs_harness_clock(harness), 0);
    /* By time of creation, as history gives them. */
    assert_string_equal(step_of(harness, "o-1", keys[4]).name, "in");
    assert_keys(harness, keys, WFSI_COUNT(keys));
    assert_int_equal(step_of(harness, "o-1", "do:out").attempts, 3);
    close_harness(harness);
}

static int64_t sum;

static wfs_status thousand_times(wfs_run *run, void *user)
{
    const wfs_json *result;
    int i;

    (void)user;
    sum = 0;
    for (i = 0; i < 1000; i++) {
        WFS_TRY(wfs_do(run, "same", count_call, NULL, NULL, &result));
        assert_int_equal(wfs_json_integer(result), i + 1);
        sum += wfs_json_integer(result);
    }
    return wfs_sleep(run, "nap", "1 s");
}

static wfs_status thousand_inside(wfs_run *run, void *user)
{
    return wfs_do(run, "around", thousand_times, user, NULL, NULL);
}

/* The results of a loop come back in their order, in every replay. */
static void test_a_thousand_steps_of_one_name(void **state)
{
    static const wfs_function codes[] = {thousand_times, thousand_inside};
    wfs_harness *harness;
    size_t i, count = 0;

    (void)state;
    for (i = 0; i < 2; i++) {
        harness = fresh(codes[i]);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
        advance(harness, 1000);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
        assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
        assert_int_equal(calls, 1000);
        assert_int_equal(sum, 500500);
        steps_of(harness, "o-1", &count);
        assert_int_equal(count, 1001 + i);
        step_of(harness, "o-1", i == 0 ? "do:same#999"
                                       : "do:around>do:same#999");
        close_harness(harness);
    }
}

/* --- bodies that suspend */

static wfs_status wait_inside(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "letter", .timeout = "1 hour"};
    const wfs_json *event;

    (void)user;
    WFS_TRY(wfs_do(run, "first", count_call, NULL, NULL, NULL));
    WFS_TRY(wfs_wait_for_event(run, "letter", &options, &event));
    return wfs_return(run, wfs_json_get(event, "payload"));
}

static wfs_status wait_nested(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "around", wait_inside, user, NULL, &result));
    return wfs_return(run, result);
}

static void test_a_body_that_waits(void **state)
{
    static const char *const keys[] = {"do:around", "do:around>do:first",
                                       "do:around>waitForEvent:letter"};
    wfs_harness *harness = fresh(wait_nested);
    wfs_step step;

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_keys(harness, keys, 3);
    step = step_of(harness, "o-1", "do:around");
    assert_int_equal(step.status, WFS_STEP_WAITING);
    assert_int_equal(step.attempts, 1);
    assert_int_equal(step.max_attempts, 1);
    assert_int_equal(step.wake_at, 3601000);
    assert_string_equal(step.wait_event_type, "letter");
    assert_true(step.next_retry_at == WFS_NO_TIME);
    ok(harness, wfs_send_event(harness, "orders", "o-1", "letter", "[1.50]",
                               NULL));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    step = step_of(harness, "o-1", "do:around");
    assert_int_equal(step.status, WFS_STEP_COMPLETED);
    assert_int_equal(step.attempts, 2);
    assert_true(step.wake_at == WFS_NO_TIME);
    assert_null(step.wait_event_type);
    assert_json(harness, instance_of(harness, "orders", "o-1").output,
                "[1.5]");
    assert_int_equal(calls, 1);
    close_harness(harness);
}

/* The time-out of a wait inside is the body's failure. */
static void test_a_body_whose_wait_times_out(void **state)
{
    wfs_harness *harness = fresh(wait_nested);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    advance(harness, 3600000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
    assert_string_equal(step_of(harness, "o-1", "do:around").error_name,
                        "WaitForEventTimeoutError");
    assert_string_equal(instance_of(harness, "orders", "o-1").error_message,
                        "WAIT_FOR_EVENT_TIMEOUT");
    close_harness(harness);
}

static wfs_status retry_inside(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "first", count_call, user, NULL, NULL));
    return wfs_do(run, "once", fail_once, user, &one_retry, NULL);
}

static wfs_status retry_nested(wfs_run *run, void *user)
{
    return wfs_do(run, "around", retry_inside, user, NULL, NULL);
}

static void test_a_body_whose_step_is_retried(void **state)
{
    wfs_harness *harness = fresh(retry_nested);
    wfs_step around, once;

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    around = step_of(harness, "o-1", "do:around");
    once = step_of(harness, "o-1", "do:around>do:once");
    assert_int_equal(around.status, WFS_STEP_WAITING);
    assert_true(around.next_retry_at == WFS_NO_TIME);
    assert_true(around.wake_at == WFS_NO_TIME);
    assert_int_equal(once.next_retry_at, 3601000);
    assert_string_equal(once.error_name, "ONCE");
    /* Only a tick to retry takes it up, and not too early. */
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_RETRY), 1);
    assert_int_equal(step_of(harness, "o-1", "do:around>do:once").attempts, 1);
    advance(harness, 3600000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_RETRY), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(step_of(harness, "o-1", "do:around>do:once").attempts, 2);
    assert_null(step_of(harness, "o-1", "do:around>do:once").error_name);
    assert_int_equal(calls, 1);
    close_harness(harness);
}

/* What has succeeded inside is not done again when its parent is. */
static wfs_status count_then_fail_once(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "inside", count_call, user, NULL, NULL));
    return fail_once(run, user);
}

static wfs_status retry_parent(wfs_run *run, void *user)
{
    return wfs_do(run, "around", count_then_fail_once, user, &one_retry, NULL);
}

static void test_a_parent_that_is_retried(void **state)
{
    wfs_harness *harness = fresh(retry_parent);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(step_of(harness, "o-1", "do:around>do:inside").status,
                     WFS_STEP_COMPLETED);
    advance(harness, 3600000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_RETRY), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(calls, 1);
    assert_int_equal(step_of(harness, "o-1", "do:around>do:inside").version, 1);
    close_harness(harness);
}

/* A body may handle what failed inside it. */
static wfs_status catch_inside(wfs_run *run, void *user)
{
    assert_int_equal(wfs_do(run, "bad", fail_deep, user, NULL, NULL),
                     WFS_FAILED);
    assert_string_equal(wfs_run_error(run)->name, "DEEP");
    assert_int_equal(wfs_run_error(run)->message_size, 10);
    return wfs_return_text(run, "\"caught\"");
}

static wfs_status catch_and_nap(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "around", catch_inside, user, NULL, &result));
    WFS_TRY(wfs_sleep(run, "nap", "1 s"));
    assert_int_equal(wfs_do(run, "bad", fail_deep, user, NULL, NULL),
                     WFS_FAILED);
    assert_string_equal(wfs_run_error(run)->message, "down there");
    WFS_TRY(wfs_sleep(run, "nap", "1 s"));
    return wfs_return(run, result);
}

static void test_failures_that_are_caught(void **state)
{
    wfs_harness *harness = fresh(catch_and_nap);
    int i;

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    for (i = 0; i < 2; i++) {
        advance(harness, 1000);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    }
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_json(harness, instance_of(harness, "orders", "o-1").output,
                "\"caught\"");
    assert_null(instance_of(harness, "orders", "o-1").error_name);
    assert_int_equal(step_of(harness, "o-1", "do:bad").attempts, 1);
    close_harness(harness);
}

/* --- code that changes between ticks */

static const char *order_of_steps;      /* a letter a step */

static wfs_status named_body(wfs_run *run, void *user)
{
    char text[16];

    calls++;
    sprintf(text, "\"%c%d\"", *(const char *)user, calls);
    return wfs_return_text(run, text);
}

static wfs_status named_steps(wfs_run *run, void *user)
{
    const char *at;
    const wfs_json *result;
    char name[2] = "?";
    wfs_json *all = wfs_json_new_array(wfs_run_arena(run));

    (void)user;
    for (at = order_of_steps; *at != '\0'; at++) {
        name[0] = *at;
        if (*at == 's')
            WFS_TRY(wfs_sleep(run, name, "1 s"));
        else
            WFS_TRY(wfs_do(run, name, named_body, name, NULL, &result));
        if (*at != 's')
            wfs_json_append(wfs_run_arena(run), all, result);
    }
    return wfs_return(run, all);
}

static void test_code_that_changes(void **state)
{
    static const char *const keys[] = {"do:a", "do:b",   "do:a#1", "do:c",
                                       "sleep:s", "do:d"};
    wfs_harness *harness = fresh(named_steps);

    (void)state;
    order_of_steps = "abacs";
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(calls, 4);
    order_of_steps = "cadaas";          /* another a: it has no row */
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    assert_int_equal(calls, 6);
    order_of_steps = "sbd";             /* the sleep comes first now */
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    assert_int_equal(calls, 6);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_WAITING);
    advance(harness, 1000);
    order_of_steps = "dbascaa";
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_json(harness, instance_of(harness, "orders", "o-1").output,
                "[\"d5\",\"b2\",\"a1\",\"c4\",\"a3\",\"a6\"]");
    assert_int_equal(step_of(harness, "o-1", "do:a#2").id, 7);
    assert_int_equal(step_of(harness, "o-1", keys[5]).id, 6);
    assert_int_equal(step_of(harness, "o-1", "do:b").version, 1);
    close_harness(harness);
}

/* All of a long history, backwards. */
static void test_a_history_in_reverse(void **state)
{
    char forward[27 + 1], backward[27 + 1];
    wfs_harness *harness = fresh(named_steps);
    const wfs_json *output;
    int i;

    (void)state;
    memset(forward, 0, sizeof forward);
    memset(backward, 0, sizeof backward);
    for (i = 0; i < 26; i++)
        forward[i] = (char)('A' + i);
    forward[26] = 's';
    for (i = 0; i < 27; i++)
        backward[i] = forward[26 - i];
    order_of_steps = forward;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    advance(harness, 1000);
    order_of_steps = backward;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    output = instance_of(harness, "orders", "o-1").output;
    assert_int_equal(wfs_json_count(output), 26);
    assert_string_equal(wfs_json_string(wfs_json_at(output, 0), NULL), "Z26");
    assert_string_equal(wfs_json_string(wfs_json_at(output, 25), NULL), "A1");
    assert_int_equal(calls, 26);
    close_harness(harness);
}

/* --- code that changes at random, against a model of what was recorded */

#define MODEL_KEYS 4096
#define MODEL_KEY_SIZE 96

typedef struct model_key {
    char key[MODEL_KEY_SIZE];
    bool waits;                 /* a sleep, or a step around one */
    int value;                  /* of a completed one */
    int uses;                   /* in the table of uses */
} model_key;

static struct {
    model_key *keys;
    int count, value;
    unsigned ticks;
    wfs_random random;
    bool wakes, body_ran;
    const char *scope;          /* key of the body that runs, or "" */
    int steps_left;
} model;

static model_key *model_find(const char *key)
{
    int i;

    for (i = 0; i < model.count; i++)
        if (strcmp(model.keys[i].key, key) == 0)
            return &model.keys[i];
    return NULL;
}

static model_key *model_add(const char *key)
{
    model_key *added = &model.keys[model.count++];

    assert_true(model.count <= MODEL_KEYS);
    memset(added, 0, sizeof *added);
    strcpy(added->key, key);
    return added;
}

/* Counts of plain keys, in a table of their own. */
static model_key model_uses[MODEL_KEYS];
static int model_uses_count;

static void model_compose(char *key, const char *type, const char *name)
{
    int i;

    snprintf(key, MODEL_KEY_SIZE, "%s%s%s:%s", model.scope,
             *model.scope != '\0' ? ">" : "", type, name);
    for (i = 0; i < model_uses_count; i++)
        if (strcmp(model_uses[i].key, key) == 0)
            break;
    if (i == model_uses_count) {
        assert_true(model_uses_count++ < MODEL_KEYS);
        strcpy(model_uses[i].key, key);
        model_uses[i].uses = 0;
    }
    if (model_uses[i].uses++ != 0)
        sprintf(key + strlen(key), "#%d", model_uses[i].uses - 1);
}

static wfs_status model_steps(wfs_run *run);

static wfs_status model_body(wfs_run *run, void *user)
{
    const char *scope = model.scope;
    int nested = *(int *)user;
    wfs_status status = WFS_OK;

    model.scope = (const char *)user + sizeof(int);
    if (nested)
        status = model_steps(run);
    model.scope = scope;
    model.body_ran = true;
    if (status != WFS_OK)
        return status;
    return wfs_return(run, wfs_json_new_integer(wfs_run_arena(run),
                                                ++model.value));
}

static wfs_status model_do(wfs_run *run, const char *name, int nested)
{
    struct {
        int nested;
        char key[MODEL_KEY_SIZE];
    } call;
    const wfs_json *result;
    model_key *known;
    wfs_status status;
    bool done;

    call.nested = nested;
    model_compose(call.key, "do", name);
    known = model_find(call.key);
    done = known != NULL && !known->waits;
    if (known == NULL)
        model_add(call.key)->waits = true;
    model.body_ran = false;
    status = wfs_do(run, name, model_body, &call, NULL, &result);
    if (model.body_ran == done)
        fail_msg("tick %u: the body of %s was %s", model.ticks, call.key,
                 done ? "called again" : "not called");
    if (status != WFS_OK)
        return status;
    known = model_find(call.key);
    if (!done)
        known->value = model.value;
    known->waits = false;
    if (wfs_json_integer(result) != known->value)
        fail_msg("tick %u: %s gave %d, not %d", model.ticks, call.key,
                 (int)wfs_json_integer(result), known->value);
    return WFS_OK;
}

static wfs_status model_sleep(wfs_run *run, const char *name)
{
    char key[MODEL_KEY_SIZE];
    model_key *known;
    wfs_status expected = WFS_OK, status;

    model_compose(key, "sleep", name);
    known = model_find(key);
    if (known == NULL || (known->waits && !model.wakes))
        expected = WFS_SUSPENDED;
    if (known == NULL)
        model_add(key)->waits = true;
    else if (model.wakes)
        known->waits = false;
    status = wfs_sleep(run, name, "1 hour");
    if (status != expected)
        fail_msg("tick %u: %s gave %s", model.ticks, key,
                 wfs_status_name(status));
    return status;
}

static wfs_status model_steps(wfs_run *run)
{
    static const char *const names[] = {"", "a", "b", "ab"};
    uint64_t count = 1 + wfs_random_below(&model.random, 6);

    while (count-- > 0 && model.steps_left-- > 0) {
        const char *name = names[wfs_random_below(&model.random, 4)];
        uint64_t kind = wfs_random_below(&model.random, 12);
        bool deep = strlen(model.scope) > MODEL_KEY_SIZE / 2;

        if (kind == 0)
            WFS_TRY(model_sleep(run, name));
        else
            WFS_TRY(model_do(run, name, kind < 4 && !deep));
    }
    return WFS_OK;
}

/* Each tick runs other steps; the instance never ends. */
static wfs_status model_program(wfs_run *run, void *user)
{
    wfs_wait_options never = {.type = "never"};

    (void)user;
    model.scope = "";
    model.steps_left = 24;
    model_uses_count = 0;
    WFS_TRY(model_steps(run));
    return wfs_wait_for_event(run, "end", &never, NULL);
}

static void compare_with_model(wfs_harness *harness)
{
    size_t i, count = 0;
    const wfs_step *steps = steps_of(harness, "o-1", &count);
    const model_key *known;
    size_t waits_at_end = 0;

    for (i = 0; i < count; i++) {
        if (strcmp(steps[i].step_key, "waitForEvent:end") == 0) {
            waits_at_end = 1;
            continue;
        }
        known = model_find(steps[i].step_key);
        if (known == NULL)
            fail_msg("there should be no step %s", steps[i].step_key);
        if (known->waits != (steps[i].status == WFS_STEP_WAITING))
            fail_msg("%s is %s", steps[i].step_key,
                     wfs_step_status_name(steps[i].status));
        assert_int_equal(wfs_json_integer(steps[i].result), known->value);
    }
    assert_int_equal(count, (size_t)model.count + waits_at_end);
}

static void test_code_that_changes_at_random(void **state)
{
    wfs_harness *harness;
    uint64_t seed;

    (void)state;
    for (seed = 1; seed <= 60; seed++) {
        harness = fresh(model_program);
        memset(&model, 0, sizeof model);
        model.keys = (model_key *)malloc(MODEL_KEYS * sizeof *model.keys);
        assert_non_null(model.keys);
        wfs_random_seed(&model.random, seed);
        for (model.ticks = 0; model.ticks < 25; model.ticks++) {
            model.wakes = wfs_random_below(&model.random, 3) == 0;
            advance(harness, 3600000);
            assert_int_equal(tick(harness, "orders", "o-1",
                                  model.wakes ? WFS_REASON_WAKE
                                              : WFS_REASON_EVENT), 1);
        }
        compare_with_model(harness);
        free(model.keys);
        close_harness(harness);
    }
}

/* A key with a long suffix has the length, and the beginning, of a key inside
 * of a step without a name: "do:x>do:n#100" and "do:x>do:>do:n". */
static int turn;

static wfs_status unnamed(wfs_run *run, void *user)
{
    const wfs_json *result;

    (void)user;
    if (turn < 2)
        return wfs_fail(run, "LATER", "");
    WFS_TRY(wfs_do(run, "n", count_call, NULL, NULL, &result));
    return wfs_return(run, result);
}

static wfs_status around_unnamed(wfs_run *run, void *user)
{
    wfs_do_options options = {.retries = {.limit = 9}};
    const wfs_json *result;
    int i;

    (void)user;
    for (i = 0; i < 100 + turn && turn < 2; i++)
        WFS_TRY(wfs_do(run, "n", count_call, NULL, NULL, NULL));
    if (turn == 1)
        return wfs_sleep(run, "nap", "1 s");
    WFS_TRY(wfs_do(run, "", unnamed, NULL, &options, &result));
    return wfs_return(run, result);
}

static wfs_status run_unnamed(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "x", around_unnamed, user, NULL, &result));
    return wfs_return(run, result);
}

static void test_a_suffix_that_looks_like_a_scope(void **state)
{
    wfs_harness *harness = fresh(run_unnamed);

    (void)state;
    for (turn = 0; turn < 3; turn++)
        assert_int_equal(tick(harness, "orders", "o-1",
                              turn == 2 ? WFS_REASON_RETRY
                                        : WFS_REASON_EVENT), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(calls, 102);
    assert_json(harness, instance_of(harness, "orders", "o-1").output, "102");
    step_of(harness, "o-1", "do:x>do:>do:n");
    close_harness(harness);
}

/* --- retries */

static wfs_retries policy;

static wfs_status always_fail(wfs_run *run, void *user)
{
    (void)user;
    calls++;
    return wfs_fail(run, "TRIED", "again");
}

static wfs_status with_policy(wfs_run *run, void *user)
{
    wfs_do_options options;

    memset(&options, 0, sizeof options);
    options.retries = policy;
    return wfs_do(run, "try", always_fail, user, &options, NULL);
}

/* Retry until it has failed for good; delays are those that were planned. */
static void assert_delays(const int64_t *delays, int count)
{
    wfs_harness *harness = fresh(with_policy);
    wfs_reason reason = WFS_REASON_CREATE;
    wfs_step step;
    int i;

    for (i = 0; i < count; i++) {
        assert_int_equal(tick(harness, "orders", "o-1", reason), 1);
        step = step_of(harness, "o-1", "do:try");
        assert_int_equal(step.status, WFS_STEP_WAITING);
        assert_int_equal(step.attempts, i + 1);
        assert_int_equal(step.max_attempts, policy.limit + 1);
        assert_int_equal(step.next_retry_at -
                             wfs_harness_clock(harness)->now, delays[i]);
        wfs_clock_set(wfs_harness_clock(harness), step.next_retry_at);
        reason = WFS_REASON_RETRY;
    }
    assert_int_equal(tick(harness, "orders", "o-1", reason), 1);
    step = step_of(harness, "o-1", "do:try");
    assert_int_equal(step.status, WFS_STEP_ERRORED);
    assert_int_equal(step.attempts, count + 1);
    assert_true(step.next_retry_at == WFS_NO_TIME);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
    assert_int_equal(calls, count + 1);
    close_harness(harness);
}

static void test_backoff(void **state)
{
    static const struct {
        wfs_retries retries;
        int64_t delays[4];
    } cases[] = {
        {{4, "1 min", 0, WFS_BACKOFF_CONSTANT}, {60000, 60000, 60000, 60000}},
        {{4, "1 min", 5, WFS_BACKOFF_LINEAR}, {60000, 120000, 180000, 240000}},
        {{4, "1 min", 0, WFS_BACKOFF_EXPONENTIAL},
         {60000, 120000, 240000, 480000}},
        {{2, NULL, 250, WFS_BACKOFF_CONSTANT}, {250, 250, 0, 0}},
        {{3, NULL, 1.5, WFS_BACKOFF_LINEAR}, {1, 3, 4, 0}},
        {{3, NULL, 0.75, WFS_BACKOFF_EXPONENTIAL}, {0, 1, 3, 0}},
        {{1, NULL, -10, WFS_BACKOFF_CONSTANT}, {-10, 0, 0, 0}},
        {{2, "0", 7, WFS_BACKOFF_EXPONENTIAL}, {0, 0, 0, 0}},
        {{1, NULL, 0, WFS_BACKOFF_LINEAR}, {0, 0, 0, 0}},
        {{0, "1 min", 0, WFS_BACKOFF_LINEAR}, {0, 0, 0, 0}},
    };
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(cases); i++) {
        policy = cases[i].retries;
        assert_delays(cases[i].delays, (int)policy.limit);
    }
}

/* Delays beyond all times, and limits beyond all counts. */
static void test_extreme_policies(void **state)
{
    static const wfs_retries policies[] = {
        {2, NULL, 1e300, WFS_BACKOFF_EXPONENTIAL},
        {2, "99999999999999999999999999 days", 0, WFS_BACKOFF_LINEAR},
        {2, NULL, -1e300, WFS_BACKOFF_LINEAR},
    };
    wfs_harness *harness;
    wfs_step step;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(policies); i++) {
        policy = policies[i];
        harness = fresh(with_policy);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        step = step_of(harness, "o-1", "do:try");
        assert_int_equal(step.status, WFS_STEP_WAITING);
        assert_true(step.next_retry_at ==
                    (i == 2 ? INT64_MIN + 1 : INT64_MAX));
        wfs_clock_set(wfs_harness_clock(harness), INT64_MAX);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_RETRY), 1);
        assert_int_equal(step_of(harness, "o-1", "do:try").attempts, 2);
        close_harness(harness);
    }
}

/* "For ever" is a limit too. */
static void test_the_largest_limit(void **state)
{
    wfs_harness *harness;

    (void)state;
    policy.limit = INT64_MAX;
    policy.delay = NULL;
    policy.delay_ms = 1;
    policy.backoff = WFS_BACKOFF_CONSTANT;
    harness = fresh(with_policy);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_true(step_of(harness, "o-1", "do:try").max_attempts > 1);
    assert_int_equal(step_of(harness, "o-1", "do:try").status,
                     WFS_STEP_WAITING);
    close_harness(harness);
}

/* A negative limit allows the one attempt, as 0 does. */
static void test_a_negative_limit(void **state)
{
    wfs_harness *harness;

    (void)state;
    policy.limit = -3;
    policy.delay = "1 s";
    harness = fresh(with_policy);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(step_of(harness, "o-1", "do:try").attempts, 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
    close_harness(harness);
}

/* The first attempt's maximum is kept in the row when the code changes, be it
 * to fewer attempts or to more; the delay is that of the code as it is. */
static void test_a_policy_that_changes(void **state)
{
    static const int64_t limits[] = {1, 100};
    wfs_harness *harness;
    wfs_step step;
    size_t i;
    int attempt;

    (void)state;
    for (i = 0; i < WFSI_COUNT(limits); i++) {
        policy.limit = 3;
        policy.delay = "1 s";
        policy.backoff = WFS_BACKOFF_CONSTANT;
        harness = fresh(with_policy);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        policy.limit = limits[i];
        policy.delay = "2 s";
        for (attempt = 2; attempt <= 4; attempt++) {
            advance(harness, 2000);
            tick(harness, "orders", "o-1", WFS_REASON_RETRY);
            step = step_of(harness, "o-1", "do:try");
            assert_int_equal(step.attempts, attempt);
            assert_int_equal(step.max_attempts, 4);
        }
        assert_int_equal(step.status, WFS_STEP_ERRORED);
        close_harness(harness);
    }
}

static wfs_status fail_non_retryable(wfs_run *run, void *user)
{
    calls++;
    (void)user;
    return wfs_fail(run, "NonRetryableError", "no");
}

static wfs_status fail_for_good_named(wfs_run *run, void *user)
{
    calls++;
    (void)user;
    return wfs_fail_for_good(run, "OTHER", "no");
}

static wfs_status fail_with_for_good(wfs_run *run, void *user)
{
    wfs_failure failure = {"OTHERS", 5, "nope", 2, true};

    calls++;
    (void)user;
    return wfs_fail_with(run, &failure);
}

static wfs_function failing;

static wfs_status run_failing(wfs_run *run, void *user)
{
    return wfs_do(run, "try", failing, user, &one_retry, NULL);
}

static wfs_status nested_final(wfs_run *run, void *user)
{
    return wfs_do(run, "inside", fail_for_good_named, user, NULL, NULL);
}

static void test_failing_for_good(void **state)
{
    static const struct {
        wfs_function body;
        const char *name;
    } cases[] = {{fail_non_retryable, "NonRetryableError"},
                 {fail_for_good_named, "OTHER"},
                 {fail_with_for_good, "OTHER"},
                 {nested_final, "OTHER"}};
    wfs_harness *harness;
    wfs_step step;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(cases); i++) {
        failing = cases[i].body;
        harness = fresh(run_failing);
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        step = step_of(harness, "o-1", "do:try");
        assert_int_equal(step.status, WFS_STEP_ERRORED);
        assert_int_equal(step.attempts, 1);
        assert_int_equal(step.max_attempts, 2);
        assert_string_equal(step.error_name, cases[i].name);
        assert_string_equal(step.error_message, "no");
        assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
        assert_int_equal(calls, 1);
        close_harness(harness);
    }
}

/* --- the texts of errors */

static const char *error_name, *error_message;

static wfs_status fail_as_told(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, error_name, error_message);
}

static wfs_status just_failed(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    return WFS_FAILED;
}

/* Caught when it happens, and when it is replayed: the same. */
static wfs_status catch_and_compare(wfs_run *run, void *user)
{
    const wfs_failure *error = wfs_run_error(run);
    const char *name = error_name != NULL ? error_name : "Error";
    const char *message = error_message != NULL ? error_message : "";

    assert_string_equal(error->name, "Error");
    assert_int_equal(error->message_size, 0);
    assert_int_equal(wfs_do(run, "try", failing, user, NULL, NULL),
                     WFS_FAILED);
    error = wfs_run_error(run);
    assert_int_equal(error->name_size, strlen(name));
    assert_memory_equal(error->name, name, strlen(name) + 1);
    assert_int_equal(error->message_size, strlen(message));
    assert_memory_equal(error->message, message, strlen(message) + 1);
    WFS_TRY(wfs_sleep(run, "nap", "1 s"));
    return failing(run, user);
}

static void assert_error_texts(wfs_function body, const char *name,
                               const char *message)
{
    wfs_harness *harness = fresh(catch_and_compare);
    wfs_instance instance;
    wfs_step step;

    failing = body;
    error_name = name;
    error_message = message;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    advance(harness, 1000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    step = step_of(harness, "o-1", "do:try");
    instance = instance_of(harness, "orders", "o-1");
    assert_int_equal(instance.status, WFS_INSTANCE_ERRORED);
    assert_string_equal(step.error_name, name != NULL ? name : "Error");
    assert_string_equal(step.error_message, message != NULL ? message : "");
    assert_string_equal(instance.error_name, step.error_name);
    assert_string_equal(instance.error_message, step.error_message);
    close_harness(harness);
}

static void test_error_texts(void **state)
{
    char *large = repeated('m', 1 << 20);

    (void)state;
    assert_error_texts(fail_as_told, "NAME", "a message");
    assert_error_texts(fail_as_told, NULL, NULL);
    assert_error_texts(fail_as_told, "", "");
    assert_error_texts(fail_as_told, "N\xC3\xA4me \"#>", "\xF0\x9F\x98\x80\n");
    assert_error_texts(fail_as_told, "LARGE", large);
    assert_error_texts(fail_as_told, large, large);
    assert_error_texts(just_failed, NULL, NULL);
    free(large);
}

static wfs_status fail_empty_with(wfs_run *run, void *user)
{
    wfs_failure failure;

    (void)user;
    memset(&failure, 0, sizeof failure);
    return wfs_fail_with(run, &failure);
}

/* An empty wfs_failure is not a crash; its texts are empty. */
static void test_an_empty_failure(void **state)
{
    wfs_harness *harness = fresh(fail_empty_with);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
    assert_string_equal(instance_of(harness, "orders", "o-1").error_message,
                        "");
    close_harness(harness);
}

/* --- queued writes */

static size_t stock_count(wfs_harness *harness)
{
    return wfs_count(wfs_harness_store(harness), "stock");
}

/* The stock as "sku=pieces, ..." in order of sku. */
static void assert_stock(wfs_harness *harness, const char *expected)
{
    wfs_query query = {.table = "stock", .index = "primary"};
    wfs_cursor *cursor;
    wfs_row row;
    char text[256] = "";
    size_t size = 0;

    ok(harness, wfs_cursor_open(wfs_harness_store(harness), &query, &cursor));
    while (wfs_cursor_next(cursor, &row) == WFS_OK)
        size += (size_t)sprintf(text + size, "%s%s=%d", size != 0 ? ", " : "",
                                wfs_row_text(&row, "sku"),
                                (int)wfs_row_integer(&row, "pieces"));
    wfs_cursor_close(cursor);
    assert_string_equal(text, expected);
}

static wfs_status queue_pieces(wfs_run *run, const char *sku, int64_t pieces)
{
    char copy[32];
    wfs_field fields[3];
    wfs_status status;

    memset(fields, 0, sizeof fields);
    fields[0].column = "sku";
    fields[0].value = wfs_text(strcpy(copy, sku));
    fields[1].column = "pieces";
    fields[1].value = wfs_integer(pieces);
    status = wfs_queue_insert(run, "stock", fields);
    memset(copy, 'X', sizeof copy);     /* it has its own copy by now */
    memset(fields, 0, sizeof fields);
    return status;
}

static wfs_status queue_by_attempt(wfs_run *run, void *user)
{
    char sku[32];

    (void)user;
    sprintf(sku, "try-%d", (int)wfs_attempt(run));
    WFS_TRY(queue_pieces(run, sku, wfs_attempt(run)));
    WFS_TRY(wfs_queue_hook(run, "notify", wfs_params(run)));
    assert_int_equal(stock_count(wfs_run_harness(run)), 0);
    return wfs_attempt(run) < 3 ? wfs_fail(run, "AGAIN", "") : WFS_OK;
}

static wfs_status queue_with_retries(wfs_run *run, void *user)
{
    wfs_do_options options = {.retries = {.limit = 5, .delay = "1 s"}};

    return wfs_do(run, "write", queue_by_attempt, user, &options, NULL);
}

static void test_writes_of_failed_attempts(void **state)
{
    wfs_harness *harness = fresh(queue_with_retries);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    advance(harness, 1000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_RETRY), 1);
    assert_int_equal(stock_count(harness), 0);
    assert_int_equal(hook_count(harness, "notify"), 0);
    advance(harness, 1000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_RETRY), 1);
    assert_stock(harness, "try-3=3");
    assert_int_equal(hook_count(harness, "notify"), 1);
    close_harness(harness);
}

static wfs_status queue_child(wfs_run *run, void *user)
{
    (void)user;
    return queue_pieces(run, "child", 1);
}

static wfs_status queue_then_nap(wfs_run *run, void *user)
{
    WFS_TRY(queue_pieces(run, "parent", wfs_attempt(run)));
    WFS_TRY(wfs_do(run, "child", queue_child, user, NULL, NULL));
    return wfs_sleep(run, "nap", "1 s");
}

static wfs_status nap_in_writer(wfs_run *run, void *user)
{
    return wfs_do(run, "write", queue_then_nap, user, NULL, NULL);
}

static void test_writes_of_a_body_that_suspends(void **state)
{
    wfs_harness *harness = fresh(nap_in_writer);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_stock(harness, "child=1");
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    assert_stock(harness, "child=1");
    advance(harness, 1000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_stock(harness, "child=1, parent=3");
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    close_harness(harness);
}

static wfs_status queue_then_fail(wfs_run *run, void *user)
{
    WFS_TRY(queue_pieces(run, "parent", 1));
    WFS_TRY(wfs_do(run, "child", queue_child, user, NULL, NULL));
    WFS_TRY(queue_pieces(run, "parent-2", 1));
    return wfs_fail(run, "AFTER", "all");
}

static wfs_status queue_more(wfs_run *run, void *user)
{
    (void)user;
    return queue_pieces(run, "more", 2);
}

/* The failed step's writes are dropped; its child's, the next step's and
 * those of a run that fails in the end are not. */
static wfs_status catch_writer(wfs_run *run, void *user)
{
    assert_int_equal(wfs_do(run, "write", queue_then_fail, user, NULL, NULL),
                     WFS_FAILED);
    WFS_TRY(wfs_do(run, "more", queue_more, user, NULL, NULL));
    return wfs_fail(run, "END", "");
}

static void test_writes_around_a_failed_step(void **state)
{
    wfs_harness *harness = fresh(catch_writer);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_ERRORED);
    assert_stock(harness, "child=1, more=2");
    close_harness(harness);
}

static wfs_status delete_and_insert(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_queue_delete(run, "stock", 1, 0));
    WFS_TRY(wfs_queue_update(run, "stock", 2, 1,
                             WFS_FIELDS({"pieces", wfs_integer(7)},
                                        {"data", wfs_json_text("[1, 2]")})));
    WFS_TRY(queue_pieces(run, "cup", 99));
    return wfs_queue_hook(run, "notify", NULL);
}

/* Writes are done in the order in which they were queued. */
static void test_writes_in_order(void **state)
{
    wfs_harness *harness = fresh(queue_step);
    wfs_store *store = wfs_harness_store(harness);
    wfs_row row;

    (void)state;
    queue_code = delete_and_insert;
    ok(harness, wfs_insert(store, "stock", cup(), NULL));
    ok(harness, wfs_insert(store, "stock",
                           WFS_FIELDS({"sku", wfs_text("mug")}), NULL));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_stock(harness, "cup=99, mug=7");
    ok(harness, wfs_get(store, "stock", 2, &row));
    assert_int_equal(row.version, 2);
    assert_string_equal(wfs_row_text(&row, "data"), "[1, 2]");
    assert_int_equal(hook_count(harness, "notify"), 1);
    close_harness(harness);
}

static uint32_t known_version;

static wfs_status update_known(wfs_run *run, void *user)
{
    (void)user;
    calls++;
    return wfs_queue_update(run, "stock", 1, known_version,
                            WFS_FIELDS({"pieces", wfs_integer(100)}));
}

static wfs_status delete_known(wfs_run *run, void *user)
{
    (void)user;
    calls++;
    return wfs_queue_delete(run, "stock", 1, known_version);
}

/* A version that is no longer there: the tick has lost, at once or when the
 * row changes after the plan. */
static void assert_version_checked(wfs_function code)
{
    wfs_harness *harness = fresh(queue_step);
    wfs_store *store = wfs_harness_store(harness);
    wfs_open_tick *open;
    before then;

    queue_code = code;
    ok(harness, wfs_insert(store, "stock", cup(), NULL));
    known_version = 1;
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    ok(harness, wfs_tick_plan(open));
    ok(harness, wfs_update(store, "stock", 1, 1,
                           WFS_FIELDS({"pieces", wfs_integer(5)})));
    assert_int_equal(commit(harness, open), 0);
    assert_stock(harness, "cup=5");
    then = remember(harness);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 0);
    unchanged(harness, then);
    known_version = 2;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_stock(harness, code == delete_known ? "" : "cup=100");
    assert_int_equal(calls, 3);
    close_harness(harness);
}

static void test_writes_with_versions(void **state)
{
    (void)state;
    assert_version_checked(update_known);
    assert_version_checked(delete_known);
}

/* Two ticks that queue the same key: the second fails whole, and passes when
 * the key is free again. */
static void test_a_constraint_that_is_violated(void **state)
{
    wfs_harness *harness = fresh(queue_step);
    wfs_store *store = wfs_harness_store(harness);
    wfs_payload payload;
    wfs_open_tick *open;
    int processed = -1;
    uint64_t hash;

    (void)state;
    queue_code = insert_cup;
    ok(harness, wfs_create(harness, "orders", "o-2", NULL, NULL));
    payload = payload_of(harness, "orders", "o-2", WFS_REASON_CREATE);
    ok(harness, wfs_tick_retrieve(harness, &payload, &open));
    ok(harness, wfs_tick_plan(open));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    hash = wfs_store_hash(store);
    refused_at(harness, wfs_tick_commit(open, &processed), WFS_ERR_UNIQUE,
               "table stock, index primary: row 1 already has the key (cup)",
               "commit", __LINE__);
    assert_int_equal(processed, 0);
    assert_true(hash == wfs_store_hash(store));
    assert_settled(harness);
    refused(harness, WFS_ERR_UNIQUE, "cup", wfs_tick(harness, &payload, NULL));
    ok(harness, wfs_delete(store, "stock", 1, 0));
    assert_int_equal(tick(harness, "orders", "o-2", WFS_REASON_CREATE), 1);
    assert_stock(harness, "cup=12");
    close_harness(harness);
}

static void test_writes_of_a_tick_that_loses(void **state)
{
    wfs_harness *harness = fresh(queue_step);
    wfs_open_tick *open;

    (void)state;
    queue_code = notify_once;
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    ok(harness, wfs_tick_plan(open));
    ok(harness, act_event(harness));
    assert_int_equal(commit(harness, open), 0);
    queue_code = insert_cup;
    open = retrieve(harness, "orders", "o-1", WFS_REASON_CREATE);
    ok(harness, wfs_tick_plan(open));
    ok(harness, act_event(harness));
    assert_int_equal(commit(harness, open), 0);
    assert_int_equal(stock_count(harness), 0);
    assert_int_equal(hook_count(harness, "notify"), 0);
    close_harness(harness);
}

/* --- queued hooks and their handlers */

static int64_t handled_at[16];
static int refusals;            /* how often the handler refuses */

static wfs_status refuse_some(wfs_harness *harness, const wfs_hook *hook)
{
    char sku[32];

    assert_int_equal(hook->status, WFS_HOOK_PROCESSING);
    assert_int_equal(hook->attempts, calls);
    assert_string_equal(hook->hook_namespace, "user");
    assert_json(harness, wfs_json_get(hook->payload, "sku"), "\"cup\"");
    sprintf(sku, "handled-%d", calls);
    WFS_TRY(wfs_insert(wfs_harness_store(harness), "stock",
                       WFS_FIELDS({"sku", wfs_text(sku)}), NULL));
    WFS_TRY(wfs_create(harness, "parcels", sku, NULL, NULL));
    handled_at[calls++] = wfs_harness_clock(harness)->now;
    return calls <= refusals ? wfs_pause(harness, "parcels", "missing")
                             : WFS_OK;
}

static wfs_hook hook_of(wfs_harness *harness, const char *name, size_t at)
{
    wfs_hook_filter filter = {.hook_name = name};
    const wfs_hook *hooks = NULL;
    size_t count = 0;

    ok(harness, wfs_get_hooks(harness, &filter, &hooks, &count));
    assert_true(at < count);
    return hooks[at];
}

/* A world with one queued hook, in which the handler refuses so often. */
static wfs_harness *open_hook(int times)
{
    wfs_harness *harness = fresh(queue_step);

    queue_code = notify_once;
    other_program = nothing;
    handler = refuse_some;
    refusals = times;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(hook_of(harness, "notify", 0).status, WFS_HOOK_PENDING);
    assert_true(hook_of(harness, "notify", 0).next_retry_at == WFS_NO_TIME);
    assert_int_equal(hook_of(harness, "notify", 0).max_attempts, 5);
    return harness;
}

static void test_a_hook_that_is_handled(void **state)
{
    wfs_harness *harness = open_hook(0);
    wfs_hook hook;

    (void)state;
    assert_int_equal(process(harness), 3);  /* create, notify, create */
    hook = hook_of(harness, "notify", 0);
    assert_int_equal(hook.status, WFS_HOOK_COMPLETED);
    assert_int_equal(hook.attempts, 0);
    assert_int_equal(hook.last_attempt_at, 1000);
    assert_null(hook.error);
    assert_int_equal(calls, 1);
    assert_stock(harness, "handled-0=0");
    assert_state(harness, "parcels", "handled-0", WFS_INSTANCE_QUEUED);
    assert_int_equal(process(harness), 0);
    close_harness(harness);
}

/* Again after 100 ms, 200 ms, 400 ms; what a refused attempt wrote is gone. */
static void test_a_hook_that_is_refused_thrice(void **state)
{
    static const int64_t delays[] = {100, 200, 400};
    wfs_harness *harness = open_hook(3);
    wfs_hook hook;
    int i;

    (void)state;
    process(harness);
    for (i = 0; i < 3; i++) {
        hook = hook_of(harness, "notify", 0);
        assert_int_equal(hook.status, WFS_HOOK_PENDING);
        assert_int_equal(hook.attempts, i + 1);
        assert_int_equal(hook.next_retry_at,
                         wfs_harness_clock(harness)->now + delays[i]);
        assert_contains(hook.error, "missing");
        assert_int_equal(stock_count(harness), 0);
        advance(harness, delays[i] - 1);
        assert_int_equal(process(harness), 0);
        advance(harness, 1);
        assert_int_equal(process(harness), i < 2 ? 1 : 2);
        assert_int_equal(handled_at[i + 1] - handled_at[i], delays[i]);
    }
    hook = hook_of(harness, "notify", 0);
    assert_int_equal(hook.status, WFS_HOOK_COMPLETED);
    assert_int_equal(hook.attempts, 3);
    assert_stock(harness, "handled-3=0");
    close_harness(harness);
}

static void test_a_hook_that_is_always_refused(void **state)
{
    wfs_harness *harness = open_hook(100);
    wfs_hook hook;
    int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        process(harness);
        advance(harness, 10000);
    }
    hook = hook_of(harness, "notify", 0);
    assert_int_equal(hook.status, WFS_HOOK_FAILED);
    assert_int_equal(hook.attempts, 5);
    assert_int_equal(hook.last_attempt_at, 41000);
    assert_contains(hook.error, "missing");
    assert_int_equal(calls, 5);
    assert_int_equal(stock_count(harness), 0);
    close_harness(harness);
}

static wfs_status refuse_silently(wfs_harness *harness, const wfs_hook *hook)
{
    (void)harness;
    (void)hook;
    return WFS_FAILED;
}

/* A refusal without a reason names the hook; a hook without a handler is
 * done. */
static void test_hooks_without_words_or_handler(void **state)
{
    wfs_harness *harness = open_hook(0);

    (void)state;
    handler = refuse_silently;
    process(harness);
    assert_contains(hook_of(harness, "notify", 0).error, "notify");
    assert_int_equal(hook_of(harness, "notify", 0).attempts, 1);
    close_harness(harness);
}

static wfs_status queue_strangers(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_queue_hook(run, "stranger", NULL));
    return wfs_queue_hook(run, "onWorkflowEnqueued",
                          wfs_json_new_integer(wfs_run_arena(run), 5));
}

/* The name of the engine's own hook, queued by the user, is the user's. */
static void test_hooks_of_strange_names(void **state)
{
    wfs_harness *harness = open_world(queue_step, true);
    wfs_hook_filter filter = {.hook_namespace = "user"};
    const wfs_hook *hooks = NULL;
    size_t i, count = 0;

    (void)state;
    queue_code = queue_strangers;
    ok(harness, wfs_create(harness, "orders", "o-1", NULL, NULL));
    assert_int_equal(process(harness), 3);
    ok(harness, wfs_get_hooks(harness, &filter, &hooks, &count));
    assert_int_equal(count, 2);
    for (i = 0; i < 2; i++) {
        assert_int_equal(hooks[i].status, WFS_HOOK_PENDING);
        assert_int_equal(hooks[i].attempts, 1);
        assert_string_equal(hooks[i].error, "there is no handler for it");
    }
    assert_string_equal(hooks[1].hook_name, "onWorkflowEnqueued");
    assert_int_equal(hooks[1].reason, WFS_REASON_NONE);
    assert_int_equal(wfs_json_integer(hooks[1].payload), 5);
    assert_null(hooks[1].instance_id);
    close_harness(harness);
}

static wfs_status queue_two_hooks(wfs_run *run, void *user)
{
    WFS_TRY(notify_once(run, user));
    return notify_once(run, user);
}

static wfs_status process_inside(wfs_harness *harness, const wfs_hook *hook)
{
    (void)hook;
    calls++;
    if (calls == 1)
        wfs_process_hooks(harness, NULL);
    return WFS_OK;
}

/* A handler that processes hooks: none is handled twice. */
static void test_hooks_are_processed_by_a_handler(void **state)
{
    wfs_harness *harness = fresh(queue_step);

    (void)state;
    queue_code = queue_two_hooks;
    handler = process_inside;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    process(harness);
    assert_int_equal(calls, 2);
    assert_int_equal(hook_of(harness, "notify", 0).status, WFS_HOOK_COMPLETED);
    assert_int_equal(hook_of(harness, "notify", 1).status, WFS_HOOK_COMPLETED);
    close_harness(harness);
}

/* --- results and what is known of a run */

static const char *result_text;

static wfs_status return_as_told(wfs_run *run, void *user)
{
    (void)user;
    calls++;
    return wfs_return_text(run, result_text);
}

static wfs_status result_twice(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "value", return_as_told, user, NULL, &result));
    WFS_TRY(wfs_sleep(run, "nap", "1 s"));
    return wfs_return(run, result);     /* as it is: nobody looked into it */
}

/* The text that stands in the store. */
static const char *stored(wfs_harness *harness, const char *table,
                          const char *column)
{
    wfs_row row;

    ok(harness, wfs_get(wfs_harness_store(harness), table, 1, &row));
    return wfs_row_text(&row, column);
}

static void assert_result(const char *text, const char *expected)
{
    wfs_harness *harness = fresh(result_twice);
    const wfs_json *output;

    result_text = text;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    if (expected == NULL)
        assert_null(stored(harness, "workflow_step", "result"));
    else
        assert_string_equal(stored(harness, "workflow_step", "result"), text);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    advance(harness, 1000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_WAKE), 1);
    assert_int_equal(calls, 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    if (expected == NULL) {
        assert_null(stored(harness, "workflow_instance", "output"));
        assert_null(instance_of(harness, "orders", "o-1").output);
    } else {
        assert_string_equal(stored(harness, "workflow_instance", "output"),
                            text);
        output = instance_of(harness, "orders", "o-1").output;
        wfs_json_type_of(output);
        assert_json(harness, output, expected);
    }
    close_harness(harness);
}

static void test_results(void **state)
{
    char *large = repeated('z', 1 << 20);

    (void)state;
    assert_result("0", "0");
    assert_result("false", "false");
    assert_result("\"\"", "\"\"");
    assert_result("null", NULL);
    assert_result(" \n null ", NULL);
    assert_result(NULL, NULL);
    assert_result("9223372036854775807", "9223372036854775807");
    assert_result("-9223372036854775808", "-9223372036854775808");
    assert_result("{\"b\":1.5,\"a\":[1,\"\\u00e4\"]}",
                  "{\"b\":1.5,\"a\":[1,\"\xC3\xA4\"]}");
    assert_result(" { \"b\" : [ 1e2 , -0.50 ] } ", "{\"b\":[100,-0.5]}");
    large[0] = large[(1 << 20) - 1] = '"';
    assert_result(large, large);
    free(large);
}

/* What a value is written as does not depend on whether someone has looked
 * into it before. */
static void test_results_are_written_alike(void **state)
{
    static const char *const texts[] = {
        " [ 1 ] ", "{\n\"a\":1}", "1.50", "1e2", "\"\\u00e4\\/\"",
        "{\"a\":1,\"a\":2}"};
    static const char *const written[] = {
        "[1]", "{\"a\":1}", "1.5", "100", "\"\xC3\xA4/\"", "{\"a\":2}"};
    const wfs_json *output;
    wfs_harness *harness;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(texts); i++) {
        harness = fresh(return_as_told);
        result_text = texts[i];
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        assert_string_equal(stored(harness, "workflow_instance", "output"),
                            texts[i]);
        output = instance_of(harness, "orders", "o-1").output;
        wfs_json_count(output);
        assert_json(harness, output, written[i]);
        assert_json(harness, instance_of(harness, "orders", "o-1").output,
                    written[i]);
        close_harness(harness);
    }
}

static wfs_status return_twice(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_return_text(run, "1"));
    return wfs_return_text(run, "2");
}

static wfs_status return_then_null(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_return_text(run, "1"));
    return wfs_return(run, NULL);
}

static wfs_status return_then_fail(wfs_run *run, void *user)
{
    (void)user;
    WFS_TRY(wfs_return_text(run, "\"lost\""));
    return wfs_fail(run, "NO", "");
}

/* The last value counts; a body's is not its caller's. */
static wfs_status return_around(wfs_run *run, void *user)
{
    const wfs_json *result = wfs_params(run);

    WFS_TRY(wfs_return_text(run, "\"mine\""));
    WFS_TRY(wfs_do(run, "2", return_twice, user, NULL, &result));
    assert_int_equal(wfs_json_integer(result), 2);
    WFS_TRY(wfs_do(run, "null", return_then_null, user, NULL, &result));
    assert_null(result);
    result = wfs_params(run);
    assert_int_equal(wfs_do(run, "no", return_then_fail, user, NULL, &result),
                     WFS_FAILED);
    assert_null(result);
    return wfs_do(run, "nothing", nothing, user, NULL, NULL);
}

static void test_whose_value_it_is(void **state)
{
    wfs_harness *harness = fresh(return_around);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_json(harness, instance_of(harness, "orders", "o-1").output,
                "\"mine\"");
    assert_null(step_of(harness, "o-1", "do:no").result);
    assert_null(step_of(harness, "o-1", "do:nothing").result);
    close_harness(harness);
}

static wfs_status return_deep(wfs_run *run, void *user)
{
    wfs_arena *arena = wfs_run_arena(run);
    wfs_json *value = wfs_json_new_array(arena), *around;
    int i;

    (void)user;
    for (i = 0; i < 50000; i++) {
        around = wfs_json_new_array(arena);
        wfs_json_append(arena, around, value);
        value = around;
    }
    return wfs_return(run, value);
}

static wfs_status deep_twice(wfs_run *run, void *user)
{
    const wfs_json *result;
    int depth = 0;

    WFS_TRY(wfs_do(run, "deep", return_deep, user, NULL, &result));
    while (wfs_json_count(result) == 1) {
        result = wfs_json_at(result, 0);
        depth++;
    }
    assert_int_equal(depth, 50000);
    return wfs_sleep(run, "nap", "1 s");
}

/* A value that was built may be deeper than a text that is read. */
static void test_a_deep_result(void **state)
{
    wfs_harness *harness = fresh(deep_twice);

    (void)state;
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_EVENT), 1);
    close_harness(harness);
}

static wfs_status know(wfs_run *run, void *user)
{
    assert_int_equal(wfs_attempt(run), 1);
    assert_int_equal(wfs_now(run), 6000);
    assert_non_null(wfs_run_random(run));
    assert_int_equal(wfs_created_at(run), 1000);
    return count_call(run, user);
}

static wfs_status know_all(wfs_run *run, void *user)
{
    assert_int_equal(wfs_attempt(run), 0);
    assert_int_equal(wfs_created_at(run), 1000);
    assert_int_equal(wfs_run_number(run), calls);
    assert_string_equal(wfs_instance_id(run), "o-1");
    assert_string_equal(wfs_json_string(wfs_json_get(wfs_params(run), "sku"),
                                        NULL), "cup");
    assert_non_null(wfs_arena_allocate(wfs_run_arena(run), 100000));
    return wfs_do(run, "know", know, user, NULL, NULL);
}

static void test_what_a_run_knows(void **state)
{
    wfs_harness *harness = fresh(know_all);

    (void)state;
    advance(harness, 5000);
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    ok(harness, act_restart(harness));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(calls, 2);
    close_harness(harness);
}

/* --- workflows that call the harness from inside */

static wfs_status (*inside)(wfs_harness *harness);

static wfs_status call_inside(wfs_run *run, void *user)
{
    wfs_status status = WFS_OK;

    (void)user;
    if (calls++ == 0)
        status = inside(wfs_run_harness(run));
    return status == WFS_OK ? wfs_return(run, wfs_params(run)) : status;
}

static wfs_status inside_step(wfs_run *run, void *user)
{
    const wfs_json *result;

    WFS_TRY(wfs_do(run, "inside", call_inside, user, NULL, &result));
    return wfs_return(run, result);
}

static wfs_status create_inside(wfs_harness *harness)
{
    const char *id;

    WFS_TRY(wfs_create(harness, "parcels", "p-1", "[1]", NULL));
    return wfs_create(harness, "parcels", NULL, NULL, &id);
}

static wfs_status tick_other_inside(wfs_harness *harness)
{
    wfs_payload payload;
    int processed = 0;

    WFS_TRY(wfs_create(harness, "parcels", "p-1", NULL, NULL));
    WFS_TRY(wfs_send_event(harness, "parcels", "p-1", "poke", NULL, NULL));
    WFS_TRY(wfs_build_payload(harness, "parcels", "p-1", WFS_REASON_CREATE,
                              &payload));
    WFS_TRY(wfs_tick(harness, &payload, &processed));
    assert_int_equal(processed, 1);
    return wfs_pause(harness, "parcels", "p-1");
}

static wfs_status release_inside(wfs_harness *harness)
{
    const wfs_instance *instance = NULL;

    WFS_TRY(wfs_get_instance(harness, "orders", "o-1", &instance));
    wfs_harness_release(harness);
    return WFS_OK;
}

static wfs_status fork_inside(wfs_harness *harness)
{
    wfs_harness *copy;

    assert_int_equal(wfs_harness_fork(harness, &copy), WFS_ERR_MISUSE);
    assert_null(copy);
    return WFS_OK;
}

/* What has nothing to do with the tick's own instance does not disturb it. */
static void test_calls_about_others(void **state)
{
    static wfs_status (*const harmless[])(wfs_harness *) = {
        create_inside, tick_other_inside, release_inside, fork_inside,
        act_resume, act_elsewhere};
    wfs_harness *harness;
    size_t i;

    (void)state;
    other_program = count_and_sleep;
    for (i = 0; i < WFSI_COUNT(harmless); i++) {
        harness = fresh(inside_step);
        inside = harmless[i];
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
        assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
        assert_json(harness, instance_of(harness, "orders", "o-1").output,
                    "{\"sku\":\"cup\"}");
        assert_settled(harness);
        close_harness(harness);
    }
}

static wfs_status tick_self(wfs_harness *harness)
{
    wfs_payload payload;
    int processed = 0;

    WFS_TRY(wfs_build_payload(harness, "orders", "o-1", WFS_REASON_CREATE,
                              &payload));
    WFS_TRY(wfs_tick(harness, &payload, &processed));
    assert_int_equal(processed, 1);
    return WFS_OK;
}

static const struct {
    wfs_status (*act)(wfs_harness *harness);
    wfs_instance_status after, finally;
} self_calls[] = {
    {tick_self, WFS_INSTANCE_COMPLETE, WFS_INSTANCE_COMPLETE},
    {act_event, WFS_INSTANCE_QUEUED, WFS_INSTANCE_COMPLETE},
    {act_pause, WFS_INSTANCE_QUEUED, WFS_INSTANCE_PAUSED},
    {act_terminate, WFS_INSTANCE_TERMINATED, WFS_INSTANCE_TERMINATED},
    {act_restart, WFS_INSTANCE_QUEUED, WFS_INSTANCE_COMPLETE},
};

/* A body that changes its own instance: its tick has lost. */
static void test_calls_about_oneself(void **state)
{
    wfs_harness *harness;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(self_calls); i++) {
        harness = fresh(inside_step);
        inside = self_calls[i].act;
        assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 0);
        assert_state(harness, "orders", "o-1", self_calls[i].after);
        assert_settled(harness);
        tick(harness, "orders", "o-1", WFS_REASON_CREATE);
        assert_state(harness, "orders", "o-1", self_calls[i].finally);
        close_harness(harness);
    }
}

/* The same by hooks: a tick that lost is tried again, at once or as a hook
 * that was refused is; else the sleep would never end. */
static wfs_status nap_then_inside(wfs_run *run, void *user)
{
    WFS_TRY(wfs_sleep(run, "nap", "1 s"));
    return inside_step(run, user);
}

static void test_a_hook_whose_tick_loses(void **state)
{
    wfs_harness *harness = open_world(nap_then_inside, true);

    (void)state;
    inside = act_event;
    ok(harness, wfs_create(harness, "orders", "o-1", NULL, NULL));
    process(harness);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_WAITING);
    advance(harness, 1000);
    process(harness);
    advance(harness, 100);
    process(harness);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(calls, 2);
    close_harness(harness);
}

static wfs_status process_all(wfs_harness *harness)
{
    wfs_status status = wfs_create(harness, "parcels", "p-1", NULL, NULL);

    if (status == WFS_OK)
        wfs_process_hooks(harness, NULL);
    return status;
}

/* A body that processes hooks does not run itself again by the hook that it
 * runs by. */
static void test_a_body_that_processes_hooks(void **state)
{
    wfs_harness *harness = open_world(inside_step, true);

    (void)state;
    other_program = nothing;
    inside = process_all;
    ok(harness, wfs_create(harness, "orders", "o-1", NULL, NULL));
    process(harness);
    assert_int_equal(calls, 1);
    assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
    assert_state(harness, "parcels", "p-1", WFS_INSTANCE_COMPLETE);
    close_harness(harness);
}

static wfs_status create_then_done(wfs_run *run, void *user)
{
    WFS_TRY(wfs_do(run, "inside", call_inside, user, NULL, NULL));
    return WFS_DONE;
}

/* An instance that was made inside a tick that then failed is gone with it, and
 * its id may be drawn again. */
static void test_ids_drawn_inside(void **state)
{
    wfs_harness *harness = fresh(create_then_done);
    wfs_payload payload = payload_of(harness, "orders", "o-1",
                                     WFS_REASON_CREATE);

    (void)state;
    inside = create_inside;
    assert_int_equal(wfs_tick(harness, &payload, NULL), WFS_ERR_MISUSE);
    assert_int_equal(
        wfs_count(wfs_harness_store(harness), "workflow_instance"), 1);
    ok(harness, wfs_create(harness, "parcels", NULL, NULL, NULL));
    ok(harness, wfs_create(harness, "parcels", NULL, NULL, NULL));
    assert_int_equal(
        wfs_count(wfs_harness_store(harness), "workflow_instance"), 3);
    close_harness(harness);
}

/* A transaction of the body's own is a savepoint, undone or kept. */
static wfs_status own_transaction(wfs_harness *harness)
{
    wfs_store *store = wfs_harness_store(harness);

    WFS_TRY(wfs_begin(store));
    WFS_TRY(wfs_insert(store, "stock", cup(), NULL));
    WFS_TRY(wfs_rollback(store));
    WFS_TRY(wfs_begin(store));
    WFS_TRY(wfs_insert(store, "stock",
                       WFS_FIELDS({"sku", wfs_text("mug")}), NULL));
    return wfs_commit(store);
}

/* There is none to end that the body has not begun. */
static wfs_status end_of_others(wfs_harness *harness)
{
    wfs_store *store = wfs_harness_store(harness);

    assert_int_equal(wfs_rollback(store), WFS_ERR_NO_TRANSACTION);
    assert_int_equal(wfs_commit(store), WFS_ERR_NO_TRANSACTION);
    return WFS_OK;
}

static void test_transactions_inside(void **state)
{
    static wfs_status (*const acts[])(wfs_harness *) = {own_transaction,
                                                        end_of_others};
    wfs_harness *harness;
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        harness = open_world(inside_step, i % 2 != 0);
        inside = acts[i / 2];
        ok(harness, wfs_create(harness, "orders", "o-1", NULL, NULL));
        if (i % 2 != 0)
            process(harness);
        else
            tick(harness, "orders", "o-1", WFS_REASON_CREATE);
        assert_state(harness, "orders", "o-1", WFS_INSTANCE_COMPLETE);
        assert_stock(harness, i < 2 ? "mug=0" : "");
        assert_settled(harness);
        close_harness(harness);
    }
}

static wfs_status handler_ends_others(wfs_harness *harness,
                                      const wfs_hook *hook)
{
    (void)hook;
    return end_of_others(harness);
}

static void test_transactions_in_a_handler(void **state)
{
    wfs_harness *harness = open_hook(0);

    (void)state;
    handler = handler_ends_others;
    process(harness);
    assert_int_equal(hook_of(harness, "notify", 0).status, WFS_HOOK_COMPLETED);
    assert_settled(harness);
    close_harness(harness);
}

/* The transaction of who calls the tick is not the body's to end: the instance
 * itself may be new in it. */
static wfs_status end_then_read(wfs_run *run, void *user)
{
    wfs_status status = end_of_others(wfs_run_harness(run));

    (void)user;
    calls++;
    seen_params = first_char(wfs_params(run));
    return status;
}

static wfs_status run_end_then_read(wfs_run *run, void *user)
{
    return wfs_do(run, "inside", end_then_read, user, NULL, NULL);
}

static void test_transactions_around_a_tick(void **state)
{
    wfs_harness *harness = open_world(run_end_then_read, false);
    char *params = large_json('p');
    before then = remember(harness);

    (void)state;
    ok(harness, wfs_begin(wfs_harness_store(harness)));
    ok(harness, wfs_create(harness, "orders", "o-1", params, NULL));
    assert_int_equal(tick(harness, "orders", "o-1", WFS_REASON_CREATE), 1);
    assert_int_equal(seen_params, 'p');
    ok(harness, wfs_rollback(wfs_harness_store(harness)));
    unchanged(harness, then);
    free(params);
    close_harness(harness);
}

/* A transaction that a body begins and does not end: a mistake, whoever calls
 * the tick, and none is left open. */
static wfs_status begin_only(wfs_harness *harness)
{
    WFS_TRY(wfs_begin(wfs_harness_store(harness)));
    WFS_TRY(wfs_begin(wfs_harness_store(harness)));
    return wfs_insert(wfs_harness_store(harness), "stock", cup(), NULL);
}

static void test_transactions_that_are_left_open(void **state)
{
    wfs_harness *harness;
    wfs_payload payload;
    wfs_status status;
    wfs_open_tick *open;
    before then;
    int how;

    (void)state;
    for (how = 0; how < 4; how++) {
        harness = open_world(inside_step, how == 3);
        inside = begin_only;
        ok(harness, wfs_create(harness, "orders", "o-1", NULL, NULL));
        payload = payload_of(harness, "orders", "o-1", WFS_REASON_CREATE);
        then = remember(harness);
        if (how == 0) {
            status = wfs_tick(harness, &payload, NULL);
        } else if (how == 1) {
            status = wfs_run_until_idle(harness, &payload, 1, NULL);
        } else if (how == 2) {
            ok(harness, wfs_tick_retrieve(harness, &payload, &open));
            status = wfs_tick_plan(open);
            wfs_tick_discard(open);
        } else {
            status = wfs_process_hooks(harness, NULL);
        }
        assert_int_equal(status, WFS_ERR_MISUSE);
        assert_contains(wfs_harness_error(harness)->message, "transaction");
        assert_settled(harness);
        unchanged(harness, then);
        close_harness(harness);
    }
}

/* A handler takes hold of what it has written, and then refuses. */
static wfs_open_tick *kept;
static wfs_status kept_status;

static wfs_status keep_then_refuse(wfs_harness *harness, const wfs_hook *hook)
{
    char *params = large_json('h');
    wfs_payload payload;

    (void)hook;
    ok(harness, wfs_create(harness, "orders", "h-1", params, NULL));
    free(params);
    payload = payload_of(harness, "orders", "h-1", WFS_REASON_CREATE);
    kept_status = wfs_tick_retrieve(harness, &payload, &kept);
    return WFS_ERR_HOOK;
}

static void test_a_snapshot_of_what_a_handler_takes_back(void **state)
{
    wfs_harness *harness = open_hook(0);

    (void)state;
    handler = keep_then_refuse;
    process(harness);
    program = run_end_then_read;
    seen_params = '?';
    /* A row that looks like the one that was taken back, at its place. */
    ok(harness, wfs_create(harness, "orders", "o-2", "\"other\"", NULL));
    if (kept_status == WFS_OK) {
        ok(harness, wfs_tick_plan(kept));
        assert_true(seen_params == 'h' || seen_params == '?');
        assert_int_equal(commit(harness, kept), 0);
        assert_state(harness, "orders", "o-2", WFS_INSTANCE_QUEUED);
    } else {
        assert_int_equal(kept_status, WFS_ERR_MISUSE);
        assert_null(kept);
    }
    assert_settled(harness);
    close_harness(harness);
}

static wfs_status tick_next(wfs_run *run, void *user)
{
    wfs_harness *harness = wfs_run_harness(run);
    char id[16];
    wfs_payload payload;
    int number = atoi(wfs_instance_id(run)), processed = -1;

    (void)user;
    calls++;
    if (number == 40)
        return WFS_OK;
    sprintf(id, "%d", number + 1);
    WFS_TRY(wfs_create(harness, "orders", id, NULL, NULL));
    WFS_TRY(wfs_build_payload(harness, "orders", id, WFS_REASON_CREATE,
                              &payload));
    WFS_TRY(wfs_tick(harness, &payload, &processed));
    assert_int_equal(processed, 1);
    return wfs_return_text(run, "1");
}

static wfs_status tick_chain(wfs_run *run, void *user)
{
    return wfs_do(run, "next", tick_next, user, NULL, NULL);
}

/* Ticks within ticks, forty deep. */
static void test_ticks_within_ticks(void **state)
{
    wfs_harness *harness = open_world(tick_chain, false);

    (void)state;
    ok(harness, wfs_create(harness, "orders", "1", NULL, NULL));
    assert_int_equal(tick(harness, "orders", "1", WFS_REASON_CREATE), 1);
    assert_int_equal(calls, 40);
    assert_int_equal(wfs_count(wfs_harness_store(harness), "workflow_step"),
                     40);
    assert_state(harness, "orders", "40", WFS_INSTANCE_COMPLETE);
    assert_settled(harness);
    close_harness(harness);
}

/* --- the work of a tick does not grow with what is not its own */

static wfs_status step_and_nap(wfs_run *run, void *user)
{
    int i;

    for (i = 0; i < 5; i++)
        WFS_TRY(wfs_do(run, "count", count_call, user, NULL, NULL));
    return wfs_sleep(run, "nap", "1 hour");
}

/* Allocator calls of so many ticks, once the harness has that many instances.
 * *fresh_calls: of ticks of new instances, which write steps; the result: of
 * ticks that only replay. */
static size_t calls_for_ticks(int instances, int ticks, size_t *fresh_calls)
{
    wfs_harness *harness = open_world(step_and_nap, false);
    size_t replays;
    char id[16];
    int i;

    for (i = 0; i < instances; i++) {
        sprintf(id, "o-%d", i);
        ok(harness, wfs_create(harness, "orders", id, NULL, NULL));
    }
    sweep_refuse(&memory, 0, SWEEP_ONCE);       /* count from here on */
    for (i = 0; i < ticks; i++) {
        sprintf(id, "o-%d", i);
        assert_int_equal(tick(harness, "orders", id, WFS_REASON_CREATE), 1);
    }
    *fresh_calls = memory.calls;
    sweep_refuse(&memory, 0, SWEEP_ONCE);
    for (i = 0; i < ticks; i++) {
        sprintf(id, "o-%d", i);
        assert_int_equal(tick(harness, "orders", id, WFS_REASON_EVENT), 1);
    }
    replays = memory.calls;
    close_harness(harness);
    return replays;
}

static void test_work_of_a_tick(void **state)
{
    size_t few, many;

    (void)state;
    assert_int_equal(calls_for_ticks(10, 10, &few), 0);
    assert_int_equal(calls_for_ticks(10000, 10, &many), 0);
    if (many > few)
        fail_msg("10 ticks ask for memory %d times among 10 instances, "
                 "%d times among 10,000", (int)few, (int)many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_lie_as_the_store_lays_them_out),
        cmocka_unit_test(test_the_store_reads_the_engine_s_rows),
        cmocka_unit_test(test_two_ticks_in_every_order),
        cmocka_unit_test(test_what_happens_between_phases),
        cmocka_unit_test(test_resumed_between_phases),
        cmocka_unit_test(test_two_ticks_race_for_a_pause),
        cmocka_unit_test(test_early_ticks_do_not_conflict),
        cmocka_unit_test(test_ticks_of_different_instances),
        cmocka_unit_test(test_split_ticks_with_nothing_to_do),
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_phases_out_of_order),
        cmocka_unit_test(test_payloads_that_are_refused),
        cmocka_unit_test(test_no_fork_with_an_open_tick),
        cmocka_unit_test(test_a_tick_reads_what_it_retrieved),
        cmocka_unit_test(test_a_plan_outlives_its_rows),
        cmocka_unit_test(test_a_snapshot_of_what_is_rolled_back),
        cmocka_unit_test(test_a_forgotten_check),
        cmocka_unit_test(test_single_mistakes),
        cmocka_unit_test(test_a_status_out_of_range),
        cmocka_unit_test(test_names_that_do_not_end),
        cmocka_unit_test(test_messages_about_names_that_do_not_end),
        cmocka_unit_test(test_the_longest_name),
        cmocka_unit_test(test_mistakes_with_the_queue),
        cmocka_unit_test(test_durations_that_are_none),
        cmocka_unit_test(test_fifty_deep),
        cmocka_unit_test(test_failing_fifty_deep),
        cmocka_unit_test(test_suffixes_in_nested_scopes),
        cmocka_unit_test(test_a_thousand_steps_of_one_name),
        cmocka_unit_test(test_a_body_that_waits),
        cmocka_unit_test(test_a_body_whose_wait_times_out),
        cmocka_unit_test(test_a_body_whose_step_is_retried),
        cmocka_unit_test(test_a_parent_that_is_retried),
        cmocka_unit_test(test_failures_that_are_caught),
        cmocka_unit_test(test_code_that_changes),
        cmocka_unit_test(test_a_history_in_reverse),
        cmocka_unit_test(test_code_that_changes_at_random),
        cmocka_unit_test(test_a_suffix_that_looks_like_a_scope),
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_extreme_policies),
        cmocka_unit_test(test_the_largest_limit),
        cmocka_unit_test(test_a_negative_limit),
        cmocka_unit_test(test_a_policy_that_changes),
        cmocka_unit_test(test_failing_for_good),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_an_empty_failure),
        cmocka_unit_test(test_writes_of_failed_attempts),
        cmocka_unit_test(test_writes_of_a_body_that_suspends),
        cmocka_unit_test(test_writes_around_a_failed_step),
        cmocka_unit_test(test_writes_in_order),
        cmocka_unit_test(test_writes_with_versions),
        cmocka_unit_test(test_a_constraint_that_is_violated),
        cmocka_unit_test(test_writes_of_a_tick_that_loses),
        cmocka_unit_test(test_a_hook_that_is_handled),
        cmocka_unit_test(test_a_hook_that_is_refused_thrice),
        cmocka_unit_test(test_a_hook_that_is_always_refused),
        cmocka_unit_test(test_hooks_without_words_or_handler),
        cmocka_unit_test(test_hooks_of_strange_names),
        cmocka_unit_test(test_hooks_are_processed_by_a_handler),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_results_are_written_alike),
        cmocka_unit_test(test_whose_value_it_is),
        cmocka_unit_test(test_a_deep_result),
        cmocka_unit_test(test_what_a_run_knows),
        cmocka_unit_test(test_calls_about_others),
        cmocka_unit_test(test_calls_about_oneself),
        cmocka_unit_test(test_a_hook_whose_tick_loses),
        cmocka_unit_test(test_a_body_that_processes_hooks),
        cmocka_unit_test(test_ids_drawn_inside),
        cmocka_unit_test(test_transactions_inside),
        cmocka_unit_test(test_transactions_in_a_handler),
        cmocka_unit_test(test_transactions_around_a_tick),
        cmocka_unit_test(test_transactions_that_are_left_open),
        cmocka_unit_test(test_a_snapshot_of_what_a_handler_takes_back),
        cmocka_unit_test(test_ticks_within_ticks),
        cmocka_unit_test(test_work_of_a_tick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
