"""What a query of a lab answers, for threads and for asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._asking import Steps
from ._deadline import Deadline
from ._native import Event
from ._series import Awaiting, Waiting


class LabCursor(Waiting):
    """The answer to a query of a lab: iterate over it, or call its `to_list`."""

    __slots__ = ("_each",)

    def __init__(self, events: Iterable[Event]) -> None:
        """For millpond only."""
        self._each = iter(events)

    def to_list(self, timeout: float | None = None) -> list[Event]:
        """All remaining events."""
        return list(self._each)

    def close(self) -> None:
        """Ends it. May be repeated."""
        self._end()

    def _end(self) -> None:
        self._each = iter(())

    def __next__(self) -> Event:
        return next(self._each)


class AioLabCursor(Awaiting):
    """As `LabCursor`, for asyncio."""

    __slots__ = ("_ask", "_each")

    def __init__(self, ask: Callable[[], Iterable[Event]]) -> None:
        """For millpond only."""
        self._ask = ask
        self._each: Iterator[Event] | None = None

    async def to_list(self, timeout: float | None = None) -> list[Event]:
        """All remaining events."""
        return list(self._begun())

    async def close(self) -> None:
        """Ends it. May be repeated."""
        self._end()

    def _begun(self) -> Iterator[Event]:
        if self._each is None:
            self._each = iter(self._ask())
        return self._each

    def _opened(self, deadline: Deadline) -> Steps[Any]:
        """It is asked in a task, and nothing waits."""
        self._begun()
        yield from ()

    def _end(self) -> None:
        self._each = iter(())

    async def __anext__(self) -> Event:
        for event in self._begun():
            return event
        raise StopAsyncIteration
