# Everything a developer runs. Each target sets up what it needs; installs run again only when pyproject.toml changes.
#   make demo            the demo site on http://127.0.0.1:8000 (PORT=8001 for another port)
#   make test            every check: format, lint, types, floors, and the tests on the default, the oldest and the newest Python
#   make docs            the documentation, into site/
#   make tests           the tests alone; TESTS=tests/http PYTEST_ARGS="-k cookies -x" to choose

PYTHON ?= $(shell .ci/pythons default)
VENV ?= .venv
PORT ?= 8000
TESTS ?= tests
PYTEST_ARGS ?=
BENCH_ARGS ?=

BIN := $(VENV)/bin
# Tests of one group (the built package, a live server) stay in one process.
PYTEST = -m pytest -q -n auto --dist loadgroup $(PYTEST_ARGS) $(TESTS)
CODE := src tests $(wildcard examples benchmarks)
STEPS := format-check lint types imports tests
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help venv demo test $(STEPS) docs format bench bench-data changes clean
.DELETE_ON_ERROR:
.PRECIOUS: .venv-%/.dev

help:
	@sed -n 's/^#   //p' Makefile

venv: $(VENV)/.dev

demo: $(VENV)/.standard
	@echo "The demo is on http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@cd examples/demo && SECRET_KEY="$${SECRET_KEY:-$$($(abspath $(BIN))/erlen secret)}" exec $(abspath $(BIN))/erlen run --host 127.0.0.1 --port $(PORT)

# Every step runs, so that one run reports everything; the tests come last.
test: venv
	@default=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	pythons=$$(.ci/pythons | cut -d ' ' -f 1); \
	ends=$$(printf '%s\n' "$$pythons" | sed -n '1p;$$p' | sort -u | grep -vx "$$default"); \
	echo "Python: $$default by default; found" $$pythons; \
	failed=; \
	for step in $(STEPS) $$(printf '%s\n' "$$ends" | sed -n 's/^3/tests-3/p'); do \
		echo "== $$step"; \
		$(MAKE) $$step || failed="$$failed $$step"; \
	done; \
	if [ -n "$$failed" ]; then echo "Failed:$$failed" >&2; exit 1; fi

format-check: $(VENV)/.dev
	@$(BIN)/ruff format --quiet --check --output-format concise $(CODE) || { echo "'make format' does this." >&2; exit 1; }

format: $(VENV)/.dev
	@$(BIN)/ruff format $(CODE)

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet --output-format concise $(CODE)

types: $(VENV)/.dev
	@$(BIN)/mypy src tests $(wildcard examples)
	@$(BIN)/basedpyright --warnings

imports: $(VENV)/.dev
	@$(BIN)/lint-imports --no-logo --no-cache

tests: $(VENV)/.dev
	@$(BIN)/python $(PYTEST)

# The tests on another Python, such as `make tests-3.13`.
tests-%: .venv-%/.dev
	@.venv-$*/bin/python $(PYTEST)

# The documentation, into site/: every page and reference, offline.
docs: $(VENV)/.docs
	@$(BIN)/zensical build --clean

bench:
	@python3 benchmarks/run.py $(BENCH_ARGS)

bench-data:
	@python3 benchmarks/data.py $(BENCH_ARGS)

# What the next release notes will say.
changes: $(VENV)/.dev
	@$(BIN)/towncrier build --draft

clean:
	rm -rf .venv .venv-* benchmarks/.venv site build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "Installing Erlen with its development tools into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable '.[standard,dev]'
	@touch $@

$(VENV)/.standard: pyproject.toml | $(BIN)/python
	@echo "Installing Erlen into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable '.[standard]'
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	@echo "Installing what builds the documentation into $(VENV)"
	@$(BIN)/python -m pip install -qq --editable '.[docs]'
	@touch $@

$(BIN)/python:
	$(call make-venv,$(PYTHON),$(VENV))

.venv-%/.dev: pyproject.toml
	$(call make-venv,$(shell .ci/pythons | sed -n 's/^$* //p'),.venv-$*)
	@echo "Installing Erlen with its development tools into .venv-$*"
	@.venv-$*/bin/python -m pip install -qq --editable '.[standard,dev]'
	@touch $@

# $(call make-venv,<python>,<folder>)
define make-venv
	@[ -n "$(1)" ] || { echo "No Python from 3.11 to 3.14 with the venv module was found: install one, or say PYTHON=/path/to/python." >&2; exit 1; }
	@[ -x $(2)/bin/python ] || { echo "Making $(2) with $(1)"; $(1) -m venv $(2) || { rm -rf $(2); exit 1; }; }
endef
