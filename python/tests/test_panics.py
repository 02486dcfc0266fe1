"""A bug inside millpond is an exception, never the end of the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import run

CALLS = {
    "node_publish": "node.publish(2)",
    "node_query": "node.query(ALL)",
    "node_subscribe": "node.subscribe(ALL)",
    "node_status_json": "node.status()",
    "cursor_next_batch": "node.query(ALL).next()",
    "subscription_next_batch": "node.subscribe(ALL).next()",
}
AWAITED = {
    "node_publish": "node.publish(2)",
    "node_query": "node.query(ALL).next()",
    "cursor_next_batch": "node.query(ALL).next()",
    "subscription_next_batch": "node.subscribe(ALL).next()",
}


@pytest.mark.parametrize("entry", CALLS)
def test_a_panic_is_an_internal_error_and_poisons_the_node(
    entry: str, tmp_path: Path, secret: str
) -> None:
    code = f"""
    node = millpond.open(path, **options)
    node.publish(1)
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
    with millpond.open(path, **options) as again:
        assert [event.payload for event in again.query(ALL)] == [1]
    print("goes on")
    """
    status, out, _ = run(code, tmp_path / "log", secret)
    assert (status, out) == (0, "goes on\n")


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
    status, out, _ = run(code, tmp_path / "log", secret)
    assert (status, out) == (0, "goes on\n")
