"""TLS to the directory: the verifying context, and a sentence for each failure of a connection."""

from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path

from mi_ldap.certificate_faults import CertificateFault, fault_of
from mi_ldap.errors import ConfigurationError, DirectoryUnavailable

# `/ready` shows these sentences to anybody: they name the remedy, and never a host or a DN.
ANOTHER_HOST = (
    "The directory's certificate is for another host name: "
    "write the name that it is for in user_store.connection_url."
)
EXPIRED = "The directory's certificate has expired: renew it on the directory's server."
NOT_YET_VALID = "The directory's certificate is not valid yet: check the clocks of both machines."
SELF_SIGNED = (
    "The directory's certificate is self-signed: "
    "compare its fingerprint, and name its file in user_store.ca_file."
)
UNKNOWN_AUTHORITY = (
    "The directory's certificate is signed by an authority that is unknown here: "
    "name that authority's PEM file in user_store.ca_file."
)
NOT_ACCEPTED = "The directory's certificate cannot be accepted. See the service's log."
NO_START_TLS = (
    "The directory offers no StartTLS: set it up there, or use an ldaps:// address. "
    "Nothing was sent in the clear."
)
NO_TLS = (
    "The directory does not use TLS at this port: check the port, "
    "or use ldap:// with user_store.start_tls = true."
)
TOO_OLD = "The directory supports no TLS newer than 1.1: set up TLS 1.2 or 1.3 there."
WANTS_CERTIFICATE = (
    "The directory requires a client certificate, or another one: "
    "set user_store.client_certificate_file to one that it accepts."
)
CLOSED_IN_HANDSHAKE = (
    "The directory closed the connection during the TLS handshake: it uses no TLS at this port, or "
    "requires a client certificate, or another one (user_store.client_certificate_file)."
)
NO_AGREEMENT = "The directory and this service have no TLS cipher in common. See the service's log."
NO_SOCKET = (
    "The directory's socket does not exist: check that the directory runs, and the path in "
    "user_store.connection_url."
)
NO_PERMISSION = "This process may not open the directory's socket: give its user that right."
NO_NAME = "The directory's host name cannot be resolved: check user_store.connection_url and DNS."
UNREACHABLE = str(DirectoryUnavailable())

_CERTIFICATE_FAILURES = {
    CertificateFault.NOT_YET_VALID: NOT_YET_VALID,
    CertificateFault.EXPIRED: EXPIRED,
    CertificateFault.SELF_SIGNED: SELF_SIGNED,
    CertificateFault.UNKNOWN_AUTHORITY: UNKNOWN_AUTHORITY,
    CertificateFault.OTHER_HOST: ANOTHER_HOST,
    CertificateFault.OTHER: NOT_ACCEPTED,
}
# The reasons of OpenSSL's errors; alerts (RFC 8446 §6) were sent by the server.
_TLS_FAILURES = {
    "WRONG_VERSION_NUMBER": NO_TLS,
    "HTTP_REQUEST": NO_TLS,
    "PACKET_LENGTH_TOO_LONG": NO_TLS,
    "RECORD_LAYER_FAILURE": NO_TLS,
    "UNEXPECTED_MESSAGE": NO_TLS,
    "UNSUPPORTED_PROTOCOL": TOO_OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": TOO_OLD,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": WANTS_CERTIFICATE,
    "TLSV1_ALERT_UNKNOWN_CA": WANTS_CERTIFICATE,
    "TLSV1_ALERT_ACCESS_DENIED": WANTS_CERTIFICATE,
    "SSLV3_ALERT_BAD_CERTIFICATE": WANTS_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": WANTS_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": WANTS_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": WANTS_CERTIFICATE,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": NO_AGREEMENT,
}


class NoStartTls(Exception):
    """The server refused to start TLS (RFC 4511 §4.14.2); the text is its result code."""


def verifying_context(
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
) -> ssl.SSLContext:
    """Return a context for TLS 1.2 or newer that verifies certificate and name (RFC 4513 §3.1.3).

    Args:
        ca_file: the CA certificates, in PEM; None for the system's.
        certificate_file: the client certificate, in PEM, with its chain; None for none.
        key_file: its key without a passphrase, in PEM; None if it is in the same file.

    Raises:
        ConfigurationError: a file cannot be used; the sentence names the setting.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "user_store.ca_file must name a PEM file with certificates that can be read."
        ) from error
    # RFC 8996 forbids TLS 1.0 and 1.1; the default is the system's OpenSSL configuration.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate_file:
        _load_client_certificate(context, certificate_file, key_file)
    return context


def _load_client_certificate(
    context: ssl.SSLContext, certificate_file: Path, key_file: Path | None
) -> None:
    try:
        # Without a password OpenSSL would ask for one at the terminal, and wait.
        context.load_cert_chain(certificate_file, key_file, password=lambda: "")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            "user_store.client_certificate_file and user_store.client_key_file must name PEM files "
            "that can be read and belong together; the key has no passphrase."
        ) from error


def sentence_for(error: BaseException, *, in_handshake: bool = False) -> str:
    """Return the sentence for an error of a connection to the directory.

    Args:
        error: the exception; its causes are ignored.
        in_handshake: whether TLS was being negotiated, so that a closed connection has to do with
            it.
    """
    if isinstance(error, ssl.SSLError):
        return _sentence_for_tls(error)
    if isinstance(error, NoStartTls):
        return NO_START_TLS
    if isinstance(error, socket.gaierror | UnicodeError):
        return NO_NAME
    was_closed = in_handshake and isinstance(error, ConnectionError)
    return CLOSED_IN_HANDSHAKE if was_closed else UNREACHABLE


def _sentence_for_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAILURES[fault_of(error)]
    if isinstance(error, ssl.SSLEOFError):
        return CLOSED_IN_HANDSHAKE
    return _TLS_FAILURES.get(error.reason, NO_AGREEMENT)


def sentence_for_socket(error: BaseException) -> str:
    """Return the sentence for an error of a UNIX socket (ldapi)."""
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED, errno.ENOTSOCK):
        return NO_SOCKET
    return NO_PERMISSION if code in (errno.EACCES, errno.EPERM) else UNREACHABLE
