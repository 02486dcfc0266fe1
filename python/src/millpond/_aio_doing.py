"""Optimistic claims for asyncio: as `_doing`, and what waits is awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from . import _native
from ._aio_scarce import act
from ._draft import Payload, Published, key_bytes
from ._errors import Closed
from ._facts import NodeFacts
from ._loop import outcome
from ._native import Deed, EventKey, Operation, Queue, Session
from ._pond import Token
from ._reports import Standing


class DoingCalls(NodeFacts):
    """What a node does with optimistic claims."""

    __slots__ = ()

    async def do_optimistically(
        self,
        what: str,
        note: Payload = None,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Doing:
        """As `millpond.Node.do_optimistically`."""
        ask = self._native.doings().do_optimistically_start

        def start(queue: Queue, number: int) -> Operation:
            return ask(queue, number, what, note, after, session, timeout)

        return Doing(self, what, await outcome(start))

    async def own_doing(self, what: str, *, timeout: float | None = None) -> Doing | None:
        """As `millpond.Node.own_doing`."""
        ask = self._native.doings().own_doing_start
        native = await outcome(lambda queue, number: ask(queue, number, what, timeout))
        return None if native is None else Doing(self, what, native)


class Doing:
    """As `millpond.Doing`: iterate with `async for`."""

    __slots__ = ("__weakref__", "_closed", "_held", "_listener", "_native", "_node", "key", "what")

    what: str
    """What is done, as it was given."""
    key: EventKey
    """The key of the event that says so."""

    def __init__(self, node: NodeFacts, what: str, native: _native.Doing) -> None:
        """For millpond only."""
        self._node, self.what, self._native = node, what, native
        self.key, self._closed = native.key(), False
        self._held: list[Standing | None] = []
        self._listener: asyncio.Task[None] | None = None

    async def next(self, timeout: float | None = None) -> Standing | None:
        """As `millpond.Doing.next`."""
        if not self._held:
            ask = self._native.next_standing_start
            try:
                standing = await outcome(
                    lambda queue, number: ask(queue, number, timeout), self._hold
                )
            except Closed:
                if self._closed or self._node.closed:
                    return None
                raise
            if standing is None:
                return None
        return self._held.pop()

    def _hold(self, standing: _native.StandingTuple | None) -> None:
        # None is the end, or an error.
        if standing is not None:
            self._held.append(Standing(*standing))

    def on_loss(self, hook: Callable[[Standing], object | Awaitable[object]]) -> None:
        """As `millpond.Doing.on_loss`, in a task of the running loop.

        The hook may be a coroutine function. What it raises goes to the loop's exception handler.
        """
        loop = asyncio.get_running_loop()
        self._listener = loop.create_task(self._listen(hook), name=f"millpond-doing-{self.what}")

    async def _listen(self, hook: Callable[[Standing], object | Awaitable[object]]) -> None:
        async for standing in self:
            if standing.standing == "lost":
                called = hook(standing)
                if inspect.isawaitable(called):
                    await called
            if standing.standing != "won":
                return

    async def release(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Doing.release`."""
        key = key_bytes(idempotency_key)
        return await act(self._node, Deed.doing_release(self.what), key, after, session, timeout)

    async def close(self) -> None:
        """As `millpond.Doing.close`."""
        self._closed = True
        self._native.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Standing:
        standing = await self.next()
        if standing is None:
            raise StopAsyncIteration
        return standing

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Doing {self.what!r}>"
