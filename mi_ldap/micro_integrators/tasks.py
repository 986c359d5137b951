"""Ending tasks of the event loop."""

from __future__ import annotations

import asyncio
from asyncio import Task
from typing import Any


async def cancel(task: Task[Any]) -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    await asyncio.wait({task})
    retrieve_error(task)


def retrieve_error(task: Task[Any]) -> BaseException | None:
    """Return the error of a task that has ended; asyncio logs those that nobody retrieves."""
    if task.cancelled():
        return None
    return task.exception()
