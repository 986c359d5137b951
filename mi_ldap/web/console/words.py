"""The services' sentences, as a person reads them on a page, and the console's own."""

from __future__ import annotations

from mi_ldap.errors import (
    BadRequest,
    LoginRefused,
    MiLdapError,
    PolicyRefused,
    RoleExists,
    UserExists,
)

_LEADS = (
    "Error processing the request. ",
    "Requested resource not found. ",
    "403 Forbidden. ",
    "Invalid operation. ",
)
"""What the API's clients want to read first, and a person doesn't."""

_REWORDED = {
    "'oldPassword' is wrong.": "The present password is wrong.",
    "Attempt to delete the logged in user. Operation not allowed. "
    "Please login from another user.": "You can't remove yourself.",
    "User store is read only": "The user store takes no changes.",
}

DONE = {
    "added": "The user was added.",
    "removed": "The user was removed.",
    "given": "The role was given.",
    "taken": "The role was taken.",
    "password": "The password was set. The user has to log in again everywhere.",
    "role-added": "The role was added.",
    "role-removed": "The role was removed.",
    "own-password": "Your password was changed. Log in with the new one.",
    "logged-out": "You are logged out.",
    "session-over": "Log in to go on.",
}
"""What a page says after something was done, by the word that is carried to it."""


def sentence(text: str) -> str:
    """A sentence of the services for a page."""
    for lead in _LEADS:
        text = text.removeprefix(lead)
    text = _REWORDED.get(text, text)
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


DIFFER = "The two passwords differ."


def must_agree(new: str, confirmed: str) -> None:
    """Raises `BadRequest` where a password was typed in two ways."""
    if new != confirmed:
        raise BadRequest(DIFFER)


def initial(name: str) -> str:
    """The letter that stands for a name in a list."""
    return next((char.upper() for char in name if char.isalnum()), "•")


def errors_of(error: MiLdapError) -> dict[str, str]:
    """The error's sentence, by the form's field that it belongs to; `""` for the whole form."""
    return {_field_of(error): sentence(str(error))}


def _field_of(error: MiLdapError) -> str:
    text = sentence(str(error))
    if isinstance(error, UserExists | RoleExists) or text.startswith(_NAME_REFUSED):
        return "name"
    if isinstance(error, PolicyRefused) or text.startswith("The password is not allowed"):
        return "new"
    if isinstance(error, BadRequest | LoginRefused) and text.startswith("The present password"):
        return "old"
    return "confirmed" if text == DIFFER else ""


_NAME_REFUSED = ("The user name is not allowed", "The role name is not allowed")
