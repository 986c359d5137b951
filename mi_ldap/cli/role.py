"""`mi role`: the roles of the selected service, and who holds them."""

from __future__ import annotations

import click

from mi_ldap.cli import output
from mi_ldap.cli.commands import Group, domain_option
from mi_ldap.cli.names import role_names, user_names
from mi_ldap.cli.options import Options, pass_options


@click.group(
    cls=Group,
    no_args_is_help=True,
    examples=(
        ("mi role add developers", "make a role"),
        ("mi role assign bob developers testers", "give bob two of them, or none if one is wrong"),
        ("mi role show developers", "who holds it"),
    ),
)
def role() -> None:
    """Roles: add, remove, show, and who holds them."""


_role = click.argument("role", shell_complete=role_names, help="The role's name.")
_roles = click.argument(
    "roles",
    metavar="ROLE...",
    nargs=-1,
    required=True,
    callback=lambda _ctx, _parameter, roles: tuple(dict.fromkeys(roles)),
    shell_complete=role_names,
    help="Roles.",
)
_user = click.argument("user", shell_complete=user_names, help="The user's name.")


@role.command(examples=(("mi role add developers", "nobody holds it yet"),))
@click.argument("role", help="The new role's name.")
@domain_option()
@pass_options
def add(options: Options, role: str) -> None:
    """Make a role."""
    with options.api() as api:
        answer = api.add_role(role)
    options.done(answer, f"Role {role} was added.")
    if answer.get("warning"):
        output.complain(f"Warning: {answer['warning']}")


@role.command(examples=(("mi role remove developers", "nobody holds it any longer"),))
@_role
@domain_option()
@pass_options
def remove(options: Options, role: str) -> None:
    """Remove a role."""
    with options.api() as api:
        answer = api.remove_role(role)
    options.done(answer, f"Role {role} was removed.")


@role.command(
    examples=(
        ("mi role show", "all roles"),
        ("mi role show developers", "who holds it"),
        ("mi role show Internal/everyone", "everybody"),
    )
)
@click.argument("role", required=False, shell_complete=role_names, help="One role's name.")
@domain_option()
@pass_options
def show(options: Options, role: str | None) -> None:
    """Show all roles, or who holds one."""
    with options.api() as api:
        if role is None:
            content, complete = api.roles()
            options.names(content, "role", complete=complete)
            return
        found = api.role(role)
    users = [str(user) for user in found.get("users", [])]
    if options.form == "json":
        output.show_json(found)
    elif options.form == "csv":
        output.show_csv(["role", "user"], ([str(found.get("role")), user] for user in users))
    else:
        output.show_facts({"Role": str(found.get("role")), "Users": users or "nobody"})


@role.command(
    examples=(("mi role assign bob developers testers", "both, or none if one is wrong"),)
)
@_user
@_roles
@domain_option()
@pass_options
def assign(options: Options, user: str, roles: tuple[str, ...]) -> None:
    """Give a user roles; those held already are no error."""
    with options.api() as api:
        answer = api.change_roles(user, add=roles)
    options.done(answer, f"User {user} holds {_listed(roles)}.")


@role.command(examples=(("mi role revoke bob testers", "bob keeps all others"),))
@_user
@_roles
@domain_option()
@pass_options
def revoke(options: Options, user: str, roles: tuple[str, ...]) -> None:
    """Take roles from a user; those not held are no error."""
    with options.api() as api:
        answer = api.change_roles(user, remove=roles)
    options.done(answer, f"User {user} doesn't hold {_listed(roles)} any longer.")


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
