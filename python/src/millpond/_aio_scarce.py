"""Accounts and claims for asyncio: as `_scarce`, and what waits is awaited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

from . import _native
from ._draft import Payload, Published, key_bytes
from ._errors import Closed
from ._facts import NodeFacts
from ._loop import outcome
from ._native import Deed, Operation, Queue, Session
from ._pond import Token
from ._reports import AccountReport, ClaimReport, WhoDoes, report_of
from ._scarce import plain_shares

R = TypeVar("R")


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
        report: WhoDoes = await reported(self, "who_does", what, after, session, timeout)
        return report

    def subscribe_who_does(self, what: str) -> ReportSubscription[WhoDoes]:
        """As `millpond.Node.subscribe_who_does`."""
        return ReportSubscription(self._native, "who_does", what)


class Account:
    """As `millpond.Account`."""

    __slots__ = ("_id", "_node", "name")

    name: str
    """Its name, as it was given."""

    def __init__(self, node: NodeFacts, name: str, id: str | None) -> None:  # noqa: A002
        """For millpond only."""
        self._node, self.name, self._id = node, name, id

    async def create(
        self,
        amount: int,
        *,
        floor: int,
        shares: Mapping[str, int] | None = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.create`."""
        deed = Deed.account_create(self.name, amount, floor, plain_shares(shares))
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    async def deposit(
        self,
        amount: int,
        *,
        note: Payload = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.deposit`."""
        deed = Deed.account_deposit(self.name, self._id, amount, note)
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    async def withdraw(
        self,
        amount: int,
        *,
        note: Payload = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.withdraw`."""
        deed = Deed.account_withdraw(self.name, self._id, amount, note)
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    async def grant(
        self,
        to: str,
        amount: int,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.grant`."""
        deed = Deed.account_grant(self.name, self._id, to, amount)
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    async def request(
        self,
        amount: int,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.request`."""
        deed = Deed.account_request(self.name, self._id, amount)
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    async def recover(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.recover`."""
        deed = Deed.account_recover(self.name, self._id, False)
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    async def recover_alone(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Account.recover_alone`."""
        deed = Deed.account_recover(self.name, self._id, True)
        key = key_bytes(idempotency_key)
        return await act(self._node, deed, key, after, session, timeout)

    def answer_requests(self, *, reserve: int | None = None) -> None:
        """As `millpond.Account.answer_requests`."""
        self._node._native.scarce().answer_requests(self.name, True, reserve)

    def stop_answering(self) -> None:
        """As `millpond.Account.stop_answering`."""
        self._node._native.scarce().answer_requests(self.name, False, None)

    async def report(
        self,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AccountReport:
        """As `millpond.Account.report`."""
        report: AccountReport = await reported(
            self._node, "account", self.name, after, session, timeout
        )
        return report

    def subscribe(self) -> ReportSubscription[AccountReport]:
        """As `millpond.Account.subscribe`."""
        return ReportSubscription(self._node._native, "account", self.name)

    def __repr__(self) -> str:
        return f"<Account {self.name!r}>"


class Claim:
    """As `millpond.Claim`."""

    __slots__ = ("_node", "what")

    what: str
    """What is claimed, as it was given."""

    def __init__(self, node: NodeFacts, what: str) -> None:
        """For millpond only."""
        self._node, self.what = node, what

    async def create(
        self,
        holder: str | None = None,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Claim.create`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_create(self.what, holder)
        return await act(self._node, deed, key, after, session, timeout)

    async def transfer(
        self,
        to: str,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Claim.transfer`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_transfer(self.what, to)
        return await act(self._node, deed, key, after, session, timeout)

    async def request(
        self,
        wanted: bool,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Claim.request`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_request(self.what, wanted)
        return await act(self._node, deed, key, after, session, timeout)

    async def recover(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Claim.recover`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_recover(self.what, False)
        return await act(self._node, deed, key, after, session, timeout)

    async def recover_alone(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `millpond.Claim.recover_alone`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_recover(self.what, True)
        return await act(self._node, deed, key, after, session, timeout)

    def hand_over_when_asked(self, enabled: bool) -> None:
        """As `millpond.Claim.hand_over_when_asked`."""
        self._node._native.scarce().hand_over_when_asked(self.what, enabled)

    async def report(
        self,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> ClaimReport:
        """As `millpond.Claim.report`."""
        report: ClaimReport = await reported(
            self._node, "claim", self.what, after, session, timeout
        )
        return report

    def subscribe(self) -> ReportSubscription[ClaimReport]:
        """As `millpond.Claim.subscribe`."""
        return ReportSubscription(self._node._native, "claim", self.what)

    def __repr__(self) -> str:
        return f"<Claim {self.what!r}>"


class ReportSubscription(Generic[R]):
    """As `millpond.ReportSubscription`: iterate with `async for`."""

    __slots__ = ("_known", "_name", "_native", "_topic")

    def __init__(self, native: _native.Node, topic: str, name: str) -> None:
        """For millpond only."""
        self._native, self._topic, self._name = native, topic, name
        self._known: str | None = None

    async def next(self, timeout: float | None = None) -> R:
        """As `millpond.ReportSubscription.next`."""
        ask = self._native.scarce().next_report_json_start

        def start(queue: Queue, number: int) -> Operation:
            return ask(queue, number, self._topic, self._name, self._known, timeout)

        report: R = report_of(await outcome(start))
        self._known = report["as_of"].token  # type: ignore[index]
        return report

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        try:
            return await self.next()
        except Closed:
            raise StopAsyncIteration from None


async def act(
    node: NodeFacts,
    deed: Deed,
    key: bytes | None,
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Published:
    """Does it, and waits until it is durable."""
    ask = node._native.scarce().act_start

    def start(queue: Queue, number: int) -> Operation:
        return ask(queue, number, deed, key, after, session, timeout)

    return Published(await outcome(start))


async def reported(
    node: NodeFacts,
    topic: str,
    name: str,
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Any:
    """A report of an account, a claim, or who does what."""
    ask = node._native.scarce().report_json_start

    def start(queue: Queue, number: int) -> Operation:
        return ask(queue, number, topic, name, after, session, timeout)

    return report_of(await outcome(start))
