# The distribution wutang-auth-verifier; the Makefile includes this.

.PHONY: verifier

verifier: venv  ## Build the wheel of wutang-auth-verifier, into verifier/dist
	cd verifier && $(abspath $(BIN))/python -m hatchling build --target wheel
