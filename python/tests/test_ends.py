"""What ends, and what is kept or let go of when it does."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import millpond
from millpond import Fish, Node, _asking, _fold, _loop, aio
from millpond._deadline import Deadline
from pond import ALL, WAIT, counting

Open = Callable[..., Node]
BEGINNINGS: dict[str, Callable[[aio.Node, Any], Any]] = {
    "observe": lambda node, token: node.observe(counting(), after=token),
    "observe_all": lambda node, token: node.observe_all(ALL, lambda _: None, after=token),
    "observe_one": lambda node, token: node.observe_one(ALL, lambda _: None, after=token),
    "query": lambda node, token: node.query(ALL, after=token),
    "subscribe": lambda node, token: node.subscribe(ALL, after=token),
}


@pytest.fixture
def options(tmp_path: Path, secret: str) -> dict[str, Any]:
    """How the nodes of a test are opened."""
    return {"path": tmp_path / "log", "app": "test", "swarm": secret, "network": False}


@pytest.fixture
def ahead(tmp_path: Path, secret: str) -> millpond.Offsets:
    """A token that no other node covers."""
    with millpond.open(tmp_path / "far", app="test", swarm=secret, network=False) as far:
        return far.publish(1).token


@pytest.mark.parametrize("name", BEGINNINGS)
def test_what_begins_while_its_node_is_closed_comes_to_its_end(
    options: dict[str, Any], ahead: millpond.Offsets, name: str
) -> None:
    async def main() -> None:
        node = await aio.open(**options)
        things = [BEGINNINGS[name](node, ahead) for _ in range(2)]
        waiting = asyncio.create_task(things[0].next())
        await asyncio.sleep(0)
        await node.close()
        async with asyncio.timeout(WAIT):
            assert await waiting is None
            # What began when the node was closed already is an error, as it is with threads.
            with pytest.raises(millpond.Closed):
                await things[1].next()

    asyncio.run(main())


def test_a_closed_session_is_no_end_of_what_begins_with_it(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            session = node.session()
            session.close()
            with pytest.raises(millpond.Closed):
                await node.observe(counting(), session=session).next()
            with pytest.raises(millpond.Closed):
                await node.subscribe(ALL, session=session).next()

    asyncio.run(main())


def cancel_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> list[asyncio.Task[Any]]:
    """Cancels the task that is put there in the tick in which its outcome of this number has come.

    To be called before there is a loop, which keeps what it calls.
    """
    collect, seen = _loop._Collector.collect, 0
    tasks: list[asyncio.Task[Any]] = []

    def collected(collector: Any) -> None:
        nonlocal seen
        before = len(collector._waiting)
        collect(collector)
        if tasks:
            seen += before - len(collector._waiting)
            if seen >= moment:
                tasks.pop().cancel()

    monkeypatch.setattr(_loop._Collector, "collect", collected)
    return tasks


@pytest.mark.parametrize("moment", [1, 2])
def test_a_turn_that_came_as_its_wait_was_called_off_is_for_the_next(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    tasks = cancel_at(monkeypatch, moment)

    async def main() -> None:
        async with aio.open(**options) as node, node.observe(counting()) as states:
            assert await states.next() is not None
            called: list[int] = []
            tasks.append(asyncio.create_task(node.run(counting(), called.append)))
            try:
                await tasks[0]
                raise AssertionError("it was not called off")
            except asyncio.CancelledError:
                # In this very block the exception, and all that its frames hold, is alive.
                assert called == []
                await node.run(counting(), called.append, timeout=WAIT)
            assert called == [0]

    asyncio.run(main())


@pytest.mark.parametrize("moment", range(1, 5))
def test_a_group_that_was_called_off_leaves_its_fish_to_others(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    tasks = cancel_at(monkeypatch, moment)

    async def main() -> None:
        async with aio.open(**options) as node:
            await node.publish(1, ["seed"])
            group = node.observe_all("FROM 'seed'", lambda _: counting())
            task = asyncio.create_task(group.next())
            tasks.append(task)
            await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()
            # The group is neither closed nor dropped, nor is it asked again.
            states = node.observe(counting())
            state = await states.next(timeout=WAIT)
            assert state is not None
            assert state.value == 1
            await group.close()
            assert await group.next() is None
            assert (await node.state(counting(), timeout=WAIT)).value == 1

    asyncio.run(main())


class Interrupted:
    """A group whose call ends with an interrupt although it has got its step."""

    def __init__(self, group: Any) -> None:
        self.group = group
        self.left: Any = None
        self.is_interrupted = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.group, name)

    def next_step(self, answer: Any, timeout: float | None) -> Any:
        step = self.group.next_step(answer, timeout)
        if step[0] == "folds" and not self.is_interrupted:
            self.left, self.is_interrupted = step, True
            raise KeyboardInterrupt
        return step

    def take_left(self) -> Any:
        left, self.left = self.left, None
        return left


def test_folds_that_an_interrupt_leaves_are_worked_at_once(node: Node) -> None:
    node.publish(1, ["seed"])
    group: Any = node.observe_all("FROM 'seed'", lambda _: counting())
    group._native = Interrupted(group._native)
    with pytest.raises(KeyboardInterrupt):
        group.next(timeout=WAIT)
    # Nobody asks the group again, and others can observe its fish.
    assert node.state(counting(), timeout=WAIT).value == 1
    states = group.next(timeout=WAIT)
    assert {name: state.value for name, state in states.items()} == {"count": 1}
    group.close()


def lack(*_given: Any) -> None:
    raise RuntimeError("there is none left")


@pytest.mark.parametrize("lacked", ["thread", "descriptor"])
def test_what_cannot_be_had_for_a_fold_is_told_to_who_waits(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, lacked: str
) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            states = node.observe(counting())
            with monkeypatch.context() as lacking:
                if lacked == "thread":
                    lacking.setattr(threading.Thread, "start", lack)
                else:
                    lacking.setattr(_fold.Worker, "__init__", lack)
                with pytest.raises(RuntimeError):
                    await states.next()
            # Another beginning has it.
            state = await states.next(timeout=WAIT)
            assert state is not None
            assert state.value == 0

    asyncio.run(main())


def test_effects_wait_for_no_more_than_their_session_had_seen_when_they_began(
    node: Node, options: dict[str, Any], ahead: millpond.Offsets
) -> None:
    session = node.session()

    def effect(_count: int) -> list[tuple[int, tuple[str, ...]]]:
        session.sees(ahead)
        return [(1, ())]

    with pytest.raises(millpond.NotYetVisible):
        node.run(counting(), effect, session=session, timeout=WAIT)
    assert node.query(ALL).to_list() == []

    async def main() -> None:
        nonlocal session
        async with aio.open(**options) as other:
            session = other.session()
            with pytest.raises(millpond.NotYetVisible):
                await other.run(counting(), effect, session=session, timeout=WAIT)
            assert await other.query(ALL).to_list() == []

    asyncio.run(main())


SERIES: dict[str, Callable[[Any], Any]] = {
    "status": lambda node: node.subscribe_status(),
    "account": lambda node: node.account("steel").subscribe(),
    "claim": lambda node: node.claim("crane").subscribe(),
    "who_does": lambda node: node.subscribe_who_does("crane"),
}


@pytest.mark.parametrize("name", SERIES)
def test_whoever_waits_for_a_report_hears_that_it_is_closed(node: Node, name: str) -> None:
    node.account("steel").create(1, floor=0)
    with SERIES[name](node) as reports:
        assert reports.next(timeout=WAIT) is not None
        ended: list[Any] = []
        waiting = threading.Thread(target=lambda: ended.append(list(reports)))
        waiting.start()
        # Before it waits or while it does: it ends all the same.
        reports.close()
        waiting.join(WAIT)
        assert ended == [[]]
    assert reports.next() is None
    reports.close()
    other = SERIES[name](node)
    assert other.next(timeout=WAIT) is not None
    threading.Timer(0.05, node.close).start()
    assert other.next(timeout=WAIT) is None
    # What begins on a closed node is told so, as observers are.
    with pytest.raises(millpond.Closed):
        SERIES[name](node).next()


@pytest.mark.parametrize("name", SERIES)
def test_whoever_awaits_a_report_hears_that_it_is_closed(
    options: dict[str, Any], name: str
) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            await node.account("steel").create(1, floor=0)
            async with SERIES[name](node) as reports:
                assert await reports.next(timeout=WAIT) is not None
                waiting = asyncio.create_task(reports.next())
                await asyncio.sleep(0)
                await reports.close()
                async with asyncio.timeout(WAIT):
                    assert await waiting is None
            assert await reports.next() is None

    asyncio.run(main())


def test_a_deadline_is_of_the_whole_call_and_its_first_wait_checks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    given = Deadline(-1)
    assert given.left() == -1
    none = Deadline(None)
    assert none.left() is none.left() is None
    long = Deadline(1_000)
    assert long.left() == 1_000
    clock[0] += 400.0
    assert long.left() == 600.0
    clock[0] += 700.0
    assert long.left() == 0.0


def test_closing_from_inside_of_a_step_and_of_an_effect(open_node: Open) -> None:
    node = open_node()
    opened: list[millpond.Observer[int]] = []

    def step(count: int, _event: millpond.Event) -> int:
        opened[0].close()
        return count + 1

    fish = Fish("closing", 1, ALL, 0, step)
    with node.observe(fish) as states:
        opened.append(states)
        assert states.next(timeout=WAIT) is not None
        node.publish(1)
        assert states.next(timeout=WAIT) is None

    def effect(_count: int) -> list[tuple[int, tuple[str, ...]]]:
        node.close()
        return [(1, ())]

    with pytest.raises(millpond.Closed):
        node.run(counting(), effect)


def test_a_group_that_is_closed_ends_for_the_thread_that_waits(node: Node) -> None:
    node.publish(1, ["seed"])
    with node.observe_all("FROM 'seed'", lambda _: counting()) as group:
        assert group.next(timeout=WAIT) is not None
        ended: list[Any] = []
        waiting = threading.Thread(target=lambda: ended.append(list(group)))
        waiting.start()
        group.close()
        waiting.join(WAIT)
        assert ended == [[]]


def test_two_threads_at_one_observer_are_one_too_many(node: Node) -> None:
    with node.observe(counting()) as states:
        assert states.next(timeout=WAIT) is not None
        got: list[Any] = []

        def wait() -> None:
            while not got:
                # Refused itself, if it comes while the other one is waiting.
                with contextlib.suppress(millpond.InvalidArgument):
                    got.append(states.next(timeout=WAIT))

        waiting = threading.Thread(target=wait)
        waiting.start()
        with pytest.raises(millpond.InvalidArgument):
            while True:
                with contextlib.suppress(millpond.Timeout):
                    states.next(timeout=0.01)
        node.publish(1)
        waiting.join(WAIT)
        assert got[0].value == 1


def interrupted_between(code: CodeType) -> Callable[[FrameType, str, object], Any]:
    """Raises KeyboardInterrupt where this code has an answer and has not handed it on yet."""

    def look(frame: FrameType, _event: str, _argument: object) -> Any:
        if "answer" in frame.f_locals:
            raise KeyboardInterrupt
        return look

    return lambda frame, _event, _argument: look if frame.f_code is code else None


@pytest.mark.parametrize("is_awaited", [False, True])
def test_steps_are_closed_where_an_interrupt_comes_between_two_questions(is_awaited: bool) -> None:
    closed: list[str] = []

    def steps() -> _asking.Steps[None]:
        try:
            yield _asking.Given(1)
            yield _asking.Given(2)
        finally:
            closed.append("closed")

    kept = steps()
    worked = _asking.awaited if is_awaited else _asking.waited
    before = sys.gettrace()
    with pytest.raises(KeyboardInterrupt):
        try:
            sys.settrace(interrupted_between(worked.__code__))
            if is_awaited:
                _asking.awaited(kept).send(None)
            else:
                _asking.waited(kept)
        finally:
            sys.settrace(before)
    assert closed == ["closed"]
