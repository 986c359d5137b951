"""Which members of hybrid roles are users of their user stores, for the check `hybrid-roles`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.errors import AmbiguousName, MiLdapError
from mi_ldap.hybrid_roles import HybridMember
from mi_ldap.services.container import Services
from mi_ldap.store import FindUser, ReadUser, UserReads, UserStore

_BATCH: Final = 500
"""Users that are read in one round trip."""


@dataclass(slots=True)
class MemberStates:
    """The members that the check reports.

    Attributes:
        gone: members with an id that no user of their store has.
        by_name: members without an id, with the name of one user.
        without_user: members without an id, with the name of no user.
        ambiguous: members without an id, with the name of several users.
        of_unknown_domain: members of a domain that is no user store.
        unread: domains whose store cannot be read, with the reason.
    """

    gone: list[HybridMember] = field(default_factory=list)
    by_name: list[HybridMember] = field(default_factory=list)
    without_user: list[HybridMember] = field(default_factory=list)
    ambiguous: list[HybridMember] = field(default_factory=list)
    of_unknown_domain: list[HybridMember] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def states_of(services: Services, members: Sequence[HybridMember]) -> MemberStates:
    """Return the states of the members, whose users are read from their stores."""
    stores: dict[str, UserStore] = {"": services.primary, **services.secondaries}
    by_domain: defaultdict[str, list[HybridMember]] = defaultdict(list)
    for member in members:
        by_domain[member.domain].append(member)
    states = MemberStates()
    for domain, found in by_domain.items():
        if domain not in stores:
            states.of_unknown_domain += found
            continue
        try:
            _add_members(states, stores[domain], found)
        except MiLdapError as error:
            states.unread[domain] = str(error)
    return states


def _add_members(states: MemberStates, store: UserStore, members: Sequence[HybridMember]) -> None:
    """Add the members of one store to the states."""
    for start in range(0, len(members), _BATCH):
        batch = members[start : start + _BATCH]
        reads = store.prefetch(*map(_read_of, batch))
        for member in batch:
            _add_member(states, reads, member)


def _read_of(member: HybridMember) -> ReadUser | FindUser:
    bare_id = _bare_id(member)
    return ReadUser(bare_id) if bare_id else FindUser(member.name)


def _add_member(states: MemberStates, reads: UserReads, member: HybridMember) -> None:
    if bare_id := _bare_id(member):
        if reads.user(bare_id) is None:
            states.gone.append(member)
        return
    try:
        is_user = reads.find_user(member.name) is not None
    except AmbiguousName:
        states.ambiguous.append(member)
    else:
        (states.by_name if is_user else states.without_user).append(member)


def _bare_id(member: HybridMember) -> str:
    """Return the member's id without the domain; `""` if no id is stored."""
    prefix = f"{member.domain}/" if member.domain else ""
    return (member.user_id or "").removeprefix(prefix)
