/* URLs, headers, URL patterns. What URLs become was made with `new URL` of
 * Node 20, what patterns match with path-to-regexp 6.3.0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "sweep.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- URLs */

typedef struct url_case {
    const char *url;
    const char *normal;         /* NULL: refused */
} url_case;

static const url_case urls[] = {
    {"http://h", "http://h/"},
    {"http://h/", "http://h/"},
    {"HTTP://H/", "http://h/"},
    {"https://h:443/", "https://h/"},
    {"http://h:443/", "http://h:443/"},
    {"http://h:80/a", "http://h/a"},
    {"https://h:80/", "https://h:80/"},
    {"http://h:8080", "http://h:8080/"},
    {"http://h:", "http://h/"},
    {"http://h:/x", "http://h/x"},
    {"http://h:0/", "http://h:0/"},
    {"http://h:00080/", "http://h/"},
    {"http://h:65535/", "http://h:65535/"},
    {"http://h:65536/", NULL},
    {"http://h:8x/", NULL},
    {"http://h:-1/", NULL},
    {"http://h: 80/", NULL},
    {"http://h:8\x0A" "0/", "http://h/"},
    {"http:h", "http://h/"},
    {"http:/h", "http://h/"},
    {"http:///h", "http://h/"},
    {"http:\\\\h\\a\\b", "http://h/a/b"},
    {"https:/\\/h/a\\b?c\\d", "https://h/a/b?c\\d"},
    {"  http://h/ \x09", "http://h/"},
    {"\x0Ahttp://h/\x0A", "http://h/"},
    {"ht\x0Atp://h/", "http://h/"},
    {"\x01http://h/\x1F", "http://h/"},
    {"http://", NULL},
    {"http:///", NULL},
    {"http:", NULL},
    {"http", NULL},
    {"", NULL},
    {"h", NULL},
    {"/a/b", NULL},
    {"//h/a", NULL},
    {"ftp://h/", NULL},
    {"file:///a", NULL},
    {"ws://h/", NULL},
    {"data:x", NULL},
    {"javascript:1", NULL},
    {"httpx://h", NULL},
    {"http//h", NULL},
    {"http://?q", NULL},
    {"http://#f", NULL},
    {"http://:80/", NULL},
    {"http://@/", NULL},
    {"http://u@/", NULL},
    {"http://u@h", "http://u@h/"},
    {"http://u:p@h/", "http://u:p@h/"},
    {"http://:p@h/", "http://:p@h/"},
    {"http://u:@h/", "http://u@h/"},
    {"http://:@h/", "http://h/"},
    {"http://@h/", "http://h/"},
    {"http://a@b@h/", "http://a%40b@h/"},
    {"http://a:b:c@h/", "http://a:b%3Ac@h/"},
    {"http://u/@h", "http://u/@h"},
    {"http://\xC3\xA9:\xC3\xBC@h/", "http://%C3%A9:%C3%BC@h/"},
    {"http://a b:[]|^@h/", "http://a%20b:%5B%5D%7C%5E@h/"},
    {"http://'`{}@h/", "http://'%60%7B%7D@h/"},
    {"http://Example.COM./", "http://example.com./"},
    {"http://a..b/", "http://a..b/"},
    {"http://.", "http://./"},
    {"http://a_b/", "http://a_b/"},
    {"http://-a-/", "http://-a-/"},
    {"http://a*b/", "http://a*b/"},
    {"http://a!$&'()*+,;=~b/", "http://a!$&'()*+,;=~b/"},
    {"http://%41%2e%42/", "http://a.b/"},
    {"http://%zz/", NULL},
    {"http://%/", NULL},
    {"http://a%00b/", NULL},
    {"http://a%20b/", NULL},
    {"http://a b/", NULL},
    {"http://a<b/", NULL},
    {"http://a^b/", NULL},
    {"http://a|b/", NULL},
    {"http://a`b/", "http://a`b/"},
    {"http://a{b}/", "http://a{b}/"},
    {"http://a\"b/", "http://a\"b/"},
    {"http://a[b/", NULL},
    {"http://a]b/", NULL},
    {"http://a\x7F" "b/", NULL},
    {"http://127.0.0.1/", "http://127.0.0.1/"},
    {"http://127.1/", "http://127.0.0.1/"},
    {"http://0x7f.1/", "http://127.0.0.1/"},
    {"http://0X7F.0.0.1/", "http://127.0.0.1/"},
    {"http://0177.0.0.01/", "http://127.0.0.1/"},
    {"http://2130706433/", "http://127.0.0.1/"},
    {"http://4294967295/", "http://255.255.255.255/"},
    {"http://4294967296/", NULL},
    {"http://0/", "http://0.0.0.0/"},
    {"http://00/", "http://0.0.0.0/"},
    {"http://0x/", "http://0.0.0.0/"},
    {"http://0x.0x/", "http://0.0.0.0/"},
    {"http://1.2.3.4./", "http://1.2.3.4/"},
    {"http://1.2.3.4../", "http://1.2.3.4../"},
    {"http://1.2.3.4.5/", NULL},
    {"http://1..2/", NULL},
    {"http://256.1/", NULL},
    {"http://1.256.1.1/", NULL},
    {"http://1.2.65535/", "http://1.2.255.255/"},
    {"http://1.2.65536/", NULL},
    {"http://1.16777215/", "http://1.255.255.255/"},
    {"http://1.16777216/", NULL},
    {"http://09/", NULL},
    {"http://08.1/", NULL},
    {"http://a.1/", NULL},
    {"http://a.09/", NULL},
    {"http://a.0x/", NULL},
    {"http://a.0xg/", "http://a.0xg/"},
    {"http://1.a/", "http://1.a/"},
    {"http://1a/", "http://1a/"},
    {"http://a.1b/", "http://a.1b/"},
    {"http://%31%32%37.1/", "http://127.0.0.1/"},
    {"http://1.2.3.4:80/", "http://1.2.3.4/"},
    {"http://[::]/", "http://[::]/"},
    {"http://[::1]:8080/", "http://[::1]:8080/"},
    {"http://[1::]/", "http://[1::]/"},
    {"http://[1:2:3:4:5:6:7:8]/", "http://[1:2:3:4:5:6:7:8]/"},
    {"http://[1:2:3:4:5:6:7]/", NULL},
    {"http://[1:2:3:4:5:6:7:8:9]/", NULL},
    {"http://[1::2::3]/", NULL},
    {"http://[0:0:1:0:0:0:1:0]/", "http://[0:0:1::1:0]/"},
    {"http://[1:0:0:2:0:0:3:4]/", "http://[1::2:0:0:3:4]/"},
    {"http://[1:0:2:3:4:5:6:7]/", "http://[1:0:2:3:4:5:6:7]/"},
    {"http://[ABCD:EF01::]/", "http://[abcd:ef01::]/"},
    {"http://[00a:0b::c]/", "http://[a:b::c]/"},
    {"http://[12345::]/", NULL},
    {"http://[::1.2.3.4]/", "http://[::102:304]/"},
    {"http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/"},
    {"http://[1.2.3.4]/", NULL},
    {"http://[::1.2.3]/", NULL},
    {"http://[::1.2.3.256]/", NULL},
    {"http://[::01.2.3.4]/", NULL},
    {"http://[::1.2.3.4.5]/", NULL},
    {"http://[1:2:3:4:5:6:1.2.3.4]/", "http://[1:2:3:4:5:6:102:304]/"},
    {"http://[1:2:3:4:5:6:7:1.2.3.4]/", NULL},
    {"http://[:1]/", NULL},
    {"http://[1:]/", NULL},
    {"http://[::1/", NULL},
    {"http://[::1]x/", NULL},
    {"http://[]/", NULL},
    {"http://[::g]/", NULL},
    {"http://[::1%25eth0]/", NULL},
    {"http://[1:2:3:4:5:6:7::]/", "http://[1:2:3:4:5:6:7:0]/"},
    {"http://[::2:3:4:5:6:7:8]/", "http://[0:2:3:4:5:6:7:8]/"},
    {"http://[::1:2:3:4:5:6:7:8]/", NULL},
    {"http://u@[::1]:80/", "http://u@[::1]/"},
    {"http://m\xC3\xBCnchen.de/", "http://xn--mnchen-3ya.de/"},
    {"http://b\xC3\xBC" "cher.example/", "http://xn--bcher-kva.example/"},
    {"http://\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E.jp/",
     "http://xn--wgv71a119e.jp/"},
    {"http://x.\xE6\x97\xA5\xE6\x9C\xAC/", "http://x.xn--wgv71a/"},
    {"http://\xCE\xB1.\xCE\xB2/", "http://xn--mxa.xn--nxa/"},
    {"http://%C3%BC.de/", "http://xn--tda.de/"},
    {"http://%ff.de/", NULL},
    {"http://\xC3\xA9-a/", "http://xn---a-9ia/"},
    {"http://a\xC3\xA9/", "http://xn--a-bga/"},
    {"http://\xC3\xBC/", "http://xn--tda/"},
    {"http://\xF0\x9F\x98\x80.la/", "http://xn--e28h.la/"},
    {"http://\xEF\xBF\xBD/", NULL},
    {"http://h/a b", "http://h/a%20b"},
    {"http://h/\xC3\xA9", "http://h/%C3%A9"},
    {"http://h/\xE6\x97\xA5\xE6\x9C\xAC", "http://h/%E6%97%A5%E6%9C%AC"},
    {"http://h/\xF0\x9F\x98\x80", "http://h/%F0%9F%98%80"},
    {"http://h/%", "http://h/%"},
    {"http://h/%4", "http://h/%4"},
    {"http://h/%41", "http://h/%41"},
    {"http://h/%zz", "http://h/%zz"},
    {"http://h/%c3%a9", "http://h/%c3%a9"},
    {"http://h/\"<>`{}|^~[]", "http://h/%22%3C%3E%60%7B%7D|^~[]"},
    {"http://h/'!$&()*+,;=:@", "http://h/'!$&()*+,;=:@"},
    {"http://h/a\x09" "b\x0A" "c", "http://h/abc"},
    {"http://h/\x01\x7F", "http://h/%01%7F"},
    {"http://h/.", "http://h/"},
    {"http://h/..", "http://h/"},
    {"http://h/./a", "http://h/a"},
    {"http://h/../a", "http://h/a"},
    {"http://h/a/.", "http://h/a/"},
    {"http://h/a/..", "http://h/"},
    {"http://h/a/./b", "http://h/a/b"},
    {"http://h/a/../b", "http://h/b"},
    {"http://h/a/b/../../c", "http://h/c"},
    {"http://h/a/b/../../../c", "http://h/c"},
    {"http://h/%2e", "http://h/"},
    {"http://h/%2E%2e", "http://h/"},
    {"http://h/.%2e/a", "http://h/a"},
    {"http://h/%2e./a", "http://h/a"},
    {"http://h/a/%2e/b", "http://h/a/b"},
    {"http://h/a/%2e%2e/b", "http://h/b"},
    {"http://h/...", "http://h/..."},
    {"http://h/.../a", "http://h/.../a"},
    {"http://h/a/.b/..c/d.", "http://h/a/.b/..c/d."},
    {"http://h/%2ea", "http://h/%2ea"},
    {"http://h/%2e%2e%2e", "http://h/%2e%2e%2e"},
    {"http://h/a//..", "http://h/a/"},
    {"http://h/a//../..", "http://h/"},
    {"http://h//", "http://h//"},
    {"http://h//a//b", "http://h//a//b"},
    {"http://h/a\\..\\b", "http://h/b"},
    {"http://h/a/..?q", "http://h/?q"},
    {"http://h/a/..#f", "http://h/"},
    {"http://h?", "http://h/?"},
    {"http://h?q", "http://h/?q"},
    {"http://h/?", "http://h/?"},
    {"http://h/#", "http://h/"},
    {"http://h/?#", "http://h/?"},
    {"http://h/?a#b", "http://h/?a"},
    {"http://h#f", "http://h/"},
    {"http://h/a#b?c", "http://h/a"},
    {"http://h/?a?b", "http://h/?a?b"},
    {"http://h/?\xC3\xA9", "http://h/?%C3%A9"},
    {"http://h/?a b", "http://h/?a%20b"},
    {"http://h/?'\"<>`{}|^~[]\\", "http://h/?%27%22%3C%3E`{}|^~[]\\"},
    {"http://h/?a=1&b=%zz+c", "http://h/?a=1&b=%zz+c"},
    {"http://h/?a/../b", "http://h/?a/../b"},
    {"http://h/?\x09\x0A", "http://h/?"},
    {"http://h/?\x7F", "http://h/?%7F"},
    {"http://h/a?b/./c", "http://h/a?b/./c"},
    {"http://h/?#\xC3\xA9", "http://h/?"},
    {"http://h\\a", "http://h/a"},
    {"http://h\\?a", "http://h/?a"},
    {"https://api.example.com/users/42?x=1",
     "https://api.example.com/users/42?x=1"},
    {"http://localhost:3000/api/items/7?q=premium&r=1",
     "http://localhost:3000/api/items/7?q=premium&r=1"},
    {"http://h/a;b=c/d", "http://h/a;b=c/d"},
    {"http://h/~a/b_c-d.e", "http://h/~a/b_c-d.e"},
    {"http://h/x/%E0%A4%A", "http://h/x/%E0%A4%A"},
    {"http://xn--mnchen-3ya.de/", "http://xn--mnchen-3ya.de/"},
    {"http://h/a%2fb", "http://h/a%2fb"},
    {"http://h/%2", "http://h/%2"},
    {"http://h/%25", "http://h/%25"},
};

typedef struct refused_url {
    const char *url;
    size_t offset;
    const char *message;
} refused_url;

static const refused_url refused_urls[] = {
    {"ftp://h/", 0, "not a URL: ftp://h/: no http: or https: at offset 0"},
    {" \t/a", 2, "not a URL:  \t/a: no http: or https: at offset 2"},
    {"http://", 7, "not a URL: http://: no host at offset 7"},
    {"http:///\t?q", 9, "not a URL: http:///\t?q: no host at offset 9"},
    {"http://u@/", 9, "not a URL: http://u@/: no host at offset 9"},
    {"ht\ntp://a b/", 9, "not a URL: ht\ntp://a b/: a character that no host "
     "has at offset 9"},
    {"http://h:8x/", 10, "not a URL: http://h:8x/: not a port at offset 10"},
    {"http://h:65536/", 9, "not a URL: http://h:65536/: a port above 65535 at "
     "offset 9"},
    {"http://256.1/", 7, "not a URL: http://256.1/: not an IPv4 address at "
     "offset 7"},
    {"http://[::g]/", 7, "not a URL: http://[::g]/: not an IPv6 address at "
     "offset 7"},
    {"http://\xFF.de/", 7, "not a URL: http://\xFF.de/: a label that no host "
     "has at offset 7"},
};

static void test_urls(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *normal, *again;
    wfs_error error;
    wfs_status status;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(urls); i++) {
        wfs_arena_clear(arena);
        status = wfs_url_normalize(arena, urls[i].url, &normal, &error);
        if (urls[i].normal == NULL) {
            if (status != WFS_ERR_VALIDATION || normal != NULL)
                fail_msg("%s was not refused", urls[i].url);
            assert_int_equal(error.code, WFS_ERR_VALIDATION);
            assert_true(error.offset <= strlen(urls[i].url));
            continue;
        }
        if (status != WFS_OK)
            fail_msg("%s", error.message);
        if (strcmp(normal, urls[i].normal) != 0)
            fail_msg("%s: %s", urls[i].url, normal);
        assert_int_equal(wfs_url_normalize(arena, normal, &again, NULL),
                         WFS_OK);
        assert_string_equal(again, normal);
    }
    wfs_arena_free(arena);
}

static void test_refused_urls(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *normal;
    wfs_error error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refused_urls); i++) {
        assert_int_equal(wfs_url_normalize(arena, refused_urls[i].url, &normal,
                                           &error),
                         WFS_ERR_VALIDATION);
        assert_string_equal(error.message, refused_urls[i].message);
        assert_int_equal(error.offset, refused_urls[i].offset);
        assert_int_equal(error.line, 1);
        assert_int_equal(error.column, refused_urls[i].offset + 1);
        assert_int_equal(wfs_url_normalize(arena, refused_urls[i].url, &normal,
                                           NULL),
                         WFS_ERR_VALIDATION);
    }
    assert_int_equal(wfs_url_normalize(arena, NULL, &normal, &error),
                     WFS_ERR_VALIDATION);
    wfs_arena_free(arena);
}

/* JavaScript has no text that is not Unicode. */
static void test_urls_not_utf8(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *normal;

    (void)state;
    assert_int_equal(wfs_url_normalize(arena, "http://h/a\xFF" "b?\xE2\x82",
                                       &normal, NULL),
                     WFS_OK);
    assert_string_equal(normal, "http://h/a%EF%BF%BDb?%EF%BF%BD");
    wfs_arena_free(arena);
}

/* --- headers */

static void test_headers(void **state)
{
    static const wfs_http_header headers[] = {
        {"content-type", "text/plain"}, {"X-Empty", ""}, {"x-null", NULL},
        {"X-Twice", "one"}, {"x-twice", "two"}, {NULL, NULL},
    };

    (void)state;
    assert_string_equal(wfs_http_header_value(headers, "content-type"),
                        "text/plain");
    assert_string_equal(wfs_http_header_value(headers, "CONTENT-Type"),
                        "text/plain");
    assert_string_equal(wfs_http_header_value(headers, "x-empty"), "");
    assert_string_equal(wfs_http_header_value(headers, "X-Null"), "");
    assert_string_equal(wfs_http_header_value(headers, "x-twice"), "one");
    assert_null(wfs_http_header_value(headers, "content-typ"));
    assert_null(wfs_http_header_value(headers, "content-type2"));
    assert_null(wfs_http_header_value(headers, ""));
    assert_null(wfs_http_header_value(headers, NULL));
    assert_null(wfs_http_header_value(NULL, "a"));
}

/* --- patterns */

/* What a pattern makes of a path: its parameters as JSON, "null" when there
 * are none, "no" when it does not fit; NULL: an error. */
typedef struct pattern_case {
    const char *pattern, *path, *params;
} pattern_case;

static const pattern_case patterns[] = {
    {"/users/:id", "/users/1", "{\"id\":\"1\"}"},
    {"/users/:id", "/users/", "no"},
    {"/users/:id", "/users", "no"},
    {"/users/:id", "/users/1/", "{\"id\":\"1\"}"},
    {"/users/:id", "/users/1//", "no"},
    {"/users/:id", "/USERS/X", "{\"id\":\"X\"}"},
    {"/users/:id", "/users/1/2", "no"},
    {"/users/:id", "/users/a%20b", "{\"id\":\"a b\"}"},
    {"/users/:id", "/users/%C3%A9", "{\"id\":\"\xC3\xA9\"}"},
    {"/users/:id", "/users/%F0%9F%98%80", "{\"id\":\"\xF0\x9F\x98\x80\"}"},
    {"/users/:id", "/users/%2F", "{\"id\":\"/\"}"},
    {"/users/:id", "/users/%zz", NULL},
    {"/users/:id", "/users/%E0%A4%A", NULL},
    {"/users/:id", "/users/%ff", NULL},
    {"/users/:id", "/users/a?b=c", "{\"id\":\"a\"}"},
    {"/users/:id", "/users/a+b", "{\"id\":\"a+b\"}"},
    {"/users/:id", "/user/1", "no"},
    {"/x", "/x", "null"},
    {"/x", "/x/", "null"},
    {"/x", "/x//", "no"},
    {"/x", "/X", "null"},
    {"/x", "/xx", "no"},
    {"/x", "/", "no"},
    {"/x", "/x/y", "no"},
    {"/x/", "/x", "no"},
    {"/x/", "/x/", "null"},
    {"/x/", "/x//", "null"},
    {"/x/", "/x///", "no"},
    {"/", "/", "null"},
    {"/", "//", "null"},
    {"/", "/a", "no"},
    {"/", "///", "no"},
    {"/caf%C3%A9", "/caf\xC3\xA9", "null"},
    {"/caf%C3%A9", "/caf%c3%a9", "null"},
    {"/caf%C3%A9", "/cafe", "no"},
    {"/caf\xC3\xA9", "/caf\xC3\xA9", "no"},
    {"/caf\xC3\xA9", "/caf%C3%A9", "no"},
    {"/:a-:b", "/x-y-z", "{\"a\":\"x-y\",\"b\":\"z\"}"},
    {"/:a-:b", "/x-y", "{\"a\":\"x\",\"b\":\"y\"}"},
    {"/:a-:b", "/x", "no"},
    {"/:a-:b", "/-", "no"},
    {"/:a-:b", "/-x", "no"},
    {"/:a-:b", "/x-", "no"},
    {"/:a-:b", "/x-y/", "{\"a\":\"x\",\"b\":\"y\"}"},
    {"/v.:ext", "/v.tar", "{\"ext\":\"tar\"}"},
    {"/v.:ext", "/v.tar.gz", "no"},
    {"/v.:ext", "/v.", "no"},
    {"/v.:ext", "/v", "no"},
    {"/v.:ext", "/V.x", "{\"ext\":\"x\"}"},
    {"/:a.:b", "/x.y", "{\"a\":\"x\",\"b\":\"y\"}"},
    {"/:a.:b", "/x.y.z", "{\"a\":\"x.y\",\"b\":\"z\"}"},
    {"/:a.:b", "/.x", "no"},
    {"/:a.:b", "/x", "no"},
    {"/:a.:b?", "/x.y", "{\"a\":\"x\",\"b\":\"y\"}"},
    {"/:a.:b?", "/x", "{\"a\":\"x\"}"},
    {"/:a.:b?", "/x.y.z", "{\"a\":\"x.y\",\"b\":\"z\"}"},
    {"/:a:b", "/x", NULL},
    {"/{:a}:b", "/x", NULL},
    {"/:a{:b}", "/x", NULL},
    {"{a}:b", "/x", NULL},
    {"/:a(x):b", "/x", NULL},
    {"/img-:n", "/img-1", "{\"n\":\"1\"}"},
    {"/img-:n", "/img-1-2", "{\"n\":\"1-2\"}"},
    {"/img-:n", "/img-", "no"},
    {"/img-:n", "/img-img-", "{\"n\":\"img-\"}"},
    {"/a:id", "/ab", "{\"id\":\"b\"}"},
    {"/a:id", "/aa", "{\"id\":\"a\"}"},
    {"/a:id", "/a", "no"},
    {"/a:id", "/aab", "{\"id\":\"ab\"}"},
    {"/a:id", "/aba", "{\"id\":\"ba\"}"},
    {"/p/:id(\\d+)", "/p/1", "{\"id\":\"1\"}"},
    {"/p/:id(\\d+)", "/p/12/", "{\"id\":\"12\"}"},
    {"/p/:id(\\d+)", "/p/x", "no"},
    {"/p/:id(\\d+)", "/p/1x", "no"},
    {"/p/:id([a-f]+)", "/p/ABC", "{\"id\":\"ABC\"}"},
    {"/p/:id([a-f]+)", "/p/abg", "no"},
    {"/p/:id((?:a|b)c)", "/p/ac", "{\"id\":\"ac\"}"},
    {"/p/:id((?:a|b)c)", "/p/bc", "{\"id\":\"bc\"}"},
    {"/p/:id((?:a|b)c)", "/p/cc", "no"},
    {"/(.*)", "/", "null"},
    {"/(.*)", "/a", "null"},
    {"/(.*)", "/a/b", "null"},
    {"/(.*)", "//", "null"},
    {"/files/(.*)", "/files", "no"},
    {"/files/(.*)", "/files/", "null"},
    {"/files/(.*)", "/files/a/b", "null"},
    {"/files/(.*)", "/files/%zz", NULL},
    {"/(a|b)/:id", "/a/1", "{\"id\":\"1\"}"},
    {"/(a|b)/:id", "/b/2", "{\"id\":\"2\"}"},
    {"/(a|b)/:id", "/c/3", "no"},
    {"/(\\d+)", "/5", "null"},
    {"/(\\d+)", "/x", "no"},
    {"/:id?", "/", "null"},
    {"/:id?", "/a", "{\"id\":\"a\"}"},
    {"/:id?", "/a/", "{\"id\":\"a\"}"},
    {"/:id?", "/a/b", "no"},
    {"/a/:id?", "/a", "null"},
    {"/a/:id?", "/a/", "null"},
    {"/a/:id?", "/a/b", "{\"id\":\"b\"}"},
    {"/a/:id?", "/a/b/", "{\"id\":\"b\"}"},
    {"/a/:id?", "/ab", "no"},
    {"/a/:id?/b", "/a/b", "null"},
    {"/a/:id?/b", "/a/x/b", "{\"id\":\"x\"}"},
    {"/a/:id?/b", "/a/x/y/b", "no"},
    {"/a/:id?/b", "/a//b", "no"},
    {"/:a?/:b?", "/", "null"},
    {"/:a?/:b?", "/x", "{\"a\":\"x\"}"},
    {"/:a?/:b?", "/x/y", "{\"a\":\"x\",\"b\":\"y\"}"},
    {"/:a?/:b?", "/x/y/z", "no"},
    {"/f/:path*", "/f", "null"},
    {"/f/:path*", "/f/", "null"},
    {"/f/:path*", "/f/a", "{\"path\":[\"a\"]}"},
    {"/f/:path*", "/f/a/b", "{\"path\":[\"a\",\"b\"]}"},
    {"/f/:path*", "/f/a/b/c/", "{\"path\":[\"a\",\"b\",\"c\"]}"},
    {"/f/:path*", "/fa", "no"},
    {"/f/:path*", "/f//a", "no"},
    {"/f/:path*", "/f/%20/%41", "{\"path\":[\" \",\"A\"]}"},
    {"/f/:path*", "/f/a/%zz", NULL},
    {"/f/:path+", "/f", "no"},
    {"/f/:path+", "/f/", "no"},
    {"/f/:path+", "/f/a", "{\"path\":[\"a\"]}"},
    {"/f/:path+", "/f/a/b", "{\"path\":[\"a\",\"b\"]}"},
    {"/:p*", "/", "null"},
    {"/:p*", "/a", "{\"p\":[\"a\"]}"},
    {"/:p*", "/a/b/c", "{\"p\":[\"a\",\"b\",\"c\"]}"},
    {"/:p*/end", "/end", "null"},
    {"/:p*/end", "/a/end", "{\"p\":[\"a\"]}"},
    {"/:p*/end", "/a/b/end", "{\"p\":[\"a\",\"b\"]}"},
    {"/:p*/end", "/end/end", "{\"p\":[\"end\"]}"},
    {"/u/:id/:rest*", "/u/1", "{\"id\":\"1\"}"},
    {"/u/:id/:rest*", "/u/1/2", "{\"id\":\"1\",\"rest\":[\"2\"]}"},
    {"/u/:id/:rest*", "/u/1/2/3", "{\"id\":\"1\",\"rest\":[\"2\",\"3\"]}"},
    {"/u/:id/:rest*", "/u", "no"},
    {"/n/:x(\\d+)*", "/n", "null"},
    {"/n/:x(\\d+)*", "/n/1", "{\"x\":[\"1\"]}"},
    {"/n/:x(\\d+)*", "/n/1/2", "{\"x\":[\"1\",\"2\"]}"},
    {"/n/:x(\\d+)*", "/n/1/x", "no"},
    {"/n/:x(\\d*)+", "/n/", "{\"x\":[\"\"]}"},
    {"/n/:x(\\d*)+", "/n/1//2", "{\"x\":[\"1\",\"\",\"2\"]}"},
    {".:a+", "/.a", "no"},
    {"/a.:b+", "/a.b", "{\"b\":[\"b\"]}"},
    {"/a.:b+", "/a.b.c", "{\"b\":[\"b\",\"c\"]}"},
    {"/a{-:n}?", "/a", "null"},
    {"/a{-:n}?", "/a-1", "{\"n\":\"1\"}"},
    {"/a{-:n}?", "/a-1-2", "no"},
    {"/a{-:n}?", "/a-", "no"},
    {"/a{-:n}?", "/a/", "null"},
    {"/a{-:n}*", "/a", "null"},
    {"/a{-:n}*", "/a-1", "{\"n\":[\"1\"]}"},
    {"/a{-:n}*", "/a-1-2", "{\"n\":[\"1\",\"2\"]}"},
    {"/a{-:n(\\d)x}+", "/a-1x", "{\"n\":[\"1\"]}"},
    {"/a{-:n(\\d)x}+", "/a-1x-2x", "{\"n\":[\"1x-2\"]}"},
    {"/a{-:n(\\d)x}+", "/a", "no"},
    {"/{:a-}?:b", "/x-y", NULL},
    {"/{:a-}?:b", "/y", NULL},
    {"/a{b}?c", "/ac", "null"},
    {"/a{b}?c", "/abc", "null"},
    {"/a{b}?c", "/ABC", "null"},
    {"/a{b}*", "/a", "null"},
    {"/a{b}*", "/abb", "null"},
    {"/a{b}+", "/a", "no"},
    {"/a{b}+", "/abb", "null"},
    {"/a{}", "/a", "null"},
    {"/a{}?", "/a", "null"},
    {"/{x:id}", "/xa", "{\"id\":\"a\"}"},
    {"/{x:id}", "/x", "no"},
    {"/{x:id}", "/xx", "no"},
    {"/{x:id(\\d+)y}/z", "/x1y/z", "{\"id\":\"1\"}"},
    {"/{x:id(\\d+)y}/z", "/x1/z", "no"},
    {"/a{/:x}?", "/a", "null"},
    {"/a{/:x}?", "/a/b", "{\"x\":\"b\"}"},
    {"/a{/:x/b}*", "/a", "null"},
    {"/a{/:x/b}*", "/a/1/b", "{\"x\":[\"1\"]}"},
    {"/a{/:x/b}*", "/a/1/b/2/b", "{\"x\":[\"1/b/2\"]}"},
    {"/a{/:x/b}*", "/a/1", "no"},
    {"/{(\\d+)x}?", "/", "null"},
    {"/{(\\d+)x}?", "/1x", "null"},
    {"/time/12\\:30", "/time/12:30", "null"},
    {"/time/12\\:30", "/time/12", "no"},
    {"/a\\*b", "/a*b", "null"},
    {"/a\\*b", "/ab", "no"},
    {"/a\\(b", "/a(b", "null"},
    {"/\\:x", "/:x", "null"},
    {"/\\:x", "/x", "no"},
    {"/a\\", "/a", "null"},
    {"/a\\{b\\}", "/a{b}", "no"},
    {"/\\a", "/a", "null"},
    {"/a\\?b", "/a?b", "no"},
    {"/a\\?b", "/ab", "no"},
    {"/a#b", "/a#b", "no"},
    {"/a#b", "/a", "no"},
    {"/a\\/:id", "/a/1", "{\"id\":\"1\"}"},
    {"/a.b$^|", "/a.b$^|", "null"},
    {"/a.b$^|", "/axb$^|", "no"},
    {"/[a]", "/[a]", "null"},
    {"/[a]", "/a", "no"},
    {"/a)b", "/a)b", "null"},
    {"/:1", "/x", "null"},
    {"/:1/:b", "/x/y", "{\"b\":\"y\"}"},
    {"/:a/:a", "/x/y", "{\"a\":\"y\"}"},
    {"/:a/:a?", "/x", "{\"a\":\"x\"}"},
    {"/:a/:a?", "/x/y", "{\"a\":\"y\"}"},
    {"/:a1_B", "/z", "{\"a1_B\":\"z\"}"},
    {"/:id-x", "/1-x", "{\"id\":\"1\"}"},
    {"/:id-x", "/1", "no"},
    {"/:id.json", "/1.json", "{\"id\":\"1\"}"},
    {"/:id.json", "/1.2.json", "{\"id\":\"1.2\"}"},
    {"/:id.json", "/.json", "no"},
    {"/:id.json", "/1", "no"},
    {"/:\xC3\xA9", "/x", NULL},
    {"/a/:b/c", "/a/x/c", "{\"b\":\"x\"}"},
    {"/a/:b/c", "/a//c", "no"},
    {"/a/:b/c", "/A/x/C/", "{\"b\":\"x\"}"},
    {"/a/:b/c", "/a/x/d", "no"},
    {"/a/:b/c", "/a/x", "no"},
    {"/a/:b/c", "/a/x/c/d", "no"},
    {"/a//b", "/a//b", "null"},
    {"/a//b", "/a/b", "no"},
    {"/a/:b//c", "/a/x//c", "{\"b\":\"x\"}"},
    {"/a/:b//c", "/a/x/c", "no"},
    {"/:", "/x", NULL},
    {"/a/:/b", "/x", NULL},
    {"/:-a", "/x", NULL},
    {"/a?b", "/a", NULL},
    {"/a?x=1", "/a", NULL},
    {"/a+b", "/a+b", NULL},
    {"/a+", "/a", NULL},
    {"/?", "/", NULL},
    {"/+", "/", NULL},
    {"/:a++", "/a", NULL},
    {"/:a?" "?", "/a", NULL},
    {"/:a{b", "/a", NULL},
    {"/{a", "/a", NULL},
    {"/a}", "/a", NULL},
    {"/{a}}", "/a", NULL},
    {"/{{a}}", "/a", NULL},
    {"/{a:b:c}", "/a", NULL},
    {"/{a?}", "/a", NULL},
    {"/{:a*}", "/a", NULL},
    {"/(a", "/a", NULL},
    {"/a/(b", "/a", NULL},
    {"/()", "/a", NULL},
    {"/:a()", "/a", NULL},
    {"/(?:a)", "/a", NULL},
    {"/(?a)", "/a", NULL},
    {"/((a))", "/a", NULL},
    {"/:a(b(c))", "/a", NULL},
    {"/:a(b(?:c))", "/bc", "{\"a\":\"bc\"}"},
    {"/a:b*", "/ab", NULL},
    {"/a:b+", "/ab", NULL},
    {"/a{:b}*", "/ab", NULL},
    {"/{(x)}+", "/x", NULL},
    {"/a(x)*", "/ax", NULL},
    {"/(x", "/x", NULL},
    {"/:a([)", "/x", NULL},
    {"/:a(+)", "/x", NULL},
    {"/:a(\\))", "/)", "{\"a\":\")\"}"},
    {"/:a(\\d{2,1})", "/x", NULL},
    {"/:a(x{2})", "/xx", "{\"a\":\"xx\"}"},
    {"/:a(x{2})", "/xxx", "no"},
    {"/img-(.*)", "/img-", "null"},
    {"/img-(.*)", "/img-1.png", "null"},
    {"/img-(.*)", "/img-a/b", "null"},
    {"/img-(.*)", "/img", "no"},
    {"/a/:x(.*)/b", "/a/1/b", "{\"x\":\"1\"}"},
    {"/a/:x(.*)/b", "/a/1/2/b", "{\"x\":\"1/2\"}"},
    {"/a/:x(.*)/b", "/a//b", "{\"x\":\"\"}"},
    {"/a/:x(.*)/b", "/a/b", "no"},
    {"/:x(a|ab)(c|bcd)", "/abcd", "{\"x\":\"a\"}"},
    {"/:x(a|ab)(c|bcd)", "/ac", "{\"x\":\"a\"}"},
    {"/:x(a*?)b", "/aab", "{\"x\":\"aa\"}"},
    {"/:x(a*?)b", "/b", "{\"x\":\"\"}"},
    {"/:a(\\w+)-:b(\\w+)", "/x-y", "{\"a\":\"x\",\"b\":\"y\"}"},
    {"/:a(\\w+)-:b(\\w+)", "/x-y-z", "no"},
    {"/v:ver/x", "/v2/x", "{\"ver\":\"2\"}"},
    {"/v:ver/x", "/V2/X/", "{\"ver\":\"2\"}"},
    {"/v:ver/x", "/v/x", "no"},
    {"/v:ver/x", "/v2/y/x", "no"},
    {"/v:ver/x", "/v2", "no"},
    {"/:l(en|de)/x", "/DE/x", "{\"l\":\"DE\"}"},
    {"/:l(en|de)/x", "/fr/x", "no"},
    {"/:l(en|de)/x", "/en//x", "no"},
    {"/:l(\\d*)/x", "//x", "{\"l\":\"\"}"},
    {"/:l(\\d*)/x", "/1/x", "{\"l\":\"1\"}"},
    {"/x/:l(\\d*)", "/x/", "{\"l\":\"\"}"},
    {"/x/:l(\\d*)", "/x//", "{\"l\":\"\"}"},
    {"/x/:l(\\d*)", "/x", "no"},
    {"/f/:n-1.json", "/f/a-1.json", "{\"n\":\"a\"}"},
    {"/f/:n-1.json", "/F/A-1.JSON/", "{\"n\":\"A\"}"},
    {"/f/:n-1.json", "/f/a/b-1.json", "no"},
    {"/f/:n-1.json", "/f/-1.json", "no"},
    {"/f/:n-1.json", "/f/a-1.json//", "no"},
    {"/f/:n(.*)-1.json", "/f/a/b-1.json", "{\"n\":\"a/b\"}"},
    {"/f/:n(.*)-1.json", "/f/a/b-2.json", "no"},
    {"/f/:n([!-a]+)/x", "/f/1/2/x", "{\"n\":\"1/2\"}"},
    {"/f/:n([^a]+)/x", "/f/1/2/x", "{\"n\":\"1/2\"}"},
    {"/f/:n(\\D+)/x", "/f/b/c/x", "{\"n\":\"b/c\"}"},
    {"/f/:n(\\x2f)/x", "/f///x", "{\"n\":\"/\"}"},
    {"/f/:n(.)/x", "/f///x", "{\"n\":\"/\"}"},
    {"/a:b?/c", "/a/c", "null"},
    {"/a:b?/c", "/ab/c", "{\"b\":\"b\"}"},
    {"/a{-:b}*/c", "/a-1-2/c", "{\"b\":[\"1\",\"2\"]}"},
    {"/a{-:b}+/c", "/a/c", "no"},
    {"/a{-:b}+/c", "/a-1/c", "{\"b\":[\"1\"]}"},
    {"/a{/:b}?c", "/ac", "null"},
    {"/a{/:b}?c", "/a/1c", "{\"b\":\"1\"}"},
    {"/a{/:b}?/c", "/a/c", "null"},
    {"/a{/:b}?/c", "/a/1/c", "{\"b\":\"1\"}"},
    {"/:a?/c-1", "/c-1", "null"},
    {"/:a?/c-1", "/x/c-1/", "{\"a\":\"x\"}"},
    {"/:a+/c-1/", "/x/y/c-1//", "{\"a\":[\"x\",\"y\"]}"},
    {"/:a+/c-1", "/x/y/c-2", "no"},
    {"/{a/:b/c}/d", "/a/1/c/d", "{\"b\":\"1\"}"},
    {"/{a}b", "/AB", "null"},
    {"/a{b}+", "/abb", "null"},
    {"/a/{:b}", "/a/1", "{\"b\":\"1\"}"},
    {"/{:a/}{b:c}", "/1/b2", "{\"a\":\"1\",\"c\":\"2\"}"},
    {"/a-:b{/c}?", "/a-1/c", "{\"b\":\"1\"}"},
    {"/a-:b{/c}?", "/a-1", "{\"b\":\"1\"}"},
    {"/a-:b{c/}?d", "/a-1c/d", "{\"b\":\"1\"}"},
};

/* What the library adds to the grammar: "*" is "(.*)", and hosts; the URL is
 * a whole one. */
static const pattern_case whole_urls[] = {
    {"/users/*", "http://h/users/42", "null"},
    {"/users/*", "http://h/users/42/posts", "null"},
    {"/users/*", "http://h/users/", "null"},
    {"/users/*", "http://h/users", "no"},
    {"/img-*", "http://h/img-1.png", "null"},
    {"/img-*", "http://h/img-", "null"},
    {"/*", "http://h", "null"},
    {"/a/*/b", "http://h/a/x/y/b", "null"},
    {"/a/*/b", "http://h/a/b", "no"},
    {"/a/*/:id", "http://h/a/x/y/7", "{\"id\":\"7\"}"},
    {"/a*b", "http://h/aXb", "null"},
    {"/{*}?x", "http://h/abx", "null"},
    {"/a*?", "http://h/a", "null"},
    {"/a/**", "http://h/a", "null"},
    {"/a**", "http://h/a", NULL},
    {"/{a:b*}", "http://h/a", NULL},
    {"*", "http://h/a", "no"},
    {"x", "http://h/x", "no"},
    {":x", "http://h/x", "no"},
    {"", "http://h/", "no"},
    {"{/x}", "http://h/x", "no"},
    {"\\/x", "http://h/x", "no"},
    {"x(", "http://h/x", NULL},
    {"http://h/x", "http://h/x", "null"},
    {"http://h/x", "https://h/x", "null"},
    {"https://h/x", "http://H/X", "null"},
    {"http://H/x", "http://h/x", "no"},
    {"http://h/x", "http://h:8080/x", "no"},
    {"http://h:8080/x", "http://h:8080/x", "null"},
    {"http://h:80/x", "http://h:80/x", "no"},
    {"http://h/x", "http://hh/x", "no"},
    {"http://h", "http://h", "null"},
    {"http://h", "http://h//", "null"},
    {"http://h", "http://h/x", "no"},
    {"http://h?x", "http://h/?x", "no"},
    {"http:///x", "http://h/x", "no"},
    {"http://*.h/x", "http://a.h/x", "no"},
    {"http://*.h/x", "http://*.h/x", "null"},
    {"http://:s.h/x", "http://a.h/x", "no"},
    {"http://h/:id?", "http://h/1", "{\"id\":\"1\"}"},
    {"http://h/:id?", "http://u:p@h/1?x#y", "{\"id\":\"1\"}"},
    {"http://h/:id?", "http://g/1", "no"},
    {"HTTP://h/x", "http://h/x", NULL},
    {"ftp://h/x", "http://h/x", NULL},
    {"/x", "/x", NULL},
    {"/x", "http://[::1]/x", "null"},
    {"http://[::1]:81/x", "http://[0:0::1]:81/x", "null"},
    {"/a/../b", "http://h/a/../b", "no"},
    {"/:id", "http://h/a/../b", "{\"id\":\"b\"}"},
    {"/(.*)", "http://h/%zz", NULL},
    {"/:1", "http://h/%zz", NULL},
    {"/%zz", "http://h/%zz", "null"},
};

typedef struct refused_pattern {
    const char *pattern;
    size_t offset;
    const char *why;
} refused_pattern;

static const refused_pattern refused_patterns[] = {
    {"/a/:/b", 3, "a parameter without a name"},
    {"/:a:b", 3, "no text between two parameters"},
    {"/(a", 1, "a ( without its )"},
    {"/x/()", 3, "an empty expression"},
    {"/x((a))", 3, "a capturing group"},
    {"/:a(?:b)", 4, "an expression that starts with ?"},
    {"/ab{c", 3, "a { without its }"},
    {"/ab{c?}", 5, "what has no place in braces"},
    {"/ab}", 3, "a } without its {"},
    {"/a?x=1", 2, "a modifier of nothing (a query is no part of a pattern)"},
    {"http://h/a+b", 10,
     "a modifier of nothing (a query is no part of a pattern)"},
    {"/a:b*", 4, "nothing to tell repetitions apart"},
};

static void expect_match(const char *pattern, const char *url,
                         const char *expected)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    const wfs_json *params = NULL, *wanted;
    const char *text;
    wfs_error error;
    wfs_status status;
    bool fits, only;

    status = wfs_url_match(arena, pattern, url, &fits, &params, &error);
    if (expected == NULL) {
        if ((status != WFS_ERR_VALIDATION && status != WFS_ERR_UNSUPPORTED) ||
            error.code != status ||
            params != NULL)
            fail_msg("%s, %s was not refused", pattern, url);
    } else {
        if (status != WFS_OK)
            fail_msg("%s", error.message);
        wanted = strcmp(expected, "no") != 0
                     ? wfs_json_parse(arena, expected, strlen(expected), NULL,
                                      NULL)
                     : NULL;
        text = fits ? wfs_json_write(arena, params, 0, NULL) : "no";
        if (fits != (wanted != NULL) || !wfs_json_equal(wanted, params))
            fail_msg("%s, %s: %s", pattern, url, text);
        assert_int_equal(wfs_url_match(arena, pattern, url, &only, NULL, NULL),
                         WFS_OK);
        assert_true(only == fits);
    }
    wfs_arena_free(arena);
}

static void test_patterns(void **state)
{
    char url[200];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(patterns); i++) {
        assert_true(strlen(patterns[i].path) + 9 < sizeof url);
        strcpy(url, "http://h");
        strcat(url, patterns[i].path);
        expect_match(patterns[i].pattern, url, patterns[i].params);
    }
}

static void test_hosts_and_stars(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(whole_urls); i++)
        expect_match(whole_urls[i].pattern, whole_urls[i].path,
                     whole_urls[i].params);
    expect_match(NULL, "http://h/", "no");
    expect_match("/", NULL, NULL);
}

/* All patterns that can be compiled, in one tree. */
static size_t route_all(wfs_arena *arena, wfsi_routes *routes,
                        const wfsi_pattern **compiled)
{
    wfsi_pattern *pattern;
    const char *text;
    size_t i, count = 0;

    memset(routes, 0, sizeof *routes);
    for (i = 0; i < COUNT(patterns) + COUNT(whole_urls); i++) {
        text = i < COUNT(patterns) ? patterns[i].pattern
                                   : whole_urls[i - COUNT(patterns)].pattern;
        if (wfsi_pattern_compile(arena, text, strlen(text), &pattern,
                                 NULL) != WFS_OK)
            continue;
        assert_true(wfsi_routes_add(routes, arena, pattern, (uint32_t)count));
        compiled[count++] = pattern;
    }
    return count;
}

/* What is found among many is what fits when tried one by one. */
static void expect_routes(const wfsi_routes *routes,
                          const wfsi_pattern *const *compiled, size_t count,
                          const char *url)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    size_t i, found, at = 0;
    uint32_t *numbers;
    wfsi_url parsed;
    bool fits;

    if (wfsi_url_parse(arena, url, strlen(url), &parsed, NULL) == WFS_OK) {
        assert_int_equal(wfsi_routes_find(routes, &parsed, arena, &numbers,
                                          &found), WFS_OK);
        for (i = 0; i < count; i++) {
            assert_int_equal(wfsi_pattern_fits(compiled[i], &parsed, arena,
                                               &fits), WFS_OK);
            if ((at < found && numbers[at] == i) != fits)
                fail_msg("%s, %s", compiled[i]->text.data, url);
            at += fits;
        }
        assert_int_equal(at, found);
    }
    wfs_arena_free(arena);
}

static void test_routes(void **state)
{
    const wfsi_pattern *compiled[COUNT(patterns) + COUNT(whole_urls)];
    wfs_arena *arena = wfs_arena_create(NULL);
    wfsi_routes routes;
    char url[200];
    size_t i, count = route_all(arena, &routes, compiled);

    (void)state;
    for (i = 0; i < COUNT(patterns); i++) {
        strcpy(url, "http://h");
        strcat(url, patterns[i].path);
        expect_routes(&routes, compiled, count, url);
    }
    for (i = 0; i < COUNT(whole_urls); i++)
        expect_routes(&routes, compiled, count, whole_urls[i].path);
    wfs_arena_free(arena);
}

static void test_refused_patterns(void **state)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    char message[200];
    wfs_error error;
    size_t i;
    bool fits;

    (void)state;
    for (i = 0; i < COUNT(refused_patterns); i++) {
        assert_int_equal(wfs_url_match(arena, refused_patterns[i].pattern,
                                       "http://h/", &fits, NULL, &error),
                         WFS_ERR_VALIDATION);
        snprintf(message, sizeof message, "URL pattern %s: %s at offset %lu",
                 refused_patterns[i].pattern, refused_patterns[i].why,
                 (unsigned long)refused_patterns[i].offset);
        assert_string_equal(error.message, message);
        assert_int_equal(error.offset, refused_patterns[i].offset);
    }
    wfs_arena_free(arena);
}

/* An error in an expression is placed in the pattern. */
static void test_refused_expressions(void **state)
{
    static const char *const expressions[] = {
        "/ab/:x((?=a)b)", "/ab/:x(\\d{2,1})", "/ab/:x(*)", "/ab/:x([)",
        "http://h/:a(x)/:b((?!y))",
    };
    wfs_arena *arena = wfs_arena_create(NULL);
    const char *found;
    wfs_error error;
    size_t i;
    bool fits;

    (void)state;
    for (i = 0; i < COUNT(expressions); i++) {
        bool looks_around = strstr(expressions[i], "(?") != NULL;

        assert_int_equal(wfs_url_match(arena, expressions[i], "http://h/",
                                       &fits, NULL, &error),
                         looks_around ? WFS_ERR_UNSUPPORTED
                                      : WFS_ERR_VALIDATION);
        found = strstr(error.message, expressions[i]);
        assert_non_null(found);
        assert_in_range(error.offset, 7, strlen(expressions[i]));
    }
    wfs_arena_free(arena);
}

/* --- hostile input */

static char *repeated(const char *start, const char *text, size_t count,
                      const char *end)
{
    char *result = (char *)malloc(strlen(start) + strlen(text) * count +
                                  strlen(end) + 1);
    char *at = result;
    size_t i;

    assert_non_null(result);
    strcpy(at, start);
    at += strlen(at);
    for (i = 0; i < count; i++, at += strlen(text))
        memcpy(at, text, strlen(text));
    strcpy(at, end);
    return result;
}

/* Whatever comes out, it comes soon. */
static void expect_answer(const char *pattern, const char *url)
{
    wfs_arena *arena = wfs_arena_create(NULL);
    const wfs_json *params;
    const char *normal, *again;
    wfs_error error;
    bool fits;

    if (wfs_url_normalize(arena, url, &normal, &error) == WFS_OK) {
        assert_int_equal(wfs_url_normalize(arena, normal, &again, &error),
                         WFS_OK);
        assert_string_equal(normal, again);
    }
    wfs_url_match(arena, pattern, url, &fits, &params, &error);
    wfs_arena_free(arena);
}

static void test_large(void **state)
{
    static const char *const pieces[] = {
        "a", "/", "/a", "../", "/..", "%2e%2e/", "a/../", "\\", "@", ":", "[",
        "::", "%", "%41", "%ff", "\xC3\xA9", "\xF0\x9F\x98", "\xFF", "\t", "?",
        "#", "1.", ".", "0x", " ", "/:a", ":a", "/:a?", "/:a*", "{a}", "{",
        "}", "(", ")", "(a)", "/(a)", "*", "/*", "a*", "\\a", "{a}?", "/{/a}?",
    };
    char *pattern, *url;
    size_t i, k;

    (void)state;
    for (i = 0; i < COUNT(pieces); i++) {
        pattern = repeated("/", pieces[i], 100000 / strlen(pieces[i]), "");
        for (k = 0; k < 3; k++) {
            url = repeated(k == 0 ? "http://" : k == 1 ? "http://h/"
                                                       : "http://h/?",
                           pieces[i], 100000 / strlen(pieces[i]), "/");
            expect_answer("/:a/:b*", url);
            expect_answer("/a/:a-:b", url);
            expect_answer(pattern, url);
            free(url);
        }
        free(pattern);
    }
}

static void test_arbitrary_bytes(void **state)
{
    static const char bytes[] = "/:a(b)*?+{}\\.-%2eA@[]#\t\xFF\xC3\xE2\x82";
    wfs_random random = {29};
    char pattern[24], url[48];
    size_t i, k;

    (void)state;
    for (i = 0; i < 20000; i++) {
        for (k = 0; k + 1 < sizeof pattern; k++)
            pattern[k] = bytes[wfs_random_next(&random) % sizeof bytes];
        strcpy(url, wfs_random_next(&random) % 2 == 0 ? "http://"
                                                      : "http://h/");
        for (k = strlen(url); k + 1 < sizeof url; k++)
            url[k] = wfs_random_next(&random) % 2 == 0
                         ? bytes[wfs_random_next(&random) % sizeof bytes]
                         : (char)(1 + wfs_random_next(&random) % 255);
        pattern[0] = '/';
        pattern[sizeof pattern - 1] = url[sizeof url - 1] = '\0';
        expect_answer(pattern, url);
    }
}

/* --- without memory */

static void tell(const wfs_allocator *allocator, sweep_memory *memory,
                 void *user)
{
    static const char *const all[][2] = {
        {"/users/:id/posts", "http://h/users/%41/posts"},
        {"http://h/a/:b-:c/:rest*", "HTTP://u:p@H:80/a/./x-y/%C3%A9/z?q=\xFF"},
        {"/{x:id(\\d+)y}+/*", "http://\xC3\xA9.de/x1y/a"},
        {"/:a?/:b?", "http://[::1]:80/1/2"},
    };
    wfs_arena *arena = wfs_arena_create(allocator);
    const wfs_json *params;
    const char *normal;
    char *long_url = repeated("http://1.2/", "/\xC3\xA9", 3000, "");
    wfs_error error;
    wfs_status status;
    size_t i;
    bool fits;

    (void)user;
    for (i = 0; arena != NULL && i <= COUNT(all); i++) {
        error.code = WFS_OK;
        status = i < COUNT(all)
                     ? wfs_url_match(arena, all[i][0], all[i][1], &fits,
                                     &params, &error)
                     : wfs_url_normalize(arena, long_url, &normal, &error);
        if (status != WFS_OK) {
            assert_int_equal(status, WFS_ERR_NO_MEMORY);
            assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
            assert_true(memory->refused != 0);
        } else if (i < COUNT(all)) {
            assert_true(fits);
            assert_non_null(params);
        }
    }
    wfs_arena_free(arena);
    free(long_url);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, tell, NULL) > 5);
    assert_true(sweep_all(SWEEP_FROM, tell, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_refused_urls),
        cmocka_unit_test(test_urls_not_utf8),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_hosts_and_stars),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_refused_patterns),
        cmocka_unit_test(test_refused_expressions),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_arbitrary_bytes),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
