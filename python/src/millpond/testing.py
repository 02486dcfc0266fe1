"""The testing kit: a swarm in memory, with virtual time, to run your own fish and effects under.

Everything that happens by chance follows from a seed: partitions, crashes, the order in which
events arrive, in which pieces a fold takes them, and which of its states are remembered. Beside
each fold stands a judge, so that a fish which is no fold of its events is found and told why. A
seed that fails fails again: set `MILLPOND_SEED`.

Begin with `Lab`, or with `explore`; pytest has the fixtures `millpond_lab` and `millpond_seed`.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from . import _native
from ._errors import InvalidArgument
from ._failure import Kind, kind_of
from ._fish import AnyFish, Fish, Monotonicity, blamed
from ._lab import Lab
from ._lab_cursor import AioLabCursor, LabCursor
from ._lab_node import AioEffect, AioLabNode, LabNode
from ._lab_observer import AioLabObserver, LabObserver
from ._lab_scarce import AioLabAccount, AioLabClaim, AioLabDoing, LabAccount, LabClaim, LabDoing
from ._native import Event, LabBackup, replay_hint
from ._time_limit import Alarm, RunTooLong, seconds_max
from ._trial import Trial, smaller, wanted

__all__ = [
    "AioEffect",
    "AioLabAccount",
    "AioLabClaim",
    "AioLabCursor",
    "AioLabDoing",
    "AioLabNode",
    "AioLabObserver",
    "Lab",
    "LabAccount",
    "LabBackup",
    "LabClaim",
    "LabCursor",
    "LabDoing",
    "LabNode",
    "LabObserver",
    "check_grow_only",
    "explore",
    "lint",
    "replay_hint",
    "seeds",
]

S = TypeVar("S")


def lint(of: str | AnyFish[Any], events: Iterable[Event] | None = None) -> Monotonicity:
    """Whether the answer of a query (as text) or of a fish will never be taken back, and why.

    events: of a fish that has a `merge`, to check with `check_grow_only` that it only grows;
    without them its declaration is not believed. Raises `QueryInvalid`, and as `check_grow_only`.
    """
    if isinstance(of, str):
        return Monotonicity(*_native.lint_query(of))
    checked = None
    if isinstance(of, Fish) and of.merge is not None and events is not None:
        checked = _law_of(of, list(events))
    return Monotonicity(*of._spec.monotonicity(checked))


def check_grow_only(fish: Fish[S], events: Iterable[Event]) -> None:
    """Checks on up to 64 events that the states of a fish only grow.

    That its `merge` is a least upper bound, and `step` one of what an event alone makes: then the
    fold of any events in any order, some of them twice, is the merge of the folds of its parts.
    States are compared as their codec writes them. Examples prove nothing; they find what is wrong.

    Raises `InvalidArgument`, reason "grow_only": the fish has no `merge`, or the message names the
    law that is broken; reason "no_examples": there are no two events that make different states.
    `UserCode`: code of the fish failed.
    """
    if not isinstance(fish, Fish):
        raise InvalidArgument(f"{fish!r} is no Fish: whether it grows needs no check")
    _law_of(fish, list(events))


def _law_of(fish: Fish[S], events: Sequence[Event]) -> _native.LawCheck:
    """A check that has found nothing."""
    check = _native.LawCheck(fish._spec, len(events))
    merge: Any = fish.merge

    def own(function: str, code: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return code(*arguments)
        except Exception as error:
            raise blamed(function, fish.id, error) from error

    def answer(question: tuple[str, bytes | None, int | bytes | None]) -> bytes:
        match question:
            case ("step", bytes(state), int(index)):
                before = own("decode", fish._revived, state)
                made = own("step", fish.step, before, events[index])
            case ("merge", bytes(one), bytes(other)):
                both = [own("decode", fish._revived, state) for state in (one, other)]
                made = own("grow_only", merge, *both)
            case _:
                made = own("initial", lambda: fish.initial)
        data: bytes = own("encode", fish._encoded, made)
        return data

    questions = check.next_questions([])
    while questions:
        questions = check.next_questions([answer(question) for question in questions])
    return check


def seeds(count: int | None = None) -> list[int]:
    """The seeds to run a scenario with: 1 to `count` (default 100), or the one of `MILLPOND_SEED`.

    Raises `InvalidArgument`: the variable holds no seed.
    """
    return _native.lab_seeds(count)


def explore(
    scenario: Callable[[int], object], count: int | None = None, *, shrink: bool | None = None
) -> None:
    """Calls `scenario` with each of `seeds(count)`, and stops at the first one that raises.

    What it raises is raised here, with a note of how to replay it. If that is an `Exception`, the
    scenario is run again, up to 64 times and for half a minute, with part of what befell its labs
    left out, and a second note says what of it is enough to fail in the same way (of the same type,
    `reason` and line); not with `shrink=False`. A coroutine function is run by `asyncio.run`.

    Without what befell it may wait for what never comes, so a further run is ended after four times
    what the first one took, or a second if that is more: a coroutine where it awaits, all else on
    the main thread where nobody uses SIGALRM.

    Raises `InvalidArgument`: a coroutine function, and a loop runs here.
    """
    left_out = wanted()
    for seed in seeds(count):
        began = time.monotonic()
        with Trial(seed, left_out or ()) as trial:
            error = _raised(scenario, seed)
        if error is None:
            continue
        error.add_note(replay_hint(seed))
        if shrink is not False and left_out is None and isinstance(error, Exception):
            found = _smaller(scenario, trial, error, seconds_max(time.monotonic() - began))
            if found is not None:
                error.add_note(found)
        raise error


def _smaller(
    scenario: Callable[[int], object], first: Trial, error: Exception, seconds: float
) -> str | None:
    """What it takes of all that befell. What ends the search is raised from `error`."""
    own = getattr(getattr(scenario, "__code__", None), "co_filename", None)

    def run() -> Kind | None:
        again = _raised(scenario, first.seed, seconds)
        if isinstance(again, (KeyboardInterrupt, SystemExit)):
            raise again
        return None if again is None else kind_of(again, own)

    try:
        return smaller(first, kind_of(error, own), run)
    except BaseException as stopped:
        raise stopped from error


def _raised(
    scenario: Callable[[int], object], seed: int, seconds: float | None = None
) -> BaseException | None:
    """What a scenario raises; `RunTooLong` where it takes longer than that."""
    try:
        with Alarm(seconds):
            given = scenario(seed)
            if not inspect.iscoroutine(given):
                return None
            if not _is_in_loop():
                asyncio.run(_within(given, seconds))
                return None
    except BaseException as error:
        return error
    given.close()
    said = "a loop runs here, and explore runs a coroutine by one of its own"
    raise InvalidArgument(f"{said}: call it in another thread, as by asyncio.to_thread")


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _within(given: Coroutine[Any, Any, object], seconds: float | None) -> None:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await given
    finally:
        if limit.expired():
            raise RunTooLong
