# Other people's tools against this service. They have lock files of their own, and install nothing outside this folder but
# a browser and PHP.

.PHONY: clients lock-clients

clients: venv clients/.venv/installed clients/node_modules/installed  ## Prove the API and its documentation with others' tools
	clients/run.sh $(BIN)

clients/.venv/installed: clients/requirements.lock $(VENV)/installed
	rm -rf clients/.venv
	$(BIN)/uv venv --quiet --no-project --python $(BIN)/python clients/.venv
	$(BIN)/uv pip install --quiet --python clients/.venv/bin/python --require-hashes --no-deps -r $<
	@touch $@

clients/node_modules/installed: clients/package-lock.json clients/.npmrc
	cd clients && npm ci --silent
	@touch $@

lock-clients: venv
	$(COMPILE) clients/requirements.in $(ARGS) -o clients/requirements.lock
	cd clients && npm install --package-lock-only --silent
