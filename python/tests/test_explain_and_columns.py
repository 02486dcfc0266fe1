"""What a query tells of itself, and what it leaves out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

import millpond
from millpond import Column, aio

GRAIN = "FROM 'grain'"


def fill(node: millpond.Node) -> None:
    node.publish_all([(n, ["grain", f"n:{n}"]) for n in range(3000)])


def test_a_cursor_is_explained_before_it_is_read_meanwhile_and_at_its_end(
    node: millpond.Node,
) -> None:
    fill(node)
    with node.query(GRAIN, order="descending") as cursor:
        fresh = cursor.explain()
        assert (fresh.query, fresh.order, fresh.is_exact) == (GRAIN, "descending", True)
        assert fresh.alternatives == (GRAIN,)
        assert fresh.expected.events == 3000
        assert fresh.actual.blocks == fresh.actual.events == 0
        assert str(fresh).startswith("FROM 'grain', Descending\n  look up FROM 'grain'\n")
        assert repr(fresh) == "<Explanation of \"FROM 'grain'\">"
        assert fresh == cursor.explain(timeout=60)
        cursor.next_batch(10)
        assert cursor.explain().actual.events == 10
        assert cursor.explain() != fresh
        assert len(cursor.to_list()) == 2990
        ended = cursor.explain()
        assert (ended.actual.events, ended.expected) == (3000, fresh.expected)
        assert hash(ended.expected) == hash(fresh.expected)
        assert "events=3000>" in repr(ended.actual)
    with pytest.raises(millpond.Closed):
        cursor.explain()


def test_an_awaited_cursor_is_explained_alike(tmp_path: Path, secret: str) -> None:
    async def main() -> None:
        async with aio.open(tmp_path / "log", app="test", swarm=secret, network=False) as node:
            await node.publish_all([(n, ["grain"]) for n in range(3)])
            cursor = node.query(GRAIN, columns=["payload"])
            assert (await cursor.explain()).actual.events == 0
            events = await cursor.to_list()
            assert [event.payload for event in events] == [0, 1, 2]
            with pytest.raises(millpond.InvalidArgument):
                _ = events[0].tags
            assert (await cursor.explain(timeout=60)).actual.events == 3
            with pytest.raises(millpond.QueryInvalid):
                await node.query("FROM").explain()

    asyncio.run(main())


@pytest.mark.parametrize("columns", [None, [], ["tags"], ["payload"], ("payload", "tags")])
def test_a_column_that_was_left_out_raises_when_it_is_read(
    node: millpond.Node, columns: Sequence[Column] | None
) -> None:
    node.publish({"n": 1}, ["grain"])
    node.publish(None)
    first, last = node.query("FROM allEvents", columns=columns)
    assert (first.offset, last.offset, first.app) == (0, 1, last.app)
    if columns is None or "tags" in columns:
        assert (first.tags, last.tags) == (("grain",), ())
        assert "grain" in repr(first)
    else:
        for event in (first, last):
            with pytest.raises(millpond.InvalidArgument, match="`columns` leaves tags out"):
                _ = event.tags
        assert repr(last) == f"<Event {last.key}>"
    if columns is None or "payload" in columns:
        assert (first.payload, last.payload, last.payload_bytes) == ({"n": 1}, None, b"\xf6")
    else:
        with pytest.raises(millpond.InvalidArgument, match="`columns` leaves payload out"):
            _ = first.payload
        with pytest.raises(millpond.InvalidArgument, match="`columns` leaves payload out"):
            _ = last.payload_bytes
        batch = node.query("FROM allEvents", columns=columns).next_batch()
        with pytest.raises(millpond.InvalidArgument, match="`columns` leaves payload out"):
            _ = batch.payload_bytes


def test_there_are_two_columns(node: millpond.Node) -> None:
    with pytest.raises(millpond.InvalidArgument, match='"colour"; there are tags, payload'):
        node.query("FROM allEvents", columns=["colour"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        node.query("FROM allEvents", columns="tags")  # type: ignore[arg-type]
