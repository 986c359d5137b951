"""An API in front of two Micro Integrators (MIs), which records what it would forward."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_ldap.micro_integrators.forward import BODY_FOLLOWS, CAN_FORWARD, FORWARD, Forward
from mi_ldap.micro_integrators.resources import streams_body
from mi_ldap.settings import load_settings
from mi_ldap.store import UserStore
from mi_ldap.wiring import services
from tests.api.client import Api
from tests.api.conftest import api_over

IDS = ("mi-1", "mi.2")
PORT = "9165"
NODES = f"""
[management_api]
operator_roles = ["operators", "night shift"]
[[micro_integrator]]
id = "mi-1"
management_url = "https://mi-1.example.org:9164/management"
username = "door"
password = "the node's password"
[[micro_integrator]]
id = "mi.2"
management_url = "https://mi-2.example.org:9164/management"
username = "door"
password = "the node's password"
port = {PORT}
"""


class RecordingServer:
    """WSGI middleware in place of a server that forwards: it answers for the MIs itself."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self.sent: list[Forward] = []

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        environ[CAN_FORWARD] = True
        if streams_body(environ["REQUEST_METHOD"], environ["PATH_INFO"], IDS):
            environ[BODY_FOLLOWS] = True
        held: list[Any] = []
        answer = self._application(environ, lambda *given: held.append(given))
        forward = environ.get(FORWARD)
        if forward is None:
            start_response(*held[0])
            return answer
        b"".join(answer)
        self.sent.append(forward)
        own = ("content-type", "content-length")
        fields = [(name, value) for name, value in held[0][1] if name.lower() not in own]
        start_response("200 OK", [*fields, ("Content-Type", "application/json")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b'{"status": "forwarded"}']


@dataclass(frozen=True)
class Gateway:
    """The API and what it has forwarded.

    Attributes:
        admin, operator, user: the API as each of them sees it.
        server: records.
    """

    admin: Api
    operator: Api
    user: Api
    server: RecordingServer

    @property
    def sent(self) -> list[Forward]:
        return self.server.sent

    @property
    def audited(self) -> list[tuple[Any, ...]]:
        """Performer, action, info, outcome and reason of each line about artifacts."""
        return [
            (
                line["performedBy"],
                line["action"],
                json.loads(line["info"]),
                line["outcome"],
                line["reason"],
            )
            for line in self.admin.lines
            if line["type"] == "artifact"
        ]


def gateway_over(
    store: UserStore, folder: Path, opened: ExitStack, toml: str = NODES, **variables: str
) -> Gateway:
    """An API with an admin, an operator `olga` and another user `bob`."""
    config = folder / "nodes.toml"
    config.write_text(toml, encoding="utf-8")
    own = {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(folder)}
    loaded = load_settings({**own, **variables})
    api = api_over(services(loaded, store=store), opened)
    app = api.client.application
    server = RecordingServer(app.wsgi_app)
    app.wsgi_app = server  # type: ignore[method-assign]
    admin = api.logged_in("admin")
    for name in ("olga", "bob"):
        admin.add_user(name)
    admin.add_role("operators", "olga")
    return Gateway(admin, api.logged_in("olga"), api.logged_in("bob"), server)
