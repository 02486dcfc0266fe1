"""The thread on which the functions of a fish run.

A fold asks for jobs: load a state, apply a batch of events, save the state. They come through a
queue whose descriptor the thread watches, as the one of an event loop, so that it never waits
inside of native code and can work the fish of a whole group.
Rule: the functions run in the thread's own Python frames; no native code is below them.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterable
from operator import length_hint
from typing import Any
from weakref import WeakValueDictionary

from . import _native
from ._errors import Error
from ._fish import Fish, described

SHOWN = 1_000
"""Characters of what an exception says by which it is known again."""

_works: WeakValueDictionary[tuple[str, str], Work] = WeakValueDictionary()
"""By node and fish id: who of this process worked the fold last."""


class FishCode:
    """The code of a fish and the one state that it works on: does jobs, of whomever they are."""

    __slots__ = ("_state", "failure", "fish", "said")

    def __init__(self, fish: Fish[Any]) -> None:
        self.fish = fish
        self.failure: BaseException | None = None
        """What a function raised, once one has."""
        self.said = ""
        """The same as one line."""
        self._state: Any = None

    def do(self, kind: str, what: Any) -> tuple[Any, ...]:
        """Does a job. Gives what the native half calls the answer, and what belongs to it."""
        fish = self.fish
        if kind == "apply":
            return self._apply(what)
        if kind == "load":
            function = "initial" if what is None else "decode"
            try:
                self._state = fish.initial if what is None else fish._revived(what)
            except BaseException as error:
                return self._failed(function, None, error)
            return ("loaded",)
        try:
            return "saved", fish._encoded(self._state)
        except BaseException as error:
            return self._failed("encode", None, error)

    def forget(self) -> None:
        """Lets go of the state."""
        self._state = None

    def _apply(self, events: _native.Batch) -> tuple[Any, ...]:
        state, step, is_reset = self._state, self.fish.step, self.fish.is_reset
        function, last_reset = "step", None
        each = iter(events)
        try:
            if is_reset is None:
                for event in each:
                    state = step(state, event)
            else:
                for index, event in enumerate(each):
                    function = "is_reset"
                    if is_reset(event):
                        function, last_reset = "initial", index
                        state = self.fish.initial
                    function = "step"
                    state = step(state, event)
        except BaseException as error:
            index = len(events) - length_hint(each) - 1
            return self._failed(function, index, error)
        self._state = state
        return "applied", last_reset

    def _failed(
        self, function: str, index: int | None, error: BaseException
    ) -> tuple[Any, ...]:
        # Without our own frame: through it the exception would hold this object, and the fold.
        traceback = error.__traceback__
        error.__traceback__ = None if traceback is None else traceback.tb_next
        # First kept, then told: who hears of it finds it.
        self.said, self.failure = described(error), error
        return "failed", function, index, self.said


class Work:
    """One fold, and the state between two jobs. Only its thread calls `do`."""

    __slots__ = ("__weakref__", "_code", "fish", "fold")

    def __init__(self, fold: _native.Fold, fish: Fish[Any]) -> None:
        self.fold, self.fish, self._code = fold, fish, FishCode(fish)

    @property
    def failure(self) -> BaseException | None:
        """What a function raised, once one has."""
        return self._code.failure

    @property
    def said(self) -> str:
        """The same as one line."""
        return self._code.said

    def do(self, queue: _native.Queue, number: int, kind: str, what: Any) -> None:
        """Does a job and asks for the next one."""
        answer, *rest = self._code.do(kind, what)
        getattr(self.fold, answer)(queue, number, *rest)

    def end(self) -> None:
        """Lets go of the fold and of the state."""
        self._code.forget()
        self.fold.close()


class Worker:
    """A thread that works folds; it ends with the last of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue = _native.Queue()
        self._works: dict[int, Work] = {}
        self._number = 0
        self._is_running = False
        self._lock = threading.Lock()

    def add(self, node_id: str, fold: _native.Fold, fish: Fish[Any]) -> Work:
        """Works `fold` from now on."""
        work = _works[(node_id, fish.id)] = Work(fold, fish)
        with self._lock:
            if not self._is_running:
                self._begin(fold)
            self._number += 1
            self._works[self._number] = work
            fold.begin(self._queue, self._number)
        return work

    def _begin(self, fold: _native.Fold) -> None:
        try:
            # Of a daemon, because an interpreter joins all others before it closes the nodes. It
            # waits for the lock, and so for its first work.
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        except BaseException:
            # Nobody works it, and others may observe its fish already: they hear of it.
            fold.close()
            raise
        self._is_running = True

    def _run(self) -> None:
        ready = select.poll()
        ready.register(self._queue.fileno(), select.POLLIN)
        while True:
            with self._lock:
                if not self._works:
                    self._is_running = False
                    return
            ready.poll()
            for number, job, error in self._queue.drain():
                try:
                    self._do(number, job, error)
                except BaseException as failure:
                    said = (type(failure), failure, failure.__traceback__)
                    told = threading.ExceptHookArgs((*said, threading.current_thread()))
                    threading.excepthook(told)

    def _do(self, number: int, job: Any, error: BaseException | None) -> None:
        with self._lock:
            work = self._works[number]
            if error is not None or job[0] == "ended":
                del self._works[number]
        if error is None and job[0] != "ended":
            try:
                work.do(self._queue, number, *job)
            except BaseException:
                # Its observers hear that it ended, and the others are worked on.
                with self._lock:
                    self._works.pop(number, None)
                work.end()
                raise
        else:
            # Told to end, or the node is gone.
            work.end()


def working(node_id: str, fold: _native.Fold | None, fish: Any) -> Work | None:
    """Works the fold that came with an observer; or else who in this process does."""
    if fold is None:
        return _works.get((node_id, fish.id))
    try:
        worker = Worker(f"millpond-fish-{fish.id}")
    except BaseException:
        # No descriptor is left. Others may observe the fish already: they hear of it.
        fold.close()
        raise
    return worker.add(node_id, fold, fish)


def known_work(node_id: str, fish_id: str) -> Work | None:
    """Who of this process worked the fold last, if anybody still knows."""
    return _works.get((node_id, fish_id))


def blame(error: Error, works: Iterable[Work | None]) -> None:
    """Names the exception of the application that `error` tells of as its cause."""
    for work in works:
        # The message begins with the fish, and shows the beginning of a long text.
        if work is None or work.failure is None:
            continue
        if work.said[:SHOWN] in str(error) and work.fish.id in str(error):
            error.__cause__ = work.failure
            return


def _after_fork_in_child() -> None:
    _works.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
