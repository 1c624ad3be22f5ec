# Upgrades and rollbacks between versions, under load; the Makefile includes this.

.PHONY: upgrade

upgrade: venv gateway-programs  ## Upgrade and roll back under load, behind HAProxy and nginx; needs the history
	@git cat-file -e "$$(sed -n 's/^BEFORE = "\(.*\)"/\1/p' tests/upgrade/releases.py)^{commit}" \
	|| { echo 'make upgrade needs the version before, which is not in this history: git fetch --unshallow' >&2; exit 1; }
	$(BIN)/pytest -n 0 -m '' tests/upgrade $(ARGS)
