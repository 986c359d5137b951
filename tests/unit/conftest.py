"""Fixtures for the tests of the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.world import World, make_world

MakeWorld = Callable[..., World]


@pytest.fixture
def world_of(tmp_path: Path) -> Iterator[MakeWorld]:
    """Makes worlds: `world_of(BOOTSTRAP__MODE="off")`; a second one finds the same state."""
    with ExitStack() as closing:

        def make(**settings: str) -> World:
            world = make_world(tmp_path / "state", settings.items())
            closing.callback(world.services.state.close)
            return world

        yield make


@pytest.fixture
def world(world_of: MakeWorld) -> World:
    """A world by default settings."""
    return world_of()


@pytest.fixture
def family(world: World) -> World:
    """`admin` answers for `boss`, `boss` for `carl`; `eve` is an admin of `admin`'s, too."""
    world.add_first_admin()
    world.add_admin("boss", "admin")
    world.add_admin("carl", "boss")
    world.add_admin("eve", "admin")
    world.add("bob")
    return world


@pytest.fixture
def staffed(world: World) -> World:
    """`admin` is one, `bob` is not."""
    world.add_first_admin()
    world.add("bob")
    return world
