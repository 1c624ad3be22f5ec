"""The dependency of FastAPI, over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI

from support.publishing import AskedAgain, Follow, Publisher
from support.tokens import Forge, bearer
from wutang_auth_verifier import Identity, Verifier
from wutang_auth_verifier.fastapi import require_user

SESSION = UUID("11111111-2222-4333-8444-555555555555")


@pytest.fixture
async def client(verifier: Verifier) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.get("/orders")
    async def orders(user: Annotated[Identity, Depends(require_user(verifier, scopes=["orders:read"]))]) -> int:
        return user.user_id

    @app.get("/any")
    def anybody(user: Annotated[Identity, Depends(require_user(verifier))]) -> list[str]:
        return sorted(user.scopes)

    @app.post("/orders", dependencies=[Depends(require_user(verifier, scopes=("orders:read", "orders:write")))])
    async def order() -> None:
        pass

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://orders.test") as client:
        yield client


async def test_who_has_the_scope_gets_in(publisher: Publisher, client: httpx.AsyncClient) -> None:
    token = publisher.issue(user_id=7, scopes=("orders:read", "b"))
    for value in (f"Bearer {token}", f"bearer {token}", f"BEARER  {token} "):
        response = await client.get("/orders", headers={"Authorization": value})
        assert (response.status_code, response.json()) == (200, 7)
    assert (await client.get("/any", headers=bearer(token))).json() == ["b", "orders:read"]


async def test_who_lacks_a_scope_gets_403(publisher: Publisher, client: httpx.AsyncClient) -> None:
    response = await client.get("/orders", headers=bearer(publisher.issue()))
    assert (response.status_code, response.json()) == (403, {"detail": "Forbidden."})
    assert response.headers["www-authenticate"] == (
        'Bearer realm="wutang-auth", error="insufficient_scope", scope="orders:read"'
    )
    response = await client.post("/orders", headers=bearer(publisher.issue(scopes=("orders:read",))))
    assert response.status_code == 403
    assert response.headers["www-authenticate"].endswith('scope="orders:read orders:write"')


async def test_who_sends_no_token_gets_401_without_an_error(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearerx y"}):
        response = await client.get("/orders", headers=headers)
        assert (response.status_code, response.json()) == (401, {"detail": "Unauthenticated."})
        assert response.headers["www-authenticate"] == 'Bearer realm="wutang-auth"'


async def test_who_sends_a_bad_token_gets_401_with_one(publisher: Publisher, client: httpx.AsyncClient) -> None:
    token = publisher.issue(scopes=("orders:read",))
    expired = Forge(publisher.ring.active).changed(token, exp=1_700_000_000)
    sent = [[("Authorization", f"Bearer{rest}")] for rest in ("", " ", " x", f" {expired}")]
    for headers in ([("Authorization", f"Bearer {token}")] * 2, *sent):
        response = await client.get("/orders", headers=headers)
        assert (response.status_code, response.json()) == (401, {"detail": "Unauthenticated."})
        assert response.headers["www-authenticate"] == 'Bearer realm="wutang-auth", error="invalid_token"'
        assert token not in response.text


async def test_who_has_logged_out_gets_401(
    publisher: Publisher, client: httpx.AsyncClient, asked_again: AskedAgain
) -> None:
    token = publisher.issue(session_id=SESSION, scopes=("orders:read",))
    assert (await client.get("/orders", headers=bearer(token))).status_code == 200
    publisher.revoked.append(str(SESSION))
    asked_again()
    assert (await client.get("/orders", headers=bearer(token))).status_code == 401


async def test_where_nothing_is_known_everybody_gets_503(publisher: Publisher, follow: Follow) -> None:
    publisher.answer = lambda _path: (503, {}, b"")
    app, dependency = FastAPI(), Depends(require_user(follow(), scopes="orders:read"))
    app.add_api_route("/orders", lambda: None, dependencies=[dependency])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://orders.test") as client:
        for token in (publisher.issue(), "nonsense"):
            response = await client.get("/orders", headers=bearer(token))
            assert (response.status_code, response.json()) == (503, {"detail": "Unavailable."})
            assert response.headers["retry-after"] == "2"


async def test_openapi_tells_of_the_token(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["paths"]["/orders"]["get"]["security"] == [{"HTTPBearer": []}]
    assert document["components"]["securitySchemes"]["HTTPBearer"]["bearerFormat"] == "JWT"
