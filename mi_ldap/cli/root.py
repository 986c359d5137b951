"""The command `mi`, and its subcommands that belong to no group."""

from __future__ import annotations

import click

from mi_ldap import __version__
from mi_ldap.cli import output
from mi_ldap.cli.artifact import group_of
from mi_ldap.cli.commands import Group
from mi_ldap.cli.csv_import import import_users
from mi_ldap.cli.kinds import ARTIFACTS, LOGGERS, LOGS
from mi_ldap.cli.log import download, update
from mi_ldap.cli.node import node
from mi_ldap.cli.options import Options, pass_options
from mi_ldap.cli.remote import remote
from mi_ldap.cli.role import role
from mi_ldap.cli.transaction import transaction
from mi_ldap.cli.user import user

_NOTES = (
    (
        "Exit status",
        "0 done; 1 refused or failed; 2 wrong usage; 3 no connection, or an untrusted certificate; "
        "130 interrupted; 141 the pipe was closed.",
    ),
    (
        "Files",
        "$XDG_CONFIG_HOME/mi-ldap/remotes.json (~/.config) has the remotes and the trusted "
        "certificates; $XDG_STATE_HOME/mi-ldap/tokens.json (~/.local/state) the tokens of logins, "
        "with mode 0600. Passwords are not stored.",
    ),
    (
        "Names",
        "Quote names with spaces or *. Write -- before a name that begins with -: "
        "mi user show -- -x.",
    ),
    ("Environment", "NO_COLOR: plain text. HTTPS_PROXY, NO_PROXY: proxy for other machines."),
)


@click.group(
    "mi",
    cls=Group,
    no_args_is_help=True,
    # The names that scripts for WSO2's CLIs have.
    aliases={alias: kind.command for kind in (*ARTIFACTS, LOGS) for alias in kind.aliases},
    notes=_NOTES,
    examples=(
        ("mi remote trust", "show the certificate of https://localhost:9164, and trust it"),
        ("mi remote login admin", "log in; asks for the password"),
        ("mi user create bob", "create a user"),
        ("mi user show -p '*b*'", "all users with a b in their names"),
        ("mi role assign bob developers testers", "assign two roles"),
        ("mi user show --format csv > users.csv", "write a list as CSV"),
        ("mi endpoint show --node mi-2", "the endpoints of a Micro Integrator"),
        ("mi log download wso2carbon.log", "a log file, into this folder"),
    ),
)
@click.version_option(__version__, prog_name="mi", message="%(prog)s %(version)s")
def mi() -> None:
    """Manage the users and roles of Micro Integrators, and their artifacts and logs.

    A remote is a service: 'default' is https://localhost:9164. After a login, all other commands
    use the selected remote.
    """


user.add_command(import_users)
for group in (
    *(remote, user, role, node, transaction),
    *(group_of(kind) for kind in ARTIFACTS),
    *(group_of(LOGS, download), group_of(LOGGERS, update)),
):
    mi.add_command(group)


@mi.command(examples=(("mi version", "prints the version"),))
@pass_options
def version(options: Options) -> None:
    """Print the version of mi."""
    options.report_change({"mi": __version__}, f"mi {__version__}")


@mi.command(
    examples=(
        ('eval "$(mi completion bash)"', "in ~/.bashrc"),
        ('eval "$(mi completion zsh)"', "in ~/.zshrc, after compinit"),
        ("mi completion fish | source", "in ~/.config/fish/config.fish"),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), help="The shell.")
def completion(shell: str) -> None:
    """Print the shell code that completes commands and names."""
    from mi_ldap.cli.completion import script

    output.print_raw(script(mi, shell))
