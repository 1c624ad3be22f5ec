# Other people's tools; the Makefile includes this. They have lock files of their own, and install nothing outside this
# folder but what run.sh says.

.PHONY: clients lock-clients

clients/.venv/installed: clients/requirements.lock | $(VENV)/installed
	@echo "Installing $$(grep -c == $<) packages into $(@D) …"
	@rm -rf clients/.venv
	@$(BIN)/uv venv --quiet --no-project --python $(BIN)/python clients/.venv
	@$(BIN)/uv pip install --quiet --python clients/.venv/bin/python --require-hashes --no-deps -r $<
	@touch $@

clients/node_modules/installed: clients/package-lock.json clients/.npmrc
	@command -v npm >/dev/null || { echo 'make clients needs Node.js 20 or newer with npm' >&2; exit 1; }
	@echo "Installing what clients/package-lock.json lists …"
	@cd clients && npm ci --silent
	@touch $@

lock-clients: venv
	$(COMPILE) clients/requirements.in $(ARGS) -o clients/requirements.lock
	cd clients && npm install --package-lock-only --silent
