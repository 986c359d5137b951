"""Users and roles: names that are there twice, rows of nobody, and how passwords are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.database.context import DatabaseContext
from mi_ldap.checks.findings import Finding, counted, listed
from mi_ldap.sql.inspection import DIGEST_LENGTHS

_WEAK: Final = frozenset({"MD5", "SHA-1", "PLAIN_TEXT"})
_STRONGER = (
    'Set user_store.password_digest = "SHA-256" here and PasswordDigest in MI together, and set '
    "the passwords anew: stored ones are not converted."
)


def duplicates(context: DatabaseContext) -> Iterator[Finding]:
    """Report names that several users or several roles have, and users without an id."""
    # Current scripts of MI have no unique index on the name of a user.
    users, roles = (context.inspection.duplicate_names(kind) for kind in ("user", "role"))
    if users:
        yield Finding(
            "duplicates",
            "fail",
            f"Several users have one name, so they cannot log in: {listed(users)}.",
            "Rename or delete all but one of each in the table UM_USER.",
        )
    if roles:
        yield Finding(
            "duplicates",
            "fail",
            f"Several roles have one name: {listed(roles)}.",
            "Rename or delete all but one of each in the table UM_ROLE.",
        )
    if without_id := context.inspection.users_without_id():
        yield Finding(
            "duplicates",
            "fail",
            f"UM_USER_ID is empty, so these users cannot log in: {listed(without_id)}.",
            "Set UM_USER_ID in the table UM_USER to a UUID.",
        )
    if not users and not roles and not without_id:
        yield Finding("duplicates", "pass", "No two users and no two roles have the same name.")


def dangling_rows(context: DatabaseContext) -> Iterator[Finding]:
    """Report rows that name a user or role that does not exist."""
    found = context.inspection.dangling_rows()
    if not found:
        yield Finding("dangling-rows", "pass", "No row names a missing user or role.")
        return
    shown = ", ".join(f"{counted(count, 'rows')} of {name}" for name, count in found.items())
    yield Finding(
        "dangling-rows",
        "warn",
        f"These name a user or role that does not exist: {shown}.",
        "Restore the foreign keys of MI's database script, and delete these rows.",
    )


def digests(context: DatabaseContext) -> Iterator[Finding]:
    """Report how passwords are stored, and those that no login can match."""
    config, stored = context.config, context.inspection.passwords()
    if config.digest in _WEAK:
        what = (
            "are stored as they are"
            if config.digest == "PLAIN_TEXT"
            else (f"are digested with {config.digest}, which is weak")
        )
        yield Finding("digests", "warn", f"Passwords {what}.", _STRONGER)
    elif not config.salted:
        remedy = (
            "Set user_store.store_salted_password = true here and StoreSaltedPassword in MI "
            "together, and set the passwords anew: stored ones are not converted."
        )
        yield Finding("digests", "warn", "Passwords are digested without a salt.", remedy)
    else:
        yield Finding("digests", "pass", f"Passwords are digested with {config.digest}, salted.")
    if config.digest != "PLAIN_TEXT":
        yield from _unmatched(DIGEST_LENGTHS[config.digest], config.digest, stored)
    if config.salted and config.digest != "PLAIN_TEXT":
        yield from _unsalted(stored)


def _unmatched(length: int, digest: str, stored: dict[tuple[int, bool], int]) -> Iterator[Finding]:
    count = sum(number for (size, _), number in stored.items() if size != length)
    if count:
        yield Finding(
            "digests",
            "warn",
            f"The passwords of {counted(count, 'users')} are no {digest} digests: these users "
            "cannot log in.",
            "Correct user_store.password_digest, or set their passwords anew.",
        )


def _unsalted(stored: dict[tuple[int, bool], int]) -> Iterator[Finding]:
    count = sum(number for (_, has_salt), number in stored.items() if not has_salt)
    if count:
        yield Finding(
            "digests",
            "warn",
            f"The passwords of {counted(count, 'users')} are stored without a salt.",
            "Set their passwords anew: new ones are stored with one.",
        )
