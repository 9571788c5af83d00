# The words of this project. `make demo` and `make test` need nothing but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
RUNS ?= .demo

.DEFAULT_GOAL := help
.PHONY: help demo test check coupled bench nightly docs fmt

help:
	@echo "make demo      watch a crystal and its dislocations diffuse together"
	@echo "make test      all tests"
	@echo "make check     formatting, lint, types, the house"
	@echo "make coupled   only the tests that launch MUSCLE3"
	@echo "make bench     measurements, printed as ratios"
	@echo "make nightly   long repetitions and full matrices"
	@echo "make docs      build the documentation"
	@echo "make fmt       format the code"

.venv/.core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "manyscale needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

.venv/.test: .venv/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

.venv/.solid: .venv/.test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,solid]'
	@touch $@

.venv/.docs: .venv/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

demo: .venv/.core
	@mkdir -p $(RUNS)
	cd $(RUNS) && ../$(BIN)/manyscale run ../coupling_specs/pipe_diffusion --time-limit 600

test: .venv/.test
	$(BIN)/python -m pytest -m 'not nightly'

check: .venv/.test
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m pytest -q tests/test_house.py

coupled: .venv/.test
	$(BIN)/python -m pytest -m 'coupled and not nightly'

bench: .venv/.test
	$(BIN)/python benchmarks/messages.py --short
	$(BIN)/python benchmarks/pipe_diffusion.py
	$(BIN)/python benchmarks/check.py
	$(BIN)/python benchmarks/launch.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/bridges.py
	$(BIN)/python benchmarks/farm.py
	$(BIN)/python benchmarks/relaxation.py
	$(BIN)/python benchmarks/regrid.py
	$(BIN)/python benchmarks/uq.py
	$(BIN)/python benchmarks/downscaling_kernels.py
	$(BIN)/python benchmarks/downscaling.py
	$(BIN)/python benchmarks/plasma.py
	$(BIN)/python benchmarks/plasma_dispersion.py
	$(BIN)/python benchmarks/mpi_waiting.py
	$(BIN)/python benchmarks/mpi_scaling.py
	$(BIN)/python benchmarks/phonon_bte.py

nightly: .venv/.solid
	$(BIN)/python -m pytest

docs: .venv/.docs
	$(BIN)/python -m sphinx -W -b html docs docs/_build

fmt: .venv/.test
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .
