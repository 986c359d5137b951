"""The process of a stand-in, which `MicroIntegrator` starts and controls over its pipes.

The first line of the standard input is the configuration, each further line a command; all are
JSON, and each is answered by one line of JSON. The process ends with its standard input.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from typing import Any

from tests.micro_integrator.modes import Mode
from tests.micro_integrator.server import Server
from tests.micro_integrator.tokens import Tokens


def main() -> None:
    config = json.loads(sys.stdin.readline())
    tokens = Tokens(config["username"], config["password"], config["token_life_s"])
    listener = socket.create_server(("127.0.0.1", config["port"]), backlog=1024)
    context = None
    if config["cert_file"]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(config["cert_file"], config["key_file"])
    server = Server(listener, context, tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _say({"port": listener.getsockname()[1]})
    commands = _commands(server, tokens)
    for line in sys.stdin:
        command = json.loads(line)
        _say(commands[command.pop("do")](**command))
    # Connections may hang in threads; nothing is worth waiting for.
    os._exit(0)


def _commands(server: Server, tokens: Tokens) -> dict[str, Callable[..., Any]]:
    """What a test may have done; what a command returns is its answer."""
    recorder = server.recorder

    def state() -> dict[str, Any]:
        asked = server.management.settings.state
        return {**recorder.counters(), "tokens": tokens.count, "asked_state": asked}

    return {
        "add_log": server.management.logs.add,
        "know_ranges": server.management.logs.know_ranges,
        "write_log": server.management.logs.write,
        "clear": recorder.clear,
        "drop_connections": server.drop_connections,
        "forget_tokens": tokens.forget,
        "requests": recorder.requests,
        "set_modes": lambda modes: server.modes.replace([Mode.from_json(each) for each in modes]),
        "state": state,
        "violations": recorder.violations,
    }


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
