"""Effects of a lab that run again and again: once for each state that time has brought about."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._effects import is_closed
from ._errors import Closed
from ._fish import AnyFish
from ._native import Session
from ._observing import Token

if TYPE_CHECKING:
    from ._lab_node import _Place

S = TypeVar("S")


class Kept(Generic[S]):
    """An effect that is kept running, in the life of a node that it began in."""

    __slots__ = ("_cancel_when", "_effect", "_fish", "_last", "_life", "_place", "is_over")

    def __init__(
        self,
        place: _Place,
        fish: AnyFish[S],
        effect: Callable[[S], Any],
        cancel_when: Callable[[S], bool] | None,
    ) -> None:
        """For millpond only."""
        self._place, self._fish, self._effect = place, fish, effect
        self._cancel_when = cancel_when
        self._life, self._last = place._native.life(place.index), 0
        self.is_over = False

    def is_due(self, after: Token | None, session: Session | None) -> bool:
        """Whether there is a state that it has not seen."""
        place = self._place
        if place.closed or place._native.life(place.index) != self._life:
            self.is_over = True
        if self.is_over:
            return False
        number = place._state(self._fish, after, session).number
        is_new, self._last = number != self._last, number
        return is_new

    def judged(self, state: S) -> Any:
        """What the effect gives, unless this is the last state."""
        if self._cancel_when is not None and self._cancel_when(state):
            self.is_over = True
            return None
        return self._effect(state)

    async def awaited(self, state: S) -> Any:
        """As `judged`, of an effect that may be a coroutine function."""
        given = self.judged(state)
        return await given if inspect.isawaitable(given) else given

    def failed(self, error: BaseException, session: Session | None) -> bool:
        """It is over; whether `error` is for the caller, and not the end of its node."""
        self.is_over = True
        return not isinstance(error, Closed) or is_closed(session)
