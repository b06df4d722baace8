# Everything happens inside this folder: .venv holds the environment, _build the book. No command needs root.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TEXT ?= a red castle
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup book pdf test mutants lab demo zoo clean

help: ## list these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv and install everything into it

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, $(PYTHON) is {sys.version.split()[0]}: make PYTHON=...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (some minutes the first time) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $(READY)

book: $(READY) ## run the quickstart, build the book, print where it is
	@$(BIN)/python book/build.py

pdf: $(READY) ## print the built book as one PDF, with Chromium
	@$(BIN)/python book/pdf.py

test: $(READY) ## linter and all tests, on two cores (WORKERS=...)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -n $(WORKERS)

mutants: $(READY) ## break each formula on purpose and see whether the checks notice (minutes)
	@$(BIN)/python tests/mutants.py
	@$(BIN)/python book/ledger.py

lab: $(READY) ## open the book's notebooks in JupyterLab, reachable from this machine only
	@$(BIN)/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" notebooks

demo: $(READY) ## dream an object: make demo TEXT="a blue mug"
	@$(BIN)/dreamtext dream "$(TEXT)"

zoo: $(READY) ## train the tiny models again, from nothing (hours); goes on where it was stopped
	@$(BIN)/python -m dreamtext_lib.zoo.make

clean: ## remove the built book and caches, keep .venv
	@rm -rf _build .pytest_cache .ruff_cache
