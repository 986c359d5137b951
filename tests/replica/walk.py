"""Random changes of a small directory, by other tools and by the store itself."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from contextlib import suppress

from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE, NONE, SUBTREE, Connection, Server

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import MiLdapError
from mi_ldap.ldap.names import dn_in, rdn_and_parent
from mi_ldap.model import EntryId
from mi_ldap.store import AssignRole, DeleteUser, RenewEpoch, RevokeRole, SetCustodian
from tests.until import until

USERS = ("ann", "Bob", "carl", "dora", "Ünal", "ünal", "o, neil", "PRIMARY", "ａnn")
ROLES = ("admin", "dev", "ops", "Ops two", "größe")

LOGGED = 10
"""So many changes the server remembers."""


class Walk:
    """One change a step; what the server refuses is no change."""

    def __init__(self, directory: EmbeddedDirectory, store: DirectoryStore, seed: int) -> None:
        self.directory, self.store = directory, store
        self._lot = random.Random(seed)
        self.connection = self._connected()
        syncprov = "olcOverlay={0}syncprov,olcDatabase={1}mdb,cn=config"
        self.connection.modify(syncprov, {"olcSpSessionlog": [(MODIFY_REPLACE, [LOGGED])]})
        base = directory.user_base
        self.parents = [base, f"ou=in,{base}", f"ou=deep,ou=in,{base}"]
        for dn in (*self.parents[1:], f"ou=out,{directory.suffix}"):
            self.connection.add(dn, "organizationalUnit")

    def step(self) -> str:
        """Change something; what it was."""
        act = self._lot.choice(self._acts())
        act()
        return f"{act.__name__}: {self.connection.result['description']}"

    def close(self) -> None:
        self.connection.unbind()

    def reconnect(self) -> None:
        self.connection.socket.close()  # a server that was killed hears no goodbye
        self.connection = self._connected()

    def _connected(self) -> Connection:
        server = Server(self.directory.url, get_info=NONE)
        manager = self.directory.manager_dn, self.directory.read_manager_password()
        connection = Connection(server, *manager, check_names=False, auto_referrals=False)
        assert connection.bind()
        return connection

    def _acts(self) -> list[Callable[[], object]]:
        often = [self.add_user, self.add_member, self.add_group, self.store_gives]
        return [
            *often, *often, *often,
            self.delete_user, self.delete_user, self.rename_user, self.move_user, self.move_away,
            self.change_user, self.second_name, self.leave_filter, self.delete_group,
            self.rename_group, self.remove_member, self.odd_member, self.nest_group,
            self.rename_folder, self.new_folder, self.move_folder, self.swap_names,
            self.empty_group, self.store_makes, self.store_takes, self.store_removes,
            self.overrun_log, self.restart_server, self.kill_server,
        ]  # fmt: skip

    # Other tools

    def add_user(self) -> None:
        name, parent = self._lot.choice(USERS), self._lot.choice(self.parents)
        named_by = self._lot.choice(("uid", "uid", "uid", "cn"))
        self.connection.add(
            dn_in(parent, named_by, name), "inetOrgPerson", {"uid": name, "cn": name, "sn": "x"}
        )

    def delete_user(self) -> None:
        self.connection.delete(self._user())

    def rename_user(self) -> None:
        self.connection.modify_dn(self._user(), dn_in("", "uid", self._lot.choice(USERS))[:-1])

    def move_user(self) -> None:
        dn = self._user()
        parent = self._lot.choice(self.parents)
        self.connection.modify_dn(dn, self._rdn(dn), new_superior=parent)

    def move_away(self) -> None:
        dn, away = self._user(), f"ou=out,{self.directory.suffix}"
        there = self._below(away, "(objectClass=inetOrgPerson)")
        if there and self._lot.random() < 0.5:
            dn, away = self._lot.choice(there), self._lot.choice(self.parents)
        self.connection.modify_dn(dn, self._rdn(dn), new_superior=away)

    def change_user(self) -> None:
        values = {"miLdapCustodian": f"id{self._lot.randrange(9)}", "miLdapEpoch": "e.r"}
        changes = {key: [(MODIFY_REPLACE, [value])] for key, value in values.items()}
        dn = self._user()
        self.connection.modify(dn, {"objectClass": [(MODIFY_ADD, ["miLdapAccount"])]})
        self.connection.modify(dn, changes)

    def second_name(self) -> None:
        kind = self._lot.choice((MODIFY_ADD, MODIFY_DELETE))
        self.connection.modify(self._user(), {"uid": [(kind, [self._lot.choice(USERS)])]})

    def leave_filter(self) -> None:
        """By another kind of entry under the same DN."""
        dn = self._user()
        self.connection.delete(dn)
        self.connection.add(dn, "organizationalRole" if dn.startswith("cn") else "account")

    def add_group(self) -> None:
        members = [self._user() for _ in range(self._lot.randrange(1, 4))]
        dn = dn_in(self.directory.group_base, "cn", self._lot.choice(ROLES))
        self.connection.add(dn, "groupOfNames", {"member": list(dict.fromkeys(members))})

    def delete_group(self) -> None:
        self.connection.delete(self._group())

    def rename_group(self) -> None:
        self.connection.modify_dn(self._group(), dn_in("", "cn", self._lot.choice(ROLES))[:-1])

    def add_member(self) -> None:
        gone = dn_in(self._lot.choice(self.parents), "uid", self._lot.choice(USERS))
        member = self._lot.choice((self._user(), self._user(), gone))
        self._members(MODIFY_ADD, member)

    def odd_member(self) -> None:
        """A DN that is somebody's only by the server's own matching."""
        self._members(MODIFY_ADD, self._user().swapcase())

    def nest_group(self) -> None:
        self._members(MODIFY_ADD, self._group())

    def remove_member(self) -> None:
        self._members(MODIFY_DELETE, self._user())

    def empty_group(self) -> None:
        self.connection.modify(self._group(), {"member": [(MODIFY_REPLACE, [""])]})

    def swap_names(self) -> None:
        """Two users, each by the other's DN."""
        one, other = self._user(), self._user()
        between = f"uid=between,{self.parents[0]}"
        for old, new in ((one, between), (other, one), (between, other)):
            self.connection.modify_dn(
                old, self._rdn(new), new_superior=new[len(self._rdn(new)) + 1 :]
            )

    def rename_folder(self) -> None:
        deep = self.parents[2]
        fresh = f"ou=deep{self._lot.randrange(9)}"
        self.connection.modify_dn(deep, fresh)
        if self.connection.result["result"] == 0:
            self.parents[2] = f"{fresh},{self.parents[1]}"

    def new_folder(self) -> None:
        dn = dn_in(self.parents[0], "ou", f"new{self._lot.randrange(3)}")
        self.connection.add(dn, "organizationalUnit")
        if self._lot.random() < 0.5:
            user = self._user()
            self.connection.modify_dn(user, self._rdn(user), new_superior=dn)

    def move_folder(self) -> None:
        """With whoever is in it, away or back."""
        home, away = self.parents[0], f"ou=out,{self.directory.suffix}"
        for base, elsewhere in ((home, away), (away, home)):
            folders = self._below(base, "(ou=new*)")
            if folders:
                dn = self._lot.choice(sorted(folders))
                self.connection.modify_dn(dn, self._rdn(dn), new_superior=elsewhere)
                return

    # The server

    def overrun_log(self) -> None:
        """More changes at once than the server remembers."""
        for _ in range(LOGGED):
            self.delete_user()
            self.add_user()
            self.add_member()

    def restart_server(self) -> None:
        self.directory.stop()
        self.directory.start()
        self.reconnect()

    def kill_server(self) -> None:
        assert self.directory.pid is not None
        os.kill(self.directory.pid, signal.SIGKILL)
        until(lambda: not self.directory.is_running())
        self.directory.start()
        self.reconnect()

    # The store itself

    def store_makes(self) -> None:
        with suppress(MiLdapError):
            self.store.create_user(self._lot.choice(USERS))

    def store_gives(self) -> None:
        self._store_does(AssignRole)

    def store_takes(self) -> None:
        self._store_does(RevokeRole)

    def _store_does(self, step: type[AssignRole] | type[RevokeRole]) -> None:
        with suppress(MiLdapError):
            user = self.store.find_user(self._lot.choice(USERS))
            role = self.store.find_role(self._lot.choice(ROLES))
            if user and role:
                self.store.apply(step(role, user))

    def store_removes(self) -> None:
        with suppress(MiLdapError):
            user = self.store.find_user(self._lot.choice(USERS))
            if user:
                held = self.store.details(user).roles
                marks = [RenewEpoch(user)] if self._lot.random() < 0.3 else []
                self.store.apply(SetCustodian(user, EntryId("x")), *marks)
                fresh = self.store.user(user.id)
                if fresh:
                    self.store.apply(*(RevokeRole(role, fresh) for role in held), DeleteUser(fresh))

    # What there is

    def _user(self) -> str:
        found = self._below(self.directory.user_base, "(objectClass=inetOrgPerson)")
        return self._lot.choice(sorted(found)) if found else f"uid=nobody,{self.parents[0]}"

    def _group(self) -> str:
        found = self._below(self.directory.group_base, "(objectClass=groupOfNames)")
        nothing = f"cn=none,{self.directory.group_base}"
        return self._lot.choice(sorted(found)) if found else nothing

    def _below(self, base: str, ldap_filter: str) -> list[str]:
        self.connection.search(base, ldap_filter, SUBTREE, attributes=["1.1"])
        return [entry["dn"] for entry in self.connection.response or ()]

    def _members(self, kind: str, member: str) -> None:
        self.connection.modify(self._group(), {"member": [(kind, [member])]})

    def _rdn(self, dn: str) -> str:
        return rdn_and_parent(dn)[0]
