"""`mi remote`: which services there are, which one is meant, and the login there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi_ldap.cli import asking, output
from mi_ldap.cli.commands import Group
from mi_ldap.cli.names import remote_names
from mi_ldap.cli.options import Options, pass_options

if TYPE_CHECKING:
    from mi_ldap.client.certificates import Shown
    from mi_ldap.client.remotes import Remote, Remotes


@click.group(
    cls=Group,
    no_args_is_help=True,
    examples=(
        ("mi remote add prod mi.example.org 9164", "a service, by a name of your own"),
        ("mi remote trust prod", "see its certificate, and trust it"),
        ("mi remote select prod", "what follows is for it"),
        ("mi remote login alice", "log in there"),
    ),
)
def remote() -> None:
    """Services, and the logins there."""


_name = click.argument("name", shell_complete=remote_names, help="Your own name for the service.")
_new_name = click.argument("name", help="Your own name for the service.")
_host = click.argument("host", help="A host name or address, without https://.")
_port = click.argument("port", type=int, help="The port of the management API, mostly 9164.")


@remote.command(
    examples=(
        ("mi remote add prod mi.example.org 9164", "the certificate is verified as usual"),
        ("mi remote add lab 10.0.0.7 9164 --ca lab-ca.pem", "against an authority of your own"),
    )
)
@_new_name
@_host
@_port
@pass_options
def add(options: Options, name: str, host: str, port: int) -> None:
    """Add a service. With --ca its certificate is verified by that file from now on."""
    from mi_ldap.client import remotes

    new = _with_ca(remotes.remote_at(name, host, port), options)
    with remotes.changing() as kept:
        kept.add(new)
    options.done(_described(new), f"Remote {name} was added: {new.url}.")


@remote.command(examples=(("mi remote remove prod", "its login is forgotten as well"),))
@_name
@pass_options
def remove(options: Options, name: str) -> None:
    """Remove a service, and what is kept of its login. Log out first to end that."""
    from mi_ldap.client import remotes, tokens

    with remotes.changing() as kept:
        was_selected = kept.selected == name
        kept.remove(name)
    tokens.forget(name)
    also = f" '{kept.selected}' is selected now." if was_selected else ""
    options.done({"remote": name, "status": "Removed"}, f"Remote {name} was removed.{also}")


@remote.command(
    examples=(("mi remote update default mi.example.org 9164", "what mi speaks to at first"),)
)
@_name
@_host
@_port
@pass_options
def update(options: Options, name: str, host: str, port: int) -> None:
    """Give a service another address. Login and trusted certificate don't move along."""
    from mi_ldap.client import remotes, tokens

    where = remotes.remote_at(name, host, port)
    with remotes.changing() as kept:
        moved = where if kept.get(name).url != where.url else kept.get(name)
        moved = _with_ca(moved, options)
        kept.put(moved)
    if tokens.login_of(moved) is None:
        # Were it kept, it would still not be sent elsewhere.
        tokens.forget(name)
    options.done(_described(moved), f"Remote {name} was updated: {moved.url}.")


@remote.command(examples=(("mi remote show", "* is the selected one"),))
@pass_options
def show(options: Options) -> None:
    """Show all services, and who is logged in where."""
    from mi_ldap.client import remotes

    kept = remotes.load()
    rows = [_row(each, kept) for each in kept.by_name.values()]
    if options.form == "json":
        output.show_json(rows)
    elif options.form == "csv":
        output.show_csv(list(rows[0]), (list(row.values()) for row in rows))
    else:
        headings = ["", "REMOTE", "ADDRESS", "LOGGED IN", "CERTIFICATE"]
        output.show_table(headings, map(_cells, rows))


@remote.command(examples=(("mi remote select prod", "what follows is for prod"),))
@_name
@pass_options
def select(options: Options, name: str) -> None:
    """Have all commands go to a service from now on."""
    from mi_ldap.client import remotes

    with remotes.changing() as kept:
        chosen = kept.get(name)
        kept.selected = name
    options.done(_described(chosen), f"Remote {name} is selected: {chosen.url}.")


@remote.command(
    examples=(
        ("mi remote login", "asks for both"),
        ("mi remote login alice", "asks for the password"),
        ("mi remote login alice < password.txt", "its first line is the password"),
    )
)
@click.argument("user", required=False, help="Asked for if missing.")
@click.argument(
    "password", required=False, help="Asked for if missing; others on the machine can see it here."
)
@pass_options
def login(options: Options, user: str | None, password: str | None) -> None:
    """Log in to the selected service. The token is kept, the password is not."""
    from mi_ldap.client import tokens
    from mi_ldap.client.api import ManagementApi

    chosen = options.chosen()
    if password is not None:
        asking.note_visible_password()
    name = user or asking.text("User", "USER")
    secret = asking.password("Password", "PASSWORD") if password is None else password
    with ManagementApi(options.connection(chosen)) as api:
        said = api.log_in(name, secret)
    tokens.keep(chosen, tokens.Login(name, said["AccessToken"]))
    sentence = f"Logged in to {chosen.name} ({chosen.url}) as {name}."
    options.done({"remote": chosen.name, "user": name}, sentence)
    if said.get("Warning"):
        output.print_error(str(said["Warning"]))


@remote.command(examples=(("mi remote logout", "the token is good for nothing after that"),))
@pass_options
def logout(options: Options) -> None:
    """End the login to the selected service, here and there."""
    from mi_ldap.client import tokens
    from mi_ldap.client.errors import ClientError, LoginNeeded, NoConnection

    chosen = options.chosen()
    try:
        with options.api() as api:
            api.log_out()
    except LoginNeeded:
        raise
    except ClientError as error:
        raise NoConnection(
            f"Logged out here; {chosen.name} was not told, where the token is good until it "
            f"expires: {error}"
        ) from None
    finally:
        tokens.forget(chosen.name)
    options.done({"remote": chosen.name, "status": "Logged out"}, f"Logged out of {chosen.name}.")


@remote.command(
    examples=(
        ("mi remote trust", "that of the selected service"),
        ("openssl x509 -noout -fingerprint -sha256 -in FILE", "what to compare with"),
    )
)
@click.argument(
    "name", required=False, shell_complete=remote_names, help="The selected one if missing."
)
@click.option("--yes", is_flag=True, help="Don't ask. You would trust whoever answers just now.")
@pass_options
def trust(options: Options, name: str | None, yes: bool) -> None:
    """Look at a service's certificate, and trust it and no other.

    For certificates that no known authority signed. Compare the fingerprint with that of the
    service's own file before you say yes.
    """
    from dataclasses import replace

    from mi_ldap.client import remotes
    from mi_ldap.client.certificates import shown_by

    if options.ca or options.insecure:
        raise click.UsageError("What you trust is what you look at: leave out --ca and -k.")
    chosen = remotes.load().get(name or options.remote)
    shown = shown_by(chosen, options.answer_s)
    if not yes:
        _ask(chosen, shown)
    with remotes.changing() as kept:
        if kept.get(chosen.name) != chosen:
            raise click.ClickException(f"Remote {chosen.name} was changed meanwhile: look again.")
        kept.put(replace(chosen, certificate=shown.pem, ca_file=None))
    said = {"remote": chosen.name, "sha256": shown.sha256, "status": "Trusted"}
    options.done(said, f"Remote {chosen.name} trusts that certificate now, and no other.")


def _ask(chosen: Remote, shown: Shown) -> None:
    output.print_error(
        f"The certificate of {chosen.url}:\n"
        f"  SHA-256  {shown.sha256[:47]}\n"
        f"           {shown.sha256[48:]}\n"
        f"  names    {', '.join(shown.names) or 'none'}\n"
        f"  until    {shown.until:%Y-%m-%d}"
    )
    if chosen.certificate not in {None, shown.pem}:
        output.print_error(
            "It differs from the one you trusted: it was renewed, or an attacker is intercepting "
            "the connection."
        )
    if not asking.yes(f"Trust it for {chosen.name}", ""):
        raise click.ClickException("Nothing was changed: say yes, or give --yes.")


def _with_ca(remote: Remote, options: Options) -> Remote:
    """With the authority that the command names, by a path that is good everywhere."""
    from dataclasses import replace
    from pathlib import Path

    if options.ca is None:
        return remote
    return replace(remote, ca_file=str(Path(options.ca).resolve()), certificate=None)


def _described(remote: Remote) -> dict[str, str]:
    return {"remote": remote.name, "url": remote.url}


def _row(remote: Remote, kept: Remotes) -> dict[str, str | bool]:
    from mi_ldap.client.tokens import login_of

    login = login_of(remote)
    return {
        **_described(remote),
        "user": login.user if login else "",
        "certificate": _trust_of(remote),
        "selected": remote.name == kept.selected,
    }


def _trust_of(remote: Remote) -> str:
    if remote.ca_file:
        return f"by {remote.ca_file}"
    return "the trusted one" if remote.certificate else "by the system"


def _cells(row: dict[str, str | bool]) -> list[str]:
    *cells, selected = row.values()
    return ["*" if selected else "", *map(str, cells)]
