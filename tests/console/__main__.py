"""The pictures of the documentation, taken anew: python -m tests.console."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.console.browser_window import (
    NARROW,
    PASSWORD,
    WIDE,
    Scheme,
    Stage,
    Window,
    browser,
    window,
)
from tests.service import running

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

_PEOPLE = (
    "alice",
    "anna.berg",
    "bob",
    "carla",
    "daniel.okafor",
    "elif.demir",
    "farid",
    "grace",
    "hugo.lindqvist",
    "ingrid",
    "jamal",
    "karin.nyman",
    "liam",
    "mei.tanaka",
    "noor",
    "olga.petrova",
    "priya",
    "quentin",
    "rosa",
    "sanjay",
    "tove",
    "umar",
    "vera.kowalska",
    "wei",
    "xenia",
    "yusuf",
    "zoe",
)
_ROLES = ("developers", "operators", "auditors", "Internal/publisher", "release managers")

_PICTURES: tuple[tuple[str, str, tuple[int, int], Scheme], ...] = (
    ("users", "/users", WIDE, "light"),
    ("users-dark", "/users?role=developers", WIDE, "dark"),
    ("user", "/user?name=mei.tanaka", WIDE, "light"),
    ("custody", "/user?name=carl", WIDE, "light"),
    ("add-user", "/users/add", WIDE, "light"),
    ("role", "/role?name=admin", WIDE, "dark"),
    ("delete", "/user/delete?name=boss", WIDE, "light"),
    ("resign", "/user/revoke-admin?name=admin", WIDE, "light"),
    ("users-phone", "/users", NARROW, "light"),
    ("custody-phone", "/user?name=carl", NARROW, "dark"),
    ("account-phone", "/account", NARROW, "light"),
)


def main() -> None:
    """A service with some people, and pictures of its console."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running({"MI_LDAP_STATE_DIR": f"{folder}/state"}) as service,
        browser() as chromium,
    ):
        IMAGES.mkdir(exist_ok=True)
        with window(chromium, service) as opened:
            opened.open("/login")
            _shoot(opened, "first-login")
        with service.caller() as call:
            stage = Stage(service, call.login("admin", PASSWORD))
        _people(stage)
        for name, path, size, scheme in _PICTURES:
            with window(chromium, service, size=size, scheme=scheme) as opened:
                opened.log_in("admin", path=path)
                _shoot(opened, name)
        with window(chromium, service) as opened:
            opened.open("/login")
            _shoot(opened, "login")


def _people(stage: Stage) -> None:
    for name in _PEOPLE:
        stage.add(name)
    stage.add("boss", is_admin=True)
    stage.add("carl", is_admin=True, by="boss")
    for role in _ROLES:
        stage.add_role(role)
    for name in ("alice", "bob", "farid", "mei.tanaka"):
        roles = ["developers", "operators"]
        stage.do("PUT", "/roles", {"userId": name, "addedRoles": roles})


def _shoot(opened: Window, name: str) -> None:
    opened.page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
