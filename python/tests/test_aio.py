"""The asyncio side: awaiting, cancelling, several loops, loops that go away."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import aio
from millpond._asking import Ask
from support import WAIT, payloads

ALL = "FROM allEvents"


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), WAIT), debug=True)

    return run


@pytest.fixture
def opening(tmp_path: Path, secret: str) -> Callable[[], aio.Opening]:
    """Opens the one node of a test."""
    return lambda: aio.open(tmp_path / "log", app="test", swarm=secret, network=False)


Opens = Callable[[], aio.Opening]


@awaited
async def test_publish_query_and_subscribe_are_awaited(opening: Opens) -> None:
    async with opening() as node:
        published = await node.publish({"k": 1}, tags=["a"])
        await node.publish_all([(2, ["b"]), millpond.Draft(3, ["a"])])
        assert published.token.total == 1
        assert payloads(await node.query("FROM 'a'").to_list()) == [{"k": 1}, 3]
        assert [event.payload async for event in node.query("FROM 'b'")] == [2]
        seen = []
        async with node.subscribe(ALL) as events:
            async for event in events:
                seen.append(event.payload)
                if event.payload == 3:
                    await node.publish(4)
                if event.payload == 4:
                    break
        assert seen == [{"k": 1}, 2, 3, 4]
    assert node.closed


@awaited
async def test_a_node_can_be_awaited_and_closed_by_hand(opening: Opens) -> None:
    node = await opening()
    await node.close()
    await node.close(timeout=1)
    with pytest.raises(millpond.Closed):
        await node.publish(1)


@awaited
async def test_errors_are_raised_where_they_are_awaited(opening: Opens) -> None:
    async with opening() as node:
        for wrong in (node.query("nonsense").to_list(), node.subscribe("nonsense").next()):
            with pytest.raises(millpond.QueryInvalid):
                await wrong
        with pytest.raises(millpond.InvalidArgument):
            await node.publish(object())  # type: ignore[arg-type]
        with pytest.raises(millpond.Conflict):
            await node.publish(1, expected=7)
        with pytest.raises(millpond.InvalidArgument):
            _ = node.query(ALL).upper


@awaited
async def test_a_timeout_ends_a_wait_and_loses_nothing(opening: Opens) -> None:
    async with opening() as node, node.subscribe(ALL) as events:
        for number in range(5):
            with pytest.raises(millpond.Timeout):
                await events.next(timeout=0.01)
            await node.publish(number)
            event = await events.next(timeout=WAIT)
            assert event is not None and event.payload == number


@awaited
async def test_the_timeout_of_the_first_wait_bounds_the_beginning_too(opening: Opens) -> None:
    asked = []
    async with opening() as node:
        await node.publish(1)

        def begin(left: float | None) -> Any:
            asked.append(left)
            native = node._native
            return Ask(native.query, native.query_start, ALL, *[None] * 6, left)

        cursor = aio.Cursor(node, begin)
        with pytest.raises(millpond.InvalidArgument):
            await cursor.next(timeout=-1)
        assert [event.payload for event in await cursor.to_list(timeout=WAIT)] == [1]
        assert asked == [-1, WAIT]
        await cursor.close()


@awaited
async def test_a_cancelled_wait_is_called_off_and_loses_nothing(opening: Opens) -> None:
    async with opening() as node, node.subscribe(ALL) as events:
        seen = []
        for number in range(50):
            task = asyncio.ensure_future(events.next())
            for _ in range(number % 5):
                await asyncio.sleep(0)
            await node.publish(number)
            task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(done, millpond.Event):
                seen.append(done.payload)
        while len(seen) < 50:
            event = await events.next(timeout=WAIT)
            assert event is not None
            seen.append(event.payload)
        assert seen == list(range(50))


@awaited
async def test_a_cancelled_open_leaves_no_node_behind(opening: Opens) -> None:
    for turns in range(4):
        task = asyncio.ensure_future(opening().__aenter__())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        for node in await asyncio.gather(task, return_exceptions=True):
            if isinstance(node, aio.Node):
                await node.close()
        del task
        gc.collect()
    async with opening() as node:
        await node.publish(1)


@awaited
async def test_a_task_that_waits_sees_the_end_when_the_node_closes(opening: Opens) -> None:
    node = await opening()
    events = node.subscribe(ALL)
    await events.next_batch()

    async def follow() -> list[Any]:
        return [event.payload async for event in events]

    task = asyncio.ensure_future(follow())
    await node.publish(1)
    await asyncio.sleep(0)
    await node.close()
    assert await task in ([1], [])


@awaited
async def test_many_tasks_wait_at_once_without_a_thread_each(opening: Opens) -> None:
    async with opening() as node:
        before = threading.active_count()
        subscriptions = [node.subscribe(ALL) for _ in range(200)]
        first = [asyncio.ensure_future(events.next()) for events in subscriptions]
        await asyncio.sleep(0)
        assert threading.active_count() == before
        await node.publish("go")
        events = await asyncio.gather(*first)
        assert {event.payload for event in events if event} == {"go"}
        await asyncio.gather(*(events.close() for events in subscriptions))


@awaited
async def test_batches_are_awaited_too(opening: Opens) -> None:
    async with opening() as node:
        await node.publish_all([(number, ()) for number in range(10)])
        cursor = node.query(ALL)
        assert payloads(await cursor.next_batch(count_max=3)) == [0, 1, 2]
        event = await cursor.next()
        assert event is not None and event.payload == 3
        assert payloads(await cursor.to_list(timeout=WAIT)) == list(range(4, 10))
        assert cursor.upper == node.offsets()
        await cursor.close()


def test_several_loops_in_several_threads_share_a_node(opening: Opens) -> None:
    results: list[int] = []

    async def work(number: int) -> None:
        async with opening() as node:
            for _ in range(20):
                await node.publish(number, tags=[f"loop:{number}"])
            results.append(len(await node.query(f"FROM 'loop:{number}'").to_list()))

    threads = [threading.Thread(target=asyncio.run, args=[work(n)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert results == [20] * 4


def test_a_loop_may_end_while_operations_are_under_way(opening: Opens) -> None:
    kept: list[aio.Subscription] = []

    async def leave() -> None:
        node = await opening()
        for _ in range(3):
            kept.append(node.subscribe(ALL))
            asyncio.ensure_future(kept[-1].next())
        await asyncio.sleep(0)

    for _ in range(3):
        asyncio.run(leave())
        kept[0]._node._native.close(None)
        kept.clear()
        gc.collect()


def test_a_loop_closed_without_cancelling_is_harmless(opening: Opens) -> None:
    loop = asyncio.new_event_loop()
    node = loop.run_until_complete(opening()._open())
    events = node.subscribe(ALL)
    task = loop.create_task(events.next())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    node._native.publish([("late", ())], *[None] * 5)
    node._native.close(None)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    del task, events, node
    gc.collect()


def test_a_status_subscription_is_awaited_and_ends_with_its_node(opening: Opens) -> None:
    async def main() -> None:
        async with opening() as node:
            statuses = node.subscribe_status()
            assert (await statuses.next())["node_id"] == node.id
            waiting = asyncio.create_task(statuses.next())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            cursor = node.query(ALL)
            await cursor.to_list()
            assert cursor.completeness["behind"] == []
        assert [status async for status in statuses] == []

    asyncio.run(asyncio.wait_for(main(), WAIT))
