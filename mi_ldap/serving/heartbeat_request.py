"""The request of a heartbeat: bounded in time and size, over TLS, without redirects."""

from __future__ import annotations

import http.client
import json
import signal
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from mi_ldap.errors import ConfigurationError

LONGEST_ATTEMPT_S = 10.0
"""Timeout of an attempt, in seconds."""

# Bytes that are read of a response: any other server may be at the address. A response of ICP 2.1
# may have 20 commands, which this service ignores.
_MAX_ANSWER = 256 * 1024


def post(
    url: str,
    content: bytes,
    tls: ssl.SSLContext | None,
    interval_s: float,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Send JSON; return status and body of the response. Redirects are not followed.

    Args:
        url: the address.
        content: the JSON.
        tls: the context of https; None for http.
        interval_s: seconds from one heartbeat to the next; an attempt takes at most 80 % of it.
        headers: further header fields.

    Raises:
        OSError, HTTPException: there was no valid response within the timeout.
    """
    address = urlsplit(url)
    # The socket's timeout starts anew with each byte, so there is a limit for all of it too.
    seconds = min(0.8 * interval_s, LONGEST_ATTEMPT_S)
    own = {"Content-Type": "application/json", "Accept": "application/json"}
    with time_limit(seconds), _connected(address.netloc, tls, seconds) as connection:
        connection.request("POST", address.path, content, {**own, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read(_MAX_ANSWER)


def tls_context(ca_file: Path | None, *, verify: bool, key: str) -> ssl.SSLContext:
    """Return the context that verifies the control plane.

    Args:
        ca_file: trusted authorities; None for those of the system.
        verify: False to accept every certificate.
        key: the setting of `ca_file`, for the error.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, OSError):
        raise ConfigurationError(f"{key}: {ca_file} contains no certificates in PEM.") from None
    # WSO2 ships its control planes with self-signed certificates.
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def object_in(answer: bytes) -> Mapping[str, object] | None:
    """Return the JSON object of an answer; None if it is not one."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def reason_of(error: Exception) -> str:
    """Return the reason for the log, without anything that the control plane has sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.RemoteDisconnected):
        return "it closed the connection"
    if isinstance(error, http.client.HTTPException):
        return "its answer is not HTTP"
    return getattr(error, "strerror", None) or type(error).__name__


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block by a signal after that time; for the main thread of a process only.

    Raises:
        TimeoutError: in the block.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("no answer in time")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _connected(
    netloc: str, tls: ssl.SSLContext | None, timeout_s: float
) -> Iterator[http.client.HTTPConnection]:
    connection = (
        http.client.HTTPSConnection(netloc, timeout=timeout_s, context=tls)
        if tls
        else http.client.HTTPConnection(netloc, timeout=timeout_s)
    )
    try:
        yield connection
    finally:
        connection.close()
