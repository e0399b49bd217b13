/* A client of a payment API, tested against mocks: no server, no network.
 *
 *     cc examples/mock_payment.c -o mock_payment && ./mock_payment
 */
#include <stdio.h>
#include <string.h>

#define WFSCENARIO_IMPLEMENTATION
#include "../wfscenario.h"

/* --- the code under test: it is handed whom to ask */

typedef enum outcome { PAID, DECLINED, UNAVAILABLE, BROKEN } outcome;
static const char *const names[] = {"paid", "declined", "unavailable",
                                    "broken"};

static wfs_status post_payment(const wfs_http_transport *bank, int cents,
                               wfs_arena *arena, wfs_http_response *response)
{
    static const wfs_http_header headers[] = {
        {"content-type", "application/json"}, {0}};
    char body[32];

    sprintf(body, "{\"cents\":%d}", cents);
    return bank->send(&(wfs_http_request){.method = "POST",
                                          .url = "https://bank.test/payments",
                                          .headers = headers,
                                          .body = body},
                      arena, response, NULL, bank->user);
}

/* Pay; a bank that is busy is asked once more. */
static outcome pay(const wfs_http_transport *bank, int cents, wfs_arena *arena)
{
    wfs_http_response response;
    int attempt;

    for (attempt = 1; attempt <= 2; attempt++) {
        if (post_payment(bank, cents, arena, &response) != WFS_OK)
            return BROKEN;
        if (response.status != 503)
            break;
    }
    switch (response.status) {
    case 201:
        return PAID;
    case 402:
        return DECLINED;
    case 503:
        return UNAVAILABLE;
    default:
        return BROKEN;
    }
}

/* --- the bank, as data */

static const wfs_mock_response busy_then_paid[] = {
    {.status = 503, .delay = 200},
    {.status = 201, .body = "{\"receipt\":18}"},
    {0}};

static const wfs_mock succeeds[] = {
    {.method = "POST", .url = "/payments",
     .response = {.status = 201, .body = "{\"receipt\":17}"},
     .capture_state = "{\"payments[]\":\"body.cents\"}"},
    {0}};
static const wfs_mock declines[] = {
    {.method = "POST", .url = "/payments",
     .response = {.status = 402, .body = "{\"reason\":\"no money\"}"}},
    {0}};
static const wfs_mock recovers[] = {
    {.method = "POST", .url = "/payments", .sequence = busy_then_paid},
    {0}};

static const wfs_mock_scenario bank_scenarios[] = {
    {.id = "default", .description = "it succeeds", .mocks = succeeds},
    {.id = "declined", .description = "no money", .mocks = declines},
    {.id = "recovers", .description = "503, then 201", .mocks = recovers},
    {0}};

/* --- the tests */

static const struct {
    const char *scenario;
    outcome expected;
} cases[] = {{"default", PAID}, {"declined", DECLINED}, {"recovers", PAID}};
#define CASES 3

static int failures;

static void expect(const char *test_id, outcome expected, outcome actual)
{
    if (expected == actual)
        return;
    printf("%s: expected %s, actual %s\n", test_id, names[expected],
           names[actual]);
    failures++;
}

/* A client that speaks for one test pays; what it did is printed. */
static void one_after_the_other(wfs_mocks *bank, wfs_arena *arena)
{
    wfs_mock_client client = {.mocks = bank};
    wfs_http_transport transport = wfs_mock_transport(&client);
    const char *log;
    outcome actual;
    int i;

    for (i = 0; i < CASES; i++) {
        client.test_id = cases[i].scenario;
        if (wfs_mocks_switch(bank, client.test_id, cases[i].scenario) != WFS_OK)
            failures++;
        actual = pay(&transport, 1999, arena);
        expect(client.test_id, cases[i].expected, actual);
        if (wfs_mocks_log(bank, &(wfs_mock_filter){.test_id = client.test_id},
                          arena, &log) == WFS_OK)
            printf("%s: %s\n%s\n", cases[i].scenario, names[actual], log);
    }
}

/* A hundred tests at once: in each round every one of them makes a payment. */
static void interleaved(wfs_mocks *bank, wfs_arena *arena)
{
    char id[16], expected[32];
    wfs_mock_client client = {.mocks = bank, .test_id = id};
    wfs_http_transport transport = wfs_mock_transport(&client);
    const char *state;
    int i, round;

    for (i = 0; i < 100; i++) {
        sprintf(id, "t-%d", i);
        if (wfs_mocks_switch(bank, id, cases[i % CASES].scenario) != WFS_OK)
            failures++;
    }
    for (round = 0; round < 2; round++)
        for (i = 0; i < 100; i++) {
            sprintf(id, "t-%d", i);
            expect(id, cases[i % CASES].expected,
                   pay(&transport, i + round, arena));
        }
    for (i = 0; i < 100; i += CASES) {      /* those that "default" answers */
        sprintf(id, "t-%d", i);
        sprintf(expected, "{\"payments\":[%d,%d]}", i, i + 1);
        state = wfs_json_write(arena, wfs_mocks_state(bank, id, arena), 0,
                               NULL);
        if (state == NULL || strcmp(state, expected) != 0) {
            printf("%s: expected %s, actual %s\n", id, expected,
                   state != NULL ? state : "none");
            failures++;
        }
    }
}

int main(void)
{
    wfs_mock_options options = {.scenarios = bank_scenarios};
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *unused;
    wfs_mocks *bank;
    wfs_error error;

    if (arena == NULL || wfs_mocks_create(&options, &bank, &error) != WFS_OK) {
        printf("no bank\n");
        return 1;
    }
    one_after_the_other(bank, arena);
    interleaved(bank, arena);
    if (wfs_mocks_unused(bank, NULL, arena, &unused) != WFS_OK ||
        unused[0] != '\0') {
        printf("mocks that nobody asked for:\n%s", unused);
        failures++;
    }
    printf("3 payments in turn, 200 interleaved in 100 tests: %d not as "
           "expected; %d ms went by\n",
           failures, (int)wfs_clock_now(wfs_mocks_clock(bank)));
    wfs_mocks_free(bank);
    wfs_arena_free(arena);
    return failures == 0 ? 0 : 1;
}
