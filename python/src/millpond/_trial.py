"""Runs of a scenario: what their labs leave out, and the smaller failure of one that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from . import _native

SHRINK_SECONDS_MAX = 30.0
"""No further run begins after this, in real time."""

LABS_MAX = 64
"""So many labs of a run are asked what befell them, the first ones."""

_CURRENT: ContextVar[Trial | None] = ContextVar("millpond_trial", default=None)


class Trial:
    """A run of a scenario or test: the labs that are made in it leave this out, too."""

    def __init__(self, without: Iterable[int] = ()) -> None:
        """Numbers of what does not befall."""
        self.without = list(without)
        self._labs: list[_native.Lab] = []
        self._before: list[Token[Trial | None]] = []

    def __enter__(self) -> Self:
        self._before.append(_CURRENT.set(self))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _CURRENT.reset(self._before.pop())

    def take(self, lab: _native.Lab) -> None:
        """Remembers a lab of this run."""
        if len(self._labs) < LABS_MAX:
            self._labs.append(lab)

    def befell(self) -> list[tuple[int, str]]:
        """What befell its labs."""
        return [befall for lab in self._labs for befall in lab.befell]


def current() -> Trial | None:
    """The run that is under way, if there is one."""
    return _CURRENT.get()


def wanted() -> list[int] | None:
    """What `MILLPOND_WITHOUT` says; then no smaller failure is looked for."""
    return _native.lab_without()


Kind = tuple[type[BaseException], object]
"""What two failures have in common that are taken for the same."""


def kind_of(error: BaseException) -> Kind:
    """The type of an error, and its reason where it has one."""
    return type(error), getattr(error, "reason", None)


def smaller(
    seed: int, kind: Kind, befell: list[tuple[int, str]], run: Callable[[Trial], Kind | None]
) -> str | None:
    """What it takes of all that befell to fail in the same way, for people.

    run: does it once more, and gives the kind of its failure, or None.
    """
    until = time.monotonic() + SHRINK_SECONDS_MAX
    shrink = _native.LabShrink(befell)
    while time.monotonic() < until and (without := shrink.next_run()) is not None:
        with Trial(without) as trial:
            ended = run(trial)
        shrink.ended(trial.befell() if ended == kind else None)
    return shrink.summary(seed)
