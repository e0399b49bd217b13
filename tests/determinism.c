/* Prints all that can be seen of the suite's scenarios: tables, results and
 * reports. The same bytes must come out whoever compiled it, and whatever ran
 * before in the same process; tests/determinism.sh compares them.
 *
 *     determinism [NUMBER of other scenarios to run before]
 */
#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "suite.h"

/* --- one that fails, for its report */

static wfs_status is_complete(wfs_context *context)
{
    return wfs_expect_status(context, "sell", "s-003", WFS_INSTANCE_COMPLETE);
}

static const wfs_scenario_step mistaken_steps[] = {
    WFS_ASSERT(.check = fill_shelves),
    WFS_CREATE_BATCH(.workflow = "sell", .instances_from = many_orders,
                     .user = (void *)TEN),
    WFS_ADVANCE_TIME(.duration = "90.5 s"),
    WFS_ASSERT(.check = is_complete, .label = "nobody paid"),
    {0},
};

static const wfs_scenario mistaken = {
    .name = "an order that is not complete",
    .workflows = shop_workflows,
    .steps = mistaken_steps,
    .tables = shop_tables,
    .hooks = shop_hooks,
    .seed = 11,
    .auto_tick = true,
};

/* --- others, to leave their traces in the process */

#define KEPT 8                  /* of them are alive when it matters */

static wfs_runner *kept[KEPT];
static wfs_scenario kept_scenarios[KEPT];

static void keep_one(size_t number, const wfs_scenario *scenario)
{
    size_t place = number % KEPT;

    wfs_runner_free(kept[place]);
    kept_scenarios[place] = *scenario;
    if (wfs_runner_create(&kept_scenarios[place], &kept[place], NULL) != WFS_OK)
        abort();
    while (wfs_runner_next(kept[place], NULL) == WFS_OK)
        continue;
}

/* Each with another seed and another start of the clock. */
static void run_others(size_t count)
{
    wfs_scenario scenario;
    size_t i;

    for (i = 0; i < count; i++) {
        suite_text text = {0};

        scenario = *suite[i % SUITE_COUNT];
        scenario.seed = i * 31 + 1;
        scenario.clock_start += (int64_t)(i * 7);
        if (i % 3 == 0)
            keep_one(i / 3, &scenario);
        else
            suite_run(&text, &scenario);
        suite_free(&text);
    }
}

static int print(const wfs_scenario *scenario, wfs_status expected)
{
    suite_text text = {0};
    wfs_status status = suite_run(&text, scenario);

    printf("%s\n%s\n", scenario->name, text.data);
    suite_free(&text);
    if (status != expected)
        fprintf(stderr, "%s: %s\n", scenario->name, wfs_status_name(status));
    return status != expected;
}

int main(int argc, char **argv)
{
    size_t i;
    int failed = 0;

    if (argc > 1)
        run_others((size_t)strtoul(argv[1], NULL, 10));
    for (i = 0; i < SUITE_COUNT; i++)
        failed += print(suite[i], WFS_OK);
    failed += print(&mistaken, WFS_ERR_ASSERTION);
    for (i = 0; i < KEPT; i++)
        wfs_runner_free(kept[i]);
    return failed != 0;
}
