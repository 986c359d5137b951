"""What removes the leftovers of crashes: at the start, again and again, whatever happens in it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.services.container import Services
from mi_ldap.serving import cleanup
from mi_ldap.serving.cleanup import Cleanup
from tests.service import running
from tests.subtree import Tool
from tests.until import until

OLD_MARK = "unfinished:1600000000:0123456789abcdef"
PASSWORD = "correct horse"


def test_a_started_service_removes_unfinished_users(tmp_path: Path) -> None:
    environment = {"MI_LDAP_STATE_DIR": str(tmp_path), "MI_LDAP_SERVER__WORKERS": "2"}
    directory = EmbeddedDirectory(tmp_path / "directory")
    with directory:
        tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        fresh = f"unfinished:{time.time() + 30:.0f}:0123456789abcdef"
        for name, mark in (("left", OLD_MARK), ("fresh", fresh)):
            classes = ("inetOrgPerson", "miLdapAccount")
            dn = f"uid={name},{directory.user_base}"
            tool.add(dn, classes, uid=name, cn=name, sn=name, miLdapEpoch=mark)
        tool.close()
    with running(environment) as service, service.caller() as call:
        token = call.login("admin", PASSWORD)
        tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        until(lambda: not tool.exists(f"uid=left,{directory.user_base}"), 20)
        assert tool.exists(f"uid=fresh,{directory.user_base}")
        tool.close()
        assert call("GET", "/users", token=token).json["count"] == 1


def fail() -> Services:
    raise DirectoryUnavailable


def break_down() -> Services:
    raise RuntimeError("nobody expected this")


def die() -> Services:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hang() -> Services:
    time.sleep(600)
    raise AssertionError


@pytest.mark.parametrize("trouble", [fail, break_down, die, hang])
def test_runs_go_on_whatever_happens_in_one(
    trouble: Callable[[], Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PAUSE_S", "LONGEST_S"):
        monkeypatch.setattr(cleanup, name, 0.05)
    monkeypatch.setattr(cleanup, "COST", 10.0)
    runs = tmp_path / "runs"

    def note_and_fail() -> Services:
        with runs.open("a") as file:
            file.write("x")
        return trouble()

    companion = Cleanup(note_and_fail)

    def has_run_thrice() -> bool:
        companion.tick()
        return runs.exists() and len(runs.read_text()) >= 3

    until(has_run_thrice, 20)
    companion.stop()
