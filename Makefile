# Everything from nothing but Python >= 3.11 and make. The first target sets up; the second run is quick.
#   make demo    serve the protected ICONIX app on http://127.0.0.1:8000 and print what to try
#   make tour    run those steps by itself; fails if any answer is not as told
#   make trail   what the demo's trail holds, and whether it is whole
#   make test    every check
#   make long    the tests that take minutes and are not among them
# PYTHON=… chooses the interpreter, VENV=… the folder of the environment, WORKERS=… how many tests run side by side.

VENV ?= .venv
# One more than there are processors: many tests wait for a server or a command of their own.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo tour trail test long lint format types unit bench catalogues migration clean

help:
	@sed -n 's/^#   //p' Makefile

# -- setting up --------------------------------------------------------------------------------------------------------

$(BIN)/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if $$python -c 'import sys, ensurepip, sqlite3, ssl, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	  then echo "Setting up $(VENV) with $$($$python --version)"; exec $$python -m venv $(VENV); fi; \
	done; \
	echo "No Python >= 3.11 with venv was found (on Debian: apt-get install python3-venv), or name one: make PYTHON=…" >&2; \
	exit 1

# pip reads dependency groups since 25.1.
$(VENV)/.pip: | $(BIN)/python
	@$(PIP) install --quiet --upgrade 'pip>=25.1' && touch $@

$(VENV)/.demo: pyproject.toml $(VENV)/.pip
	@echo "Installing Amanah and what the demo needs (once)"
	@$(PIP) install -qq --editable . --group demo && touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.demo
	@echo "Installing what the checks need (once)"
	@$(PIP) install -qq --editable . --group dev
	@command -v softhsm2-util >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends softhsm2 \
	  >/dev/null; } || echo "SoftHSM2 is not here: the tests of PKCS#11 are skipped (on Debian: apt-get install softhsm2)"
	@PATH=$$PATH:/usr/sbin command -v pgbouncer >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends pgbouncer \
	  >/dev/null; } || echo "PgBouncer is not here: the tests of it are skipped (on Debian: apt-get install pgbouncer)"
	@touch $@

# -- using it ----------------------------------------------------------------------------------------------------------

demo: $(VENV)/.demo
	PYTHONPATH=examples $(BIN)/python -m iconix.demo

# The trail of the demo, newest first, and whether it is whole.
trail: export ICONIX_DATABASE_URL = sqlite+aiosqlite:///$(CURDIR)/.demo/iconix.db
trail: export AMANAH_STATE = $(CURDIR)/.demo/amanah
trail: export AMANAH_GUARD = iconix.protection:guard
trail: $(VENV)/.demo
	PYTHONPATH=examples $(BIN)/python -W ignore -m amanah.cli audit list --tenant sinar-jaya --limit 20
	PYTHONPATH=examples $(BIN)/python -W ignore -m amanah.cli audit verify

tour: $(VENV)/.demo
	PYTHONPATH=examples $(BIN)/python -m iconix.tour

# -- checking it -------------------------------------------------------------------------------------------------------

test: lint types tour unit

# Format, rules, and the import contract.
lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/mypy tools

# Catalogues, migrations, the wheel and all behaviour, on SQLite and on a PostgreSQL of the run's own.
# In memory where there is room: most of the time would be spent waiting for a disk that no test is about.
unit: export TMPDIR := $(shell if test -w /dev/shm && test "$$(df -Pk /dev/shm | awk 'NR==2 {print $$4}')" -gt 4000000; \
  then echo /dev/shm; else echo "$${TMPDIR:-/tmp}"; fi)
unit: $(VENV)/.dev
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal

# A million messages beside the accumulated hash of the specification; thousands of policies beside plain Casbin; each
# application of the tutorial on the other database, too.
long: $(VENV)/.dev
	AMANAH_TEST_LONG=1 $(BIN)/pytest -q tests/unit/encryption/test_xaes.py tests/properties/test_policy_decisions.py \
	  tests/integration/adoption/walk

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# On SQLite and on a PostgreSQL as durable as in production.
bench: $(VENV)/.dev
	PYTHONPATH=examples $(BIN)/python tools/postgres.py --fsync run -- $(BIN)/python benchmarks/overhead.py

# Take up new and changed messages into both catalogues; the new ones then want their Indonesian sentence.
catalogues: $(VENV)/.dev
	$(BIN)/python tools/catalogues.py

# A first draft of a migration from the models: make migration BRANCH=core NAME=core_0002_what_it_does
migration: BRANCH ?= core
migration: export AMANAH_DATABASE_URL = sqlite:///$(CURDIR)/$(VENV)/migration.db
migration: $(VENV)/.dev
	@rm -f $(VENV)/migration*.db*
	$(BIN)/python -c 'import os; from amanah.migrations import upgrade; upgrade(os.environ["AMANAH_DATABASE_URL"])'
	$(BIN)/alembic -x branch=$(BRANCH) revision --autogenerate --head $(BRANCH)@head --rev-id $(NAME) --message $(NAME)
	@rm -f $(VENV)/migration*.db*

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
