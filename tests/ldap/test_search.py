"""Several searches that are sent together, in one round trip."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import ber, connection, search
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.ldap3_internals import connection_over
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import SearchRequest
from tests.faults.slow_relay import slow_relay
from tests.ldap.answers import DONE, answer, entry, mutated, mutations
from tests.ldap.connectors import connector
from tests.ldap.hostile_server import IncomingBytes, server

Answer = Callable[[list[int]], bytes]


class BatchSocket(IncomingBytes):
    """Answers all requests that were sent together at once; counts how often data was sent."""

    def __init__(self, answer_to: Answer, piece: int = 65536) -> None:
        super().__init__(piece)
        self._answer_to = answer_to
        self.batches: list[list[int]] = []
        self.observed: list[str] = []

    def send(self, data: Any) -> int:
        sent = bytes(data)
        ids = []
        for _, start, end in ber.elements(sent):
            (_, id_start, id_end), *_ = ber.elements(sent, start, end)
            ids.append(int.from_bytes(sent[id_start:id_end], "big"))
        self.batches.append(ids)
        self._coming += self._answer_to(ids)
        return len(sent)

    def session(self) -> LdapConnection:
        plain = DeadlineSocket(cast(socket.socket, self), time.monotonic() + 5)
        return LdapConnection(connection_over(plain), self.observed.append)


def searches_for(count: int) -> list[SearchRequest]:
    return [SearchRequest(f"ou=o{at},dc=x", f"(uid=u{at})", ["uid"]) for at in range(count)]


def responses_to(ids: list[int], entries: list[int], codes: list[int]) -> list[list[bytes]]:
    """The messages for each search: so many entries below its own base, then the result."""
    return [
        [
            *(entry(number, f"uid=e{each},ou=o{at},dc=x", uid=f"e{each}") for each in range(most)),
            answer(number, code, tag=DONE),
        ]
        for at, (number, most, code) in enumerate(zip(ids, entries, codes, strict=True))
    ]


def in_order(ids: list[int], entries: list[int], codes: list[int]) -> bytes:
    return b"".join(map(b"".join, responses_to(ids, entries, codes)))


def interleaved(responses: list[list[bytes]], chance: random.Random) -> bytes:
    """All messages in any order that keeps the order within each response."""
    left = [list(each) for each in responses]
    sent = []
    while any(left):
        sent.append(chance.choice([each for each in left if each]).pop(0))
    return b"".join(sent)


found = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([0, 0, 0, 4, 11, 32, 50, 51])),
    min_size=1,
    max_size=16,
)


@given(found, st.randoms(use_true_random=False), st.integers(1, 300))
def test_interleaved_responses_belong_to_their_searches(
    expected: list[tuple[int, int]], chance: random.Random, piece: int
) -> None:
    entries, codes = zip(*expected, strict=True)
    wire = BatchSocket(
        lambda ids: interleaved(responses_to(ids, [*entries], [*codes]), chance), piece
    )
    session = wire.session()
    results = session.search_all(searches_for(len(expected)))
    assert [(len(each.entries), each.code) for each in results] == expected
    for at, result in enumerate(results):
        assert [each.dn for each in result.entries] == [
            f"uid=e{number},ou=o{at},dc=x" for number in range(len(result.entries))
        ]
    assert session.usable
    assert len(wire.batches) == 1
    assert wire.observed == ["search"] * len(expected)


@settings(max_examples=300)
@given(found, st.randoms(use_true_random=False), mutations, st.integers(1, 300))
def test_changed_responses_are_results_or_an_outage(
    expected: list[tuple[int, int]],
    chance: random.Random,
    changes: list[tuple[str, int, int]],
    piece: int,
) -> None:
    entries, codes = zip(*expected, strict=True)
    wire = BatchSocket(
        lambda ids: mutated(interleaved(responses_to(ids, [*entries], [*codes]), chance), changes),
        piece,
    )
    session = wire.session()
    try:
        results = session.search_all(searches_for(len(expected)))
    except DirectoryUnavailable:
        assert not session.usable
    else:
        assert len(results) == len(expected)


@given(found, st.randoms(use_true_random=False), st.integers(0, 3000))
def test_a_connection_lost_in_the_middle_is_an_outage(
    expected: list[tuple[int, int]], chance: random.Random, cut: int
) -> None:
    entries, codes = zip(*expected, strict=True)
    wire = BatchSocket(
        lambda ids: interleaved(responses_to(ids, [*entries], [*codes]), chance)[:-1][:cut]
    )
    session = wire.session()
    with pytest.raises(DirectoryUnavailable):
        session.search_all(searches_for(len(expected)))
    assert not session.usable


BAD: dict[str, Answer] = {
    "an id that was not sent": lambda ids: answer(ids[-1] + 1, tag=DONE),
    "a result twice": lambda ids: answer(ids[0], tag=DONE) * 2,
    "an entry after the result": lambda ids: (
        answer(ids[0], tag=DONE) + entry(ids[0], "uid=a,ou=o0,dc=x")
    ),
    "an entry of another search": lambda ids: entry(ids[0], "uid=a,ou=o1,dc=x"),
    "a bind's response": lambda ids: answer(ids[0]),
    "an unsolicited message": lambda _ids: answer(0, tag=0x78),
}


@pytest.mark.parametrize("what", BAD)
def test_a_response_that_answers_no_open_search_ends_the_connection(what: str) -> None:
    wire = BatchSocket(lambda ids: BAD[what](ids) + b"".join(answer(n, tag=DONE) for n in ids[1:]))
    session = wire.session()
    with pytest.raises(DirectoryUnavailable):
        session.search_all(searches_for(3))
    assert not session.usable


def test_no_search_sends_nothing() -> None:
    wire = BatchSocket(lambda _ids: b"")
    assert wire.session().search_all([]) == []
    assert wire.batches == []


@pytest.mark.parametrize("count", [16, 17, 40])
def test_many_searches_are_sent_in_bounded_batches(count: int) -> None:
    wire = BatchSocket(lambda ids: b"".join(answer(number, tag=DONE) for number in ids))
    assert len(wire.session().search_all(searches_for(count))) == count
    assert [len(batch) for batch in wire.batches] == [
        min(16, count - at) for at in range(0, count, 16)
    ]


def test_long_searches_are_sent_in_bounded_batches() -> None:
    wire = BatchSocket(lambda ids: b"".join(answer(number, tag=DONE) for number in ids))
    sizes = [40_000, 20_000, 20_000, 200_000, 10, 10]
    searches = [SearchRequest("dc=x", f"(uid={'a' * size})", ["uid"]) for size in sizes]
    assert len(wire.session().search_all(searches)) == len(sizes)
    assert [len(batch) for batch in wire.batches] == [2, 1, 1, 2]


def test_the_memory_for_all_responses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_RESPONSE_BYTES", 1000)
    wire = BatchSocket(
        lambda ids: interleaved(responses_to(ids, [10] * 4, [0] * 4), random.Random(1))
    )
    session = wire.session()
    with pytest.raises(DirectoryUnavailable):
        session.search_all(searches_for(4))
    assert not session.usable


def test_a_refused_search_does_not_affect_the_others() -> None:
    wire = BatchSocket(
        lambda ids: in_order(ids, [1, 0, 2], [0, ResultCode.INSUFFICIENT_ACCESS_RIGHTS, 0])
    )
    session = wire.session()
    assert [each.code for each in session.search_all(searches_for(3))] == [0, 50, 0]
    with pytest.raises(LdapError) as caught:
        session.find_all(searches_for(3))
    assert caught.value.code == ResultCode.INSUFFICIENT_ACCESS_RIGHTS
    assert session.usable
    assert len(wire.batches) == 2


@pytest.mark.parametrize("code", [32, 34])
def test_a_missing_base_is_empty_where_it_is_optional(code: int) -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [1, 0], [0, code]))
    session = wire.session()
    one = SearchRequest("ou=o0,dc=x", "(uid=a)", ["uid"])
    other = SearchRequest("ou=o1,dc=x", "(uid=a)", ["uid"], base_only=True, is_base_optional=True)
    first, second = session.find_all([one, other])
    assert (len(first.entries), second.entries, second.complete) == (1, [], True)


LIMITED = SearchRequest("ou=o0,dc=x", "(uid=a)", ["uid"], size_limit=2)


def test_a_search_returns_as_many_entries_as_its_size_limit() -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [2], [ResultCode.SIZE_LIMIT_EXCEEDED]))
    (result,) = wire.session().find_all([LIMITED])
    assert (len(result.entries), result.complete) == (2, False)


@pytest.mark.parametrize(
    ("entries", "code"), [(1, ResultCode.SIZE_LIMIT_EXCEEDED), (2, ResultCode.ADMIN_LIMIT_EXCEEDED)]
)
def test_a_search_with_a_size_limit_fails_at_another_limit(entries: int, code: int) -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [entries], [code]))
    with pytest.raises(LdapError):
        wire.session().find_all([LIMITED])


# What is kept of entries


def first_uid(entry: Entry) -> str | None:
    """The name, but nothing of those that end with 1."""
    name = entry.first("uid")
    return None if name is None or name.endswith("1") else name


def test_of_each_entry_is_kept_what_the_caller_needs() -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [3, 2], [0, 0]))
    first, second = wire.session().collect(searches_for(2), first_uid)
    assert (first.entries, second.entries) == (["e0", "e2"], ["e0"])
    assert len(wire.batches) == 1


def test_dropped_entries_count_for_limits() -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [2], [ResultCode.SIZE_LIMIT_EXCEEDED]))
    (result,) = wire.session().collect([LIMITED], first_uid)
    assert (result.entries, result.complete) == (["e0"], False)


def test_one_search_alone_is_read_in_pages_at_once() -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [3], [0]))
    (result,) = wire.session().collect(searches_for(1), first_uid)
    assert (result.entries, result.complete) == (["e0", "e2"], True)
    assert len(wire.batches) == 1


@pytest.mark.parametrize("code", [32, 34])
def test_a_missing_base_of_one_search_alone_is_empty_where_it_is_optional(code: int) -> None:
    wire = BatchSocket(lambda ids: in_order(ids, [0], [code]))
    (search,) = searches_for(1)
    (result,) = wire.session().find_all([search._replace(is_base_optional=True)])
    assert (result.entries, result.complete) == ([], True)
    with pytest.raises(LdapError):
        wire.session().find_all([search])


def test_an_error_of_the_caller_ends_the_connection() -> None:
    def fail(entry: Entry) -> str:
        raise RuntimeError(entry.dn)

    wire = BatchSocket(lambda ids: in_order(ids, [1], [0]))
    session = wire.session()
    with pytest.raises(DirectoryUnavailable):
        session.collect(searches_for(1), fail)
    assert not session.usable


# Deadlines


def slow_results(each_s: float) -> Callable[[int, int], Iterator[bytes | float]]:
    """A server that reads all requests of a batch, and takes that long for each of three."""

    def answers(number: int, _tag: int) -> Iterator[bytes | float]:
        for at in range(3):
            yield each_s
            yield answer(number + at, tag=DONE)

    return answers


def test_each_search_has_the_time_of_a_single_one() -> None:
    with server(slow_results(0.3)) as url:
        session = connector(url, response_timeout_s=0.5).anonymous()
        assert len(session.search_all(searches_for(3))) == 3
        session.close()


def test_all_searches_end_with_the_time_of_the_request() -> None:
    with server(slow_results(0.3)) as url:
        session = connector(url, response_timeout_s=5).anonymous()
        with deadline(0.5), pytest.raises(DirectoryUnavailable, match="in time"):
            session.search_all(searches_for(3))
        assert not session.usable
        session.close()


# A real server


@contextmanager
def bound(url: str, embedded: EmbeddedDirectory) -> Iterator[LdapConnection]:
    account = embedded.service_dn, embedded.read_service_password()
    session = connector(url, account=account).bound()
    yield session
    session.close()


def real_searches() -> list[SearchRequest]:
    return [
        SearchRequest("", "(objectClass=*)", ["namingContexts"], base_only=True),
        SearchRequest("ou=nowhere,dc=mi", "(objectClass=*)", ["1.1"]),
        SearchRequest("dc=mi", "(objectClass=organizationalUnit)", ["ou"]),
        SearchRequest("dc=mi", "(objectClass=*)", ["1.1"], size_limit=1),
    ]


def test_slapd_answers_together_as_one_by_one(embedded: EmbeddedDirectory) -> None:
    with bound(embedded.url, embedded) as session:
        for _ in range(50):
            together = session.search_all(real_searches())
            assert [each.code for each in together] == [
                0,
                ResultCode.NO_SUCH_OBJECT,
                0,
                ResultCode.SIZE_LIMIT_EXCEEDED,
            ]
            assert together == [session.search_once(each) for each in real_searches()]


def test_a_search_that_needs_pages_is_read_in_pages(
    embedded: EmbeddedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bound(embedded.url, embedded) as session:
        wanted = [SearchRequest("dc=mi", "(objectClass=*)", ["1.1"])] * 3
        expected = {each.dn for each in session.search("dc=mi", "(objectClass=*)", ["1.1"]).entries}
        assert len(expected) > 2
        monkeypatch.setattr(connection, "PAGE_SIZE", 2)
        for result in session.find_all(wanted):
            assert result.complete
            assert {each.dn for each in result.entries} == expected


def test_searches_together_take_one_round_trip(embedded: EmbeddedDirectory) -> None:
    each_way_s = 0.1
    with slow_relay(embedded.urls[1], each_way_s) as url, bound(url, embedded) as session:
        began_s = time.monotonic()
        together = session.search_all(real_searches() * 4)
        took_s = time.monotonic() - began_s
        assert len(together) == 16
        assert 2 * each_way_s < took_s < 4 * each_way_s, "less than two round trips"
