"""1,000 t of steel in London and New York, which are cut off from each other: three ways.

Run as `steel.py`. Two nodes in one process, each with its own log; what they may do while they
cannot reach each other is what differs. docs/escrow.md tells the story.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import millpond

WAIT = 60.0
"""Seconds after which the nodes count as lost to each other."""

LEDGER = "FROM 'steel'"


def moved(balance: int, event: millpond.Event) -> int:
    """The balance after one movement."""
    moved: int = event.payload
    return balance + moved


BALANCE = millpond.Fish("balance", 1, LEDGER, 0, moved)
"""What the books say: the sum of all movements."""


def open_node(folder: Path, secret: str) -> millpond.Node:
    """A node that talks over this machine only."""
    return millpond.open(
        folder, app="steel", swarm=secret, bind=["127.0.0.1:0"], discovery=False
    )  # fmt: skip


def withdraw_what_the_books_say(node: millpond.Node, amount: int) -> bool:
    """Takes `amount` if the balance that this node knows is enough."""

    def effect(balance: int) -> list[tuple[int, list[str]]]:
        return [(-amount, ["steel"])] if balance >= amount else []

    return node.run(BALANCE, effect, timeout=WAIT) is not None


def available_but_wrong(london: millpond.Node, new_york: millpond.Node) -> None:
    """Each spends what it believes to be there."""
    published = london.publish(1_000, ["steel"])
    london.connect(new_york.ticket(), timeout=WAIT)
    new_york.wait_for(published.token, timeout=WAIT)
    london.set_network(False)
    spent_there = withdraw_what_the_books_say(london, 500)
    spent_here = withdraw_what_the_books_say(new_york, 900)
    print(f"  cut off: London takes 500: {spent_there}, New York takes 900: {spent_here}")
    told = london.offsets() | new_york.offsets()
    london.set_network(True)
    balance = london.state(BALANCE, after=told, timeout=WAIT).value
    print(f"  together again: the balance is {balance}")


def consistent_but_refusing(london: millpond.Node, new_york: millpond.Node) -> None:
    """Each asks whether it has heard of everything that the other one has done."""
    with new_york.session() as session:
        london.set_network(False)
        session.sees(london.publish(-100, ["steel"]).token)
        try:
            new_york.state(BALANCE, session=session, timeout=0.2)
        except millpond.NotYetVisible as error:
            print(f"  cut off: New York takes nothing, {sum(error.missing.values())} event missing")
        london.set_network(True)
        balance = new_york.state(BALANCE, session=session, timeout=WAIT).value
        print(f"  together again: the balance is {balance}")


def escrow(london: millpond.Node, new_york: millpond.Node) -> None:
    """The steel is divided beforehand, and each spends its own share."""
    steel = london.account("steel")
    created = steel.create(1_000, floor=0, shares={new_york.id: 400})
    new_york.wait_for(created.token, timeout=WAIT)
    london.set_network(False)
    withdrawn = steel.withdraw(500, note="London, for the bridge")
    there = new_york.account("steel")
    try:
        there.withdraw(900)
    except millpond.Overdraft as error:
        rest = sum(holder.amount for holder in error.elsewhere)
        print(f"  cut off: New York is refused 900: {error.available} here, {rest} in London")
        withdrawn_there = there.withdraw(error.available)
    london.set_network(True)
    steel.report(after=withdrawn_there.token, timeout=WAIT)
    report = there.report(after=withdrawn.token, timeout=WAIT)
    print(f"  together again: the balance is {report['balance']}, and London holds it")


def main() -> None:
    """Tells the story three times."""
    secret = millpond.new_swarm_secret()
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / name for name in ("london", "new-york")]
        with open_node(places[0], secret) as london, open_node(places[1], secret) as new_york:
            for way in (available_but_wrong, consistent_but_refusing, escrow):
                print(f"{way.__name__.replace('_', ' ')}:")
                way(london, new_york)


if __name__ == "__main__":
    main()
