"""The self-signed certificate, and the check of a configured one."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mi_ldap.errors import ConfigurationError
from mi_ldap.serving.certificate import (
    LIFE,
    RENEWAL,
    check_certificate,
    self_signed_certificate,
    server_context,
)


def test_it_names_this_machine_and_loopback(tmp_path: Path) -> None:
    certificate = read(self_signed_certificate(tmp_path)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "127.0.0.1", "::1"} <= {str(name.value) for name in names}
    assert socket.gethostname().lower() in {str(name.value) for name in names}
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_only_its_owner_may_read_the_key(tmp_path: Path) -> None:
    assert self_signed_certificate(tmp_path)[1].stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_was_given_it_trusts_the_service(tmp_path: Path, host: str) -> None:
    certificate_file, key_file = self_signed_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate_file))
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname=host)
    context = server_context(str(certificate_file), str(key_file))
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client.version() == "TLSv1.3"
    assert client.getpeercert()


def test_it_is_kept_until_it_nears_its_end(tmp_path: Path) -> None:
    first = read(self_signed_certificate(tmp_path)[0])
    assert read(self_signed_certificate(tmp_path)[0]) == first
    with time_machine.travel(datetime.now(UTC) + LIFE - RENEWAL + timedelta(days=1)):
        second = read(self_signed_certificate(tmp_path)[0])
    assert second.not_valid_after_utc > first.not_valid_after_utc


@pytest.mark.parametrize("broken", ["certificate.pem", "certificate.key"])
def test_a_broken_pair_is_made_anew(tmp_path: Path, broken: str) -> None:
    self_signed_certificate(tmp_path)
    (tmp_path / broken).write_text("")
    check_certificate(*self_signed_certificate(tmp_path))


def test_another_host_name_gets_another_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(self_signed_certificate(tmp_path)[0])
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere.example.org")
    assert read(self_signed_certificate(tmp_path)[0]) != first


def test_a_configured_pair_must_match(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    certificate_file, _ = self_signed_certificate(tmp_path)
    _, other_key = self_signed_certificate(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="not a certificate and its unencrypted key"):
        check_certificate(certificate_file, other_key)


def test_an_encrypted_key_is_refused_and_not_asked_for(tmp_path: Path) -> None:
    certificate_file, key_file = self_signed_certificate(tmp_path)
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    key_file.write_bytes(encrypted)
    with pytest.raises(ConfigurationError, match="unencrypted"):
        check_certificate(certificate_file, key_file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    certificate_file, _ = self_signed_certificate(tmp_path)
    with pytest.raises(ConfigurationError, match=r"server\.key_file: .*/none cannot be read"):
        check_certificate(certificate_file, tmp_path / "none")
