"""What is left of the timeout of a call that waits several times."""

from __future__ import annotations

import time


class Deadline:
    """The first wait gets the timeout as it was given, and so checks it; later ones the rest."""

    __slots__ = ("_began", "_is_used", "_timeout")

    def __init__(self, timeout: float | None) -> None:
        self._began, self._is_used, self._timeout = time.monotonic(), False, timeout

    def left(self) -> float | None:
        """Seconds, 0 when it has passed; None for no limit."""
        if self._timeout is None:
            return None
        if not self._is_used:
            self._is_used = True
            return self._timeout
        return max(0.0, self._timeout - (time.monotonic() - self._began))


def lesser(timeout: float | None, other: float | None) -> float | None:
    """The shorter of two timeouts; None is no limit."""
    return timeout if other is None else other if timeout is None else min(timeout, other)
