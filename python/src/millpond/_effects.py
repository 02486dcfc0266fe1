"""Effects: what `run` and `keep_running` have in common, for threads and for asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, TypeAlias, TypeVar

from . import _native
from ._draft import Drafts, pairs_of_all
from ._errors import Closed
from ._fish import AnyFish, State, blamed

S = TypeVar("S")

Effect: TypeAlias = Callable[[S], "Drafts | None"]
"""Is given a state, and gives the events to publish: none are an empty list, or None."""


class _Acting:
    """One effect that runs."""

    __slots__ = ("is_over",)

    def __init__(self) -> None:
        self.is_over = False


# What an effect starts inherits it; that it is over is seen there, too.
_acting: ContextVar[_Acting | None] = ContextVar("millpond_acting", default=None)


def refuse_nested() -> None:
    """Raises `InvalidArgument`, reason "nested_effect", inside of an effect."""
    acting = _acting.get()
    if acting is not None and not acting.is_over:
        raise _native.nested_effect_error()


@contextlib.contextmanager
def acting(fish: AnyFish[Any]) -> Iterator[None]:
    """Code of an effect: what it raises becomes `UserCode`, reason "effect"."""
    one = _Acting()
    before = _acting.set(one)
    try:
        yield
    except Exception as error:
        raise blamed("effect", fish.id, error) from error
    finally:
        one.is_over = True
        # What the collector closes is in another context, where nothing is to be reset.
        with contextlib.suppress(ValueError):
            _acting.reset(before)


def is_closed(session: _native.Session | None) -> bool:
    """Whether it was given and is closed."""
    if session is None:
        return False
    try:
        _ = session.token
    except Closed:
        return True
    return False


def value_of(turn: _native.Turn, fish: AnyFish[S]) -> S:
    """The state that a turn acts on."""
    return State(fish, turn.state()).value


def pairs_of_effect(drafts: Drafts | None) -> list[Any]:
    """The pairs that the native half publishes for an effect."""
    return [] if drafts is None else pairs_of_all(drafts)
