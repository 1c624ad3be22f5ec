"""Commands as tests run them: in this process, which saves a second each, or in a process of their own."""

import asyncio
import io
import json
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from wutang_auth.cli import main

PROGRAM = [sys.executable, "-c", "from wutang_auth.cli import main; main()"]

# passwords are asked for at the controlling terminal
_ON_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from wutang_auth.cli import main
main()
"""


@dataclass(frozen=True)
class Outcome:
    """What a command did and said."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """What it printed for programs."""
        assert self.code == 0, self.stderr
        return json.loads(self.stdout)

    @property
    def said(self) -> str:
        """What it said, of which there is no more than this."""
        assert self.code == 0, self.stderr
        assert self.stderr == ""
        return self.stdout.removesuffix("\n")

    @property
    def error(self) -> str:
        """The one line of its failure."""
        assert (self.code, self.stdout) == (1, ""), self
        assert self.stderr.startswith("wutang-auth: ")
        assert self.stderr.count("\n") == 1
        return self.stderr.removeprefix("wutang-auth: ").removesuffix("\n")


async def run(environment: Mapping[str, str], *arguments: object, stdin: bytes = b"") -> Outcome:
    """Run a command that is not to serve in this process; one at a time."""
    with ThreadPoolExecutor(1) as thread:  # a new one: after a test marked `no_cover`, older ones are measured no more
        given = environment, [str(argument) for argument in arguments], stdin
        return await asyncio.get_running_loop().run_in_executor(thread, _run, *given)


class Shell:
    """Runs commands in this process on a service's database."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    async def __call__(self, line: str, *, stdin: str | bytes = b"") -> Outcome:
        """Run the command with these words as its arguments."""
        content = stdin.encode() if isinstance(stdin, str) else stdin
        return await run(self.environment, *line.split(), stdin=content)


async def run_apart(
    environment: Mapping[str, str], *arguments: object, stdin: bytes = b"", answers: Mapping[str, str] | None = None
) -> Outcome:
    """Run a command in a process of its own, which sees nothing of this one's environment but where programs are.

    With answers, also with none, it runs on a terminal: each of its questions is answered once, and the standard output
    is all that the screen showed.
    """
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "TMPDIR") if name in os.environ}
    command, whole = list(map(str, arguments)), {**inherited, **environment}
    if answers is not None:
        return await asyncio.to_thread(_run_on_terminal, whole, command, dict(answers))
    return await asyncio.to_thread(_run_apart, whole, command, stdin)


def _run(environment: Mapping[str, str], arguments: list[str], stdin: bytes) -> Outcome:
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    code = 0
    with (
        _logging_as_it_was(),
        patch.dict(os.environ, environment),
        patch.object(sys, "argv", ["wutang-auth", *arguments]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
    return Outcome(code, *(_text(stream) for stream in (stdout, stderr)))


@contextmanager
def _logging_as_it_was() -> Iterator[None]:
    """Leave alone where this process logs: `serve` sends all of it to the stderr of the command."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(capture=False)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _run_apart(environment: dict[str, str], arguments: list[str], stdin: bytes) -> Outcome:
    process = subprocess.run(
        [*PROGRAM, *arguments], env=environment, input=stdin, capture_output=True, timeout=60, check=False
    )
    return Outcome(process.returncode, process.stdout.decode(), process.stderr.decode())


def _run_on_terminal(environment: dict[str, str], arguments: list[str], answers: dict[str, str]) -> Outcome:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, *arguments],
        env=environment | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )
    os.close(end)
    screen = b""
    with suppress(OSError):  # the end of a terminal is an error
        while shown := os.read(terminal, 4096):
            screen += shown
            for question in [question for question in answers if question.encode() in screen]:
                os.write(terminal, answers.pop(question).encode() + b"\n")
    os.close(terminal)
    return Outcome(process.wait(), screen.decode("utf-8", "replace"), "")
