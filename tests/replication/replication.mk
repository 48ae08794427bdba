# The guarantees under faults, between hosts that the tests make themselves; included by the Makefile.
#   make test-replication               what holds today, in two minutes: part of make test
#   make test-chaos ROUNDS=100 SEED=1   so many rounds of random faults; CHAOS_ARGS as in tests/replication/run.py

REPLICATION_PACKAGES := iproute2 util-linux mount hostname
CHAOS_ARGS ?=

.PHONY: deps-replication test-replication test-chaos
deps-replication:
	$(call install-missing,$(REPLICATION_PACKAGES))

build/tests/replication/wire: tests/replication/wire.c
	@mkdir -p $(@D)
	@$(CC) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -O2 -g -o $@ $<

build/tests/replication/load: $(wildcard tests/replication/load/*.[ch])
	@mkdir -p $(@D)
	@$(CC) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -O2 -g -o $@ $(filter %.c,$^)
