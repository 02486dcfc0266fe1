"""What a ticket says."""

from __future__ import annotations

from typing import NamedTuple

from . import _native


class Ticket(NamedTuple):
    """What a ticket says. The secret in it stays inside."""

    swarm_id: str
    """The id of the swarm: 64 hex digits."""
    node_id: str
    """The node that gave the ticket: 64 hex digits."""
    addresses: list[str]
    """Where that node can be reached: `ip:port` each."""


def parse_ticket(text: str) -> Ticket:
    """Reads a ticket without using it. Raises `InvalidArgument`: it is none, or was damaged."""
    return Ticket(*_native.parse_ticket(text))
