# wfscenario.h: `make help` lists the targets and the variables.

STD = c99
CXXSTD = c++17
STANDARDS = c99 c11
OPT = -O1 -g
SANITIZE =
RUNNER =
STB_DS =
CMOCKA =
SQLITE =
CJSON =
CURL =
MICROHTTPD =
SYSTEM_INCLUDE = /usr/include
VALGRIND := $(shell command -v valgrind 2>/dev/null)
BENCH_OPT = -O2
BENCH_N =

# Each variant is built in a directory of its own.
empty =
space = $(empty) $(empty)
comma = ,
variant = build/$(subst $(space),-,$(strip $(notdir $(1)) \
    $(subst $(comma), ,$(SANITIZE))))
OUT := $(call variant,$(CC) $(STD))
CXX_OUT := $(call variant,$(CXX) $(CXXSTD))
BENCH_OUT = build/bench

WARNINGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes
SANITIZE_FLAGS = $(if $(SANITIZE),-fsanitize=$(SANITIZE) \
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
COMMON_FLAGS = $(OPT) -Werror $(SANITIZE_FLAGS) -I. -pthread
C_FLAGS = $(WARNINGS) $(COMMON_FLAGS) $(CPPFLAGS) $(CFLAGS)
CXX_FLAGS = -std=$(CXXSTD) $(filter-out -Wstrict-prototypes,$(WARNINGS)) \
    $(COMMON_FLAGS) $(CPPFLAGS) $(CXXFLAGS)
COMPILE = $(CC) -std=$(STD) $(C_FLAGS) -MMD -MP
CXX_COMPILE = $(CXX) $(CXX_FLAGS) -MMD -MP

TESTS := $(patsubst tests/%.c,%,$(wildcard tests/test_*.c))
CONFORMANCE := $(patsubst tests/conformance/%.c,conformance-%, \
    $(wildcard tests/conformance/*.c))
EXAMPLES := $(patsubst examples/%.c,%,$(wildcard examples/*.c))
PROGRAMS = $(TESTS) $(CONFORMANCE) $(EXAMPLES)
ONCE = mutations determinism
SUITE = examples readme $(ONCE) $(CONFORMANCE) conformance-scenarist-last \
    $(TESTS)
COUNTS = $(SUITE:%=$(OUT)/%.count)

# As many jobs as there are processors, unless told otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
endif

.DELETE_ON_ERROR:
.SECONDARY: $(PROGRAMS:%=$(OUT)/%) $(CXX_OUT)/test_cpp
.PHONY: all bench bench-check bench-conformance bench-instructions demo test \
    test-cpp examples clean help FORCE

all: examples

demo: $(OUT)/all_features
	@$(OUT)/all_features

test:
	+@$(call count,$(COUNTS))

test-cpp:
	+@$(call count,$(CXX_OUT)/test_cpp.count)

examples: $(EXAMPLES:%=build/%)

clean:
	rm -rf build stb_ds.h

help:
	@echo 'make demo          run a scenario and show what happened when'
	@echo 'make test          build and run everything, the last line counts'
	@echo 'make test-cpp      the same header in a C++ program'
	@echo 'make examples      build the examples'
	@echo 'make build/NAME    build one program: $(PROGRAMS)' | fold -s -w 79
	@echo 'make bench         measure, beside SQLite and cJSON; BENCH_N=1000000'
	@echo '                   measures that many instances too'
	@echo 'make bench-check   compare what both sides of the benchmark make'
	@echo 'make bench-instructions'
	@echo '                   count instructions, beside the last ones recorded'
	@echo 'make clean         remove what was built and fetched'
	@echo
	@echo 'CC=gcc STD=c99 OPT="-O1 -g" SANITIZE=address,undefined'
	@echo 'CXX=g++ CXXSTD=c++17'
	@echo 'STANDARDS="c99 c11" for the examples and the code in README.md'
	@echo 'SUITE="NAME ..."   test only these; ONCE= leaves out what is the same'
	@echo '                   in every variant'
	@echo 'RUNNER=COMMAND     put before each test program, such as valgrind'
	@echo 'STB_DS=PATH        stb_ds.h, where Debian has no package for it'
	@echo 'CMOCKA=PREFIX      has include/cmocka.h and lib/, likewise; and so for'
	@echo '                   the benchmark SQLITE=PREFIX CJSON=PREFIX, and for'
	@echo '                   real HTTP CURL=PREFIX MICROHTTPD=PREFIX'
	@echo 'VALGRIND=COMMAND   what counts instructions'
	@echo 'BENCH_OPT=-O2      how the benchmark is compiled'

# --- what is needed from elsewhere

ifneq ($(STB_DS),)
stb_ds.h: $(STB_DS)
	cp $< $@
else ifneq ($(wildcard $(SYSTEM_INCLUDE)/stb/stb_ds.h),)
stb_ds.h: $(SYSTEM_INCLUDE)/stb/stb_ds.h
	cp $< $@
else
stb_ds.h:
	@tests/fetch.sh libstb-dev || { echo 'Give the path of stb_ds.h' \
	    '(github.com/nothings/stb has it): make STB_DS=PATH'; exit 1; } >&2
	cp build/debian/usr/include/stb/stb_ds.h $@
endif

# $(call library,NAME,HEADER,FLAGS,PACKAGES): gives NAME_CFLAGS and NAME_LIBS,
# for the prefix in NAME, for the system, or for Debian's packages, unpacked;
# then NAME_HEADER has to be made first. NAME_PREFIX is empty for the system. An
# rpath of the old kind holds for the libraries that a library needs, too.
define library
$(1)_PREFIX = $(abspath $($(1)))
ifeq ($($(1))$(wildcard $(SYSTEM_INCLUDE)/$(2) \
    $(SYSTEM_INCLUDE)/*-linux-gnu*/$(2)),)
$(1)_PREFIX = $(CURDIR)/build/debian
$(1)_HEADER = build/debian/include/$(2)
build/debian/include/$(2):
	@tests/fetch.sh $(4) || { echo 'Give the place where' \
	    '$(firstword $(4)) is installed: make $(1)=PREFIX'; exit 1; } >&2
endif
$(1)_CFLAGS = $$($(1)_PREFIX:%=-isystem %/include)
$(1)_LIBS = $$(foreach prefix,$$($(1)_PREFIX),-L$$(prefix)/lib \
    -Wl,--disable-new-dtags,-rpath,$$(prefix)/lib) $(3)
endef

$(eval $(call library,CMOCKA,cmocka.h,-lcmocka -lm,libcmocka-dev libcmocka0))
$(eval $(call library,SQLITE,sqlite3.h,-lsqlite3,libsqlite3-dev libsqlite3-0))
$(eval $(call library,CJSON,cjson/cJSON.h,-lcjson,libcjson-dev libcjson1))
$(eval $(call library,CURL,curl/curl.h,-lcurl,libcurl4-openssl-dev libcurl4))
$(eval $(call library,MICROHTTPD,microhttpd.h,-lmicrohttpd,libmicrohttpd-dev \
    libmicrohttpd12))

ifeq ($(VALGRIND),)
VALGRIND_PROGRAM = build/debian/usr/bin/valgrind.bin
VALGRIND_COMMAND = env VALGRIND_LIB=$(CURDIR)/build/debian/usr/libexec/valgrind \
    $(VALGRIND_PROGRAM)
$(VALGRIND_PROGRAM):
	@tests/fetch.sh valgrind || { echo 'Give its command:' \
	    'make bench-instructions VALGRIND=COMMAND'; exit 1; } >&2
else
VALGRIND_COMMAND = $(VALGRIND)
endif

# --- programs

# Other flags make other programs.
$(OUT)/flags: command = $(COMPILE)
$(CXX_OUT)/flags: command = $(CXX_COMPILE)
$(BENCH_OUT)/flags: command = $(COMPILE)
$(OUT)/flags $(CXX_OUT)/flags $(BENCH_OUT)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(command)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Real HTTP.
$(OUT)/dag_http $(OUT)/test_dag_http: $(CURL_HEADER)
$(OUT)/dag_http $(OUT)/test_dag_http: more_cflags = $(CURL_CFLAGS)
$(OUT)/dag_http: more_libs = $(CURL_LIBS)
$(OUT)/test_dag_http: $(MICROHTTPD_HEADER)
$(OUT)/test_dag_http: more_cflags += $(MICROHTTPD_CFLAGS)
$(OUT)/test_dag_http: more_libs = $(CURL_LIBS) $(MICROHTTPD_LIBS)

$(OUT)/%: tests/%.c $(OUT)/flags stb_ds.h $(CMOCKA_HEADER)
	$(COMPILE) $(CMOCKA_CFLAGS) $(more_cflags) -o $@ $< \
	    $(CMOCKA_LIBS) $(more_libs)

$(OUT)/conformance-%: tests/conformance/%.c $(OUT)/flags stb_ds.h
	$(COMPILE) -o $@ $<

$(OUT)/%: examples/%.c $(OUT)/flags stb_ds.h
	$(COMPILE) $(more_cflags) -o $@ $< $(more_libs)

$(CXX_OUT)/%: tests/%.cpp $(CXX_OUT)/flags stb_ds.h
	$(CXX_COMPILE) -o $@ $<

$(PROGRAMS:%=build/%): build/%: $(OUT)/% FORCE
	@cp -f $< $@

-include $(wildcard $(OUT)/*.d $(CXX_OUT)/*.d $(BENCH_OUT)/*.d)

# --- benchmark

BENCH_OBJECTS := $(patsubst bench/%.c,$(BENCH_OUT)/%.o,$(wildcard bench/*.c))

$(BENCH_OUT)/%: OPT = $(BENCH_OPT)

$(BENCH_OUT)/%.o: bench/%.c $(BENCH_OUT)/flags stb_ds.h $(SQLITE_HEADER) \
    $(CJSON_HEADER)
	$(COMPILE) $(SQLITE_CFLAGS) $(CJSON_CFLAGS) -c -o $@ $<

$(BENCH_OUT)/bench: $(BENCH_OBJECTS)
	$(CC) $(OPT) $(SANITIZE_FLAGS) -o $@ $^ $(SQLITE_LIBS) $(CJSON_LIBS) -lm

# With the very flags of what is measured, and run before that.
$(BENCH_OUT)/conformance-%: tests/conformance/%.c $(BENCH_OUT)/flags stb_ds.h
	$(COMPILE) -o $@ $<

bench-conformance: $(CONFORMANCE:%=$(BENCH_OUT)/%)
	@for program in $^; do $$program || exit; done

bench: bench-conformance $(BENCH_OUT)/bench
	@$(BENCH_OUT)/bench --json build/bench.json --svg build/bench.svg \
	    $(if $(BENCH_N),--also $(BENCH_N))
	@echo 'build/bench.json and build/bench.svg have these figures'

bench-check: $(BENCH_OUT)/bench
	@$< --self-test

bench-instructions: bench-conformance $(BENCH_OUT)/bench $(VALGRIND_PROGRAM)
	@VALGRIND="$(VALGRIND_COMMAND)" bench/instructions.sh $(BENCH_OUT)/bench \
	    build/bench-instructions.json bench/instructions.json

# --- tests

# Make files of counts and sum them up; what could not be built has failed.
count = rm -f $(1); $(MAKE) --no-print-directory -k $(1); \
    for count in $(1); do \
        cat $$count 2>/dev/null || echo "0 1 0 $$count could not be made"; \
    done | awk '{ p += $$1; f += $$2; s += $$3 } \
        NF > 3 { sub(/^0 1 0 /, ""); print } \
        END { print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"; \
              exit f > 0 || p == 0 }'

%.count: % FORCE
	@tests/run.sh $* $(RUNNER) $*

# The same cases under the later rule for mocks without criteria.
$(OUT)/conformance-scenarist-last.count: $(OUT)/conformance-scenarist FORCE
	@tests/run.sh $(@:.count=) $(RUNNER) $< --fallback last

$(OUT)/mutations.count: $(CONFORMANCE:%=$(OUT)/%) FORCE
	@tests/run.sh $(@:.count=) tests/conformance/test_mutations.sh $(OUT)

# Builds with every compiler that is there, whatever CC is.
$(OUT)/determinism.count: tests/determinism.sh stb_ds.h $(OUT)/flags FORCE
	@tests/run.sh $(@:.count=) $< $(@:.count=)

$(OUT)/examples.count: $(CURL_HEADER)

$(OUT)/examples.count $(OUT)/readme.count: $(OUT)/%.count: tests/%.sh \
    stb_ds.h $(OUT)/flags FORCE
	@STANDARDS="$(STANDARDS)" LIBRARIES="$(CURL_PREFIX)" \
	    tests/run.sh $(OUT)/$* $< $(OUT)/$* $(CC) $(C_FLAGS) -O0
