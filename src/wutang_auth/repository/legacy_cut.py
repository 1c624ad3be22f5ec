"""Up to when the legacy tokens of a user are refused, in `takeover_users`; whether or not this process takes any."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from wutang_auth.database import Statement, Transaction


class LegacyCut:
    """What ends all sessions of a user also ends the tokens of the earlier application that are none yet."""

    # before the sessions are ended: an adoption holds this row, and what it adds is seen by the next statement
    SET = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE takeover_users
        SET refused_until = greatest(refused_until, clock.t), password_changed = password_changed OR $password_changed
        FROM clock
        WHERE user_id = $user_id AND (
            $session_id::uuid IS NULL OR EXISTS (SELECT FROM sessions WHERE user_id = $user_id AND id = $session_id)
        )
        RETURNING user_id
    """)

    async def set(
        self,
        transaction: Transaction,
        user_id: int,
        *,
        session_id: UUID | None = None,
        password_changed: bool = False,
    ) -> None:
        """Refuse what was issued until now; with a session, only if that is there."""
        await transaction.fetch(self.SET, user_id=user_id, session_id=session_id, password_changed=password_changed)

    SET_MANY = Statement("""
        WITH clock AS MATERIALIZED (SELECT now() AS t)
        UPDATE takeover_users
        SET refused_until = greatest(takeover_users.refused_until, coalesce($until, clock.t))
        FROM clock
        WHERE takeover_users.user_id = ANY($user_ids::bigint[])
        RETURNING takeover_users.user_id
    """)

    async def set_many(self, transaction: Transaction, user_ids: Sequence[int], *, until: datetime | None) -> None:
        """Refuse what was issued to these users until then, None is now; who was refused more stays so."""
        await transaction.fetch(self.SET_MANY, user_ids=user_ids, until=until)

    SET_FOR_EVER = Statement("""
        UPDATE takeover_users SET refused_until = 'infinity' WHERE user_id = $user_id RETURNING user_id
    """)

    async def set_for_ever(self, transaction: Transaction, user_id: int) -> None:
        """Refuse all of this user, those that the earlier application has yet to issue, too."""
        await transaction.fetch(self.SET_FOR_EVER, user_id=user_id)
