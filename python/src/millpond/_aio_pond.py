"""The pond for asyncio: as `_pond`, and what waits is awaited.

The functions of a fish run on a thread of their own all the same; effects run in the task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

from ._asking import Ask, awaited
from ._deadline import Deadline
from ._draft import Drafts, Published
from ._facts import Durability, NodeFacts
from ._fish import AnyFish, Fish, State
from ._native import Session
from ._observing import (
    GroupSteps,
    MakeFish,
    ObserverSteps,
    Token,
    grouping,
    keeping_running,
    observing,
    running,
    state_of,
)
from ._series import Awaiting

S = TypeVar("S")

Effect: TypeAlias = Callable[[S], "Drafts | Awaitable[Drafts | None] | None"]
"""As `millpond.Effect`; also one that is awaited."""


class PondCalls(NodeFacts):
    """What a node does with fish and tokens."""

    __slots__ = ()

    def session(self) -> Session:
        """As `millpond.Node.session`."""
        return Session()

    async def wait_for(
        self, token: Token, *, query: str | None = None, timeout: float | None = None
    ) -> None:
        """As `millpond.Node.wait_for`."""
        pond = self._native.pond()
        await Ask(pond.wait_for, pond.wait_for_start, token, query, timeout).awaited()

    def observe(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Observer[S]:
        """As `millpond.Node.observe`. Begins when the observer is first awaited.

        The functions of the fish run on the thread `millpond-fish-<id>`, not in the loop.
        """
        return Observer(self, observing(self, fish, after, session, timeout), fish)

    async def state(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> State[S]:
        """As `millpond.Node.state`."""
        if not isinstance(fish, Fish):
            return await awaited(state_of(self, fish, after, session, timeout))
        observer = Observer(self, observing(self, fish, after, session), fish)
        return await awaited(observer._state(Deadline(timeout)))

    def observe_all(
        self,
        seeds: str,
        make_fish: MakeFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AllObserver[S]:
        """As `millpond.Node.observe_all`. Begins when the observer is first awaited."""
        begin = grouping(self, seeds, False, after, session, timeout)
        return AllObserver(self, begin, make_fish)

    def observe_one(
        self,
        seed: str,
        make_fish: MakeFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> OneObserver[S]:
        """As `millpond.Node.observe_one`. Begins when the observer is first awaited."""
        begin = grouping(self, seed, True, after, session, timeout)
        return OneObserver(self, begin, make_fish)

    async def run(
        self,
        fish: AnyFish[S],
        effect: Effect[S],
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published | None:
        """As `millpond.Node.run`. The effect runs in this task, and may be a coroutine function."""
        observer = Observer(self, observing(self, fish, after, session), fish)
        return await awaited(running(observer, effect, durability, session, timeout))

    async def keep_running(
        self,
        fish: AnyFish[S],
        effect: Effect[S],
        cancel_when: Callable[[S], bool] | None = None,
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> None:
        """As `millpond.Node.keep_running`. Cancel the task to end it from outside."""
        observer = Observer(self, observing(self, fish, after, session), fish)
        steps = keeping_running(observer, effect, cancel_when, durability, session, timeout)
        await awaited(steps)


class Observer(ObserverSteps[S], Awaiting, Generic[S]):
    """As `millpond.Observer`: iterate with `async for`.

    What begins on a node that is closed already raises `Closed`.
    """

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> State[S] | None:
        """As `millpond.Observer.next`."""
        return await awaited(self._next(timeout))

    def fileno(self) -> int:
        """As `millpond.Observer.fileno`. Raises `InvalidArgument`: nothing was awaited yet."""
        return self._known().fileno()

    async def close(self) -> None:
        """As `millpond.Observer.close`."""
        self._end()

    async def __anext__(self) -> State[S]:
        state = await self.next()
        if state is None:
            raise StopAsyncIteration
        return state


class AllObserver(GroupSteps[S], Awaiting, Generic[S]):
    """As `millpond.AllObserver`: iterate with `async for`. `make_fish` runs in the loop."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> dict[str, State[S]] | None:
        """As `millpond.AllObserver.next`."""
        return await awaited(self._next_states(timeout))

    async def close(self) -> None:
        """As `millpond.AllObserver.close`."""
        self._end()

    async def __anext__(self) -> dict[str, State[S]]:
        states = await self.next()
        if states is None:
            raise StopAsyncIteration
        return states


class OneObserver(GroupSteps[S], Awaiting, Generic[S]):
    """As `millpond.OneObserver`: iterate with `async for`. `make_fish` runs in the loop."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> State[S] | None:
        """As `millpond.OneObserver.next`."""
        return await awaited(self._next_state(timeout))

    async def close(self) -> None:
        """As `millpond.OneObserver.close`."""
        self._end()

    async def __anext__(self) -> State[S]:
        state = await self.next()
        if state is None:
            raise StopAsyncIteration
        return state
