#!/bin/sh
# Unpacks Debian packages under build/debian, and gathers their headers in
# build/debian/include and their libraries in build/debian/lib. With a library
# (lib*, but not *-dev) comes what it needs and the machine lacks. Needs no root
# and changes nothing on the machine.
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

libraries=
for package in "$@"; do
    case $package in
        *-dev) ;;
        lib*) libraries="$libraries $package" ;;
    esac
done

download() # PACKAGE...; with $lists
{
    needed=
    if [ -n "$libraries" ]; then
        needed=$(apt $lists install --print-uris --no-install-recommends \
            $libraries 2>/dev/null | sed -n "s/^'.*' \([^_]*\)_.*/\1/p")
    fi
    apt $lists download $({ printf '%s\n' "$@" $needed; } | sort -u)
}

echo "fetching $* from Debian's archive"
rm -f "$root"/archives/*.deb
lists=
if ! download "$@" 2>/dev/null; then
    # The machine's package lists are empty or old: fetch lists of our own.
    lists=$own_lists
    apt $lists update
    if ! download "$@"; then
        echo "$* could not be fetched from Debian's archive." >&2
        exit 1
    fi
fi
for archive in "$root"/archives/*.deb; do
    dpkg-deb -x "$archive" "$root" || exit 1
done

# No file is written into: a program may be running with it. Headers come last,
# for that they are there says that all is.
gather="cp -a --update --remove-destination"
mkdir -p "$root/lib" "$root/include" "$root/usr/lib"
find "$root/lib" "$root/usr/lib" -mindepth 2 -maxdepth 2 -name '*.so*' \
    -exec $gather -t "$root/lib" {} + || exit 1
for directory in "$root"/usr/include "$root"/usr/include/*-linux-gnu*; do
    [ ! -d "$directory" ] ||
        $gather "$directory/." "$root/include" || exit 1
done
