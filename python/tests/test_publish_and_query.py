"""Publishing and asking, on one node."""

from __future__ import annotations

import copy
import datetime
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

import millpond
from millpond import Draft
from support import payloads

ALL = "FROM allEvents"


def test_what_is_published_is_found_by_its_tags(node: millpond.Node) -> None:
    node.publish({"job": 42}, tags=["press:7", "job:started"])
    node.publish({"job": 43}, tags={"press:8"})
    (event,) = node.query("FROM 'press:7' & 'job:started'")
    assert event.payload == {"job": 42}
    assert event.tags == ("job:started", "press:7")
    assert event.app == "test"
    assert event.stream == node.stream
    assert event.offset == 0


def test_a_receipt_says_where_each_event_stands(node: millpond.Node) -> None:
    node.publish(0)
    published = node.publish_all([Draft(1, ["a"]), (2, ("b",)), Draft(3)])
    assert len(published) == 3 and not published.replayed
    events = node.query(ALL).to_list()
    assert [receipt.key for receipt in published] == [event.key for event in events[1:]]
    assert published[-1].offset == 3 and published[1:][0] == published[1]
    assert published.token.covers(published.token) and published.token == node.offsets()
    with pytest.raises(IndexError):
        published[3]


def test_answers_come_in_the_order_asked_for(node: millpond.Node) -> None:
    node.publish_all([(number, ()) for number in range(1000)])
    assert payloads(node.query(ALL)) == list(range(1000))
    assert payloads(node.query(ALL, order="descending")) == list(range(999, -1, -1))
    assert payloads(node.query(ALL, order="stream")) == list(range(1000))


def test_bounds_are_offset_maps(node: millpond.Node) -> None:
    lower = node.publish_all([(number, ()) for number in range(10)]).token
    upper = node.publish_all([(number, ()) for number in range(10, 20)]).token
    node.publish(20)
    assert payloads(node.query(ALL, lower=lower, upper=upper)) == list(range(10, 20))
    assert payloads(node.query(ALL, upper=lower)) == list(range(10))
    assert node.query(ALL, upper=lower).upper == lower


def test_a_cursor_answers_from_the_log_as_it_was_asked(node: millpond.Node) -> None:
    node.publish_all([(number, ()) for number in range(300)])
    with node.query(ALL) as cursor:
        first = next(cursor)
        node.publish("later")
        rest = cursor.to_list()
    assert payloads([first, *rest]) == list(range(300))


def test_batches_are_sequences_of_the_size_asked_for(node: millpond.Node) -> None:
    node.publish_all([(number, ()) for number in range(10)])
    cursor = node.query(ALL)
    batch = cursor.next_batch(count_max=4)
    assert payloads(batch) == [0, 1, 2, 3] and len(batch) == 4 and not batch.is_end
    assert batch[-1].payload == 3
    with pytest.raises(IndexError):
        batch[4]
    event = cursor.next()
    assert event is not None and event.payload == 4
    seen = [5, 6, 7, 8, 9]
    while not (batch := cursor.next_batch()).is_end:
        assert payloads(batch) == seen[: len(batch)]
        del seen[: len(batch)]
    assert seen == [] and list(batch) == [] and cursor.next() is None


def test_a_batch_gives_the_bytes_of_all_its_payloads(node: millpond.Node) -> None:
    node.publish_all([(number, ()) for number in range(10)])
    encoded = [millpond.encode(number) for number in range(10)]
    cursor = node.query(ALL)
    assert cursor.next_batch(count_max=4).payload_bytes == encoded[:4]
    event = cursor.next()
    assert event is not None and event.payload_bytes == encoded[4]
    assert cursor.next_batch().payload_bytes == encoded[5:]
    assert cursor.next_batch().payload_bytes == []
    with node.subscribe(ALL) as events:
        assert events.next_batch().payload_bytes == encoded


def test_an_idempotency_key_makes_a_retry_safe(node: millpond.Node) -> None:
    first = node.publish("once", idempotency_key="order-7")
    again = node.publish("once", idempotency_key=b"order-7")
    assert again.replayed and again[0].key == first[0].key
    assert len(node.query(ALL).to_list()) == 1


def test_an_expected_count_that_is_wrong_publishes_nothing(node: millpond.Node) -> None:
    node.publish(0, expected=0)
    with pytest.raises(millpond.Conflict):
        node.publish(1, expected=0)
    assert payloads(node.query(ALL)) == [0]


def test_one_refused_event_refuses_the_whole_batch_and_is_named(node: millpond.Node) -> None:
    with pytest.raises(millpond.InvalidArgument, match=r"^event 1: payload\[\"x\"\]"):
        node.publish_all([(0, ()), ({"x": float("nan")}, ()), (2, ())])
    assert node.query(ALL).to_list() == []


def test_both_durabilities_publish(node: millpond.Node) -> None:
    node.publish(1, durability="process")
    node.publish(2, durability="power")
    assert payloads(node.query(ALL)) == [1, 2]


def test_events_sort_by_their_key_and_are_equal_by_it(node: millpond.Node) -> None:
    node.publish_all([(number, ()) for number in range(12)])
    events = node.query(ALL).to_list()
    again = node.query(ALL, order="descending").to_list()
    assert sorted(again, key=lambda event: event.key) == events
    assert set(events) == set(again)
    assert str(events[0].key) == f"{events[0].lamport}/{events[0].stream}"
    key = millpond.EventKey(1, "a" * 64 + "-9")
    assert key < millpond.EventKey(1, "a" * 64 + "-10") < millpond.EventKey(2, "a" * 64 + "-0")


def test_an_event_says_when_its_author_wrote_it(node: millpond.Node) -> None:
    node.publish(1)
    (event,) = node.query(ALL)
    assert event.time.tzinfo is datetime.UTC
    seconds = (event.time - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()
    assert round(seconds * 1_000_000) == event.time_micros


def test_an_offset_map_survives_as_text_and_as_dict(node: millpond.Node) -> None:
    token = node.publish_all([(1, ()), (2, ())]).token
    assert millpond.Offsets(str(token)) == token == millpond.Offsets(token.to_dict())
    assert token.to_dict() == {node.stream: 2} and token.count(node.stream) == token.total == 2
    assert hash(millpond.Offsets(token.token)) == hash(token)
    assert (millpond.Offsets() | token) == token and token.covers(millpond.Offsets())
    assert pickle.loads(pickle.dumps(token)) == token == copy.deepcopy(token)


def test_a_log_is_still_there_when_it_is_opened_again(
    open_node: Callable[..., millpond.Node], tmp_path: Path
) -> None:
    node = open_node(path=tmp_path / "log")
    node.publish("kept", tags=["a"])
    node.close()
    assert node.closed
    again = open_node(path=tmp_path / "log")
    assert again.id == node.id
    assert payloads(again.query("FROM 'a'")) == ["kept"]


def test_a_node_closes_with_its_block_and_can_be_closed_twice(
    open_node: Callable[..., millpond.Node],
) -> None:
    with open_node() as node:
        assert not node.closed
    assert node.closed
    node.close()
    with pytest.raises(millpond.Closed):
        node.publish(1)


def test_a_forgotten_node_is_reported_and_closed(tmp_path: Path, secret: str) -> None:
    node = millpond.open(tmp_path / "log", app="test", swarm=secret, network=False)
    with pytest.warns(ResourceWarning, match="unclosed <Node"):
        del node
    millpond.open(tmp_path / "log", app="test", swarm=secret, network=False).close()


def test_a_closed_cursor_does_not_pretend_to_be_at_its_end(node: millpond.Node) -> None:
    node.publish_all([(number, ()) for number in range(10)])
    cursor = node.query(ALL)
    next(cursor)
    cursor.close()
    cursor.close()
    with pytest.raises(millpond.Closed):
        next(cursor)


def test_status_is_plain_data(node: millpond.Node) -> None:
    node.publish(1)
    status = node.status()
    assert status["node_id"] == node.id
    assert status.keys() == millpond.Status.__annotations__.keys()
    assert status["store"].keys() == millpond.StoreStatus.__annotations__.keys()
    assert status["store"]["journal_bytes"] > 0 and not status["store"]["full"]
    (stream,) = status["streams"]
    assert stream.keys() == millpond.StreamStatus.__annotations__.keys()
    assert stream == {"stream": node.stream, "held": 1, "known": 1, "lag": 0, "ahead": []}
    assert status["unheard"] == []
    assert status["forks"] == [] and status["forked"] == []
    assert len(node.swarm_id) == 64 and node.path


def test_metrics_are_text_for_prometheus(node: millpond.Node) -> None:
    node.publish(1)
    lines = node.metrics().splitlines()
    assert "# TYPE millpond_events_published_total counter" in lines
    assert "millpond_events_published_total 1" in lines


def test_a_status_subscription_gives_one_at_once_and_ends_with_its_node(
    node: millpond.Node,
) -> None:
    statuses = node.subscribe_status()
    assert next(statuses)["node_id"] == node.id
    with pytest.raises(millpond.Timeout):
        statuses.next(timeout=0.01)
    node.close()
    assert list(statuses) == []


def test_an_answer_says_what_it_is_complete_as_of(node: millpond.Node) -> None:
    node.publish(1)
    cursor = node.query("FROM allEvents")
    node.publish(2)
    assert len(cursor.to_list()) == 1
    complete = cursor.completeness
    assert complete.keys() == millpond.Completeness.__annotations__.keys()
    assert complete["offsets"].count(node.stream) == 1
    assert (complete["behind"], complete["unheard"]) == ([], [])
