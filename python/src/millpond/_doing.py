"""Optimistic claims for threads: "I do this", whoever else says so. See docs/escrow.md."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from . import _native
from ._asking import waited
from ._claimed import DoingSteps, losing, own, saying
from ._deeds import acting
from ._draft import Payload, Published
from ._facts import NodeFacts
from ._native import Deed, Session
from ._observing import Token
from ._reports import Standing
from ._series import Waiting


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

        Raises `InvalidArgument`, `LimitExceeded`, `Conflict` with the reason "stream_changed" (try
        again), `NotYetVisible`, `StorageFull`, `StorageFailed`, `Timeout`, `Closed`.
        """
        return Doing(self, what, waited(saying(self, what, note, after, session, timeout)))

    def own_doing(self, what: str, *, timeout: float | None = None) -> Doing | None:
        """The optimistic claim of this node that stands, also after a restart; None: none does.

        timeout: seconds, None for no limit. Raises `InvalidArgument`, `LimitExceeded`, `Corrupt`,
        `StorageFailed`, `Timeout`, `Closed`.
        """
        native = waited(own(self, what, timeout))
        return None if native is None else Doing(self, what, native)


class Doing(DoingSteps, Waiting):
    """An optimistic claim of this node. Iterate over it: how it stands, then each change.

    Made by `Node.do_optimistically`. Iteration ends when it or its node is closed; closing it
    releases nothing. `close` may be called while another thread waits; else it is used by one
    thread at a time.
    """

    __slots__ = ()

    def next(self, timeout: float | None = None) -> Standing | None:
        """Waits for how it stands: at once the first time, then when that has changed; None at the
        end.

        timeout: seconds, None for no limit. Raises `Timeout` (no change is lost), `Corrupt`,
        `StorageFailed`; `InvalidArgument`: somebody else waits already.
        """
        return waited(self._next(timeout))

    def on_loss(self, hook: Callable[[Standing], object]) -> None:
        """Calls `hook` once if it loses, on a thread of its own: undo there what was begun.

        At once if it has lost, also where `next` has said so. Neither an iteration nor another hook
        is disturbed by it. It listens until the claim is released, or this object or its node is
        closed, and keeps neither of them open: not even this object is needed for it. What `hook`
        raises, and why nobody can tell any more, goes to `threading.excepthook`. Raises `Closed`.
        """
        listen = partial(_listen, self._loss(), hook)
        threading.Thread(target=listen, name=f"millpond-doing-{self.what}", daemon=True).start()

    def fileno(self) -> int:
        """A file descriptor for `select` and the like, as `Observer.fileno`."""
        return self._known().fileno()

    def release(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Says that this node does it no longer. Arguments and errors as for `Account`."""
        deed = partial(Deed.doing_release, self.what)
        return waited(acting(self._node, deed, idempotency_key, after, session, timeout))

    def close(self) -> None:
        """Ends the listening: whoever waits for a change sees the end. May be repeated."""
        self._end()

    def __next__(self) -> Standing:
        standing = self.next()
        if standing is None:
            raise StopIteration
        return standing


def _listen(loss: _native.Loss, hook: Callable[[Standing], object]) -> None:
    standing = waited(losing(loss))
    if standing is not None:
        hook(standing)
