# Alerts and dashboard against a real Prometheus, for `make monitoring`; the Makefile includes this.

.PHONY: monitoring monitoring-programs

monitoring: venv monitoring-programs  ## Check the alerts with promtool, and have a real Prometheus scrape two workers
	promtool check config deploy/monitoring/prometheus.yaml
	promtool check rules deploy/monitoring/alerts.yaml
	promtool test rules deploy/monitoring/alerts_test.yaml
	$(BIN)/pytest -n 0 -m '' tests/monitoring $(ARGS)

monitoring-programs:
	@{ command -v prometheus && command -v promtool; } >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && { apt-get update -qq && apt-get install -qq -y --no-install-recommends prometheus; } >/dev/null 2>&1; } \
	|| { echo 'make monitoring needs Prometheus and promtool. Install them: sudo apt-get install prometheus' >&2; exit 1; }
