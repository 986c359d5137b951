"""Findings of the doctor, and their two formats: lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

Level = Literal["pass", "warn", "fail", "skip"]

SHOWN: Final = 10
"""Most names, entries or groups that one check lists."""

EXIT_STATUS: Final[dict[str, int]] = {"pass": 0, "warn": 1, "fail": 2}

_MARKS: Final[dict[Level, str]] = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "–"}
_ASCII_MARKS: Final[dict[Level, str]] = {"pass": "ok", "warn": "!", "fail": "X", "skip": "-"}
_COLOURS: Final[dict[Level, str]] = {"pass": "32", "warn": "33", "fail": "31", "skip": "2"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: name of the check, `"certificate"`; the heading in docs/doctor.md.
        level: `skip` if the check could not be carried out.
        sentence: the result, for the directory's administrator; never contains a secret.
        remedy: what to do, with commands or LDIF to paste; `""` if nothing.
    """

    check: str
    level: Level
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one run, in order."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Literal["pass", "warn", "fail"]:
        """The worst level; `skip` does not count."""
        levels = {finding.level for finding in self.findings}
        return "fail" if "fail" in levels else "warn" if "warn" in levels else "pass"

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS[self.status]

    def as_json(self) -> str:
        """Return `{"status": "warn", "findings": [{"check", "level", "sentence", "remedy"}]}`."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"status": self.status, "findings": findings}, indent=2)


def counted(number: int, what: str) -> str:
    """Return `"1 user"` or `"2 users"`; `what` is the plural."""
    return f"{number} {what.removesuffix('s') if number == 1 else what}"


def listed(texts: Sequence[str], separator: str = ", ") -> str:
    """Return `"a, b, c"`, of more than `SHOWN` texts `"a, b, … and 3 more"`."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return f"{separator.join(texts[:SHOWN])}{more}"


def format_findings(
    findings: Iterable[Finding], *, encoding: str = "utf-8", colour: bool = False
) -> str:
    """Format findings for a terminal: one line each, followed by the lines of the remedy.

    Args:
        findings: in order.
        encoding: of the terminal; if it lacks the marks and the arrow, ASCII is used.
        colour: whether to colour the marks (ECMA-48 SGR).
    """
    plain = not _can_show("".join(_MARKS.values()) + "→", encoding)
    marks, arrow = (_ASCII_MARKS, "->") if plain else (_MARKS, "→")
    output = []
    for finding in findings:
        mark = marks[finding.level]
        if colour:
            mark = f"\033[{_COLOURS[finding.level]}m{mark}\033[0m"
        output.append(f"{mark} {finding.check}: {finding.sentence}\n")
        output += _remedy_lines(finding.remedy, arrow)
    return "".join(output).encode(encoding, "replace").decode(encoding)


def _remedy_lines(remedy: str, arrow: str) -> Iterator[str]:
    """Indent the remedy, except for commands and LDIF: ldapmodify rejects indented lines."""
    inside = False
    for number, line in enumerate(remedy.splitlines()):
        inside = inside or line.startswith("dn: ") or line.endswith("<<'EOF'")
        indent = f"    {arrow if number == 0 else ' ' * len(arrow)} " if not inside else ""
        yield f"{indent}{line}\n"
        inside = inside and line != "EOF"


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
