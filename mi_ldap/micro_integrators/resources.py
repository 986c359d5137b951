"""The table of requests that are forwarded to a Micro Integrator (MI), and who may send them.

The routes of `mi_ldap.web.api.artifacts` are made from the table, so a request that it does not
list is answered with 404 and reaches no MI. Paths and query keys are those of MI 4.x.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import quote, urlencode

_BASE: Final = "management"
_NODES: Final = "nodes"


class Audience(Enum):
    """Who may call an operation."""

    READERS = "readers"
    """Every logged-in user."""
    OPERATORS = "operators"
    """Holders of an operator role, and admins."""
    ADMINS = "admins"


class Body(Enum):
    """What a request has as its body."""

    NONE = "none"
    JSON = "json"
    """A JSON object that names the artifact."""
    STREAMED = "streamed"
    """A body of any type and size, which is not held in memory."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a resource.

    Attributes:
        method: in capitals; `GET` includes HEAD.
        audience: who may call it.
        body: what it has as its body.
        name_key: the key that names the artifact, in a JSON body, else in the query; `""` if no key
            does.
        is_audited: whether its requests have lines in the audit log; a GET has them only if it
            names something.
    """

    method: str
    audience: Audience
    body: Body = Body.NONE
    name_key: str = ""
    is_audited: bool = True

    @property
    def is_write(self) -> bool:
        """Whether it may change something at the MI."""
        return self.method != "GET"


@dataclass(frozen=True, slots=True)
class Resource:
    """A path below `/management`, and its operations.

    Attributes:
        path: with a parameter in braces, `"/applications/{name}"`.
        query: the query keys that are forwarded; all others are dropped.
        operations: one for each method.
        is_list: whether a GET without a name returns a list, which is empty without an MI.
    """

    path: str
    query: tuple[str, ...]
    operations: tuple[Operation, ...]
    is_list: bool = True

    @property
    def kind(self) -> str:
        """The first segment, `"applications"`."""
        return self.path.split("/")[1]

    def target(self, arguments: Mapping[str, str], query: Iterable[tuple[str, str]]) -> str:
        """Return path and query below the MI's management URL, percent-encoded.

        Args:
            arguments: the parameters of the path, decoded.
            query: the pairs of the query, decoded; keys that are not forwarded are left out.
        """
        encoded = {name: quote(text, safe="") for name, text in arguments.items()}
        pairs = [(key, text) for key, text in query if key in self.query]
        # A space becomes %20: not every parser decodes a plus sign as a space.
        asked = urlencode(pairs, quote_via=quote, safe="")
        path = self.path.format(**encoded)
        return f"{path}?{asked}" if asked else path


def _read(name_key: str = "", *, is_audited: bool = False) -> Operation:
    return Operation("GET", Audience.READERS, Body.NONE, name_key, is_audited)


def _operate(method: str, name_key: str = "", body: Body = Body.JSON) -> Operation:
    return Operation(method, Audience.OPERATORS, body, name_key)


def _administer(method: str, name_key: str = "") -> Operation:
    return Operation(method, Audience.ADMINS, Body.JSON, name_key)


def _listed(kind: str, name_key: str = "", *keys: str, changes: bool = False) -> Resource:
    """Return the resource of a kind of artifact, whose list can be searched."""
    # In the body of a change MI always calls the name `name`, whatever the query key is.
    operations = (_read(name_key), *((_operate("POST", "name"),) if changes else ()))
    query = tuple(key for key in (*keys, name_key, "searchKey") if key)
    return Resource(f"/{kind}", query, operations)


_FILES: Final = (
    _operate("POST", "path", Body.STREAMED),
    _operate("PUT", "path", Body.STREAMED),
    _operate("DELETE", "path", Body.NONE),
)

RESOURCES: Final[tuple[Resource, ...]] = (
    _listed("proxy-services", "proxyServiceName", changes=True),
    _listed("endpoints", "endpointName", changes=True),
    _listed("inbound-endpoints", "inboundEndpointName", changes=True),
    _listed("message-stores", "name"),
    _listed("message-processors", "name", changes=True),
    _listed("apis", "apiName", changes=True),
    _listed("templates", "name", "type", changes=True),
    _listed("sequences", "sequenceName", changes=True),
    _listed("tasks", "taskName", changes=True),
    _listed("local-entries", "name"),
    _listed("connectors"),
    _listed("data-services", "dataServiceName"),
    Resource("/data-services/{name}/fault", (), (_read("name"),), is_list=False),
    _listed("data-sources", "name"),
    Resource(
        "/applications",
        ("carbonAppName", "searchKey"),
        (_read("carbonAppName"), _operate("POST", body=Body.STREAMED)),
    ),
    Resource(
        "/applications/{name}",
        (),
        (_read("name"), _operate("DELETE", "name", Body.NONE)),
        is_list=False,
    ),
    Resource("/applications/{name}/fault", (), (_read("name"),), is_list=False),
    Resource("/logs", ("file", "searchKey"), (_read("file", is_audited=True),)),
    Resource(
        "/logging",
        ("loggerName", "searchKey"),
        (
            _read("loggerName"),
            _operate("PATCH", "loggerName"),
            _operate("DELETE", "loggerName", Body.NONE),
        ),
    ),
    Resource("/registry-resources", ("path", "expand", "searchKey"), (_read("path"), *_FILES)),
    Resource(
        "/registry-resources/content",
        ("path", "expand", "mediaType"),
        (_read("path"), *_FILES),
        is_list=False,
    ),
    Resource(
        "/registry-resources/properties",
        ("path", "expand", "name"),
        (_read("path"), *_FILES),
        is_list=False,
    ),
    Resource(
        "/registry-resources/metadata",
        ("path", "expand"),
        (_read("path"), *_FILES),
        is_list=False,
    ),
    Resource("/transactions/count", ("year", "month"), (_read(),), is_list=False),
    Resource("/transactions/report", ("start", "end"), (_read(),), is_list=False),
    Resource(
        "/configs",
        ("configName",),
        (
            Operation("GET", Audience.ADMINS, Body.NONE, "configName"),
            _administer("PUT", "configName"),
        ),
        is_list=False,
    ),
    Resource("/external-vaults/hashicorp", (), (_administer("POST"),), is_list=False),
    # If neither the path nor the port names a node, GET describes this service: `web.api.server`.
    Resource("/server", (), (_read(), _administer("PATCH")), is_list=False),
)


def split_node(path: str) -> tuple[str | None, str]:
    """Return the node that a decoded path names, and the path without it.

    `("mi-1", "/management/apis")` for `/nodes/mi-1/management/apis`; the id is None, and the path
    unchanged, if it begins otherwise.
    """
    parts = path.split("/", 3)
    if parts[:2] != ["", _NODES] or len(parts) < 4:
        return None, path
    return parts[2], f"/{parts[3]}"


def streams_body(method: str, path: str, nodes: Collection[str]) -> bool:
    """Whether the body of a request is streamed to an MI, and so not collected in memory first.

    Args:
        method: as sent.
        path: decoded, as `PATH_INFO`.
        nodes: the ids of the configured MIs.
    """
    node, rest = split_node(path)
    if not nodes or (node is not None and node not in nodes):
        return False
    return (method, rest.removesuffix("/")) in _STREAMED


def _streamed() -> Iterator[tuple[str, str]]:
    for resource in RESOURCES:
        for operation in resource.operations:
            if operation.body is Body.STREAMED:
                yield operation.method, f"/{_BASE}{resource.path}"


_STREAMED: Final = frozenset(_streamed())
