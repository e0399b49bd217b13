/* The shape of wfscenario.h itself: its table of contents and its banners, its
 * four parts, its layers, its licence. Run from the top of the repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_SECTIONS 64
#define BANNER "/* -----------------------------------" \
               "-------------------------------------"
#define PART "/* =====================================" \
             "==================================="

/* The file, cut into lines. */
static char *text;
static char **lines;
static size_t line_count;

typedef struct section {
    char tag[32];           /* "base-api" */
    char visibility[16];    /* "public" */
    char title[80];
    size_t line;            /* of the tag, from 0 */
} section;

/* What the table of contents says, and what the banners say. */
static section contents[MAX_SECTIONS], banners[MAX_SECTIONS];
static size_t content_count, banner_count;

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes;
    long size;

    if (file == NULL)
        fail_msg("cannot open %s; run this from the top", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    bytes = (char *)malloc((size_t)size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), (size_t)size);
    bytes[size] = '\0';
    fclose(file);
    return bytes;
}

static void split_lines(void)
{
    char *at;

    for (at = text; *at != '\0'; at++)
        line_count += *at == '\n';
    lines = (char **)malloc((line_count + 1) * sizeof *lines);
    assert_non_null(lines);
    line_count = 0;
    for (at = text; at != NULL && *at != '\0';) {
        lines[line_count++] = at;
        at = strchr(at, '\n');
        if (at != NULL)
            *at++ = '\0';
    }
}

static bool starts_with(const char *line, const char *start)
{
    return strncmp(line, start, strlen(start)) == 0;
}

/* "   >>tag  visibility  title" in the contents, " >>tag  visibility: title" in
 * a banner. */
static void parse_section(section *found, size_t line, const char *separator)
{
    char visibility[17] = "";
    size_t size;

    found->line = line;
    if (sscanf(strstr(lines[line], ">>") + 2, "%31s %16s %79[^\n]", found->tag,
               visibility, found->title) != 3)
        fail_msg("line %u: no tag, visibility and title",
                 (unsigned)line + 1);
    size = strlen(visibility) - strlen(separator);
    if (strcmp(visibility + size, separator) != 0)
        fail_msg("line %u: '%s' is not followed by '%s'", (unsigned)line + 1,
                 visibility, separator);
    memcpy(found->visibility, visibility, size);
    found->visibility[size] = '\0';
}

static int load(void **state)
{
    size_t i;

    (void)state;
    text = read_file("wfscenario.h");
    split_lines();
    for (i = 1; i < line_count; i++) {
        if (starts_with(lines[i], " *   >>")) {
            assert_true(content_count < MAX_SECTIONS);
            parse_section(&contents[content_count++], i, "");
        } else if (strcmp(lines[i - 1], BANNER) == 0) {
            if (!starts_with(lines[i], " * >>"))
                fail_msg("line %u: a rule without a tag", (unsigned)i + 1);
            assert_true(banner_count < MAX_SECTIONS);
            parse_section(&banners[banner_count++], i, ":");
        }
    }
    return 0;
}

static int unload(void **state)
{
    (void)state;
    free(lines);
    free(text);
    return 0;
}

static void contents_and_banners_agree(void **state)
{
    size_t i;

    (void)state;
    assert_true(banner_count > 10);
    for (i = 0; i < content_count && i < banner_count; i++) {
        assert_string_equal(contents[i].tag, banners[i].tag);
        assert_string_equal(contents[i].visibility, banners[i].visibility);
        assert_string_equal(contents[i].title, banners[i].title);
    }
    assert_int_equal(content_count, banner_count);
}

static void each_tag_stands_once(void **state)
{
    size_t i, j;

    (void)state;
    for (i = 0; i < banner_count; i++)
        for (j = i + 1; j < banner_count; j++)
            assert_string_not_equal(banners[i].tag, banners[j].tag);
}

static void public_sections_are_named_api(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < banner_count; i++) {
        const section *banner = &banners[i];
        size_t size = strlen(banner->tag);

        if (size > 4 && strcmp(banner->tag + size - 4, "-api") == 0)
            assert_string_equal(banner->visibility, "public");
        else
            assert_string_equal(banner->visibility, "private");
    }
}

/* Whatever looks like a section's rule is one: rule, tag, ..., end. */
static void banners_have_one_grammar(void **state)
{
    size_t i, rules = 0;

    (void)state;
    for (i = 0; i < line_count; i++)
        rules += starts_with(lines[i], "/* ----------");
    assert_int_equal(rules, banner_count);
}

static void four_parts_in_order(void **state)
{
    static const char *const parts[] = {" * MANUAL", " * PUBLIC API",
                                        " * IMPLEMENTATION", " * LICENCE"};
    size_t i, part = 0;

    (void)state;
    for (i = 0; i < line_count; i++) {
        if (!starts_with(lines[i], "/* ====="))
            continue;
        assert_string_equal(lines[i], PART);
        assert_true(part < 4);
        assert_string_equal(lines[i + 1], parts[part]);
        part++;
    }
    assert_int_equal(part, 4);
}

static void lines_are_short_and_clean(void **state)
{
    size_t i, size;

    (void)state;
    for (i = 0; i < line_count; i++) {
        size = strlen(lines[i]);
        if (size > 80)
            fail_msg("line %u has %u columns", (unsigned)i + 1, (unsigned)size);
        if (strchr(lines[i], '\t') != NULL || strchr(lines[i], '\r') != NULL)
            fail_msg("line %u has a tab or a carriage return", (unsigned)i + 1);
        if (size > 0 && lines[i][size - 1] == ' ')
            fail_msg("line %u ends with a blank", (unsigned)i + 1);
    }
}

/* The section that a line lies in; banner_count before the first. */
static size_t section_of(size_t line)
{
    size_t i;

    for (i = 0; i < banner_count; i++)
        if (banners[i].line > line)
            break;
    return i == 0 ? banner_count : i - 1;
}

/* The function that a line at column 0 starts to declare or define, such as
 * "static int wfsi_f(" or "wfs_status wfs_g("; "" if it does not. */
static void function_name(const char *line, char *name, size_t capacity)
{
    const char *parenthesis = strchr(line, '('), *start;
    size_t size;

    name[0] = '\0';
    if (parenthesis == NULL || line[0] == ' ' || line[0] == '#' ||
        line[0] == '/' || line[0] == '}' || starts_with(line, "typedef"))
        return;
    start = parenthesis;
    while (start > line && (start[-1] == '_' ||
                            (start[-1] >= 'a' && start[-1] <= 'z') ||
                            (start[-1] >= '0' && start[-1] <= '9')))
        start--;
    size = (size_t)(parenthesis - start);
    if (start == line || size >= capacity || !starts_with(start, "wfs"))
        return;
    memcpy(name, start, size);
    name[size] = '\0';
}

/* Whether the declarator that starts on a line ends in ';', not in a body. */
static bool is_declaration(size_t line)
{
    for (; line < line_count; line++) {
        const char *end = lines[line] + strcspn(lines[line], ";{");

        if (*end != '\0')
            return *end == ';';
    }
    return false;
}

/* The line, from `line` on, where a function's definition begins, or
 * line_count. */
static size_t find_definition(const char *name, size_t line)
{
    char other[128];

    for (; line < line_count; line++) {
        function_name(lines[line], other, sizeof other);
        if (strcmp(name, other) == 0 && !is_declaration(line))
            return line;
    }
    return line_count;
}

/* C wants a function declared before its use. So a section can only call one
 * further down through a declaration of it: there must be none. */
static void no_section_calls_a_later_one(void **state)
{
    char name[128];
    size_t i, definition, definitions = 0;

    (void)state;
    for (i = 0; i < line_count; i++) {
        function_name(lines[i], name, sizeof name);
        if (!starts_with(name, "wfsi_"))
            continue;
        if (!is_declaration(i)) {
            definitions++;
            continue;
        }
        definition = find_definition(name, i);
        if (definition == line_count)
            fail_msg("line %u: %s is declared and not defined",
                     (unsigned)i + 1, name);
        if (section_of(definition) != section_of(i))
            fail_msg("line %u: %s is declared in >>%s and defined in >>%s",
                     (unsigned)i + 1, name, banners[section_of(i)].tag,
                     banners[section_of(definition)].tag);
    }
    assert_true(definitions > 100);
}

/* WFSI_INLINE begins with it. */
static void every_private_function_is_static(void **state)
{
    char name[128];
    size_t i;

    (void)state;
    for (i = 0; i < line_count; i++) {
        function_name(lines[i], name, sizeof name);
        if (starts_with(name, "wfsi_") && !starts_with(lines[i], "static ") &&
            !starts_with(lines[i], "WFSI_INLINE "))
            fail_msg("line %u: %s is not static", (unsigned)i + 1, name);
    }
}

static void every_public_function_is_defined(void **state)
{
    char name[128];
    size_t i, declarations = 0;

    (void)state;
    for (i = 0; i < line_count; i++) {
        if (!starts_with(lines[i], "WFSDEF "))
            continue;
        function_name(lines[i], name, sizeof name);
        assert_string_not_equal(name, "");
        declarations++;
        if (find_definition(name, i) == line_count)
            fail_msg("line %u: %s is not defined", (unsigned)i + 1, name);
    }
    assert_true(declarations > 100);
}

/* The words are put together here, so that this file has none of them. */
static void nothing_is_left_unfinished(void **state)
{
    static const char *const marks[] = {"TO" "DO", "FIX" "ME", "XX" "X",
                                        "HA" "CK", "st" "ub",
                                        "not " "implemented"};
    size_t i, j;

    (void)state;
    for (i = 0; i < line_count; i++)
        for (j = 0; j < sizeof marks / sizeof marks[0]; j++)
            if (strstr(lines[i], marks[j]) != NULL)
                fail_msg("line %u: %s", (unsigned)i + 1, lines[i]);
}

/* The header ends with the text of LICENSE, as a comment. */
static void licence_is_in_the_header(void **state)
{
    char *licence = read_file("LICENSE");
    char *line, *next;
    size_t i = line_count;

    (void)state;
    while (i > 0 && strcmp(lines[i - 1], " * MIT License") != 0)
        i--;
    assert_true(i > 0);
    i--;
    for (line = licence; *line != '\0'; line = next, i++) {
        next = strchr(line, '\n');
        assert_non_null(next);
        *next++ = '\0';
        assert_true(i + 1 < line_count);
        assert_string_equal(lines[i] + (line[0] == '\0' ? 2 : 3), line);
    }
    assert_string_equal(lines[i], " */");
    assert_int_equal(i + 1, line_count);
    free(licence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_and_banners_agree),
        cmocka_unit_test(each_tag_stands_once),
        cmocka_unit_test(public_sections_are_named_api),
        cmocka_unit_test(banners_have_one_grammar),
        cmocka_unit_test(four_parts_in_order),
        cmocka_unit_test(lines_are_short_and_clean),
        cmocka_unit_test(no_section_calls_a_later_one),
        cmocka_unit_test(every_private_function_is_static),
        cmocka_unit_test(every_public_function_is_defined),
        cmocka_unit_test(nothing_is_left_unfinished),
        cmocka_unit_test(licence_is_in_the_header),
    };

    return cmocka_run_group_tests_name("header", tests, load, unload);
}
