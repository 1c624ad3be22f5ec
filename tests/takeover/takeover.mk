# What `make takeover` needs beside Python: the programs of a shop, as Debian has them.

.PHONY: takeover takeover-programs

takeover-programs:
	@PATH="$$PATH:/usr/sbin"; { command -v nginx && command -v mariadbd && command -v redis-server; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends nginx mariadb-server redis-server; } >/dev/null 2>&1; } \
	|| { echo 'make takeover needs nginx, MariaDB and Redis. Install them: sudo apt-get install nginx mariadb-server redis-server' >&2; exit 1; }
