"""Writes the tables of `docs/directories.md` from what every directory does now."""

from __future__ import annotations

import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path

import structlog

from tests.field.outcomes import FIELD_TABLE, field_cells
from tests.hosts_of_kinds import Hosts
from tests.table.directories import KINDS
from tests.table.outcomes import KINDS_TABLE, outcome
from tests.table.rendering import Cells
from tests.table.scenarios import SCENARIOS


def cells() -> Cells:
    """Everything is tried; whatever fails ends it."""
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        hosts = Hosts(lambda: Path(tempfile.mkdtemp(dir=folder)) / "host", closing)
        return {
            (kind.name, column): outcome(hosts, kind, column)
            for kind in KINDS
            for column in SCENARIOS
        }


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    KINDS_TABLE.write(cells())
    FIELD_TABLE.write(field_cells())
