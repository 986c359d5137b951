"""docker-compose.yml and the Dockerfile name only what there is, and agree with each other."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from mi_ldap import __version__, embedded
from mi_ldap.embedded.__main__ import parse_arguments
from mi_ldap.settings import load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
INSTRUCTIONS = [line.split(maxsplit=1) for line in re.findall(r"(?m)^[A-Z]+ .*$", DOCKERFILE)]
API, DIRECTORY = SERVICES["mi-ldap"], SERVICES["openldap"]


def arguments_of(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def image_environment() -> dict[str, str]:
    words = " ".join(arguments_of("ENV")).split()
    return dict(word.split("=", 1) for word in words)


def mounts_of(service: dict[str, Any]) -> dict[str, str]:
    """Each volume's place, and its name."""
    return {place: name for name, place in (mount.split(":")[:2] for mount in service["volumes"])}


def directory_options() -> argparse.Namespace:
    return parse_arguments(DIRECTORY["command"][3:])


def test_what_the_image_copies_is_there_and_is_sent_to_the_engine() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for copied in arguments_of("COPY"):
        source = copied.split()[0]
        assert (ROOT / source).exists()
        assert f"!{source}" in {line.rstrip("/") for line in sent}


def test_the_image_has_every_program_that_is_run() -> None:
    packages = {"slapd", "ldap-utils", "curl"}
    assert packages <= set(re.split(r"\s+", arguments_of("RUN")[0]))
    commands = [service["command"] for service in SERVICES.values()]
    checks = [service["healthcheck"]["test"][1:] for service in SERVICES.values()]
    assert {command[0] for command in commands + checks} == {
        "python",
        "mi-ldap",
        "ldapwhoami",
        "curl",
    }


def test_the_api_is_started_by_the_command_of_an_installation(tmp_path: Path) -> None:
    assert API["command"] == ["mi-ldap", "serve"]
    assert arguments_of("CMD") == ['["mi-ldap", "serve"]']
    written = re.search(r"printf '(.*?)' > /usr/local/bin/mi-ldap", DOCKERFILE)
    assert written
    script = tmp_path / "mi-ldap"
    workdir = arguments_of("WORKDIR")[0]
    text = written[1].replace("\\n", "\n").replace(f"{workdir}/app.py", str(ROOT / "app.py"))
    script.write_text(text.replace("exec python", f"exec {sys.executable}"))
    said = subprocess.check_output(["sh", script, "--version"], text=True)
    assert said == f"mi-ldap {__version__}\n"


def test_the_directory_is_started_by_its_module() -> None:
    assert DIRECTORY["command"][:3] == ["python", "-m", embedded.__name__]
    assert directory_options().url.hostname == "0.0.0.0"


def test_the_variables_are_settings_that_reach_the_directory(tmp_path: Path) -> None:
    options = directory_options()
    environment = {**image_environment(), **API["environment"]}
    password_file = "MI_LDAP_USER_STORE__CONNECTION_PASSWORD_FILE"
    assert environment[password_file] == str(options.service_password_file)
    (tmp_path / "password").write_text("a secret")
    environment |= {password_file: str(tmp_path / "password"), "MI_LDAP_STATE_DIR": str(tmp_path)}
    settings = load_settings(environment)
    store = settings.user_store
    assert settings.notes == ()
    assert not settings.is_embedded
    assert settings.server.host == "0.0.0.0"
    assert store.connection_url == f"ldap://openldap:{options.url.port}"
    made = embedded.EmbeddedDirectory(tmp_path / "directory", suffix=options.suffix)
    assert (store.connection_name, store.user_search_base, store.group_search_base) == (
        made.service_dn,
        (made.user_base,),
        (made.group_base,),
    )


def test_what_is_kept_lies_in_volumes_that_their_user_owns() -> None:
    made = re.search(r"install -d -o (\S+) -g \1 -m 0700 (.*)", DOCKERFILE)
    assert made
    owned = set(made[2].split())
    assert arguments_of("USER") == ["mi-ldap"]
    for service in SERVICES.values():
        assert set(mounts_of(service)) <= owned
        assert set(mounts_of(service).values()) <= set(COMPOSE["volumes"])
    options = directory_options()
    for path in (options.folder, options.service_password_file):
        assert any(PurePosixPath(path).is_relative_to(place) for place in mounts_of(DIRECTORY))
    assert image_environment()["MI_LDAP_STATE_DIR"] in mounts_of(API)


def test_the_password_is_handed_over_and_the_data_are_not() -> None:
    directory, api = mounts_of(DIRECTORY), mounts_of(API)
    assert {place for place in directory if directory[place] in api.values()} == {"/run/mi-ldap"}
    assert "handover:/run/mi-ldap:ro" in API["volumes"]


def test_the_health_checks_ask_at_the_right_ports() -> None:
    options = directory_options()
    directory_check, api_check = (SERVICES[name]["healthcheck"]["test"] for name in SERVICES)
    assert f"ldap://127.0.0.1:{options.url.port}" in directory_check
    assert str(options.service_password_file) in directory_check
    assert API["environment"]["MI_LDAP_USER_STORE__CONNECTION_NAME"] in directory_check
    port = load_settings({}).server.port
    assert f"https://127.0.0.1:{port}/ready" in api_check
    assert API["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert arguments_of("EXPOSE") == [str(port)]


def test_the_directory_is_reached_by_the_api_alone_and_first() -> None:
    assert API["depends_on"] == {"openldap": {"condition": "service_healthy"}}
    assert DIRECTORY["networks"] == ["directory"]
    assert "directory" in API["networks"]
    assert COMPOSE["networks"]["directory"]["internal"] is True
    assert "ports" not in DIRECTORY


def test_the_containers_are_hardened() -> None:
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["cap_drop"] == ["ALL"]
        assert not service.keys() & {"cap_add", "privileged", "pid", "ipc", "network_mode"}
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
        assert service["pids_limit"] >= 64
        assert service["user"] == arguments_of("USER")[0]
        (tmpfs,) = service["tmpfs"]
        assert re.fullmatch(r"/tmp:mode=1777,size=\d+m", tmpfs)


def test_the_limits_leave_room_for_every_worker() -> None:
    settings = load_settings({key: API["environment"][key] for key in ("MI_LDAP_SERVER__WORKERS",)})
    of_a_worker = settings.server.threads + 8  # and the threads that look after the directory
    assert settings.server.workers * of_a_worker + 16 < API["pids_limit"]


def test_nobody_in_the_image_is_root_or_writes_to_its_code() -> None:
    names = [name for name, _ in INSTRUCTIONS]
    assert names.index("USER") > max(at for at, name in enumerate(names) if name == "RUN")
    assert not any("--chown" in copied for copied in arguments_of("COPY"))
    assert image_environment()["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_stop_leaves_time_for_requests_in_flight() -> None:
    seconds = int(API["stop_grace_period"].removesuffix("s"))
    assert seconds > load_settings({}).server.graceful_timeout_s
