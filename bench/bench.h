/* What a workload of the benchmark is, and what all of them share.
 *
 * A workload is one file that defines one `const bench_workload`, and one line
 * in BENCH_WORKLOADS. It has two sides which do the same work, ours and the
 * peer's; one without a peer leaves that side empty, and its `run` looks at
 * what it gets. Everything that is not the work itself (ids, names, JSON texts,
 * random times) is made ready by `open`, before the measured part.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Every workload, in the order of the report. */
#define BENCH_WORKLOADS(X)                                                    \
    X(w1)                                                                     \
    X(w2)                                                                     \
    X(w3)                                                                     \
    X(w4_10)                                                                  \
    X(w4_100)                                                                 \
    X(w4_1000)                                                                \
    X(w5)                                                                     \
    X(store)                                                                  \
    X(j)                                                                      \
    X(m10)                                                                    \
    X(m1000)                                                                  \
    X(m10_tests)                                                              \
    X(m1000_tests)                                                            \
    X(d_chain10)                                                              \
    X(d_fan10)                                                                \
    X(d_graph1000)                                                            \
    X(d_graph100000)                                                          \
    X(d_mocks10)

#define BENCH_SIZES 4

/* The first place where two sides differ. */
typedef struct bench_difference {
    char text[512];
} bench_difference;

typedef struct bench_workload bench_workload;

/* What a side is opened for. */
typedef struct bench_task {
    const bench_workload *workload;
    size_t n;                   /* instances */
    size_t history;             /* H of W4 */
    bool count_memory;          /* ours: with a counting allocator */
    bool lean;                  /* the peer: only the indexes of a tick */
} bench_task;

/* One side. Each function ends the program when something fails. */
typedef struct bench_side {
    void *(*open)(const bench_task *task);
    void (*run)(void *state);           /* what is measured */
    size_t (*memory)(void *state);      /* bytes held, beyond what it has when
                                           empty; NULL: not counted */
    void (*close)(void *state);
} bench_side;

struct bench_workload {
    const char *key;            /* "w1" */
    const char *title;
    const char *unit;           /* what is counted per second */
    double units;               /* of them in an operation; 0: one */
    const char *per;            /* what memory is counted for */
    size_t history;             /* H of W4; else 0 */
    size_t sizes[BENCH_SIZES];  /* to be measured, ended by 0 */
    bool grows;                 /* and at a larger one when asked for */
    size_t (*operations)(const bench_task *task);
    size_t (*holders)(const bench_task *task);  /* of memory: `per` */
    double most_bytes;          /* ours may hold for each; 0: no limit */
    double least_ratio;         /* in time, to be reached; 0: no limit */
    double least_per_second;    /* of `unit`; 0: no limit */
    const bench_workload *base; /* another of ours, of which an operation may */
    double most_times;          /* take so many times the time; NULL: none */
    const void *own;            /* of the workload's file; NULL: nothing */
    bench_side ours, peer;

    /* Whether what both sides have made is the same. Set exactly when there is
     * a peer. */
    bool (*same)(void *ours, void *peer, bench_difference *difference);
    /* Whether `same` finds whatever is changed; ends the program if not. How
     * many changes were tried. */
    size_t (*self_test)(void *ours, void *peer);
};

#define BENCH_DECLARE(key) extern const bench_workload bench_##key;
BENCH_WORKLOADS(BENCH_DECLARE)
#undef BENCH_DECLARE

#if defined(__GNUC__) || defined(__clang__)
#define BENCH_NOINLINE __attribute__((noinline))
#define BENCH_NORETURN __attribute__((noreturn))
#define BENCH_PRINTF(text, first)                                             \
    __attribute__((format(printf, text, first)))
#else
#define BENCH_NOINLINE
#define BENCH_NORETURN
#define BENCH_PRINTF(text, first)
#endif

/* What was measured of a workload at a size: times are ns an operation. */
typedef struct bench_figure {
    const bench_workload *workload;
    size_t n;
    double ns, peer_ns;         /* peer_ns 0: no peer */
    double bytes, peer_bytes;   /* for each of `per`; 0: not counted */
} bench_figure;

double bench_per_second(const bench_workload *workload, double ns);
double bench_ratio(const bench_figure *figure);         /* 0: no peer */

/* Run both sides at that size and compare what they made; with self_test, look
 * that the comparison can fail. Prints what came out; false if they differ.
 * Without a peer it is enough that ours comes to its end. */
bool bench_check(const bench_task *task, bool self_test);

/* Measure: a warm-up, then five rounds with both sides in turn. */
bench_figure bench_measure(const bench_task *task);

/* For callgrind: run one side once. */
void bench_run_once(const bench_side *side, const bench_task *task);

/* Reports: a line on the screen for each figure, and at the end for each limit
 * of a workload, at the largest size measured; build/bench.json and
 * build/bench.svg. The figures of a workload follow each other. */
void bench_print_heading(void);
void bench_print_figure(const bench_figure *figure);
void bench_print_limits(const bench_figure *figures, size_t count);
void bench_write_json(const char *path, const bench_figure *figures,
                      size_t count);
void bench_write_chart(const char *path, const bench_figure *figures,
                       size_t count);

/* Say what went wrong and end the program with status 1. */
BENCH_NORETURN void bench_fail(const char *format, ...) BENCH_PRINTF(1, 2);

/* A file to be written, and its end; or the end of the program. */
FILE *bench_file(const char *path);
void bench_file_close(FILE *file, const char *path);

/* Memory, or the end of the program. Zeroed; freed with free. */
void *bench_allocate(size_t count, size_t size);

/* `count` texts, each made with printf from its number: "order-%07lu". */
char **bench_texts(size_t count, const char *format);
void bench_texts_free(char **texts);

/* Ascending. */
void bench_sort_times(int64_t *times, size_t count);

/* A task for that many instances, with nothing special. */
bench_task bench_task_for(const bench_workload *workload, size_t n);

/* For workloads that count their instances as they are. */
size_t bench_instances(const bench_task *task);         /* n */
size_t bench_two_an_instance(const bench_task *task);   /* 2 n */

#endif
