"""The audit trail: one structured line for each thing that happens to an account."""

import logging
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from wutang_auth.context import request_context

logger = logging.getLogger("wutang_auth.audit")

Event = Literal[
    "login", "login_failed", "refresh", "refresh_replayed", "theft", "logout", "session_ended", "password_changed",
    "password_change_failed", "user_created", "user_changed", "user_deleted", "users_imported", "sessions_revoked",
    "access_refused", "legacy_seen", "legacy_adopted", "legacy_refused", "registration_asked", "registered",
    "reset_asked", "password_reset", "email_verified", "email_change_asked", "email_changed", "email_change_undone",
    "invited", "reauthenticated", "reauthentication_failed", "mail_sent", "mail_refused", "mail_given_up",
    "tokens_imported",
]  # fmt: skip


def record(
    event: Event,
    *,
    user_id: int | None = None,
    session_id: UUID | None = None,
    actor_id: int | None = None,
    reason: str | None = None,
    changed: Sequence[str] = (),
    is_routine: bool = False,
) -> None:
    """Log an event; `actor_id` is who did it, where that is not the user, and `changed` names fields, not values.

    One that is routine is logged at the level `debug`.
    """
    level = logging.DEBUG if is_routine else logging.INFO
    if not logger.isEnabledFor(level):
        return
    context = request_context.get()
    fields = {
        "event": event,
        "user_id": user_id,
        "session_id": None if session_id is None else str(session_id),
        "actor_id": actor_id,
        "reason": reason,
        "changed": ",".join(changed) or None,
        "ip": context.client_address,
        "request_id": context.request_id,
    }
    logger.log(level, event, extra={"fields": {name: value for name, value in fields.items() if value is not None}})
