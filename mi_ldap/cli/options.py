"""The values of the common options, and the connection that follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from mi_ldap.cli import output

if TYPE_CHECKING:
    from mi_ldap.client.api import ManagementApi
    from mi_ldap.client.artifacts import ArtifactsApi
    from mi_ldap.client.http import ConnectionOptions
    from mi_ldap.client.remotes import Remote
    from mi_ldap.client.tokens import Login


@dataclass(slots=True)
class Options:
    """The values of the common options."""

    verbose: bool = False
    insecure: bool = False
    ca: str | None = None
    remote: str | None = None
    domain: str = ""
    node: str | None = None
    output_format: str = "table"
    timeout: float | None = None

    @property
    def timeout_s(self) -> float:
        """Time limit of a response in seconds."""
        # Imports of the client are inside functions, so that help and completion start fast.
        from mi_ldap.client.http import RESPONSE_S

        return self.timeout or RESPONSE_S

    def selected_remote(self) -> Remote:
        """Return the remote of `--remote`, or the selected one."""
        from mi_ldap.client import remotes

        return remotes.load().get(self.remote)

    def api(self) -> ManagementApi:
        """Return the API of the remote, with its stored login.

        Raises:
            LoginNeeded: there is no login.
        """
        from mi_ldap.client.api import ManagementApi

        return ManagementApi(*self._session(), self.domain)

    def artifacts(self) -> ArtifactsApi:
        """Return the API of the Micro Integrator of `--node`, with the stored login.

        Raises:
            LoginNeeded: there is no login.
        """
        from mi_ldap.client.artifacts import ArtifactsApi

        return ArtifactsApi(*self._session(), self.node)

    def nodes(self) -> dict[str, Any]:
        """Return the states of the Micro Integrators of the remote, by their ids."""
        from mi_ldap.client.artifacts import ArtifactsApi

        with ArtifactsApi(self.connection(self.selected_remote()), None) as api:
            return api.nodes()

    def _session(self) -> tuple[ConnectionOptions, Login]:
        from mi_ldap.client.errors import LoginNeeded
        from mi_ldap.client.tokens import stored_login

        remote = self.selected_remote()
        login = stored_login(remote)
        if login is None:
            raise LoginNeeded(remote.name, had_login=False)
        return self.connection(remote), login

    def connection(self, remote: Remote) -> ConnectionOptions:
        """Return how to connect to the remote; warn if certificates are not verified."""
        from mi_ldap.client.http import ConnectionOptions

        if self.insecure:
            output.print_error(
                f"WARNING: the certificate of {remote.url} is not verified: an attacker on the "
                "network can read every password and act as you."
            )
        log = output.print_error if self.verbose else lambda _line: None
        return ConnectionOptions(remote, self.ca, not self.insecure, self.timeout_s, log)

    def report_change(self, answer: Mapping[str, Any], sentence: str) -> None:
        """Report a change: print the sentence, or the response in the chosen format."""
        row = list(answer.values())
        self.show(answer, list(answer), [row], lambda: output.print_line(sentence))

    def show_names(self, content: Mapping[str, Any], key: str, *, complete: bool = True) -> None:
        """Print a list of the service, `{"list": [{key: name}, …]}`."""
        names = [entry[key] for entry in content["list"]]
        heading = "USER" if key == "userId" else "ROLE"
        rows = ([name] for name in names)
        self.show(content, [key], rows, lambda: output.show_names(heading, names))
        if not complete:
            self.report_incomplete()

    def report_incomplete(self) -> None:
        """Say on stderr that names are missing in a list."""
        output.print_error(
            "The list is incomplete: a user store is unavailable or limits the size of lists."
        )

    def show(
        self,
        content: object,
        headings: Sequence[str],
        rows: Iterable[Sequence[object]],
        print_table: Callable[[], None],
    ) -> None:
        """Print a result in the chosen format: `content` as JSON, the rows as CSV, or the table."""
        if self.output_format == "json":
            output.show_json(content)
        elif self.output_format == "csv":
            output.show_csv(headings, rows)
        else:
            print_table()


pass_options = click.make_pass_decorator(Options, ensure=True)
