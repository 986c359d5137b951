"""Many requests at once, sent by wrk: 2 threads, 16 connections, over TLS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benchmarks.callers import BenchmarkError
from benchmarks.timing import Figure

DURATION_S = 3
THREADS, CONNECTIONS = 2, 16

_SCRIPT = Path(__file__).with_name("wrk.lua")
_TIMEOUT_S = 10


def write_requests(file: Path, requests: Iterable[tuple[str, str]]) -> Path:
    """Keep requests for wrk, each a path and an Authorization header; the file."""
    file.write_text("".join(f"{path}\t{header}\n" for path, header in requests), encoding="ascii")
    return file


def hammered(port: int, requests: Path) -> Figure:
    """The requests of the file for a few seconds, as fast as they are answered.

    Raises:
        BenchmarkError: one of them failed, or was answered with an error.
    """
    words = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{DURATION_S}s"]
    words += ["--timeout", f"{_TIMEOUT_S}s", "-s", str(_SCRIPT)]
    words += [f"https://127.0.0.1:{port}/", "--", str(requests)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"wrk has ended with {done.returncode}: {done.stderr}")
    said = json.loads(done.stdout.splitlines()[-1])
    if said["statuses"] or said["failures"] or not said["requests"]:
        raise BenchmarkError(f"Requests of {requests.stem} have failed: {said}")
    return {
        "rps": said["requests"] / said["duration"] * 1e6,
        "p50_ms": said["p50"] / 1000,
        "p99_ms": said["p99"] / 1000,
    }
