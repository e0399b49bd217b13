#!/bin/sh
# The header gives no warning with these flags: as a user's one file with the
# implementation, and as any other file, which only declares.
#
#     tests/warnings.sh COMPILER [FLAG...]
#
# Run it at the top of the repository, where stb_ds.h lies too.
set -u
directory=build/warnings
mkdir -p $directory
passed=0
failed=0
printf '#define WFSCENARIO_IMPLEMENTATION\n' >$directory/wfs.c
printf '#include "wfscenario.h"\n' | tee $directory/user.c >>$directory/wfs.c
for file in wfs user; do
    if "$@" -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes \
        -Werror -I. -c $directory/$file.c -o $directory/$file.o; then
        passed=$((passed + 1))
    else
        echo "failed: $file.c"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
