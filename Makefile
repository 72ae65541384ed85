# make run    one node with its own engines, sample data and a simulated crowd
# make test   the whole test suite
# make check  lint, format, types, layers, tests
# make bench  the two benchmarks, one JSON object each
# make soak   votes for MINUTES (10) while nodes and engines die; fails when one is lost or doubled
#
# Needs Python 3.11 or newer and make. Another interpreter: make PYTHON=python3.13 run

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run test check lint bench soak clean

help:
	@sed -n 's/^# make /make /p' Makefile

# The stamp is newer than pyproject.toml exactly when what is installed is what it asks for.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "mysetlist needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "mysetlist: '$(PYTHON) -m venv' failed (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV) (once; about a minute)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $@

.PHONY: $(VENV)
$(VENV): $(VENV)/.installed

run: $(VENV)/.installed
	$(BIN)/mysetlist serve --data-dir .data --demo --crowd 200

# Each process has engines of its own, and waits for them and for time as much as it works: one more than there are cores.
# `python -m pytest` runs the same tests one after the other.
test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))') --dist loadscope

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# `make test` is the README's test command, run as its reader would run it.
check: lint
	$(MAKE) test

bench: $(VENV)/.installed
	$(BIN)/python bench/votes.py
	$(BIN)/python bench/fanout.py

MINUTES ?= 10
soak: $(VENV)/.installed
	$(BIN)/python bench/soak.py --minutes $(MINUTES)

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
