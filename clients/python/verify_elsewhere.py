"""Runs the programs of docs/verify-elsewhere.md, as they stand there, against a running service."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]
PROGRAMS = {  # by language: file, command, whether it sees logouts
    "javascript": ("verify.mjs", ["node"], True),
    "go": ("verify.go", ["go", "run"], True),
    "php": ("verify.php", ["php"], False),
}
SEEN_WITHIN = 4.0  # seconds: two for the poll, one for the service's own, one for a slow machine


def sample(language: str) -> str:
    """The one block of this language."""
    page = (ROOT / "docs" / "verify-elsewhere.md").read_text("utf-8")
    [code] = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return str(code)


def log_in(base_url: str, email: str, password: str) -> tuple[str, str]:
    """An access and a refresh token."""
    login = httpx.post(f"{base_url}/api/auth/login", json={"email": email, "password": password})
    data = login.raise_for_status().json()["data"]
    return data["access_token"], data["refresh_token"]


def run(language: str, base_url: str, email: str, password: str) -> None:
    """Show the program tokens of all kinds, then log out."""
    name, command, sees_logouts = PROGRAMS[language]
    generated = ROOT / "clients" / "generated"  # below node_modules, where Node looks for jose
    generated.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=generated) as folder:
        file = Path(folder) / name
        file.write_text(sample(language))
        with subprocess.Popen(
            [*command, str(file), base_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as program:
            try:
                check(program, base_url, email, password, sees_logouts=sees_logouts)
            finally:
                program.kill()
    print(f"{language}: takes access tokens and nothing else{', sees logouts' if sees_logouts else ''}")


def check(program: "subprocess.Popen[str]", base_url: str, email: str, password: str, *, sees_logouts: bool) -> None:
    """What the program has to say of each token."""
    stdin, stdout = program.stdin, program.stdout
    assert stdin is not None
    assert stdout is not None

    def verdict(token: str) -> str:
        stdin.write(token + "\n")
        stdin.flush()
        return stdout.readline().strip()

    access, refresh = log_in(base_url, email, password)
    other, _ = log_in(base_url, email, password)
    head, claims, signature = access.split(".")
    assert re.fullmatch("user [0-9]+", verdict(access)), verdict(access)
    for bad in (refresh, f"{head}.{claims}.{signature[::-1]}", f"{head}.{claims}.", f"{head}.{claims}", "nonsense", ""):
        assert verdict(bad).startswith("refused: "), bad
    httpx.delete(f"{base_url}/api/auth/logout", headers={"Authorization": f"Bearer {access}"}).raise_for_status()
    if sees_logouts:
        until = time.monotonic() + SEEN_WITHIN
        while verdict(access) != "refused: revoked":
            assert time.monotonic() < until, "it did not hear of the logout"
            time.sleep(0.1)
    assert verdict(other).startswith("user "), verdict(other)


if __name__ == "__main__":
    for each in sys.argv[4:]:
        run(each, *sys.argv[1:4])
