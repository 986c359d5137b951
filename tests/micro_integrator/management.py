"""The management API of a node: login, and the handler of each resource."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

from tests.micro_integrator.answers import (
    Answer,
    Refused,
    Request,
    answer_of,
    json_answer,
)
from tests.micro_integrator.applications import Applications
from tests.micro_integrator.artifacts import KINDS, Artifacts
from tests.micro_integrator.http_wire import Head
from tests.micro_integrator.logs import Logs
from tests.micro_integrator.node_settings import (
    NodeSettings,
    handle_count,
    handle_report,
    handle_vault,
)
from tests.micro_integrator.recording import Recorder
from tests.micro_integrator.registry import Registry
from tests.micro_integrator.tokens import Tokens

_BASE = "/management"
Handler = Callable[[Request], Answer]


class Management:
    """Answers requests; what writes changed stands until the process ends."""

    def __init__(self, tokens: Tokens, recorder: Recorder) -> None:
        self.logs = Logs()
        self._tokens = tokens
        self._recorder = recorder
        self._lock = threading.Lock()
        self._applications = Applications()
        self.settings = NodeSettings()
        self._handlers = self._routes()

    def authenticate(self, head: Head) -> Answer | None:
        """None if the request may go on, else the 401 that MI answers before it reads the body.

        MI's 401 has no body; it names `Basic` where there is no Authorization header
        (AuthenticationHandlerAdapter).
        """
        if resource_of(head.target) in {"", "login"}:
            return None
        authorization = head.header("authorization")
        if self._tokens.is_known(authorization):
            return None
        return unauthorized(has_credentials=authorization is not None)

    def handle(self, request: Request) -> Answer:
        """The answer to a request that was authenticated; an error is an answer, too."""
        try:
            return self._handle(request)
        except Refused as refused:
            return refused.answer

    def _handle(self, request: Request) -> Answer:
        name = request.resource
        if name in {"login", "logout", ""}:
            return self._session(request)
        if name in self._handlers:
            if name == "applications":  # an upload takes as long as its client
                return self._applications.handle(request)
            request.read()  # before the lock: a client may be slow
            with self._lock:
                return self._handlers[name](request)
        if name.startswith("applications/"):
            return self._applications.handle_named(request, name.partition("/")[2])
        raise Refused(404, f"No such resource: {name}")

    def _session(self, request: Request) -> Answer:
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        authorization = request.headers.get("authorization")
        match request.resource:
            case "login":
                token = self._tokens.log_in(authorization)
                if token is None:
                    return unauthorized(has_credentials=authorization is not None)
                self._recorder.login()
                return json_answer({"AccessToken": token})
            case "logout":
                self._tokens.log_out(authorization)
                return answer_of(b"", "application/json")
        return json_answer({"WSO2 Micro Integrator": "4.4.0", "ManagementApi": "Active"})

    def _routes(self) -> dict[str, Handler]:
        artifacts, registry, settings = Artifacts(), Registry(), self.settings
        return {
            **dict.fromkeys(KINDS, artifacts.handle),
            "templates": artifacts.handle_templates,
            "applications": self._applications.handle,
            "logs": self.logs.handle,
            "logging": settings.handle_logging,
            "configs": settings.handle_configs,
            "server": settings.handle_server,
            "registry-resources": registry.handle,
            "registry-resources/content": registry.handle_content,
            "registry-resources/properties": registry.handle_properties,
            "registry-resources/metadata": registry.handle_metadata,
            "transactions/count": handle_count,
            "transactions/report": handle_report,
            "external-vaults/hashicorp": handle_vault,
        }


def unauthorized(*, has_credentials: bool) -> Answer:
    """401 without a body."""
    answer = answer_of(b"", "application/json", 401)
    if not has_credentials:
        answer.headers.append(("WWW-Authenticate", "Basic"))
    return answer


def resource_of(target: str) -> str:
    """The decoded path below `/management/` without a final slash; elsewhere the whole target."""
    path = unquote(target.partition("?")[0])
    if path == _BASE or not path.startswith(f"{_BASE}/"):
        return "" if path == _BASE else path
    return path.removeprefix(f"{_BASE}/").rstrip("/")


def query_of(target: str) -> dict[str, str]:
    """The first value of each key; `+` is a space, as Java's URLDecoder has it."""
    pairs = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    return dict(reversed(pairs))
