# Every target makes the virtual environment that it needs from requirements-dev.lock by itself.

.DEFAULT_GOAL := help
.PHONY: help venv dev test faults debian-programs lint check-locks format lock clean FORCE

# Finds the first of these that runs and is new enough, and prints $(1) of it. A pyenv shim is on PATH even where it does
# not run, so pyenv is asked too.
find = for name in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	for python in "$$name" $$(pyenv whence --path "$$name" 2>/dev/null); do \
	"$$python" -c 'import sys; sys.version_info >= (3, 11) or sys.exit(1); print($(1))' 2>/dev/null && exit; done; done

VENV := .venv
ifdef PYTHON
  VENV := .venv-$(shell $(call find,"%d.%d" % sys.version_info[:2]))
  ifeq ($(VENV),.venv-)
    $(error PYTHON=$(PYTHON) is not a Python 3.11 or newer that runs here)
  endif
endif
BIN := $(VENV)/bin

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'PYTHON=python3.13 takes that Python, in a virtual environment of its own. ARGS="…" goes to dev, test, faults, gateways and lock.'

dev: venv  ## Run the service with a PostgreSQL of its own; nothing to set up
	@exec $(BIN)/wutang-auth dev $(ARGS)

# The floor is for all of the tests; ARGS may leave some out.
test: venv  ## Run the tests; without ARGS also say which branches no test takes
	$(BIN)/pytest $(or $(ARGS),--cov)

faults: venv debian-programs  ## Kill, freeze and cut off databases and services under load; a table of what held
	$(BIN)/pytest -n 0 -m '' tests/faults tests/field/test_1_postgresql_15.py tests/field/test_2_pgbouncer.py \
		tests/service/test_mail_sender.py::test_however_many_requests_for_one_address_are_three_mails \
		tests/server/test_revocations.py::test_every_logout_at_two_instances_is_listed_soon $(ARGS)

# PgBouncer 1.18 and PostgreSQL 15 as Debian has them
debian-programs:
	@{ command -v pgbouncer && [ -x /usr/lib/postgresql/15/bin/postgres ]; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends pgbouncer postgresql-15; } >/dev/null 2>&1; } \
	|| { echo 'make faults needs PgBouncer and PostgreSQL 15. Install them: sudo apt-get install pgbouncer postgresql-15' >&2; exit 1; }

takeover: venv takeover-programs  ## Rehearse the switch from Laravel, back and forward again, under load; TAKEOVER_SECONDS=15 is quicker
	$(BIN)/pytest -n 0 -m '' -s tests/takeover $(ARGS)

include tests/takeover/takeover.mk

include tests/ha/ha.mk

include tests/upgrade/upgrade.mk

lint: venv check-locks  ## Check style, types, imports, the Dockerfile and the lock files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

format: venv  ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: benchmarks/.venv/installed benchmarks/node_modules/installed bench-before bench-programs  ## Measure it beside its peers and the limits; ARGS=--quick only tries that
	benchmarks/.venv/bin/python benchmarks/run.py $(ARGS)

include benchmarks/bench.mk

clients: venv clients/.venv/installed clients/node_modules/installed  ## Prove API and documentation with other people's tools
	clients/run.sh $(BIN)

include clients/clients.mk

include verifier/verifier.mk

include deploy/gateways/gateways.mk

include deploy/kubernetes/kubernetes.mk

include deploy/image/image.mk

include deploy/monitoring/monitoring.mk

clean:  ## Remove what the other targets made, but not the data of dev
	rm -rf .venv .venv-* benchmarks/.venv benchmarks/.venv-* benchmarks/node_modules deploy/gateways/.venv deploy/kubernetes/.venv clients/.venv clients/node_modules clients/generated build dist verifier/dist .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis .import_linter_cache
	find src tests alembic verifier -name __pycache__ -prune -exec rm -rf {} +

# -- The lock files ---------------------------------------------------------------------------------------------------

LOCKS := requirements.lock requirements-build.lock requirements-dev.lock
# Local archives and settings of this machine stay out of what is locked for all.
COMPILE = env -u UV_FIND_LINKS -u UV_CONSTRAINT -u UV_OVERRIDE $(BIN)/uv pip compile --quiet --universal \
	--generate-hashes --python-version 3.11 --no-annotate --custom-compile-command 'make $@'

lock: venv  ## Bring the lock files in line with pyproject.toml; ARGS=--upgrade takes the newest of everything
	$(COMPILE) pyproject.toml --extra embedded --extra metrics --extra mysql --extra redis --group dev $(ARGS) -o $(OUT)requirements-dev.lock
	$(COMPILE) pyproject.toml --extra metrics --extra mysql --extra redis -c $(OUT)requirements-dev.lock -o $(OUT)requirements.lock
	$(COMPILE) --group build -c $(OUT)requirements-dev.lock -o $(OUT)requirements-build.lock

# The lock files are written again in another place. The hashes are left out of the comparison, since a registry may get
# a file for one more platform at any time.
check-locks: venv
	@! grep -nE '://| @ |^-' $(LOCKS) || { echo 'A lock file holds no URL, path or option' >&2; exit 1; }
	@! grep -nE '^[^ #].*[^\]$$' $(LOCKS) || { echo 'Every requirement in a lock file has hashes' >&2; exit 1; }
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && cp $(LOCKS) "$$tmp" && $(MAKE) -s lock OUT="$$tmp/" ARGS= && \
	for lock in $(LOCKS); do diff -u -I '^    --hash=' $$lock "$$tmp/$$lock" || \
	{ echo "$$lock is not in line with pyproject.toml: run make lock" >&2; exit 1; }; done

# -- The virtual environment ------------------------------------------------------------------------------------------

venv: $(VENV)/installed  ## Make the virtual environment, as the other targets do

# One whose interpreter is gone, or that came here in a copied or moved checkout, is made anew.
ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && cat $(VENV)/locked 2>/dev/null),$(CURDIR))
$(VENV)/locked: FORCE
endif

# Made whole, never updated, so that nothing stays that is no longer locked. --no-deps, since the lock file leaves out
# what is never imported (see tool.uv in pyproject.toml).
$(VENV)/locked: requirements-dev.lock
	@set -e; python="$$($(call find,sys.executable))" || \
		{ echo "No Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python3.13" >&2; exit 1; }; \
	echo "Installing $$(grep -c == $<) packages into $(VENV), which may take a minute …"; \
	rm -rf $(VENV); \
	if command -v uv >/dev/null; then \
		uv venv --quiet --no-project --python "$$python" $(VENV); \
		uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r $<; \
	else \
		"$$python" -m venv $(VENV); \
		$(BIN)/pip --disable-pip-version-check install -qq --require-hashes --no-deps -r $<; \
	fi; \
	echo "$(CURDIR)" >$@

$(VENV)/installed: $(VENV)/locked pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
