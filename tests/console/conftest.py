"""A real service for the console, and windows on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.console.browser_window import PASSWORD, Stage, Window, browser, window
from tests.console.nodes_behind import settings_text
from tests.hosts.process import free_ports
from tests.micro_integrator.instance import MicroIntegrator
from tests.service import running

OpenWindow = Callable[..., Window]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One service with a directory and a node, for all the tests; each makes its own users."""
    folder = tmp_path_factory.mktemp("console")
    with MicroIntegrator(folder / "mi-1") as mi:
        yield from _stage(folder, mi)


def _stage(folder: Path, mi: MicroIntegrator) -> Iterator[Stage]:
    (down_port,) = free_ports(1)
    config = folder / "config.toml"
    config.write_text(settings_text(mi, down_port), encoding="utf-8")
    settings = {
        "MI_LDAP_CONFIG": str(config),
        "MI_LDAP_STATE_DIR": str(folder),
        "MI_LDAP_SERVER__WORKERS": "1",
        "MI_LDAP_USER_STORE__ALLOW_ANY_NAME": "true",
    }
    with running(settings) as service:
        with service.caller() as call:
            token = call.login("root", PASSWORD)
        started = Stage(service, token, mi)
        started.add_role("operators")
        yield started


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one module: what drives it keeps an event loop running, which others would trip over."""
    with browser() as started:
        yield started


@pytest.fixture
def window_of(chromium: Browser, stage: Stage) -> Iterator[OpenWindow]:
    """Opens windows: `window_of(scripts=False)`."""
    with ExitStack() as opened:

        def open_window(**more: object) -> Window:
            return opened.enter_context(window(chromium, stage.service, **more))  # type: ignore[arg-type]

        yield open_window


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def here(request: pytest.FixtureRequest, window_of: OpenWindow) -> Window:
    """A window, with JavaScript and without."""
    return window_of(scripts=request.param)
