# SPDX-License-Identifier: MIT
# kvns - POSIX make; GNU make and bmake read it alike.
#
# `make` builds ./kvns from the one file kvns.c and needs a C compiler and
# nothing else.  kvns.c is committed; only `make amalgamation` writes it.
# Everything else here is for those who change the program: see `make help`.
.POSIX:
.SUFFIXES:

CC = cc
CFLAGS = -O2
LDFLAGS =
PREFIX = /usr/local
DESTDIR =
PYTHON = python3
# Arguments for `make run`, `make test` (to pytest) and the benchmarks.
ARGS =

# For the podman-* targets.
PODMAN = podman
IMAGE = kvns:local
GHCR_IMAGE = ghcr.io/owner/kvns
GHCR_USER =
GHCR_TOKEN =
TAG = latest
PLATFORMS = linux/amd64,linux/arm64
PUSH_LATEST = true

all: kvns ## build ./kvns (the default)

kvns: kvns.c kvns.h
	$(CC) $(CFLAGS) -pthread kvns.c -o $@ $(LDFLAGS) -lm

build: all ## the same as all

help: ## print this list
	@awk -F '## ' '/^[a-z][a-z-]*:.*## /{ sub(/:.*/, "", $$1); \
	    printf "  %-24s %s\n", $$1, $$2 }' Makefile

run: kvns ## build and start the server (ARGS="--port 7000")
	./kvns $(ARGS)

release: kvns.c kvns.h ## build/release/kvns: optimised, stripped
	mkdir -p build/release
	$(CC) $(CFLAGS) -DNDEBUG -pthread kvns.c -o build/release/kvns \
	    $(LDFLAGS) -lm
	strip build/release/kvns

install: kvns ## copy to DESTDIR and PREFIX (/usr/local)
	mkdir -p $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include
	cp kvns $(DESTDIR)$(PREFIX)/bin/kvns
	cp kvns.h $(DESTDIR)$(PREFIX)/include/kvns.h
	for n in 1 7; do \
	    if [ -f docs/kvns.$$n ]; then \
	        mkdir -p $(DESTDIR)$(PREFIX)/share/man/man$$n && \
	        cp docs/kvns.$$n $(DESTDIR)$(PREFIX)/share/man/man$$n/ || exit 1; \
	    fi; done

uninstall: ## remove what install copied
	rm -f $(DESTDIR)$(PREFIX)/bin/kvns $(DESTDIR)$(PREFIX)/include/kvns.h \
	    $(DESTDIR)$(PREFIX)/share/man/man1/kvns.1 \
	    $(DESTDIR)$(PREFIX)/share/man/man7/kvns.7

amalgamation: ## write kvns.c from src/, and the page as C before that
	sh src/page.sh > page.c.tmp
	mv page.c.tmp src/program/page.c
	sh src/amalgamate.sh > kvns.c.tmp
	mv kvns.c.tmp kvns.c

docs: kvns ## write the generated tables of the documents anew
	sh tests/docs.sh ./kvns

test: ## checks, unit tests, the suite in each configuration
	CC='$(CC)' PYTHON='$(PYTHON)' sh tests/run.sh test $(ARGS)

gates: ## what takes longer: more seeds, builds, commands
	CC='$(CC)' PYTHON='$(PYTHON)' sh tests/run.sh gates $(ARGS)

kill-rounds: ## kill -9 under load, as often as ROUNDS says (1000)
	CC='$(CC)' sh tests/build.sh kvns-bench
	KVNS_BIN=build/kvns-bench $$(PYTHON='$(PYTHON)' sh tests/venv.sh) \
	    -m pytest -q -s tests/integration/test_kill.py --timeout 36000 \
	    --kills $${ROUNDS:-1000} $(ARGS)

explore: ## unit tests, COMMANDS against redis-server, new seeds
	CC='$(CC)' sh tests/build.sh kvns-bench
	KVNS_TEST_SEED=$$(date +%s) \
	    $$(PYTHON='$(PYTHON)' sh tests/venv.sh) -m pytest -q tests/test_unit.py
	for config in classic shards7x2; do \
	    KVNS_BIN=build/kvns-bench $$(PYTHON='$(PYTHON)' sh tests/venv.sh) \
	        -m pytest -q tests/integration/test_against_redis.py \
	        --config $$config --diff-first 0 --timeout 36000 \
	        --diff-commands $${COMMANDS:-200000} $(ARGS) || exit 1; \
	done

unit: ## only the unit tests, without Python
	CC='$(CC)' sh tests/build.sh unit
	build/unit $(ARGS)

checks: ## the rules of docs/style.md that a machine can check
	CC='$(CC)' sh tests/checks/all.sh

lint: ## warnings of gcc and clang as errors, and the style
	CC='$(CC)' sh tests/checks/lint.sh

# No clang-format: it takes the tables and byte pictures apart.  fmt mends
# white space only; the rest of the style is for the checks to point at.
fmt: ## mend white space in the sources
	sh tests/checks/fmt.sh

fmt-check: ## say where fmt would change something
	sh tests/checks/fmt.sh --check

kvns-asan: ## build/kvns-asan: AddressSanitizer and UBSan
	CC='$(CC)' sh tests/build.sh kvns-asan

kvns-tsan: ## build/kvns-tsan: ThreadSanitizer
	CC='$(CC)' sh tests/build.sh kvns-tsan

kvns-plain: ## build/kvns-plain: strict POSIX.1-2008 alone
	CC='$(CC)' sh tests/build.sh kvns-plain

bench: ## CPU per operation against redis-server, a short run
	$(PYTHON) tests/bench/bench.py --quick $(ARGS)

bench-all: ## the same at length, and with more kinds of work
	$(PYTHON) tests/bench/bench.py $(ARGS)

benchmark: ## operations per second, mean times, in two profiles
	$(PYTHON) tests/bench/profiles.py --servers kvns $(ARGS)

benchmark-sharded: ## the same with shards and two loops
	$(PYTHON) tests/bench/profiles.py --servers sharded2 $(ARGS)

benchmark-compare: ## classic against sharded, with a column of ratios
	$(PYTHON) tests/bench/profiles.py --servers kvns,sharded2 $(ARGS)

benchmark-latency: ## waits at fixed rates
	$(PYTHON) tests/bench/latency.py $(ARGS)

benchmark-memory: ## resident bytes per key
	$(PYTHON) tests/bench/memory.py $(ARGS)

benchmark-stalls: ## the longest wait of a client while others do much
	$(PYTHON) tests/bench/stalls.py $(ARGS)

benchmark-growth: ## the cost of GET and SET as things grow
	$(PYTHON) tests/bench/growth.py $(ARGS)

benchmark-persist: ## what a snapshot costs: stalls, memory, time, a load
	$(PYTHON) tests/bench/persist.py $(ARGS)

benchmark-instructions: ## callgrind's instructions per command
	$(PYTHON) tests/bench/instructions.py $(ARGS)

benchmark-threads: ## what several threads get out of one server
	$(PYTHON) tests/bench/threads.py $(ARGS)

benchmark-start: ## from the start to the first reply; memory when idle
	$(PYTHON) tests/bench/start.py $(ARGS)

performance: ## the tables of docs/performance.md, from BENCH_DIR
	$(PYTHON) tests/bench/report.py $(ARGS)

# The format is docker's, as OCI's has no place for the HEALTHCHECK.
podman-build: ## build the container image IMAGE
	BUILDAH_FORMAT=docker $(PODMAN) build -t $(IMAGE) -f Containerfile .

podman-run: ## run IMAGE on ports 6480 and 9090
	$(PODMAN) run --rm -it -p 6480:6480 -p 9090:9090 $(IMAGE) $(ARGS)

podman-compose-up: ## start what docker-compose.yaml describes
	$(PODMAN) compose -f docker-compose.yaml up -d

podman-compose-logs: ## follow its log
	$(PODMAN) compose -f docker-compose.yaml logs -f

podman-compose-down: ## stop it
	$(PODMAN) compose -f docker-compose.yaml down

podman-login-ghcr: ## log in with GHCR_USER and GHCR_TOKEN
	@test -n '$(GHCR_USER)' && test -n '$(GHCR_TOKEN)' || { \
	    echo 'set GHCR_USER and GHCR_TOKEN' >&2; exit 2; }
	@printf '%s' '$(GHCR_TOKEN)' | \
	    $(PODMAN) login ghcr.io -u '$(GHCR_USER)' --password-stdin

podman-push-ghcr: ## push GHCR_IMAGE:TAG for PLATFORMS (PUSH_LATEST=false)
	-$(PODMAN) manifest rm $(GHCR_IMAGE):$(TAG)
	BUILDAH_FORMAT=docker $(PODMAN) build --platform $(PLATFORMS) \
	    --manifest $(GHCR_IMAGE):$(TAG) -f Containerfile .
	$(PODMAN) manifest push --all $(GHCR_IMAGE):$(TAG) \
	    docker://$(GHCR_IMAGE):$(TAG)
	if [ '$(PUSH_LATEST)' = true ] && [ '$(TAG)' != latest ]; then \
	    $(PODMAN) manifest push --all $(GHCR_IMAGE):$(TAG) \
	        docker://$(GHCR_IMAGE):latest; fi

clean: ## remove what was built, the venv of the tests included
	rm -rf build kvns kvns.c.tmp

.PHONY: all build help run release install uninstall amalgamation docs test \
    gates explore kill-rounds unit checks lint fmt fmt-check kvns-asan \
    kvns-tsan kvns-plain bench bench-all benchmark benchmark-persist \
    benchmark-sharded benchmark-compare benchmark-memory \
    benchmark-latency benchmark-growth benchmark-threads benchmark-start \
    benchmark-stalls benchmark-instructions performance podman-build \
    podman-run podman-compose-up podman-compose-logs podman-compose-down \
    podman-login-ghcr podman-push-ghcr clean
