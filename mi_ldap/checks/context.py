"""What the checks look at: one server of the directory, its layout, and what was read of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mi_ldap.checks.findings import Finding, Level
from mi_ldap.directory.layout import profiles
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.probes import ProbeTarget
from mi_ldap.directory.reads.admin_group import AdminGroup
from mi_ldap.directory.reads.nesting import Nesting
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.ldap.connection import Entry, LdapConnection
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.names import is_under
from mi_ldap.services.container import Services


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list filter gave; `complete` is False where the server kept some back."""

    entries: list[Entry]
    complete: bool = True


@dataclass
class CheckContext:
    """The directory as it is examined, through the server that the service would use.

    Attributes:
        bench: how each of its servers is reached.
        url: the server's address.
        root: its root DSE (RFC 4512 §5.1).
        embedded: whether the directory is our own.
        users, groups: filled by the check of the filters.
    """

    services: Services
    bench: ProbeTarget
    url: str
    root: Entry
    tree: DirectoryLayout
    pool: Pool
    embedded: bool = False
    users: Listed = field(default_factory=lambda: Listed([]))
    groups: Listed = field(default_factory=lambda: Listed([]))

    def __post_init__(self) -> None:
        self.reader = Reader(self.pool, self.tree)
        self.nesting = Nesting(self.reader)
        self.admin_group = AdminGroup(self.reader, self.nesting, self.bench.admin_role)

    @contextmanager
    def session(self) -> Iterator[LdapConnection]:
        with self.pool.session() as session:
            yield session

    @property
    def kind(self) -> str:
        return self.tree.profile.name

    @property
    def is_writable(self) -> bool:
        return self.bench.access.writable

    @property
    def suffix(self) -> str:
        """The naming context that the users lie in; their base where the server tells none."""
        base = self.tree.user_bases[0]
        contexts = [each for each in self.root.all("namingContexts") if is_under(base, each)]
        return max(contexts, key=len, default=base)

    @property
    def contexts(self) -> list[str]:
        """All naming contexts of the root DSE, and the bases of users that are in none of them."""
        told = self.root.all("namingContexts")
        outside = [
            base for base in self.tree.user_bases if not any(is_under(base, each) for each in told)
        ]
        return [*told, *outside]

    @property
    def account_dn(self) -> str:
        return self.bench.access.account_dn


Examine = Callable[[CheckContext], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is looked at.

    Attributes:
        name: as in its findings.
        needs: checks without whose success it would only repeat what they say.
        hindered_by: levels of its own findings at which those that need it are left out.
    """

    name: str
    examine: Examine
    needs: tuple[str, ...] = ()
    blocks_on: tuple[Level, ...] = ("fail",)


_ROOT = (
    "supportedControl",
    "supportedExtension",
    "supportedCapabilities",
    "namingContexts",
    "subschemaSubentry",
    "vendorName",
    "vendorVersion",
    "objectClass",
    "currentTime",
    "isSynchronized",
    "rootDomainNamingContext",
)


def context_at(services: Services, bench: ProbeTarget, url: str, *, embedded: bool) -> CheckContext:
    """The directory behind that address, once its root DSE was read.

    Raises:
        DirectoryUnavailable: it went away.
        LdapError: it does not tell what it is.
    """
    pool = Pool(lambda: bench.session(url), size=2)
    try:
        with pool.session() as session:
            profile = profiles.found_in(session, bench.access.profile)
            root = session.read("", "(objectClass=*)", _ROOT) or Entry("", {})
    except BaseException:
        pool.close()
        raise
    return CheckContext(services, bench, url, root, bench.build_layout(profile), pool, embedded)
