"""Heartbeats, one at a time: when there are any, what they say, and what becomes of failures."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from mi_ldap.errors import ConfigurationError
from mi_ldap.serving.heartbeat import Heartbeats, management_url, tls_context
from mi_ldap.serving.heartbeat_process import LONGEST_PAUSE_S, HeartbeatLoop
from mi_ldap.settings import Settings, load_settings
from tests.api.client import Api
from tests.api.conftest import light_api_of, memory, opened
from tests.api.forwards import NODES
from tests.clients.dashboard_stand_in import Dashboard, listening
from tests.hosts.tls import Certificates
from tests.memory_store import MemoryStore
from tests.service import free_port
from tests.stopwatch import within

__all__ = ["light_api_of", "memory", "opened"]

BeatingApi = Callable[..., tuple[Api, Heartbeats]]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "tls", trustme.CA())


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    """Over plain http."""
    with listening(Dashboard()) as dashboard:
        yield dashboard


@pytest.fixture
def beating(light_api_of: Callable[..., Api]) -> BeatingApi:
    """An API that reports to a dashboard, and what sends its heartbeats."""

    def make(url: str, **more: str) -> tuple[Api, Heartbeats]:
        settings = {f"DASHBOARD_CONFIG__{key}": value for key, value in more.items()}
        api = light_api_of(DASHBOARD_CONFIG__DASHBOARD_URL=url, **settings)
        own = api.services.settings
        return api, Heartbeats(own, api.services, tls_context(own))

    return make


def events(heartbeats: Heartbeats, times: int = 1) -> list[str]:
    """What is logged."""
    with capture_logs() as lines:
        for _ in range(times):
            heartbeats.run_once()
    return [line["event"] for line in lines]


def test_without_an_admin_nothing_is_sent_and_nothing_changed(
    dashboard: Dashboard, beating: BeatingApi
) -> None:
    api, heartbeats = beating(dashboard.url)
    assert events(heartbeats, 3) == ["dashboard_waiting"]
    assert dashboard.heartbeats == []
    assert api.services.bootstrap.is_open()
    api.logged_in("admin")
    assert events(heartbeats, 3) == ["dashboard_registered"]
    assert len(dashboard.heartbeats) == 3


def test_while_the_directory_is_down_nobody_knows_of_an_admin(
    dashboard: Dashboard, beating: BeatingApi, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mi_ldap.errors import DirectoryUnavailable

    api, heartbeats = beating(dashboard.url)
    api.logged_in("admin")

    def fail() -> None:
        raise DirectoryUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(memory, "admin_role", fail)
        assert events(heartbeats) == ["dashboard_waiting"]
    assert dashboard.heartbeats == []
    assert events(heartbeats) == ["dashboard_registered"]


def test_the_nodes_name_is_kept_or_configured(dashboard: Dashboard, beating: BeatingApi) -> None:
    for more in ({}, {}, {"NODE_ID": "users-1"}):
        api, heartbeats = beating(dashboard.url, **more)
        api.logged_in("admin")
        heartbeats.run_once()
    first, second, third = (body["nodeId"] for body in dashboard.bodies)
    assert first == second
    assert third == "users-1"


def test_each_micro_integrator_is_a_node_of_its_own(
    dashboard: Dashboard, light_api_of: Callable[..., Api], tmp_path: Path
) -> None:
    config = tmp_path / "nodes.toml"
    config.write_text(NODES, encoding="utf-8")
    api = light_api_of(
        CONFIG=str(config),
        DASHBOARD_CONFIG__DASHBOARD_URL=dashboard.url,
        DASHBOARD_CONFIG__NODE_ID="users-1",
    )
    api.logged_in("admin")
    heartbeats = Heartbeats(api.services.settings, api.services, None)
    assert events(heartbeats, 2) == ["dashboard_registered"]
    own = "https://127.0.0.1:9164"
    assert [(body["nodeId"], body["mgtApiUrl"]) for body in dashboard.bodies[:3]] == [
        ("users-1", f"{own}/management/"),
        ("mi-1", f"{own}/nodes/mi-1/management/"),
        ("mi.2", f"{own}/nodes/mi.2/management/"),
    ]
    assert len(dashboard.bodies) == 6


def test_the_pause_is_an_interval_at_most(dashboard: Dashboard, beating: BeatingApi) -> None:
    api, heartbeats = beating(dashboard.url, HEARTBEAT_INTERVAL="20")
    api.logged_in("admin")
    pauses = [heartbeats.run_once() for _ in range(20)]
    assert 18 <= min(pauses) < max(pauses) <= 20


class Ended(BaseException):  # no Exception, which the loop logs
    """The test has seen enough heartbeats."""


class SlowHeartbeats(HeartbeatLoop):
    """Heartbeats whose answers take a time, on a clock of the test."""

    def __init__(self, answer_s: float, *, is_accepted: bool = True) -> None:
        super().__init__("test", "https://x", 10)
        self._answer_s = answer_s
        self._is_accepted = is_accepted
        self._now = 0.0
        self.starts: list[float] = []

    def send(self) -> bool:
        if len(self.starts) == 5:
            raise Ended
        self.starts.append(self._now)
        self._now += self._answer_s
        return self._is_accepted

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self._now += seconds

    @property
    def intervals(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.starts)]


@pytest.mark.parametrize(
    ("answer_s", "is_accepted", "longest_s"),
    [
        (0, True, [10] * 4),
        (8, True, [10] * 4),
        (16, True, [16] * 4),  # a short heartbeat, and then a full one
        (8, False, [20, 40, 60, 60]),
    ],
)
def test_the_time_of_an_answer_is_a_part_of_the_interval(
    monkeypatch: pytest.MonkeyPatch, answer_s: float, is_accepted: bool, longest_s: list[float]
) -> None:
    heartbeats = SlowHeartbeats(answer_s, is_accepted=is_accepted)
    monkeypatch.setattr("mi_ldap.serving.heartbeat_process.time", heartbeats)
    with pytest.raises(Ended):
        heartbeats.run()
    for interval_s, longest in zip(heartbeats.intervals, longest_s, strict=True):
        assert 0.9 * longest <= interval_s <= longest + 1e-9


def test_a_dashboard_that_is_down_is_asked_less_and_less_and_found_again(
    beating: BeatingApi,
) -> None:
    api, heartbeats = beating(f"http://localhost:{free_port()}/dashboard/api")
    api.logged_in("admin")
    with capture_logs() as lines:
        pauses = [heartbeats.run_once() for _ in range(8)]
    assert [line["event"] for line in lines] == ["dashboard_unreachable"]
    assert lines[0]["reason"] == "Connection refused"
    assert pauses[0] < pauses[1] < pauses[2] <= LONGEST_PAUSE_S
    assert 0.9 * LONGEST_PAUSE_S <= pauses[-1] <= LONGEST_PAUSE_S
    with listening(Dashboard()) as dashboard:
        api, other = beating(dashboard.url)
        assert events(other) == ["dashboard_registered"]
        assert other.run_once() <= 5


def test_a_dashboard_that_says_no_is_asked_again(dashboard: Dashboard, beating: BeatingApi) -> None:
    api, heartbeats = beating(dashboard.url)
    api.logged_in("admin")
    for status, said in ((200, {"status": "fail"}), (200, ["?"]), (302, {"status": "success"})):
        dashboard.status, dashboard.said = status, said
        assert events(heartbeats, 2) == ["dashboard_refused"]
        dashboard.status, dashboard.said = 200, {"status": "success"}
        assert events(heartbeats, 2) == ["dashboard_registered"]


def test_a_slow_dashboard_is_not_waited_for(dashboard: Dashboard, beating: BeatingApi) -> None:
    api, heartbeats = beating(dashboard.url, HEARTBEAT_INTERVAL="1")
    api.logged_in("admin")
    dashboard.delay_s = 2
    assert events(heartbeats) == ["dashboard_unreachable"]


def test_a_dashboard_that_drips_is_not_waited_for(beating: BeatingApi) -> None:
    with dripping() as port:
        api, heartbeats = beating(f"http://127.0.0.1:{port}", HEARTBEAT_INTERVAL="1")
        api.logged_in("admin")
        with within(1):
            assert events(heartbeats) == ["dashboard_unreachable"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 abc\r\n\r\n", "its answer is not HTTP"),
        (b"\x1b[31mred\r\n\r\n", "its answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X" * 70_000, "its answer is not HTTP"),
        (b"", "it closed the connection"),
    ],
    ids=["status", "no-http", "long-line", "nothing"],
)
def test_what_a_dashboard_says_badly_is_said_in_words_of_ours(
    beating: BeatingApi, answer: bytes, reason: str
) -> None:
    def speak() -> None:
        peer, _ = server.accept()
        with peer, suppress(OSError):
            peer.sendall(answer)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):  # closing with unread input would reset the connection
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=speak)
        thread.start()
        api, heartbeats = beating(f"http://127.0.0.1:{server.getsockname()[1]}")
        api.logged_in("admin")
        with capture_logs() as lines:
            heartbeats.run_once()
        thread.join()
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("dashboard_unreachable", reason)
    ]


@contextmanager
def dripping() -> Iterator[int]:
    """The port of somebody who answers a byte at a time."""
    stop = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            peer, _ = server.accept()
            with peer:
                while not stop.wait(0.2):
                    peer.sendall(b"H")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def test_a_certificate_is_verified_unless_told_not_to(
    certificates: Certificates, beating: BeatingApi
) -> None:
    with listening(Dashboard(), certificates) as dashboard:
        api, strict = beating(dashboard.url)
        api.logged_in("admin")
        with capture_logs() as lines:
            strict.run_once()
        assert lines[0]["reason"].startswith("its certificate is not valid")
        assert dashboard.heartbeats == []
        _, knowing = beating(dashboard.url, CA_FILE=str(certificates.ca_file))
        assert events(knowing) == ["dashboard_registered"]
        _, lenient = beating(dashboard.url, VERIFY="false")
        assert events(lenient) == ["dashboard_registered"]
        elsewhere = dashboard.url.replace("localhost", "127.0.0.2")
        _, knowing = beating(elsewhere, CA_FILE=str(certificates.ca_file))
        assert events(knowing) == ["dashboard_unreachable"]


def test_an_authority_that_is_none_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    made = settings_of(tmp_path, DASHBOARD_URL="https://x", CA_FILE=str(tmp_path / "ca.pem"))
    with pytest.raises(ConfigurationError, match=r"dashboard_config\.ca_file"):
        tls_context(made)


def test_plain_http_has_no_tls(tmp_path: Path) -> None:
    assert tls_context(settings_of(tmp_path, DASHBOARD_URL="http://x")) is None
    assert isinstance(tls_context(settings_of(tmp_path, DASHBOARD_URL="https://x")), ssl.SSLContext)


@pytest.mark.parametrize(
    ("server", "dashboard", "url"),
    [
        ({"HOST": "127.0.0.1"}, {}, "https://127.0.0.1:9164/management/"),
        ({"HOST": "0.0.0.0"}, {}, f"https://{socket.getfqdn()}:9164/management/"),
        ({"PORT": "9165"}, {"MANAGEMENT_HOSTNAME": "u.test"}, "https://u.test:9165/management/"),
        ({}, {"MANAGEMENT_HOSTNAME": "::1"}, "https://[::1]:9164/management/"),
        ({"TLS": "false"}, {}, "http://127.0.0.1:9164/management/"),
        ({"TLS": "false"}, {"MANAGEMENT_PORT": "443"}, "https://127.0.0.1:443/management/"),
    ],
)
def test_where_the_dashboard_is_told_to_come(
    tmp_path: Path, server: dict[str, str], dashboard: dict[str, str], url: str
) -> None:
    given = {f"MI_LDAP_SERVER__{key}": value for key, value in server.items()}
    assert management_url(settings_of(tmp_path, given, **dashboard)) == url


@pytest.mark.parametrize(
    "url",
    [
        "dashboard:9743",
        "ftp://x",
        "https://",
        "https://u:p@x/",
        "https://x/?a",
        "https://x:y",
        "/",
        "https://a..b/",
        f"https://{'a' * 64}/",
        f"https://{'a.' * 127}a/",
        "https://x/ä",
        "https://ä/",
        "https://x\\y/",
        "https://x/\\y",
        "https://x/a b",
    ],
)
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dashboard_config\.dashboard_url.* must be"):
        settings_of(tmp_path, DASHBOARD_URL=url)


def test_an_address_in_capitals_has_tls_all_the_same(tmp_path: Path) -> None:
    made = settings_of(tmp_path, DASHBOARD_URL="HTTPS://Dash.Example.org:9743/Dashboard/api/")
    url = made.dashboard_config.dashboard_url
    assert url == "https://dash.example.org:9743/Dashboard/api"
    assert isinstance(tls_context(made), ssl.SSLContext)


@pytest.mark.parametrize(
    "host", ["host:9164", "two words", 'a"b', "a'b", "a..b", "a" * 64, "ä.test", "-x", "a\\b"]
)
def test_a_host_name_that_is_none_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dashboard_config\.management_hostname must be"):
        settings_of(tmp_path, MANAGEMENT_HOSTNAME=host)


@pytest.mark.parametrize("host", ["users.example.org", "mi_ldap", "192.0.2.7", "2001:db8::7", "x."])
def test_a_host_name_is_taken(tmp_path: Path, host: str) -> None:
    made = settings_of(tmp_path, MANAGEMENT_HOSTNAME=host)
    assert made.dashboard_config.management_hostname == host


def settings_of(folder: Path, more: dict[str, str] | None = None, **dashboard: str) -> Settings:
    given = {f"MI_LDAP_DASHBOARD_CONFIG__{key}": value for key, value in dashboard.items()}
    return load_settings({"MI_LDAP_STATE_DIR": str(folder), **(more or {}), **given})
