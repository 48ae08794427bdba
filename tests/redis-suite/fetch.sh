#!/bin/bash
# Puts Redis's own test suite, from Debian's source package of redis, where run.sh finds it, and prints the folder.
# The sources are not kept in this repository. apt reads a private list with the machine's own mirrors, marked
# deb-src, and keeps its state beside it: nothing of the machine's package system changes, and no root is needed.
#
#   REDIS_SUITE_CACHE   where to keep it (default /var/tmp/ordinal-redis-suite)
#   REDIS_SUITE         a folder with redis's sources that is already there: nothing is fetched
set -euo pipefail

cache=${REDIS_SUITE_CACHE:-/var/tmp/ordinal-redis-suite}

if [ -n "${REDIS_SUITE:-}" ]; then
    echo "$REDIS_SUITE"
    exit
fi
mkdir -p "$cache"
found=$(find "$cache" -maxdepth 2 -name runtest -path '*/redis-*/*' -print -quit)
if [ -n "$found" ]; then
    dirname "$found"
    exit
fi

mkdir -p "$cache/apt/sources" "$cache/apt/lists/partial" "$cache/apt/archives/partial"
rm -f "$cache"/apt/sources/*
if [ -f /etc/apt/sources.list.d/debian.sources ]; then
    sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$cache/apt/sources/debian.sources"
else # the older format, one line for each
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$cache/apt/sources/debian.list"
fi
options=(
    -o Dir::Etc::sourcelist=/dev/null
    -o "Dir::Etc::sourceparts=$cache/apt/sources"
    -o "Dir::State::lists=$cache/apt/lists"
    -o "Dir::Cache=$cache/apt"
    -o "APT::Sandbox::User=$(id -un)"
    -o Debug::NoLocking=true
    -qq
)
{
    apt-get "${options[@]}" update
    # Only sources are unpacked: dpkg-dev is enough, none of redis's build dependencies is needed.
    (cd "$cache" && apt-get "${options[@]}" source redis)
} >&2 </dev/null
found=$(find "$cache" -maxdepth 2 -name runtest -path '*/redis-*/*' -print -quit)
[ -n "$found" ] || { echo "apt-get source redis left no runtest in $cache" >&2; exit 1; }
dirname "$found"
