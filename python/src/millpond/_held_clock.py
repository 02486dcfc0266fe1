"""Clocks and chance, held while code of a fish runs in a lab.

A step that asks for the day gives another state when it is asked again: so a test that runs within
one second finds it. Not held: what is outside of the modules `time`, `datetime` and `random` and of
the globals of the fish's functions.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

from ._fish import Fish

STEP_DAYS = 37.37
"""From one moment to the next; no whole number, so the time of the day changes, too."""
MOMENTS = 11
"""As many on each side of a lab's time."""
CLOCKS = ("time", "monotonic", "perf_counter", "process_time", "thread_time")
"""Clocks of the module `time`, where the system has them; each has one in nanoseconds, too."""

_Date, _DateTime = datetime.date, datetime.datetime
_one_at_a_time = threading.RLock()
"""They are the whole process's: two labs on two threads take turns."""


class _Like(type):
    """Classes that make, and take for theirs, what another one makes."""

    original: type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.original)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.original)

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        return cls.original(*arguments, **named)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.original, name)


class HeldClock:
    """One moment, before or after the time of a lab, for the code of a fish."""

    __slots__ = ("_moment", "_now", "_places", "_thread")

    def __init__(self, fish: Fish[Any], moment: int) -> None:
        """moment: its number; those of two numbers are many days apart."""
        with _one_at_a_time:
            self._look(fish, moment)

    def _look(self, fish: Fish[Any], moment: int) -> None:
        self._moment, self._now, self._thread = moment, 0.0, 0
        codec = fish.codec
        functions: list[Any] = [fish.step, fish.is_reset]
        functions += [] if codec is None else [codec.encode, codec.decode]
        held = self._held()
        every: list[dict[str, Any]] = [vars(module) for module in (time, datetime, random)]
        every += [found for function in functions if (found := _globals(function)) is not None]
        # By identity: a value of the application may be neither hashable nor comparable.
        self._places = [
            (place, name, held[id(value)])
            for place in {id(place): place for place in every}.values()
            for name, value in list(place.items())
            if id(value) in held
        ]

    @contextlib.contextmanager
    def held(self, around: float) -> Iterator[None]:
        """Holds them at the moment, which is around this time, in seconds since 1970."""
        with _one_at_a_time:
            yield from self._hold(around)

    def _hold(self, around: float) -> Iterator[None]:
        side = 1 if self._moment % 2 == 0 else -1
        days = side * (1 + (self._moment // 2) % MOMENTS) * STEP_DAYS
        self._now = around + days * 86_400
        self._thread = threading.get_ident()
        chance = random.getstate()
        before = [(place, name, place[name]) for place, name, _ in self._places]
        try:
            random.seed(self._moment)
            for place, name, value in self._places:
                place[name] = value
            yield
        finally:
            for place, name, value in before:
                place[name] = value
            random.setstate(chance)

    def _held(self) -> dict[int, Any]:
        """What takes the place of a clock, by the identity of that."""

        def date_class() -> Any:
            class HeldDate(metaclass=_Like):
                original = _Date

                @staticmethod
                def today() -> Any:
                    return _Date.fromtimestamp(self._now)

            return HeldDate

        def datetime_class() -> Any:
            class HeldDateTime(metaclass=_Like):
                original = _DateTime

                @staticmethod
                def now(tz: Any = None) -> Any:
                    return _DateTime.fromtimestamp(self._now, tz)

                @staticmethod
                def today() -> Any:
                    return _DateTime.fromtimestamp(self._now)

                @staticmethod
                def utcnow() -> Any:
                    utc = _DateTime.fromtimestamp(self._now, datetime.UTC)
                    return utc.replace(tzinfo=None)

            return HeldDateTime

        held: dict[int, Any] = {id(_Date): date_class(), id(_DateTime): datetime_class()}
        for name in CLOCKS:
            for suffix, unit in (("", None), ("_ns", 1_000_000_000)):
                if clock := getattr(time, name + suffix, None):
                    held[id(clock)] = self._clock(clock, unit)
        return held

    def _clock(self, clock: Any, unit: int | None) -> Any:
        """What takes the place of a clock on the thread that runs code of a fish."""

        def held() -> Any:
            if threading.get_ident() != self._thread:
                # A loop of asyncio beside it would sleep for days.
                return clock()
            return self._now if unit is None else int(self._now * unit)

        return held


def _globals(function: Any) -> dict[str, Any] | None:
    """The globals of a function, if it is one of Python."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    found = getattr(function, "__globals__", None)
    if found is None:
        found = getattr(getattr(type(function), "__call__", None), "__globals__", None)
    return found if isinstance(found, dict) else None
