/* What was measured: on the screen, and as JSON. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

double bench_per_second(const bench_workload *workload, double ns)
{
    double units = workload->units != 0 ? workload->units : 1;

    return ns != 0 ? 1e9 / ns * units : 0;
}

double bench_ratio(const bench_figure *figure)
{
    return figure->ns != 0 ? figure->peer_ns / figure->ns : 0;
}

/* How many of the figures, of which there is one, are of the first one's
 * workload. */
static size_t count_sizes(const bench_figure *figures, size_t count)
{
    size_t sizes = 1;

    while (sizes < count && figures[sizes].workload == figures->workload)
        sizes++;
    return sizes;
}

/* --- on the screen */

/* A number in a column; "-" for what there is none of. */
static void print_number(double number, int width, int decimals)
{
    if (number == 0)
        printf(" %*s", width, "-");
    else
        printf(" %*.*f", width, decimals, number);
}

void bench_print_heading(void)
{
    printf("\n%-13s %8s %12s %10s %12s %10s %7s %8s %8s\n", "", "n",
           "per second", "ns", "peer /s", "peer ns", "ratio", "bytes", "peer");
}

void bench_print_figure(const bench_figure *figure)
{
    const bench_workload *workload = figure->workload;

    printf("%-13s %8lu", workload->key, (unsigned long)figure->n);
    print_number(bench_per_second(workload, figure->ns), 12, 0);
    print_number(figure->ns, 10, 1);
    print_number(bench_per_second(workload, figure->peer_ns), 12, 0);
    print_number(figure->peer_ns, 10, 1);
    print_number(bench_ratio(figure), 7, 1);
    print_number(figure->bytes, 8, 0);
    print_number(figure->peer_bytes, 8, 0);
    printf("  %s%s%s\n", workload->unit,
           workload->holders != NULL ? ", bytes per " : "",
           workload->holders != NULL ? workload->per : "");
    fflush(stdout);
}

static const char *verdict(bool holds)
{
    return holds ? "holds" : "DOES NOT HOLD";
}

/* The figure of another workload at the same size; NULL: not measured. */
static const bench_figure *find_figure(const bench_figure *figures,
                                       size_t count,
                                       const bench_workload *workload, size_t n)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (figures[i].workload == workload && figures[i].n == n)
            return &figures[i];
    return NULL;
}

/* base: the figure of what it is compared with; NULL: not measured. */
static void print_speed_limits(const bench_figure *figure,
                               const bench_figure *base)
{
    const bench_workload *workload = figure->workload;
    double speed = bench_per_second(workload, figure->ns);
    double times = base != NULL && base->ns != 0 ? figure->ns / base->ns : 0;

    if (workload->least_per_second != 0)
        printf("%s speed: %.0f %ss a second, at least %.0f: %s\n",
               workload->key, speed, workload->unit,
               workload->least_per_second,
               verdict(speed >= workload->least_per_second));
    if (times != 0)
        printf("%s time: %.2f times that of %s, at most %.1f: %s\n",
               workload->key, times, base->workload->key,
               workload->most_times, verdict(times <= workload->most_times));
}

/* Memory that was not counted does not keep to its limit. */
static void print_limits(const bench_figure *figure)
{
    const bench_workload *workload = figure->workload;
    double ratio = bench_ratio(figure);
    bool holds;

    if (workload->most_bytes != 0) {
        holds = figure->bytes > 0 && figure->bytes <= workload->most_bytes;
        printf("%s memory: %.0f bytes %s %s, at most %.0f: %s\n",
               workload->key, figure->bytes,
               strchr("aeiou", *workload->per) != NULL ? "an" : "a",
               workload->per, workload->most_bytes, verdict(holds));
    }
    if (workload->least_ratio != 0)
        printf("%s ratio: %.1f, at least %.0f: %s\n", workload->key, ratio,
               workload->least_ratio, verdict(ratio >= workload->least_ratio));
}

void bench_print_limits(const bench_figure *figures, size_t count)
{
    const bench_figure *largest;
    size_t i, sizes;

    putchar('\n');
    for (i = 0; i < count; i += sizes) {
        sizes = count_sizes(figures + i, count - i);
        largest = &figures[i + sizes - 1];
        print_limits(largest);
        print_speed_limits(largest,
                           find_figure(figures, count, largest->workload->base,
                                       largest->n));
    }
}

/* --- as JSON */

/* A member; null for what there is none of. */
static void put_number(FILE *file, const char *name, double number,
                       int decimals)
{
    if (number == 0)
        fprintf(file, ", \"%s\": null", name);
    else
        fprintf(file, ", \"%s\": %.*f", name, decimals, number);
}

/* The members of a figure, without braces. */
static void put_figure(FILE *file, const bench_figure *figure)
{
    const bench_workload *workload = figure->workload;

    fprintf(file, "\"n\": %lu", (unsigned long)figure->n);
    put_number(file, "per_s", bench_per_second(workload, figure->ns), 1);
    put_number(file, "peer_per_s",
               bench_per_second(workload, figure->peer_ns), 1);
    put_number(file, "ratio", bench_ratio(figure), 2);
    put_number(file, "ns", figure->ns, 2);
    put_number(file, "peer_ns", figure->peer_ns, 2);
    put_number(file, "bytes_per_instance", figure->bytes, 1);
    put_number(file, "peer_bytes_per_instance", figure->peer_bytes, 1);
}

/* A workload: the figures of its largest size, and those of all. */
static void put_workload(FILE *file, const bench_figure *figures, size_t count)
{
    const bench_workload *workload = figures->workload;
    size_t i;

    fprintf(file, "\"%s\": {", workload->key);
    put_figure(file, &figures[count - 1]);
    fprintf(file, ",\n  \"title\": \"%s\"", workload->title);
    fprintf(file, ",\n  \"unit\": \"%s\", \"per\": \"%s\", \"sizes\": [",
            workload->unit, workload->per != NULL ? workload->per : "");
    for (i = 0; i < count; i++) {
        fputs(i == 0 ? "\n    {" : ",\n    {", file);
        put_figure(file, &figures[i]);
        fputc('}', file);
    }
    fputs("]}", file);
}

void bench_write_json(const char *path, const bench_figure *figures,
                      size_t count)
{
    FILE *file = bench_file(path);
    size_t i, sizes;

    fputs("{", file);
    for (i = 0; i < count; i += sizes) {
        sizes = count_sizes(figures + i, count - i);
        fputs(i == 0 ? "\n" : ",\n", file);
        put_workload(file, &figures[i], sizes);
    }
    fputs("\n}\n", file);
    bench_file_close(file, path);
}
