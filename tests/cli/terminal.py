"""`mi` as a person has it: folders of one's own, and a terminal where that matters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pexpect

from tests.cli import forking

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-P", "-m", "mi_ldap.cli"]
PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def sentence(self) -> str:
        """The one line on stderr."""
        assert self.err.count("\n") == 1, self.err
        return self.err.rstrip("\n")


@dataclass(frozen=True)
class Person:
    """Somebody with a home, where `mi` keeps things."""

    home: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
            **self.more,
        }

    @property
    def remotes_file(self) -> Path:
        return self.home / ".config/mi-ldap/remotes.json"

    @property
    def tokens_file(self) -> Path:
        return self.home / ".local/state/mi-ldap/tokens.json"

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            cwd=self.home,
            encoding="utf-8",
            **{**pipes, **more},
        )

    def __call__(self, *arguments: str, given: str = "") -> Ran:
        """Run `mi` in a pipe, with `given` on its standard input."""
        ran = Ran(*forking.run(arguments, self.environment, self.home, given, PATIENCE_S))
        assert "Traceback" not in ran.err, ran.err
        return ran

    def done(self, *arguments: str, given: str = "") -> Ran:
        """The same, where it must succeed."""
        ran = self(*arguments, given=given)
        assert ran.status == 0, ran
        return ran

    def at_terminal(self, *arguments: str, columns: int = 80) -> pexpect.spawn[str]:
        """Run `mi` on a terminal."""
        return pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *arguments],
            env=self.environment,
            cwd=str(self.home),
            encoding="utf-8",
            timeout=PATIENCE_S,
            dimensions=(24, columns),
        )

    def twin(self, home: Path, **more: str) -> Person:
        """Somebody with a copy of that home."""
        shutil.copytree(self.home, home, dirs_exist_ok=True)
        return Person(home, more)


def ended(child: pexpect.spawn[str]) -> tuple[int, str]:
    """The exit status, and the rest of what was on the terminal."""
    child.expect(pexpect.EOF)
    child.close()
    shown = str(child.before)
    assert "Traceback" not in shown, shown
    assert child.exitstatus is not None
    return child.exitstatus, shown.replace("\r\n", "\n")
