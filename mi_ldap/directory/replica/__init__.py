"""The replica: users and groups in memory, as fresh as the directory.

A read is answered after a poll (RFC 4533) that began after the request did: one small round trip,
shared by all requests that wait. On a cache miss the caller reads the directory, with the same
result: until memory is filled, while it can't be kept up to date, and if the answer depends on the
server's matching rules. Reads that a change depends on never use the replica. The package imports
`layout`, `reads` and `ldap`; it must not know the services.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from mi_ldap.deadline import began_at, deadline, remaining_s
from mi_ldap.directory.reads.searches import Searches
from mi_ldap.directory.replica.comparison import Difference
from mi_ldap.directory.replica.contents import ReplicaContents
from mi_ldap.directory.replica.name_keys import CacheMiss
from mi_ldap.directory.replica.reasons import ReplicationUnavailable, ResyncRequired, reason_for
from mi_ldap.directory.replica.snapshot import UNREPORTED, Snapshot, Verification
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.connection_pool import Connector
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.model import ReadSource, Role, User

log = structlog.get_logger()

__all__ = ["CacheMiss", "Replica", "ReplicaContents"]

LARGE_GROUP: Final = 2000
"""A group with more members is read in the background, not while a request waits."""

FILL_S: Final = 600.0
"""Longest time for filling memory, in seconds."""
# Firewalls cut idle connections, and slapd's session log drops old changes.
MAX_POLL_PAUSE_S: Final = 60.0
"""Longest pause between polls, in seconds."""
RECHECK_S: Final = 1.0
"""Pause before uncertain groups are read, and before a lost server is retried, in seconds."""
MAX_REPORT_WAIT_S, REPORT_PAUSE_S = 1.0, 0.002
"""Longest wait for the server to report a removal, and the pause between polls, in seconds."""
LAG_S: Final = 10.0
"""Seconds after which an unreported change is assumed never to be reported."""
PAUSE_FACTOR: Final = 4
"""Pause between two reads of groups, as a multiple of the duration of the first. Without it, a
large group that changes all the time would make requests wait for memory nearly all the time."""
CLOSE_S: Final = 1.0
SYNCPROV_S: Final = 30.0
"""Pause before retrying a server without synchronization, in seconds: an administrator may load
syncprov."""
RETRY_S: Final = 300.0
"""Pause before retrying when the server or its limits did not allow synchronization, in seconds."""

NOT_PROVED: Final = (
    "permissions are read from the directory, since this account may not read the server's list of "
    "databases (OpenLDAP: cn=Databases,cn=Monitor)"
)

_PAUSES_S: Final = {
    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION: SYNCPROV_S,
    ResultCode.SIZE_LIMIT_EXCEEDED: RETRY_S,
    ResultCode.ADMIN_LIMIT_EXCEEDED: RETRY_S,
}
"""Pause before a retry, by result code, in seconds; after other codes the retry is immediate."""

T = TypeVar("T")


class Replica:
    """Users and groups in memory for reads, kept as fresh as the directory.

    Args:
        connector: opens the connection for polls.
        searches: read what a poll does not report.
        limit: the maximum number of users and groups; with more, the replica is off.
        is_embedded: whether the service runs the directory itself, so that its configuration is
            known.
    """

    def __init__(
        self, connector: Connector, searches: Searches, limit: int, *, is_embedded: bool = False
    ) -> None:
        self._connector, self._searches, self._limit = connector, searches, limit
        self._is_private = is_embedded
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._polled_at = self._written_at = self._paused_until = 0.0
        self._lagging_since: float | None = None
        self._unavailable_reason = "it is being filled"
        self._logged_reason = ""
        self._verification = Verification(connector, searches.layout)
        self._is_disabled = False
        self._wakeup = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def source(self) -> ReadSource:
        """What answers reads at present: memory or the directory, and why."""
        if self._unavailable_reason:
            return ReadSource("directory", self._unavailable_reason)
        return ReadSource("memory", "" if self.is_proved else NOT_PROVED)

    @property
    def is_proved(self) -> bool:
        """Whether memory answers, and is proved to contain all that the directory contains."""
        snapshot = self._snapshot
        return snapshot is not None and snapshot.is_proved

    def start(self) -> None:
        """Begin to fill memory in a background thread; further calls do nothing."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="replica", daemon=True)
                    self._thread.start()

    def close(self) -> None:
        """Drop memory; the thread ends as soon as its last operation is answered."""
        self._closed = True
        self._wakeup.set()
        if self._thread:
            self._thread.join(CLOSE_S)
        with self._lock:
            self._drop("it is closed")

    def note_write(self) -> None:
        """Require a new poll before the next answer: this process has changed the directory."""
        self._written_at = time.monotonic()

    def note_deletion(self, entry: User | Role) -> None:
        """Wait until memory shows that this process has removed the entry.

        Other requests must not be answered with a user that this process has deleted.
        """
        # slapd 2.5.13 reports a deletion only after all changes that began earlier have ended.
        self.note_write()
        ends_at = time.monotonic() + MAX_REPORT_WAIT_S
        while not self._unavailable_reason and self._still_contains(entry):
            if time.monotonic() > ends_at:
                with self._lock:
                    self._drop("the server does not report a deletion")
                return
            time.sleep(REPORT_PAUSE_S)

    def _still_contains(self, entry: User | Role) -> bool:
        """Whether memory still contains the entry after a poll, even if other changes lag."""
        if not self._lock.acquire(timeout=remaining_s()):
            return True
        try:
            if self._snapshot is not None:
                # The groups that have lost the user are not read while this request waits.
                with suppress(CacheMiss):
                    self._poll(self._snapshot, reads_groups=False)
                self._wakeup.set()
            return self._snapshot is not None and self._snapshot.contents.contains(entry)
        finally:
            self._lock.release()

    def query(self, question: Callable[[ReplicaContents], T]) -> T:
        """Return the result of a function of the contents, called after a poll.

        Raises:
            CacheMiss: memory cannot answer; read the directory instead.
        """
        if self._unavailable_reason:
            raise CacheMiss
        # One poll, made under the lock, answers all requests that wait for the lock meanwhile.
        if not self._lock.acquire(timeout=remaining_s()):
            raise CacheMiss
        try:
            return question(self._polled_contents())
        finally:
            self._lock.release()

    def _polled_contents(self) -> ReplicaContents:
        """Return the contents after a poll that began after the request and our last change."""
        snapshot = self._snapshot
        if snapshot is None:
            raise CacheMiss
        if self._polled_at < max(began_at(), self._written_at):
            began = time.monotonic()
            self._poll(snapshot)
            if snapshot.synchronizer.lags_behind:
                self._note_lag(began)
                raise CacheMiss
            self._polled_at, self._lagging_since = began, None
        return snapshot.contents

    def _note_lag(self, now: float) -> None:
        """Drop memory if a change stays unreported for `LAG_S`; filling it finds the cause."""
        self._lagging_since = self._lagging_since or now
        if now - self._lagging_since > LAG_S:
            self._lagging_since = None
            self._drop("the server does not report a change")

    def _poll(self, snapshot: Snapshot, *, reads_groups: bool = True) -> None:
        # A cookie of one server says nothing about the changes that another one has replicated.
        if not self._connector.is_current(snapshot.connection):
            self._drop("the directory server has changed")
            raise CacheMiss
        try:
            # slapd 2.5.13 reports the changes of a transaction (RFC 5805) before it is committed,
            # and also if it is aborted. This service uses none, so every deletion is final.
            snapshot.refresh(expects_change=self._written_at > self._polled_at)
            self._ensure_within_limit(snapshot.contents)
            if reads_groups and snapshot.contents.groups.uncertain:
                self._read_small_groups(snapshot.contents)
        except (LdapError, ResyncRequired, ReplicationUnavailable, DirectoryUnavailable) as error:
            self._drop(reason_for(error))
            raise CacheMiss from error
        except Exception as error:
            log.exception("replica_failed")
            self._drop("an error occurred: see replica_failed in the log")
            raise CacheMiss from error

    def _ensure_within_limit(self, contents: ReplicaContents) -> None:
        if len(contents.people) + len(contents.groups) > self._limit:
            raise ReplicationUnavailable(
                f"the directory holds more than {self._limit} users and groups: "
                "see user_store.index_limit"
            )

    def _read_small_groups(self, contents: ReplicaContents) -> None:
        """Read changed groups; large ones are left to the background thread."""
        read_at_s, due = time.monotonic(), contents.groups.due()
        small = [group for group in due if group.size < LARGE_GROUP]
        contents.apply_members(contents.read_members(small), read_at_s)
        if len(small) < len(due):
            self._wakeup.set()

    def _drop(self, reason: str) -> None:
        """Answer no query until the background thread has filled memory again."""
        self._unavailable_reason = reason
        if self._snapshot:
            self._snapshot.connection.close()
            if not self._closed:
                log.info("replica_dropped", reason=reason)
        self._snapshot = None
        self._wakeup.set()

    # Run in the background thread

    def _run(self) -> None:
        pause_s = 0.0
        while not self._closed:
            self._wakeup.wait(pause_s)
            self._wakeup.clear()
            if self._closed:
                return
            pause_s = self._do_due_work()

    def _do_due_work(self) -> float:
        """Fill, poll or verify memory, and return the seconds until the next time."""
        try:
            with deadline(FILL_S):
                return self._poll_and_verify() if not self._unavailable_reason else self._fill()
        except DirectoryUnavailable as error:
            self._drop_until_retry(str(error))
            return RECHECK_S
        except LdapError as error:
            self._disable(reason_for(error))
            return _PAUSES_S.get(error.code, RECHECK_S)
        except ReplicationUnavailable as error:
            self._disable(str(error))
            return RECHECK_S if error.is_temporary else RETRY_S
        except ResyncRequired as error:
            self._drop_until_retry(str(error))
            return 0.0
        except Exception:
            log.exception("replica_failed")
            self._drop_until_retry("an error occurred: see replica_failed in the log")
            return RETRY_S

    def _disable(self, reason: str) -> None:
        if reason != self._logged_reason:
            log.warning("replica_off", reason=reason)
        self._logged_reason = reason
        self._drop_until_retry(reason)

    def _drop_until_retry(self, reason: str) -> None:
        """Empty memory until the next attempt, after a pause."""
        with self._lock:
            self._drop(reason)
            self._wakeup.clear()

    def _fill(self) -> float:
        """Fill memory from scratch; return the pause until the next work, in seconds."""
        # Not from the last cookie: slapd 2.5.13 that was killed may not report earlier deletions.
        if self._is_disabled:
            raise ReplicationUnavailable(f"{UNREPORTED}; restart the service when that is fixed")
        began = time.monotonic()
        snapshot = Snapshot.from_directory(
            self._connector, self._searches, self._limit, is_embedded=self._is_private
        )
        contents = snapshot.contents
        with self._lock:
            if self._closed:
                snapshot.connection.close()
                return 0.0
            self._snapshot, self._unavailable_reason, self._logged_reason = snapshot, "", ""
            self._polled_at = 0.0
        seconds = round(time.monotonic() - began, 3)
        log.info(
            "replica_ready",
            users=len(contents.people),
            roles=len(contents.groups),
            seconds=seconds,
            is_proved=snapshot.is_proved,
        )
        self._verification.schedule_next(seconds)
        return RECHECK_S if contents.groups.uncertain else MAX_POLL_PAUSE_S

    def _poll_and_verify(self) -> float:
        """Poll when no request does, and read the groups whose members are uncertain."""
        with self._lock, suppress(CacheMiss):
            if time.monotonic() - self._polled_at > MAX_POLL_PAUSE_S:
                self._polled_contents()
        if self._verification.is_due:
            self._verify()
        return self._read_groups()

    def _verify(self) -> None:
        """Check again whether the server reports every entry that searches find.

        Raises:
            ReplicationUnavailable: the server does not; earlier reports may be wrong as well.
        """
        snapshot = self._snapshot
        if snapshot is None or self._is_private:
            return
        try:
            self._verification.verify(snapshot, lambda each: self._confirmed(snapshot, each))
        except ReplicationUnavailable:
            self._is_disabled = True
            raise

    def _confirmed(self, snapshot: Snapshot, suspects: set[Difference]) -> set[Difference]:
        """Return the differences that remain after a poll; none if memory was dropped meanwhile."""
        with self._lock, suppress(CacheMiss):
            self.note_write()
            if self._snapshot is snapshot and self._polled_contents() is snapshot.contents:
                return snapshot.comparison.confirmed(snapshot.connection, suspects)
        return set()

    def _read_groups(self) -> float:
        """Read the groups whose members are uncertain."""
        with self._lock:
            snapshot = self._snapshot
            if snapshot is None or not snapshot.contents.groups.uncertain:
                return MAX_POLL_PAUSE_S
            began, groups = time.monotonic(), snapshot.contents.groups.due()
        if began < self._paused_until:
            return self._paused_until - began
        # Read without the lock, so that requests are answered meanwhile.
        fetched = list(snapshot.contents.read_members(groups))
        with self._lock:
            if self._snapshot is not snapshot:
                return RECHECK_S
            snapshot.contents.apply_members(fetched, began)
            uncertain = bool(snapshot.contents.groups.uncertain)
        now = time.monotonic()
        self._paused_until = now + PAUSE_FACTOR * (now - began)
        return RECHECK_S if uncertain else MAX_POLL_PAUSE_S
