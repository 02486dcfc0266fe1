"""Optimistic claims: all may say that they do something, and who came later undoes it."""

from __future__ import annotations

import asyncio
import queue
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import Node, Standing, aio
from pond import WAIT
from support import run

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


def lose(pair: tuple[Node, Node]) -> tuple[millpond.Doing, millpond.Doing]:
    """Both say that they weld; who said so second has heard it."""
    one, other = pair
    first, second = one.do_optimistically("weld"), other.do_optimistically("weld")
    one.connect(other.ticket(), timeout=WAIT)
    while (standing := second.next(timeout=WAIT)) is not None:
        if standing.standing == "lost":
            return first, second
    raise AssertionError("it ended")


def test_each_hook_is_called_also_after_a_loss_that_was_told(pair: tuple[Node, Node]) -> None:
    first, second = lose(pair)
    hooks: queue.Queue[tuple[str, Standing]] = queue.Queue()

    def hook(name: str) -> Callable[[Standing], None]:
        return lambda standing: hooks.put((name, standing))

    for name in ("one", "other"):
        second.on_loss(hook(name))
    # Neither disturbs who asks how it stands, nor does it disturb them.
    with pytest.raises(millpond.Timeout):
        second.next(timeout=0.01)
    called = {name: standing for name, standing in (hooks.get(timeout=WAIT) for _ in range(2))}
    assert {name: standing.winner for name, standing in called.items()} == {
        "one": first.key,
        "other": first.key,
    }


def test_what_a_hook_raises_goes_to_the_hook_of_threads(
    pair: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = lose(pair)
    told: queue.Queue[Any] = queue.Queue()
    monkeypatch.setattr(threading, "excepthook", told.put)

    def undo(_standing: Standing) -> None:
        raise OSError("cannot be undone")

    second.on_loss(undo)
    assert str(told.get(timeout=WAIT).exc_value) == "cannot be undone"


def test_listening_for_a_loss_keeps_nothing_open_and_ends_with_it(open_node: Open) -> None:
    node = open_node()
    node.do_optimistically("weld").on_loss(print)
    doing = node.do_optimistically("paint")
    doing.on_loss(print)
    listeners = {one for one in threading.enumerate() if one.name.startswith("millpond-doing-")}
    assert {one.name for one in listeners} == {"millpond-doing-weld", "millpond-doing-paint"}
    doing.close()
    with pytest.raises(millpond.Closed):
        doing.on_loss(print)
    [paint] = [one for one in listeners if one.name == "millpond-doing-paint"]
    paint.join(WAIT)
    assert not paint.is_alive()
    again = node.do_optimistically("drill")
    node.close()
    with pytest.raises(millpond.Closed):
        again.on_loss(print)
    for listener in listeners:
        listener.join(WAIT)
        assert not listener.is_alive()


def test_a_node_that_is_dropped_is_closed_though_a_loss_is_listened_for(
    tmp_path: Path, secret: str
) -> None:
    code = """
    import gc, warnings
    warnings.simplefilter("ignore")
    node = millpond.open(path, **options)
    node.do_optimistically("weld").on_loss(print)
    [listener] = [one for one in threading.enumerate() if one.name == "millpond-doing-weld"]
    del node
    gc.collect()
    listener.join()
    with millpond.open(path, **options) as again:
        assert again.own_doing("weld") is not None
    print("closed")
    """
    assert run(code, tmp_path / "log", secret) == (0, "closed\n", "")


def test_a_claim_can_be_watched_by_its_descriptor(node: Node) -> None:
    with node.do_optimistically("drill") as doing:
        assert doing.next(timeout=WAIT) is not None
        doing.release()
        assert select.select([doing.fileno()], [], [], WAIT)[0]
        released = doing.next(timeout=WAIT)
        assert released is not None
        assert released.standing == "released"


def test_a_note_may_be_encoded_already(node: Node) -> None:
    node.do_optimistically("drill", millpond.Cbor(millpond.encode({"who": "Ada"})))
    assert node.who_does("drill")["doers"][0]["note"] == {"who": "Ada"}
    with pytest.raises(millpond.InvalidArgument):
        node.do_optimistically("weld", millpond.Cbor(b"\xff"))
    steel = node.account("steel")
    steel.create(10, floor=0)
    steel.withdraw(1, note=millpond.Cbor(millpond.encode("half")))


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
            await doing.release()
            released = await doing.next(timeout=WAIT)
            assert released is not None
            assert released.standing == "released"
            await doing.close()
            assert await doing.next() is None

    asyncio.run(main())


def test_hooks_of_asyncio_are_called_and_what_they_raise_is_told(
    tmp_path: Path, secret: str
) -> None:
    async def main() -> None:
        online: dict[str, Any] = {"bind": ["127.0.0.1:0"], "discovery": False}
        said: dict[str, Any] = {"app": "test", "swarm": secret, **online}
        async with (
            aio.open(tmp_path / "one", **said) as one,
            aio.open(tmp_path / "other", **said) as other,
        ):
            await other.publish_all([(number, ()) for number in range(5)])
            first = await one.do_optimistically("weld")
            second = await other.do_optimistically("weld")
            told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _loop, context: told.put_nowait(context))
            called: asyncio.Queue[Standing] = asyncio.Queue()
            second.on_loss(called.put)
            await one.connect(await other.ticket(), timeout=WAIT)
            async with asyncio.timeout(WAIT):
                assert (await called.get()).winner == first.key
                # Of one that has lost it is called at once.
                second.on_loss(called.put_nowait)
                assert (await called.get()).winner == first.key

                async def undo(_standing: Standing) -> None:
                    raise OSError("cannot be undone")

                second.on_loss(undo)
                context = await told.get()
            assert isinstance(context["exception"], OSError)
            assert "weld" in context["message"]
            await second.close()
            with pytest.raises(millpond.Closed):
                second.on_loss(undo)

    asyncio.run(main())
