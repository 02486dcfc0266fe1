"""What a node says about itself: the shape of what `status()` gives, for type checkers.

These are plain dicts at run time. The names are those of every language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from ._native import Offsets


class PeerRefusal(TypedDict):
    """Why the last attempt at a session was refused."""

    reason: str
    """The typed reason, such as "wrong_secret"."""
    message: str
    """The same as a sentence."""
    by_us: bool
    """True when this node refused, False when the peer did."""
    ago_micros: int
    """How long ago, in µs."""


class PeerStatus(TypedDict):
    """One peer."""

    node_id: str
    """Its public key: 64 hex digits."""
    state: Literal["connected", "greeting", "dialing", "waiting", "idle"]
    """`greeting`: not admitted yet; `waiting`: for the next dial; `idle`: it may connect to us."""
    addresses: list[str]
    """Where it is dialled: `ip:port` each."""
    named: bool
    """True when a person, a ticket or the options named it."""
    discovered: bool
    """True when discovery sees it now."""
    learned: bool
    """True when other peers told where it is."""
    round_trip_micros: int | None
    """Time for a small message there and back, in µs; None while there is no session."""
    bytes_in: int
    """Bytes received in this session."""
    bytes_out: int
    """Bytes sent in this session."""
    total_bytes_in: int
    """Bytes received in all its sessions since the node opened."""
    total_bytes_out: int
    """Bytes sent in all its sessions since the node opened."""
    lag: int
    """Events that it has and this node lacks."""
    behind: int
    """Events that this node has and it lacks."""
    connected_for_micros: int | None
    """How long the session stands, in µs; None while there is none."""
    secret: Literal["current", "former"] | None
    """Which of this node's secrets it has shown that it holds: the current one, or only a former
    one; None while there is no session."""
    gone_for_micros: int | None
    """How long it has been out of reach after it was in reach, in µs: a suspected partition."""
    trying_for_micros: int | None
    """How long it has been dialled in vain, in µs; None while there is a session or nothing to
    dial."""
    last_contact_micros: int | None
    """How long ago it was last heard in a session, in µs; None when there was none."""
    refused: PeerRefusal | None
    """Why the last attempt was refused, until a session comes about."""


class StreamStatus(TypedDict):
    """One stream."""

    stream: str
    """Which: `<node id>-<number>`."""
    held: int
    """How many events of it are durable here; of a branch what comes before it counts, too."""
    known: int
    """How many are signed for, as far as is known."""
    lag: int
    """The difference."""
    ahead: list[str]
    """Connected peers that say they have more of it than is held here."""


class UnheardNode(TypedDict):
    """A node that was heard of and is not in reach: neither connected nor in the list of a
    connected peer. It was heard of as a peer, in such a list, or as the author of events, which
    count when they come here, by whatever way and however old they are."""

    node_id: str
    """Which: 64 hex digits."""
    since: int
    """Since when, in µs since 1970 UTC, by this node's clock; when its store was opened, if that is
    not known."""
    ago_micros: int
    """How long ago that is, in µs."""


class Refusal(TypedDict):
    """A session that did not come about, or was ended with a reason."""

    node_id: str
    """The peer."""
    reason: str
    """The typed reason, such as "wrong_secret"."""
    by_us: bool
    """True when this node refused, False when the peer did."""


class Damage(TypedDict):
    """A place in the store that does not hold what was written there."""

    table: str
    """The table it is in, as docs/format.md names it, or "journal"."""
    stream: str | None
    """The stream; None where the place belongs to no single one."""
    first: int
    """Where what is lost begins: in "events" an offset, in "heads" and "streams" a number of
    events, in "postings" and "groups" the number of a segment, in "journal" the index of a
    record."""
    end: int
    """Where it ends, counted like `first` and not included."""
    message: str
    """How it shows."""


class ForkStatus(TypedDict):
    """A stream with two different histories, as after a restored backup or a cloned disk."""

    stream: str
    """Which: `<node id>-<number>`. It ends before `offset`."""
    offset: int
    """The offset of the first event that differs."""
    branches: list[str]
    """The streams in which its histories go on from there, at the same offsets."""
    proofs: list[list[str]]
    """For each of them, in the same order, the proof that its author signed two histories: two
    signed heads of different ones beyond `offset`, in the bytes of docs/format.md, 304 hex digits
    each."""


class StoreStatus(TypedDict):
    """The store on disk."""

    table_bytes: int
    """Of blocks and indexes, in bytes."""
    tail_bytes: int
    """Of events that are not in blocks yet, in bytes."""
    journal_bytes: int
    """Of the files of the journal, in bytes."""
    free_bytes: int | None
    """What the file system has left, in bytes; None when it does not say."""
    full: bool
    """True when the last commit found no room on the disk, so that publishes are refused until one
    succeeds."""
    trouble: str | None
    """Why it takes no events at present, such as a full disk; None when all is well."""
    damages: list[Damage]
    """What was found damaged."""


class Status(TypedDict):
    """What a node says about itself, now."""

    version: int
    """Another one after each change of what a status subscription tells."""
    node_id: str
    """The node's public key: 64 hex digits."""
    swarm_id: str
    """The swarm that it belongs to: 64 hex digits."""
    path: str
    """Folder of the store."""
    stream: str
    """The stream that it writes: `<node id>-<number>`."""
    events: int
    """How many events are durable here, of all streams."""
    offsets: dict[str, int]
    """The same by stream id."""
    lag: int
    """Events that signed heads account for and that are not here yet. A node that is cut off can
    show 0: what it does not know of is not counted."""
    streams: list[StreamStatus]
    """Every stream that is held or known of."""
    network: bool
    """False while it is off the network, or was opened without one."""
    addresses: list[str]
    """Where it listens: `ip:port` each."""
    peers: list[PeerStatus]
    """The peers that it knows, connected or not."""
    refusals: list[Refusal]
    """The last 64 refusals, by us or by them, oldest first."""
    unheard: list[UnheardNode]
    """Nodes that were heard of and are not in reach now: suspected partitions."""
    forked: list[str]
    """Streams that have two different histories."""
    forks: list[ForkStatus]
    """The same with the branches in which they go on."""
    crowded: list[str]
    """Streams that have more histories than the 16 that are kept: what is beyond does not sync."""
    quarantined: list[str]
    """Streams whose newest events wait until signed heads account for their lamports."""
    too_new: list[str]
    """Streams written by a newer millpond, which stay as they are until this node is upgraded."""
    store: StoreStatus
    """The store on disk."""


class Behind(TypedDict):
    """A stream of which events are known that are not held."""

    stream: str
    """Which: `<node id>-<number>`."""
    missing: int
    """How many events of it are missing."""


class Missed(TypedDict):
    """A node that was heard of and not in reach: what it wrote since then may be missing."""

    node_id: str
    """Which: 64 hex digits."""
    since: int
    """Since when, in µs since 1970 UTC."""


class Completeness(TypedDict):
    """What an answer holds and lacks, as known when it was asked for. What no signed head accounts
    for and no missing node is known to have written cannot be named."""

    offsets: Offsets
    """How many events of each stream it is read over."""
    behind: list[Behind]
    """Streams of which more is signed for than that."""
    unheard: list[Missed]
    """Nodes that were heard of and not in reach."""


class Verified(TypedDict):
    """What a verification went through, and what it found."""

    streams: int
    """Number of streams."""
    blocks: int
    """Number of blocks in the tables, open ones included."""
    events: int
    """Number of events read."""
    record_bytes: int
    """Bytes of their records."""
    stored_bytes: int
    """Bytes read from tables and journal."""
    damage_count: int
    """Number of damaged places."""
    damages: list[Damage]
    """The first 1,024 of them."""


class Compacted(TypedDict):
    """What a compaction did to the file of tables."""

    bytes_before: int
    """Its bytes before."""
    bytes_after: int
    """Its bytes after."""


class TableStats(TypedDict):
    """The size of one table."""

    name: str
    """Its name in docs/format.md."""
    rows: int
    """Number of rows."""
    bytes: int
    """Bytes of its pages."""


class Stats(TypedDict):
    """How large everything in the store is."""

    streams: int
    """Number of streams."""
    events: int
    """Number of events, durable."""
    record_bytes: int
    """Bytes of their records."""
    full_blocks: int
    """Number of full blocks."""
    open_blocks: int
    """Number of open blocks in the tables."""
    segments: int
    """Number of segments of the postings."""
    idempotency_keys: int
    """Number of idempotency keys that are remembered."""
    tables: list[TableStats]
    """The tables."""
    file_bytes: int
    """Bytes of the file of tables."""
    free_bytes: int
    """Bytes of it that hold nothing now; a compaction gives them back."""
    page_bytes: int
    """Bytes of one of its pages."""
    journal_bytes: int
    """Bytes of the files of the journal."""
    tail_bytes: int
    """Bytes of memory of events that are only in the journal."""
    cache_bytes: int
    """Bytes of memory of what is kept for readers, about."""
    cache_bytes_max: int
    """Most bytes of decoded blocks that are kept."""
