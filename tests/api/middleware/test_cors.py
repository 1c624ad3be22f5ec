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
    assert "access-control-allow-credentials" not in refused.headers


async def test_another_origin_may_not(start: Start) -> None:
    service = await start(cors_origins=("https://shop.example",))
    for origin in ("https://evil.example", "https://shop.example.evil.example", "null"):
        preflight = await service.client.options("/api/auth/refresh", headers={**ASKED, "Origin": origin})
        assert preflight.status_code == 400
        answered = await service.client.get("/api/response_code", headers={"Origin": origin})
        assert "access-control-allow-origin" not in {**preflight.headers, **answered.headers}
