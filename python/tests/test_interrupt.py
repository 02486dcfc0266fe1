"""Ctrl-C ends every wait, and nothing is lost by it."""

from __future__ import annotations

import signal
import textwrap
from pathlib import Path

import pytest

from support import finish, start

# Each script says "ready" when it is about to wait. Nothing is published then and no call has a
# timeout, so only the signal can end it.
WAITS = {
    "next of a subscription": """
        with millpond.open(path, **options) as node, node.subscribe(ALL, start="now") as events:
            wait(lambda: events.next())
            node.publish("after")
            assert events.next().payload == "after"
    """,
    "iteration": """
        with millpond.open(path, **options) as node, node.subscribe(ALL) as events:
            node.publish_all([(number, ()) for number in range(10)])
            seen = []
            def follow():
                for event in events:
                    seen.append(event.payload)
                    if len(seen) == 10:
                        waiting.set()
            wait(follow, tell_now=False)
            node.publish(10)
            seen.append(events.next().payload)
            assert seen == list(range(11)), seen
    """,
    "next_batch": """
        with millpond.open(path, **options) as node, node.subscribe(ALL, start="now") as events:
            while not events.caught_up:
                events.next_batch()
            wait(lambda: events.next_batch())
    """,
    "next of a group": """
        fish = millpond.Fish("count", 1, ALL, 0, lambda count, _: count + 1)
        with (
            millpond.open(path, **options) as node,
            node.observe_all("FROM 'seed'", lambda _: fish) as group,
        ):
            node.publish(1, ["seed"])
            assert group.next() is not None
            wait(lambda: group.next())
            node.publish(2)
            assert group.next()["count"].value == 2
    """,
    "a turn": """
        fish = millpond.Fish("count", 1, ALL, 0, lambda count, _: count + 1)
        entered, go_on = threading.Event(), threading.Event()
        def hold(_count):
            entered.set()
            go_on.wait()
        with millpond.open(path, **options) as node:
            holder = threading.Thread(target=node.run, args=(fish, hold))
            holder.start()
            entered.wait()
            wait(lambda: node.run(fish, lambda _: [(1, ())]))
            go_on.set()
            holder.join()
            assert node.run(fish, lambda _: [(2, ())]) is not None
            assert [event.payload for event in node.query(ALL)] == [2]
    """,
    "next of reports": """
        with millpond.open(path, **options) as node:
            reports = node.claim("crane").subscribe()
            assert reports.next()["holder"] is None
            wait(lambda: reports.next())
            node.claim("crane").create()
            assert reports.next()["holder"] is not None
    """,
    # The interpreter may go to sleep in the selector of its loop just after a signal came, and then
    # sees it when it next wakes, whoever waits for what: the ticks wake it.
    "an asyncio loop": """
        def tick():
            asyncio.get_running_loop().call_later(0.05, tick)
        async def follow():
            tick()
            async with aio.open(path, **options) as node, node.subscribe(ALL) as events:
                asyncio.get_running_loop().call_soon(waiting.set)
                async for event in events:
                    pass
        wait(lambda: asyncio.run(follow()), tell_now=False)
    """,
}

# A shell that runs the tests in the background has its children ignore Ctrl-C.
HEAR = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

SCRIPT = """
waiting = threading.Event()
def wait(call, tell_now=True):
    def tell():
        waiting.wait()
        print("ready", flush=True)
    threading.Thread(target=tell, daemon=True).start()
    try:
        if tell_now:
            waiting.set()
        call()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    else:
        raise AssertionError("the wait ended by itself")
"""


@pytest.mark.parametrize("name", WAITS)
def test_ctrl_c_ends_a_wait_that_nothing_else_would_end(
    name: str, tmp_path: Path, secret: str
) -> None:
    code = HEAR + SCRIPT + textwrap.dedent(WAITS[name])
    process = start(code, tmp_path / "log", secret)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", finish(process)
    process.send_signal(signal.SIGINT)
    assert finish(process) == (0, "interrupted\n", "")


def test_a_signal_handler_that_raises_nothing_does_not_end_the_wait(
    tmp_path: Path, secret: str
) -> None:
    code = """
    import signal
    heard = []
    signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    with millpond.open(path, **options) as node, node.subscribe(ALL, start="now") as events:
        def send():
            os.kill(os.getpid(), signal.SIGUSR1)
            while not heard:
                pass
            node.publish("now")
        threading.Thread(target=send).start()
        assert events.next().payload == "now" and heard == [1]
    """
    assert finish(start(code, tmp_path / "log", secret)) == (0, "", "")


def test_no_event_is_lost_or_doubled_by_forty_interrupts(tmp_path: Path, secret: str) -> None:
    code = """
    catching = threading.Semaphore(0)
    def disturb():
        for number in range(40):
            node.publish_all([(number * 10 + i, ()) for i in range(10)], durability="process")
            catching.acquire()
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        node.publish("end")
    with millpond.open(path, **options) as node, node.subscribe(ALL) as events:
        disturber, seen = threading.Thread(target=disturb), []
        disturber.start()
        while "end" not in seen:
            try:
                catching.release()
                for event in events:
                    seen.append(event.payload)
                    if event.payload == "end":
                        break
            except KeyboardInterrupt:
                pass
        disturber.join()
        assert seen == [*range(400), "end"], seen
    """
    code = HEAR + textwrap.dedent(code)
    assert finish(start(code, tmp_path / "log", secret)) == (0, "", "")
