/* Runs workloads: to compare, to measure, or once for callgrind. */
#define _POSIX_C_SOURCE 200112L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS 5
#define ROUND_NS 20000000       /* a shorter run is repeated within a round */
#define MOST_REPEATS 100
#define MOST_COMPARED 100000    /* instances, after a warm-up */

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- progress, on a terminal */

static void show_progress(const bench_task *task, const char *what,
                          const char *side)
{
    static int64_t start;

    if (start == 0)
        start = now_ns();
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s, %lu instances, %s, %s, %d s\033[K",
                task->workload->key, (unsigned long)task->n, what, side,
                (int)((now_ns() - start) / 1000000000));
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* --- running */

/* The measured part, and nothing else: callgrind collects in here. */
BENCH_NOINLINE void bench_measured(const bench_side *side, void *state)
{
    side->run(state);
}

static int64_t run_timed(const bench_side *side, void *state)
{
    int64_t start = now_ns();

    bench_measured(side, state);
    return now_ns() - start;
}

void bench_run_once(const bench_side *side, const bench_task *task)
{
    void *state = side->open(task);

    bench_measured(side, state);
    side->close(state);
}

/* --- comparing */

static bool check_alone(const bench_task *task)
{
    show_progress(task, "checking", "ours");
    bench_run_once(&task->workload->ours, task);
    end_progress();
    printf("%s, %lu instances: ours has made what it should\n",
           task->workload->key, (unsigned long)task->n);
    return true;
}

static bool check_both(const bench_task *task, bool self_test)
{
    const bench_workload *workload = task->workload;
    void *ours = workload->ours.open(task), *peer = workload->peer.open(task);
    bench_difference difference;
    bool same;

    show_progress(task, "comparing", "both");
    bench_measured(&workload->ours, ours);
    bench_measured(&workload->peer, peer);
    end_progress();
    same = workload->same(ours, peer, &difference);
    printf("%s, %lu instances: %s\n", workload->key, (unsigned long)task->n,
           same ? "both sides have made the same" : difference.text);
    if (same && self_test && workload->self_test != NULL)
        printf("%s: all of %lu changes were found\n", workload->key,
               (unsigned long)workload->self_test(ours, peer));
    workload->ours.close(ours);
    workload->peer.close(peer);
    return same;
}

bool bench_check(const bench_task *task, bool self_test)
{
    return task->workload->peer.run != NULL ? check_both(task, self_test)
                                            : check_alone(task);
}

/* --- measuring */

typedef struct bench_timing {
    const bench_side *side;     /* run NULL: there is none */
    const char *name;
    size_t repeats;             /* runs in a round */
    int64_t rounds[ROUNDS];     /* ns a run */
    size_t memory;
} bench_timing;

static void *warm_up(bench_timing *timing, const bench_task *task)
{
    void *state = timing->side->open(task);
    int64_t time;

    show_progress(task, "warm-up", timing->name);
    time = run_timed(timing->side, state);
    timing->repeats = 1;
    if (time < ROUND_NS)
        timing->repeats = (size_t)(ROUND_NS / (time > 0 ? time : 1)) + 1;
    if (timing->repeats > MOST_REPEATS)
        timing->repeats = MOST_REPEATS;
    if (timing->side->memory != NULL)
        timing->memory = timing->side->memory(state);
    return state;
}

/* Both sides once, with a look at what they made where that is cheap. */
static void warm_up_both(bench_timing *ours, bench_timing *peer,
                         const bench_task *task)
{
    const bench_workload *workload = task->workload;
    bench_difference difference;
    void *our_state = warm_up(ours, task), *peer_state = NULL;

    if (peer->side->run != NULL) {
        peer_state = warm_up(peer, task);
        if (task->n <= MOST_COMPARED &&
            !workload->same(our_state, peer_state, &difference))
            bench_fail("%s, %lu instances: %s", workload->key,
                       (unsigned long)task->n, difference.text);
        peer->side->close(peer_state);
    }
    ours->side->close(our_state);
}

static void run_round(bench_timing *timing, const bench_task *task,
                      size_t round)
{
    char what[32];
    int64_t sum = 0;
    void *state;
    size_t i;

    if (timing->side->run == NULL)
        return;
    snprintf(what, sizeof what, "round %lu of %d", (unsigned long)round + 1,
             ROUNDS);
    show_progress(task, what, timing->name);
    for (i = 0; i < timing->repeats; i++) {
        state = timing->side->open(task);
        sum += run_timed(timing->side, state);
        timing->side->close(state);
    }
    timing->rounds[round] = sum / (int64_t)timing->repeats;
}

static double median(bench_timing *timing)
{
    bench_sort_times(timing->rounds, ROUNDS);
    return (double)timing->rounds[ROUNDS / 2];
}

bench_figure bench_measure(const bench_task *given)
{
    const bench_workload *workload = given->workload;
    bench_task task = *given;
    bench_timing ours = {.side = &workload->ours, .name = "ours"};
    bench_timing peer = {.side = &workload->peer, .name = "peer"};
    double operations = (double)workload->operations(&task);
    bench_figure figure = {.workload = workload, .n = task.n};
    double holders;
    size_t round;

    task.count_memory = true;
    warm_up_both(&ours, &peer, &task);
    task.count_memory = false;
    for (round = 0; round < ROUNDS; round++) {
        run_round(&ours, &task, round);
        run_round(&peer, &task, round);
    }
    end_progress();
    figure.ns = median(&ours) / operations;
    figure.peer_ns = median(&peer) / operations;
    if (workload->holders != NULL) {
        holders = (double)workload->holders(&task);
        figure.bytes = (double)ours.memory / holders;
        figure.peer_bytes = (double)peer.memory / holders;
    }
    return figure;
}
