/* JSON: the parser against a second, plainer one and against the corpus of
 * JSONTestSuite; doubles against the C library; the builder, the writer,
 * comparing; and every failing allocation.
 *
 * The corpus is looked for in $WFS_JSON_CORPUS, else in
 * ../shared/conformance/json; without it the cases here remain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- helpers */

static wfs_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = wfs_arena_create(NULL);
    return arena != NULL ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wfs_arena_free(arena);
    return 0;
}

static wfs_json *parse(const char *text)
{
    wfs_error error;
    wfs_json *value = wfs_json_parse(arena, text, strlen(text), NULL, &error);

    if (value == NULL)
        fail_msg("%s: %s", text, error.message);
    return value;
}

static const char *write_out(const wfs_json *value)
{
    return wfs_json_write(arena, value, 0, NULL);
}

/* As the store keeps it: a raw value with the text that it came with. */
static const char *write_as_it_is(const wfs_json *value)
{
    wfsi_buffer buffer;

    wfsi_buffer_open(&buffer, arena);
    wfsi_json_put(&buffer, value, WFSI_AS_IT_IS);
    return wfsi_buffer_finish(&buffer);
}

static uint64_t random_bits(void)
{
    static wfs_random source = {7};

    return wfs_random_next(&source);
}

static size_t random_below(size_t bound)
{
    return (size_t)(random_bits() % bound);
}

/* An allocator that refuses once, after so many allocations, and counts the
 * bytes that are out. */
typedef struct counting {
    long until_refusal;
    size_t bytes;
} counting;

static void *counting_resize(void *pointer, size_t old_size, size_t new_size,
                             void *user)
{
    counting *counts = (counting *)user;
    void *result;

    if (new_size == 0) {
        counts->bytes -= old_size;
        free(pointer);
        return NULL;
    }
    if (counts->until_refusal-- == 0)
        return NULL;
    result = realloc(pointer, new_size);
    assert_non_null(result);
    counts->bytes += new_size - old_size;
    return result;
}

/* --- a second validator, straight from RFC 8259 */

static const char *reference_value(const char *at, int depth);

static const char *reference_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static int reference_unit(const char *at)
{
    char digits[5] = {0};

    strncpy(digits, at, 4);
    if (strspn(digits, "0123456789abcdefABCDEF") != 4)
        return -1;
    return (int)strtol(digits, NULL, 16);
}

/* Bytes of the character here, in or out of an escape; 0 when it is wrong. */
static size_t reference_character(const char *at)
{
    const unsigned char *u = (const unsigned char *)at;
    int unit;
    uint32_t code;
    size_t size, i;

    if (*u < 0x20)
        return 0;
    if (at[0] == '\\' && at[1] == 'u') {
        unit = reference_unit(at + 2);
        if (unit < 0xD800 || unit > 0xDFFF)
            return unit < 0 ? 0 : 6;
        if (unit > 0xDBFF || at[6] != '\\' || at[7] != 'u')
            return 0;
        unit = reference_unit(at + 8);
        return unit >= 0xDC00 && unit <= 0xDFFF ? 12 : 0;
    }
    if (at[0] == '\\')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    if (*u < 0x80)
        return 1;
    size = (*u & 0xE0) == 0xC0 ? 2 : (*u & 0xF0) == 0xE0 ? 3
           : (*u & 0xF8) == 0xF0 ? 4 : 0;
    if (size == 0)
        return 0;
    code = *u & (0xFFu >> (size + 1));
    for (i = 1; i < size; i++) {
        if ((u[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (u[i] & 0x3Fu);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF) ||
        code < (size == 2 ? 0x80u : size == 3 ? 0x800u : 0x10000u))
        return 0;
    return size;
}

static const char *reference_string(const char *at)
{
    size_t size;

    if (*at++ != '"')
        return NULL;
    while (*at != '"') {
        size = reference_character(at);
        if (size == 0)
            return NULL;
        at += size;
    }
    return at + 1;
}

static const char *reference_number(const char *at)
{
    const char *start = at;

    at += *at == '-';
    if (!isdigit((unsigned char)*at))
        return NULL;
    at += *at == '0' ? 1 : strspn(at, "0123456789");
    if (*at == '.') {
        if (!isdigit((unsigned char)*++at))
            return NULL;
        at += strspn(at, "0123456789");
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        if (!isdigit((unsigned char)*at))
            return NULL;
        at += strspn(at, "0123456789");
    }
    return isinf(strtod(start, NULL)) ? NULL : at;
}

static const char *reference_children(const char *at, char close, int depth)
{
    at = reference_blanks(at + 1);
    if (*at == close)
        return at + 1;
    for (;;) {
        if (close == '}') {
            at = reference_string(reference_blanks(at));
            if (at == NULL)
                return NULL;
            at = reference_blanks(at);
            if (*at++ != ':')
                return NULL;
        }
        at = reference_value(at, depth);
        if (at == NULL)
            return NULL;
        at = reference_blanks(at);
        if (*at == close)
            return at + 1;
        if (*at++ != ',')
            return NULL;
    }
}

static const char *reference_value(const char *at, int depth)
{
    at = reference_blanks(at);
    if ((*at == '{' || *at == '[') && depth == 512)
        return NULL;
    if (*at == '{')
        return reference_children(at, '}', depth + 1);
    if (*at == '[')
        return reference_children(at, ']', depth + 1);
    if (*at == '"')
        return reference_string(at);
    if (strncmp(at, "true", 4) == 0 || strncmp(at, "null", 4) == 0)
        return at + 4;
    if (strncmp(at, "false", 5) == 0)
        return at + 5;
    return reference_number(at);
}

/* text must be ended by a NUL, which is wrong everywhere in JSON. */
static bool reference_accepts(const char *text, size_t size)
{
    const char *end = reference_value(text, 0);

    return end != NULL && reference_blanks(end) == text + size;
}

/* --- accepting and refusing */

/* All that must hold of any text; returns whether it is accepted. text must
 * be ended by a NUL. */
static bool examine(const char *text, size_t size)
{
    wfs_limits limits = wfsi_limits(NULL);
    wfs_error checked, parsed;
    wfs_json *value, *raw;
    const char *written, *again;
    size_t length;
    bool valid;

    memset(&checked, 0, sizeof checked);
    memset(&parsed, 0, sizeof parsed);
    valid = wfsi_json_check(text, size, &limits, &checked);
    value = wfs_json_parse(arena, text, size, NULL, &parsed);
    if (valid != (value != NULL) || valid != reference_accepts(text, size))
        fail_msg("check %d, parse %d, reference %d: %s", valid, value != NULL,
                 !valid, text);
    if (!valid) {
        assert_int_equal(checked.code, parsed.code);
        assert_string_equal(checked.message, parsed.message);
        assert_int_equal(checked.offset, parsed.offset);
        assert_true(parsed.code == WFS_ERR_JSON ||
                    parsed.code == WFS_ERR_LIMIT);
        assert_true(parsed.offset <= size);
        assert_true(parsed.line >= 1 && parsed.column >= 1);
        return false;
    }
    written = wfs_json_write(arena, value, 0, &length);
    assert_non_null(written);
    again = write_out(wfs_json_parse(arena, written, length, NULL, NULL));
    assert_non_null(again);
    assert_string_equal(written, again);
    raw = wfsi_json_raw(arena, text, size);
    assert_int_equal(strlen(write_as_it_is(raw)), size);
    assert_string_equal(write_out(raw), written);
    assert_true(wfs_json_equal(raw, value));
    assert_true(wfs_json_equal(wfs_json_copy(arena, raw), value));
    assert_null(wfs_json_diff(arena, value, raw));
    return true;
}

typedef struct accepted_case {
    const char *text, *written;     /* NULL: the same */
} accepted_case;

static const accepted_case accepted[] = {
    {"null", NULL},
    {"true", NULL},
    {"false", NULL},
    {"0", NULL},
    {"-0", "0"},
    {"-0.0", "0"},
    {"-1", NULL},
    {"9223372036854775807", NULL},
    {"-9223372036854775808", NULL},
    {"9223372036854775808", "9223372036854776000"},
    {"-9223372036854775809", "-9223372036854776000"},
    {"1E5", "100000"},
    {"1e-7", NULL},
    {"1e+21", NULL},
    {"1.50", "1.5"},
    {"1e-400", "0"},
    {"0e999999999999999999999999", "0"},
    {"\"\"", NULL},
    {"\"a\"", NULL},
    {"\"\\u0061\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "\"a/\\b\\f\\n\\r\\t\\\"\\\\\""},
    {"\"\\u0000\\u001F\"", "\"\\u0000\\u001f\""},
    {"\"\\u00e9\\u20AC\\ud834\\udd1e\"",
     "\"\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E\""},
    {"\"\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80\x7F\"", NULL},
    {"\"a string of more than eight bytes, \\\"quoted\\\", and on\"", NULL},
    {"[]", NULL},
    {"{}", NULL},
    {" [ ] ", "[]"},
    {"\t{\r\n} ", "{}"},
    {"[1,[2,[3]],{}]", NULL},
    {" { \"a\" : [ 1 , 2 ] , \"\" : { \"b\" : null } } ",
     "{\"a\":[1,2],\"\":{\"b\":null}}"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
    {"{\"a\":1,\"\\u0061\":2}", "{\"a\":2}"},
};

static void test_accepts(void **state)
{
    const char *expected;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(accepted); i++) {
        expected = accepted[i].written != NULL ? accepted[i].written
                                               : accepted[i].text;
        assert_true(examine(accepted[i].text, strlen(accepted[i].text)));
        assert_string_equal(write_out(parse(accepted[i].text)), expected);
    }
}

typedef struct refused_case {
    const char *text;
    size_t offset, line, column;
    const char *message;
} refused_case;

static const refused_case refused[] = {
    {"", 0, 1, 1, "expected a value, found the end of the text"},
    {"  ", 2, 1, 3, "expected a value, found the end of the text"},
    {"\xEF\xBB\xBF{}", 0, 1, 1, "expected a value, found byte 0xEF"},
    {"nul", 3, 1, 4, "expected true, false or null, found the end of the text"},
    {"nulL", 3, 1, 4, "expected true, false or null, found 'L'"},
    {"truee", 4, 1, 5, "expected the end of the text, found 'e'"},
    {"1 2", 2, 1, 3, "expected the end of the text, found '2'"},
    {"NaN", 0, 1, 1, "expected a value, found 'N'"},
    {"+1", 0, 1, 1, "expected a value, found '+'"},
    {"-", 1, 1, 2, "expected a digit, found the end of the text"},
    {"-a", 1, 1, 2, "expected a digit, found 'a'"},
    {"01", 0, 1, 1, "a number must not start with 0"},
    {"-012", 1, 1, 2, "a number must not start with 0"},
    {"1.", 2, 1, 3, "expected a digit, found the end of the text"},
    {"1.e5", 2, 1, 3, "expected a digit, found 'e'"},
    {".5", 0, 1, 1, "expected a value, found '.'"},
    {"1e", 2, 1, 3, "expected a digit, found the end of the text"},
    {"[1e+]", 4, 1, 5, "expected a digit, found ']'"},
    {"[1,1e309]", 3, 1, 4, "number out of range"},
    {"-1.8e308", 1, 1, 2, "number out of range"},
    {"0x1", 1, 1, 2, "expected the end of the text, found 'x'"},
    {"\"", 1, 1, 2,
     "expected the end of the string, found the end of the text"},
    {"\"abcdefghijkl", 13, 1, 14,
     "expected the end of the string, found the end of the text"},
    {"\"a\nb\"", 2, 1, 3,
     "expected control characters of a string to be escaped, found byte 0x0A"},
    {"\"\\x\"", 2, 1, 3,
     "expected one of \"\\/bfnrtu after a backslash, found 'x'"},
    {"\"\\", 2, 1, 3, "expected one of \"\\/bfnrtu after a backslash, found "
                      "the end of the text"},
    {"\"\\u12G4\"", 1, 1, 2, "expected four hexadecimal digits after \\u"},
    {"\"\\u12", 1, 1, 2, "expected four hexadecimal digits after \\u"},
    {"\"\\ud800\"", 1, 1, 2, "lone surrogate in a string"},
    {"\"\\ud800\\n\"", 1, 1, 2, "lone surrogate in a string"},
    {"\"\\ud800\\ud800\"", 1, 1, 2, "lone surrogate in a string"},
    {"\"a\\udc00\"", 2, 1, 3, "lone surrogate in a string"},
    {"\"\xC0\x80\"", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xC0"},
    {"\"\xE0\x9F\xBF\"", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xE0"},
    {"\"\xED\xA0\x80\"", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xED"},
    {"\"\xF0\x8F\xBF\xBF\"", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xF0"},
    {"\"\xF4\x90\x80\x80\"", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xF4"},
    {"\"\xE2\x82\"", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xE2"},
    {"\"\xE2\x82", 1, 1, 2,
     "expected valid UTF-8 in a string, found byte 0xE2"},
    {"[", 1, 1, 2, "expected a value, found the end of the text"},
    {"[1", 2, 1, 3, "expected ',' or ']', found the end of the text"},
    {"[1,", 3, 1, 4, "expected a value, found the end of the text"},
    {"[1,]", 3, 1, 4, "expected a value, found ']'"},
    {"[,1]", 1, 1, 2, "expected a value, found ','"},
    {"[1}", 2, 1, 3, "expected ',' or ']', found '}'"},
    {"[1]]", 3, 1, 4, "expected the end of the text, found ']'"},
    {"{", 1, 1, 2, "expected a key or '}', found the end of the text"},
    {"{a:1}", 1, 1, 2, "expected a key or '}', found 'a'"},
    {"{\"a\"}", 4, 1, 5, "expected ':' after a key, found '}'"},
    {"{\"a\":}", 5, 1, 6, "expected a value, found '}'"},
    {"{\"a\":1]", 6, 1, 7, "expected ',' or '}', found ']'"},
    {"{\"a\":1,}", 7, 1, 8, "expected a key, found '}'"},
    {"{\"a\":1,,}", 7, 1, 8, "expected a key, found ','"},
    {"[1, // one\n2]", 4, 1, 5, "expected a value, found '/'"},
    {"{\n  \"\xC3\xA9\": 1,\n  \"\xC3\xA9\": x\n}", 21, 3, 8,
     "expected a value, found 'x'"},
};

static void test_refuses(void **state)
{
    const refused_case *c;
    char message[WFS_ERROR_MESSAGE_SIZE];
    wfs_error error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refused); i++) {
        c = &refused[i];
        assert_false(examine(c->text, strlen(c->text)));
        assert_null(wfs_json_parse(arena, c->text, strlen(c->text), NULL,
                                   &error));
        snprintf(message, sizeof message, "%s (line %d, column %d)",
                 c->message, (int)c->line, (int)c->column);
        assert_string_equal(error.message, message);
        assert_int_equal(error.code, WFS_ERR_JSON);
        assert_int_equal(error.offset, c->offset);
        assert_int_equal(error.line, c->line);
        assert_int_equal(error.column, c->column);
        assert_null(wfs_json_parse(arena, c->text, strlen(c->text), NULL,
                                   NULL));
    }
    assert_null(wfs_json_parse(arena, "[1\0]", 4, NULL, &error));
    assert_int_equal(error.offset, 2);
    assert_null(wfs_json_parse(arena, NULL, 5, NULL, &error));
    assert_int_equal(error.code, WFS_ERR_JSON);
    assert_false(wfs_arena_failed(arena));
}

/* Change text in one place or two; returns the new size, which is at most 2
 * more. */
static size_t mutate(char *text, size_t size)
{
    static const char pieces[] = "{}[]\",:\\ue+-.0123456789tfnalsr \n"
                                 "\x80\xE2\xC3\xED";
    size_t changes = 1 + random_below(2), at;

    for (; changes > 0; changes--) {
        at = random_below(size + 1);
        switch (random_below(3)) {
        case 0:
            if (at < size)
                text[at] = pieces[random_below(sizeof pieces - 1)];
            break;
        case 1:
            if (at < size)
                memmove(text + at, text + at + 1, size-- - at - 1);
            break;
        default:
            memmove(text + at + 1, text + at, size++ - at);
            text[at] = pieces[random_below(sizeof pieces - 1)];
            break;
        }
    }
    text[size] = '\0';
    return size;
}

/* Copies end where their memory does, for a sanitizer to see. */
static void examine_mutations(const char *text, size_t size, int count)
{
    char *copy, *exact;
    size_t changed;
    int i;

    for (i = 0; i < count; i++) {
        copy = (char *)malloc(size + 3);
        assert_non_null(copy);
        memcpy(copy, text, size);
        changed = mutate(copy, size);
        exact = (char *)malloc(changed + 1);
        assert_non_null(exact);
        memcpy(exact, copy, changed + 1);
        examine(exact, changed);
        free(exact);
        free(copy);
        wfs_arena_clear(arena);
    }
}

static void test_mutations(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(accepted); i++)
        examine_mutations(accepted[i].text, strlen(accepted[i].text), 600);
    for (i = 0; i < COUNT(refused); i++)
        examine_mutations(refused[i].text, strlen(refused[i].text), 250);
}

/* --- the corpus */

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long length;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    length = ftell(file);
    assert_true(length >= 0);
    rewind(file);
    *size = (size_t)length;
    text = (char *)malloc(*size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *size, file), *size);
    text[*size] = '\0';
    fclose(file);
    return text;
}

static void examine_file(const char *path, const char *name)
{
    size_t size;
    char *text = read_file(path, &size);
    bool accepts = examine(text, size);

    if ((strncmp(name, "y_", 2) == 0 && !accepts) ||
        (strncmp(name, "n_", 2) == 0 && accepts))
        fail_msg("%s: %s", name, accepts ? "accepted" : "refused");
    if (size < 2000)
        examine_mutations(text, size, 40);
    free(text);
    wfs_arena_clear(arena);
}

/* How many files were examined; 0 when there is no such directory. */
static size_t examine_directory(const char *root, const char *below)
{
    char directory[1024], path[2048];
    struct dirent *entry;
    size_t count = 0;
    DIR *open;

    snprintf(directory, sizeof directory, "%s/%s", root, below);
    open = opendir(directory);
    if (open == NULL)
        return 0;
    while ((entry = readdir(open)) != NULL) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        examine_file(path, entry->d_name);
        count++;
    }
    closedir(open);
    return count;
}

static void test_corpus(void **state)
{
    const char *root = getenv("WFS_JSON_CORPUS");
    size_t parsing, transform;

    (void)state;
    if (root == NULL)
        root = "../shared/conformance/json";
    parsing = examine_directory(root, "test_parsing");
    transform = examine_directory(root, "test_transform");
    if (parsing == 0 && transform == 0) {
        print_message("no JSON corpus in %s: only the cases inside this test "
                      "were run\n", root);
        skip();
    }
    print_message("JSON corpus: %d parsing and %d transform files\n",
                  (int)parsing, (int)transform);
    assert_true(parsing >= 300);
    assert_true(transform >= 20);
}

/* --- limits */

static char *nested(size_t depth, const char *open, const char *close)
{
    size_t opening = strlen(open), closing = strlen(close), i;
    char *text = (char *)malloc(depth * (opening + closing) + 2), *at = text;

    assert_non_null(text);
    for (i = 0; i < depth; i++, at += opening)
        memcpy(at, open, opening);
    *at++ = '1';
    for (i = 0; i < depth; i++, at += closing)
        memcpy(at, close, closing);
    *at = '\0';
    return text;
}

static void expect_limit(const char *text, const wfs_limits *limits,
                         const char *message)
{
    wfs_limits resolved = wfsi_limits(limits);
    wfs_error error;

    assert_null(wfs_json_parse(arena, text, strlen(text), limits, &error));
    assert_int_equal(error.code, WFS_ERR_LIMIT);
    assert_string_equal(error.message, message);
    error.code = WFS_OK;
    assert_false(wfsi_json_check(text, strlen(text), &resolved, &error));
    assert_int_equal(error.code, WFS_ERR_LIMIT);
    assert_string_equal(error.message, message);
}

static void test_limits(void **state)
{
    wfs_limits limits;
    char *text;

    (void)state;
    text = nested(512, "[", "]");
    parse(text);
    free(text);
    text = nested(513, "[", "]");
    expect_limit(text, NULL, "nested deeper than the limit json_depth of 512 "
                             "(line 1, column 513)");
    free(text);
    memset(&limits, 0, sizeof limits);
    limits.json_depth = 2;
    expect_limit("{\"a\":[{}]}", &limits,
                 "nested deeper than the limit json_depth of 2 "
                 "(line 1, column 7)");
    assert_non_null(wfs_json_parse(arena, "[[],[],{},[1]]", 14, &limits, NULL));
    limits.json_size = 3;
    assert_non_null(wfs_json_parse(arena, "[1]", 3, &limits, NULL));
    expect_limit("[12]", &limits,
                 "JSON text of 4 bytes, the limit json_size is 3");
}

static void examine_deep(const char *open, const char *close)
{
    const size_t depth = 100000;
    char *text = nested(depth, open, close);
    wfs_limits limits;
    wfs_json *value, *copy;
    const char *diff;

    memset(&limits, 0, sizeof limits);
    limits.json_depth = depth;
    value = wfs_json_parse(arena, text, strlen(text), &limits, NULL);
    assert_non_null(value);
    assert_string_equal(write_out(value), text);
    copy = wfs_json_copy(arena, value);
    assert_true(wfs_json_equal(value, copy));
    assert_null(wfs_json_diff(arena, value, copy));
    text[strchr(text, '1') - text] = '2';
    copy = wfs_json_parse(arena, text, strlen(text), &limits, NULL);
    assert_false(wfs_json_equal(value, copy));
    diff = wfs_json_diff(arena, value, copy);
    assert_non_null(diff);
    assert_non_null(strstr(diff, ": expected 1, actual 2"));
    assert_true(strlen(diff) > depth);
    limits.json_depth = depth - 1;
    assert_null(wfs_json_parse(arena, text, strlen(text), &limits, NULL));
    free(text);
}

static void test_deep(void **state)
{
    (void)state;
    examine_deep("[", "]");
    examine_deep("{\"a\":", "}");
    examine_deep("[0,", ",0]");
}

/* --- doubles */

static double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static const char *real_text(double value)
{
    return write_out(wfs_json_new_real(arena, value));
}

typedef struct real_case {
    double value;
    const char *text;
} real_case;

static const real_case reals[] = {
    {0.0, "0"}, {-0.0, "0"}, {1.0, "1"}, {-1.5, "-1.5"}, {0.1, "0.1"},
    {100, "100"}, {1e15, "1000000000000000"}, {1e20, "100000000000000000000"},
    {1e21, "1e+21"}, {1.5e21, "1.5e+21"}, {1e-6, "0.000001"},
    {1e-7, "1e-7"}, {1.25e-7, "1.25e-7"}, {123456789012345680000.0,
    "123456789012345680000"}, {0.001, "0.001"}, {0.000123, "0.000123"},
    {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {4.35, "4.35"}, {0.3, "0.3"}, {2.0 / 3, "0.6666666666666666"},
    {9007199254740991.0, "9007199254740991"},
    {9007199254740992.0, "9007199254740992"},
    {9007199254740994.0, "9007199254740994"},
    {18014398509481988.0, "18014398509481988"},
    {0.9999999999999999, "0.9999999999999999"}, {1e23, "1e+23"},
    {9.5367431640625e-7, "9.5367431640625e-7"},
    {5.684341886080802e-14, "5.684341886080802e-14"},
    {2e-44, "2e-44"}, {4503599627370495.5, "4503599627370495.5"},
};

/* The shortest of what printf makes that reads back; printf does not know
 * that midpoints below a power of 2 are nearer, so ours may be shorter. */
static void examine_real(double value)
{
    char text[32], digits[32], ours[32];
    const char *written = real_text(value);
    int precision, point;
    size_t count, wanted;
    char *e;

    assert_true(strtod(written, NULL) == value);
    if (value == 0)
        return;
    for (precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, fabs(value));
        if (strtod(text, NULL) == fabs(value))
            break;
    }
    e = strchr(text, 'e');
    *e = '\0';
    for (wanted = 0, e = text; *e != '\0'; e++) {
        if (*e != '.')
            digits[wanted++] = *e;
    }
    while (wanted > 1 && digits[wanted - 1] == '0')
        wanted--;
    count = wfsi_shortest_exact(fabs(value), ours, &point);
    assert_true(count <= wanted);
    if (count == wanted)
        assert_memory_equal(ours, digits, count);
    else
        assert_true((wfsi_double_bits(value) & UINT64_C(0xFFFFFFFFFFFFF)) == 0);
}

/* One word and many words come to the same digits. */
static void examine_quick(double value)
{
    char quick[32], exact[32];
    int quick_point, exact_point;
    size_t count = wfsi_shortest_quick(value, quick, &quick_point), wanted;

    wanted = wfsi_shortest_exact(value, exact, &exact_point);
    assert_int_equal(count, wanted);
    assert_memory_equal(quick, exact, count);
    assert_int_equal(quick_point, exact_point);
}

static void test_write_reals(void **state)
{
    size_t i;
    double value;
    int exponent;

    (void)state;
    for (i = 0; i < COUNT(reals); i++) {
        assert_string_equal(real_text(reals[i].value), reals[i].text);
        examine_real(reals[i].value);
    }
    for (i = 0; i < 20000; i++) {
        value = from_bits(random_bits());
        if (isfinite(value))
            examine_real(value);
        wfs_arena_clear(arena);
    }
    for (exponent = 0; exponent < 2047; exponent++) {
        examine_real(from_bits((uint64_t)exponent << 52));
        examine_real(from_bits(((uint64_t)exponent << 52) + 1));
        examine_real(from_bits(((uint64_t)exponent << 52) - (exponent != 0)));
        wfs_arena_clear(arena);
    }
    for (i = 0; i < 20000; i++) {
        value = ldexp((double)(random_bits() >> 11), -(int)random_below(63));
        if (value >= 1.0 / 1024 && value < 9007199254740992.0)
            examine_quick(value);
    }
    for (exponent = -10; exponent < 53; exponent++) {
        value = ldexp(1, exponent);
        examine_quick(value);
        examine_quick(nextafter(value, 1e300));
        if (exponent > -10)
            examine_quick(nextafter(value, 0));
    }
    assert_string_equal(real_text(from_bits(WFSI_DOUBLE_INFINITE)), "null");
    assert_string_equal(real_text(from_bits(WFSI_DOUBLE_INFINITE | 1)), "null");
}

static void examine_decimal(const char *text)
{
    double expected = strtod(text, NULL);
    wfs_json *value = wfs_json_parse(arena, text, strlen(text), NULL, NULL);
    wfsi_decimal decimal;

    if (isinf(expected)) {
        assert_null(value);
        assert_true(isinf(wfsi_parse_decimal(text, strlen(text))));
    } else {
        assert_true(wfs_json_real(value) == expected);
    }
    wfsi_decimal_read(&decimal, text, text + strlen(text));
    assert_true(wfsi_decimal_exact(&decimal) == expected);
    wfs_arena_clear(arena);
}

static size_t put_digits(char *text, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        text[i] = (char)('0' + random_below(10));
    return count;
}

/* Halfway between two doubles, or just above it. */
static void examine_halfway(void)
{
    int places = 1 + (int)random_below(40), i;
    uint64_t mantissa = random_bits() >> 10 | UINT64_C(1) << 53 | 1;
    uint64_t one = UINT64_C(1) << places, rest = mantissa & (one - 1);
    char text[1200];
    size_t size = (size_t)snprintf(text, sizeof text, "%llu.",
                                   (unsigned long long)(mantissa >> places));

    for (i = 0; i < places; i++) {
        rest *= 10;
        text[size++] = (char)('0' + (int)(rest >> places));
        rest &= one - 1;
    }
    text[size] = '\0';
    examine_decimal(text);
    memset(text + size, '0', 900);
    text[size + 900] = '\0';
    examine_decimal(text);
    strcpy(text + size + 900, "1");
    examine_decimal(text);
}

static void test_parse_reals(void **state)
{
    static const char *const texts[] = {
        "0.0", "1.0", "2.5", "1e22", "1e23", "9007199254740993.0",
        "8.5e22", "179769313486231580793728971405303415079934132710037826936173"
        "778980444968292764750946649017977587207096330286416692887910946555547"
        "851940402630657488671505820681908902000708383676273854845817711531764"
        "475730270069855571366959622842914819860834936475292719074168444365510"
        "704342711559699508093042880.0",
        "1.7976931348623157e308", "1.7976931348623158e308",
        "1.7976931348623159e308", "4.9e-324", "2.4703282292062327e-324",
        "2.4703282292062328e-324", "2.2250738585072011e-308",
        "2.2250738585072012e-308", "0.000000000000000000000000000000000001",
        "1e-1000", "1e1000", "123e-400", "100000000000000000000000000e-20",
        "0.1e1", "1.000000000000000111022302462515654042363166809082031250"};
    char text[1200];
    double value;
    size_t i, size;

    (void)state;
    for (i = 0; i < COUNT(texts); i++)
        examine_decimal(texts[i]);
    for (i = 0; i < 15000; i++) {
        value = fabs(from_bits(random_bits()));
        if (isfinite(value)) {
            snprintf(text, sizeof text, "%.17e", value);
            examine_decimal(text);
        }
        size = (size_t)snprintf(text, sizeof text, "1");
        size += put_digits(text + size, random_below(20));
        text[size++] = '.';
        size += put_digits(text + size, 1 + random_below(20));
        snprintf(text + size, 20, "e%d", (int)random_below(700) - 350);
        examine_decimal(text);
        text[size] = '\0';
        examine_decimal(text);
    }
    for (i = 0; i < 1500; i++)
        examine_halfway();
}

static void test_one_word_division(void **state)
{
    wfsi_decimal decimal;
    char text[64];
    uint64_t mantissa;
    int64_t places;
    size_t i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        mantissa = 1 + (random_bits() >> random_below(50)) %
                           UINT64_C(999999999999999999);
        places = 1 + (int64_t)random_below(27);
        snprintf(text, sizeof text, "%llue-%d", (unsigned long long)mantissa,
                 (int)places);
        wfsi_decimal_read(&decimal, text, text + strlen(text));
        assert_true(wfsi_decimal_fraction(mantissa, places) ==
                    wfsi_decimal_exact(&decimal));
        assert_true(wfsi_decimal_fraction(mantissa, places) ==
                    strtod(text, NULL));
    }
}

static void test_number_types(void **state)
{
    (void)state;
    assert_int_equal(wfs_json_type_of(parse("12")), WFS_JSON_INTEGER);
    assert_int_equal(wfs_json_type_of(parse("-0")), WFS_JSON_INTEGER);
    assert_int_equal(wfs_json_type_of(parse("12.0")), WFS_JSON_REAL);
    assert_int_equal(wfs_json_type_of(parse("1e2")), WFS_JSON_REAL);
    assert_int_equal(wfs_json_type_of(parse("-0.0")), WFS_JSON_REAL);
    assert_int_equal(wfs_json_type_of(parse("9223372036854775808")),
                     WFS_JSON_REAL);
    assert_true(wfs_json_integer(parse("-9223372036854775808")) == INT64_MIN);
    assert_true(wfs_json_integer(parse("9223372036854775807")) == INT64_MAX);
    assert_true(wfs_json_integer(parse("1e300")) == INT64_MAX);
    assert_true(wfs_json_integer(parse("-1e300")) == INT64_MIN);
    assert_true(wfs_json_integer(parse("9223372036854775808")) == INT64_MAX);
    assert_int_equal(wfs_json_integer(parse("-2.9")), -2);
    assert_int_equal(wfs_json_integer(parse("2.9")), 2);
    assert_true(wfs_json_real(parse("-7")) == -7.0);
    assert_true(signbit(wfs_json_real(parse("-0.0"))));
}

/* --- reading */

static void expect_nothing(const wfs_json *value)
{
    size_t size = 9;

    assert_false(wfs_json_bool(value));
    assert_int_equal(wfs_json_integer(value), 0);
    assert_true(wfs_json_real(value) == 0.0);
    assert_null(wfs_json_string(value, &size));
    assert_int_equal(size, 0);
    assert_int_equal(wfs_json_count(value), 0);
    assert_null(wfs_json_at(value, 0));
    size = 9;
    assert_null(wfs_json_key_at(value, 0, &size));
    assert_int_equal(size, 0);
    assert_null(wfs_json_get(value, "a"));
    assert_null(wfs_json_get_n(value, "a", 1));
}

static void test_readers(void **state)
{
    wfs_json *value = parse("{\"a\":[1,true],\"n\\u0000ul\":\"x\\u0000y\"}");
    size_t size;

    (void)state;
    expect_nothing(NULL);
    assert_int_equal(wfs_json_type_of(NULL), WFS_JSON_NULL);
    assert_null(wfs_json_path(NULL, "a"));
    expect_nothing(parse("null"));
    expect_nothing(parse("[]"));
    expect_nothing(parse("{}"));
    assert_int_equal(wfs_json_count(value), 2);
    assert_int_equal(wfs_json_count(wfs_json_get(value, "a")), 2);
    assert_true(wfs_json_bool(wfs_json_at(wfs_json_at(value, 0), 1)));
    assert_null(wfs_json_at(value, 2));
    assert_null(wfs_json_get(value, "n"));
    assert_null(wfs_json_get(value, NULL));
    assert_memory_equal(wfs_json_key_at(value, 1, &size), "n\0ul", 5);
    assert_int_equal(size, 4);
    assert_memory_equal(wfs_json_string(wfs_json_get_n(value, "n\0ul", 4),
                                        &size), "x\0y", 4);
    assert_int_equal(size, 3);
    assert_string_equal(wfs_json_string(parse("\"t\""), NULL), "t");
    assert_string_equal(wfs_json_key_at(value, 0, NULL), "a");
}

static void test_path(void **state)
{
    static const char *const found[][2] = {
        {"", "{\"a\":{\"b\":[10,{\"c\":\"x\"},[7]],\"\":5},\"0\":6,"
             "\"list\":[1]}"},
        {"a.b[0]", "10"}, {"a.b.0", "10"}, {"a.b[1].c", "\"x\""},
        {"a.b.1.c", "\"x\""}, {"a.b[2][0]", "7"}, {"a.", "5"}, {"0", "6"},
        {"list[0]", "1"}};
    static const char *const missing[] = {
        "b", "a.c", "a.b[3]", "a.b[-1]", "a.b[x]", "a.b[0", "a.b[]", "a.b[0]c",
        "[0]", "a[b]", ".", "a.b[0].c", "a.b[99999999999999999999]", "a..b"};
    const wfs_json *value = parse(found[0][1]);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(found); i++)
        assert_string_equal(write_out(wfs_json_path(value, found[i][0])),
                            found[i][1]);
    for (i = 0; i < COUNT(missing); i++)
        assert_null(wfs_json_path(value, missing[i]));
    assert_null(wfs_json_path(value, NULL));
    assert_string_equal(write_out(wfs_json_path(parse("[[1,2]]"), "[0][1]")),
                        "2");
}

/* --- building and writing */

static void test_builder(void **state)
{
    wfs_json *object = wfs_json_new_object(arena);
    wfs_json *array = wfs_json_new_array(arena);

    (void)state;
    assert_ptr_equal(wfs_json_append(arena, array, NULL), array);
    wfs_json_append(arena, array, wfs_json_new_bool(arena, true));
    wfs_json_append(arena, array, wfs_json_new_integer(arena, INT64_MIN));
    wfs_json_append(arena, array, wfs_json_new_real(arena, 2.5));
    wfs_json_append(arena, array, wfs_json_new_string(arena, "s"));
    wfs_json_append(arena, array, wfs_json_new_string(arena, NULL));
    assert_ptr_equal(wfs_json_set(arena, object, "list", array), object);
    wfs_json_set(arena, object, "x", wfs_json_new_null(arena));
    wfs_json_set(arena, object, "x", NULL);
    wfs_json_set(arena, object, "list", wfs_json_new_integer(arena, 1));
    wfs_json_set_n(arena, object, "n\0n", 3, array);
    assert_string_equal(write_out(object),
                        "{\"list\":1,\"x\":null,\"n\\u0000n\":[null,true,"
                        "-9223372036854775808,2.5,\"s\",null]}");
    assert_null(wfs_json_append(arena, NULL, array));
    assert_null(wfs_json_append(arena, object, array));
    assert_null(wfs_json_append(arena, array, array));
    assert_null(wfs_json_set(arena, NULL, "a", array));
    assert_null(wfs_json_set(arena, array, "a", array));
    assert_null(wfs_json_set(arena, object, NULL, array));
    assert_null(wfs_json_set(arena, object, "a", object));
    assert_int_equal(wfs_json_count(object), 3);
}

static void test_builder_goes_on_after_parsing(void **state)
{
    wfs_json *object = parse("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}");
    wfs_json *array = parse("[1,2,3]");
    wfs_json *empty = parse("{\"a\":1,\"a\":2}");

    (void)state;
    wfs_json_set(arena, object, "f", parse("6"));
    wfs_json_set(arena, object, "b", parse("7"));
    assert_string_equal(write_out(object), "{\"a\":1,\"b\":7,\"c\":3,\"d\":4,"
                                           "\"e\":5,\"f\":6}");
    wfs_json_append(arena, array, parse("4"));
    assert_string_equal(write_out(array), "[1,2,3,4]");
    wfs_json_set(arena, empty, "b", NULL);
    wfs_json_set(arena, empty, "c", NULL);
    assert_string_equal(write_out(empty), "{\"a\":2,\"b\":null,\"c\":null}");
    array = parse("[]");
    wfs_json_append(arena, array, parse("1"));
    assert_string_equal(write_out(array), "[1]");
}

static void test_invalid_utf8_is_replaced(void **state)
{
    static const char *const texts[][2] = {
        {"a\x80z", "\"a\xEF\xBF\xBDz\""},
        {"\xE2\x82", "\"\xEF\xBF\xBD\""},
        {"\xE2\x82\xAC\xFF\xFE", "\"\xE2\x82\xAC\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xF0\x9F\x98z", "\"\xEF\xBF\xBDz\""}};
    wfs_json *object = wfs_json_new_object(arena);
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(texts); i++)
        assert_string_equal(write_out(wfs_json_new_string(arena, texts[i][0])),
                            texts[i][1]);
    wfs_json_set(arena, object, "k\x80", NULL);
    wfs_json_set(arena, object, "k\x81", parse("2"));
    assert_string_equal(write_out(object), "{\"k\xEF\xBF\xBD\":2}");
}

static void test_indent(void **state)
{
    const wfs_json *value = parse("{\"a\":[1,{\"b\":[]}],\"c\":{},"
                                  "\"d\":\"x\"}");
    wfs_json *raw = wfsi_json_raw(arena, "{ \"a\" : 1 }", 11);

    (void)state;
    assert_string_equal(wfs_json_write(arena, value, 2, NULL),
                        "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n"
                        "    }\n  ],\n  \"c\": {},\n  \"d\": \"x\"\n}");
    assert_string_equal(wfs_json_write(arena, value, -1, NULL),
                        wfs_json_write(arena, value, 0, NULL));
    assert_string_equal(wfs_json_write(arena, NULL, 4, NULL), "null");
    assert_string_equal(write_as_it_is(raw), "{ \"a\" : 1 }");
    assert_string_equal(write_out(raw), "{\"a\":1}");
    assert_string_equal(wfs_json_write(arena, raw, 1, NULL),
                        "{\n \"a\": 1\n}");
    assert_string_equal(write_out(raw), "{\"a\":1}");
}

static void test_raw(void **state)
{
    wfs_json *object = wfs_json_new_object(arena), *raw, *copy;

    (void)state;
    assert_null(wfsi_json_raw(arena, NULL, 5));
    assert_null(wfsi_json_raw(arena, "", 0));
    raw = wfsi_json_raw(arena, " [1, \"two\"] ", 12);
    wfs_json_set(arena, object, "raw", raw);
    copy = wfs_json_copy(arena, object);
    assert_string_equal(write_as_it_is(copy), "{\"raw\": [1, \"two\"] }");
    assert_string_equal(write_out(copy), "{\"raw\":[1,\"two\"]}");
    assert_int_equal(wfs_json_type_of(raw), WFS_JSON_ARRAY);
    assert_string_equal(write_out(object), "{\"raw\":[1,\"two\"]}");
    assert_string_equal(write_as_it_is(copy), "{\"raw\": [1, \"two\"] }");
    assert_string_equal(write_out(copy), "{\"raw\":[1,\"two\"]}");
    assert_true(wfs_json_equal(object, copy));
    raw = wfsi_json_raw(arena, "{}", 2);
    wfs_json_set(arena, raw, "a", NULL);
    assert_string_equal(write_out(raw), "{\"a\":null}");
}

static void test_put_string(void **state)
{
    wfsi_buffer buffer;

    (void)state;
    wfsi_buffer_open(&buffer, arena);
    wfsi_json_put_string(&buffer, "", 0);
    wfsi_json_put_string(&buffer, "plain and longer than a word", 28);
    wfsi_json_put_string(&buffer, "\"\xC3\xA9\n\x01\x7F end", 10);
    assert_string_equal(wfsi_buffer_finish(&buffer),
                        "\"\"\"plain and longer than a word\""
                        "\"\\\"\xC3\xA9\\n\\u0001\x7F end\"");
}

/* --- comparing */

static void test_equal(void **state)
{
    static const char *const equal[][2] = {
        {"1", "1.0"}, {"1e2", "100"}, {"0", "-0.0"}, {"[1,2]", " [ 1.0, 2 ]"},
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"a\":1}"},
        {"9223372036854775808", "9223372036854775808.0"},
        {"\"\\u0061\"", "\"a\""}};
    static const char *const different[][2] = {
        {"1", "true"}, {"1", "\"1\""}, {"null", "false"}, {"[]", "{}"},
        {"[1]", "[1,1]"}, {"[1,2]", "[2,1]"}, {"{\"a\":1}", "{\"b\":1}"},
        {"{\"a\":null}", "{}"}, {"{\"a\":1}", "{\"a\":1,\"b\":1}"},
        {"9223372036854775807", "9223372036854775808"},
        {"9007199254740993", "9007199254740992.0"},
        {"-9223372036854775808", "-1e300"}, {"\"a\"", "\"b\""},
        {"\"a\"", "\"a\\u0000\""}, {"1", "1.5"}, {"true", "false"}};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(equal); i++) {
        assert_true(wfs_json_equal(parse(equal[i][0]), parse(equal[i][1])));
        assert_true(wfs_json_equal(parse(equal[i][1]), parse(equal[i][0])));
        assert_null(wfs_json_diff(arena, parse(equal[i][0]),
                                  parse(equal[i][1])));
    }
    for (i = 0; i < COUNT(different); i++) {
        assert_false(wfs_json_equal(parse(different[i][0]),
                                    parse(different[i][1])));
        assert_false(wfs_json_equal(parse(different[i][1]),
                                    parse(different[i][0])));
        assert_non_null(wfs_json_diff(arena, parse(different[i][0]),
                                      parse(different[i][1])));
    }
    assert_true(wfs_json_equal(NULL, NULL));
    assert_true(wfs_json_equal(NULL, parse("null")));
    assert_false(wfs_json_equal(parse("[]"), NULL));
}

static void test_diff(void **state)
{
    static const char *const cases[][3] = {
        {"1", "2", "expected 1, actual 2"},
        {"{\"items\":[1,2,{\"price\":3}]}",
         "{\"items\":[1,2,{\"price\":\"x\"}]}",
         "items[2].price: expected 3, actual \"x\""},
        {"{\"a\":1,\"b\":[2]}", "{\"a\":1}",
         "b: expected [2], but it is missing"},
        {"{\"a\":1}", "{\"b\":{\"c\":2},\"a\":1}",
         "b: not expected, actual {\"c\":2}"},
        {"[1,[2,3]]", "[1,[2]]", "[1][1]: expected 3, but it is missing"},
        {"[1]", "[1,null,3]", "[1]: not expected, actual null"},
        {"{\"two words\":{\"x\":1}}", "{\"two words\":{\"x\":[]}}",
         "[\"two words\"].x: expected 1, actual []"},
        {"{\"\":1}", "{\"\":2}", "[\"\"]: expected 1, actual 2"},
        {"{\"a\":{\"b\":1},\"c\":1}", "{\"a\":{\"b\":2},\"c\":2}",
         "a.b: expected 1, actual 2"},
        {"\"0123456789012345678901234567890123456789012345678901234567890123456"
         "789012345678901234567890123456789012345678901234567890123456789\"",
         "null",
         "expected \"0123456789012345678901234567890123456789012345678901234567"
         "8901234567890123456789012345678901234567890123456789012345678..., "
         "actual null"}};
    const char *diff;
    char text[200];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        assert_string_equal(wfs_json_diff(arena, parse(cases[i][0]),
                                          parse(cases[i][1])), cases[i][2]);
    assert_string_equal(wfs_json_diff(arena, NULL, parse("1")),
                        "expected null, actual 1");
    for (i = 0; i < 130; i++)   /* characters of two bytes: one is at the cut */
        text[i] = (char)(i % 2 == 0 ? 0xC3 : 0xA9);
    text[130] = '\0';
    diff = wfs_json_diff(arena, wfs_json_new_string(arena, text), NULL);
    assert_string_equal(diff + strlen("expected ") + 119, "..., actual null");
}

/* --- large objects: these take minutes when something is quadratic */

#define LARGE 100000

static wfs_json *large_object(bool backwards)
{
    wfs_json *object = wfs_json_new_object(arena);
    char key[32];
    int i, number;

    for (i = 0; i < LARGE; i++) {
        number = backwards ? LARGE - 1 - i : i;
        snprintf(key, sizeof key, "key %d", number);
        assert_non_null(wfs_json_set(arena, object, key,
                                     wfs_json_new_integer(arena, number)));
    }
    return object;
}

static void expect_members(const wfs_json *object)
{
    char key[32];
    int i;

    assert_int_equal(wfs_json_count(object), LARGE);
    for (i = 0; i < LARGE; i++) {
        snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(wfs_json_integer(wfs_json_get(object, key)), i);
    }
    assert_null(wfs_json_get(object, "key -1"));
}

static void test_large_objects(void **state)
{
    wfs_json *forwards = large_object(false), *backwards = large_object(true);
    wfs_json *parsed, *twice;
    const char *text;
    char *doubled;
    size_t size;

    (void)state;
    expect_members(forwards);
    assert_true(wfs_json_equal(forwards, backwards));
    assert_null(wfs_json_diff(arena, forwards, backwards));
    text = wfs_json_write(arena, forwards, 0, &size);
    parsed = wfs_json_parse(arena, text, size, NULL, NULL);
    expect_members(parsed);
    expect_members(wfs_json_copy(arena, parsed));
    assert_true(wfs_json_equal(parsed, backwards));
    doubled = (char *)malloc(size * 2);
    assert_non_null(doubled);
    memcpy(doubled, text, size);
    memcpy(doubled + size - 1, text, size);
    doubled[size - 1] = ',';
    twice = wfs_json_parse(arena, doubled, size * 2 - 1, NULL, NULL);
    free(doubled);
    expect_members(twice);
    assert_string_equal(write_out(twice), text);
    wfs_json_set(arena, twice, "key 99999", NULL);
    wfs_json_set(arena, twice, "key 100000", NULL);
    assert_int_equal(wfs_json_count(twice), LARGE + 1);
    assert_string_equal(wfs_json_diff(arena, parsed, twice),
                        "[\"key 99999\"]: expected 99999, actual null");
}

/* Around the size from which an object has an index. */
static void test_object_sizes(void **state)
{
    wfs_json *object, *parsed;
    char key[16];
    int size, i;

    (void)state;
    for (size = 0; size < 70; size++) {
        object = wfs_json_new_object(arena);
        for (i = 0; i < size; i++) {
            snprintf(key, sizeof key, "k%d", i);
            wfs_json_set(arena, object, key, wfs_json_new_integer(arena, i));
        }
        parsed = parse(write_out(object));
        assert_true(wfs_json_equal(object, parsed));
        wfs_json_set(arena, parsed, "more", NULL);
        wfs_json_set(arena, parsed, "k0", NULL);
        assert_int_equal(wfs_json_count(parsed), size + (size > 0 ? 1 : 2));
        for (i = 1; i < size; i++) {
            snprintf(key, sizeof key, "k%d", i);
            assert_int_equal(wfs_json_integer(wfs_json_get(parsed, key)), i);
        }
        assert_non_null(wfs_json_get(parsed, "more"));
    }
}

static void test_long_array(void **state)
{
    wfs_json *array = wfs_json_new_array(arena);
    int i;

    (void)state;
    for (i = 0; i < LARGE; i++)
        wfs_json_append(arena, array, wfs_json_new_integer(arena, i));
    for (i = 0; i < LARGE; i += 997)
        assert_int_equal(wfs_json_integer(wfs_json_at(array, (size_t)i)), i);
    assert_true(wfs_json_equal(array, parse(write_out(array))));
}

/* --- without memory */

static const char *const hungry =
    "{\"a\":[1,2.5,\"three\",null,[[[[[[[[[[[[[[[[[[true]]]]]]]]]]]]]]]]]]],"
    "\"k1\":1,\"k2\":1,\"k3\":1,\"k4\":1,\"k5\":1,\"k6\":1,\"k7\":1,\"k8\":1,"
    "\"k9\":1,\"k10\":1,\"k11\":1,\"k12\":1,\"k13\":1,\"k14\":1,\"k15\":1,"
    "\"k16\":1,\"k17\":1,\"k18\":\"escaped \\n\"}";

/* An array of that text many times: more than a block of an arena. */
static char *hungry_text(void)
{
    size_t size = strlen(hungry), i;
    char *text = (char *)malloc(100 * (size + 1) + 2);

    assert_non_null(text);
    text[0] = '[';
    for (i = 0; i < 100; i++) {
        memcpy(text + 1 + i * (size + 1), hungry, size);
        text[(i + 1) * (size + 1)] = ',';
    }
    strcpy(text + 100 * (size + 1), "]");
    return text;
}

/* Each returns whether it succeeded; value was made in another arena. */
typedef bool (*hungry_function)(wfs_arena *poor, const wfs_json *value,
                                const char *text);

static bool hungry_parse(wfs_arena *poor, const wfs_json *value,
                         const char *text)
{
    wfs_error error;
    wfs_json *parsed = wfs_json_parse(poor, text, strlen(text), NULL, &error);

    if (parsed == NULL) {
        assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
        return false;
    }
    assert_true(wfs_json_equal(parsed, value));
    return true;
}

static bool hungry_write(wfs_arena *poor, const wfs_json *value,
                         const char *text)
{
    size_t size = 1;
    const char *written = wfs_json_write(poor, value, 0, &size);

    if (written == NULL) {
        assert_int_equal(size, 0);
        return false;
    }
    assert_string_equal(written, text);
    return true;
}

static bool hungry_copy(wfs_arena *poor, const wfs_json *value,
                        const char *text)
{
    wfs_json *copy = wfs_json_copy(poor, value);

    (void)text;
    if (copy == NULL)
        return false;
    assert_true(wfs_json_equal(copy, value));
    return true;
}

static bool hungry_diff(wfs_arena *poor, const wfs_json *value,
                        const char *text)
{
    const char *diff = wfs_json_diff(poor, value, NULL);

    (void)text;
    if (diff == NULL)
        return false;
    assert_non_null(strstr(diff, "..., actual null"));
    return true;
}

static bool hungry_raw(wfs_arena *poor, const wfs_json *value,
                       const char *text)
{
    wfs_json *raw = wfsi_json_raw(poor, text, strlen(text));
    const char *written;

    if (raw == NULL)
        return false;
    if (wfs_json_count(raw) == 0) {
        assert_true(wfs_arena_failed(poor));
        return false;
    }
    assert_true(wfs_json_equal(raw, value));
    written = wfs_json_write(poor, raw, 2, NULL);
    return written != NULL;
}

static bool hungry_build(wfs_arena *poor, const wfs_json *value,
                         const char *text)
{
    wfs_json *object = wfs_json_new_object(poor), *array;
    char key[16];
    int i;

    (void)value;
    (void)text;
    array = wfs_json_new_array(poor);
    for (i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i);
        array = wfs_json_append(poor, array, wfs_json_new_string(poor, key));
        object = wfs_json_set(poor, object, key,
                              wfs_json_new_integer(poor, i));
    }
    object = wfs_json_set(poor, object, "array", array);
    if (object == NULL || array == NULL)
        return false;
    assert_int_equal(wfs_json_count(object), 301);
    assert_int_equal(wfs_json_count(array), 300);
    assert_int_equal(wfs_json_integer(wfs_json_get(object, "k299")), 299);
    return true;
}

static void fail_each_allocation(hungry_function function,
                                 const wfs_json *value, const char *text)
{
    counting counts;
    wfs_allocator allocator;
    wfs_arena *poor;
    bool succeeded = false;
    long refusal;

    allocator.resize = counting_resize;
    allocator.user = &counts;
    for (refusal = 1; !succeeded; refusal++) {
        counts.bytes = 0;
        counts.until_refusal = refusal;
        poor = wfs_arena_create(&allocator);
        assert_non_null(poor);
        succeeded = function(poor, value, text);
        assert_true(succeeded == (counts.until_refusal >= 0));
        if (!succeeded)
            assert_true(wfs_arena_failed(poor));
        wfs_arena_clear(poor);      /* memory is back: it works again */
        counts.until_refusal = -1;
        assert_true(function(poor, value, text));
        wfs_arena_free(poor);
        assert_int_equal(counts.bytes, 0);
        assert_true(refusal < 1000);
    }
    assert_true(refusal > 3);       /* something was refused */
}

static void test_no_memory(void **state)
{
    char *text = hungry_text();
    const wfs_json *value = parse(text);
    const char *compact = write_out(value);

    (void)state;
    fail_each_allocation(hungry_parse, value, compact);
    fail_each_allocation(hungry_write, value, compact);
    fail_each_allocation(hungry_copy, value, compact);
    fail_each_allocation(hungry_diff, value, compact);
    fail_each_allocation(hungry_raw, value, compact);
    fail_each_allocation(hungry_build, value, compact);
    free(text);
}

int main(void)
{
#define TEST(function)                                                        \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_accepts),
        TEST(test_refuses),
        TEST(test_mutations),
        TEST(test_corpus),
        TEST(test_limits),
        TEST(test_deep),
        TEST(test_write_reals),
        TEST(test_parse_reals),
        TEST(test_one_word_division),
        TEST(test_number_types),
        TEST(test_readers),
        TEST(test_path),
        TEST(test_builder),
        TEST(test_builder_goes_on_after_parsing),
        TEST(test_invalid_utf8_is_replaced),
        TEST(test_indent),
        TEST(test_raw),
        TEST(test_put_string),
        TEST(test_equal),
        TEST(test_diff),
        TEST(test_large_objects),
        TEST(test_object_sizes),
        TEST(test_long_array),
        TEST(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
