# Two commands: `make demo` shows the whole way without a camera, `make test` checks everything.
# Each sets up its own environment in .venv, and again only when the requirements change.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: demo test format clean

demo: $(VENV)/live.stamp
	$(RUN) demo.py

test: $(VENV)/dev.stamp
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m pytest

format: $(VENV)/dev.stamp
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/live.stamp: requirements-live.txt constraints.txt
	@echo "setting up $(VENV) with requirements-live.txt (a minute, once)"
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements-live.txt
	touch $@

$(VENV)/dev.stamp: requirements-dev.txt requirements.txt requirements-studio.txt requirements-events.txt requirements-live.txt constraints.txt
	@echo "setting up $(VENV) with requirements-dev.txt (torch is large: some minutes, once)"
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements-dev.txt
	touch $@ $(VENV)/live.stamp
