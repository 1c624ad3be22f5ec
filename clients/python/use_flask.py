"""Runs the Flask application of verifier/README.md, as it stands there, beside a running service."""

import re
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from wutang_auth_verifier import Verifier

BASE_URL = "http://127.0.0.1:8000"
SCOPE = "orders:read"
SEEN_WITHIN = 4.0  # seconds: two for the poll, one for the service's own, one for a slow machine


def application(base_url: str, scope: str) -> dict[str, Any]:
    """What the example defines, with a scope that the user of this run has."""
    page = (Path(__file__).parents[2] / "verifier" / "README.md").read_text("utf-8")
    [code] = re.findall(r"^```python\n(from flask .*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert BASE_URL in code
    assert SCOPE in code
    names: dict[str, Any] = {"__name__": "orders"}
    exec(code.replace(BASE_URL, base_url).replace(SCOPE, scope), names)
    return names


def main(base_url: str, email: str, password: str) -> None:
    """Log in, ask, log out, ask again."""
    login = httpx.post(f"{base_url}/api/auth/login", json={"email": email, "password": password})
    headers = {"Authorization": f"Bearer {login.raise_for_status().json()['data']['access_token']}"}
    for scope, status in (("nobody:has-it", 403), ("users:read", 200)):
        names = application(base_url, scope)
        client, verifier = names["app"].test_client(), names["verifier"]
        assert isinstance(verifier, Verifier)
        assert client.get("/orders").status_code == 401
        assert client.get("/orders", headers=headers).status_code == status
        if status == 403:
            verifier.close()
            assert client.get("/orders", headers=headers).status_code == 503
    httpx.delete(f"{base_url}/api/auth/logout", headers=headers).raise_for_status()
    until = time.monotonic() + SEEN_WITHIN
    while client.get("/orders", headers=headers).status_code != 401:
        assert time.monotonic() < until, "it did not hear of the logout"
        time.sleep(0.1)
    verifier.close()
    print("Flask with wutang-auth-verifier: takes the token until its user logs out")


if __name__ == "__main__":
    main(*sys.argv[1:])
