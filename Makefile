# rise-bench. `make demo` and `make test` set up all that they need in .venv on a machine with Python 3.11 or newer.

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# uv does not read pip's variable for extra wheel folders
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

.PHONY: help setup setup-dev demo test test-core test-vllm test-agents ground-check lint format bench bench-stats clean node sandbox

help:
	@echo "make demo   evaluate the 'lexical' agent live on the 'desk' suite, print the report, write its page"
	@echo "make test   lint, types, tests (PYTEST_ARGS='-m \"not servers\"' leaves out what starts real servers)"
	@echo "make test-core  the reference of every task of the suite core, live; some minutes"
	@echo "make test-vllm  the tests that need a real vLLM, in an environment of its own (3 GB, no GPU needed)"
	@echo "make test-agents  the example agent of another framework, in an environment of its own"
	@echo "make ground-check  every server of the catalogue, installed, started and called"
	@echo "make lint   ruff and mypy only"
	@echo "make bench  speed and memory, measured beside their aims"
	@echo "make bench-stats  the simulations, tables and plots of docs/statistics.md; a quarter of an hour on two cores"
	@echo "make setup  the virtual environment only; setup-dev: with all that tests and benchmarks need (torch among it)"

setup: $(VENV)/.ready

setup-dev: $(VENV)/.ready-dev

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
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e . -c constraints.txt
	@touch $@

# Compiled at once: the tests start hundreds of processes, and some machines forbid Python to keep what it compiles.
$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[dev]' -c constraints.txt
	@touch $@

# three of the demo's servers are npm packages
node:
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	  echo "make: node or npm is missing; some of the demo's MCP servers need them" >&2; \
	  echo "  remedy: apt-get install nodejs npm (Node.js 20.19 or newer)" >&2; exit 2; }

# one of them, git, runs what a repository's settings say
sandbox:
	@command -v bwrap >/dev/null || { \
	  echo "make: bubblewrap is missing; servers that can run code are started nowhere else" >&2; \
	  echo "  remedy: apt-get install bubblewrap" >&2; exit 2; }

demo: setup node sandbox
	$(BIN)/rise-bench eval --model lexical --tasks desk
	$(BIN)/rise-bench view latest

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# files of tests beside each other, as many as there are cores
test: lint
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

# The reference of every task of the suite core, live on its 28 servers; some minutes.
test-core: setup-dev node sandbox
	RISE_BENCH_FULL=1 $(BIN)/pytest tests/test_core.py $(PYTEST_ARGS)

VLLM := .venv-vllm
VLLM_ENV := $(wildcard tests/vllm_env/* tests/vllm_env/shim/*)

$(VLLM)/.ready: $(VLLM_ENV) | setup
	UV=$(BIN)/uv tests/vllm_env/make.sh $(VLLM)
	@touch $@

test-vllm: setup-dev $(VLLM)/.ready
	VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind \
	  RISE_BENCH_VLLM=$(CURDIR)/$(VLLM)/bin/vllm RISE_BENCH_VLLM_PYTHON=$(CURDIR)/$(VLLM)/bin/python \
	  $(BIN)/pytest -m vllm $(PYTEST_ARGS)

AGENT := .venv-agent

$(AGENT)/.ready: examples/agents/requirements-openai-agents.txt | setup
	$(BIN)/uv venv --quiet --clear $(AGENT)
	$(BIN)/uv pip install --quiet --python $(AGENT)/bin/python -r $<
	@touch $@

test-agents: setup-dev $(AGENT)/.ready
	RISE_BENCH_AGENT_PYTHON=$(CURDIR)/$(AGENT)/bin/python $(BIN)/pytest tests/test_agents_framework.py $(PYTEST_ARGS)

# Every server of the catalogue, installed, started and called; minutes, and 18 GB of environments.
ground-check: setup-dev node
	$(BIN)/rise-bench ground check

bench: setup-dev
	$(BIN)/python -m benchmarks

# Levels, coverage and power of every statistical method, by simulation. STATS_ARGS="--sims 150" for a first look.
STATS := docs/statistics
STATS_ARGS ?=

bench-stats: setup-dev
	$(BIN)/python -m benchmarks.stats_simulations --json $(STATS)/simulations.json $(STATS_ARGS)
	$(BIN)/python -m benchmarks.stats_detectable --json $(STATS)/detectable.json
	$(BIN)/python -m benchmarks.bench_stats --json $(STATS)/speed.json
	$(BIN)/python -m benchmarks.stats_tables $(STATS).md
	$(BIN)/python -m benchmarks.stats_plots $(STATS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist
