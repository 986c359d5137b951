"""The undocumented parts of ldap3 that this project uses are there and work as expected."""

from __future__ import annotations

import ast
import inspect
import re
import socket
import time
from importlib.metadata import version
from pathlib import Path
from typing import cast

import pytest
from ldap3 import ANONYMOUS, NONE, SYNC, Connection, Server
from ldap3.core.exceptions import LDAPInvalidFilterError
from ldap3.operation.search import search_operation
from ldap3.strategy.base import BaseStrategy
from ldap3.strategy.sync import SyncStrategy
from ldap3.utils import asn1
from pyasn1.codec.ber import encoder

import mi_ldap
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.ldap import ber, ldap3_internals, messages
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.operations import AssertOnly
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from tests.ldap.answers import EXTENDED
from tests.ldap.connectors import connector
from tests.ldap.hostile_server import ScriptedSocket

PACKAGE = Path(mi_ldap.__file__).parent
UNDOCUMENTED = re.compile(r"\._outstanding|EXTENDED_RESPONSE_CONTEXT|ldap3\.(operation|strategy)")


def test_the_installed_version_is_supported() -> None:
    assert version("ldap3") == ldap3_internals.VERSION
    pinned = (PACKAGE.parent / "pyproject.toml").read_text()
    assert f"ldap3=={ldap3_internals.VERSION}" in pinned


def test_only_one_module_uses_undocumented_parts() -> None:
    users = {
        path.name for path in PACKAGE.rglob("*.py") if UNDOCUMENTED.search(path.read_text("utf-8"))
    }
    assert users == {"ldap3_internals.py"}


def test_our_connection_has_the_state_of_one_that_ldap3_opened(
    embedded: EmbeddedDirectory,
) -> None:
    theirs = Connection(
        Server(embedded.urls[1], get_info=NONE), authentication=ANONYMOUS, client_strategy=SYNC
    )
    theirs.open(read_server_info=False)
    ours = ldap3_internals.connection_over(DeadlineSocket(socket.socket(), 0))
    for name in ("closed", "listening", "bound", "_deferred_open", "tls_started"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.strategy._outstanding == theirs.strategy._outstanding == {}
    ours.socket.close()
    theirs.unbind()


def test_starttls_sets_the_same_attributes_as_ldap3() -> None:
    """`Tls._start_tls` sets nothing else on the connection than its socket and this."""
    ours = ldap3_internals.connection_over(DeadlineSocket(socket.socket(), 0))
    plain, other = ours.socket, DeadlineSocket(socket.socket(), 0)
    ldap3_internals.use_tls_socket(ours, other)
    assert ours.socket is other
    assert ours.tls_started
    assert "tls_started" in inspect.getsource(Connection.start_tls)
    plain.close()
    other.close()


def test_ldap3_sets_the_same_attributes_when_it_opens_a_connection() -> None:
    """What `open` does with its own state; if this changes, `connection_over` must follow."""
    listening = inspect.getsource(SyncStrategy._start_listen)  # type: ignore[attr-defined]
    opening = inspect.getsource(BaseStrategy.open) + listening
    assigned = set(re.findall(r"self\.(?:connection\.)?(\w+) = ", opening))
    assert {"_outstanding", "closed", "listening"} <= assigned
    # The others choose a server, or are False from the beginning.
    assert assigned <= {"_outstanding", "closed", "listening", "_deferred_open", "server"}


def test_a_referral_to_a_password_change_is_a_result_code() -> None:
    """Without the entry in ldap3's table, decoding raises KeyError."""
    assert asn1.EXTENDED_RESPONSE_CONTEXT[ldap3_internals.REFERRAL_TAG] is asn1.decode_sequence

    def refer(number: int, _tag: int) -> bytes:
        url = ber.element(ber.OCTET_STRING, b"ldap://other.example.org")
        parts = (
            ber.element(ber.ENUMERATED, bytes((ResultCode.REFERRAL,))),
            ber.element(ber.OCTET_STRING),
            ber.element(ber.OCTET_STRING),
            ber.element(0xA3, url),
        )
        return messages.message(number, ber.element(EXTENDED, *parts))

    plain = DeadlineSocket(cast(socket.socket, ScriptedSocket(refer)), time.monotonic() + 5)
    session = LdapConnection(ldap3_internals.connection_over(plain))
    with pytest.raises(LdapError) as caught:
        session.set_password("uid=a,dc=x", "new")
    assert caught.value.code == ResultCode.REFERRAL


@pytest.mark.parametrize("ldap_filter", ["(uid=a)", "(&(a=*)(!(b>=1))(|(c=x*y)(d~=z)))"])
def test_a_filter_is_encoded_as_in_a_search_of_ldap3(ldap_filter: str) -> None:
    theirs = search_operation(
        "", ldap_filter, "BASE", "NEVER", ["1.1"], 0, 0, False, None, None, None, None
    )
    assert ldap3_internals.encode_filter(ldap_filter) == encoder.encode(theirs["filter"])


@pytest.mark.parametrize("ldap_filter", ["uid=a)", "(uid=a", "((uid=a))"])
def test_a_malformed_filter_is_an_error(ldap_filter: str) -> None:
    with pytest.raises(LDAPInvalidFilterError):
        ldap3_internals.encode_filter(ldap_filter)


def test_searches_and_binds_do_not_go_through_ldap3(
    embedded: EmbeddedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("ldap3 sent a search or a bind")

    for name in ("search", "bind", "rebind", "compare"):
        monkeypatch.setattr(Connection, name, fail)
    account = embedded.service_dn, embedded.read_service_password()
    session = connector(embedded.url, account=account).bound()
    assert session.read("", "(objectClass=*)", ["1.1"]) is not None
    assert session.search("dc=mi", "(ou=*)", ["ou"]).entries
    assert session.first("dc=mi", "(ou=*)", ["ou"]) is not None
    session.bind(*account)
    session.do(AssertOnly("dc=mi"))
    session.close()


def test_no_module_calls_a_search_or_bind_of_ldap3() -> None:
    """In the package that imports ldap3, its connections are called `ldap3_connection`."""
    calls = [
        f"{path.name}:{node.lineno}"
        for path in (PACKAGE / "ldap").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("search", "bind", "rebind", "compare")
        and ast.unparse(node.func.value).endswith("ldap3_connection")
    ]
    assert not calls
