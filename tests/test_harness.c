/* The harness, beyond the recorded cases: every call with every refusal, ids
 * and params, pages, hooks, limits, forks, the registry, extreme clocks, and
 * each call with each of its allocations refused. */
#include "harness_support.h"

/* --- workflows */

static wfs_status at_once(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return(run, wfs_params(run));
}

static wfs_status nap(wfs_run *run, void *user)
{
    (void)user;
    return wfs_sleep(run, "nap", "1 hour");
}

static wfs_status wait_for_letters(wfs_run *run, void *user)
{
    wfs_wait_options options = {.type = "letter"};
    int i;

    (void)user;
    for (i = 0; i < 3; i++)
        WFS_TRY(wfs_wait_for_event(run, "letter", &options, NULL));
    return WFS_OK;
}

static wfs_status fails(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, "BROKEN", "as ever");
}

static int body_calls;

static wfs_status count_body(wfs_run *run, void *user)
{
    (void)run;
    (void)user;
    body_calls++;
    return WFS_OK;
}

static int64_t step_count;

static wfs_status many_steps(wfs_run *run, void *user)
{
    int64_t i;

    for (i = 0; i < step_count; i++)
        WFS_TRY(wfs_do(run, "step", count_body, user, NULL, NULL));
    return wfs_sleep(run, "nap", "1 hour");
}

/* Never ends, and is due again at once. */
static wfs_status restless(wfs_run *run, void *user)
{
    (void)user;
    for (;;)
        WFS_TRY(wfs_sleep_ms(run, "blink", 0));
}

static wfs_status misused(wfs_run *run, void *user)
{
    (void)user;
    wfs_sleep(run, "nap", "1 s");
    return WFS_OK;
}

static const char *params_need_sku(const wfs_json *params, void *user)
{
    static char reason[64];

    if (wfs_json_get(params, "sku") != NULL)
        return NULL;
    sprintf(reason, "%s: a sku is missing", (const char *)user);
    return reason;
}

static const char *output_needs_sku(const wfs_json *output, void *user)
{
    return wfs_json_type_of(output) == WFS_JSON_NULL
               ? "there is no output"
               : params_need_sku(output, user);
}

static char shop_name[] = "the shop";

static const wfs_workflow workflows[] = {
    {.key = "echo", .name = "echo-workflow", .run = at_once},
    {.key = "nap", .run = nap},
    {.key = "letters", .run = wait_for_letters},
    {.key = "fails", .run = fails},
    {.key = "steps", .run = many_steps},
    {.key = "restless", .run = restless},
    {.key = "misused", .run = misused},
    {.key = "picky", .run = at_once, .user = shop_name,
     .validate_params = params_need_sku},
    {.key = "checked", .run = at_once, .user = shop_name,
     .validate_output = output_needs_sku},
    {0},
};

static wfs_harness_options options_of(void)
{
    wfs_harness_options options = {.workflows = workflows,
                                   .clock_start = 1000,
                                   .seed = 11};

    return options;
}

static wfs_harness *open_world(void)
{
    body_calls = 0;
    step_count = 0;
    return open_harness(options_of());
}

static void create(wfs_harness *harness, const char *workflow, const char *id)
{
    ok(harness, wfs_create(harness, workflow, id, NULL, NULL));
}

/* What a message may not be: empty, or cut in the middle of a character. */
static void assert_message_is_text(const wfs_harness *harness)
{
    const char *text = wfs_harness_error(harness)->message;

    assert_true(text[0] != '\0');
    assert_true(strlen(text) < WFS_ERROR_MESSAGE_SIZE);
}

/* --- ids */

static void test_ids_that_are_refused(void **state)
{
    static const char *const ids[] = {
        "-", "-a", " ", "a b", "a.b", "a:b", "a/b", "a\n", "\xC3\xA4",
        "a\xC3\xA4", "a\x7F", "\x01", "a#", "a>", "a\"b", "%s%n"};
    wfs_harness *harness = open_world();
    char *long_id = repeated('x', 101), *huge = repeated('y', 10000);
    size_t i;

    (void)state;
    create(harness, "nap", "n-1");
    for (i = 0; i < WFSI_COUNT(ids); i++) {
        refused(harness, WFS_ERR_VALIDATION, ids[i],
                wfs_create(harness, "echo", ids[i], NULL, NULL));
        refused(harness, WFS_ERR_VALIDATION, ids[i],
                wfs_send_event(harness, "nap", "n-1", ids[i], NULL, NULL));
    }
    refused(harness, WFS_ERR_VALIDATION, long_id,
            wfs_create(harness, "echo", long_id, NULL, NULL));
    refused(harness, WFS_ERR_VALIDATION, "yyy...",
            wfs_create(harness, "echo", huge, NULL, NULL));
    assert_message_is_text(harness);
    refused(harness, WFS_ERR_VALIDATION, "yyy...",
            wfs_send_event(harness, "nap", "n-1", huge, NULL, NULL));
    refused(harness, WFS_ERR_VALIDATION, "event type",
            wfs_send_event(harness, "nap", "n-1", "", NULL, NULL));
    refused(harness, WFS_ERR_VALIDATION, "event type",
            wfs_send_event(harness, "nap", "n-1", NULL, NULL, NULL));
    free(long_id);
    free(huge);
    close_harness(harness);
}

static void test_ids_that_are_good(void **state)
{
    static const char *const ids[] = {"a", "Z", "0", "_", "_-_", "a--", "A9_z",
                                      "onWorkflowEnqueued", "null"};
    wfs_harness *harness = open_world();
    char *longest = repeated('x', 100);
    const char *id;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(ids); i++) {
        ok(harness, wfs_create(harness, "echo", ids[i], NULL, &id));
        assert_string_equal(id, ids[i]);
        assert_string_equal(instance_of(harness, "echo", id).instance_id, id);
    }
    ok(harness, wfs_create(harness, "echo", longest, NULL, &id));
    assert_string_equal(id, longest);
    ok(harness, wfs_send_event(harness, "echo", longest, longest, NULL, NULL));
    free(longest);
    close_harness(harness);
}

/* Drawn ids are good ids, all different, and the same for the same seed. */
static void test_ids_that_are_drawn(void **state)
{
    enum { COUNT = 2000 };
    static char first[COUNT][WFS_RANDOM_ID_SIZE];
    wfs_harness *harness;
    const char *id;
    int round, i;

    (void)state;
    for (round = 0; round < 2; round++) {
        harness = open_world();
        for (i = 0; i < COUNT; i++) {
            ok(harness, wfs_create(harness, "echo", i % 2 == 0 ? NULL : "",
                                   NULL, &id));
            assert_int_equal(strlen(id), WFS_RANDOM_ID_SIZE - 1);
            if (round == 0)
                strcpy(first[i], id);
            else
                assert_string_equal(first[i], id);
        }
        assert_int_equal(wfs_count(wfs_harness_store(harness),
                                   "workflow_instance"), COUNT);
        close_harness(harness);
    }
}

/* A refusal draws nothing: the next id is the one that would have come. */
static void test_a_refusal_draws_no_id(void **state)
{
    wfs_harness *harness = open_world(), *other;
    const char *id;
    char expected[WFS_RANDOM_ID_SIZE];

    (void)state;
    ok(harness, wfs_harness_fork(harness, &other));
    ok(other, wfs_create(other, "echo", NULL, NULL, &id));
    strcpy(expected, id);
    wfs_harness_free(other);
    refused(harness, WFS_ERR_JSON, "params",
            wfs_create(harness, "echo", NULL, "{", NULL));
    refused(harness, WFS_ERR_WORKFLOW_PARAMS_INVALID, "picky",
            wfs_create(harness, "picky", NULL, "{}", NULL));
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, "ghost",
            wfs_create(harness, "ghost", NULL, NULL, NULL));
    ok(harness, wfs_create(harness, "echo", NULL, NULL, &id));
    assert_string_equal(id, expected);
    close_harness(harness);
}

/* An id that someone has taken before it was drawn is passed over. */
static void test_a_drawn_id_that_is_taken(void **state)
{
    wfs_harness *harness = open_world();
    wfs_random random = *wfs_harness_random(harness);
    char next[WFS_RANDOM_ID_SIZE];
    const char *id;
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        create(harness, "echo", wfs_random_id(&random, next));
    ok(harness, wfs_create(harness, "echo", NULL, NULL, &id));
    assert_string_not_equal(id, next);
    close_harness(harness);
}

/* --- workflows by key and by name */

static void test_finding_workflows(void **state)
{
    static const wfs_workflow crossed[] = {
        {.key = "a", .name = "b", .run = at_once},
        {.key = "b", .name = "c", .run = fails},
        {0},
    };
    wfs_harness_options options = options_of();
    wfs_harness *harness;

    (void)state;
    options.workflows = crossed;
    harness = open_harness(options);
    create(harness, "b", "x-1");            /* a key goes before a name */
    assert_string_equal(instance_of(harness, "c", "x-1").workflow_name, "c");
    create(harness, "a", "x-1");            /* the same id, another workflow */
    assert_string_equal(instance_of(harness, "a", "x-1").workflow_name, "b");
    assert_int_equal(tick(harness, "c", "x-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "b", "x-1", WFS_INSTANCE_ERRORED);
    assert_state(harness, "a", "x-1", WFS_INSTANCE_QUEUED);
    refused(harness, WFS_ERR_INSTANCE_ID_ALREADY_EXISTS,
            "Instance already exists: x-1",
            wfs_create(harness, "a", "x-1", NULL, NULL));
    close_harness(harness);
}

/* Every call that names a workflow or an instance. */
static void test_names_that_are_not_there(void **state)
{
    static const char *const names[] = {"ghost", "", "ECHO", "echo ", NULL};
    wfs_harness *harness = open_world();
    const wfs_instance *instance = NULL;
    wfs_status_report report;
    wfs_instance_list list;
    wfs_history history;
    wfs_payload payload;
    const wfs_step *steps = NULL;
    const wfs_event *events = NULL;
    wfs_batch_item items[] = {{"a", NULL}, {NULL, NULL}};
    size_t i, count = 0;

    (void)state;
    for (i = 0; i < WFSI_COUNT(names); i++) {
        const char *name = names[i];
        const char *culprit = name != NULL ? name : "WORKFLOW_NOT_FOUND";

#define NOT_FOUND(call)                                                       \
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, culprit, call)
        NOT_FOUND(wfs_create(harness, name, "a", NULL, NULL));
        NOT_FOUND(wfs_create_batch(harness, name, items, NULL, NULL));
        NOT_FOUND(wfs_send_event(harness, name, "a", "x", NULL, NULL));
        NOT_FOUND(wfs_pause(harness, name, "a"));
        NOT_FOUND(wfs_resume(harness, name, "a"));
        NOT_FOUND(wfs_terminate(harness, name, "a"));
        NOT_FOUND(wfs_restart(harness, name, "a"));
        NOT_FOUND(wfs_build_payload(harness, name, "a", WFS_REASON_WAKE,
                                    &payload));
        NOT_FOUND(wfs_get_status(harness, name, "a", &report));
        NOT_FOUND(wfs_get_instance(harness, name, "a", &instance));
        NOT_FOUND(wfs_get_history(harness, name, "a", NULL, &history));
        NOT_FOUND(wfs_get_steps(harness, name, "a", NULL, &steps, &count));
        NOT_FOUND(wfs_get_events(harness, name, "a", NULL, &events, &count));
        NOT_FOUND(wfs_list_instances(harness, name, NULL, &list));
#undef NOT_FOUND
    }
    close_harness(harness);
}

static void test_instances_that_are_not_there(void **state)
{
    static const char *const ids[] = {"ghost", "", "-", "n-", NULL};
    wfs_harness *harness = open_world();
    const wfs_instance *instance = NULL;
    wfs_status_report report;
    wfs_history history;
    wfs_payload payload;
    const wfs_step *steps = NULL;
    const wfs_event *events = NULL;
    size_t i, count = 0;

    (void)state;
    create(harness, "nap", "n-1");
    create(harness, "echo", "ghost");       /* of another workflow */
    for (i = 0; i < WFSI_COUNT(ids); i++) {
        const char *id = ids[i];
        const char *culprit = id != NULL ? id : "Instance not found";

#define NOT_FOUND(call)                                                       \
    refused(harness, WFS_ERR_INSTANCE_NOT_FOUND, culprit, call)
        NOT_FOUND(wfs_send_event(harness, "nap", id, "x", NULL, NULL));
        NOT_FOUND(wfs_pause(harness, "nap", id));
        NOT_FOUND(wfs_resume(harness, "nap", id));
        NOT_FOUND(wfs_terminate(harness, "nap", id));
        NOT_FOUND(wfs_restart(harness, "nap", id));
        NOT_FOUND(wfs_build_payload(harness, "nap", id, WFS_REASON_WAKE,
                                    &payload));
        NOT_FOUND(wfs_get_status(harness, "nap", id, &report));
        NOT_FOUND(wfs_get_history(harness, "nap", id, NULL, &history));
        NOT_FOUND(wfs_get_steps(harness, "nap", id, NULL, &steps, &count));
        NOT_FOUND(wfs_get_events(harness, "nap", id, NULL, &events, &count));
#undef NOT_FOUND
        instance = (const wfs_instance *)(const void *)harness;
        ok(harness, wfs_get_instance(harness, "nap", id, &instance));
        assert_null(instance);
    }
    refused(harness, WFS_ERR_ARGUMENT, "n-1",
            wfs_build_payload(harness, "nap", "n-1", WFS_REASON_NONE,
                              &payload));
    refused(harness, WFS_ERR_ARGUMENT, "n-1",
            wfs_build_payload(harness, "nap", "n-1", WFS_REASON_COUNT,
                              &payload));
    close_harness(harness);
}

/* --- params and payloads */

static const char *params_of(wfs_harness *harness, const char *workflow,
                             const char *id)
{
    wfs_row row;
    wfs_instance instance = instance_of(harness, workflow, id);

    ok(harness, wfs_get(wfs_harness_store(harness), "workflow_instance",
                        instance.id, &row));
    return wfs_row_text(&row, "params");
}

static void test_params_that_are_none(void **state)
{
    static const char *const none[] = {
        NULL, "null", " null\n", "false", "\tfalse", "0", "-0", "0.0", "-0.0e7",
        "0e99999", "1e-999", "-123e-999", "\"\"", " \"\" "};
    static const char *const some[] = {
        "{}", "[]", "true", "1", "-1", "0.1", "-0.001", "1e-300", "5e-324",
        "\" \"", "\"0\"", "\"\\u0000\"", "[null]", "{\"a\":null}"};
    wfs_harness *harness = open_world();
    const char *id;
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(none); i++) {
        ok(harness, wfs_create(harness, "echo", NULL, none[i], &id));
        if (strcmp(params_of(harness, "echo", id), "{}") != 0)
            fail_msg("%s is kept as params", none[i]);
    }
    for (i = 0; i < WFSI_COUNT(some); i++) {
        ok(harness, wfs_create(harness, "echo", NULL, some[i], &id));
        assert_string_equal(params_of(harness, "echo", id), some[i]);
    }
    close_harness(harness);
}

/* In a batch only null is none. */
static void test_params_in_a_batch(void **state)
{
    static const char *const given[] = {NULL, "null", "0", "false", "\"\"",
                                        "-0.0", "[1, 2]"};
    wfs_harness *harness = open_world();
    wfs_batch_item items[8];
    char names[7][16];
    size_t i, count = 0;

    (void)state;
    memset(items, 0, sizeof items);
    for (i = 0; i < WFSI_COUNT(given); i++) {
        sprintf(names[i], "b-%d", (int)i);
        items[i].id = names[i];
        items[i].params = given[i];
    }
    ok(harness, wfs_create_batch(harness, "echo", items, NULL, &count));
    assert_int_equal(count, 7);
    for (i = 0; i < WFSI_COUNT(given); i++)
        assert_string_equal(params_of(harness, "echo", names[i]),
                            i < 2 ? "{}" : given[i]);
    close_harness(harness);
}

static void test_params_that_are_not_json(void **state)
{
    static const char *const texts[] = {"", " ", "{", "{]", "nul", "nulll",
                                        "'a'", "{\"a\":1,}", "\"\x01\"",
                                        "\"\xFF\"", "1 2", "\xEF\xBB\xBF{}"};
    wfs_harness *harness = open_world();
    wfs_batch_item items[] = {{"b-1", "{}"}, {"b-2", "{\n\"a\":}"},
                              {NULL, NULL}};
    size_t i;

    (void)state;
    create(harness, "nap", "n-1");
    for (i = 0; i < WFSI_COUNT(texts); i++) {
        refused(harness, WFS_ERR_JSON, "params",
                wfs_create(harness, "echo", "a", texts[i], NULL));
        refused(harness, WFS_ERR_JSON, "payload",
                wfs_send_event(harness, "nap", "n-1", "x", texts[i], NULL));
    }
    refused(harness, WFS_ERR_JSON, "params",
            wfs_create_batch(harness, "echo", items, NULL, NULL));
    assert_int_equal(wfs_harness_error(harness)->line, 2);
    assert_int_equal(wfs_harness_error(harness)->column, 5);
    assert_int_equal(wfs_harness_error(harness)->offset, 6);
    close_harness(harness);
}

static void test_validators(void **state)
{
    wfs_harness *harness = open_world();
    wfs_batch_item items[] = {{"b-1", "{\"sku\":1}"}, {"b-2", NULL},
                              {NULL, NULL}};
    wfs_instance instance;

    (void)state;
    refused(harness, WFS_ERR_WORKFLOW_PARAMS_INVALID,
            "WORKFLOW_PARAMS_INVALID: picky p-1: the shop: a sku is missing",
            wfs_create(harness, "picky", "p-1", NULL, NULL));
    refused(harness, WFS_ERR_WORKFLOW_PARAMS_INVALID, "the shop",
            wfs_create(harness, "picky", "p-1", "[1]", NULL));
    refused(harness, WFS_ERR_WORKFLOW_PARAMS_INVALID, "the shop",
            wfs_create_batch(harness, "picky", items, NULL, NULL));
    ok(harness, wfs_create(harness, "picky", "p-1", "{\"sku\":1}", NULL));

    ok(harness, wfs_create(harness, "checked", "c-1", "{\"sku\":1}", NULL));
    ok(harness, wfs_create(harness, "checked", "c-2", "{\"a\":1}", NULL));
    assert_int_equal(tick(harness, "checked", "c-1", WFS_REASON_CREATE), 1);
    assert_state(harness, "checked", "c-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(tick(harness, "checked", "c-2", WFS_REASON_CREATE), 1);
    instance = instance_of(harness, "checked", "c-2");
    assert_int_equal(instance.status, WFS_INSTANCE_ERRORED);
    assert_string_equal(instance.error_name, "WORKFLOW_OUTPUT_INVALID");
    assert_string_equal(instance.error_message, "the shop: a sku is missing");
    assert_null(instance.output);
    assert_int_equal(instance.completed_at, 1000);
    close_harness(harness);
}

/* --- batches */

static void test_a_batch_that_skips(void **state)
{
    wfs_harness *harness = open_world();
    wfs_batch_item items[] = {{"b-1", "1"}, {"old", "2"}, {"b-2", "3"},
                              {"b-1", "4"}, {"b-3", "5"}, {NULL, NULL}};
    const char *const *ids;
    size_t count = 0;

    (void)state;
    create(harness, "echo", "old");
    create(harness, "nap", "b-2");          /* of another workflow */
    ok(harness, wfs_create_batch(harness, "echo", items, &ids, &count));
    assert_int_equal(count, 3);
    assert_string_equal(ids[0], "b-1");
    assert_string_equal(ids[1], "b-2");
    assert_string_equal(ids[2], "b-3");
    assert_string_equal(params_of(harness, "echo", "b-1"), "1");
    assert_string_equal(params_of(harness, "echo", "old"), "{}");
    assert_int_equal(wfs_count(wfs_harness_store(harness), "workflow_hook"), 5);
    ok(harness, wfs_create_batch(harness, "echo", items, &ids, &count));
    assert_int_equal(count, 0);
    ok(harness, wfs_create_batch(harness, "echo", items + 5, &ids, &count));
    assert_int_equal(count, 0);
    ok(harness, wfs_create_batch(harness, "echo", NULL, &ids, &count));
    assert_int_equal(count, 0);
    close_harness(harness);
}

static void test_batches_of_a_hundred(void **state)
{
    enum { MOST = 101 };
    wfs_harness *harness = open_world();
    wfs_batch_item items[MOST + 1];
    char names[MOST][16];
    const char *const *ids;
    size_t i, count = 0;

    (void)state;
    memset(items, 0, sizeof items);
    for (i = 0; i < MOST; i++) {
        sprintf(names[i], "b-%d", (int)i);
        items[i].id = names[i];
    }
    refused(harness, WFS_ERR_LIMIT, "100",
            wfs_create_batch(harness, "echo", items, NULL, NULL));
    items[100].id = NULL;
    items[99].id = "not good";
    refused(harness, WFS_ERR_VALIDATION, "not good",
            wfs_create_batch(harness, "echo", items, NULL, NULL));
    items[99].id = "";                      /* none is drawn in a batch */
    refused(harness, WFS_ERR_VALIDATION, "id",
            wfs_create_batch(harness, "echo", items, NULL, NULL));
    items[99].id = names[99];
    items[98].params = "[";
    refused(harness, WFS_ERR_JSON, "params",
            wfs_create_batch(harness, "echo", items, NULL, NULL));
    items[98].params = NULL;
    ok(harness, wfs_create_batch(harness, "echo", items, &ids, &count));
    assert_int_equal(count, 100);
    for (i = 0; i < count; i++)
        assert_string_equal(ids[i], names[i]);
    close_harness(harness);
}

/* --- what may be done in which state */

typedef struct situation {
    const char *workflow;
    void (*make)(wfs_harness *harness, const char *workflow);
    wfs_instance_status status;
} situation;

static void make_queued(wfs_harness *harness, const char *workflow)
{
    create(harness, workflow, "i-1");
}

static void make_ticked(wfs_harness *harness, const char *workflow)
{
    create(harness, workflow, "i-1");
    assert_int_equal(tick(harness, workflow, "i-1", WFS_REASON_CREATE), 1);
}

static void make_paused(wfs_harness *harness, const char *workflow)
{
    create(harness, workflow, "i-1");
    ok(harness, wfs_pause(harness, workflow, "i-1"));
    assert_int_equal(tick(harness, workflow, "i-1", WFS_REASON_EVENT), 1);
}

static void make_terminated(wfs_harness *harness, const char *workflow)
{
    create(harness, workflow, "i-1");
    ok(harness, wfs_terminate(harness, workflow, "i-1"));
}

static const situation situations[] = {
    {"echo", make_queued, WFS_INSTANCE_QUEUED},
    {"nap", make_ticked, WFS_INSTANCE_WAITING},
    {"nap", make_paused, WFS_INSTANCE_PAUSED},
    {"echo", make_ticked, WFS_INSTANCE_COMPLETE},
    {"fails", make_ticked, WFS_INSTANCE_ERRORED},
    {"nap", make_terminated, WFS_INSTANCE_TERMINATED},
};

/* Terminal instances refuse pause, terminate and events, and no more. */
static void act_in(const situation *in, bool terminal)
{
    wfs_harness *harness = open_world();
    wfs_instance_status before_event = WFS_INSTANCE_ANY;
    before then;

    in->make(harness, in->workflow);
    assert_state(harness, in->workflow, "i-1", in->status);
    if (terminal) {
        refused(harness, WFS_ERR_INSTANCE_TERMINAL, "terminal: i-1",
                wfs_pause(harness, in->workflow, "i-1"));
        refused(harness, WFS_ERR_INSTANCE_TERMINAL, "terminal: i-1",
                wfs_terminate(harness, in->workflow, "i-1"));
        refused(harness, WFS_ERR_INSTANCE_TERMINAL, "terminal: i-1",
                wfs_send_event(harness, in->workflow, "i-1", "x", NULL,
                               &before_event));
        assert_int_equal(before_event, WFS_INSTANCE_ANY);
    } else {
        ok(harness, wfs_send_event(harness, in->workflow, "i-1", "x", "[1]",
                                   &before_event));
        assert_int_equal(before_event, in->status);
    }
    then = remember(harness);
    if (in->status == WFS_INSTANCE_PAUSED) {
        ok(harness, wfs_pause(harness, in->workflow, "i-1"));
        unchanged(harness, then);
        ok(harness, wfs_resume(harness, in->workflow, "i-1"));
        assert_state(harness, in->workflow, "i-1", WFS_INSTANCE_QUEUED);
    } else {
        ok(harness, wfs_resume(harness, in->workflow, "i-1"));
        unchanged(harness, then);
    }
    advance(harness, 5);
    ok(harness, wfs_restart(harness, in->workflow, "i-1"));
    assert_state(harness, in->workflow, "i-1", WFS_INSTANCE_QUEUED);
    assert_int_equal(instance_of(harness, in->workflow, "i-1").run_number, 1);
    ok(harness, wfs_terminate(harness, in->workflow, "i-1"));
    close_harness(harness);
}

static void test_actions_in_each_state(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < WFSI_COUNT(situations); i++)
        act_in(&situations[i], i >= 3);
}

/* Every column of an instance that was restarted after an error. */
static void test_a_restarted_instance(void **state)
{
    wfs_harness *harness = open_world();
    wfs_instance instance;
    int i;

    (void)state;
    ok(harness, wfs_create(harness, "fails", "i-1", "{\"a\":1}", NULL));
    advance(harness, 10);
    assert_int_equal(tick(harness, "fails", "i-1", WFS_REASON_CREATE), 1);
    instance = instance_of(harness, "fails", "i-1");
    assert_string_equal(instance.error_name, "BROKEN");
    assert_int_equal(instance.started_at, 1010);
    for (i = 1; i <= 3; i++) {
        advance(harness, 10);
        ok(harness, wfs_restart(harness, "fails", "i-1"));
        instance = instance_of(harness, "fails", "i-1");
        assert_int_equal(instance.run_number, i);
        assert_int_equal(instance.created_at, 1000);
        assert_int_equal(instance.updated_at, 1010 + 10 * i);
        assert_true(instance.started_at == WFS_NO_TIME);
        assert_true(instance.completed_at == WFS_NO_TIME);
        assert_null(instance.error_name);
        assert_null(instance.error_message);
        assert_null(instance.output);
        assert_false(instance.pause_requested);
        assert_json(harness, instance.params, "{\"a\":1}");
    }
    assert_int_equal(tick(harness, "fails", "i-1", WFS_REASON_CREATE), 1);
    close_harness(harness);
}

/* A payload of an older run does nothing. */
static void test_ticks_of_older_runs(void **state)
{
    wfs_harness *harness = open_world();
    wfs_payload old;
    before then;
    int processed = -1;

    (void)state;
    create(harness, "nap", "i-1");
    old = payload_of(harness, "nap", "i-1", WFS_REASON_CREATE);
    ok(harness, wfs_restart(harness, "nap", "i-1"));
    then = remember(harness);
    ok(harness, wfs_tick(harness, &old, &processed));
    assert_int_equal(processed, 0);
    unchanged(harness, then);
    close_harness(harness);
}

/* --- status and output */

static const char *text_to_return;

static wfs_status return_text(wfs_run *run, void *user)
{
    (void)user;
    return wfs_return_text(run, text_to_return);
}

static wfs_status fail_empty(wfs_run *run, void *user)
{
    (void)user;
    return wfs_fail(run, text_to_return, "");
}

static const wfs_workflow status_workflows[] = {
    {.key = "return", .run = return_text},
    {.key = "fail", .run = fail_empty},
    {0},
};

static void test_status(void **state)
{
    static const char *const outputs[] = {"0", "false", "\"\"", "[]", "{}"};
    wfs_harness_options options = options_of();
    wfs_status_report report;
    wfs_harness *harness;
    size_t i;

    (void)state;
    options.workflows = status_workflows;
    harness = open_harness(options);
    create(harness, "return", "i-1");
    for (i = 0; i < WFSI_COUNT(outputs); i++) {
        text_to_return = outputs[i];
        tick(harness, "return", "i-1", WFS_REASON_CREATE);
        ok(harness, wfs_get_status(harness, "return", "i-1", &report));
        assert_int_equal(report.status, WFS_INSTANCE_COMPLETE);
        assert_json(harness, report.output, outputs[i]);
        assert_null(report.error_name);
        assert_null(report.error_message);
        ok(harness, wfs_restart(harness, "return", "i-1"));
        ok(harness, wfs_get_status(harness, "return", "i-1", &report));
        assert_null(report.output);
    }
    create(harness, "fail", "i-1");
    text_to_return = "NAME";
    tick(harness, "fail", "i-1", WFS_REASON_CREATE);
    ok(harness, wfs_get_status(harness, "fail", "i-1", &report));
    assert_string_equal(report.error_name, "NAME");
    assert_string_equal(report.error_message, "");
    ok(harness, wfs_restart(harness, "fail", "i-1"));
    text_to_return = "";
    tick(harness, "fail", "i-1", WFS_REASON_CREATE);
    ok(harness, wfs_get_status(harness, "fail", "i-1", &report));
    assert_int_equal(report.status, WFS_INSTANCE_ERRORED);
    assert_null(report.error_name);         /* both are empty: no error */
    close_harness(harness);
}

/* --- history */

static void send(wfs_harness *harness, const char *id, const char *payload)
{
    ok(harness, wfs_send_event(harness, "steps", id, "note", payload, NULL));
}

/* Events at times that go to and fro: payloads tell the order of sending. */
static wfs_harness *open_history(void)
{
    static const int64_t times[] = {5000, 3000, 3000, 9000, 1000, 5000, -7};
    wfs_harness *harness = open_world();
    char payload[16];
    size_t i;

    create(harness, "steps", "h-1");
    create(harness, "steps", "h-2");
    for (i = 0; i < WFSI_COUNT(times); i++) {
        wfs_clock_set(wfs_harness_clock(harness), times[i]);
        sprintf(payload, "%d", (int)i);
        send(harness, "h-1", payload);
        send(harness, "h-2", "\"other\"");
    }
    return harness;
}

/* Read all pages in one direction; the payloads, as digits. */
static void read_events(wfs_harness *harness, wfs_order order,
                        size_t page_size, char *digits)
{
    wfs_read_options options;
    wfs_history history;
    size_t i, pages = 0;

    memset(&options, 0, sizeof options);
    options.order = order;
    options.page_size = page_size;
    do {
        ok(harness, wfs_get_history(harness, "steps", "h-1", &options,
                                    &history));
        for (i = 0; i < history.event_count; i++)
            *digits++ = (char)('0' +
                               wfs_json_integer(history.events[i].payload));
        assert_true(page_size == 0 || history.event_count <= page_size);
        assert_true(history.event_count != 0);
        options.events_cursor = history.events_cursor;
        pages++;
    } while (options.events_cursor != NULL);
    *digits = '\0';
    assert_int_equal(pages, page_size == 0 ? 1
                                           : (7 + page_size - 1) / page_size);
}

static void test_the_order_of_history(void **state)
{
    wfs_harness *harness = open_history();
    char digits[16];
    size_t page_size;

    (void)state;
    for (page_size = 0; page_size <= 9; page_size++) {
        read_events(harness, WFS_ASCENDING, page_size, digits);
        assert_string_equal(digits, "6412053");
        read_events(harness, WFS_DESCENDING, page_size, digits);
        assert_string_equal(digits, "3502146");
    }
    close_harness(harness);
}

/* A cursor goes on from its place in either direction, and stays good when
 * rows come in. */
static void test_cursors_of_history(void **state)
{
    wfs_harness *harness = open_history();
    wfs_read_options options = {.page_size = 3};
    const wfs_event *events = NULL;
    wfs_history history;
    size_t count = 0;

    (void)state;
    ok(harness, wfs_get_history(harness, "steps", "h-1", &options, &history));
    assert_int_equal(history.event_count, 3);       /* 6 4 1 */
    options.events_cursor = history.events_cursor;
    wfs_clock_set(wfs_harness_clock(harness), 2000);
    send(harness, "h-1", "7");                      /* before the place */
    wfs_clock_set(wfs_harness_clock(harness), 4000);
    send(harness, "h-1", "8");                      /* after it */
    ok(harness, wfs_get_events(harness, "steps", "h-1", &options, &events,
                               &count));
    assert_int_equal(count, 3);                     /* 2 8 0 */
    assert_int_equal(wfs_json_integer(events[0].payload), 2);
    assert_int_equal(wfs_json_integer(events[1].payload), 8);
    options.order = WFS_DESCENDING;
    options.page_size = 0;
    ok(harness, wfs_get_history(harness, "steps", "h-1", &options, &history));
    assert_int_equal(history.event_count, 3);       /* 7 4 6 */
    assert_int_equal(wfs_json_integer(history.events[0].payload), 7);
    assert_int_equal(wfs_json_integer(history.events[2].payload), 6);
    assert_null(history.events_cursor);
    close_harness(harness);
}

/* Steps and events have pages of their own. */
static void test_two_cursors(void **state)
{
    wfs_harness *harness = open_history();
    wfs_read_options options = {.page_size = 4};
    wfs_history history;
    size_t steps = 0, events = 0, pages = 0;

    (void)state;
    step_count = 9;
    wfs_clock_set(wfs_harness_clock(harness), 0);
    assert_int_equal(tick(harness, "steps", "h-1", WFS_REASON_CREATE), 1);
    do {
        ok(harness, wfs_get_history(harness, "steps", "h-1", &options,
                                    &history));
        steps += history.step_count;
        if (pages++ < 2)
            events += history.event_count;
        options.steps_cursor = history.steps_cursor;
        if (history.events_cursor != NULL)
            options.events_cursor = history.events_cursor;
    } while (history.steps_cursor != NULL);
    assert_int_equal(pages, 3);
    assert_int_equal(steps, 10);
    assert_int_equal(events, 7);
    close_harness(harness);
}

static void test_history_of_runs(void **state)
{
    static const int64_t runs[] = {-1, 2, 7, INT64_MAX, INT64_MIN};
    wfs_harness *harness = open_history();
    wfs_read_options options = {.has_run_number = true};
    wfs_history history;
    size_t i;

    (void)state;
    ok(harness, wfs_restart(harness, "steps", "h-1"));
    send(harness, "h-1", "1");
    ok(harness, wfs_get_history(harness, "steps", "h-1", NULL, &history));
    assert_int_equal(history.run_number, 1);
    assert_int_equal(history.event_count, 1);
    assert_int_equal(history.events[0].run_number, 1);
    ok(harness, wfs_get_history(harness, "steps", "h-1", &options, &history));
    assert_int_equal(history.run_number, 0);
    assert_int_equal(history.event_count, 7);
    for (i = 0; i < WFSI_COUNT(runs); i++) {
        options.run_number = runs[i];
        ok(harness, wfs_get_history(harness, "steps", "h-1", &options,
                                    &history));
        assert_true(history.run_number == runs[i]);
        assert_int_equal(history.event_count + history.step_count, 0);
        assert_null(history.events_cursor);
        assert_null(history.steps_cursor);
    }
    close_harness(harness);
}

static void test_cursors_that_are_none(void **state)
{
    static const char *const texts[] = {"", "x", "00", "zz", "0g", "deadbeef",
                                        "0123456789abcdef0", "[object Object]"};
    wfs_harness *harness = open_history();
    wfs_read_options options = {.page_size = 2}, wrong = {.page_size = 2};
    wfs_list_options list_options = {.page_size = 1};
    wfs_instance_list list;
    wfs_history history;
    char *cut;
    size_t i, size;

    (void)state;
    for (i = 0; i < WFSI_COUNT(texts); i++) {
        wrong.events_cursor = wrong.steps_cursor = texts[i];
        refused(harness, WFS_ERR_CURSOR, texts[i],
                wfs_get_history(harness, "steps", "h-1", &wrong, &history));
        list_options.cursor = texts[i];
        refused(harness, WFS_ERR_CURSOR, texts[i],
                wfs_list_instances(harness, "steps", &list_options, &list));
    }
    ok(harness, wfs_get_history(harness, "steps", "h-1", &options, &history));
    size = strlen(history.events_cursor);
    cut = (char *)malloc(size + 1);
    assert_non_null(cut);
    for (i = 0; i < size; i++) {        /* cut anywhere, it is no cursor */
        memcpy(cut, history.events_cursor, i);
        cut[i] = '\0';
        options.events_cursor = cut;
        assert_int_equal(wfs_get_history(harness, "steps", "h-1", &options,
                                         &history), WFS_ERR_CURSOR);
        ok(harness, wfs_get_history(harness, "steps", "h-1",
                                    &(wfs_read_options){.page_size = 2},
                                    &history));
    }
    wrong.events_cursor = NULL;
    wrong.steps_cursor = list_options.cursor = history.events_cursor;
    refused(harness, WFS_ERR_CURSOR, "cursor",
            wfs_get_history(harness, "steps", "h-1", &wrong, &history));
    refused(harness, WFS_ERR_CURSOR, "cursor",
            wfs_list_instances(harness, "steps", &list_options, &list));
    free(cut);
    close_harness(harness);
}

/* A cursor of another instance or run gives no row of that one. */
static void test_a_cursor_of_another_instance(void **state)
{
    wfs_harness *harness = open_history();
    wfs_read_options options = {.page_size = 2};
    wfs_history history;
    size_t i;
    int order;

    (void)state;
    ok(harness, wfs_get_history(harness, "steps", "h-2", &options, &history));
    options.events_cursor = history.events_cursor;
    options.page_size = 0;
    for (order = 0; order < 2; order++) {
        options.order = (wfs_order)order;
        if (wfs_get_history(harness, "steps", "h-1", &options, &history) ==
            WFS_ERR_CURSOR)
            continue;
        for (i = 0; i < history.event_count; i++)
            assert_string_equal(history.events[i].instance_id, "h-1");
    }
    close_harness(harness);
}

/* --- lists */

static wfs_harness *open_list(void)
{
    wfs_harness *harness = open_world();
    char id[16];
    int i;

    for (i = 0; i < 60; i++) {
        sprintf(id, "l-%02d", i);
        create(harness, i % 2 == 0 ? "nap" : "echo", id);
        advance(harness, 1);
    }
    for (i = 58; i >= 0; i -= 2) {          /* all naps, the last one first */
        sprintf(id, "l-%02d", i);
        tick(harness, "nap", id, WFS_REASON_CREATE);
        advance(harness, i % 8 == 0);       /* some at the same time */
    }
    return harness;
}

/* All pages; checks the order, returns how many there were. */
static size_t read_list(wfs_harness *harness, wfs_instance_status status,
                        size_t page_size, size_t *pages)
{
    wfs_list_options options;
    wfs_instance_list list;
    wfs_instance last;
    size_t i, count = 0;

    memset(&options, 0, sizeof options);
    memset(&last, 0, sizeof last);
    options.status = status;
    options.page_size = page_size;
    *pages = 0;
    do {
        ok(harness, wfs_list_instances(harness, "nap", &options, &list));
        assert_true(list.has_next_page == (list.cursor != NULL));
        for (i = 0; i < list.count; i++) {
            const wfs_instance *next = &list.instances[i];

            assert_string_equal(next->workflow_name, "nap");
            if (count++ != 0 && status == WFS_INSTANCE_ANY)
                assert_true(strcmp(next->instance_id, last.instance_id) < 0);
            else if (count > 1)
                assert_true(next->updated_at < last.updated_at ||
                            (next->updated_at == last.updated_at &&
                             next->id < last.id));
            last = *next;
        }
        options.cursor = list.cursor;
        ++*pages;
    } while (list.has_next_page);
    return count;
}

static void test_lists(void **state)
{
    wfs_harness *harness = open_list();
    wfs_instance_list list;
    size_t page_size, pages;

    (void)state;
    for (page_size = 1; page_size <= 31; page_size++) {
        assert_int_equal(read_list(harness, WFS_INSTANCE_ANY, page_size,
                                   &pages), 30);
        assert_int_equal(pages, (30 + page_size - 1) / page_size);
        assert_int_equal(read_list(harness, WFS_INSTANCE_WAITING, page_size,
                                   &pages), 30);
        assert_int_equal(pages, (30 + page_size - 1) / page_size);
    }
    read_list(harness, WFS_INSTANCE_ANY, 0, &pages);
    assert_int_equal(pages, 2);             /* of 25 */
    assert_int_equal(read_list(harness, WFS_INSTANCE_QUEUED, 0, &pages), 0);
    assert_int_equal(read_list(harness, WFS_INSTANCE_UNKNOWN, 0, &pages), 0);
    assert_int_equal(read_list(harness, WFS_INSTANCE_STATUS_COUNT, 0, &pages),
                     0);
    ok(harness, wfs_list_instances(harness, "echo-workflow", NULL, &list));
    assert_int_equal(list.count, 25);
    assert_string_equal(list.instances[0].instance_id, "l-59");
    close_harness(harness);
}

/* Rows that change their place, come and go between pages. */
static void test_lists_that_change(void **state)
{
    wfs_harness *harness = open_list();
    wfs_list_options options = {.status = WFS_INSTANCE_WAITING,
                                .page_size = 10};
    wfs_instance_list list, rest;

    (void)state;
    ok(harness, wfs_list_instances(harness, "nap", &options, &list));
    options.cursor = list.cursor;
    ok(harness, wfs_terminate(harness, "nap",
                              list.instances[9].instance_id));
    advance(harness, 100);
    create(harness, "nap", "l-new");
    assert_int_equal(tick(harness, "nap", "l-new", WFS_REASON_CREATE), 1);
    options.page_size = 100;
    ok(harness, wfs_list_instances(harness, "nap", &options, &rest));
    assert_int_equal(rest.count, 20);
    options.cursor = NULL;
    ok(harness, wfs_list_instances(harness, "nap", &options, &rest));
    assert_int_equal(rest.count, 30);
    assert_string_equal(rest.instances[0].instance_id, "l-new");
    /* A cursor of the one order is none of the other. */
    options.status = WFS_INSTANCE_ANY;
    options.cursor = list.cursor;
    refused(harness, WFS_ERR_CURSOR, "cursor",
            wfs_list_instances(harness, "nap", &options, &rest));
    close_harness(harness);
}

/* --- hooks */

static size_t hooks_of(wfs_harness *harness, wfs_hook_filter filter,
                       const wfs_hook **hooks)
{
    size_t count = 99;

    ok(harness, wfs_get_hooks(harness, &filter, hooks, &count));
    return count;
}

static void test_filters_of_hooks(void **state)
{
    wfs_harness *harness = open_world();
    const wfs_hook *hooks = NULL;
    wfs_hook_filter filter;
    size_t count = 0;

    (void)state;
    create(harness, "nap", "n-1");
    create(harness, "nap", "n-2");
    create(harness, "echo", "n-1");
    process(harness);
    assert_int_equal(tick(harness, "nap", "n-1", WFS_REASON_CREATE), 1);
#define FILTERED(...) hooks_of(harness, (wfs_hook_filter){__VA_ARGS__}, &hooks)
    assert_int_equal(FILTERED(0), 4);
    assert_int_equal(FILTERED(.status = WFS_HOOK_PENDING), 1);
    assert_int_equal(hooks[0].next_retry_at, 3601000);
    assert_int_equal(FILTERED(.status = WFS_HOOK_COMPLETED), 3);
    assert_int_equal(FILTERED(.status = WFS_HOOK_FAILED), 0);
    assert_int_equal(FILTERED(.workflow = "echo"), 1);
    assert_string_equal(hooks[0].workflow_name, "echo-workflow");
    assert_int_equal(FILTERED(.workflow = "echo-workflow"), 1);
    assert_int_equal(FILTERED(.instance_id = "n-1"), 3);
    assert_int_equal(FILTERED(.instance_id = "n-1", .workflow = "nap"), 2);
    assert_int_equal(FILTERED(.instance_id = "", .workflow = "nap"), 0);
    assert_int_equal(FILTERED(.hook_name = "onWorkflowEnqueued"), 4);
    assert_int_equal(FILTERED(.hook_name = "other"), 0);
    assert_int_equal(FILTERED(.hook_namespace = "workflows"), 4);
    assert_int_equal(FILTERED(.hook_namespace = "user"), 0);
#undef FILTERED
    ok(harness, wfs_get_hooks(harness, NULL, &hooks, &count));
    assert_int_equal(count, 4);
    assert_int_equal(hooks[2].id, 3);
    memset(&filter, 0, sizeof filter);
    filter.workflow = "ghost";
    refused(harness, WFS_ERR_WORKFLOW_NOT_FOUND, "ghost",
            wfs_get_hooks(harness, &filter, &hooks, &count));
    close_harness(harness);
}

/* A status that is none matches none. */
static void test_a_filter_out_of_range(void **state)
{
    wfs_harness *harness = open_world();
    const wfs_hook *hooks = NULL;
    wfs_hook_filter filter;

    (void)state;
    create(harness, "nap", "n-1");
    memset(&filter, 0, sizeof filter);
    filter.status = WFS_HOOK_STATUS_COUNT;
    assert_int_equal(hooks_of(harness, filter, &hooks), 0);
    filter.status = (wfs_hook_status)1000000;
    assert_int_equal(hooks_of(harness, filter, &hooks), 0);
    close_harness(harness);
}

/* Due hooks are processed by id, whatever the order of their times; those of
 * later are left. */
static void test_processing_in_order(void **state)
{
    wfs_harness *harness = open_world();
    const wfs_hook *hooks = NULL;
    wfs_hook_filter all;

    (void)state;
    memset(&all, 0, sizeof all);
    create(harness, "nap", "n-1");
    advance(harness, 500);
    create(harness, "nap", "n-2");
    assert_int_equal(tick(harness, "nap", "n-2", WFS_REASON_CREATE), 1);
    wfs_clock_set(wfs_harness_clock(harness), 0);
    assert_int_equal(tick(harness, "nap", "n-1", WFS_REASON_CREATE), 1);
    assert_int_equal(process(harness), 2);
    wfs_clock_set(wfs_harness_clock(harness), 3600000);
    assert_int_equal(process(harness), 1);
    assert_int_equal(hooks_of(harness, all, &hooks), 4);
    assert_int_equal(hooks[2].status, WFS_HOOK_PENDING);
    assert_int_equal(hooks[3].status, WFS_HOOK_COMPLETED);
    assert_int_equal(hooks[3].last_attempt_at, 3600000);
    assert_int_equal(hooks[3].next_retry_at, 3600000);
    assert_int_equal(process(harness), 0);
    wfs_clock_set(wfs_harness_clock(harness), INT64_MAX);
    assert_int_equal(process(harness), 1);
    close_harness(harness);
}

static void test_auto_tick(void **state)
{
    wfs_harness_options options = options_of();
    wfs_harness *harness;

    (void)state;
    options.auto_tick = true;
    harness = open_harness(options);
    create(harness, "nap", "n-1");
    create(harness, "letters", "l-1");
    assert_state(harness, "nap", "n-1", WFS_INSTANCE_QUEUED);
    assert_int_equal(process(harness), 2);
    assert_state(harness, "nap", "n-1", WFS_INSTANCE_WAITING);
    assert_state(harness, "letters", "l-1", WFS_INSTANCE_WAITING);
    advance(harness, 3599999);
    assert_int_equal(process(harness), 0);
    advance(harness, 1);
    assert_int_equal(process(harness), 1);
    assert_state(harness, "nap", "n-1", WFS_INSTANCE_COMPLETE);
    assert_int_equal(instance_of(harness, "nap", "n-1").completed_at, 3601000);
    ok(harness, wfs_send_event(harness, "letters", "l-1", "letter", "1", NULL));
    ok(harness, wfs_send_event(harness, "letters", "l-1", "letter", "2", NULL));
    assert_int_equal(process(harness), 2);
    assert_state(harness, "letters", "l-1", WFS_INSTANCE_WAITING);
    ok(harness, wfs_pause(harness, "letters", "l-1"));
    assert_int_equal(process(harness), 1);
    assert_state(harness, "letters", "l-1", WFS_INSTANCE_PAUSED);
    ok(harness, wfs_send_event(harness, "letters", "l-1", "letter", "3", NULL));
    assert_int_equal(process(harness), 1);
    assert_state(harness, "letters", "l-1", WFS_INSTANCE_PAUSED);
    ok(harness, wfs_resume(harness, "letters", "l-1"));
    assert_int_equal(process(harness), 1);
    assert_state(harness, "letters", "l-1", WFS_INSTANCE_COMPLETE);
    close_harness(harness);
}

/* One workflow that breaks a rule: the call fails whole, with its error. */
static void test_processing_that_fails(void **state)
{
    wfs_harness_options options = options_of();
    wfs_harness *harness;
    size_t count = 7;

    (void)state;
    options.auto_tick = true;
    harness = open_harness(options);
    create(harness, "nap", "n-1");
    create(harness, "misused", "m-1");
    create(harness, "echo", "e-1");
    refused(harness, WFS_ERR_MISUSE, "misused",
            wfs_process_hooks(harness, &count));
    assert_int_equal(count, 0);
    ok(harness, wfs_terminate(harness, "misused", "m-1"));
    assert_int_equal(process(harness), 3);
    assert_state(harness, "echo", "e-1", WFS_INSTANCE_COMPLETE);
    close_harness(harness);
}

static void test_hooks_without_end(void **state)
{
    wfs_harness_options options = options_of();
    wfs_harness *harness;

    (void)state;
    options.auto_tick = true;
    options.limits.hook_rounds = 40;
    harness = open_harness(options);
    create(harness, "restless", "r-1");
    refused(harness, WFS_ERR_LIMIT, "40",
            wfs_process_hooks(harness, NULL));
    ok(harness, wfs_terminate(harness, "restless", "r-1"));
    assert_int_equal(process(harness), 1);
    close_harness(harness);
}

/* --- run until idle */

static void test_run_until_idle(void **state)
{
    static const int maxima[] = {0, -5, 25, 3, 1};
    static const int ticks[] = {25, 25, 25, 3, 1};
    wfs_harness *harness = open_world();
    wfs_payload payload;
    wfs_idle idle;
    size_t i;

    (void)state;
    create(harness, "nap", "n-1");
    payload = payload_of(harness, "nap", "n-1", WFS_REASON_CREATE);
    for (i = 0; i < WFSI_COUNT(maxima); i++) {
        ok(harness, wfs_run_until_idle(harness, &payload, maxima[i], &idle));
        assert_int_equal(idle.ticks, ticks[i]);
        assert_int_equal(idle.processed, ticks[i]);
    }
    create(harness, "echo", "e-1");
    payload = payload_of(harness, "echo", "e-1", WFS_REASON_CREATE);
    ok(harness, wfs_run_until_idle(harness, &payload, 0, &idle));
    assert_int_equal(idle.ticks, 2);
    assert_int_equal(idle.processed, 1);
    ok(harness, wfs_run_until_idle(harness, &payload, 0, NULL));
    close_harness(harness);
}

static int good_ticks;

static wfs_status good_for_a_while(wfs_run *run, void *user)
{
    (void)user;
    return good_ticks-- > 0 ? wfs_sleep(run, "nap", "1 hour") : WFS_DONE;
}

/* A later tick that fails takes the earlier ones back: the call is one. */
static void test_a_run_that_fails_midway(void **state)
{
    static const wfs_workflow registry[] = {
        {.key = "while", .run = good_for_a_while}, {0}};
    wfs_harness_options options = options_of();
    wfs_harness *harness;
    wfs_payload payload;
    wfs_idle idle;

    (void)state;
    options.workflows = registry;
    harness = open_harness(options);
    create(harness, "while", "w-1");
    payload = payload_of(harness, "while", "w-1", WFS_REASON_CREATE);
    good_ticks = 3;
    refused(harness, WFS_ERR_MISUSE, "while",
            wfs_run_until_idle(harness, &payload, 10, &idle));
    assert_state(harness, "while", "w-1", WFS_INSTANCE_QUEUED);
    close_harness(harness);
}

/* --- limits */

static wfs_harness *open_limited(wfs_limits limits)
{
    wfs_harness_options options = options_of();

    options.limits = limits;
    step_count = 1;
    return open_harness(options);
}

static void test_limits_of_json(void **state)
{
    wfs_limits limits = {.json_depth = 3, .json_size = 20};
    wfs_harness *harness = open_limited(limits);

    (void)state;
    ok(harness, wfs_create(harness, "echo", "a", "[[[1]]]", NULL));
    refused(harness, WFS_ERR_LIMIT, "params",
            wfs_create(harness, "echo", "b", "[[[[1]]]]", NULL));
    ok(harness, wfs_create(harness, "echo", "c", "\"123456789012345678\"",
                           NULL));
    refused(harness, WFS_ERR_LIMIT, "params",
            wfs_create(harness, "echo", "d", "\"1234567890123456789\"", NULL));
    refused(harness, WFS_ERR_LIMIT, "payload",
            wfs_send_event(harness, "echo", "a", "x", "[[[[1]]]]", NULL));
    refused(harness, WFS_ERR_LIMIT, "payload",
            wfs_send_event(harness, "echo", "a", "x",
                           "                    1", NULL));
    close_harness(harness);
}

static void test_limits_of_names_and_batches(void **state)
{
    wfs_limits limits = {.name_size = 4, .batch_size = 2};
    wfs_batch_item items[] = {{"a", NULL}, {"b", NULL}, {"c", NULL},
                              {NULL, NULL}};
    wfs_harness *harness = open_limited(limits);
    wfs_payload payload;
    size_t count = 0;

    (void)state;
    refused(harness, WFS_ERR_LIMIT, "2",
            wfs_create_batch(harness, "steps", items, NULL, NULL));
    items[2].id = NULL;
    ok(harness, wfs_create_batch(harness, "steps", items, NULL, &count));
    assert_int_equal(count, 2);
    assert_int_equal(tick(harness, "steps", "a", WFS_REASON_CREATE), 1);
    close_harness(harness);

    limits.name_size = 3;
    harness = open_limited(limits);
    create(harness, "steps", "a");
    payload = payload_of(harness, "steps", "a", WFS_REASON_CREATE);
    refused(harness, WFS_ERR_LIMIT, "4 bytes, more than the 3 allowed: step",
            wfs_tick(harness, &payload, NULL));
    close_harness(harness);
}

/* --- forks */

static void test_forks_are_independent(void **state)
{
    wfs_harness *harness = open_list(), *copy, *second;
    const char *id, *other_id;
    before then;

    (void)state;
    advance(harness, 10);
    ok(harness, wfs_harness_fork(harness, &copy));
    assert_int_equal(wfs_harness_clock(copy)->now,
                     wfs_harness_clock(harness)->now);
    assert_true(wfs_store_equal(wfs_harness_store(copy),
                                wfs_harness_store(harness), NULL));
    then = remember(harness);
    ok(copy, wfs_create(copy, "echo", NULL, "[1]", &id));
    ok(copy, wfs_terminate(copy, "nap", "l-00"));
    process(copy);
    advance(copy, 99);
    unchanged(harness, then);
    ok(harness, wfs_create(harness, "echo", NULL, "[1]", &other_id));
    assert_string_equal(id, other_id);      /* the same random source */
    ok(copy, wfs_harness_fork(copy, &second));
    wfs_harness_free(copy);
    assert_state(second, "nap", "l-00", WFS_INSTANCE_TERMINATED);
    assert_string_equal(instance_of(second, "echo", other_id).instance_id,
                        other_id);
    wfs_harness_free(second);
    assert_state(harness, "nap", "l-00", WFS_INSTANCE_WAITING);
    close_harness(harness);
}

/* Two forks that do the same are the same. */
static void test_forks_that_do_the_same(void **state)
{
    wfs_harness *forks[2], *harness = open_list();
    wfs_error difference;
    int i;

    (void)state;
    ok(harness, wfs_harness_fork(harness, &forks[0]));
    process(harness);
    ok(forks[0], wfs_harness_fork(forks[0], &forks[1]));
    process(forks[0]);
    process(forks[1]);
    for (i = 0; i < 2; i++) {
        advance(forks[i], 3600000);
        assert_int_equal(tick(forks[i], "nap", "l-02", WFS_REASON_WAKE), 1);
        ok(forks[i], wfs_create(forks[i], "nap", NULL, NULL, NULL));
        ok(forks[i], wfs_restart(forks[i], "echo", "l-01"));
    }
    if (!wfs_store_equal(wfs_harness_store(forks[0]),
                         wfs_harness_store(forks[1]), &difference))
        fail_msg("%s", difference.message);
    assert_false(wfs_store_equal(wfs_harness_store(forks[0]),
                                 wfs_harness_store(harness), NULL));
    wfs_harness_free(forks[1]);
    wfs_harness_free(forks[0]);
    close_harness(harness);
}

static void test_no_fork_in_a_transaction(void **state)
{
    wfs_harness *harness = open_list(), *copy = harness;

    (void)state;
    ok(harness, wfs_begin(wfs_harness_store(harness)));
    refused_at(harness, wfs_harness_fork(harness, &copy), WFS_ERR_MISUSE,
               "transaction", "fork", __LINE__);
    assert_null(copy);
    ok(harness, wfs_rollback(wfs_harness_store(harness)));
    ok(harness, wfs_harness_fork(harness, &copy));
    wfs_harness_free(copy);
    close_harness(harness);
}

/* A transaction of the user's around calls of the harness: all or nothing. */
static void test_calls_in_a_transaction(void **state)
{
    wfs_harness *harness = open_list();
    before then = remember(harness);
    wfs_store *store = wfs_harness_store(harness);

    (void)state;
    ok(harness, wfs_begin(store));
    create(harness, "nap", "t-1");
    ok(harness, wfs_pause(harness, "nap", "l-00"));
    assert_int_equal(tick(harness, "nap", "t-1", WFS_REASON_CREATE), 1);
    process(harness);
    assert_int_equal(wfs_create(harness, "nap", "t-1", NULL, NULL),
                     WFS_ERR_INSTANCE_ID_ALREADY_EXISTS);
    assert_state(harness, "nap", "t-1", WFS_INSTANCE_WAITING);
    ok(harness, wfs_rollback(store));
    unchanged(harness, then);
    close_harness(harness);
}

/* --- what calls give */

/* Values live until they are released, also when their rows change. */
static void test_values_outlive_their_rows(void **state)
{
    wfs_harness *harness = open_world();
    wfs_instance instance;
    const wfs_event *events = NULL;
    const wfs_json *params;
    size_t count = 0;

    (void)state;
    ok(harness, wfs_create(harness, "nap", "n-1", "{\"a\":[1,2]}", NULL));
    ok(harness, wfs_send_event(harness, "nap", "n-1", "x", "[3]", NULL));
    instance = instance_of(harness, "nap", "n-1");
    params = instance.params;
    ok(harness, wfs_get_events(harness, "nap", "n-1", NULL, &events, &count));
    ok(harness, engine_write(harness, "workflow_instance", 1,
                             WFS_FIELDS({"params", wfs_json_text("0")})));
    ok(harness, engine_write(harness, "workflow_event", 1, NULL));
    assert_json(harness, params, "{\"a\":[1,2]}");
    assert_json(harness, events[0].payload, "[3]");
    assert_string_equal(events[0].type, "x");
    assert_json(harness, instance_of(harness, "nap", "n-1").params, "0");
    close_harness(harness);
}

/* Who releases what was given needs no more memory in the end. */
static void test_release(void **state)
{
    wfs_harness *harness = open_list();
    wfs_instance_list list;
    const wfs_hook *hooks = NULL;
    size_t count, held = 0;
    int i;

    (void)state;
    for (i = 0; i < 200; i++) {
        ok(harness, wfs_list_instances(harness, "nap", NULL, &list));
        ok(harness, wfs_get_hooks(harness, NULL, &hooks, &count));
        wfs_harness_release(harness);
        if (i == 20)
            held = memory.bytes;
    }
    assert_int_equal(memory.bytes, held);
    wfs_harness_release(harness);
    close_harness(harness);
}

/* --- the registry */

static void assert_registry(const wfs_workflow *registry, wfs_status expected,
                            const char *culprit)
{
    wfs_harness_options options = options_of();
    wfs_harness *harness = (wfs_harness *)(void *)&options;
    wfs_error error;

    options.workflows = registry;
    options.allocator = sweep_allocator(&memory);
    assert_int_equal(wfs_harness_create(&options, &harness, &error), expected);
    if (expected == WFS_OK) {
        close_harness(harness);
        return;
    }
    assert_null(harness);
    assert_int_equal(error.code, expected);
    assert_contains(error.message, culprit);
    assert_int_equal(wfs_harness_create(&options, &harness, NULL), expected);
    sweep_expect_clean(&memory);
}

static void test_registries(void **state)
{
    static const wfs_workflow no_function[] = {
        {.key = "good", .run = nap}, {.key = "culprit"}, {0}};
    static const wfs_workflow key_twice[] = {
        {.key = "culprit", .name = "a", .run = nap},
        {.key = "culprit", .name = "b", .run = nap}, {0}};
    static const wfs_workflow name_twice[] = {
        {.key = "a", .name = "x", .run = nap},
        {.key = "culprit", .name = "x", .run = nap}, {0}};
    static const wfs_workflow name_as_key[] = {
        {.key = "x", .run = nap}, {.key = "culprit", .name = "x", .run = nap},
        {0}};
    static const wfs_workflow empty_name[] = {
        {.key = "culprit", .name = "", .run = nap}, {0}};
    static const wfs_workflow no_key[] = {{.name = "culprit", .run = nap}, {0}};
    wfs_harness *harness;
    wfs_error error;

    (void)state;
    assert_registry(no_function, WFS_ERR_ARGUMENT, "culprit");
    assert_registry(key_twice, WFS_ERR_ARGUMENT, "culprit");
    assert_registry(name_twice, WFS_ERR_ARGUMENT, "culprit");
    assert_registry(name_as_key, WFS_ERR_ARGUMENT, "culprit");
    assert_registry(empty_name, WFS_ERR_ARGUMENT, "culprit");
    assert_registry(NULL, WFS_ERR_ARGUMENT, "registry");
    assert_int_equal(wfs_harness_create(NULL, &harness, &error),
                     WFS_ERR_ARGUMENT);
    assert_null(harness);
    assert_registry(no_key, WFS_ERR_ARGUMENT, "culprit");
}

/* A handler without a function is told of at once, not when it is called. */
static void test_a_handler_without_function(void **state)
{
    static const wfs_hook_handler no_function[] = {{.hook_name = "culprit"},
                                                   {0}};
    wfs_harness_options options = options_of();
    wfs_harness *harness;
    wfs_error error;

    (void)state;
    options.hooks = no_function;
    options.allocator = sweep_allocator(&memory);
    if (wfs_harness_create(&options, &harness, &error) == WFS_OK) {
        close_harness(harness);
        fail_msg("a handler without a function is accepted");
    }
    assert_int_equal(error.code, WFS_ERR_ARGUMENT);
    assert_contains(error.message, "culprit");
    sweep_expect_clean(&memory);
}

/* --- user tables beside the engine's */

static const wfs_column note_columns[] = {
    {.name = "instance", .type = WFS_REFERENCE,
     .references = "workflow_instance"},
    {.name = "text", .type = WFS_TEXT},
    {0},
};

static void test_tables_beside_the_engine_s(void **state)
{
    static const wfs_index by_text[] = {
        {.name = "by_text", .columns = "text", .ordered = true}, {0}};
    static const wfs_table good[] = {
        {.name = "note", .columns = note_columns, .indexes = by_text}, {0}};
    wfs_harness_options options = options_of();
    wfs_harness *harness;
    wfs_store *store;

    (void)state;
    options.tables = good;
    harness = open_harness(options);
    store = wfs_harness_store(harness);
    create(harness, "nap", "n-1");
    ok(harness, wfs_insert(store, "note",
                           WFS_FIELDS({"instance", wfs_reference(1)},
                                      {"text", wfs_text("a")}), NULL));
    refused(harness, WFS_ERR_REFERENCE, "workflow_instance",
            wfs_insert(store, "note",
                       WFS_FIELDS({"instance", wfs_reference(2)},
                                  {"text", wfs_text("b")}), NULL));
    refused(harness, WFS_ERR_REFERENCE, "workflow_instance",
            engine_write(harness, "workflow_instance", 1, NULL));
    refused(harness, WFS_ERR_ARGUMENT, "workflow_instance",
            wfs_delete(store, "workflow_instance", 1, 0));
    refused(harness, WFS_ERR_ARGUMENT, "workflow_step",
            wfs_insert(store, "workflow_step", NULL, NULL));
    refused(harness, WFS_ERR_ARGUMENT, "workflow_hook",
            wfs_update(store, "workflow_hook", 1, 0,
                       WFS_FIELDS({"status", wfs_text("odd")})));
    assert_int_equal(tick(harness, "nap", "n-1", WFS_REASON_CREATE), 1);
    assert_int_equal(wfs_count(store, "note"), 1);
    close_harness(harness);
}

static void test_tables_that_clash(void **state)
{
    static const char *const names[] = {"workflow_instance", "workflow_step",
                                        "workflow_event", "workflow_hook"};
    wfs_harness_options options = options_of();
    wfs_table clash[] = {{.columns = note_columns}, {0}};
    wfs_harness *harness;
    wfs_error error;
    size_t i;

    (void)state;
    options.tables = clash;
    options.allocator = sweep_allocator(&memory);
    for (i = 0; i < WFSI_COUNT(names); i++) {
        clash[0].name = names[i];
        assert_int_equal(wfs_harness_create(&options, &harness, &error),
                         WFS_ERR_SCHEMA);
        assert_null(harness);
        assert_contains(error.message, names[i]);
    }
    sweep_expect_clean(&memory);
}

/* --- clocks at the ends */

static wfs_status everything(wfs_run *run, void *user)
{
    wfs_do_options patient = {.retries = {.limit = 2, .delay = "1 day",
                                          .backoff = WFS_BACKOFF_LINEAR}};
    wfs_wait_options options = {.type = "x", .timeout = "1 day"};

    (void)user;
    wfs_do(run, "count", count_body, NULL, NULL, NULL);
    switch (wfs_run_number(run)) {
    case 0:
        return wfs_sleep(run, "nap", "1000000 days");
    case 1:
        return wfs_wait_for_event(run, "wait", &options, NULL);
    case 2:
        return wfs_do(run, "fails", fails, NULL, &patient, NULL);
    case 3:
        return wfs_sleep_until(run, "until", INT64_MIN);
    case 4:
        return wfs_sleep_until(run, "until", INT64_MAX);
    default:
        return wfs_sleep_ms(run, "ms", -1e300);
    }
}

static void live_at(wfs_harness *harness, int64_t now)
{
    wfs_read_options options = {.order = WFS_DESCENDING, .page_size = 1};
    wfs_instance_list list;
    wfs_history history;
    int run;

    wfs_clock_set(wfs_harness_clock(harness), now);
    for (run = 0; run < 6; run++) {
        ok(harness, wfs_send_event(harness, "all", "a-1", "y", NULL, NULL));
        tick(harness, "all", "a-1", WFS_REASON_CREATE);
        tick(harness, "all", "a-1", WFS_REASON_WAKE);
        tick(harness, "all", "a-1", WFS_REASON_RETRY);
        process(harness);
        ok(harness, wfs_get_history(harness, "all", "a-1", &options,
                                    &history));
        ok(harness, wfs_list_instances(harness, "all",
                                       &(wfs_list_options){
                                           .status = WFS_INSTANCE_WAITING},
                                       &list));
        ok(harness, wfs_restart(harness, "all", "a-1"));
    }
    ok(harness, wfs_terminate(harness, "all", "a-1"));
    process(harness);
}

static void test_clocks_at_the_ends(void **state)
{
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, -1, 0,
                                    INT64_MAX - 1, INT64_MAX};
    static const wfs_workflow registry[] = {{.key = "all", .run = everything},
                                            {0}};
    wfs_harness_options options = options_of();
    wfs_harness *harness;
    size_t i, j;

    (void)state;
    options.workflows = registry;
    for (i = 0; i < WFSI_COUNT(times); i++)
        for (j = 0; j < 2; j++) {
            options.clock_start = times[i];
            options.auto_tick = j != 0;
            harness = open_harness(options);
            create(harness, "all", "a-1");
            live_at(harness, times[i]);
            ok(harness, wfs_restart(harness, "all", "a-1"));
            live_at(harness, times[WFSI_COUNT(times) - 1 - i]);
            close_harness(harness);
        }
}

/* --- names of enumerators */

static void test_names_out_of_range(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        int past = i == 0 ? 0 : 1000;

        assert_string_equal(
            wfs_instance_status_name((wfs_instance_status)past), "");
        assert_string_equal(wfs_step_type_name((wfs_step_type)past), "");
        assert_string_equal(wfs_step_status_name((wfs_step_status)past), "");
        assert_string_equal(wfs_actor_name((wfs_actor)past), "");
        assert_string_equal(wfs_reason_name((wfs_reason)past), "");
        assert_string_equal(wfs_hook_status_name((wfs_hook_status)past), "");
    }
    assert_string_equal(
        wfs_instance_status_name(WFS_INSTANCE_WAITING_FOR_PAUSE),
        "waitingForPause");
    assert_string_equal(wfs_step_type_name(WFS_STEP_WAIT_FOR_EVENT),
                        "waitForEvent");
}

/* --- each call, with each of its allocations refused */

static const wfs_batch_item few[] = {{"f-1", "[1]"}, {"f-2", NULL},
                                     {"l-00", NULL}, {NULL, NULL}};

static wfs_status call_create(wfs_harness *harness)
{
    return wfs_create(harness, "echo", NULL, "{\"a\":1}", NULL);
}

static wfs_status call_create_picky(wfs_harness *harness)
{
    return wfs_create(harness, "picky", "p-1", "{\"sku\":[1,2,3]}", NULL);
}

static wfs_status call_batch(wfs_harness *harness)
{
    const char *const *ids;
    size_t count = 0;

    return wfs_create_batch(harness, "nap", few, &ids, &count);
}

static wfs_status call_event(wfs_harness *harness)
{
    return wfs_send_event(harness, "nap", "l-00", "sort", "[1]", NULL);
}

static wfs_status call_pause(wfs_harness *harness)
{
    return wfs_pause(harness, "nap", "l-00");
}

static wfs_status call_terminate(wfs_harness *harness)
{
    return wfs_terminate(harness, "nap", "l-00");
}

static wfs_status call_restart(wfs_harness *harness)
{
    return wfs_restart(harness, "nap", "l-00");
}

static wfs_status call_tick(wfs_harness *harness)
{
    wfs_payload payload;

    WFS_TRY(wfs_build_payload(harness, "steps", "s-1", WFS_REASON_CREATE,
                              &payload));
    return wfs_tick(harness, &payload, NULL);
}

static wfs_status call_idle(wfs_harness *harness)
{
    wfs_payload payload;

    WFS_TRY(wfs_build_payload(harness, "steps", "s-1", WFS_REASON_CREATE,
                              &payload));
    return wfs_run_until_idle(harness, &payload, 3, NULL);
}

static wfs_status call_split(wfs_harness *harness)
{
    wfs_payload payload;
    wfs_open_tick *open;
    wfs_status status;

    WFS_TRY(wfs_build_payload(harness, "steps", "s-1", WFS_REASON_CREATE,
                              &payload));
    WFS_TRY(wfs_tick_retrieve(harness, &payload, &open));
    status = wfs_tick_plan(open);
    if (status == WFS_OK)
        return wfs_tick_commit(open, NULL);
    wfs_tick_discard(open);
    return status;
}

static wfs_status call_process(wfs_harness *harness)
{
    return wfs_process_hooks(harness, NULL);
}

static wfs_status call_status(wfs_harness *harness)
{
    wfs_status_report report;

    return wfs_get_status(harness, "nap", "l-00", &report);
}

static wfs_status call_instance(wfs_harness *harness)
{
    const wfs_instance *instance = NULL;

    return wfs_get_instance(harness, "nap", "l-00", &instance);
}

static wfs_status call_history(wfs_harness *harness)
{
    wfs_read_options options = {.page_size = 1};
    wfs_history history;

    return wfs_get_history(harness, "nap", "l-00", &options, &history);
}

static wfs_status call_hooks(wfs_harness *harness)
{
    const wfs_hook *hooks = NULL;
    size_t count = 0;

    return wfs_get_hooks(harness, NULL, &hooks, &count);
}

static wfs_status call_list(wfs_harness *harness)
{
    wfs_list_options options = {.status = WFS_INSTANCE_WAITING,
                                .page_size = 5};
    wfs_instance_list list;

    return wfs_list_instances(harness, "nap", &options, &list);
}

static wfs_status call_fork(wfs_harness *harness)
{
    wfs_harness *copy;
    wfs_status status = wfs_harness_fork(harness, &copy);

    if (status == WFS_OK)
        wfs_harness_free(copy);
    else
        assert_null(copy);
    return status;
}

static wfs_status (*const all_calls[])(wfs_harness *) = {
    call_create, call_create_picky, call_batch, call_event, call_pause,
    call_terminate, call_restart, call_tick, call_idle, call_split,
    call_process, call_status, call_instance, call_history, call_hooks,
    call_list, call_fork,
};

static wfs_harness *open_for_sweep(void)
{
    wfs_harness_options options = options_of();
    wfs_harness *harness;

    options.auto_tick = true;
    step_count = 12;
    harness = open_harness(options);
    create(harness, "nap", "l-00");
    create(harness, "nap", "l-01");
    create(harness, "letters", "l-02");
    create(harness, "steps", "s-1");
    ok(harness, wfs_send_event(harness, "nap", "l-00", "y", "[0]", NULL));
    ok(harness, wfs_send_event(harness, "nap", "l-00", "z", "[1]", NULL));
    assert_int_equal(tick(harness, "nap", "l-00", WFS_REASON_CREATE), 1);
    return harness;
}

/* Refuse the nth allocation of the call; false when it asks for fewer. */
static bool call_without(wfs_status (*call)(wfs_harness *), size_t nth,
                         sweep_mode mode)
{
    wfs_harness *harness = open_for_sweep();
    before then = remember(harness);
    wfs_status status;
    bool refused_one;

    sweep_refuse(&memory, nth, mode);
    status = call(harness);
    sweep_allow(&memory);
    refused_one = memory.refused != 0;
    if (status == WFS_ERR_NO_MEMORY) {
        assert_int_equal(wfs_harness_error(harness)->code, WFS_ERR_NO_MEMORY);
        unchanged(harness, then);
        ok(harness, call(harness));
    } else {
        assert_int_equal(status, WFS_OK);
        sweep_drop(&then.snapshot);
    }
    process(harness);
    close_harness(harness);
    return refused_one;
}

static void test_calls_without_memory(void **state)
{
    size_t i, nth;

    (void)state;
    for (i = 0; i < WFSI_COUNT(all_calls); i++)
        for (nth = 1; call_without(all_calls[i], nth, SWEEP_ONCE); nth++)
            call_without(all_calls[i], nth, SWEEP_FROM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_that_are_refused),
        cmocka_unit_test(test_ids_that_are_good),
        cmocka_unit_test(test_ids_that_are_drawn),
        cmocka_unit_test(test_a_refusal_draws_no_id),
        cmocka_unit_test(test_a_drawn_id_that_is_taken),
        cmocka_unit_test(test_finding_workflows),
        cmocka_unit_test(test_names_that_are_not_there),
        cmocka_unit_test(test_instances_that_are_not_there),
        cmocka_unit_test(test_params_that_are_none),
        cmocka_unit_test(test_params_in_a_batch),
        cmocka_unit_test(test_params_that_are_not_json),
        cmocka_unit_test(test_validators),
        cmocka_unit_test(test_a_batch_that_skips),
        cmocka_unit_test(test_batches_of_a_hundred),
        cmocka_unit_test(test_actions_in_each_state),
        cmocka_unit_test(test_a_restarted_instance),
        cmocka_unit_test(test_ticks_of_older_runs),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_the_order_of_history),
        cmocka_unit_test(test_cursors_of_history),
        cmocka_unit_test(test_two_cursors),
        cmocka_unit_test(test_history_of_runs),
        cmocka_unit_test(test_cursors_that_are_none),
        cmocka_unit_test(test_a_cursor_of_another_instance),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lists_that_change),
        cmocka_unit_test(test_filters_of_hooks),
        cmocka_unit_test(test_a_filter_out_of_range),
        cmocka_unit_test(test_processing_in_order),
        cmocka_unit_test(test_auto_tick),
        cmocka_unit_test(test_processing_that_fails),
        cmocka_unit_test(test_hooks_without_end),
        cmocka_unit_test(test_run_until_idle),
        cmocka_unit_test(test_a_run_that_fails_midway),
        cmocka_unit_test(test_limits_of_json),
        cmocka_unit_test(test_limits_of_names_and_batches),
        cmocka_unit_test(test_forks_are_independent),
        cmocka_unit_test(test_forks_that_do_the_same),
        cmocka_unit_test(test_no_fork_in_a_transaction),
        cmocka_unit_test(test_calls_in_a_transaction),
        cmocka_unit_test(test_values_outlive_their_rows),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_registries),
        cmocka_unit_test(test_a_handler_without_function),
        cmocka_unit_test(test_tables_beside_the_engine_s),
        cmocka_unit_test(test_tables_that_clash),
        cmocka_unit_test(test_clocks_at_the_ends),
        cmocka_unit_test(test_names_out_of_range),
        cmocka_unit_test(test_calls_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
