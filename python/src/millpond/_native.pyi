"""The native half. Private, except for the classes and functions that `millpond` shows.

Longer than 500 lines because one module has one file of stubs.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, final

from ._blob import Blob
from ._facts import Delivery, Follow, StartAt
from ._observing import Token
from ._status import Completeness

__all__ = [
    "Batch",
    "BatchIterator",
    "BlobReader",
    "BlobWork",
    "BlobWriter",
    "Blobs",
    "Cbor",
    "Cursor",
    "Deed",
    "Doing",
    "Doings",
    "Event",
    "EventKey",
    "Explanation",
    "FishSpec",
    "Flow",
    "Lab",
    "LabJob",
    "LawCheck",
    "Fold",
    "Group",
    "KeySubscription",
    "Looks",
    "Node",
    "Observer",
    "Offsets",
    "Operation",
    "Options",
    "Pond",
    "Queue",
    "Rewind",
    "Scarce",
    "Session",
    "State",
    "Subscription",
    "Turn",
    "after_fork_in_child",
    "close_all",
    "decode",
    "encode",
    "encode_state",
    "error_table",
    "lab_seeds",
    "lint_query",
    "fence_admits",
    "log_drain",
    "log_set_level",
    "nested_effect_error",
    "new_swarm_secret",
    "next_swarm_secret",
    "open_node",
    "open_start",
    "parse_ticket",
    "replay_hint",
    "set_main_thread",
    "user_code_error",
    "value_of_json",
    "version",
]

PublishedTuple: TypeAlias = tuple[str, int, int, int, int, Offsets, bool]
Topic: TypeAlias = tuple[Literal["account", "claim", "who_does"], str | None]
StandingTuple: TypeAlias = tuple[
    Literal["won", "lost", "released"], EventKey | None, Any, Offsets
]

@final
class Batch:
    """Several events that came in one piece: a sequence of `Event`."""

    @property
    def is_end(self) -> bool:
        """True when this is the end: the query is answered, or the subscription is closed."""
    @property
    def is_durable(self) -> bool:
        """False when these events came before they were on this node's disk (`delivery="live"`).

        Then `position` does not count them, and a power cut may take them back.
        """
    @property
    def is_rewind(self) -> bool:
        """True when events in key order came late (`order="key"`): what was delivered behind
        `rewind_to` is to be forgotten, and comes again in order. There is no event in it.
        """
    @property
    def rewind_to(self) -> EventKey | None:
        """Of a rewind: the key of the last event that stays; None when none does."""
    @property
    def caught_up(self) -> bool:
        """True when the subscription has reached the end of the log as it was at the start."""
    @property
    def lag(self) -> int:
        """How many events of the log come after this batch, matching or not; 0 for queries."""
    @property
    def position(self) -> Offsets:
        """The offset map after the last event of this batch: pass it as `start` to go on."""
    @property
    def payload_bytes(self) -> list[bytes]:
        """The payloads of all its events as bytes of CBOR, in order, without any decoding.

        What `payload_bytes` of each event gives, and the fastest way to it; a new list each time.
        Raises `InvalidArgument`: the query's `columns` leave it out, and there is an event.
        """
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Event: ...
    def __iter__(self) -> BatchIterator: ...

@final
class BatchIterator:
    """The events of a batch, one after the other."""

    def __iter__(self) -> Self: ...
    def __next__(self) -> Event: ...
    def __length_hint__(self) -> int: ...

@final
class BlobReader:
    """A blob that is open for reading. Dropped, it is closed."""

    def blob_id(self) -> str: ...
    def size(self) -> int: ...
    @staticmethod
    def chunk_bytes() -> int:
        """Bytes of a chunk, which are verified together."""
    def read_at(self, position: int, length: int, timeout: float | None) -> bytes: ...
    def read_at_start(
        self, queue: Queue, number: int, position: int, length: int, timeout: float | None
    ) -> Operation: ...
    def file(self) -> int:
        """A file descriptor that is the caller's."""
    def close(self) -> None: ...

@final
class BlobWork:
    """Work on blobs that is under way. Dropped, it is called off."""

    def next_progress(self, timeout: float | None) -> tuple[int, int | None, bool]: ...
    def next_progress_start(
        self, queue: Queue, number: int, timeout: float | None
    ) -> Operation: ...
    def result_json(self, timeout: float | None) -> str: ...
    def result_json_start(
        self, queue: Queue, number: int, timeout: float | None
    ) -> Operation: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

@final
class BlobWriter:
    """A blob whose bytes come one after the other. Dropped, what is not finished is gone."""

    @staticmethod
    def piece_bytes() -> int:
        """Bytes to take from a source at a time."""
    def write(self, data: bytes, timeout: float | None) -> None: ...
    def write_start(
        self, queue: Queue, number: int, data: bytes, timeout: float | None
    ) -> Operation: ...
    def finish(self, timeout: float | None) -> str: ...
    def finish_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def close(self) -> None: ...

@final
class Blobs:
    """The blobs of a node; made for each call."""

    def add_path(
        self, path: str, said: tuple[str | None, str | None, list[str]]
    ) -> BlobWork: ...
    def add_bytes(
        self,
        data: bytes,
        said: tuple[str | None, str | None, list[str]],
        timeout: float | None,
    ) -> str: ...
    def add_bytes_start(
        self,
        queue: Queue,
        number: int,
        data: bytes,
        said: tuple[str | None, str | None, list[str]],
        timeout: float | None,
    ) -> Operation: ...
    def writer(
        self,
        said: tuple[str | None, str | None, list[str]],
        size: int | None,
        timeout: float | None,
    ) -> BlobWriter: ...
    def writer_start(
        self,
        queue: Queue,
        number: int,
        said: tuple[str | None, str | None, list[str]],
        size: int | None,
        timeout: float | None,
    ) -> Operation: ...
    def open(self, blob_id: str, timeout: float | None) -> BlobReader: ...
    def open_start(
        self, queue: Queue, number: int, blob_id: str, timeout: float | None
    ) -> Operation: ...
    def get(self, blob_id: str, bytes_max: int | None, timeout: float | None) -> bytes: ...
    def get_start(
        self,
        queue: Queue,
        number: int,
        blob_id: str,
        bytes_max: int | None,
        timeout: float | None,
    ) -> Operation: ...
    def export(
        self, blob_id: str, path: str, how: str | None, overwrite: bool | None
    ) -> BlobWork: ...
    def has(self, blob_id: str) -> bool: ...
    def stat_json(self, blob_id: str) -> str: ...
    def list_json(self, after: str | None, tags: list[str]) -> str: ...
    def collect(self) -> BlobWork: ...
    def verify(self, blob_id: str | None) -> BlobWork: ...

@final
class Cbor:
    """A payload that is encoded already: bytes of one CBOR value, taken as they are.

    `Cbor(data)`; `data` are the bytes. They are checked when they are published: one value of the
    payload subset. Not usable inside another payload.
    """

    def __new__(cls, data: bytes | bytearray) -> Self: ...
    @property
    def data(self) -> bytes:
        """The bytes."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[bytes]: ...

@final
class Cursor:
    """The answer to a query: an iterator over events, read in batches from one view of the log.

    What is published after the query was asked is not in it. Usable from any thread, by one at a
    time. Close it, or leave its `with` block, or read it to the end, to free what it holds.
    """

    @property
    def upper(self) -> Offsets:
        """The offset map that the query is answered at.

        Raises `Closed`.
        """
    @property
    def completeness(self) -> Completeness:
        """How complete the answer is: the `offsets` that it is read at, streams that were known to
        be `behind`, and nodes that were `unheard`, all as of when the query was asked.

        Raises `Closed`.
        """
    def next(self, timeout: float | None = None) -> Event | None:
        """The next event, or None after the last one.

        `timeout`: seconds, None for no limit. Raises `Timeout` (no event is lost), `Closed`,
        `Corrupt`, `StorageFailed`.
        """
    def next_batch(self, count_max: int | None = None, timeout: float | None = None) -> Batch:
        """Up to `count_max` events at once; a batch whose `is_end` is true after the last one.

        `count_max`: 1 to 4,096, None for 1,024. `timeout`: seconds, None for no limit.
        Raises `Timeout` (no event is lost), `Closed`, `InvalidArgument`, `Corrupt`,
        `StorageFailed`.
        """
    def to_list(self, timeout: float | None = None) -> list[Event]:
        """All remaining events.

        `timeout`: seconds for the whole call, None for no limit. Raises `Timeout`, `Closed`,
        `Corrupt`, `StorageFailed`; what it had read until then is lost.
        """
    def explain(self, timeout: float | None = None) -> Explanation:
        """How the query is answered: what is looked up, what the index expects that this takes, and
        what it took so far; nothing before the first event, so that explaining costs no reading.

        Events that were read ahead count as delivered. `timeout`: seconds, None for no limit.
        Raises `Timeout`, `Closed`, `Corrupt`, `StorageFailed`.
        """
    def close(self) -> None:
        """Frees what the cursor holds. Does nothing the second time."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Event: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def _explain_start(
        self, queue: Queue, number: int, timeout: float | None
    ) -> Operation: ...
    @property
    def _flow(self) -> Flow: ...

@final
class Deed:
    """One thing to be done to an account or a claim."""

    @staticmethod
    def account_create(
        name: str, id: str | None, amount: int, floor: int, shares: dict[str, Any] | None
    ) -> Deed: ...
    @staticmethod
    def account_deposit(name: str, id: str | None, amount: int, note: Any) -> Deed: ...
    @staticmethod
    def account_withdraw(name: str, id: str | None, amount: int, note: Any) -> Deed: ...
    @staticmethod
    def account_grant(name: str, id: str | None, to: str, amount: int) -> Deed: ...
    @staticmethod
    def account_request(name: str, id: str | None, amount: int) -> Deed: ...
    @staticmethod
    def account_recover(name: str, id: str | None, is_alone: bool) -> Deed: ...
    @staticmethod
    def claim_create(what: str, holder: str | None) -> Deed: ...
    @staticmethod
    def claim_transfer(what: str, to: str) -> Deed: ...
    @staticmethod
    def claim_request(what: str, is_wanted: bool) -> Deed: ...
    @staticmethod
    def claim_recover(what: str, is_alone: bool) -> Deed: ...
    @staticmethod
    def doing_release(what: str) -> Deed: ...

@final
class Doing:
    """A claim of this node, and who listens for how it stands. Dropped, only the listening ends."""

    def key(self) -> EventKey: ...
    def next_standing(self, timeout: float | None) -> StandingTuple | None: ...
    def next_standing_start(
        self, queue: Queue, number: int, timeout: float | None
    ) -> Operation: ...
    def loss(self) -> Loss: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

@final
class Doings:
    """What a node says that it does; made for each call."""

    def do_optimistically(
        self,
        what: str,
        note: Any,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Doing: ...
    def do_optimistically_start(
        self,
        queue: Queue,
        number: int,
        what: str,
        note: Any,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def own_doing(self, what: str, timeout: float | None) -> Doing | None: ...
    def own_doing_start(
        self, queue: Queue, number: int, what: str, timeout: float | None
    ) -> Operation: ...

@final
class Event:
    """One event: an immutable fact. Equal to another event with the same key."""

    @property
    def key(self) -> EventKey:
        """The event key: sorting by it is the one order on all nodes."""
    @property
    def lamport(self) -> int:
        """Logical time, from 1 to 2**53 - 1: greater than everything its author had seen."""
    @property
    def stream(self) -> str:
        """The stream id as text: `<node id>-<number>`."""
    @property
    def offset(self) -> int:
        """Position in its stream; the first is 0."""
    @property
    def time(self) -> datetime:
        """The author's wall clock as an aware UTC `datetime`; a claim, never used to order.

        Raises `OverflowError`: the author claims a year that `datetime` does not have;
        `time_micros` always works.
        """
    @property
    def time_micros(self) -> int:
        """The author's wall clock in microseconds since 1970, UTC."""
    @property
    def app(self) -> str:
        """The app id of its author."""
    @property
    def tags(self) -> tuple[str, ...]:
        """The tags, sorted and distinct.

        Raises `InvalidArgument`: the query's `columns` leave them out.
        """
    @property
    def blobs(self) -> tuple[Blob, ...]:
        """The blobs that it refers to, by id, with what its publisher said of them: `Blob` each.

        Raises `InvalidArgument`: the query's `columns` leave the tags out.
        """
    @property
    def payload(self) -> Any:
        """The payload as dict, list, str, int, float, bool, None or bytes.

        Decoded when first asked for, and the same object afterwards. Raises `InvalidArgument`: the
        query's `columns` leave it out.
        """
    @property
    def payload_bytes(self) -> bytes:
        """The payload as bytes of CBOR, without any decoding.

        Raises `InvalidArgument`: the query's `columns` leave it out.
        """
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class EventKey:
    """An event's place in the one order: `lamport` first, then `stream`. `str()` is its text."""

    def __new__(cls, lamport: int, stream: str) -> Self: ...
    @property
    def lamport(self) -> int:
        """Logical time, from 1 to 2**53 - 1."""
    @property
    def stream(self) -> str:
        """The stream id as text: `<node id>-<number>`."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: EventKey, /) -> bool: ...
    def __le__(self, other: EventKey, /) -> bool: ...
    def __gt__(self, other: EventKey, /) -> bool: ...
    def __ge__(self, other: EventKey, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[int, str]: ...

@final
class Explanation:
    """How a cursor answers its query. `str()` is all of it, as lines for people."""

    @property
    def query(self) -> str:
        """The query, as its canonical text."""
    @property
    def order(self) -> Literal["ascending", "descending", "stream"]:
        """"ascending", "descending" or "stream"."""
    @property
    def alternatives(self) -> tuple[str, ...]:
        """What is looked up, as queries: each event of the answer is selected by one of these. None
        when nothing can be.
        """
    @property
    def is_exact(self) -> bool:
        """False: the alternatives select more, and each event found is judged by the query."""
    @property
    def monotonicity(self) -> Literal["monotone", "one_way", "not_monotone"]:
        """Whether events that arrive later can take back an answer: "monotone" (never), "one_way"
        (an event may leave it, none that left comes back) or "not_monotone".
        """
    @property
    def is_monotone(self) -> bool:
        """True when `monotonicity` is "monotone"."""
    @property
    def monotone_reason(self) -> str:
        """Why, as a sentence."""
    @property
    def expected(self) -> Looks:
        """For the whole answer, by the index; `events` is a bound."""
    @property
    def actual(self) -> Looks:
        """So far: what was opened, and the events delivered."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class FishSpec:
    """A definition of a fish; the functions stay in Python."""

    @staticmethod
    def code(
        id: str,
        version: int,
        query: str,
        codec: str | None,
        is_grow_only: bool,
        has_reset: bool,
    ) -> FishSpec: ...
    @staticmethod
    def built_in(query: str, fold: str) -> FishSpec: ...
    @property
    def id(self) -> str: ...
    def monotonicity(
        self, checked: LawCheck | None
    ) -> tuple[Literal["monotone", "one_way", "not_monotone"], bool, str, str]: ...

@final
class Flow:
    """What a cursor or a subscription has fetched: for asyncio."""

    @property
    def ended(self) -> bool: ...
    # An `Event`; in key order also a `Rewind`.
    def pop(self) -> Any: ...
    def take(self, count_max: int | None) -> Batch | None: ...
    def fetch(
        self, queue: Queue, number: int, count_max: int | None, timeout: float | None
    ) -> Operation: ...
    def keep(self, batch: Batch | None) -> None: ...

@final
class Fold:
    """A fold that asks for its jobs. Dropped, observers get `UserCode`, reason "fold_closed"."""

    def begin(self, queue: Queue, number: int) -> None: ...
    def loaded(self, queue: Queue, number: int) -> None: ...
    def applied(self, queue: Queue, number: int, last_reset: int | None) -> None: ...
    def saved(self, queue: Queue, number: int, data: bytes) -> None: ...
    def failed(
        self, queue: Queue, number: int, function: str, index: int | None, message: str
    ) -> None: ...
    def close(self) -> None: ...

@final
class Group:
    """Who observes several fish. Dropped, it ends."""

    def next_step(self, answer: Any, timeout: float | None) -> tuple[str, Any]: ...
    def next_step_start(
        self, queue: Queue, number: int, answer: Any, timeout: float | None
    ) -> Operation: ...
    def take_left(self) -> tuple[str, Any] | None: ...
    def close(self) -> None: ...

@final
class KeySubscription:
    """A query that stays open, in key order: its events in the one order of all nodes.

    Iterate over it: `Event`s, and a `Rewind` in between where one came late. Who forgets what each
    rewind takes back holds, whenever `caught_up`, all matching events in their order. Iteration
    ends when the subscription or its node is closed. Usable from any thread, by one at a time;
    `close` may be called while another thread waits.
    """

    @property
    def caught_up(self) -> bool:
        """True when every event that the log held at the start has been handed out.

        After a rewind only when what it took back has come again.
        """
    @property
    def lag(self) -> int:
        """How many events of the log it has not handed out yet, matching or not: an upper bound.

        Raises `Closed`.
        """
    @property
    def position(self) -> str:
        """Where it stands after the last event or rewind that was handed out, as text: pass it as
        `start` with `order="key"` to go on.
        """
    def fileno(self) -> int:
        """A file descriptor for `select` and the like: readable while `next_batch` would not wait.

        It belongs to the subscription: never read, write or close it. Events that already arrived
        in a batch do not make it readable: read until `next_batch(timeout=0)` raises `Timeout`.
        Raises `Closed`.
        """
    def next(self, timeout: float | None = None) -> Event | Rewind | None:
        """Waits for the next event or rewind; None when the subscription has ended.

        `timeout`: seconds, None for no limit. Raises `Timeout` (nothing is lost), `Corrupt`,
        `StorageFailed`.
        """
    def next_batch(self, count_max: int | None = None, timeout: float | None = None) -> Batch:
        """Waits for one to `count_max` events; empty when it has just caught up, for a rewind
        (`Batch.is_rewind`), or at the end.

        `count_max`: 1 to 4,096, None for 1,024. `timeout`: seconds, None for no limit.
        Raises `Timeout` (nothing is lost), `InvalidArgument`, `Corrupt`, `StorageFailed`.
        """
    def close(self) -> None:
        """Ends the subscription: whoever waits for its next event sees the end. May be repeated."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Event | Rewind: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    @property
    def _flow(self) -> Flow: ...

@final
class Looks:
    """What a cursor looks at."""

    @property
    def segments(self) -> int:
        """Segments of the postings, each of up to 64 full blocks."""
    @property
    def blocks(self) -> int:
        """Blocks, of up to 1,024 events."""
    @property
    def frames(self) -> int:
        """Frames of blocks, of up to 64 events."""
    @property
    def events(self) -> int:
        """Events."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Loss:
    """Waits for the loss of a claim. Keeps what it stands for, and not the node open."""

    def wait(self, timeout: float | None) -> StandingTuple | None: ...
    def wait_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...

@final
class Node:
    """A node of this process."""

    def is_open(self) -> bool: ...
    def is_closing(self) -> bool: ...
    def pond(self) -> Pond: ...
    def scarce(self) -> Scarce: ...
    def blobs(self) -> Blobs: ...
    def doings(self) -> Doings: ...
    def node_id(self) -> str: ...
    def swarm_id(self) -> str: ...
    def path(self) -> Path: ...
    def stream(self) -> str: ...
    def ticket(self, timeout: float | None) -> str: ...
    def ticket_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def offsets(self) -> Offsets: ...
    def status_json(self, timeout: float | None) -> str: ...
    def status_json_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def next_status_json(
        self, version: int, stop: Operation, timeout: float | None
    ) -> str: ...
    def next_status_json_start(
        self, queue: Queue, number: int, version: int, timeout: float | None
    ) -> Operation: ...
    def metrics(self, timeout: float | None) -> str: ...
    def metrics_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def verify_json(self, timeout: float | None) -> str: ...
    def verify_json_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def compact_json(self, timeout: float | None) -> str: ...
    def compact_json_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def stats_json(self) -> str: ...
    def set_network(self, enabled: bool, timeout: float | None) -> None: ...
    def set_network_start(
        self, queue: Queue, number: int, enabled: bool, timeout: float | None
    ) -> Operation: ...
    def set_secrets(self, current: str, former: Any, timeout: float | None) -> None: ...
    def set_secrets_start(
        self, queue: Queue, number: int, current: str, former: Any, timeout: float | None
    ) -> Operation: ...
    def disconnect(self, node_id: str, timeout: float | None) -> None: ...
    def disconnect_start(
        self, queue: Queue, number: int, node_id: str, timeout: float | None
    ) -> Operation: ...
    def publish(
        self,
        pairs: list[Any],
        durability: str | None,
        idempotency_key: bytes | None,
        expected: int | None,
        session: Session | None,
        timeout: float | None,
    ) -> PublishedTuple: ...
    def publish_start(
        self,
        queue: Queue,
        number: int,
        pairs: list[Any],
        durability: str | None,
        idempotency_key: bytes | None,
        expected: int | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def query(
        self,
        text: str,
        order: str | None,
        lower: Offsets | None,
        upper: Offsets | None,
        columns: Sequence[str] | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Cursor: ...
    def query_start(
        self,
        queue: Queue,
        number: int,
        text: str,
        order: str | None,
        lower: Offsets | None,
        upper: Offsets | None,
        columns: Sequence[str] | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def subscribe(
        self,
        text: str,
        start: StartAt | None,
        delivery: Delivery | None,
        order: Follow | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Any: ...
    def subscribe_start(
        self,
        queue: Queue,
        number: int,
        text: str,
        start: StartAt | None,
        delivery: Delivery | None,
        order: Follow | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def connect(self, target: str, timeout: float | None) -> None: ...
    def connect_start(
        self, queue: Queue, number: int, target: str, timeout: float | None
    ) -> Operation: ...
    def close(self, timeout: float | None) -> None: ...
    def close_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...

@final
class Observer:
    """Who observes a fish. Dropped, it ends."""

    def next_state(self, timeout: float | None) -> State: ...
    def next_state_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def state(self, timeout: float | None) -> State: ...
    def state_start(self, queue: Queue, number: int, timeout: float | None) -> Operation: ...
    def turn(self, is_new: bool, session: Session | None, timeout: float | None) -> Turn: ...
    def turn_start(
        self,
        queue: Queue,
        number: int,
        is_new: bool,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...

@final
class Offsets:
    """An offset map: for each stream how many events of it are meant. A point in history.

    `Offsets()` is the beginning, `Offsets({stream: count})` takes a dict (stream ids as text,
    counts from 0 to 2**53 - 1), `Offsets(token)` reads the text that `str()` gives: compact, with
    a checksum, meant to be stored or shown as a QR code. Values do not change.

    Raises `InvalidArgument`: neither a token nor stream ids and counts.
    """

    def __new__(cls, value: Offsets | str | dict[str, int] | None = None, /) -> Self: ...
    @staticmethod
    def merge(tokens: Sequence[Offsets | str]) -> Offsets:
        """Several tokens as one: the smallest map that covers each of `tokens`.

        `tokens`: a list or other sequence of `Offsets` or their texts; none gives the beginning.
        Raises `InvalidArgument`: one of them is no token.
        """
    @property
    def token(self) -> str:
        """The compact text, the same as `str()`."""
    @property
    def total(self) -> int:
        """Number of events over all streams."""
    def count(self, stream: str) -> int:
        """Number of events of `stream`; 0 for a stream that is not in the map.

        Raises `InvalidArgument`: `stream` is no stream id.
        """
    def covers(self, other: Offsets) -> bool:
        """True when every event that `other` means is also meant by this one."""
    def to_dict(self) -> dict[str, int]:
        """The counts by stream id, as a new dict in the order of the stream ids."""
    def __or__(self, other: Offsets, /) -> Offsets: ...
    def __ror__(self, other: Offsets, /) -> Offsets: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __getnewargs__(self) -> tuple[str]: ...

@final
class Operation:
    """What is under way: only good for calling it off."""

    def __new__(cls) -> Self: ...
    def cancel(self) -> None: ...

@final
class Options:
    """What a node is opened with; None is "not said"."""

    def __new__(
        cls,
        path: str,
        *,
        app: str,
        swarm: str | None,
        ticket: str | None,
        network: bool | None,
        bind: Any,
        discovery: bool | None,
        peers: Any,
        allow: Any,
        former_secrets: Any,
        send_bytes_per_second_max: int | None,
        send_bytes_per_second_per_peer_max: int | None,
        priority: str | None,
        segment_bytes: int | None,
        tail_bytes_max: int | None,
        cache_bytes: int | None,
        snapshot_bytes_max: int | None,
        allow_network_file_system: bool | None,
    ) -> Self: ...

@final
class Pond:
    """What a node is asked about its fish; made for each call."""

    def observe(
        self,
        fish: FishSpec,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> tuple[Observer, Fold | None]: ...
    def observe_start(
        self,
        queue: Queue,
        number: int,
        fish: FishSpec,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def take_left(self) -> tuple[Observer, Fold | None] | None: ...
    def state(
        self,
        fish: FishSpec,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> State: ...
    def state_start(
        self,
        queue: Queue,
        number: int,
        fish: FishSpec,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def observe_group(
        self,
        seeds: str,
        only_first: bool,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Group: ...
    def observe_group_start(
        self,
        queue: Queue,
        number: int,
        seeds: str,
        only_first: bool,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def wait_for(self, token: Token, query: str | None, timeout: float | None) -> None: ...
    def wait_for_start(
        self, queue: Queue, number: int, token: Token, query: str | None, timeout: float | None
    ) -> Operation: ...

@final
class Queue:
    """Finished operations of one event loop."""

    def __new__(cls) -> Self: ...
    def fileno(self) -> int: ...
    def drain(self) -> list[tuple[int, Any, BaseException | None]]: ...
    def close(self) -> None: ...

@final
class Rewind:
    """An event came late: forget what came after the event `to`, which comes again with it.

    A `KeySubscription` gives it in between its events.
    """

    @property
    def to(self) -> EventKey | None:
        """The key of the last event that stays; None when none does."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Scarce:
    """What a node is asked about scarce things; made for each call."""

    def act(
        self,
        deed: Deed,
        idempotency_key: bytes | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> PublishedTuple: ...
    def act_start(
        self,
        queue: Queue,
        number: int,
        deed: Deed,
        idempotency_key: bytes | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def answer_requests(self, name: str, enabled: bool, reserve: int | None) -> None: ...
    def hand_over_when_asked(self, what: str, is_wanted: bool) -> None: ...
    def report_json(
        self,
        topic: Topic,
        name: str,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> str: ...
    def report_json_start(
        self,
        queue: Queue,
        number: int,
        topic: Topic,
        name: str,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def next_report_json(
        self,
        topic: Topic,
        name: str,
        known: str | None,
        stop: Operation,
        timeout: float | None,
    ) -> str: ...
    def next_report_json_start(
        self,
        queue: Queue,
        number: int,
        topic: Topic,
        name: str,
        known: str | None,
        timeout: float | None,
    ) -> Operation: ...

@final
class Session:
    """What its owner has written and read so far, at one node or at several.

    Give it to calls as `session=`: each reads and writes after what the session has seen, and adds
    to it what it gave. So one reads one's own writes, never goes back in time, and what one writes
    stands after what one read. The `timeout` of such a call is also how long it waits for what the
    session has seen; the end of that is `NotYetVisible`. `Session()` has seen nothing; it belongs
    to no node. Usable from any thread.

    Raises `LimitExceeded`: too many handles are open; `ForkedProcess`.
    """

    def __new__(cls) -> Self: ...
    @property
    def token(self) -> Offsets:
        """What it has seen: take it along to another process, in whatever language.

        Raises `Closed`.
        """
    def sees(self, token: Offsets | str) -> None:
        """Has seen this, too: a token from elsewhere, as `Offsets` or text.

        Raises `InvalidArgument`: it is no token; `Closed`.
        """
    def close(self) -> None:
        """Ends it: calls that are given it raise `Closed`. May be repeated."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...

@final
class State:
    """A state of a fish, as bytes."""

    @property
    def is_end(self) -> bool: ...
    @property
    def data(self) -> bytes: ...
    @property
    def token(self) -> Offsets: ...
    @property
    def last(self) -> EventKey | None: ...
    @property
    def number(self) -> int: ...
    def decoded(self) -> Any: ...

@final
class Subscription:
    """A query that stays open: first what the log holds, then what arrives, without gap or double.

    Iterate over it: a cursor over the log, not a queue, so a slow reader lags and loses nothing.
    Iteration ends when the subscription or its node is closed. Usable from any thread, by one at a
    time; `close` may be called while another thread waits.
    """

    @property
    def caught_up(self) -> bool:
        """True when every event that the log held at the start has been handed out."""
    @property
    def lag(self) -> int:
        """How many events of the log it has not handed out yet, matching or not: an upper bound.

        Raises `Closed`.
        """
    @property
    def position(self) -> Offsets:
        """The offset map after the last event that was handed out: pass it as `start` to go on."""
    def fileno(self) -> int:
        """A file descriptor for `select` and the like: readable while `next_batch` would not wait.

        It belongs to the subscription: never read, write or close it. Events that already arrived
        in a batch do not make it readable: read until `next_batch(timeout=0)` raises `Timeout`.
        Raises `Closed`.
        """
    def next(self, timeout: float | None = None) -> Event | None:
        """Waits for the next event; None when the subscription has ended.

        `timeout`: seconds, None for no limit. Raises `Timeout` (no event is lost), `Corrupt`,
        `StorageFailed`.
        """
    def next_batch(self, count_max: int | None = None, timeout: float | None = None) -> Batch:
        """Waits for one to `count_max` events; empty when it has just caught up, or at the end.

        `count_max`: 1 to 4,096, None for 1,024. `timeout`: seconds, None for no limit.
        Raises `Timeout` (no event is lost), `InvalidArgument`, `Corrupt`, `StorageFailed`.
        """
    def close(self) -> None:
        """Ends the subscription: whoever waits for its next event sees the end. May be repeated."""
    def __iter__(self) -> Self: ...
    def __next__(self) -> Event: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    @property
    def _flow(self) -> Flow: ...

@final
class Turn:
    """A turn. Dropped, it ends without having published."""

    def state(self) -> State: ...
    def publish(
        self,
        pairs: list[Any],
        durability: str | None,
        session: Session | None,
        timeout: float | None,
    ) -> PublishedTuple: ...
    def publish_start(
        self,
        queue: Queue,
        number: int,
        pairs: list[Any],
        durability: str | None,
        session: Session | None,
        timeout: float | None,
    ) -> Operation: ...
    def close(self) -> None: ...

def after_fork_in_child() -> None: ...
def are_plain(pairs: list[Any]) -> bool: ...
def close_all() -> None: ...
def decode(data: bytes, /) -> Any:
    """The value of payload bytes: what `encode` takes, with lists for tuples.

    Raises `InvalidArgument`: not one value in its deterministic encoding.
    """
def encode(value: Any, /) -> bytes:
    """The payload bytes of a value: deterministic CBOR.

    `value`: dict with str keys, list, tuple, str, int from -2**63 to 2**64 - 1, finite float, bool,
    None, bytes, bytearray or memoryview. Raises `InvalidArgument` or `LimitExceeded`, naming the
    place inside the value.
    """
def encode_state(value: Any, /) -> bytes: ...
def error_table() -> list[tuple[int, str, bool, str, str]]: ...
def fence_admits(highest: str | None, fence: str) -> None:
    """Whether a machine may follow who shows `fence`; `highest` is the highest fence that it has
    followed (None: none yet). Keep `fence` in its place when this returns.

    A fence is the text of a claim's `own_fence`. Raises `Conflict`, reason "fenced": it is below
    the highest one, so its holder has handed the claim over and does not know it;
    `InvalidArgument`: a text is no fence.
    """
def log_drain(count_max: int) -> tuple[list[tuple[int, int, str, str, str]], int]: ...
def log_set_level(level: str) -> None: ...
def nested_effect_error() -> BaseException: ...
def new_swarm_secret() -> str:
    """Makes a swarm secret: 64 hex digits from the system's randomness. Keep it like a password:
    whoever has it can join the swarm.

    Raises `InternalError`: the system gives no randomness.
    """
def next_swarm_secret(secret: str) -> str:
    """Makes a secret to take the place of `secret` while the swarm stays the same: 128 hex digits.
    See `Node.set_secrets`.

    Raises `InvalidArgument`: it is no secret.
    """
def open_node(options: Options, timeout: float | None) -> Node: ...
def open_start(
    queue: Queue, number: int, options: Options, timeout: float | None
) -> Operation: ...
def parse_ticket(text: str) -> tuple[str, str, list[str]]: ...
def set_main_thread(ident: int) -> None: ...
def user_code_error(function: str, message: str) -> BaseException: ...
def value_of_json(text: str) -> Any: ...
def version() -> str:
    """The version of the native library."""

LabJob: TypeAlias = tuple[int, int, tuple[Literal["load", "apply", "save"], Any]]

@final
class Lab:
    def __init__(
        self,
        nodes: int | None,
        seed: int | None,
        app: str | None,
        skew_max: float | None,
        faults: int | None,
        without: list[int],
        /,
    ) -> None: ...
    @property
    def seed(self) -> int: ...
    @property
    def node_count(self) -> int: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def trace(self) -> list[str]: ...
    @property
    def befell(self) -> list[tuple[int, str]]: ...
    def node_id(self, node: int) -> str: ...
    def is_up(self, node: int) -> bool: ...
    def time_micros(self, node: int) -> int: ...
    def offsets(self, node: int) -> Offsets: ...
    def below(self, end: int) -> int: ...
    def life(self, node: int) -> int: ...
    def publish(
        self,
        node: int,
        life: int | None,
        pairs: list[Any],
        durability: str | None,
        idempotency_key: bytes | None,
        expected: int | None,
        session: Session | None,
    ) -> tuple[str, int, int, int, int, Offsets, bool]: ...
    def query(
        self, node: int, query: str, after: Token | None, session: Session | None
    ) -> Batch: ...
    def events(self, query: str) -> Batch: ...
    def wait_for(self, node: int, token: Token, query: str | None) -> None: ...
    def act(
        self,
        node: int,
        deed: Deed,
        idempotency_key: bytes | None,
        after: Token | None,
        session: Session | None,
    ) -> tuple[str, int, int, int, int, Offsets, bool]: ...
    def answer_requests(
        self, node: int, name: str, enabled: bool, reserve: int | None
    ) -> None: ...
    def hand_over_when_asked(self, node: int, what: str, is_wanted: bool) -> None: ...
    def report_json(
        self,
        node: int,
        topic: Topic,
        name: str,
        after: Token | None,
        session: Session | None,
    ) -> str: ...
    def do_optimistically(
        self, node: int, what: str, note: Any, after: Token | None, session: Session | None
    ) -> str: ...
    def own_doing(self, node: int, what: str) -> str | None: ...
    def standing(self, node: int, what: str, key: str) -> StandingTuple: ...
    def tell_loss(self, node: int, what: str, key: str) -> None: ...
    def next_loss(self) -> tuple[int, str, str] | None: ...
    def back_up(self, node: int) -> LabBackup: ...
    def restore(self, node: int, backup: LabBackup) -> None: ...
    def check_scarce(self) -> None: ...
    def abandon(self) -> None: ...
    def cut(self, groups: list[list[int]]) -> None: ...
    def heal(self) -> None: ...
    def crash(self, node: int) -> None: ...
    def cut_power(self, node: int) -> None: ...
    def start(self, node: int) -> None: ...
    def begin_advance(self, seconds: float) -> None: ...
    def begin_settle(self) -> None: ...
    def begin_calm(self) -> None: ...
    def begin_chaos(self, steps: int | None) -> None: ...
    def begin_state(
        self, node: int, fish: FishSpec, after: Token | None, session: Session | None
    ) -> int | None: ...
    def begin_check(self, fish: FishSpec) -> int | None: ...
    def next_job(self) -> LabJob | None: ...
    def loaded(self) -> LabJob | None: ...
    def applied(self, last_reset: int | None) -> LabJob | None: ...
    def saved(self, data: bytes) -> LabJob | None: ...
    def failed(self, function: str, index: int | None, message: str) -> LabJob | None: ...
    def shown(self) -> State: ...

@final
class LabBackup: ...

@final
class LawCheck:
    def __init__(self, fish: FishSpec, event_count: int, /) -> None: ...
    def next_questions(
        self, answers: list[bytes]
    ) -> list[tuple[str, bytes | None, int | bytes | None]]: ...

@final
class LabShrink:
    def __init__(self, befell: list[tuple[int, str]], /) -> None: ...
    def next_run(self) -> list[int] | None: ...
    def ended(self, befell: list[tuple[int, str]] | None) -> None: ...
    def summary(self, seed: int) -> str | None: ...

def lint_query(
    query: str,
) -> tuple[Literal["monotone", "one_way", "not_monotone"], bool, str, str]: ...
def lab_seeds(count: int | None = None) -> list[int]: ...
def lab_without() -> list[int] | None: ...
def replay_hint(seed: int) -> str: ...
