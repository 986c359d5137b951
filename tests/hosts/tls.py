"""Certificates of a CA made for the tests, and ldap3 connections that verify them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from ldap3 import NONE, Connection, Server, Tls


class Certificates:
    """The files of a certificate for localhost and 127.0.0.1, and of the CA that vouches for it."""

    def __init__(self, folder: Path, authority: trustme.CA) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = authority
        self.ca_file, self.cert_file, self.key_file = (
            folder / name for name in ("ca.crt", "server.crt", "server.key")
        )
        authority.cert_pem.write_to_path(self.ca_file)
        _write(authority.issue_cert("localhost", "127.0.0.1"), self.cert_file, self.key_file)

    def issue_client(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of the client `name`, which stands in the subject as CN."""
        files = self.ca_file.with_name(f"{name}.crt"), self.ca_file.with_name(f"{name}.key")
        _write(self.authority.issue_cert(name, common_name=name), *files)
        return files


def _write(certificate: trustme.LeafCert, cert_file: Path, key_file: Path) -> None:
    key_file.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(key_file)
    certificate.cert_chain_pems[0].write_to_path(cert_file)


class VerifyingTls(Tls):
    """ldap3's own checks names by what Python deprecated, and makes a context a connection."""

    def __init__(self, ca_file: Path, client: tuple[Path, Path] | None = None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = ssl.create_default_context(cafile=ca_file)
        if client:
            self._context.load_cert_chain(*client)

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket,
            do_handshake_on_connect=do_handshake,
            server_hostname=connection.server.host,
        )


@contextmanager
def opened(url: str, tls: Tls | None, dn: str | None, password: str | None) -> Iterator[Any]:
    """A connection before its bind; closed at the end, also where it failed."""
    server = Server(url, tls=tls, get_info=NONE, connect_timeout=5)
    connection: Any = Connection(server, dn, password, auto_referrals=False, check_names=False)
    try:
        yield connection
    finally:
        connection.unbind()
        # What could not be opened ldap3 leaves to the garbage collector.
        if connection.socket:
            connection.socket.close()
