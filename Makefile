# Two commands: `make demo` shows the whole way without a camera, `make test` checks everything.
# `make check` is the fast part of it. Each sets up its own environment in .venv, and again only when the
# requirements change.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
# Of `make check`, whose tests wait for much of their time; no test needs the machine for itself.
WORKERS ?= 2
PIP := $(RUN) -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
STATIC = $(RUN) -m ruff format --check . && $(RUN) -m ruff check . && $(RUN) -m mypy

.PHONY: demo test check page-checks coverage test-data format commands docs dist clean

demo: $(VENV)/live.stamp
	$(RUN) demo.py

test: $(VENV)/dev.stamp
	$(STATIC)
	$(RUN) -m pytest

check: $(VENV)/dev.stamp
	$(STATIC)
	$(RUN) -m pytest -m "not slow" --numprocesses $(WORKERS) --dist loadfile

page-checks: $(VENV)/dev.stamp
	$(RUN) -m tools.page_checks

coverage: $(VENV)/dev.stamp
	$(RUN) -m coverage erase
	$(RUN) -m coverage run -m pytest $(TESTS)
	$(RUN) -m coverage combine --quiet
	$(RUN) -m coverage report

test-data: $(VENV)/dev.stamp
	$(RUN) -m tools.test_data

format: $(VENV)/dev.stamp
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

commands: $(VENV)/live.stamp
	$(RUN) -m tools.commands_page

docs: $(VENV)/docs.stamp
	$(RUN) -m mkdocs build --strict

dist: $(VENV)/dev.stamp
	$(RUN) -m build

clean:
	rm -rf $(VENV) tools/page_code/node_modules .coverage* .mypy_cache .ruff_cache .pytest_cache build dist site

$(VENV)/live.stamp: requirements-live.txt constraints.txt
	@echo "setting up $(VENV) with requirements-live.txt (a minute, once)"
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements-live.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements-test.txt requirements-docs.txt requirements.txt requirements-studio.txt requirements-events.txt requirements-live.txt constraints.txt
	@echo "setting up $(VENV) with requirements-dev.txt (torch is large: some minutes, once)"
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements-dev.txt
	touch $@ $(VENV)/live.stamp

$(VENV)/docs.stamp: requirements-docs.txt requirements-live.txt constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements-live.txt --requirement requirements-docs.txt
	touch $@
