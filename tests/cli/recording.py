"""The session in docs/cli.md: every command of `mi`, on a terminal, against a fresh service.

`scripts/cli-recording` writes it; a test records it again and compares.
"""

from __future__ import annotations

import os
import random
import re
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pexpect

from tests.cli.nodes import with_node
from tests.cli.terminal import COMMAND, PATIENCE_S, ROOT, Person
from tests.micro_integrator import MicroIntegrator
from tests.service import running

PAGE = ROOT / "docs/cli.md"
BEGIN = "<!-- recorded by scripts/cli-recording -->\n"
END = "<!-- end of the recording -->\n"

PEOPLE = """user,password,admin,roles
carol,wonderland,true,
"Last, First",wonderland,,developers;testers
dave,wonderland,perhaps,
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A line that is typed, and what the person answers; all in `unseen` leave no trace."""

    typed: str
    answers: tuple[tuple[str, str], ...] = ()
    status: int = 0


PASSWORDS = (("Password of bob: ", "builder"), ("Repeat password: ", "builder"))
SESSION = (
    Step("mi version"),
    Step("mi remote show"),
    Step("mi remote login", (("User: ", "admin"), ("Password: ", "admin")), 3),
    Step("mi remote trust", (("[y/N]: ", "y"),)),
    Step("mi remote login", (("User: ", "admin"), ("Password: ", "admin"))),
    Step("mi user create bob", (*PASSWORDS, ("[y/N]: ", "n"))),
    Step("mi role create developers"),
    Step("mi role create testers"),
    Step("mi role assign bob developers testers"),
    Step("mi user show bob"),
    Step("mi role revoke bob testers"),
    Step("cat people.csv"),
    Step("mi user import people.csv --dry-run", (), 1),
    Step("mi user import people.csv", (), 1),
    Step("cat people.csv.failed"),
    Step("mi user show"),
    Step("mi user show carol"),
    Step("mi user show -p '*o*'"),
    Step("mi user show -x '^[A-Z]' --format json"),
    Step("mi user show --role developers --format csv"),
    Step("mi role show"),
    Step("mi role show developers"),
    Step("mi -v role delete testers", (("[y/N]: ", "y"),)),
    Step(
        "mi user password bob",
        (("New password of bob: ", "the builder"), ("Repeat password: ", "the builder")),
    ),
    Step("mi user delete bob", (("[y/N]: ", "y"),)),
    Step("mi user delete bob", (), 1),
    Step("mi user delete admin", (("[y/N]: ", "y"),), 1),
    Step("mi node show"),
    Step("mi proxy-service show -s order"),
    Step("mi application show OrderService --node mi-1"),
    Step("mi template show sequence OrderService"),
    Step("mi endpoint deactivate OrderService"),
    Step("mi endpoint show OrderService"),
    Step("mi endpoint activate OrderService"),
    Step("mi task trigger nightly", (), 1),
    Step("mi log show -s wso2"),
    Step("mi log download wso2carbon.log"),
    Step("mi log download wso2carbon.log", (), 1),
    Step("mi log-level update synapse-api DEBUG org.apache.synapse.rest.API"),
    Step("mi log-level show synapse-api"),
    Step("mi transaction count 2026 11"),
    Step("mi transaction report 2026-10 2026-11"),
    Step("mi remote add prod mi.example.org 9164"),
    Step("mi remote select prod"),
    Step("mi user show", (), 1),
    Step("mi remote update prod mi2.example.org 9164"),
    Step("mi remote show"),
    Step("mi remote remove prod"),
    Step("mi remote logout"),
    Step("mi completion bash | head -n 1"),
)


def recorded() -> str:
    """The session as it goes now."""
    with (
        tempfile.TemporaryDirectory() as folder,
        MicroIntegrator(Path(folder)) as node,
        patch("tests.service.free_port", _port_of_four_digits),
        running(_environment(Path(folder), node)) as service,
    ):
        person = _person(Path(folder))
        person.done("remote", "update", "default", "localhost", str(service.port))
        shown = "".join(_shown(person, step) for step in SESSION)
    return _timeless(shown, service.port)


def page_with(session: str) -> str:
    """The page, with that session in it."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```console\n{session}```\n\n{END}{after}"


def _environment(folder: Path, node: MicroIntegrator) -> dict[str, str]:
    """A service with one Micro Integrator behind it."""
    config = folder / "config.toml"
    config.write_text(with_node("mi-1", node), encoding="utf-8")
    return {"MI_LDAP_STATE_DIR": f"{folder}/state", "MI_LDAP_CONFIG": str(config)}


def _person(folder: Path) -> Person:
    home = folder / "home"
    (home / "bin").mkdir(parents=True)
    (home / "bin/mi").write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    (home / "bin/mi").chmod(0o755)
    (home / "people.csv").write_text(PEOPLE)
    return Person(home, {"PATH": f"{home}/bin:{os.environ['PATH']}", "NO_COLOR": "1"})


def _shown(person: Person, step: Step) -> str:
    child = pexpect.spawn(
        "bash",
        ["--norc", "-c", step.typed],
        env=person.environment,
        cwd=str(person.home),
        encoding="utf-8",
        timeout=PATIENCE_S,
        dimensions=(24, 80),
    )
    shown = f"$ {step.typed}\n"
    for question, answer in step.answers:
        child.expect_exact(question)
        shown += f"{child.before}{question}"
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    shown += str(child.before)
    assert child.exitstatus == step.status, shown
    return shown.replace("\r\n", "\n")


def _timeless(shown: str, port: int) -> str:
    """Without what is another one each time."""
    shown = shown.replace(f":{port}", ":9164")
    shown = re.sub(r"(?:[0-9A-F]{2}:){15}[0-9A-F]{2}", "··:" * 15 + "··", shown)
    shown = re.sub(r"(names +localhost, 127.0.0.1, ::1).*", r"\1, myhost", shown)
    shown = re.sub(r"(until +).*", r"\g<1>2028-11-20", shown)
    return re.sub(r"\d+ ms", "12 ms", shown)


def _port_of_four_digits() -> int:
    """As the usual one has them, so that tables are as wide."""
    while True:
        port = random.randrange(2000, 9999)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def main() -> None:
    PAGE.write_text(page_with(recorded()), encoding="utf-8")


if __name__ == "__main__":
    main()
