"""The service's rules for new names and passwords, checked without a request for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mi_ldap import name_rules
from mi_ldap.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one service.

    Attributes:
        admin_role: name of the role that makes admins.
        allow_any_name: whether names may contain characters that are special in URLs.
        password_min_length: characters; None where the service does not know it.
        user_name_regex, password_regex: RE2, over the whole text; `""` for none.
    """

    admin_role: str = "admin"
    allow_any_name: bool = False
    password_min_length: int | None = None
    user_name_regex: str = ""
    password_regex: str = ""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Parse an answer of `GET /management/rules`; a missing key means no such rule."""
        length = content.get("passwordMinLength")
        return cls(
            admin_role=str(content.get("adminRole") or "admin"),
            allow_any_name=content.get("allowAnyName") is True,
            password_min_length=length if isinstance(length, int) else None,
            user_name_regex=str(content.get("userNameRegex") or ""),
            password_regex=str(content.get("passwordRegex") or ""),
        )

    def why_refused(self, name: str, password: str) -> str:
        """Return the sentence why a user would not be created; `""` if no rule forbids it."""
        try:
            plain = name_rules.without_primary(name)
            new = name_rules.new_user_name(plain, allow_any=self.allow_any_name)
            name_rules.narrowed(new, name_rules.matcher_of(self.user_name_regex), "user name")
            name_rules.new_password(password)
            name_rules.narrowed(password, name_rules.matcher_of(self.password_regex), "password")
        except BadRequest as error:
            return str(error)
        if self.password_min_length and len(password) < self.password_min_length:
            return f"The password has fewer than {self.password_min_length} characters."
        return ""
