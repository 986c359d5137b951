"""Notes on a valid configuration that may surprise, for the log of the start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mi_ldap.addresses import is_loopback
from mi_ldap.settings.root import Settings


def collect_notes(
    settings: Settings, unused: Sequence[str], foreign: Sequence[str]
) -> tuple[str, ...]:
    """Return complete sentences, those about ignored keys first.

    Args:
        settings: the valid configuration.
        unused: MI's keys without effect.
        foreign: MI's sections without effect.
    """
    notes = [
        f"These keys of MI have no effect here: {', '.join(unused)}." if unused else "",
        f"These sections of MI have no effect here: {', '.join(foreign)}." if foreign else "",
        *_notes_on_values(settings),
    ]
    return tuple(note for note in notes if note)


def _notes_on_values(settings: Settings) -> Iterator[str]:
    api, server = settings.management_api, settings.server
    handler = api.authorization_handler
    if not (handler.reserves("/users") and handler.reserves("/roles")):
        yield (
            "management_api.authorization_handler opens users or roles to every logged-in user: "
            "for reading only, since changing them always needs an admin."
        )
    if not api.jwt_token_security_handler.enable:
        yield (
            "management_api.jwt_token_security_handler.enable = false has no effect: "
            "a login is always needed."
        )
    if api.cors.enable and "*" in api.cors.allowed_origins:
        yield (
            'management_api.cors.allowed_origins = "*" lets every web page that a user visits call '
            "this service: name the origins instead."
        )
    if settings.super_admin.password is not None and settings.bootstrap.mode != "configured":
        yield (
            "super_admin.password has no effect: the first admin is made from it only with "
            'bootstrap.mode = "configured".'
        )
    if not (server.tls or is_loopback(server.host)):
        yield (
            "server.tls = false sends passwords and tokens over the network in the clear, "
            "unless a proxy on the same machine does TLS."
        )
