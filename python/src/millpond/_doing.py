"""Optimistic claims for threads: "I do this", whoever else says so. See docs/escrow.md."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from . import _native
from ._draft import Payload, Published, key_bytes
from ._errors import Closed
from ._facts import NodeFacts
from ._native import Deed, EventKey, Session
from ._pond import Token
from ._reports import Standing
from ._scarce import act


class DoingCalls(NodeFacts):
    """What a node does with optimistic claims."""

    __slots__ = ()

    def do_optimistically(
        self,
        what: str,
        note: Payload = None,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Doing:
        """Says "I do this", whoever else says so: the least event key wins, the others undo.

        An older claim may arrive at any time, so listen to the `Doing`. While it stands, ask for it
        with `own_doing`; said again it changes nothing. So after `Timeout`, when it may have been
        said all the same, say it again.

        note: kept for whoever asks, None for none. after, session: before, the log must cover this.
        timeout: seconds for all of it, None for no limit.

        Raises `InvalidArgument`, `LimitExceeded`, `NotYetVisible`, `StorageFull`, `StorageFailed`,
        `Timeout`, `Closed`.
        """
        native = self._native.doings().do_optimistically(what, note, after, session, timeout)
        return Doing(self, what, native)

    def own_doing(self, what: str, *, timeout: float | None = None) -> Doing | None:
        """The optimistic claim of this node that stands, also after a restart; None: none does.

        timeout: seconds, None for no limit. Raises `InvalidArgument`, `Timeout`, `Closed`.
        """
        native = self._native.doings().own_doing(what, timeout)
        return None if native is None else Doing(self, what, native)


class Doing:
    """An optimistic claim of this node. Iterate over it: how it stands, then each change.

    Made by `Node.do_optimistically`. Iteration ends when it or its node is closed; closing it
    releases nothing. `close` may be called while another thread waits; else it is used by one
    thread at a time.
    """

    __slots__ = ("__weakref__", "_closed", "_native", "_node", "key", "what")

    what: str
    """What is done, as it was given."""
    key: EventKey
    """The key of the event that says so."""

    def __init__(self, node: NodeFacts, what: str, native: _native.Doing) -> None:
        """For millpond only."""
        self._node, self.what, self._native = node, what, native
        self.key, self._closed = native.key(), False

    def next(self, timeout: float | None = None) -> Standing | None:
        """Waits for how it stands: at once the first time, then when that has changed; None at the
        end.

        timeout: seconds, None for no limit. Raises `Timeout` (no change is lost), `Corrupt`,
        `StorageFailed`, `Closed`.
        """
        try:
            standing = self._native.next_standing(timeout)
        except Closed:
            if self._closed or self._node.closed:
                return None
            raise
        return None if standing is None else Standing(*standing)

    def on_loss(self, hook: Callable[[Standing], object]) -> None:
        """Calls `hook` once if it loses, on a thread of its own: undo there what was begun.

        In place of the iteration: both are refused. What `hook` raises goes to
        `threading.excepthook`. Raises `Closed`.
        """
        name = f"millpond-doing-{self.what}"
        threading.Thread(target=self._listen, args=[hook], name=name, daemon=True).start()

    def _listen(self, hook: Callable[[Standing], object]) -> None:
        for standing in self:
            if standing.standing == "lost":
                hook(standing)
            if standing.standing != "won":
                return

    def release(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Says that this node does it no longer. Arguments and errors as for `Account`."""
        key = key_bytes(idempotency_key)
        return act(self._node, Deed.doing_release(self.what), key, after, session, timeout)

    def close(self) -> None:
        """Ends the listening: whoever waits for a change sees the end. May be repeated."""
        self._closed = True
        self._native.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Standing:
        standing = self.next()
        if standing is None:
            raise StopIteration
        return standing

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Doing {self.what!r}>"
