# net.mk - pgforest_net, the library that talks to libcurl.  The Makefile at the top runs this from there.

MODULE_big = pgforest_net
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/net/curl_*.c)))
SHLIB_LINK = -lcurl -lz -lzstd -lm

override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): .buildflags $(wildcard src/*.h src/net/*.h)
