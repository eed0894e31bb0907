# Everything a stranger or CI needs: `make demo`, `make test`. Needs Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= demo
PYTEST_ARGS ?= -q -n auto
SCALE ?= 1
REPEAT ?= 3
FOLDER ?= build/bench

.PHONY: demo test browser test-oldest packaging lint fmt types docs bench clean

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

demo: $(STAMP)  ## write the sample, validate it, convert it there and back, prove the two equal, draw the boxes, count, look, build
	rm -rf $(DEMO)
	$(BIN)/svit-convert sample $(DEMO)/svit
	$(BIN)/svit-convert validate $(DEMO)/svit --images $(DEMO)/svit
	$(BIN)/svit-convert to-llava $(DEMO)/svit/data/*.json --images $(DEMO)/svit -o $(DEMO)/llava.json --report $(DEMO)/report.json
	$(BIN)/svit-convert from-llava $(DEMO)/llava.json -o $(DEMO)/native
	$(BIN)/svit-convert compare $(DEMO)/svit/data $(DEMO)/native
	$(BIN)/svit-convert draw $(DEMO)/svit/data/referring_qa.json --images $(DEMO)/svit -o $(DEMO)/pictures
	$(BIN)/svit-convert draw $(DEMO)/llava.json --images $(DEMO)/svit -o $(DEMO)/pictures
	$(BIN)/svit-convert stats $(DEMO)/svit/data --images $(DEMO)/svit --html $(DEMO)/stats.html > $(DEMO)/stats.txt
	$(BIN)/svit-convert view $(DEMO)/svit/data --images $(DEMO)/svit --export $(DEMO)/look
	$(BIN)/svit-convert build $(DEMO)/svit -o $(DEMO)/hub
	$(BIN)/svit-convert compare $(DEMO)/svit/data/referring_qa.json $(DEMO)/hub/data/referring

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

browser:  ## the browser that the tests of the page need, from Debian; without it they are skipped
	apt-get update -qq
	apt-get install -y -qq chromium

test-oldest:  ## all tests with the oldest dependencies that are supported
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools
	PYTHONWARNINGS=ignore $(VENV)-oldest/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c tests/oldest.txt
	$(VENV)-oldest/bin/python -m pytest $(PYTEST_ARGS)

packaging: $(STAMP)  ## build the wheel, install it elsewhere, run the tests against it
	$(BIN)/python scripts/check_packaging.py

coverage: $(STAMP)  ## all tests, with branch coverage; the pure modules must be at 100%
	$(MAKE) test PYTEST_ARGS="-q -n auto --cov --cov-report=term-missing:skip-covered"
	$(BIN)/python scripts/check_coverage.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

fmt: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)  ## make the generated parts of docs/ again
	$(BIN)/python scripts/make_docs.py

bench: $(STAMP)  ## measure the commands on made files of real size, kept in FOLDER; SCALE=0.01 for a quick look
	$(BIN)/python benchmarks/bench.py $(FOLDER) --scale $(SCALE) --repeat $(REPEAT)

clean:
	rm -rf $(VENV) $(VENV)-* $(DEMO) build dist *.egg-info
