# Two commands on a fresh machine: `make demo` and `make test`. Both keep to constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INPUTS := pyproject.toml constraints.txt
# A process for each core. What a file shares among its tests is made once.
TESTS := -q -n auto --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check docs format clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.core ## fine-tune on the shipped demo data, print before and after, name the report
	$(BIN)/acclimate demo

test: .venv/.dev ## the test suite without its long members
	$(BIN)/python -m pytest $(TESTS) -m "not long"

test-all: .venv/.dev ## the whole test suite
	$(BIN)/python -m pytest $(TESTS)

check: .venv/.dev ## formatting, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

docs: .venv/.dev ## the pages of docs/ as a site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q --strict

format: .venv/.dev ## mend formatting and what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove the environment, the site and the caches
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/bin/python:
	$(PYTHON) -m venv .venv

# A stamp is newer than what it was installed from, so that a second call installs nothing.
.venv/.core: $(INPUTS) | .venv/bin/python
	$(PIP) install -q -c constraints.txt -e .
	@touch $@

.venv/.dev: $(INPUTS) | .venv/bin/python
	$(PIP) install -q -c constraints.txt -e ".[test,dev]"
	@touch $@ .venv/.core
