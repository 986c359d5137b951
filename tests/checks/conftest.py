"""Fixtures for the tests of the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from mi_ldap.serving import database_tables, doctor_command, logs
from mi_ldap.serving.commands import main
from tests.checks.directories import fill
from tests.checks.doctor_runs import Command
from tests.checks.hybrid import fill as fill_read_only
from tests.directory.readers import readable_place
from tests.hosts.openldap import OpenLdap
from tests.sql.conftest import bare, place
from tests.sql.fixtures import mariadb, postgresql
from tests.subtree import Subtree

__all__ = ["bare", "mariadb", "place", "postgresql"]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """A healthy OpenLDAP, for tests that change nothing in it."""
    with OpenLdap(tmp_path_factory.mktemp("healthy")) as made:
        fill(made)
        yield made


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[OpenLdap]:
    """A healthy one, to be mistreated."""
    with OpenLdap(tmp_path / "openldap") as made:
        fill(made)
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of the service that is examined."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """`mi-ldap` in this process, whose logs stay as they are."""
    for module in (logs, doctor_command, database_tables):
        monkeypatch.setattr(module, "configure_logging", lambda level: None)

    def run(variables: dict[str, str], *words: str, answer: str = "") -> Result:
        with capture_logs():
            return CliRunner().invoke(main, words, answer, dict(variables))

    return run


@pytest.fixture(scope="module")
def read_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subtree]:
    """An OpenLDAP in which the service's account may only read."""
    with readable_place("openldap", tmp_path_factory.mktemp("host"), fill_read_only) as found:
        yield found
