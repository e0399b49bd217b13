#!/bin/sh
# Unpacks Debian packages under build/debian. Needs no root and changes nothing
# on the machine.
#
#     tests/fetch.sh PACKAGE...
set -u
root=build/debian
mkdir -p "$root/archives" "$root/lists/partial" "$root/cache" || exit 1

for tool in apt-get dpkg-deb flock; do
    if ! command -v $tool >/dev/null; then
        echo "$* cannot be fetched: this system has no $tool." >&2
        exit 1
    fi
done

# One at a time: all use the same lists and the same place.
exec 9>"$root/lock"
flock 9

here=$(pwd)/$root
own_lists="-o Dir::State::Lists=$here/lists -o Dir::Cache=$here/cache"
quiet="-qq -o APT::Sandbox::User=root"

apt()
{
    (cd "$root/archives" && apt-get $quiet "$@")
}

echo "fetching $* from Debian's archive"
rm -f "$root"/archives/*.deb
if ! apt download "$@" 2>/dev/null; then
    # The machine's package lists are empty or old: fetch lists of our own.
    apt $own_lists update
    if ! apt $own_lists download "$@"; then
        echo "$* could not be fetched from Debian's archive." >&2
        exit 1
    fi
fi
for archive in "$root"/archives/*.deb; do
    dpkg-deb -x "$archive" "$root" || exit 1
done
