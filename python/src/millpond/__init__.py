"""A decentralised event log: every process keeps its own, and they agree.

Begin with `open`. This module blocks; `millpond.aio` has the same surface for asyncio. Ctrl-C ends
any wait, and no event is lost by it.
"""

from . import _exit as _exit
from . import logs
from ._draft import Draft, Drafts, Payload, Published, Receipt, Tags
from ._errors import (
    Cancelled,
    Closed,
    Conflict,
    Corrupt,
    Error,
    Forked,
    ForkedProcess,
    FormatTooNew,
    InternalError,
    InvalidArgument,
    LimitExceeded,
    NotFound,
    NotYetVisible,
    Overdraft,
    PeerMisbehaved,
    PeerRefused,
    QueryInvalid,
    StorageFailed,
    StorageFull,
    StoreLocked,
    Timeout,
    UserCode,
)
from ._native import (
    Batch,
    Cbor,
    Cursor,
    Event,
    EventKey,
    Offsets,
    Subscription,
    decode,
    encode,
    new_swarm_secret,
    version,
)
from ._node import Durability, Node, Order, StartAt, open  # noqa: A004
from ._status import Damage, PeerStatus, Refusal, Status, StoreStatus
from ._ticket import Ticket, parse_ticket

__version__: str = version()

__all__ = [
    "Batch",
    "Cancelled",
    "Cbor",
    "Closed",
    "Conflict",
    "Corrupt",
    "Cursor",
    "Damage",
    "Draft",
    "Drafts",
    "Durability",
    "Error",
    "Event",
    "EventKey",
    "Forked",
    "ForkedProcess",
    "FormatTooNew",
    "InternalError",
    "InvalidArgument",
    "LimitExceeded",
    "Node",
    "NotFound",
    "NotYetVisible",
    "Offsets",
    "Order",
    "Overdraft",
    "Payload",
    "PeerMisbehaved",
    "PeerRefused",
    "PeerStatus",
    "Published",
    "QueryInvalid",
    "Receipt",
    "Refusal",
    "StartAt",
    "Status",
    "StorageFailed",
    "StorageFull",
    "StoreLocked",
    "StoreStatus",
    "Subscription",
    "Tags",
    "Ticket",
    "Timeout",
    "UserCode",
    "decode",
    "encode",
    "logs",
    "new_swarm_secret",
    "open",
    "parse_ticket",
]
