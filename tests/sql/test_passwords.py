"""Passwords as MI stores them; the vectors are from OpenSSL, and Java computes others."""

from __future__ import annotations

import base64
import hmac
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mi_ldap.errors import PolicyRefused
from mi_ldap.sql import DatabaseConfig, passwords
from mi_ldap.sql.passwords import StoredPassword
from mi_ldap.sql.records import UserRecord
from tests.hosts.installed import missing

SALT = "MTIzNDU2Nzg5MDEyMzQ1Ng=="
DIGESTS = ("SHA-1", "SHA-256", "SHA-384", "SHA-512", "MD5")
TEXTS = ("correct horse", "ünïcødé ½", "日本語日本語", "😀😀")

# printf '%s%s' PASSWORD SALT | openssl dgst -sha256 -binary | base64 -w0
SALTED = {
    ("SHA-1", "correct horse"): "4QhxipxyUsQrK87UPjFgOnAYu40=",
    ("SHA-256", "correct horse"): "bhWd31qYGg+kIW6IXWFel/MaPpYueYtkX30+VqdvAio=",
    ("SHA-256", "ünïcødé ½"): "E27Cx99XphIZAzXQpzeTMqWP+zHOo0st6dY0ZeQUHbc=",
    ("SHA-256", "日本語日本語"): "2k+/0/FAZndLZMxC0mKTcpg0TMAtefMGmB8IbKVaySY=",
    ("SHA-384", "correct horse"): (
        "9pAnmLaQ7Ca0SMoQJkijCD+K41z4tcJF91LdJfkEW6FMzEa/oV0YsvYJHPDjV+ur"
    ),
    ("SHA-512", "correct horse"): (
        "nxk3B/XKRO60wjomEZzSyRgikNv38HkHQGpGxrySMWfbFKO6woYRQFKTlo2T5wq9gnaWQ5fDb+clQCprEnNWYQ=="
    ),
    ("MD5", "correct horse"): "3+q5djEptSGRF05oZZb6BQ==",
}
UNSALTED = {
    ("SHA-1", "correct horse"): "L55TUjtiq8FBorTWAZ0jy6g129A=",
    ("SHA-256", "correct horse"): "QQTTb42iwlQ0n4WDZ5Pr4CngyVcGOjTJHC6SAxh7VjE=",
    ("SHA-256", "ünïcødé ½"): "cKhnzeP8rg/vD637NIxCntpR9unc7DNKpFqaUot+s+k=",
    ("MD5", "ünïcødé ½"): "DLz2RAm3VoWmMIDUxp3BBw==",
}


def config(digest: str, *, salted: bool = True) -> DatabaseConfig:
    return DatabaseConfig("sqlite", (), ":memory:", digest=digest, salted=salted)


@pytest.mark.parametrize(("key", "value"), SALTED.items())
def test_a_salted_password_of_mi_matches(key: tuple[str, str], value: str) -> None:
    digest, password = key
    assert passwords.matches(config(digest), password, StoredPassword(value, SALT))
    assert not passwords.matches(config(digest), f"{password} ", StoredPassword(value, SALT))
    assert not passwords.matches(config(digest), password, StoredPassword(value, None))


@pytest.mark.parametrize(("key", "value"), UNSALTED.items())
def test_a_password_of_mi_without_salt_matches(key: tuple[str, str], value: str) -> None:
    digest, password = key
    assert passwords.matches(config(digest), password, StoredPassword(value, None))
    # StoreSaltedPassword is false: MI does not look at the column.
    without = config(digest, salted=False)
    assert passwords.matches(without, password, StoredPassword(value, SALT))


@pytest.mark.parametrize("digest", DIGESTS)
@pytest.mark.parametrize("salted", [True, False])
def test_what_was_stored_matches_and_has_the_form_of_mi(digest: str, salted: bool) -> None:
    of = config(digest, salted=salted)
    first, second = passwords.stored(of, "correct horse"), passwords.stored(of, "correct horse")
    assert passwords.matches(of, "correct horse", first)
    assert not passwords.matches(of, "Correct horse", first)
    assert (first == second) is not salted
    if salted:
        assert first.salt is not None
        assert len(first.salt) == 24
        assert len(base64.b64decode(first.salt)) == 16


def test_plain_text_is_the_password_itself() -> None:
    of = config("PLAIN_TEXT")
    assert passwords.stored(of, "correct horse") == ("correct horse", None)
    assert passwords.matches(of, "correct horse", StoredPassword("correct horse", None))
    assert not passwords.matches(of, "correct", StoredPassword("correct horse", None))
    for refused in ("x" * 256, "mi_ldap:unfinished:x", "mi_ldap:no-password:x", "\ud800"):
        with pytest.raises(PolicyRefused):
            passwords.stored(of, refused)


@pytest.mark.parametrize("digest", [*DIGESTS, "PLAIN_TEXT"])
def test_a_user_without_a_password_has_one_that_matches_nothing(digest: str) -> None:
    for value in (passwords.placeholder(), passwords.no_password().value):
        for guess in ("", "x", value):
            assert not passwords.matches(config(digest), guess, StoredPassword(value, None))


def test_a_broken_character_matches_nothing_and_raises_nothing() -> None:
    of = config("SHA-256")
    assert not passwords.matches(of, "\ud800", passwords.stored(of, "correct horse"))


def test_java_computes_the_same() -> None:
    """With java.security.MessageDigest, which MI uses."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        missing("there is no JDK")
    written = {
        (digest, text): passwords.stored(config(digest), text)
        for digest in DIGESTS
        for text in TEXTS
    }
    arguments = [
        part for (name, text), found in written.items() for part in (name, text, found.salt or "")
    ]
    source = Path(__file__).with_name("Digest.java")
    ran = subprocess.run(
        [java, "-Dsun.jnu.encoding=UTF-8", source, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert ran.stdout.split() == [found.value for found in written.values()]


@pytest.mark.parametrize("digest", [*DIGESTS, "PLAIN_TEXT"])
def test_a_password_is_compared_in_a_time_that_tells_nothing(
    digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = config(digest)
    stored = passwords.stored(of, "correct horse")
    compared: list[bytes] = []

    def compare(computed: bytes, value: bytes) -> bool:
        compared.append(value)
        return computed == value

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for typed in ("correct horse", "wrong", ""):
        assert passwords.matches(of, typed, stored) is (typed == "correct horse")
    assert compared == [stored.value.encode()] * 3


def test_each_password_that_is_set_begins_another_epoch() -> None:
    """Also the same one again, which MI may do to end all tokens."""
    first, second = StoredPassword("a", "x"), StoredPassword("b", "x")
    noon = datetime(2026, 12, 1, 12)  # noqa: DTZ001 - as the database has it
    epochs = [
        UserRecord(1, "1", "bob", stored, False, changed, {}).user().epoch
        for stored in (first, second)
        for changed in (noon, noon + timedelta(seconds=1), None)
    ]
    assert len(set(epochs)) == len(epochs)
