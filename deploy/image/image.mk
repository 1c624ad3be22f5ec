# The image, for real; the Makefile includes this. Docker builds and runs it, or podman, which needs no daemon.
# Where no registry can be reached: `make image-base`, then `make image PYTHON_IMAGE=localhost/wutang-auth-base`.

.PHONY: image image-base image-programs

ENGINE = $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)
IMAGE := localhost/wutang-auth:trial
PYTHON_IMAGE := $(shell sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)
# without namespaces of its own a build runs in a container too; HEALTHCHECK is none of the other format's
BUILD_OPTIONS = $(if $(filter podman,$(ENGINE)),--isolation chroot --format docker)
# podman asks for more open files than a container may have, and for a systemd that asks about health
RUN_OPTIONS = $(if $(filter podman,$(ENGINE)),--ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --health-interval disable)

image: venv image-programs  ## Build the image, say what is in it, run it without rights; ARGS="…" goes to the build
	$(ENGINE) build $(BUILD_OPTIONS) --tag $(IMAGE) --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) \
		--build-arg REVISION="$$(git rev-parse HEAD)" $(ARGS) .
	mkdir -p build && $(BIN)/python deploy/image/sbom.py >build/sbom.json
	WUTANG_TEST_ENGINE=$(ENGINE) WUTANG_TEST_IMAGE=$(IMAGE) WUTANG_TEST_BASE=$(PYTHON_IMAGE) WUTANG_TEST_RUN='$(RUN_OPTIONS)' \
		$(BIN)/pytest -n 0 -m '' -s tests/image

# Debian's Python on the smallest Debian there is, which debootstrap makes from Debian's own packages
image-base: image-programs
	@command -v debootstrap >/dev/null || { echo 'make image-base needs debootstrap. Install it: sudo apt-get install debootstrap' >&2; exit 1; }
	rm -rf build/base && mkdir -p build/base
	debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates stable build/base >/dev/null
	rm -rf build/base/var/cache/apt build/base/var/lib/apt/lists
	tar -C build/base -c . | $(ENGINE) import - localhost/wutang-auth-base
	rm -rf build/base

image-programs:
	@{ docker info || command -v podman; } >/dev/null 2>&1 \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends podman runc; } >/dev/null 2>&1; } \
	|| { echo 'make image needs Docker or podman. Install one: sudo apt-get install podman' >&2; exit 1; }
