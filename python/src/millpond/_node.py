"""The blocking node. The asyncio one is in `aio`; both have the same surface."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Literal, Self, overload

from . import _native
from ._blob import BlobLike
from ._blobs import BlobCalls
from ._doing import DoingCalls
from ._draft import Drafts, Payload, Published, Tags, key_bytes, pairs_of_all, pairs_of_one
from ._facts import Column, Delivery, Durability, Follow, Order, StartAt
from ._native import Cursor, KeySubscription, Offsets, Session, Subscription
from ._observing import Token
from ._pond import PondCalls
from ._scarce import ScarceCalls
from ._status import Compacted, Stats, Status, Verified
from ._subscribed import StatusSubscription

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
) -> Node:
    """Opens the node whose log is in the folder `path`; a new log is made when there is none.

    app: 1 to 64 of `A-Z a-z 0-9 . _ -`, stamped on every event published.
    swarm: the swarm secret, 64 hex digits, or 128 of one that took another's place; or `ticket`:
        what another node's `ticket()` gave. One of the two is needed. former_secrets: up to 4 that
        it takes the place of and that still admit, too.
    network: False opens no socket (default True). bind: `ip:port` to listen on, at most one of IPv4
        and one of IPv6 (default every interface, any port). discovery: find peers by mDNS, and
        where other peers say that they are (default True). peers: at most 1,024 to connect to,
        `<node id>@<ip>:<port>[,<ip>:<port>…]` (1 to 16 addresses). allow: nobody else may connect.
    send_bytes_per_second_max: most bytes a second sent to all peers together, on average: at least
        1,000 (default 0, no cap). send_bytes_per_second_per_peer_max: the same for each peer.
    priority: a query of tags, app ids, `allEvents` and `isLocal` (the sender's own events), at most
        1,024 bytes and 16 alternatives: when there is much to catch up with, peers first send the
        streams in which they see such events among the next 8,192 (default: all take turns).
    segment_bytes: of each of the two journal files, 64 KiB at least (default 32 MiB).
        tail_bytes_max: most bytes of events in memory before a checkpoint (default 64 MiB).
        cache_bytes: most bytes of blocks in memory for reading (default 16 MiB).
        snapshot_bytes_max: of saved states of all fish on disk (default 64 MiB; 0 keeps none).
    allow_network_file_system: dare to keep the log there. timeout: seconds, None for no limit.

    Opening the same folder twice in one process gives the same log. Use the node in a `with`
    block, or call `close`. What is left out means what the other languages mean by it.

    Raises `InvalidArgument`, `QueryInvalid`, `LimitExceeded`, `StoreLocked`, `StorageFull`,
    `StorageFailed`, `Corrupt`, `FormatTooNew`, `Timeout`.
    """
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
    return Node(_native.open_node(options, timeout))


class Node(PondCalls, ScarceCalls, DoingCalls, BlobCalls):
    """One installation: a key pair and a log that is brought together with its peers.

    Made by `open`. May be used from any thread. After a fork every call in the child raises
    `ForkedProcess`.
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
        """Publishes one event and returns when it is durable here.

        payload: dict with str keys, list, tuple, str, int of 64 bits, finite float, bool, None,
            bytes; or `Cbor`. At most 1 MiB encoded.
        tags: up to 64 str of 1 to 255 bytes of UTF-8.
        blobs: up to 16 that it refers to, each of them here whole, or referred to by an event that
            is; else `NotFound`, reason "blob_not_here". Each takes up to two of the tags.
        durability: "power" (survives loss of power; the default) or "process" (survives the end of
            the process; queries, subscriptions and peers see it up to 50 ms after the return).
        idempotency_key: 1 to 255 bytes (a str is its UTF-8): a repeated call with the same key
            publishes nothing and returns the first receipt.
        expected: publish only if our stream has this many events.
        session: only once the log covers what it has seen; it then has seen the event.
        timeout: seconds, None for no limit.

        Raises `InvalidArgument`, `LimitExceeded`, `Conflict`, `StorageFull`, `StorageFailed`,
        `NotYetVisible`, `Closed`: nothing was stored. `Timeout` or an interrupt: the event may
        still become durable; with an idempotency key it is safe to try again.
        """
        pairs = pairs_of_one(payload, tags, blobs)
        key = key_bytes(idempotency_key)
        native = self._native
        return Published(native.publish(pairs, durability, key, expected, session, timeout))

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
        """Publishes several events together, all or none; they get consecutive offsets.

        drafts: up to 65,536 `Draft`s or pairs `(payload, tags)`, together at most 16 MiB encoded.
        All else as `publish`.
        """
        pairs = pairs_of_all(drafts)
        key = key_bytes(idempotency_key)
        native = self._native
        return Published(native.publish(pairs, durability, key, expected, session, timeout))

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
        """Asks one view of the log; iterate over the answer, or call its `to_list`.

        text: such as `FROM 'machine:M-017' & 'kind:fault' | 'alarm'`, see docs/query.md.
        order: "ascending" or "descending" by event key, or "stream" by stream.
        lower, upper: only events at or beyond `lower` and below `upper` in their streams. Without
            `upper`: what is durable here now.
        columns: what is decoded of the events, "tags", "payload" or neither; without it both. Key,
            stream, offset, time and app always are. What is left out costs nothing, and reading it
            raises `InvalidArgument`.
        after: only once the log covers this token, as far as events could match the query. session:
            the same for what it has seen; it then has seen what the query is answered at.
        timeout: seconds for asking and for what `after` and `session` wait for (not for reading),
            None for no limit.

        The cursor's `explain` says how the query is answered, without reading anything when it
        is called first.

        Raises `QueryInvalid` (with `position` in the text), `InvalidArgument` (there is no such
        order or column), `NotYetVisible` (`upper` reaches beyond what is durable here; or `after`
        and `session` do still at the timeout: `missing` says by how much), `Closed`, `Timeout`.
        """
        ask = self._native.query
        return ask(text, order, lower, upper, columns, after, session, timeout)

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
        """Opens a query that stays open: what the log holds from `start` on, then what arrives.

        start: "beginning" (the default), "now", an `Offsets` (such as another subscription's
            `position`) or its token text.
        delivery: "durable" (the default: events that are on this node's disk) or "live" (as soon as
            they are verified here, before they are on any disk). A power cut may take a live event
            back; then what its stream has there instead comes. `Batch.is_durable` says which they
            are, and `position` counts only what is durable.
        order: "arrival" (the default: each stream in its order) or "key": the one order of all
            nodes, with a `Rewind` where an event comes late. Then `delivery` is "durable", and
            `start` the beginning or the `position` of a `KeySubscription`.
        after: only once the log covers this token, as far as events could match the query. session:
            the same for what it has seen; it then has seen what each batch brings it to.
        timeout: seconds for opening and for what `after` and `session` wait for (not for waiting
            for events), None for no limit.

        Raises `QueryInvalid`, `InvalidArgument` (reason "key_position": it does not begin there in
        this order), `NotYetVisible`, `Closed`, `Timeout`.
        """
        begun: Subscription | KeySubscription = self._native.subscribe(
            text, start, delivery, order, after, session, timeout
        )
        return begun

    def disconnect(self, node_id: str, *, timeout: float | None = None) -> None:
        """Forgets a peer's addresses and ends the session with it. It may still connect to us.

        Does nothing for a peer that is not known.

        node_id: 64 hex digits. Raises `InvalidArgument`: it is none, or there is no network;
        `Timeout`, `Closed`.
        """
        self._native.disconnect(node_id, timeout)

    def set_network(self, enabled: bool, *, timeout: float | None = None) -> None:
        """False ends all sessions and admits nobody until True again; the log goes on.

        Raises `InvalidArgument`: the node was opened without a network, or its addresses cannot be
        bound any more; `Timeout`, `Closed`.
        """
        self._native.set_network(enabled, timeout)

    def set_secrets(
        self, current: str, former: Sequence[str] = (), *, timeout: float | None = None
    ) -> None:
        """Replaces the swarm's secret without cutting anybody off.

        From now on tickets have `current`, and peers that hold it or one of `former` (at most 4)
        are admitted. Sessions go on, but for those of peers that have shown neither: they end with
        the reason "wrong_secret". Not kept in the store: say it when the node is opened again.

        For a whole swarm: give each node what `next_swarm_secret` makes, with the old secret as a
        former one; when every peer's `secret` in the status is "current", take the old one from
        each.

        Raises `InvalidArgument`: a text is no secret, or one of another swarm; `LimitExceeded`:
        more than 4 are former ones; `Timeout`, `Closed`.
        """
        self._native.set_secrets(current, former, timeout)

    def ticket(self, *, timeout: float | None = None) -> str:
        """A text to paste elsewhere: whoever has it can join the swarm through this node.

        Raises `InvalidArgument`: the node was opened without a network; `Timeout`, `Closed`.
        """
        return self._native.ticket(timeout)

    def status(self, *, timeout: float | None = None) -> Status:
        """Who the node is, its peers and their lag, refusals, the store: see docs/status.md.

        Raises `Timeout`, `Closed`.
        """
        status: Status = json.loads(self._native.status_json(timeout))
        return status

    def subscribe_status(self) -> StatusSubscription:
        """A status at once, then one whenever something in it changed that matters."""
        return StatusSubscription(self)

    def metrics(self, *, timeout: float | None = None) -> str:
        """The node's figures for Prometheus, as text in its exposition format, version 0.0.4.

        Names begin with `millpond_` and have their units; what only grows ends in `_total` and
        begins anew when the node opens. At most 64 peers have series of their own. docs/status.md
        names every figure.

        Raises `Timeout`, `Closed`.
        """
        return self._native.metrics(timeout)

    def verify(self, *, timeout: float | None = None) -> Verified:
        """Reads the whole store once and says what is damaged, while the node goes on.

        Every checksum, chain and head, and the postings against the events. Damage is no error;
        `status()` shows it from then on. After a timeout the verification ends soon.

        Raises `Timeout`, `StorageFailed`, `Closed`.
        """
        verified: Verified = json.loads(self._native.verify_json(timeout))
        return verified

    def compact(self, *, timeout: float | None = None) -> Compacted:
        """Makes the store's file of tables as small as it can be, while the node goes on.

        Publishes wait when the journal is full before the copy is done. After a timeout it is
        called off, unless the new file was about to take its place.

        Raises `StorageFull`: there is not room for the old file and the new one; `StorageFailed`,
        `Corrupt`, `Timeout`, `Closed`.
        """
        compacted: Compacted = json.loads(self._native.compact_json(timeout))
        return compacted

    def stats(self) -> Stats:
        """How large everything in the store is. Reads no block.

        Raises `Corrupt`: a segment of the postings is damaged; `StorageFailed`, `Closed`.
        """
        stats: Stats = json.loads(self._native.stats_json())
        return stats

    def connect(self, target: str, *, timeout: float | None = None) -> None:
        """Connects to a peer and waits until both have admitted each other.

        target: a ticket, or `<node id>@<ip>:<port>[,<ip>:<port>…]` with 1 to 16 addresses. The
            address is remembered until the node is closed or told to disconnect, also when the
            peer cannot be reached now.
        timeout: seconds, None for no limit.

        Raises `PeerRefused` (`reason` says why, such as "wrong_secret"), `InvalidArgument` (also
        for a ticket of another swarm, and without a network), `LimitExceeded` (it knows 1,024 other
        peers, connected or not: disconnect from one), `Cancelled` (it was told to disconnect from
        this one), `Timeout`, `Closed`.
        """
        self._native.connect(target, timeout)

    def close(self, timeout: float | None = None) -> None:
        """Ends every subscription, sync and the log. May be repeated, and from any thread.

        timeout: seconds, None for the default of 10 s. Raises `Timeout`: the node is closed all the
        same and the rest ends by itself; `StorageFailed`: the last writes failed.
        """
        self._native.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
