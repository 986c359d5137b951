"""Assembly: builds the concrete store and the services from the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pydantic import SecretStr

from mi_ldap.directory import Address, DirectoryConfig, DirectoryStore
from mi_ldap.directory.layout.builder import build_layout
from mi_ldap.directory.writes.creation_locks import CreationLocks
from mi_ldap.name_rules import matcher_of
from mi_ldap.services.accounts import Rules
from mi_ldap.services.admins import Admins, SuperAdmin
from mi_ldap.services.bootstrap import Bootstrap, BootstrapPolicy
from mi_ldap.services.container import Services
from mi_ldap.services.custody import Custody
from mi_ldap.services.failed_logins import FailedLogins
from mi_ldap.services.login import Login
from mi_ldap.services.response_time_floor import ResponseTimeFloor
from mi_ldap.services.roles import Roles
from mi_ldap.services.users import Users
from mi_ldap.settings import Settings, UserStoreSettings
from mi_ldap.state.audit import configured_audit_log
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.deletion_log import StateDeletionLog
from mi_ldap.state.disk_space import DiskSpace
from mi_ldap.state.fingerprints import Fingerprints
from mi_ldap.state.machine_lock import MachineLock
from mi_ldap.state.signing_keys import SigningKeys, configured_key, stored_keys
from mi_ldap.state.throttle import Throttle
from mi_ldap.state.tokens import Revocations
from mi_ldap.store import UserStore

if TYPE_CHECKING:
    from mi_ldap.embedded import EmbeddedDirectory


def services(
    settings: Settings,
    directory: EmbeddedDirectory | None = None,
    store: UserStore | None = None,
    observe: Callable[[str], None] = lambda operation: None,
) -> Services:
    """Build the services over the configured directory, without opening what a fork would share.

    Args:
        settings: the configuration.
        directory: the embedded directory, where the settings name none.
        store: a store to use in place of the directory.
        observe: called with the name of each LDAP operation.

    Raises:
        ConfigurationError: a file in the state folder cannot be used.
    """
    user_store = _on_embedded(settings.user_store, directory) if directory else settings.user_store
    state = StateDatabase(settings.state_dir / "state.sqlite")
    store = store or DirectoryStore(
        _directory_config(user_store, is_private=directory is not None),
        partial(build_layout, user_store),
        settings.super_admin.admin_role,
        observe,
        CreationLocks(settings.state_dir / "creations.lock"),
        StateDeletionLog(state),
    )
    audit = configured_audit_log(settings)
    limits = settings.management_api.throttle
    throttle = Throttle(state, limits.failures_per_name, limits.failures_per_address)
    keys = _signing_keys(settings)
    failed_logins = FailedLogins(audit, throttle, Fingerprints(keys.oldest))
    rules = _rules(user_store)
    floor = ResponseTimeFloor()
    directory_key = _directory_key(settings, user_store, directory)
    allowed = settings.super_admin
    super_admin = SuperAdmin(allowed.username, allowed.can_remove_admins, directory_key)
    lock = MachineLock(settings.state_dir / "admins.lock")
    admins = Admins(store, Custody(store, audit), super_admin, state, lock)
    policy = _bootstrap_policy(settings, directory_key)
    bootstrap = Bootstrap(store, audit, rules, policy, state, lock, admins.pin_super_admin)
    token = settings.management_api.jwt_token_security_handler.token_config
    revocations = Revocations(state, token.expiry)
    return Services(
        settings=settings,
        disk=_disk_space(settings),
        store=store,
        state=state,
        audit=audit,
        rules=rules,
        admins=admins,
        users=Users(store, admins, audit, failed_logins, floor, rules),
        roles=Roles(store, admins, audit, rules),
        bootstrap=bootstrap,
        login=Login(store, admins, bootstrap, failed_logins, floor, audit, revocations),
        failed_logins=failed_logins,
        revocations=revocations,
        keys=keys,
    )


def _disk_space(settings: Settings) -> DiskSpace:
    folders = [settings.state_dir]
    if settings.audit.file:
        folders.append(settings.audit.file.parent)
    return DiskSpace(folders, settings.server.min_free_mb)


def _on_embedded(user_store: UserStoreSettings, directory: EmbeddedDirectory) -> UserStoreSettings:
    """Return the settings of the embedded directory as a client of it needs them."""
    own = {
        "connection_url": directory.url,
        "connection_name": directory.service_dn,
        "connection_password": SecretStr(directory.service_password),
        "profile": "openldap",
        "user_search_base": (directory.user_base,),
        "group_search_base": (directory.group_base,),
        "member_of_attribute": "memberOf",
    }
    return user_store.model_copy(update=own)


def _directory_config(user_store: UserStoreSettings, *, is_private: bool) -> DirectoryConfig:
    password = user_store.connection_password
    return DirectoryConfig(
        address=Address(
            urls=user_store.connection_urls,
            start_tls=user_store.start_tls,
            ca_file=user_store.ca_file,
            certificate_file=user_store.client_certificate_file,
            key_file=user_store.client_key_file,
            connect_timeout_s=user_store.ldap_connection_timeout / 1000,
            response_timeout_s=user_store.read_timeout / 1000,
        ),
        account_dn=user_store.connection_name,
        password=password.get_secret_value() if password else "",
        profile=user_store.profile,
        pool_size=user_store.pool_size,
        writable=user_store.type == "read_write_ldap",
        roles_writable=user_store.write_groups and user_store.read_groups,
        index_limit=user_store.index_limit,
        is_private=is_private,
    )


def _rules(user_store: UserStoreSettings) -> Rules:
    return Rules(
        user_name=matcher_of(user_store.username_java_regex),
        role_name=matcher_of(user_store.rolename_java_regex),
        password=matcher_of(user_store.password_java_regex),
        allow_any_name=user_store.allow_any_name,
    )


def _directory_key(
    settings: Settings, user_store: UserStoreSettings, directory: EmbeddedDirectory | None
) -> str:
    """Return a key of this directory and admin role, under which bootstrap records its end.

    A newly created embedded directory has a new key, and so a bootstrap of its own.
    """
    directory_key = f"{'#'.join(user_store.group_search_base)} {settings.super_admin.admin_role}"
    if directory is None:
        return directory_key
    made_with = hashlib.sha256(directory.service_password.encode()).hexdigest()[:12]
    return f"{directory_key} {made_with}"


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
        return configured_key(configured.get_secret_value())
    return stored_keys(settings.state_dir / "signing-keys")
