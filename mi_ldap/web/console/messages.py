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
    "'oldPassword' is wrong.": "The current password is wrong.",
    "Attempt to delete the logged in user. Operation not allowed. "
    "Please login from another user.": "You cannot delete your own account.",
    "User store is read only": "The user store is read-only.",
}

NOT_ENDED = (
    "This browser is logged out, but the session could not be ended in the service: its token "
    "stays valid until it expires."
)
SESSION_OVER = "Your session has ended. Log in to continue."
NO_LONGER_ADMIN = "You are no longer an admin. Log in to continue."
PASSWORDS_DIFFER = "The passwords do not match."
TYPE_TWICE = "Type the password twice: this login creates the first administrator."
FIRST_ADMIN = "You are the first administrator."
FORM_NOT_SENT = "The form was not sent because the session had ended. Check it and send it again."


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
