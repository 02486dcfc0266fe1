"""The testing kit: which further runs of a scenario count as the same failure, and how they end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
from test_trials import power_of_node_1, scenario

import millpond
from millpond import Event, Fish
from millpond.testing import Lab, explore


@pytest.fixture(autouse=True)
def no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No seed is asked for."""
    monkeypatch.delenv("MILLPOND_SEED", raising=False)
    monkeypatch.delenv("MILLPOND_WITHOUT", raising=False)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few further runs begin."""
    monkeypatch.setattr("millpond._trial.SHRINK_SECONDS_MAX", 0.9)


def notes_of(fails: Any, kind: type[BaseException] = ValueError) -> list[str]:
    """What is said of a scenario that fails."""
    with pytest.raises(kind) as raised:
        explore(fails, 1)
    notes: list[str] = raised.value.__notes__
    return notes


def test_a_lab_of_an_earlier_run_proves_nothing() -> None:
    kept: list[Lab] = []

    def fails(seed: int) -> None:
        kept[:] = kept or [Lab(seed=seed)]
        kept[0].chaos(20)
        raise ValueError(seed)

    assert len(notes_of(fails)) == 1


def test_a_run_that_makes_fewer_labs_than_the_first_proves_nothing() -> None:
    kept: list[Lab] = []

    def fails(seed: int) -> None:
        kept[:] = kept or [Lab(seed=seed)]
        for lab in (kept[0], Lab(seed=seed)):
            lab.chaos(5)
        raise ValueError(seed)

    _, found = notes_of(fails)
    assert "without any" not in found


def test_nothing_is_left_out_where_not_all_that_befell_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []

    def many(seed: int) -> None:
        runs.append(seed)
        for _ in range(65):
            Lab(1, seed=seed).chaos(2)
        raise ValueError(seed)

    assert len(notes_of(many)) == 1

    def long(seed: int) -> None:
        runs.append(seed)
        Lab(seed=seed).chaos(20)
        raise ValueError(seed)

    monkeypatch.setattr("millpond._trial.BEFALLS_MAX", 5, raising=False)
    assert len(notes_of(long)) == 1
    assert runs == [1, 1]


def test_another_assertion_is_another_failure() -> None:
    def fails(seed: int) -> None:
        lab = Lab(seed=seed)
        lab.chaos(40)
        assert lab.befell, "it is a storm"
        assert not any(what == "node 1 crashes" for _, what in lab.befell)

    with pytest.raises(AssertionError) as raised:
        explore(fails)
    found = raised.value.__notes__[1]
    assert found.startswith("1 of the ") and "] node 1 crashes" in found


def test_what_two_failures_have_in_common() -> None:
    from millpond._failure import kind_of

    def kind(case: int) -> Any:
        class Own(Exception):
            reason = object()

        fish = Fish("broken", 1, "FROM 'number'", 0, lambda state, event: 1 // 0)
        try:
            if case in (1, 2):
                raise Own("made in each run")
            if case in (3, 4):
                raise ExceptionGroup("both", [ValueError() if case == 3 else KeyError()])
            lab = Lab(1)
            lab.node(0).publish(1, ["number"])
            if case == 5:
                lab.node(0).state(fish)
            lab.check(fish)
        except Exception as error:
            return kind_of(error)

    assert kind(1) == kind(2) != kind(3) != kind(4)
    assert kind(5) == kind(6), "the judge finds it wherever somebody looks"
    assert kind(1).reason is None and kind(5).reason == "step"


def test_a_lab_without_a_seed_has_the_one_of_its_run_and_replays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds: list[int] = []
    traces: list[list[str]] = []

    def fails(seed: int) -> None:
        lab = Lab()
        seeds.append(lab.seed)
        for turn in range(20):
            lab.chaos(2)
            for node in filter(lab.is_up, lab.nodes):
                lab.node(node).publish(turn, ["number"])
        if power_of_node_1(lab):
            traces.append(lab.trace)
            raise ValueError(seed)

    with pytest.raises(ValueError) as raised:
        explore(fails, shrink=False)
    (found,) = raised.value.args
    assert found > 1 and seeds == list(range(1, found + 1))
    monkeypatch.setenv("MILLPOND_SEED", str(found))
    with pytest.raises(ValueError):
        explore(fails, shrink=False)
    assert traces[0] == traces[1]
    monkeypatch.delenv("MILLPOND_SEED")
    assert Lab().seed == 1


def waiting() -> Callable[[int], None]:
    """A scenario that waits for ever when it is run again."""
    runs: list[int] = []

    def fails(seed: int) -> None:
        Lab(seed=seed).chaos(20)
        runs.append(seed)
        if len(runs) > 1:
            threading.Event().wait()
        raise ValueError(seed)

    return fails


def test_a_further_run_that_waits_on_the_main_thread_is_ended(soon: None) -> None:
    assert len(notes_of(waiting())) == 2
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_further_run_that_waits_in_the_code_of_a_fish_is_ended(soon: None) -> None:
    def step(count: int, event: Event) -> int:
        if len(labs) > 1:
            threading.Event().wait()
        return count + 1

    labs: list[Lab] = []

    def fails(seed: int) -> None:
        lab = Lab(seed=seed)
        labs.append(lab)
        lab.chaos(20)
        lab.start(0)
        lab.node(0).publish(1, ["number"])
        lab.settle()
        try:
            lab.node(0).state(Fish("slow", 1, "FROM 'number'", 0, step))
        except millpond.UserCode:
            labs[0].heal()
        raise ValueError(seed)

    notes_of(fails)
    assert len(labs) == 2, "the end of time is no failure of the fish"
    labs[-1].settle()


def test_a_signal_that_somebody_uses_stays_theirs(soon: None) -> None:
    def ring(*_: Any) -> None:
        raise TimeoutError("theirs")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        # Their time is up in a further run.
        assert len(notes_of(waiting())) == 2
        assert signal.getsignal(signal.SIGALRM) is ring
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_who_stops_the_search_is_told_the_failure_that_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[int] = []

    def stopped(seed: int) -> None:
        runs.append(seed)
        Lab(seed=seed).chaos(20)
        raise ValueError(seed) if len(runs) == 1 else KeyboardInterrupt

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        runs.clear()
        with pytest.raises(KeyboardInterrupt) as raised:
            explore(stopped)
        found = raised.value.__cause__
        assert isinstance(found, ValueError) and "MILLPOND_SEED=1 " in found.__notes__[0]
        # The second time it comes between two runs.
        monkeypatch.setattr("millpond.testing.smaller", interrupted)
    assert runs == [1]


def test_a_coroutine_is_not_explored_where_a_loop_runs() -> None:
    runs: list[int] = []

    async def fails(seed: int) -> None:
        runs.append(seed)

    async def main() -> None:
        with pytest.raises(millpond.InvalidArgument) as raised:
            explore(fails)
        assert not hasattr(raised.value, "__notes__")
        await asyncio.to_thread(explore, fails, 3)

    asyncio.run(main())
    assert runs == [1, 2, 3]


def test_scenarios_on_another_thread_are_explored_without_a_limit() -> None:
    raised: list[BaseException] = []

    def explored() -> None:
        try:
            explore(scenario)
        except AssertionError as error:
            raised.append(error)

    thread = threading.Thread(target=explored)
    thread.start()
    thread.join()
    assert "2 of the " in raised[0].__notes__[1]
