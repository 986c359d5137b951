"""The lock that the workers of a machine share."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.errors import Conflict
from mi_ldap.state.machine_lock import MachineLock
from tests.stopwatch import within

ROOT = Path(__file__).parents[2]

COUNT_UP = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from mi_ldap.deadline import deadline
from mi_ldap.state.machine_lock import MachineLock

lock, counter = MachineLock(Path(sys.argv[1])), Path(sys.argv[2])

def count(_):
    began = time.monotonic()
    with deadline(30), lock.hold():
        waited = time.monotonic() - began
        number = int(counter.read_text())
        time.sleep(0.002)
        counter.write_text(str(number + 1))
    return waited

with ThreadPoolExecutor(8) as pool:
    print(max(pool.map(count, range(100))))
"""

HOLD = """
import sys, time
from pathlib import Path
from mi_ldap.state.machine_lock import MachineLock

with MachineLock(Path(sys.argv[1])).hold():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_threads_of_several_processes_are_inside_one_at_a_time(path: Path, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNT_UP, str(path), str(counter)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    waited_s = [float(process.communicate(timeout=60)[0]) for process in processes]
    assert counter.read_text() == "300"
    print("longest waits:", waited_s)


def test_who_waits_too_long_gives_up_in_time(path: Path) -> None:
    with held_elsewhere(path), deadline(0.5):
        began_s = time.monotonic()
        with within(0.5), pytest.raises(Conflict), MachineLock(path).hold():
            pytest.fail("it was held by two")
        assert time.monotonic() - began_s > 0.3


def test_threads_too_give_up_in_time(path: Path) -> None:
    lock, release = MachineLock(path), threading.Event()

    def hold() -> None:
        with lock.hold():
            release.wait(20)

    def wait() -> None:
        with deadline(0.3), lock.hold():
            pytest.fail("it was held by two")

    with ThreadPoolExecutor(2) as pool:
        holding = pool.submit(hold)
        time.sleep(0.1)
        with pytest.raises(Conflict):
            pool.submit(wait).result()
        release.set()
        holding.result()


def test_a_holder_that_dies_leaves_it_free(path: Path) -> None:
    with held_elsewhere(path) as holder:
        holder.kill()
        holder.wait()
        with deadline(1), MachineLock(path).hold():
            pass


def test_a_thread_may_enter_it_twice_and_it_is_free_after_an_error(path: Path) -> None:
    lock = MachineLock(path)
    with pytest.raises(ValueError, match="inside"), lock.hold(), lock.hold():
        raise ValueError("inside")
    with deadline(1), MachineLock(path).hold():
        pass
    assert not [fd for fd in Path("/proc/self/fd").iterdir() if is_open(fd, path)]


def is_open(descriptor: Path, path: Path) -> bool:
    try:
        return descriptor.readlink() == path
    except OSError:
        return False


@pytest.mark.parametrize("missing", ["no folder", "a folder"])
def test_where_it_cannot_be_used_the_change_goes_on(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "missing" / "lock"
    if missing == "a folder":
        path.mkdir(parents=True)
    with MachineLock(path).hold():
        pass
