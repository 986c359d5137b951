"""Proving passwords, and setting them in each server's own way.

OpenLDAP takes RFC 3062. The others take a modification of their password's attribute: the value
replaced, it is a reset; the old value deleted and the new one added, a change that the policy
judges. Active Directory's is `unicodePwd`, over an encrypted connection ([MS-ADTS] §3.1.1.3.1.5).
All of them hash what they get.

A reset opens an account that failures have locked: OpenLDAP and 389 do so by themselves. It never
opens one that an administrator closed, which OpenLDAP's overlay ppolicy would do.
"""

from __future__ import annotations

from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.account_state import UNFINISHED
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.errors import Conflict, LoginRefused
from mi_ldap.ldap.bind_conditions import bind_condition
from mi_ldap.ldap.connection import LdapConnection, LdapError
from mi_ldap.ldap.controls import Policy
from mi_ldap.ldap.operations import Modification, Modify
from mi_ldap.model import AuthenticationResult, User

_UNICODE = "unicodePwd"
_NORMAL_ACCOUNT = "512"
"""ADS_UF_NORMAL_ACCOUNT in `userAccountControl` ([MS-ADTS] §2.2.16)."""
_UNLOCKED = ("lockoutTime", "0")
"""What an administrator writes to open an account that failures have locked."""


def authenticate(
    session: LdapConnection, profile: Profile, user: User, password: str
) -> AuthenticationResult:
    """One bind; it leaves the session the user's.

    Raises:
        LoginRefused: the password is wrong, or the account closed.
    """
    if not password or "\0" in password:
        raise LoginRefused  # an anonymous bind; and some servers read no further than a NUL
    try:
        said = session.bind(user.locator, password)
    except LdapError as refused:
        if bind_condition(refused, profile.bind) == "changeAfterReset":
            return AuthenticationResult(must_change=True)
        raise ldap_errors.login_error(refused, profile) from refused
    return _proof(said)


def reset(session: LdapConnection, tree: DirectoryLayout, user: User, new: str) -> None:
    """Set the password in the service's name; what was being made may then be used.

    Raises:
        PolicyRefused: the directory's policy says no, or it would open a closed account.
        Conflict: the user is gone; an entry made anew under its name is another user.
    """
    attribute = tree.profile.password_attribute
    is_new = user.revision.startswith(UNFINISHED)
    if not is_new and not tree.profile.by_guid:
        _check_entry(session, tree, user)
    if not attribute:
        return _exchange(session, tree.profile, user, new)
    changes = [Modification("replace", attribute, (_written(attribute, new),))]
    if attribute == _UNICODE:
        more = ("userAccountControl", _NORMAL_ACCOUNT) if is_new else _UNLOCKED
        changes.append(Modification("replace", more[0], (more[1],)))
    return _modify(session, tree, user, changes)


def change(session: LdapConnection, tree: DirectoryLayout, user: User, old: str, new: str) -> None:
    """Set the password in the user's own name, on a session that is the user's.

    Where the user must change it and may not bind until then, any session will do.

    Raises:
        LoginRefused: the old one is wrong.
        PolicyRefused: the directory's policy says no.
    """
    attribute = tree.profile.password_attribute
    if not attribute:
        return _exchange(session, tree.profile, user, new, old, own=True)
    changes = [
        Modification("delete", attribute, (_written(attribute, old),)),
        Modification("add", attribute, (_written(attribute, new),)),
    ]
    return _modify(session, tree, user, changes, own=True)


def _check_entry(session: LdapConnection, tree: DirectoryLayout, user: User) -> None:
    """Check the entry that has the DN now, as late as possible: the reset takes no condition.

    Another user that was created there meanwhile may be an admin whose password the performer must
    not set.
    """
    entry = session.read(user.locator, tree.has_id(user.id) or "", tree.profile.closing)
    if entry is None:
        raise Conflict
    if not tree.profile.password_attribute and tree.profile.is_closed(entry):
        raise ldap_errors.closed()


def _exchange(
    session: LdapConnection,
    profile: Profile,
    user: User,
    new: str,
    old: str = "",
    *,
    own: bool = False,
) -> None:
    try:
        session.set_password(user.locator, new, old)
    except LdapError as refused:
        raise ldap_errors.password_error(refused, profile, own=own) from refused


def _modify(
    session: LdapConnection,
    tree: DirectoryLayout,
    user: User,
    changes: list[Modification],
    *,
    own: bool = False,
) -> None:
    try:
        session.do(Modify(tree.target(user), tuple(changes)))
    except LdapError as refused:
        raise ldap_errors.password_error(refused, tree.profile, own=own) from refused


def _written(attribute: str, password: str) -> str | bytes:
    return f'"{password}"'.encode("utf-16-le") if attribute == _UNICODE else password


def _proof(said: Policy) -> AuthenticationResult:
    return AuthenticationResult(
        said.error == "changeAfterReset", said.grace_logins, said.expires_in_s
    )
