"""The gate: every way to break a token, signed with the real key where that is the point.

A genuine token is broken in one way at a time, then shown to each route that takes tokens. The session that it belongs
to has to survive that, since whoever sends nonsense must not be able to log somebody out.
"""

import json
import math
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.database import temporary_database
from support.http import assert_refused, success
from support.services import Instance, running
from support.tampering import ACCESS_ONLY, MALFORMED, Genuine, Kind, stranger
from support.tokens import Forge, bearer, decode_segment, forge
from support.users import Login, add_and_log_in
from wutang_auth.settings import Settings, load
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import Algorithm, KeyRing


@pytest.fixture(scope="module")
async def guarded(keys_file: Path) -> AsyncIterator[tuple[Instance, Login]]:
    """One service and one login for all of the table: a refusal changes nothing, and each test looks."""
    async with temporary_database() as url:
        settings = load(Settings, _env_file=None, database_url=url, keys_file=keys_file, hash_workers=1)
        async with running(settings) as instance:
            yield instance, await add_and_log_in(instance)


async def send(instance: Instance, method: str, path: str, token: str | bytes) -> httpx.Response:
    value = token if isinstance(token, bytes) else token.encode("latin-1")
    return await instance.client.request(method, path, headers=[(b"Authorization", b"Bearer " + value)])


async def assert_refused_everywhere(guarded: tuple[Instance, Login], token: str | bytes) -> None:
    instance, login = guarded
    for method, path in (("GET", "/api/auth/me"), ("PUT", "/api/auth/refresh"), ("DELETE", "/api/auth/logout")):
        response = await send(instance, method, path, token)
        body = assert_refused(response, 401, 40001)
        assert body == {"code": 40001, "message": "Unauthenticated.", "data": None}
        assert response.headers["www-authenticate"] == 'Bearer realm="wutang-auth", error="invalid_token"'
    success(await instance.client.get("/api/auth/me", headers=login.headers))


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_token_is_refused(guarded: tuple[Instance, Login], name: str, kind: Kind) -> None:
    instance, login = guarded
    token = login.access_token if kind == "access" else login.refresh_token
    genuine = Genuine(kind, token, forge(instance.settings), key_file.load(instance.settings.keys_file))
    await assert_refused_everywhere(guarded, MALFORMED[name](genuine))


@pytest.mark.parametrize("name", ACCESS_ONLY)
async def test_malformed_access_token_is_refused(guarded: tuple[Instance, Login], name: str) -> None:
    instance, login = guarded
    genuine = Genuine(
        "access", login.access_token, forge(instance.settings), key_file.load(instance.settings.keys_file)
    )
    await assert_refused_everywhere(guarded, ACCESS_ONLY[name](genuine))


async def test_access_token_in_the_clothes_of_a_refresh_token_is_refused(guarded: tuple[Instance, Login]) -> None:
    """And the reverse: the claims of one kind do not pass under the header of the other."""
    instance, login = guarded
    access, refresh = login.access_token.split("."), login.refresh_token.split(".")
    real = forge(instance.settings)
    for signed in (f"{refresh[0]}.{access[1]}", f"{access[0]}.{refresh[1]}"):
        await assert_refused_everywhere(guarded, f"{signed}.{real.signature(signed)}")


async def test_what_is_signed_and_whole_passes(guarded: tuple[Instance, Login]) -> None:
    """The forge itself is no reason to be refused, nor are order, spaces and unknown claims."""
    instance, login = guarded
    real = forge(instance.settings)
    head, body, _ = login.access_token.split(".")
    header, claims = decode_segment(head), decode_segment(body)
    for token in (
        real.sign(header, claims),
        real.sign(dict(reversed(header.items())), dict(reversed(claims.items()))),
        real.sign(json.dumps(header, indent=2).encode(), json.dumps(claims, indent=2).encode()),
        real.changed(login.access_token, groups=["a", {"b": None}], azp="wutang"),
        real.changed(login.access_token, exp=2**53),
        real.changed(login.access_token, iat=int(time.time()) + 1),
        real.changed(login.access_token, client_id="other", scope=""),
    ):
        success(await instance.client.get("/api/auth/me", headers=bearer(token)))


async def test_only_a_genuine_token_is_told_that_it_has_expired(guarded: tuple[Instance, Login]) -> None:
    instance, login = guarded
    real = forge(instance.settings)
    expired = real.changed(login.access_token, exp=int(time.time()) - 1)
    assert_refused(await send(instance, "GET", "/api/auth/me", expired), 401, 40005)
    for token in (
        expired[:-2] + ("A" if expired[-2] != "A" else "B") + expired[-1],
        real.changed(expired, {"typ": "JWT"}),
        real.changed(expired, iss="other"),
        real.changed(expired, sid="x"),
        real.changed(login.refresh_token, exp=int(time.time()) - 1),
        Forge(stranger()).changed(expired),
    ):
        assert_refused(await send(instance, "GET", "/api/auth/me", token), 401, 40001)
    success(await instance.client.get("/api/auth/me", headers=login.headers))


async def test_expired_access_token_cannot_be_used_for_anything_but_refresh_and_logout(
    guarded: tuple[Instance, Login],
) -> None:
    instance, login = guarded
    for now in (0, 1, int(time.time()) - 1, math.floor(time.time())):
        expired = forge(instance.settings).changed(login.access_token, exp=now)
        assert_refused(await send(instance, "GET", "/api/auth/me", expired), 401, 40005)


@pytest.fixture(scope="module")
def rings() -> dict[Algorithm, KeyRing]:
    """One of each kind, made once: an RSA key takes half a second."""
    algorithms: tuple[Algorithm, ...] = ("ES256", "RS256", "HS256")
    return {alg: KeyRing.generate(alg) for alg in algorithms}


@pytest.mark.parametrize("alg", ["ES256", "RS256", "HS256"])
async def test_a_key_verifies_its_own_algorithm_only(
    tmp_path: Path, rings: dict[Algorithm, KeyRing], alg: Algorithm
) -> None:
    """Keys of all three kinds in one ring: none can be talked into another's algorithm."""
    keys = [ring.active if name == alg else ring.keys[1] for name, ring in rings.items()]
    ring = KeyRing(tuple(keys))
    key_file.save(ring, tmp_path / "keys.json")
    async with temporary_database() as url:
        settings = load(Settings, _env_file=None, database_url=url, keys_file=tmp_path / "keys.json", hash_workers=1)
        async with running(settings) as instance:
            login = await add_and_log_in(instance)
            genuine = Genuine("access", login.access_token, forge(settings), ring)
            assert genuine.header["alg"] == alg
            for key in keys:
                # a published key may sign on another replica already
                success(
                    await send(
                        instance,
                        "GET",
                        "/api/auth/me",
                        Forge(key).changed(genuine.token, {"alg": key.alg, "kid": key.kid}),
                    )
                )
                for other in keys:
                    if other is not key:
                        for members in ({"alg": other.alg, "kid": key.kid}, {"alg": key.alg, "kid": other.kid}):
                            for signer in (key, other):
                                forged = Forge(signer).changed(genuine.token, members)
                                await assert_refused_everywhere((instance, login), forged)
                public = key.public_jwk()
                if public is not None:
                    pem = jwt.PyJWK.from_dict(public).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
                    der = jwt.PyJWK.from_dict(public).key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                    for secret in (pem, der, json.dumps(public).encode()):
                        for kid in (one.kid for one in keys):
                            await assert_refused_everywhere((instance, login), genuine.as_hmac(secret, kid=kid))
