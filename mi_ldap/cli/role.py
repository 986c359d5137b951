"""`mi role`: the roles of the selected service, and their assignments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mi_ldap.cli import output, prompts
from mi_ldap.cli.commands import Group, domain_option, yes_option
from mi_ldap.cli.names import role_names, user_names
from mi_ldap.cli.options import Options, pass_options
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import (
    full_role_name,
    is_hybrid_name,
    is_primary,
    role_of_domain,
    without_primary,
)

if TYPE_CHECKING:
    from mi_ldap.client.api import ManagementApi


@click.group(
    cls=Group,
    no_args_is_help=True,
    aliases={"add": "create", "remove": "delete", "give": "assign", "take": "revoke"},
    examples=(
        ("mi role create developers", "a role without users"),
        ("mi role assign bob developers testers", "assign both to bob, or none if one is wrong"),
        ("mi role show developers", "the users with the role"),
    ),
)
def role() -> None:
    """Create, delete, show, assign and revoke roles."""


_role = click.argument("role", shell_complete=role_names, help="The role's name.")
_roles = click.argument(
    "roles",
    metavar="ROLE...",
    nargs=-1,
    required=True,
    # A role that is given twice is sent and reported once.
    callback=lambda _ctx, _parameter, roles: tuple(dict.fromkeys(roles)),
    shell_complete=role_names,
    help="Roles.",
)
_user = click.argument("user", shell_complete=user_names, help="The user's name.")


@role.command(examples=(("mi role create developers", "a role without users"),))
@click.argument("role", help="The new role's name.")
@domain_option()
@pass_options
def create(options: Options, role: str) -> None:
    """Create a role."""
    with options.api() as api:
        answer = api.create_role(role)
    options.report_change(answer, f"Role {role} was created.")
    if answer.get("warning"):
        output.print_error(f"Warning: {answer['warning']}")


@role.command(examples=(("mi role delete developers", "asks on a terminal"),))
@_role
@yes_option()
@domain_option()
@pass_options
def delete(options: Options, role: str, yes: bool) -> None:
    """Delete a role and all its memberships."""
    with options.api() as api:
        if prompts.must_confirm(is_confirmed=yes):
            found, _ = api.role(role)
            count = len(found["users"])
            members = f"its {count} membership{'' if count == 1 else 's'}"
            prompts.confirm(f"Delete role {found['role']} and {members}? This cannot be undone.")
        answer = api.delete_role(role)
    options.report_change(answer, f"Role {role} was deleted.")


@role.command(
    examples=(
        ("mi role show", "all roles"),
        ("mi role show developers", "the users with the role"),
        ("mi role show Internal/everyone", "all users"),
    )
)
@click.argument("role", required=False, shell_complete=role_names, help="One role's name.")
@domain_option()
@pass_options
def show(options: Options, role: str | None) -> None:
    """Show all roles, or the users of one."""
    with options.api() as api:
        if role is None:
            content, complete = api.roles()
            options.show_names(content, "role", complete=complete)
            return
        found, complete = api.role(role)
    name, users = str(found.get("role")), [str(user) for user in found.get("users", [])]
    details = {"Role": name, "Users": users or "nobody"}
    rows = ([name, user] for user in users)
    options.show(found, ["role", "user"], rows, lambda: output.show_details(details))
    if not complete:
        options.report_incomplete()


@role.command(
    examples=(("mi role assign bob developers testers", "both, or none if one is wrong"),)
)
@_user
@_roles
@domain_option()
@pass_options
def assign(options: Options, user: str, roles: tuple[str, ...]) -> None:
    """Assign roles to a user. Roles that the user already has are skipped."""
    _ensure_domain_of_user(options.domain, roles)
    with options.api() as api:
        answer = api.change_roles(user, assign=roles)
    what = "role" if len(roles) == 1 else "roles"
    options.report_change(answer, f"{user} now has the {what} {_listed(roles)}.")


@role.command(
    examples=(
        ("mi role revoke bob testers", "bob keeps all others"),
        ("mi role revoke carol admin", "asks on a terminal; carol is no longer an admin"),
    )
)
@_user
@_roles
@yes_option()
@domain_option()
@pass_options
def revoke(options: Options, user: str, roles: tuple[str, ...], yes: bool) -> None:
    """Revoke roles from a user. Roles that the user does not have are skipped."""
    _ensure_domain_of_user(options.domain, roles)
    with options.api() as api:
        # Only users of the primary store are admins.
        if is_primary(options.domain) and prompts.must_confirm(is_confirmed=yes):
            _confirm_admin(api, user, roles)
        answer = api.change_roles(user, revoke=roles)
    options.report_change(answer, f"Revoked {_listed(roles)} from {user}.")


def _ensure_domain_of_user(domain: str, roles: tuple[str, ...]) -> None:
    """Raise an error for the domain of hybrid roles, which is no user store."""
    if is_hybrid_name(f"{domain.strip()}/"):
        raise click.UsageError(
            f"--domain is the store of the user: name the role {role_of_domain(roles[0], domain)}."
        )


def _confirm_admin(api: ManagementApi, user: str, roles: tuple[str, ...]) -> None:
    """Ask for confirmation if the admin role is among the roles to revoke."""
    # `folded` only approximates the directory's comparison, which is enough for a question.
    admin_role = folded(api.rules().admin_role)
    if admin_role not in {folded(full_role_name(role)) for role in roles}:
        return
    name = str(api.user(user)["userId"])
    if folded(name) == folded(without_primary(api.me)):
        prompts.confirm("Revoke the admin role from yourself? You will be logged out everywhere.")
    else:
        prompts.confirm(f"Revoke the admin role from {name}? {name} will be logged out everywhere.")


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
