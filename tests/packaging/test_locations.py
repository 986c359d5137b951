"""Where an installation keeps its state, for each kind of user."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap import locations
from mi_ldap.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if the package was not in a checkout."""
    monkeypatch.setattr(locations, "_ROOT", tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)


def test_a_checkout_has_its_own_files_and_state() -> None:
    assert locations.find_checkout() == ROOT
    assert locations.config_dir() == ROOT / "config"
    assert locations.default_state_dir() == ROOT / "var"


@pytest.mark.usefixtures("installed")
def test_the_files_of_an_installation_are_in_the_package() -> None:
    assert locations.find_checkout() is None
    assert locations.config_dir() == ROOT / "mi_ldap/data"


@pytest.mark.usefixtures("installed")
def test_root_keeps_the_state_in_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert load_settings({}).state_dir == Path("/var/lib/mi-ldap")


@pytest.mark.usefixtures("installed")
def test_other_users_keep_the_state_in_their_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert load_settings({}).state_dir == Path("/home/somebody/.local/state/mi-ldap")
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert load_settings({}).state_dir == Path("/srv/state/mi-ldap")


@pytest.mark.usefixtures("installed")
def test_a_named_state_folder_wins() -> None:
    assert load_settings({"MI_LDAP_STATE_DIR": "/srv/own"}).state_dir == Path("/srv/own")
