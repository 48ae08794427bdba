# Persistence under kill -9, power cuts, full disks and injected faults; included by the Makefile.
#   make test-crash ROUNDS=300    so many kills of each mode, and everything else (three quarters of an hour)
#   make test-crash-short         a few kills of each, and most of the rest: part of make test

ROUNDS ?= 300
CRASH_ARGS ?=

.PHONY: test-crash test-crash-short
test-crash: all faults build/tests/crash/power_shim.so
	ORDINAL_TEST_LONG=1 $(PYTEST) $(PYTEST_PARALLEL) tests/crash $(PYTEST_ARGS)
	$(PYTHON) tests/crash/run.py --rounds $(ROUNDS) $(CRASH_ARGS)
test-crash-short: all faults build/tests/crash/power_shim.so
	$(PYTEST) $(PYTEST_PARALLEL) tests/crash $(PYTEST_ARGS)
	$(PYTHON) tests/crash/run.py --rounds 4 --jobs 2 $(CRASH_ARGS)

build/tests/crash/%.so: tests/crash/%.c
	@mkdir -p $(@D)
	@$(CC) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -O2 -g -shared -fPIC -o $@ $< -ldl
