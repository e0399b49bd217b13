/* Threads that share nothing but the library: each has harnesses of its own
 * and gets, every time, what a single thread gets. To be run under
 * ThreadSanitizer as well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "suite.h"

/* Fewer where every round is slow: TEST_ROUNDS=5. */
static size_t rounds(void)
{
    const char *told = getenv("TEST_ROUNDS");

    return told != NULL && atoi(told) > 0 ? (size_t)atoi(told) : 50;
}
#define MOST_THREADS 4

/* What a single thread gets from each scenario. */
static suite_text expected[SUITE_COUNT];

/* cmocka can fail a test only in the main thread: others count. */
typedef struct worker {
    pthread_t thread;
    size_t number;
    wfs_runner *runner;         /* a fork to go on with, or NULL */
    size_t runs, mistakes;
} worker;

static bool as_expected(size_t number, const suite_text *text)
{
    return text->size == expected[number].size &&
           memcmp(text->data, expected[number].data, text->size) == 0;
}

/* All scenarios, each thread beginning with another one. */
static void *work(void *argument)
{
    worker *self = (worker *)argument;
    size_t round, i, number;

    for (round = 0; round < rounds(); round++) {
        for (i = 0; i < SUITE_COUNT; i++) {
            suite_text text = {0};

            number = (self->number + round + i) % SUITE_COUNT;
            self->mistakes += suite_run(&text, suite[number]) != WFS_OK;
            self->mistakes += !as_expected(number, &text);
            self->runs++;
            suite_free(&text);
        }
    }
    return NULL;
}

static void run_threads(worker *workers, size_t count, void *(*body)(void *))
{
    size_t i;

    for (i = 0; i < count; i++) {
        workers[i].number = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body,
                                        &workers[i]),
                         0);
    }
    for (i = 0; i < count; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (i = 0; i < count; i++)
        assert_int_equal(workers[i].mistakes, 0);
}

static void expect_scenarios(size_t threads)
{
    worker workers[MOST_THREADS];
    size_t i;

    memset(workers, 0, sizeof workers);
    run_threads(workers, threads, work);
    for (i = 0; i < threads; i++)
        assert_int_equal(workers[i].runs, rounds() * SUITE_COUNT);
}

static void test_two_threads(void **state)
{
    (void)state;
    expect_scenarios(2);
}

static void test_four_threads(void **state)
{
    (void)state;
    expect_scenarios(4);
}

/* Forks of one runner share nothing either. */
static void *go_on(void *argument)
{
    worker *self = (worker *)argument;
    suite_text text = {0};
    wfs_runner *copy;

    while (wfs_runner_next(self->runner, NULL) == WFS_OK) {
        self->mistakes += wfs_runner_fork(self->runner, &copy) != WFS_OK;
        wfs_runner_free(copy);
        self->runs++;
    }
    suite_all_of(&text, &shop, self->runner);
    self->mistakes += !as_expected(1, &text);
    suite_free(&text);
    wfs_runner_free(self->runner);
    return NULL;
}

static void test_forks_in_threads(void **state)
{
    worker workers[MOST_THREADS];
    wfs_runner *runner;
    int i, round;

    (void)state;
    for (round = 0; round < 10; round++) {
        memset(workers, 0, sizeof workers);
        assert_int_equal(wfs_runner_create(&shop, &runner, NULL), WFS_OK);
        for (i = 0; i < round; i++)
            assert_int_equal(wfs_runner_next(runner, NULL), WFS_OK);
        for (i = 1; i < MOST_THREADS; i++)
            assert_int_equal(wfs_runner_fork(runner, &workers[i].runner),
                             WFS_OK);
        workers[0].runner = runner;
        run_threads(workers, MOST_THREADS, go_on);
        assert_true(workers[0].runs > 10);
    }
}

static int run_single(void **state)
{
    size_t i;

    (void)state;
    if (suite[1] != &shop)
        return -1;
    for (i = 0; i < SUITE_COUNT; i++)
        if (suite_run(&expected[i], suite[i]) != WFS_OK)
            return -1;
    return 0;
}

static int forget_single(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < SUITE_COUNT; i++)
        suite_free(&expected[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_threads),
        cmocka_unit_test(test_four_threads),
        cmocka_unit_test(test_forks_in_threads),
    };

    return cmocka_run_group_tests(tests, run_single, forget_single);
}
