# The two commands:
#   make run      install what is missing, build, serve HTTP on 127.0.0.1:8080 until Ctrl-C
#                 (make run ARGS="--seconds 5 --capabilities 2" passes arguments on)
#   make check    install what is missing, build and test everything
# Beside them:
#   make redis    install what is missing, run hiredis on Capri against a redis server of its own
#   make cares    likewise c-ares against a name server of its own (docs/examples/README.md; with
#                 ARGS="--capabilities 4" only so, else in both ways)
#   make chat     a chat server on 127.0.0.1:7008 until Ctrl-C (ARGS="--check 30": tries itself)
#   make jobs     runs the jobs of docs/examples/jobs/sample.jobs (ARGS="--at-once 4 FILE": others)
#   make lua      an HTTP server in Lua on 127.0.0.1:8080 until Ctrl-C (ARGS="0": on any port)
#   make vm       the toy VM's echo server on 127.0.0.1:7007 until Ctrl-C
#                 (ARGS="docs/examples/vm/sleepsort.vm 30 10 20": another program)
#   make bench    install the peers, build and measure everything (docs: testsuite/bench/Rows.md;
#                 ROWS="2 3 8" some rows, PLOT=1 draws docs/performance.svg, CORES="1 2 4" growth)
#   make stress   60 s of stress, half under ThreadSanitizer and half under AddressSanitizer
#   make soak     the same for 10 minutes (SECONDS=n for another length)
#   make mutate   every memory order weakened by a step: a model must fail (make check: one in four)
#   make faults   every system call fails with every errno (make check: a quarter)
#   make fuzz     each fuzzing program for an hour (SECONDS=n for another length)
#   make format   let clang-format decide the spacing
#   make clean    remove build/

SHELL := /bin/bash
HOST_PORT = 8080
VM_PORT = 7007
ARGS =
SECONDS = 600
ROWS =
CORES =
PLOT =

.PHONY: help run redis cares chat jobs lua vm check bench stress soak mutate faults fuzz format clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

run:
	@testsuite/support/install.sh run
	@mkdir -p build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build --preset release --target httpd
	@exec build/release/docs/examples/httpd --port $(HOST_PORT) --stats $(ARGS)

client_ways = "--standalone" "--capabilities 2"

redis cares:
	@testsuite/support/install.sh clients
	@mkdir -p build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build --preset release --target $@
	@for way in $(if $(ARGS),"$(ARGS)",$(client_ways)); do echo "$@ $$way"; \
	    $(if $(filter redis,$@),docs/examples/redis/serve.sh) build/release/docs/examples/$@ $$way \
	    || exit 1; done

chat jobs:
	@testsuite/support/install.sh run
	@mkdir -p build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build --preset release --target $@
	@exec build/release/docs/examples/$@ \
	    $(or $(ARGS),$(if $(filter jobs,$@),docs/examples/jobs/sample.jobs))

lua:
	@testsuite/support/install.sh lua
	@mkdir -p build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build --preset release --target capri-lua
	@exec build/release/docs/examples/capri-lua docs/examples/lua/http.lua $(or $(ARGS),$(HOST_PORT))

vm:
	@testsuite/support/install.sh run
	@mkdir -p build
	@cmake --preset release >build/release.log 2>&1 || { cat build/release.log; exit 1; }
	@cmake --build --preset release --target vm
	@exec build/release/docs/examples/vm $(or $(ARGS),docs/examples/vm/echo.vm $(VM_PORT))

check:
	@testsuite/support/install.sh check
	@testsuite/support/check.sh $(STAGES)

bench:
	@testsuite/support/install.sh bench >&2
	@python3 testsuite/bench/bench.py --rows "$(ROWS)" --cores "$(CORES)" $(if $(PLOT),--plot)

stress:
	@testsuite/support/install.sh check
	@testsuite/support/stress.sh 60

soak:
	@testsuite/support/install.sh check
	@testsuite/support/stress.sh $(SECONDS)

mutate:
	@testsuite/support/install.sh check
	@cmake --preset dev >/dev/null && cmake --build --preset dev --target mutate

faults:
	@testsuite/support/install.sh check
	@cmake --preset dev >/dev/null && cmake --build --preset dev --target faults

fuzz:
	@testsuite/support/install.sh check
	@testsuite/support/fuzz.sh $(if $(filter command line,$(origin SECONDS)),$(SECONDS),3600)

format:
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format -i

clean:
	rm -rf build
