"""argon2id with nothing around it, on the server's core, by each library that might be the fastest there."""

import subprocess

from load import LoadError
from servers import CONTENDERS, PASSWORD, PEERS_BIN

LIBRARIES = {
    "libsodium": [str(PEERS_BIN / "python"), str(CONTENDERS / "argon2_alone.py"), "libsodium"],
    "argon2-cffi": [str(PEERS_BIN / "python"), str(CONTENDERS / "argon2_alone.py"), "argon2-cffi"],
    "@node-rs/argon2": ["node", str(CONTENDERS / "argon2_alone.mjs")],
}


class Argon2:
    """Measures them in turns."""

    def __init__(self, stored_hash: str, core: int) -> None:
        self.rates: dict[str, list[float]] = {name: [] for name in LIBRARIES}
        self._core = core
        self._stored_hash = stored_hash

    def verify(self, seconds: float) -> None:
        """For so many seconds by each library.

        Raises:
            LoadError: one failed.
        """
        for name, command in LIBRARIES.items():
            given = ["taskset", "-c", str(self._core), *command, self._stored_hash, PASSWORD, str(seconds)]
            done = subprocess.run(given, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise LoadError(f"argon2id by {name} failed: {done.stderr[-500:]}")
            self.rates[name].append(float(done.stdout))

    def last(self) -> str:
        """What was found last, in a few words."""
        return ", ".join(f"{name} {rates[-1]:.1f}/s" for name, rates in self.rates.items())
