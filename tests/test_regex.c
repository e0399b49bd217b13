/* Regular expressions. What is found, and which expressions are refused, was
 * made with node 20 (RegExp.prototype.test); what is refused because this
 * dialect lacks it was not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#define WFSCENARIO_IMPLEMENTATION
#include "wfscenario.h"

#include "sweep.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static wfs_arena *arena, *scratch;

static int set_up(void **state)
{
    (void)state;
    arena = wfs_arena_create(NULL);
    scratch = wfs_arena_create(NULL);
    return arena != NULL && scratch != NULL ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    wfs_arena_free(arena);
    wfs_arena_free(scratch);
    return 0;
}

static wfs_regex *compile(const char *source, const char *flags)
{
    wfs_regex *regex;
    wfs_error error;

    if (wfs_regex_compile(arena, source, flags, &regex, &error) != WFS_OK)
        fail_msg("/%s/%s: %s", source, flags, error.message);
    return regex;
}

static bool finds(const wfs_regex *regex, const char *text, size_t size)
{
    bool found;

    assert_int_equal(wfs_regex_search(regex, scratch, text, size, &found),
                     WFS_OK);
    return found;
}

/* --- what is found */

typedef struct regex_case {
    const char *source, *flags, *text;
    bool found;
} regex_case;

static const regex_case basics[] = {
    {"abc", "", "abc", true}, {"abc", "", "xabcy", true},
    {"abc", "", "ab", false}, {"abc", "", "", false}, {"abc", "", "abd", false},
    {"", "", "", true}, {"", "", "a", true}, {"a|b", "", "b", true},
    {"a|b", "", "c", false}, {"^(a||b)$", "", "", true},
    {"^(a||b)$", "", "a", true}, {"^(a||b)$", "", "b", true},
    {"^(a||b)$", "", "c", false}, {"posts|cart", "", "/cart", true},
    {"posts|cart", "", "/none", false}, {"^a.c$", "", "abc", true},
    {"^a.c$", "", "a\nc", false}, {"^a.c$", "", "a\015c", false},
    {"^a.c$", "", "a\342\200\250c", false}, {"^a.c$", "", "a\303\251c", true},
    {"^a.c$", "", "ac", false}, {"^a.c$", "", "a\360\237\230\200c", false},
    {"^a.c$", "s", "a\nc", true}, {"^a.c$", "s", "a\342\200\251c", true},
    {"^a.c$", "u", "a\360\237\230\200c", true}, {"^ab$", "", "ab", true},
    {"^ab$", "", "xab", false}, {"^ab$", "", "abx", false},
    {"^ab$", "", "x\nab", false}, {"^ab$", "m", "x\nab", true},
    {"^ab$", "m", "ab\ny", true}, {"^ab$", "m", "x\015ab\342\200\250y", true},
    {"^ab$", "m", "xab", false}, {"a$b", "m", "a\nb", false},
    {"a$b", "m", "a$b", false}, {"$", "", "", true}, {"^", "", "", true},
    {"^$", "", "", true}, {"^$", "", "a", false}, {"^$", "m", "a\n", true},
    {"^$", "m", "a\nb", false}, {"^$", "m", "a\n\nb", true},
    {"a^b", "", "ab", false}, {"a^b", "", "a^b", false},
    {"\\bfoo\\b", "", "foo", true}, {"\\bfoo\\b", "", "a foo b", true},
    {"\\bfoo\\b", "", "afoo", false}, {"\\bfoo\\b", "", "foob", false},
    {"\\bfoo\\b", "", "foo_", false}, {"\\bfoo\\b", "", "\303\251 foo", true},
    {"\\bfoo\\b", "", "\303\251foo", true}, {"\\Boo\\B", "", "foob", true},
    {"\\Boo\\B", "", "foo", false}, {"\\Boo\\B", "", "oo", false},
    {"\\b", "", "", false}, {"\\b", "", "-", false}, {"\\b", "", "a", true},
    {"\\B", "", "", true}, {"\\B", "", "a", false}, {"\\B", "", "-", true},
    {"(ab)+$", "", "ababab", true}, {"(ab)+$", "", "aba", false},
    {"(?:a|ab)(?:c|bcd)$", "", "abcd", true},
    {"(?:a|ab)(?:c|bcd)$", "", "ac", true},
    {"(?:a|ab)(?:c|bcd)$", "", "abc", true},
    {"(?:a|ab)(?:c|bcd)$", "", "abd", false},
    {"(?<year>\\d{4})-(?<month>\\d\\d)", "", "on 2024-05", true},
    {"(?<year>\\d{4})-(?<month>\\d\\d)", "", "24-05", false},
    {"(?<\303\251$_1>x)", "", "x", true}, {"(?<\\u0061b>x)", "", "x", true},
    {"(?<a\\u{62}>x)", "u", "x", true},
    {"(?<\360\220\220\250>x)", "", "x", true}, {"a", "y", "a", true},
    {"a", "y", "ba", false}, {"a|b", "y", "b", true}, {"a|b", "y", "cb", false},
    {"a", "g", "ba", true}, {"^Bearer .+$", "", "Bearer x", true},
    {"^Bearer .+$", "", "Bearer ", false},
    {"^Bearer .+$", "", "bearer x", false},
    {"\\.(png|jpe?g)$", "", "x.png", true},
    {"\\.(png|jpe?g)$", "", "x.jpg", true},
    {"\\.(png|jpe?g)$", "", "x.jpeg", true},
    {"\\.(png|jpe?g)$", "", "x.jpeeg", false},
    {"\\.(png|jpe?g)$", "", "xpng", false},
    {"^\\+?\\d{7,15}$", "", "+1234567", true},
    {"^\\+?\\d{7,15}$", "", "123456", false},
    {"^\\+?\\d{7,15}$", "", "1234567890123456", false},
    {"^#?([a-f0-9]{6}|[a-f0-9]{3})$", "", "#abc", true},
    {"^#?([a-f0-9]{6}|[a-f0-9]{3})$", "", "abcdef", true},
    {"^#?([a-f0-9]{6}|[a-f0-9]{3})$", "", "abcd", false},
    {"^\\[object Object\\]$", "", "[object Object]", true},
    {"^\\[object Object\\]$", "", "o", false}, {"/", "", "a/b", true},
    {"/", "", "ab", false}, {"\\/", "", "a/b", true},
    {"a\"b", "", "a\"b", true},
};

static const regex_case quantifiers[] = {
    {"^a*$", "", "", true}, {"^a*$", "", "aaa", true},
    {"^a*$", "", "ab", false}, {"^a+$", "", "", false}, {"^a+$", "", "a", true},
    {"^a+$", "", "aaa", true}, {"^a?$", "", "", true}, {"^a?$", "", "a", true},
    {"^a?$", "", "aa", false}, {"^a{2}$", "", "a", false},
    {"^a{2}$", "", "aa", true}, {"^a{2}$", "", "aaa", false},
    {"^a{2,}$", "", "a", false}, {"^a{2,}$", "", "aa", true},
    {"^a{2,}$", "", "aaaaa", true}, {"^a{2,3}$", "", "a", false},
    {"^a{2,3}$", "", "aa", true}, {"^a{2,3}$", "", "aaa", true},
    {"^a{2,3}$", "", "aaaa", false}, {"^a{0}$", "", "", true},
    {"^a{0}$", "", "a", false}, {"^(a){0}b$", "", "b", true},
    {"^(a){0}b$", "", "ab", false}, {"^a*?$", "", "aaa", true},
    {"^a+?b$", "", "aab", true}, {"^a+?b$", "", "b", false},
    {"^a??$", "", "", true}, {"^a??$", "", "a", true},
    {"^a??$", "", "aa", false}, {"^a{2,3}?$", "", "a", false},
    {"^a{2,3}?$", "", "aa", true}, {"^a{2,3}?$", "", "aaaa", false},
    {"^(a*)*$", "", "", true}, {"^(a*)*$", "", "aaa", true},
    {"^(a*)*$", "", "b", false}, {"^(a*)+$", "", "", true},
    {"^(a*)+$", "", "aaa", true}, {"^(a*)+$", "", "b", false},
    {"^(?:)*$", "", "", true}, {"^(?:)*$", "", "a", false},
    {"^(?:a?){3}$", "", "", true}, {"^(?:a?){3}$", "", "aa", true},
    {"^(?:a?){3}$", "", "aaaa", false}, {"^(a?){5}$", "", "aaaaa", true},
    {"^(a?){5}$", "", "aaaaaa", false}, {"^(?:a{2}){3}$", "", "aaaaaa", true},
    {"^(?:a{2}){3}$", "", "aaaaa", false}, {"^(?:|a)+$", "", "aaa", true},
    {"^(?:a|())*b$", "", "aab", true}, {"^(?:a|())*b$", "", "b", true},
    {"^(?:a|())*b$", "", "c", false}, {"^a?a?a?aaa$", "", "aaa", true},
    {"^a?a?a?aaa$", "", "aaaaaa", true}, {"^a?a?a?aaa$", "", "aa", false},
    {"^a?a?a?aaa$", "", "aaaaaaa", false}, {"^(?:a*?)*?b$", "", "aab", true},
    {"^(?:a*?)*?b$", "", "aac", false}, {"^(?:^a)*b", "", "aab", false},
    {"^(?:^a)*b", "", "ab", true}, {"^(?:^a)*b", "", "b", true},
    {"(?:$)?", "", "x", true}, {"^a{1,99999999999}$", "", "aa", true},
    {"^a{1,99999999999}$", "", "", false}, {"^(?:){99999}$", "", "", true},
    {"^a{0,0}$", "", "", true}, {"^a{0,0}$", "", "a", false},
    {"^\\d{1,3}(?:,\\d{3})*$", "", "1", true},
    {"^\\d{1,3}(?:,\\d{3})*$", "", "12,345", true},
    {"^\\d{1,3}(?:,\\d{3})*$", "", "1,23", false},
    {"^\\d{1,3}(?:,\\d{3})*$", "", "1234", false},
    {"(a+)+$", "", "aaab", false}, {"^(?:a+b*)+$", "", "aabab", true},
    {"^(?:a+b*)+$", "", "ba", false},
};

static const regex_case classes[] = {
    {"^[abc]$", "", "a", true}, {"^[abc]$", "", "b", true},
    {"^[abc]$", "", "d", false}, {"^[^abc]$", "", "a", false},
    {"^[^abc]$", "", "d", true}, {"^[^abc]$", "", "\n", true},
    {"^[a-c]$", "", "b", true}, {"^[a-c]$", "", "d", false},
    {"^[a-c]$", "", "-", false}, {"^[-a]$", "", "-", true},
    {"^[-a]$", "", "a", true}, {"^[-a]$", "", "b", false},
    {"^[a-]$", "", "-", true}, {"^[a-]$", "", "a", true},
    {"^[a-]$", "", "b", false}, {"^[a\\-c]$", "", "-", true},
    {"^[a\\-c]$", "", "b", false}, {"^[]$", "", "", false},
    {"^[]$", "", "a", false}, {"^[^]$", "", "", false},
    {"^[^]$", "", "\n", true}, {"^[^]$", "", "a", true},
    {"^[^]$", "", "\303\251", true}, {"^[\\]]$", "", "]", true},
    {"^[\\]]$", "", "\\", false}, {"^[[]$", "", "[", true},
    {"^[\\b]$", "", "\010", true}, {"^[\\b]$", "", "b", false},
    {"^[\\d_]$", "", "5", true}, {"^[\\d_]$", "", "_", true},
    {"^[\\d_]$", "", "a", false}, {"^[\\D]$", "", "5", false},
    {"^[\\D]$", "", "a", true}, {"^[\\w-]$", "", "-", true},
    {"^[\\w-]$", "", "a", true}, {"^[\\w-]$", "", "!", false},
    {"^[\\w-a]$", "", "-", true}, {"^[\\w-a]$", "", "a", true},
    {"^[\\w-a]$", "", "!", false}, {"^[a-\\d]$", "", "-", true},
    {"^[a-\\d]$", "", "a", true}, {"^[a-\\d]$", "", "5", true},
    {"^[a-\\d]$", "", "b", false}, {"^[\\s\\S]$", "", " ", true},
    {"^[\\s\\S]$", "", "x", true}, {"^[^\\d\\s]$", "", "1", false},
    {"^[^\\d\\s]$", "", " ", false}, {"^[^\\d\\s]$", "", "x", true},
    {"^[.]$", "", ".", true}, {"^[.]$", "", "x", false},
    {"^[$^]$", "", "$", true}, {"^[$^]$", "", "^", true},
    {"^[a^]$", "", "^", true}, {"^[a^]$", "", "b", false},
    {"^[\303\251-\303\257]$", "", "\303\251", true},
    {"^[\303\251-\303\257]$", "", "\303\252", true},
    {"^[\303\251-\303\257]$", "", "z", false},
    {"^[\360\237\230\200]$", "", "\360\237\230\200", false},
    {"^[\360\237\230\200]$", "u", "\360\237\230\200", true},
    {"^[\360\237\230\200]$", "u", "\360\237\230\201", false},
    {"^[\360\237\230\200-\360\237\230\216]$", "u", "\360\237\230\203", true},
    {"^[\360\237\230\200-\360\237\230\216]$", "u", "a", false},
    {"^[^\360\237\230\200]$", "u", "\360\237\230\200", false},
    {"^[^\360\237\230\200]$", "u", "a", true},
    {"^[\\ud83d\\ude00]$", "u", "\360\237\230\200", true},
    {"^[\\ud83d\\ude00]{2}$", "", "\360\237\230\200", true},
    {"^[\\x41-\\x43]$", "", "B", true}, {"^[\\x41-\\x43]$", "", "D", false},
    {"^[\\u0041-\\u0043]$", "", "B", true},
    {"^[\\u0041-\\u0043]$", "", "D", false}, {"^[\\cA]$", "", "\001", true},
    {"^[\\cA]$", "", "A", false}, {"^[\\c]$", "", "c", true},
    {"^[\\c]$", "", "\\", true}, {"^[\\c]$", "", "d", false},
    {"^[\\c1]$", "", "\021", true}, {"^[\\c1]$", "", "c", false},
    {"^[\\c1]$", "", "1", false}, {"^[\\c_]$", "", "\037", true},
    {"^[\\c_]$", "", "_", false}, {"^[\\c*]$", "", "\\", true},
    {"^[\\c*]$", "", "c", true}, {"^[\\c*]$", "", "*", true},
    {"^[\\101]$", "", "A", true}, {"^[\\8]$", "", "8", true},
    {"^[\\8]$", "", "\\", false}, {"^[\\-]$", "u", "-", true},
    {"^[\\e]$", "", "e", true}, {"^[\\0]$", "", "0", false},
    {"^[z\\0-\\x1f]$", "", "\011", true}, {"^[z\\0-\\x1f]$", "", " ", false},
    {"^[z\\0-\\x1f]$", "", "z", true}, {"^[\\B]$", "", "B", true},
    {"^[\\k]$", "", "k", true}, {"^[\\p{Lu}]$", "u", "A", true},
    {"^[\\p{Lu}]$", "u", "a", false}, {"^[^\\P{Lu}]$", "u", "A", true},
    {"^[^\\P{Lu}]$", "u", "a", false}, {"^[\\p{L}\\d]$", "u", "\303\251", true},
    {"^[\\p{L}\\d]$", "u", "5", true}, {"^[\\p{L}\\d]$", "u", "-", false},
    {"^[a-cb-dx]$", "", "d", true}, {"^[a-cb-dx]$", "", "e", false},
    {"^[a-cb-dx]$", "", "x", true}, {"[?&]id=\\d+(&|$)", "", "/x?id=5", true},
    {"[?&]id=\\d+(&|$)", "", "/x?id=", false},
    {"[?&]id=\\d+(&|$)", "", "a&id=7&b", true}, {"^\\d$", "", "0", true},
    {"^\\d$", "", "9", true}, {"^\\d$", "", "a", false},
    {"^\\d$", "", "\331\243", false}, {"^\\D$", "", "a", true},
    {"^\\D$", "", "\331\243", true}, {"^\\D$", "", "0", false},
    {"^\\w$", "", "a", true}, {"^\\w$", "", "z", true},
    {"^\\w$", "", "A", true}, {"^\\w$", "", "Z", true},
    {"^\\w$", "", "0", true}, {"^\\w$", "", "9", true},
    {"^\\w$", "", "_", true}, {"^\\w$", "", "\303\251", false},
    {"^\\w$", "", "-", false}, {"^\\w$", "", "\305\277", false},
    {"^\\W$", "", "\303\251", true}, {"^\\W$", "", "-", true},
    {"^\\W$", "", " ", true}, {"^\\W$", "", "a", false},
    {"^\\W$", "", "_", false}, {"^\\s$", "", " ", true},
    {"^\\s$", "", "\011", true}, {"^\\s$", "", "\n", true},
    {"^\\s$", "", "\013", true}, {"^\\s$", "", "\014", true},
    {"^\\s$", "", "\015", true}, {"^\\s$", "", "\302\240", true},
    {"^\\s$", "", "\341\232\200", true}, {"^\\s$", "", "\342\200\200", true},
    {"^\\s$", "", "\342\200\212", true}, {"^\\s$", "", "\342\200\250", true},
    {"^\\s$", "", "\342\200\251", true}, {"^\\s$", "", "\342\200\257", true},
    {"^\\s$", "", "\342\201\237", true}, {"^\\s$", "", "\343\200\200", true},
    {"^\\s$", "", "\357\273\277", true}, {"^\\s$", "", "a", false},
    {"^\\s$", "", "\342\200\213", false}, {"^\\s$", "", "\302\205", false},
    {"^\\s$", "", "\341\240\216", false}, {"^\\S$", "", "a", true},
    {"^\\S$", "", "\342\200\213", true}, {"^\\S$", "", " ", false},
    {"^\\S$", "", "\357\273\277", false},
};

static const regex_case escapes[] = {
    {"^\\x41\\u0042\\t\\/\\.$", "", "AB\011/.", true},
    {"^\\x41\\u0042\\t\\/\\.$", "", "AB\011/x", false},
    {"^\\n\\r\\f\\v\\t$", "", "\n\015\014\013\011", true},
    {"^\\n\\r\\f\\v\\t$", "", "nrfvt", false},
    {"^\\cA\\cz$", "", "\001\032", true}, {"^\\c$", "", "\\c", true},
    {"^\\c$", "", "c", false}, {"^\\c1$", "", "\\c1", true},
    {"^\\c1$", "", "\021", false}, {"^\\0$", "", "0", false},
    {"^\\x4$", "", "x4", true}, {"^\\x4$", "", "\004", false},
    {"^\\xg$", "", "xg", true}, {"^\\u004$", "", "u004", true},
    {"^\\u{2}$", "", "uu", true}, {"^\\u{2}$", "", "\002", false},
    {"^\\u{41}$", "u", "A", true},
    {"^\\u{1F600}$", "u", "\360\237\230\200", true},
    {"^\\u{00000041}$", "u", "A", true},
    {"^\\ud83d\\ude00$", "u", "\360\237\230\200", true},
    {"^\\ud83d\\ude00$", "", "\360\237\230\200", true},
    {"^\\ud83d$", "u", "\355\240\275", true},
    {"\\ud83d", "u", "\360\237\230\200", false},
    {"\\ud83d", "u", "\355\240\275x", true},
    {"\\ud83d", "", "\360\237\230\200", true},
    {"\\ude00", "", "\360\237\230\200", true},
    {"\\ude00", "u", "\360\237\230\200", false},
    {"\\ude00", "u", "\355\270\200", true},
    {"^\\ud83d\\u{de00}$", "u", "\360\237\230\200", false},
    {"^.$", "", "\360\237\230\200", false}, {"^.$", "", "\303\251", true},
    {"^.$", "", "\355\240\275", true}, {"^.$", "u", "\360\237\230\200", true},
    {"^.$", "u", "\303\251", true}, {"^.$", "u", "\355\270\200", true},
    {"^..$", "", "\360\237\230\200", true},
    {"^..$", "u", "\360\237\230\200", false},
    {"^..$", "u", "\360\237\230\200\360\237\230\200", true},
    {"\360\237\230\200*$", "", "\360\237\230\200\360\237\230\200", true},
    {"\360\237\230\200*$", "", "x", false},
    {"^\360\237\230\200*$", "u", "\360\237\230\200\360\237\230\200", true},
    {"^\360\237\230\200*$", "u", "\360\237\230\200x", false},
    {"^\360\237\230\200*$", "", "\360\237\230\200\355\270\200", true},
    {"^\360\237\230\200*$", "", "\360\237\230\200\360\237\230\200", false},
    {"^\\p$", "", "p", true}, {"^\\p{2}$", "", "pp", true},
    {"^\\p{2}$", "", "\303\211", false}, {"^\\p{L}$", "", "p{L}", true},
    {"^\\p{L}$", "", "\303\211", false}, {"^\\P{Lu}$", "", "P{Lu}", true},
    {"^\\a\\e\\g\\-\\_\\\303\251$", "", "aeg-_\303\251", true},
    {"^\\k$", "", "k", true}, {"^\\k<a>$", "", "k<a>", true},
    {"^\\1$", "", "\001", true}, {"^\\1$", "", "1", false},
    {"^\\12$", "", "\n", true}, {"^(?:a)\\1$", "", "a\001", true},
    {"^\\101$", "", "A", true}, {"^\\377$", "", "\303\277", true},
    {"^\\400$", "", " 0", true}, {"^\\8$", "", "8", true},
    {"^\\9a$", "", "9a", true}, {"^\\08$", "", "x", false},
    {"^\\07$", "", "\007", true}, {"^\\18$", "", "\0018", true},
    {"^\\$\\^\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\\\\\/\\.$", "u",
     "$^*+?()[]{}|\\/.", true},
    {"^\\$\\^\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\\\\\/\\.$", "",
     "$^*+?()[]{}|\\/.", true},
    {"a{,3}", "", "a{,3}", true}, {"a{,3}", "", "aaa", false},
    {"^a{$", "", "a{", true}, {"^a{1$", "", "a{1", true},
    {"^a{1,$", "", "a{1,", true}, {"^a{b}$", "", "a{b}", true},
    {"^{$", "", "{", true}, {"^{a}$", "", "{a}", true}, {"^}$", "", "}", true},
    {"^]$", "", "]", true}, {"^a]b}$", "", "a]b}", true},
    {"^{,5}$", "", "{,5}", true}, {"^x{ 1}$", "", "x{ 1}", true},
    {"^\\{1}$", "", "{1}", true}, {"^\\{1}$", "", "{", false},
};

static const regex_case cases[] = {
    {"^AB$", "i", "ab", true}, {"^AB$", "i", "aB", true},
    {"^AB$", "i", "AB", true}, {"^AB$", "i", "abc", false},
    {"^straSSe$", "i", "STRASSE", true},
    {"^straSSe$", "i", "stra\303\237e", false}, {"^k$", "i", "K", true},
    {"^k$", "i", "\342\204\252", false}, {"^k$", "iu", "K", true},
    {"^k$", "iu", "\342\204\252", true}, {"^\\u212a$", "i", "k", false},
    {"^\\u212a$", "i", "\342\204\252", true}, {"^\\u212a$", "iu", "k", true},
    {"^s$", "i", "\305\277", false}, {"^s$", "iu", "\305\277", true},
    {"^\303\237$", "i", "\303\237", true}, {"^\303\237$", "i", "SS", false},
    {"^\303\237$", "i", "\341\272\236", false},
    {"^\303\237$", "iu", "\341\272\236", true},
    {"^\303\237$", "iu", "SS", false}, {"^\317\203$", "i", "\317\203", true},
    {"^\317\203$", "i", "\317\202", true},
    {"^\317\203$", "i", "\316\243", true},
    {"^\317\202$", "i", "\317\203", true},
    {"^\317\202$", "i", "\317\202", true},
    {"^\317\202$", "i", "\316\243", true},
    {"^\316\243$", "i", "\317\203", true},
    {"^\316\243$", "i", "\317\202", true},
    {"^\316\243$", "i", "\316\243", true},
    {"^\303\251$", "i", "\303\211", true}, {"^\303\251$", "i", "e", false},
    {"^\303\211$", "i", "\303\251", true},
    {"^\321\217$", "i", "\320\257", true},
    {"^\303\277$", "i", "\305\270", true},
    {"^\302\265$", "i", "\316\274", true},
    {"^\302\265$", "i", "\316\234", true},
    {"^\302\265$", "iu", "\316\274", true},
    {"^\302\265$", "iu", "\316\234", true},
    {"^\303\245$", "i", "\303\205", true},
    {"^\303\245$", "i", "\342\204\253", false},
    {"^\303\245$", "iu", "\342\204\253", true},
    {"^\307\206$", "i", "\307\204", true},
    {"^\307\206$", "i", "\307\205", true},
    {"^\307\205$", "iu", "\307\206", true},
    {"^\307\205$", "iu", "\307\204", true}, {"^i$", "i", "I", true},
    {"^i$", "i", "\304\260", false}, {"^i$", "i", "\304\261", false},
    {"^i$", "iu", "I", true}, {"^i$", "iu", "\304\260", false},
    {"^i$", "iu", "\304\261", false}, {"^\304\260$", "i", "i", false},
    {"^\304\260$", "i", "i\314\207", false},
    {"^\316\270$", "i", "\317\221", true},
    {"^\316\270$", "i", "\317\264", false},
    {"^\316\270$", "i", "\316\230", true},
    {"^\316\270$", "iu", "\317\221", true},
    {"^\316\270$", "iu", "\317\264", true},
    {"^\316\270$", "iu", "\316\230", true},
    {"^\360\220\220\250$", "iu", "\360\220\220\200", true},
    {"^\360\220\220\250$", "iu", "\360\220\220\250", true},
    {"^\360\220\220\250$", "i", "\360\220\220\200", false},
    {"^\360\220\220\250$", "i", "\360\220\220\250", true},
    {"^\341\276\263$", "i", "\341\276\274", false},
    {"^\341\276\263$", "iu", "\341\276\274", true},
    {"^\316\220$", "iu", "\341\277\223", true},
    {"^\352\255\260$", "i", "\341\216\240", true},
    {"^\357\254\205$", "iu", "\357\254\206", true},
    {"^\317\211$", "iu", "\316\251", true},
    {"^\317\211$", "i", "\316\251", true}, {"^[a-z]$", "i", "K", true},
    {"^[a-z]$", "i", "\342\204\252", false},
    {"^[a-z]$", "i", "\305\277", false}, {"^[a-z]$", "iu", "K", true},
    {"^[a-z]$", "iu", "\342\204\252", true},
    {"^[a-z]$", "iu", "\305\277", true}, {"^[^x]$", "i", "x", false},
    {"^[^x]$", "i", "X", false}, {"^[^x]$", "i", "y", true},
    {"^[^x]$", "iu", "X", false}, {"^[^k]$", "iu", "\342\204\252", false},
    {"^[^k]$", "i", "\342\204\252", true}, {"^[A-Z]+$", "i", "hello", true},
    {"^[A-Z]+$", "i", "h3", false}, {"^[\303\211]$", "i", "\303\251", true},
    {"^[\303\240-\303\276]$", "i", "\303\200", true},
    {"^[\303\240-\303\276]$", "i", "\303\267", true},
    {"^[\303\240-\303\276]$", "i", "\303\227", false},
    {"^[\303\240-\303\276]$", "i", "\303\236", true},
    {"^[\304\200-\305\276]$", "i", "\304\201", true},
    {"^[\304\200-\305\276]$", "i", "\305\275", true},
    {"^[\\u212a]$", "i", "k", false}, {"^[\\u212a]$", "iu", "k", true},
    {"^[\\u212a]$", "iu", "K", true}, {"^[_-a]$", "i", "A", true},
    {"^[_-a]$", "i", "`", true}, {"^[_-a]$", "i", "b", false},
    {"^[_-a]$", "i", "_", true}, {"^\\w$", "i", "\305\277", false},
    {"^\\w$", "i", "\342\204\252", false}, {"^\\w$", "i", "a", true},
    {"^\\w$", "iu", "\305\277", true}, {"^\\w$", "iu", "\342\204\252", true},
    {"^\\w$", "u", "\305\277", false}, {"^\\W$", "iu", "\305\277", false},
    {"^\\W$", "iu", "S", false}, {"^\\W$", "iu", "k", false},
    {"^\\W$", "iu", "\342\204\252", false}, {"^\\W$", "iu", "-", true},
    {"^\\W$", "i", "\305\277", true}, {"^\\W$", "i", "S", false},
    {"^[\\W]$", "iu", "S", false}, {"^[\\W]$", "iu", "\305\277", false},
    {"^[^\\W]$", "iu", "S", true}, {"^[^\\W]$", "iu", "\305\277", true},
    {"a\\b", "iu", "a\305\277", false}, {"a\\b", "iu", "a-", true},
    {"a\\b", "i", "a\305\277", true},
    {"a\\B\\u212a", "iu", "a\342\204\252", true},
    {"^\\p{Lu}$", "iu", "a", true}, {"^\\p{Lu}$", "iu", "A", true},
    {"^\\p{Lu}$", "iu", "1", false}, {"^\\P{Lu}$", "iu", "A", true},
    {"^\\P{Lu}$", "iu", "a", true}, {"^\\P{Lu}$", "iu", "1", true},
    {"^[^\\P{Lu}]$", "iu", "A", false}, {"^[^\\P{Lu}]$", "iu", "a", false},
    {"^\\p{Ll}$", "iu", "A", true},
    {"^[\\ud801\\udc00]$", "iu", "\360\220\220\250", true},
};

static const regex_case properties[] = {
    {"^\\p{Lu}$", "u", "A", true}, {"^\\p{Lu}$", "u", "\303\211", true},
    {"^\\p{Lu}$", "u", "\360\220\220\200", true},
    {"^\\p{Lu}$", "u", "a", false}, {"^\\p{Lu}$", "u", "\307\205", false},
    {"^\\p{Lu}$", "u", "1", false}, {"^\\P{Lu}$", "u", "A", false},
    {"^\\p{Uppercase_Letter}$", "u", "A", true},
    {"^\\p{Uppercase_Letter}$", "u", "a", false},
    {"^\\P{Uppercase_Letter}$", "u", "A", false}, {"^\\p{Ll}$", "u", "a", true},
    {"^\\p{Ll}$", "u", "\303\251", true}, {"^\\p{Ll}$", "u", "\303\237", true},
    {"^\\p{Ll}$", "u", "A", false}, {"^\\P{Ll}$", "u", "a", false},
    {"^\\p{Lt}$", "u", "\307\205", true}, {"^\\p{Lt}$", "u", "A", false},
    {"^\\P{Lt}$", "u", "\307\205", false}, {"^\\p{Lm}$", "u", "\312\260", true},
    {"^\\p{Lm}$", "u", "a", false}, {"^\\P{Lm}$", "u", "\312\260", false},
    {"^\\p{Lo}$", "u", "\302\252", true}, {"^\\p{Lo}$", "u", "\327\220", true},
    {"^\\p{Lo}$", "u", "\346\274\242", true}, {"^\\p{Lo}$", "u", "a", false},
    {"^\\P{Lo}$", "u", "\302\252", false}, {"^\\p{L}$", "u", "a", true},
    {"^\\p{L}$", "u", "A", true}, {"^\\p{L}$", "u", "\327\220", true},
    {"^\\p{L}$", "u", "\312\260", true}, {"^\\p{L}$", "u", "1", false},
    {"^\\P{L}$", "u", "a", false}, {"^\\p{Letter}$", "u", "\303\251", true},
    {"^\\p{Letter}$", "u", "-", false},
    {"^\\P{Letter}$", "u", "\303\251", false}, {"^\\p{LC}$", "u", "a", true},
    {"^\\p{LC}$", "u", "A", true}, {"^\\p{LC}$", "u", "\307\205", true},
    {"^\\p{LC}$", "u", "\327\220", false}, {"^\\P{LC}$", "u", "a", false},
    {"^\\p{Cased_Letter}$", "u", "a", true},
    {"^\\p{Cased_Letter}$", "u", "\327\220", false},
    {"^\\P{Cased_Letter}$", "u", "a", false},
    {"^\\p{Mn}$", "u", "\314\201", true}, {"^\\p{Mn}$", "u", "a", false},
    {"^\\P{Mn}$", "u", "\314\201", false},
    {"^\\p{Mc}$", "u", "\340\244\203", true},
    {"^\\p{Mc}$", "u", "\314\201", false},
    {"^\\P{Mc}$", "u", "\340\244\203", false},
    {"^\\p{Me}$", "u", "\342\203\235", true},
    {"^\\p{Me}$", "u", "\314\201", false},
    {"^\\P{Me}$", "u", "\342\203\235", false},
    {"^\\p{M}$", "u", "\314\201", true},
    {"^\\p{M}$", "u", "\340\244\203", true}, {"^\\p{M}$", "u", "a", false},
    {"^\\P{M}$", "u", "\314\201", false},
    {"^\\p{Mark}$", "u", "\314\201", true},
    {"^\\P{Mark}$", "u", "\314\201", false},
    {"^\\p{Combining_Mark}$", "u", "\314\201", true},
    {"^\\p{Combining_Mark}$", "u", "a", false},
    {"^\\P{Combining_Mark}$", "u", "\314\201", false},
    {"^\\p{Nd}$", "u", "5", true}, {"^\\p{Nd}$", "u", "\331\243", true},
    {"^\\p{Nd}$", "u", "\302\275", false}, {"^\\P{Nd}$", "u", "5", false},
    {"^\\p{digit}$", "u", "5", true}, {"^\\p{digit}$", "u", "\302\275", false},
    {"^\\P{digit}$", "u", "5", false}, {"^\\p{Nl}$", "u", "\342\205\247", true},
    {"^\\p{Nl}$", "u", "5", false}, {"^\\P{Nl}$", "u", "\342\205\247", false},
    {"^\\p{No}$", "u", "\302\275", true}, {"^\\p{No}$", "u", "\302\262", true},
    {"^\\p{No}$", "u", "5", false}, {"^\\P{No}$", "u", "\302\275", false},
    {"^\\p{N}$", "u", "5", true}, {"^\\p{N}$", "u", "\342\205\247", true},
    {"^\\p{N}$", "u", "\302\275", true}, {"^\\p{N}$", "u", "a", false},
    {"^\\P{N}$", "u", "5", false}, {"^\\p{Number}$", "u", "\302\275", true},
    {"^\\P{Number}$", "u", "\302\275", false}, {"^\\p{Pc}$", "u", "_", true},
    {"^\\p{Pc}$", "u", "-", false}, {"^\\P{Pc}$", "u", "_", false},
    {"^\\p{Pd}$", "u", "-", true}, {"^\\p{Pd}$", "u", "\342\200\224", true},
    {"^\\p{Pd}$", "u", "_", false}, {"^\\P{Pd}$", "u", "-", false},
    {"^\\p{Ps}$", "u", "(", true}, {"^\\p{Ps}$", "u", "[", true},
    {"^\\p{Ps}$", "u", ")", false}, {"^\\P{Ps}$", "u", "(", false},
    {"^\\p{Pe}$", "u", ")", true}, {"^\\p{Pe}$", "u", "]", true},
    {"^\\p{Pe}$", "u", "(", false}, {"^\\P{Pe}$", "u", ")", false},
    {"^\\p{Pi}$", "u", "\302\253", true},
    {"^\\p{Pi}$", "u", "\342\200\230", true},
    {"^\\p{Pi}$", "u", "\302\273", false},
    {"^\\P{Pi}$", "u", "\302\253", false}, {"^\\p{Pf}$", "u", "\302\273", true},
    {"^\\p{Pf}$", "u", "\342\200\231", true},
    {"^\\p{Pf}$", "u", "\302\253", false},
    {"^\\P{Pf}$", "u", "\302\273", false}, {"^\\p{Po}$", "u", "!", true},
    {"^\\p{Po}$", "u", ".", true}, {"^\\p{Po}$", "u", "-", false},
    {"^\\P{Po}$", "u", "!", false}, {"^\\p{P}$", "u", "!", true},
    {"^\\p{P}$", "u", "-", true}, {"^\\p{P}$", "u", "_", true},
    {"^\\p{P}$", "u", "(", true}, {"^\\p{P}$", "u", "\302\253", true},
    {"^\\p{P}$", "u", "a", false}, {"^\\p{P}$", "u", "+", false},
    {"^\\P{P}$", "u", "!", false}, {"^\\p{Punctuation}$", "u", "!", true},
    {"^\\P{Punctuation}$", "u", "!", false}, {"^\\p{punct}$", "u", "!", true},
    {"^\\p{punct}$", "u", "a", false}, {"^\\P{punct}$", "u", "!", false},
    {"^\\p{Sm}$", "u", "+", true}, {"^\\p{Sm}$", "u", "<", true},
    {"^\\p{Sm}$", "u", "-", false}, {"^\\P{Sm}$", "u", "+", false},
    {"^\\p{Sc}$", "u", "$", true}, {"^\\p{Sc}$", "u", "\342\202\254", true},
    {"^\\p{Sc}$", "u", "+", false}, {"^\\P{Sc}$", "u", "$", false},
    {"^\\p{Sk}$", "u", "^", true}, {"^\\p{Sk}$", "u", "`", true},
    {"^\\p{Sk}$", "u", "+", false}, {"^\\P{Sk}$", "u", "^", false},
    {"^\\p{So}$", "u", "\302\251", true},
    {"^\\p{So}$", "u", "\360\237\230\200", true},
    {"^\\p{So}$", "u", "+", false}, {"^\\P{So}$", "u", "\302\251", false},
    {"^\\p{S}$", "u", "+", true}, {"^\\p{S}$", "u", "$", true},
    {"^\\p{S}$", "u", "^", true}, {"^\\p{S}$", "u", "\302\251", true},
    {"^\\p{S}$", "u", "!", false}, {"^\\P{S}$", "u", "+", false},
    {"^\\p{Symbol}$", "u", "+", true}, {"^\\P{Symbol}$", "u", "+", false},
    {"^\\p{Zs}$", "u", " ", true}, {"^\\p{Zs}$", "u", "\302\240", true},
    {"^\\p{Zs}$", "u", "\011", false}, {"^\\P{Zs}$", "u", " ", false},
    {"^\\p{Zl}$", "u", "\342\200\250", true}, {"^\\p{Zl}$", "u", " ", false},
    {"^\\P{Zl}$", "u", "\342\200\250", false},
    {"^\\p{Zp}$", "u", "\342\200\251", true}, {"^\\p{Zp}$", "u", " ", false},
    {"^\\P{Zp}$", "u", "\342\200\251", false}, {"^\\p{Z}$", "u", " ", true},
    {"^\\p{Z}$", "u", "\342\200\250", true}, {"^\\p{Z}$", "u", "\011", false},
    {"^\\P{Z}$", "u", " ", false}, {"^\\p{Separator}$", "u", " ", true},
    {"^\\p{Separator}$", "u", "a", false},
    {"^\\P{Separator}$", "u", " ", false}, {"^\\p{Cc}$", "u", "\011", true},
    {"^\\p{Cc}$", "u", "\177", true}, {"^\\p{Cc}$", "u", "a", false},
    {"^\\P{Cc}$", "u", "\011", false}, {"^\\p{cntrl}$", "u", "\011", true},
    {"^\\P{cntrl}$", "u", "\011", false}, {"^\\p{Control}$", "u", "\001", true},
    {"^\\P{Control}$", "u", "\001", false},
    {"^\\p{Cf}$", "u", "\302\255", true},
    {"^\\p{Cf}$", "u", "\342\200\213", true}, {"^\\p{Cf}$", "u", "a", false},
    {"^\\P{Cf}$", "u", "\302\255", false},
    {"^\\p{Cs}$", "u", "\355\240\200", true}, {"^\\p{Cs}$", "u", "a", false},
    {"^\\P{Cs}$", "u", "\355\240\200", false},
    {"^\\p{Surrogate}$", "u", "\355\277\277", true},
    {"^\\P{Surrogate}$", "u", "\355\277\277", false},
    {"^\\p{Co}$", "u", "\356\200\200", true}, {"^\\p{Co}$", "u", "a", false},
    {"^\\P{Co}$", "u", "\356\200\200", false},
    {"^\\p{Cn}$", "u", "\315\270", true},
    {"^\\p{Cn}$", "u", "\357\277\277", true},
    {"^\\p{Cn}$", "u", "\364\217\277\277", true},
    {"^\\p{Cn}$", "u", "a", false}, {"^\\P{Cn}$", "u", "\315\270", false},
    {"^\\p{Unassigned}$", "u", "\315\270", true},
    {"^\\P{Unassigned}$", "u", "\315\270", false},
    {"^\\p{C}$", "u", "\011", true}, {"^\\p{C}$", "u", "\302\255", true},
    {"^\\p{C}$", "u", "\355\240\200", true},
    {"^\\p{C}$", "u", "\356\200\200", true},
    {"^\\p{C}$", "u", "\315\270", true}, {"^\\p{C}$", "u", "a", false},
    {"^\\P{C}$", "u", "\011", false}, {"^\\p{Other}$", "u", "\011", true},
    {"^\\p{Other}$", "u", "a", false}, {"^\\P{Other}$", "u", "\011", false},
    {"^\\p{Alphabetic}$", "u", "a", true},
    {"^\\p{Alphabetic}$", "u", "\327\220", true},
    {"^\\p{Alphabetic}$", "u", "\342\205\247", true},
    {"^\\p{Alphabetic}$", "u", "\342\223\220", true},
    {"^\\p{Alphabetic}$", "u", "\315\205", true},
    {"^\\p{Alphabetic}$", "u", "\314\201", false},
    {"^\\p{Alphabetic}$", "u", "1", false},
    {"^\\P{Alphabetic}$", "u", "a", false}, {"^\\p{Alpha}$", "u", "a", true},
    {"^\\p{Alpha}$", "u", "1", false}, {"^\\P{Alpha}$", "u", "a", false},
    {"^\\p{Uppercase}$", "u", "A", true},
    {"^\\p{Uppercase}$", "u", "\342\205\247", true},
    {"^\\p{Uppercase}$", "u", "\342\222\266", true},
    {"^\\p{Uppercase}$", "u", "\360\237\204\260", true},
    {"^\\p{Uppercase}$", "u", "a", false},
    {"^\\P{Uppercase}$", "u", "A", false}, {"^\\p{Upper}$", "u", "A", true},
    {"^\\P{Upper}$", "u", "A", false}, {"^\\p{Lowercase}$", "u", "a", true},
    {"^\\p{Lowercase}$", "u", "\302\252", true},
    {"^\\p{Lowercase}$", "u", "\342\205\267", true},
    {"^\\p{Lowercase}$", "u", "\342\223\220", true},
    {"^\\p{Lowercase}$", "u", "A", false},
    {"^\\P{Lowercase}$", "u", "a", false}, {"^\\p{Lower}$", "u", "a", true},
    {"^\\P{Lower}$", "u", "a", false}, {"^\\p{White_Space}$", "u", " ", true},
    {"^\\p{White_Space}$", "u", "\011", true},
    {"^\\p{White_Space}$", "u", "\302\205", true},
    {"^\\p{White_Space}$", "u", "\343\200\200", true},
    {"^\\p{White_Space}$", "u", "\357\273\277", false},
    {"^\\p{White_Space}$", "u", "\342\200\213", false},
    {"^\\P{White_Space}$", "u", " ", false}, {"^\\p{space}$", "u", " ", true},
    {"^\\p{space}$", "u", "x", false}, {"^\\P{space}$", "u", " ", false},
    {"^\\p{ASCII}$", "u", "a", true}, {"^\\p{ASCII}$", "u", "\177", true},
    {"^\\p{ASCII}$", "u", "\302\200", false}, {"^\\P{ASCII}$", "u", "a", false},
    {"^\\p{Any}$", "u", "a", true}, {"^\\p{Any}$", "u", "\355\240\200", true},
    {"^\\p{Any}$", "u", "\364\217\277\277", true},
    {"^\\P{Any}$", "u", "a", false}, {"^\\p{Assigned}$", "u", "a", true},
    {"^\\p{Assigned}$", "u", "\315\270", false},
    {"^\\P{Assigned}$", "u", "a", false}, {"^\\p{ID_Start}$", "u", "a", true},
    {"^\\p{ID_Start}$", "u", "\342\204\202", true},
    {"^\\p{ID_Start}$", "u", "\342\204\230", true},
    {"^\\p{ID_Start}$", "u", "_", false}, {"^\\p{ID_Start}$", "u", "1", false},
    {"^\\P{ID_Start}$", "u", "a", false},
    {"^\\p{ID_Continue}$", "u", "a", true},
    {"^\\p{ID_Continue}$", "u", "1", true},
    {"^\\p{ID_Continue}$", "u", "_", true},
    {"^\\p{ID_Continue}$", "u", "\302\267", true},
    {"^\\p{ID_Continue}$", "u", "-", false},
    {"^\\P{ID_Continue}$", "u", "a", false}, {"^\\p{IDS}$", "u", "a", true},
    {"^\\P{IDS}$", "u", "a", false}, {"^\\p{IDC}$", "u", "1", true},
    {"^\\P{IDC}$", "u", "1", false}, {"^\\p{gc=Lu}$", "u", "A", true},
    {"^\\p{gc=Lu}$", "u", "a", false}, {"^\\P{gc=Lu}$", "u", "A", false},
    {"^\\p{General_Category=Lu}$", "u", "A", true},
    {"^\\P{General_Category=Lu}$", "u", "A", false},
    {"^\\p{gc=Letter}$", "u", "a", true}, {"^\\p{gc=Letter}$", "u", "1", false},
    {"^\\P{gc=Letter}$", "u", "a", false},
    {"^\\p{General_Category=Uppercase_Letter}$", "u", "A", true},
    {"^\\p{General_Category=Uppercase_Letter}$", "u", "a", false},
    {"^\\P{General_Category=Uppercase_Letter}$", "u", "A", false},
};

static void check(const regex_case *rows, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++) {
        wfs_regex *regex = compile(rows[i].source, rows[i].flags);

        if (finds(regex, rows[i].text, strlen(rows[i].text)) != rows[i].found)
            fail_msg("/%s/%s in \"%s\": %s", rows[i].source, rows[i].flags,
                     rows[i].text, rows[i].found ? "missed" : "found");
        wfs_arena_clear(arena);
    }
}

static void test_basics(void **state)
{
    (void)state;
    check(basics, COUNT(basics));
}

static void test_quantifiers(void **state)
{
    (void)state;
    check(quantifiers, COUNT(quantifiers));
}

static void test_classes(void **state)
{
    (void)state;
    check(classes, COUNT(classes));
}

static void test_escapes(void **state)
{
    (void)state;
    check(escapes, COUNT(escapes));
}

static void test_cases(void **state)
{
    (void)state;
    check(cases, COUNT(cases));
}

static void test_properties(void **state)
{
    (void)state;
    check(properties, COUNT(properties));
}

static void test_no_flags(void **state)
{
    wfs_regex *regex;

    (void)state;
    assert_int_equal(wfs_regex_compile(arena, "a", NULL, &regex, NULL), WFS_OK);
    assert_true(finds(regex, "bab", 3));
    assert_false(finds(regex, "bAb", 3));
}

/* --- what is refused */

typedef struct refused_case {
    const char *source, *flags;
    size_t offset;
    const char *message;
} refused_case;

static const refused_case refused[] = {
    {"(", "", 0, "unterminated group: \"(\" at 0"},
    {"a(b", "", 1, "unterminated group: \"(b\" at 1"},
    {"(?:a", "", 0, "unterminated group: \"(?:a\" at 0"},
    {")", "", 0, "unmatched ): \")\" at 0"},
    {"a)b", "", 1, "unmatched ): \")\" at 1"},
    {"(a))", "", 3, "unmatched ): \")\" at 3"},
    {"*", "", 0, "nothing to repeat: \"*\" at 0"},
    {"a|*", "", 2, "nothing to repeat: \"*\" at 2"},
    {"+a", "", 0, "nothing to repeat: \"+\" at 0"},
    {"?", "", 0, "nothing to repeat: \"?\" at 0"},
    {"a**", "", 2, "nothing to repeat: \"*\" at 2"},
    {"a+*", "", 2, "nothing to repeat: \"*\" at 2"},
    {"a{2}{3}", "", 4, "nothing to repeat: \"{3}\" at 4"},
    {"a{1}*", "", 4, "nothing to repeat: \"*\" at 4"},
    {"^*", "", 1, "nothing to repeat: \"*\" at 1"},
    {"$+", "", 1, "nothing to repeat: \"+\" at 1"},
    {"\\b+", "", 2, "nothing to repeat: \"+\" at 2"},
    {"\\B?", "", 2, "nothing to repeat: \"?\" at 2"},
    {"(*)", "", 1, "nothing to repeat: \"*\" at 1"},
    {"{1}", "", 0, "nothing to repeat: \"{1}\" at 0"},
    {"{1,2}", "", 0, "nothing to repeat: \"{1,2}\" at 0"},
    {"a|{1}", "", 2, "nothing to repeat: \"{1}\" at 2"},
    {"a{2,1}", "", 1, "numbers out of order in a quantifier: \"{2,1}\" at 1"},
    {"a{2,1}?", "", 1, "numbers out of order in a quantifier: \"{2,1}?\" at 1"},
    {"a{99999999999,1}", "", 1,
     "numbers out of order in a quantifier: \"{99999999999,1}\" at 1"},
    {"[", "", 0, "unterminated class: \"[\" at 0"},
    {"[a", "", 0, "unterminated class: \"[a\" at 0"},
    {"[^", "", 0, "unterminated class: \"[^\" at 0"},
    {"x[a\\]", "", 1, "unterminated class: \"[a\\]\" at 1"},
    {"[z-a]", "", 1, "range out of order: \"z-a\" at 1"},
    {"[b\\-a-_-A]", "", 4, "range out of order: \"a-_\" at 4"},
    {"[a-\\x10]", "", 1, "range out of order: \"a-\\x10\" at 1"},
    {"\\", "", 0, "\\ at the end: \"\\\" at 0"},
    {"a\\", "", 1, "\\ at the end: \"\\\" at 1"},
    {"[\\", "", 1, "\\ at the end: \"\\\" at 1"},
    {"(?a)", "", 0, "invalid group: \"(?\" at 0"},
    {"(?i)a", "", 0, "invalid group: \"(?\" at 0"},
    {"(?i:a)", "", 0, "invalid group: \"(?\" at 0"},
    {"(?", "", 0, "invalid group: \"(?\" at 0"},
    {"(?<", "", 0, "invalid group name: \"(?<\" at 0"},
    {"(?<>a)", "", 0, "invalid group name: \"(?<>\" at 0"},
    {"(?<1>a)", "", 0, "invalid group name: \"(?<1\" at 0"},
    {"(?<a", "", 0, "invalid group name: \"(?<a\" at 0"},
    {"(?<a-b>x)", "", 0, "invalid group name: \"(?<a-\" at 0"},
    {"(?<a\\>x)", "", 0, "invalid group name: \"(?<a\\\" at 0"},
    {"(?<a\\u{110000}>x)", "", 0, "invalid group name: \"(?<a\\u{11000\" at 0"},
    {"(?<a\\x61>x)", "", 0, "invalid group name: \"(?<a\\\" at 0"},
    {"(?<a>x)(?<a>y)", "", 7, "duplicate group name: \"(?<a>\" at 7"},
    {"(?<a>x)|(?<a>y)", "", 8, "duplicate group name: \"(?<a>\" at 8"},
    {"(?<a>x)(?<\\u0061>y)", "", 7,
     "duplicate group name: \"(?<\\u0061>\" at 7"},
    {"(?<a>x)\\k", "", 7, "invalid named reference: \"\\k\" at 7"},
    {"(?<a>x)[\\k]", "", 8, "invalid escape: \"\\k\" at 8"},
    {"(?<a>x)\\k<b", "", 7, "invalid named reference: \"\\k<b\" at 7"},
    {"(?P<a>x)", "", 0, "invalid group: \"(?\" at 0"},
    {"\\a", "u", 0, "invalid escape: \"\\a\" at 0"},
    {"\\-", "u", 0, "invalid escape: \"\\-\" at 0"},
    {"\\8", "u", 0, "invalid escape: \"\\8\" at 0"},
    {"\\1", "u", 0, "invalid escape: \"\\1\" at 0"},
    {"\\01", "u", 0, "invalid escape: \"\\0\" at 0"},
    {"\\00", "u", 0, "invalid escape: \"\\0\" at 0"},
    {"[\\1]", "u", 1, "invalid escape: \"\\1\" at 1"},
    {"[\\01]", "u", 1, "invalid escape: \"\\0\" at 1"},
    {"[\\B]", "u", 1, "invalid escape: \"\\B\" at 1"},
    {"[\\c]", "u", 1, "invalid escape: \"\\c\" at 1"},
    {"\\c", "u", 0, "invalid escape: \"\\c\" at 0"},
    {"\\c1", "u", 0, "invalid escape: \"\\c\" at 0"},
    {"\\x4", "u", 0, "invalid escape: \"\\x\" at 0"},
    {"\\u004", "u", 0, "invalid escape: \"\\u\" at 0"},
    {"\\u{}", "u", 0, "invalid escape: \"\\u{\" at 0"},
    {"\\u{110000}", "u", 0, "invalid escape: \"\\u{11000\" at 0"},
    {"\\u{41", "u", 0, "invalid escape: \"\\u{41\" at 0"},
    {"\\p", "u", 0, "invalid property name: \"\\p\" at 0"},
    {"\\p{", "u", 0, "invalid property name: \"\\p{\" at 0"},
    {"\\p{}", "u", 0,
     "the property is unknown or not supported: \"\\p{}\" at 0"},
    {"\\p{Foo}", "u", 0,
     "the property is unknown or not supported: \"\\p{Foo}\" at 0"},
    {"\\p{lu}", "u", 0,
     "the property is unknown or not supported: \"\\p{lu}\" at 0"},
    {"\\p{Lu", "u", 0, "invalid property name: \"\\p{Lu\" at 0"},
    {"\\P{gc=Foo}", "u", 0,
     "the property is unknown or not supported: \"\\P{gc=Foo}\" at 0"},
    {"\\p{gc=Any}", "u", 0,
     "the property is unknown or not supported: \"\\p{gc=Any}\" at 0"},
    {"\\p{gc}", "u", 0,
     "the property is unknown or not supported: \"\\p{gc}\" at 0"},
    {"[\\p{Foo}]", "u", 1,
     "the property is unknown or not supported: \"\\p{Foo}\" at 1"},
    {"\\p{ Lu}", "u", 0,
     "the property is unknown or not supported: \"\\p{ Lu}\" at 0"},
    {"{", "u", 0, "lone bracket: \"{\" at 0"},
    {"}", "u", 0, "lone bracket: \"}\" at 0"},
    {"]", "u", 0, "lone bracket: \"]\" at 0"},
    {"a{", "u", 1, "incomplete quantifier: \"{\" at 1"},
    {"a{1", "u", 1, "incomplete quantifier: \"{\" at 1"},
    {"a{,3}", "u", 1, "incomplete quantifier: \"{\" at 1"},
    {"a{b}", "u", 1, "incomplete quantifier: \"{\" at 1"},
    {"[\\d-a]", "u", 1, "a set cannot end a range: \"\\d-a\" at 1"},
    {"[a-\\d]", "u", 1, "a set cannot end a range: \"a-\\d\" at 1"},
    {"[\\p{L}-a]", "u", 1, "a set cannot end a range: \"\\p{L}-a\" at 1"},
    {"\\k", "u", 0, "invalid named reference: \"\\k\" at 0"},
    {"\\k<a", "u", 0, "invalid named reference: \"\\k<a\" at 0"},
    {"\\_", "u", 0, "invalid escape: \"\\_\" at 0"},
    {"\\\303\251", "u", 0, "invalid escape: \"\\\303\251\" at 0"},
    {"\\ ", "u", 0, "invalid escape: \"\\ \" at 0"},
    {"(a)\\1", "", 3, "back-references are not supported: \"\\1\" at 3"},
    {"\\1(a)", "", 0, "back-references are not supported: \"\\1\" at 0"},
    {"(a)(b)\\2", "", 6, "back-references are not supported: \"\\2\" at 6"},
    {"((((((((((a))))))))))\\10", "", 21,
     "back-references are not supported: \"\\10\" at 21"},
    {"(?<a>x)\\k<a>", "", 7,
     "back-references are not supported: \"\\k<a>\" at 7"},
    {"\\k<a>(?<a>x)", "", 0,
     "back-references are not supported: \"\\k<a>\" at 0"},
    {"(a)\\1", "u", 3, "back-references are not supported: \"\\1\" at 3"},
    {"(?=a)", "", 0, "look-around is not supported: \"(?=\" at 0"},
    {"a(?!b)", "", 1, "look-around is not supported: \"(?!\" at 1"},
    {"(?<=a)b", "", 0, "look-around is not supported: \"(?<=\" at 0"},
    {"x(?<!a)b", "", 1, "look-around is not supported: \"(?<!\" at 1"},
    {"^(?=.*\\d)(?=.*[a-z]).+$", "", 1,
     "look-around is not supported: \"(?=\" at 1"},
    {"(?!admin)\\w+", "", 0, "look-around is not supported: \"(?!\" at 0"},
    {"\\p{Script=Greek}", "u", 0,
     "of what has values only General_Category is supported: "
     "\"\\p{Script=Greek}\" at 0"},
    {"\\p{sc=Grek}", "u", 0,
     "of what has values only General_Category is supported: "
     "\"\\p{sc=Grek}\" at 0"},
    {"\\p{Emoji}", "u", 0,
     "the property is unknown or not supported: \"\\p{Emoji}\" at 0"},
    {"a", "x", 0, "the flag is not supported: \"x\""},
    {"a", "ii", 0, "the flag stands twice: \"i\""},
    {"[a--b]", "v", 3, "sets in classes are not supported: \"-\" at 3"},
    {"[[a]b]", "v", 1, "sets in classes are not supported: \"[\" at 1"},
    {"a", "d", 0, "the flag is not supported: \"d\""},
    {"a", "gg", 0, "the flag stands twice: \"g\""},
    {"a", "uv", 0, "the flags u and v exclude each other"},
    {"a", "I", 0, "the flag is not supported: \"I\""},
    {"a", "i i", 0, "the flag is not supported: \" \""},
};

static void test_refused(void **state)
{
    wfs_regex *regex;
    wfs_error error;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(refused); i++) {
        const refused_case *row = &refused[i];
        bool has_place = strstr(row->message, " at ") != NULL;
        wfs_status status = strstr(row->message, "supported") != NULL
                                ? WFS_ERR_UNSUPPORTED
                                : WFS_ERR_VALIDATION;

        assert_int_equal(wfs_regex_compile(arena, row->source, row->flags,
                                           &regex, &error),
                         status);
        assert_null(regex);
        assert_string_equal(error.message, row->message);
        assert_int_equal(error.code, status);
        assert_int_equal(error.offset, row->offset);
        assert_int_equal(error.line, has_place ? 1 : 0);
        assert_int_equal(error.column, has_place ? row->offset + 1 : 0);
        assert_int_equal(wfs_regex_compile(arena, row->source, row->flags,
                                           &regex, NULL),
                         status);
    }
}

/* --- limits */

/* before, count times the middle, after. */
static char *repeated(const char *before, const char *middle, size_t count,
                      const char *after)
{
    size_t size = strlen(middle);
    char *text = (char *)malloc(strlen(before) + count * size + strlen(after) +
                                1);
    char *at = text + strlen(before);

    assert_non_null(text);
    strcpy(text, before);
    for (; count > 0; count--, at += size)
        memcpy(at, middle, size);
    strcpy(at, after);
    return text;
}

static void expect_limit(const char *source, size_t offset,
                         const char *message)
{
    wfs_regex *regex;
    wfs_error error;

    assert_int_equal(wfs_regex_compile(arena, source, NULL, &regex, &error),
                     WFS_ERR_LIMIT);
    assert_null(regex);
    assert_int_equal(error.offset, offset);
    if (strncmp(error.message, message, strlen(message)) != 0)
        fail_msg("%s", error.message);
}

static void test_too_large(void **state)
{
    static const char large[] = "the expression is too large: ";
    char *source;

    (void)state;
    compile("a{9000}", "");
    compile("(?:){4000000000}", "");
    compile("(?:a{0}){4000000000}", "");
    expect_limit("x(a{0,1000}){0,1000}", 2,
                 "the expression is too large: \"a{0,1000}\" at 2");
    expect_limit("a{10000}", 0, large);
    expect_limit("a{4294967295}", 0, large);
    expect_limit("a{99999999999999999999}", 0, large);
    expect_limit("(a*){4000000000,}", 1, large);
    expect_limit("(?:(?:(?:(?:a{9}){9}){9}){9}){9}", 12, large);
    source = repeated("b{2}", "a", 10000, "");
    expect_limit(source, 0, "the expression is too large: \"b{2}aaaa");
    free(source);
    source = repeated("", "[a]{0}", 20000, "");
    expect_limit(source, 60003, large);
    free(source);
}

/* Of groups in groups each may be repeated: no more than linear, or refused. */
static void test_nested_repetitions(void **state)
{
    char *open = repeated("", "(?:", 200, "a"), *source;

    (void)state;
    source = repeated(open, ")+", 200, "");
    assert_true(finds(compile(source, ""), "a", 1));
    free(source);
    source = repeated(open, "){2}", 200, "");
    expect_limit(source, 3 * 199, "the expression is too large");
    free(source);
    free(open);
}

static void test_nested_groups(void **state)
{
    char *open = repeated("", "(", 250, "a"), *source;

    (void)state;
    source = repeated(open, ")", 250, "");
    assert_true(finds(compile(source, ""), "ba", 2));
    free(source);
    free(open);
    source = repeated("", "(", 100000, "");
    expect_limit(source, 250, "groups are nested too deeply: \"(\" at 250");
    free(source);
    source = repeated("x", "(?:", 100000, "");
    expect_limit(source, 751, "groups are nested too deeply: \"(?:\" at 751");
    free(source);
}

static void test_many_groups(void **state)
{
    char *source = repeated("", "(a)", 1000, "");

    (void)state;
    assert_false(finds(compile(source, ""), "aa", 2));
    free(source);
    source = repeated("", "(a)", 1001, "");
    expect_limit(source, 3000, "there are too many groups: \"(\" at 3000");
    free(source);
}

/* --- hostile ones: each of these keeps a backtracking engine busy forever */

static void test_hostile(void **state)
{
    static const struct {
        const char *source, *text, *end;
        bool found;
    } rows[] = {
        {"(a+)+$", "a", "b", false}, {"^(a+)+$", "a", "b", false},
        {"(a|a)*b", "a", "b", true}, {"(a|a)*b$", "a", "bc", false},
        {"(.*)*x", "a", "", false}, {"(a*)*$", "a", "b", true},
        {"^(a*)*$", "a", "b", false}, {"(x+x+)+y", "x", "", false},
        {"(a|aa)+$", "a", "b", false}, {"^(.|[^x])*$", "a", "\n", true},
        {"^(.|\\w)*$", "a", "\n", false},
        {"(.*)(.*)(.*)(.*)(.*)x", "a", "", false},
        {"^(([a-z])+.)+[A-Z]([a-z])+$", "a", "!", false},
        {"a{0,50}a{50}b", "a", "", false}, {"(a?){50}a{50}c", "a", "", false},
        {"(?:(?:(?:a*)*)*)*b", "a", "", false},
        {"\\s+$", " ", "x", false}, {"(\\b|a)*b$", "a", "", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        char *text = repeated("", rows[i].text, 100000, rows[i].end);

        if (finds(compile(rows[i].source, ""), text, strlen(text)) !=
            rows[i].found)
            fail_msg("/%s/", rows[i].source);
        free(text);
    }
}

/* --- text that is no text */

static void test_bytes(void **state)
{
    static const struct {
        const char *source, *flags, *text;
        size_t size;
        bool found;
    } rows[] = {
        {"^a.b$", "", "a\0b", 3, true}, {"\\0", "", "ab\0", 3, true},
        {"^[\\0]{2}$", "", "\0", 2, true}, {"b", "", "a\0b", 3, true},
        {"^a$", "", "a\0", 2, false}, {"a", "", "ba", 1, false},
        {"", "", "", 0, true}, {"^$", "", NULL, 0, true},
        {"a", "", NULL, 0, false},
        {"^\xEF\xBF\xBD$", "", "\xFF", 1, true},
        {"^\\ufffd$", "u", "\x80", 1, true},
        {"^\\ufffd{2}$", "", "\xC0\x80", 2, true},
        {"^\\ufffd$", "", "\xC3", 1, true},
        {"^\\ufffda$", "", "\xE2\x82" "a", 3, true},
        {"^\\ufffd$", "", "\xF0\x9F\x98", 3, true},
        {"^\\ufffd{4}$", "u", "\xF5\x80\x80\x80", 4, true},
        {"^\\ufffd{4}$", "u", "\xF4\x90\x80\x80", 4, true},
        {"^\\u{10ffff}$", "u", "\xF4\x8F\xBF\xBF", 4, true},
        {"^\\ud83d$", "", "\xED\xA0\xBD", 3, true},
        {"^\\ud83d\\ude00$", "", "\xED\xA0\xBD\xED\xB8\x80", 6, true},
        {"^\\u{1f600}$", "u", "\xED\xA0\xBD\xED\xB8\x80", 6, true},
        {"^..$", "u", "\xED\xB8\x80\xED\xA0\xBD", 6, true},
        {"^\\ufffd+$", "", "\xED\xA0", 2, true},
        {"^\\u00e9$", "", "\xC3\xA9", 2, true},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++)
        if (finds(compile(rows[i].source, rows[i].flags), rows[i].text,
                  rows[i].size) != rows[i].found)
            fail_msg("row %u: /%s/%s", (unsigned)i, rows[i].source,
                     rows[i].flags);
}

/* Nothing beyond the end is read, wherever a text is cut: sanitizers tell. */
static void test_cut_texts(void **state)
{
    static const char text[] = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"
                               "\xED\xA0\xBD\xED\xB8\x80 z";
    static const char *const flags[] = {"", "i", "u", "iu"};
    size_t from, size, i;

    (void)state;
    for (i = 0; i < COUNT(flags); i++) {
        wfs_regex *regex = compile("(?:\\w|[^\\x00-\\u{ff}]|.)*\\bz", flags[i]);

        for (from = 0; from < sizeof text; from++)
            for (size = 0; from + size < sizeof text; size++) {
                char *copy = (char *)malloc(size + 1);

                assert_non_null(copy);
                memcpy(copy + 1, text + from, size);
                finds(regex, copy + 1, size);
                free(copy);
            }
    }
}

/* Every start of these is an expression or is refused. */
static void test_cut_sources(void **state)
{
    static const char *const sources[] = {
        "^(?:\\/v)(?:\\.((?:(?!\\.)[^\\/#\\?])+?))[\\/#\\?]?$",
        "(?<a\\u{62}\\ud83d\\ude00>\\k<ab>)|(?<=x)(?<!y)(?=z)(?!w)",
        "[\\w-\\d\\b\\cA\\c_\\x41\\u0041\\u{41}\\p{gc=Lu}\\P{Any}^-]{1,2}?",
        "\\1\\12\\377\\8\\0\\cA\\k\xF0\x9F\x98\x80+\xC3\xA9{2,}\xED\xA0\xBD*",
        "(((a|b)*?){0,3}|[^]|[])+\\b\\B$^{{{1}}}]]",
    };
    static const char *const flags[] = {"", "i", "u", "imsuy"};
    char part[128];
    wfs_regex *regex;
    wfs_error error;
    wfs_status status;
    size_t i, j, size;

    (void)state;
    for (i = 0; i < COUNT(sources); i++)
        for (j = 0; j < COUNT(flags); j++)
            for (size = 0; size <= strlen(sources[i]); size++) {
                memcpy(part, sources[i], size);
                part[size] = '\0';
                status = wfs_regex_compile(arena, part, flags[j], &regex,
                                           &error);
                if (status == WFS_OK)
                    finds(regex, sources[i], strlen(sources[i]));
                else
                    assert_true(status == WFS_ERR_VALIDATION ||
                                status == WFS_ERR_UNSUPPORTED);
                assert_true(status == WFS_OK || error.offset <= size);
            }
}

/* --- memory */

static void use_all(const wfs_allocator *allocator, sweep_memory *memory,
                    void *user)
{
    static const char source[] = "(?<n>[a-z\\d]+|\\p{L}{2,20})*?x|(b?){3}\\w";
    wfs_arena *lasting = wfs_arena_create(allocator);
    wfs_arena *passing = wfs_arena_create(allocator);
    wfs_regex *regex;
    wfs_error error;
    bool found;

    (void)memory;
    (void)user;
    if (lasting != NULL && passing != NULL) {
        if (wfs_regex_compile(lasting, source, "iu", &regex, &error) ==
            WFS_OK) {
            if (wfs_regex_search(regex, passing, "--bx", 4, &found) == WFS_OK)
                assert_true(found);
            else
                assert_false(found);
        } else {
            assert_null(regex);
            assert_int_equal(error.code, WFS_ERR_NO_MEMORY);
        }
    }
    wfs_arena_free(lasting);
    wfs_arena_free(passing);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sweep_all(SWEEP_ONCE, use_all, NULL) > 10);
    assert_true(sweep_all(SWEEP_FROM, use_all, NULL) > 10);
}

/* A search takes nothing from its arena for good. */
static void test_scratch_is_given_back(void **state)
{
    sweep_memory memory;
    wfs_allocator allocator = sweep_allocator(&memory);
    wfs_arena *own = wfs_arena_create(&allocator);
    wfs_regex *regex = compile("(a{200}|b)*c", "");
    size_t bytes, i;
    char *kept;
    bool found;

    (void)state;
    assert_int_equal(wfs_regex_search(regex, own, "ab", 2, &found), WFS_OK);
    kept = (char *)wfs_arena_allocate(own, 100);
    assert_non_null(kept);
    memset(kept, 'k', 100);
    wfs_regex_search(regex, own, "ab", 2, &found);
    bytes = memory.bytes;
    for (i = 0; i < 100; i++)
        wfs_regex_search(regex, own, "bbc", 3, &found);
    assert_true(found);
    assert_int_equal(memory.bytes, bytes);
    for (i = 0; i < 100; i++)
        assert_int_equal(kept[i], 'k');
    wfs_arena_free(own);
    sweep_expect_clean(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_quantifiers),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_no_flags),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_nested_repetitions),
        cmocka_unit_test(test_nested_groups),
        cmocka_unit_test(test_many_groups),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_cut_texts),
        cmocka_unit_test(test_cut_sources),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_scratch_is_given_back),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
