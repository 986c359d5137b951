"""A case: a directory tree met in the field, how it is configured, and what must hold on it.

Each case is a module of `tests/field/cases` with one `CASE`. Its LDIF and TOML files are in
`tests/field/trees/<name>`; `user_store.connection_url` and `ca_file` of the TOML are replaced by
those of the server that the test starts. By convention everybody's password is the name and `-pw`.

To add a case: copy the files to `trees`, write a module in `cases`, run
`pytest tests/field -k <name>`, then `scripts/directories-table` for the table of
docs/directories.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.hosts.openldap import OpenLdap, Setup
from tests.hosts.process import DirectoryHost
from tests.subtree import Tool

if TYPE_CHECKING:
    from tests.field.place import Field

TREES: Final = Path(__file__).parent / "trees"

PLAIN: Final = Setup(member_of=False, refint=False, ppolicy=False, unique=False, syncprov=True)
"""An OpenLDAP without overlays, but for the one that memory needs."""

Check = Callable[["Field"], None]
"""One column of the table: raises AssertionError where the service breaks a promise."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A directory of the field, and what the service must do there.

    Attributes:
        name: the folder in `trees`, `"01-cn-names-one-base"`; cases may share one.
        title: the row of the table, no other case's.
        admins: the names of those who hold the admin role; the first acts in the checks.
        others: the names of the other users.
        config: the TOML file of the service.
        tree_files: the LDIF files that slapadd loads, in this order.
        setup: the server; `content` and `config_changes` are filled from the case.
        config_changes: LDIF for cn=config, with change types, applied before the server starts.
        after_start: changes made by the directory's manager while the server runs, such as groups
            whose members the overlay memberof must see.
        start: starts another arrangement of servers in a folder, such as a provider and a replica;
            the one returned is the one that the service uses.
        settings: settings over those of the TOML file, as `{"USER_STORE__INDEX_LIMIT": "0"}`.
        memory: whether memory must answer in the end; None where both are right.
        role: a group that the checks assign and revoke; `""` for one that they create.
        findings: what the doctor must find: `(check, level, regular expression)`. It must find no
            other warning or failure.
        checks: checks of this case's own, by the column whose general check they replace. More
            columns than `checks.COLUMNS` has may be named; those are tested, not shown.
        refused: the note of the table for a column where the service must refuse; the case then
            has a check of its own for that column, which asserts the refusal's sentence.
    """

    name: str
    title: str
    admins: Sequence[str]
    others: Sequence[str] = ()
    config: str = "mi-ldap.toml"
    tree_files: Sequence[str] = ("tree.ldif",)
    setup: Setup = PLAIN
    config_changes: str = ""
    after_start: Callable[[Tool], None] | None = None
    start: Callable[[Case, Path], AbstractContextManager[DirectoryHost]] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    memory: bool | None = True
    role: str = ""
    findings: Sequence[tuple[str, str, str]] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return TREES / self.name

    @property
    def config_file(self) -> Path:
        return self.folder / self.config

    @property
    def content(self) -> str:
        """The LDIF of all tree files."""
        texts = [(self.folder / name).read_text(encoding="utf-8") for name in self.tree_files]
        return "\n".join(texts)

    @cached_property
    def service_account(self) -> tuple[str, str]:
        """DN and password of the service's own account."""
        user_store: dict[str, Any] = tomllib.loads(self.config_file.read_text())["user_store"]
        return user_store["connection_name"], user_store["connection_password"]

    def server(self, folder: Path) -> OpenLdap:
        """The server of the case, not started yet."""
        setup = replace(self.setup, content=self.content, config_changes=self.config_changes)
        server = OpenLdap(folder, setup)
        server.service_dn, server.service_password = self.service_account
        return server

    def started(self, folder: Path) -> AbstractContextManager[DirectoryHost]:
        """The server that the service uses, running inside of the `with` block."""
        return self.start(self, folder) if self.start else self.server(folder)
