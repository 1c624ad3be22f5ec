"""Users and tokens of the earlier application, as Laravel with jwt-auth made them."""

import hashlib
import hmac
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from support.database import Target, query
from support.services import Instance, Start
from support.tokens import bearer, encode_segment
from support.users import add_user

SECRET = "qK2t2q9OCooYaFc5xtz9HntLIkVvDrt7xY5Rx8DdbWkllu5UlG1UnuVhDZCp8uQ9"  # made by a machine for tests
PRV = hashlib.sha1(rb"App\Models\User", usedforsecurity=False).hexdigest()
HEADER = {"typ": "JWT", "alg": "HS256"}


def legacy_settings(**changes: Any) -> dict[str, Any]:
    """What takes over live sessions, with other settings if given."""
    return {"legacy_secret": SecretStr(SECRET), "legacy_until": datetime.now(UTC) + timedelta(days=30), **changes}


def legacy_environment() -> dict[str, str]:
    """The same for commands."""
    until = datetime.now(UTC) + timedelta(days=30)
    return {"WUTANG_LEGACY_SECRET": SECRET, "WUTANG_LEGACY_UNTIL": until.strftime("%Y-%m-%dT%H:%M:%SZ")}


async def start_legacy(start: Start, **changes: Any) -> Instance:
    """A service that takes over live sessions."""
    return await start(**legacy_settings(**changes))


def sign(header: bytes | dict[str, Any], claims: bytes | dict[str, Any], secret: str = SECRET) -> str:
    """A token of these two parts, whatever they are, signed with the application's secret."""
    signed = f"{encode_segment(header)}.{encode_segment(claims)}"
    return f"{signed}.{encode_segment(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"


def legacy_claims(user_id: int, *, age: int = 60, ttl: int = 3600, **changes: Any) -> dict[str, Any]:
    """The claims of a login `age` seconds ago, with other values; `...` leaves one out."""
    issued_at = int(time.time()) - age
    claims = {
        "iss": "https://app.example.com/api/auth/login", "iat": issued_at, "exp": issued_at + ttl, "nbf": issued_at,
        "jti": secrets.token_hex(8), "sub": str(user_id), "prv": PRV,
    } | changes  # fmt: skip
    return {name: value for name, value in claims.items() if value is not ...}


def legacy_token(user_id: int, **changes: Any) -> str:
    """A token as the application made it."""
    return sign(HEADER, legacy_claims(user_id, **changes))


async def take_over(target: Target, user_id: int) -> None:
    """As `takeover users` does with a user that it brings."""
    await query(target, "INSERT INTO takeover_users (user_id) VALUES ($1)", user_id)


async def add_taken_over(instance: Instance, email: str = "ada@wutang.example", **user: Any) -> int:
    """A user that was brought, and its id."""
    record = await add_user(instance.settings, email, **user)
    await take_over(instance.settings, record.id)
    return record.id


async def get_me(instance: Instance, token: str) -> httpx.Response:
    """The answer to the question whose token it is."""
    return await instance.client.get("/api/auth/me", headers=bearer(token))


async def put_refresh(instance: Instance, token: str) -> httpx.Response:
    """The answer to a refresh."""
    return await instance.client.put("/api/auth/refresh", headers=bearer(token))


async def delete_logout(instance: Instance, token: str, *, everywhere: bool = False) -> httpx.Response:
    """The answer to a logout."""
    params = {"everywhere": "true"} if everywhere else {}
    return await instance.client.delete("/api/auth/logout", headers=bearer(token), params=params)
