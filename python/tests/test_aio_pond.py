"""The pond under asyncio: the same, and what waits is awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import BuiltIn, Fish, aio, folds
from pond import ALL, WAIT, counting, listing


@pytest.fixture
def options(tmp_path: Path, secret: str) -> dict[str, Any]:
    """How the nodes of a test are opened."""
    return {"path": tmp_path / "log", "app": "test", "swarm": secret, "network": False}


async def until(states: AsyncIterator[millpond.State[Any]], value: Any) -> millpond.State[Any]:
    """The first state that is `value`."""
    async with asyncio.timeout(WAIT):
        async for state in states:
            if state.value == value:
                return state
    raise AssertionError("the observer ended")


def test_states_are_iterated_and_the_functions_run_on_their_own_thread(
    options: dict[str, Any],
) -> None:
    threads = set()

    def step(count: int, _event: millpond.Event) -> int:
        threads.add(threading.current_thread().name)
        return count + 1

    async def main() -> None:
        fish = Fish("aio", 1, ALL, 0, step)
        async with aio.open(**options) as node, node.observe(fish) as states:
            await node.publish_all([(number, ()) for number in range(5)])
            state = await until(states, 5)
            assert (await node.state(fish, after=state.token, timeout=WAIT)).value == 5
            with pytest.raises(millpond.Timeout):
                await states.next(timeout=0.01)
        assert await states.next() is None
        assert threads == {"millpond-fish-aio"}

    asyncio.run(main())


def test_a_cancelled_wait_loses_no_state(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with aio.open(**options) as node, node.observe(counting()) as states:
            await until(states, 0)
            cancelled = 0
            for number in range(1, 20):
                waiting = asyncio.create_task(states.next())
                await asyncio.sleep(0)
                if number % 2:
                    await node.publish(number)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
                cancelled += waiting.cancelled()
                if number % 2 and waiting.cancelled():
                    await until(states, (number + 1) // 2)
            assert cancelled >= 9, "each wait for what does not come is called off"
            assert (await node.state(counting())).value == 10

    asyncio.run(main())


def test_an_observer_that_is_cancelled_while_it_begins_leaves_the_fish_to_others(
    options: dict[str, Any],
) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            await node.publish(1)
            for _ in range(20):
                tasks = [asyncio.create_task(node.state(counting())) for _ in range(3)]
                await asyncio.sleep(0)
                tasks[0].cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                # Nothing can have come in one turn of the loop, so it was called off.
                assert tasks[0].cancelled()
                assert [task.result().value for task in tasks[1:]] == [1, 1]

    asyncio.run(main())


def test_errors_of_functions_have_their_cause(options: dict[str, Any]) -> None:
    async def main() -> None:
        fish = Fish("bad", 1, ALL, 0, lambda count, event: count + event.payload)
        async with aio.open(**options) as node, node.observe(fish) as states:
            await node.publish("text")
            with pytest.raises(millpond.UserCode) as caught:
                await until(states, None)
            assert isinstance(caught.value.__cause__, TypeError)
            with pytest.raises(millpond.UserCode) as caught:
                await node.run(counting(), lambda _: [][0])
            assert isinstance(caught.value.__cause__, IndexError)

    asyncio.run(main())


def test_groups_of_fish_are_iterated(options: dict[str, Any]) -> None:
    def make_fish(seed: millpond.Event) -> Fish[int]:
        return counting(seed.payload, f"FROM '{seed.payload}'")

    async def main() -> None:
        async with aio.open(**options) as node:
            await node.publish_all([("a", ["seed"]), ("b", ["seed"]), (1, ["b"])])
            async with node.observe_all("FROM 'seed'", make_fish) as groups:
                async for states in groups:
                    if {name: state.value for name, state in states.items()} == {"a": 0, "b": 1}:
                        break
            async with node.observe_one("FROM 'seed'", make_fish) as states:
                await until(states, 0)

    asyncio.run(main())


def test_effects_may_be_awaited_and_run_one_at_a_time(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:

            async def effect(count: int) -> list[tuple[int, tuple[str, ...]]]:
                await asyncio.sleep(0)
                return [(count, ())]

            fish = counting()
            await asyncio.gather(*(node.run(fish, effect, timeout=WAIT) for _ in range(10)))
            found = await node.query(ALL).to_list()
            assert [event.payload for event in found] == list(range(10))
            await node.keep_running(fish, effect, lambda count: count == 13, timeout=WAIT)
            assert (await node.state(BuiltIn(ALL, folds.count()))).value["value"] == 13

    asyncio.run(main())


def test_an_effect_that_is_kept_running_goes_on_when_what_its_session_came_to_see_is_here(
    tmp_path: Path, secret: str, online: dict[str, Any]
) -> None:
    async def main() -> None:
        own = {"app": "test", "swarm": secret} | online
        opened = [aio.open(tmp_path / name, **own) for name in ("here", "there")]
        async with opened[0] as here, opened[1] as there:
            fish, started = counting(), asyncio.Event()
            seen: list[int] = []

            def effect(count: int) -> list[tuple[int, tuple[str, ...]]]:
                seen.append(count)
                started.set()
                return [(count, ())] if count else []

            with here.session() as session:
                keeping = here.keep_running(
                    fish, effect, lambda count: count == 3, session=session, timeout=WAIT
                )
                kept = asyncio.create_task(keeping)
                await started.wait()
                session.sees((await there.publish("elsewhere")).token)
                await here.publish("here")
                assert (await here.state(fish, timeout=WAIT)).value == 1
                await here.connect(await there.ticket(), timeout=WAIT)
                assert await kept is None
            assert seen == [0, 2], "on no state without what the session had seen"

    asyncio.run(main())


def test_an_effect_inside_of_an_effect_is_refused_and_one_that_it_started_later_is_not(
    options: dict[str, Any],
) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            later: list[asyncio.Task[Any]] = []
            is_over = asyncio.Event()

            async def after() -> millpond.Published | None:
                await is_over.wait()
                return await node.run(counting(), lambda count: [(count, ())])

            async def effect(_count: int) -> None:
                later.append(asyncio.create_task(after()))
                await node.run(counting("other"), lambda _: None)

            with pytest.raises(millpond.UserCode) as caught:
                await node.run(counting(), effect, timeout=WAIT)
            assert isinstance(caught.value.__cause__, millpond.InvalidArgument)
            is_over.set()
            assert await later[0] is not None

    asyncio.run(main())


def test_key_order_tokens_and_sessions_are_the_same(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            with node.session() as session:
                published = await node.publish_all([(1, ()), (2, ())], session=session)
                await node.wait_for(published.token, query=ALL, timeout=WAIT)
                assert session.token.covers(published.token)
                state = await node.state(listing(), session=session, timeout=WAIT)
                assert state.value == [1, 2]
            async with node.subscribe(ALL, order="key") as steps:
                first = await steps.next(timeout=WAIT)
                assert isinstance(first, millpond.Event)
                assert first.payload == 1
                position = steps.position
            async with node.subscribe(ALL, order="key", start=position) as steps:
                async for step in steps:
                    assert isinstance(step, millpond.Event)
                    assert step.payload == 2
                    break

    asyncio.run(main())


def test_accounts_and_claims_are_the_same(options: dict[str, Any]) -> None:
    async def main() -> None:
        async with aio.open(**options) as node:
            steel = node.account("steel")
            await steel.create(10, floor=0)
            await steel.withdraw(4)
            with pytest.raises(millpond.Overdraft) as caught:
                await steel.withdraw(7)
            assert caught.value.available == 6
            async for report in steel.subscribe():
                assert report["balance"] == 6
                break
            await node.claim("crane").create()
            who = await node.who_does("crane")
            assert who["holder"] is not None
            assert who["holder"]["node"] == node.id

    asyncio.run(main())


def test_closing_the_node_ends_what_waits(options: dict[str, Any]) -> None:
    async def main() -> None:
        node = await aio.open(**options)
        states = node.observe(counting())
        await until(states, 0)
        waiting = asyncio.create_task(states.next())
        started = asyncio.Event()
        kept = asyncio.create_task(node.keep_running(counting(), lambda _: started.set()))
        await started.wait()
        await node.close()
        assert await waiting is None
        assert await kept is None

    asyncio.run(main())
