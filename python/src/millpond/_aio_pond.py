"""The pond for asyncio: as `_pond`, and what waits is awaited.

The functions of a fish run on a thread of their own all the same; effects run in the task.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar

from . import _native
from ._draft import Drafts, Published
from ._effects import Deadline, acting, is_closed, pairs_of_effect, refuse_nested, value_of
from ._errors import Closed, UserCode
from ._facts import Durability, NodeFacts
from ._fish import AnyFish, Fish, State
from ._fold import Work, blame, known_work, working
from ._lazy import Lazy, left_of, lesser, now
from ._loop import Keep, outcome
from ._native import Operation, Queue, Session
from ._pond import MakeFish, Members, Token

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
        wait = self._native.pond().wait_for_start
        await outcome(lambda queue, number: wait(queue, number, token, query, timeout))

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

        def begin(queue: Queue, number: int, left: float | None) -> Operation:
            within, ask = lesser(timeout, left), self._native.pond().observe_start
            return ask(queue, number, fish._spec, after, session, within)

        return Observer(self, begin, fish)

    async def state(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> State[S]:
        """As `millpond.Node.state`."""
        if isinstance(fish, Fish):
            deadline = Deadline(timeout)
            observing = self.observe(fish, after=after, session=session, timeout=timeout)
            async with observing as observer:
                return await observer._state(deadline.left())
        ask = self._native.pond().state_start

        def start(queue: Queue, number: int) -> Operation:
            return ask(queue, number, fish._spec, after, session, timeout)

        return State(fish, await outcome(start))

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
        begin = self._group(seeds, False, after, session, timeout)
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
        begin = self._group(seed, True, after, session, timeout)
        return OneObserver(self, begin, make_fish)

    def _group(
        self,
        seeds: str,
        only_first: bool,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Any:
        def begin(queue: Queue, number: int, left: float | None) -> Operation:
            within, ask = lesser(timeout, left), self._native.pond().observe_group_start
            return ask(queue, number, seeds, only_first, after, session, within)

        return begin

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
        refuse_nested()
        deadline = Deadline(timeout)
        observing = self.observe(fish, after=after, session=session, timeout=timeout)
        async with observing as observer:
            turn = await observer._turn(False, deadline.left())
            try:
                state = value_of(turn, fish)
                with acting(fish):
                    pairs = await _pairs(effect(state))
                return await _published(turn, pairs, durability, session)
            finally:
                turn.close()

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
        refuse_nested()
        deadline = Deadline(timeout)
        observing = self.observe(fish, after=after, session=session, timeout=timeout)
        try:
            async with observing as observer:
                while True:
                    turn = await observer._turn(True, deadline.left())
                    try:
                        state = value_of(turn, fish)
                        with acting(fish):
                            if cancel_when is not None and cancel_when(state):
                                return
                            pairs = await _pairs(effect(state))
                        await _published(turn, pairs, durability, session)
                    finally:
                        turn.close()
        except Closed:
            # Nobody else closes the observer, so the node does; or else it is the session.
            if is_closed(session):
                raise


async def _pairs(drafts: Drafts | Awaitable[Drafts | None] | None) -> list[Any]:
    given: Any = await drafts if inspect.isawaitable(drafts) else drafts
    return pairs_of_effect(given)


async def _published(
    turn: _native.Turn,
    pairs: list[Any],
    durability: Durability | None,
    session: Session | None,
) -> Published | None:
    if not pairs:
        return None

    def start(queue: Queue, number: int) -> Operation:
        return turn.publish_start(queue, number, pairs, durability, session, None)

    return Published(await outcome(start))


class Observer(Lazy[_native.Observer], Generic[S]):
    """As `millpond.Observer`: iterate with `async for`."""

    __slots__ = ("_fish", "_held", "_refused", "_work")

    def __init__(self, node: NodeFacts, begin: Any, fish: AnyFish[S]) -> None:
        """For millpond only."""
        super().__init__(node, begin)
        self._fish = fish
        self._held: _native.State | None = None
        self._work: Work | None = None
        self._refused: Exception | None = None

    async def next(self, timeout: float | None = None) -> State[S] | None:
        """As `millpond.Observer.next`."""
        if self._closed:
            return None
        try:
            native, left = await self._begun_within(timeout)
        except Closed:
            if self._closed:
                return None
            raise
        if self._held is None:

            def start(queue: Queue, number: int) -> Operation:
                return native.next_state_start(queue, number, left)

            try:
                await outcome(start, self._hold)
            except UserCode as error:
                self._blame(error)
                raise
            except Closed:
                if self._closed or self._node.closed:
                    return None
                raise
        state, self._held = self._held, None
        return None if state is None or state.is_end else State(self._fish, state)

    def fileno(self) -> int:
        """As `millpond.Observer.fileno`. Raises `InvalidArgument`: nothing was awaited yet."""
        return self._known().fileno()

    async def _state(self, timeout: float | None) -> State[S]:
        native, left = await self._begun_within(timeout)
        start = native.state_start
        try:
            state = await outcome(lambda queue, number: start(queue, number, left))
        except UserCode as error:
            self._blame(error)
            raise
        return State(self._fish, state)

    async def _turn(self, is_new: bool, timeout: float | None) -> _native.Turn:
        native, left = await self._begun_within(timeout)
        start = native.turn_start
        try:
            turn: _native.Turn = await outcome(
                lambda queue, number: start(queue, number, is_new, left)
            )
        except UserCode as error:
            self._blame(error)
            raise
        return turn

    def _hold(self, state: _native.State | None) -> None:
        if state is not None:
            self._held = state

    def _keep(self) -> Keep:
        def keep(observed: tuple[_native.Observer, _native.Fold | None] | None) -> None:
            if observed is not None:
                # Also when nobody waits any more: others may observe it already.
                try:
                    self._work = working(self._node.id, observed[1], self._fish)
                except Exception as error:  # No thread or descriptor is left; the loop goes on.
                    self._refused = error

        return keep

    def _taken(self, value: Any) -> _native.Observer:
        if self._refused is not None:
            # Told once: the next beginning may have what this one lacked.
            refused, self._refused = self._refused, None
            raise refused
        native: _native.Observer = value[0]
        return native

    def _blame(self, error: UserCode) -> None:
        blame(error, (self._work, known_work(self._node.id, self._fish.id)))

    async def __anext__(self) -> State[S]:
        state = await self.next()
        if state is None:
            raise StopAsyncIteration
        return state


class _Group(Lazy[_native.Group], Generic[S]):
    """What the observers of several fish have in common."""

    __slots__ = ("_members",)

    def __init__(self, node: NodeFacts, begin: Any, make: MakeFish[S]) -> None:
        """For millpond only."""
        super().__init__(node, begin)
        self._members: Members[S] = Members(node.id, make)

    async def _next_states(self, timeout: float | None) -> dict[str, State[S]] | None:
        members, began = self._members, now()
        try:
            native, left = await self._begun_within(timeout)
        except Closed:
            if self._closed:
                return None
            raise
        while True:
            if members.undone is None:
                answer, members.answer = members.answer, None

                def start(
                    queue: Queue, number: int, answer: Any = answer, left: float | None = left
                ) -> Operation:
                    return native.next_step_start(queue, number, answer, left)

                try:
                    await outcome(start, members.keep)
                except UserCode as error:
                    members.blame(error)
                    raise
                except Closed:
                    if self._closed or self._node.closed:
                        return None
                    raise
            is_done, states = members.do()
            if is_done:
                return states
            left = left_of(timeout, began)


class AllObserver(_Group[S]):
    """As `millpond.AllObserver`: iterate with `async for`. `make_fish` runs in the loop."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> dict[str, State[S]] | None:
        """As `millpond.AllObserver.next`."""
        return await self._next_states(timeout)

    async def __anext__(self) -> dict[str, State[S]]:
        states = await self.next()
        if states is None:
            raise StopAsyncIteration
        return states


class OneObserver(_Group[S]):
    """As `millpond.OneObserver`: iterate with `async for`. `make_fish` runs in the loop."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> State[S] | None:
        """As `millpond.OneObserver.next`."""
        began, left = now(), timeout
        while (states := await self._next_states(left)) is not None:
            for state in states.values():
                return state
            left = left_of(timeout, began)
        return None

    async def __anext__(self) -> State[S]:
        state = await self.next()
        if state is None:
            raise StopAsyncIteration
        return state
