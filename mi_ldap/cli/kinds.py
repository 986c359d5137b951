"""The table of what Micro Integrators (MIs) have: commands, resources, columns of lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_STATES: Final = {"activate": "active", "deactivate": "inactive"}
_WSDL: Final = ("name", "wsdl1_1", "wsdl2_0")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artifacts, or log files or loggers.

    Attributes:
        command: the group of commands, a noun.
        resource: the path below `/management/`.
        query_key: the query key that names one; `""` if only lists can be requested.
        columns: the keys of an entry in lists, first that of its name. Versions of MI differ.
        states: commands that change the state: name and value of `status`.
        types: the kind consists of these types, each with names of its own.
        lists: the keys of the lists in an answer, and what their entries have in common.
        nouns: one and many of them in sentences.
        sample: a name, for examples.
        other_names: names of the group in WSO2's CLIs that `aliases` cannot derive.
    """

    command: str
    resource: str
    query_key: str
    columns: tuple[str, ...] = ("name", "type")
    states: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"list": {}})
    nouns: tuple[str, str] = ("", "")
    sample: str = "Orders"
    other_names: tuple[str, ...] = ()

    @property
    def noun(self) -> str:
        return self.nouns[0] or self.command.replace("-", " ")

    @property
    def plural(self) -> str:
        return self.nouns[1] or self.resource.replace("-", " ")

    @property
    def aliases(self) -> set[str]:
        """The names of the group in WSO2's CLIs, `proxyservice` for `proxy-service`."""
        return {self.command.replace("-", ""), *self.other_names} - {self.command}

    def entries(self, content: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of all lists in an answer."""
        return [
            {**(each if isinstance(each, dict) else {self.columns[0]: each}), **shared}
            for key, shared in self.lists.items()
            if isinstance(content.get(key), list)
            for each in content[key]
        ]


# MI before 4.0 has one list of all applications.
_APPLICATIONS: Final = {
    "list": {},
    "activeList": {"status": "active"},
    "faultyList": {"status": "faulty"},
}
_TEMPLATES: Final = {
    "list": {},
    "endpointTemplateList": {"type": "endpoint"},
    "sequenceTemplateList": {"type": "sequence"},
}
ARTIFACTS: Final = (
    Kind("api", "apis", "apiName", ("name", "url", "tracing"), nouns=("API", "APIs")),
    Kind(
        "application",
        "applications",
        "carbonAppName",
        ("name", "version", "status"),
        lists=_APPLICATIONS,
        other_names=("compositeapp", "composite-app"),
    ),
    Kind("connector", "connectors", "", ("name", "status", "package", "description")),
    Kind("data-service", "data-services", "dataServiceName", _WSDL),
    Kind("data-source", "data-sources", "name"),
    Kind("endpoint", "endpoints", "endpointName", ("name", "type", "isActive"), _STATES),
    Kind(
        "inbound-endpoint",
        "inbound-endpoints",
        "inboundEndpointName",
        ("name", "protocol", "status"),
        _STATES,
    ),
    Kind("local-entry", "local-entries", "name"),
    Kind("message-processor", "message-processors", "name", ("name", "type", "status"), _STATES),
    Kind("message-store", "message-stores", "name", ("name", "type", "size")),
    Kind("proxy-service", "proxy-services", "proxyServiceName", _WSDL, _STATES),
    Kind("sequence", "sequences", "sequenceName", ("name", "container", "tracing", "stats")),
    Kind("task", "tasks", "taskName", ("name",), {**_STATES, "trigger": "trigger"}),
    Kind("template", "templates", "name", types=("endpoint", "sequence"), lists=_TEMPLATES),
)
# Without a query key: `file` requests the content.
LOGS: Final = Kind(
    "log",
    "logs",
    "",
    ("FileName", "Size"),
    nouns=("log file", "log files"),
    sample="audit.log",
    other_names=("logs",),
)
LOGGERS: Final = Kind(
    "log-level",
    "logging",
    "loggerName",
    ("loggerName", "level", "componentName"),
    nouns=("logger", "loggers"),
    sample="synapse-api",
)
