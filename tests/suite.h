/* The scenarios that the tests of forks, memory, threads and determinism run,
 * and everything that can be seen of a run, as text to compare byte by byte.
 * Needs no cmocka. Include it after wfscenario.h with its implementation. */
#ifndef SUITE_H
#define SUITE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WFS_EXAMPLE_NO_MAIN
#include "../examples/all_features.c"

/* --- text that grows */

typedef struct suite_text {
    char *data;                 /* NULL until something is put in */
    size_t size, capacity;
} suite_text;

static inline void suite_put(suite_text *text, const char *bytes, size_t size)
{
    if (text->capacity - text->size < size + 1) {
        text->capacity = text->capacity * 2 + size + 1;
        text->data = (char *)realloc(text->data, text->capacity);
        if (text->data == NULL)
            abort();
    }
    memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

static inline void suite_say(suite_text *text, const char *string)
{
    suite_put(text, string, strlen(string));
}

static inline void suite_integer(suite_text *text, int64_t value)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld", (long long)value);
    suite_say(text, digits);
}

static inline void suite_free(suite_text *text)
{
    free(text->data);
    memset(text, 0, sizeof *text);
}

/* --- what a store holds: every column of every row of every table */

static inline void suite_string(suite_text *text, const char *bytes,
                                size_t size)
{
    char escape[8];
    size_t i;

    suite_say(text, "\"");
    for (i = 0; i < size; i++) {
        if ((unsigned char)bytes[i] >= 0x20 && bytes[i] != '"' &&
            bytes[i] != '\\') {
            suite_put(text, &bytes[i], 1);
        } else {
            snprintf(escape, sizeof escape, "\\u%04x",
                     (unsigned)(unsigned char)bytes[i]);
            suite_say(text, escape);
        }
    }
    suite_say(text, "\"");
}

static inline void suite_value(suite_text *text, wfs_value value)
{
    char digits[40];

    switch (value.type) {
    case WFS_NULL:
        suite_say(text, "null");
        break;
    case WFS_REAL:
        snprintf(digits, sizeof digits, "%.17g", value.real);
        suite_say(text, digits);
        break;
    case WFS_TEXT:
        suite_string(text, value.text, value.size);
        break;
    case WFS_JSON:
        suite_put(text, value.text, value.size);
        break;
    case WFS_BOOL:
        suite_say(text, value.integer != 0 ? "true" : "false");
        break;
    default:
        suite_integer(text, value.integer);
    }
}

static inline void suite_row(suite_text *text, const wfs_row *row,
                             const char *const *columns)
{
    suite_say(text, "{\"id\":");
    suite_integer(text, row->id);
    suite_say(text, ",\"version\":");
    suite_integer(text, row->version);
    for (; *columns != NULL; columns++) {
        suite_say(text, ",\"");
        suite_say(text, *columns);
        suite_say(text, "\":");
        suite_value(text, wfs_row_value(row, *columns));
    }
    suite_say(text, "}");
}

#define SUITE_MOST_COLUMNS 64

/* The columns are looked up in the store itself: none can be forgotten. */
static inline void suite_table(suite_text *text, wfs_store *store,
                               const wfsi_table *table)
{
    const char *columns[SUITE_MOST_COLUMNS + 1] = {NULL};
    const char *name = wfsi_text(store, table->name, NULL);
    wfs_query query = {0};
    const char *before = "\n";
    wfs_cursor *cursor;
    wfs_row row;
    size_t i;

    for (i = 0; i < wfsi_array_count(table->columns); i++) {
        if (i == SUITE_MOST_COLUMNS)
            abort();
        columns[i] = wfsi_text(store, table->columns[i].name, NULL);
    }
    suite_say(text, "\"");
    suite_say(text, name);
    suite_say(text, "\":[");
    query.table = name;
    if (wfs_cursor_open(store, &query, &cursor) != WFS_OK)
        abort();
    while (wfs_cursor_next(cursor, &row) == WFS_OK) {
        suite_say(text, before);
        suite_row(text, &row, columns);
        before = ",\n";
    }
    wfs_cursor_close(cursor);
    suite_say(text, "]");
}

/* All tables as one JSON text: of workflows, mocks, DAGs, and the user's. */
static inline void suite_tables(suite_text *text, wfs_store *store)
{
    size_t i;

    suite_say(text, "{");
    for (i = 0; i < wfsi_array_count(store->tables); i++) {
        suite_say(text, i != 0 ? ",\n" : "");
        suite_table(text, store, &store->tables[i]);
    }
    suite_say(text, "}\n");
}

/* --- what came of a run */

static inline void suite_json(suite_text *text, const wfs_json *value)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    size_t size;
    const char *json = wfs_json_write(arena, value, 0, &size);

    if (json == NULL)
        abort();
    suite_put(text, json, size);
    suite_say(text, "\n");
    wfs_arena_free(arena);
}

static inline void suite_step(suite_text *text, const wfs_step_result *step)
{
    suite_integer(text, (int64_t)step->index);
    suite_say(text, " ");
    suite_say(text, wfs_scenario_kind_name(step->kind));
    suite_say(text, " ");
    suite_say(text, wfs_status_name(step->status));
    suite_say(text, " at ");
    suite_integer(text, step->clock);
    suite_say(text, ": ");
    suite_say(text, step->label);
    suite_say(text, " = ");
    suite_json(text, step->value);
    if (step->message != NULL) {
        suite_say(text, step->message);
        suite_say(text, "\n");
    }
}

static inline void suite_write(const char *bytes, size_t size, void *user)
{
    suite_put((suite_text *)user, bytes, size);
}

static inline void suite_reports(suite_text *text, const wfs_scenario *scenario,
                                 wfs_runner *runner)
{
    const wfs_scenario_result *result = wfs_runner_result(runner);
    wfs_report_options options = {0};
    size_t i;

    options.writer.write = suite_write;
    options.writer.user = text;
    options.verbosity = WFS_VERBOSE;
    wfs_report_plan(&options, scenario);
    for (i = 0; i < result->step_count; i++)
        wfs_report_step(&options, &result->steps[i]);
    wfs_report_end(&options, result);
    if (wfs_report_timeline(&options, wfs_runner_harness(runner)) != WFS_OK)
        abort();
}

/* Tables, results, variables, clock, randomness, and the reports' bytes. */
static inline void suite_all_of(suite_text *text, const wfs_scenario *scenario,
                                wfs_runner *runner)
{
    const wfs_scenario_result *result = wfs_runner_result(runner);
    wfs_harness *harness = wfs_runner_harness(runner);
    char digits[24];
    size_t i;

    suite_tables(text, wfs_harness_store(harness));
    for (i = 0; i < result->step_count; i++)
        suite_step(text, &result->steps[i]);
    suite_json(text, result->vars);
    suite_say(text, wfs_status_name(result->status));
    suite_say(text, " at ");
    suite_integer(text, wfs_clock_now(wfs_harness_clock(harness)));
    snprintf(digits, sizeof digits, " %016llx\n",
             (unsigned long long)wfs_harness_random(harness)->state);
    suite_say(text, digits);
    snprintf(digits, sizeof digits, "%016llx\n",
             (unsigned long long)wfs_store_hash(wfs_harness_store(harness)));
    suite_say(text, digits);
    suite_reports(text, scenario, runner);
}

/* Run a scenario and tell all of it. */
static inline wfs_status suite_run(suite_text *text,
                                   const wfs_scenario *scenario)
{
    wfs_runner *runner;
    wfs_error error;
    wfs_status status = wfs_runner_create(scenario, &runner, &error);

    if (status != WFS_OK) {
        suite_say(text, error.message);
        return status;
    }
    while (wfs_runner_next(runner, NULL) == WFS_OK)
        continue;
    suite_all_of(text, scenario, runner);
    status = wfs_runner_result(runner)->status;
    wfs_runner_free(runner);
    return status;
}

/* --- own tables: items, orders of them, and mails about orders */

static const wfs_column item_columns[] = {
    {.name = "sku", .type = WFS_TEXT},
    {.name = "stock", .type = WFS_INTEGER},
    {.name = "weight", .type = WFS_REAL, .nullable = true},
    {.name = "note", .type = WFS_JSON, .nullable = true},
    {.name = "sold_at", .type = WFS_TIME, .nullable = true},
    {.name = "active",
     .type = WFS_BOOL,
     .default_value = {.type = WFS_BOOL, .integer = 1}},
    {0},
};

static const wfs_index item_indexes[] = {
    {.name = "by_stock", .columns = "stock, sku", .ordered = true},
    {0},
};

static const wfs_column order_columns[] = {
    {.name = "order_id", .type = WFS_TEXT},
    {.name = "run", .type = WFS_INTEGER},
    {.name = "item", .type = WFS_REFERENCE, .references = "items"},
    {.name = "quantity", .type = WFS_INTEGER},
    {.name = "state", .type = WFS_TEXT, .interned = true},
    {.name = "draw", .type = WFS_INTEGER},
    {0},
};

static const wfs_index order_indexes[] = {
    {.name = "by_state", .columns = "state, quantity", .ordered = true},
    {.name = "of_item", .columns = "item", .list = true},
    {0},
};

static const wfs_column mail_columns[] = {
    {.name = "hook", .type = WFS_INTEGER},
    {.name = "order_id", .type = WFS_TEXT},
    {.name = "body", .type = WFS_JSON},
    {.name = "sent_at", .type = WFS_TIME},
    {0},
};

static const wfs_table shop_tables[] = {
    {.name = "items",
     .columns = item_columns,
     .indexes = item_indexes,
     .primary_key = "sku"},
    {.name = "orders",
     .columns = order_columns,
     .indexes = order_indexes,
     .primary_key = "order_id, run"},
    {.name = "mails", .columns = mail_columns, .primary_key = "hook"},
    {0},
};

static const char *const shop_skus[] = {"cup", "pot", "tray"};
#define SHOP_SKUS 3

static wfs_status find_item(wfs_run *run, wfs_row *row)
{
    wfs_store *store = wfs_harness_store(wfs_run_harness(run));
    const wfs_json *quantity = wfs_json_get(wfs_params(run), "quantity");
    wfs_value sku = wfs_text(shop_skus[wfs_json_integer(quantity) % SHOP_SKUS]);

    return wfs_find(store, "items", "primary", &sku, 1, row);
}

/* Takes the item from the shelf, at the second attempt where the quantity is
 * even: what the first one queued is never written. */
static wfs_status reserve(wfs_run *run, void *user)
{
    int64_t quantity =
        wfs_json_integer(wfs_json_get(wfs_params(run), "quantity"));
    int64_t draw = (int64_t)wfs_random_below(wfs_run_random(run), 1000000);
    wfs_arena *arena = wfs_run_arena(run);
    wfs_json *letter = wfs_json_new_object(arena);
    wfs_row item;

    (void)user;
    WFS_TRY(find_item(run, &item));
    WFS_TRY(wfs_queue_insert(
        run, "orders",
        WFS_FIELDS({"order_id", wfs_text(wfs_instance_id(run))},
                   {"run", wfs_integer(wfs_run_number(run))},
                   {"item", wfs_reference(item.id)},
                   {"quantity", wfs_integer(quantity)},
                   {"state", wfs_text("reserved")},
                   {"draw", wfs_integer(draw)})));
    WFS_TRY(wfs_queue_update(
        run, "items", item.id, item.version,
        WFS_FIELDS({"stock", wfs_integer(wfs_row_integer(&item, "stock") -
                                         quantity)},
                   {"weight", wfs_real((double)draw / 7)},
                   {"sold_at", wfs_time(wfs_now(run))})));
    letter = wfs_json_set(arena, letter, "quantity",
                          wfs_json_new_integer(arena, quantity));
    letter = wfs_json_set(arena, letter, "order",
                          wfs_json_new_string(arena, wfs_instance_id(run)));
    WFS_TRY(wfs_queue_hook(run, "mail", letter));
    if (quantity % 2 == 0 && wfs_attempt(run) == 1)
        return wfs_fail(run, "NO_HANDS", "nobody was there to take it");
    return wfs_return(run, letter);
}

static wfs_status hand_over(wfs_run *run, void *user)
{
    wfs_store *store = wfs_harness_store(wfs_run_harness(run));
    wfs_value key[2];
    wfs_row order;

    (void)user;
    key[0] = wfs_text(wfs_instance_id(run));
    key[1] = wfs_integer(wfs_run_number(run));
    WFS_TRY(wfs_find(store, "orders", "primary", key, 2, &order));
    if (wfs_row_integer(&order, "quantity") % 5 == 0)
        return wfs_queue_delete(run, "orders", order.id, order.version);
    return wfs_queue_update(run, "orders", order.id, order.version,
                            WFS_FIELDS({"state", wfs_text("shipped")}));
}

static wfs_status sell(wfs_run *run, void *user)
{
    wfs_do_options twice = {.retries = {.limit = 2, .delay = "1 minute"}};
    wfs_wait_options paid = {.type = "paid", .timeout = "1 day"};
    const wfs_json *letter, *payment;
    wfs_json *output;

    WFS_TRY(wfs_do(run, "reserve", reserve, user, &twice, &letter));
    WFS_TRY(wfs_wait_for_event(run, "payment", &paid, &payment));
    WFS_TRY(wfs_sleep(run, "pack", "2 hours"));
    WFS_TRY(wfs_do(run, "hand over", hand_over, user, NULL, NULL));
    output = wfs_json_new_object(wfs_run_arena(run));
    output = wfs_json_set(wfs_run_arena(run), output, "letter", letter);
    output = wfs_json_set(wfs_run_arena(run), output, "payment",
                          wfs_json_get(payment, "payload"));
    return wfs_return(run, output);
}

static const char *sell_params(const wfs_json *params, void *user)
{
    (void)user;
    return wfs_json_type_of(wfs_json_get(params, "quantity")) ==
                   WFS_JSON_INTEGER
               ? NULL
               : "an order needs a quantity";
}

static const wfs_workflow shop_workflows[] = {
    {.key = "sell",
     .name = "sell-workflow",
     .run = sell,
     .validate_params = sell_params},
    {0},
};

/* Every third order's mail is refused once and tried again. */
static wfs_status send_mail(wfs_harness *harness, const wfs_hook *hook,
                            void *user)
{
    int64_t quantity =
        wfs_json_integer(wfs_json_get(hook->payload, "quantity"));
    wfs_arena *arena = wfs_harness_arena(harness);
    const char *body = wfs_json_write(arena, hook->payload, 0, NULL);
    const char *order_id =
        wfs_json_string(wfs_json_get(hook->payload, "order"), NULL);
    int64_t now = wfs_clock_now(wfs_harness_clock(harness));

    (void)user;
    if (body == NULL)
        return WFS_ERR_NO_MEMORY;
    if (quantity % 3 == 0 && hook->attempts == 0)
        return WFS_ERR_HOOK;
    return wfs_insert(wfs_harness_store(harness), "mails",
                      WFS_FIELDS({"hook", wfs_integer(hook->id)},
                                 {"order_id", wfs_text(order_id)},
                                 {"body", wfs_json_text(body)},
                                 {"sent_at", wfs_time(now)}),
                      NULL);
}

static const wfs_hook_handler shop_hooks[] = {
    {.hook_name = "mail", .handle = send_mail},
    {0},
};

static wfs_status fill_shelves(wfs_context *context)
{
    wfs_store *store = wfs_harness_store(context->harness);
    wfs_row_id id;
    int64_t i;

    for (i = 0; i < SHOP_SKUS; i++) {
        WFS_TRY(wfs_insert(store, "items",
                           WFS_FIELDS({"sku", wfs_text(shop_skus[i])},
                                      {"stock", wfs_integer(1000 - i)},
                                      {"note", wfs_json_text("[\"new\"]")}),
                           &id));
        WFS_TRY(wfs_update(store, "items", id, 1,
                           WFS_FIELDS({"weight", wfs_real(0.1)},
                                      {"note", wfs_null()})));
    }
    return WFS_OK;
}

/* The step's user pointer tells how many: s-000, s-001, ... */
static const wfs_batch_item *many_orders(wfs_context *context)
{
    size_t i, count = strlen((const char *)context->step->user);
    wfs_batch_item *items = (wfs_batch_item *)wfs_arena_allocate(
        context->arena, (count + 1) * sizeof *items);
    char *texts = (char *)wfs_arena_allocate(context->arena, count * 64);

    if (items == NULL || texts == NULL) {
        context->error->code = WFS_ERR_NO_MEMORY;
        return NULL;
    }
    memset(items, 0, (count + 1) * sizeof *items);
    for (i = 0; i < count; i++, texts += 64) {
        snprintf(texts, 16, "s-%03d", (int)i);
        snprintf(texts + 16, 48, "{\"quantity\":%d,\"note\":\"no. %d\"}",
                 (int)i, (int)i);
        items[i].id = texts;
        items[i].params = texts + 16;
    }
    return items;
}

#define TEN "**********"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* Orders by state and quantity, the largest first, in pages of two. */
static const wfs_json *read_pages(wfs_context *context)
{
    wfs_arena *arena = context->arena;
    wfs_json *found = wfs_json_new_array(arena);
    wfs_query query = {.table = "orders",
                       .index = "by_state",
                       .descending = true,
                       .page_size = 2};
    wfs_cursor *cursor;
    bool more = true;
    wfs_row row;

    while (more) {
        context->error->code = wfs_cursor_open(
            wfs_harness_store(context->harness), &query, &cursor);
        if (context->error->code != WFS_OK)
            return NULL;
        while ((context->error->code = wfs_cursor_next(cursor, &row)) == WFS_OK)
            found = wfs_json_append(
                arena, found,
                wfs_json_new_string(arena, wfs_row_text(&row, "order_id")));
        more = wfs_cursor_has_more(cursor);
        query.cursor = NULL;
        if (more && context->error->code == WFS_DONE) {
            const wfs_json *place =
                wfs_json_new_string(arena, wfs_cursor_text(cursor));

            query.cursor = wfs_json_string(place, NULL);
        }
        wfs_cursor_close(cursor);
        if (context->error->code != WFS_DONE)
            return NULL;
        context->error->code = WFS_OK;
        if (more && query.cursor == NULL) {
            context->error->code = WFS_ERR_NO_MEMORY;
            return NULL;
        }
    }
    return found;
}

static const wfs_json *read_list(wfs_context *context)
{
    wfs_list_options options = {.status = WFS_INSTANCE_WAITING, .page_size = 3};
    wfs_json *found = wfs_json_new_array(context->arena);
    wfs_instance_list list;
    size_t i;

    context->error->code =
        wfs_list_instances(context->harness, "sell", &options, &list);
    if (context->error->code != WFS_OK)
        return NULL;
    for (i = 0; i < list.count; i++)
        found = wfs_json_append(
            context->arena, found,
            wfs_instance_to_json(context->arena, &list.instances[i]));
    return found;
}

/* The second item of that sku is refused; the step goes on. */
static wfs_status shelves_are_unique(wfs_context *context)
{
    wfs_store *store = wfs_harness_store(context->harness);
    wfs_status status =
        wfs_insert(store, "items",
                   WFS_FIELDS({"sku", wfs_text("cup")},
                              {"stock", wfs_integer(1)}),
                   NULL);

    if (status == WFS_ERR_NO_MEMORY)
        return status;
    return wfs_expect_text(context, "a second cup", "UNIQUE_VIOLATION",
                           wfs_status_name(status));
}

static const wfs_read_options last_of_first_run = {.has_run_number = true,
                                                   .order = WFS_DESCENDING,
                                                   .page_size = 1};

/* A hundred orders by hand; some are paused, ended, begun again. */
static const wfs_scenario_step shop_steps[] = {
    WFS_ASSERT(.check = fill_shelves, .label = "fill the shelves"),
    WFS_CREATE_BATCH(.workflow = "sell", .instances_from = many_orders,
                     .user = (void *)HUNDRED, .store_as = "batch"),
    WFS_RUN_UNTIL_IDLE(.workflow = "sell", .id = "s-007",
                       .reason = WFS_REASON_CREATE, .max_ticks = 2),
    WFS_RUN_CREATE(.workflow = "sell", .id = "s-008", .max_ticks = 1),
    WFS_PAUSE(.workflow = "sell", .id = "s-007"),
    WFS_TICK(.workflow = "sell", .id = "s-007", .reason = WFS_REASON_EVENT),
    WFS_EVENT(.workflow = "sell", .id = "s-007", .type = "paid",
              .payload = "{\"by\":\"card\"}", .store_as = "before"),
    WFS_STATUS(.workflow = "sell", .id = "s-007", .store_as = "paused"),
    WFS_RESUME_AND_RUN(.workflow = "sell", .id = "s-007", .max_ticks = 1,
                       .store_as = "resumed", .run_store_as = "resumedRun"),
    WFS_ADVANCE_TIME(.duration = "1.5 minutes"),
    WFS_RETRY_AND_RUN(.workflow = "sell", .id = "s-008", .max_ticks = 1),
    WFS_EVENT_AND_RUN(.workflow = "sell", .id = "s-008", .type = "paid",
                      .payload = "[1,2.5]", .max_ticks = 1),
    WFS_ADVANCE_AND_RUN(.workflow = "sell", .id = "s-007",
                        .duration = "2 hours"),
    WFS_INITIALIZE_AND_RUN(.workflow = "sell", .id = "s-late",
                           .params = "{\"quantity\":15}", .max_ticks = 1),
    WFS_EVENT_AND_RUN(.workflow = "sell", .id = "s-late", .type = "paid",
                      .max_ticks = 1),
    WFS_TERMINATE(.workflow = "sell", .id = "s-009"),
    WFS_RESTART(.workflow = "sell", .id = "s-009"),
    WFS_RUN_CREATE(.workflow = "sell", .id = "s-009", .max_ticks = 1),
    WFS_RESTART(.workflow = "sell", .id = "s-007"),
    WFS_RUN_CREATE(.workflow = "sell", .id = "s-007", .max_ticks = 1),
    WFS_CREATE(.workflow = "sell", .params = "{\"quantity\":3}",
               .store_as = "drawn"),
    WFS_ADVANCE_AND_RUN(.workflow = "sell", .id = "s-late",
                        .duration = "3 hours"),
    WFS_HISTORY(.workflow = "sell", .id = "s-007",
                .options = &last_of_first_run, .store_as = "history"),
    WFS_READ(.read = read_pages, .store_as = "pages"),
    WFS_READ(.read = read_list, .store_as = "list"),
    WFS_ASSERT(.check = shelves_are_unique, .label = "a sku is unique"),
    {0},
};

static const wfs_scenario shop = {
    .name = "own tables, pause, restart and a batch of 100",
    .workflows = shop_workflows,
    .steps = shop_steps,
    .tables = shop_tables,
    .hooks = shop_hooks,
    .clock_start = 1700000000000,
    .seed = 7,
};

/* The same by itself: each hook runs its tick when it is due. */
static const wfs_scenario_step clockwork_steps[] = {
    WFS_ASSERT(.check = fill_shelves, .label = "fill the shelves"),
    WFS_CREATE_BATCH(.workflow = "sell", .instances_from = many_orders,
                     .user = (void *)TEN),
    WFS_ADVANCE_TIME(.duration = "1 s"),
    WFS_ADVANCE_TIME(.duration = "1 minute"),
    WFS_EVENT(.workflow = "sell", .id = "s-004", .type = "paid"),
    WFS_EVENT(.workflow = "sell", .id = "s-005", .type = "paid"),
    WFS_PAUSE(.workflow = "sell", .id = "s-006"),
    WFS_EVENT(.workflow = "sell", .id = "s-006", .type = "paid"),
    WFS_RESUME(.workflow = "sell", .id = "s-006"),
    WFS_RESTART(.workflow = "sell", .id = "s-001"),
    WFS_ADVANCE_TIME(.duration = "2 hours"),
    WFS_ADVANCE_TIME(.duration = "1 day"),
    WFS_STATUS(.workflow = "sell", .id = "s-002"),
    WFS_READ(.read = read_pages, .store_as = "pages"),
    {0},
};

static const wfs_scenario clockwork = {
    .name = "the shop runs by itself",
    .workflows = shop_workflows,
    .steps = clockwork_steps,
    .tables = shop_tables,
    .hooks = shop_hooks,
    .seed = 8,
    .auto_tick = true,
};

/* --- pause, resume, terminate, restart */

static wfs_status voyage(wfs_run *run, void *user)
{
    wfs_wait_options papers = {.type = "papers"};
    wfs_arena *arena = wfs_run_arena(run);
    wfs_json *output = wfs_json_new_object(arena);

    (void)user;
    WFS_TRY(wfs_wait_for_event(run, "papers", &papers, NULL));
    WFS_TRY(wfs_sleep(run, "sail", "3 days"));
    output = wfs_json_set(arena, output, "run",
                          wfs_json_new_integer(arena, wfs_run_number(run)));
    return wfs_return(run, output);
}

static const wfs_workflow voyage_workflows[] = {
    {.key = "voyage", .name = "voyage-workflow", .run = voyage},
    {0},
};

static const wfs_scenario_step voyage_steps[] = {
    WFS_INITIALIZE_AND_RUN(.workflow = "voyage", .id = "v-1", .max_ticks = 1),
    WFS_PAUSE(.workflow = "voyage", .id = "v-1"),
    WFS_TICK(.workflow = "voyage", .id = "v-1", .reason = WFS_REASON_EVENT),
    WFS_EVENT(.workflow = "voyage", .id = "v-1", .type = "papers",
              .payload = "{\"harbour\":\"Kiel\"}"),
    WFS_RESUME_AND_RUN(.workflow = "voyage", .id = "v-1", .max_ticks = 1),
    WFS_TERMINATE(.workflow = "voyage", .id = "v-1", .store_as = "first"),
    WFS_TERMINATE(.workflow = "voyage", .id = "v-1", .store_as = "second"),
    WFS_RESTART(.workflow = "voyage", .id = "v-1"),
    WFS_RUN_CREATE(.workflow = "voyage", .id = "v-1", .max_ticks = 1),
    WFS_EVENT_AND_RUN(.workflow = "voyage", .id = "v-1", .type = "papers",
                      .max_ticks = 1),
    WFS_ADVANCE_AND_RUN(.workflow = "voyage", .id = "v-1",
                        .duration = "3 days"),
    WFS_HISTORY(.workflow = "voyage", .id = "v-1", .store_as = "history"),
    {0},
};

static const wfs_scenario voyages = {
    .name = "a voyage, interrupted",
    .workflows = voyage_workflows,
    .steps = voyage_steps,
};

/* --- nested and repeated steps, retries, runs that end badly, drawn ids */

static wfs_status throw_dice(wfs_run *run, void *user)
{
    wfs_random *random = wfs_run_random(run);
    wfs_arena *arena = wfs_run_arena(run);
    double share = wfs_random_real(random);
    char word[WFS_RANDOM_ID_SIZE];
    wfs_json *thrown = wfs_json_new_object(arena);

    (void)user;
    if (wfs_attempt(run) < 3)
        return wfs_fail(run, "ROLLED_OFF", "the dice fell from the table");
    thrown = wfs_json_set(arena, thrown, "share",
                          wfs_json_new_real(arena, share));
    thrown = wfs_json_set(arena, thrown, "word",
                          wfs_json_new_string(arena,
                                              wfs_random_id(random, word)));
    return wfs_return(run, thrown);
}

static wfs_status one_round(wfs_run *run, void *user)
{
    wfs_do_options patient = {.retries = {.limit = 4,
                                          .delay = "10 s",
                                          .backoff = WFS_BACKOFF_EXPONENTIAL}};
    const wfs_json *thrown;

    WFS_TRY(wfs_do(run, "throw", throw_dice, user, &patient, &thrown));
    return wfs_return(run, thrown);
}

static wfs_status lottery(wfs_run *run, void *user)
{
    wfs_arena *arena = wfs_run_arena(run);
    wfs_json *rounds = wfs_json_new_array(arena);
    const wfs_json *thrown;
    int i;

    for (i = 0; i < 2; i++) {
        WFS_TRY(wfs_do(run, "round", one_round, user, NULL, &thrown));
        rounds = wfs_json_append(arena, rounds, thrown);
        WFS_TRY(wfs_sleep_ms(run, "rest", 1500));
    }
    return wfs_return(run, rounds);
}

static wfs_status strike(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail_for_good(run, "STRUCK", "caf\xC3\xA9 \"closed\"\n");
}

static wfs_status doomed(wfs_run *run, void *user)
{
    return wfs_do(run, "strike", strike, user, NULL, NULL);
}

static wfs_status empty_handed(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, NULL);
}

static const char *refuse_nothing(const wfs_json *output, void *user)
{
    (void)user;
    return wfs_json_type_of(output) == WFS_JSON_NULL ? "nothing came of it"
                                                     : NULL;
}

static const wfs_workflow chance_workflows[] = {
    {.key = "lottery", .name = "lottery-workflow", .run = lottery},
    {.key = "doomed", .run = doomed},
    {.key = "empty", .run = empty_handed, .validate_output = refuse_nothing},
    {0},
};

static const char *drawn_id(wfs_context *context)
{
    return wfs_var_text(context, "drawn");
}

static const wfs_scenario_step chance_steps[] = {
    WFS_CREATE(.workflow = "lottery", .store_as = "other"),
    WFS_CREATE(.workflow = "lottery", .store_as = "drawn"),
    WFS_CREATE(.workflow = "doomed", .store_as = "doomed"),
    WFS_CREATE(.workflow = "empty", .id = "e-1"),
    WFS_ADVANCE_TIME(.duration = "10 s"),
    WFS_ADVANCE_TIME(.duration = "20 s"),
    WFS_ADVANCE_TIME(.duration = "1 minute"),
    WFS_ADVANCE_TIME(.duration = "1 hour"),
    WFS_ADVANCE_TIME(.duration = "1 hour"),
    WFS_STATUS(.workflow = "lottery", .id_from = drawn_id),
    WFS_HISTORY(.workflow = "lottery", .id_from = drawn_id,
                .store_as = "history"),
    WFS_STATUS(.workflow = "empty", .id = "e-1"),
    WFS_RESTART(.workflow = "lottery", .id_from = drawn_id),
    WFS_ADVANCE_TIME(.duration = "10 s"),
    {0},
};

static const wfs_scenario chances = {
    .name = "drawn ids and dice",
    .workflows = chance_workflows,
    .steps = chance_steps,
    .clock_start = -1000,
    .seed = 20240229,
    .auto_tick = true,
};

/* --- HTTP mocks: what a workflow asks others */

/* Each clerk asks as a test of its own: POST and GET, with a header. */
static wfs_status ask_at(wfs_run *run, const char *method, const char *url,
                         const char *body)
{
    wfs_http_header headers[] = {{"X-Clerk", NULL}, {NULL, NULL}};
    wfs_http_request request = {0};
    wfs_http_response response;

    headers[0].value = wfs_instance_id(run);
    request.method = method;
    request.url = url;
    request.headers = headers;
    request.body = body;
    WFS_TRY(wfs_fetch(run, wfs_instance_id(run), &request, &response));
    if (response.status >= 500)
        return wfs_fail(run, "BUSY", response.body);
    return wfs_return_text(run, response.body);
}

static wfs_status file_it(wfs_run *run, void *user)
{
    (void)user;
    return ask_at(run, "POST",
                  "http://OFFICE.test:80/files/a%20b/../caf\303\251",
                  "{\"name\":\"Stra\303\237e 7\",\"pages\":[1,2.5,null]}");
}

static wfs_status look_up(wfs_run *run, void *user)
{
    (void)user;
    return ask_at(run, "GET", "http://office.test/files/latest?q=7+8&q=9",
                  NULL);
}

static wfs_status clerk(wfs_run *run, void *user)
{
    wfs_do_options patient = {.retries = {.limit = 3, .delay = "1 minute"}};
    const wfs_json *filed, *found;
    wfs_json *both;

    WFS_TRY(wfs_do(run, "file", file_it, user, &patient, &filed));
    WFS_TRY(wfs_do(run, "look", look_up, user, NULL, &found));
    both = wfs_json_new_array(wfs_run_arena(run));
    both = wfs_json_append(wfs_run_arena(run), both, filed);
    return wfs_return(run, wfs_json_append(wfs_run_arena(run), both, found));
}

static const wfs_mock_response office_hours[] = {
    {.status = 503, .body = "\"closed\"", .delay = 1500},
    {.status = 201,
     .body = "{\"at\":\"{{params.at}}\",\"by\":\"{{state.clerks.length}}: "
             "{{state.clerks}}\",\"pages\":\"{{state.last.pages}}\"}"},
    {0}};

static const wfs_mock office_mocks[] = {
    {.method = "POST", .url = "/files/:at",
     .match = "{\"body\":{\"name\":{\"regex\":{\"source\":"
              "\"^stra\303\237e \\\\d+$\",\"flags\":\"iu\"}}},"
              "\"headers\":{\"X-CLERK\":{\"startsWith\":\"c-\"}}}",
     .sequence = office_hours, .repeat = WFS_MOCK_CYCLE,
     .capture_state = "{\"clerks[]\":\"headers.x-clerk\","
                      "\"last.pages\":\"body.pages\"}",
     .after_response = "{\"setState\":{\"filed\":true}}"},
    {.method = "GET", .url = "/files/*", .match = "{\"query\":{\"q\":\"9\"}}",
     .state_response =
         "{\"default\":{\"status\":200,\"body\":\"nothing\"},"
         "\"conditions\":[{\"when\":{\"filed\":true},\"then\":"
         "{\"status\":200,\"body\":\"{{state.last}}\"}}]}"},
    {0}};

static const wfs_mock_scenario office_scenarios[] = {
    {.id = "default", .mocks = office_mocks}, {0}};
static const wfs_mock_options office = {.scenarios = office_scenarios};

static const wfs_workflow clerks[] = {{.key = "clerk", .run = clerk}, {0}};

static const wfs_mock_filter of_clerk = {.test_id = "c-1"};

static const wfs_scenario_step clerk_steps[] = {
    WFS_CREATE(.workflow = "clerk", .id = "c-1"),
    WFS_CREATE(.workflow = "clerk", .id = "c-2"),
    WFS_SWITCH_MOCKS(.test_id = "c-2", .mock_scenario = "default"),
    WFS_ADVANCE_TIME(.duration = "2 minutes"),
    WFS_ADVANCE_TIME(.duration = "2 minutes"),
    WFS_EXPECT_REQUESTS(
        .requests = &of_clerk, .store_as = "asked",
        .log = "POST http://office.test/files/caf%C3%A9 -> default[0] #1\n"
               "POST http://office.test/files/caf%C3%A9 -> default[0] #2\n"
               "GET http://office.test/files/latest?q=7+8&q=9 -> default[1]\n"),
    WFS_EXPECT_MOCK_STATE(.test_id = "c-1",
                          .state = "{\"clerks\":[\"c-1\",\"c-1\"],"
                                   "\"last\":{\"pages\":[1,2.5,null]},"
                                   "\"filed\":true}"),
    WFS_STATUS(.workflow = "clerk", .id = "c-1", .store_as = "one"),
    WFS_STATUS(.workflow = "clerk", .id = "c-2", .store_as = "two"),
    WFS_EXPECT_MOCKS_USED(.test_id = "c-1"),
    {0},
};

static const wfs_scenario clerking = {
    .name = "workflows that ask HTTP mocks",
    .workflows = clerks,
    .steps = clerk_steps,
    .mocks = &office,
    .clock_start = 1700000000000,
    .seed = 3,
    .auto_tick = true,
};

/* --- HTTP checks as graphs, by themselves and in a workflow */

#define CHECK_REQUEST(method, url, rest)                                      \
    "\"request\":{\"method\":\"" method "\",\"url\":\"" url "\"" rest "}"
#define CHECK(id, request, rest)                                              \
    "{\"id\":\"" id "\",\"name\":\"" id "\",\"stage\":\"s\"," request rest "}"

/* With groups, so that it runs reactively. The last attempt of the night finds
 * the archive, and passes. */
#define NIGHTLY_CHECKS                                                        \
    CHECK("login",                                                            \
          CHECK_REQUEST("POST", "/login",                                     \
                        ",\"headers\":{\"X-Trace\":\"{{random}}\"},"          \
                        "\"body\":{\"ip\":\"{{random_ip}}\","                 \
                        "\"at\":[\"{{timestamp}}\"]}"),                       \
          ",\"execution\":{\"delayMs\":10,\"jitter\":5,\"retries\":2},"       \
          "\"extract\":{\"token\":{\"from\":\"body\",\"path\":\"token\"},"    \
          "\"user\":{\"from\":\"body\",\"path\":\"users.0.id\"},"             \
          "\"cookie\":{\"from\":\"header\",\"path\":\"Set-Cookie\"},"         \
          "\"code\":{\"from\":\"status\"},"                                   \
          "\"nothing\":{\"from\":\"body\",\"path\":\"no.where\"}},"           \
          "\"expect\":{\"status\":200,\"bodyContains\":\"caf\303\251\"}")     \
    ","                                                                       \
    CHECK("user",                                                             \
          CHECK_REQUEST("GET", "{{target}}/users/{{user}}?n={{iteration}}",   \
                        ",\"headers\":{\"Authorization\":\"{{token}}\"}"),    \
          ",\"dependsOn\":[\"login\"],\"execution\":{\"iterations\":3},"      \
          "\"when\":{\"step\":\"login\",\"succeeded\":true,\"status\":200},"  \
          "\"executionMode\":\"parallel\",\"parallelGroup\":1,"               \
          "\"expect\":{\"headerPresent\":\"x-page\","                         \
          "\"headerEquals\":{\"X-Page\":\"7\"},\"blocked\":false}")           \
    ","                                                                       \
    CHECK("ping", CHECK_REQUEST("GET", "/ping", ""),                          \
          ",\"dependsOn\":[\"login\"],\"executionMode\":\"parallel\","        \
          "\"parallelGroup\":1,\"extract\":{\"user\":{\"from\":\"body\"}}")   \
    ","                                                                       \
    CHECK("sorry", CHECK_REQUEST("GET", "/sorry", ""),                        \
          ",\"dependsOn\":[\"login\"],\"executionMode\":\"sequential\","      \
          "\"when\":{\"step\":\"login\",\"succeeded\":false}")                \
    ","                                                                       \
    CHECK("archive", CHECK_REQUEST("GET", "/archive", ""),                    \
          ",\"executionMode\":\"sequential\",\"expect\":{\"status\":200}")    \
    ","                                                                       \
    CHECK("logout",                                                           \
          CHECK_REQUEST("DELETE", "/login/{{cookie}}/{{nobody}}",             \
                        ",\"body\":\"{{user}} {{code}}\""),                   \
          ",\"dependsOn\":[\"user\",\"ping\",\"sorry\",\"archive\"]")

/* In waves. Nobody answers for the second one. */
#define DAILY_CHECKS                                                          \
    CHECK("ping", CHECK_REQUEST("GET", "/ping", ""),                          \
          ",\"execution\":{\"delayMs\":40}")                                  \
    ","                                                                       \
    CHECK("lost", CHECK_REQUEST("GET", "http://elsewhere.test/{{random}}",    \
                                ""),                                          \
          ",\"execution\":{\"retries\":1,\"delayMs\":5}")                     \
    ","                                                                       \
    CHECK("after", CHECK_REQUEST("GET", "/ping?again", ""),                   \
          ",\"dependsOn\":[\"ping\",\"lost\"],\"execution\":{\"jitter\":9}")

static const char check_dags[] =
    "[{\"id\":\"nightly\",\"name\":\"every night\",\"steps\":["
    NIGHTLY_CHECKS "]},"
    "{\"id\":\"daily\",\"name\":\"every day\",\"steps\":["
    DAILY_CHECKS "]}]";

static const wfs_dag_options checks = {
    .json = check_dags,
    .max_concurrency = 1,
    .test_id = "checks",
    .target = "http://office.test",
    .retention = WFS_DAG_KEEP_ALL,
    .retention_size = 24,
    .evict_every = 30000,
    .evict_after = 3600000,
    .report_url = "http://dash.test",
};

static const wfs_http_header login_headers[] = {
    {"Set-Cookie", "s=1"}, {"Set-Cookie", "s=2"}, {NULL, NULL}};
static const wfs_http_header page_headers[] = {{"X-Page", "{{params.id}}"},
                                               {NULL, NULL}};

static const wfs_mock_response logins[] = {
    {.status = 503, .body = "\"caf\303\251 closed\"", .delay = 1500},
    {.status = 200,
     .body = "{\"token\":\"t-{{state.traces.length}}\","
             "\"users\":[{\"id\":7,\"at\":\"caf\303\251\"}]}",
     .headers = login_headers},
    {0}};
static const wfs_mock_response archives[] = {
    {.status = 404}, {.status = 200, .body = "[1,2.5]", .delay = 3}, {0}};

static const wfs_mock checked_mocks[] = {
    {.method = "POST", .url = "/login", .sequence = logins,
     .repeat = WFS_MOCK_CYCLE,
     .capture_state = "{\"traces[]\":\"headers.x-trace\"}"},
    {.method = "GET", .url = "/users/:id",
     .response = {.status = 200, .body = "{\"id\":\"{{params.id}}\"}",
                  .headers = page_headers, .delay = 30}},
    {.method = "GET", .url = "/ping",
     .response = {.status = 200, .body = "\"pong\"", .delay = 40}},
    {.method = "GET", .url = "/archive", .sequence = archives},
    {.method = "DELETE", .url = "/login/:cookie/:who",
     .response = {.status = 204}},
    {0}};

static const wfs_mock_scenario checked_scenarios[] = {
    {.id = "default", .mocks = checked_mocks}, {0}};
static const wfs_mock_options checked = {.scenarios = checked_scenarios};

static wfs_status check_all(wfs_run *run, void *user)
{
    wfs_dag_start assessed = {.mode = WFS_DAG_ASSESSMENT,
                              .trigger = "{\"by\":\"the night watch\"}"};
    const wfs_json *execution;

    (void)user;
    WFS_TRY(wfs_run_dag(run, "nightly", &assessed, &execution));
    return wfs_return(run, execution);
}

static wfs_status night_watch(wfs_run *run, void *user)
{
    wfs_do_options patient = {.retries = {.limit = 3, .delay = "1 minute"}};
    const wfs_json *checked_at;

    WFS_TRY(wfs_do(run, "check", check_all, user, &patient, &checked_at));
    WFS_TRY(wfs_sleep(run, "rest", "1 hour"));
    return wfs_return(run, wfs_json_get(checked_at, "report"));
}

static const wfs_workflow watches[] = {
    {.key = "watch", .name = "night-watch", .run = night_watch},
    {0},
};

/* The step's user pointer is what to do with all of them. */
static wfs_status control_dags(wfs_context *context)
{
    wfs_dags *dags = wfs_harness_dags(context->harness);
    const char *what = (const char *)context->step->user;
    size_t count;

    if (strcmp(what, "pause") == 0)
        WFS_TRY(wfs_dags_pause_all(dags, &count));
    else if (strcmp(what, "resume") == 0)
        WFS_TRY(wfs_dags_resume_all(dags, &count));
    else
        WFS_TRY(wfs_dags_cancel_all(dags, &count));
    return wfs_expect_integer(context, what, 1, (int64_t)count);
}

static const wfs_json *read_dag_report(wfs_context *context)
{
    const wfs_json *report = wfs_dags_report(
        wfs_harness_dags(context->harness),
        (wfs_row_id)wfs_json_integer(wfs_var(context, "first")),
        context->arena);

    if (report == NULL)
        context->error->code = WFS_ERR_NO_MEMORY;
    return report;
}

static const wfs_scenario_step watch_steps[] = {
    WFS_START_DAG(.dag = "daily", .params = "{\"by\":[\"hand\"]}",
                  .store_as = "first"),
    WFS_START_DAG(.dag = "daily", .mode = WFS_DAG_ASSESSMENT),
    WFS_ADVANCE_TIME(.duration = "7 ms"),
    WFS_ASSERT(.check = control_dags, .user = (void *)"pause"),
    WFS_ADVANCE_TIME(.duration = "80 ms"),
    WFS_EXPECT_DAG(.dag = "daily", .outcome = "{\"status\":\"pending\"}"),
    WFS_READ(.read = read_dag_report, .store_as = "paused"),
    WFS_ASSERT(.check = control_dags, .user = (void *)"resume"),
    WFS_ADVANCE_TIME(.duration = "1 ms"),
    WFS_RUN_DAGS(.store_as = "ran"),
    WFS_EXPECT_DAG(.dag = "daily",
                   .outcome = "{\"status\":\"completed\","
                              "\"report\":{\"score\":67,\"passed\":false}}"),
    WFS_CREATE(.workflow = "watch", .id = "w-1"),
    WFS_EXPECT_DAG(.dag = "nightly",
                   .outcome = "{\"report\":{\"score\":67}}"),
    WFS_START_DAG(.dag = "nightly", .store_as = "late"),
    WFS_ADVANCE_TIME(.duration = "1 s"),
    WFS_ASSERT(.check = control_dags, .user = (void *)"cancel"),
    WFS_EXPECT_DAG(.dag = "nightly", .outcome = "{\"status\":\"cancelled\"}"),
    WFS_ADVANCE_TIME(.duration = "1 minute"),
    WFS_EXPECT_DAG(.dag = "nightly", .store_as = "end",
                   .outcome = "{\"status\":\"completed\",\"context\":"
                              "{\"code\":200,\"cookie\":\"s=2\"},"
                              "\"report\":{\"score\":83,\"passed\":true}}"),
    WFS_ADVANCE_TIME(.duration = "1 hour"),
    WFS_STATUS(.workflow = "watch", .id = "w-1", .store_as = "watch"),
    WFS_EXPECT_REQUESTS(.count = 24),
    {0},
};

static const wfs_scenario watching = {
    .name = "HTTP checks as graphs, by hand and by night",
    .workflows = watches,
    .steps = watch_steps,
    .mocks = &checked,
    .dags = &checks,
    .clock_start = 1700000000000,
    .seed = 12,
    .auto_tick = true,
};

static const wfs_scenario *const suite[] = {
    &all_features, &shop, &clockwork, &voyages, &chances, &clerking,
    &watching,
};
#define SUITE_COUNT (sizeof suite / sizeof suite[0])

#endif /* SUITE_H */
