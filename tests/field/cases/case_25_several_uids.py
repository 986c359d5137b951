"""People have several values of `uid`; `memberUid` holds one that is not their login name."""

from __future__ import annotations

from tests.field.case import Case

CASE = Case(
    name="25-several-uids",
    title="Several values of `uid`, `memberUid` holds another one",
    admins=("alice",),
    others=("john", "m2"),
    findings=(("members", "warn", "memberUid"),),
)
