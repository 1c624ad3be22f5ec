"""One user over HTTP."""

from support.http import assert_refused, success
from support.services import Instance
from support.users import READER, add_user, administrator, me


async def test_user_is_told_as_that_user_is_told(service: Instance) -> None:
    reader = await administrator(service, READER)
    response = await service.client.get(f"/api/users/{reader.user_id}", headers=reader.headers)
    assert success(response) == success(await me(service, reader))
    assert response.headers["cache-control"] == "no-store"


async def test_any_user_is_shown_to_a_reader(service: Instance) -> None:
    reader = await administrator(service, READER)
    ada = await add_user(service.settings, name="Ada", scopes=["orders:read"], disabled=True)
    user = success(await service.client.get(f"/api/users/{ada.id}", headers=reader.headers))
    assert (user["id"], user["name"], user["scopes"], user["disabled"]) == (ada.id, "Ada", ["orders:read"], True)
    assert_refused(await service.client.get(f"/api/users/{ada.id + 1}", headers=reader.headers), 404, 40004)
