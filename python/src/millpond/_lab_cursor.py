"""What a query of a lab answers, for threads and for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Self

from ._native import Event


class LabCursor:
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
        self._each = iter(())

    def __iter__(self) -> Iterator[Event]:
        return self._each

    def __next__(self) -> Event:
        return next(self._each)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AioLabCursor:
    """As `LabCursor`, for asyncio."""

    __slots__ = ("_ask", "_each")

    def __init__(self, ask: Callable[[], Iterable[Event]]) -> None:
        """For millpond only."""
        self._ask = ask
        self._each: Iterator[Event] | None = None

    async def to_list(self, timeout: float | None = None) -> list[Event]:
        """All remaining events."""
        return list(self._begun())

    async def aclose(self) -> None:
        """Ends it. May be repeated."""
        self._each = iter(())

    def _begun(self) -> Iterator[Event]:
        if self._each is None:
            self._each = iter(self._ask())
        return self._each

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        for event in self._begun():
            return event
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
