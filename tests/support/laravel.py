"""A Laravel application's database, as tests set one up in PostgreSQL."""

import hashlib
from typing import Any

from support.database import query

PHP_HASH = "$2y$10$X7AKuUHnXn3cfbdRv.9sCO4WhiNKxssYnijqeUCmvfK/UzircsD1m"
"""Of `hunter2!`."""
OTHER_PHP_HASH = "$2y$10$Njqtq1qyK8AyY0LNPItEjON19lyzf.5waGYAdV0VnHTToOOzTs97G"
"""Of `legacy-cost-10`."""

_USERS = """
    CREATE TABLE users (
        id bigserial PRIMARY KEY, name varchar(255) NOT NULL, email varchar(255) NOT NULL UNIQUE,
        email_verified_at timestamp(0), password varchar(255) NOT NULL, remember_token varchar(100),
        created_at timestamp(0), updated_at timestamp(0), deleted_at timestamp(0)
    )
"""
_CACHE = "CREATE TABLE cache (key varchar(255) PRIMARY KEY, value text NOT NULL, expiration integer NOT NULL)"


class Shop:
    """The application's database."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def set_up(self) -> "Shop":
        """Make the tables that Laravel makes."""
        await query(self.url, _USERS)
        await query(self.url, _CACHE)
        return self

    async def add(self, user_id: int, email: str, **columns: Any) -> None:
        """A row of a user."""
        row = {"id": user_id, "email": email, "name": "Ada", "password": PHP_HASH, **columns}
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await query(self.url, f"INSERT INTO users ({', '.join(row)}) VALUES ({places})", *row.values())

    async def change(self, user_id: int, **columns: Any) -> None:
        """Other values in a row of a user."""
        changes = ", ".join(f"{column} = ${place}" for place, column in enumerate(columns, 2))
        await query(self.url, f"UPDATE users SET {changes} WHERE id = $1", user_id, *columns.values())

    async def delete(self, user_id: int) -> None:
        """No row of a user any more."""
        await query(self.url, "DELETE FROM users WHERE id = $1", user_id)

    async def cache(self, key: str, value: str, expiration: int) -> None:
        """An entry of the cache store."""
        await query(self.url, "INSERT INTO cache VALUES ($1, $2, $3)", key, value, expiration)


def sha1(jti: str) -> bytes:
    """How a token is known."""
    return hashlib.sha1(jti.encode()).digest()
