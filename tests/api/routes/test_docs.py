"""The documentation pages: ours alone, strict, cacheable, and the same behind a gateway."""

import gzip
import json
import re
from hashlib import sha256
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from support.http import assert_refused
from support.services import Instance
from wutang_auth.main import create_app
from wutang_auth.settings import Settings

each_page = pytest.mark.parametrize("page", ["/docs", "/redoc"])


@pytest.fixture(scope="module")
def service(shared_service: Instance) -> Instance:
    """One for all: who reads pages changes nothing."""
    return shared_service


def urls(html: str) -> list[str]:
    """What a page loads."""
    return re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', html)


@each_page
async def test_page_allows_nothing_but_this_service(service: Instance, page: str) -> None:
    response = await service.client.get(page)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(directive.split(" ", 1) for directive in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert re.fullmatch(r"'self'( 'sha256-[A-Za-z0-9+/]{43}=')*", policy["style-src"])
    assert "unsafe" not in response.headers["content-security-policy"]
    assert "<style" not in response.text
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=", response.text)


@each_page
async def test_page_loads_only_relative_urls_named_by_content(service: Instance, page: str) -> None:
    html = (await service.client.get(page)).text
    assert "//" not in html
    assert len(urls(html)) >= 5
    for url in urls(html):
        response = await service.client.get(f"/{url}")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert f".{sha256(response.content).hexdigest()[:16]}." in url


async def test_asset_is_compressed_for_whom_understands_it(service: Instance) -> None:
    url = next(url for url in urls((await service.client.get("/docs")).text) if "swagger-ui-bundle" in url)
    plain = await service.client.get(f"/{url}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with service.client.stream("GET", f"/{url}", headers={"Accept-Encoding": "gzip"}) as compressed:
        content = b"".join([chunk async for chunk in compressed.aiter_raw()])
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert len(content) < len(plain.content) / 2
    assert gzip.decompress(content) == plain.content


@pytest.mark.parametrize("name", ["docs.js", "page.0000000000000000.css", "..%2Fdocs.py", "README.md"])
async def test_other_names_lead_to_no_asset(service: Instance, name: str) -> None:
    assert_refused(await service.client.get(f"/docs/assets/{name}"), 404, 40004)


@pytest.mark.parametrize("path", ["/docs/", "/redoc/", "/docs/assets", "/docs/assets/"])
async def test_pages_do_not_redirect(service: Instance, path: str) -> None:
    assert_refused(await service.client.get(path), 404, 40004)


async def test_no_asset_asks_another_host(service: Instance) -> None:
    """Links for people and names of vocabularies are all that is there of other hosts."""
    for page in ("/docs", "/redoc"):
        for url in urls((await service.client.get(page)).text):
            text = (await service.client.get(f"/{url}")).text
            assert "cdn." not in text
            assert not re.search(r"@import|url\(['\"]?https?:", text)


async def test_pages_hold_behind_a_gateway(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"root_path": "/auth"}))

    async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["path"].removeprefix("/auth")}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://shop.test") as client:
        for page in ("/auth/docs", "/auth/redoc"):
            response = await client.get(page)
            assert response.status_code == 200, response.text
            for url in urls(response.text):
                assert (await client.get(str(response.url.join(url)))).status_code == 200
        assert (await client.get("/auth/openapi.json")).json()["servers"] == [{"url": "/auth"}]
        collection = (await client.get("/auth/docs/collection.json")).json()
        assert {"key": "baseUrl", "value": "http://shop.test/auth"} in collection["variable"]


# -- The Postman collection; newman runs it in `make clients` ---------------------------------------------------------


async def requests(service: Instance) -> list[dict[str, Any]]:
    """The collection's requests, in their order."""
    collection = (await service.client.get("/docs/collection.json")).json()
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")
    return [item for folder in collection["item"] for item in folder["item"]]


def name_of(item: dict[str, Any]) -> str:
    return f"{item['request']['method']} /{'/'.join(item['request']['url']['path'])}".replace(":id", "{id}")


def script_of(item: dict[str, Any], listen: str) -> str:
    return "\n".join(line for event in item["event"] if event["listen"] == listen for line in event["script"]["exec"])


async def test_collection_has_every_operation(service: Instance) -> None:
    document = (await service.client.get("/openapi.json")).json()
    operations = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert {name_of(item) for item in await requests(service)} == operations


async def test_collection_checks_status_and_code_of_each_request(service: Instance) -> None:
    for item in await requests(service):
        script = script_of(item, "test")
        assert "pm.response.to.have.status(" in script
        name = name_of(item)
        is_bare = "introspect" in name or "verify" in name  # and the metadata's 404 is not
        is_enveloped = ("/api/" in name and not is_bare) or "oauth-authorization-server" in name
        assert ("answer.code" in script) == is_enveloped


async def test_collection_logs_in_first_and_out_last(service: Instance) -> None:
    names = [name_of(item) for item in await requests(service) if item["request"]["auth"]["type"] == "bearer"]
    assert names[-2:] == ["DELETE /api/auth/logout", "GET /api/auth/me"]
    everything = await requests(service)
    login = next(index for index, item in enumerate(everything) if name_of(item) == "POST /api/auth/login")
    assert all(item["request"]["auth"]["type"] == "noauth" for item in everything[:login])
    assert 'pm.collectionVariables.set("accessToken"' in script_of(everything[login], "test")
    assert [name for name in names if name.endswith("/api/users/{id}")][-1].startswith("DELETE")


async def test_collection_sets_each_variable_before_its_use(service: Instance) -> None:
    collection = (await service.client.get("/docs/collection.json")).json()
    known = {variable["key"] for variable in collection["variable"]}
    for item in await requests(service):
        known |= set(re.findall(r'collectionVariables\.set\("(\w+)"', script_of(item, "prerequest")))
        assert set(re.findall(r"\{\{(\w+)\}\}", json.dumps(item["request"]))) <= known, item["name"]
        known |= set(re.findall(r'collectionVariables\.set\("(\w+)"', script_of(item, "test")))


async def test_collection_is_for_the_service_that_was_asked(service: Instance) -> None:
    response = await service.client.get("/docs/collection.json")
    assert {"key": "baseUrl", "value": "http://wutang.test"} in response.json()["variable"]
    assert response.headers["cache-control"] == "no-store"
