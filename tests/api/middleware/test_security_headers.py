"""What no answer gives away, and what each one forbids."""

from support.services import Instance


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
