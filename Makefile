# Every target works on a fresh machine: it first makes .venv and installs what it needs.

PYTHON ?= python3
BIN := .venv/bin
# Written last. Without it an install was never finished, so the next one starts from nothing;
# with it, a newer lock is installed into what is there.
STAMP := .venv/.installed

.PHONY: setup quickstart test browser check fix docs bench

setup: $(STAMP)

$(STAMP): requirements/cpu.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "$(PYTHON) is too old: synth needs Python 3.11; give another with PYTHON=python3.11")'
	$(PYTHON) -m venv $(if $(wildcard $(STAMP)),,--clear) .venv
	$(BIN)/python -m pip install torch==2.13.0
	$(BIN)/python -m pip install --no-deps -r requirements/cpu.txt
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	touch $(STAMP)

quickstart: setup
	$(BIN)/synth run recipes/quickstart.yaml

# Two at a time: tests that run recipes wait for Ray more than they compute. A file stays together,
# for the runs that its tests share.
test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Chromium is a package of the system: where it is missing, `make test` skips what needs it.
browser: setup
	command -v chromium || command -v chromium-browser || command -v chrome || \
	  (apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core)
	$(BIN)/python -m pytest tests/browser

check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup
	$(BIN)/python -m synth.gallery docs/recipes.md

bench: setup
	$(BIN)/python benchmarks/generation.py
