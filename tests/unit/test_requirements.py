"""What is installed: every package in one version, with hashes, as requirements*.in ask for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("requirements", "requirements-dev", "requirements-bench")


def asked_for(name: str) -> dict[str, str]:
    """The packages in a file that people write, those of the files that it includes too."""
    found: dict[str, str] = {}
    for line in (ROOT / f"{name}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found |= asked_for(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith("#"):
            package, version = re.fullmatch(r"([\w-]+)==([\w.]+)", line).groups()  # type: ignore[union-attr]
            found[package.lower().replace("_", "-")] = version
    return found


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


@pytest.mark.parametrize("name", NAMES)
def test_every_package_has_a_version_and_hashes(name: str) -> None:
    assert locked(name)
    assert all(hashes for _, hashes in locked(name).values())


@pytest.mark.parametrize("name", NAMES)
def test_the_lock_is_of_what_is_asked_for(name: str) -> None:
    versions = {package: version for package, (version, _) in locked(name).items()}
    assert asked_for(name).items() <= versions.items(), "run scripts/lock"
    blocks = re.split(r"(?m)^(?=[\w-]+==)", (ROOT / f"{name}.txt").read_text(encoding="utf-8"))
    direct = {block.partition("==")[0] for block in blocks if f"-r {name}.in" in block}
    assert direct <= asked_for(name).keys(), "run scripts/lock"
    assert direct


def test_all_files_have_the_service_in_the_same_versions() -> None:
    service = locked("requirements")
    for name in NAMES[1:]:
        assert service.items() <= locked(name).items()


def test_a_wheel_wants_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    dependencies = project["tool"]["setuptools"]["dynamic"]["dependencies"]
    assert dependencies == {"file": ["requirements.in"]}


@pytest.mark.parametrize("name", ["scripts/setup", "Dockerfile"])
def test_hashes_are_demanded_where_packages_are_installed(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    installing = [line for line in lines if "pip install" in line and " -r " in line]
    assert installing
    assert all("--require-hashes" in line for line in installing)
