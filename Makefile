# rise-bench. `make demo` and `make test` set up all that they need in .venv on a machine with Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# uv does not read pip's variable for extra wheel folders
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: help setup demo test lint format bench clean node

help:
	@echo "make demo   evaluate the 'lexical' agent live on the 'desk' suite, print the report, write its page"
	@echo "make test   lint, types, tests (PYTEST_ARGS='-m \"not servers\"' leaves out what starts real servers)"
	@echo "make lint   ruff and mypy only"
	@echo "make bench  speed and memory, measured beside their aims"
	@echo "make setup  the virtual environment only"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@set -e; \
	for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	  if [ -n "$$python" ] && "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: no Python 3.11 or newer with venv was found" >&2; \
	  echo "  remedy: apt-get install python3 python3-venv, or make PYTHON=/path/to/python3.11 ..." >&2; exit 2; \
	fi; \
	if [ ! -x $(BIN)/python ]; then "$$found" -m venv $(VENV); fi; \
	if [ ! -x $(BIN)/uv ]; then $(BIN)/python -m pip install --quiet --disable-pip-version-check uv -c constraints.txt; fi
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[dev]' -c constraints.txt
	@touch $@

# three of the demo's servers are npm packages
node:
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	  echo "make: node or npm is missing; some of the demo's MCP servers need them" >&2; \
	  echo "  remedy: apt-get install nodejs npm (Node.js 18 or newer)" >&2; exit 2; }

demo: setup node
	$(BIN)/rise-bench eval --model lexical --tasks desk
	$(BIN)/rise-bench view latest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: lint
	$(BIN)/pytest $(PYTEST_ARGS)

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist
