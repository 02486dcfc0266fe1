"""Subscriptions: everything once, then what comes, and a clean end."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable

import pytest

import millpond
from support import WAIT, payloads

ALL = "FROM allEvents"


def numbers(first: int, end: int) -> list[tuple[int, tuple[str, ...]]]:
    return [(number, ("n",)) for number in range(first, end)]


def test_the_past_and_what_follows_come_without_gap_or_duplicate(node: millpond.Node) -> None:
    node.publish_all(numbers(0, 500))
    seen = []
    with node.subscribe("FROM 'n'") as events:
        for event in events:
            seen.append(event.payload)
            if event.payload == 250:
                node.publish_all(numbers(500, 700))
            if event.payload == 699:
                break
    assert seen == list(range(700))


def test_a_subscription_from_now_sees_only_what_follows(node: millpond.Node) -> None:
    node.publish_all(numbers(0, 10))
    with node.subscribe(ALL, start="now") as events:
        node.publish("new")
        event = events.next(timeout=WAIT)
        assert event is not None and event.payload == "new"


def test_live_delivery_shows_what_no_disk_has_yet_and_says_so(node: millpond.Node) -> None:
    with node.subscribe(ALL, delivery="live") as live:
        live.next_batch(timeout=WAIT)
        early = 0
        for number in range(20):
            node.publish(number, durability="process")
            batch = live.next_batch(timeout=WAIT)
            assert [event.payload for event in batch] == [number]
            early += not batch.is_durable
            assert batch.is_durable or batch.position.total <= number
        assert early > 0
        node.publish("end")
        assert [event.payload for event in live.next_batch(timeout=WAIT)] == ["end"]
    with pytest.raises(millpond.InvalidArgument, match="durable"):
        node.subscribe(ALL, delivery="soon")  # type: ignore[arg-type]


def test_it_goes_on_where_the_last_event_that_was_seen_left_off(node: millpond.Node) -> None:
    node.publish_all(numbers(0, 100))
    first, rest = node.subscribe(ALL), []
    for event in first:
        if event.payload == 41:
            break
    position = first.position
    first.close()
    for start in (position, str(position)):
        with node.subscribe(ALL, start=start) as second:
            rest = [event.payload for _, event in zip(range(58), second)]
        assert rest == list(range(42, 100))


def test_position_moves_with_each_event_and_each_batch(node: millpond.Node) -> None:
    node.publish_all(numbers(0, 10))
    with node.subscribe(ALL) as events:
        assert events.position.total == 0
        for count in range(1, 4):
            next(events)
            assert events.position.count(node.stream) == count
        batch = events.next_batch(count_max=5)
        assert payloads(batch) == [3, 4, 5, 6, 7] and batch.position.total == 8
        assert payloads(events.next_batch()) == [8, 9] and events.position.total == 10


def test_it_says_when_it_has_caught_up_and_how_far_it_lags(node: millpond.Node) -> None:
    node.publish_all(numbers(0, 20))
    with node.subscribe(ALL) as events:
        assert not events.caught_up and events.lag == 20
        for _ in range(19):
            next(events)
        assert not events.caught_up and events.lag == 1
        next(events)
        while not events.caught_up:
            assert payloads(events.next_batch(timeout=WAIT)) == []
        assert events.lag == 0


def test_a_wait_that_is_over_loses_no_event(node: millpond.Node) -> None:
    with node.subscribe(ALL) as events:
        for number in range(5):
            with pytest.raises(millpond.Timeout):
                events.next(timeout=0.01)
            node.publish(number)
            event = events.next(timeout=WAIT)
            assert event is not None and event.payload == number


@pytest.mark.parametrize("what", ["subscription", "node"])
def test_closing_ends_a_wait_in_another_thread_normally(node: millpond.Node, what: str) -> None:
    events = node.subscribe(ALL)
    caught_up, ended = threading.Event(), threading.Event()

    def follow() -> None:
        events.next_batch()
        caught_up.set()
        for _ in events:
            raise AssertionError("nothing was published")
        ended.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert caught_up.wait(WAIT)
    (events if what == "subscription" else node).close()
    thread.join(WAIT)
    assert ended.is_set()
    assert events.next() is None


def test_a_closed_subscription_hands_out_nothing_more(node: millpond.Node) -> None:
    node.publish_all(numbers(0, 10))
    events = node.subscribe(ALL)
    next(events)
    events.close()
    events.close()
    assert list(events) == [] and events.position.total == 1


def test_its_descriptor_is_readable_while_there_is_something_to_read(node: millpond.Node) -> None:
    with node.subscribe(ALL) as events:
        while not events.caught_up:
            events.next_batch(timeout=WAIT)
        assert select.select([events], [], [], 0)[0] == []
        node.publish(1)
        assert select.select([events], [], [], WAIT)[0] == [events]
        assert payloads(events.next_batch(timeout=WAIT)) == [1]
        assert select.select([events], [], [], 0)[0] == []


def test_only_one_may_wait_at_a_time(node: millpond.Node) -> None:
    events = node.subscribe(ALL)
    while not events.caught_up:
        events.next_batch(timeout=WAIT)
    refusals = []

    def follow() -> None:
        try:
            for _ in events:
                pass
        except millpond.InvalidArgument as error:
            refusals.append(error)
            events.close()

    threads = [threading.Thread(target=follow) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(refusals) == 1


def test_a_subscription_keeps_its_node_open(open_node: Callable[..., millpond.Node]) -> None:
    events = open_node().subscribe(ALL, start="now")
    assert events.lag == 0
    events.close()
