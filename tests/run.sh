#!/bin/sh
# Runs one test program and counts what it says.
#
#     tests/run.sh OUTPUT COMMAND...
#
# Writes what the command prints to OUTPUT.log and the numbers of tests passed,
# failed and skipped to OUTPUT.count. Counts cmocka's groups and lines of the
# form "N passed, N failed, N skipped". A program that is killed, that hangs,
# that ends badly though it counted no failure, or that counts nothing has
# failed once more.
set -u
output=$1
shift
name=${output##*/}

limit=
if command -v timeout >/dev/null; then
    limit="timeout ${TEST_SECONDS:-600}"
fi
start=$(date +%s)
$limit "$@" >"$output.log" 2>&1 </dev/null
status=$?
seconds=$(($(date +%s) - start))

awk -v status="$status" '
    /^\[  PASSED  \] [0-9]+ test/ { passed += $4 }
    /^\[  FAILED  \] [0-9]+ test/ { failed += $4 }
    /^\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }
    /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
        passed += $1; failed += $3; skipped += $5
    }
    END {
        if (status >= 124 ||
            failed == 0 && (status != 0 || passed + skipped == 0))
            failed++
        print passed + 0, failed + 0, skipped + 0
    }' "$output.log" >"$output.count"

read -r passed failed skipped <"$output.count"
if [ "$failed" -ne 0 ]; then
    grep -v -e '^\[ RUN ' -e '^\[       OK' "$output.log" |
        sed "s/^/$name: /" | head -n 400
    echo "$name: exit status $status; all of it is in $output.log"
fi
[ "$skipped" -ne 0 ] && grep -i 'skipped' "$output.log" |
    grep -vi 'test(s)\|, [0-9]* skipped$' | sort -u | sed "s/^/$name: /"
echo "$name: $passed passed, $failed failed, $skipped skipped, $seconds s" |
    sed -e 's/, 0 failed//' -e 's/, 0 skipped//' -e 's/, 0 s$//'
