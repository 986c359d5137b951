"""Requests over verified TLS, without redirects, within a time limit."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final, Self

import httpx2

from mi_ldap import __version__
from mi_ldap.addresses import is_loopback
from mi_ldap.certificate_faults import CertificateFault, fault_of
from mi_ldap.client.errors import (
    FileError,
    NoConnection,
    NotAllowed,
    UnexpectedResponse,
    Untrusted,
)
from mi_ldap.client.remotes import Remote

CONNECT_S: Final = 5.0
RESPONSE_S: Final = 60.0
# An import creates as many users at a time.
MAX_CONNECTIONS: Final = 4
_MAX_BODY_BYTES: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How to connect to a service.

    Attributes:
        remote: the service.
        ca_file: PEM of the authority to verify the certificate with, in place of the remote's.
        is_verified: whether to verify the certificate.
        timeout_s: seconds until the complete response must have been received.
        log: called with one line for each request, without names, tokens and bodies of users.
    """

    remote: Remote
    ca_file: str | None = None
    is_verified: bool = True
    timeout_s: float = RESPONSE_S
    log: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class Response:
    """A response of the service."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Download:
    """The body of a response, as it arrives.

    Attributes:
        length: bytes of the body; None if the service does not say.
        chunks: the parts of the body.
    """

    length: int | None
    chunks: Iterator[bytes]


class HttpClient:
    """A pool of connections to one service; threads may share it."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        context = _ssl_context(options)
        # The timeout of httpx2 applies to each read, so a slow server could send forever.
        context.sslsocket_class = _DeadlineSSLSocket
        with _translated_errors(options):
            url = httpx2.URL(options.remote.url)
        try:
            self._client = _client(options, url, context)
        except (ImportError, ValueError, httpx2.InvalidURL):
            raise NoConnection(
                "The proxy in HTTPS_PROXY can't be used: its address must begin with http://."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        token: str | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> Response:
        """Send a request, with a token or with a name and a password.

        Raises:
            NotAllowed: the path is not a valid URL.
            NoConnection: there is no response in time, or it is not HTTP.
            Untrusted: the certificate cannot be verified.
            UnexpectedResponse: the response is too large.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with _translated_errors(self._options):
            request = self._client.build_request(
                method, path, params=query or None, json=body, headers=headers
            )
            with self._logged(request):
                return self._receive(request, credentials)

    @contextmanager
    def download(
        self, path: str, *, query: Mapping[str, str], token: str
    ) -> Iterator[Download | Response]:
        """Yield the body of a file; or the complete response, if that is JSON or an error.

        The time limit applies to the head, and then to each part of the body.

        Raises:
            NotAllowed, NoConnection, Untrusted, UnexpectedResponse: as `request`; NoConnection also
                while the parts are read.
        """
        # Not compressed, so that the length is known.
        headers = {"Authorization": f"Bearer {token}"}
        headers |= {"Accept": "*/*", "Accept-Encoding": "identity"}
        with _translated_errors(self._options):
            request = self._client.build_request("GET", path, params=query, headers=headers)
            with self._logged(request), closing(self._begin(request, None)) as response:
                is_file = response.status_code == 200 and not _is_page(response.headers)
                if is_file:
                    request.extensions["status"] = response.status_code
                    length = response.headers.get("Content-Length", "")
                    chunks = self._chunks(response)
                    yield Download(int(length) if length.isdecimal() else None, chunks)
                else:
                    yield self._complete(response)

    def _chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        parts = response.iter_bytes()
        try:
            while True:
                _deadline.at = time.monotonic() + self._options.timeout_s
                if (part := next(parts, None)) is None:
                    return
                yield part
        except httpx2.TimeoutException:
            raise NoConnection(
                f"{self._options.remote.url} stopped sending for {self._options.timeout_s:g} "
                "seconds."
            ) from None

    def _receive(self, request: httpx2.Request, credentials: tuple[str, str] | None) -> Response:
        with closing(self._begin(request, credentials)) as response:
            return self._complete(response)

    def _begin(
        self, request: httpx2.Request, credentials: tuple[str, str] | None
    ) -> httpx2.Response:
        """Send the request; return the response without its body."""
        _deadline.at = time.monotonic() + self._options.timeout_s
        return self._client.send(request, auth=credentials, stream=True)

    def _complete(self, response: httpx2.Response) -> Response:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            # The address may be that of any other service.
            if len(body) > _MAX_BODY_BYTES:
                raise UnexpectedResponse(
                    f"The response of {self._options.remote.url} is too large for a "
                    "management API: see 'mi remote show'."
                )
        response.request.extensions["status"] = response.status_code
        return Response(response.status_code, response.reason_phrase, response.headers, bytes(body))

    @contextmanager
    def _logged(self, request: httpx2.Request) -> Iterator[None]:
        began_s = time.monotonic()
        try:
            yield
        finally:
            duration_ms = round((time.monotonic() - began_s) * 1000)
            status = request.extensions.get("status", "no answer")
            path = request.url.raw_path.decode("ascii")
            self._options.log(f"{request.method} {path} {status} {duration_ms} ms")


def _is_page(headers: Mapping[str, str]) -> bool:
    """Whether the body is JSON or HTML, and therefore no file of the service."""
    # MI sends log files as application/octet-stream or application/txt.
    return headers.get("Content-Type", "").startswith(("application/json", "text/html"))


def quote_segment(path: str) -> str:
    """Escape a name, which may contain any character, as one segment of a path."""
    from urllib.parse import quote

    # Clients and proxies resolve "." and ".." as path segments, even if they are part of a name.
    return path.replace(".", "%2E") if path in {".", ".."} else quote(path, safe="")


def pinning_context(*, pem: str | None = None, file: str | None = None) -> ssl.SSLContext:
    """Return a TLS context that accepts only these certificates, and those that they signed.

    Raises:
        OSError, ValueError, TypeError: there is no readable certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Without this flag only self-signed certificates can be pinned.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=file, cadata=pem)
    return context


def unverified_context() -> ssl.SSLContext:
    """Return a TLS context that verifies nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # In this order: `ssl` refuses CERT_NONE while host names are checked.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def connection_error(
    remote: Remote, error: BaseException, *, is_pinned: bool = False
) -> NoConnection:
    """Return the error for a failed connection; `is_pinned` if one certificate was trusted."""
    url = remote.url
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(_describe_untrusted(remote, cause, is_pinned=is_pinned))
        if isinstance(cause, TimeoutError):
            return NoConnection(f"{url} can't be reached: it doesn't answer.")
        if isinstance(cause, ssl.SSLError):
            return NoConnection(f"{url} can't be reached: the server there does not use TLS.")
    reason = next((c.strerror for c in _causes(error) if isinstance(c, OSError) and c.strerror), "")
    return NoConnection(f"{url} can't be reached: {(reason or 'no connection').lower()}.")


class _DeadlineSSLSocket(ssl.SSLSocket):
    """Reads until the thread's deadline: httpx's timeout restarts with each received chunk."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        left = _deadline.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv(buflen, flags)


# By thread: threads share the client, and a socket does not know which request it serves.
_deadline = threading.local()


def _client(options: ConnectionOptions, url: httpx2.URL, context: ssl.SSLContext) -> httpx2.Client:
    return httpx2.Client(
        base_url=url,
        verify=context,
        timeout=httpx2.Timeout(options.timeout_s, connect=min(CONNECT_S, options.timeout_s)),
        limits=httpx2.Limits(max_connections=MAX_CONNECTIONS),
        headers={"User-Agent": f"mi/{__version__}", "Accept": "application/json"},
        # A redirect could send the token to another host.
        follow_redirects=False,
        # A proxy cannot reach the loopback addresses of this machine.
        trust_env=not is_loopback(options.remote.host),
    )


def _ssl_context(options: ConnectionOptions) -> ssl.SSLContext:
    remote = options.remote
    if not options.is_verified:
        return unverified_context()
    file = options.ca_file or remote.ca_file
    try:
        if file:
            return pinning_context(file=file)
        if remote.certificate:
            return pinning_context(pem=remote.certificate)
        return httpx2.create_ssl_context()
    except (OSError, ValueError, TypeError):
        raise FileError(_describe_unusable_ca(remote, file)) from None


def _describe_unusable_ca(remote: Remote, file: str | None) -> str:
    if file:
        return f"{file} can't be read, or contains no certificate in PEM."
    if remote.certificate:
        return f"The trusted certificate of {remote.name} is damaged: 'mi remote trust' it again."
    return (
        "What SSL_CERT_FILE or SSL_CERT_DIR names can't be read, or contains no certificate in PEM."
    )


@contextmanager
def _translated_errors(options: ConnectionOptions) -> Iterator[None]:
    """Translate the errors of httpx2."""
    url = options.remote.url
    try:
        yield
    except httpx2.ConnectTimeout:
        raise NoConnection(f"{url} can't be reached: it doesn't answer.") from None
    except httpx2.TimeoutException:
        raise NoConnection(
            f"{url} sent no response within {options.timeout_s:g} seconds; "
            "the request may have been carried out."
        ) from None
    except httpx2.ConnectError as error:
        is_pinned = bool(options.remote.certificate) and not options.ca_file
        raise connection_error(options.remote, error, is_pinned=is_pinned) from None
    except httpx2.InvalidURL as error:
        raise NotAllowed(f"The name or the host is not valid in a URL: {error}.") from None
    except (httpx2.RequestError, UnicodeError):
        raise NoConnection(f"{url} broke off the connection, or does not use HTTP.") from None


def _describe_untrusted(
    remote: Remote, error: ssl.SSLCertVerificationError, *, is_pinned: bool
) -> str:
    problem = (
        f"The certificate of {remote.url} can't be verified ({error.verify_message.rstrip('.')})"
    )
    command = f"'mi remote trust {remote.name}'"
    fault = fault_of(error)
    # Trusting such a certificate would not help.
    if fault is CertificateFault.OTHER_HOST:
        return f"{problem}: give the host by a name that is in it, with 'mi remote update'."
    if fault in {CertificateFault.NOT_YET_VALID, CertificateFault.EXPIRED}:
        return f"{problem}: the service needs a new one, unless a clock is wrong."
    if is_pinned:
        return (
            f"{problem}: it differs from the one you trusted. An attacker may be intercepting the "
            f"connection; if it was renewed, trust it with {command}."
        )
    return f"{problem}: see it with {command}, or name its issuer with --ca FILE."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
