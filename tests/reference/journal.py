"""The journal of a store: segments, their records, and what recovery takes of them.

Written from docs/format.md, "Journal". Begin with `recover`.
"""

from dataclasses import dataclass, field

import blocks
import events
import forks
from cbor import Malformed
from hashes import crc32c

MAGIC = b"mpj0"
HEADER_BYTES = 40


@dataclass
class Found:
    """A whole record of a segment, and where it ends with its padding."""

    body: bytes
    generation: int
    index: int
    synced_index: int
    previous_crc: int
    crc: int
    end: int


@dataclass
class Remembered:
    """What an idempotency key stood for."""

    key_hash: bytes
    value: bytes


@dataclass
class Recovered:
    """What the journal adds to the tables."""

    ranges: list = field(default_factory=list)
    remembered: list = field(default_factory=list)
    forks: dict = field(default_factory=dict)
    last_index: int = 0
    torn: bool = False


def _number(data, at, count):
    return int.from_bytes(data[at:at + count], "little")


def _header(segment, at):
    """The record that begins at byte `at`, its checksum not looked at; None when none does."""
    header = segment[at:at + HEADER_BYTES]
    if len(header) < HEADER_BYTES or header[:4] != MAGIC:
        return None
    length = _number(header, 4, 4)
    start = at + HEADER_BYTES
    return Found(segment[start:start + length], _number(header, 8, 8), _number(header, 16, 8),
                 _number(header, 24, 8), _number(header, 32, 4), _number(header, 36, 4),
                 (start + length + 7) // 8 * 8)


def _whole(segment, at):
    """The record that begins at byte `at`, if all of it is there and its checksum fits."""
    found = _header(segment, at)
    if found is None or len(found.body) != _number(segment, at + 4, 4):
        return None
    crc = crc32c(found.body, crc32c(segment[at:at + 36]))
    return found if crc == found.crc else None


def _continues(records, found):
    if not records:
        return found.previous_crc == 0
    last = records[-1]
    return (found.previous_crc == last.crc and found.index == last.index + 1
            and found.generation >= last.generation)


def _scan(segment):
    """The good records of a segment, and the index of one that begins behind them and is torn."""
    records, at = [], 0
    while (found := _whole(segment, at)) is not None and _continues(records, found):
        records.append(found)
        at = found.end
    next_one = _header(segment, at)
    torn = next_one.index if next_one is not None and _continues(records, next_one) else None
    return records, torn


def _evidence(segment):
    """The highest synced index that any whole record names."""
    whole = (_whole(segment, at) for at in range(0, len(segment), 8)
             if segment[at:at + 4] == MAGIC)
    return max((found.synced_index for found in whole if found is not None), default=0)


def recover(segments, checkpointed):
    """What the records after `checkpointed` in the two segments say."""
    scans = [_scan(segment) for segment in segments]
    good = {found.index: found for records, _ in scans for found in records}
    recovered = Recovered(last_index=checkpointed)
    while (found := good.get(recovered.last_index + 1)) is not None:
        _read_body(found.body, recovered)
        recovered.last_index += 1
    if any(_evidence(segment) > recovered.last_index for segment in segments):
        raise Malformed("a journal record that was durable once is damaged")
    recovered.torn = any(torn == recovered.last_index + 1 for _, torn in scans)
    return recovered


def _read_body(body, recovered):
    source = events.Bytes(body)
    while source.rest():
        kind = source.take(1)[0]
        if kind == 1:
            recovered.ranges.append(events.read_range(source.counted(len(body))))
        elif kind == 3:
            recovered.ranges.append(blocks.read_packed_range(source.counted(len(body))))
        elif kind == 2:
            recovered.remembered.append(Remembered(source.take(32), source.take(72)))
        elif kind == 4:
            stream = source.take(40)
            recovered.forks[stream] = forks.read_row(stream, source.counted(449))
        else:
            raise Malformed(f"a journal entry of kind {kind}")
