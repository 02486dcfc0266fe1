"""What `./dev bench` measures of Python; started by tests/bench/shells/mod.rs.

`python.py publish values|bytes STORE EVENTS`, `python.py iterate values|bytes STORE`,
`python.py fold code|builtin STORE`, or `python.py check`. Says how many seconds the work took, the
events, and the bytes or members of their payloads.
"""

import gc
import json
import sys
import time

import millpond
from millpond import folds

BATCH = 1000
# Bytes are read in batches as large as they may be.
READ_BATCH = 4096
# Reading takes 20 ms, which says little once: the median of so many.
ROUNDS = 5
SWARM = "33" * 32


def publish(node: millpond.Node, form: str, drafts: list) -> tuple[float, int, int]:
    gc.collect()
    started = time.perf_counter()
    for start in range(0, len(drafts), BATCH):
        batch = drafts[start : start + BATCH]
        if form == "bytes":
            batch = [(millpond.Cbor(data), tags) for data, tags in batch]
        node.publish_all(batch)
    return time.perf_counter() - started, len(drafts), 0


def draft(event: dict, form: str) -> tuple[object, list[str]]:
    payload = event["payload"] if form == "values" else bytes.fromhex(event["cbor"])
    return payload, event["tags"]


def iterate(node: millpond.Node, form: str) -> tuple[float, int, int]:
    events = parts = 0
    started = time.perf_counter()
    if form == "bytes":
        # A batch at a time: the loop over events is measured with values.
        cursor = node.query("FROM allEvents")
        while batch := cursor.next_batch(READ_BATCH):
            for payload in batch.payload_bytes:
                events += 1
                parts += len(payload)
    else:
        for event in node.query("FROM allEvents"):
            events += 1
            parts += len(event.payload)
    return time.perf_counter() - started, events, parts


def fold(node: millpond.Node, form: str, number: int) -> tuple[float, int, int]:
    # Each time another fish: what is remembered of the last one would be gone on from.
    if form == "code":
        fish = millpond.Fish(f"members-{number}", 1, "FROM allEvents", [0, 0], count_members)
    else:
        counting = folds.all(**{f"count{number}": folds.count()})
        fish = millpond.BuiltIn("FROM allEvents", counting)
    started = time.perf_counter()
    state = node.state(fish).value
    took = time.perf_counter() - started
    events, parts = state if form == "code" else (state["value"][f"count{number}"], 0)
    return took, events, parts


def count_members(state: list[int], event: millpond.Event) -> list[int]:
    state[0] += 1
    state[1] += len(event.payload)
    return state


def median(rounds: list[tuple[float, int, int]]) -> tuple[float, int, int]:
    return sorted(rounds)[len(rounds) // 2]


def main() -> None:
    work, *rest = sys.argv[1:]
    if work == "check":
        return
    form, store, *path = rest
    lines = open(path[0], encoding="utf-8") if path else []
    drafts = [draft(json.loads(line), form) for line in lines]
    # The first time is not measured.
    rounds = []
    for number, place in enumerate(["warm-up", "shell"] if path else ["shell"] * (1 + ROUNDS)):
        options = {"app": "com.example.bench", "swarm": SWARM, "network": False}
        with millpond.open(f"{store}/{place}", **options) as node:
            if work == "fold":
                rounds.append(fold(node, form, number))
            else:
                rounds.append(publish(node, form, drafts) if path else iterate(node, form))
    took, events, parts = median(rounds[1:])
    print(f"{took:.9f} {events} {parts}")


main()
