"""The minimum password length of the directory's policy, if the service's account may read it.

`mi user import --dry-run` uses it to report passwords that would be refused. The directory itself
checks each password when it is set.
"""

from __future__ import annotations

from mi_ldap.directory import names
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.tree import Tree

_BY_PROFILE = {"active_directory": "minPwdLength", "389ds": "passwordMinLength"}


def min_length(session: Session, tree: Tree) -> int | None:
    """Return the smallest minimum length of all policies; None where it is not known."""
    attribute = _BY_PROFILE.get(tree.profile.name, "pwdMinLength")
    try:
        lengths = _lengths(session, tree, attribute)
    except Refused:  # the account may not read it
        return None
    return min(lengths, default=None)


def _lengths(session: Session, tree: Tree, attribute: str) -> list[int]:
    if tree.profile.name == "389ds":
        syntax = "(passwordCheckSyntax=on)"  # otherwise 389 does not check the length
        entries = [session.read("cn=config", syntax, [attribute])]
    else:
        root = session.read("", "(objectClass=*)", ["namingContexts"])
        contexts = root.all("namingContexts") if root else []
        base = next((each for each in contexts if names.is_under(tree.user_bases[0], each)), "")
        if not base:
            return []
        if tree.profile.name == "active_directory":
            entries = [session.read(base, "(objectClass=*)", [attribute])]
        else:
            entries = [*session.search(base, f"({attribute}=*)", [attribute]).entries]
    values = (entry.first(attribute) for entry in entries if entry)
    return [int(value) for value in values if value and value.isdecimal()]
