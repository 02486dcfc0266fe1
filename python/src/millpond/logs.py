"""Millpond's own traces in Python's `logging`.

Traces wait in a bounded ring until a thread of Python takes them, so no thread of millpond ever
waits for Python. What does not fit is dropped, and the number of dropped traces is logged.
"""

from __future__ import annotations

import atexit
import logging
import threading
from types import TracebackType
from typing import Literal, Self, TypeAlias

from . import _native

Level: TypeAlias = Literal["off", "error", "warn", "info", "debug", "trace"]
"""How much is kept."""

_LEVELS = {
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": 5,
}
_AT_ONCE = 256
_INTERVAL = 0.2


def set_level(level: Level) -> None:
    """Says which traces are kept. Raises `InvalidArgument`."""
    _native.log_set_level(level)


def drain() -> int:
    """Hands what waits to `logging`, under the logger names `millpond.…`; returns how many."""
    count = 0
    while True:
        records, dropped = _native.log_drain(_AT_ONCE)
        if dropped:
            logging.getLogger("millpond").warning("%d traces were dropped", dropped)
        for record in records:
            _hand_over(*record)
        count += len(records)
        if len(records) < _AT_ONCE:
            return count


def _hand_over(sequence: int, time_micros: int, level: str, target: str, message: str) -> None:
    name = target.replace("::", ".")
    logger = logging.getLogger(name if name.startswith("millpond") else f"millpond.{name}")
    number = _LEVELS[level]
    if not logger.isEnabledFor(number):
        return
    record = logger.makeRecord(logger.name, number, "", 0, message, (), None)
    record.created = time_micros / 1_000_000
    record.msecs = time_micros // 1000 % 1000
    record.millpond_sequence = sequence
    logger.handle(record)


class Bridge:
    """Hands traces to `logging` from a thread of its own until it is stopped or the program ends.

    `Bridge("info")`, or as a `with` block. level: which traces are kept. interval: seconds between
    two looks, None for five a second.
    """

    def __init__(self, level: Level, *, interval: float | None = None) -> None:
        set_level(level)
        self._interval = _INTERVAL if interval is None else interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="millpond-logs", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            drain()

    def stop(self) -> None:
        """Hands over what is left and stops. May be repeated."""
        atexit.unregister(self.stop)
        self._stopped.set()
        self._thread.join()
        drain()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
