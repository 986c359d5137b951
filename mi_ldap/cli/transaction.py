"""`mi transaction`: how many transactions a Micro Integrator has carried out."""

from __future__ import annotations

from typing import Any

import click

from mi_ldap.cli import output
from mi_ldap.cli.commands import Group, node_option
from mi_ldap.cli.details import csv_value, show_details, text_of
from mi_ldap.cli.options import Options, pass_options

_ROWS = "TransactionCountData"


@click.group(
    cls=Group,
    no_args_is_help=True,
    examples=(
        ("mi transaction count 2026 11", "in November"),
        ("mi transaction report 2026-01 2026-06", "from January to June"),
    ),
)
def transaction() -> None:
    """Show the number of transactions of a Micro Integrator."""


@transaction.command(
    examples=(
        ("mi transaction count", "in this month"),
        ("mi transaction count 2026 11", "in November"),
    )
)
@click.argument("year", required=False, type=click.IntRange(1, 9999), help="This year if missing.")
@click.argument("month", required=False, type=click.IntRange(1, 12), help="This month if missing.")
@node_option()
@pass_options
def count(options: Options, year: int | None, month: int | None) -> None:
    """Show the number of transactions in a month."""
    if year is not None and month is None:
        raise click.UsageError("Give a YEAR and a MONTH, or neither.")
    query = {} if year is None else {"year": str(year), "month": str(month)}
    with options.artifacts() as api:
        show_details(options, api.details("transactions/count", query))


@transaction.command(
    examples=(
        ("mi transaction report 2026-01", "from January until now"),
        ("mi transaction report 2026-01 2026-06 --format csv > report.csv", "write it as CSV"),
    )
)
@click.argument("start", metavar="START", type=click.DateTime(["%Y-%m"]), help="YYYY-MM.")
@click.argument(
    "end", metavar="[END]", required=False, type=click.DateTime(["%Y-%m"]), help="YYYY-MM."
)
@node_option()
@pass_options
def report(options: Options, start: Any, end: Any) -> None:
    """Show the numbers of transactions from one month to another."""
    query = {"start": f"{start:%Y-%m}", "end": end and f"{end:%Y-%m}"}
    with options.artifacts() as api:
        content = api.lists("transactions/report", query, (_ROWS,))
    # A row of headings, and the data.
    headings, *rows = [each for each in content[_ROWS] if isinstance(each, list)] or [[]]
    names = [text_of(each) for each in headings]
    options.show(
        content,
        names,
        ([csv_value(each) for each in row] for row in rows),
        lambda: output.show_table(names, ([text_of(each) for each in row] for row in rows)),
    )
