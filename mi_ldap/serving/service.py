"""Assembly and start of a service: state folder, port, directory, certificate, gunicorn."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import structlog

from mi_ldap import wiring
from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import ConfigurationError, MiLdapError
from mi_ldap.hybrid_roles import HybridRoles
from mi_ldap.ldap.tls import verifying_context
from mi_ldap.micro_integrators.resources import streams_body
from mi_ldap.services.container import Services
from mi_ldap.serving import heartbeat, icp_heartbeat
from mi_ldap.serving.banner import print_banner
from mi_ldap.serving.certificate import (
    CHECK_S,
    check_certificate,
    keep_renewed,
    self_signed_certificate,
)
from mi_ldap.serving.cleanup import Cleanup
from mi_ldap.serving.embedded_slapd import embedded_directory, running_directory
from mi_ldap.serving.heartbeat_process import HeartbeatProcess
from mi_ldap.serving.http_server import HttpServer, is_answering, listening
from mi_ldap.serving.lost_directory import warn_of_lost_admins
from mi_ldap.serving.processes import Child, Signals
from mi_ldap.serving.state_folder import held_state_folder
from mi_ldap.serving.super_admin import PAUSE_S, pin_super_admin
from mi_ldap.serving.supervisor import ManagedProcess, PeriodicTask, supervise
from mi_ldap.settings import Settings, UserStoreSettings
from mi_ldap.settings.jdbc import DatabaseAddress
from mi_ldap.settings.root import secondary_address
from mi_ldap.settings.secondary import SecondaryStoreSettings
from mi_ldap.store import UserStore
from mi_ldap.web import create_app

_DISCOVERY_S, _DISCOVERY_PAUSE_S = 30.0, 2.0

log = structlog.get_logger(__name__)

DISK_CHECK_S = 5.0
"""Pause between two checks of the free disk space, in seconds."""


def serve(settings: Settings) -> int:
    """Run the service until a signal stops it; return the exit status.

    Raises:
        ConfigurationError: the service cannot start with this configuration.
    """
    os.umask(0o077)  # also for files that libraries create, such as SQLite's journal
    signals = Signals()
    for note in settings.notes:
        log.warning("configuration_note", note=note)
    nodes = wiring.nodes(settings)
    ports = {node.id: node.port for node in settings.micro_integrator if node.port}
    with (
        held_state_folder(settings.state_dir),
        # Before the directory starts: early clients wait in the backlog.
        listening(settings.server, ports) as listeners,
        running_directory(settings) as directory,
    ):
        services = wiring.services(settings, directory)
        services.audit.check()
        _write_throttled_logins(services)  # of a service that was killed
        application = create_app(services, nodes)
        certificate = certificate_of(settings)
        managed = [
            *_managed_processes(settings, directory),
            PeriodicTask(services.disk.log_changes, DISK_CHECK_S),
        ]
        # A collection in a worker would write to, and so copy, the memory that it shares.
        gc.freeze()
        on_worker_start = partial(
            _prepare_reads, [services.primary, *services.secondaries.values()]
        )
        server = Child(
            HttpServer(
                settings.server,
                listeners,
                certificate,
                application,
                on_worker_start,
                nodes,
                partial(streams_body, nodes={node.id for node in nodes}),
            ).run
        )
        # Otherwise the kernel would accept connections while gunicorn stops.
        for listener in listeners:
            listener.close()
        try:
            return supervise(
                server,
                directory,
                signals,
                is_answering=lambda: is_answering(settings.server),
                announce=lambda: _announce(settings, directory, services),
                managed=managed,
            )
        finally:
            _write_throttled_logins(services)


def _prepare_reads(stores: Sequence[UserStore]) -> None:
    """Discover each store and begin to fill memory, so that the first requests find it ready."""
    pending = [store for store in stores if not _is_prepared(store)]
    while pending:
        time.sleep(_DISCOVERY_PAUSE_S)
        pending = [store for store in pending if not _is_prepared(store)]


def _is_prepared(store: UserStore) -> bool:
    try:
        with deadline(_DISCOVERY_S):
            store.view()
    except MiLdapError:  # logged where it is raised; the directory may start later
        return False
    except Exception:
        log.exception("discovery_failed")  # a thread's own traceback would not be in the log
        return False
    return True


def _write_throttled_logins(services: Services) -> None:
    """Write the audit lines of throttled logins that a worker left when it ended or was killed."""
    try:
        services.failed_logins.close_windows(include_open=True)
    except MiLdapError as error:
        log.error("throttled_logins_not_audited", error=str(error))
    # Not the store: the workers, forked later, could not open it again.
    services.close_files()


def check_files(settings: Settings) -> None:
    """Check every certificate and key in the settings, and the folder of the embedded directory.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    server = settings.server
    if server.certificate_file and server.key_file:
        check_certificate(server.certificate_file, server.key_file)
    if not settings.is_database:
        _check_trust(settings.user_store, None)
    if settings.is_database or settings.has_hybrid_database:
        _check_trust(settings.user_store, settings.database_address)
    for each in settings.enabled_secondaries:
        _check_trust(each, secondary_address(each) if each.is_database else None)
    heartbeat.tls_context(settings)
    if settings.icp_config.enabled:
        icp_heartbeat.tls_context(settings)
    wiring.nodes(settings)
    if settings.is_embedded:
        embedded_directory(settings)


def _check_trust(store: UserStoreSettings, database: DatabaseAddress | None) -> None:
    try:
        if database:
            verifying_context(Path(database.ca_file) if database.ca_file else None)
        else:
            verifying_context(store.ca_file, store.client_certificate_file, store.client_key_file)
    except ConfigurationError as error:
        sentence = str(error)
        if database and database.ca_file != str(store.ca_file):
            sentence = sentence.replace("user_store.ca_file", "sslrootcert in datasource.url")
        if isinstance(store, SecondaryStoreSettings):
            sentence = store.renamed(sentence)
        raise ConfigurationError(sentence) from error


def certificate_of(settings: Settings) -> tuple[Path, Path] | None:
    """Return the `(certificate, key)` files, created if none are configured; None for plain HTTP.

    Raises:
        ConfigurationError: the configured files cannot be used.
    """
    server = settings.server
    if not server.tls:
        return None
    if server.certificate_file and server.key_file:
        check_certificate(server.certificate_file, server.key_file)
        return server.certificate_file, server.key_file
    return self_signed_certificate(settings.state_dir)


def _managed_processes(
    settings: Settings, directory: EmbeddedDirectory | None
) -> list[ManagedProcess]:
    """Return the processes and periodic tasks of the supervisor that the settings ask for."""
    make_services = partial(wiring.services, settings, directory)
    managed: list[ManagedProcess] = [Cleanup(make_services)]
    if settings.server.tls and not settings.server.certificate_file:
        managed.append(PeriodicTask(partial(keep_renewed, settings.state_dir), CHECK_S))
    if settings.super_admin.can_remove_admins:
        managed.append(PeriodicTask(partial(pin_super_admin, make_services), PAUSE_S))
    return [*managed, *heartbeats(settings, make_services)]


def heartbeats(
    settings: Settings, make_services: Callable[[], Services]
) -> Iterator[HeartbeatProcess]:
    """Yield a process for each configured control plane; both generations may be used at once."""
    if settings.dashboard_config.dashboard_url:
        of_dashboard = heartbeat.tls_context(settings)
        yield HeartbeatProcess(
            lambda: heartbeat.Heartbeats(settings, make_services(), of_dashboard).run()
        )
    if settings.icp_config.enabled:
        of_icp = icp_heartbeat.tls_context(settings)
        yield HeartbeatProcess(
            lambda: icp_heartbeat.IcpHeartbeats(settings, make_services(), of_icp).run()
        )


def _announce(settings: Settings, directory: EmbeddedDirectory | None, services: Services) -> None:
    problem = _why_unusable(services)
    is_open = not problem and _is_bootstrap_open(services)
    warn_of_lost_admins(services)
    services.close()  # other processes are forked later, and must not share its connections
    print_banner(settings, directory, is_open, problem)


def _why_unusable(services: Services) -> str:
    """Return why the service cannot answer requests; `""` if it can."""
    settings = services.settings
    event = "database_unusable" if settings.is_database else "directory_unusable"
    problem = _reason(event, services.primary, settings.server.request_deadline_s)
    if services.hybrid and not (problem and settings.is_database):
        reason = _reason(
            "hybrid_roles_unusable", services.hybrid, settings.server.request_deadline_s
        )
        if reason and not problem and settings.is_admin_role_hybrid:
            problem = f"The admin role {settings.super_admin.admin_role} cannot be read. {reason}"
    return problem


def _reason(event: str, store: UserStore | HybridRoles, deadline_s: float) -> str:
    """Return why a store cannot be used, and log it; `""` if it can."""
    try:
        with deadline(deadline_s):
            store.check()
    except MiLdapError as error:
        log.error(event, error=str(error))
        return str(error)
    return ""


def _is_bootstrap_open(services: Services) -> bool:
    """Whether the next login may create the first admin; log a warning if so."""
    try:
        with deadline(services.settings.server.request_deadline_s):
            is_open = services.bootstrap.is_open()
    except MiLdapError:
        return False
    if is_open:
        log.warning("no_admin_yet", hint="the first login creates one")
    return is_open
