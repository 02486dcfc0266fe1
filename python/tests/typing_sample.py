"""What a user's type checker sees. Checked by mypy, never run."""

from typing import Any, assert_type

import millpond
from millpond import aio


def blocking() -> None:
    with millpond.open("/var/lib/press", app="press", swarm=millpond.new_swarm_secret()) as node:
        assert_type(node, millpond.Node)
        published = node.publish({"job": 42, "parts": [1, 2.5, None, b"x"]}, tags=["press:7"])
        assert_type(published, millpond.Published)
        assert_type(published[0], millpond.Receipt)
        assert_type(published.token, millpond.Offsets)
        node.publish_all([millpond.Draft(1, ["a"]), ({"k": (1, 2)}, {"b"})], durability="process")
        answer = node.query("FROM allEvents", order="descending")
        assert_type(answer.to_list(), list[millpond.Event])
        assert_type(answer.explain(), millpond.Explanation)
        assert_type(answer.explain().actual, millpond.Looks)
        node.query("FROM allEvents", columns=["tags"])
        for event in node.subscribe("FROM allEvents", start=published.token):
            assert_type(event, millpond.Event)
            assert_type(event.payload, Any)
            assert_type(event.tags, tuple[str, ...])
            assert_type(event.key < event.key, bool)
        node.query("FROM allEvents", order="up")  # type: ignore[arg-type]
        node.query("FROM allEvents", columns=["colour"])  # type: ignore[list-item]
        node.publish(object())  # type: ignore[arg-type]


async def awaiting() -> None:
    node = await aio.open("/var/lib/press", app="press")
    assert_type(node, aio.Node)
    async with aio.open("/var/lib/press", app="press") as other:
        assert_type(other, aio.Node)
    assert_type(await node.publish("text"), millpond.Published)
    assert_type(await node.query("FROM allEvents").to_list(), list[millpond.Event])
    async with node.subscribe("FROM allEvents") as events:
        assert_type(await events.next(timeout=1), millpond.Event | None)
        async for event in events:
            assert_type(event, millpond.Event)


def failing() -> None:
    try:
        blocking()
    except millpond.QueryInvalid as error:
        assert_type(error.position, int | None)
        assert_type(error.retryable, bool)
    except millpond.Error as error:
        assert_type(error.code, int)
