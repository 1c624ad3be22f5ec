"""What is read and written of passwords in `users`."""

import re
import zlib
from uuid import UUID

from wutang_auth.database import Database, Statement, reader
from wutang_auth.fields import canonical_email
from wutang_auth.repository.distribution import Distribution
from wutang_auth.repository.emails import EmailRepository
from wutang_auth.repository.users.endings import Endings
from wutang_auth.repository.users.records import Credentials
from wutang_auth.response_codes import Language

_CREDENTIALS = """SELECT id AS user_id, password_hash, scopes, disabled_at IS NOT NULL AS is_disabled,
    coalesce(email_verified_at > '-infinity', false) AS is_verified FROM users"""

_credentials = reader(Credentials)

# of `$2y$12$…` and `$argon2id$v=19$m=65536,t=4,p=1$…`, all but salt and checksum
_FORM_AND_COST = re.compile(r"\$2[aby]\$\d\d\$|\$argon2[^$]*\$(?:v=\d+\$)?[^$]*\$")


class CredentialRepository:
    """The passwords in the `users` table, as hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._emails = EmailRepository(database)
        self._distribution = Distribution(database)
        self._endings = Endings(database)

    FIND = Statement(f"{_CREDENTIALS} WHERE id = $user_id AND canonical_email = $canonical_email")

    # of users that the release before `emails` made or changed while this one was there already
    FIND_UNCLAIMED = Statement(f"{_CREDENTIALS} WHERE canonical_email = $canonical_email")

    async def find(self, email: str) -> Credentials | None:
        """What to compare a login with, whatever the spelling of the e-mail.

        Two statements, not a join, which distributed engines refuse; they are as many for an address that nobody has.
        """
        canonical = canonical_email(email)
        owner = await self._emails.owner(canonical)
        is_spread = await self._distribution.is_spread()
        if owner is None and is_spread:
            # SECURITY: where users are on several servers, one of them is asked for an address that nobody has too,
            # whichever: to ask all would take longer, and fail while one is away
            owner = -zlib.crc32(canonical.encode())
        row = None
        if owner is not None:
            row = await self._database.fetchrow(self.FIND, user_id=owner, canonical_email=canonical)
        if row is None and not is_spread:
            row = await self._database.fetchrow(self.FIND_UNCLAIMED, canonical_email=canonical)
        return None if row is None else _credentials(row)

    GET = Statement(f"{_CREDENTIALS} WHERE id = $user_id")

    async def get(self, user_id: int) -> Credentials | None:
        """The same of a user that is known."""
        row = await self._database.fetchrow(self.GET, user_id=user_id)
        return None if row is None else _credentials(row)

    SAMPLE_HASHES = Statement("SELECT password_hash FROM users ORDER BY id LIMIT 1000")

    async def sample_hashes(self) -> list[str]:
        """One stored hash of each form and cost, as far as the oldest thousand users tell."""
        hashes = [str(row["password_hash"]) for row in await self._database.fetch(self.SAMPLE_HASHES)]
        return list({match[0]: match.string for match in map(_FORM_AND_COST.match, hashes) if match}.values())

    UPGRADE_HASH = Statement("""
        UPDATE users SET password_hash = $new_hash
        WHERE id = $user_id AND password_hash = $verified_hash
        RETURNING id
    """)

    async def upgrade_hash(self, user_id: int, *, verified_hash: str, new_hash: str) -> bool:
        """Store the same password's better hash, unless the password was changed meanwhile."""
        row = await self._database.fetchrow(
            self.UPGRADE_HASH, user_id=user_id, verified_hash=verified_hash, new_hash=new_hash
        )
        return row is not None

    REPLACE_PASSWORD = Statement("""
        UPDATE users SET password_hash = $new_hash, updated_at = now()
        WHERE id = $user_id AND password_hash = $verified_hash AND disabled_at IS NULL
        RETURNING email
    """)

    async def replace_password(
        self,
        user_id: int,
        *,
        verified_hash: str,
        new_hash: str,
        keep_session: UUID | None,
        notify_in: Language | None = None,
    ) -> bool:
        """Replace a password that was just verified, and end the other sessions; not if it was changed meanwhile.

        With a language, the user is told by mail.
        """
        async with self._database.transaction() as transaction:
            row = await transaction.fetchrow(
                self.REPLACE_PASSWORD, user_id=user_id, verified_hash=verified_hash, new_hash=new_hash
            )
            if row is not None:
                await self._endings.end_by_password(
                    transaction, user_id, row["email"], kept=keep_session, notify_in=notify_in
                )
        return row is not None
