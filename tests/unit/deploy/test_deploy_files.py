"""The files in deploy/: what they name exists, and the tools of their engines take them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import pytest
import yaml
from packaging.requirements import Requirement

from server.settings import unknown_settings
from server.telemetry import exposition

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "mysetlist"
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
SECRETS = {"DATABASE_URL": "postgresql://db/x", "REDIS_URL": "redis://cache", "MYSETLIST_SECRET": "s" * 32}
KUBERNETES = "1.34"


def run(*command: str | Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def program(name: str) -> str:
    """A program of a development package. Some of these packages exist for Linux on x86-64 only."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} for this machine")
    return found


def rendered(*values: str) -> list[dict[str, Any]]:
    """The manifests of the chart with values, as helm makes them."""
    given = [f"secrets.{name}={value}" for name, value in SECRETS.items()] + list(values)
    text = run(program("helm"), "template", "x", CHART, *[part for value in given for part in ("--set", value)])
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def locked(name: str) -> dict[str, str]:
    """Package -> version of a lock file."""
    text = (DEPLOY / name).read_text()
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\w)", text))
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def test_every_dependency_is_locked() -> None:
    """Each requirement of pyproject.toml is in the lock files, with a version that it allows; both files agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own, dev = locked("requirements.txt"), locked("requirements-dev.txt")
    extras = project["optional-dependencies"]
    for requirements, versions in ((project["dependencies"], own), (extras["dev"] + extras["otel"], dev)):
        for requirement in map(Requirement, requirements):
            version = versions.get(requirement.name.lower().replace("_", "-"))
            assert version is not None, f"run make lock: {requirement} is not locked"
            assert requirement.specifier.contains(version), f"run make lock: {version} is locked, not {requirement}"
    assert own.items() <= dev.items()


def test_compose_names_only_settings_and_files_that_exist() -> None:
    """Its variables are settings of a node; .env has each that it asks for; each file that it mounts is there."""
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    example = re.findall(r"^(\w+)=", (DEPLOY / "compose" / "example.env").read_text(), re.MULTILINE)
    assert asked == set(example)
    services = COMPOSE["services"]
    assert unknown_settings(services["node1"]["environment"]) == []
    mounted = [volume for service in services.values() for volume in service.get("volumes", ()) if volume[0] == "."]
    assert mounted
    for volume in mounted:
        assert (DEPLOY / "compose" / volume.split(":")[0]).exists(), volume
    (subnet,) = COMPOSE["networks"]["inside"]["ipam"]["config"]
    assert services["node1"]["environment"]["MYSETLIST_TRUSTED_PROXIES"] == subnet["subnet"]
    scrape = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    (targets,) = (config["targets"] for config in scrape[0]["static_configs"])
    assert {target.partition(":")[0] for target in targets} <= services.keys()


@pytest.mark.parametrize("name", ["mysetlist.service", "mysetlist-backup.service"])
def test_the_units_are_confined(name: str) -> None:
    """The tool of systemd rates the exposure of each service as 2 of 10 at most, and knows every line of the unit."""
    rated = run(program("systemd-analyze"), "security", "--offline=true", DEPLOY / "systemd" / name)
    found = re.search(rf"exposure level for {re.escape(name)}: ([\d.]+)", rated)
    assert found is not None
    assert float(found[1]) <= 2


def test_the_environment_of_the_units_has_only_settings() -> None:
    """Each name in it is a setting of a node, besides the flags."""
    environment = dict.fromkeys(
        re.findall(r"^#?(\w+)=", (DEPLOY / "systemd" / "environment").read_text(), re.MULTILINE), "x"
    )
    assert environment.pop("MYSETLIST_FLAGS")
    assert unknown_settings(environment) == []


def test_hadolint_finds_nothing_in_the_containerfile() -> None:
    """Hadolint is the linter of container files."""
    assert run(program("hadolint"), DEPLOY / "Containerfile") == ""


def test_the_containerfile_gets_what_it_copies() -> None:
    """.containerignore lets each file through that the Containerfile copies."""
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    copied = " ".join(lines).split()
    assert copied
    let_through = [line[1:] for line in (ROOT / ".containerignore").read_text().split() if line.startswith("!")]
    for path in copied:
        assert (ROOT / path).exists(), path
        assert any(Path(path).match(pattern) for pattern in let_through), path


@pytest.mark.parametrize(
    "values",
    [
        (),
        (
            "ingress.enabled=true",
            "ingress.tlsSecret=t",
            "ingress.className=nginx",
            "autoscaling.enabled=true",
            "backup.enabled=true",
        ),
    ],
    ids=["smallest", "whole"],
)
def test_kubernetes_takes_the_chart(values: tuple[str, ...]) -> None:
    """Each manifest keeps to the schema of its kind, without a key that Kubernetes does not know."""
    manifests = rendered(*values)
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    assert len(manifests) == (9 if values else 5)


def test_the_chart_sets_only_settings() -> None:
    """The variables of its containers are settings of a node; the metric that it scales on is one of a node."""
    (deployment,) = (one for one in rendered() if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert unknown_settings({entry["name"]: entry["value"] for entry in container["env"]}) == []
    (scaler,) = (one for one in rendered("autoscaling.enabled=true") if one["kind"] == "HorizontalPodAutoscaler")
    metric = scaler["spec"]["metrics"][0]["pods"]["metric"]["name"]
    assert metric.encode() in exposition()


def test_no_client_is_sent_to_the_pod_of_the_backups() -> None:
    """The service and the network policy select the nodes alone."""
    manifests = rendered("backup.enabled=true")
    (backup,) = (one for one in manifests if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("backup"))
    labels = backup["spec"]["template"]["metadata"]["labels"].items()
    (service,) = (one for one in manifests if one["kind"] == "Service")
    (policy,) = (one for one in manifests if one["kind"] == "NetworkPolicy")
    assert not service["spec"]["selector"].items() <= labels
    assert not policy["spec"]["podSelector"]["matchLabels"].items() <= labels


def test_the_chart_says_which_secret_is_missing() -> None:
    """Without an address of PostgreSQL, helm prints one sentence and makes nothing."""
    done = subprocess.run([program("helm"), "template", "x", str(CHART)], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "secrets.DATABASE_URL is missing" in done.stderr
