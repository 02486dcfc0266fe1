"""Accounts and claims for threads. The asyncio ones are in `_aio_scarce`. See docs/escrow.md."""

from __future__ import annotations

from typing import Any

from ._asking import waited
from ._deeds import AccountCalls, ClaimCalls, acting, reported
from ._draft import Published
from ._facts import NodeFacts
from ._native import Session
from ._observing import Token
from ._reports import AccountReport, ClaimReport, ReportSubscription, WhoDoes


class ScarceCalls(NodeFacts):
    """What a node does with accounts and claims."""

    __slots__ = ()

    def account(self, name: str, *, id: str | None = None) -> Account:  # noqa: A002
        """The account of a name, which exists or not. Asks nobody.

        name: 1 to 200 bytes of UTF-8. id: exactly this one of several of the name, 32 hex digits;
        see `AccountReport`'s `rivals`.
        """
        return Account(self, name, id)

    def claim(self, what: str) -> Claim:
        """The exclusive claim of a name, which exists or not. Asks nobody.

        what: 1 to 200 bytes of UTF-8.
        """
        return Claim(self, what)

    def who_does(
        self,
        what: str,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> WhoDoes:
        """Who does something, as of the events that are here.

        after, session: before, the log must cover this. timeout: seconds for all of it, None for no
        limit. Raises `InvalidArgument`, `LimitExceeded`, `NotYetVisible`, `Corrupt`,
        `StorageFailed`, `Timeout`, `Closed`.
        """
        who: WhoDoes = waited(reported(self, ("who_does", None), what, after, session, timeout))
        return who

    def subscribe_who_does(self, what: str) -> ReportSubscription[WhoDoes]:
        """Who does something, now and whenever events about it came."""
        return ReportSubscription(self, ("who_does", None), what)


class Account(AccountCalls[Published, AccountReport]):
    """A quantity with a floor, divided among nodes: each spends its own rights, offline, at once.

    Made by `Node.account`. Amounts are whole numbers from 1 to 2**53 - 1. Each call that acts
    returns when its event is durable. It takes `after` and `session`, what the log must cover
    before, and `timeout`, seconds for all of it, None for no limit. It raises `NotFound` (no such
    account is known here), `InvalidArgument`, `LimitExceeded`, `Conflict` with the reason
    "stream_changed" (try again), `NotYetVisible`, `StorageFull`, `StorageFailed`, `Timeout`,
    `Closed`, and what is said there.

    After `Timeout`, or when the call is called off, it may have been done all the same. With an
    `idempotency_key`, 1 to 255 bytes (a str is its UTF-8), it is safe to try again: the same call
    with the same key gets the first answer (`replayed`), whatever has become of the account since;
    another one is a `Conflict`, reason "idempotency_key".
    """

    __slots__ = ()

    def subscribe(self) -> ReportSubscription[AccountReport]:
        """A report at once, then one whenever events about it came."""
        return ReportSubscription(self._node, ("account", self._id), self.name)

    def _act(self, *given: Any) -> Published:
        return waited(acting(self._node, *given))

    def _report(self, *given: Any) -> AccountReport:
        report: AccountReport = waited(
            reported(self._node, ("account", self._id), self.name, *given)
        )
        return report


class Claim(ClaimCalls[Published, ClaimReport]):
    """An exclusive claim: who holds it may act, and a fence number rises each time it moves.

    Made by `Node.claim`. What each call takes and raises is as for `Account`.
    """

    __slots__ = ()

    def subscribe(self) -> ReportSubscription[ClaimReport]:
        """A report at once, then one whenever events about it came."""
        return ReportSubscription(self._node, ("claim", None), self.what)

    def _act(self, *given: Any) -> Published:
        return waited(acting(self._node, *given))

    def _report(self, *given: Any) -> ClaimReport:
        report: ClaimReport = waited(reported(self._node, ("claim", None), self.what, *given))
        return report
