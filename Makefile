# `make demo` and `make test` set up .venv themselves; a second run works offline.

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Another interpreter: make install PYTHON=/path/to/python3.12
PYTHON ?=

.PHONY: help install demo test faults lint snapshots picture bench crossval recipes variants distill clean

help:
	@echo "make demo       open the app on the demo shop"
	@echo "make test       run the tests"
	@echo "make faults     kill jobs, the app and flag at many moments (RANKBENCH_FAULTS of each, 20)"
	@echo "make install    set up .venv and nothing else"
	@echo "make lint       style, formatting, and who may import whom"
	@echo "make snapshots  redraw the kept screens (look at the difference before committing)"
	@echo "make picture    redraw the README's picture from the demo shop"
	@echo "make bench      measure latency and rates (RANKBENCH_ESCI names the data)"
	@echo "make crossval   the README's out-of-fold figures, about an hour"
	@echo "make recipes    every recipe out of fold in one table, an hour or two (RANKBENCH_ESCI names the data)"
	@echo "make variants   what moves the best recipe's gains: text, rate, rounds, interpolation (the same)"
	@echo "make distill    an encoder taught by a cross-encoder on a search log, out of fold (the same)"
	@echo "make clean      remove .venv and caches"

install: $(STAMP)

# A shim named python3.12 may exist and fail, so each candidate is run, not only looked up.
# hatchling is installed first so that the build of the project itself fetches nothing.
$(STAMP): pyproject.toml constraints.txt
	@found=; for python in $(PYTHON) python3.12 python3.11 python3 python; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
	    >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Rankbench needs Python 3.11 or 3.12 with its venv module; name one: make install PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	if ! $(PY) -c 'import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; then \
	  "$$found" -m venv --clear $(VENV); \
	fi
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[test]'
	@touch $(STAMP)

demo: install
	$(VENV)/bin/rankbench demo

# As many at once as there are cores, up to four: each holds a gigabyte or two.
test: install
	$(PY) -m pytest -n auto --maxprocesses 4

# Slow: about a quarter of an hour. RANKBENCH_FAULTS_SEED=1 chooses other moments.
faults: install
	RANKBENCH_FAULTS=$${RANKBENCH_FAULTS:-20} $(PY) -m pytest tests/faults

lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports

picture: install
	$(PY) tests/workbench/picture.py docs/compare.svg

bench: install
	$(PY) tests/benchmarks/measure.py

# Slow: an hour on two cores. Stopped, it goes on from the last fold.
crossval: install
	$(PY) tests/benchmarks/crossval.py --seeds 3

# Slow: an hour or two on two cores. Stopped, they go on from the last fold.
recipes: install
	$(PY) tests/benchmarks/recipes.py

variants: install
	$(PY) tests/benchmarks/variants.py

distill: install
	$(PY) tests/benchmarks/distill.py

snapshots: install
	RANKBENCH_UPDATE_SNAPSHOTS=1 $(PY) -m pytest tests/workbench/test_screen_snapshots.py

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
