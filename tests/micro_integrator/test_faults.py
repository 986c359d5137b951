"""Each fault of the stand-in does what its description says."""

from __future__ import annotations

import http.client
import re

import pytest

from tests.micro_integrator import Fault, MicroIntegrator, Mode, log_bytes
from tests.micro_integrator.client import Client, receive_all
from tests.until import until

_SWITCH = {"name": "a+b", "trace": "enable"}


def tracing(mi: MicroIntegrator, client: Client) -> str:
    mi.set_mode()
    return str(client.get("apis?apiName=a%2Bb")["tracing"])


@pytest.fixture(autouse=True)
def _nothing_is_traced(mi: MicroIntegrator, client: Client) -> None:
    client.ask("POST", "apis", {"name": "a+b", "trace": "disable"})
    mi.clear()


def split(answer: bytes) -> tuple[str, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


@pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_READ, Fault.HANG_BEFORE_HEAD, Fault.SLOW_HEAD])
def test_a_hang_ends_with_the_client_or_with_the_mode(
    mi: MicroIntegrator, client: Client, fault: Fault
) -> None:
    mi.set_mode(fault, seconds=30)
    with client.dial() as connection:
        connection.sendall(client.head("GET", "apis"))
        until(lambda: len(mi.forwarded) == 1)
    until(lambda: mi.forwarded[0].client_gone)
    with client.dial() as connection:
        connection.sendall(client.head("GET", "apis", "Connection: close"))
        until(lambda: len(mi.forwarded) == 2)
        mi.set_mode()
        answer = receive_all(connection)
    assert answer.startswith(b"HTTP/1.1 200" if fault is Fault.SLOW_HEAD else b"")
    assert not mi.forwarded[1].client_gone


def test_a_slow_body_is_sent_in_parts(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.SLOW_BODY, piece_bytes=1000, seconds=0.001)
    assert client.ask("GET", "logs?file=audit.log").body == log_bytes(4096)
    mi.set_mode(Fault.SLOW_BODY, piece_bytes=1000, seconds=30)
    with client.dial() as connection:
        connection.sendall(client.head("GET", "logs?file=audit.log"))
        assert split(connection.recv(65_536))[1] == b""
        assert mi.forwarded[-1].sent == 0


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(
    ("fault", "is_done", "received"),
    [
        (Fault.CLOSE_BEFORE_READ, False, b""),
        (Fault.CLOSE_IN_UPLOAD, False, b""),
        (Fault.CLOSE_BEFORE_HEAD, False, b""),
        (Fault.CLOSE_AFTER_WRITE, True, b""),
        (Fault.CLOSE_IN_HEAD, True, b"HTTP/1.1 200"),
        (Fault.CLOSE_IN_BODY, True, b'\r\n\r\n{"message"'),
    ],
)
def test_a_connection_closes_at_its_point(
    mi: MicroIntegrator,
    client: Client,
    fault: Fault,
    reset: bool,
    is_done: bool,
    received: bytes,
) -> None:
    mi.set_mode(fault, reset=reset)
    body = b'{"name": "a+b", "trace": "enable"}'
    head = client.head(
        "POST", "apis", "Content-Type: application/json", f"Content-Length: {len(body)}"
    )
    answer = client.exchange(head + body)
    if not reset:  # a RST may overtake what was sent before it
        assert received in answer
    assert b'"}' not in answer
    assert mi.forwarded[0].is_complete == (
        fault not in {Fault.CLOSE_BEFORE_READ, Fault.CLOSE_IN_UPLOAD}
    )
    assert tracing(mi, client) == ("enabled" if is_done else "disabled")


def test_a_connection_closes_after_an_answer_that_does_not_say_so(
    mi: MicroIntegrator, client: Client
) -> None:
    mi.set_mode(Fault.CLOSE_AFTER_ANSWER)
    head, body = split(client.exchange(client.head("GET", "server")))
    assert "Connection" not in head
    assert body.endswith(b"}")


def test_an_answer_can_be_made_to_hang_in_its_body(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.HANG_IN_BODY, after_bytes=100_000, resource="logs")
    with client.dial() as connection:
        connection.sendall(client.head("GET", "logs?file=wso2carbon.log"))
        until(lambda: [one.sent for one in mi.forwarded] == [100_000])
        mi.set_mode()
        head, body = split(receive_all(connection))
    assert "Content-Length: 150000" in head
    assert body == log_bytes(100_000)


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.OTHER_PROTOCOL])
def test_bytes_that_are_not_http_are_sent(
    mi: MicroIntegrator, client: Client, fault: Fault
) -> None:
    mi.set_mode(fault)
    with pytest.raises(http.client.BadStatusLine):
        client.ask("GET", "apis")


@pytest.mark.parametrize(
    ("fault", "difference"), [(Fault.LENGTH_TOO_LONG, 10), (Fault.LENGTH_TOO_SHORT, -10)]
)
def test_a_wrong_length_is_announced(
    mi: MicroIntegrator, client: Client, fault: Fault, difference: int
) -> None:
    mi.set_mode(fault)
    asked = client.head("GET", "logs?file=audit.log", "Connection: close")
    head, body = split(client.exchange(asked))
    assert f"Content-Length: {4096 + difference}\r\n" in head
    assert body == log_bytes(4096)


def test_an_endless_head_is_sent(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.ENDLESS_HEAD)
    with client.dial() as connection:
        connection.sendall(client.head("GET", "apis"))
        received = 0
        while received < 1_000_000:
            piece = connection.recv(65_536)
            assert b"\r\n\r\n" not in piece
            received += len(piece)
    until(lambda: mi.forwarded[0].client_gone)


def test_a_large_head_is_sent(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.BIG_HEAD, after_bytes=1_000_000)
    head, body = split(client.exchange(client.head("GET", "apis", "Connection: close")))
    assert len(head) > 1_000_000
    assert body.startswith(b'{"count": 12')


def test_a_body_comes_in_chunks(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.CHUNKED, piece_bytes=1000)
    answer = client.ask("GET", "logs?file=audit.log")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.headers["Content-Length"] is None
    assert answer.body == log_bytes(4096)


def test_a_chunked_answer_can_break_off(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.BROKEN_CHUNKS, after_bytes=2000, piece_bytes=1000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        client.ask("GET", "logs?file=audit.log")
    assert caught.value.partial == log_bytes(2000)


def test_a_body_ends_with_the_connection(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.UNTIL_CLOSE)
    answer = client.ask("GET", "logs?file=audit.log")
    assert answer.headers["Content-Length"] is None
    assert answer.body == log_bytes(4096)


def test_hop_by_hop_headers_and_cookies_come_with_the_answer(
    mi: MicroIntegrator, client: Client
) -> None:
    mi.set_mode(Fault.HOP_HEADERS)
    answer = client.ask("GET", "apis")
    assert {"Set-Cookie", "Keep-Alive", "X-Node-Secret", "Upgrade"} <= set(answer.headers)
    assert answer.json["count"] == 12


def test_interim_answers_are_sent_before_the_answer(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.INTERIM)
    answer = client.exchange(client.head("GET", "apis", "Connection: close"))
    assert re.findall(rb"^HTTP/1.1 (\d+)", answer, re.MULTILINE) == [b"102", b"103", b"200"]


def test_a_redirect_to_another_host_is_sent(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.REDIRECT, location="https://example.org/")
    answer = client.ask("POST", "apis", _SWITCH)
    assert (answer.status, answer.headers["Location"]) == (302, "https://example.org/")
    assert tracing(mi, client) == "disabled"


def test_every_token_is_refused_while_logins_succeed(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.UNAUTHORIZED)
    client.log_in()
    answer = client.ask("POST", "apis", _SWITCH)
    assert (answer.status, answer.body) == (401, b"")
    assert tracing(mi, client) == "disabled"


def test_forgotten_tokens_are_refused_until_the_next_login(
    mi: MicroIntegrator, client: Client
) -> None:
    mi.forget_tokens()
    assert client.ask("GET", "apis").status == 401
    client.log_in()
    assert client.ask("GET", "apis").status == 200


def test_an_error_of_the_transport_is_html(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.ANSWER)
    answer = client.ask("POST", "apis", _SWITCH)
    assert (answer.status, answer.headers.get_content_type()) == (500, "text/html")
    assert mi.forwarded[0].is_complete
    assert tracing(mi, client) == "disabled"


def test_an_answer_has_any_status_and_reason(mi: MicroIntegrator, client: Client) -> None:
    json = '{"Error":"Endpoint does not exist"}'
    mi.set_mode(
        Fault.ANSWER, status=299, reason="Not so", text=json, content_type="application/json"
    )
    head, body = split(client.exchange(client.head("GET", "apis", "Connection: close")))
    assert head.startswith("HTTP/1.1 299 Not so\r\n")
    assert body == json.encode()


def test_an_answer_comes_before_the_body_is_sent(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.ANSWER_EARLY, status=413, text='{"Error":"x"}')
    answer = client.exchange(client.head("POST", "applications", "Content-Length: 1000"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert mi.forwarded[0].length == 0


def test_a_mode_applies_to_its_requests_alone(mi: MicroIntegrator, client: Client) -> None:
    mi.set_modes(
        Mode(Fault.ANSWER, resource="apis", method="POST", times=2, status=503),
        Mode(Fault.ANSWER, resource="registry-resources", status=507),
    )
    assert client.ask("GET", "apis").status == 200
    assert [client.ask("POST", "apis", _SWITCH).status for _ in range(3)] == [503, 503, 200]
    assert client.ask("GET", "registry-resources/content?path=x").status == 507
    mi.set_mode(Fault.ANSWER, resource="*", status=502)
    assert client.ask("GET", "login").status == 502
