"""Conditions on lists of names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.errors import BadRequest
from mi_ldap.model import Names, in_order
from mi_ldap.services.queries import Query
from tests.stopwatch import least_cpu_s

NAMES = Names(("admin", "Bob", "bobby", "Zoë", "a*b", "a?b", "a.b", "ALICE", "two\nlines"))

texts = st.text(max_size=12)


def selected(query: Query, names: Names = NAMES) -> tuple[str, ...]:
    return query.select(names).names


def test_no_condition_selects_everything_sorted() -> None:
    assert selected(Query()) == tuple(sorted(NAMES.names, key=lambda name: (name.casefold(), name)))


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("bob", ("Bob",)),
        ("BOB*", ("Bob", "bobby")),
        ("*o*", ("Bob", "bobby", "two\nlines", "Zoë")),
        ("**b", ("a*b", "a.b", "a?b", "Bob")),
        ("a?b", ("a*b", "a.b", "a?b")),
        ("a.b", ("a.b",)),
        ("zOË", ("Zoë",)),
        ("*\n*", ("two\nlines",)),
        ("two*", ("two\nlines",)),
        ("b", ()),
        ("[a-z]*", ()),
        (".*", ()),
        ("*", None),
        ("***", None),
        ("", None),
    ],
)
def test_a_pattern_is_without_case_over_the_whole_name(
    pattern: str, names: tuple[str, ...] | None
) -> None:
    expected = selected(Query()) if names is None else names
    assert selected(Query(pattern=pattern)) == expected


@pytest.mark.parametrize(
    ("part", "names"),
    [("OB", ("Bob", "bobby")), ("*", ("a*b",)), (".", ("a.b",)), ("ë", ("Zoë",)), ("nope", ())],
)
def test_a_search_key_is_a_part_without_case(part: str, names: tuple[str, ...]) -> None:
    assert selected(Query(search_key=part)) == names


@pytest.mark.parametrize(
    ("regex", "names"),
    [("^b", ("bobby",)), ("ob", ("Bob", "bobby")), ("(?i)^b", ("Bob", "bobby")), ("b{3}", ())],
)
def test_a_regex_is_unanchored_and_has_case(regex: str, names: tuple[str, ...]) -> None:
    assert selected(Query(regex=regex)) == names


@pytest.mark.parametrize("regex", ["(", "*", "a{2,1}", r"(a)\1", "(?=a)", "[", "\\"])
def test_what_is_no_re2_expression_is_refused(regex: str) -> None:
    with pytest.raises(BadRequest, match="RE2"):
        selected(Query(regex=regex))


@pytest.mark.usefixtures("settled_heap", "untraced")
def test_an_evil_regex_takes_linear_time() -> None:
    names = Names(("a" * 5000 + "!", *(f"user{number}" for number in range(10_000))))

    def select() -> None:
        assert selected(Query(regex="^(a+)+$"), names) == ()
        assert selected(Query(pattern="*a" * 50 + "b"), names) == ()
        digits = "".join(f"*{digit}" for digit in range(10))
        assert selected(Query(pattern=digits * 50), names) == ()

    assert least_cpu_s(select) < 1


def test_all_conditions_hold_together() -> None:
    assert selected(Query(pattern="*b*", search_key="o", regex="^b")) == ("bobby",)


def test_a_page_comes_with_the_total() -> None:
    selection = Query(search_key="b", limit=2, offset=1).select(NAMES)
    assert selection.names == ("a.b", "a?b")
    assert selection.total == 5


@given(st.lists(texts, unique=True), st.integers(1, 5), st.integers(0, 5))
def test_pages_side_by_side_are_the_whole_list(names: list[str], limit: int, offset: int) -> None:
    whole = selected(Query(), Names(tuple(names)))
    assert (
        selected(Query(limit=limit, offset=offset), Names(tuple(names)))
        == (whole[offset : offset + limit])
    )


def test_duplicate_names_are_listed_once() -> None:
    assert selected(Query(), Names(("bob", "bob"))) == ("bob",)


def test_a_selection_tells_whether_it_is_complete() -> None:
    assert Query().select(Names(())).complete
    assert not Query().select(Names((), complete=False)).complete


def test_a_pattern_of_the_primary_store_needs_no_other_store() -> None:
    names = ("bob", "bobby", "primary")
    for pattern, expected in (
        ("PRIMARY/bob*", ("bob", "bobby")),
        ("primary/*", names),
        ("PRIMARY/primary", ("primary",)),
        ("PRIMARY", ("primary",)),
        ("PRIMARY/", ()),
    ):
        query = Query(pattern=pattern)
        assert selected(query, Names(names)) == expected
        assert "/" not in pattern or query.like is None


@given(texts, texts)
def test_every_matching_name_matches_the_pattern_for_the_directory(name: str, key: str) -> None:
    for query in (Query(search_key=key), Query(pattern=key)):
        if query.like is not None and selected(query, Names((name,))):
            matching = re.escape(query.like).replace(r"\*", ".*")
            assert re.fullmatch(matching, name.casefold(), re.IGNORECASE | re.DOTALL)


@pytest.mark.parametrize(
    ("query", "like"),
    [
        (Query(), None),
        (Query(search_key="bob"), "*bo*"),  # bo, b́
        (Query(pattern="a*bobby?"), "*bobb*"),
        (Query(search_key="bob7"), "*bob7*"),
        (Query(pattern="bobby*"), "bobb*"),
        (Query(pattern="bobby"), "bobb*"),
        (Query(pattern="bob?bobby7"), "*bobby7*"),
        (Query(pattern="sam7*"), "*am7*"),  # ßam7 for ssam7
        (Query(search_key="strasse7"), "*tra*"),  # straße7
        (Query(search_key="ss"), None),
        (Query(search_key="e"), None),
        (Query(pattern="*"), None),
        (Query(search_key="zoë"), None),
        (Query(search_key="a)(b"), None),
        (Query(regex="bob"), None),
    ],
)
def test_the_directory_is_asked_for_plain_letters_only(query: Query, like: str | None) -> None:
    assert query.like == like


def test_is_paged() -> None:
    assert not Query().is_paged
    assert Query(limit=1).is_paged
    assert Query(offset=1).is_paged


LETTERS = st.text(alphabet="abAB01é\U0001f600\n\0ÿ\x7f", max_size=5)
CROWD = [f"user{number:04d}" for number in range(300)]


def means(wanted: str) -> re.Pattern[str]:
    """A pattern by its plain definition, with Python's expressions."""
    pieces = {"*": ".*", "?": "."}
    return re.compile("".join(pieces.get(each, re.escape(each)) for each in wanted), re.DOTALL)


@given(
    st.lists(LETTERS).map(lambda names: (*CROWD, *names)) | st.lists(LETTERS).map(tuple),
    st.lists(st.sampled_from(["*", "?", "a", "B", "1", "é", "\n", "user", "user00", "0", "17"])),
    LETTERS,
)
def test_selections_agree_with_a_simple_implementation(
    names: tuple[str, ...], pieces: list[str], part: str
) -> None:
    pattern = "".join(pieces)
    expected = [
        name
        for name in sorted({*names} - {""}, key=lambda name: (name.casefold(), name))
        if (not pattern or means(pattern.casefold()).fullmatch(name.casefold()))
        and part.casefold() in name.casefold()
    ]
    query = Query(pattern=pattern, search_key=part)
    assert [*selected(query, Names(names))] == expected
    assert query.select(Names(names)).total == len(expected)


@pytest.mark.usefixtures("settled_heap", "untraced")
@pytest.mark.parametrize(
    "pattern", ["user0000001", "user00001*", "*0001", "*0012*", "u*?0017", "x*"]
)
def test_few_matches_among_many_names_are_found_quickly(pattern: str) -> None:
    names = in_order(f"user{number:07d}" for number in range(100_000))
    selected(Query(pattern=pattern), names)
    assert least_cpu_s(lambda: selected(Query(pattern=pattern, limit=25), names)) < 0.02
