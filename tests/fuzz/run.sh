#!/bin/sh
# Fuzzes with each tests/fuzz/fuzz_*.c, two at a time, for that many seconds
# each. fuzz_NAME.seeds, if there is one, has a seed a line; a tab in it stands
# for a NUL.
#
#     tests/fuzz/run.sh [SECONDS]
set -u
cd "$(dirname "$0")/../.." || exit 1
export SECONDS_EACH="${1:-60}" DIRECTORY=build/fuzz
passed=0
failed=0
mkdir -p $DIRECTORY

if ! command -v clang >/dev/null || ! [ -f stb_ds.h ]; then
    echo "clang and stb_ds.h (make stb_ds.h) are needed to fuzz"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

ls tests/fuzz/fuzz_*.c | xargs -n 1 -P 2 sh -c '
    name=$(basename "$1" .c)
    place=$DIRECTORY/$name
    rm -rf "$place.corpus" "$place.ok"
    mkdir -p "$place.corpus"
    if [ -f "${1%.c}.seeds" ]; then
        number=0
        while IFS= read -r line; do
            number=$((number + 1))
            printf %s "$line" | tr "\t" "\000" >"$place.corpus/seed-$number"
        done <"${1%.c}.seeds"
    fi
    clang -g -O1 -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -I. -o "$place" "$1" >"$place.log" 2>&1 &&
        "$place" -max_total_time="$SECONDS_EACH" -max_len=4096 -timeout=10 \
            -artifact_prefix="$place-" "$place.corpus" >>"$place.log" 2>&1 &&
        touch "$place.ok"
    exit 0' fuzz

for file in tests/fuzz/fuzz_*.c; do
    name=$(basename "$file" .c)
    if [ -f "$DIRECTORY/$name.ok" ]; then
        passed=$((passed + 1))
        echo "$name: $(grep -a -o 'Done [0-9]* runs' "$DIRECTORY/$name.log")"
    else
        failed=$((failed + 1))
        echo "failed: $name, see $DIRECTORY/$name.log"
        tail -n 40 "$DIRECTORY/$name.log"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
