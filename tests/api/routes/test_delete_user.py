"""The end of a user over HTTP."""

from support.http import assert_refused, success
from support.services import Instance
from support.users import (
    administrator,
    create,
    me,
)


async def test_nobody_deletes_itself(service: Instance) -> None:
    root = await administrator(service)
    assert_refused(await service.client.delete(f"/api/users/{root.user_id}", headers=root.headers), 409, 10003)
    success(await me(service, root))


async def test_deleted_user_is_gone(service: Instance) -> None:
    root = await administrator(service)
    user = await create(service, root)
    response = await service.client.delete(f"/api/users/{user['id']}", headers=root.headers)
    assert success(response) is None
    for method in ("GET", "PATCH", "DELETE"):
        again = await service.client.request(method, f"/api/users/{user['id']}", json={}, headers=root.headers)
        assert_refused(again, 404, 40004)
    await create(service, root)
