# pgforest - `make help` lists what can be made.
#
# The extension is built with PostgreSQL's own rules (PGXS).  What tests, shows
# or checks it is in scripts that first see to their own needs, so `make demo`
# and `make test` work on a machine that has neither PostgreSQL nor a compiler.

EXTENSION = pgforest
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" pgforest.control)

MODULE_big = pgforest
OBJS = $(patsubst %.c,%.o,$(sort $(filter-out src/net/curl_%,$(wildcard src/*.c src/*/*.c src/*/*/*.c))))
DATA_built = pgforest--$(EXTVERSION).sql

# DATA is PGXS's name for files to install, and on the command line of `make
# demo` the user's file: keep that one apart.
demo_file := $(if $(filter command,$(origin DATA)),$(DATA))
override DATA = $(sort $(wildcard src/sql/upgrades/*.sql))

# No fused multiply-add and no reordered sums: the same rows must give the same
# model bytes whatever the compiler could gain.  Nothing here is specific to the
# processor of the build machine.  (From 16 on PGXS hides our symbols from other
# libraries; before, the last option still lets them be inlined.)
PG_CPPFLAGS = -Isrc
PG_CFLAGS = -std=gnu11 -ffp-contract=off -fno-fast-math -fno-semantic-interposition \
	-Wall -Wextra -Wno-unused-parameter -Wno-sign-compare
SHLIB_LINK = -lzstd -lm

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
REGRESS_OPTS = --load-extension=$(EXTENSION)
# Notices of long trainings would depend on the machine.
installcheck: export PGOPTIONS += -c pgforest.progress_interval=0
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=$(EXTENSION)
EXTRA_CLEAN = .buildflags dist

# No bitcode: it only serves to inline C functions into JIT-compiled queries,
# which gains nothing here and would make clang a build dependency.
override with_llvm = no

PG_CONFIG ?= pg_config
export PG_CONFIG
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# The plain targets come first, so that a bare `make` builds.
all:

ifneq ($(wildcard $(PGXS)),)

include $(PGXS)

# Objects made for another server version or with other flags are made anew:
# this file changes only when they do.
.buildflags: export BUILT_WITH = $(VERSION) $(CC) $(CPPFLAGS) $(CFLAGS)
.buildflags: force
	@printenv BUILT_WITH | cmp -s - $@ || printenv BUILT_WITH > $@

$(OBJS): .buildflags $(wildcard src/*.h src/*/*.h src/*/*/*.h)

# What talks to libcurl is a library of its own (src/net/net.mk), loaded on first use.
has_curl := $(shell printf '\043include <curl/curl.h>\n\043include <zlib.h>\n' | \
	$(CC) $(CPPFLAGS) -fsyntax-only -x c - 2>/dev/null && echo yes)
ifeq ($(has_curl),yes)
make_net = $(MAKE) --no-print-directory -f src/net/net.mk \
	PG_CPPFLAGS='$(PG_CPPFLAGS)' PG_CFLAGS='$(PG_CFLAGS)'
all: all-net
install: install-net
uninstall: uninstall-net
clean: clean-net
all-net: .buildflags
	+@$(make_net) all
install-net: all-net
install-net uninstall-net clean-net:
	+@$(make_net) $(@:-net=)
else
all: no-net
no-net:
	@echo 'The headers of libcurl or zlib are missing (on Debian: libcurl4-openssl-dev, zlib1g-dev):'
	@echo 'pgforest is built without its network library, and can neither read URLs nor send alerts.'
endif

pgforest--$(EXTVERSION).sql: $(sort $(wildcard src/sql/[0-9]*.sql))
	cat $^ > $@

.DELETE_ON_ERROR:

else

all install installcheck clean:
	@echo 'no PostgreSQL to build with: $(PG_CONFIG) --pgxs names no file' >&2
	@echo 'Install the server development package (postgresql-server-dev-NN), or name another' >&2
	@echo 'installation: make PG_CONFIG=/path/to/pg_config' >&2
	@exit 1

endif

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

#: Show and test (each installs what it needs, then builds; nothing is left behind):
#:   make demo            the main job as a story, on simulated pulsar candidates
#:   make demo DATA=FILE  the same on the real HTRU_2.csv
#:   make test            every suite; SUITES="regress pgtap" for some of them
demo:
	@demo/demo.sh $(if $(demo_file),'$(demo_file)')

test:
	@test/run.sh $(SUITES)

#:
#: Build:
#:   make                 the library and the SQL script
#:   make install         put them into the server's directories
#:   make clean           remove what was built
#:   make dist            pack the last commit for PGXN
#:
#: One suite:
#:   make unit            the engine, without a server
#:   make asan            the same under the address and undefined behaviour sanitizers
#:   make valgrind        the same under valgrind
#:   make fuzz            hostile bytes for FUZZ_SECONDS (60) a target
#:   make regress         pg_regress in a throw-away cluster
#:   make isolationcheck  sessions that meet
#:   make pgtap           pgTAP tests
#:   make tapcheck        TAP tests, which start and stop servers
#:   make tutorials       the scripts of docs/tutorials on ../shared/data
#:   make installcheck    pg_regress and isolation tests on your running server
unit asan valgrind fuzz regress pgtap tutorials:
	@test/run.sh $@

isolationcheck tapcheck:
	@test/run.sh $(@:check=)

#:
#: Look closer:
#:   make bench           how fast it is, beside its peers; BENCH=quality for how good,
#:                        BENCH=algorithms for boosting and extra trees, BENCH=tune for searches,
#:                        BENCH=memory for the peak of a training's memory,
#:                        BENCH=anomalies for isolation forests, BENCH=gates for promotions,
#:                        BENCH=drift for false alarms and finds
#:   make lint            warnings as errors, layering, comments, exported symbols
#:   make docs            print the parts of docs/ that the code itself defines
#:
#: Settings: PG_CONFIG=/path/to/pg_config chooses among several servers;
#: RESULTS=DIR keeps what the suites wrote.
bench:
	@test/bench/run.sh $(or $(BENCH),speed)

lint:
	@test/lint.sh

docs:
	@docs/generate.sh

dist:
	mkdir -p dist
	git archive --format=zip --prefix=pgforest-$(EXTVERSION)/ --output=dist/pgforest-$(EXTVERSION).zip HEAD

export RESULTS FUZZ_SECONDS

.PHONY: all-net install-net uninstall-net clean-net no-net
.PHONY: all install installcheck clean help demo test unit asan valgrind fuzz regress pgtap \
	isolationcheck tapcheck bench lint docs dist force
