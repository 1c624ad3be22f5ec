"""Users, and the logins that they have."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from passlib.hash import argon2

from support.database import url_of
from support.http import success
from support.services import Instance
from support.tokens import bearer, claims_of
from wutang_auth.database import Database
from wutang_auth.repository import UserRecord, UserRepository
from wutang_auth.settings import Settings

PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "seven small violet umbrellas"
CREDENTIALS = {"email": "ada@wutang.example", "password": PASSWORD}
READER = ["users:read"]
WRITER = ["users:read", "users:write"]
NEW_USER = {"email": "grace@wutang.example", "password": NEW_PASSWORD}
PASSWORD_HASH = argon2.using(type="ID", memory_cost=19456, time_cost=2, parallelism=1).hash(PASSWORD)


@dataclass
class Login:
    """A token pair."""

    access_token: str
    refresh_token: str
    user_id: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The access token, ready to send."""
        return bearer(self.access_token)

    @property
    def session_id(self) -> UUID:
        """The session that both tokens are of."""
        return UUID(claims_of(self.access_token)["sid"])

    @property
    def generation(self) -> int:
        """The generation of the session that both tokens are of."""
        generation: int = claims_of(self.refresh_token)["gen"]
        assert claims_of(self.access_token)["gen"] == generation
        return generation


def token_pair(response: httpx.Response) -> Login:
    """The tokens of an answer that must be a success."""
    data = success(response)
    return Login(data["access_token"], data["refresh_token"])


async def add_user(
    target: Settings | str,
    email: str = "ada@wutang.example",
    *,
    name: str = "Ada",
    scopes: list[str] | None = None,
    password_hash: str = PASSWORD_HASH,
    disabled: bool = False,
) -> UserRecord:
    """A user whose password is PASSWORD."""
    database = Database(url_of(target))
    try:
        return await UserRepository(database).create(
            email=email, name=name, password_hash=password_hash, scopes=scopes or [], disabled=disabled
        )
    finally:
        await database.close()


async def log_in(client: httpx.AsyncClient, email: str = "ada@wutang.example", password: str = PASSWORD) -> Login:
    """A login that must succeed."""
    response = await client.post("/api/auth/login", json={"email": email, "password": password})
    return token_pair(response)


async def add_and_log_in(instance: Instance, email: str = "ada@wutang.example", **user: Any) -> Login:
    """A new user, logged in."""
    record = await add_user(instance.settings, email, **user)
    login = await log_in(instance.client, email)
    login.user_id = record.id
    return login


async def administrator(instance: Instance, scopes: list[str] = WRITER) -> Login:
    """A user who may read and write users, logged in."""
    return await add_and_log_in(instance, "root@wutang.example", name="Root", scopes=scopes)


async def create(instance: Instance, caller: Login, **fields: Any) -> dict[str, Any]:
    """NEW_USER with these fields, made over HTTP, which must succeed."""
    response = await instance.client.post("/api/users", json=NEW_USER | fields, headers=caller.headers)
    user: dict[str, Any] = success(response, 201)
    return user


async def update(instance: Instance, caller: Login, user_id: object, **fields: Any) -> httpx.Response:
    """The answer to a change of a user over HTTP."""
    return await instance.client.patch(f"/api/users/{user_id}", json=fields, headers=caller.headers)


async def me(instance: Instance, login: Login) -> httpx.Response:
    """The answer to the question whose token it is."""
    return await instance.client.get("/api/auth/me", headers=login.headers)
