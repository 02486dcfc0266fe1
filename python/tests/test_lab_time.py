"""The testing kit: what nodes of a lab do and see as time passes, in whatever order."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import millpond
from millpond import Draft, Event, Fish, Standing, aio, testing
from millpond.testing import AioLabNode, Lab, LabDoing, LabNode

COUNTED: Fish[int] = Fish("counted", 1, "FROM 'order'", 0, lambda state, event: state + 1)


async def turns() -> None:
    """Lets what can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


def three_doings(lab: Lab) -> list[LabDoing]:
    """Node 1 listens for a claim three times, and has lost it when it hears of node 0's."""
    lab.cut([0], [1])
    lab.node(0).do_optimistically("order 7")
    lab.node(1).publish(1)
    first = lab.node(1).do_optimistically("order 7")
    others = [lab.node(1).own_doing("order 7") for _ in range(2)]
    return [first, *(other for other in others if other is not None)]


@pytest.mark.parametrize("passes", [Lab.calm, Lab.settle, lambda lab: lab.advance(60)])
def test_a_hook_that_raises_keeps_neither_other_hooks_nor_effects_from_what_time_brings(
    passes: Callable[[Lab], None],
) -> None:
    lab = Lab(2)
    told: list[str] = []
    seen: list[int] = []

    def refuse(_: Standing) -> None:
        raise LookupError("nothing to undo")

    doings = three_doings(lab)
    for doing, hook in zip(doings, (refuse, refuse, lambda _: told.append("third")), strict=True):
        doing.on_loss(hook)
    lab.node(1).keep_running(COUNTED, seen.append)
    lab.node(1).publish(1, ["order"])
    lab.heal()
    for _ in range(2):
        with pytest.raises(LookupError):
            passes(lab)
    assert (seen, told) == ([0, 1], [])
    passes(lab)
    assert told == ["third"]


def test_a_hook_that_could_not_be_heard_is_not_kept() -> None:
    lab = Lab(2)
    *_, doing = three_doings(lab)
    told: list[Standing] = []

    def step(state: int, event: Event) -> int:
        with pytest.raises(millpond.InvalidArgument):
            doing.on_loss(told.append)
        return state + 1

    lab.node(0).publish(1, ["order"])
    lab.node(0).state(Fish("nested", 1, "FROM 'order'", 0, step))
    doing.on_loss(lambda _: None)
    lab.calm()
    assert told == []


def test_a_hook_of_a_loop_that_has_ended_is_not_called() -> None:
    lab = Lab(2)
    three_doings(lab)

    async def listen() -> None:
        doing = await lab.aio_node(1).own_doing("order 7")
        assert doing is not None
        doing.on_loss(called)

    async def called(_: Standing) -> None:
        raise AssertionError

    asyncio.run(listen())
    lab.calm()


def test_in_asyncio_time_that_passes_while_an_effect_runs_is_seen_after_it() -> None:
    lab = Lab(2)
    seen: list[int] = []

    async def scenario() -> None:
        goes_on = asyncio.Event()

        async def slow(count: int) -> None:
            seen.append(count)
            await goes_on.wait()

        node = lab.aio_node(0)
        kept = node.keep_running(COUNTED, slow, lambda count: count == 1)
        task = asyncio.create_task(kept)
        await turns()
        await lab.aio_node(1).publish(1, ["order"])
        lab.calm()
        goes_on.set()
        await asyncio.wait_for(task, 60)

    asyncio.run(scenario())
    assert seen == [0]


def test_in_asyncio_effects_on_one_fish_see_each_state_once() -> None:
    lab = Lab(1)
    seen: dict[str, list[int]] = {"slow": [], "quick": []}

    async def scenario() -> None:
        goes_on = asyncio.Event()

        async def slow(count: int) -> None:
            seen["slow"].append(count)
            await goes_on.wait()

        def quick(count: int) -> None:
            seen["quick"].append(count)

        node = lab.aio_node(0)
        last = dict.fromkeys(("slow", "quick"), lambda count: count == 2)
        kept = [
            asyncio.create_task(node.keep_running(COUNTED, effect, last[effect.__name__]))
            for effect in (slow, quick)
        ]
        await turns()
        for _ in range(2):
            await node.publish(1, ["order"])
            lab.settle()
            await turns()
        goes_on.set()
        await asyncio.wait_for(asyncio.gather(*kept), 60)

    asyncio.run(scenario())
    assert all(len(each) == len(set(each)) for each in seen.values()), seen


@pytest.mark.parametrize("deed", ["publish", "create", "do_optimistically"])
def test_in_asyncio_an_effect_ends_with_its_node_also_in_a_fault(deed: str) -> None:
    lab = Lab(1, faults=1)

    async def scenario() -> None:
        node = lab.aio_node(0)
        task = asyncio.create_task(node.keep_running(COUNTED, lambda count: None))
        await turns()
        calls: dict[str, Callable[[], Any]] = {
            "publish": lambda: node.publish(1),
            "create": lambda: node.account("steel").create(1, floor=0),
            "do_optimistically": lambda: node.do_optimistically("order 7"),
        }
        with pytest.raises(millpond.Closed):
            await calls[deed]()
        await asyncio.wait_for(task, 60)

    asyncio.run(scenario())


@pytest.mark.parametrize("is_aio", [False, True])
def test_an_effect_waits_for_what_its_session_has_seen(is_aio: bool) -> None:
    lab = Lab(2)
    seen: list[int] = []
    session = lab.node(0).session()

    async def scenario() -> None:
        if is_aio:
            kept = lab.aio_node(0).keep_running(COUNTED, seen.append, session=session)
            task = asyncio.create_task(kept)
        else:
            lab.node(0).keep_running(COUNTED, seen.append, session=session)
        await turns()
        lab.cut([0], [1])
        lab.node(1).publish(1, ["order"], session=session)
        lab.advance(1)
        await turns()
        assert seen == [0]
        lab.heal()
        lab.settle()
        await turns()
        assert seen == [0, 1]
        lab.crash(0)
        if is_aio:
            await asyncio.wait_for(task, 60)
        missing = lab.node(1).session()
        lab.start(0)
        lab.cut([0], [1])
        lab.node(1).publish(1, session=missing)
        with pytest.raises(millpond.NotYetVisible):
            lab.node(0).keep_running(COUNTED, seen.append, session=missing)

    asyncio.run(scenario())


def test_a_fish_is_observed_as_time_passes() -> None:
    lab = Lab(2)
    node = lab.node(0)
    session = node.session()
    node.publish(1, ["order"])
    with node.observe(COUNTED, session=session) as observer:
        node.publish(1, ["order"])
        lab.advance(1)
        state = observer.next()
        assert state is not None and state.value == 2, "the newest"
        for look in (lambda: observer.next(timeout=5), lambda: next(observer)):
            with pytest.raises(millpond.Timeout):
                look()
        lab.cut([0], [1])
        lab.node(1).publish(1, ["order"], session=session)
        lab.advance(1)
        with pytest.raises(millpond.Timeout):
            next(observer)
        lab.calm()
        assert next(observer).value == 3
        with pytest.raises(millpond.InvalidArgument):
            observer.fileno()
    assert list(observer) == []
    observer = node.observe(COUNTED)
    assert next(observer).value == 3
    lab.crash(0)
    assert observer.next() is None
    with pytest.raises(millpond.Closed):
        node.observe(COUNTED)
    lab.start(0)
    assert list(observer) == [], "it ended with the process"
    for state in node.observe(COUNTED):
        assert state.value == 3
        break


def test_in_asyncio_who_observes_a_fish_waits_for_time_to_pass() -> None:
    lab = Lab(2)
    seen: list[int] = []

    async def watch() -> None:
        async with lab.aio_node(0).observe(COUNTED) as states:
            async for state in states:
                seen.append(state.value)

    async def scenario() -> None:
        task = asyncio.create_task(watch())
        node = lab.aio_node(1)
        await turns()
        for _ in range(2):
            await node.publish(1, ["order"])
            lab.settle()
            await turns()
        other = lab.aio_node(0).observe(COUNTED)
        assert (await other.next(timeout=0)).value == 2  # type: ignore[union-attr]
        with pytest.raises(millpond.Timeout):
            await other.next(timeout=0)
        waits = asyncio.create_task(other.next(timeout=5))
        await turns()
        lab.advance(4)
        await turns()
        assert not waits.done()
        lab.advance(1)
        with pytest.raises(millpond.Timeout):
            await waits
        waits = asyncio.create_task(other.next())
        await turns()
        await other.close()
        assert await asyncio.wait_for(waits, 60) is None and await other.next() is None
        lab.crash(0)
        await asyncio.wait_for(task, 60)
        with pytest.raises(millpond.Closed):
            await lab.aio_node(0).observe(COUNTED).next()

    asyncio.run(scenario())
    assert seen == [0, 1, 2]


def surface(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("lab_node", "node"), [(LabNode, millpond.Node), (AioLabNode, aio.Node)]
)
def test_calls_of_a_node_of_a_lab_take_what_those_of_a_node_take(
    lab_node: type, node: type
) -> None:
    own, real = surface(lab_node), surface(node)
    assert set(own) - set(real) == {"index"}
    for name in set(own) & set(real):
        if callable(own[name]):
            taken, known = (inspect.signature(each[name]).parameters for each in (own, real))
            for each, parameter in taken.items():
                assert (parameter.kind, parameter.default) == (
                    known[each].kind,
                    known[each].default,
                ), (name, each)


@pytest.mark.parametrize("name", ["Cursor", "Observer", "Doing", "Account", "Claim"])
def test_what_a_node_of_a_lab_gives_has_calls_of_what_a_node_gives(name: str) -> None:
    blocking, awaited = (surface(getattr(testing, f"{kind}{name}")) for kind in ("Lab", "AioLab"))
    assert set(blocking) == set(awaited) <= set(surface(getattr(millpond, name)))
    for call in ("next", "close"):
        if call in blocking:
            assert inspect.iscoroutinefunction(awaited[call])


def test_a_draft_of_a_kept_effect_is_published_in_the_life_that_it_began_in() -> None:
    lab = Lab(1)

    async def scenario() -> None:
        goes_on = asyncio.Event()

        async def slow(count: int) -> list[Draft]:
            await goes_on.wait()
            return [Draft(count, ["confirmed"])]

        task = asyncio.create_task(lab.aio_node(0).keep_running(COUNTED, slow))
        await turns()
        lab.crash(0)
        lab.start(0)
        goes_on.set()
        await asyncio.wait_for(task, 60)

    asyncio.run(scenario())
    assert lab.node(0).query("FROM 'confirmed'").to_list() == []
