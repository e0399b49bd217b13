#!/bin/sh
# Compiles each example by the one command in its first comment, which must say
# nothing, and runs it; then the same by $CC as each of $STANDARDS with all
# warnings, which must print the same. Libraries that the system lacks are in
# the prefix LIBRARIES; WITHOUT names an example to leave out.
#
#     STANDARDS="c99 c11" [LIBRARIES=PREFIX] [WITHOUT=NAME] \
#         tests/examples.sh DIRECTORY CC FLAG...
set -u
directory=$1
shift
prefix=${LIBRARIES:-$(pwd)/build/debian}
if [ -d "$prefix" ]; then
    export C_INCLUDE_PATH="$prefix/include" LIBRARY_PATH="$prefix/lib" \
        LD_LIBRARY_PATH="$prefix/lib"
fi
passed=0
failed=0

check() # WHAT COMMAND...
{
    what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $what"
    fi
}

command_of() # NAME
{
    grep -o "cc examples/$1\.c[^*]*" "examples/$1.c"
}

by_its_comment() # NAME
{
    command=$(command_of "$1")
    case $command in
        "cc examples/$1.c -o $1"*"&& ./$1"*) ;;
        *) echo "no such command in examples/$1.c"; return 1 ;;
    esac
    (cd "$directory" && eval "$command" >"$1.out" 2>"$1.err")
    status=$?
    cat "$directory/$1.err"
    [ $status -ne 0 ] && cat "$directory/$1.out"
    [ $status -eq 0 ] && [ ! -s "$directory/$1.err" ]
}

by_standard() # NAME STANDARD CC FLAG...
{
    name=$1
    standard=$2
    shift 2
    libraries=$(command_of "$name" | grep -o -e ' -l[a-z]*')
    (cd "$directory" &&
        "$@" "-std=$standard" -o "$name-$standard" "examples/$name.c" \
            $libraries &&
        "./$name-$standard" >"$name-$standard.out" &&
        diff "$name.out" "$name-$standard.out")
}

# A copy, so that nothing is left at the top of the repository.
rm -rf "$directory"
mkdir -p "$directory"
cp -R examples wfscenario.h stb_ds.h "$directory"

for file in examples/*.c; do
    name=$(basename "$file" .c)
    [ "$name" = "${WITHOUT:-}" ] && continue
    check "$name, by its comment" by_its_comment "$name"
    for standard in $STANDARDS; do
        check "$name, as $standard" by_standard "$name" "$standard" "$@"
    done
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
