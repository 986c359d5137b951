"""Fixtures for every test: a real directory for the process, and a place in it for the test."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import hypothesis
import pytest
import structlog

from mi_ldap.embedded import EmbeddedDirectory
from tests.hosts.process import free_ports
from tests.hosts_of_kinds import Hosts
from tests.subtree import Host, Subtree, Tool, host_of, named_host, subtree_in

pytest.register_assert_rewrite("tests.contract")

# The same examples everywhere, however busy the machine is, and nothing kept in the checkout.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell's job in the background has it; programs under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_stays_as_it_is() -> Iterator[None]:
    """Whoever configures this process's logging would take the lines that later tests look for."""
    yield
    assert not structlog.get_config()["cache_logger_on_first_use"], "logging was configured"


@pytest.fixture(scope="module")
def settled_heap() -> Iterator[None]:
    """A garbage collection while time is measured does not look at what other tests left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def untraced() -> Iterator[None]:
    """Coverage is not measured, which takes five times as long as the code."""
    # pytest-cov's marker `no_cover` has no effect in the processes of xdist (pytest-cov 7.1).
    trace = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(trace)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDirectory]:
    """An embedded directory for all tests of this process, quick instead of safe, also on TCP."""
    (port,) = free_ports(1)
    with EmbeddedDirectory(tmp_path_factory.mktemp("directory"), port=port) as directory:
        tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        tool.replace("olcDatabase={-1}frontend,cn=config", olcPasswordHash="{SSHA}")
        tool.replace("olcDatabase={1}mdb,cn=config", olcDbNoSync="TRUE")
        # Each test has a place of its own: a name in one is no name in another.
        unique = "olcOverlay={3}unique,olcDatabase={1}mdb,cn=config"
        tool.replace(unique, olcUniqueURI=f"ldap:///ou=policies,{directory.suffix}?cn?sub")
        tool.close()
        yield directory


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Host:
    """The directory that the environment names, else the embedded one."""
    return named_host(os.environ) or host_of(request.getfixturevalue("embedded"))


@pytest.fixture(scope="session")
def tool(host: Host) -> Iterator[Tool]:
    """Another tool's connection to the directory."""
    connection = Tool(host.url, *host.tool)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A directory of each kind that companies have."""
    with ExitStack() as closing:
        yield Hosts(lambda: tmp_path_factory.mktemp("host"), closing)


@pytest.fixture
def subtree(host: Host, tool: Tool) -> Iterator[Subtree]:
    """Two empty folders of the test's own, for people and for groups."""
    with _alone_in(host), subtree_in(host, tool) as made:
        yield made


@contextmanager
def _alone_in(host: Host) -> Iterator[None]:
    """In a directory that all processes share, names may be made by one test at a time."""
    if named_host(os.environ) is None:
        yield
        return
    lock = Path(tempfile.gettempdir()) / f"mi-ldap-tests-{host.url.rpartition(':')[2]}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
