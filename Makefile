# make demo   train, compile and prove a model on an emulated board
# make test   everything; make check is the quick selection
# make test-torch   PyTorch's tests, in an environment of their own
# make budgets   what models cost, measured anew: the diff of tests/budgets.json is for review
# make lint   ruff, mypy and clang-format
# make dist   the wheel and the sdist of a release, checked
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	&& echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest -n 2
TORCH := .venv-torch

.PHONY: setup setup-torch demo test test-torch check budgets lint docs pictures dist clean
.DELETE_ON_ERROR:

setup: $(STAMP)

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { \
	  echo "tinyc needs Python 3.11 or newer: make setup PYTHON=/path/to/python3" >&2; exit 7; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; exit 7; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: setup
	@$(BIN)/python examples/digits/demo.py

test: setup
	$(PYTEST)

# PyTorch's packages do not go with TensorFlow's.
setup-torch: $(TORCH)/.installed

$(TORCH)/.installed: pyproject.toml
	$(PYTHON) -m venv $(TORCH)
	$(TORCH)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test-torch]'
	@touch $@

test-torch: setup-torch
	OMP_NUM_THREADS=1 $(TORCH)/bin/python -m pytest -n 2 tests/frontends/test_torch*.py

check: setup
	$(PYTEST) -m 'not slow'

# The models of MLPerf Tiny lie in the folder that TINYC_DATA names.
DATA := $(or $(TINYC_DATA),../shared/data)
BUDGETED := $(patsubst %,$(DATA)/mlperf-tiny/%.tflite,kws ic vww ad sww) \
	$(patsubst %,recipes/%.tflite,digits-int8 digits-bnn cifar10-int8)

budgets: setup
	$(BIN)/tinyc bench $(BUDGETED) --float-glue --keep-going --no-times --json \
	  -b stm32f4_discovery,nucleo_g0b1re,mps2_an385,nucleo_h753zi > tests/budgets.json.new
	mv tests/budgets.json.new tests/budgets.json

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find firmware tinyc -name '*.[ch]' -exec $(BIN)/clang-format --dry-run -Werror {} +

# The pages of the reference are made from the code, the site from all of docs/.
docs: setup
	$(BIN)/python -m tinyc.cli.pages docs
	@$(BIN)/python -c 'import mkdocs, material' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# Of reports, for the site. They show models of MLPerf Tiny, in Chromium.
pictures: setup
	@$(BIN)/python -c 'import PIL, playwright' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[browser]'
	TINYC_DATA='$(DATA)' $(BIN)/python docs/pictures.py

# The wheel is made from the sdist, which so has all that it needs.
dist: setup
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

clean:
	rm -rf build dist $(VENV) $(TORCH) .pytest_cache .ruff_cache
