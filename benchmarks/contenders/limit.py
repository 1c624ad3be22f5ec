"""The limits: what this server and this driver can do at all, with nothing of a service around it.

One bare ASGI application with three paths. `/me` looks the token up among those verified before, runs the service's own
SELECT and answers in JSON. `/refresh` verifies a token, runs the service's own UPDATE … RETURNING and signs two tokens.
`/static` always answers the same bytes. No routing, no validation, no errors, no time limits, no log, no request id.
"""

import asyncio
import gc
import json
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

CONNECTIONS = 32
KEPT_TOKENS = 8192  # as many as the service keeps
ACCESS_TTL = 3600
ES256 = ec.ECDSA(SHA256())
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}

directory = Path(os.environ["BENCH_DIRECTORY"])
statements = json.loads((directory / "statements.json").read_text())
jwk = next(key for key in json.loads((directory / "keys.json").read_text())["keys"] if key["state"] == "active")
private_key = ec.derive_private_key(int.from_bytes(urlsafe_b64decode(jwk["d"] + "=")), ec.SECP256R1())
public_key = private_key.public_key()


idle: list[dict["Query", Any]] = []
"""Connections at rest: for each, the statements that are prepared on it."""
waiting: "deque[asyncio.Future[None]]" = deque()
"""Who waits for one."""


class Query:
    """One of the service's statements."""

    def __init__(self, name: str) -> None:
        self.sql: str = statements[name]["sql"]
        self._in_order = itemgetter(*statements[name]["parameters"])

    async def fetchrow(self, given: dict[str, Any]) -> "asyncpg.Record":
        while not idle:  # with more requests at once than connections
            waiting.append(asyncio.get_running_loop().create_future())
            await waiting[-1]
        connection = idle.pop()
        row = await connection[self].fetchrow(*self._in_order(given))
        idle.append(connection)
        if waiting:
            waiting.popleft().set_result(None)
        return row


def encode(value: bytes) -> bytes:
    return urlsafe_b64encode(value).rstrip(b"=")


def head(typ: str) -> bytes:
    return encode(orjson.dumps({"alg": "ES256", "typ": typ, "kid": jwk["kid"]})) + b"."


ACCESS, REFRESH = head("at+jwt"), head("rt+jwt")


def verify(token: bytes) -> tuple[int, UUID, int, int]:
    """User, session, generation and end of a genuine token."""
    signed, _, tail = token.rpartition(b".")
    signature = urlsafe_b64decode(tail + b"==")
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    public_key.verify(encode_dss_signature(r, s), signed, ES256)
    claims = orjson.loads(urlsafe_b64decode(signed.partition(b".")[2] + b"=="))
    return int(claims["sub"]), UUID(claims["sid"]), claims["gen"], claims["exp"]


def sign(kind: bytes, claims: dict[str, Any]) -> str:
    signed = kind + encode(orjson.dumps(claims))
    r, s = decode_dss_signature(private_key.sign(signed, ES256))
    return (signed + b"." + encode(r.to_bytes(32) + s.to_bytes(32))).decode()


def bearer(scope: dict[str, Any]) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value[7:]
    raise ValueError("no token")


select, update = Query("me"), Query("refresh")
verified: dict[bytes, tuple[int, UUID, int, int]] = {}


async def me(scope: dict[str, Any]) -> bytes:
    token = bearer(scope)
    claims = verified.get(token)
    if claims is None:
        if len(verified) >= KEPT_TOKENS:
            verified.clear()
        claims = verified[token] = verify(token)
    user, session, generation, expires_at = claims
    row = await select.fetchrow({"user_id": user, "session_id": session})
    if row["generation"] != generation or row["has_expired"] or row["disabled_at"] or expires_at <= time.time():
        raise ValueError("no longer valid")
    return orjson.dumps(
        {
            "id": row["id"],
            "name": row["name"],
            "email": row["email"],
            "email_verified_at": row["email_verified_at"],
            "scopes": row["scopes"],
            "disabled": False,
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
        },
        option=orjson.OPT_UTC_Z,
    )


async def refresh(scope: dict[str, Any]) -> bytes:
    user, session, generation, expires_at = verify(bearer(scope))
    now = int(time.time())
    if expires_at <= now:
        raise ValueError("expired")
    row = await update.fetchrow(
        {"user_id": user, "session_id": session, "given": generation, "access_ttl": timedelta(seconds=ACCESS_TTL)}
    )
    if not row["stepped"]:
        raise ValueError("used before")
    end = now + int(row["lifetime"])
    common = {"iss": "bench", "sub": str(user), "sid": str(session), "gen": row["generation"], "iat": now, "nbf": now}
    access = {**common, "aud": "bench", "client_id": "bench", "exp": now + ACCESS_TTL, "jti": secrets.token_urlsafe(16)}
    renewed = {**common, "aud": "bench", "exp": end, "jti": secrets.token_urlsafe(16)}
    return orjson.dumps(
        {
            "access_token": sign(ACCESS, access),
            "token_type": "bearer",
            "expires_in": ACCESS_TTL,
            "refresh_token": sign(REFRESH, renewed),
            "refresh_expires_in": end - now,
        }
    )


async def static(scope: dict[str, Any]) -> bytes:  # noqa: ARG001 -- answers whatever comes
    return b'{"code":20001,"message":"OK","data":null}'


PATHS: dict[str, Callable[[dict[str, Any]], Awaitable[bytes]]] = {"/me": me, "/refresh": refresh, "/static": static}


async def lifespan(receive: Any, send: Any) -> None:
    await receive()
    for _ in range(CONNECTIONS):
        connection = await asyncpg.connect(os.environ["BENCH_DATABASE_URL"])
        idle.append({query: await connection.prepare(query.sql) for query in (select, update)})
    gc.freeze()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    body = await PATHS[scope["path"]](scope)
    await send(START)
    await send({"type": "http.response.body", "body": body})
