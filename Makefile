# A newcomer needs `make demo` and `make test`; each sets up what it needs. Requires python3 (3.11+), git and make only.

PYTHON ?= python3
UV_VERSION := $(shell sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.lock)
BIN := .venv/bin

# The stamp makes set-up happen once, and again whenever the locked requirements change.
STAMP := .venv/.requirements-installed

# Whatever the shell says, Python keeps what it compiled: the suite starts hundreds of processes that import torch.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test soak setup lint reference docs bench lock clean

demo: setup
	$(BIN)/heron demo

# Two processes, each with one thread for arithmetic; tests/conftest.py says which tests stay together.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadscope --durations 20

# Long ones, one after another.
soak: setup
	OMP_NUM_THREADS=1 $(BIN)/pytest -m soak --timeout 3600

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The pages of docs/reference, from the code. A test fails where they are out of date.
reference: setup
	$(BIN)/python docs/reference/generate.py

# The documentation as a site, in docs/_site. A link that leads nowhere is an error.
docs: setup
	$(BIN)/sphinx-build -nW --keep-going -q -b html docs docs/_site

# Takes long; measure on a machine that does nothing else. The last one first installs what heron-ray is compared with, below .bench.
bench: setup
	$(BIN)/python -m benchmarks.zo_step --json benchmarks/results/zo_step.json
	$(BIN)/python -m benchmarks.zo_step --compile --json benchmarks/results/zo_step-compiled.json
	$(BIN)/python -m benchmarks.zo_step --breakdown --json benchmarks/results/zo_step-breakdown.json
	$(BIN)/python -m benchmarks.heron_round --json benchmarks/results/heron_round.json
	$(BIN)/python -m benchmarks.startup --json benchmarks/results/startup.json
	$(BIN)/python -m benchmarks.scale --json benchmarks/results/scale.json
	$(BIN)/python -m benchmarks.scale --slope --json benchmarks/results/scale-slope.json
	$(BIN)/python -m benchmarks.scale --paper --json benchmarks/results/scale-paper.json
	$(BIN)/python -m benchmarks.aggregation --json benchmarks/results/aggregation.json
	$(BIN)/python -m benchmarks.sweep_overhead --json benchmarks/results/sweep_overhead.json
	$(BIN)/python -m benchmarks.fedavg --json benchmarks/results/fedavg.json

# Bring the lock up to date with pyproject.toml: hashes for every platform, no index addresses.
lock: setup
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --extra dev --upgrade pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .heron docs/_site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
