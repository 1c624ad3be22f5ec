# The benchmark; the Makefile includes this.
#
# It has two virtual environments: .venv-service is the service as it is deployed, from requirements.lock and a wheel, and
# .venv has the peers, of which one asks for an older SQLAlchemy, and what measures them. The wheel is in that one too,
# for its embedded PostgreSQL, which needs the standard library only.

.PHONY: bench-growth bench-costs bench-lock bench-programs

bench-growth: benchmarks/.venv/installed bench-programs
	benchmarks/.venv/bin/python benchmarks/growth.py $(ARGS)

bench-costs: benchmarks/.venv/installed benchmarks/node_modules/installed bench-programs
	benchmarks/.venv/bin/python benchmarks/costs.py $(ARGS)

# The load generator, and the gateway
bench-programs:
	@{ command -v wrk && command -v nginx; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends wrk nginx-light; } >/dev/null 2>&1; } \
	|| { echo 'The benchmark needs wrk and nginx. Install them: sudo apt-get install wrk nginx-light, or brew install wrk nginx' >&2; exit 1; }

benchmarks/node_modules/installed: benchmarks/package-lock.json benchmarks/.npmrc
	@command -v npm >/dev/null || { echo 'The benchmark needs Node.js 20 or newer with npm' >&2; exit 1; }
	@cd benchmarks && npm ci --silent
	@touch $@

# With pip, which compiles to bytecode as it installs: a cold start should not.
BENCH_INSTALL = --disable-pip-version-check install -qq --no-deps

benchmarks/.venv/locked: benchmarks/requirements.lock
benchmarks/.venv-service/locked: requirements.lock
benchmarks/.venv/locked benchmarks/.venv-service/locked:
	@set -e; python="$$($(call find,sys.executable))" || { echo 'No Python 3.11 or newer found' >&2; exit 1; }; \
	echo "Installing $$(grep -c == $<) packages into $(@D) …"; \
	rm -rf $(@D); "$$python" -m venv $(@D); \
	$(@D)/bin/pip $(BENCH_INSTALL) --require-hashes -r $<; \
	touch $@

benchmarks/.venv/installed: benchmarks/.venv/locked benchmarks/.venv-service/locked pyproject.toml alembic.ini \
		$(shell find src alembic verifier/src -name '*.py')
	@set -e; wheel=benchmarks/.venv-service/wheel; rm -rf $$wheel $$wheel-verifier; \
	benchmarks/.venv/bin/python -m hatchling build --target wheel --directory "$$PWD/$$wheel" >/dev/null 2>&1; \
	for environment in benchmarks/.venv benchmarks/.venv-service; do \
		$$environment/bin/pip $(BENCH_INSTALL) --no-index --force-reinstall $$wheel/*.whl; \
	done; \
	(cd verifier && ../benchmarks/.venv/bin/python -m hatchling build --target wheel --directory "$(CURDIR)/$$wheel-verifier" >/dev/null 2>&1); \
	benchmarks/.venv/bin/pip $(BENCH_INSTALL) --no-index --force-reinstall $$wheel-verifier/*.whl; \
	touch $@

# The service as it was, to see what became faster: made from the history, where there is one.
BEFORE := ba75f0d
EARLIER := benchmarks/.venv-before
.PHONY: bench-before
bench-before: benchmarks/.venv/installed
	@[ -e $(EARLIER)/installed ] || ! git cat-file -e $(BEFORE) 2>/dev/null || { set -e; \
	echo 'Installing $(BEFORE) into $(EARLIER) …'; \
	rm -rf $(EARLIER); benchmarks/.venv/bin/python -m venv $(EARLIER); mkdir $(EARLIER)/source; \
	git archive $(BEFORE) | tar -x -C $(EARLIER)/source; \
	$(EARLIER)/bin/pip $(BENCH_INSTALL) --require-hashes -r $(EARLIER)/source/requirements.lock; \
	(cd $(EARLIER)/source && ../../.venv/bin/python -m hatchling build --target wheel --directory ../wheel >/dev/null 2>&1); \
	$(EARLIER)/bin/pip $(BENCH_INSTALL) --no-index $(EARLIER)/wheel/*.whl; \
	touch $(EARLIER)/installed; }

# The versions are those of the service's own lock file, but for SQLAlchemy.
bench-lock: venv  ## Bring the lock file in line with benchmarks/requirements.in
	@set -e; constraints=$$(mktemp); trap 'rm -f "$$constraints"' EXIT; \
	sed -nE 's/^([A-Za-z0-9._-]+==[^ ;]+( ; .*)?) \\$$/\1/p' requirements-dev.lock | grep -v '^sqlalchemy==' >"$$constraints"; \
	env -u UV_FIND_LINKS -u UV_CONSTRAINT -u UV_OVERRIDE $(BIN)/uv pip compile --quiet --universal --generate-hashes \
		--python-version 3.11 --no-annotate --custom-compile-command 'make bench-lock' $(ARGS) \
		-c "$$constraints" benchmarks/requirements.in -o benchmarks/requirements.lock
	cd benchmarks && npm install --package-lock-only --silent

.PHONY: bench-quote
bench-quote:  ## Write RESULTS.md, and the figures in both READMEs, from the last run
	benchmarks/.venv/bin/python benchmarks/quote.py

# The service on each of these that is installed, in an environment of its own.
PYTHONS := 3.11 3.12 3.13 3.14
.PHONY: bench-pythons
bench-pythons: benchmarks/.venv/installed bench-programs $(PYTHONS:%=benchmarks/.venv-%/installed)
	benchmarks/.venv/bin/python benchmarks/pythons.py $(ARGS)

benchmarks/.venv-3.%/installed: PYTHON = python3.$*
benchmarks/.venv-3.%/installed: benchmarks/.venv/installed
	@set -e; python="$$($(call find,sys.executable))" || { echo 'No Python 3.$* here'; exit 0; }; \
	echo "Installing $$(grep -c == requirements.lock) packages into $(@D) …"; \
	rm -rf $(@D); "$$python" -m venv $(@D); \
	$(@D)/bin/pip $(BENCH_INSTALL) --require-hashes -r requirements.lock; \
	$(@D)/bin/pip $(BENCH_INSTALL) --no-index benchmarks/.venv-service/wheel/*.whl; \
	touch $@

.PHONY: bench-enumeration
bench-enumeration: venv  ## Measure whether the time of an answer tells who has an account
	$(BIN)/python benchmarks/enumeration.py
