"""Assembly of the services over user stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mi_ldap.errors import ConfigurationError
from mi_ldap.hybrid_roles import HybridRoles
from mi_ldap.services.accounts import Rules
from mi_ldap.services.admins import Admins, SuperAdmin
from mi_ldap.services.bootstrap import Bootstrap, BootstrapPolicy
from mi_ldap.services.container import Services
from mi_ldap.services.custody import Custody
from mi_ldap.services.failed_logins import FailedLogins
from mi_ldap.services.login import Login
from mi_ldap.services.operators import Operators
from mi_ldap.services.response_time_floor import ResponseTimeFloor
from mi_ldap.services.role_changes import RoleChanges
from mi_ldap.services.roles import Roles
from mi_ldap.services.users import Users
from mi_ldap.settings import Settings
from mi_ldap.settings.icp import IcpSettings
from mi_ldap.state.audit import AuditLog, configured_audit_log
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.disk_space import DiskSpace
from mi_ldap.state.fingerprints import Fingerprints
from mi_ldap.state.machine_lock import MachineLock
from mi_ldap.state.signing_keys import SigningKeys, configured_key, stored_keys
from mi_ldap.state.throttle import Throttle
from mi_ldap.state.tokens import Revocations
from mi_ldap.store import UserStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The user stores of one process.

    Attributes:
        store: all user stores, with the hybrid roles, as one.
        primary: the primary user store alone.
        secondaries: the secondary user stores alone, by domain.
        hybrid: what stores the hybrid roles; None where there are none.
    """

    store: UserStore
    primary: UserStore
    secondaries: Mapping[str, UserStore]
    hybrid: HybridRoles | None


def assemble(
    settings: Settings,
    stores: Stores,
    state: StateDatabase,
    rules: Rules,
    directory_key: str,
) -> Services:
    """Build the services over the stores, without opening what a fork would share.

    Args:
        settings: the configuration.
        stores: the user stores.
        state: the state that workers share.
        rules: of new names and passwords.
        directory_key: identifies the directory and the admin role in the state.

    Raises:
        ConfigurationError: a file in the state folder cannot be used.
    """
    store, primary, secondaries = stores.store, stores.primary, stores.secondaries
    audit = configured_audit_log(
        settings.state_dir, settings.audit.file, settings.audit.max_bytes, settings.audit.keep
    )
    keys = _signing_keys(settings)
    failed_logins = _failed_logins(settings, state, audit, keys)
    floor = ResponseTimeFloor()
    lock = MachineLock(settings.state_dir / "admins.lock")
    super_admin = _super_admin(settings, directory_key)
    admins = Admins(store, Custody(store, audit), super_admin, state, lock)
    policy = _bootstrap_policy(settings, directory_key)
    # Only a user of the primary store becomes the first admin.
    primary_rules = replace(rules, secondary={})
    bootstrap = Bootstrap(store, audit, primary_rules, policy, state, lock, admins.pin_super_admin)
    bootstrap.read_record()
    state.close()  # before the process forks
    token = settings.management_api.jwt_token_security_handler.token_config
    revocations = Revocations(state, token.expiry)
    return Services(
        settings=settings,
        disk=_disk_space(settings),
        store=store,
        primary=primary,
        state=state,
        audit=audit,
        rules=rules,
        admins=admins,
        operators=_operators(settings),
        users=Users(store, admins, audit, failed_logins, floor, rules),
        roles=Roles(store, admins, audit, rules),
        role_changes=RoleChanges(store, admins, audit),
        bootstrap=bootstrap,
        login=Login(
            store, admins, bootstrap, failed_logins, floor, audit, revocations, tuple(secondaries)
        ),
        failed_logins=failed_logins,
        revocations=revocations,
        keys=keys,
        secondaries=secondaries,
        hybrid=stores.hybrid,
    )


def _failed_logins(
    settings: Settings, state: StateDatabase, audit: AuditLog, keys: SigningKeys
) -> FailedLogins:
    limits = settings.management_api.throttle
    throttle = Throttle(state, limits.failures_per_name, limits.failures_per_address)
    return FailedLogins(audit, throttle, Fingerprints(keys.oldest))


def _super_admin(settings: Settings, directory_key: str) -> SuperAdmin:
    allowed = settings.super_admin
    return SuperAdmin(allowed.username, allowed.can_remove_admins, directory_key)


def _operators(settings: Settings) -> Operators:
    api = settings.management_api
    are_everybody = api.authorization_handler.operators_are == "everybody"
    return Operators(api.operator_roles, are_everybody)


def _disk_space(settings: Settings) -> DiskSpace:
    folders = [settings.state_dir]
    if settings.audit.file:
        folders.append(settings.audit.file.parent)
    return DiskSpace(folders, settings.server.min_free_mb)


def _bootstrap_policy(settings: Settings, directory_key: str) -> BootstrapPolicy:
    super_admin = settings.super_admin
    return BootstrapPolicy(
        mode=settings.bootstrap.mode,
        users=settings.bootstrap.users,
        creates_users=settings.is_embedded,
        configured_name=super_admin.username or "",
        configured_password=super_admin.password.get_secret_value() if super_admin.password else "",
        directory_key=directory_key,
    )


def _signing_keys(settings: Settings) -> SigningKeys:
    configured = settings.management_api.jwt_token_security_handler.token_config.key
    if configured is not None:
        keys = configured_key(configured.get_secret_value())
    else:
        keys = stored_keys(settings.state_dir / "signing-keys")
    _ensure_own_keys(settings.icp_config, keys)
    return keys


def _ensure_own_keys(icp: IcpSettings, keys: SigningKeys) -> None:
    """Raise `ConfigurationError` if ICP has a key, or a key id, of this service."""
    if not icp.enabled:
        return
    # The key id alone decides by which rules a token is verified.
    if icp.key_id in keys.keys:
        raise ConfigurationError(
            "icp_config.secret has the id of a signing key of this service: create another secret "
            "in ICP."
        )
    # ICP could sign tokens of every user.
    if any(icp.has_key(key) for key in keys.keys.values()):
        raise ConfigurationError(
            "icp_config.secret is a signing key of this service: create another secret in ICP."
        )
