"""`mi-ldap recover-admin`: break-glass from a terminal, also while the service runs."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click
import structlog

from mi_ldap import wiring
from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable, MiLdapError, ReadOnlyStore
from mi_ldap.model import User
from mi_ldap.services.container import Services
from mi_ldap.services.recovery import Recovery
from mi_ldap.serving.embedded_slapd import embedded_directory, started_directory
from mi_ldap.serving.state_folder import prepare_state_folder
from mi_ldap.settings import Settings

TIMEOUT_S = 30.0
"""Timeout of the user store's operations between two questions, in seconds."""


def recover_admin(
    settings: Settings, name: str, *, set_password: bool, adopt: bool, yes: bool
) -> None:
    """Assign the admin role to an existing user, and do what else the options ask for.

    Raises:
        MiLdapError: a step failed, and changed nothing.
    """
    prepare_state_folder(settings.state_dir)
    structlog.contextvars.bind_contextvars(client="local")
    with reachable_services(settings) as services, closing(services):
        operator = f"{getpass.getuser()} on this machine"
        recovery = Recovery(services.store, services.audit, services.rules, operator)
        with deadline(TIMEOUT_S):
            user = recovery.find(name)
        if set_password and not services.store.writable:  # before a password is asked for
            raise ReadOnlyStore
        _confirm(user.name, set_password=set_password, adopt=adopt, yes=yes)
        password = _ask_password() if set_password else None
        with deadline(TIMEOUT_S):
            _recover(recovery, user, password, adopt=adopt)


def check_store(settings: Settings) -> list[str]:
    """Check the user store as `GET /ready` does; return a sentence for each other store that fails.

    Raises:
        MiLdapError: the service cannot use the user store, with the reason.
    """
    prepare_state_folder(settings.state_dir)
    with reachable_services(settings) as services, closing(services):
        with deadline(TIMEOUT_S):
            services.store.check()
        return [*_unavailable(services)]


def _unavailable(services: Services) -> Iterator[str]:
    checks = {f"The user store {name}": each.check for name, each in services.secondaries.items()}
    if services.hybrid:
        checks["The store of hybrid roles"] = services.hybrid.check
    for what, check in checks.items():
        try:
            with deadline(TIMEOUT_S):
                check()
        except MiLdapError as error:
            yield f"{what} cannot be used: {error}"


def _recover(recovery: Recovery, user: User, password: str | None, *, adopt: bool) -> None:
    if password is not None:
        recovery.set_password(user, password)
        click.echo(f"The password of {user.name} is set.")
    is_new = recovery.assign_admin_role(user)
    click.echo(f"{user.name} is {'now' if is_new else 'already'} an admin.")
    if adopt:
        adopted = recovery.adopt(user)
        names = ", ".join(adopted) or "nobody, because every admin has one"
        click.echo(f"{user.name} is now the custodian of {names}.")


def _confirm(name: str, *, set_password: bool, adopt: bool, yes: bool) -> None:
    acts = [f"make {name} an admin"]
    if set_password:
        acts.insert(0, f"set a new password for {name}")
    if adopt:
        acts.append(f"make {name} the custodian of every admin without one")
    if not yes:
        click.confirm(f"This will {', and '.join(acts)}. Continue?", abort=True)


def _ask_password() -> str:
    password: str = click.prompt("New password", hide_input=True, confirmation_prompt=True)
    return password


@contextmanager
def reachable_services(settings: Settings) -> Iterator[Services]:
    """Yield the services; run the embedded directory for the block if no service runs it."""
    if not settings.is_embedded:
        yield wiring.services(settings)
        return
    directory = embedded_directory(settings)
    # Only one slapd may run in the folder, so that of a running service is used.
    if _answers(settings, directory):
        yield wiring.services(settings, directory)
        return
    with started_directory(settings) as directory:
        yield wiring.services(settings, directory)


def _answers(settings: Settings, directory: EmbeddedDirectory) -> bool:
    if not directory.socket_file.exists() or not directory.service_password_file.exists():
        return False
    try:
        wiring.services(settings, directory).store.check()
    except DirectoryUnavailable:  # a service that was killed leaves its socket
        return False
    return True
