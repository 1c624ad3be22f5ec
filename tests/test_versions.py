"""Versions with known holes are neither required nor installed."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "starlette": (1, 3, 1),
    "h11": (0, 16),
    "python-jose": (3, 4),  # CVE-2024-33663, CVE-2024-33664
    "cryptography": (42,),
    "anyio": (4, 4),
    "certifi": (2024, 7, 4),
    "idna": (3, 7),
    "jinja2": (3, 1, 6),
    "urllib3": (2, 5),
    "requests": (2, 32, 4),
}


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split()[0].split("==") for line in lines if "==" in line and not line.startswith((" ", "#")))


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_no_locked_version_has_a_known_hole(lock: str) -> None:
    found = locked(lock)
    assert {"starlette", "python-jose", "cryptography"} <= found.keys()
    assert [name for name, floor in FLOORS.items() if name in found and numbers(found[name]) < floor] == []


@pytest.mark.parametrize("name", ["starlette", "h11", "python-jose", "cryptography"])
def test_no_installed_version_has_a_known_hole(name: str) -> None:
    assert numbers(version(name)) >= FLOORS[name]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_what_is_vulnerable_and_unused_is_not_locked(lock: str) -> None:
    """python-jose names them, but never imports them with its cryptography backend (CVE-2024-23342 is in ecdsa)."""
    assert not {"ecdsa", "rsa", "pyasn1", "passlib"} & locked(lock).keys()


def test_service_runs_with_what_is_locked_for_it() -> None:
    """Nothing of the development tools is needed at run time."""
    assert (
        not {"pytest", "hypothesis", "schemathesis", "pyjwt", "joserfc", "httpx", "uv"}
        & locked("requirements.lock").keys()
    )


def test_both_locks_agree() -> None:
    runtime, development = locked("requirements.lock"), locked("requirements-dev.lock")
    assert runtime.items() <= development.items()


def test_ecdsa_is_not_used_by_python_jose() -> None:
    from jose import jwk

    key = jwk.construct({"kty": "oct", "k": "c2VjcmV0"}, "HS256")
    assert type(key).__module__ == "jose.backends.cryptography_backend"
    assert jwk.get_key("ES256").__module__ == "jose.backends.cryptography_backend"
    assert jwk.get_key("RS256").__module__ == "jose.backends.cryptography_backend"
