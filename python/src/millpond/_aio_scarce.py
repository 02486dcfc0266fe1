"""Accounts and claims for asyncio: as `_scarce`, and what waits is awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeAlias, TypeVar

from ._asking import awaited
from ._deeds import AccountCalls, ClaimCalls, acting, reported
from ._draft import Published
from ._facts import NodeFacts
from ._native import Session
from ._observing import Token
from ._reports import AccountReport, ClaimReport, ReportSteps, WhoDoes
from ._series import Awaiting

R = TypeVar("R")
T = TypeVar("T")

Awaited: TypeAlias = Coroutine[Any, Any, T]
"""What is awaited for a value."""


class ScarceCalls(NodeFacts):
    """What a node does with accounts and claims."""

    __slots__ = ()

    def account(self, name: str, *, id: str | None = None) -> Account:  # noqa: A002
        """As `millpond.Node.account`."""
        return Account(self, name, id)

    def claim(self, what: str) -> Claim:
        """As `millpond.Node.claim`."""
        return Claim(self, what)

    async def who_does(
        self,
        what: str,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> WhoDoes:
        """As `millpond.Node.who_does`."""
        steps = reported(self, ("who_does", None), what, after, session, timeout)
        who: WhoDoes = await awaited(steps)
        return who

    def subscribe_who_does(self, what: str) -> ReportSubscription[WhoDoes]:
        """As `millpond.Node.subscribe_who_does`."""
        return ReportSubscription(self, ("who_does", None), what)


class Account(AccountCalls[Awaited[Published], Awaited[AccountReport]]):
    """As `millpond.Account`: what acts and `report` are awaited."""

    __slots__ = ()

    def subscribe(self) -> ReportSubscription[AccountReport]:
        """As `millpond.Account.subscribe`."""
        return ReportSubscription(self._node, ("account", self._id), self.name)

    def _act(self, *given: Any) -> Awaited[Published]:
        return awaited(acting(self._node, *given))

    def _report(self, *given: Any) -> Awaited[AccountReport]:
        return awaited(reported(self._node, ("account", self._id), self.name, *given))


class Claim(ClaimCalls[Awaited[Published], Awaited[ClaimReport]]):
    """As `millpond.Claim`: what acts and `report` are awaited."""

    __slots__ = ()

    def subscribe(self) -> ReportSubscription[ClaimReport]:
        """As `millpond.Claim.subscribe`."""
        return ReportSubscription(self._node, ("claim", None), self.what)

    def _act(self, *given: Any) -> Awaited[Published]:
        return awaited(acting(self._node, *given))

    def _report(self, *given: Any) -> Awaited[ClaimReport]:
        return awaited(reported(self._node, ("claim", None), self.what, *given))


class ReportSubscription(ReportSteps[R], Awaiting, Generic[R]):
    """As `millpond.ReportSubscription`: iterate with `async for`."""

    __slots__ = ()

    async def next(self, timeout: float | None = None) -> R | None:
        """As `millpond.ReportSubscription.next`."""
        return await awaited(self._next(timeout))

    async def close(self) -> None:
        """As `millpond.ReportSubscription.close`."""
        self._end()

    async def __anext__(self) -> R:
        report = await self.next()
        if report is None:
            raise StopAsyncIteration
        return report
