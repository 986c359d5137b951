"""The integration artifacts of a node: lists, one by name, and the switches of each kind.

Shapes and sentences are those of MI's resources (ApiResource, EndpointResource and so on).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.micro_integrator.answers import (
    Answer,
    Refused,
    Request,
    json_answer,
    listing,
    matching,
    message,
)

NAMES = (
    "OrderService",
    "orders v2",
    "Bestellübersicht",
    "Zażółć gęślą",
    "注文一覧",
    "a+b",
    "50% off",
    "Tom & Jerry",
    "what?",
    "c#sharp",
    "semi;colon",
    "it's/odd",
)
"""A dozen names, with spaces, non-ASCII characters, and all that a query must escape."""

_SWITCHES = {
    "trace": ("tracing", {"enable": "enabled", "disable": "disabled"}),
    "statistics": ("stats", {"enable": "enabled", "disable": "disabled"}),
}
_STATUS = {"active": "active", "inactive": "inactive"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artifacts.

    Attributes:
        name_key: the query key that names one; `None` if the kind can only be listed.
        word: what MI's sentences call one.
        fields: what an artifact has in lists; more of it in `details`.
        details: what it has besides when asked for by its name.
        switches: the keys that a POST may carry: `status`, `trace`, `statistics`.
        states: the values of `status`; `trigger` leaves the state as it is.
    """

    name_key: str | None
    word: str
    fields: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)
    switches: tuple[str, ...] = ()
    states: tuple[str, ...] = ("active", "inactive")


_ASPECTS = {"tracing": "disabled", "stats": "disabled"}
_CONFIGURATION = {"configuration": '<definition xmlns="http://ws.apache.org/ns/synapse"/>'}

KINDS = {
    "proxy-services": Kind(
        "proxyServiceName",
        "Proxy",
        {"wsdl1_1": "http://localhost:8290/services/X?wsdl", "wsdl2_0": "http://localhost/X?wsdl2"},
        {"status": "active", "isRunning": True, "eprs": [], **_ASPECTS, **_CONFIGURATION},
        ("status", "trace", "statistics"),
    ),
    "endpoints": Kind(
        "endpointName",
        "Endpoint",
        {"type": "http", "isActive": True},
        {"status": "active", "method": "GET", "url": "http://localhost/x", **_ASPECTS},
        ("status", "trace", "statistics"),
    ),
    "apis": Kind(
        "apiName",
        "API",
        {"url": "http://localhost:8290/x", "tracing": "disabled"},
        {"version": "N/A", "context": "/x", "port": -1, "resources": [], **_ASPECTS},
        ("trace", "statistics"),
    ),
    "sequences": Kind(
        "sequenceName",
        "Sequence",
        {"container": "[ Deployed From Artifact Container: Orders ] ", **_ASPECTS},
        {"mediators": ["LogMediator"], **_CONFIGURATION},
        ("trace", "statistics"),
    ),
    "tasks": Kind(
        "taskName",
        "Task",
        {"taskGroup": "synapse.simple.quartz"},
        {"status": "active", "triggerType": "simple", "triggerInterval": "5", **_CONFIGURATION},
        ("status",),
        ("active", "inactive", "trigger"),
    ),
    "inbound-endpoints": Kind(
        "inboundEndpointName",
        "Inbound Endpoint",
        {"protocol": "http", "status": "active"},
        {"sequence": "main", "error": "fault", "parameters": [], **_ASPECTS},
        ("status", "trace", "statistics"),
    ),
    "message-processors": Kind(
        "name",
        "Message processor",
        {"type": "Scheduled-message-forwarding-processor", "status": "active"},
        {"messageStore": "orders", "parameters": {}, **_CONFIGURATION},
        ("status",),
    ),
    "local-entries": Kind("name", "Local entry", {"type": "Inline Text"}, {"value": "x"}),
    "message-stores": Kind(
        "name", "Message store", {"type": "in-memory", "size": 0}, {"consumer": "", "producer": ""}
    ),
    "connectors": Kind(
        None, "Connector", {"status": "enabled", "package": "org.wso2.carbon.connector"}
    ),
    "data-services": Kind(
        "dataServiceName", "Data service", {"wsdl1_1": "", "wsdl2_0": ""}, {"queries": []}
    ),
    "data-sources": Kind(
        "name", "Data source", {"type": "RDBMS"}, {"driverClass": "org.h2.Driver"}
    ),
}

_TEMPLATE_TYPES = ("sequence", "endpoint")


class Artifacts:
    """The artifacts of all kinds; each kind has the same dozen names."""

    def __init__(self) -> None:
        self._found = {
            name: {each: {"name": each, **kind.fields, **kind.details} for each in NAMES}
            for name, kind in KINDS.items()
        }
        self._templates = {
            kind: {each: {"name": each, **_ASPECTS, **_CONFIGURATION} for each in NAMES}
            for kind in _TEMPLATE_TYPES
        }

    def handle(self, request: Request) -> Answer:
        kind = KINDS[request.resource]
        if request.method == "POST" and kind.switches:
            return self._switch(request, kind)
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        found = self._found[request.resource]
        if kind.name_key and kind.name_key in request.query:
            return json_answer(_named(found, request.query[kind.name_key], kind.word))
        shown = [{key: item[key] for key in ("name", *kind.fields)} for item in found.values()]
        return listing(matching(shown, request.query, "name"))

    def handle_templates(self, request: Request) -> Answer:
        """Templates have a list for each of the two types, unless `type` names one."""
        if request.method == "POST":
            payload = request.json({"name", "type"}, {"trace", "statistics"})
            found = self._templates_of(str(payload.pop("type")))
            return _apply(_named(found, payload["name"], "Template"), payload, ("active",))
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        if "type" not in request.query:
            if "name" in request.query:
                raise Refused(400, "Missing the query parameter type")
            return json_answer(
                {f"{kind}TemplateList": self._shown(kind, request) for kind in _TEMPLATE_TYPES}
            )
        kind = request.query["type"]
        found = self._templates_of(kind)
        if "name" in request.query:
            return json_answer(_named(found, request.query["name"], "Template"))
        return listing(self._shown(kind, request))

    def _shown(self, kind: str, request: Request) -> list[Any]:
        items = [{"name": name} for name in self._templates[kind]]
        return matching(items, request.query, "name")

    def _templates_of(self, kind: str) -> dict[str, dict[str, Any]]:
        if kind not in self._templates:
            raise Refused(400, f"Invalid template type: {kind}")
        return self._templates[kind]

    def _switch(self, request: Request, kind: Kind) -> Answer:
        payload = request.json({"name"}, set(kind.switches))
        artifact = _named(self._found[request.resource], payload["name"], kind.word)
        return _apply(artifact, payload, kind.states)


def _apply(artifact: dict[str, Any], payload: Mapping[str, Any], states: tuple[str, ...]) -> Answer:
    """Change the one switch that the payload names."""
    name, *others = [key for key in payload if key != "name"] or [""]
    if not name or others:
        raise Refused(400, "Unsupported operation")
    value = payload[name]
    if name in _SWITCHES:
        shown, values = _SWITCHES[name]
        if value not in values:
            raise Refused(400, f"Invalid value for {name}: {value}")
        artifact[shown] = values[value]
        return message(f"{name} of {artifact['name']} is {values[value]}")
    if value not in states:
        raise Refused(400, "Provided state is not valid")
    if value in _STATUS:
        artifact["status"] = value
        artifact.update(dict.fromkeys(_running_keys(artifact), value == "active"))
    return message(f"{artifact['name']}: {value}")


def _running_keys(artifact: Mapping[str, Any]) -> list[str]:
    return [key for key in ("isActive", "isRunning") if key in artifact]


def _named(found: Mapping[str, dict[str, Any]], name: object, word: str) -> dict[str, Any]:
    if name not in found:
        raise Refused(404, f"{word} ('{name}') not found")
    return found[str(name)]
