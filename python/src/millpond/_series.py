"""What gives one thing after another: the states of a fish, events, standings, reports.

For `asyncio` it begins when it is first awaited; on a thread its maker has it begin at once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

from ._asking import Ask, Steps, awaited
from ._deadline import Deadline
from ._errors import Closed, Error, InvalidArgument
from ._facts import NodeFacts
from ._loop import Keep

N = TypeVar("N")

Begin: TypeAlias = Callable[[float | None], Ask[Any]]
"""Asks for the native object, within a timeout."""


class Series(Generic[N]):
    """A native object that `begin` makes, and who waits for what it gives. For millpond only."""

    __slots__ = ("__weakref__", "_begin", "_closed", "_native", "_node", "_opening")

    def __init__(
        self, node: NodeFacts, begin: Begin | None = None, native: N | None = None
    ) -> None:
        """For millpond only."""
        self._node, self._begin, self._native = node, begin, native
        self._closed = False
        self._opening: Ask[Any] | None = None

    def _open(self, deadline: Deadline) -> Steps[N | None]:
        """Begins it where it has not begun; None: it is closed, or it or its node was meanwhile."""
        if self._native is not None:
            return self._native
        if self._closed:
            return None
        if self._opening is not None:
            raise InvalidArgument("another task is awaiting the beginning of this object")
        # Who begins on a node that is closed already is told so.
        was_open = not self._node._native.is_closing()
        assert self._begin is not None, "without a beginning it has begun"
        ask = self._begin(deadline.left())
        if (keep := self._keep()) is not None:
            ask.kept_by(keep)
        self._opening = ask
        try:
            self._native = self._taken((yield ask))
        except Error as error:
            if self._closed or (was_open and self._has_ended(error)):
                return None
            raise
        finally:
            self._opening = None
        if self._closed:
            self._shut(self._native)
        return self._native

    def _opened(self, deadline: Deadline) -> Steps[N]:
        """As `_open`, and raises `Closed` in place of None."""
        native = yield from self._open(deadline)
        if native is None:
            raise Closed("this object, or its node, is closed")
        return native

    def _has_ended(self, error: Error) -> bool:
        """Whether `error` says that it or its node is closed, and not that something else is."""
        return isinstance(error, Closed) and (self._closed or self._node._native.is_closing())

    def _known(self) -> N:
        if self._native is None:
            raise InvalidArgument("not begun: await something of this object first")
        return self._native

    def _end(self) -> None:
        """Ends it, at once; whoever waits sees the end."""
        self._closed = True
        if self._native is not None:
            self._shut(self._native)
        elif self._opening is not None:
            self._opening.cancel()

    def _keep(self) -> Keep | None:
        """Takes what the beginning ended with, whoever still waits."""
        return None

    def _taken(self, value: Any) -> N:
        """The native object, from what the beginning ended with."""
        native: N = value
        return native

    def _shut(self, native: Any) -> None:
        native.close()


class Waiting:
    """What is iterated and closed by threads."""

    __slots__ = ()

    def _end(self) -> None:
        raise NotImplementedError

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()


class Awaiting:
    """What is iterated and closed by tasks."""

    __slots__ = ()

    def _end(self) -> None:
        raise NotImplementedError

    def _opened(self, deadline: Deadline) -> Steps[Any]:
        raise NotImplementedError

    def __aiter__(self) -> Self:
        return self

    async def __aenter__(self) -> Self:
        await awaited(self._opened(Deadline(None)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
