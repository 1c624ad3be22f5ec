"""Every SQL statement of the program, one file a table."""

from wutang_auth.repository.attempts import Admission, AttemptRepository, Limit
from wutang_auth.repository.imports import ImportRepository, IncomingUser, RejectedRow
from wutang_auth.repository.schema import SchemaRepository
from wutang_auth.repository.sessions import Rotation, SessionRecord, SessionRepository, SessionState
from wutang_auth.repository.users import Credentials, StoredUser, UserChange, UserRecord, UserRepository

__all__ = [
    "Admission",
    "AttemptRepository",
    "Credentials",
    "ImportRepository",
    "IncomingUser",
    "Limit",
    "RejectedRow",
    "Rotation",
    "SchemaRepository",
    "SessionRecord",
    "SessionRepository",
    "SessionState",
    "StoredUser",
    "UserChange",
    "UserRecord",
    "UserRepository",
]
