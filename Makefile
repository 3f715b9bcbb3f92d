# What people type. `make demo` and `make test` set everything up; a second run installs nothing.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
READY := $(VENV)/.installed
UV_VERSION := 0.13.9

LOWEST ?= /tmp/lookalike-lowest
MILVUS ?= /tmp/lookalike-milvus
QUICK := tests/catalog tests/training tests/index tests/search tests/ui/test_api.py tests/ui/test_login.py tests/ui/test_middleware.py tests/ui/test_serve.py tests/ui/test_uploads.py

.PHONY: help install demo test test-long test-lowest test-milvus check bench lock

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## a virtual environment in .venv, with the exact versions of requirements.lock

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lookalike needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": name another by make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)  ## the main job on a drawn catalog; ARGS=--no-serve ends without the page
	$(BIN)/lookalike demo $(ARGS)

test: $(READY)  ## all tests; ARGS=... goes to pytest
	$(BIN)/python -m pytest $(ARGS)

test-long: $(READY)  ## the promises of docs/reliability.md at full length (hours), with their figures; ARGS=... goes to pytest
	$(BIN)/python -m pytest -n0 --long tests/reliability $(ARGS)

test-lowest: $(READY)  ## the quick tests with the lowest versions that pyproject.toml allows, installed in LOWEST=/tmp/...
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --requirements pyproject.toml --extra dev
	$(LOWEST)/bin/python -m pytest $(QUICK) $(ARGS)

test-milvus: $(READY)  ## the suite of the engines, and kill -9, with the real server of the wheel milvus==2.3.5, in MILVUS=/tmp/...
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(MILVUS)
	$(BIN)/uv pip install --quiet --python $(MILVUS)/bin/python milvus==2.3.5
	LOOKALIKE_MILVUS_PYTHON=$(MILVUS)/bin/python $(BIN)/python -m pytest -n0 tests/index/test_engines.py tests/index/test_versions_in_milvus.py $(ARGS)
	LOOKALIKE_MILVUS_PYTHON=$(MILVUS)/bin/python $(BIN)/python -m pytest -n0 tests/reliability/test_milvus_killed.py $(ARGS)

check: $(READY)  ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml

bench: $(READY)  ## the main job on real photos, and the page, into benchmarks/results (LOOKALIKE_PHOTOS names the photos)
	$(BIN)/python -m benchmarks.main_job $(ARGS)
	$(BIN)/python -m benchmarks.page

lock: $(READY)  ## requirements.lock anew, from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-header pyproject.toml -o requirements.lock
