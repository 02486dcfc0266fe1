"""Optimistic claims, for threads and for asyncio: what waits."""

from __future__ import annotations

from . import _native
from ._asking import Ask, Steps
from ._draft import Payload
from ._errors import Closed
from ._facts import NodeFacts
from ._native import EventKey, Session
from ._observing import Token
from ._reports import Standing
from ._series import Series


def saying(
    node: NodeFacts,
    what: str,
    note: Payload,
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Steps[_native.Doing]:
    """Says it, until that is durable."""
    doings = node._native.doings()
    ask, start = doings.do_optimistically, doings.do_optimistically_start
    native: _native.Doing = yield Ask(ask, start, what, note, after, session, timeout)
    return native


def own(node: NodeFacts, what: str, timeout: float | None) -> Steps[_native.Doing | None]:
    """Looks for one that stands."""
    doings = node._native.doings()
    native: _native.Doing | None = yield Ask(
        doings.own_doing, doings.own_doing_start, what, timeout
    )
    return native


def losing(loss: _native.Loss) -> Steps[Standing | None]:
    """How a claim stands once it has lost; None: it was released, or nobody listens any more."""
    try:
        standing = yield Ask(loss.wait, loss.wait_start, None)
    except Closed:
        return None
    if standing is None or standing[0] != "lost":
        return None
    return Standing(*standing)


class DoingSteps(Series[_native.Doing]):
    """What an optimistic claim waits for. For millpond only."""

    __slots__ = ("_held", "key", "what")

    what: str
    """What is done, as it was given."""
    key: EventKey
    """The key of the event that says so."""

    def __init__(self, node: NodeFacts, what: str, native: _native.Doing) -> None:
        """For millpond only."""
        super().__init__(node, native=native)
        self.what, self.key = what, native.key()
        self._held: _native.StandingTuple | None = None

    def _next(self, timeout: float | None) -> Steps[Standing | None]:
        native = self._known()
        if self._closed:
            return None
        if self._held is None:
            try:
                yield Ask(native.next_standing, native.next_standing_start, timeout).kept_by(
                    self._hold
                )
            except Closed as error:
                if self._has_ended(error):
                    return None
                raise
        standing, self._held = self._held, None
        return None if standing is None else Standing(*standing)

    def _hold(self, standing: _native.StandingTuple | None) -> None:
        # None is the end, or an error.
        if standing is not None:
            self._held = standing

    def _loss(self) -> _native.Loss:
        if self._closed or self._node._native.is_closing():
            raise Closed("this object, or its node, is closed")
        return self._known().loss()

    def __repr__(self) -> str:
        return f"<Doing {self.what!r}>"
