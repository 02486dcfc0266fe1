"""Events, chains and heads as bytes: a second reader, written from docs/format.md alone.

Begin with `read_record`, `chain_start`, `extend`, `read_head`, `head_verifies`, `read_range`.
Everything raises `Malformed` on bytes that are not in their one form.
"""

import re
from dataclasses import dataclass

from cbor import Malformed, decode
from hashes import blake3, blake3_derive_key, ed25519_verify

LAMPORT_MAX = 2 ** 53 - 1
HEADER_BYTES_MAX = 32 + 64 + 64 * 257
PAYLOAD_BYTES_MAX, BLOCK_BYTES = 1 << 20, 704 << 10
STREAMS_MAX = 4096
KINDS = {(0, 0): "application", (0, 1): "opening"}


class Bytes:
    """Takes fixed and counted things off the front of some bytes."""

    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Malformed("the bytes end too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if value >= 2 ** 64 or (byte == 0 and shift):
            raise Malformed("a varint is not in its shortest form")
        return value

    def counted(self, most):
        count = self.varint()
        if count > most:
            raise Malformed(f"{count} exceeds the limit {most}")
        return self.take(count)

    def u64_be(self):
        return int.from_bytes(self.take(8), "big")

    def rest(self):
        return self.data[self.at:]

    def finish(self):
        if self.rest():
            raise Malformed("bytes are left over")


@dataclass
class Record:
    """One event: its fields, and the leaf it adds to the chain.

    An event of a later version is `unread` or `too_new`, and has no app id, tags and payload.
    """

    kind: str
    lamport: int
    time: int
    app_id: str | None
    tags: list
    payload: object
    leaf: bytes
    bytes: bytes


def read_record(source):
    """Takes one record off the front of `source` (a `Bytes`)."""
    start = source.at
    header = source.counted(HEADER_BYTES_MAX)
    fields = Bytes(header)
    first = tuple(fields.take(2))
    lamport = fields.varint()
    if not 1 <= lamport <= LAMPORT_MAX:
        raise Malformed(f"lamport {lamport}")
    folded = fields.varint()
    time = folded >> 1 ^ -(folded & 1)
    payload_bytes = fields.varint()
    if payload_bytes > PAYLOAD_BYTES_MAX:
        raise Malformed("a payload is too large")
    payload = source.take(payload_bytes)
    leaf = blake3(header + blake3(payload))
    raw = source.data[start:source.at]
    if first not in KINDS:
        kind = "unread" if first[1] >= 0x80 else "too_new"
        return Record(kind, lamport, time, None, [], None, leaf, raw)
    app_id, tags = read_app_id_and_tags(fields)
    return Record(KINDS[first], lamport, time, app_id, tags, decode(payload), leaf, raw)


def read_app_id_and_tags(fields):
    """What ends the header of an event of this version."""
    app_id = fields.counted(64).decode("ascii")
    tag_count = fields.varint()
    if tag_count > 64 or not re.fullmatch(r"[A-Za-z0-9._-]+", app_id):
        raise Malformed("too many tags or a wrong app id")
    tags = [fields.counted(255) for _ in range(tag_count)]
    fields.finish()
    if any(a >= b for a, b in zip(tags, tags[1:])):
        raise Malformed("tags do not rise")
    texts = [tag.decode() for tag in tags]
    if not all(texts):
        raise Malformed("a tag is empty")
    return app_id, texts


def trunk(stream):
    """The stream that this one, of 40 bytes, is a branch of, or itself."""
    return stream[:32] + (int.from_bytes(stream[32:], "big") % STREAMS_MAX).to_bytes(8, "big")


def branch(stream, chain):
    """The branch of the trunk of `stream` whose first own event has this chain after it."""
    own = int.from_bytes(stream[32:], "big") % STREAMS_MAX
    number = max(int.from_bytes(chain[:8], "big") // STREAMS_MAX, 2) * STREAMS_MAX + own
    return stream[:32] + number.to_bytes(8, "big")


def chain_start(swarm, stream):
    """The chain of an empty stream; `swarm` has 32 bytes, `stream` 40."""
    return blake3_derive_key("millpond 2026 chain v0", swarm + trunk(stream))


def extend(chain, leaf):
    """The chain after one more event."""
    return blake3(chain + leaf)


@dataclass
class Head:
    """A node's word for the first `count` events of a stream."""

    stream: bytes
    count: int
    lamport: int
    chain: bytes
    signature: bytes


def read_head(source):
    """Takes one signed head off the front of `source`."""
    stream, count, lamport = source.take(40), source.u64_be(), source.u64_be()
    head = Head(stream, count, lamport, source.take(32), source.take(64))
    if count == 0 or not count <= lamport <= LAMPORT_MAX:
        raise Malformed("a head claims what cannot be")
    return head


def head_verifies(head, swarm):
    """True when the stream's node signed this head for `swarm`."""
    message = (b"millpond signed head v0" + swarm + trunk(head.stream)
               + head.count.to_bytes(8, "big") + head.lamport.to_bytes(8, "big") + head.chain)
    return ed25519_verify(head.stream[:32], message, head.signature)


def read_range(data):
    """The head and the records of an event range; its first offset is count − records."""
    source = Bytes(data)
    head = read_head(source)
    count = source.varint()
    if not 1 <= count <= min(1024, head.count):
        raise Malformed("a range holds too few or too many events")
    block_end = source.at + BLOCK_BYTES
    records = []
    for _ in range(count):
        if records and source.at >= block_end:
            raise Malformed("a range goes beyond the end of a block")
        records.append(read_record(source))
    source.finish()
    return head, records


def range_verifies(data, swarm, chain_before, lamport_before=0):
    """True when the range goes on where `chain_before` ends and its node signed it."""
    head, records = read_range(data)
    chain, lamport = chain_before, lamport_before
    for record in records:
        if record.lamport <= lamport:
            return False
        chain, lamport = extend(chain, record.leaf), record.lamport
    return (chain, lamport) == (head.chain, head.lamport) and head_verifies(head, swarm)
