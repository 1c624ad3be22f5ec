"""The only place where SQL is, one file a table: each statement beside the method that runs it."""

from wutang_auth.repository.attempts import AttemptKeys, AttemptRepository, ThrottlePolicy
from wutang_auth.repository.challenges import Challenge, ChallengeRepository
from wutang_auth.repository.emails import EmailRepository
from wutang_auth.repository.mail_tokens import MailToken, MailTokenRepository
from wutang_auth.repository.mails import ClaimedMail, MailRecord, MailRepository
from wutang_auth.repository.new_sessions import EndedSession, NewSession, StartedSession
from wutang_auth.repository.revocations import Revocation, RevocationRepository
from wutang_auth.repository.schema import SchemaRepository
from wutang_auth.repository.sessions import Rotation, SessionRecord, SessionRepository, SessionState
from wutang_auth.repository.totps import FactorRecord, StoredTotp, TotpRepository
from wutang_auth.repository.user_import import ImportRepository, IncomingUser, RejectedRow
from wutang_auth.repository.users import (
    CredentialRepository,
    Credentials,
    StoredUser,
    UserChange,
    UserRecord,
    UserRepository,
)

__all__ = [
    "AttemptKeys",
    "AttemptRepository",
    "Challenge",
    "ChallengeRepository",
    "ClaimedMail",
    "CredentialRepository",
    "Credentials",
    "EmailRepository",
    "EndedSession",
    "FactorRecord",
    "ImportRepository",
    "IncomingUser",
    "MailRecord",
    "MailRepository",
    "MailToken",
    "MailTokenRepository",
    "NewSession",
    "RejectedRow",
    "Revocation",
    "RevocationRepository",
    "Rotation",
    "SchemaRepository",
    "SessionRecord",
    "SessionRepository",
    "SessionState",
    "StartedSession",
    "StoredTotp",
    "StoredUser",
    "ThrottlePolicy",
    "TotpRepository",
    "UserChange",
    "UserRecord",
    "UserRepository",
]
