/* fragno.c: recorded cases of a durable-workflow engine, run with the library.
 *
 *     cc tests/conformance/fragno.c -o fragno && ./fragno
 *
 * A case is a workflow program, a scenario that drives it, and all that could
 * be observed; the format is described in fragno/README.md. One generic
 * workflow function interprets the program, and the scenario's steps become
 * entries of a wfs_scenario, so that engine and scenario runner are both
 * tested. Compared are the result of every step, the variables, and every
 * column of every table. Options: see conformance.h.
 */
#include "conformance.h"

/* How often the callback of a do op was called for an instance: it survives
 * ticks and restarts. An op stands for its workflow and its position. */
typedef struct call_count {
    struct call_count *next;
    const wfs_json *op;
    const char *instance_id;
    int64_t calls;
} call_count;

/* What a case needs while it runs. */
typedef struct case_world {
    conf_case *one;
    wfs_arena *arena;               /* the case's */
    call_count *calls;
    const wfs_json *generated;      /* ids drawn, in order of appearance */
} case_world;

/* One of the case's workflows: the user pointer of its function. */
typedef struct program {
    case_world *world;
    const wfs_json *ops;
} program;

static wfs_json *null_value(wfs_arena *arena)
{
    return wfs_json_new_null(arena);
}

static bool is_null(const wfs_json *value)
{
    return wfs_json_type_of(value) == WFS_JSON_NULL;
}

static bool is_string(const wfs_json *value)
{
    return wfs_json_type_of(value) == WFS_JSON_STRING;
}

/* As JavaScript has it: null, false, 0 and "" are not. */
static bool is_truthy(const wfs_json *value)
{
    size_t size = 0;
    double number;

    switch (wfs_json_type_of(value)) {
    case WFS_JSON_NULL:
        return false;
    case WFS_JSON_BOOL:
        return wfs_json_bool(value);
    case WFS_JSON_INTEGER:
    case WFS_JSON_REAL:
        number = wfs_json_real(value);
        return number < 0 || number > 0;
    case WFS_JSON_STRING:
        (void)wfs_json_string(value, &size);
        return size != 0;
    default:
        return true;
    }
}

static bool is_number(const wfs_json *value)
{
    return conf_is_number(wfs_json_type_of(value));
}

/* ------------------------------------------------------------------------
 * References: {"$name": argument} inside a value
 * --------------------------------------------------------------------- */

typedef struct references {
    wfs_arena *arena;
    const void *data;
    /* What a reference leads to (NULL: nowhere); false when there is no
     * reference of that name here. */
    bool (*look_up)(const struct references *from, const char *name,
                    const wfs_json *argument, const wfs_json **value);
} references;

static const wfs_json *part_of(const wfs_json *value, const char *name,
                               size_t size)
{
    size_t i, place = 0;

    if (wfs_json_type_of(value) != WFS_JSON_ARRAY)
        return wfs_json_get_n(value, name, size);
    if (size == 0 || size > 9)
        return NULL;
    for (i = 0; i < size; i++) {
        if (name[i] < '0' || name[i] > '9')
            return NULL;
        place = place * 10 + (size_t)(name[i] - '0');
    }
    return wfs_json_at(value, place);
}

/* Follow "a.b.0"; "" is the value itself. NULL when it leads nowhere. */
static const wfs_json *follow(const wfs_json *value, const wfs_json *path)
{
    size_t size = 0, start = 0, end;
    const char *text = wfs_json_string(path, &size);

    if (text == NULL)
        return NULL;
    while (size != 0 && start <= size && value != NULL) {
        for (end = start; end < size && text[end] != '.'; end++) {
        }
        value = part_of(value, text + start, end - start);
        start = end + 1;
    }
    return value;
}

static bool is_reference(const wfs_json *value)
{
    const char *key;

    if (wfs_json_type_of(value) != WFS_JSON_OBJECT ||
        wfs_json_count(value) != 1)
        return false;
    key = wfs_json_key_at(value, 0, NULL);
    return key != NULL && key[0] == '$';
}

static bool has_reference(const wfs_json *value)
{
    size_t i;

    if (is_reference(value))
        return true;
    for (i = 0; i < wfs_json_count(value); i++) {
        if (has_reference(wfs_json_at(value, i)))
            return true;
    }
    return false;
}

static const wfs_json *repeat(wfs_arena *arena, const wfs_json *argument)
{
    int64_t i, times = wfs_json_integer(wfs_json_at(argument, 1));
    size_t size = 0;
    const char *text = wfs_json_string(wfs_json_at(argument, 0), &size);
    char *all;

    if (times < 0 || text == NULL)
        times = 0;
    all = (char *)wfs_arena_allocate(arena, size * (size_t)times + 1);
    if (all == NULL)
        return NULL;
    for (i = 0; i < times; i++)
        memcpy(all + size * (size_t)i, text, size);
    return wfs_json_new_string_n(arena, all, size * (size_t)times);
}

static const wfs_json *resolve(const references *from, const wfs_json *value);

static const wfs_json *resolve_items(const references *from,
                                     const wfs_json *value)
{
    wfs_arena *arena = from->arena;
    wfs_json *copy = wfs_json_type_of(value) == WFS_JSON_ARRAY
                         ? wfs_json_new_array(arena)
                         : wfs_json_new_object(arena);
    size_t i;

    for (i = 0; i < wfs_json_count(value); i++) {
        copy = conf_put(arena, copy, value, i,
                        resolve(from, wfs_json_at(value, i)));
    }
    return copy;
}

/* A value with its references replaced; itself when it has none. */
static const wfs_json *resolve(const references *from, const wfs_json *value)
{
    const wfs_json *argument, *found = NULL;
    const char *name;

    if (!has_reference(value))
        return value;
    if (is_reference(value)) {
        name = wfs_json_key_at(value, 0, NULL);
        argument = resolve(from, wfs_json_at(value, 0));
        if (strcmp(name, "$repeat") == 0)
            return repeat(from->arena, argument);
        if (from->look_up(from, name, argument, &found))
            return found != NULL ? found : null_value(from->arena);
    }
    return resolve_items(from, value);
}

/* ------------------------------------------------------------------------
 * Workflow programs
 * --------------------------------------------------------------------- */

/* One replay of a program. */
typedef struct replay {
    case_world *world;
    wfs_run *run;
    wfs_arena *arena;               /* of the tick */
    wfs_json *vars;
    const wfs_json *event;          /* the initial one */
    const wfs_json *calls;          /* of the op whose field is read: 0 for
                                       all but a do in its callback */
    const wfs_json *index;          /* of the innermost loop; NULL outside */
} replay;

static bool look_up_in_replay(const references *from, const char *name,
                              const wfs_json *argument,
                              const wfs_json **value)
{
    const replay *now = (const replay *)from->data;

    if (strcmp(name, "$param") == 0)
        *value = follow(wfs_params(now->run), argument);
    else if (strcmp(name, "$step") == 0)
        *value = follow(now->vars, argument);
    else if (strcmp(name, "$event") == 0)
        *value = follow(now->event, argument);
    else if (strcmp(name, "$calls") == 0)
        *value = now->calls;
    else if (strcmp(name, "$index") == 0)
        *value = now->index;
    else
        return false;
    if (*value == now->vars)        /* it changes; what was read does not */
        *value = wfs_json_copy(now->arena, *value);
    return true;
}

static const wfs_json *resolve_here(replay *now, const wfs_json *value)
{
    references from;

    from.arena = now->arena;
    from.data = now;
    from.look_up = look_up_in_replay;
    return resolve(&from, value);
}

/* A field of an op; NULL when it has none. */
static const wfs_json *operand(replay *now, const wfs_json *op,
                               const char *name)
{
    return resolve_here(now, wfs_json_get(op, name));
}

/* The bytes of a string; what is no string is given as JSON. */
static const char *text_of(wfs_arena *arena, const wfs_json *value,
                           size_t *size)
{
    if (is_string(value))
        return wfs_json_string(value, size);
    return wfs_json_write(arena, value, 0, size);
}

static void store(replay *now, const wfs_json *op, const wfs_json *value)
{
    const wfs_json *as = operand(now, op, "as");
    size_t size;
    const char *name;

    if (is_null(as))
        return;
    name = text_of(now->arena, as, &size);
    now->vars = wfs_json_set_n(now->arena, now->vars, name, size, value);
}

static wfs_status throw_error(replay *now, const wfs_json *error,
                              const char *default_message)
{
    const wfs_json *name = wfs_json_get(error, "name");
    const wfs_json *message = wfs_json_get(error, "message");
    wfs_failure failure;

    failure.for_good = is_truthy(wfs_json_get(error, "nonRetryable"));
    failure.name = failure.for_good ? "NonRetryableError" : "Error";
    failure.name_size = strlen(failure.name);
    failure.message = default_message;
    failure.message_size = strlen(default_message);
    if (!is_null(name))
        failure.name = text_of(now->arena, name, &failure.name_size);
    if (!is_null(message))
        failure.message = text_of(now->arena, message, &failure.message_size);
    return wfs_fail_with(now->run, &failure);
}

static wfs_status run_ops(replay *now, const wfs_json *ops, bool *returned);

/* Count a call of an op's callback, this one included. */
static int64_t count_call(case_world *world, const wfs_json *op,
                          const char *instance_id)
{
    call_count *count;
    char *id;

    for (count = world->calls; count != NULL; count = count->next) {
        if (count->op == op && strcmp(count->instance_id, instance_id) == 0)
            return ++count->calls;
    }
    count = (call_count *)wfs_arena_allocate(world->arena, sizeof *count);
    id = (char *)wfs_arena_allocate(world->arena, strlen(instance_id) + 1);
    if (count == NULL || id == NULL)
        return 1;                   /* the failed arena fails the case */
    count->op = op;
    count->instance_id = strcpy(id, instance_id);
    count->calls = 1;
    count->next = world->calls;
    world->calls = count;
    return 1;
}

typedef struct do_call {
    replay *now;
    const wfs_json *op;
    const wfs_json *calls;          /* this one included */
} do_call;

/* A field of the do op itself, in its callback. */
static const wfs_json *own_operand(const do_call *call, const char *name)
{
    replay *now = call->now;
    const wfs_json *outside = now->calls;
    const wfs_json *value;

    now->calls = call->calls;
    value = operand(now, call->op, name);
    now->calls = outside;
    return value;
}

static wfs_status do_body(const do_call *call)
{
    const wfs_json *fail_times = own_operand(call, "failTimes");
    replay *now = call->now;
    bool returned = false;

    if (is_number(fail_times) &&
        wfs_json_real(call->calls) <= wfs_json_real(fail_times))
        return throw_error(now, own_operand(call, "error"), "STEP_FAILED");
    WFS_TRY(run_ops(now, wfs_json_get(call->op, "body"), &returned));
    if (returned)
        return WFS_OK;
    return wfs_return(now->run, own_operand(call, "return"));
}

/* The callback of a do step. */
static wfs_status do_callback(wfs_run *run, void *user)
{
    do_call *call = (do_call *)user;
    replay *now = call->now;
    wfs_run *outside = now->run;
    wfs_status status;

    now->run = run;
    call->calls = wfs_json_new_integer(
        now->arena, count_call(now->world, call->op, wfs_instance_id(run)));
    status = do_body(call);
    now->run = outside;
    return status;
}

static wfs_backoff backoff_of(const wfs_json *name)
{
    const char *text = wfs_json_string(name, NULL);

    if (text != NULL && strcmp(text, "exponential") == 0)
        return WFS_BACKOFF_EXPONENTIAL;
    if (text != NULL && strcmp(text, "linear") == 0)
        return WFS_BACKOFF_LINEAR;
    return WFS_BACKOFF_CONSTANT;
}

static wfs_status run_do(replay *now, const wfs_json *op, bool *returned)
{
    const wfs_json *retries = operand(now, op, "retries");
    const wfs_json *delay = wfs_json_get(retries, "delay");
    const wfs_json *result = NULL;
    wfs_do_options options;
    const char *name;
    do_call call;

    (void)returned;
    memset(&options, 0, sizeof options);
    name = text_of(now->arena, operand(now, op, "name"), &options.name_size);
    options.retries.limit = wfs_json_integer(wfs_json_get(retries, "limit"));
    options.retries.delay = wfs_json_string(delay, NULL);
    options.retries.delay_ms = wfs_json_real(delay);
    options.retries.backoff = backoff_of(wfs_json_get(retries, "backoff"));
    call.now = now;
    call.op = op;
    call.calls = NULL;
    WFS_TRY(wfs_do(now->run, name, do_callback, &call, &options, &result));
    store(now, op, result);
    return WFS_OK;
}

static wfs_status run_sleep(replay *now, const wfs_json *op, bool *returned)
{
    const wfs_json *duration = operand(now, op, "duration");
    wfs_sleep_options options;
    const char *name;

    (void)returned;
    memset(&options, 0, sizeof options);
    name = text_of(now->arena, operand(now, op, "name"), &options.name_size);
    options.duration = wfs_json_string(duration, NULL);
    options.ms = wfs_json_real(duration);
    return wfs_sleep_with(now->run, name, &options);
}

static wfs_status run_sleep_until(replay *now, const wfs_json *op,
                                  bool *returned)
{
    wfs_sleep_options options;
    const char *name;

    (void)returned;
    memset(&options, 0, sizeof options);
    name = text_of(now->arena, operand(now, op, "name"), &options.name_size);
    options.has_until = true;
    options.until = wfs_json_integer(operand(now, op, "at"));
    return wfs_sleep_with(now->run, name, &options);
}

static wfs_status run_wait(replay *now, const wfs_json *op, bool *returned)
{
    const wfs_json *timeout = operand(now, op, "timeout");
    const wfs_json *event = NULL;
    wfs_wait_options options;
    const char *name;

    (void)returned;
    memset(&options, 0, sizeof options);
    name = text_of(now->arena, operand(now, op, "name"), &options.name_size);
    options.type = text_of(now->arena, operand(now, op, "type"), NULL);
    options.timeout = wfs_json_string(timeout, NULL);
    options.timeout_ms = wfs_json_real(timeout);
    WFS_TRY(wfs_wait_for_event(now->run, name, &options, &event));
    store(now, op, event);
    return WFS_OK;
}

static wfs_status run_throw(replay *now, const wfs_json *op, bool *returned)
{
    (void)returned;
    return throw_error(now, operand(now, op, "error"), "");
}

static wfs_status run_return(replay *now, const wfs_json *op, bool *returned)
{
    *returned = true;
    return wfs_return(now->run, operand(now, op, "value"));
}

static wfs_status run_set(replay *now, const wfs_json *op, bool *returned)
{
    (void)returned;
    store(now, op, operand(now, op, "value"));
    return WFS_OK;
}

static wfs_status run_if(replay *now, const wfs_json *op, bool *returned)
{
    bool holds = is_truthy(operand(now, op, "cond"));

    return run_ops(now, wfs_json_get(op, holds ? "then" : "else"), returned);
}

static wfs_status run_loop(replay *now, const wfs_json *op, bool *returned)
{
    double times = wfs_json_real(operand(now, op, "times"));
    const wfs_json *outside = now->index;
    wfs_status status = WFS_OK;
    int64_t i;

    for (i = 0; (double)i < times && status == WFS_OK && !*returned; i++) {
        now->index = wfs_json_new_integer(now->arena, i);
        status = run_ops(now, wfs_json_get(op, "body"), returned);
    }
    now->index = outside;
    return status;
}

static wfs_status run_try(replay *now, const wfs_json *op, bool *returned)
{
    wfs_status status = run_ops(now, wfs_json_get(op, "body"), returned);
    wfs_arena *arena = now->arena;
    const wfs_failure *failure;
    wfs_json *error;

    if (status != WFS_FAILED)
        return status;
    failure = wfs_run_error(now->run);
    error = wfs_json_new_object(arena);
    error = wfs_json_set(arena, error, "name",
                         wfs_json_new_string_n(arena, failure->name,
                                               failure->name_size));
    error = wfs_json_set(arena, error, "message",
                         wfs_json_new_string_n(arena, failure->message,
                                               failure->message_size));
    store(now, op, error);
    return run_ops(now, wfs_json_get(op, "catch"), returned);
}

static const struct {
    const char *name;
    wfs_status (*run)(replay *now, const wfs_json *op, bool *returned);
} known_ops[] = {
    {"do", run_do},
    {"sleep", run_sleep},
    {"sleepUntil", run_sleep_until},
    {"waitForEvent", run_wait},
    {"throw", run_throw},
    {"return", run_return},
    {"set", run_set},
    {"if", run_if},
    {"loop", run_loop},
    {"try", run_try},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static wfs_status run_op(replay *now, const wfs_json *op, bool *returned)
{
    const char *name = wfs_json_string(wfs_json_get(op, "op"), NULL);
    size_t i;

    for (i = 0; name != NULL && i < COUNT(known_ops); i++) {
        if (strcmp(name, known_ops[i].name) == 0)
            return known_ops[i].run(now, op, returned);
    }
    conf_problem(now->world->one, "unknown op %s", name != NULL ? name : "?");
    return WFS_ERR_ARGUMENT;
}

/* Run ops in order until one returns or does not end well. */
static wfs_status run_ops(replay *now, const wfs_json *ops, bool *returned)
{
    size_t i;

    for (i = 0; i < wfs_json_count(ops) && !*returned; i++)
        WFS_TRY(run_op(now, wfs_json_at(ops, i), returned));
    return WFS_OK;
}

/* What the program sees of the event that began the run. */
static wfs_json *initial_event(wfs_run *run, wfs_arena *arena)
{
    wfs_json *event = wfs_json_new_object(arena);

    event = wfs_json_set(arena, event, "payload", wfs_params(run));
    event = wfs_json_set(arena, event, "instanceId",
                         wfs_json_new_string(arena, wfs_instance_id(run)));
    return wfs_json_set(arena, event, "timestamp",
                        wfs_json_new_integer(arena, wfs_created_at(run)));
}

/* The one workflow function. */
static wfs_status run_program(wfs_run *run, void *user)
{
    program *program_of = (program *)user;
    bool returned = false;
    replay now;

    memset(&now, 0, sizeof now);
    now.world = program_of->world;
    now.run = run;
    now.arena = wfs_run_arena(run);
    now.vars = wfs_json_new_object(now.arena);
    now.event = initial_event(run, now.arena);
    now.calls = wfs_json_new_integer(now.arena, 0);
    return run_ops(&now, program_of->ops, &returned);
}

/* ------------------------------------------------------------------------
 * Inputs of scenario steps
 *
 * The user pointer of an entry is the case's JSON step. Callbacks resolve its
 * fields when the step runs.
 * --------------------------------------------------------------------- */

static bool look_up_variable(const references *from, const char *name,
                             const wfs_json *argument, const wfs_json **value)
{
    if (strcmp(name, "$var") != 0)
        return false;
    *value = follow((const wfs_json *)from->data, argument);
    return true;
}

static const wfs_json *field(wfs_arena *arena, const wfs_json *vars,
                             const wfs_json *step, const char *name)
{
    references from;

    from.arena = arena;
    from.data = vars;
    from.look_up = look_up_variable;
    return resolve(&from, wfs_json_get(step, name));
}

static const wfs_json *input(wfs_context *context, const char *name)
{
    return field(context->arena, context->vars,
                 (const wfs_json *)context->step->user, name);
}

/* A value as text for the library: "" for null. A character that no id has
 * stands for NUL, which a C text cannot hold, and before what is no string. */
static const char *plain_text(wfs_arena *arena, const wfs_json *value)
{
    const char never = '\1';
    size_t i, size;
    const char *text;
    char *copy;

    if (is_null(value))
        return "";
    text = text_of(arena, value, &size);
    if (is_string(value) && strlen(text) == size)
        return text;
    copy = (char *)wfs_arena_allocate(arena, size + 2);
    if (copy == NULL)
        return NULL;
    copy[0] = never;
    for (i = 0; i < size; i++)
        copy[i + 1] = text[i] != '\0' ? text[i] : never;
    copy[size + 1] = '\0';
    return copy;
}

static const char *input_text(wfs_context *context, const char *name)
{
    return plain_text(context->arena, input(context, name));
}

static const char *step_workflow(wfs_context *context)
{
    return input_text(context, "workflow");
}

static const char *step_id(wfs_context *context)
{
    return input_text(context, "id");
}

static const char *step_instance(wfs_context *context)
{
    return input_text(context, "instanceId");
}

static const char *step_reason(wfs_context *context)
{
    return input_text(context, "reason");
}

static const wfs_json *step_params(wfs_context *context)
{
    return input(context, "params");
}

/* To the library an empty type is a missing one, not a wrong one. */
static const char *step_event_type(wfs_context *context)
{
    const char *type = plain_text(
        context->arena, wfs_json_get(input(context, "event"), "type"));

    return type != NULL && type[0] == '\0' ? "\1" : type;
}

static const wfs_json *step_event_payload(wfs_context *context)
{
    return wfs_json_get(input(context, "event"), "payload");
}

/* To the library 0 is no time to set the clock to, so it is set here. */
static int64_t step_timestamp(wfs_context *context)
{
    int64_t timestamp = wfs_json_integer(input(context, "timestamp"));

    if (timestamp == 0)
        wfs_clock_set(context->clock, 0);
    return timestamp;
}

static int64_t step_set_to(wfs_context *context)
{
    return wfs_json_integer(input(context, "setTo"));
}

static int64_t step_max_ticks(wfs_context *context)
{
    return wfs_json_integer(input(context, "maxTicks"));
}

static const wfs_batch_item *step_instances(wfs_context *context)
{
    const wfs_json *item, *params, *list = input(context, "instances");
    size_t i, count = wfs_json_count(list);
    wfs_batch_item *items = (wfs_batch_item *)wfs_arena_allocate(
        context->arena, (count + 1) * sizeof *items);

    if (items == NULL)
        return NULL;
    memset(items, 0, (count + 1) * sizeof *items);
    for (i = 0; i < count; i++) {
        item = wfs_json_at(list, i);
        params = wfs_json_get(item, "params");
        items[i].id = plain_text(context->arena, wfs_json_get(item, "id"));
        if (params != NULL)
            items[i].params = wfs_json_write(context->arena, params, 0, NULL);
    }
    return items;
}

/* Where a duration in a number is: `duration` or `advanceBy`. */
static const wfs_json *input_duration(wfs_context *context)
{
    const wfs_json *duration = input(context, "duration");

    return duration != NULL ? duration : input(context, "advanceBy");
}

/* Blanks around a duration do not count; to the library an empty one is a
 * missing one. */
static const char *step_duration(wfs_context *context)
{
    const wfs_json *duration = input_duration(context);
    const char *text = is_number(duration)
                           ? wfs_json_write(context->arena, duration, 0, NULL)
                           : plain_text(context->arena, duration);

    return text != NULL && text[0] == '\0' ? " " : text;
}

/* For a number that a duration in text cannot say: a negative one. */
static int64_t step_moved_clock(wfs_context *context)
{
    double now = (double)wfs_clock_now(context->clock);
    double moved = now + wfs_json_real(input_duration(context));

    return (int64_t)moved;
}

static wfs_reason reason_of(const char *name)
{
    int i;

    for (i = WFS_REASON_NONE + 1; i < WFS_REASON_COUNT; i++) {
        if (strcmp(name, wfs_reason_name((wfs_reason)i)) == 0)
            return (wfs_reason)i;
    }
    return WFS_REASON_NONE;
}

static bool payload_of_hook(wfs_context *context, int64_t number,
                            wfs_payload *payload)
{
    wfs_store *store_of = wfs_harness_store(context->harness);
    wfs_row row;

    if (number < 1 || number > UINT32_MAX ||
        wfs_get(store_of, "workflow_hook", (wfs_row_id)number, &row) !=
            WFS_OK) {
        context->error->code = WFS_ERR_ROW_NOT_FOUND;
        snprintf(context->error->message, sizeof context->error->message,
                 "there is no hook %ld", (long)number);
        return false;
    }
    payload->workflow = wfs_row_text(&row, "workflowName");
    payload->instance_id = wfs_row_text(&row, "instanceId");
    payload->instance_ref = (wfs_row_id)wfs_row_integer(&row, "instanceRef");
    payload->run_number = wfs_row_integer(&row, "runNumber");
    payload->reason = reason_of(wfs_row_text(&row, "reason"));
    return true;
}

/* What is not given is as the instance has it; without one, run 0 and a
 * reference that matches nothing. */
static void payload_of_fields(wfs_context *context, const wfs_json *given,
                              wfs_payload *payload)
{
    const wfs_json *run_number = wfs_json_get(given, "runNumber");
    const wfs_json *instance_ref = wfs_json_get(given, "instanceRef");
    const char *workflow = plain_text(context->arena,
                                      wfs_json_get(given, "workflow"));
    const char *id = plain_text(context->arena,
                                wfs_json_get(given, "instanceId"));
    const char *reason = plain_text(context->arena,
                                    wfs_json_get(given, "reason"));

    if (wfs_build_payload(context->harness, workflow, id, reason_of(reason),
                          payload) != WFS_OK) {
        memset(payload, 0, sizeof *payload);
        payload->workflow = workflow;
        payload->instance_id = id;
        payload->reason = reason_of(reason);
    }
    if (!is_null(run_number))
        payload->run_number = wfs_json_integer(run_number);
    if (!is_null(instance_ref))
        payload->instance_ref = (wfs_row_id)wfs_json_integer(instance_ref);
}

static const wfs_payload *step_payload(wfs_context *context)
{
    const wfs_json *given = input(context, "payload");
    const wfs_json *hook = wfs_json_get(given, "hook");
    wfs_payload *payload = (wfs_payload *)wfs_arena_allocate(context->arena,
                                                             sizeof *payload);

    if (payload == NULL)
        return NULL;
    memset(payload, 0, sizeof *payload);
    if (is_null(hook))
        payload_of_fields(context, given, payload);
    else if (!payload_of_hook(context, wfs_json_integer(hook), payload))
        return NULL;
    return payload;
}

static bool text_is(const wfs_json *value, const char *text)
{
    const char *found = wfs_json_string(value, NULL);

    return found != NULL && strcmp(found, text) == 0;
}

static const wfs_read_options *step_options(wfs_context *context)
{
    const wfs_json *given = input(context, "options");
    const wfs_json *run_number = wfs_json_get(given, "runNumber");
    wfs_read_options *options = (wfs_read_options *)wfs_arena_allocate(
        context->arena, sizeof *options);

    if (options == NULL)
        return NULL;
    memset(options, 0, sizeof *options);
    options->has_run_number = !is_null(run_number);
    options->run_number = wfs_json_integer(run_number);
    options->page_size = (size_t)wfs_json_integer(
        wfs_json_get(given, "pageSize"));
    if (text_is(wfs_json_get(given, "order"), "desc"))
        options->order = WFS_DESCENDING;
    return options;
}

/* ------------------------------------------------------------------------
 * Steps that only read
 * --------------------------------------------------------------------- */

static const wfs_json *read_now(wfs_context *context)
{
    return wfs_json_new_integer(context->arena, wfs_clock_now(context->clock));
}

static const wfs_json *read_instance(wfs_context *context)
{
    const wfs_instance *instance = wfs_context_instance(
        context, step_workflow(context), step_instance(context));

    return instance != NULL ? wfs_instance_to_json(context->arena, instance)
                            : NULL;
}

static const wfs_json *read_steps(wfs_context *context)
{
    wfs_arena *arena = context->arena;
    wfs_json *rows = wfs_json_new_array(arena);
    size_t i, count = 0;
    const wfs_step *steps = wfs_context_steps(
        context, step_workflow(context), step_instance(context),
        step_options(context), &count);

    if (steps == NULL && context->error->code != WFS_OK)
        return NULL;
    for (i = 0; i < count; i++)
        rows = wfs_json_append(arena, rows, wfs_step_to_json(arena, &steps[i]));
    return rows;
}

/* An object without one of its members. */
static wfs_json *without(wfs_arena *arena, const wfs_json *object,
                         const char *key)
{
    conf_place at = {NULL, object, 0};

    at.place = conf_key_place(object, key, strlen(key), 0);
    return conf_changed(arena, &at, CONF_DROP, NULL);
}

static const wfs_json *read_events(wfs_context *context)
{
    wfs_arena *arena = context->arena;
    wfs_json *row, *rows = wfs_json_new_array(arena);
    size_t i, count = 0;
    const wfs_event *events = wfs_context_events(
        context, step_workflow(context), step_instance(context),
        step_options(context), &count);

    if (events == NULL && context->error->code != WFS_OK)
        return NULL;
    for (i = 0; i < count; i++) {
        row = wfs_event_to_json(arena, &events[i]);
        rows = wfs_json_append(arena, rows, without(arena, row, "actor"));
    }
    return rows;
}

static wfs_hook_status hook_status_of(const char *name)
{
    int i;

    for (i = WFS_HOOK_ANY + 1; i < WFS_HOOK_STATUS_COUNT; i++) {
        if (strcmp(name, wfs_hook_status_name((wfs_hook_status)i)) == 0)
            return (wfs_hook_status)i;
    }
    return WFS_HOOK_ANY;
}

/* The text of an option, NULL when it is not given. */
static const char *option_text(wfs_context *context, const char *name)
{
    const wfs_json *value = wfs_json_get(input(context, "options"), name);

    return is_truthy(value) ? plain_text(context->arena, value) : NULL;
}

/* By the name alone: a workflow's key is not its name, and a name that no
 * workflow has finds nothing. */
static bool is_hook_of(const wfs_hook *hook, const char *workflow_name)
{
    return workflow_name == NULL ||
           (hook->workflow_name != NULL &&
            strcmp(hook->workflow_name, workflow_name) == 0);
}

static const wfs_json *read_hooks(wfs_context *context)
{
    wfs_arena *arena = context->arena;
    const char *workflow = option_text(context, "workflowName");
    const char *status = option_text(context, "status");
    wfs_json *row, *rows = wfs_json_new_array(arena);
    wfs_hook_filter filter;
    const wfs_hook *hooks;
    size_t i, count = 0;

    memset(&filter, 0, sizeof filter);
    filter.hook_name = option_text(context, "hookName");
    filter.instance_id = option_text(context, "instanceId");
    if (status != NULL)
        filter.status = hook_status_of(status);
    if (status != NULL && filter.status == WFS_HOOK_ANY)
        return rows;
    hooks = wfs_context_hooks(context, &filter, &count);
    if (hooks == NULL && context->error->code != WFS_OK)
        return NULL;
    for (i = 0; i < count; i++) {
        if (!is_hook_of(&hooks[i], workflow))
            continue;
        row = wfs_hook_to_json(arena, &hooks[i]);
        rows = wfs_json_append(arena, rows, without(arena, row, "namespace"));
    }
    return rows;
}

static wfs_instance_status instance_status_of(const char *name)
{
    int i;

    for (i = WFS_INSTANCE_ANY + 1; i < WFS_INSTANCE_STATUS_COUNT; i++) {
        if (strcmp(name, wfs_instance_status_name((wfs_instance_status)i)) ==
            0)
            return (wfs_instance_status)i;
    }
    return WFS_INSTANCE_ANY;
}

static wfs_json *list_entry(wfs_arena *arena, const wfs_instance *instance)
{
    const char *status = wfs_instance_status_name(instance->status);
    wfs_json *details = wfs_json_set(arena, wfs_json_new_object(arena),
                                     "status",
                                     wfs_json_new_string(arena, status));
    wfs_json *entry = wfs_json_new_object(arena);

    entry = wfs_json_set(arena, entry, "id",
                         wfs_json_new_string(arena, instance->instance_id));
    entry = wfs_json_set(arena, entry, "details", details);
    return wfs_json_set(arena, entry, "createdAt",
                        wfs_json_new_integer(arena, instance->created_at));
}

static const wfs_json *read_list(wfs_context *context)
{
    wfs_arena *arena = context->arena;
    wfs_json *result = wfs_json_new_object(arena);
    wfs_json *entries = wfs_json_new_array(arena);
    wfs_list_options options;
    wfs_instance_list list;
    size_t i;

    memset(&options, 0, sizeof options);
    options.status = instance_status_of(input_text(context, "status"));
    options.page_size = (size_t)wfs_json_integer(input(context, "pageSize"));
    if (wfs_list_instances(context->harness, step_workflow(context), &options,
                           &list) != WFS_OK) {
        *context->error = *wfs_harness_error(context->harness);
        return NULL;
    }
    for (i = 0; i < list.count; i++)
        entries = wfs_json_append(arena, entries,
                                  list_entry(arena, &list.instances[i]));
    result = wfs_json_set(arena, result, "instances", entries);
    result = wfs_json_set(arena, result, "hasNextPage",
                          wfs_json_new_bool(arena, list.has_next_page));
    return wfs_json_set(arena, result, "hasCursor",
                        wfs_json_new_bool(arena, list.cursor != NULL));
}

/* ------------------------------------------------------------------------
 * Entries: scenario steps of the library made from steps of the case
 * --------------------------------------------------------------------- */

enum {
    TAKES_ID = 1,           /* of a new instance */
    TAKES_INSTANCE = 2,
    TAKES_BATCH = 4,
    TAKES_EVENT = 8,
    TAKES_PAYLOAD = 16,     /* and reason */
    TAKES_TIMESTAMP = 32,
    TAKES_TICKS = 64,
    TAKES_OPTIONS = 128,
    TAKES_DURATION = 256,
    TAKES_ADVANCE = 512,    /* advanceBy, setTo */
    BY_ROUTE = 1024,        /* its errors were recorded with a route's text */
    TAKES_RUN = TAKES_TIMESTAMP | TAKES_TICKS
};

typedef struct step_type {
    const char *name;
    wfs_scenario_kind kind;
    unsigned takes;
    wfs_json_from read;
} step_type;

static const step_type step_types[] = {
    {"create", WFS_SCENARIO_CREATE, TAKES_ID | BY_ROUTE, NULL},
    {"createBatch", WFS_SCENARIO_CREATE_BATCH, TAKES_BATCH | BY_ROUTE, NULL},
    {"event", WFS_SCENARIO_EVENT, TAKES_INSTANCE | TAKES_EVENT | BY_ROUTE,
     NULL},
    {"pause", WFS_SCENARIO_PAUSE, TAKES_INSTANCE, NULL},
    {"resume", WFS_SCENARIO_RESUME, TAKES_INSTANCE, NULL},
    {"terminate", WFS_SCENARIO_TERMINATE, TAKES_INSTANCE, NULL},
    {"restart", WFS_SCENARIO_RESTART, TAKES_INSTANCE, NULL},
    {"tick", WFS_SCENARIO_TICK,
     TAKES_INSTANCE | TAKES_PAYLOAD | TAKES_TIMESTAMP, NULL},
    {"runUntilIdle", WFS_SCENARIO_RUN_UNTIL_IDLE,
     TAKES_INSTANCE | TAKES_PAYLOAD | TAKES_RUN, NULL},
    {"status", WFS_SCENARIO_STATUS, TAKES_INSTANCE | BY_ROUTE, NULL},
    {"history", WFS_SCENARIO_HISTORY, TAKES_INSTANCE | TAKES_OPTIONS, NULL},
    {"advanceTime", WFS_SCENARIO_ADVANCE_TIME, TAKES_DURATION, NULL},
    {"setTime", WFS_SCENARIO_SET_TIME, TAKES_TIMESTAMP, NULL},
    {"initializeAndRunUntilIdle", WFS_SCENARIO_INITIALIZE_AND_RUN,
     TAKES_ID | TAKES_RUN | BY_ROUTE, NULL},
    {"eventAndRunUntilIdle", WFS_SCENARIO_EVENT_AND_RUN,
     TAKES_INSTANCE | TAKES_EVENT | TAKES_RUN | BY_ROUTE, NULL},
    {"resumeAndRunUntilIdle", WFS_SCENARIO_RESUME_AND_RUN,
     TAKES_INSTANCE | TAKES_RUN, NULL},
    {"runCreateUntilIdle", WFS_SCENARIO_RUN_CREATE,
     TAKES_INSTANCE | TAKES_RUN, NULL},
    {"runResumeUntilIdle", WFS_SCENARIO_RUN_RESUME,
     TAKES_INSTANCE | TAKES_RUN, NULL},
    {"retryAndRunUntilIdle", WFS_SCENARIO_RETRY_AND_RUN,
     TAKES_INSTANCE | TAKES_RUN, NULL},
    {"advanceTimeAndRunUntilIdle", WFS_SCENARIO_ADVANCE_AND_RUN,
     TAKES_INSTANCE | TAKES_ADVANCE | TAKES_TICKS, NULL},
    {"now", WFS_SCENARIO_READ, 0, read_now},
    {"getInstance", WFS_SCENARIO_READ, 0, read_instance},
    {"getSteps", WFS_SCENARIO_READ, 0, read_steps},
    {"getEvents", WFS_SCENARIO_READ, 0, read_events},
    {"getHooks", WFS_SCENARIO_READ, 0, read_hooks},
    {"list", WFS_SCENARIO_READ, 0, read_list},
};

static const step_type *type_of_step(const wfs_json *step)
{
    size_t i;

    for (i = 0; i < COUNT(step_types); i++) {
        if (text_is(wfs_json_get(step, "type"), step_types[i].name))
            return &step_types[i];
    }
    return NULL;
}

/* A step of the case that is made into an entry. */
typedef struct making {
    wfs_arena *arena;
    const wfs_json *vars;
    const wfs_json *step;
    wfs_scenario_step *entry;
} making;

static const wfs_json *made_field(const making *make, const char *name)
{
    return field(make->arena, make->vars, make->step, name);
}

static bool is_given(const making *make, const char *name)
{
    return !is_null(made_field(make, name));
}

static const char *made_text(const making *make, const char *name)
{
    return is_given(make, name)
               ? plain_text(make->arena, made_field(make, name))
               : NULL;
}

/* A duration in text cannot be negative, nor have an exponent. */
static bool needs_moved_clock(const making *make, const wfs_json *duration)
{
    const char *text;

    if (!is_number(duration))
        return false;
    text = wfs_json_write(make->arena, duration, 0, NULL);
    return text != NULL && strpbrk(text, "-e") != NULL;
}

static void make_duration(const making *make)
{
    if (needs_moved_clock(make, made_field(make, "duration"))) {
        make->entry->kind = WFS_SCENARIO_SET_TIME;
        make->entry->timestamp_from = step_moved_clock;
    } else {
        make->entry->duration_from = step_duration;
    }
}

static void make_advance(const making *make)
{
    const wfs_json *by = made_field(make, "advanceBy");
    bool set_to = is_truthy(made_field(make, "setTo"));

    if (set_to)
        make->entry->timestamp_from = step_set_to;
    if (is_truthy(by) && !set_to && needs_moved_clock(make, by))
        make->entry->timestamp_from = step_moved_clock;
    else if (is_truthy(by))
        make->entry->duration_from = step_duration;
}

static void make_target(const making *make, unsigned takes)
{
    wfs_scenario_step *entry = make->entry;

    if ((takes & TAKES_PAYLOAD) != 0 && is_given(make, "payload")) {
        entry->tick_payload_from = step_payload;
        return;
    }
    if (is_given(make, "workflow"))
        entry->workflow_from = step_workflow;
    if ((takes & TAKES_INSTANCE) != 0 && is_given(make, "instanceId"))
        entry->id_from = step_instance;
    if ((takes & TAKES_PAYLOAD) != 0 && is_given(make, "reason"))
        entry->reason_from = step_reason;
}

static void make_inputs(const making *make, unsigned takes)
{
    wfs_scenario_step *entry = make->entry;

    if ((takes & TAKES_ID) != 0 && is_truthy(made_field(make, "id")))
        entry->id_from = step_id;
    if ((takes & TAKES_ID) != 0 && is_given(make, "params"))
        entry->params_from = step_params;
    if ((takes & TAKES_BATCH) != 0)
        entry->instances_from = step_instances;
    if ((takes & TAKES_EVENT) != 0) {
        entry->type_from = step_event_type;
        if (!is_null(wfs_json_get(made_field(make, "event"), "payload")))
            entry->payload_from = step_event_payload;
    }
    if ((takes & TAKES_TIMESTAMP) != 0 && is_given(make, "timestamp"))
        entry->timestamp_from = step_timestamp;
    if ((takes & TAKES_TICKS) != 0 && is_given(make, "maxTicks"))
        entry->max_ticks_from = step_max_ticks;
    if ((takes & TAKES_OPTIONS) != 0 && is_given(make, "options"))
        entry->options_from = step_options;
    if ((takes & TAKES_DURATION) != 0)
        make_duration(make);
    if ((takes & TAKES_ADVANCE) != 0)
        make_advance(make);
}

/* Make an entry. What is null counts as not given, and a reference may lead
 * to null; so an entry is made once more, with the variables as they then
 * are, just before it runs. */
static void make_entry(wfs_arena *arena, const wfs_json *vars,
                       const wfs_json *step, wfs_scenario_step *entry)
{
    const step_type *type = type_of_step(step);
    making make;

    make.arena = arena;
    make.vars = vars;
    make.step = step;
    make.entry = entry;
    memset(entry, 0, sizeof *entry);
    entry->kind = type->kind;
    entry->read = type->read;
    entry->user = (void *)step;
    entry->store_as = made_text(&make, "storeAs");
    entry->run_store_as = made_text(&make, "runStoreAs");
    if (type->read == NULL) {
        make_target(&make, type->takes);
        make_inputs(&make, type->takes);
    }
}

/* ------------------------------------------------------------------------
 * Results
 * --------------------------------------------------------------------- */

#define ROUTE_ERROR(text) "Expected json response, received error (" text ")"
#define INVALID ROUTE_ERROR("FRAGNO_VALIDATION_ERROR: Validation failed")

/* The texts that were recorded for the library's codes: by a route, and by a
 * call of a service. */
static const struct {
    wfs_status status;
    const char *by_route;
    const char *direct;
} recorded_texts[] = {
    {WFS_ERR_VALIDATION, INVALID, NULL},
    {WFS_ERR_LIMIT, INVALID, NULL},
    {WFS_ERR_INSTANCE_ID_ALREADY_EXISTS,
     ROUTE_ERROR("INSTANCE_ID_ALREADY_EXISTS: Instance already exists"), NULL},
    {WFS_ERR_INSTANCE_TERMINAL,
     ROUTE_ERROR("INSTANCE_TERMINAL: Instance is terminal"), NULL},
    {WFS_ERR_INSTANCE_NOT_FOUND,
     ROUTE_ERROR("INSTANCE_NOT_FOUND: Instance not found"),
     "INSTANCE_NOT_FOUND"},
};

static const char *recorded_text(wfs_status status, bool by_route)
{
    size_t i;

    for (i = 0; i < COUNT(recorded_texts); i++) {
        if (recorded_texts[i].status == status)
            return by_route ? recorded_texts[i].by_route
                            : recorded_texts[i].direct;
    }
    return NULL;
}

static const wfs_json *joined(wfs_arena *arena, const char *text,
                              const char *more, size_t more_size)
{
    size_t size = strlen(text);
    char *all = (char *)wfs_arena_allocate(arena, size + more_size + 1);

    if (all == NULL)
        return NULL;
    memcpy(all, text, size);
    memcpy(all + size, more, more_size);
    return wfs_json_new_string_n(arena, all, size + more_size);
}

/* "WORKFLOW_NOT_FOUND: " and the workflow as the step has it. */
static const wfs_json *unknown_workflow(const making *make)
{
    const wfs_json *payload = made_field(make, "payload");
    const wfs_json *workflow = is_null(payload)
                                   ? made_field(make, "workflow")
                                   : wfs_json_get(payload, "workflow");
    size_t size;
    const char *text = text_of(make->arena, workflow, &size);

    return joined(make->arena, "WORKFLOW_NOT_FOUND: ", text, size);
}

static const wfs_json *error_message(const making *make,
                                     const wfs_step_result *result)
{
    bool by_route = (type_of_step(make->step)->takes & BY_ROUTE) != 0;
    const char *text = recorded_text(result->status, by_route);
    const char *message = result->message != NULL ? result->message : "";

    if (text != NULL)
        return wfs_json_new_string(make->arena, text);
    if (result->status == WFS_ERR_WORKFLOW_NOT_FOUND)
        return unknown_workflow(make);
    if (result->status == WFS_ERR_DURATION ||
        result->status == WFS_ERR_ARGUMENT)
        return wfs_json_new_string(make->arena, message);
    return joined(make->arena, wfs_status_name(result->status), message,
                  strlen(message));
}

/* {"ok": value} or {"error": {name, message}}. */
static wfs_json *result_of(const making *make, const wfs_step_result *result)
{
    wfs_arena *arena = make->arena;
    wfs_json *object = wfs_json_new_object(arena);
    wfs_json *error;

    if (result->status == WFS_OK)
        return wfs_json_set(arena, object, "ok", result->value);
    error = wfs_json_new_object(arena);
    error = wfs_json_set(arena, error, "name",
                         wfs_json_new_string(arena, "Error"));
    error = wfs_json_set(arena, error, "message", error_message(make, result));
    return wfs_json_set(arena, object, "error", error);
}

/* Keep the id that a step has drawn. */
static void keep_generated(case_world *world, const making *make,
                           const wfs_step_result *result)
{
    const wfs_scenario_step *entry = make->entry;
    const wfs_json *id = result->value;

    if (entry->id_from != NULL || result->status != WFS_OK)
        return;
    if (entry->kind == WFS_SCENARIO_INITIALIZE_AND_RUN)
        id = wfs_json_get(id, "value");
    else if (entry->kind != WFS_SCENARIO_CREATE)
        return;
    if (is_string(id))
        world->generated = wfs_json_append(
            world->arena, (wfs_json *)world->generated,
            wfs_json_copy(world->arena, id));
}

/* The next of the ids drawn in a text, from `start` on; its place among them,
 * or how many there are when none comes. */
static size_t next_generated(const wfs_json *ids, const char *text,
                             size_t size, size_t start, size_t *found_at)
{
    size_t i, id_size, count = wfs_json_count(ids);
    const char *id;

    for (*found_at = start; *found_at < size; ++*found_at) {
        for (i = 0; i < count; i++) {
            id = wfs_json_string(wfs_json_at(ids, i), &id_size);
            if (id_size <= size - *found_at &&
                memcmp(text + *found_at, id, id_size) == 0)
                return i;
        }
    }
    return count;
}

/* A text with "<generated:n>" in place of the ids drawn. */
static const wfs_json *renamed_text(case_world *world, const char *text,
                                    size_t size)
{
    const wfs_json *ids = world->generated;
    wfs_arena *arena = world->arena;
    const wfs_json *so_far = wfs_json_new_string(arena, "");
    size_t start = 0, at = 0, which, id_size;
    char placeholder[40];

    for (;;) {
        which = next_generated(ids, text, size, start, &at);
        so_far = joined(arena, wfs_json_string(so_far, NULL), text + start,
                        at - start);
        if (which == wfs_json_count(ids) || so_far == NULL)
            return so_far;
        snprintf(placeholder, sizeof placeholder, "<generated:%lu>",
                 (unsigned long)which + 1);
        so_far = joined(arena, wfs_json_string(so_far, NULL), placeholder,
                        strlen(placeholder));
        (void)wfs_json_string(wfs_json_at(ids, which), &id_size);
        start = at + id_size;
    }
}

/* A copy in the case's arena, with the ids drawn renamed. */
static const wfs_json *renamed(case_world *world, const wfs_json *value)
{
    wfs_json_type type = wfs_json_type_of(value);
    wfs_arena *arena = world->arena;
    const wfs_json *key;
    wfs_json *copy;
    const char *text;
    size_t i, size;

    if (wfs_json_count(world->generated) == 0)
        return wfs_json_copy(arena, value);
    if (type == WFS_JSON_STRING) {
        text = wfs_json_string(value, &size);
        return renamed_text(world, text, size);
    }
    if (type != WFS_JSON_ARRAY && type != WFS_JSON_OBJECT)
        return wfs_json_copy(arena, value);
    copy = type == WFS_JSON_ARRAY ? wfs_json_new_array(arena)
                                  : wfs_json_new_object(arena);
    for (i = 0; i < wfs_json_count(value); i++) {
        if (type == WFS_JSON_ARRAY) {
            copy = wfs_json_append(arena, copy,
                                   renamed(world, wfs_json_at(value, i)));
            continue;
        }
        text = wfs_json_key_at(value, i, &size);
        key = renamed_text(world, text, size);
        text = wfs_json_string(key, &size);
        copy = wfs_json_set_n(arena, copy, text, size,
                              renamed(world, wfs_json_at(value, i)));
    }
    return copy;
}

/* ------------------------------------------------------------------------
 * Tables
 * --------------------------------------------------------------------- */

static const char *const instance_columns[] = {
    "instanceId", "workflowName", "status", "createdAt", "updatedAt",
    "startedAt", "completedAt", "params", "output", "errorName",
    "errorMessage", "pauseRequested", "runNumber", NULL};

static const char *const step_columns[] = {
    "instanceRef", "workflowName", "instanceId", "runNumber", "stepKey",
    "name", "type", "status", "attempts", "maxAttempts", "timeoutMs",
    "nextRetryAt", "wakeAt", "waitEventType", "result", "errorName",
    "errorMessage", "createdAt", "updatedAt", NULL};

static const char *const event_columns[] = {
    "instanceRef", "workflowName", "instanceId", "runNumber", "actor", "type",
    "payload", "createdAt", "deliveredAt", "consumedByStepKey", NULL};

static const char *const hook_columns[] = {
    "hookName", "workflowName", "instanceId", "instanceRef", "runNumber",
    "reason", "status", "attempts", "maxAttempts", "lastAttemptAt",
    "nextRetryAt", "error", "createdAt", NULL};

/* The recorded engine has no such bounds. */
static wfs_limits no_limits(void)
{
    wfs_limits limits;

    memset(&limits, 0, sizeof limits);
    limits.json_depth = CONF_DEPTH;
    limits.json_size = (size_t)1 << 30;
    limits.name_size = (size_t)1 << 30;
    return limits;
}

static const wfs_json *column_value(wfs_arena *arena, const wfs_row *row,
                                    const char *column)
{
    wfs_value value = wfs_row_value(row, column);
    wfs_limits limits;

    switch (value.type) {
    case WFS_BOOL:
        return wfs_json_new_bool(arena, value.integer != 0);
    case WFS_INTEGER:
    case WFS_TIME:
    case WFS_REFERENCE:
        return wfs_json_new_integer(arena, value.integer);
    case WFS_REAL:
        return wfs_json_new_real(arena, value.real);
    case WFS_TEXT:
        return wfs_json_new_string_n(arena, value.text, value.size);
    case WFS_JSON:
        limits = no_limits();
        return wfs_json_parse(arena, value.text, value.size, &limits, NULL);
    default:
        return null_value(arena);
    }
}

static wfs_json *row_object(wfs_arena *arena, const wfs_row *row,
                            const char *const *columns)
{
    wfs_json *object = wfs_json_set(
        arena, wfs_json_new_object(arena), "id",
        wfs_json_new_integer(arena, (int64_t)row->id));

    for (; *columns != NULL; columns++)
        object = wfs_json_set(arena, object, *columns,
                              column_value(arena, row, *columns));
    return object;
}

static wfs_json *pick(wfs_arena *arena, const wfs_json *row,
                      const char *const *columns)
{
    wfs_json *object = wfs_json_new_object(arena);

    for (; *columns != NULL; columns++)
        object = wfs_json_set(arena, object, *columns,
                              wfs_json_get(row, *columns));
    return object;
}

/* A hook's row as it was recorded: with its payload as one object. */
static wfs_json *hook_shape(wfs_arena *arena, const wfs_json *row)
{
    static const char *const columns[] = {
        "id", "hookName", "payload", "status", "attempts", "maxAttempts",
        "lastAttemptAt", "nextRetryAt", "error", "createdAt", NULL};
    static const char *const payload[] = {"workflowName", "instanceId",
                                          "instanceRef", "runNumber",
                                          "reason", NULL};

    return wfs_json_set(arena, pick(arena, row, columns), "payload",
                        pick(arena, row, payload));
}

static const wfs_json *table_rows(case_world *world, wfs_store *from,
                                  const char *table,
                                  const char *const *columns)
{
    wfs_arena *arena = world->arena;
    wfs_json *object, *rows = wfs_json_new_array(arena);
    wfs_query query;
    wfs_cursor *cursor;
    wfs_status status;
    wfs_row row;

    memset(&query, 0, sizeof query);
    query.table = table;
    status = wfs_cursor_open(from, &query, &cursor);
    if (status != WFS_OK) {
        conf_problem(world->one, "table %s: %s", table,
                     wfs_status_name(status));
        return rows;
    }
    while ((status = wfs_cursor_next(cursor, &row)) == WFS_OK) {
        object = row_object(arena, &row, columns);
        if (columns == hook_columns)
            object = hook_shape(arena, object);
        rows = wfs_json_append(arena, rows, object);
    }
    if (status != WFS_DONE)
        conf_problem(world->one, "table %s: %s", table,
                     wfs_status_name(status));
    wfs_cursor_close(cursor);
    return rows;
}

static wfs_json *all_tables(case_world *world, wfs_store *from)
{
    static const struct {
        const char *recorded_as, *name;
        const char *const *columns;
    } tables[] = {
        {"workflow_instance", "workflow_instance", instance_columns},
        {"workflow_step", "workflow_step", step_columns},
        {"workflow_event", "workflow_event", event_columns},
        {"hooks", "workflow_hook", hook_columns},
    };
    wfs_json *all = wfs_json_new_object(world->arena);
    size_t i;

    for (i = 0; i < COUNT(tables); i++)
        all = wfs_json_set(world->arena, all, tables[i].recorded_as,
                           table_rows(world, from, tables[i].name,
                                      tables[i].columns));
    return all;
}

/* ------------------------------------------------------------------------
 * A case
 * --------------------------------------------------------------------- */

static wfs_workflow *case_workflows(case_world *world)
{
    const wfs_json *all = wfs_json_get(world->one->json, "workflows");
    size_t i, count = wfs_json_count(all);
    wfs_workflow *workflows = (wfs_workflow *)wfs_arena_allocate(
        world->arena, (count + 1) * sizeof *workflows);
    program *programs = (program *)wfs_arena_allocate(
        world->arena, (count + 1) * sizeof *programs);

    if (workflows == NULL || programs == NULL)
        return NULL;
    memset(workflows, 0, (count + 1) * sizeof *workflows);
    for (i = 0; i < count; i++) {
        programs[i].world = world;
        programs[i].ops = wfs_json_get(wfs_json_at(all, i), "program");
        workflows[i].key = wfs_json_key_at(all, i, NULL);
        workflows[i].name = wfs_json_string(
            wfs_json_get(wfs_json_at(all, i), "name"), NULL);
        workflows[i].run = run_program;
        workflows[i].user = &programs[i];
    }
    return workflows;
}

static wfs_scenario_step *case_entries(case_world *world)
{
    const wfs_json *vars = wfs_json_new_object(world->arena);
    const wfs_json *step, *steps = wfs_json_get(world->one->json, "steps");
    size_t i, count = wfs_json_count(steps);
    wfs_scenario_step *entries = (wfs_scenario_step *)wfs_arena_allocate(
        world->arena, (count + 1) * sizeof *entries);

    if (entries == NULL)
        return NULL;
    memset(entries, 0, (count + 1) * sizeof *entries);
    for (i = 0; i < count; i++) {
        step = wfs_json_at(steps, i);
        if (type_of_step(step) == NULL) {
            conf_problem(world->one, "steps[%lu]: unknown type",
                         (unsigned long)i);
            return NULL;
        }
        make_entry(world->arena, vars, step, &entries[i]);
    }
    return entries;
}

/* Run the steps one by one, until one fails. */
static wfs_json *run_steps(case_world *world, wfs_runner *runner,
                           wfs_scenario_step *entries)
{
    const wfs_json *steps = wfs_json_get(world->one->json, "steps");
    wfs_json *results = wfs_json_new_array(world->arena);
    wfs_status status = WFS_OK;
    const wfs_step_result *result;
    making make;
    size_t i;

    make.arena = world->arena;
    for (i = 0; i < wfs_json_count(steps) && status == WFS_OK; i++) {
        make.vars = wfs_runner_result(runner)->vars;
        make.step = wfs_json_at(steps, i);
        make.entry = &entries[i];
        make_entry(make.arena, make.vars, make.step, make.entry);
        /* What the step stores must not change what it was given. */
        make.vars = wfs_json_copy(make.arena, make.vars);
        result = NULL;
        status = wfs_runner_next(runner, &result);
        if (result == NULL) {
            conf_problem(world->one, "steps[%lu]: %s", (unsigned long)i,
                         wfs_status_name(status));
            return results;
        }
        results = wfs_json_append(world->arena, results,
                                  result_of(&make, result));
        keep_generated(world, &make, result);
    }
    return results;
}

static void observe(case_world *world, wfs_runner *runner,
                    wfs_scenario_step *entries)
{
    wfs_harness *harness = wfs_runner_harness(runner);
    wfs_json *observed = wfs_json_new_object(world->arena);
    wfs_arena *arena = world->arena;
    wfs_status status;

    observed = wfs_json_set(arena, observed, "results",
                            run_steps(world, runner, entries));
    status = wfs_process_hooks(harness, NULL);
    if (status != WFS_OK)
        conf_problem(world->one, "the last hooks: %s: %s",
                     wfs_status_name(status),
                     wfs_harness_error(harness)->message);
    observed = wfs_json_set(arena, observed, "vars",
                            wfs_runner_result(runner)->vars);
    observed = wfs_json_set(arena, observed, "tables",
                            all_tables(world, wfs_harness_store(harness)));
    world->one->actual = renamed(world, observed);
}

static void run_case(conf_case *one)
{
    const wfs_json *name = wfs_json_get(one->json, "name");
    const wfs_json *start = wfs_json_get(one->json, "clockStartAt");
    wfs_scenario_step *entries;
    wfs_scenario scenario;
    wfs_runner *runner;
    wfs_error error;
    case_world here;

    memset(&here, 0, sizeof here);
    here.one = one;
    here.arena = one->arena;
    here.generated = wfs_json_new_array(one->arena);
    entries = case_entries(&here);
    memset(&scenario, 0, sizeof scenario);
    scenario.name = wfs_json_string(name, NULL);
    scenario.workflows = case_workflows(&here);
    scenario.steps = entries;
    scenario.clock_start = wfs_json_integer(start);
    scenario.auto_tick = wfs_json_bool(wfs_json_get(one->json,
                                                    "autoTickHooks"));
    scenario.limits = no_limits();
    scenario.user = &here;
    one->expected = wfs_json_get(one->json, "expect");
    if (entries == NULL || scenario.workflows == NULL)
        return;
    if (wfs_runner_create(&scenario, &runner, &error) != WFS_OK) {
        conf_problem(one, "%s: %s", wfs_status_name(error.code),
                     error.message);
        return;
    }
    observe(&here, runner, entries);
    wfs_runner_free(runner);
}

int main(int argc, char **argv)
{
    static const conf_suite suite = {
        "fragno", "tests/conformance/fragno", "../shared/conformance/fragno",
        run_case, NULL, NULL, NULL};

    return conf_main(&suite, argc, argv);
}
