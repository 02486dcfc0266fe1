"""Accounts and claims for threads. The asyncio ones are in `_aio_scarce`. See docs/escrow.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._draft import Payload, Published, key_bytes
from ._facts import NodeFacts
from ._native import Deed, Session
from ._pond import Token
from ._reports import AccountReport, ClaimReport, ReportSubscription, WhoDoes, report_of


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

        after, session: before, the log must cover this. timeout: seconds, None for no limit.
        Raises `InvalidArgument`, `LimitExceeded`, `NotYetVisible`, `Timeout`, `Closed`.
        """
        ask = self._native.scarce().report_json
        report: WhoDoes = report_of(ask("who_does", what, after, session, timeout))
        return report

    def subscribe_who_does(self, what: str) -> ReportSubscription[WhoDoes]:
        """Who does something, now and whenever events about it came. Its steps raise `Closed`."""
        return ReportSubscription(self._native, "who_does", what)


class Account:
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

    __slots__ = ("_id", "_node", "name")

    name: str
    """Its name, as it was given."""

    def __init__(self, node: NodeFacts, name: str, id: str | None) -> None:  # noqa: A002
        """For millpond only."""
        self._node, self.name, self._id = node, name, id

    def create(
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
        """Creates it with a balance of `amount`, which never goes below `floor`.

        amount, floor: within ±(2**53 - 1). shares: node id to what it may spend, at most 1,024,
        together at most `amount - floor`; the rest is this node's.

        Raises `Conflict`, reason "exists": it is known here.
        """
        deed = Deed.account_create(self.name, amount, floor, plain_shares(shares))
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def deposit(
        self,
        amount: int,
        *,
        note: Payload = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """The balance rises, and this node may spend that. note: kept, None for none."""
        deed = Deed.account_deposit(self.name, self._id, amount, note)
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def withdraw(
        self,
        amount: int,
        *,
        note: Payload = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Spends what this node may spend: decided at once, offline too. note: kept, None for none.

        Raises `Overdraft`: it says what is `available` here and who holds the rest (`elsewhere`).
        """
        deed = Deed.account_withdraw(self.name, self._id, amount, note)
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def grant(
        self,
        to: str,
        amount: int,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Gives another node the right to spend `amount`. to: its node id.

        Raises `Overdraft`; `InvalidArgument`, reason "frozen": it is this node, or frozen.
        """
        deed = Deed.account_grant(self.name, self._id, to, amount)
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def request(
        self,
        amount: int,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Asks the others for rights, in place of the former request; 0 asks for none any more."""
        deed = Deed.account_request(self.name, self._id, amount)
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def recover(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Takes back what a former stream of this node holds: after a restored backup, say.

        Only when no copy of this node writes that stream: nobody but a person knows.

        Raises `NotFound`: no former stream holds anything; `NotYetVisible`: more events of it are
        known, or, reason "nobody_met", no other node was met since the store was opened;
        `Conflict`, reason "under_way".
        """
        deed = Deed.account_recover(self.name, self._id, False)
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def recover_alone(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `recover`, also when no other node was met: a person vouches."""
        deed = Deed.account_recover(self.name, self._id, True)
        key = key_bytes(idempotency_key)
        return act(self._node, deed, key, after, session, timeout)

    def answer_requests(self, *, reserve: int | None = None) -> None:
        """From now on this node grants what others ask for, by itself, while it is open.

        reserve: what it keeps (default 0). Raises `InvalidArgument`, `Closed`.
        """
        self._node._native.scarce().answer_requests(self.name, True, reserve)

    def stop_answering(self) -> None:
        """Ends what `answer_requests` began. Raises `Closed`."""
        self._node._native.scarce().answer_requests(self.name, False, None)

    def report(
        self,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> AccountReport:
        """How it stands, as of the events that are here. Always of the account that the name means.

        Raises `NotFound`, `NotYetVisible`, `Timeout`, `Closed`.
        """
        ask = self._node._native.scarce().report_json
        report: AccountReport = report_of(ask("account", self.name, after, session, timeout))
        return report

    def subscribe(self) -> ReportSubscription[AccountReport]:
        """A report at once, then one whenever events about it came."""
        return ReportSubscription(self._node._native, "account", self.name)

    def __repr__(self) -> str:
        return f"<Account {self.name!r}>"


class Claim:
    """An exclusive claim: who holds it may act, and a fence number rises each time it moves.

    Made by `Node.claim`. What each call takes and raises is as for `Account`.
    """

    __slots__ = ("_node", "what")

    what: str
    """What is claimed, as it was given."""

    def __init__(self, node: NodeFacts, what: str) -> None:
        """For millpond only."""
        self._node, self.what = node, what

    def create(
        self,
        holder: str | None = None,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Creates it. holder: the node that holds it first, None for this one.

        Raises `Conflict`, reason "exists": it is known here.
        """
        key = key_bytes(idempotency_key)
        deed = Deed.claim_create(self.what, holder)
        return act(self._node, deed, key, after, session, timeout)

    def transfer(
        self,
        to: str,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Hands it over to another node.

        Raises `NotFound`, reason "not_held": this node does not hold it; `InvalidArgument`, reason
        "frozen".
        """
        key = key_bytes(idempotency_key)
        deed = Deed.claim_transfer(self.what, to)
        return act(self._node, deed, key, after, session, timeout)

    def request(
        self,
        wanted: bool,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """Asks for it, or no longer."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_request(self.what, wanted)
        return act(self._node, deed, key, after, session, timeout)

    def recover(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `Account.recover`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_recover(self.what, False)
        return act(self._node, deed, key, after, session, timeout)

    def recover_alone(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Published:
        """As `Account.recover_alone`."""
        key = key_bytes(idempotency_key)
        deed = Deed.claim_recover(self.what, True)
        return act(self._node, deed, key, after, session, timeout)

    def hand_over_when_asked(self, enabled: bool) -> None:
        """True: from now on this node hands it over by itself to who asks, while it is open.

        Raises `InvalidArgument`, `Closed`.
        """
        self._node._native.scarce().hand_over_when_asked(self.what, enabled)

    def report(
        self,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> ClaimReport:
        """How it stands, as of the events that are here; nobody holds one that was not created.

        Raises `NotYetVisible`, `Timeout`, `Closed`.
        """
        ask = self._node._native.scarce().report_json
        report: ClaimReport = report_of(ask("claim", self.what, after, session, timeout))
        return report

    def subscribe(self) -> ReportSubscription[ClaimReport]:
        """A report at once, then one whenever events about it came."""
        return ReportSubscription(self._node._native, "claim", self.what)

    def __repr__(self) -> str:
        return f"<Claim {self.what!r}>"


def act(
    node: NodeFacts,
    deed: Deed,
    key: bytes | None,
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Published:
    """Does it, and waits until it is durable."""
    return Published(node._native.scarce().act(deed, key, after, session, timeout))


def plain_shares(shares: Mapping[str, int] | None) -> dict[str, Any] | None:
    """The shares of an account as a dict, which the native half reads without running code."""
    return None if shares is None else dict(shares)
