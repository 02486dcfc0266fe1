"""A swarm in memory for tests: what befalls its nodes, and the work of their fish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from . import _native
from ._errors import Closed, UserCode
from ._fish import AnyFish, BuiltIn, Fish, State
from ._fold import FishCode
from ._held_clock import HeldClock
from ._lab_node import AioLabNode, LabNode
from ._lab_scarce import Said
from ._native import Event, LabBackup, Session
from ._observing import Token
from ._reports import Standing
from ._time_limit import RunTooLong
from ._trial import current

S = TypeVar("S")
T = TypeVar("T")

START = 1_767_225_600
"""Where virtual wall clocks begin: 2026-01-01, in seconds since 1970."""


class Lab:
    """A swarm in memory: what befalls its nodes. What they do is said to `node`.

    Nodes are named by their index, and the first is 0. All of them run and reach each other at
    first. Equal options and equal calls give equal results.
    Not for several threads at once.
    """

    def __init__(
        self,
        nodes: int | None = None,
        *,
        seed: int | None = None,
        app: str | None = None,
        skew_max: float | None = None,
        faults: int | None = None,
        without: Iterable[int] = (),
    ) -> None:
        """A lab of so many nodes, 1 to 64 (default 3).

        seed: all chance follows from it (default: that of the run of `explore` or of the test
        with a seed in which it is made; else what `MILLPOND_SEED` says, and then
        `MILLPOND_WITHOUT` says what is left out; else 1). app: who publishes. skew_max: seconds by
        which the nodes' wall clocks are wrong at most (default 300). faults: one in so many
        publishes, also of effects, and of deeds of accounts and claims is the last thing that its
        node does: it raises `Closed`, the node does not run, and the events are stored or not
        (default 0, none). without: numbers of `befell` that do not befall, though they are drawn:
        all else is as without this; any number of them, the environment's at most 2**20. Raises
        `InvalidArgument`, `LimitExceeded`.
        """
        trial = current()
        if seed is None and trial:
            seed = trial.seed
        left_out = [*without, *(trial.without if trial else ())]
        self._native = _native.Lab(nodes, seed, app, skew_max, faults, left_out)
        if trial:
            trial.take(self._native)
        self._fish: dict[int, Fish[Any]] = {}
        self._codes: dict[tuple[int, int], tuple[FishCode, HeldClock]] = {}
        self._turns: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()
        # Counts the beginnings of states: each is at another moment.
        self._moments = 0
        self._hooks: list[tuple[int, Said, Callable[[Standing], object]]] = []
        # Those of claims that have lost, to be called.
        self._lost: list[tuple[Said, Callable[[Standing], object]]] = []
        # Effects that are kept running: on this thread, and by tasks that wait for time to pass.
        self._turns_kept: list[Callable[[], bool]] = []
        self._waiting: list[asyncio.Future[None]] = []

    def node(self, index: int) -> LabNode:
        """The node of this index; the first is 0. Raises `InvalidArgument`: there is none."""
        return LabNode(self, index)

    def aio_node(self, index: int) -> AioLabNode:
        """As `node`, for what takes a node of `millpond.aio`."""
        return AioLabNode(self, index)

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

    @property
    def befell(self) -> list[tuple[int, str]]:
        """What befell by chance, in order, each with its number; the first 10,000.

        That is: what `chaos` does but letting time pass, and deaths in a publish or a deed.
        """
        return self._native.befell

    def is_up(self, node: int) -> bool:
        """Whether a node runs. Raises `InvalidArgument`: there is no such node."""
        return self._native.is_up(node)

    def time_micros(self, node: int) -> int:
        """A node's wall clock, in microseconds since 1970, UTC. Raises as `is_up`."""
        return self._native.time_micros(node)

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1 by the seed, for a scenario to do as chance has it.

        Raises `InvalidArgument`: `end` is not from 1 to 2**64 - 1.
        """
        return self._native.below(end)

    def cut(self, *groups: Iterable[int]) -> None:
        """Parts the network: nodes of one group reach each other and no others.

        It takes the place of what parted it before. Nodes that are in none are one more group.
        Raises `InvalidArgument`: there is no such node, or it is in two groups.
        """
        self._native.cut([list(group) for group in groups])

    def heal(self) -> None:
        """All nodes reach each other again."""
        self._native.heal()

    def crash(self, node: int) -> None:
        """A node's process ends without warning: what it has in memory is lost. If it runs.

        Raises as `is_up`.
        """
        self._native.crash(node)
        self._wake()

    def cut_power(self, node: int) -> None:
        """A node's power is cut: as `crash`, and what was not durable is lost, too.

        Raises as `is_up`.
        """
        self._native.cut_power(node)
        self._wake()

    def start(self, node: int) -> None:
        """A node runs again, if it does not. Raises as `is_up`."""
        self._native.start(node)

    def back_up(self, node: int) -> LabBackup:
        """Copies what is durable at a node, whether it runs or not."""
        return self._native.back_up(node)

    def restore(self, node: int, backup: LabBackup) -> None:
        """Ends a node's process, if it runs, and puts the copy in the place of its disk.

        After `start` it goes on in another stream, and what the former one held of accounts and
        claims is frozen until it is recovered. Raises `InvalidArgument`: the copy is of another
        node, or was made in another lab.
        """
        self._native.restore(node, backup)
        self._wake()

    def advance(self, seconds: float) -> None:
        """Lets so much virtual time pass.

        What nodes reach each other with is delivered meanwhile, in pieces and in an order that
        chance decides; what was published becomes durable; requests are answered; and fish that
        were asked for work. Then hooks of claims that have lost are called, and effects that are
        kept running. Raises `UserCode`: a fish or such an effect fails; and what a hook raises:
        those that were to be called after it are called when time passes again.
        """
        self._native.begin_advance(seconds)
        self._work()
        try:
            self._tell_losses()
        finally:
            self._act()

    def settle(self) -> None:
        """Lets time pass until nodes that reach each other hold the same. Raises as `advance`."""
        try:
            self._settle()
        finally:
            self._act()

    def calm(self) -> None:
        """Heals the network, starts all nodes and settles. Raises as `advance`."""
        self._native.begin_calm()
        self._work()
        try:
            if self._tell_losses():
                self._settle()
        finally:
            self._act()

    def chaos(self, steps: int | None = None) -> None:
        """So many times (default 10): cuts, heals, crashes or starts something, or time passes.

        One node at least goes on running. Raises as `advance`.
        """
        self._native.begin_chaos(steps)
        self._work()
        try:
            self._tell_losses()
        finally:
            self._act()

    def check(self, *fish: AnyFish[Any]) -> None:
        """Asks each node that runs for the states of fish, and the judge more thoroughly.

        That is: the same events again, in other pieces, with the state saved and loaded between,
        and from the last reset on. Nodes that hold the same events must show the same.
        Accounts and claims are judged, too, also without any fish: `InternalError`, reason
        "promise", is a bug of millpond. Raises as `LabNode.state`; `Closed`: no node runs.
        """
        if not fish:
            # A check of a fish asks for that, too.
            self._native.check_scarce()
        for each in fish:
            self._begin(each, self._native.begin_check(each._spec))

    def events(self, fish: Fish[Any] | BuiltIn) -> list[Event]:
        """The events of a fish that any node holds durably, in the order of keys.

        `isLocal` is what the first node published. For `lint` and `check_grow_only`.
        """
        return list(self._native.events(fish.query))

    def __repr__(self) -> str:
        """What it is, for people."""
        return f"<Lab of {len(self.nodes)} nodes, seed {self.seed}>"

    def _state(
        self, node: int, fish: AnyFish[S], after: Token | None, session: Session | None
    ) -> State[S]:
        self._begin(fish, self._native.begin_state(node, fish._spec, after, session))
        return State(fish, self._native.shown())

    def _begin(self, fish: AnyFish[Any], number: int | None) -> None:
        if isinstance(fish, Fish) and number is not None:
            self._fish[number] = fish
        self._work()

    def _settle(self) -> None:
        is_told = True
        while is_told:
            self._native.begin_settle()
            self._work()
            # What hooks have published is to be delivered, too.
            is_told = self._tell_losses()

    def _tell(self, node: int, said: Said, hook: Callable[[Standing], object]) -> None:
        """Calls `hook` when the claim has lost."""
        self._native.tell_loss(node, said.what, str(said.key))
        self._hooks.append((node, said, hook))
        self._tell_losses()

    def _tell_losses(self) -> bool:
        """Calls the hooks of those that have lost; whether there were any."""
        is_told = False
        while (told := self._next_told()) is not None:
            said, hook = told
            if not said.has_ended() and (standing := said.standing()).standing == "lost":
                is_told = True
                hook(standing)
        self._hooks = [own for own in self._hooks if not own[1].has_ended()]
        return is_told

    def _next_told(self) -> tuple[Said, Callable[[Standing], object]] | None:
        """The next hook to call: one alone, since it may raise, and the others are to be called."""
        while not self._lost and (loss := self._native.next_loss()) is not None:
            node, _, key = loss
            told = [own for own in self._hooks if (own[0], str(own[1].key)) == (node, key)]
            self._hooks = [own for own in self._hooks if own not in told]
            self._lost += [(said, hook) for _, said, hook in told]
        return self._lost.pop(0) if self._lost else None

    def _act(self) -> None:
        """Time has passed: effects that are kept running see new states."""
        turns, self._turns_kept = self._turns_kept, []
        while turns:
            turn = turns.pop(0)
            try:
                if turn():
                    self._turns_kept.append(turn)
            except BaseException:
                # It is over, and the others are not.
                self._turns_kept += turns
                raise
        self._wake()

    def _wake(self) -> None:
        """Tasks that wait for time to pass look what has come of it."""
        waiting, self._waiting = self._waiting, []
        for passed in waiting:
            if not passed.done() and not passed.get_loop().is_closed():
                passed.set_result(None)

    def _passing(self) -> asyncio.Future[None]:
        """Is done when time has passed, or a node has ended, since this was asked for."""
        passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(passed)
        return passed

    def _done(self, call: Callable[..., T], *given: Any) -> T:
        """What a call gives that may be the last thing that its node does."""
        try:
            return call(*given)
        except Closed:
            self._wake()
            raise

    def _work(self) -> None:
        """Does the jobs of the task that was begun."""
        try:
            self._do_jobs()
        except BaseException:
            # An interrupt may have come between a job and its answer.
            self._native.abandon()
            raise

    def _do_jobs(self) -> None:
        code: FishCode | None = None
        try:
            job = self._native.next_job()
            while job is not None:
                fish, owner, (kind, what) = job
                held = self._codes.get((fish, owner))
                if held is None or kind == "load":
                    held = FishCode(self._fish[fish]), HeldClock(self._fish[fish], self._moments)
                    self._moments += 1
                    self._codes[fish, owner] = held
                code, clock = held
                with clock.held(START + self._native.elapsed):
                    answer, *rest = code.do(kind, what)
                job = getattr(self._native, answer)(*rest)
        except UserCode as error:
            failure = None if code is None else code.failure
            if isinstance(failure, (KeyboardInterrupt, SystemExit, RunTooLong)):
                # It was for the test, which runs on the same thread, and not of the fish.
                raise failure from None
            raise error from failure
