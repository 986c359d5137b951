"""Which connection goes first, and that no limit is exceeded."""

from __future__ import annotations

import ipaddress
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ldap.addresses import parse_network
from mi_ldap.serving.connection_table import ConnectionTable, Entry, Limits, Phase

A, B, C = "192.0.2.1", "192.0.2.2", "2001:db8:0:1::1"
PROXY = ipaddress.ip_network("198.51.100.0/24")


class Connections:
    """A table, and the names of those that it has dropped, in this order."""

    def __init__(self, limits: Limits) -> None:
        self.table = ConnectionTable(limits)
        self.dropped: list[str] = []
        self.entries: dict[str, Entry] = {}

    def open(self, name: str, address: str, *phases: Phase) -> bool:
        """Take a connection, as the worker does; whether it was taken."""
        if not self.table.make_room(address):
            return False
        entry = self.table.add(address, lambda: self.dropped.append(name))
        self.entries[name] = entry
        for phase in phases:
            self.table.enter(entry, phase)
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


def test_who_never_sent_a_request_goes_first_then_who_does_not_read(now: list[float]) -> None:
    connections = Connections(Limits(connections=4))
    connections.open("kept", A, Phase.WAITING)
    connections.open("unread", B, Phase.SENDING)
    connections.open("served", B, Phase.SERVED)
    connections.open("new", C)
    now[0] += 2
    for name in "123456":
        connections.open(name, "192.0.2.9", Phase.SERVED)
    assert connections.dropped == ["new", "unread", "kept"]


def test_who_takes_a_response_goes_last(now: list[float]) -> None:
    connections = Connections(Limits(connections=2))
    connections.open("taking", A, Phase.SENDING)
    connections.open("kept", A, Phase.WAITING)
    assert connections.open("1", A, Phase.SERVED)
    assert connections.open("2", A, Phase.SERVED)
    assert connections.dropped == ["kept", "taking"]
    assert not connections.open("3", A)  # those that are served are never closed


def test_the_address_with_the_most_goes_first_and_its_oldest(now: list[float]) -> None:
    connections = Connections(Limits(connections=5))
    for name, address in (("b1", B), ("a1", A), ("a2", A), ("a3", A), ("c1", C)):
        connections.open(name, address, Phase.WAITING)
    connections.open("x", "192.0.2.9", Phase.WAITING)
    connections.open("y", "192.0.2.8", Phase.WAITING)
    assert connections.dropped[:2] == ["a1", "a2"]


def test_one_address_makes_room_for_itself() -> None:
    connections = Connections(Limits(connections=100, per_address=2))
    connections.open("b", B)
    for name in ("a1", "a2", "a3"):
        connections.open(name, A)
    assert connections.dropped == ["a1"]
    assert connections.open("served", A, Phase.SERVED)
    assert connections.open("served too", A, Phase.SERVED)
    assert connections.dropped == ["a1", "a2", "a3"]
    assert not connections.open("a4", A)
    assert connections.open("b2", B)


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_ipv6_counts_by_its_64(first: str, second: str, is_one: bool) -> None:
    connections = Connections(Limits(per_address=1))
    connections.open("first", first)
    connections.open("second", second)
    assert (connections.dropped == ["first"]) is is_one


def test_a_trusted_proxy_is_many_clients(now: list[float]) -> None:
    connections = Connections(Limits(connections=8, per_address=2, trusted_proxies=(PROXY,)))
    for number in range(5):
        connections.open(f"p{number}", "198.51.100.7", Phase.WAITING)
    for number in range(3):
        connections.open(f"a{number}", A, Phase.WAITING)
    assert connections.dropped == ["a0"]  # its own limit
    for number in range(2):
        connections.open(f"b{number}", B, Phase.WAITING)
    assert connections.dropped == ["a0", "a1"]


def test_networks_written_as_ipv6_are_those_of_ipv4() -> None:
    assert parse_network("::ffff:198.51.100.0/120") == PROXY


def test_those_without_a_request_leave_room_for_others() -> None:
    connections = Connections(Limits(connections=8))
    for number in range(20):
        connections.open(f"n{number}", f"192.0.2.{number}")
    assert len(connections.table) == 6
    assert connections.dropped == [f"n{number}" for number in range(14)]


def test_the_heaviest_address_makes_room_for_bytes(now: list[float]) -> None:
    connections = Connections(Limits(held_bytes=100))
    for name, address, size in (("a1", A, 30), ("a2", A, 35), ("b", B, 35)):
        connections.open(name, address, Phase.SENDING)
        connections.table.hold(connections.entries[name], size)
    connections.open("c", C, Phase.SENDING)
    connections.table.hold(connections.entries["c"], 10)
    assert connections.dropped == ["a2"]
    assert connections.table.held == 75


def test_who_does_not_read_makes_room_for_who_does(now: list[float]) -> None:
    connections = Connections(Limits(held_bytes=100))
    connections.open("unread", A, Phase.SENDING)
    connections.table.hold(connections.entries["unread"], 20)
    now[0] += 2
    connections.open("list", B, Phase.SENDING)
    connections.table.hold(connections.entries["list"], 90)
    assert connections.dropped == ["unread"]


def test_one_response_may_be_larger_than_the_limit() -> None:
    connections = Connections(Limits(held_bytes=100))
    connections.open("list", A, Phase.SENDING)
    connections.table.hold(connections.entries["list"], 1000)
    assert connections.dropped == []


ADDRESSES = st.sampled_from([A, B, C, "198.51.100.7", "192.0.2.5"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["open", "enter", "hold", "release", "close"]), ADDRESSES).flatmap(
        lambda step: st.tuples(st.just(step), st.integers(0, 40), st.sampled_from(Phase))
    ),
    max_size=80,
)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_no_limit_is_exceeded_and_nobody_served_is_dropped(
    steps: list[tuple[tuple[str, str], int, Phase]],
) -> None:
    limits = Limits(connections=8, per_address=3, held_bytes=100, trusted_proxies=(PROXY,))
    table, entries = ConnectionTable(limits), []  # type: ignore[var-annotated]

    def served() -> list[Entry]:
        return table.entries(Phase.SERVED)

    for (act, address), number, phase in steps:
        entry = entries[number % len(entries)] if entries else None
        before = served()
        if act == "open" and table.make_room(address):
            entries.append(table.add(address, lambda: None))
        elif entry and act == "enter":
            table.enter(entry, phase)
            before = served()
        elif entry and act == "hold":
            table.hold(entry, number)
        elif entry and act == "release":
            table.release(entry, number)
        elif entry and act == "close":
            table.remove(entry)
            before = [each for each in before if each is not entry]
        assert set(before) <= set(served())
        present = table.entries(*Phase)
        assert len(table) == len(present) <= limits.connections
        assert table.held == sum(each.held for each in present)
        for owner in {each.owner for each in present}:
            assert sum(each.owner == owner for each in present) <= limits.per_address
        if table.held > limits.held_bytes:
            loose = [each for each in present if each.held and each.phase is not Phase.SERVED]
            assert not loose or sum(bool(each.held) for each in present) == 1


@pytest.mark.usefixtures("settled_heap", "untraced")
def test_room_is_made_in_constant_time() -> None:
    """A flood from many addresses: each connection costs the same, however many there are."""

    def seconds(connections: int) -> float:
        table = ConnectionTable(Limits(connections=connections))
        began = time.process_time()
        for number in range(20_000):
            address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            assert table.make_room(address)
            table.add(address, lambda: None)
        return time.process_time() - began

    assert seconds(8_000) < 4 * seconds(500) + 0.1
