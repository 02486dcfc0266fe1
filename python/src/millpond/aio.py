"""`millpond` for asyncio: the same surface, and what waits is awaited.

Works with any loop that has `add_reader`, with several loops, and in several threads. Cancelling a
task calls off what it waits for; no event is lost by it.

Longer than 500 lines because it says everything that `millpond` says once more, in one module.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar, overload

from . import _native
from ._aio_blobs import BlobCalls, BlobFile, Blobs, BlobWork
from ._aio_doing import Doing, DoingCalls
from ._aio_pond import AllObserver, Effect, Observer, OneObserver, PondCalls
from ._aio_scarce import Account, Claim, ReportSubscription, ScarceCalls
from ._asking import Ask, Steps, awaited
from ._blob import BlobLike
from ._deadline import Deadline, lesser
from ._draft import Drafts, Payload, Published, Tags, key_bytes, pairs_of_all, pairs_of_one
from ._errors import Closed
from ._facts import Column, Delivery, Durability, Follow, Order, StartAt
from ._loop import outcome
from ._native import Batch, Event, Explanation, Offsets, Operation, Queue, Rewind, Session
from ._observing import Token
from ._series import Awaiting, Series
from ._status import Compacted, Completeness, Stats, Status, Verified
from ._subscribed import StatusSteps

__all__ = [
    "Account",
    "AllObserver",
    "BlobFile",
    "BlobWork",
    "Blobs",
    "Claim",
    "Cursor",
    "Doing",
    "Effect",
    "KeySubscription",
    "Node",
    "Observer",
    "OneObserver",
    "Opening",
    "ReportSubscription",
    "StatusSubscription",
    "Subscription",
    "open",
]


def open(  # noqa: A001
    path: str | os.PathLike[str],
    *,
    app: str,
    swarm: str | None = None,
    ticket: str | None = None,
    network: bool | None = None,
    bind: Sequence[str] | None = None,
    discovery: bool | None = None,
    peers: Sequence[str] | None = None,
    allow: Sequence[str] | None = None,
    former_secrets: Sequence[str] | None = None,
    send_bytes_per_second_max: int | None = None,
    send_bytes_per_second_per_peer_max: int | None = None,
    priority: str | None = None,
    segment_bytes: int | None = None,
    tail_bytes_max: int | None = None,
    cache_bytes: int | None = None,
    snapshot_bytes_max: int | None = None,
    allow_network_file_system: bool | None = None,
    timeout: float | None = None,
) -> Opening:
    """As `millpond.open`; use `await open(…)` or `async with open(…) as node`."""
    options = _native.Options(
        os.fspath(path),
        app=app,
        swarm=swarm,
        ticket=ticket,
        network=network,
        bind=bind,
        discovery=discovery,
        peers=peers,
        allow=allow,
        former_secrets=former_secrets,
        send_bytes_per_second_max=send_bytes_per_second_max,
        send_bytes_per_second_per_peer_max=send_bytes_per_second_per_peer_max,
        priority=priority,
        segment_bytes=segment_bytes,
        tail_bytes_max=tail_bytes_max,
        cache_bytes=cache_bytes,
        snapshot_bytes_max=snapshot_bytes_max,
        allow_network_file_system=allow_network_file_system,
    )
    return Opening(options, timeout)


class Opening:
    """A node that will be open: await it, or use it in an `async with` block."""

    __slots__ = ("_node", "_options", "_timeout")

    def __init__(self, options: _native.Options, timeout: float | None) -> None:
        """For millpond only."""
        self._options, self._timeout = options, timeout
        self._node: Node | None = None

    async def _open(self) -> Node:
        def start(queue: Queue, number: int) -> Operation:
            return _native.open_start(queue, number, self._options, self._timeout)

        return Node(await outcome(start))

    def __await__(self) -> Generator[Any, Any, Node]:
        return self._open().__await__()

    async def __aenter__(self) -> Node:
        self._node = await self._open()
        return self._node

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._node is not None:
            await self._node.close()


class Node(PondCalls, ScarceCalls, DoingCalls, BlobCalls):
    """As `millpond.Node`. May be used from any loop."""

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
        """As `millpond.Node.publish`. A cancelled publish may still become durable."""
        pairs = pairs_of_one(payload, tags, blobs)
        key = key_bytes(idempotency_key)
        return await self._publish(pairs, durability, key, expected, session, timeout)

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
        """As `millpond.Node.publish_all`. A cancelled publish may still become durable."""
        pairs = pairs_of_all(drafts)
        key = key_bytes(idempotency_key)
        return await self._publish(pairs, durability, key, expected, session, timeout)

    async def _publish(self, pairs: list[Any], *options: Any) -> Published:
        publish = self._native.publish_start
        done = await outcome(lambda queue, number: publish(queue, number, pairs, *options))
        return Published(done)

    def query(
        self,
        text: str,
        *,
        order: Order | None = None,
        lower: Offsets | None = None,
        upper: Offsets | None = None,
        columns: Sequence[Column] | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Cursor:
        """As `millpond.Node.query`. Asked when the cursor is first awaited."""

        def begin(left: float | None) -> Ask[Any]:
            said = (text, order, lower, upper, columns, after, session)
            native = self._native
            return Ask(native.query, native.query_start, *said, lesser(timeout, left))

        return Cursor(self, begin)

    @overload
    def subscribe(
        self,
        text: str,
        *,
        start: StartAt | None = None,
        delivery: Delivery | None = None,
        order: Literal["arrival"] | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Subscription: ...
    @overload
    def subscribe(
        self,
        text: str,
        *,
        start: StartAt | None = None,
        delivery: Delivery | None = None,
        order: Literal["key"],
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> KeySubscription: ...
    def subscribe(
        self,
        text: str,
        *,
        start: StartAt | None = None,
        delivery: Delivery | None = None,
        order: Follow | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Subscription | KeySubscription:
        """As `millpond.Node.subscribe`. Begins when the subscription is first awaited."""

        def begin(left: float | None) -> Ask[Any]:
            said = (text, start, delivery, order, after, session)
            native = self._native
            return Ask(native.subscribe, native.subscribe_start, *said, lesser(timeout, left))

        return KeySubscription(self, begin) if order == "key" else Subscription(self, begin)

    async def disconnect(self, node_id: str, *, timeout: float | None = None) -> None:
        """As `millpond.Node.disconnect`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.disconnect_start(queue, number, node_id, timeout)

        await outcome(start)

    async def set_network(self, enabled: bool, *, timeout: float | None = None) -> None:
        """As `millpond.Node.set_network`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.set_network_start(queue, number, enabled, timeout)

        await outcome(start)

    async def set_secrets(
        self, current: str, former: Sequence[str] = (), *, timeout: float | None = None
    ) -> None:
        """As `millpond.Node.set_secrets`."""

        given = (current, former, timeout)
        await outcome(lambda queue, number: self._native.set_secrets_start(queue, number, *given))

    async def ticket(self, *, timeout: float | None = None) -> str:
        """As `millpond.Node.ticket`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.ticket_start(queue, number, timeout)

        ticket: str = await outcome(start)
        return ticket

    async def status(self, *, timeout: float | None = None) -> Status:
        """As `millpond.Node.status`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.status_json_start(queue, number, timeout)

        status: Status = json.loads(await outcome(start))
        return status

    def subscribe_status(self) -> StatusSubscription:
        """As `millpond.Node.subscribe_status`."""
        return StatusSubscription(self)

    async def metrics(self, *, timeout: float | None = None) -> str:
        """As `millpond.Node.metrics`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.metrics_start(queue, number, timeout)

        metrics: str = await outcome(start)
        return metrics

    async def verify(self, *, timeout: float | None = None) -> Verified:
        """As `millpond.Node.verify`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.verify_json_start(queue, number, timeout)

        verified: Verified = json.loads(await outcome(start))
        return verified

    async def compact(self, *, timeout: float | None = None) -> Compacted:
        """As `millpond.Node.compact`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.compact_json_start(queue, number, timeout)

        compacted: Compacted = json.loads(await outcome(start))
        return compacted

    def stats(self) -> Stats:
        """As `millpond.Node.stats`."""
        stats: Stats = json.loads(self._native.stats_json())
        return stats

    async def connect(self, target: str, *, timeout: float | None = None) -> None:
        """As `millpond.Node.connect`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.connect_start(queue, number, target, timeout)

        await outcome(start)

    async def close(self, timeout: float | None = None) -> None:
        """As `millpond.Node.close`."""

        def start(queue: Queue, number: int) -> Operation:
            return self._native.close_start(queue, number, timeout)

        await outcome(start)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


_Native = TypeVar("_Native", _native.Cursor, _native.Subscription, _native.KeySubscription)
_Step = TypeVar("_Step", Event, Event | Rewind)


class _Flow(Series[_Native], Awaiting, Generic[_Native, _Step]):
    """Events as they come: what cursors and subscriptions have in common."""

    __slots__ = ()

    async def __anext__(self) -> _Step:
        native = self._native
        step: _Step | None = None if native is None else native._flow.pop()
        if step is None:
            step = await self.next()
            if step is None:
                raise StopAsyncIteration
        return step

    async def next(self, timeout: float | None = None) -> _Step | None:
        """As the method of the same name that blocks."""
        return await awaited(self._next(Deadline(timeout)))

    async def next_batch(
        self, count_max: int | None = None, timeout: float | None = None
    ) -> Batch:
        """As the method of the same name that blocks."""
        return await awaited(self._next_batch(count_max, Deadline(timeout)))

    async def close(self) -> None:
        """As the method of the same name that blocks."""
        self._end()

    def _next(self, deadline: Deadline) -> Steps[_Step | None]:
        native = yield from self._open(deadline)
        if native is None:
            return None
        flow: _native.Flow = native._flow
        while True:
            step: _Step | None = flow.pop()
            if step is not None:
                return step
            if flow.ended or (yield from self._fetch(flow, None, deadline)) is None:
                return None

    def _next_batch(self, count_max: int | None, deadline: Deadline) -> Steps[Batch]:
        flow: _native.Flow = (yield from self._opened(deadline))._flow
        batch = flow.take(count_max)
        if batch is None:
            fetched = yield from self._fetch(flow, count_max, deadline)
            taken = flow.take(None)
            batch = fetched if taken is None else taken
        assert batch is not None, "closed as an end, so taking gives an end"
        return batch

    def _fetch(
        self, flow: _native.Flow, count_max: int | None, deadline: Deadline
    ) -> Steps[Batch | None]:
        try:
            batch: Batch = yield _Fetch(flow, count_max, deadline.left())
        except Closed:
            if flow.ended:  # Closed by another task on the way here: a normal end.
                return None
            raise
        return batch


class _Fetch(Ask[Batch]):
    """Asks for a batch, for tasks alone: threads have native iterators."""

    __slots__ = ()

    def __init__(
        self, flow: _native.Flow, count_max: int | None, timeout: float | None
    ) -> None:
        super().__init__(_never, flow.fetch, count_max, timeout)
        self.kept_by(flow.keep)


def _never(_count_max: int | None, _timeout: float | None) -> Batch:
    raise NotImplementedError


class Cursor(_Flow[_native.Cursor, Event]):
    """As `millpond.Cursor`: iterate with `async for`, or `await cursor.to_list()`."""

    __slots__ = ()

    async def to_list(self, timeout: float | None = None) -> list[Event]:
        """As `millpond.Cursor.to_list`."""
        return await awaited(self._to_list(Deadline(timeout)))

    def _to_list(self, deadline: Deadline) -> Steps[list[Event]]:
        events: list[Event] = []
        while True:
            batch = yield from self._next_batch(None, deadline)
            events.extend(batch)
            if batch.is_end:
                return events

    async def explain(self, timeout: float | None = None) -> Explanation:
        """As `millpond.Cursor.explain`."""
        deadline = Deadline(timeout)
        native = await awaited(self._opened(deadline))
        left = deadline.left()

        def start(queue: Queue, number: int) -> Operation:
            return native._explain_start(queue, number, left)

        explanation: Explanation = await outcome(start)
        return explanation

    @property
    def upper(self) -> Offsets:
        """As `millpond.Cursor.upper`. Raises `InvalidArgument`: nothing was awaited yet."""
        return self._known().upper

    @property
    def completeness(self) -> Completeness:
        """As `millpond.Cursor.completeness`. Raises `InvalidArgument`: nothing was awaited yet."""
        return self._known().completeness


class Subscription(_Flow[_native.Subscription, Event]):
    """As `millpond.Subscription`: iterate with `async for`."""

    __slots__ = ()

    @property
    def caught_up(self) -> bool:
        """As `millpond.Subscription.caught_up`."""
        return self._native is not None and self._native.caught_up

    @property
    def lag(self) -> int:
        """As `millpond.Subscription.lag`. Raises `InvalidArgument`: nothing was awaited yet."""
        return self._known().lag

    @property
    def position(self) -> Offsets:
        """As `millpond.Subscription.position`. Raises `InvalidArgument`: not begun."""
        return self._known().position

    def fileno(self) -> int:
        """As `millpond.Subscription.fileno`. Raises `InvalidArgument`: not begun."""
        return self._known().fileno()


class KeySubscription(_Flow[_native.KeySubscription, Event | Rewind]):
    """As `millpond.KeySubscription`: iterate with `async for`."""

    __slots__ = ()

    @property
    def caught_up(self) -> bool:
        """As `millpond.KeySubscription.caught_up`."""
        return self._native is not None and self._native.caught_up

    @property
    def lag(self) -> int:
        """As `millpond.KeySubscription.lag`. Raises `InvalidArgument`: nothing was awaited yet."""
        return self._known().lag

    @property
    def position(self) -> str:
        """As `millpond.KeySubscription.position`. Raises `InvalidArgument`: not begun."""
        return self._known().position

    def fileno(self) -> int:
        """As `millpond.KeySubscription.fileno`. Raises `InvalidArgument`: not begun."""
        return self._known().fileno()


class StatusSubscription(StatusSteps, Awaiting):
    """As `millpond.StatusSubscription`: iterate with `async for`."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> Status | None:
        """As `millpond.StatusSubscription.next`."""
        return await awaited(self._next(timeout))

    async def close(self) -> None:
        """As `millpond.StatusSubscription.close`."""
        self._end()

    async def __anext__(self) -> Status:
        status = await self.next()
        if status is None:
            raise StopAsyncIteration
        return status
