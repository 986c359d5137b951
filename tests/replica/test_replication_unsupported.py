"""Directories that do not report every change answer all reads, and the reason is reported.

What they leave out is in `tests/hosts/test_unreported_changes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mi_ldap.directory.layout import profiles
from mi_ldap.model import ReadSource
from tests.checks.directories import tool_of
from tests.directory.stores import Stores
from tests.hosts.ds389 import Ds389
from tests.hosts.fixtures import ds389, samba  # noqa: F401
from tests.hosts.process import DirectoryHost
from tests.kinds import ACTIVE_DIRECTORY, DS389, Kind
from tests.subtree import host_like, subtree_in

KINDS = {"ds389": (DS389, profiles.DS389), "samba": (ACTIVE_DIRECTORY, profiles.ACTIVE_DIRECTORY)}


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    kind, _ = KINDS[request.param]
    yield from stores_of(request.getfixturevalue(request.param), kind, tmp_path)


@pytest.fixture
def stores_of_389(ds389: Ds389, tmp_path: Path) -> Iterator[Stores]:  # noqa: F811
    yield from stores_of(ds389, DS389, tmp_path)


def stores_of(host: DirectoryHost, kind: Kind, folder: Path) -> Iterator[Stores]:
    with (
        tool_of(host) as tool,
        subtree_in(host_like(host, kind), tool) as place,
        closing(Stores(place, folder)) as made,
    ):
        yield made


def test_reason_is_reported_and_logged(stores: Stores) -> None:
    store = stores.open()
    with capture_logs() as logged:
        assert store.view() is store
    why = store.layout().profile.sync_unsupported_reason
    assert store.read_source() == ReadSource("directory", why)
    assert [line["reason"] for line in logged if line["event"] == "replica_off"] == [why]


def test_each_profile_has_its_own_reason(stores: Stores, request: pytest.FixtureRequest) -> None:
    _, profile = KINDS[request.node.callspec.params["stores"]]
    said = stores.open().read_source().why
    assert said == profile.sync_unsupported_reason
    assert profile.title in said
    assert "would enable it" in said


def test_index_limit_is_reported_first(stores: Stores) -> None:
    store = stores.open(USER_STORE__INDEX_LIMIT="0")
    assert store.read_source() == ReadSource("directory", "user_store.index_limit is 0")


def test_389_ds_configured_as_openldap_is_not_replicated(stores_of_389: Stores) -> None:
    store = stores_of_389.open(
        USER_STORE__PROFILE="openldap", USER_STORE__USER_ID_ATTRIBUTE="nsUniqueId"
    )
    assert store.view() is store
    assert store.read_source().why == profiles.DS389.sync_unsupported_reason


def test_unknown_kind_of_server_is_not_replicated(stores_of_389: Stores) -> None:
    store = stores_of_389.open(
        USER_STORE__PROFILE="other", USER_STORE__USER_ID_ATTRIBUTE="nsUniqueId"
    )
    assert store.view() is store
    assert 'if it is OpenLDAP, set user_store.profile = "openldap"' in store.read_source().why
