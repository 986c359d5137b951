"""Sentences of the console that several modules show, and the errors of its forms."""

from __future__ import annotations

from mi_ldap.errors import MiLdapError

NOT_ENDED = (
    "This browser is logged out, but the session could not be ended in the service: its token "
    "stays valid until it expires."
)
NO_SESSION = (
    "The form belongs to an older session, or was not sent from the console. Send it again."
)
SESSION_OVER = "Your session has ended. Log in to continue."
NO_LONGER_ADMIN = "You are no longer an admin. Log in to continue."
PASSWORDS_DIFFER = "The passwords do not match."
TYPE_TWICE = "Type the password twice: this login creates the first administrator."
FIRST_ADMIN = "You are the first administrator."
FORM_NOT_SENT = "The form was not sent because the session had ended. Check it and send it again."


def initial(name: str) -> str:
    """Return the letter that stands for a name in a list."""
    return next((char.upper() for char in name if char.isalnum()), "•")


def errors_of(error: MiLdapError) -> dict[str, str]:
    """Return the error's sentence by the form's field that it is about; `""` for the whole form."""
    return {getattr(error, "field", ""): str(error)}
