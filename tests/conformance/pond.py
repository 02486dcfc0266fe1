"""Fish, accounts and claims in the notation of the scenarios, for both Python adapters."""

from __future__ import annotations

import json
from typing import Any

import millpond
from notation import SOON, Names, error_lines


def fish_of(rest: str) -> millpond.AnyFish[Any]:
    """`FISH QUERY` as a fish."""
    word, _, query = rest.partition(" ")
    if not word.startswith("code:"):
        return millpond.BuiltIn(query, json.loads(word))
    fish_id, _, version = word.removeprefix("code:").partition(":")
    return millpond.Fish(fish_id, int(version or "1"), query, [], listed, is_reset)


def listed(state: list[Any], event: millpond.Event) -> list[Any]:
    """All payloads, as far as none is "boom"."""
    if event.payload == "boom":
        raise RuntimeError("boom")
    state.append(event.payload)
    return state


def is_reset(event: millpond.Event) -> bool:
    """The payload that makes all before it irrelevant."""
    return event.payload == "reset"


def shown(value: Any) -> str:
    """A state as JSON, shorter keys first."""
    if isinstance(value, list):
        return f"[{','.join(shown(each) for each in value)}]"
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ",".join(f"{json.dumps(key)}:{shown(value[key])}" for key in keys) + "}"
    return json.dumps(value, ensure_ascii=False)


def waiting(said: dict[str, str]) -> float:
    """How long a command may wait, in seconds."""
    return int(said["wait"]) / 1000 if "wait" in said else SOON


def explained(names: Names, error: millpond.Error) -> list[str]:
    """An error with what is missing, or who holds the rest."""
    lines = error_lines(error)
    if isinstance(error, millpond.NotYetVisible):
        missing = error.missing.items()
        lines += [f"| missing {names.stream(stream)} {count}" for stream, count in missing]
    if isinstance(error, millpond.Overdraft):
        lines.append(f"| wanted={error.wanted} available={error.available}")
        rest = error.elsewhere
        lines += [f"| {names.stream(holder.stream)} {holder.amount}" for holder in rest]
    return lines


def account_line(names: Names, report: millpond.AccountReport) -> str:
    """How an account stands."""
    holds = [(holding["stream"], holding["amount"]) for holding in report["holdings"]]
    asks = [(request["stream"], request["outstanding"]) for request in report["requests"]]
    return (
        f"balance={report['balance']} floor={report['floor']} available={report['available']} "
        f"violations={len(report['violations'])} holds={listing(names, holds)} "
        f"asks={listing(names, asks)}"
    )


def claim_line(names: Names, report: millpond.ClaimReport) -> str:
    """Who holds an exclusive claim."""
    holder, own = report["holder"], str(report["own_fence"] is not None).lower()
    asks = len(report["requests"])
    if holder is None:
        return f"holder=- fence=- own={own} asks={asks}"
    stream = names.stream(holder["stream"])
    return f"holder={stream} fence={holder['fence']} own={own} asks={asks}"


def doers_line(names: Names, report: millpond.WhoDoes) -> str:
    """Who does something."""
    holder = report["holder"]
    held = "-" if holder is None else names.stream(holder["stream"])
    keys = [doer["key"].partition("/") for doer in report["doers"]]
    return f"holder={held} does={listing(names, [(key[2], int(key[0])) for key in keys])}"


def standing_line(names: Names, told: millpond.Standing | None) -> str:
    """How an optimistic claim stands."""
    if told is None:
        return "end"
    if told.standing != "lost" or told.winner is None:
        return told.standing
    winner = told.winner
    return f"lost to={listing(names, [(winner.stream, winner.lamport)])}"


def listing(names: Names, pairs: list[tuple[str, int]]) -> str:
    """Streams with a number each."""
    return ",".join(f"{names.stream(stream)}:{number}" for stream, number in pairs) or "-"

