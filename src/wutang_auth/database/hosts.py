"""Connecting to the one of several hosts that can write."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import asyncpg

from wutang_auth.database import timestamps
from wutang_auth.database.connecting import connect

# A server looks for the end of the connection while a statement waits, so that what was cut off waits on for a second
# at most: what waits for a lock never happens. What waits for the synchronous standby stays, as it must.
_SERVER_SETTINGS = {"application_name": "wutang-auth", "client_connection_check_interval": "1000"}  # ms; PostgreSQL 14

_ALWAYS_KNOWN = {"application_name"}
# A pooler, in PgBouncer's way; PostgreSQL 13; a platform where the server cannot look for the end of a connection.
_REFUSALS = (asyncpg.ProtocolViolationError, asyncpg.UndefinedObjectError, asyncpg.InvalidParameterValueError)
_HEAD_START = 0.25  # seconds that a host has before the next one is tried as well (RFC 8305 section 5)


@dataclass(slots=True, eq=False)
class Host:
    """One of the hosts of a URL."""

    url: str
    """It alone."""
    max_silence: float
    """After how many seconds without an answer it has to prove that it is still the primary."""
    believed_until: float
    """When that is, by the loop's clock."""

    def has_answered(self, asked_at: float) -> None:
        """It has answered what it was asked at this time, by the loop's clock."""
        self.believed_until = asked_at + self.max_silence


class Hosts:
    """The hosts of a URL, the one that answered last first."""

    def __init__(
        self, url: str, *, max_silence: float, statement_cache_size: int, server_settings: Mapping[str, str]
    ) -> None:
        # the first words of a host are believed: `doctor` has to tell of a standby that is away
        self._hosts = [Host(each, max_silence, time.monotonic() + max_silence) for each in of_each_host(url)]
        self._statement_cache_size = statement_cache_size
        self._server_settings = {**_SERVER_SETTINGS, **server_settings}

    async def connect(self) -> "tuple[asyncpg.Connection[Any], Host]":
        """The first host's connection that can write; each host is tried a little after the one before it."""
        hosts = iter(sorted(self._hosts, key=lambda host: host.believed_until, reverse=True))
        attempts: dict[asyncio.Task[asyncpg.Connection[Any]], Host] = {}
        failure: BaseException | None = None
        try:
            while True:
                host = next(hosts, None)
                if host is not None:
                    attempts[asyncio.create_task(self._connect_to(host.url))] = host
                elif not attempts:
                    raise failure or asyncpg.ClientConfigurationError("the URL names no host")
                limit = None if host is None else _HEAD_START
                done, _ = await asyncio.wait(attempts, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    host = attempts.pop(attempt)
                    if attempt.exception() is None:
                        return attempt.result(), host
                    failure = failure or attempt.exception()
        finally:
            for attempt in attempts:
                attempt.cancel()
                attempt.add_done_callback(_discard)

    async def _connect_to(self, url: str) -> "asyncpg.Connection[Any]":
        settings = self._server_settings
        try:
            raw: asyncpg.Connection[Any] = await connect(
                url,
                target_session_attrs="read-write",  # a standby would read what is not so any more
                statement_cache_size=self._statement_cache_size,
                server_settings=settings,
            )
        except _REFUSALS as refusal:
            optional = settings.keys() - _ALWAYS_KNOWN
            if not optional:
                raise
            # it works without them; a server names the one that it refuses
            refused = {name for name in optional if name in str(refusal)} or optional
            self._server_settings = {name: value for name, value in settings.items() if name not in refused}
            return await self._connect_to(url)
        timestamps.read_all(raw)
        return raw


def _discard(attempt: "asyncio.Task[asyncpg.Connection[Any]]") -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def of_each_host(url: str) -> list[str]:
    """The URL for each of its hosts alone; they stand in its authority part or in its query."""
    before, authority, after = re.fullmatch(r"(\w+://(?:[^/?#@]*@)?)([^/?#]*)(.*)", url, re.DOTALL).groups()  # type: ignore[union-attr]  # settings.py has looked
    if "," in authority:
        return [f"{before}{host}{after}" for host in authority.split(",")]
    rest, _, query = after.partition("?")
    given = dict(parse_qsl(query))
    hosts = given.get("host", "").split(",")
    if len(hosts) == 1:
        return [url]
    ports = given.pop("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    urls = []
    for host, port in zip(hosts, ports, strict=True):
        one = {**given, "host": host, **({"port": port} if port else {})}
        urls.append(f"{before}{authority}{rest}?{urlencode(one, quote_via=quote)}")
    return urls
