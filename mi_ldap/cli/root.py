"""`mi` itself, and its commands that belong to no group."""

from __future__ import annotations

import click

from mi_ldap import __version__
from mi_ldap.cli import output
from mi_ldap.cli.commands import Group
from mi_ldap.cli.options import Options, pass_options
from mi_ldap.cli.remote import remote
from mi_ldap.cli.role import role
from mi_ldap.cli.user import user

_NOTES = (
    (
        "Exit status",
        "0 done; 1 refused or failed; 2 wrong usage; 3 no connection, or none to be trusted; "
        "130 interrupted; 141 the pipe was closed.",
    ),
    (
        "Files",
        "$XDG_CONFIG_HOME/mi-ldap/remotes.json (~/.config) has the remotes and the certificates "
        "that are trusted; $XDG_STATE_HOME/mi-ldap/tokens.json (~/.local/state) the tokens of "
        "logins, for you alone. Passwords are kept nowhere.",
    ),
    (
        "Names",
        "One with spaces or * belongs in quotes; before one that begins with - write --: "
        "mi user show -- -x.",
    ),
    ("Environment", "NO_COLOR: plain text. HTTPS_PROXY, NO_PROXY: the way to far services."),
)


@click.group(
    "mi",
    cls=Group,
    no_args_is_help=True,
    notes=_NOTES,
    examples=(
        ("mi remote trust", "look at the certificate of https://localhost:9164, and keep it"),
        ("mi remote login admin", "log in there; the password is asked for"),
        ("mi user add bob", "create a user"),
        ("mi user show -p '*b*'", "all users whose name has a b"),
        ("mi role assign bob developers testers", "assign two roles"),
        ("mi user show --format csv > users.csv", "a list for other programs"),
    ),
)
@click.version_option(__version__, prog_name="mi", message="%(prog)s %(version)s")
def mi() -> None:
    """Manage the users and roles of a Micro Integrator's user store.

    A remote is a service: 'default' is https://localhost:9164. Log in to one, and the commands on
    users and roles go there until you select another.
    """


mi.add_command(remote)
mi.add_command(user)
mi.add_command(role)


@mi.command(examples=(("mi version", "what this is"),))
@pass_options
def version(options: Options) -> None:
    """Say which version of mi this is."""
    options.done({"mi": __version__}, f"mi {__version__}")


@mi.command(
    examples=(
        ('eval "$(mi completion bash)"', "in ~/.bashrc"),
        ('eval "$(mi completion zsh)"', "in ~/.zshrc, after compinit"),
        ("mi completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
def completion(shell: str) -> None:
    """Print what makes the shell complete commands and names."""
    from mi_ldap.cli.completion import script

    output.say_raw(script(mi, shell))
