"""Accounts and claims: scarce things, divided among nodes that may be cut off."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import millpond
from millpond import Node
from pond import WAIT
from support import ROOT

Open = Callable[..., Node]


@pytest.fixture
def pair(open_node: Open, online: dict[str, Any]) -> tuple[Node, Node]:
    """Two nodes of one swarm that have met."""
    one, other = open_node(**online), open_node(**online)
    one.connect(other.ticket(), timeout=WAIT)
    return one, other


def test_an_account_is_created_filled_and_spent(node: Node) -> None:
    steel = node.account("steel")
    with pytest.raises(millpond.NotFound):
        steel.report()
    steel.create(100, floor=10)
    steel.deposit(20, note={"truck": 7})
    published = steel.withdraw(90)
    assert len(published) == 1
    report = steel.report(after=published.token)
    assert (report["balance"], report["floor"], report["available"]) == (30, 10, 20)
    assert report["own_stream"] == node.stream
    [holding] = report["holdings"]
    assert (holding["node"], holding["amount"], holding["is_frozen"]) == (node.id, 20, False)
    assert report["violations"] == report["rivals"] == []
    assert report["as_of"].covers(published.token)
    with pytest.raises(millpond.Conflict) as caught:
        steel.create(1, floor=0)
    assert caught.value.reason == "exists"


def test_a_deed_with_a_key_is_done_once(node: Node) -> None:
    steel = node.account("steel")
    steel.create(100, floor=0, idempotency_key="begin")
    assert steel.create(100, floor=0, idempotency_key="begin").replayed
    first = steel.withdraw(100, note=7, idempotency_key=b"order 17")
    again = steel.withdraw(100, note=7, idempotency_key="order 17")
    assert (again.replayed, again[0].key) == (True, first[0].key)
    assert steel.report()["balance"] == 0
    with pytest.raises(millpond.Conflict) as caught:
        steel.withdraw(100, idempotency_key="order 17")
    assert caught.value.reason == "idempotency_key"
    claim = node.claim("M-017")
    claim.create(idempotency_key="claim")
    assert claim.create(idempotency_key="claim").replayed
    doing = node.do_optimistically("weld")
    doing.release(idempotency_key="done")
    with node.do_optimistically("weld"):
        assert doing.release(idempotency_key="done").replayed
        assert node.own_doing("weld") is not None


def test_a_withdrawal_of_more_than_is_held_here_says_who_holds_the_rest(
    pair: tuple[Node, Node],
) -> None:
    london, new_york = pair
    created = london.account("steel").create(1_000, floor=0, shares={new_york.id: 400})
    steel = new_york.account("steel")
    with pytest.raises(millpond.Overdraft) as caught:
        steel.withdraw(900, after=created.token, timeout=WAIT)
    error = caught.value
    assert (error.wanted, error.available, error.recoverable) == (900, 400, 0)
    assert error.elsewhere == [(london.stream, 600, False)]
    assert error.elsewhere[0].amount == 600
    assert error.details["wanted"] == 900
    steel.withdraw(error.available)
    with pytest.raises(millpond.Overdraft) as caught:
        steel.withdraw(1)
    assert caught.value.available == 0


def test_rights_are_granted_and_requests_are_answered(pair: tuple[Node, Node]) -> None:
    one, other = pair
    created = one.account("wood").create(100, floor=0)
    theirs = other.account("wood")
    granted = one.account("wood").grant(other.id, 5)
    theirs.withdraw(5, after=granted.token, timeout=WAIT)
    one.account("wood").answer_requests(reserve=30)
    asked = theirs.request(50, after=created.token, timeout=WAIT)
    reports = theirs.subscribe()
    while (report := reports.next(timeout=WAIT))["available"] < 50:
        pass
    assert report["balance"] == 95
    assert report["as_of"].covers(asked.token)
    one.account("wood").stop_answering()


def test_amounts_that_are_none_are_refused(node: Node) -> None:
    steel = node.account("steel")
    steel.create(10, floor=0)
    with pytest.raises(millpond.InvalidArgument):
        steel.withdraw(0)
    with pytest.raises(millpond.InvalidArgument):
        steel.withdraw(-1)
    with pytest.raises(millpond.LimitExceeded):
        steel.deposit(2**53)
    for wrong in (True, 1.5, "1"):
        with pytest.raises(TypeError):
            steel.withdraw(wrong)  # type: ignore[arg-type]
    with pytest.raises(millpond.InvalidArgument):
        steel.grant("nobody", 1)
    with pytest.raises(millpond.InvalidArgument):
        node.account("").create(1, floor=0)


def test_nothing_is_recovered_where_no_former_stream_holds_anything(node: Node) -> None:
    steel = node.account("steel")
    steel.create(10, floor=0)
    with pytest.raises(millpond.NotFound):
        steel.recover()
    with pytest.raises(millpond.NotFound):
        steel.recover_alone()


def test_a_claim_moves_and_its_holder_is_known(pair: tuple[Node, Node]) -> None:
    one, other = pair
    crane, theirs = one.claim("crane 4"), other.claim("crane 4")
    assert crane.report()["holder"] is None
    created = crane.create()
    holder = crane.report()["holder"]
    assert holder is not None
    assert (holder["node"], holder["fence"]) == (one.id, 1)
    assert crane.report()["own_fence"] is not None
    assert theirs.report(after=created.token, timeout=WAIT)["own_fence"] is None
    with pytest.raises(millpond.NotFound) as caught:
        theirs.transfer(one.id)
    assert caught.value.reason == "not_held"
    moved = crane.transfer(other.id)
    report = theirs.report(after=moved.token, timeout=WAIT)
    assert report["own_fence"] is not None
    assert one.who_does("crane 4", after=moved.token)["holder"] == report["holder"]


def test_a_claim_is_handed_over_when_it_is_asked_for(pair: tuple[Node, Node]) -> None:
    one, other = pair
    created = one.claim("crane").create()
    one.claim("crane").hand_over_when_asked(True)
    other.claim("crane").request(True, after=created.token, timeout=WAIT)
    for report in other.claim("crane").subscribe():
        if report["own_fence"] is not None:
            break
    one.claim("crane").hand_over_when_asked(False)


def test_reports_end_with_the_node(open_node: Open) -> None:
    node = open_node()
    node.account("steel").create(10, floor=0)
    reports = node.account("steel").subscribe()
    assert next(reports)["balance"] == 10
    with pytest.raises(millpond.Timeout):
        reports.next(timeout=0.01)
    threading.Timer(0.05, node.close).start()
    assert list(reports) == []


def test_applications_cannot_publish_the_events_of_accounts(node: Node) -> None:
    with pytest.raises(millpond.InvalidArgument) as caught:
        node.publish({"op": "deposit"}, ["millpond:escrow:steel"])
    assert caught.value.reason == "reserved_tag"


def test_the_story_of_london_and_new_york_is_told_three_ways() -> None:
    command = [sys.executable, str(ROOT / "python" / "examples" / "steel.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "available but wrong:",
        "  cut off: London takes 500: True, New York takes 900: True",
        "  together again: the balance is -400",
        "consistent but refusing:",
        "  cut off: New York takes nothing, 1 event missing",
        "  together again: the balance is -500",
        "escrow:",
        "  cut off: New York is refused 900: 400 here, 600 in London",
        "  together again: the balance is 100, and London holds it",
    ]


def test_a_machine_refuses_who_does_not_know_that_the_claim_has_moved(
    pair: tuple[Node, Node],
) -> None:
    one, other = pair
    crane, theirs = one.claim("crane"), other.claim("crane")
    crane.create()
    first = crane.report()["own_fence"]
    moved = crane.transfer(other.id)
    second = theirs.report(after=moved.token, timeout=WAIT)["own_fence"]
    assert first is not None
    assert second is not None
    millpond.fence_admits(None, first)
    millpond.fence_admits(first, first)
    millpond.fence_admits(first, second)
    with pytest.raises(millpond.Conflict) as caught:
        millpond.fence_admits(second, first)
    assert caught.value.reason == "fenced"
    with pytest.raises(millpond.InvalidArgument):
        millpond.fence_admits(None, "7")


def test_accounts_of_one_name_are_rivals_and_each_can_be_meant(
    open_node: Open, online: dict[str, Any]
) -> None:
    one, other = open_node(**online), open_node(**online)
    one.account("wood").create(10, floor=0)
    created = other.account("wood").create(20, floor=0)
    one.connect(other.ticket(), timeout=WAIT)
    report = one.account("wood").report(after=created.token, timeout=WAIT)
    assert report["balance"] == 10
    [rival] = report["rivals"]
    assert rival["balance"] == 20
    assert rival["available"] == 0
    with pytest.raises(millpond.Overdraft):
        one.account("wood", id=rival["id"]).withdraw(1)
    one.account("wood", id=report["id"]).withdraw(1)
    with pytest.raises(millpond.InvalidArgument):
        one.account("wood", id="none").withdraw(1)
    # What is read is of that account, too.
    meant = one.account("wood", id=rival["id"])
    assert (meant.report()["id"], meant.report()["balance"]) == (rival["id"], 20)
    with meant.subscribe() as reports:
        told = reports.next(timeout=WAIT)
        assert told is not None
        assert told["id"] == rival["id"]
    for wrong in ("none", "ab" * 15):
        with pytest.raises(millpond.InvalidArgument):
            one.account("wood", id=wrong).report()
        with pytest.raises(millpond.InvalidArgument):
            one.account("wood", id=wrong).subscribe().next(timeout=WAIT)
    for name in ("wood", "new"):
        with pytest.raises(millpond.Conflict) as caught:
            one.account(name, id=rival["id"]).create(5, floor=0)
        assert caught.value.reason == "exists"
    with pytest.raises(millpond.NotFound):
        one.account("new").report()
