"""Broken and hostile servers cause outages, within bounds of time and memory."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ldap.deadline import deadline
from mi_ldap.directory.probes import search_raw
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import ber, content_sync, messages, requests, search
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.controls import PAGED_RESULTS, SYNC_STATE
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.ldap3_internals import connection_over
from mi_ldap.ldap.message_reader import LONGEST_MESSAGE
from mi_ldap.ldap.operations import Add, Delete, Modification, Modify
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.ldap.search import SearchRequest
from mi_ldap.ldap.search_stream import stream_search
from tests.ldap.answers import (
    DONE,
    EXTENDED,
    POLICY_SAYS,
    PPOLICY,
    answer,
    entry,
    mutated,
    mutations,
)
from tests.ldap.connectors import connector
from tests.ldap.hostile_server import ScriptedSocket, server

BIND, SEARCH, MODIFY, ADD, DELETE, EXTENDED_REQUEST = 0x60, 0x63, 0x66, 0x68, 0x4A, 0x77
_ANSWER_TAG = {BIND: 0x61, MODIFY: 0x67, ADD: 0x69, DELETE: 0x6B, EXTENDED_REQUEST: EXTENDED}
_ANYTHING = requests.condition("(objectClass=*)")

Act = Callable[[LdapConnection], object]


def poll(session: LdapConnection) -> object:
    nobody = content_sync.IgnoreChanges()
    searches = [content_sync.SyncSearch("dc=x", _ANYTHING, ["uid"], nobody) for _ in range(2)]
    return content_sync.Poller(searches).poll(session)


ACTS: dict[str, Act] = {
    "bind": lambda session: session.bind("uid=a,dc=x", "password"),
    "search": lambda session: session.search("dc=x", "(uid=a)", ["uid"]),
    "read": lambda session: session.read("uid=a,dc=x", "(uid=a)", ["uid"]),
    "look": lambda session: search_raw(session, "uid=a,dc=x"),
    "stream": lambda session: [*stream_search(session, SearchRequest("dc=x", _ANYTHING, ["uid"]))],
    "together": lambda session: session.find_all(
        [SearchRequest("dc=x", "(uid=a)", ["uid"]), SearchRequest("dc=x", _ANYTHING, ["cn"])]
    ),
    "poll": poll,
    "add": lambda session: session.do(Add("uid=a,dc=x", ("person",), {"cn": ["a"]})),
    "modify": lambda session: session.do(Modify("dc=x", (Modification("add", "cn", ("a",)),))),
    "delete": lambda session: session.do(Delete("uid=a,dc=x")),
    "password": lambda session: session.set_password("uid=a,dc=x", "new", "old"),
}


def good_answer(number: int, tag: int) -> bytes:
    """What a server in good faith answers to each of them."""
    policy = messages.control(PPOLICY, POLICY_SAYS)
    if tag == SEARCH:
        return entry_of("poll", number, "uid=a,dc=x") + answer(number, tag=DONE)
    if tag in _ANSWER_TAG:
        return answer(number, tag=_ANSWER_TAG[tag], controls=policy)
    return b""


def session_over(answer_to: Callable[[int, int], bytes], piece: int = 65536) -> LdapConnection:
    plain = cast(socket.socket, ScriptedSocket(answer_to, piece))
    return LdapConnection(connection_over(DeadlineSocket(plain, time.monotonic() + 5)))


@pytest.mark.parametrize("act", ACTS)
def test_valid_responses_are_accepted(act: str) -> None:
    made = session_over(good_answer, 7)
    ACTS[act](made)
    assert made.usable


@settings(max_examples=400)
@given(st.sampled_from([*ACTS]), mutations, st.integers(1, 100))
def test_a_mutated_response_is_a_result_or_an_outage(
    act: str, changes: list[tuple[str, int, int]], piece: int
) -> None:
    made = session_over(lambda number, tag: mutated(good_answer(number, tag), changes), piece)
    try:
        ACTS[act](made)
    except DirectoryUnavailable:
        assert not made.usable
    except LdapError:
        pass


@given(st.sampled_from([*ACTS]), st.binary(max_size=60))
def test_random_bytes_are_an_outage(act: str, rubbish: bytes) -> None:
    made = session_over(lambda _number, _tag: rubbish)
    with pytest.raises(DirectoryUnavailable):
        ACTS[act](made)
    assert not made.usable


NOT_IN_GOOD_FAITH: dict[str, Callable[[int, int], bytes]] = {
    "another id": lambda number, tag: good_answer(number + 1, tag),
    "unasked": lambda number, tag: good_answer(0, tag),
    "twice": lambda number, tag: good_answer(number, tag) * 2,
    "for a bind": lambda number, _tag: answer(number, tag=0x61),
    "for a search": lambda number, _tag: answer(number, tag=DONE),
}


@pytest.mark.parametrize("what", NOT_IN_GOOD_FAITH)
@pytest.mark.parametrize("act", ACTS)
def test_a_response_without_a_request_ends_the_connection(what: str, act: str) -> None:
    if (what, act) == ("for a bind", "bind") or (what == "for a search" and is_search(act)):
        return
    made = session_over(NOT_IN_GOOD_FAITH[what])

    def do_twice() -> None:
        """The second answer to the first must not be taken for the answer to the second."""
        ACTS[act](made)
        ACTS[act](made)

    with pytest.raises(DirectoryUnavailable):
        do_twice()
    assert not made.usable


def is_search(act: str) -> bool:
    return act in ("search", "read", "look", "stream", "together", "poll")


@pytest.mark.parametrize("act", ["search", "read", "look", "stream", "together", "poll"])
@pytest.mark.parametrize("dn", ["uid=a,dc=y", "dc=y", "", "uid=b,dc=x,dc=y"])
def test_an_entry_outside_the_base_ends_the_connection(act: str, dn: str) -> None:
    made = session_over(lambda number, _tag: entry_of(act, number, dn) + answer(number, tag=DONE))
    with pytest.raises(DirectoryUnavailable):
        ACTS[act](made)
    assert not made.usable


def entry_of(act: str, number: int, dn: str) -> bytes:
    found = entry(number, dn, uid="a")
    if act != "poll":
        return found
    state = ber.element(ber.ENUMERATED, b"\x01"), ber.element(ber.OCTET_STRING, b"u" * 16)
    value = ber.element(ber.SEQUENCE, *state)
    control = ber.element(0xA0, SYNC_STATE.with_value(value).encode())
    return ber.element(ber.SEQUENCE, found[ber.head(found)[1] :], control)


@pytest.mark.parametrize(
    ("base", "dn"),
    [
        ("uid=a,dc=x", "UID=A, DC=X"),
        ("uid=a,dc=x", "userid=a,domainComponent=x"),
        ("cn=a+uid=b,dc=x", "uid=b+cn=a,dc=x"),
        (r"cn=Doe\, John,dc=x", r"cn=Doe\2C John,dc=x"),
        ("cn=a,dc=x", "cn=#040161,dc=x"),
        ("<GUID=00000000-0000-0000-0000-000000000000>", "cn=whoever,dc=x"),
    ],
)
def test_other_spellings_of_the_dn_are_accepted(base: str, dn: str) -> None:
    made = session_over(lambda number, _tag: entry(number, dn) + answer(number, tag=DONE))
    found = made.read(base, "(objectClass=*)", ["1.1"])
    assert found is not None
    assert found.dn == dn


def drip(number: int, tag: int) -> Iterator[bytes | float]:
    for byte in good_answer(number, tag) * 50:
        yield bytes((byte,))
        yield 0.02


def flood_of_entries(number: int, _tag: int) -> Iterator[bytes | float]:
    some = entry(number, "uid=a,dc=x", uid="a" * 1000) * 100
    for _ in count():
        yield some


def flood_of_references(number: int, _tag: int) -> Iterator[bytes | float]:
    url = ber.element(ber.OCTET_STRING, b"ldap://127.0.0.1:1/dc=x")
    some = messages.message(number, ber.element(0x73, url)) * 1000
    for _ in count():
        yield some


def endless_pages(number: int, _tag: int) -> Iterator[bytes | float]:
    value = ber.element(
        ber.SEQUENCE,
        ber.element(ber.INTEGER, b"\x00"),
        ber.element(ber.OCTET_STRING, b"more"),
    )
    yield answer(number, tag=DONE, controls=PAGED_RESULTS.with_value(value).encode())


def huge(number: int, _tag: int) -> Iterator[bytes | float]:
    yield b"\x30\x84\x03\xff\xff\xff\x02\x04" + number.to_bytes(4, "big")
    for _ in count():
        yield b"a" * 65536


def never_whole(_number: int, _tag: int) -> Iterator[bytes | float]:
    yield b"\x30\x84\x03\xff\xff\xff"
    yield 1.5


def memory_peak() -> int:
    """The most memory that this process had since the last call, in bytes (proc(5))."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024


HOSTILE = {
    each.__name__: each
    for each in (drip, flood_of_entries, flood_of_references, endless_pages, huge, never_whole)
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_server_is_bounded_in_time_and_memory(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_RESPONSE_BYTES", 4 * 1024 * 1024)
    with server(HOSTILE[how]) as url:
        made = connector(url).anonymous()
        before = memory_peak()
        began_s = time.monotonic()
        with deadline(1), pytest.raises(DirectoryUnavailable):
            made.search("dc=x", "(objectClass=*)", ["uid"])
        took_s, most = time.monotonic() - began_s, memory_peak() - before
        made.close()
    assert took_s < 4  # of which one second is the request's own
    assert most < 4 * LONGEST_MESSAGE, "the message, a copy to look at, and what a buffer spares"
    assert not made.usable
