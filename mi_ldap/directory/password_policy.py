"""The minimum password length of the directory's policy, if the service's account may read it.

`mi user import --dry-run` uses it to report passwords that would be refused. The directory itself
checks each password when it is set.
"""

from __future__ import annotations

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.result_codes import LdapError

_BY_PROFILE = {"active_directory": "minPwdLength", "389ds": "passwordMinLength"}


def min_length(connection: LdapConnection, layout: DirectoryLayout) -> int | None:
    """Return the smallest minimum length of all policies; None where it is not known."""
    attribute = _BY_PROFILE.get(layout.profile.name, "pwdMinLength")
    try:
        lengths = _lengths(connection, layout, attribute)
    except LdapError:  # the account may not read the policy: unknown, not unlimited
        return None
    return min(lengths, default=None)


def _lengths(connection: LdapConnection, layout: DirectoryLayout, attribute: str) -> list[int]:
    if layout.profile.name == "389ds":
        # 389 DS checks the length only with this setting.
        syntax = "(passwordCheckSyntax=on)"
        entries = [connection.read("cn=config", syntax, [attribute])]
    else:
        root = connection.read("", "(objectClass=*)", ["namingContexts"])
        contexts = root.all("namingContexts") if root else []
        base = next((each for each in contexts if names.is_under(layout.user_bases[0], each)), "")
        if not base:
            return []
        if layout.profile.name == "active_directory":
            entries = [connection.read(base, "(objectClass=*)", [attribute])]
        else:
            entries = [*connection.search(base, f"({attribute}=*)", [attribute]).entries]
    values = (entry.first(attribute) for entry in entries if entry)
    return [int(value) for value in values if value and value.isdecimal()]
