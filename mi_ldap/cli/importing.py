"""`mi user import`: many users from a CSV file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mi_ldap.cli import output
from mi_ldap.cli.commands import Command, domain_option
from mi_ldap.cli.options import Options, pass_options

if TYPE_CHECKING:
    from mi_ldap.client.people import Result

_SHOWN = 10


@click.command(
    "import",
    cls=Command,
    examples=(
        ("mi user import people.csv --dry-run", "what would be done"),
        ("mi user import people.csv", "do it; failed lines are written to people.csv.failed"),
    ),
)
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CSV in UTF-8."
)
@click.option("--dry-run", is_flag=True, help="Check the file, and change nothing.")
@click.option(
    "--admin-role",
    metavar="ROLE",
    help="Role to assign to existing users that the file makes admins. Default: the service's.",
)
@domain_option()
@pass_options
def import_users(options: Options, file: Path, dry_run: bool, admin_role: str | None) -> int:
    """Create users from the lines of a CSV file.

    The first line names the columns: user,password,admin,roles. The last two may be left out;
    admin is true or false, and several roles are separated by semicolons. The roles must exist.

    It can be repeated: users that exist keep their passwords and are given what they lack, so an
    interrupted run goes on where it was. FILE.failed tells what failed and why, without passwords;
    a run in which nothing fails removes it.

    A dry run checks names, roles and the length of passwords, as far as the service knows the
    directory's rules, and changes nothing.
    """
    from mi_ldap.client.batch import Batch
    from mi_ldap.client.people import Person, Result, read_people

    lines = read_people(file)
    people = [each for each in lines if isinstance(each, Person)]
    results = [each for each in lines if isinstance(each, Result)]
    with options.api() as api:
        # Whoever may not do this at all is told so once.
        api.users(limit="1")
        batch = Batch(api, admin_role or api.rules().admin_role)
        doing = batch.foreseen(people) if dry_run else batch.carried_out(people)
        with _reported(options, file, results, to_do=len(people), dry_run=dry_run):
            results.extend(_with_bar(doing, len(people)))
    return 1 if any(each.outcome == "failed" for each in results) else 0


@contextmanager
def _reported(
    options: Options, file: Path, results: list[Result], *, to_do: int, dry_run: bool
) -> Iterator[None]:
    """The report comes also when the run is cut off."""
    unreadable = len(results)
    try:
        yield
    except BaseException:
        output.print_error(
            f"Stopped after {len(results) - unreadable} of {to_do}: "
            "the same command again goes on from there."
        )
        raise
    finally:
        results.sort(key=lambda each: each.line)
        failed = [each for each in results if each.outcome == "failed"]
        # A dry run shows all failures, because it writes no file with them.
        _show(options, results, failed, len(failed) if dry_run else _SHOWN)
        if not dry_run:
            _write(file, failed)


def _with_bar(doing: Iterable[Result], total: int) -> Iterator[Result]:
    """With a bar on stderr where somebody looks at it."""
    if not output.is_styled(sys.stderr):
        yield from doing
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(doing, "Users", total, console=Console(stderr=True), transient=True)


def _show(options: Options, results: Sequence[Result], failed: Sequence[Result], most: int) -> None:
    if options.form == "csv":
        rows = ([str(each.line), each.user, each.outcome, each.error] for each in results)
        output.show_csv(["line", "user", "outcome", "error"], rows)
        return
    counts = Counter(each.outcome for each in results)
    if options.form == "json":
        output.show_json({**counts, "errors": [_as_json(each) for each in failed]})
        return
    output.say(", ".join(f"{count} {word}" for word, count in counts.items()) or "No users.")
    for each in failed[:most]:
        output.print_error(f"Line {each.line}, {each.user or 'nobody'}: {each.error}")
    if len(failed) > most:
        output.print_error(f"… and {len(failed) - most} more.")


def _as_json(result: Result) -> dict[str, str | int]:
    return {"line": result.line, "userId": result.user, "Error": result.error}


def _write(file: Path, failed: Sequence[Result]) -> None:
    """An older report says nothing of this run."""
    from mi_ldap.client.people import remove_failures, write_failures

    report = file.with_name(f"{file.name}.failed")
    try:
        if failed:
            write_failures(report, failed)
            output.print_error(f"Failed lines were written to {report}.")
        elif remove_failures(report):
            output.print_error(f"{report}, written by an earlier run, was removed.")
    except OSError:
        output.print_error(f"{report} can't be written.")
