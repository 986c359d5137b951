"""Users, roles and steps with the domain of their store as a prefix, and without it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from mi_ldap.model import EntryId, Role, User
from mi_ldap.name_rules import split_domain
from mi_ldap.steps import entries_of_step
from mi_ldap.store import (
    DependentsOf,
    FindRole,
    FindUser,
    Read,
    ReadUser,
    RolesOf,
    SetCustodian,
    Step,
)

Entry = TypeVar("Entry", User, Role)


def with_domain(entry: Entry, domain: str) -> Entry:
    """Return a user or role of a store with its domain in name, id and locator."""
    if not domain:
        return entry
    renamed: Entry = replace(
        entry,
        id=EntryId(f"{domain}/{entry.id}"),
        name=f"{domain}/{entry.name}",
        locator=f"{domain}/{entry.locator}",
        domain=domain,
    )
    # `Unchanged` compares the custodian's id. The prefix keeps it from being a primary user's.
    if isinstance(renamed, User) and renamed.custodian_id:
        renamed = replace(renamed, custodian_id=EntryId(f"{domain}/{renamed.custodian_id}"))
    return renamed


def all_with_domain(entries: Iterable[Entry], domain: str) -> tuple[Entry, ...]:
    """Return users or roles of a store with its domain in their names, ids and locators."""
    return tuple(with_domain(entry, domain) for entry in entries)


def without_domain(entry: Entry) -> Entry:
    """Return the user or role without its domain, as its store returned it."""
    if not entry.domain:
        return entry
    size = len(entry.domain) + 1
    bare: Entry = replace(
        entry,
        id=EntryId(entry.id[size:]),
        name=entry.name[size:],
        locator=entry.locator[size:],
        domain="",
    )
    if isinstance(bare, User) and bare.custodian_id:
        bare = replace(bare, custodian_id=EntryId(bare.custodian_id[size:]))
    return bare


def domains_of_step(step: Step, domains: Collection[str]) -> set[str]:
    """Return the domains of the users and roles of a step; `""` is the primary store."""
    found = {entry.domain for entry in entries_of_step(step).values()}
    if isinstance(step, SetCustodian) and step.custodian_id:
        found.add(split_domain(step.custodian_id, domains)[0])
    return found


def step_without_domain(step: Step) -> Step:
    """Return the step with its users and roles as their store returned them."""
    changes: dict[str, Any] = {}
    for name, entry in entries_of_step(step).items():
        changes[name] = without_domain(entry)
    if isinstance(step, SetCustodian) and step.custodian_id and step.user.domain:
        changes["custodian_id"] = EntryId(step.custodian_id[len(step.user.domain) + 1 :])
    return replace(step, **changes)


def split_read(read: Read, domains: Collection[str]) -> tuple[str, Read]:
    """Return the domain of a read, and the read without it, for the store of that domain."""
    match read:
        case FindUser(text) | FindRole(text) | ReadUser(text):
            domain, rest = split_domain(text, domains)
            return domain, type(read)(rest)
        case RolesOf(user) | DependentsOf(user):
            return user.domain, type(read)(without_domain(user))
    return "", read
