"""The stand-in's process, its connections and what it records of them."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.micro_integrator import Fault, MicroIntegrator
from tests.micro_integrator.client import Client, basic, receive_all
from tests.until import until


def test_a_restart_keeps_the_port_and_forgets_the_tokens(tmp_path: Path) -> None:
    with MicroIntegrator(tmp_path) as mi, Client(mi) as client:
        mi.set_mode(Fault.ANSWER, resource="apis", status=503)
        assert client.ask("GET", "server").status == 200
        url, pid = mi.url, mi.pid
        mi.restart()
        assert (mi.url, mi.pid != pid) == (url, True)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            client.ask("GET", "server")
        assert client.ask("GET", "server").status == 401
        client.log_in()
        assert client.ask("GET", "apis").status == 503
        assert mi.logins == 2
        assert [one.status for one in mi.forwarded] == [200, 401, 503]
        mi.kill()
        assert not mi.is_running
        assert len(mi.forwarded) == 3
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            client.ask("GET", "server")
        with pytest.raises(ConnectionRefusedError):
            client.ask("GET", "server")


def test_plain_http_and_a_token_that_has_expired(tmp_path: Path) -> None:
    with MicroIntegrator(tmp_path, tls=False, token_life_s=0) as mi:
        assert mi.url == f"http://localhost:{mi.port}/management"
        connection = http.client.HTTPConnection("127.0.0.1", mi.port, timeout=10)
        connection.request("GET", "/management/login", headers={"Authorization": basic(mi)})
        token = json.load(connection.getresponse())["AccessToken"]
        bearer = {"Authorization": f"Bearer {token}"}
        connection.request("GET", "/management/server", headers=bearer)
        assert connection.getresponse().status == 401
        connection.close()


def test_64_connections_are_served_at_a_time(mi: MicroIntegrator, client: Client) -> None:
    mi.set_mode(Fault.SLOW_HEAD, seconds=30)
    with ExitStack() as stack:
        opened = [stack.enter_context(client.dial()) for _ in range(64)]
        for connection in opened:
            connection.sendall(client.head("GET", "server", "Connection: close"))
        until(lambda: len(mi.forwarded) == 64)
        mi.set_mode()
        assert all(receive_all(each).startswith(b"HTTP/1.1 200") for each in opened)
    assert mi.peak >= 65  # with the client's own
    assert len({one.connection for one in mi.forwarded}) == 64


def test_a_request_is_recorded_as_it_came(mi: MicroIntegrator, client: Client) -> None:
    target = "apis?apiName=%41%2b+x&searchKey="
    body = b'{"name": "\xc3\xa4"}'
    client.exchange(
        client.head("POST", target, "cOOkie: a=b", "X-A:  1 ", "X-A: 2", "Content-Length: 14")
        + body
        + client.head("GET", "server", "Connection: close")
    )
    received = mi.forwarded[0]
    assert (received.method, received.target) == ("POST", f"/management/{target}")
    assert (("cOOkie", "a=b")) in received.headers
    assert (received.header("x-a"), received.header("cookie")) == ("1, 2", "a=b")
    assert (received.body, received.length) == (body, 14)
    assert mi.violations == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /management/apis HTTP/1.1\r\n\r\n",
        b"GET /management/apis HTTP/1.1\nHost: x\r\n\r\n",
        b"GET /management/apis?a=\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /management/a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/management/apis HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /management/apis HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /management/apis HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /management/apis HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        b"POST /management/apis HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n",
        b"POST /management/apis HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"POST /management/apis HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"GET /management/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        b"GET /" + b"x" * 70_000,
    ],
)
def test_what_is_not_http_is_refused_and_noted(
    mi: MicroIntegrator, client: Client, sent: bytes
) -> None:
    assert b"HTTP/1.1 400 Bad Request" in client.exchange(sent)
    assert len(mi.violations) == 1


def test_dropped_connections_end(mi: MicroIntegrator, client: Client) -> None:
    with client.dial() as connection:
        connection.sendall(client.head("GET", "server"))
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        mi.drop_connections()
        receive_all(connection)
    until(lambda: mi.state["open"] == 0)


def test_a_frozen_process_answers_nothing_until_it_thaws(tmp_path: Path) -> None:
    with MicroIntegrator(tmp_path) as mi, Client(mi) as client:
        mi.freeze()
        with socket.create_connection(("127.0.0.1", mi.port), 10) as connection:
            connection.sendall(b"\x16\x03\x01")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        mi.thaw()
        assert client.get("server")["osName"] == "Linux"
        mi.freeze()
        mi.kill()
