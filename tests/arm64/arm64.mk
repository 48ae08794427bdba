# Ordinal for arm64, cross-compiled, and its unit tests under qemu's emulation of one process; included by the Makefile.
#
#   make test-arm64       installs the cross compiler and qemu, unpacks Debian's arm64 libraries into build/arm64-root, builds, tests

ARM64_PACKAGES := gcc-aarch64-linux-gnu qemu-user
ARM64_LIBRARIES := $(filter %-dev,$(BUILD_PACKAGES)) libcmocka-dev
ARM64_ROOT := build/arm64-root

.PHONY: deps-arm64 test-arm64 test-arm64-unit
deps-arm64:
	$(call install-missing,make pkg-config $(ARM64_PACKAGES))

$(ARM64_ROOT)/usr/include: tests/arm64/sysroot
	tests/arm64/sysroot $(ARM64_ROOT) $(ARM64_LIBRARIES)
	@touch $@

test-arm64: deps-arm64 $(ARM64_ROOT)/usr/include
	@PKG_CONFIG_SYSROOT_DIR=$(CURDIR)/$(ARM64_ROOT) \
	    PKG_CONFIG_LIBDIR=$(CURDIR)/$(ARM64_ROOT)/usr/lib/aarch64-linux-gnu/pkgconfig:$(CURDIR)/$(ARM64_ROOT)/usr/share/pkgconfig \
	    $(MAKE) --no-print-directory test-arm64-unit CC=aarch64-linux-gnu-gcc \
	    CFLAGS=--sysroot=$(CURDIR)/$(ARM64_ROOT) LDFLAGS=--sysroot=$(CURDIR)/$(ARM64_ROOT)

test-arm64-unit: build/arm64/ordinal $(call unit-programs,arm64)
	qemu-aarch64 -L $(ARM64_ROOT) $< --version
	@UNIT_TIMEOUT=$(UNIT_SLOW) UNIT_WRAPPER="qemu-aarch64 -L $(ARM64_ROOT)" tests/run-unit $(filter-out $<,$^)
