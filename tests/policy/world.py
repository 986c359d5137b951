"""What the tests of policies ask of the API, always about `bob`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from tests.api.client import PASSWORD, Api
from tests.policy.servers import Policed

NEW = "another horse"
WRONG = "wrong"
LOCK_S = 0.05
"""Seconds until slapd 2.5 heeds a lock for certain.

It compares the lock's time to a clock that is some milliseconds late. So a lock of the first
milliseconds of a second is in the future at first.
"""


def on(*names: str) -> pytest.MarkDecorator:
    """A test that runs on these servers only."""
    return pytest.mark.parametrize("server", names, indirect=True)


@dataclass(frozen=True)
class World:
    """A directory with a policy, `admin`'s API over it, and `bob` in it."""

    server: Policed
    admin: Api
    bob_dn: str

    def login(self, password: str = PASSWORD) -> Api:
        """The API as `bob` sees it."""
        return self.admin.stranger().logged_in("bob", password)

    def warning(self, password: str = PASSWORD) -> str:
        """What a login of `bob` warns of."""
        answer = self.admin.stranger().login("bob", password)
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        return str(answer.json.get("Warning", ""))

    def refusal(self, password: str = PASSWORD) -> tuple[str, str]:
        """What a refused login says: the sentence, and the word in the audit log."""
        answer = self.admin.stranger().login("bob", password)
        assert answer.status_code == 401, answer.text
        assert answer.json is not None
        line = self.admin.lines[-1]
        assert (line["action"], line["outcome"]) == ("login", "refused")
        return str(answer.json["Error"]), str(line["reason"])

    def lock(self) -> None:
        """By failures."""
        self.server.demand("lockout")
        for _ in range(2):
            assert self.refusal(WRONG) == ("Invalid credentials.", "credentials")
        time.sleep(LOCK_S)

    def change(self, api: Api, new: str = NEW, old: str | None = PASSWORD) -> str:
        """Change the password through the API; what it says against it, else `""`."""
        body = {"newPassword": new, "confirmPassword": new}
        answer = api("PATCH", "/users/bob", body if old is None else {**body, "oldPassword": old})
        assert answer.json is not None
        if answer.status_code == 200:
            return ""
        assert answer.status_code == 400, answer.text
        lead, _, why = str(answer.json["Error"]).partition(". ")
        assert lead == "Error processing the request"
        return why

    def reset(self, new: str = NEW) -> str:
        """As `change`, in the admin's right."""
        return self.change(self.admin, new, None)
