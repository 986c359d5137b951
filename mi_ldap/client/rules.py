"""The service's rules for new names and passwords, checked without a request for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mi_ldap import name_rules
from mi_ldap.errors import BadRequest, ReadOnlyStore


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one service.

    Attributes:
        admin_role: name of the role that makes admins.
        allow_any_name: whether names may contain characters that are special in URLs.
        password_min_length: characters; None where the service does not know it.
        user_name_regex, password_regex: RE2, over the whole text; `""` for none.
        domains: of the secondary user stores, in capitals; their own rules are not known.
        read_only_domains: those whose users cannot be changed; `PRIMARY` is the primary store.
    """

    admin_role: str = "admin"
    allow_any_name: bool = False
    password_min_length: int | None = None
    user_name_regex: str = ""
    password_regex: str = ""
    domains: tuple[str, ...] = ()
    read_only_domains: tuple[str, ...] = ()

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
            domains=_texts(content.get("domains")),
            read_only_domains=_texts(content.get("readOnlyDomains")),
        )

    def why_refused(self, name: str, password: str, *, is_admin: bool = False) -> str:
        """Return the sentence why a user would not be created; `""` if no rule forbids it."""
        plain = name_rules.without_primary(name)
        domain, bare = name_rules.split_domain(plain, self.domains)
        if (domain or name_rules.PRIMARY) in self.read_only_domains:
            return str(ReadOnlyStore())
        if domain and is_admin:
            return name_rules.PRIMARY_ADMINS
        try:
            # Whether a secondary store allows any name is not known.
            name_rules.new_user_name(bare, allow_any=self.allow_any_name or bool(domain))
            name_rules.new_password(password)
            return "" if domain else self._why_not_primary(bare, password)
        except BadRequest as error:
            return str(error)

    def _why_not_primary(self, name: str, password: str) -> str:
        new = name.strip()
        name_rules.ensure_matches(new, name_rules.matcher_of(self.user_name_regex), "user name")
        name_rules.ensure_matches(password, name_rules.matcher_of(self.password_regex), "password")
        if self.password_min_length and len(password) < self.password_min_length:
            return f"The password has fewer than {self.password_min_length} characters."
        return ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
