"""The examples of docs/doctor.md, made by the doctor itself.

    scripts/doctor-examples

runs it on four directories and writes what it says between the marks in the page.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from mi_ldap.checks import lines
from tests.checks.directories import (
    add_group,
    change_rules,
    fill,
    overlay_dn,
    show_configuration,
    tool_of,
    user_dn,
)
from tests.checks.doctor_runs import keys_of, normalized, run_doctor
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import PLAIN_OPENLDAP

PAGE = Path(__file__).parents[2] / "docs/doctor.md"
_BLOCK = re.compile(r"(?s)<!-- example: (?P<name>\w+) -->\n.*?<!-- end -->")

Example = Callable[[Path], str]


def healthy(folder: Path) -> str:
    with _directory(folder) as directory:
        return _report(directory, folder)


def wrong_password(folder: Path) -> str:
    with _directory(folder) as directory:
        return _report(directory, folder, connection_password="not that")


def rights(folder: Path) -> str:
    """No schema, no right to change groups, hashes that can be read."""
    with _directory(folder, Setup(own_schema=False)) as directory:
        change_rules(directory, r"ou=groups,\S+ by dn.exact=\S*mi-ldap", None)
        change_rules(directory, r"=w by self =xw", "write by self =xw")
        return _report(directory, folder, only_faults=True)


def content(folder: Path) -> str:
    """What other tools and a careless configuration leave behind."""
    with _directory(folder, Setup(unique=False)) as directory:
        refint = overlay_dn(directory, "refint")
        directory.configure(refint, olcRefintNothing=[])
        show_configuration(directory)
        with tool_of(directory) as tool:
            person = {**PLAIN_OPENLDAP.person_of("Alice", ""), "cn": "second"}
            tool.add(f"cn=second,{directory.user_base}", ["inetOrgPerson"], **person)
            members = (user_dn(directory, "bob"), user_dn(directory, "carol"))
            add_group(tool, directory, "devs", *members)
        return _report(directory, folder, only_faults=True)


EXAMPLES: dict[str, Example] = {
    each.__name__: each for each in (healthy, wrong_password, rights, content)
}


def filled(page: str, said: Callable[[str], str]) -> str:
    """The page with what `said` gives for the name of each example."""

    def block(match: re.Match[str]) -> str:
        # Fenced, so that the heredoc of a remedy can be pasted from the raw file.
        name = match["name"]
        return f"<!-- example: {name} -->\n\n```text\n{said(name)}```\n\n<!-- end -->"

    return _BLOCK.sub(block, page)


@contextmanager
def _directory(folder: Path, setup: Setup | None = None) -> Iterator[OpenLdap]:
    with OpenLdap(folder / "openldap", setup) as directory:
        fill(directory)
        yield directory


def _report(directory: OpenLdap, folder: Path, *, only_faults: bool = False, **more: str) -> str:
    state = folder / "state"
    state.mkdir()
    report = run_doctor(keys_of(directory, state, **more))
    shown = [each for each in report.findings if not only_faults or each.level in ("warn", "fail")]
    return normalized(lines(shown), directory)


def _write() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as made:

        def said(name: str) -> str:
            folder = Path(made) / name
            folder.mkdir()
            return EXAMPLES[name](folder)

        PAGE.write_text(filled(PAGE.read_text(), said))


if __name__ == "__main__":
    _write()
