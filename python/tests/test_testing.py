"""The testing kit: what it makes of fish that are right, and of those that are not."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import json
import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import millpond
from millpond import BuiltIn, Codec, Event, Fish, folds
from millpond._held_clock import HeldClock
from millpond.testing import Lab, explore, seeds


def pushed(state: list[int], event: Event) -> list[int]:
    """The numbers in their order."""
    state.append(event.payload)
    return state


QUERY = "FROM 'number'"
NUMBERS: Fish[list[int]] = Fish("numbers", 1, QUERY, [], pushed)


def storm(lab: Lab, fish: Fish[Any]) -> None:
    """Everything goes wrong while nodes publish, and then all is well."""
    for _ in range(8):
        lab.chaos(2)
        for node in lab.nodes:
            if not lab.is_up(node):
                continue
            for _ in range(lab.below(3)):
                durability = "process" if lab.below(4) == 0 else "power"
                lab.node(node).publish(lab.below(100), ["number"], durability=durability)
            if lab.below(2):
                lab.node(node).state(fish)
    lab.calm()
    lab.check(fish)


def reasons(make: Any, count: int = 12) -> list[str | None]:
    """What is said of a fish, for each seed with which it is found wrong."""
    found = []
    for seed in range(1, count + 1):
        try:
            storm(Lab(seed=seed), make())
        except millpond.UserCode as error:
            assert f"seed {seed} " in str(error)
            found.append(error.reason)
    return found


@pytest.mark.millpond(nodes=4, seeds=8)
def test_a_fish_that_is_a_fold_is_right_with_every_seed(millpond_lab: Lab) -> None:
    storm(millpond_lab, NUMBERS)
    states = [millpond_lab.node(node).state(NUMBERS).value for node in millpond_lab.nodes]
    assert len(states) == 4 and all(state == states[0] for state in states)
    assert [event.payload for event in millpond_lab.node(0).query(QUERY)] == states[0]
    assert [event.payload for event in millpond_lab.events(NUMBERS)] == states[0]


def test_equal_seeds_give_equal_traces() -> None:
    def traced(seed: int) -> list[str]:
        lab = Lab(5, seed=seed)
        storm(lab, NUMBERS)
        return lab.trace

    assert traced(7) == traced(7) != traced(8)


def numbers(step: Any = pushed, **rest: Any) -> Fish[Any]:
    return Fish("own", 1, QUERY, [], step, **rest)


def test_a_step_that_depends_on_something_else_is_found() -> None:
    def make() -> Fish[Any]:
        asked = itertools.count()
        return numbers(lambda state, event: [*state, next(asked)])

    found = reasons(make)
    assert len(found) == 12 and found.count("step") >= 9


def day(state: list[Any], event: Event) -> list[Any]:
    """Counts with a clock in days."""
    return [*state, datetime.date.today().isoformat()]


def past(state: list[Any], event: Event) -> list[Any]:
    """Asks whether that is over."""
    return [*state, event.time_micros < time.time() * 1e6]


def drawn(state: list[Any], event: Event) -> list[Any]:
    """Draws lots."""
    return [*state, random.random()]


def ticked(state: list[Any], event: Event) -> list[Any]:
    """Counts minutes since the machine began."""
    return [*state, time.monotonic() // 60, time.perf_counter_ns() // 60_000_000_000]


@pytest.mark.parametrize("step", [day, past, drawn, ticked])
def test_a_step_that_asks_a_clock_is_found_though_the_test_takes_no_time(step: Any) -> None:
    before = time.time, datetime.date, datetime.datetime, random.getstate()
    found = reasons(lambda: numbers(step))
    assert len(found) == 12 and found.count("step") >= 9
    assert (time.time, datetime.date, datetime.datetime, random.getstate()) == before


def test_a_step_that_only_reads_times_of_events_is_right() -> None:
    def step(state: list[Any], event: Event) -> list[Any]:
        at = datetime.datetime.fromtimestamp(event.time_micros / 1e6, datetime.UTC)
        assert isinstance(at, datetime.datetime) and isinstance(at.date(), datetime.date)
        assert datetime.datetime(2026, 1, 1) < datetime.datetime.fromisoformat("2026-01-02")
        return [*state, at.isoformat()]

    assert reasons(lambda: numbers(step)) == []


def test_a_codec_that_loses_something_is_found() -> None:
    def make() -> Fish[Any]:
        # It forgets the last number.
        return numbers(codec=Codec("forgetful", lambda state: bytes(state[:-1]), list))

    assert reasons(make) == ["codec"] * 12


def test_a_codec_that_writes_a_set_in_any_order_is_found_as_that() -> None:
    def make() -> Fish[Any]:
        turn = itertools.count()

        def encode(state: set[int]) -> bytes:
            # As a set does whose members hash by chance.
            first = next(turn) % max(len(state), 1)
            members = sorted(state)
            return json.dumps(members[first:] + members[:first]).encode()

        def step(state: set[int], event: Event) -> set[int]:
            return {*state, event.key.lamport}

        codec: Codec[set[int]] = Codec("set", encode, lambda data: set(json.loads(data)))
        return Fish("set", 1, QUERY, set(), step, codec=codec)

    assert reasons(make) == ["encode"] * 12


def test_a_reset_that_is_one_only_sometimes_is_found() -> None:
    def make() -> Fish[Any]:
        asked = itertools.count()
        return numbers(is_reset=lambda event: next(asked).bit_count() % 3 == 1)

    found = reasons(make)
    assert len(found) == 12 and found.count("is_reset") >= 9


def test_resets_that_are_resets_are_right() -> None:
    assert reasons(lambda: numbers(is_reset=lambda event: event.payload > 80)) == []


class Unheard(BaseException):
    """What no `except Exception` hears of."""


@pytest.mark.parametrize("kind", [KeyError, Unheard, KeyboardInterrupt])
def test_code_that_raises_says_where_and_keeps_what_it_raised(kind: type[BaseException]) -> None:
    is_wrong = True

    def step(state: int, event: Event) -> int:
        if is_wrong and event.payload == 2:
            raise kind("steel")
        return state + 1

    lab = Lab(2, seed=3)
    lab.node(0).publish_all([(1, ["number"]), (2, ["number"])])
    fish = Fish("steel", 1, QUERY, 0, step)
    if kind is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            lab.node(0).state(fish)
    else:
        with pytest.raises(millpond.UserCode) as raised:
            lab.node(0).state(fish)
        assert raised.value.reason == "step"
        assert isinstance(raised.value.__cause__, kind)
        assert "seed 3 " in str(raised.value)
    is_wrong = False
    assert lab.node(0).state(fish).value == 2, "nothing is left of the state that failed"


def test_code_of_a_fish_cannot_use_the_lab_that_runs_it() -> None:
    lab = Lab(2)
    calls: list[Callable[[], object]] = [
        lambda: lab.node(1).state(NUMBERS),
        lambda: lab.node(0).publish(3, ["number"]),
        lambda: lab.node(0).query(QUERY),
        lambda: lab.advance(1),
        lambda: lab.crash(0),
        lambda: lab.heal(),
        lambda: lab.below(7),
    ]
    raised: list[BaseException] = []

    def step(state: int, event: Event) -> int:
        for call in calls:
            with pytest.raises(millpond.InvalidArgument) as refused:
                call()
            raised.append(refused.value)
        return state + 1

    lab.node(0).publish_all([(1, ["number"]), (2, ["number"])])
    assert lab.node(0).state(Fish("nested", 1, QUERY, 0, step)).value == 2
    assert len(raised) >= 2 * len(calls)
    assert {getattr(error, "reason", None) for error in raised} == {"nested_call"}


def test_partitions_crashes_and_power_cuts_do_as_they_are_told() -> None:
    lab = Lab(4, seed=1)
    lab.cut([0, 1], [2])
    for node in lab.nodes:
        lab.node(node).publish(node, ["number"])
    lab.settle()
    assert [lab.node(node).offsets().total for node in lab.nodes] == [2, 2, 1, 1]
    lab.heal()
    lab.settle()
    first = lab.node(0)
    assert sorted(lab.node(3).state(NUMBERS).value) == [0, 1, 2, 3]
    lab.cut_power(0)
    assert first.closed
    with pytest.raises(millpond.Closed):
        first.publish(10, ["number"])
    lab.start(0)
    before = lab.elapsed
    lab.advance(60)
    assert lab.elapsed == before + 60
    published = first.publish(11, ["number"])
    at = first.publish(12, ["number"]).time_micros
    assert at == lab.time_micros(0) == published.time_micros
    for seconds in (math.inf, 1e30, 1e19, 1e10):
        with pytest.raises((millpond.LimitExceeded, millpond.InvalidArgument)):
            lab.advance(seconds)
        with pytest.raises((millpond.LimitExceeded, millpond.InvalidArgument)):
            Lab(skew_max=seconds)
    assert first.state(NUMBERS).value[-1] == 12


def test_a_power_cut_takes_only_the_last_of_what_was_not_durable() -> None:
    kept = set()
    for seed in range(1, 21):
        lab = Lab(1, seed=seed)
        for number in range(3):
            lab.node(0).publish(number, ["number"], durability="process")
        lab.cut_power(0)
        lab.start(0)
        state = lab.node(0).state(NUMBERS).value
        assert state == list(range(len(state)))
        kept.add(len(state))
    assert kept == {0, 1, 2, 3}


def test_a_node_that_dies_in_a_publish_has_stored_it_or_not() -> None:
    stored = set()
    for seed in range(1, 31):
        lab = Lab(1, seed=seed, faults=2)
        try:
            lab.node(0).run(NUMBERS, lambda state: [(1, ["number"])])
        except millpond.Closed:
            assert not lab.is_up(0)
            stored.add(lab.node(0).offsets().total)
    assert stored == {0, 1}


def test_an_effect_sees_all_that_earlier_ones_of_its_node_have_published() -> None:
    lab = Lab(seed=5)
    own: list[list[int]] = [[], [], []]
    for turn in range(30):
        at = turn % 3
        lab.chaos(2)
        lab.start(at)

        def effect(state: list[int], at: int = at, turn: int = turn) -> Any:
            assert set(own[at]) <= set(state)
            return [(turn, ["number"])]

        assert lab.node(at).run(NUMBERS, effect) is not None
        own[at].append(turn)


def test_effects_are_run_as_those_of_a_node() -> None:
    node = Lab(1).node(0)
    assert node.run(NUMBERS, lambda state: []) is None
    assert node.run(NUMBERS, lambda state: None) is None
    published = node.run(NUMBERS, lambda state: [(len(state), ["number"])])
    assert published is not None and len(published) == 1
    total = BuiltIn(QUERY, folds.sum("/n"))
    assert node.run(total, lambda state: [({"n": 1}, [str(state["value"])])]) is not None
    for effect in (lambda state: 1 // 0, lambda state: node.run(NUMBERS, lambda state: [])):
        with pytest.raises(millpond.UserCode) as raised:
            node.run(NUMBERS, effect)
        assert raised.value.reason == "effect"
        assert raised.value.__cause__ is not None
    assert getattr(raised.value.__cause__, "reason", None) == "nested_effect"
    assert node.state(NUMBERS).value == [0]


def test_a_node_takes_the_options_of_a_publish_and_of_a_read() -> None:
    lab = Lab(2)
    one, other = lab.node(0), lab.node(1)
    first = one.publish(1, ["number"], idempotency_key="order 7")
    again = one.publish(1, ["number"], idempotency_key="order 7")
    assert again.replayed and again[0].offset == first[0].offset
    with pytest.raises(millpond.Conflict):
        one.publish(1, ["number"], expected=7)
    session = one.session()
    one.publish(2, ["number"], session=session)
    for read in (
        lambda: other.state(NUMBERS, session=session),
        lambda: other.query(QUERY, after=first.token),
        lambda: other.run(NUMBERS, lambda state: [], session=session),
        lambda: other.publish(3, session=session),
        lambda: other.wait_for(first.token),
    ):
        with pytest.raises(millpond.NotYetVisible) as raised:
            read()
        assert list(raised.value.missing) == [first.stream]
    lab.settle()
    state = other.state(NUMBERS, session=session, after=first.token)
    assert state.value == [1, 2] and state.token == other.offsets() == session.token
    with pytest.raises(millpond.InvalidArgument) as refused:
        one.publish(1, ["millpond:account"])
    assert refused.value.reason == "reserved_tag"


def test_asyncio_has_a_node_of_its_own() -> None:
    lab = Lab(2)
    node = lab.aio_node(0)
    turns: list[int] = []

    async def effect(state: list[int]) -> Any:
        turns.append(len(state))
        await asyncio.sleep(0)
        return [(len(state), ["number"])]

    async def dying(state: list[int]) -> Any:
        await asyncio.sleep(0)
        lab.crash(0)
        lab.start(0)
        return [(0, ["number"])]

    async def main() -> None:
        await asyncio.gather(*(node.run(NUMBERS, effect) for _ in range(5)))
        assert turns == [0, 1, 2, 3, 4]
        assert await node.run(NUMBERS, lambda state: None) is None
        await node.publish(5, ["number"])
        assert (await node.state(NUMBERS)).value == [0, 1, 2, 3, 4, 5]
        assert len(await node.query(QUERY).to_list()) == 6
        assert [event.payload async for event in node.query(QUERY)] == [0, 1, 2, 3, 4, 5]
        with pytest.raises(millpond.Closed):
            await node.run(NUMBERS, dying)
        assert len((await node.state(NUMBERS)).value) == 6
        with pytest.raises(millpond.UserCode) as raised:
            await node.run(NUMBERS, lambda state: node.run(NUMBERS, effect))
        assert getattr(raised.value.__cause__, "reason", None) == "nested_effect"

    asyncio.run(main())


def test_folds_without_code_are_judged_too() -> None:
    lab = Lab()
    for node in lab.nodes:
        lab.node(node).publish_all([({"n": number}, ["number"]) for number in range(4)])
    lab.calm()
    total = BuiltIn(QUERY, folds.sum("/n"))
    lab.check(total)
    assert lab.node(2).state(total).value == {"value": 18, "skipped": 0}
    for node in lab.nodes:
        lab.crash(node)
    assert len(lab.events(total)) == 12
    with pytest.raises(millpond.Closed):
        lab.check(total)


def test_a_seed_of_the_environment_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLPOND_SEED", raising=False)
    assert seeds(3) == [1, 2, 3] and len(seeds()) == 100
    with pytest.raises(millpond.InvalidArgument):
        seeds(0)
    monkeypatch.setenv("MILLPOND_SEED", "77")
    assert seeds(3) == [77] and Lab().seed == 77
    with pytest.raises(RuntimeError) as raised:
        explore(lambda seed: (_ for _ in ()).throw(RuntimeError("no")))
    assert any("MILLPOND_SEED=77" in note for note in raised.value.__notes__)
    monkeypatch.setenv("MILLPOND_SEED", "seven")
    with pytest.raises(millpond.InvalidArgument):
        seeds()


def test_labs_on_two_threads_leave_the_clock_as_it_was() -> None:
    real, fish = time.time, Fish("held", 1, "FROM allEvents", 0, lambda count, _: count + 1)
    one_inside, other_inside, one_leaves, other_leaves = (threading.Event() for _ in range(4))
    before = time.monotonic()

    def hold(moment: int, inside: threading.Event, leaves: threading.Event) -> None:
        with HeldClock(fish, moment).held(0.0):
            inside.set()
            leaves.wait(60)

    one = threading.Thread(target=hold, args=(0, one_inside, one_leaves))
    other = threading.Thread(target=hold, args=(1, other_inside, other_leaves))
    one.start()
    assert one_inside.wait(60)
    # Here clocks go on: else a loop of asyncio would sleep for days.
    assert before <= time.monotonic() < before + 86_400
    other.start()
    # It waits for the first one; were it let in, the first one would be the first to leave.
    assert not other_inside.wait(0.1)
    one_leaves.set()
    other_leaves.set()
    one.join(60)
    other.join(60)
    assert time.time is real
