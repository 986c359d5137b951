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
from tests.console.nodes_behind import settings_text
from tests.hosts.process import free_ports
from tests.micro_integrator.instance import MicroIntegrator
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
    ("nodes", "/nodes", WIDE, "light"),
    ("artifacts", "/nodes/mi-1/endpoints", WIDE, "dark"),
    ("artifact", "/nodes/mi-1/proxy-services/details?name=OrderService", WIDE, "light"),
    ("log", "/nodes/mi-1/logs/file?name=wso2carbon.log", WIDE, "light"),
    ("artifact-phone", "/nodes/mi-1/endpoints/details?name=orders+v2", NARROW, "dark"),
)


def main() -> None:
    """A service with some people, and pictures of its console."""
    with (
        tempfile.TemporaryDirectory() as folder,
        MicroIntegrator(Path(folder) / "mi-1") as mi,
        running(_settings(Path(folder), mi)) as service,
        browser() as chromium,
    ):
        IMAGES.mkdir(exist_ok=True)
        with window(chromium, service) as opened:
            opened.open("/login")
            _shoot(opened, "first-login")
        with service.caller() as call:
            stage = Stage(service, call.login("admin", PASSWORD), mi)
        _artifacts(stage)
        _people(stage)
        for name, path, size, scheme in _PICTURES:
            with window(chromium, service, size=size, scheme=scheme) as opened:
                opened.log_in("admin", path=path)
                _shoot(opened, name)
        with window(chromium, service) as opened:
            opened.open("/login")
            _shoot(opened, "login")


def _settings(folder: Path, mi: MicroIntegrator) -> dict[str, str]:
    (down_port,) = free_ports(1)
    config = folder / "config.toml"
    config.write_text(settings_text(mi, down_port), encoding="utf-8")
    return {"MI_LDAP_STATE_DIR": f"{folder}/state", "MI_LDAP_CONFIG": str(config)}


def _artifacts(stage: Stage) -> None:
    lines = (
        f"[2026-12-01 10:{minute:02}:07,{minute * 7:03}]  {level} {{LogMediator}} - "
        f"{{proxy:OrderService}} order = {4_700 + minute}, status = {status}\n"
        for minute in range(40)
        for level, status in ((" INFO", "accepted"), (" WARN", "retried after 2 s"))
    )
    stage.mi.write_log("wso2carbon.log", "".join(lines).encode())


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
