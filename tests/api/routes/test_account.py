"""The account page: strict, cacheable, and the same behind a gateway."""

import re
from typing import get_args
from urllib.parse import urljoin

import pytest

from support.http import assert_refused
from support.services import Instance, Start
from wutang_auth.fields import Purpose


@pytest.fixture(scope="module")
def service(shared_service: Instance) -> Instance:
    """One for all: who reads a page changes nothing."""
    return shared_service


def loaded(html: str) -> list[str]:
    """What the page loads."""
    return re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', html)


async def test_page_runs_no_code_but_its_own(service: Instance) -> None:
    response = await service.client.get("/account")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    policy = dict(directive.split(" ", 1) for directive in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=", response.text)


async def test_page_and_its_modules_load_relative_urls_that_never_change(service: Instance) -> None:
    urls = loaded((await service.client.get("/account")).text)
    assert len(urls) == 3
    seen: set[str] = set()
    while urls:
        url = urls.pop()
        assert not url.startswith(("/", "http"))
        response = await service.client.get(f"/{url}")
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "//" not in re.sub(r"https?://www\.w3\.org/", "", response.text).replace("// ", "")
        imported = {urljoin(url, name) for name in re.findall(r'from "(\./[\w.]+)"', response.text)}
        urls += imported - seen
        seen |= imported
    assert {"session.js", "texts.js"} < {url.rpartition("/")[2] for url in seen}


async def test_page_knows_what_every_mail_links_to(service: Instance) -> None:
    [main] = [url for url in loaded((await service.client.get("/account")).text) if url.endswith("main.js")]
    links = (await service.client.get("/" + main.replace("main.js", "links.js"))).text
    assert set(re.findall(r"^    (\w+): \{ title:", links, re.MULTILINE)) == set(get_args(Purpose))


@pytest.mark.parametrize(("mfa", "told"), [("off", "false"), ("optional", "true"), ("all", "true")])
async def test_page_knows_whether_there_are_second_factors(start: Start, mfa: str, told: str) -> None:
    service = await start(mfa=mfa)
    assert f'data-mfa="{told}"' in (await service.client.get("/account")).text


async def test_page_never_parses_what_others_wrote(service: Instance) -> None:
    urls = [url for url in loaded((await service.client.get("/account")).text) if url.endswith("main.js")]
    folder = urls[0].rpartition("/")[0]
    for name in (
        "main", "dom", "api", "session", "texts", "links", "signed_in", "signed_out", "second_step", "factors", "proof",
        "qr", "recovery_codes",
    ):  # fmt: skip
        source = (await service.client.get(f"/{folder}/{name}.js")).text
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser", source
        )


@pytest.mark.parametrize("name", ["0000000000000000/main.js", "main.js", "account.html", "x/..%2Faccount.html"])
async def test_other_names_lead_to_no_asset(service: Instance, name: str) -> None:
    assert_refused(await service.client.get(f"/account/assets/{name}"), 404, 40004)


async def test_page_does_not_redirect(service: Instance) -> None:
    assert_refused(await service.client.get("/account/"), 404, 40004)
