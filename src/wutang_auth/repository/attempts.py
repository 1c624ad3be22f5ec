"""What is read and written in `attempts`."""

from dataclasses import dataclass
from datetime import timedelta

from wutang_auth.database import Database, Statement
from wutang_auth.repository.pruning import delete_dead


@dataclass(frozen=True, slots=True)
class AttemptKeys:
    """What an attempt is counted for."""

    address: bytes
    account: bytes
    account_at_address: bytes
    """The account from this address, which is counted instead of the account where a success is remembered."""


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """How many failures in a row cost no wait, and how long the wait after the next ones grows."""

    account_allowed_failures: int
    address_allowed_failures: int
    max_wait: timedelta
    max_failures: int
    """So many failures in a row are the most for an account; after them there is one attempt in `reset_after`."""
    reset_after: timedelta
    """After so long without an attempt, counting starts again."""
    memory: timedelta
    """So long a success is remembered."""
    first_wait: timedelta = timedelta(seconds=1)
    """What doubles."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of an attempt."""

    admitted: bool
    wait: float
    """Seconds until the next one is let through."""
    known_address: bool
    """Whether it was counted for account and address together."""
    address_waits: bool
    """Whether it is the address that has to wait."""


def _wait(failures: str, allowed: str) -> str:
    """SQL: nothing while failures are allowed, then the first wait, twice that, and so on up to the longest."""
    return f"""CASE WHEN {failures} < {allowed} THEN interval '0'
        ELSE least(power(2.0, least({failures} - {allowed}, 20)) * $first_wait::interval, $max_wait) END"""


class AttemptRepository:
    """The `attempts` table: each attempt is one atomic statement, however many come at once.

    The time is clock_timestamp(), not now(): a statement that waited for a row would look at it with the time at which
    it came. Every statement takes rows in the order address, account, account at address, so that none wait for each
    other in a circle.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # The address first and held, so that of many at once none is let through for the account but not for the address.
    # `turn` is the nonce of the attempt that was let through last: how an attempt sees that it was the one.
    ADMIT = Statement(f"""
        WITH origin AS MATERIALIZED (
            SELECT free_at <= clock_timestamp() AS is_free FROM attempts WHERE key = $address FOR UPDATE
        )
        INSERT INTO attempts (key, attempts, failures, turn, last_at, free_at)
        SELECT tried.key, 1, 1, $nonce, clock_timestamp(), clock_timestamp() + {_wait("1", "tried.allowed")}
        FROM (
            SELECT 1 AS step, $address AS key, $address_allowed_failures::int AS allowed
            UNION ALL
            SELECT 2, CASE WHEN EXISTS (
                SELECT FROM attempts
                WHERE key = $account_at_address AND succeeded_at > clock_timestamp() - $memory::interval
            ) THEN $account_at_address ELSE $account END, $account_allowed_failures::int
        ) AS tried LEFT JOIN origin ON true
        WHERE tried.step = 1 OR origin.is_free IS NOT false
        ORDER BY tried.step
        ON CONFLICT (key) DO UPDATE SET (attempts, failures, turn, last_at, free_at) = (
            SELECT
                CASE WHEN is_stale THEN 1 ELSE attempts.attempts + 1 END,
                CASE WHEN is_free THEN failures ELSE attempts.failures END,
                CASE WHEN is_free THEN excluded.turn ELSE attempts.turn END,
                clock.t,
                CASE
                    WHEN NOT is_free THEN attempts.free_at
                    WHEN attempts.key <> $address AND failures >= $max_failures THEN clock.t + $reset_after
                    ELSE clock.t + {_wait("failures", "allowed")}
                END
            FROM (SELECT clock_timestamp() AS t) AS clock
            CROSS JOIN LATERAL (
                SELECT attempts.free_at <= clock.t AS is_free,
                    attempts.free_at <= clock.t AND attempts.last_at < clock.t - $reset_after::interval AS is_stale
            ) AS found
            CROSS JOIN LATERAL (
                SELECT CASE WHEN is_stale THEN 1 ELSE attempts.failures + 1 END AS failures,
                    CASE WHEN attempts.key = $address THEN $address_allowed_failures
                        ELSE $account_allowed_failures END AS allowed
            ) AS counted
        )
        RETURNING turn = $nonce AS admitted, extract(epoch FROM free_at - last_at)::float8 AS wait,
            key = $address AS is_address, key = $account_at_address AS known_address
    """)

    async def admit(self, keys: AttemptKeys, policy: ThrottlePolicy, *, nonce: int) -> Admission:
        """Count an attempt for its address and, unless that has to wait, for its account; `nonce` is random."""
        rows = await self._database.fetch(
            self.ADMIT, nonce=nonce, address=keys.address, account=keys.account,
            account_at_address=keys.account_at_address, account_allowed_failures=policy.account_allowed_failures,
            address_allowed_failures=policy.address_allowed_failures, max_wait=policy.max_wait,
            max_failures=policy.max_failures, reset_after=policy.reset_after, memory=policy.memory,
            first_wait=policy.first_wait,
        )  # fmt: skip
        return Admission(
            admitted=len(rows) == 2 and all(row["admitted"] for row in rows),
            wait=max(row["wait"] for row in rows),
            known_address=any(row["known_address"] for row in rows),
            address_waits=any(row["is_address"] and not row["admitted"] for row in rows),
        )

    FORGIVE = Statement("""
        INSERT INTO attempts (key, attempts, failures, turn, last_at, free_at, succeeded_at)
        SELECT key, 0, 0, 0, clock_timestamp(), clock_timestamp(),
            CASE WHEN key = $account_at_address THEN clock_timestamp() END
        FROM (VALUES (1, $address::bytea), (2, $account), (3, $account_at_address)) AS forgiven (step, key)
        ORDER BY step
        ON CONFLICT (key) DO UPDATE SET
            attempts = CASE WHEN attempts.key = $address THEN greatest(attempts.attempts - 1, 0) ELSE 0 END,
            failures = CASE WHEN attempts.key = $address THEN greatest(attempts.failures - 1, 0) ELSE 0 END,
            last_at = coalesce(excluded.succeeded_at, attempts.last_at),
            free_at = clock_timestamp(),
            succeeded_at = coalesce(excluded.succeeded_at, attempts.succeeded_at)
    """)

    async def forgive(self, keys: AttemptKeys) -> None:
        """Take back one attempt of the address and all of the account, and remember where it succeeded just now."""
        await self._database.fetch(
            self.FORGIVE, address=keys.address, account=keys.account, account_at_address=keys.account_at_address
        )

    REFUND = Statement("""
        INSERT INTO attempts (key, attempts, failures, turn, last_at, free_at)
        SELECT key, 0, 0, 0, clock_timestamp(), clock_timestamp()
        FROM (VALUES (1, $address::bytea), (2, $counted)) AS refunded (step, key)
        ORDER BY step
        ON CONFLICT (key) DO UPDATE SET
            attempts = greatest(attempts.attempts - 1, 0),
            failures = greatest(attempts.failures - 1, 0),
            free_at = clock_timestamp()
    """)

    async def refund(self, keys: AttemptKeys, *, known_address: bool) -> None:
        """Take back one attempt, wherever it was counted."""
        counted = keys.account_at_address if known_address else keys.account
        await self._database.fetch(self.REFUND, address=keys.address, counted=counted)

    _DEAD = "last_at < clock_timestamp() - $age::interval AND free_at < clock_timestamp()"
    PRUNE = Statement(delete_dead("attempts", "key", _DEAD, oldest="last_at"))

    async def prune(self, age: timedelta, batch: int = 1000) -> int:
        """Delete some rows that were not touched for so long; fewer than the batch means that none is left."""
        return len(await self._database.fetch(self.PRUNE, age=age, batch=batch))
