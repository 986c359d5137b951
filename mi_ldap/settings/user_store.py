"""`[user_store]`: the directory or database, with the names and units of MI's deployment.toml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from mi_ldap.addresses import leaves_the_machine, scheme_of
from mi_ldap.settings.types import (
    Assignments,
    Attribute,
    Attributes,
    Count,
    CountOrNone,
    Digest,
    Dn,
    DnPattern,
    Dns,
    Flag,
    InputFile,
    JavaRegex,
    ListFilter,
    Milliseconds,
    SearchFilter,
    Secret,
    Section,
    SettingsError,
    Text,
    Urls,
    setting,
)

_FOR_ANY_DIRECTORY = frozenset(
    (
        *("type", "connection_url", "allow_plaintext", "pool_size", "index_limit"),
        *("ldap_connection_timeout", "read_timeout", "read_groups", "write_groups"),
        *("username_java_regex", "rolename_java_regex", "password_java_regex", "allow_any_name"),
    )
)
"""The keys that apply to the embedded directory too; all others describe one of the operator."""


_TWO_STORES = (
    'user_store.connection_url names a directory, but user_store.type is "database": '
    "remove one of the two."
)


def _search_base(kind: str, branch: str) -> Any:
    # pydantic passes the values of the fields that are declared before this one.
    return Field(
        default_factory=lambda data: (f"ou={branch},{data['base_dn']}",) if data["base_dn"] else (),
        description=f"DN below which the {kind}s are, or several in a list or separated by #; "
        "needed without `base_dn`",
    )


def _of_profile(description: str) -> Any:
    return setting(None, f"{description}; none: the default of `profile`")


class UserStoreSettings(Section):
    """The directory or database, and how users and groups are stored in it.

    The profile has the values of what is None, once the type of the server is known. The search
    bases are derived from `base_dn` when the configuration is read, not by `model_copy`.
    """

    type: Literal["read_write_ldap", "read_only_ldap", "database"] = setting(
        "read_write_ldap",
        "read_write_ldap, read_only_ldap to change nothing, or database for MI's own tables",
    )
    read_only: Flag = setting(False, "Whether nothing is changed in the database")
    connection_url: Urls | None = setting(
        None,
        "URL of the directory, or several separated by spaces: the first that answers is used; "
        "`ldaps+srv://example.org` finds the servers by DNS; none: the embedded directory",
    )
    connection_name: Text = setting(
        "",
        "DN of the service account; not needed with ldapi, where the directory identifies the "
        "process, or with a client certificate",
    )
    connection_password: Secret | None = setting(None, "Password of the service account")
    profile: Literal["auto", "openldap", "389ds", "active_directory", "other"] = setting(
        "auto", "Server type: openldap, 389ds, active_directory, other, or auto to detect it"
    )
    start_tls: Flag = setting(False, "StartTLS before the bind (also `start_tls_enabled`)")
    ca_file: InputFile | None = setting(
        None,
        "PEM file of the authorities that are trusted for the certificate of the directory or "
        "database",
    )
    client_certificate_file: InputFile | None = setting(
        None, "PEM file of this service's client certificate for the directory"
    )
    client_key_file: InputFile | None = setting(
        None, "PEM file of the key of `client_certificate_file`; none: it is in the same file"
    )
    allow_plaintext: Flag = setting(False, "Whether passwords may cross the network in the clear")
    ldap_connection_timeout: Milliseconds = setting(
        5000, "Timeout of a new connection in milliseconds"
    )
    read_timeout: Milliseconds = setting(5000, "Timeout of a response in milliseconds")
    pool_size: Count = setting(8, "Connections of each worker")
    base_dn: Dn | None = setting(
        None, "DN above `ou=Users` and `ou=Groups`, instead of the two search bases"
    )
    user_search_base: Dns = _search_base("user", "Users")
    user_entry_object_class: Attribute | None = _of_profile("Object class of users")
    user_object_classes: Attributes = setting(
        (), "Further object classes of a new user, such as posixAccount"
    )
    user_attributes: Assignments | None = setting(
        None,
        "Attributes of a new user as a list of attribute=value, in place of those of `profile` "
        "(cn and sn); {name} is replaced by its name, {number} by a random POSIX number",
    )
    delete_subtree: Flag = setting(
        False,
        "Whether entries below a user are deleted with it; otherwise such a user cannot be deleted",
    )
    user_name_attribute: Attribute | None = _of_profile("Attribute with the user name")
    user_name_search_filter: SearchFilter | None = setting(
        None,
        "Filter that finds one user, with ? for the name; none: by class and `user_name_attribute`",
    )
    user_name_list_filter: ListFilter | None = setting(
        None, "Filter that finds every user; none: by class"
    )
    user_dn_pattern: DnPattern | None = setting(
        None, "DN of a new user, with {0} for the name; none: below the first of `user_search_base`"
    )
    user_id_attribute: Attribute | None = _of_profile(
        "Attribute with the immutable id of users and groups; an entry without a unique value that "
        "the account may read is ignored"
    )
    read_groups: Flag = setting(True, "Whether roles are read from the directory")
    write_groups: Flag = setting(True, "Whether roles may be changed")
    group_search_base: Dns = _search_base("group", "Groups")
    group_entry_object_class: Attribute | None = _of_profile("Object class of groups")
    group_name_attribute: Attribute | None = _of_profile("Attribute with the role name")
    group_name_search_filter: SearchFilter | None = setting(
        None,
        "Filter that finds one group, with ? for the role; none: by class and "
        "`group_name_attribute`",
    )
    group_name_list_filter: ListFilter | None = setting(
        None, "Filter that finds every group; none: by class"
    )
    hybrid_role_base: Dn | None = setting(
        None,
        "DN below which the groups of hybrid roles (`Internal/x`) are, such as "
        "ou=hybrid,dc=example,dc=org; none: they are in a database, or there are none",
    )
    role_dn_pattern: DnPattern | None = setting(
        None,
        "DN of a new group, with {0} for the role; none: below the first of `group_search_base`",
    )
    membership_attribute: Attribute | None = setting(
        None, "Attribute of a group with its members; none: that of its object class"
    )
    member_of_attribute: Attribute = setting(
        "", "Attribute of a user with its groups; none: groups are searched"
    )
    username_java_regex: JavaRegex | None = setting(
        None, "Expression that the whole name of a new user must match"
    )
    rolename_java_regex: JavaRegex | None = setting(
        None, "Expression that the whole name of a new role must match"
    )
    password_java_regex: JavaRegex | None = setting(
        None, "Expression that a new password must match as a whole"
    )
    allow_any_name: Flag = setting(
        False,
        "Whether new names may contain `#`, `?`, `%` and `\\`, which WSO2's clients do not "
        "escape in URLs",
    )
    password_digest: Digest = setting(
        "SHA-256",
        "Digest of passwords in the database: SHA-256, SHA-384, SHA-512, SHA-1, MD5 or PLAIN_TEXT",
    )
    store_salted_password: Flag = setting(
        True, "Whether passwords in the database are digested with a salt"
    )
    case_insensitive_username: Flag = setting(
        True, "Whether names in the database are the same in any case"
    )
    custodian_attribute: Attribute | None = _of_profile(
        "Attribute of an admin with its custodian's id"
    )
    epoch_attribute: Attribute | None = _of_profile(
        "Attribute of a user with its epoch: a new value ends the user's tokens"
    )
    index_limit: CountOrNone = setting(
        2_000_000,
        "Most users and groups, in total, that each worker keeps in memory (some 450 bytes each) "
        "if the directory reports its changes; 0: none",
    )

    @property
    def connection_urls(self) -> tuple[str, ...]:
        """The URLs in the order in which they are tried."""
        return tuple((self.connection_url or "").split())

    @model_validator(mode="after")
    def _check_consistency(self) -> UserStoreSettings:
        # All problems at once: otherwise each start would report the next one.
        if problems := self._problems():
            raise SettingsError("\n".join(problems))
        return self

    def _problems(self) -> list[str]:
        if self.type == "database":
            return [_TWO_STORES] if self.connection_url else []
        if self.connection_url is None:
            return self._misplaced_keys()
        return [
            *self._transport_problems(),
            *self._account_problems(),
            *self._base_problems(),
            *self._custody_problems(),
        ]

    def _misplaced_keys(self) -> list[str]:
        # Without this a forgotten address would start an empty directory, whose first login becomes
        # the admin.
        return [
            f"user_store.{key} describes a directory, but user_store.connection_url is not set: "
            "set it, or remove this key to use the embedded directory."
            for key in type(self).model_fields
            if key in self.model_fields_set and key not in _FOR_ANY_DIRECTORY
        ]

    def _transport_problems(self) -> list[str]:
        problems = []
        schemes = {scheme_of(url) for url in self.connection_urls}
        if self.start_tls and "ldaps" in schemes:
            problems.append(
                "user_store.start_tls does not go with an ldaps:// address: "
                "write ldap:// in user_store.connection_url, or set start_tls = false."
            )
        exposed = any(
            scheme_of(u) == "ldap" and leaves_the_machine(u) for u in self.connection_urls
        )
        if exposed and not (self.start_tls or self.allow_plaintext):
            problems.append(
                "user_store.connection_url would send passwords over the network in the clear: "
                "use ldaps:// or set user_store.start_tls = true, "
                "or accept it with user_store.allow_plaintext = true."
            )
        return problems + self._certificate_problems(schemes)

    def _certificate_problems(self, schemes: set[str]) -> list[str]:
        if self.client_key_file and not self.client_certificate_file:
            return [
                "user_store.client_certificate_file is missing: "
                "set it to the certificate of user_store.client_key_file."
            ]
        # With a plain address among several, the certificate would not always be used.
        if self.client_certificate_file and not (self.start_tls or schemes == {"ldaps"}):
            return [
                "user_store.client_certificate_file needs TLS: "
                "use ldaps:// addresses or set user_store.start_tls = true."
            ]
        return []

    def _account_problems(self) -> list[str]:
        # SASL EXTERNAL: the server identifies the account by the certificate, or by the process.
        certified = self.client_certificate_file is not None and not self.connection_name
        local = certified or all(scheme_of(url) == "ldapi" for url in self.connection_urls)
        if self.connection_name and not self.connection_password and not local:
            return [
                "user_store.connection_password is missing: set it, "
                "best with MI_LDAP_USER_STORE__CONNECTION_PASSWORD_FILE."
            ]
        if self.connection_password and not self.connection_name:
            return ["user_store.connection_name is missing: set the DN of the service account."]
        if not (self.connection_name or local) and self.type == "read_write_ldap":
            return [
                "user_store.connection_name is missing: set the DN of an account that may write, "
                'or user_store.type = "read_only_ldap".'
            ]
        return []

    def _base_problems(self) -> list[str]:
        needed = ["user_search_base", *(["group_search_base"] if self.read_groups else [])]
        return [
            f"user_store.{key} is missing: set the DN below which they lie, "
            "such as ou=people,dc=example,dc=org."
            for key in needed
            if not getattr(self, key)
        ]

    def _custody_problems(self) -> list[str]:
        """Both in attributes of the service's own schema, or both in existing attributes."""
        keys = ("custodian_attribute", "epoch_attribute")
        missing = [f"user_store.{key}" for key in keys if not getattr(self, key)]
        if len(missing) != 1:
            return []
        (named,) = {f"user_store.{key}" for key in keys}.difference(missing)
        return [f"{named} needs {missing[0]}: name an attribute for that too, or for neither."]
