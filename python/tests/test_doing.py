"""Optimistic claims: all may say that they do something, and who came later undoes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import Node, Standing, aio
from pond import WAIT

Open = Callable[..., Node]


@pytest.fixture
def pair(open_node: Open, online: dict[str, Any]) -> tuple[Node, Node]:
    """Two nodes of one swarm that have not met; the first has the lesser event key."""
    one, other = open_node(**online), open_node(**online)
    other.publish_all([(number, ()) for number in range(5)])
    return one, other


def test_who_says_so_first_wins_and_the_other_learns_it(pair: tuple[Node, Node]) -> None:
    one, other = pair
    first = one.do_optimistically("weld the frame", {"who": "Ada"})
    second = other.do_optimistically("weld the frame")
    for doing in (first, second):
        standing = doing.next(timeout=WAIT)
        assert standing is not None
        assert standing.standing == "won"
    one.connect(other.ticket(), timeout=WAIT)
    lost = second.next(timeout=WAIT)
    assert lost is not None
    assert (lost.standing, lost.winner, lost.note) == ("lost", first.key, {"who": "Ada"})
    who = other.who_does("weld the frame")
    assert [doer["key"] for doer in who["doers"]] == [str(first.key), str(second.key)]
    assert who["winner"] == {"key": str(first.key), "node": one.id, "note": {"who": "Ada"}}
    second.release()
    released = second.next(timeout=WAIT)
    assert released is not None
    assert released.standing == "released"
    assert len(other.who_does("weld the frame")["doers"]) == 1


def test_a_hook_compensates_once_for_a_claim_that_lost(pair: tuple[Node, Node]) -> None:
    one, other = pair
    first = one.do_optimistically("paint")
    called: list[tuple[str, Standing]] = []
    is_called = threading.Event()

    def undo(standing: Standing) -> None:
        called.append((threading.current_thread().name, standing))
        is_called.set()

    other.do_optimistically("paint").on_loss(undo)
    one.connect(other.ticket(), timeout=WAIT)
    assert is_called.wait(WAIT)
    [(name, standing)] = called
    assert name == "millpond-doing-paint"
    assert standing.winner == first.key


def test_a_claim_that_stands_is_found_again(open_node: Open, tmp_path: Path) -> None:
    node = open_node(path=tmp_path / "log")
    assert node.own_doing("drill") is None
    said = node.do_optimistically("drill")
    node.close()
    node = open_node(path=tmp_path / "log")
    found = node.own_doing("drill")
    assert found is not None
    assert (found.key, found.what) == (said.key, "drill")


def test_closing_ends_the_iteration_and_releases_nothing(open_node: Open) -> None:
    node = open_node()
    doing = node.do_optimistically("drill")
    threading.Timer(0.05, doing.close).start()
    assert [standing.standing for standing in doing] == ["won"]
    doing.close()
    assert len(node.who_does("drill")["doers"]) == 1
    reports = node.subscribe_who_does("drill")
    assert len(next(reports)["doers"]) == 1
    again = node.own_doing("drill")
    assert again is not None
    with again:
        threading.Timer(0.05, node.close).start()
        assert [standing.standing for standing in again] == ["won"]


def test_waiting_for_a_change_times_out(node: Node) -> None:
    with node.do_optimistically("drill") as doing:
        assert doing.next(timeout=WAIT) is not None
        with pytest.raises(millpond.Timeout):
            doing.next(timeout=0.01)


def test_it_is_the_same_under_asyncio(tmp_path: Path, secret: str) -> None:
    async def main() -> None:
        async with aio.open(tmp_path, app="test", swarm=secret, network=False) as node:
            assert await node.own_doing("drill") is None
            doing = await node.do_optimistically("drill", "note")
            async for standing in doing:
                assert standing.standing == "won"
                break
            found = await node.own_doing("drill")
            assert found is not None
            assert found.key == doing.key
            found.on_loss(lambda _: None)
            await doing.release()
            released = await doing.next(timeout=WAIT)
            assert released is not None
            assert released.standing == "released"
            await doing.close()
            assert await doing.next() is None

    asyncio.run(main())
