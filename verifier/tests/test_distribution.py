"""The distribution: small, by itself, and whole."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


def run(*arguments: str, cwd: Path = ROOT) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, check=True)
    return done.stdout.decode()


def test_it_can_be_read_in_one_sitting() -> None:
    assert sum(len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")) <= 400


def test_it_needs_two_libraries_and_imports_nothing_of_the_service_or_of_fastapi() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == ["pyjwt[crypto]>=2.15", "httpx>=0.28"]
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import wutang_auth_verifier; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run("-c", program).split()}
    assert {"jwt", "httpx", "wutang_auth_verifier"} <= loaded
    assert not {"wutang_auth", "fastapi", "starlette", "pydantic", "flask"} & loaded


def test_its_wheel_has_all_of_it(tmp_path: Path) -> None:
    run("-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path))
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name == "wutang_auth_verifier-0.1.0-py3-none-any.whl"
    packed = {name for name in ZipFile(wheel).namelist() if "dist-info" not in name}
    assert packed == {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*") if path.suffix in {".py", ".typed"}}
    assert any(name.endswith("licenses/LICENSE") for name in ZipFile(wheel).namelist())


def test_its_licence_is_the_project_s() -> None:
    assert (ROOT / "LICENSE").read_text() == (ROOT.parent / "LICENSE").read_text()
