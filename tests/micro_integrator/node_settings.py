"""Loggers, configs, transactions, the external vault, and the server itself."""

from __future__ import annotations

import re
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

_ROOT_LOGGER = "rootLogger"
_LEVELS = {"OFF", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
_STATES = {
    "shutdown": "The server will start to shutdown.",
    "shutdownGracefully": "The server will start to shutdown gracefully.",
    "restart": "The server will start to restart.",
    "restartGracefully": "The server will start to restart gracefully.",
}
_SERVER = {
    "productName": "WSO2 Micro Integrator",
    "productVersion": "4.4.0",
    "carbonHome": "/home/wso2carbon/wso2mi-4.4.0",
    "javaHome": "/opt/java/openjdk",
    "javaVersion": "17.0.12",
    "javaVendor": "Eclipse Adoptium",
    "osName": "Linux",
    "osVersion": "6.1.0",
}


class NodeSettings:
    """What is set for the whole node."""

    def __init__(self) -> None:
        self._loggers = {_ROOT_LOGGER: ("", "ERROR"), "AUDIT_LOG": ("AUDIT_LOG", "INFO")} | {
            f"synapse-part-{number}": (f"org.apache.synapse.part{number}", "INFO")
            for number in range(10)
        }
        self._is_correlation_enabled = False
        self.state = "running"
        """The last state that a PATCH asked for; it is not carried out: see `restart`."""

    def handle_logging(self, request: Request) -> Answer:
        """`logging`: loggers with class and level (LoggingResource); unknown ones are 400."""
        if request.method == "PATCH":
            return self._set_level(request)
        name = request.query.get("loggerName")
        if name is not None and name not in self._loggers:
            raise Refused(400, f"Logger name ('{name}') not found")
        if request.method == "DELETE":
            if name is None or name == _ROOT_LOGGER:
                raise Refused(400, "Logger name is missing")
            del self._loggers[name]
            return message(f"Successfully removed logger for ('{name}')")
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        if name is not None:
            return json_answer(self._logger(name))
        return listing(
            matching([self._logger(each) for each in self._loggers], request.query, "loggerName")
        )

    def _set_level(self, request: Request) -> Answer:
        payload = request.json({"loggerName", "loggingLevel"}, {"loggerClass"})
        name, level = str(payload["loggerName"]), str(payload["loggingLevel"])
        component = payload.get("loggerClass")
        if level.upper() not in _LEVELS:
            raise Refused(400, f"Invalid log level {level}")
        if component is None and name not in self._loggers:
            raise Refused(400, f"Specified logger ('{name}') not found")
        if component is not None and name in self._loggers:
            known = f"Specified logger name ('{name}') already exists"
            raise Refused(400, f"{known}, try updating the level instead")
        self._loggers[name] = component or self._loggers[name][0], level
        added = f" for class {component}" if component else ""
        return message(f"Successfully added logger for ('{name}') with level {level}{added}")

    def _logger(self, name: str) -> dict[str, str]:
        component, level = self._loggers[name]
        return {"loggerName": name, "componentName": component, "level": level}

    def handle_configs(self, request: Request) -> Answer:
        """`configs`: whether correlation logs are on (ConfigsResource)."""
        if request.method == "PUT":
            payload = request.json({"configName", "configs"})
            _check_config(payload["configName"])
            if not isinstance(payload["configs"], dict) or "enabled" not in payload["configs"]:
                raise Refused(400, " Error : Missing Required Field: enabled")
            enabled = str(payload["configs"]["enabled"]).lower()
            self._is_correlation_enabled = enabled == "true"
            return message("Successfully Updated Correlation Logs Status")
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        name = request.query.get("configName")
        _check_config(name)
        return json_answer(
            {"configName": name, "configs": {"enabled": self._is_correlation_enabled}}
        )

    def handle_server(self, request: Request) -> Answer:
        """`server`: its versions; PATCH asks for another state (MetaDataResource)."""
        if request.method == "GET":
            return json_answer(_SERVER)
        if request.method != "PATCH":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        status = request.json({"status"})["status"]
        if status not in _STATES:
            raise Refused(400, "Invalid server status received.")
        self.state = status
        return message(_STATES[status])


def handle_vault(request: Request) -> Answer:
    """`external-vaults/hashicorp` (ExternalVaultResource)."""
    if request.method != "POST":
        raise Refused(404, "No such method for management/external-vault/hashicorp")
    request.json({"secretId"})
    return message("SecretId value is updated in HashiCorp vault runtime configurations.")


def handle_count(request: Request) -> Answer:
    """`transactions/count` (RequestCountResource): of one month, of this one by default."""
    _check_is_get(request)
    year, month = request.query.get("year"), request.query.get("month")
    if (year is None) != (month is None):
        raise Refused(400, "Input parameters are not valid")
    if year is None or month is None:
        year, month = "2026", "12"
    if not re.fullmatch(r"\d{4}", year) or not re.fullmatch(r"0?[1-9]|1[0-2]", month):
        raise Refused(400, "Input parameters are not valid")
    return json_answer({"Year": int(year), "Month": int(month), "TransactionCount": 4_711})


def handle_report(request: Request) -> Answer:
    """`transactions/report`: a line of headings, and one for each month and node, all of texts."""
    _check_is_get(request)
    months = request.query.get("start", ""), request.query.get("end", "2026-12")
    if not all(re.fullmatch(r"\d{4}-\d\d", month) for month in months):
        raise Refused(400, "Input parameters are not valid")
    headings = ["TIME_STAMP", "NODE_ID", "TRANSACTION_COUNT", "ENCRYPTED_COUNT"]
    lines = [[f"{month}-01", "node", "4711", "c2VjcmV0"] for month in months]
    return json_answer({"TransactionCountData": [headings, *lines]})


def _check_is_get(request: Request) -> None:
    if request.method != "GET":
        raise Refused(405, f"Unsupported HTTP method, {request.method}.")


def _check_config(name: Any) -> None:
    if name is None:
        raise Refused(400, " Error : Missing Required Query Parameter : configName")
    if name != "correlation":
        raise Refused(400, f" Error : {name} configName not found")
