"""The wheel: what it holds, and the first session of README.md with it, far from the checkout."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ldap import __version__
from tests.service import free_port

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
START_S = 30.0
STOP_S = 15.0


@dataclass(frozen=True)
class Installation:
    """A virtual environment, and a home folder for those who run its commands."""

    venv: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.venv / 'bin'}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment in the home folder."""
        return subprocess.run(
            [self.venv / "bin" / words[0], *words[1:]],
            env={**self.environment, **variables},
            cwd=self.home,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    def said(self, *words: str, **variables: str) -> str:
        """The standard output of a command that must succeed."""
        ran = self.run(*words, **variables)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def install(self, *arguments: str | Path) -> None:
        """Install with the pip that runs the tests; this environment has none."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.venv / "bin/python"), "install"]
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]
        subprocess.run([*pip, *options, *map(str, arguments)], cwd=self.home, check=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--quiet"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *options], cwd=folder, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The service without the extra `cli`, in the versions of the lock."""
    folder = tmp_path_factory.mktemp("installation")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    installation = Installation(folder / "venv", folder)
    installation.install("--require-hashes", "-r", ROOT / "requirements.txt")
    installation.install(wheel)
    return installation


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_has_the_files_of_config_and_of_the_packages(names: set[str]) -> None:
    data = {name.removeprefix("mi_ldap/data/") for name in names if "mi_ldap/data/" in name}
    config = ROOT / "config"
    assert data == {str(file.relative_to(config)) for file in config.rglob("*") if file.is_file()}
    others = {name for name in names if name.startswith("mi_ldap/")} - {
        f"mi_ldap/data/{name}" for name in data
    }
    files = (file for file in (ROOT / "mi_ldap").rglob("*") if file.is_file())
    assert others == {
        str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts
    }
    assert "mi_ldap/py.typed" in others


def test_the_wheel_has_nothing_else(names: set[str]) -> None:
    info = f"mi_ldap-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"mi_ldap", info}
    assert f"{info}/licenses/LICENSE" in names


def test_the_metadata_are_those_of_the_project(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"mi_ldap-{__version__}.dist-info/METADATA").decode()
    head, _, body = text.partition("\n\n")
    assert f"Version: {__version__}" in head
    assert "License-Expression: Apache-2.0" in head
    assert body.strip() == README.strip()
    extra = re.findall(r"Requires-Dist: (\w+).*; extra == 'cli'", head)
    assert set(extra) == {"rich", "httpx2"}


def test_the_lock_is_what_the_wheel_requires(server: Installation) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(server.venv / "bin/python"), "check"]
    ran = subprocess.run(pip, capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stdout


def test_files_and_state_are_those_of_an_installation(server: Installation) -> None:
    config = Path(server.said("mi-ldap", "config-dir").strip())
    assert config.is_relative_to(server.venv)
    assert (config / "ldif/rights.ldif").is_file()
    program = "from mi_ldap.settings import load_settings; print(load_settings().state_dir)"
    state = server.said("python", "-c", program).strip()
    is_root = os.getuid() == 0
    assert state == ("/var/lib/mi-ldap" if is_root else f"{server.home}/.local/state/mi-ldap")


def test_the_version_is_that_of_the_package(server: Installation) -> None:
    assert server.said("mi-ldap", "--version") == f"mi-ldap {__version__}\n"


def test_the_first_session(server: Installation) -> None:
    """The service runs without the extra; `mi` says that it is missing, then everything works."""
    port = free_port()
    with running(server, port) as environment:
        assert "AccessToken" in login(port, "admin:admin")
        ran = server.run("mi", "remote", "trust")
        sentence = "mi needs httpx2 and rich: run pip install 'mi-ldap[cli]'.\n"
        assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", sentence)
        server.install("--require-hashes", "-r", ROOT / "requirements-cli.txt")
        server.said("mi", "remote", "update", "default", "localhost", str(port))
        said = [server.said(*shlex.split(line)) for line in commands_of_the_readme()]
        assert said[-1] == answer_of_the_readme()
        found = json.loads(server.run("mi-ldap", "doctor", "--json", **environment).stdout)
        assert not [each for each in found["findings"] if each["level"] == "fail"]
        assert server.said("mi-ldap", "check-config", **environment)


@contextmanager
def running(installation: Installation, port: int) -> Iterator[dict[str, str]]:
    """`mi-ldap serve` from its first answer until it was stopped; the variables that it has."""
    variables = {
        "MI_LDAP_STATE_DIR": str(installation.home / "state"),
        "MI_LDAP_SERVER__PORT": str(port),
        "MI_LDAP_SERVER__WORKERS": "1",
    }
    log = installation.home / "service.log"
    with log.open("wb") as to:
        process = subprocess.Popen(
            [installation.venv / "bin/mi-ldap", "serve"],
            env={**installation.environment, **variables},
            cwd=installation.home,
            stdout=to,
            stderr=to,
        )
    try:
        wait_for(port, process, log)
        yield variables
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


def login(port: int, basic: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    headers = {"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"}
    connection.request("GET", "/management/login", headers=headers)
    body = connection.getresponse().read().decode()
    connection.close()
    return body


def commands_of_the_readme() -> list[str]:
    """What README.md has a newcomer type for `mi`, without the `./` of a checkout."""
    found = re.findall(r"(?m)^ {4}\./(mi .*)$", README)
    assert len(found) >= 9
    return found


def answer_of_the_readme() -> str:
    block = re.search(r"(?m)^The last command prints:\n\n((?: {4}.*\n)+)", README)
    assert block
    return re.sub(r"(?m)^ {4}", "", block[1])
