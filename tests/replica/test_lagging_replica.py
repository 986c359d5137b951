"""A consumer that forwards changes to its provider (overlay chain) and lags behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts.arranged import ArrangedOpenLdap
from tests.hosts.chained_replica import provider_of, replica_of
from tests.replica.arranged_apis import BASE, Apis, entry, folder, group, ldif, person
from tests.until import until

PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"

_CONTENT = ldif(
    [
        entry(BASE, "objectClass: organization", "objectClass: dcObject", "o: x", "dc: example"),
        folder("services"),
        entry(
            f"cn=mi-ldap,ou=services,{BASE}",
            "objectClass: organizationalRole",
            "objectClass: simpleSecurityObject",
            "cn: mi-ldap",
            "userPassword: service-pw",
            "authzTo: dn.regex:.*",
        ),
        folder("people"),
        person("alice", PEOPLE),
        folder("groups"),
        group("admin", GROUPS, f"uid=alice,{PEOPLE}"),
    ]
)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[ArrangedOpenLdap]:
    with ArrangedOpenLdap(tmp_path / "provider", provider_of(_CONTENT)) as made:
        yield made


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def machines_over_replica(
    provider: ArrangedOpenLdap, interval: str, tmp_path: Path, closing: ExitStack
) -> Apis:
    """Machines over a replica that follows every `interval`, `"dd:hh:mm:ss"`."""
    arrangement = replica_of(provider, f"type=refreshOnly interval={interval}")
    host = closing.enter_context(ArrangedOpenLdap(tmp_path / "replica", arrangement))
    until(lambda: host.takes(*host.service))
    machines = tmp_path / "machines"
    machines.mkdir()
    return Apis(host, machines, closing)


def test_creation_waits_until_the_consumer_has_the_user(
    provider: ArrangedOpenLdap, tmp_path: Path, closing: ExitStack
) -> None:
    api = machines_over_replica(provider, "00:00:00:01", tmp_path, closing).without_memory()
    admin = api.logged_in("alice", "alice-pw")
    answer = admin("POST", "/users", {"userId": "new", "password": "new-pw1"})
    assert answer.status_code == 200, answer.text
    answer = admin("POST", "/roles", {"role": "dev"})
    assert answer.status_code == 200, answer.text
    assert "new" in admin.names()
    assert "dev" in admin.roles()


def test_creation_reports_a_consumer_that_lags_far_behind(
    provider: ArrangedOpenLdap, tmp_path: Path, closing: ExitStack
) -> None:
    api = machines_over_replica(provider, "00:01:00:00", tmp_path, closing).without_memory()
    admin = api.logged_in("alice", "alice-pw")
    answer = admin("POST", "/users", {"userId": "new", "password": "new-pw1"})
    assert answer.status_code == 503
    assert "replica" in answer.text
    with provider.connected(*provider.manager) as manager:
        assert not manager.search(f"uid=new,{PEOPLE}", "(objectClass=*)", "BASE")
