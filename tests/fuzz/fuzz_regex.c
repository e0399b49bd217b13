/* Fuzzing of regular expressions:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -I. -o fuzz_regex \
 *         tests/fuzz/fuzz_regex.c && ./fuzz_regex -max_len=200
 *
 * The input: a byte of flags and options, the expression up to a NUL, the
 * text. Asked with captures and without, the answer must be the same. */
#include <stdlib.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(const wfs_regex *regex, const char *text, size_t size)
{
    size_t count = 2 * (wfsi_regex_groups(regex) + 1), i;
    size_t *captures = (size_t *)malloc(count * sizeof *captures);
    wfs_arena *scratch = wfs_arena_create(NULL);
    bool found, found_too;

    if (captures == NULL || scratch == NULL ||
        wfs_regex_search(regex, scratch, text, size, &found) != WFS_OK ||
        wfsi_regex_search(regex, scratch, text, size, captures, &found_too) !=
            WFS_OK || found != found_too)
        abort();
    for (i = 0; found && i < count; i += 2)
        if (captures[i] != SIZE_MAX && (captures[i] > captures[i + 1] ||
                                        captures[i + 1] > size))
            abort();
    wfs_arena_free(scratch);
    free(captures);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char letters[] = "gimsuy";
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *source = (const char *)data + 1, *end;
    char flags[sizeof letters];
    size_t i, count = 0, source_size;
    wfs_regex *regex;
    wfs_error error;

    if (size > 0 && arena != NULL) {
        for (i = 0; letters[i] != '\0'; i++)
            if ((data[0] >> i & 1) != 0)
                flags[count++] = letters[i];
        end = (const char *)memchr(source, '\0', size - 1);
        source_size = end != NULL ? (size_t)(end - source) : size - 1;
        if (wfsi_regex_compile(arena, source, source_size, flags, count,
                               data[0] >> 7, &regex, &error) == WFS_OK)
            search(regex, source + source_size, size - 1 - source_size);
        else if (error.offset > source_size)
            abort();
    }
    wfs_arena_free(arena);
    return 0;
}
