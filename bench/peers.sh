#!/bin/sh
# Puts the newest Valkey and Redis into a folder of their own, for bench/run.py to measure beside Ordinal.
#
# Debian stable has one of them, years old; Debian unstable has both. Installing packages from unstable into
# the running system would drag its C library along, so they get a small root folder made by debootstrap, and
# bench/run.py starts them with chroot. Nothing in it runs by itself, and deleting the folder undoes it all.
#
#   bench/peers.sh [FOLDER]    FOLDER: $ORDINAL_PEERS, or /var/tmp/ordinal-peers
#   MIRROR=http://… bench/peers.sh    another mirror than the one in the machine's own apt sources
#
# Needs root, debootstrap and some 400 MB. A folder that is complete is left as it is.
set -eu

folder=${1:-${ORDINAL_PEERS:-/var/tmp/ordinal-peers}}
packages=valkey-server,valkey-tools,redis-server,redis-tools,memcached

fail() {
    echo "peers.sh: $1" >&2
    exit 1
}

# The Debian mirror that apt uses here: the first package index whose origin is Debian's main archive.
# shellcheck disable=SC2016 # the fields are apt's, not the shell's
apt_mirror() {
    apt-get indextargets --format '$(CREATED_BY)|$(LABEL)|$(REPO_URI)' |
        awk -F'|' '$1 == "Packages" && $2 == "Debian" { print $3; exit }'
}

versions() {
    chroot "$folder" valkey-server --version
    chroot "$folder" redis-server --version
}

if [ -x "$folder/usr/bin/valkey-server" ] && [ -x "$folder/usr/bin/redis-server" ]; then
    versions
    exit 0
fi

[ "$(id -u)" = 0 ] || fail "debootstrap needs root"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
mirror=${MIRROR:-$(apt_mirror)}
[ -n "$mirror" ] || fail "no Debian mirror in the apt sources of this machine: name one with MIRROR="

mkdir -p "$folder"
log=$folder.log
echo "peers.sh: debootstrap sid from $mirror into $folder (log: $log)"
debootstrap --variant=minbase --include="$packages" sid "$folder" "$mirror" >"$log" 2>&1 ||
    { tail -n 20 "$log" >&2; fail "debootstrap failed; delete $folder before trying again"; }
versions
