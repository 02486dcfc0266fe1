"""What a node of a lab looks at again and again, and effects that are kept running on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._effects import is_closed
from ._errors import Closed, NotYetVisible
from ._facts import Durability
from ._fish import AnyFish, State
from ._native import Session
from ._observing import Token

if TYPE_CHECKING:
    from ._lab_node import _Place

S = TypeVar("S")


class Looks(Generic[S]):
    """The states of a fish, each once, in the life of a node that it began in."""

    __slots__ = ("_after", "_fish", "_last", "life", "place", "session")

    def __init__(
        self, place: _Place, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> None:
        """For millpond only."""
        self.place, self._fish, self._after, self.session = place, fish, after, session
        self.life = place._native.life(place.index)
        self._last: int | None = None

    def has_ended(self) -> bool:
        """Whether the process has ended that it looks at."""
        place = self.place
        return place.closed or place._native.life(place.index) != self.life

    def new(self) -> State[S] | None:
        """The state; None: it was given already, or something that it must cover is missing.

        The first time something missing is `NotYetVisible`: a lab does not wait.
        """
        try:
            state = self.place._state(self._fish, self._after, self.session)
        except NotYetVisible:
            if self._last is None:
                raise
            return None
        is_new, self._last = state.number != self._last, state.number
        return state if is_new else None


class Kept(Generic[S]):
    """An effect that is kept running."""

    __slots__ = ("_cancel_when", "_effect", "_looks", "is_over")

    def __init__(
        self,
        looks: Looks[S],
        effect: Callable[[S], Any],
        cancel_when: Callable[[S], bool] | None,
    ) -> None:
        """For millpond only."""
        self._looks, self._effect, self._cancel_when = looks, effect, cancel_when
        self.is_over = False

    def due(self) -> State[S] | None:
        """A state that it has not seen. Ask for it in its turn: then others have done theirs."""
        self.is_over = self.is_over or self._looks.has_ended()
        return None if self.is_over else self._looks.new()

    def judged(self, state: S) -> Any:
        """What the effect gives, unless this is the last state."""
        if self._cancel_when is not None and self._cancel_when(state):
            self.is_over = True
            return None
        return self._effect(state)

    def publish(self, pairs: list[Any], durability: Durability | None) -> None:
        """Publishes what it gave, if that is anything. Raises `Closed`: its process has ended."""
        looks = self._looks
        if pairs:
            looks.place._publish(pairs, durability, session=looks.session, life=looks.life)

    def failed(self, error: BaseException) -> bool:
        """It is over; whether `error` is for the caller, and not the end of its node."""
        self.is_over = True
        return not isinstance(error, Closed) or is_closed(self._looks.session)
