"""People log in with `mail`; the groups name them by `uid`, as RFC 2307 says."""

from __future__ import annotations

from tests.field.case import Case

CASE = Case(
    name="02-posix-mail-login",
    title="Logins by `mail`, `memberUid` holds uids",
    admins=("carol@corp.example",),
    others=("alice@corp.example", "bob@corp.example"),
    findings=(("members", "warn", "memberUid"),),
)
