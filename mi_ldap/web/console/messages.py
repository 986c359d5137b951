"""Sentences of the console that several modules show, and the errors of its forms."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
    """Return the first letter or digit of a name after its domain, which lists show as icon."""
    bare = name.rpartition("/")[2]
    return next((char.upper() for char in bare if char.isalnum()), "•")


def name_hint(writable: Collection[str], secondaries: Collection[str]) -> str:
    """Return the sentence that says with which domains a new name may begin; `""` if with none.

    Args:
        writable: the domains in which users, or roles, can be created; `""` is the primary store.
        secondaries: the domains of the secondary user stores, in capitals.
    """
    prefixes = [f"{domain}/" for domain in writable if domain]
    if prefixes and "" not in writable:
        store = "primary user store" if secondaries else "user store"
        return f"Begin the name with {_listed(prefixes)}: the {store} is read-only."
    # Where there is one store, a name without a domain is all that most people need.
    if not (secondaries and prefixes):
        return ""
    return f"With {_listed(prefixes)} in front it is not one of the primary user store."


def errors_of(error: MiLdapError) -> dict[str, str]:
    """Return the error's sentence by the form's field that it is about; `""` for the whole form."""
    return {getattr(error, "field", ""): str(error)}


def _listed(texts: Sequence[str]) -> str:
    """Return `"a, b or c"`."""
    return " or ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
