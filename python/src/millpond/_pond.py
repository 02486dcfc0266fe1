"""The pond for threads: fish observed, and effects on them. The asyncio one is in `_aio_pond`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from ._asking import Ask, waited
from ._deadline import Deadline
from ._draft import Published
from ._effects import Effect
from ._facts import Durability, NodeFacts
from ._fish import AnyFish, Fish, State
from ._native import Session
from ._observing import (
    GroupSteps,
    MakeFish,
    ObserverSteps,
    Token,
    grouping,
    keeping_running,
    observing,
    running,
    state_of,
)
from ._series import Waiting

S = TypeVar("S")


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
        pond = self._native.pond()
        Ask(pond.wait_for, pond.wait_for_start, token, query, timeout).waited()

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
        `NotYetVisible`, `InvalidArgument`, `Timeout`, `Closed`: the node or the session.
        """
        observer = Observer(self, observing(self, fish, after, session), fish)
        waited(observer._opened(Deadline(timeout)))
        return observer

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
            return waited(state_of(self, fish, after, session, timeout))
        observer = Observer(self, observing(self, fish, after, session), fish)
        return waited(observer._state(Deadline(timeout)))

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

        Raises `QueryInvalid`; as `observe`, but for `Conflict`, which waiting for states raises.
        """
        group = AllObserver(self, grouping(self, seeds, False, after, session), make_fish)
        waited(group._opened(Deadline(timeout)))
        return group

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
        key order. Waits for one; when an older one arrives, its fish takes the place. Where
        `make_fish` gives none, nothing is shown, and what was shown before it counts no more.

        All else as `observe_all`.
        """
        group = OneObserver(self, grouping(self, seed, True, after, session), make_fish)
        waited(group._opened(Deadline(timeout)))
        return group

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
        as its cause: nothing was published; `NotYetVisible`, also of what the session came to have
        seen while the effect ran, for which nobody waits: nothing was published; `InvalidArgument`,
        reason "nested_effect": inside of an effect; as `observe`, as `publish`.
        """
        observer = Observer(self, observing(self, fish, after, session), fish)
        return waited(running(observer, effect, durability, session, timeout))

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

        Each time as `run`, once what the session has seen by then is here. Returns also when the
        node is closed. For a thread of its own, if others have work to do. timeout: seconds for all
        of it, None for no limit; it ends no effect that has begun, and loses none of its events.

        Raises `Timeout`, or at that moment `NotYetVisible` where something is still missing; as
        `run`.
        """
        observer = Observer(self, observing(self, fish, after, session), fish)
        steps = keeping_running(observer, effect, cancel_when, durability, session, timeout)
        waited(steps)


class Observer(ObserverSteps[S], Waiting, Generic[S]):
    """The states of a fish as they come: iterate over it.

    Iteration ends when the observer or its node is closed. Usable from any thread, by one at a
    time; `close` may be called while another thread waits. Close it, or leave its `with` block,
    when nobody needs the fish any more: as long as it is observed it is kept up to date.
    """

    __slots__ = ()

    def next(self, timeout: float | None = None) -> State[S] | None:
        """Waits for a state that was not given yet, the newest; None when the observer has ended.

        timeout: seconds, None for no limit. Raises `Timeout` (no state is lost); after the last
        good state, at each call: `UserCode` with the `reason` "initial", "step", "is_reset",
        "encode" or "decode", which names the event and has the exception as its cause: the fish
        has stopped, and observing it anew tries again; `LimitExceeded`, `Corrupt`, `StorageFailed`;
        `InvalidArgument`: somebody else waits already.
        """
        return waited(self._next(timeout))

    def fileno(self) -> int:
        """A file descriptor for `select` and the like: readable while `next` would not wait.

        It belongs to the observer: never read, write or close it. A state that came as a `next` was
        interrupted or cancelled does not make it readable: call `next(timeout=0)` then. Raises
        `Closed`.
        """
        return self._known().fileno()

    def close(self) -> None:
        """Ends it: whoever waits for its next state sees the end. May be repeated."""
        self._end()

    def __next__(self) -> State[S]:
        state = self.next()
        if state is None:
            raise StopIteration
        return state


class AllObserver(GroupSteps[S], Waiting, Generic[S]):
    """The states of many fish as they come: iterate over it. See `Node.observe_all`."""

    __slots__ = ()

    def next(self, timeout: float | None = None) -> dict[str, State[S]] | None:
        """Waits until a state has changed, and gives all of them by fish id, in rising order.

        First when all seeds are looked at and each fish has a state; None when the observer has
        ended. `State.number` tells which have changed.

        timeout: seconds, None for no limit. Raises `Timeout` (nothing is lost), `InvalidArgument`:
        somebody else waits already. Each of these ends it: `UserCode`, reason "make_fish", or as
        `Observer.next`, whichever fish failed; `LimitExceeded`, reason "fish": more than 1,024.
        """
        return waited(self._next_states(timeout))

    def close(self) -> None:
        """Ends it: whoever waits for its next states sees the end. May be repeated."""
        self._end()

    def __next__(self) -> dict[str, State[S]]:
        states = self.next()
        if states is None:
            raise StopIteration
        return states


class OneObserver(GroupSteps[S], Waiting, Generic[S]):
    """The states of the fish of the first seed: iterate over it. See `Node.observe_one`."""

    __slots__ = ()

    def next(self, timeout: float | None = None) -> State[S] | None:
        """Waits for a state that was not given yet; None when the observer has ended.

        timeout: seconds, None for no limit. Raises as `AllObserver.next`.
        """
        return waited(self._next_state(timeout))

    def close(self) -> None:
        """Ends it: whoever waits for its next state sees the end. May be repeated."""
        self._end()

    def __next__(self) -> State[S]:
        state = self.next()
        if state is None:
            raise StopIteration
        return state
