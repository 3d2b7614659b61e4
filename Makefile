# make demo   see zkpoll work, both doors, without hardware
# make test   install what the tests need, run the quick ones: nearly all
# make test-long   the rest: what kills, waits or tries everything out; random tests at full length, a fifth of the commands afresh
# make lint   ruff and mypy --strict
# make bench  speed and memory, as ratios measured in one run: docs/performance.md; make bench BENCH_LONG=1 with 5 million punches
# make bench-short   the same in some minutes; a target is missed by half before it fails
# make cover  all tests again, with coverage
# make fuzz   answer visits and deliveries with drawn bytes, thousands of times
# make pictures   draw docs/pictures anew: what the commands look like on a terminal, and the status page in a browser
# make test-crash   kill the real `zkpoll sync` and `zkpoll serve` hundreds of times, and see that nothing is lost
#
# Real databases are used where they are, see docs/developing.md: Java makes Access files, PostgreSQL comes as a wheel if
# none runs, MariaDB is left out; ZKPOLL_TEST_POSTGRES and ZKPOLL_TEST_MYSQL name others.
#
# make test WORKERS=1   so many tests at once, else two for each core
# make test ARGS='tests/cli -k sync'   where ARGS names a path below tests/, all its tests run, the long ones too
# make test-long ARGS=tests/cli   of that path, what `make test` leaves out or shortens

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Most tests wait, for sockets and processes: two at a time for each core.
WORKERS ?= $(shell echo $$((2 * $$(nproc))))
PYTEST := $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

# Each worker, and most tests of the command, would compile all that they import again.
export PYTHONDONTWRITEBYTECODE :=

# Of each test: so many stories, as far as they fit into so many seconds. A seed draws the same ones again.
FUZZ_EXAMPLES ?= 2000
FUZZ_SECONDS  ?= 300
FUZZ_SEED     ?=

.PHONY: demo test test-long test-crash fuzz lint bench bench-short cover pictures clean

# What the demo needs: zkpoll and its run-time dependencies, those of `serve` too, nothing more.
$(BIN)/zkpoll: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[serve]'
	@touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --compile --editable '.[dev]'
	@touch $@ $(BIN)/zkpoll

demo: $(BIN)/zkpoll
	$(BIN)/zkpoll demo

test: $(VENV)/.dev
	$(PYTEST) --quick $(if $(filter tests tests/%,$(ARGS)),,-m 'not long') $(ARGS)

test-long: $(VENV)/.dev
	$(PYTEST) --sample -m 'long or hypothesis or sample' $(ARGS)

test-crash: $(VENV)/.dev
	CRASH_KILLS=300 $(PYTEST) tests/crash tests/serve/test_kills.py $(ARGS)

fuzz: export FUZZ_EXAMPLES := $(FUZZ_EXAMPLES)
fuzz: export FUZZ_SECONDS := $(FUZZ_SECONDS)
fuzz: $(VENV)/.dev
	$(PYTEST) tests/fuzz $(if $(FUZZ_SEED),--hypothesis-seed=$(FUZZ_SEED)) $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-short: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks --short $(ARGS)

cover: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.pictures

clean:
	rm -rf $(VENV) build dist demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
