"""The directory that the tests of the replica hold in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    with EmbeddedDirectory(tmp_path / "directory") as made:
        yield made
