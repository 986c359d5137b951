"""Questions to the person; where there is none, lines of the standard input answer."""

from __future__ import annotations

import sys
from typing import Final

import click

from mi_ldap.cli.output import print_error
from mi_ldap.client.text import safe

_MEANINGS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}


def text(question: str, missing: str) -> str:
    """An answer that may be seen.

    Args:
        question: what is asked at a terminal.
        missing: the argument that would have told, for the one who asks in vain.
    """
    while not (answer := _line(question, missing).strip()):
        if not sys.stdin.isatty():
            raise _nothing(missing)
    return answer


def password(question: str, missing: str) -> str:
    """An answer that nobody sees."""
    if not sys.stdin.isatty():
        return _line(question, missing)
    import getpass

    try:
        return getpass.getpass(f"{safe(question)}: ")
    except EOFError:
        print_error("")
        raise _nothing(missing) from None


def new_password(question: str) -> str:
    """One that is typed twice, so that it is the one that was meant."""
    first = password(question, "PASSWORD")
    if sys.stdin.isatty() and password("Repeat password", "PASSWORD") != first:
        raise click.ClickException("The passwords do not match. Nothing was changed.")
    return first


def yes(question: str, missing: str) -> bool:
    """Only a yes is one; where there is neither a terminal nor a line, nobody says it."""
    while (answer := _answer(question, missing)) not in _MEANINGS:
        if not sys.stdin.isatty():
            raise click.UsageError(
                f"'{answer}' is neither yes nor no.", click.get_current_context()
            )
    return _MEANINGS[answer]


def must_confirm(*, is_confirmed: bool) -> bool:
    """Whether a change must be confirmed: on a terminal, unless `--yes` was given."""
    return sys.stdin.isatty() and not is_confirmed


def confirm(question: str) -> None:
    """Ask a question, and return only after a yes.

    Raises:
        click.ClickException: the answer was no.
    """
    if not yes(question, ""):
        raise click.ClickException("Nothing was changed.")


def note_visible_password() -> None:
    """What stands on a command line is no secret."""
    if sys.stderr.isatty():
        print_error("Other users of this machine can see a password that is typed as an argument.")


def _answer(question: str, missing: str) -> str:
    return _line(f"{question} [y/N]", missing if sys.stdin.isatty() else "").strip().lower()


def _line(question: str, missing: str) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(f"{safe(question)}: ")
        sys.stderr.flush()
    line = _read()
    if not line.endswith("\n") and sys.stdin.isatty():
        print_error("")
    if not line and missing:
        raise _nothing(missing)
    return line.removesuffix("\n").removesuffix("\r")


def _read() -> str:
    try:
        return sys.stdin.readline()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not in the locale's encoding"
        raise click.ClickException(f"The standard input can't be read: {reason.lower()}.") from None


def _nothing(missing: str) -> click.UsageError:
    return click.UsageError(f"Missing argument '{missing}'.", click.get_current_context())
