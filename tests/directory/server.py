"""Fixtures for tests that change the server itself: always the embedded one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from tests.subtree import Host, Tool, host_of


@pytest.fixture
def host(embedded: EmbeddedDirectory) -> Host:
    """The embedded directory, whatever the environment names."""
    return host_of(embedded)


@pytest.fixture
def tool(host: Host) -> Iterator[Tool]:
    """Its manager's connection."""
    connection = Tool(host.url, *host.tool)
    yield connection
    connection.close()
