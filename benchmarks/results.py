"""What was measured last, kept as JSON: `results/embedded-1000.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.rows import Figures

_FOLDER = Path(__file__).with_name("results")
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Result:
    """One directory at one size, measured once.

    Attributes:
        directory: one of `DIRECTORIES`.
        users: how many there were.
        rounds: of which the figures are the median.
    """

    directory: str
    users: int
    rounds: int
    figures: Figures
    date: str
    commit: str
    machine: dict[str, str]

    def keep(self) -> None:
        """Write it in the place of an older one."""
        text = json.dumps(_rounded(asdict(self)), indent=1, ensure_ascii=False)
        _FOLDER.mkdir(exist_ok=True)
        file = _FOLDER / f"{self.directory}-{self.users}.json"
        file.write_text(f"{text}\n", encoding="utf-8")


def kept(directory: str) -> list[Result]:
    """All that was kept of a directory, the smallest size first."""
    files = _FOLDER.glob(f"{directory}-*.json")
    found = [Result(**json.loads(file.read_text(encoding="utf-8"))) for file in files]
    return sorted(found, key=lambda each: each.users)


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, _DIGITS) if isinstance(value, float) else value
