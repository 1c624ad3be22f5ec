"""The image does its work without any right: `make image` runs it."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from image.stage import Image, Stage
from support.http import assert_refused, success
from support.users import CREDENTIALS, PASSWORD, token_pair

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
GOAL_MB = 90
PROBE = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def written(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return error.strerror
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privileges": status["NoNewPrivs"], "root": written("/x"), "home": written("/opt/wutang-auth/x"),
}))
"""
INSTALLED = """
import importlib.metadata
print(*(f"{found.name}=={found.version}" for found in importlib.metadata.distributions()))
"""


def test_the_image_is_small_and_says_what_it_is(image: Image) -> None:
    ours, base = image.inspect(image.name), image.inspect(image.base)
    megabytes = (ours["Size"] - base["Size"]) / 1e6
    print(f"\nthe image: {ours['Size'] / 1e6:.0f} MB, {megabytes:.1f} MB of it over its base")
    assert megabytes <= GOAL_MB
    assert ours["Config"]["User"] == "10001:10001"
    assert ours["Config"]["Entrypoint"] == ["wutang-auth"]
    assert re.fullmatch("[0-9a-f]{40}", ours["Config"]["Labels"]["org.opencontainers.image.revision"])


def test_a_container_may_do_nothing(stage: Stage) -> None:
    found = json.loads(stage.run("-c", PROBE, options=("--rm", "--entrypoint", "python")))
    assert found == {
        "uid": 10001, "gid": 10001, "capabilities": 0, "no_new_privileges": "1",
        "root": "Read-only file system", "home": "Read-only file system",
    }  # fmt: skip


def test_the_bill_of_materials_has_all_that_is_in_it(stage: Stage) -> None:
    components = json.loads((ROOT / "build" / "sbom.json").read_text("utf-8"))["components"]
    listed = {f"{part['name']}=={part['version']}": part.get("scope") for part in components}
    printed = stage.run("-c", INSTALLED, options=("--rm", "--entrypoint", "/opt/wutang-auth/bin/python")).split()
    installed = {re.sub(r"[-_.]+(?=.*==)", "-", name).lower() for name in printed if not name.startswith("wutang-auth")}
    assert installed <= listed.keys()
    assert {name for name, scope in listed.items() if scope is None} <= installed


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stage.port}", timeout=30, trust_env=False) as client:
        yield client


async def test_keys_migrate_serve_login_logout_and_the_end(stage: Stage, client: httpx.AsyncClient) -> None:
    assert "keys.json" in stage.run("keys", "generate", options=("--rm",), keys="rw")
    assert stage.run("migrate", options=("--rm",)).startswith("migrated the schema from empty")
    made = ("users", "create", CREDENTIALS["email"], "--password-stdin")
    assert CREDENTIALS["email"] in stage.run(*made, options=("--rm",), stdin=PASSWORD)
    serve = ("serve", "--host", "127.0.0.1", "--port", str(stage.port))
    container = stage.run(*serve, options=("--detach",)).strip()
    try:
        await _ready(client)
        logins = await asyncio.gather(*(client.post("/api/auth/login", json=CREDENTIALS) for _ in range(40)))
        pairs = [token_pair(response) for response in logins]
        for pair in pairs[:2]:
            success(await client.get("/api/auth/me", headers=pair.headers))
        success(await client.put("/api/auth/refresh", headers=pairs[1].headers))
        success(await client.delete("/api/auth/logout", headers=pairs[0].headers))
        assert_refused(await client.get("/api/auth/me", headers=pairs[0].headers), 401, 40001)
        assert (await client.get("/docs")).status_code == 200
        started = time.monotonic()
        stage.image.command("kill", "--signal", "TERM", container)
        assert stage.image.command("wait", container).strip() == "0"
        print(f"\nSIGTERM: ended with 0 after {time.monotonic() - started:.1f} s")
        lines = [json.loads(line) for line in stage.image.log(container).splitlines()]
        assert {line["level"] for line in lines} == {"info"}
    finally:
        stage.image.command("rm", "--force", container)


async def _ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
