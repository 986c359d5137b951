"""Names in CSV and on terminals."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.client.csv_import import Person, read_lines
from mi_ldap.client.text import csv_line, escape_formula, safe, unescape_formula

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
formulas = st.builds(
    str.__add__, st.sampled_from(["=", "+", "-", "@", "'=", "''@", "＝"]), any_text
)
FORMULA = tuple("=+-@\t\r\n＝＋－＠")


@given(any_text | formulas)
def test_no_cell_is_a_formula_or_steers_a_terminal(text: str) -> None:
    line = csv_line([text, "last"])
    assert line.endswith(",last\n")
    assert not {unicodedata.category(char) for char in line[:-1]} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(line), delimiter=separator):
            assert not any(cell.startswith(FORMULA) for cell in row)


@given(any_text | formulas)
def test_what_was_put_before_a_formula_is_taken_away_again(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text
    (row,) = csv.reader(io.StringIO(csv_line([text])))
    assert unescape_formula("".join(row)) == safe(text)


@pytest.mark.parametrize("name", ["=1+1", "+49 30", "-x", "@home", "'=quoted", "''-", "a'=b", "'x"])
def test_names_that_are_exported_are_imported(tmp_path: Path, name: str) -> None:
    file = tmp_path / "people.csv"
    heading = "user,password,admin,roles\n"
    file.write_text(heading + csv_line([name, "'=secret", "no", f"{name};{name}x"]), "utf-8")
    (person,) = read_lines(file)
    assert isinstance(person, Person)
    assert (person.user, person.roles) == (name, (name, f"{name}x"))


def test_a_password_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("user,password\nbob,'=secret\n", "utf-8")
    (person,) = read_lines(file)
    assert isinstance(person, Person)
    assert person.password == "'=secret"
