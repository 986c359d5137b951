"""Revocations and signing keys."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import time_machine

from mi_ldap.errors import ConfigurationError, StateUnavailable
from mi_ldap.state import database as state_module
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.signing_keys import configured_key, rotate_key, stored_keys
from mi_ldap.state.tokens import SLACK_S, Revocations

KEY = "k" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def state(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateDatabase]:
    monkeypatch.setattr(state_module, "BUSY_S", 0.05)
    database = StateDatabase(file)
    yield database
    database.close()


@pytest.fixture
def revocations(state: StateDatabase) -> Revocations:
    return Revocations(state)


def test_a_revoked_token_is_and_stays_revoked(revocations: Revocations) -> None:
    assert not revocations.is_revoked("jti")
    revocations.revoke("jti", time.time() + 60)
    revocations.revoke("jti", time.time() + 60)
    assert revocations.is_revoked("jti")
    assert not revocations.is_revoked("other")


def test_every_process_sees_a_revocation_at_once(revocations: Revocations, file: Path) -> None:
    elsewhere = StateDatabase(file)
    revocations.revoke("jti", time.time() + 60)
    assert Revocations(elsewhere).is_revoked("jti")
    elsewhere.close()


@dataclass
class Uptime:
    """The machine's monotonic clock."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def revoke_others(revocations: Revocations) -> None:
    """So many that the rows are pruned."""
    for number in range(64):
        revocations.revoke(f"other {time.time()} {number}", time.time() + 3600)


@pytest.mark.parametrize("boots", [False, True])
def test_revocations_of_expired_tokens_are_pruned(state: StateDatabase, boots: bool) -> None:
    uptime = Uptime()
    revocations = Revocations(state, 3600, uptime)
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as wall_clock:
        revocations.revoke("jti", time.time() + 3600)
        wall_clock.shift(2 * SLACK_S)
        uptime.now_s += 2 * SLACK_S
        if boots:
            with state.connection() as connection:
                connection.execute("UPDATE revoked SET boot_id = 'another'")
        revoke_others(revocations)
        assert not revocations.is_revoked("jti")


@pytest.mark.parametrize("ahead_s", [3601.0, 2 * SLACK_S, 86_400 * 3650.0])
@pytest.mark.parametrize("boots", [False, True])
def test_a_clock_that_jumps_ahead_and_back_revives_no_token(
    state: StateDatabase, ahead_s: float, boots: bool
) -> None:
    uptime = Uptime()
    revocations = Revocations(state, 3600, uptime)
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as wall_clock:
        revocations.revoke("jti", time.time() + 3600)
        wall_clock.shift(ahead_s)
        uptime.now_s = 60.0 if boots else uptime.now_s + 60
        revoke_others(revocations)
        wall_clock.shift(-ahead_s)
        revoke_others(revocations)
        assert revocations.is_revoked("jti")


def test_a_clock_set_back_lets_no_revocation_go_early(state: StateDatabase) -> None:
    uptime = Uptime()
    revocations = Revocations(state, 3600, uptime)
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False) as wall_clock:
        revocations.revoke("jti", time.time() + 3600)
        wall_clock.shift(-86_400 * 365)
        uptime.now_s += 100 * SLACK_S
        revoke_others(revocations)
        assert revocations.is_revoked("jti")


def test_a_locked_file_is_an_outage(revocations: Revocations, file: Path) -> None:
    locker = sqlite3.connect(file, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateUnavailable):
        revocations.revoke("jti", time.time() + 60)
    locker.execute("ROLLBACK")
    locker.close()
    revocations.revoke("jti", time.time() + 60)
    assert revocations.is_revoked("jti")


def test_a_lost_table_is_an_outage_and_no_clean_record(
    revocations: Revocations, state: StateDatabase
) -> None:
    with state.connection() as connection:
        connection.execute("DROP TABLE revoked")
    with pytest.raises(StateUnavailable):
        revocations.is_revoked("jti")


def test_a_full_disk_is_an_outage(revocations: Revocations, state: StateDatabase) -> None:
    with state.connection() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StateUnavailable):
            revocations.revoke("x" * 100_000, time.time() + 60)


def test_a_configured_key_is_used_as_it_is() -> None:
    keys = configured_key(KEY)
    assert keys.signing_key == KEY
    assert KEY not in keys.current
    assert KEY not in repr(keys)
    assert configured_key(KEY) == keys
    assert configured_key(KEY + "x").current != keys.current


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="32 bytes"):
        configured_key("x" * 31)


def test_the_first_key_is_made_for_its_owner_alone_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys = stored_keys(folder)
    assert stored_keys(folder) == keys
    assert len(keys.signing_key) >= 32
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(key.stat().st_mode) for key in folder.glob("*.key")] == [0o600]


def test_of_two_processes_that_make_the_first_key_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, link = tmp_path / "keys", os.link
    others = "o" * 64

    def link_too_late(draft: Path, file: Path) -> None:
        file.write_text(others)
        link(draft, file)

    monkeypatch.setattr(os, "link", link_too_late)
    assert stored_keys(folder).signing_key == others
    assert [file.name for file in folder.iterdir()] == ["1.key"]


def test_a_rotated_key_signs_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    before = stored_keys(tmp_path)
    for expected in range(2, 12):
        assert rotate_key(tmp_path) == str(expected)
    after = stored_keys(tmp_path)
    assert after.current == "11"
    assert after.signing_key != before.signing_key
    assert after.keys[before.current] == before.signing_key


def test_a_damaged_key_file_stops_the_start_and_is_not_told(tmp_path: Path) -> None:
    stored_keys(tmp_path)
    (tmp_path / "1.key").write_text("short")
    with pytest.raises(ConfigurationError, match="damaged") as caught:
        stored_keys(tmp_path)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_end_of_an_editor_makes_no_other_key(tmp_path: Path, end: str) -> None:
    keys = stored_keys(tmp_path)
    (tmp_path / "1.key").write_text(f"{keys.signing_key}{end}", newline="")
    assert stored_keys(tmp_path) == keys


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"\xff" * 64)]
)
def test_a_key_that_is_no_text_is_told(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "1.key")
    with pytest.raises(ConfigurationError, match=r"The token key .*1\.key (cannot be|is damaged)"):
        stored_keys(tmp_path)
