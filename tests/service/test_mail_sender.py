"""The sender of mails: each arrives once, whatever becomes of the mail server and of the services."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from support.database import prolong_waits, query, unreachable
from support.http import success
from support.mail import Mailbox, token_in, waiting_mails
from support.services import Instance, Start, environment_of, serving
from support.smtp import MailServer, serving_mail
from support.users import NEW_PASSWORD, add_user
from wutang_auth.service.maintenance import Intervals

SOON = Intervals(mail_server_retry=0.05)
DUE = "UPDATE mails SET due_at = now()"


async def ask(client: httpx.AsyncClient, email: str = "ada@wutang.example") -> None:
    success(await client.post("/api/auth/password/reset", json={"email": email}))


async def write(service: Instance, number: int) -> None:
    """So many users, and a link to a new password for each, without the throttle."""
    await query(
        service.settings,
        "INSERT INTO users (email, canonical_email, password_hash) SELECT a, a, 'x'"
        " FROM (SELECT 'user' || n || '@wutang.example' FROM generate_series(1, $1) AS n) AS new (a)",
        number,
    )
    await query(
        service.settings,
        "INSERT INTO mails (kind, email, canonical_email, language)"
        " SELECT 'reset', email, canonical_email, 'en' FROM users",
    )


async def until(service: Instance, condition: str) -> None:
    """Until this is so of the mails that wait."""
    while not (await query(service.settings, f"SELECT {condition} FROM mails"))[0][0]:  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(0.02)


async def until_all_are_sent(service: Instance) -> None:
    await until(service, "count(*) = 0")


def at(server: MailServer, **changes: object) -> dict[str, object]:
    """The settings for this mail server."""
    return Mailbox(Path("unused")).settings(smtp_url=SecretStr(server.url), **changes)


def ours(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """What the service has logged; the mail server of the tests logs, too."""
    return [record for record in caplog.records if record.name.startswith("wutang_auth")]


async def test_mails_of_an_outage_arrive_once_each(start: Start) -> None:
    server = MailServer()
    async with serving_mail(server):
        pass  # its port is known; nobody listens there now
    services = [await start(intervals=SOON, **at(server)) for _ in range(2)]
    await write(services[0], 10)
    await ask(services[0].client)
    assert (await services[0].client.get("/readyz")).status_code == 200
    await until(services[0], "max(attempts) > 1")
    assert len(await waiting_mails(services[0].settings)) >= 10
    async with serving_mail(server):
        await until_all_are_sent(services[0])
    assert Counter(to for _, to in server.envelopes) == {f"user{n}@wutang.example": 1 for n in range(1, 11)}


async def test_services_share_what_waits(start: Start) -> None:
    server = MailServer()
    async with serving_mail(server):
        services = [await start(**at(server)) for _ in range(2)]
        await write(services[0], 30)
        await until_all_are_sent(services[0])
    assert Counter(to for _, to in server.envelopes) == {f"user{n}@wutang.example": 1 for n in range(1, 31)}


async def test_a_mail_that_is_refused_for_now_keeps_no_other_waiting_and_comes_later(start: Start) -> None:
    async def refuse(recipient: str) -> str:
        refused.append(recipient)
        return "451 4.7.1 later" if recipient == "user1@wutang.example" and len(set(refused)) < 5 else "250 OK"

    refused: list[str] = []
    server = MailServer(at_recipient=refuse)
    async with serving_mail(server):
        service = await start(**at(server))
        await write(service, 5)
        await until(service, "count(*) = 1 AND max(due_at) < now() + interval '11 s'")
        [[attempts, wait]] = await query(
            service.settings, "SELECT attempts, extract(epoch FROM due_at - now())::float8 FROM mails"
        )
        assert attempts == 1
        assert 0 < wait <= 10
        await query(service.settings, DUE)
        await until_all_are_sent(service)
    assert Counter(to for _, to in server.envelopes) == {f"user{n}@wutang.example": 1 for n in range(1, 6)}


async def test_a_refused_recipient_is_given_up_at_once(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(recipient: str) -> str:
        return "550 5.1.1 unknown" if recipient == "user1@wutang.example" else "250 OK"

    server = MailServer(at_recipient=refuse)
    with caplog.at_level("INFO", "wutang_auth.audit"):
        async with serving_mail(server):
            service = await start(**at(server))
            await write(service, 2)
            await until_all_are_sent(service)
    events = {record.fields["event"]: record.fields["reason"] for record in ours(caplog)}
    assert events == {"mail_refused": "reset: the mail server answers 550 5.1.1", "mail_sent": "reset"}
    assert "user1" not in caplog.text


async def test_what_could_not_be_sent_for_a_day_is_given_up(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(_recipient: str) -> str:
        return "451 later"

    server = MailServer(at_recipient=refuse)
    async with serving_mail(server):
        service = await start(**at(server))
        await write(service, 1)
        await until(service, "max(attempts) = 1 AND max(due_at) < now() + interval '11 s'")
        with caplog.at_level("INFO", "wutang_auth.audit"):
            await query(service.settings, f"{DUE}, created_at = now() - interval '25 hours'")
            await until_all_are_sent(service)
    assert [record.message for record in ours(caplog)] == ["mail_given_up"]


async def test_an_outage_of_the_mail_server_is_one_line(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    server = MailServer()
    async with serving_mail(server):
        pass
    with caplog.at_level("INFO", "wutang_auth.service"):
        service = await start(intervals=SOON, **at(server))
        await write(service, 3)
        await until(service, "max(attempts) > 2")
        async with serving_mail(server):
            await until_all_are_sent(service)
    assert [record.message for record in ours(caplog)] == [
        "mails wait: the mail server cannot be reached", "mails are sent again",
    ]  # fmt: skip


async def test_an_outage_of_the_database_stops_no_sender(start: Start) -> None:
    server = MailServer()
    async with serving_mail(server):
        service = await start(**at(server))
        async with unreachable(service.settings):
            await asyncio.sleep(0.5)
        await write(service, 3)
        await until_all_are_sent(service)
    assert len(server.messages) == 3


async def test_no_more_than_so_many_mails_leave_in_a_minute(start: Start) -> None:
    server = MailServer()
    async with serving_mail(server):
        service = await start(**at(server, mail_per_minute=4))
        await write(service, 6)
        await until(service, "count(*) <= 2")
        await asyncio.sleep(0.5)
        assert len(server.messages) == 4
        assert len(await waiting_mails(service.settings)) == 2


async def ask_in_turn(service: Instance, *emails: str) -> None:
    """A request for a new password from each of these, in this order, without the throttle."""
    await query(
        service.settings,
        "INSERT INTO mails (kind, email, canonical_email, language, due_at)"
        " SELECT 'reset', email, email, 'en', now() - interval '1 minute' + place * interval '1 ms'"
        " FROM unnest($1::text[]) WITH ORDINALITY AS asked (email, place)",
        list(emails),
    )


async def test_mails_to_nobody_count_as_those_of_a_minute(start: Start) -> None:
    server = MailServer()
    async with serving_mail(server):
        service = await start(**at(server, mail_per_minute=4))
        await add_user(service.settings)
        await ask_in_turn(service, *(f"nobody{n}@wutang.example" for n in range(4)), "ada@wutang.example")
        await until(service, "count(*) = 1")
        await asyncio.sleep(0.5)
        assert await waiting_mails(service.settings) == ["reset"]
    assert server.messages == []


async def test_a_mail_to_nobody_takes_as_long_as_one_that_is_sent(start: Start) -> None:
    async def take_time(_recipient: str) -> str:
        came.append(asyncio.get_running_loop().time())
        await asyncio.sleep(seconds)
        return "250 OK"

    came: list[float] = []
    seconds = 0.3
    server = MailServer(at_data=take_time)
    async with serving_mail(server):
        service = await start(**at(server))
        await add_user(service.settings)
        await ask_in_turn(service, "ada@wutang.example", "nobody@wutang.example", "ada@wutang.example")
        await until_all_are_sent(service)
    [first, second] = came
    assert second - first >= 2 * seconds


async def test_without_the_mail_server_mails_to_nobody_wait_too(start: Start) -> None:
    server = MailServer()
    async with serving_mail(server):
        pass  # its port is known; nobody listens there now
    service = await start(intervals=SOON, **at(server))
    await ask_in_turn(service, "nobody@wutang.example")
    await until(service, "max(attempts) > 1")
    async with serving_mail(server):
        await until_all_are_sent(service)
    assert server.messages == []


async def test_a_change_that_was_withdrawn_is_not_mailed(start: Start, mailbox: Mailbox) -> None:
    service = await start(**mailbox.settings())
    ada = await add_user(service.settings)
    await query(
        service.settings,
        "INSERT INTO mails (kind, email, canonical_email, user_id, other_email, language)"
        " VALUES ('email_change', 'new@x.example', 'new@x.example', $1, 'former@wutang.example', 'en')",
        ada.id,
    )
    assert await mailbox.all(service) == []


@pytest.mark.parametrize("when", ["between claim and sending", "between the server's answer and the deletion"])
async def test_a_killed_sender_loses_no_mail(start: Start, tmp_path: Path, when: str) -> None:
    async def kill(_recipient: str) -> str:
        if pids:
            os.kill(pids.pop(), signal.SIGKILL)
        return "250 OK"

    server = MailServer(at_recipient=kill) if when == "between claim and sending" else MailServer(at_data=kill)
    pids: list[int] = []
    async with serving_mail(server):
        service = await start()
        settings = at(server)
        settings["smtp_url"] = server.url
        environment = environment_of(
            service.settings.database_url.get_secret_value(), service.settings.keys_file, **settings
        )
        await add_user(service.settings)
        async with serving(environment, tmp_path / "log") as process:
            pids.append(process.process.pid)
            async with process.client() as client:
                await ask(client)
            assert await process.process.wait() == -signal.SIGKILL
        assert await waiting_mails(service.settings) == ["reset"]
        await query(service.settings, DUE)  # as if the lease of the killed one were over
        other = await start(**at(server))
        await until_all_are_sent(other)
    expected = 1 if when == "between claim and sending" else 2
    assert len(server.messages) == expected
    assert len({message["Message-ID"] for message in server.messages}) == 1
    tokens = [token_in(message, "reset") for message in server.messages]
    assert len(set(tokens)) == expected
    statuses = []
    for number, token in enumerate([*tokens, *tokens]):
        body = {"token": token, "password": f"{NEW_PASSWORD} {number}"}
        statuses.append((await other.client.put("/api/auth/password/reset", json=body)).status_code)
    assert statuses == [200] + [409] * (2 * expected - 1)


@pytest.mark.parametrize("dozens", [20, pytest.param(834, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_however_many_requests_for_one_address_are_three_mails(
    start: Start, mailbox: Mailbox, dozens: int
) -> None:
    service = await start(**mailbox.settings())
    await add_user(service.settings)
    statuses: Counter[int] = Counter()
    for _ in range(dozens):
        requests = (
            service.client.post("/api/auth/password/reset", json={"email": "ada@wutang.example"}) for _ in range(12)
        )
        statuses.update(response.status_code for response in await asyncio.gather(*requests))
        await prolong_waits(service.settings)  # 10,000 take longer than the first wait of a minute
    assert statuses == {200: 3, 429: 12 * dozens - 3}
    assert len(await mailbox.all(service)) == 3
