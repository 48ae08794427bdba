# How Ordinal is built, tested and installed. One file, no configure step and nothing detected that would tie the
# binary to the machine that built it: every source found under cache/ and replication/ is compiled into
# build/FLAVOUR/, where a flavour is a set of compiler flags (release, debug, asan, tsan, coverage, fuzz, …).
#
#   make              ./ordinal, the release binary
#   make run          install what is missing, build, serve on port 6379 (ARGS="--port 7000" for another)
#   make test         the same, then every test
#   make help         all targets

SHELL := /bin/bash
.DEFAULT_GOAL := all

# ---- Debian packages, listed once ----------------------------------------------------------------------------
BUILD_PACKAGES := gcc make pkg-config libc6-dev libuv1-dev libxxhash-dev libjemalloc-dev libssl-dev liblzf-dev \
    libc-ares-dev
TEST_PACKAGES := libcmocka-dev libhiredis-dev redis-tools python3-redis python3-pytest python3-pytest-xdist \
    python3-hypothesis tcl tcl-tls gnuplot-nox curl ruby ruby-redis php-cli php-redis perl libredis-perl
NODE_PACKAGES := nodejs npm
SANITIZER_PACKAGES := libasan8 libubsan1 libtsan2
FUZZ_PACKAGES := clang-14 libclang-rt-14-dev
LINT_PACKAGES := clang-format-14 clang-tidy-14 cppcheck shellcheck
COVERAGE_PACKAGES := lcov

# ---- compiler and flags --------------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := gcc
endif
FUZZ_CC ?= clang-14
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
ARGS ?=

# The oldest machine that the binary must run on, never the one that builds it.
MACHINE = $(eval MACHINE := $$(shell $$(CC) -dumpmachine 2>/dev/null))$(MACHINE)
MARCH = $(if $(filter x86_64%,$(MACHINE)),-march=x86-64-v2,$(if $(filter aarch64%,$(MACHINE)),-march=armv8-a))

# Evaluated when first used: pkg-config may be installed only by this run's `deps`.
PKGS := libuv jemalloc libxxhash libcrypto liblzf libcares
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $$(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $$(PKGS)))$(PKG_LIBS)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Werror
CPPFLAGS += -D_GNU_SOURCE -Icache -I.
CFLAGS_ALL = -std=gnu17 $(WARNINGS) -g -fno-omit-frame-pointer -pthread $(PKG_CFLAGS) $(MARCH)
LIBS = $(PKG_LIBS) -lm -pthread

CFLAGS_release := -O3 -flto=auto -fno-plt
LDFLAGS_release := -O3 -flto=auto -Wl,-O1,--as-needed,-z,now,-z,relro
CFLAGS_debug := -Og -g3 -DXXH_NO_INLINE_HINTS=1
LDFLAGS_debug :=
CFLAGS_asan := -O1 -DORDINAL_SYSTEM_MALLOC -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan := -Wl,--as-needed -fsanitize=address,undefined
CFLAGS_tsan := -O1 -DORDINAL_SYSTEM_MALLOC -fsanitize=thread
LDFLAGS_tsan := -Wl,--as-needed -fsanitize=thread
CFLAGS_coverage := -O0 -DXXH_NO_INLINE_HINTS=1 --coverage -fprofile-update=atomic
LDFLAGS_coverage := --coverage
CFLAGS_fuzz := -O1 -DORDINAL_SYSTEM_MALLOC -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_fuzz := -Wl,--as-needed -fsanitize=address,undefined
# Checked like asan, and one allocation in so many fails (memory.c): nothing may crash for want of memory.
CFLAGS_nomem := $(CFLAGS_asan) -DORDINAL_FAIL_ALLOCATIONS
LDFLAGS_nomem := $(LDFLAGS_asan)
# As debug, and the disk fails, or the process ends, where a test asks for it (cache/persist/disk.h).
CFLAGS_faults := $(CFLAGS_debug) -DORDINAL_FAULTS
LDFLAGS_faults :=
CC_fuzz = $(FUZZ_CC)

# As debug, for another machine (tests/arm64/arm64.mk).
CFLAGS_arm64 := $(CFLAGS_debug)
LDFLAGS_arm64 :=

FLAVOURS := release debug asan tsan coverage fuzz nomem faults arm64

# ---- sources -------------------------------------------------------------------------------------------------
SOURCES := $(sort $(shell find cache replication -name '*.c' 2>/dev/null))
HEADERS := $(sort $(shell find cache replication -name '*.h' 2>/dev/null))
UNIT_SOURCES := $(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/*_fuzz.c))

.PHONY: all debug asan tsan coverage fuzz faults
all: ordinal
debug: build/debug/ordinal
asan: build/asan/ordinal
tsan: build/tsan/ordinal
faults: build/faults/ordinal

# One flavour: objects, an archive of all but main, and (not for fuzz) the server. The file `flags` changes only
# when the flags do, so that a changed flag rebuilds and an unchanged one does not. An archive that has lost a
# source is made anew, since `ar` would keep its member.
define FLAVOUR
OBJECTS_$(1) := $$(SOURCES:%.c=build/$(1)/%.o)
LIB_$(1) := build/$(1)/libordinal.a
CC_$(1) ?= $$(CC)

build/$(1)/flags: FORCE
	@mkdir -p $$(@D)
	@echo '$$(CC_$(1)) $$(CPPFLAGS) $$(CFLAGS_ALL) $$(CFLAGS_$(1)) $$(CFLAGS) $$(LDFLAGS_$(1)) $$(LDFLAGS) $$(LIBS)' \
	    | cmp -s - $$@ || echo '$$(CC_$(1)) $$(CPPFLAGS) $$(CFLAGS_ALL) $$(CFLAGS_$(1)) $$(CFLAGS) $$(LDFLAGS_$(1)) $$(LDFLAGS) $$(LIBS)' > $$@

build/$(1)/sources: FORCE
	@mkdir -p $$(@D)
	@echo '$$(SOURCES)' | cmp -s - $$@ || echo '$$(SOURCES)' > $$@

build/$(1)/%.o: %.c build/$(1)/flags
	@mkdir -p $$(@D)
	@echo "  CC  $(1) $$<"
	@$$(CC_$(1)) $$(CPPFLAGS) $$(CFLAGS_ALL) $$(CFLAGS_$(1)) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

build/$(1)/libordinal.a: $$(filter-out build/$(1)/cache/main.o,$$(OBJECTS_$(1))) build/$(1)/sources
	@rm -f $$@
	@gcc-ar rcs $$@ $$(filter %.o,$$^)

build/$(1)/ordinal: $$(OBJECTS_$(1)) build/$(1)/sources
	@echo "  LD  $(1) $$@"
	@$$(CC_$(1)) $$(CFLAGS_ALL) $$(LDFLAGS_$(1)) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $$(LIBS)

build/$(1)/tests/unit/%: build/$(1)/tests/unit/%.o build/$(1)/libordinal.a
	@echo "  LD  $(1) $$@"
	@$$(CC_$(1)) $$(CFLAGS_ALL) $$(LDFLAGS_$(1)) $$(LDFLAGS) -o $$@ $$^ $$(LIBS) -lcmocka

.SECONDARY: $$(UNIT_SOURCES:%.c=build/$(1)/%.o) $$(OBJECTS_$(1))
-include $$(SOURCES:%.c=build/$(1)/%.d) $$(UNIT_SOURCES:%.c=build/$(1)/%.d)
endef
$(foreach flavour,$(FLAVOURS),$(eval $(call FLAVOUR,$(flavour))))

.PHONY: FORCE
FORCE:

ordinal: build/release/ordinal
	@ln -f $< $@ 2>/dev/null || cp -f $< $@

# ---- packages ------------------------------------------------------------------------------------------------
# $(call install-missing,PACKAGES): asks dpkg what is there and apt-get for the rest. Elsewhere than on Debian it
# only says which packages it would have wanted.
define install-missing
@command -v dpkg-query >/dev/null || { echo "not a Debian system; needed: $(1)"; exit 0; }; \
missing=; for package in $(1); do \
    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
done; \
if [ -n "$$missing" ]; then \
    echo "installing:$$missing"; \
    sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
    $$sudo apt-get update -qq </dev/null && \
    $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing </dev/null; \
fi
endef

.PHONY: deps deps-test deps-node deps-fuzz deps-lint deps-coverage
deps:
	$(call install-missing,$(BUILD_PACKAGES))
deps-test:
	$(call install-missing,$(BUILD_PACKAGES) $(TEST_PACKAGES) $(REPLICATION_PACKAGES) $(K8S_PACKAGES) $(SANITIZER_PACKAGES))
deps-node: # a Node.js from elsewhere, which brings its own npm, conflicts with Debian's packages and does as well
	@command -v node >/dev/null && command -v npm >/dev/null || $(MAKE) --no-print-directory deps-node-install
.PHONY: deps-node-install
deps-node-install:
	$(call install-missing,$(NODE_PACKAGES))
deps-fuzz:
	$(call install-missing,$(BUILD_PACKAGES) $(FUZZ_PACKAGES))
deps-lint:
	$(call install-missing,$(BUILD_PACKAGES) libcmocka-dev libhiredis-dev $(LINT_PACKAGES))
deps-coverage:
	$(call install-missing,$(BUILD_PACKAGES) $(TEST_PACKAGES) $(COVERAGE_PACKAGES))

.PHONY: run
run: deps
	@$(MAKE) --no-print-directory all
	@exec ./ordinal --port 6379 $(ARGS)

# ---- unit and integration tests ------------------------------------------------------------------------------
# Every tests/unit/**/NAME_test.c is a cmocka program of its own, linked with the archive. Python tests find the
# server through ORDINAL and the hiredis client through HIREDIS_CLIENT; a sanitizer's report fails the test whose
# server wrote it.
unit-programs = $(UNIT_SOURCES:%.c=build/$(1)/%)
PYTEST := $(PYTHON) -m pytest -q -p no:cacheprovider
PYTEST_ARGS ?=
# Integration tests mostly wait: two at a time.
PYTEST_PARALLEL ?= -n 2
HELPERS := $(patsubst %_shim,%_shim.so,$(patsubst %.c,build/%,$(wildcard tests/integration/*.c)))
# gcc 12's ThreadSanitizer needs the old address space layout on newer kernels.
TSAN_WRAPPER = $(shell setarch -R true 2>/dev/null && echo setarch -R)
export ASAN_OPTIONS ?= detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=0
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS ?= halt_on_error=0:second_deadlock_stack=1

build/tests/integration/%.so: tests/integration/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -std=gnu17 $(WARNINGS) -O2 -g -shared -fPIC -o $@ $<
build/tests/integration/%: tests/integration/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -std=gnu17 $(WARNINGS) -O2 -g -MMD -MP -MF $@.d -o $@ $< -lhiredis -lxxhash -pthread
-include $(HELPERS:=.d)

.PHONY: test test-all test-unit test-integration test-differential test-apps test-migration test-asan test-tsan test-long
test: deps-test deps-node
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory -k test-all
test-all: test-unit test-integration test-differential test-apps test-migration test-crash-short test-replication test-manifests

test-unit: $(call unit-programs,debug)
	@tests/run-unit $^

test-integration: all $(HELPERS)
	$(PYTEST) $(PYTEST_PARALLEL) tests/integration $(PYTEST_ARGS)

# What takes minutes and no release should leave without: 100,000 connects and their like.
test-long: all $(HELPERS)
	ORDINAL_TEST_LONG=1 $(PYTEST) tests/integration $(PYTEST_ARGS)

test-differential: all
	$(PYTEST) tests/differential $(PYTEST_ARGS)

test-apps: all srp-packages fib-packages node20 client-packages client-hiredis
	$(PYTEST) tests/apps $(PYTEST_ARGS)

test-migration: all
	$(PYTEST) tests/migration $(PYTEST_ARGS)

# Sanitizers take some programs to several times their two minutes.
UNIT_SLOW := 600
# With -k the integration tests run even where a unit test has failed.
test-asan: test-asan-unit test-asan-integration
test-tsan: test-tsan-unit test-tsan-integration

.PHONY: test-asan-unit test-asan-integration test-tsan-unit test-tsan-integration
test-asan-unit: $(call unit-programs,asan)
	@UNIT_TIMEOUT=$(UNIT_SLOW) tests/run-unit $^

test-asan-integration: asan $(HELPERS)
	ORDINAL=build/asan/ordinal $(PYTEST) $(PYTEST_PARALLEL) tests/integration $(PYTEST_ARGS)

test-tsan-unit: $(call unit-programs,tsan)
	@UNIT_TIMEOUT=$(UNIT_SLOW) UNIT_WRAPPER="$(TSAN_WRAPPER)" tests/run-unit $^

# Where one connection asks one thing after another, threads do not meet: AddressSanitizer's run is enough for these files.
TSAN_NEEDLESS := aof_loading client_programs configuration hashes health_probe introspection lists protocol rdb_load \
    rdb_old_files scan server_commands sets sort zsets
test-tsan-integration: tsan $(HELPERS)
	ORDINAL=build/tsan/ordinal ORDINAL_WRAPPER="$(TSAN_WRAPPER)" $(PYTEST) $(PYTEST_PARALLEL) tests/integration \
	    $(TSAN_NEEDLESS:%=--ignore=tests/integration/test_%.py) $(PYTEST_ARGS)

# ---- stress: a storm of clients against 1, 2 and 4 loops, and one against a server whose allocations fail -------
SEED ?= 1
STRESS_FLAVOUR ?= release
.PHONY: test-stress test-stress-nomem
test-stress: build/tests/stress/stress build/$(STRESS_FLAVOUR)/ordinal
	@for loops in 1 2 4; do \
	    $(TSAN_WRAPPER) $< $$loops $(SECONDS) $(SEED) both build/$(STRESS_FLAVOUR)/ordinal || exit 1; done

test-stress-nomem: build/tests/stress/stress build/nomem/ordinal
	@for every in 7 101 1009; do \
	    ORDINAL_FAIL_EVERY=$$every $< 2 $(SECONDS) $(SEED) wild build/nomem/ordinal || exit 1; done

build/tests/stress/stress: $(wildcard tests/stress/*.[ch])
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) -std=gnu17 $(WARNINGS) -O2 -g -o $@ $(filter %.c,$^) -pthread

# ---- coverage: unit and integration tests, as HTML in build/coverage/report -----------------------------------
coverage: deps-coverage
	@$(MAKE) --no-print-directory coverage-report
.PHONY: coverage-report
coverage-report: build/coverage/ordinal $(call unit-programs,coverage) $(HELPERS)
	@find build/coverage -name '*.gcda' -delete
	-@tests/run-unit $(call unit-programs,coverage)
	-ORDINAL=build/coverage/ordinal $(PYTEST) tests/integration $(PYTEST_ARGS)
	@lcov --quiet --capture --directory build/coverage --base-directory . --no-external \
	    --output-file build/coverage/all.info
	@lcov --quiet --extract build/coverage/all.info '*/cache/*' '*/replication/*' \
	    --output-file build/coverage/ordinal.info
	@genhtml --quiet --output-directory build/coverage/report build/coverage/ordinal.info
	@lcov --summary build/coverage/ordinal.info

# ---- fuzzing: tests/fuzz/NAME_fuzz.c with its seeds in tests/fuzz/corpus/NAME -----------------------------------
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(FUZZ_SOURCES))
FUZZ_PROGRAMS := $(FUZZ_NAMES:%=build/fuzz/%)
SECONDS ?= 60

fuzz: deps-fuzz
	@$(MAKE) --no-print-directory $(FUZZ_PROGRAMS)

$(FUZZ_PROGRAMS): build/fuzz/%: build/fuzz/tests/fuzz/%_fuzz.o build/fuzz/libordinal.a
	@echo "  LD  fuzz $@"
	@$(CC_fuzz) $(CFLAGS_ALL) -fsanitize=fuzzer $(LDFLAGS_fuzz) -o $@ $^ $(LIBS)
-include $(FUZZ_SOURCES:%.c=build/fuzz/%.d)

.PHONY: fuzz-run $(FUZZ_NAMES:%=fuzz-run-%)
fuzz-run: fuzz
	@$(MAKE) --no-print-directory -k -j$(words $(FUZZ_NAMES)) $(FUZZ_NAMES:%=fuzz-run-%) SECONDS=$(SECONDS)

# Seeds that lie elsewhere.
FUZZ_SEEDS_rdb_load := tests/rdb/samples

# New inputs go to build/, the seeds in the tree are only read; what crashes is left in build/fuzz/crashes.
$(FUZZ_NAMES:%=fuzz-run-%): fuzz-run-%: build/fuzz/%
	@mkdir -p build/fuzz/found/$* build/fuzz/crashes
	@$< -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    $(if $(wildcard tests/fuzz/$*.dict),-dict=tests/fuzz/$*.dict) -artifact_prefix=build/fuzz/crashes/$*- \
	    build/fuzz/found/$* $(wildcard tests/fuzz/corpus/$*) $(FUZZ_SEEDS_$*) >build/fuzz/$*.log 2>&1 </dev/null \
	    || { tail -60 build/fuzz/$*.log; echo "fuzz $*: FAILED"; exit 1; }
	@echo "fuzz $*: ok, $$(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/$*.log) runs in $(SECONDS) s," \
	    "$$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' build/fuzz/$*.log | tail -1) edges"

# ---- lint ----------------------------------------------------------------------------------------------------
# clang-tidy is the slow one: a file is looked at again only when it, or a header that it includes, has changed
# (its stamp depends on the debug object, which knows its headers).
C_FILES = $(sort $(shell find cache replication tests bench k8s \( -name node_modules -o -path bench/servers \) -prune \
    -o -name '*.[ch]' -print 2>/dev/null))
SHELL_FILES = $(sort $(shell git grep -lIE '^\#!(/bin/|/usr/bin/env )(ba|da)?sh' 2>/dev/null))
TIDY_STAMPS := $(SOURCES:%.c=build/lint/%.tidy)

.PHONY: lint lint-all lint-format lint-tidy lint-cppcheck lint-shell format
lint: deps-lint
	@$(MAKE) --no-print-directory -k -j2 lint-all
lint-all: lint-format lint-tidy lint-cppcheck lint-shell

lint-format:
	@$(CLANG_FORMAT) --dry-run -Werror $(C_FILES)
	@echo "clang-format: ok, $(words $(C_FILES)) files"

lint-tidy: $(TIDY_STAMPS)
	@echo "clang-tidy: ok, $(words $(TIDY_STAMPS)) files"

build/lint/%.tidy: %.c .clang-tidy build/debug/%.o
	@mkdir -p $(@D)
	@$(CLANG_TIDY) --quiet --warnings-as-errors='*' $< -- $(CPPFLAGS) -std=gnu17 -Wall -Wextra $(PKG_CFLAGS) \
	    2> >(grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -header' >&2)
	@touch $@

lint-cppcheck:
	@mkdir -p build/lint/cppcheck
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches --suppress=unknownMacro \
	    --cppcheck-build-dir=build/lint/cppcheck -D__GNUC__ -Icache -I. $(wildcard cache replication)
	@echo "cppcheck: ok"

lint-shell:
	@shellcheck -x $(SHELL_FILES)
	@echo "shellcheck: ok, $(words $(SHELL_FILES)) files"

format:
	@$(CLANG_FORMAT) -i $(C_FILES)

# ---- documentation made from the tables in the code -------------------------------------------------------------
GENERATED_DOCS := commands configuration

.PHONY: docs docs-check
docs: all
	@mkdir -p docs
	@for page in $(GENERATED_DOCS); do ./ordinal --print-docs $$page > docs/$$page.md || exit 1; done

docs-check: all
	@status=0; for page in $(GENERATED_DOCS); do \
	    ./ordinal --print-docs $$page | diff -u docs/$$page.md - || { \
	        echo "docs/$$page.md is not current: run make docs"; status=1; }; \
	done; exit $$status

# ---- install, clean, help ---------------------------------------------------------------------------------------
.PHONY: install clean help
install: all
	install -D -m 755 ordinal $(DESTDIR)$(PREFIX)/bin/ordinal
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/ordinal/LICENSE
	$(if $(wildcard README.md),install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/ordinal/README.md)

clean:
	rm -rf build ordinal

help:
	@echo 'make                  ./ordinal, the release binary'
	@echo 'make run              install what is missing, build, serve on port 6379; ARGS="--port 7000 ..."'
	@echo 'make test             install what is missing, build, and run every test'
	@echo 'make debug asan tsan  build/FLAVOUR/ordinal'
	@echo 'make test-unit test-integration test-differential test-apps test-asan test-tsan test-long'
	@echo 'make test-migration      data folders of Redis and Valkey, in and out'
	@echo 'make test-crash       kill -9, power cuts, full disks, injected faults; ROUNDS=300 of each mode; test-crash-short'
	@echo 'make test-replication test-chaos   the guarantees between hosts, under faults; ROUNDS=100 SEED=1'
	@echo 'make test-stress      a storm of clients; SECONDS=60 SEED=1 STRESS_FLAVOUR=release; test-stress-nomem: without memory'
	@echo 'make test-redis-suite the Tcl suite of redis against a running server'
	@echo 'make test-k8s         on the cluster that KUBECONFIG names; test-manifests: the manifests alone'
	@echo 'make test-arm64       cross-compiled, the unit tests under qemu'
	@echo 'make coverage         tests with coverage; HTML in build/coverage/report'
	@echo 'make fuzz fuzz-run    fuzzers; SECONDS=60 for each'
	@echo 'make bench            Ordinal beside its peers'
	@echo 'make lint format      clang-format, clang-tidy, cppcheck, shellcheck; rewrite the formatting'
	@echo 'make docs docs-check  the pages made from the tables in the code'
	@echo 'make install          to PREFIX=$(PREFIX), under DESTDIR'

-include bench/bench.mk $(wildcard k8s/examples/*/*.mk) tests/apps/apps.mk tests/redis-suite/redis-suite.mk tests/crash/crash.mk tests/replication/replication.mk \
    tests/k8s/k8s.mk tests/arm64/arm64.mk
