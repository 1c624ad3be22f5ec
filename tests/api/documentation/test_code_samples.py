"""Every code sample of the API document does what its operation is for. `make clients` runs those of all languages."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from support.services import serving
from support.users import PASSWORD, Login, add_user, log_in
from wutang_auth.api.documentation.code_samples import EXAMPLE_BASE, example_request

LANGUAGES = os.environ.get("SAMPLE_LANGUAGES", "Shell Python").split()
SCOPES = [
    "tokens:introspect",
    "users:read",
    "users:write",
    "orders:read",
]  # the last is one that the examples give away

EXPECTED = {
    "verify": "(?i)x-user-id",
    "introspect": "active",
    "revocation_list": r"eyJ\S+",
    "server_metadata": "jwks_uri",
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_samples_of_every_operation_run(
    language: str, environment: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    async with (
        serving(environment | {"WUTANG_ISSUER": "https://auth.wutang.example"}, tmp_path / "log") as server,
        httpx.AsyncClient(base_url=server.base_url) as client,
    ):
        document = (await client.get("/openapi.json")).json()
        for path, item in document["paths"].items():
            for method, operation in item.items():
                replacements = await set_up(database_url, client, operation["operationId"])
                source = sample(document, path, method, language, replacements)
                source = source.replace(EXAMPLE_BASE, server.base_url)
                printed = await execute(language, source, tmp_path)
                # as JSON, as Python and JavaScript print an object, as PHP prints an array
                code = r"""code['"\]]*\s*(:|=>)\s*20001\b""" if path.startswith("/api/") else "keys|ok"
                expected = EXPECTED.get(operation["operationId"], code)
                assert re.search(expected, printed), f"{language}, {operation['operationId']}:\n{source}\n{printed}"


async def set_up(database_url: str, client: httpx.AsyncClient, operation_id: str) -> dict[str, str]:
    """Make what the examples speak of; return what to write for their placeholders."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("TRUNCATE users, sessions RESTART IDENTITY CASCADE")
    finally:
        await connection.close()
    if operation_id == "login":
        await add_user(database_url, "demo@wutang.example")
        return {}
    other = await add_user(database_url, "barbara@wutang.example")
    await add_user(database_url, "ada@wutang.example", scopes=SCOPES)
    login = await log_in(client)
    made = {
        "ACCESS_TOKEN": login.access_token,
        "REFRESH_TOKEN": login.refresh_token,
        "/users/{id}": f"/users/{other.id}",
    }
    if operation_id == "end_session":
        made["/sessions/{id}"] = f"/sessions/{await session_of_another_login(client, login)}"
    return made


async def session_of_another_login(client: httpx.AsyncClient, login: Login) -> str:
    await log_in(client, password=PASSWORD)
    sessions = (await client.get("/api/auth/sessions", headers=login.headers)).json()["data"]
    return str(next(session["id"] for session in sessions if not session["current"]))


def sample(document: dict[str, Any], path: str, method: str, language: str, replacements: dict[str, str]) -> str:
    """The sample as a reader would adapt it: with their own token and ids."""
    samples = document["paths"][path][method]["x-codeSamples"]
    source: str = next(sample["source"] for sample in samples if sample["lang"] == language)
    written = example_request(document, path, method).url.removeprefix(EXAMPLE_BASE)
    for placeholder, actual in replacements.items():
        if path.endswith(placeholder):
            source = source.replace(written, path.replace(placeholder, actual))
        source = source.replace(f"Bearer {placeholder}", f"Bearer {actual}")
    return source


async def execute(language: str, source: str, tmp_path: Path) -> str:
    """What the sample prints; it must end well."""
    suffix, command = {
        "Shell": (".sh", ["bash", "-eu"]),
        "JavaScript": (".mjs", ["node"]),
        "Python": (".py", [sys.executable]),
        "PHP": (".php", ["php"]),
    }[language]
    assert shutil.which(command[0]), f"the samples of {language} need {command[0]}"
    file = tmp_path / f"sample{suffix}"
    file.write_text(source)
    process = await asyncio.create_subprocess_exec(
        *command, str(file), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, f"{source}\n{errors.decode()}"
    return output.decode()
