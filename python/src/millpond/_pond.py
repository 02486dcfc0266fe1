"""The pond for threads: fish observed, and effects on them. The asyncio one is in `_aio_pond`."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

from . import _native
from ._draft import Published
from ._effects import Deadline, Effect, acting, is_closed, pairs_of_effect, refuse_nested, value_of
from ._errors import Closed, UserCode
from ._facts import Durability, NodeFacts
from ._fish import AnyFish, Fish, State, described
from ._fold import Work, Worker, blame, known_work, working
from ._native import Event, Offsets, Session

S = TypeVar("S")

Token: TypeAlias = Offsets | str
"""An offset map that a read must cover, or its text: what `publish`, a state or a batch gave."""
MakeFish: TypeAlias = Callable[[Event], "AnyFish[S] | None"]
"""Is given a seed, and gives the fish of it; None is no fish."""


class PondCalls(NodeFacts):
    """What a node does with fish and tokens."""

    __slots__ = ()

    def session(self) -> Session:
        """A session that has seen nothing: give it to calls as `session=`. It fits any node."""
        return Session()

    def wait_for(
        self, token: Token, *, query: str | None = None, timeout: float | None = None
    ) -> None:
        """Returns when the log covers `token`.

        query: then only as far as events could match this. timeout: seconds, 0 to look only, None
            for no limit. Raises `NotYetVisible` at its end, with what is `missing`;
            `InvalidArgument`, `QueryInvalid`, `Closed`.
        """
        self._native.pond().wait_for(token, query, timeout)

    def observe(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Observer[S]:
        """Follows the state of a fish: iterate over it, or call its `next`.

        The first state comes as soon as the fish has caught up with the log, also when nothing
        matches; then one whenever it may have changed, the newest: who is slow skips some. All
        observers of a fish in this process share one fold.

        after: only states that cover this token. session: the same for what it has seen; it then
            has seen the states. timeout: seconds for opening, and for what `after` and `session`
            wait for; None for no limit.

        Raises `Conflict`, reason "other_definition": another fish is observed under this id;
        `NotYetVisible`, `InvalidArgument`, `Timeout`, `Closed`.
        """
        pond = self._native.pond()
        try:
            native, fold = pond.observe(fish._spec, after, session, timeout)
        except BaseException:
            # Others may observe it already, and nobody else works it.
            working(self.id, pond.take_left(), fish)
            raise
        return Observer(self, native, fish, working(self.id, fold, fish))

    def state(
        self,
        fish: AnyFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> State[S]:
        """The state of a fish once: of all that is durable here now, or of more.

        Who asks often keeps an observer open, so that the fold goes on between the questions.
        timeout: seconds for all of it, None for no limit.

        Raises as `observe`, and `UserCode` as `Observer.next`.
        """
        if not isinstance(fish, Fish):
            return State(fish, self._native.pond().state(fish._spec, after, session, timeout))
        deadline = Deadline(timeout)
        with self.observe(fish, after=after, session=session, timeout=timeout) as observer:
            return observer._state(deadline.left())

    def observe_all(
        self,
        seeds: str,
        make_fish: MakeFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AllObserver[S]:
        """Follows the states of a fish for each event that the query `seeds` selects.

        make_fish: gives the fish of a seed, or None. Called once for each seed, by the thread that
            waits for states. Seeds that give the same fish are one. All else as `observe`.
        """
        group = self._native.pond().observe_group(seeds, False, after, session, timeout)
        return AllObserver(self, group, make_fish)

    def observe_one(
        self,
        seed: str,
        make_fish: MakeFish[S],
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> OneObserver[S]:
        """Follows the state of the fish of one event that the query `seed` selects: the first in
        key order. Waits for one; when an older one arrives, its fish takes the place, or nothing
        does where that has none.

        All else as `observe_all`.
        """
        group = self._native.pond().observe_group(seed, True, after, session, timeout)
        return OneObserver(self, group, make_fish)

    def run(
        self,
        fish: AnyFish[S],
        effect: Effect[S],
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published | None:
        """Gives `effect` the state of a fish, and publishes the events that it gives back.

        Effects on one fish run one at a time in this process, and each sees what those before it
        published. Other nodes act at the same time: what must hold among them all needs an account
        or a claim. Returns when the events are durable; None when there are none.

        effect: called once, on this thread, with a copy of the state. timeout: seconds until the
            effect may begin, None for no limit. Once it has begun, it runs and is published to the
            end. Without an observer of the fish beside it, each call loads its snapshot.

        Raises `Timeout`: the effect was not called; `UserCode`, reason "effect" with the exception
            as its cause: nothing was published;
        `InvalidArgument`, reason "nested_effect": inside of an effect; as `observe`, as `publish`.
        """
        refuse_nested()
        deadline = Deadline(timeout)
        with self.observe(fish, after=after, session=session, timeout=timeout) as observer:
            turn = observer._turn(False, deadline.left())
            try:
                state = value_of(turn, fish)
                with acting(fish):
                    pairs = pairs_of_effect(effect(state))
                return _published(turn, pairs, durability, session)
            finally:
                turn.close()

    def keep_running(
        self,
        fish: AnyFish[S],
        effect: Effect[S],
        cancel_when: Callable[[S], bool] | None = None,
        *,
        durability: Durability | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> None:
        """Runs an effect now and at each change of the state, until `cancel_when` holds for one.

        Each time as `run`. Returns also when the node is closed. For a thread of its own, if others
        have work to do. timeout: seconds for all of it, None for no limit; it ends no effect that
        has begun, and loses none of its events.

        Raises `Timeout`; as `run`.
        """
        refuse_nested()
        deadline = Deadline(timeout)
        try:
            with self.observe(fish, after=after, session=session, timeout=timeout) as observer:
                while True:
                    turn = observer._turn(True, deadline.left())
                    try:
                        state = value_of(turn, fish)
                        with acting(fish):
                            if cancel_when is not None and cancel_when(state):
                                return
                            pairs = pairs_of_effect(effect(state))
                        _published(turn, pairs, durability, session)
                    finally:
                        turn.close()
        except Closed:
            # Nobody else closes the observer, so the node does; or else it is the session.
            if is_closed(session):
                raise


def _published(
    turn: _native.Turn,
    pairs: list[Any],
    durability: Durability | None,
    session: Session | None,
) -> Published | None:
    if not pairs:
        return None
    return Published(turn.publish(pairs, durability, session, None))


class Observer(Generic[S]):
    """The states of a fish as they come: iterate over it.

    Iteration ends when the observer or its node is closed. Usable from any thread, by one at a
    time; `close` may be called while another thread waits. Close it, or leave its `with` block,
    when nobody needs the fish any more: as long as it is observed it is kept up to date.
    """

    __slots__ = ("__weakref__", "_closed", "_fish", "_native", "_node", "_work")

    def __init__(
        self, node: NodeFacts, native: _native.Observer, fish: AnyFish[S], work: Work | None
    ) -> None:
        """For millpond only."""
        self._node, self._native, self._fish, self._work = node, native, fish, work
        self._closed = False

    def next(self, timeout: float | None = None) -> State[S] | None:
        """Waits for a state that was not given yet, the newest; None when the observer has ended.

        timeout: seconds, None for no limit. Raises `Timeout` (no state is lost); after the last
        good state, at each call: `UserCode` with the `reason` "initial", "step", "is_reset",
        "encode" or "decode", which names the event and has the exception as its cause: the fish
        has stopped, and observing it anew tries again; `LimitExceeded`, `Corrupt`, `StorageFailed`.
        """
        try:
            state = self._native.next_state(timeout)
        except UserCode as error:
            self._blame(error)
            raise
        except Closed:
            if self._closed or self._node.closed:
                return None
            raise
        return None if state.is_end else State(self._fish, state)

    def fileno(self) -> int:
        """A file descriptor for `select` and the like: readable while `next` would not wait.

        It belongs to the observer: never read, write or close it. Raises `Closed`.
        """
        return self._native.fileno()

    def close(self) -> None:
        """Ends it: whoever waits for its next state sees the end. May be repeated."""
        self._closed = True
        self._native.close()

    def _state(self, timeout: float | None) -> State[S]:
        try:
            return State(self._fish, self._native.state(timeout))
        except UserCode as error:
            self._blame(error)
            raise

    def _turn(self, is_new: bool, timeout: float | None) -> _native.Turn:
        try:
            return self._native.turn(is_new, timeout)
        except UserCode as error:
            self._blame(error)
            raise

    def _blame(self, error: UserCode) -> None:
        blame(error, (self._work, known_work(self._node.id, self._fish.id)))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> State[S]:
        state = self.next()
        if state is None:
            raise StopIteration
        return state

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Members(Generic[S]):
    """The fish of a group and who works them, for threads and for asyncio. For millpond only."""

    __slots__ = ("_cause", "_fish", "_make", "_node_id", "_worker", "_works", "answer", "undone")

    def __init__(self, node_id: str, make: MakeFish[S]) -> None:
        self._node_id, self._make = node_id, make
        self._fish: dict[str, AnyFish[S]] = {}
        self._works: list[Work] = []
        self._worker = Worker("millpond-fish-group")
        self._cause: Exception | None = None
        self.answer: Any = None
        """What the next step is asked for with."""
        self.undone: tuple[str, Any] | None = None
        """A step that was taken and not done: an interrupt came between."""

    def keep(self, step: tuple[str, Any] | None) -> None:
        """Takes a step that arrived, whoever still waits."""
        if step is not None:
            self.undone = step
            if step[0] == "folds":
                # At once, and not when somebody asks again: others may observe these fish.
                self._work_on(step[1])

    def _work_on(self, folds: list[tuple[str, _native.Fold]]) -> None:
        while folds:
            fish_id, fold = folds.pop()
            fish: Any = self._fish[fish_id]
            self._works.append(self._worker.add(self._node_id, fold, fish))

    def do(self) -> tuple[bool, dict[str, State[S]] | None]:
        """Does what was taken: `(True, states or None at the end)`, or False to go on."""
        assert self.undone is not None, "asked for a step first"
        kind, what = self.undone
        states: dict[str, State[S]] | None = None
        if kind == "seeds":
            self.answer = self._made(what)
        elif kind == "folds":
            self._work_on(what)
        elif kind == "states":
            states = {fish_id: State(self._fish[fish_id], state) for fish_id, state in what}
        if kind != "ended":
            self.undone = None
        return kind in ("states", "ended"), states

    def _made(self, seeds: _native.Batch) -> Any:
        specs: list[_native.FishSpec | None] = []
        for index, seed in enumerate(seeds):
            try:
                fish = self._make(seed)
                spec = None if fish is None else fish._spec
            except Exception as error:
                self._cause = error
                return index, described_make(error)
            if fish is not None:
                # Of one, another fish of the same id takes its place.
                self._fish[fish.id] = fish
            specs.append(spec)
        return specs

    def blame(self, error: UserCode) -> None:
        """Names the exception that `error` tells of as its cause."""
        if error.reason == "make_fish":
            error.__cause__ = self._cause
        else:
            works = [known_work(self._node_id, fish_id) for fish_id in self._fish]
            blame(error, [*self._works, *works])


def described_make(error: Exception) -> str:
    """What the error of a group says of an exception in `make_fish`."""
    return f"make_fish: {described(error)}"


class _Group(Generic[S]):
    """What the observers of several fish have in common."""

    __slots__ = ("__weakref__", "_closed", "_members", "_native", "_node")

    def __init__(self, node: NodeFacts, native: _native.Group, make: MakeFish[S]) -> None:
        """For millpond only."""
        self._node, self._native = node, native
        self._members: Members[S] = Members(node.id, make)
        self._closed = False

    def _next_states(self, timeout: float | None) -> dict[str, State[S]] | None:
        members, deadline, left = self._members, Deadline(timeout), timeout
        while True:
            if members.undone is None:
                answer, members.answer = members.answer, None
                try:
                    members.undone = self._native.next_step(answer, left)
                except UserCode as error:
                    members.blame(error)
                    raise
                except Closed:
                    if self._closed or self._node.closed:
                        return None
                    raise
            is_done, states = members.do()
            if is_done:
                return states
            left = deadline.left()

    def close(self) -> None:
        """Ends it: whoever waits for its next states sees the end. May be repeated."""
        self._closed = True
        self._native.close()

    def __iter__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AllObserver(_Group[S]):
    """The states of many fish as they come: iterate over it. See `Node.observe_all`."""

    __slots__ = ()

    def next(self, timeout: float | None = None) -> dict[str, State[S]] | None:
        """Waits until a state has changed, and gives all of them by fish id, in rising order.

        First when all seeds are looked at and each fish has a state; None when the observer has
        ended. `State.number` tells which have changed.

        timeout: seconds, None for no limit. Raises `Timeout` (nothing is lost); `UserCode`, reason
        "make_fish", or as `Observer.next`, whichever fish failed; `LimitExceeded`, reason "fish":
        more than 1,024. Each of them ends it.
        """
        return self._next_states(timeout)

    def __next__(self) -> dict[str, State[S]]:
        states = self.next()
        if states is None:
            raise StopIteration
        return states


class OneObserver(_Group[S]):
    """The states of the fish of the first seed: iterate over it. See `Node.observe_one`."""

    __slots__ = ()

    def next(self, timeout: float | None = None) -> State[S] | None:
        """Waits for a state that was not given yet; None when the observer has ended.

        timeout: seconds, None for no limit. Raises as `AllObserver.next`.
        """
        deadline, left = Deadline(timeout), timeout
        while (states := self._next_states(left)) is not None:
            for state in states.values():
                return state
            left = deadline.left()
        return None

    def __next__(self) -> State[S]:
        state = self.next()
        if state is None:
            raise StopIteration
        return state
