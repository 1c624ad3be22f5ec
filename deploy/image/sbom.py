"""Writes what the image is made from as CycloneDX 1.6 (JSON): `python deploy/image/sbom.py >sbom.json`.

It reads requirements.lock and pyproject.toml. The same lock file makes the same document, so it has no time. The hashes
are those of the files that the lock file takes, for every platform.
"""

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

ROOT = Path(__file__).parents[2]
_HASHES = r"(?: {4}--hash=sha256:[0-9a-f]{64} *\\?\n)+"
REQUIREMENT = re.compile(rf"^([\w.-]+)==(\S+)(?: ; (.+?))? *\\?\n({_HASHES})", re.MULTILINE)


def bill_of_materials(lock: str, project: dict[str, Any]) -> dict[str, Any]:
    """The document: the project, and a component for each requirement of the lock file."""
    name, version = project["name"], project["version"]
    components = [_component(*found) for found in REQUIREMENT.findall(lock)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{name} {version} {lock}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": version,
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [component["bom-ref"] for component in components]}],
    }


def _component(name: str, version: str, marker: str, hashes: str) -> dict[str, Any]:
    """A requirement; one with a marker is in the image on some platforms or versions of Python only."""
    purl = f"pkg:pypi/{name}@{version}"
    found = re.findall("[0-9a-f]{64}", hashes)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        **({"scope": "optional", "properties": [{"name": "python:marker", "value": marker}]} if marker else {}),
        "externalReferences": [
            {
                "type": "distribution",
                "url": purl,
                "hashes": [{"alg": "SHA-256", "content": content} for content in found],
            }
        ],
    }


def main() -> None:
    """Print the document."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    json.dump(bill_of_materials(lock, project), sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
