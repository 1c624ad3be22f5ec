# One image for the service and for its one-off commands: the program is the entrypoint, `serve` its default arguments.
#   docker run … IMAGE            docker run … IMAGE migrate            docker run … IMAGE keys list
# Pin the base by digest with --build-arg PYTHON_IMAGE=docker.io/library/python@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The dependencies change less often than the source: a layer of their own. --no-deps, since the lock file leaves out what
# is never imported.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --no-deps -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/wutang-auth \
    && /opt/build/bin/pip --python /opt/wutang-auth/bin/python install --require-hashes --no-deps -r requirements.lock

# Nobody debugs libraries in the image, runs their own tests or has another database: half of what they take would be for that.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/* \
    && find /opt/wutang-auth -name '*.so' -exec strip --strip-unneeded {} + \
    && find /opt/wutang-auth -type d \( -name tests -o -name testing -o -path '*/dialects/m*sql' -o -path '*/dialects/oracle' \) \
        -prune -exec rm -rf {} + \
    && find /opt/wutang-auth -regex '.*\.\(pyi\|pyx\|pxd\|c\|h\)' -delete

COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY alembic alembic
COPY src src
RUN /opt/build/bin/python -m hatchling build --target wheel --directory dist \
    && /opt/build/bin/pip --python /opt/wutang-auth/bin/python install --no-index --no-deps dist/*.whl


FROM ${PYTHON_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="wutang-auth" \
      org.opencontainers.image.description="JWT authentication microservice on FastAPI and PostgreSQL" \
      org.opencontainers.image.revision="${REVISION}"

# A volume mounted at /keys starts as this directory is: the service's own, and nobody else's to read.
RUN groupadd --gid 10001 wutang \
    && useradd --no-log-init --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin wutang \
    && install -d -o 10001 -g 10001 -m 0700 /keys
COPY --from=build /opt/wutang-auth /opt/wutang-auth
ENV PATH=/opt/wutang-auth/bin:$PATH

# The base image comes without bytecode, and with a read-only root it could not be kept at run time. This compiles what
# the service and its migrations import, and shows that it imports.
RUN python -c "import http.client, uvicorn, uvloop, httptools, wutang_auth.cli, wutang_auth.main" \
    && python -c "import alembic.command, sqlalchemy.dialects.postgresql.asyncpg, sqlalchemy.ext.asyncio, wutang_auth.models"
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# What a hash of a password took is given back at once. Without it glibc keeps it for each thread: 130 MiB after a storm of
# logins instead of 92.
ENV MALLOC_MMAP_THRESHOLD_=1048576

USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# healthz, not readyz: an unhealthy container gets restarted, and that does not bring a lost database back. Load balancers
# ask readyz. http.client, not urllib: it goes through no proxy of the environment.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["python", "-I", "-S", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["wutang-auth"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
