/* The short ways for what is mostly written, against the general ones: plain
 * JSON, plain durations, times. Texts lie in blocks of just their size, so
 * that a sanitizer sees who reads past their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static wfs_random source = {5};

static size_t below(size_t bound)
{
    return (size_t)wfs_random_below(&source, bound);
}

static const char *one_of(const char *const *texts, size_t count)
{
    return texts[below(count)];
}

/* --- JSON */

static size_t taken, left_over;     /* by the quick check, or to the parser */

static bool is_json(const char *text, size_t size, size_t depth)
{
    wfs_limits limits = wfsi_limits(NULL);

    limits.json_depth = depth;
    return wfsi_scan_text(NULL, text, size, &limits, NULL);
}

/* Whether the quick check takes a text; if so, it must be JSON. */
static bool check_quick(const char *text, size_t size, size_t depth)
{
    char *block = (char *)malloc(size != 0 ? size : 1);
    bool plain;

    assert_non_null(block);
    memcpy(block, text, size);
    plain = wfsi_json_is_plain(block, block + size, depth);
    if (plain && !is_json(block, size, depth))
        fail_msg("taken: %.*s", (int)size, text);
    free(block);
    taken += plain;
    left_over += !plain;
    return plain;
}

static const char *const plain_texts[] = {
    "0", "7", "10", "999999999999999999", "true", "false", "null", "\"\"",
    "\"a\"", "\"a b\"", " 1", "[]", "{}", "[[]]", "[{}]", "{\"a\":{}}",
    "{\"\":[]}", "[1,2]", "[1, 2]", "[ 1,2]", "{\"a\":1}", "{\"a\": 1}",
    "{ \"a\":1}", "{\"a\":1,\"b\":2}", "{\"a\": 1, \"b\": [true, null]}",
    "[[[],[]],[]]", "[{\"a\":[{}]},{\"a\":[]}]",
    "{\"a\":\"}\",\"b\":\"]\"}", "\"12345678901234567\"", "[\"12345678\"]",
    "{\"sku\":\"cup\",\"pieces\":3,\"gift\":false}", "[0,0]", "[[1],[2]]",
    "{\"a\":{\"b\":1},\"c\":2}", "[{\"a\":1},3]", "{\"a\":[1],\"b\":2}",
};

/* They are JSON; the parser may say so. */
static const char *const general_texts[] = {
    "-1", "-0", "1.5", "1e3", "1000000000000000000", "12345678901234567890",
    "\"\\n\"", "\"\\u0041\"", "1 ", "  1", "\t1", "[1 ]", "[1 ,2]",
    "{\"a\" :1}", "{\"a\":1 }", "{\"a\":  1}", "[\n1]", "[1,\n2]", "[ ]",
    "{ }", "0.0", "[-5]", "\"\xC3\xA9\"",
};

/* They are not JSON. */
static const char *const wrong_texts[] = {
    "", " ", "01", "00", "1a", "1,", "-", "+1", ".5", "tru", "truex",
    "nul", "falsey", "True", "\"", "\"a", "\"\x1F\"", "\"\n\"", "a", "[",
    "]", "{", "}", "[1", "[1,", "[1,]", "[,1]", "[,]", "{,}", "{\"a\"",
    "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{\"a\",1}", "{1:1}",
    "{a:1}", "{\"a\":}", "[1}", "{\"a\":1]", "[[1]", "[1]]", "{}}", "{}{}",
    "[][]", "1 1", "[1 1]", "[1:1]", "{\"a\":1:2}", "{\"a\":1,2}",
    "[\"a\":1]", "{\"a\":1,\"b\"}", "[{\"a\":1,2}]", "{\"a\":[1,\"b\":2]}",
    "[{]}", "{\"a\":{]}", "\"\xFF\"", "\"\xC3\"", "[true false]", "[01]",
    "{\"a\":00}", "{ ", "[ ", "{\"a\": ", "[1, ", "{\"a\":1, ", "{ ,",
    "[[],", "[{},", "{\"a\":[],", "\"\\", "\"\xED\xA0\x80\"",
};

static void plain_json_is_taken(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(plain_texts); i++)
        if (!check_quick(plain_texts[i], strlen(plain_texts[i]), 64))
            fail_msg("not taken: %s", plain_texts[i]);
}

static void what_is_not_json_is_not_taken(void **state)
{
    size_t i, size;

    (void)state;
    for (i = 0; i < COUNT(wrong_texts); i++) {
        size = strlen(wrong_texts[i]);
        assert_false(is_json(wrong_texts[i], size, 64));
        if (check_quick(wrong_texts[i], size, 64))
            fail_msg("taken: %s", wrong_texts[i]);
    }
    assert_false(check_quick("1\0", 2, 64));
    assert_false(check_quick("\"\0\"", 3, 64));
}

/* Also through the public functions, with bytes after the text that would go
 * on with it. */
static void all_json_is_accepted_in_its_size(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    char text[80];
    size_t i, size;

    (void)state;
    for (i = 0; i < COUNT(general_texts); i++) {
        size = strlen(general_texts[i]);
        assert_true(is_json(general_texts[i], size, 64));
        check_quick(general_texts[i], size, 64);
    }
    for (i = 0; i < COUNT(plain_texts); i++) {
        size = (size_t)snprintf(text, sizeof text, "%s]}\"9", plain_texts[i]);
        assert_true(size < sizeof text);
        assert_true(check_quick(text, size - 4, 64));
        assert_false(check_quick(text, size, 64));
        assert_non_null(wfs_json_parse(arena, text, size - 4, NULL, NULL));
    }
    wfs_arena_free(arena);
}

/* Every beginning of a plain text, each in a block of its size. */
static void a_truncated_text_is_not_taken(void **state)
{
    size_t i, size;

    (void)state;
    for (i = 0; i < COUNT(plain_texts); i++)
        for (size = 0; size < strlen(plain_texts[i]); size++)
            check_quick(plain_texts[i], size, 64);
}

typedef struct text_maker {
    char text[4096];
    size_t size;
} text_maker;

static void put(text_maker *maker, const char *part)
{
    size_t size = strlen(part);

    if (maker->size + size <= sizeof maker->text) {
        memcpy(maker->text + maker->size, part, size);
        maker->size += size;
    }
}

static void put_blank(text_maker *maker)
{
    static const char *const blanks[] = {"", "", "", "", "", "", "", "", "",
                                         " ", " ", "  ", "\n", "\t", "\r"};

    put(maker, one_of(blanks, COUNT(blanks)));
}

static void put_scalar(text_maker *maker)
{
    static const char *const scalars[] = {
        "0", "1", "42", "00", "07", "-1", "-", "1.5", "1.", "2e9", "true",
        "false", "null", "tru", "nulll", "\"\"", "\"a\"", "\"abcdefgh\"",
        "\"abcdefghi\"", "\"a\\nb\"", "\"\\\"\"", "\"\\u00e9\"", "\"\xC3\xA9\"",
        "\"0123456789abcdef\xE2\x82\xAC\"", "123456789012345678",
        "1234567890123456789", "99999999999999999999", "\"{[,:]}\"",
    };

    put(maker, one_of(scalars, COUNT(scalars)));
}

static void put_value(text_maker *maker, int levels);

static void put_items(text_maker *maker, int levels, bool is_object)
{
    size_t count = below(4);

    while (count-- != 0) {
        put_blank(maker);
        if (is_object) {
            put(maker, below(2) == 0 ? "\"a\"" : "\"long enough\"");
            put_blank(maker);
            put(maker, ":");
        }
        put_value(maker, levels);
        if (count != 0)
            put(maker, ",");
    }
}

static void put_value(text_maker *maker, int levels)
{
    bool is_object = below(2) == 0;

    put_blank(maker);
    if (levels == 0 || below(3) == 0) {
        put_scalar(maker);
    } else {
        put(maker, is_object ? "{" : "[");
        put_items(maker, levels - 1, is_object);
        put_blank(maker);
        put(maker, is_object ? "}" : "]");
    }
    put_blank(maker);
}

/* Flip, insert or delete a byte, or cut the text. */
static void spoil(text_maker *maker)
{
    static const char bytes[] = "{}[]\",: \\019-+.eatn\x01\x80\xC3";
    char byte = bytes[below(sizeof bytes)];
    size_t at;

    if (maker->size < 2 || maker->size + 1 >= sizeof maker->text)
        return;
    at = below(maker->size);
    switch (below(5)) {
    case 0:
        maker->text[at] = (char)(maker->text[at] ^ (1 << below(8)));
        return;
    case 1:
        maker->text[at] = byte;
        return;
    case 2:
        memmove(maker->text + at + 1, maker->text + at, maker->size - at);
        maker->text[at] = byte;
        maker->size++;
        return;
    case 3:
        memmove(maker->text + at, maker->text + at + 1, maker->size - at - 1);
        maker->size--;
        return;
    default:
        maker->size = at;
    }
}

static void whatever_the_quick_check_takes_is_json(void **state)
{
    static const size_t depths[] = {0, 1, 2, 3, 64, 200};
    text_maker maker;
    int i, change;

    (void)state;
    taken = left_over = 0;
    for (i = 0; i < 20000; i++) {
        maker.size = 0;
        put_value(&maker, (int)below(4));
        for (change = 0; change < 4; change++) {
            check_quick(maker.text, maker.size, depths[below(COUNT(depths))]);
            spoil(&maker);
        }
    }
    assert_true(taken > 1000 && left_over > 1000);
}

/* Each byte of plain texts replaced, and each inserted, by every other. */
static void a_plain_text_with_any_byte_changed_is_json_if_taken(void **state)
{
    text_maker maker;
    size_t i, at;
    int byte;

    (void)state;
    for (i = 0; i < COUNT(plain_texts); i++)
        for (at = 0; at < strlen(plain_texts[i]); at++)
            for (byte = 0; byte < 256; byte++) {
                maker.size = 0;
                put(&maker, plain_texts[i]);
                maker.text[at] = (char)byte;
                check_quick(maker.text, maker.size, 64);
                memmove(maker.text + at + 1, plain_texts[i] + at,
                        maker.size - at);
                check_quick(maker.text, maker.size + 1, 64);
            }
}

/* "[[...]]", "{"":{...}}" or both in turn; levels of them. */
static size_t nested(char *text, size_t levels, int kind)
{
    size_t i, size = 0;

    for (i = 0; i < levels; i++) {
        if (kind == 0 || (kind == 2 && i % 2 == 0)) {
            text[size++] = '[';
        } else {
            memcpy(text + size, "{\"\":", 4);
            size += i + 1 < levels ? 4 : 1;
        }
    }
    while (i-- > 0)
        text[size++] = kind == 0 || (kind == 2 && i % 2 == 0) ? ']' : '}';
    if (levels == 0)
        text[size++] = '1';
    return size;
}

static void the_quick_check_keeps_the_depth(void **state)
{
    static const size_t depths[] = {0, 1, 2, 63, 64, 65, 100};
    char text[1000];
    size_t i, levels, size;
    wfs_limits limits = wfsi_limits(NULL);
    int kind;

    (void)state;
    for (kind = 0; kind < 3; kind++)
        for (i = 0; i < COUNT(depths); i++)
            for (levels = 0; levels <= 101; levels++) {
                size = nested(text, levels, kind);
                limits.json_depth = depths[i];
                assert_int_equal(check_quick(text, size, depths[i]),
                                 levels <= depths[i] && levels <= 64);
                assert_int_equal(wfsi_json_check(text, size, &limits, NULL),
                                 levels <= depths[i]);
            }
}

/* The size limit stands before the quick check. */
static void the_quick_check_keeps_the_size(void **state)
{
    wfs_limits limits = wfsi_limits(NULL);
    wfs_error error;

    (void)state;
    limits.json_size = 5;
    assert_true(wfsi_json_check("[1,2]", 5, &limits, &error));
    assert_false(wfsi_json_check("[1,20]", 6, &limits, &error));
    assert_int_equal(error.code, WFS_ERR_LIMIT);
    assert_false(wfsi_json_check(NULL, 0, &limits, &error));
}

/* --- durations */

/* A blank before a text keeps the plain way from taking it, and changes
 * nothing else. */
static void check_duration(const char *text)
{
    double plain = -1, general = -2, whole = -3;
    char blank[80], *block = (char *)malloc(strlen(text) + 1);
    wfs_status status;

    assert_non_null(block);
    strcpy(block, text);
    snprintf(blank, sizeof blank, " %s", text);
    assert_false(wfsi_duration_is_plain(blank, &general));
    status = wfs_parse_duration(blank, &general, NULL);
    assert_int_equal(wfs_parse_duration(block, &whole, NULL), status);
    if (status == WFS_OK && whole != general)
        fail_msg("%s: %.17g, %.17g", text, whole, general);
    if (wfsi_duration_is_plain(block, &plain)) {
        if (status != WFS_OK || plain != general)
            fail_msg("%s: %.17g, %.17g", text, plain, general);
        assert_true(wfsi_duration_is_plain(block, NULL));
        taken++;
    } else {
        assert_true(plain == -1);
        left_over++;
    }
    free(block);
}

static void durations_are_the_same_both_ways(void **state)
{
    static const char *const numbers[] = {
        "", "0", "1", "5", "10", "007", "0000000", "999999", "9999999",
        "12345678", "99999999", "123456789012345678901", "1.5", "1.", ".5",
        "-1", "+1", "1e3", "5x", " 5", "\t5", "1_0", "0x1"};
    static const char *const gaps[] = {"", " ", "  ", "\t", "\xC2\xA0", " \n"};
    static const char *const units[] = {
        "", "ms", "millisecond", "milliseconds", "s", "sec", "secs", "second",
        "seconds", "m", "min", "mins", "minute", "minutes", "h", "hr", "hrs",
        "hour", "hours", "d", "day", "days", "S", "Ms", "HOURS", "x", "sx",
        "se", "secon", "secondss", "minutesx", "minut", "millisecondz",
        "nilliseconds", "w", "s ", "s s", "hou", "dayz", "milliseconds ",
        "s\xC2\xA0", "mintues"};
    char text[80];
    size_t i, j, k;

    (void)state;
    taken = left_over = 0;
    for (i = 0; i < COUNT(numbers); i++)
        for (j = 0; j < COUNT(gaps); j++)
            for (k = 0; k < COUNT(units); k++) {
                snprintf(text, sizeof text, "%s%s%s", numbers[i], gaps[j],
                         units[k]);
                check_duration(text);
            }
    assert_true(taken > 200 && left_over > 200);
}

static void plain_durations_are_taken(void **state)
{
    static const char *const plain[] = {"10 minutes", "1h", "0 s", "5s",
                                        "9999999 days", "250 ms", "007 s"};
    static const char *const others[] = {"5", " 5 s", "5 S", "5x", "1  h",
                                         "1.5 h", "12345678 ms", "s", ""};
    static const char *const wrong[] = {"5x", "1 nilliseconds", "1 minutez",
                                        "1 milliseconda", "1 xinutes"};
    double ms;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(plain); i++) {
        assert_true(wfsi_duration_is_plain(plain[i], NULL));
        check_duration(plain[i]);
    }
    for (i = 0; i < COUNT(others); i++)
        assert_false(wfsi_duration_is_plain(others[i], NULL));
    for (i = 0; i < COUNT(wrong); i++)
        assert_int_equal(wfs_parse_duration(wrong[i], NULL, NULL),
                         WFS_ERR_DURATION);
    assert_int_equal(wfs_parse_duration("9999999 days", &ms, NULL), WFS_OK);
    assert_true(ms == 9999999.0 * 86400000.0);
    assert_int_equal(wfs_parse_duration("10 minutes", &ms, NULL), WFS_OK);
    assert_true(ms == 600000);
}

/* --- times */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* The ends of what is a time, and years of seven digits. */
static void the_first_and_last_times_are_written(void **state)
{
    char text[WFS_TIME_TEXT_SIZE];

    (void)state;
    assert_string_equal(wfs_format_time(INT64_MAX, text),
                        "+292278994-08-17T07:12:55.807Z");
    assert_string_equal(wfs_format_time(INT64_MIN + 1, text),
                        "-292275055-05-16T16:47:04.193Z");
    assert_string_equal(wfs_format_time(INT64_C(31494784780800000), text),
                        "+1000000-01-01T00:00:00.000Z");
    assert_string_equal(wfs_format_time(INT64_C(31494784780799999), text),
                        "+999999-12-31T23:59:59.999Z");
}

/* Days from 1970-01-01 to the first of a year, year by year. */
static int64_t days_to(int64_t year)
{
    int64_t days = 0, at;

    for (at = 1970; at < year; at++)
        days += is_leap(at) ? 366 : 365;
    for (at = 1970; at > year; at--)
        days -= is_leap(at - 1) ? 366 : 365;
    return days;
}

static void check_time(int64_t first, int64_t year, int month, int day,
                       int64_t ms)
{
    char expected[64], actual[WFS_TIME_TEXT_SIZE];
    int64_t days = first + day - 1;
    int at;

    for (at = 1; at < month; at++)
        days += month_days(year, at);
    snprintf(expected, sizeof expected,
             "%s%0*ld-%02d-%02dT%02d:%02d:%02d.%03dZ",
             year < 0 ? "-" : year > 9999 ? "+" : "",
             year < 0 || year > 9999 ? 6 : 4,
             (long)(year < 0 ? -year : year), month, day, (int)(ms / 3600000),
             (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
    assert_string_equal(wfs_format_time(days * 86400000 + ms, actual),
                        expected);
}

static void times_are_written_as_a_plain_calendar_says(void **state)
{
    static const int64_t years[] = {
        -271820, -10000, -9999, -401, -400, -101, -100, -5, -4, -1, 0, 1, 4,
        9, 10, 99, 100, 101, 400, 999, 1000, 1600, 1900, 1969, 1970, 1971,
        1999, 2000, 2023, 2024, 2026, 2100, 9999, 10000, 10001, 99999, 100000,
        275760};
    static const int64_t parts[] = {0, 1, 9, 10, 99, 100, 101, 999, 1000, 9999,
                                    59999, 60000, 3599999, 3600000, 35999999,
                                    36000000, 43200000, 86399999};
    size_t i, j;
    int64_t first;
    int month;

    (void)state;
    for (i = 0; i < COUNT(years); i++) {
        first = days_to(years[i]);
        for (month = 1; month <= 12; month++)
            for (j = 0; j < COUNT(parts); j++) {
                check_time(first, years[i], month, 1, parts[j]);
                check_time(first, years[i], month, 28, parts[j]);
                check_time(first, years[i], month,
                           month_days(years[i], month), parts[j]);
            }
    }
}

static void random_times_are_written_as_a_plain_calendar_says(void **state)
{
    int64_t year, first;
    int i, month;

    (void)state;
    for (i = 0; i < 3000; i++) {
        year = (int64_t)below(12000) - 1000;
        first = days_to(year);
        month = (int)below(12) + 1;
        check_time(first, year, month,
                   (int)below((size_t)month_days(year, month)) + 1,
                   (int64_t)below(86400000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_json_is_taken),
        cmocka_unit_test(what_is_not_json_is_not_taken),
        cmocka_unit_test(all_json_is_accepted_in_its_size),
        cmocka_unit_test(a_truncated_text_is_not_taken),
        cmocka_unit_test(whatever_the_quick_check_takes_is_json),
        cmocka_unit_test(a_plain_text_with_any_byte_changed_is_json_if_taken),
        cmocka_unit_test(the_quick_check_keeps_the_depth),
        cmocka_unit_test(the_quick_check_keeps_the_size),
        cmocka_unit_test(durations_are_the_same_both_ways),
        cmocka_unit_test(plain_durations_are_taken),
        cmocka_unit_test(the_first_and_last_times_are_written),
        cmocka_unit_test(times_are_written_as_a_plain_calendar_says),
        cmocka_unit_test(random_times_are_written_as_a_plain_calendar_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
