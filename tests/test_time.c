/* Durations, times, the clock, randomness. The expected numbers and dates
 * were made with JavaScript. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_bits(void)
{
    static wfs_random source = {11};

    return wfs_random_next(&source);
}

/* --- durations */

typedef struct duration_case {
    const char *text;
    double ms;
} duration_case;

static const duration_case durations[] = {
    {"0", 0}, {"250", 250}, {"250ms", 250}, {"1 millisecond", 1},
    {"2 milliseconds", 2}, {"10s", 10000}, {"1 sec", 1000}, {"2 secs", 2000},
    {"1 second", 1000}, {"3 seconds", 3000}, {"5m", 300000}, {"1 min", 60000},
    {"2 mins", 120000}, {"1 minute", 60000}, {"10 minutes", 600000},
    {"1.5 h", 5400000}, {"1 hr", 3600000}, {"2 hrs", 7200000},
    {"1 hour", 3600000}, {"2 hours", 7200000}, {"1d", 86400000},
    {"1 day", 86400000}, {"30 days", 2592000000.0}, {"  7 \t s \n", 7000},
    {"1 HOUR", 3600000}, {"1 MiN", 60000}, {"007 s", 7000}, {"0.5", 0.5},
    {"1.250", 1.25}, {"0.25 minutes", 15000}, {"0.1 d", 8640000},
    {"1.1 h", 3960000.0000000005}, {"0.7 s", 700}, {"2.3 m", 138000},
    {"33.3333333333 h", 119999999.99987999}, {"1.005 s", 1004.9999999999999},
    {"123456789.123456789 d", 10666666580266666.0}, {"0.000001 s", 0.001},
    {"4.35 m", 260999.99999999997}, {"9007199254740993", 9007199254740992.0},
    {"0.29 h", 1043999.9999999999},
    {"\xC2\xA0" "5\xE2\x80\x83s\xEF\xBB\xBF", 5000},
    {"\xE1\x9A\x80" "5\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAF\xE2\x81\x9Fs"
     "\xE3\x80\x80\xE2\x80\x80\xE2\x80\x8A", 5000},
};

typedef struct refused_duration {
    const char *text, *message;
} refused_duration;

static const refused_duration refused[] = {
    {NULL, "Invalid duration"},
    {"", "Invalid duration"},
    {" \t\xC2\xA0", "Invalid duration"},
    {"hours", "Invalid duration: hours"},
    {".5 s", "Invalid duration: .5 s"},
    {"5. s", "Invalid duration: 5. s"},
    {"-1 s", "Invalid duration: -1 s"},
    {"+1", "Invalid duration: +1"},
    {" 1 s s ", "Invalid duration:  1 s s "},
    {"1.2.3", "Invalid duration: 1.2.3"},
    {"1,5 s", "Invalid duration: 1,5 s"},
    {"1 s!", "Invalid duration: 1 s!"},
    {"1\xE2\x80\x8Bs", "Invalid duration: 1\xE2\x80\x8Bs"},
    {"1\xC2", "Invalid duration: 1\xC2"},
    {"1 \xC2\xB5s", "Invalid duration: 1 \xC2\xB5s"},
    {"1 Fortnight", "Unsupported duration unit: fortnight"},
    {"1e3", "Unsupported duration unit: e3"},
    {"10 5", "Unsupported duration unit: 5"},
    {"10_5", "Unsupported duration unit: _5"},
    {"1.5e3 ", "Unsupported duration unit: e3"},
    {"1 weeks", "Unsupported duration unit: weeks"},
    {"1 s_", "Unsupported duration unit: s_"},
};

static void test_durations(void **state)
{
    wfs_error error;
    double ms;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(durations); i++) {
        ms = -1;
        if (wfs_parse_duration(durations[i].text, &ms, &error) != WFS_OK)
            fail_msg("%s", error.message);
        if (ms != durations[i].ms)
            fail_msg("%s: %.17g", durations[i].text, ms);
    }
    assert_int_equal(wfs_parse_duration("1 s", NULL, NULL), WFS_OK);
}

static void test_refused_durations(void **state)
{
    char text[600], message[600];
    wfs_error error;
    double ms = 17;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refused); i++) {
        assert_int_equal(wfs_parse_duration(refused[i].text, &ms, &error),
                         WFS_ERR_DURATION);
        assert_int_equal(error.code, WFS_ERR_DURATION);
        assert_string_equal(error.message, refused[i].message);
        assert_int_equal(wfs_parse_duration(refused[i].text, &ms, NULL),
                         WFS_ERR_DURATION);
    }
    assert_true(ms == 17);
    memset(text, 'U', sizeof text - 1);
    text[0] = '1';
    text[sizeof text - 1] = '\0';
    assert_int_equal(wfs_parse_duration(text, &ms, &error), WFS_ERR_DURATION);
    memset(message, 'u', sizeof message);
    memcpy(message, "Unsupported duration unit: ", 27);
    strcpy(message + 27 + 160, "...");
    assert_string_equal(error.message, message);
}

/* What an x87 needs gives what every other processor computes. */
static void test_exact_arithmetic(void **state)
{
    static const uint32_t factors[] = {1, 1000, 60000, 3600000, 86400000};
    /* variables, for an x87 has constants with more digits than a double */
    static const double value_of[] = {1.1, 3960000.0000000005, 5e-324,
                                      4.94e-321};
    double value, fraction;
    int64_t time;
    int i;

    (void)state;
#if FLT_EVAL_METHOD == 0
    for (i = 0; i < 20000; i++) {
        value = ldexp((double)(random_bits() >> 11),
                      -(int)(random_bits() % 60));
        assert_true(wfsi_multiply_exact(value, factors[i % 5]) ==
                    value * factors[i % 5]);
        time = (int64_t)random_bits() >> (10 + random_bits() % 53);
        fraction = ldexp((double)(int64_t)(random_bits() | 1) / 2,
                         -(int)(12 + random_bits() % 52));
        assert_true(wfsi_add_exact(time, fraction) == (double)time + fraction);
    }
#endif
    assert_true(wfsi_multiply_exact(0.0, 5) == 0.0);
    assert_true(wfsi_multiply_exact(value_of[0], 3600000) == value_of[1]);
    assert_true(wfsi_multiply_exact(value_of[2], 1000) == value_of[3]);
    assert_true(wfsi_add_exact(5, -0.5) == 4.5);
    assert_true(wfsi_add_exact(-5, 0.5) == -4.5);
    assert_true(wfsi_add_exact(0, 0.25) == 0.25);
    assert_true(wfsi_add_exact(0, -0.25) == -0.25);
    assert_true(wfsi_add_exact(-1, 1.5) == 0.5);
    assert_true(wfsi_add_exact(1, -1.5) == -0.5);
}

/* --- the clock */

typedef struct sum_case {
    int64_t time;
    double ms;
    int64_t sum;
} sum_case;

static const sum_case sums[] = {
    {1000, 500, 1500},
    {1000, 0.5, 1000},
    {1000, 0.999, 1000},
    {-1000, 0.5, -999},
    {-1000, -0.5, -1000},
    {0, -0.5, 0},
    {1, -1.5, 0},
    {1700000000000, 0.9999, 1700000000001},     /* rounds as a double */
    {1700000000000, 0.99, 1700000000000},
    {1700000000000, 1004.9999999999999, 1700000001005},
    {9007199254740993, 2, 9007199254740995},    /* a double cannot have it */
    {9007199254740993, 2.5, 9007199254740995},
    {-9007199254740993, -2.5, -9007199254740995},
    {INT64_MAX, 0, INT64_MAX},
    {INT64_MAX, 1, INT64_MAX},
    {INT64_MAX - 5, 5, INT64_MAX},
    {INT64_MAX - 5, 4, INT64_MAX - 1},
    {0, 9223372036854775808.0, INT64_MAX},
    {-10, 9223372036854775808.0, INT64_MAX - 9},
    {INT64_MIN + 1, 18446744073709549568.0, 9223372036854773761},
    {INT64_MIN + 1, 18446744073709551616.0, INT64_MAX},
    {0, 1e300, INT64_MAX},
    {0, -9223372036854775808.0, INT64_MIN + 1},
    {10, -9223372036854775808.0, INT64_MIN + 10},
    {0, -1e300, INT64_MIN + 1},
    {INT64_MIN + 1, -1, INT64_MIN + 1},
};

static void test_sums(void **state)
{
    int64_t sum;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(sums); i++) {
        sum = wfsi_time_add(sums[i].time, sums[i].ms);
        if (sum != sums[i].sum)
            fail_msg("%lld + %.17g = %lld", (long long)sums[i].time,
                     sums[i].ms, (long long)sum);
    }
    assert_true(wfsi_time_add(0, HUGE_VAL) == INT64_MAX);
    assert_true(wfsi_time_add(0, -HUGE_VAL) == INT64_MIN + 1);
}

static void test_clock(void **state)
{
    char endless[401];
    wfs_clock clock = {0};
    wfs_error error;

    (void)state;
    wfs_clock_set(&clock, 1000);
    assert_int_equal(wfs_clock_now(&clock), 1000);
    wfs_clock_advance(&clock, -2500);
    assert_int_equal(wfs_clock_now(&clock), -1500);
    assert_int_equal(wfs_clock_advance_by(&clock, "1.5 h", &error), WFS_OK);
    assert_int_equal(wfs_clock_now(&clock), 5398500);
    assert_int_equal(wfs_clock_advance_by(&clock, "0.9", NULL), WFS_OK);
    assert_int_equal(wfs_clock_now(&clock), 5398500);
    assert_int_equal(wfs_clock_advance_by(&clock, "soon", &error),
                     WFS_ERR_DURATION);
    assert_string_equal(error.message, "Invalid duration: soon");
    assert_int_equal(wfs_clock_advance_by(&clock, NULL, NULL),
                     WFS_ERR_DURATION);
    assert_int_equal(wfs_clock_now(&clock), 5398500);
    wfs_clock_advance(&clock, INT64_MAX);
    assert_true(wfs_clock_now(&clock) == INT64_MAX);
    wfs_clock_advance(&clock, INT64_MIN);
    assert_true(wfs_clock_now(&clock) == -1);
    wfs_clock_advance(&clock, INT64_MIN);
    assert_true(wfs_clock_now(&clock) == WFS_NO_TIME + 1);
    wfs_clock_set(&clock, WFS_NO_TIME);
    assert_true(wfs_clock_now(&clock) == WFS_NO_TIME + 1);
    memset(endless, '9', 400);
    endless[400] = '\0';
    wfs_clock_set(&clock, 0);
    assert_int_equal(wfs_clock_advance_by(&clock, endless, NULL), WFS_OK);
    assert_true(wfs_clock_now(&clock) == INT64_MAX);
}

/* --- times */

typedef struct time_case {
    int64_t time;
    const char *text;
} time_case;

static const time_case times[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {-1, "1969-12-31T23:59:59.999Z"},
    {1, "1970-01-01T00:00:00.001Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {951868799999, "2000-02-29T23:59:59.999Z"},
    {1709164799999, "2024-02-28T23:59:59.999Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {1234567890123, "2009-02-13T23:31:30.123Z"},
    {-86400000, "1969-12-31T00:00:00.000Z"},
    {-86400001, "1969-12-30T23:59:59.999Z"},
    {-62167219200000, "0000-01-01T00:00:00.000Z"},
    {-62167219200001, "-000001-12-31T23:59:59.999Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
    {253402300800000, "+010000-01-01T00:00:00.000Z"},
    {8640000000000000, "+275760-09-13T00:00:00.000Z"},
    {-8640000000000000, "-271821-04-20T00:00:00.000Z"},
    {INT64_MAX, "+292278994-08-17T07:12:55.807Z"},
    {INT64_MIN, "-292275055-05-16T16:47:04.192Z"},
};

static void test_times(void **state)
{
    char buffer[WFS_TIME_TEXT_SIZE];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(times); i++) {
        assert_ptr_equal(wfs_format_time(times[i].time, buffer), buffer);
        assert_string_equal(buffer, times[i].text);
    }
}

/* Day after day through four centuries against a calendar that only counts. */
static void test_every_day(void **state)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30,
                                  31, 31, 30, 31, 30, 31};
    char buffer[WFS_TIME_TEXT_SIZE], expected[64];
    int year = 1800, month = 1, day = 1, length;
    int64_t time;

    (void)state;
    for (time = -5364662400000; year < 2210; time += 86400000) {
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT00:00:00.000Z",
                 year, month, day);
        assert_string_equal(wfs_format_time(time, buffer), expected);
        length = lengths[month - 1];
        if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
            length++;
        if (++day > length) {
            day = 1;
            month++;
        }
        if (month > 12) {
            month = 1;
            year++;
        }
    }
}

/* --- randomness */

static void test_random(void **state)
{
    /* the first three numbers of splitmix64 for these seeds */
    static const uint64_t expected[][4] = {
        {0, UINT64_C(0xE220A8397B1DCDAF), UINT64_C(0x6E789E6AA1B965F4),
         UINT64_C(0x06C45D188009454F)},
        {1234567, UINT64_C(0x599ED017FB08FC85), UINT64_C(0x2C73F08458540FA5),
         UINT64_C(0x883EBCE5A3F27C77)},
        {UINT64_MAX, UINT64_C(0xE4D971771B652C20), UINT64_C(0xE99FF867DBF682C9),
         UINT64_C(0x382FF84CB27281E9)}};
    wfs_random random;
    size_t i, j;

    (void)state;
    for (i = 0; i < COUNT(expected); i++) {
        wfs_random_seed(&random, expected[i][0]);
        for (j = 1; j < 4; j++)
            assert_true(wfs_random_next(&random) == expected[i][j]);
    }
}

static void test_random_below(void **state)
{
    const uint64_t high = UINT64_C(3) << 62;
    int counts[7] = {0}, low = 0, i;
    wfs_random random;

    (void)state;
    wfs_random_seed(&random, 5);
    assert_true(wfs_random_below(&random, 0) == 0);
    assert_true(random.state == 5);
    for (i = 0; i < 70000; i++)
        counts[wfs_random_below(&random, 7)]++;
    for (i = 0; i < 7; i++)
        assert_in_range(counts[i], 9600, 10400);
    for (i = 0; i < 1000; i++)
        assert_true(wfs_random_below(&random, 1) == 0);
    /* a mere remainder would come below 2^62 half of the time */
    for (i = 0; i < 30000; i++) {
        uint64_t number = wfs_random_below(&random, high);

        assert_true(number < high);
        low += number < high / 3;
    }
    assert_in_range(low, 9500, 10500);
}

static void test_random_real(void **state)
{
    wfs_random random;
    double number, sum = 0;
    int i;

    (void)state;
    wfs_random_seed(&random, 1);
    for (i = 0; i < 100000; i++) {
        number = wfs_random_real(&random);
        assert_true(number >= 0 && number < 1);
        sum += number;
    }
    assert_true(sum > 49500 && sum < 50500);
    random.state = 0;
    assert_true(wfs_random_real(&random) ==
                (double)(UINT64_C(0xE220A8397B1DCDAF) >> 11) /
                    9007199254740992.0);
}

static void test_random_id(void **state)
{
    char id[WFS_RANDOM_ID_SIZE], again[WFS_RANDOM_ID_SIZE];
    int seen[256] = {0};
    wfs_random random, copy;
    int i;
    size_t j;

    (void)state;
    wfs_random_seed(&random, 42);
    for (i = 0; i < 2000; i++) {
        copy = random;
        assert_ptr_equal(wfs_random_id(&random, id), id);
        assert_int_equal(strlen(id), 24);
        assert_true(id[0] >= 'a' && id[0] <= 'z');
        assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789"),
                         24);
        assert_string_equal(wfs_random_id(&copy, again), id);
        assert_string_not_equal(wfs_random_id(&copy, again), id);
        for (j = 1; j < 24; j++)
            seen[(unsigned char)id[j]]++;
    }
    for (j = 'a'; j <= 'z'; j++)
        assert_in_range(seen[j], 1000, 1560);
    for (j = '0'; j <= '9'; j++)
        assert_in_range(seen[j], 1000, 1560);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_refused_durations),
        cmocka_unit_test(test_exact_arithmetic),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_random_below),
        cmocka_unit_test(test_random_real),
        cmocka_unit_test(test_random_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
