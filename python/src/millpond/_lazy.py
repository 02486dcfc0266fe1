"""What begins when it is first awaited: the objects of `aio` that a call without `await` gives."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ._errors import Closed, Error, InvalidArgument
from ._facts import NodeFacts
from ._loop import Keep, outcome
from ._native import Operation, Queue

N = TypeVar("N")


def now() -> float:
    """The clock of the loop, in seconds."""
    return asyncio.get_running_loop().time()


def left_of(timeout: float | None, began: float) -> float | None:
    """What later waits of one call have left of its timeout; the first one checks it."""
    return None if timeout is None else max(0.0, timeout - (now() - began))


def lesser(timeout: float | None, other: float | None) -> float | None:
    """The shorter of two timeouts; None is no limit."""
    return timeout if other is None else other if timeout is None else min(timeout, other)


class Lazy(Generic[N]):
    """A native object that `begin` starts to make; closed when it is made too late."""

    __slots__ = ("__weakref__", "_begin", "_beginning", "_closed", "_operation", "_native", "_node")

    def __init__(self, node: NodeFacts, begin: Any) -> None:
        """For millpond only."""
        self._node, self._begin = node, begin
        self._native: N | None = None
        self._beginning = self._closed = False
        self._operation: Operation | None = None

    def __aiter__(self) -> Self:
        return self

    async def close(self) -> None:
        """As the method of the same name that blocks."""
        self._closed = True
        if self._native is not None:
            self._shut(self._native)
        elif self._operation is not None:
            self._operation.cancel()

    async def __aenter__(self) -> Self:
        await self._begun()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _begun(self, timeout: float | None = None) -> N:
        if self._native is None:
            if self._closed:
                raise Closed("this object is closed")
            if self._beginning:
                raise InvalidArgument("another task is awaiting the beginning of this object")
            self._beginning = True
            try:
                value = await outcome(partial(self._start, timeout), self._keep())
                self._native = self._taken(value)
            except Error:
                if self._closed:
                    raise Closed("this object is closed") from None
                raise
            finally:
                self._beginning, self._operation = False, None
            if self._closed:
                self._shut(self._native)
        return self._native

    def _start(self, timeout: float | None, queue: Queue, number: int) -> Operation:
        self._operation = self._begin(queue, number, left=timeout)
        return self._operation

    async def _begun_within(self, timeout: float | None) -> tuple[N, float | None]:
        """What it is, and what is left of the timeout of a call."""
        if self._native is not None:
            return self._native, timeout
        began = now()
        native = await self._begun(timeout)
        return native, left_of(timeout, began)

    def _known(self) -> N:
        if self._native is None:
            raise InvalidArgument("not begun: await something of this object first")
        return self._native

    def _keep(self) -> Keep | None:
        """Takes what the beginning ended with, whoever still waits."""
        return None

    def _taken(self, value: Any) -> N:
        """The native object, from what the beginning ended with."""
        native: N = value
        return native

    def _shut(self, native: Any) -> None:
        native.close()
