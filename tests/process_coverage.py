"""Coverage of code that runs in processes which tests start, when it is measured in the tests."""

from __future__ import annotations

from pathlib import Path

from coverage import Coverage

_ROOT = Path(__file__).parents[1]


def coverage_variables() -> dict[str, str]:
    """Return the environment variables with which a Python process measures its coverage."""
    # Read by coverage's own .pth file, which also sees to processes that end by `os._exit`.
    if Coverage.current() is None:
        return {}
    return {
        "COVERAGE_PROCESS_START": str(_ROOT / "pyproject.toml"),
        "COVERAGE_FILE": str(_ROOT / ".coverage"),
    }
