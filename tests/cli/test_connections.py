"""Whatever is at the other end: one sentence, the right status, and no token for strangers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mi_ldap.client.api import ManagementApi
from mi_ldap.client.errors import AlreadyExists, Refused, UnexpectedResponse, UnknownDomain
from mi_ldap.client.http import ConnectionOptions
from mi_ldap.client.remotes import Remote
from tests.cli.conftest import PASSWORD, Stage
from tests.cli.impostors import (
    Act,
    answering,
    dripping,
    dripping_head,
    hanging_up,
    impostor,
    in_turn,
    silent,
)
from tests.cli.terminal import Person
from tests.service import free_port

HTML = answering("200 OK", b"<html>It works!</html>", "Content-Type: text/html")
ELSEWHERE = answering("302 Found", b"", "Location: https://localhost:1/evil")


def logged_in_at(port: int, ca: Path, person: Person) -> Person:
    """A person with a token for that address."""
    person.done("remote", "update", "default", "localhost", str(port), "--ca", str(ca))
    person.tokens_file.parent.mkdir(parents=True, exist_ok=True)
    url = f"https://localhost:{port}"
    token = {"url": url, "user": "root", "token": "a.secret.token"}
    person.tokens_file.write_text(json.dumps({"default": token}))
    return person


@pytest.mark.parametrize(
    ("act", "status", "says"),
    [
        (HTML, 1, "answered 200 without the JSON of a management API"),
        (answering("502 Bad Gateway", b"<html>"), 1, "answered 502 without"),
        (answering("200 OK", b'{"list": 5}'), 1, "answered 200 without"),
        (answering("200 OK", b'{"list": [{"userId": 7}]}'), 1, "answered 200 without"),
        (ELSEWHERE, 1, "redirects to another address"),
        (answering("401 Unauthorized", b"{}"), 1, "log in again with 'mi remote login'"),
        (answering("400 Bad Request", b'{"Error": "So it is."}'), 1, "So it is."),
        (
            answering("503 Gone", b'{"Error": "Down. Try again later."}', "Retry-After: 7"),
            1,
            "Down. Try again in 7 seconds.",
        ),
        (silent, 3, "sent no response within 0.7 seconds"),
        (dripping, 3, "sent no response within 0.7 seconds"),
        (dripping_head, 3, "sent no response within 0.7 seconds"),
        (hanging_up, 3, "broke off the connection"),
    ],
)
def test_strange_answers(
    newcomer: Person, tmp_path: Path, act: Act, status: int, says: str
) -> None:
    with impostor(tmp_path, act) as (one, ca):
        person = logged_in_at(one.port, ca, newcomer)
        ran = person("user", "show", "--timeout", "0.7")
    assert (ran.status, ran.out, says in ran.sentence) == (status, "", True), ran
    assert "a.secret.token" not in ran.err
    assert len(one.heard) == 1


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (["user", "show", "x"], b'{"userId": "x", "isAdmin": true, "roles": 7}'),
        (["role", "show", "x"], b'{"role": "x", "users": [7]}'),
        (["user", "delete", "x"], b'{"userId": "x"}'),
        (["role", "delete", "x"], b'{"role": "x", "status": ""}'),
        (["remote", "login", "x", "y"], b'{"AccessToken": "two lines\\n"}'),
    ],
)
def test_answers_that_the_api_never_gives(
    newcomer: Person, tmp_path: Path, command: list[str], body: bytes
) -> None:
    with impostor(tmp_path, answering("200 OK", body)) as (one, ca):
        ran = logged_in_at(one.port, ca, newcomer)(*command)
    assert (ran.status, ran.out, "answered 200 without" in ran.sentence) == (1, "", True), ran


def test_a_response_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mi_ldap.client.http._MAX_BODY_BYTES", 10)
    with impostor(tmp_path, HTML) as (one, ca):
        options = ConnectionOptions(Remote("x", "localhost", one.port), str(ca))
        with (
            ManagementApi(options) as api,
            pytest.raises(UnexpectedResponse, match="is too large"),
        ):
            api.log_in("x", "y")


@pytest.mark.parametrize(
    ("status", "sentence", "headers", "kind"),
    [
        ("400 Bad Request", "Any sentence.", ["X-Error-Code: user_exists"], AlreadyExists),
        ("404 Not Found", "Any sentence.", ["X-Error-Code: domain_not_found"], UnknownDomain),
        ("400 Bad Request", "User: x already exists.", ["X-Error-Code: bad_request"], Refused),
        ("400 Bad Request", "User: x already exists.", [], AlreadyExists),
        ("404 Not Found", "Could not find a user-store for x", [], UnknownDomain),
    ],
)
def test_errors_are_classified_by_their_code_or_by_the_sentence(
    tmp_path: Path, status: str, sentence: str, headers: list[str], kind: type[Refused]
) -> None:
    body = json.dumps({"Error": sentence}).encode()
    with impostor(tmp_path, answering(status, body, *headers)) as (one, ca):
        options = ConnectionOptions(Remote("x", "localhost", one.port), str(ca))
        with ManagementApi(options) as api, pytest.raises(Refused, match=sentence) as caught:
            api.log_in("x", "y")
    assert type(caught.value) is kind


@pytest.mark.parametrize("token", ["é", "a\nb", "", "a b"])
def test_a_token_that_is_none_is_no_login(mi: Person, token: str) -> None:
    kept = json.loads(mi.tokens_file.read_text())
    kept["default"]["token"] = token
    mi.tokens_file.write_text(json.dumps(kept))
    assert "log in again" in mi("user", "show").sentence


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "ftp://x"])
def test_a_proxy_that_is_none(stage: Stage, tmp_path: Path, proxy: str) -> None:
    person = Person(tmp_path, {"HTTPS_PROXY": proxy})
    person.done("remote", "update", "default", "mi.invalid", "9164")
    ran = person("remote", "login", "x", "y")
    assert (ran.status, "The proxy" in ran.sentence) == (3, True)


def test_a_name_that_no_address_can_hold(mi: Person) -> None:
    ran = mi("user", "show", "x" * 70_000)
    assert (ran.status, "is not valid in a URL: URL too long." in ran.sentence) == (1, True)


CHANGED = answering("200 OK", b'{"userId": "root", "status": "User password updated."}')


@pytest.mark.parametrize("then", [HTML, hanging_up])
def test_a_password_that_was_changed_is_reported(
    newcomer: Person, tmp_path: Path, then: Act
) -> None:
    with impostor(tmp_path, in_turn(CHANGED, then)) as (one, ca):
        person = logged_in_at(one.port, ca, newcomer)
        ran = person("user", "password", " primary/ROOT ", given="old\nnew\n")
    assert (ran.status, ran.out) == (0, "The password of  primary/ROOT  was changed.\n")
    assert "Log in again with 'mi remote login' and the new password." in ran.sentence
    assert "secret" not in person.tokens_file.read_text()


@pytest.mark.parametrize("act", [hanging_up, answering("503 Gone", b'{"Error": "Down."}')])
def test_logout_without_a_connection_deletes_the_token(
    newcomer: Person, tmp_path: Path, act: Act
) -> None:
    with impostor(tmp_path, act) as (one, ca):
        person = logged_in_at(one.port, ca, newcomer)
        ran = person("remote", "logout")
    assert (ran.status, "Logged out here only" in ran.sentence) == (3, True), ran
    assert "secret" not in person.tokens_file.read_text()


def test_nobody_there(newcomer: Person) -> None:
    port = free_port()
    newcomer.done("remote", "update", "default", "localhost", str(port))
    ran = newcomer("remote", "login", "x", "y")
    assert ran.status == 3
    assert ran.sentence == f"https://localhost:{port} can't be reached: connection refused."
    newcomer.done("remote", "add", "typo", "no-such-host.invalid", "9164")
    ran = newcomer("remote", "login", "x", "y", "--remote", "typo")
    assert (ran.status, "can't be reached" in ran.sentence) == (3, True)


def test_no_token_goes_to_another_address(stage: Stage, mi: Person, tmp_path: Path) -> None:
    with impostor(tmp_path, HTML) as (one, ca):
        kept = json.loads(mi.remotes_file.read_text())
        moved = {"host": "localhost", "port": one.port, "ca_file": str(ca)}
        mi.remotes_file.write_text(json.dumps({**kept, "remotes": {"default": moved}}))
        ran = mi("user", "show")
        assert (ran.status, "Nobody is logged in" in ran.sentence) == (1, True)
    assert not any(one.heard)


def test_verbose_tells_what_is_asked_and_no_secret(stage: Stage, mi: Person) -> None:
    token = json.loads(mi.tokens_file.read_text())["default"]["token"]
    ran = mi.done("user", "show", "-v", "-p", "ro?t")
    assert ran.sentence.startswith("GET /management/users?pattern=ro%3Ft 200 ")
    assert ran.sentence.endswith(" ms")
    ran = mi.done("-v", "remote", "login", "root", PASSWORD)
    assert ran.sentence.startswith("GET /management/login 200 ")
    assert token not in ran.err
    assert PASSWORD not in ran.err + ran.out


def test_too_many_failures(stage: Stage, newcomer: Person) -> None:
    with stage.service.caller() as call:
        while call("GET", "/login", basic="throttled:x").status != 429:
            pass
    newcomer.done("remote", "update", "default", *stage.address)
    ran = newcomer("remote", "login", "-k", "throttled", "x")
    assert "Too many failed logins. Try again in" in ran.err.splitlines()[1]
    assert ran.status == 1


def test_a_proxy_is_not_asked_for_what_is_here(stage: Stage, tmp_path: Path) -> None:
    proxied = {"HTTPS_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    stage.root.twin(tmp_path / "home", **proxied).done("user", "show", "root")
    far = Person(tmp_path / "home", proxied)
    far.done("remote", "update", "default", "mi.invalid", "9164")
    ran = far("remote", "login", "x", "y")
    assert (ran.status, "connection refused" in ran.sentence) == (3, True)
