#!/bin/sh
# Compiles and runs the code that the project shows: every C block of README.md
# (each is a program, run where the JSON blocks are the files mocks.json and
# checks.json; a text block is what the program before it prints), the manual of the header (all its
# code is one program), and the build files of README.md, around its first
# program, where the tool is installed.
#
#     STANDARDS="c99 c11" tests/readme.sh DIRECTORY CC FLAG...
set -u
directory=$1
shift
passed=0
failed=0
skipped=0

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

blocks() # LANGUAGE PREFIX SUFFIX: write the blocks to PREFIX1SUFFIX and so on
{
    awk -v language="$1" -v prefix="$2" -v suffix="$3" '
        $0 == "```" { inside = 0 }
        inside { print > file }
        $0 == "```" language { inside = 1; file = prefix (++count) suffix }
        END { exit count == 0 }' README.md
}

outputs() # each text block as PREFIX, the number of the C block before it, .text
{
    awk -v prefix="$1" '
        $0 == "```" { if (inside) close(file); inside = 0 }
        inside { print > file }
        $0 == "```c" { count++ }
        $0 == "```text" { inside = 1; file = prefix count ".text" }' README.md
}

manual() # the lines that are indented as code
{
    awk '/^ \*\// { exit }
         /^ \*      / { sub(/^ \*      /, ""); print }
         /^ \*$/ { print "" }' wfscenario.h
}

program() # FILE CC FLAG...
{
    file=$1
    shift
    name=${file##*/}
    "$@" -o "$file.out" "$file" &&
        (cd "$directory" && "./$name.out" >"$name.log") &&
        { [ ! -f "${file%.c}.text" ] ||
            diff "${file%.c}.text" "$file.log"; }
}

with_cmake()
{
    cmake -S "$1" -B "$1/out" && cmake --build "$1/out" &&
        cmake -E chdir "$1/out" ctest --output-on-failure
}

with_meson()
{
    meson setup "$1/out" "$1" && meson test -C "$1/out"
}

with_make()
{
    make -C "$1" && "$1/shop_test"
}

project() # TOOL BLOCK FILE: the block as FILE in a project of its own
{
    if ! command -v "$1" >/dev/null; then
        skipped=$((skipped + 1))
        echo "skipped: no $1 here"
        return
    fi
    place=$directory/$1
    mkdir -p "$place/third_party"
    cp wfscenario.h stb_ds.h "$place/third_party"
    cp "$directory/readme-1.c" "$place/shop_test.c"
    cp "$2" "$place/$3"
    check "README.md: $1" "with_$1" "$place"
}

unset MAKEFLAGS MAKELEVEL MFLAGS
rm -rf "$directory"
mkdir -p "$directory"

check "README.md: C blocks" blocks c "$directory/readme-" .c
check "README.md: JSON blocks" blocks json "$directory/block" .json
mv "$directory/block1.json" "$directory/mocks.json"
mv "$directory/block2.json" "$directory/checks.json"
outputs "$directory/readme-"
manual >"$directory/manual.c"
for file in "$directory"/*.c; do
    for standard in $STANDARDS; do
        check "${file##*/} as $standard" program "$file" "$@" "-std=$standard"
    done
done
for language in cmake meson make; do
    check "README.md: $language" blocks $language "$directory/$language-" ""
done
project cmake "$directory/cmake-1" CMakeLists.txt
project meson "$directory/meson-1" meson.build
project make "$directory/make-1" Makefile
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
