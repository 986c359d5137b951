"""`member_of_attribute` is set, as in WSO2's samples, on a server that does not keep it."""

from __future__ import annotations

from tests.field.case import Case

CASE = Case(
    name="13-member-of-without-overlay",
    title="`member_of_attribute` without the overlay memberof",
    admins=("alice",),
    others=("bob",),
    findings=(("member-of", "warn", "memberOf is not maintained"),),
)
