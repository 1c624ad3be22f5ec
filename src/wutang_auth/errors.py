"""Everything that can be refused or go wrong, as one tree.

AuthError
├── InvalidParameters          10001  422  body, query or header not understood
│   ├── PayloadTooLarge        10001  413
│   ├── HeadTooLarge           10001  431
│   ├── MalformedRequest       10001  400
│   ├── PreflightRefused       10001  400  of a browser, whose page may not call
│   └── UnsupportedMediaType   10001  415
│       └── UnsupportedContentCoding
├── InvalidCredentials         10003  401  e-mail and password do not match
├── Conflict                   10003  409  understood, but contradicts what is there
│   ├── EmailTaken
│   ├── DeadLink
│   ├── WrongCurrentPassword
│   ├── WrongCode
│   ├── FactorExists
│   ├── ScopeNotHeld
│   └── SelfLockout
├── MethodNotAllowed           40001  405
├── TooManyAttempts            40001  429
├── Unauthenticated            40001  401  the guard's answer
│   ├── TokenMissing
│   ├── TokenInvalid
│   ├── SessionEnded
│   └── TokenExpired           40005
├── InsufficientScope          40003  403
├── EmailNotVerified           40003  403
├── NotFresh                   40003  403
├── SecondFactorNeeded         40003  403
├── SecondFactorMissing        40003  403
├── NotFound                   40004  404
│   ├── MailIsOff
│   └── FactorsAreOff
└── Failed                     50001  500
    └── Unavailable            50001  503
        ├── DatabaseUnavailable
        │   ├── DatabaseMisconfigured
        │   │   └── DatabaseUnfit
        │   └── SchemaLocked
        ├── SecretUnreadable
        └── Overloaded

A class names its response code and, where it differs from the code's own, its HTTP status.
"""

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from wutang_auth.response_codes import ResponseCode


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request; never the value itself."""

    field: str
    """Its name; `body` where the body as a whole is to blame."""
    problem: str
    """The name of the problem, for which messages.py has the words."""
    limit: int | None = None
    """The number that the words name, where they name one."""


class AuthError(Exception):
    """The root: something a caller is told by a response code."""

    code: ResponseCode = ResponseCode.FAILED
    status: int = 500
    retry_after: int | None = None
    """Seconds after which the same request may succeed."""


class InvalidParameters(AuthError):
    """The request was not understood."""

    code = ResponseCode.INVALID_PARAMETERS
    status = 422

    def __init__(self, errors: Sequence[FieldError] = ()) -> None:
        super().__init__()
        self.errors = tuple(errors)


class PayloadTooLarge(InvalidParameters):
    """The body is larger than any request of this API needs."""

    status = 413


class HeadTooLarge(InvalidParameters):
    """The request's head is larger than any request of this API needs."""

    status = 431


class MalformedRequest(InvalidParameters):
    """Not a request that HTTP allows."""

    status = 400


class PreflightRefused(InvalidParameters):
    """A browser asked for an origin, method or header that no page of another origin may use (CORS)."""

    status = 400


class UnsupportedMediaType(InvalidParameters):
    """The body's media type is not one the route reads."""

    status = 415

    def __init__(self, accepted: str = "application/json") -> None:
        """`accepted` is what the route reads, as the header `Accept` lists it."""
        super().__init__()
        self.accepted = accepted


class UnsupportedContentCoding(UnsupportedMediaType):
    """The body is compressed, which no route reads."""


class InvalidCredentials(AuthError):
    """E-mail and password do not match; whether the account exists is not told."""

    code = ResponseCode.INVALID_DATA
    status = 401


class Conflict(AuthError):
    """Understood, but it contradicts what is there."""

    code = ResponseCode.INVALID_DATA
    status = 409


class EmailTaken(Conflict):
    """Another user has this e-mail, in some spelling."""


class DeadLink(Conflict):
    """The link of a mail was used already, or has expired: try to log in, or ask for another one."""


class WrongCurrentPassword(Conflict):
    """The current password is another one."""


class WrongCode(Conflict):
    """The code is another one, was used already, or comes too late."""


class FactorExists(Conflict):
    """There is such a second factor already: remove it first."""


class ScopeNotHeld(Conflict):
    """A caller may give only the scopes that it holds itself."""


class SelfLockout(Conflict):
    """A caller may not disable or delete itself."""


class MethodNotAllowed(AuthError):
    """The path exists, the method does not."""

    code = ResponseCode.FORBIDDEN
    status = 405


class TooManyAttempts(AuthError):
    """The account or the address has to wait."""

    code = ResponseCode.FORBIDDEN
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


RefusalReason = Literal[
    "no token", "malformed", "unknown key", "wrong algorithm", "signature", "wrong kind", "wrong issuer",
    "wrong audience", "not yet valid", "expired", "session ended", "replaced", "user disabled",
    "gate shut", "other model", "not taken over", "revoked",
]  # fmt: skip


class Unauthenticated(AuthError):
    """The guard let nobody in."""

    code = ResponseCode.FORBIDDEN
    status = 401
    reason: RefusalReason = "malformed"
    """SECURITY: for the audit trail only; the answer is the same for every one."""

    def __init__(self, reason: RefusalReason | None = None) -> None:
        super().__init__()
        if reason is not None:
            self.reason = reason


class TokenMissing(Unauthenticated):
    """No bearer token was sent."""

    reason = "no token"


class TokenInvalid(Unauthenticated):
    """The token failed the gate, for whatever reason."""


class SessionEnded(Unauthenticated):
    """The token is genuine, but its session or user is gone."""

    reason = "session ended"


class TokenExpired(Unauthenticated):
    """The token is genuine, but it or its session is past its lifetime."""

    code = ResponseCode.EXPIRED
    reason = "expired"


class InsufficientScope(AuthError):
    """Authenticated, but without the scope that the route asks for."""

    code = ResponseCode.INSUFFICIENT_SCOPE
    status = 403

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope


class EmailNotVerified(AuthError):
    """The password is right, but the address has to be verified first; a mail with the link is on its way."""

    code = ResponseCode.INSUFFICIENT_SCOPE
    status = 403


class NotFresh(AuthError):
    """The last proof of who it is lies too far back: `POST /api/auth/reauthenticate`, then the same request again."""

    code = ResponseCode.INSUFFICIENT_SCOPE
    status = 403

    def __init__(self, max_age: int | None, amr: Sequence[str] = (), *, methods: Sequence[str] = ("password",)) -> None:
        super().__init__()
        self.max_age = max_age
        """Seconds that it may lie back; None: it may be as old as the session."""
        self.amr = amr
        """By what it must be proven, all of them (RFC 8176); none: by whatever the user has."""
        self.methods = methods
        """What the user has to give for it, all of them: `password`, and `totp` of who has such a factor."""


class SecondFactorNeeded(AuthError):
    """The password is right and not enough: `POST /api/auth/login/second` with the challenge in `data.mfa` is next."""

    code = ResponseCode.INSUFFICIENT_SCOPE
    status = 403

    def __init__(self, challenge: str, expires_in: int, methods: Sequence[str]) -> None:
        super().__init__()
        self.challenge = challenge
        self.expires_in = expires_in
        """Seconds."""
        self.methods = tuple(methods)
        """Of which one is needed."""


class SecondFactorMissing(AuthError):
    """This user must have a second factor and has none yet: it may add one, refresh and log out."""

    code = ResponseCode.INSUFFICIENT_SCOPE
    status = 403
    methods: tuple[str, ...] = ("totp",)
    """Those that can be added."""


class NotFound(AuthError):
    """No such path, user or session."""

    code = ResponseCode.NOT_FOUND
    status = 404


class MailIsOff(NotFound):
    """Mail is off: the service has no `WUTANG_SMTP_URL`."""


class FactorsAreOff(NotFound):
    """Second factors are off: `WUTANG_MFA` is `off`."""


class Failed(AuthError):
    """A bug."""


class Unavailable(Failed):
    """Cannot serve now; the same request may succeed a little later."""

    status = 503
    retry_after = 1


class DatabaseUnavailable(Unavailable):
    """PostgreSQL is away, too slow or read-only. The outcome of a write is unknown."""


class DatabaseMisconfigured(DatabaseUnavailable):
    """PostgreSQL refuses until an operator has changed something."""

    def __init__(self, words: str = "", *, public: str = "database unavailable") -> None:
        super().__init__(words)
        self.public = public
        """What happened, for everyone: without names that this repository does not have."""


class DatabaseUnfit(DatabaseMisconfigured):
    """PostgreSQL is there, but the service cannot rest on it."""


class SchemaLocked(DatabaseUnavailable):
    """Another session holds a lock that a migration needs. Nothing has changed."""


class SecretUnreadable(Unavailable):
    """The secret of a second factor cannot be decrypted, so that nobody is let in by it."""


class Overloaded(Unavailable):
    """The queue is full."""


def in_words(error: BaseException) -> str:
    """What happened, in one line without values: what our errors say, what the system's number or the class means.

    SECURITY: not the message of a foreign exception; it quotes values, and values are passwords and tokens here.
    """
    if isinstance(error, AuthError) and str(error):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return (inspect.getdoc(type(error)) or "An error without a description.").partition("\n")[0].rstrip(".")
