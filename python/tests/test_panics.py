"""A bug inside millpond is an exception, never the end of the process."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from support import run

EMPTY = "'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'"
"""The blob without bytes, as code."""
BLOBS = {
    "node_blob_add_bytes": "node.blobs.add(b'')",
    "node_blob_add_path": "node.blobs.add('/nowhere')",
    "node_blob_writer": "node.blobs.add(io.BytesIO(b''))",
    "node_blob_writer_work": "node.blobs.add(io.BytesIO(b''))",
    "node_blob_open": f"node.blobs.open({EMPTY})",
    "node_blob_get": f"node.blobs.get({EMPTY})",
    "node_blob_export": f"node.blobs.export({EMPTY}, '/nowhere/at/all')",
    "node_blob_has": f"node.blobs.has({EMPTY})",
    "node_blob_stat": f"node.blobs.stat({EMPTY})",
    "node_blob_list": "list(node.blobs.list())",
    "node_blob_collect": "node.blobs.collect()",
    "node_blob_verify": "node.blobs.verify()",
    "blob_work_next": "list(node.blobs.verify())",
    "blob_work_result": "node.blobs.verify().result()",
    "blob_work_fd": "node.blobs.verify().fileno()",
    "blob_writer_write": "node.blobs.add(io.BytesIO(b'x'))",
    "blob_writer_write_work": "node.blobs.add(io.BytesIO(b'x'))",
    "blob_writer_finish": "node.blobs.add(io.BytesIO(b'x'))",
    "blob_reader_id": "node.blobs.open(node.blobs.add(b''))",
    "blob_reader_size": "node.blobs.open(node.blobs.add(b''))",
    "blob_reader_read_at": "node.blobs.open(node.blobs.add(b'')).read()",
    "blob_reader_file": "node.blobs.open(node.blobs.add(b'')).detach_file()",
}
CALLS = {
    **BLOBS,
    "node_account": "node.account('a').report()",
    "node_act": "node.claim('a').create()",
    "node_claim": "node.claim('a').report()",
    "node_connect": "node.connect('nobody')",
    "node_do_optimistically": "node.do_optimistically('a')",
    "node_own_doing": "node.own_doing('a')",
    "node_disconnect": "node.disconnect('nobody')",
    "node_observe": "node.observe(FISH)",
    "node_observe_group": "node.observe_all(ALL, lambda _: None)",
    "node_offsets": "node.offsets()",
    "node_path": "node.path",
    "node_publish": "node.publish(2)",
    "node_query": "node.query(ALL)",
    "node_query_work": "node.query(ALL)",
    "node_set_network": "node.set_network(True)",
    "node_set_secrets": "node.set_secrets('ab')",
    "node_status_json": "node.status()",
    "node_metrics": "node.metrics()",
    "node_next_status": "node.subscribe_status().next()",
    "node_verify_json": "node.verify()",
    "node_compact_json": "node.compact()",
    "node_stats_json": "node.stats()",
    "node_state": "node.state(BUILT_IN)",
    "node_stream": "node.stream",
    "node_subscribe": "node.subscribe(ALL)",
    "node_subscribe_work": "node.subscribe(ALL)",
    "node_swarm_id": "node.swarm_id",
    "node_ticket": "node.ticket()",
    "node_wait_for": "node.wait_for(millpond.Offsets())",
    "node_who_does": "node.who_does('a')",
    "observer_next_state": "node.observe(FISH).next()",
    "observer_turn": "node.run(FISH, lambda _: [])",
    "turn_publish": "node.run(FISH, lambda _: [(1, [])])",
    "cursor_next_batch": "node.query(ALL).next()",
    "cursor_explain": "node.query(ALL).explain()",
    "cursor_explain_work": "node.query(ALL).explain()",
    "cursor_completeness": "node.query(ALL).completeness",
    "cursor_upper": "node.query(ALL).upper",
    "read": "node.query(ALL).next()",
    "subscription_fd": "node.subscribe(ALL).fileno()",
    "subscription_lag": "node.subscribe(ALL).lag",
    "subscription_next_batch": "node.subscribe(ALL).next()",
    "subscription_position": "node.subscribe(ALL)",
}
AWAITED = {
    "node_blob_add_bytes": "node.blobs.add(b'')",
    "node_blob_writer": "node.blobs.add(io.BytesIO(b''))",
    "node_blob_open": f"node.blobs.open({EMPTY})",
    "node_blob_get": f"node.blobs.get({EMPTY})",
    "blob_work_result": "node.blobs.verify()",
    "blob_writer_write": "node.blobs.add(io.BytesIO(b'x'))",
    "blob_writer_finish": "node.blobs.add(io.BytesIO(b'x'))",
    "blob_reader_read_at": "(await node.blobs.open(await node.blobs.add(b'x'))).read()",
    "node_act": "node.claim('a').create()",
    "node_act_work": "node.claim('a').create()",
    "node_connect": "node.connect('nobody')",
    "node_do_optimistically": "node.do_optimistically('a')",
    "node_do_optimistically_work": "node.do_optimistically('a')",
    "node_observe": "node.observe(FISH).next()",
    "node_observe_group": "node.observe_all(ALL, lambda _: None).next()",
    "node_publish": "node.publish(2)",
    "node_query": "node.query(ALL).next()",
    "node_state": "node.state(BUILT_IN)",
    "node_who_does": "node.who_does('a')",
    "observer_next_state": "node.observe(FISH).next()",
    "observer_state": "node.state(FISH)",
    "observer_turn": "node.run(FISH, lambda _: [])",
    "turn_publish": "node.run(FISH, lambda _: [(1, [])])",
    "turn_publish_work": "node.run(FISH, lambda _: [(1, [])])",
    "group_next_step": "node.observe_all(ALL, lambda _: None).next()",
    "doing_next_standing": "(await node.do_optimistically('a')).next()",
    "node_subscribe": "node.subscribe(ALL).next()",
    "cursor_next_batch": "node.query(ALL).next()",
    "cursor_explain": "node.query(ALL).explain()",
    "read": "node.subscribe(ALL).next()",
    "subscription_next_batch": "node.subscribe(ALL).next()",
}

FISHES = """
import io
FISH = millpond.Fish("count", 1, ALL, 0, lambda count, _: count + 1)
BUILT_IN = millpond.BuiltIn(ALL, millpond.folds.count())
"""
OPENED = f"""{FISHES}
node = millpond.open(path, **options)
node.publish(1)
"""
AGAIN = """
with millpond.open(path, **options) as again:
    assert [event.payload for event in again.query(ALL)] == [1]
print("goes on")
"""


def goes_on(code: str, path: Path, secret: str) -> None:
    """Runs `code`, whose last act is to print that it goes on."""
    status, out, _ = run(code, path, secret)
    assert (status, out) == (0, "goes on\n")


@pytest.mark.parametrize("entry", CALLS)
def test_a_panic_is_an_internal_error_and_poisons_the_node(
    entry: str, tmp_path: Path, secret: str
) -> None:
    code = f"""
    os.environ["MILLPOND_PANIC_AT"] = {entry!r}
    def fails():
        try:
            {CALLS[entry]}
        except millpond.InternalError as error:
            return error.code == 21
    assert fails()
    del os.environ["MILLPOND_PANIC_AT"]
    assert fails()
    node.close()
    """
    goes_on(OPENED + dedent(code) + AGAIN, tmp_path / "log", secret)


@pytest.mark.parametrize("entry", AWAITED)
def test_a_panic_in_an_awaited_call_is_raised_where_it_is_awaited(
    entry: str, tmp_path: Path, secret: str
) -> None:
    code = f"""
    async def main():
        node = await aio.open(path, **options)
        await node.publish(1)
        os.environ["MILLPOND_PANIC_AT"] = {entry!r}
        try:
            await {AWAITED[entry]}
        except millpond.InternalError:
            print("goes on")
        await node.close()
    asyncio.run(main())
    """
    goes_on(FISHES + dedent(code), tmp_path / "log", secret)


# It may fold all that an account ever did; the loop and all of Python would stand still meanwhile.
@pytest.mark.parametrize("entry", ["node_act_work", "node_do_optimistically_work"])
def test_no_deed_is_decided_on_the_thread_of_the_loop(
    entry: str, tmp_path: Path, secret: str
) -> None:
    code = f"""
    async def main():
        async with aio.open(path, **options) as node:
            os.environ["MILLPOND_PANIC_AT"] = {entry!r}
            try:
                await {AWAITED[entry]}
            except millpond.InternalError:
                print("goes on")
    asyncio.run(main())
    """
    status, out, err = run(code, tmp_path / "log", secret)
    assert (status, out) == (0, "goes on\n")
    assert "'millpond-work'" in err, err


def test_a_panic_while_a_loss_is_waited_for_is_told_by_its_thread(
    tmp_path: Path, secret: str
) -> None:
    code = """
    told = []
    threading.excepthook = lambda said: told.append(said.exc_type)
    doing = node.do_optimistically("a")
    os.environ["MILLPOND_PANIC_AT"] = "doing_lost"
    doing.on_loss(print)
    for thread in threading.enumerate():
        if thread.name == "millpond-doing-a":
            thread.join()
    del os.environ["MILLPOND_PANIC_AT"]
    assert told == [millpond.InternalError], told
    node.close()
    print("goes on")
    """
    goes_on(OPENED + dedent(code), tmp_path / "log", secret)


@pytest.mark.parametrize("entry", ["node_close", "node_close_work", "node_close_core"])
def test_a_node_whose_close_fails_is_closed_by_the_next_one(
    entry: str, tmp_path: Path, secret: str
) -> None:
    code = f"""
    os.environ["MILLPOND_PANIC_AT"] = {entry!r}
    try:
        node.close()
    except millpond.InternalError:
        del os.environ["MILLPOND_PANIC_AT"]
    node.close()
    """
    goes_on(OPENED + dedent(code) + AGAIN, tmp_path / "log", secret)


def test_a_node_that_cannot_be_asked_whether_it_is_open_is_not(tmp_path: Path, secret: str) -> None:
    code = """
    node = millpond.open(path, **options)
    os.environ["MILLPOND_PANIC_AT"] = "node_is_open"
    assert node.closed
    os.environ["MILLPOND_PANIC_AT"] = "node_is_closing"
    assert node._native.is_closing()
    del os.environ["MILLPOND_PANIC_AT"]
    try:
        node.publish(1)
    except millpond.InternalError:
        node.close()
        print("goes on")
    """
    goes_on(code, tmp_path / "log", secret)
