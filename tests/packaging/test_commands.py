"""The one spelling of the commands, and app.py on a machine without its packages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def texts() -> Iterator[Path]:
    """Everything that an operator, a user or a developer reads sentences of."""
    for folder in ("benchmarks", "config", "docs", "mi_ldap", "scripts"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".toml", ".html", ""} and path.is_file():
                yield path
    yield from (path for path in ROOT.glob("*.md") if path.name != "CHANGELOG.md")
    yield from (ROOT / name for name in ("Dockerfile", "docker-compose.yml", "app.py", "mi"))


def test_no_text_names_app_py_as_a_command() -> None:
    wrong = re.compile(r"python3?,? [\S]*app\.py|\[sys\.executable, \"app\.py")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in texts()
        for line in path.read_text(encoding="utf-8").splitlines()
        if wrong.search(line) and "/usr/local/bin/mi-ldap" not in line
    ]
    assert not found, "write mi-ldap COMMAND"


@pytest.mark.parametrize("command", ["serve", "doctor", "recover-admin"])
def test_app_py_without_its_packages_says_what_to_do(command: str) -> None:
    """`-S` leaves out site-packages, as a system's Python without these packages does."""
    ran = subprocess.run(
        [sys.executable, "-S", "app.py", command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "The Python package click is missing: run scripts/serve, which installs it, "
        "or pip install --require-hashes -r requirements.txt.\n"
    )


def test_app_py_without_some_of_its_packages_says_so_too(tmp_path: Path) -> None:
    """Debian has click for its own programs, and no pydantic."""
    (tmp_path / "pydantic.py").write_text("raise ModuleNotFoundError(name='pydantic')")
    ran = subprocess.run(
        [sys.executable, "app.py", "check-config"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith("The Python package pydantic is missing: run scripts/serve")
    assert ran.stderr.count("\n") == 1


def test_the_script_of_a_checkout_passes_a_command_through() -> None:
    script = (ROOT / "scripts/serve").read_text(encoding="utf-8")
    assert script.splitlines()[-1] == 'exec "$python" "$root/app.py" "$@"'
