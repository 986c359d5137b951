"""The index: a replica of users and groups in memory, as fresh as the directory.

A read is answered after a poll that began after the request did: one small round trip, shared by
all requests that wait. The caller reads the directory itself until memory is filled, while memory
can't be kept up to date, and wherever the answer depends on the server's matching rules; the
results are the same. Reads that decide on a change never use the index.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

import structlog

from mi_ldap.deadline import began_at, deadline, remaining_s
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.replica.comparison import Difference
from mi_ldap.directory.replica.contents import ReplicaContents, ReplicationUnavailable
from mi_ldap.directory.replica.entry_types import ResyncRequired
from mi_ldap.directory.replica.name_keys import CacheMiss
from mi_ldap.directory.replica.reasons import reason_for
from mi_ldap.directory.replica.snapshot import UNREPORTED, Snapshot
from mi_ldap.directory.replica.verification import Verification
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.connection import LdapError
from mi_ldap.ldap.connection_pool import Connector
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.model import ReadSource, Role, User

log = structlog.get_logger()

__all__ = ["CacheMiss", "Replica", "ReplicaContents"]

LARGE: Final = 2000
"""A group with more members is not read again while a request waits."""

FILL_S: Final = 600.0
KEEP_S: Final = 60.0
"""Longest pause between polls, in seconds: firewalls cut idle connections, and slapd's session log
drops old changes."""
RECHECK_S: Final = 1.0
"""Pause before groups that refint may still change are read again, and before a lost server is
retried, in seconds."""
UNTOLD_S, UNTOLD_PAUSE_S = 1.0, 0.002
"""Longest wait for the server to report a removal, and the pause between polls, in seconds."""
BEHIND_S: Final = 10.0
"""Seconds after which an unreported change is assumed never to be reported."""
REST: Final = 4
"""Pause between two readings of groups, as a multiple of the duration of the first. Without it, a
large group that changes all the time would make requests wait for memory nearly all the time."""
CLOSE_S: Final = 1.0
SYNCPROV_S: Final = 30.0
"""Pause before retrying a server without synchronization, in seconds: an administrator may load
syncprov."""
RETRY_S: Final = 300.0
"""Pause before retrying when the server or its limits did not allow synchronization, in seconds."""

NOT_PROVED: Final = (
    "who may act is read from the directory, since this account may not read how its databases are "
    "arranged (OpenLDAP: cn=Databases,cn=Monitor)"
)

_PAUSES_S: Final = {
    ResultCode.UNAVAILABLE_CRITICAL_EXTENSION: SYNCPROV_S,
    ResultCode.SIZE_LIMIT_EXCEEDED: RETRY_S,
    ResultCode.ADMIN_LIMIT_EXCEEDED: RETRY_S,
}
"""Pause before a retry, by result code, in seconds; after other codes the retry is immediate."""

T = TypeVar("T")


class Replica:
    """Replica of users and groups for reads, kept as fresh as the directory.

    Args:
        connector: opens the session of the index.
        reader: reads what a poll does not report.
        limit: with more users and groups than this the index is off.
        is_private: whether the service runs the directory itself, so that its configuration is
            known.
    """

    def __init__(
        self, connector: Connector, reader: Reader, limit: int, *, is_private: bool = False
    ) -> None:
        self._connector, self._reader, self._limit = connector, reader, limit
        self._is_private = is_private
        self._lock = threading.Lock()
        self._filled: Snapshot | None = None
        self._polled_at = self._written_at = self._rests_until = 0.0
        self._behind_since: float | None = None
        self._why = "it is being filled"
        self._off_because = ""
        self._verification = Verification(connector, reader.tree)
        self._is_disabled = False
        self._wanted = threading.Event()
        self._closed = False
        self._keeper: threading.Thread | None = None

    @property
    def reads(self) -> ReadSource:
        """Return the source of reads at present."""
        if self._why:
            return ReadSource("directory", self._why)
        return ReadSource("memory", "" if self.is_proved else NOT_PROVED)

    @property
    def is_proved(self) -> bool:
        """Whether memory answers, and is proved to contain all that the directory contains."""
        filled = self._filled
        return filled is not None and filled.is_proved

    def start(self) -> None:
        """Begin to fill memory in a background thread; further calls do nothing."""
        if self._keeper is None:
            with self._lock:
                if self._keeper is None:
                    self._keeper = threading.Thread(target=self._keep, name="index", daemon=True)
                    self._keeper.start()

    def close(self) -> None:
        """Drop the session; the thread ends as soon as its last operation is answered."""
        self._closed = True
        self._wanted.set()
        if self._keeper:
            self._keeper.join(CLOSE_S)
        with self._lock:
            self._drop("it is closed")

    def note_write(self) -> None:
        """Require a new poll before the next answer: this process has changed the directory."""
        self._written_at = time.monotonic()

    def note_removal(self, entry: User | Role) -> None:
        """Wait until memory shows that this process has removed the entry.

        slapd does not report a removal while a change that began earlier is still running.
        """
        self.note_write()
        ends_at = time.monotonic() + UNTOLD_S
        while not self._why and self._still_holds(entry):
            if time.monotonic() > ends_at:
                with self._lock:
                    self._drop("the server does not tell of a removal")
                return
            time.sleep(UNTOLD_PAUSE_S)

    def _still_holds(self, entry: User | Role) -> bool:
        """Whether memory still holds the entry after a poll; other changes may be unreported."""
        self.note_write()
        if not self._lock.acquire(timeout=remaining_s()):
            return True
        try:
            with suppress(CacheMiss):
                self._fresh()
            return self._filled is not None and self._filled.held.holds(entry)
        finally:
            self._lock.release()

    def ask(self, question: Callable[[ReplicaContents], T]) -> T:
        """Return the answer of memory to a question.

        Raises:
            CacheMiss: memory cannot answer; read the directory instead.
        """
        if self._why:
            raise CacheMiss
        if not self._lock.acquire(timeout=remaining_s()):
            raise CacheMiss
        try:
            return question(self._fresh())
        finally:
            self._lock.release()

    def _fresh(self) -> ReplicaContents:
        """Return the contents after a poll that began after the request and our last change."""
        filled = self._filled
        if filled is None:
            raise CacheMiss
        if self._polled_at < max(began_at(), self._written_at):
            began = time.monotonic()
            self._poll(filled)
            if filled.feed.lags_behind:
                self._note_behind(began)
                raise CacheMiss
            self._polled_at, self._behind_since = began, None
        return filled.held

    def _note_behind(self, now: float) -> None:
        """Drop memory if a change stays unreported for `BEHIND_S`; filling it finds the cause."""
        self._behind_since = self._behind_since or now
        if now - self._behind_since > BEHIND_S:
            self._behind_since = None
            self._drop("the server does not tell of a change")

    def _poll(self, filled: Snapshot) -> None:
        if not self._connector.is_current(filled.session):
            self._drop("the directory server has changed")
            raise CacheMiss
        try:
            filled.feed.refresh(filled.session)
            self._must_fit(filled.held)
            if filled.held.groups.uncertain:
                self._read_small(filled.held)
        except (LdapError, ResyncRequired, ReplicationUnavailable, DirectoryUnavailable) as error:
            self._drop(reason_for(error))
            raise CacheMiss from error
        except Exception as error:
            log.exception("index_failed")
            self._drop("an error occurred: see index_failed in the log")
            raise CacheMiss from error

    def _must_fit(self, held: ReplicaContents) -> None:
        if len(held.people) + len(held.groups) > self._limit:
            raise ReplicationUnavailable(
                f"the directory holds more than {self._limit} users and groups: "
                "see user_store.index_limit"
            )

    def _read_small(self, held: ReplicaContents) -> None:
        """Read changed groups; large ones are left to the background thread."""
        held.take(held.fetch([group for group in held.groups.uncertain if group.size < LARGE]))
        if held.groups.uncertain:
            self._wanted.set()

    def _drop(self, why: str) -> None:
        """Answer nothing until the background thread has filled memory again."""
        self._why = why
        if self._filled:
            self._filled.session.close()
            if not self._closed:
                log.info("index_dropped", why=why)
        self._filled = None
        self._wanted.set()

    # Run in the background thread

    def _keep(self) -> None:
        pause_s = 0.0
        while not self._closed:
            self._wanted.wait(pause_s)
            self._wanted.clear()
            if self._closed:
                return
            pause_s = self._seen_to()

    def _seen_to(self) -> float:
        """Do the work that is due, and return the seconds until the next time."""
        try:
            with deadline(FILL_S):
                return self._poll_and_verify() if not self._why else self._begin()
        except DirectoryUnavailable as error:
            self._let_go(str(error))
            return RECHECK_S
        except LdapError as refused:
            self._be_off(reason_for(refused))
            return _PAUSES_S.get(refused.code, RECHECK_S)
        except ReplicationUnavailable as error:
            self._be_off(str(error))
            return RECHECK_S if error.for_now else RETRY_S
        except ResyncRequired as error:
            self._let_go(str(error))
            return 0.0
        except Exception:
            log.exception("index_failed")
            self._let_go("an error occurred: see index_failed in the log")
            return RETRY_S

    def _be_off(self, why: str) -> None:
        if why != self._off_because:
            log.warning("index_off", why=why)
        self._off_because = why
        self._let_go(why)

    def _let_go(self, why: str) -> None:
        """Empty memory until the next attempt, after a pause."""
        with self._lock:
            self._drop(why)
            self._wanted.clear()

    def _begin(self) -> float:
        """Fill memory from scratch: a server that was killed does not report earlier removals."""
        if self._is_disabled:
            raise ReplicationUnavailable(f"{UNREPORTED}; restart the service when that is mended")
        began = time.monotonic()
        filled = Snapshot.from_directory(
            self._connector, self._reader, self._limit, is_private=self._is_private
        )
        held = filled.held
        with self._lock:
            if self._closed:
                filled.session.close()
                return 0.0
            self._filled, self._why, self._off_because = filled, "", ""
            self._polled_at = 0.0
        seconds = round(time.monotonic() - began, 3)
        log.info(
            "index_ready",
            users=len(held.people),
            roles=len(held.groups),
            seconds=seconds,
            is_proved=filled.is_proved,
        )
        self._verification.rest(seconds)
        return RECHECK_S if held.groups.uncertain else KEEP_S

    def _poll_and_verify(self) -> float:
        """Poll when no request does, and read the groups whose members are uncertain."""
        with self._lock, suppress(CacheMiss):
            if time.monotonic() - self._polled_at > KEEP_S:
                self._fresh()
        if self._verification.is_due:
            self._verify()
        return self._read_groups()

    def _verify(self) -> None:
        """Check again whether the server reports every entry that searches find.

        Raises:
            ReplicationUnavailable: the server does not; earlier reports may be wrong as well.
        """
        filled = self._filled
        if filled is None or self._is_private:
            return
        try:
            self._verification.verify(filled, lambda each: self._confirmed(filled, each))
        except ReplicationUnavailable:
            self._is_disabled = True
            raise

    def _confirmed(self, filled: Snapshot, suspects: set[Difference]) -> set[Difference]:
        """Return the differences that remain after a poll; none if memory was dropped meanwhile."""
        with self._lock, suppress(CacheMiss):
            self.note_write()
            if self._filled is filled and self._fresh() is filled.held:
                return filled.comparison.confirmed(filled.session, suspects)
        return set()

    def _read_groups(self) -> float:
        """Read changed groups, and again those that the server may still change silently."""
        with self._lock:
            filled = self._filled
            groups = [*filled.held.groups.uncertain] if filled else []
        if not (filled and groups):
            return KEEP_S
        began = time.monotonic()
        if began < self._rests_until:
            return self._rests_until - began
        fetched = list(filled.held.fetch(groups))
        with self._lock:
            if self._filled is not filled:
                return RECHECK_S
            filled.held.take(fetched, only_known=True)
            filled.held.confirm(began)
            uncertain = bool(filled.held.groups.uncertain)
        now = time.monotonic()
        self._rests_until = now + REST * (now - began)
        return RECHECK_S if uncertain else KEEP_S
