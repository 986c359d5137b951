"""Every file that the service reads or writes, replaced: a sentence, or it serves; never a hang."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app_command import ROOT, run_app
from tests.faults.test_lost_directory import copied
from tests.faults.test_processes import environment, free_port, running

REPLACED: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "garbage": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "an empty file": lambda path: path.touch(),
    "a link to nothing": lambda path: path.symlink_to("nowhere/at/all"),
}
IN_STATE = [
    "certificate.pem",
    "certificate.key",
    "signing-keys",
    "signing-keys/1.key",
    "state.sqlite",
    "audit.log",
    "lock",
    "admins.lock",
    "directory/service.password",
    "directory/manager.password",
    "directory/data/suffix",
    "directory/data/data.mdb",
    "directory/lock",
    "directory/slapd.log",
    "directory/slapd.d",
]
START_S = 40.0


@pytest.fixture(scope="module")
def used_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a service that was stopped."""
    folder = tmp_path_factory.mktemp("used")
    with running(folder) as service:
        assert service.get("/management/login") == 200
        service.process.terminate()
        service.process.wait(10)
    return folder / "state"


@pytest.fixture
def state(used_state: Path, tmp_path: Path) -> Path:
    return copied(used_state, tmp_path / "state")


def replace(path: Path, what: str) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    REPLACED[what](path)


def outcome_of_start(folder: Path, **more: str) -> str:
    """`"serves"`, or the sentence with which it ended."""
    env = environment(folder, free_port(), **more)
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=env, stdout=out, stderr=err
        )
    give_up_at = time.monotonic() + START_S
    try:
        while process.poll() is None and "Ctrl-C" not in (folder / "out").read_text():
            assert time.monotonic() < give_up_at, "it hangs"
            time.sleep(0.05)
    finally:
        process.terminate()
        end_of(process)
    said = (folder / "err").read_text()
    assert "Traceback" not in said, said
    if "Ctrl-C" in (folder / "out").read_text():
        return "serves"
    assert process.returncode == 1
    (sentence,) = [line for line in said.splitlines() if not line.startswith("{")]
    return sentence


def end_of(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", IN_STATE)
def test_a_file_of_the_state_that_is_something_else(
    used_state: Path, tmp_path: Path, name: str
) -> None:
    for number, what in enumerate(REPLACED):
        folder = tmp_path / str(number)
        folder.mkdir()
        state = copied(used_state, folder / "state")
        replace(state / name, what)
        sentence = outcome_of_start(folder)
        print(f"{name} is {what}: {sentence}")
        assert sentence == "serves" or sentence.endswith("."), sentence
        assert sentence == "serves" or "state" in sentence or "directory" in sentence
        shutil.rmtree(folder)


@pytest.mark.parametrize("what", REPLACED)
def test_a_configured_file_that_is_something_else(tmp_path: Path, what: str) -> None:
    file = tmp_path / "file"
    replace(file, what)
    token = "MI_LDAP_MANAGEMENT_API__JWT_TOKEN_SECURITY_HANDLER__TOKEN_CONFIG__KEY_FILE"
    tried = [
        {"MI_LDAP_CONFIG": str(file)},
        {"MI_LDAP_SUPER_ADMIN__PASSWORD_FILE": str(file)},
        {token: str(file)},
        {"MI_LDAP_USER_STORE__CA_FILE": str(file)},
        {"MI_LDAP_SERVER__CERTIFICATE_FILE": str(file), "MI_LDAP_SERVER__KEY_FILE": str(file)},
    ]
    for number, named in enumerate(tried):
        told = run_app("check-config", env=environment(tmp_path, 1, **named))
        is_empty_config = number == 0 and what == "an empty file"
        assert (told.returncode == 0) == is_empty_config, (named, told)
        assert is_empty_config or told.stderr.strip().endswith("."), told.stderr
        assert "Traceback" not in told.stderr


def test_a_configured_audit_log_that_cannot_be_written(state: Path) -> None:
    for what, sentence in {
        "a folder": "Is a directory",
        "a pipe": "No such device",
        "a link to nothing": "No such file",
    }.items():
        replace(state.parent / "audit", what)
        told = outcome_of_start(state.parent, MI_LDAP_AUDIT__FILE=str(state.parent / "audit"))
        assert told.startswith("The audit log")
        assert sentence in told


@pytest.fixture
def read_only(state: Path) -> Iterator[Path]:
    """The state on a file system that takes no writes."""
    bind = ["mount", "--bind", str(state), str(state)]
    if subprocess.run(bind, capture_output=True, check=False).returncode != 0:
        pytest.skip("this system lets nobody mount")
    subprocess.run(["mount", "-o", "remount,bind,ro", str(state)], check=True)
    yield state
    subprocess.run(["umount", "--lazy", str(state)], check=True)


def test_a_state_folder_that_is_read_only(read_only: Path) -> None:
    env = environment(read_only.parent, free_port())
    for command in (["serve"], ["rotate-key"], ["recover-admin", "admin", "--yes"]):
        told = run_app(*command, env=env)
        assert told.returncode == 1, (command, told)
        assert "Read-only file system" in told.stderr
        assert "Traceback" not in told.stderr


def test_a_pipe_of_the_shell_may_hold_a_secret(tmp_path: Path) -> None:
    command = f'exec 9< <(sleep 0.3; echo "a secret"); {sys.executable} app.py check-config'
    env = environment(tmp_path, 1, MI_LDAP_SUPER_ADMIN__PASSWORD_FILE="/dev/fd/9")
    told = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
