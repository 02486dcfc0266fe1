"""The testing kit: accounts, claims and restored disks of a lab."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import millpond
from millpond import Account, Doing, Fish, Node, Standing
from millpond._held_clock import HeldClock
from millpond.testing import Lab, LabNode, explore

NUMBERS: Fish[int] = Fish("numbers", 1, "FROM 'number'", 0, lambda state, event: state + 1)


def spend(node: Node | LabNode, amount: int) -> int:
    """What an application does: it knows nothing of labs. Gives what it took."""
    steel: Account = node.account("steel")
    try:
        steel.withdraw(amount, note={"order": 7}, timeout=5)
    except millpond.Overdraft as error:
        if error.available == 0:
            return 0
        steel.withdraw(error.available, timeout=5)
        return error.available
    return amount


def divided(lab: Lab) -> None:
    """1,000 in London, and New York may spend 400 of it."""
    steel = lab.node(0).account("steel")
    steel.create(1_000, floor=0, shares={lab.node(1).id: 400})
    lab.settle()


def test_what_withdraws_from_an_account_runs_on_a_node_and_in_a_lab(node: Node) -> None:
    node.account("steel").create(1_000, floor=0)
    lab = Lab(1)
    lab.node(0).account("steel").create(1_000, floor=0)
    for each in (node, lab.node(0)):
        assert [spend(each, 900), spend(each, 900), spend(each, 1)] == [900, 100, 0]
        report = each.account("steel").report()
        assert (report["balance"], report["available"]) == (0, 0)


def test_london_and_new_york_divide_an_account_with_every_seed() -> None:
    def scenario(seed: int) -> None:
        lab = Lab(2, seed=seed)
        london, new_york = lab.node(0), lab.node(1)
        divided(lab)
        lab.cut([0], [1])
        london.account("steel").withdraw(500)
        lab.advance(lab.below(60))
        with pytest.raises(millpond.Overdraft) as caught:
            new_york.account("steel").withdraw(900)
        assert (caught.value.wanted, caught.value.available) == (900, 400)
        assert [(each.stream, each.amount) for each in caught.value.elsewhere] == [
            (f"{london.id}-0", 600)
        ]
        new_york.account("steel").withdraw(400)
        lab.chaos()
        lab.calm()
        lab.check()
        reports = [node.account("steel").report() for node in (london, new_york)]
        assert [report["available"] for report in reports] == [100, 0]
        plain = [
            {**report, "available": None, "own_stream": None, "as_of": report["as_of"].token}
            for report in reports
        ]
        assert plain[0] == plain[1] and plain[0]["balance"] == 100

    explore(scenario)


def test_requests_are_answered_while_time_passes() -> None:
    lab = Lab(2)
    divided(lab)
    london, new_york = (lab.node(index).account("steel") for index in (0, 1))
    london.answer_requests(reserve=300)
    new_york.request(500)
    assert new_york.report()["available"] == 400
    lab.advance(60)
    assert new_york.report()["available"] == 700
    new_york.withdraw(700)
    london.stop_answering()
    new_york.request(100)
    lab.advance(60)
    assert new_york.report()["available"] == 0
    assert [each["outstanding"] for each in london.report()["requests"]] == [100]
    lab.node(0).claim("crane").create()
    lab.node(0).claim("crane").hand_over_when_asked(True)
    lab.settle()
    crane = lab.node(1).claim("crane")
    crane.request(True)
    lab.advance(60)
    fence = crane.report()["own_fence"]
    assert fence is not None and lab.node(0).claim("crane").report()["own_fence"] is None
    millpond.fence_admits(None, fence)


def both_say_so(lab: Lab) -> tuple[Doing, Doing]:
    """Two nodes that do not reach each other say that they do one thing; the first one wins."""
    lab.cut([0], [1])
    first = lab.node(0).do_optimistically("order 7", {"truck": 1})
    lab.node(1).publish(1)
    return first, lab.node(1).do_optimistically("order 7")


def test_who_has_lost_is_told_so_when_time_has_passed() -> None:
    lab = Lab(2)
    won, lost = both_say_so(lab)
    told: list[Standing] = []
    won.on_loss(told.append)
    lost.on_loss(told.append)

    def undo(standing: Standing) -> None:
        told.append(standing)
        lab.node(1).publish("undone", ["undone"])
        lost.release()

    lost.on_loss(undo)
    standing = lost.next()
    assert standing is not None and standing.standing == "won"
    with pytest.raises(millpond.Timeout):
        lost.next()
    lab.heal()
    assert told == []
    lab.settle()
    assert [(each.standing, each.winner, each.note) for each in told] == [
        ("lost", won.key, {"truck": 1})
    ] * 2
    assert len(lab.node(0).query("FROM 'undone'").to_list()) == 1, "what hooks publish settles"
    standing = lost.next()
    assert standing is not None and standing.standing == "released"
    who = lab.node(0).who_does("order 7")
    assert [each["key"] for each in who["doers"]] == [str(won.key)]
    assert who["winner"] is not None and who["winner"]["note"] == {"truck": 1}
    assert lab.node(1).own_doing("order 7") is None
    own = lab.node(0).own_doing("order 7")
    assert own is not None and own.key == won.key
    with lost:
        pass
    assert list(lost) == []
    with pytest.raises(millpond.Closed):
        lost.on_loss(told.append)


def test_a_hook_is_called_at_once_where_it_has_lost_and_what_it_raises_is_seen() -> None:
    lab = Lab(2)
    _, lost = both_say_so(lab)
    lab.calm()

    def refuse(_: Standing) -> None:
        raise LookupError("nothing to undo")

    with pytest.raises(LookupError):
        lost.on_loss(refuse)
    lab.settle()


def test_who_listens_for_a_loss_ends_with_the_process_of_its_node() -> None:
    lab = Lab(2)
    _, lost = both_say_so(lab)
    told: list[Standing] = []
    lost.on_loss(told.append)
    lab.crash(1)
    lab.calm()
    assert (told, lost.next()) == ([], None)
    again = lab.node(1).own_doing("order 7")
    assert again is not None
    again.on_loss(told.append)
    assert len(told) == 1


def test_what_a_restored_disk_held_is_frozen_until_it_is_recovered() -> None:
    lab = Lab(2)
    divided(lab)
    backup, steel = lab.back_up(1), lab.node(1).account("steel")
    steel.withdraw(100)
    lab.settle()
    lab.restore(1, backup)
    assert not lab.is_up(1)
    with pytest.raises(millpond.Closed):
        steel.withdraw(1)
    lab.start(1)
    with pytest.raises(millpond.Overdraft):
        steel.withdraw(1)
    with pytest.raises(millpond.NotYetVisible):
        steel.recover()
    lab.settle()
    steel.recover()
    assert steel.report()["available"] == 300
    lab.calm()
    lab.check()
    with pytest.raises(millpond.InvalidArgument):
        lab.restore(0, backup)
    with pytest.raises(millpond.InvalidArgument):
        Lab(2).restore(1, backup)


def test_a_withdrawal_that_is_tried_again_after_a_death_needs_a_key() -> None:
    def taken(seed: int, with_key: bool) -> int:
        lab = Lab(1, seed=seed, faults=3)
        steel = lab.node(0).account("steel")

        def until_done(deed: Any, key: str | None, *given: int, **named: int) -> None:
            while True:
                try:
                    deed(*given, **named, idempotency_key=key)
                except millpond.Closed:
                    lab.start(0)
                else:
                    return

        until_done(steel.create, "begin", 1_000, floor=0)
        for order in range(8):
            until_done(steel.withdraw, str(order) if with_key else None, 10)
        return 1_000 - steel.report()["balance"]

    assert all(taken(seed, True) == 80 for seed in range(1, 21))
    assert any(taken(seed, False) > 80 for seed in range(1, 21))


def test_sessions_tokens_and_subscriptions_are_as_on_a_node_or_refused() -> None:
    lab = Lab(2)
    divided(lab)
    lab.cut([0], [1])
    session, steel = lab.node(0).session(), lab.node(1).account("steel")
    published = lab.node(0).account("steel").withdraw(1, session=session)
    for name in ({"session": session}, {"after": published.token}):
        with pytest.raises(millpond.NotYetVisible) as caught:
            steel.report(**name)  # type: ignore[arg-type]
        assert list(caught.value.missing.values()) == [1]
    with pytest.raises(millpond.NotYetVisible):
        steel.withdraw(1, session=session)
    lab.heal()
    lab.settle()
    assert steel.report(session=session)["balance"] == 999
    for subscribe in (steel.subscribe, lab.node(1).claim("crane").subscribe):
        with pytest.raises(millpond.InvalidArgument):
            subscribe()
    with pytest.raises(millpond.NotFound):
        lab.node(1).account("copper").report()
    with pytest.raises(millpond.InvalidArgument):
        lab.node(1).account("steel", id="no id").report()


def test_what_cannot_match_a_query_is_not_waited_for() -> None:
    lab = Lab(2)
    token = lab.node(1).publish(1, ["grain"]).token
    node = lab.node(0)
    node.wait_for(token, query="FROM isLocal & 'grain'")
    for query in (None, "FROM 'grain'"):
        with pytest.raises(millpond.NotYetVisible):
            node.wait_for(token, query=query)
    with pytest.raises(millpond.QueryInvalid):
        node.wait_for(token, query="FROM")

    async def awaited() -> None:
        await lab.aio_node(0).wait_for(token, query="FROM isLocal & 'grain'")
        with pytest.raises(millpond.NotYetVisible):
            await lab.aio_node(0).wait_for(token)

    asyncio.run(awaited())


def test_an_interrupt_between_a_job_and_its_answer_leaves_the_lab_usable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = Lab(1)
    lab.node(0).publish(1, ["number"])
    with monkeypatch.context() as patched:

        @contextmanager
        def interrupted(_: HeldClock, now: float) -> Iterator[None]:
            raise KeyboardInterrupt
            yield

        patched.setattr(HeldClock, "held", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lab.node(0).state(NUMBERS)
    lab.advance(1)
    assert lab.node(0).state(NUMBERS).value == 1


def test_in_asyncio_accounts_and_claims_of_a_lab_are_awaited() -> None:
    lab = Lab(2)

    async def scenario() -> None:
        one, other = lab.aio_node(0), lab.aio_node(1)
        await one.account("steel").create(1_000, floor=0, shares={other.id: 400})
        lab.settle()
        with pytest.raises(millpond.Overdraft):
            await other.account("steel").withdraw(900)
        await other.account("steel").withdraw(400)
        assert (await other.account("steel").report())["available"] == 0
        one.account("steel").answer_requests()
        await other.account("steel").request(100)
        await one.claim("crane").create()
        lab.advance(60)
        assert (await other.account("steel").report())["available"] == 100
        assert (await other.claim("crane").report())["own_fence"] is None
        lab.cut([0], [1])
        await one.publish(1)
        won = await other.do_optimistically("order 7", "first")
        await one.publish(1)
        lost = await one.do_optimistically("order 7")
        told = asyncio.get_running_loop().create_future()

        async def undo(standing: Standing) -> None:
            await lost.release()
            told.set_result(standing)

        async with lost:
            lost.on_loss(undo)
            lab.calm()
            standing = await told
            assert (standing.winner, standing.note) == (won.key, "first")
            assert [each.standing async for each in lost_once(lost)] == ["released"]
        assert (await one.who_does("order 7"))["doers"][0]["node"] == other.id
        assert await one.own_doing("order 7") is None
        own = await other.own_doing("order 7")
        assert own is not None and own.key == won.key

    async def lost_once(doing: Any) -> Any:
        yield await doing.next()

    asyncio.run(scenario())


COUNTED: Fish[int] = Fish("counted", 1, "FROM 'order'", 0, lambda state, event: state + 1)


def test_an_effect_that_is_kept_running_sees_each_state_that_time_brings() -> None:
    lab = Lab(2)
    seen: list[int] = []

    def confirm(count: int) -> list[millpond.Draft]:
        seen.append(count)
        return [millpond.Draft(count, ["confirmed"])]

    node = lab.node(0)
    node.keep_running(COUNTED, confirm, lambda count: count >= 3, timeout=5)
    assert seen == [0], "it runs now"
    lab.node(1).publish(1, ["order"])
    assert seen == [0]
    lab.settle()
    lab.advance(1)
    assert seen == [0, 1], "once for each state"
    for _ in range(3):
        lab.node(1).publish(1, ["order"])
    lab.calm()
    lab.node(1).publish(1, ["order"])
    lab.calm()
    assert seen == [0, 1], "it ended with the state that was asked for"
    assert [event.payload for event in node.query("FROM 'confirmed'")] == [0, 1]
    node.keep_running(COUNTED, confirm)
    lab.crash(0)
    lab.start(0)
    lab.node(1).publish(1, ["order"])
    lab.calm()
    assert seen == [0, 1, 5], "it ended with the process"


def test_what_an_effect_that_is_kept_running_raises_comes_out_where_time_passes() -> None:
    lab = Lab(1)
    seen: list[int] = []

    def failing(count: int) -> None:
        if count > 0:
            raise LookupError("no such order")

    lab.node(0).keep_running(COUNTED, failing)
    lab.node(0).keep_running(COUNTED, lambda count: seen.append(count))
    lab.node(0).publish(1, ["order"])
    with pytest.raises(millpond.UserCode) as caught:
        lab.advance(1)
    assert (caught.value.reason, type(caught.value.__cause__)) == ("effect", LookupError)
    lab.advance(1)
    assert seen == [0, 1], "the other one goes on"


def test_in_asyncio_an_effect_that_is_kept_running_is_a_task() -> None:
    lab = Lab(2)
    seen: list[int] = []

    async def confirm(count: int) -> list[millpond.Draft]:
        await asyncio.sleep(0)
        seen.append(count)
        return [millpond.Draft(count, ["confirmed"])]

    async def turns() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def scenario() -> None:
        node = lab.aio_node(0)
        task = asyncio.create_task(node.keep_running(COUNTED, confirm, lambda count: count >= 2))
        other = asyncio.create_task(lab.aio_node(1).keep_running(COUNTED, confirm))
        await turns()
        for _ in range(2):
            await node.publish(1, ["order"])
            lab.settle()
            await turns()
        await task
        assert sorted(seen) == [0, 0, 1, 1, 2]
        lab.crash(1)
        await other
        lab.calm()
        assert len(lab.node(0).query("FROM 'confirmed'").to_list()) == 5

    asyncio.run(scenario())
