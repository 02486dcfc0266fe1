"""A status that stays open: the first at once, then one each time something in it changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ._errors import Closed

if TYPE_CHECKING:
    from . import _native
    from ._status import Status


class StatusSubscription:
    """Iterate over it: a status at once, then one whenever something in it changed that matters.

    A peer's session or refusal, nodes that are missed or back, a fork, a quarantine, damage, the
    disk, falling behind and catching up. Not a queue: changes that come while nobody asks are one.
    What the network does is told at most four times a second. Iteration ends when the node is
    closed, and has no timeout; `next` can have one. Usable by one thread at a time.
    """

    __slots__ = ("_native", "_seen")

    def __init__(self, native: _native.Node) -> None:
        self._native = native
        self._seen = 0

    def next(self, timeout: float | None = None) -> Status:
        """Waits for the next status; the first comes at once.

        timeout: seconds, None for no limit. Raises `Timeout` (no change is lost), `Closed`.
        """
        status: Status = json.loads(self._native.next_status_json(self._seen, timeout))
        self._seen = status["version"]
        return status

    def __iter__(self) -> StatusSubscription:
        return self

    def __next__(self) -> Status:
        try:
            return self.next()
        except Closed:
            raise StopIteration from None
