"""`millpond` and `millpond.aio` have one surface."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest

import millpond
from millpond import aio, testing

WAITS = {
    "Node": {
        *("publish", "publish_all", "connect", "disconnect"),
        *("set_network", "set_secrets", "ticket", "status", "metrics", "verify", "compact"),
        *("state", "run", "keep_running", "wait_for", "who_does", "close"),
        *("do_optimistically", "own_doing"),
    },
    "BlobWork": {"result", "close"},
    "Blobs": {"add", "open", "get", "export"},
    "Account": {
        *("create", "deposit", "withdraw", "grant", "request", "recover", "recover_alone"),
        "report",
    },
    "AllObserver": {"next", "close"},
    "Claim": {"create", "transfer", "request", "recover", "recover_alone", "report"},
    "Doing": {"next", "release", "close"},
    "KeySubscription": {"next", "next_batch", "close"},
    "Observer": {"next", "close"},
    "OneObserver": {"next", "close"},
    "ReportSubscription": {"next", "close"},
    "StatusSubscription": {"next", "close"},
    "Cursor": {"next", "next_batch", "to_list", "explain", "close"},
    "Subscription": {"next", "next_batch", "close"},
}
CLASSES = sorted(WAITS)
GIVEN: dict[str, dict[str, tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "Account": {
        "create": ((1,), {"floor": 0}),
        "deposit": ((1,), {}),
        "withdraw": ((1,), {}),
        "grant": (("ab" * 32, 1), {}),
        "request": ((1,), {}),
    },
    "Claim": {"transfer": (("ab" * 32,), {}), "request": ((True,), {})},
}
"""What the calls of classes whose methods are the same functions for both are given."""
NOT_ITERATED = {"Node", "Account", "Blobs", "Claim"}
NOT_CLOSED = {"Account", "Blobs", "Claim"}


def surface(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    signature = inspect.signature(function)
    return [(p.name, p.kind, p.default) for p in signature.parameters.values() if p.name != "self"]


@pytest.mark.parametrize("name", CLASSES)
def test_both_have_the_same_names(name: str) -> None:
    assert surface(getattr(millpond, name)) == surface(getattr(aio, name))


MEMBERS = [(kind, name) for kind in CLASSES for name in sorted(surface(getattr(aio, kind)))]


@pytest.mark.parametrize(("kind", "name"), MEMBERS)
def test_both_take_the_same_arguments_and_what_waits_is_awaited(kind: str, name: str) -> None:
    blocking, awaited = (getattr(getattr(module, kind), name) for module in (millpond, aio))
    if not callable(blocking):
        assert not callable(awaited)
        return
    assert parameters(blocking) == parameters(awaited)
    if kind in GIVEN and name in WAITS[kind]:
        assert blocking is awaited, "said once for both"
    else:
        assert inspect.iscoroutinefunction(awaited) == (name in WAITS[kind])
    assert not inspect.iscoroutinefunction(blocking)


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("given", ["right", "wrong"])
def test_what_is_said_once_is_awaited_in_asyncio_also_to_hear_what_is_wrong(
    kind: str, given: str, tmp_path: Path, secret: str
) -> None:
    async def main() -> None:
        async with aio.open(tmp_path, app="test", swarm=secret, network=False) as node:
            thing: Any = node.account("a") if kind == "Account" else node.claim("a")
            for name in sorted(WAITS[kind]):
                positional, named = GIVEN[kind].get(name, ((), {}))
                if given == "wrong":
                    named = named | {"timeout": -1}
                called = getattr(thing, name)(*positional, **named)
                assert inspect.iscoroutine(called)
                if given == "right":
                    called.close()
                    continue
                with pytest.raises(millpond.InvalidArgument):
                    await called

    asyncio.run(main())


def test_open_takes_the_same_arguments() -> None:
    assert parameters(millpond.open) == parameters(aio.open)


@pytest.mark.parametrize("kind", CLASSES)
def test_blocks_and_loops_have_their_awaited_twin(kind: str) -> None:
    twins = {}
    if kind not in NOT_CLOSED:
        twins = {"__enter__": "__aenter__", "__exit__": "__aexit__"}
    if kind not in NOT_ITERATED:
        twins |= {"__iter__": "__aiter__", "__next__": "__anext__"}
    for blocking, awaited in twins.items():
        assert hasattr(getattr(millpond, kind), blocking)
        assert hasattr(getattr(aio, kind), awaited)
        assert not hasattr(getattr(aio, kind), blocking)


def documented() -> list[tuple[str, Any]]:
    things: list[tuple[str, Any]] = []
    for module in (millpond, aio, millpond.logs, millpond.folds, testing):
        for name in getattr(module, "__all__", dir(module)):
            thing = getattr(module, name)
            if name.startswith("_") or not (inspect.isclass(thing) or inspect.isroutine(thing)):
                continue
            things.append((f"{module.__name__}.{name}", thing))
            if inspect.isclass(thing) and thing.__module__.startswith("millpond"):
                members = vars(thing).items()
                things.extend((f"{name}.{at}", it) for at, it in members if not at.startswith("_"))
    return things


@pytest.mark.parametrize(("name", "thing"), documented(), ids=lambda thing: str(thing)[:60])
def test_everything_public_says_what_it_is(name: str, thing: Any) -> None:
    if callable(thing) or isinstance(thing, property) or inspect.isgetsetdescriptor(thing):
        assert (getattr(thing, "__doc__", None) or "").strip(), name
