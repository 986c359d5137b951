"""Requests of one user to one service: its token, its errors, and JSON objects as answers."""

from __future__ import annotations

import json
import re
from typing import Any, Final, Self

from mi_ldap.client.errors import (
    AlreadyExists,
    LoginNeeded,
    NotAllowed,
    Refused,
    UnexpectedResponse,
    UnknownDomain,
)
from mi_ldap.client.http import ConnectionOptions, HttpClient, Response
from mi_ldap.client.tokens import Login

Json = dict[str, Any]
_TOKEN: Final = re.compile(r"[!-~]+")  # visible ASCII, so that it fits into a header


class ApiSession:
    """The requests of one user to one service.

    Args:
        options: how to connect.
        login: the user and token; None before the login.
        base: the path of the API, without a final slash.
    """

    def __init__(
        self, options: ConnectionOptions, login: Login | None = None, base: str = "/management"
    ) -> None:
        self._options = options
        self._login = login
        self._base = base
        self._client = HttpClient(options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._client.__exit__(*details)

    @property
    def me(self) -> str:
        """The name of the logged-in user, as typed; `""` before the login."""
        return self._login.user if self._login else ""

    def _send(self, method: str, path: str, query: Json, body: Json | None = None) -> Response:
        """Send a request with the token."""
        return self._authorized(
            self._client.request(
                method, f"{self._base}/{path}", query=query, body=body, token=self._token()
            )
        )

    def _authorized(self, response: Response) -> Response:
        """Return the response; raise `LoginNeeded` if the service did not accept the token."""
        if response.status == 401:
            raise LoginNeeded(self._options.remote.name, had_login=True)
        return response

    def _token(self) -> str:
        if self._login is None or not is_token(self._login.token):
            raise LoginNeeded(self._options.remote.name, had_login=self._login is not None)
        return self._login.token

    def _content(self, response: Response) -> Json:
        """Return the JSON object of a response.

        Raises:
            Refused: the service returned an error.
            UnexpectedResponse: it is not a response of the management API.
        """
        content = _decoded(response.body)
        if response.status == 200 and content is not None:
            return content
        if response.status >= 400 and content is not None and isinstance(content.get("Error"), str):
            raise _refused(response, content["Error"])
        raise self._unexpected(response)

    def _unexpected(self, response: Response) -> UnexpectedResponse:
        url = self._options.remote.url
        if 300 <= response.status < 400:
            return UnexpectedResponse(
                f"{url} redirects to another address. Redirects are not followed: use that address."
            )
        return UnexpectedResponse(
            f"{url} answered {response.status} without the JSON of a management API: "
            "see 'mi remote show'."
        )


def _refused(response: Response, sentence: str) -> Refused:
    """Return the error of the response; its sentence gets the time to wait if it lacks that."""
    wait = response.headers.get("Retry-After", "")
    # Retry-After may also be a date (RFC 9110 §10.2.3), which this service never sends.
    if response.status not in {429, 503} or not wait.isdecimal():
        return _class_of(response, sentence)(response.status, sentence)
    retry_hint = f"Try again in {int(wait)} second{'' if int(wait) == 1 else 's'}."
    if "Try again in" not in sentence:
        sentence = f"{sentence.removesuffix('Try again later.').rstrip()} {retry_hint}"
    return Refused(response.status, sentence, int(wait))


def _class_of(response: Response, sentence: str) -> type[Refused]:
    code = response.headers.get("X-Error-Code")
    if code is not None:
        return _CLASSES.get(code, Refused)
    # Services before 0.2.0 send no code; these are fixed sentences of MI's API.
    if response.status == 400 and sentence.endswith(" already exists."):
        return AlreadyExists
    return UnknownDomain if response.status == 404 and "user-store" in sentence else Refused


_CLASSES: Final = {
    "user_exists": AlreadyExists,
    "role_exists": AlreadyExists,
    "domain_not_found": UnknownDomain,
}
"""The error codes of the service (`mi_ldap.errors`) that the client distinguishes."""


def _decoded(body: bytes) -> Json | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def is_token(token: object) -> bool:
    """Whether the value can be sent as a token."""
    return isinstance(token, str) and _TOKEN.fullmatch(token) is not None


def checked_name(name: str) -> str:
    """Return the name; raise `NotAllowed` if it cannot be sent."""
    # In a path or query, an empty name would address the whole list.
    if not name.strip():
        raise NotAllowed("A name can't be empty.")
    return checked_utf8(name)


def checked_utf8(text: str) -> str:
    """Return the text; raise `NotAllowed` if it cannot be sent."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotAllowed("A name or password is not valid UTF-8: check your locale.") from None
    return text
