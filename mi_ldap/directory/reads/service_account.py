"""The user that is the service's own account, if the account is among the users."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mi_ldap.directory.reads.reader import Reader
from mi_ldap.ldap import names
from mi_ldap.model import User


@dataclass
class OwnAccount:
    r"""The account that the service binds as.

    Attributes:
        reader: reads the users.
        bound_as: the configured name: a DN, in Active Directory also `svc@example.org` or
            `EXAMPLE\svc`; `""` for SASL EXTERNAL (a client certificate or a local socket).
    """

    reader: Reader
    bound_as: str

    def is_user(self, user: User) -> bool:
        """Whether the user's entry is the account's, whatever form of its name is configured."""
        account = self._account
        if "=" in account:
            return names.parsed_dn(account) == names.parsed_dn(user.locator)
        return bool(account) and user.id in {each.id for each in self._users_called(account)}

    def users(self) -> list[User]:
        """Return the users that are the account; none where its entry is not among the users."""
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
        """The DN of the connection's authorization identity (RFC 4532), `""` for anonymous."""
        with self.reader.session() as session:
            return session.who_am_i().removeprefix("dn:")

    def _users_called(self, account: str) -> list[User]:
        """Find users by the names that Active Directory accepts in a simple bind.

        See [MS-ADTS] §5.1.1.1.1.
        """
        name = account.rpartition("\\")[2]
        short = name.partition("@")[0]
        called = names.any_of(
            [names.equals("userPrincipalName", name), names.equals("sAMAccountName", short)]
        )
        return self.reader.users_where(called)
