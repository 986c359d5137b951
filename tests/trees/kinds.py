"""Which kinds of directories a test of real trees runs on."""

from __future__ import annotations

from typing import Final

import pytest

from tests.kinds import (
    ACTIVE_DIRECTORY,
    DS389,
    OPENLDAP,
    PLAIN_OPENLDAP,
    RFC_2307,
    UNIQUE_NAMES,
    Kind,
)

GROUPS_OF_MEMBERS: Final = Kind(
    "OpenLDAP, groupOfMembers",
    group_classes=("groupOfMembers",),
    empty_member=None,
    keeps_members_clean=False,
    settings={"USER_STORE__GROUP_ENTRY_OBJECT_CLASS": "groupOfMembers"},
)

# draft-howard-rfc2307bis-02 §3.2; no package brings it along.
SCHEMA_OF_MEMBERS: Final = (
    "( 1.3.6.1.1.1.2.18 NAME 'groupOfMembers' SUP top STRUCTURAL MUST cn"
    " MAY ( businessCategory $ seeAlso $ owner $ ou $ o $ description $ member ) )"
)

NESTING: Final = (
    OPENLDAP,
    PLAIN_OPENLDAP,
    UNIQUE_NAMES,
    GROUPS_OF_MEMBERS,
    DS389,
    ACTIVE_DIRECTORY,
)
"""Where a group can be in a group."""

ALL: Final = (OPENLDAP, PLAIN_OPENLDAP, RFC_2307, DS389, ACTIVE_DIRECTORY)
"""Each server, and groups that name people by DN and by login name."""


def on(*kinds: Kind) -> pytest.MarkDecorator:
    """The kinds of directories that `place` is in."""
    names = [kind.name for kind in kinds]
    return pytest.mark.parametrize("place", kinds, ids=names, indirect=True)
