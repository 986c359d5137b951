"""Whose certificates are taken, and what is said of the others."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from tests.cli.conftest import PASSWORD, Stage
from tests.cli.impostors import answering, impostor
from tests.cli.terminal import Person, ended

HTML = answering("200 OK", b"<html>It works!</html>", "Content-Type: text/html")


def test_a_certificate_that_proves_nothing_gets_no_password(
    newcomer: Person, tmp_path: Path
) -> None:
    with impostor(tmp_path, HTML) as (one, ca):
        newcomer.done("remote", "update", "default", "localhost", str(one.port))
        ran = newcomer("remote", "login", "root", PASSWORD)
        assert (ran.status, "can't be verified" in ran.sentence) == (3, True)
        assert "mi remote trust default" in ran.sentence
        assert newcomer("remote", "login", "root", PASSWORD, "--ca", str(ca)).status == 1
        assert newcomer("remote", "login", "x", "y", "--ca", "nowhere.pem").status == 2
        (newcomer.home / "none.pem").write_text("nothing")
        ran = newcomer("remote", "login", "x", "y", "--ca", "none.pem")
        assert (ran.status, "no certificate in PEM" in ran.sentence) == (1, True)
    assert len(one.heard) == 1


def test_a_certificate_for_another_host(newcomer: Person, tmp_path: Path) -> None:
    with impostor(tmp_path, HTML, "elsewhere.example") as (one, ca):
        newcomer.done("remote", "update", "default", "localhost", str(one.port), "--ca", str(ca))
        ran = newcomer("remote", "login", "root", PASSWORD)
        assert (ran.status, "Hostname mismatch" in ran.sentence) == (3, True)
        ran = newcomer("remote", "trust", "--yes")
        assert (ran.status, "Hostname mismatch" in ran.sentence) == (3, True)
    assert not any(one.heard)


def test_whom_one_trusts_is_the_only_one(newcomer: Person, tmp_path: Path) -> None:
    with impostor(tmp_path, HTML) as (one, ca):
        strange = ca.rename(tmp_path / "strange.pem")
        newcomer.done("remote", "update", "default", "localhost", str(one.port))
        shown = newcomer("remote", "trust", "--yes")
        assert (shown.status, "SHA-256" in shown.err) == (0, True)
        assert newcomer("remote", "login", "root", "x").status == 1
        kept = json.loads(newcomer.remotes_file.read_text())
    with impostor(tmp_path, HTML) as (other, _):
        kept["remotes"]["default"]["port"] = other.port
        newcomer.remotes_file.write_text(json.dumps(kept))
        ran = newcomer("remote", "login", "root", "x")
        assert (ran.status, "differs from the one you trusted" in ran.sentence) == (3, True)
        ran = newcomer("remote", "login", "root", "x", "--ca", str(strange))
        assert (ran.status, "name its issuer" in ran.sentence) == (3, True)
        child = newcomer.at_terminal("remote", "trust")
        child.expect_exact("differs from the one you trusted")
        child.expect_exact("[y/N]: ")
        newcomer.done("remote", "update", "default", "localhost", "1")
        child.sendline("y")
        assert "was changed in the meantime" in ended(child)[1]
        assert "certificate" not in newcomer.remotes_file.read_text()
    assert not any(other.heard)


def test_a_certificate_that_is_too_old(newcomer: Person, tmp_path: Path) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with impostor(tmp_path, HTML, expires=past) as (one, ca):
        newcomer.done("remote", "update", "default", "localhost", str(one.port), "--ca", str(ca))
        ran = newcomer("remote", "login", "root", "x")
    assert (ran.status, "the service needs a new one" in ran.sentence) == (3, True)


def test_trust_in_what_can_not_be_trusted(newcomer: Person, tmp_path: Path) -> None:
    assert newcomer("remote", "trust", "-k").status == 2
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = str(mute.getsockname()[1])
        newcomer.done("remote", "update", "default", "localhost", port)
        ran = newcomer("remote", "trust", "--timeout", "0.5")
        assert (ran.status, "it doesn't answer" in ran.sentence) == (3, True)
    with socketserver.TCPServer(("127.0.0.1", 0), PlainText) as plain:
        Thread(target=plain.handle_request, daemon=True).start()
        newcomer.done("remote", "update", "default", "localhost", str(plain.server_address[1]))
        ran = newcomer("remote", "trust")
    assert (ran.status, "does not use TLS" in ran.sentence) == (3, True)


class PlainText(socketserver.StreamRequestHandler):
    """No TLS."""

    def handle(self) -> None:
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_authorities_by_file_and_by_environment(newcomer: Person, tmp_path: Path) -> None:
    with impostor(tmp_path, HTML) as (one, ca):
        newcomer.done("remote", "update", "default", "localhost", str(one.port))
        ca.write_text(f"# Behörde\n{ca.read_text()}")
        assert newcomer("remote", "login", "x", "y", "--ca", str(ca)).status == 1
        named = Person(newcomer.home, {"SSL_CERT_FILE": str(ca)})
        assert named("remote", "login", "x", "y").status == 1
        named = Person(newcomer.home, {"SSL_CERT_FILE": "nowhere"})
        assert "SSL_CERT_FILE" in named("remote", "login", "x", "y").sentence


def test_trust_shows_what_is_trusted(stage: Stage, newcomer: Person) -> None:
    newcomer.done("remote", "update", "default", *stage.address)
    served = ssl.get_server_certificate(("localhost", stage.service.port))
    for answer, status in (("n", 1), ("y", 0)):
        child = newcomer.at_terminal("remote", "trust")
        child.expect_exact("Trust it for default [y/N]: ")
        shown = str(child.before)
        child.sendline(answer)
        assert ended(child)[0] == status
        assert newcomer("remote", "login", "root", PASSWORD).status == (0 if answer == "y" else 3)
    assert "localhost, 127.0.0.1, ::1" in shown
    digits = "".join(shown.partition("SHA-256")[2].partition("names")[0].split())
    assert digits.count(":") == 30
    kept = json.loads(newcomer.remotes_file.read_text())
    assert kept["remotes"]["default"]["certificate"] == served
    assert newcomer("remote", "trust").status == 1


def test_without_a_look_at_the_certificate_it_is_said_loudly(
    stage: Stage, newcomer: Person
) -> None:
    newcomer.done("remote", "update", "default", *stage.address)
    ran = newcomer.done("remote", "login", "root", "-k", given=f"{PASSWORD}\n")
    assert ran.sentence.startswith("WARNING: the certificate of https://localhost:")
    assert newcomer("user", "show").status == 3
    assert newcomer.done("-k", "user", "show").err.startswith("WARNING")
