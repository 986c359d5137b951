"""`[[secondary_user_store]]`: a further directory or database, whose users are `DOMAIN/name`."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from mi_ldap.settings.database import DatabaseUrl, DatasourceSettings, database_problems
from mi_ldap.settings.sources import variable_part
from mi_ldap.settings.types import Count, Domain, Flag, Secret, Text, setting
from mi_ldap.settings.user_store import UserStoreSettings

SECTION: Final = "secondary_user_store"
SAME_DOMAIN: Final = (
    "Two [[secondary_user_store]] have the same domain, or domains that differ in `.`, `-` and `_` "
    "only: rename one."
)


class SecondaryStoreSettings(UserStoreSettings):
    """A secondary user store: the keys of `[user_store]`, its domain, and its own database."""

    domain: Domain = Field(description="The prefix of its users and roles")
    disabled: Flag = setting(False, "Whether the store is not used")
    url: DatabaseUrl | None = setting(None, "Address of its database, as in `[[datasource]]`")
    username: Text | None = setting(None, "Name of the account in the database")
    password: Secret | None = setting(None, "Password of that account")
    max_active: Count | None = setting(None, "Connections of all workers together, at most")

    @property
    def is_database(self) -> bool:
        """Whether users and roles are in a database."""
        return self.type == "database"

    @property
    def datasource(self) -> DatasourceSettings:
        """Its database, as the section `[[datasource]]`."""
        return DatasourceSettings(
            url=self.url,
            username=self.username,
            password=self.password,
            max_active=self.max_active,
        )

    def _problems(self) -> list[str]:
        if self.disabled:
            return []
        found = super()._problems()
        if not self.is_database and self.connection_url is None:
            found = ["user_store.connection_url is missing: set the URL of the directory."]
        if self.hybrid_role_base:
            found = [*found, "user_store.hybrid_role_base belongs to [user_store]: remove it here."]
        if self.is_database:
            found = [*found, *database_problems(self.datasource, self)]
        return [self.renamed(sentence) for sentence in found]

    def renamed(self, sentence: str) -> str:
        """Return a sentence about `[user_store]` or `[[datasource]]`, about this store."""
        for section in ("user_store", "datasource"):
            sentence = sentence.replace(f"{section}.", "secondary_user_store.")
            sentence = sentence.replace(section.upper(), f"SECONDARY_USER_STORE__{self.variable}")
        return f"{self.domain}: {sentence}"

    @property
    def variable(self) -> str:
        """The domain as it is in the names of environment variables: `WSO2_COM`."""
        return variable_part(self.domain)
