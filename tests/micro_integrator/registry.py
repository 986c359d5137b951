"""The registry of a node: RegistryResource, RegistryContentResource and their siblings of MI.

Paths lie below `registry/`; MI answers 400, not 404, where there is no such resource.
"""

from __future__ import annotations

import json
from typing import Any

from tests.micro_integrator.answers import (
    OCTETS,
    Answer,
    Refused,
    Request,
    answer_of,
    json_answer,
    listing,
    matching,
    message,
)

_DEFAULT_TYPE = "text/plain"
_EXTENSIONS = (".txt", ".json", ".xml", ".xslt", ".dmc", ".js", ".css", ".html", ".sql", ".bin")


class Registry:
    """Resources by path: content, media type, properties."""

    def __init__(self) -> None:
        self._contents: dict[str, tuple[bytes, str]] = {
            "registry/config/orders.json": (b'{"retries": 3}', "application/json"),
            "registry/governance/mapping.dmc": (b"map.a = 1;", "application/javascript"),
            "registry/governance/Bestell übersicht.xml": ("<ä/>".encode(), "application/xml"),
            "registry/governance/empty.txt": (b"", _DEFAULT_TYPE),
            "registry/governance/image.bin": (bytes(range(256)) * 8, OCTETS),
        }
        self._properties: dict[str, dict[str, str]] = {
            "registry/config/orders.json": {"owner": "Müller", "a b": "c=d"}
        }

    def handle(self, request: Request) -> Answer:
        """`registry-resources`: the children of `path`, all descendants with `expand=true`."""
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        folder = _path(request).rstrip("/") + "/"
        below = [path.removeprefix(folder) for path in self._contents if path.startswith(folder)]
        if not below:
            raise Refused(400, "Invalid registry path")
        names = sorted(below if request.query.get("expand") == "true" else _first_steps(below))
        items = [self._item(folder, name) for name in names]
        return listing(matching(items, request.query, "name"))

    def handle_content(self, request: Request) -> Answer:
        """`registry-resources/content`: its bytes; POST adds, PUT changes, DELETE removes."""
        path = _path(request)
        if request.method == "POST":
            return self._add(path, request)
        self._check_exists(path)
        match request.method:
            case "GET":
                content, _ = self._contents[path]
                return answer_of(content, OCTETS)
            case "PUT":
                self._contents[path] = request.read(), self._contents[path][1]
                return message("Successfully modified the registry resource")
            case "DELETE":
                del self._contents[path]
                self._properties.pop(path, None)
                return message("Successfully deleted the registry resource")
        raise Refused(405, f"Unsupported HTTP method, {request.method}.")

    def handle_properties(self, request: Request) -> Answer:
        """`registry-resources/properties`: a list, one by `name`; POST adds, DELETE removes one."""
        path = _path(request)
        self._check_exists(path)
        known = self._properties.setdefault(path, {})
        name = request.query.get("name")
        if request.method == "POST":
            known.update(_properties_of(request.read()))
            return message("Successfully added the registry property")
        if request.method not in {"GET", "DELETE"}:
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        if request.method == "GET" and name is None:
            return listing([{"name": key, "value": value} for key, value in known.items()])
        if name not in known:
            raise Refused(400, f"Property named {name} does not exist")
        if request.method == "GET":
            return json_answer({name: known[name]})
        del known[name]
        return message("Successfully deleted the registry property")

    def handle_metadata(self, request: Request) -> Answer:
        """`registry-resources/metadata`: name and media type."""
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        path = _path(request)
        self._check_exists(path)
        return json_answer({"name": path.rpartition("/")[2], "mediaType": self._contents[path][1]})

    def _add(self, path: str, request: Request) -> Answer:
        if not path.endswith(_EXTENSIONS):
            raise Refused(400, "File type of the registry is not supported")
        if path in self._contents:
            raise Refused(400, "Registry already exists. Can not POST an existing registry")
        media_type = request.query.get("mediaType", _DEFAULT_TYPE)
        self._contents[path] = request.read(), media_type
        return message("Successfully added the registry resource")

    def _check_exists(self, path: str) -> None:
        if path not in self._contents:
            raise Refused(400, f"Can not find the registry: {path}")

    def _item(self, folder: str, name: str) -> dict[str, Any]:
        path = folder + name
        if path not in self._contents:
            return {"name": name, "mediaType": "directory", "properties": []}
        properties = [{key: value} for key, value in self._properties.get(path, {}).items()]
        return {"name": name, "mediaType": self._contents[path][1], "properties": properties}


def _path(request: Request) -> str:
    path = request.query.get("path")
    if path is None:
        raise Refused(400, "Registry path not found in the request")
    if not f"{path}/".startswith("registry/") or "/../" in f"/{path}/":
        raise Refused(400, f"Invalid registry path: {path}")
    return path


def _first_steps(paths: list[str]) -> set[str]:
    return {path.partition("/")[0] for path in paths}


def _properties_of(payload: bytes) -> dict[str, str]:
    """The payload is a list of `{"name", "value"}`."""
    try:
        return {str(item["name"]): str(item["value"]) for item in json.loads(payload)}
    except (ValueError, TypeError, KeyError):
        raise Refused(400, "Invalid payload for properties") from None
