import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from support.http import assert_refused
from support.services import Instance
from support.users import add_user, log_in
from wutang_auth.context import RequestContext, request_context
from wutang_auth.errors import Overloaded
from wutang_auth.passwords.workers import Passwords


async def test_a_full_queue_is_answered_at_once_and_counts_no_failure(
    start: Callable[..., Awaitable[Instance]],
) -> None:
    service = await start(hash_workers=1, hash_queue=1, throttle_account_failures=100)
    await add_user(service.settings)

    async def attempt() -> int:
        response = await service.client.post("/api/auth/login", json={"email": "ada@wutang.example", "password": "x"})
        if response.status_code == 503:
            assert_refused(response, 503, 50001)
            assert int(response.headers["retry-after"]) >= 1
        return response.status_code

    statuses = await asyncio.gather(*(attempt() for _ in range(20)))
    assert set(statuses) == {401, 503}
    await log_in(service.client)


async def test_a_client_that_went_away_leaves_the_queue() -> None:
    passwords = Passwords(workers=1, queue=1)
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait_for_a_client_that_leaves() -> None:
        request_context.set(RequestContext(client_gone=gone))
        await passwords.hash("second")

    first = asyncio.create_task(passwords.hash("first"))
    await asyncio.sleep(0)
    second = asyncio.create_task(wait_for_a_client_that_leaves())
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        passwords.ensure_room()
    gone.set_result(None)
    with pytest.raises(Overloaded):
        await second
    passwords.ensure_room()
    third = asyncio.create_task(passwords.hash("third"))
    await asyncio.gather(first, third)
    passwords.close()


async def test_a_cancelled_wait_frees_its_place() -> None:
    passwords = Passwords(workers=1, queue=1)
    tasks = [asyncio.create_task(passwords.hash(text)) for text in ("first", "second")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[1]
    await asyncio.gather(tasks[0], passwords.hash("third"))
    passwords.close()


def test_a_hash_that_ends_after_the_server_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    passwords = Passwords(workers=1, queue=1)

    async def stop_meanwhile() -> None:
        asyncio.create_task(passwords.hash("late"))  # noqa: RUF006 -- the end of the loop cancels it
        await asyncio.sleep(0)

    server = threading.Thread(target=lambda: asyncio.run(stop_meanwhile()))
    server.start()
    server.join()
    passwords.close()
    for thread in threading.enumerate():
        if thread.name.startswith("hash"):
            thread.join()
    assert caplog.records == []
