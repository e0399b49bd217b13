#!/bin/sh
# The same scenarios give the same bytes with every compiler, unoptimised and
# optimised, for 64 and for 32 bits, and after 1,000 other scenarios in the same
# process: tables, results and reports, as tests/determinism.c prints them.
#
#     tests/determinism.sh DIRECTORY [COMPILER...]
#
# Run it at the top of the repository. Without compilers: gcc and clang, and
# what else is there. What is built and printed goes to DIRECTORY.
set -u
directory=${1:?usage: $0 DIRECTORY [COMPILER...]}
shift
passed=0
failed=0
skipped=0
first=

skip() # WHAT WHY
{
    skipped=$((skipped + 1))
    echo "$1 skipped: $2"
}

# All of it was printed: of each scenario tables and a report.
expect_all()
{
    tables=$(grep -c '"workflow_instance":\[' "$directory/$first.out")
    reports=$(grep -c '^TAP version 14$' "$directory/$first.out")
    if [ "$tables" -gt 1 ] && [ "$tables" -eq "$reports" ]; then
        passed=$((passed + 1))
    else
        echo "failed: $first prints $tables tables and $reports reports"
        failed=$((failed + 1))
    fi
}

# run NAME PROGRAM ARGUMENT...: the bytes have to be those of the first.
run()
{
    name=$1
    shift
    if ! "$@" >"$directory/$name.out" 2>"$directory/$name.err"; then
        echo "failed: $name: $*"
        cat "$directory/$name.err"
        failed=$((failed + 1))
    elif [ -z "$first" ]; then
        first=$name
        expect_all
    elif cmp "$directory/$first.out" "$directory/$name.out"; then
        passed=$((passed + 1))
    else
        echo "failed: $name prints something else than $first"
        diff "$directory/$first.out" "$directory/$name.out" | cut -c 1-300 |
            head -n 6
        failed=$((failed + 1))
    fi
}

# build NAME COMPILER FLAG...
build()
{
    name=$1
    shift
    "$@" -std=c99 -I. -o "$directory/$name" tests/determinism.c \
        2>"$directory/$name.err" && return
    echo "failed: $*"
    cat "$directory/$name.err"
    failed=$((failed + 1))
    return 1
}

can_compile() # COMPILER FLAG...
{
    echo '#include <stdio.h>
        int main(void) { return printf("%d", 1) != 1; }' >"$directory/try.c"
    "$@" -o "$directory/try" "$directory/try.c" >/dev/null 2>&1 &&
        "$directory/try" >/dev/null
}

# both NAME COMPILER FLAG...: unoptimised and optimised.
both()
{
    what=$1
    shift
    build "$what-O0" "$@" -O0 && run "$what-O0" "$directory/$what-O0"
    build "$what-O2" "$@" -O2 && run "$what-O2" "$directory/$what-O2"
}

# For 32 bits, by the first compiler that can; Debian's cross compilers keep it
# from finding its headers.
bits_32()
{
    for compiler in "$@" gcc-12; do
        for include in -I. "-isystem /usr/include/x86_64-linux-gnu"; do
            # shellcheck disable=SC2086
            if can_compile $compiler -m32 $include; then
                both "$compiler-m32" $compiler -m32 $include
                return
            fi
        done
    done
    skip "32 bits" "no compiler here has the libraries for them"
}

mkdir -p "$directory"
[ $# -eq 0 ] && set -- gcc clang
for compiler in "$@"; do
    if can_compile "$compiler"; then
        both "$(basename "$compiler")" "$compiler"
    else
        skip "$compiler" "it is not installed"
    fi
done
bits_32 "$@"
if can_compile tcc; then
    build tcc tcc && run tcc "$directory/tcc"
fi
if [ -n "$first" ]; then
    run after-1000 "$directory/$first" 1000
    run once-more "$directory/$first"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
