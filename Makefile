# Everything is set up by the targets themselves; a second run finds it done.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
TESTED := $(VENV)/ready-for-tests
PEERS  := tests/bench/.venv-peer
LOCK   := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*##.*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(READY) ## the service with a PostgreSQL of its own, on http://127.0.0.1:8000
	@exec $(BIN)/python -m service dev

# One process more than cores, as tests wait at times; compiled modules are kept, as tests start the service often.
test: $(TESTED) ## the whole test suite against a real PostgreSQL, or what TESTS names of it
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --dist=worksteal $(TESTS) \
		--numprocesses=$(shell $(PYTHON) -c "import os; print(min(4, os.cpu_count() + 1))")

test-pgbouncer: $(TESTED) ## the same with a PgBouncer in transaction mode between the service and its database
	TEST_PGBOUNCER=1 $(BIN)/pytest

retries: $(TESTED) ## the tests of retries and sync, five times as long: 5,000 lost answers, 10,000 interleaved writes
	TEST_SCALE=5 $(BIN)/pytest tests/faults

faults: $(TESTED) ## the database killed, stopped, cut off, filled, under load: a table of what was seen, some 5 minutes
	$(BIN)/python -m tests.faults

bench: $(READY) $(PEERS)/ready ## this service against what would be taken instead, and against the ceilings: some 12 minutes
	$(BIN)/python -m tests.bench.compare $(or $(BENCH),--out tests/bench/results/compare)
	@$(BIN)/python -m tests.bench.readme

bench-growth: $(READY) ## what a request costs with 100 thousand, 1 million and 10 million tasks: some 7 minutes
	@.ci/tools wrk
	$(BIN)/python -m tests.bench.growth $(or $(GROWTH),--out tests/bench/results/growth)
	@$(BIN)/python -m tests.bench.readme

bench-observing: $(READY) ## what id, logs, metrics and layers cost, as ratios: some 3 minutes
	@.ci/tools wrk
	$(BIN)/python -m tests.bench.observing

bench-hostile: $(TESTED) ## what attackers cost the others, and what the clock tells of wrong tokens
	$(BIN)/python -m tests.bench.hostile

bench-footprint: $(READY) $(PEERS)/ready ## time to the first answer, memory of a worker, what is installed: some 2 minutes
	$(BIN)/python -m tests.bench.footprint --out tests/bench/results/footprint
	@$(BIN)/python -m tests.bench.readme

bench-sequence: $(READY) ## what the change sequence costs, as ratios
	$(BIN)/python -m tests.bench.sequence

bench-streams: $(READY) ## 1,000 streams of 200 owners on one worker: memory, CPU, statements, delays: some 2 minutes
	$(BIN)/python -m tests.bench.streams

drain: $(TESTED) ## 20 replicas ended and replaced under load behind HAProxy: no request may fail
	DRAIN_ROUNDS=20 $(BIN)/pytest -s tests/server/test_drain.py

deploy: $(TESTED) ## a new version rolled out and back under load, 5 times, with its migration: no request may fail
	DEPLOY_ROUNDS=5 $(BIN)/pytest -s tests/deploy/test_rolling.py

streams: $(TESTED) ## 20 replicas replaced under load while a browser and others follow streams: no change missed, no request failed
	STREAM_ROUNDS=10 $(BIN)/pytest -s tests/deploy/test_streams.py

image: $(TESTED) ## the image built twice, looked into, and run: as root
	@[ "$$(id -u)" -eq 0 ] || { echo "Building and running images without an engine takes root: sudo make image"; exit 1; }
	@.ci/tools buildah debootstrap unshare
	$(BIN)/pytest -s tests/image

sbom: $(TESTED) ## sbom.cdx.json: what the image adds to its base, as CycloneDX
	$(PYTHON) -m venv --clear --without-pip $(VENV)/image
	$(BIN)/python -m pip --python $(VENV)/image/bin/python install --quiet --disable-pip-version-check --require-hashes --no-deps \
		-r locks/runtime.lock -r locks/assets.lock
	sed "s/^dynamic = .*/version = \"$$($(BIN)/hatchling version)\"/" pyproject.toml > $(VENV)/image/pyproject.toml
	$(BIN)/cyclonedx-py environment --pyproject $(VENV)/image/pyproject.toml --output-reproducible \
		--output-file sbom.cdx.json $(VENV)/image/bin/python

check: $(READY) ## every statement proven against a migrated database
	$(BIN)/python -m service check

settings: $(READY) ## the tables of settings and of issuers' tokens, from what the code does
	$(BIN)/python -m tests.settings_table
	$(BIN)/python -m tests.auth.issuers

index: $(READY) ## what is made from the statements: sql/INDEX.md, and their types for mypy
	$(BIN)/python -m service.dev.statement_types
	$(BIN)/python -m service check --format markdown > sql/INDEX.md.new
	mv sql/INDEX.md.new sql/INDEX.md

adversary: $(TESTED) ## the check against 10,000 statements that chance puts together: ADVERSARY_CANDIDATES, ADVERSARY_SEED
	ADVERSARY_CANDIDATES=$(or $(ADVERSARY_CANDIDATES),10000) ADVERSARY_SEED=$(or $(ADVERSARY_SEED),$(shell date +%s)) \
		$(BIN)/pytest -s tests/check/test_adversary.py

attacks: $(TESTED) ## the attack tables, with the rows that take longest and cost most memory
	ATTACKS_SHOWN=5 $(BIN)/pytest -q tests/attacks

soak: $(TESTED) ## hostile noise beside normal traffic on 2 workers, for SOAK_MINUTES (20): nothing may grow, nobody fail
	$(BIN)/python -m tests.attacks.soak $(SOAK_MINUTES)

fuzz: $(TESTED) ## the contract under the fuzzer for longer: FUZZ_CASES an operation and phase
	FUZZ_CASES=$(or $(FUZZ_CASES),1000) $(BIN)/pytest -s tests/contract/test_fuzz.py

contract: $(TESTED) ## renew the contract's snapshot, unless a change breaks clients
	RENEW_CONTRACT=1 $(BIN)/pytest -q tests/contract/test_compatibility.py
	@git --no-pager diff --stat tests/contract/openapi.json

lint: $(TESTED) ## style, types, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/squawk migrations/*.sql

lock: $(READY) ## the newest versions of all dependencies, with their hashes
	$(LOCK) --upgrade pyproject.toml -o locks/runtime.lock
	$(LOCK) --upgrade pyproject.toml --extra otel -c locks/runtime.lock -o locks/otel.lock
	$(LOCK) --upgrade pyproject.toml --group dev -c locks/runtime.lock -o locks/dev.lock
	$(LOCK) --upgrade pyproject.toml --extra otel --group dev --group contract \
		-c locks/dev.lock -c locks/otel.lock -o locks/contract.lock
	$(LOCK) --upgrade --group build -c locks/contract.lock -o locks/build.lock
	$(LOCK) --upgrade --no-deps --group assets -o locks/assets.lock
	$(LOCK) --upgrade tests/bench/peer/requirements.in -o tests/bench/peer/requirements-peer.lock

clean: ## remove the environment and the caches; .local/ with its data stays
	rm -rf $(VENV) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): locks/dev.lock locks/assets.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { echo "The venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "Installing the dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r locks/assets.lock
	@touch $@

$(PEERS)/ready: tests/bench/peer/requirements-peer.lock
	@.ci/tools wrk
	@$(PYTHON) -m venv --clear $(PEERS)
	@echo "Installing the peers of the bench into $(PEERS) ..."
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Chromium, proxies, Node, Java and the like come from the system; .ci/tools installs what is missing.
$(TESTED): $(READY) locks/contract.lock .ci/tools
	@.ci/tools
	@echo "Installing what the tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/contract.lock
	@touch $@
