/* The chart: cost against the number of instances, and against the length of
 * the history, both sides, on logarithmic axes. A picture of its own: it
 * brings its background, so that it can be read on any page. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

#define WIDTH 940
#define HEIGHT 450
#define TOP 112                 /* of both plots */
#define BOTTOM 392
#define PLOT_WIDTH 360
#define KEY_TOP (TOP - 38)      /* of the first row of a legend */
#define KEY_ROW 19

/* One plot: where it is and what its axes span, in powers of ten. */
typedef struct chart_plot {
    const char *title, *axis;
    double left;
    int from_x, to_x;           /* 10^from_x to 10^to_x */
    int from_y, to_y;           /* ns */
    double key_x, key_y;        /* where the legend goes on, from `left` */
} chart_plot;

typedef struct point {
    double x, ns, peer_ns;
} point;

#define MOST_POINTS 16

static const char *const colours[] = {"#0969da", "#1a7f37", "#bc4c00",
                                      "#8250df", "#0e7490"};

#define COLOURS (sizeof colours / sizeof colours[0])

static double place_x(const chart_plot *plot, double x)
{
    return plot->left + PLOT_WIDTH * (log10(x) - plot->from_x) /
                            (plot->to_x - plot->from_x);
}

static double place_y(const chart_plot *plot, double ns)
{
    return BOTTOM - (BOTTOM - TOP) * (log10(ns) - plot->from_y) /
                        (plot->to_y - plot->from_y);
}

/* --- axes */

static const char *const powers[] = {"1", "10", "100", "1k", "10k", "100k",
                                     "1M", "10M"};
static const char *const durations[] = {"1 ns", "10 ns", "100 ns", "1 µs",
                                        "10 µs", "100 µs", "1 ms", "10 ms",
                                        "100 ms"};

#define POWERS ((int)(sizeof powers / sizeof powers[0]) - 1)
#define DURATIONS ((int)(sizeof durations / sizeof durations[0]) - 1)

static void put_axes(FILE *file, const chart_plot *plot)
{
    double right = plot->left + PLOT_WIDTH, at;
    int power;

    fprintf(file, "<text class=\"t\" x=\"%.0f\" y=\"%d\">%s</text>\n",
            plot->left, KEY_TOP - 21, plot->title);
    for (power = plot->from_y; power <= plot->to_y; power++) {
        at = place_y(plot, pow(10, power));
        fprintf(file,
                "<path class=\"g\" d=\"M%.0f %.1fH%.0f\"/>"
                "<text class=\"e\" x=\"%.0f\" y=\"%.1f\">%s</text>\n",
                plot->left, at, right, plot->left - 8, at + 4,
                durations[power]);
    }
    for (power = plot->from_x; power <= plot->to_x; power++) {
        at = place_x(plot, pow(10, power));
        fprintf(file,
                "<path class=\"g\" d=\"M%.1f %dV%d\"/>"
                "<text class=\"m\" x=\"%.1f\" y=\"%d\">%s</text>\n",
                at, TOP, BOTTOM, at, BOTTOM + 18, powers[power]);
    }
    fprintf(file, "<text class=\"m\" x=\"%.0f\" y=\"%d\">%s</text>\n",
            plot->left + PLOT_WIDTH / 2.0, BOTTOM + 38, plot->axis);
}

/* Widen an axis, so that the value is on it. */
static void span(int *from, int *to, double value, int most)
{
    int low = (int)floor(log10(value)), high = (int)ceil(log10(value));

    if (low < *from)
        *from = low > 0 ? low : 0;
    if (high > *to)
        *to = high < most ? high : most;
}

static void span_points(chart_plot *plot, const point *points, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        span(&plot->from_x, &plot->to_x, points[i].x, POWERS);
        span(&plot->from_y, &plot->to_y, points[i].ns, DURATIONS);
        if (points[i].peer_ns != 0)
            span(&plot->from_y, &plot->to_y, points[i].peer_ns, DURATIONS);
    }
}

/* --- lines */

static void put_line(FILE *file, const chart_plot *plot, const point *points,
                     size_t count, bool of_peer, const char *colour)
{
    double x, y;
    size_t i;

    if (count == 0 || (of_peer && points[0].peer_ns == 0))
        return;
    fprintf(file, "<path class=\"l%s\" stroke=\"%s\" d=\"",
            of_peer ? " p" : "", colour);
    for (i = 0; i < count; i++)
        fprintf(file, "%c%.1f %.1f", i == 0 ? 'M' : 'L',
                place_x(plot, points[i].x),
                place_y(plot, of_peer ? points[i].peer_ns : points[i].ns));
    fputs("\"/>\n", file);
    for (i = 0; i < count; i++) {
        x = place_x(plot, points[i].x);
        y = place_y(plot, of_peer ? points[i].peer_ns : points[i].ns);
        fprintf(file,
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\" "
                "stroke=\"%s\"/>\n", x, y, of_peer ? "#fff" : colour, colour);
    }
}

static void put_both_lines(FILE *file, const chart_plot *plot,
                           const point *points, size_t count,
                           const char *colour)
{
    put_line(file, plot, points, count, true, colour);
    put_line(file, plot, points, count, false, colour);
}

/* The next entry of a plot's legend, in a row of its own where it needs one. */
static void put_key(FILE *file, chart_plot *plot, const char *text,
                    const char *colour, bool of_peer)
{
    double width = 46 + 6 * (double)strlen(text), x;

    if (plot->key_x > 0 && plot->key_x + width > PLOT_WIDTH) {
        plot->key_x = 0;
        plot->key_y += KEY_ROW;
    }
    x = plot->left + plot->key_x;
    fprintf(file,
            "<path class=\"l%s\" stroke=\"%s\" d=\"M%.0f %.0fh24\"/>"
            "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
            of_peer ? " p" : "", colour, x, KEY_TOP + plot->key_y, x + 30,
            KEY_TOP + plot->key_y + 4, text);
    plot->key_x += width;
}

/* --- the two plots */

/* Of a workload, a point a size. */
static size_t points_of(const bench_figure *figures, size_t count,
                        const bench_workload *workload, point *points)
{
    size_t found = 0, i;

    for (i = 0; i < count && found < MOST_POINTS; i++)
        if (figures[i].workload == workload) {
            points[found].x = (double)figures[i].n;
            points[found].ns = figures[i].ns;
            points[found++].peer_ns = figures[i].peer_ns;
        }
    return found;
}

/* W4: a tick replays H rows on average, so it costs H times what a row does.
 * Of each H, the largest size. */
static size_t points_of_history(const bench_figure *figures, size_t count,
                                point *points)
{
    size_t found = 0, i;
    double history;

    for (i = 0; i < count && found < MOST_POINTS; i++) {
        if (figures[i].workload->history == 0 ||
            (i + 1 < count && figures[i + 1].workload == figures[i].workload))
            continue;
        history = (double)figures[i].workload->history;
        points[found].x = history;
        points[found].ns = figures[i].ns * history;
        points[found++].peer_ns = figures[i].peer_ns * history;
    }
    return found;
}

/* The next workload that grows, from *at on; NULL after the last. */
static const bench_workload *next_growing(const bench_figure *figures,
                                          size_t count, size_t *at)
{
    const bench_workload *workload;

    while (*at < count) {
        workload = figures[(*at)++].workload;
        while (*at < count && figures[*at].workload == workload)
            ++*at;
        if (workload->grows)
            return workload;
    }
    return NULL;
}

/* Those that are measured at growing sizes. */
static void put_sizes(FILE *file, const bench_figure *figures, size_t count)
{
    chart_plot plot = {"cost of an operation", "instances", 80, 3, 4, 2, 4, 0,
                       0};
    const bench_workload *workload;
    point points[MOST_POINTS] = {{0, 0, 0}};
    size_t at = 0, colour = 0;
    char text[64];

    while ((workload = next_growing(figures, count, &at)) != NULL)
        span_points(&plot, points, points_of(figures, count, workload, points));
    put_axes(file, &plot);
    for (at = 0; (workload = next_growing(figures, count, &at)) != NULL;
         colour++) {
        put_both_lines(file, &plot, points,
                       points_of(figures, count, workload, points),
                       colours[colour % COLOURS]);
        snprintf(text, sizeof text, "%s: %s", workload->key, workload->unit);
        put_key(file, &plot, text, colours[colour % COLOURS], false);
    }
}

static void put_history(FILE *file, const bench_figure *figures, size_t count)
{
    chart_plot plot = {"cost of a tick (W4)",
                       "H: do steps in the history, each with a sleep", 550,
                       1, 2, 2, 4, 0, 0};
    point points[MOST_POINTS] = {{0, 0, 0}};
    size_t found = points_of_history(figures, count, points);

    span_points(&plot, points, found);
    put_axes(file, &plot);
    put_both_lines(file, &plot, points, found, colours[0]);
    put_key(file, &plot, "wfscenario.h", "#57606a", false);
    put_key(file, &plot, "SQLite in memory", "#57606a", true);
}

void bench_write_chart(const char *path, const bench_figure *figures,
                       size_t count)
{
    FILE *file = bench_file(path);

    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\" "
            "aria-label=\"wfscenario.h beside SQLite\">\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    fputs("<style>text{font:12px sans-serif;fill:#24292f}"
          ".t{font-weight:bold;font-size:13px}.e{text-anchor:end}"
          ".m{text-anchor:middle}.g{stroke:#d0d7de;fill:none}"
          ".l{fill:none;stroke-width:2}.p{stroke-dasharray:5 4}</style>\n",
          file);
    fprintf(file,
            "<rect x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\" "
            "fill=\"#fff\" stroke=\"#d0d7de\"/>\n", WIDTH - 1, HEIGHT - 1);
    fprintf(file,
            "<text class=\"t\" x=\"80\" y=\"28\">wfscenario.h beside SQLite: "
            "what it costs, less is better</text>\n");
    put_sizes(file, figures, count);
    put_history(file, figures, count);
    fputs("</svg>\n", file);
    bench_file_close(file, path);
}
