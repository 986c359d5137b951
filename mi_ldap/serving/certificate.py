"""The service's certificate: the configured one, or a self-signed one in the state folder."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mi_ldap.errors import ConfigurationError

LIFE = timedelta(days=730)
RENEWAL = timedelta(days=30)
"""A self-signed certificate with less than that left is replaced at the next start."""


def server_context(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, HTTP/1.1, with that certificate.

    Raises:
        ssl.SSLError, OSError: the files cannot be read, do not match, or the key is encrypted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate_file, key_file, password=lambda: b"")
    return context


def check_certificate(certificate_file: Path, key_file: Path) -> None:
    """Check a configured pair of files.

    Raises:
        ConfigurationError: it cannot be used; the sentence says which and why.
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
    """`(certificate, key)` in the folder, made or renewed where there is no good one."""
    certificate_file, key_file = folder / "certificate.pem", folder / "certificate.key"
    names = _own_names()
    if not _is_good(certificate_file, key_file, names):
        key, certificate = _make(names)
        _write(key_file, key)
        _write(certificate_file, certificate)
    return certificate_file, key_file


def _own_names() -> list[str]:
    """What clients on this machine, and those that know its name, call this service."""
    names = ["localhost", "127.0.0.1", "::1"]
    host_name = socket.gethostname().lower()
    is_name = host_name.isascii() and 0 < len(host_name) <= 253
    return names if host_name in names or not is_name else [*names, host_name]


def _is_good(certificate_file: Path, key_file: Path, names: list[str]) -> bool:
    try:
        server_context(str(certificate_file), str(key_file))
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    is_fresh = certificate.not_valid_after_utc - datetime.now(UTC) > RENEWAL
    return is_fresh and {str(each.value) for each in extension.value} == set(names)


def _make(names: list[str]) -> tuple[bytes, bytes]:
    """A new key and its certificate, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mi_ldap")])
    now = datetime.now(UTC)
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder(name, name, public, x509.random_serial_number())
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


def _write(path: Path, content: bytes) -> None:
    """Write a file of mode 0600 that is never there in part."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
