"""The interpreter ends cleanly whatever is still open: exit status 0 and not a word."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import pytest

from support import run

ROUNDS = 50
LIVE_EXITS_MIN = 200
AT_ONCE = 3

STYLES = {
    "everything left open, with a network": """
        options |= dict(network=True, bind=["127.0.0.1:0"], discovery=False)
        node = millpond.open(path, **options)
        node.publish_all([(number, ()) for number in range(100)])
        events, cursor = node.subscribe(ALL), node.query(ALL)
        next(events), next(cursor)
    """,
    "daemon threads that wait and publish": """
        node = millpond.open(path, **options)
        started = threading.Event()
        def follow():
            for event in node.subscribe(ALL):
                started.set()
        def publish():
            while True:
                node.publish({"k": 1}, durability="process")
        for target in (follow, follow, publish):
            threading.Thread(target=target, daemon=True).start()
        started.wait()
        node.publish("last")
    """,
    "tasks left in a loop that ended": """
        async def main():
            global node, events
            node = await aio.open(path, **options)
            events = node.subscribe(ALL)
            await node.publish(1)
            await events.next()
            global tasks
            tasks = [asyncio.ensure_future(events.next()), asyncio.ensure_future(node.publish(2))]
            await asyncio.sleep(0)
        asyncio.run(main())
    """,
    "a clean asyncio program": """
        async def main():
            async with aio.open(path, **options) as node, node.subscribe(ALL) as events:
                await node.publish(1)
                async for event in events:
                    break
        asyncio.run(main())
    """,
    "sys.exit in the middle of an iteration, with a loop in a daemon thread": """
        node = millpond.open(path, **options)
        started = threading.Event()
        async def follow():
            other = await aio.open(path, **options)
            async for event in other.subscribe(ALL):
                started.set()
        threading.Thread(target=asyncio.run, args=[follow()], daemon=True).start()
        node.publish(1)
        started.wait()
        for event in node.subscribe(ALL):
            sys.exit(0)
    """,
}


WITHOUT_SUBSCRIPTION = "a clean asyncio program"
"""Closes what it opened; all others end with a live subscription."""


def test_at_least_200_exits_have_a_live_subscription() -> None:
    live = [style for style in STYLES if style != WITHOUT_SUBSCRIPTION]
    assert len(live) == len(STYLES) - 1
    assert all("subscribe(ALL)" in STYLES[style] for style in live)
    assert len(live) * ROUNDS >= LIVE_EXITS_MIN


@pytest.mark.parametrize("style", STYLES)
def test_the_interpreter_ends_without_a_word(style: str, tmp_path: Path, secret: str) -> None:
    def once(number: int) -> tuple[int, str, str]:
        return run(STYLES[style], tmp_path / str(number), secret)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(once, range(ROUNDS)))
    assert [end for end in ends if end != (0, "", "")] == []


def test_what_was_acknowledged_before_exit_is_there_after_it(tmp_path: Path, secret: str) -> None:
    write = "node = millpond.open(path, **options); node.publish('kept', ['a'])"
    read = "print([e.payload for e in millpond.open(path, **options).query(ALL)])"
    assert run(write, tmp_path, secret) == (0, "", "")
    assert run(read, tmp_path, secret) == (0, "['kept']\n", "")
