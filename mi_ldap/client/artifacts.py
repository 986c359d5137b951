"""Requests about the artifacts, loggers and log files of a Micro Integrator (MI)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from mi_ldap.client.errors import Refused
from mi_ldap.client.http import ConnectionOptions, Download, Response, quote_segment
from mi_ldap.client.session import ApiSession, Json, checked_name, checked_utf8
from mi_ldap.client.tokens import Login

Query = Mapping[str, str | None]
"""Keys and values; those without a value are not sent."""


class ArtifactsApi(ApiSession):
    """The requests of one user to one MI.

    Args:
        options: how to connect.
        login: the user and token.
        node: the id of the MI; None for the service's first one.
    """

    def __init__(
        self, options: ConnectionOptions, login: Login | None, node: str | None = None
    ) -> None:
        prefix = "" if node is None else f"/nodes/{quote_segment(checked_utf8(node))}"
        super().__init__(options, login, f"{prefix}/management")

    def named(self, resource: str, key: str, name: str, query: Query) -> Json:
        """Return the details of one artifact, which the query key `key` names."""
        return self.details(resource, {**query, key: checked_name(name)})

    def details(self, resource: str, query: Query) -> Json:
        """Return an object."""
        return self._content(self._send("GET", resource, _sent(query)))

    def lists(self, resource: str, query: Query, keys: Iterable[str]) -> Json:
        """Return an answer that has a list at one of these keys at least."""
        response = self._send("GET", resource, _sent(query))
        content = self._content(response)
        if not any(isinstance(content.get(key), list) for key in keys):
            raise self._unexpected(response)
        return content

    def set_state(self, resource: str, name: str, state: str) -> Json:
        """Set the `status` of an artifact: active, inactive, or trigger for a task."""
        return self._change("POST", resource, {"name": checked_name(name), "status": state})

    def set_level(self, name: str, level: str, logger_class: str | None) -> Json:
        """Set the level of a logger; with a class the logger is new."""
        body = {"loggerName": checked_name(name), "loggingLevel": level}
        return self._change("PATCH", "logging", {**body, "loggerClass": logger_class})

    def _change(self, method: str, resource: str, body: Query) -> Json:
        """Send a change; return the answer of the MI, usually `{"message": "…"}`."""
        return self._content(self._send(method, resource, {}, _sent(body)))

    @contextmanager
    def log_file(self, name: str) -> Iterator[Download]:
        """Yield the content of a log file."""
        query = {"file": checked_utf8(name)}
        path = f"{self._base}/logs"
        with self._client.download(path, query=query, token=self._token()) as answer:
            if isinstance(answer, Response):
                self._content(self._authorized(answer))
                raise self._unexpected(answer)
            yield answer

    def nodes(self) -> Json:
        """Return the states of all MIs by their ids, from the health check: no login is needed."""
        response = self._client.request("GET", "/ready")
        nodes = super()._content(response).get("nodes", {})
        if not isinstance(nodes, dict):
            raise self._unexpected(response)
        return nodes

    def _content(self, response: Response) -> Json:
        if response.status >= 400 and not response.body:
            # MI 4.2 sends no body if an artifact (404) or a log file (500) does not exist.
            status = f"{response.status} {response.reason}".rstrip()
            raise Refused(response.status, f"The Micro Integrator answered {status}.")
        content = super()._content(response)
        # MI 4.x sends some errors with status 200, such as that of an unknown type of templates.
        if content.keys() in ({"Error"}, {"error"}):
            raise Refused(response.status, str(*content.values()))
        return content


def _sent(values: Query) -> Json:
    return {key: checked_utf8(value) for key, value in values.items() if value is not None}
