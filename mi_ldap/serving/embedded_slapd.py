"""The embedded directory of a service: its settings, and its start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.serving.lost_directory import refuse_empty_directory, refuse_lost_data
from mi_ldap.settings import Settings


def embedded_directory(settings: Settings) -> EmbeddedDirectory:
    """Return the embedded directory of these settings, without starting it."""
    own = settings.embedded_directory
    folder = settings.state_dir / "directory"
    return EmbeddedDirectory(folder, own.suffix, own.port, own.host, own.slapd)


@contextmanager
def started_directory(settings: Settings) -> Iterator[EmbeddedDirectory]:
    """Run the embedded directory for the duration of the block.

    Raises:
        ConfigurationError: it does not start, or its data is missing.
    """
    directory = embedded_directory(settings)
    refuse_lost_data(settings, directory)
    with directory:
        yield directory


@contextmanager
def running_directory(settings: Settings) -> Iterator[EmbeddedDirectory | None]:
    """Run the embedded directory for the block; yield None if a directory is configured.

    Raises:
        ConfigurationError: it does not start, or its data is missing.
    """
    if not settings.is_embedded:
        yield None
        return
    with started_directory(settings) as directory:
        refuse_empty_directory(settings, directory)
        yield directory
