"""What is installed: every package in one version, with hashes, as pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SERVICE: list[str] = PROJECT["project"]["dependencies"]
CLI: list[str] = PROJECT["project"]["optional-dependencies"]["cli"]
GROUPS: dict[str, list[str]] = PROJECT["dependency-groups"]
ASKED_FOR = {
    "requirements": SERVICE,
    "requirements-cli": SERVICE + CLI,
    "requirements-dev": SERVICE + CLI + GROUPS["dev"],
    "requirements-bench": SERVICE + CLI + GROUPS["bench"],
}


def asked_for(name: str) -> dict[str, Requirement]:
    """The packages in pyproject.toml that a file is the lock of."""
    requirements = [Requirement(line) for line in ASKED_FOR[name]]
    return {canonicalize_name(each.name): each for each in requirements}


def locked(name: str) -> dict[str, tuple[str, int]]:
    """The packages of a file that scripts/lock writes, with their versions and counts of hashes."""
    text = (ROOT / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    found = {}
    for line in lines:
        package, version = re.match(r"([\w-]+)==([\w.]+)\s", line).groups()  # type: ignore[union-attr]
        hashes = re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |$)", line)
        found[package] = (version, len(hashes))
    return found


@pytest.mark.parametrize("name", ASKED_FOR)
def test_every_package_has_a_version_and_hashes(name: str) -> None:
    assert locked(name)
    assert all(hashes for _, hashes in locked(name).values())


@pytest.mark.parametrize("name", ASKED_FOR)
def test_the_lock_is_of_what_is_asked_for(name: str) -> None:
    versions = {package: version for package, (version, _) in locked(name).items()}
    for package, requirement in asked_for(name).items():
        assert requirement.specifier.contains(versions[package]), "run scripts/lock"
    blocks = re.split(r"(?m)^(?=[\w-]+==)", (ROOT / f"{name}.txt").read_text(encoding="utf-8"))
    direct = {block.partition("==")[0] for block in blocks if "mi-ldap (pyproject.toml" in block}
    assert direct == asked_for(name).keys(), "run scripts/lock"


@pytest.mark.parametrize("name", ASKED_FOR)
def test_a_package_has_bounds(name: str) -> None:
    for requirement in asked_for(name).values():
        assert {bound.operator for bound in requirement.specifier} & {">=", "=="}, requirement


def test_all_files_have_the_service_in_the_same_versions() -> None:
    service, cli = locked("requirements"), locked("requirements-cli")
    assert service.items() <= cli.items()
    for name in ("requirements-dev", "requirements-bench"):
        assert cli.items() <= locked(name).items()


def test_a_server_does_without_what_only_the_command_line_needs() -> None:
    assert {"rich", "httpx2"} == asked_for("requirements-cli").keys() - asked_for(
        "requirements"
    ).keys()
    assert not {"rich", "httpx2"} & locked("requirements").keys()
    assert "requirements.txt" in (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["scripts/setup", "Dockerfile"])
def test_hashes_are_demanded_where_packages_are_installed(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    installing = [line for line in lines if "pip install" in line and " -r " in line]
    assert installing
    assert all("--require-hashes" in line for line in installing)
