# What the tests of client programs need beside Debian's packages; included by the Makefile, and usable alone from the
# repository's root.
#
#   make node20           Node.js 20 from npm, where the system has another
#   make client-packages  the packages from npm of the client programs
#   make client-hiredis   the client program in C, build/tests/apps/hiredis

APPS := tests/apps

.PHONY: node20 client-packages client-hiredis
node20:
	@case $$(node --version) in v20.*) ;; \
	    *) $(MAKE) --no-print-directory -f $(APPS)/apps.mk $(APPS)/node20/node_modules/.package-lock.json ;; esac

client-packages: $(APPS)/clients/node_modules/.package-lock.json

client-hiredis: build/tests/apps/hiredis

build/tests/apps/hiredis: $(APPS)/clients/hiredis.c
	@mkdir -p $(@D)
	@$(CC) -std=gnu17 -Wall -Wextra -Wshadow -Wconversion -Werror -O2 -g -o $@ $< -lhiredis

$(APPS)/%/node_modules/.package-lock.json: $(APPS)/%/package.json $(APPS)/%/package-lock.json
	npm ci --prefix $(APPS)/$* --no-audit --no-fund
	@touch $@
