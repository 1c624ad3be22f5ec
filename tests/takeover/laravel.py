"""A stand-in for Laravel with tymon/jwt-auth, which does what such an application does: a program of its own.

HS256 with the secret's bytes, the blacklist in the table `cache`, bcrypt, a refresh that keeps `iat` and is not atomic,
and nothing looked at that the original does not look at.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import string
import sys
import threading
import time
from typing import Any

import bcrypt
import pymysql
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

SECRET = os.environ.get("JWT_SECRET", "").encode()
TTL = int(os.environ.get("JWT_TTL_SECONDS", "3600"))
REFRESH_TTL = 20_160 * 60
PREFIX = "shop_cache_"
_PRV = hashlib.sha1(rb"App\Models\User", usedforsecurity=False).hexdigest()
_ALPHANUMERIC = string.ascii_letters + string.digits

_own = threading.local()


def _encode(value: bytes | dict[str, Any]) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _query(sql: str, *values: object) -> list[Any]:
    if not hasattr(_own, "connection"):
        _own.connection = pymysql.connect(
            host="127.0.0.1", port=int(os.environ["DB_PORT"]), user="shop", password=os.environ["DB_PASSWORD"],
            database="shop", charset="utf8mb4", autocommit=True, cursorclass=pymysql.cursors.DictCursor,
        )  # fmt: skip
    with _own.connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _mint(claims: dict[str, Any], path: str) -> JSONResponse:
    now = int(time.time())
    fresh = {"iss": f"https://shop.example{path}", "iat": now, "exp": now + TTL, "nbf": now}
    kept = {name: claims[name] for name in claims if name not in ("iss", "exp", "nbf", "jti")}
    body = fresh | {"jti": "".join(secrets.choice(_ALPHANUMERIC) for _ in range(16))} | kept
    signed = f"{_encode({'typ': 'JWT', 'alg': 'HS256'})}.{_encode(body)}"
    token = f"{signed}.{_encode(hmac.digest(SECRET, signed.encode(), 'sha256'))}"
    return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": TTL})


def _claims(request: Request) -> dict[str, Any] | None:
    """Of a token that is genuine, live and not on the blacklist."""
    token = request.headers.get("authorization", "").rpartition(" ")[2]
    try:
        head, body, tail = token.split(".")
        header, claims = json.loads(_decode(head)), json.loads(_decode(body))
        genuine = hmac.compare_digest(hmac.digest(SECRET, f"{head}.{body}".encode(), "sha256"), _decode(tail))
    except ValueError:
        return None
    now = time.time()
    live = claims["exp"] > now and claims["nbf"] <= now and claims.get("prv", _PRV) == _PRV
    if header["alg"] != "HS256" or not genuine or not live:
        return None
    known = _query("SELECT value FROM cache WHERE `key` = %s AND expiration > %s", PREFIX + claims["jti"], int(now))
    return None if known else dict(claims)


def _blacklist(claims: dict[str, Any]) -> None:
    until = max(claims["exp"], claims["iat"] + REFRESH_TTL) + 60
    value = f'a:1:{{s:11:"valid_until";i:{int(time.time())};}}'
    _query("REPLACE INTO cache VALUES (%s, %s, %s)", PREFIX + claims["jti"], value, until)


def _user(claims: dict[str, Any]) -> dict[str, Any] | None:
    rows = _query("SELECT id, name, email FROM users WHERE id = %s AND deleted_at IS NULL", claims["sub"])
    return rows[0] if rows else None


def _login(credentials: dict[str, Any]) -> JSONResponse:
    rows = _query("SELECT id, password FROM users WHERE email = %s", credentials["email"])
    stored = rows[0]["password"].replace("$2y$", "$2b$", 1).encode() if rows else b""
    if not rows or not bcrypt.checkpw(credentials["password"].encode()[:72], stored):
        return JSONResponse({"error": "Unauthorized"}, 401)
    return _mint({"sub": str(rows[0]["id"]), "prv": _PRV}, "/api/auth/login")


def _guarded(request: Request) -> JSONResponse:
    claims = _claims(request)
    user = claims and _user(claims)
    if not claims or not user:
        return JSONResponse({"message": "Unauthenticated."}, 401)
    match request.url.path.rpartition("/")[2]:
        case "refresh":
            _blacklist(claims)
            return _mint(claims, "/api/auth/refresh")
        case "logout":
            _blacklist(claims)
            return JSONResponse({"message": "Successfully logged out"})
    return JSONResponse(user)


async def login(request: Request) -> JSONResponse:
    """POST /api/auth/login."""
    credentials = await request.json()
    return await run_in_threadpool(_login, credentials)


async def guarded(request: Request) -> JSONResponse:
    """What needs a token."""
    return await run_in_threadpool(_guarded, request)


app = Starlette(
    routes=[
        Route("/api/auth/login", login, methods=["POST"]),
        Route("/api/auth/me", guarded, methods=["GET"]),
        Route("/api/auth/refresh", guarded, methods=["PUT"]),
        Route("/api/auth/logout", guarded, methods=["DELETE"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
