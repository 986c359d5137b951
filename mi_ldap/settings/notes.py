"""What the start should log about a configuration that is right but may surprise."""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.addresses import is_loopback
from mi_ldap.settings.merge import Layer
from mi_ldap.settings.root import Settings


def gather_notes(settings: Settings, layers: Iterable[Layer]) -> tuple[str, ...]:
    """Ready sentences, the ones about what was ignored first."""
    layers = tuple(layers)
    unused = sorted({key for layer in layers for key in layer.unused})
    foreign = sorted({name for layer in layers for name in layer.foreign})
    notes = [
        unused and f"These keys of MI have no effect here: {', '.join(unused)}.",
        foreign and f"These sections of MI have no effect here: {', '.join(foreign)}.",
        _note_on_reading(settings),
        _note_on_login(settings),
        _note_on_origins(settings),
        _note_on_admin(settings),
        _note_on_plain_http(settings),
    ]
    return tuple(note for note in notes if note)


def _note_on_reading(settings: Settings) -> str:
    handler = settings.management_api.authorization_handler
    if handler.reserves("/users") and handler.reserves("/roles"):
        return ""
    return (
        "management_api.authorization_handler opens users or roles to every logged-in user: "
        "for reading only, since changing them always needs an admin."
    )


def _note_on_login(settings: Settings) -> str:
    if settings.management_api.jwt_token_security_handler.enable:
        return ""
    return (
        "management_api.jwt_token_security_handler.enable = false has no effect: "
        "a login is always needed."
    )


def _note_on_origins(settings: Settings) -> str:
    cors = settings.management_api.cors
    if not (cors.enable and "*" in cors.allowed_origins):
        return ""
    return (
        'management_api.cors.allowed_origins = "*" lets every web page that a user visits call '
        "this service: name the origins instead."
    )


def _note_on_admin(settings: Settings) -> str:
    if settings.super_admin.password is None or settings.bootstrap.mode == "configured":
        return ""
    return (
        "super_admin.password has no effect: the first admin is made from it only with "
        'bootstrap.mode = "configured".'
    )


def _note_on_plain_http(settings: Settings) -> str:
    if settings.server.tls or is_loopback(settings.server.host):
        return ""
    return (
        "server.tls = false sends passwords and tokens over the network in the clear, "
        "unless a proxy on the same machine does TLS."
    )
