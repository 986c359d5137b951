"""Questions to the user; without a terminal, the lines of the standard input are the answers."""

from __future__ import annotations

import sys
from typing import Final

import click

from mi_ldap.cli.output import print_error
from mi_ldap.client.text import safe

_MEANINGS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}


def ask_text(question: str, argument: str) -> str:
    """Ask for a visible text.

    Args:
        question: the prompt on a terminal.
        argument: the name of the argument that the error names if there is no answer.
    """
    while not (answer := _line(question, argument).strip()):
        if not sys.stdin.isatty():
            raise _missing_argument(argument)
    return answer


def ask_password(question: str, argument: str) -> str:
    """Ask for a password without showing it."""
    if not sys.stdin.isatty():
        return _line(question, argument)
    import getpass

    try:
        return getpass.getpass(f"{safe(question)}: ")
    except EOFError:
        print_error("")
        raise _missing_argument(argument) from None


def ask_new_password(question: str) -> str:
    """Ask for a new password, on a terminal twice."""
    first = ask_password(question, "PASSWORD")
    if sys.stdin.isatty() and ask_password("Repeat password", "PASSWORD") != first:
        raise click.ClickException("The passwords do not match. Nothing was changed.")
    return first


def ask_yes_no(question: str, argument: str) -> bool:
    """Ask for yes or no; no input counts as no."""
    while (answer := _answer(question, argument)) not in _MEANINGS:
        if not sys.stdin.isatty():
            raise click.UsageError(
                f"'{answer}' is neither yes nor no.", click.get_current_context()
            )
    return _MEANINGS[answer]


def must_confirm(*, is_confirmed: bool) -> bool:
    """Whether a change must be confirmed: on a terminal, unless `--yes` was given."""
    # Scripts that were written before there were questions work unchanged.
    return sys.stdin.isatty() and not is_confirmed


def confirm(question: str) -> None:
    """Ask a question, and return only after a yes.

    Raises:
        click.ClickException: the answer was no.
    """
    if not ask_yes_no(question, ""):
        raise click.ClickException("Nothing was changed.")


def note_visible_password() -> None:
    """Warn that arguments of a command are visible to other users of the machine."""
    if sys.stderr.isatty():
        print_error("Other users of this machine can see a password that is typed as an argument.")


def _answer(question: str, argument: str) -> str:
    # Without a terminal, the end of the input means no.
    return _line(f"{question} [y/N]", argument if sys.stdin.isatty() else "").strip().lower()


def _line(question: str, argument: str) -> str:
    if sys.stdin.isatty():
        # On stderr, so that the output of a command can be redirected.
        sys.stderr.write(f"{safe(question)}: ")
        sys.stderr.flush()
    line = _read()
    # Ctrl-D leaves the cursor behind the prompt.
    if not line.endswith("\n") and sys.stdin.isatty():
        print_error("")
    if not line and argument:
        raise _missing_argument(argument)
    return line.removesuffix("\n").removesuffix("\r")


def _read() -> str:
    try:
        return sys.stdin.readline()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not in the locale's encoding"
        raise click.ClickException(f"The standard input can't be read: {reason.lower()}.") from None


def _missing_argument(argument: str) -> click.UsageError:
    return click.UsageError(f"Missing argument '{argument}'.", click.get_current_context())
