"""The certificate of a service, to be displayed before it is trusted."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime

from mi_ldap.client.http import CONNECT_S, connection_error, pinning_context, unverified_context
from mi_ldap.client.remotes import Remote


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The certificate of a service.

    Attributes:
        pem: the certificate in PEM.
        sha256: its fingerprint in the format of `openssl x509 -fingerprint -sha256`.
        names: its subject alternative names.
        until: the end of its validity.
    """

    pem: str
    sha256: str
    names: list[str]
    until: datetime


def fetch_certificate(remote: Remote, wait_s: float) -> ServerCertificate:
    """Fetch the present certificate of the service.

    Raises:
        NoConnection: the service cannot be reached in time, or does not use TLS.
        Untrusted: the certificate is for another host or has expired; trusting it would not help.
    """
    der = _handshake(remote, unverified_context(), wait_s)
    pem = ssl.DER_cert_to_PEM_cert(der)
    # Once more, verified by this certificate alone: that checks the host name and the dates.
    _handshake(remote, pinning_context(pem=pem), wait_s)
    return _parsed(der, pem)


def _handshake(remote: Remote, context: ssl.SSLContext, wait_s: float) -> bytes:
    try:
        with (
            socket.create_connection((remote.host, remote.port), min(CONNECT_S, wait_s)) as plain,
            context.wrap_socket(plain, server_hostname=remote.host) as wrapped,
        ):
            return wrapped.getpeercert(binary_form=True) or b""
    except (OSError, UnicodeError) as error:
        raise connection_error(remote, error) from None


def _parsed(der: bytes, pem: str) -> ServerCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    certificate = x509.load_der_x509_certificate(der)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = [str(each.value) for each in found.value]
    except (x509.ExtensionNotFound, ValueError):
        names = []
    sha256 = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return ServerCertificate(pem, sha256, names, certificate.not_valid_after_utc)
