"""The only place where SQL is, one file a table: each statement beside the method that runs it."""

from wutang_auth.repository.attempts import AttemptKeys, AttemptRepository, ThrottlePolicy
from wutang_auth.repository.emails import EmailRepository
from wutang_auth.repository.mail_tokens import MailToken, MailTokenRepository
from wutang_auth.repository.mails import ClaimedMail, MailRecord, MailRepository
from wutang_auth.repository.revocations import Revocation, RevocationRepository
from wutang_auth.repository.schema import SchemaRepository
from wutang_auth.repository.sessions import EndedSession, Rotation, SessionRecord, SessionRepository, SessionState
from wutang_auth.repository.user_import import ImportRepository, IncomingUser, RejectedRow
from wutang_auth.repository.users import Credentials, StoredUser, UserChange, UserRecord, UserRepository

__all__ = [
    "AttemptKeys",
    "AttemptRepository",
    "ClaimedMail",
    "Credentials",
    "EmailRepository",
    "EndedSession",
    "ImportRepository",
    "IncomingUser",
    "MailRecord",
    "MailRepository",
    "MailToken",
    "MailTokenRepository",
    "RejectedRow",
    "Revocation",
    "RevocationRepository",
    "Rotation",
    "SchemaRepository",
    "SessionRecord",
    "SessionRepository",
    "SessionState",
    "StoredUser",
    "ThrottlePolicy",
    "UserChange",
    "UserRecord",
    "UserRepository",
]
