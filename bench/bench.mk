# The benchmark: its programs, and the run that measures Ordinal beside its peers. Included by the top Makefile.
#
#   make bench                  everything, some ten minutes (ARGS="--measures cost,memory" for a part)
#   make bench ARGS=--quick     the cost of an operation alone, a minute
#   make bench-peers            Valkey and Redis from Debian unstable into a folder of their own (root, debootstrap)

BENCH_PACKAGES := gcc make pkg-config libuv1-dev redis-tools gnuplot-nox
BENCH_PEER_PACKAGES := debootstrap
BENCH_PROGRAMS := build/bench/floor build/bench/load build/bench/probe build/bench/hold
BENCH_CFLAGS := -std=gnu17 -O3 -Wall -Wextra -Wshadow -Wconversion -Werror -D_GNU_SOURCE
BENCH_ORDINAL ?= ordinal

.PHONY: bench bench-programs bench-peers
bench: bench-programs $(BENCH_ORDINAL)
	@/usr/bin/python3 bench/run.py $(ARGS)

bench-programs: $(BENCH_PROGRAMS)

bench-peers:
	@bench/peers.sh

build/bench/floor: bench/floor.c
build/bench/load: bench/load.c bench/mix.c bench/histogram.c bench/cpu.c
build/bench/probe: bench/probe.c bench/histogram.c
build/bench/hold: bench/hold.c

$(BENCH_PROGRAMS): $(wildcard bench/*.h)
	@mkdir -p $(@D)
	@echo "  CC  bench $(@F)"
	@$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) $(if $(filter %/floor,$@),$$(pkg-config --cflags --libs libuv))
