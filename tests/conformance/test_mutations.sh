#!/bin/sh
# test_mutations.sh: proves that the conformance program compares.
#
#     tests/conformance/test_mutations.sh PROGRAM
#
# Run it at the top of the repository; PROGRAM is fragno.c, compiled. Recorded
# cases are changed in one place each, every kind of place once, and the
# program has to fail them; then its own --self-test changes every place of
# every committed case.

program=${1:?usage: $0 PROGRAM}
cases=tests/conformance/fragno
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
done_count=0
bad=0

complain()
{
    echo "not ok: $*"
    bad=$((bad + 1))
}

# run WANTED-STATUS WANTED-TEXT ARGUMENT...: the status, and the text somewhere
# in what was printed.
run()
{
    wanted=$1
    text=$2
    shift 2
    "$program" "$@" >"$work/out" 2>&1
    status=$?
    done_count=$((done_count + 1))
    [ "$status" -eq "$wanted" ] ||
        complain "status $status instead of $wanted: $*"
    grep -q -e "$text" "$work/out" || complain "no line with '$text': $*"
}

# take FILE CASE: the case alone, in $work/case.json.
take()
{
    name=$2
    {
        echo '['
        grep -F "{\"name\": \"$name\"," "$cases/$1" | sed 's/,$//'
        echo ']'
    } >"$work/case.json"
    run 0 '^1 passed, 0 failed, 0 skipped$' "$work/case.json"
}

# change WHERE OLD NEW: put NEW for the last OLD in what is expected; the
# program has to fail the case and name the place.
change()
{
    sed "s/\\(\"expect\": .*\\)$2/\\1$3/" "$work/case.json" \
        >"$work/changed.json"
    cmp -s "$work/case.json" "$work/changed.json" &&
        complain "nothing to change: $2"
    run 1 '^0 passed, 1 failed, 0 skipped$' "$work/changed.json"
    grep -q -F "FAIL $name: $1: expected " "$work/out" ||
        complain "$1 is not named: $(cat "$work/out")"
}

take hand.json hand-duration-zero-number
change 'results[0].ok' '"results": \[{"ok": "s1"' '"results": [{"ok": "s2"'
change 'results[1].ok' '{"ok": 1}, {"ok": \[{"id"' '{"ok": 0}, {"ok": [{"id"'
change 'results[6].ok.status' '"complete", "output"' '"waiting", "output"'
change 'results[6].ok.output' '"output": "ok"}}\]' '"output": null}}]'
change 'results[6].ok.output' ', "output": "ok"}}\]' '}}]'
change 'results[6]' ', {"ok": {"status": "complete", "output": "ok"}}\]' ']'
change 'vars.none' '"vars": {}' '"vars": {"none": null}'
change 'tables.workflow_instance[0].status' \
    '"complete", "createdAt"' '"errored", "createdAt"'
change 'tables.workflow_instance[0].completedAt' \
    '"completedAt": 0' '"completedAt": null'
change 'tables.workflow_instance[0].params' '"params": {}' '"params": []'
change 'tables.workflow_instance[0].params.a' \
    '"params": {}' '"params": {"a": 1}'
change 'tables.workflow_instance[0].pauseRequested' \
    '"pauseRequested": false' '"pauseRequested": true'
change 'tables.workflow_step[0].maxAttempts' \
    '"maxAttempts": 1' '"maxAttempts": 2'
change 'tables.workflow_step[0].wakeAt' '"wakeAt": null' '"wakeAt": 0'
change 'tables.workflow_step[0].stepKey' '"sleep:nap"' '"sleep:nap#1"'
change 'tables.workflow_step[0].result' '"result": null, ' ''
change 'tables.workflow_step' '"workflow_step": \[{[^]]*}\]' \
    '"workflow_step": null'
change 'tables.workflow_step[0]' '"workflow_step": \[{[^]]*}\]' \
    '"workflow_step": []'
change 'tables.workflow_event[0]' '"workflow_event": \[\]' \
    '"workflow_event": [{"id": 1}]'
change 'tables.workflow_event' '"workflow_event": \[\], ' ''
change 'tables.hooks[1].lastAttemptAt' \
    '"lastAttemptAt": 0' '"lastAttemptAt": null'
change 'tables.hooks[1].payload.reason' '"reason": "wake"' '"reason": "retry"'
change 'tables.hooks[1].payload.reason' ', "reason": "wake"' ''
change 'tables.hooks[1].extra' '"error": null' '"error": null, "extra": 0'
change 'tables.hooks[1]' ', {"id": 2, [^]]*}\]}}}' ']}}}'

take hand.json hand-event-payload-array
change 'tables.workflow_event[0].consumedByStepKey' \
    '"consumedByStepKey": "waitForEvent:w"}' '"consumedByStepKey": null}'
change 'tables.workflow_event[0].payload[1]' \
    '"payload": \[1, null\]' '"payload": [1, 0]'
change 'tables.workflow_event[0].payload[1]' \
    '"payload": \[1, null\]' '"payload": [1]'
change 'tables.workflow_event[0].payload[0]' \
    '"payload": \[1, null\]' '"payload": [1.5, null]'
change 'tables.workflow_event[0].actor' '"actor": "user"' '"actor": "system"'

run 2 'no case is named nothing' --case nothing "$work/case.json"
run 2 '^0 passed, 0 failed, 0 skipped$' --case nothing "$work/case.json"
run 2 'cannot read' "$work/missing.json"
run 2 'cannot read' "$work/missing.json" "$work/case.json"
run 2 'usage:' --unknown
echo '[]' >"$work/empty.json"
run 2 'there is no case in it' "$work/empty.json"
echo '[{]' >"$work/broken.json"
run 2 'broken.json:1:' "$work/broken.json"
echo '[{"name": "bare"}]' >"$work/bare.json"
run 1 '^FAIL bare: ' "$work/bare.json"
sed 's/"type": "create"/"type": "creatE"/' "$work/case.json" \
    >"$work/changed.json"
run 1 'unknown type' "$work/changed.json"

run 0 ' 0 failed, 0 skipped$' --self-test "$cases"/*.json
tail -n 2 "$work/out"
if [ "$bad" -ne 0 ]; then
    echo "$bad of $done_count runs were not as they should be"
    exit 1
fi
echo "$done_count runs, all as they should be"
