"""Optimistic claims for asyncio: as `_doing`, and what waits is awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from . import _native
from ._asking import awaited
from ._claimed import DoingSteps, losing, own, saying
from ._deeds import acting
from ._draft import Payload, Published
from ._facts import NodeFacts
from ._native import Deed, Session
from ._observing import Token
from ._reports import Standing
from ._series import Awaiting

_listeners: set[asyncio.Task[None]] = set()
"""A loop keeps no task alive by itself."""


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
        native = await awaited(saying(self, what, note, after, session, timeout))
        return Doing(self, what, native)

    async def own_doing(self, what: str, *, timeout: float | None = None) -> Doing | None:
        """As `millpond.Node.own_doing`."""
        native = await awaited(own(self, what, timeout))
        return None if native is None else Doing(self, what, native)


class Doing(DoingSteps, Awaiting):
    """As `millpond.Doing`: iterate with `async for`."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> Standing | None:
        """As `millpond.Doing.next`."""
        return await awaited(self._next(timeout))

    def on_loss(self, hook: Callable[[Standing], object | Awaitable[object]]) -> None:
        """As `millpond.Doing.on_loss`, in a task of the running loop.

        The hook may be a coroutine function. What it raises goes to the loop's exception handler.
        """
        loop = asyncio.get_running_loop()
        keep(loop, _listen(self._loss(), hook), self.what)

    def fileno(self) -> int:
        """As `millpond.Doing.fileno`."""
        return self._known().fileno()

    async def release(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Doing.release`."""
        deed = partial(Deed.doing_release, self.what)
        steps = acting(self._node, deed, idempotency_key, after, session, timeout)
        return await awaited(steps)

    async def close(self) -> None:
        """As `millpond.Doing.close`."""
        self._end()

    async def __anext__(self) -> Standing:
        standing = await self.next()
        if standing is None:
            raise StopAsyncIteration
        return standing


def keep(
    loop: asyncio.AbstractEventLoop, listening: Coroutine[Any, Any, None], what: str
) -> None:
    """Has a task go on that nobody awaits."""
    listener = loop.create_task(listening, name=f"millpond-doing-{what}")
    _listeners.add(listener)
    listener.add_done_callback(_tell)


async def _listen(
    loss: _native.Loss, hook: Callable[[Standing], object | Awaitable[object]]
) -> None:
    standing = await awaited(losing(loss))
    if standing is not None:
        called: Any = hook(standing)
        if inspect.isawaitable(called):
            await called


def _tell(listener: asyncio.Task[None]) -> None:
    _listeners.discard(listener)
    error = None if listener.cancelled() else listener.exception()
    if error is not None:
        said = {"message": f"undoing failed in {listener.get_name()}", "exception": error}
        listener.get_loop().call_exception_handler({**said, "task": listener})
