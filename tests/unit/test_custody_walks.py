"""Whatever is done in whatever order, custody is what the model says; on the store in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.custody_walk import Plan, Step, Walk, go, walks, wander
from tests.world import make_world

SUPER_ADMIN = {"SUPER_ADMIN__USERNAME": "root", "SUPER_ADMIN__CAN_REMOVE_ADMINS": "true"}


@given(walks)
@settings(max_examples=100)
def test_custody_is_what_the_rules_say(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(Path(folder), SUPER_ADMIN.items())
        try:
            wander(Walk(world.services), plan)
        finally:
            world.services.close()


@pytest.mark.parametrize(
    "plan",
    [
        # Promoted, and the custodian gone without successor; or resigned, and back by another tool.
        ("ann", [("promote", "ann", "root"), ("resign", "ann", "ann"), ("start", "ann", "ann")]),
        (
            "ann",
            [
                ("resign", "root", "root"),
                ("put_in", "root", "root"),
                ("start", "root", "root"),
                ("delete", "root", "bob"),
            ],
        ),
        # Pinned, and then promoted by somebody else.
        (
            "root",
            [
                ("resign", "root", "root"),
                ("promote", "bob", "root"),
                ("put_in", "dan", "dan"),
                ("start", "root", "root"),
            ],
        ),
        # Taken out by another tool, and promoted by a stranger, who would have its dependents.
        (
            "ann",
            [
                ("promote", "bob", "cleo"),
                ("take_out", "bob", "bob"),
                ("promote", "dan", "bob"),
                ("reset", "dan", "bob"),
                ("delete", "ann", "cleo"),
            ],
        ),
    ],
)
def test_known_ways(plan: tuple[str, list[Step]], tmp_path: Path) -> None:
    world = make_world(tmp_path / "state", SUPER_ADMIN.items())
    go(Walk(world.services), *plan)
    world.services.close()
