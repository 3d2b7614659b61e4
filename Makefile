# make demo   see zkpoll work, both doors, without hardware
# make test   install what the tests need, run the quick ones: nearly all
# make test-long   the rest: what kills, waits or tries everything out; random tests at full length, a fifth of the commands afresh
# make lint   ruff and mypy --strict
# make bench  speed and memory, as ratios measured in one run: docs/performance.md; make bench BENCH_LONG=1 with 5 million punches
# make bench-short   the same in some minutes; a target is missed by half before it fails
# make cover  all tests again, with coverage
# make cover-quick   branch coverage of what decides, by its own quick tests; below 95 % it fails
# make test-lowest   what stands on other people's packages, tested with the oldest ones that pyproject.toml allows
# make test-pythons   the same with each Python there is, and the newest packages; PYTHONS='python3.14' names others
# make fuzz   answer visits and deliveries with drawn bytes, thousands of times
# make mutants   change the code that decides, one thing at a time, and see that the tests notice; ARGS=model/days for one
# make share   write share/ anew: manual pages and completions, made of the help texts and the schema
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
PYTEST  = $(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal

# Each worker, and most tests of the command, would compile all that they import again.
export PYTHONDONTWRITEBYTECODE :=

# Of each test: so many stories, as far as they fit into so many seconds. A seed draws the same ones again.
FUZZ_EXAMPLES ?= 2000
FUZZ_SECONDS  ?= 300
FUZZ_SEED     ?=

# Tests of rooms that stand on other people's packages; what is left out is our own from end to end.
PORTABLE := $(addprefix tests/,inventory cli delivery reports push bridge fleet contracts) \
	$(addprefix tests/,pull/test_session.py pull/test_driver.py pull/test_raw_copy.py journal/test_locks.py) \
	$(addprefix tests/,serve/test_serve.py simulator/test_demo.py test_documents.py)
PYTHONS  ?= $(shell for one in 3.11 3.12 3.13 3.14; do python$$one -c '' 2>/dev/null && echo python$$one; done)
QUICKLY  := -m pytest --numprocesses=auto --dist=worksteal --quick -m 'not long'

# What decides, and the tests of it.
DECIDES := model pull push delivery journal inventory bridge
empty   :=
comma   := ,
DECIDED := $(subst $(empty) $(empty),$(comma),$(DECIDES:%=zkpoll/%/*) zkpoll/wall_clock.py)

.PHONY: demo test test-long test-crash test-lowest test-pythons fuzz lint bench bench-short cover cover-quick
.PHONY: mutants share pictures clean

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

# One more than cores: these start servers, runs and kills of their own, and some of them look at the clock.
test-long: WORKERS = $(shell echo $$(($$(nproc) + 1)))
test-long: $(VENV)/.dev
	$(PYTEST) --sample -m 'long or hypothesis or sample' $(ARGS)

test-crash: $(VENV)/.dev
	CRASH_KILLS=300 $(PYTEST) tests/crash tests/serve/test_kills.py $(ARGS)

# chardet comes with a wheel of the tests alone; requests before 2.33 warns of one that it does not know.
test-lowest:
	$(PYTHON) -m venv --clear $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet 'uv>=0.5'
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct \
		--editable '.[test]' 'chardet>=5,<6'
	$(VENV)-lowest/bin/python $(QUICKLY) $(or $(ARGS),$(PORTABLE))

test-pythons:
	set -e; for python in $(PYTHONS); do \
		venv=$(VENV)-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); echo $$venv; \
		$$python -m venv --clear $$venv; \
		$$venv/bin/python -m pip install --quiet --editable '.[test]'; \
		$$venv/bin/python $(QUICKLY) $(or $(ARGS),$(PORTABLE)); \
	done

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

cover-quick: export COVERAGE_FILE := .coverage.quick
cover-quick: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run $(subst --numprocesses=auto --dist=worksteal,,$(QUICKLY)) \
		$(or $(ARGS),$(DECIDES:%=tests/%) tests/test_wall_clock.py)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='$(DECIDED)' --fail-under=95

mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants $(ARGS)

share: $(VENV)/.dev
	$(BIN)/python -m tests.share

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.pictures

clean:
	rm -rf $(VENV) $(VENV)-* build dist demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
