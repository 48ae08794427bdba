# The benchmark: its programs, and the run that measures Ordinal beside its peers.
#
#   make bench                  everything, some twenty minutes (ARGS="--measures cost,memory" for a part)
#   make bench ARGS=--quick     the cost of an operation alone, two minutes
#   make bench-peers            Valkey and Redis from Debian unstable into a folder of their own (root)
#   make bench-flame            docs/plots/flame-*.svg: where the time goes under each load (perf)

BENCH_PACKAGES := gcc make pkg-config libuv1-dev redis-tools gnuplot-nox python3-minimal
BENCH_PEER_PACKAGES := debootstrap
BENCH_FLAME_PACKAGES := linux-perf
BENCH_PROGRAMS := $(addprefix build/bench/,floor load probe hold listen blocked pair)
BENCH_CFLAGS := -std=gnu17 -O3 -Wall -Wextra -Wshadow -Wconversion -Werror -D_GNU_SOURCE
BENCH_ORDINAL ?= ordinal

.PHONY: bench bench-programs bench-peers bench-flame deps-bench deps-bench-peers deps-bench-flame
bench: deps-bench
	@$(MAKE) --no-print-directory bench-programs $(BENCH_ORDINAL)
	@/usr/bin/python3 bench/run.py $(ARGS)

bench-programs: $(BENCH_PROGRAMS)

bench-peers: deps-bench-peers
	@bench/peers.sh

bench-flame: deps-bench deps-bench-flame
	@$(MAKE) --no-print-directory bench-programs $(BENCH_ORDINAL)
	@for load in set get srp; do /usr/bin/python3 bench/run.py --flame $$load $(ARGS); done

deps-bench: deps
	$(call install-missing,$(BENCH_PACKAGES))
deps-bench-peers:
	$(call install-missing,$(BENCH_PEER_PACKAGES))
deps-bench-flame:
	$(call install-missing,$(BENCH_FLAME_PACKAGES))

build/bench/floor: bench/floor.c
build/bench/load: bench/load.c bench/mix.c bench/histogram.c bench/cpu.c
build/bench/probe: bench/probe.c bench/histogram.c
build/bench/hold: bench/hold.c bench/sockets.c
build/bench/listen: bench/listen.c bench/sockets.c
build/bench/blocked: bench/blocked.c bench/sockets.c bench/histogram.c
build/bench/pair: bench/pair.c bench/sockets.c bench/histogram.c

$(BENCH_PROGRAMS): $(wildcard bench/*.h)
	@mkdir -p $(@D)
	@echo "  CC  bench $(@F)"
	@$(CC) $(BENCH_CFLAGS) -o $@ $(filter %.c,$^) $(if $(filter %/floor,$@),$$(pkg-config --cflags --libs libuv))
