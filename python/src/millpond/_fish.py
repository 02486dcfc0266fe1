"""What a fish is: a state from events, by functions of the application or by a built-in fold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

from . import _native
from ._errors import InvalidArgument
from ._native import Event, EventKey, Offsets

S = TypeVar("S")


class Codec(NamedTuple, Generic[S]):
    """How a state becomes bytes and comes back, where it is no payload: `Codec(name, …)`."""

    name: str
    """Part of the fish's definition: another form of the bytes needs another name."""
    encode: Callable[[S], bytes]
    """A state as at most 16 MiB, else `LimitExceeded`, reason "state": the same bytes for equal
    states, on all nodes. What has no order, such as a set, is to be sorted."""
    decode: Callable[[bytes], S]
    """A state of its own, equal to the one that `encode` was given."""


class Monotonicity(NamedTuple):
    """Whether events that arrive later can take back what a state says."""

    verdict: Literal["monotone", "one_way", "not_monotone"]
    """"monotone": never. "one_way": an event may leave it, and none that left comes back."""
    is_monotone: bool
    """True when `verdict` is "monotone"."""
    reason: str
    """Why, as a sentence."""
    text: str
    """All of it, for people."""

    def __str__(self) -> str:
        """All of it, for people."""
        return self.text


class Folded(TypedDict):
    """The state of a built-in fold."""

    value: Any
    """What the fold came to; its form is in docs/pond.md."""
    skipped: int
    """How often a fold passed over an event: no value, null, another type, or no key."""


class AnyFish(Generic[S]):
    """What can be observed: a `Fish` or a `BuiltIn`."""

    __slots__ = ("__weakref__", "_spec")

    def __init__(self, spec: _native.FishSpec) -> None:
        """For millpond only."""
        self._spec = spec

    @property
    def id(self) -> str:
        """The id, in NFC; of a built-in fold one that says what it folds."""
        return self._spec.id

    def monotonicity(self) -> Monotonicity:
        """Whether events that arrive later can take back what its state says, and why.

        That it is declared to grow only is not believed here: `millpond.testing.lint` checks it.
        """
        return Monotonicity(*self._spec.monotonicity(None))

    def _decoded(self, state: _native.State) -> Any:
        return state.decoded()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id!r}>"


class Fish(AnyFish[S]):
    """A state from events, by functions: `Fish(id, version, query, initial, step)`.

    id: its name, 1 to 255 bytes of UTF-8. One definition at a time is observed under one id in a
        node; `observe` of another one raises `Conflict`.
    version: 0 to 2**64 - 1; another one whenever a function or the form of the state changes its
        meaning. Functions are not compared: under the same id, version, query and codec the ones
        that were observed first are used.
    query: which events it folds, see docs/query.md.
    initial: the state before the first event. It is kept as bytes, and each beginning gets its own.
    step: `step(state, event)` returns the next state; what it returns is the state, also None. It
        may change the state that it is given and return it.
    is_reset: `is_reset(event)`: when true, everything before the event is irrelevant, and the
        state is `initial` before the event is stepped over.
    codec: how a state becomes bytes; without it a state is what a payload may be, up to 16 MiB,
        and tuples come back as lists. A state must come back equal to what it was.
    merge: declares that the fish only grows: `merge(a, b)` is the state of the events of both. It
        is for `lint` and `check_grow_only` of `millpond.testing`; no node calls it. Not together
        with `is_reset`, which takes back what was before.

    The functions must depend on nothing but their arguments: they run again and again, and from
    any snapshot on. They run on one thread, `millpond-fish-<id>`, also under asyncio. Several
    nodes may observe one `Fish`, each with a thread of its own.

    Raises `InvalidArgument`, `LimitExceeded`, `QueryInvalid`, `TypeError` for a version that is no
    int, and whatever `codec.encode` raises for `initial`.
    """

    __slots__ = ("_codec", "_data", "_is_reset", "_merge", "_query", "_step", "_version")

    def __init__(
        self,
        id: str,  # noqa: A002
        version: int,
        query: str,
        initial: S,
        step: Callable[[S, Event], S],
        is_reset: Callable[[Event], bool] | None = None,
        codec: Codec[S] | None = None,
        *,
        merge: Callable[[S, S], S] | None = None,
    ) -> None:
        """See the class."""
        name = None if codec is None else codec.name
        known = (merge is not None, is_reset is not None)
        super().__init__(_native.FishSpec.code(id, version, query, name, *known))
        self._version, self._query, self._step = version, query, step
        self._is_reset, self._codec, self._merge = is_reset, codec, merge
        self._data = self._encoded(initial)

    # Read only: a fold that runs, and snapshots on disk, are of what it was made with.

    @property
    def version(self) -> int:
        """As it was given."""
        return self._version

    @property
    def query(self) -> str:
        """As it was given."""
        return self._query

    @property
    def step(self) -> Callable[[S, Event], S]:
        """As it was given."""
        return self._step

    @property
    def is_reset(self) -> Callable[[Event], bool] | None:
        """As it was given."""
        return self._is_reset

    @property
    def codec(self) -> Codec[S] | None:
        """As it was given."""
        return self._codec

    @property
    def merge(self) -> Callable[[S, S], S] | None:
        """As it was given."""
        return self._merge

    @property
    def initial(self) -> S:
        """The state before the first event: a new copy each time."""
        return self._revived(self._data)

    def _encoded(self, state: S) -> bytes:
        if self.codec is None:
            return _native.encode_state(state)
        data: Any = self.codec.encode(state)
        # A copy: a codec may go on with its buffer. `bytes` takes more, and makes zeros of an int.
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise InvalidArgument(f"codec.encode gave {type(data).__name__}, not bytes")
        return bytes(data)

    def _revived(self, data: bytes) -> S:
        revived: S = _native.decode(data) if self.codec is None else self.codec.decode(data)
        return revived

    def _decoded(self, state: _native.State) -> Any:
        if self.codec is None:
            return state.decoded()
        try:
            return self.codec.decode(state.data)
        except Exception as error:
            raise blamed("decode", self.id, error) from error


class BuiltIn(AnyFish[Folded]):
    """A state from events by a fold that millpond has: `BuiltIn(query, folds.count())`.

    query: which events it folds, see docs/query.md. fold: what a function of `millpond.folds`
    gives. Runs no code of Python; two that fold the same are one.

    Raises `InvalidArgument`, `LimitExceeded`, `QueryInvalid`.
    """

    __slots__ = ("fold", "query")

    def __init__(self, query: str, fold: Mapping[str, Any]) -> None:
        """See the class."""
        try:
            text = json.dumps(dict(fold))
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"not what a function of folds gives: {error}") from error
        super().__init__(_native.FishSpec.built_in(query, text))
        # A copy: what the caller changes later does not change what is folded.
        self.query, self.fold = query, json.loads(text)


class State(Generic[S]):
    """A state of a fish, of a caught-up moment, and what it is the state of."""

    __slots__ = ("_fish", "_native", "_value")

    def __init__(self, fish: AnyFish[S], native: _native.State) -> None:
        """For millpond only."""
        self._fish, self._native = fish, native
        self._value: tuple[S] | None = None

    @property
    def value(self) -> S:
        """The state: a copy that is yours, decoded when first asked for.

        Raises `UserCode`, reason "decode": the fish's codec failed.
        """
        if self._value is None:
            self._value = (self._fish._decoded(self._native),)
        return self._value[0]

    @property
    def data(self) -> bytes:
        """The state as bytes: CBOR, or what the fish's codec made of it."""
        return self._native.data

    @property
    def token(self) -> Offsets:
        """The offset map whose matching events are in it: pass it on as `after`."""
        return self._native.token

    @property
    def last(self) -> EventKey | None:
        """The key of the last event in it; None when there is none."""
        return self._native.last

    @property
    def number(self) -> int:
        """Which state of its fold it is, from 1: two with the same number are the same."""
        return self._native.number

    def __repr__(self) -> str:
        return f"<State {self.number} of {self._fish!r}>"


def blamed(function: str, fish_id: str, error: BaseException) -> BaseException:
    """The error `UserCode` for what a function of the application raised."""
    return _native.user_code_error(function, f"{fish_id}: {function}: {described(error)}")


def described(error: BaseException) -> str:
    """An exception in one line, as text that can be encoded."""
    try:
        said = str(error)
    except Exception:
        said = "(its text cannot be had)"
    name = type(error).__name__
    text = f"{name}: {said}" if said else name
    return text.encode("utf-8", "backslashreplace").decode()
