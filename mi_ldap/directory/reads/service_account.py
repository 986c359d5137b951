"""The service's own account, which may also be one of the users."""

from __future__ import annotations

from dataclasses import dataclass

from mi_ldap.directory.reads.reader import Reader
from mi_ldap.ldap import names
from mi_ldap.model import User


@dataclass
class ServiceAccount:
    r"""The account that the service binds as.

    Attributes:
        reader: reads the users.
        bound_as: the configured name: a DN, in Active Directory also `svc@example.org` or
            `EXAMPLE\svc`; `""` for SASL EXTERNAL (a client certificate or a local socket).
    """

    reader: Reader
    bound_as: str
    _authorization_dn: str | None = None

    def is_user(self, user: User) -> bool:
        """Whether the user's entry is the account's, whatever form of its name is configured."""
        account = self._name()
        if "=" in account:
            return names.parsed_dn(account) == names.parsed_dn(user.locator)
        return bool(account) and user.id in {each.id for each in self._users_called(account)}

    def users(self) -> list[User]:
        """Return the users that are the account; none if its entry is not among the users."""
        account = self._name()
        if "=" not in account:
            return self._users_called(account) if account else []
        user = self.reader.user_at(account)
        return [user] if user else []

    def _name(self) -> str:
        """Return the configured name, or the DN that the server reports; `""` for anonymous."""
        if self.bound_as:
            return self.bound_as
        if self._authorization_dn is None:
            with self.reader.connection() as connection:
                # RFC 4532; asked once, since it is the same for all connections of the pool.
                self._authorization_dn = connection.who_am_i().removeprefix("dn:")
        return self._authorization_dn

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
