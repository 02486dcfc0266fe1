"""Runs of a scenario: what their labs leave out, and the smaller failure of one that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

from . import _native
from ._failure import Kind

SHRINK_SECONDS_MAX = 30.0
"""No further run begins after this, in real time."""

LABS_MAX = 64
"""So many labs of a run are asked what befell them; with more nothing smaller is looked for."""

BEFALLS_MAX = 10_000
"""So many befalls of a lab are known; if there may be more nothing smaller is looked for."""

_CURRENT: ContextVar[Trial | None] = ContextVar("millpond_trial", default=None)


class Trial:
    """A run of a scenario or test: the labs that are made in it leave this out, too."""

    def __init__(self, seed: int, without: Iterable[int] = ()) -> None:
        """seed: that of its labs which are given none. without: what does not befall."""
        self.seed = seed
        self.without = list(without)
        self.lab_count = 0
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
        self.lab_count += 1
        if len(self._labs) < LABS_MAX:
            self._labs.append(lab)

    def befell(self) -> list[tuple[int, str]] | None:
        """What befell its labs; None: not all of it is known."""
        each = [lab.befell for lab in self._labs]
        if self.lab_count > LABS_MAX or any(len(own) >= BEFALLS_MAX for own in each):
            return None
        return [befall for own in each for befall in own]


def current() -> Trial | None:
    """The run that is under way, if there is one."""
    return _CURRENT.get()


def wanted() -> list[int] | None:
    """What `MILLPOND_WITHOUT` says; then no smaller failure is looked for."""
    return _native.lab_without()


def smaller(first: Trial, kind: Kind, run: Callable[[], Kind | None]) -> str | None:
    """What it takes of all that befell to fail in the same way, for people.

    first: the run that failed. run: does it once more, and gives the kind of its failure, or None.
    A run counts only if it made as many labs as the first: a lab that is none of its own shows
    what befalls without leaving anything out, so the end of such a run proves nothing.
    """
    befell = first.befell()
    if befell is None:
        return None
    until = time.monotonic() + SHRINK_SECONDS_MAX
    shrink = _native.LabShrink(befell)
    while time.monotonic() < until and (without := shrink.next_run()) is not None:
        with Trial(first.seed, without) as trial:
            is_same = run() == kind
        if is_same and trial.lab_count == 0:
            return None
        is_same = is_same and trial.lab_count == first.lab_count
        shrink.ended(trial.befell() if is_same else None)
    return shrink.summary(first.seed)
