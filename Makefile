# make train | test | lint | format | ui | bench | soak | docs | requirements
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: train test lint format ui bench soak docs requirements
.DELETE_ON_ERROR:

train: $(VENV)/runtime  ## train on the embedded digits, to the end
	$(RUN) train.py data=digits experiment=digits_mlp

test: $(VENV)/development
	$(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/development
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: $(VENV)/development
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

ui: $(VENV)/runtime  ## MLflow's UI over this project's output
	$(RUN) -m trialmaker ui --watch

.PHONY: pictures
pictures: $(VENV)/development  ## README's, of what its commands left in workspace/output
	PYTHONPATH=tests $(RUN) -m support.readme_pictures

bench: $(VENV)/runtime
	$(RUN) benchmarks/run.py

soak: $(VENV)/runtime  ## kill trainings at any instant, start them again, compare; ARGUMENTS="--help"
	PYTHONPATH=benchmarks $(RUN) -m soak $(ARGUMENTS)

docs: $(VENV)/runtime  ## run the commands that the guides show, compare what they print; ARGUMENTS="--write docs/data.md"
	$(RUN) tests/support/guides.py $(ARGUMENTS)

requirements: $(VENV)/development  ## freeze what pyproject.toml allows
	$(RUN) -m pip install --quiet uv
	$(RUN) -m uv pip compile --quiet --universal --no-emit-index-url --no-annotate --custom-compile-command "make requirements" \
		--upgrade pyproject.toml -o requirements.txt
	$(RUN) -m uv pip compile --quiet --universal --no-emit-index-url --no-annotate --custom-compile-command "make requirements" \
		--upgrade --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

$(VENV)/runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "make: error: $(PYTHON) must be Python 3.11 to 3.13; say which one: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN) -c 'import site; print("$(CURDIR)/src", file=open(site.getsitepackages()[0] + "/trialmaker.pth", "w"))'
	touch $@

$(VENV)/development: requirements-dev.txt $(VENV)/runtime
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
