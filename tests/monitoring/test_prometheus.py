"""A real Prometheus with the configuration of deploy/monitoring scrapes two workers; `make monitoring` runs it."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import yaml

from support.metrics import FIRST_PORT, urls_of_workers
from support.services import environment_of, serving
from support.users import CREDENTIALS, add_user, log_in
from wutang_auth.audit import Event

pytestmark = pytest.mark.long

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text("utf-8"))


class Prometheus:
    """Asks a Prometheus."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression gives now."""
        answer = (await self._client.get("/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def alerts(self) -> set[str]:
        """The alerts that are raised or about to be."""
        answer = (await self._client.get("/api/v1/alerts")).json()
        return {alert["labels"]["alertname"] for alert in answer["data"]["alerts"]}


@asynccontextmanager
async def prometheus(directory: Path, targets: list[str]) -> AsyncIterator[Prometheus]:
    """Debian's, with our configuration but for its addresses and a shorter interval."""
    configuration = (FOLDER / "prometheus.yaml").read_text("utf-8").replace("15s", "1s")
    configuration = re.sub(r"targets: .*", f"targets: {json.dumps(targets)}", configuration)
    (directory / "prometheus.yaml").write_text(configuration)
    shutil.copy(FOLDER / "alerts.yaml", directory)
    program = shutil.which("prometheus")
    assert program is not None, "Prometheus is not installed; `make monitoring` installs it"
    address = "127.0.0.1:39090"
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "--config.file=prometheus.yaml", "--storage.tsdb.path=data", f"--web.listen-address={address}",
            cwd=directory, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            while not await _is_ready(client):  # noqa: ASYNC110 -- another program's, which calls nobody
                await asyncio.sleep(0.2)
            yield Prometheus(client)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def test_prometheus_reads_two_workers_and_every_query_has_an_answer(
    database_url: str, keys_file: Path, tmp_path: Path
) -> None:
    await add_user(database_url)
    environment = environment_of(
        database_url, keys_file, metrics_port=FIRST_PORT, hash_workers=1,
        smtp_url=f"file://{tmp_path}/mails", mail_from="no-reply@shop.example", public_url="https://shop.example",
    )  # fmt: skip
    log = tmp_path / "service.log"
    async with serving(environment, log, "--workers", "2") as service:
        urls = await urls_of_workers(log, 2)
        targets = [url.removeprefix("http://").removesuffix("/metrics") for url in urls]
        async with prometheus(tmp_path, targets) as asked, service.client() as client:
            await until(asked, 'sum(up{job="wutang-auth"})', "2")
            login = await log_in(client)
            for _ in range(4):
                await client.post("/api/auth/login", json={**CREDENTIALS, "password": "wrong"})
                await client.get("/api/auth/me", headers=login.headers)
                await client.get("/api/auth/me")
                await client.get("/nowhere")
                await asyncio.sleep(1)
            await until(asked, 'sum(wutang_audit_events_total{event="login"})', "1")
            events = {series["metric"]["event"] for series in await asked.query("wutang_audit_events_total")}
            assert events == set(get_args(Event))
            for rule in RULES:
                await asked.query(rule["expr"])
            queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
            silent = [query for query in queries if not await asked.query(query.replace("$__rate_interval", "1m"))]
            assert silent == []
            assert await asked.alerts() == set()
            service.kill()
            await until(asked, 'sum(up{job="wutang-auth"})', "0")
            while "WorkerDown" not in await asked.alerts():  # noqa: ASYNC110 -- another program's, which calls nobody
                await asyncio.sleep(0.2)


async def until(asked: Prometheus, expression: str, expected: str) -> None:
    """Wait for a value, as long as the test may take."""
    while [series["value"][1] for series in await asked.query(expression)] != [expected]:  # noqa: ASYNC110 -- as above
        await asyncio.sleep(0.2)


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:  # it does not listen yet
        return False
