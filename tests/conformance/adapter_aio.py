"""What the conformance scenarios say, done in Python with `millpond.aio`.

As `adapter.py`, method for method; here everything that waits is awaited.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import millpond
from millpond import aio
from notation import (
    SHORT,
    SOON,
    Names,
    columns,
    drafts,
    error_lines,
    error_table,
    explanation_lines,
    opening,
    options,
    published_line,
    publishing,
)


class Adapter:
    def __init__(self, folder: Path) -> None:
        self.folder, self.names = folder, Names()
        self.nodes: dict[str, aio.Node] = {}
        self.tokens: dict[str, millpond.Offsets] = {}
        self.follows: dict[str, aio.Subscription] = {}

    async def command(self, line: str) -> list[str]:
        verb, _, rest = line.partition(" ")
        name, _, rest = rest.partition(" ")
        said, rest = options(rest)
        try:
            act = getattr(self, f"do_{verb}", None)
            return ["absent"] if act is None else await act(name, said, rest) or ["ok"]
        except millpond.Error as error:
            return error_lines(error)

    async def do_open(self, name: str, said: dict[str, str], _rest: str) -> None:
        ticket = await self.nodes[said["ticket"]].ticket() if "ticket" in said else None
        folder = said.get("folder", name)
        node = await aio.open(self.folder / folder, **opening(said, ticket))
        self.names.add(node.id, folder)
        self.nodes[name] = node

    async def do_close(self, name: str, _said: dict[str, str], _rest: str) -> None:
        await self.nodes[name].close()

    async def do_publish(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        [(payload, tags)] = drafts(rest)
        done = await self.nodes[name].publish(payload, tags, **publishing(said))
        return self.published(done, said)

    async def do_publish_all(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        done = await self.nodes[name].publish_all(drafts(rest), **publishing(said))
        return self.published(done, said)

    def published(self, done: millpond.Published, said: dict[str, str]) -> list[str]:
        if "token" in said:
            self.tokens[said["token"]] = done.token
        return [published_line(self.names, done)]

    def cursor(self, name: str, said: dict[str, str], rest: str) -> aio.Cursor:
        reading: Any = {key: self.tokens[said[key]] for key in ("lower", "upper") if key in said}
        reading["order"] = said.get("order")
        reading["columns"] = columns(said)
        return self.nodes[name].query(rest, **reading)

    async def do_query(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        cursor = self.cursor(name, said, rest)
        return [self.names.event(event) async for event in cursor] + ["end"]

    async def do_explain(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        cursor = self.cursor(name, said, rest)
        if said.get("read") == "all":
            await cursor.to_list()
        elif "read" in said:
            await cursor.next_batch(int(said["read"]))
        return explanation_lines(await cursor.explain(timeout=SOON))

    async def do_republish(self, name: str, said: dict[str, str], rest: str) -> list[str]:
        events = await self.nodes[name].query(rest).to_list()
        again = [(event.payload, event.tags) for event in events]
        return self.published(await self.nodes[name].publish_all(again), said)

    async def do_token(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[name] = millpond.Offsets(rest)

    async def do_offsets(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[rest] = self.nodes[name].offsets()

    async def do_same(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        same = self.tokens[name] == millpond.Offsets(self.tokens[rest].token)
        return [str(same).lower()]

    async def do_subscribe(self, name: str, said: dict[str, str], rest: str) -> None:
        node, _, text = rest.partition(" ")
        start = said.get("from")
        token = self.tokens.get(start or "", start)
        subscription = self.nodes[node].subscribe(  # type: ignore[arg-type]
            text,
            start=token,
            delivery=said.get("delivery"),  # type: ignore[arg-type]
        )
        self.follows[name] = await subscription.__aenter__()

    async def do_next(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        batch = await self.follows[name].next_batch(int(rest), timeout=SOON)
        return self.names.batch(batch)

    async def do_idle(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        return self.names.batch(await self.follows[name].next_batch(1, timeout=SHORT))

    async def do_take(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        lines: list[str] = []
        while len(lines) < int(rest):
            batch = await self.follows[name].next_batch(int(rest) - len(lines), timeout=SOON)
            if batch.is_end:
                break
            lines += [self.names.event(event) for event in batch]
        return [*lines, "taken"]

    async def do_lag(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        return [str(self.follows[name].lag)]

    async def do_position(self, name: str, _said: dict[str, str], rest: str) -> None:
        self.tokens[rest] = self.follows[name].position

    async def do_interrupt(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        """As asyncio does it: the task that waits is cancelled."""
        waiting = asyncio.ensure_future(self.follows[name].next_batch(1, timeout=SOON))
        done, _ = await asyncio.wait([waiting], timeout=SHORT)
        waiting.cancel()
        await asyncio.wait([waiting])
        return ["ready" if done or not waiting.cancelled() else "cancelled"]

    async def do_unsubscribe(self, name: str, _said: dict[str, str], _rest: str) -> None:
        await self.follows[name].close()

    async def do_connect(self, name: str, _said: dict[str, str], rest: str) -> None:
        await self.nodes[name].connect(await self.nodes[rest].ticket(), timeout=SOON)

    async def do_connect_address(self, name: str, _said: dict[str, str], rest: str) -> None:
        ticket = millpond.parse_ticket(await self.nodes[rest].ticket())
        target = f"{ticket.node_id}@{','.join(ticket.addresses)}"
        await self.nodes[name].connect(target, timeout=SOON)

    async def do_network(self, name: str, _said: dict[str, str], rest: str) -> None:
        await self.nodes[name].set_network(rest == "on")

    async def do_refusal(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        refusals = (await self.nodes[name].status())["refusals"]
        return [str(any(one["reason"] == rest for one in refusals)).lower()]

    async def do_secrets(self, name: str, _said: dict[str, str], rest: str) -> None:
        current, *former = rest.split(" ")
        await self.nodes[name].set_secrets(current, former)

    async def do_proved(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        peers, peer = (await self.nodes[name].status())["peers"], self.nodes[rest].id
        return [one["secret"] or "-" for one in peers if one["node_id"] == peer] or ["-"]

    async def do_missed(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        unheard, peer = (await self.nodes[name].status())["unheard"], self.nodes[rest].id
        return [str(any(one["node_id"] == peer and one["since"] > 0 for one in unheard)).lower()]

    async def do_verify(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        report = await self.nodes[name].verify(timeout=SOON)
        streams, events, damages = report["streams"], report["events"], report["damage_count"]
        return [f"streams={streams} events={events} damages={damages}"]

    async def do_compact(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        compacted = await self.nodes[name].compact(timeout=SOON)
        return [str(compacted["bytes_before"] > 0 and compacted["bytes_after"] > 0).lower()]

    async def do_stats(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        said: Any = self.nodes[name].stats()
        names = ("streams", "events", "record_bytes", "idempotency_keys")
        return [" ".join(f"{name}={said[name]}" for name in names)]

    async def do_metric(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        lines = (await self.nodes[name].metrics(timeout=SOON)).splitlines()
        return [line.removeprefix(rest + " ") for line in lines if line.startswith(rest + " ")]

    async def do_complete(self, name: str, _said: dict[str, str], rest: str) -> list[str]:
        cursor = self.nodes[name].query(rest)
        await cursor.to_list()
        complete = cursor.completeness
        return [f"behind={len(complete['behind'])} unheard={len(complete['unheard'])}"]

    async def do_told(self, name: str, _said: dict[str, str], _rest: str) -> list[str]:
        statuses = self.nodes[name].subscribe_status()
        is_ours = (await statuses.next(timeout=SOON))["node_id"] == self.nodes[name].id
        try:
            await statuses.next(timeout=0.1)
        except millpond.Timeout:
            return [str(is_ours).lower()]
        return ["false"]

    async def do_errors(self, *_: object) -> list[str]:
        return error_table()


async def main() -> None:
    adapter = Adapter(Path(sys.argv[1]))
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(*await adapter.command(line.rstrip("\n")), ".", sep="\n", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
