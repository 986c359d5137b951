"""Reads of the store with answers from one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from mi_ldap.directory.reads import queries
from mi_ldap.directory.reads.memberships import AdminGroup
from mi_ldap.directory.reads.queries import AnyQuery
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.forwarded_reads import Prefetched
from mi_ldap.store import (
    DependentsOf,
    FindRole,
    FindUser,
    Read,
    ReadAdminRole,
    ReadUser,
    RolesOf,
    UserReads,
)


def prefetch(
    store: UserReads, reader: Reader, admin_group: AdminGroup, reads: Sequence[Read]
) -> Prefetched:
    """Carry out reads of the store together; see `UserReads.prefetch`."""
    wanted = [*dict.fromkeys(reads)]
    answers = reader.answer_together([_query_of(read, reader, admin_group) for read in wanted])
    return Prefetched(store, dict(zip(wanted, answers, strict=True)))


def _query_of(read: Read, reader: Reader, admin_group: AdminGroup) -> AnyQuery:
    match read:
        case FindUser(name):
            return queries.user_named(reader.layout, name)
        case ReadUser(user_id):
            return queries.user_with_id(reader.layout, user_id)
        case FindRole(name):
            return queries.role_named(reader.layout, name)
        case ReadAdminRole():
            return admin_group.query()
        case RolesOf(user):
            return reader.query_roles_with_member([reader.layout.member_value(user)])
        case DependentsOf(user):
            return queries.dependents_of(reader.layout, user)
