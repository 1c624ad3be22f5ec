"""Login: what is taken, what is refused, and what the tokens say."""

import asyncio
import json
import time
import unicodedata
from pathlib import Path
from uuid import UUID

import httpx
import jwt
import pytest
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from passlib.hash import bcrypt

from support.database import add_sessions, count_sessions, query, stored_hash
from support.http import assert_refused, success
from support.services import Instance, Start
from support.tokens import bearer, claims_of, decode_segment, header_of
from support.users import PASSWORD, add_and_log_in, add_user, log_in, me, token_pair
from wutang_auth.passwords.workers import Passwords
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import Algorithm, KeyRing


async def post_login(instance: Instance, email: str, password: str = PASSWORD) -> httpx.Response:
    return await instance.client.post("/api/auth/login", json={"email": email, "password": password})


async def test_json_login_answers_a_token_pair(service: Instance) -> None:
    await add_user(service.settings)
    response = await post_login(service, "ada@wutang.example")
    data = success(response)
    assert {name: type(value) for name, value in data.items()} == {
        "access_token": str,
        "token_type": str,
        "expires_in": int,
        "refresh_token": str,
        "refresh_expires_in": int,
    }
    assert (data["token_type"], data["expires_in"], data["refresh_expires_in"]) == ("bearer", 3600, 14 * 24 * 3600)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-Urlencoded",
    ],
)
async def test_form_login_answers_a_token_pair(service: Instance, content_type: str) -> None:
    await add_user(service.settings, "ada+shop@wutang.example")
    form = "email=ada%2Bshop%40wutang.example&password=correct+horse%20battery+staple"
    response = await service.client.post("/api/auth/login", content=form, headers={"Content-Type": content_type})
    login = token_pair(response)
    me = success(await service.client.get("/api/auth/me", headers=login.headers))
    assert me["email"] == "ada+shop@wutang.example"


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'APPLICATION/JSON;charset="UTF-8"'])
async def test_json_login_may_name_its_charset(service: Instance, content_type: str) -> None:
    await add_user(service.settings)
    content = json.dumps({"email": "ada@wutang.example", "password": PASSWORD})
    success(await service.client.post("/api/auth/login", content=content, headers={"Content-Type": content_type}))


async def test_unknown_fields_are_ignored(service: Instance) -> None:
    await add_user(service.settings)
    body = {"email": "ada@wutang.example", "password": PASSWORD, "remember": True, "id": 1, "scopes": ["users:write"]}
    login = token_pair(await service.client.post("/api/auth/login", json=body))
    assert success(await service.client.get("/api/auth/me", headers=login.headers))["scopes"] == []


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("ada@wutang.example", "  ada@wutang.example\t\n"),
        ("ada@wutang.example", "ADA@WuTang.Example"),
        ("Ada@WUTANG.example", "ada@wutang.example"),
        ("josé@wutang.example", unicodedata.normalize("NFD", "josé@wutang.example")),
        (unicodedata.normalize("NFD", "josé@wutang.example"), "JOSÉ@wutang.example"),
        ("ada@wutang.example", "ａｄａ@wutang.example"),
        ("straße@wutang.example", "STRASSE@wutang.example"),
        ("李雷@wutang.example", "\u3000李雷@wutang.example\u3000"),
    ],
    ids=["trimmed", "upper case", "stored in mixed case", "NFD", "stored in NFD", "full width", "sharp s", "Chinese"],
)
async def test_email_matches_in_any_spelling(service: Instance, stored: str, sent: str) -> None:
    await add_user(service.settings, stored)
    success(await post_login(service, sent))


@pytest.mark.parametrize(
    "sent",
    [f" {PASSWORD}", f"{PASSWORD} ", PASSWORD.upper(), PASSWORD[:-1], f"{PASSWORD}\n"],
    ids=["space before", "space after", "upper case", "one less", "line feed"],
)
async def test_password_is_taken_as_it_is(service: Instance, sent: str) -> None:
    await add_user(service.settings)
    assert_refused(await post_login(service, "ada@wutang.example", sent), 401, 10003)


@pytest.mark.parametrize("password", ["  spaces around  ", "密码密码密码密码", "tab\tand\nline", "x" * 1024])
async def test_password_may_hold_any_text(service: Instance, password: str) -> None:
    passwords = Passwords(workers=1, queue=1)
    await add_user(service.settings, password_hash=await passwords.hash(password))
    passwords.close()
    await log_in(service.client, password=password)


async def test_unknown_user_wrong_password_and_disabled_user_get_the_same_answer(service: Instance) -> None:
    await add_user(service.settings, "known@wutang.example")
    await add_user(service.settings, "disabled@wutang.example", disabled=True)
    answers = [
        await post_login(service, "unknown@wutang.example"),
        await post_login(service, "known@wutang.example", "wrong password"),
        await post_login(service, "disabled@wutang.example"),
        await post_login(service, "disabled@wutang.example", "wrong password"),
    ]
    body = assert_refused(answers[0], 401, 10003)
    assert body["message"] == "数据有误"
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="wutang-auth"'

    def seen(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = [item for item in answer.headers.multi_items() if item[0] not in ("x-request-id", "date")]
        return answer.status_code, headers, answer.content

    assert [seen(answer) for answer in answers[1:]] == [seen(answers[0])] * 3


async def test_each_login_begins_a_session_of_its_own(service: Instance) -> None:
    first = await add_and_log_in(service)
    second = await log_in(service.client)
    sessions = [claims_of(login.access_token)["sid"] for login in (first, second)]
    assert len(set(sessions)) == 2
    success(await service.client.delete("/api/auth/logout", headers=first.headers))
    success(await service.client.get("/api/auth/me", headers=second.headers))


async def test_session_remembers_address_and_user_agent(service: Instance) -> None:
    await add_user(service.settings)
    await service.client.post(
        "/api/auth/login",
        json={"email": "ada@wutang.example", "password": PASSWORD},
        headers=[(b"User-Agent", "浏览器\x1b[31m".encode() + b"\xff" + b"x" * 300)],
    )
    [session] = await query(service.settings, "SELECT ip, user_agent FROM sessions")
    assert session["ip"] == "127.0.0.1"
    assert session["user_agent"].startswith("浏览器\ufffd[31m\ufffdxxx")
    assert len(session["user_agent"]) <= 255


async def test_access_token_says_what_rfc_9068_wants(service: Instance) -> None:
    before = int(time.time())
    login = await add_and_log_in(service, scopes=["users:read", "orders:write"])
    head, body, _ = login.access_token.split(".")
    header, claims = decode_segment(head), decode_segment(body)
    active = key_file.load(service.settings.keys_file).active
    assert header == {"alg": "ES256", "typ": "at+jwt", "kid": active.kid}
    jti, sid, iat = claims.pop("jti"), claims.pop("sid"), claims.pop("iat")
    assert claims == {
        "iss": "wutang-auth",
        "aud": "wutang",
        "sub": str(login.user_id),
        "client_id": "wutang",
        "nbf": iat,
        "exp": iat + 5 + 3600,
        "gen": 0,
        "scope": "users:read orders:write",
    }
    # back-dated, since other machines' clocks lie behind
    assert before <= iat + 5 <= time.time()
    assert str(UUID(sid)) == sid
    assert len(jti) >= 16


async def test_refresh_token_is_for_the_issuer_alone(service: Instance) -> None:
    login = await add_and_log_in(service)
    access = claims_of(login.access_token)
    head, body, _ = login.refresh_token.split(".")
    header, claims = decode_segment(head), decode_segment(body)
    assert header["typ"] == "rt+jwt"
    assert (claims["iss"], claims["aud"]) == ("wutang-auth", "wutang-auth")
    assert claims["exp"] == claims["iat"] + 5 + 14 * 24 * 3600
    assert claims["jti"] != access["jti"]
    assert {name: claims[name] for name in ("sub", "sid", "gen", "iat")} == {
        name: access[name] for name in ("sub", "sid", "gen", "iat")
    }


async def test_every_token_has_an_identifier_of_its_own(service: Instance) -> None:
    logins = [await add_and_log_in(service)] + [await log_in(service.client) for _ in range(3)]
    tokens = [token for login in logins for token in (login.access_token, login.refresh_token)]
    assert len({claims_of(token)["jti"] for token in tokens}) == len(tokens)


async def test_settings_shape_the_tokens(start: Start) -> None:
    service = await start(
        issuer="https://id.wutang.example", audience="shop", client_id="web", access_ttl=60, refresh_ttl=120
    )
    await add_user(service.settings)
    data = success(await post_login(service, "ada@wutang.example"))
    access, refresh = (claims_of(data[name]) for name in ("access_token", "refresh_token"))
    assert (access["iss"], access["aud"], access["client_id"]) == ("https://id.wutang.example", "shop", "web")
    assert (refresh["iss"], refresh["aud"]) == ("https://id.wutang.example", "https://id.wutang.example")
    assert (data["expires_in"], access["exp"] - access["iat"]) == (60, 65)
    assert (data["refresh_expires_in"], refresh["exp"] - refresh["iat"]) == (120, 125)


async def test_access_token_does_not_outlive_its_session(start: Start) -> None:
    service = await start(access_ttl=3600, refresh_ttl=100)
    await add_user(service.settings)
    data = success(await post_login(service, "ada@wutang.example"))
    assert data["expires_in"] == 100
    assert claims_of(data["access_token"])["exp"] <= time.time() + 100


async def test_longest_names_and_most_scopes_fit_into_a_token(start: Start) -> None:
    names = {"issuer": "颁" * 255, "audience": "众" * 255, "client_id": "客" * 255}
    service = await start(**names)
    scopes = [f"{number:03}".translate(str.maketrans("0123456789", "abcdefghij")) + "x" * 28 for number in range(32)]
    login = await add_and_log_in(service, scopes=scopes)
    assert success(await service.client.get("/api/auth/me", headers=login.headers))["scopes"] == scopes
    token_pair(await service.client.put("/api/auth/refresh", headers=bearer(login.refresh_token)))


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
async def test_access_token_verifies_with_other_libraries_from_the_jwks_alone(
    start: Start, tmp_path: Path, alg: Algorithm
) -> None:
    keys_file = tmp_path / "keys.json"
    key_file.save(KeyRing.generate(alg), keys_file)
    service = await start(keys_file=keys_file)
    login = await add_and_log_in(service)
    document = (await service.client.get("/.well-known/jwks.json")).json()

    key = jwt.PyJWKSet.from_dict(document)[jwt.get_unverified_header(login.access_token)["kid"]]
    by_pyjwt = jwt.decode(
        login.access_token, key, algorithms=[alg], audience="wutang", issuer="wutang-auth",
        options={"require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"]},
    )  # fmt: skip

    decoded = joserfc_jwt.decode(login.access_token, KeySet.import_key_set(document), algorithms=[alg])
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": "wutang-auth"}, aud={"essential": True, "value": "wutang"},
        exp={"essential": True}, iat={"essential": True},
    )  # fmt: skip
    registry.validate(decoded.claims)

    assert by_pyjwt == decoded.claims
    assert by_pyjwt["sub"] == str(login.user_id)


async def test_hs256_serves_but_publishes_nothing(start: Start, tmp_path: Path) -> None:
    keys_file = tmp_path / "keys.json"
    key_file.save(KeyRing.generate("HS256"), keys_file)
    service = await start(keys_file=keys_file)
    login = await add_and_log_in(service)
    success(await service.client.get("/api/auth/me", headers=login.headers))
    assert header_of(login.access_token)["alg"] == "HS256"
    assert (await service.client.get("/.well-known/jwks.json")).json() == {"keys": []}


async def test_login_upgrades_an_old_hash_once(service: Instance) -> None:
    old = bcrypt.using(rounds=4, ident="2y").hash("old password")  # as PHP writes it
    await add_user(service.settings, password_hash=old)
    await log_in(service.client, password="old password")
    upgraded = await stored_hash(service.settings)
    assert upgraded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await log_in(service.client, password="old password")
    assert await stored_hash(service.settings) == upgraded


async def test_stored_hash_of_unknown_form_lets_nobody_in(service: Instance) -> None:
    for number, stored in enumerate(["", "x", PASSWORD, "$argon2id$v=19$m=99999999,t=999,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"]):
        await add_user(service.settings, f"user{number}@wutang.example", password_hash=stored)
        assert_refused(await post_login(service, f"user{number}@wutang.example"), 401, 10003)


async def test_authorization_header_does_not_matter_at_login(service: Instance) -> None:
    await add_user(service.settings)
    credentials = {"email": "ada@wutang.example", "password": PASSWORD}
    success(await service.client.post("/api/auth/login", json=credentials, headers=bearer("nonsense")))


async def test_parallel_logins_all_succeed(service: Instance) -> None:
    await add_user(service.settings)
    answers = await asyncio.gather(*(post_login(service, "ada@wutang.example") for _ in range(10)))
    assert len({success(answer)["access_token"] for answer in answers}) == 10


async def test_one_session_more_than_a_user_may_have_ends_the_oldest(start: Start) -> None:
    service = await start(sessions_per_user=3)
    logins = [await add_and_log_in(service)]
    other = await add_and_log_in(service, "bob@wutang.example")
    logins += [await log_in(service.client) for _ in range(4)]
    statuses = [(await me(service, login)).status_code for login in [*logins, other]]
    assert statuses == [401, 401, 200, 200, 200, 200]
    assert await count_sessions(service.settings) == 4


async def test_limit_that_was_lowered_holds_from_the_next_login_on(service: Instance, start: Start) -> None:
    login = await add_and_log_in(service)
    await add_sessions(service.settings, login.user_id or 0, 30)
    stricter = await start(sessions_per_user=2)
    await log_in(stricter.client)
    assert await count_sessions(service.settings) == 2


async def test_logins_at_the_same_time_are_all_served(start: Start) -> None:
    """They may leave some sessions more than there should be, until the next one."""
    service = await start(sessions_per_user=3)
    await add_user(service.settings)
    logins = await asyncio.gather(*(log_in(service.client) for _ in range(8)))
    assert len({login.session_id for login in logins}) == 8
    await log_in(service.client)
    assert await count_sessions(service.settings) == 3
