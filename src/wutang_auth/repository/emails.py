"""What is read and written in `emails`."""

from wutang_auth.database import Database, Statement, Transaction
from wutang_auth.errors import EmailTaken


class EmailRepository:
    """The `emails` table: whose each address is, by its canonical form.

    A claim counts as long as the user that it names has this address. One that was left behind by whoever changed or
    deleted users without releasing it, such as the release before this table, is taken over.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    IS_THERE = Statement("SELECT to_regclass('emails') IS NOT NULL AS is_there")

    async def is_there(self) -> bool:
        """Whether the migration has made the table, which it does not while two users have one address."""
        row = await self._database.fetchrow(self.IS_THERE)
        return row is not None and bool(row["is_there"])

    OWNER = Statement("SELECT user_id FROM emails WHERE canonical_email = $canonical_email")

    async def owner(self, canonical_email: str) -> int | None:
        """The id of the user that claims this address; whether the claim counts, is told by the user."""
        row = await self._database.fetchrow(self.OWNER, canonical_email=canonical_email)
        return None if row is None else int(row["user_id"])

    # a claim that is there is written as it is, to hold it until the end of the transaction and to see whose it is
    CLAIM = Statement("""
        INSERT INTO emails AS claim (canonical_email, user_id) VALUES ($canonical_email, $user_id)
        ON CONFLICT (canonical_email) DO UPDATE SET user_id = claim.user_id
        RETURNING claim.user_id
    """)

    COUNTS = Statement("SELECT id FROM users WHERE id = $user_id AND canonical_email = $canonical_email")

    TAKE_OVER = Statement("UPDATE emails SET user_id = $user_id WHERE canonical_email = $canonical_email")

    async def claim(self, transaction: Transaction, canonical_email: str, user_id: int) -> None:
        """Claim an address for a user in the transaction that gives it to the user.

        Raises:
            EmailTaken: another user has it.
        """
        row = await transaction.fetchrow(self.CLAIM, canonical_email=canonical_email, user_id=user_id)
        owner = user_id if row is None else int(row["user_id"])
        if owner == user_id:
            return
        if await transaction.fetchrow(self.COUNTS, user_id=owner, canonical_email=canonical_email) is not None:
            raise EmailTaken
        await transaction.fetch(self.TAKE_OVER, canonical_email=canonical_email, user_id=user_id)

    RELEASE = Statement("DELETE FROM emails WHERE canonical_email = $canonical_email AND user_id = $user_id")

    async def release(self, transaction: Transaction, canonical_email: str, user_id: int) -> None:
        """Give an address free in the transaction that takes it from the user."""
        await transaction.fetch(self.RELEASE, canonical_email=canonical_email, user_id=user_id)
