"""The log: one JSON object a line, whoever speaks."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_SPEAKERS = """
import logging, sys, warnings
import structlog
from mi_ldap.serving.logs import configure_logging

log = structlog.get_logger()
configure_logging("warning")
structlog.contextvars.bind_contextvars(requestId="of this request")
log.info("not asked for")
log.warning("ours", number=1)
structlog.get_logger("named").error("failed", exc_info=ValueError("why"))
logging.getLogger("theirs").warning("by %s", "another")
warnings.warn("careful")
sys.stderr.close()
log.error("nobody hears it")
print("goes on")
"""


def test_each_line_is_an_object_and_says_who_speaks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SPEAKERS], capture_output=True, text=True, check=True
    )
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["level"]) for line in lines] == [
        ("__main__", "warning"),
        ("named", "error"),
        ("theirs", "warning"),
        ("py.warnings", "warning"),
    ]
    assert list(lines[0])[:5] == ["at", "level", "event", "logger", "requestId"]
    assert lines[0]["number"] == 1
    assert "ValueError: why" in lines[1]["exception"]
    assert lines[2]["event"] == "by another"
    assert {line["requestId"] for line in lines} == {"of this request"}
    assert done.stdout == "goes on\n"
