# The check of deploy/kubernetes; the Makefile includes this. The schemas of the API come as a wheel, by a lock file of its own.

.PHONY: kubernetes lock-kubernetes

KUBERNETES_FILES := $(filter-out %kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml deploy/kubernetes/*/*.yaml))

kubernetes: venv deploy/kubernetes/.venv/installed  ## Compare deploy/kubernetes with the API's schemas and with the settings
	deploy/kubernetes/.venv/bin/kubernetes-validate --strict $(KUBERNETES_FILES)
	$(BIN)/pytest -n 0 -q tests/docs/test_kubernetes.py $(ARGS)

deploy/kubernetes/.venv/installed: deploy/kubernetes/requirements.lock | $(VENV)/installed
	@echo "Installing $$(grep -c == $<) packages into $(@D) …"
	@rm -rf $(@D)
	@$(BIN)/uv venv --quiet --no-project --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes --no-deps -r $<
	@touch $@

lock-kubernetes: venv
	$(COMPILE) deploy/kubernetes/requirements.in $(ARGS) -o deploy/kubernetes/requirements.lock
