"""The login of a worker at a node, and tokens that the node does not accept any more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.micro_integrator import Fault, MicroIntegrator
from tests.micro_integrator.relaying_service import Options, RelayingService, relaying

SWITCH = b'{"name":"a+b","trace":"enable"}'
REFUSED = "The Micro Integrator mi-1 refuses the account of this service."


def post(service: RelayingService) -> int:
    return service.ask("POST", "/management/apis", SWITCH, "Content-Type: application/json").status


def test_each_worker_logs_in_once_for_all_first_requests(tmp_path: Path) -> None:
    with (
        MicroIntegrator(tmp_path, tls=False) as mi,
        relaying(tmp_path / "relay", mi, Options(ports=2, workers=2)) as service,
    ):
        mi.set_mode(Fault.SLOW_HEAD, resource="login", seconds=0.3)
        with ThreadPoolExecutor(16) as pool:
            statuses = [one.status for one in pool.map(service.get, ["apis"] * 48)]
        assert statuses == [200] * 48
        assert mi.logins == len({one.header("Authorization") for one in mi.forwarded}) <= 2
        assert service.node()["requests"] == 48  # of both workers
        for port in service.ports:  # each listening socket has its own port in all workers
            answers = {service.ask("GET", "/port", port=port).body for _ in range(5)}
            assert answers == {str(port).encode()}


def test_a_worker_logs_in_again_when_its_token_is_forgotten(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.forget_tokens()
    assert service.get("apis").status == 200
    assert (service.outcome()["status"], mi.logins) == (200, 1)
    mi.forget_tokens()
    assert post(service) == 200  # the node had done nothing before it answered 401
    assert [one.status for one in mi.forwarded if one.method == "POST"] == [401, 200]
    assert mi.logins == 2


def test_many_requests_with_a_forgotten_token_log_in_once(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.forget_tokens()
    mi.set_mode(Fault.SLOW_HEAD, resource="login", seconds=0.3)
    with ThreadPoolExecutor(16) as pool:
        assert {one.status for one in pool.map(service.get, ["apis"] * 16)} == {200}
    assert mi.logins == 1


def test_a_restarted_node_is_used_again(mi: MicroIntegrator, service: RelayingService) -> None:
    mi.restart()
    mi.clear()
    assert service.get("apis").status == 200
    assert post(service) == 200
    assert mi.logins == 1


def test_a_token_that_is_refused_for_ever_is_not_a_401_of_the_client(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.UNAUTHORIZED)
    answer = service.get("apis")
    assert (answer.status, answer.headers["x-error-code"]) == (502, "node_failed")
    assert answer.error == REFUSED
    assert "www-authenticate" not in answer.headers
    outcome = service.outcome()
    assert (outcome["status"], outcome["is_effect_known"], outcome["reason"]) == (
        502,
        True,
        REFUSED,
    )
    assert (len(mi.forwarded), mi.logins) == (2, 1)
    assert '"event": "node_refuses_token"' in service.log


def test_a_token_that_is_refused_for_ever_does_not_cause_a_login_for_each_request(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    """MI keeps only the 200 newest tokens, which those of all other clients are among."""
    mi.set_mode(Fault.UNAUTHORIZED)
    with ThreadPoolExecutor(8) as pool:
        assert {one.status for one in pool.map(service.get, ["apis"] * 24)} == {502}
    assert post(service) == 502
    assert mi.logins <= 3  # one every five seconds
    mi.set_mode()
    assert service.get("apis").status == 200
    mi.forget_tokens()
    assert service.get("apis").status == 200


def test_an_upload_is_not_to_be_repeated_for_ever(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.set_mode(Fault.UNAUTHORIZED)
    answers = [service.ask("POST", "/management/applications", b"x" * 1000) for _ in range(4)]
    assert [one.status for one in answers] == [503, 502, 502, 502]
    assert "Send the request again." in answers[0].error
    assert answers[1].error == REFUSED
    assert mi.logins == 1


def test_a_node_that_is_killed_is_unavailable_until_it_is_back(
    mi: MicroIntegrator, service: RelayingService
) -> None:
    mi.kill()
    try:
        answer = service.get("apis")
    finally:
        mi.start()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.error == "The Micro Integrator mi-1 cannot be reached. Try again later."
    assert service.get("apis").status == 200
    refused, finished = service.next_outcomes(2)
    # A request on an idle connection may have been sent.
    assert answer.error in (refused.get("refused"), refused.get("reason"))
    assert finished["status"] == 200
