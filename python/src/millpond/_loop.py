"""How an asyncio loop waits for operations of millpond.

Each loop has one queue of finished operations and watches its file descriptor. Threads of millpond
put outcomes into the queue and never touch Python; the loop collects them on its own thread.
Rule: whoever stops waiting calls the operation off and collects at once, so that what the operation
still ended with is kept (a batch) or closed (a node), never lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from ._errors import Error
from ._native import Operation, Queue

Start: TypeAlias = Callable[[Queue, int], Operation]
"""Starts an operation whose outcome goes to the queue under the number."""
Keep: TypeAlias = Callable[[Any], None]
"""Takes the value that an operation ended with (None after an error), whoever still waits."""


class _Collector:
    """The queue of one loop and who waits for what."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.queue = Queue()
        self._waiting: dict[int, tuple[asyncio.Future[Any], Keep | None]] = {}
        self._number = 0
        loop.add_reader(self.queue.fileno(), self.collect)

    def enlist(self, future: asyncio.Future[Any], keep: Keep | None) -> int:
        self._number += 1
        self._waiting[self._number] = (future, keep)
        return self._number

    def strike(self, number: int) -> None:
        self._waiting.pop(number, None)

    def collect(self) -> None:
        """Hands every finished operation to who waits for it."""
        for number, value, error in self.queue.drain():
            future, keep = self._waiting.pop(number, (None, None))
            if keep is not None:
                try:
                    keep(value)
                except Exception as refused:  # No thread or descriptor is left, say.
                    error = error or refused
            if future is not None and not future.done():
                future.set_result((value, error))
            # What was raised here would hold this frame, and all that is in it, and that it.
            value = error = future = keep = None

    def close(self) -> None:
        self._waiting.clear()
        self.queue.close()


_collectors: WeakKeyDictionary[asyncio.AbstractEventLoop, _Collector] = WeakKeyDictionary()
_lock = threading.Lock()


def _collector(loop: asyncio.AbstractEventLoop) -> _Collector:
    found = _collectors.get(loop)
    if found is None:
        with _lock:
            for other in [other for other in _collectors if other.is_closed()]:
                _collectors.pop(other).close()
            found = _collectors[loop] = _Collector(loop)
    return found


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _collectors.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


async def outcome(start: Start, keep: Keep | None = None) -> Any:
    """Starts an operation, waits for it, and returns its value or raises its error.

    When the task is cancelled, the operation is called off before this raises.
    """
    loop = asyncio.get_running_loop()
    collector = _collector(loop)
    future: asyncio.Future[Any] = loop.create_future()
    number = collector.enlist(future, keep)
    try:
        operation = start(collector.queue, number)
    except BaseException:
        collector.strike(number)
        raise
    try:
        value, error = await future
    except asyncio.CancelledError:
        operation.cancel()
        collector.collect()
        # What is in it would live as long as the exception does: a turn, a node.
        del future
        raise
    except GeneratorExit:
        # The loop is gone; perhaps this is another thread. Nobody will collect.
        with contextlib.suppress(Error):
            operation.cancel()
        raise
    if error is not None:
        raise error
    return value
