# dayfly: one plain, non-recursive Makefile. `make help` lists the targets.

VERSION := 0.1.0
SOMAJOR := 0

# ---- what the user may set (only ever appended to) ---------------------------------------------
CC         ?= cc
AR         ?= ar
OBJCOPY    ?= objcopy
PREFIX     ?= /usr/local
DESTDIR    ?=
CPPFLAGS   ?=
LDFLAGS    ?=
PKG_CONFIG ?= pkg-config
PYTHON     ?= python3
CLANG      ?= clang
WERROR     ?= 0
DEBUG      ?= 0
COV        ?= 0
SAN        ?=
# libsystemd serves dayflyd alone (socket activation, Type=notify): yes or no.
LIBSYSTEMD ?= $(shell $(PKG_CONFIG) --exists libsystemd 2>/dev/null && echo yes || echo no)
LIBSYSTEMD := $(LIBSYSTEMD)
ifeq ($(DEBUG),1)
CFLAGS     ?= -Og -g
else
CFLAGS     ?= -O2 -g
endif

comma   := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(filter 1,$(COV)),cov,$(if $(filter 1,$(DEBUG)),debug,release)))
BUILD   ?= build/$(VARIANT)

BINDIR     := $(PREFIX)/bin
SBINDIR    := $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib
LIBEXECDIR := $(PREFIX)/libexec/dayfly
INCLUDEDIR := $(PREFIX)/include
DOCDIR     := $(PREFIX)/share/doc/dayfly
MANDIR     := $(PREFIX)/share/man
UNITDIR     ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d

# ---- flags -------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
	-Wformat=2 -Wundef -Wno-unused-parameter -Wno-missing-field-initializers
HARDEN   := -fstack-protector-strong
LDHARDEN := -Wl,-z,relro,-z,now -Wl,-z,noexecstack
# Fortified calls need an optimiser, and a sanitizer does their work better.
ifeq ($(SAN)$(filter -O0,$(CFLAGS)),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifeq ($(WERROR),1)
WARN += -Werror
endif
ifeq ($(DEBUG),1)
MODE_CPPFLAGS += -DDAYFLY_DEBUG
endif
ifeq ($(COV),1)
MODE_CFLAGS  += --coverage
MODE_LDFLAGS += --coverage
endif
ifneq ($(SAN),)
MODE_CFLAGS  += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
MODE_LDFLAGS += -fsanitize=$(SAN)
endif

pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
UV_LIBS      := $(call pkg,--libs,libuv)
JANSSON_LIBS := $(call pkg,--libs,jansson)
SECCOMP_LIBS := $(call pkg,--libs,libseccomp)
INIH_LIBS    := $(call pkg,--libs,inih)
NETTLE_LIBS  := $(call pkg,--libs,nettle)
SQLITE_LIBS  := $(call pkg,--libs,sqlite3)
ifeq ($(LIBSYSTEMD),yes)
SYSTEMD_LIBS := $(call pkg,--libs,libsystemd)
SYSTEMD_CPPFLAGS := $(call pkg,--cflags,libsystemd) -DDAYFLY_LIBSYSTEMD
endif
CMOCKA_LIBS  := $(call pkg,--libs,cmocka)
LIB_CFLAGS   := $(sort $(call pkg,--cflags,libuv) $(call pkg,--cflags,jansson) \
	$(call pkg,--cflags,libseccomp) $(call pkg,--cflags,inih) $(call pkg,--cflags,sqlite3) $(call pkg,--cflags,libcurl) $(call pkg,--cflags,nettle))

DF_CPPFLAGS = -D_GNU_SOURCE -Isrc -Iinclude -include base/banned.h $(LIB_CFLAGS) $(SYSTEMD_CPPFLAGS) $(MODE_CPPFLAGS) \
	-DDAYFLY_VERSION='"$(VERSION)"' -DDAYFLY_LIBEXECDIR='"$(LIBEXECDIR)"' \
	-DDAYFLY_SBINDIR='"$(SBINDIR)"' -DDAYFLY_DOCDIR='"$(DOCDIR)"' $(CPPFLAGS)
# One set of objects serves the programs and the shared library: hence -fPIC, which costs nothing beside hidden visibility.
DF_CFLAGS  = -std=gnu17 $(WARN) $(HARDEN) -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
	$(MODE_CFLAGS) $(CFLAGS)
DF_LDFLAGS = -pie -Wl,--gc-sections $(LDHARDEN) $(MODE_LDFLAGS) $(LDFLAGS)

# dayfly-unpack runs inside jails, whose images need not have its libraries: static wherever there are archives of them. What it reads
# is what src/unpack/main.c asks libarchive for; of the archives, only that is linked.
UNPACK_DEPS   := -larchive -lacl -llzma -lzstd -lbz2 -lz
UNPACK_STATIC ?= $(shell echo 'int main(void) { return 0; }' | $(CC) -static -x c -o /dev/null - $(UNPACK_DEPS) 2>/dev/null && echo yes || echo no)
UNPACK_STATIC := $(UNPACK_STATIC)
UNPACK_LINK   := $(if $(filter yes,$(UNPACK_STATIC)),-static $(UNPACK_DEPS),$(call pkg,--libs,libarchive))

# ---- sources: a folder is a layer --------------------------------------------------------------
LAYERS := base proto plan unpack jail task sched history http git daemon client cli
srcs = $(sort $(filter-out %/main.c,$(wildcard src/$(1)/*.c)))
objs = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))
lib  = $(BUILD)/obj/lib$(1).a

# What each layer is linked with, itself first. The daemon's half of plan/ (build.c) is the only user of proto/ there, so it never
# comes out of the archive when the warden is linked.
LINK_base   := base
LINK_proto  := proto base
LINK_plan   := plan proto base
LINK_unpack := unpack
LINK_jail   := jail plan base
LINK_task   := task plan proto base
LINK_sched  := sched $(LINK_task)
LINK_http   := http $(LINK_task)
LINK_history := history base
LINK_git    := git base
LINK_daemon := daemon git history http $(LINK_sched)
LINK_client := client proto base
LINK_cli    := cli $(LINK_client)

LIBS_base   :=
LIBS_proto  := $(JANSSON_LIBS)
LIBS_plan   := $(JANSSON_LIBS)
LIBS_unpack :=
LIBS_jail   := $(SECCOMP_LIBS)
LIBS_task   := $(UV_LIBS) $(JANSSON_LIBS)
LIBS_sched  := $(UV_LIBS) $(JANSSON_LIBS)
LIBS_http   := $(UV_LIBS) $(JANSSON_LIBS) $(NETTLE_LIBS) -ldl
LIBS_git    := $(NETTLE_LIBS)
LIBS_history := $(UV_LIBS) $(SQLITE_LIBS)
LIBS_daemon := $(UV_LIBS) $(JANSSON_LIBS) $(INIH_LIBS) $(SQLITE_LIBS) $(NETTLE_LIBS) -ldl $(SYSTEMD_LIBS)
LIBS_client := $(JANSSON_LIBS)
LIBS_cli    := $(JANSSON_LIBS)

layer_archives = $(foreach l,$(LINK_$(1)),$(call lib,$(l)))
link_layer     = -Wl,--start-group $(call layer_archives,$(1)) -Wl,--end-group -Wl,--as-needed $(LIBS_$(1))

# A program whose main.c is not there is left out.
PROGRAMS := $(if $(wildcard src/cli/main.c),$(BUILD)/dayfly) \
	$(if $(wildcard src/daemon/main.c),$(BUILD)/dayflyd) \
	$(if $(wildcard src/jail/main.c),$(BUILD)/dayfly-warden) \
	$(if $(wildcard src/unpack/main.c),$(BUILD)/dayfly-unpack)
SYMS      := src/client/libdayfly.syms
LIBRARIES := $(if $(wildcard $(SYMS)),$(BUILD)/libdayfly.a $(BUILD)/libdayfly.so.$(SOMAJOR) $(BUILD)/libdayfly.so)
LIB_OBJS  := $(foreach l,client proto base,$(call objs,$(call srcs,$(l))))

UNIT_SRCS := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_BINS := $(UNIT_SRCS:%.c=$(BUILD)/%)
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZ_SRCS:%.c=$(BUILD)/%)
PROBE     := $(if $(wildcard tests/jail/probe/*.c),$(BUILD)/tests/probe)
FAULT_WARDEN := $(if $(wildcard tests/jail/fault/*.c),$(if $(wildcard src/jail/main.c),$(BUILD)/tests/fault/dayfly-warden))
BENCH_BINS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c)))
EXAMPLES  := $(if $(LIBRARIES),$(patsubst contrib/examples/%.c,$(BUILD)/examples/%,$(sort $(wildcard contrib/examples/*.c))))

.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAMS) $(LIBRARIES) ## build the programs and the library (variables: V=1 WERROR=1 DEBUG=1 COV=1 SAN=address,undefined)
.DELETE_ON_ERROR:
.PRECIOUS: $(BUILD)/tests/%.o
.PHONY: FORCE
FORCE:

# A short line for each file; V=1 shows the commands, `make -s` nothing.
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
IS_SILENT := $(findstring s,$(filter-out --%,$(firstword -$(MAKEFLAGS))))
say = @$(if $(IS_SILENT)$(filter 1,$(V)),:,printf '  %-5s %s\n' $(1) $@)

# ---- compile and link --------------------------------------------------------------------------
# A change of compiler or flags rebuilds everything: the stamp is written anew only when its text changes.
$(BUILD)/.flags: FORCE
	@mkdir -p $(@D)
	@$(PKG_CONFIG) --exists libuv jansson libseccomp inih libarchive libcurl nettle "sqlite3 >= 3.38" || { \
		echo "dayfly: pkg-config does not find libuv, jansson, libseccomp, inih, libarchive, libcurl, nettle and sqlite3 (3.38 or later);" \
			"to install what is missing: sh contrib/install-deps.sh build" >&2; exit 1; }
	@printf '%s\n' '$(call shell_escape,$(CC) $(DF_CPPFLAGS) $(DF_CFLAGS) $(DF_LDFLAGS) $(UNPACK_LINK))' "$$($(CC) -dumpfullversion -dumpmachine)" \
		>$@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# A file that is added, removed or renamed makes the archives anew, so that no object of a file that is gone stays in one.
$(BUILD)/.sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(sort $(wildcard src/*/*.c))' >$@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/obj/%.o: src/%.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(DF_CPPFLAGS) $(DF_CFLAGS) -MMD -MP -c -o $@ $<

define layer_archive
$(call lib,$(1)): $(call objs,$(call srcs,$(1))) $(BUILD)/.sources
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call say,AR)
	$$(Q)$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach l,$(LAYERS),$(eval $(call layer_archive,$(l))))

$(BUILD)/dayfly: $(BUILD)/obj/cli/main.o $(call layer_archives,cli)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) $(DF_LDFLAGS) -o $@ $< $(call link_layer,cli)

$(BUILD)/dayflyd: $(BUILD)/obj/daemon/main.o $(call layer_archives,daemon)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) $(DF_LDFLAGS) -o $@ $< $(call link_layer,daemon)

$(BUILD)/dayfly-warden: $(BUILD)/obj/jail/main.o $(call layer_archives,jail)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) $(DF_LDFLAGS) -o $@ $< $(call link_layer,jail)

# Never instrumented: a sanitizer cannot be linked statically.
$(BUILD)/dayfly-unpack: $(wildcard src/unpack/*.[ch]) src/base/banned.h $(BUILD)/.flags
	$(call say,LINK)
	$(Q)$(CC) -D_GNU_SOURCE -Isrc -include base/banned.h $(CPPFLAGS) -std=gnu17 $(WARN) $(HARDEN) -ffunction-sections $(CFLAGS) \
		-Wl,--gc-sections $(LDHARDEN) $(LDFLAGS) -o $@ $(filter %.c,$^) $(UNPACK_LINK)

# The static library is one object in which only the public names are global: nothing inside can clash with a caller's names.
$(BUILD)/libdayfly.a: $(LIB_OBJS) $(SYMS)
	$(call say,LD)
	$(Q)$(LD) -r -o $(BUILD)/obj/libdayfly.o $(LIB_OBJS)
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/obj/libdayfly.o
	@rm -f $@
	$(Q)$(AR) rcs $@ $(BUILD)/obj/libdayfly.o

$(BUILD)/libdayfly.so.$(SOMAJOR): $(LIB_OBJS) $(SYMS)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=$(SYMS) -Wl,--gc-sections $(LDHARDEN) \
		$(MODE_LDFLAGS) $(LDFLAGS) -o $@ $(LIB_OBJS) $(JANSSON_LIBS)

$(BUILD)/libdayfly.so: $(BUILD)/libdayfly.so.$(SOMAJOR)
	$(Q)ln -sf $(<F) $@

# ---- test programs -----------------------------------------------------------------------------
TEST_CPPFLAGS = $(DF_CPPFLAGS) -Itests -Itests/unit -DDAYFLY_TEST_SOURCE='"$(CURDIR)"'

$(BUILD)/tests/%.o: tests/%.c $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(TEST_CPPFLAGS) $(call pkg,--cflags,cmocka) $(DF_CFLAGS) -Wno-missing-prototypes -MMD -MP -c -o $@ $<

# tests/unit/<layer>/test_x.c, the helpers beside it and in tests/unit/, and the archives of its layer. Linker options that one
# test needs (--wrap) stand in test_x.ldflags.
unit_helpers = $(patsubst %.c,$(BUILD)/%.o,$(filter-out tests/unit/$(1)/test_%,$(wildcard tests/unit/$(1)/*.c)) \
	$(wildcard tests/unit/*.c))
define unit_rule
$(BUILD)/tests/unit/$(1)/test_%: $(BUILD)/tests/unit/$(1)/test_%.o $(call unit_helpers,$(1)) $(call layer_archives,$(1))
	$$(call say,LINK)
	$$(Q)$$(CC) $$(DF_CFLAGS) $$(DF_LDFLAGS) $$$$(cat tests/unit/$(1)/$$(@F).ldflags 2>/dev/null) -o $$@ \
		$$(filter %.o,$$^) $(call link_layer,$(1)) $$(CMOCKA_LIBS)
endef
$(foreach l,$(LAYERS),$(eval $(call unit_rule,$(l))))

# A fuzz target runs over its saved corpus as a test; with clang the same source is a libFuzzer program.
FUZZ_LAYERS  := daemon git history http sched task jail plan proto base
FUZZ_ARCHIVE := $(foreach l,$(FUZZ_LAYERS),$(call lib,$(l)))
$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/main.o $(FUZZ_ARCHIVE)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) $(DF_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(FUZZ_ARCHIVE) -Wl,--end-group \
		-Wl,--as-needed $(LIBS_daemon) $(LIBS_jail)

# The payload of the jail tests: static, so that it runs in any root tree, and never instrumented.
$(BUILD)/tests/probe: $(wildcard tests/jail/probe/*.[ch]) $(BUILD)/.flags
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -O2 -g $(filter -W%,$(WARN)) -Wno-missing-prototypes -static -o $@ $(filter %.c,$^)

# The warden of the fault tests: the same objects, but each setup step can be made to fail, to kill or to stall.
$(BUILD)/tests/fault/dayfly-warden: $(BUILD)/obj/jail/main.o $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/jail/fault/*.c)) \
		$(call layer_archives,jail)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) $(DF_LDFLAGS) -o $@ $(filter %.o,$^) $(call link_layer,jail)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(call layer_archives,client)
	$(call say,LINK)
	$(Q)$(CC) $(DF_CFLAGS) $(DF_LDFLAGS) -o $@ $< $(call link_layer,client)

# Examples are compiled as a stranger would: strict C99, the public headers and the shared library only.
$(BUILD)/examples/%: contrib/examples/%.c $(wildcard include/dayfly/*.h) $(LIBRARIES)
	@mkdir -p $(@D)
	$(call say,LINK)
	$(Q)$(CC) -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -pedantic -Iinclude $(MODE_CFLAGS) $(CPPFLAGS) $(CFLAGS) -o $@ $< \
		-L$(BUILD) -ldayfly -Wl,-rpath,'$$ORIGIN/..' $(MODE_LDFLAGS) $(LDFLAGS)

.PHONY: tests
tests: all $(UNIT_BINS) $(FUZZ_BINS) $(PROBE) $(FAULT_WARDEN) $(BENCH_BINS) $(EXAMPLES) ## build the programs and every test program

# ---- checks ------------------------------------------------------------------------------------
# Each check prints one line "name: N passed, N failed, N skipped" and exits 1 on a failure; check-all.sh runs them all and sums up.
RUN_CHECK = BUILD='$(BUILD)' CC='$(CC)' CPPFLAGS="$(subst ",\",$(DF_CPPFLAGS))" PYTHON='$(PYTHON)' MAKE='$(MAKE)' sh

.PHONY: check check-unit check-fuzz check-headers check-layers check-size check-docs check-needed check-tested check-install \
	check-readme check-jail check-pool check-system check-san check-valgrind check-format
check: tests ## run every test and print one line: N passed, N failed, N skipped
	@$(RUN_CHECK) tests/check-all.sh unit fuzz headers layers size docs needed tested install readme jail pool system
check-unit: $(UNIT_BINS) ## unit tests (needs gcc, make, pkg-config and the libraries only)
	@$(RUN_CHECK) tests/check-unit.sh
check-fuzz: $(FUZZ_BINS) ## fuzz targets over their saved corpus
	@$(RUN_CHECK) tests/check-fuzz.sh
check-headers: ## each header compiles alone
	@$(RUN_CHECK) tests/check-headers.sh
check-layers: ## includes go downwards only
	@$(RUN_CHECK) tests/check-layers.sh
check-size: ## no source file is too long
	@$(RUN_CHECK) tests/check-size.sh
check-docs: all ## links, step names, tables, manual pages and completions are right
	@$(RUN_CHECK) tests/check-all.sh docs
check-readme: all ## every command that README.md shows, and the quick start
	@$(RUN_CHECK) tests/check-all.sh readme
check-needed: all ## the programs link what they should and no more
	@$(RUN_CHECK) tests/check-needed.sh
check-tested: ## every source file has a unit test or is listed in tests/unit/untested.txt
	@$(RUN_CHECK) tests/check-tested.sh
check-install: all ## install and uninstall into an empty folder; build against what was installed
	@$(RUN_CHECK) tests/check-install.sh
check-jail: tests ## one promise each on the real kernel (rootless and, when root, root mode)
	@$(RUN_CHECK) tests/check-all.sh jail
check-pool: tests ## the jail's promises in jails of the warm pool
	@$(RUN_CHECK) tests/check-pool.sh
check-system: tests ## daemon, command line and library together (rootless and, when root, root mode)
	@$(RUN_CHECK) tests/check-all.sh system
check-san: ## unit tests, fuzz corpus, jail and system tests with AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory SAN=address,undefined BUILD='$(if $(filter command% environment%,$(origin BUILD)),$(BUILD)-san,build/san-address-undefined)' \
		check-san-here
.PHONY: check-san-here
# With ids of its own the rootless daemon is another than in `check`, where it has one. Everything has time: it is slower so.
check-san-here: tests
	@RUN_ARGS=--ids DAYFLY_TEST_SCALE="$${DAYFLY_TEST_SCALE:-3}" \
		ASAN_OPTIONS='detect_leaks=1:quarantine_size_mb=8' UBSAN_OPTIONS=print_stacktrace=1 $(RUN_CHECK) tests/check-all.sh unit fuzz jail system
check-valgrind: $(UNIT_BINS) ## unit tests under valgrind
	@UNIT_WRAPPER='valgrind -q --leak-check=full --error-exitcode=99' $(RUN_CHECK) tests/check-unit.sh
KERNEL ?= stable
.PHONY: check-vm
check-vm: ## the tests in a virtual machine with systemd and cgroup v2 (KERNEL=stable, backports or both; VM_ARGS)
	@$(PYTHON) tests/vm/run.py --kernel '$(KERNEL)' $(VM_ARGS)
.PHONY: check-verifiers
check-verifiers: tests ## webhooks against receivers' libraries, uploads against s3rver, from npm (needs node, npm and the network)
	@$(RUN_CHECK) tests/check-verifiers.sh
.PHONY: update-docs
update-docs: $(UNIT_BINS) ## write the tables that are printed from the sources into the documents
	@BUILD='$(BUILD)' $(PYTHON) tests/update-docs.py
check-format: ## the sources are as clang-format would have them (skipped without clang-format)
	@$(RUN_CHECK) tests/check-format.sh

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: ## libFuzzer on every target, FUZZ_SECONDS each (needs clang); findings land in the build folder
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' CLANG='$(CLANG)' FUZZ_LAYERS='$(FUZZ_LAYERS)' \
		LIBS='$(LIBS_daemon) $(LIBS_jail)' $(RUN_CHECK) tests/fuzz.sh

.PHONY: bench
bench: tests ## measure beside the floors and other tools, and print the table (BENCH_ARGS="--quick --json FILE --svg DIR")
	@BUILD='$(BUILD)' $(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

SOAK_SECONDS ?= 600
SOAK_TASKS   ?=
.PHONY: soak
soak: tests ## tasks under load, noisy neighbours, kill -9 at random, for SOAK_SECONDS; SOAK_TASKS=100000: so many short tasks
	@BUILD='$(BUILD)' $(PYTHON) tests/soak.py --seconds '$(SOAK_SECONDS)' $(if $(SOAK_TASKS),--tasks '$(SOAK_TASKS)') $(SOAK_ARGS)

.PHONY: fault-table
fault-table: tests ## try each fault and print: how often, the longest time to clean up, what was left
	@BUILD='$(BUILD)' $(PYTHON) tests/system/fault_table.py

.PHONY: coverage
coverage: ## line coverage of the unit tests, per layer
	@$(MAKE) --no-print-directory COV=1 BUILD='$(if $(filter command% environment%,$(origin BUILD)),$(BUILD)-cov,build/cov)' coverage-here
.PHONY: coverage-here
coverage-here: $(UNIT_BINS) $(FUZZ_BINS)
	@find $(BUILD) -name '*.gcda' -delete
	-@$(RUN_CHECK) tests/check-unit.sh
	-@$(RUN_CHECK) tests/check-fuzz.sh
	@$(RUN_CHECK) tests/coverage.sh

# ---- tools -------------------------------------------------------------------------------------
C_FILES = $(sort $(wildcard src/*/*.[ch] include/dayfly/*.h tests/unit/*.[ch] tests/unit/*/*.[ch] tests/fuzz/*.[ch] \
	tests/jail/*/*.[ch] tests/bench/*.[ch] contrib/examples/*.c))
# Left out: checks of taste, and those of the analyser that need to know what it cannot see: that auto_ variables free themselves and
# that err_set() never returns 0.
TIDY_CHECKS = -*,bugprone-*,clang-analyzer-security.*,clang-analyzer-optin.*,clang-analyzer-unix.*,-clang-analyzer-unix.Malloc,$\
	-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-bugprone-implicit-widening-of-multiplication-result,$\
	-bugprone-not-null-terminated-result,-bugprone-narrowing-conversions,-bugprone-suspicious-string-compare,$\
	-bugprone-macro-parentheses,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
.PHONY: format tidy
format: ## format the sources with clang-format
	clang-format -i $(C_FILES)
tidy: compile_commands.json ## clang-tidy and cppcheck over src/
	clang-tidy -quiet -p . --checks='$(TIDY_CHECKS)' --warnings-as-errors='*' $(filter src/%.c,$(C_FILES))
	cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,portability --std=c11 -Isrc -Iinclude \
		--suppress=missingIncludeSystem --suppress=memleak --suppress=uninitvar --suppress=unknownMacro src

COMPDB_FILES = $(filter %.c,$(C_FILES))
json_escape  = $(subst ",\",$(subst \,\\,$(1)))
shell_escape = $(subst ','\'',$(1))
compile_commands.json: FORCE ## the compile commands for editors and clang tools
	@{ sep='['; for f in $(COMPDB_FILES); do \
		printf '%s\n{"directory":"%s","file":"%s","command":"%s -c %s"}' "$$sep" '$(CURDIR)' "$$f" \
			'$(call shell_escape,$(call json_escape,$(CC) $(TEST_CPPFLAGS) $(DF_CFLAGS)))' "$$f"; sep=,; \
	done; printf '\n]\n'; } >$@

# ---- install -----------------------------------------------------------------------------------
DOCS := $(wildcard README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE docs/*.md docs/*.svg)
ETC  := $(wildcard etc/*)
MAN  := $(wildcard docs/man/*.[158])
$(BUILD)/libdayfly.pc: contrib/libdayfly.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|g; s|@LIBDIR@|$(LIBDIR)|g; s|@INCLUDEDIR@|$(INCLUDEDIR)|g; s|@VERSION@|$(VERSION)|g' $< >$@

$(BUILD)/systemd/%: contrib/systemd/%.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@SBINDIR@|$(SBINDIR)|g; s|@DOCDIR@|$(DOCDIR)|g' $< >$@

$(BUILD)/apparmor-profile: contrib/apparmor/dayfly.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@LIBEXECDIR@|$(LIBEXECDIR)|g; s|@DOCDIR@|$(DOCDIR)|g' $< >$@

# Files to install, one word each: mode:source:target.
INSTALL_FILES = 755:$(BUILD)/dayfly:$(BINDIR)/dayfly 755:$(BUILD)/dayflyd:$(SBINDIR)/dayflyd \
	755:$(BUILD)/dayfly-warden:$(LIBEXECDIR)/dayfly-warden \
	755:$(BUILD)/dayfly-unpack:$(LIBEXECDIR)/dayfly-unpack \
	644:$(BUILD)/libdayfly.a:$(LIBDIR)/libdayfly.a \
	755:$(BUILD)/libdayfly.so.$(SOMAJOR):$(LIBDIR)/libdayfly.so.$(SOMAJOR) \
	644:$(BUILD)/libdayfly.pc:$(LIBDIR)/pkgconfig/libdayfly.pc \
	644:$(BUILD)/systemd/dayflyd.service:$(UNITDIR)/dayflyd.service \
	644:contrib/systemd/dayflyd.socket:$(UNITDIR)/dayflyd.socket \
	644:$(BUILD)/systemd/user/dayflyd.service:$(USERUNITDIR)/dayflyd.service \
	644:contrib/systemd/user/dayflyd.socket:$(USERUNITDIR)/dayflyd.socket \
	644:contrib/systemd/sysusers.conf:$(SYSUSERSDIR)/dayfly.conf \
	644:contrib/systemd/tmpfiles.conf:$(TMPFILESDIR)/dayfly.conf \
	644:$(BUILD)/apparmor-profile:$(DOCDIR)/apparmor/dayfly \
	$(foreach h,$(wildcard include/dayfly/*.h),644:$(h):$(INCLUDEDIR)/dayfly/$(notdir $(h))) \
	$(foreach d,$(DOCS),644:$(d):$(DOCDIR)/$(d)) \
	$(foreach e,$(ETC),644:$(e):$(DOCDIR)/etc/$(notdir $(e))) \
	$(foreach m,$(MAN),644:$(m):$(MANDIR)/man$(subst .,,$(suffix $(m)))/$(notdir $(m))) \
	644:contrib/completions/dayfly.bash:$(PREFIX)/share/bash-completion/completions/dayfly \
	644:contrib/completions/_dayfly:$(PREFIX)/share/zsh/site-functions/_dayfly \
	644:contrib/completions/dayfly.fish:$(PREFIX)/share/fish/vendor_completions.d/dayfly.fish

.PHONY: install uninstall
install: all $(filter-out $(PROGRAMS) $(LIBRARIES),$(filter $(BUILD)/%,$(subst :, ,$(INSTALL_FILES)))) ## install under PREFIX (DESTDIR is put before it)
	@set -e; for entry in $(INSTALL_FILES); do \
		mode=$${entry%%:*}; rest=$${entry#*:}; from=$${rest%%:*}; to='$(DESTDIR)'$${rest#*:}; \
		install -d "$${to%/*}"; install -m "$$mode" "$$from" "$$to"; echo "$$to"; \
	done; ln -sf libdayfly.so.$(SOMAJOR) '$(DESTDIR)$(LIBDIR)/libdayfly.so'; echo '$(DESTDIR)$(LIBDIR)/libdayfly.so'
uninstall: ## remove what install put there
	@set -e; for entry in $(INSTALL_FILES) x:x:$(LIBDIR)/libdayfly.so; do rm -f '$(DESTDIR)'"$${entry##*:}"; done; \
	for dir in $(LIBEXECDIR) $(INCLUDEDIR)/dayfly $(DOCDIR)/etc $(DOCDIR)/apparmor $(DOCDIR)/docs $(DOCDIR) $(LIBDIR)/pkgconfig; do \
		rmdir '$(DESTDIR)'"$$dir" 2>/dev/null || :; done

.PHONY: dist clean help
dist: ## a source archive of HEAD in the build folder
	@mkdir -p $(BUILD)
	git archive --format=tar --prefix=dayfly-$(VERSION)/ HEAD | gzip -9n >$(BUILD)/dayfly-$(VERSION).tar.gz
	@echo $(BUILD)/dayfly-$(VERSION).tar.gz
clean: ## remove every build folder
	rm -rf build compile_commands.json
help: ## list the targets
	@sed -n 's/^\([a-z][a-z_.-]*\):.*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r target text; do \
		printf '  %-22s %s\n' "$$target" "$$text"; done

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
