"""What ends besides when a user gets another password or address, is disabled or goes."""

from uuid import UUID

from wutang_auth.database import Database, Statement, Transaction
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.mails import MailRepository
from wutang_auth.repository.revocations import REVOKED
from wutang_auth.response_codes import Language


class Endings:
    """Sessions, tokens of the earlier application and links of mails, in the transaction of what ends them.

    It holds the user's row.
    """

    def __init__(self, database: Database) -> None:
        self._mails = MailRepository(database)
        self._cut = LegacyCut()

    # sessions that a concurrent login adds are seen: the statement before it locked the user's row and waited for them
    END_SESSIONS = Statement(f"""
        WITH ended AS (
            DELETE FROM sessions
            WHERE user_id = $user_id AND id IS DISTINCT FROM $kept
            RETURNING user_id, id, access_expires_at
        ), {REVOKED}
        SELECT id FROM ended
    """)

    async def end_sessions(
        self, transaction: Transaction, user_id: int, *, kept: UUID | None = None, password_changed: bool = False
    ) -> None:
        """End the user's sessions but the one that is kept, and refuse the tokens that the earlier application issued.

        `password_changed`: the next run of the takeover leaves the password as it is.
        """
        await self._cut.set(transaction, user_id, password_changed=password_changed)
        await transaction.fetch(self.END_SESSIONS, user_id=user_id, kept=kept)

    # SECURITY: whoever has set a password does not want another one set, or another address, by a mail of before; who
    # asked for that may be who had the former password. The way back from a change stays, unless somebody else than the
    # user has set another address since: then it would lead away from that.
    KILL_LINKS = Statement("""
        DELETE FROM mail_tokens
        WHERE user_id = $user_id AND purpose IN (
            'reset', 'invite', 'email_change', 'email_agree', CASE WHEN $ways_back THEN 'email_undo' END
        )
    """)
    WITHDRAW_CHANGES = Statement("""
        DELETE FROM mails
        WHERE user_id = $user_id
            AND kind IN ('email_change', 'email_agree', CASE WHEN $ways_back THEN 'email_changed_notice' END)
    """)

    async def kill_links(self, transaction: Transaction, user_id: int, *, ways_back: bool = False) -> None:
        """Let no mail of before change the user's password or address."""
        await transaction.fetch(self.KILL_LINKS, user_id=user_id, ways_back=ways_back)
        await transaction.fetch(self.WITHDRAW_CHANGES, user_id=user_id, ways_back=ways_back)

    async def end_by_password(
        self,
        transaction: Transaction,
        user_id: int,
        email: str,
        *,
        kept: UUID | None = None,
        notify_in: Language | None,
    ) -> None:
        """End what another password ends: links, and all sessions but the one that is kept.

        With a language, the user is told by mail.
        """
        await self.kill_links(transaction, user_id)
        await self.end_sessions(transaction, user_id, kept=kept, password_changed=True)
        if notify_in is not None:
            await self._mails.write("password_changed", email, notify_in, user_id=user_id, transaction=transaction)
