"""The text on the terminal once the service answers."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from mi_ldap.addresses import host_in_url, is_wildcard
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.settings import ServerSettings, Settings


def base_url(server: ServerSettings) -> str:
    """Return the URL for clients on this machine, e.g. `"https://localhost:9164"`."""
    is_local = is_wildcard(server.host) or server.host in ("127.0.0.1", "::1")
    host = "localhost" if is_local else server.host
    return f"{'https' if server.tls else 'http'}://{host_in_url(host)}:{server.port}"


def print_banner(
    settings: Settings, directory: EmbeddedDirectory | None, is_bootstrap_open: bool, problem: str
) -> None:
    """Print the URL, the first login, a search of the embedded directory, and the state folder.

    Args:
        settings: of the service.
        directory: the embedded directory, if there is one.
        is_bootstrap_open: whether the next login may create the first admin.
        problem: why the user store cannot be used; `""` if it can.
    """
    name = click.style("mi_ldap", bold=True)
    click.echo(f"\n  {name} answers on {base_url(settings.server)}/management\n")
    if problem:
        click.echo(f"    {'problem':<10}{click.style(problem, fg='red')}")
        click.echo(f"    {'':<10}mi-ldap doctor reports what to correct.")
    for label, text in _hints(settings, directory, is_bootstrap_open):
        click.echo(f"    {label:<10}{text}")
    click.echo()


def _hints(
    settings: Settings, directory: EmbeddedDirectory | None, is_bootstrap_open: bool
) -> Iterator[tuple[str, str]]:
    yield "browser", f"{base_url(settings.server)}/console"
    if is_bootstrap_open:
        yield "log in", _first_login(settings)
        yield "", click.style(_who_may_be_first(settings, directory is not None), dim=True)
    if directory:
        yield "search", _ldapsearch(directory)
    yield "state", str(settings.state_dir)
    yield "stop", "Ctrl-C"


def _first_login(settings: Settings) -> str:
    name = "admin:admin" if settings.is_embedded else "NAME"
    if settings.bootstrap.mode == "configured" and settings.super_admin.username:
        name = settings.super_admin.username
    words = ["curl", *(["-k"] if settings.server.tls else []), "-u", name]
    return shlex.join([*words, f"{base_url(settings.server)}/management/login"])


def _who_may_be_first(settings: Settings, is_embedded: bool) -> str:
    bootstrap = settings.bootstrap
    if bootstrap.mode == "first_login" and bootstrap.users:
        return (
            f"The first of these to log in becomes the first admin: {', '.join(bootstrap.users)}."
        )
    return _FIRST_LOGIN[bootstrap.mode, is_embedded]


_FIRST_LOGIN = {
    (
        "first_login",
        True,
    ): "Whoever logs in first is created as the first admin, with that password.",
    ("first_login", False): "Whoever logs in first becomes the first admin.",
    ("configured", True): "That login creates the first admin.",
    ("configured", False): "That login creates the first admin.",
}


def _ldapsearch(directory: EmbeddedDirectory) -> str:
    words = ["ldapsearch", "-LLL", "-x", "-H", directory.url, "-D", directory.manager_dn]
    words += ["-y", _short(directory.manager_password_file), "-b", directory.suffix]
    return shlex.join(words)


def _short(path: Path) -> str:
    """Return the path relative to the working directory if it is below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
