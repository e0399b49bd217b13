/* Tables of one's own in the same store: a step's rows are written with the
 * step's result or not at all.
 *
 *     cc examples/own_tables.c -o own_tables && ./own_tables
 */
#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

static const wfs_column shipment_columns[] = {
    {.name = "order_id", .type = WFS_TEXT},
    {.name = "sku", .type = WFS_TEXT, .interned = true},
    {.name = "quantity", .type = WFS_INTEGER},
    {.name = "shipped_at", .type = WFS_TIME},
    {0},
};

static const wfs_index shipment_indexes[] = {
    {.name = "by_sku", .columns = "sku, quantity", .ordered = true},
    {0},
};

static const wfs_table tables[] = {
    {.name = "shipments",
     .columns = shipment_columns,
     .indexes = shipment_indexes,
     .primary_key = "order_id"},
    {0},
};

/* Queues its row and fails at the first attempt: that row is never written.
 * The second attempt's row is, in one transaction with the step. */
static wfs_status ship(wfs_run *run, void *user)
{
    const wfs_json *order = wfs_params(run);
    const char *sku = wfs_json_string(wfs_json_get(order, "sku"), NULL);
    int64_t quantity = wfs_json_integer(wfs_json_get(order, "quantity"));

    (void)user;
    WFS_TRY(wfs_queue_insert(
        run, "shipments",
        WFS_FIELDS({"order_id", wfs_text(wfs_instance_id(run))},
                   {"sku", wfs_text(sku)},
                   {"quantity", wfs_integer(quantity)},
                   {"shipped_at", wfs_time(wfs_now(run))})));
    if (wfs_attempt(run) == 1)
        return wfs_fail(run, "NO_COURIER", "nobody was there to take it");
    return wfs_return(run, NULL);
}

static wfs_status order(wfs_run *run, void *user)
{
    wfs_do_options options = {.retries = {.limit = 1, .delay = "1 hour"}};

    return wfs_do(run, "ship", ship, user, &options, NULL);
}

static wfs_status nothing_is_shipped(wfs_context *context)
{
    wfs_store *store = wfs_harness_store(context->harness);

    return wfs_expect_integer(context, "rows after the first attempts", 0,
                              (int64_t)wfs_count(store, "shipments"));
}

static wfs_status primary_key_finds(wfs_context *context)
{
    wfs_store *store = wfs_harness_store(context->harness);
    wfs_value key = wfs_text("o-2");
    wfs_row row;

    WFS_TRY(wfs_find(store, "shipments", "primary", &key, 1, &row));
    WFS_TRY(wfs_expect_text(context, "sku", "cup",
                            wfs_row_text(&row, "sku")));
    return wfs_expect_integer(context, "shipped at", 3600000,
                              wfs_row_integer(&row, "shipped_at"));
}

/* The constraint names table, index and value; the store is as it was. */
static wfs_status primary_key_is_unique(wfs_context *context)
{
    wfs_store *store = wfs_harness_store(context->harness);
    wfs_status status = wfs_insert(store, "shipments",
                                   WFS_FIELDS({"order_id", wfs_text("o-2")},
                                              {"sku", wfs_text("pot")},
                                              {"quantity", wfs_integer(1)},
                                              {"shipped_at", wfs_time(0)}),
                                   NULL);

    WFS_TRY(wfs_expect_text(context, "a second o-2", "UNIQUE_VIOLATION",
                            wfs_status_name(status)));
    return wfs_expect_integer(context, "rows", 4,
                              (int64_t)wfs_count(store, "shipments"));
}

/* A page of cups, the largest order first, as a JSON array of order ids; and
 * where the next page starts. */
static const wfs_json *read_page(wfs_context *context, const char *after)
{
    wfs_value cup = wfs_text("cup");
    wfs_query query = {.table = "shipments",
                       .index = "by_sku",
                       .equal = &cup,
                       .equal_count = 1,
                       .descending = true,
                       .page_size = 2,
                       .cursor = after};
    wfs_json *ids = wfs_json_new_array(context->arena);
    wfs_json *page = wfs_json_new_object(context->arena);
    wfs_cursor *cursor;
    wfs_row row;

    context->error->code = wfs_cursor_open(
        wfs_harness_store(context->harness), &query, &cursor);
    if (context->error->code != WFS_OK)
        return NULL;
    while (wfs_cursor_next(cursor, &row) == WFS_OK)
        ids = wfs_json_append(
            context->arena, ids,
            wfs_json_new_string(context->arena,
                                wfs_row_text(&row, "order_id")));
    page = wfs_json_set(context->arena, page, "ids", ids);
    page = wfs_json_set(context->arena, page, "more",
                        wfs_json_new_bool(context->arena,
                                          wfs_cursor_has_more(cursor)));
    page = wfs_json_set(context->arena, page, "after",
                        wfs_json_new_string(context->arena,
                                            wfs_cursor_text(cursor)));
    wfs_cursor_close(cursor);
    return page;
}

static const wfs_json *first_page(wfs_context *context)
{
    return read_page(context, NULL);
}

static const wfs_json *second_page(wfs_context *context)
{
    return read_page(context, wfs_var_text(context, "first.after"));
}

static wfs_status pages_are_in_order(wfs_context *context)
{
    WFS_TRY(wfs_expect_json(context, "first page", "[\"o-4\",\"o-1\"]",
                            wfs_var(context, "first.ids")));
    WFS_TRY(wfs_expect_json(context, "more after it", "true",
                            wfs_var(context, "first.more")));
    WFS_TRY(wfs_expect_json(context, "second page", "[\"o-2\"]",
                            wfs_var(context, "second.ids")));
    return wfs_expect_json(context, "more after that", "false",
                           wfs_var(context, "second.more"));
}

static const wfs_batch_item orders[] = {
    {.id = "o-1", .params = "{\"sku\":\"cup\",\"quantity\":6}"},
    {.id = "o-2", .params = "{\"sku\":\"cup\",\"quantity\":2}"},
    {.id = "o-3", .params = "{\"sku\":\"pot\",\"quantity\":1}"},
    {.id = "o-4", .params = "{\"sku\":\"cup\",\"quantity\":12}"},
    {0},
};

static const wfs_workflow workflows[] = {
    {.key = "order", .name = "order-workflow", .run = order},
    {0},
};

/* With auto_tick each instance is ticked by its hooks as they fall due. */
static const wfs_scenario_step steps[] = {
    WFS_CREATE_BATCH(.workflow = "order", .instances = orders),
    WFS_ASSERT(.check = nothing_is_shipped,
               .label = "what failed has written nothing"),
    WFS_ADVANCE_TIME(.duration = "1 hour"),
    WFS_ASSERT(.check = primary_key_finds,
               .label = "a row is found by its key"),
    WFS_ASSERT(.check = primary_key_is_unique,
               .label = "a second row of that key is refused"),
    WFS_READ(.read = first_page, .store_as = "first",
             .label = "read the first page"),
    WFS_READ(.read = second_page, .store_as = "second",
             .label = "read the second page"),
    WFS_ASSERT(.check = pages_are_in_order,
               .label = "the largest orders come first"),
    {0},
};

int main(void)
{
    return wfs_scenario_main(&(wfs_scenario){
        .name = "shipments are written with their step",
        .workflows = workflows,
        .steps = steps,
        .tables = tables,
        .auto_tick = true,
    });
}
