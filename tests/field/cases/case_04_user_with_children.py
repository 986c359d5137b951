"""Other entries lie below a user: it is not deleted, unless the settings say so."""

from __future__ import annotations

from contextlib import ExitStack

from tests.field.case import Case
from tests.field.place import Field, machine

_BOB = "uid=bob,ou=people,dc=example,dc=org"


def refused_or_deleted_with_all_below(field: Field) -> None:
    """400 for good, and nothing has changed; with `delete_subtree` the whole tree goes."""
    for api in field.apis:
        admin = field.admin(api)
        before = field.tool.read_below(_BOB, "*", "miLdapEpoch")
        answer = admin("DELETE", "/users/bob")
        assert answer.status_code == 400
        assert "other entries lie below this one" in answer.text
        assert "Retry-After" not in answer.headers
        assert set(field.tool.read_below(_BOB, "*")) == set(before)
        assert "devs" in admin("GET", "/users/bob").text
        assert field.logged_in("bob", api)
        admin.add_user("leaf")
        admin.do("DELETE", "/users/leaf")
    with ExitStack() as closing:
        api = machine(
            field.environment,
            closing,
            USER_STORE__INDEX_LIMIT="0",
            USER_STORE__DELETE_SUBTREE="true",
        )
        field.admin(api).do("DELETE", "/users/bob")
        assert not field.tool.exists(_BOB)


CASE = Case(
    name="04-user-with-children",
    title="Entries lie below a user",
    admins=("alice",),
    others=("bob",),
    memory=None,
    checks={"delete": refused_or_deleted_with_all_below},
)
