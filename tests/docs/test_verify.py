"""The Python that README.md and docs/verify.md give to other services, run as it stands there."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from support.services import serving
from support.users import CREDENTIALS, add_user, token_pair

ROOT = Path(__file__).parents[2]
BASE_URL = "http://127.0.0.1:8000"


def _snippet(name: str, base_url: str) -> Any:
    [code] = re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert BASE_URL in code
    return compile(code.replace(BASE_URL, base_url), name, "exec")


def _by_readme(base_url: str) -> Callable[[str], int]:
    def verify(access_token: str) -> int:
        names: dict[str, Any] = {"access_token": access_token}
        exec(_snippet("README.md", base_url), names)
        assert names["token"]["payload"]["scope"] == "orders:read orders:write"
        return int(names["token"]["payload"]["sub"])

    return verify


def _by_page(base_url: str) -> Callable[[str], int]:
    names: dict[str, Any] = {}
    exec(_snippet("docs/verify.md", base_url), names)
    verify: Callable[[str], int] = names["user_id"]
    return verify


@pytest.mark.parametrize("verifier", [_by_readme, _by_page])
async def test_other_services_verify_access_tokens_and_nothing_else(
    verifier: Callable[[str], Callable[[str], int]],
    database_url: str,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    user = await add_user(database_url, scopes=["orders:read", "orders:write"])
    async with (
        serving(environment, tmp_path / "log") as process,
        httpx.AsyncClient(base_url=process.base_url) as client,
    ):
        login = token_pair(await client.post("/api/auth/login", json=CREDENTIALS))
        verify = verifier(process.base_url)
        assert verify(login.access_token) == user.id
        head, claims, signature = login.access_token.split(".")
        for other in (login.refresh_token, f"{head}.{claims}.{signature[::-1]}"):
            with pytest.raises(jwt.InvalidTokenError):
                verify(other)


def test_five_lines_are_five() -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert code.removeprefix("import jwt\n\n").count("\n") == 5
