"""Heartbeats to ICP 2, one at a time: what they contain, and what follows from each answer."""

from __future__ import annotations

import json
import platform
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
from structlog.testing import capture_logs

from mi_ldap.errors import ConfigurationError
from mi_ldap.serving import icp_heartbeat
from mi_ldap.serving.heartbeat_process import LONGEST_PAUSE_S
from mi_ldap.serving.icp_body import FullBody, management_address
from mi_ldap.serving.icp_heartbeat import IcpHeartbeats, tls_context
from mi_ldap.serving.service import heartbeats
from mi_ldap.settings import Settings, load_settings
from tests.api.client import Api
from tests.api.conftest import light_api_of, memory, opened
from tests.clients.icp_stand_in import ControlPlane, OrgSecret, listening
from tests.hosts.tls import Certificates
from tests.icp_tokens import ICP, KEY, KID, token
from tests.service import free_port

__all__ = ["light_api_of", "memory", "opened"]

MakeHeartbeats = Callable[..., IcpHeartbeats]
Logged = list[tuple[str, str]]
DASHBOARD = {"DASHBOARD_CONFIG__DASHBOARD_URL": "https://x"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"), trustme.CA())


@pytest.fixture(params=["S", "N"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def plane(certificates: Certificates) -> Iterator[ControlPlane]:
    with listening(ControlPlane(), certificates) as plane:
        yield plane


@pytest.fixture
def api_for(light_api_of: Callable[..., Api], certificates: Certificates) -> Callable[..., Api]:
    """Makes services that report to a control plane."""

    def make(url: str, **more: str) -> Api:
        settings = {f"ICP_CONFIG__{key}": value for key, value in more.items()}
        own = {"ICP_CONFIG__ICP_URL": url, "ICP_CONFIG__CA_FILE": str(certificates.ca_file)}
        return light_api_of(**{**ICP, **own, **settings})

    return make


@pytest.fixture
def beating(api_for: Callable[..., Api]) -> MakeHeartbeats:
    """Makes what sends the heartbeats."""
    return lambda url, **more: heartbeats_of(api_for(url, **more))


def heartbeats_of(api: Api) -> IcpHeartbeats:
    settings = api.services.settings
    return IcpHeartbeats(settings, api.services, tls_context(settings))


def logged(heartbeats: IcpHeartbeats, times: int = 1) -> Logged:
    """What is logged: events and their reasons."""
    with capture_logs() as lines:
        for _ in range(times):
            heartbeats.run_once()
    assert KEY not in str(lines)
    return [(line["event"], line["reason"]) for line in lines]


def test_a_full_heartbeat_is_followed_by_deltas(
    certificates: Certificates, beating: MakeHeartbeats, form: str
) -> None:
    with listening(ControlPlane(form), certificates) as plane:
        assert logged(beating(plane.url), 4) == [("icp_registered", "it answered 201")]
    # ICP asks a node without artifacts for a full heartbeat after each full one.
    assert plane.kinds == ["heartbeat", *["deltaHeartbeat"] * 3]
    assert len(plane.runtimes) == 1


def test_a_full_heartbeat_contains_what_icp_stores(
    plane: ControlPlane, beating: MakeHeartbeats
) -> None:
    names = {"PROJECT": "identity", "INTEGRATION": "users", "RUNTIME": "users-1"}
    beating(plane.url, **names, MANAGEMENT_URL="https://users.example.org").run_once()
    body = plane.runtime.body
    assert (body["project"], body["component"], body["runtime"]) == ("identity", "users", "users-1")
    assert (body["environment"], body["runtimeType"], body["status"]) == ("dev", "MI", "RUNNING")
    assert plane.runtime.address == "users.example.org:443"
    assert body["nodeInfo"]["osName"] == platform.system()
    assert abs(body["timestamp"][0] - time.time()) < 60
    assert 0 <= body["timestamp"][1] < 1


def test_the_token_is_for_icp_and_lives_for_minutes(
    plane: ControlPlane, beating: MakeHeartbeats
) -> None:
    heartbeats = beating(plane.url)
    heartbeats.run_once()
    heartbeats.run_once()
    for _, headers, _ in plane.heartbeats:
        sent = headers["Authorization"].removeprefix("Bearer ")
        content = jwt.decode(sent, KEY, ["HS256"], audience="icp-server")
        assert content["sub"] == "mi-ldap-heartbeat"
        assert content["exp"] - content["iat"] == 300
        assert jwt.get_unverified_header(sent)["kid"] == KID


def test_the_id_is_kept_and_the_name_is_that_of_the_machine(
    plane: ControlPlane, api_for: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeats_of(api_for(plane.url)).run_once()
    first = plane.runtime.body
    assert (len(first["runtimeId"]), first["runtime"]) == (36, socket.gethostname()[:100])
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 200)
    heartbeats_of(api_for(plane.url)).run_once()
    (second,) = [each.body for each in plane.runtimes.values() if each.body["runtime"][-1] == "h"]
    assert second["runtimeId"] == first["runtimeId"]
    assert second["runtime"] == "h" * 100


def test_texts_are_cut_to_the_columns(
    plane: ControlPlane, beating: MakeHeartbeats, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("release", "system", "machine"):
        monkeypatch.setattr(platform, name, lambda: "x" * 300)
    assert logged(beating(plane.url)) == [("icp_registered", "it answered 201")]
    assert plane.runtime.body["nodeInfo"]["osVersion"] == "x" * 50


def test_after_its_restart_icp_gets_a_full_heartbeat_once(
    plane: ControlPlane, beating: MakeHeartbeats
) -> None:
    heartbeats = beating(plane.url)
    heartbeats.run_once()
    plane.restart()
    assert logged(heartbeats, 2) == []
    assert plane.kinds == ["heartbeat", "deltaHeartbeat", "heartbeat", "deltaHeartbeat"]


def test_a_full_heartbeat_is_repeated_until_icp_acknowledges_it(
    beating: MakeHeartbeats, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledged = 200, b'{"acknowledged": true}'
    wants_full = 200, b'{"acknowledged": true, "fullHeartbeatRequired": true}'
    refused = 200, b'{"acknowledged": false}'
    kinds: list[str] = []

    def post(url: str, *_given: object) -> tuple[int, bytes]:
        kinds.append(url.rpartition("/")[2])
        found = left.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    heartbeats, left = beating("https://localhost:1"), list[tuple[int, bytes] | OSError]()
    monkeypatch.setattr(icp_heartbeat, "post", post)
    lost = OSError("lost")
    left += [lost, refused, acknowledged, lost, wants_full, lost, refused, acknowledged, wants_full]
    left += [wants_full, acknowledged]
    with capture_logs():
        while left:
            heartbeats.run_once()
    full, delta = "heartbeat", "deltaHeartbeat"
    assert kinds == [full, full, full, delta, delta, full, full, full, delta, full, delta]


def test_a_new_key_begins_with_a_full_heartbeat(
    plane: ControlPlane, beating: MakeHeartbeats
) -> None:
    beating(plane.url).run_once()
    plane.secrets["new"] = OrgSecret(KEY[::-1], plane.secrets[KID].bound)
    heartbeats = beating(plane.url, SECRET=f"new.{KEY[::-1]}")
    assert plane.runtime.kid == KID
    heartbeats.run_once()
    assert plane.runtime.kid == "new"
    first, second = (body["runtimeHash"] for _, _, body in plane.heartbeats)
    assert first != second


def test_the_hash_changes_with_key_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FullBody(settings_of(tmp_path), "x").hash
    assert FullBody(settings_of(tmp_path), "x").hash == first
    assert FullBody(settings_of(tmp_path, SECRET=f"new.{KEY}"), "x").hash != first
    monkeypatch.setattr("mi_ldap.serving.icp_body.__version__", "next")
    assert FullBody(settings_of(tmp_path), "x").hash != first


REFUSALS: dict[str, tuple[dict[str, str], str]] = {
    "environment": ({"ENVIRONMENT": "production"}, "201: Environment not found: production"),
    "unknown key": ({"SECRET": f"unknown.{KEY}"}, "400: Unknown key id"),
    "wrong key": (
        {"SECRET": f"{KID}.{KEY[::-1]}"},
        "401: JWT validation failed: Signature verification failed",
    ),
    "audience": ({"JWT_AUDIENCE": "x"}, "401: JWT validation failed: Audience doesn't match"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_logged_once_with_the_text_of_icp(
    plane: ControlPlane, beating: MakeHeartbeats, name: str
) -> None:
    more, reason = REFUSALS[name]
    heartbeats = beating(plane.url, **more)
    assert logged(heartbeats, 3) == [("icp_refused", f"it answered {reason}")]
    assert plane.kinds == ["heartbeat"] * 3
    assert heartbeats.run_once() > 60 * 0.85


def test_a_key_of_another_environment_is_refused(
    plane: ControlPlane, beating: MakeHeartbeats
) -> None:
    plane.secrets[KID].bound = ("prod", "x", "y")
    reason = "it answered 409: The key is bound to another environment or type"
    assert logged(beating(plane.url), 2) == [("icp_refused", reason)]


def test_a_refusal_ends_when_its_cause_does(plane: ControlPlane, beating: MakeHeartbeats) -> None:
    secret = plane.secrets.pop(KID)
    heartbeats = beating(plane.url)
    assert [event for event, _ in logged(heartbeats, 2)] == ["icp_refused"]
    plane.secrets[KID] = secret
    assert [event for event, _ in logged(heartbeats, 2)] == ["icp_registered"]
    assert heartbeats.run_once() <= 10
    # Revoked while it runs, and created again: the full heartbeat notes the key.
    del plane.secrets[KID]
    assert [event for event, _ in logged(heartbeats, 2)] == ["icp_refused"]
    plane.secrets[KID] = OrgSecret(KEY)
    assert [event for event, _ in logged(heartbeats)] == ["icp_registered"]
    assert plane.kinds[-3:] == ["deltaHeartbeat", "heartbeat", "heartbeat"]


ANSWERS: list[tuple[int, bytes, str, str]] = [
    (500, b'{"message":"no space"}', "icp_unreachable", "it answered 500: no space"),
    (500, b'{"error":true}', "icp_unreachable", "it answered 500"),
    (502, b"<html>", "icp_unreachable", "it answered 502, without a usable body"),
    (503, b"", "icp_unreachable", "it answered 503, without a usable body"),
    (200, b"", "icp_unreachable", "it answered 200, without a usable body"),
    (200, b"[]", "icp_unreachable", "it answered 200, without a usable body"),
    (201, b"<html>", "icp_unreachable", "it answered 201, without a usable body"),
    (201, b"[" * 50_000, "icp_unreachable", "it answered 201, without a usable body"),
    (201, b"9" * 5_000, "icp_unreachable", "it answered 201, without a usable body"),
    (201, b'{"acknowledged":true,"x":"' + b"x" * 300_000, "icp_unreachable", "it answered 201"),
    (302, b"", "icp_refused", "it answered 302"),
    (404, b"<html>", "icp_refused", "it answered 404"),
    (201, b"{}", "icp_refused", "it answered 201"),
    (201, b'{"acknowledged":"true"}', "icp_refused", "it answered 201"),
    (201, b'{"acknowledged":false,"errors":[5]}', "icp_refused", "it answered 201"),
    (409, b'{"message":{"a":1}}', "icp_refused", "it answered 409"),
    (400, b'{"message":"a\\u001b[31m\\nb\\u202e"}', "icp_refused", "it answered 400: a [31m b "),
]


@pytest.mark.parametrize(("status", "said", "event", "reason"), ANSWERS)
def test_every_other_answer_is_no_registration(
    plane: ControlPlane,
    beating: MakeHeartbeats,
    status: int,
    said: bytes,
    event: str,
    reason: str,
) -> None:
    plane.forced = (status, said)
    ((found, text),) = logged(beating(plane.url), 2)
    assert (found, text.startswith(reason)) == (event, True)
    assert plane.kinds == ["heartbeat"] * 2  # no redirect was followed


def test_a_long_text_of_icp_is_cut(plane: ControlPlane, beating: MakeHeartbeats) -> None:
    plane.forced = (400, json.dumps({"message": "x" * 5000}).encode())
    ((_, reason),) = logged(beating(plane.url))
    assert reason == f"it answered 400: {'x' * 300}"


@pytest.mark.parametrize("status", [201, 401, 500])
def test_a_token_that_icp_repeats_is_not_logged(
    plane: ControlPlane, beating: MakeHeartbeats, status: int
) -> None:
    sent = token()
    said = f"no {sent}, Bearer {sent[:30]}, end"
    plane.forced = (status, json.dumps({"acknowledged": False, "errors": [said]}).encode())
    ((_, reason),) = logged(beating(plane.url))
    assert reason == f"it answered {status}: no …, Bearer …, end"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_is_an_answer(plane: ControlPlane, beating: MakeHeartbeats, status: int) -> None:
    plane.forced = (status, b'{"acknowledged":true,"commands":[{"commandId":"x"}]}')
    heartbeats = beating(plane.url)
    assert logged(heartbeats, 2) == [("icp_registered", f"it answered {status}")]
    plane.forced = (status, b'{"acknowledged":false,"fullHeartbeatRequired":true}')
    assert [event for event, _ in logged(heartbeats)] == ["icp_refused"]
    assert plane.kinds == ["heartbeat", "deltaHeartbeat", "deltaHeartbeat", "heartbeat"]


def test_while_icp_is_down_it_is_asked_less_and_less(beating: MakeHeartbeats) -> None:
    heartbeats = beating(f"https://localhost:{free_port()}")
    with capture_logs() as lines:
        pauses = [heartbeats.run_once() for _ in range(6)]
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("icp_unreachable", "Connection refused")
    ]
    assert pauses[0] < pauses[1] < pauses[2] <= LONGEST_PAUSE_S
    assert 0.9 * LONGEST_PAUSE_S <= pauses[-1] <= LONGEST_PAUSE_S


def test_a_failure_for_another_reason_is_logged_too(
    certificates: Certificates, beating: MakeHeartbeats
) -> None:
    with listening(ControlPlane(), certificates) as plane:
        heartbeats = beating(plane.url)
        plane.forced = (503, b"")
        found = logged(heartbeats, 2)
        plane.forced = (500, b'{"message":"no space"}')
        found += logged(heartbeats, 2)
    found += logged(heartbeats, 2)
    assert found == [
        ("icp_unreachable", "it answered 503, without a usable body"),
        ("icp_unreachable", "it answered 500: no space"),
        ("icp_unreachable", "Connection refused"),
    ]


def test_a_slow_icp_is_not_waited_for(plane: ControlPlane, beating: MakeHeartbeats) -> None:
    plane.delay_s = 2
    heartbeats = beating(plane.url, HEARTBEAT_INTERVAL="1")
    assert logged(heartbeats) == [("icp_unreachable", "no answer in time")]


def test_a_certificate_is_verified_unless_told_not_to(
    certificates: Certificates, api_for: Callable[..., Api]
) -> None:
    # The certificate is for localhost and 127.0.0.1.
    for host in ("localhost", "127.0.0.2"):
        with listening(ControlPlane(), certificates, host) as plane:
            ca_file = "" if host == "localhost" else str(certificates.ca_file)
            ((event, reason),) = logged(heartbeats_of(api_for(plane.url, CA_FILE=ca_file)))
            assert event == "icp_unreachable"
            assert reason.startswith("its certificate is not valid")
            assert plane.heartbeats == []
            lenient = heartbeats_of(api_for(plane.url, CA_FILE="", SSL_VERIFY="false"))
            assert logged(lenient) == [("icp_registered", "it answered 201")]


def test_an_authority_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"icp_config\.ca_file"):
        tls_context(settings_of(tmp_path, CA_FILE=str(tmp_path / "ca.pem")))


def test_nothing_is_sent_until_the_account_is_an_admin(
    plane: ControlPlane, api_for: Callable[..., Api], memory: Any
) -> None:
    api = api_for(plane.url, ACCOUNT="icp")
    heartbeats = heartbeats_of(api)
    waiting = [("icp_waiting", "the user in icp_config.account is not an admin yet")]
    assert logged(heartbeats, 2) == waiting
    assert api.services.bootstrap.is_open()
    admin = api.logged_in("admin")
    admin.add_user("icp")
    assert logged(heartbeats, 2) == []
    memory.is_down = True
    assert logged(heartbeats, 2) == []
    memory.is_down = False
    assert plane.heartbeats == []
    memory.account("icp").enabled = False
    admin.give("icp", "admin")
    assert logged(heartbeats, 2) == []
    assert plane.heartbeats == []
    memory.account("icp").enabled = True
    assert logged(heartbeats, 2) == [("icp_registered", "it answered 201")]


@pytest.mark.parametrize(
    ("given", "processes"),
    [({}, 0), (DASHBOARD, 1), (ICP, 1), ({**ICP, **DASHBOARD}, 2)],
)
def test_both_generations_have_a_process_of_their_own(
    tmp_path: Path, given: dict[str, str], processes: int
) -> None:
    environ = {f"MI_LDAP_{key}": value for key, value in given.items()}
    settings = load_settings({**environ, "MI_LDAP_STATE_DIR": str(tmp_path)})
    assert len([*heartbeats(settings, lambda: pytest.fail("nothing is started"))]) == processes


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"SERVER__HOST": "127.0.0.1"}, ("127.0.0.1", 9164)),
        ({"SERVER__HOST": "0.0.0.0", "SERVER__PORT": "9165"}, (socket.getfqdn(), 9165)),
        ({"SERVER__HOST": "::1"}, ("[::1]", 9164)),
        ({"ICP_CONFIG__MANAGEMENT_URL": "https://Users.example.org/"}, ("users.example.org", 443)),
        ({"ICP_CONFIG__MANAGEMENT_URL": "https://[2001:db8::7]:9164"}, ("[2001:db8::7]", 9164)),
    ],
)
def test_where_icp_reaches_the_service(
    tmp_path: Path, given: dict[str, str], address: tuple[str, int]
) -> None:
    environ = {f"MI_LDAP_{key}": value for key, value in {**ICP, **given}.items()}
    settings = load_settings({**environ, "MI_LDAP_STATE_DIR": str(tmp_path)})
    assert management_address(settings) == address


def settings_of(folder: Path, **icp: str) -> Settings:
    given = {**ICP, **{f"ICP_CONFIG__{key}": value for key, value in icp.items()}}
    environ = {f"MI_LDAP_{key}": value for key, value in given.items()}
    return load_settings({"MI_LDAP_STATE_DIR": str(folder), **environ})
