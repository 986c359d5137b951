"""Which user is the service's own account, if it lies among the users."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mi_ldap.directory import names
from mi_ldap.directory.reading import Reader
from mi_ldap.model import User


@dataclass
class OwnAccount:
    r"""The account that the service binds as.

    Attributes:
        bound_as: what it binds with: a DN, in Active Directory also `svc@example.org` or
            `EXAMPLE\svc`; `""` where a certificate or the operating system says who it is.
    """

    reader: Reader
    bound_as: str

    def is_user(self, user: User) -> bool:
        """Whether the user's entry is the service's own, however the configuration spells it."""
        account = self._account
        if "=" in account:
            return names.parsed_dn(account) == names.parsed_dn(user.locator)
        return bool(account) and user.id in {each.id for each in self._users_called(account)}

    def users(self) -> list[User]:
        """The users that the account is: none, where it lies elsewhere."""
        account = self._account
        if "=" not in account:
            return self._users_called(account) if account else []
        user = self.reader.user_at(account)
        return [user] if user else []

    @property
    def _account(self) -> str:
        return self.bound_as or self._authorization_dn

    @cached_property
    def _authorization_dn(self) -> str:
        """What the server says that the connection is (RFC 4532); `""` for nobody."""
        with self.reader.session() as session:
            return session.who_am_i().removeprefix("dn:")

    def _users_called(self, account: str) -> list[User]:
        """By the names that Active Directory takes in a simple bind ([MS-ADTS] §5.1.1.1.1)."""
        name = account.rpartition("\\")[2]
        short = name.partition("@")[0]
        called = names.any_of(
            [names.equals("userPrincipalName", name), names.equals("sAMAccountName", short)]
        )
        return self.reader.users_where(called)
