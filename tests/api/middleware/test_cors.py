from support.http import assert_refused
from support.services import Instance, Start

ASKED = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PUT"}


async def test_cors_is_off_by_default(service: Instance) -> None:
    response = await service.client.options("/api/auth/refresh", headers=ASKED)
    assert response.status_code == 405
    answered = await service.client.get("/api/response_code", headers={"Origin": "https://shop.example"})
    assert not [name for name in (*response.headers, *answered.headers) if name.startswith("access-control")]


async def test_a_named_origin_may_call_and_read(start: Start) -> None:
    service = await start(cors_origins=("https://shop.example",))
    asked = {**ASKED, "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = await service.client.options("/api/auth/refresh", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    refused = await service.client.get("/api/auth/me", headers={"Origin": "https://shop.example"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    for answer in (preflight, refused):
        assert answer.headers["access-control-allow-credentials"] == "true"


async def test_another_origin_may_not(start: Start) -> None:
    service = await start(cors_origins=("https://shop.example",))
    for origin in ("https://evil.example", "https://shop.example.evil.example", "null"):
        preflight = await service.client.options("/api/auth/refresh", headers={**ASKED, "Origin": origin})
        assert preflight.status_code == 400
        answered = await service.client.get("/api/response_code", headers={"Origin": origin})
        sent = {**preflight.headers, **answered.headers}
        assert not {"access-control-allow-origin", "access-control-allow-credentials"} & set(sent)


async def test_refused_preflight_has_what_every_answer_has(start: Start) -> None:
    service = await start(cors_origins=("https://shop.example",))
    for changes, allowed in (
        ({"Origin": "https://evil.example"}, None),
        ({"Access-Control-Request-Method": "BREW"}, "https://shop.example"),
        ({"Access-Control-Request-Headers": "X-Forwarded-For"}, "https://shop.example"),
    ):
        response = await service.client.options("/api/auth/refresh", headers={**ASKED, **changes, "X-Request-ID": "r1"})
        assert assert_refused(response, 400, 10001)["errors"] == []
        assert response.headers.get("access-control-allow-origin") == allowed
        assert response.headers["x-request-id"] == "r1"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "Origin" in response.headers["vary"]
        assert "evil" not in response.text.lower()


async def test_what_is_answered_before_routing_may_be_read(start: Start) -> None:
    service = await start(cors_origins=("https://shop.example",))
    origin = {"Origin": "https://shop.example"}
    too_large = await service.client.post("/api/auth/login", headers=origin, content=b"x" * 17_000)
    head_too_large = await service.client.get("/api/auth/me", headers={**origin, "Cookie": "x" * 17_000})
    malformed = await service.client.get("/api/auth/me", headers={**origin, "Host": "a b"})
    service.app.state.services = None
    bug = await service.client.put("/api/auth/refresh", headers={**origin, "Authorization": "Bearer x"})
    for response, status, code in (
        (too_large, 413, 10001), (head_too_large, 431, 10001), (malformed, 400, 10001), (bug, 500, 50001),
    ):  # fmt: skip
        assert_refused(response, status, code)
        assert response.headers["access-control-allow-origin"] == "https://shop.example"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert len(response.headers.get_list("x-request-id")) == 1
