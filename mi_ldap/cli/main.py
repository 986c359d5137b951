"""Run one command: error messages on stderr, and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Final

import click

from mi_ldap.cli.output import print_error
from mi_ldap.cli.root import mi
from mi_ldap.errors import MiLdapError

FAILED: Final = 1
USAGE: Final = 2
NO_CONNECTION: Final = 3
# 128 + SIGINT, as a shell reports a program that ended by the signal.
INTERRUPTED: Final = 130
# 128 + SIGPIPE.
PIPE_CLOSED: Final = 141


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which end a command as Ctrl-C does: without half-written files."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number


def end_like_interrupted() -> None:
    """Raise `Terminated` for the signals that would end the process at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise Terminated(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores SIGHUP
            signal.signal(number, end)


def run(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    _open_streams()
    try:
        return _run_and_flush(arguments)
    except Terminated as end:
        return end.status
    except KeyboardInterrupt:
        print_error("")
        return INTERRUPTED
    finally:
        _close_streams()


def _open_streams() -> None:
    """Replace standard streams that the caller has closed."""
    # Otherwise the next file that is opened would get the number of such a stream, and its output.
    # Opened in the wrong direction, so that using one fails as with a closed stream.
    for name, mode, flags in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode, encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        # Names that the locale cannot encode are printed with escapes.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _run_and_flush(arguments: Sequence[str]) -> int:
    try:
        status = _status(arguments)
        # Here, where a full disk or a closed pipe can still change the exit status.
        sys.stdout.flush()
    except BrokenPipeError:
        return PIPE_CLOSED
    except OSError as error:
        print_error(f"The output can't be written: {(error.strerror or 'error').lower()}.")
        return FAILED
    return status


def _close_streams() -> None:
    """Flush; discard what cannot be written."""
    # The interpreter would try to write it again at its end, and report the error once more.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _status(arguments: Sequence[str]) -> int:
    try:
        return _invoked(arguments)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        print_error(_usage(error))
        return USAGE
    except click.ClickException as error:
        print_error(error.format_message())
    except MiLdapError as error:
        print_error(str(error))
        return _exit_status(error)
    except RecursionError:
        # JSON can be read at a depth at which it can no longer be written.
        print_error("The response is nested too deeply to be shown.")
    return FAILED


def _invoked(arguments: Sequence[str]) -> int:
    # The shell's completion sets it, and expects its names in place of a command.
    if instruction := os.environ.get("_MI_COMPLETE"):
        from mi_ldap.cli.completion import complete

        return complete(mi, instruction)
    with mi.make_context("mi", list(arguments)) as context:
        result = mi.invoke(context)
    return result if isinstance(result, int) else 0


def _usage(error: click.UsageError) -> str:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    command = error.ctx.command_path if error.ctx else "mi"
    message = error.format_message()
    return f"{message}{'' if message.endswith(('.', ')', '?')) else '.'} See '{command} --help'."


def _exit_status(error: MiLdapError) -> int:
    from mi_ldap.client.errors import NoConnection

    return NO_CONNECTION if isinstance(error, NoConnection) else FAILED
