import asyncio

from support import PASSWORD, Instance, add_user, assert_refused, log_in, query, success


async def test_a_burst_is_counted_exactly_and_hashed_only_as_far_as_free(service: Instance) -> None:
    await add_user(service.settings)

    async def attempt() -> int:
        wrong = {"email": "ada@wutang.example", "password": "wrong"}
        return (await service.client.post("/api/auth/login", json=wrong)).status_code

    statuses = await asyncio.gather(*(attempt() for _ in range(60)))
    assert sorted(set(statuses)) == [401, 429]
    assert statuses.count(401) == service.settings.throttle_account_free
    rows = await query(service.settings, "SELECT attempts, failures FROM attempts ORDER BY failures")
    assert [tuple(row) for row in rows] == [(60, 10), (60, 60)]


async def test_a_throttled_login_says_when_to_come_back(service: Instance) -> None:
    await add_user(service.settings)
    wrong = {"email": "ada@wutang.example", "password": "wrong"}
    for _ in range(10):
        assert_refused(await service.client.post("/api/auth/login", json=wrong), 401, 10003)
    response = await service.client.post("/api/auth/login", json={**wrong, "password": PASSWORD})
    assert_refused(response, 429, 40001)
    assert int(response.headers["retry-after"]) == 1
    await asyncio.sleep(1.1)
    await log_in(service.client)
    assert_refused(await service.client.post("/api/auth/login", json=wrong), 401, 10003)
