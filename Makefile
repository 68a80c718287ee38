# Everything a person types. `make` alone lists it.
# PYTHON names another interpreter (3.11 or later); by default the first suitable one on the path is used.
PYTHON ?=
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help install test demo fuzz faults soak bench lint types clean
.DEFAULT_GOAL := help

help:
	@echo 'make install   a virtual environment in .venv with everything (Python 3.11+)'
	@echo 'make demo      the whole story in two minutes: no Java, no Docker'
	@echo 'make test      the tests; those on a real Kafka need JDK 17+ and Maven, and are skipped without'
	@echo 'make fuzz      broken input of every kind for ten minutes, other input each time'
	@echo 'make faults    what breaks, broken on purpose, in its long form: brokers, links, disks, clocks (JDK 17+ and Maven)'
	@echo 'make soak      one deployment at work for as long as ARGS says (JDK 17+ and Maven)'
	@echo 'make bench     the figures of benchmarks/RESULTS.md (a quarter of an hour; JDK 17+ and Maven)'
	@echo 'make lint      ruff: rules and format'
	@echo 'make types     mypy --strict'
	@echo 'make clean     away with .venv, caches and build products'

install: $(STAMP)

# pyproject.toml decides what is installed, so a second run has nothing to do until it changes.
$(STAMP): pyproject.toml .ci/venv
	@bash .ci/venv .venv $(PYTHON)
	@echo 'installing into .venv (a minute or two) …'
	@$(BIN)/python -m pip install --quiet -e '.[worker,edge,otel,parquet,dev]'
	@touch $@

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

demo: install
	$(BIN)/consent-stream demo $(ARGS)

# A finding is repeated with the seed that it was made with: make fuzz SEED=…
SEED ?= $(shell date +%s)
fuzz: install
	@echo 'SEED=$(SEED)'
	CONSENT_FUZZ_SECONDS=15 CONSENT_FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -q tests/hostile/test_fuzz.py $(ARGS)

# FAULT_SEED=… repeats the events and the order of faults of a failed run.
FAULT_SEED ?= $(shell date +%s)
faults: install
	@echo 'FAULT_SEED=$(FAULT_SEED)'
	FAULT_SEED=$(FAULT_SEED) $(BIN)/python -m pytest --long -q tests/faults $(ARGS)

soak: install
	$(BIN)/python -m tests.faults.soak $(ARGS)

bench: install
	$(BIN)/python -m benchmarks.run $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
