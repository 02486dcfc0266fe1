"""Built-in folds: states without any code of Python."""

from __future__ import annotations

import math
from typing import Any

import pytest

from millpond import BuiltIn, Node, folds
from pond import ALL, WAIT, until

STROKES = [
    ({"machine": "M-017", "grams": 812}, ["machine:M-017"]),
    ({"machine": "M-004", "grams": 100}, ["machine:M-004"]),
    ({"machine": "M-017", "grams": 8}, ["machine:M-017"]),
    ({"note": "no machine"}, []),
]

EXPECTED: list[tuple[folds.Fold, Any, int]] = [
    (folds.count(), 4, 0),
    (folds.count("/grams"), 3, 1),
    (folds.sum("/grams"), 920, 1),
    (folds.min("/grams"), 8, 1),
    (folds.max("/machine", type="text"), "M-017", 1),
    (folds.latest("/grams"), 8, 1),
    (folds.earliest("/grams"), 812, 1),
    (folds.latest(), {"note": "no machine"}, 0),
    (folds.group("/machine", folds.sum("/grams")), {"M-004": 100, "M-017": 820}, 1),
    (folds.group(folds.tag("machine:"), folds.count()), {"M-004": 1, "M-017": 2}, 1),
    (folds.all(strokes=folds.count(), grams=folds.sum("/grams")), {"grams": 920, "strokes": 4}, 1),
]


@pytest.mark.parametrize(("fold", "value", "skipped"), EXPECTED, ids=lambda it: str(it)[:40])
def test_a_built_in_fold_comes_to(node: Node, fold: Any, value: Any, skipped: int) -> None:
    node.publish_all(STROKES)
    state = node.state(BuiltIn(ALL, fold), timeout=WAIT)
    assert state.value == {"value": value, "skipped": skipped}


def test_a_built_in_fold_is_observed_like_any_fish(node: Node) -> None:
    with node.observe(BuiltIn(ALL, folds.sum("/grams"))) as states:
        for grams in (1, 2, 3):
            node.publish({"grams": grams})
        assert until(states, lambda folded: folded["value"] == 6).value["skipped"] == 0


def test_floats_are_added_in_key_order(node: Node) -> None:
    numbers = [0.1, 0.2, 0.3, 1e16, -1e16]
    node.publish_all([({"x": number}, ()) for number in numbers])
    value = node.state(BuiltIn(ALL, folds.sum("/x")), timeout=WAIT).value["value"]
    total = 0.0
    for number in numbers:
        total += number
    assert math.isclose(value, total, rel_tol=0, abs_tol=0)


def test_a_built_in_fold_has_effects_too(node: Node) -> None:
    fish = BuiltIn("FROM 'n'", folds.count())
    for number in range(3):
        done = node.run(fish, lambda folded: [(folded["value"], ["n"])], timeout=WAIT)
        assert done is not None
        assert len(done) == 1, number
    assert [event.payload for event in node.query(ALL)] == [0, 1, 2]
