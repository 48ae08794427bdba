# Persistence under kill -9, power cuts, full disks and injected faults; included by the Makefile.
#   make test-crash ROUNDS=300    so many kills of each mode, and everything else (three quarters of an hour)
#   make test-crash-short         a few kills of each, and everything else: part of make test

ROUNDS ?= 300
CRASH_ARGS ?=

.PHONY: test-crash test-crash-short
test-crash: test-crash-pytest
	$(PYTHON) tests/crash/run.py --rounds $(ROUNDS) $(CRASH_ARGS)
test-crash-short: test-crash-pytest
	$(PYTHON) tests/crash/run.py --rounds 4 $(CRASH_ARGS)

.PHONY: test-crash-pytest
test-crash-pytest: all faults build/tests/crash/power_shim.so
	$(PYTEST) tests/crash $(PYTEST_ARGS)

build/tests/crash/%.so: tests/crash/%.c
	@mkdir -p $(@D)
	@$(CC) -D_GNU_SOURCE -std=gnu17 $(WARNINGS) -O2 -g -shared -fPIC -o $@ $< -ldl
