"""`config/read-only.toml` runs as it is, but for addresses, passwords and bases.

The commands of docs/stores/read-only.md and hybrid.md are executed from the pages.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.api.client import PASSWORD
from tests.app_command import run_app
from tests.cli.terminal import Person
from tests.directory.readers import READER_PASSWORD
from tests.hosts.fixtures import samba  # noqa: F401
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY
from tests.service import Caller, Environment, running, running_all
from tests.sql.fixtures import postgresql  # noqa: F401
from tests.sql.servers import PostgreSql
from tests.sql.stores import server_place
from tests.subtree import Subtree, Tool, host_like, subtree_in

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "read-only.toml"
PAGES = ROOT / "docs" / "stores"
ADMIN = "Internal/admin"


@pytest.fixture
def place(samba: Samba) -> Iterator[Subtree]:  # noqa: F811
    """A place with users and a group, and an account that may do nothing but read."""
    host = host_like(samba, ACTIVE_DIRECTORY)
    with (
        closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
        subtree_in(host, tool) as made,
    ):
        dns = [made.add_user(name, PASSWORD) for name in ("alice", "bob", "carol")]
        made.add_group("developers", dns[1])
        account = f"r{made.name}"
        dn = tool.add(
            f"CN={account},OU=services,{host.base}",
            ["user"],
            **made.kind.person_of(account, READER_PASSWORD),
        )
        yield replace(
            made, host=replace(host, account=(f"{account}@example.test", READER_PASSWORD))
        )
        tool.delete(dn)


def environment(place: Subtree, state: Path, config: Path = CONFIG) -> Environment:
    """What an operator puts in; all else is as the example has it."""
    account, password = place.host.account
    given = {
        "CONNECTION_URL": f"ldaps://127.0.0.1:1 {place.host.url}",
        "CONNECTION_NAME": account,
        "CONNECTION_PASSWORD": password,
        "CA_FILE": str(place.host.ca_file),
        "USER_SEARCH_BASE": place.user_base,
        "GROUP_SEARCH_BASE": place.group_base,
    }
    own = {f"MI_LDAP_USER_STORE__{key}": value for key, value in given.items()}
    return {
        **own,
        "MI_LDAP_CONFIG": str(config),
        "MI_LDAP_STATE_DIR": str(state),
        "MI_LDAP_SERVER__WORKERS": "2",
    }


def change(call: Caller, token: str, name: str, **roles: list[str]) -> int:
    return call("PUT", "/roles", {"userId": name, **roles}, token=token).status


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks of commands of a page, each with the output that follows it, or `""`."""
    text = (PAGES / page).read_text("utf-8")
    return re.findall(r"```sh\n(.*?)```\n(?:[^`]*?```text\n(.*?)```)?", text, re.DOTALL)


@dataclass(frozen=True)
class Operator:
    """Somebody at a shell on the machine of the service."""

    env: Environment
    person: Person

    def follow(self, page: str, start: str) -> None:
        """Execute the one block of a page that begins so, and compare the output."""
        ((commands, output),) = [each for each in blocks(page) if each[0].startswith(start)]
        state = self.env["MI_LDAP_STATE_DIR"]
        for there, here in (("/var/lib/mi-ldap", state), ("/var/backups", f"{state}.backup")):
            commands = commands.replace(there, here)
        said = "".join(map(self.run, commands.splitlines()))
        assert said == output.replace("/etc/mi-ldap/my.toml", str(CONFIG))

    def run(self, command: str) -> str:
        program, *arguments = shlex.split(command)
        if program == "export":
            return ""
        if program == "mi-ldap":
            done = run_app(*arguments, env=self.env)
            assert done.returncode == 0, done.stderr
            return done.stdout
        if program == "mi":
            is_login = "login" in arguments
            process = self.person.start(*arguments)
            said, errors = process.communicate(f"{PASSWORD}\n" if is_login else "")
            assert process.returncode == 0, errors
            return "" if arguments[0] == "remote" else said
        return subprocess.run(
            ["/bin/sh", "-c", command], check=True, capture_output=True, text=True
        ).stdout


@pytest.fixture
def operator(place: Subtree, tmp_path: Path) -> Operator:
    """The operator of a service that is not running yet."""
    (tmp_path / "home").mkdir()
    (tmp_path / "state.backup").mkdir()
    env = environment(place, tmp_path / "state")
    return Operator(env, Person(tmp_path / "home"))


def test_the_example_is_used_as_it_is(operator: Operator) -> None:
    with running(operator.env) as service, service.caller() as call:
        assert call.ask("GET", "/ready").status == 200
        bob = call.login("bob", PASSWORD)  # who is not in bootstrap.users
        assert call("GET", "/users", token=bob).status == 403
        assert call("GET", "/login", basic=f"dora:{PASSWORD}").status == 401
        operator.follow("read-only.md", "export MI_LDAP_CONFIG")
        operator.run(f"mi remote update default localhost {service.port}")
        operator.follow("read-only.md", "mi remote trust")
        operator.follow("read-only.md", "mi role assign")
        operator.follow("hybrid.md", "mi role create")
        operator.follow("read-only.md", "mi-ldap recover-admin")
        refused = run_app("recover-admin", "carol", "--set-password", "--yes", env=operator.env)
        assert (refused.returncode, refused.stdout) == (1, "")  # no password was asked for
        assert refused.stderr.endswith("The user store is read-only.\n")
        bob, alice = (call.login(name, PASSWORD) for name in ("bob", "alice"))
        assert change(call, bob, "alice", removedRoles=[ADMIN]) == 403
        for method, path, body in (
            ("POST", "/users", {"userId": "dora", "password": PASSWORD}),
            ("DELETE", "/users/carol", None),
            ("DELETE", "/roles/developers", None),
        ):
            assert call(method, path, body, token=alice).status == 403
        operator.follow("read-only.md", "sqlite3")
    lose_and_restore(operator)


def lose_and_restore(operator: Operator) -> None:
    """The file of the admins is lost, and comes back from the backup."""
    stored = Path(operator.env["MI_LDAP_STATE_DIR"]) / "hybrid-roles.sqlite"
    assert stored.stat().st_mode & 0o777 == 0o600
    for file in stored.parent.glob(f"{stored.name}*"):
        file.unlink()
    with running(operator.env) as service, service.caller() as call:
        alice = call.login("alice", PASSWORD)  # nobody becomes the first admin a second time
        assert call("GET", "/users", token=alice).status == 403
        said = service.log.read_text("utf-8")
    assert f"no such role: restore the file {stored}, or: mi-ldap recover-admin" in said
    operator.follow("read-only.md", "rm -f")
    with running(operator.env) as service, service.caller() as call:
        alice = call.login("alice", PASSWORD)
        users = call("GET", f"/roles/{ADMIN}", token=alice).json["users"]
        assert users == ["alice", "bob", "carol"]


def test_two_machines_share_a_database(
    place: Subtree,
    postgresql: PostgreSql,  # noqa: F811
    tmp_path: Path,
) -> None:
    """The example with its last lines, which are comments."""
    text = CONFIG.read_text("utf-8")
    config = tmp_path / "read-only.toml"
    config.write_text(re.sub(r"(?m)^#(\[\[|[a-z]+ +=)", r"\1", text), "utf-8")
    authority = postgresql.certificates.ca_file
    host = f"127.0.0.1:{postgresql.port}"
    own = {
        "MI_LDAP_DATASOURCE__URL": f"jdbc:postgresql://{host}/userdb?ssl=true&sslrootcert={authority}",
        "MI_LDAP_DATASOURCE__PASSWORD": postgresql.password,
    }
    machines = [
        {**environment(place, tmp_path / name, config), **own} for name in ("first", "second")
    ]
    with (
        server_place(postgresql) as database,
        running_all(*machines) as (first, second),
        first.caller() as one,
        second.caller() as other,
    ):
        alice = one.login("alice", PASSWORD)
        assert change(one, alice, "bob", addedRoles=[ADMIN]) == 200
        bob = other.login("bob", PASSWORD)
        assert other("GET", f"/roles/{ADMIN}", token=bob).json["users"] == ["alice", "bob"]
        assert change(other, bob, "alice", removedRoles=[ADMIN]) == 403
        assert other.login("carol", PASSWORD)
        assert other("GET", "/users/carol", token=bob).json["isAdmin"] is False
        # MI's tables, with names that MI reads.
        assert database.query("SELECT um_role_name FROM um_hybrid_role") == [("admin",)]
        members = database.query("SELECT um_user_name FROM um_hybrid_user_role ORDER BY 1")
        assert members == [("alice",), ("bob",)]
    assert not (tmp_path / "first" / "hybrid-roles.sqlite").exists()
