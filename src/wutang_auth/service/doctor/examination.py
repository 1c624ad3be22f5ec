"""The checks of a database, one after the other: each asks its question and judges the answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg

from wutang_auth.database import Database, FailureLog
from wutang_auth.database.failures import failure_of
from wutang_auth.errors import DatabaseMisconfigured, DatabaseUnavailable
from wutang_auth.passwords.argon2id import PasslibArgon2id
from wutang_auth.passwords.hashing import verify_password
from wutang_auth.repository import SchemaRepository
from wutang_auth.repository.examination import ExaminationRepository
from wutang_auth.service.doctor import contents, postgresql
from wutang_auth.service.doctor.findings import Finding, look, well, wrong
from wutang_auth.service.throttle import attempt_keys
from wutang_auth.settings import PREFIX, Settings

_UNUSUAL_ADDRESSES = 10_000

Check = Callable[[], Awaitable[list[Finding]]]


class Examination:
    """Looks at a database as the service's role sees it, and changes nothing."""

    def __init__(self, database: Database, settings: Settings, *, connections: int) -> None:
        """Judge by these settings; a worker may need so many connections."""
        self._database = database
        self._facts = ExaminationRepository(database)
        self._settings = settings
        self._connections = connections

    async def run(self) -> list[Finding]:
        """All that was found. A question that PostgreSQL refuses is a finding too.

        Raises:
            DatabaseUnavailable: the database cannot be reached at all.
        """
        found = await self.server()
        found += await _answers(durability=self.durability, connections=self.connections, clocks=self.clock)
        schema = await _answers(schema=self.schema)
        if any(finding.verdict == "wrong" for finding in schema):
            return found + schema  # the tables are not those that the questions are about
        found += schema
        return found + await _answers(
            privileges=self.privileges, autovacuum=self.vacuum, password_hashes=self.hashes, addresses=self.addresses,
            throttle=self.origin, legacy_tokens=self.legacy, mails=self.mails, sessions=self.sessions,
        )  # fmt: skip

    async def server(self) -> list[Finding]:
        """Look at the version, the encoding, the role and the encryption."""
        return postgresql.check_server(await self._facts.server(), datetime.now(UTC).date())

    async def durability(self) -> list[Finding]:
        """Look at what a commit survives."""
        return postgresql.check_durability(await self._facts.durability())

    async def connections(self) -> list[Finding]:
        """Look at how many connections there may be."""
        return postgresql.check_connections(await self._facts.connections(), self._connections)

    async def clock(self) -> list[Finding]:
        """Compare this machine's clock with the database's."""
        await self._facts.clock()  # the first time it takes longer
        before = time.time()
        told = await self._facts.clock()
        after = time.time()
        return postgresql.check_clock(
            timedelta(seconds=(before + after) / 2 - told.timestamp()),
            uncertainty=timedelta(seconds=(after - before) / 2),
            skew=timedelta(seconds=self._settings.clock_skew),
        )

    async def schema(self) -> list[Finding]:
        """Look at the revision of the schema."""
        return postgresql.check_schema(await SchemaRepository(self._database, FailureLog()).revision())

    async def privileges(self) -> list[Finding]:
        """Look whether the role may do what requests do."""
        await SchemaRepository(self._database, FailureLog()).check_role()
        return [well("privileges", "the role may do what requests do")]

    async def vacuum(self) -> list[Finding]:
        """Look whether dead rows go."""
        return postgresql.check_vacuum(await self._facts.vacuum(), await self._facts.tables())

    async def hashes(self) -> list[Finding]:
        """Look at what kinds of password hashes there are, and measure what each costs."""
        forms = await self._facts.hashes()
        return contents.check_hashes(
            forms, {example: await asyncio.to_thread(_seconds, example) for example in contents.comparable(forms)}
        )

    async def addresses(self) -> list[Finding]:
        """Look whether each e-mail address is one user's."""
        owners = contents.unlike(await self._facts.unusual_addresses(_UNUSUAL_ADDRESSES))
        for owner in await self._facts.owners(list(owners)):
            owners[owner.canonical_email].add(owner.id)
        return contents.check_addresses(await self._facts.shared_addresses(), owners)

    async def origin(self) -> list[Finding]:
        """Look at the client addresses of sessions, by which the throttle counts."""
        origin = await self._facts.origin()
        failures = 0 if origin is None else await self._facts.failures(attempt_keys("", origin.ip).address)
        return contents.check_origin(origin, failures, self._settings)

    async def legacy(self) -> list[Finding]:
        """Look whether tokens of the earlier application still come."""
        if self._settings.legacy_secret is None:
            return []
        return contents.check_legacy(await self._facts.legacy(), self._settings, datetime.now(UTC))

    async def mails(self) -> list[Finding]:
        """Look whether mails leave."""
        return contents.check_mails(await self._facts.mails(), is_on=self._settings.smtp_url is not None)

    async def sessions(self) -> list[Finding]:
        """Look at the room that sessions take."""
        return contents.check_size(await self._facts.tables(), await self._facts.overdue_sessions())


async def _answers(**checks: Check) -> list[Finding]:
    found = []
    for name, check in checks.items():
        try:
            found += await check()
        except DatabaseMisconfigured as error:
            found.append(wrong(name.replace("_", " "), str(error)))
        except DatabaseUnavailable as error:
            remedy = f"again with more time, such as {PREFIX}DB_STATEMENT_TIMEOUT=60"
            found.append(look(name.replace("_", " "), f"no answer ({error})", remedy))
        except asyncpg.PostgresError as error:  # of an engine that is not quite PostgreSQL
            found.append(wrong(name.replace("_", " "), f"it cannot be looked at: {failure_of(error)}"))
    return found


def _seconds(example: str) -> float:
    """How much processor time it takes to compare this hash with a password."""
    return verify_password(PasslibArgon2id(), "", example, may_upgrade=False).cpu_seconds
