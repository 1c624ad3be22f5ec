"""A TCP proxy between two parties whose network is bad."""

import asyncio
import random
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 64 * 1024


class Proxy:
    """Forwards connections to a port of this machine, for as long as nothing else is asked of it."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.delay = 0.0
        """Seconds that everything takes in each direction."""
        self.cut_share = 0.0
        """How many of the answers are cut: what was asked arrives, the answer is lost with its connection."""
        self.cuts = 0
        self.taken = 0
        """How many connections it was asked for."""
        self._heard = asyncio.Event()
        self._heard.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: set[asyncio.WriteTransport] = set()
        self._random = random.Random(20_001)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut_all()

    def swallow(self) -> None:
        """A black hole: connections are still taken, but nothing passes, no end of a connection either."""
        self._heard.clear()

    def heal(self) -> None:
        """Forward again, what was sent meanwhile too, as TCP would send it again."""
        self.delay = self.cut_share = 0.0
        self._heard.set()

    def cut_all(self) -> None:
        """Reset every connection."""
        for transport in list(self._transports):
            transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.taken += 1
        self._tasks.add(task)
        ends = [writer]
        self._transports.add(writer.transport)
        try:
            await self._heard.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            ends.append(far_writer)
            self._transports.add(far_writer.transport)
            pumps = [
                asyncio.ensure_future(self._pump(reader, far_writer)),
                asyncio.ensure_future(self._pump(far_reader, writer, may_cut=True)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                await self._heard.wait()
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in ends:
                end.transport.abort()
                self._transports.discard(end.transport)
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_cut: bool = False) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self._heard.wait()
                if may_cut and self._random.random() < self.cut_share:
                    self.cuts += 1
                    return
                writer.write(chunk)
                await writer.drain()
