# dayfly: one plain Makefile. `make help` lists the targets.

VERSION := 0.1.0

# ---- what the user may set (only ever appended to) ---------------------------------------------
CC       ?= cc
PREFIX   ?= /usr/local
DESTDIR  ?=
CFLAGS   ?= -O2 -g
CPPFLAGS ?=
LDFLAGS  ?=
PKG_CONFIG ?= pkg-config
PYTHON   ?= python3
WERROR   ?= 0
DEBUG    ?= 0
COV      ?= 0
SAN      ?=

comma := ,
VARIANT := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),$(if $(filter 1,$(COV)),cov,$(if $(filter 1,$(DEBUG)),debug,release)))
BUILD   ?= build/$(VARIANT)

BINDIR     := $(PREFIX)/bin
SBINDIR    := $(PREFIX)/sbin
LIBDIR     ?= $(PREFIX)/lib
LIBEXECDIR := $(PREFIX)/libexec/dayfly
INCLUDEDIR := $(PREFIX)/include

# ---- flags -------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
	-Wwrite-strings -Wformat=2 -Wundef -Wno-unused-parameter -Wno-missing-field-initializers
HARDEN := -fstack-protector-strong -fPIE
LDHARDEN := -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack
ifeq ($(SAN),)
ifneq ($(DEBUG),1)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
endif
DF_CPPFLAGS = -D_GNU_SOURCE -Isrc -Iinclude -include base/banned.h -DDAYFLY_VERSION='"$(VERSION)"' \
	-DDAYFLY_LIBEXECDIR='"$(LIBEXECDIR)"' -DDAYFLY_SBINDIR='"$(SBINDIR)"' $(CPPFLAGS)
DF_CFLAGS  = -std=gnu17 $(WARN) $(HARDEN) -fvisibility=hidden $(CFLAGS)
DF_LDFLAGS = $(LDHARDEN) $(LDFLAGS)
ifeq ($(WERROR),1)
DF_CFLAGS += -Werror
endif
ifeq ($(DEBUG),1)
DF_CFLAGS += -O0 -DDAYFLY_DEBUG
endif
ifeq ($(COV),1)
DF_CFLAGS += --coverage
DF_LDFLAGS += --coverage
endif
ifneq ($(SAN),)
DF_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
DF_LDFLAGS += -fsanitize=$(SAN)
endif

pkg = $(shell $(PKG_CONFIG) $(1) $(2))
UV_CFLAGS      = $(call pkg,--cflags,libuv)
UV_LIBS        = $(call pkg,--libs,libuv)
JANSSON_CFLAGS = $(call pkg,--cflags,jansson)
JANSSON_LIBS   = $(call pkg,--libs,jansson)
SECCOMP_CFLAGS = $(call pkg,--cflags,libseccomp)
SECCOMP_LIBS   = $(call pkg,--libs,libseccomp)
CMOCKA_CFLAGS  = $(call pkg,--cflags,cmocka)
CMOCKA_LIBS    = $(call pkg,--libs,cmocka)
DF_CPPFLAGS += $(UV_CFLAGS) $(JANSSON_CFLAGS) $(SECCOMP_CFLAGS)

# ---- sources: a folder is a layer --------------------------------------------------------------
srcs = $(filter-out %/main.c,$(wildcard src/$(1)/*.c))
objs = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))
LAYERS := base proto plan jail task sched daemon client cli
$(foreach l,$(LAYERS),$(eval $(l)_OBJS := $(call objs,$(call srcs,$(l)))))
# plan/build.c turns a request into a plan; it is the daemon's half and pulls in proto/.
PLAN_DAEMON_OBJS := $(call objs,src/plan/build.c)
PLAN_WARDEN_OBJS := $(filter-out $(PLAN_DAEMON_OBJS),$(plan_OBJS))

DAYFLYD_OBJS := $(BUILD)/obj/daemon/main.o $(daemon_OBJS) $(sched_OBJS) $(task_OBJS) $(plan_OBJS) $(proto_OBJS) $(base_OBJS)
WARDEN_OBJS  := $(BUILD)/obj/jail/main.o $(jail_OBJS) $(PLAN_WARDEN_OBJS) $(base_OBJS)
CLI_OBJS     := $(BUILD)/obj/cli/main.o $(cli_OBJS) $(client_OBJS) $(proto_OBJS) $(base_OBJS)
LIB_OBJS     := $(client_OBJS) $(proto_OBJS) $(base_OBJS)

PROGRAMS := $(BUILD)/dayfly $(BUILD)/dayflyd $(BUILD)/dayfly-warden

.PHONY: all
all: $(PROGRAMS) ## build the programs
