"""What a node says about itself: the shape of what `status()` gives, for type checkers.

These are plain dicts at run time. The names are those of every language.
"""

from __future__ import annotations

from typing import Literal, TypedDict


class PeerStatus(TypedDict):
    """One peer."""

    node_id: str
    """Its public key: 64 hex digits."""
    state: Literal["connected", "greeting", "dialing", "waiting", "idle"]
    """`greeting`: not admitted yet; `waiting`: for the next dial; `idle`: it may connect to us."""
    addresses: list[str]
    """Where it is dialled: `ip:port` each."""
    round_trip_micros: int | None
    """Time for a small message there and back, in µs; None while there is no session."""
    bytes_in: int
    """Bytes received in this session."""
    bytes_out: int
    """Bytes sent in this session."""
    lag: int
    """Events that it has and this node lacks."""
    behind: int
    """Events that this node has and it lacks."""
    connected_for_micros: int | None
    """How long the session stands, in µs; None while there is none."""
    gone_for_micros: int | None
    """How long it has been out of reach after it was in reach, in µs: a suspected partition."""


class Refusal(TypedDict):
    """A session that did not come about, or was ended with a reason."""

    node_id: str
    """The peer."""
    reason: str
    """The typed reason, such as "wrong_secret"."""
    by_us: bool
    """True when this node refused, False when the peer did."""


class Damage(TypedDict):
    """A place in the log that cannot be read."""

    stream: str
    """The stream."""
    offset: int
    """The offset of an event that could not be read."""
    message: str
    """How it shows."""


class StoreStatus(TypedDict):
    """The store on disk."""

    table_bytes: int
    """Of blocks and indexes, in bytes."""
    tail_bytes: int
    """Of events that are not in blocks yet, in bytes."""
    trouble: str | None
    """Why it takes no events at present, such as a full disk; None when all is well."""
    damages: list[Damage]
    """What was found damaged."""


class Status(TypedDict):
    """What a node says about itself, now."""

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
    network: bool
    """False while it is off the network, or was opened without one."""
    addresses: list[str]
    """Where it listens: `ip:port` each."""
    peers: list[PeerStatus]
    """The peers that it knows, connected or not."""
    refusals: list[Refusal]
    """The last 64 refusals, by us or by them, oldest first."""
    forked: list[str]
    """Streams that have two different histories."""
    quarantined: list[str]
    """Streams whose newest events wait until signed heads account for their lamports."""
    too_new: list[str]
    """Streams written by a newer millpond, which stay as they are until this node is upgraded."""
    store: StoreStatus
    """The store on disk."""
