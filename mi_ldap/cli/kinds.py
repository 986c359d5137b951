"""The table of what Micro Integrators (MIs) have: commands, resources, columns of lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_STATES: Final = {"activate": "active", "deactivate": "inactive"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artifacts, or log files or loggers.

    Attributes:
        command: the group of commands, a noun.
        aliases: the names of the group in WSO2's CLIs, where they differ.
        resource: the path below `/management/`.
        query_key: the query key that names one; `""` if only lists can be requested.
        columns: the keys of an entry in lists, first that of its name. Versions of MI differ.
        states: commands that change the state: name and value of `status`.
        types: the kind consists of these types, each with names of its own.
        lists: the keys of the lists in an answer, and what their entries have in common.
        nouns: one and many of them in sentences.
        sample: a name, for examples.
    """

    command: str
    resource: str
    query_key: str
    columns: tuple[str, ...]
    states: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"list": {}})
    nouns: tuple[str, str] = ("", "")
    sample: str = "Orders"

    @property
    def noun(self) -> str:
        return self.nouns[0] or self.command.replace("-", " ")

    @property
    def plural(self) -> str:
        return self.nouns[1] or self.resource.replace("-", " ")

    def entries(self, content: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of all lists in an answer."""
        return [
            {**(each if isinstance(each, dict) else {self.columns[0]: each}), **shared}
            for key, shared in self.lists.items()
            if isinstance(content.get(key), list)
            for each in content[key]
        ]


LOGS: Final = Kind(
    "log",
    "logs",
    # `file` requests the content.
    "",
    ("FileName", "Size"),
    aliases=("logs",),
    nouns=("log file", "log files"),
    sample="audit.log",
)
LOGGERS: Final = Kind(
    "log-level",
    "logging",
    "loggerName",
    ("loggerName", "level", "componentName"),
    nouns=("logger", "loggers"),
    sample="synapse-api",
)
ARTIFACTS: Final = (
    Kind("api", "apis", "apiName", ("name", "url", "tracing"), nouns=("API", "APIs")),
    Kind(
        "application",
        "applications",
        "carbonAppName",
        ("name", "version", "status"),
        aliases=("compositeapp", "composite-app"),
        # MI before 4.0 has only `list`.
        lists={"list": {}, "activeList": {"status": "active"}, "faultyList": {"status": "faulty"}},
    ),
    Kind("connector", "connectors", "", ("name", "status", "package", "description")),
    Kind(
        "data-service",
        "data-services",
        "dataServiceName",
        ("name", "wsdl1_1", "wsdl2_0"),
        aliases=("dataservice",),
    ),
    Kind("data-source", "data-sources", "name", ("name", "type"), aliases=("datasource",)),
    Kind("endpoint", "endpoints", "endpointName", ("name", "type", "isActive"), _STATES),
    Kind(
        "inbound-endpoint",
        "inbound-endpoints",
        "inboundEndpointName",
        ("name", "protocol", "status"),
        _STATES,
        aliases=("inboundendpoint",),
    ),
    Kind("local-entry", "local-entries", "name", ("name", "type"), aliases=("localentry",)),
    Kind(
        "message-processor",
        "message-processors",
        "name",
        ("name", "type", "status"),
        _STATES,
        aliases=("messageprocessor",),
    ),
    Kind(
        "message-store",
        "message-stores",
        "name",
        ("name", "type", "size"),
        aliases=("messagestore",),
    ),
    Kind(
        "proxy-service",
        "proxy-services",
        "proxyServiceName",
        ("name", "wsdl1_1", "wsdl2_0"),
        _STATES,
        aliases=("proxyservice",),
    ),
    Kind("sequence", "sequences", "sequenceName", ("name", "container", "tracing", "stats")),
    Kind("task", "tasks", "taskName", ("name",), {**_STATES, "trigger": "trigger"}),
    Kind(
        "template",
        "templates",
        "name",
        ("name", "type"),
        types=("endpoint", "sequence"),
        lists={
            "list": {},
            "endpointTemplateList": {"type": "endpoint"},
            "sequenceTemplateList": {"type": "sequence"},
        },
    ),
)
