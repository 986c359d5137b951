"""The rows of the requests that are forwarded to a Micro Integrator, and what is aimed at."""

from __future__ import annotations

from typing import Final

from benchmarks.rows import Figures, Row, time_text

NAME: Final = "micro-integrator"
"""Of the stored result."""

_ADDED_MS, _SHARE, _GROWTH_MB = 2.0, 0.5, 20.0


def rows(figures: Figures) -> list[Row]:
    """Return the rows of a run."""
    return [
        _latency(figures, "small direct", "direct", _ADDED_MS),
        _latency(figures, "own", "an answer of the service itself", 0),
        _throughput(figures),
        _memory(figures),
    ]


def _latency(figures: Figures, other: str, name: str, aim_ms: float) -> Row:
    service, compared = figures["small"], figures[other]
    added_ms = service["p50_ms"] - compared["p50_ms"]
    both = (f"{time_text(f['p50_ms'])}, p99 {time_text(f['p99_ms'])}" for f in (service, compared))
    return Row(
        f"small `GET`, median added to {name}",
        time_text(added_ms),
        f"≤ {aim_ms:g} ms" if aim_ms else "",
        f"{' : '.join(both)} {name}",
        added_ms <= aim_ms if aim_ms else None,
    )


def _throughput(figures: Figures) -> Row:
    service, direct = figures["large"]["mb_s"], figures["large direct"]["mb_s"]
    share = service / direct
    return Row(
        "file of 500 MB",
        f"{share:.2f}",
        f"≥ {_SHARE:g} × direct",
        f"{service:.0f} MB/s : {direct:.0f} MB/s direct",
        share >= _SHARE,
    )


def _memory(figures: Figures) -> Row:
    growth_mb, before_mb = figures["memory"]["mb"], figures["memory"]["before_mb"]
    return Row(
        "memory, eight files at once",
        f"+ {growth_mb:.1f} MB",
        f"≤ + {_GROWTH_MB:g} MB",
        f"from {before_mb:.0f} MB RSS",
        growth_mb <= _GROWTH_MB,
    )
