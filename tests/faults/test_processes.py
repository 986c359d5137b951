"""What becomes of the processes of a service, when they are told to end and when they are killed.

The service is `python app.py` with its embedded directory, as a user starts it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import time_machine

from mi_ldap.serving.certificate import LIFE, RENEWAL, _make_pair
from tests.app_command import ROOT, run_app
from tests.process_coverage import coverage_variables


@dataclass
class Service:
    """A service under test."""

    process: subprocess.Popen[str]
    port: int
    folder: Path
    banner: list[str]

    @property
    def slapd(self) -> int:
        return next(pid for pid in children(self.process.pid) if is_slapd(pid))

    @property
    def arbiter(self) -> int:
        return next(pid for pid in children(self.process.pid) if not is_slapd(pid))

    @property
    def workers(self) -> list[int]:
        return children(self.arbiter)

    @property
    def family(self) -> list[int]:
        return [self.process.pid, self.slapd, self.arbiter, *self.workers]

    def get(self, path: str) -> int:
        """The status of a GET, as admin."""
        with self.ask(path) as connection:
            return read_status(connection)

    def ask(self, path: str) -> ssl.SSLSocket:
        """Send a GET, as admin, and leave the answer for later."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        connection = context.wrap_socket(plain)
        basic = base64.b64encode(b"admin:admin").decode()
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {basic}\r\n"
        head += "Connection: close\r\n\r\n"
        connection.sendall(head.encode())
        return connection

    def certificate(self) -> str:
        """What a new connection is shown, in PEM."""
        return ssl.get_server_certificate(("127.0.0.1", self.port), timeout=10)

    def said(self) -> str:
        return (self.folder / "log").read_text()


def read_status(connection: ssl.SSLSocket) -> int:
    return int(connection.recv(12)[9:12] or b"0")


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def is_slapd(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"slapd")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def eventually(is_so: Callable[[], bool], within_s: float = 5.0) -> bool:
    give_up_at = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.01)
    return True


def all_gone(pids: list[int]) -> Callable[[], bool]:
    return lambda: not any(is_alive(pid) for pid in pids)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    own = {
        "MI_LDAP_STATE_DIR": str(folder / "state"),
        "MI_LDAP_SERVER__PORT": str(port),
        "MI_LDAP_SERVER__WORKERS": "2",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MI_LDAP_")}
    return kept | own | more | coverage_variables()


@contextmanager
def running(folder: Path) -> Iterator[Service]:
    port = free_port()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=environment(folder, port),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    service = Service(process, port, folder, [])
    try:
        assert process.stdout
        for line in process.stdout:
            service.banner.append(line)
            if "Ctrl-C" in line:
                break
        assert service.banner, service.said()
        yield service
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path) as service:
        yield service


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that no test harms."""
    with running(tmp_path_factory.mktemp("shared")) as service:
        yield service


# Starting


def test_when_it_says_so_it_answers(shared: Service) -> None:
    assert shared.get("/ready") == 200
    assert eventually(lambda: len(shared.workers) == 2)


def test_what_it_keeps_is_for_its_owner_alone(shared: Service) -> None:
    for path in (shared.folder / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_directory_can_be_searched_as_the_banner_says(shared: Service) -> None:
    assert shared.get("/management/login") == 200
    (line,) = [line for line in shared.banner if "ldapsearch" in line]
    pasted = line.strip().removeprefix("search").strip()
    found = subprocess.run(
        ["sh", "-c", pasted], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "dn: uid=admin,ou=people,dc=mi" in found.stdout


def test_doctor_and_recovery_use_the_running_directory(shared: Service) -> None:
    assert shared.get("/management/login") == 200
    env = environment(shared.folder, shared.port)
    examined = run_app("doctor", env=env)
    assert (examined.returncode, "fail" in examined.stdout) == (0, False), examined.stdout
    recovered = run_app("recover-admin", "admin", "--yes", env=env)
    assert (recovered.returncode, "already an admin" in recovered.stdout) == (0, True), recovered


def test_a_second_service_on_the_same_state_folder_is_refused(shared: Service) -> None:
    second = run_app(env=environment(shared.folder, free_port()))
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith(f"Another service (process {shared.process.pid}) uses")
    assert second.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_refused(shared: Service, tmp_path: Path) -> None:
    second = run_app(env=environment(tmp_path, shared.port))
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr.startswith(f"The service cannot listen on port {shared.port}")
    assert second.stderr.count("\n") == 1


def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    env = environment(tmp_path, 1, MI_LDAP_SERVER__THREADS="s3cret")
    for command in ("serve", "check-config"):
        refused = run_app(command, env=env)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "THREADS" in refused.stderr
        assert "s3cret" not in refused.stderr
        assert "Traceback" not in refused.stderr


def test_a_state_folder_whose_path_is_too_long_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    for command in ("check-config", "serve", "doctor", "recover-admin"):
        name = ["admin"] if command == "recover-admin" else []
        ran = run_app(command, *name, env=environment(folder, free_port()))
        said = ran.stdout + ran.stderr
        assert ran.returncode != 0
        assert "choose a state folder with a shorter path" in " ".join(said.split())
        assert "Traceback" not in said


def test_check_config_starts_and_makes_nothing(tmp_path: Path) -> None:
    checked = run_app("check-config", env=environment(tmp_path, free_port()))
    assert checked.returncode == 0
    assert "is valid" in checked.stdout
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("section", ["USER_STORE", "DASHBOARD_CONFIG"])
def test_check_config_reads_the_authorities(tmp_path: Path, section: str) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    named = {f"MI_LDAP_{section}__CA_FILE": str(tmp_path / "no.pem")}
    dashboard = {"MI_LDAP_DASHBOARD_CONFIG__DASHBOARD_URL": "https://dashboard.example/api"}
    checked = run_app("check-config", env=environment(tmp_path, 1, **named, **dashboard))
    assert (checked.returncode, checked.stdout) == (1, "")
    assert f"{section.lower()}.ca_file" in checked.stderr


def test_a_bare_gunicorn_has_no_embedded_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "app:create_app()"]
    env = environment(tmp_path, 1)
    refused = subprocess.run(
        [*command, "--no-control-socket"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "set user_store.connection_url" in refused.stderr


# Ending


def test_a_hangup_stops_nothing(service: Service) -> None:
    """Not the supervisor, not gunicorn's arbiter, no worker, whoever is sent it and how often."""
    assert eventually(lambda: len(service.workers) == 2)
    family = [service.process.pid, service.arbiter, *service.workers]
    for _ in range(3):
        for pid in family:
            os.kill(pid, signal.SIGHUP)
            assert service.get("/health") == 200
    os.killpg(service.process.pid, signal.SIGHUP)
    time.sleep(0.5)
    assert service.get("/ready") == 200
    assert [service.process.pid, service.arbiter, *service.workers] == family
    assert "reload_requested" in service.said()


def test_a_hangup_while_it_starts_stops_nothing(tmp_path: Path) -> None:
    env = environment(tmp_path, free_port())
    with (tmp_path / "log").open("w") as log:
        starting = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    lock = tmp_path / "state" / "lock"
    while not lock.exists():
        time.sleep(0.005)
    for _ in range(100):
        starting.send_signal(signal.SIGHUP)
        time.sleep(0.01)
    assert starting.stdout
    assert any("Ctrl-C" in line for line in starting.stdout)
    starting.terminate()
    assert starting.wait(10) == 0
    starting.stdout.close()


def test_new_connections_get_a_certificate_that_was_renewed(service: Service) -> None:
    """One that nears its end is renewed by the service itself, one of others is taken up."""
    before = service.certificate()
    with service.ask("/health") as old_connection:
        folder = service.folder / "state"
        with time_machine.travel(datetime.now(UTC) - LIFE + RENEWAL / 2):
            _make_pair(folder, ["localhost"])
        ending = (folder / "certificate.pem").read_text()
        service.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: service.certificate() not in {before, ending}, within_s=20)
        assert read_status(old_connection) == 200
    assert "certificate_renewed" in service.said()
    assert "certificate_reloaded" in service.said()
    assert eventually(lambda: len({service.certificate() for _ in range(20)}) == 1)


def test_a_pair_that_does_not_match_is_not_taken(service: Service) -> None:
    before = service.certificate()
    (service.folder / "state" / "certificate.pem").write_text("no certificate")
    assert eventually(lambda: "certificate_not_reloaded" in service.said())
    assert service.certificate() == before
    assert service.said().count("certificate_not_reloaded") <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_of_it(service: Service, number: signal.Signals) -> None:
    family = service.family
    os.killpg(service.process.pid, number)
    assert service.process.wait(5) == 0
    assert all_gone(family)()


def test_what_is_in_flight_is_finished_first(service: Service) -> None:
    slapd, family = service.slapd, service.family
    os.kill(slapd, signal.SIGSTOP)
    with service.ask("/management/login") as connection:
        time.sleep(0.3)  # until a thread waits for slapd
        service.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(0.5)
        os.kill(slapd, signal.SIGCONT)
        assert read_status(connection) == 200
    assert service.process.wait(5) == 0
    assert all_gone(family)()


def test_a_second_signal_hurries(service: Service) -> None:
    slapd, family = service.slapd, service.family
    os.kill(slapd, signal.SIGSTOP)
    with service.ask("/management/login"):
        time.sleep(0.3)  # until a thread waits for slapd
        service.process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # two signals at once would be one
        service.process.send_signal(signal.SIGINT)
        assert eventually(all_gone(family[2:]), within_s=3)
        os.kill(slapd, signal.SIGCONT)
    assert service.process.wait(5) == 0
    assert all_gone(family)()


# Killed


def test_when_the_service_is_killed_nothing_stays_behind(service: Service) -> None:
    family = service.family
    service.process.kill()
    assert eventually(all_gone(family), within_s=2)


def test_when_the_arbiter_is_killed_the_service_ends_and_says_so(service: Service) -> None:
    family = service.family
    os.kill(service.arbiter, signal.SIGKILL)
    assert service.process.wait(5) != 0
    assert eventually(all_gone(family), within_s=2)
    assert "gunicorn_ended_unexpectedly" in service.said()


def test_a_killed_worker_is_replaced(service: Service) -> None:
    workers = service.workers
    os.kill(workers[0], signal.SIGKILL)
    assert service.get("/ready") == 200
    assert eventually(lambda: len(service.workers) == 2 and workers[0] not in service.workers)


def test_a_killed_directory_is_started_again_and_keeps_its_data(service: Service) -> None:
    assert service.get("/management/login") == 200
    slapd = service.slapd
    os.kill(slapd, signal.SIGKILL)
    assert eventually(lambda: not is_alive(slapd))
    assert service.get("/ready") in {200, 503}
    assert eventually(lambda: service.get("/management/login") == 200)
    assert service.slapd != slapd
    lines = [json.loads(line) for line in service.said().splitlines()]
    assert any(line["event"] == "embedded_directory_died" for line in lines)


def test_after_a_kill_it_starts_again_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert first.get("/management/login") == 200
        first.process.kill()
        with running(tmp_path) as second:
            assert second.get("/management/login") == 200
