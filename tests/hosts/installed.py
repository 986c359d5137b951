"""Whether a machine has what the directories of the tests need; decided here alone.

`scripts/test` installs it where it can. Where it is missing all the same, the tests fail under
`CI=true`; on somebody's own machine they are skipped, and pytest says why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from typing import NoReturn

import pytest

_MORE_PLACES = "/usr/sbin:/sbin"


def program(name: str) -> str:
    """Where the program is; without it the test ends here."""
    places = f"{os.environ.get('PATH', os.defpath)}:{_MORE_PLACES}"
    return shutil.which(name, path=places) or missing(f"the program {name} is not installed")


def need_namespaces() -> None:
    """Without the right to make a network namespace the test ends here."""
    if not _can_make_namespaces():
        missing("a network namespace needs root here, or user namespaces that are open to all")


@cache
def _can_make_namespaces() -> bool:
    kinds = "-n" if os.getuid() == 0 else "-rn"
    return (
        subprocess.run(["unshare", kinds, "true"], capture_output=True, check=False).returncode == 0
    )


def missing(what: str) -> NoReturn:
    reason = f"Not tested: {what}. scripts/test installs what it can."
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
