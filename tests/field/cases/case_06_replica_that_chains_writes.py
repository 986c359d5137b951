"""A replica that passes changes on to its provider (overlay chain)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.field.case import Case
from tests.hosts.arranged import ArrangedOpenLdap
from tests.hosts.chained_replica import provider_of, replica_of
from tests.until import until


@contextmanager
def replica(case: Case, folder: Path) -> Iterator[ArrangedOpenLdap]:
    with (
        ArrangedOpenLdap(folder / "provider", provider_of(case.content)) as provider,
        ArrangedOpenLdap(folder / "replica", replica_of(provider)) as made,
    ):
        until(lambda: made.takes(*made.service))
        yield made


CASE = Case(
    name="06-replica-that-chains-writes",
    title="A replica that passes changes on",
    admins=("alice",),
    others=("bob",),
    start=replica,
    memory=None,
    findings=(("too-many-rights", "warn", "above the search bases"),),
)
