# Two commands each do everything on a machine with Python 3.11+ and make:
#   make demo   set-up, then the main job on the composed pieces; ends with the report's path
#   make test   set-up, then linters, types, doctests and tests
# Both share .venv. uv is used when it is there, venv + pip otherwise.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := runs/demo

# torch's default wheel brings gigabytes of CUDA: it joins only when asked for (TORCH=1) or in CI.
comma := ,
EXTRAS := dev$(if $(or $(CI),$(TORCH)),$(comma)torch)
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))

# Without torch its types are unknown, which --strict would reject, and doctests of modules that use
# it are skipped.
ifeq ($(findstring torch,$(EXTRAS)),)
MYPY_FLAGS := --allow-subclassing-any --allow-untyped-decorators --no-warn-return-any \
  --no-warn-unused-ignores
PYTEST_FLAGS := --doctest-ignore-import-errors
endif

.PHONY: demo test lint types bench clean

demo: $(STAMP)
	$(BIN)/scatseg demo -o $(RUN)

test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_FLAGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy $(MYPY_FLAGS)

bench: $(STAMP)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only
	$(BIN)/python tests/benchmarks/engine.py -o reports/benchmarks/engine.md

$(STAMP): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --allow-existing --python "$(PYTHON)" $(VENV) && \
	  uv pip install --python $(BIN)/python -e ".[$(EXTRAS)]"; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --upgrade pip && \
	  $(BIN)/python -m pip install --quiet -e ".[$(EXTRAS)]"; \
	fi
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache runs
