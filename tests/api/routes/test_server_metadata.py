"""The metadata of RFC 8414: where the issuer is a URL, programs find the rest by it."""

import pytest

from support.http import assert_refused
from support.services import Instance, Start

PATH = "/.well-known/oauth-authorization-server"


@pytest.mark.parametrize(
    ("issuer", "path", "base"),
    [
        ("https://auth.wutang.example", PATH, "https://auth.wutang.example"),
        ("https://auth.wutang.example/", PATH, "https://auth.wutang.example"),
        ("https://wutang.example/auth", PATH, "https://wutang.example/auth"),
        ("https://wutang.example/auth", f"{PATH}/auth", "https://wutang.example/auth"),
        ("https://wutang.example/a/b/", f"{PATH}/a/b", "https://wutang.example/a/b"),
    ],
)
async def test_it_names_what_is_there(start: Start, issuer: str, path: str, base: str) -> None:
    service = await start(issuer=issuer)
    response = await service.client.get(path)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    document = response.json()
    assert document["issuer"] == issuer
    assert document["jwks_uri"] == f"{base}/.well-known/jwks.json"
    assert document["introspection_endpoint"] == f"{base}/api/auth/introspect"
    assert document["response_types_supported"] == []


async def test_issuer_that_is_no_https_url_has_none(service: Instance, start: Start) -> None:
    for instance in (service, await start(issuer="http://auth.wutang.example"), await start(issuer="https:")):
        assert_refused(await instance.client.get(PATH), 404, 40004)


async def test_path_of_another_issuer_has_none(start: Start) -> None:
    service = await start(issuer="https://wutang.example/auth")
    for path in (f"{PATH}/other", f"{PATH}/auth/", f"{PATH}/auth/x", f"{PATH}/"):
        assert_refused(await service.client.get(path), 404, 40004)
