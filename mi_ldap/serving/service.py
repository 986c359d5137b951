"""Assembly and start of a service: state folder, port, directory, certificate, gunicorn."""

from __future__ import annotations

import gc
import os
import time
from functools import partial
from pathlib import Path

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import MiLdapError
from mi_ldap.ldap.tls import verifying_context
from mi_ldap.services.container import Services
from mi_ldap.serving.banner import print_banner
from mi_ldap.serving.certificate import (
    CHECK_S,
    check_certificate,
    keep_renewed,
    self_signed_certificate,
)
from mi_ldap.serving.cleanup import Cleanup
from mi_ldap.serving.embedded_slapd import embedded_directory, running_directory
from mi_ldap.serving.heartbeat import HeartbeatProcess, tls_context
from mi_ldap.serving.http_server import HttpServer, is_answering, listen
from mi_ldap.serving.lost_directory import warn_of_lost_admins
from mi_ldap.serving.processes import Child, Signals
from mi_ldap.serving.state_folder import held_state_folder
from mi_ldap.serving.super_admin import PAUSE_S, pin_super_admin
from mi_ldap.serving.supervisor import ManagedProcess, PeriodicTask, supervise
from mi_ldap.settings import Settings
from mi_ldap.store import UserStore
from mi_ldap.web import create_app
from mi_ldap.wiring import services

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
    with (
        held_state_folder(settings.state_dir),
        listen(settings.server) as listener,
        running_directory(settings) as directory,
    ):
        found = services(settings, directory)
        found.audit.check()
        _write_throttled_logins(found)  # of a service that was killed
        application = create_app(found)
        certificate = certificate_of(settings)
        managed = [
            *_managed_processes(settings, directory),
            PeriodicTask(found.disk.log_changes, DISK_CHECK_S),
        ]
        gc.freeze()  # a collection in a worker would copy what it shares with the others
        begin = partial(_prepare_reads, found.store)
        server = Child(HttpServer(settings.server, listener, certificate, application, begin).run)
        listener.close()  # else the kernel would accept connections while gunicorn stops
        try:
            return supervise(
                server,
                directory,
                signals,
                is_answering=lambda: is_answering(settings.server),
                announce=lambda: _announce(settings, directory, found),
                managed=managed,
            )
        finally:
            _write_throttled_logins(found)


def _prepare_reads(store: UserStore) -> None:
    """Discover the directory and begin to fill memory, so that the first requests find it ready."""
    while True:
        try:
            with deadline(_DISCOVERY_S):
                store.view()
        except MiLdapError:  # logged where it is raised; the directory may start later
            time.sleep(_DISCOVERY_PAUSE_S)
        except Exception:
            log.exception("discovery_failed")  # a thread's own traceback would not be in the log
            time.sleep(_DISCOVERY_PAUSE_S)
        else:
            return


def _write_throttled_logins(found: Services) -> None:
    """Write the audit lines of throttled logins that a worker left when it ended or was killed."""
    try:
        found.failed_logins.close_windows(include_open=True)
    except MiLdapError as error:
        log.error("throttled_logins_not_audited", error=str(error))
    # Not the store: the workers, forked later, could not open it again.
    found.close_files()


def check_files(settings: Settings) -> None:
    """Check every certificate and key in the settings, and the folder of the directory.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    server, store = settings.server, settings.user_store
    if server.certificate_file and server.key_file:
        check_certificate(server.certificate_file, server.key_file)
    verifying_context(store.ca_file, store.client_certificate_file, store.client_key_file)
    tls_context(settings)
    if settings.is_embedded:
        embedded_directory(settings)


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
    make_services = partial(services, settings, directory)
    managed: list[ManagedProcess] = [Cleanup(make_services)]
    if settings.server.tls and not settings.server.certificate_file:
        managed.append(PeriodicTask(partial(keep_renewed, settings.state_dir), CHECK_S))
    if settings.super_admin.can_remove_admins:
        managed.append(PeriodicTask(partial(pin_super_admin, make_services), PAUSE_S))
    if settings.dashboard_config.dashboard_url:
        managed.append(HeartbeatProcess(settings, make_services))
    return managed


def _announce(settings: Settings, directory: EmbeddedDirectory | None, found: Services) -> None:
    trouble = _trouble(found)
    is_open = not trouble and _is_bootstrap_open(found)
    warn_of_lost_admins(found)
    found.close()  # other processes are forked later, and must not share its connections
    print_banner(settings, directory, is_open, trouble)


def _trouble(found: Services) -> str:
    """Return why the directory cannot be used; `""` if it can."""
    try:
        with deadline(found.settings.server.request_deadline_s):
            found.store.check()
    except MiLdapError as error:
        log.error("directory_unusable", error=str(error))
        return str(error)
    return ""


def _is_bootstrap_open(found: Services) -> bool:
    """Whether the next login may create the first admin; log a warning if so."""
    try:
        with deadline(found.settings.server.request_deadline_s):
            is_open = found.bootstrap.is_open()
    except MiLdapError:
        return False
    if is_open:
        log.warning("no_admin_yet", hint="the first login makes one")
    return is_open
