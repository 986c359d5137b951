"""Syntax checks of LDAP filters, DNs, attribute names and addresses in a configuration.

They find typing errors. They do not know the schema: the directory rejects what it does not have.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_NAME = r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)"
_ASSERTION = re.compile(r"\([A-Za-z0-9.;:_-]+[~<>]?=(?:[^()\\\0]|\\[0-9A-Fa-f]{2})*\)")
_COMBINATION = re.compile(r"\((?:[&|]\0+|!\0)\)")
# RFC 4515 has no white space between the parts; people break long filters into lines.
_SPACE_BETWEEN = re.compile(r"\s+(?=\()|(?<=\))\s+")
_DN_VALUE = r"(?:[^\\,+\"<>;\0]|\\[0-9A-Fa-f]{2}|\\[\\,+\"<>;=# ])+"
_DN = re.compile(rf"{_NAME}\s*=\s*{_DN_VALUE}(?:[,+]\s*{_NAME}\s*=\s*{_DN_VALUE})*")
_RESERVED_DOMAINS = ("PRIMARY", "INTERNAL", "APPLICATION", ".", "..")
_SCHEMES = ("ldap", "ldaps", "ldap+srv", "ldaps+srv")
# Underscores are not allowed by RFC 1123, but Windows domains and Docker use them.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_PATH = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:%/-]*)?")
_LDAPI = re.compile(r"ldapi://[^\s,]+", re.IGNORECASE)


def read_admin_role(text: str) -> str | None:
    """Return the name of the admin role, a hybrid one in MI's spelling; None if it can be none."""
    first, slash, rest = text.partition("/")
    domain = {"internal": "Internal", "application": "Application"}.get(first.lower())
    name = rest.strip() if slash else text
    if not name or ":" in text or "/" in name or (slash and domain is None):
        return None
    if not slash:
        return text
    return None if name.lower() == "everyone" else f"{domain}/{name}"


def is_attribute_name(text: str) -> bool:
    """Whether it is an attribute name, such as `"uid"` or `"2.5.4.3"` (RFC 4512 §1.4)."""
    return re.fullmatch(_NAME, text) is not None


def read_domain(text: str) -> str | None:
    """Return the domain of a secondary user store in capitals; None if it cannot be one."""
    domain = text.upper()
    is_domain = re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text) is not None
    return domain if is_domain and domain not in _RESERVED_DOMAINS else None


def read_node_id(text: str) -> str | None:
    """Return the id of a Micro Integrator; None if it cannot be one."""
    # Not `..`, which is another segment in paths; ASCII alone, so that no path has it in two ways.
    return text if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", text) else None


def is_dn(text: str) -> bool:
    """Whether it is a DN, such as `"ou=people,dc=x"` (RFC 4514, with optional white space)."""
    return _DN.fullmatch(text) is not None


def read_filter(text: str) -> str | None:
    """Return the filter without white space between its parts; None if it is none (RFC 4515)."""
    # MI stores filters in an XML file; people copy them to a deployment.toml with `&amp;` for `&`.
    plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    tidy = _SPACE_BETWEEN.sub("", plain.strip())
    return tidy if _is_filter(tidy) else None


def _is_filter(text: str) -> bool:
    # Not by recursion, which a text of nested parentheses would exhaust. Innermost first: every
    # assertion becomes a NUL, then every combination of NULs, until one is left.
    if "\0" in text:
        return False
    reduced, found = _ASSERTION.subn("\0", text)
    while found:
        reduced, found = _COMBINATION.subn("\0", reduced)
    return reduced == "\0"


def read_url(text: str) -> str | None:
    """Return the address of a directory without a final slash; None if it is none.

    An address is `ldap[s]://host[:port]`, `ldapi://path`, or `ldap[s]+srv://domain` for the servers
    that DNS has for a domain (RFC 2782).
    """
    if _LDAPI.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
        bare = parts.scheme in _SCHEMES and parts.path in ("", "/")
        plain = not (parts.query or parts.fragment or "@" in parts.netloc)
        ported = parts.port is None or (parts.port > 0 and not parts.scheme.endswith("+srv"))
    except ValueError:
        return None
    return text.rstrip("/") if bare and plain and ported and parts.hostname else None


def read_http_url(text: str) -> str | None:
    """Return the URL `http[s]://host[:port][/path]` without a final slash; None if it is none.

    Scheme and host are returned in lower case.
    """
    try:
        parts = urlsplit(text)
        ported = parts.port is None or parts.port > 0
    except ValueError:
        return None
    plain = not (parts.query or parts.fragment or "@" in parts.netloc) and text.isprintable()
    usable = parts.scheme in ("http", "https") and is_host(parts.hostname or "")
    if not (ported and plain and usable and _PATH.fullmatch(parts.path)):
        return None
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}".rstrip("/")


def read_https_address(text: str) -> str | None:
    """Return the URL `https://host[:port]` without a final slash; None if it is none."""
    url = read_http_url(text)
    return url if url and url.startswith("https://") and not urlsplit(url).path else None


def read_icp_secret(text: str) -> str | None:
    """Return the secret of a node of ICP 2, `<key id>.<key>`; None if it is none."""
    # The id is written to logs. ICP's column for it has 16 characters: a longer one may be a secret
    # without an id, that contains a dot.
    kid, _, key = text.partition(".")
    is_kid = re.fullmatch(r"[A-Za-z0-9_-]{1,16}", kid) is not None
    # RFC 7518 §3.2: a key of HS256 must be at least as long as the hash.
    return text if is_kid and len(key.encode()) >= 32 else None


def read_host(text: str) -> str | None:
    """Return the host or address without the brackets of an IPv6 address; None if it is none."""
    host = text.removeprefix("[").removesuffix("]")
    return host if is_host(host) else None


def is_host(text: str) -> bool:
    """Whether it is a host name or address without a port, such as `"127.0.0.1"` or `"::1"`."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return _HOST_NAME.fullmatch(text) is not None
    return text.isprintable()
