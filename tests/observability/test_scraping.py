"""The ports of workers, and a service without them."""

import subprocess
import sys
from pathlib import Path

import httpx

from support.metrics import FIRST_PORT, scrape, urls_of_workers
from support.services import Instance, environment_of, serving
from support.users import add_user, log_in

PROGRAM = """
import asyncio, sys
from wutang_auth.main import create_app
app = create_app()

async def start():
    async with app.router.lifespan_context(app):
        pass

asyncio.run(start())
found = {
    "prometheus_client", "wutang_auth.observability.metrics", "wutang_auth.observability.scraping",
    "wutang_auth.service.monitoring", "wutang_auth.api.middleware.metrics", "opentelemetry.sdk",
    "wutang_auth.database.traced", "wutang_auth.passwords.traced",
}
print(*sorted(found & sys.modules.keys()))
"""
WITHOUT_THE_PACKAGE = f"""
import sys
sys.modules["prometheus_client"] = None
{PROGRAM}
"""


def start(program: str, service: Instance, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = environment_of(
        service.settings.database_url.get_secret_value(), service.settings.keys_file, **settings
    )
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)


def test_without_a_port_nothing_of_it_is_imported(service: Instance) -> None:
    done = start(PROGRAM, service)
    assert (done.returncode, done.stdout.split()) == (0, [])


def test_without_the_package_a_port_is_refused_in_one_line(service: Instance) -> None:
    done = start(WITHOUT_THE_PACKAGE, service, metrics_port=FIRST_PORT)
    assert done.returncode == 1
    assert done.stderr == (
        "wutang-auth: WUTANG_METRICS_PORT: needs prometheus-client, which is not installed: "
        "pip install 'wutang-auth[metrics]'\n"
    )


async def test_each_worker_has_a_port_of_its_own(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    await add_user(environment["WUTANG_DATABASE_URL"])
    environment |= {"WUTANG_METRICS_PORT": str(FIRST_PORT)}
    async with serving(environment, log, "--workers", "2") as process:
        urls = await urls_of_workers(log, 2)
        async with process.client() as client:
            for _ in range(10):
                await log_in(client)
        first, second = urls
        numbers = [await scrape(url) for url in (first, second)]
        assert sum(each.value("wutang_audit_events_total", event="login") for each in numbers) == 10
        assert await process.terminate() == 0


async def test_a_worker_without_a_port_serves_all_the_same(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment |= {"WUTANG_METRICS_PORT": "65535", "WUTANG_METRICS_HOST": "192.0.2.1"}
    async with serving(environment, log) as process, httpx.AsyncClient(base_url=process.base_url) as client:
        assert (await client.get("/readyz")).status_code == 200
    [line] = [line for line in log.read_text().splitlines() if "metrics" in line]
    assert line.endswith(
        "no metrics: cannot listen on 192.0.2.1 from port 65535 on: Cannot assign requested address; "
        "change WUTANG_METRICS_HOST or WUTANG_METRICS_PORT"
    )
