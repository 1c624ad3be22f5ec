"""The bill of materials says what the lock file says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def document() -> dict[str, Any]:
    printed = subprocess.check_output([sys.executable, ROOT / "deploy" / "image" / "sbom.py"], text=True)
    found: dict[str, Any] = json.loads(printed)
    return found


def test_every_requirement_is_a_component_with_its_hashes() -> None:
    components = document()["components"]
    assert [f"{component['name']}=={component['version']}" for component in components] == re.findall(
        r"^[\w.-]+==\S+", LOCK, re.MULTILINE
    )
    hashes = [found["content"] for component in components for found in component["externalReferences"][0]["hashes"]]
    assert hashes == re.findall("sha256:([0-9a-f]{64})", LOCK)


def test_what_some_platforms_leave_out_is_optional() -> None:
    optional = {component["name"] for component in document()["components"] if component.get("scope") == "optional"}
    assert optional == set(re.findall(r"^([\w.-]+)==\S+ ; ", LOCK, re.MULTILINE))


def test_it_is_the_same_each_time_and_names_no_host() -> None:
    first, second = document(), document()
    assert first == second
    assert (first["bomFormat"], first["specVersion"], first["metadata"]["component"]["name"]) == (
        "CycloneDX", "1.6", "wutang-auth",
    )  # fmt: skip
    assert re.findall(r"https?://[^\"]+", json.dumps(first)) == ["http://cyclonedx.org/schema/bom-1.6.schema.json"]
