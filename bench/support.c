/* What the workloads and the program share. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

void bench_fail(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}

FILE *bench_file(const char *path)
{
    FILE *file = fopen(path, "w");

    if (file == NULL)
        bench_fail("%s cannot be written: %s", path, strerror(errno));
    return file;
}

void bench_file_close(FILE *file, const char *path)
{
    bool failed = ferror(file) != 0;

    if (fclose(file) != 0 || failed)
        bench_fail("%s could not be written", path);
}

void *bench_allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL)
        bench_fail("no memory for %lu x %lu bytes", (unsigned long)count,
                   (unsigned long)size);
    return memory;
}

char **bench_texts(size_t count, const char *format)
{
    size_t room = strlen(format) + 24, i;
    char **texts = (char **)bench_allocate(count, sizeof *texts);
    char *text = (char *)bench_allocate(count, room);

    texts[0] = text;            /* the block, even for no texts */
    for (i = 0; i < count; i++, text += room) {
        texts[i] = text;
        snprintf(text, room, format, (unsigned long)i);
    }
    return texts;
}

void bench_texts_free(char **texts)
{
    if (texts != NULL)
        free(texts[0]);
    free(texts);
}

static int compare_times(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

void bench_sort_times(int64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, compare_times);
}

size_t bench_instances(const bench_task *task)
{
    return task->n;
}

size_t bench_two_an_instance(const bench_task *task)
{
    return task->n * 2;
}

bench_task bench_task_for(const bench_workload *workload, size_t n)
{
    bench_task task = {
        .workload = workload, .n = n, .history = workload->history};

    return task;
}
