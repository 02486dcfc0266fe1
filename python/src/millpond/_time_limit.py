"""The end of a further run of a scenario that waits for what never befalls.

Rule: an alarm is a help and no promise. It rings on the main thread only, where nobody else uses
SIGALRM, and never while pytest or a lab is at work, which is to end as it should.
"""

from __future__ import annotations

import os
import signal
import sysconfig
from types import FrameType, TracebackType
from typing import Self

_AGAIN_SECONDS = 0.1
"""Rings again after this: somebody may have been at work, or have caught what it raised."""

_PYTHON = tuple(
    os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib")
)
_KIT = tuple(
    os.path.join(os.path.dirname(__file__), name)
    for name in ("_lab", "_held_clock", "_trial", "_time_limit", "testing")
)
_PYTEST = tuple(f"{os.sep}{name}{os.sep}" for name in ("_pytest", "pluggy"))


class RunTooLong(BaseException):
    """A further run took longer than it may."""


def seconds_max(first: float) -> float:
    """How long a further run may take, of how long the first one took."""
    return max(1.0, 4.0 * first)


class Alarm:
    """Raises `RunTooLong` in its block after so many seconds; None: never."""

    def __init__(self, seconds: float | None) -> None:
        """Nothing rings before its block."""
        self._seconds, self._is_set = seconds, False

    def __enter__(self) -> Self:
        if self._seconds is not None and _is_free():
            try:
                signal.signal(signal.SIGALRM, self._ring)
            except ValueError:
                return self  # Not the main thread.
            self._is_set = True
            signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Does not ring any more. May be repeated."""
        if not self._is_set:
            return
        self._is_set = False
        # Who took the signal meanwhile has the timer, too.
        if signal.getsignal(signal.SIGALRM) == self._ring:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def _ring(self, _: int, frame: FrameType | None) -> None:
        if self._is_set and not _is_at_work(frame):
            raise RunTooLong


def _is_free() -> bool:
    """Whether nobody uses the signal and its timer, and there are such things here."""
    return (
        hasattr(signal, "setitimer")
        and signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    )


def _is_at_work(frame: FrameType | None) -> bool:
    """Whether what runs is of pytest or of a lab, or of Python on their behalf."""
    while frame is not None:
        file = frame.f_code.co_filename
        is_python = file.startswith(("<", *_PYTHON)) and "-packages" not in file
        if not is_python:
            return file.startswith(_KIT) or any(name in file for name in _PYTEST)
        frame = frame.f_back
    return False
