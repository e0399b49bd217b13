/* ========================================================================
 * MANUAL
 * ========================================================================
 *
 * wfscenario.h runs durable workflows in one process, and tests them. It has
 * an engine (functions that are replayed from their stored steps: do, sleep,
 * wait for an event, retry, pause, restart), the store that the engine writes
 * to (typed tables, indexes, transactions, in memory), a clock that moves only
 * when it is told, HTTP mocks as data (matched, in sequence, with state, one
 * world per test), and a runner for scenarios: tests as arrays of steps. The
 * same scenario gives the same bytes in every table and report, everywhere.
 *
 * All code in this manual, put together, is one program; the project's tests
 * compile and run it.
 *
 * CONTENTS
 *
 * Each section starts with a banner; look for its tag.
 *
 *   >>base-api      public  status codes, errors, allocator, arenas
 *   >>json-api      public  JSON values
 *   >>time-api      public  durations, times, the clock, randomness
 *   >>store-api     public  tables, rows, transactions, cursors
 *   >>regex-api     public  regular expressions
 *   >>http-api      public  requests, responses, transports, URL patterns
 *   >>mock-api      public  HTTP mocks as data
 *   >>engine-api    public  what a workflow function may call
 *   >>harness-api   public  workflow instances
 *   >>scenario-api  public  a test as an array of steps
 *   >>report-api    public  what happened, to read
 *   >>base          private allocation, arrays, arenas, hashing, text, errors
 *   >>json          private numbers in decimal, the checker, values, the writer
 *   >>time          private durations, times, the clock, randomness
 *   >>store         private tables, indexes, transactions, cursors
 *   >>regex         private regular expressions in linear time
 *   >>http          private requests, headers, URLs
 *   >>match         private URL patterns, routes, value matchers, templates
 *   >>mock          private scenarios, selection, sequences, state
 *   >>schema        private the workflow tables, declared as data
 *   >>engine        private steps, replay, tick, hooks
 *   >>harness       private instances
 *   >>scenario      private steps, inputs, vars, utilities, the runner
 *   >>report        private TAP, timeline
 *
 * HOW TO DROP IT IN
 *
 * Copy wfscenario.h and stb_ds.h into your project, side by side. (stb_ds.h is
 * also found as <stb/stb_ds.h>.) In ONE source file, C99 or C++17 or later:
 *
 *      #define WFSCENARIO_IMPLEMENTATION
 *      #include "wfscenario.h"
 *
 * Every other file includes it without the define; then it declares, and pulls
 * in nothing but stdbool.h, stddef.h and stdint.h. These macros may be defined
 * before the include:
 *
 *   WFSCENARIO_IMPLEMENTATION     this file gets the function bodies
 *   WFSDEF                        before every public function; default extern
 *   WFSCENARIO_STB_DS_ELSEWHERE   another file has those of stb_ds.h
 *   WFSCENARIO_NO_STDIO           no stdio.h: reports need a writer
 *
 * Only WFSDEF has to be the same in every file.
 *
 * A WORKFLOW
 *
 * A workflow is a function that takes its run. It calls steps; each step is
 * stored when it is done. On every tick the function runs from its top again:
 * steps that are done are replayed from their rows, and the first that is not
 * goes on. What a step does stands in the step's body, so that it happens once.
 *
 *      static wfs_status charge(wfs_run *run, void *user)
 *      {
 *          (void)user;
 *          if (wfs_attempt(run) == 1)
 *              return wfs_fail(run, "CARD_DECLINED", "the bank said no");
 *          return wfs_return_text(run, "{\"receipt\":17}");
 *      }
 *
 *      static wfs_status order(wfs_run *run, void *user)
 *      {
 *          wfs_do_options retry = {.retries = {.limit = 3, .delay = "10 s"}};
 *          wfs_wait_options approved = {.type = "approved",
 *                                       .timeout = "2 hours"};
 *          const wfs_json *receipt;
 *
 *          WFS_TRY(wfs_do(run, "charge", charge, user, &retry, &receipt));
 *          WFS_TRY(wfs_sleep(run, "cool off", "1 hour"));
 *          WFS_TRY(wfs_wait_for_event(run, "approval", &approved, NULL));
 *          return wfs_return(run, receipt);
 *      }
 *
 * WFS_TRY hands back every status but WFS_OK. A step call that suspended the
 * run gives WFS_SUSPENDED, and so do all later ones: going on after that fails
 * the tick with WFS_ERR_MISUSE and writes nothing. One that failed for good
 * gives WFS_FAILED, which may be handled, so look at every status:
 * wfs_run_error says what it was. A workflow must be deterministic: it may look
 * at its params and at results of steps; time, randomness and the world belong
 * into a body. Two steps may have the same name; they are told apart by their
 * order. A name holds no '>', '#' or NUL.
 *
 * A SCENARIO
 *
 * A scenario is an array of steps, ended by a zero entry, one macro a kind.
 * Every input may be given as a value or, in the twin that ends in _from, as a
 * callback that is asked when the step runs. store_as keeps a step's value as a
 * variable. The first step that fails ends the scenario.
 *
 *      static const wfs_workflow workflows[] = {
 *          {.key = "order", .name = "order-workflow", .run = order},
 *          {0},
 *      };
 *
 *      static wfs_status order_is_complete(wfs_context *context)
 *      {
 *          WFS_TRY(wfs_expect_status(context, "order", "o-1",
 *                                    WFS_INSTANCE_COMPLETE));
 *          return wfs_expect_json(context, "output", "{\"receipt\":17}",
 *                                 wfs_var(context, "end.output"));
 *      }
 *
 *      static const wfs_scenario_step steps[] = {
 *          WFS_CREATE(.workflow = "order", .id = "o-1"),
 *          WFS_ADVANCE_TIME(.duration = "10 s"),
 *          WFS_ADVANCE_TIME(.duration = "1 hour"),
 *          WFS_EVENT(.workflow = "order", .id = "o-1", .type = "approved"),
 *          WFS_STATUS(.workflow = "order", .id = "o-1", .store_as = "end"),
 *          WFS_ASSERT(.check = order_is_complete),
 *          {0},
 *      };
 *
 *      static const wfs_scenario scenario = {
 *          .name = "an order is charged and approved",
 *          .workflows = workflows,
 *          .steps = steps,
 *          .auto_tick = true,
 *      };
 *
 * Creating an instance, an event, a deadline each add a hook, and hooks that
 * are due are processed after every step. With auto_tick a hook runs its tick.
 * Without, which is the default, only the scenario's own WFS_TICK and
 * WFS_RUN_UNTIL_IDLE (and the steps that end in _AND_RUN) run anything, so that
 * a test can hold still between any two moments.
 *
 * wfs_scenario_main runs a scenario and prints it as TAP; wfs_scenario_run only
 * runs it; wfs_runner_next runs one step. In C++20 the macros work as in C (g++
 * -Wextra then also wants -Wno-missing-field-initializers, as for all such
 * structs); in C++17 assign to the fields of a wfs_scenario_step.
 *
 * THE STORE
 *
 * Tables are declared as data. Yours lie in the same store as the engine's
 * (workflow_instance, workflow_step, workflow_event, workflow_hook), and a
 * step's body can queue writes that are committed with the step's result or
 * not at all.
 *
 *      static const wfs_column stock_columns[] = {
 *          {.name = "sku", .type = WFS_TEXT},
 *          {.name = "pieces", .type = WFS_INTEGER},
 *          {0},
 *      };
 *      static const wfs_index stock_indexes[] = {
 *          {.name = "by_pieces", .columns = "pieces", .ordered = true},
 *          {0},
 *      };
 *      static const wfs_table tables[] = {
 *          {.name = "stock", .columns = stock_columns,
 *           .indexes = stock_indexes, .primary_key = "sku"},
 *          {0},
 *      };
 *
 *      static wfs_status receive(wfs_run *run, void *user)
 *      {
 *          (void)user;
 *          return wfs_queue_insert(run, "stock", WFS_FIELDS(
 *              {"sku", wfs_text(wfs_instance_id(run))},
 *              {"pieces", wfs_integer(12)}));
 *      }
 *
 *      static wfs_status delivery(wfs_run *run, void *user)
 *      {
 *          return wfs_do(run, "receive", receive, user, NULL, NULL);
 *      }
 *
 *      static wfs_status sum_of_pieces(wfs_store *store, int64_t *sum)
 *      {
 *          wfs_query all = {.table = "stock", .index = "by_pieces"};
 *          wfs_cursor *cursor;
 *          wfs_status status;
 *          wfs_row row;
 *
 *          WFS_TRY(wfs_cursor_open(store, &all, &cursor));
 *          while ((status = wfs_cursor_next(cursor, &row)) == WFS_OK)
 *              *sum += wfs_row_integer(&row, "pieces");
 *          wfs_cursor_close(cursor);
 *          return status == WFS_DONE ? WFS_OK : status;
 *      }
 *
 * Every write is a transaction of its own, unless wfs_begin has opened one;
 * inside one wfs_begin opens a savepoint. A row has a version, and an update
 * that names the version it has read fails with WFS_ERR_CONFLICT when another
 * was first. A violated constraint changes nothing, and its message names
 * table, index and value.
 *
 * A tick is one transaction in three phases. wfs_tick_retrieve, wfs_tick_plan
 * and wfs_tick_commit hold them apart, so that a test can let two ticks race:
 * the loser changes nothing and reports 0.
 *
 * JSON
 *
 * Params, results, outputs and payloads are JSON: text in what you give, values
 * in what you get. A value lives in an arena. Integers are exact in 64 bits,
 * and other numbers are written as the shortest text that reads back the same.
 *
 *      static wfs_status check_json(wfs_arena *arena)
 *      {
 *          static const char text[] = "{\"lines\":[{\"sku\":\"cup\"}]}";
 *          wfs_error error;
 *          wfs_json *value = wfs_json_parse(arena, text, sizeof text - 1,
 *                                           NULL, &error);
 *          const wfs_json *sku = wfs_json_path(value, "lines[0].sku");
 *
 *          if (value == NULL)
 *              return error.code;
 *          value = wfs_json_set(arena, value, "first", sku);
 *          return wfs_json_write(arena, value, 0, NULL) != NULL
 *                     ? WFS_OK : WFS_ERR_NO_MEMORY;
 *      }
 *
 * Reading functions take NULL and values of another type, and answer
 * "nothing"; building functions pass NULL on. So a chain of calls needs one
 * check, at its end.
 *
 * TIME
 *
 * A time is an int64_t of milliseconds since 1970-01-01T00:00:00Z; WFS_NO_TIME
 * is none. A duration is a text, "10 minutes" or "1.5 h", or milliseconds.
 * Nothing here reads the wall clock: a harness has a clock, which starts at
 * clock_start and moves when it is told, and a random source, which starts
 * from a seed. Ids that are drawn come from that source.
 *
 * ERRORS
 *
 * Functions return a wfs_status. wfs_status_name gives its name, and
 * wfs_harness_error or wfs_store_error a message that names the culprit. The
 * library never prints, aborts, or reads errno. A call that fails has changed
 * nothing.
 *
 *      static wfs_status check_errors(wfs_harness *harness)
 *      {
 *          const wfs_error *error = wfs_harness_error(harness);
 *          wfs_status status = wfs_create(harness, "unknown", "x-1", NULL,
 *                                         NULL);
 *
 *          return status == WFS_ERR_WORKFLOW_NOT_FOUND &&
 *                 error->code == status ? WFS_OK : WFS_ERR_ASSERTION;
 *      }
 *
 * MEMORY
 *
 * One function does all allocation (wfs_allocator); the default is realloc and
 * free. When it refuses, the call returns WFS_ERR_NO_MEMORY, everything is as
 * it was before the call, and the call can be made again. What a harness gives
 * (rows, ids, JSON values) lives until wfs_harness_release or
 * wfs_harness_free; what a run gives lives as long as the tick; what a
 * scenario's result holds, until wfs_scenario_result_free.
 *
 * A wfs_limits bounds what is accepted from outside.
 *
 * THREADS
 *
 * A harness, and all that belongs to it, is used by one thread at a time. Any
 * number of harnesses in any number of threads share nothing but what you give
 * them: the registry, the tables, the allocator.
 *
 * FORKING
 *
 * A harness, a runner or a store can be copied at any point between calls, at
 * about the cost of copying its memory; both go on independently. So a test can
 * prepare a situation once and try out all that may follow.
 *
 *      static wfs_status try_both(wfs_harness *harness)
 *      {
 *          wfs_harness *other;
 *          wfs_status status;
 *
 *          WFS_TRY(wfs_create(harness, "delivery", "cup", NULL, NULL));
 *          WFS_TRY(wfs_harness_fork(harness, &other));
 *          status = wfs_terminate(other, "delivery", "cup");
 *          wfs_harness_free(other);
 *          WFS_TRY(status);
 *          return wfs_process_hooks(harness, NULL);
 *      }
 *
 * wfs_store_equal compares two stores row by row, and wfs_store_hash gives the
 * same number for the same content everywhere.
 *
 * HOOKS
 *
 * A hook is a durable note of something to do: a row, written in the
 * transaction that gave rise to it. The engine's own ask for a tick. A body can
 * queue one of yours with wfs_queue_hook; its handler is called once it is
 * committed, and again, later and later, while it refuses.
 *
 *      static wfs_status notify(wfs_harness *harness, const wfs_hook *hook,
 *                               void *user)
 *      {
 *          (void)harness;
 *          *(int64_t *)user += wfs_json_integer(hook->payload);
 *          return WFS_OK;
 *      }
 *
 *      static wfs_status send(wfs_run *run, void *user)
 *      {
 *          (void)user;
 *          return wfs_queue_hook(run, "notify", wfs_json_new_integer(
 *              wfs_run_arena(run), 1));
 *      }
 *
 *      static wfs_status notice(wfs_run *run, void *user)
 *      {
 *          return wfs_do(run, "send", send, user, NULL, NULL);
 *      }
 *
 * HTTP MOCKS
 *
 * Code that talks to servers is handed whom to ask, a wfs_http_transport: your
 * HTTP client or, in a test, mocks. A mock has a method, a URL pattern, maybe
 * criteria, and a response, or a sequence of them, or one that depends on
 * state. Mocks stand in scenarios, in C as here or as JSON; "default" answers
 * where the active one does not. Each test id is a world of its own: its active
 * scenario, its places in sequences, its state.
 *
 *      static const wfs_mock_response busy_once[] = {
 *          {.status = 503, .delay = 250},
 *          {.status = 200, .body = "{\"sums\":\"{{state.sums}}\"}"},
 *          {0},
 *      };
 *      static const wfs_mock bank_mocks[] = {
 *          {.method = "POST", .url = "/pay/:who", .sequence = busy_once,
 *           .capture_state = "{\"sums[]\":\"body.sum\"}"},
 *          {0},
 *      };
 *      static const wfs_mock_scenario bank[] = {
 *          {.id = "default", .mocks = bank_mocks}, {0}};
 *
 *      static wfs_status check_bank(wfs_mocks *mocks, wfs_arena *arena)
 *      {
 *          wfs_mock_client client = {.mocks = mocks, .test_id = "t-1"};
 *          wfs_http_transport transport = wfs_mock_transport(&client);
 *          wfs_http_request pay = {.method = "POST", .body = "{\"sum\":5}",
 *                                  .url = "https://bank.test/pay/me"};
 *          wfs_http_response response;
 *          int i;
 *
 *          WFS_TRY(wfs_mocks_switch(mocks, "t-1", "default"));
 *          for (i = 0; i < 2; i++)
 *              WFS_TRY(transport.send(&pay, arena, &response, NULL,
 *                                     transport.user));
 *          return response.status == 200 &&
 *                 wfs_clock_now(wfs_mocks_clock(mocks)) == 250
 *                     ? WFS_OK : WFS_ERR_ASSERTION;
 *      }
 *
 *      static wfs_status check_mocks(wfs_arena *arena)
 *      {
 *          wfs_mock_options options = {.scenarios = bank};
 *          wfs_mocks *mocks;
 *          wfs_status status = wfs_mocks_create(&options, &mocks, NULL);
 *
 *          if (status == WFS_OK)
 *              status = check_bank(mocks, arena);
 *          wfs_mocks_free(mocks);
 *          return status;
 *      }
 *
 * wfs_mocks_log tells what was asked and who answered, wfs_mocks_unused what
 * nobody asked for, and the error of a request that nobody answered which mocks
 * came nearest and what did not fit. In a harness (wfs_harness_options.mocks,
 * wfs_scenario.mocks) a step's body asks with wfs_fetch; the steps
 * WFS_SWITCH_MOCKS, WFS_EXPECT_REQUESTS, WFS_EXPECT_MOCK_STATE and
 * WFS_EXPECT_MOCKS_USED switch and look.
 *
 * ALL OF IT
 *
 *      static wfs_status use(wfs_harness *harness, int64_t *notified)
 *      {
 *          int64_t pieces = 0;
 *
 *          WFS_TRY(check_json(wfs_harness_arena(harness)));
 *          WFS_TRY(check_mocks(wfs_harness_arena(harness)));
 *          WFS_TRY(check_errors(harness));
 *          WFS_TRY(try_both(harness));
 *          WFS_TRY(sum_of_pieces(wfs_harness_store(harness), &pieces));
 *          WFS_TRY(wfs_create(harness, "notice", NULL, NULL, NULL));
 *          WFS_TRY(wfs_process_hooks(harness, NULL));
 *          return pieces == 12 && *notified == 1 ? WFS_OK
 *                                                : WFS_ERR_ASSERTION;
 *      }
 *
 *      int main(void)
 *      {
 *          int64_t notified = 0;
 *          wfs_workflow registry[] = {
 *              {.key = "delivery", .run = delivery},
 *              {.key = "notice", .run = notice},
 *              {0},
 *          };
 *          wfs_hook_handler handlers[] = {
 *              {.hook_name = "notify", .handle = notify, .user = &notified},
 *              {0},
 *          };
 *          wfs_harness_options options = {
 *              .workflows = registry, .tables = tables, .hooks = handlers,
 *              .auto_tick = true};
 *          wfs_harness *harness;
 *          wfs_status status;
 *
 *          if (wfs_harness_create(&options, &harness, NULL) != WFS_OK)
 *              return 1;
 *          status = use(harness, &notified);
 *          wfs_harness_free(harness);
 *          return status == WFS_OK ? wfs_scenario_main(&scenario) : 1;
 *      }
 */

/* ========================================================================
 * PUBLIC API
 * ===================================================================== */

#ifndef WFSCENARIO_H
#define WFSCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WFSCENARIO_VERSION_MAJOR 0
#define WFSCENARIO_VERSION_MINOR 1
#define WFSCENARIO_VERSION_PATCH 0
#define WFSCENARIO_VERSION "0.1.0"

/* Put before every public function: override it to export from a shared
 * library or to make the whole library static. */
#ifndef WFSDEF
#define WFSDEF extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------
 * >>base-api  public: status codes, errors, allocator, arenas
 * --------------------------------------------------------------------- */

/* Every status: enumerator, name in reports, what it means. */
#define WFS_STATUS_LIST(X)                                                    \
    X(WFS_OK, "OK", "done")                                                   \
    X(WFS_DONE, "DONE", "there is no next one")                               \
    X(WFS_SUSPENDED, "SUSPENDED", "the run waits; hand the status back")      \
    X(WFS_FAILED, "FAILED", "a step failed for good; wfs_run_error says why") \
    X(WFS_ERR_NO_MEMORY, "NO_MEMORY", "the allocator refused")                \
    X(WFS_ERR_ARGUMENT, "ARGUMENT_INVALID", "an argument is missing or out "  \
                                            "of its range")                   \
    X(WFS_ERR_VALIDATION, "VALIDATION_ERROR",                                 \
      "an id or a type does not match the pattern for it")                    \
    X(WFS_ERR_LIMIT, "LIMIT_EXCEEDED", "larger than the limits allow")        \
    X(WFS_ERR_JSON, "JSON_INVALID", "the text is not JSON")                   \
    X(WFS_ERR_DURATION, "DURATION_INVALID", "the text is not a duration")     \
    X(WFS_ERR_SCHEMA, "SCHEMA_INVALID", "a table is declared wrongly")        \
    X(WFS_ERR_TABLE_NOT_FOUND, "TABLE_NOT_FOUND", "no table of that name")    \
    X(WFS_ERR_COLUMN_NOT_FOUND, "COLUMN_NOT_FOUND", "no column of that name") \
    X(WFS_ERR_INDEX_NOT_FOUND, "INDEX_NOT_FOUND", "no index of that name")    \
    X(WFS_ERR_ROW_NOT_FOUND, "ROW_NOT_FOUND", "no such row")                  \
    X(WFS_ERR_TYPE, "TYPE_MISMATCH", "the value has not the column's type")   \
    X(WFS_ERR_NOT_NULL, "NOT_NULL_VIOLATION", "the column must have a value") \
    X(WFS_ERR_UNIQUE, "UNIQUE_VIOLATION", "another row has that key")         \
    X(WFS_ERR_REFERENCE, "REFERENCE_VIOLATION",                               \
      "the row referred to does not exist, or is still referred to")          \
    X(WFS_ERR_CONFLICT, "CONFLICT", "the row changed since it was read")      \
    X(WFS_ERR_NO_TRANSACTION, "NO_TRANSACTION", "no transaction is open")     \
    X(WFS_ERR_CURSOR, "CURSOR_INVALID", "the text is not a cursor of this "   \
                                        "query")                              \
    X(WFS_ERR_WORKFLOW_NOT_FOUND, "WORKFLOW_NOT_FOUND",                       \
      "no workflow has that key or name")                                     \
    X(WFS_ERR_WORKFLOW_PARAMS_INVALID, "WORKFLOW_PARAMS_INVALID",             \
      "the workflow refused its params")                                      \
    X(WFS_ERR_INSTANCE_NOT_FOUND, "INSTANCE_NOT_FOUND",                       \
      "Instance not found")                                                   \
    X(WFS_ERR_INSTANCE_ID_ALREADY_EXISTS, "INSTANCE_ID_ALREADY_EXISTS",       \
      "Instance already exists")                                              \
    X(WFS_ERR_INSTANCE_TERMINAL, "INSTANCE_TERMINAL", "Instance is terminal") \
    X(WFS_ERR_MISUSE, "MISUSE", "calls were made in an order that has no "    \
                                "meaning")                                    \
    X(WFS_ERR_ASSERTION, "ASSERTION_FAILED", "expected and actual differ")    \
    X(WFS_ERR_HOOK, "HOOK_FAILED", "a hook's handler refused")                \
    X(WFS_ERR_SCENARIO_NOT_FOUND, "SCENARIO_NOT_FOUND",                       \
      "no mock scenario has that id")                                         \
    X(WFS_ERR_DUPLICATE_SCENARIO, "DUPLICATE_SCENARIO",                       \
      "another mock scenario has that id")                                    \
    X(WFS_ERR_NO_MOCK_FOUND, "NO_MOCK_FOUND", "no mock matched the request")  \
    X(WFS_ERR_SEQUENCE_EXHAUSTED, "SEQUENCE_EXHAUSTED",                       \
      "all responses of the sequence were given")                             \
    X(WFS_ERR_MISSING_TEST_ID, "MISSING_TEST_ID",                             \
      "the request has no test id")                                           \
    X(WFS_ERR_HANDLER, "HANDLER_ERROR", "a mock cannot answer as it is "      \
                                        "defined")                            \
    X(WFS_ERR_UNSUPPORTED, "UNSUPPORTED", "has a meaning elsewhere that this " \
                                          "library does not have")

typedef enum wfs_status {
#define WFSI_ENUMERATOR(code, name, meaning) code,
    WFS_STATUS_LIST(WFSI_ENUMERATOR)
#undef WFSI_ENUMERATOR
    WFS_STATUS_COUNT
} wfs_status;

/* The name of a status, as in the list: "INSTANCE_NOT_FOUND". Static text. */
WFSDEF const char *wfs_status_name(wfs_status status);

/* What a status means, in a few words. Static text. */
WFSDEF const char *wfs_status_meaning(wfs_status status);

/* Hand every status but WFS_OK back to the caller. */
#define WFS_TRY(call)                                                         \
    do {                                                                      \
        wfs_status wfs_try_status = (call);                                   \
        if (wfs_try_status != WFS_OK)                                         \
            return wfs_try_status;                                            \
    } while (0)

#define WFS_ERROR_MESSAGE_SIZE 512

/* What went wrong. The message names the culprit, cut with "..." where it is
 * too long; for parsed text the position is given. No memory to free. */
typedef struct wfs_error {
    wfs_status code;
    size_t offset;          /* of the first bad byte, from 0: parsed text */
    size_t line, column;    /* the same, from 1; 0 when there is no position */
    char message[WFS_ERROR_MESSAGE_SIZE];
} wfs_error;

/* One function for all memory, as in Lua: allocate (pointer NULL, old_size 0),
 * resize, or free (new_size 0; the result is ignored). Returns memory aligned
 * for any type, or NULL when there is none; the old block is then as it was.
 * Defaults to realloc and free. */
typedef struct wfs_allocator {
    void *(*resize)(void *pointer, size_t old_size, size_t new_size,
                    void *user);
    void *user;
} wfs_allocator;

/* An arena gives memory that is freed all at once. A refusal sticks:
 * wfs_arena_failed tells of it until the arena is cleared. */
typedef struct wfs_arena wfs_arena;

/* A new arena, or NULL without memory. allocator: NULL means the default. Free
 * it with wfs_arena_free. */
WFSDEF wfs_arena *wfs_arena_create(const wfs_allocator *allocator);
WFSDEF void wfs_arena_free(wfs_arena *arena);

/* Forget all that was allocated, keep the memory for what comes. */
WFSDEF void wfs_arena_clear(wfs_arena *arena);

/* Memory of that many bytes, aligned for any type, not zeroed; NULL without
 * memory. Lives until the arena is cleared or freed. */
WFSDEF void *wfs_arena_allocate(wfs_arena *arena, size_t size);

/* Whether an allocation failed since the arena was made or cleared. */
WFSDEF bool wfs_arena_failed(const wfs_arena *arena);

/* Bounds on what is accepted; a field left at 0 has the default. */
typedef struct wfs_limits {
    size_t json_depth;      /* nesting of JSON text: 512 */
    size_t json_size;       /* bytes of one JSON text: 64 MiB */
    size_t name_size;       /* bytes of a step's name: 8,192 */
    size_t batch_size;      /* instances in one batch: 100 */
    size_t hook_rounds;     /* rounds of hooks in one call: 100,000 */
} wfs_limits;

/* ------------------------------------------------------------------------
 * >>json-api  public: JSON values
 *
 * A value lives in an arena and as long as that arena. Text with a length may
 * hold any byte; strings are UTF-8 and always ended by a NUL as well. Reading
 * functions take NULL and values of another type: they answer "nothing".
 * --------------------------------------------------------------------- */

typedef struct wfs_json wfs_json;

typedef enum wfs_json_type {
    WFS_JSON_NULL,
    WFS_JSON_BOOL,
    WFS_JSON_INTEGER,       /* fits in int64_t, written without . or e */
    WFS_JSON_REAL,          /* any other number */
    WFS_JSON_STRING,
    WFS_JSON_ARRAY,
    WFS_JSON_OBJECT
} wfs_json_type;

/* Parse one JSON text (RFC 8259, strictly: no comments, no trailing commas, no
 * byte order mark, only valid UTF-8, escapes of lone surrogates refused,
 * numbers beyond the range of a double refused). Of duplicate keys the last
 * value wins and the place of the first is kept. size: bytes of text; limits:
 * NULL for the defaults; error: may be NULL. Returns NULL with
 * WFS_ERR_JSON, WFS_ERR_LIMIT or WFS_ERR_NO_MEMORY in error. */
WFSDEF wfs_json *wfs_json_parse(wfs_arena *arena, const char *text, size_t size,
                                const wfs_limits *limits, wfs_error *error);

/* The type of a value; NULL has type WFS_JSON_NULL. */
WFSDEF wfs_json_type wfs_json_type_of(const wfs_json *value);

/* true for the boolean true only. */
WFSDEF bool wfs_json_bool(const wfs_json *value);

/* The number as an integer: exact for integers, truncated toward zero and
 * clamped to int64_t for reals, 0 for anything else. */
WFSDEF int64_t wfs_json_integer(const wfs_json *value);

/* The number as a double, 0.0 for anything else. */
WFSDEF double wfs_json_real(const wfs_json *value);

/* The bytes of a string, NULL for anything else. size may be NULL. */
WFSDEF const char *wfs_json_string(const wfs_json *value, size_t *size);

/* How many items an array or members an object has, 0 for anything else. */
WFSDEF size_t wfs_json_count(const wfs_json *value);

/* The item or the member's value at a place from 0 on, in order; NULL when
 * there is none. */
WFSDEF const wfs_json *wfs_json_at(const wfs_json *value, size_t place);

/* The key of an object's member at a place, NULL when there is none. */
WFSDEF const char *wfs_json_key_at(const wfs_json *value, size_t place,
                                   size_t *size);

/* The value under a key, NULL when there is none. */
WFSDEF const wfs_json *wfs_json_get(const wfs_json *value, const char *key);
WFSDEF const wfs_json *wfs_json_get_n(const wfs_json *value, const char *key,
                                      size_t size);

/* Follow a path such as "a.b[0].c" ("" is the value itself; a number between
 * dots also is a place in an array). NULL when it leads nowhere. */
WFSDEF const wfs_json *wfs_json_path(const wfs_json *value, const char *path);

/* New values. Each returns NULL without memory. A real that is not finite
 * becomes null. Text must be UTF-8; what is not is replaced by U+FFFD. */
WFSDEF wfs_json *wfs_json_new_null(wfs_arena *arena);
WFSDEF wfs_json *wfs_json_new_bool(wfs_arena *arena, bool value);
WFSDEF wfs_json *wfs_json_new_integer(wfs_arena *arena, int64_t value);
WFSDEF wfs_json *wfs_json_new_real(wfs_arena *arena, double value);
WFSDEF wfs_json *wfs_json_new_string(wfs_arena *arena, const char *text);
WFSDEF wfs_json *wfs_json_new_string_n(wfs_arena *arena, const char *text,
                                       size_t size);
WFSDEF wfs_json *wfs_json_new_array(wfs_arena *arena);
WFSDEF wfs_json *wfs_json_new_object(wfs_arena *arena);

/* Append an item to an array; set a member of an object, replacing the value
 * of a key that is there. The value is not copied and must not be changed
 * later; a NULL value stands for null. Both pass a failure on: with a NULL
 * array or object, or without memory, they return NULL; else their first
 * argument. Each value must live at least as long as what it is put into. */
WFSDEF wfs_json *wfs_json_append(wfs_arena *arena, wfs_json *array,
                                 const wfs_json *value);
WFSDEF wfs_json *wfs_json_set(wfs_arena *arena, wfs_json *object,
                              const char *key, const wfs_json *value);
WFSDEF wfs_json *wfs_json_set_n(wfs_arena *arena, wfs_json *object,
                                const char *key, size_t size,
                                const wfs_json *value);

/* A deep copy into another arena; NULL without memory. */
WFSDEF wfs_json *wfs_json_copy(wfs_arena *arena, const wfs_json *value);

/* Write a value as text: compact with indent 0, else a line an item with that
 * many blanks a level. Doubles are written as the shortest decimal that reads
 * back the same, in the form JavaScript uses. The text lives in the arena, is
 * ended by a NUL, and has *size bytes (size may be NULL). NULL without
 * memory. */
WFSDEF const char *wfs_json_write(wfs_arena *arena, const wfs_json *value,
                                  int indent, size_t *size);

/* Deep equality: members in any order, numbers by value (1 equals 1.0). */
WFSDEF bool wfs_json_equal(const wfs_json *left, const wfs_json *right);

/* The first difference, for a message: `items[2].price: expected 3, actual
 * "x"`. NULL when they are equal or there is no memory. Lives in the arena. */
WFSDEF const char *wfs_json_diff(wfs_arena *arena, const wfs_json *expected,
                                 const wfs_json *actual);

/* ------------------------------------------------------------------------
 * >>time-api  public: durations, times, the clock, randomness
 * --------------------------------------------------------------------- */

/* A nullable time that is null. */
#define WFS_NO_TIME INT64_MIN

/* Parse a duration: a number, maybe with a fraction, and a unit from ms
 * (the default), s, m, h, d and their long forms ("10 minutes", "1.5 h",
 * "250"). *ms: milliseconds, maybe with a fraction. Returns WFS_OK or
 * WFS_ERR_DURATION, whose message is `Invalid duration: ...` or `Unsupported
 * duration unit: ...`. Source: Fragno's parseDuration. */
WFSDEF wfs_status wfs_parse_duration(const char *text, double *ms,
                                     wfs_error *error);

#define WFS_TIME_TEXT_SIZE 32

/* A time as ISO 8601 with milliseconds and Z, like JavaScript's toISOString:
 * "1970-01-01T00:00:00.000Z"; years beyond 0 to 9999 have a sign and six
 * digits or more. buffer has WFS_TIME_TEXT_SIZE bytes; returns it. */
WFSDEF char *wfs_format_time(int64_t time, char *buffer);

/* The test clock: milliseconds since 1970-01-01T00:00:00Z. It moves only when
 * it is told. Kept in a harness; see wfs_harness_clock. */
typedef struct wfs_clock {
    int64_t now;
} wfs_clock;

/* The time it shows, in ms. */
WFSDEF int64_t wfs_clock_now(const wfs_clock *clock);

/* Set the clock, backwards too; WFS_NO_TIME is no time, and becomes the one
 * after it. */
WFSDEF void wfs_clock_set(wfs_clock *clock, int64_t now);

/* Move the clock by that many ms; it stops at the ends of what is a time. */
WFSDEF void wfs_clock_advance(wfs_clock *clock, int64_t ms);

/* Move the clock by a duration in text. Returns WFS_OK or
 * WFS_ERR_DURATION (error may be NULL); then the clock stays. */
WFSDEF wfs_status wfs_clock_advance_by(wfs_clock *clock, const char *duration,
                                       wfs_error *error);

/* A seeded random source (splitmix64): the same seed gives the same numbers
 * everywhere. Not for cryptography. */
typedef struct wfs_random {
    uint64_t state;
} wfs_random;

/* Start over from a seed; the next number, any of 64 bits. */
WFSDEF void wfs_random_seed(wfs_random *random, uint64_t seed);
WFSDEF uint64_t wfs_random_next(wfs_random *random);

/* A number from 0 to bound - 1, all equally likely; 0 when bound is 0. */
WFSDEF uint64_t wfs_random_below(wfs_random *random, uint64_t bound);

/* A number from 0.0 to below 1.0. */
WFSDEF double wfs_random_real(wfs_random *random);

#define WFS_RANDOM_ID_SIZE 25

/* An id of 24 letters and digits, the first a letter. buffer has
 * WFS_RANDOM_ID_SIZE bytes; returns it. */
WFSDEF char *wfs_random_id(wfs_random *random, char *buffer);

/* ------------------------------------------------------------------------
 * >>store-api  public: tables, rows, transactions, cursors
 *
 * A row has an id, from 1 on in order of creation and not used again once it
 * was committed, and a version, 1 at first and one more at each update. Text
 * in a value that comes out of the store points into it and is good until that
 * row changes.
 * --------------------------------------------------------------------- */

typedef struct wfs_store wfs_store;
typedef uint32_t wfs_row_id;    /* 0: no row */

typedef enum wfs_type {
    WFS_NULL,               /* of a value; never of a column */
    WFS_INTEGER,
    WFS_REAL,
    WFS_TEXT,               /* ordered by bytes */
    WFS_BOOL,
    WFS_TIME,               /* ms since 1970-01-01T00:00:00Z */
    WFS_JSON,               /* JSON text, checked when it is written */
    WFS_REFERENCE           /* id of a row of the table in `references` */
} wfs_type;

/* A value of a column. Make one with the functions below. */
typedef struct wfs_value {
    wfs_type type;
    int64_t integer;        /* INTEGER, BOOL (0 or 1), TIME, REFERENCE */
    double real;            /* REAL */
    const char *text;       /* TEXT, JSON: bytes, ended by a NUL */
    size_t size;            /* TEXT, JSON: bytes without the NUL */
} wfs_value;

/* Values; texts are not copied. */
WFSDEF wfs_value wfs_null(void);
WFSDEF wfs_value wfs_integer(int64_t value);
WFSDEF wfs_value wfs_real(double value);
WFSDEF wfs_value wfs_text(const char *text);            /* NULL gives null */
WFSDEF wfs_value wfs_text_n(const char *text, size_t size);
WFSDEF wfs_value wfs_bool(bool value);
WFSDEF wfs_value wfs_time(int64_t ms);
WFSDEF wfs_value wfs_json_text(const char *json);       /* NULL gives null */
WFSDEF wfs_value wfs_json_text_n(const char *json, size_t size);
WFSDEF wfs_value wfs_reference(wfs_row_id id);          /* 0 gives null */

/* A column. Without a value for it, a new row has the default, or null where
 * that is allowed. */
typedef struct wfs_column {
    const char *name;
    wfs_type type;
    bool nullable;
    bool interned;              /* TEXT: few distinct values, kept once each */
    const char *references;     /* REFERENCE: the table */
    wfs_value default_value;    /* type WFS_NULL: none */
} wfs_column;

/* An index over up to 8 columns, named with commas between: "sku, day"; up to
 * 32 a table.
 * A row with a null is not in a unique index and never clashes. An ordered
 * index (not unique, or unique with ordered set) is built when it is first
 * scanned and kept from then on; nulls come first. */
typedef struct wfs_index {
    const char *name;
    const char *columns;
    bool unique;
    bool ordered;               /* unique ones: may be scanned in order too */
    bool sparse;                /* rows with a null in a column are left out */
    bool list;                  /* not ordered: rows with equal columns form a
                                   list in order of creation; cheapest, above
                                   all over one REFERENCE column */
} wfs_index;

typedef struct wfs_table {
    const char *name;
    const wfs_column *columns;  /* ended by a zero entry */
    const wfs_index *indexes;   /* ended by a zero entry, or NULL */
    const char *primary_key;    /* columns of a unique index of that name
                                   ("primary"), or NULL: the row id only */
} wfs_table;

/* A column's name and the value for it; arrays end with a zero entry. */
typedef struct wfs_field {
    const char *column;
    wfs_value value;
} wfs_field;

/* The fields of one call, in C: WFS_FIELDS({"sku", wfs_integer(7)}). */
#define WFS_FIELDS(...) ((const wfs_field[]){__VA_ARGS__, {0}})

/* A row that was found: where it is and which version was seen. */
typedef struct wfs_row {
    const wfs_store *store;
    uint32_t table;
    wfs_row_id id;
    uint32_t version;
} wfs_row;

/* A store with these tables (ended by a zero entry; copied). allocator: NULL
 * for the default. Errors: WFS_ERR_SCHEMA, WFS_ERR_NO_MEMORY. Free it
 * with wfs_store_free. One thread at a time. */
WFSDEF wfs_status wfs_store_create(const wfs_table *tables,
                                   const wfs_allocator *allocator,
                                   wfs_store **store, wfs_error *error);
WFSDEF void wfs_store_free(wfs_store *store);

/* What the last call that failed on this store had to say. */
WFSDEF const wfs_error *wfs_store_error(const wfs_store *store);

/* Add a row; *id (may be NULL) is its id. Errors: TABLE_NOT_FOUND,
 * COLUMN_NOT_FOUND, TYPE_MISMATCH, NOT_NULL, UNIQUE, REFERENCE, JSON,
 * NO_MEMORY; the store is then as it was. */
WFSDEF wfs_status wfs_insert(wfs_store *store, const char *table,
                             const wfs_field *fields, wfs_row_id *id);

/* Change columns of a row. version: the one that was read, or 0 for any;
 * another one in the store gives WFS_ERR_CONFLICT. Else errors as above and
 * ROW_NOT_FOUND. */
WFSDEF wfs_status wfs_update(wfs_store *store, const char *table,
                             wfs_row_id id, uint32_t version,
                             const wfs_field *fields);

/* Remove a row. Errors as above; REFERENCE while another row refers to it,
 * for which the tables that may are searched. */
WFSDEF wfs_status wfs_delete(wfs_store *store, const char *table,
                             wfs_row_id id, uint32_t version);

/* The row with an id. Errors: TABLE_NOT_FOUND, ROW_NOT_FOUND. */
WFSDEF wfs_status wfs_get(wfs_store *store, const char *table, wfs_row_id id,
                          wfs_row *row);

/* The row with a key, found in a unique index ("primary" for the primary
 * key); `key` has a value for each of its columns, in their order. Errors:
 * TABLE_NOT_FOUND, INDEX_NOT_FOUND, TYPE_MISMATCH, ARGUMENT_INVALID (not
 * unique, or not a value for each column), ROW_NOT_FOUND, NO_MEMORY. */
WFSDEF wfs_status wfs_find(wfs_store *store, const char *table,
                           const char *index, const wfs_value *key,
                           size_t key_count, wfs_row *row);

/* How many rows a table has; 0 for a table that is not there. */
WFSDEF size_t wfs_count(const wfs_store *store, const char *table);

/* The value of a column as it is now; type WFS_NULL also for an unknown
 * column and for a row that is gone. */
WFSDEF wfs_value wfs_row_value(const wfs_row *row, const char *column);

/* The same, for short: 0, false, NULL for what is null or of another type. */
WFSDEF int64_t wfs_row_integer(const wfs_row *row, const char *column);
WFSDEF const char *wfs_row_text(const wfs_row *row, const char *column);

/* Transactions. Each begin needs its commit or rollback; a begin inside a
 * transaction opens a savepoint. Reads see what was written. Without an open
 * transaction every call is one. Errors: NO_MEMORY, NO_TRANSACTION. */
WFSDEF wfs_status wfs_begin(wfs_store *store);
WFSDEF wfs_status wfs_commit(wfs_store *store);
WFSDEF wfs_status wfs_rollback(wfs_store *store);

/* What to read. Rows come in the order of the index, or by id without one. */
typedef struct wfs_query {
    const char *table;
    const char *index;          /* ordered or list; NULL: by row id */
    const wfs_value *equal;     /* values for the first columns of the index */
    size_t equal_count;
    const wfs_value *from;      /* then bounds on the next column, inclusive; */
    const wfs_value *to;        /* NULL: none */
    const char *starts_with;    /* and a prefix of that column's text */
    bool descending;
    size_t page_size;           /* 0: all */
    const char *cursor;         /* go on after this place; NULL: at the start */
} wfs_query;

/* A walk over rows. It stays valid whatever is written or committed between
 * its steps: it goes on after the last row's key, in the index as it is then.
 */
typedef struct wfs_cursor wfs_cursor;

/* Start a walk; free it with wfs_cursor_close. What the query points to is
 * copied. Errors: TABLE_NOT_FOUND, INDEX_NOT_FOUND, TYPE_MISMATCH,
 * ARGUMENT_INVALID (bounds without an index; an index that is not ordered; a
 * list without a value for each column), CURSOR_INVALID, NO_MEMORY. */
WFSDEF wfs_status wfs_cursor_open(wfs_store *store, const wfs_query *query,
                                  wfs_cursor **cursor);

/* The next row: WFS_OK, WFS_DONE at the end of the page, or NO_MEMORY. */
WFSDEF wfs_status wfs_cursor_next(wfs_cursor *cursor, wfs_row *row);

/* Whether rows follow after the page; true also when there is no memory to
 * find out. */
WFSDEF bool wfs_cursor_has_more(wfs_cursor *cursor);

/* The place after the last row given (or that of query.cursor), as opaque
 * printable text for query.cursor, in either direction; NULL before the first
 * row and without memory. Lives until the next call on this cursor. */
WFSDEF const char *wfs_cursor_text(wfs_cursor *cursor);
WFSDEF void wfs_cursor_close(wfs_cursor *cursor);

/* A copy that goes on independently, at the cost of copying the memory. Not
 * while a transaction is open (MISUSE). Errors: NO_MEMORY. */
WFSDEF wfs_status wfs_store_fork(wfs_store *store, wfs_store **copy);

/* A hash over all tables: the same content gives the same hash everywhere. */
WFSDEF uint64_t wfs_store_hash(const wfs_store *store);

/* Whether two stores hold the same: tables, columns, rows, ids, versions and
 * the next ids. If not, difference (may be NULL) names the first place. */
WFSDEF bool wfs_store_equal(const wfs_store *left, const wfs_store *right,
                            wfs_error *difference);

/* Bytes of memory the store holds in rows, texts and indexes. */
WFSDEF size_t wfs_store_memory(const wfs_store *store);

/* ------------------------------------------------------------------------
 * >>regex-api  public: regular expressions
 *
 * JavaScript's (ECMAScript 2024), without look-around and back-references, so
 * that a search takes time in proportion to the text, whatever the expression.
 * --------------------------------------------------------------------- */

typedef struct wfs_regex wfs_regex;

/* Compile an expression. flags: letters of "gimsuyv", NULL for none; g has no
 * effect, y means that a match starts where the text starts. Without u, a text
 * is a sequence of UTF-16 code units, as in JavaScript; v is u here, without
 * its sets in classes. *regex lives in the arena, is never changed, and is NULL
 * on failure. Errors: VALIDATION (no expression: the error, which may be NULL,
 * has the piece and its offset), UNSUPPORTED (none of this dialect), LIMIT
 * (more than 10,000 instructions once repetitions are
 * written out, more than 1,000 groups that capture, groups nested deeper than
 * 250), NO_MEMORY. Source of the semantics: ECMA-262, with annex B. */
WFSDEF wfs_status wfs_regex_compile(wfs_arena *arena, const char *source,
                                    const char *flags, wfs_regex **regex,
                                    wfs_error *error);

/* Whether the expression matches somewhere in a text of that many bytes of
 * UTF-8. What is no UTF-8 counts as U+FFFD. scratch: an arena for what the
 * search needs; all of it is given back to the arena. Errors: NO_MEMORY. */
WFSDEF wfs_status wfs_regex_search(const wfs_regex *regex, wfs_arena *scratch,
                                   const char *text, size_t size, bool *found);

/* ------------------------------------------------------------------------
 * >>http-api  public: requests, responses, transports, URL patterns
 * --------------------------------------------------------------------- */

/* A header; arrays end with a zero entry. Names are compared without regard
 * to case; of a name that stands twice the values are joined with ", ". */
typedef struct wfs_http_header {
    const char *name;
    const char *value;
} wfs_http_header;

typedef struct wfs_http_request {
    const char *method;             /* NULL: "GET" */
    const char *url;                /* absolute, http:// or https:// */
    const wfs_http_header *headers; /* NULL: none */
    const char *body;               /* bytes; NULL: none */
    size_t body_size;               /* 0: the body ends at its NUL */
} wfs_http_request;

/* Everything it points to lives in the arena of the call that gave it. */
typedef struct wfs_http_response {
    int status;
    const wfs_http_header *headers; /* lower-case names; never NULL */
    const char *body;               /* ended by a NUL; never NULL */
    size_t body_size;
    int64_t delay;                  /* ms from the request to the response */
} wfs_http_response;

/* The value of a header, or NULL. */
WFSDEF const char *wfs_http_header_value(const wfs_http_header *headers,
                                         const char *name);

/* Who answers requests: a mock, or a function of the user's that asks a real
 * server. send gives WFS_OK and a response, or a status and an error when no
 * response came; what the response points to it takes from the arena. */
typedef struct wfs_http_transport {
    wfs_status (*send)(const wfs_http_request *request, wfs_arena *arena,
                       wfs_http_response *response, wfs_error *error,
                       void *user);
    void *user;
} wfs_http_transport;

/* A URL as the WHATWG standard normalises it: lower-case scheme and host, no
 * default port, no dot segments, blanks and what is not ASCII as %XX, no
 * fragment. Lives in the arena. Errors: VALIDATION_ERROR, NO_MEMORY. */
WFSDEF wfs_status wfs_url_normalize(wfs_arena *arena, const char *url,
                                    const char **normalized, wfs_error *error);

/* Whether a URL fits a pattern such as "/users/:id" or
 * "https://api.example.com/files/:path*"; *params (may be NULL) is an object
 * of texts and lists of texts, NULL when the pattern has none. Errors:
 * VALIDATION_ERROR (pattern or URL, with the offset; or a parameter that
 * cannot be decoded), UNSUPPORTED and LIMIT_EXCEEDED (an expression in the
 * pattern), NO_MEMORY.
 * Source: Scenarist, path-to-regexp. */
WFSDEF wfs_status wfs_url_match(wfs_arena *arena, const char *pattern,
                                const char *url, bool *fits,
                                const wfs_json **params, wfs_error *error);

/* ------------------------------------------------------------------------
 * >>mock-api  public: HTTP mocks as data
 *
 * A mock has a method, a URL pattern, maybe criteria, and what it answers: a
 * response, a sequence of them, or one that depends on state. Mocks stand in
 * scenarios. Each test id is a world of its own: its active scenario, its
 * places in sequences, its state; so tests share mocks and never meet. A
 * request is matched to a mock, a response is selected, and state is filled
 * in. Definitions are JSON or C. Source: Scenarist's core.
 *
 * The store has the tables mock_scenario, mock_test, mock_sequence and
 * mock_request, to read; a request changes them in one transaction. One thread
 * at a time.
 * --------------------------------------------------------------------- */

typedef struct wfs_mocks wfs_mocks;

/* A response; sequences end with a zero entry. */
typedef struct wfs_mock_response {
    int status;                     /* 100 to 599; 0: none */
    const char *body;               /* JSON text; NULL: no body */
    const wfs_http_header *headers; /* ended by a zero entry; NULL: none */
    int64_t delay;                  /* ms */
} wfs_mock_response;

typedef enum wfs_mock_repeat {
    WFS_MOCK_LAST,                  /* the last response stays */
    WFS_MOCK_CYCLE,                 /* start again */
    WFS_MOCK_NONE                   /* the mock is exhausted */
} wfs_mock_repeat;

/* A mock in C; the JSON texts are as in a definition. At most one of response,
 * sequence and state_response. Arrays end with a zero entry. */
typedef struct wfs_mock {
    const char *method;             /* upper case: "GET" */
    const char *url;                /* pattern: "/users/:id" */
    const char *match;              /* JSON; NULL: no criteria, a fallback */
    wfs_mock_response response;
    const wfs_mock_response *sequence;
    wfs_mock_repeat repeat;
    const char *state_response;     /* JSON: default, conditions */
    const char *capture_state;      /* JSON: {"cart.items[]": "body.item"} */
    const char *after_response;     /* JSON: {"setState": {...}} */
} wfs_mock;

typedef struct wfs_mock_scenario {
    const char *id;
    const char *name;               /* NULL: the id */
    const char *description;        /* NULL: "" */
    const wfs_mock *mocks;
} wfs_mock_scenario;

/* Which of several mocks without criteria answers. */
typedef enum wfs_mock_fallback {
    WFS_MOCK_FIRST_FALLBACK,        /* the first */
    WFS_MOCK_LAST_FALLBACK          /* the last; those with a sequence or a
                                       state response come before others */
} wfs_mock_fallback;

/* What becomes of a request that no mock answers. */
typedef enum wfs_mock_reaction {
    WFS_MOCK_IGNORE,                /* 501 when strict, else passed through */
    WFS_MOCK_WARN,                  /* the same, and warn is called */
    WFS_MOCK_THROW                  /* 500 with the error's code */
} wfs_mock_reaction;

typedef struct wfs_mock_options {
    const char *json;               /* {"default": {"id": ...}, ...}; NULL */
    size_t json_size;               /* 0: it ends at its NUL */
    const wfs_mock_scenario *scenarios; /* in C, ended by a zero entry; NULL */
    const char *default_test_id;    /* NULL: "default-test" */
    const char *test_id_header;     /* NULL: "x-test-id" */
    wfs_mock_fallback fallback;
    bool strict;
    wfs_mock_reaction on_no_mock;   /* also: the mock has no response */
    wfs_mock_reaction on_exhausted; /* its sequence has ended */
    wfs_mock_reaction on_missing_test_id;   /* not THROW: "" is the test id */
    void (*warn)(const wfs_error *error, void *user);   /* NULL: nobody */
    void *user;                     /* for warn */
    const wfs_http_transport *pass_through; /* the real server; NULL: none.
                                               Must outlive the mocks */
    const char *set_scenario_path;  /* NULL: "/__scenario__" */
    const char *get_scenario_path;  /* NULL: "/__scenario__" */
    const char *get_state_path;     /* NULL: "/__scenarist__/state" */
    bool unchecked;                 /* register without validation */
    bool no_log;                    /* keep no rows in mock_request */
    int64_t clock_start;            /* ms; these three not in a harness, */
    wfs_limits limits;              /* which has its own */
    wfs_allocator allocator;
} wfs_mock_options;

/* Mocks with a store and a clock of their own. (A harness makes those in its
 * options; see wfs_harness_mocks.) Of json and scenarios together one must
 * have the key or id "default", if either is given; it answers where the
 * active scenario does not. What options points to is copied, save
 * pass_through. Errors: as wfs_mocks_load's. Free it with wfs_mocks_free. */
WFSDEF wfs_status wfs_mocks_create(const wfs_mock_options *options,
                                   wfs_mocks **mocks, wfs_error *error);
WFSDEF void wfs_mocks_free(wfs_mocks *mocks);

/* Parts of it, which it owns; and what the last call that failed had to say. */
WFSDEF wfs_store *wfs_mocks_store(wfs_mocks *mocks);
WFSDEF wfs_clock *wfs_mocks_clock(wfs_mocks *mocks);
WFSDEF const wfs_error *wfs_mocks_error(const wfs_mocks *mocks);

/* What is wrong with a definition that was refused. */
typedef struct wfs_mock_problem {
    const wfs_json *path;           /* keys and places, of the field */
    const char *where;              /* the same: "mocks[0].match.body.sku" */
    const char *message;
} wfs_mock_problem;

/* All that the last load or registration found; until the next one. */
WFSDEF const wfs_mock_problem *wfs_mocks_problems(const wfs_mocks *mocks,
                                                  size_t *count);

/* Register scenarios: an object of them, one of whose keys is "default"; one;
 * one in C. All or nothing. size 0: the text ends at its NUL. The same value
 * again is accepted, another with its id is not. Errors: JSON_INVALID,
 * VALIDATION_ERROR (see wfs_mocks_problems), DUPLICATE_SCENARIO, NO_MEMORY. */
WFSDEF wfs_status wfs_mocks_load(wfs_mocks *mocks, const char *json,
                                 size_t size);
WFSDEF wfs_status wfs_mocks_load_json(wfs_mocks *mocks,
                                      const wfs_json *scenarios);
WFSDEF wfs_status wfs_mocks_register_text(wfs_mocks *mocks, const char *json,
                                          size_t size);
WFSDEF wfs_status wfs_mocks_register(wfs_mocks *mocks,
                                     const wfs_json *scenario);
WFSDEF wfs_status wfs_mocks_add(wfs_mocks *mocks,
                                const wfs_mock_scenario *scenario);

/* Registered scenarios, in order from 0 on, by place or by id; false when
 * there is none. Texts live as long as the mocks. */
typedef struct wfs_mock_scenario_info {
    const char *id;
    const char *name;
    const char *description;
    size_t mock_count;
} wfs_mock_scenario_info;
WFSDEF bool wfs_mocks_scenario_at(wfs_mocks *mocks, size_t place,
                                  wfs_mock_scenario_info *info);
WFSDEF bool wfs_mocks_scenario(wfs_mocks *mocks, const char *id,
                               wfs_mock_scenario_info *info);

/* Make a scenario active for a test id, which starts over: no state, sequences
 * at their start. test_id: NULL is the default one. Errors:
 * SCENARIO_NOT_FOUND, NO_MEMORY. */
WFSDEF wfs_status wfs_mocks_switch(wfs_mocks *mocks, const char *test_id,
                                   const char *scenario);

/* Forget the active scenario only; state and sequences stay. */
WFSDEF wfs_status wfs_mocks_clear(wfs_mocks *mocks, const char *test_id);

/* The id of the active scenario, or NULL; lives as long as the mocks. */
WFSDEF const char *wfs_mocks_active(const wfs_mocks *mocks,
                                    const char *test_id);

/* The state: an object in that arena; NULL without memory. */
WFSDEF wfs_json *wfs_mocks_state(const wfs_mocks *mocks, const char *test_id,
                                 wfs_arena *arena);

/* What became of a request. Texts and values live in the arena of the call. */
typedef struct wfs_mock_answer {
    wfs_http_response response;     /* what goes over the wire */
    bool passed_through;            /* nothing does: ask the real server */
    const char *test_id;
    const char *active;             /* the scenario asked; "default": none */
    const char *url;                /* normalised; NULL: it is none */
    const char *scenario;           /* whose mock answered, or NULL */
    int64_t mock;                   /* its place there; of an error: its place
                                       among those that fit, or -1 */
    int64_t specificity;
    const wfs_json *params;         /* of the URL pattern; NULL: none */
    const char *explanation;        /* when none answered: the nearest mocks
                                       and why not, a line each; or NULL */
    const void *call;               /* for wfs_mock_selected */
} wfs_mock_answer;

/* Let the mocks answer. WFS_OK when one did; else answer->response is what the
 * error behaviours make of it. The clock stands still; delays and control
 * endpoints are the transport's. test_id: NULL is the default one. Errors:
 * NO_MOCK_FOUND, SEQUENCE_EXHAUSTED, VALIDATION_ERROR (the mock has no
 * response, the URL is none), MISSING_TEST_ID, HANDLER_ERROR (a broken pattern,
 * a header that HTTP forbids, ...), NO_MEMORY. */
WFSDEF wfs_status wfs_mocks_request(wfs_mocks *mocks, const char *test_id,
                                    const wfs_http_request *request,
                                    wfs_arena *arena, wfs_mock_answer *answer);

/* The response of an answer before it was made text: {status, headers, body,
 * delay}, those that there are. While the mocks live. NULL without memory. */
WFSDEF wfs_json *wfs_mock_selected(wfs_arena *arena,
                                   const wfs_mock_answer *answer);

/* A client of the mocks, for code under test; must outlive its transport. */
typedef struct wfs_mock_client {
    wfs_mocks *mocks;
    const char *test_id;            /* NULL: that of the request's header */
    bool keep_clock;                /* delays are told, not waited for */
} wfs_mock_client;

/* A transport to the mocks. A delay moves the clock. Requests to the control
 * endpoints switch and read; what passes through goes to pass_through, and
 * without one fails with the error's status. */
WFSDEF wfs_http_transport wfs_mock_transport(const wfs_mock_client *client);

/* A request to a control endpoint (the test id is in its header): *answered is
 * false when the path is none of theirs. Errors: NO_MEMORY. */
WFSDEF wfs_status wfs_mocks_control(wfs_mocks *mocks,
                                    const wfs_http_request *request,
                                    wfs_arena *arena, bool *answered,
                                    wfs_http_response *response);

/* Which requests; what is left at 0 or NULL is not asked for. */
typedef struct wfs_mock_filter {
    const char *test_id;
    const char *method;
    const char *url;                /* a pattern */
    const char *scenario;           /* whose mock answered */
    bool unanswered;                /* only those that no mock answered */
} wfs_mock_filter;

/* A request of the log, in order. */
typedef struct wfs_mock_request {
    wfs_row_id id;
    const char *test_id;
    int64_t time;                   /* ms */
    const char *method;
    const char *url;
    const wfs_http_header *headers; /* ended by a zero entry */
    const char *body;               /* NULL: none */
    size_t body_size;
    const char *scenario;           /* NULL: no mock answered */
    int64_t mock;                   /* place; -1: none */
    int64_t entry;                  /* place in its sequence; -1: none */
    int64_t status;                 /* of the response; 0: none was sent */
    const char *error;              /* code, or NULL */
    const char *message;
} wfs_mock_request;

/* The requests that came so far, or as text, a line each: "POST
 * https://x.test/pay -> declined[0]", "-> cart[1] #2" for the second response
 * of a sequence, "-> NO_MOCK_FOUND". filter: NULL for all. Errors:
 * VALIDATION_ERROR (the pattern), NO_MEMORY. */
WFSDEF wfs_status wfs_mocks_requests(wfs_mocks *mocks,
                                     const wfs_mock_filter *filter,
                                     wfs_arena *arena,
                                     const wfs_mock_request **requests,
                                     size_t *count);
WFSDEF wfs_status wfs_mocks_log(wfs_mocks *mocks, const wfs_mock_filter *filter,
                                wfs_arena *arena, const char **text);

/* What was defined and never asked for, a line each, by a test id in the
 * scenario that is active for it, or with NULL by any in all scenarios:
 * "declined[0] POST /pay", "cart[1] GET /cart #2 to #3"; "" when all was used.
 * Errors: NO_MEMORY, and MISUSE without a log. */
WFSDEF wfs_status wfs_mocks_unused(wfs_mocks *mocks, const char *test_id,
                                   wfs_arena *arena, const char **text);

/* ------------------------------------------------------------------------
 * >>engine-api  public: what a workflow function may call
 *
 * A workflow and the body of a do step are the same kind of function. A
 * workflow runs from its top on every tick; its step calls record their step
 * or replay it from its row. Semantics: Fragno workflows.
 * --------------------------------------------------------------------- */

typedef struct wfs_run wfs_run;
typedef struct wfs_harness wfs_harness;

/* Returns WFS_OK, or what a step call returned. */
typedef wfs_status (*wfs_function)(wfs_run *run, void *user);

/* A refusal as text, which must live until the next call of the validator;
 * NULL when the value is fine. */
typedef const char *(*wfs_validator)(const wfs_json *value, void *user);

typedef struct wfs_workflow {
    const char *key;                /* short name in a scenario */
    const char *name;               /* name in the tables; NULL: the key */
    wfs_function run;
    void *user;                     /* handed to run and the validators */
    wfs_validator validate_params;  /* a refusal: WORKFLOW_PARAMS_INVALID */
    wfs_validator validate_output;  /* a refusal ends the run errored, named
                                       WORKFLOW_OUTPUT_INVALID */
} wfs_workflow;

typedef enum wfs_backoff {
    WFS_BACKOFF_CONSTANT,           /* d, d, d, ... */
    WFS_BACKOFF_LINEAR,             /* d, 2d, 3d, ... */
    WFS_BACKOFF_EXPONENTIAL         /* d, 2d, 4d, ... */
} wfs_backoff;

typedef struct wfs_retries {
    int64_t limit;                  /* further attempts after the first */
    const char *delay;              /* duration; or */
    double delay_ms;                /* milliseconds, when delay is NULL */
    wfs_backoff backoff;
} wfs_retries;

typedef struct wfs_do_options {
    wfs_retries retries;            /* default: none */
    size_t name_size;               /* 0: the name ends at its NUL */
} wfs_do_options;

typedef struct wfs_sleep_options {
    const char *duration;           /* "1 hour"; or */
    double ms;                      /* milliseconds; or */
    bool has_until;
    int64_t until;                  /* a time */
    size_t name_size;               /* 0: the name ends at its NUL */
} wfs_sleep_options;

typedef struct wfs_wait_options {
    const char *type;               /* of the event; required */
    const char *timeout;            /* duration; NULL or "": ... */
    double timeout_ms;              /* ... milliseconds; 0: waits for ever */
    size_t name_size;               /* 0: the name ends at its NUL */
} wfs_wait_options;

/* Run `body` as a step: once it has succeeded it is not run again, its result
 * is replayed from its row. options and result may be NULL. *result lives as
 * long as this tick. Returns WFS_OK; WFS_SUSPENDED when it waits for a retry;
 * WFS_FAILED when it has failed for good, and the caller may go on. A body
 * that returns WFS_FAILED fails its attempt. */
WFSDEF wfs_status wfs_do(wfs_run *run, const char *name, wfs_function body,
                         void *user, const wfs_do_options *options,
                         const wfs_json **result);

/* Sleep for a duration, for ms, or until a time. WFS_SUSPENDED until a tick
 * for reason wake comes at or after that time; WFS_FAILED for a text that is
 * no duration. */
WFSDEF wfs_status wfs_sleep(wfs_run *run, const char *name,
                            const char *duration);
WFSDEF wfs_status wfs_sleep_ms(wfs_run *run, const char *name, double ms);
WFSDEF wfs_status wfs_sleep_until(wfs_run *run, const char *name, int64_t time);
WFSDEF wfs_status wfs_sleep_with(wfs_run *run, const char *name,
                                 const wfs_sleep_options *options);

/* Wait for an event of a type: the first one of this run that no step has
 * taken. *event (may be NULL) is {"type", "payload", "timestamp"}. WFS_FAILED,
 * named WaitForEventTimeoutError, when the timeout has passed. */
WFSDEF wfs_status wfs_wait_for_event(wfs_run *run, const char *name,
                                     const wfs_wait_options *options,
                                     const wfs_json **event);

/* The value of the function that is running: the instance's output, or the
 * step's result. The text form takes JSON, checked. The last call counts. */
WFSDEF wfs_status wfs_return(wfs_run *run, const wfs_json *value);
WFSDEF wfs_status wfs_return_text(wfs_run *run, const char *json);

/* Fail with an error: returns WFS_FAILED, to be handed back. In a body it
 * fails the attempt, which is tried again while retries are left;
 * wfs_fail_for_good is not. Texts may be NULL: "Error", "". */
WFSDEF wfs_status wfs_fail(wfs_run *run, const char *name, const char *message);
WFSDEF wfs_status wfs_fail_for_good(wfs_run *run, const char *name,
                                    const char *message);

typedef struct wfs_failure {
    const char *name;               /* "CARD_DECLINED" */
    size_t name_size;
    const char *message;
    size_t message_size;
    bool for_good;                  /* not to be tried again */
} wfs_failure;

/* The same with lengths; texts that are NULL have the defaults. */
WFSDEF wfs_status wfs_fail_with(wfs_run *run, const wfs_failure *failure);

/* The error of the last call that returned WFS_FAILED; lives as long as this
 * tick. */
WFSDEF const wfs_failure *wfs_run_error(const wfs_run *run);

/* What is known of the run. Times are ms; values live as long as this tick. */
WFSDEF const wfs_json *wfs_params(wfs_run *run);
WFSDEF const char *wfs_instance_id(const wfs_run *run);
WFSDEF int64_t wfs_created_at(const wfs_run *run);  /* same in every replay */
WFSDEF int64_t wfs_run_number(const wfs_run *run);
WFSDEF int64_t wfs_attempt(const wfs_run *run);     /* in a body: from 1 */
WFSDEF int64_t wfs_now(wfs_run *run);               /* only in a body */
WFSDEF wfs_random *wfs_run_random(wfs_run *run);    /* only in a body */
WFSDEF wfs_arena *wfs_run_arena(wfs_run *run);      /* lives as this tick */
/* A call on it in a workflow is part of the tick: undone when that fails. */
WFSDEF wfs_harness *wfs_run_harness(wfs_run *run);

/* In a body: send a request to the harness's mocks, as their client with that
 * test id (NULL: the request's header says it). A delay moves the clock. The
 * response lives as long as this tick. What the mocks write is undone when the
 * tick fails, but not when the attempt does. WFS_FAILED, named by the status
 * (NO_MOCK_FOUND, ...), when nobody answers. Errors: MISUSE outside a body or
 * without mocks, NO_MEMORY. */
WFSDEF wfs_status wfs_fetch(wfs_run *run, const char *test_id,
                            const wfs_http_request *request,
                            wfs_http_response *response);

/* In a body: queue a write to the user's own tables, or a hook of the user's.
 * It is done when the step's result is committed, or not at all: not when the
 * attempt fails or suspends, nor when the tick loses against another one.
 * Fields are copied. A constraint that it violates fails the tick. Errors:
 * MISUSE outside a body, NO_MEMORY, and those of the store. */
WFSDEF wfs_status wfs_queue_insert(wfs_run *run, const char *table,
                                   const wfs_field *fields);
WFSDEF wfs_status wfs_queue_update(wfs_run *run, const char *table,
                                   wfs_row_id id, uint32_t version,
                                   const wfs_field *fields);
WFSDEF wfs_status wfs_queue_delete(wfs_run *run, const char *table,
                                   wfs_row_id id, uint32_t version);
WFSDEF wfs_status wfs_queue_hook(wfs_run *run, const char *hook_name,
                                 const wfs_json *payload);

/* ------------------------------------------------------------------------
 * >>harness-api  public: workflow instances
 *
 * `workflow` is a key or a name in the registry. Every call is one
 * transaction: on an error the store is as it was. Rows and values that a
 * call gives are kept until wfs_harness_release or wfs_harness_free. One
 * thread at a time; harnesses share nothing.
 * --------------------------------------------------------------------- */

#define WFS_INSTANCE_STATUS_LIST(X)                                           \
    X(WFS_INSTANCE_QUEUED, "queued")                                          \
    X(WFS_INSTANCE_RUNNING, "running")                                        \
    X(WFS_INSTANCE_PAUSED, "paused")                                          \
    X(WFS_INSTANCE_ERRORED, "errored")                                        \
    X(WFS_INSTANCE_TERMINATED, "terminated")                                  \
    X(WFS_INSTANCE_COMPLETE, "complete")                                      \
    X(WFS_INSTANCE_WAITING, "waiting")                                        \
    X(WFS_INSTANCE_WAITING_FOR_PAUSE, "waitingForPause")                      \
    X(WFS_INSTANCE_UNKNOWN, "unknown")

#define WFS_STEP_TYPE_LIST(X)                                                 \
    X(WFS_STEP_DO, "do")                                                      \
    X(WFS_STEP_SLEEP, "sleep")                                                \
    X(WFS_STEP_WAIT_FOR_EVENT, "waitForEvent")

#define WFS_STEP_STATUS_LIST(X)                                               \
    X(WFS_STEP_WAITING, "waiting")                                            \
    X(WFS_STEP_COMPLETED, "completed")                                        \
    X(WFS_STEP_ERRORED, "errored")

#define WFS_ACTOR_LIST(X)                                                     \
    X(WFS_ACTOR_USER, "user")                                                 \
    X(WFS_ACTOR_SYSTEM, "system")

#define WFS_REASON_LIST(X)                                                    \
    X(WFS_REASON_CREATE, "create")                                            \
    X(WFS_REASON_EVENT, "event")                                              \
    X(WFS_REASON_RESUME, "resume")                                            \
    X(WFS_REASON_RETRY, "retry")                                              \
    X(WFS_REASON_WAKE, "wake")

#define WFS_HOOK_STATUS_LIST(X)                                               \
    X(WFS_HOOK_PENDING, "pending")                                            \
    X(WFS_HOOK_PROCESSING, "processing")                                      \
    X(WFS_HOOK_COMPLETED, "completed")                                        \
    X(WFS_HOOK_FAILED, "failed")

/* Each enumeration starts with a value of 0 that means "not given". */
#define WFSI_ENUMERATOR(code, name) code,
typedef enum wfs_instance_status {
    WFS_INSTANCE_ANY,
    WFS_INSTANCE_STATUS_LIST(WFSI_ENUMERATOR)
    WFS_INSTANCE_STATUS_COUNT
} wfs_instance_status;
typedef enum wfs_step_type {
    WFS_STEP_TYPE_NONE,
    WFS_STEP_TYPE_LIST(WFSI_ENUMERATOR)
    WFS_STEP_TYPE_COUNT
} wfs_step_type;
typedef enum wfs_step_status {
    WFS_STEP_STATUS_NONE,
    WFS_STEP_STATUS_LIST(WFSI_ENUMERATOR)
    WFS_STEP_STATUS_COUNT
} wfs_step_status;
typedef enum wfs_actor {
    WFS_ACTOR_NONE,
    WFS_ACTOR_LIST(WFSI_ENUMERATOR)
    WFS_ACTOR_COUNT
} wfs_actor;
typedef enum wfs_reason {
    WFS_REASON_NONE,
    WFS_REASON_LIST(WFSI_ENUMERATOR)
    WFS_REASON_COUNT
} wfs_reason;
typedef enum wfs_hook_status {
    WFS_HOOK_ANY,
    WFS_HOOK_STATUS_LIST(WFSI_ENUMERATOR)
    WFS_HOOK_STATUS_COUNT
} wfs_hook_status;
#undef WFSI_ENUMERATOR

/* Their names, as they stand in the tables; "" for 0. Static text. */
WFSDEF const char *wfs_instance_status_name(wfs_instance_status status);
WFSDEF const char *wfs_step_type_name(wfs_step_type type);
WFSDEF const char *wfs_step_status_name(wfs_step_status status);
WFSDEF const char *wfs_actor_name(wfs_actor actor);
WFSDEF const char *wfs_reason_name(wfs_reason reason);
WFSDEF const char *wfs_hook_status_name(wfs_hook_status status);

/* Rows as they are read: every column. Times are ms or WFS_NO_TIME, texts
 * NULL and JSON values NULL where the column is null. Errors may hold any
 * byte, so they have sizes too. */
typedef struct wfs_instance {
    wfs_row_id id;
    uint32_t version;
    const char *instance_id;
    const char *workflow_name;
    wfs_instance_status status;
    int64_t created_at, updated_at, started_at, completed_at;
    const wfs_json *params, *output;
    const char *error_name, *error_message;
    size_t error_name_size, error_message_size;
    bool pause_requested;
    int64_t run_number;
} wfs_instance;

typedef struct wfs_step {
    wfs_row_id id;
    uint32_t version;
    wfs_row_id instance_ref;
    const char *workflow_name;
    const char *instance_id;
    int64_t run_number;
    const char *step_key;
    const char *name;
    wfs_step_type type;
    wfs_step_status status;
    int64_t attempts, max_attempts;
    int64_t timeout_ms;             /* WFS_NO_TIME: none */
    int64_t next_retry_at, wake_at;
    const char *wait_event_type;
    const wfs_json *result;
    const char *error_name, *error_message;
    size_t error_name_size, error_message_size;
    int64_t created_at, updated_at;
} wfs_step;

typedef struct wfs_event {
    wfs_row_id id;
    uint32_t version;
    wfs_row_id instance_ref;
    const char *workflow_name;
    const char *instance_id;
    int64_t run_number;
    wfs_actor actor;
    const char *type;
    const wfs_json *payload;
    int64_t created_at, delivered_at;
    const char *consumed_by_step_key;
} wfs_event;

/* A hook of the engine has the fields of its payload; one of the user's has
 * a payload in JSON. */
typedef struct wfs_hook {
    wfs_row_id id;
    uint32_t version;
    const char *hook_namespace;
    const char *hook_name;
    const char *workflow_name;
    const char *instance_id;
    wfs_row_id instance_ref;
    int64_t run_number;
    wfs_reason reason;              /* WFS_REASON_NONE in the user's */
    const wfs_json *payload;        /* NULL in the engine's */
    wfs_hook_status status;
    int64_t attempts, max_attempts;
    int64_t last_attempt_at, next_retry_at;
    const char *error;
    int64_t created_at;
} wfs_hook;

/* A handler for the user's own hooks. Any status but WFS_OK fails the attempt:
 * it is tried again after 100 ms, 200 ms, ... up to 10 s, and failed for good
 * after max_attempts (5). */
typedef struct wfs_hook_handler {
    const char *hook_name;
    wfs_status (*handle)(wfs_harness *harness, const wfs_hook *hook,
                         void *user);
    void *user;
} wfs_hook_handler;

/* What a harness is made of. The registry, its names and the handlers are not
 * copied and must outlive the harness and its forks; tables are copied. */
typedef struct wfs_harness_options {
    const wfs_workflow *workflows;      /* ended by a zero entry */
    const wfs_table *tables;            /* the user's own; NULL: none */
    const wfs_hook_handler *hooks;      /* NULL: none */
    const wfs_mock_options *mocks;      /* HTTP mocks; NULL: none */
    int64_t clock_start;                /* ms */
    uint64_t seed;
    bool auto_tick;                     /* processing a hook runs its tick */
    wfs_limits limits;
    wfs_allocator allocator;
} wfs_harness_options;

/* Make a harness; error may be NULL. Errors: ARGUMENT_INVALID (a workflow
 * without key or function, a name twice), SCHEMA_INVALID, NO_MEMORY, and those
 * of wfs_mocks_create. */
WFSDEF wfs_status wfs_harness_create(const wfs_harness_options *options,
                                     wfs_harness **harness, wfs_error *error);
WFSDEF void wfs_harness_free(wfs_harness *harness);

/* A copy that goes on independently. Not during a tick or with a transaction
 * open (MISUSE). Errors: NO_MEMORY. */
WFSDEF wfs_status wfs_harness_fork(wfs_harness *harness, wfs_harness **copy);

/* Free the rows and values that calls gave so far. */
WFSDEF void wfs_harness_release(wfs_harness *harness);

/* Parts of the harness, which it owns. Its store has the tables
 * workflow_instance, workflow_step, workflow_event, workflow_hook (to read;
 * writing gives ARGUMENT_INVALID), then the user's. */
WFSDEF wfs_store *wfs_harness_store(wfs_harness *harness);
WFSDEF wfs_clock *wfs_harness_clock(wfs_harness *harness);
WFSDEF wfs_random *wfs_harness_random(wfs_harness *harness);
/* The mocks, over the harness's store and clock; NULL: none were asked for. */
WFSDEF wfs_mocks *wfs_harness_mocks(wfs_harness *harness);
/* Where the rows and values that calls give are kept. */
WFSDEF wfs_arena *wfs_harness_arena(wfs_harness *harness);
/* What the last call that failed had to say. */
WFSDEF const wfs_error *wfs_harness_error(const wfs_harness *harness);

/* Create an instance. id: 1 to 100 characters [a-zA-Z0-9_-], not starting
 * with -; NULL or "" draws one. params: JSON text; NULL, null, false, 0 and ""
 * become {}. *id_out (may be NULL) is the id. Errors: WORKFLOW_NOT_FOUND,
 * VALIDATION_ERROR, JSON_INVALID, WORKFLOW_PARAMS_INVALID,
 * INSTANCE_ID_ALREADY_EXISTS, NO_MEMORY. */
WFSDEF wfs_status wfs_create(wfs_harness *harness, const char *workflow,
                             const char *id, const char *params,
                             const char **id_out);

/* One of a batch; arrays end with a zero entry. */
typedef struct wfs_batch_item {
    const char *id;                 /* required */
    const char *params;             /* JSON text; NULL and null become {} */
} wfs_batch_item;

/* Create up to 100 instances at once, skipping ids that exist or came before.
 * *ids (may be NULL) are the *count ids created, in order. Errors as above and
 * LIMIT_EXCEEDED; then none is created. */
WFSDEF wfs_status wfs_create_batch(wfs_harness *harness, const char *workflow,
                                   const wfs_batch_item *items,
                                   const char *const **ids, size_t *count);

/* Send an event. type: as an id. payload: JSON text, NULL for null. *before
 * (may be NULL) is the status that the instance had. Errors:
 * WORKFLOW_NOT_FOUND, INSTANCE_NOT_FOUND, INSTANCE_TERMINAL,
 * VALIDATION_ERROR, JSON_INVALID, NO_MEMORY. */
WFSDEF wfs_status wfs_send_event(wfs_harness *harness, const char *workflow,
                                 const char *id, const char *type,
                                 const char *payload,
                                 wfs_instance_status *before);

/* Ask for a pause at the next tick; go on after one; end; begin a new run.
 * Errors: WORKFLOW_NOT_FOUND, INSTANCE_NOT_FOUND, NO_MEMORY, and for pause
 * and terminate INSTANCE_TERMINAL. */
WFSDEF wfs_status wfs_pause(wfs_harness *harness, const char *workflow,
                            const char *id);
WFSDEF wfs_status wfs_resume(wfs_harness *harness, const char *workflow,
                             const char *id);
WFSDEF wfs_status wfs_terminate(wfs_harness *harness, const char *workflow,
                                const char *id);
WFSDEF wfs_status wfs_restart(wfs_harness *harness, const char *workflow,
                              const char *id);

/* What a tick is asked to do: the payload of a hook. */
typedef struct wfs_payload {
    const char *workflow;
    const char *instance_id;
    wfs_row_id instance_ref;        /* 0: matches nothing */
    int64_t run_number;
    wfs_reason reason;
} wfs_payload;

/* The payload for an instance as it is now. Errors: WORKFLOW_NOT_FOUND,
 * INSTANCE_NOT_FOUND, ARGUMENT_INVALID (no reason). */
WFSDEF wfs_status wfs_build_payload(wfs_harness *harness, const char *workflow,
                                    const char *id, wfs_reason reason,
                                    wfs_payload *payload);

/* One tick at the time of the clock. *processed (may be NULL): 1, or 0 when
 * there was nothing to do or another tick was first. Errors:
 * WORKFLOW_NOT_FOUND; MISUSE when the workflow function broke a rule;
 * NO_MEMORY; the store's, from queued writes. */
WFSDEF wfs_status wfs_tick(wfs_harness *harness, const wfs_payload *payload,
                           int *processed);

typedef struct wfs_idle {
    int processed;                  /* sum of what the ticks processed */
    int ticks;
} wfs_idle;

/* The same tick again until one processes nothing, or max_ticks are done (0:
 * 25). idle may be NULL. Errors as wfs_tick's; then none of them was done. */
WFSDEF wfs_status wfs_run_until_idle(wfs_harness *harness,
                                     const wfs_payload *payload, int max_ticks,
                                     wfs_idle *idle);

/* A tick in its three phases, which a test can hold apart: retrieve reads the
 * instance, its steps and its events; plan runs the workflow function; commit
 * checks that nothing of what was read has changed, and writes. A tick that
 * lost changes nothing and reports 0. Each retrieve needs a commit or a
 * discard, before the harness is freed or forked; either ends the tick,
 * whatever it returns, and it must not be used again. After a plan that failed
 * only a discard has a meaning. What a body writes to the store directly is no
 * part of such a tick. Errors as wfs_tick's. */
typedef struct wfs_open_tick wfs_open_tick;
WFSDEF wfs_status wfs_tick_retrieve(wfs_harness *harness,
                                    const wfs_payload *payload,
                                    wfs_open_tick **tick);
WFSDEF wfs_status wfs_tick_plan(wfs_open_tick *tick);
WFSDEF wfs_status wfs_tick_commit(wfs_open_tick *tick, int *processed);
WFSDEF void wfs_tick_discard(wfs_open_tick *tick);

/* Process every hook that is due, in order of id, and those that become due
 * meanwhile. Without auto_tick an engine's hook is only marked; with it, it
 * runs its tick. *processed (may be NULL) counts hooks. All or nothing: when a
 * tick fails, no hook of this call is processed, and its own stays due;
 * wfs_harness_error names the instance, and terminating that goes on. (A
 * handler that refuses fails its own hook only.) Errors: those of a tick;
 * LIMIT_EXCEEDED when hooks add hooks without end. */
WFSDEF wfs_status wfs_process_hooks(wfs_harness *harness, size_t *processed);

/* An instance's status, error and output. Errors: WORKFLOW_NOT_FOUND,
 * INSTANCE_NOT_FOUND, NO_MEMORY. */
typedef struct wfs_status_report {
    wfs_instance_status status;
    const char *error_name, *error_message;     /* both NULL: no error */
    size_t error_name_size, error_message_size;
    const wfs_json *output;                     /* NULL: none */
} wfs_status_report;
WFSDEF wfs_status wfs_get_status(wfs_harness *harness, const char *workflow,
                                 const char *id, wfs_status_report *report);

/* An instance's row; *instance is NULL when there is none. Errors:
 * WORKFLOW_NOT_FOUND, NO_MEMORY. */
WFSDEF wfs_status wfs_get_instance(wfs_harness *harness, const char *workflow,
                                   const char *id,
                                   const wfs_instance **instance);

typedef enum wfs_order { WFS_ASCENDING, WFS_DESCENDING } wfs_order;

/* Which rows of an instance, by (created_at, id). */
typedef struct wfs_read_options {
    bool has_run_number;            /* false: the current run */
    int64_t run_number;
    wfs_order order;
    size_t page_size;               /* 0: all */
    const char *steps_cursor;       /* go on after; NULL: from the start */
    const char *events_cursor;
} wfs_read_options;

/* Steps, events or both of one run. Cursors are NULL at the end. options may
 * be NULL. Errors: WORKFLOW_NOT_FOUND, INSTANCE_NOT_FOUND, CURSOR_INVALID,
 * NO_MEMORY. */
typedef struct wfs_history {
    int64_t run_number;
    const wfs_step *steps;
    size_t step_count;
    const wfs_event *events;
    size_t event_count;
    const char *steps_cursor;
    const char *events_cursor;
} wfs_history;
WFSDEF wfs_status wfs_get_history(wfs_harness *harness, const char *workflow,
                                  const char *id,
                                  const wfs_read_options *options,
                                  wfs_history *history);
WFSDEF wfs_status wfs_get_steps(wfs_harness *harness, const char *workflow,
                                const char *id, const wfs_read_options *options,
                                const wfs_step **steps, size_t *count);
WFSDEF wfs_status wfs_get_events(wfs_harness *harness, const char *workflow,
                                 const char *id,
                                 const wfs_read_options *options,
                                 const wfs_event **events, size_t *count);

/* Internal rows, for tests of the engine: hooks in order of creation. What is
 * left at 0 or NULL is not asked for. Errors: WORKFLOW_NOT_FOUND, NO_MEMORY. */
typedef struct wfs_hook_filter {
    const char *hook_namespace;
    const char *hook_name;
    wfs_hook_status status;
    const char *workflow;
    const char *instance_id;
} wfs_hook_filter;
WFSDEF wfs_status wfs_get_hooks(wfs_harness *harness,
                                const wfs_hook_filter *filter,
                                const wfs_hook **hooks, size_t *count);

/* A page of a workflow's instances: by instance id, or with a status by
 * updated_at, both descending. page_size 0: 25. Errors: WORKFLOW_NOT_FOUND,
 * CURSOR_INVALID, NO_MEMORY. */
typedef struct wfs_list_options {
    wfs_instance_status status;     /* 0: all */
    size_t page_size;
    const char *cursor;
} wfs_list_options;
typedef struct wfs_instance_list {
    const wfs_instance *instances;
    size_t count;
    bool has_next_page;
    const char *cursor;             /* NULL without a next page */
} wfs_instance_list;
WFSDEF wfs_status wfs_list_instances(wfs_harness *harness, const char *workflow,
                                     const wfs_list_options *options,
                                     wfs_instance_list *list);

/* Rows as JSON, with the names that the columns have in the tables (a hook's
 * payload is an object); NULL without memory. Values live in the arena and,
 * where they come from the row, as long as the row. */
WFSDEF wfs_json *wfs_instance_to_json(wfs_arena *arena,
                                      const wfs_instance *instance);
WFSDEF wfs_json *wfs_step_to_json(wfs_arena *arena, const wfs_step *step);
WFSDEF wfs_json *wfs_event_to_json(wfs_arena *arena, const wfs_event *event);
WFSDEF wfs_json *wfs_hook_to_json(wfs_arena *arena, const wfs_hook *hook);

/* ------------------------------------------------------------------------
 * >>scenario-api  public: a test as an array of steps
 *
 * Steps run in order; the first that fails ends the scenario. Where a field
 * X has a twin X_from, the callback is asked when the step runs, and wins.
 * What a callback returns must live until the step has run: take memory from
 * context->arena, which lives until the scenario is freed. The order of the
 * fields is part of the API (C++20 needs it). Source: Fragno's scenario DSL.
 * --------------------------------------------------------------------- */

#define WFS_SCENARIO_STEP_LIST(X)                                             \
    X(WFS_SCENARIO_CREATE, "create")                                          \
    X(WFS_SCENARIO_CREATE_BATCH, "createBatch")                               \
    X(WFS_SCENARIO_EVENT, "event")                                            \
    X(WFS_SCENARIO_TICK, "tick")                                              \
    X(WFS_SCENARIO_RUN_UNTIL_IDLE, "runUntilIdle")                            \
    X(WFS_SCENARIO_STATUS, "status")                                          \
    X(WFS_SCENARIO_HISTORY, "history")                                        \
    X(WFS_SCENARIO_ADVANCE_TIME, "advanceTime")                               \
    X(WFS_SCENARIO_SET_TIME, "setTime")                                       \
    X(WFS_SCENARIO_READ, "read")                                              \
    X(WFS_SCENARIO_ASSERT, "assert")                                          \
    X(WFS_SCENARIO_PAUSE, "pause")                                            \
    X(WFS_SCENARIO_RESUME, "resume")                                          \
    X(WFS_SCENARIO_TERMINATE, "terminate")                                    \
    X(WFS_SCENARIO_RESTART, "restart")                                        \
    X(WFS_SCENARIO_INITIALIZE_AND_RUN, "initializeAndRunUntilIdle")           \
    X(WFS_SCENARIO_EVENT_AND_RUN, "eventAndRunUntilIdle")                     \
    X(WFS_SCENARIO_RESUME_AND_RUN, "resumeAndRunUntilIdle")                   \
    X(WFS_SCENARIO_RUN_CREATE, "runCreateUntilIdle")                          \
    X(WFS_SCENARIO_RUN_RESUME, "runResumeUntilIdle")                          \
    X(WFS_SCENARIO_RETRY_AND_RUN, "retryAndRunUntilIdle")                     \
    X(WFS_SCENARIO_ADVANCE_AND_RUN, "advanceTimeAndRunUntilIdle")             \
    X(WFS_SCENARIO_SWITCH_MOCKS, "switchMocks")                               \
    X(WFS_SCENARIO_EXPECT_REQUESTS, "expectRequests")                         \
    X(WFS_SCENARIO_EXPECT_MOCK_STATE, "expectMockState")                      \
    X(WFS_SCENARIO_EXPECT_MOCKS_USED, "expectMocksUsed")

#define WFSI_ENUMERATOR(code, name) code,
typedef enum wfs_scenario_kind {
    WFS_SCENARIO_END,               /* the zero entry */
    WFS_SCENARIO_STEP_LIST(WFSI_ENUMERATOR)
    WFS_SCENARIO_KIND_COUNT
} wfs_scenario_kind;
#undef WFSI_ENUMERATOR

/* The name of a kind of step, as in the list. Static text. */
WFSDEF const char *wfs_scenario_kind_name(wfs_scenario_kind kind);

typedef struct wfs_scenario wfs_scenario;
typedef struct wfs_scenario_step wfs_scenario_step;

/* What a callback may look at and use. */
typedef struct wfs_context {
    const wfs_scenario *scenario;   /* name, user, ... */
    const wfs_scenario_step *step;  /* the one that runs; its user pointer */
    size_t step_index;              /* from 0 */
    wfs_harness *harness;
    wfs_clock *clock;
    wfs_arena *arena;
    const wfs_json *vars;           /* an object: what was stored so far */
    void *user;                     /* of the scenario */
    wfs_error *error;               /* a callback that fails says why here */
    void *turn;                     /* the runner's own; NULL outside of one */
} wfs_context;

/* Return NULL, or for a number or a list set context->error->code, to fail. */
typedef const char *(*wfs_text_from)(wfs_context *context);
typedef const wfs_json *(*wfs_json_from)(wfs_context *context);
typedef int64_t (*wfs_number_from)(wfs_context *context);
typedef const wfs_batch_item *(*wfs_batch_from)(wfs_context *context);
typedef const wfs_payload *(*wfs_payload_from)(wfs_context *context);
typedef const wfs_read_options *(*wfs_options_from)(wfs_context *context);
typedef wfs_status (*wfs_check)(wfs_context *context);

struct wfs_scenario_step {
    wfs_scenario_kind kind;         /* set by the macros below */
    const char *file;               /* likewise */
    int line;                       /* likewise */
    const char *label;              /* for the report; NULL: made up */
    const char *workflow;           /* key or name */
    wfs_text_from workflow_from;
    const char *id;                 /* instance; create: NULL draws one */
    wfs_text_from id_from;
    const char *params;             /* JSON text */
    wfs_json_from params_from;
    const wfs_batch_item *instances;
    wfs_batch_from instances_from;
    const char *type;               /* of the event */
    wfs_text_from type_from;
    const char *payload;            /* of the event: JSON text */
    wfs_json_from payload_from;
    wfs_reason reason;              /* of a tick */
    wfs_text_from reason_from;
    const wfs_payload *tick_payload;    /* instead of workflow, id, reason */
    wfs_payload_from tick_payload_from;
    const char *duration;           /* advance: "10 minutes" */
    wfs_text_from duration_from;
    int64_t timestamp;              /* ms; set the clock to it first; 0: not */
    wfs_number_from timestamp_from;
    int max_ticks;                  /* 0: 25 */
    wfs_number_from max_ticks_from;
    const wfs_read_options *options;    /* of history */
    wfs_options_from options_from;
    wfs_json_from read;             /* read: the value; NULL stands for null */
    wfs_check check;                /* assert: WFS_OK, or what went wrong */
    void *user;                     /* for the callbacks */
    const char *store_as;           /* variable for the step's value */
    const char *run_store_as;       /* combined steps: for {processed, ticks} */
    const char *test_id;            /* of the mocks; NULL: the default one */
    wfs_text_from test_id_from;
    const char *mock_scenario;      /* to switch to: its id */
    wfs_text_from mock_scenario_from;
    const wfs_mock_filter *requests;    /* which of the log; NULL: all */
    const char *log;                /* as wfs_mocks_log gives it; or NULL: */
    size_t count;                   /* how many requests */
    const char *state;              /* expected of the mocks: JSON text */
};

#define WFSI_STEP(step_kind, ...)                                             \
    {.kind = step_kind, .file = __FILE__, .line = __LINE__, __VA_ARGS__}

/* The kinds of steps, what they take, and their value:
 *
 * CREATE          workflow, id, params                 the id
 * CREATE_BATCH    workflow, instances                  [{id, details{status}}]
 * EVENT           workflow, id, type, payload          status before: {status}
 * TICK            workflow, id, reason or tick_payload 0 or 1
 * RUN_UNTIL_IDLE  the same, max_ticks                  {processed, ticks}
 * STATUS          workflow, id                         {status, error, output}
 * HISTORY         workflow, id, options                {runNumber, steps,
 *                                                       events}
 * ADVANCE_TIME    duration                             the clock
 * SET_TIME        timestamp                            the clock
 * READ            read                                 what read returns
 * ASSERT          check                                null
 * PAUSE, RESUME, TERMINATE, RESTART   workflow, id     {ok: true}, or for a
 *                                                      refusal, which does not
 *                                                      end the scenario,
 *                                                      {error: {code, message}}
 * INITIALIZE_AND_RUN   as CREATE, timestamp, max_ticks, run_store_as
 * EVENT_AND_RUN        as EVENT,  timestamp, max_ticks, run_store_as
 * RESUME_AND_RUN       as RESUME, timestamp, max_ticks, run_store_as
 * RUN_CREATE, RUN_RESUME, RETRY_AND_RUN   workflow, id, timestamp, max_ticks
 * ADVANCE_AND_RUN      workflow, id, duration or timestamp, max_ticks
 *
 * SWITCH_MOCKS         test_id, mock_scenario          {testId, scenarioId}
 * EXPECT_REQUESTS      requests, log or count          the count
 * EXPECT_MOCK_STATE    test_id, state                  the state
 * EXPECT_MOCKS_USED    test_id (NULL: any)             null
 *
 * The value of the first three combined steps is {value, run}; store_as gets
 * the value, run_store_as the run. TICK and RUN_UNTIL_IDLE take timestamp. */
#define WFS_CREATE(...)         WFSI_STEP(WFS_SCENARIO_CREATE, __VA_ARGS__)
#define WFS_CREATE_BATCH(...)                                                 \
    WFSI_STEP(WFS_SCENARIO_CREATE_BATCH, __VA_ARGS__)
#define WFS_EVENT(...)          WFSI_STEP(WFS_SCENARIO_EVENT, __VA_ARGS__)
#define WFS_TICK(...)           WFSI_STEP(WFS_SCENARIO_TICK, __VA_ARGS__)
#define WFS_RUN_UNTIL_IDLE(...)                                               \
    WFSI_STEP(WFS_SCENARIO_RUN_UNTIL_IDLE, __VA_ARGS__)
#define WFS_STATUS(...)         WFSI_STEP(WFS_SCENARIO_STATUS, __VA_ARGS__)
#define WFS_HISTORY(...)        WFSI_STEP(WFS_SCENARIO_HISTORY, __VA_ARGS__)
#define WFS_ADVANCE_TIME(...)                                                 \
    WFSI_STEP(WFS_SCENARIO_ADVANCE_TIME, __VA_ARGS__)
#define WFS_SET_TIME(...)       WFSI_STEP(WFS_SCENARIO_SET_TIME, __VA_ARGS__)
#define WFS_READ(...)           WFSI_STEP(WFS_SCENARIO_READ, __VA_ARGS__)
#define WFS_ASSERT(...)         WFSI_STEP(WFS_SCENARIO_ASSERT, __VA_ARGS__)
#define WFS_PAUSE(...)          WFSI_STEP(WFS_SCENARIO_PAUSE, __VA_ARGS__)
#define WFS_RESUME(...)         WFSI_STEP(WFS_SCENARIO_RESUME, __VA_ARGS__)
#define WFS_TERMINATE(...)      WFSI_STEP(WFS_SCENARIO_TERMINATE, __VA_ARGS__)
#define WFS_RESTART(...)        WFSI_STEP(WFS_SCENARIO_RESTART, __VA_ARGS__)
#define WFS_INITIALIZE_AND_RUN(...)                                           \
    WFSI_STEP(WFS_SCENARIO_INITIALIZE_AND_RUN, __VA_ARGS__)
#define WFS_EVENT_AND_RUN(...)                                                \
    WFSI_STEP(WFS_SCENARIO_EVENT_AND_RUN, __VA_ARGS__)
#define WFS_RESUME_AND_RUN(...)                                               \
    WFSI_STEP(WFS_SCENARIO_RESUME_AND_RUN, __VA_ARGS__)
#define WFS_RUN_CREATE(...)     WFSI_STEP(WFS_SCENARIO_RUN_CREATE, __VA_ARGS__)
#define WFS_RUN_RESUME(...)     WFSI_STEP(WFS_SCENARIO_RUN_RESUME, __VA_ARGS__)
#define WFS_RETRY_AND_RUN(...)                                                \
    WFSI_STEP(WFS_SCENARIO_RETRY_AND_RUN, __VA_ARGS__)
#define WFS_ADVANCE_AND_RUN(...)                                              \
    WFSI_STEP(WFS_SCENARIO_ADVANCE_AND_RUN, __VA_ARGS__)
#define WFS_SWITCH_MOCKS(...)                                                 \
    WFSI_STEP(WFS_SCENARIO_SWITCH_MOCKS, __VA_ARGS__)
#define WFS_EXPECT_REQUESTS(...)                                              \
    WFSI_STEP(WFS_SCENARIO_EXPECT_REQUESTS, __VA_ARGS__)
#define WFS_EXPECT_MOCK_STATE(...)                                            \
    WFSI_STEP(WFS_SCENARIO_EXPECT_MOCK_STATE, __VA_ARGS__)
#define WFS_EXPECT_MOCKS_USED(...)                                            \
    WFSI_STEP(WFS_SCENARIO_EXPECT_MOCKS_USED, __VA_ARGS__)

struct wfs_scenario {
    const char *name;
    const wfs_workflow *workflows;      /* ended by a zero entry */
    const wfs_scenario_step *steps;     /* ended by a zero entry */
    const wfs_table *tables;            /* the user's own; NULL: none */
    const wfs_hook_handler *hooks;      /* NULL: none */
    const wfs_mock_options *mocks;      /* HTTP mocks; NULL: none */
    int64_t clock_start;                /* ms */
    uint64_t seed;
    bool auto_tick;
    wfs_limits limits;
    wfs_allocator allocator;
    void *user;                         /* for the callbacks */
};

/* What came of one step. Texts and values live as long as the result. */
typedef struct wfs_step_result {
    size_t index;                   /* from 0 */
    wfs_scenario_kind kind;
    const char *label;              /* given, or made: "create order o-1" */
    const char *file;               /* NULL when not known */
    int line;
    wfs_status status;
    const wfs_json *value;          /* NULL when it failed */
    const char *message;            /* of a failure: names the culprit */
    const char *expected;           /* of a failed expectation, or NULL */
    const char *actual;
    const char *state;              /* of a failure: where the instance
                                       concerned is and why, or NULL */
    int64_t clock;                  /* ms, afterwards */
} wfs_step_result;

typedef struct wfs_scenario_result {
    const char *name;
    wfs_status status;              /* WFS_OK, or that of the failed step */
    const wfs_step_result *steps;   /* those that ran */
    size_t step_count;
    size_t planned_count;           /* steps of the scenario */
    const wfs_json *vars;
    int64_t clock;                  /* ms */
    wfs_arena *arena;               /* owns all of this */
} wfs_scenario_result;

/* Run a scenario from start to end. *result is valid until
 * wfs_scenario_result_free, whatever the status; everything else is freed.
 * Returns result->status. */
WFSDEF wfs_status wfs_scenario_run(const wfs_scenario *scenario,
                                   wfs_scenario_result *result);
WFSDEF void wfs_scenario_result_free(wfs_scenario_result *result);

/* The same step by step, to look in between, or to fork. */
typedef struct wfs_runner wfs_runner;

/* Make a runner; scenario must outlive it. Errors: as wfs_harness_create's,
 * ARGUMENT_INVALID for a scenario without workflows or steps. */
WFSDEF wfs_status wfs_runner_create(const wfs_scenario *scenario,
                                    wfs_runner **runner, wfs_error *error);

/* Run the next step and the hooks that are then due. WFS_OK, WFS_DONE when
 * there is no next step (or one failed before), or the step's error. After
 * WFS_ERR_NO_MEMORY everything is as it was before the call, and it can be
 * called again. *step (may be NULL) lives as long as the runner. */
WFSDEF wfs_status wfs_runner_next(wfs_runner *runner,
                                  const wfs_step_result **step);
/* Its harness, which it owns. */
WFSDEF wfs_harness *wfs_runner_harness(wfs_runner *runner);

/* What came of it so far; lives as long as the runner. */
WFSDEF const wfs_scenario_result *wfs_runner_result(wfs_runner *runner);

/* A copy that goes on independently from here. Between steps: in a callback a
 * transaction is open (MISUSE). Errors: NO_MEMORY. */
WFSDEF wfs_status wfs_runner_fork(wfs_runner *runner, wfs_runner **copy);
WFSDEF void wfs_runner_free(wfs_runner *runner);

/* Utilities for callbacks. They return NULL and fill context->error when they
 * fail; require_instance fails when there is no such instance. Rows live as
 * long as the runner. */
WFSDEF const wfs_instance *wfs_context_instance(wfs_context *context,
                                                const char *workflow,
                                                const char *id);
WFSDEF const wfs_instance *wfs_context_require_instance(wfs_context *context,
                                                        const char *workflow,
                                                        const char *id);
WFSDEF const wfs_step *wfs_context_steps(wfs_context *context,
                                         const char *workflow, const char *id,
                                         const wfs_read_options *options,
                                         size_t *count);
WFSDEF const wfs_event *wfs_context_events(wfs_context *context,
                                           const char *workflow, const char *id,
                                           const wfs_read_options *options,
                                           size_t *count);
/* Internal rows, see wfs_get_hooks. */
WFSDEF const wfs_hook *wfs_context_hooks(wfs_context *context,
                                         const wfs_hook_filter *filter,
                                         size_t *count);
WFSDEF const wfs_payload *wfs_context_payload(wfs_context *context,
                                              const char *workflow,
                                              const char *id,
                                              wfs_reason reason);

/* A variable, or what a path leads to in it: "order.id". NULL: none. */
WFSDEF const wfs_json *wfs_var(const wfs_context *context, const char *path);

/* The same as text: NULL unless it is a string. */
WFSDEF const char *wfs_var_text(const wfs_context *context, const char *path);

/* Expectations for a check: WFS_OK, or WFS_ERR_ASSERTION with expected and
 * actual in the report. what: names the thing; expected JSON as text. */
WFSDEF wfs_status wfs_expect(wfs_context *context, bool holds,
                             const char *what);
WFSDEF wfs_status wfs_expect_integer(wfs_context *context, const char *what,
                                     int64_t expected, int64_t actual);
WFSDEF wfs_status wfs_expect_text(wfs_context *context, const char *what,
                                  const char *expected, const char *actual);
WFSDEF wfs_status wfs_expect_json(wfs_context *context, const char *what,
                                  const char *expected,
                                  const wfs_json *actual);
WFSDEF wfs_status wfs_expect_status(wfs_context *context, const char *workflow,
                                    const char *id,
                                    wfs_instance_status expected);

/* ------------------------------------------------------------------------
 * >>report-api  public: what happened, to read
 * --------------------------------------------------------------------- */

/* Where text goes; size bytes, not ended by a NUL. */
typedef struct wfs_writer {
    void (*write)(const char *text, size_t size, void *user);
    void *user;
} wfs_writer;

typedef enum wfs_verbosity {
    WFS_NORMAL,                     /* a line a step */
    WFS_QUIET,                      /* the plan and what failed */
    WFS_VERBOSE                     /* and each step's value and clock */
} wfs_verbosity;

typedef struct wfs_report_options {
    wfs_writer writer;              /* default: standard output */
    wfs_verbosity verbosity;
    bool color;                     /* say so only for a terminal */
    int width;                      /* columns, for the timeline; 0: 80 */
    wfs_allocator allocator;        /* for wfs_report_step; else as the
                                       scenario's or the harness's */
} wfs_report_options;

/* Run a scenario and print TAP version 14 while it runs: a line a step and,
 * on failure, a YAML block. Returns 0 when all passed, else 1: for main. */
WFSDEF int wfs_scenario_main(const wfs_scenario *scenario);
WFSDEF int wfs_scenario_main_with(const wfs_scenario *scenario,
                                  const wfs_report_options *options);

/* The parts of it, for a runner of one's own. */
WFSDEF void wfs_report_plan(const wfs_report_options *options,
                            const wfs_scenario *scenario);
WFSDEF void wfs_report_step(const wfs_report_options *options,
                            const wfs_step_result *step);
WFSDEF void wfs_report_end(const wfs_report_options *options,
                           const wfs_scenario_result *result);

/* What happened when, per instance: a line for each thing that the tables
 * tell of. Errors: NO_MEMORY. */
WFSDEF wfs_status wfs_report_timeline(const wfs_report_options *options,
                                      wfs_harness *harness);

#ifdef __cplusplus
}
#endif

#endif /* WFSCENARIO_H */
/* ========================================================================
 * IMPLEMENTATION
 * ===================================================================== */

#ifdef WFSCENARIO_IMPLEMENTATION
#ifndef WFSCENARIO_IMPLEMENTATION_DONE
#define WFSCENARIO_IMPLEMENTATION_DONE

#include <float.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#ifndef WFSCENARIO_NO_STDIO
#include <stdio.h>
#endif

/* stb_ds.h: its function bodies too, unless another file of the program has
 * them (WFSCENARIO_STB_DS_ELSEWHERE); its warnings stay out of the user's
 * build. */
#ifndef WFSCENARIO_STB_DS_ELSEWHERE
#define STB_DS_IMPLEMENTATION
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#ifdef __has_include
#if !__has_include("stb_ds.h") && __has_include(<stb/stb_ds.h>)
#include <stb/stb_ds.h>
#else
#include "stb_ds.h"
#endif
#else
#include "stb_ds.h"
#endif
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#undef STB_DS_IMPLEMENTATION

/* ------------------------------------------------------------------------
 * >>base  private: allocation, arrays, arenas, hashing, text, errors
 *
 * Owns every allocation of the library and all text building. Calls nothing.
 * Called by every section.
 * --------------------------------------------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

#define WFSI_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* For what every tick and every write goes through: small pieces become part
 * of it, what is seldom needed stays out of the way. */
#if defined(__GNUC__)
#define WFSI_INLINE static inline __attribute__((always_inline))
#define WFSI_APART __attribute__((noinline))
#define WFSI_COLD __attribute__((noinline, cold))
#else
#define WFSI_INLINE static inline
#define WFSI_APART
#define WFSI_COLD
#endif

/* --- allocation */

static void *wfsi_default_resize(void *pointer, size_t old_size,
                                 size_t new_size, void *user)
{
    (void)old_size;
    (void)user;
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    return realloc(pointer, new_size);
}

static wfs_allocator wfsi_allocator(const wfs_allocator *given)
{
    wfs_allocator allocator;

    allocator.resize = wfsi_default_resize;
    allocator.user = NULL;
    return given != NULL && given->resize != NULL ? *given : allocator;
}

static void *wfsi_resize(const wfs_allocator *allocator, void *pointer,
                         size_t old_size, size_t new_size)
{
    return allocator->resize(pointer, old_size, new_size, allocator->user);
}

static void *wfsi_allocate(const wfs_allocator *allocator, size_t size)
{
    return wfsi_resize(allocator, NULL, 0, size);
}

static void wfsi_release(const wfs_allocator *allocator, void *pointer,
                         size_t size)
{
    if (pointer != NULL)
        wfsi_resize(allocator, pointer, size, 0);
}

static void *wfsi_allocate_zeroed(const wfs_allocator *allocator, size_t size)
{
    void *pointer = wfsi_allocate(allocator, size);

    if (pointer != NULL)
        memset(pointer, 0, size);
    return pointer;
}

/* --- arrays
 *
 * stb_ds arrays whose blocks come from our allocator: room is made here, where
 * a refusal can be seen, so that stb_ds itself never allocates. (Its string
 * maps cannot take an allocator, and their global seed is a data race between
 * threads; maps are therefore our own.) */

static size_t wfsi_array_bytes(const void *array, size_t item_size)
{
    return sizeof(stbds_array_header) + stbds_arrcap(array) * item_size;
}

/* slot: address of the array pointer, of whatever type. */
WFSI_APART
static bool wfsi_array_grow(const wfs_allocator *allocator, void *slot,
                            size_t item_size, size_t extra)
{
    char *array;
    stbds_array_header *header;
    size_t needed, capacity, old_bytes;

    memcpy(&array, slot, sizeof array);
    needed = stbds_arrlenu(array) + extra;
    capacity = stbds_arrcap(array) * 2;
    if (capacity < needed)
        capacity = needed;
    if (capacity < 4)
        capacity = 4;
    if (capacity > (SIZE_MAX / 2) / item_size)
        return false;
    old_bytes = array != NULL ? wfsi_array_bytes(array, item_size) : 0;
    header = (stbds_array_header *)wfsi_resize(
        allocator, array != NULL ? stbds_header(array) : NULL, old_bytes,
        sizeof(stbds_array_header) + capacity * item_size);
    if (header == NULL)
        return false;
    if (array == NULL)
        memset(header, 0, sizeof *header);
    header->capacity = capacity;
    array = (char *)(header + 1);
    memcpy(slot, &array, sizeof array);
    return true;
}

static void wfsi_array_release(const wfs_allocator *allocator, void *slot,
                               size_t item_size)
{
    char *array;

    memcpy(&array, slot, sizeof array);
    if (array != NULL)
        wfsi_release(allocator, stbds_header(array),
                     wfsi_array_bytes(array, item_size));
    array = NULL;
    memcpy(slot, &array, sizeof array);
}

/* Room for that many more items; false without memory. */
#define wfsi_array_reserve(allocator, array, extra)                           \
    (((array) != NULL && stbds_header(array)->capacity -                      \
                                 stbds_header(array)->length >=               \
                             (size_t)(extra)) ||                              \
     wfsi_array_grow((allocator), &(array), sizeof *(array), (size_t)(extra)))
#define wfsi_array_count(array) stbds_arrlenu(array)
/* After a reserve. */
#define wfsi_array_push(array, item)                                          \
    (void)((array)[stbds_header(array)->length++] = (item))
#define wfsi_array_shrink(array, count)                                       \
    (void)((array) != NULL ? stbds_header(array)->length = (count) : 0)
#define wfsi_array_free(allocator, array)                                     \
    wfsi_array_release((allocator), &(array), sizeof *(array))

/* --- arenas */

#define WFSI_ALIGNMENT ((size_t)16)
#define WFSI_ARENA_FIRST ((size_t)2048)
#define WFSI_ARENA_LARGEST ((size_t)1 << 18)

typedef struct wfsi_block {
    struct wfsi_block *next;
    size_t size;                /* bytes after the header */
} wfsi_block;

#define WFSI_BLOCK_HEADER                                                     \
    ((sizeof(wfsi_block) + WFSI_ALIGNMENT - 1) & ~(WFSI_ALIGNMENT - 1))

struct wfs_arena {
    wfs_allocator allocator;
    wfsi_block *first, *current;
    char *at, *end;             /* free space of the current block */
    bool failed;
};

static void wfsi_arena_open(wfs_arena *arena, const wfs_allocator *allocator)
{
    memset(arena, 0, sizeof *arena);
    arena->allocator = wfsi_allocator(allocator);
}

static void wfsi_arena_close(wfs_arena *arena)
{
    wfsi_block *block, *next;

    for (block = arena->first; block != NULL; block = next) {
        next = block->next;
        wfsi_release(&arena->allocator, block, WFSI_BLOCK_HEADER + block->size);
    }
    arena->first = arena->current = NULL;
    arena->at = arena->end = NULL;
}

static void wfsi_arena_enter(wfs_arena *arena, wfsi_block *block)
{
    arena->current = block;
    arena->at = (char *)block + WFSI_BLOCK_HEADER;
    arena->end = arena->at + block->size;
}

static void wfsi_arena_clear(wfs_arena *arena)
{
    arena->failed = false;
    if (arena->first != NULL)
        wfsi_arena_enter(arena, arena->first);
}

/* Go on to a block with that much room: the next one kept from before, or a
 * new one in its place. */
static bool wfsi_arena_advance(wfs_arena *arena, size_t size)
{
    wfsi_block *next = arena->current != NULL ? arena->current->next : NULL;
    wfsi_block *block = next;
    size_t wanted = arena->current != NULL ? arena->current->size * 2
                                           : WFSI_ARENA_FIRST;

    if (block == NULL || block->size < size) {
        if (wanted > WFSI_ARENA_LARGEST)
            wanted = WFSI_ARENA_LARGEST;
        if (wanted < size)
            wanted = size;
        block = (wfsi_block *)wfsi_allocate(&arena->allocator,
                                            WFSI_BLOCK_HEADER + wanted);
        if (block == NULL)
            return false;
        block->size = wanted;
        block->next = next != NULL ? next->next : NULL;
        if (next != NULL)
            wfsi_release(&arena->allocator, next,
                         WFSI_BLOCK_HEADER + next->size);
        if (arena->current != NULL)
            arena->current->next = block;
        else
            arena->first = block;
    }
    wfsi_arena_enter(arena, block);
    return true;
}

WFSI_APART
static void *wfsi_arena_slow(wfs_arena *arena, size_t size)
{
    void *result;

    if (size > SIZE_MAX / 4 || !wfsi_arena_advance(arena, size)) {
        arena->failed = true;
        return NULL;
    }
    result = arena->at;
    arena->at += size;
    return result;
}

WFSI_INLINE void *wfsi_arena_allocate(wfs_arena *arena, size_t size)
{
    void *result = arena->at;

    if (size > SIZE_MAX / 4)
        return wfsi_arena_slow(arena, size);
    size = (size + (size == 0) + WFSI_ALIGNMENT - 1) & ~(WFSI_ALIGNMENT - 1);
    if ((size_t)(arena->end - arena->at) < size)
        return wfsi_arena_slow(arena, size);
    arena->at += size;
    return result;
}

static void *wfsi_arena_zeroed(wfs_arena *arena, size_t size)
{
    void *result = wfsi_arena_allocate(arena, size);

    if (result != NULL)
        memset(result, 0, size);
    return result;
}

/* A copy ended by a NUL. */
WFSI_INLINE char *wfsi_arena_text(wfs_arena *arena, const char *text,
                                  size_t size)
{
    char *copy = (char *)wfsi_arena_allocate(arena, size + 1);

    if (copy == NULL)
        return NULL;
    if (size != 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

/* --- hashing: the same on every platform */

static inline uint32_t wfsi_load32(const char *bytes)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint32_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
#else
    const unsigned char *at = (const unsigned char *)bytes;

    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 |
           (uint32_t)at[1] << 8 | at[0];
#endif
}

static inline uint64_t wfsi_load64(const char *bytes)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    return word;
#else
    return (uint64_t)wfsi_load32(bytes + 4) << 32 | wfsi_load32(bytes);
#endif
}

/* Take the lowest bit out of a set that has one; returns its number. */
WFSI_INLINE uint32_t wfsi_next_bit(uint32_t *bits)
{
    uint32_t number = 0;

#if defined(__GNUC__)
    number = (uint32_t)__builtin_ctz(*bits);
#else
    while ((*bits >> number & 1) == 0)
        number++;
#endif
    *bits &= *bits - 1;
    return number;
}

static inline uint64_t wfsi_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* Up to 8 bytes as a word in which every one of them counts. */
static inline uint64_t wfsi_load_few(const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;

    if (size == 8)
        return wfsi_load64(bytes);
    if (size >= 4)
        return (uint64_t)wfsi_load32(bytes) << 32 |
               wfsi_load32(bytes + size - 4);
    return size == 0 ? 0
                     : (uint64_t)at[0] << 16 | (uint64_t)at[size / 2] << 8 |
                           at[size - 1];
}

static inline uint64_t wfsi_hash_bytes(uint64_t hash, const char *bytes,
                                       size_t size)
{
    hash = wfsi_mix(hash, size);
    for (; size > 8; bytes += 8, size -= 8)
        hash = wfsi_mix(hash, wfsi_load64(bytes));
    return wfsi_mix(hash, wfsi_load_few(bytes, size));
}

/* memcmp(left, right, size) == 0, for texts that are mostly short. */
static inline bool wfsi_bytes_equal(const char *left, const char *right,
                                    size_t size)
{
    for (; size > 8; left += 8, right += 8, size -= 8)
        if (wfsi_load64(left) != wfsi_load64(right))
            return false;
    return wfsi_load_few(left, size) == wfsi_load_few(right, size);
}

/* --- text */

#define WFSI_INTEGER_SIZE 24

/* Decimal digits, ended by a NUL; returns how many characters. */
static size_t wfsi_format_integer(int64_t value, char *buffer)
{
    char digits[WFSI_INTEGER_SIZE];
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    size_t count = 0, size = 0;

    do {
        digits[count++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        buffer[size++] = '-';
    while (count > 0)
        buffer[size++] = digits[--count];
    buffer[size] = '\0';
    return size;
}

/* Text that grows in an arena. A failure sticks; nothing is written then. */
typedef struct wfsi_buffer {
    wfs_arena *arena;
    char *data;
    size_t size, capacity;
    bool failed;
} wfsi_buffer;

static void wfsi_buffer_open(wfsi_buffer *buffer, wfs_arena *arena)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->arena = arena;
}

static bool wfsi_buffer_grow(wfsi_buffer *buffer, size_t extra)
{
    size_t capacity = buffer->capacity * 2;
    char *data;

    if (buffer->failed)
        return false;
    if (capacity < buffer->size + extra)
        capacity = buffer->size + extra;
    if (capacity < 64)
        capacity = 64;
    data = (char *)wfsi_arena_allocate(buffer->arena, capacity);
    if (data == NULL) {
        buffer->failed = true;
        buffer->capacity = buffer->size;    /* so that no later put fits */
        return false;
    }
    if (buffer->size != 0)
        memcpy(data, buffer->data, buffer->size);
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

/* Room for that many more bytes at data + size; false without memory. */
static bool wfsi_buffer_reserve(wfsi_buffer *buffer, size_t extra)
{
    return buffer->capacity - buffer->size >= extra ||
           wfsi_buffer_grow(buffer, extra);
}

static inline void wfsi_buffer_put(wfsi_buffer *buffer, const char *text,
                                   size_t size)
{
    if (size == 0 || !wfsi_buffer_reserve(buffer, size))
        return;
    memcpy(buffer->data + buffer->size, text, size);
    buffer->size += size;
}

static void wfsi_buffer_text(wfsi_buffer *buffer, const char *text)
{
    wfsi_buffer_put(buffer, text, strlen(text));
}

#define wfsi_buffer_literal(buffer, text)                                     \
    wfsi_buffer_put((buffer), (text), sizeof(text) - 1)

static void wfsi_buffer_char(wfsi_buffer *buffer, char c)
{
    wfsi_buffer_put(buffer, &c, 1);
}

static void wfsi_buffer_integer(wfsi_buffer *buffer, int64_t value)
{
    char digits[WFSI_INTEGER_SIZE];

    wfsi_buffer_put(buffer, digits, wfsi_format_integer(value, digits));
}

/* End it with a NUL that does not count; NULL when something failed. */
static char *wfsi_buffer_finish(wfsi_buffer *buffer)
{
    if (!wfsi_buffer_reserve(buffer, 1))
        return NULL;
    buffer->data[buffer->size] = '\0';
    return buffer->data;
}

typedef struct wfsi_span {
    const char *data;                   /* NULL: none */
    size_t size;
} wfsi_span;

static wfsi_span wfsi_span_of(const char *text, size_t size)
{
    wfsi_span span;

    span.data = text != NULL ? text : "";
    span.size = text != NULL && size == 0 ? strlen(text) : size;
    return span;
}

static bool wfsi_text_equal(const char *left, const char *right)
{
    return left != NULL && right != NULL && strcmp(left, right) == 0;
}

static bool wfsi_text_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

/* --- errors */

#define WFSI_CULPRIT_SIZE 160   /* longer ones are cut in a message */

typedef struct wfsi_message {
    char *text;
    size_t size, capacity;
    bool cut;
} wfsi_message;

static void wfsi_message_put(wfsi_message *message, const char *text,
                             size_t size)
{
    size_t room = message->capacity - message->size;

    if (size > room) {
        size = room;
        message->cut = true;
    }
    memcpy(message->text + message->size, text, size);
    message->size += size;
}

static void wfsi_message_open(wfsi_message *message, char *text, size_t size)
{
    message->text = text;
    message->size = 0;
    message->capacity = size - 1;
    message->cut = false;
}

/* How many bytes of the text are left when a UTF-8 sequence that is cut off at
 * its end is left out. */
static size_t wfsi_whole_size(const char *text, size_t size)
{
    size_t start = size, length = 1;
    unsigned char lead;

    while (start > 0 && size - start < 3 &&
           ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return size;
    lead = (unsigned char)text[start - 1];
    if (lead >= 0xC0)
        length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    return size - (start - 1) < length ? start - 1 : size;
}

/* End it with a NUL; what was cut off ends with dots, and never inside a UTF-8
 * sequence. */
static void wfsi_message_end(wfsi_message *message)
{
    if (message->cut) {
        message->size = wfsi_whole_size(message->text, message->capacity - 3);
        memcpy(message->text + message->size, "...", 3);
        message->size += 3;
    }
    message->text[message->size] = '\0';
}

static void wfsi_message_culprit(wfsi_message *message, const char *text,
                                 size_t size)
{
    if (text == NULL) {
        wfsi_message_put(message, "(null)", 6);
    } else if (size <= WFSI_CULPRIT_SIZE) {
        wfsi_message_put(message, text, size);
    } else {
        wfsi_message_put(message, text,
                         wfsi_whole_size(text, WFSI_CULPRIT_SIZE));
        wfsi_message_put(message, "...", 3);
    }
}

/* Formats: %s text ended by a NUL, %n text and its size_t size, %i int64_t. */
static void wfsi_message_format(wfsi_message *message, const char *format,
                                va_list arguments)
{
    char digits[WFSI_INTEGER_SIZE];
    const char *text;

    for (; *format != '\0'; format++) {
        if (*format != '%') {
            wfsi_message_put(message, format, 1);
            continue;
        }
        format++;
        if (*format == 's') {
            text = va_arg(arguments, const char *);
            wfsi_message_culprit(message, text,
                                 text != NULL ? strlen(text) : 0);
        } else if (*format == 'n') {
            text = va_arg(arguments, const char *);
            wfsi_message_culprit(message, text, va_arg(arguments, size_t));
        } else if (*format == 'i') {
            wfsi_message_put(message, digits,
                             wfsi_format_integer(va_arg(arguments, int64_t),
                                                 digits));
        } else {
            wfsi_message_put(message, format, 1);
        }
    }
}

static void wfsi_error_fill(wfs_error *error, wfs_status code,
                            const char *format, va_list arguments)
{
    wfsi_message message;

    error->code = code;
    error->offset = error->line = error->column = 0;
    wfsi_message_open(&message, error->message, sizeof error->message);
    wfsi_message_format(&message, format, arguments);
    wfsi_message_end(&message);
}

/* Another message for an error that is filled in. */
WFSI_COLD
static void wfsi_error_text(wfs_error *error, const char *text)
{
    wfsi_message message;

    wfsi_message_open(&message, error->message, sizeof error->message);
    wfsi_message_put(&message, text, strlen(text));
    wfsi_message_end(&message);
}

/* Fill in an error (which may be NULL); returns the code. */
WFSI_COLD
static wfs_status wfsi_error(wfs_error *error, wfs_status code,
                             const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return code;
    va_start(arguments, format);
    wfsi_error_fill(error, code, format, arguments);
    va_end(arguments);
    return code;
}

/* The same for an error in parsed text, whose code and position it keeps. */
WFSI_COLD
static wfs_status wfsi_error_in(wfs_error *error, const wfs_error *why,
                                const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return why->code;
    va_start(arguments, format);
    wfsi_error_fill(error, why->code, format, arguments);
    va_end(arguments);
    error->offset = why->offset;
    error->line = why->line;
    error->column = why->column;
    return why->code;
}

WFSI_COLD
static wfs_status wfsi_no_memory(wfs_error *error)
{
    return wfsi_error(error, WFS_ERR_NO_MEMORY, "out of memory");
}

/* --- limits */

static wfs_limits wfsi_limits(const wfs_limits *given)
{
    wfs_limits limits;

    memset(&limits, 0, sizeof limits);
    if (given != NULL)
        limits = *given;
    if (limits.json_depth == 0)
        limits.json_depth = 512;
    if (limits.json_size == 0)
        limits.json_size = (size_t)64 << 20;
    if (limits.name_size == 0)
        limits.name_size = 8192;
    if (limits.batch_size == 0)
        limits.batch_size = 100;
    if (limits.hook_rounds == 0)
        limits.hook_rounds = 100000;
    return limits;
}

/* --- public */

const char *wfs_status_name(wfs_status status)
{
#define WFSI_NAME(code, name, meaning) name,
    static const char *const names[] = {WFS_STATUS_LIST(WFSI_NAME)};
#undef WFSI_NAME

    return (size_t)status < WFSI_COUNT(names) ? names[status] : "UNKNOWN";
}

const char *wfs_status_meaning(wfs_status status)
{
#define WFSI_MEANING(code, name, meaning) meaning,
    static const char *const meanings[] = {WFS_STATUS_LIST(WFSI_MEANING)};
#undef WFSI_MEANING

    return (size_t)status < WFSI_COUNT(meanings) ? meanings[status]
                                                  : "not a status";
}

wfs_arena *wfs_arena_create(const wfs_allocator *allocator)
{
    wfs_allocator used = wfsi_allocator(allocator);
    wfs_arena *arena = (wfs_arena *)wfsi_allocate(&used, sizeof *arena);

    if (arena != NULL)
        wfsi_arena_open(arena, &used);
    return arena;
}

void wfs_arena_free(wfs_arena *arena)
{
    wfs_allocator allocator;

    if (arena == NULL)
        return;
    allocator = arena->allocator;
    wfsi_arena_close(arena);
    wfsi_release(&allocator, arena, sizeof *arena);
}

void wfs_arena_clear(wfs_arena *arena)
{
    wfsi_arena_clear(arena);
}

void *wfs_arena_allocate(wfs_arena *arena, size_t size)
{
    return wfsi_arena_allocate(arena, size);
}

bool wfs_arena_failed(const wfs_arena *arena)
{
    return arena->failed;
}


/* ------------------------------------------------------------------------
 * >>json  private: numbers in decimal, the checker, values, the writer
 *
 * Owns the form of JSON values, the grammar, and the exact conversions of
 * doubles. Calls >>base. Called by every section below.
 * --------------------------------------------------------------------- */

/* --- big integers, for numbers where a double is not exact enough
 *
 * Room for 10^1127, the largest divisor that a decimal of 801 digits near the
 * smallest double needs, and a bit. Little end first, no leading zero words. */

#define WFSI_BIG_WORDS 128

typedef struct wfsi_big {
    size_t count;
    uint32_t words[WFSI_BIG_WORDS];
} wfsi_big;

static void wfsi_big_set(wfsi_big *big, uint64_t value)
{
    big->count = 0;
    for (; value != 0; value >>= 32)
        big->words[big->count++] = (uint32_t)value;
}

static void wfsi_big_multiply(wfsi_big *big, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    size_t i;

    for (i = 0; i < big->count; i++) {
        carry += (uint64_t)big->words[i] * factor;
        big->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        big->words[big->count++] = (uint32_t)carry;
}

static void wfsi_big_power10(wfsi_big *big, int64_t exponent)
{
    for (; exponent >= 9; exponent -= 9)
        wfsi_big_multiply(big, 1000000000, 0);
    for (; exponent > 0; exponent--)
        wfsi_big_multiply(big, 10, 0);
}

static void wfsi_big_shift(wfsi_big *big, size_t bits)
{
    size_t words = bits / 32, i;

    if (big->count == 0)
        return;
    if (words != 0) {
        memmove(big->words + words, big->words,
                big->count * sizeof big->words[0]);
        for (i = 0; i < words; i++)
            big->words[i] = 0;
        big->count += words;
    }
    if (bits % 32 != 0)
        wfsi_big_multiply(big, (uint32_t)1 << bits % 32, 0);
}

static size_t wfsi_big_bits(const wfsi_big *big)
{
    size_t bits = 0;
    uint32_t top;

    if (big->count == 0)
        return 0;
    for (top = big->words[big->count - 1]; top != 0; top >>= 1)
        bits++;
    return (big->count - 1) * 32 + bits;
}

static int wfsi_big_compare(const wfsi_big *left, const wfsi_big *right)
{
    size_t i;

    if (left->count != right->count)
        return left->count < right->count ? -1 : 1;
    for (i = left->count; i-- > 0;) {
        if (left->words[i] != right->words[i])
            return left->words[i] < right->words[i] ? -1 : 1;
    }
    return 0;
}

static void wfsi_big_add(wfsi_big *big, const wfsi_big *addend)
{
    uint64_t carry = 0;
    size_t i;

    for (i = 0; i < addend->count || (carry != 0 && i < big->count); i++) {
        if (i == big->count)
            big->words[big->count++] = 0;
        carry += big->words[i];
        if (i < addend->count)
            carry += addend->words[i];
        big->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        big->words[big->count++] = (uint32_t)carry;
}

/* big -= taken * factor, which must not be more than big. */
static void wfsi_big_subtract(wfsi_big *big, const wfsi_big *taken,
                              uint32_t factor)
{
    uint64_t borrow = 0, part, word;
    size_t i;

    for (i = 0; i < taken->count || (borrow != 0 && i < big->count); i++) {
        part = borrow;
        if (i < taken->count)
            part += (uint64_t)taken->words[i] * factor;
        word = (uint64_t)big->words[i] - (uint32_t)part;
        big->words[i] = (uint32_t)word;
        borrow = (part >> 32) + (word >> 63);
    }
    while (big->count > 0 && big->words[big->count - 1] == 0)
        big->count--;
}

/* --- doubles: their bits, and fractions rounded to them */

/* Whether + - * / of doubles round once, to double; on an x87 they do not. */
#if defined(FLT_EVAL_METHOD) && (FLT_EVAL_METHOD == 0 || FLT_EVAL_METHOD == 1)
#define WFSI_DOUBLES_ROUND_ONCE true
#else
#define WFSI_DOUBLES_ROUND_ONCE false
#endif

#define WFSI_DOUBLE_INFINITE ((uint64_t)2047 << 52)

static double wfsi_double_from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t wfsi_double_bits(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static bool wfsi_double_is_finite(double value)
{
    return (wfsi_double_bits(value) & WFSI_DOUBLE_INFINITE) !=
           WFSI_DOUBLE_INFINITE;
}

/* |value| = mantissa * 2^exponent; value must be finite. */
static uint64_t wfsi_double_split(double value, int *exponent)
{
    uint64_t bits = wfsi_double_bits(value);
    uint64_t mantissa = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52 & 2047);

    *exponent = (biased != 0 ? biased : 1) - 1075;
    return biased != 0 ? mantissa | (uint64_t)1 << 52 : mantissa;
}

/* The double nearest to numerator / divisor, ties to even; both are used up.
 * Neither may be 0. */
static double wfsi_double_ratio(wfsi_big *numerator, wfsi_big *divisor)
{
    int64_t shift = (int64_t)wfsi_big_bits(numerator) -
                    (int64_t)wfsi_big_bits(divisor);
    int64_t wanted, i;
    uint64_t mantissa = 0;
    int order;

    if (shift >= 0)
        wfsi_big_shift(divisor, (size_t)shift);
    else
        wfsi_big_shift(numerator, (size_t)-shift);
    if (wfsi_big_compare(numerator, divisor) < 0) {
        wfsi_big_shift(numerator, 1);
        shift--;
    }
    if (shift > 1023)
        return wfsi_double_from_bits(WFSI_DOUBLE_INFINITE);
    wanted = shift >= -1022 ? 53 : 53 - (-1022 - shift);
    if (wanted < 0)
        return 0.0;
    for (i = 0; i < wanted; i++) {
        mantissa <<= 1;
        if (wfsi_big_compare(numerator, divisor) >= 0) {
            wfsi_big_subtract(numerator, divisor, 1);
            mantissa |= 1;
        }
        wfsi_big_shift(numerator, 1);
    }
    order = wfsi_big_compare(numerator, divisor);
    if (order > 0 || (order == 0 && (mantissa & 1) != 0))
        mantissa++;
    if (shift < -1022)
        return wfsi_double_from_bits(mantissa);
    return wfsi_double_from_bits(((uint64_t)(shift + 1022) << 52) + mantissa);
}

/* Powers of ten that are exact in a double. */
static const double wfsi_powers10[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* --- decimal to double */

/* Where two doubles meet has at most 767 digits; of longer numbers only
 * whether there is more after these matters. */
#define WFSI_DECIMAL_DIGITS 800

/* 0.digits * 10^point, without zeros at either end. */
typedef struct wfsi_decimal {
    char digits[WFSI_DECIMAL_DIGITS + 1];
    size_t count;
    int64_t point;
} wfsi_decimal;

static int64_t wfsi_decimal_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t exponent = 0;

    if (*at == '-' || *at == '+')
        at++;
    for (; at < end; at++) {
        if (exponent < INT64_C(1000000000000000))
            exponent = exponent * 10 + (*at - '0');
    }
    return negative ? -exponent : exponent;
}

static void wfsi_decimal_read(wfsi_decimal *decimal, const char *at,
                              const char *end)
{
    bool fraction = false, more = false;

    decimal->count = 0;
    decimal->point = 0;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            fraction = true;
        } else if (decimal->count == 0 && *at == '0') {
            decimal->point -= fraction;
        } else {
            if (decimal->count < WFSI_DECIMAL_DIGITS)
                decimal->digits[decimal->count++] = *at;
            else if (*at != '0')
                more = true;
            decimal->point += !fraction;
        }
    }
    if (at < end && decimal->count != 0)
        decimal->point += wfsi_decimal_exponent(at + 1, end);
    if (more)
        decimal->digits[decimal->count++] = '1';
    while (decimal->count != 0 && decimal->digits[decimal->count - 1] == '0')
        decimal->count--;
}

static double wfsi_decimal_exact(const wfsi_decimal *decimal)
{
    int64_t exponent = decimal->point - (int64_t)decimal->count;
    wfsi_big numerator, divisor;
    size_t i;

    if (decimal->count == 0 || decimal->point < -330)
        return 0.0;
    if (decimal->point > 310)
        return wfsi_double_from_bits(WFSI_DOUBLE_INFINITE);
    wfsi_big_set(&numerator, 0);
    for (i = 0; i < decimal->count; i++)
        wfsi_big_multiply(&numerator, 10,
                          (uint32_t)(decimal->digits[i] - '0'));
    wfsi_big_set(&divisor, 1);
    if (exponent >= 0)
        wfsi_big_power10(&numerator, exponent);
    else
        wfsi_big_power10(&divisor, -exponent);
    return wfsi_double_ratio(&numerator, &divisor);
}

/* The double nearest to mantissa / 10^places, as wfsi_double_ratio has it, in
 * one word: mantissa from 1 to 10^18, places up to 27. */
static double wfsi_decimal_fraction(uint64_t mantissa, int64_t places)
{
    uint64_t divisor = 1, result = 0;
    int64_t shift = -places, i;

    for (i = 0; i < places; i++)
        divisor *= 5;
    for (; mantissa >> 62 == 0; mantissa <<= 1)
        shift--;
    for (; divisor >> 62 == 0; divisor <<= 1)
        shift++;
    if (mantissa < divisor) {
        mantissa <<= 1;
        shift--;
    }
    for (i = 0; i < 53; i++) {
        result <<= 1;
        if (mantissa >= divisor) {
            mantissa -= divisor;
            result |= 1;
        }
        mantissa <<= 1;
    }
    if (mantissa > divisor || (mantissa == divisor && (result & 1) != 0))
        result++;
    return wfsi_double_from_bits(((uint64_t)(shift + 1022) << 52) + result);
}

/* Digits, maybe a fraction, maybe an exponent: to the nearest double, infinity
 * beyond the largest. Whoever calls has checked the form. */
static double wfsi_parse_decimal(const char *text, size_t size)
{
    wfsi_decimal decimal;
    uint64_t mantissa = 0;
    int64_t exponent;
    size_t i;

    wfsi_decimal_read(&decimal, text, text + size);
    exponent = decimal.point - (int64_t)decimal.count;
    if (decimal.count == 0 || decimal.count > 18 || exponent < -27 ||
        exponent > 22)
        return wfsi_decimal_exact(&decimal);
    for (i = 0; i < decimal.count; i++)
        mantissa = mantissa * 10 + (uint64_t)(decimal.digits[i] - '0');
    if (!WFSI_DOUBLES_ROUND_ONCE || decimal.count > 15 || exponent < -22)
        return exponent < 0 ? wfsi_decimal_fraction(mantissa, -exponent)
                            : wfsi_decimal_exact(&decimal);
    if (exponent < 0)
        return (double)mantissa / wfsi_powers10[-exponent];
    return (double)mantissa * wfsi_powers10[exponent];
}

/* Whether it is finite as a double. */
static bool wfsi_decimal_fits(const char *text, size_t size)
{
    wfsi_decimal decimal;

    wfsi_decimal_read(&decimal, text, text + size);
    return decimal.count == 0 || decimal.point <= 308 ||
           wfsi_double_is_finite(wfsi_decimal_exact(&decimal));
}

/* --- double to decimal */

#define WFSI_REAL_SIZE 32
#define WFSI_REAL_DIGITS 17

/* Below, a double lies between two midpoints to its neighbours, and its
 * shortest digits are those that first get between them: Steele and White's
 * free-format algorithm, with Knuth's choice of the nearest last digit. */

static bool wfsi_is_narrow(uint64_t mantissa, int exponent)
{
    return mantissa == (uint64_t)1 << 52 && exponent > -1074;
}

/* Whether the last digit has to be one more: the nearer one of those that read
 * back, the even one of two as near. order: of the doubled rest and the
 * unit. */
static int wfsi_shortest_up(int digit, bool low, bool high, int order)
{
    if (low != high)
        return high;
    return order > 0 || (order == 0 && digit % 2 != 0);
}

/* The digits of a fraction below 1: rest / 2^places, known to +- above and
 * below. Times 10 is times 5 and a place less. */
static size_t wfsi_shortest_fraction(uint64_t rest, int places, uint64_t below,
                                     bool even, char *digits)
{
    uint64_t above = 2, unit, doubled;
    size_t count = 0;
    int digit, order;
    bool low, high;

    do {
        unit = (uint64_t)1 << --places;
        rest *= 5;
        below *= 5;
        above *= 5;
        digit = (int)(rest >> places);
        rest &= unit - 1;
        low = even ? rest <= below : rest < below;
        high = even ? rest + above >= unit : rest + above > unit;
        digits[count++] = (char)('0' + digit);
    } while (!low && !high);
    doubled = rest * 2;
    order = doubled < unit ? -1 : doubled > unit;
    digits[count - 1] = (char)(digits[count - 1] +
                               wfsi_shortest_up(digit, low, high, order));
    return count;
}

/* Doubles from 2^-10 to below 2^53, where one word is enough; 0 digits for
 * others. Between whole numbers midpoints are no shorter, so that the whole
 * part stands as it is. */
static size_t wfsi_shortest_quick(double value, char *digits, int *point)
{
    char text[WFSI_INTEGER_SIZE + 64];
    int exponent;
    uint64_t mantissa = wfsi_double_split(value, &exponent);
    uint64_t whole, rest;
    size_t count, skipped;

    if (exponent > 0 || exponent < -62)
        return 0;
    whole = exponent > -53 ? mantissa >> -exponent : 0;
    rest = exponent > -53 ? mantissa & (((uint64_t)1 << -exponent) - 1)
                          : mantissa;
    count = whole != 0 ? wfsi_format_integer((int64_t)whole, text) : 0;
    *point = (int)count;
    if (rest != 0)
        count += wfsi_shortest_fraction(
            rest * 4, 2 - exponent, wfsi_is_narrow(mantissa, exponent) ? 1 : 2,
            (mantissa & 1) == 0, text + count);
    for (skipped = 0; text[skipped] == '0'; skipped++)
        --*point;
    while (text[count - 1] == '0')
        count--;
    memcpy(digits, text + skipped, count - skipped);
    return count - skipped;
}

/* The same with big integers: the value is rest / unit. */
typedef struct wfsi_shortest {
    wfsi_big rest, unit, below, above;
    bool even;                  /* midpoints round to this value */
} wfsi_shortest;

static void wfsi_shortest_open(wfsi_shortest *state, uint64_t mantissa,
                               int exponent)
{
    bool narrow = wfsi_is_narrow(mantissa, exponent);

    state->even = (mantissa & 1) == 0;
    wfsi_big_set(&state->rest, mantissa);
    wfsi_big_set(&state->unit, 1);
    wfsi_big_set(&state->below, 1);
    if (exponent >= 0) {
        wfsi_big_shift(&state->rest, (size_t)exponent);
        wfsi_big_shift(&state->below, (size_t)exponent);
    } else {
        wfsi_big_shift(&state->unit, (size_t)-exponent);
    }
    wfsi_big_shift(&state->rest, narrow ? 2 : 1);
    wfsi_big_shift(&state->unit, narrow ? 2 : 1);
    state->above = state->below;
    if (narrow)
        wfsi_big_shift(&state->above, 1);
}

/* Whether the rest is so near to the next unit that it may be called that. */
static bool wfsi_shortest_high(const wfsi_shortest *state)
{
    wfsi_big sum;
    int order;

    if (state->rest.count + 1 < state->unit.count)
        return false;
    sum.count = state->rest.count;
    memcpy(sum.words, state->rest.words, sum.count * sizeof sum.words[0]);
    wfsi_big_add(&sum, &state->above);
    order = wfsi_big_compare(&sum, &state->unit);
    return order > 0 || (order == 0 && state->even);
}

static bool wfsi_shortest_low(const wfsi_shortest *state)
{
    int order = wfsi_big_compare(&state->rest, &state->below);

    return order < 0 || (order == 0 && state->even);
}

/* Make rest / unit a fraction below 1, with the top word of unit just so large
 * that digits can be guessed from it; returns the power of ten that rest was
 * divided by. */
static int wfsi_shortest_scale(wfsi_shortest *state)
{
    int64_t bits = (int64_t)wfsi_big_bits(&state->rest) -
                   (int64_t)wfsi_big_bits(&state->unit) - 1;
    /* 0.30103 a bit, rounded down: never too large, too small by 2 at most */
    int point = (int)((bits * 78913 + ((int64_t)2000 << 18)) >> 18) - 2000;
    size_t shift;

    if (point >= 0) {
        wfsi_big_power10(&state->unit, point);
    } else {
        wfsi_big_power10(&state->rest, -point);
        wfsi_big_power10(&state->below, -point);
        wfsi_big_power10(&state->above, -point);
    }
    for (; wfsi_shortest_high(state); point++)
        wfsi_big_multiply(&state->unit, 10, 0);
    shift = (60 - wfsi_big_bits(&state->unit) % 32) % 32;
    wfsi_big_shift(&state->rest, shift);
    wfsi_big_shift(&state->unit, shift);
    wfsi_big_shift(&state->below, shift);
    wfsi_big_shift(&state->above, shift);
    return point;
}

static int wfsi_shortest_digit(wfsi_shortest *state)
{
    size_t top = state->unit.count - 1;
    uint32_t digit = 0;

    wfsi_big_multiply(&state->rest, 10, 0);
    wfsi_big_multiply(&state->below, 10, 0);
    wfsi_big_multiply(&state->above, 10, 0);
    if (state->rest.count == state->unit.count) {
        digit = state->rest.words[top] / (state->unit.words[top] + 1);
        wfsi_big_subtract(&state->rest, &state->unit, digit);
    }
    while (wfsi_big_compare(&state->rest, &state->unit) >= 0) {
        wfsi_big_subtract(&state->rest, &state->unit, 1);
        digit++;
    }
    return (int)digit;
}

static size_t wfsi_shortest_exact(double value, char *digits, int *point)
{
    wfsi_shortest state;
    int exponent, digit;
    uint64_t mantissa = wfsi_double_split(value, &exponent);
    size_t count = 0;
    bool low, high;

    wfsi_shortest_open(&state, mantissa, exponent);
    *point = wfsi_shortest_scale(&state);
    for (;;) {
        digit = wfsi_shortest_digit(&state);
        low = wfsi_shortest_low(&state);
        high = wfsi_shortest_high(&state);
        if (low || high)
            break;
        digits[count++] = (char)('0' + digit);
    }
    wfsi_big_shift(&state.rest, 1);
    digit += wfsi_shortest_up(digit, low, high,
                              wfsi_big_compare(&state.rest, &state.unit));
    digits[count++] = (char)('0' + digit);
    return count;
}

static size_t wfsi_put_zeros(char *buffer, int count)
{
    int i;

    for (i = 0; i < count; i++)
        buffer[i] = '0';
    return (size_t)(count > 0 ? count : 0);
}

static size_t wfsi_format_exponent(char *buffer, const char *digits,
                                   size_t count, int exponent)
{
    size_t size = 0;

    buffer[size++] = digits[0];
    if (count > 1) {
        buffer[size++] = '.';
        memcpy(buffer + size, digits + 1, count - 1);
        size += count - 1;
    }
    buffer[size++] = 'e';
    if (exponent >= 0)
        buffer[size++] = '+';
    return size + wfsi_format_integer(exponent, buffer + size);
}

/* As JavaScript's Number.prototype.toString; value must be finite. The buffer
 * has WFSI_REAL_SIZE bytes; returns how many characters. */
static size_t wfsi_format_real(double value, char *buffer)
{
    char digits[WFSI_REAL_DIGITS + 1];
    size_t size = 0, count, whole;
    int point;

    if (value == 0.0) {
        buffer[0] = '0';
        return 1;
    }
    if (value < 0) {
        buffer[size++] = '-';
        value = -value;
    }
    count = wfsi_shortest_quick(value, digits, &point);
    if (count == 0)
        count = wfsi_shortest_exact(value, digits, &point);
    if (point > 21 || point <= -6)
        return size + wfsi_format_exponent(buffer + size, digits, count,
                                           point - 1);
    if (point <= 0) {
        memcpy(buffer + size, "0.", 2);
        size += 2;
        size += wfsi_put_zeros(buffer + size, -point);
        memcpy(buffer + size, digits, count);
        return size + count;
    }
    whole = count < (size_t)point ? count : (size_t)point;
    memcpy(buffer + size, digits, whole);
    size += whole;
    size += wfsi_put_zeros(buffer + size, point - (int)whole);
    if (count == whole)
        return size;
    buffer[size++] = '.';
    memcpy(buffer + size, digits + whole, count - whole);
    return size + count - whole;
}

/* --- characters */

#define WFSI_BYTES(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Of eight bytes, the high bits of those that are not plain: a quote, a
 * backslash, a control character, not ASCII. Only the lowest bit set is sure
 * to be right. */
static uint64_t wfsi_not_plain(uint64_t word)
{
    uint64_t quote = (word ^ WFSI_BYTES(0x22)) - WFSI_BYTES(1);
    uint64_t slash = (word ^ WFSI_BYTES(0x5C)) - WFSI_BYTES(1);
    uint64_t control = word - WFSI_BYTES(0x20);

    return (quote | slash | control | word) & WFSI_BYTES(0x80);
}

/* The first byte that cannot stand in a string as it is, or the end. */
static inline const char *wfsi_plain_end(const char *at, const char *end)
{
    uint64_t found;
    unsigned char c;

    for (; end - at >= 8; at += 8) {
        found = wfsi_not_plain(wfsi_load64(at));
        if (found == 0)
            continue;
#if defined(__GNUC__)
        return at + (__builtin_ctzll(found) >> 3);
#else
        for (; (found & 0x80) == 0; found >>= 8)
            at++;
        return at;
#endif
    }
    for (; at < end; at++) {
        c = (unsigned char)*at;
        if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
            break;
    }
    return at;
}

/* Bytes of the UTF-8 sequence that starts here, or, when it is not valid, of
 * the longest start of one. */
static size_t wfsi_utf8_sequence(const char *text, const char *end,
                                 bool *valid)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xBF;
    size_t size, i;

    *valid = at[0] < 0x80;
    if (at[0] < 0xC2 || at[0] > 0xF4)
        return 1;
    size = at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (at[0] == 0xE0)
        low = 0xA0;
    else if (at[0] == 0xED)
        high = 0x9F;
    else if (at[0] == 0xF0)
        low = 0x90;
    else if (at[0] == 0xF4)
        high = 0x8F;
    for (i = 1; i < size; i++) {
        if (text + i == end || at[i] < low || at[i] > high)
            return i;
        low = 0x80;
        high = 0xBF;
    }
    *valid = true;
    return size;
}

static size_t wfsi_utf8_put(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* The value of four hexadecimal digits, -1 when they are not. */
static int32_t wfsi_hex4(const char *at, const char *end)
{
    int32_t value = 0;
    int i, c;

    if (end - at < 4)
        return -1;
    for (i = 0; i < 4; i++) {
        c = (unsigned char)at[i];
        if (c >= '0' && c <= '9')
            c -= '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            c = (c | 0x20) - 'a' + 10;
        else
            return -1;
        value = value * 16 + c;
    }
    return value;
}

static bool wfsi_is_high_surrogate(int32_t code)
{
    return code >= 0xD800 && code <= 0xDBFF;
}

static bool wfsi_is_low_surrogate(int32_t code)
{
    return code >= 0xDC00 && code <= 0xDFFF;
}

static bool wfsi_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool wfsi_is_json_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* --- values */

/* Text that was checked, to be parsed when someone looks. */
#define WFSI_JSON_RAW 255

/* An object with room for more members than that has an index. */
#define WFSI_JSON_INDEXED 16

typedef struct wfsi_member {
    const char *key;
    size_t key_size;
    const wfs_json *value;
} wfsi_member;

/* An open-addressed table of places + 1, at most half full. */
typedef struct wfsi_json_index {
    size_t mask;
    uint32_t *slots;
} wfsi_json_index;

struct wfs_json {
    unsigned char kind;             /* a wfs_json_type, or WFSI_JSON_RAW */
    uint32_t capacity;              /* of a container: children */
    size_t size;                    /* bytes of text, or children */
    union {
        int64_t integer;            /* BOOL too */
        double real;
        const char *text;           /* STRING, RAW */
        const wfs_json **items;     /* ARRAY */
        wfsi_member *members;       /* OBJECT */
        wfs_json *parent;           /* of a container while it is parsed */
    } u;
    union {
        wfs_arena *arena;           /* RAW: where to parse it to */
        wfsi_json_index *index;     /* OBJECT: NULL when it is small */
    } with;
};

static const wfs_json wfsi_json_null = {WFS_JSON_NULL, 0, 0, {0}, {NULL}};

static inline wfs_json *wfsi_json_new(wfs_arena *arena, unsigned kind)
{
    wfs_json *value = (wfs_json *)wfsi_arena_allocate(arena, sizeof *value);

    if (value == NULL)
        return NULL;
    value->kind = (unsigned char)kind;
    value->capacity = 0;
    value->size = 0;
    value->u.integer = 0;
    value->with.index = NULL;
    return value;
}

static bool wfsi_json_is_container(const wfs_json *value)
{
    return value->kind == WFS_JSON_ARRAY || value->kind == WFS_JSON_OBJECT;
}

static inline bool wfsi_key_is(const wfsi_member *member, const char *key,
                        size_t size)
{
    return member->key_size == size &&
           (size == 0 || (member->key[0] == key[0] &&
                          memcmp(member->key, key, size) == 0));
}

/* The slot with the key's place, or the empty one where it would go. */
static uint32_t *wfsi_json_slot(const wfsi_json_index *index,
                                const wfsi_member *members, const char *key,
                                size_t size)
{
    size_t at = (size_t)wfsi_hash_bytes(0, key, size) & index->mask;

    while (index->slots[at] != 0 &&
           !wfsi_key_is(&members[index->slots[at] - 1], key, size))
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

static wfsi_json_index *wfsi_json_index_new(wfs_arena *arena, size_t capacity)
{
    wfsi_json_index *index;
    size_t slots = 64;

    while (slots < capacity * 2)
        slots *= 2;
    index = (wfsi_json_index *)wfsi_arena_allocate(arena, sizeof *index);
    if (index == NULL)
        return NULL;
    index->mask = slots - 1;
    index->slots = (uint32_t *)wfsi_arena_zeroed(
        arena, slots * sizeof index->slots[0]);
    return index->slots != NULL ? index : NULL;
}

static void wfsi_json_index_fill(wfsi_json_index *index,
                                 const wfsi_member *members, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        *wfsi_json_slot(index, members, members[i].key,
                        members[i].key_size) = (uint32_t)(i + 1);
}

static wfsi_member *wfsi_json_find(const wfs_json *object, const char *key,
                                   size_t size)
{
    wfsi_member *members = object->u.members;
    uint32_t slot;
    size_t i;

    if (object->with.index != NULL) {
        slot = *wfsi_json_slot(object->with.index, members, key, size);
        return slot != 0 ? &members[slot - 1] : NULL;
    }
    for (i = 0; i < object->size; i++) {
        if (wfsi_key_is(&members[i], key, size))
            return &members[i];
    }
    return NULL;
}

/* --- building values, told by the parser what there is */

#define WFSI_BUILD_FIRST 64

/* Children of the open containers wait on one stack: a container's entry, then
 * its children so far. An open container keeps in size where its parent's
 * children start. */
typedef struct wfsi_build {
    wfs_arena *arena;
    wfs_json *container;        /* the innermost open one */
    size_t base;                /* where its children start */
    const char *key;            /* read, and waiting for its value */
    size_t key_size;
    wfsi_member *waiting;
    size_t count, capacity;
    wfsi_member first[WFSI_BUILD_FIRST];
} wfsi_build;

static bool wfsi_build_grow(wfsi_build *build)
{
    const wfs_allocator *allocator = &build->arena->allocator;
    size_t bytes = build->capacity * sizeof *build->waiting;
    bool on_stack = build->waiting == build->first;
    wfsi_member *waiting = (wfsi_member *)wfsi_resize(
        allocator, on_stack ? NULL : build->waiting, on_stack ? 0 : bytes,
        bytes * 2);

    if (waiting == NULL) {
        build->arena->failed = true;
        return false;
    }
    if (on_stack)
        memcpy(waiting, build->first, bytes);
    build->waiting = waiting;
    build->capacity *= 2;
    return true;
}

static inline bool wfsi_build_push(wfsi_build *build, const wfs_json *value)
{
    wfsi_member *member;

    if (value == NULL ||
        (build->count == build->capacity && !wfsi_build_grow(build)))
        return false;
    member = &build->waiting[build->count++];
    member->key = build->key;
    member->key_size = build->key_size;
    member->value = value;
    build->key = NULL;
    return true;
}

static bool wfsi_build_open(wfsi_build *build, wfs_json_type type)
{
    wfs_json *value = wfsi_json_new(build->arena, type);

    if (!wfsi_build_push(build, value))
        return false;
    value->u.parent = build->container;
    value->size = build->base;
    build->container = value;
    build->base = build->count;
    return true;
}

static size_t wfsi_unique_small(wfsi_member *members, size_t count)
{
    size_t kept = 0, i, j;

    for (i = 0; i < count; i++) {
        for (j = 0; j < kept; j++) {
            if (wfsi_key_is(&members[j], members[i].key, members[i].key_size))
                break;
        }
        if (j < kept) {
            members[j].value = members[i].value;
        } else {
            if (kept < i)
                members[kept] = members[i];
            kept++;
        }
    }
    return kept;
}

static size_t wfsi_unique_indexed(const wfsi_json_index *index,
                                  wfsi_member *members, size_t count)
{
    size_t kept = 0, i;
    uint32_t *slot;

    for (i = 0; i < count; i++) {
        slot = wfsi_json_slot(index, members, members[i].key,
                              members[i].key_size);
        if (*slot != 0) {
            members[*slot - 1].value = members[i].value;
        } else {
            members[kept++] = members[i];
            *slot = (uint32_t)kept;
        }
    }
    return kept;
}

static bool wfsi_build_object(wfs_arena *arena, wfs_json *object,
                              wfsi_member *members, size_t count)
{
    wfsi_json_index *index = NULL;

    if (count > WFSI_JSON_INDEXED) {
        index = wfsi_json_index_new(arena, count);
        if (index == NULL)
            return false;
    }
    object->size = index != NULL ? wfsi_unique_indexed(index, members, count)
                                 : wfsi_unique_small(members, count);
    object->u.members = (wfsi_member *)wfsi_arena_allocate(
        arena, count * sizeof members[0]);
    if (object->u.members == NULL)
        return false;
    memcpy(object->u.members, members, object->size * sizeof members[0]);
    object->with.index = index;
    return true;
}

static bool wfsi_build_array(wfs_arena *arena, wfs_json *array,
                             const wfsi_member *items, size_t count)
{
    size_t i;

    array->u.items = (const wfs_json **)wfsi_arena_allocate(
        arena, count * sizeof array->u.items[0]);
    if (array->u.items == NULL)
        return false;
    for (i = 0; i < count; i++)
        array->u.items[i] = items[i].value;
    array->size = count;
    return true;
}

static bool wfsi_build_close(wfsi_build *build)
{
    wfs_json *value = build->container;
    wfsi_member *children = build->waiting + build->base;
    size_t count = build->count - build->base;

    build->count = build->base;
    build->base = value->size;
    build->container = value->u.parent;
    value->size = 0;
    value->u.items = NULL;
    if (count == 0)
        return true;
    if (count > UINT32_MAX / 2) {
        build->arena->failed = true;
        return false;
    }
    value->capacity = (uint32_t)count;
    return value->kind == WFS_JSON_ARRAY
               ? wfsi_build_array(build->arena, value, children, count)
               : wfsi_build_object(build->arena, value, children, count);
}

static size_t wfsi_unescape(char *out, const char *at, const char *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char *start = out;
    const char *found;
    int32_t code;

    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        at += 2;
        if (at[-1] == 'u') {
            code = wfsi_hex4(at, end);
            at += 4;
            if (wfsi_is_high_surrogate(code)) {
                code = 0x10000 + ((code - 0xD800) << 10) +
                       (wfsi_hex4(at + 2, end) - 0xDC00);
                at += 6;
            }
            out += wfsi_utf8_put(out, (uint32_t)code);
        } else {
            found = strchr(from, at[-1]);
            *out++ = found != NULL ? to[found - from] : at[-1];
        }
    }
    *out = '\0';
    return (size_t)(out - start);
}

/* A string of the text into new memory, `before` bytes into it. */
static char *wfsi_build_text(wfs_arena *arena, size_t before, const char *start,
                             const char *end, bool escaped, size_t *size)
{
    char *memory;

    *size = (size_t)(end - start);
    memory = (char *)wfsi_arena_allocate(arena, before + *size + 1);
    if (memory == NULL)
        return NULL;
    if (escaped) {
        *size = wfsi_unescape(memory + before, start, end);
    } else {
        memcpy(memory + before, start, *size);
        memory[before + *size] = '\0';
    }
    return memory;
}

static bool wfsi_build_key(wfsi_build *build, const char *start,
                           const char *end, bool escaped)
{
    build->key = wfsi_build_text(build->arena, 0, start, end, escaped,
                                 &build->key_size);
    return build->key != NULL;
}

static bool wfsi_build_string(wfsi_build *build, const char *start,
                              const char *end, bool escaped)
{
    wfs_json *value;
    size_t size;

    value = (wfs_json *)(void *)wfsi_build_text(
        build->arena, sizeof *value, start, end, escaped, &size);
    if (value == NULL)
        return false;
    value->kind = WFS_JSON_STRING;
    value->capacity = 0;
    value->size = size;
    value->u.text = (const char *)(value + 1);
    value->with.index = NULL;
    return wfsi_build_push(build, value);
}

/* Digits as an integer; false when there is more to it or it is too large. */
static bool wfsi_parse_integer(const char *at, const char *end, bool negative,
                               int64_t *result)
{
    uint64_t value = 0;
    uint64_t largest = (uint64_t)INT64_MAX + negative;

    if (end - at > 19)
        return false;
    for (; at < end; at++) {
        if (!wfsi_is_digit(*at))
            return false;
        value = value * 10 + (uint64_t)(*at - '0');
    }
    if (value > largest)
        return false;
    if (negative && value != 0)
        *result = -(int64_t)(value - 1) - 1;
    else
        *result = (int64_t)value;
    return true;
}

static bool wfsi_build_number(wfsi_build *build, const char *start,
                              const char *end, bool negative)
{
    wfs_json *value = wfsi_json_new(build->arena, WFS_JSON_INTEGER);
    double real;

    if (value == NULL)
        return false;
    if (!wfsi_parse_integer(start, end, negative, &value->u.integer)) {
        real = wfsi_parse_decimal(start, (size_t)(end - start));
        value->kind = WFS_JSON_REAL;
        value->u.real = negative ? -real : real;
    }
    return wfsi_build_push(build, value);
}

static bool wfsi_build_word(wfsi_build *build, wfs_json_type type, bool truth)
{
    wfs_json *value = wfsi_json_new(build->arena, type);

    if (value != NULL)
        value->u.integer = truth;
    return wfsi_build_push(build, value);
}

static void wfsi_build_start(wfsi_build *build, wfs_arena *arena)
{
    build->arena = arena;
    build->container = NULL;
    build->key = NULL;
    build->key_size = build->base = build->count = 0;
    build->waiting = build->first;
    build->capacity = WFSI_BUILD_FIRST;
}

/* --- the parser
 *
 * One grammar for checking and for building: a scan builds values when it has
 * somewhere to build them. Each wfsi_scan_ function gets where it starts and
 * returns where it ended, NULL when it failed. */

/* Levels of nesting that one call of wfsi_scan_value keeps. */
#define WFSI_SCAN_LEVELS 4096

typedef struct wfsi_scan {
    const char *text, *end;
    size_t depth;
    const wfs_limits *limits;
    wfsi_build *build;              /* NULL: only check */
    wfs_error *error;
} wfsi_scan;

/* The message gets the position too, in lines and in characters. */
static const char *wfsi_scan_refuse(wfsi_scan *scan, const char *at,
                                    wfs_status code, const char *what,
                                    const char *found)
{
    const char *c;
    size_t line = 1, column = 1;

    if (scan->error == NULL)
        return NULL;
    for (c = scan->text; c < at; c++) {
        if (*c == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*c & 0xC0) != 0x80) {
            column++;
        }
    }
    wfsi_error(scan->error, code, "%s%s (line %i, column %i)", what, found,
               (int64_t)line, (int64_t)column);
    scan->error->offset = (size_t)(at - scan->text);
    scan->error->line = line;
    scan->error->column = column;
    return NULL;
}

static const char *wfsi_scan_wrong(wfsi_scan *scan, const char *at,
                                   const char *what)
{
    return wfsi_scan_refuse(scan, at, WFS_ERR_JSON, what, "");
}

static const char *wfsi_scan_unexpected(wfsi_scan *scan, const char *at,
                                        const char *expected)
{
    static const char hex[] = "0123456789ABCDEF";
    char quoted[] = ", found ' '", byte[] = ", found byte 0x  ";
    unsigned char c;

    if (at >= scan->end)
        return wfsi_scan_refuse(scan, scan->end, WFS_ERR_JSON, expected,
                                ", found the end of the text");
    c = (unsigned char)*at;
    quoted[9] = *at;
    byte[15] = hex[c >> 4];
    byte[16] = hex[c & 15];
    return wfsi_scan_refuse(scan, at, WFS_ERR_JSON, expected,
                            c > ' ' && c < 0x7F ? quoted : byte);
}

static const char *wfsi_scan_built(wfsi_scan *scan, const char *at, bool built)
{
    if (built)
        return at;
    wfsi_no_memory(scan->error);
    return NULL;
}

static inline const char *wfsi_scan_blanks(const wfsi_scan *scan,
                                           const char *at)
{
    while (at < scan->end && wfsi_is_json_blank(*at))
        at++;
    return at;
}

static inline bool wfsi_scan_is(const wfsi_scan *scan, const char *at, char c)
{
    return at < scan->end && *at == c;
}

/* at: after \u. */
static const char *wfsi_scan_unicode(wfsi_scan *scan, const char *at)
{
    int32_t code = wfsi_hex4(at, scan->end);

    if (code < 0)
        return wfsi_scan_wrong(scan, at - 2,
                               "expected four hexadecimal digits after \\u");
    if (wfsi_is_high_surrogate(code) && wfsi_scan_is(scan, at + 4, '\\') &&
        wfsi_scan_is(scan, at + 5, 'u') &&
        wfsi_is_low_surrogate(wfsi_hex4(at + 6, scan->end)))
        return at + 10;
    if (wfsi_is_high_surrogate(code) || wfsi_is_low_surrogate(code))
        return wfsi_scan_wrong(scan, at - 2, "lone surrogate in a string");
    return at + 4;
}

static const char *wfsi_scan_escape(wfsi_scan *scan, const char *at)
{
    if (++at < scan->end) {
        if (*at == 'u')
            return wfsi_scan_unicode(scan, at + 1);
        if (*at != '\0' && strchr("\"\\/bfnrt", *at) != NULL)
            return at + 1;
    }
    return wfsi_scan_unexpected(scan, at, "expected one of \"\\/bfnrtu after "
                                          "a backslash");
}

static const char *wfsi_scan_utf8(wfsi_scan *scan, const char *at)
{
    bool valid;
    size_t size = wfsi_utf8_sequence(at, scan->end, &valid);

    return valid ? at + size
                 : wfsi_scan_unexpected(scan, at,
                                        "expected valid UTF-8 in a string");
}

/* at: after the opening quote. */
static const char *wfsi_scan_string(wfsi_scan *scan, const char *at, bool key)
{
    const char *start = at;
    bool escaped = false;

    while ((at = wfsi_plain_end(at, scan->end)) < scan->end && *at != '"') {
        if ((unsigned char)*at < 0x20)
            return wfsi_scan_unexpected(scan, at,
                                        "expected control characters of a "
                                        "string to be escaped");
        if (*at == '\\') {
            escaped = true;
            at = wfsi_scan_escape(scan, at);
        } else {
            at = wfsi_scan_utf8(scan, at);
        }
        if (at == NULL)
            return NULL;
    }
    if (at == scan->end)
        return wfsi_scan_unexpected(scan, at, "expected the end of the string");
    if (scan->build == NULL)
        return at + 1;
    return wfsi_scan_built(
        scan, at + 1, key ? wfsi_build_key(scan->build, start, at, escaped)
                          : wfsi_build_string(scan->build, start, at, escaped));
}

static const char *wfsi_scan_digits(wfsi_scan *scan, const char *at)
{
    const char *start = at;

    while (at < scan->end && wfsi_is_digit(*at))
        at++;
    return at != start ? at
                       : wfsi_scan_unexpected(scan, at, "expected a digit");
}

/* at: after the digits of the whole part, which start at digits. */
static const char *wfsi_scan_fraction(wfsi_scan *scan, const char *at,
                                      const char *digits)
{
    const char *exponent = at;

    if (wfsi_scan_is(scan, at, '.')) {
        at = exponent = wfsi_scan_digits(scan, at + 1);
        if (at == NULL)
            return NULL;
    }
    if (wfsi_scan_is(scan, at, 'e') || wfsi_scan_is(scan, at, 'E')) {
        at++;
        if (wfsi_scan_is(scan, at, '-') || wfsi_scan_is(scan, at, '+'))
            at++;
        at = wfsi_scan_digits(scan, at);
        if (at == NULL)
            return NULL;
    }
    /* shorter ones are below 10^300 */
    if ((at - exponent > 3 || at - digits > 200) &&
        !wfsi_decimal_fits(digits, (size_t)(at - digits)))
        return wfsi_scan_wrong(scan, digits, "number out of range");
    return at;
}

static const char *wfsi_scan_number(wfsi_scan *scan, const char *at)
{
    bool negative = *at == '-';
    const char *digits = at + negative;

    at = wfsi_scan_digits(scan, digits);
    if (at == NULL)
        return NULL;
    if (*digits == '0' && at - digits > 1)
        return wfsi_scan_wrong(scan, digits,
                               "a number must not start with 0");
    if (wfsi_scan_is(scan, at, '.') || at - digits > 18 ||
        (at < scan->end && (*at | 0x20) == 'e'))
        at = wfsi_scan_fraction(scan, at, digits);
    if (at == NULL || scan->build == NULL)
        return at;
    return wfsi_scan_built(
        scan, at, wfsi_build_number(scan->build, digits, at, negative));
}

static const char *wfsi_scan_word(wfsi_scan *scan, const char *at,
                                  const char *word, wfs_json_type type)
{
    bool truth = *at == 't';

    for (; *word != '\0'; word++, at++) {
        if (!wfsi_scan_is(scan, at, *word))
            return wfsi_scan_unexpected(scan, at,
                                        "expected true, false or null");
    }
    if (scan->build == NULL)
        return at;
    return wfsi_scan_built(scan, at,
                           wfsi_build_word(scan->build, type, truth));
}

static const char *wfsi_scan_scalar(wfsi_scan *scan, const char *at)
{
    if (at < scan->end) {
        switch (*at) {
        case '"':
            return wfsi_scan_string(scan, at + 1, false);
        case '-': case '0': case '1': case '2': case '3': case '4': case '5':
        case '6': case '7': case '8': case '9':
            return wfsi_scan_number(scan, at);
        case 't':
            return wfsi_scan_word(scan, at, "true", WFS_JSON_BOOL);
        case 'f':
            return wfsi_scan_word(scan, at, "false", WFS_JSON_BOOL);
        case 'n':
            return wfsi_scan_word(scan, at, "null", WFS_JSON_NULL);
        default:
            break;
        }
    }
    return wfsi_scan_unexpected(scan, at, "expected a value");
}

static const char *wfsi_scan_key(wfsi_scan *scan, const char *at,
                                 const char *expected)
{
    at = wfsi_scan_blanks(scan, at);
    if (!wfsi_scan_is(scan, at, '"'))
        return wfsi_scan_unexpected(scan, at, expected);
    at = wfsi_scan_string(scan, at + 1, true);
    if (at == NULL)
        return NULL;
    at = wfsi_scan_blanks(scan, at);
    if (!wfsi_scan_is(scan, at, ':'))
        return wfsi_scan_unexpected(scan, at, "expected ':' after a key");
    return at + 1;
}

/* at: at the opening bracket. Ends before what follows it. */
static const char *wfsi_scan_open(wfsi_scan *scan, const char *at)
{
    char limit[WFSI_INTEGER_SIZE];
    bool object = *at == '{';

    if (scan->depth == scan->limits->json_depth) {
        wfsi_format_integer((int64_t)scan->limits->json_depth, limit);
        return wfsi_scan_refuse(scan, at, WFS_ERR_LIMIT, "nested deeper than "
                                "the limit json_depth of ", limit);
    }
    scan->depth++;
    if (scan->build != NULL &&
        !wfsi_build_open(scan->build,
                         object ? WFS_JSON_OBJECT : WFS_JSON_ARRAY))
        return wfsi_scan_built(scan, at, false);
    return wfsi_scan_blanks(scan, at + 1);
}

static const char *wfsi_scan_close(wfsi_scan *scan, const char *at)
{
    scan->depth--;
    if (scan->build == NULL)
        return at + 1;
    return wfsi_scan_built(scan, at + 1, wfsi_build_close(scan->build));
}

/* A value to its end. It calls itself only when its levels are used up. */
static const char *wfsi_scan_value(wfsi_scan *scan, const char *at)
{
    char closing[WFSI_SCAN_LEVELS];     /* the brackets we wait for */
    size_t level = 0;

    for (;;) {
        at = wfsi_scan_blanks(scan, at);
        if (!wfsi_scan_is(scan, at, '{') && !wfsi_scan_is(scan, at, '[')) {
            at = wfsi_scan_scalar(scan, at);
        } else if (level == WFSI_SCAN_LEVELS) {
            at = wfsi_scan_value(scan, at);
        } else {
            closing[level] = *at == '{' ? '}' : ']';
            at = wfsi_scan_open(scan, at);
            if (at != NULL && !wfsi_scan_is(scan, at, closing[level++])) {
                if (closing[level - 1] == '}')
                    at = wfsi_scan_key(scan, at, "expected a key or '}'");
                if (at == NULL)
                    return NULL;
                continue;
            }
        }
        while (at != NULL && level > 0) {
            at = wfsi_scan_blanks(scan, at);
            if (wfsi_scan_is(scan, at, ',')) {
                at++;
                if (closing[level - 1] == '}')
                    at = wfsi_scan_key(scan, at, "expected a key");
                break;
            }
            if (!wfsi_scan_is(scan, at, closing[level - 1]))
                return wfsi_scan_unexpected(scan, at,
                                            closing[level - 1] == '}'
                                                ? "expected ',' or '}'"
                                                : "expected ',' or ']'");
            level--;
            at = wfsi_scan_close(scan, at);
        }
        if (at == NULL || level == 0)
            return at;
    }
}

WFSI_APART
static bool wfsi_scan_text(wfsi_build *build, const char *text, size_t size,
                           const wfs_limits *limits, wfs_error *error)
{
    wfsi_scan scan;
    const char *at;

    if (text == NULL) {
        text = "";
        size = 0;
    }
    if (size > limits->json_size) {
        wfsi_error(error, WFS_ERR_LIMIT,
                   "JSON text of %i bytes, the limit json_size is %i",
                   (int64_t)size, (int64_t)limits->json_size);
        return false;
    }
    scan.text = text;
    scan.end = text + size;
    scan.depth = 0;
    scan.limits = limits;
    scan.build = build;
    scan.error = error;
    at = wfsi_scan_value(&scan, text);
    if (at == NULL)
        return false;
    at = wfsi_scan_blanks(&scan, at);
    return at == scan.end ||
           wfsi_scan_unexpected(&scan, at, "expected the end of the text") !=
               NULL;
}

/* --- the quick check
 *
 * Most texts that programs write are plain: strings without escapes, short
 * whole numbers, few levels, a blank at most after a colon or comma. What this
 * accepts is JSON; of what it does not, the parser says whether it is. Each
 * part moves *at to its end when it is there. */

WFSI_INLINE bool wfsi_plain_is(const char **at, const char *end, char c)
{
    if (*at == end || **at != c)
        return false;
    ++*at;
    return true;
}

WFSI_INLINE bool wfsi_plain_string(const char **at, const char *end)
{
    if (!wfsi_plain_is(at, end, '"'))
        return false;
    *at = wfsi_plain_end(*at, end);
    return wfsi_plain_is(at, end, '"');
}

WFSI_INLINE bool wfsi_plain_key(const char **at, const char *end)
{
    wfsi_plain_is(at, end, ' ');
    return wfsi_plain_string(at, end) && wfsi_plain_is(at, end, ':');
}

static bool wfsi_plain_word(const char **at, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    size_t i, size;

    for (i = 0; i < WFSI_COUNT(words); i++) {
        size = strlen(words[i]);
        if ((size_t)(end - *at) < size || memcmp(*at, words[i], size) != 0)
            continue;
        *at += size;
        return true;
    }
    return false;
}

WFSI_INLINE bool wfsi_plain_scalar(const char **at, const char *end)
{
    const char *digits = *at;

    if (!wfsi_is_digit(*digits))
        return *digits == '"' ? wfsi_plain_string(at, end)
                              : wfsi_plain_word(at, end);
    while (*at < end && wfsi_is_digit(**at))
        ++*at;
    return *at - digits < 19 && (*digits != '0' || *at - digits == 1);
}

/* Past the ends of objects and arrays; then, if any are left open, past a
 * comma and, in an object, a key. */
WFSI_INLINE bool wfsi_plain_next(const char **at, const char *end,
                                 uint64_t *objects, size_t *level)
{
    for (; *level > 0; --*level, *objects >>= 1) {
        if (wfsi_plain_is(at, end, ','))
            return (*objects & 1) == 0 || wfsi_plain_key(at, end);
        if (!wfsi_plain_is(at, end, (*objects & 1) != 0 ? '}' : ']'))
            return false;
    }
    return *at == end;
}

static bool wfsi_json_is_plain(const char *at, const char *end, size_t depth)
{
    uint64_t objects = 0;       /* a bit a level: whether it is an object */
    size_t level = 0;
    bool is_object;

    if (depth > 64)
        depth = 64;
    do {
        wfsi_plain_is(&at, end, ' ');
        if (at == end)
            return false;
        is_object = *at == '{';
        if (is_object || *at == '[') {
            at++;
            if (level++ == depth)
                return false;
            objects = objects << 1 | is_object;
            if (at == end)
                return false;
            if (*at != (is_object ? '}' : ']')) {
                if (is_object && !wfsi_plain_key(&at, end))
                    return false;
                continue;
            }
        } else if (!wfsi_plain_scalar(&at, end)) {
            return false;
        }
        if (!wfsi_plain_next(&at, end, &objects, &level))
            return false;
    } while (level > 0);
    return true;
}

/* limits: resolved. */
static bool wfsi_json_check(const char *text, size_t size,
                            const wfs_limits *limits, wfs_error *error)
{
    if (text != NULL && size <= limits->json_size &&
        wfsi_json_is_plain(text, text + size, limits->json_depth))
        return true;
    return wfsi_scan_text(NULL, text, size, limits, error);
}

/* NULL with an error when the text is not JSON, or without memory. */
static wfs_json *wfsi_json_build(wfs_arena *arena, const char *text,
                                 size_t size, const wfs_limits *limits,
                                 wfs_error *error)
{
    wfsi_build build;
    const wfs_json *value;

    wfsi_build_start(&build, arena);
    value = wfsi_scan_text(&build, text, size, limits, error)
                ? build.waiting[0].value
                : NULL;
    if (build.waiting != build.first)
        wfsi_release(&arena->allocator, build.waiting,
                     build.capacity * sizeof build.waiting[0]);
    return (wfs_json *)value;   /* made by the builder, never const */
}

/* --- raw values */

WFSI_INLINE wfs_json *wfsi_json_raw(wfs_arena *arena, const char *text,
                                    size_t size)
{
    wfs_json *value;

    if (text == NULL || size == 0)
        return NULL;
    value = wfsi_json_new(arena, WFSI_JSON_RAW);
    if (value == NULL)
        return NULL;
    value->size = size;
    value->u.text = text;
    value->with.arena = arena;
    return value;
}

/* Raw values are made above and never const: parse it where it is. */
/* A raw value's text as a value in some arena; NULL without memory. */
static wfs_json *wfsi_json_read(wfs_arena *arena, const wfs_json *value)
{
    wfs_limits none;

    none.json_depth = none.json_size = SIZE_MAX;
    return wfsi_json_build(arena, value->u.text, value->size, &none, NULL);
}

static const wfs_json *wfsi_json_resolve(const wfs_json *value)
{
    wfs_json *built = wfsi_json_read(value->with.arena, value);

    if (built == NULL)
        return &wfsi_json_null;
    memcpy((wfs_json *)value, built, sizeof *built);
    return value;
}

/* What every reader does first: never NULL, never raw. */
static const wfs_json *wfsi_json_look(const wfs_json *value)
{
    if (value == NULL)
        return &wfsi_json_null;
    return value->kind != WFSI_JSON_RAW ? value : wfsi_json_resolve(value);
}

/* The text of a raw value that nobody looked into; NULL for any other. */
static const char *wfsi_json_raw_text(const wfs_json *value, size_t *size)
{
    if (value == NULL || value->kind != WFSI_JSON_RAW)
        return NULL;
    *size = value->size;
    return value->u.text;
}

static const wfs_json *wfsi_json_child(const wfs_json *value, size_t place)
{
    return value->kind == WFS_JSON_ARRAY ? value->u.items[place]
                                         : value->u.members[place].value;
}

/* --- writing */

/* A way down into nested values, from the outermost on. */
typedef struct wfsi_json_frame {
    const wfs_json *value;
    wfs_json *copy;             /* where there is one */
    size_t place;               /* of the next child */
} wfsi_json_frame;

typedef struct wfsi_json_frames {
    wfs_arena *arena;
    wfsi_json_frame *items;
    size_t count, capacity;
    wfsi_json_frame first[16];
} wfsi_json_frames;

static void wfsi_frames_open(wfsi_json_frames *frames, wfs_arena *arena)
{
    frames->arena = arena;
    frames->items = frames->first;
    frames->count = 0;
    frames->capacity = WFSI_COUNT(frames->first);
}

static bool wfsi_frames_push(wfsi_json_frames *frames, const wfs_json *value,
                             wfs_json *copy)
{
    wfsi_json_frame *items;

    if (frames->count == frames->capacity) {
        items = (wfsi_json_frame *)wfsi_arena_allocate(
            frames->arena, frames->capacity * 2 * sizeof *items);
        if (items == NULL)
            return false;
        memcpy(items, frames->items, frames->count * sizeof *items);
        frames->items = items;
        frames->capacity *= 2;
    }
    frames->items[frames->count].value = value;
    frames->items[frames->count].copy = copy;
    frames->items[frames->count].place = 0;
    frames->count++;
    return true;
}

/* Nothing fits into it any more. */
static void wfsi_json_put_failed(wfsi_buffer *buffer)
{
    buffer->failed = true;
    buffer->capacity = buffer->size;
}

static inline void wfsi_json_put_byte(wfsi_buffer *buffer, char c)
{
    if (buffer->size < buffer->capacity || wfsi_buffer_grow(buffer, 1))
        buffer->data[buffer->size++] = c;
}

static void wfsi_json_put_escape(wfsi_buffer *buffer, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    static const char hex[] = "0123456789abcdef";
    const char *found = strchr(from, c);
    char text[] = "\\u00xx";

    if (found != NULL && c != '\0') {
        text[1] = to[found - from];
        wfsi_buffer_put(buffer, text, 2);
    } else {
        text[4] = hex[(unsigned char)c >> 4];
        text[5] = hex[(unsigned char)c & 15];
        wfsi_buffer_put(buffer, text, 6);
    }
}

/* The first byte that has to be escaped, or the end. */
static const char *wfsi_escape_at(const char *at, const char *end)
{
    at = wfsi_plain_end(at, end);
    while (at < end && ((unsigned char)*at & 0x80) != 0)
        at = wfsi_plain_end(at + 1, end);
    return at;
}

static void wfsi_json_put_string(wfsi_buffer *buffer, const char *text,
                                 size_t size)
{
    const char *end = text + size, *at = wfsi_escape_at(text, end);
    char *out;

    if (!wfsi_buffer_reserve(buffer, size + 2))
        return;
    out = buffer->data + buffer->size;
    *out++ = '"';
    memcpy(out, text, size);
    if (at == end) {
        out[size] = '"';
        buffer->size += size + 2;
        return;
    }
    buffer->size += (size_t)(at - text) + 1;
    while (at < end) {
        wfsi_json_put_escape(buffer, *at++);
        text = at;
        at = wfsi_escape_at(at, end);
        wfsi_buffer_put(buffer, text, (size_t)(at - text));
    }
    wfsi_buffer_char(buffer, '"');
}

static void wfsi_json_put_number(wfsi_buffer *buffer, const wfs_json *value)
{
    char *at;

    if (!wfsi_buffer_reserve(buffer, WFSI_REAL_SIZE))
        return;
    at = buffer->data + buffer->size;
    buffer->size += value->kind == WFS_JSON_INTEGER
                        ? wfsi_format_integer(value->u.integer, at)
                        : wfsi_format_real(value->u.real, at);
}

/* A scalar or an empty container whole. Of another container the bracket;
 * then the result is true. */
static bool wfsi_json_put_value(wfsi_buffer *buffer, const wfs_json *value)
{
    switch (value->kind) {
    case WFS_JSON_NULL:
        wfsi_buffer_put(buffer, "null", 4);
        break;
    case WFS_JSON_BOOL:
        if (value->u.integer != 0)
            wfsi_buffer_put(buffer, "true", 4);
        else
            wfsi_buffer_put(buffer, "false", 5);
        break;
    case WFS_JSON_INTEGER:
    case WFS_JSON_REAL:
        wfsi_json_put_number(buffer, value);
        break;
    case WFS_JSON_STRING:
        wfsi_json_put_string(buffer, value->u.text, value->size);
        break;
    case WFS_JSON_ARRAY:
        wfsi_buffer_put(buffer, "[]", value->size != 0 ? 1 : 2);
        return value->size != 0;
    case WFS_JSON_OBJECT:
        wfsi_buffer_put(buffer, "{}", value->size != 0 ? 1 : 2);
        return value->size != 0;
    default:                    /* raw */
        wfsi_buffer_put(buffer, value->u.text, value->size);
        break;
    }
    return false;
}

static void wfsi_json_put_line(wfsi_buffer *buffer, int indent, size_t level)
{
    size_t blanks = (size_t)indent * level;

    if (!wfsi_buffer_reserve(buffer, blanks + 1))
        return;
    buffer->data[buffer->size] = '\n';
    memset(buffer->data + buffer->size + 1, ' ', blanks);
    buffer->size += blanks + 1;
}

/* Go on to the next child, closing what is through; NULL at the end. */
static const wfs_json *wfsi_json_put_next(wfsi_buffer *buffer,
                                          wfsi_json_frames *frames, int indent)
{
    wfsi_json_frame *top;
    const wfsi_member *member;

    while (frames->count != 0) {
        top = &frames->items[frames->count - 1];
        if (top->place < top->value->size) {
            if (top->place != 0)
                wfsi_json_put_byte(buffer, ',');
            if (indent > 0)
                wfsi_json_put_line(buffer, indent, frames->count);
            if (top->value->kind == WFS_JSON_ARRAY)
                return top->value->u.items[top->place++];
            member = &top->value->u.members[top->place++];
            wfsi_json_put_string(buffer, member->key, member->key_size);
            wfsi_json_put_byte(buffer, ':');
            if (indent > 0)
                wfsi_json_put_byte(buffer, ' ');
            return member->value;
        }
        frames->count--;
        if (indent > 0)
            wfsi_json_put_line(buffer, indent, frames->count);
        wfsi_json_put_byte(buffer,
                           top->value->kind == WFS_JSON_ARRAY ? ']' : '}');
    }
    return NULL;
}

/* Instead of an indent: raw values that nobody looked into keep the text that
 * they came with. */
#define WFSI_AS_IT_IS (-1)

static void wfsi_json_put(wfsi_buffer *buffer, const wfs_json *value,
                          int indent)
{
    wfsi_json_frames frames;
    bool as_it_is = indent == WFSI_AS_IT_IS;

    if (value == NULL)
        value = &wfsi_json_null;
    if (as_it_is)
        indent = 0;
    wfsi_frames_open(&frames, buffer->arena);
    while (value != NULL && !buffer->failed) {
        if (!as_it_is && value->kind == WFSI_JSON_RAW)
            value = wfsi_json_read(buffer->arena, value);
        if (value == NULL ||
            (wfsi_json_put_value(buffer, value) &&
             !wfsi_frames_push(&frames, value, NULL)))
            wfsi_json_put_failed(buffer);
        value = wfsi_json_put_next(buffer, &frames, indent);
    }
}

/* --- copying */

static bool wfsi_json_copy_children(wfs_arena *arena, wfs_json *copy,
                                    const wfs_json *value)
{
    size_t i;

    copy->capacity = (uint32_t)value->size;
    if (value->kind == WFS_JSON_ARRAY) {
        copy->u.items = (const wfs_json **)wfsi_arena_allocate(
            arena, value->size * sizeof copy->u.items[0]);
        return copy->u.items != NULL;
    }
    copy->u.members = (wfsi_member *)wfsi_arena_allocate(
        arena, value->size * sizeof copy->u.members[0]);
    if (copy->u.members == NULL)
        return false;
    for (i = 0; i < value->size; i++) {
        copy->u.members[i] = value->u.members[i];
        copy->u.members[i].key = wfsi_arena_text(
            arena, value->u.members[i].key, value->u.members[i].key_size);
        if (copy->u.members[i].key == NULL)
            return false;
    }
    copy->with.index = NULL;
    if (value->size <= WFSI_JSON_INDEXED)
        return true;
    copy->with.index = wfsi_json_index_new(arena, value->size);
    if (copy->with.index == NULL)
        return false;
    wfsi_json_index_fill(copy->with.index, copy->u.members, copy->size);
    return true;
}

/* A copy whose children are still to come. */
static wfs_json *wfsi_json_copy_node(wfs_arena *arena, const wfs_json *value)
{
    wfs_json *copy = wfsi_json_new(arena, value->kind);
    bool copied = true;

    if (copy == NULL)
        return NULL;
    memcpy(copy, value, sizeof *copy);
    if (value->kind == WFSI_JSON_RAW)
        copy->with.arena = arena;
    if (value->kind == WFSI_JSON_RAW || value->kind == WFS_JSON_STRING) {
        copy->u.text = wfsi_arena_text(arena, value->u.text, value->size);
        copied = copy->u.text != NULL;
    } else if (wfsi_json_is_container(value)) {
        copied = wfsi_json_copy_children(arena, copy, value);
    }
    return copied ? copy : NULL;
}

/* Copy one child of the innermost container. */
static bool wfsi_json_copy_next(wfs_arena *arena, wfsi_json_frames *frames)
{
    wfsi_json_frame *top = &frames->items[frames->count - 1];
    size_t place = top->place++;
    const wfs_json *child = wfsi_json_child(top->value, place);
    wfs_json *copy = wfsi_json_copy_node(arena, child);

    if (top->value->kind == WFS_JSON_ARRAY)
        top->copy->u.items[place] = copy;
    else
        top->copy->u.members[place].value = copy;
    if (copy == NULL)
        return false;
    return !wfsi_json_is_container(child) ||
           wfsi_frames_push(frames, child, copy);
}

static wfs_json *wfsi_json_copy(wfs_arena *arena, const wfs_json *value)
{
    wfs_json *copy = wfsi_json_copy_node(arena, value);
    wfsi_json_frames frames;

    wfsi_frames_open(&frames, arena);
    if (copy == NULL || (wfsi_json_is_container(value) &&
                         !wfsi_frames_push(&frames, value, copy)))
        return NULL;
    while (frames.count != 0) {
        if (frames.items[frames.count - 1].place ==
            frames.items[frames.count - 1].value->size)
            frames.count--;
        else if (!wfsi_json_copy_next(arena, &frames))
            return NULL;
    }
    return copy;
}

/* --- comparing
 *
 * There is no arena to keep the way down in, so it is in chunks on the C
 * stack: about 30 bytes a level. Where a difference is found, the chunks are
 * the path to it. */

#define WFSI_DIFF_LEVELS 64
#define WFSI_DIFF_SHOWN 120     /* bytes of a value in a message */

typedef struct wfsi_json_pair {
    const wfs_json *expected, *actual;
    size_t place;               /* of the next child of expected */
} wfsi_json_pair;

typedef struct wfsi_json_pairs {
    const struct wfsi_json_pairs *outer;
    size_t count;
    wfsi_json_pair items[WFSI_DIFF_LEVELS];
} wfsi_json_pairs;

/* Whether -2^63 <= value < 2^63. */
static bool wfsi_double_in_int64(double value)
{
    return value >= -9223372036854775808.0 && value < 9223372036854775808.0;
}

static bool wfsi_json_equal_numbers(const wfs_json *left,
                                    const wfs_json *right)
{
    if (left->kind == WFS_JSON_REAL) {
        if (right->kind == WFS_JSON_REAL)
            return left->u.real == right->u.real;
        return wfsi_json_equal_numbers(right, left);
    }
    if (right->kind == WFS_JSON_INTEGER)
        return left->u.integer == right->u.integer;
    return wfsi_double_in_int64(right->u.real) &&
           (int64_t)right->u.real == left->u.integer &&
           (double)(int64_t)right->u.real == right->u.real;
}

static bool wfsi_json_is_number(const wfs_json *value)
{
    return value->kind == WFS_JSON_INTEGER || value->kind == WFS_JSON_REAL;
}

/* Equality but for the children. */
static bool wfsi_json_equal_nodes(const wfs_json *left, const wfs_json *right)
{
    if (wfsi_json_is_number(left) && wfsi_json_is_number(right))
        return wfsi_json_equal_numbers(left, right);
    if (left->kind != right->kind)
        return false;
    if (left->kind == WFS_JSON_BOOL)
        return left->u.integer == right->u.integer;
    return left->kind != WFS_JSON_STRING ||
           (left->size == right->size &&
            memcmp(left->u.text, right->u.text, left->size) == 0);
}

/* As a path would write it: letters, digits, underscores. */
static bool wfsi_key_is_plain(const wfsi_member *member)
{
    size_t i;
    char c;

    for (i = 0; i < member->key_size; i++) {
        c = member->key[i];
        if (!wfsi_is_digit(c) && c != '_' &&
            ((c | 0x20) < 'a' || (c | 0x20) > 'z'))
            return false;
    }
    return member->key_size != 0;
}

static void wfsi_diff_put_step(wfsi_buffer *buffer, const wfs_json *container,
                               size_t place)
{
    const wfsi_member *member;

    if (container->kind == WFS_JSON_OBJECT) {
        member = &container->u.members[place];
        if (wfsi_key_is_plain(member)) {
            if (buffer->size != 0)
                wfsi_buffer_char(buffer, '.');
            wfsi_buffer_put(buffer, member->key, member->key_size);
            return;
        }
        wfsi_buffer_char(buffer, '[');
        wfsi_json_put_string(buffer, member->key, member->key_size);
    } else {
        wfsi_buffer_char(buffer, '[');
        wfsi_buffer_integer(buffer, (int64_t)place);
    }
    wfsi_buffer_char(buffer, ']');
}

static void wfsi_diff_put_path(wfsi_buffer *buffer,
                               const wfsi_json_pairs *pairs)
{
    size_t i;

    if (pairs->outer != NULL)
        wfsi_diff_put_path(buffer, pairs->outer);
    for (i = 0; i < pairs->count; i++)
        wfsi_diff_put_step(buffer, pairs->items[i].expected,
                           pairs->items[i].place - 1);
}

static void wfsi_diff_put_value(wfsi_buffer *buffer, const wfs_json *value)
{
    wfsi_buffer text;
    size_t size;

    wfsi_buffer_open(&text, buffer->arena);
    wfsi_json_put(&text, value, 0);
    if (text.failed)
        wfsi_json_put_failed(buffer);
    size = text.size;
    if (size > WFSI_DIFF_SHOWN) {
        size = WFSI_DIFF_SHOWN;
        while (size > 0 && ((unsigned char)text.data[size] & 0xC0) == 0x80)
            size--;
    }
    wfsi_buffer_put(buffer, text.data, size);
    if (size != text.size)
        wfsi_buffer_text(buffer, "...");
}

/* expected or actual may be NULL: not there. Always false. */
static bool wfsi_diff_found(wfsi_buffer *buffer, const wfsi_json_pairs *pairs,
                            const wfs_json *expected, const wfs_json *actual)
{
    if (buffer == NULL)
        return false;
    wfsi_diff_put_path(buffer, pairs);
    if (buffer->size != 0)
        wfsi_buffer_text(buffer, ": ");
    if (expected != NULL) {
        wfsi_buffer_text(buffer, "expected ");
        wfsi_diff_put_value(buffer, expected);
    } else {
        wfsi_buffer_text(buffer, "not expected");
    }
    if (actual != NULL) {
        wfsi_buffer_text(buffer, ", actual ");
        wfsi_diff_put_value(buffer, actual);
    } else {
        wfsi_buffer_text(buffer, ", but it is missing");
    }
    return false;
}

/* All children of expected are in actual: false when actual has more. */
static bool wfsi_diff_extra(wfsi_json_pairs *pairs, wfsi_buffer *buffer)
{
    wfsi_json_pair *top = &pairs->items[pairs->count - 1];
    const wfs_json *expected = top->expected, *actual = top->actual;
    size_t place = expected->size;
    const wfsi_member *member;

    if (actual->size == expected->size)
        return true;
    if (actual->kind == WFS_JSON_OBJECT) {
        for (place = 0;; place++) {
            member = &actual->u.members[place];
            if (wfsi_json_find(expected, member->key, member->key_size) == NULL)
                break;
        }
    }
    top->expected = actual;     /* the path has to name what only it has */
    top->place = place + 1;
    return wfsi_diff_found(buffer, pairs, NULL, wfsi_json_child(actual, place));
}

/* The counterpart of a child of the innermost container; NULL: none. */
static const wfs_json *wfsi_diff_counterpart(const wfsi_json_pair *pair,
                                             size_t place)
{
    const wfsi_member *member;

    if (pair->actual->kind == WFS_JSON_ARRAY)
        return place < pair->actual->size ? pair->actual->u.items[place]
                                          : NULL;
    member = &pair->expected->u.members[place];
    member = wfsi_json_find(pair->actual, member->key, member->key_size);
    return member != NULL ? member->value : NULL;
}

/* Go on to the next children. False at a difference; both NULL at the end. */
static bool wfsi_diff_next(wfsi_json_pairs *pairs, const wfs_json **expected,
                           const wfs_json **actual, wfsi_buffer *buffer)
{
    wfsi_json_pair *top;
    size_t place;

    *expected = *actual = NULL;
    while (pairs->count != 0) {
        top = &pairs->items[pairs->count - 1];
        if (top->place < top->expected->size) {
            place = top->place++;
            *expected = wfsi_json_child(top->expected, place);
            *actual = wfsi_diff_counterpart(top, place);
            return *actual != NULL ||
                   wfsi_diff_found(buffer, pairs, *expected, NULL);
        }
        if (!wfsi_diff_extra(pairs, buffer))
            return false;
        pairs->count--;
    }
    return true;
}

/* Deep equality; the first difference goes to buffer, which may be NULL. */
static bool wfsi_json_compare(const wfs_json *expected, const wfs_json *actual,
                              const wfsi_json_pairs *outer, wfsi_buffer *buffer)
{
    wfsi_json_pairs pairs;

    pairs.outer = outer;
    pairs.count = 0;
    do {
        expected = wfsi_json_look(expected);
        actual = wfsi_json_look(actual);
        if (expected == actual) {
            continue;
        } else if (!wfsi_json_equal_nodes(expected, actual)) {
            return wfsi_diff_found(buffer, &pairs, expected, actual);
        } else if (!wfsi_json_is_container(expected)) {
            continue;
        } else if (buffer == NULL && expected->size != actual->size) {
            return false;
        } else if (pairs.count == WFSI_DIFF_LEVELS) {
            if (!wfsi_json_compare(expected, actual, &pairs, buffer))
                return false;
        } else {
            pairs.items[pairs.count].expected = expected;
            pairs.items[pairs.count].actual = actual;
            pairs.items[pairs.count++].place = 0;
        }
    } while (wfsi_diff_next(&pairs, &expected, &actual, buffer) &&
             expected != NULL);
    return pairs.count == 0;
}

/* --- changing */

/* UTF-8 as it has to be, ended by a NUL; U+FFFD for what is not. */
static char *wfsi_json_clean_text(wfs_arena *arena, const char *text,
                                  size_t *size)
{
    const char *at = text, *end = text + *size;
    size_t cleaned = 0, sequence;
    char *copy;
    bool valid;

    if (wfsi_plain_end(text, end) == end)
        return wfsi_arena_text(arena, text, *size);
    for (; at < end; at += sequence) {
        sequence = wfsi_utf8_sequence(at, end, &valid);
        cleaned += valid ? sequence : 3;
    }
    copy = (char *)wfsi_arena_allocate(arena, cleaned + 1);
    if (copy == NULL)
        return NULL;
    for (at = text, cleaned = 0; at < end; at += sequence) {
        sequence = wfsi_utf8_sequence(at, end, &valid);
        memcpy(copy + cleaned, valid ? at : "\xEF\xBF\xBD",
               valid ? sequence : 3);
        cleaned += valid ? sequence : 3;
    }
    copy[cleaned] = '\0';
    *size = cleaned;
    return copy;
}

static uint32_t wfsi_json_larger(const wfs_json *container)
{
    if (container->capacity > UINT32_MAX / 4)
        return 0;
    return container->capacity < 4 ? 4 : container->capacity * 2;
}

static bool wfsi_json_grow_array(wfs_arena *arena, wfs_json *array)
{
    uint32_t capacity = wfsi_json_larger(array);
    const wfs_json **items = (const wfs_json **)wfsi_arena_allocate(
        arena, capacity != 0 ? capacity * sizeof items[0] : SIZE_MAX);

    if (items == NULL)
        return false;
    if (array->size != 0)
        memcpy(items, array->u.items, array->size * sizeof items[0]);
    array->u.items = items;
    array->capacity = capacity;
    return true;
}

static bool wfsi_json_grow_object(wfs_arena *arena, wfs_json *object)
{
    uint32_t capacity = wfsi_json_larger(object);
    wfsi_json_index *index = NULL;
    wfsi_member *members = (wfsi_member *)wfsi_arena_allocate(
        arena, capacity != 0 ? capacity * sizeof *members : SIZE_MAX);

    if (members == NULL)
        return false;
    if (capacity > WFSI_JSON_INDEXED) {
        index = wfsi_json_index_new(arena, capacity);
        if (index == NULL)
            return false;
    }
    if (object->size != 0)
        memcpy(members, object->u.members, object->size * sizeof *members);
    if (index != NULL)
        wfsi_json_index_fill(index, members, object->size);
    object->u.members = members;
    object->with.index = index;
    object->capacity = capacity;
    return true;
}

static bool wfsi_json_add_member(wfs_arena *arena, wfs_json *object,
                                 const char *key, size_t size,
                                 const wfs_json *value)
{
    wfsi_member *member;

    if (object->size == object->capacity &&
        !wfsi_json_grow_object(arena, object))
        return false;
    member = &object->u.members[object->size];
    member->key = key;
    member->key_size = size;
    member->value = value;
    object->size++;
    if (object->with.index != NULL)
        *wfsi_json_slot(object->with.index, object->u.members, key, size) =
            (uint32_t)object->size;
    return true;
}

/* --- paths */

/* A place in an array, as digits; false when it is none. */
static bool wfsi_parse_place(const char *text, size_t size, size_t *place)
{
    int64_t value;

    if (size == 0 || !wfsi_parse_integer(text, text + size, false, &value) ||
        (uint64_t)value >= SIZE_MAX)
        return false;
    *place = (size_t)value;
    return true;
}

static const wfs_json *wfsi_json_path_step(const wfs_json *value,
                                           const char *text, size_t size,
                                           bool bracketed)
{
    size_t place;

    if (wfs_json_type_of(value) == WFS_JSON_OBJECT && !bracketed)
        return wfs_json_get_n(value, text, size);
    if (wfs_json_type_of(value) == WFS_JSON_ARRAY &&
        wfsi_parse_place(text, size, &place))
        return wfs_json_at(value, place);
    return NULL;
}

static const wfs_json *wfsi_json_path(const wfs_json *value, const char *at)
{
    size_t size;
    bool first = true;

    for (; *at != '\0' && value != NULL; first = false) {
        if (*at == '[') {
            size = strcspn(++at, "]");
            if (at[size] == '\0')
                return NULL;
            value = wfsi_json_path_step(value, at, size, true);
            at += size + 1;
        } else {
            if (!first && *at++ != '.')
                return NULL;
            size = strcspn(at, ".[");
            value = wfsi_json_path_step(value, at, size, false);
            at += size;
        }
    }
    return value;
}

/* --- public */

wfs_json *wfs_json_parse(wfs_arena *arena, const char *text, size_t size,
                         const wfs_limits *limits, wfs_error *error)
{
    wfs_limits resolved = wfsi_limits(limits);

    return wfsi_json_build(arena, text, size, &resolved, error);
}

wfs_json_type wfs_json_type_of(const wfs_json *value)
{
    return (wfs_json_type)wfsi_json_look(value)->kind;
}

bool wfs_json_bool(const wfs_json *value)
{
    value = wfsi_json_look(value);
    return value->kind == WFS_JSON_BOOL && value->u.integer != 0;
}

int64_t wfs_json_integer(const wfs_json *value)
{
    value = wfsi_json_look(value);
    if (value->kind == WFS_JSON_INTEGER)
        return value->u.integer;
    if (value->kind != WFS_JSON_REAL)
        return 0;
    if (wfsi_double_in_int64(value->u.real))
        return (int64_t)value->u.real;
    return value->u.real < 0 ? INT64_MIN : INT64_MAX;
}

double wfs_json_real(const wfs_json *value)
{
    value = wfsi_json_look(value);
    if (value->kind == WFS_JSON_INTEGER)
        return (double)value->u.integer;
    return value->kind == WFS_JSON_REAL ? value->u.real : 0.0;
}

const char *wfs_json_string(const wfs_json *value, size_t *size)
{
    bool found;

    value = wfsi_json_look(value);
    found = value->kind == WFS_JSON_STRING;
    if (size != NULL)
        *size = found ? value->size : 0;
    return found ? value->u.text : NULL;
}

size_t wfs_json_count(const wfs_json *value)
{
    value = wfsi_json_look(value);
    return wfsi_json_is_container(value) ? value->size : 0;
}

const wfs_json *wfs_json_at(const wfs_json *value, size_t place)
{
    value = wfsi_json_look(value);
    if (!wfsi_json_is_container(value) || place >= value->size)
        return NULL;
    return wfsi_json_child(value, place);
}

const char *wfs_json_key_at(const wfs_json *value, size_t place, size_t *size)
{
    bool found;

    value = wfsi_json_look(value);
    found = value->kind == WFS_JSON_OBJECT && place < value->size;
    if (size != NULL)
        *size = found ? value->u.members[place].key_size : 0;
    return found ? value->u.members[place].key : NULL;
}

const wfs_json *wfs_json_get(const wfs_json *value, const char *key)
{
    return key != NULL ? wfs_json_get_n(value, key, strlen(key)) : NULL;
}

const wfs_json *wfs_json_get_n(const wfs_json *value, const char *key,
                               size_t size)
{
    const wfsi_member *member;

    value = wfsi_json_look(value);
    if (value->kind != WFS_JSON_OBJECT || key == NULL)
        return NULL;
    member = wfsi_json_find(value, key, size);
    return member != NULL ? member->value : NULL;
}

const wfs_json *wfs_json_path(const wfs_json *value, const char *path)
{
    return path != NULL ? wfsi_json_path(value, path) : NULL;
}

wfs_json *wfs_json_new_null(wfs_arena *arena)
{
    return wfsi_json_new(arena, WFS_JSON_NULL);
}

wfs_json *wfs_json_new_bool(wfs_arena *arena, bool value)
{
    wfs_json *json = wfsi_json_new(arena, WFS_JSON_BOOL);

    if (json != NULL)
        json->u.integer = value;
    return json;
}

wfs_json *wfs_json_new_integer(wfs_arena *arena, int64_t value)
{
    wfs_json *json = wfsi_json_new(arena, WFS_JSON_INTEGER);

    if (json != NULL)
        json->u.integer = value;
    return json;
}

wfs_json *wfs_json_new_real(wfs_arena *arena, double value)
{
    wfs_json *json = wfsi_json_new(arena, WFS_JSON_NULL);

    if (json != NULL && wfsi_double_is_finite(value)) {
        json->kind = WFS_JSON_REAL;
        json->u.real = value;
    }
    return json;
}

wfs_json *wfs_json_new_string(wfs_arena *arena, const char *text)
{
    return wfs_json_new_string_n(arena, text, text != NULL ? strlen(text) : 0);
}

wfs_json *wfs_json_new_string_n(wfs_arena *arena, const char *text,
                                size_t size)
{
    wfs_json *json = wfsi_json_new(arena, WFS_JSON_NULL);

    if (json == NULL || text == NULL)
        return json;
    json->u.text = wfsi_json_clean_text(arena, text, &size);
    json->kind = WFS_JSON_STRING;
    json->size = size;
    return json->u.text != NULL ? json : NULL;
}

wfs_json *wfs_json_new_array(wfs_arena *arena)
{
    wfs_json *json = wfsi_json_new(arena, WFS_JSON_ARRAY);

    if (json != NULL)
        json->u.items = NULL;
    return json;
}

wfs_json *wfs_json_new_object(wfs_arena *arena)
{
    wfs_json *json = wfsi_json_new(arena, WFS_JSON_OBJECT);

    if (json != NULL)
        json->u.members = NULL;
    return json;
}

wfs_json *wfs_json_append(wfs_arena *arena, wfs_json *array,
                          const wfs_json *value)
{
    if (wfs_json_type_of(array) != WFS_JSON_ARRAY || value == array ||
        arena->failed)
        return NULL;
    if (array->size == array->capacity && !wfsi_json_grow_array(arena, array))
        return NULL;
    array->u.items[array->size++] = value != NULL ? value : &wfsi_json_null;
    return array;
}

wfs_json *wfs_json_set(wfs_arena *arena, wfs_json *object, const char *key,
                       const wfs_json *value)
{
    return wfs_json_set_n(arena, object, key, key != NULL ? strlen(key) : 0,
                          value);
}

wfs_json *wfs_json_set_n(wfs_arena *arena, wfs_json *object, const char *key,
                         size_t size, const wfs_json *value)
{
    wfsi_member *member;
    size_t given = size;
    char *copy;

    if (wfs_json_type_of(object) != WFS_JSON_OBJECT || key == NULL ||
        value == object || arena->failed)
        return NULL;
    if (value == NULL)
        value = &wfsi_json_null;
    member = wfsi_json_find(object, key, size);
    if (member == NULL) {
        copy = wfsi_json_clean_text(arena, key, &size);
        if (copy == NULL)
            return NULL;
        if (size != given || memcmp(copy, key, size) != 0)
            member = wfsi_json_find(object, copy, size);
        key = copy;
    }
    if (member != NULL)
        member->value = value;
    else if (!wfsi_json_add_member(arena, object, key, size, value))
        return NULL;
    return object;
}

wfs_json *wfs_json_copy(wfs_arena *arena, const wfs_json *value)
{
    return wfsi_json_copy(arena, value != NULL ? value : &wfsi_json_null);
}

const char *wfs_json_write(wfs_arena *arena, const wfs_json *value, int indent,
                           size_t *size)
{
    wfsi_buffer buffer;
    const char *text;

    wfsi_buffer_open(&buffer, arena);
    wfsi_buffer_reserve(&buffer, 256);
    wfsi_json_put(&buffer, value, indent > 0 ? indent : 0);
    text = wfsi_buffer_finish(&buffer);
    if (buffer.failed)
        text = NULL;
    if (size != NULL)
        *size = text != NULL ? buffer.size : 0;
    return text;
}

bool wfs_json_equal(const wfs_json *left, const wfs_json *right)
{
    return wfsi_json_compare(left, right, NULL, NULL);
}

const char *wfs_json_diff(wfs_arena *arena, const wfs_json *expected,
                          const wfs_json *actual)
{
    wfsi_buffer buffer;
    const char *text;

    wfsi_buffer_open(&buffer, arena);
    if (wfsi_json_compare(expected, actual, NULL, &buffer))
        return NULL;
    text = wfsi_buffer_finish(&buffer);
    return buffer.failed ? NULL : text;
}

/* A copy of an object that shares the values; NULL without memory. */
static wfs_json *wfsi_json_shallow(wfs_arena *arena, const wfs_json *object)
{
    wfs_json *copy = wfs_json_new_object(arena);
    const char *key;
    size_t size, i;

    for (i = 0; i < wfs_json_count(object); i++) {
        key = wfs_json_key_at(object, i, &size);
        copy = wfs_json_set_n(arena, copy, key, size, wfs_json_at(object, i));
    }
    return copy;
}

/* ------------------------------------------------------------------------
 * >>time  private: durations, times, the clock, randomness
 *
 * Owns the arithmetic of times and the form of durations. Calls base, and
 * json for decimal numbers. Called by the engine and what stands on it.
 * --------------------------------------------------------------------- */

/* --- products and sums of doubles, rounded once
 *
 * The same as * and + wherever those round to double; the exact way is for
 * an x87, which would round twice. */

/* value (positive or 0) * factor */
static double wfsi_multiply_exact(double value, uint32_t factor)
{
    wfsi_big numerator, divisor;
    int exponent;
    uint64_t mantissa = wfsi_double_split(value, &exponent);

    if (mantissa == 0)
        return 0.0;
    wfsi_big_set(&numerator, mantissa);
    wfsi_big_multiply(&numerator, factor, 0);
    wfsi_big_set(&divisor, 1);
    wfsi_big_shift(exponent >= 0 ? &numerator : &divisor,
                   (size_t)(exponent >= 0 ? exponent : -exponent));
    return wfsi_double_ratio(&numerator, &divisor);
}

/* time + value; value must have a fraction. */
static double wfsi_add_exact(int64_t time, double value)
{
    wfsi_big sum, addend, divisor, *larger = &sum;
    bool minus = time < 0;
    int exponent, order;
    uint64_t mantissa = wfsi_double_split(value, &exponent);
    double result;

    wfsi_big_set(&sum, minus ? 0 - (uint64_t)time : (uint64_t)time);
    wfsi_big_shift(&sum, (size_t)-exponent);
    wfsi_big_set(&addend, mantissa);
    if (minus == (value < 0)) {
        wfsi_big_add(&sum, &addend);
    } else {
        order = wfsi_big_compare(&sum, &addend);
        if (order == 0)
            return 0.0;
        larger = order > 0 ? &sum : &addend;
        minus = minus == (order > 0);
        wfsi_big_subtract(larger, order > 0 ? &addend : &sum, 1);
    }
    wfsi_big_set(&divisor, 1);
    wfsi_big_shift(&divisor, (size_t)-exponent);
    result = wfsi_double_ratio(larger, &divisor);
    return minus ? -result : result;
}

/* --- durations */

typedef struct wfsi_unit {
    const char *name;
    size_t size;
    uint32_t ms;
} wfsi_unit;

#define WFSI_UNIT_OF_TIME(name, ms) {name, sizeof name - 1, ms}
static const wfsi_unit wfsi_units[] = {
    WFSI_UNIT_OF_TIME("ms", 1),
    WFSI_UNIT_OF_TIME("millisecond", 1),
    WFSI_UNIT_OF_TIME("milliseconds", 1),
    WFSI_UNIT_OF_TIME("s", 1000),
    WFSI_UNIT_OF_TIME("sec", 1000),
    WFSI_UNIT_OF_TIME("secs", 1000),
    WFSI_UNIT_OF_TIME("second", 1000),
    WFSI_UNIT_OF_TIME("seconds", 1000),
    WFSI_UNIT_OF_TIME("m", 60000),
    WFSI_UNIT_OF_TIME("min", 60000),
    WFSI_UNIT_OF_TIME("mins", 60000),
    WFSI_UNIT_OF_TIME("minute", 60000),
    WFSI_UNIT_OF_TIME("minutes", 60000),
    WFSI_UNIT_OF_TIME("h", 3600000),
    WFSI_UNIT_OF_TIME("hr", 3600000),
    WFSI_UNIT_OF_TIME("hrs", 3600000),
    WFSI_UNIT_OF_TIME("hour", 3600000),
    WFSI_UNIT_OF_TIME("hours", 3600000),
    WFSI_UNIT_OF_TIME("d", 86400000),
    WFSI_UNIT_OF_TIME("day", 86400000),
    WFSI_UNIT_OF_TIME("days", 86400000)};
#undef WFSI_UNIT_OF_TIME

/* Bytes of the blank that starts here, as JavaScript's \s and trim have it;
 * 0 when there is none. */
static size_t wfsi_blank_size(const char *at, const char *end)
{
    const unsigned char *c = (const unsigned char *)at;

    if (at >= end || (*c > ' ' && *c < 0x80))
        return 0;
    if (*c == ' ' || (*c >= '\t' && *c <= '\r'))
        return 1;
    if (end - at >= 2 && c[0] == 0xC2 && c[1] == 0xA0)
        return 2;               /* U+00A0 */
    if (end - at < 3)
        return 0;
    if (c[0] == 0xE2 && c[1] == 0x80 &&
        ((c[2] >= 0x80 && c[2] <= 0x8A) ||      /* U+2000 to U+200A */
         c[2] == 0xA8 || c[2] == 0xA9 ||        /* U+2028, U+2029 */
         c[2] == 0xAF))                         /* U+202F */
        return 3;
    if ((c[0] == 0xE1 && c[1] == 0x9A && c[2] == 0x80) ||   /* U+1680 */
        (c[0] == 0xE2 && c[1] == 0x81 && c[2] == 0x9F) ||   /* U+205F */
        (c[0] == 0xE3 && c[1] == 0x80 && c[2] == 0x80) ||   /* U+3000 */
        (c[0] == 0xEF && c[1] == 0xBB && c[2] == 0xBF))     /* U+FEFF */
        return 3;
    return 0;
}

static const char *wfsi_skip_blanks(const char *at, const char *end)
{
    size_t size;

    while ((size = wfsi_blank_size(at, end)) != 0)
        at += size;
    return at;
}

static const char *wfsi_skip_digits(const char *at, const char *end)
{
    while (at < end && wfsi_is_digit(*at))
        at++;
    return at;
}

static const char *wfsi_trim_end(const char *start, const char *end)
{
    ptrdiff_t size = 1;

    while (size <= 3 && size <= end - start) {
        if (wfsi_blank_size(end - size, end) == (size_t)size) {
            end -= size;
            size = 1;
        } else {
            size++;
        }
    }
    return end;
}

static bool wfsi_is_word_character(char c)
{
    return wfsi_is_digit(c) || c == '_' ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static uint32_t wfsi_unit_ms(const char *lower, size_t size)
{
    size_t i;

    for (i = 0; i < WFSI_COUNT(wfsi_units); i++)
        if (wfsi_units[i].size == size &&
            wfsi_bytes_equal(wfsi_units[i].name, lower, size))
            return wfsi_units[i].ms;
    return 0;
}

/* Letters of a unit in lower case; one too long for the buffer is cut, and
 * no unit then anyway. Returns how many. */
static size_t wfsi_lower(char *buffer, size_t room, const char *text,
                         size_t size)
{
    size_t i;

    for (i = 0; i < size && i + 1 < room; i++)
        buffer[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20
                                                            : text[i]);
    buffer[i] = '\0';
    return i;
}

static double wfsi_duration(const char *text, size_t size, uint32_t factor)
{
    double value = wfsi_parse_decimal(text, size);

    if (WFSI_DOUBLES_ROUND_ONCE || !wfsi_double_is_finite(value))
        return value * factor;
    return wfsi_multiply_exact(value, factor);
}

/* "10 minutes" as it is mostly written: a few digits, a blank or none, and a
 * unit in small letters. Whatever else may be a duration too. */
static bool wfsi_duration_is_plain(const char *text, double *ms)
{
    const char *at = text;
    uint32_t value = 0, factor;

    while (wfsi_is_digit(*at) && at - text < 7)
        value = value * 10 + (uint32_t)(*at++ - '0');
    if (at == text)
        return false;
    at += *at == ' ';
    factor = wfsi_unit_ms(at, strlen(at));
    if (factor != 0 && ms != NULL)
        *ms = (double)((uint64_t)value * factor);   /* below 2^53 */
    return factor != 0;
}

static wfs_status wfsi_parse_duration(const char *text, double *ms,
                                      wfs_error *error)
{
    const char *end = text + strlen(text);
    const char *start = wfsi_skip_blanks(text, end), *at, *unit;
    char lower[2 * WFSI_CULPRIT_SIZE];
    size_t digits, size;
    uint32_t factor;

    if (wfsi_duration_is_plain(text, ms))
        return WFS_OK;
    end = wfsi_trim_end(start, end);
    if (start == end)
        return wfsi_error(error, WFS_ERR_DURATION, "Invalid duration");
    at = wfsi_skip_digits(start, end);
    if (at != start && end - at >= 2 && at[0] == '.' && wfsi_is_digit(at[1]))
        at = wfsi_skip_digits(at + 1, end);
    digits = (size_t)(at - start);
    unit = at = wfsi_skip_blanks(at, end);
    while (at < end && wfsi_is_word_character(*at))
        at++;
    if (digits == 0 || at != end)
        return wfsi_error(error, WFS_ERR_DURATION, "Invalid duration: %s",
                          text);
    size = unit != end ? wfsi_lower(lower, sizeof lower, unit,
                                    (size_t)(end - unit))
                       : wfsi_lower(lower, sizeof lower, "ms", 2);
    factor = wfsi_unit_ms(lower, size);
    if (factor == 0)
        return wfsi_error(error, WFS_ERR_DURATION,
                          "Unsupported duration unit: %s", lower);
    if (ms != NULL)
        *ms = wfsi_duration(start, digits, factor);
    return WFS_OK;
}

/* --- times */

static int64_t wfsi_add_saturating(int64_t time, int64_t ms, int64_t lowest)
{
    if (ms > 0 && time > INT64_MAX - ms)
        return INT64_MAX;
    if (ms < 0 && time < lowest - ms)
        return lowest;
    return time + ms;
}

/* time + ms as JavaScript's Date would have it: whole milliseconds are exact,
 * a fraction is added as a double and the sum cut. Stops at the ends of
 * int64_t, and before the time that means none. */
static int64_t wfsi_time_add(int64_t time, double ms)
{
    const int64_t exact = INT64_C(1) << 53, lowest = WFS_NO_TIME + 1;
    int64_t whole;

    if (!wfsi_double_in_int64(ms)) {
        ms /= 2;
        if (!wfsi_double_in_int64(ms))
            return ms < 0 ? lowest : INT64_MAX;
        time = wfsi_add_saturating(time, (int64_t)ms, lowest);
    }
    whole = (int64_t)ms;
    if ((double)whole == ms || time > exact || time < -exact)
        return wfsi_add_saturating(time, whole, lowest);
    if (WFSI_DOUBLES_ROUND_ONCE)
        return (int64_t)((double)time + ms);
    return (int64_t)wfsi_add_exact(time, ms);
}

typedef struct wfsi_date {
    int64_t year;
    int month, day;             /* from 1 */
} wfsi_date;

/* The Gregorian date so many days after 1970-01-01. Years begin in March
 * here, so that a leap day is the last of its year. */
static wfsi_date wfsi_date_of(int64_t days)
{
    wfsi_date date;
    int64_t era, day, year, month;

    days += 719468;             /* from 0000-03-01 */
    era = (days >= 0 ? days : days - 146096) / 146097;
    day = days - era * 146097;
    year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    month = (5 * day + 2) / 153;
    date.day = (int)(day - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = year + era * 400 + (date.month <= 2);
    return date;
}

/* Digits with zeros in front, at least `width` of them. */
static char *wfsi_put_padded(char *at, int64_t value, size_t width)
{
    int64_t limit = 1;
    size_t i;

    for (i = 0; i < width; i++)
        limit *= 10;
    if (value >= limit)
        return at + wfsi_format_integer(value, at);
    for (i = width; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + (int)(value % 10));
    return at + width;
}

/* Two digits. */
WFSI_INLINE char *wfsi_put_pair(char *at, int value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

static char *wfsi_format_time(int64_t time, char *buffer)
{
    const int64_t day_ms = 86400000;
    int64_t days = time / day_ms;
    int ms = (int)(time % day_ms);
    wfsi_date date;
    char *at = buffer;

    if (ms < 0) {
        ms += (int)day_ms;
        days--;
    }
    date = wfsi_date_of(days);
    if (date.year < 0 || date.year > 9999) {
        *at++ = date.year < 0 ? '-' : '+';
        at = wfsi_put_padded(at, date.year < 0 ? -date.year : date.year, 6);
    } else {
        at = wfsi_put_pair(at, (int)date.year / 100);
        at = wfsi_put_pair(at, (int)date.year % 100);
    }
    *at++ = '-';
    at = wfsi_put_pair(at, date.month);
    *at++ = '-';
    at = wfsi_put_pair(at, date.day);
    *at++ = 'T';
    at = wfsi_put_pair(at, ms / 3600000);
    *at++ = ':';
    at = wfsi_put_pair(at, ms / 60000 % 60);
    *at++ = ':';
    at = wfsi_put_pair(at, ms / 1000 % 60);
    *at++ = '.';
    *at++ = (char)('0' + ms % 1000 / 100);
    at = wfsi_put_pair(at, ms % 100);
    *at++ = 'Z';
    *at = '\0';
    return buffer;
}

/* --- public */

wfs_status wfs_parse_duration(const char *text, double *ms, wfs_error *error)
{
    return wfsi_parse_duration(text != NULL ? text : "", ms, error);
}

char *wfs_format_time(int64_t time, char *buffer)
{
    return wfsi_format_time(time, buffer);
}

int64_t wfs_clock_now(const wfs_clock *clock)
{
    return clock->now;
}

void wfs_clock_set(wfs_clock *clock, int64_t now)
{
    clock->now = now != WFS_NO_TIME ? now : WFS_NO_TIME + 1;
}

void wfs_clock_advance(wfs_clock *clock, int64_t ms)
{
    clock->now = wfsi_add_saturating(clock->now, ms, WFS_NO_TIME + 1);
}

wfs_status wfs_clock_advance_by(wfs_clock *clock, const char *duration,
                                wfs_error *error)
{
    double ms;

    WFS_TRY(wfs_parse_duration(duration, &ms, error));
    clock->now = wfsi_time_add(clock->now, ms);
    return WFS_OK;
}

void wfs_random_seed(wfs_random *random, uint64_t seed)
{
    random->state = seed;
}

uint64_t wfs_random_next(wfs_random *random)
{
    uint64_t mixed = random->state += UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ mixed >> 31;
}

uint64_t wfs_random_below(wfs_random *random, uint64_t bound)
{
    uint64_t number, excess;

    if (bound == 0)
        return 0;
    excess = (0 - bound) % bound;       /* 2^64 mod bound */
    do
        number = wfs_random_next(random);
    while (number < excess);
    return number % bound;
}

double wfs_random_real(wfs_random *random)
{
    return (double)(int64_t)(wfs_random_next(random) >> 11) /
           9007199254740992.0;
}

char *wfs_random_id(wfs_random *random, char *buffer)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t i;

    for (i = 0; i + 1 < WFS_RANDOM_ID_SIZE; i++)
        buffer[i] = characters[wfs_random_below(random, i == 0 ? 26 : 36)];
    buffer[i] = '\0';
    return buffer;
}
/* ------------------------------------------------------------------------
 * >>store  private: tables, indexes, transactions, cursors
 *
 * Owns the rows and everything that finds them. Inside a store all things
 * refer to each other by number (row id, text handle, node number), never by
 * address, so that a copy of the memory is a copy of the store. Writes happen
 * in place; an undo log takes them back. Calls >>base and >>json. Called by
 * the sections below and by the user.
 * --------------------------------------------------------------------- */

/* --- the heap of texts
 *
 * A text is its size, its bytes and a NUL, in units of 8 bytes. A handle is
 * the number of a chunk and of the first unit in it; 0 is no text. Freed texts
 * are kept in lists by size. A text larger than a chunk has a chunk of its
 * own. */

#define WFSI_UNIT ((size_t)8)
#define WFSI_CHUNK_BITS 13
#define WFSI_CHUNK_UNITS ((uint32_t)1 << WFSI_CHUNK_BITS)
#define WFSI_CHUNK_FIRST_UNITS ((uint32_t)512)
#define WFSI_SMALL_UNITS 64     /* up to here every size has its own list */
#define WFSI_TEXT_CLASSES (WFSI_SMALL_UNITS + 1 + 4 * 8)

typedef uint32_t wfsi_handle;

typedef struct wfsi_chunk {
    char *data;
    uint32_t units;
} wfsi_chunk;

typedef struct wfsi_heap {
    wfsi_chunk *chunks;         /* array */
    uint32_t top_chunk;         /* where new texts go: this chunk ... */
    uint32_t top_unit;          /* ... from this unit on */
    uint32_t top_units;         /* its size and data, 0 at first */
    char *top_data;
    wfsi_handle free_lists[WFSI_TEXT_CLASSES];
    uint32_t free_chunk;        /* of a large text; chained through units */
} wfsi_heap;

/* --- interned texts: an open-addressing set of handles */

typedef struct wfsi_slot {
    uint32_t hash;
    uint32_t value;             /* 0: empty */
} wfsi_slot;

typedef struct wfsi_map {
    wfsi_slot *slots;
    uint32_t capacity;          /* 0 or a power of two */
    uint32_t count;
} wfsi_map;

/* --- tables */

typedef struct wfsi_column {
    wfsi_handle name;
    uint64_t label;             /* of the name, to find it by */
    wfs_type type;
    bool nullable, interned;
    bool owns;                  /* its texts are freed with the row */
    uint32_t offset;            /* in a row */
    uint32_t size;
    uint32_t references;        /* table number, for WFS_REFERENCE */
    wfsi_handle default_text;   /* defaults: of texts ... */
    int64_t default_integer;    /* ... and of anything else */
    double default_real;
    bool has_default;
} wfsi_column;

#define WFSI_INDEX_COLUMNS 8
#define WFSI_INDEXES 32         /* of one table: a bit set of them fits */

typedef struct wfsi_node wfsi_node;

typedef struct wfsi_tree {
    bool built;
    uint32_t root, first;       /* node and first leaf; 0: none */
    uint32_t node_count;        /* ever made */
    uint32_t free_node;         /* chained through node.next */
    char **chunks;              /* array */
} wfsi_tree;

/* A column of an index: where its cell is, without a way through the table. */
typedef struct wfsi_part {
    uint32_t column;            /* number */
    uint32_t offset, size;
    bool nullable, owns;
} wfsi_part;

typedef struct wfsi_index {
    wfsi_handle name;
    uint64_t label;             /* of the name */
    wfsi_part parts[WFSI_INDEX_COLUMNS];
    uint32_t column_count;
    bool unique, list, tree, sparse;
    bool partial;               /* rows may be left out, for a null */
    uint32_t null_bits;         /* then these, or 0: not in the first word */
    bool words_decide;          /* equal words mean equal columns */
    bool prefix_decides;        /* equal prefixes mean equal columns */
    bool direct;                /* list: first rows are found by the value */
    uint32_t link_offset;       /* list: of {next, prev} in a row */
    wfsi_map map;               /* unique: rows; list: first rows */
    wfs_row_id *heads;          /* array; direct: first rows */
    wfsi_tree ordered;
} wfsi_index;

typedef struct wfsi_link {
    wfs_row_id next;            /* 0 after the last */
    wfs_row_id prev;            /* of the first one: the last */
} wfsi_link;

#define WFSI_ROWS_BITS 6
#define WFSI_ROWS ((uint32_t)1 << WFSI_ROWS_BITS)

/* A row is its version (4 bytes; 0: no row), a null bit a column in words of
 * 32, the links of list indexes, and the columns. */
typedef struct wfsi_table {
    wfsi_handle name;
    uint64_t label;             /* of the name */
    wfsi_column *columns;       /* array */
    wfsi_index *indexes;        /* array */
    uint32_t mapped;            /* bits: indexes with a map or heads, */
    uint32_t kept;              /* those that writes keep up to date, */
    uint32_t fixed;             /* those whose columns are never changed */
    bool referred;              /* a table has columns that refer to this */
    uint32_t *owners;           /* array: offsets of texts that a row owns */
    uint32_t *required;         /* array: null bits that must not be set */
    uint32_t *references;       /* array: columns that refer to rows */
    char *blank;                /* a new row; NULL: not asked for yet */
    bool default_texts;         /* which has texts of its own to be given */
    uint32_t links_offset, links_end;   /* of the links in a row */
    uint32_t row_size;
    wfs_row_id next_id;
    uint32_t count;
    char **chunks;              /* array; NULL where all rows are gone */
    uint32_t *live;             /* array: rows in each chunk */
} wfsi_table;

/* --- the undo log: an array of bytes; each record ends with this, after the
 * bytes of the row as it was (none for an insert) */

typedef enum wfsi_undo_kind {
    WFSI_UNDO_INSERT,
    WFSI_UNDO_UPDATE,
    WFSI_UNDO_DELETE
} wfsi_undo_kind;

typedef struct wfsi_undo {
    uint32_t kind;
    uint32_t table;
    wfs_row_id id;
    uint32_t size;
} wfsi_undo;

typedef struct wfsi_savepoint {
    size_t undo_size;
    size_t freed_count;
} wfsi_savepoint;

/* Somebody who goes on reading what he found, whatever is written meanwhile:
 * texts are not freed under him, and he is told when the transaction in which
 * he read was rolled back. */
typedef struct wfsi_reader {
    struct wfsi_reader *next, *prev;
    size_t depth;               /* transactions that are open around it */
    bool stale;
} wfsi_reader;

struct wfs_store {
    wfs_allocator allocator;
    wfsi_heap heap;
    wfsi_map symbols;
    wfsi_table *tables;         /* array */
    char *undo;                 /* array */
    wfsi_savepoint *savepoints; /* array: one an open transaction */
    size_t deletes;             /* records of deletes in the undo log */
    wfsi_handle *freed;         /* array: texts to free at commit */
    uint32_t reserved;          /* the first tables: not the user's to write */
    wfs_limits limits;          /* resolved */
    size_t floor;               /* transactions that are not the user's */
    struct wfsi_reader *readers;    /* that hold on to what they read */
    wfs_cursor *spare_cursor;   /* to be used again; or NULL */
    uint64_t changes;           /* counts writes, for cursors */
    wfs_error error;
};

/* A place in an ordered index. */
typedef struct wfsi_place {
    uint32_t node;              /* 0: none */
    uint32_t at;
} wfsi_place;

struct wfs_cursor {
    wfs_store *store;
    wfs_arena arena;            /* of what the query pointed to */
    char *key;                  /* array: of the last row */
    char *text;                 /* array */

    /* what starts at zero */
    uint32_t table;
    int index;                  /* -1: by row id */
    size_t equal_count;
    bool has_low, has_high;
    const char *starts_with;
    size_t starts_with_size;
    const char *prefix_end;     /* the first text after those; NULL: none */
    size_t prefix_end_size;
    bool descending;
    size_t left;                /* rows of the page still to give */
    bool started;
    wfs_row_id last;
    wfsi_place place;           /* of the last row, while ... */
    uint64_t changes;           /* ... the store has not changed since */

    /* what is there when it is said so above */
    wfs_value equal[WFSI_INDEX_COLUMNS];
    wfs_value low, high;        /* bounds on the next column */
};

/* --- heap */

WFSI_INLINE char *wfsi_text_record(const wfs_store *store, wfsi_handle handle)
{
    return store->heap.chunks[handle >> WFSI_CHUNK_BITS].data +
           (handle & (WFSI_CHUNK_UNITS - 1)) * WFSI_UNIT;
}

WFSI_INLINE const char *wfsi_text(const wfs_store *store, wfsi_handle handle,
                                  size_t *size)
{
    const char *record;
    uint32_t bytes;

    if (handle == 0) {
        if (size != NULL)
            *size = 0;
        return NULL;
    }
    record = wfsi_text_record(store, handle);
    memcpy(&bytes, record, sizeof bytes);
    if (size != NULL)
        *size = bytes;
    return record + sizeof bytes;
}

static uint32_t wfsi_text_units(size_t size)
{
    return (uint32_t)((sizeof(uint32_t) + size + WFSI_UNIT) / WFSI_UNIT);
}

/* The list for texts of that many units; *units becomes what they get: from
 * WFSI_SMALL_UNITS on, sizes go up by quarters of a power of two. */
static uint32_t wfsi_text_class(uint32_t *units)
{
    uint32_t list = WFSI_SMALL_UNITS + 1, power = WFSI_SMALL_UNITS, quarter;

    if (*units <= WFSI_SMALL_UNITS)
        return *units;
    while (*units > power * 2) {
        power *= 2;
        list += 4;
    }
    quarter = (*units - power + power / 4 - 1) / (power / 4);
    *units = power + quarter * (power / 4);
    return list + quarter - 1;
}

static bool wfsi_heap_add_chunk(wfs_store *store, uint32_t units)
{
    wfsi_heap *heap = &store->heap;
    wfsi_chunk chunk;

    if (wfsi_array_count(heap->chunks) >= (size_t)1 << (32 - WFSI_CHUNK_BITS) ||
        !wfsi_array_reserve(&store->allocator, heap->chunks, 1))
        return false;
    chunk.units = units;
    chunk.data = (char *)wfsi_allocate(&store->allocator, units * WFSI_UNIT);
    if (chunk.data == NULL)
        return false;
    wfsi_array_push(heap->chunks, chunk);
    return true;
}

/* A new chunk to put texts into, larger than the one before. */
WFSI_APART
static bool wfsi_heap_extend(wfs_store *store, uint32_t needed)
{
    wfsi_heap *heap = &store->heap;
    uint32_t units = WFSI_CHUNK_FIRST_UNITS;

    if (wfsi_array_count(heap->chunks) != 0)
        units = heap->chunks[heap->top_chunk].units * 2;
    if (units < needed + 1)
        units = needed + 1;
    if (units > WFSI_CHUNK_UNITS)
        units = WFSI_CHUNK_UNITS;
    if (!wfsi_heap_add_chunk(store, units))
        return false;
    heap->top_chunk = (uint32_t)wfsi_array_count(heap->chunks) - 1;
    heap->top_unit = heap->top_chunk == 0 ? 1 : 0;   /* handle 0 is no text */
    heap->top_units = units;
    heap->top_data = heap->chunks[heap->top_chunk].data;
    return true;
}

/* A chunk for one large text; takes the place of one that was freed. */
WFSI_APART
static wfsi_handle wfsi_heap_large(wfs_store *store, uint32_t units)
{
    wfsi_heap *heap = &store->heap;
    uint32_t number = heap->free_chunk;
    char *data;

    if (wfsi_array_count(heap->chunks) == 0 && !wfsi_heap_extend(store, 1))
        return 0;
    if (number == 0) {
        if (!wfsi_heap_add_chunk(store, units))
            return 0;
        number = (uint32_t)wfsi_array_count(heap->chunks) - 1;
        return number << WFSI_CHUNK_BITS;
    }
    data = (char *)wfsi_allocate(&store->allocator, units * WFSI_UNIT);
    if (data == NULL)
        return 0;
    heap->free_chunk = heap->chunks[number].units;
    heap->chunks[number].data = data;
    heap->chunks[number].units = units;
    return number << WFSI_CHUNK_BITS;
}

/* Room that is not simply there at the top. */
WFSI_APART
static wfsi_handle wfsi_heap_find(wfs_store *store, uint32_t units)
{
    wfsi_heap *heap = &store->heap;
    uint32_t list;
    wfsi_handle handle;

    if (units > WFSI_CHUNK_UNITS / 2)
        return wfsi_heap_large(store, units);
    list = wfsi_text_class(&units);
    handle = heap->free_lists[list];
    if (handle != 0) {
        memcpy(&heap->free_lists[list], wfsi_text_record(store, handle),
               sizeof handle);
        return handle;
    }
    if (heap->top_unit + units > heap->top_units &&
        !wfsi_heap_extend(store, units))
        return 0;
    handle = heap->top_chunk << WFSI_CHUNK_BITS | heap->top_unit;
    heap->top_unit += units;
    return handle;
}

/* A record of that many units, and its handle; 0 without memory. */
WFSI_INLINE wfsi_handle wfsi_heap_take(wfs_store *store, uint32_t units,
                                       char **record)
{
    wfsi_heap *heap = &store->heap;
    wfsi_handle handle;

    if (units <= WFSI_SMALL_UNITS && heap->free_lists[units] == 0 &&
        heap->top_unit + units <= heap->top_units) {
        *record = heap->top_data + heap->top_unit * WFSI_UNIT;
        handle = heap->top_chunk << WFSI_CHUNK_BITS | heap->top_unit;
        heap->top_unit += units;
        return handle;
    }
    handle = wfsi_heap_find(store, units);
    if (handle != 0)
        *record = wfsi_text_record(store, handle);
    return handle;
}

/* Keep a text; 0 without memory. */
WFSI_INLINE wfsi_handle wfsi_text_keep(wfs_store *store, const char *text,
                                       size_t size)
{
    uint32_t bytes = (uint32_t)size;
    wfsi_handle handle;
    char *record;

    if (size >= UINT32_MAX - 16)
        return 0;
    handle = wfsi_heap_take(store, wfsi_text_units(size), &record);
    if (handle == 0)
        return 0;
    memcpy(record, &bytes, sizeof bytes);
    memcpy(record + sizeof bytes, text, size);
    record[sizeof bytes + size] = '\0';
    return handle;
}

static void wfsi_text_free(wfs_store *store, wfsi_handle handle)
{
    wfsi_chunk *chunk;
    size_t size;
    uint32_t units, list;

    if (handle == 0)
        return;
    wfsi_text(store, handle, &size);
    units = wfsi_text_units(size);
    if (units > WFSI_CHUNK_UNITS / 2) {
        chunk = &store->heap.chunks[handle >> WFSI_CHUNK_BITS];
        wfsi_release(&store->allocator, chunk->data, chunk->units * WFSI_UNIT);
        chunk->data = NULL;
        chunk->units = store->heap.free_chunk;
        store->heap.free_chunk = handle >> WFSI_CHUNK_BITS;
        return;
    }
    list = wfsi_text_class(&units);
    memcpy(wfsi_text_record(store, handle), &store->heap.free_lists[list],
           sizeof handle);
    store->heap.free_lists[list] = handle;
}

/* --- maps: linear probing, backward-shift deletion; they never shrink, so
 * that taking writes back never needs memory */

WFSI_APART
static bool wfsi_map_grow(const wfs_allocator *allocator, wfsi_map *map)
{
    uint32_t capacity = map->capacity == 0 ? 16 : map->capacity * 2;
    uint32_t i, at;
    wfsi_slot *slots;

    if (map->capacity >= UINT32_MAX / 2 / sizeof *slots)
        return false;
    slots = (wfsi_slot *)wfsi_allocate(allocator, capacity * sizeof *slots);
    if (slots == NULL)
        return false;
    for (i = 0; i < capacity; i++)
        slots[i].value = 0;
    for (i = 0; i < map->capacity; i++) {
        if (map->slots[i].value == 0)
            continue;
        at = map->slots[i].hash & (capacity - 1);
        while (slots[at].value != 0)
            at = (at + 1) & (capacity - 1);
        slots[at] = map->slots[i];
    }
    wfsi_release(allocator, map->slots, map->capacity * sizeof *slots);
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

/* Room for one more; false without memory. */
WFSI_INLINE bool wfsi_map_reserve(const wfs_allocator *allocator, wfsi_map *map)
{
    return map->count < map->capacity / 2 || wfsi_map_grow(allocator, map);
}

/* Fill an empty slot that a probe from the hash has led to. */
WFSI_INLINE void wfsi_map_fill(wfsi_map *map, uint32_t at, uint32_t hash,
                               uint32_t value)
{
    map->slots[at].hash = hash;
    map->slots[at].value = value;
    map->count++;
}

/* After a reserve. The caller has seen that it is not there. */
static void wfsi_map_add(wfsi_map *map, uint32_t hash, uint32_t value)
{
    uint32_t at = hash & (map->capacity - 1);

    while (map->slots[at].value != 0)
        at = (at + 1) & (map->capacity - 1);
    wfsi_map_fill(map, at, hash, value);
}

static wfsi_slot *wfsi_map_slot(const wfsi_map *map, uint32_t hash,
                                uint32_t value)
{
    uint32_t at;

    if (map->capacity == 0)
        return NULL;
    at = hash & (map->capacity - 1);
    while (map->slots[at].value != value) {
        if (map->slots[at].value == 0)
            return NULL;
        at = (at + 1) & (map->capacity - 1);
    }
    return &map->slots[at];
}

static void wfsi_map_remove(wfsi_map *map, uint32_t hash, uint32_t value)
{
    wfsi_slot *slot = wfsi_map_slot(map, hash, value);
    uint32_t mask = map->capacity - 1, hole, at, home;

    if (slot == NULL)
        return;
    hole = (uint32_t)(slot - map->slots);
    for (at = (hole + 1) & mask; map->slots[at].value != 0;
         at = (at + 1) & mask) {
        home = map->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole].value = 0;
    map->count--;
}

static bool wfsi_map_copy(const wfs_allocator *allocator, wfsi_map *copy,
                          const wfsi_map *map)
{
    size_t bytes = map->capacity * sizeof *map->slots;

    if (bytes == 0)
        return true;
    copy->slots = (wfsi_slot *)wfsi_allocate(allocator, bytes);
    if (copy->slots == NULL)
        return false;
    memcpy(copy->slots, map->slots, bytes);
    copy->capacity = map->capacity;
    copy->count = map->count;
    return true;
}

static void wfsi_map_free(const wfs_allocator *allocator, wfsi_map *map)
{
    wfsi_release(allocator, map->slots, map->capacity * sizeof *map->slots);
    memset(map, 0, sizeof *map);
}

/* --- interning */

static uint32_t wfsi_symbol_hash(const char *text, size_t size)
{
    return (uint32_t)wfsi_hash_bytes(0, text, size);
}

/* The handle of an interned text, or 0 when it is not interned. */
WFSI_INLINE wfsi_handle wfsi_symbol_find(const wfs_store *store, uint32_t hash,
                                         const char *text, size_t size)
{
    const wfsi_map *map = &store->symbols;
    uint32_t at, mask = map->capacity - 1;
    const char *known;
    size_t known_size;

    if (map->capacity == 0)
        return 0;
    for (at = hash & mask; map->slots[at].value != 0; at = (at + 1) & mask) {
        if (map->slots[at].hash != hash)
            continue;
        known = wfsi_text(store, map->slots[at].value, &known_size);
        if (known_size == size && wfsi_bytes_equal(known, text, size))
            return map->slots[at].value;
    }
    return 0;
}

/* Intern a text: equal texts have equal handles. 0 without memory. */
static wfsi_handle wfsi_symbol(wfs_store *store, const char *text, size_t size)
{
    uint32_t hash = wfsi_symbol_hash(text, size);
    wfsi_handle handle = wfsi_symbol_find(store, hash, text, size);

    if (handle != 0 || !wfsi_map_reserve(&store->allocator, &store->symbols))
        return handle;
    handle = wfsi_text_keep(store, text, size);
    if (handle != 0)
        wfsi_map_add(&store->symbols, hash, handle);
    return handle;
}

/* --- cells */

WFSI_INLINE char *wfsi_row_at(const wfsi_table *table, wfs_row_id id)
{
    return table->chunks[(id - 1) >> WFSI_ROWS_BITS] +
           ((id - 1) & (WFSI_ROWS - 1)) * (size_t)table->row_size;
}

static uint32_t wfsi_row_version(const char *row)
{
    uint32_t version;

    memcpy(&version, row, sizeof version);
    return version;
}

/* The row of an id, or NULL when there is none. */
WFSI_INLINE char *wfsi_row_find(const wfsi_table *table, wfs_row_id id)
{
    char *row;

    if (id == 0 || id >= table->next_id ||
        table->chunks[(id - 1) >> WFSI_ROWS_BITS] == NULL)
        return NULL;
    row = wfsi_row_at(table, id);
    return wfsi_row_version(row) != 0 ? row : NULL;
}

/* The null bits of columns number * 32 and on. */
WFSI_INLINE uint32_t wfsi_null_word(const char *row, uint32_t number)
{
    uint32_t word;

    memcpy(&word, row + sizeof(uint32_t) * (1 + number), sizeof word);
    return word;
}

WFSI_INLINE bool wfsi_cell_is_null(const char *row, uint32_t column)
{
    return (wfsi_null_word(row, column >> 5) >> (column & 31) & 1) != 0;
}

static void wfsi_cell_set_null(char *row, uint32_t column, bool is_null)
{
    char *at = row + sizeof(uint32_t) * (1 + (column >> 5));
    uint32_t word, bit = (uint32_t)1 << (column & 31);

    memcpy(&word, at, sizeof word);
    word = is_null ? word | bit : word & ~bit;
    memcpy(at, &word, sizeof word);
}

/* The handle that stands at an offset. */
static wfsi_handle wfsi_handle_at(const char *row, uint32_t offset)
{
    wfsi_handle handle;

    memcpy(&handle, row + offset, sizeof handle);
    return handle;
}

static wfsi_handle wfsi_cell_handle(const wfsi_column *column, const char *row)
{
    return wfsi_handle_at(row, column->offset);
}

static bool wfsi_column_is_text(const wfsi_column *column)
{
    return column->type == WFS_TEXT || column->type == WFS_JSON;
}

static wfs_value wfsi_cell(const wfs_store *store, const wfsi_table *table,
                           const char *row, uint32_t number)
{
    const wfsi_column *column = &table->columns[number];
    wfs_value value = wfs_null();
    const char *cell = row + column->offset;
    wfs_row_id reference;

    if (wfsi_cell_is_null(row, number))
        return value;
    value.type = column->type;
    switch (column->type) {
    case WFS_INTEGER:
    case WFS_TIME:
        memcpy(&value.integer, cell, sizeof value.integer);
        break;
    case WFS_REAL:
        memcpy(&value.real, cell, sizeof value.real);
        break;
    case WFS_BOOL:
        value.integer = *cell != 0;
        break;
    case WFS_REFERENCE:
        memcpy(&reference, cell, sizeof reference);
        value.integer = reference;
        break;
    default:
        value.text = wfsi_text(store, wfsi_cell_handle(column, row),
                               &value.size);
    }
    return value;
}

/* The order of two values of one column: null, then by value; texts by bytes,
 * NaN before the other numbers. */
static int wfsi_value_compare(const wfs_value *left, const wfs_value *right)
{
    size_t size;
    int order;

    if (left->type == WFS_NULL || right->type == WFS_NULL)
        return (left->type != WFS_NULL) - (right->type != WFS_NULL);
    if (left->type == WFS_REAL) {
        if (left->real != left->real || right->real != right->real)
            return (left->real == left->real) - (right->real == right->real);
        return (left->real > right->real) - (left->real < right->real);
    }
    if (left->type != WFS_TEXT && left->type != WFS_JSON)
        return (left->integer > right->integer) -
               (left->integer < right->integer);
    size = left->size < right->size ? left->size : right->size;
    order = size == 0 ? 0 : memcmp(left->text, right->text, size);
    return order != 0 ? order
                      : (left->size > right->size) - (left->size < right->size);
}

static inline uint64_t wfsi_integer_prefix(int64_t value)
{
    return (uint64_t)value ^ UINT64_C(1) << 63;
}

/* 64 bits whose order never contradicts that of the values. */
static uint64_t wfsi_value_prefix(const wfs_value *value)
{
    uint64_t bits = 0;
    double real = value->real + 0.0;    /* -0.0 is 0.0 */
    size_t i;

    switch (value->type) {
    case WFS_NULL:
        return 0;
    case WFS_REAL:
        if (real != real)
            return 0;
        memcpy(&bits, &real, sizeof bits);
        return bits >> 63 != 0 ? ~bits : bits | UINT64_C(1) << 63;
    case WFS_TEXT:
    case WFS_JSON:
        for (i = 0; i < 8; i++)
            bits = bits << 8 |
                   (i < value->size ? (unsigned char)value->text[i] : 0);
        return bits;
    default:
        return wfsi_integer_prefix(value->integer);
    }
}

/* --- keys of unique and list indexes: a word a column */

/* The bytes of a cell as a word. */
WFSI_INLINE uint64_t wfsi_part_bytes(const wfsi_part *part, const char *row)
{
    uint64_t word;
    uint32_t half;

    if (part->size == sizeof half) {
        memcpy(&half, row + part->offset, sizeof half);
        return half;
    }
    if (part->size == 1)
        return (unsigned char)row[part->offset];
    memcpy(&word, row + part->offset, sizeof word);
    return word;
}

/* The hash of a text that is not interned. */
static uint64_t wfsi_text_word(const wfs_store *store, wfsi_handle handle)
{
    size_t size;
    const char *text = wfsi_text(store, handle, &size);

    return wfsi_hash_bytes(0, text, size);
}

/* The word of a cell: itself, the handle of an interned text, or the hash of
 * another text. */
WFSI_INLINE uint64_t wfsi_part_word(const wfs_store *store,
                                    const wfsi_part *part, const char *row)
{
    return part->owns
               ? wfsi_text_word(store, wfsi_handle_at(row, part->offset))
               : wfsi_part_bytes(part, row);
}

/* A number as it is stored: no -0.0, and only one NaN. */
static uint64_t wfsi_real_bits(double real)
{
    uint64_t bits = UINT64_C(0x7FF8000000000000);

    real += 0.0;
    if (real == real)
        memcpy(&bits, &real, sizeof bits);
    return bits;
}

/* The same for a value; false when no row can have it. */
static bool wfsi_value_word(const wfs_store *store, const wfsi_column *column,
                            const wfs_value *value, uint64_t *word)
{
    if (value->type == WFS_NULL)
        *word = column->owns ? wfsi_hash_bytes(0, "", 0) : 0;
    else if (column->type == WFS_REAL)
        *word = wfsi_real_bits(value->real);
    else if (column->type == WFS_BOOL)
        *word = value->integer != 0;
    else if (!wfsi_column_is_text(column))
        *word = (uint64_t)value->integer;
    else if (!column->interned)
        *word = wfsi_hash_bytes(0, value->text, value->size);
    else
        *word = wfsi_symbol_find(store,
                                 wfsi_symbol_hash(value->text, value->size),
                                 value->text, value->size);
    return *word != 0 || !column->interned || value->type == WFS_NULL;
}

static inline uint32_t wfsi_key_hash(const uint64_t *words, size_t count)
{
    uint64_t hash = 0;
    size_t i;

    for (i = 0; i < count; i++)
        hash = wfsi_mix(hash, words[i]);
    return (uint32_t)hash;
}

/* The hash of a row's key in an index. */
WFSI_INLINE uint32_t wfsi_row_hash(const wfs_store *store,
                                   const wfsi_index *index, const char *row)
{
    const wfsi_part *part = index->parts, *end = part + index->column_count;
    uint64_t hash = 0;

    for (; part < end; part++)
        hash = wfsi_mix(hash, wfsi_part_word(store, part, row));
    return (uint32_t)hash;
}

/* Rows with a null in a unique index, or in a sparse one, are not in it. */
WFSI_INLINE bool wfsi_row_is_indexed(const wfsi_index *index, const char *row)
{
    uint32_t i;

    if (!index->partial)
        return true;
    if (index->null_bits != 0)
        return (wfsi_null_word(row, 0) & index->null_bits) == 0;
    for (i = 0; i < index->column_count; i++)
        if (index->parts[i].nullable &&
            wfsi_cell_is_null(row, index->parts[i].column))
            return false;
    return true;
}

/* Where words do not decide: whether two rows have the same nulls and texts in
 * an index's columns. */
WFSI_APART
static bool wfsi_rows_match(const wfs_store *store, const wfsi_table *table,
                            const wfsi_index *index, const char *left,
                            const char *right)
{
    wfs_value first, second;
    uint32_t i;

    for (i = 0; i < index->column_count; i++) {
        first = wfsi_cell(store, table, left, index->parts[i].column);
        second = wfsi_cell(store, table, right, index->parts[i].column);
        if (wfsi_value_compare(&first, &second) != 0)
            return false;
    }
    return true;
}

/* Whether two rows have the same key. */
static bool wfsi_keys_equal(const wfs_store *store, const wfsi_table *table,
                            const wfsi_index *index, const char *left,
                            const char *right)
{
    const wfsi_part *part = index->parts, *end = part + index->column_count;

    if (!index->words_decide)
        return wfsi_rows_match(store, table, index, left, right);
    for (; part < end; part++)
        if (wfsi_part_bytes(part, left) != wfsi_part_bytes(part, right))
            return false;
    return true;
}

/* Whether a row has the key with these words and, where they do not decide,
 * these values. */
static inline bool wfsi_row_has_key(const wfs_store *store,
                                    const wfsi_table *table,
                                    const wfsi_index *index, const char *row,
                                    const uint64_t *words,
                                    const wfs_value *values)
{
    const wfsi_part *part;
    wfs_value value;
    uint32_t i;

    for (i = 0; i < index->column_count; i++)
        if (wfsi_part_word(store, &index->parts[i], row) != words[i])
            return false;
    for (i = 0; !index->words_decide && i < index->column_count; i++) {
        part = &index->parts[i];
        if (!part->nullable && !part->owns)
            continue;
        value = wfsi_cell(store, table, row, part->column);
        if (wfsi_value_compare(&value, &values[i]) != 0)
            return false;
    }
    return true;
}

/* The row (unique) or first row (list) with a key, or 0. values: NULL for keys
 * whose words decide. */
WFSI_INLINE wfs_row_id wfsi_key_find(const wfs_store *store,
                                     const wfsi_table *table,
                                     const wfsi_index *index,
                                     const uint64_t *words,
                                     const wfs_value *values)
{
    const wfsi_map *map = &index->map;
    uint32_t hash = wfsi_key_hash(words, index->column_count);
    uint32_t at, mask = map->capacity - 1;

    if (map->capacity == 0)
        return 0;
    for (at = hash & mask; map->slots[at].value != 0; at = (at + 1) & mask)
        if (map->slots[at].hash == hash &&
            wfsi_row_has_key(store, table, index,
                             wfsi_row_at(table, map->slots[at].value), words,
                             values))
            break;
    return map->slots[at].value;
}

/* The place that a row's key has in an index's map or heads. */
typedef struct wfsi_home {
    uint32_t hash;
    uint32_t at;                /* of the key, or of an empty slot for it */
} wfsi_home;

/* After a map reserve, for a row that is indexed; good until the map changes.
 * The row itself is passed over, as it may stand there under a former key. */
WFSI_INLINE wfsi_home wfsi_row_home(const wfs_store *store,
                                    const wfsi_table *table,
                                    const wfsi_index *index, wfs_row_id id,
                                    const char *row)
{
    const wfsi_map *map = &index->map;
    uint32_t mask = map->capacity - 1;
    wfsi_home home;

    if (index->direct) {
        home.at = (uint32_t)wfsi_part_bytes(&index->parts[0], row);
        home.hash = 0;
        return home;
    }
    home.hash = wfsi_row_hash(store, index, row);
    for (home.at = home.hash & mask; map->slots[home.at].value != 0;
         home.at = (home.at + 1) & mask)
        if (map->slots[home.at].hash == home.hash &&
            map->slots[home.at].value != id &&
            wfsi_keys_equal(store, table, index, row,
                            wfsi_row_at(table, map->slots[home.at].value)))
            break;
    return home;
}

/* Put all rows into the map of a unique index that has waited for it, because
 * those who write are sure that no key clashes; false without memory. */
WFSI_APART
static bool wfsi_map_build(wfs_store *store, wfsi_table *table,
                           wfsi_index *index)
{
    uint32_t bit = (uint32_t)1 << (index - table->indexes);
    const char *row;
    wfsi_home home;
    wfs_row_id id;

    if (!index->unique || (table->mapped & bit) != 0)
        return true;
    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        if (row == NULL || !wfsi_row_is_indexed(index, row))
            continue;
        if (!wfsi_map_reserve(&store->allocator, &index->map)) {
            wfsi_map_free(&store->allocator, &index->map);
            return false;
        }
        home = wfsi_row_home(store, table, index, id, row);
        wfsi_map_fill(&index->map, home.at, home.hash, id);
    }
    table->mapped |= bit;
    table->kept |= bit;
    return true;
}

/* --- list indexes */

/* Room for the head of a value's list, among those of a direct index. */
WFSI_INLINE bool wfsi_heads_reserve(const wfs_allocator *allocator,
                                    wfsi_index *index, uint32_t value)
{
    size_t count = wfsi_array_count(index->heads);

    if (value < count)
        return true;
    if (!wfsi_array_reserve(allocator, index->heads, value + 1 - count))
        return false;
    for (; count <= value; count++)
        wfsi_array_push(index->heads, 0);
    return true;
}

/* The first row of a list whose heads are found by the value, or 0. */
static wfs_row_id wfsi_list_first(const wfsi_index *index, uint32_t value)
{
    return value < wfsi_array_count(index->heads) ? index->heads[value] : 0;
}

static wfsi_link *wfsi_row_link(const wfsi_table *table,
                                const wfsi_index *index, wfs_row_id id)
{
    return (wfsi_link *)(void *)(wfsi_row_at(table, id) + index->link_offset);
}

WFSI_INLINE void wfsi_list_insert(wfsi_table *table, wfsi_index *index,
                                  wfs_row_id id, wfsi_home home)
{
    wfs_row_id *head = index->direct ? &index->heads[home.at]
                                     : &index->map.slots[home.at].value;
    wfsi_link *link = wfsi_row_link(table, index, id), *first;
    wfs_row_id before;

    link->next = 0;
    link->prev = id;
    if (*head == 0 && !index->direct)
        wfsi_map_fill(&index->map, home.at, home.hash, id);
    if (*head == 0 || *head == id) {
        *head = id;
        return;
    }
    first = wfsi_row_link(table, index, *head);
    if (id < *head) {
        link->next = *head;
        link->prev = first->prev;
        first->prev = id;
        *head = id;
        return;
    }
    for (before = first->prev; before > id;)    /* seldom: ids go up */
        before = wfsi_row_link(table, index, before)->prev;
    link->prev = before;
    link->next = wfsi_row_link(table, index, before)->next;
    wfsi_row_link(table, index, before)->next = id;
    if (link->next != 0)
        wfsi_row_link(table, index, link->next)->prev = id;
    else
        first->prev = id;
}

/* The head of the list that a row is in, under the key that these bytes have.
 */
static wfs_row_id *wfsi_list_head(wfs_store *store, wfsi_table *table,
                                  wfsi_index *index, wfs_row_id id,
                                  const char *row)
{
    uint32_t hash, at, mask = index->map.capacity - 1;
    const wfsi_slot *slot;

    if (index->direct)
        return &index->heads[wfsi_part_bytes(&index->parts[0], row)];
    hash = wfsi_row_hash(store, index, row);
    for (at = hash & mask;; at = (at + 1) & mask) {
        slot = &index->map.slots[at];
        if (slot->hash == hash &&
            (slot->value == id ||
             wfsi_keys_equal(store, table, index, row,
                             wfsi_row_at(table, slot->value))))
            return &index->map.slots[at].value;
    }
}

/* row: the bytes with the key under which it is in the list. */
static void wfsi_list_remove(wfs_store *store, wfsi_table *table,
                             wfsi_index *index, wfs_row_id id, const char *row)
{
    wfs_row_id *head = wfsi_list_head(store, table, index, id, row);
    wfsi_link link = *wfsi_row_link(table, index, id);

    if (link.next != 0)
        wfsi_row_link(table, index, link.next)->prev = link.prev;
    else if (*head != id)
        wfsi_row_link(table, index, *head)->prev = link.prev;
    if (*head != id)
        wfsi_row_link(table, index, link.prev)->next = link.next;
    else if (link.next != 0 || index->direct)
        *head = link.next;
    else
        wfsi_map_remove(&index->map, wfsi_row_hash(store, index, row), id);
}

/* --- ordered indexes: B+ trees
 *
 * An entry is the prefix of the first column and a row; where prefixes are
 * equal, the rows' columns decide, then the row ids, so that no two entries
 * are equal. In an inner node an entry has a child, and equals the first entry
 * in it, so that it always refers to a row that is there. A tree that finds no
 * memory for a new node is dropped, and built again when it is next scanned: a
 * write never fails because of it, and taking writes back needs no memory. */

#define WFSI_FANOUT 31          /* a node has 512 bytes */
#define WFSI_NODES_BITS 3
#define WFSI_NODES ((uint32_t)1 << WFSI_NODES_BITS)
#define WFSI_TREE_HEIGHT 16

typedef struct wfsi_entry {
    uint64_t prefix;
    wfs_row_id id;
    uint32_t child;
} wfsi_entry;

struct wfsi_node {
    uint32_t count;
    bool leaf;
    uint32_t next, prev;        /* leaves */
    wfsi_entry entries[WFSI_FANOUT];
};

/* What to look for: a row that is in the table, or values for the first
 * columns and then a row id (0: before all, UINT32_MAX: after all). */
typedef struct wfsi_probe {
    const char *row;
    const wfs_value *values;
    size_t count;
    uint64_t prefix;
    wfs_row_id id;
} wfsi_probe;

/* The way from the root to a leaf. */
typedef struct wfsi_path {
    wfsi_place steps[WFSI_TREE_HEIGHT];
    int depth;                  /* of the leaf */
} wfsi_path;

WFSI_INLINE wfsi_node *wfsi_node_at(const wfsi_tree *tree, uint32_t number)
{
    return (wfsi_node *)(void *)(tree->chunks[(number - 1) >> WFSI_NODES_BITS] +
                                 ((number - 1) & (WFSI_NODES - 1)) *
                                     sizeof(wfsi_node));
}

static uint32_t wfsi_node_new(wfs_store *store, wfsi_tree *tree, bool leaf)
{
    uint32_t number = tree->free_node;
    wfsi_node *node;
    char *chunk;

    if (number != 0) {
        tree->free_node = wfsi_node_at(tree, number)->next;
    } else {
        if ((tree->node_count & (WFSI_NODES - 1)) == 0) {
            if (!wfsi_array_reserve(&store->allocator, tree->chunks, 1))
                return 0;
            chunk = (char *)wfsi_allocate(&store->allocator,
                                          WFSI_NODES * sizeof *node);
            if (chunk == NULL)
                return 0;
            wfsi_array_push(tree->chunks, chunk);
        }
        number = ++tree->node_count;
    }
    node = wfsi_node_at(tree, number);
    node->count = 0;
    node->leaf = leaf;
    node->next = node->prev = 0;
    return number;
}

static void wfsi_node_free(wfsi_tree *tree, uint32_t number)
{
    wfsi_node_at(tree, number)->next = tree->free_node;
    tree->free_node = number;
}

static void wfsi_tree_drop(const wfs_allocator *allocator, wfsi_tree *tree)
{
    size_t i;

    for (i = 0; i < wfsi_array_count(tree->chunks); i++)
        wfsi_release(allocator, tree->chunks[i],
                     WFSI_NODES * sizeof(wfsi_node));
    wfsi_array_free(allocator, tree->chunks);
    memset(tree, 0, sizeof *tree);
}

WFSI_INLINE wfsi_probe wfsi_row_probe(const wfs_store *store,
                                      const wfsi_table *table,
                                      const wfsi_index *index, const char *row,
                                      wfs_row_id id)
{
    wfsi_probe probe;
    wfs_value first;

    probe.row = row;
    probe.values = NULL;
    probe.count = index->column_count;
    probe.id = id;
    if (index->prefix_decides) {
        probe.prefix = wfsi_integer_prefix(
            (int64_t)wfsi_part_bytes(&index->parts[0], row));
        return probe;
    }
    first = wfsi_cell(store, table, row, index->parts[0].column);
    probe.prefix = wfsi_value_prefix(&first);
    return probe;
}

static wfsi_probe wfsi_value_probe(const wfs_value *values, size_t count,
                                   wfs_row_id id)
{
    wfsi_probe probe;

    probe.row = NULL;
    probe.values = values;
    probe.count = count;
    probe.prefix = count != 0 ? wfsi_value_prefix(&values[0]) : 0;
    probe.id = id;
    return probe;
}

/* The columns of an entry against those of the probe. */
static int wfsi_entry_columns(const wfs_store *store, const wfsi_table *table,
                              const wfsi_index *index, wfs_row_id id,
                              const wfsi_probe *probe)
{
    const char *row = wfsi_row_at(table, id);
    wfs_value left, right;
    uint32_t column;
    size_t i;
    int order;

    if (probe->row != NULL && id == probe->id)
        return 0;   /* the entry to remove: its row may have changed already */
    for (i = 0; i < probe->count; i++) {
        column = index->parts[i].column;
        left = wfsi_cell(store, table, row, column);
        right = probe->row != NULL
                    ? wfsi_cell(store, table, probe->row, column)
                    : probe->values[i];
        order = wfsi_value_compare(&left, &right);
        if (order != 0)
            return order;
    }
    return 0;
}

/* The order of an entry and the probe: negative, 0 or positive. */
static int wfsi_entry_order(const wfs_store *store, const wfsi_table *table,
                            const wfsi_index *index, const wfsi_entry *entry,
                            const wfsi_probe *probe)
{
    int order;

    if (probe->count != 0) {
        if (entry->prefix != probe->prefix)
            return entry->prefix < probe->prefix ? -1 : 1;
        order = wfsi_entry_columns(store, table, index, entry->id, probe);
        if (order != 0)
            return order;
    }
    return (entry->id > probe->id) - (entry->id < probe->id);
}

/* How many entries of a node come before the probe; in an inner node, also
 * one that equals it, because it stands for the first entry of its child. */
static uint32_t wfsi_node_search(const wfs_store *store,
                                 const wfsi_table *table,
                                 const wfsi_index *index, const wfsi_node *node,
                                 const wfsi_probe *probe)
{
    uint32_t low = 0, high = node->count, middle;
    int limit = node->leaf ? 0 : 1;

    while (low < high) {
        middle = (low + high) / 2;
        if (wfsi_entry_order(store, table, index, &node->entries[middle],
                             probe) < limit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

WFSI_INLINE bool wfsi_entry_before(const wfsi_entry *entry, uint64_t prefix,
                                   uint64_t id)
{
    return entry->prefix < prefix ||
           (entry->prefix == prefix && entry->id < id);
}

/* The same where prefixes decide, but for equal ones, which ids do. The end
 * comes first, because most entries of an index of times are put there. */
WFSI_INLINE uint32_t wfsi_node_search_prefix(const wfsi_node *node,
                                             uint64_t prefix, uint64_t id)
{
    const wfsi_entry *at = node->entries, *end = at + node->count;
    uint32_t left = node->count, half;

    id += node->leaf ? 0 : 1;
    if (left == 0 || wfsi_entry_before(end - 1, prefix, id))
        return left;
    while (left > 1) {
        half = left / 2;
        at = at[half - 1].prefix < prefix ? at + half : at;
        left -= half;
    }
    while (wfsi_entry_before(at, prefix, id))   /* the last is not */
        at++;
    return (uint32_t)(at - node->entries);
}

static void wfsi_tree_descend_prefix(const wfsi_tree *tree, uint64_t prefix,
                                     uint64_t id, wfsi_path *path)
{
    wfsi_place *place = path->steps;
    uint32_t number = tree->root, at;
    const wfsi_node *node;

    for (;; place++) {
        node = wfsi_node_at(tree, number);
        at = wfsi_node_search_prefix(node, prefix, id);
        if (!node->leaf && at > 0)
            at--;
        place->node = number;
        place->at = at;
        if (node->leaf)
            break;
        number = node->entries[at].child;
    }
    path->depth = (int)(place - path->steps);
}

/* The first place not before the probe; it may be past the leaf's end. */
static void wfsi_tree_descend(const wfs_store *store, const wfsi_table *table,
                              const wfsi_index *index, const wfsi_probe *probe,
                              wfsi_path *path)
{
    const wfsi_tree *tree = &index->ordered;
    uint32_t number = tree->root, at;
    const wfsi_node *node;

    if (index->prefix_decides && probe->count != 0) {
        wfsi_tree_descend_prefix(tree, probe->prefix, probe->id, path);
        return;
    }
    for (path->depth = 0;; path->depth++) {
        node = wfsi_node_at(tree, number);
        at = wfsi_node_search(store, table, index, node, probe);
        if (!node->leaf && at > 0)
            at--;
        path->steps[path->depth].node = number;
        path->steps[path->depth].at = at;
        if (node->leaf)
            return;
        number = node->entries[at].child;
    }
}

static void wfsi_node_insert(wfsi_node *node, uint32_t at, wfsi_entry entry)
{
    memmove(&node->entries[at + 1], &node->entries[at],
            (node->count - at) * sizeof entry);
    node->entries[at] = entry;
    node->count++;
}

static void wfsi_node_remove(wfsi_node *node, uint32_t at)
{
    node->count--;
    memmove(&node->entries[at], &node->entries[at + 1],
            (node->count - at) * sizeof node->entries[0]);
}

/* Split a full node; the right half goes to a new one, `number`. Appending at
 * the end leaves the left node full. */
WFSI_APART
static wfsi_entry wfsi_node_split(wfsi_tree *tree, wfsi_place place,
                                  uint32_t number)
{
    wfsi_node *left = wfsi_node_at(tree, place.node);
    wfsi_node *right = wfsi_node_at(tree, number);
    uint32_t keep = place.at >= WFSI_FANOUT - 1 ? WFSI_FANOUT - 1
                                                : WFSI_FANOUT / 2;
    wfsi_entry entry;

    right->count = left->count - keep;
    memcpy(right->entries, &left->entries[keep],
           right->count * sizeof right->entries[0]);
    left->count = keep;
    if (left->leaf) {
        right->next = left->next;
        right->prev = place.node;
        if (right->next != 0)
            wfsi_node_at(tree, right->next)->prev = number;
        left->next = number;
    }
    entry = right->entries[0];
    entry.child = number;
    return entry;
}

/* A new root over the old one and its new sibling. */
WFSI_APART
static bool wfsi_tree_raise(wfs_store *store, wfsi_tree *tree,
                            wfsi_entry sibling)
{
    uint32_t number = wfsi_node_new(store, tree, false);
    wfsi_node *root;

    if (number == 0)
        return false;
    root = wfsi_node_at(tree, number);
    root->entries[0] = wfsi_node_at(tree, tree->root)->entries[0];
    root->entries[0].child = tree->root;
    root->entries[1] = sibling;
    root->count = 2;
    tree->root = number;
    return true;
}

/* The node at that depth has a new first entry: tell those above. */
static void wfsi_tree_refresh(wfsi_tree *tree, const wfsi_path *path, int depth,
                              const wfsi_entry *first)
{
    wfsi_entry *entry;

    while (depth-- > 0) {
        entry = &wfsi_node_at(tree, path->steps[depth].node)
                     ->entries[path->steps[depth].at];
        entry->prefix = first->prefix;
        entry->id = first->id;
        if (path->steps[depth].at != 0)
            return;
    }
}

/* Put an entry into the leaf at the end of a path, splitting what is full. */
static bool wfsi_tree_put(wfs_store *store, wfsi_tree *tree, wfsi_path *path,
                          wfsi_entry entry)
{
    int depth = path->depth;
    wfsi_place place;
    wfsi_node *node;
    wfsi_entry sibling;
    uint32_t number;

    for (;; depth--) {
        place = path->steps[depth];
        node = wfsi_node_at(tree, place.node);
        if (node->count < WFSI_FANOUT) {
            wfsi_node_insert(node, place.at, entry);
            return true;
        }
        number = wfsi_node_new(store, tree, node->leaf);
        if (number == 0)
            return false;
        sibling = wfsi_node_split(tree, place, number);
        if (place.at > node->count) {
            node = wfsi_node_at(tree, number);
            place.at -= wfsi_node_at(tree, place.node)->count;
        }
        wfsi_node_insert(node, place.at, entry);
        if (depth == 0)
            return wfsi_tree_raise(store, tree, sibling);
        entry = sibling;
        path->steps[depth - 1].at++;
    }
}

/* There is no memory for the tree: it is built again when it is asked for. */
WFSI_COLD
static void wfsi_tree_lose(wfs_store *store, wfsi_table *table,
                           wfsi_index *index)
{
    uint32_t bit = (uint32_t)1 << (index - table->indexes);

    wfsi_tree_drop(&store->allocator, &index->ordered);
    table->kept &= ~bit | table->mapped;
}

/* Only for a tree that is built; dropped when there is no memory. */
static void wfsi_tree_insert(wfs_store *store, wfsi_table *table,
                             wfsi_index *index, wfs_row_id id)
{
    wfsi_tree *tree = &index->ordered;
    const char *row = wfsi_row_at(table, id);
    wfsi_probe probe = wfsi_row_probe(store, table, index, row, id);
    wfsi_path path;
    wfsi_entry entry;

    entry.prefix = probe.prefix;
    entry.id = id;
    entry.child = 0;
    if (tree->root == 0) {
        tree->root = tree->first = wfsi_node_new(store, tree, true);
        if (tree->root == 0) {
            wfsi_tree_lose(store, table, index);
            return;
        }
    }
    wfsi_tree_descend(store, table, index, &probe, &path);
    if (path.steps[path.depth].at == 0)
        wfsi_tree_refresh(tree, &path, path.depth, &entry);
    if (!wfsi_tree_put(store, tree, &path, entry))
        wfsi_tree_lose(store, table, index);
}

static void wfsi_leaf_unlink(wfsi_tree *tree, const wfsi_node *leaf)
{
    if (leaf->next != 0)
        wfsi_node_at(tree, leaf->next)->prev = leaf->prev;
    if (leaf->prev != 0)
        wfsi_node_at(tree, leaf->prev)->next = leaf->next;
    else
        tree->first = leaf->next;
}

/* Move all of the right neighbour under the same parent into a node that has
 * become small, if there is room. */
static void wfsi_node_merge(wfsi_tree *tree, wfsi_node *parent, uint32_t at)
{
    uint32_t number;
    wfsi_node *node, *right;

    if (at + 1 >= parent->count)
        return;
    number = parent->entries[at + 1].child;
    node = wfsi_node_at(tree, parent->entries[at].child);
    right = wfsi_node_at(tree, number);
    if (node->count + right->count > WFSI_FANOUT * 3 / 4)
        return;
    memcpy(&node->entries[node->count], right->entries,
           right->count * sizeof right->entries[0]);
    node->count += right->count;
    if (right->leaf)
        wfsi_leaf_unlink(tree, right);
    wfsi_node_remove(parent, at + 1);
    wfsi_node_free(tree, number);
}

/* Take the entry at the end of a path out, and nodes that are empty then. */
static void wfsi_tree_cut(wfsi_tree *tree, wfsi_path *path)
{
    int depth = path->depth;
    wfsi_place place;
    wfsi_node *node;

    for (;; depth--) {
        place = path->steps[depth];
        node = wfsi_node_at(tree, place.node);
        wfsi_node_remove(node, place.at);
        if (node->count != 0)
            break;
        if (node->leaf)
            wfsi_leaf_unlink(tree, node);
        wfsi_node_free(tree, place.node);
        if (depth == 0) {
            tree->root = 0;
            return;
        }
    }
    if (place.at == 0)
        wfsi_tree_refresh(tree, path, depth, &node->entries[0]);
    if (depth > 0 && node->count < WFSI_FANOUT / 4)
        wfsi_node_merge(tree, wfsi_node_at(tree, path->steps[depth - 1].node),
                        path->steps[depth - 1].at);
    node = wfsi_node_at(tree, tree->root);
    while (!node->leaf && node->count == 1) {
        place.node = tree->root;
        tree->root = node->entries[0].child;
        wfsi_node_free(tree, place.node);
        node = wfsi_node_at(tree, tree->root);
    }
}

/* The way to the first entry of all, which an index of times mostly loses. */
static void wfsi_tree_leftmost(const wfsi_tree *tree, wfsi_path *path)
{
    wfsi_place place;
    const wfsi_node *node;

    place.at = 0;
    place.node = tree->root;
    for (path->depth = 0;; path->depth++) {
        path->steps[path->depth] = place;
        node = wfsi_node_at(tree, place.node);
        if (node->leaf)
            return;
        place.node = node->entries[0].child;
    }
}

/* row: the bytes with the key under which it is in the tree. */
static void wfsi_tree_remove(wfs_store *store, wfsi_table *table,
                             wfsi_index *index, wfs_row_id id, const char *row)
{
    wfsi_probe probe;
    wfsi_path path;

    if (wfsi_node_at(&index->ordered, index->ordered.first)->entries[0].id ==
        id) {
        wfsi_tree_leftmost(&index->ordered, &path);
    } else {
        probe = wfsi_row_probe(store, table, index, row, id);
        wfsi_tree_descend(store, table, index, &probe, &path);
    }
    wfsi_tree_cut(&index->ordered, &path);
}

/* Build an ordered index that is not; false without memory. */
WFSI_APART
static bool wfsi_tree_build(wfs_store *store, wfsi_table *table,
                            wfsi_index *index)
{
    uint32_t node;
    wfs_row_id id;
    const char *row;

    if (index->ordered.built)
        return true;
    index->ordered.built = true;
    table->kept |= (uint32_t)1 << (index - table->indexes);
    for (id = 1; id < table->next_id && index->ordered.built; id++) {
        row = wfsi_row_find(table, id);
        if (row != NULL && wfsi_row_is_indexed(index, row))
            wfsi_tree_insert(store, table, index, id);
    }
    if (index->ordered.built && index->ordered.node_count == 0) {
        node = wfsi_node_new(store, &index->ordered, true);
        if (node != 0)
            wfsi_node_free(&index->ordered, node);  /* for the first row */
        else
            wfsi_tree_lose(store, table, index);
    }
    return index->ordered.built;
}

/* The entry at a place, or NULL when it is none. */
static const wfsi_entry *wfsi_tree_entry(const wfsi_tree *tree,
                                         wfsi_place place)
{
    const wfsi_node *node;

    if (place.node == 0)
        return NULL;
    node = wfsi_node_at(tree, place.node);
    return place.at < node->count ? &node->entries[place.at] : NULL;
}

static wfsi_place wfsi_tree_next(const wfsi_tree *tree, wfsi_place place)
{
    const wfsi_node *node = wfsi_node_at(tree, place.node);

    if (++place.at >= node->count) {
        place.node = node->next;
        place.at = 0;
    }
    return place;
}

static wfsi_place wfsi_tree_previous(const wfsi_tree *tree, wfsi_place place)
{
    if (place.at == 0) {
        place.node = wfsi_node_at(tree, place.node)->prev;
        place.at = place.node != 0 ? wfsi_node_at(tree, place.node)->count : 1;
    }
    place.at--;
    return place;
}

/* The first entry of all. */
static wfsi_place wfsi_tree_first(const wfsi_tree *tree)
{
    wfsi_place place;

    place.node = tree->first;
    place.at = 0;
    return place;
}

/* The first entry not before the probe. */
static wfsi_place wfsi_tree_seek(const wfs_store *store,
                                 const wfsi_table *table,
                                 const wfsi_index *index,
                                 const wfsi_probe *probe)
{
    wfsi_place place = {0, 0};
    wfsi_path path;

    if (index->ordered.root == 0)
        return place;
    if (probe->count == 0 && probe->id == 0)
        return wfsi_tree_first(&index->ordered);
    wfsi_tree_descend(store, table, index, probe, &path);
    place = path.steps[path.depth];
    if (place.at >= wfsi_node_at(&index->ordered, place.node)->count) {
        place.at--;
        place = wfsi_tree_next(&index->ordered, place);
    }
    return place;
}

/* The last entry before the probe. */
static wfsi_place wfsi_tree_seek_back(const wfs_store *store,
                                      const wfsi_table *table,
                                      const wfsi_index *index,
                                      const wfsi_probe *probe)
{
    wfsi_place place = {0, 0};
    wfsi_path path;

    if (index->ordered.root == 0)
        return place;
    wfsi_tree_descend(store, table, index, probe, &path);
    return wfsi_tree_previous(&index->ordered, path.steps[path.depth]);
}

/* --- all indexes of a row */

static void wfsi_message_value(wfsi_message *message, wfs_value value)
{
    char digits[WFSI_REAL_SIZE];

    if (value.text != NULL)
        wfsi_message_culprit(message, value.text, value.size);
    else if (value.type == WFS_REAL && value.real - value.real != 0)
        wfsi_message_culprit(message,
                             value.real > 0   ? "Infinity"
                             : value.real < 0 ? "-Infinity"
                                              : "NaN",
                             value.real > 0 ? 8 : value.real < 0 ? 9 : 3);
    else if (value.type == WFS_REAL)
        wfsi_message_put(message, digits,
                         wfsi_format_real(value.real, digits));
    else
        wfsi_message_put(message, digits,
                         wfsi_format_integer(value.integer, digits));
}

/* Names the index and the values of the key that clashes. */
WFSI_COLD
static wfs_status wfsi_unique_error(wfs_store *store, const wfsi_table *table,
                                    const wfsi_index *index, const char *row,
                                    wfs_row_id other)
{
    char key[WFS_ERROR_MESSAGE_SIZE];
    wfsi_message message;
    uint32_t i;

    wfsi_message_open(&message, key, sizeof key);
    for (i = 0; i < index->column_count; i++) {
        if (i != 0)
            wfsi_message_put(&message, ", ", 2);
        wfsi_message_value(
            &message, wfsi_cell(store, table, row, index->parts[i].column));
    }
    wfsi_message_end(&message);
    return wfsi_error(&store->error, WFS_ERR_UNIQUE,
                      "table %s, index %s: row %i already has the key (%s)",
                      wfsi_text(store, table->name, NULL),
                      wfsi_text(store, index->name, NULL), (int64_t)other,
                      key);
}

WFSI_INLINE void wfsi_index_remove(wfs_store *store, wfsi_table *table,
                                   wfsi_index *index, wfs_row_id id,
                                   const char *row)
{
    if (!wfsi_row_is_indexed(index, row))
        return;
    if (index->list)
        wfsi_list_remove(store, table, index, id, row);
    if (index->unique)
        wfsi_map_remove(&index->map, wfsi_row_hash(store, index, row), id);
    if (index->ordered.built)
        wfsi_tree_remove(store, table, index, id, row);
}

/* Take a row out of the indexes of a bit set, where it is under the key that
 * these bytes have. */
static void wfsi_indexes_leave(wfs_store *store, wfsi_table *table,
                               wfs_row_id id, const char *row, uint32_t which)
{
    while (which != 0)
        wfsi_index_remove(store, table,
                          &table->indexes[wfsi_next_bit(&which)], id, row);
}

/* Put a row under its key in the map or the heads of an index. Errors: UNIQUE,
 * NO_MEMORY; it is not there then. */
WFSI_INLINE wfs_status wfsi_map_put(wfs_store *store, wfsi_table *table,
                                    wfsi_index *index, wfs_row_id id,
                                    const char *row)
{
    wfsi_map *map = &index->map;
    wfsi_home home;

    if (!index->direct && map->capacity == 0 &&
        !wfsi_map_grow(&store->allocator, map))
        return wfsi_no_memory(&store->error);
    home = wfsi_row_home(store, table, index, id, row);
    if (index->direct) {
        if (!wfsi_heads_reserve(&store->allocator, index, home.at))
            return wfsi_no_memory(&store->error);
    } else if (map->slots[home.at].value == 0 && map->count >=
                                                      map->capacity / 2) {
        /* only a new key needs room: one that was there finds it again */
        if (!wfsi_map_grow(&store->allocator, map))
            return wfsi_no_memory(&store->error);
        home = wfsi_row_home(store, table, index, id, row);
    }
    if (index->list)
        wfsi_list_insert(table, index, id, home);
    else if (map->slots[home.at].value != 0)
        return wfsi_unique_error(store, table, index, row,
                                 map->slots[home.at].value);
    else
        wfsi_map_fill(map, home.at, home.hash, id);
    return WFS_OK;
}

/* Put a row into the indexes of a bit set; into none on an error, as above. */
WFSI_INLINE wfs_status wfsi_indexes_put(wfs_store *store, wfsi_table *table,
                                        wfs_row_id id, const char *row,
                                        uint32_t which)
{
    uint32_t left = which, number;
    wfsi_index *index;
    wfs_status status;

    while (left != 0) {
        number = wfsi_next_bit(&left);
        index = &table->indexes[number];
        if (!wfsi_row_is_indexed(index, row))
            continue;
        if (index->list || index->unique) {
            status = wfsi_map_put(store, table, index, id, row);
            if (status != WFS_OK) {
                /* out of those before it */
                wfsi_indexes_leave(store, table, id, row,
                                   which & (((uint32_t)1 << number) - 1));
                return status;
            }
        }
        if (index->ordered.built)
            wfsi_tree_insert(store, table, index, id);
    }
    return WFS_OK;
}

/* Whether two states of a row differ in a column of the index. */
WFSI_INLINE bool wfsi_index_moves(const wfsi_index *index, const char *before,
                                  const char *after)
{
    const wfsi_part *part = index->parts, *end = part + index->column_count;
    bool is_indexed = wfsi_row_is_indexed(index, after);

    if (index->partial && wfsi_row_is_indexed(index, before) != is_indexed)
        return true;
    for (; is_indexed && part < end; part++)
        if (wfsi_part_bytes(part, before) != wfsi_part_bytes(part, after) ||
            (part->nullable && wfsi_cell_is_null(before, part->column) !=
                                   wfsi_cell_is_null(after, part->column)))
            return true;
    return false;
}

/* A bit for each index that is kept and in which two states differ. */
WFSI_INLINE uint32_t wfsi_indexes_moved(const wfsi_table *table,
                                        const char *before, const char *after)
{
    uint32_t number, left = table->kept & ~table->fixed, moved = 0;

    while (left != 0) {
        number = wfsi_next_bit(&left);
        if (wfsi_index_moves(&table->indexes[number], before, after))
            moved |= (uint32_t)1 << number;
    }
    return moved;
}

/* --- transactions */

WFSI_INLINE bool wfsi_begin(wfs_store *store)
{
    wfsi_savepoint savepoint;

    if (!wfsi_array_reserve(&store->allocator, store->savepoints, 1))
        return false;
    savepoint.undo_size = wfsi_array_count(store->undo);
    savepoint.freed_count = wfsi_array_count(store->freed);
    wfsi_array_push(store->savepoints, savepoint);
    return true;
}

/* After a reserve. */
WFSI_INLINE void wfsi_undo_push(wfs_store *store, wfsi_undo_kind kind,
                                uint32_t table, wfs_row_id id, const char *row,
                                uint32_t size)
{
    stbds_array_header *header = stbds_header(store->undo);
    char *at = store->undo + header->length;
    wfsi_undo record;

    if (kind == WFSI_UNDO_DELETE)
        store->deletes++;
    record.kind = (uint32_t)kind;
    record.table = table;
    record.id = id;
    record.size = size;
    if (size != 0)
        memcpy(at, row, size);
    memcpy(at + size, &record, sizeof record);
    header->length += size + sizeof record;
}

WFSI_INLINE wfsi_undo wfsi_undo_last(const wfs_store *store)
{
    wfsi_undo record;

    memcpy(&record, store->undo + wfsi_array_count(store->undo) - sizeof record,
           sizeof record);
    return record;
}

/* The row as it was, of the last record. */
WFSI_INLINE const char *wfsi_undo_row(const wfs_store *store,
                                      const wfsi_undo *record)
{
    return store->undo + wfsi_array_count(store->undo) - sizeof *record -
           record->size;
}

/* Free a text that was never committed; while somebody may read it, later. (If
 * there is no memory to remember it, it stays until the store is freed.) */
static void wfsi_text_discard(wfs_store *store, wfsi_handle handle)
{
    if (store->readers == NULL)
        wfsi_text_free(store, handle);
    else if (wfsi_array_reserve(&store->allocator, store->freed, 1))
        wfsi_array_push(store->freed, handle);
}

/* Free the owned texts of a row that another state of it does not have. */
static void wfsi_row_free_texts(wfs_store *store, const wfsi_table *table,
                                const char *row, const char *other)
{
    wfsi_handle handle;
    size_t i;

    for (i = 0; i < wfsi_array_count(table->owners); i++) {
        handle = wfsi_handle_at(row, table->owners[i]);
        if (handle != 0 && (other == NULL ||
                            wfsi_handle_at(other, table->owners[i]) != handle))
            wfsi_text_discard(store, handle);
    }
}

static void wfsi_undo_insert(wfs_store *store, wfsi_table *table, wfs_row_id id)
{
    char *row = wfsi_row_at(table, id);

    wfsi_indexes_leave(store, table, id, row, table->kept);
    wfsi_row_free_texts(store, table, row, NULL);
    table->next_id--;
    table->count--;
    table->live[(id - 1) >> WFSI_ROWS_BITS]--;
}

/* Put bytes of a row back, but leave its links, which belong to the lists. */
static void wfsi_row_restore(const wfsi_table *table, char *row,
                             const char *bytes)
{
    memcpy(row, bytes, table->links_offset);
    memcpy(row + table->links_end, bytes + table->links_end,
           table->row_size - table->links_end);
}

static void wfsi_undo_update(wfs_store *store, wfsi_table *table,
                             wfs_row_id id, const char *before)
{
    char *row = wfsi_row_at(table, id);
    uint32_t moved = wfsi_indexes_moved(table, row, before);

    wfsi_indexes_leave(store, table, id, row, moved);
    wfsi_row_free_texts(store, table, row, before);
    wfsi_row_restore(table, row, before);
    wfsi_indexes_put(store, table, id, row, moved & table->kept);
}

static void wfsi_undo_delete(wfs_store *store, wfsi_table *table,
                             wfs_row_id id, const char *before)
{
    char *row = wfsi_row_at(table, id);

    memcpy(row, before, table->row_size);
    table->count++;
    table->live[(id - 1) >> WFSI_ROWS_BITS]++;
    wfsi_indexes_put(store, table, id, row, table->kept);
}

/* Take writes back until the undo log has that size. Needs no memory. */
WFSI_APART
static void wfsi_undo_to(wfs_store *store, size_t size)
{
    wfsi_undo record;
    wfsi_table *table;
    const char *before;

    while (wfsi_array_count(store->undo) > size) {
        record = wfsi_undo_last(store);
        before = wfsi_undo_row(store, &record);
        table = &store->tables[record.table];
        if (record.kind == WFSI_UNDO_INSERT)
            wfsi_undo_insert(store, table, record.id);
        else if (record.kind == WFSI_UNDO_UPDATE)
            wfsi_undo_update(store, table, record.id, before);
        else
            wfsi_undo_delete(store, table, record.id, before);
        store->deletes -= record.kind == WFSI_UNDO_DELETE;
        wfsi_array_shrink(store->undo, wfsi_array_count(store->undo) -
                                           sizeof record - record.size);
        store->changes++;
    }
}

/* Free what the rows that are gone for good have left. */
static void wfsi_commit_deletes(wfs_store *store)
{
    wfsi_undo record;
    wfsi_table *table;
    uint32_t chunk;

    while (store->deletes != 0) {
        record = wfsi_undo_last(store);
        wfsi_array_shrink(store->undo, wfsi_array_count(store->undo) -
                                           sizeof record - record.size);
        if (record.kind != WFSI_UNDO_DELETE)
            continue;
        store->deletes--;
        table = &store->tables[record.table];
        chunk = (record.id - 1) >> WFSI_ROWS_BITS;
        if (table->live[chunk] != 0 || table->chunks[chunk] == NULL ||
            chunk >= (table->next_id - 1) >> WFSI_ROWS_BITS)
            continue;
        wfsi_release(&store->allocator, table->chunks[chunk],
                     (size_t)table->row_size << WFSI_ROWS_BITS);
        table->chunks[chunk] = NULL;
    }
}

WFSI_APART
static void wfsi_free_texts(wfs_store *store)
{
    size_t i;

    for (i = 0; i < wfsi_array_count(store->freed); i++)
        wfsi_text_free(store, store->freed[i]);
    wfsi_array_shrink(store->freed, 0);
}

/* Free the texts that nobody reads any more. */
WFSI_INLINE void wfsi_free_pending(wfs_store *store)
{
    if (wfsi_array_count(store->freed) != 0 && store->readers == NULL &&
        wfsi_array_count(store->savepoints) == 0)
        wfsi_free_texts(store);
}

WFSI_INLINE void wfsi_reader_open(wfs_store *store, wfsi_reader *reader)
{
    reader->depth = wfsi_array_count(store->savepoints);
    reader->stale = false;
    reader->prev = NULL;
    reader->next = store->readers;
    if (reader->next != NULL)
        reader->next->prev = reader;
    store->readers = reader;
}

WFSI_INLINE void wfsi_reader_close(wfs_store *store, wfsi_reader *reader)
{
    if (reader->next != NULL)
        reader->next->prev = reader->prev;
    if (reader->prev != NULL)
        reader->prev->next = reader->next;
    else
        store->readers = reader->next;
    wfsi_free_pending(store);
}

/* A transaction has ended: what was read in it stands, or not. */
WFSI_INLINE void wfsi_readers_tell(wfs_store *store, bool rolled_back)
{
    size_t depth = wfsi_array_count(store->savepoints);
    wfsi_reader *reader;

    for (reader = store->readers; reader != NULL; reader = reader->next) {
        if (reader->depth <= depth)
            continue;
        reader->depth = depth;
        reader->stale = reader->stale || rolled_back;
    }
}

WFSI_INLINE void wfsi_commit(wfs_store *store)
{
    wfsi_array_shrink(store->savepoints,
                      wfsi_array_count(store->savepoints) - 1);
    wfsi_readers_tell(store, false);
    if (wfsi_array_count(store->savepoints) != 0)
        return;
    if (store->deletes != 0)
        wfsi_commit_deletes(store);
    wfsi_array_shrink(store->undo, 0);
    wfsi_free_pending(store);
}

static void wfsi_rollback(wfs_store *store)
{
    size_t top = wfsi_array_count(store->savepoints) - 1;

    wfsi_array_shrink(store->freed, store->savepoints[top].freed_count);
    wfsi_undo_to(store, store->savepoints[top].undo_size);
    wfsi_array_shrink(store->savepoints, top);
    wfsi_readers_tell(store, true);
    wfsi_free_pending(store);
}

/* --- rows: the primitives that everything writes with, in a transaction */

WFSI_INLINE bool wfsi_undo_reserve(wfs_store *store, size_t row_size)
{
    return wfsi_array_reserve(&store->allocator, store->undo,
                              row_size + sizeof(wfsi_undo));
}

/* Another chunk of rows; false without memory. */
WFSI_APART
static bool wfsi_rows_extend(wfs_store *store, wfsi_table *table)
{
    char *rows;

    if (!wfsi_array_reserve(&store->allocator, table->chunks, 1) ||
        !wfsi_array_reserve(&store->allocator, table->live, 1))
        return false;
    rows = (char *)wfsi_allocate(&store->allocator,
                                 (size_t)table->row_size << WFSI_ROWS_BITS);
    if (rows == NULL)
        return false;
    wfsi_array_push(table->chunks, rows);
    wfsi_array_push(table->live, 0);
    return true;
}

/* The bytes of the row that the next insert will add, all of which are to be
 * written; NULL without memory. */
WFSI_INLINE char *wfsi_row_new(wfs_store *store, wfsi_table *table)
{
    size_t chunk = (table->next_id - 1) >> WFSI_ROWS_BITS;

    if (table->next_id == UINT32_MAX - 1 ||
        (chunk == wfsi_array_count(table->chunks) &&
         !wfsi_rows_extend(store, table)))
        return NULL;
    return wfsi_row_at(table, table->next_id);
}

/* Nulls where they are allowed, references to rows that are there. */
static wfs_status wfsi_check_columns(wfs_store *store, const wfsi_table *table,
                                     const char *row)
{
    const wfsi_column *column;
    wfs_row_id target;
    uint32_t i, wrong;

    for (i = 0; i < wfsi_array_count(table->required); i++) {
        wrong = wfsi_null_word(row, i) & table->required[i];
        if (wrong == 0)
            continue;
        column = &table->columns[i * 32 + wfsi_next_bit(&wrong)];
        return wfsi_error(&store->error, WFS_ERR_NOT_NULL,
                          "table %s: column %s must have a value",
                          wfsi_text(store, table->name, NULL),
                          wfsi_text(store, column->name, NULL));
    }
    for (i = 0; i < wfsi_array_count(table->references); i++) {
        if (wfsi_cell_is_null(row, table->references[i]))
            continue;
        column = &table->columns[table->references[i]];
        memcpy(&target, row + column->offset, sizeof target);
        if (wfsi_row_find(&store->tables[column->references], target) == NULL)
            return wfsi_error(
                &store->error, WFS_ERR_REFERENCE,
                "table %s: column %s refers to row %i of table %s, which does "
                "not exist",
                wfsi_text(store, table->name, NULL),
                wfsi_text(store, column->name, NULL), (int64_t)target,
                wfsi_text(store, store->tables[column->references].name, NULL));
    }
    return WFS_OK;
}

/* Add the row whose bytes wfsi_row_new gave, filled and checked but for keys;
 * on an error its texts are freed. */
WFSI_INLINE wfs_status wfsi_row_insert(wfs_store *store, uint32_t number,
                                       void *bytes, wfs_row_id *id_out)
{
    wfsi_table *table = &store->tables[number];
    wfs_row_id id = table->next_id;
    char *row = (char *)bytes;
    uint32_t version = 1;
    wfs_status status =
        wfsi_undo_reserve(store, 0)
            ? wfsi_indexes_put(store, table, id, row, table->kept)
            : wfsi_no_memory(&store->error);

    if (status != WFS_OK) {
        wfsi_row_free_texts(store, table, row, NULL);
        return status;
    }
    memcpy(row, &version, sizeof version);
    table->next_id++;
    table->count++;
    table->live[(id - 1) >> WFSI_ROWS_BITS]++;
    wfsi_undo_push(store, WFSI_UNDO_INSERT, number, id, NULL, 0);
    store->changes++;
    if (id_out != NULL)
        *id_out = id;
    return WFS_OK;
}

/* Begin to change a row: log it as it is. NULL without memory. Then write to
 * it, and end with wfsi_row_changed. */
WFSI_INLINE char *wfsi_row_edit(wfs_store *store, uint32_t number,
                                wfs_row_id id)
{
    wfsi_table *table = &store->tables[number];
    char *row = wfsi_row_at(table, id);

    if (!wfsi_undo_reserve(store, table->row_size) ||
        !wfsi_array_reserve(&store->allocator, store->freed,
                            wfsi_array_count(table->owners)))
        return NULL;
    wfsi_undo_push(store, WFSI_UNDO_UPDATE, number, id, row, table->row_size);
    return row;
}

/* Forget a change that was begun: the row becomes what it was. */
WFSI_COLD
static void wfsi_row_reset(wfs_store *store, wfsi_table *table, char *row)
{
    wfsi_undo record = wfsi_undo_last(store);
    const char *before = wfsi_undo_row(store, &record);

    wfsi_row_free_texts(store, table, row, before);
    wfsi_row_restore(table, row, before);
    wfsi_array_shrink(store->undo, wfsi_array_count(store->undo) -
                                       sizeof record - record.size);
}

/* Texts of the old row that the new one does not have are freed when the
 * transaction commits. Room was made by wfsi_row_edit or the delete. */
WFSI_INLINE void wfsi_row_drop_texts(wfs_store *store, const wfsi_table *table,
                                     const char *before, const char *after)
{
    wfsi_handle handle;
    size_t i;

    for (i = 0; i < wfsi_array_count(table->owners); i++) {
        handle = wfsi_handle_at(before, table->owners[i]);
        if (handle != 0 && (after == NULL ||
                            wfsi_handle_at(after, table->owners[i]) != handle))
            wfsi_array_push(store->freed, handle);
    }
}

/* Move a changed row to its new keys in a bit set of indexes; on an error it
 * is reset. */
static wfs_status wfsi_row_move(wfs_store *store, wfsi_table *table,
                                wfs_row_id id, char *row, const char *before,
                                uint32_t moved)
{
    wfs_status status;

    wfsi_indexes_leave(store, table, id, before, moved);
    status = wfsi_indexes_put(store, table, id, row, moved);
    if (status == WFS_OK)
        return WFS_OK;
    wfsi_row_reset(store, table, row);
    wfsi_indexes_put(store, table, id, row, moved);     /* needs no memory */
    return status;
}

/* End a change, checked but for its keys; on an error the row is reset. */
WFSI_INLINE wfs_status wfsi_row_changed(wfs_store *store, uint32_t number,
                                        wfs_row_id id)
{
    wfsi_table *table = &store->tables[number];
    char *row = wfsi_row_at(table, id);
    wfsi_undo record = wfsi_undo_last(store);
    const char *before = wfsi_undo_row(store, &record);
    uint32_t version = wfsi_row_version(before) + 1;
    uint32_t moved = wfsi_indexes_moved(table, before, row);

    if (moved != 0)
        WFS_TRY(wfsi_row_move(store, table, id, row, before, moved));
    memcpy(row, &version, sizeof version);
    wfsi_row_drop_texts(store, table, before, row);
    store->changes++;
    return WFS_OK;
}

/* Whether a row of `table`, other than itself, refers to row `id` of the table
 * `target`. */
static bool wfsi_table_refers(const wfsi_table *table, bool is_target,
                              uint32_t target, wfs_row_id id)
{
    const wfsi_column *column;
    const char *row;
    wfs_row_id at;
    uint32_t i;
    wfs_value value;

    for (i = 0; i < wfsi_array_count(table->columns); i++) {
        column = &table->columns[i];
        if (column->type != WFS_REFERENCE || column->references != target)
            continue;
        for (at = 1; at < table->next_id; at++) {
            row = wfsi_row_find(table, at);
            if (row == NULL || wfsi_cell_is_null(row, i) ||
                (is_target && at == id))
                continue;
            value = wfsi_cell(NULL, table, row, i);
            if (value.integer == (int64_t)id)
                return true;
        }
    }
    return false;
}

WFSI_APART
static wfs_status wfsi_row_delete(wfs_store *store, uint32_t number,
                                  wfs_row_id id)
{
    wfsi_table *table = &store->tables[number];
    char *row = wfsi_row_at(table, id);
    size_t i;

    for (i = 0; table->referred && i < wfsi_array_count(store->tables); i++)
        if (wfsi_table_refers(&store->tables[i], i == number, number, id))
            return wfsi_error(&store->error, WFS_ERR_REFERENCE,
                              "table %s: row %i is still referred to by table "
                              "%s",
                              wfsi_text(store, table->name, NULL), (int64_t)id,
                              wfsi_text(store, store->tables[i].name, NULL));
    if (!wfsi_undo_reserve(store, table->row_size) ||
        !wfsi_array_reserve(&store->allocator, store->freed,
                            wfsi_array_count(table->owners)))
        return wfsi_no_memory(&store->error);
    wfsi_indexes_leave(store, table, id, row, table->kept);
    wfsi_undo_push(store, WFSI_UNDO_DELETE, number, id, row, table->row_size);
    wfsi_row_drop_texts(store, table, row, NULL);
    memset(row, 0, table->row_size);
    table->count--;
    table->live[(id - 1) >> WFSI_ROWS_BITS]--;
    store->changes++;
    return WFS_OK;
}

/* --- declaring tables */

static uint32_t wfsi_type_size(wfs_type type)
{
    switch (type) {
    case WFS_BOOL:
        return 1;
    case WFS_TEXT:
    case WFS_JSON:
    case WFS_REFERENCE:
        return 4;
    default:
        return 8;
    }
}

/* How the platform aligns 8 bytes in a struct: rows are laid out as a C
 * compiler lays out a struct of the same columns. */
typedef struct wfsi_alignment {
    char first;
    int64_t second;
} wfsi_alignment;

#define WFSI_ALIGNMENT_8 ((uint32_t)offsetof(wfsi_alignment, second))

static uint32_t wfsi_align_up(uint32_t offset, uint32_t alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

/* A word that names of different sizes or beginnings mostly do not share, to
 * look at before the names themselves. */
WFSI_INLINE uint64_t wfsi_name_label(const char *name, size_t size)
{
    return wfsi_load_few(name, size < 8 ? size : 8) ^ (uint64_t)size << 56;
}

WFSI_INLINE bool wfsi_name_equal(const wfs_store *store, wfsi_handle known,
                                 const char *name, size_t size)
{
    size_t known_size;
    const char *text = wfsi_text(store, known, &known_size);

    return known_size == size && wfsi_bytes_equal(text, name, size);
}

/* The number of a table, or UINT32_MAX. */
static uint32_t wfsi_table_find(const wfs_store *store, const char *name)
{
    size_t size = name != NULL ? strlen(name) : 0;
    uint64_t label = wfsi_name_label(name, size);
    uint32_t i;

    for (i = 0; i < wfsi_array_count(store->tables); i++)
        if (store->tables[i].label == label &&
            wfsi_name_equal(store, store->tables[i].name, name, size))
            return i;
    return UINT32_MAX;
}

/* The number of a column, or UINT32_MAX. They are looked through from one on,
 * because fields mostly come in the order of the columns. */
static uint32_t wfsi_column_find(const wfs_store *store,
                                 const wfsi_table *table, const char *name,
                                 size_t size, uint32_t from)
{
    uint64_t label = wfsi_name_label(name, size);
    uint32_t count = (uint32_t)wfsi_array_count(table->columns);
    uint32_t number = from < count ? from : 0, left;

    for (left = count; left > 0; left--) {
        if (table->columns[number].label == label &&
            wfsi_name_equal(store, table->columns[number].name, name, size))
            return number;
        if (++number == count)
            number = 0;
    }
    return UINT32_MAX;
}

static wfsi_index *wfsi_index_find(const wfs_store *store,
                                   const wfsi_table *table, const char *name)
{
    size_t i, size = name != NULL ? strlen(name) : 0;
    uint64_t label = wfsi_name_label(name, size);

    for (i = 0; i < wfsi_array_count(table->indexes); i++)
        if (table->indexes[i].label == label &&
            wfsi_name_equal(store, table->indexes[i].name, name, size))
            return &table->indexes[i];
    return NULL;
}

static wfs_status wfsi_declare_default(wfs_store *store, const char *table,
                                       const wfs_column *given,
                                       wfsi_column *column)
{
    const wfs_value *value = &given->default_value;
    size_t size = value->size;

    if (value->type == WFS_NULL)
        return WFS_OK;
    if (value->type != given->type)
        return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                          "table %s: the default of column %s has another "
                          "type",
                          table, given->name);
    column->has_default = true;
    column->default_integer = value->integer;
    column->default_real = value->real;
    if (!wfsi_column_is_text(column))
        return WFS_OK;
    if (value->text != NULL && size == 0)
        size = strlen(value->text);
    if (value->text == NULL ||
        (value->type == WFS_JSON &&
         !wfsi_json_check(value->text, size, &store->limits, NULL)))
        return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                          "table %s: the default of column %s has no text, or "
                          "no JSON",
                          table, given->name);
    column->default_text = wfsi_symbol(store, value->text, size);
    return column->default_text != 0 ? WFS_OK : wfsi_no_memory(&store->error);
}

/* Add a column, and note what its cells must not be. */
static wfs_status wfsi_declare_rules(wfs_store *store, wfsi_table *table,
                                     const wfsi_column *column)
{
    uint32_t number = (uint32_t)wfsi_array_count(table->columns);

    if (!wfsi_array_reserve(&store->allocator, table->required, 1) ||
        !wfsi_array_reserve(&store->allocator, table->references, 1))
        return wfsi_no_memory(&store->error);
    if ((number & 31) == 0)
        wfsi_array_push(table->required, 0);
    if (!column->nullable)
        table->required[number >> 5] |= (uint32_t)1 << (number & 31);
    if (column->owns && column->has_default)
        table->default_texts = true;
    if (column->type == WFS_REFERENCE) {
        wfsi_array_push(table->references, number);
        store->tables[column->references].referred = true;
    }
    wfsi_array_push(table->columns, *column);
    return WFS_OK;
}

static wfs_status wfsi_declare_column(wfs_store *store, wfsi_table *table,
                                      const char *table_name,
                                      const wfs_column *given)
{
    wfsi_column column;

    memset(&column, 0, sizeof column);
    if (given->type <= WFS_NULL || given->type > WFS_REFERENCE)
        return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                          "table %s: column %s has no type", table_name,
                          given->name);
    if (wfsi_column_find(store, table, given->name, strlen(given->name), 0) !=
        UINT32_MAX)
        return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                          "table %s: column %s is declared twice", table_name,
                          given->name);
    column.name = wfsi_symbol(store, given->name, strlen(given->name));
    column.label = wfsi_name_label(given->name, strlen(given->name));
    column.type = given->type;
    column.nullable = given->nullable;
    column.interned = given->interned && given->type == WFS_TEXT;
    column.owns = wfsi_column_is_text(&column) && !column.interned;
    column.size = wfsi_type_size(given->type);
    if (column.name == 0 ||
        !wfsi_array_reserve(&store->allocator, table->columns, 1))
        return wfsi_no_memory(&store->error);
    if (given->type == WFS_REFERENCE) {
        column.references = given->references != NULL
                                ? wfsi_table_find(store, given->references)
                                : UINT32_MAX;
        if (column.references == UINT32_MAX)
            return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                              "table %s: column %s refers to %s, which is no "
                              "table declared before",
                              table_name, given->name,
                              given->references != NULL ? given->references
                                                        : "nothing");
    }
    WFS_TRY(wfsi_declare_default(store, table_name, given, &column));
    if (column.owns && !wfsi_array_reserve(&store->allocator, table->owners,
                                           wfsi_array_count(table->owners) + 1))
        return wfsi_no_memory(&store->error);
    if (column.owns)
        wfsi_array_push(table->owners, 0);  /* known when it is laid out */
    return wfsi_declare_rules(store, table, &column);
}

/* "a, b" into column numbers. */
static wfs_status wfsi_declare_key(wfs_store *store, wfsi_table *table,
                                   wfsi_index *index, const char *columns)
{
    const char *at = columns, *end;
    uint32_t number;

    for (;;) {
        while (*at == ' ')
            at++;
        for (end = at; *end != '\0' && *end != ',' && *end != ' ';)
            end++;
        number = wfsi_column_find(store, table, at, (size_t)(end - at), 0);
        if (number == UINT32_MAX || index->column_count == WFSI_INDEX_COLUMNS)
            return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                              "table %s, index %s: column %n %s",
                              wfsi_text(store, table->name, NULL),
                              wfsi_text(store, index->name, NULL), at,
                              (size_t)(end - at),
                              number == UINT32_MAX ? "is not declared"
                                                   : "is one more than 8");
        index->parts[index->column_count].column = number;
        index->parts[index->column_count].owns = table->columns[number].owns;
        index->parts[index->column_count++].nullable =
            table->columns[number].nullable;
        while (*end == ' ')
            end++;
        if (*end != ',')
            return *end == '\0'
                       ? WFS_OK
                       : wfsi_error(&store->error, WFS_ERR_SCHEMA,
                                    "table %s, index %s: columns are "
                                    "separated by commas",
                                    wfsi_text(store, table->name, NULL),
                                    wfsi_text(store, index->name, NULL));
        at = end + 1;
    }
}

/* Which rows are in an index, and what decides that two keys are equal. */
static void wfsi_declare_manner(const wfsi_table *table, wfsi_index *index)
{
    const wfsi_column *first = &table->columns[index->parts[0].column];
    const wfsi_part *part;
    bool in_first_word = true;

    index->words_decide = true;
    for (part = index->parts; part < index->parts + index->column_count;
         part++) {
        if (part->nullable || part->owns)
            index->words_decide = false;
        if (!part->nullable || !(index->unique || index->sparse))
            continue;
        index->partial = true;
        in_first_word = in_first_word && part->column < 32;
        index->null_bits |= (uint32_t)1 << (part->column & 31);
    }
    if (!in_first_word)
        index->null_bits = 0;
    index->direct = index->list && index->column_count == 1 &&
                    (first->type == WFS_REFERENCE ||
                     (first->type == WFS_BOOL &&
                      (index->partial || !first->nullable)));
    index->prefix_decides =
        index->column_count == 1 && !wfsi_column_is_text(first) &&
        first->type != WFS_REAL && (!first->nullable || index->partial);
}

static wfs_status wfsi_declare_index(wfs_store *store, wfsi_table *table,
                                     const wfs_index *given)
{
    wfsi_index index;
    const char *why = NULL;

    memset(&index, 0, sizeof index);
    index.name = wfsi_symbol(store, given->name, strlen(given->name));
    index.label = wfsi_name_label(given->name, strlen(given->name));
    if (index.name == 0 ||
        !wfsi_array_reserve(&store->allocator, table->indexes, 1))
        return wfsi_no_memory(&store->error);
    if (wfsi_index_find(store, table, given->name) != NULL)
        why = "is declared twice";
    else if (wfsi_text_empty(given->columns))
        why = "has no columns";
    else if (given->list && given->unique)
        why = "is a list and unique";
    else if (wfsi_array_count(table->indexes) == WFSI_INDEXES)
        why = "is one more than 32";
    if (why != NULL)
        return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                          "table %s: index %s %s",
                          wfsi_text(store, table->name, NULL), given->name,
                          why);
    index.unique = given->unique;
    index.list = given->list;
    index.sparse = given->sparse;
    index.tree = !given->list && (!given->unique || given->ordered);
    WFS_TRY(wfsi_declare_key(store, table, &index, given->columns));
    wfsi_declare_manner(table, &index);
    if (index.unique || index.list)
        table->mapped |= (uint32_t)1 << wfsi_array_count(table->indexes);
    table->kept = table->mapped;
    wfsi_array_push(table->indexes, index);
    return WFS_OK;
}

/* Tell those who look for cells where they are. */
static void wfsi_lay_out_parts(wfsi_table *table)
{
    wfsi_index *index;
    wfsi_part *part;
    size_t i, owners = 0;

    for (i = 0; i < wfsi_array_count(table->columns); i++)
        if (table->columns[i].owns)
            table->owners[owners++] = table->columns[i].offset;
    for (i = 0; i < wfsi_array_count(table->indexes); i++) {
        index = &table->indexes[i];
        for (part = index->parts; part < index->parts + index->column_count;
             part++) {
            part->offset = table->columns[part->column].offset;
            part->size = table->columns[part->column].size;
        }
    }
}

/* Header, null bits, links, columns, each aligned. */
static void wfsi_lay_out(wfsi_table *table)
{
    uint32_t count = (uint32_t)wfsi_array_count(table->columns), i;
    uint32_t offset = (uint32_t)sizeof(uint32_t) * (1 + (count + 31) / 32);

    table->links_offset = offset;
    for (i = 0; i < wfsi_array_count(table->indexes); i++) {
        if (!table->indexes[i].list)
            continue;
        table->indexes[i].link_offset = offset;
        offset += (uint32_t)sizeof(wfsi_link);
    }
    table->links_end = offset;
    for (i = 0; i < count; i++) {
        offset = wfsi_align_up(offset, table->columns[i].size == 8
                                           ? WFSI_ALIGNMENT_8
                                           : table->columns[i].size);
        table->columns[i].offset = offset;
        offset += table->columns[i].size;
    }
    table->row_size = wfsi_align_up(offset, 8);
    wfsi_lay_out_parts(table);
}

static wfs_status wfsi_declare_table(wfs_store *store, const wfs_table *given)
{
    wfsi_table blank, *table;
    const wfs_column *column;
    const wfs_index *index;
    wfs_index primary;

    memset(&blank, 0, sizeof blank);
    memset(&primary, 0, sizeof primary);
    if (wfsi_table_find(store, given->name) != UINT32_MAX ||
        given->columns == NULL || given->columns[0].name == NULL)
        return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                          "table %s is declared twice, or without columns",
                          given->name);
    blank.name = wfsi_symbol(store, given->name, strlen(given->name));
    blank.label = wfsi_name_label(given->name, strlen(given->name));
    blank.next_id = 1;
    if (blank.name == 0 ||
        !wfsi_array_reserve(&store->allocator, store->tables, 1))
        return wfsi_no_memory(&store->error);
    wfsi_array_push(store->tables, blank);
    table = &store->tables[wfsi_array_count(store->tables) - 1];
    for (column = given->columns; column->name != NULL; column++)
        WFS_TRY(wfsi_declare_column(store, table, given->name, column));
    if (given->primary_key != NULL) {
        primary.name = "primary";
        primary.columns = given->primary_key;
        primary.unique = primary.ordered = true;
        WFS_TRY(wfsi_declare_index(store, table, &primary));
        if (table->indexes[0].partial)
            return wfsi_error(&store->error, WFS_ERR_SCHEMA,
                              "table %s: a column of the primary key is "
                              "nullable",
                              given->name);
    }
    for (index = given->indexes; index != NULL && index->name != NULL; index++)
        WFS_TRY(wfsi_declare_index(store, table, index));
    wfsi_lay_out(table);
    return WFS_OK;
}

static wfs_status wfsi_declare(wfs_store *store, const wfs_table *tables)
{
    for (; tables != NULL && tables->name != NULL; tables++)
        WFS_TRY(wfsi_declare_table(store, tables));
    return WFS_OK;
}

/* --- making, copying and freeing a store */

static wfs_store *wfsi_store_new(const wfs_allocator *allocator)
{
    wfs_allocator used = wfsi_allocator(allocator);
    wfs_store *store =
        (wfs_store *)wfsi_allocate_zeroed(&used, sizeof *store);

    if (store == NULL)
        return NULL;
    store->allocator = used;
    store->limits = wfsi_limits(NULL);
    return store;
}

static void wfsi_table_free(const wfs_allocator *allocator, wfsi_table *table)
{
    size_t i;

    for (i = 0; i < wfsi_array_count(table->chunks); i++)
        wfsi_release(allocator, table->chunks[i],
                     (size_t)table->row_size << WFSI_ROWS_BITS);
    for (i = 0; i < wfsi_array_count(table->indexes); i++) {
        wfsi_map_free(allocator, &table->indexes[i].map);
        wfsi_array_free(allocator, table->indexes[i].heads);
        wfsi_tree_drop(allocator, &table->indexes[i].ordered);
    }
    wfsi_array_free(allocator, table->chunks);
    wfsi_array_free(allocator, table->live);
    wfsi_array_free(allocator, table->indexes);
    wfsi_array_free(allocator, table->owners);
    wfsi_array_free(allocator, table->required);
    wfsi_array_free(allocator, table->references);
    wfsi_release(allocator, table->blank, table->row_size);
    wfsi_array_free(allocator, table->columns);
}

static void wfsi_cursor_free(wfs_cursor *cursor)
{
    wfs_allocator allocator = cursor->store->allocator;

    wfsi_arena_close(&cursor->arena);
    wfsi_array_free(&allocator, cursor->key);
    wfsi_array_free(&allocator, cursor->text);
    wfsi_release(&allocator, cursor, sizeof *cursor);
}

void wfs_store_free(wfs_store *store)
{
    wfs_allocator allocator;
    size_t i;

    if (store == NULL)
        return;
    allocator = store->allocator;
    if (store->spare_cursor != NULL)
        wfsi_cursor_free(store->spare_cursor);
    for (i = 0; i < wfsi_array_count(store->tables); i++)
        wfsi_table_free(&allocator, &store->tables[i]);
    for (i = 0; i < wfsi_array_count(store->heap.chunks); i++)
        wfsi_release(&allocator, store->heap.chunks[i].data,
                     store->heap.chunks[i].units * WFSI_UNIT);
    wfsi_map_free(&allocator, &store->symbols);
    wfsi_array_free(&allocator, store->tables);
    wfsi_array_free(&allocator, store->heap.chunks);
    wfsi_array_free(&allocator, store->undo);
    wfsi_array_free(&allocator, store->savepoints);
    wfsi_array_free(&allocator, store->freed);
    wfsi_release(&allocator, store, sizeof *store);
}

/* A copy of an array of blocks of memory; blocks may be NULL. */
static bool wfsi_blocks_copy(const wfs_allocator *allocator, char ***copy,
                             char **blocks, size_t size)
{
    size_t i, count = wfsi_array_count(blocks);
    char *block;

    if (count != 0 && !wfsi_array_reserve(allocator, *copy, count))
        return false;
    for (i = 0; i < count; i++) {
        block = NULL;
        if (blocks[i] != NULL) {
            block = (char *)wfsi_allocate(allocator, size);
            if (block == NULL)
                return false;
            memcpy(block, blocks[i], size);
        }
        wfsi_array_push(*copy, block);
    }
    return true;
}

/* A copy of an array of plain items into an empty one. */
#define wfsi_array_copy(allocator, copy, array)                               \
    (wfsi_array_count(array) == 0 ||                                          \
     (wfsi_array_reserve((allocator), (copy), wfsi_array_count(array)) &&     \
      (memcpy((copy), (array), wfsi_array_count(array) * sizeof *(array)),    \
       stbds_header(copy)->length = wfsi_array_count(array), true)))

static bool wfsi_index_copy(const wfs_allocator *allocator, wfsi_index *copy,
                            const wfsi_index *index)
{
    *copy = *index;
    memset(&copy->map, 0, sizeof copy->map);
    copy->heads = NULL;
    copy->ordered.chunks = NULL;
    return wfsi_map_copy(allocator, &copy->map, &index->map) &&
           wfsi_array_copy(allocator, copy->heads, index->heads) &&
           wfsi_blocks_copy(allocator, &copy->ordered.chunks,
                            index->ordered.chunks,
                            WFSI_NODES * sizeof(wfsi_node));
}

static bool wfsi_table_copy(const wfs_allocator *allocator, wfsi_table *copy,
                            const wfsi_table *table)
{
    size_t i;
    wfsi_index blank;

    memset(&blank, 0, sizeof blank);
    *copy = *table;
    copy->columns = NULL;
    copy->indexes = NULL;
    copy->owners = NULL;
    copy->required = NULL;
    copy->references = NULL;
    copy->blank = NULL;
    copy->chunks = NULL;
    copy->live = NULL;
    if (!wfsi_array_copy(allocator, copy->columns, table->columns) ||
        !wfsi_array_copy(allocator, copy->owners, table->owners) ||
        !wfsi_array_copy(allocator, copy->required, table->required) ||
        !wfsi_array_copy(allocator, copy->references, table->references) ||
        !wfsi_array_copy(allocator, copy->live, table->live) ||
        !wfsi_array_reserve(allocator, copy->indexes,
                            wfsi_array_count(table->indexes)))
        return false;
    for (i = 0; i < wfsi_array_count(table->indexes); i++) {
        wfsi_array_push(copy->indexes, blank);
        if (!wfsi_index_copy(allocator, &copy->indexes[i], &table->indexes[i]))
            return false;
    }
    return wfsi_blocks_copy(allocator, &copy->chunks, table->chunks,
                            (size_t)table->row_size << WFSI_ROWS_BITS);
}

static bool wfsi_heap_copy(const wfs_allocator *allocator, wfsi_heap *copy,
                           const wfsi_heap *heap)
{
    wfsi_chunk chunk;
    size_t i;

    *copy = *heap;
    copy->chunks = NULL;
    for (i = 0; i < wfsi_array_count(heap->chunks); i++) {
        if (!wfsi_array_reserve(allocator, copy->chunks, 1))
            return false;
        chunk = heap->chunks[i];
        if (chunk.data != NULL) {
            chunk.data =
                (char *)wfsi_allocate(allocator, chunk.units * WFSI_UNIT);
            if (chunk.data == NULL)
                return false;
            memcpy(chunk.data, heap->chunks[i].data, chunk.units * WFSI_UNIT);
        }
        wfsi_array_push(copy->chunks, chunk);
    }
    if (copy->chunks != NULL)
        copy->top_data = copy->chunks[copy->top_chunk].data;
    return true;
}

static bool wfsi_store_copy(wfs_store *copy, const wfs_store *store)
{
    const wfs_allocator *allocator = &copy->allocator;
    wfsi_table blank;
    size_t i;

    memset(&blank, 0, sizeof blank);
    copy->changes = store->changes;
    copy->reserved = store->reserved;
    copy->limits = store->limits;
    if (!wfsi_heap_copy(allocator, &copy->heap, &store->heap) ||
        !wfsi_map_copy(allocator, &copy->symbols, &store->symbols) ||
        !wfsi_array_reserve(allocator, copy->tables,
                            wfsi_array_count(store->tables)))
        return false;
    for (i = 0; i < wfsi_array_count(store->tables); i++) {
        wfsi_array_push(copy->tables, blank);
        if (!wfsi_table_copy(allocator, &copy->tables[i], &store->tables[i]))
            return false;
    }
    return true;
}

wfs_status wfs_store_create(const wfs_table *tables,
                            const wfs_allocator *allocator, wfs_store **store,
                            wfs_error *error)
{
    wfs_status status;

    *store = wfsi_store_new(allocator);
    if (*store == NULL)
        return wfsi_no_memory(error);
    status = wfsi_declare(*store, tables);
    if (status == WFS_OK)
        return WFS_OK;
    if (error != NULL)
        *error = (*store)->error;
    wfs_store_free(*store);
    *store = NULL;
    return status;
}

wfs_status wfs_store_fork(wfs_store *store, wfs_store **copy)
{
    *copy = NULL;
    if (wfsi_array_count(store->savepoints) != 0)
        return wfsi_error(&store->error, WFS_ERR_MISUSE,
                          "a store with an open transaction cannot be forked");
    *copy = wfsi_store_new(&store->allocator);
    if (*copy != NULL && wfsi_store_copy(*copy, store))
        return WFS_OK;
    wfs_store_free(*copy);
    *copy = NULL;
    return wfsi_no_memory(&store->error);
}

const wfs_error *wfs_store_error(const wfs_store *store)
{
    return &store->error;
}

static size_t wfsi_table_memory(const wfsi_table *table)
{
    const wfsi_index *index;
    size_t i, bytes = wfsi_array_count(table->chunks) * 16;

    for (i = 0; i < wfsi_array_count(table->chunks); i++)
        if (table->chunks[i] != NULL)
            bytes += (size_t)table->row_size << WFSI_ROWS_BITS;
    for (i = 0; i < wfsi_array_count(table->indexes); i++) {
        index = &table->indexes[i];
        bytes += index->map.capacity * sizeof *index->map.slots +
                 stbds_arrcap(index->heads) * sizeof *index->heads +
                 wfsi_array_count(index->ordered.chunks) * WFSI_NODES *
                     sizeof(wfsi_node);
    }
    return bytes;
}

size_t wfs_store_memory(const wfs_store *store)
{
    size_t i;
    size_t bytes = sizeof *store + stbds_arrcap(store->undo) +
                   store->symbols.capacity * sizeof *store->symbols.slots;

    for (i = 0; i < wfsi_array_count(store->heap.chunks); i++)
        if (store->heap.chunks[i].data != NULL)
            bytes += store->heap.chunks[i].units * WFSI_UNIT;
    for (i = 0; i < wfsi_array_count(store->tables); i++)
        bytes += wfsi_table_memory(&store->tables[i]);
    return bytes;
}

/* --- values */

static wfs_value wfsi_value(wfs_type type, int64_t integer, double real,
                            const char *text, size_t size)
{
    wfs_value value;

    value.type = type;
    value.integer = integer;
    value.real = real;
    value.text = text;
    value.size = size;
    return value;
}

wfs_value wfs_null(void)
{
    return wfsi_value(WFS_NULL, 0, 0, NULL, 0);
}

wfs_value wfs_integer(int64_t value)
{
    return wfsi_value(WFS_INTEGER, value, 0, NULL, 0);
}

wfs_value wfs_real(double value)
{
    return wfsi_value(WFS_REAL, 0, value, NULL, 0);
}

wfs_value wfs_text_n(const char *text, size_t size)
{
    return text == NULL ? wfs_null() : wfsi_value(WFS_TEXT, 0, 0, text, size);
}

wfs_value wfs_text(const char *text)
{
    return wfs_text_n(text, text != NULL ? strlen(text) : 0);
}

wfs_value wfs_bool(bool value)
{
    return wfsi_value(WFS_BOOL, value, 0, NULL, 0);
}

wfs_value wfs_time(int64_t ms)
{
    return wfsi_value(WFS_TIME, ms, 0, NULL, 0);
}

wfs_value wfs_json_text_n(const char *json, size_t size)
{
    return json == NULL ? wfs_null() : wfsi_value(WFS_JSON, 0, 0, json, size);
}

wfs_value wfs_json_text(const char *json)
{
    return wfs_json_text_n(json, json != NULL ? strlen(json) : 0);
}

wfs_value wfs_reference(wfs_row_id id)
{
    return id == 0 ? wfs_null() : wfsi_value(WFS_REFERENCE, id, 0, NULL, 0);
}

/* --- writing values */

static const char *wfsi_type_name(wfs_type type)
{
    static const char *const names[] = {"null", "integer", "real", "text",
                                        "bool", "time",    "json", "reference"};

    return (size_t)type < WFSI_COUNT(names) ? names[type] : "unknown";
}

/* Whether the value may stand in the column; fills in the store's error. */
static wfs_status wfsi_check_value(wfs_store *store, const wfsi_table *table,
                                   const wfsi_column *column,
                                   const wfs_value *value)
{
    wfs_error why;

    if (value->type != WFS_NULL && value->type != column->type)
        return wfsi_error(&store->error, WFS_ERR_TYPE,
                          "table %s: column %s has type %s, the value type %s",
                          wfsi_text(store, table->name, NULL),
                          wfsi_text(store, column->name, NULL),
                          wfsi_type_name(column->type),
                          wfsi_type_name(value->type));
    if (value->type == WFS_JSON &&
        !wfsi_json_check(value->text, value->size, &store->limits, &why))
        return wfsi_error_in(&store->error, &why, "table %s: column %s: %s",
                             wfsi_text(store, table->name, NULL),
                             wfsi_text(store, column->name, NULL),
                             why.message);
    return WFS_OK;
}

/* Write a checked value; an old text of the cell is left alone. */
static bool wfsi_cell_write(wfs_store *store, const wfsi_table *table,
                            uint32_t number, char *row, const wfs_value *value)
{
    const wfsi_column *column = &table->columns[number];
    char *cell = row + column->offset;
    uint64_t bits;
    wfs_row_id reference = (wfs_row_id)value->integer;
    wfsi_handle handle = 0;

    wfsi_cell_set_null(row, number, value->type == WFS_NULL);
    switch (value->type) {
    case WFS_NULL:
        memset(cell, 0, column->size);
        break;
    case WFS_REAL:
        bits = wfsi_real_bits(value->real);
        memcpy(cell, &bits, sizeof bits);
        break;
    case WFS_BOOL:
        *cell = value->integer != 0;
        break;
    case WFS_REFERENCE:
        memcpy(cell, &reference, sizeof reference);
        break;
    case WFS_TEXT:
    case WFS_JSON:
        handle = column->interned
                     ? wfsi_symbol(store, value->text, value->size)
                     : wfsi_text_keep(store, value->text, value->size);
        memcpy(cell, &handle, sizeof handle);
        return handle != 0;
    default:
        memcpy(cell, &value->integer, sizeof value->integer);
    }
    return true;
}

/* Free the text of a cell, unless the row had it before. */
static void wfsi_cell_discard(wfs_store *store, const wfsi_column *column,
                              const char *row, const char *before)
{
    wfsi_handle handle;

    if (!column->owns)
        return;
    handle = wfsi_cell_handle(column, row);
    if (before == NULL || wfsi_cell_handle(column, before) != handle)
        wfsi_text_free(store, handle);
}

/* before: the row as it was, or NULL when it is new. */
static wfs_status wfsi_row_fill(wfs_store *store, const wfsi_table *table,
                                char *row, const char *before,
                                const wfs_field *fields)
{
    uint32_t number = UINT32_MAX;

    for (; fields != NULL && fields->column != NULL; fields++) {
        number = wfsi_column_find(store, table, fields->column,
                                  strlen(fields->column), number + 1);
        if (number == UINT32_MAX)
            return wfsi_error(&store->error, WFS_ERR_COLUMN_NOT_FOUND,
                              "table %s has no column %s",
                              wfsi_text(store, table->name, NULL),
                              fields->column);
        WFS_TRY(wfsi_check_value(store, table, &table->columns[number],
                                 &fields->value));
        wfsi_cell_discard(store, &table->columns[number], row, before);
        if (!wfsi_cell_write(store, table, number, row, &fields->value))
            return wfsi_no_memory(&store->error);
    }
    return WFS_OK;
}

/* Write the default of each column, or null; of those whose default is a text
 * that each row has for itself, or of the others. */
static bool wfsi_write_defaults(wfs_store *store, const wfsi_table *table,
                                char *row, bool own_texts)
{
    const wfsi_column *column;
    wfs_value value;
    uint32_t i;

    for (i = 0; i < wfsi_array_count(table->columns); i++) {
        column = &table->columns[i];
        if ((column->owns && column->has_default) != own_texts)
            continue;
        value = wfs_null();
        if (column->has_default) {
            value.type = column->type;
            value.integer = column->default_integer;
            value.real = column->default_real;
            value.text = wfsi_text(store, column->default_text, &value.size);
        }
        if (!wfsi_cell_write(store, table, i, row, &value))
            return false;
    }
    return true;
}

/* A row with all defaults; without memory one without texts. */
static bool wfsi_row_defaults(wfs_store *store, wfsi_table *table, char *row)
{
    if (table->blank == NULL) {
        table->blank =
            (char *)wfsi_allocate_zeroed(&store->allocator, table->row_size);
        if (table->blank == NULL) {
            memset(row, 0, table->row_size);
            return false;
        }
        /* needs no memory: what is interned there is since it was declared */
        wfsi_write_defaults(store, table, table->blank, false);
    }
    memcpy(row, table->blank, table->row_size);
    return !table->default_texts ||
           wfsi_write_defaults(store, table, row, true);
}

static wfs_status wfsi_table_of(wfs_store *store, const char *name,
                                uint32_t *number)
{
    *number = wfsi_table_find(store, name);
    return *number != UINT32_MAX
               ? WFS_OK
               : wfsi_error(&store->error, WFS_ERR_TABLE_NOT_FOUND,
                            "there is no table %s", name);
}

/* The same for a table that the user may write. */
static wfs_status wfsi_table_to_write(wfs_store *store, const char *name,
                                      uint32_t *number)
{
    WFS_TRY(wfsi_table_of(store, name, number));
    return *number >= store->reserved
               ? WFS_OK
               : wfsi_error(&store->error, WFS_ERR_ARGUMENT,
                            "table %s belongs to the engine", name);
}

/* The row to change or read, in the version that is asked for (0: any). */
WFSI_INLINE wfs_status wfsi_row_of(wfs_store *store, uint32_t number,
                                   wfs_row_id id, uint32_t version)
{
    const wfsi_table *table = &store->tables[number];
    const char *row = wfsi_row_find(table, id);

    if (row == NULL)
        return wfsi_error(&store->error, WFS_ERR_ROW_NOT_FOUND,
                          "table %s has no row %i",
                          wfsi_text(store, table->name, NULL), (int64_t)id);
    if (version != 0 && wfsi_row_version(row) != version)
        return wfsi_error(&store->error, WFS_ERR_CONFLICT,
                          "table %s: row %i has version %i, not %i",
                          wfsi_text(store, table->name, NULL), (int64_t)id,
                          (int64_t)wfsi_row_version(row), (int64_t)version);
    return WFS_OK;
}

/* --- public writes: each in a transaction of its own */

WFSI_APART
static wfs_status wfsi_insert(wfs_store *store, uint32_t number,
                              const wfs_field *fields, wfs_row_id *id)
{
    wfsi_table *table = &store->tables[number];
    char *row = wfsi_row_new(store, table);
    wfs_status status;

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    status = wfsi_row_defaults(store, table, row)
                 ? wfsi_row_fill(store, table, row, NULL, fields)
                 : wfsi_no_memory(&store->error);
    if (status == WFS_OK)
        status = wfsi_check_columns(store, table, row);
    if (status == WFS_OK)
        return wfsi_row_insert(store, number, row, id);
    wfsi_row_free_texts(store, table, row, NULL);
    return status;
}

WFSI_APART
static wfs_status wfsi_update(wfs_store *store, uint32_t number, wfs_row_id id,
                              const wfs_field *fields)
{
    wfsi_table *table = &store->tables[number];
    char *row = wfsi_row_edit(store, number, id);
    wfsi_undo record;
    wfs_status status;

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    record = wfsi_undo_last(store);
    status = wfsi_row_fill(store, table, row, wfsi_undo_row(store, &record),
                           fields);
    if (status == WFS_OK)
        status = wfsi_check_columns(store, table, row);
    if (status == WFS_OK)
        return wfsi_row_changed(store, number, id);
    wfsi_row_reset(store, table, row);
    return status;
}

/* Close the transaction of one call: all or nothing. */
WFSI_INLINE wfs_status wfsi_close(wfs_store *store, wfs_status status)
{
    if (status == WFS_OK)
        wfsi_commit(store);
    else
        wfsi_rollback(store);
    return status;
}

/* Code of the user's runs: of the transactions, it may end only those that it
 * begins itself. Returns what wfsi_unguard needs. */
WFSI_INLINE size_t wfsi_guard(wfs_store *store)
{
    size_t floor = store->floor;

    store->floor = wfsi_array_count(store->savepoints);
    return floor;
}

/* It has run. What it left open is taken back, and is a mistake. */
WFSI_INLINE wfs_status wfsi_unguard(wfs_store *store, size_t floor,
                                    wfs_status status)
{
    if (wfsi_array_count(store->savepoints) > store->floor &&
        status < WFS_ERR_NO_MEMORY)
        status = wfsi_error(&store->error, WFS_ERR_MISUSE,
                            "a transaction was begun and not ended");
    while (wfsi_array_count(store->savepoints) > store->floor)
        wfsi_rollback(store);
    store->floor = floor;
    return status;
}

wfs_status wfs_insert(wfs_store *store, const char *table,
                      const wfs_field *fields, wfs_row_id *id)
{
    uint32_t number;

    WFS_TRY(wfsi_table_to_write(store, table, &number));
    if (!wfsi_begin(store))
        return wfsi_no_memory(&store->error);
    return wfsi_close(store, wfsi_insert(store, number, fields, id));
}

wfs_status wfs_update(wfs_store *store, const char *table, wfs_row_id id,
                      uint32_t version, const wfs_field *fields)
{
    uint32_t number;

    WFS_TRY(wfsi_table_to_write(store, table, &number));
    WFS_TRY(wfsi_row_of(store, number, id, version));
    if (!wfsi_begin(store))
        return wfsi_no_memory(&store->error);
    return wfsi_close(store, wfsi_update(store, number, id, fields));
}

wfs_status wfs_delete(wfs_store *store, const char *table, wfs_row_id id,
                      uint32_t version)
{
    uint32_t number;

    WFS_TRY(wfsi_table_to_write(store, table, &number));
    WFS_TRY(wfsi_row_of(store, number, id, version));
    if (!wfsi_begin(store))
        return wfsi_no_memory(&store->error);
    return wfsi_close(store, wfsi_row_delete(store, number, id));
}

wfs_status wfs_begin(wfs_store *store)
{
    return wfsi_begin(store) ? WFS_OK : wfsi_no_memory(&store->error);
}

static wfs_status wfsi_no_transaction(wfs_store *store)
{
    return wfsi_error(&store->error, WFS_ERR_NO_TRANSACTION,
                      "no transaction is open");
}

wfs_status wfs_commit(wfs_store *store)
{
    if (wfsi_array_count(store->savepoints) <= store->floor)
        return wfsi_no_transaction(store);
    wfsi_commit(store);
    return WFS_OK;
}

wfs_status wfs_rollback(wfs_store *store)
{
    if (wfsi_array_count(store->savepoints) <= store->floor)
        return wfsi_no_transaction(store);
    wfsi_rollback(store);
    return WFS_OK;
}

/* --- public reads */

static wfs_row wfsi_row_handle(const wfs_store *store, uint32_t number,
                               wfs_row_id id)
{
    wfs_row row;

    row.store = store;
    row.table = number;
    row.id = id;
    row.version = wfsi_row_version(wfsi_row_at(&store->tables[number], id));
    return row;
}

wfs_status wfs_get(wfs_store *store, const char *table, wfs_row_id id,
                   wfs_row *row)
{
    uint32_t number;

    WFS_TRY(wfsi_table_of(store, table, &number));
    WFS_TRY(wfsi_row_of(store, number, id, 0));
    *row = wfsi_row_handle(store, number, id);
    return WFS_OK;
}

static wfs_status wfsi_index_of(wfs_store *store, uint32_t number,
                                const char *name, wfsi_index **index)
{
    *index = wfsi_index_find(store, &store->tables[number], name);
    return *index != NULL
               ? WFS_OK
               : wfsi_error(&store->error, WFS_ERR_INDEX_NOT_FOUND,
                            "table %s has no index %s",
                            wfsi_text(store, store->tables[number].name, NULL),
                            name);
}

/* Whether values fit the columns of an index from place `first` on. */
static wfs_status wfsi_check_key(wfs_store *store, const wfsi_table *table,
                                 const wfsi_index *index, size_t first,
                                 const wfs_value *values, size_t count)
{
    const wfsi_column *column;
    size_t i;

    if (first + count > index->column_count)
        return wfsi_error(&store->error, WFS_ERR_ARGUMENT,
                          "table %s, index %s: more values than columns",
                          wfsi_text(store, table->name, NULL),
                          wfsi_text(store, index->name, NULL));
    for (i = 0; i < count; i++) {
        column = &table->columns[index->parts[first + i].column];
        if (values[i].type != WFS_NULL && values[i].type != column->type)
            return wfsi_check_value(store, table, column, &values[i]);
    }
    return WFS_OK;
}

/* The row (unique) or first row (list) with a whole key given as values, or
 * 0. */
static wfs_row_id wfsi_values_find(const wfs_store *store,
                                   const wfsi_table *table,
                                   const wfsi_index *index,
                                   const wfs_value *values)
{
    uint64_t words[WFSI_INDEX_COLUMNS];
    const wfsi_part *part;
    uint32_t i;

    for (i = 0; i < index->column_count; i++) {
        part = &index->parts[i];
        if ((values[i].type == WFS_NULL &&
             (index->partial || !part->nullable)) ||
            !wfsi_value_word(store, &table->columns[part->column], &values[i],
                             &words[i]))
            return 0;
    }
    if (index->direct) {    /* 0 stands for null in a list of references */
        if (words[0] == 0 && values[0].type == WFS_REFERENCE)
            return 0;
        return words[0] < wfsi_array_count(index->heads)
                   ? index->heads[words[0]]
                   : 0;
    }
    return wfsi_key_find(store, table, index, words, values);
}

wfs_status wfs_find(wfs_store *store, const char *table, const char *index,
                    const wfs_value *key, size_t key_count, wfs_row *row)
{
    uint32_t number;
    wfsi_index *found;
    wfs_row_id id;

    WFS_TRY(wfsi_table_of(store, table, &number));
    WFS_TRY(wfsi_index_of(store, number, index, &found));
    WFS_TRY(wfsi_check_key(store, &store->tables[number], found, 0, key,
                           key_count));
    if (!found->unique || key_count != found->column_count)
        return wfsi_error(&store->error, WFS_ERR_ARGUMENT,
                          "table %s, index %s: find needs a unique index and "
                          "a value for each of its columns",
                          table, index);
    if (!wfsi_map_build(store, &store->tables[number], found))
        return wfsi_no_memory(&store->error);
    id = wfsi_values_find(store, &store->tables[number], found, key);
    if (id == 0)
        return wfsi_error(&store->error, WFS_ERR_ROW_NOT_FOUND,
                          "table %s, index %s: no row has that key", table,
                          index);
    *row = wfsi_row_handle(store, number, id);
    return WFS_OK;
}

size_t wfs_count(const wfs_store *store, const char *table)
{
    uint32_t number = wfsi_table_find(store, table);

    return number != UINT32_MAX ? store->tables[number].count : 0;
}

wfs_value wfs_row_value(const wfs_row *row, const char *column)
{
    const wfsi_table *table = &row->store->tables[row->table];
    const char *bytes = wfsi_row_find(table, row->id);
    uint32_t number =
        wfsi_column_find(row->store, table, column, strlen(column), 0);

    return bytes != NULL && number != UINT32_MAX
               ? wfsi_cell(row->store, table, bytes, number)
               : wfs_null();
}

int64_t wfs_row_integer(const wfs_row *row, const char *column)
{
    return wfs_row_value(row, column).integer;
}

const char *wfs_row_text(const wfs_row *row, const char *column)
{
    return wfs_row_value(row, column).text;
}

/* --- cursors
 *
 * A cursor remembers the key and the id of its last row, as bytes: which
 * table and index (4 bytes), the id (4 bytes), then each column of the index
 * (a type; 8 bytes, or for texts 4 bytes of size and the text). */

static const wfsi_index *wfsi_cursor_index(const wfs_cursor *cursor)
{
    return cursor->index < 0
               ? NULL
               : &cursor->store->tables[cursor->table].indexes[cursor->index];
}

static uint32_t wfsi_cursor_tag(const wfs_cursor *cursor)
{
    const wfsi_index *index = wfsi_cursor_index(cursor);
    const char *name;
    size_t size;
    uint64_t hash;

    name = wfsi_text(cursor->store, cursor->store->tables[cursor->table].name,
                     &size);
    hash = wfsi_hash_bytes(0, name, size);
    name = wfsi_text(cursor->store, index != NULL ? index->name : 0, &size);
    return (uint32_t)wfsi_hash_bytes(hash, name, size);
}

WFSI_INLINE void wfsi_put_word(char **at, uint64_t word, size_t bytes)
{
    size_t i;

    for (i = 0; i < bytes; i++)
        (*at)[i] = (char)(unsigned char)(word >> (8 * i));
    *at += bytes;
}

static uint64_t wfsi_get_word(const char **at, int bytes)
{
    uint64_t word = 0;
    int i;

    for (i = bytes - 1; i >= 0; i--)
        word = word << 8 | (unsigned char)(*at)[i];
    *at += bytes;
    return word;
}

/* The columns of an index that are part of a position. */
static uint32_t wfsi_key_columns(const wfsi_index *index)
{
    return index != NULL && !index->list ? index->column_count : 0;
}

/* Remember a row's key; false without memory. */
static bool wfsi_key_save(wfs_cursor *cursor, wfs_row_id id)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    const wfsi_index *index = wfsi_cursor_index(cursor);
    const char *row = wfsi_row_at(table, id);
    wfs_value values[WFSI_INDEX_COLUMNS];
    size_t size = 8;
    uint32_t i, count = wfsi_key_columns(index);
    uint64_t bits;
    char *at;

    for (i = 0; i < count; i++) {
        values[i] =
            wfsi_cell(cursor->store, table, row, index->parts[i].column);
        size += 9 + values[i].size;
    }
    if (!wfsi_array_reserve(&cursor->store->allocator, cursor->key, size))
        return false;           /* the key of the row before is still there */
    at = cursor->key;
    wfsi_put_word(&at, id, 4);
    for (i = 0; i < count; i++) {
        *at++ = (char)values[i].type;
        if (values[i].text != NULL) {
            wfsi_put_word(&at, values[i].size, 4);
            memcpy(at, values[i].text, values[i].size);
            at += values[i].size;
        } else {
            bits = (uint64_t)values[i].integer;
            if (values[i].type == WFS_REAL)
                memcpy(&bits, &values[i].real, sizeof bits);
            wfsi_put_word(&at, bits, 8);
        }
    }
    wfsi_array_shrink(cursor->key, (size_t)(at - cursor->key));
    return true;
}

/* The remembered key as values, which point into it; false when the bytes,
 * which may come from outside, are not a key of this cursor. */
static bool wfsi_key_load(const wfs_cursor *cursor, wfs_value *values,
                          wfs_row_id *id)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    const wfsi_index *index = wfsi_cursor_index(cursor);
    const char *at = cursor->key, *end;
    uint32_t i, count = wfsi_key_columns(index);
    uint64_t bits;
    bool is_text;

    end = at + wfsi_array_count(cursor->key);
    if (end - at < 4)
        return false;
    *id = (wfs_row_id)wfsi_get_word(&at, 4);
    for (i = 0; i < count; i++) {
        if (end - at < 5)
            return false;
        values[i] = wfs_null();
        values[i].type = (wfs_type)(unsigned char)*at++;
        if (values[i].type != WFS_NULL &&
            values[i].type != table->columns[index->parts[i].column].type)
            return false;
        is_text = values[i].type == WFS_TEXT || values[i].type == WFS_JSON;
        if (!is_text && end - at < 8)
            return false;
        bits = wfsi_get_word(&at, is_text ? 4 : 8);
        if (values[i].type == WFS_REAL) {
            memcpy(&values[i].real, &bits, sizeof bits);
        } else if (!is_text) {
            values[i].integer = (int64_t)bits;
        } else {
            if ((uint64_t)(end - at) < bits)
                return false;
            values[i].text = at;
            values[i].size = (size_t)bits;
            at += bits;
        }
    }
    return at == end;
}

/* -1, 0, 1: the row is before, in or after what the query asks for. */
static int wfsi_cursor_side(const wfs_cursor *cursor, wfs_row_id id)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    const wfsi_index *index = wfsi_cursor_index(cursor);
    const char *row = wfsi_row_at(table, id);
    wfs_value value;
    size_t i, size;
    int order;

    for (i = 0; i < cursor->equal_count; i++) {
        value = wfsi_cell(cursor->store, table, row, index->parts[i].column);
        order = wfsi_value_compare(&value, &cursor->equal[i]);
        if (order != 0)
            return order;
    }
    if (i == index->column_count)
        return 0;
    value = wfsi_cell(cursor->store, table, row, index->parts[i].column);
    if (cursor->has_low && wfsi_value_compare(&value, &cursor->low) < 0)
        return -1;
    if (cursor->has_high && wfsi_value_compare(&value, &cursor->high) > 0)
        return 1;
    if (cursor->starts_with == NULL)
        return 0;
    if (value.type == WFS_NULL)
        return -1;
    size = cursor->starts_with_size;
    order = size == 0 ? 0
                      : memcmp(value.text, cursor->starts_with,
                               value.size < size ? value.size : size);
    return order != 0 ? order : value.size < size ? -1 : 0;
}

/* Where a query starts: at the higher of its lower bounds, or going down at
 * the lower of its upper ones; the end of a prefix is not inclusive. */
static wfsi_place wfsi_cursor_bound(const wfs_cursor *cursor)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    const wfsi_index *index = wfsi_cursor_index(cursor);
    wfs_value values[WFSI_INDEX_COLUMNS + 1], *bound, prefix;
    size_t count = cursor->equal_count;
    bool down = cursor->descending;
    wfs_row_id id = down ? UINT32_MAX : 0;
    wfsi_probe probe;

    memcpy(values, cursor->equal, count * sizeof values[0]);
    bound = &values[count];
    prefix = down ? wfs_text_n(cursor->prefix_end, cursor->prefix_end_size)
                  : wfs_text_n(cursor->starts_with, cursor->starts_with_size);
    if (down ? cursor->has_high : cursor->has_low) {
        *bound = down ? cursor->high : cursor->low;
        count++;
    }
    if (prefix.text != NULL &&
        (count == cursor->equal_count ||
         (wfsi_value_compare(bound, &prefix) < 0) == !down)) {
        *bound = prefix;
        count = cursor->equal_count + 1;
        id = 0;
    }
    probe = wfsi_value_probe(values, count, id);
    return down ? wfsi_tree_seek_back(cursor->store, table, index, &probe)
                : wfsi_tree_seek(cursor->store, table, index, &probe);
}

/* The entry after the last row's, wherever that is now. */
static wfsi_place wfsi_cursor_resume(const wfs_cursor *cursor)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    const wfsi_index *index = wfsi_cursor_index(cursor);
    wfs_value values[WFSI_INDEX_COLUMNS];
    wfs_row_id id;
    wfsi_probe probe;

    if (cursor->changes == cursor->store->changes && cursor->place.node != 0)
        return cursor->descending
                   ? wfsi_tree_previous(&index->ordered, cursor->place)
                   : wfsi_tree_next(&index->ordered, cursor->place);
    wfsi_key_load(cursor, values, &id);
    if (!cursor->descending && id != UINT32_MAX)
        id++;
    probe = wfsi_value_probe(values, index->column_count, id);
    return cursor->descending
               ? wfsi_tree_seek_back(cursor->store, table, index, &probe)
               : wfsi_tree_seek(cursor->store, table, index, &probe);
}

/* The next row in an ordered index, or 0. A position from another page may
 * lie outside of the bounds. */
static wfs_row_id wfsi_cursor_tree(const wfs_cursor *cursor, wfsi_place *place)
{
    const wfsi_tree *tree = &wfsi_cursor_index(cursor)->ordered;
    const wfsi_entry *entry;
    int side, outside = cursor->descending ? 1 : -1;

    *place = cursor->started ? wfsi_cursor_resume(cursor)
                             : wfsi_cursor_bound(cursor);
    entry = wfsi_tree_entry(tree, *place);
    side = entry != NULL ? wfsi_cursor_side(cursor, entry->id) : 0;
    if (side == outside) {
        *place = wfsi_cursor_bound(cursor);
        entry = wfsi_tree_entry(tree, *place);
        side = entry != NULL ? wfsi_cursor_side(cursor, entry->id) : 0;
    }
    return entry != NULL && side == 0 ? entry->id : 0;
}

/* The next row of a list, or 0. */
static wfs_row_id wfsi_cursor_list(const wfs_cursor *cursor)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    const wfsi_index *index = wfsi_cursor_index(cursor);
    wfs_row_id id, first = wfsi_values_find(cursor->store, table, index,
                                            cursor->equal);

    if (first == 0)
        return 0;
    if (cursor->started && wfsi_row_find(table, cursor->last) != NULL &&
        wfsi_cursor_side(cursor, cursor->last) == 0) {
        if (!cursor->descending)
            return wfsi_row_link(table, index, cursor->last)->next;
        return cursor->last == first
                   ? 0
                   : wfsi_row_link(table, index, cursor->last)->prev;
    }
    if (!cursor->descending) {
        for (id = first; id != 0 && cursor->started && id <= cursor->last;)
            id = wfsi_row_link(table, index, id)->next;
        return id;
    }
    for (id = wfsi_row_link(table, index, first)->prev;
         cursor->started && id >= cursor->last;
         id = wfsi_row_link(table, index, id)->prev)
        if (id == first)
            return 0;
    return id;
}

/* The next row by id, or 0. */
static wfs_row_id wfsi_cursor_rows(const wfs_cursor *cursor)
{
    const wfsi_table *table = &cursor->store->tables[cursor->table];
    wfs_row_id id = cursor->started      ? cursor->last
                    : cursor->descending ? table->next_id
                                         : 0;

    if (cursor->descending) {
        if (id > table->next_id)
            id = table->next_id;
        while (id > 1)
            if (wfsi_row_find(table, --id) != NULL)
                return id;
        return 0;
    }
    while (id < table->next_id - 1)
        if (wfsi_row_find(table, ++id) != NULL)
            return id;
    return 0;
}

/* The next row, or 0; *failed without memory to build the index. */
static wfs_row_id wfsi_cursor_peek(wfs_cursor *cursor, wfsi_place *place,
                                   bool *failed)
{
    wfsi_table *table = &cursor->store->tables[cursor->table];
    wfsi_index *index =
        cursor->index < 0 ? NULL : &table->indexes[cursor->index];

    *failed = false;
    place->node = place->at = 0;
    if (index == NULL)
        return wfsi_cursor_rows(cursor);
    if (index->list)
        return wfsi_cursor_list(cursor);
    if (!index->ordered.built) {
        cursor->place.node = 0;
        *failed = !wfsi_tree_build(cursor->store, table, index);
        if (*failed)
            return 0;
    }
    return wfsi_cursor_tree(cursor, place);
}

wfs_status wfs_cursor_next(wfs_cursor *cursor, wfs_row *row)
{
    wfsi_place place;
    bool failed;
    wfs_row_id id;

    if (cursor->left == 0)
        return WFS_DONE;
    id = wfsi_cursor_peek(cursor, &place, &failed);
    if (id == 0)
        return failed ? wfsi_no_memory(&cursor->store->error) : WFS_DONE;
    if (!wfsi_key_save(cursor, id))
        return wfsi_no_memory(&cursor->store->error);
    cursor->left--;
    cursor->started = true;
    cursor->last = id;
    cursor->place = place;
    cursor->changes = cursor->store->changes;
    *row = wfsi_row_handle(cursor->store, cursor->table, id);
    return WFS_OK;
}

bool wfs_cursor_has_more(wfs_cursor *cursor)
{
    wfsi_place place;
    bool failed;

    return wfsi_cursor_peek(cursor, &place, &failed) != 0 || failed;
}

const char *wfs_cursor_text(wfs_cursor *cursor)
{
    static const char digits[] = "0123456789abcdef";
    size_t i, size = wfsi_array_count(cursor->key);
    char tag[4], *at = tag;
    unsigned char byte;

    wfsi_array_shrink(cursor->text, 0);
    if (!cursor->started ||
        !wfsi_array_reserve(&cursor->store->allocator, cursor->text,
                            (sizeof tag + size) * 2 + 1))
        return NULL;
    wfsi_put_word(&at, wfsi_cursor_tag(cursor), sizeof tag);
    for (i = 0; i < sizeof tag + size; i++) {
        byte = (unsigned char)(i < sizeof tag ? tag[i]
                                              : cursor->key[i - sizeof tag]);
        wfsi_array_push(cursor->text, digits[byte >> 4]);
        wfsi_array_push(cursor->text, digits[byte & 15]);
    }
    wfsi_array_push(cursor->text, '\0');
    return cursor->text;
}

static int wfsi_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Take up the position that a cursor's text tells. */
static wfs_status wfsi_cursor_continue(wfs_cursor *cursor, const char *text)
{
    wfs_value values[WFSI_INDEX_COLUMNS];
    size_t i, size = strlen(text);
    const char *tag;
    int high, low;
    bool good = size % 2 == 0 && size >= 8;

    if (!wfsi_array_reserve(&cursor->store->allocator, cursor->key, size / 2))
        return wfsi_no_memory(&cursor->store->error);
    for (i = 0; good && i < size; i += 2) {
        high = wfsi_hex_digit(text[i]);
        low = wfsi_hex_digit(text[i + 1]);
        good = high >= 0 && low >= 0;
        wfsi_array_push(cursor->key, (char)(unsigned char)(high * 16 + low));
    }
    tag = cursor->key;
    good = good && wfsi_get_word(&tag, 4) == wfsi_cursor_tag(cursor);
    if (good) {
        memmove(cursor->key, tag, size / 2 - 4);
        wfsi_array_shrink(cursor->key, size / 2 - 4);
    }
    if (!good || !wfsi_key_load(cursor, values, &cursor->last))
        return wfsi_error(&cursor->store->error, WFS_ERR_CURSOR,
                          "not a cursor of this query: %s", text);
    cursor->started = true;
    cursor->changes = cursor->store->changes - 1;
    return WFS_OK;
}

/* A value whose text is the cursor's own. */
static bool wfsi_cursor_own(wfs_cursor *cursor, wfs_value *copy,
                            const wfs_value *value)
{
    *copy = *value;
    if (value->text != NULL)
        copy->text = wfsi_arena_text(&cursor->arena, value->text, value->size);
    return !cursor->arena.failed;
}

/* The prefix, and the first text that comes after all that start with it. */
static void wfsi_cursor_prefix(wfs_cursor *cursor, const wfs_value *prefix)
{
    size_t size = prefix->size;
    char *end = wfsi_arena_text(&cursor->arena, prefix->text, size);

    cursor->starts_with =
        wfsi_arena_text(&cursor->arena, prefix->text, prefix->size);
    cursor->starts_with_size = prefix->size;
    while (end != NULL && size > 0 && (unsigned char)end[size - 1] == 0xFF)
        size--;
    if (end == NULL || size == 0)
        return;
    end[size - 1]++;
    cursor->prefix_end = end;
    cursor->prefix_end_size = size;
}

static wfs_status wfsi_cursor_bounds(wfs_cursor *cursor,
                                     const wfs_query *query,
                                     const wfsi_index *index)
{
    wfs_store *store = cursor->store;
    const wfsi_table *table = &store->tables[cursor->table];
    wfs_value prefix = wfs_text(query->starts_with);
    size_t i, count = query->equal_count;

    WFS_TRY(wfsi_check_key(store, table, index, 0, query->equal, count));
    if (query->from != NULL)
        WFS_TRY(wfsi_check_key(store, table, index, count, query->from, 1));
    if (query->to != NULL)
        WFS_TRY(wfsi_check_key(store, table, index, count, query->to, 1));
    if (query->starts_with != NULL)
        WFS_TRY(wfsi_check_key(store, table, index, count, &prefix, 1));
    for (i = 0; i < count; i++)
        wfsi_cursor_own(cursor, &cursor->equal[i], &query->equal[i]);
    cursor->equal_count = count;
    cursor->has_low = query->from != NULL;
    cursor->has_high = query->to != NULL;
    if (cursor->has_low)
        wfsi_cursor_own(cursor, &cursor->low, query->from);
    if (cursor->has_high)
        wfsi_cursor_own(cursor, &cursor->high, query->to);
    if (query->starts_with != NULL)
        wfsi_cursor_prefix(cursor, &prefix);
    return cursor->arena.failed ? wfsi_no_memory(&store->error) : WFS_OK;
}

static wfs_status wfsi_cursor_start(wfs_cursor *cursor, const wfs_query *query)
{
    wfs_store *store = cursor->store;
    wfsi_index *index = NULL;

    cursor->index = -1;
    cursor->descending = query->descending;
    cursor->left = query->page_size != 0 ? query->page_size : SIZE_MAX;
    WFS_TRY(wfsi_table_of(store, query->table, &cursor->table));
    if (query->index != NULL) {
        WFS_TRY(wfsi_index_of(store, cursor->table, query->index, &index));
        cursor->index =
            (int)(index - store->tables[cursor->table].indexes);
        WFS_TRY(wfsi_cursor_bounds(cursor, query, index));
    }
    if (index == NULL
            ? query->equal_count != 0 || query->from != NULL ||
                  query->to != NULL || query->starts_with != NULL
            : (!index->list && !index->tree) ||
                  (index->list && query->equal_count != index->column_count))
        return wfsi_error(&store->error, WFS_ERR_ARGUMENT,
                          "table %s, index %s: it is not ordered, or a list "
                          "without a value for each of its columns, or there "
                          "are bounds without an index",
                          query->table, query->index);
    return query->cursor != NULL ? wfsi_cursor_continue(cursor, query->cursor)
                                 : WFS_OK;
}

/* The cursor that was closed last, or a new one; NULL without memory. */
static wfs_cursor *wfsi_cursor_take(wfs_store *store)
{
    wfs_cursor *cursor = store->spare_cursor;

    if (cursor == NULL) {
        cursor = (wfs_cursor *)wfsi_allocate(&store->allocator, sizeof *cursor);
        if (cursor == NULL)
            return NULL;
        cursor->store = store;
        cursor->key = cursor->text = NULL;
        wfsi_arena_open(&cursor->arena, &store->allocator);
    }
    store->spare_cursor = NULL;
    memset((char *)cursor + offsetof(wfs_cursor, table), 0,
           offsetof(wfs_cursor, equal) - offsetof(wfs_cursor, table));
    return cursor;
}

wfs_status wfs_cursor_open(wfs_store *store, const wfs_query *query,
                           wfs_cursor **cursor)
{
    wfs_status status;

    *cursor = wfsi_cursor_take(store);
    if (*cursor == NULL)
        return wfsi_no_memory(&store->error);
    status = wfsi_cursor_start(*cursor, query);
    if (status != WFS_OK) {
        wfs_cursor_close(*cursor);
        *cursor = NULL;
    }
    return status;
}

void wfs_cursor_close(wfs_cursor *cursor)
{
    if (cursor == NULL)
        return;
    if (cursor->store->spare_cursor != NULL) {
        wfsi_cursor_free(cursor);
        return;
    }
    wfsi_arena_clear(&cursor->arena);
    wfsi_array_shrink(cursor->key, 0);
    cursor->store->spare_cursor = cursor;
}

/* --- comparing stores: by content, never by how it is kept */

static uint64_t wfsi_hash_value(uint64_t hash, const wfs_value *value)
{
    uint64_t bits = (uint64_t)value->integer;

    if (value->type == WFS_REAL)
        memcpy(&bits, &value->real, sizeof bits);
    hash = wfsi_mix(wfsi_mix(hash, (uint64_t)value->type), bits);
    return value->text != NULL ? wfsi_hash_bytes(hash, value->text, value->size)
                               : hash;
}

static uint64_t wfsi_hash_table(uint64_t hash, const wfs_store *store,
                                const wfsi_table *table)
{
    const char *row, *name;
    wfs_value value;
    wfs_row_id id;
    uint32_t i, count = (uint32_t)wfsi_array_count(table->columns);
    size_t size;

    name = wfsi_text(store, table->name, &size);
    hash = wfsi_mix(wfsi_hash_bytes(hash, name, size), table->next_id);
    for (id = 1; id < table->next_id; id++) {
        row = wfsi_row_find(table, id);
        if (row == NULL)
            continue;
        hash = wfsi_mix(wfsi_mix(hash, id), wfsi_row_version(row));
        for (i = 0; i < count; i++) {
            value = wfsi_cell(store, table, row, i);
            hash = wfsi_hash_value(hash, &value);
        }
    }
    return hash;
}

uint64_t wfs_store_hash(const wfs_store *store)
{
    uint64_t hash = 0;
    size_t i;

    for (i = 0; i < wfsi_array_count(store->tables); i++)
        hash = wfsi_hash_table(hash, store, &store->tables[i]);
    return hash;
}

static bool wfsi_same_text(const wfs_store *left, wfsi_handle left_text,
                           const wfs_store *right, wfsi_handle right_text)
{
    wfs_value first, second;

    first = wfsi_value(WFS_TEXT, 0, 0, NULL, 0);
    second = first;
    first.text = wfsi_text(left, left_text, &first.size);
    second.text = wfsi_text(right, right_text, &second.size);
    return wfsi_value_compare(&first, &second) == 0;
}

/* Same name, columns, next id and number of rows. */
static bool wfsi_same_shape(const wfs_store *left, const wfsi_table *first,
                            const wfs_store *right, const wfsi_table *second)
{
    size_t i, count = wfsi_array_count(first->columns);

    if (!wfsi_same_text(left, first->name, right, second->name) ||
        first->next_id != second->next_id || first->count != second->count ||
        count != wfsi_array_count(second->columns))
        return false;
    for (i = 0; i < count; i++)
        if (first->columns[i].type != second->columns[i].type ||
            !wfsi_same_text(left, first->columns[i].name, right,
                            second->columns[i].name))
            return false;
    return true;
}

/* Null, or equal to the bit. */
static bool wfsi_same_value(const wfs_value *left, const wfs_value *right)
{
    return left->type == right->type &&
           wfsi_hash_value(0, left) == wfsi_hash_value(0, right) &&
           (left->type == WFS_NULL || left->type == WFS_REAL ||
            wfsi_value_compare(left, right) == 0);
}

static bool wfsi_same_row(const wfs_store *left, const wfsi_table *first,
                          const wfs_store *right, const wfsi_table *second,
                          wfs_row_id id, wfs_error *difference)
{
    const char *row = wfsi_row_find(first, id);
    const char *other = wfsi_row_find(second, id);
    const char *name = wfsi_text(left, first->name, NULL);
    wfs_value value, twin;
    uint32_t i;

    if (row == NULL && other == NULL)
        return true;
    if (row == NULL || other == NULL) {
        wfsi_error(difference, WFS_ERR_CONFLICT,
                   "table %s: only one has row %i", name, (int64_t)id);
        return false;
    }
    for (i = 0; i < wfsi_array_count(first->columns); i++) {
        value = wfsi_cell(left, first, row, i);
        twin = wfsi_cell(right, second, other, i);
        if (wfsi_same_value(&value, &twin))
            continue;
        wfsi_error(difference, WFS_ERR_CONFLICT,
                   "table %s, row %i: column %s differs", name, (int64_t)id,
                   wfsi_text(left, first->columns[i].name, NULL));
        return false;
    }
    if (wfsi_row_version(row) == wfsi_row_version(other))
        return true;
    wfsi_error(difference, WFS_ERR_CONFLICT,
               "table %s, row %i: versions %i and %i", name, (int64_t)id,
               (int64_t)wfsi_row_version(row),
               (int64_t)wfsi_row_version(other));
    return false;
}

bool wfs_store_equal(const wfs_store *left, const wfs_store *right,
                     wfs_error *difference)
{
    const wfsi_table *first, *second;
    wfs_row_id id;
    size_t i;

    if (wfsi_array_count(left->tables) != wfsi_array_count(right->tables)) {
        wfsi_error(difference, WFS_ERR_CONFLICT,
                   "they have not the same number of tables");
        return false;
    }
    for (i = 0; i < wfsi_array_count(left->tables); i++) {
        first = &left->tables[i];
        second = &right->tables[i];
        if (!wfsi_same_shape(left, first, right, second)) {
            wfsi_error(difference, WFS_ERR_CONFLICT,
                       "table %s: name, columns, rows or next ids differ",
                       wfsi_text(left, first->name, NULL));
            return false;
        }
        for (id = 1; id < first->next_id; id++)
            if (!wfsi_same_row(left, first, right, second, id, difference))
                return false;
    }
    return true;
}

/* --- tables as C structs
 *
 * A table of the library's own is one list of columns, from which both the
 * declaration for the store and the C struct of its rows are made, so that its
 * section reads and writes rows in place. */

/* X(C type, member, column, type, nullable, interned, references) */
#define WFSI_SYMBOL(X, member, column)                                        \
    X(wfsi_handle, member, column, WFS_TEXT, false, true, NULL)
#define WFSI_SYMBOL_OR_NULL(X, member, column)                                \
    X(wfsi_handle, member, column, WFS_TEXT, true, true, NULL)
#define WFSI_TEXT_OR_NULL(X, member, column)                                  \
    X(wfsi_handle, member, column, WFS_TEXT, true, false, NULL)
#define WFSI_JSON_OR_NULL(X, member, column)                                  \
    X(wfsi_handle, member, column, WFS_JSON, true, false, NULL)
#define WFSI_NUMBER(X, member, column)                                        \
    X(int64_t, member, column, WFS_INTEGER, false, false, NULL)
#define WFSI_NUMBER_OR_NULL(X, member, column)                                \
    X(int64_t, member, column, WFS_INTEGER, true, false, NULL)
#define WFSI_TIME(X, member, column)                                          \
    X(int64_t, member, column, WFS_TIME, false, false, NULL)
#define WFSI_TIME_OR_NULL(X, member, column)                                  \
    X(int64_t, member, column, WFS_TIME, true, false, NULL)
#define WFSI_FLAG(X, member, column)                                          \
    X(uint8_t, member, column, WFS_BOOL, false, false, NULL)
#define WFSI_FLAG_OR_NULL(X, member, column)                                  \
    X(uint8_t, member, column, WFS_BOOL, true, false, NULL)

#define WFSI_MEMBER(c_type, member, column, type, nullable, interned, refers) \
    c_type member;
#define WFSI_COLUMN(c_type, member, column, type, nullable, interned, refers) \
    {column, type, nullable, interned, refers, {WFS_NULL, 0, 0, NULL, 0}},
#define WFSI_END {NULL, WFS_NULL, false, false, NULL, {WFS_NULL, 0, 0, NULL, 0}}

#define WFSI_LIST(name, columns) {name, columns, false, false, false, true},
#define WFSI_SPARSE_LIST(name, columns)                                       \
    {name, columns, false, false, true, true},
#define WFSI_UNIQUE(name, columns) {name, columns, true, false, false, false},
#define WFSI_ORDERED_UNIQUE(name, columns)                                    \
    {name, columns, true, true, false, false},
#define WFSI_ORDERED(name, columns) {name, columns, false, true, false, false},
#define WFSI_SPARSE(name, columns) {name, columns, false, true, true, false},
#define WFSI_LAST {NULL, NULL, false, false, false, false}

/* The columns of an index are never changed, once a row is there. */
static void wfsi_index_fixed(wfs_store *store, uint32_t table, uint32_t index)
{
    store->tables[table].fixed |= (uint32_t)1 << index;
}

/* The map of a unique index is made when it is first asked for. */
static void wfsi_index_waits(wfs_store *store, uint32_t table, uint32_t index)
{
    store->tables[table].mapped &= ~((uint32_t)1 << index);
    store->tables[table].kept &= ~((uint32_t)1 << index);
}

static void wfsi_null_bit(uint32_t *nulls, int column, bool is_null)
{
    uint32_t bit = (uint32_t)1 << column;

    *nulls = is_null ? *nulls | bit : *nulls & ~bit;
}

/* A nullable time or number; WFS_NO_TIME is null. */
static void wfsi_set_time(uint32_t *nulls, int column, int64_t *cell,
                          int64_t time)
{
    wfsi_null_bit(nulls, column, time == WFS_NO_TIME);
    *cell = time == WFS_NO_TIME ? 0 : time;
}

static int64_t wfsi_get_time(uint32_t nulls, int column, int64_t cell)
{
    return (nulls >> column & 1) != 0 ? WFS_NO_TIME : cell;
}

/* A nullable text; 0 is null. */
static void wfsi_set_handle(uint32_t *nulls, int column, wfsi_handle *cell,
                            wfsi_handle handle)
{
    wfsi_null_bit(nulls, column, handle == 0);
    *cell = handle;
}

#define WFSI_NULL_BIT(table, member)                                          \
    ((uint32_t)1 << wfsi_##table##_##member)
#define WFSI_SET_TIME(table, row, member, time)                               \
    wfsi_set_time(&(row)->nulls, wfsi_##table##_##member, &(row)->member, time)
#define WFSI_GET_TIME(table, row, member)                                     \
    wfsi_get_time((row)->nulls, wfsi_##table##_##member, (row)->member)
#define WFSI_SET_HANDLE(table, row, member, handle)                           \
    wfsi_set_handle(&(row)->nulls, wfsi_##table##_##member, &(row)->member,   \
                    handle)

/* --- names as interned texts */

static bool wfsi_name(wfs_store *store, wfsi_handle *handle, const char *text)
{
    *handle = wfsi_symbol(store, text, strlen(text));
    return *handle != 0;
}

/* Element 0 stands for "none" and stays 0. */
static bool wfsi_names_list(wfs_store *store, wfsi_handle *handles,
                            const char *const *texts, size_t count)
{
    size_t i;

    for (i = 1; i < count; i++)
        if (!wfsi_name(store, &handles[i], texts[i]))
            return false;
    return true;
}

/* The enumerator whose name that is; 0 for none. */
static int wfsi_name_find(const wfsi_handle *handles, size_t count,
                          wfsi_handle handle)
{
    size_t i;

    for (i = 1; i < count; i++)
        if (handles[i] == handle)
            return (int)i;
    return 0;
}

/* ------------------------------------------------------------------------
 * >>regex  private: regular expressions in linear time
 *
 * Owns the dialect (JavaScript's, without look-around and back-references),
 * its programs, and the tables of Unicode that it needs. A search simulates all
 * ways through the program at once, one character after the other, so that its
 * time is bounded by the text's size times the program's. Calls >>base, and
 * >>json for UTF-8. Called by >>match and >>mock.
 * --------------------------------------------------------------------- */

/* An option: (?!TEXT) is understood where TEXT is nothing but characters. */
#define WFSI_REGEX_LITERAL_LOOKAHEAD 1u

#define WFSI_REGEX_DEPTH 250        /* of groups in groups */
#define WFSI_REGEX_GROUPS 1000      /* that capture */
#define WFSI_REGEX_STATES 10000     /* of a program */
#define WFSI_REGEX_UNBOUNDED UINT32_MAX

typedef enum wfsi_regex_flag {
    WFSI_REGEX_GLOBAL = 1,
    WFSI_REGEX_IGNORE_CASE = 2,
    WFSI_REGEX_MULTILINE = 4,
    WFSI_REGEX_DOT_ALL = 8,
    WFSI_REGEX_UNICODE = 16,
    WFSI_REGEX_STICKY = 32,
    WFSI_REGEX_SETS = 64            /* v; UNICODE too */
} wfsi_regex_flag;

/* --- tables of Unicode */

/* A part of the code points, from start on: a letter for each run's class, and
 * the run's size where it is not 1. */
typedef struct wfsi_class_runs {
    int32_t start;
    const char *runs;
} wfsi_class_runs;

typedef struct wfsi_property {
    const char *name, *other;
    uint64_t classes;
    bool is_category;
} wfsi_property;

/* From low to high, each step-th code is the same as itself + delta, which is
 * the lowest of all that are the same. kinds: 1 without the flag u, 2 with. */
typedef struct wfsi_case_range {
    int32_t low, high, delta, step;
    unsigned kinds;
} wfsi_case_range;

/* Unicode tables: made by tests/unicode_tables.js. */
/* Of Unicode 17.0. */
#define WFSI_CLASS_ALTERNATING 47

static const wfsi_class_runs wfsi_class_table[] = {
    {0x0, "Z32WR3TR3NORSRMR2I10R2S3R2A26NROULUB26NSOSZ33WRT4VRUVePSaVUVSK2UB"
     "RfUKeQK3RA23SA7B24SB8v54AB2"},
    {0x139, "v14AB2v46A2Bv2AB3A2Bv2A2BA3B2A4BA2BA3B3A2BA2Bv4A2BAB2v2A2BA3Bv2"
     "A2B2EAB3E4ACBACBACBv14AB2v16AB2ACBv2A3B"},
    {0x1FA, "v56AB7A2BA2B2v2A4Bv6AB69E2B26g9D7g2U4D12U14g5U7DUDU17F69hF29i13"
     "v4DUv2d2gB3RAd4U2AfA3dAdA2BA17dA9B35AB2A3B3v22AB5v2Sv2"},
    {0x3F9, "A2B2A51B48v34VF5H2v54A2Bv10AB2v96dA38d2DR6B41RMd2V2TdF31i14MiR"
     "i2Ri2Rid8E27d4E4R2d11a6S3R2TR2V2i11RaR3E32DE10i13Fi7I10R4E2iE99"},
    {0x6D4, "REi7aVF2i4D2i2VF3iE2I10E3V2ER14daEiE30i16F11d2E89i11Ed14I10E33"
     "F9D2VR3Dd2FT2E22i2F2Di9Di3Di4Fd2R15dE25F3d2RdE11d5E24UE7a2"},
    {0x892, "d5iF8E41DF10i12F2ai7F6i19jE54ijFEj3i8j4Fj2EF4i3E10i2R2I10RDE15i"
     "j2dE8d2E2d2E22dE7dEd3E4d2FEj3i4d2j2d2j2FEd8jd4E2dE3"},
    {0x9E2, "i2d2I10E2T2K6VTERFd2i2jdE6d4E2d2E22dE7dE2dE2dE2d2Fdj3i2d4i2d2i2"
     "Fd3id7E4dEd7I10i2E3iRd10i2jdE9dE3dE22dE7dE2d"},
    {0xAB5, "E5d2FEj3i5di2jdj2Fd2Ed15E2i2d2I10RTd7Ei3F3dij2dE8d2E2d2E22dE7d"
     "E2dE5d2FEjiji4d2j2d2j2Fd7Fijd4E2dE3i2d2I10V"},
    {0xB71, "EK6d10iEdE6d3E3dE4d3E2dEdE2d3E2d3E3d3E12d4j2ij2d3j3dj3Fd2Ed6j"
     "d14I10K3V6TVd5ij3iE8dE3dE23dE16d2FEi3j4di3di3Fd7"},
    {0xC55, "i2dE3dE2d2E2i2d2I10d7RK7VEij2RE8dE3dE23dE10dE5d2FEjij5dij2dj2iF"
     "d7j2d5E3dE2i2d2I10dE2jd12i2j2E9dE3dE41F2Ej3i4"},
    {0xD45, "dj3dj3FEVd4E3jK7E3i2d2I10K9VE6dij2dE18d3E24dE9dEd2E7d3Fd4j3i3di"
     "dj8d6I10d2j2Rd12E48iE2i7d4TE6DF6iFRI10R2d37E2dE"},
    {0xE85, "dE5dE24dEdE10iE2i6Fi2Ed2E5dDdF5iFdI10d2E4d32EV3R15VRV3F2V6I10"
     "K10VFVFVFNONOG2E8dE36d4i14ji4FRF2E5i11di36dV8"},
    {0xFC6, "FV6dV2R5V4R2d37E43j2i4ji5FjF2j2i2EI10R6E6j2i2E4i3Ej3E2j7E3i4E13"
     "ij2i2j6iEjI10j3iV2A38dAd5Ad2B43RgB3E329dE4d2E7dEdE4d2"},
    {0x1260, "E41dE4d2E33dE4d2E7dEdE4d2E15dE57dE4d2E67d2F3R9k9K11d3E16V10d6"
     "A86d2B6d2ME620VRE17WE26NOd3E75R3J3E8d7E18i2FGd9E19i2GR2d9E18i2d12E13d"},
    {0x176E, "E3di2d12E52F2ji7j8ij2F11R3DR3TEFd2I10d6K10d6R6MR4F3aFI10d6E35D"
     "E53d7E5l2E34iEd5E70d10E31di3j4i2j3d4j2ij6F3d4Vd3R2I10E30d2E5d11E44"},
    {0x19AC, "d4E26d6I10kd3V34E23i2j2id2R2E53jiji7dFjij2i8j6i2F8d2FI10d6I10"
     "d6R7DR6d2F14Hi2F11i3F15d2F12d20i4jE47Fji5jij5ijGE8dR2I10R7V10"},
    {0x1B6B, "F9V9R3i2jE30ji4j2i2GFi2E2I10E44Fji2j3iji3G2d8R4E36j8i8j2iFd3R5"
     "I10d3E3I10E30D6R2B9v2d5A43d2A3R8d8F3RF13GF7E4FE6FE2GF2Ed5B44"},
    {0x1D2C, "g63B13gB34g37F19i34F11v148AB9v96AB9A8B6d2A6d2B8A8B8A8B6d2A6d2"
     "B8dAdAdAdAB8A8B14d2B8C8B8C8B8C8B5dB2A4CUBU3B3dB2A4CU3B4d2B2A4"},
    {0x1FDC, "dU3B8A5U3d2B3dB2A4CU2dW11am2a2M6R2PQNP2QNPR8XYa5WR9PQR4L2R3SNO"
     "R11SRLR10Wa5da10Kgd2K6S3NOgK10S3NOdg13d3"},
    {0x20A0, "T34d14F13H4FH3F12d15V2AV4AV2BA3B2A3BVAV2nA5V6AVAVAVA4oBA4BE4B"
     "V2B2A2S5AB4VSV2BVK16p16q16J3v2J4KV2d4S5V5S2V4SV2S"},
    {0x21A4, "V2SV7SV31S2V2SVSV31S268V8NONOV20S2V7NOV81SV30S25V40S6V72d22V11"
     "d21K60V26r26s26K22V183SV9SV54S8V111SV248NONONONONONONOK30V44S5N"},
    {0x27C6, "OS31NONONONONOS16V256S131NONONONONONONONONONONOS63NONOS32NO"
     "S258V48S21V2S6V39d2V138A48B48v2A3B2v6A4BAB2A"},
    {0x2C76, "B6g2A3Bv96AB2V6v4F3v2d5R4KR2B38dBd5Bd2E56d7DRd14FE23d9E7dE7dE7"
     "dE7dE7dE7dE7dE7di32R2PQPQR3PQRPQR9MR2MRPQ"},
    {0x2E1E, "R2PQNONONONOR5tR10M2R4MRNR13V2R3NONONONOMd34V26dV89d12V214d26"
     "V16WR3VDEJNONONONONOV2NONONONO"},
    {0x301C, "MNO2VJ9F4G2MD5V2J3DERV2dE86d2F2u2D2EME90fD3Ed5E43dE94dV2K4V10"
     "E32V38d9VE16V31dK10V30K8VK15V32K10V39K15V320E6592V64E21013DE1143d3V55"
     "d9E40D6R2E268"},
    {0xA60C, "DR3E16I10E2d20v46EFH3Ri8F2RDv28g2i2E70J10F2R6d8U23D9U2v12AB3"
     "v62gB8v4A2Bv8DU2v4Ev2AB3v20A5BA5Bv14A4Bv2A2Bv14Ad20g4v2Eg2BE7i"},
    {0xA803, "E3FE4iE23j2i2jV4Fd3K6V2TVd6E52R4d8j2E50j16Fid8R2I10d6F18E6R3ER"
     "E2iI10E28i5F3R2E23i11jGd11RE29d3i3jE47Fj2i4j2i2j2GR13dDI10d4R2"},
    {0xA9E0, "E5iDE9I10E5dE41i6j2i2j2i2d9E3iE8ijd2I10d2R4E16DE6V3EjijE50iEi3"
     "E2i2E5iFEFEd24E2DR2E11ji2j2R2ED2jFd10E6d2E6d2E6d9E7"},
    {0xAB27, "dE7dB43Ug4B9gU2d4B80E35j2ij2ij2RGFd2I10d6E11172d12E23d4E49d4"
     "b2048c6400E366d2E106d38B7d12B5d5EiE10SE13dE5dEdE2dE2dE108U17V16E363ON"
     "V16E64V2E54V8"},
    {0xFDD0, "d32E12TV3F16R7NORd6F16RM2L2NONONONONONONONOR2NOR4L3R3dR4MNONON"
     "OR3SMS3dRTR2d4E5dE135d2adR3TR3N"},
    {0xFF09, "ORSRMR2I10R2S3R2A26NROULUB26NSOSNORNORfE10DE45D2E31d3E6d2E6d2"
     "E6d2E3d3T2SUVT2dVS4V2d10a3V2d2E12dE26dE19dE2d"},
    {0x1003F, "E15d2E14d34E123d5R3d4K45d3V9J53K4V17K2V3dV13d3Vd47V45Fd130E29"
     "d3E49d15FK27d4E32K4d9E20JE8Jd5E38i5d5E30dRE36d4E8RJ5d42A40B40E78d2I10"
     "d6A36d4B36d4E40d8E52"},
    {0x10564, "d11RA11dA15dA7dA2dB11dB15dB7dB2d3E52d12E311d9E22d10E8d24gD2g3"
     "dg42dg9d69E6d2EdE44dE2d3Ed2E23dRK8E23V2K7E31d8K9d48E19dE2d5K5E22K6d3R"},
    {0x10920, "E26d5RE26d38E56d4K2E2K16d2K46Ei3di2d5i4E4dE3dE29d2F3d4FK9d7R9"
     "d7E29K2RE29K3d32E8VE28F2d4K5R7d9E54d3R7E22d2K8E19d5K8E18d7R4d12K7d80"
     "E73d55A51d13"},
    {0x10CC0, "B51d7K6E36i4d8I10d6I10E4DEA22d3iF4MDB22d8S2d208K31dE42di2Md2"
     "E2d16E3DE2d8RV8d33i3F3E29K10Ed8E22F11K4R5d22E18F4R4d38E21K7d20E23d9jij"
     "E53i14F"},
    {0x11047, "R7d4K20I10FE2i2Ed9Fi2jE45j3i4j2F2R2aR4id10ad2E25d7I10d6i3E36"
     "i5ji6F2dI10R4Ej2Ed8E35FR2Ed9i2jE48j3i9jGE4R4F4RjiI10ERER3"},
    {0x111E0, "dK20d11E18dE25j3i3j2iGFiR6iE2id62E7dEdE4dE15dE10Rd6E47ij3i6F2"
     "d5I10d6i2j2dE8d2E2d2E22dE7dE2dE5dF2Ej2ij4d2j2d2j2Gd2E"},
    {0x11351, "d6jd5E5j2d2F7d3F5d11E10dEd2EdE38dEj3i6djd2jdj4dj2FGFEFER2dR2"
     "d8F2d29E53j3i8j2Fi2jFE4R5I10R2dRFE3d30E48j3i6jij4"},
    {0x114BF, "i2jF2E2REd8I10d166E47j3i4d2j4i2jF2R23E4i2d34E48j3i8j2ijFiR3E"
     "d11I10d6R13d19E43ijij2i6GFERd6I10d6I20d28E27d2ijij2i4ji4Fd4I10K2"},
    {0x1173C, "R3VE7d185E44j3i9jF2Rd100A32B32I10K9d12E8d2Ed2E8dE2dE24j6dj2d2"
     "i2GFEjEjFR3d9I10d70E8d2E39j3i4d2i2j4FEREjd27Ei10E40F2i4jEi4R8"},
    {0x11A47, "Fd8Ei6j2i3E46i13jF2R3ER5d13E73d7R10d86iji3jijd88E33Rd14I10d6"
     "E9dE37ji7di6jFER5d10I10K19d3R2E30d2i22dji7ji2ji2d73E7dE2dE38i6d3"},
    {0x11D3A, "idi2di3FiF2Eid8I10d6E6dE2dE32j5di2dj2ijFEd7I10d6E41DE2d4I10"
     "d246E19i2j2R2d7i2EjE13dE34j2i5d3j2iGFR13I10Fd85Ed15K21V8T4V17"},
    {0x11FF2, "d13RE922d102J111dR5d11E196d2636E97R2d13E1072a16FE6F15d10E3995"
     "d5E583d6841E30i12j3i2FI10d1734E569d7E31dI10d4R2E79dI10d6E30d2F5Rd10E48"
     "F7R5V4D4RVd10I10dK7dE21d5E19d432D3E40"},
    {0x16D6B, "D2R3I10d198A32B32K23R4d5A25d2B25d44E75d4iEj55d7i4D13d64D2RDF"
     "d11j2D2J3d9E7382d41E32d97E115d8701D4dD7dD2dE291d15Ed29E3d2Ed14E4d8E396"
     "d2308E107d5E13d3E9d7E10d2V"},
    {0x1BC9D, "FiRa4d3932V240I10V3d3V436d6V23d15V16Sd15F46d2F23d9V116d60V246"
     "d10V39d2V60G2F3V3G6a8F8V2F7V30F4V61d21V66F3Vd122K20d12K20d12V87d9K25"
     "d135A26B26A26B7dB18A26B26AdA2d2A"},
    {0x1D4A3, "d2A2d2A4dA8B4dBdB7dB11A26B26A2dA4d2A8dA7dB26A2dA4dA5dAd3A7d"
     "B26A26B26A26B26A26B26A26B26A26B26A26B28d2A25SB25SB6A25SB25SB6A25SB25S"
     "B6A25"},
    {0x1D76F, "SB25SB6A25SB25SB6v2d2I50V512F55V4F50V8FV14FV2R5d15F5dF15d1104"
     "B10EB20d6B6d213i7di17d2i7di2di5d5g62d33id112E45d3F7D7d2I10d4EVd320E30F"
     "d17E44F4I10d5"},
    {0x1E2FF, "Td464E27DF4I10d214E30F2EI10d4Rd192E31dE3iE2iE7i2E5id8EDd224E7"
     "dE4dE2dE15dE197d2K9F7d41A34B34F3iF3Dd4I10d4R2d785K59VK3TK4d76K45VK15"
     "d194E4d"},
    {0x1EE05, "E27dE2dEd2EdE10dE4dEdEd6Ed4EdEdEdE3dE2dEd2EdEdEdEdEdE2dEd2E4d"
     "E7dE4dE4dEdE10dE17d5E3dE5dE17d52"},
    {0x1EEF0, "S2d270V44d4V100d12V15d2V15dV15dV37d10K13V35r26V6r26V6r26V36"
     "d56V29d13V44d4V9d7V2d14V6d154V251U5V729d3V17d3V13d3V218d6V12d4Vd15V12"
     "d4V56d8V10d6V40d8V30d2V12d4V2d14S9d39V344"},
    {0x1FA58, "d8V14d2V13d3V11d3V57dVd4V16d2V12d4V10d7V147dV92I10Vd1029"
     "E42720d32E4382d2E5774d2E7473d15E622d2466E542d1506E4939d5E8490d707463a"
     "d30a96d128F240d65040c65534d2c65534d2"},
};

static const wfsi_property wfsi_properties[] = {
    {"Lu", "Uppercase_Letter", UINT64_C(0x1), true},
    {"Ll", "Lowercase_Letter", UINT64_C(0x2), true},
    {"Lt", "Titlecase_Letter", UINT64_C(0x4), true},
    {"Lm", "Modifier_Letter", UINT64_C(0x200100000008), true},
    {"Lo", "Other_Letter", UINT64_C(0x40000010), true},
    {"Mn", "Nonspacing_Mark", UINT64_C(0x2600000020), true},
    {"Mc", "Spacing_Mark", UINT64_C(0x800000040), true},
    {"Me", "Enclosing_Mark", UINT64_C(0x80), true},
    {"Nd", "Decimal_Number", UINT64_C(0x100), true},
    {"Nl", "Letter_Number", UINT64_C(0x60000000200), true},
    {"No", "Other_Number", UINT64_C(0x1000000400), true},
    {"Pc", "Connector_Punctuation", UINT64_C(0x800), true},
    {"Pd", "Dash_Punctuation", UINT64_C(0x1000), true},
    {"Ps", "Open_Punctuation", UINT64_C(0x2000), true},
    {"Pe", "Close_Punctuation", UINT64_C(0x4000), true},
    {"Pi", "Initial_Punctuation", UINT64_C(0x8000), true},
    {"Pf", "Final_Punctuation", UINT64_C(0x10000), true},
    {"Po", "Other_Punctuation", UINT64_C(0x80020000), true},
    {"Sm", "Math_Symbol", UINT64_C(0x8000040000), true},
    {"Sc", "Currency_Symbol", UINT64_C(0x80000), true},
    {"Sk", "Modifier_Symbol", UINT64_C(0x400000100000), true},
    {"So", "Other_Symbol", UINT64_C(0x190000200000), true},
    {"Zs", "Space_Separator", UINT64_C(0x400000), true},
    {"Zl", "Line_Separator", UINT64_C(0x800000), true},
    {"Zp", "Paragraph_Separator", UINT64_C(0x1000000), true},
    {"Cc", "Control", UINT64_C(0x2000000), true},
    {"Cf", "Format", UINT64_C(0x4004000000), true},
    {"Cs", "Surrogate", UINT64_C(0x8000000), true},
    {"Co", "Private_Use", UINT64_C(0x10000000), true},
    {"Cn", "Unassigned", UINT64_C(0x20000000), true},
    {"LC", "Cased_Letter", UINT64_C(0x7), true},
    {"L", "Letter", UINT64_C(0x20014000001F), true},
    {"M", "Mark", UINT64_C(0x2E000000E0), true},
    {"N", "Number", UINT64_C(0x61000000700), true},
    {"P", "Punctuation", UINT64_C(0x8003F800), true},
    {"S", "Symbol", UINT64_C(0x5980003C0000), true},
    {"Z", "Separator", UINT64_C(0x1C00000), true},
    {"C", "Other", UINT64_C(0x403E000000), true},
    {"Combining_Mark", "Combining_Mark", UINT64_C(0x2E000000E0), true},
    {"punct", "punct", UINT64_C(0x8003F800), true},
    {"digit", "digit", UINT64_C(0x100), true},
    {"cntrl", "cntrl", UINT64_C(0x2000000), true},
    {"Alphabetic", "Alpha", UINT64_C(0x3E2F4000021F), false},
    {"Uppercase", "Upper", UINT64_C(0xA0000000001), false},
    {"Lowercase", "Lower", UINT64_C(0x140340000002), false},
    {"ID_Start", "IDS", UINT64_C(0x47A14000021F), false},
    {"ID_Continue", "IDC", UINT64_C(0x47FFC0000B7F), false},
    {"Any", "Any", UINT64_C(0x7FFFFFFFFFFF), false},
    {"Assigned", "Assigned", UINT64_C(0x7FFFDFFFFFFF), false},
};

static const wfsi_case_range wfsi_case_table[] = {
    {97, 122, -32, 1, 3}, {224, 246, -32, 1, 3}, {248, 254, -32, 1, 3},
    {257, 303, -1, 2, 3}, {307, 311, -1, 2, 3}, {314, 328, -1, 2, 3},
    {331, 375, -1, 2, 3}, {376, 376, -121, 1, 3}, {378, 382, -1, 2, 3},
    {383, 383, -300, 1, 2}, {387, 389, -1, 2, 3}, {392, 392, -1, 1, 3},
    {396, 396, -1, 1, 3}, {402, 402, -1, 1, 3}, {409, 409, -1, 1, 3},
    {417, 421, -1, 2, 3}, {424, 424, -1, 1, 3}, {429, 429, -1, 1, 3},
    {432, 432, -1, 1, 3}, {436, 438, -1, 2, 3}, {441, 441, -1, 1, 3},
    {445, 445, -1, 1, 3}, {453, 453, -1, 1, 3}, {454, 454, -2, 1, 3},
    {456, 456, -1, 1, 3}, {457, 457, -2, 1, 3}, {459, 459, -1, 1, 3},
    {460, 460, -2, 1, 3}, {462, 476, -1, 2, 3}, {477, 477, -79, 1, 3},
    {479, 495, -1, 2, 3}, {498, 498, -1, 1, 3}, {499, 499, -2, 1, 3},
    {501, 501, -1, 1, 3}, {502, 502, -97, 1, 3}, {503, 503, -56, 1, 3},
    {505, 543, -1, 2, 3}, {544, 544, -130, 1, 3}, {547, 563, -1, 2, 3},
    {572, 572, -1, 1, 3}, {573, 573, -163, 1, 3}, {578, 578, -1, 1, 3},
    {579, 579, -195, 1, 3}, {583, 591, -1, 2, 3}, {595, 595, -210, 1, 3},
    {596, 596, -206, 1, 3}, {598, 599, -205, 1, 3}, {601, 601, -202, 1, 3},
    {603, 603, -203, 1, 3}, {608, 608, -205, 1, 3}, {611, 611, -207, 1, 3},
    {616, 616, -209, 1, 3}, {617, 617, -211, 1, 3}, {623, 623, -211, 1, 3},
    {626, 626, -213, 1, 3}, {629, 629, -214, 1, 3}, {640, 640, -218, 1, 3},
    {643, 643, -218, 1, 3}, {648, 648, -218, 1, 3}, {649, 649, -69, 1, 3},
    {650, 651, -217, 1, 3}, {652, 652, -71, 1, 3}, {658, 658, -219, 1, 3},
    {881, 883, -1, 2, 3}, {887, 887, -1, 1, 3}, {921, 921, -84, 1, 3},
    {924, 924, -743, 1, 3}, {940, 940, -38, 1, 3}, {941, 943, -37, 1, 3},
    {945, 952, -32, 1, 3}, {953, 953, -116, 1, 3}, {954, 955, -32, 1, 3},
    {956, 956, -775, 1, 3}, {957, 961, -32, 1, 3}, {962, 962, -31, 1, 3},
    {963, 971, -32, 1, 3}, {972, 972, -64, 1, 3}, {973, 974, -63, 1, 3},
    {976, 976, -62, 1, 3}, {977, 977, -57, 1, 3}, {981, 981, -47, 1, 3},
    {982, 982, -54, 1, 3}, {983, 983, -8, 1, 3}, {985, 1007, -1, 2, 3},
    {1008, 1008, -86, 1, 3}, {1009, 1009, -80, 1, 3}, {1011, 1011, -116, 1, 3},
    {1012, 1012, -92, 1, 2}, {1013, 1013, -96, 1, 3}, {1016, 1016, -1, 1, 3},
    {1017, 1017, -7, 1, 3}, {1019, 1019, -1, 1, 3}, {1021, 1023, -130, 1, 3},
    {1072, 1103, -32, 1, 3}, {1104, 1119, -80, 1, 3}, {1121, 1153, -1, 2, 3},
    {1163, 1215, -1, 2, 3}, {1218, 1230, -1, 2, 3}, {1231, 1231, -15, 1, 3},
    {1233, 1327, -1, 2, 3}, {1377, 1414, -48, 1, 3}, {5112, 5117, -8, 1, 3},
    {7296, 7296, -6254, 1, 3}, {7297, 7297, -6253, 1, 3},
    {7298, 7298, -6244, 1, 3}, {7299, 7300, -6242, 1, 3},
    {7301, 7301, -6243, 1, 3}, {7302, 7302, -6236, 1, 3},
    {7303, 7303, -6181, 1, 3}, {7306, 7306, -1, 1, 3},
    {7312, 7354, -3008, 1, 3}, {7357, 7359, -3008, 1, 3},
    {7681, 7829, -1, 2, 3}, {7835, 7835, -59, 1, 3}, {7838, 7838, -7615, 1, 2},
    {7841, 7935, -1, 2, 3}, {7944, 7951, -8, 1, 3}, {7960, 7965, -8, 1, 3},
    {7976, 7983, -8, 1, 3}, {7992, 7999, -8, 1, 3}, {8008, 8013, -8, 1, 3},
    {8025, 8031, -8, 2, 3}, {8040, 8047, -8, 1, 3}, {8072, 8079, -8, 1, 2},
    {8088, 8095, -8, 1, 2}, {8104, 8111, -8, 1, 2}, {8120, 8121, -8, 1, 3},
    {8122, 8123, -74, 1, 3}, {8124, 8124, -9, 1, 2}, {8126, 8126, -7289, 1, 3},
    {8136, 8139, -86, 1, 3}, {8140, 8140, -9, 1, 2}, {8147, 8147, -7235, 1, 2},
    {8152, 8153, -8, 1, 3}, {8154, 8155, -100, 1, 3}, {8163, 8163, -7219, 1, 2},
    {8168, 8169, -8, 1, 3}, {8170, 8171, -112, 1, 3}, {8172, 8172, -7, 1, 3},
    {8184, 8185, -128, 1, 3}, {8186, 8187, -126, 1, 3}, {8188, 8188, -9, 1, 2},
    {8486, 8486, -7549, 1, 2}, {8490, 8490, -8415, 1, 2},
    {8491, 8491, -8294, 1, 2}, {8526, 8526, -28, 1, 3}, {8560, 8575, -16, 1, 3},
    {8580, 8580, -1, 1, 3}, {9424, 9449, -26, 1, 3}, {11312, 11359, -48, 1, 3},
    {11361, 11361, -1, 1, 3}, {11362, 11362, -10743, 1, 3},
    {11363, 11363, -3814, 1, 3}, {11364, 11364, -10727, 1, 3},
    {11365, 11365, -10795, 1, 3}, {11366, 11366, -10792, 1, 3},
    {11368, 11372, -1, 2, 3}, {11373, 11373, -10780, 1, 3},
    {11374, 11374, -10749, 1, 3}, {11375, 11375, -10783, 1, 3},
    {11376, 11376, -10782, 1, 3}, {11379, 11379, -1, 1, 3},
    {11382, 11382, -1, 1, 3}, {11390, 11391, -10815, 1, 3},
    {11393, 11491, -1, 2, 3}, {11500, 11502, -1, 2, 3},
    {11507, 11507, -1, 1, 3}, {11520, 11557, -7264, 1, 3},
    {11559, 11559, -7264, 1, 3}, {11565, 11565, -7264, 1, 3},
    {42561, 42569, -1, 2, 3}, {42570, 42570, -35266, 1, 3},
    {42571, 42571, -35267, 1, 3}, {42573, 42605, -1, 2, 3},
    {42625, 42651, -1, 2, 3}, {42787, 42799, -1, 2, 3},
    {42803, 42863, -1, 2, 3}, {42874, 42876, -1, 2, 3},
    {42877, 42877, -35332, 1, 3}, {42879, 42887, -1, 2, 3},
    {42892, 42892, -1, 1, 3}, {42893, 42893, -42280, 1, 3},
    {42897, 42899, -1, 2, 3}, {42903, 42921, -1, 2, 3},
    {42922, 42922, -42308, 1, 3}, {42923, 42923, -42319, 1, 3},
    {42924, 42924, -42315, 1, 3}, {42925, 42925, -42305, 1, 3},
    {42926, 42926, -42308, 1, 3}, {42928, 42928, -42258, 1, 3},
    {42929, 42929, -42282, 1, 3}, {42930, 42930, -42261, 1, 3},
    {42933, 42947, -1, 2, 3}, {42948, 42948, -48, 1, 3},
    {42949, 42949, -42307, 1, 3}, {42950, 42950, -35384, 1, 3},
    {42952, 42954, -1, 2, 3}, {42955, 42955, -42343, 1, 3},
    {42957, 42971, -1, 2, 3}, {42972, 42972, -42561, 1, 3},
    {42998, 42998, -1, 1, 3}, {43859, 43859, -928, 1, 3},
    {43888, 43967, -38864, 1, 3}, {64262, 64262, -1, 1, 2},
    {65345, 65370, -32, 1, 3}, {66600, 66639, -40, 1, 2},
    {66776, 66811, -40, 1, 2}, {66967, 66977, -39, 1, 2},
    {66979, 66993, -39, 1, 2}, {66995, 67001, -39, 1, 2},
    {67003, 67004, -39, 1, 2}, {68800, 68850, -64, 1, 2},
    {68976, 68997, -32, 1, 2}, {71872, 71903, -32, 1, 2},
    {93792, 93823, -32, 1, 2}, {93883, 93907, -27, 1, 2},
    {125218, 125251, -34, 1, 2},
};
/* End of the Unicode tables. */

static int wfsi_class_of_letter(char letter)
{
    return letter <= 'Z' ? letter - 'A' : letter - 'a' + 26;
}

/* A letter, then maybe digits; returns the run's size. */
static int32_t wfsi_class_run(const char **at)
{
    int32_t size = 0;

    for (++*at; wfsi_is_digit(**at); ++*at)
        size = size * 10 + (**at - '0');
    return size != 0 ? size : 1;
}

/* The class of a code point: a bit's number in wfsi_property.classes. */
static int wfsi_class_of(int32_t code)
{
    size_t low = 0, high = WFSI_COUNT(wfsi_class_table), middle;
    const char *at;
    int32_t start, size;
    int number;

    while (high - low > 1) {
        middle = low + (high - low) / 2;
        if (wfsi_class_table[middle].start <= code)
            low = middle;
        else
            high = middle;
    }
    start = wfsi_class_table[low].start;
    at = wfsi_class_table[low].runs;
    for (;;) {
        number = wfsi_class_of_letter(*at);
        size = wfsi_class_run(&at);
        if (code - start < size)
            break;
        start += size;
    }
    return number == WFSI_CLASS_ALTERNATING ? (code - start) & 1 : number;
}

static const wfsi_property *wfsi_find_property(const char *name, size_t size)
{
    size_t i;

    for (i = 0; i < WFSI_COUNT(wfsi_properties); i++) {
        const wfsi_property *row = &wfsi_properties[i];

        if ((strlen(row->name) == size && memcmp(row->name, name, size) == 0) ||
            (strlen(row->other) == size && memcmp(row->other, name, size) == 0))
            return row;
    }
    return NULL;
}

static bool wfsi_code_has(int32_t code, const char *property)
{
    return code >= 0 &&
           (wfsi_find_property(property, strlen(property))->classes >>
                wfsi_class_of(code) & 1) != 0;
}

static unsigned wfsi_case_kind(unsigned flags)
{
    return (flags & WFSI_REGEX_UNICODE) != 0 ? 2 : 1;
}

/* The lowest code that is the same when case is ignored. */
static int32_t wfsi_fold(int32_t code, unsigned flags)
{
    const wfsi_case_range *range = wfsi_case_table;
    const wfsi_case_range *end = range + WFSI_COUNT(wfsi_case_table);

    if (code < 0x80)
        return code >= 'a' && code <= 'z' ? code - 32 : code;
    for (; range < end && range->low <= code; range++)
        if (code <= range->high && (code - range->low) % range->step == 0 &&
            (range->kinds & wfsi_case_kind(flags)) != 0)
            return code + range->delta;
    return code;
}

#define WFSI_CASE_SAME 4    /* no more codes than that are the same */

/* All codes that are the same when case is ignored; returns how many. */
static size_t wfsi_same_case(int32_t code, unsigned flags, int32_t *same)
{
    size_t i, count = 1;
    int32_t other;

    same[0] = wfsi_fold(code, flags);
    for (i = 0; i < WFSI_COUNT(wfsi_case_table); i++) {
        const wfsi_case_range *range = &wfsi_case_table[i];

        other = same[0] - range->delta;
        if (other >= range->low && other <= range->high &&
            (range->kinds & wfsi_case_kind(flags)) != 0 &&
            (other - range->low) % range->step == 0 && count < WFSI_CASE_SAME)
            same[count++] = other;
    }
    return count;
}

/* --- sets of characters */

typedef struct wfsi_range {
    int32_t low, high;
} wfsi_range;

static const wfsi_range wfsi_digit_ranges[] = {{'0', '9'}};
static const wfsi_range wfsi_word_ranges[] = {
    {'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const wfsi_range wfsi_word_fold_ranges[] = {
    {'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {0x17F, 0x17F},
    {0x212A, 0x212A}};
static const wfsi_range wfsi_space_ranges[] = {
    {0x09, 0x0D}, {0x20, 0x20}, {0xA0, 0xA0}, {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
    {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
static const wfsi_range wfsi_white_space_ranges[] = {
    {0x09, 0x0D}, {0x20, 0x20}, {0x85, 0x85}, {0xA0, 0xA0}, {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
    {0x3000, 0x3000}};
static const wfsi_range wfsi_ascii_ranges[] = {{0, 0x7F}};

/* ranges: ascending, not touching each other. */
typedef struct wfsi_regex_set {
    const wfsi_range *ranges;
    size_t count;
    uint64_t classes;           /* of Unicode, in addition */
    bool negated;
    bool ascii[128];            /* the answers, negation and case included */
} wfsi_regex_set;

static bool wfsi_set_lists(const wfsi_regex_set *set, int32_t code)
{
    size_t low = 0, high = set->count, middle;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (set->ranges[middle].high < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < set->count && set->ranges[low].low <= code)
        return true;
    return set->classes != 0 && (set->classes >> wfsi_class_of(code) & 1) != 0;
}

/* same: the codes that are the same as the one asked for, itself included. */
static bool wfsi_set_holds(const wfsi_regex_set *set, const int32_t *same,
                           size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (wfsi_set_lists(set, same[i]))
            return !set->negated;
    return set->negated;
}

/* --- text as characters */

#define WFSI_NO_UNIT (-1)

/* Reads UTF-8 as code points (whole) or as UTF-16 code units. Lone surrogates
 * that were encoded as if they were characters stand for themselves, any other
 * fault for U+FFFD. A place between the halves of a pair is given as the place
 * after it. */
typedef struct wfsi_decoder {
    const char *text;
    size_t size;
    size_t at, next;            /* where `here` starts and ends */
    int32_t here;
    int32_t low;                /* the other half, to come; 0: none */
    bool whole;
} wfsi_decoder;

/* The surrogate encoded in three bytes here, or -1. */
static int32_t wfsi_decoder_surrogate(const wfsi_decoder *decoder, size_t at)
{
    const unsigned char *byte = (const unsigned char *)decoder->text + at;

    if (decoder->size - at < 3 || byte[0] != 0xED || (byte[1] & 0xE0) != 0xA0 ||
        (byte[2] & 0xC0) != 0x80)
        return -1;
    return 0xD000 | (byte[1] & 0x3F) << 6 | (byte[2] & 0x3F);
}

static int32_t wfsi_join_surrogates(int32_t high, int32_t low)
{
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

static void wfsi_decoder_decode_surrogate(wfsi_decoder *decoder)
{
    int32_t low;

    decoder->next = decoder->at + 3;
    if (!decoder->whole || !wfsi_is_high_surrogate(decoder->here))
        return;
    low = wfsi_decoder_surrogate(decoder, decoder->next);
    if (wfsi_is_low_surrogate(low)) {
        decoder->here = wfsi_join_surrogates(decoder->here, low);
        decoder->next += 3;
    }
}

/* What starts at `at` and is not ASCII. */
WFSI_APART
static void wfsi_decoder_decode(wfsi_decoder *decoder)
{
    const unsigned char *byte = (const unsigned char *)decoder->text +
                                decoder->at;
    size_t size, i;
    int32_t code;
    bool valid;

    decoder->here = wfsi_decoder_surrogate(decoder, decoder->at);
    if (decoder->here >= 0) {
        wfsi_decoder_decode_surrogate(decoder);
        return;
    }
    size = wfsi_utf8_sequence(decoder->text + decoder->at,
                              decoder->text + decoder->size, &valid);
    decoder->next = decoder->at + size;
    code = byte[0] & (0x7F >> size);
    for (i = 1; i < size; i++)
        code = code << 6 | (byte[i] & 0x3F);
    if (!valid)
        code = 0xFFFD;
    if (code > 0xFFFF && !decoder->whole) {
        decoder->low = 0xDC00 + (code & 0x3FF);
        code = 0xD800 + ((code - 0x10000) >> 10);
    }
    decoder->here = code;
}

WFSI_INLINE void wfsi_decoder_advance(wfsi_decoder *decoder)
{
    decoder->at = decoder->next;
    if (decoder->low != 0) {
        decoder->here = decoder->low;
        decoder->low = 0;
    } else if (decoder->at >= decoder->size) {
        decoder->here = WFSI_NO_UNIT;
    } else if ((unsigned char)decoder->text[decoder->at] < 0x80) {
        decoder->here = (unsigned char)decoder->text[decoder->at];
        decoder->next = decoder->at + 1;
    } else {
        wfsi_decoder_decode(decoder);
    }
}

static void wfsi_decoder_open(wfsi_decoder *decoder, const char *text,
                              size_t size, bool whole)
{
    memset(decoder, 0, sizeof *decoder);
    decoder->text = text;
    decoder->size = size;
    decoder->whole = whole;
    wfsi_decoder_advance(decoder);
}

/* --- programs */

typedef enum wfsi_regex_op {
    WFSI_OP_CHAR,               /* a: the code, folded */
    WFSI_OP_NOT_NEWLINE,
    WFSI_OP_ANY,
    WFSI_OP_SET,                /* a: the set's number */
    WFSI_OP_MATCH,
    WFSI_OP_JUMP,               /* to a */
    WFSI_OP_SPLIT,              /* to a, and if that fails, to b */
    WFSI_OP_SAVE,               /* the place, in slot a */
    WFSI_OP_UNSET,              /* group a took no part so far */
    WFSI_OP_PROGRESS,           /* the loop has consumed something this time */
    WFSI_OP_BEGIN,
    WFSI_OP_BEGIN_LINE,
    WFSI_OP_END,
    WFSI_OP_END_LINE,
    WFSI_OP_BOUNDARY,
    WFSI_OP_NO_BOUNDARY,
    WFSI_OP_NOT_TEXT            /* texts[a] and on, b codes, do not follow */
} wfsi_regex_op;

/* loops: in how many it lies that might go round without consuming anything.
 * The outermost of them have consumed something this time round, the others
 * have not; so there are loops + 1 states to be in at this place, which are
 * numbered from `state` on. */
typedef struct wfsi_instruction {
    wfsi_regex_op op;
    uint32_t a, b;
    uint32_t loops, state;
} wfsi_instruction;

struct wfs_regex {
    const wfsi_instruction *program;
    const wfsi_regex_set *sets;
    const int32_t *texts;
    uint32_t size;              /* instructions */
    uint32_t states;
    uint32_t groups;            /* that capture, without the whole match */
    unsigned flags;
    bool first[128];            /* can a match not at the text's start begin */
    bool first_other;           /* with this one, with one beyond ASCII, */
    bool first_none;            /* with nothing, being empty */
};

static bool wfsi_is_newline(int32_t code)
{
    return code == '\n' || code == '\r' || code == 0x2028 || code == 0x2029;
}

static bool wfsi_is_word(int32_t code, unsigned flags)
{
    unsigned fold = WFSI_REGEX_IGNORE_CASE | WFSI_REGEX_UNICODE;

    if (code < 0x80)
        return code == '_' || (code >= '0' && code <= '9') ||
               ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    return (flags & fold) == fold && (code == 0x17F || code == 0x212A);
}

/* --- the parser */

typedef enum wfsi_regex_kind {
    WFSI_NODE_LEAF,             /* one instruction */
    WFSI_NODE_SEQUENCE,
    WFSI_NODE_CHOICE,
    WFSI_NODE_GROUP,
    WFSI_NODE_REPEAT
} wfsi_regex_kind;

typedef struct wfsi_regex_node {
    struct wfsi_regex_node *child, *next;
    wfsi_regex_kind kind;
    bool nullable;              /* may match without consuming */
    bool greedy;
    wfsi_instruction leaf;
    uint32_t min, max;          /* REPEAT */
    uint32_t group, last_group; /* GROUP; REPEAT: those above and up to that */
    size_t at, end;             /* REPEAT: bytes of the source */
} wfsi_regex_node;

typedef struct wfsi_regex_name {
    const char *text;
    size_t size;
} wfsi_regex_name;

typedef struct wfsi_regex_parser {
    wfs_arena *arena;           /* of the result */
    wfs_arena nodes;            /* and of what is needed until it is there */
    wfs_error *error;
    wfsi_decoder in;
    unsigned flags, options, depth;
    uint32_t groups, all_groups;
    bool has_names;
    wfsi_regex_name *names;
    wfsi_range *ranges;         /* of the set at hand */
    uint64_t classes;
    wfsi_instruction *program;
    wfsi_regex_set *sets;
    int32_t *texts;
    uint32_t loops, states;         /* see wfsi_instruction */
    const wfsi_regex_node *repeat;  /* the innermost that is being emitted */
} wfsi_regex_parser;

/* The piece of the source from there up to where the parser is. */
static wfs_status wfsi_regex_refuse(const wfsi_regex_parser *parser,
                                    wfs_status code, size_t from,
                                    const char *what)
{
    size_t end = parser->in.at > from ? parser->in.at : parser->in.next;
    size_t size = end > from ? end - from : 0;

    if (size == 0)
        wfsi_error(parser->error, code, "%s at %i", what, (int64_t)from);
    else
        wfsi_error(parser->error, code, "%s: \"%n\" at %i", what,
                   parser->in.text + from, size, (int64_t)from);
    if (parser->error != NULL) {
        parser->error->offset = from;
        parser->error->line = 1;
        parser->error->column = from + 1;
    }
    return code;
}

static wfs_status wfsi_regex_invalid(const wfsi_regex_parser *parser,
                                     size_t from, const char *what)
{
    return wfsi_regex_refuse(parser, WFS_ERR_VALIDATION, from, what);
}

static wfs_status wfsi_regex_unsupported(const wfsi_regex_parser *parser,
                                         size_t from, const char *what)
{
    return wfsi_regex_refuse(parser, WFS_ERR_UNSUPPORTED, from, what);
}

static bool wfsi_regex_has(const wfsi_regex_parser *parser, unsigned flag)
{
    return (parser->flags & flag) != 0;
}

static bool wfsi_regex_accept(wfsi_regex_parser *parser, int32_t code)
{
    if (parser->in.here != code)
        return false;
    wfsi_decoder_advance(&parser->in);
    return true;
}

static wfs_status wfsi_regex_new(wfsi_regex_parser *parser,
                                 wfsi_regex_kind kind, wfsi_regex_node **node)
{
    *node = (wfsi_regex_node *)wfsi_arena_zeroed(&parser->nodes,
                                                 sizeof **node);
    if (*node == NULL)
        return wfsi_no_memory(parser->error);
    (*node)->kind = kind;
    return WFS_OK;
}

static wfs_status wfsi_regex_leaf(wfsi_regex_parser *parser, wfsi_regex_op op,
                                  uint32_t a, wfsi_regex_node **node)
{
    WFS_TRY(wfsi_regex_new(parser, WFSI_NODE_LEAF, node));
    (*node)->leaf.op = op;
    (*node)->leaf.a = a;
    (*node)->nullable = op > WFSI_OP_MATCH;
    return WFS_OK;
}

static wfs_status wfsi_regex_char(wfsi_regex_parser *parser, int32_t code,
                                  wfsi_regex_node **node)
{
    if (wfsi_regex_has(parser, WFSI_REGEX_IGNORE_CASE))
        code = wfsi_fold(code, parser->flags);
    return wfsi_regex_leaf(parser, WFSI_OP_CHAR, (uint32_t)code, node);
}

/* --- the parser: sets */

static wfs_status wfsi_regex_add(wfsi_regex_parser *parser, int32_t low,
                                 int32_t high)
{
    wfsi_range range;

    range.low = low;
    range.high = high;
    if (!wfsi_array_reserve(&parser->nodes.allocator, parser->ranges, 1))
        return wfsi_no_memory(parser->error);
    wfsi_array_push(parser->ranges, range);
    return WFS_OK;
}

static wfs_status wfsi_regex_add_table(wfsi_regex_parser *parser,
                                       const wfsi_range *ranges, size_t count,
                                       bool negated)
{
    int32_t next = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        if (!negated)
            WFS_TRY(wfsi_regex_add(parser, ranges[i].low, ranges[i].high));
        else if (ranges[i].low > next)
            WFS_TRY(wfsi_regex_add(parser, next, ranges[i].low - 1));
        next = ranges[i].high + 1;
    }
    return negated ? wfsi_regex_add(parser, next, 0x10FFFF) : WFS_OK;
}

/* \d \D \s \S \w \W; *found: whether it was one of these. */
static wfs_status wfsi_regex_add_escape(wfsi_regex_parser *parser,
                                        int32_t letter, bool *found)
{
    unsigned fold = WFSI_REGEX_IGNORE_CASE | WFSI_REGEX_UNICODE;
    bool negated = letter == 'D' || letter == 'S' || letter == 'W';

    *found = true;
    if (letter == 'd' || letter == 'D')
        return wfsi_regex_add_table(parser, wfsi_digit_ranges,
                                    WFSI_COUNT(wfsi_digit_ranges), negated);
    if (letter == 's' || letter == 'S')
        return wfsi_regex_add_table(parser, wfsi_space_ranges,
                                    WFSI_COUNT(wfsi_space_ranges), negated);
    *found = letter == 'w' || letter == 'W';
    if (!*found)
        return WFS_OK;
    if ((parser->flags & fold) == fold)
        return wfsi_regex_add_table(parser, wfsi_word_fold_ranges,
                                    WFSI_COUNT(wfsi_word_fold_ranges), negated);
    return wfsi_regex_add_table(parser, wfsi_word_ranges,
                                WFSI_COUNT(wfsi_word_ranges), negated);
}

static bool wfsi_bytes_are(const char *bytes, size_t size, const char *text)
{
    return strlen(text) == size && memcmp(bytes, text, size) == 0;
}

/* NAME, or General_Category=NAME. */
static wfs_status wfsi_regex_add_property(wfsi_regex_parser *parser,
                                          const char *name, size_t size,
                                          size_t start, bool negated)
{
    const char *equals = (const char *)memchr(name, '=', size);
    const wfsi_property *property;
    size_t prefix = equals != NULL ? (size_t)(equals - name) : 0;

    if (wfsi_bytes_are(name, size, "ASCII"))
        return wfsi_regex_add_table(parser, wfsi_ascii_ranges, 1, negated);
    if (wfsi_bytes_are(name, size, "White_Space") ||
        wfsi_bytes_are(name, size, "space"))
        return wfsi_regex_add_table(parser, wfsi_white_space_ranges,
                                    WFSI_COUNT(wfsi_white_space_ranges),
                                    negated);
    if (equals != NULL && !wfsi_bytes_are(name, prefix, "General_Category") &&
        !wfsi_bytes_are(name, prefix, "gc"))
        return wfsi_regex_unsupported(parser, start,
                                      "of what has values only "
                                      "General_Category is supported");
    if (equals != NULL) {
        name += prefix + 1;
        size -= prefix + 1;
    }
    property = wfsi_find_property(name, size);
    if (property == NULL || (equals != NULL && !property->is_category))
        return wfsi_regex_unsupported(
            parser, start, "the property is unknown or not supported");
    parser->classes |= negated ? ~property->classes : property->classes;
    return WFS_OK;
}

/* The letter p or P, and {...}. */
static wfs_status wfsi_regex_property(wfsi_regex_parser *parser, size_t start)
{
    bool negated = parser->in.here == 'P';
    size_t from, size;

    wfsi_decoder_advance(&parser->in);
    if (!wfsi_regex_accept(parser, '{'))
        return wfsi_regex_invalid(parser, start, "invalid property name");
    from = parser->in.at;
    while (parser->in.here != '}' && parser->in.here != WFSI_NO_UNIT)
        wfsi_decoder_advance(&parser->in);
    size = parser->in.at - from;
    if (!wfsi_regex_accept(parser, '}'))
        return wfsi_regex_invalid(parser, start, "invalid property name");
    return wfsi_regex_add_property(parser, parser->in.text + from, size, start,
                                   negated);
}

static int wfsi_compare_ranges(const void *left, const void *right)
{
    const wfsi_range *first = (const wfsi_range *)left;
    const wfsi_range *second = (const wfsi_range *)right;

    if (first->low != second->low)
        return first->low < second->low ? -1 : 1;
    return (first->high > second->high) - (first->high < second->high);
}

/* Sort them and join those that touch; returns how many are left. */
static size_t wfsi_merge_ranges(wfsi_range *ranges, size_t count)
{
    size_t i, kept = 0;

    if (count == 0)
        return 0;
    qsort(ranges, count, sizeof *ranges, wfsi_compare_ranges);
    for (i = 1; i < count; i++) {
        if (ranges[i].low > ranges[kept].high + 1)
            ranges[++kept] = ranges[i];
        else if (ranges[i].high > ranges[kept].high)
            ranges[kept].high = ranges[i].high;
    }
    return kept + 1;
}

static void wfsi_set_answer_ascii(wfsi_regex_set *set, unsigned flags)
{
    int32_t same[WFSI_CASE_SAME];
    size_t count;
    int32_t code;

    for (code = 0; code < 128; code++) {
        same[0] = code;
        count = 1;
        if ((flags & WFSI_REGEX_IGNORE_CASE) != 0 && wfsi_is_word(code, 0))
            count = wfsi_same_case(code, flags, same);
        set->ascii[code] = wfsi_set_holds(set, same, count);
    }
}

/* A set of all that was added since the last one. */
static wfs_status wfsi_regex_set_leaf(wfsi_regex_parser *parser, bool negated,
                                      wfsi_regex_node **node)
{
    wfsi_regex_set set;
    wfsi_range *ranges;

    if (wfsi_array_count(parser->sets) >= WFSI_REGEX_STATES)
        return wfsi_regex_refuse(parser, WFS_ERR_LIMIT, parser->in.at,
                                 "the expression is too large");
    memset(&set, 0, sizeof set);
    set.classes = parser->classes;
    set.negated = negated;
    set.count = wfsi_merge_ranges(parser->ranges,
                                  wfsi_array_count(parser->ranges));
    ranges = (wfsi_range *)wfsi_arena_allocate(parser->arena,
                                               set.count * sizeof *ranges);
    if (ranges == NULL ||
        !wfsi_array_reserve(&parser->nodes.allocator, parser->sets, 1))
        return wfsi_no_memory(parser->error);
    if (set.count != 0)
        memcpy(ranges, parser->ranges, set.count * sizeof *ranges);
    set.ranges = ranges;
    wfsi_set_answer_ascii(&set, parser->flags);
    wfsi_array_push(parser->sets, set);
    wfsi_array_shrink(parser->ranges, 0);
    parser->classes = 0;
    return wfsi_regex_leaf(parser, WFSI_OP_SET,
                           (uint32_t)wfsi_array_count(parser->sets) - 1, node);
}

/* --- the parser: escapes */

static int32_t wfsi_regex_hex_digit(int32_t code)
{
    if (code >= '0' && code <= '9')
        return code - '0';
    code |= 0x20;
    return code >= 'a' && code <= 'f' ? code - 'a' + 10 : -1;
}

/* That many hexadecimal digits, or -1 and nothing read. */
static int32_t wfsi_regex_hex(wfsi_regex_parser *parser, int count)
{
    wfsi_decoder start = parser->in;
    int32_t value = 0, digit;

    for (; count > 0; count--) {
        digit = wfsi_regex_hex_digit(parser->in.here);
        if (digit < 0) {
            parser->in = start;
            return -1;
        }
        value = value * 16 + digit;
        wfsi_decoder_advance(&parser->in);
    }
    return value;
}

/* {...}, of a code point; -1 when it is not one. */
static int32_t wfsi_regex_braced_hex(wfsi_regex_parser *parser)
{
    int32_t value = 0, digit;

    if (!wfsi_regex_accept(parser, '{') ||
        wfsi_regex_hex_digit(parser->in.here) < 0)
        return -1;
    while ((digit = wfsi_regex_hex_digit(parser->in.here)) >= 0) {
        value = value * 16 + digit;
        if (value > 0x10FFFF)
            return -1;
        wfsi_decoder_advance(&parser->in);
    }
    return wfsi_regex_accept(parser, '}') ? value : -1;
}

/* What follows \u, where code points are meant; -1 when it is wrong. */
static int32_t wfsi_regex_code_point(wfsi_regex_parser *parser)
{
    int32_t high, low;
    wfsi_decoder start;

    if (parser->in.here == '{')
        return wfsi_regex_braced_hex(parser);
    high = wfsi_regex_hex(parser, 4);
    if (!wfsi_is_high_surrogate(high))
        return high;
    start = parser->in;
    if (wfsi_regex_accept(parser, '\\') && wfsi_regex_accept(parser, 'u')) {
        low = wfsi_regex_hex(parser, 4);
        if (wfsi_is_low_surrogate(low))
            return wfsi_join_surrogates(high, low);
    }
    parser->in = start;
    return high;
}

/* Up to three octal digits, below 256. */
static int32_t wfsi_regex_octal(wfsi_regex_parser *parser)
{
    int32_t value = 0;
    int i;

    for (i = 0; i < 3 && parser->in.here >= '0' && parser->in.here <= '7' &&
                value < 32; i++) {
        value = value * 8 + (parser->in.here - '0');
        wfsi_decoder_advance(&parser->in);
    }
    return value;
}

/* The c of \c is read. Without u, what does not fit is a backslash and a c. */
static int32_t wfsi_regex_control(wfsi_regex_parser *parser,
                                  const wfsi_decoder *letter, bool in_class)
{
    int32_t code = parser->in.here;
    bool is_letter = (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
    bool is_legacy = in_class && !wfsi_regex_has(parser, WFSI_REGEX_UNICODE) &&
                     (code == '_' || (code >= '0' && code <= '9'));

    if (code > 0 && (is_letter || is_legacy)) {
        wfsi_decoder_advance(&parser->in);
        return code & 31;
    }
    if (wfsi_regex_has(parser, WFSI_REGEX_UNICODE))
        return -1;
    parser->in = *letter;
    return '\\';
}

/* \xHH and \uHHHH; without u, what does not fit is an x or a u. */
static int32_t wfsi_regex_hex_escape(wfsi_regex_parser *parser, int32_t letter)
{
    bool whole = wfsi_regex_has(parser, WFSI_REGEX_UNICODE);
    int32_t code;

    if (letter == 'u' && whole)
        return wfsi_regex_code_point(parser);
    code = wfsi_regex_hex(parser, letter == 'x' ? 2 : 4);
    return code < 0 && !whole ? letter : code;
}

static bool wfsi_is_syntax_character(int32_t code)
{
    return code > 0 && code < 128 && strchr("^$\\.*+?()[]{}|/", code) != NULL;
}

/* A character that stands for itself, or, without u, a number. */
static int32_t wfsi_regex_identity(wfsi_regex_parser *parser,
                                   const wfsi_decoder *start, bool in_class)
{
    int32_t code = start->here;

    if (wfsi_regex_has(parser, WFSI_REGEX_UNICODE))
        return wfsi_is_syntax_character(code) || (in_class && code == '-')
                   ? code : -1;
    if (code >= '0' && code <= '7') {
        parser->in = *start;
        return wfsi_regex_octal(parser);
    }
    return code == 'k' && parser->has_names ? -1 : code;
}

/* What follows a backslash and is one character; start: where that was. */
static wfs_status wfsi_regex_character_escape(wfsi_regex_parser *parser,
                                              size_t start, bool in_class,
                                              int32_t *code)
{
    static const char letters[] = "fnrtv", codes[] = "\f\n\r\t\v";
    wfsi_decoder letter = parser->in;
    const char *found;

    if (letter.here == WFSI_NO_UNIT)
        return wfsi_regex_invalid(parser, start, "\\ at the end");
    wfsi_decoder_advance(&parser->in);
    found = letter.here > 0 && letter.here < 128
                ? strchr(letters, letter.here) : NULL;
    if (found != NULL)
        *code = codes[found - letters];
    else if (letter.here == 'c')
        *code = wfsi_regex_control(parser, &letter, in_class);
    else if (letter.here == 'x' || letter.here == 'u')
        *code = wfsi_regex_hex_escape(parser, letter.here);
    else if (letter.here == '0' && (parser->in.here < '0' ||
                                    parser->in.here > '9'))
        *code = 0;
    else
        *code = wfsi_regex_identity(parser, &letter, in_class);
    return *code >= 0 ? WFS_OK
                      : wfsi_regex_invalid(parser, start, "invalid escape");
}

/* Refuse \1 where there is such a group, and \k where there are names. */
static wfs_status wfsi_regex_no_reference(wfsi_regex_parser *parser,
                                          size_t start)
{
    static const char refused[] = "back-references are not supported";
    wfsi_decoder from = parser->in;
    uint32_t number = 0;

    if (from.here == 'k' &&
        (wfsi_regex_has(parser, WFSI_REGEX_UNICODE) || parser->has_names)) {
        while (parser->in.here != '>' && parser->in.here != WFSI_NO_UNIT)
            wfsi_decoder_advance(&parser->in);
        if (wfsi_regex_accept(parser, '>'))
            return wfsi_regex_unsupported(parser, start, refused);
        return wfsi_regex_invalid(parser, start, "invalid named reference");
    }
    if (from.here < '1' || from.here > '9')
        return WFS_OK;
    while (parser->in.here >= '0' && parser->in.here <= '9') {
        if (number <= parser->all_groups)
            number = number * 10 + (uint32_t)(parser->in.here - '0');
        wfsi_decoder_advance(&parser->in);
    }
    if (number <= parser->all_groups)
        return wfsi_regex_unsupported(parser, start, refused);
    parser->in = from;
    return WFS_OK;
}

/* \d and the like, and \p with u: adds to the set at hand. */
static wfs_status wfsi_regex_class_escape(wfsi_regex_parser *parser,
                                          size_t start, bool *found)
{
    int32_t letter = parser->in.here;

    if (wfsi_regex_has(parser, WFSI_REGEX_UNICODE) &&
        (letter == 'p' || letter == 'P')) {
        *found = true;
        return wfsi_regex_property(parser, start);
    }
    WFS_TRY(wfsi_regex_add_escape(parser, letter, found));
    if (*found)
        wfsi_decoder_advance(&parser->in);
    return WFS_OK;
}

/* An atom that starts with a backslash. */
static wfs_status wfsi_regex_escape(wfsi_regex_parser *parser,
                                    wfsi_regex_node **node)
{
    size_t start = parser->in.at;
    int32_t code;
    bool found;

    wfsi_decoder_advance(&parser->in);
    if (wfsi_regex_accept(parser, 'b'))
        return wfsi_regex_leaf(parser, WFSI_OP_BOUNDARY, 0, node);
    if (wfsi_regex_accept(parser, 'B'))
        return wfsi_regex_leaf(parser, WFSI_OP_NO_BOUNDARY, 0, node);
    WFS_TRY(wfsi_regex_class_escape(parser, start, &found));
    if (found)
        return wfsi_regex_set_leaf(parser, false, node);
    WFS_TRY(wfsi_regex_no_reference(parser, start));
    WFS_TRY(wfsi_regex_character_escape(parser, start, false, &code));
    return wfsi_regex_char(parser, code, node);
}

/* --- the parser: classes */

/* *code: the character, or -1 when it was a whole set, which is added. */
static wfs_status wfsi_regex_class_atom(wfsi_regex_parser *parser, size_t open,
                                        int32_t *code)
{
    size_t start = parser->in.at;
    bool found;

    *code = parser->in.here;
    if (*code == WFSI_NO_UNIT)
        return wfsi_regex_invalid(parser, open, "unterminated class");
    wfsi_decoder_advance(&parser->in);
    if (*code != '\\')
        return WFS_OK;
    *code = '\b';
    if (wfsi_regex_accept(parser, 'b'))
        return WFS_OK;
    *code = -1;
    WFS_TRY(wfsi_regex_class_escape(parser, start, &found));
    return found ? WFS_OK
                 : wfsi_regex_character_escape(parser, start, true, code);
}

static wfs_status wfsi_regex_add_atom(wfsi_regex_parser *parser, int32_t code)
{
    return code >= 0 ? wfsi_regex_add(parser, code, code) : WFS_OK;
}

/* With v, classes in classes and what is reserved for them are refused. */
static wfs_status wfsi_regex_no_sets(const wfsi_regex_parser *parser)
{
    static const char syntax[] = "()[]{}/-|";
    static const char doubled[] = "&!#$%*+,.:;<=>?@^`~";
    wfsi_decoder next = parser->in;
    int32_t code = parser->in.here;

    wfsi_decoder_advance(&next);
    if (!wfsi_regex_has(parser, WFSI_REGEX_SETS) || code <= 0 || code > 127 ||
        (strchr(syntax, (int)code) == NULL &&
         (next.here != code || strchr(doubled, (int)code) == NULL)))
        return WFS_OK;
    return wfsi_regex_unsupported(parser, parser->in.at,
                                  "sets in classes are not supported");
}

/* An atom, or two with a hyphen between them. */
static wfs_status wfsi_regex_class_range(wfsi_regex_parser *parser, size_t open)
{
    size_t start = parser->in.at;
    int32_t low, high;

    WFS_TRY(wfsi_regex_class_atom(parser, open, &low));
    if (!wfsi_regex_accept(parser, '-'))
        return wfsi_regex_add_atom(parser, low);
    if (parser->in.here == ']') {
        WFS_TRY(wfsi_regex_add(parser, '-', '-'));
        return wfsi_regex_add_atom(parser, low);
    }
    WFS_TRY(wfsi_regex_no_sets(parser));
    WFS_TRY(wfsi_regex_class_atom(parser, open, &high));
    if (low >= 0 && high >= 0 && low <= high)
        return wfsi_regex_add(parser, low, high);
    if (low >= 0 && high >= 0)
        return wfsi_regex_invalid(parser, start, "range out of order");
    if (wfsi_regex_has(parser, WFSI_REGEX_UNICODE))
        return wfsi_regex_invalid(parser, start, "a set cannot end a range");
    WFS_TRY(wfsi_regex_add(parser, '-', '-'));
    WFS_TRY(wfsi_regex_add_atom(parser, low));
    return wfsi_regex_add_atom(parser, high);
}

static wfs_status wfsi_regex_class(wfsi_regex_parser *parser,
                                   wfsi_regex_node **node)
{
    size_t open = parser->in.at;
    bool negated;

    wfsi_decoder_advance(&parser->in);
    negated = wfsi_regex_accept(parser, '^');
    while (!wfsi_regex_accept(parser, ']')) {
        WFS_TRY(wfsi_regex_no_sets(parser));
        WFS_TRY(wfsi_regex_class_range(parser, open));
    }
    return wfsi_regex_set_leaf(parser, negated, node);
}

/* --- the parser: groups and repetitions */

static wfs_status wfsi_regex_choice(wfsi_regex_parser *parser,
                                    wfsi_regex_node **node);

/* One character of a group's name, or -1. */
static int32_t wfsi_regex_name_code(wfsi_regex_parser *parser)
{
    wfsi_decoder name = parser->in;
    int32_t code;

    name.whole = true;          /* even without u */
    name.next = name.at;
    name.low = 0;
    wfsi_decoder_advance(&name);
    code = name.here;
    wfsi_decoder_advance(&name);
    name.whole = wfsi_regex_has(parser, WFSI_REGEX_UNICODE);
    name.next = name.at;
    wfsi_decoder_advance(&name);
    parser->in = name;
    if (code != '\\')
        return code;
    return wfsi_regex_accept(parser, 'u') ? wfsi_regex_code_point(parser) : -1;
}

/* What follows (?<, up to the >: the name, with its escapes replaced. */
static wfs_status wfsi_regex_read_name(wfsi_regex_parser *parser, size_t open,
                                       wfsi_regex_name *name)
{
    wfsi_buffer text;
    char bytes[4];
    int32_t code;

    wfsi_buffer_open(&text, &parser->nodes);
    while (parser->in.here != '>' || text.size == 0) {
        code = wfsi_regex_name_code(parser);
        if (code != '$' && code != '_' && !wfsi_code_has(code, "ID_Start") &&
            (text.size == 0 || (code != 0x200C && code != 0x200D &&
                                !wfsi_code_has(code, "ID_Continue"))))
            return wfsi_regex_invalid(parser, open, "invalid group name");
        wfsi_buffer_put(&text, bytes, wfsi_utf8_put(bytes, (uint32_t)code));
        if (text.failed)
            return wfsi_no_memory(parser->error);
    }
    wfsi_decoder_advance(&parser->in);
    name->text = text.data;
    name->size = text.size;
    return WFS_OK;
}

static wfs_status wfsi_regex_add_name(wfsi_regex_parser *parser, size_t open)
{
    wfsi_regex_name name;
    size_t i;

    WFS_TRY(wfsi_regex_read_name(parser, open, &name));
    for (i = 0; i < wfsi_array_count(parser->names); i++)
        if (parser->names[i].size == name.size &&
            wfsi_bytes_equal(parser->names[i].text, name.text, name.size))
            return wfsi_regex_invalid(parser, open, "duplicate group name");
    if (!wfsi_array_reserve(&parser->nodes.allocator, parser->names, 1))
        return wfsi_no_memory(parser->error);
    wfsi_array_push(parser->names, name);
    return WFS_OK;
}

/* A character of the TEXT in (?!TEXT). */
static wfs_status wfsi_regex_lookahead_atom(wfsi_regex_parser *parser,
                                            size_t open, wfsi_regex_node **atom)
{
    int32_t code = parser->in.here;

    if (code == '\\') {
        WFS_TRY(wfsi_regex_escape(parser, atom));
        if ((*atom)->leaf.op == WFSI_OP_CHAR)
            return WFS_OK;
    } else if (code != WFSI_NO_UNIT && !wfsi_is_syntax_character(code)) {
        wfsi_decoder_advance(&parser->in);
        return wfsi_regex_char(parser, code, atom);
    }
    return wfsi_regex_unsupported(parser, open,
                                  "look-around is not supported");
}

/* The rest of (?!TEXT), where TEXT is nothing but characters. */
static wfs_status wfsi_regex_lookahead(wfsi_regex_parser *parser, size_t open,
                                       wfsi_regex_node **node)
{
    size_t start = wfsi_array_count(parser->texts);
    wfsi_regex_node *atom;

    while (!wfsi_regex_accept(parser, ')')) {
        WFS_TRY(wfsi_regex_lookahead_atom(parser, open, &atom));
        if (!wfsi_array_reserve(&parser->nodes.allocator, parser->texts, 1))
            return wfsi_no_memory(parser->error);
        wfsi_array_push(parser->texts, (int32_t)atom->leaf.a);
    }
    WFS_TRY(wfsi_regex_leaf(parser, WFSI_OP_NOT_TEXT, (uint32_t)start, node));
    (*node)->leaf.b = (uint32_t)(wfsi_array_count(parser->texts) - start);
    return WFS_OK;
}

/* What follows "(?" and is neither a look-around nor inside the group. */
static wfs_status wfsi_regex_group_kind(wfsi_regex_parser *parser, size_t open,
                                        bool *captures)
{
    *captures = false;
    if (wfsi_regex_accept(parser, ':'))
        return WFS_OK;
    *captures = wfsi_regex_accept(parser, '<');
    if (parser->in.here == '=' || parser->in.here == '!') {
        wfsi_decoder_advance(&parser->in);
        return wfsi_regex_unsupported(parser, open,
                                      "look-around is not supported");
    }
    return *captures ? wfsi_regex_add_name(parser, open)
                     : wfsi_regex_invalid(parser, open, "invalid group");
}

/* The inside of a group and its end. */
static wfs_status wfsi_regex_group_body(wfsi_regex_parser *parser, size_t open,
                                        wfsi_regex_node **node)
{
    if (parser->depth >= WFSI_REGEX_DEPTH)
        return wfsi_regex_refuse(parser, WFS_ERR_LIMIT, open,
                                 "groups are nested too deeply");
    parser->depth++;
    WFS_TRY(wfsi_regex_choice(parser, node));
    parser->depth--;
    return wfsi_regex_accept(parser, ')')
               ? WFS_OK
               : wfsi_regex_invalid(parser, open, "unterminated group");
}

static wfs_status wfsi_regex_group(wfsi_regex_parser *parser,
                                   wfsi_regex_node **node)
{
    size_t open = parser->in.at;
    bool captures = true;
    wfsi_regex_node *body;

    wfsi_decoder_advance(&parser->in);
    if (wfsi_regex_accept(parser, '?')) {
        if ((parser->options & WFSI_REGEX_LITERAL_LOOKAHEAD) != 0 &&
            wfsi_regex_accept(parser, '!'))
            return wfsi_regex_lookahead(parser, open, node);
        WFS_TRY(wfsi_regex_group_kind(parser, open, &captures));
    }
    if (!captures)
        return wfsi_regex_group_body(parser, open, node);
    if (parser->groups >= WFSI_REGEX_GROUPS)
        return wfsi_regex_refuse(parser, WFS_ERR_LIMIT, open,
                                 "there are too many groups");
    WFS_TRY(wfsi_regex_new(parser, WFSI_NODE_GROUP, node));
    (*node)->group = ++parser->groups;
    WFS_TRY(wfsi_regex_group_body(parser, open, &body));
    (*node)->child = body;
    (*node)->nullable = body == NULL || body->nullable;
    return WFS_OK;
}

/* Decimal digits; too large a number is no bound. False when there are none. */
static bool wfsi_regex_number(wfsi_regex_parser *parser, uint32_t *number)
{
    int32_t digit = parser->in.here;

    if (digit < '0' || digit > '9')
        return false;
    for (*number = 0; digit >= '0' && digit <= '9'; digit = parser->in.here) {
        if (*number > (WFSI_REGEX_UNBOUNDED - 9) / 10)
            *number = WFSI_REGEX_UNBOUNDED;
        else
            *number = *number * 10 + (uint32_t)(digit - '0');
        wfsi_decoder_advance(&parser->in);
    }
    return true;
}

/* {n} {n,} {n,m}; false, with nothing read, when it is not one of these. */
static bool wfsi_regex_braces(wfsi_regex_parser *parser, uint32_t *min,
                              uint32_t *max)
{
    wfsi_decoder start = parser->in;

    if (wfsi_regex_accept(parser, '{') && wfsi_regex_number(parser, min)) {
        *max = *min;
        if (wfsi_regex_accept(parser, ',') && !wfsi_regex_number(parser, max))
            *max = WFSI_REGEX_UNBOUNDED;
        if (wfsi_regex_accept(parser, '}'))
            return true;
    }
    parser->in = start;
    return false;
}

/* Any quantifier but for the ? after it; false when there is none. */
static bool wfsi_regex_bounds(wfsi_regex_parser *parser, uint32_t *min,
                              uint32_t *max)
{
    int32_t code = parser->in.here;

    if (code == '{')
        return wfsi_regex_braces(parser, min, max);
    if (code != '*' && code != '+' && code != '?')
        return false;
    *min = code == '+';
    *max = code == '?' ? 1 : WFSI_REGEX_UNBOUNDED;
    wfsi_decoder_advance(&parser->in);
    return true;
}

/* Maybe a quantifier for the node, which started there and after so many
 * groups. What is repeated 0 times, or is nothing, becomes NULL. */
static wfs_status wfsi_regex_repeat(wfsi_regex_parser *parser, size_t start,
                                    uint32_t groups, wfsi_regex_node **node)
{
    wfsi_regex_node *child = *node;
    size_t at = parser->in.at;
    uint32_t min, max;
    bool greedy;

    if (!wfsi_regex_bounds(parser, &min, &max)) {
        if (parser->in.here == '{' &&
            wfsi_regex_has(parser, WFSI_REGEX_UNICODE))
            return wfsi_regex_invalid(parser, at, "incomplete quantifier");
        return WFS_OK;
    }
    greedy = !wfsi_regex_accept(parser, '?');
    if (min > max)
        return wfsi_regex_invalid(parser, at,
                                  "numbers out of order in a quantifier");
    if (child == NULL || max == 0) {
        *node = NULL;
        return WFS_OK;
    }
    WFS_TRY(wfsi_regex_new(parser, WFSI_NODE_REPEAT, node));
    (*node)->child = child;
    (*node)->nullable = min == 0 || child->nullable;
    (*node)->greedy = greedy;
    (*node)->min = min;
    (*node)->max = max;
    (*node)->group = groups;
    (*node)->last_group = parser->groups;
    (*node)->at = start;
    (*node)->end = parser->in.at;
    return WFS_OK;
}

/* A character that stands for itself, unless it may not. */
static wfs_status wfsi_regex_literal(wfsi_regex_parser *parser,
                                     wfsi_regex_node **node)
{
    size_t at = parser->in.at;
    int32_t code = parser->in.here;
    uint32_t min, max;

    if (code == '*' || code == '+' || code == '?' ||
        (code == '{' && wfsi_regex_braces(parser, &min, &max)))
        return wfsi_regex_invalid(parser, at, "nothing to repeat");
    if (wfsi_regex_has(parser, WFSI_REGEX_UNICODE) &&
        (code == '{' || code == '}' || code == ']'))
        return wfsi_regex_invalid(parser, at, "lone bracket");
    wfsi_decoder_advance(&parser->in);
    return wfsi_regex_char(parser, code, node);
}

/* ^ $ . */
static wfs_status wfsi_regex_symbol(wfsi_regex_parser *parser,
                                    wfsi_regex_node **node)
{
    bool lines = wfsi_regex_has(parser, WFSI_REGEX_MULTILINE);
    bool all = wfsi_regex_has(parser, WFSI_REGEX_DOT_ALL);
    wfsi_regex_op op = all ? WFSI_OP_ANY : WFSI_OP_NOT_NEWLINE;

    if (parser->in.here == '^')
        op = lines ? WFSI_OP_BEGIN_LINE : WFSI_OP_BEGIN;
    else if (parser->in.here == '$')
        op = lines ? WFSI_OP_END_LINE : WFSI_OP_END;
    wfsi_decoder_advance(&parser->in);
    return wfsi_regex_leaf(parser, op, 0, node);
}

/* Whether a quantifier may follow. */
static bool wfsi_regex_repeats(const wfsi_regex_parser *parser,
                               const wfsi_regex_node *node)
{
    if (node == NULL || node->kind != WFSI_NODE_LEAF)
        return true;
    return node->leaf.op < WFSI_OP_MATCH ||
           (node->leaf.op == WFSI_OP_NOT_TEXT &&
            !wfsi_regex_has(parser, WFSI_REGEX_UNICODE));
}

/* NULL when it is nothing. */
static wfs_status wfsi_regex_term(wfsi_regex_parser *parser,
                                  wfsi_regex_node **node)
{
    size_t start = parser->in.at;
    uint32_t groups = parser->groups;
    int32_t code = parser->in.here;

    if (code == '(')
        WFS_TRY(wfsi_regex_group(parser, node));
    else if (code == '[')
        WFS_TRY(wfsi_regex_class(parser, node));
    else if (code == '\\')
        WFS_TRY(wfsi_regex_escape(parser, node));
    else if (code == '^' || code == '$' || code == '.')
        WFS_TRY(wfsi_regex_symbol(parser, node));
    else
        WFS_TRY(wfsi_regex_literal(parser, node));
    return wfsi_regex_repeats(parser, *node)
               ? wfsi_regex_repeat(parser, start, groups, node) : WFS_OK;
}

/* NULL when it is nothing: no part of the program stands for that, so that
 * what is repeated without end takes room, and the limit is met. */
static wfs_status wfsi_regex_sequence(wfsi_regex_parser *parser,
                                      wfsi_regex_node **node)
{
    wfsi_regex_node *sequence, *term, **tail;

    WFS_TRY(wfsi_regex_new(parser, WFSI_NODE_SEQUENCE, &sequence));
    sequence->nullable = true;
    tail = &sequence->child;
    while (parser->in.here != '|' && parser->in.here != ')' &&
           parser->in.here != WFSI_NO_UNIT) {
        WFS_TRY(wfsi_regex_term(parser, &term));
        if (term == NULL)
            continue;
        sequence->nullable = sequence->nullable && term->nullable;
        *tail = term;
        tail = &term->next;
    }
    *node = sequence->child != NULL ? sequence : NULL;
    return WFS_OK;
}

/* Alternatives; NULL when there is one, which is nothing. */
static wfs_status wfsi_regex_choice(wfsi_regex_parser *parser,
                                    wfsi_regex_node **node)
{
    wfsi_regex_node *choice, *sequence, **tail;

    WFS_TRY(wfsi_regex_sequence(parser, node));
    if (parser->in.here != '|')
        return WFS_OK;
    WFS_TRY(wfsi_regex_new(parser, WFSI_NODE_CHOICE, &choice));
    tail = &choice->child;
    sequence = *node;
    for (;;) {
        if (sequence == NULL)
            WFS_TRY(wfsi_regex_new(parser, WFSI_NODE_SEQUENCE, &sequence));
        if (sequence->child == NULL)
            sequence->nullable = true;
        choice->nullable = choice->nullable || sequence->nullable;
        *tail = sequence;
        tail = &sequence->next;
        if (!wfsi_regex_accept(parser, '|'))
            break;
        WFS_TRY(wfsi_regex_sequence(parser, &sequence));
    }
    *node = choice;
    return WFS_OK;
}

/* --- from the tree to the program */

static wfs_status wfsi_regex_emit(wfsi_regex_parser *parser, wfsi_regex_op op,
                                  uint32_t a, uint32_t b)
{
    const wfsi_regex_node *place = parser->repeat;
    wfsi_instruction instruction;

    if (parser->states + parser->loops >= WFSI_REGEX_STATES) {
        parser->in.at = place != NULL ? place->end : parser->in.size;
        return wfsi_regex_refuse(parser, WFS_ERR_LIMIT,
                                 place != NULL ? place->at : 0,
                                 "the expression is too large");
    }
    instruction.op = op;
    instruction.a = a;
    instruction.b = b;
    instruction.loops = parser->loops;
    instruction.state = parser->states;
    if (!wfsi_array_reserve(&parser->nodes.allocator, parser->program, 1))
        return wfsi_no_memory(parser->error);
    parser->states += parser->loops + 1;
    wfsi_array_push(parser->program, instruction);
    return WFS_OK;
}

static uint32_t wfsi_regex_here(const wfsi_regex_parser *parser)
{
    return (uint32_t)wfsi_array_count(parser->program);
}

/* Of a split, the way that does not lead to the next instruction. */
static void wfsi_regex_set_target(wfsi_regex_parser *parser, uint32_t split,
                                  bool greedy, uint32_t target)
{
    if (greedy)
        parser->program[split].b = target;
    else
        parser->program[split].a = target;
}

static wfs_status wfsi_regex_emit_node(wfsi_regex_parser *parser,
                                       const wfsi_regex_node *node);

static wfs_status wfsi_regex_emit_choice(wfsi_regex_parser *parser,
                                         const wfsi_regex_node *node)
{
    const wfsi_regex_node *child = node->child;
    uint32_t split, jump, next, last = UINT32_MAX;

    for (; child->next != NULL; child = child->next) {
        split = wfsi_regex_here(parser);
        WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_SPLIT, split + 1, 0));
        WFS_TRY(wfsi_regex_emit_node(parser, child));
        jump = wfsi_regex_here(parser);
        WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_JUMP, last, 0));
        last = jump;
        parser->program[split].b = jump + 1;
    }
    WFS_TRY(wfsi_regex_emit_node(parser, child));
    for (jump = last; jump != UINT32_MAX; jump = next) {
        next = parser->program[jump].a;
        parser->program[jump].a = wfsi_regex_here(parser);
    }
    return WFS_OK;
}

/* Each time round, the groups inside have taken no part yet. */
static wfs_status wfsi_regex_emit_body(wfsi_regex_parser *parser,
                                       const wfsi_regex_node *node)
{
    uint32_t group;

    for (group = node->group; group < node->last_group; group++)
        WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_UNSET, group + 1, 0));
    return wfsi_regex_emit_node(parser, node->child);
}

/* A time round that may be left out: it must consume something. */
static wfs_status wfsi_regex_emit_round(wfsi_regex_parser *parser,
                                        const wfsi_regex_node *node)
{
    if (!node->child->nullable)
        return wfsi_regex_emit_body(parser, node);
    parser->loops++;
    WFS_TRY(wfsi_regex_emit_body(parser, node));
    WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_PROGRESS, 0, 0));
    parser->loops--;
    return WFS_OK;
}

/* One of its two ways is to be set. */
static wfs_status wfsi_regex_emit_split(wfsi_regex_parser *parser,
                                        uint32_t *split)
{
    *split = wfsi_regex_here(parser);
    return wfsi_regex_emit(parser, WFSI_OP_SPLIT, *split + 1, *split + 1);
}

/* At least once, of what cannot be empty: the body, then back to it. */
static wfs_status wfsi_regex_emit_plus(wfsi_regex_parser *parser,
                                       const wfsi_regex_node *node)
{
    uint32_t start = wfsi_regex_here(parser), split;

    WFS_TRY(wfsi_regex_emit_body(parser, node));
    WFS_TRY(wfsi_regex_emit_split(parser, &split));
    wfsi_regex_set_target(parser, split, !node->greedy, start);
    return WFS_OK;
}

/* Any number of times. */
static wfs_status wfsi_regex_emit_star(wfsi_regex_parser *parser,
                                       const wfsi_regex_node *node)
{
    uint32_t split;

    WFS_TRY(wfsi_regex_emit_split(parser, &split));
    WFS_TRY(wfsi_regex_emit_round(parser, node));
    WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_JUMP, split, 0));
    wfsi_regex_set_target(parser, split, node->greedy, wfsi_regex_here(parser));
    return WFS_OK;
}

/* Up to count times: (x(x(x)?)?)?. */
static wfs_status wfsi_regex_emit_optional(wfsi_regex_parser *parser,
                                           const wfsi_regex_node *node,
                                           uint32_t count)
{
    uint32_t split, next, last = UINT32_MAX;

    for (; count > 0; count--) {
        WFS_TRY(wfsi_regex_emit_split(parser, &split));
        wfsi_regex_set_target(parser, split, node->greedy, last);
        last = split;
        WFS_TRY(wfsi_regex_emit_round(parser, node));
    }
    for (split = last; split != UINT32_MAX; split = next) {
        next = node->greedy ? parser->program[split].b
                            : parser->program[split].a;
        wfsi_regex_set_target(parser, split, node->greedy,
                              wfsi_regex_here(parser));
    }
    return WFS_OK;
}

static wfs_status wfsi_regex_emit_rounds(wfsi_regex_parser *parser,
                                         const wfsi_regex_node *node)
{
    bool is_plus = node->max == WFSI_REGEX_UNBOUNDED && node->min > 0 &&
                   !node->child->nullable;
    uint32_t i, copies = is_plus ? node->min - 1 : node->min;

    for (i = 0; i < copies; i++)
        WFS_TRY(wfsi_regex_emit_body(parser, node));
    if (is_plus)
        return wfsi_regex_emit_plus(parser, node);
    if (node->max == WFSI_REGEX_UNBOUNDED)
        return wfsi_regex_emit_star(parser, node);
    return wfsi_regex_emit_optional(parser, node, node->max - node->min);
}

static wfs_status wfsi_regex_emit_repeat(wfsi_regex_parser *parser,
                                         const wfsi_regex_node *node)
{
    const wfsi_regex_node *outer = parser->repeat;

    parser->repeat = node;
    WFS_TRY(wfsi_regex_emit_rounds(parser, node));
    parser->repeat = outer;
    return WFS_OK;
}

static wfs_status wfsi_regex_emit_group(wfsi_regex_parser *parser,
                                        const wfsi_regex_node *node)
{
    WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_SAVE, 2 * node->group, 0));
    if (node->child != NULL)
        WFS_TRY(wfsi_regex_emit_node(parser, node->child));
    return wfsi_regex_emit(parser, WFSI_OP_SAVE, 2 * node->group + 1, 0);
}

/* As deep as groups are nested, at most. */
static wfs_status wfsi_regex_emit_node(wfsi_regex_parser *parser,
                                       const wfsi_regex_node *node)
{
    const wfsi_regex_node *child;

    switch (node->kind) {
    case WFSI_NODE_LEAF:
        return wfsi_regex_emit(parser, node->leaf.op, node->leaf.a,
                               node->leaf.b);
    case WFSI_NODE_SEQUENCE:
        for (child = node->child; child != NULL; child = child->next)
            WFS_TRY(wfsi_regex_emit_node(parser, child));
        return WFS_OK;
    case WFSI_NODE_CHOICE:
        return wfsi_regex_emit_choice(parser, node);
    case WFSI_NODE_GROUP:
        return wfsi_regex_emit_group(parser, node);
    case WFSI_NODE_REPEAT:
        return wfsi_regex_emit_repeat(parser, node);
    }
    return WFS_OK;
}

static wfs_status wfsi_regex_emit_all(wfsi_regex_parser *parser,
                                      const wfsi_regex_node *node)
{
    WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_SAVE, 0, 0));
    if (node != NULL)
        WFS_TRY(wfsi_regex_emit_node(parser, node));
    WFS_TRY(wfsi_regex_emit(parser, WFSI_OP_SAVE, 1, 0));
    return wfsi_regex_emit(parser, WFSI_OP_MATCH, 0, 0);
}

/* --- what a match can begin with */

/* Note the characters that an instruction takes. */
static void wfsi_regex_note_first(wfs_regex *regex,
                                  const wfsi_instruction *instruction)
{
    bool fold = (regex->flags & WFSI_REGEX_IGNORE_CASE) != 0;
    bool whole = (regex->flags & WFSI_REGEX_UNICODE) != 0;
    bool is_char = instruction->op == WFSI_OP_CHAR;
    int32_t code, mine;

    for (code = 0; code < 128; code++) {
        mine = fold ? wfsi_fold(code, regex->flags) : code;
        if (is_char ? mine == (int32_t)instruction->a
                    : instruction->op != WFSI_OP_SET ||
                          regex->sets[instruction->a].ascii[code])
            regex->first[code] = true;
    }
    if (!is_char || instruction->a >= 128 || (fold && whole))
        regex->first_other = true;
}

/* Follow all ways from the start to where something is consumed; a way through
 * the text's start leads nowhere. seen and stack: a place an instruction. */
static void wfsi_regex_find_first(wfs_regex *regex, bool *seen, uint32_t *stack)
{
    uint32_t count = 0, place = 0;
    const wfsi_instruction *at;

    for (;;) {
        at = &regex->program[place];
        if (!seen[place] && at->op != WFSI_OP_BEGIN) {
            seen[place] = true;
            if (at->op < WFSI_OP_MATCH)
                wfsi_regex_note_first(regex, at);
            else if (at->op == WFSI_OP_MATCH)
                regex->first_none = true;
            else
                stack[count++] = at->op == WFSI_OP_JUMP ||
                                 at->op == WFSI_OP_SPLIT ? at->a : place + 1;
            if (at->op == WFSI_OP_SPLIT && !seen[at->b])
                stack[count++] = at->b;
        }
        if (count == 0)
            return;
        place = stack[--count];
    }
}

static wfs_status wfsi_regex_look_ahead(wfsi_regex_parser *parser,
                                        wfs_regex *regex)
{
    bool *seen = (bool *)wfsi_arena_zeroed(&parser->nodes, regex->size);
    uint32_t *stack = (uint32_t *)wfsi_arena_allocate(
        &parser->nodes, 2 * sizeof *stack * regex->size);

    if (seen == NULL || stack == NULL)
        return wfsi_no_memory(parser->error);
    if ((regex->flags & WFSI_REGEX_STICKY) == 0)
        wfsi_regex_find_first(regex, seen, stack);
    return WFS_OK;
}

/* --- compiling */

static wfs_status wfsi_regex_read_flags(const char *flags, size_t size,
                                        unsigned *bits, wfs_error *error)
{
    static const char letters[] = "gimsuyv";
    const unsigned either = WFSI_REGEX_UNICODE | WFSI_REGEX_SETS;
    const char *found;
    unsigned bit;
    size_t i;

    *bits = 0;
    for (i = 0; i < size; i++) {
        found = (const char *)memchr(letters, flags[i], sizeof letters - 1);
        bit = found != NULL ? 1u << (found - letters) : 0;
        if (bit == 0 || (*bits & bit) != 0)
            return wfsi_error(
                error, bit == 0 ? WFS_ERR_UNSUPPORTED : WFS_ERR_VALIDATION,
                bit == 0 ? "the flag is not supported: \"%n\""
                         : "the flag stands twice: \"%n\"",
                flags + i, (size_t)1);
        *bits |= bit;
    }
    if ((*bits & either) == either)
        return wfsi_error(error, WFS_ERR_VALIDATION,
                          "the flags u and v exclude each other");
    if ((*bits & WFSI_REGEX_SETS) != 0)
        *bits |= WFSI_REGEX_UNICODE;
    return WFS_OK;
}

/* Count the groups, before any number can be told from a reference. */
static void wfsi_regex_count_groups(wfsi_regex_parser *parser)
{
    wfsi_decoder at = parser->in;
    bool in_class = false;

    for (; at.here != WFSI_NO_UNIT; wfsi_decoder_advance(&at)) {
        if (at.here == '\\')
            wfsi_decoder_advance(&at);
        else if (at.here == '[')
            in_class = true;
        else if (at.here == ']')
            in_class = false;
        if (at.here != '(' || in_class || at.text[at.at] != '(')
            continue;
        if (at.size - at.at < 2 || at.text[at.at + 1] != '?') {
            parser->all_groups++;
        } else if (at.size - at.at > 3 && at.text[at.at + 2] == '<' &&
                   at.text[at.at + 3] != '=' && at.text[at.at + 3] != '!') {
            parser->all_groups++;
            parser->has_names = true;
        }
    }
}

static void *wfsi_regex_keep(wfsi_regex_parser *parser, const void *items,
                             size_t size)
{
    void *copy = wfsi_arena_allocate(parser->arena, size);

    if (copy != NULL && size != 0)
        memcpy(copy, items, size);
    return copy;
}

/* The result, made of what the parser has gathered. */
static wfs_status wfsi_regex_finish(wfsi_regex_parser *parser,
                                    wfs_regex **result)
{
    wfs_regex *regex = (wfs_regex *)wfsi_arena_zeroed(parser->arena,
                                                      sizeof *regex);

    if (regex == NULL)
        return wfsi_no_memory(parser->error);
    regex->flags = parser->flags;
    regex->groups = parser->groups;
    regex->size = wfsi_regex_here(parser);
    regex->states = parser->states;
    regex->program = (const wfsi_instruction *)wfsi_regex_keep(
        parser, parser->program, regex->size * sizeof *parser->program);
    regex->sets = (const wfsi_regex_set *)wfsi_regex_keep(
        parser, parser->sets,
        wfsi_array_count(parser->sets) * sizeof *parser->sets);
    regex->texts = (const int32_t *)wfsi_regex_keep(
        parser, parser->texts,
        wfsi_array_count(parser->texts) * sizeof *parser->texts);
    if (regex->program == NULL || regex->sets == NULL || regex->texts == NULL)
        return wfsi_no_memory(parser->error);
    WFS_TRY(wfsi_regex_look_ahead(parser, regex));
    *result = regex;
    return WFS_OK;
}

static wfs_status wfsi_regex_parse(wfsi_regex_parser *parser,
                                   wfs_regex **result)
{
    wfsi_regex_node *node;

    wfsi_regex_count_groups(parser);
    WFS_TRY(wfsi_regex_choice(parser, &node));
    if (parser->in.here == ')')
        return wfsi_regex_invalid(parser, parser->in.at, "unmatched )");
    WFS_TRY(wfsi_regex_emit_all(parser, node));
    return wfsi_regex_finish(parser, result);
}

/* *regex lives in the arena. options: WFSI_REGEX_LITERAL_LOOKAHEAD or 0. */
static wfs_status wfsi_regex_compile(wfs_arena *arena, const char *source,
                                     size_t size, const char *flags,
                                     size_t flags_size, unsigned options,
                                     wfs_regex **regex, wfs_error *error)
{
    wfsi_regex_parser parser;
    wfs_status status;

    *regex = NULL;
    memset(&parser, 0, sizeof parser);
    parser.arena = arena;
    parser.error = error;
    parser.options = options;
    WFS_TRY(wfsi_regex_read_flags(flags, flags_size, &parser.flags, error));
    wfsi_arena_open(&parser.nodes, &arena->allocator);
    wfsi_decoder_open(&parser.in, source, size,
                      wfsi_regex_has(&parser, WFSI_REGEX_UNICODE));
    status = wfsi_regex_parse(&parser, regex);
    wfsi_array_free(&parser.nodes.allocator, parser.names);
    wfsi_array_free(&parser.nodes.allocator, parser.ranges);
    wfsi_array_free(&parser.nodes.allocator, parser.program);
    wfsi_array_free(&parser.nodes.allocator, parser.sets);
    wfsi_array_free(&parser.nodes.allocator, parser.texts);
    wfsi_arena_close(&parser.nodes);
    return status;
}

/* --- searching */

/* Ways through the program that wait for a character, the preferred first. */
typedef struct wfsi_threads {
    uint32_t *places;
    size_t *slots;              /* slot_count for each */
    size_t count;
} wfsi_threads;

/* A way to go on (value: how many loops have consumed something), or a slot's
 * value, to be restored before the ways pushed earlier. */
typedef struct wfsi_pending {
    uint32_t place, slot;
    size_t value;
} wfsi_pending;

#define WFSI_NO_SLOT UINT32_MAX

typedef struct wfsi_matcher {
    const wfs_regex *regex;
    wfsi_decoder in;
    int32_t before;             /* the character before `in.here` */
    size_t slot_count;          /* 0 when no one asks where the groups are */
    size_t round;               /* one for each place in the text */
    size_t *marks;              /* for each state: the last round there */
    size_t *slots;              /* of the way at hand */
    size_t *best;               /* of the match */
    wfsi_pending *pending;
    size_t pending_count;
    wfsi_threads now, then;
    int32_t folded;             /* the character to consume, */
    int32_t same[WFSI_CASE_SAME];
    size_t same_count;          /* and those it is the same as; 0: not known */
} wfsi_matcher;

static size_t *wfsi_matcher_sizes(wfs_arena *scratch, size_t count)
{
    return (size_t *)wfsi_arena_zeroed(scratch, count * sizeof(size_t));
}

static bool wfsi_threads_open(wfsi_threads *threads, wfs_arena *scratch,
                              size_t size, size_t slot_count)
{
    threads->count = 0;
    threads->places = (uint32_t *)wfsi_arena_allocate(
        scratch, size * sizeof *threads->places);
    threads->slots = (size_t *)wfsi_arena_allocate(
        scratch, size * slot_count * sizeof *threads->slots);
    return threads->places != NULL && threads->slots != NULL;
}

static bool wfsi_matcher_open(wfsi_matcher *matcher, const wfs_regex *regex,
                              wfs_arena *scratch, size_t slot_count)
{
    size_t size = regex->size;

    memset(matcher, 0, sizeof *matcher);
    matcher->regex = regex;
    matcher->before = WFSI_NO_UNIT;
    matcher->slot_count = slot_count;
    matcher->round = 1;
    matcher->marks = wfsi_matcher_sizes(scratch, regex->states);
    matcher->slots = wfsi_matcher_sizes(scratch, slot_count);
    matcher->best = wfsi_matcher_sizes(scratch, slot_count);
    matcher->pending = (wfsi_pending *)wfsi_arena_allocate(
        scratch, ((size_t)2 * regex->states + 1) * sizeof *matcher->pending);
    return wfsi_threads_open(&matcher->now, scratch, size, slot_count) &&
           wfsi_threads_open(&matcher->then, scratch, size, slot_count) &&
           matcher->marks != NULL && matcher->slots != NULL &&
           matcher->best != NULL && matcher->pending != NULL;
}

/* Whether the text of an assertion follows here. */
static bool wfsi_matcher_follows(const wfsi_matcher *matcher,
                                 const wfsi_instruction *at)
{
    const wfs_regex *regex = matcher->regex;
    bool fold = (regex->flags & WFSI_REGEX_IGNORE_CASE) != 0;
    wfsi_decoder in = matcher->in;
    int32_t code;
    uint32_t i;

    for (i = 0; i < at->b; i++) {
        code = fold ? wfsi_fold(in.here, regex->flags) : in.here;
        if (in.here == WFSI_NO_UNIT || code != regex->texts[at->a + i])
            return false;
        wfsi_decoder_advance(&in);
    }
    return true;
}

static bool wfsi_matcher_holds(const wfsi_matcher *matcher,
                               const wfsi_instruction *at)
{
    int32_t before = matcher->before, here = matcher->in.here;
    unsigned flags = matcher->regex->flags;

    switch (at->op) {
    case WFSI_OP_BEGIN:
        return before == WFSI_NO_UNIT;
    case WFSI_OP_BEGIN_LINE:
        return before == WFSI_NO_UNIT || wfsi_is_newline(before);
    case WFSI_OP_END:
        return here == WFSI_NO_UNIT;
    case WFSI_OP_END_LINE:
        return here == WFSI_NO_UNIT || wfsi_is_newline(here);
    case WFSI_OP_BOUNDARY:
        return wfsi_is_word(before, flags) != wfsi_is_word(here, flags);
    case WFSI_OP_NO_BOUNDARY:
        return wfsi_is_word(before, flags) == wfsi_is_word(here, flags);
    default:
        return !wfsi_matcher_follows(matcher, at);
    }
}

static void wfsi_matcher_push(wfsi_matcher *matcher, uint32_t place,
                              uint32_t slot, size_t value)
{
    wfsi_pending *pending = &matcher->pending[matcher->pending_count++];

    pending->place = place;
    pending->slot = slot;
    pending->value = value;
}

static void wfsi_matcher_set_slot(wfsi_matcher *matcher, uint32_t slot,
                                  size_t value)
{
    wfsi_matcher_push(matcher, 0, slot, matcher->slots[slot]);
    matcher->slots[slot] = value;
}

static void wfsi_matcher_copy(size_t *to, const size_t *from, size_t count)
{
    if (count != 0)
        memcpy(to, from, count * sizeof *to);
}

static void wfsi_matcher_wait(wfsi_matcher *matcher, wfsi_threads *threads,
                              uint32_t place)
{
    wfsi_matcher_copy(threads->slots + threads->count * matcher->slot_count,
                      matcher->slots, matcher->slot_count);
    threads->places[threads->count++] = place;
}

/* Do what an instruction that goes on to the next one does; false when it
 * ends the way. loops: how many have consumed something. */
static bool wfsi_matcher_pass(wfsi_matcher *matcher, const wfsi_instruction *at,
                              uint32_t loops)
{
    if (at->op > WFSI_OP_PROGRESS)
        return wfsi_matcher_holds(matcher, at);
    if (matcher->slot_count == 0)
        return true;
    if (at->op == WFSI_OP_PROGRESS)
        return loops == at->loops;
    if (at->op == WFSI_OP_SAVE) {
        wfsi_matcher_set_slot(matcher, at->a, matcher->in.at);
    } else {
        wfsi_matcher_set_slot(matcher, 2 * at->a, SIZE_MAX);
        wfsi_matcher_set_slot(matcher, 2 * at->a + 1, SIZE_MAX);
    }
    return true;
}

/* Go on from there until a character is needed, and note that; push what else
 * can be done. True when a match is complete.
 *
 * A way ends where it meets a state that was visited in this round: a preferred
 * way has been there, and what follows from there is the same for both. When
 * only the answer counts, a loop may go round without consuming anything: it
 * could as well not have gone round, and so all states of a place are one. */
static bool wfsi_matcher_run(wfsi_matcher *matcher, wfsi_threads *threads,
                             uint32_t place, uint32_t loops)
{
    const wfsi_instruction *at;
    size_t *mark;

    for (;;) {
        at = &matcher->regex->program[place];
        if (loops > at->loops)
            loops = at->loops;
        mark = &matcher->marks[at->state + (at->op > WFSI_OP_MATCH ? loops
                                                                   : 0)];
        if (*mark == matcher->round)
            return false;
        *mark = matcher->round;
        if (at->op == WFSI_OP_MATCH)
            return true;
        if (at->op < WFSI_OP_MATCH) {
            wfsi_matcher_wait(matcher, threads, place);
            return false;
        }
        if (at->op == WFSI_OP_SPLIT)
            wfsi_matcher_push(matcher, at->b, WFSI_NO_SLOT, loops);
        if (at->op == WFSI_OP_SPLIT || at->op == WFSI_OP_JUMP)
            place = at->a;
        else if (wfsi_matcher_pass(matcher, at, loops))
            place++;
        else
            return false;
    }
}

/* All ways from there, the preferred first; true, and the rest left, when one
 * is a match. loops: how many have consumed something. */
static bool wfsi_matcher_follow(wfsi_matcher *matcher, wfsi_threads *threads,
                                uint32_t place, uint32_t loops)
{
    const wfsi_pending *pending;

    matcher->pending_count = 0;
    wfsi_matcher_push(matcher, place, WFSI_NO_SLOT, loops);
    while (matcher->pending_count > 0) {
        pending = &matcher->pending[--matcher->pending_count];
        if (pending->slot != WFSI_NO_SLOT) {
            matcher->slots[pending->slot] = pending->value;
        } else if (wfsi_matcher_run(matcher, threads, pending->place,
                                    (uint32_t)pending->value)) {
            wfsi_matcher_copy(matcher->best, matcher->slots,
                              matcher->slot_count);
            return true;
        }
    }
    return false;
}

static bool wfsi_matcher_in_set(wfsi_matcher *matcher, int32_t code,
                                const wfsi_regex_set *set)
{
    if (code < 128)
        return set->ascii[code];
    if (matcher->same_count == 0) {
        matcher->same[0] = code;
        matcher->same_count = 1;
        if ((matcher->regex->flags & WFSI_REGEX_IGNORE_CASE) != 0)
            matcher->same_count = wfsi_same_case(code, matcher->regex->flags,
                                                 matcher->same);
    }
    return wfsi_set_holds(set, matcher->same, matcher->same_count);
}

static bool wfsi_matcher_takes(wfsi_matcher *matcher, int32_t code,
                               const wfsi_instruction *at)
{
    switch (at->op) {
    case WFSI_OP_CHAR:
        return matcher->folded == (int32_t)at->a;
    case WFSI_OP_NOT_NEWLINE:
        return !wfsi_is_newline(code);
    case WFSI_OP_SET:
        return wfsi_matcher_in_set(matcher, code,
                                   &matcher->regex->sets[at->a]);
    default:
        return true;
    }
}

/* On to the next character. */
static void wfsi_matcher_advance(wfsi_matcher *matcher)
{
    matcher->before = matcher->in.here;
    wfsi_decoder_advance(&matcher->in);
    matcher->round++;
}

/* Let every way take the next character, or end; true when one is a match, and
 * then those that are less preferred have ended. */
static bool wfsi_matcher_step(wfsi_matcher *matcher)
{
    const wfs_regex *regex = matcher->regex;
    int32_t code = matcher->in.here;
    wfsi_threads now = matcher->now;
    bool found = false;
    const wfsi_instruction *at;
    size_t i;

    matcher->same_count = 0;
    matcher->folded = (regex->flags & WFSI_REGEX_IGNORE_CASE) != 0
                          ? wfsi_fold(code, regex->flags) : code;
    matcher->then.count = 0;
    wfsi_matcher_advance(matcher);
    for (i = 0; i < now.count && !found; i++) {
        at = &regex->program[now.places[i]];
        if (!wfsi_matcher_takes(matcher, code, at))
            continue;
        wfsi_matcher_copy(matcher->slots, now.slots + i * matcher->slot_count,
                          matcher->slot_count);
        found = wfsi_matcher_follow(matcher, &matcher->then, now.places[i] + 1,
                                    matcher->slot_count != 0 ? at->loops : 0);
    }
    matcher->now = matcher->then;
    matcher->then = now;
    return found;
}

/* Whether a match may start here. */
static bool wfsi_matcher_starts(const wfsi_matcher *matcher)
{
    const wfs_regex *regex = matcher->regex;
    int32_t here = matcher->in.here;

    if (matcher->before == WFSI_NO_UNIT || regex->first_none)
        return matcher->before == WFSI_NO_UNIT || regex->first_none;
    if (here < 128)
        return here >= 0 && regex->first[here];
    return regex->first_other;
}

static bool wfsi_matcher_start(wfsi_matcher *matcher)
{
    size_t i;

    for (i = 0; i < matcher->slot_count; i++)
        matcher->slots[i] = SIZE_MAX;
    return wfsi_matcher_follow(matcher, &matcher->now, 0, 0);
}

/* The leftmost match, and of those the preferred one. */
static bool wfsi_matcher_search(wfsi_matcher *matcher, bool anchored)
{
    bool found = false;

    for (;;) {
        if (!found && wfsi_matcher_starts(matcher))
            found = wfsi_matcher_start(matcher);
        if (found && matcher->slot_count == 0)
            return true;
        if (matcher->in.here == WFSI_NO_UNIT ||
            (matcher->now.count == 0 && (found || anchored)))
            return found;
        if (matcher->now.count == 0)
            wfsi_matcher_advance(matcher);
        else if (wfsi_matcher_step(matcher))
            found = true;
    }
}

static bool wfsi_regex_is_anchored(const wfs_regex *regex)
{
    return !regex->first_none && !regex->first_other &&
           memchr(regex->first, true, sizeof regex->first) == NULL;
}

/* How many groups capture, the whole match not counted. */
static size_t wfsi_regex_groups(const wfs_regex *regex)
{
    return regex->groups;
}

/* Give back to an arena what was taken since it was as it is in `before`. */
static void wfsi_regex_rewind(wfs_arena *scratch, const wfs_arena *before)
{
    if (before->current != NULL) {
        scratch->current = before->current;
        scratch->at = before->at;
        scratch->end = before->end;
    } else if (scratch->first != NULL) {
        wfsi_arena_enter(scratch, scratch->first);
    }
}

/* captures: NULL, or room for 2 * (groups + 1) offsets in bytes, SIZE_MAX for
 * groups that took no part; not touched when nothing is found. What is taken
 * from scratch is given back to it. Errors: NO_MEMORY. */
static wfs_status wfsi_regex_search(const wfs_regex *regex, wfs_arena *scratch,
                                    const char *text, size_t size,
                                    size_t *captures, bool *found)
{
    size_t slot_count = captures != NULL ? 2 * (wfsi_regex_groups(regex) + 1)
                                         : 0;
    wfs_arena before = *scratch;
    wfsi_matcher matcher;

    *found = false;
    if (!wfsi_matcher_open(&matcher, regex, scratch, slot_count)) {
        wfsi_regex_rewind(scratch, &before);
        return WFS_ERR_NO_MEMORY;
    }
    wfsi_decoder_open(&matcher.in, text, size,
                      (regex->flags & WFSI_REGEX_UNICODE) != 0);
    *found = wfsi_matcher_search(&matcher, wfsi_regex_is_anchored(regex));
    if (*found)
        wfsi_matcher_copy(captures, matcher.best, slot_count);
    wfsi_regex_rewind(scratch, &before);
    return WFS_OK;
}

/* --- public */

wfs_status wfs_regex_compile(wfs_arena *arena, const char *source,
                             const char *flags, wfs_regex **regex,
                             wfs_error *error)
{
    return wfsi_regex_compile(arena, source, strlen(source), flags,
                              flags != NULL ? strlen(flags) : 0, 0, regex,
                              error);
}

wfs_status wfs_regex_search(const wfs_regex *regex, wfs_arena *scratch,
                            const char *text, size_t size, bool *found)
{
    return wfsi_regex_search(regex, scratch, text, size, NULL, found);
}

/* ------------------------------------------------------------------------
 * >>http  private: requests, headers, URLs
 *
 * Owns what is seen of a request: its URL as the WHATWG standard normalises
 * it, its query and its headers. Calls >>base, >>json and >>store's hex.
 * Called by >>match and >>mock.
 * --------------------------------------------------------------------- */

/* --- characters of URLs */

/* Written as %XX in a path, in a query, before the @; not allowed in a host;
 * letters that a host has in lower case; the slash itself. A backslash counts
 * for a path, though it never gets there: it is a slash too. As in Node 20,
 * and other than in the standard since 2024, ^ stays in a path. */
#define WFSI_URL_PATH 1
#define WFSI_URL_QUERY 2
#define WFSI_URL_USER 4
#define WFSI_URL_HOST 8
#define WFSI_URL_UPPER 16
#define WFSI_URL_SLASH 32

static const unsigned char wfsi_url_classes[256] = {
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
    15, 0, 7, 15, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 44,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 4, 15, 4, 15, 13,
    12, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
    16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 12, 13, 12, 12, 0,
    5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 12, 5, 0, 15,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31,
};

static inline bool wfsi_url_is(char c, unsigned classes)
{
    return (wfsi_url_classes[(unsigned char)c] & classes) != 0;
}

static inline char wfsi_lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char wfsi_upper_char(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

static bool wfsi_has_upper(wfsi_span text)
{
    size_t i;

    for (i = 0; i < text.size; i++)
        if (text.data[i] != wfsi_lower_char(text.data[i]))
            return true;
    return false;
}

static bool wfsi_has_lower(wfsi_span text)
{
    size_t i;

    for (i = 0; i < text.size; i++)
        if (text.data[i] != wfsi_upper_char(text.data[i]))
            return true;
    return false;
}

/* As a >>store's digit, or in upper case. */
static int wfsi_hex_value(char c)
{
    return wfsi_hex_digit(wfsi_lower_char(c));
}

/* The byte that %XX stands for, -1 when there is none. */
static int wfsi_percent_byte(const char *at, const char *end)
{
    int high, low;

    if (end - at < 3 || *at != '%')
        return -1;
    high = wfsi_hex_value(at[1]);
    low = wfsi_hex_value(at[2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* --- a URL that is normal already */

typedef struct wfsi_url {
    const char *text;           /* all of it, without a fragment */
    size_t size;
    wfsi_span host;             /* with the port, unless it is the default */
    wfsi_span path, query;      /* the query without its '?' */
    bool has_query;
} wfsi_url;

static wfsi_span wfsi_span_between(const char *start, const char *end)
{
    wfsi_span span;

    span.data = start;
    span.size = (size_t)(end - start);
    return span;
}

/* The end of a port that may stay as it is, or NULL. */
static const char *wfsi_normal_port(const char *at, const char *end,
                                    int standard)
{
    const char *start = at;
    int port = 0;

    for (; at < end && at - start < 5 && wfsi_is_digit(*at); at++)
        port = port * 10 + (*at - '0');
    return at > start && *start != '0' && port != standard && port <= 65535
               ? at
               : NULL;
}

/* The end of a host that may stay as it is, or NULL when that takes a closer
 * look: a last label that starts with a digit may be an address. */
static const char *wfsi_normal_host(const char *at, const char *end)
{
    const char *start = at, *label;

    while (at < end && !wfsi_url_is(*at, WFSI_URL_HOST | WFSI_URL_UPPER))
        at++;
    for (label = at; label > start && label[-1] != '.';)
        label--;
    return label == at || wfsi_is_digit(*label) ? NULL : at;
}

/* The end of a path that may stay as it is, or NULL; %2 may be a dot. */
static const char *wfsi_normal_path(const char *at, const char *end)
{
    while (at < end && *at == '/') {
        at++;
        if (at < end && (*at == '.' || (*at == '%' && end - at > 1 &&
                                        at[1] == '2')))
            return NULL;
        while (at < end && !wfsi_url_is(*at, WFSI_URL_PATH | WFSI_URL_SLASH))
            at++;
    }
    return at;
}

/* Point into a URL that is as it has to be, as nearly all are; false when it
 * takes a closer look. */
static bool wfsi_url_normal(const char *url, size_t size, wfsi_url *parsed)
{
    const char *at = url, *end = url + size, *start;
    int port = 80;

    if (size > 7 && memcmp(url, "http://", 7) == 0) {
        at += 7;
    } else if (size > 8 && memcmp(url, "https://", 8) == 0) {
        at += 8;
        port = 443;
    }
    start = at;
    if (start == url || (at = wfsi_normal_host(at, end)) == NULL)
        return false;
    if (at < end && *at == ':' &&
        (at = wfsi_normal_port(at + 1, end, port)) == NULL)
        return false;
    parsed->host = wfsi_span_between(start, at);
    start = at;
    if (at == end || *at != '/' || (at = wfsi_normal_path(at, end)) == NULL)
        return false;
    parsed->path = wfsi_span_between(start, at);
    parsed->has_query = at < end && *at == '?';
    start = at + parsed->has_query;
    if (parsed->has_query)
        for (at = start; at < end && !wfsi_url_is(*at, WFSI_URL_QUERY);)
            at++;
    if (at < end && *at != '#')
        return false;
    parsed->query = wfsi_span_between(start, at);
    parsed->text = url;
    parsed->size = (size_t)(at - url);
    return true;
}

/* --- any URL */

typedef struct wfsi_url_parser {
    const char *given;          /* for messages */
    size_t given_size;
    const char *start, *at, *end;   /* without what does not count */
    wfs_arena *arena;
    wfsi_buffer out;
    int port;                   /* the scheme's */
    wfs_error *error;
} wfsi_url_parser;

static bool wfsi_is_url_break(char c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

static bool wfsi_is_url_slash(char c)
{
    return c == '/' || c == '\\';
}

/* Whether the authority or a path's segment ends before this. */
static bool wfsi_is_url_end(char c)
{
    return c == '/' || c == '\\' || c == '?' || c == '#';
}

/* at: where in the text without line breaks; that is not where it is in the
 * text that was given. */
WFSI_COLD
static wfs_status wfsi_url_refuse(wfsi_url_parser *parser, const char *at,
                                  const char *why)
{
    size_t count = (size_t)(at - parser->start), offset = 0;
    const char *given = parser->given;

    while (offset < parser->given_size && (unsigned char)given[offset] <= ' ')
        offset++;
    for (; offset < parser->given_size; offset++)
        if (!wfsi_is_url_break(given[offset]) && count-- == 0)
            break;
    wfsi_error(parser->error, WFS_ERR_VALIDATION,
               "not a URL: %n: %s at offset %i", given, parser->given_size,
               why, (int64_t)offset);
    if (parser->error != NULL) {
        parser->error->offset = offset;
        parser->error->line = 1;
        parser->error->column = offset + 1;
    }
    return WFS_ERR_VALIDATION;
}

/* Leave out what is around a URL and the line breaks inside. */
static bool wfsi_url_trim(wfsi_url_parser *parser)
{
    const char *at = parser->given, *end = at + parser->given_size;
    char *copy = NULL;
    size_t size = 0;

    while (at < end && (unsigned char)*at <= ' ')
        at++;
    while (end > at && (unsigned char)end[-1] <= ' ')
        end--;
    copy = (char *)wfsi_arena_allocate(parser->arena, (size_t)(end - at));
    if (copy == NULL)
        return false;
    for (; at < end; at++)
        if (!wfsi_is_url_break(*at))
            copy[size++] = *at;
    parser->start = parser->at = copy;
    parser->end = copy + size;
    return true;
}

/* The text as it is, but for characters of a class, which become %XX. */
static bool wfsi_url_encode(wfsi_url_parser *parser, const char *text,
                            size_t size, unsigned classes)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *end, *plain;
    unsigned char byte;

    text = wfsi_json_clean_text(parser->arena, text, &size);
    if (text == NULL)
        return false;
    for (end = text + size; text < end; text++) {
        for (plain = text; text < end && !wfsi_url_is(*text, classes);)
            text++;
        wfsi_buffer_put(&parser->out, plain, (size_t)(text - plain));
        if (text == end)
            break;
        byte = (unsigned char)*text;
        wfsi_buffer_char(&parser->out, '%');
        wfsi_buffer_char(&parser->out, digits[byte >> 4]);
        wfsi_buffer_char(&parser->out, digits[byte & 15]);
    }
    return true;
}

static wfs_status wfsi_url_scheme(wfsi_url_parser *parser)
{
    const char *scheme = "https", *at = parser->at;

    for (; at < parser->end && *scheme != '\0'; at++, scheme++)
        if (wfsi_lower_char(*at) != *scheme)
            break;
    if (at == parser->end || *at != ':' || at - parser->at < 4)
        return wfsi_url_refuse(parser, parser->at, "no http: or https:");
    parser->port = *scheme == '\0' ? 443 : 80;
    wfsi_buffer_text(&parser->out, *scheme == '\0' ? "https://" : "http://");
    for (at++; at < parser->end && wfsi_is_url_slash(*at);)
        at++;
    parser->at = at;
    return WFS_OK;
}

/* What is before the @, up to end; nothing at all when both are empty. */
static bool wfsi_url_user(wfsi_url_parser *parser, const char *end)
{
    const char *at = parser->at, *colon;

    colon = (const char *)memchr(at, ':', (size_t)(end - at));
    if (colon == NULL)
        colon = end;
    if (!wfsi_url_encode(parser, at, (size_t)(colon - at), WFSI_URL_USER))
        return false;
    if (colon != end && colon + 1 != end) {
        wfsi_buffer_char(&parser->out, ':');
        if (!wfsi_url_encode(parser, colon + 1, (size_t)(end - colon - 1),
                             WFSI_URL_USER))
            return false;
    }
    if (colon != at || (colon != end && colon + 1 != end))
        wfsi_buffer_char(&parser->out, '@');
    return true;
}

/* --- hosts: IPv4 */

/* Decimal, octal after 0, hexadecimal after 0x; large ones stay large. */
static bool wfsi_ipv4_number(const char *at, const char *end, uint64_t *value)
{
    unsigned base = 10;
    int digit;

    *value = 0;
    if (at == end)
        return false;
    if (end - at > 1 && *at == '0') {
        base = at[1] == 'x' ? 16 : 8;
        at += base == 16 ? 2 : 1;
    }
    for (; at < end; at++) {
        digit = wfsi_hex_digit(*at);
        if (digit < 0 || (unsigned)digit >= base)
            return false;
        if (*value <= UINT32_MAX)
            *value = *value * base + (unsigned)digit;
    }
    return true;
}

/* Whether a host in lower case has to be an IPv4 address: its last label, but
 * for an empty one at the end, is a number. */
static bool wfsi_host_is_ipv4(const char *host, const char *end)
{
    const char *at;
    uint64_t value;
    bool digits = true;

    if (end - host > 1 && end[-1] == '.')
        end--;
    for (at = end; at > host && at[-1] != '.'; at--)
        digits = digits && wfsi_is_digit(at[-1]);
    return at < end && (digits || wfsi_ipv4_number(at, end, &value));
}

static bool wfsi_ipv4_read(const char *at, const char *end, uint32_t *address)
{
    uint64_t number = 0;
    const char *label;
    unsigned left = 4;

    *address = 0;
    if (end[-1] == '.')
        end--;
    for (;; at++) {
        for (label = at; at < end && *at != '.';)
            at++;
        if (left-- == 0 || !wfsi_ipv4_number(label, at, &number))
            return false;
        if (at == end)
            break;
        if (number > 255)
            return false;
        *address = *address << 8 | (uint32_t)number;
    }
    if (number >> 8 * (left + 1) != 0)
        return false;
    *address = (uint32_t)((uint64_t)*address << 8 * (left + 1) | number);
    return true;
}

static void wfsi_ipv4_write(wfsi_buffer *out, uint32_t address)
{
    int shift;

    for (shift = 24; shift >= 0; shift -= 8) {
        wfsi_buffer_integer(out, address >> shift & 255);
        if (shift != 0)
            wfsi_buffer_char(out, '.');
    }
}

/* --- hosts: IPv6 */

#define WFSI_IPV6_PIECES 8

/* Four decimal numbers, as the last two pieces. */
static bool wfsi_ipv6_tail(const char *at, const char *end, unsigned *pieces)
{
    unsigned i, number;

    for (i = 0; i < 4; i++, at++) {
        const char *start = at;

        for (number = 0; at < end && at - start < 3 && wfsi_is_digit(*at);)
            number = number * 10 + (unsigned)(*at++ - '0');
        if (at == start || number > 255 || (*start == '0' && at - start > 1))
            return false;
        if (i == 3 ? at != end : at == end || *at != '.')
            return false;
        pieces[i / 2] = i % 2 == 0 ? number << 8 : pieces[i / 2] | number;
    }
    return true;
}

/* Put zeros where the "::" was. */
static bool wfsi_ipv6_spread(unsigned *pieces, int count, int gap)
{
    int moved = count - gap, i;

    if (gap < 0)
        return count == WFSI_IPV6_PIECES;
    for (i = 1; i <= moved && count < WFSI_IPV6_PIECES; i++) {
        pieces[WFSI_IPV6_PIECES - i] = pieces[count - i];
        pieces[count - i] = 0;
    }
    return true;
}

static bool wfsi_ipv6_read(const char *at, const char *end, unsigned *pieces)
{
    int count = 0, gap = -1, digits;
    unsigned value;

    if (at < end && *at == ':' && (end - at < 2 || *++at != ':'))
        return false;
    while (at < end) {
        if (count == WFSI_IPV6_PIECES)
            return false;
        if (*at == ':') {
            if (gap >= 0)
                return false;
            at++;
            gap = ++count;
            continue;
        }
        for (value = 0, digits = 0; digits < 4 && at < end; digits++, at++) {
            if (wfsi_hex_value(*at) < 0)
                break;
            value = value * 16 + (unsigned)wfsi_hex_value(*at);
        }
        if (at < end && *at == '.' && digits > 0 && count <= 6) {
            if (!wfsi_ipv6_tail(at - digits, end, pieces + count))
                return false;
            count += 2;
            break;
        }
        if (at < end && (*at != ':' || ++at == end))
            return false;
        pieces[count++] = value;
    }
    return wfsi_ipv6_spread(pieces, count, gap);
}

/* Where the longest run of zeros starts, from two on; *size is its length. */
static int wfsi_ipv6_zeros(const unsigned *pieces, int *size)
{
    int i, start, found = -1;

    *size = 1;
    for (i = 0; i < WFSI_IPV6_PIECES; i++) {
        for (start = i; i < WFSI_IPV6_PIECES && pieces[i] == 0;)
            i++;
        if (i - start > *size) {
            found = start;
            *size = i - start;
        }
    }
    return found;
}

static void wfsi_ipv6_write(wfsi_buffer *out, const unsigned *pieces)
{
    static const char hex[] = "0123456789abcdef";
    int i, shift, size, zeros = wfsi_ipv6_zeros(pieces, &size);

    wfsi_buffer_char(out, '[');
    for (i = 0; i < WFSI_IPV6_PIECES; i++) {
        if (i == zeros) {
            wfsi_buffer_text(out, i == 0 ? "::" : ":");
            i += size - 1;
            continue;
        }
        for (shift = 12; shift > 0 && pieces[i] >> shift == 0;)
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            wfsi_buffer_char(out, hex[pieces[i] >> shift & 15]);
        if (i + 1 < WFSI_IPV6_PIECES)
            wfsi_buffer_char(out, ':');
    }
    wfsi_buffer_char(out, ']');
}

/* --- hosts: names */

#define WFSI_LABEL_SIZE 63

static uint32_t wfsi_punycode_adapt(uint32_t delta, uint32_t points,
                                    bool first)
{
    uint32_t k = 0;

    delta = first ? delta / 700 : delta / 2;
    for (delta += delta / points; delta > 455; k += 36)
        delta /= 35;
    return k + 36 * delta / (delta + 38);
}

/* One difference, as digits of a base that varies; returns how many. */
static size_t wfsi_punycode_digits(char *out, uint32_t delta, uint32_t bias)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    uint32_t k, threshold;
    size_t size = 0;

    for (k = 36;; k += 36) {
        threshold = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
        if (delta < threshold)
            break;
        out[size++] = digits[threshold + (delta - threshold) %
                                             (36 - threshold)];
        delta = (delta - threshold) / (36 - threshold);
    }
    out[size++] = digits[delta];
    return size;
}

/* RFC 3492, for a label of at most 63 code points. At most 7 digits a code
 * point; returns how many bytes. */
static size_t wfsi_punycode(const uint32_t *codes, uint32_t count, char *out)
{
    uint32_t point = 128, bias = 72, delta = 0, done, basic, next, i;
    size_t size = 0;

    for (i = 0; i < count; i++)
        if (codes[i] < 128)
            out[size++] = (char)codes[i];
    done = basic = (uint32_t)size;
    if (basic > 0)
        out[size++] = '-';
    while (done < count) {
        next = UINT32_MAX;
        for (i = 0; i < count; i++)
            if (codes[i] >= point && codes[i] < next)
                next = codes[i];
        delta += (next - point) * (done + 1);
        point = next;
        for (i = 0; i < count; i++) {
            delta += codes[i] < point;
            if (codes[i] != point)
                continue;
            size += wfsi_punycode_digits(out + size, delta, bias);
            bias = wfsi_punycode_adapt(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        point++;
    }
    return size;
}

static uint32_t wfsi_utf8_code(const char *at, size_t size)
{
    uint32_t code = (unsigned char)at[0];
    size_t i;

    if (size > 1)
        code &= 0x7Fu >> size;
    for (i = 1; i < size; i++)
        code = code << 6 | ((unsigned char)at[i] & 0x3F);
    return code;
}

/* A label in UTF-8, or as it is when it is ASCII. False when it is not UTF-8
 * or too long. */
static bool wfsi_url_label(wfsi_buffer *out, const char *at, const char *end)
{
    char text[WFSI_LABEL_SIZE * 8];
    uint32_t codes[WFSI_LABEL_SIZE], count = 0;
    const char *start = at;
    size_t size;
    bool valid, ascii = true;

    for (; at < end; at++)
        ascii = ascii && (unsigned char)*at < 128;
    if (ascii) {
        wfsi_buffer_put(out, start, (size_t)(end - start));
        return true;
    }
    for (at = start; at < end && count < WFSI_LABEL_SIZE; at += size) {
        size = wfsi_utf8_sequence(at, end, &valid);
        codes[count++] = valid ? wfsi_utf8_code(at, size) : 0xFFFD;
        if (codes[count - 1] == 0xFFFD)
            return false;
    }
    size = wfsi_punycode(codes, count, text);
    if (at < end || size + 4 > WFSI_LABEL_SIZE)
        return false;
    wfsi_buffer_text(out, "xn--");
    wfsi_buffer_put(out, text, size);
    return true;
}

/* A host that is a name or an IPv4 address. Of what is not ASCII there is only
 * the Punycode: the tables of Unicode that fold its case are not here. */
static wfs_status wfsi_url_domain(wfsi_url_parser *parser, const char *host,
                                  const char *host_end)
{
    char *name = (char *)wfsi_arena_allocate(parser->arena,
                                             (size_t)(host_end - host));
    const char *at, *label;
    size_t size = 0, i;
    uint32_t address;
    int byte;

    if (name == NULL)
        return WFS_ERR_NO_MEMORY;
    for (at = host; at < host_end; at += byte < 0 ? 1 : 3) {
        byte = wfsi_percent_byte(at, host_end);
        name[size] = byte < 0 ? *at : (char)(unsigned char)byte;
        if ((unsigned char)name[size] < 128 &&
            wfsi_url_is(name[size], WFSI_URL_HOST))
            return wfsi_url_refuse(parser, at,
                                   "a character that no host has");
        name[size] = wfsi_lower_char(name[size]);
        size++;
    }
    if (wfsi_host_is_ipv4(name, name + size)) {
        if (!wfsi_ipv4_read(name, name + size, &address))
            return wfsi_url_refuse(parser, host, "not an IPv4 address");
        wfsi_ipv4_write(&parser->out, address);
        return WFS_OK;
    }
    for (i = 0, label = name; i <= size; i++) {
        if (i < size && name[i] != '.')
            continue;
        if (!wfsi_url_label(&parser->out, label, name + i))
            return wfsi_url_refuse(parser, host, "a label that no host has");
        if (i < size)
            wfsi_buffer_char(&parser->out, '.');
        label = name + i + 1;
    }
    return WFS_OK;
}

static wfs_status wfsi_url_host(wfsi_url_parser *parser, const char *host,
                                const char *end)
{
    unsigned pieces[WFSI_IPV6_PIECES + 1] = {0};

    if (host == end)
        return wfsi_url_refuse(parser, host, "no host");
    if (*host != '[')
        return wfsi_url_domain(parser, host, end);
    if (end[-1] != ']' || !wfsi_ipv6_read(host + 1, end - 1, pieces))
        return wfsi_url_refuse(parser, host, "not an IPv6 address");
    wfsi_ipv6_write(&parser->out, pieces);
    return WFS_OK;
}

static wfs_status wfsi_url_port(wfsi_url_parser *parser, const char *at,
                                const char *end)
{
    int64_t port = 0;
    const char *start = at;

    for (; at < end; at++) {
        if (!wfsi_is_digit(*at))
            return wfsi_url_refuse(parser, at, "not a port");
        port = port * 10 + (*at - '0');
        if (port > 65535)
            return wfsi_url_refuse(parser, start, "a port above 65535");
    }
    if (start < end && port != parser->port) {
        wfsi_buffer_char(&parser->out, ':');
        wfsi_buffer_integer(&parser->out, port);
    }
    return WFS_OK;
}

/* User, host and port; *host is where the host starts in what is written. */
static wfs_status wfsi_url_authority(wfsi_url_parser *parser, size_t *host)
{
    const char *at = parser->at, *end = at, *colon;
    bool inside = false;

    for (; end < parser->end && !wfsi_is_url_end(*end); end++)
        if (*end == '@')
            at = end;
    if (at < end && *at == '@') {
        if (!wfsi_url_user(parser, at))
            return WFS_ERR_NO_MEMORY;
        at++;
    }
    *host = parser->out.size;
    for (colon = at; colon < end && (inside || *colon != ':'); colon++)
        inside = *colon == '[' || (inside && *colon != ']');
    WFS_TRY(wfsi_url_host(parser, at, colon));
    parser->at = end;
    return colon < end ? wfsi_url_port(parser, colon + 1, end) : WFS_OK;
}

/* --- paths */

/* How many dots a segment of one or two dots has, else 0. */
static int wfsi_dot_segment(const char *at, const char *end)
{
    int dots = 0;

    while (at < end && dots < 3) {
        if (*at != '.' && wfsi_percent_byte(at, end) != '.')
            return 0;
        at += *at == '.' ? 1 : 3;
        dots++;
    }
    return dots < 3 ? dots : 0;
}

static bool wfsi_url_path(wfsi_url_parser *parser)
{
    size_t start = parser->out.size;
    const char *at = parser->at, *end = parser->end, *segment;
    bool more = true;
    int dots;

    while (more) {
        if (at < end && wfsi_is_url_slash(*at))
            at++;
        for (segment = at; at < end && !wfsi_is_url_end(*at);)
            at++;
        more = at < end && wfsi_is_url_slash(*at);
        dots = wfsi_dot_segment(segment, at);
        if (dots == 2)
            while (parser->out.size > start &&
                   parser->out.data[--parser->out.size] != '/')
                continue;
        if (dots == 0 || !more)
            wfsi_buffer_char(&parser->out, '/');
        if (dots == 0 &&
            !wfsi_url_encode(parser, segment, (size_t)(at - segment),
                             WFSI_URL_PATH))
            return false;
    }
    parser->at = at;
    return true;
}

static bool wfsi_url_query(wfsi_url_parser *parser)
{
    const char *at = parser->at, *end = parser->end, *fragment;

    fragment = (const char *)memchr(at, '#', (size_t)(end - at));
    if (fragment != NULL)
        end = fragment;
    if (at == end)
        return true;
    wfsi_buffer_char(&parser->out, '?');
    return wfsi_url_encode(parser, at + 1, (size_t)(end - at - 1),
                           WFSI_URL_QUERY);
}

static wfs_status wfsi_url_build(wfsi_url_parser *parser, wfsi_url *parsed)
{
    size_t host = 0, path, query;
    const char *text;

    if (!wfsi_url_trim(parser))
        return WFS_ERR_NO_MEMORY;
    WFS_TRY(wfsi_url_scheme(parser));
    WFS_TRY(wfsi_url_authority(parser, &host));
    path = parser->out.size;
    if (!wfsi_url_path(parser))
        return WFS_ERR_NO_MEMORY;
    query = parser->out.size;
    if (!wfsi_url_query(parser))
        return WFS_ERR_NO_MEMORY;
    text = wfsi_buffer_finish(&parser->out);
    if (text == NULL)
        return WFS_ERR_NO_MEMORY;
    parsed->text = text;
    parsed->size = parser->out.size;
    parsed->has_query = query < parsed->size;
    parsed->host = wfsi_span_between(text + host, text + path);
    parsed->path = wfsi_span_between(text + path, text + query);
    parsed->query = wfsi_span_between(text + query + parsed->has_query,
                                      text + parsed->size);
    return WFS_OK;
}

/* What the URL is made of points into url, or into the arena. */
static wfs_status wfsi_url_parse(wfs_arena *arena, const char *url,
                                 size_t size, wfsi_url *parsed,
                                 wfs_error *error)
{
    wfsi_url_parser parser;
    wfs_status status;

    if (wfsi_url_normal(url, size, parsed))
        return WFS_OK;
    memset(&parser, 0, sizeof parser);
    parser.given = url;
    parser.given_size = size;
    parser.arena = arena;
    parser.error = error;
    wfsi_buffer_open(&parser.out, arena);
    status = wfsi_url_build(&parser, parsed);
    return status == WFS_ERR_NO_MEMORY ? wfsi_no_memory(error) : status;
}

/* --- percent encoding and forms */

/* The UTF-8 sequence that starts with %XX here, into bytes; returns how many,
 * 0 when there is none. */
static size_t wfsi_percent_sequence(const char *at, const char *end,
                                    char bytes[4])
{
    size_t count = 0;
    bool valid;
    int byte;

    for (; count < 4 && (byte = wfsi_percent_byte(at, end)) >= 0; at += 3)
        bytes[count++] = (char)(unsigned char)byte;
    if (count == 0)
        return 0;
    count = wfsi_utf8_sequence(bytes, bytes + count, &valid);
    return valid ? count : 0;
}

/* As decodeURIComponent does: false when it is malformed, or without memory
 * (the arena tells). */
static bool wfsi_percent_decode(wfs_arena *arena, wfsi_span text,
                                wfsi_span *decoded)
{
    const char *at = text.data, *end = at + text.size;
    size_t size = 0, count;
    char bytes[4], *out;

    *decoded = text;
    if (text.size == 0 || memchr(at, '%', text.size) == NULL)
        return true;
    out = (char *)wfsi_arena_allocate(arena, text.size);
    if (out == NULL)
        return false;
    while (at < end) {
        if (*at != '%') {
            out[size++] = *at++;
            continue;
        }
        count = wfsi_percent_sequence(at, end, bytes);
        if (count == 0)
            return false;
        memcpy(out + size, bytes, count);
        size += count;
        at += count * 3;
    }
    decoded->data = out;
    decoded->size = size;
    return true;
}

/* As a form is read: + is a blank, a % without two digits stays, what is not
 * UTF-8 becomes U+FFFD. False without memory. */
static bool wfsi_form_decode(wfs_arena *arena, wfsi_span text,
                             wfsi_span *decoded)
{
    const char *at = text.data, *end = at + text.size;
    size_t size = 0;
    char *out;
    int byte;

    *decoded = text;
    while (at < end && *at != '%' && *at != '+' && (unsigned char)*at < 128)
        at++;
    if (at == end)
        return true;
    out = (char *)wfsi_arena_allocate(arena, text.size);
    if (out == NULL)
        return false;
    for (at = text.data; at < end; at += byte < 0 ? 1 : 3) {
        byte = wfsi_percent_byte(at, end);
        out[size++] = byte >= 0 ? (char)(unsigned char)byte
                      : *at == '+' ? ' '
                                   : *at;
    }
    decoded->data = wfsi_json_clean_text(arena, out, &size);
    decoded->size = size;
    return decoded->data != NULL;
}

/* The value of a query's parameter, the last one of that name; false when
 * there is none, or without memory (the arena tells). */
static bool wfsi_query_find(wfs_arena *arena, wfsi_span query,
                            const char *name, size_t size, wfsi_span *value)
{
    const char *at = query.data, *end = at + query.size, *stop, *equals;
    wfsi_span key, last = {NULL, 0};

    for (; at < end; at = stop + 1) {
        stop = (const char *)memchr(at, '&', (size_t)(end - at));
        if (stop == NULL)
            stop = end;
        equals = (const char *)memchr(at, '=', (size_t)(stop - at));
        if (equals == NULL)
            equals = stop;
        if (!wfsi_form_decode(arena, wfsi_span_between(at, equals), &key))
            return false;
        if (at < stop && key.size == size &&
            (size == 0 || memcmp(key.data, name, size) == 0))
            last = wfsi_span_between(equals + (equals < stop), stop);
    }
    return last.data != NULL && wfsi_form_decode(arena, last, value);
}

/* --- headers */

static bool wfsi_is_http_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A value without blanks around it. */
static wfsi_span wfsi_header_trim(const char *value)
{
    const char *end;

    if (value == NULL)
        value = "";
    while (wfsi_is_http_blank(*value))
        value++;
    end = value + strlen(value);
    while (end > value && wfsi_is_http_blank(end[-1]))
        end--;
    return wfsi_span_between(value, end);
}

/* Equal but for the case of ASCII letters; name has that many bytes. */
static bool wfsi_header_is(const char *header, const char *name, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (header[i] == '\0' ||
            wfsi_lower_char(header[i]) != wfsi_lower_char(name[i]))
            return false;
    return header[size] == '\0';
}

/* The first header of that name from here on, or NULL. */
static const wfs_http_header *wfsi_header_next(const wfs_http_header *headers,
                                               const char *name, size_t size)
{
    if (headers == NULL)
        return NULL;
    for (; headers->name != NULL; headers++)
        if (wfsi_header_is(headers->name, name, size))
            return headers;
    return NULL;
}

/* The value of a header, those of several joined; {NULL, 0} when there is
 * none, or without memory (the arena tells). */
static wfsi_span wfsi_header_find(wfs_arena *arena,
                                  const wfs_http_header *headers,
                                  const char *name, size_t size)
{
    const wfs_http_header *header = wfsi_header_next(headers, name, size);
    wfsi_span value = {NULL, 0}, next;
    wfsi_buffer joined;

    if (header == NULL)
        return value;
    value = wfsi_header_trim(header->value);
    header = wfsi_header_next(header + 1, name, size);
    if (header == NULL)
        return value;
    wfsi_buffer_open(&joined, arena);
    wfsi_buffer_put(&joined, value.data, value.size);
    for (; header != NULL; header = wfsi_header_next(header + 1, name, size)) {
        next = wfsi_header_trim(header->value);
        wfsi_buffer_literal(&joined, ", ");
        wfsi_buffer_put(&joined, next.data, next.size);
    }
    value.data = wfsi_buffer_finish(&joined);
    value.size = value.data != NULL ? joined.size : 0;
    return value;
}

/* --- public */

const char *wfs_http_header_value(const wfs_http_header *headers,
                                  const char *name)
{
    const wfs_http_header *header = NULL;

    if (name != NULL)
        header = wfsi_header_next(headers, name, strlen(name));
    if (header == NULL)
        return NULL;
    return header->value != NULL ? header->value : "";
}

wfs_status wfs_url_normalize(wfs_arena *arena, const char *url,
                             const char **normalized, wfs_error *error)
{
    wfsi_url parsed;

    if (url == NULL)
        url = "";
    *normalized = NULL;
    WFS_TRY(wfsi_url_parse(arena, url, strlen(url), &parsed, error));
    *normalized = wfsi_arena_text(arena, parsed.text, parsed.size);
    return *normalized != NULL ? WFS_OK : wfsi_no_memory(error);
}

/* ------------------------------------------------------------------------
 * >>match  private: URL patterns, routes, value matchers, templates
 *
 * Owns the grammar of URL patterns, how they are compared with a URL, and the
 * tree in which those that fit a URL are found; how criteria compare values;
 * paths, and templates with them. Calls >>http, >>regex, >>json and >>base.
 * Called by >>mock. Source of the grammar: path-to-regexp 6.3 as Scenarist uses
 * it.
 * --------------------------------------------------------------------- */

/* --- the grammar of patterns */

/* Literal text, or something between text before and after it: a parameter, a
 * group without a name, or with neither just text that may be missing. */
typedef struct wfsi_piece {
    bool literal;               /* only text counts */
    bool captures;              /* a parameter or a group */
    char modifier;              /* '?', '+', '*', or 0 */
    wfsi_span text;             /* in front of it; a literal's own */
    wfsi_span after;
    wfsi_span name;             /* size 0: a group */
    wfsi_span expression;       /* size 0: up to the next delimiter */
    wfsi_span without;          /* text that such a value may not contain */
    size_t expression_at;       /* in the pattern */
} wfsi_piece;

/* A whole segment of a path: text in lower case, or a parameter. */
typedef struct wfsi_segment {
    wfsi_span text;             /* data NULL: any text but none */
    wfsi_span name;             /* the parameter's */
} wfsi_segment;

typedef struct wfsi_pattern {
    wfsi_span text;
    wfsi_span host;             /* data NULL: any */
    bool rooted;                /* starts with '/'; others fit nothing */
    wfsi_piece *pieces;
    size_t count;
    wfsi_segment *segments;     /* the whole ones that it starts with */
    size_t segment_count;
    size_t groups;              /* pieces that capture */
    wfs_regex *regex;           /* NULL: the segments are all there is */
} wfsi_pattern;

typedef struct wfsi_pattern_parser {
    wfs_arena *arena;
    const char *text;           /* the whole pattern */
    size_t size, at;
    wfsi_buffer literal;        /* text that is not a piece yet */
    wfsi_piece *pieces;
    size_t count, capacity;
    wfs_error *error;
} wfsi_pattern_parser;

/* Room for one more item in an array in an arena; slot: address of its
 * pointer. What it grew out of stays in the arena. */
static bool wfsi_arena_grow(wfs_arena *arena, void *slot, size_t count,
                            size_t *capacity, size_t item_size)
{
    size_t larger = *capacity < 8 ? 8 : *capacity * 2;
    char *array, *moved;

    if (count < *capacity)
        return true;
    moved = (char *)wfsi_arena_allocate(
        arena, larger < SIZE_MAX / 4 / item_size ? larger * item_size
                                                 : SIZE_MAX);
    if (moved == NULL)
        return false;
    memcpy(&array, slot, sizeof array);
    if (count != 0)
        memcpy(moved, array, count * item_size);
    memcpy(slot, &moved, sizeof moved);
    *capacity = larger;
    return true;
}

WFSI_COLD
static wfs_status wfsi_pattern_place(wfs_error *error, size_t offset)
{
    if (error != NULL) {
        error->offset = offset;
        error->line = 1;
        error->column = offset + 1;
    }
    return WFS_ERR_VALIDATION;
}

WFSI_COLD
static wfs_status wfsi_pattern_refuse(wfsi_pattern_parser *parser,
                                      size_t offset, const char *why)
{
    wfsi_error(parser->error, WFS_ERR_VALIDATION,
               "URL pattern %n: %s at offset %i", parser->text, parser->size,
               why, (int64_t)offset);
    return wfsi_pattern_place(parser->error, offset);
}

/* The next byte, NUL at the end: NUL has no meaning in a pattern. */
static char wfsi_pattern_peek(const wfsi_pattern_parser *parser)
{
    return parser->at < parser->size ? parser->text[parser->at] : '\0';
}

static bool wfsi_is_name_char(char c)
{
    return wfsi_is_digit(c) || c == '_' ||
           (wfsi_lower_char(c) >= 'a' && wfsi_lower_char(c) <= 'z');
}

/* ":name", if there is one. */
static wfs_status wfsi_take_name(wfsi_pattern_parser *parser, wfsi_span *name)
{
    size_t start = parser->at + 1, end = start;

    if (wfsi_pattern_peek(parser) != ':')
        return WFS_OK;
    while (end < parser->size && wfsi_is_name_char(parser->text[end]))
        end++;
    if (end == start)
        return wfsi_pattern_refuse(parser, parser->at,
                                   "a parameter without a name");
    *name = wfsi_span_between(parser->text + start, parser->text + end);
    parser->at = end;
    return WFS_OK;
}

/* "(expression)", if there is one. */
static wfs_status wfsi_take_expression(wfsi_pattern_parser *parser,
                                       wfsi_piece *piece)
{
    const char *text = parser->text;
    size_t start = parser->at + 1, at = start, depth = 1;

    if (wfsi_pattern_peek(parser) != '(')
        return WFS_OK;
    if (start < parser->size && text[start] == '?')
        return wfsi_pattern_refuse(parser, start,
                                   "an expression that starts with ?");
    for (; at < parser->size; at++) {
        if (text[at] == '\\') {
            at++;
        } else if (text[at] == ')') {
            if (--depth == 0)
                break;
        } else if (text[at] == '(') {
            depth++;
            if (at + 1 >= parser->size || text[at + 1] != '?')
                return wfsi_pattern_refuse(parser, at, "a capturing group");
        }
    }
    if (at >= parser->size)
        return wfsi_pattern_refuse(parser, parser->at, "a ( without its )");
    if (at == start)
        return wfsi_pattern_refuse(parser, parser->at, "an empty expression");
    piece->captures = true;
    piece->expression = wfsi_span_between(text + start, text + at);
    piece->expression_at = start;
    parser->at = at + 1;
    return WFS_OK;
}

/* A parameter, a group, or a "*" that is one: it means "(.*)". What is there
 * counts in piece->captures. */
static wfs_status wfsi_take_capture(wfsi_pattern_parser *parser,
                                    wfsi_piece *piece)
{
    WFS_TRY(wfsi_take_name(parser, &piece->name));
    if (piece->name.size == 0 && wfsi_pattern_peek(parser) == '*') {
        piece->captures = true;
        piece->expression = wfsi_span_of(".*", 2);
        piece->expression_at = parser->at++;
        return WFS_OK;
    }
    piece->captures = piece->name.size != 0;
    return wfsi_take_expression(parser, piece);
}

static void wfsi_take_modifier(wfsi_pattern_parser *parser, wfsi_piece *piece)
{
    char c = wfsi_pattern_peek(parser);

    if (c == '?' || c == '+' || c == '*') {
        piece->modifier = c;
        parser->at++;
    }
}

static bool wfsi_push_piece(wfsi_pattern_parser *parser,
                            const wfsi_piece *piece)
{
    if (!wfsi_arena_grow(parser->arena, &parser->pieces, parser->count,
                         &parser->capacity, sizeof *piece))
        return false;
    parser->pieces[parser->count++] = *piece;
    return true;
}

/* What was collected as text, and start again; data NULL without memory. */
static wfsi_span wfsi_taken_text(wfsi_pattern_parser *parser)
{
    wfsi_span text;

    text.data = wfsi_buffer_finish(&parser->literal);
    text.size = parser->literal.size;
    wfsi_buffer_open(&parser->literal, parser->arena);
    return text;
}

/* The text so far is a piece. */
static bool wfsi_end_literal(wfsi_pattern_parser *parser)
{
    wfsi_piece piece;

    if (parser->literal.size == 0 && !parser->literal.failed)
        return true;
    memset(&piece, 0, sizeof piece);
    piece.literal = true;
    piece.text = wfsi_taken_text(parser);
    return piece.text.data != NULL && wfsi_push_piece(parser, &piece);
}

static bool wfsi_has_delimiter(wfsi_span text)
{
    return text.size != 0 && (memchr(text.data, '/', text.size) != NULL ||
                              memchr(text.data, '#', text.size) != NULL ||
                              memchr(text.data, '?', text.size) != NULL);
}

/* A parameter without an expression ends at the next delimiter, and at the
 * text between it and the parameter before, if that has none in it. */
static wfs_status wfsi_default_expression(wfsi_pattern_parser *parser,
                                          wfsi_piece *piece, size_t offset)
{
    const wfsi_piece *last;
    wfsi_span text = piece->text;

    if (!piece->captures || piece->expression.size != 0)
        return WFS_OK;
    if (text.size == 0 && parser->count > 0) {
        last = &parser->pieces[parser->count - 1];
        if (!last->literal)
            return wfsi_pattern_refuse(parser, offset,
                                       "no text between two parameters");
        text = last->text;
    }
    if (!wfsi_has_delimiter(text))
        piece->without = text;
    return WFS_OK;
}

/* The piece is complete but for its modifier. */
static wfs_status wfsi_end_piece(wfsi_pattern_parser *parser,
                                 wfsi_piece *piece, size_t offset)
{
    WFS_TRY(wfsi_default_expression(parser, piece, offset));
    wfsi_take_modifier(parser, piece);
    if (piece->captures && piece->text.size + piece->after.size == 0 &&
        (piece->modifier == '+' || piece->modifier == '*'))
        return wfsi_pattern_refuse(parser, parser->at - 1,
                                   "nothing to tell repetitions apart");
    return wfsi_push_piece(parser, piece) ? WFS_OK : WFS_ERR_NO_MEMORY;
}

/* Text inside braces, up to what has a meaning there. */
static bool wfsi_take_text(wfsi_pattern_parser *parser, wfsi_span *text)
{
    char c;

    for (; parser->at < parser->size; parser->at++) {
        c = parser->text[parser->at];
        if (c == '\\') {
            if (++parser->at == parser->size)
                break;
            c = parser->text[parser->at];
        } else if (c != '\0' && strchr("{}:(*+?", c) != NULL) {
            break;
        }
        wfsi_buffer_char(&parser->literal, c);
    }
    *text = wfsi_taken_text(parser);
    return text->data != NULL;
}

/* "{text:name(expression)text}" and its modifier; every piece may be missing.
 */
static wfs_status wfsi_take_braces(wfsi_pattern_parser *parser)
{
    size_t start = parser->at++;
    wfsi_piece piece;

    memset(&piece, 0, sizeof piece);
    if (!wfsi_end_literal(parser) || !wfsi_take_text(parser, &piece.text))
        return WFS_ERR_NO_MEMORY;
    WFS_TRY(wfsi_take_capture(parser, &piece));
    if (!wfsi_take_text(parser, &piece.after))
        return WFS_ERR_NO_MEMORY;
    if (wfsi_pattern_peek(parser) != '}')
        return parser->at >= parser->size
                   ? wfsi_pattern_refuse(parser, start, "a { without its }")
                   : wfsi_pattern_refuse(parser, parser->at,
                                         "what has no place in braces");
    parser->at++;
    return wfsi_end_piece(parser, &piece, start);
}

/* A parameter or group; a '/' or '.' in front of it is its own. */
static wfs_status wfsi_take_piece(wfsi_pattern_parser *parser, char before)
{
    size_t start = parser->at;
    wfsi_piece piece;

    memset(&piece, 0, sizeof piece);
    if (before == '/')
        piece.text = wfsi_span_of("/", 1);
    else if (before == '.')
        piece.text = wfsi_span_of(".", 1);
    else if (before != '\0')
        wfsi_buffer_char(&parser->literal, before);
    if (!wfsi_end_literal(parser))
        return WFS_ERR_NO_MEMORY;
    WFS_TRY(wfsi_take_capture(parser, &piece));
    return wfsi_end_piece(parser, &piece, start);
}

static bool wfsi_starts_capture(char c)
{
    return c == ':' || c == '(' || c == '*';
}

static wfs_status wfsi_pattern_parse(wfsi_pattern_parser *parser)
{
    wfs_status status = WFS_OK;
    char c;

    while (status == WFS_OK && parser->at < parser->size) {
        c = parser->text[parser->at];
        if (wfsi_starts_capture(c)) {
            status = wfsi_take_piece(parser, '\0');
        } else if (c == '{') {
            status = wfsi_take_braces(parser);
        } else if (c == '}') {
            status = wfsi_pattern_refuse(parser, parser->at,
                                         "a } without its {");
        } else if (c == '?' || c == '+') {
            status = wfsi_pattern_refuse(parser, parser->at,
                                         "a modifier of nothing (a query is "
                                         "no part of a pattern)");
        } else if (c == '\\') {
            parser->at += 2;
            if (parser->at <= parser->size)
                wfsi_buffer_char(&parser->literal,
                                 parser->text[parser->at - 1]);
        } else {
            parser->at++;
            if (wfsi_starts_capture(wfsi_pattern_peek(parser)))
                status = wfsi_take_piece(parser, c);
            else
                wfsi_buffer_char(&parser->literal, c);
        }
    }
    if (status == WFS_OK && !wfsi_end_literal(parser))
        status = WFS_ERR_NO_MEMORY;
    return status;
}

/* --- whole segments */

/* Whether what comes from a piece on starts with '/' wherever it fits. */
static bool wfsi_slash_follows(const wfsi_pattern *pattern, size_t i)
{
    const wfsi_piece *piece;

    for (; i < pattern->count; i++) {
        piece = &pattern->pieces[i];
        if (piece->text.size == 0 || piece->text.data[0] != '/')
            return false;
        if (piece->modifier != '?' && piece->modifier != '*')
            return true;
    }
    return true;
}

/* Whether a piece is a parameter that is a whole segment. */
static bool wfsi_piece_is_segment(const wfsi_pattern *pattern, size_t i)
{
    const wfsi_piece *piece = &pattern->pieces[i];
    wfsi_span before = piece->text;

    if (piece->name.size == 0 || piece->modifier != 0 ||
        piece->expression.size != 0 || piece->after.size != 0)
        return false;
    if (before.size == 0 && i > 0 && piece[-1].literal)
        before = piece[-1].text;
    else if (before.size != 1)
        return false;
    return before.data[before.size - 1] == '/' &&
           wfsi_slash_follows(pattern, i + 1);
}

static void wfsi_add_segment(wfsi_pattern *pattern, const char *start,
                             const char *end, wfsi_span name)
{
    wfsi_segment *segment = &pattern->segments[pattern->segment_count++];

    segment->text = wfsi_span_between(start, end);
    segment->name = name;
}

/* The segments of a literal that are whole; text is in lower case. False when
 * its last one is not, or is a parameter's. */
static bool wfsi_literal_segments(wfsi_pattern *pattern, size_t i)
{
    const wfsi_span text = pattern->pieces[i].text, none = {NULL, 0};
    char *copy = (char *)(uintptr_t)text.data;
    const char *at = copy + 1, *end = copy + text.size, *slash;
    size_t k;

    for (k = 0; k < text.size; k++)
        copy[k] = wfsi_lower_char(copy[k]);
    for (;; at = slash + 1) {
        slash = (const char *)memchr(at, '/', (size_t)(end - at));
        if (slash == NULL)
            break;
        wfsi_add_segment(pattern, at, slash, none);
    }
    if (wfsi_slash_follows(pattern, i + 1)) {
        wfsi_add_segment(pattern, at, end, none);
        return true;
    }
    return at == end && wfsi_piece_is_segment(pattern, i + 1);
}

/* The whole segments that a pattern starts with; *all when there is nothing
 * else to it. False without memory. */
static bool wfsi_find_segments(wfs_arena *arena, wfsi_pattern *pattern,
                               bool *all)
{
    const wfsi_span none = {NULL, 0};
    size_t i, slashes = 1;

    for (i = 0; i < pattern->text.size; i++)
        slashes += pattern->text.data[i] == '/';
    pattern->segments = (wfsi_segment *)wfsi_arena_allocate(
        arena, (slashes + 1) * sizeof *pattern->segments);
    if (pattern->segments == NULL)
        return false;
    *all = true;
    for (i = 0; i < pattern->count && *all; i++) {
        if (pattern->pieces[i].literal) {
            *all = wfsi_literal_segments(pattern, i);
        } else {
            *all = wfsi_piece_is_segment(pattern, i);
            if (*all)
                wfsi_add_segment(pattern, none.data, none.data,
                                 pattern->pieces[i].name);
        }
    }
    return true;
}

/* --- translation to a regular expression */

static void wfsi_put_escaped(wfsi_buffer *out, wfsi_span text)
{
    size_t i;
    char c;

    for (i = 0; i < text.size; i++) {
        c = text.data[i];
        if (c != '\0' && strchr("^$\\.*+?()[]{}|/", c) != NULL)
            wfsi_buffer_char(out, '\\');
        wfsi_buffer_char(out, c);
    }
}

static void wfsi_put_value(wfsi_buffer *out, const wfsi_piece *piece)
{
    if (piece->expression.size != 0) {
        wfsi_buffer_put(out, piece->expression.data, piece->expression.size);
    } else if (piece->without.size != 0) {
        wfsi_buffer_literal(out, "(?:(?!");
        wfsi_put_escaped(out, piece->without);
        wfsi_buffer_literal(out, ")[^\\/#?])+?");
    } else {
        wfsi_buffer_literal(out, "[^\\/#?]+?");
    }
}

/* A value, or, when it is repeated, all of them with what is between. */
static void wfsi_put_capture(wfsi_buffer *out, const wfsi_piece *piece)
{
    bool repeats = piece->modifier == '+' || piece->modifier == '*';

    wfsi_buffer_char(out, '(');
    if (repeats)
        wfsi_buffer_literal(out, "(?:");
    wfsi_put_value(out, piece);
    if (repeats) {
        wfsi_buffer_literal(out, ")(?:");
        wfsi_put_escaped(out, piece->after);
        wfsi_put_escaped(out, piece->text);
        wfsi_buffer_literal(out, "(?:");
        wfsi_put_value(out, piece);
        wfsi_buffer_literal(out, "))*");
    }
    wfsi_buffer_char(out, ')');
}

static void wfsi_put_piece(wfsi_buffer *out, const wfsi_piece *piece)
{
    char modifier = piece->modifier;

    if (piece->literal) {
        wfsi_put_escaped(out, piece->text);
        return;
    }
    wfsi_buffer_literal(out, "(?:");
    wfsi_put_escaped(out, piece->text);
    if (piece->captures) {
        wfsi_put_capture(out, piece);
        if (modifier == '*')
            modifier = '?';
        else if (modifier == '+')
            modifier = 0;
    }
    wfsi_put_escaped(out, piece->after);
    wfsi_buffer_char(out, ')');
    if (modifier != 0)
        wfsi_buffer_char(out, modifier);
}

/* Each expression has to be one by itself, so that none can end the group it
 * is put into, and so that its errors have a place in the pattern. */
static wfs_status wfsi_check_expressions(wfsi_pattern_parser *parser)
{
    const wfsi_piece *piece;
    wfs_regex *regex;
    wfs_error why;
    wfs_status status;
    size_t i;

    for (i = 0; i < parser->count; i++) {
        piece = &parser->pieces[i];
        if (piece->expression.size == 0)
            continue;
        status = wfsi_regex_compile(parser->arena, piece->expression.data,
                                    piece->expression.size, "i", 1, 0, &regex,
                                    &why);
        if (status == WFS_ERR_NO_MEMORY)
            return status;
        if (status != WFS_OK) {
            wfsi_error(parser->error, status, "URL pattern %n: %s",
                       parser->text, parser->size, why.message);
            wfsi_pattern_place(parser->error,
                               piece->expression_at + why.offset);
            return status;
        }
    }
    return WFS_OK;
}

static wfs_status wfsi_pattern_translate(wfsi_pattern_parser *parser,
                                         wfsi_pattern *pattern)
{
    wfsi_buffer out;
    wfs_status status;
    wfs_error why;
    size_t i;

    WFS_TRY(wfsi_check_expressions(parser));
    wfsi_buffer_open(&out, parser->arena);
    wfsi_buffer_char(&out, '^');
    for (i = 0; i < pattern->count; i++) {
        wfsi_put_piece(&out, &pattern->pieces[i]);
        pattern->groups += pattern->pieces[i].captures;
    }
    wfsi_buffer_literal(&out, "\\/?$");
    if (wfsi_buffer_finish(&out) == NULL)
        return WFS_ERR_NO_MEMORY;
    status = wfsi_regex_compile(parser->arena, out.data, out.size, "i", 1,
                                WFSI_REGEX_LITERAL_LOOKAHEAD, &pattern->regex,
                                &why);
    return status == WFS_OK || status == WFS_ERR_NO_MEMORY
               ? status
               : wfsi_error(parser->error, status, "URL pattern %n: %s",
                            parser->text, parser->size, why.message);
}

/* --- a compiled pattern */

/* Take the host off a pattern that has one; returns where its path starts. */
static size_t wfsi_pattern_host(const char *text, size_t size,
                                wfsi_span *host)
{
    size_t start = 0, end;

    if (size >= 7 && memcmp(text, "http://", 7) == 0)
        start = 7;
    else if (size >= 8 && memcmp(text, "https://", 8) == 0)
        start = 8;
    if (start == 0)
        return 0;
    for (end = start; end < size && text[end] != '/';)
        end++;
    *host = wfsi_span_between(text + start, text + end);
    return end;
}

/* All but the memory of the pattern itself. */
static wfs_status wfsi_pattern_build(wfsi_pattern_parser *parser,
                                     wfsi_pattern *pattern)
{
    bool all = false;

    parser->at = wfsi_pattern_host(parser->text, parser->size,
                                   &pattern->host);
    if (pattern->host.data != NULL && parser->at == parser->size)
        wfsi_buffer_char(&parser->literal, '/');
    pattern->rooted = wfsi_pattern_peek(parser) == '/' ||
                      parser->literal.size != 0;
    WFS_TRY(wfsi_pattern_parse(parser));
    pattern->pieces = parser->pieces;
    pattern->count = parser->count;
    if (pattern->rooted && !wfsi_find_segments(parser->arena, pattern, &all))
        return WFS_ERR_NO_MEMORY;
    return all ? WFS_OK : wfsi_pattern_translate(parser, pattern);
}

/* The pattern lives in the arena; its text is copied. */
static wfs_status wfsi_pattern_compile(wfs_arena *arena, const char *text,
                                       size_t size, wfsi_pattern **pattern,
                                       wfs_error *error)
{
    wfsi_pattern_parser parser;
    wfs_status status;

    memset(&parser, 0, sizeof parser);
    parser.arena = arena;
    parser.error = error;
    parser.size = size;
    parser.text = wfsi_arena_text(arena, text, size);
    wfsi_buffer_open(&parser.literal, arena);
    *pattern = (wfsi_pattern *)wfsi_arena_zeroed(arena, sizeof **pattern);
    if (parser.text == NULL || *pattern == NULL)
        return wfsi_no_memory(error);
    (*pattern)->text = wfsi_span_between(parser.text, parser.text + size);
    status = wfsi_pattern_build(&parser, *pattern);
    return status == WFS_ERR_NO_MEMORY ? wfsi_no_memory(error) : status;
}

/* --- comparing */

static bool wfsi_lower_equal(const char *text, wfsi_span lower)
{
    size_t i;

    for (i = 0; i < lower.size; i++)
        if (wfsi_lower_char(text[i]) != lower.data[i])
            return false;
    return true;
}

static const char *wfsi_segment_end(const char *at, const char *end)
{
    const char *slash = (const char *)memchr(at, '/', (size_t)(end - at));

    return slash != NULL ? slash : end;
}

/* Whether a path is these segments, one '/' more at its end or not. */
static bool wfsi_segments_fit(const wfsi_pattern *pattern, wfsi_span path)
{
    const wfsi_segment *segment = pattern->segments;
    const wfsi_segment *last = segment + pattern->segment_count;
    const char *at = path.data, *end = at + path.size, *start;

    for (; segment < last; segment++) {
        if (at == end)
            return false;
        start = at + 1;
        at = wfsi_segment_end(start, end);
        if (segment->text.data == NULL ? at == start
                                       : (size_t)(at - start) !=
                                                 segment->text.size ||
                                             !wfsi_lower_equal(start,
                                                               segment->text))
            return false;
    }
    return at == end || end - at == 1;
}

static wfs_status wfsi_pattern_fits(const wfsi_pattern *pattern,
                                    const wfsi_url *url, wfs_arena *scratch,
                                    bool *fits)
{
    *fits = false;
    if (!pattern->rooted)
        return WFS_OK;
    if (pattern->host.data != NULL &&
        (pattern->host.size != url->host.size ||
         memcmp(pattern->host.data, url->host.data, url->host.size) != 0))
        return WFS_OK;
    if (pattern->regex != NULL)
        return wfsi_regex_search(pattern->regex, scratch, url->path.data,
                                 url->path.size, NULL, fits);
    *fits = wfsi_segments_fit(pattern, url->path);
    return WFS_OK;
}

/* --- parameters */

/* An object that is made when its first member comes. */
typedef struct wfsi_params {
    wfs_arena *arena;
    wfs_json *object;
    wfs_error *error;
} wfsi_params;

/* Whether it is more than a number: parameters of such names are dropped. */
static bool wfsi_is_named(wfsi_span name)
{
    size_t i;

    for (i = 0; i < name.size; i++)
        if (!wfsi_is_digit(name.data[i]))
            return true;
    return false;
}

static wfs_status wfsi_param_value(wfsi_params *params, wfsi_span name,
                                   wfsi_span text, wfs_json **value)
{
    wfsi_span decoded;

    if (!wfsi_percent_decode(params->arena, text, &decoded))
        return params->arena->failed
                   ? WFS_ERR_NO_MEMORY
                   : wfsi_error(params->error, WFS_ERR_VALIDATION,
                                "parameter %n cannot be decoded: %n",
                                name.data != NULL ? name.data : "", name.size,
                                text.data, text.size);
    *value = wfs_json_new_string_n(params->arena, decoded.data, decoded.size);
    return *value != NULL ? WFS_OK : WFS_ERR_NO_MEMORY;
}

static wfs_status wfsi_set_param(wfsi_params *params, wfsi_span name,
                                 const wfs_json *value)
{
    if (!wfsi_is_named(name))
        return WFS_OK;
    if (params->object == NULL)
        params->object = wfs_json_new_object(params->arena);
    return wfs_json_set_n(params->arena, params->object, name.data, name.size,
                          value) != NULL
               ? WFS_OK
               : WFS_ERR_NO_MEMORY;
}

static wfs_status wfsi_add_param(wfsi_params *params, wfsi_span name,
                                 wfsi_span text)
{
    wfs_json *value;

    WFS_TRY(wfsi_param_value(params, name, text, &value));
    return wfsi_set_param(params, name, value);
}

/* Where a text stands in another, or NULL; between has no NUL-free promise,
 * so that strstr will not do. */
static const char *wfsi_find_text(const char *at, const char *end,
                                  wfsi_span between)
{
    for (; (size_t)(end - at) >= between.size; at++)
        if (memcmp(at, between.data, between.size) == 0)
            return at;
    return NULL;
}

/* The values of a repeated parameter, taken apart where what is around it
 * stands, the text before first. */
static wfs_status wfsi_add_list(wfsi_params *params, const wfsi_piece *piece,
                                wfsi_span text)
{
    wfs_json *list = wfs_json_new_array(params->arena), *value;
    const char *at = text.data, *end = at + text.size, *stop;
    wfsi_span between;
    wfsi_buffer joined;

    wfsi_buffer_open(&joined, params->arena);
    wfsi_buffer_put(&joined, piece->text.data, piece->text.size);
    wfsi_buffer_put(&joined, piece->after.data, piece->after.size);
    between = wfsi_span_between(joined.data, joined.data);
    between.size = joined.size;
    if (joined.failed)
        return WFS_ERR_NO_MEMORY;
    do {
        stop = wfsi_find_text(at, end, between);
        WFS_TRY(wfsi_param_value(params, piece->name,
                                 wfsi_span_between(at, stop != NULL ? stop
                                                                    : end),
                                 &value));
        list = wfs_json_append(params->arena, list, value);
        if (stop != NULL)
            at = stop + between.size;
    } while (stop != NULL);
    return list != NULL ? wfsi_set_param(params, piece->name, list)
                        : WFS_ERR_NO_MEMORY;
}

static wfs_status wfsi_params_of_segments(wfsi_params *params,
                                          const wfsi_pattern *pattern,
                                          wfsi_span path)
{
    const char *at = path.data, *end = at + path.size, *start;
    size_t i;

    for (i = 0; i < pattern->segment_count; i++) {
        start = at + 1;
        at = wfsi_segment_end(start, end);
        if (pattern->segments[i].text.data == NULL)
            WFS_TRY(wfsi_add_param(params, pattern->segments[i].name,
                                   wfsi_span_between(start, at)));
    }
    return WFS_OK;
}

static wfs_status wfsi_params_of_captures(wfsi_params *params,
                                          const wfsi_pattern *pattern,
                                          wfsi_span path)
{
    const wfsi_piece *piece = pattern->pieces, *end = piece + pattern->count;
    size_t *captures = (size_t *)wfsi_arena_allocate(
        params->arena, (pattern->groups + 1) * 2 * sizeof *captures);
    wfsi_span text;
    bool found;

    if (captures == NULL)
        return WFS_ERR_NO_MEMORY;
    WFS_TRY(wfsi_regex_search(pattern->regex, params->arena, path.data,
                              path.size, captures, &found));
    for (; found && piece < end; piece++) {
        if (!piece->captures)
            continue;
        captures += 2;
        if (captures[0] == SIZE_MAX)
            continue;
        text = wfsi_span_between(path.data + captures[0],
                                 path.data + captures[1]);
        if (piece->modifier == '+' || piece->modifier == '*')
            WFS_TRY(wfsi_add_list(params, piece, text));
        else
            WFS_TRY(wfsi_add_param(params, piece->name, text));
    }
    return WFS_OK;
}

/* The parameters of a URL that fits; NULL when there are none. Values of
 * groups without a name too have to be such that they can be decoded. */
static wfs_status wfsi_pattern_params(const wfsi_pattern *pattern,
                                      const wfsi_url *url, wfs_arena *arena,
                                      wfs_json **params, wfs_error *error)
{
    wfsi_params made;
    wfs_status status;

    made.arena = arena;
    made.object = NULL;
    made.error = error;
    status = pattern->regex != NULL
                 ? wfsi_params_of_captures(&made, pattern, url->path)
                 : wfsi_params_of_segments(&made, pattern, url->path);
    *params = status == WFS_OK ? made.object : NULL;
    return status == WFS_ERR_NO_MEMORY ? wfsi_no_memory(error) : status;
}

/* --- routes
 *
 * A tree by segments: what is literal in a pattern's whole segments, and one
 * child for any segment. A pattern of whole segments only ends at its node;
 * of any other that node is how far the tree can tell, and the rest is up to
 * its expression. Each host has a root of its own. All children are in one
 * table, under their parent and their text. */

#define WFSI_ROUTE_HOSTS UINT32_MAX     /* the parent of the hosts' roots */

typedef struct wfsi_route {
    const wfsi_pattern *pattern;
    uint32_t number;
    uint32_t next;              /* of the same node, + 1; 0: none */
} wfsi_route;

typedef struct wfsi_route_list {
    uint32_t first, last;       /* + 1; 0: none */
} wfsi_route_list;

typedef struct wfsi_route_node {
    uint64_t hash;
    wfsi_span text;             /* its segment */
    uint32_t parent;
    uint32_t any;               /* its child for any segment; 0: none */
    wfsi_route_list ends, checks;
    bool branches;              /* whether it has other children */
} wfsi_route_node;

typedef struct wfsi_routes {
    wfsi_route_node *nodes;     /* the first is the root for all hosts */
    size_t node_count, node_capacity;
    wfsi_route *routes;
    size_t count, capacity;
    bool hosts;                 /* whether a pattern has a host */
    uint32_t *slots;            /* nodes + 1, 0: free; a power of two */
    size_t slot_count;
} wfsi_routes;

/* Does not depend on the parent. */
static uint64_t wfsi_route_hash(wfsi_span text)
{
    return wfsi_hash_bytes(0, text.data, text.size);
}

/* The child of that text, or 0. hash: wfsi_route_hash of the text. */
static uint32_t wfsi_route_child(const wfsi_routes *routes, uint32_t parent,
                                 wfsi_span text, uint64_t hash)
{
    const wfsi_route_node *node;
    size_t mask = routes->slot_count - 1, slot;

    if (routes->slot_count == 0)
        return 0;
    hash = wfsi_mix(hash, parent);
    for (slot = (size_t)hash & mask; routes->slots[slot] != 0;
         slot = (slot + 1) & mask) {
        node = &routes->nodes[routes->slots[slot] - 1];
        if (node->hash == hash && node->parent == parent &&
            node->text.size == text.size &&
            wfsi_bytes_equal(node->text.data, text.data, text.size))
            return routes->slots[slot] - 1;
    }
    return 0;
}

static void wfsi_route_place(wfsi_routes *routes, uint32_t node)
{
    size_t mask = routes->slot_count - 1;
    size_t slot = (size_t)routes->nodes[node].hash & mask;

    while (routes->slots[slot] != 0)
        slot = (slot + 1) & mask;
    routes->slots[slot] = node + 1;
}

/* Keep half of the table free. */
static bool wfsi_route_slots(wfsi_routes *routes, wfs_arena *arena)
{
    size_t count = routes->slot_count < 16 ? 32 : routes->slot_count * 2;
    uint32_t *slots;
    uint32_t i;

    if (routes->node_count * 2 < routes->slot_count)
        return true;
    slots = (uint32_t *)wfsi_arena_zeroed(arena, count * sizeof *slots);
    if (slots == NULL)
        return false;
    routes->slots = slots;
    routes->slot_count = count;
    for (i = 0; i < routes->node_count; i++)
        if (routes->nodes[i].text.data != NULL)
            wfsi_route_place(routes, i);
    return true;
}

/* A new node that is in no table yet; 0 without memory (and for the root). */
static uint32_t wfsi_route_node_new(wfsi_routes *routes, wfs_arena *arena)
{
    if (!wfsi_arena_grow(arena, &routes->nodes, routes->node_count,
                         &routes->node_capacity, sizeof *routes->nodes))
        return 0;
    memset(&routes->nodes[routes->node_count], 0, sizeof *routes->nodes);
    return (uint32_t)routes->node_count++;
}

/* The child of that text, made when there is none; 0 without memory. */
static uint32_t wfsi_route_enter(wfsi_routes *routes, wfs_arena *arena,
                                 uint32_t parent, wfsi_span text)
{
    uint64_t hash = wfsi_route_hash(text);
    uint32_t child = wfsi_route_child(routes, parent, text, hash);

    if (child != 0 || !wfsi_route_slots(routes, arena))
        return child;
    child = wfsi_route_node_new(routes, arena);
    if (child == 0)
        return 0;
    routes->nodes[child].hash = wfsi_mix(hash, parent);
    routes->nodes[child].text = text;
    routes->nodes[child].parent = parent;
    wfsi_route_place(routes, child);
    if (parent != WFSI_ROUTE_HOSTS)
        routes->nodes[parent].branches = true;
    return child;
}

/* The child for any segment, made when there is none; 0 without memory. */
static uint32_t wfsi_route_enter_any(wfsi_routes *routes, wfs_arena *arena,
                                     uint32_t parent)
{
    uint32_t child = routes->nodes[parent].any;

    if (child == 0)
        child = wfsi_route_node_new(routes, arena);
    routes->nodes[parent].any = child;
    return child;
}

static bool wfsi_route_append(wfsi_routes *routes, wfs_arena *arena,
                              uint32_t node, const wfsi_pattern *pattern,
                              uint32_t number)
{
    wfsi_route_list *list;
    wfsi_route *route;

    if (!wfsi_arena_grow(arena, &routes->routes, routes->count,
                         &routes->capacity, sizeof *routes->routes))
        return false;
    route = &routes->routes[routes->count++];
    route->pattern = pattern;
    route->number = number;
    route->next = 0;
    list = pattern->regex == NULL ? &routes->nodes[node].ends
                                  : &routes->nodes[node].checks;
    if (list->last != 0)
        routes->routes[list->last - 1].next = (uint32_t)routes->count;
    else
        list->first = (uint32_t)routes->count;
    list->last = (uint32_t)routes->count;
    return true;
}

/* routes: zeroed to start with. The pattern has to outlive them. Numbers in
 * ascending order. False without memory: the routes are then as before. */
static bool wfsi_routes_add(wfsi_routes *routes, wfs_arena *arena,
                            const wfsi_pattern *pattern, uint32_t number)
{
    const wfsi_segment *segment = pattern->segments, *last;
    uint32_t node = 0;

    if (!pattern->rooted)
        return true;
    if (routes->node_count == 0) {
        wfsi_route_node_new(routes, arena);
        if (routes->node_count == 0)
            return false;
    }
    if (pattern->host.data != NULL) {
        routes->hosts = true;
        node = wfsi_route_enter(routes, arena, WFSI_ROUTE_HOSTS,
                                pattern->host);
        if (node == 0)
            return false;
    }
    for (last = segment + pattern->segment_count; segment < last; segment++) {
        node = segment->text.data != NULL
                   ? wfsi_route_enter(routes, arena, node, segment->text)
                   : wfsi_route_enter_any(routes, arena, node);
        if (node == 0)
            return false;
    }
    return wfsi_route_append(routes, arena, node, pattern, number);
}

/* --- looking up */

#define WFSI_WALK_NODES 16

/* The nodes that the segments so far lead to, and what was found there. */
typedef struct wfsi_walk {
    const wfsi_routes *routes;
    const wfsi_url *url;
    wfs_arena *scratch;
    uint32_t room[2][WFSI_WALK_NODES];
    uint32_t *nodes, *spare;
    size_t count, capacity, spare_capacity;
    uint32_t *numbers;
    size_t found, found_capacity;
} wfsi_walk;

static wfs_status wfsi_walk_found(wfsi_walk *walk, uint32_t number)
{
    if (!wfsi_arena_grow(walk->scratch, &walk->numbers, walk->found,
                         &walk->found_capacity, sizeof number))
        return WFS_ERR_NO_MEMORY;
    walk->numbers[walk->found++] = number;
    return WFS_OK;
}

/* The routes that end at a node, or those that have to be tried. */
static wfs_status wfsi_walk_list(wfsi_walk *walk, wfsi_route_list list)
{
    const wfsi_route *route;
    uint32_t at = list.first;
    bool fits;

    for (; at != 0; at = route->next) {
        route = &walk->routes->routes[at - 1];
        fits = true;
        if (route->pattern->regex != NULL)
            WFS_TRY(wfsi_pattern_fits(route->pattern, walk->url,
                                      walk->scratch, &fits));
        if (fits)
            WFS_TRY(wfsi_walk_found(walk, route->number));
    }
    return WFS_OK;
}

/* Take up what hangs on the nodes; ends: the path may end here. */
static wfs_status wfsi_walk_take(wfsi_walk *walk, bool ends)
{
    const wfsi_route_node *nodes = walk->routes->nodes, *node;
    const uint32_t *at = walk->nodes, *last = at + walk->count;

    for (; at < last; at++) {
        node = &nodes[*at];
        if (node->checks.first != 0)
            WFS_TRY(wfsi_walk_list(walk, node->checks));
        if (ends && node->ends.first != 0)
            WFS_TRY(wfsi_walk_list(walk, node->ends));
    }
    return WFS_OK;
}

/* On to the children for a segment, given in lower case. */
static wfs_status wfsi_walk_step(wfsi_walk *walk, wfsi_span segment)
{
    const wfsi_route_node *node;
    uint64_t hash = wfsi_route_hash(segment);
    uint32_t *nodes = walk->spare, child;
    size_t i, count = 0, capacity = walk->spare_capacity;

    if (walk->count * 2 > capacity) {
        capacity = walk->count * 4;
        nodes = (uint32_t *)wfsi_arena_allocate(walk->scratch,
                                                capacity * sizeof *nodes);
        if (nodes == NULL)
            return WFS_ERR_NO_MEMORY;
    }
    for (i = 0; i < walk->count; i++) {
        node = &walk->routes->nodes[walk->nodes[i]];
        child = node->branches
                    ? wfsi_route_child(walk->routes, walk->nodes[i], segment,
                                       hash)
                    : 0;
        if (child != 0)
            nodes[count++] = child;
        if (node->any != 0 && segment.size != 0)
            nodes[count++] = node->any;
    }
    walk->spare = walk->nodes;
    walk->spare_capacity = walk->capacity;
    walk->nodes = nodes;
    walk->capacity = capacity;
    walk->count = count;
    return WFS_OK;
}

/* Down the tree along a path in lower case. One '/' more at its end does not
 * count. */
static wfs_status wfsi_walk_path(wfsi_walk *walk, const char *at, size_t size)
{
    const char *end = at + size, *start;

    while (at < end && walk->count != 0) {
        WFS_TRY(wfsi_walk_take(walk, end - at == 1));
        start = at + 1;
        at = wfsi_segment_end(start, end);
        WFS_TRY(wfsi_walk_step(walk, wfsi_span_between(start, at)));
    }
    return wfsi_walk_take(walk, true);
}

static void wfsi_walk_open(wfsi_walk *walk)
{
    uint32_t host = 0;

    walk->nodes = walk->room[0];
    walk->spare = walk->room[1];
    walk->capacity = walk->spare_capacity = WFSI_WALK_NODES;
    walk->numbers = NULL;
    walk->found = walk->found_capacity = 0;
    walk->nodes[0] = 0;
    walk->count = 1;
    if (walk->routes->hosts)
        host = wfsi_route_child(walk->routes, WFSI_ROUTE_HOSTS,
                                walk->url->host,
                                wfsi_route_hash(walk->url->host));
    if (host != 0)
        walk->nodes[walk->count++] = host;
}

static int wfsi_number_compare(const void *left, const void *right)
{
    uint32_t first = *(const uint32_t *)left;
    uint32_t second = *(const uint32_t *)right;

    return first < second ? -1 : first > second;
}

/* Ascending, which they nearly always are. */
static void wfsi_walk_sort(wfsi_walk *walk)
{
    size_t i;

    for (i = 1; i < walk->found; i++)
        if (walk->numbers[i - 1] > walk->numbers[i])
            break;
    if (i < walk->found)
        qsort(walk->numbers, walk->found, sizeof *walk->numbers,
              wfsi_number_compare);
}

/* Eight bytes, their ASCII letters in lower case. */
static inline void wfsi_lower_word(char *copy, const char *text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word, low, upper;

    memcpy(&word, text, sizeof word);
    low = word & ones * 0x7F;
    upper = (low + ones * (0x80 - 'A')) ^ (low + ones * (0x7F - 'Z'));
    word |= (upper & ~word & ones * 0x80) >> 2;
    memcpy(copy, &word, sizeof word);
}

/* ASCII letters in lower case; the last eight bytes may be done twice. */
static void wfsi_lower_copy(char *copy, const char *text, size_t size)
{
    size_t i;

    for (i = 0; i + 8 <= size; i += 8)
        wfsi_lower_word(copy + i, text + i);
    if (i < size && size >= 8)
        wfsi_lower_word(copy + size - 8, text + size - 8);
    else
        for (; i < size; i++)
            copy[i] = wfsi_lower_char(text[i]);
}

#define WFSI_PATH_ROOM 256

/* The numbers of all patterns that fit, ascending; they live in scratch. */
static wfs_status wfsi_routes_find(const wfsi_routes *routes,
                                   const wfsi_url *url, wfs_arena *scratch,
                                   uint32_t **numbers, size_t *count)
{
    char room[WFSI_PATH_ROOM], *path = room;
    wfsi_walk walk;

    *numbers = NULL;
    *count = 0;
    if (routes->count == 0)
        return WFS_OK;
    if (url->path.size > sizeof room)
        path = (char *)wfsi_arena_allocate(scratch, url->path.size);
    if (path == NULL)
        return WFS_ERR_NO_MEMORY;
    wfsi_lower_copy(path, url->path.data, url->path.size);
    walk.routes = routes;
    walk.url = url;
    walk.scratch = scratch;
    wfsi_walk_open(&walk);
    WFS_TRY(wfsi_walk_path(&walk, path, url->path.size));
    wfsi_walk_sort(&walk);
    *numbers = walk.numbers;
    *count = walk.found;
    return WFS_OK;
}

/* --- public */

wfs_status wfs_url_match(wfs_arena *arena, const char *pattern,
                         const char *url, bool *fits, const wfs_json **params,
                         wfs_error *error)
{
    wfsi_pattern *compiled;
    wfs_json *made = NULL;
    wfs_status status;
    wfsi_url parsed;

    *fits = false;
    if (params != NULL)
        *params = NULL;
    if (pattern == NULL)
        pattern = "";
    if (url == NULL)
        url = "";
    WFS_TRY(wfsi_pattern_compile(arena, pattern, strlen(pattern), &compiled,
                                 error));
    WFS_TRY(wfsi_url_parse(arena, url, strlen(url), &parsed, error));
    status = wfsi_pattern_fits(compiled, &parsed, arena, fits);
    if (status != WFS_OK)
        return status == WFS_ERR_NO_MEMORY ? wfsi_no_memory(error) : status;
    if (!*fits || params == NULL)
        return WFS_OK;
    WFS_TRY(wfsi_pattern_params(compiled, &parsed, arena, &made, error));
    *params = made;
    return WFS_OK;
}

/* --- values as text, as JavaScript's String() gives them */

/* Integers that a double cannot hold are those of the nearest double. */
static void wfsi_put_number_text(wfsi_buffer *buffer, const wfs_json *value)
{
    const int64_t exact = INT64_C(1) << 53;
    char digits[WFSI_REAL_SIZE];

    if (value->kind == WFS_JSON_INTEGER && value->u.integer <= exact &&
        value->u.integer >= -exact)
        wfsi_buffer_integer(buffer, value->u.integer);
    else
        wfsi_buffer_put(buffer, digits,
                        wfsi_format_real(wfs_json_real(value), digits));
}

static void wfsi_put_scalar_text(wfsi_buffer *buffer, const wfs_json *value)
{
    switch (value->kind) {
    case WFS_JSON_NULL:
        wfsi_buffer_literal(buffer, "null");
        break;
    case WFS_JSON_BOOL:
        wfsi_buffer_text(buffer, value->u.integer != 0 ? "true" : "false");
        break;
    case WFS_JSON_STRING:
        wfsi_buffer_put(buffer, value->u.text, value->size);
        break;
    case WFS_JSON_OBJECT:
        wfsi_buffer_literal(buffer, "[object Object]");
        break;
    default:
        wfsi_put_number_text(buffer, value);
        break;
    }
}

/* Lists are their items with commas between, lists in them likewise, and
 * nulls in them nothing. */
static void wfsi_put_as_text(wfsi_buffer *buffer, const wfs_json *value)
{
    wfsi_json_frames frames;
    wfsi_json_frame *top;

    value = wfsi_json_look(value);
    wfsi_frames_open(&frames, buffer->arena);
    for (;;) {
        if (value->kind == WFS_JSON_ARRAY) {
            if (!wfsi_frames_push(&frames, value, NULL)) {
                buffer->failed = true;
                return;
            }
        } else if (value->kind != WFS_JSON_NULL || frames.count == 0) {
            wfsi_put_scalar_text(buffer, value);
        }
        while (frames.count != 0 &&
               frames.items[frames.count - 1].place ==
                   frames.items[frames.count - 1].value->size)
            frames.count--;
        if (frames.count == 0)
            return;
        top = &frames.items[frames.count - 1];
        if (top->place != 0)
            wfsi_buffer_char(buffer, ',');
        value = wfsi_json_look(wfsi_json_child(top->value, top->place++));
    }
}

/* The same as a text in the arena; texts are not copied. NULL data without
 * memory. */
static wfsi_span wfsi_text_of(wfs_arena *arena, const wfs_json *value)
{
    wfsi_buffer buffer;
    wfsi_span span;

    if (wfs_json_type_of(value) == WFS_JSON_STRING) {
        span.data = wfs_json_string(value, &span.size);
        return span;
    }
    wfsi_buffer_open(&buffer, arena);
    wfsi_put_as_text(&buffer, value);
    span.data = wfsi_buffer_finish(&buffer);
    span.size = buffer.size;
    return span;
}

/* --- value matchers */

#define WFSI_STRATEGY_LIST(X)                                                 \
    X(WFSI_EQUALS, "equals")                                                  \
    X(WFSI_CONTAINS, "contains")                                              \
    X(WFSI_STARTS_WITH, "startsWith")                                         \
    X(WFSI_ENDS_WITH, "endsWith")                                             \
    X(WFSI_REGEX, "regex")

typedef enum wfsi_strategy {
#define WFSI_ENUMERATOR(code, name) code,
    WFSI_STRATEGY_LIST(WFSI_ENUMERATOR)
#undef WFSI_ENUMERATOR
    WFSI_NEVER                  /* what was given is no matcher */
} wfsi_strategy;

#define WFSI_NAME(code, name) name,
static const char *const wfsi_strategy_names[] = {
    WFSI_STRATEGY_LIST(WFSI_NAME) "never"};
#undef WFSI_NAME

typedef struct wfsi_comparison {
    wfsi_strategy strategy;
    wfsi_span operand;          /* of a regex: its source */
    uint32_t *borders;          /* CONTAINS: of each prefix of the operand */
    const wfs_regex *regex;
} wfsi_comparison;

/* For each prefix how long a shorter prefix it ends with, so that a search
 * never goes back in the text (Knuth, Morris, Pratt). */
static uint32_t *wfsi_borders(wfs_arena *arena, wfsi_span word)
{
    uint32_t *borders = (uint32_t *)wfsi_arena_allocate(
        arena, (word.size + 1) * sizeof *borders);
    uint32_t border = 0;
    size_t i;

    if (borders == NULL)
        return NULL;
    borders[0] = 0;
    for (i = 1; i < word.size; i++) {
        while (border != 0 && word.data[i] != word.data[border])
            border = borders[border - 1];
        if (word.data[i] == word.data[border])
            border++;
        borders[i] = border;
    }
    return borders;
}

static bool wfsi_contains(wfsi_span text, wfsi_span word,
                          const uint32_t *borders)
{
    uint32_t have = 0;
    size_t i;

    for (i = 0; i < text.size && have < word.size; i++) {
        while (have != 0 && text.data[i] != word.data[have])
            have = borders[have - 1];
        if (text.data[i] == word.data[have])
            have++;
    }
    return have == word.size;
}

static bool wfsi_comparison_holds(const wfsi_comparison *with, wfsi_span text,
                                  wfs_arena *scratch)
{
    wfsi_span word = with->operand;
    bool found = false;

    switch (with->strategy) {
    case WFSI_EQUALS:
        return text.size == word.size &&
               wfsi_bytes_equal(text.data, word.data, word.size);
    case WFSI_CONTAINS:
        return wfsi_contains(text, word, with->borders);
    case WFSI_STARTS_WITH:
        return text.size >= word.size &&
               wfsi_bytes_equal(text.data, word.data, word.size);
    case WFSI_ENDS_WITH:
        return text.size >= word.size &&
               wfsi_bytes_equal(text.data + text.size - word.size, word.data,
                                word.size);
    case WFSI_REGEX:
        return wfsi_regex_search(with->regex, scratch, text.data, text.size,
                                 NULL, &found) == WFS_OK &&
               found;
    default:
        return false;
    }
}

/* Flags that JavaScript refuses although each of them is one. */
static bool wfsi_regex_flags_clash(const char *flags, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++)
        if (memchr(flags + i + 1, flags[i], size - i - 1) != NULL)
            return true;
    return size != 0 && memchr(flags, 'u', size) != NULL &&
           memchr(flags, 'v', size) != NULL;
}

/* An expression that cannot be built never matches. */
static bool wfsi_comparison_regex(wfs_arena *arena, const wfs_json *given,
                               wfsi_comparison *with)
{
    const wfs_json *source = wfs_json_get(given, "source");
    const wfs_json *flags = wfs_json_get(given, "flags");
    wfs_regex *regex = NULL;
    wfs_status status;
    wfsi_span text;

    with->strategy = WFSI_NEVER;
    with->operand.data = wfs_json_string(source, &with->operand.size);
    text.data = wfs_json_string(flags, &text.size);
    if (with->operand.data == NULL)
        return true;
    if (text.data == NULL)
        text.size = 0;
    status = wfsi_regex_compile(arena, with->operand.data,
                                with->operand.size, text.data, text.size, 0,
                                &regex, NULL);
    if (status != WFS_OK)
        return status != WFS_ERR_NO_MEMORY;
    with->strategy = WFSI_REGEX;
    with->regex = regex;
    return true;
}

/* Text, or a number or a boolean as text, or null as no text, has to be equal;
 * of an object the first strategy counts that it has. */
static bool wfsi_comparison_compile(wfs_arena *arena, const wfs_json *given,
                                 wfsi_comparison *with)
{
    const wfs_json *operand = NULL;
    int strategy = WFSI_EQUALS;

    memset(with, 0, sizeof *with);
    switch (wfs_json_type_of(given)) {
    case WFS_JSON_NULL:
        with->operand.data = "";
        return true;
    case WFS_JSON_ARRAY:
        with->strategy = WFSI_NEVER;
        return true;
    case WFS_JSON_OBJECT:
        for (; strategy < WFSI_NEVER; strategy++) {
            operand = wfs_json_get(given, wfsi_strategy_names[strategy]);
            if (operand != NULL)
                break;
        }
        break;
    default:
        operand = given;
        break;
    }
    with->strategy = (wfsi_strategy)strategy;
    if (strategy == WFSI_NEVER)
        return true;
    if (strategy == WFSI_REGEX)
        return wfsi_comparison_regex(arena, operand, with);
    with->operand = wfsi_text_of(arena, operand);
    if (strategy == WFSI_CONTAINS && with->operand.data != NULL) {
        with->borders = wfsi_borders(arena, with->operand);
        return with->borders != NULL;
    }
    return with->operand.data != NULL;
}

/* --- paths into state, parameters and bodies: keys with dots between */

/* Names that JavaScript objects inherit; never read nor written. */
static bool wfsi_key_is_inherited(wfsi_span key)
{
    static const char *const names[] = {"__proto__", "constructor",
                                        "prototype"};
    size_t i;

    for (i = 0; i < WFSI_COUNT(names); i++)
        if (strlen(names[i]) == key.size &&
            memcmp(names[i], key.data, key.size) == 0)
            return true;
    return false;
}

/* Take the first key off a path; false at its end. */
static bool wfsi_path_next(wfsi_span *path, wfsi_span *key)
{
    const char *dot;

    if (path->data == NULL)
        return false;
    key->data = path->data;
    dot = path->size != 0 ? (const char *)memchr(path->data, '.', path->size)
                          : NULL;
    if (dot == NULL) {
        key->size = path->size;
        path->data = NULL;
        return true;
    }
    key->size = (size_t)(dot - path->data);
    path->size -= key->size + 1;
    path->data = dot + 1;
    return true;
}

/* What a path leads to through members of objects; NULL: nothing. */
static const wfs_json *wfsi_path_get(const wfs_json *value, wfsi_span path)
{
    wfsi_span key;

    while (value != NULL && wfsi_path_next(&path, &key))
        value = wfsi_key_is_inherited(key)
                    ? NULL
                    : wfs_json_get_n(value, key.data, key.size);
    return value;
}

/* The container under a key of an object that was made for this call with all
 * that is in it, none of it const; a new one where there is none of that type.
 * NULL without memory. */
static wfs_json *wfsi_own_container(wfs_arena *arena, wfs_json *object,
                                    wfsi_span key, wfs_json_type type)
{
    const wfs_json *there = wfs_json_get_n(object, key.data, key.size);
    wfs_json *made;

    if (wfs_json_type_of(there) == type)
        return (wfs_json *)(uintptr_t)there;
    made = wfsi_json_new(arena, (unsigned)type);
    return wfs_json_set_n(arena, object, key.data, key.size, made) != NULL
               ? made
               : NULL;
}

/* Set what a path leads to in such an object, making objects on the way where
 * there are none. With append the value is added to the list there, or to a new
 * one. An inherited name ends the walk. False without memory. */
static bool wfsi_path_set(wfs_arena *arena, wfs_json *object, wfsi_span path,
                          bool append, const wfs_json *value)
{
    wfsi_span key;

    while (object != NULL && wfsi_path_next(&path, &key)) {
        if (wfsi_key_is_inherited(key))
            return true;
        if (path.data != NULL)
            object = wfsi_own_container(arena, object, key, WFS_JSON_OBJECT);
        else if (!append)
            return wfs_json_set_n(arena, object, key.data, key.size, value) !=
                   NULL;
        else
            return wfs_json_append(arena,
                                   wfsi_own_container(arena, object, key,
                                                      WFS_JSON_ARRAY),
                                   value) != NULL;
    }
    return false;
}

/* --- templates: {{state.PATH}} and {{params.PATH}} */

#define WFSI_TEMPLATE_PATH 256  /* UTF-16 code units of a path at most */

typedef enum wfsi_slice_kind {
    WFSI_SLICE_TEXT,            /* as it is */
    WFSI_SLICE_VALUE,           /* the whole of a text: replaced, with type */
    WFSI_SLICE_PART             /* inside a text: replaced by a text */
} wfsi_slice_kind;

typedef struct wfsi_slice {
    wfsi_slice_kind kind;
    bool of_params;             /* else of the state */
    wfsi_span path;
    wfsi_span text;             /* TEXT, or PART without a value: itself */
} wfsi_slice;

/* A text, or the JSON text of a value, in slices. */
typedef struct wfsi_template {
    wfsi_slice *slices;
    size_t count, capacity;
} wfsi_template;

static bool wfsi_template_add(wfs_arena *arena, wfsi_template *templ,
                              wfsi_slice slice)
{
    size_t capacity = templ->capacity != 0 ? templ->capacity * 2 : 4;
    wfsi_slice *slices;

    if (slice.kind == WFSI_SLICE_TEXT && slice.text.size == 0)
        return true;
    if (templ->count == templ->capacity) {
        slices = (wfsi_slice *)wfsi_arena_allocate(arena,
                                                   capacity * sizeof *slices);
        if (slices == NULL)
            return false;
        if (templ->count != 0)
            memcpy(slices, templ->slices,
                   templ->count * sizeof *slices);
        templ->slices = slices;
        templ->capacity = capacity;
    }
    templ->slices[templ->count++] = slice;
    return true;
}

static bool wfsi_template_text(wfs_arena *arena, wfsi_template *templ,
                               const char *from, const char *to)
{
    wfsi_slice slice;

    memset(&slice, 0, sizeof slice);
    slice.text.data = from;
    slice.text.size = (size_t)(to - from);
    return wfsi_template_add(arena, templ, slice);
}

/* The template that starts here, with its whole text; false when none does. */
static bool wfsi_slice_read(const char *at, const char *end, wfsi_slice *slice)
{
    const char *start = at;
    size_t units = 0;

    memset(slice, 0, sizeof *slice);
    slice->kind = WFSI_SLICE_PART;
    if (end - at >= 8 && memcmp(at, "{{state.", 8) == 0) {
        at += 8;
    } else if (end - at >= 9 && memcmp(at, "{{params.", 9) == 0) {
        slice->of_params = true;
        at += 9;
    } else {
        return false;
    }
    slice->path.data = at;
    for (; at < end && *at != '}' && units <= WFSI_TEMPLATE_PATH; at++)
        units += ((unsigned char)*at & 0xC0) != 0x80 ? 1 : 0;
    for (start = slice->path.data; start < at; start++)
        units += (unsigned char)*start >= 0xF0 ? 1 : 0;
    slice->path.size = (size_t)(at - slice->path.data);
    if (end - at < 2 || at[0] != '}' || at[1] != '}' || units == 0 ||
        units > WFSI_TEMPLATE_PATH)
        return false;
    slice->text.data = slice->path.data - (slice->of_params ? 9 : 8);
    slice->text.size = (size_t)(at + 2 - slice->text.data);
    return true;
}

/* Cut a text at its templates. */
static bool wfsi_template_cut(wfs_arena *arena, wfsi_template *templ,
                              wfsi_span text)
{
    const char *at = text.data, *end = text.data + text.size, *from = at;
    wfsi_slice slice;

    while (at < end) {
        at = (const char *)memchr(at, '{', (size_t)(end - at));
        if (at == NULL)
            break;
        if (!wfsi_slice_read(at, end, &slice)) {
            at++;
            continue;
        }
        if (slice.text.size == text.size)
            slice.kind = WFSI_SLICE_VALUE;
        if (!wfsi_template_text(arena, templ, from, at) ||
            !wfsi_template_add(arena, templ, slice))
            return false;
        at = from = at + slice.text.size;
    }
    return wfsi_template_text(arena, templ, from, end);
}

static bool wfsi_template_uses_state(const wfsi_template *templ)
{
    size_t i;

    for (i = 0; i < templ->count; i++)
        if (templ->slices[i].kind != WFSI_SLICE_TEXT &&
            !templ->slices[i].of_params)
            return true;
    return false;
}

static bool wfsi_template_is_constant(const wfsi_template *templ)
{
    return templ->count == 0 ||
           (templ->count == 1 &&
            templ->slices[0].kind == WFSI_SLICE_TEXT);
}

static wfsi_span wfsi_template_constant(const wfsi_template *templ)
{
    static const wfsi_span none = {"", 0};

    return templ->count != 0 ? templ->slices[0].text : none;
}

/* The end of a JSON string whose opening quote stands at `at`. */
static const char *wfsi_json_string_end(const char *at)
{
    for (at++; *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at + 1;
}

/* What stands between the quotes of a text in JSON. */
static void wfsi_put_unquoted(wfsi_buffer *buffer, const char *text,
                              size_t size)
{
    size_t start = buffer->size;

    wfsi_json_put_string(buffer, text, size);
    if (buffer->failed)
        return;
    memmove(buffer->data + start, buffer->data + start + 1,
            buffer->size - start - 1);
    buffer->size -= 2;
}

static wfsi_span wfsi_escaped(wfs_arena *arena, wfsi_span text)
{
    wfsi_buffer buffer;

    wfsi_buffer_open(&buffer, arena);
    wfsi_put_unquoted(&buffer, text.data, text.size);
    text.data = wfsi_buffer_finish(&buffer);
    text.size = buffer.size;
    return text;
}

/* One text of a JSON text, with its quotes: what is left of it is escaped. */
static bool wfsi_template_cut_string(wfs_arena *arena, wfsi_template *templ,
                                     const char *from, const char *to)
{
    wfs_json *string = wfsi_json_raw(arena, from, (size_t)(to - from));
    wfsi_template inner = {NULL, 0, 0};
    wfsi_span text;
    size_t i;

    text.data = wfs_json_string(string, &text.size);
    if (text.data == NULL || !wfsi_template_cut(arena, &inner, text))
        return false;
    if (inner.count == 1 && inner.slices[0].kind == WFSI_SLICE_VALUE)
        return wfsi_template_add(arena, templ, inner.slices[0]);
    if (!wfsi_template_text(arena, templ, from, from + 1))
        return false;
    for (i = 0; i < inner.count; i++) {
        inner.slices[i].text = wfsi_escaped(arena, inner.slices[i].text);
        if (inner.slices[i].text.data == NULL ||
            !wfsi_template_add(arena, templ, inner.slices[i]))
            return false;
    }
    return wfsi_template_text(arena, templ, to - 1, to);
}

static bool wfsi_holds_braces(const char *from, const char *to)
{
    while ((from = (const char *)memchr(from, '{', (size_t)(to - from))) !=
           NULL) {
        if (to - from > 1 && from[1] == '{')
            return true;
        from++;
    }
    return false;
}

/* Cut a JSON text, compact as the writer gives it, at the templates in its
 * texts; keys are none. */
static bool wfsi_template_cut_json(wfs_arena *arena, wfsi_template *templ,
                                   wfsi_span json)
{
    const char *at = json.data, *end = json.data + json.size, *from = at, *to;

    while (at < end) {
        at = (const char *)memchr(at, '"', (size_t)(end - at));
        if (at == NULL)
            break;
        to = wfsi_json_string_end(at);
        if ((to < end && *to == ':') || !wfsi_holds_braces(at, to)) {
            at = to;
            continue;
        }
        if (!wfsi_template_text(arena, templ, from, at) ||
            !wfsi_template_cut_string(arena, templ, at, to))
            return false;
        at = from = to;
    }
    return wfsi_template_text(arena, templ, from, end);
}

/* What templates are filled from. */
typedef struct wfsi_sources {
    wfs_arena *arena;
    const wfs_json *state;
    const wfs_json *params;
} wfsi_sources;

/* The value of a template; NULL: it has none. The length of a list ends the
 * way to it. */
static const wfs_json *wfsi_slice_value(const wfsi_sources *sources,
                                        const wfsi_slice *slice)
{
    const wfs_json *value = slice->of_params ? sources->params : sources->state;
    wfsi_span path = slice->path, key;

    while (value != NULL && wfsi_path_next(&path, &key)) {
        if (wfs_json_type_of(value) == WFS_JSON_ARRAY)
            return key.size == 6 && memcmp(key.data, "length", 6) == 0
                       ? wfs_json_new_integer(sources->arena,
                                              (int64_t)wfs_json_count(value))
                       : NULL;
        value = wfsi_key_is_inherited(key)
                    ? NULL
                    : wfs_json_get_n(value, key.data, key.size);
    }
    return value;
}

/* json: the slices are those of a JSON text. */
static void wfsi_slice_put(wfsi_buffer *buffer, const wfsi_sources *sources,
                           const wfsi_slice *slice, bool json)
{
    const wfs_json *value;
    wfsi_span text;

    if (slice->kind == WFSI_SLICE_TEXT) {
        wfsi_buffer_put(buffer, slice->text.data, slice->text.size);
        return;
    }
    value = wfsi_slice_value(sources, slice);
    if (slice->kind == WFSI_SLICE_VALUE && json) {
        wfsi_json_put(buffer, value, 0);
    } else if (slice->kind == WFSI_SLICE_PART && value == NULL) {
        wfsi_buffer_put(buffer, slice->text.data, slice->text.size);
    } else {
        text = wfsi_text_of(sources->arena, value);
        if (text.data == NULL)
            buffer->failed = true;
        else if (json)
            wfsi_put_unquoted(buffer, text.data, text.size);
        else
            wfsi_buffer_put(buffer, text.data, text.size);
    }
}

/* The text with its templates filled in; NULL data without memory. */
static wfsi_span wfsi_template_fill(const wfsi_sources *sources,
                                    const wfsi_template *templ, bool json)
{
    wfsi_buffer buffer;
    wfsi_span filled;
    size_t i;

    if (wfsi_template_is_constant(templ))
        return wfsi_template_constant(templ);
    wfsi_buffer_open(&buffer, sources->arena);
    for (i = 0; i < templ->count; i++)
        wfsi_slice_put(&buffer, sources, &templ->slices[i], json);
    filled.data = wfsi_buffer_finish(&buffer);
    filled.size = buffer.size;
    return filled;
}

/* ------------------------------------------------------------------------
 * >>mock  private: scenarios, selection, sequences, state
 *
 * Owns the mocks: their definitions, checked and compiled, the four tables, and
 * the three phases of a request. Calls >>store, >>json, >>http, >>regex,
 * >>match. Called by >>harness and >>scenario, which have mocks in a harness.
 * Source: Scenarist's core.
 * --------------------------------------------------------------------- */

/* --- tables */

#define WFSI_REFERS(X, member, column, nullable, table)                       \
    X(wfs_row_id, member, column, WFS_REFERENCE, nullable, false, table)

#define WFSI_MOCK_SCENARIO_COLUMNS(X)                                         \
    WFSI_SYMBOL(X, scenario_id, "scenarioId")                                 \
    WFSI_SYMBOL(X, name, "name")                                              \
    WFSI_SYMBOL(X, description, "description")                                \
    WFSI_JSON_OR_NULL(X, definition, "definition")

#define WFSI_MOCK_TEST_COLUMNS(X)                                             \
    WFSI_SYMBOL(X, test_id, "testId")                                         \
    WFSI_REFERS(X, active, "active", true, "mock_scenario")                   \
    WFSI_JSON_OR_NULL(X, state, "state")

/* A place in a mock's sequence, for a test, while a scenario is active. */
#define WFSI_MOCK_SEQUENCE_COLUMNS(X)                                         \
    WFSI_REFERS(X, test_ref, "testRef", false, "mock_test")                   \
    WFSI_REFERS(X, active, "active", false, "mock_scenario")                  \
    WFSI_REFERS(X, scenario, "scenario", false, "mock_scenario")              \
    WFSI_NUMBER(X, mock, "mock")                                              \
    WFSI_NUMBER(X, position, "position")                                      \
    WFSI_FLAG(X, exhausted, "exhausted")

#define WFSI_MOCK_REQUEST_COLUMNS(X)                                          \
    WFSI_REFERS(X, test_ref, "testRef", false, "mock_test")                   \
    WFSI_SYMBOL(X, test_id, "testId")                                         \
    WFSI_TIME(X, created_at, "createdAt")                                     \
    WFSI_SYMBOL(X, method, "method")                                          \
    WFSI_TEXT_OR_NULL(X, url, "url")                                          \
    WFSI_TEXT_OR_NULL(X, headers, "headers")                                  \
    WFSI_TEXT_OR_NULL(X, body, "body")                                        \
    WFSI_REFERS(X, scenario, "scenario", true, "mock_scenario")               \
    WFSI_NUMBER_OR_NULL(X, mock, "mock")                                      \
    WFSI_NUMBER_OR_NULL(X, entry, "entry")                                    \
    WFSI_NUMBER_OR_NULL(X, status, "status")                                  \
    WFSI_SYMBOL_OR_NULL(X, error, "error")                                    \
    WFSI_TEXT_OR_NULL(X, message, "message")

typedef struct wfsi_mock_scenario_row {
    uint32_t version, nulls;
    WFSI_MOCK_SCENARIO_COLUMNS(WFSI_MEMBER)
} wfsi_mock_scenario_row;

typedef struct wfsi_mock_test_row {
    uint32_t version, nulls;
    WFSI_MOCK_TEST_COLUMNS(WFSI_MEMBER)
} wfsi_mock_test_row;

typedef struct wfsi_mock_sequence_row {
    uint32_t version, nulls;
    wfsi_link of_test;
    WFSI_MOCK_SEQUENCE_COLUMNS(WFSI_MEMBER)
} wfsi_mock_sequence_row;

typedef struct wfsi_mock_request_row {
    uint32_t version, nulls;
    wfsi_link of_test;
    WFSI_MOCK_REQUEST_COLUMNS(WFSI_MEMBER)
} wfsi_mock_request_row;

#define WFSI_MOCK_TEST_NUMBER(c, member, ...) wfsi_mock_test_##member,
#define WFSI_MOCK_REQUEST_NUMBER(c, member, ...) wfsi_mock_request_##member,
enum { WFSI_MOCK_TEST_COLUMNS(WFSI_MOCK_TEST_NUMBER) wfsi_mock_test_count };
enum { WFSI_MOCK_REQUEST_COLUMNS(WFSI_MOCK_REQUEST_NUMBER)
       wfsi_mock_request_count };
#undef WFSI_MOCK_TEST_NUMBER
#undef WFSI_MOCK_REQUEST_NUMBER

/* Table numbers from world->tables on, and index numbers. */
enum {
    WFSI_MOCK_SCENARIOS,
    WFSI_MOCK_TESTS,
    WFSI_MOCK_SEQUENCES,
    WFSI_MOCK_REQUESTS,
    WFSI_MOCK_TABLES
};
enum { WFSI_MOCK_OF_TEST, WFSI_MOCK_BY_PLACE };

static wfs_status wfsi_mock_declare(wfs_store *store)
{
    static const wfs_column scenarios[] = {
        WFSI_MOCK_SCENARIO_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_column tests[] = {
        WFSI_MOCK_TEST_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_column sequences[] = {
        WFSI_MOCK_SEQUENCE_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_column requests[] = {
        WFSI_MOCK_REQUEST_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_index by_scenario[] = {
        WFSI_UNIQUE("by_scenario", "scenarioId") WFSI_LAST};
    static const wfs_index by_test[] = {
        WFSI_UNIQUE("by_test", "testId") WFSI_LAST};
    static const wfs_index of_test[] = {
        WFSI_LIST("of_test", "testRef")
        WFSI_UNIQUE("by_place", "testRef, active, scenario, mock")
        WFSI_LAST};
    static const wfs_index log[] = {
        WFSI_LIST("of_test", "testRef") WFSI_LAST};
    static const wfs_table tables[] = {
        {"mock_scenario", scenarios, by_scenario, NULL},
        {"mock_test", tests, by_test, NULL},
        {"mock_sequence", sequences, of_test, NULL},
        {"mock_request", requests, log, NULL},
        {NULL, NULL, NULL, NULL}};

    return wfsi_declare(store, tables);
}

/* --- compiled definitions */

typedef struct wfsi_reply_header {
    wfsi_span given;            /* its name, and that in lower case */
    wfsi_span name;
    wfsi_template value;
    bool again;                 /* the name stands before, in another case */
    size_t next;                /* the next header of the name + 1; 0: none */
} wfsi_reply_header;

typedef struct wfsi_reply {
    const wfs_json *given;      /* {status, headers, body, delay} */
    int64_t status;
    bool has_body;
    wfsi_template body;         /* JSON */
    wfsi_reply_header *headers;
    size_t header_count;
    bool has_type, has_length;  /* content-type and content-length */
    bool uses_state;            /* a template does */
    double delay;               /* ms */
    bool is_ready;              /* nothing has to be filled in: */
    wfs_http_response ready;
} wfsi_reply;

typedef struct wfsi_condition {
    const wfs_json *when;
    wfsi_reply reply;
    bool has_after;
    const wfs_json *after;      /* instead of the mock's; NULL: nothing */
} wfsi_condition;

#define WFSI_SUBJECT_LIST(X)                                                  \
    X(WFSI_SUBJECT_URL, "url")                                                \
    X(WFSI_SUBJECT_BODY, "body")                                              \
    X(WFSI_SUBJECT_HEADER, "headers")                                         \
    X(WFSI_SUBJECT_QUERY, "query")                                            \
    X(WFSI_SUBJECT_STATE, "state")                                            \
    X(WFSI_SUBJECT_NO_OBJECT, "body")

typedef enum wfsi_subject {
#define WFSI_ENUMERATOR(code, name) code,
    WFSI_SUBJECT_LIST(WFSI_ENUMERATOR)
#undef WFSI_ENUMERATOR
    WFSI_SUBJECT_COUNT
} wfsi_subject;

#define WFSI_NAME(code, name) name,
static const char *const wfsi_subject_names[] = {WFSI_SUBJECT_LIST(WFSI_NAME)};
#undef WFSI_NAME

typedef struct wfsi_criterion {
    wfsi_subject subject;
    wfsi_span name;             /* of the header, key, ... */
    wfsi_comparison comparison;
    const wfs_json *value;      /* of the state */
} wfsi_criterion;

typedef struct wfsi_capture {
    wfsi_span target;           /* path in the state */
    bool append;
    wfsi_span source;           /* path in the request */
} wfsi_capture;

/* What a mock answers with; the first that is there counts. */
typedef enum wfsi_answers {
    WFSI_ANSWERS_NOTHING,
    WFSI_ANSWERS_SEQUENCE,
    WFSI_ANSWERS_BY_STATE,
    WFSI_ANSWERS_ALWAYS
} wfsi_answers;

typedef struct wfsi_mock {
    uint32_t place;             /* in its scenario */
    wfsi_span method, url;
    wfsi_pattern *pattern;
    bool has_match;
    wfsi_criterion *criteria;
    size_t criterion_count;
    int64_t specificity;        /* with has_match */
    wfsi_answers answers;
    wfsi_reply *replies;        /* one; a sequence; the default by state */
    size_t reply_count;
    wfs_mock_repeat repeat;
    wfsi_condition *conditions;
    size_t condition_count;
    wfsi_capture *captures;
    size_t capture_count;
    const wfs_json *after;      /* setState; NULL: none */
} wfsi_mock;

/* The mocks of one method. */
typedef struct wfsi_method {
    wfsi_span name;
    wfsi_routes routes;
    const wfsi_mock *broken;    /* whose pattern cannot be compiled, */
    const char *problem;        /* and why; NULL: none */
} wfsi_method;

typedef struct wfsi_mock_set {
    wfs_row_id id;
    wfs_arena arena;            /* owns all of it */
    wfsi_span name;             /* the scenario's id */
    wfsi_mock *mocks;
    size_t count;
    wfsi_method *methods;
    size_t method_count, method_capacity;
} wfsi_mock_set;

struct wfs_mocks {
    wfs_allocator allocator;
    wfs_limits limits;
    wfs_store *store;
    wfs_clock *clock;
    bool owns_store;
    wfs_clock own_clock;
    uint32_t tables;            /* number of the first one */
    wfs_mock_options options;   /* texts in the arena */
    wfs_arena arena;
    wfsi_mock_set **sets;       /* array: by row of mock_scenario, from 0 on;
                                   NULL: not compiled yet */
    const void **given;         /* array: what was registered, likewise */
    wfsi_handle default_id;     /* "default" */
    wfs_row_id recent_backup;   /* the scenario of that id and the test that */
    wfs_row_id recent_test;     /* were last asked for, to be looked at first */
    wfs_arena notes;            /* of the problems */
    wfs_mock_problem *problems; /* array */
};

/* --- the response on the wire */

/* Sent without text; their headers speak of the body that was defined. */
static bool wfsi_status_has_no_text(int64_t status)
{
    return status == 101 || status == 103 || status == 204 || status == 205 ||
           status == 304;
}

/* The name is in lower case. */
static bool wfsi_is_header_name(wfsi_span name)
{
    size_t i;

    for (i = 0; i < name.size; i++)
        if (name.data[i] == '\0' ||
            strchr("abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~",
                   name.data[i]) == NULL)
            return false;
    return name.size != 0;
}

/* No line breaks, no NUL, nothing beyond Latin-1 (C3 is the last lead byte of
 * those). */
static bool wfsi_is_header_value(wfsi_span value)
{
    size_t i;

    for (i = 0; i < value.size; i++)
        if (value.data[i] == '\0' || value.data[i] == '\r' ||
            value.data[i] == '\n' || (unsigned char)value.data[i] >= 0xC4)
            return false;
    return true;
}

static wfsi_span wfsi_trim(wfsi_span text)
{
    while (text.size != 0 && wfsi_is_http_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size != 0 && wfsi_is_http_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* The value of a header, joined with those of the same name. */
static wfs_status wfsi_reply_header_value(const wfsi_reply *reply,
                                          const wfsi_reply_header *header,
                                          const wfsi_sources *sources,
                                          wfs_error *error, const char **joined)
{
    wfsi_buffer buffer;
    wfsi_span value;
    bool first = true;

    wfsi_buffer_open(&buffer, sources->arena);
    for (; header != NULL; first = false) {
        value = wfsi_template_fill(sources, &header->value, false);
        if (value.data == NULL)
            return wfsi_no_memory(error);
        value = wfsi_trim(value);
        if (!wfsi_is_header_name(header->name) || !wfsi_is_header_value(value))
            return wfsi_error(error, WFS_ERR_HANDLER,
                              "HTTP does not allow the header %n: %n",
                              header->name.data, header->name.size, value.data,
                              value.size);
        if (!first)
            wfsi_buffer_literal(&buffer, ", ");
        wfsi_buffer_put(&buffer, value.data, value.size);
        header = header->next != 0 ? &reply->headers[header->next - 1] : NULL;
    }
    *joined = wfsi_buffer_finish(&buffer);
    return *joined != NULL ? WFS_OK : wfsi_no_memory(error);
}

/* content-type and content-length, where they are not given. False without
 * memory. */
static bool wfsi_standard_headers(wfs_arena *arena, wfs_http_header *headers,
                                  bool has_type, bool has_length,
                                  size_t body_size)
{
    char digits[WFSI_INTEGER_SIZE];
    size_t size;

    if (!has_type) {
        headers->name = "content-type";
        headers->value = "application/json";
        headers++;
    }
    if (has_length)
        return true;
    size = wfsi_format_integer((int64_t)body_size, digits);
    headers->name = "content-length";
    headers->value = wfsi_arena_text(arena, digits, size);
    return headers->value != NULL;
}

/* The headers of a reply. HANDLER_ERROR for what HTTP forbids. */
static wfs_status wfsi_reply_headers(const wfsi_reply *reply,
                                     const wfsi_sources *sources,
                                     size_t body_size, wfs_error *error,
                                     const wfs_http_header **headers)
{
    const wfsi_reply_header *header = reply->headers;
    const wfsi_reply_header *end = header + reply->header_count;
    wfs_http_header *wire = (wfs_http_header *)wfsi_arena_zeroed(
        sources->arena, (reply->header_count + 3) * sizeof *wire);

    *headers = wire;
    for (; wire != NULL && header < end; header++) {
        if (header->again)
            continue;
        WFS_TRY(wfsi_reply_header_value(reply, header, sources, error,
                                        &wire->value));
        wire++->name = header->name.data;
    }
    return wire != NULL && wfsi_standard_headers(sources->arena, wire,
                                                 reply->has_type,
                                                 reply->has_length, body_size)
               ? WFS_OK
               : wfsi_no_memory(error);
}

static wfs_status wfsi_reply_render(const wfsi_reply *reply,
                                    const wfsi_sources *sources,
                                    wfs_error *error,
                                    wfs_http_response *response)
{
    wfsi_span body = wfsi_template_fill(sources, &reply->body, true);

    if (body.data == NULL)
        return wfsi_no_memory(error);
    if (reply->delay > INT32_MAX)
        return wfsi_error(error, WFS_ERR_HANDLER,
                          "a delay of more than 2147483647 ms");
    WFS_TRY(wfsi_reply_headers(reply, sources, body.size, error,
                               &response->headers));
    response->status = (int)reply->status;
    response->delay = (int64_t)reply->delay;
    response->body = body.data;
    response->body_size = body.size;
    if (wfsi_status_has_no_text(reply->status)) {
        response->body = "";
        response->body_size = 0;
    }
    return WFS_OK;
}

/* A JSON response of the library's own. */
static wfs_status wfsi_plain_response(wfs_arena *arena, int status,
                                      const wfs_json *json,
                                      wfs_http_response *response)
{
    static const wfs_http_header none[] = {{NULL, NULL}};
    wfs_http_header *headers;

    memset(response, 0, sizeof *response);
    response->status = status;
    response->headers = none;
    response->body = "";
    if (json == NULL)
        return arena->failed ? WFS_ERR_NO_MEMORY : WFS_OK;
    headers = (wfs_http_header *)wfsi_arena_zeroed(arena, 3 * sizeof *headers);
    response->body = wfs_json_write(arena, json, 0, &response->body_size);
    if (headers == NULL || response->body == NULL ||
        !wfsi_standard_headers(arena, headers, false, false,
                               response->body_size))
        return WFS_ERR_NO_MEMORY;
    response->headers = headers;
    return WFS_OK;
}

/* Its store's, so that it has one error. */
static wfs_error *wfsi_mocks_error(const wfs_mocks *world)
{
    return &world->store->error;
}

/* --- compiling */

/* A copy in lower case; NULL data without memory. */
static wfsi_span wfsi_lower_text(wfs_arena *arena, wfsi_span text)
{
    char *copy = wfsi_arena_text(arena, text.data, text.size);
    size_t i;

    for (i = 0; copy != NULL && i < text.size; i++)
        copy[i] = wfsi_lower_char(copy[i]);
    text.data = copy;
    return text;
}

static bool wfsi_reply_header_compile(wfs_arena *arena, const wfs_json *headers,
                                      size_t place, wfsi_reply_header *header)
{
    wfsi_span value = wfsi_text_of(arena, wfs_json_at(headers, place));

    header->given.data = wfs_json_key_at(headers, place, &header->given.size);
    header->name = wfsi_lower_text(arena, header->given);
    return header->name.data != NULL && value.data != NULL &&
           wfsi_template_cut(arena, &header->value, value);
}

/* Chain the headers whose names differ only in case. */
static bool wfsi_reply_headers_chain(wfs_arena *arena, wfsi_reply *reply)
{
    wfs_json *last = wfs_json_new_object(arena);    /* place by name */
    const wfs_json *before;
    wfsi_reply_header *header;
    size_t i;

    for (i = 0; i < reply->header_count; i++) {
        header = &reply->headers[i];
        before = wfs_json_get_n(last, header->name.data, header->name.size);
        header->again = before != NULL;
        if (before != NULL)
            reply->headers[wfs_json_integer(before)].next = i + 1;
        wfs_json_set_n(arena, last, header->name.data, header->name.size,
                       wfs_json_new_integer(arena, (int64_t)i));
    }
    reply->has_type = wfs_json_get(last, "content-type") != NULL;
    reply->has_length = wfs_json_get(last, "content-length") != NULL;
    return !arena->failed;
}

/* The headers of a response that is defined. */
static bool wfsi_reply_headers_compile(wfs_arena *arena,
                                       const wfs_json *headers,
                                       wfsi_reply *reply)
{
    size_t i;

    if (wfs_json_type_of(headers) == WFS_JSON_OBJECT)
        reply->header_count = wfs_json_count(headers);
    reply->headers = (wfsi_reply_header *)wfsi_arena_zeroed(
        arena, reply->header_count * sizeof *reply->headers);
    if (reply->headers == NULL)
        return false;
    for (i = 0; i < reply->header_count; i++) {
        if (!wfsi_reply_header_compile(arena, headers, i, &reply->headers[i]))
            return false;
        if (wfsi_template_uses_state(&reply->headers[i].value))
            reply->uses_state = true;
    }
    return wfsi_reply_headers_chain(arena, reply);
}

/* A reply without templates is rendered once and for all, unless HTTP forbids
 * it, which is told when it is asked for. */
static bool wfsi_reply_prepare(wfs_arena *arena, wfsi_reply *reply)
{
    wfsi_sources none;
    size_t i;

    none.arena = arena;
    none.state = none.params = NULL;
    if (!wfsi_template_is_constant(&reply->body))
        return true;
    for (i = 0; i < reply->header_count; i++)
        if (!wfsi_template_is_constant(&reply->headers[i].value))
            return true;
    reply->is_ready =
        wfsi_reply_render(reply, &none, NULL, &reply->ready) == WFS_OK;
    return !arena->failed;
}

static bool wfsi_reply_compile(wfs_arena *arena, const wfs_json *given,
                               wfsi_reply *reply)
{
    const wfs_json *body = wfs_json_get(given, "body");
    const wfs_json *status = wfs_json_get(given, "status");
    wfsi_span text;

    memset(reply, 0, sizeof *reply);
    reply->given = given;
    reply->status = status != NULL ? wfs_json_integer(status) : 200;
    reply->delay = wfs_json_real(wfs_json_get(given, "delay"));
    reply->has_body = body != NULL;
    if (body != NULL) {
        text.data = wfs_json_write(arena, body, 0, &text.size);
        if (text.data == NULL ||
            !wfsi_template_cut_json(arena, &reply->body, text))
            return false;
    }
    reply->uses_state = wfsi_template_uses_state(&reply->body);
    if (!wfsi_reply_headers_compile(arena, wfs_json_get(given, "headers"),
                                    reply))
        return false;
    return wfsi_reply_prepare(arena, reply);
}

/* The list of responses of a sequence. */
static bool wfsi_sequence_compile(wfs_arena *arena, const wfs_json *sequence,
                                  wfsi_mock *mock)
{
    const wfs_json *responses = wfs_json_get(sequence, "responses");
    const char *repeat =
        wfs_json_string(wfs_json_get(sequence, "repeat"), NULL);
    size_t i;

    mock->answers = WFSI_ANSWERS_SEQUENCE;
    mock->repeat = wfsi_text_equal(repeat, "cycle")  ? WFS_MOCK_CYCLE
                   : wfsi_text_equal(repeat, "none") ? WFS_MOCK_NONE
                                                     : WFS_MOCK_LAST;
    mock->reply_count = wfs_json_count(responses);
    mock->replies = (wfsi_reply *)wfsi_arena_allocate(
        arena, mock->reply_count * sizeof *mock->replies);
    for (i = 0; mock->replies != NULL && i < mock->reply_count; i++)
        if (!wfsi_reply_compile(arena, wfs_json_at(responses, i),
                                &mock->replies[i]))
            return false;
    return mock->replies != NULL;
}

static const wfs_json *wfsi_set_state_of(const wfs_json *after)
{
    const wfs_json *state = wfs_json_get(after, "setState");

    return wfs_json_type_of(state) == WFS_JSON_OBJECT ? state : NULL;
}

static bool wfsi_state_response_compile(wfs_arena *arena, const wfs_json *given,
                                        wfsi_mock *mock)
{
    const wfs_json *conditions = wfs_json_get(given, "conditions"), *item;
    const wfs_json *after;
    wfsi_condition *condition;
    size_t i;

    mock->answers = WFSI_ANSWERS_BY_STATE;
    mock->reply_count = 1;
    mock->replies =
        (wfsi_reply *)wfsi_arena_allocate(arena, sizeof *mock->replies);
    mock->condition_count = wfs_json_count(conditions);
    mock->conditions = (wfsi_condition *)wfsi_arena_zeroed(
        arena, mock->condition_count * sizeof *mock->conditions);
    if (mock->replies == NULL || mock->conditions == NULL ||
        !wfsi_reply_compile(arena, wfs_json_get(given, "default"),
                            mock->replies))
        return false;
    for (i = 0; i < mock->condition_count; i++) {
        condition = &mock->conditions[i];
        item = wfs_json_at(conditions, i);
        after = wfs_json_get(item, "afterResponse");
        condition->when = wfs_json_get(item, "when");
        condition->has_after = after != NULL;
        condition->after = wfsi_set_state_of(after);
        if (!wfsi_reply_compile(arena, wfs_json_get(item, "then"),
                                &condition->reply))
            return false;
    }
    return true;
}

static bool wfsi_answers_compile(wfs_arena *arena, const wfs_json *given,
                                 wfsi_mock *mock)
{
    const wfs_json *response = wfs_json_get(given, "response");
    const wfs_json *sequence = wfs_json_get(given, "sequence");
    const wfs_json *by_state = wfs_json_get(given, "stateResponse");

    if (wfs_json_count(wfs_json_get(sequence, "responses")) != 0)
        return wfsi_sequence_compile(arena, sequence, mock);
    if (wfs_json_type_of(by_state) == WFS_JSON_OBJECT)
        return wfsi_state_response_compile(arena, by_state, mock);
    if (wfs_json_type_of(response) != WFS_JSON_OBJECT)
        return true;
    mock->answers = WFSI_ANSWERS_ALWAYS;
    mock->reply_count = 1;
    mock->replies =
        (wfsi_reply *)wfsi_arena_allocate(arena, sizeof *mock->replies);
    return mock->replies != NULL &&
           wfsi_reply_compile(arena, response, mock->replies);
}

static bool wfsi_criterion_compile(wfs_arena *arena, wfsi_mock *mock,
                                   wfsi_subject subject,
                                   const wfs_json *members, size_t place)
{
    wfsi_criterion *criterion = &mock->criteria[mock->criterion_count++];
    const wfs_json *value = wfs_json_at(members, place);

    memset(criterion, 0, sizeof *criterion);
    criterion->subject = subject;
    criterion->name.data =
        wfs_json_key_at(members, place, &criterion->name.size);
    if (subject == WFSI_SUBJECT_STATE) {
        criterion->value = value;
        return true;
    }
    if (subject == WFSI_SUBJECT_HEADER)
        criterion->name = wfsi_lower_text(arena, criterion->name);
    return criterion->name.data != NULL &&
           wfsi_comparison_compile(arena, value, &criterion->comparison);
}

/* Whether a `url` criterion is there; empty text is as none. */
static bool wfsi_match_has_url(const wfs_json *match)
{
    const wfs_json *url = wfs_json_get(match, "url");
    size_t size;

    if (wfs_json_type_of(url) == WFS_JSON_NULL)
        return false;
    return wfs_json_string(url, &size) == NULL || size != 0;
}

static bool wfsi_match_compile(wfs_arena *arena, const wfs_json *match,
                               wfsi_mock *mock)
{
    static const wfsi_subject subjects[] = {
        WFSI_SUBJECT_BODY, WFSI_SUBJECT_HEADER, WFSI_SUBJECT_QUERY,
        WFSI_SUBJECT_STATE};
    const wfs_json *members;
    size_t i, j, count = 2;

    if (wfs_json_type_of(match) != WFS_JSON_OBJECT)
        return true;
    mock->has_match = true;
    mock->specificity = 100;
    for (i = 0; i < WFSI_COUNT(subjects); i++)
        count += wfs_json_count(
            wfs_json_get(match, wfsi_subject_names[subjects[i]]));
    mock->criteria = (wfsi_criterion *)wfsi_arena_zeroed(
        arena, count * sizeof *mock->criteria);
    if (mock->criteria == NULL)
        return false;
    if (wfsi_match_has_url(match)) {
        mock->specificity++;
        mock->criterion_count = 1;      /* its subject is the URL */
        if (!wfsi_comparison_compile(arena, wfs_json_get(match, "url"),
                                  &mock->criteria[0].comparison))
            return false;
    }
    if (wfs_json_type_of(wfs_json_get(match, "body")) == WFS_JSON_OBJECT)
        mock->criteria[mock->criterion_count++].subject =
            WFSI_SUBJECT_NO_OBJECT;
    for (i = 0; i < WFSI_COUNT(subjects); i++) {
        members = wfs_json_get(match, wfsi_subject_names[subjects[i]]);
        if (wfs_json_type_of(members) != WFS_JSON_OBJECT)
            continue;
        for (j = 0; j < wfs_json_count(members); j++)
            if (!wfsi_criterion_compile(arena, mock, subjects[i], members, j))
                return false;
        mock->specificity += (int64_t)wfs_json_count(members);
    }
    return true;
}

static bool wfsi_captures_compile(wfs_arena *arena, const wfs_json *given,
                                  wfsi_mock *mock)
{
    wfsi_capture *capture;
    size_t i, count = wfs_json_count(given);

    if (wfs_json_type_of(given) != WFS_JSON_OBJECT)
        return true;
    mock->captures = (wfsi_capture *)wfsi_arena_zeroed(
        arena, count * sizeof *mock->captures);
    if (mock->captures == NULL)
        return false;
    for (i = 0; i < count; i++) {
        capture = &mock->captures[mock->capture_count];
        capture->target.data =
            wfs_json_key_at(given, i, &capture->target.size);
        capture->source.data =
            wfs_json_string(wfs_json_at(given, i), &capture->source.size);
        if (capture->source.data == NULL)
            continue;
        mock->capture_count++;
        capture->append =
            capture->target.size >= 2 &&
            memcmp(capture->target.data + capture->target.size - 2, "[]", 2) ==
                0;
        if (capture->append)
            capture->target.size -= 2;
    }
    return true;
}

static bool wfsi_span_equal(wfsi_span left, wfsi_span right)
{
    return left.size == right.size &&
           wfsi_bytes_equal(left.data, right.data, left.size);
}

static wfsi_method *wfsi_method_find(const wfsi_mock_set *set, wfsi_span name)
{
    size_t i;

    for (i = 0; i < set->method_count; i++)
        if (wfsi_span_equal(set->methods[i].name, name))
            return &set->methods[i];
    return NULL;
}

/* The entry of a mock's method, made when it is the first; NULL without
 * memory. */
static wfsi_method *wfsi_method_of(wfsi_mock_set *set, wfsi_span name)
{
    wfsi_method *method = wfsi_method_find(set, name), *methods;
    size_t capacity = set->method_capacity * 2 + 4;

    if (method != NULL)
        return method;
    if (set->method_count == set->method_capacity) {
        methods = (wfsi_method *)wfsi_arena_allocate(
            &set->arena, capacity * sizeof *methods);
        if (methods == NULL)
            return NULL;
        if (set->method_count != 0)
            memcpy(methods, set->methods, set->method_count * sizeof *methods);
        set->methods = methods;
        set->method_capacity = capacity;
    }
    method = &set->methods[set->method_count++];
    memset(method, 0, sizeof *method);
    method->name = name;
    return method;
}

/* A pattern that cannot be compiled makes all requests of its method fail, as
 * recorded. */
static bool wfsi_route_compile(wfsi_mock_set *set, wfsi_mock *mock)
{
    wfsi_method *method = wfsi_method_of(set, mock->method);
    wfs_error error;
    wfs_status status;

    if (method == NULL)
        return false;
    status = wfsi_pattern_compile(&set->arena, mock->url.data, mock->url.size,
                                  &mock->pattern, &error);
    if (status == WFS_OK)
        return wfsi_routes_add(&method->routes, &set->arena, mock->pattern,
                               mock->place);
    if (status == WFS_ERR_NO_MEMORY)
        return false;
    if (method->broken == NULL) {
        method->broken = mock;
        method->problem = wfsi_arena_text(&set->arena, error.message,
                                          strlen(error.message));
    }
    return !set->arena.failed;
}

static wfsi_span wfsi_json_span_of(const wfs_json *object, const char *key)
{
    wfsi_span span;

    span.data = wfs_json_string(wfs_json_get(object, key), &span.size);
    if (span.data == NULL) {
        span.data = "";
        span.size = 0;
    }
    return span;
}

static wfsi_span wfsi_upper_text(wfs_arena *arena, wfsi_span text)
{
    char *copy = wfsi_arena_text(arena, text.data, text.size);
    size_t i;

    for (i = 0; copy != NULL && i < text.size; i++)
        copy[i] = wfsi_upper_char(copy[i]);
    text.data = copy;
    return text;
}

static bool wfsi_mock_compile(wfsi_mock_set *set, const wfs_json *given,
                              wfsi_mock *mock)
{
    wfs_arena *arena = &set->arena;
    const wfs_json *after = wfs_json_get(given, "afterResponse");

    mock->method = wfsi_upper_text(arena, wfsi_json_span_of(given, "method"));
    mock->url = wfsi_json_span_of(given, "url");
    mock->after = wfsi_set_state_of(after);
    return mock->method.data != NULL && wfsi_route_compile(set, mock) &&
           wfsi_match_compile(arena, wfs_json_get(given, "match"), mock) &&
           wfsi_answers_compile(arena, given, mock) &&
           wfsi_captures_compile(arena, wfs_json_get(given, "captureState"),
                                 mock);
}

static void wfsi_mock_set_free(const wfs_allocator *allocator,
                               wfsi_mock_set *set)
{
    if (set == NULL)
        return;
    wfsi_arena_close(&set->arena);
    wfsi_release(allocator, set, sizeof *set);
}

/* Compile a definition from its text; NULL without memory. */
static wfsi_mock_set *wfsi_mock_set_compile(const wfs_allocator *allocator,
                                            wfsi_span definition)
{
    wfsi_mock_set *set =
        (wfsi_mock_set *)wfsi_allocate_zeroed(allocator, sizeof *set);
    const wfs_json *given = NULL, *mocks;
    char *text;
    size_t i;

    if (set == NULL)
        return NULL;
    wfsi_arena_open(&set->arena, allocator);
    text = wfsi_arena_text(&set->arena, definition.data, definition.size);
    if (text != NULL)
        given = wfsi_json_look(
            wfsi_json_raw(&set->arena, text, definition.size));
    mocks = wfs_json_get(given, "mocks");
    set->name = wfsi_json_span_of(given, "id");
    set->count = wfs_json_count(mocks);
    set->mocks = (wfsi_mock *)wfsi_arena_zeroed(
        &set->arena, set->count * sizeof *set->mocks);
    for (i = 0; set->mocks != NULL && i < set->count; i++) {
        set->mocks[i].place = (uint32_t)i;
        if (!wfsi_mock_compile(set, wfs_json_at(mocks, i), &set->mocks[i]))
            break;
    }
    if (!set->arena.failed)
        return set;
    wfsi_mock_set_free(allocator, set);
    return NULL;
}

/* --- checking a definition
 *
 * A shape is a list of members, each with its own check; the way to the value
 * that is looked at is kept, for the problems. All are found at once. */

#define WFSI_WAY_DEPTH 12       /* of a definition: 9 */

typedef struct wfsi_checker {
    wfs_mocks *world;
    const wfs_json *way[WFSI_WAY_DEPTH];    /* keys and places */
    size_t depth;
    bool no_memory;
} wfsi_checker;

typedef void (*wfsi_check)(wfsi_checker *checker, const wfs_json *value);

typedef struct wfsi_shape {
    const char *key;
    wfsi_check check;
    bool required;
} wfsi_shape;

static bool wfsi_is(const wfs_json *value, wfs_json_type type)
{
    return wfs_json_type_of(value) == type;
}

static bool wfsi_is_number(const wfs_json *value)
{
    return wfsi_is(value, WFS_JSON_INTEGER) || wfsi_is(value, WFS_JSON_REAL);
}

/* The way as text: mocks[0].match.headers["x-id"] */
static const char *wfsi_way_text(wfs_arena *arena, const wfs_json *way)
{
    wfsi_buffer buffer;
    const wfs_json *step;
    size_t i;

    wfsi_buffer_open(&buffer, arena);
    for (i = 0; i < wfs_json_count(way); i++) {
        step = wfs_json_at(way, i);
        if (wfsi_is(step, WFS_JSON_STRING)) {
            if (i != 0)
                wfsi_buffer_char(&buffer, '.');
            wfsi_put_as_text(&buffer, step);
        } else {
            wfsi_buffer_char(&buffer, '[');
            wfsi_put_as_text(&buffer, step);
            wfsi_buffer_char(&buffer, ']');
        }
    }
    return wfsi_buffer_finish(&buffer);
}

/* Note a problem at the value that is looked at. */
static void wfsi_problem(wfsi_checker *checker, const char *message)
{
    wfs_mocks *world = checker->world;
    wfs_json *path = wfs_json_new_array(&world->notes);
    wfs_mock_problem problem;
    size_t i;

    for (i = 0; i < checker->depth; i++)
        path = wfs_json_append(&world->notes, path, checker->way[i]);
    problem.path = path;
    problem.where = wfsi_way_text(&world->notes, path);
    problem.message = wfsi_arena_text(&world->notes, message, strlen(message));
    if (problem.where == NULL || problem.message == NULL ||
        !wfsi_array_reserve(&world->allocator, world->problems, 1))
        checker->no_memory = true;
    else
        wfsi_array_push(world->problems, problem);
}

static void wfsi_go_to_key(wfsi_checker *checker, const char *key, size_t size)
{
    checker->way[checker->depth++] =
        wfs_json_new_string_n(&checker->world->notes, key, size);
}

static void wfsi_go_to_place(wfsi_checker *checker, size_t place)
{
    checker->way[checker->depth++] =
        wfs_json_new_integer(&checker->world->notes, (int64_t)place);
}

static void wfsi_go_back(wfsi_checker *checker)
{
    checker->depth--;
}

/* A problem at a member of the value that is looked at. */
static void wfsi_problem_at(wfsi_checker *checker, const char *key,
                            const char *message)
{
    wfsi_go_to_key(checker, key, strlen(key));
    wfsi_problem(checker, message);
    wfsi_go_back(checker);
}

/* Returns how many problems there are up to now. */
static size_t wfsi_problem_count(const wfsi_checker *checker)
{
    return wfsi_array_count(checker->world->problems);
}

static void wfsi_check_shape(wfsi_checker *checker, const wfs_json *value,
                             const wfsi_shape *shape)
{
    const wfs_json *member;

    if (!wfsi_is(value, WFS_JSON_OBJECT)) {
        wfsi_problem(checker, "must be an object");
        return;
    }
    for (; shape->key != NULL; shape++) {
        member = wfs_json_get(value, shape->key);
        if (member == NULL && !shape->required)
            continue;
        wfsi_go_to_key(checker, shape->key, strlen(shape->key));
        if (member == NULL)
            wfsi_problem(checker, "is required");
        else
            shape->check(checker, member);
        wfsi_go_back(checker);
    }
}

static void wfsi_check_list(wfsi_checker *checker, const wfs_json *value,
                            wfsi_check check)
{
    size_t i;

    if (!wfsi_is(value, WFS_JSON_ARRAY))
        wfsi_problem(checker, "must be a list");
    for (i = 0; wfsi_is(value, WFS_JSON_ARRAY) && i < wfs_json_count(value);
         i++) {
        wfsi_go_to_place(checker, i);
        check(checker, wfs_json_at(value, i));
        wfsi_go_back(checker);
    }
}

static void wfsi_check_members(wfsi_checker *checker, const wfs_json *value,
                               wfsi_check check)
{
    const char *key;
    size_t i, size;

    if (!wfsi_is(value, WFS_JSON_OBJECT))
        wfsi_problem(checker, "must be an object");
    for (i = 0; wfsi_is(value, WFS_JSON_OBJECT) && i < wfs_json_count(value);
         i++) {
        key = wfs_json_key_at(value, i, &size);
        wfsi_go_to_key(checker, key, size);
        check(checker, wfs_json_at(value, i));
        wfsi_go_back(checker);
    }
}

static void wfsi_check_text(wfsi_checker *checker, const wfs_json *value)
{
    if (!wfsi_is(value, WFS_JSON_STRING))
        wfsi_problem(checker, "must be text");
}

static void wfsi_check_filled_text(wfsi_checker *checker, const wfs_json *value)
{
    size_t size;

    if (wfs_json_string(value, &size) == NULL)
        wfsi_problem(checker, "must be text");
    else if (size == 0)
        wfsi_problem(checker, "must not be empty");
}

static void wfsi_check_texts(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_members(checker, value, wfsi_check_text);
}

static void wfsi_check_anything(wfsi_checker *checker, const wfs_json *value)
{
    (void)checker;
    (void)value;
}

/* --- of a response */

static void wfsi_check_status(wfsi_checker *checker, const wfs_json *value)
{
    double status = wfs_json_real(value);

    if (!wfsi_is_number(value) || status != (double)wfs_json_integer(value))
        wfsi_problem(checker, "must be an integer");
    else if (status < 100 || status > 599)
        wfsi_problem(checker, "must be from 100 to 599");
}

static void wfsi_check_delay(wfsi_checker *checker, const wfs_json *value)
{
    if (!wfsi_is_number(value))
        wfsi_problem(checker, "must be a number");
    else if (wfs_json_real(value) < 0)
        wfsi_problem(checker, "must not be negative");
}

static void wfsi_check_response(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"status", wfsi_check_status, true},
        {"headers", wfsi_check_texts, false},
        {"delay", wfsi_check_delay, false},
        {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

static void wfsi_check_responses(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_list(checker, value, wfsi_check_response);
    if (wfsi_is(value, WFS_JSON_ARRAY) && wfs_json_count(value) == 0)
        wfsi_problem(checker, "must have a response");
}

static void wfsi_check_repeat(wfsi_checker *checker, const wfs_json *value)
{
    const char *repeat = wfs_json_string(value, NULL);

    if (!wfsi_text_equal(repeat, "last") && !wfsi_text_equal(repeat, "cycle") &&
        !wfsi_text_equal(repeat, "none"))
        wfsi_problem(checker, "must be \"last\", \"cycle\" or \"none\"");
}

static void wfsi_check_sequence(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"responses", wfsi_check_responses, true},
        {"repeat", wfsi_check_repeat, false},
        {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

/* --- of state */

static void wfsi_check_filled(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_members(checker, value, wfsi_check_anything);
    if (wfsi_is(value, WFS_JSON_OBJECT) && wfs_json_count(value) == 0)
        wfsi_problem(checker, "must have a key");
}

static void wfsi_check_after(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {{"setState", wfsi_check_filled, true},
                                       {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

static void wfsi_check_after_or_null(wfsi_checker *checker,
                                     const wfs_json *value)
{
    if (!wfsi_is(value, WFS_JSON_NULL))
        wfsi_check_after(checker, value);
}

static void wfsi_check_condition(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"when", wfsi_check_filled, true},
        {"then", wfsi_check_response, true},
        {"afterResponse", wfsi_check_after_or_null, false},
        {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

static void wfsi_check_conditions(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_list(checker, value, wfsi_check_condition);
}

typedef struct wfsi_named {
    const char *key;
    size_t size;
    const wfs_json *value;
} wfsi_named;

static int wfsi_bytes_order(const char *left, size_t left_size,
                            const char *right, size_t right_size)
{
    size_t size = left_size < right_size ? left_size : right_size;
    int order = size != 0 ? memcmp(left, right, size) : 0;

    return order != 0 ? order
                      : (left_size > right_size) - (left_size < right_size);
}

static int wfsi_named_order(const void *left, const void *right)
{
    const wfsi_named *first = (const wfsi_named *)left;
    const wfsi_named *second = (const wfsi_named *)right;

    return wfsi_bytes_order(first->key, first->size, second->key, second->size);
}

/* An object as JSON text with its own keys sorted, not those further in; NULL
 * data without memory. */
static wfsi_span wfsi_sorted_text(wfs_arena *arena, const wfs_json *object)
{
    size_t i, count = wfs_json_count(object);
    wfsi_named *members =
        (wfsi_named *)wfsi_arena_allocate(arena, count * sizeof *members);
    wfsi_buffer buffer;
    wfsi_span text = {NULL, 0};

    if (members == NULL)
        return text;
    for (i = 0; i < count; i++) {
        members[i].key = wfs_json_key_at(object, i, &members[i].size);
        members[i].value = wfs_json_at(object, i);
    }
    qsort(members, count, sizeof *members, wfsi_named_order);
    wfsi_buffer_open(&buffer, arena);
    for (i = 0; i < count; i++) {
        wfsi_json_put_string(&buffer, members[i].key, members[i].size);
        wfsi_json_put(&buffer, members[i].value, 0);
    }
    text.data = wfsi_buffer_finish(&buffer);
    text.size = buffer.size;
    return text;
}

static int wfsi_span_order(const void *left, const void *right)
{
    const wfsi_span *first = (const wfsi_span *)left;
    const wfsi_span *second = (const wfsi_span *)right;

    return wfsi_bytes_order(first->data, first->size, second->data,
                            second->size);
}

/* Whether two of the conditions ask for the same. */
static bool wfsi_conditions_clash(wfsi_checker *checker,
                                  const wfs_json *conditions)
{
    wfs_arena *arena = &checker->world->notes;
    size_t i, count = wfs_json_count(conditions);
    wfsi_span *texts =
        (wfsi_span *)wfsi_arena_allocate(arena, count * sizeof *texts);

    for (i = 0; texts != NULL && i < count; i++) {
        texts[i] = wfsi_sorted_text(
            arena, wfs_json_get(wfs_json_at(conditions, i), "when"));
        if (texts[i].data == NULL)
            texts = NULL;
    }
    if (texts == NULL) {
        checker->no_memory = true;
        return false;
    }
    qsort(texts, count, sizeof *texts, wfsi_span_order);
    for (i = 1; i < count; i++)
        if (wfsi_span_order(&texts[i - 1], &texts[i]) == 0)
            return true;
    return false;
}

static void wfsi_check_state_response(wfsi_checker *checker,
                                      const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"default", wfsi_check_response, true},
        {"conditions", wfsi_check_conditions, true},
        {NULL, NULL, false}};
    size_t before = wfsi_problem_count(checker);

    wfsi_check_shape(checker, value, shape);
    if (wfsi_problem_count(checker) == before &&
        wfsi_conditions_clash(checker, wfs_json_get(value, "conditions")))
        wfsi_problem(checker, "two conditions have the same `when`");
}

/* --- of criteria */

/* What is only wrong with the flag u never matches, as recorded. */
static void wfsi_check_source(wfsi_checker *checker, wfsi_span source,
                              wfsi_span flags)
{
    wfs_arena *arena = &checker->world->notes;
    wfs_regex *regex;
    wfs_error error;
    wfs_status status = wfsi_regex_compile(arena, source.data, source.size,
                                           flags.data, flags.size, 0, &regex,
                                           &error);

    if (status == WFS_ERR_VALIDATION && flags.size != 0)
        status = wfsi_regex_compile(arena, source.data, source.size, NULL, 0,
                                    0, &regex, NULL);
    if (status == WFS_ERR_NO_MEMORY)
        checker->no_memory = true;
    else if (status != WFS_OK)
        wfsi_problem_at(checker, "source", error.message);
}

/* What is wrong inside of it stands at its members; flags that only clash make
 * it never match, as recorded. */
static void wfsi_check_regex(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_span source, flags;

    source.data = wfs_json_string(wfs_json_get(value, "source"), &source.size);
    flags.data = wfs_json_string(wfs_json_get(value, "flags"), &flags.size);
    if (flags.data == NULL)
        flags.size = 0;
    wfsi_go_to_key(checker, "regex", 5);
    if (flags.size != 0 && strspn(flags.data, "gimsuvy") != flags.size) {
        wfsi_problem_at(checker, "flags", "must be some of gimsuvy");
        flags.size = 0;
    }
    if (source.size == 0)
        wfsi_problem_at(checker, "source", "must not be empty");
    else if (!wfsi_regex_flags_clash(flags.data, flags.size))
        wfsi_check_source(checker, source, flags);
    wfsi_go_back(checker);
}

static bool wfsi_is_regex(const wfs_json *value)
{
    const wfs_json *flags = wfs_json_get(value, "flags");

    return wfsi_is(wfs_json_get(value, "source"), WFS_JSON_STRING) &&
           (flags == NULL || wfsi_is(flags, WFS_JSON_STRING));
}

static void wfsi_check_strategy(wfsi_checker *checker, const wfs_json *value)
{
    const wfs_json *operand, *only = NULL;
    int strategy, count = 0, which = WFSI_NEVER;

    for (strategy = WFSI_EQUALS; strategy < WFSI_NEVER; strategy++) {
        operand = wfs_json_get(value, wfsi_strategy_names[strategy]);
        if (operand == NULL)
            continue;
        only = operand;
        which = strategy;
        count++;
    }
    if (count != 1)
        wfsi_problem(checker, "must have exactly one of equals, contains, "
                              "startsWith, endsWith, regex");
    else if (which == WFSI_REGEX && !wfsi_is_regex(only))
        wfsi_problem(checker, "regex must have a source, and flags be text");
    else if (which == WFSI_REGEX)
        wfsi_check_regex(checker, only);
    else if (!wfsi_is(only, WFS_JSON_STRING))
        wfsi_problem(checker, "what it compares with must be text");
}

static void wfsi_check_criterion(wfsi_checker *checker, const wfs_json *value)
{
    if (wfsi_is(value, WFS_JSON_OBJECT))
        wfsi_check_strategy(checker, value);
    else if (!wfsi_is(value, WFS_JSON_STRING))
        wfsi_problem(checker, "must be text or one of equals, contains, "
                              "startsWith, endsWith, regex");
}

/* In a body numbers, booleans and null may stand as they are. */
static void wfsi_check_literal(wfsi_checker *checker, const wfs_json *value)
{
    if (!wfsi_is_number(value) && !wfsi_is(value, WFS_JSON_BOOL) &&
        !wfsi_is(value, WFS_JSON_NULL))
        wfsi_check_criterion(checker, value);
}

static void wfsi_check_literals(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_members(checker, value, wfsi_check_literal);
}

static void wfsi_check_criteria(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_members(checker, value, wfsi_check_criterion);
}

static void wfsi_check_values(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_members(checker, value, wfsi_check_anything);
}

static void wfsi_check_match(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"url", wfsi_check_criterion, false},
        {"body", wfsi_check_literals, false},
        {"headers", wfsi_check_criteria, false},
        {"query", wfsi_check_criteria, false},
        {"state", wfsi_check_values, false},
        {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

/* --- of a mock and a scenario */

static void wfsi_check_method(wfsi_checker *checker, const wfs_json *value)
{
    static const char *const methods[] = {"GET",   "POST",    "PUT", "DELETE",
                                          "PATCH", "OPTIONS", "HEAD"};
    const char *method = wfs_json_string(value, NULL);
    size_t i;

    for (i = 0; i < WFSI_COUNT(methods); i++)
        if (wfsi_text_equal(methods[i], method))
            return;
    wfsi_problem(checker, "must be one of GET, POST, PUT, DELETE, PATCH, "
                          "OPTIONS, HEAD");
}

/* A pattern that is none fails its requests, as recorded; one that this
 * library cannot do is refused. */
static void wfsi_check_url(wfsi_checker *checker, const wfs_json *value)
{
    wfs_arena *arena = &checker->world->notes;
    wfsi_pattern *pattern;
    wfs_status status;
    wfs_error error;
    wfsi_span text;

    wfsi_check_filled_text(checker, value);
    text.data = wfs_json_string(value, &text.size);
    if (text.data == NULL)
        return;
    status =
        wfsi_pattern_compile(arena, text.data, text.size, &pattern, &error);
    if (status == WFS_ERR_NO_MEMORY)
        checker->no_memory = true;
    else if (status == WFS_ERR_UNSUPPORTED || status == WFS_ERR_LIMIT)
        wfsi_problem(checker, error.message);
}

static void wfsi_check_mock(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"method", wfsi_check_method, true},
        {"url", wfsi_check_url, true},
        {"match", wfsi_check_match, false},
        {"response", wfsi_check_response, false},
        {"sequence", wfsi_check_sequence, false},
        {"stateResponse", wfsi_check_state_response, false},
        {"captureState", wfsi_check_texts, false},
        {"afterResponse", wfsi_check_after, false},
        {NULL, NULL, false}};
    size_t before = wfsi_problem_count(checker);

    wfsi_check_shape(checker, value, shape);
    if (wfsi_problem_count(checker) == before &&
        (wfs_json_get(value, "response") != NULL) +
                (wfs_json_get(value, "sequence") != NULL) +
                (wfs_json_get(value, "stateResponse") != NULL) >
            1)
        wfsi_problem(checker, "has more than one of response, sequence, "
                              "stateResponse");
}

static void wfsi_check_mocks(wfsi_checker *checker, const wfs_json *value)
{
    wfsi_check_list(checker, value, wfsi_check_mock);
}

static void wfsi_check_scenario(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {
        {"id", wfsi_check_filled_text, true},
        {"name", wfsi_check_filled_text, true},
        {"description", wfsi_check_text, true},
        {"mocks", wfsi_check_mocks, true},
        {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

/* Unchecked ones still need an id, which is their name in the registry. */
static void wfsi_check_id_only(wfsi_checker *checker, const wfs_json *value)
{
    static const wfsi_shape shape[] = {{"id", wfsi_check_text, true},
                                       {NULL, NULL, false}};

    wfsi_check_shape(checker, value, shape);
}

/* Start over: nothing is wrong yet. */
static void wfsi_checker_open(wfsi_checker *checker, wfs_mocks *world)
{
    memset(checker, 0, sizeof *checker);
    checker->world = world;
    wfsi_arena_clear(&world->notes);
    wfsi_array_shrink(world->problems, 0);
}

static void wfsi_check_definition(wfsi_checker *checker, const wfs_json *value)
{
    if (checker->world->options.unchecked)
        wfsi_check_id_only(checker, value);
    else
        wfsi_check_scenario(checker, value);
}

/* What the check came to; the first problem stands in the error. */
static wfs_status wfsi_checker_close(wfsi_checker *checker, const char *id)
{
    wfs_mocks *world = checker->world;
    size_t count = wfsi_problem_count(checker);

    if (checker->no_memory || world->notes.failed)
        return wfsi_no_memory(wfsi_mocks_error(world));
    if (count == 0)
        return WFS_OK;
    return wfsi_error(wfsi_mocks_error(world), WFS_ERR_VALIDATION,
                      count > 1 ? "mock scenario %s: %s %s (and %i more)"
                                : "mock scenario %s: %s %s",
                      id, world->problems[0].where, world->problems[0].message,
                      (int64_t)count - 1);
}

/* --- registered scenarios */

static char *wfsi_mock_row(const wfs_mocks *world, uint32_t table,
                           wfs_row_id id)
{
    return wfsi_row_at(&world->store->tables[world->tables + table], id);
}

static wfsi_mock_scenario_row *wfsi_mock_scenario_row_at(const wfs_mocks *world,
                                                         wfs_row_id id)
{
    return (wfsi_mock_scenario_row *)(void *)wfsi_mock_row(
        world, WFSI_MOCK_SCENARIOS, id);
}

static wfsi_mock_test_row *wfsi_mock_test_row_at(const wfs_mocks *world,
                                                 wfs_row_id id)
{
    return (wfsi_mock_test_row *)(void *)wfsi_mock_row(world, WFSI_MOCK_TESTS,
                                                       id);
}

/* The row whose first index has that one text, or 0. */
static wfs_row_id wfsi_mock_find(const wfs_mocks *world, uint32_t number,
                                 const char *text, size_t size)
{
    const wfsi_table *table = &world->store->tables[world->tables + number];
    uint64_t word = wfsi_symbol_find(
        world->store, wfsi_symbol_hash(text, size), text, size);

    return word != 0 ? wfsi_key_find(world->store, table, &table->indexes[0],
                                     &word, NULL)
                     : 0;
}

static wfs_row_id wfsi_mock_scenario_find(const wfs_mocks *world,
                                          const char *id)
{
    return id != NULL ? wfsi_mock_find(world, WFSI_MOCK_SCENARIOS, id,
                                       strlen(id))
                      : 0;
}

/* The scenario that answers where the active one does not, or 0. */
static wfs_row_id wfsi_mock_backup(wfs_mocks *world)
{
    const wfsi_table *table =
        &world->store->tables[world->tables + WFSI_MOCK_SCENARIOS];
    wfs_row_id id = world->recent_backup;

    if (id == 0 || wfsi_row_find(table, id) == NULL ||
        wfsi_mock_scenario_row_at(world, id)->scenario_id != world->default_id)
        world->recent_backup =
            wfsi_mock_find(world, WFSI_MOCK_SCENARIOS, "default", 7);
    return world->recent_backup;
}

/* Room for what is kept of each row beside it; false without memory. */
static bool wfsi_mock_sets_extend(wfs_mocks *world, wfs_row_id id)
{
    size_t count = wfsi_array_count(world->sets);

    if (count >= id)
        return true;
    if (!wfsi_array_reserve(&world->allocator, world->sets, id - count) ||
        !wfsi_array_reserve(&world->allocator, world->given, id - count))
        return false;
    for (; count < id; count++) {
        wfsi_array_push(world->sets, NULL);
        wfsi_array_push(world->given, NULL);
    }
    return true;
}

/* A scenario, compiled when it is first asked for in a fork; NULL without
 * memory. A row that was rolled back leaves its set behind, but is never asked
 * for: whoever adds a row with its id replaces the set. */
static wfsi_mock_set *wfsi_mock_set_of(wfs_mocks *world, wfs_row_id id)
{
    wfsi_span text;

    if (!wfsi_mock_sets_extend(world, id))
        return NULL;
    if (world->sets[id - 1] != NULL)
        return world->sets[id - 1];
    text.data = wfsi_text(world->store,
                          wfsi_mock_scenario_row_at(world, id)->definition,
                          &text.size);
    world->sets[id - 1] = wfsi_mock_set_compile(&world->allocator, text);
    if (world->sets[id - 1] != NULL)
        world->sets[id - 1]->id = id;
    return world->sets[id - 1];
}

/* A scenario's row, in an open transaction. */
static wfs_status wfsi_mock_scenario_insert(wfs_mocks *world,
                                            const wfs_json *definition,
                                            wfsi_span text, wfs_row_id *id)
{
    wfs_store *store = world->store;
    uint32_t number = world->tables + WFSI_MOCK_SCENARIOS;
    wfsi_table *table = &store->tables[number];
    wfsi_mock_scenario_row *row =
        (wfsi_mock_scenario_row *)(void *)wfsi_row_new(store, table);
    wfsi_span name = wfsi_json_span_of(definition, "name");
    wfsi_span description = wfsi_json_span_of(definition, "description");
    wfsi_span key = wfsi_json_span_of(definition, "id");

    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    memset(row, 0, sizeof *row);
    row->scenario_id = wfsi_symbol(store, key.data, key.size);
    row->name = wfsi_symbol(store, name.data, name.size);
    row->description = wfsi_symbol(store, description.data, description.size);
    row->definition = wfsi_text_keep(store, text.data, text.size);
    if (row->scenario_id != 0 && row->name != 0 && row->description != 0 &&
        row->definition != 0)
        return wfsi_row_insert(store, number, row, id);
    wfsi_row_free_texts(store, table, (char *)row, NULL);
    return wfsi_no_memory(wfsi_mocks_error(world));
}

/* Whether that very value is registered under its id, unchanged. */
static bool wfsi_mock_is_given(const wfs_mocks *world, wfs_row_id id,
                               const void *given, wfsi_span text)
{
    wfsi_span there;

    if (id > wfsi_array_count(world->given) || world->given[id - 1] != given)
        return false;
    there.data = wfsi_text(world->store,
                           wfsi_mock_scenario_row_at(world, id)->definition,
                           &there.size);
    return wfsi_span_equal(there, text);
}

/* Register a definition that was checked. given: whose value it is. */
static wfs_status wfsi_mock_keep(wfs_mocks *world, wfs_arena *arena,
                                 const wfs_json *definition, const void *given)
{
    wfsi_span key = wfsi_json_span_of(definition, "id"), text;
    wfs_row_id id = wfsi_mock_find(world, WFSI_MOCK_SCENARIOS, key.data,
                                   key.size);
    wfsi_mock_set *set;
    wfs_status status;

    text.data = wfs_json_write(arena, definition, 0, &text.size);
    if (text.data == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    if (id != 0)
        return given != NULL && wfsi_mock_is_given(world, id, given, text)
                   ? WFS_OK
                   : wfsi_error(wfsi_mocks_error(world),
                                WFS_ERR_DUPLICATE_SCENARIO,
                                "a mock scenario with the id %n is registered",
                                key.data, key.size);
    set = wfsi_mock_set_compile(&world->allocator, text);
    if (set == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    status = wfsi_mock_sets_extend(
                 world, world->store->tables[world->tables].next_id)
                 ? wfsi_mock_scenario_insert(world, definition, text, &id)
                 : wfsi_no_memory(wfsi_mocks_error(world));
    if (status != WFS_OK) {
        wfsi_mock_set_free(&world->allocator, set);
        return status;
    }
    wfsi_mock_set_free(&world->allocator, world->sets[id - 1]);
    world->sets[id - 1] = set;
    world->given[id - 1] = given;
    set->id = id;
    return WFS_OK;
}

static wfs_status wfsi_mock_begin(wfs_mocks *world)
{
    return wfsi_begin(world->store) ? WFS_OK
                                    : wfsi_no_memory(wfsi_mocks_error(world));
}

/* Check and register one definition. */
static wfs_status wfsi_mock_register(wfs_mocks *world, wfs_arena *arena,
                                     const wfs_json *definition,
                                     const void *given)
{
    wfsi_checker checker;

    wfsi_checker_open(&checker, world);
    wfsi_check_definition(&checker, definition);
    WFS_TRY(wfsi_checker_close(
        &checker, wfs_json_string(wfs_json_get(definition, "id"), NULL)));
    WFS_TRY(wfsi_mock_begin(world));
    return wfsi_close(world->store,
                      wfsi_mock_keep(world, arena, definition, given));
}

/* Check an object of definitions, with its keys in the way. */
static wfs_status wfsi_mock_check_all(wfs_mocks *world, const wfs_json *all)
{
    wfsi_checker checker;
    const char *key;
    size_t i, size;

    wfsi_checker_open(&checker, world);
    if (!wfsi_is(all, WFS_JSON_OBJECT))
        wfsi_problem(&checker, "must be an object of mock scenarios");
    else if (wfs_json_get(all, "default") == NULL)
        wfsi_problem_at(&checker, "default", "is required");
    for (i = 0; wfsi_is(all, WFS_JSON_OBJECT) && i < wfs_json_count(all); i++) {
        key = wfs_json_key_at(all, i, &size);
        wfsi_go_to_key(&checker, key, size);
        wfsi_check_definition(&checker, wfs_json_at(all, i));
        wfsi_go_back(&checker);
    }
    return wfsi_checker_close(&checker, "");
}

/* Which key it is whose id clashes stands in the problems. */
static wfs_status wfsi_mock_keep_all(wfs_mocks *world, wfs_arena *arena,
                                     const wfs_json *all, bool given)
{
    wfsi_checker checker;
    wfs_status status = WFS_OK;
    const char *key;
    size_t i, size;

    for (i = 0; status == WFS_OK && i < wfs_json_count(all); i++)
        status = wfsi_mock_keep(world, arena, wfs_json_at(all, i),
                                given ? wfs_json_at(all, i) : NULL);
    if (status != WFS_ERR_DUPLICATE_SCENARIO)
        return status;
    wfsi_checker_open(&checker, world);
    key = wfs_json_key_at(all, i - 1, &size);
    wfsi_go_to_key(&checker, key, size);
    wfsi_problem_at(&checker, "id", "is registered already");
    return checker.no_memory || world->notes.failed
               ? wfsi_no_memory(wfsi_mocks_error(world))
               : status;
}

/* given: the values outlive the call and are known again. */
static wfs_status wfsi_mock_load(wfs_mocks *world, wfs_arena *arena,
                                 const wfs_json *all, bool given)
{
    WFS_TRY(wfsi_mock_check_all(world, all));
    WFS_TRY(wfsi_mock_begin(world));
    return wfsi_close(world->store,
                      wfsi_mock_keep_all(world, arena, all, given));
}

static wfs_json *wfsi_mock_parse(wfs_mocks *world, wfs_arena *arena,
                                 const char *json, size_t size)
{
    if (json == NULL)
        json = "";
    return wfsi_json_build(arena, json, size != 0 ? size : strlen(json),
                           &world->limits, wfsi_mocks_error(world));
}

/* --- definitions from C */

static const wfs_json *wfsi_mock_json(wfs_mocks *world, wfs_arena *arena,
                                      const char *json, wfs_status *status)
{
    const wfs_json *value = wfsi_mock_parse(world, arena, json, 0);

    if (value == NULL && *status == WFS_OK)
        *status = world->store->error.code;
    return value;
}

static void wfsi_mock_set_member(wfs_mocks *world, wfs_arena *arena,
                                 wfs_json *object, const char *key,
                                 const char *json, wfs_status *status)
{
    if (json != NULL)
        wfs_json_set(arena, object, key,
                     wfsi_mock_json(world, arena, json, status));
}

static wfs_json *wfsi_mock_response_json(wfs_mocks *world, wfs_arena *arena,
                                         const wfs_mock_response *response,
                                         wfs_status *status)
{
    wfs_json *object = wfs_json_new_object(arena), *headers;
    const wfs_http_header *header = response->headers;

    wfs_json_set(arena, object, "status",
                 wfs_json_new_integer(arena, response->status));
    wfsi_mock_set_member(world, arena, object, "body", response->body, status);
    if (header != NULL) {
        headers = wfs_json_new_object(arena);
        for (; header->name != NULL; header++)
            wfs_json_set(arena, headers, header->name,
                         wfs_json_new_string(arena, header->value));
        wfs_json_set(arena, object, "headers", headers);
    }
    if (response->delay != 0)
        wfs_json_set(arena, object, "delay",
                     wfs_json_new_integer(arena, response->delay));
    return object;
}

static wfs_json *wfsi_mock_sequence_json(wfs_mocks *world, wfs_arena *arena,
                                         const wfs_mock *mock,
                                         wfs_status *status)
{
    static const char *const repeats[] = {"last", "cycle", "none"};
    wfs_json *sequence = wfs_json_new_object(arena);
    wfs_json *responses = wfs_json_new_array(arena);
    const wfs_mock_response *response;

    for (response = mock->sequence; response->status != 0; response++)
        responses = wfs_json_append(
            arena, responses,
            wfsi_mock_response_json(world, arena, response, status));
    wfs_json_set(arena, sequence, "responses", responses);
    wfs_json_set(arena, sequence, "repeat",
                 (size_t)mock->repeat < WFSI_COUNT(repeats)
                     ? wfs_json_new_string(arena, repeats[mock->repeat])
                     : NULL);
    return sequence;
}

static wfs_json *wfsi_mock_mock_json(wfs_mocks *world, wfs_arena *arena,
                                     const wfs_mock *mock, wfs_status *status)
{
    wfs_json *object = wfs_json_new_object(arena);

    if (mock->method != NULL)
        wfs_json_set(arena, object, "method",
                     wfs_json_new_string(arena, mock->method));
    if (mock->url != NULL)
        wfs_json_set(arena, object, "url",
                     wfs_json_new_string(arena, mock->url));
    if (mock->response.status != 0)
        wfs_json_set(arena, object, "response",
                     wfsi_mock_response_json(world, arena, &mock->response,
                                             status));
    if (mock->sequence != NULL)
        wfs_json_set(arena, object, "sequence",
                     wfsi_mock_sequence_json(world, arena, mock, status));
    wfsi_mock_set_member(world, arena, object, "match", mock->match, status);
    wfsi_mock_set_member(world, arena, object, "stateResponse",
                         mock->state_response, status);
    wfsi_mock_set_member(world, arena, object, "captureState",
                         mock->capture_state, status);
    wfsi_mock_set_member(world, arena, object, "afterResponse",
                         mock->after_response, status);
    return object;
}

/* A scenario of C structs as a definition; *status tells of JSON in it that is
 * none. */
static wfs_json *wfsi_mock_scenario_json(wfs_mocks *world, wfs_arena *arena,
                                         const wfs_mock_scenario *scenario,
                                         wfs_status *status)
{
    wfs_json *object = wfs_json_new_object(arena);
    wfs_json *mocks = wfs_json_new_array(arena);
    const wfs_mock *mock = scenario->mocks;

    if (scenario->id != NULL)
        wfs_json_set(arena, object, "id",
                     wfs_json_new_string(arena, scenario->id));
    wfs_json_set(arena, object, "name",
                 wfs_json_new_string(arena, scenario->name != NULL
                                                ? scenario->name
                                                : scenario->id));
    wfs_json_set(arena, object, "description",
                 wfs_json_new_string(arena, scenario->description != NULL
                                                ? scenario->description
                                                : ""));
    for (; mock != NULL && (mock->method != NULL || mock->url != NULL); mock++)
        mocks = wfs_json_append(
            arena, mocks, wfsi_mock_mock_json(world, arena, mock, status));
    return wfs_json_set(arena, object, "mocks", mocks);
}

static wfs_status wfsi_mock_add(wfs_mocks *world, wfs_arena *arena,
                                const wfs_mock_scenario *scenario)
{
    wfs_status status = WFS_OK;
    const wfs_json *definition =
        wfsi_mock_scenario_json(world, arena, scenario, &status);

    if (arena->failed)
        return wfsi_no_memory(wfsi_mocks_error(world));
    WFS_TRY(status);
    return wfsi_mock_register(world, arena, definition, scenario);
}

/* --- making and freeing */

static const char *wfsi_mock_option(wfs_mocks *world, const char *given,
                                    const char *standard)
{
    if (given == NULL)
        given = standard;
    return wfsi_arena_text(&world->arena, given, strlen(given));
}

static wfs_mocks *wfsi_mocks_new(const wfs_allocator *given)
{
    wfs_allocator allocator = wfsi_allocator(given);
    wfs_mocks *world =
        (wfs_mocks *)wfsi_allocate_zeroed(&allocator, sizeof *world);

    if (world == NULL)
        return NULL;
    world->allocator = allocator;
    wfsi_arena_open(&world->arena, &allocator);
    wfsi_arena_open(&world->notes, &allocator);
    return world;
}

void wfs_mocks_free(wfs_mocks *mocks)
{
    wfs_allocator allocator;
    size_t i;

    if (mocks == NULL)
        return;
    allocator = mocks->allocator;
    for (i = 0; i < wfsi_array_count(mocks->sets); i++)
        wfsi_mock_set_free(&allocator, mocks->sets[i]);
    wfsi_array_free(&allocator, mocks->sets);
    wfsi_array_free(&allocator, mocks->given);
    wfsi_array_free(&allocator, mocks->problems);
    wfsi_arena_close(&mocks->arena);
    wfsi_arena_close(&mocks->notes);
    if (mocks->owns_store)
        wfs_store_free(mocks->store);
    wfsi_release(&allocator, mocks, sizeof *mocks);
}

/* Mocks over tables that were declared in a store, with copies of the options'
 * texts; NULL without memory. */
static wfs_mocks *wfsi_mocks_over(const wfs_mock_options *options,
                                  const wfs_allocator *allocator,
                                  wfs_store *store, uint32_t tables,
                                  wfs_clock *clock)
{
    wfs_mocks *world = wfsi_mocks_new(allocator);
    wfs_mock_options *kept;

    if (world == NULL)
        return NULL;
    kept = &world->options;
    *kept = *options;
    kept->default_test_id =
        wfsi_mock_option(world, options->default_test_id, "default-test");
    kept->test_id_header =
        wfsi_mock_option(world, options->test_id_header, "x-test-id");
    kept->set_scenario_path =
        wfsi_mock_option(world, options->set_scenario_path, "/__scenario__");
    kept->get_scenario_path =
        wfsi_mock_option(world, options->get_scenario_path, "/__scenario__");
    kept->get_state_path = wfsi_mock_option(world, options->get_state_path,
                                            "/__scenarist__/state");
    kept->json = NULL;
    kept->scenarios = NULL;
    world->limits = store->limits;
    world->store = store;
    world->tables = tables;
    world->clock = clock;
    world->default_id = wfsi_symbol(store, "default", 7);
    if (!world->arena.failed && world->default_id != 0)
        return world;
    wfs_mocks_free(world);
    return NULL;
}

/* What the options register. */
static wfs_status wfsi_mocks_fill(wfs_mocks *world,
                                  const wfs_mock_options *options)
{
    const wfs_mock_scenario *scenario = options->scenarios;

    if (options->json != NULL)
        WFS_TRY(wfs_mocks_load(world, options->json, options->json_size));
    for (; scenario != NULL &&
           (scenario->id != NULL || scenario->mocks != NULL);
         scenario++)
        WFS_TRY(wfs_mocks_add(world, scenario));
    return options->scenarios == NULL || wfsi_mock_backup(world) != 0
               ? WFS_OK
               : wfsi_error(wfsi_mocks_error(world), WFS_ERR_VALIDATION,
                            "there is no mock scenario \"default\"");
}

/* A copy over the copy of a store; NULL without memory. What is registered is
 * compiled again when it is asked for. */
static wfs_mocks *wfsi_mocks_fork(const wfs_mocks *world, wfs_store *store,
                                  wfs_clock *clock)
{
    size_t count = wfsi_array_count(world->given);
    wfs_mocks *fork = wfsi_mocks_over(&world->options, &world->allocator,
                                      store, world->tables, clock);

    if (fork == NULL || count == 0)
        return fork;
    if (!wfsi_mock_sets_extend(fork, (wfs_row_id)count)) {
        wfs_mocks_free(fork);
        return NULL;
    }
    memcpy(fork->given, world->given, count * sizeof *fork->given);
    return fork;
}

/* --- tests: their rows */

/* What is told of a test id: the given one, or the default one. */
static const char *wfsi_test_id(const wfs_mocks *world, const char *test_id)
{
    return test_id != NULL ? test_id : world->options.default_test_id;
}

/* The row of a test id, or 0. */
static wfs_row_id wfsi_mock_test_find(const wfs_mocks *world,
                                      const char *test_id)
{
    const wfsi_table *table =
        &world->store->tables[world->tables + WFSI_MOCK_TESTS];
    wfs_row_id id = world->recent_test;
    wfsi_span there;
    size_t size;

    test_id = wfsi_test_id(world, test_id);
    size = strlen(test_id);
    if (id != 0 && wfsi_row_find(table, id) != NULL) {
        there.data = wfsi_text(world->store,
                               wfsi_mock_test_row_at(world, id)->test_id,
                               &there.size);
        if (there.size == size && memcmp(there.data, test_id, size) == 0)
            return id;
    }
    return wfsi_mock_find(world, WFSI_MOCK_TESTS, test_id, size);
}

/* The row of a test id, made when it is new, in an open transaction. */
static wfs_status wfsi_mock_test_of(wfs_mocks *world, const char *test_id,
                                    wfs_row_id *id)
{
    wfs_store *store = world->store;
    uint32_t number = world->tables + WFSI_MOCK_TESTS;
    wfsi_table *table = &store->tables[number];
    wfsi_mock_test_row *row;

    *id = world->recent_test = wfsi_mock_test_find(world, test_id);
    if (*id != 0)
        return WFS_OK;
    test_id = wfsi_test_id(world, test_id);
    row = (wfsi_mock_test_row *)(void *)wfsi_row_new(store, table);
    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    memset(row, 0, sizeof *row);
    row->nulls = WFSI_NULL_BIT(mock_test, active);
    row->test_id = wfsi_symbol(store, test_id, strlen(test_id));
    row->state = wfsi_text_keep(store, "{}", 2);
    if (row->test_id != 0 && row->state != 0)
        return wfsi_row_insert(store, number, row, id);
    wfsi_row_free_texts(store, table, (char *)row, NULL);
    return wfsi_no_memory(wfsi_mocks_error(world));
}

static wfsi_mock_test_row *wfsi_mock_test_edit(wfs_mocks *world, wfs_row_id id)
{
    return (wfsi_mock_test_row *)(void *)wfsi_row_edit(
        world->store, world->tables + WFSI_MOCK_TESTS, id);
}

static wfs_status wfsi_mock_test_changed(wfs_mocks *world, wfs_row_id id)
{
    return wfsi_row_changed(world->store, world->tables + WFSI_MOCK_TESTS, id);
}

static void wfsi_mock_set_active(wfsi_mock_test_row *row, wfs_row_id scenario)
{
    wfsi_null_bit(&row->nulls, wfsi_mock_test_active, scenario == 0);
    row->active = scenario;
}

static wfs_status wfsi_mock_write_state(wfs_mocks *world, wfs_row_id test,
                                        wfsi_mock_test_row *row, wfsi_span text)
{
    wfsi_table *table = &world->store->tables[world->tables + WFSI_MOCK_TESTS];

    row->state = wfsi_text_keep(world->store, text.data, text.size);
    if (row->state != 0)
        return wfsi_mock_test_changed(world, test);
    wfsi_row_reset(world->store, table, (char *)row);
    return wfsi_no_memory(wfsi_mocks_error(world));
}

/* Sequences start over: the rows of a test go. */
static wfs_status wfsi_mock_forget_places(wfs_mocks *world, wfs_row_id test)
{
    uint32_t number = world->tables + WFSI_MOCK_SEQUENCES;
    const wfsi_table *table = &world->store->tables[number];
    wfs_row_id id = wfsi_list_first(&table->indexes[WFSI_MOCK_OF_TEST], test);
    wfs_row_id next;

    for (; id != 0; id = next) {
        next = ((wfsi_mock_sequence_row *)(void *)wfsi_row_at(table, id))
                   ->of_test.next;
        WFS_TRY(wfsi_row_delete(world->store, number, id));
    }
    return WFS_OK;
}

static wfs_status wfsi_mock_start_over(wfs_mocks *world, const char *test_id,
                                       wfs_row_id scenario)
{
    static const wfsi_span no_state = {"{}", 2};
    wfsi_mock_test_row *row;
    wfs_row_id test;

    WFS_TRY(wfsi_mock_test_of(world, test_id, &test));
    WFS_TRY(wfsi_mock_forget_places(world, test));
    row = wfsi_mock_test_edit(world, test);
    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    wfsi_mock_set_active(row, scenario);
    return wfsi_mock_write_state(world, test, row, no_state);
}

static wfs_status wfsi_mock_switch(wfs_mocks *world, const char *test_id,
                                   const char *scenario)
{
    wfs_row_id id = wfsi_mock_scenario_find(world, scenario);

    if (id == 0)
        return wfsi_error(wfsi_mocks_error(world), WFS_ERR_SCENARIO_NOT_FOUND,
                          "Scenario '%s' not found. Did you forget to register "
                          "it?", scenario);
    WFS_TRY(wfsi_mock_begin(world));
    return wfsi_close(world->store,
                      wfsi_mock_start_over(world, test_id, id));
}

/* The text of a test's state. */
static wfsi_span wfsi_mock_state_text(const wfs_mocks *world, wfs_row_id test)
{
    wfsi_span text = {"{}", 2};

    if (test != 0)
        text.data = wfsi_text(world->store,
                              wfsi_mock_test_row_at(world, test)->state,
                              &text.size);
    return text;
}

/* The same as a value in an arena, with a text of its own; NULL without
 * memory. */
static wfs_json *wfsi_mock_state(const wfs_mocks *world, wfs_row_id test,
                                 wfs_arena *arena)
{
    wfsi_span text = wfsi_mock_state_text(world, test);
    const char *copy = wfsi_arena_text(arena, text.data, text.size);
    const wfs_json *raw = wfsi_json_raw(arena, copy, text.size);

    return raw != NULL ? wfsi_json_read(arena, raw) : NULL;
}

/* --- a request on its way through the phases */

typedef struct wfsi_mock_call {
    wfs_mocks *world;
    wfs_arena *arena;
    const wfs_http_request *request;
    const char *test_id;
    wfsi_span method;           /* upper case */
    wfsi_url url;
    wfs_row_id test;            /* its row */
    wfsi_mock_set *active, *backup;     /* NULL: none; backup NULL also when
                                           it is the active one */
    bool body_read;
    const wfs_json *body;       /* NULL: none */
    wfs_json *state;            /* NULL: not read yet */
    bool state_changed;
    bool no_memory;

    /* what match finds */
    bool exhausted;             /* a sequence that has ended was passed over */
    const wfsi_mock_set *owner;
    const wfsi_mock *mock;      /* NULL: none */
    int64_t candidate;          /* its place among those that fit */
    int64_t specificity;
    wfs_json *params;

    /* what select finds */
    const wfsi_reply *reply;
    int64_t entry;              /* place in the sequence; -1: none */
    const wfs_json *after;      /* state to set afterwards; NULL: none */

    /* what transform fills in */
    wfsi_sources sources;
} wfsi_mock_call;

static size_t wfsi_request_body_size(const wfs_http_request *request)
{
    if (request->body == NULL)
        return 0;
    return request->body_size != 0 ? request->body_size
                                   : strlen(request->body);
}

static bool wfsi_span_is(wfsi_span span, const char *text)
{
    size_t size = strlen(text);

    return span.size == size && memcmp(span.data, text, size) == 0;
}

/* The body as JSON, whatever its content type; NULL: none. */
static const wfs_json *wfsi_call_body(wfsi_mock_call *call)
{
    size_t size = wfsi_request_body_size(call->request);
    const char *text = call->request->body;
    wfs_error error;

    if (call->body_read)
        return call->body;
    call->body_read = true;
    if (size == 0 || wfsi_span_is(call->method, "GET") ||
        wfsi_span_is(call->method, "HEAD"))
        return NULL;
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    call->body = wfsi_json_build(call->arena, text, size, &call->world->limits,
                                 &error);
    if (call->body == NULL && error.code == WFS_ERR_NO_MEMORY)
        call->no_memory = true;
    return call->body;
}

/* The state, to look at and to change; NULL without memory. */
static wfs_json *wfsi_call_state(wfsi_mock_call *call)
{
    if (call->state == NULL)
        call->state = wfsi_mock_state(call->world, call->test, call->arena);
    if (call->state == NULL)
        call->no_memory = true;
    return call->state;
}

static wfsi_span wfsi_call_header(wfsi_mock_call *call, wfsi_span name)
{
    return wfsi_header_find(call->arena, call->request->headers, name.data,
                            name.size);
}

/* --- phase 1: match */

/* What a criterion looks at; false when there is nothing to compare. */
static bool wfsi_criterion_actual(wfsi_mock_call *call,
                                  const wfsi_criterion *criterion,
                                  wfsi_span *actual)
{
    const wfs_json *value;

    switch (criterion->subject) {
    case WFSI_SUBJECT_URL:
        actual->data = call->url.text;
        actual->size = call->url.size;
        return true;
    case WFSI_SUBJECT_HEADER:
        *actual = wfsi_call_header(call, criterion->name);
        return actual->size != 0;
    case WFSI_SUBJECT_QUERY:
        return wfsi_query_find(call->arena, call->url.query,
                               criterion->name.data, criterion->name.size,
                               actual) &&
               actual->size != 0;
    default:
        value = wfs_json_get_n(wfsi_call_body(call), criterion->name.data,
                               criterion->name.size);
        actual->data = "";
        actual->size = 0;
        if (!wfsi_is(value, WFS_JSON_NULL))
            *actual = wfsi_text_of(call->arena, value);
        return actual->data != NULL;
    }
}

static bool wfsi_criterion_holds(wfsi_mock_call *call,
                                 const wfsi_criterion *criterion)
{
    const wfs_json *value;
    wfsi_span actual;

    if (criterion->subject == WFSI_SUBJECT_NO_OBJECT)
        return wfsi_is(wfsi_call_body(call), WFS_JSON_OBJECT);
    if (criterion->subject == WFSI_SUBJECT_STATE) {
        value = wfs_json_get_n(wfsi_call_state(call), criterion->name.data,
                               criterion->name.size);
        return value != NULL && wfs_json_equal(value, criterion->value);
    }
    return wfsi_criterion_actual(call, criterion, &actual) &&
           wfsi_comparison_holds(&criterion->comparison, actual, call->arena);
}

/* The first criterion that fails, or NULL. */
static const wfsi_criterion *wfsi_mock_fails(wfsi_mock_call *call,
                                             const wfsi_mock *mock)
{
    size_t i;

    for (i = 0; i < mock->criterion_count; i++)
        if (!wfsi_criterion_holds(call, &mock->criteria[i]))
            return &mock->criteria[i];
    return NULL;
}

/* The row with a mock's place in its sequence, or 0: at the start. */
static wfs_row_id wfsi_mock_place(const wfsi_mock_call *call,
                                  const wfsi_mock_set *owner,
                                  const wfsi_mock *mock)
{
    const wfs_mocks *world = call->world;
    const wfsi_table *table =
        &world->store->tables[world->tables + WFSI_MOCK_SEQUENCES];
    const wfsi_mock_set *active =
        call->active != NULL ? call->active : call->backup;
    uint64_t words[4];

    words[0] = call->test;
    words[1] = active->id;
    words[2] = owner->id;
    words[3] = mock->place;
    return wfsi_key_find(world->store, table,
                         &table->indexes[WFSI_MOCK_BY_PLACE], words, NULL);
}

static wfsi_mock_sequence_row *wfsi_mock_place_at(const wfs_mocks *world,
                                                  wfs_row_id id)
{
    return (wfsi_mock_sequence_row *)(void *)wfsi_mock_row(
        world, WFSI_MOCK_SEQUENCES, id);
}

static bool wfsi_mock_is_exhausted(const wfsi_mock_call *call,
                                   const wfsi_mock_set *owner,
                                   const wfsi_mock *mock)
{
    wfs_row_id id;

    if (mock->answers != WFSI_ANSWERS_SEQUENCE ||
        mock->repeat != WFS_MOCK_NONE)
        return false;
    id = wfsi_mock_place(call, owner, mock);
    return id != 0 && wfsi_mock_place_at(call->world, id)->exhausted != 0;
}

static int64_t wfsi_mock_specificity(const wfsi_mock_call *call,
                                     const wfsi_mock *mock)
{
    if (mock->has_match)
        return mock->specificity;
    return call->world->options.fallback == WFS_MOCK_LAST_FALLBACK &&
                   (mock->answers == WFSI_ANSWERS_SEQUENCE ||
                    mock->answers == WFSI_ANSWERS_BY_STATE)
               ? 1
               : 0;
}

/* A mock that fits, and is not exhausted, takes the place of the best so far
 * when it is more specific; a fallback, by the later rule, when it is as
 * specific too. */
static void wfsi_mock_consider(wfsi_mock_call *call, const wfsi_mock_set *owner,
                               const wfsi_mock *mock, int64_t candidate)
{
    int64_t specificity = wfsi_mock_specificity(call, mock);
    bool ties = !mock->has_match &&
                call->world->options.fallback == WFS_MOCK_LAST_FALLBACK;

    if (wfsi_mock_is_exhausted(call, owner, mock)) {
        call->exhausted = true;
        return;
    }
    if (call->mock != NULL && (ties ? specificity < call->specificity
                                    : specificity <= call->specificity))
        return;
    if (wfsi_mock_fails(call, mock) != NULL)
        return;
    call->owner = owner;
    call->mock = mock;
    call->candidate = candidate;
    call->specificity = specificity;
}

static wfs_status wfsi_handler_error(wfsi_mock_call *call, const char *what,
                                     const char *text, size_t size)
{
    return wfsi_error(wfsi_mocks_error(call->world), WFS_ERR_HANDLER, what,
                      text, size);
}

/* A parameter that cannot be decoded is an error in every mock that fits. */
static wfs_status wfsi_mock_check_params(wfsi_mock_call *call,
                                         const wfsi_mock *mock)
{
    wfs_json *params;
    wfs_error error;

    if (memchr(call->url.path.data, '%', call->url.path.size) == NULL ||
        wfsi_pattern_params(mock->pattern, &call->url, call->arena, &params,
                            &error) != WFS_ERR_VALIDATION)
        return WFS_OK;
    return wfsi_handler_error(call, "a parameter of mock %n cannot be decoded",
                              mock->url.data, mock->url.size);
}

/* Consider the mocks of a scenario that fit; *plain is set when one of them
 * has no criteria. */
static wfs_status wfsi_mock_consider_set(wfsi_mock_call *call,
                                         const wfsi_mock_set *set,
                                         int64_t *candidate, bool *plain)
{
    const wfsi_method *method = wfsi_method_find(set, call->method);
    const wfsi_mock *mock;
    uint32_t *numbers;
    size_t i, count;

    if (method == NULL)
        return WFS_OK;
    if (method->broken != NULL)
        return wfsi_error(wfsi_mocks_error(call->world), WFS_ERR_HANDLER,
                          "mock scenario %n: mocks[%i].url: %s",
                          set->name.data, set->name.size,
                          (int64_t)method->broken->place, method->problem);
    if (wfsi_routes_find(&method->routes, &call->url, call->arena, &numbers,
                         &count) != WFS_OK)
        return wfsi_no_memory(wfsi_mocks_error(call->world));
    for (i = 0; i < count; i++) {
        mock = &set->mocks[numbers[i]];
        WFS_TRY(wfsi_mock_check_params(call, mock));
        if (!mock->has_match)
            *plain = true;
        wfsi_mock_consider(call, set, mock, (*candidate)++);
    }
    return WFS_OK;
}

/* The mocks of the active scenario, and those of the default one unless one of
 * the former has no criteria. */
static wfs_status wfsi_mock_match(wfsi_mock_call *call)
{
    int64_t candidate = 0;
    bool plain = false;
    wfs_error error;

    if (call->active != NULL)
        WFS_TRY(wfsi_mock_consider_set(call, call->active, &candidate, &plain));
    if (!plain && call->backup != NULL)
        WFS_TRY(wfsi_mock_consider_set(call, call->backup, &candidate, &plain));
    if (call->mock == NULL && call->exhausted)
        return wfsi_error(wfsi_mocks_error(call->world),
                          WFS_ERR_SEQUENCE_EXHAUSTED,
                          "Sequence exhausted for %n %n. All responses have "
                          "been consumed and repeat mode is 'none'.",
                          call->method.data, call->method.size, call->url.text,
                          call->url.size);
    if (call->mock == NULL)
        return wfsi_error(wfsi_mocks_error(call->world), WFS_ERR_NO_MOCK_FOUND,
                          "No mock matched for %n %n", call->method.data,
                          call->method.size, call->url.text, call->url.size);
    if (wfsi_pattern_params(call->mock->pattern, &call->url, call->arena,
                            &call->params, &error) == WFS_ERR_NO_MEMORY)
        return wfsi_no_memory(wfsi_mocks_error(call->world));
    return WFS_OK;
}

/* --- phase 2: select */

/* How many keys a condition asks for, when all of them hold; else 0. */
static size_t wfsi_condition_holds(const wfs_json *when, const wfs_json *state)
{
    const wfs_json *value;
    const char *key;
    size_t i, size, count = wfs_json_count(when);

    for (i = 0; i < count; i++) {
        key = wfs_json_key_at(when, i, &size);
        value = wfs_json_get_n(state, key, size);
        if (value == NULL || !wfs_json_equal(value, wfs_json_at(when, i)))
            return 0;
    }
    return count;
}

static void wfsi_select_by_state(wfsi_mock_call *call)
{
    const wfsi_mock *mock = call->mock;
    const wfs_json *state = wfsi_call_state(call);
    size_t i, keys, most = 0;

    call->reply = mock->replies;
    for (i = 0; i < mock->condition_count; i++) {
        keys = wfsi_condition_holds(mock->conditions[i].when, state);
        if (keys <= most)
            continue;
        most = keys;
        call->reply = &mock->conditions[i].reply;
        call->after = mock->conditions[i].has_after ? mock->conditions[i].after
                                                    : mock->after;
    }
}

/* Write down a mock's place for the first time. */
static wfs_status wfsi_mock_place_insert(wfsi_mock_call *call, int64_t position,
                                         bool exhausted)
{
    wfs_mocks *world = call->world;
    wfs_store *store = world->store;
    uint32_t number = world->tables + WFSI_MOCK_SEQUENCES;
    wfsi_mock_sequence_row *row =
        (wfsi_mock_sequence_row *)(void *)wfsi_row_new(store,
                                                       &store->tables[number]);

    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    memset(row, 0, sizeof *row);
    row->test_ref = call->test;
    row->active = (call->active != NULL ? call->active : call->backup)->id;
    row->scenario = call->owner->id;
    row->mock = call->mock->place;
    row->position = position;
    row->exhausted = exhausted;
    return wfsi_row_insert(store, number, row, NULL);
}

/* The response at the current place; then the place moves on. */
static wfs_status wfsi_select_in_sequence(wfsi_mock_call *call)
{
    wfs_mocks *world = call->world;
    const wfsi_mock *mock = call->mock;
    wfs_row_id id = wfsi_mock_place(call, call->owner, mock);
    int64_t last = (int64_t)mock->reply_count - 1, next;
    wfsi_mock_sequence_row *row;
    bool exhausted;

    call->entry = id != 0 ? wfsi_mock_place_at(world, id)->position : 0;
    call->reply = &mock->replies[call->entry];
    exhausted = call->entry == last && mock->repeat == WFS_MOCK_NONE;
    next = call->entry < last                ? call->entry + 1
           : mock->repeat == WFS_MOCK_CYCLE ? 0
                                             : last;
    if (next == call->entry && !exhausted)
        return WFS_OK;
    if (id == 0)
        return wfsi_mock_place_insert(call, next, exhausted);
    row = (wfsi_mock_sequence_row *)(void *)wfsi_row_edit(
        world->store, world->tables + WFSI_MOCK_SEQUENCES, id);
    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    row->position = next;
    row->exhausted = exhausted;
    return wfsi_row_changed(world->store, world->tables + WFSI_MOCK_SEQUENCES,
                            id);
}

static wfs_status wfsi_mock_select(wfsi_mock_call *call)
{
    call->after = call->mock->after;
    switch (call->mock->answers) {
    case WFSI_ANSWERS_SEQUENCE:
        return wfsi_select_in_sequence(call);
    case WFSI_ANSWERS_BY_STATE:
        wfsi_select_by_state(call);
        return WFS_OK;
    case WFSI_ANSWERS_ALWAYS:
        call->reply = call->mock->replies;
        return WFS_OK;
    default:
        return wfsi_error(wfsi_mocks_error(call->world), WFS_ERR_VALIDATION,
                          "Mock has neither response nor sequence field");
    }
}

/* --- phase 3: transform */

/* What a capture's path leads to in the request; NULL: nothing. */
static const wfs_json *wfsi_capture_value(wfsi_mock_call *call, wfsi_span path)
{
    const wfs_json *value;
    wfsi_span root, name, text;

    wfsi_path_next(&path, &root);
    if (path.data == NULL)
        return NULL;
    if (wfsi_span_is(root, "body")) {
        value = wfsi_call_body(call);
        return wfsi_path_get(value, path);
    }
    wfsi_path_next(&path, &name);
    if (path.data != NULL || wfsi_key_is_inherited(name))
        return NULL;
    text.data = NULL;
    if (wfsi_span_is(root, "headers") && !wfsi_has_upper(name))
        text = wfsi_call_header(call, name);
    else if (wfsi_span_is(root, "query") &&
             !wfsi_query_find(call->arena, call->url.query, name.data,
                              name.size, &text))
        text.data = NULL;
    return text.data != NULL
               ? wfs_json_new_string_n(call->arena, text.data, text.size)
               : NULL;
}

static void wfsi_capture_all(wfsi_mock_call *call)
{
    const wfsi_capture *capture;
    const wfs_json *value;
    size_t i;

    for (i = 0; i < call->mock->capture_count; i++) {
        capture = &call->mock->captures[i];
        value = wfsi_capture_value(call, capture->source);
        if (value == NULL)
            continue;
        value = wfs_json_copy(call->arena, value);  /* the state owns it all */
        if (value == NULL ||
            !wfsi_path_set(call->arena, wfsi_call_state(call), capture->target,
                           capture->append, value))
            call->no_memory = true;
        call->state_changed = true;
    }
}

/* Merged at the top level, in a copy; keys are literal. */
static void wfsi_set_state(wfsi_mock_call *call)
{
    wfsi_span key;
    size_t i;

    if (wfs_json_count(call->after) != 0)
        call->state = wfsi_json_shallow(call->arena, wfsi_call_state(call));
    for (i = 0; i < wfs_json_count(call->after); i++) {
        key.data = wfs_json_key_at(call->after, i, &key.size);
        if (wfsi_key_is_inherited(key))
            continue;
        if (wfs_json_set_n(call->arena, call->state, key.data, key.size,
                           wfs_json_at(call->after, i)) == NULL)
            call->no_memory = true;
        call->state_changed = true;
    }
}

static wfs_status wfsi_call_keep_state(wfsi_mock_call *call)
{
    wfsi_mock_test_row *row;
    wfsi_span text;

    if (!call->state_changed || call->no_memory)
        return WFS_OK;
    text.data = wfs_json_write(call->arena, call->state, 0, &text.size);
    row = text.data != NULL ? wfsi_mock_test_edit(call->world, call->test)
                            : NULL;
    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(call->world));
    return wfsi_mock_write_state(call->world, call->test, row, text);
}

/* What was filled in is kept as it was, for wfs_mock_selected. */
static wfs_status wfsi_mock_transform(wfsi_mock_call *call,
                                      wfs_http_response *response)
{
    const wfsi_reply *reply = call->reply;
    wfs_status status = WFS_OK;

    wfsi_capture_all(call);
    if (reply->is_ready) {
        *response = reply->ready;
    } else {
        call->sources.arena = call->arena;
        if (reply->uses_state)
            call->sources.state = wfsi_call_state(call);
        call->sources.params = call->params;
        status = wfsi_reply_render(reply, &call->sources,
                                   wfsi_mocks_error(call->world), response);
    }
    wfsi_set_state(call);
    WFS_TRY(wfsi_call_keep_state(call));
    return status;
}

/* The value of a header with its type. */
static const wfs_json *wfsi_header_json(const wfsi_sources *sources,
                                        const wfsi_template *templ)
{
    wfsi_span text;

    if (templ->count == 1 && templ->slices[0].kind == WFSI_SLICE_VALUE)
        return wfsi_slice_value(sources, &templ->slices[0]);
    text = wfsi_template_fill(sources, templ, false);
    return wfs_json_new_string_n(sources->arena, text.data, text.size);
}

static wfs_json *wfsi_reply_selected(const wfsi_mock_call *call,
                                     wfs_arena *arena)
{
    const wfs_json *given = call->reply->given;
    wfs_json *selected = wfs_json_new_object(arena), *headers;
    wfsi_sources sources = call->sources;
    const wfsi_reply_header *header = call->reply->headers;
    wfsi_span text;
    size_t i;

    sources.arena = arena;
    wfs_json_set(arena, selected, "status", wfs_json_get(given, "status"));
    if (wfs_json_get(given, "delay") != NULL)
        wfs_json_set(arena, selected, "delay", wfs_json_get(given, "delay"));
    if (call->reply->has_body) {
        text = wfsi_template_fill(&sources, &call->reply->body, true);
        wfs_json_set(arena, selected, "body",
                     wfsi_json_raw(arena, text.data, text.size));
    }
    if (wfs_json_get(given, "headers") == NULL)
        return arena->failed ? NULL : selected;
    headers = wfs_json_new_object(arena);
    for (i = 0; i < call->reply->header_count; i++, header++)
        wfs_json_set_n(arena, headers, header->given.data, header->given.size,
                       wfsi_header_json(&sources, &header->value));
    wfs_json_set(arena, selected, "headers", headers);
    return arena->failed ? NULL : selected;
}

/* --- why no mock answered */

#define WFSI_NEAREST 3

typedef struct wfsi_near {
    const wfsi_mock_set *set;
    const wfsi_mock *mock;
    size_t score;               /* 0: none */
} wfsi_near;

/* How many leading segments of the path are those of a mock's URL. */
static size_t wfsi_segments_shared(wfsi_span url, wfsi_span path)
{
    const char *at = url.data, *end = url.data + url.size;
    size_t i, shared = 0;

    if (at < end && *at != '/')         /* the host goes first */
        for (i = 0; i < 3 && at != NULL; i++)
            at = (const char *)memchr(at + 1, '/', (size_t)(end - at - 1));
    for (i = 0; at != NULL && at < end && i < path.size && *at == path.data[i];
         at++, i++)
        shared += *at == '/' ? 1 : 0;
    return shared;
}

/* How near a mock comes: the same URL counts most, then the method, then each
 * criterion that holds, each segment of the path. */
static size_t wfsi_mock_nearness(wfsi_mock_call *call, const wfsi_mock *mock)
{
    bool same_method = wfsi_span_equal(mock->method, call->method);
    bool fits = false;
    size_t score = 1, i;

    if (mock->pattern == NULL ||
        wfsi_pattern_fits(mock->pattern, &call->url, call->arena, &fits) !=
            WFS_OK)
        return 0;
    if (!fits)
        return score + 2 * wfsi_segments_shared(mock->url, call->url.path) +
               (same_method ? 1 : 0);
    score = same_method ? 200000 : 100000;
    for (i = 0; i < mock->criterion_count; i++)
        score += wfsi_criterion_holds(call, &mock->criteria[i]) ? 2 : 0;
    return score;
}

static void wfsi_nearest_add(wfsi_near *nearest, wfsi_near found)
{
    size_t at = WFSI_NEAREST;

    while (at > 0 && nearest[at - 1].score < found.score)
        at--;
    if (at == WFSI_NEAREST)
        return;
    memmove(&nearest[at + 1], &nearest[at],
            (WFSI_NEAREST - 1 - at) * sizeof *nearest);
    nearest[at] = found;
}

static void wfsi_nearest_in(wfsi_mock_call *call, const wfsi_mock_set *set,
                            wfsi_near *nearest)
{
    wfsi_near found;
    size_t i;

    found.set = set;
    for (i = 0; set != NULL && i < set->count; i++) {
        found.mock = &set->mocks[i];
        found.score = wfsi_mock_nearness(call, found.mock);
        wfsi_nearest_add(nearest, found);
    }
}

static void wfsi_put_quoted(wfsi_buffer *buffer, wfsi_span text)
{
    bool cut = text.size > WFSI_CULPRIT_SIZE;

    if (cut)
        text.size = wfsi_whole_size(text.data, WFSI_CULPRIT_SIZE);
    wfsi_json_put_string(buffer, text.data, text.size);
    if (cut)
        wfsi_buffer_literal(buffer, "...");
}

/* body.sku: expected contains "7", actual "8" */
static void wfsi_put_failed(wfsi_buffer *buffer, wfsi_mock_call *call,
                            const wfsi_criterion *criterion)
{
    wfsi_span actual;

    if (criterion->subject == WFSI_SUBJECT_NO_OBJECT) {
        wfsi_buffer_literal(buffer, "body: expected a JSON object");
        return;
    }
    wfsi_buffer_text(buffer, wfsi_subject_names[criterion->subject]);
    if (criterion->subject != WFSI_SUBJECT_URL) {
        wfsi_buffer_char(buffer, '.');
        wfsi_buffer_put(buffer, criterion->name.data, criterion->name.size);
    }
    wfsi_buffer_literal(buffer, ": expected ");
    if (criterion->subject == WFSI_SUBJECT_STATE) {
        wfsi_json_put(buffer, criterion->value, 0);
        wfsi_buffer_literal(buffer, ", actual ");
        if (wfs_json_get_n(wfsi_call_state(call), criterion->name.data,
                           criterion->name.size) == NULL)
            wfsi_buffer_literal(buffer, "nothing");
        else
            wfsi_json_put(buffer,
                          wfs_json_get_n(call->state, criterion->name.data,
                                         criterion->name.size), 0);
        return;
    }
    if (criterion->comparison.operand.data != NULL) {
        wfsi_buffer_text(buffer,
                         wfsi_strategy_names[criterion->comparison.strategy]);
        wfsi_buffer_char(buffer, ' ');
        wfsi_put_quoted(buffer, criterion->comparison.operand);
    } else {
        wfsi_buffer_literal(buffer, "what cannot hold");
    }
    wfsi_buffer_literal(buffer, ", actual ");
    if (wfsi_criterion_actual(call, criterion, &actual))
        wfsi_put_quoted(buffer, actual);
    else
        wfsi_buffer_literal(buffer, "nothing");
}

/* declined[0] POST /pay */
static void wfsi_put_mock(wfsi_buffer *buffer, const wfsi_mock_set *set,
                          const wfsi_mock *mock)
{
    wfsi_buffer_put(buffer, set->name.data, set->name.size);
    wfsi_buffer_char(buffer, '[');
    wfsi_buffer_integer(buffer, mock->place);
    wfsi_buffer_literal(buffer, "] ");
    wfsi_buffer_put(buffer, mock->method.data, mock->method.size);
    wfsi_buffer_char(buffer, ' ');
    wfsi_buffer_put(buffer, mock->url.data, mock->url.size);
}

static void wfsi_put_near(wfsi_buffer *buffer, wfsi_mock_call *call,
                          const wfsi_near *near)
{
    const wfsi_mock *mock = near->mock;
    const wfsi_criterion *failed;
    bool fits = near->score >= 100000;

    wfsi_buffer_literal(buffer, "\n  ");
    wfsi_put_mock(buffer, near->set, mock);
    wfsi_buffer_literal(buffer, ": ");
    if (!fits) {
        wfsi_buffer_literal(buffer, "url: expected ");
        wfsi_put_quoted(buffer, mock->url);
        wfsi_buffer_literal(buffer, ", actual ");
        wfsi_put_quoted(buffer, call->url.path);
        return;
    }
    if (!wfsi_span_equal(mock->method, call->method)) {
        wfsi_buffer_literal(buffer, "method: expected ");
        wfsi_put_quoted(buffer, mock->method);
        wfsi_buffer_literal(buffer, ", actual ");
        wfsi_put_quoted(buffer, call->method);
        return;
    }
    failed = wfsi_mock_fails(call, mock);
    if (failed != NULL)
        wfsi_put_failed(buffer, call, failed);
    else
        wfsi_buffer_text(buffer, wfsi_mock_is_exhausted(call, near->set, mock)
                                     ? "its sequence is exhausted"
                                     : "it is passed over");
}

/* The error's message and, where no mock was chosen, the nearest ones; NULL
 * without memory. */
static const char *wfsi_mock_explain(wfsi_mock_call *call, wfs_status status)
{
    wfsi_near nearest[WFSI_NEAREST];
    wfsi_buffer buffer;
    size_t i;

    memset(nearest, 0, sizeof nearest);
    if (status == WFS_ERR_NO_MOCK_FOUND ||
        status == WFS_ERR_SEQUENCE_EXHAUSTED) {
        wfsi_nearest_in(call, call->active, nearest);
        wfsi_nearest_in(call, call->backup, nearest);
    }
    wfsi_buffer_open(&buffer, call->arena);
    wfsi_buffer_text(&buffer, call->world->store->error.message);
    for (i = 0; i < WFSI_NEAREST && nearest[i].score != 0; i++)
        wfsi_put_near(&buffer, call, &nearest[i]);
    return wfsi_buffer_finish(&buffer);
}

/* --- the log */

/* As they stand in a request: "name: value", a line each. Line breaks, which
 * HTTP forbids, become blanks. */
static wfsi_handle wfsi_headers_keep(wfsi_mock_call *call)
{
    const wfs_http_header *header = call->request->headers;
    wfsi_buffer buffer;
    size_t start;
    char *at, *end;

    wfsi_buffer_open(&buffer, call->arena);
    for (; header->name != NULL; header++) {
        start = buffer.size;
        wfsi_buffer_text(&buffer, header->name);
        wfsi_buffer_literal(&buffer, ": ");
        if (header->value != NULL)
            wfsi_buffer_text(&buffer, header->value);
        wfsi_buffer_char(&buffer, '\n');
        if (buffer.failed)
            return 0;
        at = buffer.data + start;
        end = buffer.data + buffer.size;
        while ((at = (char *)memchr(at, '\n', (size_t)(end - at))) < end - 1)
            *at = ' ';
    }
    return wfsi_text_keep(call->world->store,
                          buffer.size != 0 ? buffer.data : "", buffer.size);
}

/* The columns of a request that are texts; false without memory. */
static bool wfsi_log_texts(wfsi_mock_call *call, wfsi_mock_request_row *row,
                           const wfs_error *error)
{
    wfs_store *store = call->world->store;
    size_t size = wfsi_request_body_size(call->request);

    row->test_id = wfsi_mock_test_row_at(call->world, call->test)->test_id;
    row->method = wfsi_symbol(store, call->method.data, call->method.size);
    row->url = wfsi_text_keep(store, call->url.text, call->url.size);
    if (row->method == 0 || row->url == 0)
        return false;
    if (call->request->headers != NULL)
        row->headers = wfsi_headers_keep(call);
    if (call->request->body != NULL)
        row->body = wfsi_text_keep(store, call->request->body, size);
    WFSI_SET_HANDLE(mock_request, row, headers, row->headers);
    WFSI_SET_HANDLE(mock_request, row, body, row->body);
    if ((call->request->headers != NULL && row->headers == 0) ||
        (call->request->body != NULL && row->body == 0))
        return false;
    if (error == NULL)
        return true;
    row->error = wfsi_symbol(store, wfs_status_name(error->code),
                             strlen(wfs_status_name(error->code)));
    row->message = wfsi_text_keep(store, error->message,
                                  strlen(error->message));
    WFSI_SET_HANDLE(mock_request, row, error, row->error);
    WFSI_SET_HANDLE(mock_request, row, message, row->message);
    return row->error != 0 && row->message != 0;
}

/* error: NULL when a mock answered. status: of the response, 0 for none. */
static wfs_status wfsi_mock_log(wfsi_mock_call *call, int status,
                                const wfs_error *error)
{
    wfs_mocks *world = call->world;
    wfs_store *store = world->store;
    uint32_t number = world->tables + WFSI_MOCK_REQUESTS;
    wfsi_table *table = &store->tables[number];
    wfsi_mock_request_row *row;

    if (world->options.no_log)
        return WFS_OK;
    row = (wfsi_mock_request_row *)(void *)wfsi_row_new(store, table);
    if (row == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    memset(row, 0, sizeof *row);
    row->nulls = WFSI_NULL_BIT(mock_request, error) |
                 WFSI_NULL_BIT(mock_request, message);
    row->test_ref = call->test;
    row->created_at = world->clock->now;
    if (call->mock == NULL)
        row->nulls |= WFSI_NULL_BIT(mock_request, scenario) |
                      WFSI_NULL_BIT(mock_request, mock);
    else
        row->scenario = call->owner->id;
    row->mock = call->mock != NULL ? call->mock->place : 0;
    WFSI_SET_TIME(mock_request, row, entry,
                  call->entry >= 0 ? call->entry : WFS_NO_TIME);
    WFSI_SET_TIME(mock_request, row, status,
                  status != 0 ? status : WFS_NO_TIME);
    if (wfsi_log_texts(call, row, error))
        return wfsi_row_insert(store, number, row, NULL);
    wfsi_row_free_texts(store, table, (char *)row, NULL);
    return wfsi_no_memory(wfsi_mocks_error(world));
}

/* --- a request */

static wfs_mock_reaction wfsi_mock_reaction_to(const wfs_mocks *world,
                                               wfs_status status)
{
    switch (status) {
    case WFS_ERR_HANDLER:
        return WFS_MOCK_THROW;
    case WFS_ERR_SEQUENCE_EXHAUSTED:
        return world->options.on_exhausted;
    case WFS_ERR_MISSING_TEST_ID:
        return world->options.on_missing_test_id;
    default:
        return world->options.on_no_mock;
    }
}

/* The response to a request that no mock answered, or none. */
static wfs_status wfsi_mock_refuse(wfsi_mock_call *call, wfs_status status,
                                   wfs_mock_answer *answer)
{
    const wfs_mocks *world = call->world;
    wfs_mock_reaction reaction = wfsi_mock_reaction_to(world, status);
    wfs_arena *arena = call->arena;
    wfs_json *json;

    if (reaction == WFS_MOCK_WARN && world->options.warn != NULL)
        world->options.warn(wfsi_mocks_error(world), world->options.user);
    if (reaction != WFS_MOCK_THROW) {
        answer->passed_through = !world->options.strict;
        return wfsi_plain_response(arena, world->options.strict ? 501 : 0, NULL,
                                   &answer->response);
    }
    json = wfs_json_new_object(arena);
    wfs_json_set(arena, json, "error",
                 wfs_json_new_string(arena, "Internal mock server error"));
    if (status != WFS_ERR_HANDLER)
        wfs_json_set(arena, json, "message",
                     wfs_json_new_string(arena, world->store->error.message));
    json = wfs_json_set(arena, json, "code",
                        wfs_json_new_string(arena, wfs_status_name(status)));
    return wfsi_plain_response(arena, 500, json, &answer->response);
}

/* What the request asks of whom: its method, URL and test. */
static wfs_status wfsi_call_open(wfsi_mock_call *call)
{
    wfs_mocks *world = call->world;
    const char *method = call->request->method;
    wfs_row_id active, backup = wfsi_mock_backup(world);
    wfsi_mock_test_row *row;

    WFS_TRY(wfsi_mock_test_of(world, call->test_id, &call->test));
    row = wfsi_mock_test_row_at(world, call->test);
    active = row->active;
    if (active != 0)
        call->active = wfsi_mock_set_of(world, active);
    if (backup != 0 && backup != active)
        call->backup = wfsi_mock_set_of(world, backup);
    call->method.data = wfsi_text_empty(method) ? "GET" : method;
    call->method.size = strlen(call->method.data);
    if (wfsi_has_lower(call->method))
        call->method = wfsi_upper_text(call->arena, call->method);
    if ((active != 0 && call->active == NULL) ||
        (backup != 0 && backup != active && call->backup == NULL) ||
        call->method.data == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    return WFS_OK;
}

/* Whether a missing test id is an error; else it is "". */
static bool wfsi_call_lacks_test_id(wfsi_mock_call *call)
{
    wfs_mocks *world = call->world;
    wfs_mock_reaction reaction = world->options.on_missing_test_id;

    if (reaction == WFS_MOCK_IGNORE)
        return false;
    wfsi_error(wfsi_mocks_error(world), WFS_ERR_MISSING_TEST_ID,
               "the request has no test id");
    if (reaction == WFS_MOCK_WARN && world->options.warn != NULL)
        world->options.warn(wfsi_mocks_error(world), world->options.user);
    return reaction == WFS_MOCK_THROW;
}

/* The three phases, in an open transaction. */
static wfs_status wfsi_call_run(wfsi_mock_call *call,
                                wfs_http_response *response)
{
    if (call->test_id[0] == '\0' && wfsi_call_lacks_test_id(call))
        return WFS_ERR_MISSING_TEST_ID;
    WFS_TRY(wfsi_mock_match(call));
    WFS_TRY(wfsi_mock_select(call));
    return wfsi_mock_transform(call, response);
}

/* What no mock answered: why, and what goes back instead. */
static wfs_status wfsi_call_fail(wfsi_mock_call *call, wfs_status status,
                                 wfs_mock_answer *answer)
{
    wfs_error *error = wfsi_mocks_error(call->world);

    answer->mock = call->mock != NULL ? call->candidate : -1;
    call->mock = NULL;
    call->entry = -1;
    if (wfsi_mock_refuse(call, status, answer) != WFS_OK)
        return wfsi_no_memory(error);
    if (!answer->passed_through || call->world->options.pass_through == NULL) {
        answer->explanation = wfsi_mock_explain(call, status);
        if (answer->explanation == NULL)
            return wfsi_no_memory(error);
        wfsi_error_text(error, answer->explanation);
    }
    return wfsi_mock_log(call, answer->response.status, error);
}

static void wfsi_call_tell(const wfsi_mock_call *call, wfs_mock_answer *answer)
{
    answer->scenario = call->owner->name.data;
    answer->mock = call->mock->place;
    answer->specificity = call->specificity;
    answer->params = call->params;
    answer->call = call;
}

/* One request in an open transaction. *told is what the caller is told; what
 * was written stays unless there was no memory. */
static wfs_status wfsi_call_answer(wfsi_mock_call *call,
                                   wfs_mock_answer *answer, wfs_status *told)
{
    const char *url = call->request->url != NULL ? call->request->url : "";
    const wfsi_mock_set *set;

    WFS_TRY(wfsi_call_open(call));
    set = call->active != NULL ? call->active : call->backup;
    answer->active = set != NULL ? set->name.data : "default";
    *told = wfsi_url_parse(call->arena, url, strlen(url), &call->url,
                           wfsi_mocks_error(call->world));
    if (*told != WFS_OK)
        return *told;
    answer->url = wfsi_arena_text(call->arena, call->url.text, call->url.size);
    *told = wfsi_call_run(call, &answer->response);
    if (call->no_memory || call->arena->failed || *told == WFS_ERR_NO_MEMORY)
        return wfsi_no_memory(wfsi_mocks_error(call->world));
    if (*told != WFS_OK)
        return wfsi_call_fail(call, *told, answer);
    wfsi_call_tell(call, answer);
    return wfsi_mock_log(call, answer->response.status, NULL);
}

static wfs_status wfsi_mock_request(wfs_mocks *world, const char *test_id,
                                    const wfs_http_request *request,
                                    wfs_arena *arena, wfs_mock_answer *answer)
{
    wfsi_mock_call *call =
        (wfsi_mock_call *)wfsi_arena_zeroed(arena, sizeof *call);
    wfs_status status, told = WFS_OK;

    memset(answer, 0, sizeof *answer);
    answer->mock = -1;
    if (call == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    call->world = world;
    call->arena = arena;
    call->request = request;
    call->entry = -1;
    call->test_id = answer->test_id = wfsi_test_id(world, test_id);
    wfsi_plain_response(arena, 0, NULL, &answer->response);
    WFS_TRY(wfsi_mock_begin(world));
    status = wfsi_close(world->store, wfsi_call_answer(call, answer, &told));
    return status != WFS_OK ? status : told;
}

/* --- control endpoints */

/* Without regard to case, and to one slash at the end. */
static bool wfsi_path_is(wfsi_span path, const char *endpoint)
{
    size_t i, size = strlen(endpoint);

    if (path.size == size + 1 && path.data[size] == '/')
        path.size--;
    if (path.size != size)
        return false;
    for (i = 0; i < size; i++)
        if (wfsi_lower_char(path.data[i]) != wfsi_lower_char(endpoint[i]))
            return false;
    return true;
}

static wfs_json *wfsi_control_json(wfs_arena *arena, const char *test_id)
{
    return wfs_json_set(arena, wfs_json_new_object(arena), "testId",
                        wfs_json_new_string(arena, test_id));
}

static wfs_json *wfsi_control_error(wfs_arena *arena, const char *message)
{
    return wfs_json_set(arena, wfs_json_new_object(arena), "error",
                        wfs_json_new_string(arena, message));
}

/* 400 with what is wrong with the body. */
static wfs_status wfsi_control_refuse(wfs_arena *arena, const wfs_json *body,
                                      wfs_http_response *response)
{
    wfs_json *json = wfsi_control_error(arena, "Invalid request body");
    wfs_json *detail = wfs_json_new_object(arena);
    wfs_json *path = wfs_json_new_array(arena);
    const wfs_json *scenario = wfs_json_get(body, "scenario");
    bool empty = wfsi_is(scenario, WFS_JSON_STRING);

    if (wfsi_is(body, WFS_JSON_OBJECT))
        wfs_json_append(arena, path, wfs_json_new_string(arena, "scenario"));
    wfs_json_set(arena, detail, "path", path);
    wfs_json_set(arena, detail, "code",
                 wfs_json_new_string(arena,
                                     empty ? "too_small" : "invalid_type"));
    json = wfs_json_set(arena, json, "details",
                        wfs_json_append(arena, wfs_json_new_array(arena),
                                        detail));
    return wfsi_plain_response(arena, 400, json, response);
}

static bool wfsi_is_json_type(wfsi_span type)
{
    static const char json[] = "application/json";
    size_t i, size = sizeof json - 1;

    if (type.data == NULL || type.size < size)
        return false;
    for (i = 0; i < size; i++)
        if (wfsi_lower_char(type.data[i]) != json[i])
            return false;
    return type.size == size || type.data[size] == ';' ||
           type.data[size] == ' ';
}

static wfs_status wfsi_control_switch(wfs_mocks *world, const char *test_id,
                                      const wfs_http_request *request,
                                      wfs_arena *arena,
                                      wfs_http_response *response)
{
    size_t size = wfsi_request_body_size(request), scenario_size;
    const wfs_json *body = NULL;
    const char *scenario;
    wfs_status status;
    wfs_json *json;

    if (size != 0 && wfsi_is_json_type(wfsi_header_find(
                         arena, request->headers, "content-type", 12))) {
        body = wfsi_json_build(arena, request->body, size, &world->limits,
                               NULL);
        if (body == NULL)
            return wfsi_plain_response(arena, 400, NULL, response);
    }
    scenario = wfs_json_string(wfs_json_get(body, "scenario"), &scenario_size);
    if (scenario == NULL || scenario_size == 0)
        return wfsi_control_refuse(arena, body, response);
    status = wfsi_mock_switch(world, test_id, scenario);
    if (status == WFS_ERR_SCENARIO_NOT_FOUND)
        return wfsi_plain_response(
            arena, 400, wfsi_control_error(arena, world->store->error.message),
            response);
    WFS_TRY(status);
    json = wfsi_control_json(arena, test_id);
    wfs_json_set(arena, json, "success", wfs_json_new_bool(arena, true));
    json = wfs_json_set(arena, json, "scenarioId",
                        wfs_json_new_string(arena, scenario));
    return wfsi_plain_response(arena, 200, json, response);
}

static wfs_status wfsi_control_active(wfs_mocks *world, const char *test_id,
                                      wfs_arena *arena,
                                      wfs_http_response *response)
{
    const char *id = wfs_mocks_active(world, test_id);
    wfs_json *json = wfsi_control_json(arena, test_id);
    wfs_mock_scenario_info info;

    if (id == NULL || !wfs_mocks_scenario(world, id, &info)) {
        json = wfs_json_set(
            arena, json, "error",
            wfs_json_new_string(arena,
                                "No active scenario for this test ID"));
        return wfsi_plain_response(arena, 404, json, response);
    }
    wfs_json_set(arena, json, "scenarioId", wfs_json_new_string(arena, id));
    json = wfs_json_set(arena, json, "scenarioName",
                        wfs_json_new_string(arena, info.name));
    return wfsi_plain_response(arena, 200, json, response);
}

static wfs_status wfsi_control_state(wfs_mocks *world, const char *test_id,
                                     wfs_arena *arena,
                                     wfs_http_response *response)
{
    wfs_json *json = wfsi_control_json(arena, test_id);

    json = wfs_json_set(arena, json, "state",
                        wfs_mocks_state(world, test_id, arena));
    return wfsi_plain_response(arena, 200, json, response);
}

/* Without a header of its own a request has that test id. */
static const char *wfsi_request_test_id(wfs_mocks *world, wfs_arena *arena,
                                        const wfs_http_request *request,
                                        const char *otherwise)
{
    const char *name = world->options.test_id_header;
    wfsi_span id = wfsi_header_find(arena, request->headers, name,
                                    strlen(name));

    return id.data != NULL ? wfsi_arena_text(arena, id.data, id.size)
                           : wfsi_test_id(world, otherwise);
}

static wfs_status wfsi_control(wfs_mocks *world, const char *test_id,
                               const wfs_http_request *request,
                               wfs_arena *arena, bool *answered,
                               wfs_http_response *response)
{
    const wfs_mock_options *options = &world->options;
    const char *method = wfsi_text_empty(request->method) ? "GET"
                                                          : request->method;
    bool sets, gets, reads;
    wfsi_url url;

    *answered = false;
    if (request->url == NULL ||
        wfsi_url_parse(arena, request->url, strlen(request->url), &url, NULL) !=
            WFS_OK)
        return arena->failed ? wfsi_no_memory(wfsi_mocks_error(world)) : WFS_OK;
    sets = wfsi_path_is(url.path, options->set_scenario_path);
    gets = wfsi_path_is(url.path, options->get_scenario_path);
    reads = wfsi_path_is(url.path, options->get_state_path);
    if (!sets && !gets && !reads)
        return WFS_OK;
    *answered = true;
    test_id = wfsi_request_test_id(world, arena, request, test_id);
    if (test_id == NULL)
        return wfsi_no_memory(wfsi_mocks_error(world));
    if (sets && strcmp(method, "POST") == 0)
        return wfsi_control_switch(world, test_id, request, arena, response);
    if (gets && strcmp(method, "GET") == 0)
        return wfsi_control_active(world, test_id, arena, response);
    if (reads && strcmp(method, "GET") == 0)
        return wfsi_control_state(world, test_id, arena, response);
    return wfsi_plain_response(arena, 404, NULL, response);
}

/* --- the transport */

static wfs_status wfsi_mock_pass(wfs_mocks *world,
                                 const wfs_http_request *request,
                                 wfs_arena *arena, wfs_http_response *response,
                                 wfs_error *error)
{
    const wfs_http_transport *next = world->options.pass_through;

    return next->send(request, arena, response, error, next->user);
}

static wfs_status wfsi_mock_send(const wfs_http_request *request,
                                 wfs_arena *arena, wfs_http_response *response,
                                 wfs_error *error, void *user)
{
    const wfs_mock_client *client = (const wfs_mock_client *)user;
    wfs_mocks *world = client->mocks;
    const char *test_id = client->test_id;
    wfs_mock_answer answer;
    wfs_status status;
    bool answered;

    memset(&answer, 0, sizeof answer);
    status = wfsi_control(world, test_id, request, arena, &answered, response);
    if (status == WFS_OK && answered)
        return WFS_OK;
    if (status == WFS_OK && test_id == NULL)
        test_id = wfsi_request_test_id(world, arena, request, NULL);
    if (status == WFS_OK)
        status = test_id != NULL
                     ? wfsi_mock_request(world, test_id, request, arena,
                                         &answer)
                     : wfsi_no_memory(wfsi_mocks_error(world));
    if (answer.passed_through && status != WFS_ERR_NO_MEMORY &&
        world->options.pass_through != NULL)
        return wfsi_mock_pass(world, request, arena, response, error);
    if (status == WFS_ERR_NO_MEMORY || answer.response.status == 0) {
        if (error != NULL)
            *error = world->store->error;
        return status;
    }
    *response = answer.response;
    if (!client->keep_clock)
        wfs_clock_advance(world->clock, response->delay);
    return WFS_OK;
}

/* --- reading the log */

static bool wfsi_log_row_fits(const wfs_mocks *world,
                              const wfsi_mock_request_row *row,
                              const wfs_mock_filter *filter,
                              const wfsi_pattern *pattern, wfs_arena *arena)
{
    const wfs_store *store = world->store;
    const char *scenario = NULL;
    wfsi_span text;
    wfsi_url url;
    bool fits;

    if (row->scenario != 0)
        scenario = wfsi_text(store,
                             wfsi_mock_scenario_row_at(world, row->scenario)
                                 ->scenario_id, NULL);
    if ((filter->unanswered && scenario != NULL) ||
        (filter->scenario != NULL &&
         !wfsi_text_equal(scenario, filter->scenario)) ||
        (filter->method != NULL &&
         !wfsi_text_equal(wfsi_text(store, row->method, NULL),
                          filter->method)))
        return false;
    if (pattern == NULL)
        return true;
    text.data = wfsi_text(store, row->url, &text.size);
    return wfsi_url_parse(arena, text.data, text.size, &url, NULL) == WFS_OK &&
           wfsi_pattern_fits(pattern, &url, arena, &fits) == WFS_OK && fits;
}

/* Headers from their lines; NULL without memory. */
static const wfs_http_header *wfsi_headers_read(wfs_arena *arena,
                                                wfsi_span lines)
{
    char *at = wfsi_arena_text(arena, lines.data, lines.size), *colon;
    wfs_http_header *headers;
    size_t i, count = 0;

    for (i = 0; i < lines.size; i++)
        count += lines.data[i] == '\n' ? 1 : 0;
    headers = (wfs_http_header *)wfsi_arena_zeroed(
        arena, (count + 1) * sizeof *headers);
    for (i = 0; at != NULL && headers != NULL && i < count; i++) {
        headers[i].name = at;
        colon = strstr(at, ": ");
        *colon = '\0';
        headers[i].value = colon + 2;
        at = strchr(colon + 2, '\n');
        *at++ = '\0';
    }
    return headers;
}

/* The texts of a row go into the arena, so that the row may change. */
static bool wfsi_log_row_read(const wfs_mocks *world, wfs_row_id id,
                              const wfsi_mock_request_row *row,
                              wfs_arena *arena, wfs_mock_request *request)
{
    const wfs_store *store = world->store;
    wfsi_span url, headers, body, message;

    memset(request, 0, sizeof *request);
    request->id = id;
    request->time = row->created_at;
    request->test_id = wfsi_text(store, row->test_id, NULL);
    request->method = wfsi_text(store, row->method, NULL);
    request->error = wfsi_text(store, row->error, NULL);
    request->mock = row->scenario != 0 ? row->mock : -1;
    request->entry = WFSI_GET_TIME(mock_request, row, entry);
    if (request->entry == WFS_NO_TIME)
        request->entry = -1;
    request->status = row->status;
    if (row->scenario != 0)
        request->scenario = wfsi_text(
            store,
            wfsi_mock_scenario_row_at(world, row->scenario)->scenario_id, NULL);
    url.data = wfsi_text(store, row->url, &url.size);
    headers.data = wfsi_text(store, row->headers, &headers.size);
    body.data = wfsi_text(store, row->body, &body.size);
    message.data = wfsi_text(store, row->message, &message.size);
    request->url = wfsi_arena_text(arena, url.data, url.size);
    request->headers = wfsi_headers_read(arena, headers);
    if (body.data != NULL)
        request->body = wfsi_arena_text(arena, body.data, body.size);
    request->body_size = body.size;
    if (message.data != NULL)
        request->message = wfsi_arena_text(arena, message.data, message.size);
    return !arena->failed;
}

/* A test id that has no row yet. */
#define WFSI_NO_TEST UINT32_MAX

/* The request after one (0: the first), of a test or of all; 0 at the end. */
static wfs_row_id wfsi_log_next(const wfs_mocks *world, wfs_row_id test,
                                wfs_row_id id)
{
    const wfsi_table *table =
        &world->store->tables[world->tables + WFSI_MOCK_REQUESTS];

    if (test == 0)
        return id + 1 < table->next_id ? id + 1 : 0;
    if (id == 0)
        return wfsi_list_first(&table->indexes[WFSI_MOCK_OF_TEST], test);
    return ((wfsi_mock_request_row *)(void *)wfsi_row_at(table, id))
        ->of_test.next;
}

static const wfsi_mock_request_row *wfsi_log_row(const wfs_mocks *world,
                                                 wfs_row_id id)
{
    return (const wfsi_mock_request_row *)(void *)wfsi_mock_row(
        world, WFSI_MOCK_REQUESTS, id);
}

/* Room for that many more requests, which grow by doubling. */
static bool wfsi_log_reserve(wfs_arena *arena, wfs_mock_request **requests,
                             size_t count)
{
    wfs_mock_request *larger;

    if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
        return true;
    larger = (wfs_mock_request *)wfsi_arena_allocate(
        arena, (count != 0 ? count * 2 : 16) * sizeof *larger);
    if (larger == NULL)
        return false;
    if (count != 0)
        memcpy(larger, *requests, count * sizeof *larger);
    *requests = larger;
    return true;
}

static wfs_status wfsi_log_read(wfs_mocks *world, const wfs_mock_filter *filter,
                                const wfsi_pattern *pattern, wfs_arena *arena,
                                wfs_mock_request **requests, size_t *count)
{
    wfs_row_id test = 0, id = 0;

    *requests = NULL;
    *count = 0;
    if (filter->test_id != NULL) {
        test = wfsi_mock_test_find(world, filter->test_id);
        if (test == 0)
            return WFS_OK;
    }
    while ((id = wfsi_log_next(world, test, id)) != 0) {
        if (!wfsi_log_row_fits(world, wfsi_log_row(world, id), filter, pattern,
                               arena))
            continue;
        if (!wfsi_log_reserve(arena, requests, *count) ||
            !wfsi_log_row_read(world, id, wfsi_log_row(world, id), arena,
                               &(*requests)[*count]))
            break;
        ++*count;
    }
    return arena->failed ? wfsi_no_memory(wfsi_mocks_error(world)) : WFS_OK;
}

static void wfsi_put_request(wfsi_buffer *buffer,
                             const wfs_mock_request *request)
{
    wfsi_buffer_text(buffer, request->method);
    wfsi_buffer_char(buffer, ' ');
    wfsi_buffer_text(buffer, request->url);
    wfsi_buffer_literal(buffer, " -> ");
    if (request->scenario == NULL) {
        wfsi_buffer_text(buffer, request->error);
    } else {
        wfsi_buffer_text(buffer, request->scenario);
        wfsi_buffer_char(buffer, '[');
        wfsi_buffer_integer(buffer, request->mock);
        wfsi_buffer_char(buffer, ']');
    }
    if (request->entry >= 0) {
        wfsi_buffer_literal(buffer, " #");
        wfsi_buffer_integer(buffer, request->entry + 1);
    }
    wfsi_buffer_char(buffer, '\n');
}

/* --- what was not used */

/* For each mock of a scenario how many of its replies were given. */
typedef struct wfsi_mock_uses {
    const wfsi_mock_set *set;
    size_t *counts;
} wfsi_mock_uses;

static bool wfsi_uses_open(wfs_mocks *world, wfs_row_id scenario,
                           wfs_arena *arena, wfsi_mock_uses *uses)
{
    uses->set = wfsi_mock_set_of(world, scenario);
    if (uses->set == NULL)
        return false;
    uses->counts = (size_t *)wfsi_arena_zeroed(
        arena, uses->set->count * sizeof *uses->counts);
    return uses->counts != NULL;
}

static void wfsi_uses_add(wfsi_mock_uses *uses,
                          const wfsi_mock_request_row *row)
{
    size_t used = (row->nulls >> wfsi_mock_request_entry & 1) != 0
                      ? 1
                      : (size_t)row->entry + 1;

    if (uses->counts[row->mock] < used)
        uses->counts[row->mock] = used;
}

static void wfsi_put_unused(wfsi_buffer *buffer, const wfsi_mock_uses *uses)
{
    const wfsi_mock *mock;
    size_t i, all;

    for (i = 0; i < uses->set->count; i++) {
        mock = &uses->set->mocks[i];
        all = mock->answers == WFSI_ANSWERS_SEQUENCE ? mock->reply_count : 1;
        if (uses->counts[i] >= all)
            continue;
        wfsi_put_mock(buffer, uses->set, mock);
        if (uses->counts[i] != 0) {
            wfsi_buffer_literal(buffer, " #");
            wfsi_buffer_integer(buffer, (int64_t)uses->counts[i] + 1);
            if (uses->counts[i] + 1 < all) {
                wfsi_buffer_literal(buffer, " to #");
                wfsi_buffer_integer(buffer, (int64_t)all);
            }
        }
        wfsi_buffer_char(buffer, '\n');
    }
}

/* first, count: which scenarios; test: 0 for all. */
static bool wfsi_mocks_unused(wfs_mocks *world, wfs_row_id first, size_t count,
                              wfs_row_id test, wfsi_buffer *buffer)
{
    wfs_arena *arena = buffer->arena;
    wfsi_mock_uses *uses =
        (wfsi_mock_uses *)wfsi_arena_allocate(arena, count * sizeof *uses);
    const wfsi_mock_request_row *row;
    wfs_row_id id = 0;
    size_t i;

    for (i = 0; uses != NULL && i < count; i++)
        if (!wfsi_uses_open(world, first + (wfs_row_id)i, arena, &uses[i]))
            return false;
    while (uses != NULL && (id = wfsi_log_next(world, test, id)) != 0) {
        row = wfsi_log_row(world, id);
        if (row->scenario >= first && row->scenario - first < count)
            wfsi_uses_add(&uses[row->scenario - first], row);
    }
    for (i = 0; uses != NULL && i < count; i++)
        wfsi_put_unused(buffer, &uses[i]);
    return uses != NULL;
}

/* --- public */

wfs_status wfs_mocks_create(const wfs_mock_options *options, wfs_mocks **mocks,
                            wfs_error *error)
{
    static wfs_mock_options none;
    const wfs_mock_options *used = options != NULL ? options : &none;
    wfs_store *store = wfsi_store_new(&used->allocator);
    wfs_status status;

    *mocks = NULL;
    if (store == NULL)
        return wfsi_no_memory(error);
    store->limits = wfsi_limits(&used->limits);
    store->reserved = WFSI_MOCK_TABLES;
    status = wfsi_mock_declare(store);
    if (status == WFS_OK)
        *mocks = wfsi_mocks_over(used, &used->allocator, store, 0, NULL);
    if (*mocks == NULL) {
        wfs_store_free(store);
        return wfsi_no_memory(error);
    }
    (*mocks)->owns_store = true;
    (*mocks)->clock = &(*mocks)->own_clock;
    (*mocks)->own_clock.now = used->clock_start;
    status = wfsi_mocks_fill(*mocks, used);
    if (status == WFS_OK)
        return WFS_OK;
    if (error != NULL)
        *error = (*mocks)->store->error;
    wfs_mocks_free(*mocks);
    *mocks = NULL;
    return status;
}

wfs_store *wfs_mocks_store(wfs_mocks *mocks)
{
    return mocks->store;
}

wfs_clock *wfs_mocks_clock(wfs_mocks *mocks)
{
    return mocks->clock;
}

const wfs_error *wfs_mocks_error(const wfs_mocks *mocks)
{
    return wfsi_mocks_error(mocks);
}

const wfs_mock_problem *wfs_mocks_problems(const wfs_mocks *mocks,
                                           size_t *count)
{
    *count = wfsi_array_count(mocks->problems);
    return mocks->problems;
}

wfs_status wfs_mocks_load(wfs_mocks *mocks, const char *json, size_t size)
{
    wfs_arena arena;
    const wfs_json *all;
    wfs_status status;

    wfsi_arena_open(&arena, &mocks->allocator);
    all = wfsi_mock_parse(mocks, &arena, json, size);
    status = all != NULL ? wfsi_mock_load(mocks, &arena, all, false)
                         : mocks->store->error.code;
    wfsi_arena_close(&arena);
    return status;
}

wfs_status wfs_mocks_load_json(wfs_mocks *mocks, const wfs_json *scenarios)
{
    wfs_arena arena;
    wfs_status status;

    wfsi_arena_open(&arena, &mocks->allocator);
    status = wfsi_mock_load(mocks, &arena, scenarios, true);
    wfsi_arena_close(&arena);
    return status;
}

wfs_status wfs_mocks_register_text(wfs_mocks *mocks, const char *json,
                                   size_t size)
{
    wfs_arena arena;
    const wfs_json *definition;
    wfs_status status;

    wfsi_arena_open(&arena, &mocks->allocator);
    definition = wfsi_mock_parse(mocks, &arena, json, size);
    status = definition != NULL
                 ? wfsi_mock_register(mocks, &arena, definition, NULL)
                 : mocks->store->error.code;
    wfsi_arena_close(&arena);
    return status;
}

wfs_status wfs_mocks_register(wfs_mocks *mocks, const wfs_json *scenario)
{
    wfs_arena arena;
    wfs_status status;

    wfsi_arena_open(&arena, &mocks->allocator);
    status = wfsi_mock_register(mocks, &arena, scenario, scenario);
    wfsi_arena_close(&arena);
    return status;
}

wfs_status wfs_mocks_add(wfs_mocks *mocks, const wfs_mock_scenario *scenario)
{
    wfs_arena arena;
    wfs_status status;

    wfsi_arena_open(&arena, &mocks->allocator);
    status = wfsi_mock_add(mocks, &arena, scenario);
    wfsi_arena_close(&arena);
    return status;
}

bool wfs_mocks_scenario_at(wfs_mocks *mocks, size_t place,
                           wfs_mock_scenario_info *info)
{
    const wfsi_table *table =
        &mocks->store->tables[mocks->tables + WFSI_MOCK_SCENARIOS];
    const wfsi_mock_scenario_row *row;
    wfsi_mock_set *set;

    memset(info, 0, sizeof *info);
    if (place >= table->count)
        return false;
    row = wfsi_mock_scenario_row_at(mocks, (wfs_row_id)place + 1);
    set = wfsi_mock_set_of(mocks, (wfs_row_id)place + 1);
    info->id = wfsi_text(mocks->store, row->scenario_id, NULL);
    info->name = wfsi_text(mocks->store, row->name, NULL);
    info->description = wfsi_text(mocks->store, row->description, NULL);
    info->mock_count = set != NULL ? set->count : 0;
    return true;
}

bool wfs_mocks_scenario(wfs_mocks *mocks, const char *id,
                        wfs_mock_scenario_info *info)
{
    wfs_row_id row = wfsi_mock_scenario_find(mocks, id);

    return wfs_mocks_scenario_at(mocks, row != 0 ? row - 1 : SIZE_MAX, info);
}

wfs_status wfs_mocks_switch(wfs_mocks *mocks, const char *test_id,
                            const char *scenario)
{
    return wfsi_mock_switch(mocks, test_id, scenario);
}

wfs_status wfs_mocks_clear(wfs_mocks *mocks, const char *test_id)
{
    wfs_row_id test = wfsi_mock_test_find(mocks, test_id);
    wfsi_mock_test_row *row;

    if (test == 0 || wfsi_mock_test_row_at(mocks, test)->active == 0)
        return WFS_OK;
    WFS_TRY(wfsi_mock_begin(mocks));
    row = wfsi_mock_test_edit(mocks, test);
    if (row == NULL)
        return wfsi_close(mocks->store,
                          wfsi_no_memory(wfsi_mocks_error(mocks)));
    wfsi_mock_set_active(row, 0);
    return wfsi_close(mocks->store, wfsi_mock_test_changed(mocks, test));
}

const char *wfs_mocks_active(const wfs_mocks *mocks, const char *test_id)
{
    wfs_row_id test = wfsi_mock_test_find(mocks, test_id), active;

    active = test != 0 ? wfsi_mock_test_row_at(mocks, test)->active : 0;
    return active != 0
               ? wfsi_text(mocks->store,
                           wfsi_mock_scenario_row_at(mocks, active)
                               ->scenario_id, NULL)
               : NULL;
}

wfs_json *wfs_mocks_state(const wfs_mocks *mocks, const char *test_id,
                          wfs_arena *arena)
{
    return wfsi_mock_state(mocks, wfsi_mock_test_find(mocks, test_id), arena);
}

wfs_status wfs_mocks_request(wfs_mocks *mocks, const char *test_id,
                             const wfs_http_request *request, wfs_arena *arena,
                             wfs_mock_answer *answer)
{
    return wfsi_mock_request(mocks, test_id, request, arena, answer);
}

wfs_json *wfs_mock_selected(wfs_arena *arena, const wfs_mock_answer *answer)
{
    const wfsi_mock_call *call = (const wfsi_mock_call *)answer->call;

    return call != NULL ? wfsi_reply_selected(call, arena)
                        : wfs_json_new_null(arena);
}

wfs_http_transport wfs_mock_transport(const wfs_mock_client *client)
{
    wfs_http_transport transport;

    transport.send = wfsi_mock_send;
    transport.user = (void *)client;
    return transport;
}

wfs_status wfs_mocks_control(wfs_mocks *mocks, const wfs_http_request *request,
                             wfs_arena *arena, bool *answered,
                             wfs_http_response *response)
{
    return wfsi_control(mocks, NULL, request, arena, answered, response);
}

wfs_status wfs_mocks_requests(wfs_mocks *mocks, const wfs_mock_filter *filter,
                              wfs_arena *arena,
                              const wfs_mock_request **requests, size_t *count)
{
    static wfs_mock_filter all;
    const wfs_mock_filter *used = filter != NULL ? filter : &all;
    wfs_mock_request *found = NULL;
    wfsi_pattern *pattern = NULL;
    wfs_status status;

    *requests = NULL;
    *count = 0;
    if (used->url != NULL)
        WFS_TRY(wfsi_pattern_compile(arena, used->url, strlen(used->url),
                                     &pattern, wfsi_mocks_error(mocks)));
    status = wfsi_log_read(mocks, used, pattern, arena, &found, count);
    *requests = found;
    return status;
}

wfs_status wfs_mocks_log(wfs_mocks *mocks, const wfs_mock_filter *filter,
                         wfs_arena *arena, const char **text)
{
    const wfs_mock_request *requests;
    wfsi_buffer buffer;
    size_t i, count;

    *text = NULL;
    WFS_TRY(wfs_mocks_requests(mocks, filter, arena, &requests, &count));
    wfsi_buffer_open(&buffer, arena);
    for (i = 0; i < count; i++)
        wfsi_put_request(&buffer, &requests[i]);
    *text = wfsi_buffer_finish(&buffer);
    return *text != NULL ? WFS_OK : wfsi_no_memory(wfsi_mocks_error(mocks));
}

wfs_status wfs_mocks_unused(wfs_mocks *mocks, const char *test_id,
                            wfs_arena *arena, const char **text)
{
    size_t count = mocks->store->tables[mocks->tables].count;
    wfs_row_id first = 1, test = 0;
    wfsi_buffer buffer;
    bool done;

    *text = NULL;
    if (mocks->options.no_log)
        return wfsi_error(wfsi_mocks_error(mocks), WFS_ERR_MISUSE,
                          "mocks that keep no log do not know what was used");
    if (test_id != NULL) {
        test = wfsi_mock_test_find(mocks, test_id);
        first = test != 0 ? wfsi_mock_test_row_at(mocks, test)->active : 0;
        if (first == 0)
            first = wfsi_mock_backup(mocks);
        count = first != 0 ? 1 : 0;
        if (test == 0)
            test = WFSI_NO_TEST;
    }
    wfsi_buffer_open(&buffer, arena);
    done = wfsi_mocks_unused(mocks, first, count, test, &buffer);
    *text = done ? wfsi_buffer_finish(&buffer) : NULL;
    return *text != NULL ? WFS_OK : wfsi_no_memory(wfsi_mocks_error(mocks));
}

/* ------------------------------------------------------------------------
 * >>schema  private: the workflow tables, declared as data
 *
 * Owns the engine's four tables. Calls >>store. Called by >>engine and
 * >>harness. Source: Fragno's workflow schema.
 * --------------------------------------------------------------------- */

#define WFSI_INSTANCE_REF(X, member, column, nullable)                        \
    X(wfs_row_id, member, column, WFS_REFERENCE, nullable, false,             \
      "workflow_instance")

#define WFSI_INSTANCE_COLUMNS(X)                                              \
    WFSI_SYMBOL(X, instance_id, "instanceId")                                 \
    WFSI_SYMBOL(X, workflow_name, "workflowName")                             \
    WFSI_SYMBOL(X, status, "status")                                          \
    WFSI_TIME(X, created_at, "createdAt")                                     \
    WFSI_TIME(X, updated_at, "updatedAt")                                     \
    WFSI_TIME_OR_NULL(X, started_at, "startedAt")                             \
    WFSI_TIME_OR_NULL(X, completed_at, "completedAt")                         \
    WFSI_JSON_OR_NULL(X, params, "params")                                    \
    WFSI_JSON_OR_NULL(X, output, "output")                                    \
    WFSI_SYMBOL_OR_NULL(X, error_name, "errorName")                           \
    WFSI_TEXT_OR_NULL(X, error_message, "errorMessage")                       \
    WFSI_FLAG(X, pause_requested, "pauseRequested")                           \
    WFSI_NUMBER(X, run_number, "runNumber")

#define WFSI_STEP_COLUMNS(X)                                                  \
    WFSI_INSTANCE_REF(X, instance_ref, "instanceRef", false)                  \
    WFSI_SYMBOL(X, workflow_name, "workflowName")                             \
    WFSI_SYMBOL(X, instance_id, "instanceId")                                 \
    WFSI_NUMBER(X, run_number, "runNumber")                                   \
    WFSI_SYMBOL(X, step_key, "stepKey")                                       \
    WFSI_SYMBOL(X, name, "name")                                              \
    WFSI_SYMBOL(X, type, "type")                                              \
    WFSI_SYMBOL(X, status, "status")                                          \
    WFSI_NUMBER(X, attempts, "attempts")                                      \
    WFSI_NUMBER(X, max_attempts, "maxAttempts")                               \
    WFSI_NUMBER_OR_NULL(X, timeout_ms, "timeoutMs")                           \
    WFSI_TIME_OR_NULL(X, next_retry_at, "nextRetryAt")                        \
    WFSI_TIME_OR_NULL(X, wake_at, "wakeAt")                                   \
    WFSI_SYMBOL_OR_NULL(X, wait_event_type, "waitEventType")                  \
    WFSI_JSON_OR_NULL(X, result, "result")                                    \
    WFSI_SYMBOL_OR_NULL(X, error_name, "errorName")                           \
    WFSI_TEXT_OR_NULL(X, error_message, "errorMessage")                       \
    WFSI_TIME(X, created_at, "createdAt")                                     \
    WFSI_TIME(X, updated_at, "updatedAt")

#define WFSI_EVENT_COLUMNS(X)                                                 \
    WFSI_INSTANCE_REF(X, instance_ref, "instanceRef", false)                  \
    WFSI_SYMBOL(X, workflow_name, "workflowName")                             \
    WFSI_SYMBOL(X, instance_id, "instanceId")                                 \
    WFSI_NUMBER(X, run_number, "runNumber")                                   \
    WFSI_SYMBOL(X, actor, "actor")                                            \
    WFSI_SYMBOL(X, type, "type")                                              \
    WFSI_JSON_OR_NULL(X, payload, "payload")                                  \
    WFSI_TIME(X, created_at, "createdAt")                                     \
    WFSI_TIME_OR_NULL(X, delivered_at, "deliveredAt")                         \
    WFSI_SYMBOL_OR_NULL(X, consumed_by_step_key, "consumedByStepKey")

/* A pending hook is found by the time it is planned for, due_at, or by at_once
 * when there is none; both are null once it is not pending. */
#define WFSI_HOOK_COLUMNS(X)                                                  \
    WFSI_SYMBOL(X, hook_namespace, "namespace")                               \
    WFSI_SYMBOL(X, hook_name, "hookName")                                     \
    WFSI_SYMBOL_OR_NULL(X, workflow_name, "workflowName")                     \
    WFSI_SYMBOL_OR_NULL(X, instance_id, "instanceId")                         \
    WFSI_INSTANCE_REF(X, instance_ref, "instanceRef", true)                   \
    WFSI_NUMBER_OR_NULL(X, run_number, "runNumber")                           \
    WFSI_SYMBOL_OR_NULL(X, reason, "reason")                                  \
    WFSI_JSON_OR_NULL(X, payload, "payload")                                  \
    WFSI_SYMBOL(X, status, "status")                                          \
    WFSI_NUMBER(X, attempts, "attempts")                                      \
    WFSI_NUMBER(X, max_attempts, "maxAttempts")                               \
    WFSI_TIME_OR_NULL(X, last_attempt_at, "lastAttemptAt")                    \
    WFSI_TIME_OR_NULL(X, next_retry_at, "nextRetryAt")                        \
    WFSI_TEXT_OR_NULL(X, error, "error")                                      \
    WFSI_TIME(X, created_at, "createdAt")                                     \
    WFSI_TIME_OR_NULL(X, due_at, "dueAt")                                     \
    WFSI_FLAG_OR_NULL(X, at_once, "atOnce")

typedef struct wfsi_instance_row {
    uint32_t version, nulls;
    WFSI_INSTANCE_COLUMNS(WFSI_MEMBER)
} wfsi_instance_row;

typedef struct wfsi_step_row {
    uint32_t version, nulls;
    wfsi_link of_instance;
    WFSI_STEP_COLUMNS(WFSI_MEMBER)
} wfsi_step_row;

typedef struct wfsi_event_row {
    uint32_t version, nulls;
    wfsi_link of_instance;
    WFSI_EVENT_COLUMNS(WFSI_MEMBER)
} wfsi_event_row;

typedef struct wfsi_hook_row {
    uint32_t version, nulls;
    wfsi_link at_once_link;
    WFSI_HOOK_COLUMNS(WFSI_MEMBER)
} wfsi_hook_row;

/* Column numbers, for the null bits. */
#define WFSI_INSTANCE_NUMBER(c, member, ...) wfsi_instance_##member,
#define WFSI_STEP_NUMBER(c, member, ...) wfsi_step_##member,
#define WFSI_EVENT_NUMBER(c, member, ...) wfsi_event_##member,
#define WFSI_HOOK_NUMBER(c, member, ...) wfsi_hook_##member,
enum { WFSI_INSTANCE_COLUMNS(WFSI_INSTANCE_NUMBER) wfsi_instance_count };
enum { WFSI_STEP_COLUMNS(WFSI_STEP_NUMBER) wfsi_step_count };
enum { WFSI_EVENT_COLUMNS(WFSI_EVENT_NUMBER) wfsi_event_count };
enum { WFSI_HOOK_COLUMNS(WFSI_HOOK_NUMBER) wfsi_hook_count };
#undef WFSI_INSTANCE_NUMBER
#undef WFSI_STEP_NUMBER
#undef WFSI_EVENT_NUMBER
#undef WFSI_HOOK_NUMBER

/* Of both steps and events. */
enum { WFSI_RUN_NUMBER = wfsi_step_run_number };

/* Table numbers: the engine's are declared first. */
enum { WFSI_INSTANCES, WFSI_STEPS, WFSI_EVENTS, WFSI_HOOKS, WFSI_TABLES };

/* Index numbers, in the order of the declarations below. */
enum { WFSI_INSTANCE_BY_ID, WFSI_INSTANCE_BY_STATUS };
enum { WFSI_OF_INSTANCE, WFSI_BY_CREATED, WFSI_STEP_BY_KEY };
enum { WFSI_HOOK_AT_ONCE, WFSI_HOOK_DUE };

static wfs_status wfsi_schema_declare(wfs_store *store)
{
    static const wfs_column instances[] = {
        WFSI_INSTANCE_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_column steps[] = {
        WFSI_STEP_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_column events[] = {
        WFSI_EVENT_COLUMNS(WFSI_COLUMN) WFSI_END};
    static const wfs_column hooks[] = {
        WFSI_HOOK_COLUMNS(WFSI_COLUMN) WFSI_END};
    /* Those that the engine needs come first; the others are the recorded
     * schema's, for whoever lists rows, and cost nothing until then. */
    static const wfs_index instance_indexes[] = {
        WFSI_ORDERED_UNIQUE("by_instance", "workflowName, instanceId")
        WFSI_ORDERED("by_status", "workflowName, status, updatedAt")
        WFSI_LAST};
    static const wfs_index step_indexes[] = {
        WFSI_LIST("of_instance", "instanceRef")
        WFSI_ORDERED("by_created", "instanceRef, runNumber, createdAt")
        WFSI_UNIQUE("by_key", "instanceRef, runNumber, stepKey")
        WFSI_ORDERED("by_run", "instanceRef, runNumber")
        WFSI_ORDERED("by_history",
                     "workflowName, instanceId, runNumber, createdAt")
        WFSI_ORDERED("by_wake",
                     "workflowName, instanceId, runNumber, status, wakeAt")
        WFSI_ORDERED("by_status", "workflowName, instanceId, status")
        WFSI_ORDERED("by_retry", "status, nextRetryAt")
        WFSI_LAST};
    static const wfs_index event_indexes[] = {
        WFSI_LIST("of_instance", "instanceRef")
        WFSI_ORDERED("by_created", "instanceRef, runNumber, createdAt")
        WFSI_ORDERED("by_type",
                     "workflowName, instanceId, runNumber, type, deliveredAt")
        WFSI_ORDERED("by_history",
                     "workflowName, instanceId, runNumber, createdAt")
        WFSI_LAST};
    static const wfs_index hook_indexes[] = {
        WFSI_SPARSE_LIST("at_once", "atOnce")
        WFSI_SPARSE("due", "dueAt")
        WFSI_ORDERED("by_retry", "namespace, status, nextRetryAt")
        WFSI_ORDERED("by_attempt", "namespace, status, lastAttemptAt")
        WFSI_LAST};
    static const wfs_table tables[] = {
        {"workflow_instance", instances, instance_indexes, NULL},
        {"workflow_step", steps, step_indexes, NULL},
        {"workflow_event", events, event_indexes, NULL},
        {"workflow_hook", hooks, hook_indexes, NULL},
        {NULL, NULL, NULL, NULL}};

    return wfsi_declare(store, tables);
}

/* What the engine knows of its tables that a declaration cannot say. */
static void wfsi_schema_tune(wfs_store *store)
{
    wfsi_index_fixed(store, WFSI_INSTANCES, WFSI_INSTANCE_BY_ID);
    wfsi_index_fixed(store, WFSI_STEPS, WFSI_OF_INSTANCE);
    wfsi_index_fixed(store, WFSI_STEPS, WFSI_STEP_BY_KEY);
    wfsi_index_fixed(store, WFSI_EVENTS, WFSI_OF_INSTANCE);
    /* A tick adds no key twice; look-ups by key are for long runs. */
    wfsi_index_waits(store, WFSI_STEPS, WFSI_STEP_BY_KEY);
}

/* --- names: every enumerator as an interned text */

typedef struct wfsi_names {
    wfsi_handle instance_status[WFS_INSTANCE_STATUS_COUNT];
    wfsi_handle step_type[WFS_STEP_TYPE_COUNT];
    wfsi_handle step_status[WFS_STEP_STATUS_COUNT];
    wfsi_handle actor[WFS_ACTOR_COUNT];
    wfsi_handle reason[WFS_REASON_COUNT];
    wfsi_handle hook_status[WFS_HOOK_STATUS_COUNT];
    wfsi_handle hook_namespace;     /* of the engine's hooks */
    wfsi_handle hook_enqueued;      /* name of the engine's hook */
    wfsi_handle type_pause;         /* of the system's event */
    wfsi_handle consumed_by_system; /* the key that takes it */
    wfsi_handle error;              /* "Error" */
} wfsi_names;

#define WFSI_NAME(code, name) name,
static const char *const wfsi_instance_status_names[] = {
    "", WFS_INSTANCE_STATUS_LIST(WFSI_NAME)};
static const char *const wfsi_step_type_names[] = {
    "", WFS_STEP_TYPE_LIST(WFSI_NAME)};
static const char *const wfsi_step_status_names[] = {
    "", WFS_STEP_STATUS_LIST(WFSI_NAME)};
static const char *const wfsi_actor_names[] = {"", WFS_ACTOR_LIST(WFSI_NAME)};
static const char *const wfsi_reason_names[] = {"", WFS_REASON_LIST(WFSI_NAME)};
static const char *const wfsi_hook_status_names[] = {
    "", WFS_HOOK_STATUS_LIST(WFSI_NAME)};
#undef WFSI_NAME
#define WFSI_NAME_SIZE(code, name) sizeof name - 1,
static const size_t wfsi_step_type_sizes[] = {
    0, WFS_STEP_TYPE_LIST(WFSI_NAME_SIZE)};
#undef WFSI_NAME_SIZE

#define wfsi_names_all(store, names, list)                                    \
    wfsi_names_list((store), (names)->list, wfsi_##list##_names,              \
                    WFSI_COUNT((names)->list))

static bool wfsi_names_declare(wfs_store *store, wfsi_names *names)
{
    memset(names, 0, sizeof *names);
    return wfsi_names_all(store, names, instance_status) &&
           wfsi_names_all(store, names, step_type) &&
           wfsi_names_all(store, names, step_status) &&
           wfsi_names_all(store, names, actor) &&
           wfsi_names_all(store, names, reason) &&
           wfsi_names_all(store, names, hook_status) &&
           wfsi_name(store, &names->hook_namespace, "workflows") &&
           wfsi_name(store, &names->hook_enqueued, "onWorkflowEnqueued") &&
           wfsi_name(store, &names->type_pause, "pause") &&
           wfsi_name(store, &names->consumed_by_system, "system:pause") &&
           wfsi_name(store, &names->error, "Error");
}

#define wfsi_enum(names, list, handle)                                        \
    wfsi_name_find((names)->list, WFSI_COUNT((names)->list), (handle))

#define WFSI_NAME_OF(list, value)                                             \
    ((size_t)(value) < WFSI_COUNT(wfsi_##list##_names)                        \
         ? wfsi_##list##_names[value]                                         \
         : "")

const char *wfs_instance_status_name(wfs_instance_status status)
{
    return WFSI_NAME_OF(instance_status, status);
}

const char *wfs_step_type_name(wfs_step_type type)
{
    return WFSI_NAME_OF(step_type, type);
}

const char *wfs_step_status_name(wfs_step_status status)
{
    return WFSI_NAME_OF(step_status, status);
}

const char *wfs_actor_name(wfs_actor actor)
{
    return WFSI_NAME_OF(actor, actor);
}

const char *wfs_reason_name(wfs_reason reason)
{
    return WFSI_NAME_OF(reason, reason);
}

const char *wfs_hook_status_name(wfs_hook_status status)
{
    return WFSI_NAME_OF(hook_status, status);
}

/* ------------------------------------------------------------------------
 * >>engine  private: steps, replay, tick, hooks
 *
 * Owns a tick: what was retrieved, the plan that the workflow function makes
 * of it, and the commit. Calls >>store, >>schema, >>json, >>time. Called by
 * >>harness, and by workflow functions. Source: Fragno's workflow runner.
 * --------------------------------------------------------------------- */

struct wfsi_hook_frame;

/* A step's name and key, and what the key is made of. */
typedef struct wfsi_step_names {
    wfsi_handle parent;                 /* key of the enclosing step, or 0 */
    wfsi_handle name;
    wfsi_handle key;                    /* "parent>type:name" */
    wfs_step_type type;                 /* 0: none */
} wfsi_step_names;

struct wfs_harness {
    wfs_allocator allocator;
    wfs_limits limits;
    wfs_store *store;
    wfs_clock clock;
    wfs_random random;
    const wfs_workflow *workflows;      /* the user's */
    wfsi_handle *workflow_names;        /* array: their interned names */
    const wfs_hook_handler *handlers;   /* the user's */
    wfs_mocks *mocks;                   /* NULL: none */
    bool auto_tick;
    wfsi_names names;
    wfsi_step_names recent[128];        /* that were used, by their hash */
    wfsi_step_row blank_step;           /* what new rows begin with */
    wfsi_hook_row blank_hook;
    wfs_arena results;                  /* what calls gave */
    wfs_open_tick *spare;               /* ticks to be used again */
    size_t open_ticks;
    wfs_row_id *due;                    /* array: hooks of one round */
    const struct wfsi_hook_frame *hook; /* the one that is processed now */
};

/* A hook that is being processed, inside another one or not. */
typedef struct wfsi_hook_frame {
    wfs_row_id id;
    const struct wfsi_hook_frame *outer;
} wfsi_hook_frame;

/* --- small maps of a tick: from a handle to a number, in its arena */

typedef struct wfsi_count_slot {
    wfsi_handle key;                    /* 0: empty */
    uint32_t value;
} wfsi_count_slot;

typedef struct wfsi_tick_map {
    wfsi_count_slot *slots;
    uint32_t capacity;                  /* 0 or a power of two */
    uint32_t count;
} wfsi_tick_map;

static wfsi_count_slot *wfsi_tick_map_slot(const wfsi_tick_map *map,
                                           wfsi_handle key)
{
    uint32_t mask = map->capacity - 1;
    uint32_t at = (uint32_t)(wfsi_mix(0, key) & mask);

    while (map->slots[at].key != 0 && map->slots[at].key != key)
        at = (at + 1) & mask;
    return &map->slots[at];
}

static uint32_t *wfsi_tick_map_find(const wfsi_tick_map *map, wfsi_handle key)
{
    wfsi_count_slot *slot;

    if (map->capacity == 0)
        return NULL;
    slot = wfsi_tick_map_slot(map, key);
    return slot->key != 0 ? &slot->value : NULL;
}

WFSI_APART
static bool wfsi_tick_map_grow(wfs_arena *arena, wfsi_tick_map *map)
{
    wfsi_tick_map larger;
    uint32_t i;

    larger.capacity = map->capacity == 0 ? 16 : map->capacity * 2;
    larger.count = map->count;
    larger.slots = (wfsi_count_slot *)wfsi_arena_zeroed(
        arena, larger.capacity * sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (i = 0; i < map->capacity; i++)
        if (map->slots[i].key != 0)
            *wfsi_tick_map_slot(&larger, map->slots[i].key) = map->slots[i];
    *map = larger;
    return true;
}

/* The value of a key, 0 at first; NULL without memory. */
static uint32_t *wfsi_tick_map_put(wfs_arena *arena, wfsi_tick_map *map,
                                   wfsi_handle key)
{
    wfsi_count_slot *slot;

    if (map->count >= map->capacity / 2 && !wfsi_tick_map_grow(arena, map))
        return NULL;
    slot = wfsi_tick_map_slot(map, key);
    if (slot->key == 0) {
        slot->key = key;
        map->count++;
    }
    return &slot->value;
}

/* --- what a tick works on */

/* What a tick makes of a step: its row as it is to be written. New texts are
 * kept aside until the commit. */
typedef struct wfsi_change {
    wfsi_step_row row;
    bool dirty;
    struct wfsi_change *next_dirty;     /* in the order of writing */
    uint32_t number;                    /* of the draft */
    wfsi_span result, error_message;    /* to be stored; NULL: as in row */
} wfsi_change;

/* A step as it stands in this tick: its row in the store, or a copy of it when
 * the tick is held open; or what the tick makes of it. */
typedef struct wfsi_draft {
    const wfsi_step_row *row;
    wfsi_change *change;                /* NULL: none */
    wfs_row_id id;                      /* 0: new */
    bool seen;                          /* reached in this replay */
} wfsi_draft;

/* An event of the run that nothing has taken. */
typedef struct wfsi_inbox {
    wfsi_event_row row;
    wfs_row_id id;
    uint32_t next_of_type;              /* number + 1 */
    wfsi_handle consumer;               /* the key of the step that took it */
} wfsi_inbox;

typedef enum wfsi_queued_kind {
    WFSI_QUEUED_INSERT,
    WFSI_QUEUED_UPDATE,
    WFSI_QUEUED_DELETE,
    WFSI_QUEUED_HOOK
} wfsi_queued_kind;

/* A write that a body queued. */
typedef struct wfsi_queued {
    struct wfsi_queued *next;
    wfsi_queued_kind kind;
    uint32_t owner;                     /* number of the step's draft */
    bool dropped;
    uint32_t table;
    wfs_row_id id;
    uint32_t version;
    wfs_field *fields;
    wfsi_span hook_name, payload;
} wfsi_queued;

/* What the commit has to do. */
typedef enum wfsi_outcome {
    WFSI_OUTCOME_NONE,                  /* nothing: 0 processed */
    WFSI_OUTCOME_CONSUME_PAUSES,
    WFSI_OUTCOME_PAUSE,
    WFSI_OUTCOME_TOO_EARLY,             /* a hook for the due time */
    WFSI_OUTCOME_COMPLETE,
    WFSI_OUTCOME_ERRORED,
    WFSI_OUTCOME_WAITING
} wfsi_outcome;

typedef enum wfsi_phase {
    WFSI_PHASE_RETRIEVED,
    WFSI_PHASE_PLANNED,
    WFSI_PHASE_FAILED
} wfsi_phase;

#define WFSI_NO_DRAFT UINT32_MAX

struct wfs_run {
    wfs_harness *harness;
    wfs_arena *arena;
    const wfsi_reader *reader;
    int64_t timestamp;                  /* of the tick, for the gate */
    const wfs_workflow *workflow;
    wfs_reason reason;

    /* what starts at zero */
    wfs_row_id instance_ref;            /* 0: nothing to do */
    wfs_row_id last_event;              /* of the instance, 0: none */
    wfs_row_id next_event;              /* id of the next event of any run */
    uint32_t draft_count;
    uint32_t row_count;                 /* drafts that are not new */
    uint32_t cursor;                    /* the draft expected next */
    uint32_t inbox_count;
    bool pause_pending;
    bool uses_built;
    bool lost;                          /* another tick was first */
    wfs_status sticky;                  /* once not WFS_OK, no step runs */
    wfsi_outcome outcome;
    wfs_error *misuse;                  /* what rule was broken; or NULL */
    wfsi_change *dirty;
    wfsi_queued *queue;
    wfsi_span value;                    /* that wfs_return gave */
    wfsi_tick_map by_key;               /* key to draft number + 1 */
    wfsi_tick_map uses;                 /* key without suffix to its uses */
    wfsi_tick_map inbox_heads;          /* type to number + 1 in inbox */

    /* what is set when the tick begins */
    wfsi_draft *drafts;
    uint32_t draft_capacity;
    bool in_order;                      /* every step so far came in turn */
    uint32_t scope;                     /* the draft whose body runs */
    wfsi_change **dirty_end;
    wfsi_queued **queue_end;
    int64_t resume_at;                  /* of the suspension; or no time */
    int64_t due;                        /* TOO_EARLY */
    wfs_random random_before, random_after;
    wfs_failure failure;                /* of the last WFS_FAILED */

    /* what has a meaning with an instance, events, or a suspension only */
    wfsi_instance_row instance;
    wfsi_inbox *inbox;                  /* by (created_at, id) */
    const char *suspended_at;           /* name of the step */
    wfsi_handle suspended_on;           /* event type, or 0 */
    bool resume_is_retry;

    wfsi_draft first_drafts[16];
};

struct wfs_open_tick {
    wfs_run run;
    wfsi_reader reader;
    wfs_arena arena;
    wfsi_phase phase;
    wfs_open_tick *next;
};

static wfsi_instance_row *wfsi_instance_at(const wfs_harness *harness,
                                           wfs_row_id id)
{
    return (wfsi_instance_row *)(void *)wfsi_row_at(
        &harness->store->tables[WFSI_INSTANCES], id);
}

static wfsi_step_row *wfsi_step_at(const wfs_harness *harness, wfs_row_id id)
{
    return (wfsi_step_row *)(void *)wfsi_row_at(
        &harness->store->tables[WFSI_STEPS], id);
}

static wfsi_event_row *wfsi_event_at(const wfs_harness *harness, wfs_row_id id)
{
    return (wfsi_event_row *)(void *)wfsi_row_at(
        &harness->store->tables[WFSI_EVENTS], id);
}

static wfsi_hook_row *wfsi_hook_at(const wfs_harness *harness, wfs_row_id id)
{
    return (wfsi_hook_row *)(void *)wfsi_row_at(
        &harness->store->tables[WFSI_HOOKS], id);
}

static wfs_error *wfsi_harness_error(const wfs_harness *harness)
{
    return &harness->store->error;
}

static wfs_status wfsi_harness_no_memory(const wfs_harness *harness)
{
    return wfsi_no_memory(wfsi_harness_error(harness));
}

static bool wfsi_status_is_terminal(const wfsi_names *names, wfsi_handle status)
{
    return status == names->instance_status[WFS_INSTANCE_COMPLETE] ||
           status == names->instance_status[WFS_INSTANCE_ERRORED] ||
           status == names->instance_status[WFS_INSTANCE_TERMINATED];
}

/* The first of an instance's rows in a table of steps or events, or 0. */
WFSI_INLINE wfs_row_id wfsi_instance_first(const wfs_harness *harness,
                                           uint32_t table, wfs_row_id instance)
{
    const wfs_row_id *heads =
        harness->store->tables[table].indexes[WFSI_OF_INSTANCE].heads;

    return instance < wfsi_array_count(heads) ? heads[instance] : 0;
}

/* The run that a step or an event belongs to. */
static int64_t wfsi_run_number_of(const wfsi_table *table, wfs_row_id id)
{
    int64_t number;

    memcpy(&number,
           wfsi_row_at(table, id) + table->columns[WFSI_RUN_NUMBER].offset,
           sizeof number);
    return number;
}

/* The first row of the latest run of an instance whose earlier runs have rows,
 * too, which come before; or 0. */
WFSI_APART
static wfs_row_id wfsi_run_first_later(const wfsi_table *table, wfs_row_id head,
                                       int64_t run_number)
{
    const wfsi_index *index = &table->indexes[WFSI_OF_INSTANCE];
    wfs_row_id first = 0, id;

    for (id = wfsi_row_link(table, index, head)->prev;
         wfsi_run_number_of(table, id) == run_number;
         id = wfsi_row_link(table, index, id)->prev)
        first = id;
    return first;
}

/* The first row of an instance's latest run in such a table, or 0. */
WFSI_INLINE wfs_row_id wfsi_run_first(const wfs_harness *harness,
                                      uint32_t number, wfs_row_id instance,
                                      int64_t run_number)
{
    const wfsi_table *table = &harness->store->tables[number];
    wfs_row_id head = wfsi_instance_first(harness, number, instance);

    return head == 0 || wfsi_run_number_of(table, head) == run_number
               ? head
               : wfsi_run_first_later(table, head, run_number);
}

/* The last event of an instance, or 0. */
static wfs_row_id wfsi_last_event(const wfs_harness *harness,
                                  wfs_row_id instance)
{
    wfs_row_id head = wfsi_instance_first(harness, WFSI_EVENTS, instance);

    return head != 0 ? wfsi_event_at(harness, head)->of_instance.prev : 0;
}

/* --- hooks */

/* A pending hook is found at once, or from a time on. */
static void wfsi_hook_plan(wfsi_hook_row *row, int64_t time)
{
    row->at_once = time == WFS_NO_TIME;
    wfsi_null_bit(&row->nulls, wfsi_hook_at_once, !row->at_once);
    WFSI_SET_TIME(hook, row, due_at, time);
}

/* One that is not pending is not found. */
static void wfsi_hook_unplan(wfsi_hook_row *row)
{
    row->at_once = 0;
    row->due_at = 0;
    row->nulls |= WFSI_NULL_BIT(hook, at_once) | WFSI_NULL_BIT(hook, due_at);
}

/* The row of a new hook of the engine, all but for the instance; NULL without
 * memory. */
WFSI_INLINE wfsi_hook_row *wfsi_hook_new(wfs_harness *harness,
                                         int64_t next_retry_at)
{
    wfs_store *store = harness->store;
    wfsi_hook_row *row = (wfsi_hook_row *)(void *)wfsi_row_new(
        store, &store->tables[WFSI_HOOKS]);

    if (row == NULL)
        return NULL;
    *row = harness->blank_hook;
    row->created_at = harness->clock.now;
    WFSI_SET_TIME(hook, row, next_retry_at, next_retry_at);
    wfsi_hook_plan(row, next_retry_at);
    return row;
}

/* The engine's hook: a tick of the instance for that reason. */
WFSI_INLINE wfs_status wfsi_hook_enqueue(wfs_harness *harness, wfs_row_id ref,
                                         const wfsi_instance_row *instance,
                                         wfs_reason reason,
                                         int64_t next_retry_at)
{
    wfsi_hook_row *row = wfsi_hook_new(harness, next_retry_at);

    if (row == NULL)
        return wfsi_harness_no_memory(harness);
    row->workflow_name = instance->workflow_name;
    row->instance_id = instance->instance_id;
    row->instance_ref = ref;
    row->run_number = instance->run_number;
    row->reason = harness->names.reason[reason];
    return wfsi_row_insert(harness->store, WFSI_HOOKS, row, NULL);
}

/* A hook of the user's. */
static wfs_status wfsi_hook_trigger(wfs_harness *harness, wfsi_span name,
                                    wfsi_span payload)
{
    wfs_store *store = harness->store;
    wfsi_hook_row *row = wfsi_hook_new(harness, WFS_NO_TIME);
    wfsi_handle text = 0;

    if (row == NULL)
        return wfsi_harness_no_memory(harness);
    row->nulls |=
        WFSI_NULL_BIT(hook, workflow_name) | WFSI_NULL_BIT(hook, instance_id) |
        WFSI_NULL_BIT(hook, instance_ref) | WFSI_NULL_BIT(hook, run_number) |
        WFSI_NULL_BIT(hook, reason);
    row->hook_namespace = wfsi_symbol(store, "user", 4);
    row->hook_name = wfsi_symbol(store, name.data, name.size);
    if (payload.data != NULL)
        text = wfsi_text_keep(store, payload.data, payload.size);
    WFSI_SET_HANDLE(hook, row, payload, text);
    if (row->hook_namespace != 0 && row->hook_name != 0 &&
        (payload.data == NULL || text != 0))
        return wfsi_row_insert(store, WFSI_HOOKS, row, NULL);
    wfsi_text_free(store, text);
    return wfsi_harness_no_memory(harness);
}

/* --- the run: what sticks, and errors */

/* Put before an error's message where it happened. */
WFSI_COLD
static wfs_status wfsi_run_blame(const wfs_run *run, wfs_status status,
                                 const char *what, const char *name)
{
    wfs_error *error = wfsi_harness_error(run->harness), why;

    if (status == WFS_OK || status == WFS_ERR_NO_MEMORY ||
        status == WFS_ERR_CONFLICT || error->code != status)
        return status;
    why = *error;
    return wfsi_error_in(error, &why, "%s \"%s\": %s", what, name, why.message);
}

/* End the run with an infrastructure error. */
WFSI_COLD
static wfs_status wfsi_run_abort(wfs_run *run, wfs_status status)
{
    if (run->sticky == WFS_OK || run->sticky == WFS_SUSPENDED)
        run->sticky = status;
    return run->sticky;
}

WFSI_COLD
static wfs_status wfsi_run_no_memory(wfs_run *run)
{
    return wfsi_run_abort(run, wfsi_harness_no_memory(run->harness));
}

/* The first rule that is broken is remembered: whether this is the first. */
static bool wfsi_run_misused(wfs_run *run)
{
    if (run->misuse != NULL)
        return false;
    run->misuse =
        (wfs_error *)wfsi_arena_allocate(run->arena, sizeof *run->misuse);
    return run->misuse != NULL;
}

/* A call after a suspension is remembered as misuse. */
WFSI_COLD
static void wfsi_run_may_not(wfs_run *run, const char *call, wfsi_span name)
{
    if (run->sticky == WFS_SUSPENDED && wfsi_run_misused(run))
        wfsi_error(run->misuse, WFS_ERR_MISUSE,
                   "workflow %s: %s%s%n%s was called although step \"%s\" had "
                   "suspended the run; hand back what a step call returns "
                   "(WFS_TRY does)",
                   run->workflow->key, call, name.size != 0 ? " \"" : "",
                   name.data, name.size, name.size != 0 ? "\"" : "",
                   run->suspended_at);
}

/* Whether a call may go on: not after a suspension or an error. call, name:
 * for the message; name_size 0: it is NULL or ends at its NUL. */
WFSI_INLINE bool wfsi_run_may(wfs_run *run, const char *call, const char *name,
                              size_t name_size)
{
    if (run->sticky == WFS_OK)
        return true;
    wfsi_run_may_not(run, call, wfsi_span_of(name, name_size));
    return false;
}

static wfs_status wfsi_run_suspend(wfs_run *run, const wfsi_draft *draft,
                                   int64_t resume_at, bool is_retry)
{
    run->suspended_at = wfsi_text(run->harness->store, draft->row->name, NULL);
    run->resume_at = resume_at;
    run->resume_is_retry = is_retry;
    run->suspended_on = draft->row->wait_event_type;
    run->sticky = WFS_SUSPENDED;
    return WFS_SUSPENDED;
}

/* Of a function that returns WFS_FAILED and says no more. */
static wfs_failure wfsi_failure_unnamed(void)
{
    wfs_failure failure;

    failure.name = "Error";
    failure.name_size = 5;
    failure.message = "";
    failure.message_size = 0;
    failure.for_good = false;
    return failure;
}

WFSI_COLD
static wfs_status wfsi_run_fail(wfs_run *run, const wfs_failure *failure)
{
    wfs_failure copy = *failure;

    copy.name = wfsi_arena_text(run->arena, failure->name, failure->name_size);
    copy.message = wfsi_arena_text(run->arena, failure->message,
                                   failure->message_size);
    if (run->arena->failed)
        return wfsi_run_no_memory(run);
    run->failure = copy;
    return WFS_FAILED;
}

WFSI_COLD
static wfs_status wfsi_run_fail_text(wfs_run *run, const char *name,
                                     const char *message, bool for_good)
{
    wfs_failure failure = wfsi_failure_unnamed();

    if (name != NULL) {
        failure.name = name;
        failure.name_size = strlen(name);
    }
    if (message != NULL) {
        failure.message = message;
        failure.message_size = strlen(message);
    }
    failure.for_good = for_good;
    return wfsi_run_fail(run, &failure);
}

/* --- finding a step's draft */

static const char *wfsi_draft_name(const wfs_run *run, const wfsi_draft *draft)
{
    return wfsi_text(run->harness->store, draft->row->name, NULL);
}

static bool wfsi_draft_is(const wfs_run *run, const wfsi_draft *draft,
                          wfs_step_status status)
{
    return draft->row->status == run->harness->names.step_status[status];
}

static wfsi_span wfsi_step_span(const wfs_run *run, wfsi_handle handle)
{
    wfsi_span span;

    span.data = wfsi_text(run->harness->store, handle, &span.size);
    return span;
}

/* The key of the step whose body runs, or no text at the top. */
static wfsi_span wfsi_scope_key(const wfs_run *run)
{
    wfsi_span none = {NULL, 0};

    return run->scope != WFSI_NO_DRAFT
               ? wfsi_step_span(run, run->drafts[run->scope].row->step_key)
               : none;
}

/* Whether a name that has no NUL in it is the one that a call gave; name_size
 * 0: that ends at its NUL. */
WFSI_INLINE bool wfsi_name_is(wfsi_span known, const char *name,
                              size_t name_size)
{
    return name_size == 0 ? strcmp(known.data, name) == 0
                          : known.size == name_size &&
                                wfsi_bytes_equal(known.data, name, name_size);
}

/* Whether a step's key starts as the keys of the steps in this scope do. */
static bool wfsi_key_in_scope(wfsi_span key, wfsi_span parent)
{
    return parent.data == NULL ||
           (key.data[parent.size] == '>' &&
            wfsi_bytes_equal(key.data, parent.data, parent.size));
}

/* The step that the history has next, if that is the one: the same type and
 * name, and a key that is just long enough for "parent>type:name". */
WFSI_INLINE wfsi_draft *wfsi_draft_expected(wfs_run *run, wfs_step_type type,
                                            const char *name, size_t name_size)
{
    wfsi_draft *draft = &run->drafts[run->cursor];
    wfsi_span parent, known, key;

    if (run->cursor >= run->draft_count ||
        draft->row->type != run->harness->names.step_type[type])
        return NULL;
    known = wfsi_step_span(run, draft->row->name);
    key = wfsi_step_span(run, draft->row->step_key);
    parent = wfsi_scope_key(run);
    if (key.size != parent.size + (parent.data != NULL) +
                        wfsi_step_type_sizes[type] + 1 + known.size ||
        !wfsi_name_is(known, name, name_size) ||
        !wfsi_key_in_scope(key, parent))
        return NULL;
    run->cursor++;
    return draft;
}

static wfs_status wfsi_check_name(wfs_run *run, wfsi_span name)
{
    static const char reserved[] = {'>', '#', '\0'};
    char message[] = "WORKFLOW_STEP_NAME_CONTAINS_RESERVED_CHARACTER:?";
    wfs_failure failure;
    size_t i;

    if (name.size > run->harness->limits.name_size)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_LIMIT,
                            "workflow %s: a step's name has %i bytes, more "
                            "than the %i allowed: %n",
                            run->workflow->key, (int64_t)name.size,
                            (int64_t)run->harness->limits.name_size, name.data,
                            name.size));
    for (i = 0; i < sizeof reserved; i++) {
        if (name.size == 0 || memchr(name.data, reserved[i], name.size) == NULL)
            continue;
        message[sizeof message - 2] = reserved[i];
        failure = wfsi_failure_unnamed();
        failure.message = message;
        failure.message_size = sizeof message - 1;
        return wfsi_run_fail(run, &failure);
    }
    return WFS_OK;
}

/* The handle of "parent>type:name"; 0 without memory. */
WFSI_APART
static wfsi_handle wfsi_key_compose(wfs_run *run, wfs_step_type type,
                                    wfsi_span name)
{
    wfsi_span parent = wfsi_scope_key(run);
    wfsi_buffer buffer;

    wfsi_buffer_open(&buffer, run->arena);
    if (parent.data != NULL) {
        wfsi_buffer_put(&buffer, parent.data, parent.size);
        wfsi_buffer_char(&buffer, '>');
    }
    wfsi_buffer_put(&buffer, wfsi_step_type_names[type],
                    wfsi_step_type_sizes[type]);
    wfsi_buffer_char(&buffer, ':');
    wfsi_buffer_put(&buffer, name.data, name.size);
    return buffer.failed ? 0
                         : wfsi_symbol(run->harness->store, buffer.data,
                                       buffer.size);
}

/* The handles of a step's name and of its key without suffix: from the keys
 * that were used lately, or checked and made. */
static wfs_status wfsi_key_make(wfs_run *run, wfs_step_type type,
                                wfsi_span name, wfsi_step_names *names)
{
    wfs_store *store = run->harness->store;
    wfsi_handle parent = run->scope != WFSI_NO_DRAFT
                             ? run->drafts[run->scope].row->step_key
                             : 0;
    wfsi_step_names *recent;

    names->type = type;
    names->parent = parent;
    names->name = wfsi_symbol_find(
        store, wfsi_symbol_hash(name.data, name.size), name.data, name.size);
    recent = &run->harness->recent[wfsi_mix(wfsi_mix(parent, names->name),
                                            (uint64_t)type) %
                                   WFSI_COUNT(run->harness->recent)];
    if (recent->name == names->name && recent->parent == parent &&
        recent->type == type) {
        names->key = recent->key;
        return WFS_OK;
    }
    WFS_TRY(wfsi_check_name(run, name));
    names->name = wfsi_symbol(store, name.data, name.size);
    names->key = wfsi_key_compose(run, type, name);
    if (names->name == 0 || names->key == 0)
        return wfsi_run_no_memory(run);
    *recent = *names;
    return WFS_OK;
}

/* Count the uses of keys without suffix: each step that was found as expected
 * was the first use of its own. */
WFSI_APART
static bool wfsi_uses_build(wfs_run *run)
{
    uint32_t i, *uses;

    run->uses_built = true;
    for (i = 0; i < run->draft_count; i++) {
        if (!run->drafts[i].seen)
            continue;
        uses = wfsi_tick_map_put(run->arena, &run->uses,
                                 run->drafts[i].row->step_key);
        if (uses == NULL)
            return false;
        *uses = 1;
    }
    return true;
}

/* Up to so many steps are looked through, before an index is asked. */
#define WFSI_FEW_STEPS 64

/* Whether no step of the run has that key, neither in a row nor new; false
 * without memory. */
static bool wfsi_key_is_new(const wfs_run *run, wfsi_handle key, bool *is_new)
{
    wfs_store *store = run->harness->store;
    wfsi_table *table = &store->tables[WFSI_STEPS];
    wfsi_index *index = &table->indexes[WFSI_STEP_BY_KEY];
    bool few = run->row_count <= WFSI_FEW_STEPS;
    uint64_t words[3];
    uint32_t i;

    for (i = few ? 0 : run->row_count; i < run->draft_count; i++)
        if (run->drafts[i].row->step_key == key)
            break;
    *is_new = i == run->draft_count;
    if (few || !*is_new)
        return true;
    if (!wfsi_map_build(store, table, index))
        return false;
    words[0] = run->instance_ref;
    words[1] = (uint64_t)run->instance.run_number;
    words[2] = key;
    *is_new = wfsi_key_find(store, table, index, words, NULL) == 0;
    return true;
}

/* How often a key without suffix was used so far, counting this use. Most are
 * new; a map of all is made for one that is not, or in a tick that adds more
 * than a few steps. 0 without memory. */
static uint32_t wfsi_uses_count(wfs_run *run, wfsi_handle base)
{
    uint32_t *uses;
    bool is_new = false;

    if (!run->uses_built) {
        if (run->draft_count - run->row_count < 8 &&
            !wfsi_key_is_new(run, base, &is_new))
            return 0;
        if (is_new)
            return 1;
        if (!wfsi_uses_build(run))
            return 0;
    }
    uses = wfsi_tick_map_put(run->arena, &run->uses, base);
    return uses != NULL ? ++*uses : 0;
}

/* The handle of the key that the step has this time: "#n" is appended for its
 * n-th further use. 0 without memory. */
static wfsi_handle wfsi_key_number(wfs_run *run, wfsi_handle base)
{
    uint32_t uses = wfsi_uses_count(run, base);
    wfsi_span text = wfsi_step_span(run, base);
    wfsi_buffer buffer;

    if (uses <= 1)
        return uses == 1 ? base : 0;
    wfsi_buffer_open(&buffer, run->arena);
    wfsi_buffer_put(&buffer, text.data, text.size);
    wfsi_buffer_char(&buffer, '#');
    wfsi_buffer_integer(&buffer, (int64_t)uses - 1);
    return buffer.failed ? 0
                         : wfsi_symbol(run->harness->store, buffer.data,
                                       buffer.size);
}

/* A map of all drafts, once a step comes out of order. */
static bool wfsi_drafts_index(wfs_run *run)
{
    uint32_t i, *number;

    if (!run->in_order)
        return true;
    for (i = 0; i < run->draft_count; i++) {
        number = wfsi_tick_map_put(run->arena, &run->by_key,
                                   run->drafts[i].row->step_key);
        if (number == NULL)
            return false;
        *number = i + 1;
    }
    run->in_order = false;
    return true;
}

/* The draft with a key, or NULL; *failed without memory. */
static wfsi_draft *wfsi_draft_find(wfs_run *run, wfsi_handle key, bool *failed)
{
    uint32_t *number;

    *failed = false;
    if (run->cursor < run->draft_count &&
        run->drafts[run->cursor].row->step_key == key)
        return &run->drafts[run->cursor++];
    if (run->in_order && run->cursor == run->draft_count)
        return NULL;    /* all of the history was reached already */
    *failed = !wfsi_drafts_index(run);
    number = *failed ? NULL : wfsi_tick_map_find(&run->by_key, key);
    if (number == NULL)
        return NULL;
    run->cursor = *number;
    return &run->drafts[*number - 1];
}

/* Room for one more draft. */
WFSI_APART
static bool wfsi_drafts_grow(wfs_run *run)
{
    uint32_t capacity = run->draft_capacity * 2;
    wfsi_draft *drafts = (wfsi_draft *)wfsi_arena_allocate(
        run->arena, capacity * sizeof *drafts);

    if (drafts == NULL)
        return false;
    memcpy(drafts, run->drafts, run->draft_count * sizeof *drafts);
    run->drafts = drafts;
    run->draft_capacity = capacity;
    return true;
}

/* The row of a step that was never reached before. */
static void wfsi_step_blank(const wfs_run *run, wfs_step_type type,
                            wfsi_step_row *row)
{
    *row = run->harness->blank_step;
    row->instance_ref = run->instance_ref;
    row->workflow_name = run->instance.workflow_name;
    row->instance_id = run->instance.instance_id;
    row->run_number = run->instance.run_number;
    row->type = run->harness->names.step_type[type];
}

/* A change of the draft with that number, with its row still to be filled;
 * NULL without memory. */
WFSI_INLINE wfsi_change *wfsi_change_new(wfs_run *run, uint32_t number)
{
    wfsi_change *change =
        (wfsi_change *)wfsi_arena_allocate(run->arena, sizeof *change);

    if (change == NULL)
        return NULL;
    change->dirty = false;
    change->next_dirty = NULL;
    change->number = number;
    change->result.data = change->error_message.data = NULL;
    return change;
}

/* A draft for a step that has no row; NULL without memory. */
static wfsi_draft *wfsi_draft_new(wfs_run *run, wfs_step_type type,
                                  wfsi_handle key, wfsi_handle name)
{
    wfsi_change *change = wfsi_change_new(run, run->draft_count);
    wfsi_draft *draft;
    uint32_t *number;

    if (change == NULL || (run->draft_count == run->draft_capacity &&
                           !wfsi_drafts_grow(run)))
        return NULL;
    wfsi_step_blank(run, type, &change->row);
    change->row.step_key = key;
    change->row.name = name;
    if (!run->in_order) {
        number = wfsi_tick_map_put(run->arena, &run->by_key, key);
        if (number == NULL)
            return NULL;
        *number = run->draft_count + 1;
    }
    draft = &run->drafts[run->draft_count];
    draft->row = &change->row;
    draft->change = change;
    draft->id = 0;
    run->cursor = ++run->draft_count;
    return draft;
}

/* Begin to change a draft. Steps are written in the order in which this was
 * first called for them. NULL without memory. */
WFSI_INLINE wfsi_change *wfsi_draft_edit(wfs_run *run, wfsi_draft *draft)
{
    wfsi_change *change = draft->change;

    if (change == NULL) {
        change = wfsi_change_new(run, (uint32_t)(draft - run->drafts));
        if (change == NULL) {
            wfsi_run_no_memory(run);
            return NULL;
        }
        change->row = *draft->row;
        draft->change = change;
        draft->row = &change->row;
    }
    if (!change->dirty) {
        change->dirty = true;
        *run->dirty_end = change;
        run->dirty_end = &change->next_dirty;
    }
    return change;
}

/* A step that is not the expected one: by its key, or new. */
static wfs_status wfsi_step_look_up(wfs_run *run, wfs_step_type type,
                                    wfsi_span name, wfsi_draft **draft,
                                    bool *is_new)
{
    wfsi_step_names names;
    wfsi_handle key;
    bool failed;

    WFS_TRY(wfsi_key_make(run, type, name, &names));
    key = wfsi_key_number(run, names.key);
    if (key == 0)
        return wfsi_run_no_memory(run);
    *draft = wfsi_draft_find(run, key, &failed);
    *is_new = *draft == NULL;
    if (*is_new && !failed)
        *draft = wfsi_draft_new(run, type, key, names.name);
    return *draft != NULL ? WFS_OK : wfsi_run_no_memory(run);
}

/* The step that the history has next, if that is the one and it is completed,
 * which most calls are for; else NULL, and nothing has happened. */
WFSI_INLINE wfsi_draft *wfsi_step_replay(wfs_run *run, wfs_step_type type,
                                         const char *name, size_t name_size)
{
    wfsi_draft *draft = &run->drafts[run->cursor];

    if (run->sticky != WFS_OK || run->uses_built || name == NULL ||
        run->cursor >= run->draft_count ||
        !wfsi_draft_is(run, draft, WFS_STEP_COMPLETED))
        return NULL;
    draft = wfsi_draft_expected(run, type, name, name_size);
    if (draft != NULL)
        draft->seen = true;
    return draft;
}

/* What every step call begins with: *draft is its draft, *is_new whether it
 * was reached for the first time. */
static wfs_status wfsi_step_enter(wfs_run *run, wfs_step_type type,
                                  const char *name, size_t name_size,
                                  wfsi_draft **draft, bool *is_new)
{
    if (!wfsi_run_may(run, "step", name, name_size))
        return run->sticky;
    if (name == NULL)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_ARGUMENT,
                            "workflow %s: the name of a %s step is NULL",
                            run->workflow->key, wfsi_step_type_names[type]));
    *is_new = false;
    *draft = run->uses_built
                 ? NULL
                 : wfsi_draft_expected(run, type, name, name_size);
    if (*draft == NULL)
        WFS_TRY(wfsi_step_look_up(run, type, wfsi_span_of(name, name_size),
                                  draft, is_new));
    (*draft)->seen = true;
    return WFS_OK;
}

/* --- what a step's row says */

/* The result of a completed step, read in place. */
WFSI_INLINE void wfsi_draft_value(wfs_run *run, const wfsi_draft *draft,
                                  const wfs_json **value)
{
    wfsi_span span = {NULL, 0};

    if (value == NULL)
        return;
    if (draft->change != NULL)
        span = draft->change->result;
    if (span.data == NULL)
        span = wfsi_step_span(run, draft->row->result);
    *value = span.data != NULL ? wfsi_json_raw(run->arena, span.data, span.size)
                               : NULL;
}

/* Throw the error that a step has failed with. */
static wfs_status wfsi_draft_throw(wfs_run *run, const wfsi_draft *draft)
{
    wfsi_span name = wfsi_step_span(run, draft->row->error_name);
    wfsi_span message = {NULL, 0};
    wfs_failure failure = wfsi_failure_unnamed();

    if (draft->change != NULL)
        message = draft->change->error_message;
    if (message.data == NULL)
        message = wfsi_step_span(run, draft->row->error_message);
    if (name.data != NULL) {
        failure.name = name.data;
        failure.name_size = name.size;
    }
    if (message.data != NULL) {
        failure.message = message.data;
        failure.message_size = message.size;
    }
    return wfsi_run_fail(run, &failure);
}

/* Forget all that an earlier attempt or wait left in the row. */
static void wfsi_change_reset(wfsi_change *change)
{
    wfsi_step_row *row = &change->row;

    WFSI_SET_HANDLE(step, row, result, 0);
    WFSI_SET_HANDLE(step, row, error_name, 0);
    WFSI_SET_HANDLE(step, row, error_message, 0);
    WFSI_SET_HANDLE(step, row, wait_event_type, 0);
    WFSI_SET_TIME(step, row, next_retry_at, WFS_NO_TIME);
    WFSI_SET_TIME(step, row, wake_at, WFS_NO_TIME);
    change->error_message.data = NULL;
    change->result.data = NULL;
}

static bool wfsi_change_set_error(wfs_run *run, wfsi_change *change)
{
    const wfs_failure *failure = &run->failure;
    wfsi_handle name = wfsi_symbol(run->harness->store, failure->name,
                                   failure->name_size);

    if (name == 0)
        return false;
    WFSI_SET_HANDLE(step, &change->row, error_name, name);
    change->error_message.data = failure->message;
    change->error_message.size = failure->message_size;
    return true;
}

/* Milliseconds of a duration in text, or the number. An invalid text is an
 * error of the workflow: WFS_FAILED. */
static wfs_status wfsi_run_duration(wfs_run *run, const char *text, double ms,
                                    double *result)
{
    wfs_error error;

    *result = ms;
    if (text == NULL || wfs_parse_duration(text, result, &error) == WFS_OK)
        return WFS_OK;
    return wfsi_run_fail_text(run, "Error", error.message, false);
}

/* --- do */

static bool wfsi_failure_is_final(const wfs_failure *failure)
{
    static const char final[] = "NonRetryableError";

    return failure->for_good ||
           (failure->name_size == sizeof final - 1 &&
            memcmp(failure->name, final, failure->name_size) == 0);
}

static double wfsi_retry_delay(const wfs_retries *retries, double delay,
                               int64_t attempts)
{
    int64_t i;

    if (retries->backoff == WFS_BACKOFF_LINEAR)
        return delay * (double)attempts;
    if (retries->backoff == WFS_BACKOFF_EXPONENTIAL)
        for (i = 1; i < attempts && i < 1024; i++)
            delay *= 2;
    return delay;
}

/* An attempt has failed: for good, or to be tried again. */
static wfs_status wfsi_do_failed(wfs_run *run, wfsi_change *change,
                                 const wfs_retries *retries)
{
    wfsi_step_row *row = &change->row;
    double delay;
    int64_t at;

    if (wfsi_failure_is_final(&run->failure) ||
        row->attempts >= row->max_attempts) {
        row->status = run->harness->names.step_status[WFS_STEP_ERRORED];
        return wfsi_change_set_error(run, change) ? WFS_FAILED
                                                  : wfsi_run_no_memory(run);
    }
    WFS_TRY(wfsi_run_duration(run, retries->delay, retries->delay_ms, &delay));
    if (!wfsi_change_set_error(run, change))
        return wfsi_run_no_memory(run);
    at = wfsi_time_add(run->harness->clock.now,
                       wfsi_retry_delay(retries, delay, row->attempts));
    WFSI_SET_TIME(step, row, next_retry_at, at);
    return wfsi_run_suspend(run, &run->drafts[change->number], at, true);
}

/* A nested step has suspended: so has this one. */
static wfs_status wfsi_do_suspended(wfs_run *run, wfsi_change *change)
{
    if (!run->resume_is_retry)
        WFSI_SET_TIME(step, &change->row, wake_at, run->resume_at);
    WFSI_SET_HANDLE(step, &change->row, wait_event_type, run->suspended_on);
    return WFS_SUSPENDED;
}

/* Drop what the body of a step has queued; what steps in it have queued stays.
 * queued: the first entry since it was called. */
static void wfsi_queue_drop(wfsi_queued *queued, uint32_t owner)
{
    for (; queued != NULL; queued = queued->next)
        if (queued->owner == owner)
            queued->dropped = true;
}

/* A function returned something that does not fit what its calls returned. */
WFSI_INLINE wfs_status wfsi_run_returned(wfs_run *run, wfs_status status,
                                         const char *kind, const char *name)
{
    wfs_error *error = wfsi_harness_error(run->harness);

    if (run->sticky == WFS_SUSPENDED && status != WFS_SUSPENDED)
        return wfsi_run_abort(
            run, wfsi_error(error, WFS_ERR_MISUSE,
                            "%s \"%s\" returned %s although step \"%s\" had "
                            "suspended the run; hand back what a step call "
                            "returns (WFS_TRY does)",
                            kind, name, wfs_status_name(status),
                            run->suspended_at));
    if (run->sticky != WFS_OK)
        return run->sticky;
    if (status == WFS_OK || status == WFS_FAILED)
        return status;
    if (status == WFS_SUSPENDED || status == WFS_DONE)
        return wfsi_run_abort(
            run, wfsi_error(error, WFS_ERR_MISUSE,
                            "%s \"%s\" returned %s although no step had "
                            "suspended the run",
                            kind, name, wfs_status_name(status)));
    if (error->code != status)
        wfsi_error(error, status, "%s \"%s\" returned %s", kind, name,
                   wfs_status_name(status));
    return wfsi_run_abort(run, status);
}

/* Run a body in the scope of its step; its value is left in *value. */
static wfs_status wfsi_body_call(wfs_run *run, uint32_t number,
                                 wfs_function body, void *user,
                                 wfsi_span *value)
{
    const char *name = wfsi_draft_name(run, &run->drafts[number]);
    uint32_t scope = run->scope;
    wfsi_span outer = run->value;
    wfs_status status;

    run->scope = number;
    run->value.data = NULL;
    wfsi_harness_error(run->harness)->code = WFS_OK;
    run->failure = wfsi_failure_unnamed();
    status = wfsi_run_returned(run, body(run, user), "the body of step", name);
    *value = run->value;
    run->value = outer;
    run->scope = scope;
    return status;
}

/* One attempt of a step. (Drafts move when a body adds steps; changes do
 * not.) */
static wfs_status wfsi_do_attempt(wfs_run *run, wfsi_change *change,
                                  wfs_function body, void *user,
                                  const wfs_retries *retries,
                                  const wfs_json **result)
{
    wfsi_queued **queued = run->queue_end;
    wfsi_span value = {NULL, 0};
    wfs_status status;

    change->row.attempts++;
    wfsi_change_reset(change);
    status = wfsi_body_call(run, change->number, body, user, &value);
    if (status != WFS_OK)
        wfsi_queue_drop(*queued, change->number);
    if (status == WFS_SUSPENDED)
        return wfsi_do_suspended(run, change);
    if (status == WFS_FAILED)
        return wfsi_do_failed(run, change, retries);
    if (status != WFS_OK)
        return status;
    change->row.status = run->harness->names.step_status[WFS_STEP_COMPLETED];
    change->result = value;
    wfsi_draft_value(run, &run->drafts[change->number], result);
    return WFS_OK;
}

/* A do step that is not simply replayed. */
WFSI_APART
static wfs_status wfsi_do(wfs_run *run, const char *name, wfs_function body,
                          void *user, const wfs_do_options *options,
                          const wfs_json **result)
{
    static const wfs_retries none = {0, NULL, 0, WFS_BACKOFF_CONSTANT};
    const wfs_retries *retries = options != NULL ? &options->retries : &none;
    wfsi_draft *draft = NULL;
    wfsi_change *change;
    bool is_new;

    if (result != NULL)
        *result = NULL;
    WFS_TRY(wfsi_step_enter(run, WFS_STEP_DO, name,
                            options != NULL ? options->name_size : 0, &draft,
                            &is_new));
    if (wfsi_draft_is(run, draft, WFS_STEP_COMPLETED)) {
        wfsi_draft_value(run, draft, result);
        return WFS_OK;
    }
    if (wfsi_draft_is(run, draft, WFS_STEP_ERRORED))
        return wfsi_draft_throw(run, draft);
    if (WFSI_GET_TIME(step, draft->row, next_retry_at) != WFS_NO_TIME &&
        run->reason != WFS_REASON_RETRY)
        return wfsi_run_suspend(run, draft, WFS_NO_TIME, true);
    if (body == NULL)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_ARGUMENT,
                            "workflow %s: the body of step \"%s\" is NULL",
                            run->workflow->key, wfsi_draft_name(run, draft)));
    change = wfsi_draft_edit(run, draft);
    if (change == NULL)
        return run->sticky;
    if (is_new)
        change->row.max_attempts =
            retries->limit + (retries->limit < INT64_MAX);
    return wfsi_do_attempt(run, change, body, user, retries, result);
}

wfs_status wfs_do(wfs_run *run, const char *name, wfs_function body, void *user,
                  const wfs_do_options *options, const wfs_json **result)
{
    const wfsi_draft *draft = wfsi_step_replay(
        run, WFS_STEP_DO, name, options != NULL ? options->name_size : 0);

    if (draft == NULL)
        return wfsi_do(run, name, body, user, options, result);
    wfsi_draft_value(run, draft, result);
    return WFS_OK;
}

/* --- sleep */

/* The time a sleep ends. */
static wfs_status wfsi_sleep_end(wfs_run *run, const wfs_sleep_options *options,
                                 int64_t *end)
{
    double ms;

    *end = options->until != WFS_NO_TIME ? options->until : WFS_NO_TIME + 1;
    if (options->has_until)
        return WFS_OK;
    WFS_TRY(wfsi_run_duration(run, options->duration, options->ms, &ms));
    *end = wfsi_time_add(run->harness->clock.now, ms);
    return WFS_OK;
}

/* A sleep that is not simply replayed. */
WFSI_APART
static wfs_status wfsi_sleep(wfs_run *run, const char *name,
                             const wfs_sleep_options *options)
{
    wfsi_draft *draft = NULL;
    wfsi_change *change;
    bool is_new;
    int64_t end = 0;

    WFS_TRY(wfsi_step_enter(run, WFS_STEP_SLEEP, name,
                            options != NULL ? options->name_size : 0, &draft,
                            &is_new));
    if (options == NULL)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_ARGUMENT,
                            "workflow %s: sleep \"%s\" has no duration",
                            run->workflow->key, wfsi_draft_name(run, draft)));
    if (wfsi_draft_is(run, draft, WFS_STEP_COMPLETED))
        return WFS_OK;
    if (is_new)
        WFS_TRY(wfsi_sleep_end(run, options, &end));
    else if (run->reason != WFS_REASON_WAKE)
        return wfsi_run_suspend(run, draft, WFS_NO_TIME, false);
    change = wfsi_draft_edit(run, draft);
    if (change == NULL)
        return run->sticky;
    WFSI_SET_TIME(step, &change->row, wake_at, is_new ? end : WFS_NO_TIME);
    if (is_new)
        return wfsi_run_suspend(run, draft, end, false);
    change->row.status = run->harness->names.step_status[WFS_STEP_COMPLETED];
    return WFS_OK;
}

wfs_status wfs_sleep_with(wfs_run *run, const char *name,
                          const wfs_sleep_options *options)
{
    if (options != NULL && wfsi_step_replay(run, WFS_STEP_SLEEP, name,
                                            options->name_size) != NULL)
        return WFS_OK;
    return wfsi_sleep(run, name, options);
}

wfs_status wfs_sleep(wfs_run *run, const char *name, const char *duration)
{
    wfs_sleep_options options;

    if (duration != NULL &&
        wfsi_step_replay(run, WFS_STEP_SLEEP, name, 0) != NULL)
        return WFS_OK;
    memset(&options, 0, sizeof options);
    options.duration = duration;
    return wfsi_sleep(run, name, duration != NULL ? &options : NULL);
}

wfs_status wfs_sleep_ms(wfs_run *run, const char *name, double ms)
{
    wfs_sleep_options options;

    memset(&options, 0, sizeof options);
    options.ms = ms;
    return wfs_sleep_with(run, name, &options);
}

wfs_status wfs_sleep_until(wfs_run *run, const char *name, int64_t time)
{
    wfs_sleep_options options;

    memset(&options, 0, sizeof options);
    options.has_until = true;
    options.until = time;
    return wfs_sleep_with(run, name, &options);
}

/* --- waitForEvent */

/* Up to so many events are looked through; more are chained by type. */
#define WFSI_FEW_EVENTS 8

/* The first event of the user's of a type that nothing has taken, as its number
 * + 1, or 0. */
static uint32_t wfsi_inbox_scan(const wfs_run *run, wfsi_handle type)
{
    wfsi_handle system = run->harness->names.actor[WFS_ACTOR_SYSTEM];
    uint32_t i;

    for (i = 0; i < run->inbox_count; i++)
        if (run->inbox[i].row.type == type && run->inbox[i].consumer == 0 &&
            run->inbox[i].row.actor != system)
            return i + 1;
    return 0;
}

/* The first event of a type that nothing has taken, and that came by the
 * deadline (WFS_NO_TIME: none); NULL when there is none. */
static wfsi_inbox *wfsi_inbox_find(wfs_run *run, const char *type,
                                   int64_t deadline)
{
    wfsi_handle handle;
    uint32_t number, *head = &number;
    wfsi_inbox *event;
    size_t size;

    if (run->inbox_count == 0)
        return NULL;
    size = strlen(type);
    handle = wfsi_symbol_find(run->harness->store, wfsi_symbol_hash(type, size),
                              type, size);
    if (run->inbox_count <= WFSI_FEW_EVENTS)
        number = wfsi_inbox_scan(run, handle);
    else
        head = wfsi_tick_map_find(&run->inbox_heads, handle);
    if (handle == 0 || head == NULL || *head == 0)
        return NULL;
    event = &run->inbox[*head - 1];
    if (deadline != WFS_NO_TIME && event->row.created_at > deadline)
        return NULL;
    *head = event->next_of_type;
    return event;
}

/* {"type", "payload", "timestamp"} as text. */
static bool wfsi_event_text(wfs_run *run, const wfsi_inbox *event,
                            wfsi_span *text)
{
    wfsi_span type = wfsi_step_span(run, event->row.type);
    wfsi_span payload = wfsi_step_span(run, event->row.payload);
    char time[WFS_TIME_TEXT_SIZE];
    wfsi_buffer buffer;

    wfsi_buffer_open(&buffer, run->arena);
    wfsi_buffer_reserve(&buffer, payload.size + type.size + 80);
    wfsi_buffer_literal(&buffer, "{\"type\":");
    wfsi_json_put_string(&buffer, type.data, type.size);
    wfsi_buffer_literal(&buffer, ",\"payload\":");
    if (payload.data != NULL)
        wfsi_buffer_put(&buffer, payload.data, payload.size);
    else
        wfsi_buffer_literal(&buffer, "null");
    wfsi_buffer_literal(&buffer, ",\"timestamp\":\"");
    wfsi_buffer_text(&buffer, wfs_format_time(event->row.created_at, time));
    wfsi_buffer_literal(&buffer, "\"}");
    text->data = wfsi_buffer_finish(&buffer);
    text->size = buffer.size;
    return text->data != NULL;
}

/* The wait takes an event: it is over, for whatever reason the tick runs. */
static wfs_status wfsi_wait_take(wfs_run *run, wfsi_draft *draft,
                                 wfsi_inbox *event, const wfs_json **result)
{
    wfsi_change *change = wfsi_draft_edit(run, draft);

    if (change == NULL || !wfsi_event_text(run, event, &change->result))
        return wfsi_run_no_memory(run);
    event->consumer = change->row.step_key;
    change->row.status = run->harness->names.step_status[WFS_STEP_COMPLETED];
    WFSI_SET_TIME(step, &change->row, wake_at, WFS_NO_TIME);
    WFSI_SET_HANDLE(step, &change->row, wait_event_type, event->row.type);
    wfsi_draft_value(run, draft, result);
    return WFS_OK;
}

/* A wait is reached for the first time, and no event is there. */
static wfs_status wfsi_wait_begin(wfs_run *run, wfsi_draft *draft,
                                  const wfs_wait_options *options)
{
    wfsi_change *change;
    wfsi_handle type;
    double ms = 0;
    bool forever = wfsi_text_empty(options->timeout) &&
                   (options->timeout != NULL || options->timeout_ms == 0);
    int64_t wake_at = WFS_NO_TIME;

    if (!forever) {
        WFS_TRY(wfsi_run_duration(run, options->timeout, options->timeout_ms,
                                  &ms));
        wake_at = wfsi_time_add(run->harness->clock.now, ms);
    }
    type = wfsi_symbol(run->harness->store, options->type,
                       strlen(options->type));
    change = wfsi_draft_edit(run, draft);
    if (type == 0 || change == NULL)
        return wfsi_run_no_memory(run);
    if (!forever)
        WFSI_SET_TIME(step, &change->row, timeout_ms, wfsi_time_add(0, ms));
    WFSI_SET_HANDLE(step, &change->row, wait_event_type, type);
    WFSI_SET_TIME(step, &change->row, wake_at, wake_at);
    return wfsi_run_suspend(run, draft, wake_at, false);
}

static wfs_status wfsi_wait_timed_out(wfs_run *run, wfsi_draft *draft)
{
    wfsi_change *change = wfsi_draft_edit(run, draft);

    wfsi_run_fail_text(run, "WaitForEventTimeoutError",
                       "WAIT_FOR_EVENT_TIMEOUT", false);
    if (change == NULL || !wfsi_change_set_error(run, change))
        return wfsi_run_no_memory(run);
    change->row.status = run->harness->names.step_status[WFS_STEP_ERRORED];
    WFSI_SET_TIME(step, &change->row, wake_at, WFS_NO_TIME);
    return WFS_FAILED;
}

wfs_status wfs_wait_for_event(wfs_run *run, const char *name,
                              const wfs_wait_options *options,
                              const wfs_json **event)
{
    wfsi_draft *draft = NULL;
    wfsi_inbox *taken;
    int64_t deadline;
    bool is_new;

    if (event != NULL)
        *event = NULL;
    WFS_TRY(wfsi_step_enter(run, WFS_STEP_WAIT_FOR_EVENT, name,
                            options != NULL ? options->name_size : 0, &draft,
                            &is_new));
    if (options == NULL || options->type == NULL)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_ARGUMENT,
                            "workflow %s: wait \"%s\" has no event type",
                            run->workflow->key, wfsi_draft_name(run, draft)));
    if (wfsi_draft_is(run, draft, WFS_STEP_COMPLETED)) {
        wfsi_draft_value(run, draft, event);
        return WFS_OK;
    }
    if (wfsi_draft_is(run, draft, WFS_STEP_ERRORED))
        return wfsi_draft_throw(run, draft);
    deadline = WFSI_GET_TIME(step, draft->row, wake_at);
    taken = wfsi_inbox_find(run, options->type, deadline);
    if (taken != NULL)
        return wfsi_wait_take(run, draft, taken, event);
    if (is_new)
        return wfsi_wait_begin(run, draft, options);
    if (run->reason == WFS_REASON_WAKE && deadline != WFS_NO_TIME)
        return wfsi_wait_timed_out(run, draft);
    return wfsi_run_suspend(run, draft, WFS_NO_TIME, false);
}

/* --- values and errors of the function that runs */

static bool wfsi_json_text_is_null(const char *text)
{
    while (wfsi_is_json_blank(*text))
        text++;
    return *text == 'n';
}

/* Checked JSON text as a span; null gives none. whose, what: "workflow order:
 * wfs_return_text", for the message. */
WFSI_INLINE wfs_status wfsi_json_span(const char *text,
                                      const wfs_limits *limits,
                                      const char *whose, const char *what,
                                      wfsi_span *span, wfs_error *error)
{
    wfs_error why;

    span->data = NULL;
    span->size = text != NULL ? strlen(text) : 0;
    if (text == NULL)
        return WFS_OK;
    if (!wfsi_json_check(text, span->size, limits, &why))
        return wfsi_error_in(error, &why, "%s: %s: %s", whose, what,
                             why.message);
    if (!wfsi_json_text_is_null(text))
        span->data = text;
    return WFS_OK;
}

/* A value as text that lives as long as the tick; null gives no text. */
static wfsi_span wfsi_value_span(wfs_run *run, const wfs_json *value)
{
    wfsi_span span = {NULL, 0};
    wfsi_buffer buffer;

    span.data = wfsi_json_raw_text(value, &span.size);
    if (span.data != NULL) {
        if (wfsi_json_text_is_null(span.data))
            span.data = NULL;
        else if (value->with.arena != run->arena)   /* else it is the tick's */
            span.data = wfsi_arena_text(run->arena, span.data, span.size);
        return span;
    }
    if (wfs_json_type_of(value) == WFS_JSON_NULL)
        return span;
    wfsi_buffer_open(&buffer, run->arena);
    wfsi_json_put(&buffer, value, WFSI_AS_IT_IS);
    span.data = wfsi_buffer_finish(&buffer);
    span.size = buffer.size;
    return span;
}

wfs_status wfs_return(wfs_run *run, const wfs_json *value)
{
    if (!wfsi_run_may(run, "wfs_return", NULL, 0))
        return run->sticky;
    run->value = wfsi_value_span(run, value);
    return run->arena->failed ? wfsi_run_no_memory(run) : WFS_OK;
}

wfs_status wfs_return_text(wfs_run *run, const char *json)
{
    wfs_status status;

    if (!wfsi_run_may(run, "wfs_return_text", NULL, 0))
        return run->sticky;
    status = wfsi_json_span(json, &run->harness->limits, run->workflow->key,
                            "wfs_return_text", &run->value,
                            wfsi_harness_error(run->harness));
    if (status != WFS_OK)
        return wfsi_run_abort(run, status);
    if (run->value.data != NULL)
        run->value.data = wfsi_arena_text(run->arena, json, run->value.size);
    return run->arena->failed ? wfsi_run_no_memory(run) : WFS_OK;
}

wfs_status wfs_fail_with(wfs_run *run, const wfs_failure *failure)
{
    wfs_failure given = wfsi_failure_unnamed();

    if (failure == NULL)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_ARGUMENT,
                            "workflow %s: wfs_fail_with has no failure",
                            run->workflow->key));
    if (!wfsi_run_may(run, "wfs_fail", failure->name, failure->name_size))
        return run->sticky;
    given.for_good = failure->for_good;
    if (failure->name != NULL) {
        given.name = failure->name;
        given.name_size = failure->name_size;
    }
    if (failure->message != NULL) {
        given.message = failure->message;
        given.message_size = failure->message_size;
    }
    return wfsi_run_fail(run, &given);
}

wfs_status wfs_fail(wfs_run *run, const char *name, const char *message)
{
    if (!wfsi_run_may(run, "wfs_fail", name, 0))
        return run->sticky;
    return wfsi_run_fail_text(run, name, message, false);
}

wfs_status wfs_fail_for_good(wfs_run *run, const char *name,
                             const char *message)
{
    if (!wfsi_run_may(run, "wfs_fail_for_good", name, 0))
        return run->sticky;
    return wfsi_run_fail_text(run, name, message, true);
}

const wfs_failure *wfs_run_error(const wfs_run *run)
{
    return &run->failure;
}

/* --- what is known of the run */

const wfs_json *wfs_params(wfs_run *run)
{
    wfsi_span params = wfsi_step_span(run, run->instance.params);

    return params.data != NULL
               ? wfsi_json_raw(run->arena, params.data, params.size)
               : NULL;
}

const char *wfs_instance_id(const wfs_run *run)
{
    return wfsi_text(run->harness->store, run->instance.instance_id, NULL);
}

int64_t wfs_created_at(const wfs_run *run)
{
    return run->instance.created_at;
}

int64_t wfs_run_number(const wfs_run *run)
{
    return run->instance.run_number;
}

int64_t wfs_attempt(const wfs_run *run)
{
    return run->scope != WFSI_NO_DRAFT ? run->drafts[run->scope].row->attempts
                                       : 0;
}

/* What is different in every replay may be asked for in a body only. */
static void wfsi_run_needs_body(wfs_run *run, const char *call)
{
    if (run->scope == WFSI_NO_DRAFT && wfsi_run_misused(run))
        wfsi_error(run->misuse, WFS_ERR_MISUSE,
                   "workflow %s: %s outside of a do step's body is different "
                   "in every replay",
                   run->workflow->key, call);
}

int64_t wfs_now(wfs_run *run)
{
    wfsi_run_needs_body(run, "wfs_now");
    return run->harness->clock.now;
}

wfs_random *wfs_run_random(wfs_run *run)
{
    wfsi_run_needs_body(run, "wfs_run_random");
    return &run->harness->random;
}

wfs_arena *wfs_run_arena(wfs_run *run)
{
    return run->arena;
}

wfs_harness *wfs_run_harness(wfs_run *run)
{
    return run->harness;
}

wfs_status wfs_fetch(wfs_run *run, const char *test_id,
                     const wfs_http_request *request,
                     wfs_http_response *response)
{
    wfs_mock_client client;
    wfs_status status;
    wfs_error error;

    if (!wfsi_run_may(run, "wfs_fetch", request->url, 0))
        return run->sticky;
    if (run->scope == WFSI_NO_DRAFT || run->harness->mocks == NULL)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_MISUSE,
                            "workflow %s: wfs_fetch needs a harness with "
                            "mocks, and the body of a do step",
                            run->workflow->key));
    client.mocks = run->harness->mocks;
    client.test_id = test_id;
    client.keep_clock = false;
    status = wfsi_mock_send(request, run->arena, response, &error, &client);
    if (status == WFS_ERR_NO_MEMORY)
        return wfsi_run_no_memory(run);
    return status == WFS_OK ? WFS_OK
                            : wfsi_run_fail_text(run, wfs_status_name(status),
                                                 error.message, false);
}

/* --- queued writes */

/* A copy of fields in the tick's arena; NULL without memory. */
static wfs_field *wfsi_fields_copy(wfs_arena *arena, const wfs_field *fields)
{
    wfs_field *copy;
    size_t i, count = 0;

    while (fields != NULL && fields[count].column != NULL)
        count++;
    copy = (wfs_field *)wfsi_arena_zeroed(arena, (count + 1) * sizeof *copy);
    for (i = 0; copy != NULL && i < count; i++) {
        copy[i] = fields[i];
        copy[i].column = wfsi_arena_text(arena, fields[i].column,
                                         strlen(fields[i].column));
        if (fields[i].value.text != NULL)
            copy[i].value.text = wfsi_arena_text(arena, fields[i].value.text,
                                                 fields[i].value.size);
    }
    return arena->failed ? NULL : copy;
}

/* A new entry of the queue, owned by the step whose body runs. */
static wfs_status wfsi_queue_add(wfs_run *run, wfsi_queued_kind kind,
                                 wfsi_queued **queued)
{
    if (!wfsi_run_may(run, "a queued write", NULL, 0))
        return run->sticky;
    if (run->scope == WFSI_NO_DRAFT)
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_MISUSE,
                            "workflow %s: writes can be queued only in the "
                            "body of a do step",
                            run->workflow->key));
    *queued = (wfsi_queued *)wfsi_arena_zeroed(run->arena, sizeof **queued);
    if (*queued == NULL)
        return wfsi_run_no_memory(run);
    (*queued)->kind = kind;
    (*queued)->owner = run->scope;
    *run->queue_end = *queued;
    run->queue_end = &(*queued)->next;
    return WFS_OK;
}

static wfs_status wfsi_queue_write(wfs_run *run, wfsi_queued_kind kind,
                                   const char *table, wfs_row_id id,
                                   uint32_t version, const wfs_field *fields)
{
    wfsi_queued *queued;
    uint32_t number;
    wfs_status status =
        wfsi_table_to_write(run->harness->store, table, &number);

    if (status != WFS_OK)
        return wfsi_run_abort(run, status);
    WFS_TRY(wfsi_queue_add(run, kind, &queued));
    queued->table = number;
    queued->id = id;
    queued->version = version;
    queued->fields = wfsi_fields_copy(run->arena, fields);
    return queued->fields != NULL ? WFS_OK : wfsi_run_no_memory(run);
}

wfs_status wfs_queue_insert(wfs_run *run, const char *table,
                            const wfs_field *fields)
{
    return wfsi_queue_write(run, WFSI_QUEUED_INSERT, table, 0, 0, fields);
}

wfs_status wfs_queue_update(wfs_run *run, const char *table, wfs_row_id id,
                            uint32_t version, const wfs_field *fields)
{
    return wfsi_queue_write(run, WFSI_QUEUED_UPDATE, table, id, version,
                            fields);
}

wfs_status wfs_queue_delete(wfs_run *run, const char *table, wfs_row_id id,
                            uint32_t version)
{
    return wfsi_queue_write(run, WFSI_QUEUED_DELETE, table, id, version, NULL);
}

wfs_status wfs_queue_hook(wfs_run *run, const char *hook_name,
                          const wfs_json *payload)
{
    wfsi_queued *queued;

    WFS_TRY(wfsi_queue_add(run, WFSI_QUEUED_HOOK, &queued));
    if (wfsi_text_empty(hook_name))
        return wfsi_run_abort(
            run, wfsi_error(wfsi_harness_error(run->harness), WFS_ERR_ARGUMENT,
                            "a queued hook has no name"));
    queued->payload = wfsi_value_span(run, payload);
    queued->hook_name.size = strlen(hook_name);
    queued->hook_name.data =
        wfsi_arena_text(run->arena, hook_name, queued->hook_name.size);
    return run->arena->failed ? wfsi_run_no_memory(run) : WFS_OK;
}

/* --- phase 1: retrieve */

static bool wfsi_retrieve_steps(wfs_run *run)
{
    const wfsi_table *table = &run->harness->store->tables[WFSI_STEPS];
    wfs_row_id id = wfsi_run_first(run->harness, WFSI_STEPS, run->instance_ref,
                                   run->instance.run_number);
    const wfsi_step_row *row;
    wfsi_draft *draft;

    for (; id != 0; id = row->of_instance.next) {
        if (run->draft_count == run->draft_capacity && !wfsi_drafts_grow(run))
            return false;
        row = (const wfsi_step_row *)(void *)wfsi_row_at(table, id);
        draft = &run->drafts[run->draft_count++];
        draft->row = row;
        draft->change = NULL;
        draft->id = id;
        draft->seen = false;
    }
    run->row_count = run->draft_count;
    return true;
}

/* Copy the rows, because others may write to them while the tick is open. */
static bool wfsi_drafts_keep(wfs_run *run)
{
    wfsi_step_row *rows = (wfsi_step_row *)wfsi_arena_allocate(
        run->arena, run->row_count * sizeof *rows);
    uint32_t i;

    for (i = 0; rows != NULL && i < run->row_count; i++) {
        rows[i] = *run->drafts[i].row;
        run->drafts[i].row = &rows[i];
    }
    return rows != NULL;
}

/* Merge sort by created_at: equal times keep the order of their ids. The
 * items are sorted in place with as much room beside them. */
WFSI_APART
static void wfsi_inbox_sort(wfsi_inbox *items, wfsi_inbox *room, uint32_t count)
{
    uint32_t left = 0, middle = count / 2, right = middle, to = 0;

    if (count < 2)
        return;
    wfsi_inbox_sort(items, room, middle);
    wfsi_inbox_sort(items + middle, room, count - middle);
    while (left < middle || right < count) {
        if (right == count ||
            (left < middle && items[left].row.created_at <=
                                  items[right].row.created_at))
            room[to++] = items[left++];
        else
            room[to++] = items[right++];
    }
    memcpy(items, room, count * sizeof *items);
}

/* Chain the events of each type, first to last, if there are many; pauses of
 * the system stand apart. */
static bool wfsi_inbox_index(wfs_run *run)
{
    const wfsi_names *names = &run->harness->names;
    uint32_t i, *head;

    for (i = run->inbox_count; i > 0; i--) {
        if (run->inbox[i - 1].row.actor == names->actor[WFS_ACTOR_SYSTEM]) {
            if (run->inbox[i - 1].row.type == names->type_pause)
                run->pause_pending = true;
            continue;
        }
        if (run->inbox_count <= WFSI_FEW_EVENTS)
            continue;
        head = wfsi_tick_map_put(run->arena, &run->inbox_heads,
                                 run->inbox[i - 1].row.type);
        if (head == NULL)
            return false;
        run->inbox[i - 1].next_of_type = *head;
        *head = i;
    }
    return true;
}

static bool wfsi_retrieve_events(wfs_run *run)
{
    wfs_harness *harness = run->harness;
    wfs_row_id id, first = wfsi_run_first(harness, WFSI_EVENTS,
                                          run->instance_ref,
                                          run->instance.run_number);
    uint32_t count = 0;
    bool sorted = true;
    wfsi_inbox *event, *room;
    const wfsi_event_row *row;

    run->next_event = harness->store->tables[WFSI_EVENTS].next_id;
    run->last_event = wfsi_last_event(harness, run->instance_ref);
    if (first == 0)
        return true;
    for (id = first; id != 0; id = wfsi_event_at(harness, id)->of_instance.next)
        count += wfsi_event_at(harness, id)->consumed_by_step_key == 0;
    run->inbox = (wfsi_inbox *)wfsi_arena_allocate(
        run->arena, (size_t)count * 2 * sizeof *run->inbox);
    if (run->inbox == NULL)
        return false;
    room = run->inbox + count;
    for (id = first; id != 0; id = row->of_instance.next) {
        row = wfsi_event_at(harness, id);
        if (row->consumed_by_step_key != 0)
            continue;
        event = &run->inbox[run->inbox_count++];
        event->row = *row;
        event->id = id;
        event->next_of_type = 0;
        event->consumer = 0;
        if (event > run->inbox && event[-1].row.created_at > row->created_at)
            sorted = false;
    }
    if (!sorted)
        wfsi_inbox_sort(run->inbox, room, count);
    return wfsi_inbox_index(run);
}

WFSI_INLINE const wfs_workflow *wfsi_workflow_of(const wfs_harness *harness,
                                                 wfsi_handle name)
{
    size_t i;

    for (i = 0; i < wfsi_array_count(harness->workflow_names); i++)
        if (harness->workflow_names[i] == name)
            return &harness->workflows[i];
    return NULL;
}

/* A tick from the spare ones, or a new one; NULL without memory. */
WFSI_INLINE wfs_open_tick *wfsi_tick_take(wfs_harness *harness)
{
    static const wfsi_tick_map no_map = {NULL, 0, 0};
    wfs_open_tick *tick = harness->spare;

    if (tick != NULL) {
        harness->spare = tick->next;
    } else {
        tick = (wfs_open_tick *)wfsi_allocate(&harness->allocator,
                                              sizeof *tick);
        if (tick == NULL)
            return NULL;
        wfsi_arena_open(&tick->arena, &harness->allocator);
    }
    memset((char *)&tick->run + offsetof(wfs_run, instance_ref), 0,
           offsetof(wfs_run, by_key) - offsetof(wfs_run, instance_ref));
    tick->run.by_key = tick->run.uses = tick->run.inbox_heads = no_map;
    tick->run.random_before = tick->run.random_after = harness->random;
    tick->run.drafts = tick->run.first_drafts;
    tick->run.draft_capacity = WFSI_COUNT(tick->run.first_drafts);
    tick->phase = WFSI_PHASE_RETRIEVED;
    tick->run.harness = harness;
    tick->run.arena = &tick->arena;
    tick->run.in_order = true;
    tick->run.scope = WFSI_NO_DRAFT;
    tick->run.queue_end = &tick->run.queue;
    tick->run.dirty_end = &tick->run.dirty;
    tick->run.due = tick->run.resume_at = WFS_NO_TIME;
    tick->run.failure = wfsi_failure_unnamed();
    tick->run.reader = &tick->reader;
    wfsi_reader_open(harness->store, &tick->reader);
    harness->open_ticks++;
    return tick;
}

WFSI_INLINE void wfsi_tick_give_back(wfs_open_tick *tick)
{
    wfs_harness *harness = tick->run.harness;

    wfsi_arena_clear(&tick->arena);
    tick->next = harness->spare;
    harness->spare = tick;
    harness->open_ticks--;
    wfsi_reader_close(harness->store, &tick->reader);
}

/* Read what the tick needs. An instance that is not there, or in another run,
 * leaves nothing to do. */
static wfs_status wfsi_tick_retrieve(wfs_harness *harness, wfs_row_id ref,
                                     int64_t run_number, wfs_reason reason,
                                     int64_t timestamp, wfs_open_tick **out)
{
    const wfsi_instance_row *instance;
    wfs_open_tick *tick;
    wfs_run *run;

    *out = NULL;
    tick = wfsi_tick_take(harness);
    if (tick == NULL)
        return wfsi_harness_no_memory(harness);
    run = &tick->run;
    run->reason = reason;
    run->timestamp = timestamp;
    instance = (const wfsi_instance_row *)(void *)wfsi_row_find(
        &harness->store->tables[WFSI_INSTANCES], ref);
    if (instance != NULL && instance->run_number == run_number) {
        run->instance_ref = ref;
        run->instance = *instance;
        run->workflow = wfsi_workflow_of(harness, instance->workflow_name);
        if (!wfsi_retrieve_events(run) || !wfsi_retrieve_steps(run)) {
            wfsi_tick_give_back(tick);
            return wfsi_harness_no_memory(harness);
        }
    }
    *out = tick;
    return WFS_OK;
}

/* --- phase 2: plan */

/* A wake or retry tick must not come before the earliest time that a waiting
 * step is due; WFS_NO_TIME when it may run. */
static int64_t wfsi_gate(const wfs_run *run)
{
    bool is_retry = run->reason == WFS_REASON_RETRY;
    int64_t due = WFS_NO_TIME, time;
    wfsi_handle waiting = run->harness->names.step_status[WFS_STEP_WAITING];
    const wfsi_step_row *row;
    uint32_t i;

    if (run->reason != WFS_REASON_WAKE && !is_retry)
        return WFS_NO_TIME;
    for (i = 0; i < run->draft_count; i++) {
        row = run->drafts[i].row;
        if (row->status != waiting)
            continue;
        time = is_retry ? WFSI_GET_TIME(step, row, next_retry_at)
                        : WFSI_GET_TIME(step, row, wake_at);
        if (time != WFS_NO_TIME && (due == WFS_NO_TIME || time < due))
            due = time;
    }
    return due != WFS_NO_TIME && run->timestamp < due ? due : WFS_NO_TIME;
}

/* The workflow's own check of its output: a refusal is an error of the run. */
static wfs_status wfsi_check_output(wfs_run *run)
{
    const char *reason;

    if (run->workflow->validate_output == NULL)
        return WFS_OK;
    reason = run->workflow->validate_output(
        wfsi_json_raw(run->arena, run->value.data, run->value.size),
        run->workflow->user);
    return reason == NULL ? WFS_OK
                          : wfsi_run_fail_text(run, "WORKFLOW_OUTPUT_INVALID",
                                               reason, false);
}

/* Run the workflow function. */
static wfs_status wfsi_replay(wfs_run *run)
{
    wfs_error *error = wfsi_harness_error(run->harness);
    size_t floor = wfsi_guard(run->harness->store);
    wfs_status status;

    error->code = WFS_OK;
    run->random_before = run->harness->random;
    status = run->workflow->run(run, run->workflow->user);
    status = wfsi_run_returned(run, status, "workflow", run->workflow->key);
    if (status == WFS_OK)
        status = wfsi_check_output(run);
    status = wfsi_unguard(run->harness->store, floor, status);
    run->random_after = run->harness->random;
    if (run->arena->failed)
        return wfsi_no_memory(error);
    if (run->misuse != NULL &&
        (status == WFS_OK || status == WFS_FAILED || status == WFS_SUSPENDED ||
         status == WFS_ERR_MISUSE)) {
        *error = *run->misuse;
        return WFS_ERR_MISUSE;
    }
    if (status == WFS_OK)
        run->outcome = WFSI_OUTCOME_COMPLETE;
    else if (status == WFS_FAILED)
        run->outcome = WFSI_OUTCOME_ERRORED;
    else if (status == WFS_SUSPENDED)
        run->outcome = WFSI_OUTCOME_WAITING;
    else
        return status;
    return WFS_OK;
}

static wfs_status wfsi_tick_plan(wfs_run *run)
{
    const wfsi_names *names = &run->harness->names;
    wfsi_handle status = run->instance.status;
    wfs_status result;

    if (run->instance_ref == 0 || run->reader->stale)
        return WFS_OK;
    if (wfsi_status_is_terminal(names, status) ||
        status == names->instance_status[WFS_INSTANCE_PAUSED]) {
        if (run->pause_pending)
            run->outcome = WFSI_OUTCOME_CONSUME_PAUSES;
        return WFS_OK;
    }
    if (run->pause_pending) {
        run->outcome = WFSI_OUTCOME_PAUSE;
        return WFS_OK;
    }
    run->due = wfsi_gate(run);
    if (run->due != WFS_NO_TIME) {
        run->outcome = WFSI_OUTCOME_TOO_EARLY;
        return WFS_OK;
    }
    result = wfsi_replay(run);
    return result == WFS_OK ? WFS_OK
                            : wfsi_run_blame(run, result, "instance",
                                             wfs_instance_id(run));
}

/* --- phase 3: commit */

/* Whether what was read is still so: the instance, and that no event came. */
WFSI_INLINE bool wfsi_tick_is_current(const wfs_run *run)
{
    const wfs_harness *harness = run->harness;
    const char *row = wfsi_row_find(&harness->store->tables[WFSI_INSTANCES],
                                    run->instance_ref);

    if (run->reader->stale || row == NULL ||
        wfsi_row_version(row) != run->instance.version)
        return false;
    if (harness->store->tables[WFSI_EVENTS].next_id == run->next_event)
        return true;
    return wfsi_last_event(harness, run->instance_ref) == run->last_event;
}

/* Texts of a change into the row that is written. */
WFSI_INLINE bool wfsi_change_texts(wfs_store *store, const wfsi_change *change,
                                   wfsi_step_row *row)
{
    wfsi_handle handle;

    if (change->result.data != NULL) {
        handle =
            wfsi_text_keep(store, change->result.data, change->result.size);
        WFSI_SET_HANDLE(step, row, result, handle);
        if (handle == 0)
            return false;
    }
    if (change->error_message.data != NULL) {
        handle = wfsi_text_keep(store, change->error_message.data,
                                change->error_message.size);
        WFSI_SET_HANDLE(step, row, error_message, handle);
        if (handle == 0)
            return false;
    }
    return true;
}

static wfs_status wfsi_commit_new_step(wfs_run *run, const wfsi_change *change)
{
    wfs_store *store = run->harness->store;
    wfsi_table *table = &store->tables[WFSI_STEPS];
    wfsi_step_row *row = (wfsi_step_row *)(void *)wfsi_row_new(store, table);

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    *row = change->row;
    row->created_at = row->updated_at = run->harness->clock.now;
    if (wfsi_change_texts(store, change, row))
        return wfsi_row_insert(store, WFSI_STEPS, row, NULL);
    wfsi_row_free_texts(store, table, (char *)row, NULL);
    return wfsi_no_memory(&store->error);
}

static wfs_status wfsi_commit_old_step(wfs_run *run, const wfsi_change *change,
                                       wfs_row_id id)
{
    wfs_store *store = run->harness->store;
    wfsi_table *table = &store->tables[WFSI_STEPS];
    wfsi_step_row *row;
    wfsi_link of_instance;

    WFS_TRY(wfsi_row_of(store, WFSI_STEPS, id, change->row.version));
    row = (wfsi_step_row *)(void *)wfsi_row_edit(store, WFSI_STEPS, id);
    if (row == NULL)
        return wfsi_no_memory(&store->error);
    of_instance = row->of_instance;
    *row = change->row;
    row->of_instance = of_instance;
    row->updated_at = run->harness->clock.now;
    if (wfsi_change_texts(store, change, row))
        return wfsi_row_changed(store, WFSI_STEPS, id);
    wfsi_row_reset(store, table, (char *)row);
    return wfsi_no_memory(&store->error);
}

static wfs_status wfsi_commit_steps(wfs_run *run)
{
    const wfsi_change *change;
    wfs_row_id id;

    for (change = run->dirty; change != NULL; change = change->next_dirty) {
        id = run->drafts[change->number].id;
        WFS_TRY(id == 0 ? wfsi_commit_new_step(run, change)
                        : wfsi_commit_old_step(run, change, id));
    }
    return WFS_OK;
}

/* Mark the events that were taken, or with a consumer given all pauses. */
static wfs_status wfsi_commit_events(wfs_run *run, wfsi_handle pauses)
{
    wfs_store *store = run->harness->store;
    wfsi_event_row *row;
    wfsi_inbox *event;
    uint32_t i;

    for (i = 0; i < run->inbox_count; i++) {
        event = &run->inbox[i];
        if (pauses != 0 &&
            event->row.actor == run->harness->names.actor[WFS_ACTOR_SYSTEM] &&
            event->row.type == run->harness->names.type_pause)
            event->consumer = pauses;
        if (event->consumer == 0)
            continue;
        WFS_TRY(wfsi_row_of(store, WFSI_EVENTS, event->id, event->row.version));
        row = (wfsi_event_row *)(void *)wfsi_row_edit(store, WFSI_EVENTS,
                                                      event->id);
        if (row == NULL)
            return wfsi_no_memory(&store->error);
        WFSI_SET_TIME(event, row, delivered_at, run->harness->clock.now);
        WFSI_SET_HANDLE(event, row, consumed_by_step_key, event->consumer);
        WFS_TRY(wfsi_row_changed(store, WFSI_EVENTS, event->id));
    }
    return WFS_OK;
}

/* The rows that queued writes are for are in the versions that were read;
 * asked before any is written, because several may be for one row. */
static wfs_status wfsi_check_queue(wfs_run *run)
{
    const wfsi_queued *queued;

    for (queued = run->queue; queued != NULL; queued = queued->next)
        if (!queued->dropped && queued->version != 0)
            WFS_TRY(wfsi_row_of(run->harness->store, queued->table, queued->id,
                                queued->version));
    return WFS_OK;
}

static wfs_status wfsi_commit_queued(wfs_harness *harness,
                                     const wfsi_queued *queued)
{
    wfs_store *store = harness->store;

    if (queued->kind == WFSI_QUEUED_HOOK)
        return wfsi_hook_trigger(harness, queued->hook_name, queued->payload);
    if (queued->kind == WFSI_QUEUED_INSERT)
        return wfsi_insert(store, queued->table, queued->fields, NULL);
    WFS_TRY(wfsi_row_of(store, queued->table, queued->id, 0));
    return queued->kind == WFSI_QUEUED_UPDATE
               ? wfsi_update(store, queued->table, queued->id, queued->fields)
               : wfsi_row_delete(store, queued->table, queued->id);
}

WFSI_APART
static wfs_status wfsi_commit_queue(wfs_run *run)
{
    const wfsi_queued *queued;
    wfs_status status;

    for (queued = run->queue; queued != NULL; queued = queued->next) {
        if (queued->dropped)
            continue;
        status = wfsi_commit_queued(run->harness, queued);
        if (status != WFS_OK)
            return wfsi_run_blame(
                run, status, "step",
                wfsi_draft_name(run, &run->drafts[queued->owner]));
    }
    return WFS_OK;
}

/* The instance's row after the program ran. */
static bool wfsi_outcome_write(wfs_run *run, wfsi_instance_row *row)
{
    const wfsi_names *names = &run->harness->names;
    wfs_store *store = run->harness->store;
    wfs_instance_status status = WFS_INSTANCE_WAITING;
    wfsi_handle output = 0, name = 0, message = 0;
    bool waits = run->outcome == WFSI_OUTCOME_WAITING;

    if (run->outcome == WFSI_OUTCOME_COMPLETE) {
        status = WFS_INSTANCE_COMPLETE;
        if (run->value.data != NULL) {
            output = wfsi_text_keep(store, run->value.data, run->value.size);
            WFSI_SET_HANDLE(instance, row, output, output);
            if (output == 0)
                return false;
        }
    } else if (!waits) {
        status = WFS_INSTANCE_ERRORED;
        name = wfsi_symbol(store, run->failure.name, run->failure.name_size);
        message = wfsi_text_keep(store, run->failure.message,
                                 run->failure.message_size);
        WFSI_SET_HANDLE(instance, row, error_name, name);
        WFSI_SET_HANDLE(instance, row, error_message, message);
        if (name == 0 || message == 0)
            return false;
    }
    row->status = names->instance_status[status];
    row->updated_at = run->harness->clock.now;
    if (WFSI_GET_TIME(instance, row, started_at) == WFS_NO_TIME)
        WFSI_SET_TIME(instance, row, started_at, run->harness->clock.now);
    if (!waits)
        WFSI_SET_TIME(instance, row, completed_at, run->harness->clock.now);
    return true;
}

static wfs_status wfsi_commit_instance(wfs_run *run)
{
    wfs_store *store = run->harness->store;
    wfsi_instance_row *row = (wfsi_instance_row *)(void *)wfsi_row_edit(
        store, WFSI_INSTANCES, run->instance_ref);

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    if (wfsi_outcome_write(run, row))
        return wfsi_row_changed(store, WFSI_INSTANCES, run->instance_ref);
    wfsi_row_reset(store, &store->tables[WFSI_INSTANCES], (char *)row);
    return wfsi_no_memory(&store->error);
}

/* The program ran: its steps, events, queued writes, outcome and next hook. */
static wfs_status wfsi_commit_replay(wfs_run *run)
{
    WFS_TRY(wfsi_check_queue(run));
    WFS_TRY(wfsi_commit_steps(run));
    WFS_TRY(wfsi_commit_events(run, 0));
    WFS_TRY(wfsi_commit_queue(run));
    WFS_TRY(wfsi_commit_instance(run));
    if (run->outcome != WFSI_OUTCOME_WAITING || run->resume_at == WFS_NO_TIME)
        return WFS_OK;
    return wfsi_hook_enqueue(run->harness, run->instance_ref, &run->instance,
                             run->resume_is_retry ? WFS_REASON_RETRY
                                                  : WFS_REASON_WAKE,
                             run->resume_at);
}

static wfs_status wfsi_commit_pause(wfs_run *run)
{
    wfs_store *store = run->harness->store;
    wfsi_instance_row *row = (wfsi_instance_row *)(void *)wfsi_row_edit(
        store, WFSI_INSTANCES, run->instance_ref);

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    row->status = run->harness->names.instance_status[WFS_INSTANCE_PAUSED];
    row->pause_requested = 1;
    row->updated_at = run->harness->clock.now;
    WFS_TRY(wfsi_row_changed(store, WFSI_INSTANCES, run->instance_ref));
    return wfsi_commit_events(run, run->harness->names.consumed_by_system);
}

static wfs_status wfsi_commit_outcome(wfs_run *run)
{
    switch (run->outcome) {
    case WFSI_OUTCOME_NONE:
        return WFS_OK;
    case WFSI_OUTCOME_CONSUME_PAUSES:
        return wfsi_commit_events(run, run->harness->names.consumed_by_system);
    case WFSI_OUTCOME_PAUSE:
        return wfsi_commit_pause(run);
    case WFSI_OUTCOME_TOO_EARLY:
        return wfsi_hook_enqueue(run->harness, run->instance_ref,
                                 &run->instance, run->reason, run->due);
    default:
        return wfsi_commit_replay(run);
    }
}

/* What a tick that failed or lost drew from the random source is put back,
 * unless something else drew from it since. */
static void wfsi_random_restore(wfs_run *run)
{
    if (run->harness->random.state == run->random_after.state &&
        run->random_after.state != run->random_before.state)
        run->harness->random = run->random_before;
}

/* In a transaction that the caller has begun, and rolls back on an error; also
 * when the tick has lost, unless it was not held open: then it has not written
 * anything. */
static wfs_status wfsi_tick_commit(wfs_run *run, int *processed)
{
    wfs_status status;

    *processed = 0;
    if (run->outcome == WFSI_OUTCOME_NONE)
        return WFS_OK;
    status = wfsi_tick_is_current(run) ? wfsi_commit_outcome(run)
                                       : WFS_ERR_CONFLICT;
    if (status == WFS_OK) {
        *processed = 1;
        return WFS_OK;
    }
    wfsi_random_restore(run);
    run->lost = status == WFS_ERR_CONFLICT;
    return run->lost ? WFS_OK
                     : wfsi_run_blame(run, status, "instance",
                                      wfs_instance_id(run));
}

/* All three phases at once, in a transaction as above. *lost: another one was
 * first. */
static wfs_status wfsi_tick(wfs_harness *harness, wfs_row_id ref,
                            int64_t run_number, wfs_reason reason,
                            int64_t timestamp, int *processed, bool *lost)
{
    wfs_open_tick *tick;
    wfs_status status;

    *processed = 0;
    *lost = false;
    WFS_TRY(wfsi_tick_retrieve(harness, ref, run_number, reason, timestamp,
                               &tick));
    status = wfsi_tick_plan(&tick->run);
    if (status == WFS_OK)
        status = wfsi_tick_commit(&tick->run, processed);
    else
        wfsi_random_restore(&tick->run);
    *lost = tick->run.lost;
    wfsi_tick_give_back(tick);
    return status;
}

/* ------------------------------------------------------------------------
 * >>harness  private: instances
 *
 * Owns the registry, the actions on instances, the processing of hooks and
 * the reading of rows. Calls >>engine and above. Called by >>scenario and by
 * the user.
 * --------------------------------------------------------------------- */

/* --- making and freeing */

/* A workflow's name in the tables. */
static const char *wfsi_workflow_name(const wfs_workflow *workflow)
{
    return workflow->name != NULL ? workflow->name : workflow->key;
}

/* Nothing is missing, and no workflow before has the same key or name. */
static wfs_status wfsi_check_workflow(const wfs_harness *harness,
                                      const wfs_workflow *workflow)
{
    const char *name = wfsi_workflow_name(workflow);
    const wfs_workflow *other;

    if (workflow->key == NULL || workflow->run == NULL || name[0] == '\0')
        return wfsi_error(wfsi_harness_error(harness), WFS_ERR_ARGUMENT,
                          "workflow %s has no key, no function or no name",
                          workflow->key != NULL ? workflow->key : name);
    for (other = harness->workflows; other < workflow; other++)
        if (strcmp(other->key, workflow->key) == 0 ||
            strcmp(wfsi_workflow_name(other), name) == 0)
            return wfsi_error(wfsi_harness_error(harness), WFS_ERR_ARGUMENT,
                              "workflow %s is registered twice",
                              workflow->key);
    return WFS_OK;
}

static wfs_status wfsi_register(wfs_harness *harness)
{
    wfs_error *error = wfsi_harness_error(harness);
    const wfs_workflow *workflow = harness->workflows;
    const wfs_hook_handler *handler = harness->handlers;
    const char *name;
    wfsi_handle handle;

    for (; handler != NULL && handler->hook_name != NULL; handler++)
        if (handler->handle == NULL)
            return wfsi_error(error, WFS_ERR_ARGUMENT,
                              "the handler of hook %s has no function",
                              handler->hook_name);
    for (; workflow->key != NULL || workflow->name != NULL; workflow++) {
        WFS_TRY(wfsi_check_workflow(harness, workflow));
        name = wfsi_workflow_name(workflow);
        handle = wfsi_symbol(harness->store, name, strlen(name));
        if (handle == 0 || !wfsi_array_reserve(&harness->allocator,
                                               harness->workflow_names, 1))
            return wfsi_no_memory(error);
        wfsi_array_push(harness->workflow_names, handle);
    }
    return WFS_OK;
}

/* What every new step and every new hook of the engine begins with. */
static void wfsi_blank_rows(wfs_harness *harness)
{
    wfsi_step_row *step = &harness->blank_step;
    wfsi_hook_row *hook = &harness->blank_hook;

    step->status = harness->names.step_status[WFS_STEP_WAITING];
    step->max_attempts = 1;
    step->nulls =
        WFSI_NULL_BIT(step, timeout_ms) | WFSI_NULL_BIT(step, next_retry_at) |
        WFSI_NULL_BIT(step, wake_at) | WFSI_NULL_BIT(step, wait_event_type) |
        WFSI_NULL_BIT(step, result) | WFSI_NULL_BIT(step, error_name) |
        WFSI_NULL_BIT(step, error_message);
    hook->hook_namespace = harness->names.hook_namespace;
    hook->hook_name = harness->names.hook_enqueued;
    hook->status = harness->names.hook_status[WFS_HOOK_PENDING];
    hook->max_attempts = 5;
    hook->nulls = WFSI_NULL_BIT(hook, payload) |
                  WFSI_NULL_BIT(hook, last_attempt_at) |
                  WFSI_NULL_BIT(hook, error);
}

static wfs_harness *wfsi_harness_new(const wfs_allocator *given)
{
    wfs_allocator allocator = wfsi_allocator(given);
    wfs_harness *harness =
        (wfs_harness *)wfsi_allocate_zeroed(&allocator, sizeof *harness);

    if (harness == NULL)
        return NULL;
    harness->allocator = allocator;
    wfsi_arena_open(&harness->results, &allocator);
    return harness;
}

/* The tables of the mocks follow the engine's. */
static wfs_status wfsi_harness_mocks(wfs_harness *harness,
                                     const wfs_mock_options *options)
{
    wfs_store *store = harness->store;

    WFS_TRY(wfsi_mock_declare(store));
    store->reserved = WFSI_TABLES + WFSI_MOCK_TABLES;
    harness->mocks = wfsi_mocks_over(options, &harness->allocator, store,
                                     WFSI_TABLES, &harness->clock);
    if (harness->mocks == NULL)
        return wfsi_no_memory(&store->error);
    return wfsi_mocks_fill(harness->mocks, options);
}

static wfs_status wfsi_harness_open(wfs_harness *harness,
                                    const wfs_harness_options *options)
{
    wfs_store *store = wfsi_store_new(&harness->allocator);

    if (store == NULL)
        return WFS_ERR_NO_MEMORY;
    harness->store = store;
    harness->limits = wfsi_limits(&options->limits);
    harness->clock.now = options->clock_start;
    wfs_random_seed(&harness->random, options->seed);
    harness->workflows = options->workflows;
    harness->handlers = options->hooks;
    harness->auto_tick = options->auto_tick;
    if (!wfsi_names_declare(store, &harness->names))
        return wfsi_no_memory(&store->error);
    wfsi_blank_rows(harness);
    store->limits = harness->limits;
    WFS_TRY(wfsi_schema_declare(store));
    wfsi_schema_tune(store);
    store->reserved = WFSI_TABLES;
    if (options->mocks != NULL)
        WFS_TRY(wfsi_harness_mocks(harness, options->mocks));
    WFS_TRY(wfsi_declare(store, options->tables));
    return wfsi_register(harness);
}

wfs_status wfs_harness_create(const wfs_harness_options *options,
                              wfs_harness **harness, wfs_error *error)
{
    wfs_status status;

    *harness = NULL;
    if (options == NULL || options->workflows == NULL)
        return wfsi_error(error, WFS_ERR_ARGUMENT,
                          "a harness needs a registry of workflows");
    *harness = wfsi_harness_new(&options->allocator);
    if (*harness == NULL)
        return wfsi_no_memory(error);
    status = wfsi_harness_open(*harness, options);
    if (status == WFS_OK)
        return WFS_OK;
    if ((*harness)->store == NULL)
        wfsi_no_memory(error);
    else if (error != NULL)
        *error = (*harness)->store->error;
    wfs_harness_free(*harness);
    *harness = NULL;
    return status;
}

void wfs_harness_free(wfs_harness *harness)
{
    wfs_allocator allocator;
    wfs_open_tick *tick, *next;

    if (harness == NULL)
        return;
    allocator = harness->allocator;
    for (tick = harness->spare; tick != NULL; tick = next) {
        next = tick->next;
        wfsi_arena_close(&tick->arena);
        wfsi_release(&allocator, tick, sizeof *tick);
    }
    wfsi_arena_close(&harness->results);
    wfsi_array_free(&allocator, harness->workflow_names);
    wfsi_array_free(&allocator, harness->due);
    wfs_mocks_free(harness->mocks);
    wfs_store_free(harness->store);
    wfsi_release(&allocator, harness, sizeof *harness);
}

wfs_status wfs_harness_fork(wfs_harness *harness, wfs_harness **copy)
{
    wfs_harness *fork;
    wfs_status status;

    *copy = NULL;
    if (harness->open_ticks != 0)
        return wfsi_error(wfsi_harness_error(harness), WFS_ERR_MISUSE,
                          "a harness with an open tick cannot be forked");
    fork = wfsi_harness_new(&harness->allocator);
    if (fork == NULL)
        return wfsi_harness_no_memory(harness);
    fork->limits = harness->limits;
    fork->clock = harness->clock;
    fork->random = harness->random;
    fork->workflows = harness->workflows;
    fork->handlers = harness->handlers;
    fork->auto_tick = harness->auto_tick;
    fork->names = harness->names;
    wfsi_blank_rows(fork);
    status = wfs_store_fork(harness->store, &fork->store);
    if (status == WFS_OK &&
        !wfsi_array_copy(&fork->allocator, fork->workflow_names,
                         harness->workflow_names))
        status = wfsi_harness_no_memory(harness);
    if (status == WFS_OK && harness->mocks != NULL) {
        fork->mocks =
            wfsi_mocks_fork(harness->mocks, fork->store, &fork->clock);
        if (fork->mocks == NULL)
            status = wfsi_harness_no_memory(harness);
    }
    if (status != WFS_OK) {
        wfs_harness_free(fork);
        return status;
    }
    *copy = fork;
    return WFS_OK;
}

void wfs_harness_release(wfs_harness *harness)
{
    wfsi_arena_clear(&harness->results);
}

wfs_store *wfs_harness_store(wfs_harness *harness)
{
    return harness->store;
}

wfs_clock *wfs_harness_clock(wfs_harness *harness)
{
    return &harness->clock;
}

wfs_random *wfs_harness_random(wfs_harness *harness)
{
    return &harness->random;
}

wfs_mocks *wfs_harness_mocks(wfs_harness *harness)
{
    return harness->mocks;
}

wfs_arena *wfs_harness_arena(wfs_harness *harness)
{
    return &harness->results;
}

const wfs_error *wfs_harness_error(const wfs_harness *harness)
{
    return wfsi_harness_error(harness);
}

/* --- finding workflows and instances */

/* Interned texts stay where they are. */
static const char *wfsi_result_symbol(const wfs_harness *harness,
                                      wfsi_handle handle)
{
    return wfsi_text(harness->store, handle, NULL);
}

/* The number of a workflow in the registry: by key, then by name. */
static wfs_status wfsi_workflow_find(wfs_harness *harness, const char *given,
                                     size_t *number)
{
    const wfs_workflow *workflows = harness->workflows;
    size_t i, count = wfsi_array_count(harness->workflow_names);

    for (i = 0; i < count; i++)
        if (workflows[i].key == given ||
            wfsi_text_equal(workflows[i].key, given)) {
            *number = i;
            return WFS_OK;
        }
    for (i = 0; i < count; i++)
        if (wfsi_text_equal(workflows[i].name, given)) {
            *number = i;
            return WFS_OK;
        }
    return wfsi_error(wfsi_harness_error(harness), WFS_ERR_WORKFLOW_NOT_FOUND,
                      "WORKFLOW_NOT_FOUND: %s", given);
}

/* The row of an instance whose id is interned, or 0. */
static wfs_row_id wfsi_instance_row_of(const wfs_harness *harness,
                                       wfsi_handle workflow, wfsi_handle id)
{
    const wfsi_table *table = &harness->store->tables[WFSI_INSTANCES];
    uint64_t words[2];

    words[0] = workflow;
    words[1] = id;
    return wfsi_key_find(harness->store, table,
                         &table->indexes[WFSI_INSTANCE_BY_ID], words, NULL);
}

/* The row of an instance, or 0. */
static wfs_row_id wfsi_instance_lookup(const wfs_harness *harness,
                                       wfsi_handle workflow, const char *id)
{
    size_t size = id != NULL ? strlen(id) : 0;
    wfsi_handle handle = 0;

    if (size != 0)
        handle = wfsi_symbol_find(harness->store, wfsi_symbol_hash(id, size),
                                  id, size);
    return handle != 0 ? wfsi_instance_row_of(harness, workflow, handle) : 0;
}

static wfs_status wfsi_instance_find(wfs_harness *harness, const char *workflow,
                                     const char *id, wfs_row_id *ref)
{
    size_t number;

    WFS_TRY(wfsi_workflow_find(harness, workflow, &number));
    *ref = wfsi_instance_lookup(harness, harness->workflow_names[number], id);
    return *ref != 0
               ? WFS_OK
               : wfsi_error(wfsi_harness_error(harness),
                            WFS_ERR_INSTANCE_NOT_FOUND,
                            "Instance not found: %s of workflow %s", id,
                            workflow);
}

/* --- writing: an edited instance row */

static wfsi_instance_row *wfsi_instance_edit(wfs_harness *harness,
                                             wfs_row_id ref)
{
    return (wfsi_instance_row *)(void *)wfsi_row_edit(harness->store,
                                                      WFSI_INSTANCES, ref);
}

static wfs_status wfsi_instance_changed(wfs_harness *harness, wfs_row_id ref)
{
    return wfsi_row_changed(harness->store, WFSI_INSTANCES, ref);
}

static wfs_status wfsi_terminal_error(wfs_harness *harness, const char *id)
{
    return wfsi_error(wfsi_harness_error(harness), WFS_ERR_INSTANCE_TERMINAL,
                      "Instance is terminal: %s", id);
}

static bool wfsi_instance_is_terminal(const wfs_harness *harness,
                                      wfs_row_id ref)
{
    return wfsi_status_is_terminal(&harness->names,
                                   wfsi_instance_at(harness, ref)->status);
}

/* --- create */

/* Ids and event types: 1 to 100 letters, digits, _ and -, the first no -. */
static bool wfsi_id_is_valid(const char *id)
{
    /* a bit a character: - 0-9, and A-Z _ a-z */
    static const uint64_t valid[] = {UINT64_C(0x03FF200000000000),
                                     UINT64_C(0x07FFFFFE87FFFFFE), 0, 0};
    const unsigned char *at = (const unsigned char *)id;

    while ((valid[*at >> 6] >> (*at & 63) & 1) != 0)
        at++;
    return *at == '\0' && *id != '-' && *id != '\0' &&
           at - (const unsigned char *)id <= 100;
}

static wfs_status wfsi_check_id(wfs_harness *harness, const char *what,
                                const char *id)
{
    if (id != NULL && wfsi_id_is_valid(id))
        return WFS_OK;
    return wfsi_error(wfsi_harness_error(harness), WFS_ERR_VALIDATION,
                      "%s must have 1 to 100 characters a-z A-Z 0-9 _ -, and "
                      "not start with -: %s",
                      what, id);
}

/* What counts as no params: null, false, 0 and "". */
static bool wfsi_params_are_empty(wfs_arena *scratch, const char *params)
{
    const wfs_json *value;
    size_t size;

    while (wfsi_is_json_blank(*params))
        params++;
    if (*params == '{' || *params == '[' || *params == 't')
        return false;
    value = wfsi_json_raw(scratch, params, strlen(params));
    switch (wfs_json_type_of(value)) {
    case WFS_JSON_STRING:
        wfs_json_string(value, &size);
        return size == 0;
    case WFS_JSON_INTEGER:
    case WFS_JSON_REAL:
        return wfs_json_real(value) == 0;
    default:
        return true;
    }
}

/* What the workflow says of its params. */
static wfs_status wfsi_params_validate(wfs_harness *harness,
                                       const wfs_workflow *workflow,
                                       const char *id, wfs_arena *scratch,
                                       wfsi_span params)
{
    size_t floor = wfsi_guard(harness->store);
    const char *reason = workflow->validate_params(
        wfsi_json_raw(scratch, params.data, params.size), workflow->user);

    WFS_TRY(wfsi_unguard(harness->store, floor, WFS_OK));
    return reason == NULL
               ? WFS_OK
               : wfsi_error(wfsi_harness_error(harness),
                            WFS_ERR_WORKFLOW_PARAMS_INVALID,
                            "WORKFLOW_PARAMS_INVALID: %s %s: %s",
                            workflow->key, id, reason);
}

/* Params checked; {} for none. In a batch only null is none. */
static wfs_status wfsi_params_span(wfs_harness *harness,
                                   const wfs_workflow *workflow,
                                   const char *id, const char *params,
                                   bool in_batch, wfsi_span *span)
{
    wfs_error *error = wfsi_harness_error(harness);
    wfs_status status = WFS_OK;
    wfs_arena scratch;

    WFS_TRY(wfsi_json_span(params, &harness->limits, id, "params", span,
                           error));
    if (span->data != NULL && *span->data == '{' &&
        workflow->validate_params == NULL)
        return WFS_OK;
    wfsi_arena_open(&scratch, &harness->allocator);
    if (span->data == NULL ||
        (!in_batch && wfsi_params_are_empty(&scratch, span->data))) {
        span->data = "{}";
        span->size = 2;
    }
    if (workflow->validate_params != NULL)
        status = wfsi_params_validate(harness, workflow, id, &scratch, *span);
    if (scratch.failed)
        status = wfsi_no_memory(error);
    wfsi_arena_close(&scratch);
    return status;
}

/* Add an instance's row and its first hook. */
static wfs_status wfsi_instance_insert(wfs_harness *harness,
                                       wfsi_handle workflow, wfsi_handle id,
                                       wfsi_span params)
{
    wfs_store *store = harness->store;
    wfsi_table *table = &store->tables[WFSI_INSTANCES];
    wfsi_instance_row *row = (wfsi_instance_row *)(void *)wfsi_row_new(store,
                                                                       table);
    wfs_row_id ref;

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    memset(row, 0, sizeof *row);
    row->params = wfsi_text_keep(store, params.data, params.size);
    if (row->params == 0)
        return wfsi_no_memory(&store->error);
    row->instance_id = id;
    row->workflow_name = workflow;
    row->status = harness->names.instance_status[WFS_INSTANCE_QUEUED];
    row->created_at = row->updated_at = harness->clock.now;
    WFSI_SET_TIME(instance, row, started_at, WFS_NO_TIME);
    WFSI_SET_TIME(instance, row, completed_at, WFS_NO_TIME);
    WFSI_SET_HANDLE(instance, row, output, 0);
    WFSI_SET_HANDLE(instance, row, error_name, 0);
    WFSI_SET_HANDLE(instance, row, error_message, 0);
    WFS_TRY(wfsi_row_insert(store, WFSI_INSTANCES, row, &ref));
    return wfsi_hook_enqueue(harness, ref, wfsi_instance_at(harness, ref),
                             WFS_REASON_CREATE, WFS_NO_TIME);
}

/* What every call that may have used the results' arena ends with: a refusal
 * there is told once and forgotten. */
static wfs_status wfsi_results_close(wfs_harness *harness, wfs_status status)
{
    if (!harness->results.failed)
        return status;
    harness->results.failed = false;
    return wfsi_harness_no_memory(harness);
}

static wfs_status wfsi_create(wfs_harness *harness, const char *workflow,
                              const char *id, const char *params,
                              const char **id_out)
{
    wfs_store *store = harness->store;
    char drawn[WFS_RANDOM_ID_SIZE];
    wfsi_handle name, handle;
    wfs_status status;
    wfsi_span span;
    size_t number;

    WFS_TRY(wfsi_workflow_find(harness, workflow, &number));
    name = harness->workflow_names[number];
    if (!wfsi_text_empty(id)) {
        WFS_TRY(wfsi_check_id(harness, "an instance id", id));
    } else {
        do
            id = wfs_random_id(&harness->random, drawn);
        while (wfsi_instance_lookup(harness, name, id) != 0);
    }
    WFS_TRY(wfsi_params_span(harness, &harness->workflows[number], id, params,
                             false, &span));
    handle = wfsi_symbol(store, id, strlen(id));
    if (handle == 0 || !wfsi_begin(store))
        return wfsi_no_memory(&store->error);
    status =
        wfsi_close(store, wfsi_instance_insert(harness, name, handle, span));
    if (status == WFS_ERR_UNIQUE)
        return wfsi_error(&store->error, WFS_ERR_INSTANCE_ID_ALREADY_EXISTS,
                          "Instance already exists: %s", id);
    WFS_TRY(status);
    if (id_out != NULL)
        *id_out = wfsi_result_symbol(harness, handle);
    return WFS_OK;
}

wfs_status wfs_create(wfs_harness *harness, const char *workflow,
                      const char *id, const char *params, const char **id_out)
{
    wfs_random before = harness->random;
    wfs_status status = wfsi_create(harness, workflow, id, params, id_out);

    if (status != WFS_OK)
        harness->random = before;
    return status;
}

/* The zero entry; without its id, an item that has params is a mistake. */
static bool wfsi_batch_ends(const wfs_batch_item *item)
{
    return item->id == NULL && item->params == NULL;
}

static wfs_status wfsi_batch_check(wfs_harness *harness,
                                   const wfs_batch_item *items, size_t *count)
{
    size_t i;

    for (i = 0; items != NULL && !wfsi_batch_ends(&items[i]); i++)
        if (i == harness->limits.batch_size)
            return wfsi_error(wfsi_harness_error(harness), WFS_ERR_LIMIT,
                              "a batch has more than %i instances",
                              (int64_t)harness->limits.batch_size);
    *count = i;
    for (i = 0; i < *count; i++)
        WFS_TRY(wfsi_check_id(harness, "an instance id", items[i].id));
    return WFS_OK;
}

/* Create what is not there yet, in the open transaction. */
static wfs_status wfsi_batch_insert(wfs_harness *harness, size_t number,
                                    const wfs_batch_item *items,
                                    size_t item_count, const char **ids,
                                    size_t *count)
{
    wfsi_handle name = harness->workflow_names[number], id;
    wfsi_span span;
    size_t i;

    for (i = 0; i < item_count; i++) {
        WFS_TRY(wfsi_params_span(harness, &harness->workflows[number],
                                 items[i].id, items[i].params, true, &span));
        id = wfsi_symbol(harness->store, items[i].id, strlen(items[i].id));
        if (id == 0)
            return wfsi_harness_no_memory(harness);
        if (wfsi_instance_row_of(harness, name, id) != 0)
            continue;
        WFS_TRY(wfsi_instance_insert(harness, name, id, span));
        ids[(*count)++] = wfsi_result_symbol(harness, id);
    }
    return WFS_OK;
}

wfs_status wfs_create_batch(wfs_harness *harness, const char *workflow,
                            const wfs_batch_item *items,
                            const char *const **ids, size_t *count)
{
    wfs_store *store = harness->store;
    size_t number, item_count = 0, created = 0;
    const char **list;
    wfs_status status;

    WFS_TRY(wfsi_workflow_find(harness, workflow, &number));
    WFS_TRY(wfsi_batch_check(harness, items, &item_count));
    list = (const char **)wfsi_arena_allocate(
        &harness->results, (item_count + 1) * sizeof *list);
    if (list == NULL || !wfsi_begin(store))
        return wfsi_results_close(harness, wfsi_no_memory(&store->error));
    status = wfsi_close(store, wfsi_batch_insert(harness, number, items,
                                                 item_count, list, &created));
    status = wfsi_results_close(harness, status);
    if (status == WFS_OK && ids != NULL)
        *ids = list;
    if (status == WFS_OK && count != NULL)
        *count = created;
    return status;
}

/* --- events, and the actions on an instance */

/* Add an event of the current run and the hook for it. */
static wfs_status wfsi_event_insert(wfs_harness *harness, wfs_row_id ref,
                                    wfs_actor actor, const char *type,
                                    wfsi_span payload)
{
    wfs_store *store = harness->store;
    wfsi_table *table = &store->tables[WFSI_EVENTS];
    const wfsi_instance_row *instance = wfsi_instance_at(harness, ref);
    wfsi_event_row *row = (wfsi_event_row *)(void *)wfsi_row_new(store, table);
    wfsi_handle text = 0;

    if (row == NULL)
        return wfsi_no_memory(&store->error);
    memset(row, 0, sizeof *row);
    row->type = wfsi_symbol(store, type, strlen(type));
    if (payload.data != NULL)
        text = wfsi_text_keep(store, payload.data, payload.size);
    WFSI_SET_HANDLE(event, row, payload, text);
    if (row->type == 0 || (payload.data != NULL && text == 0)) {
        wfsi_row_free_texts(store, table, (char *)row, NULL);
        return wfsi_no_memory(&store->error);
    }
    row->instance_ref = ref;
    row->workflow_name = instance->workflow_name;
    row->instance_id = instance->instance_id;
    row->run_number = instance->run_number;
    row->actor = harness->names.actor[actor];
    row->created_at = harness->clock.now;
    WFSI_SET_TIME(event, row, delivered_at, WFS_NO_TIME);
    WFSI_SET_HANDLE(event, row, consumed_by_step_key, 0);
    WFS_TRY(wfsi_row_insert(store, WFSI_EVENTS, row, NULL));
    return wfsi_hook_enqueue(harness, ref, wfsi_instance_at(harness, ref),
                             WFS_REASON_EVENT, WFS_NO_TIME);
}

wfs_status wfs_send_event(wfs_harness *harness, const char *workflow,
                          const char *id, const char *type, const char *payload,
                          wfs_instance_status *before)
{
    wfs_store *store = harness->store;
    wfs_row_id ref;
    wfsi_span span;

    WFS_TRY(wfsi_instance_find(harness, workflow, id, &ref));
    WFS_TRY(wfsi_check_id(harness, "an event type", type));
    WFS_TRY(wfsi_json_span(payload, &harness->limits, id, "payload", &span,
                           &store->error));
    if (wfsi_instance_is_terminal(harness, ref))
        return wfsi_terminal_error(harness, id);
    if (before != NULL)
        *before = (wfs_instance_status)wfsi_enum(
            &harness->names, instance_status,
            wfsi_instance_at(harness, ref)->status);
    if (!wfsi_begin(store))
        return wfsi_no_memory(&store->error);
    return wfsi_close(store, wfsi_event_insert(harness, ref, WFS_ACTOR_USER,
                                               type, span));
}

static wfs_status wfsi_pause(wfs_harness *harness, wfs_row_id ref,
                             const char *id)
{
    wfsi_span none = {NULL, 0};

    if (wfsi_instance_is_terminal(harness, ref))
        return wfsi_terminal_error(harness, id);
    if (wfsi_instance_at(harness, ref)->status ==
        harness->names.instance_status[WFS_INSTANCE_PAUSED])
        return WFS_OK;
    return wfsi_event_insert(harness, ref, WFS_ACTOR_SYSTEM, "pause", none);
}

static wfs_status wfsi_resume(wfs_harness *harness, wfs_row_id ref,
                              const char *id)
{
    wfsi_instance_row *row;

    (void)id;
    if (wfsi_instance_at(harness, ref)->status !=
        harness->names.instance_status[WFS_INSTANCE_PAUSED])
        return WFS_OK;
    row = wfsi_instance_edit(harness, ref);
    if (row == NULL)
        return wfsi_harness_no_memory(harness);
    row->status = harness->names.instance_status[WFS_INSTANCE_QUEUED];
    row->pause_requested = 0;
    row->updated_at = harness->clock.now;
    WFS_TRY(wfsi_instance_changed(harness, ref));
    return wfsi_hook_enqueue(harness, ref, wfsi_instance_at(harness, ref),
                             WFS_REASON_RESUME, WFS_NO_TIME);
}

static wfs_status wfsi_terminate(wfs_harness *harness, wfs_row_id ref,
                                 const char *id)
{
    wfsi_instance_row *row;

    if (wfsi_instance_is_terminal(harness, ref))
        return wfsi_terminal_error(harness, id);
    row = wfsi_instance_edit(harness, ref);
    if (row == NULL)
        return wfsi_harness_no_memory(harness);
    row->status = harness->names.instance_status[WFS_INSTANCE_TERMINATED];
    row->pause_requested = 0;
    row->updated_at = harness->clock.now;
    WFSI_SET_TIME(instance, row, completed_at, harness->clock.now);
    return wfsi_instance_changed(harness, ref);
}

static wfs_status wfsi_restart(wfs_harness *harness, wfs_row_id ref,
                               const char *id)
{
    wfsi_instance_row *row = wfsi_instance_edit(harness, ref);

    (void)id;
    if (row == NULL)
        return wfsi_harness_no_memory(harness);
    row->status = harness->names.instance_status[WFS_INSTANCE_QUEUED];
    row->run_number++;
    row->pause_requested = 0;
    row->updated_at = harness->clock.now;
    WFSI_SET_TIME(instance, row, started_at, WFS_NO_TIME);
    WFSI_SET_TIME(instance, row, completed_at, WFS_NO_TIME);
    WFSI_SET_HANDLE(instance, row, output, 0);
    WFSI_SET_HANDLE(instance, row, error_name, 0);
    WFSI_SET_HANDLE(instance, row, error_message, 0);
    WFS_TRY(wfsi_instance_changed(harness, ref));
    return wfsi_hook_enqueue(harness, ref, wfsi_instance_at(harness, ref),
                             WFS_REASON_CREATE, WFS_NO_TIME);
}

/* An action on one instance, as one transaction. */
static wfs_status wfsi_act(wfs_harness *harness, const char *workflow,
                           const char *id,
                           wfs_status (*action)(wfs_harness *, wfs_row_id,
                                                const char *))
{
    wfs_row_id ref;

    WFS_TRY(wfsi_instance_find(harness, workflow, id, &ref));
    if (!wfsi_begin(harness->store))
        return wfsi_harness_no_memory(harness);
    return wfsi_close(harness->store, action(harness, ref, id));
}

wfs_status wfs_pause(wfs_harness *harness, const char *workflow, const char *id)
{
    return wfsi_act(harness, workflow, id, wfsi_pause);
}

wfs_status wfs_resume(wfs_harness *harness, const char *workflow,
                      const char *id)
{
    return wfsi_act(harness, workflow, id, wfsi_resume);
}

wfs_status wfs_terminate(wfs_harness *harness, const char *workflow,
                         const char *id)
{
    return wfsi_act(harness, workflow, id, wfsi_terminate);
}

wfs_status wfs_restart(wfs_harness *harness, const char *workflow,
                       const char *id)
{
    return wfsi_act(harness, workflow, id, wfsi_restart);
}

/* --- ticks */

wfs_status wfs_build_payload(wfs_harness *harness, const char *workflow,
                             const char *id, wfs_reason reason,
                             wfs_payload *payload)
{
    wfs_row_id ref;

    WFS_TRY(wfsi_instance_find(harness, workflow, id, &ref));
    if (reason <= WFS_REASON_NONE || reason >= WFS_REASON_COUNT)
        return wfsi_error(wfsi_harness_error(harness), WFS_ERR_ARGUMENT,
                          "a tick of instance %s needs a reason", id);
    payload->workflow = workflow;
    payload->instance_id = id;
    payload->instance_ref = ref;
    payload->run_number = wfsi_instance_at(harness, ref)->run_number;
    payload->reason = reason;
    return WFS_OK;
}

static wfs_status wfsi_check_payload(wfs_harness *harness,
                                     const wfs_payload *payload)
{
    size_t number;

    if (payload == NULL || payload->reason <= WFS_REASON_NONE ||
        payload->reason >= WFS_REASON_COUNT)
        return wfsi_error(wfsi_harness_error(harness), WFS_ERR_ARGUMENT,
                          "a tick needs a payload with a reason");
    return wfsi_workflow_find(harness, payload->workflow, &number);
}

/* What code of the user's may change beside the store. */
typedef struct wfsi_harness_state {
    wfs_clock clock;
    wfs_random random;
} wfsi_harness_state;

static wfsi_harness_state wfsi_open_call(const wfs_harness *harness)
{
    wfsi_harness_state state;

    state.clock = harness->clock;
    state.random = harness->random;
    return state;
}

/* End a call that ran code of the user's, and was one transaction. */
static wfs_status wfsi_close_call(wfs_harness *harness,
                                  wfsi_harness_state before, wfs_status status)
{
    if (status != WFS_OK) {
        harness->clock = before.clock;
        harness->random = before.random;
    }
    return wfsi_close(harness->store, status);
}

wfs_status wfs_tick(wfs_harness *harness, const wfs_payload *payload,
                    int *processed)
{
    wfsi_harness_state before = wfsi_open_call(harness);
    int count = 0;
    wfs_status status;
    bool lost;

    WFS_TRY(wfsi_check_payload(harness, payload));
    if (!wfsi_begin(harness->store))
        return wfsi_harness_no_memory(harness);
    status = wfsi_tick(harness, payload->instance_ref, payload->run_number,
                       payload->reason, harness->clock.now, &count, &lost);
    if (processed != NULL)
        *processed = count;
    return wfsi_close_call(harness, before, status);
}

wfs_status wfs_run_until_idle(wfs_harness *harness, const wfs_payload *payload,
                              int max_ticks, wfs_idle *idle)
{
    wfsi_harness_state before = wfsi_open_call(harness);
    wfs_idle sum = {0, 0};
    int processed = 1;
    wfs_status status = WFS_OK;

    if (max_ticks <= 0)
        max_ticks = 25;
    if (!wfsi_begin(harness->store))
        return wfsi_harness_no_memory(harness);
    while (status == WFS_OK && processed != 0 && sum.ticks < max_ticks) {
        status = wfs_tick(harness, payload, &processed);
        sum.processed += processed;
        sum.ticks++;
    }
    status = wfsi_close_call(harness, before, status);
    if (status != WFS_OK)
        sum.processed = sum.ticks = 0;
    if (idle != NULL)
        *idle = sum;
    return status;
}

wfs_status wfs_tick_retrieve(wfs_harness *harness, const wfs_payload *payload,
                             wfs_open_tick **tick)
{
    *tick = NULL;
    WFS_TRY(wfsi_check_payload(harness, payload));
    WFS_TRY(wfsi_tick_retrieve(harness, payload->instance_ref,
                               payload->run_number, payload->reason,
                               harness->clock.now, tick));
    if (wfsi_drafts_keep(&(*tick)->run))
        return WFS_OK;
    wfsi_tick_give_back(*tick);
    *tick = NULL;
    return wfsi_harness_no_memory(harness);
}

wfs_status wfs_tick_plan(wfs_open_tick *tick)
{
    wfs_status status;

    if (tick->phase != WFSI_PHASE_RETRIEVED)
        return wfsi_error(wfsi_harness_error(tick->run.harness),
                          WFS_ERR_MISUSE, "a tick is planned once");
    status = wfsi_tick_plan(&tick->run);
    tick->phase = status == WFS_OK ? WFSI_PHASE_PLANNED : WFSI_PHASE_FAILED;
    if (status != WFS_OK)
        wfsi_random_restore(&tick->run);
    return status;
}

wfs_status wfs_tick_commit(wfs_open_tick *tick, int *processed)
{
    wfs_store *store = tick->run.harness->store;
    wfs_status status;
    int count = 0;

    if (tick->phase != WFSI_PHASE_PLANNED) {
        status = wfsi_error(&store->error, WFS_ERR_MISUSE,
                            "a tick is committed after a plan that succeeded");
    } else if (!wfsi_begin(store)) {
        status = wfsi_no_memory(&store->error);
    } else {
        status = wfsi_tick_commit(&tick->run, &count);
        if (tick->run.lost)
            wfsi_rollback(store);
        else
            wfsi_close(store, status);
    }
    wfsi_tick_give_back(tick);
    if (processed != NULL)
        *processed = count;
    return status;
}

void wfs_tick_discard(wfs_open_tick *tick)
{
    if (tick == NULL)
        return;
    wfsi_random_restore(&tick->run);
    wfsi_tick_give_back(tick);
}

/* --- processing hooks */

/* A row's JSON text as a value in the results' arena; NULL for null. */
static const wfs_json *wfsi_result_json(wfs_harness *harness,
                                        wfsi_handle handle)
{
    wfsi_span span;
    const char *copy;

    span.data = wfsi_text(harness->store, handle, &span.size);
    if (span.data == NULL)
        return NULL;
    copy = wfsi_arena_text(&harness->results, span.data, span.size);
    return copy != NULL ? wfsi_json_raw(&harness->results, copy, span.size)
                        : NULL;
}

/* A row's text in the results' arena. */
static const char *wfsi_result_text(wfs_harness *harness, wfsi_handle handle,
                                    size_t *size)
{
    const char *text = wfsi_text(harness->store, handle, size);

    return text != NULL ? wfsi_arena_text(&harness->results, text, *size)
                        : NULL;
}

static void wfsi_read_hook(wfs_harness *harness, wfs_row_id id, wfs_hook *hook)
{
    const wfsi_hook_row *row = wfsi_hook_at(harness, id);
    const wfsi_names *names = &harness->names;
    size_t size;

    hook->id = id;
    hook->version = row->version;
    hook->hook_namespace = wfsi_result_symbol(harness, row->hook_namespace);
    hook->hook_name = wfsi_result_symbol(harness, row->hook_name);
    hook->workflow_name = wfsi_result_symbol(harness, row->workflow_name);
    hook->instance_id = wfsi_result_symbol(harness, row->instance_id);
    hook->instance_ref = row->instance_ref;
    hook->run_number = row->run_number;
    hook->reason = (wfs_reason)wfsi_enum(names, reason, row->reason);
    hook->payload = wfsi_result_json(harness, row->payload);
    hook->status = (wfs_hook_status)wfsi_enum(names, hook_status, row->status);
    hook->attempts = row->attempts;
    hook->max_attempts = row->max_attempts;
    hook->last_attempt_at = WFSI_GET_TIME(hook, row, last_attempt_at);
    hook->next_retry_at = WFSI_GET_TIME(hook, row, next_retry_at);
    hook->error = wfsi_result_text(harness, row->error, &size);
    hook->created_at = row->created_at;
}

/* Set a hook's status; no longer pending, it is no longer due. */
static wfs_status wfsi_hook_end(wfs_harness *harness, wfs_row_id id,
                                wfs_hook_status status)
{
    wfsi_hook_row *row = (wfsi_hook_row *)(void *)wfsi_row_edit(
        harness->store, WFSI_HOOKS, id);

    if (row == NULL)
        return wfsi_harness_no_memory(harness);
    row->status = harness->names.hook_status[status];
    WFSI_SET_TIME(hook, row, last_attempt_at, harness->clock.now);
    wfsi_hook_unplan(row);
    return wfsi_row_changed(harness->store, WFSI_HOOKS, id);
}

/* A handler has refused: try again later, or give up. */
static wfs_status wfsi_hook_failed(wfs_harness *harness, wfs_row_id id,
                                   const char *why)
{
    wfs_store *store = harness->store;
    wfsi_handle text = wfsi_text_keep(store, why, strlen(why));
    wfsi_hook_row *row =
        (wfsi_hook_row *)(void *)wfsi_row_edit(store, WFSI_HOOKS, id);
    int64_t delay;

    if (text == 0 || row == NULL) {
        wfsi_text_free(store, text);
        if (row != NULL)
            wfsi_row_reset(store, &store->tables[WFSI_HOOKS], (char *)row);
        return wfsi_no_memory(&store->error);
    }
    WFSI_SET_HANDLE(hook, row, error, text);
    WFSI_SET_TIME(hook, row, last_attempt_at, harness->clock.now);
    delay = (int64_t)100 << (row->attempts < 7 ? row->attempts : 7);
    row->attempts++;
    if (row->attempts >= row->max_attempts) {
        row->status = harness->names.hook_status[WFS_HOOK_FAILED];
        wfsi_hook_unplan(row);
    } else {
        row->status = harness->names.hook_status[WFS_HOOK_PENDING];
        delay = wfsi_time_add(harness->clock.now,
                              (double)(delay > 10000 ? 10000 : delay));
        WFSI_SET_TIME(hook, row, next_retry_at, delay);
        wfsi_hook_plan(row, delay);
    }
    return wfsi_row_changed(store, WFSI_HOOKS, id);
}

static const wfs_hook_handler *wfsi_hook_handler_of(const wfs_harness *harness,
                                                    const char *name)
{
    const wfs_hook_handler *handler = harness->handlers;

    for (; handler != NULL && handler->hook_name != NULL; handler++)
        if (strcmp(handler->hook_name, name) == 0)
            return handler;
    return NULL;
}

/* A hook of the user's: its handler runs while the row says so. */
static wfs_status wfsi_hook_handle(wfs_harness *harness, wfs_row_id id)
{
    wfs_store *store = harness->store;
    const wfs_hook_handler *handler;
    wfs_status status;
    wfs_hook hook;
    size_t floor;

    WFS_TRY(wfsi_hook_end(harness, id, WFS_HOOK_PROCESSING));
    wfsi_read_hook(harness, id, &hook);
    if (harness->results.failed)
        return wfsi_no_memory(&store->error);
    handler = wfsi_hook_handler_of(harness, hook.hook_name);
    if (handler == NULL)
        return wfsi_hook_failed(harness, id, "there is no handler for it");
    store->error.code = WFS_OK;
    if (!wfsi_begin(store))
        return wfsi_no_memory(&store->error);
    floor = wfsi_guard(store);
    status = handler->handle(harness, &hook, handler->user);
    status = wfsi_close(store, wfsi_unguard(store, floor, status));
    if (status == WFS_ERR_NO_MEMORY)
        return wfsi_no_memory(&store->error);
    if (status != WFS_OK && store->error.code != status)
        wfsi_error(&store->error, status, "hook %s was refused: %s",
                   hook.hook_name, wfs_status_name(status));
    if (status != WFS_OK)
        return wfsi_hook_failed(harness, id, store->error.message);
    return wfsi_hook_end(harness, id, WFS_HOOK_COMPLETED);
}

/* The engine's hook: with auto_tick it runs its tick, at the time it was
 * planned for; one that lost is tried again like a hook that was refused. */
static wfs_status wfsi_hook_tick(wfs_harness *harness, wfs_row_id id)
{
    const wfsi_hook_row *row = wfsi_hook_at(harness, id);
    int64_t at = WFSI_GET_TIME(hook, row, next_retry_at);
    int processed;
    bool lost = false;

    if (harness->auto_tick)
        WFS_TRY(wfsi_tick(
            harness, row->instance_ref, row->run_number,
            (wfs_reason)wfsi_enum(&harness->names, reason, row->reason),
            at != WFS_NO_TIME ? at : row->created_at, &processed, &lost));
    return lost ? wfsi_hook_failed(harness, id, "another tick was first")
                : wfsi_hook_end(harness, id, WFS_HOOK_COMPLETED);
}

static wfs_status wfsi_hook_process(wfs_harness *harness, wfs_row_id id)
{
    wfsi_hook_frame frame;
    wfs_status status;

    frame.id = id;
    frame.outer = harness->hook;
    harness->hook = &frame;
    if (wfsi_hook_at(harness, id)->hook_namespace ==
        harness->names.hook_namespace)
        status = wfsi_hook_tick(harness, id);
    else
        status = wfsi_results_close(harness, wfsi_hook_handle(harness, id));
    harness->hook = frame.outer;
    return status;
}

/* Whether a hook is being processed: code of the user's that runs by it may
 * process hooks too. */
static bool wfsi_hook_is_open(const wfs_harness *harness, wfs_row_id id)
{
    const wfsi_hook_frame *frame = harness->hook;

    while (frame != NULL && frame->id != id)
        frame = frame->outer;
    return frame != NULL;
}

static int wfsi_compare_ids(const void *left, const void *right)
{
    wfs_row_id a = *(const wfs_row_id *)left, b = *(const wfs_row_id *)right;

    return (a > b) - (a < b);
}

/* Put a hook on the list of those that are due; false without memory. */
WFSI_INLINE bool wfsi_hooks_add(wfs_harness *harness, wfs_row_id id,
                                bool *sorted)
{
    size_t count = wfsi_array_count(harness->due);

    if (harness->hook != NULL && wfsi_hook_is_open(harness, id))
        return true;
    if (!wfsi_array_reserve(&harness->allocator, harness->due, 1))
        return false;
    if (count != 0 && harness->due[count - 1] > id)
        *sorted = false;
    wfsi_array_push(harness->due, id);
    return true;
}

/* The ids of all hooks that are due, in order, in the harness's list. */
static wfs_status wfsi_hooks_due(wfs_harness *harness)
{
    wfsi_table *table = &harness->store->tables[WFSI_HOOKS];
    wfsi_index *due = &table->indexes[WFSI_HOOK_DUE];
    const wfs_row_id *heads = table->indexes[WFSI_HOOK_AT_ONCE].heads;
    const wfsi_entry *entry;
    wfsi_place place;
    bool sorted = true;
    wfs_row_id id;

    if (!due->ordered.built && !wfsi_tree_build(harness->store, table, due))
        return wfsi_harness_no_memory(harness);
    wfsi_array_shrink(harness->due, 0);
    for (id = wfsi_array_count(heads) > 1 ? heads[1] : 0; id != 0;
         id = wfsi_hook_at(harness, id)->at_once_link.next)
        if (!wfsi_hooks_add(harness, id, &sorted))
            return wfsi_harness_no_memory(harness);
    for (place = wfsi_tree_first(&due->ordered);
         (entry = wfsi_tree_entry(&due->ordered, place)) != NULL &&
         entry->prefix <= wfsi_integer_prefix(harness->clock.now);
         place = wfsi_tree_next(&due->ordered, place))
        if (!wfsi_hooks_add(harness, entry->id, &sorted))
            return wfsi_harness_no_memory(harness);
    if (!sorted)
        qsort(harness->due, wfsi_array_count(harness->due),
              sizeof *harness->due, wfsi_compare_ids);
    return WFS_OK;
}

static bool wfsi_hook_is_due(const wfs_harness *harness, wfs_row_id id)
{
    const wfsi_hook_row *row = wfsi_hook_at(harness, id);
    int64_t due_at = WFSI_GET_TIME(hook, row, due_at);

    return row->status == harness->names.hook_status[WFS_HOOK_PENDING] &&
           (row->at_once != 0 ||
            (due_at != WFS_NO_TIME && due_at <= harness->clock.now));
}

/* One round: all hooks that are due now, but for those that a hook of the
 * round has processed or planned anew meanwhile. */
static wfs_status wfsi_hooks_round(wfs_harness *harness, size_t *processed)
{
    wfs_row_id *ids;
    size_t i, count;
    wfs_status status;

    *processed = 0;
    WFS_TRY(wfsi_hooks_due(harness));
    count = wfsi_array_count(harness->due);
    ids = harness->due;
    harness->due = NULL;
    for (i = 0, status = WFS_OK; status == WFS_OK && i < count; i++) {
        if (!wfsi_hook_is_due(harness, ids[i]))
            continue;
        status = wfsi_hook_process(harness, ids[i]);
        *processed += status == WFS_OK;
    }
    wfsi_array_free(&harness->allocator, harness->due);
    harness->due = ids;
    return status;
}

wfs_status wfs_process_hooks(wfs_harness *harness, size_t *processed)
{
    wfsi_harness_state before = wfsi_open_call(harness);
    size_t sum = 0, count = 0, rounds = 0;
    wfs_status status = WFS_OK;
    wfs_row_id next;
    int64_t now;

    if (!wfsi_begin(harness->store))
        return wfsi_harness_no_memory(harness);
    do {
        next = harness->store->tables[WFSI_HOOKS].next_id;
        now = harness->clock.now;
        if (rounds++ == harness->limits.hook_rounds)
            status = wfsi_error(wfsi_harness_error(harness), WFS_ERR_LIMIT,
                                "hooks add hooks without end: %i rounds",
                                (int64_t)harness->limits.hook_rounds);
        else
            status = wfsi_hooks_round(harness, &count);
        sum += count;
        /* Another round has none unless a hook was added or time went on. */
    } while (status == WFS_OK && count != 0 &&
             (harness->store->tables[WFSI_HOOKS].next_id != next ||
              harness->clock.now != now));
    if (processed != NULL)
        *processed = status == WFS_OK ? sum : 0;
    return wfsi_close_call(harness, before, status);
}

/* --- reading: rows as the user sees them, in the results' arena */

static void wfsi_read_instance(wfs_harness *harness, wfs_row_id id,
                               wfs_instance *instance)
{
    const wfsi_instance_row *row = wfsi_instance_at(harness, id);

    instance->id = id;
    instance->version = row->version;
    instance->instance_id = wfsi_result_symbol(harness, row->instance_id);
    instance->workflow_name = wfsi_result_symbol(harness, row->workflow_name);
    instance->status = (wfs_instance_status)wfsi_enum(
        &harness->names, instance_status, row->status);
    instance->created_at = row->created_at;
    instance->updated_at = row->updated_at;
    instance->started_at = WFSI_GET_TIME(instance, row, started_at);
    instance->completed_at = WFSI_GET_TIME(instance, row, completed_at);
    instance->params = wfsi_result_json(harness, row->params);
    instance->output = wfsi_result_json(harness, row->output);
    instance->error_name = wfsi_text(harness->store, row->error_name,
                                   &instance->error_name_size);
    instance->error_message = wfsi_result_text(harness, row->error_message,
                                             &instance->error_message_size);
    instance->pause_requested = row->pause_requested != 0;
    instance->run_number = row->run_number;
}

static void wfsi_read_step(wfs_harness *harness, wfs_row_id id, wfs_step *step)
{
    const wfsi_step_row *row = wfsi_step_at(harness, id);
    const wfsi_names *names = &harness->names;

    step->id = id;
    step->version = row->version;
    step->instance_ref = row->instance_ref;
    step->workflow_name = wfsi_result_symbol(harness, row->workflow_name);
    step->instance_id = wfsi_result_symbol(harness, row->instance_id);
    step->run_number = row->run_number;
    step->step_key = wfsi_result_symbol(harness, row->step_key);
    step->name = wfsi_result_symbol(harness, row->name);
    step->type = (wfs_step_type)wfsi_enum(names, step_type, row->type);
    step->status = (wfs_step_status)wfsi_enum(names, step_status, row->status);
    step->attempts = row->attempts;
    step->max_attempts = row->max_attempts;
    step->timeout_ms = WFSI_GET_TIME(step, row, timeout_ms);
    step->next_retry_at = WFSI_GET_TIME(step, row, next_retry_at);
    step->wake_at = WFSI_GET_TIME(step, row, wake_at);
    step->wait_event_type = wfsi_result_symbol(harness, row->wait_event_type);
    step->result = wfsi_result_json(harness, row->result);
    step->error_name = wfsi_text(harness->store, row->error_name,
                               &step->error_name_size);
    step->error_message = wfsi_result_text(harness, row->error_message,
                                         &step->error_message_size);
    step->created_at = row->created_at;
    step->updated_at = row->updated_at;
}

static void wfsi_read_event(wfs_harness *harness, wfs_row_id id,
                            wfs_event *event)
{
    const wfsi_event_row *row = wfsi_event_at(harness, id);

    event->id = id;
    event->version = row->version;
    event->instance_ref = row->instance_ref;
    event->workflow_name = wfsi_result_symbol(harness, row->workflow_name);
    event->instance_id = wfsi_result_symbol(harness, row->instance_id);
    event->run_number = row->run_number;
    event->actor =
        (wfs_actor)wfsi_enum(&harness->names, actor, row->actor);
    event->type = wfsi_result_symbol(harness, row->type);
    event->payload = wfsi_result_json(harness, row->payload);
    event->created_at = row->created_at;
    event->delivered_at = WFSI_GET_TIME(event, row, delivered_at);
    event->consumed_by_step_key =
        wfsi_result_symbol(harness, row->consumed_by_step_key);
}

/* The ids of a page of rows, in an array of the results' arena. */
typedef struct wfsi_page {
    wfs_row_id *ids;
    size_t count, capacity;
    const char *cursor;                 /* NULL when no row follows */
    bool has_more;
} wfsi_page;

static wfs_status wfsi_page_add(wfs_harness *harness, wfsi_page *page,
                                wfs_row_id id)
{
    wfs_row_id *ids;

    if (page->count == page->capacity) {
        page->capacity = page->capacity == 0 ? 16 : page->capacity * 2;
        ids = (wfs_row_id *)wfsi_arena_allocate(&harness->results,
                                                page->capacity * sizeof *ids);
        if (ids == NULL)
            return wfsi_harness_no_memory(harness);
        if (page->count != 0)
            memcpy(ids, page->ids, page->count * sizeof *ids);
        page->ids = ids;
    }
    page->ids[page->count++] = id;
    return WFS_OK;
}

/* Where the page ends, if rows follow. */
static wfs_status wfsi_page_end(wfs_harness *harness, wfs_cursor *cursor,
                                wfsi_page *page)
{
    const char *text;

    page->has_more = wfs_cursor_has_more(cursor);
    if (!page->has_more)
        return WFS_OK;
    text = wfs_cursor_text(cursor);
    if (text != NULL)
        page->cursor = wfsi_arena_text(&harness->results, text, strlen(text));
    return page->cursor != NULL ? WFS_OK : wfsi_harness_no_memory(harness);
}

static wfs_status wfsi_page_read(wfs_harness *harness, const wfs_query *query,
                                 wfsi_page *page)
{
    wfs_cursor *cursor;
    wfs_status status;
    wfs_row row;

    memset(page, 0, sizeof *page);
    WFS_TRY(wfs_cursor_open(harness->store, query, &cursor));
    do {
        status = wfs_cursor_next(cursor, &row);
        if (status == WFS_OK)
            status = wfsi_page_add(harness, page, row.id);
    } while (status == WFS_OK);
    if (status == WFS_DONE)
        status = wfsi_page_end(harness, cursor, page);
    wfs_cursor_close(cursor);
    return status;
}

/* A page of the rows of one run, in a table of steps or events. */
static wfs_status wfsi_page_of_run(wfs_harness *harness, const char *table,
                                   wfs_row_id ref, int64_t run_number,
                                   const wfs_read_options *options,
                                   const char *cursor, wfsi_page *page)
{
    wfs_value equal[2];
    wfs_query query;

    equal[0] = wfs_reference(ref);
    equal[1] = wfs_integer(run_number);
    memset(&query, 0, sizeof query);
    query.table = table;
    query.index = "by_created";
    query.equal = equal;
    query.equal_count = 2;
    query.descending = options != NULL && options->order == WFS_DESCENDING;
    query.page_size = options != NULL ? options->page_size : 0;
    query.cursor = cursor;
    return wfsi_page_read(harness, &query, page);
}

/* Room for that many rows in the results' arena, also for none. */
static void *wfsi_rows_allocate(wfs_harness *harness, size_t count, size_t size)
{
    return wfsi_arena_zeroed(&harness->results, (count + 1) * size);
}

static wfs_status wfsi_read_steps(wfs_harness *harness, wfs_row_id ref,
                                  int64_t run_number,
                                  const wfs_read_options *options,
                                  wfs_history *history)
{
    wfsi_page page;
    wfs_step *steps;
    size_t i;

    WFS_TRY(wfsi_page_of_run(harness, "workflow_step", ref, run_number, options,
                             options != NULL ? options->steps_cursor : NULL,
                             &page));
    steps = (wfs_step *)wfsi_rows_allocate(harness, page.count, sizeof *steps);
    for (i = 0; steps != NULL && i < page.count; i++)
        wfsi_read_step(harness, page.ids[i], &steps[i]);
    history->steps = steps;
    history->step_count = page.count;
    history->steps_cursor = page.cursor;
    return WFS_OK;
}

static wfs_status wfsi_read_events(wfs_harness *harness, wfs_row_id ref,
                                   int64_t run_number,
                                   const wfs_read_options *options,
                                   wfs_history *history)
{
    wfsi_page page;
    wfs_event *events;
    size_t i;

    WFS_TRY(wfsi_page_of_run(harness, "workflow_event", ref, run_number,
                             options,
                             options != NULL ? options->events_cursor : NULL,
                             &page));
    events =
        (wfs_event *)wfsi_rows_allocate(harness, page.count, sizeof *events);
    for (i = 0; events != NULL && i < page.count; i++)
        wfsi_read_event(harness, page.ids[i], &events[i]);
    history->events = events;
    history->event_count = page.count;
    history->events_cursor = page.cursor;
    return WFS_OK;
}

/* Steps, events or both of the run that is asked for. */
static wfs_status wfsi_history(wfs_harness *harness, const char *workflow,
                               const char *id, const wfs_read_options *options,
                               bool steps, bool events, wfs_history *history)
{
    wfs_status status = WFS_OK;
    wfs_row_id ref;

    memset(history, 0, sizeof *history);
    WFS_TRY(wfsi_instance_find(harness, workflow, id, &ref));
    history->run_number = options != NULL && options->has_run_number
                              ? options->run_number
                              : wfsi_instance_at(harness, ref)->run_number;
    if (steps)
        status = wfsi_read_steps(harness, ref, history->run_number, options,
                                 history);
    if (status == WFS_OK && events)
        status = wfsi_read_events(harness, ref, history->run_number, options,
                                  history);
    return wfsi_results_close(harness, status);
}

wfs_status wfs_get_history(wfs_harness *harness, const char *workflow,
                           const char *id, const wfs_read_options *options,
                           wfs_history *history)
{
    return wfsi_history(harness, workflow, id, options, true, true, history);
}

wfs_status wfs_get_steps(wfs_harness *harness, const char *workflow,
                         const char *id, const wfs_read_options *options,
                         const wfs_step **steps, size_t *count)
{
    wfs_history history;

    WFS_TRY(wfsi_history(harness, workflow, id, options, true, false,
                         &history));
    *steps = history.steps;
    *count = history.step_count;
    return WFS_OK;
}

wfs_status wfs_get_events(wfs_harness *harness, const char *workflow,
                          const char *id, const wfs_read_options *options,
                          const wfs_event **events, size_t *count)
{
    wfs_history history;

    WFS_TRY(wfsi_history(harness, workflow, id, options, false, true,
                         &history));
    *events = history.events;
    *count = history.event_count;
    return WFS_OK;
}

wfs_status wfs_get_status(wfs_harness *harness, const char *workflow,
                          const char *id, wfs_status_report *report)
{
    const wfsi_instance_row *row;
    wfs_row_id ref;

    WFS_TRY(wfsi_instance_find(harness, workflow, id, &ref));
    row = wfsi_instance_at(harness, ref);
    report->status = (wfs_instance_status)wfsi_enum(&harness->names,
                                                    instance_status,
                                                    row->status);
    report->error_name = wfsi_text(harness->store, row->error_name,
                                 &report->error_name_size);
    report->error_message = wfsi_result_text(harness, row->error_message,
                                           &report->error_message_size);
    report->output = wfsi_result_json(harness, row->output);
    if (report->error_name_size == 0 && report->error_message_size == 0)
        report->error_name = report->error_message = NULL;
    return wfsi_results_close(harness, WFS_OK);
}

wfs_status wfs_get_instance(wfs_harness *harness, const char *workflow,
                            const char *id, const wfs_instance **instance)
{
    wfs_instance *read;
    wfs_row_id ref;
    size_t number;

    *instance = NULL;
    WFS_TRY(wfsi_workflow_find(harness, workflow, &number));
    ref = wfsi_instance_lookup(harness, harness->workflow_names[number], id);
    if (ref == 0)
        return WFS_OK;
    read = (wfs_instance *)wfsi_rows_allocate(harness, 1, sizeof *read);
    if (read != NULL)
        wfsi_read_instance(harness, ref, read);
    *instance = read;
    return wfsi_results_close(harness, WFS_OK);
}

/* Whether a hook has what the filter asks for. */
static bool wfsi_hook_matches(const wfs_harness *harness,
                              const wfsi_hook_row *row,
                              const wfs_hook_filter *filter,
                              wfsi_handle workflow)
{
    const wfsi_names *names = &harness->names;

    if (filter == NULL)
        return true;
    return (filter->hook_namespace == NULL ||
            wfsi_text_equal(wfsi_result_symbol(harness, row->hook_namespace),
                            filter->hook_namespace)) &&
           (filter->hook_name == NULL ||
            wfsi_text_equal(wfsi_result_symbol(harness, row->hook_name),
                            filter->hook_name)) &&
           (filter->status == WFS_HOOK_ANY ||
            wfsi_enum(names, hook_status, row->status) ==
                (int)filter->status) &&
           (workflow == 0 || row->workflow_name == workflow) &&
           (filter->instance_id == NULL ||
            wfsi_text_equal(wfsi_result_symbol(harness, row->instance_id),
                            filter->instance_id));
}

wfs_status wfs_get_hooks(wfs_harness *harness, const wfs_hook_filter *filter,
                         const wfs_hook **hooks, size_t *count)
{
    const wfsi_table *table = &harness->store->tables[WFSI_HOOKS];
    wfsi_handle workflow = 0;
    wfs_status status = WFS_OK;
    wfsi_page page;
    wfs_hook *read;
    wfs_row_id id;
    size_t number;

    if (filter != NULL && filter->workflow != NULL) {
        WFS_TRY(wfsi_workflow_find(harness, filter->workflow, &number));
        workflow = harness->workflow_names[number];
    }
    memset(&page, 0, sizeof page);
    for (id = 1; status == WFS_OK && id < table->next_id; id++)
        if (wfsi_row_find(table, id) != NULL &&
            wfsi_hook_matches(harness, wfsi_hook_at(harness, id), filter,
                              workflow))
            status = wfsi_page_add(harness, &page, id);
    read = (wfs_hook *)wfsi_rows_allocate(harness, page.count, sizeof *read);
    for (number = 0; read != NULL && number < page.count; number++)
        wfsi_read_hook(harness, page.ids[number], &read[number]);
    *hooks = read;
    *count = page.count;
    return wfsi_results_close(harness, status);
}

wfs_status wfs_list_instances(wfs_harness *harness, const char *workflow,
                              const wfs_list_options *options,
                              wfs_instance_list *list)
{
    wfs_instance *instances;
    wfs_value equal[2];
    wfs_query query;
    wfsi_page page;
    size_t number;

    memset(list, 0, sizeof *list);
    memset(&query, 0, sizeof query);
    WFS_TRY(wfsi_workflow_find(harness, workflow, &number));
    equal[0] = wfs_text(
        wfsi_result_symbol(harness, harness->workflow_names[number]));
    query.table = "workflow_instance";
    query.index = "by_instance";
    query.equal = equal;
    query.equal_count = 1;
    query.descending = true;
    query.page_size = 25;
    if (options != NULL && options->page_size != 0)
        query.page_size = options->page_size;
    if (options != NULL && options->status != WFS_INSTANCE_ANY) {
        equal[1] = wfs_text(wfs_instance_status_name(options->status));
        query.index = "by_status";
        query.equal_count = 2;
    }
    query.cursor = options != NULL ? options->cursor : NULL;
    WFS_TRY(wfsi_results_close(harness,
                               wfsi_page_read(harness, &query, &page)));
    instances = (wfs_instance *)wfsi_rows_allocate(harness, page.count,
                                                   sizeof *instances);
    for (number = 0; instances != NULL && number < page.count; number++)
        wfsi_read_instance(harness, page.ids[number], &instances[number]);
    list->instances = instances;
    list->count = page.count;
    list->has_next_page = page.has_more;
    list->cursor = page.cursor;
    return wfsi_results_close(harness, WFS_OK);
}

/* --- rows as JSON */

static void wfsi_set_text_n(wfs_arena *arena, wfs_json *object,
                            const char *key, const char *text, size_t size)
{
    wfs_json_set(arena, object, key,
                 text != NULL ? wfs_json_new_string_n(arena, text, size)
                              : wfs_json_new_null(arena));
}

static void wfsi_set_text(wfs_arena *arena, wfs_json *object, const char *key,
                          const char *text)
{
    wfsi_set_text_n(arena, object, key, text, text != NULL ? strlen(text) : 0);
}

static void wfsi_set_integer(wfs_arena *arena, wfs_json *object,
                             const char *key, int64_t value)
{
    wfs_json_set(arena, object, key,
                 value != WFS_NO_TIME ? wfs_json_new_integer(arena, value)
                                      : wfs_json_new_null(arena));
}

wfs_json *wfs_instance_to_json(wfs_arena *arena, const wfs_instance *instance)
{
    wfs_json *object = wfs_json_new_object(arena);

    wfsi_set_integer(arena, object, "id", instance->id);
    wfsi_set_text(arena, object, "instanceId", instance->instance_id);
    wfsi_set_text(arena, object, "workflowName", instance->workflow_name);
    wfsi_set_text(arena, object, "status",
                  wfs_instance_status_name(instance->status));
    wfsi_set_integer(arena, object, "createdAt", instance->created_at);
    wfsi_set_integer(arena, object, "updatedAt", instance->updated_at);
    wfsi_set_integer(arena, object, "startedAt", instance->started_at);
    wfsi_set_integer(arena, object, "completedAt", instance->completed_at);
    wfs_json_set(arena, object, "params", instance->params);
    wfs_json_set(arena, object, "output", instance->output);
    wfsi_set_text_n(arena, object, "errorName", instance->error_name,
                    instance->error_name_size);
    wfsi_set_text_n(arena, object, "errorMessage", instance->error_message,
                    instance->error_message_size);
    wfs_json_set(arena, object, "pauseRequested",
                 wfs_json_new_bool(arena, instance->pause_requested));
    wfsi_set_integer(arena, object, "runNumber", instance->run_number);
    return arena->failed ? NULL : object;
}

wfs_json *wfs_step_to_json(wfs_arena *arena, const wfs_step *step)
{
    wfs_json *object = wfs_json_new_object(arena);

    wfsi_set_integer(arena, object, "id", step->id);
    wfsi_set_integer(arena, object, "instanceRef", step->instance_ref);
    wfsi_set_text(arena, object, "workflowName", step->workflow_name);
    wfsi_set_text(arena, object, "instanceId", step->instance_id);
    wfsi_set_integer(arena, object, "runNumber", step->run_number);
    wfsi_set_text(arena, object, "stepKey", step->step_key);
    wfsi_set_text(arena, object, "name", step->name);
    wfsi_set_text(arena, object, "type", wfs_step_type_name(step->type));
    wfsi_set_text(arena, object, "status", wfs_step_status_name(step->status));
    wfsi_set_integer(arena, object, "attempts", step->attempts);
    wfsi_set_integer(arena, object, "maxAttempts", step->max_attempts);
    wfsi_set_integer(arena, object, "timeoutMs", step->timeout_ms);
    wfsi_set_integer(arena, object, "nextRetryAt", step->next_retry_at);
    wfsi_set_integer(arena, object, "wakeAt", step->wake_at);
    wfsi_set_text(arena, object, "waitEventType", step->wait_event_type);
    wfs_json_set(arena, object, "result", step->result);
    wfsi_set_text_n(arena, object, "errorName", step->error_name,
                    step->error_name_size);
    wfsi_set_text_n(arena, object, "errorMessage", step->error_message,
                    step->error_message_size);
    wfsi_set_integer(arena, object, "createdAt", step->created_at);
    wfsi_set_integer(arena, object, "updatedAt", step->updated_at);
    return arena->failed ? NULL : object;
}

wfs_json *wfs_event_to_json(wfs_arena *arena, const wfs_event *event)
{
    wfs_json *object = wfs_json_new_object(arena);

    wfsi_set_integer(arena, object, "id", event->id);
    wfsi_set_integer(arena, object, "instanceRef", event->instance_ref);
    wfsi_set_text(arena, object, "workflowName", event->workflow_name);
    wfsi_set_text(arena, object, "instanceId", event->instance_id);
    wfsi_set_integer(arena, object, "runNumber", event->run_number);
    wfsi_set_text(arena, object, "actor", wfs_actor_name(event->actor));
    wfsi_set_text(arena, object, "type", event->type);
    wfs_json_set(arena, object, "payload", event->payload);
    wfsi_set_integer(arena, object, "createdAt", event->created_at);
    wfsi_set_integer(arena, object, "deliveredAt", event->delivered_at);
    wfsi_set_text(arena, object, "consumedByStepKey",
                  event->consumed_by_step_key);
    return arena->failed ? NULL : object;
}

/* The engine's payload is an object of its fields. */
static const wfs_json *wfsi_payload_to_json(wfs_arena *arena,
                                            const wfs_hook *hook)
{
    wfs_json *object;

    if (hook->reason == WFS_REASON_NONE)
        return hook->payload;
    object = wfs_json_new_object(arena);
    wfsi_set_text(arena, object, "workflowName", hook->workflow_name);
    wfsi_set_text(arena, object, "instanceId", hook->instance_id);
    wfsi_set_integer(arena, object, "instanceRef", hook->instance_ref);
    wfsi_set_integer(arena, object, "runNumber", hook->run_number);
    wfsi_set_text(arena, object, "reason", wfs_reason_name(hook->reason));
    return object;
}

wfs_json *wfs_hook_to_json(wfs_arena *arena, const wfs_hook *hook)
{
    wfs_json *object = wfs_json_new_object(arena);

    wfsi_set_integer(arena, object, "id", hook->id);
    wfsi_set_text(arena, object, "namespace", hook->hook_namespace);
    wfsi_set_text(arena, object, "hookName", hook->hook_name);
    wfs_json_set(arena, object, "payload", wfsi_payload_to_json(arena, hook));
    wfsi_set_text(arena, object, "status", wfs_hook_status_name(hook->status));
    wfsi_set_integer(arena, object, "attempts", hook->attempts);
    wfsi_set_integer(arena, object, "maxAttempts", hook->max_attempts);
    wfsi_set_integer(arena, object, "lastAttemptAt", hook->last_attempt_at);
    wfsi_set_integer(arena, object, "nextRetryAt", hook->next_retry_at);
    wfsi_set_text(arena, object, "error", hook->error);
    wfsi_set_integer(arena, object, "createdAt", hook->created_at);
    return arena->failed ? NULL : object;
}


/* ------------------------------------------------------------------------
 * >>scenario  private: steps, inputs, vars, utilities, the runner
 *
 * Owns the running of scenarios: what a step takes and gives, its label, what
 * is said when it fails, and that running out of memory undoes it. May call
 * >>base, >>json, >>time, >>store and the public functions of >>harness.
 * Called by >>report.
 * --------------------------------------------------------------------- */

/* What the fields of a step came to, once its callbacks were asked. */
typedef struct wfsi_inputs {
    const char *workflow, *id, *type, *duration;
    const char *params, *payload;       /* JSON text */
    const char *test_id, *mock_scenario;
    const wfs_batch_item *instances;
    const wfs_payload *tick_payload;
    const wfs_read_options *options;
    wfs_reason reason;
    int64_t timestamp;                  /* 0: not given */
    int max_ticks;
} wfsi_inputs;

#define WFSI_IN_WORKFLOW    (1u << 0)
#define WFSI_IN_ID          (1u << 1)
#define WFSI_IN_PARAMS      (1u << 2)
#define WFSI_IN_INSTANCES   (1u << 3)
#define WFSI_IN_TYPE        (1u << 4)
#define WFSI_IN_PAYLOAD     (1u << 5)
#define WFSI_IN_REASON      (1u << 6)   /* or tick_payload */
#define WFSI_IN_DURATION    (1u << 7)
#define WFSI_IN_TIMESTAMP   (1u << 8)
#define WFSI_IN_MAX_TICKS   (1u << 9)
#define WFSI_IN_OPTIONS     (1u << 10)
#define WFSI_IN_READ        (1u << 11)
#define WFSI_IN_CHECK       (1u << 12)
#define WFSI_IN_TEST_ID     (1u << 13)
#define WFSI_IN_MOCKS       (1u << 14)  /* mock_scenario */
#define WFSI_IN_STATE       (1u << 15)

#define WFSI_IN_TARGET      (WFSI_IN_WORKFLOW | WFSI_IN_ID)
#define WFSI_IN_RUN         (WFSI_IN_TIMESTAMP | WFSI_IN_MAX_TICKS)
#define WFSI_IN_ANY_TICK                                                      \
    (WFSI_IN_TARGET | WFSI_IN_REASON | WFSI_IN_TIMESTAMP)

typedef struct wfsi_turn wfsi_turn;

/* A kind of step: its action, and for those that then run the instance until
 * it is idle, the reason. In a label %w stands for workflow and id, %t for the
 * event's type, %r for the reason, %d for the duration or the time, %n for
 * the number of instances, %i for the test id, %m for the mock scenario. */
typedef struct wfsi_kind {
    unsigned needs, takes;              /* inputs, WFSI_IN_... */
    wfs_status (*action)(wfsi_turn *turn);
    wfs_status (*control)(wfs_harness *harness, const char *workflow,
                          const char *id);
    wfs_reason run_reason;
    const char *label;
} wfsi_kind;

struct wfs_runner {
    wfs_allocator allocator;
    wfs_harness *harness;
    const wfs_scenario *scenario;
    wfs_step_result *steps;             /* room for every step of it */
    wfs_json *vars;
    wfs_scenario_result result;         /* result.arena owns all results */
};

/* One step while it runs. */
struct wfsi_turn {
    wfs_context context;
    wfs_runner *runner;
    const wfs_scenario_step *step;
    const wfsi_kind *kind;
    wfs_arena *arena;
    wfsi_inputs in;
    const wfs_json *value;              /* of the action */
    const wfs_json *run;                /* {processed, ticks} */
    const char *expected, *actual;      /* of an expectation that failed */
    const char *subject_workflow;       /* the instance last looked at */
    const char *subject_id;
    wfs_error error;
};

static const char *wfsi_copy_text(wfs_arena *arena, const char *text)
{
    return text != NULL ? wfsi_arena_text(arena, text, strlen(text)) : NULL;
}

/* --- inputs: a value or a callback, which wins */

static const char *wfsi_turn_name(const wfsi_turn *turn)
{
    return wfs_scenario_kind_name(turn->step->kind);
}

/* WFS_DONE and the like are no errors: a callback that fails with one of them
 * fails with what it ought to have said. */
static wfs_status wfsi_as_error(wfs_status status, wfs_status otherwise)
{
    return status >= WFS_ERR_NO_MEMORY && status < WFS_STATUS_COUNT
               ? status : otherwise;
}

/* What a callback that gave nothing, or an error, makes of the step. */
static wfs_status wfsi_input_refused(wfsi_turn *turn, const char *name)
{
    wfs_status code = wfsi_as_error(turn->error.code, WFS_ERR_ARGUMENT);

    if (turn->error.code != WFS_OK && turn->error.message[0] != '\0')
        return code;
    return wfsi_error(&turn->error, code, "%s step: %s gave nothing",
                      wfsi_turn_name(turn), name);
}

static wfs_status wfsi_input_text(wfsi_turn *turn, const char *name,
                                  const char *given, wfs_text_from from,
                                  const char **text)
{
    *text = given;
    if (from == NULL)
        return WFS_OK;
    turn->error.code = WFS_OK;
    *text = from(&turn->context);
    return *text != NULL ? WFS_OK : wfsi_input_refused(turn, name);
}

static wfs_status wfsi_input_json(wfsi_turn *turn, const char *name,
                                  const char *given, wfs_json_from from,
                                  const char **text)
{
    const wfs_json *value;

    *text = given;
    if (from == NULL)
        return WFS_OK;
    turn->error.code = WFS_OK;
    value = from(&turn->context);
    if (value == NULL)
        return wfsi_input_refused(turn, name);
    *text = wfs_json_write(turn->arena, value, 0, NULL);
    return *text != NULL ? WFS_OK : wfsi_no_memory(&turn->error);
}

static wfs_status wfsi_input_number(wfsi_turn *turn, const char *name,
                                    int64_t given, wfs_number_from from,
                                    int64_t *number)
{
    *number = given;
    if (from == NULL)
        return WFS_OK;
    turn->error.code = WFS_OK;
    *number = from(&turn->context);
    return turn->error.code == WFS_OK ? WFS_OK
                                      : wfsi_input_refused(turn, name);
}

static wfs_status wfsi_input_instances(wfsi_turn *turn)
{
    turn->in.instances = turn->step->instances;
    if (turn->step->instances_from == NULL)
        return WFS_OK;
    turn->error.code = WFS_OK;
    turn->in.instances = turn->step->instances_from(&turn->context);
    return turn->in.instances != NULL && turn->error.code == WFS_OK
               ? WFS_OK
               : wfsi_input_refused(turn, "instances_from");
}

static wfs_status wfsi_input_options(wfsi_turn *turn)
{
    turn->in.options = turn->step->options;
    if (turn->step->options_from == NULL)
        return WFS_OK;
    turn->error.code = WFS_OK;
    turn->in.options = turn->step->options_from(&turn->context);
    return turn->in.options != NULL ? WFS_OK
                                    : wfsi_input_refused(turn, "options_from");
}

static wfs_status wfsi_input_reason(wfsi_turn *turn)
{
    const char *text;
    int reason;

    turn->in.reason = turn->step->reason;
    WFS_TRY(wfsi_input_text(turn, "reason_from", NULL, turn->step->reason_from,
                            &text));
    if (text == NULL)
        return WFS_OK;
    for (reason = WFS_REASON_NONE + 1; reason < WFS_REASON_COUNT; reason++) {
        turn->in.reason = (wfs_reason)reason;
        if (wfsi_text_equal(text, wfs_reason_name(turn->in.reason)))
            return WFS_OK;
    }
    return wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                      "%s step: \"%s\" is not a reason", wfsi_turn_name(turn),
                      text);
}

/* A payload stands for workflow, id and reason, also in what is said. */
static wfs_status wfsi_input_tick(wfsi_turn *turn)
{
    const wfs_payload *payload = turn->step->tick_payload;

    if (turn->step->tick_payload_from != NULL) {
        turn->error.code = WFS_OK;
        payload = turn->step->tick_payload_from(&turn->context);
        if (payload == NULL)
            return wfsi_input_refused(turn, "tick_payload_from");
    }
    turn->in.tick_payload = payload;
    if (payload == NULL)
        return wfsi_input_reason(turn);
    turn->in.workflow = payload->workflow;
    turn->in.id = payload->instance_id;
    turn->in.reason = payload->reason;
    return WFS_OK;
}

static wfs_status wfsi_input_max_ticks(wfsi_turn *turn)
{
    int64_t number;

    WFS_TRY(wfsi_input_number(turn, "max_ticks_from", turn->step->max_ticks,
                              turn->step->max_ticks_from, &number));
    if (number < 0 || number > INT32_MAX)
        return wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                          "%s step: max_ticks is out of range: %i",
                          wfsi_turn_name(turn), number);
    turn->in.max_ticks = (int)number;
    return WFS_OK;
}

static wfs_status wfsi_input_texts(wfsi_turn *turn, unsigned takes)
{
    const wfs_scenario_step *step = turn->step;
    wfsi_inputs *in = &turn->in;

    if (takes & WFSI_IN_WORKFLOW)
        WFS_TRY(wfsi_input_text(turn, "workflow_from", step->workflow,
                                step->workflow_from, &in->workflow));
    if (takes & WFSI_IN_ID)
        WFS_TRY(wfsi_input_text(turn, "id_from", step->id, step->id_from,
                                &in->id));
    if (takes & WFSI_IN_TYPE)
        WFS_TRY(wfsi_input_text(turn, "type_from", step->type, step->type_from,
                                &in->type));
    if (takes & WFSI_IN_DURATION)
        WFS_TRY(wfsi_input_text(turn, "duration_from", step->duration,
                                step->duration_from, &in->duration));
    if (takes & WFSI_IN_TEST_ID)
        WFS_TRY(wfsi_input_text(turn, "test_id_from", step->test_id,
                                step->test_id_from, &in->test_id));
    if (takes & WFSI_IN_MOCKS)
        WFS_TRY(wfsi_input_text(turn, "mock_scenario_from",
                                step->mock_scenario, step->mock_scenario_from,
                                &in->mock_scenario));
    if (takes & WFSI_IN_PARAMS)
        WFS_TRY(wfsi_input_json(turn, "params_from", step->params,
                                step->params_from, &in->params));
    if (takes & WFSI_IN_PAYLOAD)
        WFS_TRY(wfsi_input_json(turn, "payload_from", step->payload,
                                step->payload_from, &in->payload));
    return WFS_OK;
}

/* The name of the first input that the kind needs and that is not there. */
static const char *wfsi_input_missing(const wfsi_turn *turn)
{
    const wfsi_inputs *in = &turn->in;
    unsigned needs = turn->kind->needs;

    if ((needs & WFSI_IN_WORKFLOW) && wfsi_text_empty(in->workflow))
        return "workflow";
    if ((needs & WFSI_IN_ID) && wfsi_text_empty(in->id))
        return "instanceId";
    if ((needs & WFSI_IN_INSTANCES) && in->instances == NULL)
        return "instances";
    if ((needs & WFSI_IN_TYPE) && wfsi_text_empty(in->type))
        return "an event type";
    if ((needs & WFSI_IN_DURATION) && wfsi_text_empty(in->duration))
        return "duration";
    if ((needs & WFSI_IN_READ) && turn->step->read == NULL)
        return "read";
    if ((needs & WFSI_IN_CHECK) && turn->step->check == NULL)
        return "check";
    if ((needs & WFSI_IN_MOCKS) && wfsi_text_empty(in->mock_scenario))
        return "mock_scenario";
    if ((needs & WFSI_IN_STATE) && wfsi_text_empty(turn->step->state))
        return "state";
    return NULL;
}

/* Ask for every input that the kind takes, in one fixed order. */
static wfs_status wfsi_input_resolve(wfsi_turn *turn)
{
    unsigned takes = turn->kind->needs | turn->kind->takes;
    const char *missing;

    WFS_TRY(wfsi_input_texts(turn, takes));
    if (takes & WFSI_IN_INSTANCES)
        WFS_TRY(wfsi_input_instances(turn));
    if (takes & WFSI_IN_REASON)
        WFS_TRY(wfsi_input_tick(turn));
    if (takes & WFSI_IN_TIMESTAMP)
        WFS_TRY(wfsi_input_number(turn, "timestamp_from", turn->step->timestamp,
                                  turn->step->timestamp_from,
                                  &turn->in.timestamp));
    if (takes & WFSI_IN_MAX_TICKS)
        WFS_TRY(wfsi_input_max_ticks(turn));
    if (takes & WFSI_IN_OPTIONS)
        WFS_TRY(wfsi_input_options(turn));
    turn->error.code = WFS_OK;
    turn->error.message[0] = '\0';
    missing = wfsi_input_missing(turn);
    return missing == NULL
               ? WFS_OK
               : wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                            "%s step requires %s", wfsi_turn_name(turn),
                            missing);
}

/* --- actions */

/* Keep what the harness said of a call that failed; error may be NULL. */
static wfs_status wfsi_keep_error(wfs_harness *harness, wfs_status status,
                                  wfs_error *error)
{
    const wfs_error *said = wfs_harness_error(harness);

    if (status == WFS_OK || error == NULL)
        return status;
    if (said == NULL || said->code != status || said->message[0] == '\0')
        return wfsi_error(error, status, "%s", wfs_status_meaning(status));
    *error = *said;
    return status;
}

static wfs_status wfsi_turn_called(wfsi_turn *turn, wfs_status status)
{
    return wfsi_keep_error(turn->runner->harness, status, &turn->error);
}

static wfs_json *wfsi_two_members(wfs_arena *arena, const char *first_key,
                                  const wfs_json *first,
                                  const char *second_key,
                                  const wfs_json *second)
{
    wfs_json *pair = wfs_json_new_object(arena);

    wfs_json_set(arena, pair, first_key, first);
    wfs_json_set(arena, pair, second_key, second);
    return pair;
}

static wfs_json *wfsi_json_text_or_null(wfs_arena *arena, const char *text)
{
    return text != NULL ? wfs_json_new_string(arena, text)
                        : wfs_json_new_null(arena);
}

static wfs_json *wfsi_json_status(wfs_arena *arena, wfs_instance_status status)
{
    wfs_json *object = wfs_json_new_object(arena);

    wfs_json_set(arena, object, "status",
                 wfs_json_new_string(arena, wfs_instance_status_name(status)));
    return object;
}

/* {name, message}, when there is an error: one text at least is not empty. */
static void wfsi_set_failure(wfs_arena *arena, wfs_json *object,
                             const wfs_json *name, const wfs_json *message)
{
    size_t name_size = 0, message_size = 0;

    wfs_json_string(name, &name_size);
    wfs_json_string(message, &message_size);
    if (name_size != 0 || message_size != 0)
        wfs_json_set(arena, object, "error",
                     wfsi_two_members(arena, "name", name, "message",
                                      message));
}

static wfs_status wfsi_act_create(wfsi_turn *turn)
{
    const char *id;

    WFS_TRY(wfsi_turn_called(
        turn, wfs_create(turn->runner->harness, turn->in.workflow, turn->in.id,
                         turn->in.params, &id)));
    turn->in.id = id;
    turn->value = wfs_json_new_string(turn->arena, id);
    return WFS_OK;
}

static wfs_status wfsi_act_create_batch(wfsi_turn *turn)
{
    const char *const *ids;
    wfs_json *array, *id;
    size_t count, i;

    WFS_TRY(wfsi_turn_called(
        turn, wfs_create_batch(turn->runner->harness, turn->in.workflow,
                               turn->in.instances, &ids, &count)));
    array = wfs_json_new_array(turn->arena);
    for (i = 0; i < count; i++) {
        id = wfs_json_new_string(turn->arena, ids[i]);
        wfs_json_append(
            turn->arena, array,
            wfsi_two_members(turn->arena, "id", id, "details",
                             wfsi_json_status(turn->arena,
                                              WFS_INSTANCE_QUEUED)));
    }
    turn->value = array;
    return WFS_OK;
}

static wfs_status wfsi_act_event(wfsi_turn *turn)
{
    wfs_instance_status before;

    WFS_TRY(wfsi_turn_called(
        turn, wfs_send_event(turn->runner->harness, turn->in.workflow,
                             turn->in.id, turn->in.type, turn->in.payload,
                             &before)));
    turn->value = wfsi_json_status(turn->arena, before);
    return WFS_OK;
}

/* Pause, resume, terminate, restart: a refusal is a value. */
static wfs_status wfsi_act_control(wfsi_turn *turn)
{
    wfs_arena *arena = turn->arena;
    wfs_status status = turn->kind->control(turn->runner->harness,
                                            turn->in.workflow, turn->in.id);
    wfs_json *value = wfs_json_new_object(arena);
    wfs_json *code, *message;

    if (status == WFS_OK) {
        wfs_json_set(arena, value, "ok", wfs_json_new_bool(arena, true));
    } else if (status == WFS_ERR_INSTANCE_NOT_FOUND ||
               status == WFS_ERR_INSTANCE_TERMINAL) {
        code = wfs_json_new_string(arena, wfs_status_name(status));
        message = wfs_json_new_string(arena, wfs_status_meaning(status));
        wfs_json_set(arena, value, "error",
                     wfsi_two_members(arena, "code", code, "message",
                                      message));
    } else {
        return wfsi_turn_called(turn, status);
    }
    turn->value = value;
    return WFS_OK;
}

static void wfsi_turn_set_time(wfsi_turn *turn)
{
    if (turn->in.timestamp != 0)
        wfs_clock_set(turn->context.clock, turn->in.timestamp);
}

/* What a tick or a run is asked to do, after the clock is set. */
static wfs_status wfsi_turn_payload(wfsi_turn *turn, wfs_reason reason,
                                    wfs_payload *payload)
{
    wfsi_turn_set_time(turn);
    if (turn->in.tick_payload != NULL) {
        *payload = *turn->in.tick_payload;
        return WFS_OK;
    }
    return wfsi_turn_called(turn, wfs_build_payload(turn->runner->harness,
                                                    turn->in.workflow,
                                                    turn->in.id, reason,
                                                    payload));
}

static wfs_status wfsi_turn_run(wfsi_turn *turn, wfs_reason reason)
{
    wfs_payload payload;
    wfs_idle idle;

    WFS_TRY(wfsi_turn_payload(turn, reason, &payload));
    WFS_TRY(wfsi_turn_called(
        turn, wfs_run_until_idle(turn->runner->harness, &payload,
                                 turn->in.max_ticks, &idle)));
    turn->run = wfsi_two_members(
        turn->arena, "processed",
        wfs_json_new_integer(turn->arena, idle.processed), "ticks",
        wfs_json_new_integer(turn->arena, idle.ticks));
    return WFS_OK;
}

/* A tick without a payload needs all that one is built from. */
static wfs_status wfsi_turn_check_tick(wfsi_turn *turn, const char *name)
{
    if (turn->in.tick_payload != NULL ||
        (!wfsi_text_empty(turn->in.workflow) &&
         !wfsi_text_empty(turn->in.id) &&
         turn->in.reason != WFS_REASON_NONE))
        return WFS_OK;
    return wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                      "%s step requires workflow, instanceId, and reason when "
                      "payload is omitted", name);
}

static wfs_status wfsi_act_tick(wfsi_turn *turn)
{
    wfs_payload payload;
    int processed;

    WFS_TRY(wfsi_turn_check_tick(turn, "Tick"));
    WFS_TRY(wfsi_turn_payload(turn, turn->in.reason, &payload));
    WFS_TRY(wfsi_turn_called(
        turn, wfs_tick(turn->runner->harness, &payload, &processed)));
    turn->value = wfs_json_new_integer(turn->arena, processed);
    return WFS_OK;
}

static wfs_status wfsi_act_run(wfsi_turn *turn)
{
    WFS_TRY(wfsi_turn_check_tick(turn, "runUntilIdle"));
    return wfsi_turn_run(turn, turn->in.reason);
}

static wfs_status wfsi_act_status(wfsi_turn *turn)
{
    wfs_status_report report;
    wfs_json *value;

    WFS_TRY(wfsi_turn_called(
        turn, wfs_get_status(turn->runner->harness, turn->in.workflow,
                             turn->in.id, &report)));
    value = wfsi_json_status(turn->arena, report.status);
    if (report.error_name != NULL || report.error_message != NULL)
        wfsi_set_failure(turn->arena, value,
                         wfs_json_new_string_n(turn->arena, report.error_name,
                                               report.error_name_size),
                         wfs_json_new_string_n(turn->arena,
                                               report.error_message,
                                               report.error_message_size));
    if (wfs_json_type_of(report.output) != WFS_JSON_NULL)
        wfs_json_set(turn->arena, value, "output",
                     wfs_json_copy(turn->arena, report.output));
    turn->value = value;
    return WFS_OK;
}

/* A row as a history shows it: without what is the same for all, and with the
 * two columns of an error as one value. */
static wfs_json *wfsi_history_row(wfs_arena *arena, const wfs_json *row)
{
    static const char *const left_out[] = {"instanceRef", "workflowName",
                                           "instanceId", "actor", "errorName",
                                           "errorMessage"};
    wfs_json *shown = wfs_json_new_object(arena);
    const char *key;
    size_t i, j;

    for (i = 0; i < wfs_json_count(row); i++) {
        key = wfs_json_key_at(row, i, NULL);
        for (j = 0; j < WFSI_COUNT(left_out); j++)
            if (strcmp(key, left_out[j]) == 0)
                break;
        if (j == WFSI_COUNT(left_out))
            wfs_json_set(arena, shown, key,
                         wfs_json_copy(arena, wfs_json_at(row, i)));
        else if (strcmp(key, "errorName") == 0)
            wfsi_set_failure(
                arena, shown, wfs_json_copy(arena, wfs_json_at(row, i)),
                wfs_json_copy(arena, wfs_json_get(row, "errorMessage")));
    }
    return shown;
}

static wfs_status wfsi_act_history(wfsi_turn *turn)
{
    wfs_arena *arena = turn->arena;
    wfs_json *value, *steps, *events;
    wfs_history history;
    size_t i;

    WFS_TRY(wfsi_turn_called(
        turn, wfs_get_history(turn->runner->harness, turn->in.workflow,
                              turn->in.id, turn->in.options, &history)));
    steps = wfs_json_new_array(arena);
    for (i = 0; i < history.step_count; i++)
        wfs_json_append(
            arena, steps,
            wfsi_history_row(arena,
                             wfs_step_to_json(arena, &history.steps[i])));
    events = wfs_json_new_array(arena);
    for (i = 0; i < history.event_count; i++)
        wfs_json_append(
            arena, events,
            wfsi_history_row(arena,
                             wfs_event_to_json(arena, &history.events[i])));
    value = wfs_json_new_object(arena);
    wfs_json_set(arena, value, "runNumber",
                 wfs_json_new_integer(arena, history.run_number));
    wfs_json_set(arena, value, "steps", steps);
    wfs_json_set(arena, value, "events", events);
    turn->value = value;
    return WFS_OK;
}

static wfs_status wfsi_turn_show_clock(wfsi_turn *turn)
{
    turn->value = wfs_json_new_integer(turn->arena,
                                       wfs_clock_now(turn->context.clock));
    return WFS_OK;
}

static wfs_status wfsi_act_advance_time(wfsi_turn *turn)
{
    WFS_TRY(wfs_clock_advance_by(turn->context.clock, turn->in.duration,
                                 &turn->error));
    return wfsi_turn_show_clock(turn);
}

static wfs_status wfsi_act_set_time(wfsi_turn *turn)
{
    wfs_clock_set(turn->context.clock, turn->in.timestamp);
    return wfsi_turn_show_clock(turn);
}

/* Move the clock one way or the other; the run that follows is the value. */
static wfs_status wfsi_act_move_clock(wfsi_turn *turn)
{
    bool advance = !wfsi_text_empty(turn->in.duration);

    if (advance && turn->in.timestamp != 0)
        return wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                          "advanceTimeAndRunUntilIdle requires either "
                          "advanceBy or setTo (not both)");
    if (advance)
        return wfs_clock_advance_by(turn->context.clock, turn->in.duration,
                                    &turn->error);
    if (turn->in.timestamp == 0)
        return wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                          "advanceTimeAndRunUntilIdle requires either "
                          "advanceBy (relative) or setTo (absolute)");
    wfsi_turn_set_time(turn);
    return WFS_OK;
}

static wfs_status wfsi_act_read(wfsi_turn *turn)
{
    const wfs_json *value = turn->step->read(&turn->context);

    if (value == NULL && turn->error.code != WFS_OK)
        return wfsi_input_refused(turn, "read");
    turn->value = value != NULL ? wfs_json_copy(turn->arena, value)
                                : wfs_json_new_null(turn->arena);
    return WFS_OK;
}

static wfs_status wfsi_act_assert(wfsi_turn *turn)
{
    wfs_status status = turn->step->check(&turn->context);

    turn->value = wfs_json_new_null(turn->arena);
    if (status == WFS_OK)
        return WFS_OK;
    if (turn->error.message[0] == '\0')
        wfsi_error(&turn->error, status, "the check returned %s: %s",
                   wfs_status_name(status), wfs_status_meaning(status));
    return wfsi_as_error(status, WFS_ERR_ASSERTION);
}

/* --- actions on mocks */

static wfs_status wfsi_turn_mocks(wfsi_turn *turn, wfs_mocks **mocks)
{
    *mocks = wfs_harness_mocks(turn->context.harness);
    return *mocks != NULL
               ? WFS_OK
               : wfsi_error(&turn->error, WFS_ERR_MISUSE,
                            "%s step needs a scenario with mocks",
                            wfsi_turn_name(turn));
}

/* What the mocks said of a call. */
static wfs_status wfsi_turn_asked(wfsi_turn *turn, wfs_mocks *mocks,
                                  wfs_status status)
{
    if (status != WFS_OK)
        turn->error = *wfs_mocks_error(mocks);
    return status;
}

static wfs_status wfsi_act_switch_mocks(wfsi_turn *turn)
{
    const char *test_id = turn->in.test_id, *scenario = turn->in.mock_scenario;
    wfs_mocks *mocks;

    WFS_TRY(wfsi_turn_mocks(turn, &mocks));
    WFS_TRY(wfsi_turn_asked(turn, mocks,
                            wfs_mocks_switch(mocks, test_id, scenario)));
    turn->value = wfsi_two_members(
        turn->arena, "testId",
        wfsi_json_text_or_null(turn->arena, wfsi_test_id(mocks, test_id)),
        "scenarioId", wfsi_json_text_or_null(turn->arena, scenario));
    return WFS_OK;
}

static wfs_status wfsi_act_expect_requests(wfsi_turn *turn)
{
    const wfs_scenario_step *step = turn->step;
    const wfs_mock_request *requests;
    wfs_mocks *mocks;
    const char *log;
    size_t count;

    WFS_TRY(wfsi_turn_mocks(turn, &mocks));
    WFS_TRY(wfsi_turn_asked(turn, mocks,
                            wfs_mocks_requests(mocks, step->requests,
                                               turn->arena, &requests,
                                               &count)));
    turn->value = wfs_json_new_integer(turn->arena, (int64_t)count);
    if (step->log == NULL)
        return wfs_expect_integer(&turn->context, "requests",
                                  (int64_t)step->count, (int64_t)count);
    WFS_TRY(wfsi_turn_asked(turn, mocks, wfs_mocks_log(mocks, step->requests,
                                                       turn->arena, &log)));
    return wfs_expect_text(&turn->context, "requests", step->log, log);
}

static wfs_status wfsi_act_expect_mock_state(wfsi_turn *turn)
{
    wfs_mocks *mocks;

    WFS_TRY(wfsi_turn_mocks(turn, &mocks));
    turn->value = wfs_mocks_state(mocks, turn->in.test_id, turn->arena);
    if (turn->value == NULL)
        return wfsi_no_memory(&turn->error);
    return wfs_expect_json(&turn->context, "state", turn->step->state,
                           turn->value);
}

static wfs_status wfsi_act_expect_mocks_used(wfsi_turn *turn)
{
    const char *unused;
    wfs_mocks *mocks;

    WFS_TRY(wfsi_turn_mocks(turn, &mocks));
    WFS_TRY(wfsi_turn_asked(turn, mocks,
                            wfs_mocks_unused(mocks, turn->in.test_id,
                                             turn->arena, &unused)));
    turn->value = wfs_json_new_null(turn->arena);
    return wfs_expect_text(&turn->context, "unused mocks", "", unused);
}

/* --- kinds, in the order of the enumeration */

static const wfsi_kind wfsi_kinds[WFS_SCENARIO_KIND_COUNT] = {
    {0, 0, NULL, NULL, WFS_REASON_NONE, ""},
    {WFSI_IN_WORKFLOW, WFSI_IN_ID | WFSI_IN_PARAMS, wfsi_act_create, NULL,
     WFS_REASON_NONE, "create %w"},
    {WFSI_IN_WORKFLOW | WFSI_IN_INSTANCES, 0, wfsi_act_create_batch, NULL,
     WFS_REASON_NONE, "create %n of %w"},
    {WFSI_IN_TARGET | WFSI_IN_TYPE, WFSI_IN_PAYLOAD, wfsi_act_event, NULL,
     WFS_REASON_NONE, "send %t to %w"},
    {0, WFSI_IN_ANY_TICK, wfsi_act_tick, NULL, WFS_REASON_NONE,
     "tick %w (%r)"},
    {0, WFSI_IN_ANY_TICK | WFSI_IN_MAX_TICKS, wfsi_act_run, NULL,
     WFS_REASON_NONE, "run %w until idle (%r)"},
    {WFSI_IN_TARGET, 0, wfsi_act_status, NULL, WFS_REASON_NONE,
     "status of %w"},
    {WFSI_IN_TARGET, WFSI_IN_OPTIONS, wfsi_act_history, NULL,
     WFS_REASON_NONE, "history of %w"},
    {WFSI_IN_DURATION, 0, wfsi_act_advance_time, NULL, WFS_REASON_NONE, "%d"},
    {0, WFSI_IN_TIMESTAMP, wfsi_act_set_time, NULL, WFS_REASON_NONE, "%d"},
    {WFSI_IN_READ, WFSI_IN_TARGET, wfsi_act_read, NULL, WFS_REASON_NONE,
     "read"},
    {WFSI_IN_CHECK, WFSI_IN_TARGET, wfsi_act_assert, NULL, WFS_REASON_NONE,
     "assert"},
    {WFSI_IN_TARGET, 0, wfsi_act_control, wfs_pause, WFS_REASON_NONE,
     "pause %w"},
    {WFSI_IN_TARGET, 0, wfsi_act_control, wfs_resume, WFS_REASON_NONE,
     "resume %w"},
    {WFSI_IN_TARGET, 0, wfsi_act_control, wfs_terminate, WFS_REASON_NONE,
     "terminate %w"},
    {WFSI_IN_TARGET, 0, wfsi_act_control, wfs_restart, WFS_REASON_NONE,
     "restart %w"},
    {WFSI_IN_WORKFLOW, WFSI_IN_ID | WFSI_IN_PARAMS | WFSI_IN_RUN,
     wfsi_act_create, NULL, WFS_REASON_CREATE, "create %w and run until idle"},
    {WFSI_IN_TARGET | WFSI_IN_TYPE, WFSI_IN_PAYLOAD | WFSI_IN_RUN,
     wfsi_act_event, NULL, WFS_REASON_EVENT,
     "send %t to %w and run until idle"},
    {WFSI_IN_TARGET, WFSI_IN_RUN, wfsi_act_control, wfs_resume,
     WFS_REASON_RESUME, "resume %w and run until idle"},
    {WFSI_IN_TARGET, WFSI_IN_RUN, NULL, NULL, WFS_REASON_CREATE,
     "run %w until idle (create)"},
    {WFSI_IN_TARGET, WFSI_IN_RUN, NULL, NULL, WFS_REASON_RESUME,
     "run %w until idle (resume)"},
    {WFSI_IN_TARGET, WFSI_IN_RUN, NULL, NULL, WFS_REASON_RETRY,
     "run %w until idle (retry)"},
    {WFSI_IN_TARGET, WFSI_IN_DURATION | WFSI_IN_RUN, wfsi_act_move_clock,
     NULL, WFS_REASON_WAKE, "%d and run %w until idle"},
    {WFSI_IN_MOCKS, WFSI_IN_TEST_ID, wfsi_act_switch_mocks, NULL,
     WFS_REASON_NONE, "switch mocks of %i to %m"},
    {0, 0, wfsi_act_expect_requests, NULL, WFS_REASON_NONE,
     "expect requests"},
    {WFSI_IN_STATE, WFSI_IN_TEST_ID, wfsi_act_expect_mock_state, NULL,
     WFS_REASON_NONE, "expect state of %i"},
    {0, WFSI_IN_TEST_ID, wfsi_act_expect_mocks_used, NULL, WFS_REASON_NONE,
     "expect mocks used"},
};

/* --- labels */

static void wfsi_label_target(const wfsi_turn *turn, wfsi_buffer *label)
{
    const wfsi_inputs *in = &turn->in;

    wfsi_buffer_text(label, wfsi_text_empty(in->workflow) ? "?"
                                                          : in->workflow);
    if (wfsi_text_empty(in->id))
        return;
    wfsi_buffer_char(label, ' ');
    wfsi_buffer_text(label, in->id);
}

static void wfsi_label_clock(const wfsi_turn *turn, wfsi_buffer *label)
{
    char text[WFS_TIME_TEXT_SIZE];

    if (!wfsi_text_empty(turn->in.duration)) {
        wfsi_buffer_text(label, "advance time by ");
        wfsi_buffer_text(label, turn->in.duration);
    } else {
        wfsi_buffer_text(label, "set time to ");
        wfsi_buffer_text(label, wfs_format_time(turn->in.timestamp, text));
    }
}

static size_t wfsi_batch_count(const wfs_batch_item *items)
{
    size_t count = 0;

    if (items != NULL)
        while (!wfsi_batch_ends(&items[count]))
            count++;
    return count;
}

static void wfsi_label_part(const wfsi_turn *turn, char part,
                            wfsi_buffer *label)
{
    if (part == 'w')
        wfsi_label_target(turn, label);
    else if (part == 't')
        wfsi_buffer_text(label, wfsi_text_empty(turn->in.type)
                                    ? "an event" : turn->in.type);
    else if (part == 'r')
        wfsi_buffer_text(label, turn->in.reason != WFS_REASON_NONE
                                    ? wfs_reason_name(turn->in.reason)
                                    : "no reason");
    else if (part == 'd')
        wfsi_label_clock(turn, label);
    else if (part == 'i')
        wfsi_buffer_text(label, turn->in.test_id != NULL
                                    ? turn->in.test_id
                                    : "the default test");
    else if (part == 'm')
        wfsi_buffer_text(label, wfsi_text_empty(turn->in.mock_scenario)
                                    ? "?"
                                    : turn->in.mock_scenario);
    else if (part == 'n')
        wfsi_buffer_integer(label,
                            (int64_t)wfsi_batch_count(turn->in.instances));
}

static const char *wfsi_label(const wfsi_turn *turn)
{
    const char *given = turn->step->label;
    const char *at;
    wfsi_buffer label;

    wfsi_buffer_open(&label, turn->arena);
    if (!wfsi_text_empty(given)) {
        wfsi_buffer_text(&label, given);
        return wfsi_buffer_finish(&label);
    }
    for (at = turn->kind->label; *at != '\0'; at++) {
        if (*at == '%')
            wfsi_label_part(turn, *++at, &label);
        else
            wfsi_buffer_char(&label, *at);
    }
    return wfsi_buffer_finish(&label);
}

/* --- the state of an instance, in a sentence */

static void wfsi_state_time(wfsi_buffer *state, const char *before,
                            int64_t time)
{
    char text[WFS_TIME_TEXT_SIZE];

    if (time == WFS_NO_TIME)
        return;
    wfsi_buffer_text(state, before);
    wfsi_buffer_text(state, wfs_format_time(time, text));
}

static void wfsi_state_quoted(wfsi_buffer *state, const char *before,
                              const char *text)
{
    wfsi_buffer_text(state, before);
    wfsi_buffer_char(state, '"');
    wfsi_buffer_text(state, text != NULL ? text : "");
    wfsi_buffer_char(state, '"');
}

static void wfsi_state_failure(wfsi_buffer *state, const char *before,
                               const char *name, const char *message)
{
    if (name == NULL && message == NULL)
        return;
    wfsi_buffer_text(state, before);
    wfsi_buffer_text(state, name != NULL ? name : "Error");
    if (wfsi_text_empty(message))
        return;
    wfsi_buffer_text(state, ": ");
    wfsi_buffer_text(state, message);
}

static void wfsi_state_do(wfsi_buffer *state, const wfs_step *step, bool over)
{
    if (over)
        wfsi_buffer_text(state, " was left waiting");
    else if (step->next_retry_at != WFS_NO_TIME)
        wfsi_state_time(state, " retries at ", step->next_retry_at);
    else
        wfsi_buffer_text(state, " waits for a step in it");
    wfsi_buffer_text(state, " (attempt ");
    wfsi_buffer_integer(state, step->attempts);
    wfsi_buffer_text(state, " of ");
    wfsi_buffer_integer(state, step->max_attempts);
    wfsi_state_failure(state, " failed: ", step->error_name,
                       step->error_message);
    wfsi_buffer_char(state, ')');
}

/* over: the instance has ended. */
static void wfsi_state_step(wfsi_buffer *state, const wfs_step *step, bool over)
{
    wfsi_state_quoted(state, "step ", step->step_key);
    if (step->type == WFS_STEP_WAIT_FOR_EVENT) {
        wfsi_state_quoted(state, " waits for event ", step->wait_event_type);
        wfsi_state_time(state, " until ", step->wake_at);
    } else if (step->type == WFS_STEP_SLEEP) {
        wfsi_state_time(state, " sleeps until ", step->wake_at);
    } else {
        wfsi_state_do(state, step, over);
    }
}

static void wfsi_state_instance(wfsi_buffer *state,
                                const wfs_instance *instance)
{
    wfsi_state_quoted(state, "instance ", instance->instance_id);
    wfsi_state_quoted(state, " of ", instance->workflow_name);
    wfsi_buffer_text(state, " is ");
    wfsi_buffer_text(state, wfs_instance_status_name(instance->status));
    wfsi_buffer_text(state, " (run ");
    wfsi_buffer_integer(state, instance->run_number);
    wfsi_buffer_char(state, ')');
    wfsi_state_failure(state, ": ", instance->error_name,
                       instance->error_message);
}

static wfs_status wfsi_state_steps(wfsi_buffer *state, wfs_harness *harness,
                                   const wfs_instance *instance)
{
    const char *before = ": ";
    const wfs_step *steps;
    size_t count, i;

    WFS_TRY(wfs_get_steps(harness, instance->workflow_name,
                          instance->instance_id, NULL, &steps, &count));
    for (i = 0; i < count; i++) {
        if (steps[i].status != WFS_STEP_WAITING)
            continue;
        wfsi_buffer_text(state, before);
        wfsi_state_step(state, &steps[i],
                        instance->completed_at != WFS_NO_TIME);
        before = ", ";
    }
    return WFS_OK;
}

#define WFSI_STATE_HOOKS 3      /* that many pending hooks are named */

static wfs_status wfsi_state_hooks(wfsi_buffer *state, wfs_harness *harness,
                                   const wfs_instance *instance)
{
    wfs_hook_filter filter;
    const wfs_hook *hooks;
    size_t count, i;

    memset(&filter, 0, sizeof filter);
    filter.status = WFS_HOOK_PENDING;
    filter.workflow = instance->workflow_name;
    filter.instance_id = instance->instance_id;
    WFS_TRY(wfs_get_hooks(harness, &filter, &hooks, &count));
    for (i = 0; i < count && i < WFSI_STATE_HOOKS; i++) {
        wfsi_buffer_text(state, i == 0 ? "; pending hooks: " : ", ");
        wfsi_buffer_text(state, wfs_reason_name(hooks[i].reason));
        wfsi_state_time(state, " at ", hooks[i].next_retry_at);
    }
    if (count > WFSI_STATE_HOOKS) {
        wfsi_buffer_text(state, " and ");
        wfsi_buffer_integer(state, (int64_t)(count - WFSI_STATE_HOOKS));
        wfsi_buffer_text(state, " more");
    }
    return WFS_OK;
}

/* Where the instance that the step was about is, and why; *text stays NULL
 * when there is no such instance. Errors: NO_MEMORY. */
static wfs_status wfsi_state(wfsi_turn *turn, const char **text)
{
    wfs_harness *harness = turn->runner->harness;
    const char *workflow = turn->subject_id != NULL ? turn->subject_workflow
                                                    : turn->in.workflow;
    const char *id = turn->subject_id != NULL ? turn->subject_id : turn->in.id;
    const wfs_instance *instance;
    wfsi_buffer state;
    wfs_status status;

    if (wfsi_text_empty(workflow) || wfsi_text_empty(id))
        return WFS_OK;
    status = wfs_get_instance(harness, workflow, id, &instance);
    if (status != WFS_OK || instance == NULL)
        return status == WFS_ERR_NO_MEMORY ? status : WFS_OK;
    wfsi_buffer_open(&state, turn->arena);
    wfsi_state_instance(&state, instance);
    if (instance->status == WFS_INSTANCE_QUEUED &&
        instance->started_at == WFS_NO_TIME &&
        !turn->runner->scenario->auto_tick)
        wfsi_buffer_text(&state, " and was never ticked: set auto_tick, or add "
                                 "a step that ticks it");
    WFS_TRY(wfsi_state_steps(&state, harness, instance));
    WFS_TRY(wfsi_state_hooks(&state, harness, instance));
    *text = wfsi_buffer_finish(&state);
    return *text != NULL ? WFS_OK : WFS_ERR_NO_MEMORY;
}

/* --- one step */

static void wfsi_turn_open(wfsi_turn *turn, wfs_runner *runner)
{
    size_t index = runner->result.step_count;

    memset(turn, 0, sizeof *turn);
    turn->runner = runner;
    turn->step = &runner->scenario->steps[index];
    turn->kind = &wfsi_kinds[(size_t)turn->step->kind <
                                     (size_t)WFS_SCENARIO_KIND_COUNT
                                 ? turn->step->kind : WFS_SCENARIO_END];
    turn->arena = runner->result.arena;
    turn->context.scenario = runner->scenario;
    turn->context.step = turn->step;
    turn->context.step_index = index;
    turn->context.harness = runner->harness;
    turn->context.clock = wfs_harness_clock(runner->harness);
    turn->context.arena = turn->arena;
    turn->context.vars = runner->vars;
    turn->context.user = runner->scenario->user;
    turn->context.error = &turn->error;
    turn->context.turn = turn;
}

/* Inputs, action, run; then the value is what store_as is for. */
static wfs_status wfsi_turn_execute(wfsi_turn *turn)
{
    const wfsi_kind *kind = turn->kind;

    if (kind->action == NULL && kind->run_reason == WFS_REASON_NONE)
        return wfsi_error(&turn->error, WFS_ERR_ARGUMENT,
                          "there is no kind of step with number %i",
                          (int64_t)turn->step->kind);
    WFS_TRY(wfsi_input_resolve(turn));
    if (kind->action != NULL)
        WFS_TRY(kind->action(turn));
    if (kind->run_reason != WFS_REASON_NONE)
        WFS_TRY(wfsi_turn_run(turn, kind->run_reason));
    return WFS_OK;
}

static const wfs_json *wfsi_turn_value(const wfsi_turn *turn)
{
    if (turn->run == NULL)
        return turn->value;
    if (turn->value == NULL)
        return turn->run;
    return wfsi_two_members(turn->arena, "value", turn->value, "run",
                            turn->run);
}

/* Fill in what is known of the step; memory that ran out shows in the arena. */
static wfs_status wfsi_turn_record(wfsi_turn *turn, wfs_status status,
                                   wfs_step_result *result)
{
    const wfs_scenario_step *step = turn->step;

    memset(result, 0, sizeof *result);
    result->index = turn->context.step_index;
    result->kind = step->kind;
    result->label = wfsi_label(turn);
    result->line = step->line;
    result->status = status;
    result->clock = wfs_clock_now(turn->context.clock);
    result->file = wfsi_copy_text(turn->arena, step->file);
    if (status == WFS_OK) {
        result->value = wfsi_turn_value(turn);
        return WFS_OK;
    }
    result->message = wfsi_copy_text(turn->arena, turn->error.message);
    result->expected = turn->expected;
    result->actual = turn->actual;
    return wfsi_state(turn, &result->state);
}

/* The hooks that are due run also after a step that failed; then it is the
 * step's error that counts. */
static wfs_status wfsi_turn_hooks(wfsi_turn *turn, wfs_status status)
{
    wfs_status hooks = wfs_process_hooks(turn->runner->harness, NULL);

    if (hooks == WFS_ERR_NO_MEMORY)
        return hooks;
    return status != WFS_OK ? status : wfsi_turn_called(turn, hooks);
}

static bool wfsi_runner_starved(const wfs_runner *runner)
{
    return wfs_arena_failed(runner->result.arena) ||
           wfs_arena_failed(wfs_harness_arena(runner->harness));
}

/* Set the step's variables, all or none: one is set in place, which either
 * happens or not, but two in a copy. */
static wfs_status wfsi_turn_store(wfsi_turn *turn)
{
    const char *name = turn->step->store_as;
    const char *run_name = turn->run != NULL ? turn->step->run_store_as : NULL;
    const wfs_json *value = turn->value != NULL ? turn->value : turn->run;
    wfs_runner *runner = turn->runner;
    wfs_json *vars = runner->vars;

    if (!wfsi_text_empty(name) && !wfsi_text_empty(run_name))
        vars = wfsi_json_shallow(turn->arena, vars);
    if (!wfsi_text_empty(name))
        vars = wfs_json_set(turn->arena, vars, name, value);
    if (!wfsi_text_empty(run_name))
        vars = wfs_json_set(turn->arena, vars, run_name, turn->run);
    if (vars == NULL)
        return WFS_ERR_NO_MEMORY;
    runner->vars = vars;
    runner->result.vars = vars;
    return WFS_OK;
}

/* --- the runner */

static size_t wfsi_scenario_count(const wfs_scenario *scenario)
{
    size_t count = 0;

    if (scenario != NULL && scenario->steps != NULL)
        while (scenario->steps[count].kind != WFS_SCENARIO_END)
            count++;
    return count;
}

static wfs_status wfsi_scenario_check(const wfs_scenario *scenario,
                                      wfs_error *error)
{
    const char *name;

    if (scenario == NULL)
        return wfsi_error(error, WFS_ERR_ARGUMENT, "there is no scenario");
    name = scenario->name != NULL ? scenario->name : "";
    if (scenario->workflows == NULL || (scenario->workflows->key == NULL &&
                                        scenario->workflows->name == NULL &&
                                        scenario->workflows->run == NULL))
        return wfsi_error(error, WFS_ERR_ARGUMENT,
                          "scenario \"%s\" has no workflows", name);
    if (wfsi_scenario_count(scenario) == 0)
        return wfsi_error(error, WFS_ERR_ARGUMENT,
                          "scenario \"%s\" has no steps", name);
    return WFS_OK;
}

/* A runner without a harness; NULL without memory. */
static wfs_runner *wfsi_runner_new(const wfs_scenario *scenario)
{
    wfs_allocator allocator = wfsi_allocator(&scenario->allocator);
    wfs_runner *runner = (wfs_runner *)wfsi_allocate_zeroed(&allocator,
                                                            sizeof *runner);
    size_t count = wfsi_scenario_count(scenario);
    wfs_arena *arena;

    if (runner == NULL)
        return NULL;
    runner->allocator = allocator;
    runner->scenario = scenario;
    runner->result.planned_count = count;
    arena = runner->result.arena = wfs_arena_create(&allocator);
    if (arena == NULL || count > SIZE_MAX / sizeof *runner->steps) {
        wfs_runner_free(runner);
        return NULL;
    }
    runner->steps = (wfs_step_result *)wfsi_arena_zeroed(
        arena, count * sizeof *runner->steps);
    runner->vars = wfs_json_new_object(arena);
    runner->result.steps = runner->steps;
    runner->result.vars = runner->vars;
    runner->result.clock = scenario->clock_start;
    runner->result.name = wfsi_copy_text(arena, scenario->name);
    if (wfs_arena_failed(arena)) {
        wfs_runner_free(runner);
        return NULL;
    }
    return runner;
}

static wfs_status wfsi_runner_equip(wfs_runner *runner, wfs_error *error)
{
    const wfs_scenario *scenario = runner->scenario;
    wfs_harness_options options;

    memset(&options, 0, sizeof options);
    options.workflows = scenario->workflows;
    options.tables = scenario->tables;
    options.hooks = scenario->hooks;
    options.mocks = scenario->mocks;
    options.clock_start = scenario->clock_start;
    options.seed = scenario->seed;
    options.auto_tick = scenario->auto_tick;
    options.limits = scenario->limits;
    options.allocator = runner->allocator;
    return wfs_harness_create(&options, &runner->harness, error);
}

/* What a step that ran out of memory gives back, beside the store. */
typedef struct wfsi_before {
    wfs_clock clock;
    wfs_random random;
    size_t transactions, floor;
} wfsi_before;

static size_t wfsi_runner_transactions(const wfs_runner *runner)
{
    return wfsi_array_count(wfs_harness_store(runner->harness)->savepoints);
}

static wfsi_before wfsi_runner_remember(const wfs_runner *runner)
{
    wfsi_before before;

    before.clock = *wfs_harness_clock(runner->harness);
    before.random = *wfs_harness_random(runner->harness);
    before.transactions = wfsi_runner_transactions(runner);
    before.floor = 0;                   /* of the guard, not up yet */
    return before;
}

static wfs_status wfsi_runner_undo(wfs_runner *runner,
                                   const wfsi_before *before)
{
    wfs_store *store = wfs_harness_store(runner->harness);

    while (wfsi_runner_transactions(runner) > before->transactions)
        wfsi_rollback(store);
    store->floor = before->floor;
    *wfs_harness_clock(runner->harness) = before->clock;
    *wfs_harness_random(runner->harness) = before->random;
    runner->result.arena->failed = false;
    wfs_harness_arena(runner->harness)->failed = false;
    return WFS_ERR_NO_MEMORY;
}

/* A callback that begins a transaction has to end it. */
static wfs_status wfsi_turn_balance(wfsi_turn *turn, const wfsi_before *before,
                                    wfs_status status)
{
    wfs_status balanced = wfsi_unguard(
        wfs_harness_store(turn->runner->harness), before->floor, status);

    return balanced == status
               ? status
               : wfsi_error(&turn->error, balanced,
                            "the step left a transaction open");
}

/* The step, the hooks that are due, what is told of it, its variables: these
 * come last, because they cannot be taken back. */
static wfs_status wfsi_turn_play(wfsi_turn *turn, const wfsi_before *before,
                                 wfs_step_result *result)
{
    wfs_status status = wfsi_turn_execute(turn);

    if (status == WFS_ERR_NO_MEMORY)
        return status;
    status = wfsi_turn_balance(turn, before, status);
    status = wfsi_turn_hooks(turn, status);
    if (status == WFS_ERR_NO_MEMORY ||
        wfsi_turn_record(turn, status, result) == WFS_ERR_NO_MEMORY ||
        wfsi_runner_starved(turn->runner))
        return WFS_ERR_NO_MEMORY;
    if (status == WFS_OK && wfsi_turn_store(turn) != WFS_OK)
        return WFS_ERR_NO_MEMORY;
    return status;
}

static wfs_status wfsi_runner_step(wfs_runner *runner, wfs_step_result *result)
{
    wfs_store *store = wfs_harness_store(runner->harness);
    wfsi_before before = wfsi_runner_remember(runner);
    wfs_status status;
    wfsi_turn turn;

    if (!wfsi_begin(store))
        return WFS_ERR_NO_MEMORY;
    before.floor = wfsi_guard(store);
    wfsi_turn_open(&turn, runner);
    status = wfsi_turn_play(&turn, &before, result);
    if (status == WFS_ERR_NO_MEMORY)
        return wfsi_runner_undo(runner, &before);
    wfsi_commit(store);
    return status;
}

/* Results that are final, whatever step they are about. */
static void wfsi_runner_add(wfs_runner *runner, wfs_status status)
{
    runner->result.step_count++;
    runner->result.status = status;
    runner->result.clock = wfs_clock_now(wfs_harness_clock(runner->harness));
}

/* End a scenario whose next step cannot run for lack of memory; takes none. */
static const wfs_step_result *wfsi_runner_give_up(wfs_runner *runner)
{
    size_t index = runner->result.step_count;
    wfs_step_result *result = &runner->steps[index];
    wfs_scenario_kind kind = runner->scenario->steps[index].kind;

    memset(result, 0, sizeof *result);
    result->index = index;
    result->kind = kind;
    result->label = wfs_scenario_kind_name(kind);
    result->status = WFS_ERR_NO_MEMORY;
    result->message = wfs_status_meaning(WFS_ERR_NO_MEMORY);
    result->clock = wfs_clock_now(wfs_harness_clock(runner->harness));
    wfsi_runner_add(runner, WFS_ERR_NO_MEMORY);
    return result;
}

/* What is left of a scenario that could not be set up: one result of no kind
 * that says why, if there is memory for it. */
static wfs_status wfsi_scenario_refuse(const wfs_scenario *scenario,
                                       const wfs_error *error,
                                       wfs_scenario_result *result)
{
    wfs_arena *arena = wfs_arena_create(scenario != NULL ? &scenario->allocator
                                                         : NULL);
    wfs_step_result *step = NULL;

    memset(result, 0, sizeof *result);
    result->status = error->code;
    result->planned_count = wfsi_scenario_count(scenario);
    result->clock = scenario != NULL ? scenario->clock_start : 0;
    result->arena = arena;
    if (arena != NULL)
        step = (wfs_step_result *)wfsi_arena_zeroed(arena, sizeof *step);
    if (step == NULL)
        return result->status;
    if (scenario != NULL)
        result->name = wfsi_copy_text(arena, scenario->name);
    step->label = "set up the scenario";
    step->status = error->code;
    step->message = wfsi_copy_text(arena, error->message);
    step->clock = result->clock;
    result->steps = step;
    result->step_count = 1;
    return result->status;
}

/* --- forks */

static void wfsi_step_result_copy(wfs_arena *arena, wfs_step_result *copy,
                                  const wfs_step_result *result)
{
    *copy = *result;
    copy->label = wfsi_copy_text(arena, result->label);
    copy->file = wfsi_copy_text(arena, result->file);
    copy->message = wfsi_copy_text(arena, result->message);
    copy->expected = wfsi_copy_text(arena, result->expected);
    copy->actual = wfsi_copy_text(arena, result->actual);
    copy->state = wfsi_copy_text(arena, result->state);
    if (result->value != NULL)
        copy->value = wfs_json_copy(arena, result->value);
}

/* Errors: as wfs_runner_fork; copy is a new runner. */
static wfs_status wfsi_runner_copy(wfs_runner *copy, const wfs_runner *runner)
{
    wfs_arena *arena = copy->result.arena;
    size_t i;

    for (i = 0; i < runner->result.step_count; i++)
        wfsi_step_result_copy(arena, &copy->steps[i], &runner->steps[i]);
    copy->vars = wfs_json_copy(arena, runner->vars);
    copy->result.vars = copy->vars;
    copy->result.status = runner->result.status;
    copy->result.step_count = runner->result.step_count;
    copy->result.clock = runner->result.clock;
    if (copy->vars == NULL || wfs_arena_failed(arena))
        return WFS_ERR_NO_MEMORY;
    return wfs_harness_fork(runner->harness, &copy->harness);
}

/* --- expectations */

static wfs_status wfsi_expect_failed(wfs_context *context, const char *what,
                                     const char *expected, const char *actual)
{
    wfsi_turn *turn = (wfsi_turn *)context->turn;

    if (turn != NULL) {
        turn->expected = expected;
        turn->actual = actual;
    }
    if (expected == NULL || actual == NULL)
        return wfsi_no_memory(context->error);
    return wfsi_error(context->error, WFS_ERR_ASSERTION,
                      "%s: expected %s, actual %s", what, expected, actual);
}

static const char *wfsi_integer_text(wfs_arena *arena, int64_t value)
{
    char digits[WFSI_INTEGER_SIZE];

    return wfsi_arena_text(arena, digits, wfsi_format_integer(value, digits));
}

static const char *wfsi_quoted_text(wfs_arena *arena, const char *text)
{
    return wfs_json_write(arena, wfsi_json_text_or_null(arena, text), 0, NULL);
}

/* The instance that the report tells of, if the step fails. */
static void wfsi_context_subject(wfs_context *context, const char *workflow,
                                 const char *id)
{
    wfsi_turn *turn = (wfsi_turn *)context->turn;

    if (turn == NULL ||
        (wfsi_text_equal(turn->subject_id, id) &&
         wfsi_text_equal(turn->subject_workflow, workflow)))
        return;
    turn->subject_workflow = wfsi_copy_text(turn->arena, workflow);
    turn->subject_id = wfsi_copy_text(turn->arena, id);
}

/* --- public: running */

const char *wfs_scenario_kind_name(wfs_scenario_kind kind)
{
#define WFSI_NAME(code, name) name,
    static const char *const names[] = {"", WFS_SCENARIO_STEP_LIST(WFSI_NAME)};
#undef WFSI_NAME

    return (size_t)kind < WFSI_COUNT(names) ? names[kind] : "";
}

wfs_status wfs_runner_create(const wfs_scenario *scenario, wfs_runner **runner,
                             wfs_error *error)
{
    wfs_runner *created;
    wfs_status status;

    *runner = NULL;
    WFS_TRY(wfsi_scenario_check(scenario, error));
    created = wfsi_runner_new(scenario);
    if (created == NULL)
        return wfsi_no_memory(error);
    status = wfsi_runner_equip(created, error);
    if (status != WFS_OK) {
        wfs_runner_free(created);
        return status;
    }
    *runner = created;
    return WFS_OK;
}

wfs_status wfs_runner_next(wfs_runner *runner, const wfs_step_result **step)
{
    wfs_scenario_result *result = &runner->result;
    wfs_step_result *next = &runner->steps[result->step_count];
    wfs_status status;

    if (step != NULL)
        *step = NULL;
    if (result->status != WFS_OK || result->step_count == result->planned_count)
        return WFS_DONE;
    status = wfsi_runner_step(runner, next);
    if (status == WFS_ERR_NO_MEMORY)
        return status;
    wfsi_runner_add(runner, status);
    if (step != NULL)
        *step = next;
    return status;
}

wfs_harness *wfs_runner_harness(wfs_runner *runner)
{
    return runner->harness;
}

const wfs_scenario_result *wfs_runner_result(wfs_runner *runner)
{
    return &runner->result;
}

wfs_status wfs_runner_fork(wfs_runner *runner, wfs_runner **copy)
{
    wfs_runner *created = wfsi_runner_new(runner->scenario);
    wfs_status status;

    *copy = NULL;
    if (created == NULL)
        return WFS_ERR_NO_MEMORY;
    status = wfsi_runner_copy(created, runner);
    if (status != WFS_OK) {
        wfs_runner_free(created);
        return status;
    }
    *copy = created;
    return WFS_OK;
}

void wfs_runner_free(wfs_runner *runner)
{
    wfs_allocator allocator;

    if (runner == NULL)
        return;
    allocator = runner->allocator;
    if (runner->harness != NULL)
        wfs_harness_free(runner->harness);
    wfs_arena_free(runner->result.arena);
    wfsi_release(&allocator, runner, sizeof *runner);
}

wfs_status wfs_scenario_run(const wfs_scenario *scenario,
                            wfs_scenario_result *result)
{
    wfs_runner *runner;
    wfs_status status;
    wfs_error error;

    if (wfs_runner_create(scenario, &runner, &error) != WFS_OK)
        return wfsi_scenario_refuse(scenario, &error, result);
    do {
        status = wfs_runner_next(runner, NULL);
    } while (status == WFS_OK);
    if (status == WFS_ERR_NO_MEMORY)
        wfsi_runner_give_up(runner);
    *result = runner->result;
    runner->result.arena = NULL;
    wfs_runner_free(runner);
    return result->status;
}

void wfs_scenario_result_free(wfs_scenario_result *result)
{
    if (result == NULL)
        return;
    wfs_arena_free(result->arena);
    memset(result, 0, sizeof *result);
}

/* --- public: utilities for callbacks */

const wfs_instance *wfs_context_instance(wfs_context *context,
                                         const char *workflow, const char *id)
{
    const wfs_instance *instance = NULL;
    wfs_status status = wfs_get_instance(context->harness, workflow, id,
                                         &instance);

    if (wfsi_keep_error(context->harness, status, context->error) != WFS_OK)
        return NULL;
    if (instance != NULL)
        wfsi_context_subject(context, workflow, id);
    return instance;
}

const wfs_instance *wfs_context_require_instance(wfs_context *context,
                                                 const char *workflow,
                                                 const char *id)
{
    const wfs_instance *instance;

    context->error->code = WFS_OK;
    instance = wfs_context_instance(context, workflow, id);
    if (instance == NULL && context->error->code == WFS_OK)
        wfsi_error(context->error, WFS_ERR_INSTANCE_NOT_FOUND,
                   "workflow \"%s\" has no instance \"%s\"", workflow, id);
    return instance;
}

const wfs_step *wfs_context_steps(wfs_context *context, const char *workflow,
                                  const char *id,
                                  const wfs_read_options *options,
                                  size_t *count)
{
    static wfs_step none;   /* so that only a failure gives NULL */
    const wfs_step *steps = NULL;
    wfs_status status;

    *count = 0;
    status = wfs_get_steps(context->harness, workflow, id, options, &steps,
                           count);
    if (wfsi_keep_error(context->harness, status, context->error) != WFS_OK)
        return NULL;
    return *count != 0 ? steps : &none;
}

const wfs_event *wfs_context_events(wfs_context *context, const char *workflow,
                                    const char *id,
                                    const wfs_read_options *options,
                                    size_t *count)
{
    static wfs_event none;
    const wfs_event *events = NULL;
    wfs_status status;

    *count = 0;
    status = wfs_get_events(context->harness, workflow, id, options, &events,
                            count);
    if (wfsi_keep_error(context->harness, status, context->error) != WFS_OK)
        return NULL;
    return *count != 0 ? events : &none;
}

const wfs_hook *wfs_context_hooks(wfs_context *context,
                                  const wfs_hook_filter *filter, size_t *count)
{
    static wfs_hook none;
    const wfs_hook *hooks = NULL;
    wfs_status status;

    *count = 0;
    status = wfs_get_hooks(context->harness, filter, &hooks, count);
    if (wfsi_keep_error(context->harness, status, context->error) != WFS_OK)
        return NULL;
    return *count != 0 ? hooks : &none;
}

const wfs_payload *wfs_context_payload(wfs_context *context,
                                       const char *workflow, const char *id,
                                       wfs_reason reason)
{
    wfs_payload *payload = (wfs_payload *)wfsi_arena_allocate(
        context->arena, sizeof *payload);
    wfs_status status;

    if (payload == NULL) {
        wfsi_no_memory(context->error);
        return NULL;
    }
    status = wfs_build_payload(context->harness, workflow, id, reason, payload);
    status = wfsi_keep_error(context->harness, status, context->error);
    return status == WFS_OK ? payload : NULL;
}

const wfs_json *wfs_var(const wfs_context *context, const char *path)
{
    return path != NULL ? wfs_json_path(context->vars, path) : NULL;
}

const char *wfs_var_text(const wfs_context *context, const char *path)
{
    return wfs_json_string(wfs_var(context, path), NULL);
}

/* --- public: expectations */

wfs_status wfs_expect(wfs_context *context, bool holds, const char *what)
{
    return holds ? WFS_OK : wfsi_expect_failed(context, what, "true", "false");
}

wfs_status wfs_expect_integer(wfs_context *context, const char *what,
                              int64_t expected, int64_t actual)
{
    if (expected == actual)
        return WFS_OK;
    return wfsi_expect_failed(context, what,
                              wfsi_integer_text(context->arena, expected),
                              wfsi_integer_text(context->arena, actual));
}

wfs_status wfs_expect_text(wfs_context *context, const char *what,
                           const char *expected, const char *actual)
{
    if (wfsi_text_equal(expected, actual) || expected == actual)
        return WFS_OK;
    return wfsi_expect_failed(context, what,
                              wfsi_quoted_text(context->arena, expected),
                              wfsi_quoted_text(context->arena, actual));
}

wfs_status wfs_expect_json(wfs_context *context, const char *what,
                           const char *expected, const wfs_json *actual)
{
    wfs_arena *arena = context->arena;
    wfs_error problem;
    wfs_status status;
    const char *difference;
    wfs_json *wanted;

    if (expected == NULL)
        expected = "null";
    wanted = wfs_json_parse(arena, expected, strlen(expected), NULL, &problem);
    if (wanted == NULL)
        return wfsi_error(context->error, problem.code,
                          "%s: what is expected is not JSON: %s", what,
                          problem.message);
    if (wfs_json_equal(wanted, actual))
        return WFS_OK;
    difference = wfs_json_diff(arena, wanted, actual);
    status = wfsi_expect_failed(context, what,
                                wfs_json_write(arena, wanted, 0, NULL),
                                wfs_json_write(arena, actual, 0, NULL));
    return status == WFS_ERR_ASSERTION && difference != NULL
               ? wfsi_error(context->error, status, "%s: %s", what, difference)
               : status;
}

wfs_status wfs_expect_status(wfs_context *context, const char *workflow,
                             const char *id, wfs_instance_status expected)
{
    const wfs_instance *instance = NULL;
    wfs_status status = wfs_get_instance(context->harness, workflow, id,
                                         &instance);

    WFS_TRY(wfsi_keep_error(context->harness, status, context->error));
    if (instance != NULL && instance->status == expected)
        return WFS_OK;
    wfsi_context_subject(context, workflow, id);
    return wfsi_expect_failed(context, id, wfs_instance_status_name(expected),
                              instance != NULL
                                  ? wfs_instance_status_name(instance->status)
                                  : "no such instance");
}

/* ------------------------------------------------------------------------
 * >>report  private: TAP, timeline
 *
 * Owns all text meant to be read by people and test runners. May call >>base,
 * >>json, >>time, >>scenario and public functions of the others. Called by
 * the user only.
 * --------------------------------------------------------------------- */

/* The options with their defaults resolved. */
typedef struct wfsi_report {
    wfs_writer writer;
    wfs_verbosity verbosity;
    bool color;
    size_t width;
    wfs_allocator allocator;            /* for values while they are written */
} wfsi_report;

#define WFSI_WIDTH_DEFAULT 80
#define WFSI_WIDTH_LEAST 48

#define WFSI_RED "\033[31m"
#define WFSI_GREEN "\033[32m"
#define WFSI_YELLOW "\033[33m"
#define WFSI_CYAN "\033[36m"
#define WFSI_BOLD "\033[1m"
#define WFSI_DIM "\033[2m"
#define WFSI_PLAIN "\033[0m"

static void wfsi_default_write(const char *text, size_t size, void *user)
{
    (void)user;
#ifdef WFSCENARIO_NO_STDIO
    (void)text;
    (void)size;
#else
    if (fwrite(text, 1, size, stdout) != size)
        return;                         /* stdout keeps the error */
#endif
}

static wfsi_report wfsi_report_open(const wfs_report_options *options,
                                    const wfs_allocator *allocator)
{
    wfsi_report report;

    memset(&report, 0, sizeof report);
    report.writer.write = wfsi_default_write;
    report.width = WFSI_WIDTH_DEFAULT;
    report.allocator = wfsi_allocator(allocator);
    if (options == NULL)
        return report;
    if (allocator == NULL)
        report.allocator = wfsi_allocator(&options->allocator);
    if (options->writer.write != NULL)
        report.writer = options->writer;
    report.verbosity = options->verbosity;
    report.color = options->color;
    if (options->width > 0)
        report.width = (size_t)options->width;
    if (report.width < WFSI_WIDTH_LEAST)
        report.width = WFSI_WIDTH_LEAST;
    return report;
}

/* --- printing */

static void wfsi_print_n(const wfsi_report *report, const char *text,
                         size_t size)
{
    if (size != 0)
        report->writer.write(text, size, report->writer.user);
}

static void wfsi_print(const wfsi_report *report, const char *text)
{
    wfsi_print_n(report, text, strlen(text));
}

static void wfsi_print_integer(const wfsi_report *report, int64_t value)
{
    char digits[WFSI_INTEGER_SIZE];

    wfsi_print_n(report, digits, wfsi_format_integer(value, digits));
}

static void wfsi_print_colored(const wfsi_report *report, const char *color,
                               const char *text)
{
    if (report->color)
        wfsi_print(report, color);
    wfsi_print(report, text);
    if (report->color)
        wfsi_print(report, WFSI_PLAIN);
}

/* One character of a text, read for printing. */
typedef struct wfsi_glyph {
    const char *text;
    size_t size;                        /* 0: the end of the text */
    bool valid;                         /* it is UTF-8 */
    bool printable;                     /* and no control or line separator */
} wfsi_glyph;

static wfsi_glyph wfsi_glyph_at(const char *text, const char *end)
{
    const unsigned char *at = (const unsigned char *)text;
    wfsi_glyph glyph;

    memset(&glyph, 0, sizeof glyph);
    glyph.text = text;
    if (text == end)
        return glyph;
    glyph.size = wfsi_utf8_sequence(text, end, &glyph.valid);
    glyph.printable = glyph.valid && at[0] >= 0x20 && at[0] != 0x7F;
    if (at[0] == 0xC2 && glyph.size == 2 && at[1] < 0xA0)
        glyph.printable = false;        /* U+0080 to U+009F */
    if (at[0] == 0xE2 && glyph.size == 3 && at[1] == 0x80 &&
        (at[2] == 0xA8 || at[2] == 0xA9))
        glyph.printable = false;        /* U+2028, U+2029 */
    if (at[0] == 0xEF && glyph.size == 3 &&
        ((at[1] == 0xBB && at[2] == 0xBF) || (at[1] == 0xBF && at[2] >= 0xBE)))
        glyph.printable = false;        /* U+FEFF, U+FFFE, U+FFFF */
    return glyph;
}

#define WFSI_REPLACEMENT "\xEF\xBF\xBD"

/* --- YAML */

static void wfsi_yaml_escape(const wfsi_report *report, const wfsi_glyph *glyph)
{
    static const char hex[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)glyph->text;
    uint32_t code = at[0];
    char text[7] = "\\u0000";
    int i;

    if (!glyph->valid)
        code = 0xFFFD;
    else if (glyph->size == 2)
        code = (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
    else if (glyph->size == 3)
        code = (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 |
               (at[2] & 0x3F);
    if (code == '\n') {
        wfsi_print(report, "\\n");
        return;
    }
    for (i = 5; i > 1; i--, code >>= 4)
        text[i] = hex[code & 15];
    wfsi_print(report, text);
}

/* Text that stands as it is but for what a YAML reader may refuse; quotes are
 * escaped when it is a string and left when it is JSON already. */
static void wfsi_yaml_body(const wfsi_report *report, const char *text,
                           size_t size, bool is_json)
{
    const char *end = text + size;
    wfsi_glyph glyph = wfsi_glyph_at(text, end);

    for (; glyph.size != 0; glyph = wfsi_glyph_at(text, end)) {
        if (!glyph.printable)
            wfsi_yaml_escape(report, &glyph);
        else if (!is_json && (*text == '"' || *text == '\\'))
            wfsi_print(report, *text == '"' ? "\\\"" : "\\\\");
        else
            wfsi_print_n(report, text, glyph.size);
        text += glyph.size;
    }
}

static bool wfsi_yaml_is_printable(const char *text)
{
    const char *end = text + strlen(text);
    wfsi_glyph glyph = wfsi_glyph_at(text, end);

    while (glyph.printable) {
        text += glyph.size;
        glyph = wfsi_glyph_at(text, end);
    }
    return glyph.size == 0;
}

/* In single quotes, which read best, or in double ones for what needs
 * escapes. */
static void wfsi_yaml_string(const wfsi_report *report, const char *text)
{
    const char *quote;

    if (!wfsi_yaml_is_printable(text)) {
        wfsi_print(report, "\"");
        wfsi_yaml_body(report, text, strlen(text), false);
        wfsi_print(report, "\"");
        return;
    }
    wfsi_print(report, "'");
    for (quote = strchr(text, '\''); quote != NULL;
         quote = strchr(text, '\'')) {
        wfsi_print_n(report, text, (size_t)(quote + 1 - text));
        wfsi_print(report, "'");
        text = quote + 1;
    }
    wfsi_print(report, text);
    wfsi_print(report, "'");
}

static void wfsi_yaml_key(const wfsi_report *report, const char *key)
{
    wfsi_print(report, "  ");
    wfsi_print(report, key);
    wfsi_print(report, ": ");
}

/* A line of a block; none for a text that is NULL. */
static void wfsi_yaml_text(const wfsi_report *report, const char *key,
                           const char *text)
{
    if (text == NULL)
        return;
    wfsi_yaml_key(report, key);
    wfsi_yaml_string(report, text);
    wfsi_print(report, "\n");
}

static void wfsi_yaml_word(const wfsi_report *report, const char *key,
                           const char *word)
{
    wfsi_yaml_key(report, key);
    wfsi_print(report, word);
    wfsi_print(report, "\n");
}

static void wfsi_yaml_clock(const wfsi_report *report, int64_t time)
{
    char text[WFS_TIME_TEXT_SIZE];

    wfsi_yaml_word(report, "clock", wfs_format_time(time, text));
}

/* JSON is YAML. */
static void wfsi_yaml_value(const wfsi_report *report, const wfs_json *value)
{
    wfs_arena arena;
    const char *text;
    size_t size;

    wfsi_arena_open(&arena, &report->allocator);
    text = wfs_json_write(&arena, value, 0, &size);
    wfsi_yaml_key(report, "value");
    if (text != NULL)
        wfsi_yaml_body(report, text, size, true);
    else
        wfsi_yaml_string(report, "(no memory to show it)");
    wfsi_print(report, "\n");
    wfsi_arena_close(&arena);
}

static void wfsi_yaml_place(const wfsi_report *report,
                            const wfs_step_result *step)
{
    if (step->file == NULL)
        return;
    wfsi_print(report, "  at:\n    file: ");
    wfsi_yaml_string(report, step->file);
    wfsi_print(report, "\n    line: ");
    wfsi_print_integer(report, step->line);
    wfsi_print(report, "\n");
}

static void wfsi_yaml_kind(const wfsi_report *report,
                           const wfs_step_result *step)
{
    const char *name = wfs_scenario_kind_name(step->kind);

    if (name[0] != '\0')
        wfsi_yaml_word(report, "kind", name);
}

static void wfsi_yaml_failure(const wfsi_report *report,
                              const wfs_step_result *step)
{
    wfsi_print(report, "  ---\n");
    wfsi_yaml_text(report, "message", step->message);
    wfsi_yaml_word(report, "severity", "fail");
    wfsi_yaml_word(report, "code", wfs_status_name(step->status));
    wfsi_yaml_kind(report, step);
    wfsi_yaml_key(report, "step");
    wfsi_print_integer(report, (int64_t)step->index + 1);
    wfsi_print(report, "\n");
    wfsi_yaml_place(report, step);
    wfsi_yaml_text(report, "expected", step->expected);
    wfsi_yaml_text(report, "actual", step->actual);
    wfsi_yaml_text(report, "state", step->state);
    wfsi_yaml_clock(report, step->clock);
    wfsi_print(report, "  ...\n");
}

static void wfsi_yaml_success(const wfsi_report *report,
                              const wfs_step_result *step)
{
    wfsi_print(report, "  ---\n");
    wfsi_yaml_kind(report, step);
    wfsi_yaml_value(report, step->value);
    wfsi_yaml_clock(report, step->clock);
    wfsi_print(report, "  ...\n");
}

/* --- TAP
 *
 * One test a step. When one fails, those after it do not run: they are
 * reported as skipped, so that every test of the plan is accounted for and
 * the one that failed is the only one that is not ok. A quiet report has one
 * test, the scenario: its plan holds, because a scenario ends with the first
 * step that fails. */

/* In one line, with what has a meaning in TAP escaped. */
static void wfsi_tap_text(const wfsi_report *report, const char *text)
{
    const char *end = text + strlen(text);
    wfsi_glyph glyph = wfsi_glyph_at(text, end);

    for (; glyph.size != 0; glyph = wfsi_glyph_at(text, end)) {
        if (!glyph.valid)
            wfsi_print(report, WFSI_REPLACEMENT);
        else if (!glyph.printable)
            wfsi_print(report, " ");
        else if (*text == '#' || *text == '\\')
            wfsi_print(report, *text == '#' ? "\\#" : "\\\\");
        else
            wfsi_print_n(report, text, glyph.size);
        text += glyph.size;
    }
}

static void wfsi_tap_test(const wfsi_report *report, bool ok, size_t number,
                          const char *description)
{
    wfsi_print_colored(report, ok ? WFSI_GREEN : WFSI_RED,
                       ok ? "ok" : "not ok");
    wfsi_print(report, " ");
    wfsi_print_integer(report, (int64_t)number);
    if (!wfsi_text_empty(description)) {
        wfsi_print(report, " - ");
        wfsi_tap_text(report, description);
    }
}

static void wfsi_tap_skip(const wfsi_report *report, size_t number,
                          size_t failed)
{
    wfsi_tap_test(report, true, number, NULL);
    wfsi_print(report, " ");
    wfsi_print_colored(report, WFSI_YELLOW, "# SKIP");
    wfsi_print(report, " step ");
    wfsi_print_integer(report, (int64_t)failed);
    wfsi_print(report, " failed\n");
}

static const char *wfsi_scenario_name(const char *name)
{
    return wfsi_text_empty(name) ? "scenario" : name;
}

/* Tests in the plan; a scenario without steps fails as one. */
static size_t wfsi_tap_count(const wfsi_report *report, size_t steps)
{
    return report->verbosity == WFS_QUIET || steps == 0 ? 1 : steps;
}

static void wfsi_tap_plan(const wfsi_report *report,
                          const wfs_scenario *scenario)
{
    size_t steps = wfsi_scenario_count(scenario);

    wfsi_print(report, "TAP version 14\n1..");
    wfsi_print_integer(report, (int64_t)wfsi_tap_count(report, steps));
    wfsi_print(report, "\n");
    if (report->verbosity == WFS_QUIET)
        return;
    wfsi_print(report, "# ");
    wfsi_tap_text(report, wfsi_scenario_name(scenario != NULL ? scenario->name
                                                              : NULL));
    wfsi_print(report, "\n");
}

/* A refused pause, resume, terminate or restart is no failure, but told. */
static void wfsi_tap_refusal(const wfsi_report *report,
                             const wfs_step_result *step)
{
    const char *code = wfs_json_string(
        wfs_json_path(step->value, step->kind == WFS_SCENARIO_RESUME_AND_RUN
                                       ? "value.error.code"
                                       : "error.code"),
        NULL);
    bool action = step->kind == WFS_SCENARIO_PAUSE ||
                  step->kind == WFS_SCENARIO_RESUME ||
                  step->kind == WFS_SCENARIO_TERMINATE ||
                  step->kind == WFS_SCENARIO_RESTART ||
                  step->kind == WFS_SCENARIO_RESUME_AND_RUN;

    if (!action || code == NULL)
        return;
    wfsi_print(report, " (refused: ");
    wfsi_print(report, code);
    wfsi_print(report, ")");
}

static void wfsi_tap_step(const wfsi_report *report,
                          const wfs_step_result *step)
{
    bool ok = step->status == WFS_OK;
    bool quiet = report->verbosity == WFS_QUIET;

    if (ok && quiet)
        return;
    wfsi_tap_test(report, ok, quiet ? 1 : step->index + 1, step->label);
    wfsi_tap_refusal(report, step);
    wfsi_print(report, "\n");
    if (!ok)
        wfsi_yaml_failure(report, step);
    else if (report->verbosity == WFS_VERBOSE)
        wfsi_yaml_success(report, step);
}

static void wfsi_tap_summary(const wfsi_report *report,
                             const wfs_scenario_result *result)
{
    char time[WFS_TIME_TEXT_SIZE];
    size_t passed = result->step_count;

    if (result->status != WFS_OK && passed != 0)
        passed--;
    wfsi_print(report, "# ");
    wfsi_print_integer(report, (int64_t)passed);
    wfsi_print(report, " of ");
    wfsi_print_integer(report, (int64_t)result->planned_count);
    wfsi_print(report, " steps passed, the clock shows ");
    wfsi_print(report, wfs_format_time(result->clock, time));
    wfsi_print(report, "\n");
}

/* The tests that no step stood for. */
static void wfsi_tap_end(const wfsi_report *report,
                         const wfs_scenario_result *result)
{
    size_t count = wfsi_tap_count(report, result->planned_count);
    size_t done = report->verbosity == WFS_QUIET ? 0 : result->step_count;
    size_t failed = result->step_count;
    bool told = failed != 0 && result->steps[failed - 1].status != WFS_OK;

    if (result->status == WFS_OK && report->verbosity == WFS_QUIET) {
        wfsi_tap_test(report, true, 1, wfsi_scenario_name(result->name));
        wfsi_print(report, "\n");
    } else if (result->status != WFS_OK && !told) {
        wfsi_tap_test(report, false, ++done,
                      wfs_status_meaning(result->status));
        wfsi_print(report, "\n");
        failed = done;
    }
    if (report->verbosity == WFS_QUIET)
        return;
    while (result->status != WFS_OK && done < count)
        wfsi_tap_skip(report, ++done, failed);
    wfsi_tap_summary(report, result);
}

/* --- the timeline: moments of an instance, in order */

typedef enum wfsi_mark {
    WFSI_MARK_CREATED,
    WFSI_MARK_BEGUN,
    WFSI_MARK_DONE,
    WFSI_MARK_FAILED,
    WFSI_MARK_EVENT,
    WFSI_MARK_CONTROL,
    WFSI_MARK_END
} wfsi_mark;

/* Of things at the same time those come first that lead to the others: by
 * run, then by the step that they are about, then by phase. */
typedef struct wfsi_moment {
    int64_t time;
    int64_t run;
    int64_t group;                      /* a step's row id; 0: before steps */
    int64_t phase;
    size_t order;
    wfsi_mark mark;
    const char *text;
} wfsi_moment;

#define WFSI_AFTER_STEPS INT64_MAX
#define WFSI_PHASE_END 3                /* of a step; then of those around it */

typedef struct wfsi_timeline {
    wfs_harness *harness;
    wfs_arena arena;                    /* of one instance */
    const wfs_instance *instance;
    const char *title;
    wfsi_moment *moments;               /* array */
    wfsi_moment now;                    /* the one being made */
    wfsi_buffer text;                   /* and its text */
    bool failed;
} wfsi_timeline;

static void wfsi_moment_open(wfsi_timeline *line, wfsi_mark mark, int64_t time)
{
    memset(&line->now, 0, sizeof line->now);
    line->now.mark = mark;
    line->now.time = time;
    wfsi_buffer_open(&line->text, &line->arena);
}

static void wfsi_moment_place(wfsi_timeline *line, int64_t run, int64_t group,
                              int64_t phase)
{
    line->now.run = run;
    line->now.group = group;
    line->now.phase = phase;
}

static void wfsi_moment_text(wfsi_timeline *line, const char *text)
{
    wfsi_buffer_text(&line->text, text);
}

static void wfsi_moment_value(wfsi_timeline *line, const char *before,
                              const wfs_json *value)
{
    if (wfs_json_type_of(value) == WFS_JSON_NULL)
        return;
    wfsi_moment_text(line, before);
    wfsi_json_put(&line->text, value, 0);
}

/* A step by the names of its path, without their types: "outer > rest". No
 * type holds a colon, no name a ">". */
static void wfsi_moment_step(wfsi_timeline *line, const wfs_step *step)
{
    const char *at = step->step_key, *name, *end;

    for (;;) {
        end = strchr(at, '>');
        name = strchr(at, ':');
        name = name != NULL ? name + 1 : at;
        if (end == NULL)
            break;
        wfsi_buffer_put(&line->text, name, (size_t)(end - name));
        wfsi_moment_text(line, " > ");
        at = end + 1;
    }
    wfsi_moment_text(line, name);
}

/* A span of time in its two largest units: "2h 30m". */
static void wfsi_moment_span(wfsi_timeline *line, const char *before,
                             int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"},
                 {1, "ms"}};
    size_t i = 0;

    wfsi_moment_text(line, before);
    while (i < WFSI_COUNT(units) - 1 && ms < units[i].ms)
        i++;
    wfsi_buffer_integer(&line->text, ms / units[i].ms);
    wfsi_moment_text(line, units[i].name);
    if (ms % units[i].ms == 0 || i == WFSI_COUNT(units) - 1)
        return;
    ms %= units[i].ms;
    if (ms < units[i + 1].ms)
        return;
    wfsi_buffer_char(&line->text, ' ');
    wfsi_buffer_integer(&line->text, ms / units[i + 1].ms);
    wfsi_moment_text(line, units[i + 1].name);
}

static void wfsi_moment_close(wfsi_timeline *line)
{
    line->now.text = wfsi_buffer_finish(&line->text);
    line->now.order = wfsi_array_count(line->moments);
    if (line->now.text == NULL ||
        !wfsi_array_reserve(&line->arena.allocator, line->moments, 1)) {
        line->failed = true;
        return;
    }
    wfsi_array_push(line->moments, line->now);
}

/* --- moments: what the rows tell */

static void wfsi_tell_created(wfsi_timeline *line)
{
    const wfs_instance *instance = line->instance;

    wfsi_moment_open(line, WFSI_MARK_CREATED, instance->created_at);
    wfsi_moment_text(line, "created");
    if (wfs_json_count(instance->params) != 0 ||
        wfs_json_type_of(instance->params) != WFS_JSON_OBJECT)
        wfsi_moment_value(line, " with ", instance->params);
    wfsi_moment_close(line);
}

static void wfsi_tell_end(wfsi_timeline *line)
{
    const wfs_instance *instance = line->instance;
    bool bad = instance->status != WFS_INSTANCE_COMPLETE;

    if (instance->completed_at == WFS_NO_TIME)
        return;
    wfsi_moment_open(line, bad ? WFSI_MARK_FAILED : WFSI_MARK_END,
                     instance->completed_at);
    wfsi_moment_place(line, instance->run_number, WFSI_AFTER_STEPS, 1);
    wfsi_moment_text(line, wfs_instance_status_name(instance->status));
    wfsi_state_failure(&line->text, ": ", instance->error_name,
                       instance->error_message);
    wfsi_moment_value(line, " with ", instance->output);
    wfsi_moment_close(line);
}

/* A step is first reached, and may wait. */
static void wfsi_tell_begun(wfsi_timeline *line, const wfs_step *step)
{
    wfsi_moment_open(line, WFSI_MARK_BEGUN, step->created_at);
    wfsi_moment_place(line, step->run_number, step->id, 0);
    wfsi_moment_step(line, step);
    if (step->type == WFS_STEP_SLEEP) {
        wfsi_moment_text(line, ": sleeps");
        wfsi_state_time(&line->text, " until ", step->wake_at);
    } else if (step->type == WFS_STEP_WAIT_FOR_EVENT) {
        wfsi_state_quoted(&line->text, ": waits for ", step->wait_event_type);
        if (step->timeout_ms != WFS_NO_TIME)
            wfsi_moment_span(line, ", at most ", step->timeout_ms);
    } else {
        wfsi_moment_text(line, ": begun");
    }
    wfsi_moment_close(line);
}

static void wfsi_tell_attempts(wfsi_timeline *line, const wfs_step *step)
{
    if (step->max_attempts <= 1)
        return;
    wfsi_moment_text(line, " (attempt ");
    wfsi_buffer_integer(&line->text, step->attempts);
    wfsi_buffer_char(&line->text, '/');
    wfsi_buffer_integer(&line->text, step->max_attempts);
    wfsi_buffer_char(&line->text, ')');
}

static void wfsi_tell_done(wfsi_timeline *line, const wfs_step *step)
{
    if (step->type == WFS_STEP_SLEEP) {
        wfsi_moment_span(line, "over after ",
                         step->updated_at - step->created_at);
    } else if (step->type == WFS_STEP_WAIT_FOR_EVENT) {
        wfsi_state_quoted(&line->text, "took ", step->wait_event_type);
    } else {
        wfsi_moment_text(line, "completed");
        wfsi_tell_attempts(line, step);
        wfsi_moment_value(line, " with ", step->result);
    }
}

static void wfsi_tell_failed(wfsi_timeline *line, const wfs_step *step)
{
    bool for_good = step->status == WFS_STEP_ERRORED;

    wfsi_moment_text(line, for_good ? "failed for good" : "failed");
    wfsi_tell_attempts(line, step);
    wfsi_state_failure(&line->text, ", ", step->error_name,
                       step->error_message);
    wfsi_state_time(&line->text, "; again at ", step->next_retry_at);
}

/* The last that is known of a step: how it ended, or that it will be tried
 * again. group: of the last step in it. */
static void wfsi_tell_latest(wfsi_timeline *line, const wfs_step *step,
                             int64_t group)
{
    bool done = step->status == WFS_STEP_COMPLETED;

    wfsi_moment_open(line, done ? WFSI_MARK_DONE : WFSI_MARK_FAILED,
                     step->updated_at);
    wfsi_moment_place(line, step->run_number, group,
                      WFSI_PHASE_END + (group - (int64_t)step->id));
    wfsi_moment_step(line, step);
    wfsi_moment_text(line, ": ");
    if (done)
        wfsi_tell_done(line, step);
    else
        wfsi_tell_failed(line, step);
    wfsi_moment_close(line);
}

/* The row id of the last step that is the step itself or nested in it. */
static int64_t wfsi_step_group(const wfs_history *history, size_t place)
{
    const char *key = history->steps[place].step_key;
    size_t size = strlen(key), i;
    int64_t group = history->steps[place].id;

    for (i = 0; i < history->step_count; i++) {
        const wfs_step *other = &history->steps[i];

        if (strncmp(other->step_key, key, size) == 0 &&
            other->step_key[size] == '>' && (int64_t)other->id > group)
            group = other->id;
    }
    return group;
}

static void wfsi_tell_step(wfsi_timeline *line, const wfs_history *history,
                           size_t place)
{
    const wfs_step *step = &history->steps[place];
    bool waits = step->status == WFS_STEP_WAITING;
    bool retries = waits && step->type == WFS_STEP_DO &&
                   (step->error_name != NULL || step->error_message != NULL);
    bool at_once = step->updated_at == step->created_at;

    if (!at_once || (waits && !retries))
        wfsi_tell_begun(line, step);
    if (!waits || retries)
        wfsi_tell_latest(line, step, wfsi_step_group(history, place));
}

/* A user's event; taken at once, it stands just before what took it. */
static void wfsi_tell_event(wfsi_timeline *line, const wfs_history *history,
                            const wfs_event *event)
{
    int64_t group = WFSI_AFTER_STEPS;
    size_t i;

    for (i = 0; i < history->step_count; i++)
        if (wfsi_text_equal(history->steps[i].step_key,
                            event->consumed_by_step_key) &&
            history->steps[i].updated_at == event->created_at)
            group = history->steps[i].id;
    wfsi_moment_open(line, WFSI_MARK_EVENT, event->created_at);
    wfsi_moment_place(line, event->run_number, group, 1);
    wfsi_state_quoted(&line->text, "event ", event->type);
    if (event->delivered_at == WFS_NO_TIME)
        wfsi_moment_text(line, " (not taken)");
    wfsi_moment_value(line, " with ", event->payload);
    wfsi_moment_close(line);
}

static void wfsi_tell_pause(wfsi_timeline *line, const wfs_event *event)
{
    wfsi_moment_open(line, WFSI_MARK_CONTROL, event->created_at);
    wfsi_moment_place(line, event->run_number, 0, 1);
    wfsi_moment_text(line, "pause asked for");
    wfsi_moment_close(line);
    if (event->delivered_at == WFS_NO_TIME)
        return;
    wfsi_moment_open(line, WFSI_MARK_CONTROL, event->delivered_at);
    wfsi_moment_place(line, event->run_number, 0, 2);
    wfsi_moment_text(line, "paused");
    wfsi_moment_close(line);
}

static wfs_status wfsi_tell_run(wfsi_timeline *line, int64_t run)
{
    wfs_read_options options;
    wfs_history history;
    size_t i;

    memset(&options, 0, sizeof options);
    options.has_run_number = true;
    options.run_number = run;
    WFS_TRY(wfs_get_history(line->harness, line->instance->workflow_name,
                            line->instance->instance_id, &options, &history));
    for (i = 0; i < history.step_count; i++)
        wfsi_tell_step(line, &history, i);
    for (i = 0; i < history.event_count; i++) {
        if (history.events[i].actor == WFS_ACTOR_SYSTEM)
            wfsi_tell_pause(line, &history.events[i]);
        else
            wfsi_tell_event(line, &history, &history.events[i]);
    }
    return WFS_OK;
}

/* Only hooks keep when an instance was resumed or restarted. */
static wfs_status wfsi_tell_hooks(wfsi_timeline *line)
{
    const wfs_hook *hooks;
    wfs_hook_filter filter;
    size_t count, i;
    bool restart;

    memset(&filter, 0, sizeof filter);
    filter.workflow = line->instance->workflow_name;
    filter.instance_id = line->instance->instance_id;
    WFS_TRY(wfs_get_hooks(line->harness, &filter, &hooks, &count));
    for (i = 0; i < count; i++) {
        restart = hooks[i].reason == WFS_REASON_CREATE &&
                  hooks[i].run_number > 0;
        if (!restart && hooks[i].reason != WFS_REASON_RESUME)
            continue;
        wfsi_moment_open(line, WFSI_MARK_CONTROL, hooks[i].created_at);
        wfsi_moment_place(line, hooks[i].run_number, 0, restart ? 0 : 3);
        wfsi_moment_text(line, restart ? "restarted as run " : "resumed");
        if (restart)
            wfsi_buffer_integer(&line->text, hooks[i].run_number);
        wfsi_moment_close(line);
    }
    return WFS_OK;
}

/* --- moments: in order, and on lines */

static int wfsi_compare_integers(int64_t left, int64_t right)
{
    return left < right ? -1 : left > right;
}

static int wfsi_moment_compare(const void *left_moment,
                               const void *right_moment)
{
    const wfsi_moment *left = (const wfsi_moment *)left_moment;
    const wfsi_moment *right = (const wfsi_moment *)right_moment;
    int order = wfsi_compare_integers(left->time, right->time);

    if (order == 0)
        order = wfsi_compare_integers(left->run, right->run);
    if (order == 0)
        order = wfsi_compare_integers(left->group, right->group);
    if (order == 0)
        order = wfsi_compare_integers(left->phase, right->phase);
    return order != 0 ? order : left->order < right->order ? -1 : 1;
}

/* Text in at most that many columns, one a character, cut with "...". */
static void wfsi_print_cut(const wfsi_report *report, const char *text,
                           size_t columns)
{
    const char *end = text + strlen(text), *at, *cut = text;
    wfsi_glyph glyph;
    size_t count = 0;

    for (at = text; at < end; at += glyph.size, count++) {
        if (count + 3 <= columns)
            cut = at;
        glyph = wfsi_glyph_at(at, end);
    }
    if (count > columns)
        end = cut;
    for (at = text; at < end; at += glyph.size) {
        glyph = wfsi_glyph_at(at, end);
        if (glyph.printable)
            wfsi_print_n(report, at, glyph.size);
        else
            wfsi_print(report, glyph.valid ? " " : WFSI_REPLACEMENT);
    }
    if (count > columns)
        wfsi_print(report, "...");
}

#define WFSI_TEXT_COLUMN(time_size) (2 + (time_size) + 1 + 2)

static void wfsi_print_moment(const wfsi_report *report,
                              const wfsi_moment *moment, bool show_time)
{
    static const struct {
        const char *color, *sign;
    } marks[] = {
        {WFSI_BOLD, "\xE2\x97\x8F"},    /* U+25CF, created */
        {WFSI_YELLOW, "\xE2\x97\x8B"},  /* U+25CB, begun */
        {WFSI_GREEN, "\xE2\x9C\x93"},   /* U+2713, done */
        {WFSI_RED, "\xE2\x9C\x97"},     /* U+2717, failed */
        {WFSI_CYAN, "\xE2\x96\xB8"},    /* U+25B8, event */
        {WFSI_CYAN, "\xE2\x97\x86"},    /* U+25C6, control */
        {WFSI_GREEN, "\xE2\x96\xA0"},   /* U+25A0, end */
    };
    char time[WFS_TIME_TEXT_SIZE];
    size_t size, column;

    wfs_format_time(moment->time, time);
    size = strlen(time);
    column = WFSI_TEXT_COLUMN(size);
    if (!show_time)
        memset(time, ' ', size);
    wfsi_print(report, "  ");
    wfsi_print_colored(report, WFSI_DIM, time);
    wfsi_print(report, " ");
    wfsi_print_colored(report, marks[moment->mark].color,
                       marks[moment->mark].sign);
    wfsi_print(report, " ");
    wfsi_print_cut(report, moment->text, report->width - column);
    wfsi_print(report, "\n");
}

static const char *wfsi_status_color(wfs_instance_status status)
{
    if (status == WFS_INSTANCE_COMPLETE)
        return WFSI_GREEN;
    return status == WFS_INSTANCE_ERRORED || status == WFS_INSTANCE_TERMINATED
               ? WFSI_RED : WFSI_YELLOW;
}

static void wfsi_print_heading(const wfsi_report *report, wfsi_timeline *line)
{
    const wfs_instance *instance = line->instance;
    const char *status = wfs_instance_status_name(instance->status);
    char run[WFSI_INTEGER_SIZE];

    wfsi_format_integer(instance->run_number, run);
    if (report->color)
        wfsi_print(report, WFSI_BOLD);
    wfsi_print_cut(report, line->title,
                   report->width - strlen(": , run ") - strlen(status) -
                       strlen(run));
    if (report->color)
        wfsi_print(report, WFSI_PLAIN);
    wfsi_print(report, ": ");
    wfsi_print_colored(report, wfsi_status_color(instance->status), status);
    if (instance->run_number > 0) {
        wfsi_print(report, ", run ");
        wfsi_print(report, run);
    }
    wfsi_print(report, "\n");
}

static void wfsi_timeline_print(const wfsi_report *report,
                                wfsi_timeline *line)
{
    size_t count = wfsi_array_count(line->moments), i;

    qsort(line->moments, count, sizeof *line->moments, wfsi_moment_compare);
    wfsi_print_heading(report, line);
    for (i = 0; i < count; i++)
        wfsi_print_moment(report, &line->moments[i],
                          i == 0 || line->moments[i].time !=
                                        line->moments[i - 1].time);
}

static void wfsi_tell_title(wfsi_timeline *line)
{
    wfsi_buffer title;

    wfsi_buffer_open(&title, &line->arena);
    wfsi_buffer_text(&title, line->instance->instance_id);
    wfsi_buffer_text(&title, " of ");
    wfsi_buffer_text(&title, line->instance->workflow_name);
    line->title = wfsi_buffer_finish(&title);
}

static wfs_status wfsi_timeline_tell(wfsi_timeline *line)
{
    int64_t run;

    wfsi_tell_title(line);
    wfsi_tell_created(line);
    WFS_TRY(wfsi_tell_hooks(line));
    for (run = 0; run <= line->instance->run_number; run++)
        WFS_TRY(wfsi_tell_run(line, run));
    wfsi_tell_end(line);
    return line->failed || wfs_arena_failed(&line->arena)
               ? WFS_ERR_NO_MEMORY : WFS_OK;
}

static wfs_status wfsi_timeline_instance(const wfsi_report *report,
                                         wfs_harness *harness,
                                         const wfs_row *row)
{
    wfsi_timeline line;
    wfs_status status;

    memset(&line, 0, sizeof line);
    line.harness = harness;
    wfsi_arena_open(&line.arena, &report->allocator);
    status = wfs_get_instance(harness, wfs_row_text(row, "workflowName"),
                              wfs_row_text(row, "instanceId"), &line.instance);
    if (status == WFS_OK && line.instance != NULL)
        status = wfsi_timeline_tell(&line);
    if (status == WFS_OK && line.instance != NULL)
        wfsi_timeline_print(report, &line);
    wfsi_array_free(&line.arena.allocator, line.moments);
    wfsi_arena_close(&line.arena);
    return status;
}

static wfs_status wfsi_timeline_all(const wfsi_report *report,
                                    wfs_harness *harness)
{
    wfs_status status;
    wfs_cursor *cursor;
    wfs_query query;
    wfs_row row;
    bool first = true;

    memset(&query, 0, sizeof query);
    query.table = "workflow_instance";
    WFS_TRY(wfs_cursor_open(wfs_harness_store(harness), &query, &cursor));
    for (;;) {
        status = wfs_cursor_next(cursor, &row);
        if (status != WFS_OK)
            break;
        if (!first)
            wfsi_print(report, "\n");
        first = false;
        status = wfsi_timeline_instance(report, harness, &row);
        if (status != WFS_OK)
            break;
    }
    wfs_cursor_close(cursor);
    if (status != WFS_DONE)
        return status;
    if (first)
        wfsi_print(report, "no instances\n");
    return WFS_OK;
}

/* --- public */

void wfs_report_plan(const wfs_report_options *options,
                     const wfs_scenario *scenario)
{
    wfsi_report report = wfsi_report_open(options, NULL);

    wfsi_tap_plan(&report, scenario);
}

void wfs_report_step(const wfs_report_options *options,
                     const wfs_step_result *step)
{
    wfsi_report report = wfsi_report_open(options, NULL);

    wfsi_tap_step(&report, step);
}

void wfs_report_end(const wfs_report_options *options,
                    const wfs_scenario_result *result)
{
    wfsi_report report = wfsi_report_open(options, NULL);

    wfsi_tap_end(&report, result);
}

wfs_status wfs_report_timeline(const wfs_report_options *options,
                               wfs_harness *harness)
{
    wfsi_report report = wfsi_report_open(
        options, &wfs_harness_arena(harness)->allocator);

    return wfsi_timeline_all(&report, harness);
}

int wfs_scenario_main_with(const wfs_scenario *scenario,
                           const wfs_report_options *options)
{
    wfsi_report report = wfsi_report_open(
        options, scenario != NULL ? &scenario->allocator : NULL);
    wfs_scenario_result refused;
    const wfs_step_result *step;
    wfs_runner *runner;
    wfs_status status;
    wfs_error error;

    wfsi_tap_plan(&report, scenario);
    if (wfs_runner_create(scenario, &runner, &error) != WFS_OK) {
        wfsi_scenario_refuse(scenario, &error, &refused);
        if (refused.step_count != 0)
            wfsi_tap_step(&report, refused.steps);
        wfsi_tap_end(&report, &refused);
        wfs_scenario_result_free(&refused);
        return 1;
    }
    for (;;) {
        status = wfs_runner_next(runner, &step);
        if (status == WFS_ERR_NO_MEMORY)
            step = wfsi_runner_give_up(runner);
        if (step == NULL)
            break;
        wfsi_tap_step(&report, step);
    }
    wfsi_tap_end(&report, wfs_runner_result(runner));
    status = wfs_runner_result(runner)->status;
    wfs_runner_free(runner);
    return status == WFS_OK ? 0 : 1;
}

int wfs_scenario_main(const wfs_scenario *scenario)
{
    return wfs_scenario_main_with(scenario, NULL);
}
#ifdef __cplusplus
}
#endif

#endif /* WFSCENARIO_IMPLEMENTATION_DONE */
#endif /* WFSCENARIO_IMPLEMENTATION */

/* ========================================================================
 * LICENCE
 * ========================================================================
 *
 * MIT License
 *
 * Copyright (c) 2026 wfscenario.h contributors
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal
 * in the Software without restriction, including without limitation the rights
 * to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
 * copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in
 * all copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
 * OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
 * SOFTWARE.
 */
