# The guarantees under faults, between hosts that the tests make themselves; included by the Makefile.
#   make test-replication               that the tests can fail, and a few rounds: two minutes at most, part of make test
#   make test-chaos ROUNDS=100 SEED=1   so many rounds of random faults; CHAOS_ARGS as tests/replication/run.py explains them

REPLICATION_PACKAGES := iproute2
REPLICATION_PROGRAMS := build/tests/replication/wire build/tests/replication/load
CHAOS_ARGS ?=

.PHONY: test-replication test-chaos
test-replication: all $(REPLICATION_PROGRAMS)
	$(PYTEST) tests/replication $(PYTEST_ARGS)

test-chaos: ROUNDS = 100
test-chaos: all $(REPLICATION_PROGRAMS)
	$(PYTHON) tests/replication/run.py --rounds $(ROUNDS) --seed $(SEED) $(CHAOS_ARGS)

build/tests/replication/wire: tests/replication/wire.c
build/tests/replication/load: $(wildcard tests/replication/load/*.[ch])
$(REPLICATION_PROGRAMS):
	@mkdir -p $(@D)
	@$(CC) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -O2 -g -o $@ $(filter %.c,$^)
