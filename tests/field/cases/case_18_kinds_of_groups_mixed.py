"""Groups of three classes among the roles; members are read from `member` alone."""

from __future__ import annotations

from tests.field.case import Case
from tests.field.checks import assert_holds
from tests.field.place import Field


def other_classes_are_refused(field: Field) -> None:
    """What cannot have an effect is refused with the class; `names` is a role like any other."""
    for api in field.apis:
        admin = field.admin(api)
        for role, its_class in (("unique", "groupOfUniqueNames"), ("unix", "posixGroup")):
            for change in ("addedRoles", "removedRoles"):
                answer = admin("PUT", "/roles", {"userId": "bob", change: [role]})
                assert answer.status_code == 400
                assert its_class in answer.text
        admin.give("carl", "names")
        assert_holds(field, "carl", "names", holds=True)
        admin.do("PUT", "/roles", {"userId": "carl", "removedRoles": ["names"]})
        assert_holds(field, "carl", "names", holds=False)


CASE = Case(
    name="18-kinds-of-groups-mixed",
    title="Groups of several classes among the roles",
    admins=("alice",),
    others=("bob", "carl"),
    findings=(("members", "warn", r"unique \(groupOfUniqueNames\), unix \(posixGroup\)"),),
    checks={"assign/revoke": other_classes_are_refused},
    refused={
        "assign/revoke": "Members of groups of another class than the configured one are not "
        "changed (400 with the class)."
    },
)
