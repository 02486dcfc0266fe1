"""What an application's code does at the edge: texts, timeouts, and closing on the way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import millpond
from millpond import BuiltIn, Codec, Fish, Node, aio, folds
from pond import ALL, WAIT, counting



def fail(text: str) -> Callable[[Any, Any], Any]:
    def step(_state: Any, _event: Any) -> Any:
        raise ValueError(text)

    return step


@pytest.mark.parametrize("text", ["\udcff", "x" * 3_000])
def test_any_text_of_an_exception_reaches_observers_with_its_cause(node: Node, text: str) -> None:
    node.publish(1, ["seed"])
    fish: Fish[int] = Fish("texts", 1, ALL, 0, fail(text))
    for _ in range(2):
        with pytest.raises(millpond.UserCode) as caught:
            node.state(fish, timeout=WAIT)
        assert isinstance(caught.value.__cause__, ValueError)
    with (
        node.observe_all("FROM 'seed'", lambda _: fish) as group,
        pytest.raises(millpond.UserCode) as caught,
    ):
        group.next(timeout=WAIT)
    assert isinstance(caught.value.__cause__, ValueError)

    def make(_seed: Any) -> Any:
        raise ValueError(text)

    def effect(_state: int) -> None:
        raise ValueError(text)

    with (
        node.observe_all("FROM 'seed'", make) as group,
        pytest.raises(millpond.UserCode) as caught,
    ):
        group.next(timeout=WAIT)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(millpond.UserCode) as caught:
        node.run(counting(), effect, timeout=WAIT)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_fish_that_fails_leaves_the_others_of_its_group(node: Node) -> None:
    node.publish_all([("bad", ["seed"]), ("good", ["seed"])])
    bad: Fish[int] = Fish("bad", 1, ALL, 0, fail("\udcff"))
    good = counting("good")
    make = {"bad": bad, "good": good}
    with node.observe_all("FROM 'seed'", lambda seed: make[seed.payload]) as group:
        with pytest.raises(millpond.UserCode):
            group.next(timeout=WAIT)
        assert node.state(good, timeout=WAIT).value == 2


def test_an_effect_that_outlasts_the_timeout_is_published(node: Node) -> None:
    fish = counting()
    begun = threading.Event()

    def effect(state: int) -> list[tuple[int, tuple[str, ...]]]:
        begun.wait(1.5)
        return [(state, ())]

    published = node.run(fish, effect, timeout=1)
    assert published is not None
    assert len(node.query(ALL).to_list()) == 1


def test_a_turn_that_does_not_come_in_time_calls_no_effect(node: Node) -> None:
    fish = counting()
    entered, go_on = threading.Event(), threading.Event()

    def hold(_state: int) -> None:
        entered.set()
        go_on.wait(WAIT)

    holder = threading.Thread(target=node.run, args=(fish, hold))
    holder.start()
    assert entered.wait(WAIT)
    called: list[int] = []
    try:
        with pytest.raises(millpond.Timeout):
            node.run(fish, lambda state: called.append(state), timeout=0.1)
    finally:
        go_on.set()
        holder.join(WAIT)
    assert called == []


def test_a_closed_session_does_not_end_keep_running_in_silence(node: Node) -> None:
    session = node.session()

    def effect(_state: int) -> list[tuple[int, tuple[str, ...]]]:
        session.close()
        return [(1, ())]

    with pytest.raises(millpond.Closed):
        node.keep_running(counting(), effect, session=session, timeout=WAIT)
    assert node.query(ALL).to_list() == []


def test_a_fish_is_read_only_and_its_codec_gives_bytes() -> None:
    fish = counting()
    with pytest.raises(AttributeError):
        fish.version = 2  # type: ignore[misc]
    number: Any = Codec("number", lambda state: state, int)
    with pytest.raises(millpond.InvalidArgument, match="not bytes"):
        Fish("number", 1, ALL, 5, lambda state, _: state, codec=number)
    buffer = bytearray(b"a")
    held: Any = Codec("held", lambda _: buffer, lambda data: data.decode())
    kept = Fish("kept", 1, ALL, "a", lambda state, _: state, codec=held)
    buffer[0] = ord("b")
    assert kept.initial == "a"


def test_a_built_in_fold_is_copied_and_checked() -> None:
    fold = dict(folds.count())
    fish = BuiltIn(ALL, MappingProxyType(fold))
    fold.clear()
    assert fish.fold == folds.count()
    with pytest.raises(millpond.InvalidArgument):
        BuiltIn(ALL, {"fold": {1}})


MAKES: dict[str, Callable[[aio.Node, Any], Any]] = {
    "observe": lambda node, token: node.observe(counting(), after=token),
    "observe_all": lambda node, token: node.observe_all(ALL, lambda _: None, after=token),
    "observe_one": lambda node, token: node.observe_one(ALL, lambda _: None, after=token),
    "query": lambda node, token: node.query(ALL, after=token),
}


@pytest.mark.parametrize("name", MAKES)
def test_closing_is_heard_by_who_waits_for_the_beginning(
    tmp_path: Path, secret: str, name: str
) -> None:
    async def main() -> None:
        far = await aio.open(tmp_path / "far", app="test", swarm=secret, network=False)
        token = (await far.publish(1)).token
        await far.close()
        node = await aio.open(tmp_path / "near", app="test", swarm=secret, network=False)
        states = MAKES[name](node, token)
        waiting = asyncio.create_task(states.next())
        await asyncio.sleep(0)
        await states.close()
        async with asyncio.timeout(WAIT):
            assert await waiting is None
            assert await states.next() is None
        await node.close()

    asyncio.run(main())
