"""Detection of an embedded directory whose data was lost."""

from __future__ import annotations

import getpass
import re
import time
from contextlib import closing
from pathlib import Path

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import ConfigurationError, MiLdapError
from mi_ldap.services.bootstrap import FIRST_ADMIN_KEY
from mi_ldap.services.container import Services
from mi_ldap.serving.state_folder import held_state_folder
from mi_ldap.settings import Settings
from mi_ldap.state.audit import configured_audit_log
from mi_ldap.state.database import StateDatabase

log = structlog.get_logger(__name__)

_WHAT_TO_DO = "restore it from a backup, or run `mi-ldap new-directory` to begin with an empty one."


def refuse_lost_data(settings: Settings, directory: EmbeddedDirectory) -> None:
    """Raise `ConfigurationError` if the directory has had admins and its database is missing."""
    # The start would create an empty directory, in which every login is refused: the state database
    # says that there was a first admin.
    if not directory.has_data() and _records(settings, directory):
        raise ConfigurationError(
            f"The data of the embedded directory ({directory.data_dir}) is gone, although it had "
            f"admins: {_WHAT_TO_DO}"
        )


def refuse_empty_directory(settings: Settings, directory: EmbeddedDirectory) -> None:
    """Raise `ConfigurationError` if the directory has had admins and now has no entries."""
    if _records(settings, directory) and not directory.has_entries():
        raise ConfigurationError(
            f"The embedded directory ({directory.data_dir}) has neither users nor roles, although "
            f"it had admins: {_WHAT_TO_DO}"
        )


def warn_of_lost_admins(services: Services) -> None:
    """Log an error if the store, of any kind, has had admins and has no admin role."""
    try:
        with deadline(services.settings.server.request_deadline_s):
            is_lost = services.bootstrap.has_record() and services.store.admin_role() is None
    except MiLdapError:
        return
    if is_lost:
        log.error(
            "admin_role_lost",
            role=services.settings.super_admin.admin_role,
            hint="an admin was created before, and there is no such role: restore "
            f"{services.settings.admin_role_place}, or: mi-ldap recover-admin NAME",
        )


def forget_directory(settings: Settings, directory: EmbeddedDirectory) -> None:
    """Let the next start create an empty directory; rename what is left of the old one.

    Raises:
        ConfigurationError: the service is running, or the directory still has its data.
    """
    with held_state_folder(settings.state_dir):
        if directory.has_data() and _has_entries_when_started(directory):
            raise ConfigurationError(
                f"The embedded directory has its data: move {directory.data_dir} away first, if it "
                "is to be given up."
            )
        options = settings.audit
        audit = configured_audit_log(
            settings.state_dir, options.file, options.max_bytes, options.keep
        )
        with audit.change(
            f"{getpass.getuser()} on this machine",
            "recovered",
            "admin",
            {"newDirectory": directory.suffix},
        ):
            for path in (directory.data_dir, *_hybrid_roles_files(settings)):
                if path.exists():
                    path.rename(f"{path}.old-{time.strftime('%Y%m%dT%H%M%S')}")
            with closing(StateDatabase(settings.state_dir / "state.sqlite")) as state:
                state.delete(_records_in(state, directory))


def _hybrid_roles_files(settings: Settings) -> list[Path]:
    """Return the service's own file of hybrid roles, with those that SQLite keeps beside it."""
    # Its admins are users of the lost directory. No login would become the first admin.
    file = settings.hybrid_roles_file
    return [Path(f"{file}{suffix}") for suffix in ("", "-wal", "-shm")] if file else []


def _has_entries_when_started(directory: EmbeddedDirectory) -> bool:
    # Only slapd can read its database.
    with directory:
        return directory.has_entries()


def _records(settings: Settings, directory: EmbeddedDirectory) -> list[str]:
    file = settings.state_dir / "state.sqlite"
    if not file.exists():
        return []
    with closing(StateDatabase(file)) as state:
        return _records_in(state, directory)


def _records_in(state: StateDatabase, directory: EmbeddedDirectory) -> list[str]:
    """Return the keys that record admins of an embedded directory with this suffix."""
    # Only keys of embedded directories end with a digest, see `wiring`.
    found = state.keys_with_prefix(f"{FIRST_ADMIN_KEY} {directory.group_base} ")
    return [key for key in found if re.search(" [0-9a-f]{12}$", key)]
