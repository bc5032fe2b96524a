# make demo    the base package, the demo source and its declared exports, run through Dagster
# make dev     Dagit on the same home
# make env     .venv with every extra and the developer's tools
# make test    everything that CI checks
# make bench   the benchmarks, written to bench/RESULTS.md (takes a while; wants a quiet machine)

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_DISABLE_TELEMETRY := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

.PHONY: demo dev env servers test lint types pytest bench requirements lock schemas clean

demo: $(VENV)/.base
	$(BIN)/ctexport demo

dev: $(VENV)/.base
	$(BIN)/ctexport dev

env: $(VENV)/.full

test: env servers lint types pytest requirements

# The real servers that destinations are tested against; says loudly what it has to leave out.
servers: env
	tools/test_servers.sh $(VENV)

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:
	$(BIN)/pyright

pytest:
	$(BIN)/pytest -n 2 --dist loadgroup

requirements: env
	$(BIN)/python tools/requirements.py

bench: env
	$(BIN)/python -m bench

schemas: env
	$(BIN)/ctexport schema export > schemas/export.schema.json
	$(BIN)/ctexport schema resource > schemas/resource.schema.json
	$(BIN)/ctexport schema settings > schemas/settings.schema.json

lock: | $(VENV)/bin/pip
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --no-emit-index-url --generate-hashes \
		--no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --no-emit-index-url --generate-hashes \
		--no-header -c requirements.lock --extra all --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --no-emit-index-url --generate-hashes \
		--no-header -c requirements-dev.lock --extra all --group image pyproject.toml -o requirements-image.lock

$(VENV)/.base: requirements.lock pyproject.toml | $(VENV)/bin/pip
	@echo "Installing ctexport and what it needs into $(VENV): a minute or so, without a word."
	$(BIN)/pip install -q --require-hashes -r requirements.lock
	$(BIN)/pip install -q --no-deps -e .
	touch $@

$(VENV)/.full: requirements-dev.lock pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q --require-hashes -r requirements-dev.lock
	$(BIN)/pip install -q --no-deps -e .
	touch $@ $(VENV)/.base

# Debian ships Python without ensurepip: where we may, we fetch it; where not, we say what is missing.
$(VENV)/bin/pip:
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && apt-get install -y -qq python3-venv; \
		else echo "python3 has no venv module: run 'apt-get install python3-venv' as root, then again"; exit 1; fi; fi
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .ctexport .pytest_cache .ruff_cache .hypothesis build dist
