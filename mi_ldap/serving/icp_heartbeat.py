"""Heartbeats to WSO2's Integration Control Plane 2 (ICP), the second generation.

A heartbeat makes ICP send no request. ICP calls the API when somebody opens a page, and signs the
call with the key of the last full heartbeat.
"""

from __future__ import annotations

import re
import ssl
import uuid
from collections.abc import Mapping

from mi_ldap.deadline import deadline
from mi_ldap.icp_tokens import issue
from mi_ldap.services.accounts import find_user
from mi_ldap.services.container import Services
from mi_ldap.serving import heartbeat_request
from mi_ldap.serving.heartbeat_process import HeartbeatLoop
from mi_ldap.serving.heartbeat_request import object_in, post
from mi_ldap.serving.icp_body import FullBody, delta_body
from mi_ldap.settings import Settings

_RUNTIME_ID = "icp_runtime_id"

_MAX_MESSAGE = 300  # characters of ICP's message in the log

# A JWT, or its beginning: its first part is the base64url of `{"`.
_TOKEN = re.compile(r"eyJ[\w.-]*")


class IcpHeartbeats(HeartbeatLoop):
    """Sends a full heartbeat at the start, then short ones (deltas), and full ones on demand."""

    def __init__(self, settings: Settings, services: Services, tls: ssl.SSLContext) -> None:
        icp = settings.icp_config
        super().__init__("icp", icp.icp_url, icp.heartbeat_interval)
        self._settings = settings
        self._services = services
        self._tls = tls
        self._body: FullBody | None = None
        self._is_account_admin = False
        # ICP signs its calls with the key that it noted at the last full heartbeat. After a start
        # that may be an older one, although it takes deltas with the new one.
        self._needs_full = True

    def send(self) -> bool:
        """Send a heartbeat; if ICP does not know the state of this service, a full one."""
        if not self._is_ready():
            return True
        own = self._full_body()
        if not self._needs_full:
            status, answer = self._post("deltaHeartbeat", delta_body(own.runtime_id, own.hash))
            if not _wants_full(status, answer):
                return self._note_outcome(status, answer)
        # `fullHeartbeatRequired` in the answer to a full heartbeat is ignored: for a node without
        # artifacts ICP 2.0 always sets it, so full heartbeats would be sent in a loop.
        self._needs_full = True
        return self._note_outcome(*self._post("heartbeat", own.content()))

    def _is_ready(self) -> bool:
        """Whether the configured account is an admin, or none is configured."""
        name = self._settings.icp_config.account
        if name is not None and not self._is_account_admin:
            self._is_account_admin = is_admin(self._services, name)
            if not self._is_account_admin:
                self.log_change("waiting", "the user in icp_config.account is not an admin yet")
        return name is None or self._is_account_admin

    def _full_body(self) -> FullBody:
        if self._body is None:
            own_id = self._services.state.set_default(_RUNTIME_ID, str(uuid.uuid4()))
            self._body = FullBody(self._settings, own_id)
        return self._body

    def _post(self, resource: str, content: bytes) -> tuple[int, bytes]:
        icp = self._settings.icp_config
        headers = {"Authorization": f"Bearer {issue(icp)}"}
        return post(f"{icp.icp_url}/icp/{resource}", content, self._tls, self.interval_s, headers)

    def _note_outcome(self, status: int, answer: bytes) -> bool:
        """Log the outcome; return whether ICP has accepted the heartbeat."""
        found = object_in(answer)
        is_answered = status in range(200, 300)
        if is_answered and found and found.get("acknowledged") is True:
            self._needs_full = False
            self.log_change("registered", f"it answered {status}")
            return True
        # ICP may have lost its state, or restored an older one: send all of it again.
        self._needs_full = True
        said = _message_in(found or {})
        reason = f"it answered {status}{f': {said}' if said else ''}"
        if status >= 500 or (is_answered and found is None):
            missing = ", without a usable body" if found is None else ""
            self.log_change("unreachable", f"{reason}{missing}")
        else:
            self.log_change("refused", reason)
        return False


def _wants_full(status: int, answer: bytes) -> bool:
    found = object_in(answer) or {}
    return status in range(200, 300) and found.get("fullHeartbeatRequired") is True


def _message_in(answer: Mapping[str, object]) -> str:
    """Return ICP's text for the log, on one line, without control characters; `""` if none."""
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    text = next((each for each in (answer.get("message"), first) if isinstance(each, str)), "")
    # Whatever answers at the address could repeat the token of the heartbeat.
    text = _TOKEN.sub("…", text)[:_MAX_MESSAGE]
    return "".join(char if char.isprintable() else " " for char in text)


def is_admin(services: Services, name: str) -> bool:
    """Whether there is an enabled user of that name who is an admin.

    Raises:
        MiLdapError: the directory cannot be read, or the name is ambiguous.
    """
    with deadline(services.settings.server.request_deadline_s):
        user, admin_role = find_user(services.store, name), services.store.admin_role()
        if user is None or admin_role is None:
            return False
        return user.enabled and services.store.is_holder(admin_role, user)


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Return the context that verifies ICP.

    Raises:
        ConfigurationError: `icp_config.ca_file` cannot be used.
    """
    icp = settings.icp_config
    return heartbeat_request.tls_context(
        icp.ca_file, verify=icp.ssl_verify, key="icp_config.ca_file"
    )
