"""Two services: this one, and the "orders" of verifier/README.md as it stands there, which has the verifier alone."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from support.commands import run_apart
from support.http import success
from support.services import serving
from support.tokens import bearer, header_of
from support.users import CREDENTIALS, add_user, token_pair
from wutang_auth.tokens import key_file
from wutang_auth.tokens.key_ring import KeyRing
from wutang_auth_verifier import Verifier

pytestmark = pytest.mark.no_cover  # servers in processes of their own

ROOT = Path(__file__).parents[2]
BASE_URL = "http://127.0.0.1:8000"
SEEN_WITHIN = 4.0  # seconds; 3 are promised for 99 of 100, and this machine may be busy


@asynccontextmanager
async def orders_service(auth_url: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The example in a process of its own, and a client of it."""
    page = (ROOT / "verifier" / "README.md").read_text("utf-8")
    [code] = re.findall(r"^```python\n(from contextlib .*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert BASE_URL in code
    (folder / "orders.py").write_text(code.replace(BASE_URL, auth_url))
    path = os.pathsep.join([str(ROOT / "verifier" / "src"), str(folder)])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "--port", "0", "orders:app",
        env=os.environ | {"PYTHONPATH": path}, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            while not (found := re.search(rb"running on (http://\S+)", await process.stderr.readline())):
                pass
        async with httpx.AsyncClient(base_url=found[1].decode()) as client:
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


async def test_the_other_service_refuses_within_seconds_of_the_logout_and_never_calls_for_it(
    database_url: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    user = await add_user(database_url, scopes=["orders:read"])
    await add_user(database_url, "bob@wutang.example")
    async with serving(environment, tmp_path / "log") as auth, auth.client() as client:
        first, second = [token_pair(await client.post("/api/auth/login", json=CREDENTIALS)) for _ in range(2)]
        other = {**CREDENTIALS, "email": "bob@wutang.example"}
        without_scope = token_pair(await client.post("/api/auth/login", json=other))
        async with orders_service(auth.base_url, tmp_path) as orders:

            async def status(token: str) -> int:
                return (await orders.get("/orders", headers=bearer(token))).status_code

            for login in (first, second):
                response = await orders.get("/orders", headers=login.headers)
                assert (response.status_code, response.json()) == (200, {"orders_of": user.id})
            assert await status(first.refresh_token) == 401
            assert await status(without_scope.access_token) == 403
            success(await client.delete("/api/auth/logout", headers=first.headers))
            until = time.monotonic() + SEEN_WITHIN
            while await status(first.access_token) != 401:
                assert time.monotonic() < until, "it did not hear of the logout"
                await asyncio.sleep(0.02)
            assert await status(second.access_token) == 200
            auth.kill()
            await auth.process.wait()
            # what it answers now it answers by itself
            assert await status(second.access_token) == 200
            assert await status(first.access_token) == 401


async def test_no_live_token_is_refused_while_the_service_rotates_its_keys(
    database_url: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    environment["WUTANG_KEYS_FILE"] = str(tmp_path / "keys.json")
    key_file.save(KeyRing.generate(), tmp_path / "keys.json")
    await add_user(database_url)
    async with serving(environment, tmp_path / "log") as auth, auth.client() as client:
        with Verifier(auth.base_url, issuer="wutang-auth", audience="wutang") as verifier:
            tokens: list[str] = []

            async def signed_by(kid: str) -> None:
                """Log in until this key signs; what was issued before and since is good at each turn."""
                async with asyncio.timeout(15):
                    while not tokens or header_of(tokens[-1])["kid"] != kid:
                        tokens.append(token_pair(await client.post("/api/auth/login", json=CREDENTIALS)).access_token)
                        for token in tokens:
                            verifier.verify(token)
                        await asyncio.sleep(0.1)

            await signed_by(key_file.load(tmp_path / "keys.json").active.kid)
            for _ in range(2):
                published_at = time.monotonic()
                while "too young" in (told := await rotate(environment)):
                    assert time.monotonic() < published_at + 20, told
                    await signed_by(header_of(tokens[-1])["kid"])
                    await asyncio.sleep(0.5)
                await signed_by(key_file.load(tmp_path / "keys.json").active.kid)


async def rotate(environment: dict[str, str]) -> str:
    """What went wrong, if only that the next key is too young to sign."""
    outcome = await run_apart(environment, "keys", "rotate")
    if outcome.code == 0:
        return ""
    assert "--force" in outcome.stderr, outcome.stderr
    return "too young"
