"""Every wrong argument is refused with a class and a sentence that say which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millpond

ALL = "FROM allEvents"


def test_one_text_in_place_of_tags_is_refused(node: millpond.Node) -> None:
    with pytest.raises(millpond.InvalidArgument, match="not the one text 'press'"):
        node.publish(1, tags="press")
    with pytest.raises(millpond.InvalidArgument, match="not the one text"):
        node.publish_all([(1, "press")])


@pytest.mark.parametrize("tags", [[1], [None], 5, [b"a"], [""], ["\ud800"], {"a": 1}.values()])
def test_tags_that_are_not_texts_are_refused(node: millpond.Node, tags: Any) -> None:
    with pytest.raises(millpond.InvalidArgument):
        node.publish(1, tags=tags)


def test_tags_may_be_any_collection(node: millpond.Node) -> None:
    for tags in (["b", "a"], ("a", "b"), {"a", "b"}, frozenset("ab"), {"a": 1, "b": 2}, iter("ab")):
        node.publish(1, tags=tags)
    assert {event.tags for event in node.query(ALL)} == {("a", "b")}


def test_tags_beyond_the_limits_are_refused(node: millpond.Node) -> None:
    with pytest.raises(millpond.LimitExceeded):
        node.publish(1, tags=["x" * 256])
    with pytest.raises(millpond.LimitExceeded):
        node.publish(1, tags=[str(number) for number in range(65)])


@pytest.mark.parametrize("draft", [1, (1,), (1, (), (), ()), [1, ()], None, "ab"])
def test_something_else_than_a_draft_is_refused(node: millpond.Node, draft: Any) -> None:
    with pytest.raises(millpond.InvalidArgument, match="event 1: .*Draft"):
        node.publish_all([(0, ()), draft])


def test_too_many_events_at_once_are_refused(node: millpond.Node) -> None:
    with pytest.raises(millpond.LimitExceeded):
        node.publish_all([(0, ())] * 65_537)
    assert node.offsets().total == 0


@pytest.mark.parametrize(
    "options",
    [
        {"durability": "soon"},
        {"idempotency_key": b""},
        {"idempotency_key": b"x" * 256},
        {"expected": -1},
        {"timeout": -1},
        {"timeout": float("nan")},
    ],
)
def test_wrong_publish_options_are_refused(node: millpond.Node, options: dict[str, Any]) -> None:
    with pytest.raises((millpond.InvalidArgument, millpond.LimitExceeded)):
        node.publish(1, **options)
    assert node.query(ALL).to_list() == []


@pytest.mark.parametrize("timeout", ["1", b"1", object(), []])
def test_a_timeout_is_a_number(node: millpond.Node, timeout: Any) -> None:
    with pytest.raises(TypeError):
        node.publish(1, timeout=timeout)


def test_a_query_that_does_not_parse_shows_the_place(node: millpond.Node) -> None:
    text = "FROM 'a' & & 'b'"
    with pytest.raises(millpond.QueryInvalid) as raised:
        node.query(text)
    assert raised.value.position == text.index("& 'b'")
    with pytest.raises(millpond.QueryInvalid):
        node.subscribe("FROM (")


@pytest.mark.parametrize("options", [{"order": "up"}, {"order": ""}])
def test_an_unknown_order_is_refused(node: millpond.Node, options: dict[str, Any]) -> None:
    with pytest.raises(millpond.InvalidArgument):
        node.query(ALL, **options)


def test_an_unknown_start_is_refused(node: millpond.Node) -> None:
    with pytest.raises(millpond.InvalidArgument):
        node.subscribe(ALL, start="yesterday")
    with pytest.raises(TypeError):
        node.subscribe(ALL, start=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", "x", "0" * 50, {"x": 1}, {"a" * 64 + "-0": -1}, 5])
def test_what_is_no_offset_map_is_refused(value: Any) -> None:
    with pytest.raises((millpond.InvalidArgument, TypeError, OverflowError)):
        millpond.Offsets(value)


@pytest.mark.parametrize(
    "options",
    [
        {"app": ""},
        {"app": "with space"},
        {"swarm": "short"},
        {"swarm": None},
        {"ticket": "nonsense", "swarm": None},
        {"bind": ["nowhere"], "network": True},
        {"peers": ["nobody"], "network": True},
        {"allow": ["nobody"], "network": True},
        {"segment_bytes": -1},
        {"timeout": -1},
    ],
)
def test_wrong_open_options_are_refused(
    open_node: Callable[..., millpond.Node], options: dict[str, Any]
) -> None:
    with pytest.raises(millpond.InvalidArgument):
        open_node(**options)


@pytest.mark.parametrize("read", [0, 1])
def test_batch_sizes_are_positive(node: millpond.Node, read: int) -> None:
    node.publish_all([(number, ()) for number in range(3)])
    cursor = node.query(ALL)
    for _ in range(read):
        next(cursor)
    with pytest.raises(millpond.InvalidArgument):
        cursor.next_batch(count_max=-1)
    with pytest.raises(millpond.InvalidArgument):
        cursor.next_batch(count_max=0)


def test_targets_that_are_neither_ticket_nor_peer_are_refused(
    open_node: Callable[..., millpond.Node], online: dict[str, Any]
) -> None:
    node = open_node(**online)
    with pytest.raises(millpond.InvalidArgument):
        node.connect("somewhere")
    with pytest.raises(millpond.InvalidArgument):
        node.disconnect("somebody")


def test_a_damaged_ticket_is_refused(
    open_node: Callable[..., millpond.Node], online: dict[str, Any]
) -> None:
    ticket = open_node(**online).ticket()
    said = millpond.parse_ticket(ticket)
    assert len(said.node_id) == len(said.swarm_id) == 64 and said.addresses
    with pytest.raises(millpond.InvalidArgument):
        millpond.parse_ticket(ticket[:-1])


def test_a_path_may_be_any_path(open_node: Callable[..., millpond.Node], tmp_path: Path) -> None:
    assert open_node(path=str(tmp_path / "text")).path == str(tmp_path / "text")
    with pytest.raises(TypeError):
        open_node(path=5)
