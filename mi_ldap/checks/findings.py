"""What the doctor finds, and how it is told: lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final, Literal

Level = Literal["pass", "warn", "fail", "skip"]

EXIT_STATUS: Final[dict[str, int]] = {"pass": 0, "warn": 1, "fail": 2}

_MARKS: Final[dict[Level, str]] = {"pass": "✓", "warn": "!", "fail": "✗", "skip": "–"}
_ASCII_MARKS: Final[dict[Level, str]] = {"pass": "ok", "warn": "!", "fail": "X", "skip": "-"}
_COLOURS: Final[dict[Level, str]] = {"pass": "32", "warn": "33", "fail": "31", "skip": "2"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: what was looked at, `"certificate"`; the same word as in docs/doctor.md.
        level: `skip` for what could not be seen.
        sentence: for the directory's administrator; never a secret.
        remedy: what to type or change; `""` where there is nothing to do.
    """

    check: str
    level: Level
    sentence: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order in which they were made."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Literal["pass", "warn", "fail"]:
        """The worst level; what was skipped is no fault."""
        levels = {finding.level for finding in self.findings}
        return "fail" if "fail" in levels else "warn" if "warn" in levels else "pass"

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS[self.status]

    def as_json(self) -> str:
        """`{"status": "warn", "findings": [{"check", "level", "sentence", "remedy"}, …]}`."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"status": self.status, "findings": findings}, indent=2)


def counted(number: int, what: str) -> str:
    """`"1 user"`, `"2 users"`; `what` is the plural."""
    return f"{number} {what.removesuffix('s') if number == 1 else what}"


def lines(findings: Iterable[Finding], *, encoding: str = "utf-8", colour: bool = False) -> str:
    """The findings as people read them, a line each, what to do about it below.

    Args:
        findings: in their order.
        encoding: of the terminal; marks and dashes are ASCII where it has no others.
        colour: whether the marks are coloured (ECMA-48 SGR).
    """
    plain = not _can_show("".join(_MARKS.values()) + "→", encoding)
    marks, arrow = (_ASCII_MARKS, "->") if plain else (_MARKS, "→")
    told = []
    for finding in findings:
        mark = _coloured(marks[finding.level], finding.level) if colour else marks[finding.level]
        told.append(f"{mark} {finding.check}: {finding.sentence}\n")
        told += _remedy_lines(finding.remedy, arrow)
    return "".join(told).encode(encoding, "replace").decode(encoding)


def _remedy_lines(remedy: str, arrow: str) -> Iterator[str]:
    """Commands and LDIF begin at the margin, to be pasted: ldapmodify takes no indented lines."""
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


def _coloured(mark: str, level: Level) -> str:
    return f"\033[{_COLOURS[level]}m{mark}\033[0m"
