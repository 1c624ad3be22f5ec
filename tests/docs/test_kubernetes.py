"""The files of deploy/kubernetes agree with each other, with the settings, and with the page about them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

from wutang_auth.api.routes import health
from wutang_auth.settings import PREFIX, Settings, load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
FILES = {
    str(path.relative_to(FOLDER)): yaml.safe_load(path.read_text("utf-8"))
    for path in sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("migrate/*.yaml")])
}
KUSTOMIZATIONS = {name: FILES[name] for name in ("kustomization.yaml", "migrate/kustomization.yaml")}
PODS = {name: FILES[name]["spec"]["template"]["spec"] for name in ("deployment.yaml", "migrate/job.yaml")}
SETTINGS = dict(
    literal.split("=", 1)
    for generated in FILES["kustomization.yaml"]["configMapGenerator"]
    for literal in generated["literals"]
)
THROTTLE_CONNECTIONS = 4
OF_POSTGRESQL = 100 - 3
"""max_connections as it is by default, without those that are kept for superusers."""


def container(name: str) -> dict[str, Any]:
    [only] = PODS[name]["containers"]
    assert isinstance(only, dict)
    return only


def test_each_file_is_applied_and_told_of() -> None:
    applied = {str(Path(name).parent / path) for name, file in KUSTOMIZATIONS.items() for path in file["resources"]}
    assert applied | KUSTOMIZATIONS.keys() == FILES.keys()
    assert [name for name in FILES if f"](../deploy/kubernetes/{name})" not in PAGE] == []


def test_every_variable_is_a_setting_with_a_value_that_is_taken() -> None:
    """Where a file is named, the setting is a secret; the files of the key ring and the URL are in the secrets."""
    given = {name.removeprefix(PREFIX).lower(): value for name, value in SETTINGS.items()}
    settings = load(Settings, _env_file=None, database_url="postgresql://h/d", keys_file="keys.json", **given)
    assert given.keys() <= settings.model_fields_set
    assert all(name.startswith(PREFIX) for name in SETTINGS)
    for name in PODS:
        variables = {variable["name"]: variable["value"] for variable in container(name)["env"]}
        assert variables.keys() <= {f"{PREFIX}DATABASE_URL_FILE", f"{PREFIX}KEYS_FILE"}
        mounts = {mount["name"]: mount["mountPath"] for mount in container(name)["volumeMounts"]}
        for path in map(Path, variables.values()):
            assert str(path.parent) in mounts.values()
    told = set(re.findall(rf"\b{PREFIX}[A-Z_]+", PAGE))
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert {name.removesuffix("_FILE") if name not in known else name for name in told} <= known


def test_secrets_are_those_that_the_page_makes() -> None:
    for pod in PODS.values():
        for volume in pod["volumes"]:
            secret = volume["secret"]
            assert f"create secret generic {secret['secretName']}" in PAGE
            assert secret["defaultMode"] == 0o440
            for item in secret.get("items", []):
                assert f"--from-literal={item['key']}=" in PAGE
    assert container("deployment.yaml")["env"][1]["value"].endswith("/keys.json")
    assert "--from-file=keys.json" in PAGE


def test_containers_may_do_nothing_but_serve() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    for name, pod in PODS.items():
        user = {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
        assert pod["securityContext"] == {"runAsNonRoot": True, **user, "seccompProfile": {"type": "RuntimeDefault"}}
        assert pod["automountServiceAccountToken"] is False
        assert container(name)["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert all(mount["readOnly"] for mount in container(name)["volumeMounts"])
    assert "USER 10001:10001\n" in dockerfile
    assert FILES["namespace.yaml"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_everything_is_about_the_same_pods_and_the_same_port() -> None:
    labels = FILES["deployment.yaml"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        FILES["deployment.yaml"]["spec"]["selector"]["matchLabels"],
        FILES["service.yaml"]["spec"]["selector"],
        FILES["poddisruptionbudget.yaml"]["spec"]["selector"]["matchLabels"],
        FILES["networkpolicy.yaml"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert selectors == [labels] * 4
    assert FILES["horizontalpodautoscaler.yaml"]["spec"]["scaleTargetRef"]["name"] == "wutang-auth"
    port, metrics = container("deployment.yaml")["ports"]
    assert f"EXPOSE {port['containerPort']}\n" in (ROOT / "Dockerfile").read_text("utf-8")
    assert FILES["service.yaml"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert SETTINGS["WUTANG_METRICS_PORT"] == str(metrics["containerPort"])
    let_in = [rule["ports"] for rule in FILES["networkpolicy.yaml"]["spec"]["ingress"]]
    assert let_in == [[{"port": port["name"]}], [{"port": metrics["name"]}]]
    paths = {getattr(route, "path", None) for route in health.router.routes}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container("deployment.yaml")[probe]["httpGet"]
        assert asked["port"] == port["name"]
        assert asked["path"] in paths


def test_both_images_are_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    [service], [migration] = (file["images"] for file in KUSTOMIZATIONS.values())
    assert service == migration
    assert service["newTag"] == version


def test_pods_fit_into_their_memory_their_time_and_the_database() -> None:
    resources = container("deployment.yaml")["resources"]
    memory = int(resources["limits"]["memory"].removesuffix("Mi"))
    assert memory >= 128 + 19 * (int(SETTINGS["WUTANG_HASH_WORKERS"]) - 2)
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    longest = float(SETTINGS["WUTANG_DRAIN_SECONDS"]) + float(Settings.model_fields["db_request_timeout"].default)
    assert PODS["deployment.yaml"]["terminationGracePeriodSeconds"] > longest
    surge = FILES["deployment.yaml"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    pods = FILES["horizontalpodautoscaler.yaml"]["spec"]["maxReplicas"] + surge
    assert pods * (int(SETTINGS["WUTANG_DB_POOL_SIZE"]) + THROTTLE_CONNECTIONS) <= OF_POSTGRESQL
