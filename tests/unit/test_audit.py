"""The audit log."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from mi_ldap.errors import AuditUnavailable, CustodyRefused, Forbidden
from mi_ldap.state.audit import AuditLog

KEYS = [
    "performedBy",
    "action",
    "type",
    "info",
    "at",
    "outcome",
    "reason",
    "client",
    "requestId",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def audit(file: Path) -> Iterator[AuditLog]:
    log = AuditLog(file)
    yield log
    log.close()


def lines_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write(audit: AuditLog, name: str = "admin") -> None:
    audit.write(name, "created", "user", {"userId": "bob", "isAdmin": False}, outcome="done")


def test_a_line_has_mis_keys_first_and_in_order(audit: AuditLog, file: Path) -> None:
    with structlog.contextvars.bound_contextvars(client="192.0.2.7", requestId="r1"):
        write(audit)
    (line,) = lines_of(file)
    assert list(line) == KEYS
    assert line["performedBy"] == "admin"
    assert (line["action"], line["type"], line["outcome"]) == ("created", "user", "done")
    assert (line["client"], line["requestId"], line["reason"]) == ("192.0.2.7", "r1", "")
    assert datetime.fromisoformat(line["at"]).utcoffset() is not None


def test_info_is_a_string_of_json(audit: AuditLog, file: Path) -> None:
    write(audit)
    (line,) = lines_of(file)
    assert isinstance(line["info"], str)
    assert json.loads(line["info"]) == {"userId": "bob", "isAdmin": False}


@pytest.mark.parametrize("name", ['"quoted"', "new\nline", "\u2028", "日本", "\0"])
def test_no_name_can_forge_a_line(audit: AuditLog, file: Path, name: str) -> None:
    write(audit, name)
    assert file.read_bytes().count(b"\n") == 1
    (line,) = [json.loads(text) for text in file.read_text(encoding="utf-8").split("\n") if text]
    assert line["performedBy"] == name


def test_the_file_is_for_its_owner_alone(audit: AuditLog, file: Path) -> None:
    write(audit)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_lines_are_added_to_what_is_there(audit: AuditLog, file: Path) -> None:
    write(audit)
    another = AuditLog(file)
    write(another, "other")
    another.close()
    assert [line["performedBy"] for line in lines_of(file)] == ["admin", "other"]


def test_lines_of_many_threads_stay_whole(audit: AuditLog, file: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(audit, str(number)), range(200)))
    assert {line["performedBy"] for line in lines_of(file)} == {str(n) for n in range(200)}


@pytest.mark.parametrize("make_anew", [True, False])
def test_after_a_rotation_a_new_file_is_written(
    audit: AuditLog, file: Path, make_anew: bool
) -> None:
    write(audit, "before")
    file.rename(file.with_suffix(".1"))
    if make_anew:
        file.touch()
    write(audit, "after")
    assert [line["performedBy"] for line in lines_of(file)] == ["after"]
    assert [line["performedBy"] for line in lines_of(file.with_suffix(".1"))] == ["before"]


def test_a_line_that_a_full_disk_cut_short_swallows_no_other(audit: AuditLog, file: Path) -> None:
    file.write_bytes(b'{"performedBy": "cut')
    write(audit)
    cut, whole = file.read_text().splitlines()
    assert cut == '{"performedBy": "cut'
    assert json.loads(whole)["performedBy"] == "admin"


def test_what_cannot_be_written_stops_the_change(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path)
    changed = []
    with pytest.raises(AuditUnavailable), audit.change("admin", "deleted", "user", {}):
        changed.append(1)
    assert not changed


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_stops_the_change() -> None:
    audit = AuditLog(Path("/dev/full"))
    with pytest.raises(AuditUnavailable), audit.change("admin", "deleted", "user", {}):
        pytest.fail("the change was made")


def test_a_folder_that_comes_back_is_written_again(audit: AuditLog, file: Path) -> None:
    file.mkdir()
    with pytest.raises(AuditUnavailable):
        write(audit)
    file.rmdir()
    write(audit)
    assert len(lines_of(file)) == 1


def test_the_line_stands_before_the_change_and_a_failure_gets_a_second_one(
    audit: AuditLog, file: Path
) -> None:
    def fail() -> None:
        assert [line["outcome"] for line in lines_of(file)] == ["done"]
        raise Forbidden("the rules say no")

    with pytest.raises(Forbidden), audit.change("admin", "deleted", "user", {"userId": "bob"}):
        fail()
    done, undone = lines_of(file)
    assert (undone["outcome"], undone["reason"]) == ("undone", "the rules say no")
    assert undone["info"] == done["info"]


def test_the_text_of_a_foreign_error_is_not_written(audit: AuditLog, file: Path) -> None:
    with pytest.raises(ValueError, match="secret"), audit.change("admin", "deleted", "user", {}):
        raise ValueError("secret")
    assert "secret" not in file.read_text()
    assert lines_of(file)[-1]["reason"] == "ValueError"


def test_a_refusal_by_custody_leaves_its_line_and_others_none(audit: AuditLog, file: Path) -> None:
    with pytest.raises(Forbidden), audit.refusals("eve", {"userId": "bob"}):
        raise Forbidden("no")
    assert not file.exists()
    with pytest.raises(CustodyRefused), audit.refusals("eve", {"userId": "bob"}):
        raise CustodyRefused("bob", "remove it", "That is boss.")
    (line,) = lines_of(file)
    assert [line[key] for key in ("performedBy", "action", "type", "outcome", "reason")] == [
        "eve",
        "refused",
        "admin",
        "refused",
        "Only the creator of admin user 'bob' can remove it. That is boss.",
    ]


def test_one_write_is_one_line(audit: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    really = os.write

    def noted(descriptor: int, data: bytes) -> int:
        writes.append(data)
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", noted)
    write(audit)
    assert [data.count(b"\n") for data in writes] == [1]
