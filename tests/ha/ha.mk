# What `make ha` needs beside Python, as Debian has it.

.PHONY: ha ha-programs

# It takes some eleven minutes; `timeout` ends it where something hangs.
ha: venv ha-programs  ## Switch over, kill, freeze and cut off Patroni, etcd, PgBouncer, HAProxy and nginx under load; a table
	timeout --foreground -s INT -k 60 960 $(BIN)/pytest -n 0 -m '' tests/ha $(ARGS)

ha-programs:
	@PATH="$$PATH:/usr/sbin"; { command -v patroni && command -v etcd && command -v psql && command -v pgbouncer && command -v haproxy \
		&& command -v nginx && command -v prometheus && command -v curl && command -v openssl && [ -x /usr/lib/postgresql/15/bin/postgres ]; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends \
		patroni python3-etcd etcd-server postgresql-15 pgbouncer haproxy nginx prometheus curl openssl; } >/dev/null 2>&1; } \
	|| { echo 'make ha needs Patroni, etcd, PostgreSQL 15, PgBouncer, HAProxy, nginx and Prometheus. Install them: sudo apt-get install patroni python3-etcd etcd-server postgresql-15 pgbouncer haproxy nginx prometheus curl openssl' >&2; exit 1; }
