# Two commands do everything: `make demo` and `make test`. Each sets up first; set-up is skipped when nothing changed.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test test-all lint clean

demo: $(READY)
	$(BIN)/groundwave demo

test: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-all: $(READY)
	$(BIN)/pytest -n 2 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist

# constraints.txt is the tested set; pyproject.toml holds the ranges.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@
