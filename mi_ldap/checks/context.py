"""What the checks share: one server of the directory, its layout, and the entries read so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from mi_ldap.checks.findings import Finding, Level
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.probes import ProbeTarget
from mi_ldap.directory.reads.memberships import AdminGroup, Nesting
from mi_ldap.directory.reads.profile_detection import detect_profile
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.names import is_under
from mi_ldap.services.container import Services


@dataclass(frozen=True, slots=True)
class Listed:
    """The entries that a list filter found; `complete` is False if the server truncated them."""

    entries: list[Entry]
    complete: bool = True


@dataclass
class CheckContext:
    """The directory as the checks see it, through the first server that accepted a bind.

    Attributes:
        target: opens connections to each server of the directory.
        url: the server's address, `"ldaps://ldap.example.org:636"`.
        root: its root DSE (RFC 4512 §5.1).
        embedded: whether it is the embedded directory.
        users, groups: set by the check `filters`; empty before it.
    """

    services: Services
    target: ProbeTarget
    url: str
    root: Entry
    layout: DirectoryLayout
    pool: Pool
    embedded: bool = False
    users: Listed = field(default_factory=lambda: Listed([]))
    groups: Listed = field(default_factory=lambda: Listed([]))

    def __post_init__(self) -> None:
        self.reader = Reader(self.pool, self.layout)
        self.nesting = Nesting(self.reader)
        self.admin_group = AdminGroup(self.reader, self.nesting, self.target.admin_role)

    def session(self) -> AbstractContextManager[LdapConnection]:
        """Return a context with a connection to the server."""
        return self.pool.connection()

    @property
    def server_type(self) -> str:
        return self.layout.profile.name

    @property
    def is_writable(self) -> bool:
        return self.target.config.writable

    @property
    def markers(self) -> dict[str, str]:
        """The attributes of users in which the service keeps something, by their keys."""
        layout = self.layout
        names = {"custodian_attribute": layout.custodian, "epoch_attribute": layout.epoch}
        if self.services.settings.is_admin_role_hybrid:
            # Custodians and account states are stored with the hybrid roles. What remains is the
            # mark of a user that is being created.
            names = {"epoch_attribute": layout.epoch} if self.is_writable else {}
        return {key: name for key, name in names.items() if name}

    @property
    def suffix(self) -> str:
        """The naming context of the users; their search base if the root DSE names no context."""
        base = self.layout.user_bases[0]
        contexts = [each for each in self.root.all("namingContexts") if is_under(base, each)]
        # Contexts may be nested; the longest one has the entries.
        return max(contexts, key=len, default=base)

    @property
    def contexts(self) -> list[str]:
        """The naming contexts of the root DSE, and the user bases outside of them."""
        contexts = self.root.all("namingContexts")
        outside = [
            base
            for base in self.layout.user_bases
            if not any(is_under(base, each) for each in contexts)
        ]
        return [*contexts, *outside]

    @property
    def account_dn(self) -> str:
        return self.target.config.account_dn


Examine = Callable[[CheckContext], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its prerequisites.

    Attributes:
        name: the `check` of its findings; the heading in docs/doctor.md.
        examine: the function that yields the findings.
        needs: names of the checks that must not have failed; otherwise this one is skipped.
        blocks_on: the levels of its own findings that count as failed for the checks that need it.
    """

    name: str
    examine: Examine
    needs: tuple[str, ...] = ()
    blocks_on: tuple[Level, ...] = ("fail",)


_ROOT_DSE_ATTRIBUTES = (
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


def context_at(
    services: Services, target: ProbeTarget, url: str, *, embedded: bool
) -> CheckContext:
    """Connect to the address, read the root DSE, and return the context for it.

    Raises:
        DirectoryUnavailable: the connection failed.
        LdapError: the root DSE cannot be read.
    """
    pool = Pool(lambda: target.connect(url), size=2)
    try:
        with pool.connection() as session:
            profile = detect_profile(session, target.config.profile)
            root = session.read("", "(objectClass=*)", _ROOT_DSE_ATTRIBUTES) or Entry("", {})
    except BaseException:
        pool.close()
        raise
    return CheckContext(services, target, url, root, target.build_layout(profile), pool, embedded)
