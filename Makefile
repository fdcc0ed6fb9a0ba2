# `make` shows what can be done.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# the first Python here that fer-bench supports
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
SERIES := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV ?= .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1
# tests never reach for a model hub, and one thread per process keeps them repeatable
TEST_ENV := HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg
FAST := not slow and not gpu and not data

.PHONY: help install repro test test-slow test-all test-data check lint types layers format golden docs lock clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# an environment of another Python is made anew
$(VENV)/.installed-$(SERIES): requirements.lock pyproject.toml
	@test -n "$(SERIES)" || { echo "error: no Python 3.11 to 3.13 found"; echo "  fix: install one, or make PYTHON=path/to/python"; exit 2; }
	$(PYTHON) -m venv $(if $(filter-out $@,$(wildcard $(VENV)/.installed-*)),--clear) $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@# mmengine's yapf writes a cache at its first import, which a second process that starts with it would read half
	@$(BIN)/python -c "import mmengine"
	@touch $@

install: $(VENV)/.installed-$(SERIES)  ## make the environment in .venv from requirements.lock

repro: install  ## run the pipeline of params.yaml to the finished report
	@fer-bench doctor >/dev/null
	dvc repro
	@echo "report: results/$$(sed -n 's/^grid: *\([a-z0-9_]*\).*/\1/p' params.yaml)/report.html"

test: install  ## the fast tests (two to three minutes)
	$(TEST_ENV) $(BIN)/python -m pytest -q -n 2 -m "$(FAST)"

test-slow: install  ## the slow tests: simulations, the pipeline as a whole
	$(TEST_ENV) $(BIN)/python -m pytest -q -n 2 --dist loadscope -m "slow and not gpu and not data"

test-all: test test-slow  ## all tests that need neither a GPU nor a licensed data set

test-data: install  ## tests on real FERPlus; FER_BENCH_DATA names the folder that holds ferplus/
	$(TEST_ENV) $(BIN)/python -m pytest -q -m data

check: lint types layers  ## lint, types and import rules

lint: install  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## mypy --strict
	$(BIN)/mypy

layers: install  ## imports point down, the harness knows no method, numbers need no torch
	$(BIN)/lint-imports --no-logo

format: install  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

golden: install  ## renew tests/golden; then read `git diff tests/golden`
	$(BIN)/python tests/golden/renew.py

docs: install  ## renew what documents take from the code: results/README.md, docs/report.schema.json
	$(BIN)/python docs/renew.py

lock:  ## renew requirements.lock (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra dev pyproject.toml --output-file requirements.lock

clean:  ## remove the demo's results and everything computed; environments and committed grids stay
	rm -rf results/demo data/synthetic .fer-bench
