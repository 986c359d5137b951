"""The kinds of artifacts of Micro Integrators (MIs), from which `mi` creates its commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_STATES: Final = {"activate": "active", "deactivate": "inactive"}
_WSDL: Final = ("name", "wsdl1_1", "wsdl2_0")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artifact; log files and loggers are kinds, too.

    Attributes:
        command: the name of the group of commands, a noun.
        resource: the path below `/management/`.
        query_key: the query key that names an artifact; `""` if only lists can be requested.
        columns: the keys of an entry that a list shows; the first is that of the name. Any of them
            may be missing in some versions of MI.
        states: the commands that change the state, each with the value of `status` that it sends.
        types: the types of the kind, if names are unique only within a type.
        lists: the keys of the lists in an answer, each with the values that all its entries have.
        nouns: the singular and plural for sentences; `""` to derive them.
        sample: a name for examples.
        other_names: names of the group in WSO2's CLIs that `aliases` does not derive.
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
        """The singular: `proxy service`."""
        return self.nouns[0] or self.command.replace("-", " ")

    @property
    def plural(self) -> str:
        """The plural: `proxy services`."""
        return self.nouns[1] or self.resource.replace("-", " ")

    @property
    def aliases(self) -> set[str]:
        """The names of the group in WSO2's CLIs, `proxyservice` for `proxy-service`."""
        return {self.command.replace("-", ""), *self.other_names} - {self.command}

    def entries(self, content: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the entries of all lists in an answer, as objects.

        An entry that is only a name becomes an object with that name.
        """
        return [
            {**(each if isinstance(each, dict) else {self.columns[0]: each}), **shared}
            for key, shared in self.lists.items()
            if isinstance(content.get(key), list)
            for each in content[key]
        ]


# MI before 4.0 returns all applications in `list`, later versions in two lists.
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
# It has no query key: `file` names a file too, but the answer is its content, not its details.
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
