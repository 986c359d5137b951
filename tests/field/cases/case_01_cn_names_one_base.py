"""Users and groups lie in one container and are both named by `cn`, as in WSO2's sample for AD."""

from __future__ import annotations

from tests.api.client import PASSWORD
from tests.field.case import Case
from tests.field.checks import custody
from tests.field.place import Field
from tests.table.scenarios import status


def custody_of_nested_admins(field: Field) -> None:
    """A stranger removes neither the nested admin nor the group that makes it one."""
    custody(field)
    for api in field.apis:
        stranger = field.admin(api)
        stranger.add_user("Sam", isAdmin=True)
        sam = api.logged_in("Sam", PASSWORD)
        assert status(sam, "DELETE", "/users/Ned%20Nested") == 403
        assert status(sam, "DELETE", "/roles/Operators") == 403
        removal = {"userId": "Ned Nested", "removedRoles": ["Operators"]}
        assert status(sam, "PUT", "/roles", removal) == 403
        stranger.do("DELETE", "/users/Sam")


CASE = Case(
    name="01-cn-names-one-base",
    title="Users and groups in one container, both named by `cn`",
    admins=("Ann Root", "Ned Nested"),
    others=("Dora Dev",),
    checks={"custody": custody_of_nested_admins},
)
