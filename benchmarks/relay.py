"""A directory 1 ms away in each direction, behind a relay in a process of its own: `relayed(url)`.

In the process of the clients the threads of the relay would wait for theirs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.callers import BenchmarkError
from benchmarks.running import ROOT
from mi_ldap.parent_death import die_with_parent
from tests.faults.slow_relay import slow_relay

EACH_WAY_S = 0.001


@contextmanager
def relayed(url: str) -> Iterator[str]:
    """The address of a relay to the server at `url`, which runs until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.relay", url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us
        preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509
    ) as process:
        said = process.stdout.readline().strip() if process.stdout else ""
        if not said:
            raise BenchmarkError(f"The relay to {url} did not start.")
        yield said  # the relay ends at the end of its input, which leaving the block closes


def main() -> None:
    """Relay to the URL of the command line until standard input ends."""
    with slow_relay(sys.argv[1], EACH_WAY_S) as url:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
