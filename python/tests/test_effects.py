"""Effects: events that follow from a state."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import millpond
from millpond import Node
from pond import ALL, WAIT, counting


def test_effects_on_one_fish_see_what_those_before_them_published(node: Node) -> None:
    fish = counting()

    def number(_: int) -> None:
        node.run(fish, lambda count: [(count, ())], timeout=WAIT)

    with node.observe(fish), ThreadPoolExecutor(4) as pool:
        list(pool.map(number, range(20)))
    assert [event.payload for event in node.query(ALL)] == list(range(20))


def test_an_effect_that_gives_nothing_publishes_nothing(node: Node) -> None:
    assert node.run(counting(), lambda _count: [], timeout=WAIT) is None
    assert node.run(counting(), lambda _count: None, timeout=WAIT) is None
    assert node.query(ALL).to_list() == []


def test_what_an_effect_raises_reaches_its_caller_and_publishes_nothing(node: Node) -> None:
    def effect(_count: int) -> list[tuple[int, list[str]]]:
        raise OSError("no spindle")

    with pytest.raises(millpond.UserCode, match="no spindle") as caught:
        node.run(counting(), effect, timeout=WAIT)
    assert caught.value.reason == "effect"
    assert isinstance(caught.value.__cause__, OSError)
    # The turn is over: the next one has it.
    done = node.run(counting(), lambda count: [(count, ())], timeout=WAIT)
    assert done is not None
    assert len(node.query(ALL).to_list()) == 1


def test_an_effect_inside_of_an_effect_is_refused(node: Node) -> None:
    def effect(_count: int) -> None:
        node.run(counting("other"), lambda _: None)

    with pytest.raises(millpond.UserCode) as caught:
        node.run(counting(), effect, timeout=WAIT)
    assert isinstance(caught.value.__cause__, millpond.InvalidArgument)
    assert caught.value.__cause__.reason == "nested_effect"


def test_an_effect_on_a_fish_that_fails_hears_of_it(node: Node) -> None:
    fish = millpond.Fish("bad", 1, ALL, 0, lambda state, event: state + event.payload)
    node.publish("no number")
    with pytest.raises(millpond.UserCode) as caught:
        node.run(fish, lambda _state: None, timeout=WAIT)
    assert caught.value.reason == "step"
    assert isinstance(caught.value.__cause__, TypeError)


def test_an_effect_is_kept_running_until_a_state_says_so(node: Node) -> None:
    fish = counting()
    seen: list[int] = []

    def effect(count: int) -> list[tuple[int, tuple[str, ...]]]:
        seen.append(count)
        return [(count, ())]

    node.keep_running(fish, effect, lambda count: count == 5, timeout=WAIT)
    assert seen == [0, 1, 2, 3, 4]
    assert len(node.query(ALL).to_list()) == 5


def test_an_effect_that_is_kept_running_ends_with_its_node(node: Node) -> None:
    started = threading.Event()

    def effect(_count: int) -> None:
        started.set()

    with ThreadPoolExecutor(1) as pool:
        kept = pool.submit(node.keep_running, counting(), effect)
        assert started.wait(WAIT)
        node.close()
        assert kept.result(WAIT) is None


def test_an_effect_that_is_kept_running_times_out(node: Node) -> None:
    with pytest.raises(millpond.Timeout):
        node.keep_running(counting(), lambda _count: None, timeout=0.2)


def test_an_effect_publishes_as_it_was_told_and_in_its_session(node: Node) -> None:
    with node.session() as session:
        before = node.publish(1, session=session)
        published = node.run(
            counting(),
            lambda count: [(count, ["effect"])],
            durability="process",
            session=session,
            timeout=WAIT,
        )
        assert published is not None
        assert session.token.covers(before.token | published.token)
        [event] = node.query("FROM 'effect'", session=session, timeout=WAIT).to_list()
        assert event.payload == 1
    with pytest.raises(millpond.InvalidArgument):
        node.run(counting(), lambda _: [(1, ())], durability="paper")  # type: ignore[arg-type]
    # The turn is over: the next one has it.
    assert node.run(counting(), lambda _: None, timeout=WAIT) is None
