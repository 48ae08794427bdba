# The Fibonacci calculator as a demonstration and as a test; included by the Makefile, and usable alone from
# the repository's root (`make -f k8s/examples/fib/fib.mk fib-packages`).
#
#   make demo-fib         npm ci, Ordinal, a server, three workers, 200 tasks; fails if a promise is broken
#
# ORDINAL names another server binary, TASKS another number of tasks, NODE another Node.js.

FIB := k8s/examples/fib
TASKS ?= 200
NODE ?= node

.PHONY: fib-packages demo-fib
fib-packages: $(FIB)/node_modules/.package-lock.json

$(FIB)/node_modules/.package-lock.json: $(FIB)/package.json $(FIB)/package-lock.json
	npm ci --prefix $(FIB) --no-audit --no-fund
	@touch $@

demo-fib: fib-packages $(if $(ORDINAL),,ordinal)
	$(NODE) $(FIB)/demo.js --tasks $(TASKS)
