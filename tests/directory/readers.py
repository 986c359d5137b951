"""Directories of each kind in which the service's account may only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from tests.hosts.ds389 import Ds389
from tests.hosts.openldap import OpenLdap
from tests.hosts.process import DirectoryHost
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, Kind
from tests.subtree import Subtree, Tool, host_like, subtree_in

READER_PASSWORD = "reader-Passw0rd"
HOSTS: dict[str, tuple[Kind, Callable[[Path], DirectoryHost]]] = {
    "openldap": (OPENLDAP, OpenLdap),
    "389ds": (DS389, Ds389),
    "active-directory": (ACTIVE_DIRECTORY, Samba),
}


def leave_openldap_nothing_but_reading(place: Subtree) -> tuple[str, str]:
    """`read` for each `write`, and no line for it in the rules of passwords."""
    database = "olcDatabase={1}mdb,cn=config"
    account_dn, password = place.host.account
    rules = place.tool.read(database, "olcAccess")["olcAccess"]
    line = f'by dn.exact="{account_dn}"'
    rules = [rule.replace(f"{line} write", f"{line} read") for rule in rules]
    place.tool.replace(
        database, olcAccess=[rule.replace(f"{line} =w", f"{line} none") for rule in rules]
    )
    return account_dn, password


def leave_389_nothing_but_reading(place: Subtree) -> tuple[str, str]:
    """None of the rules that allow to add, delete or write."""
    for folder in ("people", "groups"):
        dn = f"ou={folder},{place.host.base}"
        rules = place.tool.read(dn, "aci")["aci"]
        kept = [rule for rule in rules if "deny (all)" in rule or "allow (read" in rule]
        assert len(kept) == 2, rules
        place.tool.replace(dn, aci=kept)
    return place.host.account


def make_an_ordinary_account(place: Subtree) -> tuple[str, str]:
    """In Active Directory every account reads."""
    given = place.kind.person_of("reader", READER_PASSWORD)
    dn = place.tool.add(f"CN=reader,OU=services,{place.host.base}", ["user"], **given)
    return dn, READER_PASSWORD


READERS = {
    OPENLDAP.name: leave_openldap_nothing_but_reading,
    DS389.name: leave_389_nothing_but_reading,
    ACTIVE_DIRECTORY.name: make_an_ordinary_account,
}


@contextmanager
def readable_place(name: str, folder: Path, fill: Callable[[Subtree], object]) -> Iterator[Subtree]:
    """Yield a place that `fill` has filled, and where the service's account then only reads.

    Args:
        name: of one of `HOSTS`.
        folder: for the directory.
        fill: is called while the account may write.
    """
    kind, make = HOSTS[name]
    with make(folder / "of-readers") as directory:
        host = host_like(directory, kind)
        with (
            closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
            subtree_in(host, tool) as made,
        ):
            fill(made)
            account = READERS[kind.name](made)
            yield replace(made, host=replace(host, account=account))
