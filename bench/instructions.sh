#!/bin/sh
# Counts instructions under callgrind: what an operation costs on either side,
# by difference between two sizes, so that what is done once does not count.
#
#     bench/instructions.sh PROGRAM OUTPUT BASELINE
#
# VALGRIND is the command. Writes OUTPUT as JSON, one workload a line, and
# prints it beside what is to be reached and the change against BASELINE, an
# earlier OUTPUT. The last line counts the workloads whose tables were equal on
# both sides. A new baseline is made by copying OUTPUT over it.
set -u
export LC_ALL=C

# KEY SIDE N HISTORY OPTION...: one run; its counts go to a file of their own.
count()
{
    name=$1-$2-$3-$4$5
    $VALGRIND --tool=callgrind --callgrind-out-file="$counts/$name.out" \
        --collect-atstart=no --toggle-collect=bench_measured \
        "$program" --once "$2" "$1" -n "$3" ${4:+--history "$4"} ${5:+"$5"} \
        >"$counts/$name.operations" 2>"$counts/$name.log" ||
        { cat "$counts/$name.log"; exit 1; } >&2
    instructions=$(awk '/^totals:/ { print $2 }' "$counts/$name.out")
    rm "$counts/$name.out"
    if [ "${instructions:-0}" -eq 0 ]; then
        echo "$name: callgrind has counted nothing" >&2
        exit 1
    fi
    echo "$1 $2$5 $3 ${4:-0} $(cat "$counts/$name.operations") $instructions" \
        >"$counts/$name.count"
}

if [ "${1-}" = --count ]; then
    program=$2 counts=$3
    set -f
    set -- $4
    count "$1" "$2" "$3" "${4#-}" "${5-}"
    exit
fi

program=$1 output=$2 baseline=$3
if [ ! -f "$baseline" ] || [ ! -r "$baseline" ]; then
    echo "$baseline: the baseline is missing or cannot be read" >&2
    exit 1
fi
counts=${program%/*}/counts
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

# Workload, two sizes; what is to be reached: at most so many instructions, at
# least such a ratio to the peer, of another workload's instructions at most so
# many times; "-" where nothing is said, "alone" where there is no peer.
workloads="w1 1000 3000 4000 35 - -
w2 1000 3000 3500 35 - -
w3 1000 3000 4000 35 - -
w4_10 100 300 300 30 - -
w4_100 1 3 300 15 - -
w4_1000 1 2 300 8 - -
w5 1000 3000 2500 25 - -
store 1000 3000 - - - -
m10 10000 30000 - alone - -
m1000 10000 30000 - alone m10 1.5
m10_tests 10000 30000 - alone - -
m1000_tests 10000 30000 - alone m10_tests 1.5
d_chain10 10000 30000 - alone - -
d_fan10 10000 30000 - alone - -
d_graph1000 10000 30000 - alone - -
d_graph100000 100000 200000 - alone d_graph1000 1.5
d_mocks10 10000 30000 - alone - -"
keys=$(echo "$workloads" | cut -d' ' -f1)

# The runs, longest first: workload, side, instances, H or -, option.
runs()
{
    for size in 2 1; do
        echo "w4_1000 peer $size -"
        echo "w4_1000 peer $size - --lean"
    done
    for workload in w1 w2 w3; do
        echo "$workload ours 100000 -"
    done
    echo "w4_1000 ours 1 500"
    while read -r workload small large _ least _; do
        for size in $large $small; do
            echo "$workload ours $size -"
            [ "$workload" = w4_1000 ] || [ "$least" = alone ] && continue
            echo "$workload peer $size -"
            echo "$workload peer $size - --lean"
        done
    done <<END
$workloads
END
}

rm -rf "$counts"
mkdir -p "$counts" || exit 1
"$program" --check $keys >"$counts/check.log" ||
    { cat "$counts/check.log"; exit 1; }
runs | tr '\n' '\0' |
    xargs -0 -n 1 -P "$jobs" "$0" --count "$program" "$counts" || exit 1

cat "$counts"/*.count | sort | awk -v workloads="$workloads" '
    { operations[$1, $2, $3, $4] = $5; counted[$1, $2, $3, $4] = $6 }
    END {
        count = split(workloads, lines, "\n")
        print "{"
        for (i = 1; i <= count; i++) {
            split(lines[i], word, " ")
            ours = per[word[1]] = difference(word[1], "ours", word[2], word[3])
            if (word[5] == "alone") {
                printf "\"%s\": {\"per_op\": %.1f%s},\n", word[1], ours,
                    word[6] in per ? times(word[6], ours / per[word[6]]) : ""
                continue
            }
            peer = difference(word[1], "peer", word[2], word[3])
            lean = difference(word[1], "peer--lean", word[2], word[3])
            printf "\"%s\": {\"per_op\": %.1f, \"peer_per_op\": %.1f, " \
                "\"ratio\": %.2f, \"lean_peer_per_op\": %.1f, " \
                "\"lean_ratio\": %.2f},\n", word[1], ours, peer, peer / ours,
                lean, lean / ours
        }
        print "\"growth\": {"
        for (i = 1; i <= 3; i++)
            growth("w" i, "1000", per_op("w" i, 1000), "100000",
                   per_op("w" i, 100000), ",")
        growth("w4", "h500", counted["w4_1000", "ours", 1, 500],
               "h1000", counted["w4_1000", "ours", 1, 0], "")
        print "}\n}"
    }
    function per_op(key, n)
    {
        return counted[key, "ours", n, 0] / operations[key, "ours", n, 0]
    }
    function difference(key, side, from, to)
    {
        more = operations[key, side, to, 0] - operations[key, side, from, 0]
        return (counted[key, side, to, 0] - counted[key, side, from, 0]) / more
    }
    function times(base, ratio)
    {
        return sprintf(", \"base\": \"%s\", \"times\": %.3f", base, ratio)
    }
    function growth(key, from, before, to, after, end)
    {
        printf "\"%s\": {\"%s\": %.1f, \"%s\": %.1f, \"ratio\": %.3f}%s\n",
            key, from, before, to, after, after / before, end
    }' >"$output" || exit 1

# Beside the targets and the baseline: "!" marks what is not reached, and the
# last lines tell of every limit whether it holds.
awk -v baseline="$baseline" -v workloads="$workloads" '
    BEGIN {
        for (i = split(workloads, lines, "\n"); i > 0; i--) {
            split(lines[i], word, " ")
            most[word[1]] = word[4]
            least[word[1]] = word[5]
            base[word[1]] = word[6]
            times[word[1]] = word[7]
        }
        while ((getline line <baseline) > 0)
            if (line ~ /per_op/)
                before[name(line)] = field(line, "per_op")
        printf "%-13s %9s %8s %8s %11s %7s %7s %7s\n", "", "per op",
            "at most", "change", "peer", "ratio", "least", "lean"
    }
    /"per_op"/ {
        key = name($0)
        ours = field($0, "per_op")
        change = key in before ? sprintf("%+.1f%%",
            (ours / before[key] - 1) * 100) : "-"
        printf "%-13s %8.1f%s %8s %8s", key, ours,
            mark(at_most(key " instructions", ours, most[key])), most[key],
            change
    }
    /"times"/ {
        at_most(key " instructions as those of " base[key],
            field($0, "times"), times[key])
    }
    /"per_op"/ && !/"peer_per_op"/ {
        printf " %11s %7s %7s %7s\n", "-", "-", "-", "-"
    }
    /"peer_per_op"/ {
        ratio = field($0, "ratio")
        printf " %11.1f %6.1f%s %7s %7.1f\n", field($0, "peer_per_op"), ratio,
            mark(at_least(key " ratio", ratio, least[key])), least[key],
            field($0, "lean_ratio")
    }
    /"100000"/ {
        at_most(name($0) " at 100,000 instances as at 1,000",
            field($0, "ratio"), 1.15)
    }
    /"h1000"/ {
        at_most(name($0) " in all at H = 1000 as at 500", field($0, "ratio"),
            4.2)
    }
    END {
        printf "\n%s", limits
        printf "%d of %d limits hold\n", holding, count
    }
    function mark(holds)
    {
        return holds ? " " : "!"
    }
    function at_most(what, figure, limit)
    {
        return limit == "-" || judge(what, figure, "at most", limit,
            figure <= limit)
    }
    function at_least(what, figure, limit)
    {
        return limit == "-" || judge(what, figure, "at least", limit,
            figure >= limit)
    }
    function judge(what, figure, side, limit, holds)
    {
        count++
        holding += holds
        limits = limits sprintf("%s: %s, %s %s: %s\n", what, figure, side,
            limit, holds ? "holds" : "DOES NOT HOLD")
        return holds
    }
    function name(line)
    {
        split(line, parts, "\"")
        return parts[2]
    }
    function field(line, key)
    {
        sub(".*\"" key "\": ", "", line)
        return line + 0
    }' "$output" || exit 1
tail -n 1 "$counts/check.log"
