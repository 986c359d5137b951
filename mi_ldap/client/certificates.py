"""The certificate that a service shows, for a person to look at."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime

from mi_ldap.client.http import CONNECT_S, pinned, unreachable, unverified
from mi_ldap.client.remotes import Remote


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate.

    Attributes:
        pem: all of it.
        sha256: its fingerprint, as `openssl x509 -fingerprint -sha256` writes it.
        names: whom it is for.
        until: when it ends.
    """

    pem: str
    sha256: str
    names: list[str]
    until: datetime


def shown_by(remote: Remote, wait_s: float = CONNECT_S) -> Shown:
    """What the service shows now, and would be verified by.

    Raises:
        NoConnection: it can't be reached in time, or speaks no TLS.
        Untrusted: trusting the certificate would not do: it's for another host, or too old.
    """
    der = _handshake(remote, unverified(), wait_s)
    pem = ssl.DER_cert_to_PEM_cert(der)
    _handshake(remote, pinned(pem=pem), wait_s)
    return _described(der, pem)


def _handshake(remote: Remote, context: ssl.SSLContext, wait_s: float) -> bytes:
    try:
        with (
            socket.create_connection((remote.host, remote.port), min(CONNECT_S, wait_s)) as plain,
            context.wrap_socket(plain, server_hostname=remote.host) as wrapped,
        ):
            return wrapped.getpeercert(binary_form=True) or b""
    except (OSError, UnicodeError) as error:
        raise unreachable(remote, error) from None


def _described(der: bytes, pem: str) -> Shown:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    certificate = x509.load_der_x509_certificate(der)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [str(each.value) for each in found.value]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    sha256 = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Shown(pem, sha256, names, certificate.not_valid_after_utc)
