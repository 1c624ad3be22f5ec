"""Clients of the service that write down what happened to them."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from faults.history import Kind, Operation, Outcome
from support.tokens import Forge, claims_of
from support.users import PASSWORD

_PATIENCE = 10.0  # seconds: more than the service may take in any fault
_PAUSE = 0.02


class Refused(Exception):
    """Nobody listened: the request was never sent."""


class Lost(Exception):
    """The request was sent and got no answer, or half of one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        """Whether the server said that it closes the connection."""
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One kept-alive connection; it makes no second attempt, so that what happened once is known."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: dict[str, str] | None = None,
        headers: dict[str, str] = {},  # noqa: B006 -- never changed
        patience: float = _PATIENCE,
    ) -> Answer:
        """Send a request.

        Raises:
            Refused: it was not sent.
            Lost: it was sent, and there was no answer in time.
        """
        content = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: wutang.test", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if body is not None:
            lines.append("Content-Type: application/json")
        request = "\r\n".join([*lines, "", ""]).encode() + content
        try:
            async with asyncio.timeout(patience):
                reader, writer = await self._opened()
                try:
                    writer.write(request)
                    await writer.drain()
                    answer = await _read(reader)
                except (OSError, EOFError, ValueError) as error:
                    raise Lost(type(error).__name__) from error
        except TimeoutError:
            self.close()
            raise Lost("no answer in time") from None
        except BaseException:
            self.close()
            raise
        if answer.closes:
            self.close()
        return answer

    def close(self) -> None:
        """Forget the connection."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None or self._reader.at_eof() or self._writer.is_closing():
            self.close()
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                raise Refused(type(error).__name__) from error
        return self._reader, self._writer


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split(" ")[1]), headers, body)


@dataclass
class _Pair:
    """The tokens of one generation of a session."""

    session: str
    generation: int
    access: str
    refresh: str

    @classmethod
    def of(cls, answer: Answer) -> "_Pair":
        data = answer.document["data"]
        claims = claims_of(data["access_token"])
        return cls(claims["sid"], claims["gen"], data["access_token"], data["refresh_token"])


@dataclass
class Load:
    """Visitors of all instances, and what they wrote down.

    A visitor logs in, looks who it is, refreshes, at times from two places at once, tries what must not work, and logs
    out; whatever has no known outcome it tries again until it has.
    """

    ports: list[int]
    emails: list[str]
    forge: Forge
    seed: int = 1
    operations: list[Operation] = field(default_factory=list)
    closing: set[int] = field(default_factory=set)
    """Instances that said they are about to stop: a load balancer sends nobody there."""
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _running: bool = True

    async def __aenter__(self) -> Self:
        for number, email in enumerate(self.emails):
            visitor = _Visitor(self, email, random.Random(self.seed * 1000 + number))
            self._tasks.append(asyncio.create_task(visitor.run()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._running = False
        await asyncio.wait(self._tasks, timeout=4 * _PATIENCE)
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, BaseException) and kind is None:
                raise result

    @property
    def running(self) -> bool:
        """Whether visitors go on."""
        return self._running

    def since(self, moment: float) -> list[Operation]:
        """The operations that began after this."""
        return [operation for operation in self.operations if operation.begun >= moment]

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait for something to come true; what it means that it did not is the caller's to say."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110 -- many conditions, no one event
            await asyncio.sleep(0.02)

    async def serve(self, seconds: float = 30.0) -> None:
        """Wait until every instance has served every kind of operation from now on."""
        begun = time.monotonic()
        wanted = {(instance, kind) for instance in range(len(self.ports)) for kind in ("login", "me", "refresh")}

        def served() -> bool:
            return wanted <= {(done.instance, done.kind) for done in self.since(begun) if done.outcome == "ok"}

        await self.until(served, seconds)
        assert served(), f"not every instance serves everything {seconds} s later"

    async def recover(self, lifted: float) -> float:
        """Wait until all is well after the end of a fault; the seconds from there to the end of the last failure."""
        await self.serve()
        await asyncio.sleep(0.5)
        failures = [done.ended for done in self.operations if done.outcome in ("unknown", "never")]
        return max(0.0, max(failures, default=lifted) - lifted)

    def slowest(self, since: float) -> float:
        """The longest that a request which began after this took."""
        return max((done.ended - done.begun for done in self.since(since)), default=0.0)


class _Visitor:
    def __init__(self, load: Load, email: str, chance: random.Random) -> None:
        self._load = load
        self._email = email
        self._chance = chance
        self._connections = [[Connection(port) for port in load.ports] for _ in range(2)]

    async def run(self) -> None:
        while self._load.running:
            pair = await self._log_in()
            if pair is not None:
                await self._use(pair)
        for connection in (connection for connections in self._connections for connection in connections):
            connection.close()

    async def _log_in(self) -> _Pair | None:
        answer = await self._ask("login", "POST", "/api/auth/login", body={"email": self._email, "password": PASSWORD})
        return _Pair.of(answer) if answer is not None and answer.status == 200 else None

    async def _use(self, pair: _Pair) -> None:
        """One session from its first to its last request; only a refusal or a log-out ends it."""
        pairs = [pair]
        for _ in range(self._chance.randint(4, 14)):
            if not self._load.running:
                break
            roll = self._chance.random()
            if roll < 0.55:
                await self._look(pairs[-1])
            elif roll < 0.60:
                await self._look(self._chance.choice(pairs))
            elif roll < 0.70:
                await self._intrude(pairs[-1])
            else:
                following = await self._refresh(pairs[-1], places=2 if roll > 0.9 else 1)
                if following is None:
                    break
                pairs.append(following)
        await self._log_out(pairs)

    async def _look(self, pair: _Pair) -> Answer | None:
        return await self._ask("me", "GET", "/api/auth/me", pair=pair, token=pair.access)

    async def _refresh(self, pair: _Pair, *, places: int) -> _Pair | None:
        """The next pair, None when the session is over; an unknown outcome is settled by the same token."""
        while True:
            token = self._chance.choice((pair.refresh, pair.access))
            answers = await asyncio.gather(
                *(
                    self._ask("refresh", "PUT", "/api/auth/refresh", pair=pair, token=token, place=place)
                    for place in range(places)
                )
            )
            issued = [_Pair.of(answer) for answer in answers if answer is not None and answer.status == 200]
            if issued:
                return issued[0]
            if any(answer is not None and answer.status == 401 for answer in answers) or not self._load.running:
                return None

    async def _log_out(self, pairs: list[_Pair]) -> None:
        """Until it is known to be done; then no token of the session may work, on any instance."""
        while True:
            answer = await self._ask(
                "logout", "DELETE", "/api/auth/logout", pair=pairs[-1],
                token=self._chance.choice((pairs[-1].access, pairs[-1].refresh)),
            )  # fmt: skip
            if answer is not None and answer.status in (200, 401):
                break
            if not self._load.running:
                return
        for pair in (pairs[-1], self._chance.choice(pairs)):
            await self._look(pair)
        if self._chance.random() < 0.3:
            await self._ask("refresh", "PUT", "/api/auth/refresh", pair=pairs[-1], token=pairs[-1].refresh)

    async def _intrude(self, pair: _Pair) -> None:
        """Something that must never work."""
        roll = self._chance.random()
        if roll < 0.2:
            body = {"email": f"{uuid4().hex}@wutang.example", "password": "wrong"}
            await self._ask("intrusion", "POST", "/api/auth/login", body=body, remark="an unknown user")
        elif roll < 0.5:
            await self._ask("intrusion", "GET", "/api/auth/me", token=pair.refresh, remark="a refresh token at me")
        else:
            # genuine in everything but that there is no such session
            token = self._load.forge.changed(pair.access, sid=str(uuid4()))
            method, path = self._chance.choice(
                (("GET", "/api/auth/me"), ("PUT", "/api/auth/refresh"), ("DELETE", "/api/auth/logout"))
            )
            await self._ask("intrusion", method, path, token=token, remark=f"a session that never was at {path}")

    async def _ask(
        self,
        kind: Kind,
        method: str,
        path: str,
        *,
        pair: _Pair | None = None,
        token: str | None = None,
        body: dict[str, str] | None = None,
        place: int = 0,
        remark: str = "",
    ) -> Answer | None:
        """Send a request to some instance and write down what came of it."""
        load = self._load
        await asyncio.sleep(self._chance.uniform(0.5, 1.5) * _PAUSE)
        open_instances = [number for number in range(len(load.ports)) if number not in load.closing]
        instance = self._chance.choice(open_instances or [0])
        answer: Answer | None = None
        outcome: Outcome
        issued = None
        begun = time.monotonic()
        try:
            answer = await self._connections[place][instance].call(method, path, token=token, body=body)
        except Refused:
            outcome = "never"
        except Lost as error:
            outcome = "unknown"
            remark = f"{remark} {error}".strip()
        else:
            outcome, remark = classified(answer, remark)
            if answer.closes:
                load.closing.add(instance)
            if outcome == "ok" and kind in ("login", "refresh"):
                pair_issued = _Pair.of(answer)
                issued = pair_issued.generation
                if kind == "login":
                    pair = pair_issued
        load.operations.append(
            Operation(
                kind=kind, outcome=outcome, begun=begun, ended=time.monotonic(), instance=instance,
                session=pair.session if pair else "", generation=pair.generation if pair else 0, issued=issued,
                remark=remark,
            )
        )  # fmt: skip
        if outcome == "never":
            await asyncio.sleep(5 * _PAUSE)
        return answer


def classified(answer: Answer, remark: str = "") -> tuple[Outcome, str]:
    """What an answer means, and what is wrong with it where it breaks the contract."""
    if answer.status == 200:
        return "ok", remark
    if answer.status == 401 and answer.headers.get("www-authenticate", "").startswith("Bearer "):
        return "refused", remark
    if answer.status == 503 and answer.headers.get("retry-after", "").isdigit():
        document = answer.document
        if set(document) == {"code", "message", "data"} and document["code"] == 50001:
            return "unknown", "503"
    return "wrong", f"{answer.status} {answer.headers} {answer.body[:100]!r}"
