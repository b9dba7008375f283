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

# A small one too, which a test makes again. All of it is made aside, and only then takes the place of the old one.
NEW := results/reference.new
calibration: $(READY)
	rm -rf $(NEW)
	$(BIN)/lupus-hsct calibrate chicago2006 --simulation 4000000 --coverage 400 --out $(NEW)/chicago2006
	$(BIN)/lupus-hsct validate --posterior $(NEW)/chicago2006/posterior.csv --out $(NEW)/validation
	$(BIN)/lupus-hsct calibrate chicago2006 --effective-size 20 --points 256 --no-alternatives --out $(NEW)/small
	rm -rf $(NEW)/*/timings.json $(NEW)/*/repeats.parquet $(NEW)/*/figures/*.png
	rm -rf $(NEW)/small/figures $(NEW)/small/calibration.html
	rm -rf results/reference/chicago2006 results/reference/validation results/reference/small
	mv $(NEW)/* results/reference && rmdir $(NEW)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
