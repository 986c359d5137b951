"""Dynamic groups (overlay dynlist) among the roles."""

from __future__ import annotations

from dataclasses import replace

from tests.field.case import PLAIN, Case
from tests.field.place import Field

DYNLIST = """
dn: olcOverlay=dynlist,olcDatabase={1}mdb,cn=config
changetype: add
objectClass: olcOverlayConfig
objectClass: olcDynListConfig
olcOverlay: dynlist
olcDynListAttrSet: groupOfURLs memberURL member
"""


def assign_is_refused(field: Field) -> None:
    """Nobody is added to a dynamic role or taken out of it; the other roles are as ever."""
    for api in field.apis:
        admin = field.admin(api)
        for change in ("addedRoles", "removedRoles"):
            for name in ("alice", "bob"):
                answer = admin("PUT", "/roles", {"userId": name, change: ["developers"]})
                assert answer.status_code == 403
                assert "dynamic role" in answer.text
        assert admin.get("/roles/developers")["users"] == ["bob", "carl"]
        admin.give("carl", "static")
        assert admin.user("carl")["roles"] == ["Internal/everyone", "developers", "static"]
        admin.do("PUT", "/roles", {"userId": "carl", "removedRoles": ["static"]})


CASE = Case(
    name="16-dynamic-groups",
    title="Dynamic groups (overlay `dynlist`) among the roles",
    admins=("alice",),
    others=("bob", "carl"),
    setup=replace(PLAIN, schemas=("dyngroup",), modules=("dynlist",)),
    config_changes=DYNLIST,
    memory=False,
    checks={"assign/revoke": assign_is_refused},
    refused={"assign/revoke": "A dynamic role is neither assigned nor revoked (403)."},
)
