from support.http import assert_refused, success
from support.services import Instance, Start
from support.users import add_and_log_in


async def test_the_service_works_behind_a_gateway_that_strips_a_prefix(start: Start) -> None:
    service = await start(root_path="/auth")
    login = await add_and_log_in(service)
    success(await service.client.get("/api/auth/me", headers=login.headers))
    assert_refused(await service.client.get("/api/auth/nope"), 404, 40004)
    document = (await service.client.get("/openapi.json")).json()
    assert document["servers"][0]["url"] == "/auth"


async def test_no_answer_names_the_server_or_its_version(service: Instance) -> None:
    for path in ("/", "/healthz", "/api/response_code", "/api/auth/me", "/nope"):
        headers = (await service.client.get(path)).headers
        assert "server" not in headers
        assert "x-powered-by" not in headers


async def test_every_answer_has_its_security_headers(service: Instance) -> None:
    for path in ("/", "/healthz", "/api/response_code", "/api/auth/me", "/docs", "/.well-known/jwks.json"):
        headers = (await service.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


async def test_while_stopping_connections_are_given_up_and_nothing_is_refused(service: Instance) -> None:
    login = await add_and_log_in(service)
    service.app.state.is_draining = True
    answered = await service.client.get("/api/auth/me", headers=login.headers)
    success(answered)
    assert answered.headers["connection"] == "close"
    assert (await service.client.get("/readyz")).status_code == 503
    assert (await service.client.get("/healthz")).status_code == 200
