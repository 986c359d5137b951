"""Assembly: builds the concrete stores and the services from the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from mi_ldap.directory.config import DirectoryConfig
from mi_ldap.directory.layout.builder import build_layout
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.directory.writes.creation_locks import CreationLocks
from mi_ldap.domains import Domains, HybridStore
from mi_ldap.hybrid_roles import HybridRoles
from mi_ldap.ldap.connection_pool import Address
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.name_rules import matcher_of
from mi_ldap.services.accounts import Rules
from mi_ldap.services.assembly import Stores, assemble
from mi_ldap.services.container import Services
from mi_ldap.settings import Settings, UserStoreSettings
from mi_ldap.settings.jdbc import DatabaseAddress
from mi_ldap.settings.micro_integrator import MicroIntegratorSettings
from mi_ldap.settings.root import secondary_address
from mi_ldap.settings.secondary import SecondaryStoreSettings
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.deletion_log import StateDeletionLog
from mi_ldap.store import UserStore

if TYPE_CHECKING:
    from mi_ldap.embedded import EmbeddedDirectory
    from mi_ldap.sql.config import DatabaseConfig


def services(
    settings: Settings,
    directory: EmbeddedDirectory | None = None,
    store: UserStore | None = None,
    observe: Callable[[str], None] = lambda operation: None,
    secondaries: Mapping[str, UserStore] | None = None,
) -> Services:
    """Build the services over the configured store, without opening what a fork would share.

    Args:
        settings: the configuration.
        directory: the embedded directory, where the settings name none.
        store: a store to use in place of the configured one.
        observe: called with the name of each LDAP operation or statement.
        secondaries: stores by domain to use in place of the configured secondary ones.

    Raises:
        ConfigurationError: a file in the state folder cannot be used.
    """
    user_store = _on_embedded(settings.user_store, directory) if directory else settings.user_store
    state = StateDatabase(settings.state_dir / "state.sqlite")
    stores = _open_stores(
        settings,
        user_store,
        state,
        observe,
        is_embedded=directory is not None,
        primary=store,
        secondaries=secondaries,
    )
    directory_key = _directory_key(settings, user_store, directory)
    # A store without a place for hybrid roles may have groups of such names, but no new ones.
    has_hybrid_roles = stores.hybrid is not None or not isinstance(stores.primary, DirectoryStore)
    rules = replace(
        _rules(user_store),
        secondary=_secondary_rules(settings, stores.secondaries),
        has_hybrid_roles=has_hybrid_roles,
    )
    return assemble(settings, stores, state, rules, directory_key)


def nodes(settings: Settings) -> Nodes:
    """Return the Micro Integrators, to be created before the workers are forked.

    Raises:
        ConfigurationError: a file of authorities cannot be used.
    """
    return Nodes(map(_node_config, settings.micro_integrator))


def _node_config(node: MicroIntegratorSettings) -> NodeConfig:
    assert node.password is not None  # noqa: S101 - the settings have refused it
    return NodeConfig(
        id=node.id,
        management_url=node.management_url,
        username=node.username,
        password=node.password.get_secret_value(),
        ca_file=node.ca_file,
        verify=node.verify,
        timeout_s=node.timeout_s,
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
    """Return a key of this store and admin role, under which bootstrap records its end.

    A newly created embedded directory has a new key, and so a bootstrap of its own.
    """
    if settings.is_database or (settings.is_admin_role_hybrid and settings.has_hybrid_database):
        return _database_key(settings)
    directory_key = f"{'#'.join(user_store.group_search_base)} {settings.super_admin.admin_role}"
    if directory is None:
        return directory_key
    made_with = hashlib.sha256(directory.read_service_password().encode()).hexdigest()[:12]
    return f"{directory_key} {made_with}"


def _database_key(settings: Settings) -> str:
    config = database_config(settings)
    hosts = ",".join(f"{host}:{port}" for host, port in config.hosts)
    place = f"{config.dialect}://{hosts}/{config.database}#{config.tenant_id}"
    return f"{place} {settings.super_admin.admin_role}"


def _secondary_rules(settings: Settings, domains: Iterable[str]) -> dict[str, Rules]:
    configured = {each.domain: _rules(each) for each in settings.enabled_secondaries}
    return {domain: configured.get(domain, Rules()) for domain in domains}


def _open_stores(
    settings: Settings,
    user_store: UserStoreSettings,
    state: StateDatabase,
    observe: Callable[[str], None],
    *,
    is_embedded: bool,
    primary: UserStore | None = None,
    secondaries: Mapping[str, UserStore] | None = None,
) -> Stores:
    """Return the configured stores, without opening what a fork would share.

    Args:
        settings: the configuration.
        user_store: the settings of the primary store, see `_on_embedded`.
        state: records deletions.
        observe: called with the name of each LDAP operation or statement.
        is_embedded: whether the primary store is the embedded directory.
        primary: a store to use in place of the configured one.
        secondaries: stores by domain to use in place of the configured secondary ones.
    """
    if not settings.has_hybrid_groups:
        user_store = user_store.model_copy(update={"hybrid_role_base": None})
    primary = primary or _primary_store(
        settings, user_store, state, observe, is_embedded=is_embedded
    )
    if secondaries is None:
        secondaries = {
            each.domain: _secondary_store(settings, each, state, observe)
            for each in settings.enabled_secondaries
        }
    hybrid = _hybrid_roles(settings, user_store, primary, observe)
    return Stores(_as_one(settings, primary, secondaries, hybrid), primary, secondaries, hybrid)


def _as_one(
    settings: Settings,
    primary: UserStore,
    secondaries: Mapping[str, UserStore],
    hybrid: HybridRoles | None,
) -> UserStore:
    store = Domains(primary, secondaries) if secondaries else primary
    if hybrid is None:
        return store
    return HybridStore(store, hybrid, has_accounts=settings.is_admin_role_hybrid)


def _hybrid_roles(
    settings: Settings,
    user_store: UserStoreSettings,
    primary: UserStore,
    observe: Callable[[str], None],
) -> HybridRoles | None:
    """Return the store of hybrid roles; None if the settings name no place for it.

    With None a role `Internal/x` is a group of that name in the primary directory, if there is one.
    """
    if settings.has_hybrid_groups:
        if isinstance(primary, DirectoryStore) and user_store.hybrid_role_base:
            return primary.hybrid_roles()
        return None
    admin_role = settings.super_admin.admin_role if settings.is_admin_role_hybrid else ""
    # Here, so that a service without a database loads no SQLAlchemy.
    from mi_ldap.sql import Database, DatabaseConfig, SqlHybridRoles, SqlStore

    if isinstance(primary, SqlStore):
        # One transaction for users and hybrid roles.
        return SqlHybridRoles(primary.database, admin_role, writable=primary.writable)
    file = settings.hybrid_roles_file
    config = DatabaseConfig("sqlite", (), str(file)) if file else database_config(settings)
    return SqlHybridRoles(Database(config, observe, creates=file is not None), admin_role)


def _primary_store(
    settings: Settings,
    user_store: UserStoreSettings,
    state: StateDatabase,
    observe: Callable[[str], None],
    *,
    is_embedded: bool,
) -> UserStore:
    if settings.is_database:
        return _database_store(settings, database_config(settings), observe)
    # A directory that other servers may replicate can bring deleted memberships back.
    deletions = StateDeletionLog(state, is_replicated=not is_embedded)
    return _directory_store(settings, user_store, deletions, observe, is_embedded=is_embedded)


def _secondary_store(
    settings: Settings,
    own: SecondaryStoreSettings,
    state: StateDatabase,
    observe: Callable[[str], None],
) -> UserStore:
    """Return a secondary store, with connections, memory and failover of its own."""
    if own.is_database:
        config = _database_config_at(secondary_address(own), settings, own, own.max_active)
        return _database_store(settings, config, observe)
    deletions = StateDeletionLog(state, domain=own.domain)
    return _directory_store(settings, own, deletions, observe, is_embedded=False)


def _directory_store(
    settings: Settings,
    user_store: UserStoreSettings,
    deletions: StateDeletionLog,
    observe: Callable[[str], None],
    *,
    is_embedded: bool,
) -> UserStore:
    return DirectoryStore(
        _directory_config(user_store, is_embedded=is_embedded),
        partial(build_layout, user_store),
        # In a secondary store a group of that name has no effect.
        settings.super_admin.admin_role,
        observe,
        CreationLocks(settings.state_dir / "creations.lock"),
        deletions,
    )


def _database_store(
    settings: Settings, config: DatabaseConfig, observe: Callable[[str], None]
) -> UserStore:
    # Here, so that a service with a directory loads no SQLAlchemy.
    from mi_ldap.sql import SqlStore

    locks = CreationLocks(settings.state_dir / "creations.lock")
    return SqlStore(config, settings.super_admin.admin_role, observe, locks)


def database_config(settings: Settings) -> DatabaseConfig:
    """Return the parameters of the database of `[[datasource]]`, which must be configured."""
    address, max_active = settings.database_address, settings.datasource.max_active
    return _database_config_at(address, settings, settings.user_store, max_active)


def _database_config_at(
    address: DatabaseAddress,
    settings: Settings,
    user_store: UserStoreSettings,
    max_active: int | None,
) -> DatabaseConfig:
    """Return the parameters of the database at an address; deadlines are those of the user store.

    Args:
        address: the database, with the account.
        settings: the configuration.
        user_store: the settings of the user store that is in the database, or beside it.
        max_active: the maximum number of connections of all workers; None for no maximum.
    """
    from mi_ldap.sql.config import DatabaseConfig

    return DatabaseConfig(
        dialect=address.dialect,
        hosts=address.hosts,
        database=address.database,
        username=address.username,
        password=address.password,
        tls=bool(address.tls),
        ca_file=Path(address.ca_file) if address.ca_file else None,
        pool_size=_connections_of_a_worker(settings, user_store, max_active),
        connect_timeout_s=user_store.ldap_connection_timeout / 1000,
        response_timeout_s=user_store.read_timeout / 1000,
        digest=user_store.password_digest,
        salted=user_store.store_salted_password,
        case_insensitive_names=user_store.case_insensitive_username,
        writable=not user_store.read_only,
        roles_writable=user_store.write_groups and user_store.read_groups,
    )


def _connections_of_a_worker(
    settings: Settings, user_store: UserStoreSettings, max_active: int | None
) -> int:
    """Return the maximum number of connections of each worker process; at least 1."""
    if not max_active:
        return user_store.pool_size
    return min(user_store.pool_size, max(1, max_active // settings.server.workers))


def _on_embedded(user_store: UserStoreSettings, directory: EmbeddedDirectory) -> UserStoreSettings:
    """Return the settings of the embedded directory as a client of it needs them."""
    own = {
        "connection_url": directory.url,
        "connection_name": directory.service_dn,
        "connection_password": SecretStr(directory.read_service_password()),
        "profile": "openldap",
        "user_search_base": (directory.user_base,),
        "group_search_base": (directory.group_base,),
        "hybrid_role_base": directory.hybrid_base,
        "member_of_attribute": "memberOf",
    }
    return user_store.model_copy(update=own)


def _directory_config(user_store: UserStoreSettings, *, is_embedded: bool) -> DirectoryConfig:
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
        is_embedded=is_embedded,
    )
