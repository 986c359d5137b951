"""Names of users and groups in their entries, and attributes that change without a new stamp."""

from __future__ import annotations

import re
from typing import Final

from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry

# OpenLDAP 2.5.13: the overlays memberof, ppolicy and lastbind write these as internal operations,
# which leave entryCSN and modifyTimestamp as they are.
_SILENT: Final = re.compile(
    r"memberOf|isMemberOf|pwd.*|authTimestamp|hasSubordinates|numSubordinates", re.IGNORECASE
)


def shown_name(entry: Entry, attribute: str) -> str:
    """Return the name that is shown: of several values the one in the RDN, else the first."""
    values = entry.attributes.get(attribute.lower(), ())
    if len(values) == 1:
        return values[0].decode(errors="replace")
    named_by = dict(names.rdn_pairs(entry.dn))
    return named_by.get(attribute.lower()) or entry.first(attribute) or ""


def all_names(entry: Entry, attribute: str) -> list[str]:
    """Return all values, including those with options (`cn;lang-de`, RFC 4512 §2.5.2).

    A search by the attribute finds all of them.
    """
    key = attribute.lower()
    return [
        value
        for name in entry.attributes
        if name.partition(";")[0] == key
        for value in entry.all(name)
    ]


def changes_silently(attribute: str) -> bool:
    """Whether servers change the attribute without changing the entry's modification stamp."""
    return _SILENT.fullmatch(attribute) is not None
