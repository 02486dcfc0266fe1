"""The states of a fish at a node of a lab, as time brings them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ._asking import Steps
from ._deadline import Deadline
from ._errors import InvalidArgument, Timeout
from ._fish import AnyFish, State
from ._lab_running import Looks
from ._native import Session
from ._observing import Token
from ._series import Awaiting, Waiting

if TYPE_CHECKING:
    from ._lab_node import AioLabNode, LabNode

S = TypeVar("S")


class LabObserver(Waiting, Generic[S]):
    """As `Observer`, of a node of a lab: iterate over it, or call its `next`.

    Where `Observer` would wait, `Timeout` is raised at once, also in an iteration: let time pass,
    and look again. It ends when it is closed, and with the node's process. Not here: `fileno`.
    """

    __slots__ = ("_first", "_is_closed", "_looks")

    def __init__(
        self, node: LabNode, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> None:
        """For millpond only."""
        self._looks, self._is_closed = Looks(node, fish, after, session), False
        self._first = self._looks.new()

    def next(self, timeout: float | None = None) -> State[S] | None:
        """The state, if it was not given yet; None: it has ended.

        That is the first state, and then at most one after each call that lets time pass.
        Raises `Timeout`: nothing has changed, or what the session has seen is not here; as
        `LabNode.state`.
        """
        if self._is_closed or self._looks.has_ended():
            return None
        state = self._looks.new() or self._first
        self._first = None
        if state is None:
            raise Timeout("nothing has changed, and a lab does not wait: let time pass")
        return state

    def fileno(self) -> NoReturn:
        """Raises `InvalidArgument`: a lab has no files."""
        raise InvalidArgument("a lab has no file descriptors")

    def close(self) -> None:
        """Ends it. May be repeated."""
        self._end()

    def _end(self) -> None:
        self._is_closed = True

    def __next__(self) -> State[S]:
        state = self.next()
        if state is None:
            raise StopIteration
        return state


class AioLabObserver(Awaiting, Generic[S]):
    """As `LabObserver`, for asyncio: iterate with `async for`. It waits for time to pass.

    Who lets time pass and waits for what comes of it in one task waits for ever without `timeout`.
    """

    __slots__ = ("_is_closed", "_looks", "_made", "_node")

    def __init__(
        self, node: AioLabNode, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> None:
        """For millpond only."""
        self._node, self._made = node, (node, fish, after, session)
        self._looks: Looks[S] | None = None
        self._is_closed = False

    async def next(self, timeout: float | None = None) -> State[S] | None:
        """Waits for a state that was not given yet, the newest; None: it has ended.

        timeout: seconds of virtual time, None for no limit. Raises `Timeout`: they have passed and
        no state has come; as `LabNode.state`.
        """
        lab = self._node._lab
        end = None if timeout is None else lab.elapsed + timeout
        while not self._is_closed:
            passed = lab._passing()
            try:
                if self._looks is None:
                    # A node that does not run is `Closed` here, and no end.
                    self._looks = Looks(*self._made)
                elif self._looks.has_ended():
                    return None
                if (state := self._looks.new()) is not None:
                    return state
                if end is not None and lab.elapsed >= end:
                    raise Timeout("nothing has changed in this time of the lab")
                await passed
            finally:
                passed.cancel()
        return None

    def fileno(self) -> NoReturn:
        """Raises `InvalidArgument`: a lab has no files."""
        raise InvalidArgument("a lab has no file descriptors")

    async def close(self) -> None:
        """Ends it: who waits for its next state sees the end. May be repeated."""
        self._end()

    def _end(self) -> None:
        self._is_closed = True
        self._node._lab._wake()

    def _opened(self, deadline: Deadline) -> Steps[Any]:
        """It begins with its first look."""
        yield from ()

    async def __anext__(self) -> State[S]:
        state = await self.next()
        if state is None:
            raise StopAsyncIteration
        return state
