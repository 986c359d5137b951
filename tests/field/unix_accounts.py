"""Users of classes that need other attributes: refused with a name, or configured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack

from tests.api.client import PASSWORD
from tests.checks.doctor_runs import run_doctor
from tests.field.case import Case
from tests.field.place import Field, machine

_KEYS = ("USER_STORE__USER_OBJECT_CLASSES", "USER_STORE__USER_ATTRIBUTES")


def case_of(user_class: str, settings: Mapping[str, str], *, refusal: str, foreseen: str) -> Case:
    """The case of one class of users.

    Args:
        user_class: as in the names of the case's files.
        settings: by which new users can be made.
        refusal: a regular expression, what a POST is answered without them.
        foreseen: the same for what the doctor says then.
    """
    return Case(
        name="05-classes-of-unix-accounts",
        title=f"Users of the class {user_class}",
        admins=("alice",),
        others=("bob",),
        config=f"mi-ldap-{user_class}.toml",
        tree_files=(f"tree-{user_class}.ldif",),
        settings=settings,
        checks={"create without the settings": _refused(refusal, foreseen)},
    )


def _refused(refusal: str, foreseen: str) -> Callable[[Field], None]:
    def check(field: Field) -> None:
        unset = {
            key: text
            for key, text in field.environment.items()
            if key.removeprefix("MI_LDAP_") not in _KEYS
        }
        with ExitStack() as closing:
            api = machine(unset, closing, USER_STORE__INDEX_LIMIT="0")
            user = {"userId": "new", "password": PASSWORD}
            answer = field.admin(api)("POST", "/users", user)
            assert answer.status_code == 400
            assert re.search(refusal, answer.text), answer.text
            assert not field.tool.exists("uid=new,ou=people,dc=example,dc=org")
        found = [each for each in run_doctor(unset).findings if each.check == "new-users"]
        assert {each.level for each in found} == {"fail"}
        assert any(re.search(foreseen, each.sentence) for each in found), found

    return check
