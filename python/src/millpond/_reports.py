"""What accounts and claims say of themselves."""

from __future__ import annotations

import json
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

from . import _native
from ._asking import Ask, waited
from ._facts import NodeFacts
from ._native import EventKey, Offsets
from ._repeated import Repeated
from ._series import Waiting

R = TypeVar("R")


class Holding(TypedDict):
    """What a stream holds of an account."""

    stream: str
    """The stream: `<node id>-<number>`."""
    node: str
    """The node that writes it: 64 hex digits."""
    amount: int
    """What it may spend."""
    is_frozen: bool
    """True when its node cannot spend it until it has recovered it."""


class Request(TypedDict):
    """Somebody asks for rights, or for a claim."""

    stream: str
    """Who asks: the stream."""
    node: str
    """Who asks: the node."""
    key: str
    """The key of the event that asks."""
    outstanding: int
    """How much of it was not granted yet."""


class Violation(TypedDict, total=False):
    """Something that no honest node does, or whose reason has not arrived yet. By its `kind`:

    "uncovered": `key`, `offset`, `amount`, `available`: an act that more was needed for;
    "overdrawn": `stream`, `by`: what all histories of a stream took beyond what it had;
    "crowded": `stream`: it has as many histories as are kept.
    """

    kind: Literal["uncovered", "overdrawn", "crowded"]
    key: str
    offset: int
    amount: int
    available: int
    stream: str
    by: int


class Rival(TypedDict):
    """Another account of the same name: nodes created it while they were cut off."""

    id: str
    """Its id, 32 hex digits: `node.account(name, id=…)` means it."""
    created: str
    """The key of its creation."""
    is_first: bool
    """True when nodes that have not acted in any mean it."""
    balance: int
    """Its balance."""
    available: int
    """What this node may spend of it."""


class AccountReport(TypedDict):
    """How an account stands, as far as the events that are here tell."""

    name: str
    """Its name, in NFC."""
    id: str
    """Its id: 32 hex digits."""
    balance: int
    """What is left of it, with the floor."""
    floor: int
    """What the balance never goes below."""
    available: int
    """What this node can withdraw or grant now, without asking anybody."""
    own_stream: str
    """The stream that this node writes."""
    holdings: list[Holding]
    """Who holds how much; together the balance above the floor."""
    requests: list[Request]
    """Who asks for how much, oldest first."""
    violations: list[Violation]
    """What went wrong, if anything."""
    uncovered_count: int
    """How many acts do not count."""
    rivals: list[Rival]
    """Other accounts of this name."""
    as_of: Offsets
    """The events that it was told of."""


class ClaimHolder(TypedDict):
    """Who holds an exclusive claim."""

    stream: str
    """The stream: `<node id>-<number>`."""
    node: str
    """The node that writes it: 64 hex digits."""
    fence: int
    """The number that rises each time the claim moves."""
    is_frozen: bool
    """True when the holder cannot act until it has recovered the claim."""


class ClaimReport(TypedDict):
    """How an exclusive claim stands, as far as the events that are here tell."""

    what: str
    """What is claimed."""
    holder: ClaimHolder | None
    """Who holds it; None when nobody does."""
    holders: list[ClaimHolder]
    """All that hold it: more than one only where a stream has two histories."""
    own_fence: str | None
    """If this node holds it, what goes with each act: a machine refuses lower ones."""
    requests: list[Request]
    """Who asks for it, oldest first."""
    violations: list[Violation]
    """What went wrong, if anything."""
    rivals: list[str]
    """Ids of younger claims of this name, which do not count."""
    as_of: Offsets
    """The events that it was told of."""


class Doer(TypedDict):
    """Who says that it does something."""

    key: str
    """The key of the event that says so: the least one wins."""
    node: str
    """The node that says so."""
    note: Any
    """What it noted, or None."""


class WhoDoes(TypedDict):
    """Who does something, as far as the events that are here tell."""

    what: str
    """What is done."""
    holder: ClaimHolder | None
    """Who holds the exclusive claim of this name, if there is one."""
    winner: Doer | None
    """Of those who say so, the one that has not lost."""
    doers: list[Doer]
    """All who say so, in key order."""
    as_of: Offsets
    """The events that it was told of."""


class Standing(NamedTuple):
    """How an optimistic claim of this node stands."""

    standing: Literal["won", "lost", "released"]
    """"won" so far; "lost", and it stays so; or "released"."""
    winner: EventKey | None
    """The key of the claim that wins as far as is known; None when there is none."""
    note: Any
    """What the winner noted, or None."""
    as_of: Offsets
    """The events that it was told of."""


def report_of(text: str) -> Any:
    """A report as the facade says it, with the values of Python."""
    report = json.loads(text)
    report["as_of"] = Offsets(report["as_of"])
    for doer in [report.get("winner"), *report.get("doers", ())]:
        if doer is not None:
            doer["note"] = _native.value_of_json(json.dumps(doer["note"]))
    return report


class ReportSteps(Repeated[R], Generic[R]):
    """What waits for the next report. For millpond only."""

    __slots__ = ("_known", "_name", "_topic")

    def __init__(self, node: NodeFacts, topic: _native.Topic, name: str) -> None:
        """For millpond only."""
        super().__init__(node)
        self._topic, self._name = topic, name
        self._known: str | None = None

    def _ask(self, timeout: float | None) -> Ask[str]:
        scarce, stop = self._node._native.scarce(), self._stop

        def ask(
            topic: _native.Topic, name: str, known: str | None, timeout: float | None
        ) -> str:
            return scarce.next_report_json(topic, name, known, stop, timeout)

        start = scarce.next_report_json_start
        return Ask(ask, start, self._topic, self._name, self._known, timeout)

    def _read(self, text: str) -> R:
        report = report_of(text)
        self._known = report["as_of"].token
        told: R = report
        return told


class ReportSubscription(ReportSteps[R], Waiting, Generic[R]):
    """Iterate over it: a report at once, then one whenever events about it came.

    Not a queue: what comes while nobody asks is one. Iteration ends when it or its node is closed,
    and has no timeout; `next` can have one. Usable by one thread at a time; `close` may be called
    while another thread waits.
    """

    __slots__ = ()

    def next(self, timeout: float | None = None) -> R | None:
        """Waits for the next report; the first comes at once. None at the end.

        timeout: seconds, None for no limit. Raises `Timeout` (nothing is lost), `NotFound` (there
        is no such account here), `InvalidArgument`, `LimitExceeded`, `Corrupt`, `StorageFailed`;
        `Closed`: the node was closed before the first one was asked for.
        """
        return waited(self._next(timeout))

    def close(self) -> None:
        """Ends it: whoever waits for the next report sees the end. May be repeated."""
        self._end()

    def __next__(self) -> R:
        report = self.next()
        if report is None:
            raise StopIteration
        return report
