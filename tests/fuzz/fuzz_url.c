/* A URL pattern and a URL, parted by the first NUL. For libFuzzer:
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -I. \
 *         tests/fuzz/fuzz_url.c -o fuzz_url && ./fuzz_url -max_total_time=120
 */
#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    char *pattern = (char *)malloc(size + 2);
    const wfs_json *params;
    const char *url, *normal, *again;
    wfs_error error;
    bool fits;

    if (arena == NULL || pattern == NULL)
        abort();
    if (size != 0)
        memcpy(pattern, data, size);
    pattern[size] = pattern[size + 1] = '\0';
    url = pattern + strlen(pattern) + 1;
    if (wfs_url_normalize(arena, url, &normal, &error) == WFS_OK) {
        if (wfs_url_normalize(arena, normal, &again, &error) != WFS_OK ||
            strcmp(normal, again) != 0)
            abort();            /* what is normal stays as it is */
    } else if (error.offset > strlen(url)) {
        abort();
    }
    wfs_url_match(arena, pattern, url, &fits, &params, &error);
    wfs_url_match(arena, pattern, "http://h/a/b-c/d.e/1", &fits, &params,
                  &error);
    free(pattern);
    wfs_arena_free(arena);
    return 0;
}
