"""The parts of an installed OpenLDAP, and slapd's configuration from `config/ldif/`."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template
from urllib.parse import quote

from mi_ldap.errors import ConfigurationError
from mi_ldap.locations import config_dir

_CONFIG_DIR = config_dir()
_PROGRAM_DIRS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/libexec:/usr/libexec"
# Distributions differ; the last one is that of an OpenLDAP that was built from its sources.
_MODULE_DIRS = (
    "/usr/lib/ldap",
    "/usr/lib/*/ldap",
    "/usr/lib64/openldap",
    "/usr/lib/openldap",
    "/usr/local/libexec/openldap",
)
_SCHEMA_DIRS = ("/etc/ldap/schema", "/etc/openldap/schema", "/usr/local/etc/openldap/schema")
_SUFFIX = re.compile(r"(?P<kind>dc|o|ou)=(?P<value>\w[\w .-]*)(,[a-z]+=\w[\w .-]*)*", re.ASCII)
_OBJECT_CLASSES = {"dc": "domain", "o": "organization", "ou": "organizationalUnit"}
_INSTALL = "install slapd 2.5 or newer (on Debian and Ubuntu: apt install slapd ldap-utils)"


@dataclass(frozen=True)
class Installation:
    """An OpenLDAP on this machine.

    Attributes:
        slapd: the program; called by the name of `slapadd`, `slappasswd` or `slapmodify`, it is
            that tool.
        module_dir: the folder of `back_mdb` and the overlays.
        schema_dir: the folder of `core.ldif` and the other standard schemas.
    """

    slapd: Path
    module_dir: Path
    schema_dir: Path


def find_installation(slapd: Path | None = None) -> Installation:
    """Return the OpenLDAP of this machine; with the given `slapd`, if it is not None.

    Raises:
        ConfigurationError: slapd, its modules or its schema files are missing.
    """
    return Installation(
        slapd=_find_program(slapd),
        module_dir=_find_dir(_MODULE_DIRS, "back_mdb.*", "modules"),
        schema_dir=_find_dir(_SCHEMA_DIRS, "core.ldif", "schema files"),
    )


def _find_program(given: Path | None) -> Path:
    if given is not None:
        if not given.is_file():
            raise ConfigurationError(f"embedded_directory.slapd: there is no file {given}.")
        return given.resolve()
    # Users other than root often have no sbin folder on their PATH.
    found = shutil.which("slapd") or shutil.which("slapd", path=_PROGRAM_DIRS)
    if found is None:
        raise ConfigurationError(
            f"OpenLDAP's slapd is not installed: {_INSTALL},"
            " or name a directory of your own in user_store.connection_url."
        )
    return Path(found)


def _find_dir(patterns: tuple[str, ...], content: str, what: str) -> Path:
    for pattern in patterns:
        for candidate in Path("/").glob(pattern.lstrip("/")):
            if any(candidate.glob(content)):
                return candidate
    raise ConfigurationError(f"OpenLDAP's {what} are not installed: {_INSTALL}.")


def check_suffix(suffix: str) -> str:
    """Return the suffix, such as `"dc=mi"` or `"dc=example,dc=org"`.

    Raises:
        ConfigurationError: it begins with another attribute than dc, o or ou, for which no top
            entry can be created, or it contains special characters.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise ConfigurationError(
            "embedded_directory.suffix must be a DN that begins with dc=, o= or ou="
            " and has plain letters and digits only, such as 'dc=mi'."
        )
    return suffix


def render_config(
    installation: Installation, suffix: str, *, data_dir: Path, pid_file: Path
) -> str:
    """Return cn=config as LDIF for `slapadd -n0`; it contains no secret."""
    return _fill(
        "config.ldif",
        suffix=suffix,
        suffix_in_url=quote(suffix, safe="=,"),
        data_dir=_quoted(data_dir),
        pid_file=_quoted(pid_file),
        module_dir=_quoted(installation.module_dir),
        schema_dir=quote(str(installation.schema_dir)),
        own_schema_dir=quote(str(_CONFIG_DIR / "schema")),
    )


def _quoted(path: Path) -> str:
    """Return the path as one argument in slapd's configuration."""
    # slapd.conf(5) has no escape within quotes.
    if any(character in str(path) for character in '"\\\n'):
        raise ConfigurationError(
            f"The path {str(path)!r} cannot be given to slapd:"
            " choose one without quotation marks, backslashes and line ends."
        )
    return f'"{path}"'


def render_tree(suffix: str, *, service_hash: str, manager_hash: str) -> str:
    """Return the first entries of a new directory as LDIF for `slapadd`."""
    return _fill(
        "tree.ldif",
        suffix=suffix,
        suffix_attributes=_describe_top(suffix),
        service_hash=service_hash,
        manager_hash=manager_hash,
    )


def _describe_top(suffix: str) -> str:
    kind, value = suffix.partition(",")[0].split("=")
    return f"objectClass: {_OBJECT_CLASSES[kind]}\n{kind}: {value}"


def _fill(name: str, **values: str) -> str:
    template = (_CONFIG_DIR / "ldif" / name).read_text(encoding="utf-8")
    return Template(template).substitute(values)
