"""One directory of each kind for all tests of this process; each test makes entries of its own.

from tests.hosts.fixtures import ds389, openldap, samba  # noqa: F401
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hosts.ds389 import Ds389
from tests.hosts.openldap import OpenLdap
from tests.hosts.samba import Samba


@pytest.fixture(scope="session")
def ds389(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ds389]:
    with Ds389(tmp_path_factory.mktemp("ds389")) as directory:
        yield directory


@pytest.fixture(scope="session")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    with Samba(tmp_path_factory.mktemp("samba")) as directory:
        yield directory


@pytest.fixture(scope="session")
def openldap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    with OpenLdap(tmp_path_factory.mktemp("openldap")) as directory:
        yield directory
