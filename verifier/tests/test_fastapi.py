"""The dependency of FastAPI, over HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import httpx
import pytest
from fastapi import Depends, FastAPI

from support.publishing import AskedAgain, Follow, Publisher
from support.tokens import Forge, bearer, claims_of
from wutang_auth.fields import Authentication
from wutang_auth_verifier import Identity, Verifier
from wutang_auth_verifier.fastapi import require_user

STEP_UP = 'Bearer realm="wutang-auth", error="insufficient_user_authentication"'
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

    @app.get("/mfa", dependencies=[Depends(require_user(verifier, scopes="orders:read", amr="mfa"))])
    async def two_factors() -> None:
        pass

    @app.get("/fresh", dependencies=[Depends(require_user(verifier, max_age=300))])
    async def fresh() -> None:
        pass

    @app.get("/both", dependencies=[Depends(require_user(verifier, amr=["pwd", "otp"], max_age=300))])
    async def fresh_and_two_factors() -> None:
        pass

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://orders.test") as client:
        yield client


def proof(age: int, *amr: str) -> Authentication:
    return Authentication(datetime.now(UTC) - timedelta(seconds=age), None, [*amr])


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


TWO_FACTORS = ("pwd", "otp", "mfa")


@pytest.mark.parametrize(
    ("path", "age", "amr", "challenge"),
    [
        ("/mfa", 86_400, TWO_FACTORS, None),
        ("/mfa", 0, ("pwd",), STEP_UP),
        ("/fresh", 0, ("pwd",), None),
        ("/fresh", 301, TWO_FACTORS, f'{STEP_UP}, max_age="300"'),
        ("/both", 0, TWO_FACTORS, None),
        ("/both", 301, TWO_FACTORS, f'{STEP_UP}, max_age="300"'),
        ("/both", 0, ("pwd",), f'{STEP_UP}, max_age="300"'),
        ("/any", 86_400, ("pwd",), None),
    ],
)
async def test_who_has_not_proven_it_so_or_so_lately_gets_403_with_a_challenge(
    publisher: Publisher, client: httpx.AsyncClient, *, path: str, age: int, amr: tuple[str, ...], challenge: str | None
) -> None:
    token = publisher.issue(scopes=("orders:read",), proof=proof(age, *amr))
    response = await client.get(path, headers=bearer(token))
    assert response.status_code == (200 if challenge is None else 403), response.text
    assert response.headers.get("www-authenticate") == challenge


async def test_a_token_that_does_not_say_how_or_when_is_no_proof(
    publisher: Publisher, client: httpx.AsyncClient
) -> None:
    silent = publisher.issue(scopes=("orders:read",))
    without_time = publisher.issue(scopes=("orders:read",), proof=Authentication(None, None, [*TWO_FACTORS]))
    assert "auth_time" not in claims_of(without_time)
    for token, statuses in ((silent, [403, 403, 403, 200]), (without_time, [200, 403, 403, 200])):
        paths = ("/mfa", "/fresh", "/both", "/any")
        assert [(await client.get(path, headers=bearer(token))).status_code for path in paths] == statuses


async def test_who_lacks_scope_and_proof_is_told_of_the_scope(publisher: Publisher, client: httpx.AsyncClient) -> None:
    response = await client.get("/mfa", headers=bearer(publisher.issue()))
    assert response.headers["www-authenticate"].endswith('error="insufficient_scope", scope="orders:read"')


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
