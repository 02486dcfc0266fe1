"""The notation of commands and answers, for both Python adapters."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from typing import Any

import millpond

SOON, SHORT = 60.0, 0.1
SECRET = bytes(range(32)).hex()


def opening(said: dict[str, str], ticket: str | None) -> dict[str, Any]:
    """What `open` is told beside the folder."""
    return {
        "app": "conformance",
        "swarm": None if ticket else said.get("swarm", SECRET),
        "ticket": ticket,
        "former_secrets": [said["former"]] if "former" in said else None,
        "network": "net" in said,
        "bind": ["127.0.0.1:0"],
        "discovery": False,
        "peers": made_up(said),
        "send_bytes_per_second_max": int(said.get("cap_all", "0")),
        "send_bytes_per_second_per_peer_max": int(said.get("cap_each", "0")),
        "priority": f"FROM {said['priority']}" if "priority" in said else None,
    }


def publishing(said: dict[str, str]) -> dict[str, Any]:
    """What a publish is told beside the events."""
    expected = said.get("expected")
    return {
        "idempotency_key": said.get("key"),
        "expected": None if expected is None else int(expected),
        "timeout": SOON,
    }


def options(rest: str) -> tuple[dict[str, str], str]:
    """Leading `key=value` words, and what follows them."""
    found: dict[str, str] = {}
    while match := re.match(r"([a-z_]+)=(\S*)(?: |$)", rest):
        found[match[1]] = match[2]
        rest = rest[match.end() :]
    return found, rest


def made_up(said: dict[str, str]) -> list[str]:
    """So many peers that are not there."""
    return [f"{number:064x}@127.0.0.1:9" for number in range(int(said.get("peers", "0")))]


def drafts(rest: str) -> list[tuple[Any, Any]]:
    """`TAGS PAYLOAD TAGS PAYLOAD …` as natural values."""
    values = [json.loads(word, object_hook=natural) for word in rest.split()]
    return list(zip(values[1::2], values[::2], strict=True))


def natural(pairs: dict[str, Any]) -> Any:
    """What a JSON object of the notation stands for."""
    if len(pairs) == 1:
        [(key, value)] = pairs.items()
        if key == "$integer":
            return int(value)
        if key == "$bytes":
            return base64.b64decode(value)
        if key.startswith("$$"):
            return {key[1:]: value}
    return pairs


def error_lines(error: millpond.Error) -> list[str]:
    """An error as an answer."""
    words = ["error", str(error.code), error.name]
    words += ["retryable"] if error.retryable else []
    words += [f"reason={error.reason}"] if error.reason is not None else []
    words += [f"position={error.position}"] if error.position is not None else []
    lines = [" ".join(words)]
    if isinstance(error, millpond.QueryInvalid):
        lines += [f"| {line}" for line in str(error).splitlines()]
    return lines


def error_table() -> list[str]:
    """Every class of this language, by number."""
    kinds = sorted(millpond.Error.__subclasses__(), key=lambda kind: kind.code)
    return [f"{kind.code} {kind.name} {str(kind.retryable).lower()}" for kind in kinds]


def published_line(names: Names, done: millpond.Published) -> str:
    """What a publish answers."""
    first = done[0]
    return (
        f"{names.stream(done.stream)} offset={first.offset} lamport={first.key.lamport} "
        f"count={len(done)} replayed={str(done.replayed).lower()}"
    )


class Names:
    """Node ids have names, because answers hold no ids."""

    def __init__(self) -> None:
        self.by_id: dict[str, str] = {}

    def add(self, node_id: str, name: str) -> None:
        self.by_id[node_id] = name

    def stream(self, stream: str) -> str:
        node_id, _, number = stream.rpartition("-")
        return f"{self.by_id.get(node_id, node_id)}-{number}"

    def event(self, event: millpond.Event) -> str:
        return (
            f"{self.stream(event.stream)} offset={event.offset} lamport={event.lamport} "
            f"app={event.app} tags={tags_of(event)} cbor={payload_of(event)}"
        )

    def batch(self, batch: millpond.Batch) -> list[str]:
        if batch.is_end:
            return ["end"]
        if batch.is_rewind:
            return self.rewound(batch)
        closing = f"caught_up={str(batch.caught_up).lower()} lag={batch.lag}"
        return [self.event(event) for event in batch] + [closing]

    def rewound(self, batch: millpond.Batch) -> list[str]:
        """The way back in key order."""
        to = batch.rewind_to
        return [f"rewind to={'-' if to is None else f'{to.lamport}/{self.stream(to.stream)}'}"]

    def taken(self, batch: millpond.Batch) -> list[str]:
        """As `batch`, without its closing line."""
        return self.rewound(batch) if batch.is_rewind else [self.event(event) for event in batch]


def tags_of(event: millpond.Event) -> str:
    """The tags as answers show them; what the query left out is refused."""
    try:
        return "|".join(event.tags)
    except millpond.InvalidArgument:
        return "-"


def payload_of(event: millpond.Event) -> str:
    """As `tags_of`; however it is asked for."""
    try:
        payload = event.payload_bytes
    except millpond.InvalidArgument:
        with contextlib.suppress(millpond.InvalidArgument):
            return str(event.payload)
        return "-"
    return payload.hex() if len(payload) <= 128 else f"{len(payload)} bytes"


def columns(said: dict[str, str]) -> list[str] | None:
    """The columns that a command names; `-` are none."""
    names = said.get("columns")
    return None if names is None else [name for name in names.split(",") if name != "-"]


def explanation_lines(said: millpond.Explanation) -> list[str]:
    """Its text, then its counts."""
    expected, actual = (
        f"{looks.segments}/{looks.blocks}/{looks.frames}/{looks.events}"
        for looks in (said.expected, said.actual)
    )
    exact = str(said.is_exact).lower()
    lines = [f"| {line}" for line in str(said).splitlines()]
    return [*lines, f"{said.order} exact={exact} expected={expected} actual={actual}"]
