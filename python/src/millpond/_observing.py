"""Fish observed and acted on, for threads and for asyncio: what waits in several steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeAlias, TypeVar

from . import _native
from ._asking import Ask, Given, Steps
from ._deadline import Deadline, lesser
from ._draft import Published
from ._effects import acting, is_closed, pairs_of_effect, refuse_nested, value_of
from ._errors import Closed, UserCode
from ._facts import Durability, NodeFacts
from ._fish import AnyFish, State, described
from ._fold import Work, Worker, blame, known_work, working
from ._loop import Keep
from ._native import Event, Offsets, Session
from ._series import Begin, Series

S = TypeVar("S")

Token: TypeAlias = Offsets | str
"""An offset map that a read must cover, or its text: what `publish`, a state or a batch gave."""
MakeFish: TypeAlias = Callable[[Event], "AnyFish[S] | None"]
"""Is given a seed, and gives the fish of it; None is no fish."""


class ObserverSteps(Series[_native.Observer], Generic[S]):
    """What an observer waits for. For millpond only."""

    __slots__ = ("_fish", "_held", "_work")

    def __init__(self, node: NodeFacts, begin: Begin, fish: AnyFish[S]) -> None:
        """For millpond only."""
        super().__init__(node, begin)
        self._fish = fish
        self._held: _native.State | None = None
        self._work: Work | None = None

    def _next(self, timeout: float | None) -> Steps[State[S] | None]:
        deadline = Deadline(timeout)
        native = yield from self._open(deadline)
        if native is None or self._closed:
            return None
        if self._held is None:
            ask = Ask(native.next_state, native.next_state_start, deadline.left())
            try:
                yield ask.kept_by(self._hold)
            except UserCode as error:
                self._blame(error)
                raise
            except Closed as error:
                if self._has_ended(error):
                    return None
                raise
        state, self._held = self._held, None
        return None if state is None or state.is_end else State(self._fish, state)

    def _state(self, deadline: Deadline) -> Steps[State[S]]:
        """The state once; ends the observer."""
        try:
            native = yield from self._opened(deadline)
            state = yield Ask(native.state, native.state_start, deadline.left())
            return State(self._fish, state)
        except UserCode as error:
            self._blame(error)
            raise
        finally:
            self._end()

    def _turn(
        self, is_new: bool, session: Session | None, deadline: Deadline
    ) -> Steps[_native.Turn]:
        native = yield from self._opened(deadline)
        got: list[_native.Turn | None] = []
        ask = Ask(native.turn, native.turn_start, is_new, session, deadline.left())
        try:
            turn: _native.Turn = yield ask.kept_by(got.append)
        except BaseException as error:
            for late in got:
                # It came as the wait was called off: others want it.
                if late is not None:
                    late.close()
            if isinstance(error, UserCode):
                self._blame(error)
            raise
        return turn

    def _hold(self, state: _native.State | None) -> None:
        if state is not None:
            self._held = state

    def _keep(self) -> Keep:
        return self._observed

    def _observed(self, observed: tuple[_native.Observer, _native.Fold | None] | None) -> None:
        if observed is not None:
            # Also when nobody waits any more: others may observe it already.
            self._work = working(self._node.id, observed[1], self._fish)

    def _taken(self, value: Any) -> _native.Observer:
        native: _native.Observer = value[0]
        return native

    def _blame(self, error: UserCode) -> None:
        blame(error, (self._work, known_work(self._node.id, self._fish.id)))


def observing(
    node: NodeFacts,
    fish: AnyFish[Any],
    after: Token | None,
    session: Session | None,
    timeout: float | None = None,
) -> Begin:
    """Asks for an observer, in `timeout` if that is shorter than what is left."""

    def begin(left: float | None) -> Ask[Any]:
        pond = node._native.pond()
        within = lesser(timeout, left)
        ask = Ask(pond.observe, pond.observe_start, fish._spec, after, session, within)
        return ask.interrupted(pond.take_left)

    return begin


def state_of(
    node: NodeFacts,
    fish: AnyFish[S],
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Steps[State[S]]:
    """The state of a built-in fold, once."""
    pond = node._native.pond()
    state = yield Ask(pond.state, pond.state_start, fish._spec, after, session, timeout)
    return State(fish, state)


def running(
    observer: ObserverSteps[S],
    effect: Callable[[S], Any],
    durability: Durability | None,
    session: Session | None,
    timeout: float | None,
) -> Steps[Published | None]:
    """One effect; ends the observer."""
    refuse_nested()
    deadline = Deadline(timeout)
    try:
        turn = yield from observer._turn(False, session, deadline)
        try:
            state = value_of(turn, observer._fish)
            with acting(observer._fish):
                pairs = pairs_of_effect((yield Given(effect(state))))
            return (yield from _published(turn, pairs, durability, session))
        finally:
            turn.close()
    finally:
        observer._end()


def keeping_running(
    observer: ObserverSteps[S],
    effect: Callable[[S], Any],
    cancel_when: Callable[[S], bool] | None,
    durability: Durability | None,
    session: Session | None,
    timeout: float | None,
) -> Steps[None]:
    """An effect on each state; ends the observer."""
    refuse_nested()
    deadline = Deadline(timeout)
    try:
        while True:
            turn = yield from observer._turn(True, session, deadline)
            try:
                state = value_of(turn, observer._fish)
                with acting(observer._fish):
                    if cancel_when is not None and cancel_when(state):
                        return
                    pairs = pairs_of_effect((yield Given(effect(state))))
                yield from _published(turn, pairs, durability, session)
            finally:
                turn.close()
    except Closed:
        # Nobody else closes the observer, so the node does; or else it is the session.
        if is_closed(session):
            raise
    finally:
        observer._end()


def _published(
    turn: _native.Turn, pairs: list[Any], durability: Durability | None, session: Session | None
) -> Steps[Published | None]:
    if not pairs:
        return None
    # To its end: who is told `Timeout` of an effect may take it that nothing was published.
    ask = Ask(turn.publish, turn.publish_start, pairs, durability, session, None)
    return Published((yield ask))


class Members(Generic[S]):
    """The fish of a group and who works them. For millpond only."""

    __slots__ = ("_cause", "_fish", "_make", "_node_id", "_worker", "_works", "answer", "undone")

    def __init__(self, node_id: str, make: MakeFish[S]) -> None:
        self._node_id, self._make = node_id, make
        self._fish: dict[str, AnyFish[S]] = {}
        self._works: list[Work] = []
        self._worker: Worker | None = None
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
            if self._worker is None:
                self._worker = Worker("millpond-fish-group")
            fish_id, fold = folds.pop()
            fish: Any = self._fish[fish_id]
            self._works.append(self._worker.add(self._node_id, fold, fish))

    def do(self) -> tuple[bool, dict[str, State[S]] | None]:
        """Does what was taken: `(True, states or None at the end)`, or False to go on."""
        if (undone := self.undone) is None:
            return False, None  # The group was closed meanwhile.
        kind, what = undone
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


class GroupSteps(Series[_native.Group], Generic[S]):
    """What the observers of several fish wait for. For millpond only."""

    __slots__ = ("_members",)

    def __init__(self, node: NodeFacts, begin: Begin, make: MakeFish[S]) -> None:
        """For millpond only."""
        super().__init__(node, begin)
        self._members: Members[S] = Members(node.id, make)

    def _end(self) -> None:
        super()._end()
        # What was not done keeps fish from others.
        self._members.undone = None

    def _next_states(self, timeout: float | None) -> Steps[dict[str, State[S]] | None]:
        members, deadline = self._members, Deadline(timeout)
        native = yield from self._open(deadline)
        while native is not None and not self._closed:
            if members.undone is None:
                answer, members.answer = members.answer, None
                ask = Ask(native.next_step, native.next_step_start, answer, deadline.left())
                try:
                    yield ask.kept_by(members.keep).interrupted(native.take_left)
                except UserCode as error:
                    members.blame(error)
                    raise
                except Closed as error:
                    if self._has_ended(error):
                        return None
                    raise
            is_done, states = members.do()
            if is_done:
                return states
        return None

    def _next_state(self, timeout: float | None) -> Steps[State[S] | None]:
        deadline = Deadline(timeout)
        while (states := (yield from self._next_states(deadline.left()))) is not None:
            for state in states.values():
                return state
        return None


def grouping(
    node: NodeFacts,
    seeds: str,
    only_first: bool,
    after: Token | None,
    session: Session | None,
    timeout: float | None = None,
) -> Begin:
    """Asks for a group, in `timeout` if that is shorter than what is left."""

    def begin(left: float | None) -> Ask[Any]:
        pond = node._native.pond()
        ask, start = pond.observe_group, pond.observe_group_start
        return Ask(ask, start, seeds, only_first, after, session, lesser(timeout, left))

    return begin
