"""Subscriptions in key order: the one order of all nodes, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import millpond
from millpond import Event, Node, Rewind
from pond import ALL, WAIT

Open = Callable[..., Node]


def apply(held: list[Event], step: Event | Rewind) -> None:
    """What who follows a subscription in key order does."""
    if isinstance(step, Event):
        held.append(step)
        return
    while held and (step.to is None or held[-1].key > step.to):
        held.pop()


def payload(step: Event | Rewind) -> Any:
    """What an event carries."""
    assert isinstance(step, Event)
    return step.payload


def test_events_come_in_key_order_and_then_live(node: Node) -> None:
    node.publish_all([(number, ()) for number in range(3)])
    with node.subscribe(ALL, order="key") as steps:
        assert isinstance(steps, millpond.KeySubscription)
        held: list[Event] = []
        while len(held) < 3:
            apply(held, next(steps))
        node.publish(3)
        apply(held, next(steps))
        assert [event.payload for event in held] == [0, 1, 2, 3]


def test_late_events_rewind_and_all_nodes_come_to_one_order(
    open_node: Open, online: dict[str, Any]
) -> None:
    nodes = [open_node(**online), open_node(**online)]
    follows = [node.subscribe(ALL, order="key") for node in nodes]
    held: list[list[Event]] = [[], []]
    for number, node in enumerate(nodes):
        node.publish_all([(f"{number}: {each}", ()) for each in range(20)])
        while len(held[number]) < 20:
            apply(held[number], next(follows[number]))
    nodes[0].connect(nodes[1].ticket(), timeout=WAIT)
    rewinds = 0
    for number, steps in enumerate(follows):
        while len(held[number]) < 40 or not steps.caught_up:
            step = steps.next(timeout=WAIT)
            assert step is not None
            rewinds += isinstance(step, Rewind)
            apply(held[number], step)
        steps.close()
    assert rewinds > 0
    assert held[0] == held[1] == nodes[0].query(ALL).to_list()


def test_a_rewind_is_a_batch_of_its_own(open_node: Open, online: dict[str, Any]) -> None:
    here, there = open_node(**online), open_node(**online)
    with here.subscribe(ALL, order="key") as steps:
        here.publish_all([(number, ()) for number in range(5)])
        seen = 0
        while seen < 5:
            seen += len(steps.next_batch(timeout=WAIT))
        there.publish(-1)
        here.connect(there.ticket(), timeout=WAIT)
        while not (batch := steps.next_batch(timeout=WAIT)).is_rewind:
            pass
        assert len(batch) == 0
        kept = 0 if batch.rewind_to is None else batch.rewind_to.lamport
        again = 0
        while again < 6 - kept or not steps.caught_up:
            again += len(steps.next_batch(timeout=WAIT))


def test_a_position_continues_without_gap_or_double(node: Node) -> None:
    node.publish_all([(number, ()) for number in range(10)])
    with node.subscribe(ALL, order="key") as steps:
        assert [payload(next(steps)) for _ in range(4)] == [0, 1, 2, 3]
        position = steps.position
    with node.subscribe(ALL, order="key", start=position) as steps:
        assert [payload(next(steps)) for _ in range(6)] == list(range(4, 10))
        end = steps.position
    node.publish(10)
    with node.subscribe(ALL, order="key", start=end) as steps:
        assert payload(next(steps)) == 10


@pytest.mark.parametrize("said", [{"start": "now"}, {"start": millpond.Offsets()}])
def test_key_order_begins_at_the_beginning_or_a_position(node: Node, said: Any) -> None:
    with pytest.raises(millpond.InvalidArgument) as caught:
        node.subscribe(ALL, order="key", **said)
    assert caught.value.reason == "key_position"


def test_orders_and_deliveries_that_do_not_go_together_are_refused(node: Node) -> None:
    with pytest.raises(millpond.InvalidArgument):
        node.subscribe(ALL, order="key", delivery="live")
    with pytest.raises(millpond.InvalidArgument):
        node.subscribe(ALL, order="random")  # type: ignore[call-overload]
    with node.subscribe(ALL, order="arrival") as events:
        assert isinstance(events, millpond.Subscription)


def test_closing_ends_iteration(node: Node) -> None:
    steps = node.subscribe(ALL, order="key")
    node.publish(1)
    assert payload(next(steps)) == 1
    steps.close()
    assert list(steps) == []
