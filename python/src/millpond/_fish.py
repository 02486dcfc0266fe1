"""What a fish is: a fold of the events that a query selects, in key order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ._native import Event

State = TypeVar("State")


class Codec(Protocol[State]):
    """How the states of a fish become bytes and come back."""

    @property
    def name(self) -> str:
        """A part of the fish's definition: 1 to 64 bytes of UTF-8."""
        ...

    def encode(self, state: State, /) -> bytes:
        """The bytes of a state, at most 16 MiB."""
        ...

    def decode(self, data: bytes, /) -> State:
        """The state of these bytes, equal to the encoded one for every step that follows."""
        ...


@dataclass(frozen=True)
class Fish(Generic[State]):
    """A fold of the events that a query selects, in key order, into a state.

    The functions must be functions of their arguments: no clock, no chance, nothing from outside.
    They run again and again, on other nodes too, and from any state on that was saved.
    """

    id: str
    """Its name, 1 to 255 bytes of UTF-8."""
    version: int
    """Another one whenever the functions below or the form of the state change their meaning."""
    query: str
    """Which events it folds."""
    initial: Callable[[], State]
    """The state before the first event; a new one at each call, such as `dict` or `int`."""
    step: Callable[[State, Event], State]
    """What a state becomes by the next event. It may change the state that it is given, and returns
    the one that holds."""
    is_reset: Callable[[Event], bool] | None = None
    """An event for which this holds makes everything before it irrelevant: the state is the initial
    one before it is stepped over."""
    codec: Codec[State] | None = None
    """How a state becomes bytes. By default it is one value such as a payload may be."""
