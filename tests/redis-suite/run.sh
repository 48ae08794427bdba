#!/bin/bash
# Redis's own Tcl test suite against Ordinal: `make test-redis-suite`, or by hand
#
#   tests/redis-suite/run.sh                      every file that files.txt says to run, but the long ones
#   tests/redis-suite/run.sh --all                these too
#   tests/redis-suite/run.sh unit/type/string     these files only
#   tests/redis-suite/run.sh --oracle             against redis-server 7.0.15, to check the suite itself
#
# ORDINAL names another binary. Debian packages: tcl, dpkg-dev (to unpack the sources), redis-tools (--oracle).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=$("$here/fetch.sh")
exec /usr/bin/python3 "$here/suite.py" --suite "$suite" "$@"
