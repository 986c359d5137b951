"""`mi user`: the users of the selected service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mi_ldap.cli import output, prompts
from mi_ldap.cli.commands import Group, domain_option, not_empty, yes_option
from mi_ldap.cli.names import role_names, user_names
from mi_ldap.cli.options import Options, pass_options
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import without_primary

if TYPE_CHECKING:
    from mi_ldap.client.api import ManagementApi


@click.group(
    cls=Group,
    no_args_is_help=True,
    aliases={"add": "create", "remove": "delete"},
    examples=(
        ("mi user create bob", "asks for the password, and whether bob is an admin"),
        ("mi user show", "all users"),
        ("mi user show bob", "one user, with roles"),
        ("mi user show -r developers -p 'a*'", "users with a role whose names begin with a"),
        ("mi user import people.csv", "many users from a file"),
    ),
)
def user() -> None:
    """Create, delete, show and import users; set passwords."""


class _TrueOrFalse(click.types.BoolParamType):
    """A boolean argument with an error message of its own."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            raise click.UsageError(f"IS-ADMIN is true or false, not '{value}'.", ctx) from None


_user = click.argument("user", shell_complete=user_names, help="The user's name.")


@user.command(
    examples=(
        ("mi user create bob", "asks for the password twice, and whether bob is an admin"),
        ("mi user create bob < password.txt", "reads the password from the first line; no admin"),
        ("mi user create 'Last, First'", "a name with a space"),
    )
)
@click.argument("user", help="The new user's name.")
@click.argument(
    "password", required=False, help="Asked for if missing; others on the machine can see it here."
)
@click.argument(
    "is-admin",
    required=False,
    type=_TrueOrFalse(),
    metavar="[IS-ADMIN]",
    help="true or false; asked for if missing.",
)
@domain_option()
@pass_options
def create(options: Options, user: str, password: str | None, is_admin: bool | None) -> None:
    """Create a user. An admin can only be deleted by its creator."""
    with options.api() as api:
        if password is None:
            secret = prompts.ask_new_password(f"Password of {user}")
        else:
            prompts.note_visible_password()
            secret = password
        admin = (
            prompts.ask_yes_no(f"Is {user} an admin", "IS-ADMIN") if is_admin is None else is_admin
        )
        answer = api.create_user(user, secret, is_admin=admin)
    options.report_change(answer, f"{'Admin' if admin else 'User'} {user} was created.")


@user.command(
    examples=(
        ("mi user delete bob", "asks on a terminal"),
        ("mi user delete bob --yes", "does not ask"),
    )
)
@_user
@yes_option()
@domain_option()
@pass_options
def delete(options: Options, user: str, yes: bool) -> None:
    """Delete a user and all role memberships. An admin can only be deleted by its creator."""
    with options.api() as api:
        if prompts.must_confirm(is_confirmed=yes):
            found = api.user(user)
            kind, name = "admin" if found.get("isAdmin") else "user", found["userId"]
            prompts.confirm(
                f"Delete {kind} {name} and all role memberships? This cannot be undone."
            )
        answer = api.delete_user(user)
    options.report_change(answer, f"User {user} was deleted.")


@user.command(
    examples=(
        ("mi user show", "all users"),
        ("mi user show bob", "name, admin or not, roles, created by"),
        ("mi user show -r developers", "users with the role"),
        ("mi user show -p '*mi*'", "users with mi in their names, ignoring case"),
        ("mi user show -x '^[a-f]'", "users whose names begin with a to f"),
    )
)
@click.argument("user", required=False, shell_complete=user_names, help="One user's name.")
@click.option(
    "-r",
    "--role",
    metavar="ROLE",
    callback=not_empty,
    shell_complete=role_names,
    help="Users who have this role.",
)
@click.option(
    "-p",
    "--pattern",
    metavar="PATTERN",
    callback=not_empty,
    help="Users whose whole name matches, ignoring case: * is any number of characters, ? is one. "
    "Quote it, so that the shell does not expand it.",
)
@click.option(
    "-x",
    "--regex",
    metavar="EXPRESSION",
    callback=not_empty,
    help="Users whose name contains a match of this regular expression (RE2), with case.",
)
@domain_option()
@pass_options
def show(
    options: Options, user: str | None, role: str | None, pattern: str | None, regex: str | None
) -> None:
    """Show all users, those that match all conditions, or one."""
    if user is None:
        with options.api() as api:
            content, complete = api.users(role=role, pattern=pattern, regex=regex)
        options.show_names(content, "userId", complete=complete)
        return
    if role or pattern or regex:
        raise click.UsageError("Give a USER or conditions, not both.")
    with options.api() as api:
        _show_one(options, api.user(user))


@user.command(
    examples=(
        ("mi user password", "your own; asks for the current one, and twice for the new one"),
        ("mi user password bob", "of a user who is not an admin, or of an admin that you created"),
        ("mi user password --old carol", "of any user whose current password you know"),
    )
)
@click.argument("user", required=False, shell_complete=user_names, help="Yourself if missing.")
@click.option("--old", "with_old", is_flag=True, help="Ask for the current password too.")
@domain_option()
@pass_options
def password(options: Options, user: str | None, with_old: bool) -> None:
    """Set your own or another user's password. It is asked for, never an argument."""
    if user is None:
        # The name of the login contains its domain.
        options.domain = ""
    with options.api() as api:
        name = api.me if user is None else user
        # One's own password cannot be set without the old one, even by an admin.
        is_own = _is_same(api.qualified_user(name), api.me)
        old = (
            prompts.ask_password(f"Current password of {name}", "OLD")
            if is_own or with_old
            else None
        )
        new = prompts.ask_new_password(f"New password of {name}")
        answer = api.set_password(name, new, old)
        options.report_change(answer, f"The password of {name} was changed.")
        if is_own:
            _log_in_again(options, api, new)


def _is_same(name: str, other: str) -> bool:
    return folded(without_primary(name)) == folded(without_primary(other))


def _log_in_again(options: Options, api: ManagementApi, secret: str) -> None:
    """Log in with the new password: the change has invalidated the token."""
    from mi_ldap.client import tokens
    from mi_ldap.client.errors import ClientError

    selected_remote = options.selected_remote()
    try:
        tokens.store(
            selected_remote, tokens.Login(api.me, api.log_in(api.me, secret)["AccessToken"])
        )
    except ClientError as error:
        output.print_error(f"{error} Log in again with 'mi remote login' and the new password.")
        tokens.delete(selected_remote.name)


def _show_one(options: Options, found: dict[str, Any]) -> None:
    roles = [str(role) for role in found.get("roles", [])]
    creator = str(found.get("createdBy") or "")
    name, is_admin = str(found.get("userId")), bool(found.get("isAdmin"))
    details = {
        "User": name,
        "Admin": "yes" if is_admin else "no",
        "Roles": roles,
        "Created by": creator or "not recorded",
    }
    headings = ["userId", "isAdmin", "roles", "createdBy"]
    row = [name, is_admin, ";".join(roles), creator]
    options.show(found, headings, [row], lambda: output.show_details(details))
