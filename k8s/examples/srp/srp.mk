# The SRP login as a demonstration and as a test; included by the Makefile, and usable alone from the
# repository's root (`make -f k8s/examples/srp/srp.mk srp-packages`).
#
#   make demo-srp         npm ci, Ordinal, three SRP servers, a front, logins; fails if a promise is broken
#   make demo-srp-long    the same, and a challenge of a full minute is waited for
#
# ORDINAL names another server binary, LOGINS another number of logins.

SRP := k8s/examples/srp
LOGINS ?= 200

.PHONY: srp-packages demo-srp demo-srp-long
srp-packages: $(SRP)/node_modules/.package-lock.json

$(SRP)/node_modules/.package-lock.json: $(SRP)/package.json $(SRP)/package-lock.json
	npm ci --prefix $(SRP) --no-audit --no-fund
	@touch $@

demo-srp: srp-packages $(if $(ORDINAL),,ordinal)
	node $(SRP)/demo.js --logins $(LOGINS)

demo-srp-long: srp-packages $(if $(ORDINAL),,ordinal)
	node $(SRP)/demo.js --logins $(LOGINS) --long
