# make demo   set up (base install) and reconstruct the embedded recording into out/demo
# make test   set up everything and run all checks and tests
# make bench  measure; ONLY=triangulation runs one family; writes out/bench.json
PYTHON ?= python3
VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test bench clean

demo: $(VENV)/.base
	$(BIN)/recon3d demo -o out/demo

test: $(VENV)/.all
	$(BIN)/python -m pytest

bench: $(VENV)/.bench
	$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY))

$(BIN)/activate:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "recon3d needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(BIN)/activate
	$(PIP) -e .
	@touch $@

$(VENV)/.all: pyproject.toml constraints.txt | $(BIN)/activate
	$(PIP) -e ".[all,dev]"
	@touch $@ $(VENV)/.base

$(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/activate
	$(PIP) -e ".[learn,export,robots,edge,dev,bench]"
	@touch $@

clean:
	rm -rf out build *.egg-info
