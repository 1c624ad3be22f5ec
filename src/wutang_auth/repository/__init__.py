"""The only place from which SQL is sent, one file a table.

The SQL is in `sql.py`, made from `statements`; that of imports, on a table of their own, is in `user_import.py`.
"""

from wutang_auth.repository.attempts import AttemptRepository, Keys, Limits
from wutang_auth.repository.schema import REVISION, SchemaRepository
from wutang_auth.repository.sessions import Rotation, SessionRecord, SessionRepository, SessionState
from wutang_auth.repository.user_import import ImportRepository, IncomingUser, RejectedRow
from wutang_auth.repository.users import Credentials, StoredUser, UserChange, UserRecord, UserRepository

__all__ = [
    "REVISION",
    "AttemptRepository",
    "Credentials",
    "ImportRepository",
    "IncomingUser",
    "Keys",
    "Limits",
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
