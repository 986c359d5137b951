"""Proving passwords, and setting them in each server's own way.

OpenLDAP takes RFC 3062. The others take a modification of their password's attribute: the value
replaced, it is a reset; the old value deleted and the new one added, a change that the policy
judges. Active Directory's is `unicodePwd`, over an encrypted connection ([MS-ADTS] §3.1.1.3.1.5).
All of them hash what they get.

A reset opens an account that failures have locked: OpenLDAP and 389 do so by themselves. It never
opens one that an administrator closed, which OpenLDAP's overlay ppolicy would do.
"""

from __future__ import annotations

from mi_ldap.directory import results
from mi_ldap.directory.bind_conditions import bind_condition
from mi_ldap.directory.controls import Policy
from mi_ldap.directory.epochs import UNFINISHED
from mi_ldap.directory.operations import Modification, Modify
from mi_ldap.directory.profiles import Profile
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.tree import Tree
from mi_ldap.errors import Conflict, LoginRefused
from mi_ldap.model import Proof, User

_UNICODE = "unicodePwd"
_NORMAL_ACCOUNT = "512"
"""ADS_UF_NORMAL_ACCOUNT in `userAccountControl` ([MS-ADTS] §2.2.16)."""
_UNLOCKED = ("lockoutTime", "0")
"""What an administrator writes to open an account that failures have locked."""


def prove(session: Session, profile: Profile, user: User, password: str) -> Proof:
    """One bind; it leaves the session the user's.

    Raises:
        LoginRefused: the password is wrong, or the account closed.
    """
    if not password or "\0" in password:
        raise LoginRefused  # an anonymous bind; and some servers read no further than a NUL
    try:
        said = session.bind(user.locator, password)
    except Refused as refused:
        if bind_condition(refused, profile.bind) == "changeAfterReset":
            return Proof(must_change=True)
        raise results.login_error(refused, profile) from refused
    return _proof(said)


def reset(session: Session, tree: Tree, user: User, new: str) -> None:
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


def change(session: Session, tree: Tree, user: User, old: str, new: str) -> None:
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


def _check_entry(session: Session, tree: Tree, user: User) -> None:
    """Check the entry that has the DN now, as late as possible: the reset takes no condition.

    Another user that was created there meanwhile may be an admin whose password the performer must
    not set.
    """
    entry = session.read(user.locator, tree.has_id(user.id) or "", tree.profile.closing)
    if entry is None:
        raise Conflict
    if not tree.profile.password_attribute and tree.profile.is_closed(entry):
        raise results.closed()


def _exchange(
    session: Session, profile: Profile, user: User, new: str, old: str = "", *, own: bool = False
) -> None:
    try:
        session.set_password(user.locator, new, old)
    except Refused as refused:
        raise results.password_error(refused, profile, own=own) from refused


def _modify(
    session: Session, tree: Tree, user: User, changes: list[Modification], *, own: bool = False
) -> None:
    try:
        session.do(Modify(tree.target(user), tuple(changes)))
    except Refused as refused:
        raise results.password_error(refused, tree.profile, own=own) from refused


def _written(attribute: str, password: str) -> str | bytes:
    return f'"{password}"'.encode("utf-16-le") if attribute == _UNICODE else password


def _proof(said: Policy) -> Proof:
    return Proof(said.error == "changeAfterReset", said.grace_logins, said.expires_in_s)
