"""What a run of `mi` was told for all commands, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mi_ldap.cli import output

if TYPE_CHECKING:
    from mi_ldap.client.api import ManagementApi
    from mi_ldap.client.http import ConnectionOptions
    from mi_ldap.client.remotes import Remote


@dataclass(slots=True)
class Options:
    """The options that stand everywhere."""

    verbose: bool = False
    insecure: bool = False
    ca: str | None = None
    remote: str | None = None
    domain: str = ""
    form: str = "table"
    timeout: float | None = None

    @property
    def answer_s(self) -> float:
        """How long an answer may take."""
        from mi_ldap.client.http import ANSWER_S

        return self.timeout or ANSWER_S

    def chosen(self) -> Remote:
        """The remote that the command is for."""
        from mi_ldap.client import remotes

        return remotes.load().get(self.remote)

    def api(self) -> ManagementApi:
        """The chosen remote, as whoever is logged in there.

        Raises:
            LoginNeeded: nobody is.
        """
        from mi_ldap.client.errors import LoginNeeded
        from mi_ldap.client.tokens import login_of

        remote = self.chosen()
        login = login_of(remote)
        if login is None:
            raise LoginNeeded(remote.name, was_in=False)
        from mi_ldap.client.api import ManagementApi

        return ManagementApi(self.connection(remote), login, self.domain)

    def connection(self, remote: Remote) -> ConnectionOptions:
        """The way there."""
        from mi_ldap.client.http import ConnectionOptions

        if self.insecure:
            output.print_error(
                f"WARNING: the certificate of {remote.url} is not verified: an attacker on the "
                "network can read every password and act as you."
            )
        log = output.print_error if self.verbose else _silent
        return ConnectionOptions(remote, self.ca, not self.insecure, self.answer_s, log)

    def done(self, answer: Mapping[str, Any], sentence: str) -> None:
        """A change was made: the sentence, or what the service said."""
        if self.form == "json":
            output.show_json(answer)
        elif self.form == "csv":
            output.show_csv(list(answer), [list(answer.values())])
        else:
            output.say(sentence)

    def names(self, content: Mapping[str, Any], key: str, *, complete: bool = True) -> None:
        """A list of the service: `{"list": [{key: name}, …]}`."""
        names = [entry[key] for entry in content["list"]]
        if self.form == "json":
            output.show_json(content)
        elif self.form == "csv":
            output.show_csv([key], ([name] for name in names))
        else:
            output.show_names("USER" if key == "userId" else "ROLE", names)
        if not complete:
            output.print_error("The list is incomplete: the directory limits the size of lists.")


pass_options = click.make_pass_decorator(Options, ensure=True)


def _silent(_line: str) -> None:
    pass
