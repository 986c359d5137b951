"""Servers with each failure of TLS."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Talk = Callable[[socket.socket], object]


@contextmanager
def serving(talk: Talk) -> Iterator[int]:
    """A port of `localhost` at which each who comes is talked to so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, talk), daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, talk: Talk) -> None:
    with suppress(OSError):
        while True:
            peer, _ = listening.accept()
            threading.Thread(target=_talk, args=(peer, talk), daemon=True).start()


def _talk(peer: socket.socket, talk: Talk) -> None:
    with suppress(OSError), peer:
        talk(peer)


def handshake(context: ssl.SSLContext) -> Talk:
    """TLS, and then nothing but waiting for the other side to go."""

    def talk(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as near:
            while near.recv(65536):
                pass

    return talk


@dataclass
class Recording:
    """Answers whatever is said first, and keeps all that is said, by connections."""

    answer: Callable[[bytes], bytes]
    heard: list[bytes] = field(default_factory=list)

    def __call__(self, peer: socket.socket) -> None:
        said = peer.recv(65536)
        peer.sendall(self.answer(said))
        while more := peer.recv(65536):
            said += more
        self.heard.append(said)


def context_of(issued: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


def context_with(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, folder: Path
) -> ssl.SSLContext:
    file = folder / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def self_signed(host: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for the host that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key
