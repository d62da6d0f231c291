# make demo   install into .venv and render a talking portrait without a GPU
# make test   install into .venv and run the tests (minutes on 2 cores)
# make trust  kill, fill and feed it for up to half an hour: docs/TRUST.md
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARALLEL := --numprocesses auto --dist loadfile   # a process for each core; a file's tests share what they start

.PHONY: demo test test-all trust golden clean

$(BIN)/aio: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("aio needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 demo") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev: $(BIN)/aio
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,ui]'
	touch $@

demo: $(BIN)/aio
	$(BIN)/python -m aio mode=lipsync preset=fast \
	  image=samples/astronaut.png audio=samples/speech.wav prompt="The astronaut talks to the viewer, smiling"

test: $(VENV)/dev
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-all: $(VENV)/dev
	$(BIN)/python -m pytest

trust: $(VENV)/dev
	$(BIN)/python -m tests.trust

golden: $(VENV)/dev
	$(BIN)/python tests/test_golden.py
	git diff --stat -- tests/golden

clean:
	rm -rf $(VENV) build dist *.egg-info
