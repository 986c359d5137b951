"""One request, one answer: over verified TLS, without redirects, in bounded time."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
ANSWER_S: Final = 60.0
MOST_AT_ONCE: Final = 4
_LARGEST: Final = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
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
    log: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpClient:
    """Connections to one service; threads may share them."""

    def __init__(self, options: ConnectionOptions) -> None:
        self._options = options
        trust = _trust(options)
        trust.sslsocket_class = _PunctualSocket
        with _explained(options):
            url = httpx2.URL(options.remote.url)
        try:
            self._client = _client(options, url, trust)
        except (ImportError, ValueError, httpx2.InvalidURL):
            raise NoConnection(
                "The proxy that the environment names can't be used: HTTPS_PROXY takes http://…"
            ) from None

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
        token: str | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> Answer:
        """Send a request, with a token or with a name and a password.

        Raises:
            NotAllowed: no address can be made of it.
            NoConnection: nobody answers, or not in time, or not in HTTP.
            Untrusted: whoever answers has not proved to be the service.
            UnexpectedResponse: the answer has no end.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with _explained(self._options):
            request = self._client.build_request(
                method, path, params=query or None, json=body, headers=headers
            )
            with self._told(request):
                return self._answer(request, credentials)

    def _answer(self, request: httpx2.Request, credentials: tuple[str, str] | None) -> Answer:
        _deadline.at = time.monotonic() + self._options.answer_s
        response = self._client.send(request, auth=credentials, stream=True)
        try:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _LARGEST:
                    raise UnexpectedResponse(
                        f"{self._options.remote.url} answered too much for a management API: "
                        "see 'mi remote show'."
                    )
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
            self._options.log(f"{request.method} {path} {status} {took} ms")


def quoted_only(path: str) -> str:
    """A name as one segment of a path, whatever is in it."""
    from urllib.parse import quote

    # A dot or two would be a way up, for us and everybody in between.
    return path.replace(".", "%2E") if path in {".", ".."} else quote(path, safe="")


def pinned(*, pem: str | None = None, file: str | None = None) -> ssl.SSLContext:
    """TLS that takes those certificates, or what they signed, and nothing else.

    Raises:
        OSError, ValueError, TypeError: they are none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # One that somebody else signed may be pinned too.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=file, cadata=pem)
    return context


def unverified() -> ssl.SSLContext:
    """TLS with whomever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def unreachable(remote: Remote, error: BaseException, *, is_pinned: bool = False) -> NoConnection:
    """Why there is no connection, as a sentence; `is_pinned` where one certificate would do."""
    url = remote.url
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Untrusted(_distrust(remote, cause, is_pinned=is_pinned))
        if isinstance(cause, TimeoutError):
            return NoConnection(f"{url} can't be reached: it doesn't answer.")
        if isinstance(cause, ssl.SSLError):
            return NoConnection(f"{url} can't be reached: the server there does not use TLS.")
    reason = next((c.strerror for c in _causes(error) if isinstance(c, OSError) and c.strerror), "")
    return NoConnection(f"{url} can't be reached: {(reason or 'no connection').lower()}.")


class _PunctualSocket(ssl.SSLSocket):
    """Reads until the thread's deadline and no longer, however the answer drips."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        left = _deadline.at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv(buflen, flags)


_deadline = threading.local()


def _client(options: ConnectionOptions, url: httpx2.URL, trust: ssl.SSLContext) -> httpx2.Client:
    return httpx2.Client(
        base_url=url,
        verify=trust,
        timeout=httpx2.Timeout(options.answer_s, connect=min(CONNECT_S, options.answer_s)),
        limits=httpx2.Limits(max_connections=MOST_AT_ONCE),
        headers={"User-Agent": f"mi/{__version__}", "Accept": "application/json"},
        follow_redirects=False,
        # The proxy that the environment names knows nothing of this machine's own addresses.
        trust_env=not is_loopback(options.remote.host),
    )


def _trust(options: ConnectionOptions) -> ssl.SSLContext:
    remote = options.remote
    if not options.is_verified:
        return unverified()
    file = options.ca_file or remote.ca_file
    try:
        if file:
            return pinned(file=file)
        if remote.certificate:
            return pinned(pem=remote.certificate)
        return httpx2.create_ssl_context()
    except (OSError, ValueError, TypeError):
        raise FileError(_of_no_use(remote, file)) from None


def _of_no_use(remote: Remote, file: str | None) -> str:
    if file:
        return f"{file} can't be read, or holds no certificate in PEM."
    if remote.certificate:
        return f"The trusted certificate of {remote.name} is damaged: 'mi remote trust' it again."
    return "What SSL_CERT_FILE or SSL_CERT_DIR names can't be read, or holds no certificate in PEM."


@contextmanager
def _explained(options: ConnectionOptions) -> Iterator[None]:
    """What goes wrong below, as sentences."""
    url = options.remote.url
    try:
        yield
    except httpx2.ConnectTimeout:
        raise NoConnection(f"{url} can't be reached: it doesn't answer.") from None
    except httpx2.TimeoutException:
        raise NoConnection(
            f"{url} gave no answer within {options.answer_s:g} seconds; "
            "what was asked for may have been done."
        ) from None
    except httpx2.ConnectError as error:
        is_pinned = bool(options.remote.certificate) and not options.ca_file
        raise unreachable(options.remote, error, is_pinned=is_pinned) from None
    except httpx2.InvalidURL as error:
        raise NotAllowed(f"A name or the host makes no address: {error}.") from None
    except (httpx2.RequestError, UnicodeError):
        raise NoConnection(f"{url} broke off the connection, or does not use HTTP.") from None


def _distrust(remote: Remote, error: ssl.SSLCertVerificationError, *, is_pinned: bool) -> str:
    said = f"The certificate of {remote.url} can't be verified ({error.verify_message.rstrip('.')})"
    trust = f"'mi remote trust {remote.name}'"
    fault = fault_of(error)
    # Trusting such a certificate would not help.
    if fault is CertificateFault.OTHER_HOST:
        return f"{said}: give the host by a name that is in it, with 'mi remote update'."
    if fault in {CertificateFault.NOT_YET_VALID, CertificateFault.EXPIRED}:
        return f"{said}: the service needs a new one, unless a clock is wrong."
    if is_pinned:
        return (
            f"{said}: it differs from the one you trusted. An attacker may be intercepting the "
            f"connection; if it was renewed, trust it with {trust}."
        )
    return f"{said}: see it with {trust}, or name its issuer with --ca FILE."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
