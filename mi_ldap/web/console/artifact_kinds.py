"""The kinds of artifacts that the console shows, and what an operator may change of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mi_ldap.micro_integrators.resources import RESOURCES, Operation, Resource

LEVELS: Final = ("OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")
"""The levels of a logger, from none to all messages."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artifacts.

    Attributes:
        name: its path at the Micro Integrator, without the slash: `"proxy-services"`.
        one: the singular, for sentences.
        many: the plural.
        switches: the keys that a change may set: `status`, `trace`, `statistics`.
        name_key: the key of the name in the items of a list.
        can_trigger: whether an artifact can be run at once.
    """

    name: str
    one: str
    many: str
    switches: tuple[str, ...] = ()
    name_key: str = "name"
    can_trigger: bool = False

    @property
    def resource(self) -> Resource:
        """Its row in the table of forwarded requests."""
        return resource_at(f"/{self.name}")

    @property
    def title(self) -> str:
        """The heading of its list."""
        return self.many[0].upper() + self.many[1:]


_ALL: Final = ("status", "trace", "statistics")
_ASPECTS: Final = ("trace", "statistics")

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("apis", "API", "APIs", _ASPECTS),
        Kind("proxy-services", "proxy service", "proxy services", _ALL),
        Kind("endpoints", "endpoint", "endpoints", _ALL),
        Kind("inbound-endpoints", "inbound endpoint", "inbound endpoints", _ALL),
        Kind("sequences", "sequence", "sequences", _ASPECTS),
        Kind("templates", "template", "templates", _ASPECTS),
        Kind("tasks", "task", "tasks", ("status",), can_trigger=True),
        Kind("message-stores", "message store", "message stores"),
        Kind("message-processors", "message processor", "message processors", ("status",)),
        Kind("local-entries", "local entry", "local entries"),
        Kind("data-services", "data service", "data services"),
        Kind("data-sources", "data source", "data sources"),
        Kind("connectors", "connector", "connectors"),
        Kind("applications", "application", "applications"),
        Kind("logs", "log file", "log files", name_key="FileName"),
        Kind("logging", "logger", "loggers", name_key="loggerName"),
    )
}
"""The kinds by name, in the order in which the page of a node lists them."""

LOGS: Final = KINDS["logs"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that an operator may do with an artifact.

    Attributes:
        id: the value of `change` in addresses.
        label: the label of the button.
        verb: the beginning of the question on the page that confirms it.
        key: the key of the request's body that it sets; `""` for a deletion.
        value: the value that it sets; `""` if the user chooses it.
        result: the predicate of the notice afterwards, `"orders is active."`.
        consequence: a sentence below the question; `""` for none.
    """

    id: str
    label: str
    verb: str
    key: str
    value: str
    result: str
    consequence: str

    @property
    def is_deletion(self) -> bool:
        return not self.key


_STATUS: Final = (
    Change("activate", "Activate", "Activate", "status", "active", "is active", "It works again."),
    Change(
        "deactivate",
        "Deactivate",
        "Deactivate",
        "status",
        "inactive",
        "is inactive",
        "It does not work until it is activated again.",
    ),
)
_TRACE: Final = (
    Change(
        "trace-on",
        "Turn tracing on",
        "Turn on tracing of",
        "trace",
        "enable",
        "is traced",
        "Each message is written to the log with its content. This makes processing slower.",
    ),
    Change(
        "trace-off",
        "Turn tracing off",
        "Turn off tracing of",
        "trace",
        "disable",
        "is not traced",
        "",
    ),
)
_STATISTICS: Final = (
    Change(
        "statistics-on",
        "Turn statistics on",
        "Turn on statistics of",
        "statistics",
        "enable",
        "has statistics",
        "The Micro Integrator counts and times its messages.",
    ),
    Change(
        "statistics-off",
        "Turn statistics off",
        "Turn off statistics of",
        "statistics",
        "disable",
        "has no statistics",
        "",
    ),
)
_SWITCHES: Final = {"status": _STATUS, "trace": _TRACE, "statistics": _STATISTICS}
TRIGGER: Final = Change(
    "trigger", "Run now", "Run", "status", "trigger", "was started", "The task runs once, at once."
)
DELETION: Final = Change(
    "delete",
    "Delete",
    "Delete",
    "",
    "",
    "was deleted",
    "The Micro Integrator removes it with all its artifacts. This cannot be undone here.",
)
LEVEL: Final = Change(
    "level", "Change level", "Change the level of", "loggingLevel", "", "has the level", ""
)


def changes_of(kind: Kind) -> Iterator[Change]:
    """Yield all changes of a kind."""
    for switch in kind.switches:
        yield from _SWITCHES[switch]
    if kind.can_trigger:
        yield TRIGGER
    if kind.name == "applications":
        yield DELETION
    if kind.name == "logging":
        yield LEVEL


def operation_of(kind: Kind, change: Change) -> tuple[Resource, Operation]:
    """Return the resource and the operation with which a change is sent to the node."""
    if change.is_deletion:
        resource = resource_at(f"/{kind.name}/{{name}}")
        return resource, _operation(resource, "DELETE")
    return kind.resource, _operation(kind.resource, "PATCH" if change is LEVEL else "POST")


def reading_of(resource: Resource) -> Operation:
    """Return the operation that reads a resource."""
    return _operation(resource, "GET")


def resource_at(path: str) -> Resource:
    """Return the row of a path in the table of forwarded requests."""
    return next(each for each in RESOURCES if each.path == path)


def _operation(resource: Resource, method: str) -> Operation:
    return next(each for each in resource.operations if each.method == method)
