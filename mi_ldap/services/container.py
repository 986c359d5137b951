"""The services of one process, as web, console, checks and commands receive them.

`mi_ldap.wiring` assembles them. Whoever only uses services imports this module, which knows the
user store by its protocol alone and so brings in no directory and no LDAP client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mi_ldap.hybrid_roles import HybridRoles
from mi_ldap.services.accounts import Rules
from mi_ldap.services.admins import Admins
from mi_ldap.services.bootstrap import Bootstrap
from mi_ldap.services.failed_logins import FailedLogins
from mi_ldap.services.login import Login
from mi_ldap.services.operators import Operators
from mi_ldap.services.role_changes import RoleChanges
from mi_ldap.services.roles import Roles
from mi_ldap.services.users import Users
from mi_ldap.settings.root import Settings
from mi_ldap.state.audit import AuditLog
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.disk_space import DiskSpace
from mi_ldap.state.signing_keys import SigningKeys
from mi_ldap.state.tokens import Revocations
from mi_ldap.store import UserStore


@dataclass(frozen=True, slots=True)
class Services:
    """The services, and the state and settings that they share.

    Attributes:
        store: all user stores as one.
        primary: the primary user store alone.
        secondaries: the secondary user stores alone, by domain.
        hybrid: what stores the hybrid roles; None where there are none.
    """

    settings: Settings
    disk: DiskSpace
    store: UserStore
    primary: UserStore
    state: StateDatabase
    audit: AuditLog
    rules: Rules
    admins: Admins
    operators: Operators
    users: Users
    roles: Roles
    role_changes: RoleChanges
    bootstrap: Bootstrap
    login: Login
    failed_logins: FailedLogins
    revocations: Revocations
    keys: SigningKeys
    secondaries: Mapping[str, UserStore] = field(default_factory=dict)
    hybrid: HybridRoles | None = None

    def close(self) -> None:
        """Close all that this thread has opened, the store for good."""
        self.close_files()
        self.store.close()

    def close_files(self) -> None:
        """Close what must not be open when the process forks; it is opened again when needed."""
        self.state.close()
        self.audit.close()
