"""The commands of `mi-ldap`; in a checkout, of `scripts/serve`."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from mi_ldap import __version__
from mi_ldap.errors import ConfigurationError, MiLdapError

if TYPE_CHECKING:
    from mi_ldap.settings import Settings
    from mi_ldap.sql.config import DatabaseConfig


class _Group(click.Group):
    """Our errors are sentences on stderr and status 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MiLdapError as error:
            click.echo(str(error), err=True)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"{error.filename} cannot be used: {error.strerror}.", err=True)
        sys.exit(1)


@click.group("mi-ldap", cls=_Group, invoke_without_command=True)
@click.version_option(__version__, prog_name="mi-ldap", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Manage users and roles through WSO2 Micro Integrator's management API.

    In a checkout, write scripts/serve COMMAND in place of mi-ldap COMMAND.
    """
    if context.invoked_subcommand is None:
        context.invoke(serve)


@main.command()
def serve() -> None:
    """Run the service in the foreground (the default)."""
    # Until the supervisor has its own handler: SIGHUP must never stop the service.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = _load()
    # Imported by the command that needs it, so that the others start faster.
    from mi_ldap.serving.service import serve as run

    sys.exit(run(settings))


@main.command("check-config")
@click.option("--connect", is_flag=True, help="Also read the user store, as GET /ready does.")
def check_config(connect: bool) -> None:
    """Check the configuration.

    Nothing is started. Exit status 1, with the reason, if the configuration cannot be used.
    """
    settings = _load_quietly()
    from mi_ldap.serving.service import check_files

    check_files(settings)
    for note in settings.notes:
        click.echo(note, err=True)
    if connect:
        from mi_ldap.serving.recovery import check_store

        try:
            unavailable = check_store(settings)
        except MiLdapError as error:
            raise ConfigurationError(f"{error} For details run: mi-ldap doctor") from None
        click.echo(f"The {'database' if settings.is_database else 'directory'} can be used.")
        for sentence in unavailable:
            click.echo(sentence, err=True)
    source = settings.config_file or "the defaults and the environment"
    click.echo(f"The configuration is valid ({source}).")


@main.command("config-dir")
def config_dir() -> None:
    """Print the path of the folder config/.

    Messages and docs name its files: the example configurations, the LDIF of rights, the schemas.
    """
    from mi_ldap.locations import config_dir as find

    click.echo(find())


@main.command("recover-admin")
@click.argument("name")
@click.option("--set-password", is_flag=True, help="Also ask for a new password, unseen.")
@click.option("--adopt", is_flag=True, help="Make NAME the custodian of admins without one.")
@click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
def recover_admin(name: str, set_password: bool, adopt: bool, yes: bool) -> None:
    """Make the existing user NAME an admin.

    For the operator of this machine, when no admin can log in. Written to the audit log.
    """
    settings = _load_quietly()
    from mi_ldap.serving.recovery import recover_admin as recover

    recover(settings, name, set_password=set_password, adopt=adopt, yes=yes)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.option("--fix-members", is_flag=True, help="Remove dangling members from groups.")
@click.option("--yes", is_flag=True, help="Do not ask before --fix-members.")
def doctor(as_json: bool, fix_members: bool, yes: bool) -> None:
    """Check the directory or database and report what to correct.

    The exit status is that of the worst finding: 0 pass, 1 warn, 2 fail.
    """
    from mi_ldap.serving.doctor_command import examine
    from mi_ldap.serving.recovery import reachable_services

    options = {"as_json": as_json, "fix_members": fix_members, "yes": yes}
    sys.exit(examine(_settings, reachable_services, **options))


@main.group()
def database() -> None:
    """Create or check the tables in a database.

    With a directory: the tables of hybrid roles in the [[datasource]].
    """


@database.command("create")
def create_database() -> None:
    """Create the tables that are missing.

    No table is changed or dropped. The database itself and the account must exist.
    """
    config, only_hybrid = _database_config()
    from mi_ldap.serving.database_tables import create_tables

    create_tables(config, only_hybrid=only_hybrid)


@database.command("check")
def check_database() -> None:
    """Report missing tables, columns and indexes.

    The exit status is that of the worst finding: 0 pass, 1 warn, 2 fail.
    """
    config, only_hybrid = _database_config()
    from mi_ldap.serving.database_tables import check_tables

    sys.exit(check_tables(config, only_hybrid=only_hybrid))


@main.command("rotate-key")
def rotate_key() -> None:
    """Create a new key for signing tokens.

    It is used from the next start on. Older tokens stay valid until they expire.
    """
    settings = _load()
    from mi_ldap.state.signing_keys import rotate_key as rotate

    if settings.management_api.jwt_token_security_handler.token_config.key is not None:
        raise ConfigurationError("The token key is configured: change it there, and start again.")
    kid = rotate(settings.state_dir / "signing-keys")
    click.echo(f"Key {kid} signs from the next start on.")


@main.command("new-directory")
@click.option("--yes", is_flag=True, help="Do not ask whether to go on.")
def new_directory(yes: bool) -> None:
    """Replace a lost embedded directory.

    The next start creates an empty one. What is left of the old data is kept aside.
    """
    settings = _load()
    if not settings.is_embedded:
        key = "datasource.url" if settings.is_database else "user_store.connection_url"
        raise ConfigurationError(f"There is no embedded directory: {key} names a store of its own.")
    from mi_ldap.serving.embedded_slapd import embedded_directory
    from mi_ldap.serving.lost_directory import forget_directory

    if not yes:
        question = "The next start begins with an empty directory and without admins. Continue?"
        click.confirm(question, abort=True)
    forget_directory(settings, embedded_directory(settings))
    click.echo(
        "The next start creates an empty directory; the first login creates its first admin."
    )


def create_app() -> Any:
    """The application for `gunicorn 'app:create_app()'`, on a directory that the settings name.

    Raises:
        AppImportError: gunicorn's, which shows the sentence and ends.
    """
    from gunicorn.errors import AppImportError

    try:
        settings = _load()
        if settings.is_embedded:
            raise ConfigurationError(
                "The embedded directory is started by `mi-ldap serve`: run that instead, "
                "or set user_store.connection_url."
            )
        return _application(settings)
    except MiLdapError as error:
        raise AppImportError(str(error)) from None


def _application(settings: Settings) -> Any:
    from mi_ldap import web, wiring
    from mi_ldap.serving.state_folder import prepare_state_folder

    os.umask(0o077)
    prepare_state_folder(settings.state_dir)
    return web.create_app(wiring.services(settings))


def _database_config() -> tuple[DatabaseConfig, bool]:
    """Return the configured database, and whether it is for hybrid roles alone."""
    settings = _load_quietly()
    if not (settings.is_database or settings.has_hybrid_database):
        raise ConfigurationError(
            "The configuration names no database: this command is for user_store.type = "
            '"database", or for a [[datasource]] of hybrid roles beside a directory.'
        )
    from mi_ldap.wiring import database_config

    return database_config(settings), settings.has_hybrid_database


def _load() -> Settings:
    from mi_ldap.serving.logs import configure_logging

    settings = _settings()
    configure_logging(settings.server.log_level)
    return settings


def _load_quietly() -> Settings:
    """Load the settings for a command that prints its result: only warnings are logged."""
    from mi_ldap.serving.logs import configure_logging

    settings = _settings()
    level = settings.server.log_level
    configure_logging("warning" if level == "info" else level)
    return settings


def _settings() -> Settings:
    from mi_ldap.settings import load_settings

    return load_settings()
