/* What everything else stands on: statuses, errors, arrays, arenas, text that
 * grows, hashing, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "sweep.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint64_t random_bits(void)
{
    static wfs_random source = {5};

    return wfs_random_next(&source);
}

static size_t random_below(size_t bound)
{
    return (size_t)(random_bits() % bound);
}

/* --- statuses */

static void every_status_has_a_name_and_a_meaning(void **state)
{
    const char *name, *at;
    int i, j;

    (void)state;
    assert_int_equal(WFS_OK, 0);
    for (i = 0; i < WFS_STATUS_COUNT; i++) {
        name = wfs_status_name((wfs_status)i);
        assert_true(name[0] != '\0');
        for (at = name; *at != '\0'; at++)
            assert_true((*at >= 'A' && *at <= 'Z') || *at == '_');
        assert_true(wfs_status_meaning((wfs_status)i)[0] != '\0');
        for (j = 0; j < i; j++)
            assert_string_not_equal(name, wfs_status_name((wfs_status)j));
    }
    assert_string_equal(wfs_status_name(WFS_OK), "OK");
    assert_string_equal(wfs_status_name(WFS_ERR_HOOK), "HOOK_FAILED");
    assert_string_equal(wfs_status_meaning(WFS_ERR_CURSOR),
                        "the text is not a cursor of this query");
}

static void a_number_that_is_no_status_is_unknown(void **state)
{
    static const int numbers[] = {WFS_STATUS_COUNT, WFS_STATUS_COUNT + 1, 1000,
                                  -1, INT_MAX, INT_MIN};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(numbers); i++) {
        assert_string_equal(wfs_status_name((wfs_status)numbers[i]), "UNKNOWN");
        assert_string_equal(wfs_status_meaning((wfs_status)numbers[i]),
                            "not a status");
    }
}

static int tried;

static wfs_status give(wfs_status status)
{
    tried++;
    return status;
}

static wfs_status try_three(wfs_status second)
{
    WFS_TRY(give(WFS_OK));
    WFS_TRY(give(second));
    WFS_TRY(give(WFS_OK));
    return WFS_DONE;
}

static void try_hands_every_other_status_back(void **state)
{
    (void)state;
    tried = 0;
    assert_int_equal(try_three(WFS_OK), WFS_DONE);
    assert_int_equal(tried, 3);
    tried = 0;
    assert_int_equal(try_three(WFS_SUSPENDED), WFS_SUSPENDED);
    assert_int_equal(tried, 2);
    assert_int_equal(try_three(WFS_ERR_CONFLICT), WFS_ERR_CONFLICT);
}

static void the_version_is_told_once(void **state)
{
    char version[64];

    (void)state;
    snprintf(version, sizeof version, "%d.%d.%d", WFSCENARIO_VERSION_MAJOR,
             WFSCENARIO_VERSION_MINOR, WFSCENARIO_VERSION_PATCH);
    assert_string_equal(version, WFSCENARIO_VERSION);
}

/* --- errors */

/* Whether text is whole UTF-8 sequences, for texts made of such. */
static bool whole_sequences(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    int follow;

    while (*at != '\0') {
        follow = *at < 0x80 ? 0 : *at >= 0xF0 ? 3 : *at >= 0xE0 ? 2 : 1;
        if (*at >= 0x80 && *at < 0xC0)
            return false;
        for (at++; follow > 0; follow--, at++)
            if ((*at & 0xC0) != 0x80)
                return false;
    }
    return true;
}

static void a_message_names_its_culprits(void **state)
{
    static const char bytes[] = {'a', 'b', 'c', 'd'};
    wfs_error error;

    (void)state;
    memset(&error, 0x7F, sizeof error);
    assert_int_equal(wfsi_error(&error, WFS_ERR_LIMIT,
                                "%s has %i of %n, 100%% of %s", "x",
                                INT64_C(-7), bytes, (size_t)3, NULL),
                     WFS_ERR_LIMIT);
    assert_int_equal(error.code, WFS_ERR_LIMIT);
    assert_string_equal(error.message, "x has -7 of abc, 100% of (null)");
    assert_int_equal(error.offset, 0);
    assert_int_equal(error.line, 0);
    assert_int_equal(error.column, 0);
}

static void an_error_need_not_be_kept(void **state)
{
    wfs_error error;

    (void)state;
    assert_int_equal(wfsi_error(NULL, WFS_ERR_HOOK, "%s", "x"), WFS_ERR_HOOK);
    assert_int_equal(wfsi_no_memory(NULL), WFS_ERR_NO_MEMORY);
    assert_int_equal(wfsi_no_memory(&error), WFS_ERR_NO_MEMORY);
    assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
    assert_true(error.message[0] != '\0');
}

/* Fill with that many copies of a sequence after some ASCII. */
static void repeat(char *text, size_t ascii, const char *sequence, size_t size)
{
    size_t at;

    memset(text, 'x', ascii);
    for (at = ascii; at + strlen(sequence) <= size; at += strlen(sequence))
        memcpy(text + at, sequence, strlen(sequence));
    text[at] = '\0';
}

static void a_long_culprit_is_cut_between_characters(void **state)
{
    static const char *const sequences[] = {"y", "\xC3\xA9", "\xE2\x82\xAC",
                                            "\xF0\x9F\x98\x80"};
    char text[400];
    wfs_error error;
    size_t i, ascii, size;

    (void)state;
    for (i = 0; i < COUNT(sequences); i++)
        for (ascii = 0; ascii < 5; ascii++)
            for (size = WFSI_CULPRIT_SIZE - 5; size < WFSI_CULPRIT_SIZE + 10;
                 size++) {
                repeat(text, ascii, sequences[i], size);
                wfsi_error(&error, WFS_ERR_LIMIT, "<%s>", text);
                assert_true(whole_sequences(error.message));
                assert_int_equal(error.message[strlen(error.message) - 1], '>');
                if (strlen(text) > WFSI_CULPRIT_SIZE)
                    assert_non_null(strstr(error.message, "...>"));
                else
                    assert_memory_equal(error.message + 1, text, strlen(text));
            }
}

/* Four long culprits do not fit; the message says so too. */
static void a_long_message_is_cut_between_characters(void **state)
{
    char text[400];
    wfs_error error;
    size_t ascii;

    (void)state;
    for (ascii = 0; ascii < 4; ascii++) {
        repeat(text, ascii, "\xE2\x82\xAC", sizeof text - 4);
        memset(error.message, 0x7F, sizeof error.message);
        wfsi_error(&error, WFS_ERR_LIMIT, "%s, %s, %s, %s", text, text, text,
                   text);
        assert_true(strlen(error.message) < WFS_ERROR_MESSAGE_SIZE);
        assert_true(whole_sequences(error.message));
        assert_string_equal(error.message + strlen(error.message) - 3, "...");
    }
}

static void integers_are_written_as_the_c_library_writes_them(void **state)
{
    static const int64_t edges[] = {0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN,
                                    INT64_MIN + 1, INT32_MAX, INT32_MIN};
    char ours[WFSI_INTEGER_SIZE], theirs[32];
    int64_t value;
    size_t i;

    (void)state;
    for (i = 0; i < 2000; i++) {
        value = i < COUNT(edges) ? edges[i]
                                 : (int64_t)random_bits() >> random_below(64);
        snprintf(theirs, sizeof theirs, "%" PRId64, value);
        assert_int_equal(wfsi_format_integer(value, ours), strlen(theirs));
        assert_string_equal(ours, theirs);
    }
}

/* --- arrays */

static void an_array_keeps_what_is_pushed(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    uint32_t *array = NULL, i;

    (void)state;
    assert_int_equal(wfsi_array_count(array), 0);
    wfsi_array_shrink(array, 0);
    for (i = 0; i < 1000; i++) {
        assert_true(wfsi_array_reserve(&allocator, array, 1));
        wfsi_array_push(array, i * 3);
        assert_int_equal(wfsi_array_count(array), i + 1);
    }
    for (i = 0; i < 1000; i++)
        assert_int_equal(array[i], i * 3);
    wfsi_array_shrink(array, 10);
    assert_int_equal(wfsi_array_count(array), 10);
    assert_int_equal(array[9], 27);
    wfsi_array_free(&allocator, array);
    assert_null(array);
    wfsi_array_free(&allocator, array);
    sweep_expect_clean(&memory);
}

static void an_array_that_cannot_grow_stays_as_it_is(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    uint64_t *array = NULL;
    size_t i;

    (void)state;
    sweep_refuse(&memory, 1, SWEEP_FROM);
    assert_false(wfsi_array_reserve(&allocator, array, 1));
    assert_null(array);
    sweep_allow(&memory);
    for (i = 0; i < 4; i++) {
        assert_true(wfsi_array_reserve(&allocator, array, 1));
        wfsi_array_push(array, i);
    }
    sweep_refuse(&memory, 1, SWEEP_FROM);
    assert_false(wfsi_array_reserve(&allocator, array, 1000));
    assert_false(wfsi_array_reserve(&allocator, array, SIZE_MAX / 16));
    sweep_allow(&memory);
    assert_false(wfsi_array_reserve(&allocator, array, SIZE_MAX / 16));
    assert_int_equal(wfsi_array_count(array), 4);
    for (i = 0; i < 4; i++)
        assert_true(array[i] == i);
    wfsi_array_free(&allocator, array);
    sweep_expect_clean(&memory);
}

/* --- arenas */

static void an_arena_aligns_and_keeps_apart(void **state)
{
    enum { PIECES = 600 };
    static unsigned char *pieces[PIECES];
    static size_t sizes[PIECES];
    wfs_arena *arena = wfs_arena_create(NULL);
    size_t i, j;

    (void)state;
    assert_non_null(arena);
    for (i = 0; i < PIECES; i++) {
        sizes[i] = random_below(4) == 0 ? random_below(20000)
                                        : random_below(100);
        pieces[i] = (unsigned char *)wfs_arena_allocate(arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], (int)(i & 0xFF), sizes[i]);
    }
    for (i = 0; i < PIECES; i++)
        for (j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i & 0xFF);
    assert_false(wfs_arena_failed(arena));
    wfs_arena_free(arena);
}

static void no_bytes_are_no_failure(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);

    (void)state;
    assert_non_null(wfs_arena_allocate(arena, 0));
    assert_false(wfs_arena_failed(arena));
    assert_non_null(wfs_arena_allocate(arena, 1));
    assert_non_null(wfs_arena_allocate(arena, 0));
    assert_false(wfs_arena_failed(arena));
    wfs_arena_free(arena);
}

static void an_arena_refuses_what_no_machine_has(void **state)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 15,
                                   SIZE_MAX - 16, SIZE_MAX / 2,
                                   SIZE_MAX / 2 + 1, SIZE_MAX / 4 + 1};
    wfs_arena *arena = wfs_arena_create(NULL);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(sizes); i++) {
        assert_null(wfs_arena_allocate(arena, sizes[i]));
        assert_true(wfs_arena_failed(arena));
        assert_non_null(wfs_arena_allocate(arena, 100));
        assert_true(wfs_arena_failed(arena));
        wfs_arena_clear(arena);
        assert_false(wfs_arena_failed(arena));
    }
    wfs_arena_free(arena);
}

static void clearing_an_arena_keeps_its_memory(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_arena *arena = wfs_arena_create(&allocator);
    size_t round, i, after_first = 0;

    (void)state;
    assert_non_null(arena);
    for (round = 0; round < 50; round++) {
        for (i = 0; i < 300; i++)
            memset(wfs_arena_allocate(arena, i * 7), 1, i * 7);
        if (round == 0)
            after_first = memory.bytes;
        assert_int_equal(memory.bytes, after_first);
        wfs_arena_clear(arena);
    }
    wfs_arena_free(arena);
    sweep_expect_clean(&memory);
}

/* Whatever the sizes, rounds of one megabyte never need many. */
static void an_arena_does_not_grow_without_end(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_arena *arena = wfs_arena_create(&allocator);
    size_t round, size, total;

    (void)state;
    for (round = 0; round < 2000; round++) {
        for (total = 0; total < ((size_t)1 << 20); total += size) {
            size = random_below((size_t)1 << (4 + random_below(16)));
            assert_non_null(wfs_arena_allocate(arena, size));
        }
        wfs_arena_clear(arena);
    }
    assert_true(memory.bytes < ((size_t)16 << 20));
    wfs_arena_free(arena);
    sweep_expect_clean(&memory);
}

static void a_refusal_sticks_to_the_arena(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_arena *arena;

    (void)state;
    sweep_refuse(&memory, 1, SWEEP_ONCE);
    assert_null(wfs_arena_create(&allocator));
    arena = wfs_arena_create(&allocator);
    assert_non_null(arena);
    sweep_refuse(&memory, 1, SWEEP_ONCE);
    assert_null(wfs_arena_allocate(arena, 10));
    assert_true(wfs_arena_failed(arena));
    assert_non_null(wfs_arena_allocate(arena, 10));
    assert_true(wfs_arena_failed(arena));
    wfs_arena_clear(arena);
    assert_false(wfs_arena_failed(arena));
    sweep_refuse(&memory, 1, SWEEP_ONCE);
    assert_null(wfs_arena_allocate(arena, 100000));
    sweep_allow(&memory);
    assert_non_null(wfs_arena_allocate(arena, 100000));
    wfs_arena_free(arena);
    sweep_expect_clean(&memory);
}

static void nothing_is_freed_twice(void **state)
{
    wfs_allocator empty;
    wfs_arena *arena;

    (void)state;
    wfs_arena_free(NULL);
    memset(&empty, 0, sizeof empty);    /* no function: the default */
    arena = wfs_arena_create(&empty);
    assert_non_null(arena);
    assert_non_null(wfs_arena_allocate(arena, 1));
    wfs_arena_free(arena);
}

/* --- text */

static void text_in_an_arena_has_an_end(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    char *copy;

    (void)state;
    copy = wfsi_arena_text(arena, "a\0b", 3);
    assert_memory_equal(copy, "a\0b\0", 4);
    copy = wfsi_arena_text(arena, NULL, 0);
    assert_string_equal(copy, "");
    wfs_arena_free(arena);
}

static void a_buffer_holds_what_was_put_in(void **state)
{
    enum { SIZE = 20000 };
    static char expected[SIZE + 64];
    wfs_arena *arena = wfs_arena_create(NULL);
    wfsi_buffer buffer;
    size_t size = 0, piece;

    (void)state;
    wfsi_buffer_open(&buffer, arena);
    wfsi_buffer_put(&buffer, NULL, 0);
    while (size < SIZE) {
        piece = random_below(30);
        memset(expected + size, (int)('a' + random_below(26)), piece);
        wfsi_buffer_put(&buffer, expected + size, piece);
        size += piece;
    }
    assert_int_equal(buffer.size, size);
    assert_string_equal(wfsi_buffer_finish(&buffer), expected);
    assert_int_equal(buffer.size, size);
    wfsi_buffer_open(&buffer, arena);
    assert_string_equal(wfsi_buffer_finish(&buffer), "");
    wfsi_buffer_text(&buffer, "n = ");
    wfsi_buffer_integer(&buffer, INT64_MIN);
    wfsi_buffer_char(&buffer, ';');
    assert_string_equal(wfsi_buffer_finish(&buffer),
                        "n = -9223372036854775808;");
    wfs_arena_free(arena);
}

static void build_text(const wfs_allocator *allocator, sweep_memory *memory,
                       void *user)
{
    wfs_arena *arena = wfs_arena_create(allocator);
    wfsi_buffer buffer;
    const char *text;
    int i;

    (void)user;
    if (arena == NULL)
        return;
    wfsi_buffer_open(&buffer, arena);
    for (i = 0; i < 10000; i++)
        wfsi_buffer_char(&buffer, 'z');
    text = wfsi_buffer_finish(&buffer);
    assert_true((text == NULL) == (memory->refused != 0));
    assert_true(wfs_arena_failed(arena) == (memory->refused != 0));
    if (text != NULL)
        assert_int_equal(strlen(text), 10000);
    wfs_arena_free(arena);
}

static void a_buffer_that_failed_stays_so(void **state)
{
    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, build_text, NULL) > 3);
    assert_true(sweep_all(SWEEP_FROM, build_text, NULL) > 3);
}

static void absent_texts_are_equal_to_none(void **state)
{
    (void)state;
    assert_true(wfsi_text_equal("a", "a"));
    assert_false(wfsi_text_equal("a", "b"));
    assert_false(wfsi_text_equal(NULL, "a"));
    assert_false(wfsi_text_equal("a", NULL));
    assert_false(wfsi_text_equal(NULL, NULL));
    assert_true(wfsi_text_empty(NULL));
    assert_true(wfsi_text_empty(""));
    assert_false(wfsi_text_empty("a"));
}

/* --- hashing */

/* The rule in other words: words of 8 bytes, the first one the lowest. */
static uint64_t plain_word(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;

    while (size-- > 0)
        word = word << 8 | bytes[size];
    return word;
}

/* Words of 8 bytes; of the last 1 to 8, those of 4 to 7 are two halves that
 * overlap, fewer are the first, the middle and the last. */
static uint64_t plain_hash(const unsigned char *bytes, size_t size)
{
    uint64_t hash = 0, word = size;

    for (;; bytes += 8, size -= 8) {
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
        if (size <= 8)
            break;
        word = plain_word(bytes, 8);
    }
    word = 0;
    if (size == 8)
        word = plain_word(bytes, 8);
    else if (size >= 4)
        word = plain_word(bytes, 4) << 32 | plain_word(bytes + size - 4, 4);
    else if (size > 0)
        word = (uint64_t)bytes[0] << 16 | (uint64_t)bytes[size / 2] << 8 |
               bytes[size - 1];
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static void a_hash_is_the_same_on_every_platform(void **state)
{
    char bytes[40];
    size_t i, size;

    (void)state;
    assert_true(wfsi_hash_bytes(0, NULL, 0) == 0);
    assert_true(wfsi_hash_bytes(0, "abc", 3) ==
                plain_hash((const unsigned char *)"abc", 3));
    for (i = 0; i < 500; i++) {
        for (size = 0; size < sizeof bytes; size++)
            bytes[size] = (char)(unsigned char)random_bits();
        size = random_below(33);
        assert_true(wfsi_hash_bytes(0, bytes + i % 8, size) ==
                    plain_hash((const unsigned char *)bytes + i % 8, size));
    }
}

static void zeros_count_in_a_hash(void **state)
{
    static const char zeros[33];
    size_t i, j;

    (void)state;
    for (i = 0; i < sizeof zeros; i++)
        for (j = 0; j < i; j++)
            assert_true(wfsi_hash_bytes(1, zeros, i) !=
                        wfsi_hash_bytes(1, zeros, j));
}

/* Every byte counts, and no byte beyond the last. */
static void bytes_are_equal_when_each_is(void **state)
{
    char left[40], right[40];
    size_t i, size;

    (void)state;
    for (size = 0; size < 33; size++) {
        for (i = 0; i < sizeof left; i++)
            left[i] = right[i] = (char)(unsigned char)random_bits();
        right[size] = (char)~right[size];
        assert_true(wfsi_bytes_equal(left, right, size));
        for (i = 0; i < size; i++) {
            right[i] = (char)(right[i] ^ 1);
            assert_false(wfsi_bytes_equal(left, right, size));
            assert_true(wfsi_hash_bytes(0, left, size) !=
                        wfsi_hash_bytes(0, right, size));
            right[i] = left[i];
        }
    }
}

/* --- limits */

static void limits_left_at_zero_have_defaults(void **state)
{
    wfs_limits given, limits = wfsi_limits(NULL);

    (void)state;
    assert_int_equal(limits.json_depth, 512);
    assert_int_equal(limits.json_size, 64 << 20);
    assert_int_equal(limits.name_size, 8192);
    assert_int_equal(limits.batch_size, 100);
    assert_int_equal(limits.hook_rounds, 100000);
    memset(&given, 0, sizeof given);
    given.batch_size = 7;
    limits = wfsi_limits(&given);
    assert_int_equal(limits.batch_size, 7);
    assert_int_equal(limits.json_depth, 512);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_and_a_meaning),
        cmocka_unit_test(a_number_that_is_no_status_is_unknown),
        cmocka_unit_test(try_hands_every_other_status_back),
        cmocka_unit_test(the_version_is_told_once),
        cmocka_unit_test(a_message_names_its_culprits),
        cmocka_unit_test(an_error_need_not_be_kept),
        cmocka_unit_test(a_long_culprit_is_cut_between_characters),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(integers_are_written_as_the_c_library_writes_them),
        cmocka_unit_test(an_array_keeps_what_is_pushed),
        cmocka_unit_test(an_array_that_cannot_grow_stays_as_it_is),
        cmocka_unit_test(an_arena_aligns_and_keeps_apart),
        cmocka_unit_test(no_bytes_are_no_failure),
        cmocka_unit_test(an_arena_refuses_what_no_machine_has),
        cmocka_unit_test(clearing_an_arena_keeps_its_memory),
        cmocka_unit_test(an_arena_does_not_grow_without_end),
        cmocka_unit_test(a_refusal_sticks_to_the_arena),
        cmocka_unit_test(nothing_is_freed_twice),
        cmocka_unit_test(text_in_an_arena_has_an_end),
        cmocka_unit_test(a_buffer_holds_what_was_put_in),
        cmocka_unit_test(a_buffer_that_failed_stays_so),
        cmocka_unit_test(absent_texts_are_equal_to_none),
        cmocka_unit_test(a_hash_is_the_same_on_every_platform),
        cmocka_unit_test(zeros_count_in_a_hash),
        cmocka_unit_test(bytes_are_equal_when_each_is),
        cmocka_unit_test(limits_left_at_zero_have_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
