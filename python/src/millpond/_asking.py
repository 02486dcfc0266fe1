"""What the native half is asked, on a thread that waits or in a task that awaits.

What waits in several steps is written once, as a generator: it yields each question and is sent
the answer. `waited` works it off on a thread, `awaited` in a task.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar

from ._loop import Keep, outcome
from ._native import Operation, Queue

P = ParamSpec("P")
T = TypeVar("T")


class Ask(Generic[T]):
    """One question in both its forms: one that blocks, and one that puts its answer in a queue."""

    __slots__ = ("_begin", "_call", "_keep", "_left", "_operation")

    def __init__(
        self,
        call: Callable[P, T],
        begin: Callable[Concatenate[Queue, int, P], Operation],
        *given: P.args,
        **named: P.kwargs,
    ) -> None:
        self._call = partial(call, *given, **named)

        def start(queue: Queue, number: int) -> Operation:
            return begin(queue, number, *given, **named)

        self._begin = start
        self._keep: Keep | None = None
        self._left: Callable[[], Any] | None = None
        self._operation: Operation | None = None

    def kept_by(self, keep: Keep) -> Ask[T]:
        """Has `keep` take the answer also when nobody waits for it any more (None: an error)."""
        self._keep = keep
        return self

    def interrupted(self, left: Callable[[], Any]) -> Ask[T]:
        """Has what an interrupted call leaves, which `left` gives, kept as its answer."""
        self._left = left
        return self

    def waited(self) -> T:
        """The answer, on this thread."""
        keep = self._keep
        if keep is None:
            return self._call()
        try:
            answer = self._call()
        except BaseException:
            if self._left is not None:
                keep(self._left())
            raise
        keep(answer)
        return answer

    async def awaited(self) -> T:
        """The answer, in this task."""
        answer: T = await outcome(self._start, self._keep)
        return answer

    def cancel(self) -> None:
        """Calls off what is awaited."""
        if self._operation is not None:
            self._operation.cancel()

    def _start(self, queue: Queue, number: int) -> Operation:
        self._operation = self._begin(queue, number)
        return self._operation


class Given:
    """What code of the application gave; a task awaits it, if it is to be awaited."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def waited(self) -> Any:
        """As it is."""
        return self._value

    async def awaited(self) -> Any:
        """What it comes to."""
        return await self._value if inspect.isawaitable(self._value) else self._value


Steps: TypeAlias = Generator["Ask[Any] | Given", Any, T]
"""What waits in several steps, and what it comes to."""


def waited(steps: Steps[T]) -> T:
    """Works `steps` off on this thread."""
    try:
        step = next(steps)
        while True:
            try:
                answer = step.waited()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        come: T = end.value
        return come
    finally:
        # An interrupt between two questions would leave them open, with all that they hold.
        steps.close()


async def awaited(steps: Steps[T]) -> T:
    """Works `steps` off in this task."""
    try:
        step = next(steps)
        while True:
            try:
                answer = await step.awaited()
            except BaseException as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        come: T = end.value
        return come
    finally:
        # An interrupt between two questions would leave them open, with all that they hold.
        steps.close()
