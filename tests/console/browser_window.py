"""A window of Debian's Chromium on the console, which finds fault with what the browser reports."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.hosts.installed import program
from tests.micro_integrator.instance import MicroIntegrator
from tests.service import Service

PASSWORD = "correct horse"
WIDE, NARROW = (1280, 800), (390, 844)

Scheme = Literal["light", "dark"]

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_WATCH = """addEventListener("securitypolicyviolation", violation =>
    console.error("CSP: " + violation.violatedDirective + " " + violation.blockedURI))"""
_EXPECTED = "Failed to load resource: the server responded with a status of"

_numbers = itertools.count(1)


def fresh(name: str) -> str:
    """A name that no other test of this process has."""
    return f"{name}-{next(_numbers)}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A service, the token of its first admin `root`, and the node `mi-1` behind it."""

    service: Service
    token: str
    mi: MicroIntegrator

    def do(self, method: str, path: str, body: object = None, *, token: str = "") -> Any:
        """Something by the API that must succeed."""
        with self.service.caller() as call:
            answer = call(method, path, body, token=token or self.token)
        assert answer.status == 200, answer
        return answer.json

    def add(self, name: str, *, is_admin: bool = False, by: str = "") -> str:
        """A user, an admin of root's or of who is named."""
        body = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
        self.do("POST", "/users", body, token=self.login(by) if by else "")
        return name

    def add_role(self, role: str, *members: str) -> str:
        self.do("POST", "/roles", {"role": role})
        for member in members:
            self.do("PUT", "/roles", {"userId": member, "addedRoles": [role]})
        return role

    def login(self, name: str, password: str = PASSWORD) -> str:
        with self.service.caller() as call:
            return call.login(name, password)

    def roles_of(self, name: str) -> list[str]:
        return list(self.do("GET", f"/users/{name}")["roles"])


@dataclass
class Window:
    """One page of a browser; `problems` is what the browser complained of."""

    page: Page
    base: str
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.base}{path}")
        return self.page

    def log_in(self, name: str, password: str = PASSWORD, path: str = "") -> Page:
        """Log in on the way to the page."""
        self.open(path)
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.press("Log in")
        expect(self.page.get_by_role("heading", name="Log in")).to_have_count(0)
        return self.page

    def press(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=True).click()

    def says(self, sentence: str) -> None:
        """The page says so, in a banner or beside a field."""
        expect(self.page.get_by_text(sentence).first).to_be_visible()

    def hears(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_EXPECTED):
            self.problems.append(message.text)


@contextmanager
def browser() -> Iterator[Browser]:
    """A Chromium with a profile of its own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=program("chromium"), args=list(_ARGUMENTS)
        )
        yield chromium
        chromium.close()


@contextmanager
def window(
    chromium: Browser,
    service: Service,
    *,
    scripts: bool = True,
    size: tuple[int, int] = WIDE,
    scheme: Scheme = "light",
) -> Iterator[Window]:
    """A window that must have had nothing to complain of."""
    context = chromium.new_context(
        ignore_https_errors=True,
        java_script_enabled=scripts,
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
    )
    context.set_default_timeout(10_000)
    context.add_init_script(_WATCH)
    opened = Window(context.new_page(), f"https://localhost:{service.port}/console")
    opened.page.on("console", opened.hears)
    opened.page.on("pageerror", lambda error: opened.problems.append(str(error)))
    yield opened
    context.close()
    assert opened.problems == []
