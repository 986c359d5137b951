"""Servers that DNS names in SRV records."""

from __future__ import annotations

import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.connection_pool import Account, Address, Connector
from mi_ldap.ldap.srv import Addresses, Record, in_order, look_up


@dataclass
class NameServer:
    """Answers with these records, each as `"10 0 389 a.example.org."`, by name."""

    records: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def __call__(self, listening: socket.socket) -> None:
        while True:
            packet, client = listening.recvfrom(4096)
            if not packet:
                return
            listening.sendto(self._answer(packet), client)

    def _answer(self, packet: bytes) -> bytes:
        query = dns.message.from_wire(packet)
        name = query.question[0].name.to_text()
        self.asked.append(name)
        answer = dns.message.make_response(query)
        if name in self.records:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *self.records[name]))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()

    @property
    def resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.port
        return resolver


@pytest.fixture
def names() -> Iterator[NameServer]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        server = NameServer(port=listening.getsockname()[1])
        thread = threading.Thread(target=server, args=(listening,), daemon=True)
        thread.start()
        yield server
        listening.sendto(b"", listening.getsockname())
        thread.join(5)


def addresses(names: NameServer, *urls: str) -> Addresses:
    return Addresses(urls, partial(look_up, resolver=names.resolver))


def test_the_lowest_priority_comes_first(names: NameServer) -> None:
    names.records["_ldaps._tcp.example.org."] = [
        "20 0 636 b.example.org.",
        "10 0 1636 A.Example.ORG.",
    ]
    found = addresses(names, "ldaps+srv://example.org")()
    assert found == ("ldaps://a.example.org:1636", "ldaps://b.example.org:636")


def test_srv_addresses_keep_their_place_among_the_urls(names: NameServer) -> None:
    names.records["_ldap._tcp.example.org."] = ["10 0 389 a.example.org."]
    urls = ("ldap://first", "ldap+srv://example.org", "ldap://a.example.org:389", "ldap://last")
    found = addresses(names, *urls)()
    assert found == ("ldap://first", "ldap://a.example.org:389", "ldap://last")


def test_a_target_in_another_domain_is_ignored(names: NameServer) -> None:
    names.records["_ldap._tcp.example.org."] = [
        "1 0 389 evil.example.com.",
        "2 0 389 notexample.org.",
        "3 0 389 good.example.org.",
        "4 0 389 example.org.",
    ]
    found = addresses(names, "ldap+srv://example.org")()
    assert found == ("ldap://good.example.org:389", "ldap://example.org:389")


@pytest.mark.parametrize("records", [["1 0 389 evil.example.com."], ["0 0 0 ."]])
def test_only_targets_in_other_domains_are_an_outage(names: NameServer, records: list[str]) -> None:
    names.records["_ldap._tcp.example.org."] = records
    with pytest.raises(DirectoryUnavailable, match="outside of the domain"):
        addresses(names, "ldap+srv://example.org")()


def test_no_records_are_an_outage_unless_there_are_other_addresses(names: NameServer) -> None:
    with pytest.raises(DirectoryUnavailable, match="SRV records"):
        addresses(names, "ldap+srv://example.org")()
    assert addresses(names, "ldap+srv://example.org", "ldap://a")() == ("ldap://a",)
    assert names.asked == ["_ldap._tcp.example.org."] * 2


def test_a_silent_name_server_times_out() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        names = NameServer(port=silent.getsockname()[1])
        with deadline(0.3), pytest.raises(DirectoryUnavailable, match="SRV records"):
            addresses(names, "ldap+srv://example.org")()


def test_a_process_keeps_the_order_of_the_same_records(names: NameServer) -> None:
    hosts = [f"10 {weight} 389 h{weight}.example.org." for weight in range(1, 9)]
    names.records["_ldap._tcp.example.org."] = hosts
    ask = addresses(names, "ldap+srv://example.org")
    first = ask()
    hosts.reverse()
    assert {ask() for _ in range(5)} == {first}


def test_heavier_records_come_first_more_often() -> None:
    records = [Record(1, 0, 389, "no"), Record(1, 10, 389, "light"), Record(1, 90, 389, "heavy")]
    drawn = Counter(in_order(records, random.Random(seed))[0].target for seed in range(1000))
    assert 800 < drawn["heavy"] < 980
    assert 20 < drawn["light"] < 200
    assert drawn["no"] < 20


def test_the_order_contains_every_record() -> None:
    records = [Record(priority, 0, 389, f"{priority}") for priority in (3, 1, 2, 1)]
    ordered = in_order(records, random.Random(1))
    assert [record.priority for record in ordered] == [1, 1, 2, 3]
    assert in_order([], random.Random(1)) == []


def test_a_directory_is_found_by_its_domain(embedded: EmbeddedDirectory, names: NameServer) -> None:
    """Here the domain is `localhost`, whose servers are itself, once where nobody listens."""
    port = embedded.port
    names.records["_ldap._tcp.localhost."] = [f"5 0 {port} localhost.", "1 0 1 localhost."]
    connector = Connector(
        Address(("ldap+srv://localhost",)),
        Account(embedded.service_dn, embedded.read_service_password()),
        lambda operation: None,
        partial(look_up, resolver=names.resolver),
    )
    session = connector.bound()
    assert session.server == f"ldap://localhost:{port}"
    assert session.read(embedded.user_base, "(objectClass=*)", ["ou"]) is not None
    session.close()
    connector.close()
