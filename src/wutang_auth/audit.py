"""The audit trail: one structured line for each thing that happens to an account."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, get_args
from uuid import UUID

from wutang_auth.context import request_context
from wutang_auth.errors import RefusalReason
from wutang_auth.fields import MailKind

logger = logging.getLogger("wutang_auth.audit")

Event = Literal[
    "login", "login_failed", "refresh", "refresh_replayed", "theft", "logout", "session_ended", "password_changed",
    "password_change_failed", "user_created", "user_changed", "user_deleted", "users_imported", "sessions_revoked",
    "access_refused", "legacy_seen", "legacy_adopted", "legacy_refused", "registration_asked", "registered",
    "reset_asked", "password_reset", "email_verified", "email_change_asked", "email_changed", "email_change_undone",
    "invited", "reauthenticated", "reauthentication_failed", "mail_sent", "mail_refused", "mail_given_up",
    "tokens_imported",
    "second_factor_asked", "second_factor_failed", "factor_added", "factor_removed", "factors_reset",
    "recovery_codes_renewed", "recovery_code_used",
]  # fmt: skip
OwnReason = Literal[
    "unknown e-mail", "wrong password", "disabled", "changed meanwhile", "too many attempts", "address not verified",
    "refresh token reused", "everywhere", "too many", "wrong current password",
    "all", "all that began before",
    "wrong code", "used code", "no such challenge", "totp",
]  # fmt: skip
Reason = OwnReason | RefusalReason | MailKind

REASONS: Final[Mapping[Event, Sequence[Reason | None]]] = {
    "login_failed": (
        "unknown e-mail", "wrong password", "disabled", "changed meanwhile", "too many attempts",
        "address not verified",
    ),
    "theft": ("refresh token reused",),
    "logout": (None, "everywhere"),
    "session_ended": (None, "too many"),
    "sessions_revoked": (None, "all", "all that began before"),
    "reauthentication_failed": ("wrong password", "changed meanwhile"),
    "second_factor_failed": (
        "wrong code", "used code", "no such challenge", "changed meanwhile", "too many attempts",
    ),
    "factor_added": ("totp",),
    "factor_removed": ("totp",),
    "password_change_failed": ("wrong current password", "changed meanwhile"),
    "access_refused": get_args(RefusalReason),
    "legacy_refused": get_args(RefusalReason),
    "mail_sent": get_args(MailKind),
    "mail_refused": get_args(MailKind),
    "mail_given_up": get_args(MailKind),
}  # fmt: skip
"""The reasons of each event; one that is not here has none."""

listeners: Final[list[Callable[[Event, Reason | None], None]]] = []
"""Each is called with each event of this process, whether or not its level is logged."""


def record(
    event: Event,
    *,
    user_id: int | None = None,
    session_id: UUID | None = None,
    actor_id: int | None = None,
    reason: Reason | None = None,
    detail: str | None = None,
    changed: Sequence[str] = (),
    amr: Sequence[str] = (),
    is_routine: bool = False,
) -> None:
    """Log an event; `actor_id` is who did it, where that is not the user, and `changed` names fields, not values.

    `detail` is what no fixed words say, such as a mail server's answer; it is logged behind the reason. An event that
    is routine is logged at the level `debug`.

    `amr` is by what a session's user proved who it is (RFC 8176), where second factors are on.
    """
    for listener in listeners:
        listener(event, reason)
    level = logging.DEBUG if is_routine else logging.INFO
    if not logger.isEnabledFor(level):
        return
    context = request_context.get()
    fields = {
        "event": event,
        "user_id": user_id,
        "session_id": None if session_id is None else str(session_id),
        "actor_id": actor_id,
        "reason": ": ".join(filter(None, (reason, detail))) or None,
        "changed": ",".join(changed) or None,
        "amr": ",".join(amr) or None,
        "ip": context.client_address,
        "request_id": context.request_id,
    }
    logger.log(level, event, extra={"fields": {name: value for name, value in fields.items() if value is not None}})
