# make demo: simulate a cohort, run every stage, print the table.   make test: lint, types, import rules, tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0

.PHONY: demo live test test-browser golden bench-live live-demo format clean

demo: $(VENV)/.cpep
	$(BIN)/cpep simulate runs/demo/cohort --users 24 --minutes 6 --seed 0
	$(BIN)/cpep reproduce --data runs/demo/cohort --out runs/demo/run --seeds 0

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

# the live page in headless Chromium; Debian's where there is none
test-browser: $(VENV)/.dev
	command -v chromium >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium; }
	$(BIN)/python -m pytest -m browser

# after a deliberate change of what training computes
golden: $(VENV)/.dev
	$(BIN)/python -m tests.train.regenerate_golden

# time from the last sample to the answer; CHECKPOINT=... times a trained one
bench-live: $(VENV)/.dev
	$(BIN)/python benchmarks/live.py $(CHECKPOINT)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch first and pinned: a plain `torch` would fetch the CUDA build of several gigabytes on Linux.
$(VENV)/.cpep: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.cpep
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
