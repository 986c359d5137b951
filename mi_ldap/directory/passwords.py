"""Checks of passwords by a bind, and changes of passwords in each server's own way.

OpenLDAP uses the password-modify operation (RFC 3062), the other servers a modification of the
password attribute. The server hashes the value.
"""

from __future__ import annotations

from mi_ldap import account_state
from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.errors import Conflict, LoginRefused
from mi_ldap.ldap.bind_conditions import bind_condition
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.operations import Modification, Modify
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.model import AuthenticationResult, User

_UNICODE = "unicodePwd"
_NORMAL_ACCOUNT = "512"
"""ADS_UF_NORMAL_ACCOUNT in `userAccountControl` ([MS-ADTS] §2.2.16)."""
_UNLOCKED = ("lockoutTime", "0")
"""The attribute and value that unlock an account of Active Directory after failed logins."""


def authenticate(
    connection: LdapConnection, profile: Profile, user: User, password: str
) -> AuthenticationResult:
    """Check the password by one bind; the connection is bound as the user afterwards.

    Raises:
        LoginRefused: the password is wrong, or the account is locked, disabled or expired.
    """
    # RFC 4513 §5.1.2: a bind with a DN and an empty password succeeds without authentication. Some
    # servers ignore the part of a password after a NUL.
    if not password or "\0" in password:
        raise LoginRefused
    try:
        policy = connection.bind(user.locator, password)
    except LdapError as error:
        if bind_condition(error, profile.bind) == "changeAfterReset":
            return AuthenticationResult(must_change=True)
        raise ldap_errors.login_error(error, profile) from error
    must_change = policy.error == "changeAfterReset"
    return AuthenticationResult(must_change, policy.grace_logins, policy.expires_in_s)


def reset(connection: LdapConnection, layout: DirectoryLayout, user: User, new: str) -> None:
    """Set the password as the service's account; enable the account of an unfinished user.

    Raises:
        PolicyRefused: the policy rejects the password, or the server would enable a disabled
            account.
        Conflict: the user was deleted; another entry at its DN is another user.
    """
    attribute = layout.profile.password_attribute
    is_new = account_state.is_new(user.revision)
    # A modification addressed by GUID fails by itself if the entry was deleted.
    if not is_new and not layout.profile.addresses_by_guid:
        _check_entry(connection, layout, user)
    if not attribute:
        return _send_password_modify(connection, layout.profile, user, new)
    changes = [Modification("replace", attribute, (_encoded(attribute, new),))]
    if attribute == _UNICODE:
        # OpenLDAP and 389 DS unlock the account by themselves. A disabled account stays disabled:
        # `userAccountControl` is written for a new user only.
        more = ("userAccountControl", _NORMAL_ACCOUNT) if is_new else _UNLOCKED
        changes.append(Modification("replace", more[0], (more[1],)))
    return _modify(connection, layout, user, changes)


def change(
    connection: LdapConnection, layout: DirectoryLayout, user: User, old: str, new: str
) -> None:
    """Set the password as the user, on a connection that is bound as the user.

    A user who may not bind before changing the password can use a connection of the service's
    account: the modification contains the old password.

    Raises:
        LoginRefused: the old password is wrong.
        PolicyRefused: the policy rejects the new password.
    """
    attribute = layout.profile.password_attribute
    if not attribute:
        return _send_password_modify(connection, layout.profile, user, new, old, own=True)
    # Deleting the old value and adding the new one in one modification is a change by the user, to
    # which the whole policy applies; a `replace` would be a reset ([MS-ADTS] §3.1.1.3.1.5).
    changes = [
        Modification("delete", attribute, (_encoded(attribute, old),)),
        Modification("add", attribute, (_encoded(attribute, new),)),
    ]
    return _modify(connection, layout, user, changes, own=True)


def _check_entry(connection: LdapConnection, layout: DirectoryLayout, user: User) -> None:
    """Check that the entry at the DN is still the user's, right before the reset."""
    # Another user that was created at the DN meanwhile may be an admin, whose password the caller
    # must not set. The reset itself can't be conditional: OpenLDAP 2.5 rejects an assertion
    # (RFC 4528) on the password-modify operation with code 12.
    entry = connection.read(
        user.locator, layout.id_filter(user.id) or "", layout.profile.disabling_attributes
    )
    if entry is None:
        raise Conflict
    # OpenLDAP 2.5: a password-modify operation makes the overlay ppolicy delete
    # pwdAccountLockedTime, which would enable an account that an administrator disabled.
    if not layout.profile.password_attribute and layout.profile.is_disabled(entry):
        raise ldap_errors.account_disabled()


def _send_password_modify(
    connection: LdapConnection,
    profile: Profile,
    user: User,
    new: str,
    old: str = "",
    *,
    own: bool = False,
) -> None:
    try:
        connection.set_password(user.locator, new, old)
    except LdapError as error:
        raise ldap_errors.password_error(error, profile, own=own) from error


def _modify(
    connection: LdapConnection,
    layout: DirectoryLayout,
    user: User,
    changes: list[Modification],
    *,
    own: bool = False,
) -> None:
    try:
        connection.do(Modify(layout.target(user), tuple(changes)))
    except LdapError as error:
        raise ldap_errors.password_error(error, layout.profile, own=own) from error


def _encoded(attribute: str, password: str) -> str | bytes:
    # [MS-ADTS] §3.1.1.3.1.5: in quotation marks, and only over an encrypted connection.
    return f'"{password}"'.encode("utf-16-le") if attribute == _UNICODE else password
