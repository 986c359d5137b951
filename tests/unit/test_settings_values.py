"""What the other sections take and refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mi_ldap.settings import load_settings
from mi_ldap.settings.expressions import translate_java_regex
from tests.toml_files import complaint_of, load


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("server = 5", "server must be a section with keys of its own; "),
        ("[[server]]", "server must be a section with keys of its own; "),
        ("[server]\nport = 65536", "server.port must be a whole number from 1 to 65535; "),
        ("[server]\nport = 1e3", "server.port must be a whole number from 1 to 65535; "),
        ("[server]\nrequest_deadline_s = 0", "server.request_deadline_s must be a number of sec"),
        ("[server]\nrequest_deadline_s = nan", "server.request_deadline_s must be a number of s"),
        ("[server]\nrequest_deadline_s = 31", "server.request_deadline_s must be a number of se"),
        ("[server]\nrequest_deadline_s = inf", "server.request_deadline_s must be a number of s"),
        ("[server]\ngraceful_timeout_s = 0", "server.graceful_timeout_s must be a whole number"),
        (
            '[server]\nhost = "https://x"',
            "server.host must be an address or a host name without a port",
        ),
        ('[server]\nlog_level = "trace"', "server.log_level must be 'debug', 'info', 'warning' or"),
        ('[server]\ntrusted_proxies = ["x"]', "server.trusted_proxies must be a list of addresses"),
        ("[server]\ntrusted_proxies = [1]", "server.trusted_proxies must be a list of strings"),
        ("[bootstrap]\nusers = 1", "bootstrap.users must be a list of strings"),
        ('[bootstrap]\nmode = "on"', "bootstrap.mode must be 'first_login', 'configured' or 'off'"),
        ('[super_admin]\nadmin_role = "a/b"', "super_admin.admin_role must be the name of"),
        ('[super_admin]\nadmin_role = "Internal/"', "super_admin.admin_role must be the name of"),
        ('[super_admin]\nadmin_role = "Internal/Everyone"', "super_admin.admin_role must be the"),
        ('[embedded_directory]\nslapd = "none"', "embedded_directory.slapd must name a file that"),
        ("[embedded_directory]\nport = 0", "embedded_directory.port must be a whole number from"),
        (
            '[embedded_directory]\nhost = "0.0.0.0"',
            "embedded_directory.host has no effect without embedded_directory.port",
        ),
        (
            "[management_api.jwt_token_security_handler.token_config]\nexpiry = 0",
            "management_api.jwt_token_security_handler.token_config.expiry must be a whole number",
        ),
        (
            '[management_api.jwt_token_security_handler.token_config]\nkey = "short"',
            "management_api.jwt_token_security_handler.token_config.key must be a key of 32 bytes",
        ),
        (
            "[[management_api.authorization_handler.resources]]\nname = 'x'",
            "management_api.authorization_handler.resources[0].path is missing; correct it in",
        ),
        (
            "[management_api.throttle]\nfailures_per_name = 0",
            "management_api.throttle.failures_per_name must be a whole number from 1 to 1000000",
        ),
        (
            '[server]\ncertificate_file = "config.toml"',
            "server.certificate_file and server.key_file belong together",
        ),
        (
            '[bootstrap]\nmode = "configured"\n[super_admin]\nusername = "x"',
            'bootstrap.mode = "configured" needs super_admin.username and super_admin.password',
        ),
    ],
)
def test_a_wrong_value_elsewhere_is_named(tmp_path: Path, toml: str, said: str) -> None:
    assert complaint_of(tmp_path, toml).startswith(said)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[server]\nprot = 1", "server.prot is not a setting: remove it, or write server.port if"),
        ("[sever]\nport = 1", "sever is not a setting: remove it, or write server if"),
        (
            '[user_store]\nconection_url = "x"',
            "user_store.conection_url is not a setting: "
            "remove it, or write user_store.connection_url if you meant that.",
        ),
        (
            '[server]\nconnection_url = "x"',
            "server.connection_url is not a setting: "
            "remove it, or write user_store.connection_url if you meant that.",
        ),
        (
            "[user_store]\ntransactions = true",
            "user_store.transactions is no longer a setting (every change is made step by step, "
            "see docs/custody.md): remove it.",
        ),
        ("[zzz]\nx = 1", "zzz is not a setting: remove it, or see docs/configuration.md."),
        ('["a\\nb"]\nx = 1', "'a\\nb' is not a setting: remove it"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_one(tmp_path: Path, toml: str, said: str) -> None:
    assert complaint_of(tmp_path, toml).startswith(said)


def test_every_mistake_is_named_in_a_line_of_its_own(tmp_path: Path) -> None:
    said = complaint_of(
        tmp_path, '[server]\nport = 0\ntls = 3\n[x]\n[user_store]\nuser_name_attribute = "a b"'
    )
    assert [line.split()[0] for line in said.splitlines()] == [
        "x",
        "server.port",
        "server.tls",
        "user_store.user_name_attribute",
    ]


def test_settings_cannot_be_changed() -> None:
    settings = load_settings({})
    with pytest.raises(ValidationError):
        settings.server.port = 1


@pytest.mark.parametrize(
    ("paths", "users", "below", "others"),
    [
        ('["/users"]', True, True, False),
        ('["users/"]', True, True, False),
        ('["/user"]', False, False, False),
        ('["/"]', True, True, True),
        ("[]", False, False, False),
    ],
)
def test_resources_are_compared_by_whole_segments(
    tmp_path: Path, paths: str, users: bool, below: bool, others: bool
) -> None:
    toml = f"[management_api.authorization_handler]\nresources = {paths}"
    handler = load(tmp_path, toml).management_api.authorization_handler
    found = [handler.reserves(path) for path in ("/users", "/users/alice", "/server")]
    assert found == [users, below, others]


@pytest.mark.parametrize(
    ("java", "translated"),
    [
        (r"\p{Alpha}+", r"[[:alpha:]]+"),
        (r"[\p{Alpha}\P{Punct}]", r"[[:alpha:][:^punct:]]"),
        (r"\u00e9", r"\x{00e9}"),
        (r"\Q[a&&b]\E[]a]", r"\Q[a&&b]\E[]a]"),
        (r"\[a&&b\p{Lu}", r"\[a&&b\p{Lu}"),
        (r"^[\S]{5,30}$", r"^[\S]{5,30}$"),
    ],
)
def test_java_expressions_are_respelled_for_re2(java: str, translated: str) -> None:
    assert translate_java_regex(java) == translated
