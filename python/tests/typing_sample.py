"""What a user's type checker sees. Checked by mypy, never run."""

from typing import Any, assert_type

import millpond
from millpond import aio
from millpond import testing as millpond_testing


def blocking() -> None:
    with millpond.open("/var/lib/press", app="press", swarm=millpond.new_swarm_secret()) as node:
        assert_type(node, millpond.Node)
        published = node.publish({"job": 42, "parts": [1, 2.5, None, b"x"]}, tags=["press:7"])
        assert_type(published, millpond.Published)
        assert_type(published[0], millpond.Receipt)
        assert_type(published.token, millpond.Offsets)
        node.publish_all([millpond.Draft(1, ["a"]), ({"k": (1, 2)}, {"b"})], durability="process")
        answer = node.query("FROM allEvents", order="descending")
        assert_type(answer.to_list(), list[millpond.Event])
        assert_type(answer.explain(), millpond.Explanation)
        assert_type(answer.explain().actual, millpond.Looks)
        node.query("FROM allEvents", columns=["tags"])
        for event in node.subscribe("FROM allEvents", start=published.token):
            assert_type(event, millpond.Event)
            assert_type(event.payload, Any)
            assert_type(event.tags, tuple[str, ...])
            assert_type(event.key < event.key, bool)
        node.query("FROM allEvents", order="up")  # type: ignore[arg-type]
        node.query("FROM allEvents", columns=["colour"])  # type: ignore[list-item]
        node.publish(object())  # type: ignore[arg-type]


def fishing(node: millpond.Node) -> None:
    def step(state: dict[str, int], event: millpond.Event) -> dict[str, int]:
        return state | {event.app: event.lamport}

    empty: dict[str, int] = {}
    fish = millpond.Fish("apps", 1, "FROM allEvents", empty, step)
    assert_type(fish, millpond.Fish[dict[str, int]])
    for state in node.observe(fish, after=node.offsets()):
        assert_type(state, millpond.State[dict[str, int]])
        assert_type(state.value, dict[str, int])
        assert_type(state.token, millpond.Offsets)
    built_in = millpond.BuiltIn("FROM allEvents", millpond.folds.sum("/grams"))
    assert_type(node.state(built_in).value, millpond.Folded)
    done = node.run(fish, lambda state: [(len(state), ["apps"])])
    assert_type(done, millpond.Published | None)
    everything = node.observe_all("FROM 'seed'", lambda _: fish)
    assert_type(everything, millpond.AllObserver[dict[str, int]])
    for step_or_back in node.subscribe("FROM allEvents", order="key"):
        assert_type(step_or_back, millpond.Event | millpond.Rewind)
    node.run(fish, lambda state: 5)  # type: ignore[arg-type, return-value]
    assert_type(node.account("steel").report(), millpond.AccountReport)
    assert_type(node.claim("crane").report()["own_fence"], str | None)
    assert_type(node.account("steel").deposit(1), millpond.Published)
    assert_type(node.account("steel").subscribe().next(), millpond.AccountReport | None)
    assert_type(node.subscribe_status().next(), millpond.Status | None)


async def awaiting() -> None:
    node = await aio.open("/var/lib/press", app="press")
    assert_type(node, aio.Node)
    async with aio.open("/var/lib/press", app="press") as other:
        assert_type(other, aio.Node)
    assert_type(await node.publish("text"), millpond.Published)
    assert_type(await node.query("FROM allEvents").to_list(), list[millpond.Event])
    async with node.subscribe("FROM allEvents") as events:
        assert_type(await events.next(timeout=1), millpond.Event | None)
        async for event in events:
            assert_type(event, millpond.Event)


async def fishing_awaited(node: aio.Node, fish: millpond.Fish[int]) -> None:
    async for state in node.observe(fish):
        assert_type(state.value, int)

    async def effect(count: int) -> list[millpond.Draft]:
        return [millpond.Draft(count)]

    assert_type(await node.run(fish, effect), millpond.Published | None)
    assert_type(await node.account("steel").withdraw(1), millpond.Published)
    assert_type(await node.account("steel").report(), millpond.AccountReport)
    reports = node.claim("crane").subscribe()
    assert_type(await reports.next(), millpond.ClaimReport | None)
    async with node.subscribe("FROM allEvents", order="key") as steps:
        assert_type(await steps.next(), millpond.Event | millpond.Rewind | None)


async def testing(fish: millpond.Fish[int]) -> None:
    lab = millpond_testing.Lab(3, seed=7)
    node = lab.node(0)
    assert_type(node.publish(1, ["piece"], idempotency_key="7"), millpond.Published)
    assert_type(node.query("FROM 'piece'").to_list(), list[millpond.Event])
    assert_type(node.state(fish), millpond.State[int])
    built_in = millpond.BuiltIn("FROM 'piece'", millpond.folds.count())
    assert_type(node.state(built_in).value, millpond.Folded)
    assert_type(node.run(fish, lambda count: None), millpond.Published | None)
    node.run(fish, lambda count: 5)  # type: ignore[arg-type, return-value]
    assert_type(node.observe(fish).next(), millpond.State[int] | None)
    other = lab.aio_node(1)

    async def effect(count: int) -> list[millpond.Draft]:
        return [millpond.Draft(count)]

    assert_type(await other.run(fish, effect), millpond.Published | None)
    assert_type((await other.state(fish)).value, int)
    async for state in other.observe(fish):
        assert_type(state.value, int)
    steel: millpond.Account = node.account("steel")
    assert_type(steel.withdraw(1), millpond.Published)
    assert_type(node.claim("crane").report(), millpond.ClaimReport)
    assert_type(node.who_does("order 7"), millpond.WhoDoes)
    doing: millpond.Doing = node.do_optimistically("order 7", 1)
    doing.on_loss(lambda standing: standing.winner)
    assert_type(await other.account("steel").withdraw(1), millpond.Published)
    assert_type(await other.account("steel").report(), millpond.AccountReport)
    assert_type(await (await other.do_optimistically("order 7")).next(), millpond.Standing | None)
    lab.restore(0, lab.back_up(0))
    lab.check(fish, built_in)
    millpond_testing.check_grow_only(fish, lab.events(fish))
    assert_type(millpond_testing.lint(built_in), millpond.Monotonicity)


def failing() -> None:
    try:
        blocking()
    except millpond.QueryInvalid as error:
        assert_type(error.position, int | None)
        assert_type(error.retryable, bool)
    except millpond.NotYetVisible as error:
        assert_type(error.missing["stream"], int)
    except millpond.Overdraft as error:
        assert_type(error.elsewhere, list[millpond.Elsewhere])
    except millpond.Error as error:
        assert_type(error.code, int)
