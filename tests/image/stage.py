"""What `make image` has built, and how its containers are run: without any right."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

MEMORY = "128m"


@dataclass(frozen=True)
class Image:
    """The image, and the one that it was made from."""

    engine: str
    name: str
    base: str
    run_options: tuple[str, ...]
    """What this engine needs besides to run a container."""

    def command(self, *arguments: str, stdin: str = "") -> str:
        """What a command of the engine prints, which must succeed."""
        done = subprocess.run(
            [self.engine, *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self, container: str) -> str:
        """What a container has written."""
        done = subprocess.run([self.engine, "logs", container], capture_output=True, text=True, timeout=60, check=True)
        return done.stderr

    def inspect(self, name: str) -> dict[str, Any]:
        """What the engine knows of an image."""
        [found] = json.loads(self.command("image", "inspect", name))
        return dict(found)


@dataclass(frozen=True)
class Stage:
    """Containers of the image without any right, with a key ring in a volume and a database over TCP."""

    image: Image
    volume: str
    database_url: str
    port: int

    def run(self, *arguments: str, options: tuple[str, ...] = (), stdin: str = "", keys: str = "ro") -> str:
        """What a container prints, which runs this command as its program."""
        return self.image.command(
            "run", *self.image.run_options, "--interactive",
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
            "--memory", MEMORY, "--network", "host", "--volume", f"{self.volume}:/keys:{keys}",
            "--env", f"WUTANG_DATABASE_URL={self.database_url}", "--env", "WUTANG_KEYS_FILE=/keys/keys.json",
            "--env", "WUTANG_HASH_WORKERS=2", "--env", "WUTANG_DRAIN_SECONDS=0", "--env", "WUTANG_LOG_FORMAT=json",
            "--env", "WUTANG_THROTTLE_ACCOUNT_FAILURES=100",
            *options, self.image.name, *arguments, stdin=stdin,
        )  # fmt: skip
