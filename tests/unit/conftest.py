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
