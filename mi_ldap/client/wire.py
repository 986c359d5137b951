"""One request, one answer: over verified TLS, without redirects, in bounded time."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

import httpx2

from mi_ldap import __version__
from mi_ldap.client.problems import FileTrouble, NoConnection, Untrusted
from mi_ldap.client.remotes import Remote

CONNECT_S: Final = 5.0
ANSWER_S: Final = 60.0
MOST_AT_ONCE: Final = 4
_LARGEST: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """How a request gets there.

    Attributes:
        ca_file: whom the certificate must come from, this once.
        is_verified: whether the certificate is looked at.
        answer_s: how long an answer may take.
        log: told of every request; never of what it carries.
    """

    remote: Remote
    ca_file: str | None = None
    is_verified: bool = True
    answer_s: float = ANSWER_S
    log: Callable[[str], None] = lambda line: None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Wire:
    """Connections to one service; threads may share them."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._client = httpx2.Client(
            base_url=line.remote.url,
            verify=_trust(line),
            timeout=httpx2.Timeout(line.answer_s, connect=min(CONNECT_S, line.answer_s)),
            limits=httpx2.Limits(max_connections=MOST_AT_ONCE),
            headers={"User-Agent": f"mi/{__version__}", "Accept": "application/json"},
            follow_redirects=False,
            # The proxy that the environment names knows nothing of this machine's own addresses.
            trust_env=not _is_local(line.remote.host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        authorization: str | None = None,
    ) -> Answer:
        """Send a request.

        Raises:
            NoConnection: nobody answers, or not in time, or not in HTTP.
            Untrusted: whoever answers has not proved to be the service.
        """
        headers = {"Authorization": authorization} if authorization else {}
        request = self._client.build_request(
            method, path, params=query or None, json=body, headers=headers
        )
        with self._told(request), _explained(self._line):
            return self._answer(request)

    def _answer(self, request: httpx2.Request) -> Answer:
        until = time.monotonic() + self._line.answer_s
        response = self._client.send(request, stream=True)
        try:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                # One that sends a byte now and then is late as well.
                if time.monotonic() > until or len(body) > _LARGEST:
                    raise httpx2.ReadTimeout("The answer has no end.")
        finally:
            response.close()
        request.extensions["status"] = response.status_code
        return Answer(response.status_code, response.reason_phrase, response.headers, bytes(body))

    @contextmanager
    def _told(self, request: httpx2.Request) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            took = round((time.monotonic() - begin) * 1000)
            status = request.extensions.get("status", "no answer")
            path = request.url.raw_path.decode("ascii")
            self._line.log(f"{request.method} {path} {status} {took} ms")


def quoted_only(path: str) -> str:
    """A name as one segment of a path, whatever is in it."""
    from urllib.parse import quote

    # A dot or two would be a way up, for us and everybody in between.
    return path.replace(".", "%2E") if path in {".", ".."} else quote(path, safe="")


def pinned(certificate: str) -> ssl.SSLContext:
    """TLS that takes that certificate, or what it signed, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # One that somebody else signed may be pinned too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=certificate)
    return context


def unverified() -> ssl.SSLContext:
    """TLS with whomever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _trust(line: Line) -> ssl.SSLContext | bool:
    if not line.is_verified:
        return unverified()
    if line.ca_file or line.remote.ca_file:
        return _trusting_file(line.ca_file or line.remote.ca_file or "")
    return pinned(line.remote.certificate) if line.remote.certificate else True


def _trusting_file(name: str) -> ssl.SSLContext:
    try:
        return pinned(Path(name).read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, ssl.SSLError, ValueError):
        raise FileTrouble(f"{name} can't be read, or holds no certificate in PEM.") from None


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@contextmanager
def _explained(line: Line) -> Iterator[None]:
    """What goes wrong below, as sentences."""
    url = line.remote.url
    try:
        yield
    except httpx2.ConnectTimeout:
        raise NoConnection(f"{url} can't be reached: it doesn't answer.") from None
    except httpx2.TimeoutException:
        raise NoConnection(
            f"{url} gave no answer within {line.answer_s:g} seconds; "
            "what was asked for may have been done."
        ) from None
    except httpx2.ConnectError as error:
        raise _unreachable(line, error) from None
    except (httpx2.RequestError, httpx2.InvalidURL, UnicodeError):
        raise NoConnection(f"{url} broke off the connection, or speaks no HTTP.") from None


def _unreachable(line: Line, error: BaseException) -> NoConnection:
    url, name = line.remote.url, line.remote.name
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(
                f"The certificate of {url} can't be verified ({cause.verify_message.rstrip('.')}): "
                f"see it with 'mi remote trust {name}', or name its issuer with --ca FILE."
            )
        if isinstance(cause, ssl.SSLError):
            return NoConnection(f"{url} can't be reached: no TLS is spoken there.")
    reason = next((c.strerror for c in _causes(error) if isinstance(c, OSError) and c.strerror), "")
    return NoConnection(f"{url} can't be reached: {(reason or 'no connection').lower()}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
