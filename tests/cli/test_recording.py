"""What docs/cli.md shows is what happens."""

from __future__ import annotations

import click

from mi_ldap.cli.kinds import ARTIFACTS
from mi_ldap.cli.root import mi
from tests.cli.recording import PAGE, SESSION, page_with, recorded

MADE = {kind.command for kind in ARTIFACTS}


def test_the_recorded_session_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(recorded()), (
        "run scripts/cli-recording, and look at what it changes in docs/cli.md"
    )


def test_every_command_is_in_the_recorded_session() -> None:
    typed = "\n".join(step.typed.replace("mi -v ", "mi ") for step in SESSION)
    for name, command in mi.commands.items():
        names = command.commands if isinstance(command, click.Group) else [""]
        missing = [each for each in names if not shown(name, each, typed)]
        assert not missing, name


def shown(group: str, command: str, typed: str) -> bool:
    """Whether it is typed; of groups from the table of artifacts, it may be that of another one."""
    same = MADE if group in MADE else {group}
    return any(f"mi {each} {command}".rstrip() in typed for each in same)
