"""The refresh token in a cookie: only for pages of this origin, and never beside another credential."""

from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest

from support.database import let_time_pass
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer, claims_of
from support.users import CREDENTIALS, add_and_log_in, add_user

NAME = "__Host-wutang-refresh"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


def cookie_of(response: httpx.Response) -> tuple[str, dict[str, Any]]:
    """The value and the attributes of the one cookie that an answer sets."""
    (header,) = response.headers.get_list("set-cookie")
    cookie = SimpleCookie(header)[NAME]
    return cookie.value, {name: value for name, value in cookie.items() if value}


def sent(value: str, **headers: str) -> dict[str, str]:
    return {"Cookie": f"{NAME}={value}", **headers}


async def log_in_by_cookie(service: Instance) -> tuple[dict[str, Any], str]:
    await add_user(service.settings, email=CREDENTIALS["email"])
    response = await service.client.post("/api/auth/login", json={**CREDENTIALS, "refresh": "cookie"})
    return success(response), cookie_of(response)[0]


@pytest.fixture(scope="module")
async def shared_cookie(shared_service: Instance) -> str:
    return (await log_in_by_cookie(shared_service))[1]


@pytest.fixture
async def cookie(service: Instance) -> str:
    return (await log_in_by_cookie(service))[1]


async def test_login_sets_a_cookie_that_scripts_and_other_hosts_cannot_have(service: Instance) -> None:
    await add_user(service.settings, email=CREDENTIALS["email"])
    for kind in ("json", "data"):
        body: Any = {**CREDENTIALS, "refresh": "cookie"}
        response = await service.client.post("/api/auth/login", **{kind: body})
        data = success(response)
        value, attributes = cookie_of(response)
        assert data["refresh_token"] is None
        assert claims_of(value)["sid"] == claims_of(data["access_token"])["sid"]
        assert attributes == {
            "path": "/", "secure": True, "httponly": True, "samesite": "Strict",
            "max-age": str(data["refresh_expires_in"]),
        }  # fmt: skip


async def test_login_sets_no_cookie_unless_asked(service: Instance) -> None:
    await add_user(service.settings, email=CREDENTIALS["email"])
    for body in (CREDENTIALS, {**CREDENTIALS, "refresh": "body"}):
        response = await service.client.post("/api/auth/login", json=body)
        assert success(response)["refresh_token"]
        assert "set-cookie" not in response.headers
    refused = await service.client.post("/api/auth/login", json={**CREDENTIALS, "refresh": "header"})
    assert assert_refused(refused, 422, 10001)["errors"][0]["field"] == "refresh"


async def test_no_other_site_puts_a_session_into_this_browser(service: Instance) -> None:
    await add_user(service.settings, email=CREDENTIALS["email"])
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {"Origin": "https://evil.example"}):
        body = {**CREDENTIALS, "refresh": "cookie"}
        refused = await service.client.post("/api/auth/login", data=body, headers=headers)
        assert_refused(refused, 401, 40001)
        assert "set-cookie" not in refused.headers
    cookie_of(await service.client.post("/api/auth/login", json={**CREDENTIALS, "refresh": "cookie"}, headers=OWN_PAGE))


async def test_refresh_by_cookie_answers_with_the_next_cookie(service: Instance, cookie: str) -> None:
    response = await service.client.put("/api/auth/refresh", headers=sent(cookie, **OWN_PAGE))
    data = success(response)
    value, attributes = cookie_of(response)
    assert data["refresh_token"] is None
    assert claims_of(value)["gen"] == claims_of(data["access_token"])["gen"] == 1
    assert attributes["max-age"] == str(data["refresh_expires_in"])
    success(await service.client.get("/api/auth/me", headers=bearer(data["access_token"])))


async def test_logout_by_cookie_ends_the_session_and_drops_the_cookie(service: Instance, cookie: str) -> None:
    response = await service.client.delete("/api/auth/logout", headers=sent(cookie, **OWN_PAGE))
    assert success(response) is None
    value, attributes = cookie_of(response)
    assert (value, attributes["max-age"], attributes["secure"]) == ("", "0", True)
    assert_refused(await service.client.put("/api/auth/refresh", headers=sent(cookie, **OWN_PAGE)), 401, 40001)


async def test_a_stolen_cookie_ends_the_session(service: Instance, cookie: str) -> None:
    response = await service.client.put("/api/auth/refresh", headers=sent(cookie, **OWN_PAGE))
    success(await service.client.get("/api/auth/me", headers=bearer(success(response)["access_token"])))
    await let_time_pass(service.settings, 60)
    for value in (cookie, cookie_of(response)[0]):
        assert_refused(await service.client.put("/api/auth/refresh", headers=sent(value, **OWN_PAGE)), 401, 40001)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "same-origin, cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "testserver"},
        {"Origin": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("call", ["PUT /api/auth/refresh", "DELETE /api/auth/logout"])
async def test_the_cookie_counts_for_own_pages_only(
    shared_service: Instance, shared_cookie: str, call: str, headers: dict[str, str]
) -> None:
    method, path = call.split()
    refused = await shared_service.client.request(method, path, headers=sent(shared_cookie, **headers))
    assert_refused(refused, 401, 40001)
    assert "error=" not in refused.headers["www-authenticate"]
    # which is answered again each time, since nobody uses the answer
    success(await shared_service.client.put("/api/auth/refresh", headers=sent(shared_cookie, **OWN_PAGE)))


async def test_browsers_that_do_not_tell_the_site_tell_the_origin(service: Instance, cookie: str) -> None:
    headers = {"Origin": "https://auth.example", "Host": "auth.example"}
    success(await service.client.put("/api/auth/refresh", headers=sent(cookie, **headers)))


async def test_pages_of_a_listed_origin_may_use_the_cookie(start: Start) -> None:
    service = await start(cors_origins=("https://shop.example",))
    _, cookie = await log_in_by_cookie(service)
    listed = {"Origin": "https://shop.example", "Sec-Fetch-Site": "same-site"}
    response = await service.client.put("/api/auth/refresh", headers=sent(cookie, **listed))
    success(response)
    assert response.headers["access-control-allow-credentials"] == "true"
    other = {"Origin": "https://other.example", "Sec-Fetch-Site": "same-site"}
    refused = await service.client.put("/api/auth/refresh", headers=sent(cookie, **other))
    assert_refused(refused, 401, 40001)
    assert not [name for name in refused.headers if name.startswith("access-control-allow")]


async def test_the_authorization_header_wins_even_if_it_is_bad(service: Instance, cookie: str) -> None:
    for value in ("Basic abc", "Bearer ", "Bearer x", ""):
        headers = sent(cookie, Authorization=value, **OWN_PAGE)
        assert_refused(await service.client.put("/api/auth/refresh", headers=headers), 401, 40001)
    other = await add_and_log_in(service, email="grace@wutang.example")
    response = await service.client.put(
        "/api/auth/refresh", headers={**sent(cookie, **OWN_PAGE), **bearer(other.refresh_token)}
    )
    assert claims_of(success(response)["refresh_token"])["sid"] == str(other.session_id)
    assert "set-cookie" not in response.headers


async def test_two_cookies_of_the_name_are_refused(service: Instance, cookie: str) -> None:
    for value in (f"{NAME}={cookie}; {NAME}={cookie}", f"{NAME}=x;{NAME}={cookie}"):
        headers = {"Cookie": value, **OWN_PAGE}
        assert_refused(await service.client.put("/api/auth/refresh", headers=headers), 401, 40001)
    headers = {"Cookie": f"theme=dark; a; =b; {NAME.lower()}=x; {NAME} = {cookie} ;", **OWN_PAGE}
    success(await service.client.put("/api/auth/refresh", headers=headers))


async def test_the_cookie_opens_nothing_else(service: Instance, cookie: str) -> None:
    for method, path in (("GET", "/api/auth/me"), ("GET", "/api/auth/sessions"), ("PUT", "/api/auth/password")):
        refused = await service.client.request(method, path, headers=sent(cookie, **OWN_PAGE))
        assert_refused(refused, 401, 40001)
