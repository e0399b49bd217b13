#!/bin/sh
# test_mutations.sh: proves that the conformance programs compare.
#
#     tests/conformance/test_mutations.sh DIRECTORY
#
# Run it at the top of the repository; DIRECTORY has the programs. Cases are
# changed in one place each, every kind of place once, and the program has to
# fail them; then its own --self-test changes every place of every committed
# case.

programs=${1:?usage: $0 DIRECTORY}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
done_count=0
bad=0

complain()
{
    echo "not ok: $*"
    bad=$((bad + 1))
}

# suite NAME COLON [OPTION...]: the program and the cases of what follows, how
# these write a colon, and what the program is always given.
suite()
{
    program=$programs/conformance-$1
    cases=tests/conformance/$1
    colon=$2
    shift 2
    options=$*
}

# run WANTED-STATUS WANTED-TEXT ARGUMENT...: the status, and the text somewhere
# in what was printed.
run()
{
    wanted=$1
    text=$2
    shift 2
    # shellcheck disable=SC2086 # words
    "$program" $options "$@" >"$work/out" 2>&1
    status=$?
    done_count=$((done_count + 1))
    [ "$status" -eq "$wanted" ] ||
        complain "status $status instead of $wanted: $program $options $*"
    grep -q -e "$text" "$work/out" || complain "no line with '$text': $program $options $*"
}

# keep OLD NEW: so changed, the case has to pass as before.
keep()
{
    put "$1" "$2"
    run 0 '^1 passed, 0 failed, 0 skipped$' "$work/changed.json"
}

# take FILE CASE: the case alone, in $work/case.json.
take()
{
    name=$2
    {
        echo '['
        grep -F "{\"name\"$colon\"$name\"," "$cases/$1" | sed 's/,$//'
        echo ']'
    } >"$work/case.json"
    run 0 '^1 passed, 0 failed, 0 skipped$' "$work/case.json"
}

# put OLD NEW: put NEW for the last OLD in what is expected.
put()
{
    sed "s/\\(\"expect\"$colon.*\\)$1/\\1$2/" "$work/case.json" \
        >"$work/changed.json"
    cmp -s "$work/case.json" "$work/changed.json" &&
        complain "nothing to change: $1"
}

# change WHERE OLD NEW: so changed, the program has to fail the case and name
# the place.
change()
{
    put "$2" "$3"
    run 1 '^0 passed, 1 failed, 0 skipped$' "$work/changed.json"
    grep -q -F "FAIL $name: $1: expected " "$work/out" ||
        complain "$1 is not named: $(cat "$work/out")"
}

# --- workflows

suite fragno ': '

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

# --- HTTP mocks

suite scenarist : --fallback last

take templates.json own/templates/header-types
change '1.status' '"status":200,"body":"b"' '"status":201,"body":"b"'
change '1.headers.x-n' '"x-n":5' '"x-n":"5"'
change '1.headers.x-l[1][1]' '\[2,null\]' '[2]'
change '1.headers.x-z' '"x-z":null,"x-m"' '"x-m"'
change '1.body' '"body":"b",' '"body":null,'
change '1.body' '"body":"b",' ''
change '1.delay' '"body":"b",' '"body":"b","delay":0,'
change '1.mock.scenario' '"default","index":1' '"other","index":1'
change '1.mock.index' '"index":1' '"index":0'
change '1.mock.specificity' '"specificity":0' '"specificity":1'
change '1.params' '"wire"' '"params":{},"wire"'
change '1.wire.status' '"wire":{"status":200' '"wire":{"status":204'
change '1.wire.headers.x-l' '"1,2,"' '"1,2"'
change '1.wire.headers.x-extra' '"x-z":"null"' '"x-z":"null","x-extra":""'
change '1.wire.headers.content-length' '"3"' '"4"'
change '1.wire.text' '"text":"[^,]*"}' '"text":"b"}'
# The wire that is not given is the response as it is always rendered.
change '1.wire.headers.x-l' ',"wire":{.*}}' '}'
change '0.wire.status' '{"status":200,"body":"set",' \
    '{"status":200,"body":"set","wire":{},'

take choice.json own/choice/plain-fallbacks
change '0.mock.index' '"index":2' '"index":1'
keep '"index":0' '"index":1'
suite scenarist : --fallback first
run 0 '^1 passed' "$work/case.json"
change '0.mock.index' '"index":0' '"index":1'
keep '"index":2' '"index":1'
suite scenarist : --fallback last

take schema.json own/schema/all-together
change '0.ok' '"ok":false' '"ok":true'
change '0.error.code' '"VALIDATION_ERROR"' '"DUPLICATE_SCENARIO"'
change '0.error.paths[3]' '\["mocks",0,"match","query","b"\]' \
    '["mocks",0,"match","query","c"]'
change '0.error.paths[5]' '\["mocks",0,"response","status"\],' ''
change '0.error.paths[1]' '\["id"\]' '["id","x"]'
change '0.error.paths[12]' '\["id"\]' '["zz"],["id"]'
keep '\["id"\],\["name"\]' '["name"],["id"]'

take schema.json own/schema/setup-paths
sed 's/\["other key","name"\],//' "$work/case.json" >"$work/changed.json"
run 1 'FAIL own/schema/setup-paths: setup.error.paths\[2\]: ' \
    "$work/changed.json"
sed 's/"stage":"config"/"stage":"register"/' "$work/case.json" \
    >"$work/changed.json"
run 1 'FAIL own/schema/setup-paths: setup.stage: ' "$work/changed.json"
sed 's/"setup":{.*},"expect"/"setup":{"ok":true},"expect"/' \
    "$work/case.json" >"$work/changed.json"
run 1 'FAIL own/schema/setup-paths: setup.ok: ' "$work/changed.json"

take errors.json own/errors/context-of-url
change '1.error.code' '"NO_MOCK_FOUND","context":{"testId":"T"' \
    '"SEQUENCE_EXHAUSTED","context":{"testId":"T"'
change '1.error.context.testId' '"testId":"T"' '"testId":"t"'
change '2.error.context.scenarioId' '"scenarioId":"default"' '"scenarioId":"s"'
change '1.error.context.requestInfo.method' \
    '"method":"GET","url":"https:..api.example.com.y?b' \
    '"method":"PUT","url":"https:\/\/api.example.com\/y?b'
change '1.error.context.requestInfo.url' 'b=%C3%A9' 'b=%c3%a9'
change '1.wire.passthrough' '"passthrough":true}},' '"passthrough":false}},'
change '2.wire.status' '"wire":{"passthrough":true}' '"wire":{"status":501}'

take errors.json own/errors/throw-strict
change '0.wire.status' '"wire":{"status":500,"json":{[^}]*"NO_MOCK_FOUND"}' \
    '"wire":{"status":501,"json":{"error":"","message":"","code":""}'
change '3.wire.json.code' '"VALIDATION_ERROR"}' '"NO_MOCK_FOUND"}'
change '3.wire.json.message' '"message":"[^"]*",' ''
keep '"message":"[^"]*"' '"message":"in other words"'

take control.json own/control/switch-and-ask
change '0.status' '"status":404,"json":{\([^}]*\)"testId":"t"}' \
    '"status":200,"json":{\2"testId":"t"}'
change '1.json.success' '"success":true' '"success":false'
change '2.json.scenarioName' '"The name"' '"s"'
change '3.active' '{"active":"s"}' '{"active":null}'
change '4.active' '{"active":null}' '{"active":"s"}'
change '5.json.testId' '"testId":"default-test"' '"testId":"t"'

take capture.json own/capture/append
change '1.state.l[0]' '{"state":{"l":\[1\]}}' '{"state":{"l":["1"]}}'
change '3.state.l[1]' '\[1,\[2\]\]}}' '[1]}}'
change '7.state' '{"state":[^]]*\],null\]}}\]' '{}]'

take scenarios.json own/scenarios/register-twice
change '1.error.scenarioId' '"scenarioId":"d"' '"scenarioId":"e"'
change '2.mocks' '"mocks":0' '"mocks":1'
change '4.scenarios[1]' '\["default","d"\]' '["default"]'
change '4.scenarios[0]' '\["default","d"\]' '["d","default"]'

run 2 'no case is named nothing' --case nothing "$work/case.json"
run 2 'usage:' --fallback both
echo '{"cases":[{"name":"bare"}]}' >"$work/bare.json"
run 1 '^FAIL bare: ' "$work/bare.json"
sed 's/"do":"list"/"do":"lost"/' "$work/case.json" >"$work/changed.json"
run 1 'which is not known' "$work/changed.json"

for rule in first last; do
    suite scenarist : --fallback "$rule"
    run 0 ' 0 failed, 0 skipped$' --self-test "$cases"/*.json
    tail -n 2 "$work/out"
done

# --- HTTP checks as graphs

suite crucible :

take own.json own/control/cancel-several-in-flight
change 'waves.events.0[11].type' '"execution:cancelled"' \
    '"execution:completed"'
change 'waves.events.0[9].changed[0].stepId' \
    '"changed":\[{"stepId":"a","status":"cancelled"' \
    '"changed":[{"stepId":"c","status":"cancelled"'
change 'waves.events.0[10].t_ms' \
    '"t_ms":70\(.*"changed":\[{"stepId":"d","status":"cancelled"\)' \
    '"t_ms":71\2'
change 'waves.requests.0[3].url' '"url":"http:..t.test.a"' '"url":""'
change 'waves.executions[0].steps[3].status' \
    '"stepId":"d","status":"cancelled"' '"stepId":"d","status":"failed"'
change 'waves.executions[0].steps[3].error' \
    '"stepId":"d","status":"cancelled",' \
    '"stepId":"d","status":"cancelled","error":"x",'
change 'waves.executions[0].context.v' '"context":{}' '"context":{"v":null}'
change 'waves.commands[3].result' '"result":false' '"result":true'
suite crucible : --engine later
change 'later.commands[3].result' '"result":false' '"result":true'
suite crucible :

take own.json own/reactive/dependents-in-declaration-order
change 'later.requests.0[2].t_ms' '"t_ms":10,"x":0,"method"' \
    '"t_ms":11,"x":0,"method"'
suite crucible : --engine waves
keep '"t_ms":10,"x":0,"method"' '"t_ms":11,"x":0,"method"'
suite crucible :

take own.json own/template/iteration-everywhere
change 'waves.requests.0[5].headers.h' '<{{iteration}}>' '<1>'
change 'waves.requests.0[5].body' '{{iteration}}\(\\",0\]","\)\?' ''
keep '<{{iteration}}>' '<2>'

take own.json own/template/long-texts
change "waves.executions[0].context.v.\$long.bytes" \
    '"bytes":8196' '"bytes":8197'
change "waves.executions[0].context.v.\$long.sha256" \
    '"sha256":"' '"sha256":"0'

take own.json own/response/no-content-that-is-said-to-be-json
change 'waves.executions[0].steps[0].error' '"@json-parse-error"' '""'
change 'waves.executions[0].steps[0].error' '"error":"@json-parse-error",' ''
change 'later.executions[0].context.v' '{"v":null}' '{"v":""}'

take own.json own/report/rounded-half-up
change 'waves.executions[0].report.score' '"score":63' '"score":62'
change 'waves.executions[0].report.artifacts[1]' '{id}.json' '{id}.xml'
change 'waves.executions[0].steps[7].duration_ms' \
    '\("stepId":"s8","status":"failed",\)' '\2"duration_ms":1,'
keep '{id}.pdf' '{id}?format=html'
keep '\("stepId":"s8","status":"failed",\)' '\2"duration_ms":0,'

take own.json own/retention/at-the-limit-and-beyond
change 'later.executions[0].steps[3].details.retention.storedBytes' \
    '"storedBytes":11' '"storedBytes":9'

take own.json own/ws/retry-and-extraction
change 'later.ws["{id:0}"][6].timestamp' '"timestamp":30' '"timestamp":31'
change 'later.ws["{id:0}"][5].payload.changes.context.v' \
    '"context":{"v":200}}},"format"' '"context":{"v":201}}},"format"'

take own.json own/report/what-is-redacted
change 'later.report_payload.steps[1].details.response.body.keep' \
    '"keep":"token"' '"keep":"[redacted]"'

take own.json own/outbound/no-target
change 'later.engine_error' 'must not be empty' 'must be empty'

take own.json own/validate/every-member-of-execution
change 'waves.issues[3].code' '"too_small"' '"too_big"'
change 'waves.issues[3].path[3]' '"iterations"\],"code"' '"delayMs"],"code"'

take own.json own/validate/groups-are-kept-later
change 'later.accepted' '"accepted":true' '"accepted":false'
change 'later.normalized' '"schema_ok":true' \
    '"schema_ok":true,"normalized":null'

run 2 'no case is named nothing' --case nothing "$work/case.json"
run 2 'usage:' --engine both
echo '{"cases":[{"name":"bare"}]}' >"$work/bare.json"
run 1 '^FAIL bare: ' "$work/bare.json"
take own.json own/control/cancel-several-in-flight
sed 's/"do":"pause"/"do":"pauze"/' "$work/case.json" >"$work/changed.json"
run 1 'pauze. was not done' "$work/changed.json"
sed 's/"do":"cancel"/"do":"get"/' "$work/case.json" >"$work/changed.json"
run 1 'FAIL own/control/cancel-several-in-flight: waves\.' \
    "$work/changed.json"

run 0 ' 0 failed, 0 skipped$' --self-test "$cases"/*.json
tail -n 2 "$work/out"

if [ "$bad" -ne 0 ]; then
    echo "$bad of $done_count runs were not as they should be"
    exit 1
fi
echo "$done_count runs, all as they should be"
