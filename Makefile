# make demo: simulate a cohort, run every stage, print the table.   make test: lint, types, import rules, tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?= torch==2.13.0
# CI installs what packaging/lock.txt says: make test LOCK=packaging/lock.txt. Without it come the newest versions
LOCK ?=
# without --no-compile pip compiles thousands of modules that nobody imports, on one core
QUIET := --quiet --disable-pip-version-check --no-compile

# every interpreter that starts reads what the first has compiled, also where the environment says to write none
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache

.PHONY: demo live docs linkcheck test lint pytest test-browser chromium fuzz lock audit golden public wheel bench bench-live live-demo format clean

# commands of cpep are in the environment that make built
TELL := @echo "to type cpep commands in this shell: source $(BIN)/activate"

demo: $(VENV)/.cpep
	$(TELL)
	$(BIN)/cpep simulate runs/demo/cohort --users 24 --minutes 6 --seed 0
	$(BIN)/cpep reproduce --data runs/demo/cohort --out runs/demo/run --seeds 0

# the live page on the simulator, with the checkpoint that the repository ships
live: $(VENV)/.web
	$(TELL)
	$(BIN)/cpep serve --book runs/live/my.book --enrolment runs/live/my.enrol --recordings runs/live/recordings

# the shipped checkpoint and book again, from the simulator alone: 20 minutes on two cores
LIVE := runs/live-demo
live-demo: $(VENV)/.cpep
	$(BIN)/cpep simulate $(LIVE)/cohort --users 100 --minutes 4 --seed 2 --rest 4
	$(BIN)/cpep reproduce --data $(LIVE)/cohort --out $(LIVE)/run --models cpep,pose \
		--test-users $(shell seq -s, -f user_%02g 0 9) --val-users $(shell seq -s, -f user_%02g 10 19) \
		--set data.window_s=1 --set data.normalisation=causal --set align.rest=true --set emg.token_ms=100 \
		--set emg_mae.optim.steps=400 --set pose_mae.optim.steps=400 --set align.optim.steps=1500
	$(BIN)/python -m cpep.share.demo $(LIVE)/run/fold0/seed0/cpep/checkpoint $(LIVE)/run/store $(LIVE)/demo \
		$(LIVE)/run/results.json
	@echo "$(LIVE)/demo is what src/cpep/live/shipped holds"

# the documentation: build/docs/index.html. The tutorials are run; those that did not change keep their pictures
docs: $(VENV)/.dev
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs
	@echo "open build/docs/index.html"

# links that lead to other sites; needs the internet
linkcheck: $(VENV)/.dev
	$(BIN)/python -m sphinx -q -b linkcheck -d build/doctrees -D plot_gallery=0 docs build/linkcheck

# the checks beside the tests, since one of them keeps one core alone
test: $(VENV)/.dev
	$(MAKE) --no-print-directory -j2 lint pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/lint-imports
	$(BIN)/mypy

pytest: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# the live page in headless Chromium; Debian's where there is none
test-browser: $(VENV)/.dev chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "browser and not slow" -n 2 --dist loadfile tests/web tests/docs

chromium:
	command -v chromium >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium; }

# damaged inputs of every format, for an hour: make fuzz SECONDS=36000 SEED=3 FORMATS="csv book"; a table at the end
SECONDS ?= 3600
SEED ?= 1
FORMATS ?=
fuzz: $(VENV)/.dev
	mkdir -p runs/fuzz
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz $(FORMATS) --seconds $(SECONDS) --seed $(SEED) \
		--log runs/fuzz/seed$(SEED).jsonl

# the versions that are installed here become those of CI and of the container, after `make test` passed with them
lock: $(VENV)/.dev
	$(BIN)/python packaging/lock.py

# known holes in the locked versions, from the database of PyPI; needs the internet
audit:
	test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && build/audit/bin/pip install $(QUIET) pip-audit; }
	build/audit/bin/pip-audit --strict --disable-pip --no-deps --require-hashes --requirement packaging/lock.txt

# after a deliberate change of what training computes
golden: $(VENV)/.dev
	$(BIN)/python -m tests.train.regenerate_golden

# after a deliberate change of the public API
public: $(VENV)/.dev
	$(BIN)/python -m tests.api.snapshot

# wheel and source distribution in dist/, installed alone in a new environment that makes a tour; CPEP_PYTHONS, CPEP_TORCH
wheel: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	CPEP_TORCH="$(TORCH)" $(BIN)/python -m pytest -m slow tests/packaging

# speed, as ratios against references in the same run: runs/bench/bench.json
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(BENCH)

# time from the last sample to the answer; CHECKPOINT=... times a trained one
bench-live: $(VENV)/.dev
	$(BIN)/python benchmarks/live.py $(CHECKPOINT)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# torch first and pinned: a plain `torch` would fetch the CUDA build of several gigabytes on Linux. A lock says all, so
# that what it lists comes beside torch.
$(VENV)/.cpep: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(if $(LOCK),,$(BIN)/python -m pip install $(QUIET) "$(TORCH)")
	$(if $(LOCK),$(BIN)/python -m pip install $(QUIET) --no-deps "$(TORCH)" & torch=$$!; \
		$(BIN)/python -m pip install $(QUIET) --no-deps --require-hashes --requirement $(LOCK); listed=$$?; \
		wait $$torch && exit $$listed)
	$(BIN)/python -m pip install $(QUIET) --editable .
	touch $@

$(VENV)/.web: $(VENV)/.cpep
	$(BIN)/python -m pip install $(QUIET) --editable ".[web,live,bids]"
	touch $@

$(VENV)/.dev: $(VENV)/.cpep
	$(BIN)/python -m pip install $(QUIET) --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist docs/gallery src/*.egg-info
