# make demo   see zkpoll work, without hardware
# make test   install what the tests need, run them all
# make lint   ruff and mypy --strict
# make bench  speed and memory, as ratios measured in one run
# make cover  the tests again, with coverage
# make pictures   draw docs/pictures anew: what the commands look like on a terminal
# make test-crash   kill the real `zkpoll sync` hundreds of times, and see that nothing is lost

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-crash lint bench cover pictures clean

# What the demo needs: zkpoll and its run-time dependencies, nothing more.
$(BIN)/zkpoll: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@ $(BIN)/zkpoll

demo: $(BIN)/zkpoll
	$(BIN)/zkpoll demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses=auto $(ARGS)

test-crash: $(VENV)/.dev
	CRASH_KILLS=300 $(BIN)/python -m pytest --numprocesses=auto tests/crash $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

cover: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.pictures

clean:
	rm -rf $(VENV) build dist demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
