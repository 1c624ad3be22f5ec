"""What is read and written in `totps` and `recovery_codes`: the second factors of users."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from wutang_auth.database import Database, Statement, Transaction, reader
from wutang_auth.errors import FactorExists, NotFound, ScopeNotHeld, WrongCode
from wutang_auth.fields import MailKind
from wutang_auth.repository.legacy_cut import LegacyCut
from wutang_auth.repository.mails import MailRepository
from wutang_auth.repository.pruning import delete_dead
from wutang_auth.repository.users.endings import Endings
from wutang_auth.response_codes import Language


@dataclass(frozen=True, slots=True)
class StoredTotp:
    """What codes are compared with."""

    user_id: int
    kid: str
    """The key that the secret is encrypted with."""
    secret: bytes = field(repr=False)
    last_step: int
    """Codes of this time step and earlier ones are used up."""
    at: float
    """Now by the database's clock, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class FactorRecord:
    """The second factors of a user, to be looked at."""

    confirmed_at: datetime | None
    """When the app was added; None: there is none."""
    recovery_codes: int
    """How many are left."""


_totp = reader(StoredTotp)
_factors = reader(FactorRecord)

_STORED = "user_id, secret, kid, last_step, extract(epoch FROM now())::float8 AS at"
_LIVES = "interval '10 minutes'"


class TotpRepository:
    """The `totps` table, and `recovery_codes`, which a user has only beside an app.

    The time is read with the secret, so that the clocks of replicas do not matter. Who changes a user's factors holds
    the user's row first, as a login does, so that no session begins that knows nothing of it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mails = MailRepository(database)
        self._cut = LegacyCut()

    FIND = Statement(f"SELECT {_STORED} FROM totps WHERE user_id = $user_id AND confirmed_at IS NOT NULL")

    async def find(self, user_id: int) -> StoredTotp | None:
        """The secret of a user's app, if one was added."""
        row = await self._database.fetchrow(self.FIND, user_id=user_id)
        return None if row is None else _totp(row)

    FIND_UNCONFIRMED = Statement(f"""
        SELECT {_STORED}
        FROM totps
        WHERE user_id = $user_id AND confirmed_at IS NULL AND created_at > now() - {_LIVES}
    """)

    async def find_unconfirmed(self, user_id: int) -> StoredTotp | None:
        """The secret that waits for its first code; it does so for ten minutes."""
        row = await self._database.fetchrow(self.FIND_UNCONFIRMED, user_id=user_id)
        return None if row is None else _totp(row)

    LIST = Statement("""
        SELECT totps.confirmed_at, (
            SELECT count(*) FROM recovery_codes WHERE recovery_codes.user_id = users.id
        ) AS recovery_codes
        FROM users LEFT JOIN totps ON totps.user_id = users.id
        WHERE users.id = $user_id
    """)

    async def list(self, user_id: int) -> FactorRecord:
        """What a user has.

        Raises:
            NotFound: there is no such user.
        """
        row = await self._database.fetchrow(self.LIST, user_id=user_id)
        if row is None:
            raise NotFound
        return _factors(row)

    ADD = Statement("""
        INSERT INTO totps AS there (user_id, secret, kid)
        VALUES ($user_id, $secret, $kid)
        ON CONFLICT (user_id) DO UPDATE
        SET secret = excluded.secret, kid = excluded.kid, created_at = excluded.created_at
        WHERE there.confirmed_at IS NULL
        RETURNING there.user_id
    """)

    async def add(self, user_id: int, *, secret: bytes, kid: str) -> None:
        """Keep a secret until its first code comes; it takes the place of one that waits.

        Raises:
            FactorExists: the user has added an app already.
        """
        if await self._database.fetchrow(self.ADD, user_id=user_id, secret=secret, kid=kid) is None:
            raise FactorExists

    LOCK = Statement("SELECT email, scopes FROM users WHERE id = $user_id FOR UPDATE")

    CONFIRM = Statement("""
        UPDATE totps SET confirmed_at = now(), last_step = $step
        WHERE user_id = $user_id AND secret = $secret AND confirmed_at IS NULL
        RETURNING user_id
    """)

    # no bytea[], which distributed engines do not take
    WRITE_CODES = Statement("""
        INSERT INTO recovery_codes (user_id, digest)
        SELECT $user_id, decode(made.digest, 'hex') FROM unnest($digests::text[]) AS made (digest)
    """)
    DROP_CODES = Statement("DELETE FROM recovery_codes WHERE user_id = $user_id")

    PROVED = Statement("""
        UPDATE sessions SET amr = $amr WHERE user_id = $user_id AND id = $session_id
    """)

    async def confirm(
        self,
        totp: StoredTotp,
        *,
        step: int,
        digests: Sequence[bytes],
        amr: Sequence[str],
        keep_session: UUID,
        notify_in: Language | None,
    ) -> None:
        """Count the app as a factor from now on, and its first code as used; the user's other sessions end.

        `amr` is what is known of the session that stays. With a language, the user is told by mail.

        Raises:
            WrongCode: the secret was replaced or confirmed meanwhile.
        """
        async with self._database.transaction() as transaction:
            user = await transaction.fetchrow(self.LOCK, user_id=totp.user_id)
            row = await transaction.fetchrow(self.CONFIRM, user_id=totp.user_id, secret=totp.secret, step=step)
            if user is None or row is None:
                raise WrongCode
            await self._write_codes(transaction, totp.user_id, digests)
            # SECURITY: what the earlier application lets in by the password alone is no way around
            await self._cut.set_for_ever(transaction, totp.user_id)
            await transaction.fetch(Endings.END_SESSIONS, user_id=totp.user_id, kept=keep_session)
            await transaction.fetch(self.PROVED, user_id=totp.user_id, session_id=keep_session, amr=amr)
            await self._tell(transaction, "factor_added", totp.user_id, user["email"], notify_in)

    REMOVE = Statement("DELETE FROM totps WHERE user_id = $user_id AND confirmed_at IS NOT NULL RETURNING user_id")
    FORGET_PROOFS = Statement("UPDATE sessions SET amr = NULL WHERE user_id = $user_id AND amr IS NOT NULL")

    async def remove(self, user_id: int, *, notify_in: Language | None) -> None:
        """Remove the app and the recovery codes; sessions count as begun by the password alone then.

        Raises:
            NotFound: there is none.
        """
        async with self._database.transaction() as transaction:
            user = await transaction.fetchrow(self.LOCK, user_id=user_id)
            if user is None or await transaction.fetchrow(self.REMOVE, user_id=user_id) is None:
                raise NotFound
            await transaction.fetch(self.DROP_CODES, user_id=user_id)
            await transaction.fetch(self.FORGET_PROOFS, user_id=user_id)
            await self._tell(transaction, "factor_removed", user_id, user["email"], notify_in)

    IS_THERE = Statement("SELECT user_id FROM totps WHERE user_id = $user_id AND confirmed_at IS NOT NULL")

    async def renew_codes(self, user_id: int, digests: Sequence[bytes]) -> None:
        """Replace all recovery codes.

        Raises:
            NotFound: the user has no app that they could stand in for.
        """
        async with self._database.transaction() as transaction:
            await transaction.fetch(self.LOCK, user_id=user_id)
            if await transaction.fetchrow(self.IS_THERE, user_id=user_id) is None:
                raise NotFound
            await self._write_codes(transaction, user_id, digests)

    RESET = Statement("""
        WITH codes AS (
            DELETE FROM recovery_codes WHERE user_id = $user_id
        ), asked AS (
            DELETE FROM challenges WHERE user_id = $user_id
        )
        DELETE FROM totps WHERE user_id = $user_id
    """)

    async def reset(self, user_id: int, *, held: Sequence[str] | None, notify_in: Language | None) -> None:
        """Take every second factor from a user, and end its sessions.

        `held` are the scopes of whoever does it, None for an operator. With a language, the user is told by mail.

        Raises:
            NotFound: there is no such user.
            ScopeNotHeld: the user has a scope that is not held.
        """
        async with self._database.transaction() as transaction:
            user = await transaction.fetchrow(self.LOCK, user_id=user_id)
            if user is None:
                raise NotFound
            # SECURITY: who takes away a factor and can set the password can be that user
            if held is not None and not set(user["scopes"]) <= set(held):
                raise ScopeNotHeld
            await transaction.fetch(self.RESET, user_id=user_id)
            await self._cut.set(transaction, user_id)
            await transaction.fetch(Endings.END_SESSIONS, user_id=user_id, kept=None)
            await self._tell(transaction, "factors_reset", user_id, user["email"], notify_in)

    async def _write_codes(self, transaction: Transaction, user_id: int, digests: Sequence[bytes]) -> None:
        await transaction.fetch(self.DROP_CODES, user_id=user_id)
        await transaction.fetch(self.WRITE_CODES, user_id=user_id, digests=[digest.hex() for digest in digests])

    async def _tell(
        self, transaction: Transaction, kind: MailKind, user_id: int, email: str, language: Language | None
    ) -> None:
        if language is not None:
            await self._mails.write(kind, email, language, user_id=user_id, transaction=transaction)

    # -- keys of the key ring

    NEXT_KID = Statement("SELECT kid FROM totps WHERE kid > $kid ORDER BY kid LIMIT 1")

    async def kids(self) -> Sequence[str]:
        """The keys that secrets are encrypted with; one look into the index for each, however many the rows."""
        found = [""]
        while (row := await self._database.fetchrow(self.NEXT_KID, kid=found[-1])) is not None:
            found.append(row["kid"])
        return found[1:]

    PAGE = Statement(f"""
        SELECT {_STORED} FROM totps WHERE user_id > $after AND kid <> $kid ORDER BY user_id LIMIT $limit
    """)

    async def page(self, *, kid: str, after: int, limit: int) -> Sequence[StoredTotp]:
        """The next secrets by user that are encrypted with another key than this."""
        return [_totp(row) for row in await self._database.fetch(self.PAGE, kid=kid, after=after, limit=limit)]

    REENCRYPT = Statement("""
        UPDATE totps SET secret = $secret, kid = $kid
        WHERE user_id = $user_id AND secret = $before
        RETURNING user_id
    """)

    async def reencrypt(self, totp: StoredTotp, *, secret: bytes, kid: str) -> bool:
        """Keep the same secret under another key, unless it was replaced meanwhile."""
        row = await self._database.fetchrow(
            self.REENCRYPT, user_id=totp.user_id, before=totp.secret, secret=secret, kid=kid
        )
        return row is not None

    PRUNE = Statement(
        delete_dead("totps", "user_id", f"confirmed_at IS NULL AND created_at <= now() - {_LIVES}", oldest="created_at")
    )

    async def prune(self, batch: int = 1000) -> int:
        """Delete some secrets whose first code never came; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self.PRUNE, batch=batch))
