"""A status that stays open: the first at once, then one each time something in it changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ._asking import Ask, waited
from ._repeated import Repeated
from ._series import Waiting

if TYPE_CHECKING:
    from ._facts import NodeFacts
    from ._status import Status


class StatusSteps(Repeated["Status"]):
    """What waits for the next status. For millpond only."""

    __slots__ = ("_seen",)

    def __init__(self, node: NodeFacts) -> None:
        """For millpond only."""
        super().__init__(node)
        self._seen = 0

    def _ask(self, timeout: float | None) -> Ask[str]:
        native, stop = self._node._native, self._stop

        def ask(version: int, timeout: float | None) -> str:
            return native.next_status_json(version, stop, timeout)

        return Ask(ask, native.next_status_json_start, self._seen, timeout)

    def _read(self, text: str) -> Status:
        status: Status = json.loads(text)
        self._seen = status["version"]
        return status


class StatusSubscription(StatusSteps, Waiting):
    """Iterate over it: a status at once, then one whenever something in it changed that matters.

    A peer's session or refusal, nodes that are missed or back, a fork, a quarantine, damage, the
    disk, falling behind and catching up. Not a queue: changes that come while nobody asks are one.
    What the network does is told at most four times a second. Iteration ends when it or its node is
    closed, and has no timeout; `next` can have one. Usable by one thread at a time; `close` may be
    called while another thread waits.
    """

    __slots__ = ()

    def next(self, timeout: float | None = None) -> Status | None:
        """Waits for the next status; the first comes at once. None at the end.

        timeout: seconds, None for no limit. Raises `Timeout` (no change is lost), `Closed`: the
        node was closed before the first one was asked for.
        """
        return waited(self._next(timeout))

    def close(self) -> None:
        """Ends it: whoever waits for the next status sees the end. May be repeated."""
        self._end()

    def __next__(self) -> Status:
        status = self.next()
        if status is None:
            raise StopIteration
        return status
