"""The console in front of a stand-in for a Micro Integrator, and of a node that is down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import Client, TestResponse

from mi_ldap import wiring
from mi_ldap.micro_integrators.forward import CAN_FORWARD, FORWARD, Forward
from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.web import create_app
from tests.console.console_client import HERE, ConsoleClient
from tests.hosts.process import free_ports
from tests.micro_integrator.instance import MicroIntegrator
from tests.world import World, make_world


def settings_text(mi: MicroIntegrator, down_port: int, authorization: str = "") -> str:
    """Settings with the node `mi-1`, and `mi-2` at a port where nothing listens."""
    account = f'username = "{mi.username}"\npassword = "{mi.password}"\n'
    return f"""
[management_api]
operator_roles = ["operators"]
[management_api.authorization_handler]
{authorization}
[[micro_integrator]]
id = "mi-1"
management_url = "{mi.url}"
ca_file = "{mi.ca_file}"
{account}
[[micro_integrator]]
id = "mi-2"
management_url = "https://localhost:{down_port}/management"
timeout_s = 1
{account}"""


@dataclass
class NodeConsole:
    """The console and its node; each user has a client of its own.

    Attributes:
        mi: the stand-in, `mi-1`.
        nodes: what the service knows of `mi-1` and `mi-2`.
        world: the services.
        admin, operator, reader: the console as each of them sees it.
    """

    mi: MicroIntegrator
    nodes: Nodes
    world: World
    admin: ConsoleClient
    operator: ConsoleClient
    reader: ConsoleClient

    @property
    def audited(self) -> list[tuple[str, str, str]]:
        """User, name and outcome of each line about an artifact; they are forgotten."""
        found = [
            (line["performedBy"], line["info"]["name"], line["outcome"])
            for line in self.world.lines
            if line["type"] == "artifact"
        ]
        (self.world.services.settings.state_dir / "audit.log").write_bytes(b"")
        return found

    def forward_of(self, somebody: ConsoleClient, path: str) -> tuple[TestResponse, Forward]:
        """What a view leaves for a server that forwards."""
        left: list[Forward] = []
        application = somebody.client.application

        def serve(environ: dict[str, Any], start_response: Any) -> Any:
            environ[CAN_FORWARD] = True
            answer = application.wsgi_app(environ, start_response)
            left.append(environ[FORWARD])
            return answer

        client = Client(serve)
        cookie = somebody.cookie()
        client.set_cookie(cookie.key, cookie.value, secure=True)
        answer = client.get(f"/console{path}", base_url=HERE, buffered=True)
        return answer, left[0]


def at(kind: str, page: str = "", /, **query: str) -> str:
    """The path of a page about artifacts of `mi-1`."""
    path = "/".join(filter(None, ("/nodes/mi-1", kind, page)))
    return f"{path}?{urlencode(query)}" if query else path


@contextmanager
def node_console(folder: Path, mi: MicroIntegrator, **more: str) -> Iterator[NodeConsole]:
    """The console with an admin, an operator and a user without rights."""
    (port,) = free_ports(1)
    config = folder / "config.toml"
    config.write_text(settings_text(mi, port, **more), encoding="utf-8")
    world = make_world(folder / "state", [("CONFIG", str(config))])
    world.add_first_admin()
    world.add("olga", "operators")
    world.add("rita")
    nodes = wiring.nodes(world.services.settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    nodes.attach(loop, 0)
    app = create_app(world.services, nodes)
    clients = []
    for name in ("admin", "olga", "rita"):
        client = ConsoleClient(world, app.test_client())
        client.log_in(name)
        clients.append(client)
    yield NodeConsole(mi, nodes, world, *clients)
    asyncio.run_coroutine_threadsafe(_close(nodes), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    world.services.state.close()
    world.services.audit.close()


async def _close(nodes: Nodes) -> None:
    for node in nodes:
        node.pool.close_idle()
