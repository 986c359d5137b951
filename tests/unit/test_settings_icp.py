"""`[icp_config]`: what a pasted block means, and what stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.settings import Settings
from tests.toml_files import complaint_of, load

KEY = "q3cGtJ0cRwqg8vX2p5wq5F9w8nqv1kR0s3h2m1b0c9A="
PASTED = f"""
[icp_config]
enabled = true
environment = "prod"
project = "identity"
integration = "users"
runtime = "users-1"
secret = "0a1b2c3d.{KEY}"
"""


def icp(tmp_path: Path, more: str = "", before: str = "") -> Settings:
    return load(tmp_path, f"{before}{PASTED}{more}")


def test_the_block_that_icp_shows_can_be_pasted(tmp_path: Path) -> None:
    made = icp(tmp_path).icp_config
    assert (made.enabled, made.key_id, made.key) == (True, "0a1b2c3d", KEY)
    assert (made.environment, made.project, made.integration) == ("prod", "identity", "users")
    assert (made.runtime, made.icp_url) == ("users-1", "https://localhost:9445")
    assert made.ssl_verify
    assert made.account is None
    assert icp(tmp_path).notes == ()


def test_a_key_may_contain_dots(tmp_path: Path) -> None:
    dotted = f"1.{'.x' * 16}"
    made = load(tmp_path, PASTED.replace(f"0a1b2c3d.{KEY}", f" {dotted} ")).icp_config
    assert (made.key_id, made.key) == ("1", ".x" * 16)


@pytest.mark.parametrize("value", ['"TRUE"', '" True "', "true"])
def test_only_the_word_true_enables(tmp_path: Path, value: str) -> None:
    assert load(tmp_path, PASTED.replace("true", value)).icp_config.enabled


@pytest.mark.parametrize("value", ["false", '"yes"', "1", '"on"', "[]", '"$env{ICP}"', "''"])
def test_a_section_that_is_not_enabled_has_no_effect(tmp_path: Path, value: str) -> None:
    broken = PASTED.replace("true", value).replace("secret = ", "heartbeat_interval = ")
    made = load(tmp_path, broken)
    assert not made.icp_config.enabled
    assert made.notes == ("These sections of MI have no effect here: icp_config.",)


@pytest.mark.parametrize(
    ("value", "verifies"),
    [("false", False), ('"False"', False), ('"no"', True), ("true", True), ("0", True)],
)
def test_only_the_word_false_ends_verification(tmp_path: Path, value: str, verifies: bool) -> None:
    assert icp(tmp_path, f"ssl_verify = {value}").icp_config.ssl_verify is verifies


def test_keys_of_mi_that_have_no_effect_are_accepted(tmp_path: Path) -> None:
    more = (
        'jwt_scope = "x"\njwt_expiry_seconds = 1\njwt_clock_skew_tolerance_ms = "?"\n'
        "command_result_cache_size_mb = 5\n"
    )
    assert icp(tmp_path, more).icp_config == icp(tmp_path).icp_config


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('icp_url = "http://icp:9445"', "icp_config.icp_url must be the address of ICP"),
        ('icp_url = "https://icp:9445/icp"', "icp_config.icp_url must be the address of ICP"),
        ('icp_url = "https://icp:9445/?a=b"', "icp_config.icp_url must be the address of ICP"),
        ('icp_url = "https://u:p@icp:9445"', "icp_config.icp_url must be the address of ICP"),
        ('management_url = "http://users:9164"', "icp_config.management_url must be an address"),
        ('management_url = "https://users/x"', "icp_config.management_url must be an address"),
        ("heartbeat_interval = 30", "icp_config.heartbeat_interval must be a whole number from 1"),
        ("heartbeat_interval = 0", "icp_config.heartbeat_interval must be a whole number from 1"),
        ("max_token_age_s = 3601", "icp_config.max_token_age_s must be a whole number from 10"),
        ('ca_file = "no.pem"', "icp_config.ca_file must name a file that exists"),
        ('allow_admins = "perhaps"', "icp_config.allow_admins must be true or false"),
        ('user = "x"', "icp_config.user is not a setting"),
    ],
)
def test_a_wrong_value_stops_the_start(tmp_path: Path, more: str, sentence: str) -> None:
    complaint = complaint_of(tmp_path, f"{PASTED}{more}")
    assert complaint.startswith(sentence)
    assert "\n" not in complaint


def test_a_final_slash_is_no_path(tmp_path: Path) -> None:
    made = icp(tmp_path, 'icp_url = "https://ICP.example.org:9445/"').icp_config
    assert made.icp_url == "https://icp.example.org:9445"


@pytest.mark.parametrize("secret", [KEY, f".{KEY}", "0a1b2c3d.", "0a1b2c3d", f"{'x' * 31}.{KEY}"])
def test_a_secret_without_a_key_id_is_refused(tmp_path: Path, secret: str) -> None:
    complaint = complaint_of(tmp_path, PASTED.replace(f"0a1b2c3d.{KEY}", secret))
    assert complaint.startswith("icp_config.secret must be the whole secret as ICP shows it")
    assert KEY not in complaint


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    complaint = complaint_of(tmp_path, PASTED.replace(KEY, "x" * 31))
    assert complaint.startswith("icp_config.secret must be the whole secret")
    assert load(tmp_path, PASTED.replace(KEY, "ä" * 16)).icp_config.enabled


@pytest.mark.parametrize("key", ["secret", "environment"])
def test_enabled_needs_a_secret_and_an_environment(tmp_path: Path, key: str) -> None:
    lines = [line for line in PASTED.splitlines() if not line.startswith(key)]
    complaint = complaint_of(tmp_path, "\n".join(lines))
    assert complaint.startswith(f"icp_config.enabled = true needs icp_config.{key}")


def test_a_name_that_leaves_no_handle_is_refused(tmp_path: Path) -> None:
    complaint = complaint_of(tmp_path, PASTED.replace('"identity"', '"äöü"'))
    assert complaint.startswith("icp_config.project must contain a letter")


def test_a_runtime_name_that_icp_cannot_store_is_refused(tmp_path: Path) -> None:
    complaint = complaint_of(tmp_path, PASTED.replace("users-1", "x" * 101))
    assert complaint.startswith("icp_config.runtime must have at most 100 characters")


def test_without_tls_the_address_of_the_proxy_is_needed(tmp_path: Path) -> None:
    plain = "[server]\ntls = false\n"
    assert "icp_config.management_url" in complaint_of(tmp_path, f"{plain}{PASTED}")
    proxied = icp(tmp_path, 'management_url = "https://[2001:db8::7]"', plain)
    assert proxied.icp_config.management_url == "https://[2001:db8::7]"


@pytest.mark.parametrize("own", [KEY, f"0a1b2c3d.{KEY}"])
def test_the_signing_key_of_the_service_is_refused(tmp_path: Path, own: str) -> None:
    section = "[management_api.jwt_token_security_handler.token_config]"
    complaint = complaint_of(tmp_path, f'{section}\nkey = "{own}"\n{PASTED}')
    assert complaint.startswith("icp_config.secret is the signing key of this service")
    assert KEY not in complaint


def test_what_weakens_the_protection_is_noted(tmp_path: Path) -> None:
    notes = icp(tmp_path, "ssl_verify = false\nallow_admins = true\n").notes
    assert [note.partition(" ")[0] for note in notes] == [
        "icp_config.ssl_verify",
        "icp_config.allow_admins",
    ]
