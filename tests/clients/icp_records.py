"""The records of ICP 2, as strict as its types and its database are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ARTIFACTS = frozenset(
    (
        *("apis", "proxyServices", "endpoints", "inboundEndpoints", "sequences", "tasks"),
        *("templates", "messageStores", "messageProcessors", "localEntries", "dataServices"),
        *("carbonApps", "dataSources", "connectors", "registryResources"),
    )
)

FULL: dict[str, type] = {
    "heartbeatVersion": str,
    "runtimeId": str,
    "runtimeType": str,
    "status": str,
    "environment": str,
    "project": str,
    "component": str,
    "runtimeHostname": str,
    "runtimePort": str,
    "nodeInfo": dict,
    "artifacts": dict,
    "runtimeHash": str,
    "timestamp": list,
}
OPTIONAL: dict[str, type] = {"runtime": str, "version": str}
DELTA: dict[str, type] = {
    key: FULL[key] for key in ("heartbeatVersion", "runtimeId", "runtimeHash", "timestamp")
}
COLUMNS = {"runtime": 100, "version": 50, "runtimeHostname": 255, "runtimePort": 10}
NODE_COLUMNS = {
    "platformName": 50,
    "platformVersion": 50,
    "platformHome": 255,
    "osName": 50,
    "osVersion": 50,
    "osArch": 50,
    "javaVersion": 50,
    "javaVendor": 100,
    "carbonHome": 500,
}


class Malformed(Exception):
    """The record cannot be read or stored; the text is ICP's."""


def check_full(body: Any, *, is_closed: bool) -> None:
    """Raise `Malformed` for what a full heartbeat must not contain."""
    _check(body, FULL, OPTIONAL, is_closed=is_closed)
    for kind, listed in body["artifacts"].items():
        if kind not in ARTIFACTS or not isinstance(listed, list):
            raise Malformed(f"artifacts: {kind}")
    for key, longest in COLUMNS.items():
        if len(body.get(key, "")) > longest:
            raise Malformed(f"Value too long for column {key}")
    for key, longest in NODE_COLUMNS.items():
        value = body["nodeInfo"].get(key, "")
        if not isinstance(value, str) or len(value) > longest:
            raise Malformed(f"Value too long for column {key}")


def check_delta(body: Any, *, is_closed: bool) -> None:
    """Raise `Malformed` for what a delta must not contain."""
    _check(body, DELTA, {}, is_closed=is_closed)


def _check(
    body: Any, needed: Mapping[str, type], optional: Mapping[str, type], *, is_closed: bool
) -> None:
    if not isinstance(body, dict):
        raise Malformed("no record")
    if missing := needed.keys() - body.keys():
        raise Malformed(f"missing: {sorted(missing)}")
    if is_closed and (more := body.keys() - needed.keys() - optional.keys()):
        raise Malformed(f"unknown: {sorted(more)}")
    for key, kind in {**needed, **optional}.items():
        if key in body and type(body[key]) is not kind:
            raise Malformed(f"{key} is no {kind.__name__}")
    numbers = [type(each) in (int, float) for each in body["timestamp"]]
    if numbers != [True, True] or type(body["timestamp"][0]) is not int:
        raise Malformed("timestamp is no time:Utc")
