"""The rules of names, passwords and domains."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap import model, name_folding, name_rules
from mi_ldap.errors import BadRequest, DomainNotFound
from mi_ldap.name_rules import EVERYONE, MAX_NAME_BYTES, MAX_PASSWORD_BYTES

FORBIDDEN = {"Cc", "Cf", "Cs"}

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
good_names = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs"), exclude_characters=":/\ufffd"),
    min_size=1,
    max_size=40,
).filter(
    lambda name: (
        bool(name.strip().strip("?"))
        and name.strip() not in (".", "..")
        and len(name.encode()) <= MAX_NAME_BYTES
    )
)


@given(good_names)
def test_what_no_rule_forbids_is_a_name_without_the_space_around_it(text: str) -> None:
    assert name_rules.new_user_name(text, allow_any=True) == text.strip()
    assert name_rules.new_role_name(text, allow_any=True) == text.strip()


@given(good_names, st.sampled_from("#?%\\"), st.integers(0, 40))
def test_a_character_that_is_special_in_urls_is_refused_unless_any_is_allowed(
    text: str, special: str, place: int
) -> None:
    name = f"a{text[:place]}{special}{text[place:]}a"
    for make in (name_rules.new_user_name, name_rules.new_role_name):
        assert "user_store.allow_any_name" in refusal(make, name)
        assert make(name, allow_any=True) == name


@given(good_names)
def test_go_and_the_dashboard_send_a_name_that_is_allowed_as_it_is(text: str) -> None:
    """Raw in a path, a name means itself: no query, no fragment, no escape begins in it."""
    if refusal(name_rules.new_user_name, text):
        return
    name = name_rules.new_user_name(text)
    parts = urlsplit(f"https://localhost:9164/management/users/{name}")
    assert (unquote(parts.path), parts.query, parts.fragment) == (
        f"/management/users/{name}",
        "",
        "",
    )


@pytest.mark.parametrize(
    ("name", "warned"),
    [("a b", True), ("a\u00a0b", True), ("c#", True), ("50%", True), ("dev", False), ("ü", False)],
)
def test_a_role_name_that_the_dashboard_cannot_show_is_warned_of(name: str, warned: bool) -> None:
    assert bool(name_rules.role_name_warning(name)) is warned


@given(any_text)
def test_a_name_that_passes_is_clean_and_passes_again(text: str) -> None:
    try:
        name = name_rules.new_user_name(text)
    except BadRequest:
        return
    assert name == name.strip() != ""
    assert not {unicodedata.category(char) for char in name} & FORBIDDEN
    assert not set(name) & set(":/\ufffd")
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert name_rules.new_user_name(name) == name


def refusal(make: Callable[[str], str], text: str) -> str:
    """The sentence that refuses the text, or nothing."""
    try:
        make(text)
    except BadRequest as error:
        return str(error)
    return ""


@given(any_text)
def test_a_refusal_is_one_printable_sentence_without_what_was_sent(text: str) -> None:
    for make in (name_rules.new_user_name, name_rules.new_role_name, name_rules.new_password):
        sentence = refusal(make, text)
        assert not sentence or sentence.startswith("The ")
        assert sentence.isprintable()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        (".", "'.' and '..'"),
        (" .. ", "'.' and '..'"),
        ("???", "send it as UTF-8"),
        (" ? ", "send it as UTF-8"),
        ("what?", "'?'"),
        ("c#sharp", "'#'"),
        ("50%", "'%'"),
        ("a\\b", "'\\'"),
        ("a:b", "':'"),
        ("a/b", "'/'"),
        ("admin\u200b", "format"),
        ("ad\u00admin", "format"),
        ("\u202eadmin", "format"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\x7fb", "control"),
        ("a\ufffdb", "invalid"),
        ("x" * 241, "240 bytes"),
        ("é" * 121, "240 bytes"),
        ("😀" * 61, "240 bytes"),
    ],
)
def test_a_bad_name_is_refused_with_its_reason(name: str, reason: str) -> None:
    with pytest.raises(BadRequest, match="not allowed") as caught:
        name_rules.new_user_name(name)
    assert reason in str(caught.value)


def test_half_a_character_is_broken() -> None:
    for make in (name_rules.new_user_name, name_rules.new_role_name, name_rules.new_password):
        assert "invalid character" in refusal(make, "a\ud800b")


@pytest.mark.parametrize("name", ["...", "a.b", "-", "0", "a b", "x" * 240, "😀", "ʻokina"])
def test_an_odd_name_is_a_name(name: str) -> None:
    assert name_rules.new_user_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("internal/x", "Internal/x"),
        ("APPLICATION/my app", "Application/my app"),
        (" Internal/x ", "Internal/x"),
        ("plain", "plain"),
        ("internal/EveryOne", EVERYONE),
    ],
)
def test_a_hybrid_domain_may_lead_a_role_in_its_own_spelling(text: str, name: str) -> None:
    assert name_rules.new_role_name(text) == name


@pytest.mark.parametrize(
    "text", ["x/y", "Internal/", "Internal/x/y", "Internal/..", "/x", "Internal/a:b", ""]
)
def test_a_bad_role_name_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="role name"):
        name_rules.new_role_name(text)


@given(any_text)
def test_a_password_that_passes_is_taken_as_it_is(text: str) -> None:
    if not refusal(name_rules.new_password, text):
        assert name_rules.new_password(text) == text
        assert 0 < len(text.encode()) <= MAX_PASSWORD_BYTES


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "empty"),
        ("a\0b", "control"),
        ("a\tb", "control"),
        ("a\x85b", "control"),
        ("??????", "UTF-8"),
        ("x" * 1025, "1024 bytes"),
        ("é" * 513, "1024 bytes"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(password: str, reason: str) -> None:
    with pytest.raises(BadRequest) as caught:
        name_rules.new_password(password)
    assert reason in str(caught.value)


@pytest.mark.parametrize("password", [" ", "x" * 1024, "pa:ss/wörd", "a?", "zero\u200bwidth"])
def test_an_odd_password_is_a_password(password: str) -> None:
    assert name_rules.new_password(password) == password


@pytest.mark.parametrize(
    "domain", [None, "", " ", "\r", "\t\n", "primary", "PRIMARY", " Primary\r"]
)
def test_these_all_mean_the_primary_store(domain: str | None) -> None:
    assert name_rules.is_primary(domain)
    assert name_rules.role_of_domain("dev", domain) == "dev"


@pytest.mark.parametrize("domain", ["ldap2", "Internal", "PRIMARY/", "0", "null", "."])
def test_these_do_not(domain: str) -> None:
    assert not name_rules.is_primary(domain)


@pytest.mark.parametrize(
    ("name", "domain", "full"),
    [
        ("x", "internal", "Internal/x"),
        ("x", " APPLICATION\r", "Application/x"),
        ("internal/x", "Internal", "Internal/x"),
        ("Application/x", "Internal", "Internal/Application/x"),
        ("INTERNAL/X", None, "Internal/X"),
        ("PRIMARY/dev", "", "dev"),
        ("primary/ dev ", None, "dev"),
        ("internal/EVERYONE", None, EVERYONE),
        ("everyone", "Internal", EVERYONE),
        ("EVERYone", " internal ", EVERYONE),
        ("ldap2/x", None, "ldap2/x"),
    ],
)
def test_a_role_is_known_by_its_full_name(name: str, domain: str | None, full: str) -> None:
    assert name_rules.full_role_name(name_rules.role_of_domain(name, domain)) == full


def test_a_role_of_an_unknown_domain_is_nowhere() -> None:
    with pytest.raises(DomainNotFound, match=r"ldap2\.$"):
        name_rules.role_of_domain("x", " ldap2 ")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("alice", "alice"),
        (" alice ", "alice"),
        ("PRIMARY/alice", "alice"),
        ("primary/ alice", "alice"),
        ("/alice", "/alice"),
        ("ldap2/alice", "ldap2/alice"),
        ("PRIMARY", "PRIMARY"),
    ],
)
def test_the_primary_domain_may_lead_a_name(typed: str, name: str) -> None:
    assert name_rules.without_primary(typed) == name


@pytest.mark.parametrize("typed", ["ADMIN", " admin", "ａdmin", "Admin  "])
def test_folded_names_are_equal_where_directories_say_so(typed: str) -> None:
    assert name_folding.folded(typed) == "admin"


def test_names_are_sorted_without_case_and_ties_by_code_point() -> None:
    names = ["b", "A", "a", "B", "ä", "Z", "_"]
    assert model.sorted_names(names) == ("_", "A", "a", "B", "b", "Z", "ä")


def test_a_configured_expression_narrows_what_the_rules_allow() -> None:
    matches = "abc".__eq__
    assert name_rules.ensure_matches("abc", matches, "user name") == "abc"
    assert name_rules.ensure_matches("xyz", None, "user name") == "xyz"
    with pytest.raises(BadRequest, match="The user name is not allowed"):
        name_rules.ensure_matches("xyz", matches, "user name")
