"""The replica answers only if the server reports every change below the bases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mi_ldap.directory import replica
from mi_ldap.ldap.result_codes import ResultCode
from tests.api.client import Api
from tests.checks.doctor_runs import run_doctor, text_of
from tests.directory.test_operation_budgets import Meter
from tests.hosts.arranged import ArrangedOpenLdap, Arrangement, Database
from tests.replica.arranged_apis import BASE, Apis, folder, group, ldif, person, top
from tests.subtree import Tool
from tests.until import until

PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"
ALICE, MALLORY = f"uid=alice,{PEOPLE}", f"uid=mallory,{PEOPLE}"

_PEOPLE = [
    folder("people"),
    *(person(name, PEOPLE) for name in ("alice", "bob", "eve", "mallory")),
]
_GROUPS = [
    folder("groups"),
    group("admin", GROUPS, ALICE, MALLORY),
    group("devs", GROUPS, f"uid=bob,{PEOPLE}", f"uid=eve,{PEOPLE}"),
]

PLAIN = Database(suffix=BASE, overlays=("syncprov",), content=top(*_PEOPLE, *_GROUPS))
MONITOR = f"""
dn: olcDatabase={{9}}monitor,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMonitorConfig
olcDatabase: {{9}}monitor
olcAccess: to * by dn.exact="cn=mi-ldap,ou=services,{BASE}" read by * none
"""


def people_apart(*overlays: str, subordinate: str = "TRUE") -> list[Database]:
    """The people in a database of their own, glued into the other one."""
    lines = f"olcSubordinate: {subordinate}"
    below = Database(suffix=PEOPLE, lines=lines, overlays=overlays, content=ldif(_PEOPLE))
    return [below, Database(suffix=BASE, overlays=("syncprov",), content=top(*_GROUPS))]


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def started(arrangement: Arrangement, folder: Path, closing: ExitStack) -> ArrangedOpenLdap:
    return closing.enter_context(ArrangedOpenLdap(folder / "server", arrangement))


def apis_of(host: ArrangedOpenLdap, folder: Path, closing: ExitStack, **settings: str) -> Apis:
    machines = folder / "machines"
    machines.mkdir()
    return Apis(host, machines, closing, **settings)


def tool_of(host: ArrangedOpenLdap, closing: ExitStack) -> Tool:
    tool = Tool(host.url, *host.manager)
    closing.callback(tool.close)
    return tool


def logged_in(api: Api, name: str) -> Api:
    return api.logged_in(name, f"{name}-pw")


@pytest.mark.parametrize("readable", ["nothing", "config", "monitor"])
@pytest.mark.parametrize("overlays", [(), ("syncprov",)])
@pytest.mark.parametrize("subordinate", ["TRUE", "advertise"])
def test_subordinate_database_disables_the_replica(
    readable: str,
    overlays: tuple[str, ...],
    subordinate: str,
    tmp_path: Path,
    closing: ExitStack,
) -> None:
    arrangement = Arrangement(
        databases=people_apart(*overlays, subordinate=subordinate),
        readable_config=readable == "config",
        more=MONITOR if readable == "monitor" else "",
    )
    host = started(arrangement, tmp_path, closing)
    tool = tool_of(host, closing)
    api = apis_of(host, tmp_path, closing).with_memory()
    reads = api.services.store.read_source()
    assert reads.source == "directory"
    assert "several databases" in reads.why
    admin, removed = logged_in(api, "alice"), logged_in(api, "mallory")
    assert admin.names() == ["alice", "bob", "eve", "mallory"]
    tool.delete(f"uid=eve,{PEOPLE}")
    tool.delete(MALLORY)
    assert admin.names() == ["alice", "bob"]
    assert removed("POST", "/users", {"userId": "x", "password": "x-pw1"}).status_code == 401


def test_doctor_reports_why_the_replica_is_off(tmp_path: Path, closing: ExitStack) -> None:
    host = started(Arrangement(databases=people_apart("syncprov")), tmp_path, closing)
    report = run_doctor(apis_of(host, tmp_path, closing).environment())
    assert "several databases are behind a search base" in text_of(report, "memory", "pass")


def test_deletion_that_is_not_reported_ends_write_access_at_once(
    tmp_path: Path, closing: ExitStack
) -> None:
    """The database is glued in while memory is used: nothing tells of that in time."""
    host = started(Arrangement(databases=[PLAIN]), tmp_path, closing)
    tool = tool_of(host, closing)
    api = apis_of(host, tmp_path, closing).with_memory()
    assert api.services.store.read_source().source == "memory"
    removed = logged_in(api, "mallory")
    # As if a change were not reported: memory keeps what it holds.
    replica = api.services.store._context().replica  # type: ignore[attr-defined]
    replica._snapshot.synchronizer.refresh = lambda session: None
    tool.delete(MALLORY)
    for method, path in (("GET", "/users"), ("POST", "/users"), ("DELETE", "/users/bob")):
        assert removed(method, path, {"userId": "x", "password": "x-pw1"}).status_code == 401


@pytest.mark.parametrize("readable", ["nothing", "config", "monitor"])
def test_coverage_is_proved_by_the_list_of_databases(
    readable: str, tmp_path: Path, closing: ExitStack
) -> None:
    arrangement = Arrangement(
        databases=[PLAIN],
        readable_config=readable == "config",
        more=MONITOR if readable == "monitor" else "",
    )
    host = started(arrangement, tmp_path, closing)
    sent = Meter()
    bases = {"USER_STORE__USER_SEARCH_BASE": PEOPLE, "USER_STORE__GROUP_SEARCH_BASE": GROUPS}
    api = apis_of(host, tmp_path, closing, **bases).with_memory(sent.append)
    reads = api.services.store.read_source()
    assert reads.source == "memory"
    assert bool(reads.why) is (readable == "nothing")
    admin = logged_in(api, "alice")
    admin.get("/users")
    sent.clear()
    admin.get("/users")
    who_acts = ["search", "search"] if readable == "nothing" else []
    assert sent == [*who_acts, "poll"]


def test_entries_of_a_proxied_database_are_listed(tmp_path: Path, closing: ExitStack) -> None:
    remote_base = f"ou=remote,{BASE}"
    content = top(folder("remote"), person("rita", remote_base))
    remote = Arrangement(databases=[Database(suffix=BASE, content=content)])
    far = closing.enter_context(ArrangedOpenLdap(tmp_path / "remote", remote))
    lines = (
        f"olcDbURI: {far.url}\nolcSubordinate: TRUE\nolcDbIDAssertAuthzFrom: *\n"
        "olcAccess: to * by anonymous auth by * read\n"
        f'olcDbIDAssertBind: mode=legacy flags=override bindmethod=simple binddn="{far.service_dn}"'
        f' credentials="{far.service_password}"'
    )
    glued = Database(suffix=remote_base, kind="ldap", lines=lines)
    host = started(Arrangement(databases=[glued, PLAIN]), tmp_path, closing)
    apis = apis_of(host, tmp_path, closing)
    held, direct = apis.with_memory(), apis.without_memory()
    assert held.services.store.read_source().source == "directory"
    for api in (held, direct):
        assert "rita" in logged_in(api, "alice").names()
        assert api.login("rita", "rita-pw").status_code == 200


def test_computing_overlay_disables_the_replica(tmp_path: Path, closing: ExitStack) -> None:
    """The class of the group says nothing of it: dynlist is configured for it."""
    dynamic = f"""dn: cn=all,{GROUPS}
objectClass: groupOfNames
objectClass: extensibleObject
cn: all
member: {ALICE}
memberURL: ldap:///{PEOPLE}??sub?(objectClass=inetOrgPerson)"""
    dynlist = "dynlist\nolcDynListAttrSet: groupOfNames memberURL member"
    database = Database(
        suffix=BASE,
        overlays=("syncprov", dynlist),
        content=top(*_PEOPLE, *_GROUPS, dynamic),
    )
    host = started(Arrangement(databases=[database]), tmp_path, closing)
    api = apis_of(host, tmp_path, closing).with_memory()
    assert "computes members" in api.services.store.read_source().why


def test_replica_starts_soon_after_syncprov_is_loaded(
    tmp_path: Path, closing: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the doctor says it is loaded, by cn=config, while the service runs."""
    assert replica.SYNCPROV_S <= 60
    monkeypatch.setitem(replica._PAUSES_S, ResultCode.UNAVAILABLE_CRITICAL_EXTENSION, 0.2)
    plain = Database(suffix=BASE, content=PLAIN.content)
    arrangement = Arrangement(databases=[plain])
    host = started(arrangement, tmp_path, closing)
    tool = tool_of(host, closing)
    api = apis_of(host, tmp_path, closing).with_memory()
    reads = api.services.store.read_source()
    assert "syncprov" in reads.why
    tool.add_values("cn=module{0},cn=config", olcModuleLoad="syncprov")
    tool.add(
        "olcOverlay=syncprov,olcDatabase={1}mdb,cn=config",
        ["olcSyncProvConfig"],
        olcOverlay="syncprov",
        olcSpSessionlog="10000",
    )
    until(lambda: api.services.store.read_source().source == "memory")
    tool.delete(MALLORY)
    assert logged_in(api, "alice").names() == ["alice", "bob", "eve"]
