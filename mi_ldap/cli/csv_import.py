"""`mi user import`: create users from a CSV file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mi_ldap.cli import output
from mi_ldap.cli.commands import Command, domain_option
from mi_ldap.cli.options import Options, pass_options

if TYPE_CHECKING:
    from mi_ldap.client.csv_import import Result

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
    Users and roles of a secondary user store are named DOMAIN/name.

    It can be repeated: existing users keep their passwords and are assigned the roles that they
    lack, so an interrupted run continues. FILE.failed lists the failed lines and why, without
    passwords; a run without failures deletes it.

    A dry run checks names, roles and the length of passwords, as far as the service knows the
    directory's rules, and changes nothing.
    """
    from mi_ldap.client.batch import Batch
    from mi_ldap.client.csv_import import Person, Result, read_lines

    lines = read_lines(file)
    people = [each for each in lines if isinstance(each, Person)]
    results = [each for each in lines if isinstance(each, Result)]
    with options.api() as api:
        # Fails once, and not for each line, if the user may not do this.
        api.users(limit="1")
        batch = Batch(api, admin_role or api.rules().admin_role)
        lines_done = batch.dry_run_results(people) if dry_run else batch.run(people)
        with _reporting(options, file, results, to_do=len(people), dry_run=dry_run):
            results.extend(_with_bar(lines_done, len(people)))
    return 1 if any(each.outcome == "failed" for each in results) else 0


@contextmanager
def _reporting(
    options: Options, file: Path, results: list[Result], *, to_do: int, dry_run: bool
) -> Iterator[None]:
    """Print the report, also if the import is interrupted."""
    unreadable = len(results)
    try:
        yield
    except BaseException:
        output.print_error(
            f"Stopped after {len(results) - unreadable} of {to_do}: "
            "run the same command again to continue."
        )
        raise
    finally:
        # Invalid lines were collected before the others.
        results.sort(key=lambda each: each.line)
        failed = [each for each in results if each.outcome == "failed"]
        # A dry run shows all failures, because it writes no file with them.
        _show(options, results, failed, len(failed) if dry_run else _SHOWN)
        if not dry_run:
            _write(file, failed)


def _with_bar(lines_done: Iterable[Result], total: int) -> Iterator[Result]:
    """Show a progress bar on stderr, if that is a terminal."""
    if not output.is_styled(sys.stderr):
        yield from lines_done
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(lines_done, "Users", total, console=Console(stderr=True), transient=True)


def _show(
    options: Options, results: Sequence[Result], failed: Sequence[Result], limit: int
) -> None:
    counts = Counter(each.outcome for each in results)
    errors = [{"line": each.line, "userId": each.user, "Error": each.error} for each in failed]
    rows = ([str(each.line), each.user, each.outcome, each.error] for each in results)
    options.show(
        {**counts, "errors": errors},
        ["line", "user", "outcome", "error"],
        rows,
        lambda: _print_summary(counts, failed, limit),
    )


def _print_summary(counts: Mapping[str, int], failed: Sequence[Result], limit: int) -> None:
    # JSON and CSV keep the word of the API's status, "Added".
    words = {"added": "created"}
    shown = ", ".join(f"{count} {words.get(outcome, outcome)}" for outcome, count in counts.items())
    output.print_line(shown or "No users.")
    for each in failed[:limit]:
        output.print_error(f"Line {each.line}, {each.user or 'nobody'}: {each.error}")
    if len(failed) > limit:
        output.print_error(f"… and {len(failed) - limit} more.")


def _write(file: Path, failed: Sequence[Result]) -> None:
    """Write the failed lines to FILE.failed; without any, delete that file of an earlier run."""
    from mi_ldap.client.csv_import import remove_failed_lines, write_failed_lines

    report = file.with_name(f"{file.name}.failed")
    try:
        if failed:
            write_failed_lines(report, failed)
            output.print_error(f"Failed lines were written to {report}.")
        elif remove_failed_lines(report):
            output.print_error(f"{report} of an earlier run was deleted.")
    except OSError:
        output.print_error(f"{report} can't be written.")
