/* Makes the Unicode tables of >>regex from what this node knows of Unicode:
 *
 *     node tests/unicode_tables.js
 *
 * Paste what it prints between the two marks "Unicode tables" of wfscenario.h.
 *
 * A class is a General_Category, or the part of one that has a binary property
 * otherwise than the rest of it. So every property is a set of classes. */
'use strict';

const LAST = 0x10ffff;
const categories = {
    Lu: 'Uppercase_Letter', Ll: 'Lowercase_Letter', Lt: 'Titlecase_Letter',
    Lm: 'Modifier_Letter', Lo: 'Other_Letter', Mn: 'Nonspacing_Mark',
    Mc: 'Spacing_Mark', Me: 'Enclosing_Mark', Nd: 'Decimal_Number',
    Nl: 'Letter_Number', No: 'Other_Number', Pc: 'Connector_Punctuation',
    Pd: 'Dash_Punctuation', Ps: 'Open_Punctuation', Pe: 'Close_Punctuation',
    Pi: 'Initial_Punctuation', Pf: 'Final_Punctuation',
    Po: 'Other_Punctuation', Sm: 'Math_Symbol', Sc: 'Currency_Symbol',
    Sk: 'Modifier_Symbol', So: 'Other_Symbol', Zs: 'Space_Separator',
    Zl: 'Line_Separator', Zp: 'Paragraph_Separator', Cc: 'Control',
    Cf: 'Format', Cs: 'Surrogate', Co: 'Private_Use', Cn: 'Unassigned',
};
const groups = {
    LC: ['Cased_Letter', 'Lu Ll Lt'], L: ['Letter', 'Lu Ll Lt Lm Lo'],
    M: ['Mark', 'Mn Mc Me'], N: ['Number', 'Nd Nl No'],
    P: ['Punctuation', 'Pc Pd Ps Pe Pi Pf Po'], S: ['Symbol', 'Sm Sc Sk So'],
    Z: ['Separator', 'Zs Zl Zp'], C: ['Other', 'Cc Cf Cs Co Cn'],
};
const aliases = [['Combining_Mark', 'M'], ['punct', 'P'], ['digit', 'Nd'],
                 ['cntrl', 'Cc']];
const binary = [
    ['Alphabetic', 'Alpha', 'Lu Ll Lt Lm Lo Nl'],
    ['Uppercase', 'Upper', 'Lu'], ['Lowercase', 'Lower', 'Ll'],
    ['ID_Start', 'IDS', 'Lu Ll Lt Lm Lo Nl'],
    ['ID_Continue', 'IDC', 'Lu Ll Lt Lm Lo Nl Mn Mc Nd Pc'],
    ['Any', 'Any', Object.keys(categories).join(' ')],
    ['Assigned', 'Assigned', Object.keys(categories).slice(0, -1).join(' ')],
];

/* --- classes */

const classes = Object.keys(categories).map(name => [name, '']);

function makeClassifier()
{
    const tests = Object.keys(categories).map(
        name => [name, new RegExp(`\\p{${name}}`, 'u')]);
    const properties = binary.map(([name, , usual]) => ({
        name, test: new RegExp(`\\p{${name}}`, 'u'),
        usual: new Set(usual.split(' ')),
    }));

    return code => {
        const text = String.fromCodePoint(code);
        const category = tests.find(([, test]) => test.test(text))[0];
        const odd = properties.filter(
            p => p.test.test(text) !== p.usual.has(category));
        const unlike = odd.map(p => p.name).join(' ');
        let found = classes.findIndex(
            ([name, other]) => name === category && other === unlike);

        if (found < 0)
            found = classes.push([category, unlike]) - 1;
        return found;
    };
}

function findRuns()
{
    const classOf = makeClassifier();
    const runs = [];

    for (let code = 0; code <= LAST; code++) {
        const number = classOf(code);
        const run = runs[runs.length - 1];

        if (run && run.number === number)
            run.size++;
        else
            runs.push({start: code, size: 1, number});
    }
    return runs;
}

/* An upper case letter and its lower case one, again and again, are one run. */
function joinAlternating(runs, alternating)
{
    const joined = [];
    const isPair = i => i + 1 < runs.length &&
        runs[i].number === 0 && runs[i].size === 1 &&
        runs[i + 1].number === 1 && runs[i + 1].size === 1;

    for (let i = 0; i < runs.length; i++) {
        if (!isPair(i)) {
            joined.push(runs[i]);
            continue;
        }
        const start = runs[i].start;
        let size = 0;

        for (; isPair(i); i += 2)
            size += 2;
        i--;
        joined.push({start, size, number: alternating});
    }
    return joined;
}

const letter = n => String.fromCharCode(n < 26 ? 65 + n : 97 + n - 26);
const spell = run => letter(run.number) + (run.size > 1 ? run.size : '');

function printClasses()
{
    const found = findRuns();
    const runs = joinAlternating(found, classes.length);

    if (classes.length > 51)
        throw new Error('more classes than letters');
    console.log(`#define WFSI_CLASS_ALTERNATING ${classes.length}`);
    console.log('\nstatic const wfsi_class_runs wfsi_class_table[] = {');
    for (let i = 0; i < runs.length; i += 64) {
        const part = runs.slice(i, i + 64);
        let line = `    {0x${part[0].start.toString(16).toUpperCase()}, "`;

        for (const run of part) {
            if (line.length + spell(run).length > 76) {
                console.log(line + '"');
                line = '     "';
            }
            line += spell(run);
        }
        console.log(line + '"},');
    }
    console.log('};');
}

/* --- properties */

function mask(includes)
{
    let bits = 0n;

    classes.forEach(([category, unlike], i) => {
        if (includes(category, unlike.split(' ')))
            bits |= 1n << BigInt(i);
    });
    return `UINT64_C(0x${bits.toString(16).toUpperCase()})`;
}

function printProperties()
{
    const row = (name, other, bits, isCategory) => {
        const start = `    {"${name}", "${other}",`;
        const end = ` ${bits}, ${isCategory}},`;

        console.log(start.length + end.length <= 80
            ? start + end : `${start}\n    ${end}`);
    };
    const ofCategory = name =>
        mask(category => (groups[name] ? groups[name][1] : name)
            .split(' ').includes(category));

    console.log('\nstatic const wfsi_property wfsi_properties[] = {');
    for (const [name, long] of Object.entries(categories))
        row(name, long, ofCategory(name), true);
    for (const [name, [long]] of Object.entries(groups))
        row(name, long, ofCategory(name), true);
    for (const [alias, name] of aliases)
        row(alias, alias, ofCategory(name), true);
    for (const [name, short, usual] of binary)
        row(name, short, mask((category, unlike) =>
            usual.split(' ').includes(category) !== unlike.includes(name)),
            false);
    console.log('};');
}

/* --- case: each character that is the same as a lower one */

function variants(code)
{
    const text = String.fromCodePoint(code);

    return [text.toLowerCase(), text.toUpperCase(),
            text.toUpperCase().toLowerCase(), text.toLowerCase().toUpperCase()]
        .filter(other => [...other].length === 1 && other !== text)
        .map(other => other.codePointAt(0));
}

/* Of each code that is not alone, the codes that are the same, ascending. */
function equivalences(flags, last)
{
    const cased = new Set();
    const result = new Map();

    for (let code = 0; code <= last; code++) {
        const text = String.fromCodePoint(code);

        if (variants(code).length > 0 ||
            /\p{Changes_When_Casefolded}|\p{Changes_When_Casemapped}/u
                .test(text))
            [code, ...variants(code)].filter(c => c <= last)
                .forEach(c => cased.add(c));
    }
    const codes = [...cased].sort((a, b) => a - b);
    const texts = codes.map(code => String.fromCodePoint(code));

    codes.forEach((code, i) => {
        const hex = code.toString(16);
        const escape = flags === 'iu' ? `\\u{${hex}}`
                                      : `\\u${hex.padStart(4, '0')}`;
        const test = new RegExp(`^${escape}$`, flags);

        result.set(code, codes.filter((_, j) => test.test(texts[j])));
    });
    return result;
}

/* kind: 1 without the flag u, 2 with it. */
function mappings(flags, last, kind)
{
    const found = [];

    for (const [code, same] of equivalences(flags, last)) {
        if (same.length > 4)
            throw new Error('more than WFSI_CASE_SAME are the same');
        if (same[0] !== code)
            found.push({code, delta: same[0] - code, kind});
    }
    return found;
}

function findMappings()
{
    const all = new Map();

    for (const m of [...mappings('i', 0xffff, 1), ...mappings('iu', LAST, 2)]) {
        const key = `${m.code} ${m.delta}`;

        if (all.has(key))
            all.get(key).kind |= m.kind;
        else
            all.set(key, m);
    }
    return [...all.values()].sort((a, b) => a.code - b.code || a.kind - b.kind);
}

function joinMappings(list)
{
    const ranges = [];

    for (const m of list) {
        const range = ranges.find(r => {
            const step = m.code - r.high;

            return r.delta === m.delta && r.kind === m.kind &&
                (step === 1 || step === 2) &&
                (r.low === r.high || r.step === step);
        });

        if (range) {
            range.step = m.code - range.high;
            range.high = m.code;
        } else {
            ranges.push({low: m.code, high: m.code, delta: m.delta, step: 1,
                         kind: m.kind});
        }
    }
    return ranges;
}

function printCase()
{
    let line = '   ';

    console.log('\nstatic const wfsi_case_range wfsi_case_table[] = {');
    for (const r of joinMappings(findMappings())) {
        const item = ` {${r.low}, ${r.high}, ${r.delta}, ${r.step}, ` +
            `${r.kind}},`;

        if (line.length + item.length > 80) {
            console.log(line);
            line = '   ';
        }
        line += item;
    }
    console.log(line + '\n};');
}

console.log(`/* Of Unicode ${process.versions.unicode}. */`);
printClasses();
printProperties();
printCase();
