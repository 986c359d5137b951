"""The services' sentences, as a person reads them on a page, and the console's own."""

from __future__ import annotations

from mi_ldap.errors import MiLdapError

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


NOT_TOLD = (
    "This browser is logged out, but the service could not be told: elsewhere the session is good "
    "until it ends by itself."
)


def sentence(text: str) -> str:
    """A sentence of the services for a page."""
    for lead in _LEADS:
        text = text.removeprefix(lead)
    text = _REWORDED.get(text, text)
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def initial(name: str) -> str:
    """The letter that stands for a name in a list."""
    return next((char.upper() for char in name if char.isalnum()), "•")


def errors_of(error: MiLdapError) -> dict[str, str]:
    """The error's sentence, by the form's field that it belongs to; `""` for the whole form."""
    return {getattr(error, "field", ""): sentence(str(error))}
