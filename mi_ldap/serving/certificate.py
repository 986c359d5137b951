"""The service's certificate: the configured one, or a self-signed one in the state folder."""

from __future__ import annotations

import os
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mi_ldap.errors import ConfigurationError
from mi_ldap.files import write_private

LIFE = timedelta(days=730)
RENEWAL = timedelta(days=30)
"""A self-signed certificate that expires sooner is replaced, also while the service runs."""
CHECK_S = 10.0
"""Pause between two checks of the certificate by the supervisor, in seconds."""

log = structlog.get_logger(__name__)


class ServedCertificate:
    """The TLS context for new connections, loaded again when the files are replaced."""

    def __init__(self, certificate_file: str, key_file: str) -> None:
        self._files = certificate_file, key_file
        self._loaded = self._refused = self._state()
        self.context = server_context(certificate_file, key_file)

    def refresh(self) -> None:
        """Load the files again if they have changed."""
        state = self._state()
        if state == self._loaded:
            return
        try:
            if None in state:
                raise FileNotFoundError(self._files)
            self.context = server_context(*self._files)
        except (ssl.SSLError, OSError, ValueError) as error:
            # If certificate and key do not match, perhaps only one was replaced so far. So the
            # error is logged only if the next call finds the same files.
            if self._refused == state:
                log.error("certificate_not_reloaded", file=self._files[0], error=str(error))
                self._loaded = state
            self._refused = state
        else:
            self._loaded = state
            log.info("certificate_reloaded", file=self._files[0])

    def _state(self) -> list[tuple[int, int, int] | None]:
        """Return inode, modification time and size of both files; None for a missing file."""
        return [_state_of(Path(name)) for name in self._files]


def _state_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):  # reading a FIFO would block
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def keep_renewed(folder: Path) -> None:
    """Renew the self-signed certificate if needed; log an error if that fails."""
    try:
        renew_certificate(folder)
    except OSError as error:
        log.error("certificate_not_renewed", folder=str(folder), error=str(error))


def renew_certificate(folder: Path) -> bool:
    """Replace the self-signed certificate if it expires soon; return whether it was replaced.

    Raises:
        OSError: the new certificate cannot be written; the old one is kept.
    """
    certificate_file, _ = _files_in(folder)
    if not certificate_file.is_file():
        return False
    try:
        ends_at = x509.load_pem_x509_certificate(certificate_file.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):  # deleted or damaged: the next start creates one
        return False
    if ends_at - datetime.now(UTC) > RENEWAL:
        return False
    _make_pair(folder, _own_names())
    log.warning("certificate_renewed", file=str(certificate_file), ended_at=ends_at.isoformat())
    return True


def server_context(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """Return a context with the certificate, for HTTP/1.1 over TLS 1.2 or newer.

    Raises:
        ssl.SSLError, OSError: the files cannot be read, do not match, or the key is encrypted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 8996 forbids older versions.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])  # for clients that offer HTTP/2 too
    # Without a password OpenSSL would ask for one at the terminal, and wait.
    context.load_cert_chain(certificate_file, key_file, password=lambda: b"")
    return context


def check_certificate(certificate_file: Path, key_file: Path) -> None:
    """Check a configured pair of files.

    Raises:
        ConfigurationError: the files cannot be used.
    """
    for key, path in (("certificate_file", certificate_file), ("key_file", key_file)):
        if not os.access(path, os.R_OK):
            raise ConfigurationError(f"server.{key}: {path} cannot be read.")
    try:
        server_context(str(certificate_file), str(key_file))
    except (ssl.SSLError, OSError, ValueError):
        raise ConfigurationError(
            f"server.certificate_file, server.key_file: {certificate_file} and {key_file} are not "
            "a certificate and its unencrypted key, both in PEM."
        ) from None


def self_signed_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the `(certificate, key)` files in the folder; create or renew them if needed.

    Raises:
        ConfigurationError: they cannot be written.
    """
    certificate_file, key_file = _files_in(folder)
    names = _own_names()
    if not _is_good(certificate_file, key_file, names):
        try:
            _make_pair(folder, names)
        except OSError as error:
            raise ConfigurationError(
                f"The certificate {certificate_file} cannot be made: {error.strerror}."
            ) from None
        log.info("certificate_created", file=str(certificate_file))
    return certificate_file, key_file


def _files_in(folder: Path) -> tuple[Path, Path]:
    return folder / "certificate.pem", folder / "certificate.key"


def _make_pair(folder: Path, names: list[str]) -> None:
    """Write a new key, then its certificate."""
    certificate_file, key_file = _files_in(folder)
    key, certificate = _make(names)
    # A worker may read between the two: `ServedCertificate` loads matching pairs only.
    write_private(key_file, key)
    write_private(certificate_file, certificate)


def _own_names() -> list[str]:
    """Return the host names for which the certificate is issued."""
    names = ["localhost", "127.0.0.1", "::1"]
    host_name = socket.gethostname().lower()
    # Other names cannot be in a certificate: dNSName is ASCII (RFC 5280 §4.2.1.6).
    is_name = host_name.isascii() and 0 < len(host_name) <= 253
    return names if host_name in names or not is_name else [*names, host_name]


def _is_good(certificate_file: Path, key_file: Path, names: list[str]) -> bool:
    if not (certificate_file.is_file() and key_file.is_file()):  # reading a FIFO would block
        return False
    try:
        server_context(str(certificate_file), str(key_file))
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    is_fresh = certificate.not_valid_after_utc - datetime.now(UTC) > RENEWAL
    return is_fresh and {str(each.value) for each in extension.value} == set(names)


def _make(names: list[str]) -> tuple[bytes, bytes]:
    """Return a new key and its certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mi_ldap")])
    now = datetime.now(UTC)
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number())
        # The clocks of clients may be behind.
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general_name(each) for each in names]), False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
