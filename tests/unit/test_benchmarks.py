"""The parts of the benchmark that measure nothing: rows, aims, population, tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import forwarding_rows, page, results
from benchmarks.aims import rows
from benchmarks.population import CREATED, EVERYBODY, Population, user_name
from benchmarks.results import Result, kept
from benchmarks.rows import Figures, Limit, Ratio, Row
from benchmarks.tables import markdown, plain
from benchmarks.target import DATABASES, DIRECTORIES, DS389, EMBEDDED, SAMBA, Target
from benchmarks.timing import merged

NAMES = ("bare", "bare view")
SHARE = Ratio("work", ("a", "ms"), ("b", "ms"), 0.5, False, NAMES)


def row_of(found: list[Row], work: str) -> Row:
    return next(row for row in found if row.work == work)


def result(directory: str, users: int, figures: Figures) -> Result:
    return Result(directory, users, 1, figures, "2026-01-01", "abc", {"cores": "2"})


def test_ratio_is_met_up_to_its_aim() -> None:
    assert SHARE.row({"a": {"ms": 2}, "b": {"ms": 4}}).is_met is True
    assert SHARE.row({"a": {"ms": 3}, "b": {"ms": 4}}).is_met is False


def test_ratio_of_rates_is_met_from_its_aim_on() -> None:
    share = Ratio("work", ("a", "x_rps"), ("a", "y_rps"), 0.5, True, NAMES)
    met = share.row({"a": {"x_rps": 50.0, "y_rps": 100.0}})
    assert (met.figure, met.aim, met.is_met) == ("0.50", "≥ 0.5 × bare", True)
    assert met.absolute == "50/s : 100/s bare view"
    assert share.row({"a": {"x_rps": 49.0, "y_rps": 100.0}}).is_met is False


def test_refused_work_misses_its_aim() -> None:
    row = SHARE.row({"a": {"status": 503, "ms": 5000}, "b": {"ms": 4}})
    assert (row.figure, row.is_met) == ("503 after 5.0 s", False)


def test_row_without_an_aim_is_neither_met_nor_missed() -> None:
    share = Ratio("work", ("a", "ms"), ("b", "ms"), 0, True, NAMES)
    row = share.row({"a": {"ms": 1}, "b": {"ms": 4}})
    assert (row.aim, row.is_met) == ("of bare", None)
    assert Limit("work", ("a", "ms")).row({"a": {"ms": 1}}).is_met is None


def test_works_that_were_not_measured_have_no_row() -> None:
    found = rows(EMBEDDED, 1000, {"show": {"rps": 1.0, "p50_ms": 1, "p99_ms": 1}})
    assert found == []


def test_aim_of_memory_holds_up_to_100_000_users() -> None:
    for users, is_met in ((100_000, False), (1_000_000, None)):
        row = row_of(rows(EMBEDDED, users, {"memory": {"mb": 201}}), "memory of the two workers")
        assert row.is_met is is_met


@pytest.mark.parametrize("directory", [DS389, SAMBA])
def test_directories_that_are_read_directly_have_aims_of_their_own(directory: str) -> None:
    figures: Figures = {"list_page": {"ms": 50}, "show_one": {"ms": 6}, "list_part": {"ms": 500}}
    found = [(row.aim, row.is_met) for row in rows(directory, 3000, figures)]
    assert found == [("≤ 5 ms", False), ("≤ 60 ms", True), ("", None)]


@pytest.mark.parametrize("directory", [each for each in DIRECTORIES if each not in DATABASES])
def test_changes_are_compared_with_bare_ldap3_in_directories(directory: str) -> None:
    rates = {f"{who}{act}_rps": 1.0 for who in ("", "bare_") for act in ("create", "assign")}
    rates |= {"delete_rps": 1.0, "bare_delete_rps": 3.0}
    found = rows(directory, 3000, {"changes_1": rates, "changes_8": rates})
    assert {row.aim for row in found} == {"≥ 0.5 × bare ldap3"}
    assert [row.is_met for row in found] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("database", DATABASES)
def test_lists_of_databases_are_compared_with_the_bare_driver(database: str) -> None:
    found = rows(database, 100_000, {"list": {"ms": 2.0}, "bare_list": {"ms": 10.0}})
    assert [(row.figure, row.aim, row.is_met) for row in found] == [
        ("0.20", "≤ 0.3 × bare list", True)
    ]


def test_missed_aim_is_marked_in_both_tables() -> None:
    found = [Row("`GET /`", "3 ms", "≤ 2 ms", "", is_met=False)]
    assert "| **3 ms** |" in markdown(found)
    assert "3 ms !" in plain(found)


def test_work_refused_once_counts_as_refused() -> None:
    assert merged([{"ms": 1}, {"status": 503, "ms": 5000}]) == {"status": 503, "ms": 5000}


@pytest.mark.parametrize("small_roles", [100, 1000])
def test_requested_users_hold_the_role_of_all_and_two_more(small_roles: int) -> None:
    population = Population(1000, small_roles)
    members = {role: list(names) for role, names in population.roles()}
    assert len(members) == small_roles + 1
    for name in population.people():
        held = [role for role, names in members.items() if name in names]
        assert len(held) == 3
        assert EVERYBODY in held
    assert {len(members[role]) for role in members if role != EVERYBODY} == {100}


def test_people_who_log_in_are_500_different_users() -> None:
    for users in (1000, 3000, 100_000):
        population = Population(users)
        people = set(population.people())
        assert len(people) == 500
        assert people <= set(map(user_name, range(1, users + 1)))
        assert not people & set(CREATED)


def test_target_names_its_directory_in_the_settings() -> None:
    target = Target(SAMBA, "ldaps://127.0.0.1:636", "cn=x", "secret", people="ou=p", groups="ou=g")
    assert target.environment["MI_LDAP_USER_STORE__CONNECTION_URL"] == "ldaps://127.0.0.1:636"
    assert target.user_dn("bob") == "cn=bob,ou=p"
    own = Target(EMBEDDED, "ldapi://x", "cn=x", "secret")
    assert not any(key.startswith("MI_LDAP_") for key in own.environment)


def test_page_has_a_table_for_each_directory_that_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "_FOLDER", tmp_path / "results")
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    page.write_page()
    assert "The present code was not measured yet" in page.PAGE.read_text()
    result(DS389, 3000, {"memory": {"mb": 90.0}}).keep()
    result(EMBEDDED, 1000, {"memory": {"mb": 80.0}}).keep()
    page.write_page()
    text = page.PAGE.read_text()
    assert "not measured yet" not in text
    assert text.index("## embedded OpenLDAP") < text.index("## 389 Directory Server by ldaps")
    assert [each.users for each in kept(DS389)] == [3000]


def test_rows_of_forwarded_requests_have_their_aims() -> None:
    figures = {
        "small": {"p50_ms": 2.5, "p99_ms": 9.0},
        "small direct": {"p50_ms": 1.0, "p99_ms": 3.0},
        "own": {"p50_ms": 2.0, "p99_ms": 3.0},
        "large": {"mb_s": 90.0},
        "large direct": {"mb_s": 200.0},
        "memory": {"mb": 3.0, "before_mb": 60.0},
    }
    found = forwarding_rows.rows(figures)
    assert [row.figure for row in found] == ["1.50 ms", "0.50 ms", "0.45", "+ 3.0 MB"]
    assert [row.is_met for row in found] == [True, None, False, True]
