# make run    sets up and simulates the Chicago trial
# make test   sets up and runs every check
# make bench  adds the libraries to compare with, measures for ten minutes, and writes benchmarks/README.md
# make calibration  makes results/reference again: the posterior that ships, its figures, card and validation
# make reference  makes the numbers of other software again; needs R with its package survival
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test lint bench clean requirements reference calibration

run: $(READY)
	$(BIN)/lupus-hsct run chicago2006 --engine simpy

test: lint
	$(BIN)/python -m pytest -q -n 2

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e '.[bench]'
	$(BIN)/python benchmarks/race.py

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "lupus-hsct needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 " + "$(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

# Needs uv on the PATH; writes no index lines.
requirements:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev --upgrade pyproject.toml -o requirements.txt

reference: $(READY)
	$(BIN)/python tests/reference/survival/make_data.py
	cd tests/reference/survival && Rscript make.R

# A small one too, which a test makes again.
calibration: $(READY)
	$(BIN)/lupus-hsct calibrate chicago2006 --simulation 4000000 --coverage 400 --out results/reference/chicago2006 --force
	$(BIN)/lupus-hsct validate --posterior results/reference/chicago2006/posterior.csv --out results/reference/validation --force
	$(BIN)/lupus-hsct calibrate chicago2006 --effective-size 20 --points 256 --no-alternatives --out results/reference/small --force
	rm -rf results/reference/*/timings.json results/reference/*/figures/*.png results/reference/small/figures
	rm -f results/reference/small/calibration.html results/reference/*/repeats.parquet

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
