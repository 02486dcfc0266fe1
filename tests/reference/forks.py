"""What a store knows of forks: rows, and which part of each stream is visible.

Written from docs/format.md, "Forks". Begin with `read_row` and `check_forks`.
"""

from dataclasses import dataclass

import events
from cbor import Malformed

SEALED, BRANCH, HIDDEN = 1, 2, 4
BRANCHES_MAX = 16


@dataclass
class Row:
    """What forks did to one stream; of a trunk `branch` things are None."""

    sealed: int | None
    heir: bytes | None
    hidden: bool
    of: bytes | None = None
    base: int = 0
    base_chain: bytes | None = None
    base_lamport: int = 0
    floor: int = 0
    proof: tuple = ()

    def shows(self, offset):
        """True when the event at `offset` is visible in this stream."""
        below_seal = self.sealed is None or offset < self.sealed
        return not self.hidden and self.floor <= offset and below_seal


def _little(source, count=8):
    return int.from_bytes(source.take(count), "little")


def read_row(stream, content):
    """The row of `stream` (40 bytes) from its bytes."""
    source = events.Bytes(content)
    flags = source.take(1)[0]
    is_branch = int.from_bytes(stream[32:], "big") >= 4096
    if flags > 7 or not flags & 3 or bool(flags & BRANCH) != is_branch or flags & 5 == 5:
        raise Malformed("a fork has impossible flags")
    row = Row(None, None, bool(flags & HIDDEN))
    if flags & SEALED:
        row.sealed, row.heir = _little(source), source.take(40)
    if flags & BRANCH:
        row.of, row.base, row.base_chain = source.take(40), _little(source), source.take(32)
        row.base_lamport, row.floor = _little(source), _little(source)
        row.proof = (events.read_head(source), events.read_head(source))
        family = [row.of] + [head.stream for head in row.proof]
        if row.base > row.floor or {events.trunk(own) for own in family} != {events.trunk(stream)}:
            raise Malformed("a branch does not fit its trunk")
    source.finish()
    if row.sealed is not None and row.sealed < row.floor:
        raise Malformed("a branch is sealed below its floor")
    return row


def check_forks(rows, chain_at, swarm):
    """Names, seals and proofs of all rows; `chain_at(stream, count)` gives a chain that is held."""
    for stream, row in rows.items():
        if row.sealed is not None:
            heir = rows.get(row.heir)
            if heir is None or heir.hidden or heir.floor != row.sealed:
                raise Malformed("a sealed stream goes on in no branch")
            if chain_at(stream, row.sealed + 1) != chain_at(row.heir, row.sealed + 1):
                raise Malformed("a sealed stream goes on in the branch of another history")
        if row.of is None or row.hidden:
            continue
        if events.branch(stream, chain_at(stream, row.floor + 1)) != stream:
            raise Malformed("a branch has the name of another")
        of = rows.get(row.of)
        if of is None or of.sealed != row.floor:
            raise Malformed("a stream that forked is not sealed there")
        if chain_at(row.of, row.floor) != chain_at(stream, row.floor):
            raise Malformed("a branch begins in another history")
        if any(head.count <= row.floor or not events.head_verifies(head, swarm)
               for head in row.proof):
            raise Malformed("a fork is not proved")
    shown = [events.trunk(stream) for stream, row in rows.items() if row.of and not row.hidden]
    if any(shown.count(trunk) > BRANCHES_MAX for trunk in shown):
        raise Malformed("a trunk has too many branches")
