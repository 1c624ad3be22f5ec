from support import Instance, add_and_log_in, assert_refused, success


async def test_me_is_refused_after_logout(service: Instance) -> None:
    login = await add_and_log_in(service)
    assert success(await service.client.get("/api/auth/me", headers=login.headers))["email"] == "ada@wutang.example"
    success(await service.client.delete("/api/auth/logout", headers=login.headers))
    body = assert_refused(await service.client.get("/api/auth/me", headers=login.headers), 401, 40001)
    assert body["message"] == "Unauthenticated."
