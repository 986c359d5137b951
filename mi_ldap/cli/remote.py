"""`mi remote`: the known services, the selected one, and logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi_ldap.cli import output, prompts
from mi_ldap.cli.commands import Group
from mi_ldap.cli.names import remote_names
from mi_ldap.cli.options import Options, pass_options

if TYPE_CHECKING:
    from mi_ldap.client.certificates import ServerCertificate
    from mi_ldap.client.remotes import Remote, Remotes


@click.group(
    cls=Group,
    no_args_is_help=True,
    examples=(
        ("mi remote add prod mi.example.org 9164", "a service, under a name that you choose"),
        ("mi remote trust prod", "show its certificate, and trust it"),
        ("mi remote select prod", "use it for the following commands"),
        ("mi remote login alice", "log in to it"),
    ),
)
def remote() -> None:
    """Manage services and logins."""


_name = click.argument("name", shell_complete=remote_names, help="Your own name for the service.")
_new_name = click.argument("name", help="Your own name for the service.")
_host = click.argument("host", help="A host name or address, without https://.")
_port = click.argument("port", type=int, help="The port of the management API, usually 9164.")


@remote.command(
    examples=(
        (
            "mi remote add prod mi.example.org 9164",
            "the system's authorities verify the certificate",
        ),
        ("mi remote add lab 10.0.0.7 9164 --ca lab-ca.pem", "with an authority of your own"),
    )
)
@_new_name
@_host
@_port
@pass_options
def add(options: Options, name: str, host: str, port: int) -> None:
    """Add a service. With --ca its certificate is always verified with that file."""
    from mi_ldap.client import remotes

    new = _with_ca(remotes.remote_at(name, host, port), options)
    with remotes.edit() as stored:
        stored.add(new)
    options.report_change(_described(new), f"Remote {name} was added: {new.url}.")


@remote.command(examples=(("mi remote remove prod", "deletes its stored login, too"),))
@_name
@pass_options
def remove(options: Options, name: str) -> None:
    """Remove a service and its stored login. Log out first to revoke the token."""
    from mi_ldap.client import remotes, tokens

    with remotes.edit() as stored:
        was_selected = stored.selected == name
        stored.remove(name)
    tokens.delete(name)
    also = f" '{stored.selected}' is selected now." if was_selected else ""
    options.report_change(
        {"remote": name, "status": "Removed"}, f"Remote {name} was removed.{also}"
    )


@remote.command(
    examples=(
        ("mi remote update default mi.example.org 9164", "the service that mi uses by default"),
    )
)
@_name
@_host
@_port
@pass_options
def update(options: Options, name: str, host: str, port: int) -> None:
    """Change the address of a service. Its login and trusted certificate are removed."""
    from mi_ldap.client import remotes, tokens

    where = remotes.remote_at(name, host, port)
    with remotes.edit() as stored:
        moved = where if stored.get(name).url != where.url else stored.get(name)
        moved = _with_ca(moved, options)
        stored.put(moved)
    if tokens.stored_login(moved) is None:
        # It would not be sent to the new address anyway.
        tokens.delete(name)
    options.report_change(_described(moved), f"Remote {name} was updated: {moved.url}.")


@remote.command(examples=(("mi remote show", "* is the selected one"),))
@pass_options
def show(options: Options) -> None:
    """Show all services and logins."""
    from mi_ldap.client import remotes

    stored = remotes.load()
    rows = [_row(each, stored) for each in stored.by_name.values()]
    headings = ["", "REMOTE", "ADDRESS", "LOGGED IN", "CERTIFICATE"]
    options.show(
        rows,
        list(rows[0]),
        (list(row.values()) for row in rows),
        lambda: output.show_table(headings, map(_cells, rows)),
    )


@remote.command(examples=(("mi remote select prod", "use prod for the following commands"),))
@_name
@pass_options
def select(options: Options, name: str) -> None:
    """Select the service that commands use."""
    from mi_ldap.client import remotes

    with remotes.edit() as stored:
        selected_remote = stored.get(name)
        stored.selected = name
    options.report_change(
        _described(selected_remote), f"Remote {name} is selected: {selected_remote.url}."
    )


@remote.command(
    examples=(
        ("mi remote login", "asks for both"),
        ("mi remote login alice", "asks for the password"),
        ("mi remote login alice < password.txt", "reads the password from the first line"),
    )
)
@click.argument("user", required=False, help="Asked for if missing.")
@click.argument(
    "password", required=False, help="Asked for if missing; others on the machine can see it here."
)
@pass_options
def login(options: Options, user: str | None, password: str | None) -> None:
    """Log in to the selected service. Stores the token, not the password."""
    from mi_ldap.client import tokens
    from mi_ldap.client.api import ManagementApi

    selected_remote = options.selected_remote()
    if password is not None:
        prompts.note_visible_password()
    name = user or prompts.ask_text("User", "USER")
    secret = prompts.ask_password("Password", "PASSWORD") if password is None else password
    with ManagementApi(options.connection(selected_remote)) as api:
        result = api.log_in(name, secret)
    tokens.store(selected_remote, tokens.Login(name, result["AccessToken"]))
    sentence = f"Logged in to {selected_remote.name} ({selected_remote.url}) as {name}."
    options.report_change({"remote": selected_remote.name, "user": name}, sentence)
    if result.get("Warning"):
        output.print_error(str(result["Warning"]))


@remote.command(examples=(("mi remote logout", "revokes the token"),))
@pass_options
def logout(options: Options) -> None:
    """Log out of the selected service, and revoke the token."""
    from mi_ldap.client import tokens
    from mi_ldap.client.errors import ClientError, LoginNeeded, NoConnection

    selected_remote = options.selected_remote()
    try:
        with options.api() as api:
            api.log_out()
    except LoginNeeded:
        raise
    except ClientError as error:
        raise NoConnection(
            f"Logged out here only; the token is valid in {selected_remote.name} until it expires: "
            f"{error}"
        ) from None
    finally:
        # Whatever the service says, this machine must not keep the token.
        tokens.delete(selected_remote.name)
    options.report_change(
        {"remote": selected_remote.name, "status": "Logged out"},
        f"Logged out of {selected_remote.name}.",
    )


@remote.command(
    examples=(
        ("mi remote trust", "the certificate of the selected service"),
        ("openssl x509 -noout -fingerprint -sha256 -in FILE", "the fingerprint to compare with"),
    )
)
@click.argument(
    "name", required=False, shell_complete=remote_names, help="The selected one if missing."
)
@click.option("--yes", is_flag=True, help="Don't ask. An attacker on the network could be trusted.")
@pass_options
def trust(options: Options, name: str | None, yes: bool) -> None:
    """Show the certificate of a service, and trust only this one.

    For certificates that no known authority has signed. Compare the fingerprint with that of the
    service's certificate file before you confirm.
    """
    from dataclasses import replace

    from mi_ldap.client import remotes
    from mi_ldap.client.certificates import fetch_certificate

    if options.ca or options.insecure:
        raise click.UsageError("The shown certificate is the one to trust: leave out --ca and -k.")
    selected_remote = remotes.load().get(name or options.remote)
    shown = fetch_certificate(selected_remote, options.timeout_s)
    _show_certificate(selected_remote, shown)
    if not yes and not prompts.ask_yes_no(f"Trust it for {selected_remote.name}", ""):
        raise click.ClickException("Nothing was changed: answer yes, or use --yes.")
    with remotes.edit() as stored:
        # Another command may have changed the address while the person was asked.
        if stored.get(selected_remote.name) != selected_remote:
            raise click.ClickException(
                f"Remote {selected_remote.name} was changed in the meantime. Run the command again."
            )
        stored.put(replace(selected_remote, certificate=shown.pem, ca_file=None))
    result = {"remote": selected_remote.name, "sha256": shown.sha256, "status": "Trusted"}
    options.report_change(
        result, f"Remote {selected_remote.name} trusts that certificate now, and no other."
    )


def _show_certificate(selected_remote: Remote, shown: ServerCertificate) -> None:
    output.print_error(
        f"The certificate of {selected_remote.url}:\n"
        f"  SHA-256  {shown.sha256[:47]}\n"
        f"           {shown.sha256[48:]}\n"
        f"  names    {', '.join(shown.names) or 'none'}\n"
        f"  until    {shown.until:%Y-%m-%d}"
    )
    if selected_remote.certificate not in {None, shown.pem}:
        output.print_error(
            "It differs from the one you trusted: it was renewed, or an attacker is intercepting "
            "the connection."
        )


def _with_ca(remote: Remote, options: Options) -> Remote:
    """Return the remote with the absolute path of `--ca`, if it was given."""
    from dataclasses import replace
    from pathlib import Path

    if options.ca is None:
        return remote
    # Absolute, because later commands run in other folders.
    return replace(remote, ca_file=str(Path(options.ca).resolve()), certificate=None)


def _described(remote: Remote) -> dict[str, str]:
    return {"remote": remote.name, "url": remote.url}


def _row(remote: Remote, stored: Remotes) -> dict[str, str | bool]:
    from mi_ldap.client.tokens import stored_login

    login = stored_login(remote)
    return {
        **_described(remote),
        "user": login.user if login else "",
        "certificate": _trust_of(remote),
        "selected": remote.name == stored.selected,
    }


def _trust_of(remote: Remote) -> str:
    if remote.ca_file:
        return f"by {remote.ca_file}"
    return "the trusted one" if remote.certificate else "by the system"


def _cells(row: dict[str, str | bool]) -> list[str]:
    *cells, selected = row.values()
    return ["*" if selected else "", *map(str, cells)]
