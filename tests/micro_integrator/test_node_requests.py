"""Requests to a node without a worker: login, trust, the breaker, and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from mi_ldap.deadline import deadline
from mi_ldap.errors import ConfigurationError, MiLdapError, NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.breaker import BreakerState, CircuitBreaker
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.fetch import fetch
from mi_ldap.micro_integrators.forward import Fields
from mi_ldap.micro_integrators.node import Nodes
from tests.micro_integrator import Fault, MicroIntegrator
from tests.until import until

REFUSED = "The Micro Integrator mi-1 refuses the account of this service."
JSON = (("content-type", "application/json"),)
LOGIN = ["/management/login"]


def config_of(mi: MicroIntegrator, **changed: object) -> NodeConfig:
    given: dict[str, object] = {
        "id": "mi-1",
        "management_url": mi.url,
        "username": mi.username,
        "password": mi.password,
        "ca_file": mi.ca_file,
        "timeout_s": 2.0,
        "pause_s": 1.0,
    }
    return NodeConfig(**{**given, **changed})  # type: ignore[arg-type]


@pytest.fixture
def connect() -> Iterator[Callable[..., Nodes]]:
    """A function that returns nodes with one configuration; they are closed afterwards."""
    with ExitStack() as stack:

        def connect(mi: MicroIntegrator, **changed: object) -> Nodes:
            return stack.enter_context(closing(Nodes([config_of(mi, **changed)])))

        yield connect


Connect = Callable[..., Nodes]


def ask(nodes: Nodes, method: str = "GET") -> int:
    status, _, _ = fetch(nodes, "mi-1", method, "/apis", b"{}" if method == "POST" else b"")
    return status


def error_of(run: Callable[[], object]) -> MiLdapError:
    with pytest.raises(MiLdapError) as caught:
        run()
    return caught.value


def test_a_password_is_in_no_representation(mi: MicroIntegrator) -> None:
    config = config_of(mi)
    assert mi.password not in f"{config!r} {config} {Nodes([config])['mi-1']!r}"


def test_a_refused_account_is_tried_once_in_a_while(mi: MicroIntegrator, connect: Connect) -> None:
    nodes = connect(mi, password="wrong")
    with capture_logs() as logs:
        for _ in range(3):
            error = error_of(lambda: ask(nodes))
            assert isinstance(error, NodeFailed)
            assert str(error) == REFUSED
    assert [line["event"] for line in logs] == ["node_refuses_account"]
    assert "wrong" not in str(logs)
    assert [one.target for one in mi.requests] == LOGIN
    assert nodes["mi-1"].breaker.state is BreakerState.CLOSED  # it answers


@pytest.mark.parametrize(
    ("text", "content_type"),
    [
        ("<html>proxy</html>", "text/html"),
        ('{"AccessToken": "a\\r\\nX: y"}', "application/json"),
        ('{"AccessToken": 5}', "application/json"),
        ("[" * 60_000, "application/json"),
        ('{"AccessToken": "' + "x" * 200_000 + '"}', "application/json"),
    ],
)
def test_an_answer_to_the_login_without_a_token_is_a_failure_of_the_node(
    mi: MicroIntegrator, connect: Connect, text: str, content_type: str
) -> None:
    mi.set_mode(Fault.ANSWER, resource="login", status=200, text=text, content_type=content_type)
    error = error_of(lambda: ask(connect(mi)))
    assert isinstance(error, NodeFailed)
    assert str(error) == "The Micro Integrator mi-1 gave no valid answer."


def test_a_token_without_a_lifetime_is_used(mi: MicroIntegrator, connect: Connect) -> None:
    mi.set_mode(Fault.ANSWER, resource="login", status=200, text='{"AccessToken": "x.y.z"}')
    assert isinstance(error_of(lambda: ask(connect(mi))), NodeFailed)
    assert [one.header("Authorization") for one in mi.forwarded] == ["Bearer x.y.z"] * 2


def test_a_short_lived_token_is_renewed_before_it_ends(tmp_path: Path, connect: Connect) -> None:
    with MicroIntegrator(tmp_path, token_life_s=3) as mi:
        nodes = connect(mi)
        until(lambda: ask(nodes) == 200 and mi.logins == 2)
        assert {one.status for one in mi.forwarded} == {200}


def test_a_node_that_is_not_trusted_gets_no_password(
    tmp_path: Path, mi: MicroIntegrator, connect: Connect
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    error = error_of(lambda: ask(connect(mi, ca_file=other)))
    assert isinstance(error, NodeUnavailable)
    assert str(error) == (
        "The certificate of the Micro Integrator mi-1 is signed by an authority that is unknown "
        "here: name that authority's PEM file in ca_file of the [[micro_integrator]]."
    )
    other_name = mi.url.replace("localhost", "127.1")  # the same address, which no certificate has
    with pytest.raises(NodeUnavailable, match="write the name that it is for in management_url"):
        ask(connect(mi, management_url=other_name))
    assert mi.requests == []
    assert ask(connect(mi, ca_file=None, verify=False)) == 200


def test_a_file_of_authorities_that_is_none_is_refused_at_the_start(
    tmp_path: Path, mi: MicroIntegrator, connect: Connect
) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="mi-1: ca_file must name a PEM file"):
        connect(mi, ca_file=tmp_path / "ca.pem")


def test_a_node_with_another_protocol_is_unavailable(mi: MicroIntegrator, connect: Connect) -> None:
    nodes = connect(mi, management_url=mi.url.replace("https:", "http:"))
    assert isinstance(error_of(lambda: ask(nodes)), NodeUnavailable)
    nodes = connect(mi, management_url="https://no-such-host.invalid/management")
    with deadline(10):
        assert isinstance(error_of(lambda: ask(nodes)), NodeUnavailable)


def test_a_breaker_opens_for_a_node_that_is_down_and_closes_when_it_is_back(
    mi: MicroIntegrator,
    connect: Connect,
) -> None:
    nodes = connect(mi)
    node = nodes["mi-1"]
    now = [0.0]
    node.breaker = CircuitBreaker(failures=3, pause_s=5, clock=lambda: now[0])
    assert ask(nodes) == 200
    mi.kill()
    try:
        with capture_logs() as logs:
            for _ in range(3):
                error = error_of(lambda: ask(nodes))
                assert str(error).endswith("cannot be reached. Try again later.")
                assert not node.is_up  # also before the breaker is open
        # Not a line for each request.
        assert [line["event"] for line in logs] == ["node_failed"]
        assert node.problem == "connection refused"
        error = error_of(lambda: ask(nodes))
        assert isinstance(error, NodeUnavailable)
        assert str(error).endswith("cannot be used at the moment. Try again later.")
        assert not node.is_up
    finally:
        mi.start()
    with capture_logs() as logs:
        now[0] = 5.0
        assert ask(nodes) == 200
    assert [line["event"] for line in logs] == ["node_recovered"]
    assert (node.is_up, node.problem) == (True, "")


def test_the_deadline_of_the_thread_ends_its_request(mi: MicroIntegrator, connect: Connect) -> None:
    nodes = connect(mi)
    assert ask(nodes) == 200
    mi.set_mode(Fault.HANG_BEFORE_HEAD)
    with deadline(0.2):
        error = error_of(lambda: ask(nodes))
        assert isinstance(error, NodeUnavailable)
        assert str(error).endswith("did not answer in time. Try again later.")
    with deadline(0.2):
        error = error_of(lambda: ask(nodes, "POST"))
        assert isinstance(error, NodeFailed)
        assert str(error).endswith("check whether the change was made.")
    until(lambda: all(one.client_gone for one in mi.forwarded[1:]))


@pytest.mark.parametrize("fault", [Fault.CLOSE_IN_BODY, Fault.HANG_IN_BODY])
def test_a_write_is_done_if_its_answer_has_begun(
    mi: MicroIntegrator, connect: Connect, fault: Fault
) -> None:
    nodes = connect(mi)
    mi.set_mode(fault, after_bytes=5)
    body = b'{"name": "OrderService", "trace": "enable"}'
    with deadline(0.5):
        status, _, answer = fetch(nodes, "mi-1", "POST", "/apis", body, fields=JSON)
    assert (status, len(answer)) == (200, 5)


def test_a_large_answer_is_not_read(mi: MicroIntegrator, connect: Connect) -> None:
    nodes = connect(mi)
    with pytest.raises(NodeFailed, match="too large"):
        fetch(nodes, "mi-1", "GET", "/logs?file=wso2carbon.log", limit=100_000)


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/apis?name=a b", ()),
        ("/apis\r\nX: y", ()),
        ("/apis", (("x-name", "a\r\nb"),)),
        ("/apis", (("x-name", "Zażółć"),)),
    ],
)
def test_a_request_that_is_not_valid_is_not_sent(
    mi: MicroIntegrator, connect: Connect, target: str, fields: Fields
) -> None:
    nodes = connect(mi)
    with pytest.raises(NodeFailed, match="cannot be sent"):
        fetch(nodes, "mi-1", "POST", target, b"{}", fields=fields)
    assert mi.forwarded == []
    assert nodes["mi-1"].breaker.failures == 0


def test_fields_of_the_connection_and_of_credentials_are_those_of_the_service(
    mi: MicroIntegrator, connect: Connect
) -> None:
    names = ("authorization", "cookie", "host", "connection", "content-length", "expect", "te")
    given = tuple((name, "client") for name in names)
    fetch(connect(mi), "mi-1", "GET", "/apis", fields=(*given, ("traceparent", "client")))
    (received,) = mi.forwarded
    passed = {name for name, value in received.headers if value == "client"}
    assert {name.lower() for name in passed} == {"traceparent"}
