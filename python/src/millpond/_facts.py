"""What never waits, and so is the same for threads and for asyncio."""

from __future__ import annotations

import os
import warnings
from typing import Literal, TypeAlias

from . import _native
from ._native import Offsets

Order: TypeAlias = Literal["ascending", "descending", "stream"]
"""By event key up or down, or stream by stream."""
Column: TypeAlias = Literal["tags", "payload"]
"""A part of events that need not be decoded."""
Durability: TypeAlias = Literal["power", "process"]
"""What a published event survives: loss of power, or only the end of the process.

With "process" the call returns earlier, and the event is seen by queries, subscriptions and peers
once it is on disk: up to 50 ms later, and the time of one sync.
"""
Delivery: TypeAlias = Literal["durable", "live"]
"""When a subscription gets an event: once it is on this node's disk, or once it is verified."""
Follow: TypeAlias = Literal["arrival", "key"]
"""In which order a subscription delivers: each stream in its own, or the one order of all nodes."""
StartAt: TypeAlias = Literal["beginning", "now"] | Offsets | str
"""Where a subscription begins; any other text is a token, or a position in key order."""


class NodeFacts:
    """What never waits, and so is the same for threads and for asyncio."""

    __slots__ = ("__weakref__", "_id", "_native")

    def __init__(self, native: _native.Node) -> None:
        """For millpond only."""
        self._native = native
        self._id = native.node_id()

    @property
    def id(self) -> str:
        """The node id: 64 hex digits. Known also when the node is closed."""
        return self._id

    @property
    def swarm_id(self) -> str:
        """The id of the swarm: 64 hex digits. Raises `Closed`."""
        return self._native.swarm_id()

    @property
    def stream(self) -> str:
        """The stream that this node writes: `<node id>-<number>`. Raises `Closed`."""
        return self._native.stream()

    @property
    def path(self) -> str:
        """The folder of the log. Raises `Closed`."""
        return os.fspath(self._native.path())

    @property
    def closed(self) -> bool:
        """True when the node is closed."""
        return not self._native.is_open()

    def offsets(self) -> Offsets:
        """What is durable here: for each stream how many events. Raises `Closed`.

        Of a branch, in which a stream with two histories goes on, what comes before it counts, too.
        """
        return self._native.offsets()

    def __del__(self) -> None:
        native = getattr(self, "_native", None)
        if native is not None and native.is_open():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"<Node {self._id[:8]}…>"
