# Redis's own Tcl suite against a running Ordinal; see tests/redis-suite/run.sh.
#   make test-redis-suite                            every file of files.txt but the long ones
#   make test-redis-suite FILES=--all                these too
#   make test-redis-suite FILES=unit/type/string     these only
SUITE_PACKAGES := tcl dpkg-dev procps

.PHONY: test-redis-suite deps-redis-suite
deps-redis-suite:
	$(call install-missing,$(SUITE_PACKAGES))

test-redis-suite: deps-redis-suite
	@$(MAKE) --no-print-directory all
	tests/redis-suite/run.sh $(FILES)
