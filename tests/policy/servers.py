"""Directories with a password policy, and how administrators bring accounts into each state."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from ldap3 import MODIFY_REPLACE

from tests.api.client import PASSWORD
from tests.hosts.ds389 import Ds389
from tests.hosts.openldap import OpenLdap
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY, DS389, RFC_2307, Kind, Values
from tests.subtree import Tool, host_like

_LONG_AGO: Final = "20160101000000Z"
_LONG_AGO_IN_1601: Final = "131000000000000000"
_CHANGE_PASSWORD: Final = "ab721a53-1e2f-11d0-9819-00aa0040529b"
_DATABASE: Final = "olcDatabase={1}mdb,cn=config"
_RELAX: Final = ("1.3.6.1.4.1.4203.666.5.12", True, None)
"""Lets a manager of OpenLDAP write what else only the server writes."""


def _span(seconds: int) -> str:
    """A span of time as Active Directory keeps it."""
    return str(-seconds * 10_000_000)


class Policed(ABC):
    """A running directory of one kind, and the one entry that holds the policy of its people.

    What a test demands of passwords is put back by `restore`.

    Attributes:
        demands: by name, what the policy may be told.
    """

    kind: ClassVar[Kind]
    demands: ClassVar[Mapping[str, Mapping[str, str]]]

    def __init__(self, folder: Path) -> None:
        self.directory = self.started(folder)
        self.host = host_like(self.directory, self.kind)
        self.tool = Tool(self.host.url, *self.host.tool, ca_file=self.host.ca_file)
        self._before: dict[tuple[str, str], Values] = {}

    @abstractmethod
    def started(self, folder: Path) -> Any:
        """The directory."""

    @property
    @abstractmethod
    def policy_dn(self) -> str:
        """The entry with the policy."""

    @abstractmethod
    def disable(self, dn: str) -> None:
        """As an administrator closes an account for good."""

    @abstractmethod
    def enable(self, dn: str) -> None:
        """Undoes that."""

    @abstractmethod
    def force_change(self, dn: str) -> None:
        """As an administrator has a password changed at the next login."""

    @abstractmethod
    def expire(self, dn: str) -> None:
        """The password is older than the policy lets it be."""

    def forbid_change(self, dn: str) -> None:
        """The password's owner may not change it."""
        self.demand("frozen")

    def end(self, dn: str) -> None:
        """As an administrator lets an account end, where that can be said."""
        raise NotImplementedError

    def empower(self) -> None:
        """The service becomes an administrator of passwords, where there is such a thing."""
        raise NotImplementedError

    def close(self) -> None:
        self.tool.close()
        self.directory.kill()

    def demand(self, what: str) -> None:
        """Let the policy demand that of passwords, besides what it demands already."""
        for name, value in self.demands[what].items():
            self.set(self.policy_dn, name, value)

    def set(self, dn: str, name: str, values: Values) -> None:
        """Change an attribute of the server's own until `restore`."""
        self._before.setdefault((dn, name), self.tool.read(dn, name).get(name, []))
        self.tool.replace(dn, **{name: values})

    def restore(self) -> None:
        """The policy is as it was at first."""
        for (dn, name), values in self._before.items():
            self.tool.replace(dn, **{name: values})
        self._before.clear()

    def set_password(self, dn: str, password: str) -> None:
        """As another tool resets one."""
        stored = self.kind.person_of("", password)[self.kind.password]
        self.tool.replace(dn, **{self.kind.password: stored})


class PolicedOpenLdap(Policed):
    kind = RFC_2307
    demands: ClassVar = {
        "length": {"pwdMinLength": "16"},
        "history": {"pwdInHistory": "3"},
        "rest": {"pwdMinAge": "3600"},
        "lockout": {"pwdMaxFailure": "2"},
        "age": {"pwdMaxAge": "864000"},
        "warning": {"pwdMaxAge": "180000", "pwdExpireWarning": "190000"},
        "frozen": {"pwdAllowUserChange": "FALSE"},
        "grace": {"pwdGraceAuthNLimit": "2"},
        "more grace": {"pwdGraceAuthNLimit": "3"},
        "change": {"pwdMustChange": "TRUE"},
    }

    def started(self, folder: Path) -> OpenLdap:
        directory = OpenLdap(folder)
        directory.start()
        directory.configure(directory.policy_dn, pwdMinLength="5", pwdCheckQuality="2")
        return directory

    @property
    def policy_dn(self) -> str:
        return str(self.directory.policy_dn)

    def disable(self, dn: str) -> None:
        self.tool.replace(dn, pwdAccountLockedTime="000001010000Z")

    def enable(self, dn: str) -> None:
        self.tool.replace(dn, pwdAccountLockedTime=[])

    def end(self, dn: str) -> None:
        self.tool.replace(dn, pwdEndTime=_LONG_AGO)

    def force_change(self, dn: str) -> None:
        self.demand("change")
        self.tool.replace(dn, pwdReset="TRUE")

    def expire(self, dn: str) -> None:
        self.demand("age")
        changes = {"pwdChangedTime": [(MODIFY_REPLACE, [_LONG_AGO])]}
        with self.directory.connected(*self.directory.manager) as manager:
            assert manager.modify(dn, changes, controls=[_RELAX]), manager.result

    def empower(self) -> None:
        self._change_rules(" =w ", " manage ")

    def freeze(self) -> None:
        """Nobody has the right to set the own password."""
        self._change_rules("by self =xw", "by self =x")

    def _change_rules(self, old: str, new: str) -> None:
        rules = self.tool.read(_DATABASE, "olcAccess")["olcAccess"]
        changed = [rule.replace(old, new) for rule in rules]
        assert changed != rules
        self.set(_DATABASE, "olcAccess", changed)

    def hide_locks(self) -> None:
        """A locked account is not told from a wrong password, as slapd does unless told so."""
        overlays = self.tool.read_below(_DATABASE, "olcOverlay")
        (ppolicy,) = [dn for dn in overlays if "ppolicy" in dn]
        self.set(ppolicy, "olcPPolicyUseLockout", "FALSE")


class PolicedDs389(Policed):
    kind = DS389
    demands: ClassVar = {
        "length": {"passwordCheckSyntax": "on", "passwordMinLength": "16"},
        "quality": {"passwordCheckSyntax": "on", "passwordMinDigits": "2"},
        "history": {"passwordHistory": "on", "passwordInHistory": "3"},
        "rest": {"passwordMinAge": "3600"},
        "lockout": {"passwordLockout": "on", "passwordMaxFailure": "2"},
        "age": {"passwordExp": "on", "passwordMaxAge": "864000"},
        "warning": {"passwordExp": "on", "passwordMaxAge": "180000", "passwordWarning": "190000"},
        "frozen": {"passwordChange": "off"},
        "grace": {"passwordGraceLimit": "2"},
        "more grace": {"passwordGraceLimit": "3"},
        "change": {"passwordMustChange": "on"},
        "tracking": {"passwordTrackUpdateTime": "on"},
    }

    def started(self, folder: Path) -> Ds389:
        directory = Ds389(folder)
        directory.start()
        rules = {"passwordMinLength": "5", "passwordMinCategories": "1"}
        directory.configure(passwordCheckSyntax="on", passwordMinTokenLength="64", **rules)
        return directory

    @property
    def policy_dn(self) -> str:
        return "cn=config"

    def disable(self, dn: str) -> None:
        self.tool.replace(dn, nsAccountLock="true")

    def enable(self, dn: str) -> None:
        self.tool.replace(dn, nsAccountLock=[])

    def force_change(self, dn: str) -> None:
        """Whoever resets a password forces it, who is an administrator of passwords."""
        self.demand("change")
        self.set_password(dn, PASSWORD)

    def expire(self, dn: str) -> None:
        self.demand("age")
        self.tool.replace(dn, passwordExpirationTime=_LONG_AGO)

    def set_password(self, dn: str, password: str) -> None:
        """389 notes what comes of it (`pwdUpdateTime` and others) after it has answered."""
        super().set_password(dn, password)
        time.sleep(0.1)

    def empower(self) -> None:
        self.set("cn=config", "passwordAdminDN", self.host.account[0])


class PolicedActiveDirectory(Policed):
    kind = ACTIVE_DIRECTORY
    demands: ClassVar = {
        "length": {"minPwdLength": "16"},
        "quality": {"pwdProperties": "1"},
        "history": {"pwdHistoryLength": "3"},
        "rest": {"minPwdAge": _span(3600)},
        "lockout": {
            "lockoutThreshold": "2",
            "lockoutDuration": _span(3600),
            "lockOutObservationWindow": _span(3600),
        },
        "age": {"maxPwdAge": _span(864_000)},
        "warning": {"maxPwdAge": _span(180_000)},
        "change": {},
    }

    def started(self, folder: Path) -> Samba:
        directory = Samba(folder)
        directory.start()
        return directory

    @property
    def policy_dn(self) -> str:
        return str(self.directory.base)

    def disable(self, dn: str) -> None:
        self.tool.replace(dn, userAccountControl="514")

    def enable(self, dn: str) -> None:
        self.tool.replace(dn, userAccountControl="512")

    def forbid_change(self, dn: str) -> None:
        """As the tick "User cannot change password" does ([MS-ADTS] §5.1.3.2.1)."""
        denied = f"(OD;;CR;{_CHANGE_PASSWORD};;PS)(OD;;CR;{_CHANGE_PASSWORD};;WD)"
        self.directory.tool("dsacl", "set", f"--objectdn={dn}", f"--sddl={denied}")

    def end(self, dn: str) -> None:
        self.tool.replace(dn, accountExpires=_LONG_AGO_IN_1601)

    def force_change(self, dn: str) -> None:
        self.tool.replace(dn, pwdLastSet="0")

    def expire(self, dn: str) -> None:
        self.demand("age")
        self.directory.let_password_expire(dn)


POLICED: Final[Mapping[str, type[Policed]]] = {
    "openldap": PolicedOpenLdap,
    "389ds": PolicedDs389,
    "active_directory": PolicedActiveDirectory,
}
