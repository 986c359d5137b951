"""Answers of a node, as a client of the service gets them through a real worker over TLS."""

from __future__ import annotations

import pytest

from tests.micro_integrator import Fault, MicroIntegrator, log_bytes
from tests.micro_integrator.client import receive_all
from tests.micro_integrator.relaying_service import RelayingService, head_of, read_answer
from tests.stopwatch import within
from tests.until import until

NOT_KNOWN = "check whether the change was made."
SWITCH = b'{"name":"a+b","trace":"enable"}'


def post(service: RelayingService) -> tuple[int, str]:
    answer = service.ask("POST", "/management/apis", SWITCH, "Content-Type: application/json")
    return answer.status, answer.error if answer.status >= 400 else ""


def test_a_get_is_answered_by_the_node(mi: MicroIntegrator, service: RelayingService) -> None:
    answer = service.get("apis?apiName=a%2Bb")
    assert answer.status == 200
    assert b'"name": "a+b"' in answer.body
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    outcome = service.outcome()
    assert outcome.pop("seconds") < 5
    assert outcome == {
        "method": "GET",
        "target": "/apis",
        "status": 200,
        "sent_bytes": 0,
        "received_bytes": len(answer.body),
        "is_effect_known": True,
        "reason": "",
    }
    (received,) = mi.forwarded
    assert received.target == "/management/apis?apiName=a%2Bb"
    assert (received.header("Authorization") or "").startswith("Bearer ")
    assert received.header("Host") == f"localhost:{mi.port}"


def test_fields_of_the_service_stay_and_those_of_the_connection_do_not_pass(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.HOP_HEADERS)
    answer = service.get("logs?file=audit.log")
    assert answer.body == log_bytes(4096)
    assert answer.headers.keys() == {
        "date",
        "connection",
        "x-request-id",
        "x-content-type-options",
        "cache-control",
        "content-type",
        "content-length",
        "content-disposition",
        "accept-ranges",
        "content-security-policy",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_status_and_reason_of_an_error_are_those_of_the_node(service: RelayingService) -> None:
    answer = service.get("apis?apiName=nobody")
    assert (answer.status, answer.reason) == (404, "Not Found")
    assert answer.error
    assert service.outcome()["status"] == 404


def test_a_server_error_of_the_node_passes(mi: MicroIntegrator, service: RelayingService) -> None:
    mi.set_mode(Fault.ANSWER, status=503, text="busy", content_type="text/plain")
    answer = service.get("apis")
    assert (answer.status, answer.body) == (503, b"busy")
    assert "x-error-code" not in answer.headers


def test_a_head_is_asked_as_a_get_and_has_no_body(service: RelayingService) -> None:
    answer = service.ask("HEAD", "/management/logs?file=wso2carbon.log")
    assert (answer.status, answer.headers["content-length"]) == (200, "150000")
    assert service.outcome()["method"] == "GET"


def test_a_range_of_a_file_passes(service: RelayingService) -> None:
    answer = service.ask("GET", "/management/logs?file=audit.log", b"", "Range: bytes=5-9")
    assert (answer.status, answer.body) == (206, log_bytes(10)[5:])
    assert answer.headers["content-range"] == "bytes 5-9/4096"


@pytest.mark.parametrize("fault", [Fault.CHUNKED, Fault.UNTIL_CLOSE])
def test_a_body_of_unknown_length_is_sent_in_chunks(
    mi: MicroIntegrator, service: RelayingService, fault: Fault
) -> None:
    mi.set_mode(fault, piece_bytes=999)
    answer = service.get("logs?file=wso2carbon.log")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.is_whole
    assert answer.body == log_bytes(150_000)


def test_a_body_of_unknown_length_ends_with_the_connection_in_http_1_0(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.CHUNKED)
    with service.connect() as connection:
        connection.sendall(b"GET /management/logs?file=audit.log HTTP/1.0\r\n\r\n")
        answer = read_answer(connection)
    assert "transfer-encoding" not in answer.headers
    assert (answer.body, answer.is_whole) == (log_bytes(4096), True)


def test_a_connection_is_used_for_one_request_after_the_other(service: RelayingService) -> None:
    with service.connect() as connection:
        for _ in range(20):
            connection.sendall(head_of("GET", "/management/logs?file=audit.log"))
            assert read_answer(connection).body == log_bytes(4096)
            connection.sendall(head_of("GET", "/hello"))
            assert read_answer(connection).body == b"hello"


def test_a_request_without_a_report_is_answered_before_its_end_is_noted(
    service: RelayingService,
) -> None:
    with service.connect() as connection:
        for _ in range(3):
            connection.sendall(head_of("GET", "/management/apis", "X-Unreported: 1"))
            assert read_answer(connection).status == 200
    assert [one["status"] for one in service.next_outcomes(3)] == [200] * 3


def test_answers_on_one_connection_come_in_the_order_of_the_requests(
    service: RelayingService,
) -> None:
    sent = [head_of("GET", f"/management/logs?file={name}") for name in ("audit.log", "none")]
    last = head_of("GET", "/hello", "Connection: close")
    with service.connect() as connection:
        connection.sendall(b"".join([*sent, last]))
        received = receive_all(connection)
    assert received.index(log_bytes(4096)) < received.index(b"404 Not Found")
    assert received.endswith(b"hello")


def test_interim_answers_are_skipped(mi: MicroIntegrator, service: RelayingService) -> None:
    mi.set_mode(Fault.INTERIM)
    assert service.get("apis").status == 200


@pytest.mark.parametrize("location", ["{url}/users/bob", "/management/logout"])
def test_a_redirect_is_not_followed_and_leads_no_client_anywhere(
    mi: MicroIntegrator, service: RelayingService, location: str
) -> None:
    mi.set_mode(Fault.REDIRECT, location=location.format(url=mi.url))
    answer = service.get("apis")
    assert answer.status == 302
    assert "location" not in answer.headers
    assert len(mi.forwarded) == 1


# Answers that are not whole, or none


@pytest.mark.parametrize("fault", [Fault.CLOSE_IN_BODY, Fault.LENGTH_TOO_LONG, Fault.BROKEN_CHUNKS])
def test_an_answer_that_is_not_whole_never_looks_complete(
    mi: MicroIntegrator, service: RelayingService, fault: Fault
) -> None:
    mi.set_mode(fault, after_bytes=140_000, piece_bytes=10_000)
    answer = service.get("logs?file=wso2carbon.log")
    assert (answer.status, answer.is_whole) == (200, False)
    outcome = service.outcome()
    assert outcome["status"] == 200
    assert outcome["reason"] == "The Micro Integrator mi-1 broke off its answer."


def test_an_answer_that_breaks_before_its_first_byte_is_an_error(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.CLOSE_IN_BODY, after_bytes=0)
    answer = service.get("logs?file=wso2carbon.log")
    assert (answer.status, answer.headers["x-error-code"]) == (502, "node_failed")
    assert service.outcome()["status"] == 502


@pytest.mark.parametrize("after_bytes", [0, 5])
def test_the_head_of_an_answer_says_whether_a_write_was_done(
    mi: MicroIntegrator, service: RelayingService, after_bytes: int
) -> None:
    """Whatever becomes of the rest: see also `test_node_requests`, for the console."""
    mi.set_mode(Fault.CLOSE_IN_BODY, after_bytes=after_bytes)
    service.ask("POST", "/management/apis", SWITCH, "Content-Type: application/json")
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"]) == (200, True)
    assert outcome["reason"] == "The Micro Integrator mi-1 broke off its answer."


def test_what_follows_the_announced_length_is_cut(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.LENGTH_TOO_SHORT, after_bytes=96)
    answer = service.get("logs?file=audit.log")
    assert (answer.is_whole, answer.body) == (True, log_bytes(4000))
    mi.set_mode()
    assert service.get("logs?file=audit.log").body == log_bytes(4096)
    assert mi.state["connections"] == 1  # a new one, for the second request


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (Fault.GARBAGE, {}),
        (Fault.OTHER_PROTOCOL, {}),
        (Fault.BIG_HEAD, {"after_bytes": 1_000_000}),
        (Fault.ENDLESS_HEAD, {}),
    ],
)
def test_what_is_not_an_answer_is_a_failure_of_the_node(
    mi: MicroIntegrator, service: RelayingService, fault: Fault, options: dict[str, int]
) -> None:
    mi.set_mode(fault, **options)
    answer = service.get("apis")
    assert (answer.status, answer.headers["x-error-code"]) == (502, "node_failed")
    assert answer.headers["x-request-id"] == "r1"
    assert answer.error == "The Micro Integrator mi-1 gave no valid answer."


@pytest.mark.parametrize("fault", [Fault.CLOSE_BEFORE_HEAD, Fault.CLOSE_IN_HEAD])
def test_a_get_without_an_answer_may_be_sent_again(
    mi: MicroIntegrator, service: RelayingService, fault: Fault
) -> None:
    mi.set_mode(fault)
    answer = service.get("apis")
    assert (answer.status, answer.headers["x-error-code"]) == (503, "node_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert answer.error == "The Micro Integrator mi-1 cannot be reached. Try again later."


def test_an_idle_connection_that_the_node_closed_is_not_noticed(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.CLOSE_AFTER_ANSWER)
    for _ in range(5):
        assert service.get("apis").status == 200


def test_a_get_is_repeated_once_when_an_idle_connection_breaks(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    service.get("apis")  # leaves an idle connection
    mi.clear()
    mi.set_mode(Fault.CLOSE_BEFORE_HEAD, times=1, reset=True)
    assert service.get("apis").status == 200
    assert len(mi.forwarded) == 2


# Writes


@pytest.mark.parametrize(
    "fault", [Fault.CLOSE_BEFORE_HEAD, Fault.CLOSE_AFTER_WRITE, Fault.CLOSE_IN_HEAD]
)
@pytest.mark.parametrize("reset", [False, True])
def test_a_write_without_an_answer_is_sent_once_and_its_effect_is_not_known(
    mi: MicroIntegrator, service: RelayingService, fault: Fault, reset: bool
) -> None:
    service.get("apis")  # leaves an idle connection
    mi.clear()
    service.forget_outcomes()
    mi.set_mode(fault, method="POST", reset=reset)
    status, error = post(service)
    assert status == 502
    assert error.endswith(NOT_KNOWN)
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"], outcome["reason"]) == (502, False, error)
    assert [one.method for one in mi.forwarded] == ["POST"]


def test_a_write_that_is_not_answered_in_time_is_not_known_either(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.HANG_BEFORE_HEAD, method="POST")
    status, error = post(service)
    assert (status, error) == (
        502,
        f"The Micro Integrator mi-1 did not answer in time: {NOT_KNOWN}",
    )
    assert service.outcome()["is_effect_known"] is False
    until(lambda: mi.forwarded[0].client_gone)
    assert len(mi.forwarded) == 1


def test_the_reason_of_a_failed_delete_is_its_sentence(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.CLOSE_BEFORE_HEAD)
    answer = service.ask("DELETE", "/management/applications/x")
    assert answer.reason == answer.error


# Time


def test_a_node_that_does_not_answer_in_time_is_unavailable(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.HANG_BEFORE_HEAD)
    with within(2):
        answer = service.get("apis")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.error == "The Micro Integrator mi-1 did not answer in time. Try again later."


def test_a_body_that_stops_moving_ends(mi: MicroIntegrator, service: RelayingService) -> None:
    mi.set_mode(Fault.HANG_IN_BODY, after_bytes=100_000)
    answer = service.get("logs?file=wso2carbon.log")
    assert (answer.is_whole, answer.body) == (False, log_bytes(100_000))
    until(lambda: mi.forwarded[0].client_gone)


def test_a_slow_body_that_moves_may_take_longer_than_the_time_limit(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.SLOW_BODY, piece_bytes=512, seconds=0.3)
    answer = service.get("logs?file=audit.log")
    assert (answer.is_whole, answer.body) == (True, log_bytes(4096))
    assert service.outcome()["seconds"] > 2


def test_threads_read_small_answers_within_a_limit(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    assert service.ask("GET", "/fetch?/logs?file=audit.log").body == b"200 4096"
    assert b"too large" in service.ask("GET", "/fetch?/logs?file=wso2carbon.log").body
    mi.set_mode(Fault.HANG_BEFORE_HEAD)
    assert b"did not answer in time" in service.ask("GET", "/fetch?/apis").body


def test_all_workers_count_the_requests_of_a_node(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    before = service.node()
    service.get("apis")
    mi.set_mode(Fault.GARBAGE)
    service.get("apis")
    after = service.node()
    assert (after["requests"], after["errors"]) == (before["requests"] + 2, before["errors"] + 1)
    assert after["seconds"] > before["seconds"]
    assert after["problem"].startswith("invalid answer")
