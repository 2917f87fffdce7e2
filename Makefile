# meetref: `make meet` starts the server, `make test` runs every test. Both make what they need.
#
#   PYTHON=python3.12   another interpreter, with an environment of its own (.venv-3.12)
#   PORT=8080           where `make meet` listens
#   PEERS=required      fail, rather than skip, where a program or package of others is absent; none: skip all of those
#   ARGS=...            more words for pytest
#   STEM=ice            only this subject, for `make soak`

PYTHON ?= python3
PORT ?= 8080
PEERS ?= optional
ARGS ?=
STEM ?=

ifeq ($(PYTHON),python3)
VENV := .venv
else
VENV := .venv-$(or $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null),absent)
endif
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup meet test lint format docs soak generate generated clean

help:
	@echo "make meet      start the server with three robots in the room demo (PORT=$(PORT))"
	@echo "make test      run every test (PEERS=optional|required|none, ARGS=...)"
	@echo "make lint      ruff and mypy"
	@echo "make docs      build the documentation into docs/_build/html"
	@echo "make soak      thousands of seeds instead of a few (STEM=ice)"
	@echo "make generate  write the vectors and spec/coverage.lock anew; make generated: are they up to date?"
	@echo "make setup     only make the environment $(VENV)"

setup: $(VENV)/.runtime

meet: $(VENV)/.runtime
	@exec $(BIN)/meetref serve --port $(PORT)

test: $(VENV)/.test
	@$(BIN)/pytest --peers=$(PEERS) $(ARGS)

lint: $(VENV)/.lint $(VENV)/.test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.lint
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

docs: $(VENV)/.docs
	@$(BIN)/sphinx-build -W --keep-going -n -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

soak: $(VENV)/.test
	@$(BIN)/pytest --soak -k "$(STEM)" --durations=10 -rA $(ARGS)

generate: $(VENV)/.test
	@$(BIN)/meetref vectors generate
	@$(BIN)/meetref spec lock

generated: $(VENV)/.test
	@$(BIN)/meetref spec report --check
	@$(BIN)/meetref vectors generate --check
	@$(BIN)/meetref vectors fmt --check

clean:
	rm -rf .venv .venv-* .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis docs/_build

$(VENV)/.runtime: pyproject.toml .ci/install
	@.ci/install $(PYTHON) $(VENV) runtime
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.docs: $(VENV)/.%: $(VENV)/.runtime
	@.ci/install $(PYTHON) $(VENV) $*
	@touch $@
