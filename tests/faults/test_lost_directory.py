"""The embedded directory's data is lost while the rest of the state is kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mi_ldap.state.database import StateDatabase
from tests.app_command import run_app
from tests.faults.test_processes import environment, eventually, free_port, running
from tests.service import running as running_service
from tests.subtree import Subtree

Lose = Callable[[Path], object]

LOST: dict[str, Lose] = {
    "the data": lambda state: shutil.rmtree(state / "directory" / "data"),
    "the whole directory": lambda state: shutil.rmtree(state / "directory"),
    "the database": lambda state: (state / "directory" / "data" / "data.mdb").unlink(),
    "all but an empty file": lambda state: (state / "directory/data/data.mdb").write_bytes(b""),
    "what is in the data": lambda state: empty(state / "directory" / "data"),
}


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)


@pytest.fixture(scope="module")
def used_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a service that has had an admin, and was stopped."""
    folder = tmp_path_factory.mktemp("used")
    with running(folder) as service:
        assert service.get("/management/login") == 200
        service.process.terminate()
        service.process.wait(10)
    return folder / "state"


@pytest.fixture
def state(used_state: Path, tmp_path: Path) -> Path:
    return copied(used_state, tmp_path / "state")


def copied(folder: Path, to: Path) -> Path:
    """A copy with the holes of the database's file, which would be 8 GB without them."""
    subprocess.run(["cp", "-a", "--sparse=always", str(folder), str(to)], check=True)
    return to


def test_with_its_data_it_starts_again(state: Path) -> None:
    with running(state.parent) as service:
        assert service.get("/management/login") == 200


@pytest.mark.parametrize("what", LOST)
def test_a_lost_directory_stops_the_start_with_a_sentence(state: Path, what: str) -> None:
    LOST[what](state)
    env = environment(state.parent, free_port())
    for command in (["serve"], ["doctor"], ["recover-admin", "admin", "--yes"]):
        refused = run_app(*command, env=env)
        said = refused.stdout + refused.stderr
        assert refused.returncode != 0, said
        assert "new-directory" in said, said
        assert "Traceback" not in said
    assert not (state / "directory" / "data.new").exists()


@pytest.mark.parametrize("what", LOST)
def test_told_so_it_begins_anew(state: Path, what: str) -> None:
    LOST[what](state)
    env = environment(state.parent, free_port())
    told = run_app("new-directory", "--yes", env=env)
    assert told.returncode == 0, told.stderr
    assert '"newDirectory' in (state / "audit.log").read_text().replace("\\", "")
    with running(state.parent) as service:
        assert service.get("/management/login") == 200


def test_a_directory_that_was_emptied_is_refused_too(state: Path, tmp_path: Path) -> None:
    with running(_made(tmp_path / "new")) as fresh:
        fresh.process.terminate()
        fresh.process.wait(10)
    shutil.rmtree(state / "directory" / "data")
    copied(tmp_path / "new" / "state" / "directory" / "data", state / "directory" / "data")
    for name in ("service.password", "manager.password"):
        shutil.copy(tmp_path / "new" / "state" / "directory" / name, state / "directory" / name)
    refused = run_app("serve", env=environment(state.parent, free_port()))
    assert refused.returncode == 1
    assert "neither users nor roles" in refused.stderr
    assert refused.stderr.count("\n") == 1


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_directory_that_has_its_data_is_not_given_up(state: Path) -> None:
    refused = run_app("new-directory", "--yes", env=environment(state.parent, free_port()))
    assert refused.returncode == 1
    assert "move" in refused.stderr
    with running(state.parent) as service:
        assert service.get("/management/login") == 200


def test_an_external_directory_without_its_admin_group_is_a_loud_line(
    subtree: Subtree, tmp_path: Path
) -> None:
    env = {**subtree.environment, "MI_LDAP_STATE_DIR": str(tmp_path / "state")}
    with running_service(env) as service, service.caller() as call:
        call.login("root", "correct horse")
    subtree.tool.delete(subtree.group_dn("admin"))
    with running_service(env) as service:
        assert eventually(lambda: "admin_role_lost" in service.log.read_text())


def test_an_external_record_is_none_of_an_embedded_directory(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    state = StateDatabase(tmp_path / "state" / "state.sqlite")
    state.set_default("first_admin_made ou=groups,dc=mi admin", "an id")
    state.close()
    with running(tmp_path) as service:
        assert service.get("/management/login") == 200


def test_admins_in_the_services_own_file_are_given_up_with_the_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    env = {
        "MI_LDAP_STATE_DIR": str(state),
        "MI_LDAP_SUPER_ADMIN__ADMIN_ROLE": "Internal/admin",
        "MI_LDAP_SERVER__WORKERS": "1",
    }
    with running_service(env) as service, service.caller() as call:
        call.login("alice", "a password")
    shutil.rmtree(state / "directory" / "data")
    refused = run_app("serve", env=env)
    assert "new-directory" in refused.stderr
    assert run_app("new-directory", "--yes", env=env).returncode == 0
    assert [*state.glob("hybrid-roles.sqlite.old-*")]
    with running_service(env) as service, service.caller() as call:
        token = call.login("bob", "a password")
        assert call("GET", "/users/bob", token=token).json["isAdmin"] is True
