"""Questions to the person; where there is none, lines of the standard input answer."""

from __future__ import annotations

import sys

import click

from mi_ldap.cli.output import complain, safe


def text(question: str, missing: str) -> str:
    """An answer that may be seen.

    Args:
        question: what is asked at a terminal.
        missing: the argument that would have told, for the one who asks in vain.
    """
    return _line(question, missing)


def password(question: str, missing: str) -> str:
    """An answer that nobody sees."""
    if not sys.stdin.isatty():
        return _line(question, missing)
    import getpass

    try:
        return getpass.getpass(f"{safe(question)}: ")
    except EOFError:
        raise _nothing(missing) from None


def new_password(question: str) -> str:
    """One that is typed twice, so that it is the one that was meant."""
    first = password(question, "PASSWORD")
    if sys.stdin.isatty() and password("The same again", "PASSWORD") != first:
        raise click.ClickException("The two passwords differ: nothing was changed.")
    return first


def yes(question: str) -> bool:
    """Only a yes is one; without a terminal there is nobody to say it."""
    if not sys.stdin.isatty():
        return False
    return _line(f"{question} [y/N]", "").strip().lower() in {"y", "yes"}


def note_visible_password() -> None:
    """What stands on a command line is no secret."""
    if sys.stderr.isatty():
        complain("Others on this machine can see a password that is typed as an argument.")


def _line(question: str, missing: str) -> str:
    if sys.stdin.isatty():
        sys.stderr.write(f"{safe(question)}: ")
        sys.stderr.flush()
    line = _read()
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
