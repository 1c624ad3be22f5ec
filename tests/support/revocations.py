"""The list of revocations, as another service reads and verifies it: by another library than the service's."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import jwt

PATH = "/.well-known/revocations"


@dataclass
class Listed:
    """A list that was verified."""

    claims: dict[str, Any]
    header: dict[str, Any]

    @property
    def sessions(self) -> set[UUID]:
        """Which sessions have ended."""
        return {UUID(sid) for sid in self.claims["sessions"]}

    @property
    def users(self) -> dict[int, int]:
        """Until which `iat` tokens of users are refused."""
        return {int(user_id): until for user_id, until in self.claims["users"].items()}

    @property
    def cursor(self) -> str:
        """What to ask with the next time."""
        cursor: str = self.claims["next"]
        return cursor


async def ask(
    client: httpx.AsyncClient, after: str | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """The answer to a question for the list."""
    return await client.get(PATH, params={} if after is None else {"after": after}, headers=headers)


async def listed(client: httpx.AsyncClient, after: str | None = None) -> Listed:
    """The list, which must be given and signed."""
    response = await ask(client, after)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/jwt"
    return await verified(client, response)


async def verified(client: httpx.AsyncClient, response: httpx.Response) -> Listed:
    """The list of an answer."""
    header = jwt.get_unverified_header(response.text)
    keys = {key["kid"]: key for key in (await client.get("/.well-known/jwks.json")).json()["keys"]}
    key = jwt.PyJWK.from_dict(keys[header["kid"]])
    claims = jwt.decode(
        response.text, key, algorithms=[keys[header["kid"]]["alg"]],
        options={"require": ["iss", "iat", "exp"], "verify_aud": False},
    )  # fmt: skip
    return Listed(claims, header)
