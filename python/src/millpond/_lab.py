"""A swarm in memory for tests: what befalls its nodes, and the work of their fish."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar
from weakref import WeakValueDictionary

from . import _native
from ._draft import Drafts, Payload, Published, Tags, key_bytes, pairs_of_all, pairs_of_one
from ._effects import Effect, acting, pairs_of_effect, refuse_nested
from ._errors import UserCode
from ._facts import Durability
from ._fish import AnyFish, BuiltIn, Fish, State
from ._fold import FishCode
from ._held_clock import HeldClock
from ._native import Batch, Event, Offsets, Session
from ._pond import Token

S = TypeVar("S")

AioEffect: TypeAlias = Callable[[S], "Drafts | None | Awaitable[Drafts | None]"]
"""Is given a state, and gives the events to publish, or a coroutine that does."""

START = 1_767_225_600
"""Where virtual wall clocks begin: 2026-01-01, in seconds since 1970."""


class Lab:
    """A swarm in memory: what befalls its nodes. What they do is said to `node`.

    Nodes are named by their index, and the first is 0. All of them run and reach each other at
    first. Equal options and equal calls give equal results.
    Not for several threads at once.
    """

    def __init__(
        self,
        nodes: int | None = None,
        *,
        seed: int | None = None,
        app: str | None = None,
        skew_max: float | None = None,
    ) -> None:
        """A lab of so many nodes, 1 to 64 (default 3).

        seed: all chance follows from it (default 1, or what `MILLPOND_SEED` says). app: who
        publishes. skew_max: seconds by which the nodes' wall clocks are wrong at most (default
        300). Raises `InvalidArgument`, `LimitExceeded`.
        """
        self._native = _native.Lab(nodes, seed, app, skew_max)
        self._fish: dict[int, Fish[Any]] = {}
        self._codes: dict[tuple[int, int], tuple[FishCode, HeldClock]] = {}
        self._turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()
        # Counts the beginnings of states: each is at another moment.
        self._moments = 0

    def node(self, index: int) -> LabNode:
        """The node of this index; the first is 0. Raises `InvalidArgument`: there is none."""
        return LabNode(self, index)

    def aio_node(self, index: int) -> AioLabNode:
        """As `node`, for what takes a node of `millpond.aio`."""
        return AioLabNode(self, index)

    @property
    def seed(self) -> int:
        """The seed that all of it follows from."""
        return self._native.seed

    @property
    def nodes(self) -> range:
        """The nodes, by their index."""
        return range(self._native.node_count)

    @property
    def elapsed(self) -> float:
        """How many seconds of virtual time have passed."""
        return self._native.elapsed

    @property
    def trace(self) -> list[str]:
        """What happened, in order; the last 1,000 lines."""
        return self._native.trace

    def is_up(self, node: int) -> bool:
        """Whether a node runs."""
        return self._native.is_up(node)

    def time_micros(self, node: int) -> int:
        """A node's wall clock, in microseconds since 1970, UTC."""
        return self._native.time_micros(node)

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1 by the seed, for a scenario to do as chance has it."""
        return self._native.below(end)

    def cut(self, *groups: Iterable[int]) -> None:
        """Parts the network: nodes of one group reach each other and no others.

        Nodes that are in none are one more group. Raises `InvalidArgument`: there is no such node,
        or it is in two groups.
        """
        self._native.cut([list(group) for group in groups])

    def heal(self) -> None:
        """All nodes reach each other again."""
        self._native.heal()

    def crash(self, node: int) -> None:
        """A node's process ends without warning: what it has in memory is lost."""
        self._native.crash(node)

    def cut_power(self, node: int) -> None:
        """A node's power is cut: as `crash`, and what was not durable is lost, too."""
        self._native.cut_power(node)

    def start(self, node: int) -> None:
        """A node runs again, if it does not."""
        self._native.start(node)

    def advance(self, seconds: float) -> None:
        """Lets so much virtual time pass.

        What nodes reach each other with is delivered meanwhile, in pieces and in an order that
        chance decides; what was published becomes durable; and fish that were asked for work.
        Raises `UserCode`: one of them fails.
        """
        self._native.begin_advance(seconds)
        self._work()

    def settle(self) -> None:
        """Lets time pass until nodes that reach each other hold the same. Raises as `advance`."""
        self._native.begin_settle()
        self._work()

    def calm(self) -> None:
        """Heals the network, starts all nodes and settles. Raises as `advance`."""
        self._native.begin_calm()
        self._work()

    def chaos(self, steps: int | None = None) -> None:
        """So many times (default 10): cuts, heals, crashes or starts something, or time passes.

        One node at least goes on running. Raises as `advance`.
        """
        self._native.begin_chaos(steps)
        self._work()

    def check(self, *fish: AnyFish[Any]) -> None:
        """Asks each node that runs for the states of fish, and the judge more thoroughly.

        That is: the same events again, in other pieces, with the state saved and loaded between,
        and from the last reset on. Nodes that hold the same events must show the same.
        Raises as `LabNode.state`; `Closed`: no node runs.
        """
        for each in fish:
            self._begin(each, self._native.begin_check(each._spec))

    def events(self, fish: Fish[Any] | BuiltIn) -> list[Event]:
        """The events of a fish that any node holds durably, in the order of keys.

        `isLocal` is what the first node published. For `lint` and `check_grow_only`.
        """
        return list(self._native.events(fish.query))

    def __repr__(self) -> str:
        """What it is, for people."""
        return f"<Lab of {len(self.nodes)} nodes, seed {self.seed}>"

    def _state(
        self, node: int, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> State[S]:
        self._begin(fish, self._native.begin_state(node, fish._spec, after, session))
        return State(fish, self._native.shown())

    def _begin(self, fish: AnyFish[Any], number: int | None) -> None:
        if isinstance(fish, Fish) and number is not None:
            self._fish[number] = fish
        self._work()

    def _work(self) -> None:
        """Does the jobs of the task that was begun."""
        code: FishCode | None = None
        try:
            job = self._native.next_job()
            while job is not None:
                fish, owner, (kind, what) = job
                held = self._codes.get((fish, owner))
                if held is None or kind == "load":
                    held = FishCode(self._fish[fish]), HeldClock(self._fish[fish], self._moments)
                    self._moments += 1
                    self._codes[fish, owner] = held
                code, clock = held
                with clock.held(START + self._native.elapsed):
                    answer, *rest = code.do(kind, what)
                job = getattr(self._native, answer)(*rest)
        except UserCode as error:
            failure = None if code is None else code.failure
            if isinstance(failure, (KeyboardInterrupt, SystemExit)):
                # It was for the test, which runs on the same thread, and not of the fish.
                raise failure from None
            raise error from failure


class _Place:
    """What nodes of a lab have in common, for threads and for asyncio."""

    __slots__ = ("_index", "_lab", "_native")

    def __init__(self, lab: Lab, index: int) -> None:
        """For millpond only."""
        self._lab, self._index, self._native = lab, index, lab._native
        self._native.node_id(index)

    @property
    def index(self) -> int:
        """Its index in the lab; the first is 0."""
        return self._index

    @property
    def id(self) -> str:
        """The node id: 64 hex digits."""
        return self._native.node_id(self._index)

    @property
    def closed(self) -> bool:
        """True while it does not run."""
        return not self._native.is_up(self._index)

    def offsets(self) -> Offsets:
        """What is durable here: for each stream how many events."""
        return self._native.offsets(self._index)

    def session(self) -> Session:
        """A session that has seen nothing: give it to calls as `session=`. It fits any node."""
        return Session()

    def _publish(
        self,
        pairs: list[Any],
        durability: Durability | None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        life: int | None = None,
    ) -> Published:
        key, publish = key_bytes(idempotency_key), self._native.publish
        index = self._index
        return Published(publish(index, life, pairs, durability, key, expected, session))

    def _state(
        self, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> State[S]:
        return self._lab._state(self._index, fish, after, session)

    def _query(self, text: str, after: Token | None, session: Session | None) -> Batch:
        return self._native.query(self._index, text, after, session)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._index} of {self._lab!r}>"


class LabNode(_Place):
    """A node of a `Lab`: what takes a `millpond.Node` and uses these calls takes this, too.

    They have the same arguments and errors. Nothing waits: what a node would wait for is there, or
    `NotYetVisible` is raised at once, because time passes only by `Lab.advance` and the like; so
    `timeout` means nothing here. Not here: subscriptions, observers, `keep_running`, accounts and
    claims.
    """

    __slots__ = ()

    def publish(
        self,
        payload: Payload,
        tags: Tags = (),
        *,
        durability: Durability | None = None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Node.publish`.

        With the durability "process" nobody sees the event before some time passes, and a power cut
        before that takes it back.
        """
        pairs = pairs_of_one(payload, tags)
        return self._publish(pairs, durability, idempotency_key, expected, session)

    def publish_all(
        self,
        drafts: Drafts,
        *,
        durability: Durability | None = None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Node.publish_all`."""
        pairs = pairs_of_all(drafts)
        return self._publish(pairs, durability, idempotency_key, expected, session)

    def query(
        self,
        text: str,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> LabCursor:
        """As `millpond.Node.query`, of all that is durable here, in key order."""
        return LabCursor(self._query(text, after, session))

    def state(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> State[S]:
        """As `millpond.Node.state`, after the judge saw it.

        Raises `UserCode`: code of the fish failed, or the state is wrong: `reason` is "step",
        "codec", "encode" or "is_reset" then, and the message says what does this. `Conflict`:
        another fish of this id is at work here. `Closed`: it does not run. `NotYetVisible`.
        """
        return self._state(fish, after, session)

    def run(
        self,
        fish: AnyFish[S],
        effect: Effect[S],
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published | None:
        """As `millpond.Node.run`."""
        refuse_nested()
        life = self._native.life(self._index)
        state = self._state(fish, after, session).value
        with acting(fish):
            pairs = pairs_of_effect(effect(state))
        return self._publish(pairs, durability, session=session, life=life) if pairs else None

    def wait_for(
        self, token: Token, *, query: str | None = None, timeout: float | None = None
    ) -> None:
        """As `millpond.Node.wait_for`, without waiting. Raises `NotYetVisible`."""
        self._native.wait_for(self._index, token)


class AioLabNode(_Place):
    """As `LabNode`, for what takes a node of `millpond.aio`: made by `Lab.aio_node`.

    What a call does is done when it is awaited, at once; effects may be coroutine functions, and
    those on one fish take turns. If the node ends meanwhile, what an effect gives is not published.
    """

    __slots__ = ()

    async def publish(
        self,
        payload: Payload,
        tags: Tags = (),
        *,
        durability: Durability | None = None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `LabNode.publish`."""
        pairs = pairs_of_one(payload, tags)
        return self._publish(pairs, durability, idempotency_key, expected, session)

    async def publish_all(
        self,
        drafts: Drafts,
        *,
        durability: Durability | None = None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `LabNode.publish_all`."""
        pairs = pairs_of_all(drafts)
        return self._publish(pairs, durability, idempotency_key, expected, session)

    def query(
        self,
        text: str,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AioLabCursor:
        """As `LabNode.query`. Asked when it is first awaited."""
        return AioLabCursor(lambda: self._query(text, after, session))

    async def state(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> State[S]:
        """As `LabNode.state`."""
        return self._state(fish, after, session)

    async def run(
        self,
        fish: AnyFish[S],
        effect: AioEffect[S],
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published | None:
        """As `LabNode.run`. The effect runs in this task, and may be a coroutine function."""
        refuse_nested()
        async with self._lab._turns.setdefault((self._index, fish.id), asyncio.Lock()):
            life = self._native.life(self._index)
            state = self._state(fish, after, session).value
            with acting(fish):
                drafts: Any = effect(state)
                pairs = pairs_of_effect(await drafts if inspect.isawaitable(drafts) else drafts)
            return self._publish(pairs, durability, session=session, life=life) if pairs else None

    async def wait_for(
        self,
        token: Token,
        *,
        query: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """As `LabNode.wait_for`."""
        self._native.wait_for(self._index, token)


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
