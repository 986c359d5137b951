"""Whatever is done in whatever order, custody is what the model says; in a real directory."""

from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.wiring import services
from tests.custody_walk import Plan, Walk, walks, wander
from tests.subtree import Subtree

_numbers = itertools.count()


@given(walks)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_custody_is_what_the_rules_say(subtree: Subtree, tmp_path: Path, plan: Plan) -> None:
    prefix = f"w{next(_numbers)}-"
    state_dir = tmp_path / prefix
    state_dir.mkdir()
    given = {
        "SUPER_ADMIN__USERNAME": f"{prefix}root",
        "SUPER_ADMIN__ADMIN_ROLE": f"{prefix}admin",
        "SUPER_ADMIN__CAN_REMOVE_ADMINS": "true",
    }
    made = services(subtree.settings(state_dir, **given))
    assert isinstance(made.store, DirectoryStore)
    try:
        wander(Walk(made, prefix), plan)
    finally:
        made.close()
        made.store.close()
