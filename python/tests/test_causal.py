"""Tokens: reads that are answered only from a log that covers what they name."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import millpond
from millpond import Node, Offsets
from pond import ALL, WAIT, counting, until

Open = Callable[..., Node]


@pytest.fixture
def pair(open_node: Open, online: dict[str, Any]) -> tuple[Node, Node]:
    """Two nodes of one swarm that have not met."""
    return open_node(**online), open_node(**online)


READS: dict[str, Callable[[Node, Any, float], object]] = {
    "query": lambda node, token, timeout: node.query(ALL, after=token, timeout=timeout),
    "subscribe": lambda node, token, timeout: node.subscribe(ALL, after=token, timeout=timeout),
    "subscribe by key": lambda node, token, timeout: node.subscribe(
        ALL, order="key", after=token, timeout=timeout
    ),
    "observe": lambda node, token, timeout: node.observe(counting(), after=token, timeout=timeout),
    "state": lambda node, token, timeout: node.state(counting(), after=token, timeout=timeout),
    "who_does": lambda node, token, timeout: node.who_does("x", after=token, timeout=timeout),
    "wait_for": lambda node, token, timeout: node.wait_for(token, timeout=timeout),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_says_what_is_missing_of_the_token_it_names(
    pair: tuple[Node, Node], name: str
) -> None:
    here, there = pair
    published = there.publish_all([(number, ()) for number in range(3)])
    for token in (published.token, str(published.token)):
        with pytest.raises(millpond.NotYetVisible) as caught:
            READS[name](here, token, 0.01)
        assert caught.value.missing == {published.stream: 3}
        assert caught.value.retryable


@pytest.mark.parametrize("name", READS)
def test_a_read_waits_for_the_token_it_names(pair: tuple[Node, Node], name: str) -> None:
    here, there = pair
    token = there.publish(1).token
    here.connect(there.ticket(), timeout=WAIT)
    READS[name](here, token, WAIT)
    assert len(here.query(ALL).to_list()) == 1


def test_a_read_of_a_query_waits_only_for_what_can_match_it(pair: tuple[Node, Node]) -> None:
    here, there = pair
    token = there.publish(1, ["their own"]).token
    here.wait_for(token, query="FROM isLocal", timeout=0)
    with pytest.raises(millpond.NotYetVisible):
        here.wait_for(token, query="FROM 'their own'", timeout=0)


def test_states_that_are_observed_after_a_token_cover_it(node: Node) -> None:
    fish = counting()
    with node.observe(fish) as early:
        assert early.next(timeout=WAIT) is not None
        token = node.publish_all([(number, ()) for number in range(100)]).token
        with node.observe(fish, after=token, timeout=WAIT) as states:
            state = states.next(timeout=WAIT)
            assert state is not None
            assert state.value == 100
            assert state.token.covers(token)


def test_tokens_are_merged(pair: tuple[Node, Node]) -> None:
    here, there = pair
    one, other = here.publish(1).token, there.publish_all([(1, ()), (2, ())]).token
    merged = Offsets.merge([one, str(other), one])
    assert merged == one | other
    assert merged.total == 3
    assert Offsets.merge([]) == Offsets()
    assert Offsets(str(merged)) == merged
    with pytest.raises(millpond.InvalidArgument):
        Offsets.merge(["no token"])


def test_a_session_reads_its_own_writes_on_another_node(pair: tuple[Node, Node]) -> None:
    here, there = pair
    with here.session() as session:
        published = here.publish("written", session=session)
        assert session.token.covers(published.token)
        with pytest.raises(millpond.NotYetVisible) as caught:
            there.query(ALL, session=session, timeout=0)
        assert caught.value.missing == {published.stream: 1}
        there.connect(here.ticket(), timeout=WAIT)
        found = there.query(ALL, session=session, timeout=WAIT).to_list()
        assert [event.payload for event in found] == ["written"]


def test_a_session_never_goes_back_in_time(pair: tuple[Node, Node]) -> None:
    here, there = pair
    published = here.publish("read")
    with there.session() as session:
        assert here.state(counting(), session=session, timeout=WAIT).value == 1
        assert session.token.covers(published.token)
        with pytest.raises(millpond.NotYetVisible):
            there.state(counting(), session=session, timeout=0)


def test_what_a_session_writes_stands_after_what_it_read(pair: tuple[Node, Node]) -> None:
    here, there = pair
    here.publish_all([(number, ()) for number in range(5)])
    with here.session() as session:
        here.query(ALL, session=session).to_list()
        with pytest.raises(millpond.NotYetVisible):
            there.publish("answer", session=session, timeout=0)
        there.connect(here.ticket(), timeout=WAIT)
        answer = there.publish("answer", session=session, timeout=WAIT)
        assert answer[0].key.lamport > 5


def test_an_effect_that_is_kept_running_goes_on_when_what_its_session_came_to_see_is_here(
    pair: tuple[Node, Node],
) -> None:
    here, there = pair
    fish, started = counting(), threading.Event()
    seen: list[int] = []

    def effect(count: int) -> list[tuple[int, tuple[str, ...]]]:
        seen.append(count)
        started.set()
        return [(count, ())] if count else []

    with here.session() as session, ThreadPoolExecutor(1) as pool:
        kept = pool.submit(
            here.keep_running, fish, effect, lambda count: count == 3, session=session, timeout=WAIT
        )
        assert started.wait(WAIT)
        session.sees(there.publish("elsewhere").token)
        here.publish("here")
        assert here.state(fish, timeout=WAIT).value == 1
        here.connect(there.ticket(), timeout=WAIT)
        assert kept.result(WAIT) is None
    assert seen == [0, 2], "on no state without what the session had seen"


def test_an_effect_that_is_kept_running_says_in_the_end_what_its_session_waited_for(
    pair: tuple[Node, Node],
) -> None:
    here, there = pair
    published = there.publish("elsewhere")
    with here.session() as session:

        def effect(_count: int) -> None:
            session.sees(published.token)

        with pytest.raises(millpond.NotYetVisible) as caught:
            here.keep_running(counting(), effect, session=session, timeout=0.2)
        assert caught.value.missing == {published.stream: 1}


def test_a_session_takes_tokens_from_elsewhere_and_can_be_closed(node: Node) -> None:
    token = node.publish(1).token
    session = millpond.Session()
    session.sees(str(token))
    assert session.token == token
    session.close()
    session.close()
    with pytest.raises(millpond.Closed):
        session.token  # noqa: B018
    with pytest.raises(millpond.Closed):
        node.query(ALL, session=session)


def test_what_a_subscription_gave_a_session_has_seen(node: Node) -> None:
    token = node.publish(1).token
    with node.session() as session, node.subscribe(ALL, session=session) as events:
        assert events.next(timeout=WAIT) is not None
        assert session.token.covers(token)


def test_tokens_of_observed_states_fit_any_read(node: Node) -> None:
    with node.observe(counting()) as states:
        node.publish(1)
        state = until(states, lambda count: count == 1)
        assert len(node.query(ALL, after=state.token).to_list()) == 1


def test_an_error_that_says_what_is_missing_can_be_pickled(pair: tuple[Node, Node]) -> None:
    import pickle

    here, there = pair
    published = there.publish(1)
    with pytest.raises(millpond.NotYetVisible) as caught:
        here.wait_for(published.token, timeout=0)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.missing == {published.stream: 1}
    assert millpond.NotYetVisible().missing == {}
