"""The `users` table: its rows as records, and what reads and writes them."""

from wutang_auth.repository.users.credentials import CredentialRepository
from wutang_auth.repository.users.records import USER_COLUMNS, Credentials, StoredUser, UserChange, UserRecord
from wutang_auth.repository.users.repository import UserRepository

__all__ = [
    "USER_COLUMNS",
    "CredentialRepository",
    "Credentials",
    "StoredUser",
    "UserChange",
    "UserRecord",
    "UserRepository",
]
