"""The service behind a gateway."""

from support.http import assert_refused, success
from support.services import Start
from support.users import add_and_log_in


async def test_the_service_works_behind_a_gateway_that_strips_a_prefix(start: Start) -> None:
    service = await start(root_path="/auth")
    login = await add_and_log_in(service)
    success(await service.client.get("/api/auth/me", headers=login.headers))
    assert_refused(await service.client.get("/api/auth/nope"), 404, 40004)
    document = (await service.client.get("/openapi.json")).json()
    assert document["servers"][0]["url"] == "/auth"
