"""A node of a lab: the calls of a node, for threads and for asyncio, answered in virtual time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, TypeVar

from ._blob import BlobLike
from ._draft import Drafts, Payload, Published, Tags, key_bytes, pairs_of_all, pairs_of_one
from ._effects import Effect, acting, pairs_of_effect, refuse_nested
from ._facts import Durability
from ._fish import AnyFish, State
from ._lab_cursor import AioLabCursor, LabCursor
from ._lab_observer import AioLabObserver, LabObserver
from ._lab_running import Kept, Looks
from ._lab_scarce import (
    AioLabAccount,
    AioLabClaim,
    AioLabDoing,
    Desk,
    LabAccount,
    LabClaim,
    LabDoing,
    Said,
    no_subscriptions,
)
from ._native import Batch, Event, Offsets, Session
from ._observing import Token
from ._reports import WhoDoes

if TYPE_CHECKING:
    from ._lab import Lab

S = TypeVar("S")

AioEffect: TypeAlias = Callable[[S], "Drafts | None | Awaitable[Drafts | None]"]
"""Is given a state, and gives the events to publish, or a coroutine that does."""


class _Place:
    """What nodes of a lab have in common, for threads and for asyncio."""

    __slots__ = ("_desk", "_index", "_lab", "_native")

    def __init__(self, lab: Lab, index: int) -> None:
        """For millpond only."""
        self._lab, self._index, self._native = lab, index, lab._native
        self._native.node_id(index)
        self._desk = Desk(lab, index)

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
        options = (durability, key, expected, session)
        return Published(self._lab._done(publish, self._index, life, pairs, *options))

    def _state(
        self, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> State[S]:
        return self._lab._state(self._index, fish, after, session)

    def _query(self, text: str, after: Token | None, session: Session | None) -> Batch:
        return self._native.query(self._index, text, after, session)

    def _say(
        self, what: str, note: Payload, after: Token | None, session: Session | None
    ) -> Said:
        say = self._native.do_optimistically
        return Said(self, what, self._lab._done(say, self._index, what, note, after, session))

    def _said(self, what: str) -> Said | None:
        key = self._native.own_doing(self._index, what)
        return None if key is None else Said(self, what, key)

    def subscribe_who_does(self, what: str) -> NoReturn:
        """Raises `InvalidArgument`: a lab has no subscriptions."""
        no_subscriptions()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._index} of {self._lab!r}>"


class LabNode(_Place):
    """A node of a `Lab`: what takes a `millpond.Node` and uses these calls takes this, too.

    They have the same arguments and errors. Nothing waits: what a node would wait for is there, or
    `NotYetVisible` is raised at once, because time passes only by `Lab.advance` and the like; so
    `timeout` means nothing here. Not here: subscriptions, and observers of several fish.
    """

    __slots__ = ()

    def publish(
        self,
        payload: Payload,
        tags: Tags = (),
        *,
        blobs: Iterable[BlobLike] = (),
        durability: Durability | None = None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Node.publish`.

        With the durability "process" nobody sees the event before some time passes, and a power cut
        before that may take it back.
        """
        pairs = pairs_of_one(payload, tags, blobs)
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

    def observe(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> LabObserver[S]:
        """As `millpond.Node.observe`: the states that time brings, one at each look at most.

        Raises as `state`.
        """
        return LabObserver(self, fish, after, session)

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

    def keep_running(
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
        """As `millpond.Node.keep_running`, but that it returns at once.

        The effect runs now, and then once by each call that lets time pass, when that has passed,
        if the state is a new one; until `cancel_when` holds or the node's process ends. What it
        raises comes out of that call, and ends it. While what the session has seen is not here, it
        does not run; but `NotYetVisible` is raised if that is so now.
        """
        refuse_nested()
        kept = Kept(Looks(self, fish, after, session), effect, cancel_when)

        def turn() -> bool:
            try:
                if (state := kept.due()) is not None:
                    with acting(fish):
                        pairs = pairs_of_effect(kept.judged(state.value))
                    kept.publish(pairs, durability)
            except BaseException as error:
                if kept.failed(error):
                    raise
            return not kept.is_over

        if turn():
            self._lab._turns_kept.append(turn)

    def wait_for(
        self, token: Token, *, query: str | None = None, timeout: float | None = None
    ) -> None:
        """As `millpond.Node.wait_for`, without waiting.

        Raises `NotYetVisible`, `QueryInvalid`; `Closed`: it does not run.
        """
        self._native.wait_for(self._index, token, query)

    def account(self, name: str, *, id: str | None = None) -> LabAccount:  # noqa: A002
        """As `millpond.Node.account`. It is that of whatever life of the node."""
        return LabAccount(self._desk, name, id)

    def claim(self, what: str) -> LabClaim:
        """As `millpond.Node.claim`. It is that of whatever life of the node."""
        return LabClaim(self._desk, what)

    def who_does(
        self,
        what: str,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> WhoDoes:
        """As `millpond.Node.who_does`."""
        who: WhoDoes = self._desk.report(("who_does", None), what, after, session, timeout)
        return who

    def do_optimistically(
        self,
        what: str,
        note: Payload = None,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> LabDoing:
        """As `millpond.Node.do_optimistically`."""
        return LabDoing(self._say(what, note, after, session))

    def own_doing(self, what: str, *, timeout: float | None = None) -> LabDoing | None:
        """As `millpond.Node.own_doing`."""
        said = self._said(what)
        return None if said is None else LabDoing(said)


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
        blobs: Iterable[BlobLike] = (),
        durability: Durability | None = None,
        idempotency_key: bytes | str | None = None,
        expected: int | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `LabNode.publish`."""
        pairs = pairs_of_one(payload, tags, blobs)
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

    def observe(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AioLabObserver[S]:
        """As `LabNode.observe`, but that it waits for time to pass. Begins when first awaited."""
        return AioLabObserver(self, fish, after, session)

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
        async with self._turn(fish):
            life = self._native.life(self._index)
            state = self._state(fish, after, session).value
            with acting(fish):
                drafts: Any = effect(state)
                pairs = pairs_of_effect(await drafts if _waits(drafts) else drafts)
            return self._publish(pairs, durability, session=session, life=life) if pairs else None

    async def keep_running(
        self,
        fish: AnyFish[S],
        effect: AioEffect[S],
        cancel_when: Callable[[S], bool] | None = None,
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> None:
        """As `millpond.Node.keep_running`: for a task of its own.

        The effect runs now, and then once after each call that lets time pass, when the loop comes
        to it, if the state is a new one; until `cancel_when` holds or the node's process ends. Time
        that passes while it runs is seen after it. All else as `LabNode.keep_running`.
        """
        refuse_nested()
        kept = Kept(Looks(self, fish, after, session), effect, cancel_when)
        while not kept.is_over:
            passed = self._lab._passing()
            try:
                async with self._turn(fish):
                    if (state := kept.due()) is not None:
                        with acting(fish):
                            given = kept.judged(state.value)
                            pairs = pairs_of_effect(await given if _waits(given) else given)
                        kept.publish(pairs, durability)
                if not kept.is_over:
                    await passed
            except BaseException as error:
                if kept.failed(error):
                    raise
            finally:
                passed.cancel()

    async def wait_for(
        self,
        token: Token,
        *,
        query: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """As `LabNode.wait_for`."""
        self._native.wait_for(self._index, token, query)

    def account(self, name: str, *, id: str | None = None) -> AioLabAccount:  # noqa: A002
        """As `LabNode.account`."""
        return AioLabAccount(self._desk, name, id)

    def claim(self, what: str) -> AioLabClaim:
        """As `LabNode.claim`."""
        return AioLabClaim(self._desk, what)

    async def who_does(
        self,
        what: str,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> WhoDoes:
        """As `LabNode.who_does`."""
        who: WhoDoes = self._desk.report(("who_does", None), what, after, session, timeout)
        return who

    async def do_optimistically(
        self,
        what: str,
        note: Payload = None,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AioLabDoing:
        """As `LabNode.do_optimistically`."""
        return AioLabDoing(self._say(what, note, after, session))

    async def own_doing(self, what: str, *, timeout: float | None = None) -> AioLabDoing | None:
        """As `LabNode.own_doing`."""
        said = self._said(what)
        return None if said is None else AioLabDoing(said)

    def _turn(self, fish: AnyFish[Any]) -> asyncio.Lock:
        """Effects on one fish take turns."""
        return self._lab._turns.setdefault((self._index, fish.id), asyncio.Lock())


def _waits(given: Any) -> bool:
    """Whether what an effect gave is to be awaited."""
    return inspect.isawaitable(given)
