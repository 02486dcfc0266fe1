"""Two nodes on loopback exchange what they publish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import aio
from support import WAIT

ALL = "FROM allEvents"
Opens = Callable[..., millpond.Node]


def take(events: millpond.Subscription, count: int) -> list[Any]:
    """The next `count` payloads."""
    seen = []
    while len(seen) < count:
        event = events.next(timeout=WAIT)
        assert event is not None
        seen.append(event.payload)
    return seen


def test_what_one_publishes_the_other_receives(open_node: Opens, online: dict[str, Any]) -> None:
    one, other = open_node(**online), open_node(**online)
    one.publish("before", tags=["a"])
    with other.subscribe("FROM 'a'") as events:
        other.connect(one.ticket(), timeout=WAIT)
        assert take(events, 1) == ["before"]
        one.publish_all([(number, ["a"]) for number in range(500)])
        assert take(events, 500) == list(range(500))
    other.publish("back", tags=["b"])
    with one.subscribe("FROM 'b'") as events:
        assert take(events, 1) == ["back"]
    keys = [[event.key for event in node.query(ALL)] for node in (one, other)]
    assert keys[0] == keys[1] and len(keys[0]) == 502
    assert {event.payload for event in other.query("FROM isLocal")} == {"back"}


def test_a_cut_network_loses_nothing_and_heals(open_node: Opens, online: dict[str, Any]) -> None:
    one, other = open_node(**online), open_node(**online)
    other.connect(one.ticket(), timeout=WAIT)
    other.set_network(False)
    one.publish("one")
    other.publish("other")
    with one.subscribe(ALL) as at_one, other.subscribe(ALL) as at_other:
        assert take(at_one, 1) == ["one"] and take(at_other, 1) == ["other"]
        other.set_network(True)
        assert take(at_one, 1) == ["other"] and take(at_other, 1) == ["one"]


def test_a_ticket_is_enough_to_open_a_node_of_the_swarm(
    open_node: Opens, online: dict[str, Any]
) -> None:
    one = open_node(**online)
    other = open_node(swarm=None, ticket=one.ticket(), **online)
    assert other.swarm_id == one.swarm_id
    one.publish("hello")
    with other.subscribe(ALL) as events:
        assert take(events, 1) == ["hello"]


def test_a_secret_is_replaced_and_who_keeps_the_old_one_is_left_behind(
    open_node: Opens, online: dict[str, Any], secret: str
) -> None:
    one, other = open_node(**online), open_node(**online)
    other.connect(one.ticket(), timeout=WAIT)
    later = millpond.next_swarm_secret(secret)
    one.set_secrets(later, [secret])

    def until(node: millpond.Node, wanted: str | None) -> None:
        for status in node.subscribe_status():
            if [peer["secret"] for peer in status["peers"]] == [wanted]:
                return

    until(one, "former")
    one.publish("hello")
    with other.subscribe(ALL) as events:
        assert take(events, 1) == ["hello"]
    one.set_secrets(later)
    until(one, None)
    until(other, None)  # Until it hears of it, it has a session and need not connect.
    with pytest.raises(millpond.PeerRefused) as raised:
        other.connect(one.ticket(), timeout=WAIT)
    assert raised.value.reason == "wrong_secret"
    other.set_secrets(later)
    until(one, "current")
    with pytest.raises(millpond.InvalidArgument) as strange:
        one.set_secrets(millpond.new_swarm_secret())
    assert strange.value.reason == "other_swarm"


def test_another_secret_is_refused_with_its_reason(
    open_node: Opens, online: dict[str, Any]
) -> None:
    one = open_node(**online)
    stranger = open_node(swarm=millpond.new_swarm_secret(), **online)
    said = millpond.parse_ticket(one.ticket())
    with pytest.raises(millpond.PeerRefused) as raised:
        stranger.connect(f"{said.node_id}@{','.join(said.addresses)}", timeout=WAIT)
    assert raised.value.reason == "wrong_secret"
    assert isinstance(raised.value, ConnectionRefusedError)


def test_asyncio_nodes_exchange_events_too(
    tmp_path: Path, secret: str, online: dict[str, Any]
) -> None:
    said = {"app": "test", "swarm": secret} | online

    async def main() -> list[Any]:
        async with (
            aio.open(tmp_path / "1", **said) as one,
            aio.open(tmp_path / "2", **said) as other,
            other.subscribe("FROM 'a'") as events,
        ):
            await other.connect(await one.ticket(), timeout=WAIT)
            await one.publish_all([(number, ["a"]) for number in range(300)])
            seen = []
            async for event in events:
                seen.append(event.payload)
                if len(seen) == 300:
                    break
            return seen

    assert asyncio.run(asyncio.wait_for(main(), WAIT)) == list(range(300))


def test_a_peer_beyond_1024_is_refused_in_words(open_node: Opens, online: dict[str, Any]) -> None:
    known = [f"{number:064x}@127.0.0.1:9" for number in range(1024)]
    one, other = open_node(**online, peers=known), open_node(**online)
    with pytest.raises(millpond.LimitExceeded, match="1024 peers.*disconnect"):
        one.connect(other.ticket(), timeout=WAIT)
    peers = one.status()["peers"]
    assert len(peers) == 1024 and peers[0]["named"]
    assert peers[0].keys() == millpond.PeerStatus.__annotations__.keys()
    one.disconnect(f"{0:064x}")
    one.disconnect(f"{0:064x}")  # Nobody minds.
    one.connect(other.ticket(), timeout=WAIT)
