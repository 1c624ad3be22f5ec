"""What is counted, over HTTP and at the port that Prometheus asks."""

import asyncio
import platform
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from pydantic import SecretStr

import wutang_auth
from support.database import let_time_pass, query, url_of
from support.http import success
from support.mail import Mailbox
from support.metrics import FIRST_PORT, Numbers, metrics_urls, scrape
from support.services import Instance, running
from support.tokens import bearer
from support.users import CREDENTIALS, add_and_log_in, add_user, administrator, log_in, token_pair
from wutang_auth.audit import REASONS, Event
from wutang_auth.database import REVISION
from wutang_auth.service.maintenance import Intervals
from wutang_auth.settings import Settings

WRONG = {**CREDENTIALS, "password": "wrong"}


class Measured:
    """A service that shows metrics."""

    def __init__(self, instance: Instance, url: str) -> None:
        self.instance = instance
        self.client = instance.client
        self.settings = instance.settings
        self.url = url

    async def numbers(self) -> Numbers:
        return await scrape(self.url)

    async def until(self, name: str, expected: float) -> None:
        while (await self.numbers()).value(name) != expected:  # noqa: ASYNC110 -- it calls nobody
            await asyncio.sleep(0.02)


StartMeasured = Callable[..., Awaitable[Measured]]


@pytest.fixture
async def measure(settings: Settings) -> AsyncIterator[StartMeasured]:
    """Start services with metrics on this test's database: `await measure(hash_queue=0)`."""
    async with AsyncExitStack() as stack:
        urls = stack.enter_context(metrics_urls())

        async def measure(*, intervals: Intervals = Intervals(), **changes: Any) -> Measured:
            changed = settings.model_copy(update={"metrics_port": FIRST_PORT, **changes})
            instance = await stack.enter_async_context(running(changed, intervals=intervals))
            return Measured(instance, urls()[-1])

        yield measure


async def test_every_audit_event_is_there_from_the_start_with_each_of_its_reasons(measure: StartMeasured) -> None:
    numbers = await (await measure()).numbers()
    shown = {(labels["event"], labels["reason"]) for labels, _ in numbers.samples("wutang_audit_events_total")}
    assert {event for event, _ in shown} == set(get_args(Event))
    assert shown == {(event, reason or "") for event in get_args(Event) for reason in REASONS.get(event, [None])}
    assert numbers.value("wutang_audit_events_total") == 0


async def test_audit_events_are_counted_by_their_reasons(measure: StartMeasured) -> None:
    service = await measure()
    login = await add_and_log_in(service.instance)
    await service.client.post("/api/auth/login", json=WRONG)
    await service.client.post("/api/auth/login", json={**WRONG, "email": "nobody@wutang.example"})
    new = token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))
    success(await service.client.get("/api/auth/me", headers=new.headers))
    await let_time_pass(service.settings, 60)
    await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token))
    await service.client.get("/api/auth/me")
    numbers = await service.numbers()
    counted = {
        (labels["event"], labels["reason"]): value
        for labels, value in numbers.samples("wutang_audit_events_total")
        if value
    }
    assert counted == {
        ("login", ""): 1,
        ("login_failed", "wrong password"): 1,
        ("login_failed", "unknown e-mail"): 1,
        ("refresh", ""): 1,
        ("theft", "refresh token reused"): 1,
        ("access_refused", "replaced"): 1,
        ("access_refused", "no token"): 1,  # which is logged at `debug` only
    }


async def test_a_request_is_counted_by_method_route_and_status(measure: StartMeasured) -> None:
    service = await measure()
    root = await administrator(service.instance)
    client = service.client
    for path in ("/api/users/1", "/api/users/2", "/api/auth/me", "/api/auth/verify/any/path", "/nowhere", "/nowhere/x"):
        await client.get(path, headers=root.headers)
    await client.head("/api/auth/me", headers=root.headers)
    await client.post("/api/auth/me", headers=root.headers)
    await client.request("BREW", "/api/auth/me")
    numbers = await service.numbers()
    names = ("http_request_method", "http_route", "http_response_status_code")
    counted = {
        tuple(labels[name] for name in names): value
        for labels, value in numbers.samples("http_server_request_duration_seconds_count")
    }
    assert counted == {
        ("POST", "/api/auth/login", "200"): 1,
        ("GET", "/api/users/{id}", "200"): 1,
        ("GET", "/api/users/{id}", "404"): 1,
        ("GET", "/api/auth/me", "200"): 1,
        ("GET", "/api/auth/verify", "200"): 1,
        ("GET", "", "404"): 2,
        ("HEAD", "/api/auth/me", "200"): 1,
        ("POST", "/api/auth/me", "405"): 1,
        ("_OTHER", "/api/auth/me", "405"): 1,
    }
    assert 0 < numbers.value("http_server_request_duration_seconds_sum", http_route="/api/auth/login") < 60


async def test_no_label_tells_of_a_user_or_a_client(measure: StartMeasured) -> None:
    service = await measure()
    login = await add_and_log_in(service.instance, "grace@wutang.example")
    success(await service.client.get("/api/auth/me", headers={**login.headers, "X-Forwarded-For": "192.0.2.7"}))
    await service.client.get("/api/users?email=grace@wutang.example", headers=login.headers)
    await service.client.delete(f"/api/auth/sessions/{login.session_id}", headers=login.headers)
    text = (await service.numbers()).text
    for private in ("grace", "wutang.example", "127.0.0.1", "192.0.2.7", str(login.session_id)):
        assert private not in text


async def test_hashes_are_counted_by_outcome_and_those_refused_too(measure: StartMeasured) -> None:
    service = await measure(hash_workers=1, hash_queue=2)
    root = await administrator(service.instance)
    await service.client.post("/api/auth/login", json=WRONG)
    new = {"email": "grace@wutang.example", "password": "seven small violet umbrellas"}
    success(await service.client.post("/api/users", json=new, headers=root.headers), 201)
    statuses = [
        answer.status_code
        for answer in await asyncio.gather(*(service.client.post("/api/auth/login", json=WRONG) for _ in range(12)))
    ]
    numbers = await service.numbers()
    assert statuses.count(503) == numbers.value("wutang_hash_refused_total", outcome="queue full") > 0
    assert numbers.value("wutang_hash_seconds_count", outcome="hashed") == 1
    assert numbers.value("wutang_hash_seconds_count", outcome="matched") == 1
    # those of the calibration too
    assert numbers.value("wutang_hash_seconds_count", outcome="unmatched") >= 1 + statuses.count(401)
    assert numbers.value("wutang_hash_queue") == 0


async def test_connections_and_the_wait_for_them_are_shown(measure: StartMeasured) -> None:
    service = await measure()
    await add_and_log_in(service.instance)
    numbers = await service.numbers()
    assert numbers.value("wutang_db_connections", pool="requests", state="idle") >= 1
    assert numbers.value("wutang_db_connections", pool="counters", state="idle") == 1
    assert numbers.value("wutang_db_connections", state="in use") == 0
    assert numbers.value("wutang_db_wait_seconds_count", pool="requests") >= 2
    assert numbers.value("wutang_db_wait_seconds_count", pool="counters") == 2
    assert numbers.value("wutang_db_errors_total") == 0


async def test_errors_of_the_database_are_counted_by_kind(measure: StartMeasured) -> None:
    service = await measure(db_pool_size=1, db_pool_timeout=0.05, db_grouped_reads=False)
    login = await add_and_log_in(service.instance)
    await query(service.settings, "ALTER TABLE sessions RENAME TO elsewhere")
    assert (await service.client.get("/api/auth/me", headers=login.headers)).status_code == 503
    assert (await service.numbers()).value("wutang_db_errors_total", kind="misconfigured") == 1
    away = await measure(database_url=SecretStr("postgresql://u:p@127.0.0.1:1/db"))
    assert (await away.client.get("/api/auth/me", headers=login.headers)).status_code == 503
    numbers = await away.numbers()
    assert numbers.value("wutang_db_errors_total", kind="connect") > 0
    assert numbers.value("wutang_db_errors_total", kind="misconfigured") == 0


async def test_what_had_to_wait_is_counted(measure: StartMeasured, mailbox: Mailbox) -> None:
    service = await measure(throttle_account_failures=1, throttle_address_failures=3, **mailbox.settings())
    await add_user(service.settings)

    async def refused(path: str, **body: str) -> bool:
        return (await service.client.post(path, json=body)).status_code == 429

    by_account = sum([await refused("/api/auth/login", **WRONG) for _ in range(2)])
    by_address = sum([
        await refused("/api/auth/login", email=f"{number}@wutang.example", password="wrong") for number in range(4)
    ])  # fmt: skip
    by_recipient = sum([await refused("/api/auth/password/reset", email="ada@wutang.example") for _ in range(6)])
    numbers = await service.numbers()
    counted = {by: numbers.value("wutang_throttled_total", by=by) for by in ("account", "address", "recipient")}
    assert counted == {"account": by_account, "address": by_address, "recipient": by_recipient}
    assert all(counted.values())


async def test_mails_are_counted_while_they_wait_and_only_where_mail_is_on(
    measure: StartMeasured, mailbox: Mailbox
) -> None:
    off = await (await measure()).numbers()
    assert "wutang_mail" not in off.text
    service = await measure(**mailbox.settings())
    assert (await service.numbers()).samples("wutang_mails") == [({}, 0)]
    await query(
        service.settings,
        "INSERT INTO mails (kind, email, canonical_email, language, created_at, due_at) "
        "SELECT 'reset', 'a@b.example', 'a@b.example', 'en', now() - interval '1 hour', now() + interval '1 hour' "
        "FROM generate_series(1, 3)",
    )
    numbers = await service.numbers()
    assert numbers.value("wutang_mails") == 3
    assert 3600 <= numbers.value("wutang_mail_oldest_seconds") < 3660


async def test_without_its_database_the_rest_is_shown_all_the_same(measure: StartMeasured, mailbox: Mailbox) -> None:
    dead = "postgresql://u:p@127.0.0.1:1/db"
    service = await measure(database_url=SecretStr(dead), **mailbox.settings())
    numbers = await service.numbers()
    assert numbers.samples("wutang_mails") == []
    assert numbers.value("wutang_build_info") == 1


async def test_keys_have_an_age_and_a_ring_that_cannot_be_used_is_counted(
    measure: StartMeasured, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    shutil.copy(settings.keys_file, path)
    service = await measure(keys_file=path, intervals=Intervals(key_file=0.02))
    numbers = await service.numbers()
    assert numbers.labels("wutang_key_age_seconds", "state") == {"active", "next"}
    assert numbers.labels("wutang_key_age_seconds", "use") == {"sig", "enc"}
    assert 0 <= numbers.value("wutang_key_age_seconds", state="active") < 3600
    assert numbers.value("wutang_key_ring_errors_total") == 0
    path.write_text("{}")
    await service.until("wutang_key_ring_errors_total", 1)


async def test_what_runs_is_shown(measure: StartMeasured) -> None:
    numbers = await (await measure()).numbers()
    about = {"version": wutang_auth.__version__, "revision": REVISION, "python": platform.python_version()}
    assert numbers.samples("wutang_build_info") == [(about, 1)]
    assert numbers.value("process_resident_memory_bytes") > 0


async def test_the_public_port_never_shows_metrics(measure: StartMeasured) -> None:
    service = await measure()
    assert (await service.client.get("/metrics")).status_code == 404


async def test_other_services_in_the_same_process_take_the_next_ports(measure: StartMeasured) -> None:
    first, second = await measure(), await measure()
    await log_in_once(first)
    assert first.url != second.url
    for service, requests in ((first, 1), (second, 0)):
        numbers = await service.numbers()
        assert numbers.value("http_server_request_duration_seconds_count") == requests


async def log_in_once(service: Measured) -> None:
    await add_user(url_of(service.settings))
    await log_in(service.client)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metricsx", 404),
        ("GET", "/metrics?x=1", 200),
        ("POST", "/metrics", 405),
        ("HEAD", "/metrics", 405),
    ],
)
async def test_the_port_answers_get_metrics_only(measure: StartMeasured, method: str, path: str, status: int) -> None:
    service = await measure()
    async with httpx.AsyncClient(base_url=service.url.removesuffix("/metrics")) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"GET\r\n\r\n", b"\xff\x00 /metrics\r\n\r\n", b"x" * 20_000])
async def test_what_is_no_request_for_metrics_gets_none(measure: StartMeasured, sent: bytes) -> None:
    service = await measure()
    host, port = service.url.removeprefix("http://").removesuffix("/metrics").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        answer = await reader.read()
    except ConnectionError:  # closed before all of it was read
        answer = b""
    writer.close()
    assert not answer.startswith(b"HTTP/1.1 200")
    assert (await service.numbers()).value("wutang_build_info") == 1
