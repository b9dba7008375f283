# make run    sets up and simulates the Chicago trial
# make test   sets up and runs every check
# make fuzz   hands random scenarios, options and run folders to the command line until Ctrl-C
# make bench  adds the libraries to compare with, measures for ten minutes, and writes benchmarks/README.md
# make calibration  makes results/reference again: the posterior that ships, its figures, card and validation
# make studies  makes results/reference/studies again: the shipped studies, with the pictures that the documents show
# make reference  makes the numbers of other software again; needs R with its package survival
# make lowest  tests the lowest versions that pyproject.toml allows, and the package as a wheel; needs Python 3.11
# make requirements  pins the newest versions anew; needs uv
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS_READY := $(VENV)/.tests-ready
LOWEST := .venv-lowest
INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: run test browser lint fuzz bench clean requirements lowest reference calibration studies

run: $(READY)
	$(BIN)/lupus-hsct run chicago2006 --engine simpy

# Tests start a hundred processes of their own: those need not compile the package again.
test: export PYTHONDONTWRITEBYTECODE :=
test: lint browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

# Tests of the app need Chromium. Who may install it gets it; without it they say that they did not run.
browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	  { echo "Installing Chromium for the tests of the app, once."; \
	    apt-get install -qq -y --no-install-recommends chromium chromium-driver >/dev/null 2>&1 || \
	    { apt-get update -qq >/dev/null 2>&1; apt-get install -qq -y --no-install-recommends chromium chromium-driver >/dev/null 2>&1; } || \
	    echo "Chromium can't be installed here."; }

lint: $(TESTS_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Any seed that finds something is printed, and makes it again: SEED=17 KIND=folder make fuzz
fuzz: $(TESTS_READY)
	PYTHONPATH=tests $(BIN)/python tests/fuzz.py $(if $(SEED),--seed $(SEED)) $(if $(KIND),--kind $(KIND))

studies: $(READY)
	$(BIN)/python docs/make_studies.py

bench: $(READY)
	$(BIN)/python $(INSTALL) --no-build-isolation -e '.[bench]'
	$(BIN)/python benchmarks/race.py

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "lupus-hsct needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 " + "$(MAKECMDGOALS)")'
	@echo "Installing what running needs in $(VENV), once: 119 MB to download, 525 MB on disk, half a minute on a fast line."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements.txt
	@$(BIN)/python $(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(TESTS_READY): requirements-dev.txt $(READY)
	@echo "Installing what the tests add, once: 48 MB to download, 215 MB on disk, half a minute on a fast line."
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@

# Not editable, and pytest without python -m: what is tested is the wheel. Old libraries deprecate one another.
lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python $(INSTALL) --no-deps --no-build-isolation .
	$(LOWEST)/bin/pytest -q -n 2 -p no:cacheprovider -W ignore::DeprecationWarning $(LOWEST_TESTS)

LOWEST_TESTS := tests/scenario tests/patient tests/clinic/test_pathway.py tests/clinic/test_arrays.py \
  tests/outcomes/twin/test_expected.py tests/work/test_spool.py tests/work/test_store.py tests/work/test_cluster.py \
  tests/show/test_report.py tests/show/test_run_figures.py tests/test_cli_scenario.py tests/test_cli_study.py \
  tests/test_cli_compare.py tests/test_cli_validate.py

$(LOWEST)/.ready: requirements-lowest.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else "The lowest versions are those for Python 3.11; name one: make lowest PYTHON=python3.11")'
	@echo "Installing the lowest versions in $(LOWEST), once: 138 MB to download, 625 MB on disk, a minute or two."
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python $(INSTALL) --require-hashes -r requirements-lowest.txt
	@touch $@

# Hashes, but no index lines. The tests' versions come first, so that running uses the same.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade pyproject.toml
requirements:
	$(COMPILE) --extra dev -o requirements-dev.txt
	$(COMPILE) --extra editable -c requirements-dev.txt -o requirements.txt
	$(COMPILE) --extra editable --extra test --resolution lowest-direct -o requirements-lowest.txt

reference: $(READY)
	cd tests/reference/survival && Rscript public.R
	$(BIN)/python tests/reference/survival/make_data.py
	cd tests/reference/survival && Rscript make.R && Rscript own.R

# A small one too, which a test makes again. All of it is made aside, and only then takes the place of the old one.
NEW := results/reference.new
calibration: $(TESTS_READY)
	rm -rf $(NEW)
	$(BIN)/lupus-hsct calibrate chicago2006 --simulation 4000000 --coverage 400 --out $(NEW)/chicago2006
	$(BIN)/lupus-hsct validate --posterior $(NEW)/chicago2006/posterior.csv --out $(NEW)/validation
	$(BIN)/lupus-hsct calibrate chicago2006 --effective-size 20 --points 256 --no-alternatives --out $(NEW)/small
	rm -rf $(NEW)/*/timings.json $(NEW)/*/repeats.parquet $(NEW)/*/figures/*.png
	rm -rf $(NEW)/small/figures $(NEW)/small/report.html
	PYTHONPATH=tests $(BIN)/python -c "from pathlib import Path; from drivers import seal; [seal(Path('$(NEW)', name)) for name in ('chicago2006', 'small')]"
	rm -rf results/reference/chicago2006 results/reference/validation results/reference/small
	mv $(NEW)/* results/reference && rmdir $(NEW)

clean:
	rm -rf $(VENV) $(LOWEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis
