/* crucible.c: runs recorded cases of HTTP checks as graphs.
 *
 * The cases are JSON (the format is told in the README beside the recorded
 * ones); conformance.h reads and compares them. Two revisions of an engine were
 * recorded, so each case is run twice: as the wave engine, which `expect` is
 * of, and as its later revision, which `expect_head` is of where it is there.
 * What was expected and what came of it stand under "waves" and "later".
 *
 *     --engine waves|later
 *
 * runs the cases as one of them only.
 *
 * What is compared differs from the recordings in this: events, requests and
 * messages stand by execution, as their order between executions has no
 * meaning; a failed step always has a duration; the artifacts of a report are
 * spelled as in the later revision; {{iteration}} is the number of the
 * iteration; options are called what the library calls them.
 */
#include "conformance.h"

#define START INT64_C(1700000000000)    /* what the clock shows at 0 ms */
#define LONG_TEXT 4096                  /* UTF-16 units a text may have */
#define REPORTS "/api/reports/"         /* before an execution's id */
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

typedef enum engine {
    WAVES,
    LATER,
    ENGINE_COUNT
} engine;

static const char *const engine_names[ENGINE_COUNT] = {"waves", "later"};

static const char *only_engine;         /* NULL: both */

/* A request that was sent, as far as its iteration depends on it. */
typedef struct sent_request {
    struct sent_request *next;
    wfs_row_id step;
    int64_t attempts;
} sent_request;

/* What was seen of one execution. */
typedef struct trace {
    struct trace *next;
    int64_t x;                          /* its number */
    wfs_json *events, *requests, *messages;
    sent_request *sent;
    wfs_json *iterations;               /* of each request, from 1 */
    wfs_dag_step_status *statuses;      /* of its steps, at the last event */
    size_t step_count;
    const wfs_json *ended;              /* what it was when it ended */
} trace;

/* A case while one engine runs it. */
typedef struct case_world {
    conf_case *one;
    wfs_arena *arena;
    wfs_arena *scratch;                 /* cleared after each event */
    engine kind;
    wfs_dags *dags;
    wfs_http_transport transport;
    trace *traces;
    int64_t created;                    /* executions so far */
    size_t *rule_counts;                /* requests that each rule answered */
    double constant;                    /* the random number, without lcg */
    bool lcg;
    uint32_t lcg_state;
    const wfs_json *report;             /* of execution 0, when it ended */
} case_world;

/* --- short ways to JSON */

static const char *text_of(const wfs_json *object, const char *key)
{
    return wfs_json_string(wfs_json_get(object, key), NULL);
}

static bool has(const wfs_json *object, const char *key)
{
    return wfs_json_get(object, key) != NULL;
}

static int64_t integer_of(const wfs_json *object, const char *key,
                          int64_t otherwise)
{
    return has(object, key) ? wfs_json_integer(wfs_json_get(object, key))
                            : otherwise;
}

static bool same(const char *left, const char *right)
{
    return left != NULL && strcmp(left, right) == 0;
}

static bool is_string(const wfs_json *value)
{
    return wfs_json_type_of(value) == WFS_JSON_STRING;
}

static bool is_array(const wfs_json *value)
{
    return wfs_json_type_of(value) == WFS_JSON_ARRAY;
}

static bool is_object(const wfs_json *value)
{
    return wfs_json_type_of(value) == WFS_JSON_OBJECT;
}

static bool is_number(const wfs_json *value)
{
    return conf_is_number(wfs_json_type_of(value));
}

/* Whether a list has a text among its items. */
static bool in_list(const wfs_json *list, const char *text)
{
    size_t i;

    for (i = 0; i < wfs_json_count(list); i++)
        if (same(wfs_json_string(wfs_json_at(list, i), NULL), text))
            return true;
    return false;
}

static void put(wfs_arena *arena, wfs_json *object, const char *key,
                const wfs_json *value)
{
    wfs_json_set(arena, object, key, value);
}

/* Nothing is put where there is no text. */
static void put_text(wfs_arena *arena, wfs_json *object, const char *key,
                     const char *text)
{
    if (text != NULL)
        put(arena, object, key, wfs_json_new_string(arena, text));
}

static void put_integer(wfs_arena *arena, wfs_json *object, const char *key,
                        int64_t value)
{
    put(arena, object, key, wfs_json_new_integer(arena, value));
}

static void put_bool(wfs_arena *arena, wfs_json *object, const char *key,
                     bool value)
{
    put(arena, object, key, wfs_json_new_bool(arena, value));
}

/* Copy a member, if there is one, under another key. */
static void put_member(wfs_arena *arena, wfs_json *to, const char *key,
                       const wfs_json *from, const char *from_key)
{
    if (has(from, from_key))
        put(arena, to, key, wfs_json_get(from, from_key));
}

/* The same for a time of the clock. */
static void put_time(wfs_arena *arena, wfs_json *to, const char *key,
                     const wfs_json *from, const char *from_key)
{
    if (has(from, from_key))
        put_integer(arena, to, key,
                    integer_of(from, from_key, START) - START);
}

/* {key: value}: what stands for a value that JSON cannot hold. */
static wfs_json *marker(wfs_arena *arena, const char *key,
                        const wfs_json *value)
{
    return wfs_json_set(arena, wfs_json_new_object(arena), key, value);
}

static wfs_json *marker_true(wfs_arena *arena, const char *key)
{
    return marker(arena, key, wfs_json_new_bool(arena, true));
}

/* A new value of the same kind, an array or an object, without content. */
static wfs_json *empty_like(wfs_arena *arena, const wfs_json *value)
{
    return is_array(value) ? wfs_json_new_array(arena)
                           : wfs_json_new_object(arena);
}

/* A text in the arena, made as by printf; "" without memory. */
static const char *printed(wfs_arena *arena, const char *format, ...)
{
    va_list arguments;
    char *text;
    int size;

    va_start(arguments, format);
    size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    text = size < 0 ? NULL
                    : (char *)wfs_arena_allocate(arena, (size_t)size + 1);
    if (text == NULL)
        return "";
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* A text with each `old` in it replaced. */
static const char *replaced(wfs_arena *arena, const char *text,
                            const char *old, const char *by)
{
    const char *done = "", *at;

    while ((at = strstr(text, old)) != NULL) {
        done = printed(arena, "%s%.*s%s", done, (int)(at - text), text, by);
        text = at + strlen(old);
    }
    return printed(arena, "%s%s", done, text);
}

/* --- long texts: their lengths and SHA-256 (FIPS 180-4) */

static uint32_t rotated(uint32_t value, unsigned by)
{
    return value >> by | value << (32 - by);
}

/* Take one block of 64 bytes into the hash. */
static void sha256_block(uint32_t hash[8], const unsigned char *block)
{
    static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
        0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
        0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    uint32_t w[64], v[8], first, second;
    size_t i;

    for (i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | (uint32_t)block[4 * i + 3];
    for (; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] +
               (rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^
                w[i - 15] >> 3) +
               (rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ w[i - 2] >> 10);
    memcpy(v, hash, sizeof v);
    for (i = 0; i < 64; i++) {
        first = v[7] + constants[i] + w[i] +
                (rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25)) +
                ((v[4] & v[5]) ^ (~v[4] & v[6]));
        second = (rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) +
                 ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += first;
        v[0] = first + second;
    }
    for (i = 0; i < 8; i++)
        hash[i] += v[i];
}

/* The hash of some bytes, in hexadecimal digits. */
static void sha256(const char *bytes, size_t size, char digits[65])
{
    uint32_t hash[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char end[128] = {0};
    uint64_t bits = (uint64_t)size * 8;
    size_t i, whole = size - size % 64, rest = size % 64;
    size_t end_size = rest < 56 ? 64 : 128;

    for (i = 0; i < whole; i += 64)
        sha256_block(hash, (const unsigned char *)bytes + i);
    memcpy(end, bytes + whole, rest);
    end[rest] = 0x80;
    for (i = 0; i < 8; i++)
        end[end_size - 1 - i] = (unsigned char)(bits >> (8 * i) & 0xff);
    for (i = 0; i < end_size; i += 64)
        sha256_block(hash, end + i);
    for (i = 0; i < 8; i++)
        snprintf(digits + 8 * i, 9, "%08lx", (unsigned long)hash[i]);
}

static size_t utf16_size(const char *text, size_t size)
{
    size_t i, units = 0;

    for (i = 0; i < size; i++) {
        units += ((unsigned char)text[i] & 0xc0) != 0x80;
        units += (unsigned char)text[i] >= 0xf0;
    }
    return units;
}

/* A text, or what the recordings have in its place. */
static const wfs_json *shortened_text(wfs_arena *arena, const wfs_json *value)
{
    size_t size, units;
    const char *text = wfs_json_string(value, &size);
    wfs_json *description;
    char digits[65];

    units = utf16_size(text, size);
    if (units <= LONG_TEXT)
        return value;
    sha256(text, size, digits);
    description = wfs_json_new_object(arena);
    put_integer(arena, description, "utf16", (int64_t)units);
    put_integer(arena, description, "bytes", (int64_t)size);
    put_text(arena, description, "sha256", digits);
    return marker(arena, "$long", description);
}

/* A value with its long texts described. */
static const wfs_json *shortened(wfs_arena *arena, const wfs_json *value)
{
    wfs_json *copy;
    size_t i;

    if (is_string(value))
        return shortened_text(arena, value);
    if (!is_array(value) && !is_object(value))
        return value;
    copy = empty_like(arena, value);
    for (i = 0; i < wfs_json_count(value); i++)
        copy = conf_put(arena, copy, value, i,
                        shortened(arena, wfs_json_at(value, i)));
    return copy;
}

/* --- JSON as JavaScript writes it */

/* Whether a key is the canonical text of an array's index; which one. */
static bool is_index(const char *key, size_t size, uint32_t *index)
{
    uint64_t number = 0;
    size_t i;

    if (size == 0 || size > 10 || (key[0] == '0' && size > 1))
        return false;
    for (i = 0; i < size; i++) {
        if (key[i] < '0' || key[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(key[i] - '0');
    }
    *index = (uint32_t)number;
    return number < UINT32_MAX;
}

/* The place of the member with the lowest index from `least` on; how many
 * members there are when none has one. */
static size_t next_index(const wfs_json *object, uint64_t least,
                         uint32_t *found)
{
    size_t i, size, place = wfs_json_count(object);
    const char *key;
    uint32_t index;

    for (i = 0; i < wfs_json_count(object); i++) {
        key = wfs_json_key_at(object, i, &size);
        if (is_index(key, size, &index) && index >= least &&
            (place == wfs_json_count(object) || index < *found)) {
            place = i;
            *found = index;
        }
    }
    return place;
}

static const wfs_json *in_javascript(wfs_arena *arena, const wfs_json *value);

/* Members whose keys are indexes come first, in order. */
static const wfs_json *object_in_javascript(wfs_arena *arena,
                                            const wfs_json *object)
{
    wfs_json *copy = wfs_json_new_object(arena);
    size_t i, size, count = wfs_json_count(object);
    uint64_t least = 0;
    uint32_t index = 0;
    const char *key;

    while ((i = next_index(object, least, &index)) != count) {
        copy = conf_put(arena, copy, object, i,
                        in_javascript(arena, wfs_json_at(object, i)));
        least = (uint64_t)index + 1;
    }
    for (i = 0; i < count; i++) {
        key = wfs_json_key_at(object, i, &size);
        if (!is_index(key, size, &index))
            copy = conf_put(arena, copy, object, i,
                            in_javascript(arena, wfs_json_at(object, i)));
    }
    return copy;
}

/* A value as JavaScript would have read it: numbers are doubles. */
static const wfs_json *in_javascript(wfs_arena *arena, const wfs_json *value)
{
    const double exact = 9007199254740992.0;
    double number = wfs_json_real(value);
    wfs_json *copy;
    size_t i;

    if (is_object(value))
        return object_in_javascript(arena, value);
    if (is_number(value)) {
        if (wfs_json_type_of(value) == WFS_JSON_INTEGER &&
            number >= -exact && number <= exact)
            return value;
        return wfs_json_new_real(arena, number + 0.0);
    }
    if (!is_array(value))
        return value;
    copy = wfs_json_new_array(arena);
    for (i = 0; i < wfs_json_count(value); i++)
        copy = wfs_json_append(arena, copy,
                               in_javascript(arena, wfs_json_at(value, i)));
    return copy;
}

/* --- the mock that answers */

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A URL without scheme://authority at its beginning, and up to the first ? or
 * #. */
static const char *path_of(const char *url, size_t *size)
{
    size_t scheme = 0;

    while (is_letter(url[scheme]) ||
           (scheme != 0 && url[scheme] != '\0' &&
            strchr("0123456789+-.", url[scheme]) != NULL))
        scheme++;
    if (scheme != 0 && begins_with(url + scheme, "://")) {
        url += scheme + strlen("://");
        url += strcspn(url, "/?#");
    }
    *size = strcspn(url, "?#");
    return url;
}

static bool rule_matches(const wfs_json *match,
                         const wfs_http_request *request)
{
    const char *method = text_of(match, "method");
    const char *url = text_of(match, "url");
    const char *prefix = text_of(match, "url_prefix");
    const char *part = text_of(match, "url_contains");
    const char *wanted = text_of(match, "path"), *path;
    size_t size;

    path = path_of(request->url, &size);
    return (method == NULL || strcmp(method, request->method) == 0) &&
           (url == NULL || strcmp(url, request->url) == 0) &&
           (prefix == NULL || begins_with(request->url, prefix)) &&
           (part == NULL || strstr(request->url, part) != NULL) &&
           (wanted == NULL ||
            conf_same_text(wanted, strlen(wanted), path, size));
}

/* A header's name as it is handed on: in lower case. */
static const char *lower(wfs_arena *arena, const char *name)
{
    size_t i, size = strlen(name);
    char *copy = (char *)wfs_arena_allocate(arena, size + 1);

    if (copy == NULL)
        return "";
    for (i = 0; i <= size; i++)
        copy[i] = (char)(name[i] >= 'A' && name[i] <= 'Z'
                             ? name[i] - 'A' + 'a'
                             : name[i]);
    return copy;
}

/* Headers from an object or a list of pairs, with a content type (NULL: none)
 * unless one is given. Names that repeat and blanks around values are left to
 * who receives them. */
static const wfs_http_header *mock_headers(wfs_arena *arena,
                                           const wfs_json *given,
                                           const char *type)
{
    size_t i, count = wfs_json_count(given);
    wfs_http_header *headers = (wfs_http_header *)wfs_arena_allocate(
        arena, (count + 2) * sizeof *headers);
    const wfs_json *item;

    if (headers == NULL)
        return NULL;
    for (i = 0; i < count; i++) {
        item = wfs_json_at(given, i);
        headers[i].name = is_array(given)
                              ? wfs_json_string(wfs_json_at(item, 0), NULL)
                              : wfs_json_key_at(given, i, NULL);
        headers[i].name = lower(arena, headers[i].name);
        headers[i].value = wfs_json_string(
            is_array(given) ? wfs_json_at(item, 1) : item, NULL);
    }
    headers[count].name = headers[count].value = NULL;
    if (type != NULL &&
        wfs_http_header_value(headers, "content-type") == NULL) {
        headers[count].name = "content-type";
        headers[count].value = type;
        headers[count + 1].name = headers[count + 1].value = NULL;
    }
    return headers;
}

static const char *repeated(wfs_arena *arena, const wfs_json *given,
                            size_t *size)
{
    size_t i, part_size = 0;
    size_t count = (size_t)integer_of(given, "count", 0);
    const char *part = wfs_json_string(wfs_json_get(given, "text"), &part_size);
    char *text = (char *)wfs_arena_allocate(arena, part_size * count + 1);

    *size = 0;
    if (text == NULL)
        return "";
    for (i = 0; i < count; i++)
        memcpy(text + i * part_size, part, part_size);
    *size = part_size * count;
    text[*size] = '\0';
    return text;
}

/* A response of a rule. */
static void scripted(wfs_arena *arena, const wfs_json *given,
                     wfs_http_response *response)
{
    const char *type = NULL;

    response->status = (int)integer_of(given, "status", 200);
    response->body = "";
    response->body_size = 0;
    if (has(given, "body")) {
        response->body =
            wfs_json_string(wfs_json_get(given, "body"), &response->body_size);
    } else if (has(given, "json")) {
        type = "application/json";
        response->body = wfs_json_write(
            arena, in_javascript(arena, wfs_json_get(given, "json")), 0,
            &response->body_size);
    } else if (has(given, "body_repeat")) {
        response->body = repeated(arena, wfs_json_get(given, "body_repeat"),
                                  &response->body_size);
    }
    response->headers =
        mock_headers(arena, wfs_json_get(given, "headers"), type);
    if (response->status == 204 || response->status == 205 ||
        response->status == 304) {
        response->body = "";
        response->body_size = 0;
    }
}

/* What a request without a rule gets: made of its method and path. */
static void by_bytesum(wfs_arena *arena, const wfs_http_request *request,
                       wfs_http_response *response)
{
    static const int statuses[] = {200, 403, 404};
    wfs_http_header *headers = (wfs_http_header *)wfs_arena_allocate(
        arena, 3 * sizeof *headers);
    unsigned sum = ' ';
    const char *at, *path;
    size_t i, size;

    for (at = request->method; *at != '\0'; at++)
        sum += (unsigned char)*at;
    path = path_of(request->url, &size);
    for (i = 0; i < size; i++)
        sum += (unsigned char)path[i];
    response->status = statuses[sum % 3];
    response->delay = (int64_t)(sum % 7) * 10;
    response->headers = headers;
    response->body = printed(
        arena,
        "{\"sum\":%u,\"doc_id\":\"doc-%u\",\"token\":\"tok-%u\","
        "\"reset_token\":\"rst-%u\",\"refresh_token\":\"ref-%u\","
        "\"url\":\"/files/%u\",\"accounts\":[{\"account_id\":\"acc-%u\"}],"
        "\"authorization\":{\"authorization_code\":\"auth-%u\"}}",
        sum, sum, sum, sum, sum, sum, sum, sum);
    response->body_size = strlen(response->body);
    if (headers == NULL)
        return;
    headers[0].name = "content-type";
    headers[0].value = "application/json";
    headers[1].name = "x-sum";
    headers[1].value = printed(arena, "%u", sum);
    headers[2].name = headers[2].value = NULL;
}

/* The response that the first rule to match has for this request; NULL when
 * none matches. */
static const wfs_json *next_response(case_world *world,
                                     const wfs_http_request *request)
{
    const wfs_json *rules =
        wfs_json_path(world->one->json, "transport.rules");
    const wfs_json *responses;
    size_t i, count, place;

    for (i = 0; i < wfs_json_count(rules); i++) {
        if (!rule_matches(wfs_json_get(wfs_json_at(rules, i), "match"),
                          request))
            continue;
        responses = wfs_json_get(wfs_json_at(rules, i), "responses");
        count = wfs_json_count(responses);
        place = world->rule_counts[i]++;
        return wfs_json_at(responses, place < count ? place : count - 1);
    }
    return NULL;
}

static wfs_status answer(case_world *world, const wfs_http_request *request,
                         wfs_arena *arena, wfs_http_response *response,
                         wfs_error *error)
{
    static const wfs_http_header plain[] = {{"content-type", "text/plain"},
                                            {NULL, NULL}};
    const wfs_json *transport = wfs_json_get(world->one->json, "transport");
    const wfs_json *given = next_response(world, request);

    memset(response, 0, sizeof *response);
    if (given != NULL) {
        response->delay = integer_of(given, "latency_ms", 0);
        if (has(given, "network_error")) {
            memset(error, 0, sizeof *error);
            error->code = WFS_ERR_HANDLER;
            snprintf(error->message, sizeof error->message, "%s",
                     text_of(given, "network_error"));
            return WFS_ERR_HANDLER;
        }
        scripted(arena, given, response);
    } else if (same(text_of(transport, "auto"), "bytesum")) {
        by_bytesum(arena, request, response);
    } else {
        response->status = 200;
        response->headers = plain;
        response->body = "ok";
        response->body_size = 2;
    }
    return WFS_OK;
}

/* --- what is recorded: requests */

/* What was seen of an execution, which may be its first event or request. */
static trace *trace_of(case_world *world, int64_t x)
{
    trace *now, **end = &world->traces;

    for (; *end != NULL; end = &(*end)->next)
        if ((*end)->x == x)
            return *end;
    now = (trace *)wfs_arena_allocate(world->arena, sizeof *now);
    if (now == NULL)
        return NULL;
    memset(now, 0, sizeof *now);
    now->x = x;
    now->events = wfs_json_new_array(world->arena);
    now->requests = wfs_json_new_array(world->arena);
    now->messages = wfs_json_new_array(world->arena);
    now->iterations = wfs_json_new_array(world->arena);
    *end = now;
    return now;
}

static int64_t now_of(case_world *world)
{
    return wfs_clock_now(wfs_dags_clock(world->dags)) - START;
}

static wfs_json *request_record(case_world *world, int64_t x,
                                const wfs_http_request *request)
{
    wfs_arena *arena = world->arena;
    wfs_json *record = wfs_json_new_object(arena);
    wfs_json *headers = wfs_json_new_object(arena);
    const wfs_http_header *header = request->headers;
    size_t size = request->body_size;

    put_integer(arena, record, "t_ms", now_of(world));
    put_integer(arena, record, "x", x);
    put_text(arena, record, "method", request->method);
    put_text(arena, record, "url", request->url);
    for (; header != NULL && header->name != NULL; header++)
        put_text(arena, headers, header->name, header->value);
    if (wfs_json_count(headers) != 0)
        put(arena, record, "headers", headers);
    if (request->body != NULL && size == 0)
        size = strlen(request->body);
    if (request->body != NULL)
        put(arena, record, "body",
            wfs_json_new_string_n(arena, request->body, size));
    return record;
}

/* The number of the iteration that sends, in its attempt. */
static int64_t count_iteration(case_world *world, trace *seen,
                               const wfs_dag_step *step)
{
    sent_request *sent, *now;
    int64_t count = 1;

    for (sent = seen->sent; sent != NULL; sent = sent->next)
        count += sent->step == step->id && sent->attempts == step->attempts;
    now = (sent_request *)wfs_arena_allocate(world->arena, sizeof *now);
    if (now == NULL)
        return count;
    now->step = step->id;
    now->attempts = step->attempts;
    now->next = seen->sent;
    seen->sent = now;
    return count;
}

static wfs_status send_request(const wfs_http_request *given, wfs_arena *arena,
                               wfs_http_response *response, wfs_error *error,
                               void *user)
{
    case_world *world = (case_world *)user;
    const wfs_dag_step *step = wfs_dags_sending(world->dags);
    int64_t x = step != NULL ? (int64_t)step->execution - 1 : -1;
    trace *seen = trace_of(world, x);
    wfs_http_request request = *given;

    if (request.method == NULL)
        request.method = "GET";
    if (step == NULL)
        conf_problem(world->one, "nobody knows who sends %s", request.url);
    if (seen != NULL && step != NULL) {
        wfs_json_append(world->arena, seen->requests,
                        request_record(world, x, &request));
        wfs_json_append(
            world->arena, seen->iterations,
            wfs_json_new_integer(world->arena,
                                 count_iteration(world, seen, step)));
    }
    return answer(world, &request, arena, response, error);
}

/* --- what is recorded: executions as they stand */

/* What stands in a context for a variable that JSON has no value for; NULL:
 * the snapshot has its value. */
static wfs_json *variable_marker(wfs_arena *arena, const wfs_row *row)
{
    if (wfs_row_value(row, "context").type == WFS_NULL)
        return marker_true(arena, "$undefined");
    return NULL;
}

/* A value with markers for the numbers that JSON has no text for. */
static const wfs_json *with_infinities(wfs_arena *arena, const wfs_json *value)
{
    wfs_json *made;
    const char *key;
    size_t i, size;

    if (wfs_json_type_of(value) == WFS_JSON_REAL &&
        (wfs_json_real(value) > DBL_MAX || wfs_json_real(value) < -DBL_MAX)) {
        made = wfs_json_new_object(arena);
        return wfs_json_set(
            arena, made, "$infinity",
            wfs_json_new_integer(arena, wfs_json_real(value) > 0 ? 1 : -1));
    }
    if (wfs_json_type_of(value) == WFS_JSON_ARRAY) {
        made = wfs_json_new_array(arena);
        for (i = 0; i < wfs_json_count(value); i++)
            wfs_json_append(arena, made,
                            with_infinities(arena, wfs_json_at(value, i)));
        return made;
    }
    if (wfs_json_type_of(value) != WFS_JSON_OBJECT)
        return value;
    made = wfs_json_new_object(arena);
    for (i = 0; i < wfs_json_count(value); i++) {
        key = wfs_json_key_at(value, i, &size);
        wfs_json_set_n(arena, made, key, size,
                       with_infinities(arena, wfs_json_at(value, i)));
    }
    return made;
}

/* A context of a snapshot, with what it leaves out. */
static wfs_json *whole_context(case_world *world, wfs_row_id execution,
                               const wfs_json *given)
{
    wfs_arena *arena = world->scratch;
    wfs_json *context =
        wfs_json_copy(arena, with_infinities(arena, given));
    wfs_json *mark;
    wfs_cursor *cursor;
    wfs_query query;
    wfs_row row;

    memset(&query, 0, sizeof query);
    query.table = "dag_variable";
    if (wfs_cursor_open(wfs_dags_store(world->dags), &query, &cursor) !=
        WFS_OK) {
        conf_problem(world->one, "the variables cannot be read");
        return context;
    }
    while (wfs_cursor_next(cursor, &row) == WFS_OK) {
        if (wfs_row_integer(&row, "execution") != (int64_t)execution ||
            wfs_row_value(&row, "hasContext").integer == 0)
            continue;
        mark = variable_marker(arena, &row);
        if (mark != NULL)
            put(arena, context, wfs_row_text(&row, "name"), mark);
    }
    wfs_cursor_close(cursor);
    return context;
}

/* A text with the id after REPORTS written as in the recordings. own: an id
 * that becomes {id}; 0: each becomes {id:number}. */
static const wfs_json *with_ids(wfs_arena *arena, const wfs_json *value,
                                wfs_row_id own)
{
    const char *text = wfs_json_string(value, NULL);
    const char *at = text != NULL ? strstr(text, REPORTS) : NULL;
    unsigned long id;
    char *end;

    if (at == NULL)
        return value;
    at += strlen(REPORTS);
    id = strtoul(at, &end, 10);
    if (end == at || id == 0 || (own != 0 && id != own))
        return value;
    return wfs_json_new_string(
        arena, own != 0
                   ? printed(arena, "%.*s{id}%s", (int)(at - text), text, end)
                   : printed(arena, "%.*s{id:%lu}%s", (int)(at - text), text,
                             id - 1, end));
}

/* A score of no steps is not a number. */
static const wfs_json *score_of(wfs_arena *arena, const wfs_json *report)
{
    const wfs_json *score = wfs_json_get(report, "score");

    return is_number(score) ? score : marker_true(arena, "$nan");
}

static wfs_json *report_record(wfs_arena *arena, const wfs_json *report,
                               wfs_row_id execution)
{
    wfs_json *record = wfs_json_copy(arena, report);
    wfs_json *artifacts = wfs_json_new_array(arena);
    const wfs_json *given = wfs_json_get(report, "artifacts");
    size_t i;

    for (i = 0; i < wfs_json_count(given); i++)
        wfs_json_append(arena, artifacts,
                        with_ids(arena, wfs_json_at(given, i), execution));
    put(arena, record, "artifacts", artifacts);
    put(arena, record, "score", score_of(arena, report));
    return record;
}

static wfs_json *step_record(case_world *world, const wfs_json *step)
{
    const wfs_json *extras = wfs_json_get(world->one->json, "record");
    wfs_arena *arena = world->scratch;
    wfs_json *record = wfs_json_new_object(arena);

    put_member(arena, record, "stepId", step, "stepId");
    put_member(arena, record, "status", step, "status");
    put_member(arena, record, "attempts", step, "attempts");
    put_time(arena, record, "started_ms", step, "startedAt");
    put_time(arena, record, "completed_ms", step, "completedAt");
    put_member(arena, record, "duration_ms", step, "duration");
    put_member(arena, record, "error", step, "error");
    put_member(arena, record, "assertions", step, "assertions");
    if (in_list(extras, "details"))
        put_member(arena, record, "details", step, "details");
    return record;
}

static wfs_json *step_records(case_world *world, const wfs_json *steps)
{
    wfs_json *records = wfs_json_new_array(world->scratch);
    size_t i;

    for (i = 0; i < wfs_json_count(steps); i++)
        wfs_json_append(world->scratch, records,
                        step_record(world, wfs_json_at(steps, i)));
    return records;
}

/* An execution in the form of the recordings, made of a snapshot. Lives in the
 * case's arena. */
static wfs_json *execution_record(case_world *world, wfs_row_id id,
                                  const wfs_json *snapshot)
{
    wfs_arena *arena = world->scratch;
    wfs_json *record = wfs_json_new_object(arena);
    const wfs_json *trigger = wfs_json_get(snapshot, "triggerData");
    const wfs_json *report = wfs_json_get(snapshot, "report");

    put_integer(arena, record, "x", (int64_t)id - 1);
    put_member(arena, record, "scenario", snapshot, "scenarioId");
    put_member(arena, record, "mode", snapshot, "mode");
    put_member(arena, record, "status", snapshot, "status");
    put_time(arena, record, "started_ms", snapshot, "startedAt");
    put_time(arena, record, "completed_ms", snapshot, "completedAt");
    put_member(arena, record, "duration_ms", snapshot, "duration");
    put_member(arena, record, "error", snapshot, "error");
    if (has(snapshot, "parentExecutionId"))
        put_integer(arena, record, "parent",
                    integer_of(snapshot, "parentExecutionId", 0) - 1);
    if (wfs_json_count(trigger) != 0)
        put(arena, record, "trigger", trigger);
    put(arena, record, "steps",
        step_records(world, wfs_json_get(snapshot, "steps")));
    put(arena, record, "context",
        whole_context(world, id, wfs_json_get(snapshot, "context")));
    if (has(snapshot, "pausedState"))
        put_bool(arena, record, "paused", true);
    if (report != NULL)
        put(arena, record, "report", report_record(arena, report, id));
    return wfs_json_copy(world->arena, record);
}

/* All executions, in order of their creation; of those that were evicted, what
 * they were when they ended. */
static wfs_json *execution_records(case_world *world)
{
    wfs_json *records = wfs_json_new_array(world->arena);
    const wfs_json *snapshot, *record;
    trace *seen;
    int64_t x;

    for (x = 0; x < world->created; x++) {
        seen = trace_of(world, x);
        snapshot = wfs_dags_snapshot(world->dags, (wfs_row_id)(x + 1),
                                     world->scratch);
        record = seen != NULL ? seen->ended : NULL;
        if (snapshot != NULL)
            record = execution_record(world, (wfs_row_id)(x + 1), snapshot);
        if (record == NULL)
            conf_problem(world->one, "execution %ld is gone without an end",
                         (long)x);
        wfs_json_append(world->arena, records, record);
        wfs_arena_clear(world->scratch);
    }
    return records;
}

/* --- what is recorded: messages and reports
 *
 * Times become relative, and ids what they are in the recordings, in the
 * members that are the library's; not in what users put into an execution. */

static const wfs_json *told(wfs_arena *arena, const wfs_json *value);

static bool is_one_of(const char *text, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        if (strcmp(text, *texts) == 0)
            return true;
    return false;
}

static const wfs_json *told_member(wfs_arena *arena, const char *key,
                                   const wfs_json *value)
{
    static const char *const times[] = {"startedAt", "completedAt",
                                        "timestamp", NULL};
    static const char *const ids[] = {"id", "parentExecutionId", NULL};
    static const char *const parts[] = {"payload", "changes", "steps",
                                        "pausedState", "execution",
                                        "artifacts", NULL};
    wfs_json *copy;
    size_t i;

    if (is_number(value) && is_one_of(key, times))
        return wfs_json_new_integer(arena, wfs_json_integer(value) - START);
    if (is_number(value) && is_one_of(key, ids))
        return wfs_json_new_string(
            arena,
            printed(arena, "{id:%ld}", (long)wfs_json_integer(value) - 1));
    if (is_one_of(key, parts))
        return told(arena, value);
    if (strcmp(key, "report") == 0) {
        copy = wfs_json_copy(arena, told(arena, value));
        put(arena, copy, "score", score_of(arena, value));
        return copy;
    }
    if (strcmp(key, "stepResults") != 0 && strcmp(key, "exports") != 0)
        return value;
    copy = empty_like(arena, value);
    for (i = 0; i < wfs_json_count(value); i++)
        copy = conf_put(arena, copy, value, i,
                        told(arena, wfs_json_at(value, i)));
    return copy;
}

static const wfs_json *told(wfs_arena *arena, const wfs_json *value)
{
    const wfs_json *item;
    const char *key;
    wfs_json *copy;
    size_t i;

    if (is_string(value))
        return with_ids(arena, value, 0);
    if (!is_array(value) && !is_object(value))
        return value;
    copy = empty_like(arena, value);
    for (i = 0; i < wfs_json_count(value); i++) {
        key = wfs_json_key_at(value, i, NULL);
        item = wfs_json_at(value, i);
        item = key != NULL ? told_member(arena, key, item)
                           : told(arena, item);
        copy = conf_put(arena, copy, value, i, item);
    }
    return copy;
}

static bool is_recorded(const case_world *world, const char *extra)
{
    return world->kind == LATER &&
           in_list(wfs_json_get(world->one->json, "record"), extra);
}

static void record_message(case_world *world, trace *seen,
                           const wfs_dag_event *event)
{
    const wfs_json *message =
        wfs_dags_message(world->dags, event, world->scratch);

    if (message == NULL)
        conf_problem(world->one, "no message of %s",
                     wfs_dag_event_name(event->type));
    else
        wfs_json_append(world->arena, seen->messages,
                        wfs_json_copy(world->arena,
                                      told(world->scratch, message)));
}

/* The report of the first execution, if it is still there. */
static void record_report(case_world *world)
{
    const wfs_json *report = wfs_dags_report(world->dags, 1, world->scratch);

    if (report != NULL)
        world->report =
            wfs_json_copy(world->arena, told(world->scratch, report));
}

/* --- what is recorded: events */

static wfs_dag_step_status status_named(const char *name)
{
    int status;

    for (status = 1; status < WFS_DAG_STEP_STATUS_COUNT; status++)
        if (same(name,
                 wfs_dag_step_status_name((wfs_dag_step_status)status)))
            return (wfs_dag_step_status)status;
    return WFS_DAG_STEP_STATUS_NONE;
}

static bool has_room(case_world *world, trace *seen, size_t step_count)
{
    size_t size = (step_count + 1) * sizeof *seen->statuses;

    if (seen->statuses == NULL) {
        seen->statuses =
            (wfs_dag_step_status *)wfs_arena_allocate(world->arena, size);
        if (seen->statuses == NULL)
            return false;
        memset(seen->statuses, 0, size);
        seen->step_count = step_count;
    }
    return true;
}

/* The steps that are new or have another status than at the event before. */
static wfs_json *changed_steps(case_world *world, trace *seen,
                               const wfs_json *steps)
{
    wfs_arena *arena = world->arena;
    wfs_json *changed = wfs_json_new_array(arena), *entry;
    wfs_dag_step_status status;
    const wfs_json *step;
    size_t i;

    if (wfs_json_count(steps) > seen->step_count)
        conf_problem(world->one, "more steps than the definition has");
    for (i = 0; i < wfs_json_count(steps) && i < seen->step_count; i++) {
        step = wfs_json_at(steps, i);
        status = status_named(text_of(step, "status"));
        if (status == seen->statuses[i])
            continue;
        seen->statuses[i] = status;
        entry = wfs_json_new_object(arena);
        put_text(arena, entry, "stepId", text_of(step, "stepId"));
        put_text(arena, entry, "status", text_of(step, "status"));
        if (status != WFS_DAG_STEP_RUNNING)
            put_integer(arena, entry, "attempts",
                        integer_of(step, "attempts", -1));
        wfs_json_append(arena, changed, entry);
    }
    return changed;
}

/* The event itself has to agree with the snapshot: the step of an update is
 * the one that changed. */
static void check_event(case_world *world, const wfs_dag_event *event,
                        const wfs_json *snapshot, const wfs_json *changed)
{
    const char *name = wfs_dag_event_name(event->type);
    const wfs_json *entry = wfs_json_at(changed, 0);

    if (!same(text_of(snapshot, "status"),
              wfs_dag_status_name(event->execution->status)))
        conf_problem(world->one, "%s: the event's status is another", name);
    if (event->time - START != now_of(world))
        conf_problem(world->one, "%s: the event's time is another", name);
    if ((event->step != NULL) != (event->type == WFS_DAG_UPDATED))
        conf_problem(world->one, "%s: a step is missing or too many", name);
    else if (event->step != NULL &&
             (!same(text_of(entry, "stepId"), event->step->step_id) ||
              !same(text_of(entry, "status"),
                    wfs_dag_step_status_name(event->step->status))))
        conf_problem(world->one, "%s: the event's step %s did not change",
                     name, event->step->step_id);
}

/* Lives in the scratch arena. */
static wfs_json *paused_record(case_world *world, wfs_row_id id,
                               const wfs_json *state)
{
    wfs_arena *arena = world->scratch;
    const wfs_json *results = wfs_json_get(state, "stepResults");
    wfs_json *record = wfs_json_new_object(arena);
    wfs_json *statuses = wfs_json_new_object(arena);
    size_t i;

    for (i = 0; i < wfs_json_count(results); i++)
        statuses = conf_put(arena, statuses, results, i,
                            wfs_json_get(wfs_json_at(results, i), "status"));
    put_member(arena, record, "pendingStepIds", state, "pendingStepIds");
    put_member(arena, record, "completedStepIds", state, "completedStepIds");
    put_member(arena, record, "passedSteps", state, "passedSteps");
    put(arena, record, "context",
        whole_context(world, id, wfs_json_get(state, "context")));
    put(arena, record, "stepResults", statuses);
    return record;
}

static void record_event(case_world *world, trace *seen,
                         const wfs_dag_event *event, const wfs_json *snapshot)
{
    wfs_arena *arena = world->arena;
    wfs_json *record = wfs_json_new_object(arena);
    wfs_json *changed =
        changed_steps(world, seen, wfs_json_get(snapshot, "steps"));
    const wfs_json *state = wfs_json_get(snapshot, "pausedState");

    put_integer(arena, record, "t_ms", event->time - START);
    put_integer(arena, record, "x", seen->x);
    put_text(arena, record, "type", wfs_dag_event_name(event->type));
    put_text(arena, record, "status",
             wfs_dag_status_name(event->execution->status));
    if (wfs_json_count(changed) != 0)
        put(arena, record, "changed", changed);
    if (event->type == WFS_DAG_HAS_PAUSED)
        put(arena, record, "paused_state",
            wfs_json_copy(arena, paused_record(world, event->execution->id,
                                               state)));
    wfs_json_append(arena, seen->events, record);
    check_event(world, event, snapshot, changed);
}

static bool has_ended(wfs_dag_status status)
{
    return status == WFS_DAG_COMPLETED || status == WFS_DAG_FAILED ||
           status == WFS_DAG_CANCELLED;
}

static void observe(wfs_dags *dags, const wfs_dag_event *event, void *user)
{
    case_world *world = (case_world *)user;
    const wfs_dag_execution *execution = event->execution;
    trace *seen = trace_of(world, (int64_t)execution->id - 1);
    const wfs_json *snapshot =
        wfs_dags_snapshot(dags, execution->id, world->scratch);

    if (seen == NULL || snapshot == NULL ||
        !has_room(world, seen, execution->step_count)) {
        conf_problem(world->one, "an event without its execution");
        return;
    }
    record_event(world, seen, event, snapshot);
    if (is_recorded(world, "ws"))
        record_message(world, seen, event);
    if (has_ended(execution->status)) {
        seen->ended = execution_record(world, execution->id, snapshot);
        if (execution->id == 1 && is_recorded(world, "report"))
            record_report(world);
    }
    if (wfs_arena_failed(world->scratch))
        conf_problem(world->one, "out of memory");
    wfs_arena_clear(world->scratch);
}

/* --- random numbers */

static double next_random(void *user)
{
    case_world *world = (case_world *)user;

    if (!world->lcg)
        return world->constant;
    world->lcg_state =
        (uint32_t)((uint64_t)world->lcg_state * 1664525 + 1013904223);
    return (double)world->lcg_state / 4294967296.0;
}

static void set_random(case_world *world)
{
    const char *given = text_of(world->one->json, "random");

    world->constant = 0.5;
    if (given == NULL)
        return;
    if (begins_with(given, "constant ")) {
        world->constant = strtod(given + strlen("constant "), NULL);
    } else if (begins_with(given, "lcg ")) {
        world->lcg = true;
        world->lcg_state =
            (uint32_t)strtoull(given + strlen("lcg "), NULL, 10);
    } else {
        conf_problem(world->one, "random numbers `%s` are not known", given);
    }
}

/* --- commands */

static bool succeeded(case_world *world, const char *what, wfs_status status)
{
    if (status != WFS_OK)
        conf_problem(world->one, "%s: %s: %s", what, wfs_status_name(status),
                     wfs_dags_error(world->dags)->message);
    return status == WFS_OK;
}

/* The number of a new execution. */
static wfs_json *new_number(case_world *world, wfs_row_id id)
{
    world->created++;
    if ((int64_t)id != world->created)
        conf_problem(world->one, "execution %ld has the id %lu",
                     (long)world->created - 1, (unsigned long)id);
    return wfs_json_new_integer(world->arena, (int64_t)id - 1);
}

/* The definitions of a case, in a list. */
static const wfs_json *definitions_of(wfs_arena *arena, const wfs_json *json)
{
    if (has(json, "scenarios"))
        return wfs_json_get(json, "scenarios");
    return wfs_json_append(arena, wfs_json_new_array(arena),
                           wfs_json_get(json, "scenario"));
}

/* Start one execution; command: NULL for that of a case without any. Its
 * number, or NULL with the error in *error. */
static wfs_json *start(case_world *world, const wfs_json *command,
                       const char **error)
{
    const wfs_json *json = world->one->json;
    const wfs_json *trigger = wfs_json_get(json, "trigger");
    const char *id = text_of(command, "scenario");
    const char *mode = text_of(json, "mode");
    wfs_dag_start options;
    wfs_row_id execution = 0;

    memset(&options, 0, sizeof options);
    if (id == NULL)
        id = text_of(wfs_json_at(definitions_of(world->arena, json), 0), "id");
    if (has(command, "mode"))
        mode = text_of(command, "mode");
    if (same(mode, wfs_dag_mode_name(WFS_DAG_ASSESSMENT)))
        options.mode = WFS_DAG_ASSESSMENT;
    else if (same(mode, wfs_dag_mode_name(WFS_DAG_SIMULATION)))
        options.mode = WFS_DAG_SIMULATION;
    if (has(command, "trigger"))
        trigger = wfs_json_get(command, "trigger");
    if (trigger != NULL)
        options.trigger = wfs_json_write(world->arena, trigger, 0, NULL);
    if (wfs_dags_start(world->dags, id, &options, &execution) == WFS_OK)
        return new_number(world, execution);
    *error = printed(world->arena, "%s", wfs_dags_error(world->dags)->message);
    return NULL;
}

static wfs_json *start_several(case_world *world, const wfs_json *command,
                               const char **error)
{
    int64_t i, count = integer_of(command, "count", 1);
    wfs_json *numbers = wfs_json_new_array(world->arena), *number = NULL;

    for (i = 0; i < count; i++) {
        number = start(world, command, error);
        if (number == NULL)
            return NULL;
        wfs_json_append(world->arena, numbers, number);
    }
    return has(command, "count") ? numbers : number;
}

static wfs_json *restart(case_world *world, wfs_row_id execution)
{
    wfs_row_id restarted = 0;
    wfs_status status =
        wfs_dags_restart(world->dags, execution, &restarted);

    if (status == WFS_ERR_ROW_NOT_FOUND)
        return wfs_json_new_null(world->arena);
    if (!succeeded(world, "restart", status))
        return NULL;
    return new_number(world, restarted);
}

static wfs_json *get(case_world *world, wfs_row_id id)
{
    wfs_dag_execution execution;
    wfs_status status = wfs_dags_execution(world->dags, id, &execution);

    if (status == WFS_ERR_ROW_NOT_FOUND)
        return wfs_json_new_null(world->arena);
    if (!succeeded(world, "get", status))
        return NULL;
    return wfs_json_new_string(world->arena,
                               wfs_dag_status_name(execution.status));
}

/* pause, resume and cancel, of one or of all; NULL when it is none. */
static wfs_json *control(case_world *world, const char *what,
                         wfs_row_id execution)
{
    static const struct {
        const char *name;
        wfs_status (*one)(wfs_dags *dags, wfs_row_id id, bool *accepted);
        wfs_status (*all)(wfs_dags *dags, size_t *count);
    } controls[] = {{"pause", wfs_dags_pause, NULL},
                    {"resume", wfs_dags_resume, NULL},
                    {"cancel", wfs_dags_cancel, NULL},
                    {"pause_all", NULL, wfs_dags_pause_all},
                    {"resume_all", NULL, wfs_dags_resume_all},
                    {"cancel_all", NULL, wfs_dags_cancel_all}};
    bool accepted = false;
    size_t i, count = 0;

    for (i = 0; i < COUNT(controls); i++) {
        if (strcmp(controls[i].name, what) != 0)
            continue;
        if (controls[i].one != NULL) {
            succeeded(world, what,
                      controls[i].one(world->dags, execution, &accepted));
            return wfs_json_new_bool(world->arena, accepted);
        }
        succeeded(world, what, controls[i].all(world->dags, &count));
        return wfs_json_new_integer(world->arena, (int64_t)count);
    }
    return NULL;
}

static wfs_json *do_command(case_world *world, size_t place,
                            const wfs_json *command)
{
    wfs_arena *arena = world->arena;
    wfs_json *record = wfs_json_new_object(arena), *result;
    const char *what = text_of(command, "do"), *error = NULL;
    wfs_row_id id = (wfs_row_id)(integer_of(command, "exec", 0) + 1);

    if (what == NULL)
        what = "nothing";
    if (strcmp(what, "start") == 0)
        result = start_several(world, command, &error);
    else if (strcmp(what, "restart") == 0)
        result = restart(world, id);
    else if (strcmp(what, "get") == 0)
        result = get(world, id);
    else if (strcmp(what, "count") == 0)
        result = wfs_json_new_integer(
            arena, (int64_t)wfs_count(wfs_dags_store(world->dags),
                                      "dag_execution"));
    else
        result = control(world, what, id);
    if (result == NULL && error == NULL)
        conf_problem(world->one, "commands[%lu]: `%s` was not done",
                     (unsigned long)place, what);
    put_integer(arena, record, "i", (int64_t)place);
    put_integer(arena, record, "t_ms", integer_of(command, "at_ms", 0));
    if (error != NULL)
        put_text(arena, record, "error", error);
    else
        put(arena, record, "result", result);
    return record;
}

/* Whether a command is due at `from` or later; the first time at which one
 * is. */
static bool next_instant(const wfs_json *commands, int64_t from, int64_t *time)
{
    bool found = false;
    int64_t at;
    size_t i;

    for (i = 0; i < wfs_json_count(commands); i++) {
        at = integer_of(wfs_json_at(commands, i), "at_ms", 0);
        if (at >= from && (!found || at < *time)) {
            *time = at;
            found = true;
        }
    }
    return found;
}

/* Run up to an instant; what is due then comes after its commands. */
static void go_to(case_world *world, int64_t time)
{
    if (time > 0)
        succeeded(world, "run",
                  wfs_dags_run_until(world->dags, START + time - 1));
    wfs_clock_set(wfs_dags_clock(world->dags), START + time);
}

static wfs_json *run_commands(case_world *world)
{
    const wfs_json *commands = wfs_json_get(world->one->json, "commands");
    wfs_json *records = wfs_json_new_array(world->arena);
    const wfs_json *command;
    const char *error = NULL;
    bool starts = false;
    int64_t time = 0, from = 0;
    size_t i;

    for (i = 0; i < wfs_json_count(commands); i++)
        starts |= same(text_of(wfs_json_at(commands, i), "do"), "start");
    if (!starts && start(world, NULL, &error) == NULL)
        conf_problem(world->one, "%s", error);
    while (next_instant(commands, from, &time)) {
        go_to(world, time);
        for (i = 0; i < wfs_json_count(commands); i++) {
            command = wfs_json_at(commands, i);
            if (integer_of(command, "at_ms", 0) == time)
                wfs_json_append(world->arena, records,
                                do_command(world, i, command));
        }
        from = time + 1;
    }
    succeeded(world, "run", wfs_dags_run(world->dags));
    return records;
}

/* --- verdicts on definitions */

static wfs_dag_scheduling scheduling_of(engine kind)
{
    return kind == WAVES ? WFS_DAG_WAVES : WFS_DAG_REACTIVE;
}

static wfs_json *messages_of(wfs_arena *arena, const wfs_problem *problems,
                             size_t count)
{
    wfs_json *messages = wfs_json_new_array(arena);
    size_t i;

    for (i = 0; i < count; i++)
        wfs_json_append(arena, messages,
                        wfs_json_new_string(arena, problems[i].message));
    return messages;
}

static wfs_json *issues_of(wfs_arena *arena, const wfs_problem *problems,
                           size_t count)
{
    wfs_json *issues = wfs_json_new_array(arena), *issue;
    size_t i;

    for (i = 0; i < count; i++) {
        issue = wfs_json_new_object(arena);
        put(arena, issue, "path", problems[i].path);
        put_text(arena, issue, "code", problems[i].code);
        wfs_json_append(arena, issues, issue);
    }
    return issues;
}

static wfs_json *actual_verdict(conf_case *one, engine kind,
                                const wfs_json *definition)
{
    wfs_arena *arena = one->arena;
    wfs_json *record = wfs_json_new_object(arena);
    wfs_dag_verdict verdict;

    if (wfs_dag_validate(arena, definition, scheduling_of(kind), &verdict) !=
        WFS_OK) {
        conf_problem(one, "the definition could not be judged");
        return record;
    }
    put_bool(arena, record, "accepted", verdict.accepted);
    put_bool(arena, record, "schema_ok", verdict.issue_count == 0);
    if (verdict.issue_count != 0) {
        put(arena, record, "issues",
            issues_of(arena, verdict.issues, verdict.issue_count));
        return record;
    }
    put(arena, record, "errors",
        messages_of(arena, verdict.errors, verdict.error_count));
    put(arena, record, "warnings",
        messages_of(arena, verdict.warnings, verdict.warning_count));
    put(arena, record, "normalized", verdict.normalized);
    return record;
}

/* A recorded verdict, with what it leaves out: that the accepted form is the
 * definition itself. The messages of issues are informative. */
static wfs_json *expected_verdict(wfs_arena *arena, const wfs_json *recorded,
                                  const wfs_json *definition)
{
    wfs_json *expected = wfs_json_copy(arena, recorded);
    const wfs_json *issues = wfs_json_get(recorded, "issues");
    wfs_json *plain = wfs_json_new_array(arena), *issue;
    size_t i;

    for (i = 0; i < wfs_json_count(issues); i++) {
        issue = wfs_json_new_object(arena);
        put_member(arena, issue, "path", wfs_json_at(issues, i), "path");
        put_member(arena, issue, "code", wfs_json_at(issues, i), "code");
        wfs_json_append(arena, plain, issue);
    }
    if (issues != NULL)
        put(arena, expected, "issues", plain);
    if (wfs_json_bool(wfs_json_get(recorded, "schema_ok")) &&
        !has(recorded, "normalized"))
        put(arena, expected, "normalized", definition);
    return expected;
}

/* Whether the definitions of a case have the right form, and whether they are
 * accepted altogether. */
static bool judge_all(const wfs_json *json, wfs_dag_scheduling scheduling,
                      bool *accepted)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    const wfs_json *definitions;
    wfs_dag_verdict verdict;
    bool right_form = true;
    size_t i;

    *accepted = true;
    if (arena == NULL)
        return true;
    definitions = definitions_of(arena, json);
    for (i = 0; i < wfs_json_count(definitions); i++) {
        if (wfs_dag_validate(arena, wfs_json_at(definitions, i), scheduling,
                             &verdict) != WFS_OK)
            continue;
        right_form = right_form && verdict.issue_count == 0;
        *accepted = *accepted && verdict.accepted;
    }
    wfs_arena_free(arena);
    return right_form;
}

/* --- expectations in the form that is compared */

/* The recording that counts for an engine. */
static const wfs_json *recording_of(const wfs_json *json, engine kind)
{
    if (kind == LATER && has(json, "expect_head"))
        return wfs_json_get(json, "expect_head");
    return wfs_json_get(json, "expect");
}

/* The execution that an event, a request or a message is of, as a key. */
static const char *execution_key(wfs_arena *arena, const wfs_json *entry)
{
    const wfs_json *id = wfs_json_path(entry, "payload.id");

    if (is_string(id))
        return wfs_json_string(id, NULL);
    return printed(arena, "%ld", (long)integer_of(entry, "x", -1));
}

/* A list as an object of lists, by execution. */
static wfs_json *by_execution(wfs_arena *arena, const wfs_json *list)
{
    wfs_json *all = wfs_json_new_object(arena), *own;
    const char *key;
    size_t i, j;

    for (i = 0; i < wfs_json_count(list); i++) {
        key = execution_key(arena, wfs_json_at(list, i));
        if (has(all, key))
            continue;
        own = wfs_json_new_array(arena);
        for (j = i; j < wfs_json_count(list); j++)
            if (same(execution_key(arena, wfs_json_at(list, j)), key))
                wfs_json_append(arena, own, wfs_json_at(list, j));
        put(arena, all, key, own);
    }
    return all;
}

/* A failed step of the wave engine has no duration; here it has. */
static const wfs_json *expected_step(wfs_arena *arena, const wfs_json *step)
{
    wfs_json *copy;

    if (!same(text_of(step, "status"), "failed") || has(step, "duration_ms"))
        return step;
    copy = wfs_json_copy(arena, step);
    put_integer(arena, copy, "duration_ms",
                integer_of(step, "completed_ms", 0) -
                    integer_of(step, "started_ms", 0));
    return copy;
}

/* The wave engine's spelling of an artifact in that of the later revision. */
static const wfs_json *expected_artifact(wfs_arena *arena,
                                         const wfs_json *artifact)
{
    static const char *const endings[][2] = {{".pdf", "?format=html"},
                                             {".json", "?format=json"}};
    const char *text = wfs_json_string(artifact, NULL);
    size_t i, size, end_size;

    for (i = 0; text != NULL && i < COUNT(endings); i++) {
        size = strlen(text);
        end_size = strlen(endings[i][0]);
        if (size >= end_size &&
            strcmp(text + size - end_size, endings[i][0]) == 0)
            return wfs_json_new_string(
                arena, printed(arena, "%.*s%s", (int)(size - end_size), text,
                               endings[i][1]));
    }
    return artifact;
}

static wfs_json *expected_report(wfs_arena *arena, const wfs_json *report)
{
    wfs_json *copy = wfs_json_copy(arena, report);
    wfs_json *artifacts = wfs_json_new_array(arena);
    const wfs_json *given = wfs_json_get(report, "artifacts");
    size_t i;

    for (i = 0; i < wfs_json_count(given); i++)
        wfs_json_append(arena, artifacts,
                        expected_artifact(arena, wfs_json_at(given, i)));
    put(arena, copy, "artifacts", artifacts);
    return copy;
}

static wfs_json *expected_execution(wfs_arena *arena,
                                    const wfs_json *execution)
{
    const wfs_json *given = wfs_json_get(execution, "steps"), *value;
    wfs_json *copy = wfs_json_new_object(arena);
    wfs_json *steps = wfs_json_new_array(arena);
    const char *key;
    size_t i;

    for (i = 0; i < wfs_json_count(execution); i++) {
        key = wfs_json_key_at(execution, i, NULL);
        value = wfs_json_at(execution, i);
        if (strcmp(key, "report") == 0)
            put(arena, copy, key, expected_report(arena, value));
        /* An empty trigger is the same as none. */
        else if (strcmp(key, "trigger") != 0 || wfs_json_count(value) != 0)
            put(arena, copy, key, value);
    }
    for (i = 0; i < wfs_json_count(given); i++)
        wfs_json_append(arena, steps,
                        expected_step(arena, wfs_json_at(given, i)));
    put(arena, copy, "steps", steps);
    return copy;
}

static wfs_json *expected_executions(wfs_arena *arena,
                                     const wfs_json *executions)
{
    wfs_json *copy = wfs_json_new_array(arena);
    size_t i;

    for (i = 0; i < wfs_json_count(executions); i++)
        wfs_json_append(arena, copy,
                        expected_execution(arena,
                                           wfs_json_at(executions, i)));
    return copy;
}

/* What a target or a list of endpoints was refused for. */
static wfs_json *expected_refusal(wfs_arena *arena, const char *recorded)
{
    const char *text =
        replaced(arena, recorded, "CRUCIBLE_TARGET_URL", "target");

    return wfs_json_new_string(
        arena, replaced(arena, text, "CRUCIBLE_OUTBOUND_ALLOWLIST", "allow"));
}

static wfs_json *expected_run(case_world *world)
{
    wfs_arena *arena = world->arena;
    const wfs_json *json = world->one->json, *value;
    const wfs_json *recorded = recording_of(json, world->kind);
    wfs_json *expected = wfs_json_new_object(arena);
    const char *key;
    size_t i;

    for (i = 0; i < wfs_json_count(recorded); i++) {
        key = wfs_json_key_at(recorded, i, NULL);
        value = wfs_json_at(recorded, i);
        if (strcmp(key, "events") == 0 || strcmp(key, "requests") == 0 ||
            strcmp(key, "ws") == 0)
            value = by_execution(arena, value);
        else if (strcmp(key, "executions") == 0)
            value = expected_executions(arena, value);
        else if (strcmp(key, "engine_error") == 0)
            value = expected_refusal(arena, wfs_json_string(value, NULL));
        put(arena, expected, key, value);
    }
    if (has(json, "definition_accepted"))
        put_member(arena, expected, "definition_accepted", json,
                   "definition_accepted");
    if (has(json, "verdict"))
        put(arena, expected, "verdict",
            expected_verdict(arena, wfs_json_get(json, "verdict"),
                             wfs_json_get(json, "scenario")));
    return expected;
}

/* --- what is expected only in part */

/* What came, with the mask in place of a text that it stands for. */
static const wfs_json *masked(wfs_arena *arena, const wfs_json *expected,
                              const wfs_json *actual)
{
    static const char *const masks[] = {"@json-parse-error",
                                        "@internal-error", NULL};
    const char *mask = wfs_json_string(expected, NULL);
    const wfs_json *other;
    wfs_json *copy;
    const char *key;
    size_t i, size;

    if (mask != NULL && is_one_of(mask, masks)) {
        (void)wfs_json_string(actual, &size);
        return is_string(actual) && size != 0 ? expected : actual;
    }
    if (wfs_json_type_of(expected) != wfs_json_type_of(actual) ||
        (!is_array(actual) && !is_object(actual)))
        return actual;
    copy = empty_like(arena, actual);
    for (i = 0; i < wfs_json_count(actual); i++) {
        key = wfs_json_key_at(actual, i, &size);
        other = key != NULL ? wfs_json_get_n(expected, key, size)
                            : wfs_json_at(expected, i);
        copy = conf_put(arena, copy, actual, i,
                        masked(arena, other, wfs_json_at(actual, i)));
    }
    return copy;
}

/* A part of a request with each {{iteration}} in its texts replaced. */
static const wfs_json *with_iteration(wfs_arena *arena, const wfs_json *value,
                                      const char *number)
{
    wfs_json *copy;
    size_t i;

    if (is_string(value) &&
        strstr(wfs_json_string(value, NULL), "{{iteration}}") != NULL)
        return wfs_json_new_string(
            arena, replaced(arena, wfs_json_string(value, NULL),
                            "{{iteration}}", number));
    if (!is_array(value) && !is_object(value))
        return value;
    copy = empty_like(arena, value);
    for (i = 0; i < wfs_json_count(value); i++)
        copy = conf_put(arena, copy, value, i,
                        with_iteration(arena, wfs_json_at(value, i), number));
    return copy;
}

/* Requests with the number of its iteration in each. */
static wfs_json *numbered(wfs_arena *arena, const wfs_json *requests,
                          const wfs_json *numbers)
{
    wfs_json *list = wfs_json_new_array(arena);
    const wfs_json *request;
    const char *number;
    size_t i;

    for (i = 0; i < wfs_json_count(requests); i++) {
        request = wfs_json_at(requests, i);
        number = wfs_json_write(arena, wfs_json_at(numbers, i), 0, NULL);
        wfs_json_append(arena, list, with_iteration(arena, request, number));
    }
    return list;
}

/* The engine leaves {{iteration}} as it is, against its document; here it is
 * the number of the iteration, so that this is expected where it stands. */
static void expect_iterations(case_world *world, wfs_json *expected)
{
    const wfs_json *given = wfs_json_get(expected, "requests");
    wfs_json *requests = wfs_json_new_object(world->arena);
    const trace *seen;
    const char *key;
    size_t i;

    for (i = 0; i < wfs_json_count(given); i++) {
        key = wfs_json_key_at(given, i, NULL);
        seen = trace_of(world, strtol(key, NULL, 10));
        if (seen != NULL)
            put(world->arena, requests, key,
                numbered(world->arena, wfs_json_at(given, i),
                         seen->iterations));
    }
    put(world->arena, expected, "requests", requests);
}

/* --- a case */

static wfs_dag_retention retention_of(const wfs_json *options)
{
    const char *text = text_of(options, "stepBodyRetention");

    if (same(text, "none"))
        return WFS_DAG_KEEP_NONE;
    return same(text, "failed-only") ? WFS_DAG_KEEP_FAILED : WFS_DAG_KEEP_ALL;
}

static wfs_dag_options options_of(case_world *world)
{
    const wfs_json *json = world->one->json;
    const wfs_json *given = wfs_json_get(json, "options");
    wfs_dag_options options;

    memset(&options, 0, sizeof options);
    options.unchecked = has(json, "definition_accepted") &&
                        !wfs_json_bool(wfs_json_get(json,
                                                    "definition_accepted"));
    options.scheduling = scheduling_of(world->kind);
    options.max_concurrency = (size_t)integer_of(json, "maxConcurrency", 0);
    options.transport = &world->transport;
    options.report_url = "http://dash.test";
    options.random = next_random;
    options.observe = observe;
    options.user = world;
    options.clock_start = START;
    options.limits.json_depth = CONF_DEPTH;
    options.limits.json_size = (size_t)1 << 30;
    options.limits.name_size = (size_t)1 << 30;
    if (world->kind == WAVES) {
        options.strict_json = true;
        options.retention = WFS_DAG_KEEP_NONE;
        return options;
    }
    options.target = has(given, "targetUrl") ? text_of(given, "targetUrl")
                                             : "http://t.test";
    options.allow = has(given, "outboundAllowlist")
                        ? text_of(given, "outboundAllowlist")
                        : "";
    options.retention = retention_of(given);
    options.retention_size = (size_t)integer_of(given, "stepBodyMaxBytes", 0);
    options.evict_after = 5000;
    options.evict_above = SIZE_MAX;
    options.evict_every = -1;
    return options;
}

/* What was seen of each execution, in the form of `by_execution`. */
static void put_traces(case_world *world, wfs_json *actual)
{
    wfs_arena *arena = world->arena;
    wfs_json *events = wfs_json_new_object(arena);
    wfs_json *requests = wfs_json_new_object(arena);
    wfs_json *messages = wfs_json_new_object(arena);
    const trace *seen;
    const char *key;

    for (seen = world->traces; seen != NULL; seen = seen->next) {
        key = printed(arena, "%ld", (long)seen->x);
        if (wfs_json_count(seen->events) != 0)
            put(arena, events, key, seen->events);
        if (wfs_json_count(seen->requests) != 0)
            put(arena, requests, key, seen->requests);
        if (wfs_json_count(seen->messages) != 0)
            put(arena, messages,
                execution_key(arena, wfs_json_at(seen->messages, 0)),
                seen->messages);
    }
    put(arena, actual, "events", events);
    put(arena, actual, "requests", requests);
    if (is_recorded(world, "ws"))
        put(arena, actual, "ws", messages);
}

/* Everything that a run with these DAGs has to show. */
static void drive(case_world *world, wfs_json *actual)
{
    const wfs_json *json = world->one->json, *commands;

    if (!succeeded(world, "load",
                   wfs_dags_load_json(world->dags,
                                      definitions_of(world->arena, json))))
        return;
    commands = run_commands(world);
    put_traces(world, actual);
    put(world->arena, actual, "executions", execution_records(world));
    if (has(json, "commands"))
        put(world->arena, actual, "commands", commands);
    if (is_recorded(world, "report")) {
        record_report(world);
        put(world->arena, actual, "report_payload", world->report);
    }
}

static wfs_json *actual_run(case_world *world)
{
    const wfs_json *json = world->one->json;
    wfs_json *actual = wfs_json_new_object(world->arena);
    wfs_dag_options options = options_of(world);
    wfs_error error;
    bool accepted;

    if (wfs_dags_create(&options, &world->dags, &error) == WFS_OK) {
        drive(world, actual);
        wfs_dags_free(world->dags);
    } else if (error.code == WFS_ERR_VALIDATION) {
        put_text(world->arena, actual, "engine_error", error.message);
    } else {
        conf_problem(world->one, "create: %s", error.message);
    }
    if (has(json, "definition_accepted")) {
        (void)judge_all(json, WFS_DAG_REACTIVE, &accepted);
        put_bool(world->arena, actual, "definition_accepted", accepted);
    }
    if (has(json, "verdict"))
        put(world->arena, actual, "verdict",
            actual_verdict(world->one, LATER, wfs_json_get(json, "scenario")));
    return actual;
}

static size_t *new_counts(wfs_arena *arena, size_t count)
{
    size_t *counts =
        (size_t *)wfs_arena_allocate(arena, (count + 1) * sizeof *counts);

    if (counts != NULL)
        memset(counts, 0, (count + 1) * sizeof *counts);
    return counts;
}

/* Run a case as one engine. */
static void run_as(conf_case *one, engine kind, const wfs_json **expected,
                   const wfs_json **actual)
{
    const wfs_json *rules = wfs_json_path(one->json, "transport.rules");
    case_world world;
    wfs_json *wanted;

    memset(&world, 0, sizeof world);
    world.one = one;
    world.arena = one->arena;
    world.scratch = wfs_arena_create(NULL);
    world.kind = kind;
    world.transport.send = send_request;
    world.transport.user = &world;
    world.rule_counts = new_counts(one->arena, wfs_json_count(rules));
    if (world.scratch == NULL || world.rule_counts == NULL) {
        conf_problem(one, "out of memory");
        wfs_arena_free(world.scratch);
        return;
    }
    set_random(&world);
    wanted = expected_run(&world);
    *actual = shortened(one->arena, actual_run(&world));
    if (in_list(wfs_json_get(one->json, "doc_differs"), "iteration-builtin"))
        expect_iterations(&world, wanted);
    *expected = wanted;
    *actual = masked(one->arena, wanted, *actual);
    wfs_arena_free(world.scratch);
}

static bool is_verdict(const wfs_json *json)
{
    return same(text_of(json, "kind"), "validate");
}

static void run_case(conf_case *one)
{
    wfs_json *all_expected = wfs_json_new_object(one->arena);
    wfs_json *all_actual = wfs_json_new_object(one->arena);
    const wfs_json *definition = wfs_json_get(one->json, "definition");
    const wfs_json *expected = NULL, *actual = NULL;
    int kind;

    for (kind = 0; kind < ENGINE_COUNT; kind++) {
        if (only_engine != NULL &&
            strcmp(only_engine, engine_names[kind]) != 0)
            continue;
        if (recording_of(one->json, (engine)kind) == NULL)
            conf_problem(one, "the case has no expectation");
        if (is_verdict(one->json)) {
            expected = expected_verdict(
                one->arena, recording_of(one->json, (engine)kind), definition);
            actual = actual_verdict(one, (engine)kind, definition);
        } else {
            run_as(one, (engine)kind, &expected, &actual);
        }
        put(one->arena, all_expected, engine_names[kind], expected);
        put(one->arena, all_actual, engine_names[kind], actual);
    }
    one->expected = all_expected;
    one->actual = all_actual;
}

/* --- what is skipped */

static const char *skip_case(const wfs_json *json)
{
    bool accepted;

    if (in_list(wfs_json_get(json, "doc_differs"),
                "inherited-properties-visible"))
        return "names of JavaScript's objects look like members "
               "(inherited-properties-visible)";
    if (in_list(wfs_json_get(json, "head_diff"), "undefined-input"))
        return "what the schema refuses has no meaning (undefined-input)";
    /* The wave engine's schema: members that only the later one knows are no
     * reason. */
    if (!is_verdict(json) && has(json, "definition_accepted") &&
        !wfs_json_bool(wfs_json_get(json, "definition_accepted")) &&
        !judge_all(json, WFS_DAG_WAVES, &accepted))
        return "a definition that the schema refuses";
    return NULL;
}

static bool option(const char *name, const char *value)
{
    int kind;

    if (strcmp(name, "--engine") != 0)
        return false;
    for (kind = 0; kind < ENGINE_COUNT; kind++)
        if (strcmp(value, engine_names[kind]) == 0)
            only_engine = engine_names[kind];
    return only_engine != NULL && strcmp(only_engine, value) == 0;
}

int main(int argc, char **argv)
{
    static const conf_suite suite = {
        "conformance-crucible",
        "tests/conformance/crucible",
        "../shared/conformance/crucible",
        run_case,
        skip_case,
        option,
        "[--engine waves|later] "};

    return conf_main(&suite, argc, argv);
}
