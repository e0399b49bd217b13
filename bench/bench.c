/* The benchmark's program: compares and measures every workload, or those that
 * are named.
 *
 *     bench [WORKLOAD ...] [OPTION ...]
 *
 *     -n N             at N instances only, not at the workload's own sizes
 *     --also N         at N instances too, where that is not one too many
 *     --json FILE      write the figures to a file
 *     --svg FILE       draw them
 *     --check          only look at what both sides make
 *     --self-test      and look that the comparison finds what is changed
 *     --once SIDE      run "ours" or "peer" once, for callgrind, and print the
 *                      number of operations
 *     --lean           the peer has only the indexes that a tick needs
 *     --history H      another H than the workload's own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const bench_workload *const workloads[] = {
#define BENCH_ADDRESS(key) &bench_##key,
    BENCH_WORKLOADS(BENCH_ADDRESS)
#undef BENCH_ADDRESS
};

#define WORKLOAD_COUNT (sizeof workloads / sizeof workloads[0])

typedef struct bench_options {
    bool chosen[WORKLOAD_COUNT];
    size_t n;                   /* 0: the sizes of each workload */
    size_t also;                /* 0: no further one */
    size_t history;             /* 0: the workload's own */
    bool check, self_test, lean;
    const char *once, *json, *svg;      /* NULL: not asked for */
} bench_options;

/* --- options */

static void choose(bench_options *options, const char *key)
{
    size_t i;

    for (i = 0; i < WORKLOAD_COUNT; i++)
        if (strcmp(workloads[i]->key, key) == 0) {
            options->chosen[i] = true;
            return;
        }
    bench_fail("%s is neither an option nor a workload", key);
}

static void choose_all_if_none(bench_options *options)
{
    bool any = false;
    size_t i;

    for (i = 0; i < WORKLOAD_COUNT; i++)
        any = any || options->chosen[i];
    for (i = 0; !any && i < WORKLOAD_COUNT; i++)
        options->chosen[i] = true;
}

static size_t parse_count(const char *argument, const char *text)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);

    if (*text < '1' || *text > '9' || *end != '\0')
        bench_fail("%s needs a number from 1 on, not %s", argument, text);
    return count;
}

/* Options without a value. */
static bool parse_flag(bench_options *options, const char *argument)
{
    if (strcmp(argument, "--check") == 0)
        options->check = true;
    else if (strcmp(argument, "--self-test") == 0)
        options->check = options->self_test = true;
    else if (strcmp(argument, "--lean") == 0)
        options->lean = true;
    else
        return false;
    return true;
}

/* Options with a value. */
static bool parse_value(bench_options *options, const char *argument,
                        const char *value)
{
    const struct {
        const char *name;
        size_t *count;          /* where a number goes */
        const char **text;      /* or a text */
    } known[] = {{"-n", &options->n, NULL},
                 {"--also", &options->also, NULL},
                 {"--history", &options->history, NULL},
                 {"--once", NULL, &options->once},
                 {"--json", NULL, &options->json},
                 {"--svg", NULL, &options->svg}};
    size_t i;

    for (i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(argument, known[i].name) != 0)
            continue;
        if (value == NULL)
            bench_fail("%s needs a value", argument);
        if (known[i].count != NULL)
            *known[i].count = parse_count(argument, value);
        else
            *known[i].text = value;
        return true;
    }
    return false;
}

static bench_options parse(char **arguments)
{
    bench_options options = {.n = 0};

    for (; *arguments != NULL; arguments++) {
        if (parse_flag(&options, *arguments))
            continue;
        if (parse_value(&options, *arguments, arguments[1]))
            arguments++;
        else
            choose(&options, *arguments);
    }
    choose_all_if_none(&options);
    return options;
}

/* --- what is asked for */

/* For one run: at the size given, or the smallest. */
static bench_task task_of(const bench_workload *workload,
                          const bench_options *options)
{
    bench_task task = bench_task_for(
        workload, options->n != 0 ? options->n : workload->sizes[0]);

    if (workload->history != 0 && options->history != 0)
        task.history = options->history;
    task.lean = options->lean;
    return task;
}

static void run_once(const bench_workload *workload,
                     const bench_options *options)
{
    bench_task task = task_of(workload, options);
    const bench_side *side = &workload->ours;

    if (strcmp(options->once, "peer") == 0)
        side = &workload->peer;
    else if (strcmp(options->once, "ours") != 0)
        bench_fail("--once needs ours or peer, not %s", options->once);
    if (side->run == NULL)
        bench_fail("%s has no peer", workload->key);
    bench_run_once(side, &task);
    printf("%lu\n", (unsigned long)workload->operations(&task));
}

static void check_declarations(void)
{
    size_t i;

    for (i = 0; i < WORKLOAD_COUNT; i++)
        if ((workloads[i]->same != NULL) != (workloads[i]->peer.run != NULL))
            bench_fail("%s has a peer without `same`, or `same` without a peer",
                       workloads[i]->key);
}

/* Whether all workloads made what they should. */
static bool check_all(const bench_options *options)
{
    size_t passed = 0, failed = 0, i;
    bench_task task;

    for (i = 0; i < WORKLOAD_COUNT; i++) {
        if (!options->chosen[i])
            continue;
        task = task_of(workloads[i], options);
        if (bench_check(&task, options->self_test))
            passed++;
        else
            failed++;
    }
    printf("%lu passed, %lu failed, 0 skipped\n", (unsigned long)passed,
           (unsigned long)failed);
    return failed == 0;
}

static bench_figure measure(const bench_workload *workload,
                            const bench_options *options, size_t n)
{
    bench_task task = task_of(workload, options);
    bench_figure figure;

    task.n = n;
    figure = bench_measure(&task);
    bench_print_figure(&figure);
    return figure;
}

/* A workload at all of its sizes; how many there were. */
static size_t measure_sizes(const bench_workload *workload,
                            const bench_options *options,
                            bench_figure *figures)
{
    size_t count = 0, i;

    if (options->n != 0) {
        figures[count++] = measure(workload, options, options->n);
        return count;
    }
    for (i = 0; i < BENCH_SIZES && workload->sizes[i] != 0; i++)
        figures[count++] = measure(workload, options, workload->sizes[i]);
    if (options->also != 0 && workload->grows)
        figures[count++] = measure(workload, options, options->also);
    return count;
}

static void measure_all(const bench_options *options)
{
    static bench_figure figures[WORKLOAD_COUNT * (BENCH_SIZES + 1)];
    size_t count = 0, i;

    bench_print_heading();
    for (i = 0; i < WORKLOAD_COUNT; i++)
        if (options->chosen[i])
            count += measure_sizes(workloads[i], options, figures + count);
    bench_print_limits(figures, count);
    if (options->json != NULL)
        bench_write_json(options->json, figures, count);
    if (options->svg != NULL)
        bench_write_chart(options->svg, figures, count);
}

int main(int argc, char **argv)
{
    bench_options options = parse(argv + (argc > 0));
    size_t i;

    check_declarations();
    if (options.once != NULL) {
        for (i = 0; i < WORKLOAD_COUNT; i++)
            if (options.chosen[i])
                run_once(workloads[i], &options);
        return 0;
    }
    if (!check_all(&options))
        return 1;
    if (!options.check)
        measure_all(&options);
    return 0;
}
