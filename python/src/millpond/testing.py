"""The testing kit: a swarm in memory, with virtual time, to run your own fish and effects under.

Everything that happens by chance follows from a seed: partitions, crashes, the order in which
events arrive, in which pieces a fold takes them, and which of its states are remembered. Beside
each fold stands a judge, so that a fish which is no fold of its events is found and told why. A
seed that fails fails again: set `MILLPOND_SEED`.

Begin with `Lab`, or with `explore`; for pytest there are fixtures in `millpond.pytest_plugin`.

Longer than 500 lines because it is one module to users, and half of it documentation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar, cast, overload

from . import _native
from ._draft import Drafts, Payload, Published, Tags, pairs_of_all, pairs_of_one
from ._errors import InvalidArgument, UserCode
from ._facts import Durability
from ._native import Batch, Event, Offsets, decode, encode_state, replay_hint

__all__ = [
    "BuiltInLike",
    "CodecLike",
    "FishLike",
    "Lab",
    "Lint",
    "Verdict",
    "check_grow_only",
    "explore",
    "lint",
    "replay_hint",
    "seeds",
]

State = TypeVar("State")

Verdict: TypeAlias = Literal["monotone", "one_way", "not_monotone"]
"""What events that arrive later can do to an answer: add to it, move it in one direction, or
change it in any way."""


class CodecLike(Protocol[State]):
    """How the states of a fish become bytes and come back."""

    @property
    def name(self) -> str:
        """A part of the fish's definition."""
        ...

    @property
    def encode(self) -> Callable[[State], bytes]:
        """The bytes of a state."""
        ...

    @property
    def decode(self) -> Callable[[bytes], State]:
        """The state of these bytes, equal to the encoded one for every step that follows."""
        ...


class FishLike(Protocol[State]):
    """What a fish has: see docs/pond.md."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> int:
        """Of its functions and the form of its state."""
        ...

    @property
    def query(self) -> str:
        """Which events it folds."""
        ...

    @property
    def initial(self) -> State:
        """The state before the first event, a new one each time."""
        ...

    @property
    def step(self) -> Callable[[State, Event], State]:
        """What a state becomes by the next event."""
        ...

    @property
    def is_reset(self) -> Callable[[Event], bool] | None:
        """An event for which this holds makes everything before it irrelevant."""
        ...

    @property
    def codec(self) -> CodecLike[State] | None:
        """How a state becomes bytes; None when it is a value such as a payload may be."""
        ...

    @property
    def merge(self) -> Callable[[State, State], State] | None:
        """Declares that the fish only grows: the state of the events of both."""
        ...


class BuiltInLike(Protocol):
    """A fish that takes no code; its state is a dict of `value` and `skipped`."""

    @property
    def query(self) -> str:
        """Which events it folds."""
        ...

    @property
    def fold(self) -> Mapping[str, Any]:
        """How, such as `{"fold": "sum", "of": "/amount"}`."""
        ...


class Lint(NamedTuple):
    """Whether an answer can be taken back by events that arrive later; `str()` is for people."""

    verdict: Verdict
    """What such events can do."""
    is_monotone: bool
    """True when the answer will never be retracted."""
    reason: str
    """Why."""
    text: str
    """All of it as one line."""

    def __str__(self) -> str:
        """All of it as one line."""
        return self.text


class Lab:
    """A swarm in memory. Nodes are named by their index, and the first is 0.

    All of them run and reach each other at first. Equal options and equal calls give equal results.
    Not for several threads at once.
    """

    def __init__(
        self,
        nodes: int | None = None,
        *,
        seed: int | None = None,
        app: str | None = None,
        skew_max: float | None = None,
    ) -> None:
        """A lab of so many nodes, 1 to 64 (default 3).

        seed: all chance follows from it (default 1, or what `MILLPOND_SEED` says). app: who
        publishes. skew_max: seconds by which the nodes' wall clocks are wrong at most (default
        300). Raises `InvalidArgument`, `LimitExceeded`.
        """
        self._native = _native.Lab(nodes, seed, app, skew_max)
        self._fish: dict[int, FishLike[Any]] = {}
        self._states: dict[tuple[int, int], _Worker[Any]] = {}
        self._raised: BaseException | None = None

    @property
    def seed(self) -> int:
        """The seed that all of it follows from."""
        return self._native.seed

    @property
    def nodes(self) -> range:
        """The nodes, by their index."""
        return range(self._native.node_count)

    @property
    def elapsed(self) -> float:
        """How many seconds of virtual time have passed."""
        return self._native.elapsed

    @property
    def trace(self) -> list[str]:
        """What happened, in order; the last 1,000 lines."""
        return self._native.trace

    def node_id(self, node: int) -> str:
        """The id of a node: 64 hex digits. Raises `InvalidArgument`: there is none."""
        return self._native.node_id(node)

    def is_up(self, node: int) -> bool:
        """Whether a node runs."""
        return self._native.is_up(node)

    def time_micros(self, node: int) -> int:
        """A node's wall clock, in microseconds since 1970, UTC."""
        return self._native.time_micros(node)

    def offsets(self, node: int) -> Offsets:
        """What is durable at a node."""
        return self._native.offsets(node)

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1 by the seed, for a scenario to do as chance has it."""
        return self._native.below(end)

    def publish(
        self, node: int, payload: Payload, tags: Tags = (), *, durability: Durability | None = None
    ) -> Published:
        """A node publishes one event.

        durability: with "process" nobody sees it before some time passes, and a power cut before
        that takes it back. Raises `Closed`: the node does not run. `InvalidArgument`,
        `LimitExceeded`: nothing was published.
        """
        pairs = pairs_of_one(payload, tags)
        return Published(self._native.publish(node, pairs, durability))

    def publish_all(
        self, node: int, drafts: Drafts, *, durability: Durability | None = None
    ) -> Published:
        """A node publishes several events together; see `publish`."""
        return Published(self._native.publish(node, pairs_of_all(drafts), durability))

    def query(self, node: int, query: str) -> Batch:
        """The events that a node holds durably and the query selects, in key order.

        Raises `Closed`: the node does not run. `QueryInvalid`.
        """
        return self._native.query(node, query)

    def cut(self, *groups: Iterable[int]) -> None:
        """Parts the network: nodes of one group reach each other and no others.

        Nodes that are in none are one more group. Raises `InvalidArgument`: there is no such node,
        or it is in two groups.
        """
        self._native.cut([list(group) for group in groups])

    def heal(self) -> None:
        """All nodes reach each other again."""
        self._native.heal()

    def crash(self, node: int) -> None:
        """A node's process ends without warning: what it has in memory is lost."""
        self._native.crash(node)

    def cut_power(self, node: int) -> None:
        """A node's power is cut: as `crash`, and what was not durable is lost, too."""
        self._native.cut_power(node)

    def start(self, node: int) -> None:
        """A node runs again, if it does not."""
        self._native.start(node)

    def advance(self, seconds: float) -> None:
        """Lets so much virtual time pass.

        What nodes reach each other with is delivered meanwhile, in pieces and in an order that
        chance decides; what was published becomes durable; and fish that were asked for work.
        Raises `UserCode`: one of them fails.
        """
        self._native.begin_advance(seconds)
        self._work()

    def settle(self) -> None:
        """Lets time pass until nodes that reach each other hold the same. Raises as `advance`."""
        self._native.begin_settle()
        self._work()

    def calm(self) -> None:
        """Heals the network, starts all nodes and settles. Raises as `advance`."""
        self._native.begin_calm()
        self._work()

    def chaos(self, steps: int | None = None) -> None:
        """So many times (default 10): cuts, heals, crashes or starts something, or time passes.

        One node at least goes on running. Raises as `advance`.
        """
        self._native.begin_chaos(steps)
        self._work()

    @overload
    def state(self, node: int, fish: FishLike[State]) -> State: ...
    @overload
    def state(self, node: int, fish: BuiltInLike) -> dict[str, Any]: ...
    def state(self, node: int, fish: Any) -> Any:
        """The state of a fish at a node, of all that is durable there, after the judge saw it.

        Raises `UserCode`: code of the fish failed, or the state is wrong: `reason` is `step`,
        `codec` or `is_reset` then, and the message says what does this. `Conflict`: another fish of
        this id is at work there. `Closed`: the node does not run.
        """
        self._begin(fish, self._native.begin_state(node, _described(fish)))
        data = self._native.shown()[0]
        return decode(data) if _is_built_in(fish) else _decoded(fish, data)

    def run(
        self, node: int, fish: FishLike[State], effect: Callable[[State], Drafts]
    ) -> Published | None:
        """Runs `effect` on the state of a fish at a node, and publishes there what it returns.

        None when that is nothing. What the effect raises is raised here, and nothing is published.
        Raises as `state` and `publish`.
        """
        drafts = list(effect(self.state(node, fish)))
        return self.publish_all(node, drafts) if drafts else None

    def check(self, *fish: FishLike[Any] | BuiltInLike) -> None:
        """Asks each node that runs for the states of fish, and the judge more thoroughly.

        That is: the same events again, in other pieces, with the state saved and loaded between,
        and from the last reset on. Nodes that hold the same events must show the same.
        Raises as `state`.
        """
        for each in fish:
            self._begin(each, self._native.begin_check(_described(each)))

    def events(self, fish: FishLike[Any] | BuiltInLike) -> list[Event]:
        """The events of a fish at the node that holds most of them."""
        held = [list(self.query(node, fish.query)) for node in self.nodes if self.is_up(node)]
        return max(held, key=len)

    def __repr__(self) -> str:
        """What it is, for people."""
        return f"<Lab of {len(self.nodes)} nodes, seed {self.seed}>"

    def _begin(self, fish: Any, number: int | None) -> None:
        if not _is_built_in(fish) and number is not None:
            self._fish[number] = fish
        self._work()

    def _work(self) -> None:
        """Does the jobs of the task that was begun."""
        self._raised = None
        try:
            job = self._native.next_job()
            while job is not None:
                fish, owner, what, value = job
                worker = self._states.get((fish, owner))
                if worker is None or what == "load":
                    worker = self._states[fish, owner] = _Worker(self._fish[fish])
                job = self._done(worker, what, value)
        except UserCode as error:
            raise error from self._raised

    def _done(self, worker: _Worker[Any], what: str, value: Any) -> _native.LabJob | None:
        try:
            if what == "load":
                worker.load(value)
                return self._native.loaded()
            if what == "apply":
                return self._native.applied(worker.apply(value))
            return self._native.saved(worker.save())
        except _Failed as failed:
            self._raised = failed.cause
            return self._native.failed(failed.function, failed.index, failed.said)


class _Failed(Exception):
    """Code of a fish raised something."""

    def __init__(self, function: str, index: int | None, cause: Exception) -> None:
        super().__init__(function)
        self.function, self.index, self.cause = function, index, cause
        self.said = f"{type(cause).__name__}: {cause}"


class _Worker(Generic[State]):
    """One of the states that the code of a fish works on."""

    __slots__ = ("fish", "state")

    fish: FishLike[State]
    state: State

    def __init__(self, fish: FishLike[State]) -> None:
        self.fish = fish

    def load(self, data: bytes | None) -> None:
        if data is None:
            self.state = self._begun(None)
            return
        try:
            self.state = _decoded(self.fish, data)
        except Exception as error:
            raise _Failed("decode", None, error) from error

    def apply(self, events: Sequence[Event]) -> int | None:
        last_reset = None
        step, is_reset = self.fish.step, self.fish.is_reset
        for index, event in enumerate(events):
            function = "is_reset"
            try:
                if is_reset is not None and is_reset(event):
                    last_reset, self.state = index, self._begun(index)
                function = "step"
                self.state = step(self.state, event)
            except _Failed:
                raise
            except Exception as error:
                raise _Failed(function, index, error) from error
        return last_reset

    def save(self) -> bytes:
        try:
            return _encoded(self.fish, self.state)
        except Exception as error:
            raise _Failed("encode", None, error) from error

    def _begun(self, index: int | None) -> State:
        try:
            return self.fish.initial
        except Exception as error:
            raise _Failed("initial", index, error) from error


def lint(
    of: str | FishLike[Any] | BuiltInLike, events: Iterable[Event] | None = None
) -> Lint:
    """Whether the answer of a query (as text) or of a fish will never be taken back, and why.

    events: of a fish that has a `merge`, to check with `check_grow_only` that it only grows;
    without them its declaration is not believed. Raises `QueryInvalid`, and as `check_grow_only`.
    """
    if isinstance(of, str):
        return Lint(*_native.lint_query(of))
    is_checked = getattr(of, "merge", None) is not None and events is not None
    if is_checked:
        check_grow_only(cast(Any, of), cast(Any, events))
    return Lint(*_native.lint_fish(_described(of), is_checked))


def check_grow_only(fish: FishLike[State], events: Iterable[Event]) -> None:
    """Checks on up to 64 events that the states of a fish only grow.

    That its `merge` is a least upper bound, and `step` one of what an event alone makes: then the
    fold of any events in any order, some of them twice, is the merge of the folds of its parts.
    States are compared as their codec writes them. Examples prove nothing; they find what is wrong.

    Raises `InvalidArgument`: the fish has no `merge`; or with the reason `grow_only`, and the
    message names the law that is broken.
    """
    merge = fish.merge
    if merge is None:
        raise InvalidArgument(f"the fish {fish.id!r} has no merge: it is not declared to grow only")
    held = list(events)
    check = _native.LawCheck(len(held))

    def answer(question: tuple[str, bytes | None, int | bytes | None]) -> bytes:
        match question:
            case ("step", bytes(state), int(index)):
                worker = _Worker(fish)
                worker.load(state)
                worker.apply([held[index]])
                return worker.save()
            case ("merge", bytes(one), bytes(other)):
                return _encoded(fish, merge(_decoded(fish, one), _decoded(fish, other)))
            case _:
                return _encoded(fish, fish.initial)

    questions = check.next_questions([])
    while questions:
        questions = check.next_questions([answer(question) for question in questions])


def seeds(count: int | None = None) -> list[int]:
    """The seeds to run a scenario with: 1 to `count` (default 100), or the one of `MILLPOND_SEED`.

    Raises `InvalidArgument`: the variable holds no seed.
    """
    return _native.lab_seeds(count)


def explore(scenario: Callable[[int], object], count: int | None = None) -> None:
    """Calls `scenario` with each of `seeds(count)`, and stops at the first one that raises.

    What it raises is raised here, with a note of how to replay it.
    """
    for seed in seeds(count):
        try:
            scenario(seed)
        except BaseException as error:
            error.add_note(replay_hint(seed))
            raise


def _is_built_in(fish: FishLike[Any] | BuiltInLike) -> bool:
    return hasattr(fish, "fold")


def _described(fish: Any) -> tuple[Any, ...]:
    """What the native half needs to know of a fish."""
    if _is_built_in(fish):
        return (fish.query, json.dumps(fish.fold))
    codec = None if fish.codec is None else fish.codec.name
    return (fish.id, fish.version, fish.query, codec)


def _encoded(fish: FishLike[State], state: State) -> bytes:
    codec = fish.codec
    data: Any = state
    return encode_state(data) if codec is None else codec.encode(state)


def _decoded(fish: FishLike[State], data: bytes) -> State:
    codec = fish.codec
    state: State = decode(data) if codec is None else codec.decode(data)
    return state
