"""Accounts and claims of a node of a lab: as those of a node, answered in virtual time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from . import _aio_doing, _aio_scarce, _doing, _scarce
from ._aio_scarce import Awaited
from ._deeds import MakeDeed
from ._draft import Published, key_bytes
from ._errors import Closed, InvalidArgument, Timeout
from ._native import Deed, EventKey, Session
from ._observing import Token
from ._reports import AccountReport, ClaimReport, Standing, report_of

if TYPE_CHECKING:
    from . import _native
    from ._lab import Lab
    from ._lab_node import _Place


class Desk:
    """What a node of a lab does with accounts and claims. For millpond only."""

    __slots__ = ("_index", "_lab")

    def __init__(self, lab: Lab, index: int) -> None:
        """For millpond only."""
        self._lab, self._index = lab, index

    def answer_requests(self, name: str, enabled: bool, reserve: int | None) -> None:
        """As its node does."""
        self._lab._native.answer_requests(self._index, name, enabled, reserve)

    def hand_over_when_asked(self, what: str, enabled: bool) -> None:
        """As its node does."""
        self._lab._native.hand_over_when_asked(self._index, what, enabled)

    def act(
        self,
        deed: MakeDeed,
        idempotency_key: bytes | str | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Published:
        """Does it; `timeout` means nothing."""
        key = key_bytes(idempotency_key)
        lab = self._lab
        return Published(lab._done(lab._native.act, self._index, deed(), key, after, session))

    def report(
        self,
        topic: _native.Topic,
        name: str,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
    ) -> Any:
        """A report of an account, a claim, or who does what; `timeout` means nothing."""
        report = self._lab._native.report_json
        return report_of(report(self._index, topic, name, after, session))


def no_subscriptions(*_: Any) -> NoReturn:
    """Raises `InvalidArgument`."""
    raise InvalidArgument("a lab has no subscriptions: let time pass, and ask for a report")


class _AtDesk:
    """What accounts and claims of a lab have in common, for threads and for asyncio."""

    __slots__ = ()

    _desk: Desk

    def subscribe(self) -> NoReturn:
        """Raises `InvalidArgument`: a lab has no subscriptions."""
        no_subscriptions()

    def _standing_orders(self) -> Desk:
        return self._desk


class LabAccount(_AtDesk, _scarce.Account):
    """As `Account`, of a node of a lab. Not here: `subscribe`."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk, name: str, id: str | None) -> None:  # noqa: A002
        """For millpond only."""
        self._desk, self.name, self._id = desk, name, id

    def _act(self, *given: Any) -> Published:
        return self._desk.act(*given)

    def _report(self, *given: Any) -> AccountReport:
        report: AccountReport = self._desk.report(("account", self._id), self.name, *given)
        return report


class LabClaim(_AtDesk, _scarce.Claim):
    """As `Claim`, of a node of a lab. Not here: `subscribe`."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk, what: str) -> None:
        """For millpond only."""
        self._desk, self.what = desk, what

    def _act(self, *given: Any) -> Published:
        return self._desk.act(*given)

    def _report(self, *given: Any) -> ClaimReport:
        report: ClaimReport = self._desk.report(("claim", None), self.what, *given)
        return report


class AioLabAccount(_AtDesk, _aio_scarce.Account):
    """As `LabAccount`, for asyncio: what acts is done when it is awaited, at once."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk, name: str, id: str | None) -> None:  # noqa: A002
        """For millpond only."""
        self._desk, self.name, self._id = desk, name, id

    def _act(self, *given: Any) -> Awaited[Published]:
        return _awaited(self._desk.act, *given)

    def _report(self, *given: Any) -> Awaited[AccountReport]:
        return _awaited(self._desk.report, ("account", self._id), self.name, *given)


class AioLabClaim(_AtDesk, _aio_scarce.Claim):
    """As `LabClaim`, for asyncio: what acts is done when it is awaited, at once."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk, what: str) -> None:
        """For millpond only."""
        self._desk, self.what = desk, what

    def _act(self, *given: Any) -> Awaited[Published]:
        return _awaited(self._desk.act, *given)

    def _report(self, *given: Any) -> Awaited[ClaimReport]:
        return _awaited(self._desk.report, ("claim", None), self.what, *given)


async def _awaited(call: Callable[..., Any], *given: Any) -> Any:
    return call(*given)


class Said:
    """An optimistic claim of a node of a lab, in the life of the node that it is listened to in."""

    __slots__ = ("_is_closed", "_life", "_place", "_told", "key", "what")

    def __init__(self, place: _Place, what: str, key: str) -> None:
        """For millpond only."""
        lamport, stream = key.split("/")
        self._place, self.what, self.key = place, what, EventKey(int(lamport), stream)
        self._life, self._is_closed = place._native.life(place.index), False
        self._told: tuple[str, EventKey | None] | None = None

    def has_ended(self) -> bool:
        """Whether nobody listens any more: it was closed, or the node's process has ended."""
        place = self._place
        return self._is_closed or place.closed or place._native.life(place.index) != self._life

    def close(self) -> None:
        """Ends the listening."""
        self._is_closed = True

    def next(self) -> Standing | None:
        """How it stands, if that is new; None at the end. Raises `Timeout`: it is not."""
        if self.has_ended():
            return None
        standing = self.standing()
        told = standing.standing, standing.winner
        if told == self._told:
            raise Timeout("nothing has changed, and a lab does not wait: let time pass")
        self._told = told
        return standing

    def standing(self) -> Standing:
        """How it stands now."""
        native, index = self._place._native, self._place.index
        return Standing(*native.standing(index, self.what, str(self.key)))

    def on_loss(self, hook: Callable[[Standing], object]) -> None:
        """Has the lab call `hook` when it has lost. Raises `Closed`."""
        if self.has_ended():
            raise Closed("this object is closed, or its node has ended")
        self._place._lab._tell(self._place.index, self, hook)


class LabDoing(_doing.Doing):
    """As `Doing`, of a node of a lab.

    `next` raises `Timeout` at once where `Doing` would wait. A hook is called on this thread, by
    the call that let time pass, when that has passed; what it raises comes out of that call.
    Listening ends with the node's process. Not here: `fileno`.
    """

    __slots__ = ("_said",)

    def __init__(self, said: Said) -> None:
        """For millpond only."""
        self._said, self.what, self.key = said, said.what, said.key

    def next(self, timeout: float | None = None) -> Standing | None:
        """How it stands: the first time, and then when that has changed; None at the end.

        Raises `Timeout`: it has not changed.
        """
        return self._said.next()

    def on_loss(self, hook: Callable[[Standing], object]) -> None:
        """Calls `hook` once if it loses, at once if it has. Raises `Closed`."""
        self._said.on_loss(hook)

    def fileno(self) -> NoReturn:
        """Raises `InvalidArgument`: a lab has no files."""
        raise InvalidArgument("a lab has no file descriptors")

    def release(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `Doing.release`."""
        desk, deed = self._said._place._desk, partial(Deed.doing_release, self.what)
        return desk.act(deed, idempotency_key, after, session, timeout)

    def _end(self) -> None:
        self._said.close()


class AioLabDoing(_aio_doing.Doing):
    """As `LabDoing`, for asyncio; a hook may be a coroutine function, which runs as a task."""

    __slots__ = ("_said",)

    def __init__(self, said: Said) -> None:
        """For millpond only."""
        self._said, self.what, self.key = said, said.what, said.key

    async def next(self, timeout: float | None = None) -> Standing | None:
        """As `LabDoing.next`."""
        return self._said.next()

    def on_loss(self, hook: Callable[[Standing], object | Awaitable[object]]) -> None:
        """As `LabDoing.on_loss`. The task is one of the loop that runs now."""
        loop = asyncio.get_running_loop()

        def called(standing: Standing) -> None:
            if loop.is_closed():
                return  # So has what listened.
            done = hook(standing)
            if inspect.isawaitable(done):
                _aio_doing.keep(loop, _finished(done), self.what)

        self._said.on_loss(called)

    def fileno(self) -> NoReturn:
        """Raises `InvalidArgument`: a lab has no files."""
        raise InvalidArgument("a lab has no file descriptors")

    async def release(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `Doing.release`."""
        desk, deed = self._said._place._desk, partial(Deed.doing_release, self.what)
        return desk.act(deed, idempotency_key, after, session, timeout)

    def _end(self) -> None:
        self._said.close()

    async def __aenter__(self) -> AioLabDoing:
        return self


async def _finished(done: Awaitable[object]) -> None:
    await done
