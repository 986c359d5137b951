"""Mixed writes while processes are killed: nothing acknowledged is lost, nothing is half made.

    .venv/bin/python -m tests.faults.endurance --writes 10000 --kills 100

The service runs with its embedded directory and two workers. Each client owns its users and roles,
so it knows what they must be; a killer ends slapd or a worker with SIGKILL, again and again. When
all is done the directory, the answers and the audit log are compared with what the clients know.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.endurance_client import ADMIN, PASSWORD, Client, Report
from tests.faults.test_processes import children, is_slapd
from tests.service import Service, running


@contextmanager
def killing(
    service: Service, report: Report, kills: int, pace: Callable[[], bool]
) -> Iterator[None]:
    """Kill slapd or a worker each time `pace` says so, `kills` times at most."""
    over = threading.Event()
    chance = random.Random(0)

    def kill() -> None:
        while not over.wait(0.01) and report.kills.total() < kills:
            if not pace():
                continue
            found = children(service.process.pid)
            slapds = [pid for pid in found if is_slapd(pid)]
            workers = [pid for each in found if each not in slapds for pid in children(each)]
            kind, pids = ("slapd", slapds) if chance.random() < 0.5 else ("worker", workers)
            if pids:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    report.kills[kind] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def working(everybody: list[Client], report: Report, writes: int) -> Iterator[Callable[[], bool]]:
    """Let all clients write until there are so many writes; yields whether one still works."""

    def work(client: Client) -> None:
        while report.writes.total() < writes:
            client.act()

    with ThreadPoolExecutor(len(everybody)) as pool:
        works = [pool.submit(work, client) for client in everybody]
        yield lambda: not all(each.done() for each in works)
        for each in works:
            each.result()


def run(folder: Path, writes: int, kills: int, clients: int = 8) -> Report:
    """Write and kill, then compare what is there with what was acknowledged."""
    report = Report()
    environment = {"MI_LDAP_STATE_DIR": str(folder), "MI_LDAP_SERVER__WORKERS": "2"}
    began = time.monotonic()
    with running(environment) as service:
        with service.caller() as call:
            call.login(ADMIN, PASSWORD)
        everybody = [Client(number, service, report) for number in range(clients)]
        for client in everybody:
            client.make_roles()
        every = max(1, writes // kills) if kills else writes

        def pace() -> bool:
            return report.writes.total() >= every * (report.kills.total() + 1)

        with killing(service, report, kills, pace), working(everybody, report, writes):
            pass
        report.seconds = time.monotonic() - began
        compare(everybody, report)
        for client in everybody:
            client.close()
    count_audit_lines(folder / "audit.log", report)
    return report


def compare(everybody: list[Client], report: Report) -> None:
    """Compare what the service shows with what the clients know."""
    expected = {ADMIN}
    for client in everybody:
        expected |= client.users.keys()
        for name, known in client.users.items():
            present = client.look(name)
            if present != known:
                report.lost.append(f"{name}: {known} is {present}")
            elif known.is_admin and present and present.custodian != known.custodian:
                report.lost.append(f"{name}: custodian {known.custodian} is {present.custodian}")
        for name in [*client.users][:20]:
            if not client.can_log_in(name):
                report.lost.append(f"{name} cannot log in")
    listed = everybody[0].listed()
    report.lost += [f"{name} is not listed" for name in sorted(expected - listed)]
    report.half_made += [f"{name} is listed" for name in sorted(listed - expected)]


def count_audit_lines(file: Path, report: Report) -> None:
    """Count the lines of the audit log for each acknowledged write."""
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    blank = sum(not line for line in lines)
    if blank:
        report.half_made.append(f"{blank} blank lines in the audit log")
    standing: Counter[str] = Counter()
    for line in map(json.loads, filter(None, lines)):
        if line["action"] != "inherited":
            standing[line["requestId"]] += 1 if line["outcome"] == "done" else -1
    report.audit_lines.update(standing[each] for each in report.acknowledged)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--writes", type=int, default=10_000)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--clients", type=int, default=8)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(Path(folder) / "state", chosen.writes, chosen.kills, chosen.clients))


if __name__ == "__main__":
    main()
