"""The testing kit: what it makes of fish that are right, and of those that are not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import millpond
from millpond import Event
from millpond.testing import Lab, check_grow_only, explore, lint, seeds


@dataclass(frozen=True)
class Fish:
    """What the kit needs of a fish."""

    id: str
    version: int
    query: str
    make: Callable[[], Any]
    step: Callable[[Any, Event], Any]
    is_reset: Callable[[Event], bool] | None = None
    codec: Any = None
    merge: Callable[[Any, Any], Any] | None = None

    @property
    def initial(self) -> Any:
        """A new one each time."""
        return self.make()


class BuiltIn(NamedTuple):
    """What the kit needs of a fish without code."""

    query: str
    fold: Mapping[str, Any]


def pushed(state: list[int], event: Event) -> list[int]:
    """The numbers in their order."""
    state.append(event.payload)
    return state


NUMBERS: Fish = Fish("numbers", 1, "FROM 'number'", list, pushed)


def storm(lab: Lab, fish: Fish) -> None:
    """Everything goes wrong while nodes publish, and then all is well."""
    for _ in range(8):
        lab.chaos(2)
        for node in lab.nodes:
            if not lab.is_up(node):
                continue
            for _ in range(lab.below(3)):
                durability = "process" if lab.below(4) == 0 else "power"
                lab.publish(node, lab.below(100), ["number"], durability=durability)
            if lab.below(2):
                lab.state(node, fish)
    lab.calm()
    lab.check(fish)


def reasons(make: Any, count: int = 12) -> list[str | None]:
    """What is said of a fish, for each seed with which it is found wrong."""
    found = []
    for seed in range(1, count + 1):
        try:
            storm(Lab(seed=seed), make())
        except millpond.UserCode as error:
            assert f"MILLPOND_SEED={seed}" in str(error)
            found.append(error.reason)
    return found


@pytest.mark.millpond(nodes=4, seeds=8)
def test_a_fish_that_is_a_fold_is_right_with_every_seed(millpond_lab: Lab) -> None:
    storm(millpond_lab, NUMBERS)
    states = [millpond_lab.state(node, NUMBERS) for node in millpond_lab.nodes]
    assert len(states) == 4 and all(state == states[0] for state in states)
    held = [event.payload for event in millpond_lab.query(0, "FROM 'number'")]
    assert held == states[0]


def test_equal_seeds_give_equal_traces() -> None:
    def traced(seed: int) -> list[str]:
        lab = Lab(5, seed=seed)
        storm(lab, NUMBERS)
        return lab.trace

    assert traced(7) == traced(7) != traced(8)


def test_a_step_that_depends_on_something_else_is_found() -> None:
    def make() -> Fish:
        asked = itertools.count()
        return Fish(
            "odd", 1, "FROM 'number'", list,
            lambda state, event: [*state, next(asked)],
        )

    found = reasons(make)
    assert len(found) == 12 and found.count("step") >= 9


def test_an_initial_state_that_is_shared_is_found() -> None:
    def make() -> Fish:
        shared: list[int] = []
        return Fish("shared", 1, "FROM 'number'", lambda: shared, pushed)

    assert len(reasons(make)) == 12


class Forgetful:
    """A codec that forgets the last number."""

    name = "forgetful"

    def encode(self, state: list[int]) -> bytes:
        return bytes(state[:-1])

    def decode(self, data: bytes) -> list[int]:
        return list(data)


def test_a_codec_that_loses_something_is_found() -> None:
    def make() -> Fish:
        return Fish("forgetful", 1, "FROM 'number'", list, pushed, codec=Forgetful())

    assert reasons(make) == ["codec"] * 12


def test_a_reset_that_is_one_only_sometimes_is_found() -> None:
    def make() -> Fish:
        asked = itertools.count()
        return Fish(
            "resets", 1, "FROM 'number'", list, pushed,
            is_reset=lambda event: next(asked).bit_count() % 3 == 1,
        )

    found = reasons(make)
    assert len(found) == 12 and found.count("is_reset") >= 9


def test_resets_that_are_resets_are_right() -> None:
    def make() -> Fish:
        return Fish(
            "resets", 1, "FROM 'number'", list, pushed, is_reset=lambda event: event.payload > 80
        )

    assert reasons(make) == []


def test_code_that_raises_says_where_and_keeps_what_it_raised() -> None:
    def step(state: int, event: Event) -> int:
        raise KeyError("steel")

    lab = Lab(2, seed=3)
    lab.publish(0, 1, ["number"])
    with pytest.raises(millpond.UserCode) as raised:
        lab.state(0, Fish("steel", 1, "FROM 'number'", int, step))
    assert raised.value.reason == "step"
    assert isinstance(raised.value.__cause__, KeyError)
    assert "MILLPOND_SEED=3" in str(raised.value)


def test_partitions_crashes_and_power_cuts_do_as_they_are_told() -> None:
    lab = Lab(4, seed=1)
    lab.cut([0, 1], [2])
    for node in lab.nodes:
        lab.publish(node, node, ["number"])
    lab.settle()
    assert [lab.offsets(node).total for node in lab.nodes] == [2, 2, 1, 1]
    lab.heal()
    lab.settle()
    assert sorted(lab.state(3, NUMBERS)) == [0, 1, 2, 3]
    lab.publish(0, 9, ["number"], durability="process")
    lab.cut_power(0)
    with pytest.raises(millpond.Closed):
        lab.publish(0, 10, ["number"])
    lab.start(0)
    lab.advance(60)
    assert lab.elapsed >= 60
    assert 9 not in lab.state(0, NUMBERS)


def test_an_effect_sees_what_earlier_ones_have_published() -> None:
    lab = Lab(seed=5)
    for turn in range(9):
        node = turn % 3
        lab.chaos(2)
        lab.start(node)
        before = len(lab.state(node, NUMBERS))
        published = lab.run(node, NUMBERS, lambda state: [(len(state), ["number"])])
        assert published is not None
        assert before in lab.state(node, NUMBERS)
    assert lab.run(0, NUMBERS, lambda state: []) is None


def test_folds_without_code_are_judged_too() -> None:
    lab = Lab()
    for node in lab.nodes:
        lab.publish_all(node, [({"n": number}, ["number"]) for number in range(4)])
    lab.calm()
    total = BuiltIn("FROM 'number'", {"fold": "sum", "of": "/n"})
    lab.check(total)
    assert lab.state(2, total) == {"value": 18, "skipped": 0}


def test_the_law_of_fish_that_only_grow_is_checked() -> None:
    lab = Lab(1)
    lab.publish_all(0, [(number, ["number"]) for number in (5, 1, 5, 9)])
    query = "FROM 'number'"
    greatest = Fish("greatest", 1, query, int, lambda a, e: max(a, e.payload), merge=max)
    count = Fish("count", 1, query, int, lambda a, e: a + 1, merge=max)
    check_grow_only(greatest, lab.events(greatest))
    with pytest.raises(millpond.InvalidArgument, match="an event counts once") as raised:
        check_grow_only(count, lab.events(count))
    assert raised.value.reason == "grow_only"
    with pytest.raises(millpond.InvalidArgument, match="no merge"):
        check_grow_only(NUMBERS, [])
    assert lint(greatest, lab.events(greatest)).is_monotone
    assert lint(greatest).verdict == lint(NUMBERS).verdict == "not_monotone"


def test_queries_and_built_in_folds_are_judged_with_the_reason() -> None:
    assert lint("FROM 'number'").is_monotone
    count = lint(BuiltIn("FROM 'number'", {"fold": "count"}))
    assert (count.verdict, count.is_monotone) == ("one_way", False)
    assert "a count never falls" in count.reason
    total = lint(BuiltIn("FROM 'number'", {"fold": "sum", "of": "/n"}))
    assert total.verdict == "not_monotone"
    assert "needs a seal, escrow or a claim" in str(total)


def test_a_seed_of_the_environment_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILLPOND_SEED", raising=False)
    assert seeds(3) == [1, 2, 3] and len(seeds()) == 100
    monkeypatch.setenv("MILLPOND_SEED", "77")
    assert seeds(3) == [77] and Lab().seed == 77
    with pytest.raises(RuntimeError) as raised:
        explore(lambda seed: (_ for _ in ()).throw(RuntimeError("no")))
    assert any("MILLPOND_SEED=77" in note for note in raised.value.__notes__)
    monkeypatch.setenv("MILLPOND_SEED", "seven")
    with pytest.raises(millpond.InvalidArgument):
        seeds()


def test_the_fixture_names_the_seed_that_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["millpond.pytest_plugin"]')
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.millpond(seeds=3)
        def test_a(millpond_lab):
            assert millpond_lab.seed != 2
        """
    )
    pytester.syspathinsert(str(Path(millpond.__file__).parents[1]))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*MILLPOND_SEED=2 replays it*"])
