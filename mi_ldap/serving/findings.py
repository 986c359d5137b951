"""Findings on the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click

from mi_ldap.checks.findings import Finding, format_findings


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings with their remedies, with the marks and colours that the terminal has."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    encoding = sys.stdout.encoding or "ascii"
    click.echo(format_findings(findings, encoding=encoding, colour=colour), nl=False, color=colour)
