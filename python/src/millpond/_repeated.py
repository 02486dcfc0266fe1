"""What is asked again and again, each time for what has changed since."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from . import _native
from ._asking import Ask, Steps
from ._deadline import Deadline
from ._errors import Closed, Error
from ._facts import NodeFacts

R = TypeVar("R")


class Repeated(Generic[R]):
    """Who waits for the next answer. For millpond only."""

    __slots__ = ("__weakref__", "_asks", "_closed", "_has_begun", "_node", "_stop")

    def __init__(self, node: NodeFacts) -> None:
        """For millpond only."""
        self._node, self._closed, self._has_begun = node, False, False
        self._asks: set[Ask[str]] = set()
        # What threads wait for is called off with this, what tasks await one by one.
        self._stop = _native.Operation()

    def _ask(self, timeout: float | None) -> Ask[str]:
        raise NotImplementedError

    def _read(self, text: str) -> R:
        raise NotImplementedError

    def _opened(self, deadline: Deadline) -> Steps[Any]:
        """It begins with its first question."""
        yield from ()

    def _next(self, timeout: float | None) -> Steps[R | None]:
        if self._closed:
            return None
        # Who begins on a node that is closed already is told so.
        self._has_begun = self._has_begun or not self._node._native.is_closing()
        ask = self._ask(timeout)
        self._asks.add(ask)
        try:
            text = yield ask
        except Error as error:
            is_over = isinstance(error, Closed) and self._node._native.is_closing()
            if self._closed or (is_over and self._has_begun):
                return None
            raise
        finally:
            self._asks.discard(ask)
        return self._read(text)

    def _end(self) -> None:
        """Ends it: whoever waits sees the end."""
        self._closed = True
        self._stop.cancel()
        for ask in list(self._asks):
            ask.cancel()
