"""The lint: whether an answer will ever be taken back, and the law of what only grows."""

from __future__ import annotations

from typing import Any

import pytest

import millpond
from millpond import BuiltIn, Event, Fish, folds
from millpond.testing import Lab, check_grow_only, lint

QUERY = "FROM 'number'"


def pushed(state: list[int], event: Event) -> list[int]:
    """The numbers in their order."""
    return [*state, event.payload]


NUMBERS: Fish[list[int]] = Fish("numbers", 1, QUERY, [], pushed)


def law_failed(step: Any, numbers: list[int], **rest: Any) -> millpond.Error:
    lab = Lab(1)
    lab.node(0).publish_all([(number, ["number"]) for number in numbers])
    fish = Fish("own", 1, QUERY, 0, step, **rest)
    for check in (check_grow_only, lint):
        with pytest.raises(millpond.Error) as raised:
            check(fish, lab.events(fish))
    return raised.value


def test_the_law_of_fish_that_only_grow_is_checked() -> None:
    lab = Lab(1)
    lab.node(0).publish_all([(number, ["number"]) for number in (5, 1, 5, 9)])

    def step(state: int, event: Event) -> int:
        return max(state, event.payload)

    greatest = Fish("greatest", 1, QUERY, 0, step, merge=max)
    check_grow_only(greatest, lab.events(greatest))
    said = lint(greatest, lab.events(greatest))
    assert said.is_monotone and "on 4 events" in said.reason
    assert not lint(greatest).is_monotone
    assert "check_grow_only" in lint(greatest).reason
    assert lint(greatest) == greatest.monotonicity()
    assert "declare that it grows only" in lint(NUMBERS, lab.events(NUMBERS)).reason
    with pytest.raises(millpond.InvalidArgument) as raised:
        check_grow_only(NUMBERS, lab.events(NUMBERS))
    assert raised.value.reason == "grow_only"
    with pytest.raises(millpond.InvalidArgument) as raised:
        Fish("x", 1, QUERY, 0, step, lambda event: False, merge=max)
    assert raised.value.reason == "grow_only"


def test_a_law_that_is_broken_or_not_shown_is_said_by_its_reason() -> None:
    counted = law_failed(lambda state, _: state + 1, [5, 1], merge=max)
    assert counted.reason == "grow_only" and "an event counts once" in str(counted)
    for numbers in ([7], [7, 7]):
        nothing = law_failed(lambda a, e: max(a, e.payload), numbers, merge=max)
        assert nothing.reason == "no_examples"
    for reason, rest in (
        ("step", {"step": lambda state, _: 1 // 0, "merge": max}),
        ("grow_only", {"step": lambda a, e: max(a, e.payload), "merge": lambda a, b: 1 // 0}),
    ):
        failed = law_failed(rest.pop("step"), [5, 1], **rest)
        assert isinstance(failed, millpond.UserCode)
        assert failed.reason == reason and isinstance(failed.__cause__, ZeroDivisionError)


def test_queries_and_built_in_folds_are_judged_with_the_reason() -> None:
    assert lint(QUERY).is_monotone
    count = lint(BuiltIn(QUERY, folds.count()))
    assert (count.verdict, count.is_monotone) == ("one_way", False)
    assert "a count never falls" in count.reason
    total = lint(BuiltIn(QUERY, folds.sum("/n")))
    assert total.verdict == "not_monotone"
    assert "needs a seal, escrow or a claim" in str(total)
