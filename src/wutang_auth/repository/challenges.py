"""What is read and written in `challenges`, and the sessions that they end in."""

from dataclasses import asdict, dataclass, field
from datetime import timedelta

from wutang_auth.database import Database, Statement
from wutang_auth.repository.new_sessions import HOLDER, NewSession, StartedSession, beginning, started_session
from wutang_auth.repository.pruning import delete_dead
from wutang_auth.response_codes import Language


@dataclass(frozen=True, slots=True)
class Challenge:
    """A login that waits for its second factor."""

    digest: bytes
    user_id: int
    email: str
    verified_hash: str = field(repr=False)
    """The stored hash of the password that was right."""


# SECURITY: a login that is past its time, used up or of another password uses up no code. It is held, so that of two
# who come with it one finds it.
_WAITING = """waiting AS MATERIALIZED (
            SELECT user_id FROM challenges
            WHERE digest = $challenge AND purpose = 'login' AND user_id = $user_id AND verified_hash = $verified_hash
                AND expires_at > now() AND EXISTS (SELECT FROM holder)
            FOR UPDATE
        )"""
_TAKEN = """taken AS (
            DELETE FROM challenges USING proved, holder
            WHERE challenges.digest = $challenge AND holder.id = proved.user_id
            RETURNING holder.id, holder.scopes, holder.t
        )"""


class ChallengeRepository:
    """The `challenges` table. Of a challenge there is only the SHA-256."""

    def __init__(self, database: Database) -> None:
        self._database = database

    ASK = Statement("""
        INSERT INTO challenges (digest, purpose, user_id, verified_hash, expires_at)
        SELECT $digest, 'login', users.id, users.password_hash, now() + $ttl::interval
        FROM users JOIN totps ON totps.user_id = users.id
        WHERE users.id = $user_id AND users.password_hash = $verified_hash AND users.disabled_at IS NULL
            AND totps.confirmed_at IS NOT NULL
        RETURNING user_id
    """)

    async def ask(self, digest: bytes, *, user_id: int, verified_hash: str, ttl: timedelta) -> bool:
        """Have a login wait for its second factor; False, and it does not: the user has none, or was changed."""
        row = await self._database.fetchrow(
            self.ASK, digest=digest, user_id=user_id, verified_hash=verified_hash, ttl=ttl
        )
        return row is not None

    TRY = Statement("""
        UPDATE challenges SET attempts = attempts + 1
        WHERE digest = $digest AND purpose = 'login' AND attempts < $most AND expires_at > now()
        RETURNING user_id, verified_hash
    """)
    EMAIL = Statement("SELECT email FROM users WHERE id = $user_id")

    async def attempt(self, digest: bytes, *, most: int) -> Challenge | None:
        """Count an attempt; None if it is one too many, or there is no such login that waits."""
        row = await self._database.fetchrow(self.TRY, digest=digest, most=most)
        if row is None:
            return None
        user = await self._database.fetchrow(self.EMAIL, user_id=row["user_id"])
        return None if user is None else Challenge(digest, row["user_id"], user["email"], row["verified_hash"])

    BEGIN_BY_CODE = Statement(f"""
        WITH {HOLDER}, {_WAITING}, proved AS (
            UPDATE totps SET last_step = $step
            FROM waiting
            WHERE totps.user_id = waiting.user_id AND totps.confirmed_at IS NOT NULL AND totps.last_step < $step
            RETURNING totps.user_id
        ), {_TAKEN}, {beginning("taken", amr="ARRAY['pwd', 'otp', 'mfa']")}
    """)

    BEGIN_BY_RECOVERY_CODE = Statement(f"""
        WITH {HOLDER}, {_WAITING}, proved AS (
            DELETE FROM recovery_codes USING waiting
            WHERE recovery_codes.user_id = waiting.user_id AND recovery_codes.digest = $code
            RETURNING recovery_codes.user_id
        ), replaced AS (
            INSERT INTO recovery_codes (user_id, digest) SELECT user_id, $new_code FROM proved
        ), told AS (
            INSERT INTO mails (kind, email, canonical_email, user_id, language)
            SELECT 'recovery_code_used', users.email, users.canonical_email, users.id, $language
            FROM users JOIN proved ON proved.user_id = users.id
            WHERE $language::text IS NOT NULL
        ), {_TAKEN}, {beginning("taken", amr="ARRAY['pwd', 'mfa']")}
    """)

    async def begin_by_code(self, challenge: Challenge, new: NewSession, *, step: int) -> StartedSession | None:
        """Start the session, if challenge, password and the code of this time step still count; all of them or nothing.

        The code is used up by it, and those of earlier steps.
        """
        rows = await self._database.fetch(self.BEGIN_BY_CODE, **_of(challenge), step=step, **asdict(new))
        return started_session(rows, new.session_id)

    async def begin_by_recovery_code(
        self, challenge: Challenge, new: NewSession, *, code: bytes, new_code: bytes, notify_in: Language | None
    ) -> StartedSession | None:
        """Start the session, if challenge, password and recovery code still count; all of them or nothing.

        The recovery code is replaced by the new one; both are SHA-256. With a language, the user is told by mail.
        """
        rows = await self._database.fetch(
            self.BEGIN_BY_RECOVERY_CODE,
            **_of(challenge), code=code, new_code=new_code, language=notify_in, **asdict(new),
        )  # fmt: skip
        return started_session(rows, new.session_id)

    PRUNE = Statement(delete_dead("challenges", "digest", "expires_at <= now()"))

    async def prune(self, batch: int = 1000) -> int:
        """Delete some that nobody answered in time; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self.PRUNE, batch=batch))


def _of(challenge: Challenge) -> dict[str, object]:
    return {"challenge": challenge.digest, "user_id": challenge.user_id, "verified_hash": challenge.verified_hash}
