"""The service beside something else: wrong passwords, a second service on the same PostgreSQL, a gateway."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from string import Template

import load
from load import Load, LoadError, Outcome
from machine import Cores, Watch
from servers import SERVICE, Server, free_port
from stage import Stage

CONF = Path(__file__).parent / "load" / "nginx.conf"
GUESSERS, GUESSES = 50, 5000
LOOKERS = 4


class Joint:
    """What runs beside the service for these measures. It starts with the first of them in a round."""

    def __init__(self, where: Stage, cores: Cores, service: Server) -> None:
        self._service = service
        # all three work on the service's database
        trusting = replace(SERVICE, environment={"WUTANG_TRUSTED_PROXIES": "127.0.0.0/8"})
        self._flooded = where.server(trusting, cores.server)
        self._second = where.server(SERVICE, *cores.others)
        self._nginx_directory = where.directory("nginx")
        guesses = (SERVICE.login_body.replace("EMAIL", f"{number}@nobody.example") for number in range(GUESSES))
        (service.directory / "wrong.txt").write_text("".join(f"{guess}\n" for guess in guesses))

    @property
    def measures(self) -> dict[str, Callable[[int], dict[str, Outcome]]]:
        """What can be measured, for so many seconds."""
        return {"flood": self.flood, "two": self.two, "nginx": self.nginx}

    def flood(self, seconds: int) -> dict[str, Outcome]:
        """`/me` on four connections with pauses, in quiet and while fifty connections guess passwords.

        Each guess is for another account and from another address, so that the throttle refuses none.
        """
        server = self._flooded
        looking = Load("GET", SERVICE.me, lines=server.directory / "access.txt", connections=LOOKERS, pause=5)
        guessing = Load(
            "POST", SERVICE.login, lines=server.directory / "wrong.txt", connections=GUESSERS, order="next",
            content_type="application/json", forwarded=True,
        )  # fmt: skip
        with started(server):
            watch = Watch([server.pid], server.postgres_pid)
            load.run(looking, [server.port], watch, 1)
            quiet = load.run(looking, [server.port], watch, seconds)
            with load.running(guessing, [server.port], seconds + 2):
                time.sleep(1)
                return {"quiet": quiet, "flood": load.run(looking, [server.port], watch, seconds)}

    def two(self, seconds: int) -> dict[str, Outcome]:
        """`/me` of the service and of a second one on the same database, on PostgreSQL's and wrk's cores."""
        one, other = self._service, self._second
        what = Load("GET", SERVICE.me, lines=one.directory / "access.txt", connections=64)
        with started(other):
            watch = Watch([one.pid, other.pid], one.postgres_pid)
            load.run(what, [one.port, other.port], watch, 1)
            return {"two": load.run(what, [one.port, other.port], watch, seconds)}

    def nginx(self, seconds: int) -> dict[str, Outcome]:
        """A constant answer of nginx, which asks the service's verify before it gives it."""
        server = self._service
        what = Load("GET", "/", lines=server.directory / "access.txt")
        with nginx(self._nginx_directory, server.port) as port:
            watch = Watch([server.pid], server.postgres_pid)
            load.run(what, [port], watch, 1)
            return {"nginx": load.run(what, [port], watch, seconds)}


@contextmanager
def started(server: Server) -> Iterator[None]:
    """It runs meanwhile."""
    with ExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        yield


@contextmanager
def nginx(directory: Path, service_port: int) -> Iterator[int]:
    """nginx runs meanwhile, before a service on this port; its own port."""
    port = free_port()
    conf = directory / "nginx.conf"
    conf.write_text(Template(CONF.read_text()).substitute(directory=directory, port=port, service_port=service_port))
    process = subprocess.Popen(["nginx", "-c", str(conf)], stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        if process.poll() is not None:
            raise LoadError(f"nginx did not start: {process.stderr.read() if process.stderr else ''}")
        yield port
    finally:
        process.terminate()
        process.wait()
