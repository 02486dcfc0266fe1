"""Fish that several test files use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import millpond

S = TypeVar("S")
ALL = "FROM allEvents"
WAIT = 60.0
"""Seconds after which a wait hangs, also on a busy machine."""


def step_into_list(state: list[Any], event: millpond.Event) -> list[Any]:
    return [*state, event.payload]


def listing(fish_id: str = "list", query: str = ALL, **more: Any) -> millpond.Fish[list[Any]]:
    """The payloads in key order."""
    return millpond.Fish(fish_id, 1, query, [], step_into_list, **more)


def counting(fish_id: str = "count", query: str = ALL) -> millpond.Fish[int]:
    """How many events there are."""
    return millpond.Fish(fish_id, 1, query, 0, lambda count, _: count + 1)


def until(states: Any, holds: Callable[[Any], bool]) -> Any:
    """The first state of an observer whose value is so."""
    while True:
        state = states.next(timeout=WAIT)
        assert state is not None, "the observer ended"
        if holds(state.value):
            return state
