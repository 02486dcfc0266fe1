"""What is done to accounts and claims, said once for threads and for asyncio.

A call here only says what is to be done; who does it, on a thread or in a task, is a subclass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from . import _native
from ._asking import Ask, Steps
from ._draft import Payload, Published, key_bytes
from ._facts import NodeFacts
from ._native import Deed, Session
from ._observing import Token
from ._reports import report_of

Done = TypeVar("Done")
"""What a deed gives: `Published`, or what is awaited for it."""
Told = TypeVar("Told")
"""What a report is, or what is awaited for it."""
MakeDeed: TypeAlias = Callable[[], Deed]
"""Says what is to be done. Called when it is done, so that a task raises what is wrong with it."""


class Calls(Generic[Done, Told]):
    """How deeds are done and reports asked for: on a thread, or in a task. For millpond only."""

    __slots__ = ()

    def _act(
        self,
        deed: MakeDeed,
        idempotency_key: bytes | str | None,
        after: Token | None,
        session: Session | None,
        timeout: float | None,
        /,
    ) -> Done:
        raise NotImplementedError

    def _report(
        self, after: Token | None, session: Session | None, timeout: float | None, /
    ) -> Told:
        raise NotImplementedError


class StandingOrders(Protocol):
    """What does by itself what it was told to once. For millpond only."""

    def answer_requests(self, name: str, enabled: bool, reserve: int | None, /) -> None:
        """Grants what others ask for, or not any more."""

    def hand_over_when_asked(self, what: str, enabled: bool, /) -> None:
        """Hands a claim over, or not any more."""


class AccountCalls(Calls[Done, Told]):
    """What an account is asked, for threads and for asyncio. For millpond only."""

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
    ) -> Done:
        """Creates it with a balance of `amount`, which never goes below `floor`.

        amount, floor: within ±(2**53 - 1). shares: node id to what it may spend, at most 1,024,
        together at most `amount - floor`; the rest is this node's.

        Raises `Conflict`, reason "exists": it is known here, or this is the account of an id.
        """

        def deed() -> Deed:
            plain = None if shares is None else dict(shares)
            return Deed.account_create(self.name, self._id, amount, floor, plain)

        return self._act(deed, idempotency_key, after, session, timeout)

    def deposit(
        self,
        amount: int,
        *,
        note: Payload = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """The balance rises, and this node may spend that. note: kept, None for none."""
        deed = partial(Deed.account_deposit, self.name, self._id, amount, note)
        return self._act(deed, idempotency_key, after, session, timeout)

    def withdraw(
        self,
        amount: int,
        *,
        note: Payload = None,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """Spends what this node may spend: decided at once, offline too. note: kept, None for none.

        Raises `Overdraft`: it says what is `available` here and who holds the rest (`elsewhere`).
        """
        deed = partial(Deed.account_withdraw, self.name, self._id, amount, note)
        return self._act(deed, idempotency_key, after, session, timeout)

    def grant(
        self,
        to: str,
        amount: int,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """Gives another node the right to spend `amount`. to: its node id.

        Raises `Overdraft`; `InvalidArgument`, reason "frozen": it is this node, or frozen.
        """
        deed = partial(Deed.account_grant, self.name, self._id, to, amount)
        return self._act(deed, idempotency_key, after, session, timeout)

    def request(
        self,
        amount: int,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """Asks the others for rights, in place of the former request; 0 asks for none any more."""
        deed = partial(Deed.account_request, self.name, self._id, amount)
        return self._act(deed, idempotency_key, after, session, timeout)

    def recover(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """Takes back what a former stream of this node holds: after a restored backup, say.

        Only when no copy of this node writes that stream: nobody but a person knows.

        Raises `NotFound`: no former stream holds anything; `NotYetVisible`: more events of it are
        known, or, reason "nobody_met", no other node was met since the store was opened;
        `Conflict`, reason "under_way".
        """
        deed = partial(Deed.account_recover, self.name, self._id, False)
        return self._act(deed, idempotency_key, after, session, timeout)

    def recover_alone(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """As `recover`, also when no other node was met: a person vouches."""
        deed = partial(Deed.account_recover, self.name, self._id, True)
        return self._act(deed, idempotency_key, after, session, timeout)

    def answer_requests(self, *, reserve: int | None = None) -> None:
        """From now on this node grants what others ask for, by itself, while it is open.

        Of every account of this name, also when this is the one of an id. reserve: what it keeps of
        each (default 0). Raises `InvalidArgument`, `Closed`.
        """
        self._standing_orders().answer_requests(self.name, True, reserve)

    def stop_answering(self) -> None:
        """Ends what `answer_requests` began. Raises `Closed`."""
        self._standing_orders().answer_requests(self.name, False, None)

    def report(
        self,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Told:
        """How it stands, as of the events that are here.

        Raises `NotFound`, `InvalidArgument`, `NotYetVisible`, `Corrupt`, `StorageFailed`,
        `Timeout`, `Closed`.
        """
        return self._report(after, session, timeout)

    def _standing_orders(self) -> StandingOrders:
        return self._node._native.scarce()

    def __repr__(self) -> str:
        return f"<Account {self.name!r}>"


class ClaimCalls(Calls[Done, Told]):
    """What a claim is asked, for threads and for asyncio. For millpond only."""

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
    ) -> Done:
        """Creates it. holder: the node that holds it first, None for this one.

        Raises `Conflict`, reason "exists": it is known here.
        """
        deed = partial(Deed.claim_create, self.what, holder)
        return self._act(deed, idempotency_key, after, session, timeout)

    def transfer(
        self,
        to: str,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """Hands it over to another node.

        Raises `NotFound`, reason "not_held": this node does not hold it; `InvalidArgument`, reason
        "frozen".
        """
        deed = partial(Deed.claim_transfer, self.what, to)
        return self._act(deed, idempotency_key, after, session, timeout)

    def request(
        self,
        wanted: bool,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """Asks for it, or no longer."""
        deed = partial(Deed.claim_request, self.what, wanted)
        return self._act(deed, idempotency_key, after, session, timeout)

    def recover(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """As `Account.recover`."""
        deed = partial(Deed.claim_recover, self.what, False)
        return self._act(deed, idempotency_key, after, session, timeout)

    def recover_alone(
        self,
        *,
        idempotency_key: bytes | str | None = None,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Done:
        """As `Account.recover_alone`."""
        deed = partial(Deed.claim_recover, self.what, True)
        return self._act(deed, idempotency_key, after, session, timeout)

    def hand_over_when_asked(self, enabled: bool) -> None:
        """True: from now on this node hands it over by itself to who asks, while it is open.

        Raises `InvalidArgument`, `Closed`.
        """
        self._standing_orders().hand_over_when_asked(self.what, enabled)

    def report(
        self,
        *,
        after: Token | None = None,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> Told:
        """How it stands, as of the events that are here; nobody holds one that was not created.

        Raises `InvalidArgument`, `NotYetVisible`, `Corrupt`, `StorageFailed`, `Timeout`, `Closed`.
        """
        return self._report(after, session, timeout)

    def _standing_orders(self) -> StandingOrders:
        return self._node._native.scarce()

    def __repr__(self) -> str:
        return f"<Claim {self.what!r}>"


def acting(
    node: NodeFacts,
    deed: MakeDeed,
    idempotency_key: bytes | str | None,
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Steps[Published]:
    """Does it, until it is durable."""
    scarce, key = node._native.scarce(), key_bytes(idempotency_key)
    given = (deed(), key, after, session, timeout)
    return Published((yield Ask(scarce.act, scarce.act_start, *given)))


def reported(
    node: NodeFacts,
    topic: _native.Topic,
    name: str,
    after: Token | None,
    session: Session | None,
    timeout: float | None,
) -> Steps[Any]:
    """A report of an account, a claim, or who does what."""
    scarce = node._native.scarce()
    given = (topic, name, after, session, timeout)
    return report_of((yield Ask(scarce.report_json, scarce.report_json_start, *given)))
