# How Ordinal is built, tested and installed. One file, no configure step and nothing detected that would tie the
# binary to the machine that built it: every source found under cache/ and replication/ is compiled into
# build/FLAVOUR/, where a flavour is a set of compiler flags (release, debug, asan, tsan, coverage, fuzz).
#
#   make              ./ordinal, the release binary
#   make run          install what is missing, build, serve on port 6379 (ARGS="--port 7000" for another)
#   make test         the same, then every test
#   make help         all targets

SHELL := /bin/bash
.DEFAULT_GOAL := all

# ---- Debian packages, listed once ----------------------------------------------------------------------------
BUILD_PACKAGES := gcc make pkg-config libc6-dev libuv1-dev libxxhash-dev libjemalloc-dev libssl-dev liblzf-dev
TEST_PACKAGES := libcmocka-dev libhiredis-dev redis-tools python3-redis python3-pytest python3-hypothesis \
    faketime tcl tcl-tls gnuplot-nox curl nodejs npm
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
PKGS := libuv jemalloc libxxhash libcrypto liblzf
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $$(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell pkg-config --libs $$(PKGS)))$(PKG_LIBS)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Werror
CPPFLAGS += -D_GNU_SOURCE -Icache -I.
CFLAGS_ALL = -std=gnu17 $(WARNINGS) -g -fno-omit-frame-pointer -pthread $(PKG_CFLAGS) $(MARCH)
LIBS = $(PKG_LIBS) -lm -pthread

CFLAGS_release := -O3 -flto=auto -fno-plt
LDFLAGS_release := -O3 -flto=auto -Wl,-O1,--as-needed,-z,now,-z,relro
CFLAGS_debug := -Og -g3
LDFLAGS_debug :=
CFLAGS_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS_asan := -fsanitize=address,undefined
CFLAGS_tsan := -O1 -fsanitize=thread
LDFLAGS_tsan := -fsanitize=thread
CFLAGS_coverage := -O0 --coverage -fprofile-update=atomic
LDFLAGS_coverage := --coverage
CFLAGS_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_fuzz := -fsanitize=address,undefined
CC_fuzz = $(FUZZ_CC)

FLAVOURS := release debug asan tsan coverage fuzz

# ---- sources -------------------------------------------------------------------------------------------------
SOURCES := $(sort $(shell find cache replication -name '*.c' 2>/dev/null))
HEADERS := $(sort $(shell find cache replication -name '*.h' 2>/dev/null))
UNIT_SOURCES := $(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/*_fuzz.c))

.PHONY: all debug asan tsan coverage fuzz
all: ordinal
debug: build/debug/ordinal
asan: build/asan/ordinal
tsan: build/tsan/ordinal

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

.PHONY: deps deps-test deps-fuzz deps-lint deps-coverage
deps:
	$(call install-missing,$(BUILD_PACKAGES))
deps-test:
	$(call install-missing,$(BUILD_PACKAGES) $(TEST_PACKAGES) $(SANITIZER_PACKAGES))
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

# ---- tests ---------------------------------------------------------------------------------------------------
# $(call unit-programs,FLAVOUR)
unit-programs = $(UNIT_SOURCES:%.c=build/$(1)/%)

.PHONY: test-unit
test-unit: $(call unit-programs,debug)
	@tests/run-unit $^

# ---- clean ---------------------------------------------------------------------------------------------------
.PHONY: clean
clean:
	rm -rf build ordinal

-include bench/bench.mk $(wildcard k8s/examples/*/*.mk) tests/redis-suite/redis-suite.mk
