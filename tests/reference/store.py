"""Reads a store on disk and verifies all of it: written from docs/format.md alone.

    python3 tests/reference/store.py FOLDER

prints a line for each visible event in key order, `<event key> <offset> <kind> <record in hex>`.
Ends with status 1 and a sentence when something does not hold. No process may write to the store
meanwhile. Begin with `read_store`.
"""

import pathlib
import struct
import sys
from dataclasses import dataclass, field

import blocks as columns
import events
import forks
import groups
import journal
import lmdb
import snapshots
from cbor import Malformed
from hashes import crc32c

DATABASES = {"events", "postings", "heads", "streams", "idempotency", "idempotency_order",
             "settings"}
SUMMARY = struct.Struct("<IIIQQqq")
BLOCK_EVENTS, BLOCK_BYTES = 1024, 704 << 10


@dataclass
class Stream:
    """What is held of one stream: its records from `base` on, and heads by their counts."""

    base: int = 0
    fork: forks.Row = None
    records: list = field(default_factory=list)
    heads: dict = field(default_factory=dict)
    latest: events.Head = None

    def count(self):
        """Behind the last event."""
        return self.base + len(self.records)

    def ends(self):
        """The counts at which blocks end."""
        return [self.base + end for end in block_ends(self.records)]


@dataclass
class Store:
    """A store: who and which swarm, and its streams by their 40 bytes."""

    swarm: bytes
    seed: bytes
    row: dict
    streams: dict
    torn: bool

    def events(self):
        """(lamport, stream id, offset, record) of every visible event, in key order."""
        rows = [(record.lamport, stream, offset, record)
                for stream, held in self.streams.items()
                for offset, record in enumerate(held.records, held.base)
                if held.fork is None or held.fork.shows(offset)]
        return sorted(rows, key=lambda row: row[:3])


def _checked(key, value):
    """What follows the checksum of a row."""
    if len(value) < 4 or crc32c(value[4:], crc32c(key)) != int.from_bytes(value[:4], "little"):
        raise Malformed("a row has a wrong checksum")
    return value[4:]


def _little(source, count=8):
    return int.from_bytes(source.take(count), "little")


def _check_heard(value):
    if value is None:
        return
    content = _checked(b"heard", value)
    nodes = [content[at:at + 32] for at in range(0, len(content), 40)]
    rise = all(a < b for a, b in zip(nodes, nodes[1:]))
    if len(content) % 40 or len(nodes) > 1024 or not rise:
        raise Malformed("the nodes that were heard of do not rise")


def _read_store_row(settings):
    if not {b"store"} <= set(settings) <= {b"store", b"heard"}:
        raise Malformed("other settings than the two there are")
    _check_heard(settings.get(b"heard"))
    source = events.Bytes(_checked(b"store", settings[b"store"]))
    if source.take(8) != b"millpond":
        raise Malformed("the store row does not begin with its magic")
    row = {"format": _little(source, 4), "readable_by": _little(source, 4)}
    if row["readable_by"] > 2:
        raise Malformed("the store is of a later format")
    row["swarm"], row["seed"] = source.take(32), source.take(32)
    row["own_number"] = _little(source)
    row["opening"], row["clean"] = source.take(2)
    for name in ("checkpointed", "generation", "open_count", "idempotency_next", "inode", "born"):
        row[name] = _little(source)
    row["machine"] = source.counted(64).decode()
    source.finish()
    if row["opening"] > 3:
        raise Malformed("an unknown reason for an opening")
    return row


def _summary_of(records, full):
    times = [record.time for record in records]
    length = sum(len(record.bytes) for record in records)
    return SUMMARY.pack(full, len(records), length, records[0].lamport, records[-1].lamport,
                        min(times), max(times))


def _read_block(key, value):
    """The summary and the records of one block."""
    summary, block = value[4:4 + SUMMARY.size], value[4 + SUMMARY.size:]
    covered = summary + columns.split_block(block)[0]
    if crc32c(covered, crc32c(key)) != int.from_bytes(value[:4], "little"):
        raise Malformed("a block has a wrong checksum")
    source = events.Bytes(columns.read_block(block))
    records = []
    while source.rest():
        records.append(events.read_record(source))
    if summary != _summary_of(records, SUMMARY.unpack(summary)[0]):
        raise Malformed("a block is not what its summary says")
    return summary, records


def _check_postings(postings, read):
    """Each segment is that of the full blocks it names, and each full block is in one."""
    if sorted(postings) != [number.to_bytes(8, "big") for number in range(len(postings))]:
        raise Malformed("the segments of the postings are not numbered from 0 on")
    named = []
    for number, key in enumerate(sorted(postings)):
        row = postings[key]
        count = int.from_bytes(row[4:8], "little")
        if not 1 <= count <= 64 or (count < 64 and number + 1 < len(postings)):
            raise Malformed("a segment has another number of blocks than it should")
        entries = [row[8 + at * 92:8 + at * 92 + 48] for at in range(count)]
        keys = [entry[:40] + entry[40:][::-1] for entry in entries]
        if row != columns.segment(key, [(block, *read[block]) for block in keys]):
            raise Malformed("the postings are not those of their events")
        named += keys
    full = {key for key, (summary, _) in read.items() if summary[0] == 1}
    if len(named) != len(full) or set(named) != full:
        raise Malformed("a full block is not in the postings, or twice")
    streams = {key[:40] for key in named}
    if any(own != sorted(own) for own in ([k for k in named if k[:40] == s] for s in streams)):
        raise Malformed("the blocks of a stream are not in order in the postings")


def _stream(name, rows):
    """A stream without events."""
    row = rows.get(name)
    return Stream(fork=row, base=row.base if row else 0)


def _read_tables(tables, rows):
    """The streams as the tables hold them."""
    if not DATABASES <= set(tables) or any(tables.get(name) for name in ("blocks", "index")):
        raise Malformed("a table is missing, or one of an earlier format is left")
    streams, read = {}, {}
    for key in sorted(tables["events"]):
        stream = streams.setdefault(key[:40], _stream(key[:40], rows))
        if int.from_bytes(key[40:], "big") != stream.count():
            raise Malformed("a block is missing")
        read[key] = _read_block(key, tables["events"][key])
        stream.records += read[key][1]
    _check_postings(tables["postings"], read)
    # A store that was last written before there were groups lacks the table.
    groups.check_groups(tables.get("groups", {}), tables["postings"])
    snapshots.check_snapshots(tables.get("snapshots", {}))
    for key, value in tables["heads"].items():
        source = events.Bytes(_checked(key, value))
        head = events.read_head(source)
        source.finish()
        if key != head.stream + head.count.to_bytes(8, "big"):
            raise Malformed("a head stands under another key")
        streams[head.stream].heads[head.count] = head
    if set(tables["streams"]) != set(streams):
        raise Malformed("a stream has no row, or no block")
    for key, value in tables["streams"].items():
        _read_stream_row(key, _checked(key, value), streams[key])
    return streams


def _read_stream_row(key, content, stream):
    source = events.Bytes(content)
    stream.latest = events.read_head(source)
    open_events, open_bytes = _little(source), _little(source)
    source.finish()
    last = stream.records[len(stream.records) - open_events:] if open_events else []
    ends = stream.ends()
    if (key != stream.latest.stream or stream.latest.count != stream.count()
            or open_events != stream.count() - (ends[-1] if ends else stream.base)
            or open_bytes != sum(len(record.bytes) for record in last)):
        raise Malformed("the row of a stream does not fit its blocks")


def block_ends(records):
    """The counts at which blocks of these records end."""
    ends, held, length = [], 0, 0
    for count, record in enumerate(records, 1):
        held, length = held + 1, length + len(record.bytes)
        if held == BLOCK_EVENTS or length >= BLOCK_BYTES:
            ends.append(count)
            held = length = 0
    return ends


def _check_blocks(streams, blocks):
    """Blocks begin where the rule says, and only the last of a stream is not full."""
    for name, stream in streams.items():
        ends = stream.ends()
        if not set(stream.heads) <= set(ends):
            raise Malformed("a head is kept where no block ends")
        firsts = [first for first in [stream.base] + ends if first < stream.count()]
        for first in firsts:
            key = name + first.to_bytes(8, "big")
            full = any(end > first for end in ends)
            if key not in blocks or blocks[key][4:8] != struct.pack("<I", full):
                raise Malformed("a block begins or ends where it should not")
        if sum(key[:40] == name for key in blocks) != len(firsts):
            raise Malformed("there are more blocks than there should be")


def _add_journal(streams, recovered, rows):
    for head, records in recovered.ranges:
        stream = streams.setdefault(head.stream, _stream(head.stream, rows))
        if head.count - len(records) != stream.count():
            raise Malformed("a range of the journal does not go on where its stream ends")
        stream.records += records
        stream.heads[head.count] = stream.latest = head


def _check_idempotency(tables, recovered, row):
    order, values = tables["idempotency_order"], tables["idempotency"]
    for key, value in values.items():
        if len(_checked(key, value)) != 72:
            raise Malformed("a remembered answer has another length")
    if any(len(entry.value) != 72 for entry in recovered.remembered):
        raise Malformed("a remembered answer has another length")
    numbers = [int.from_bytes(key, "big") for key in sorted(order)]
    expected = list(range(row["idempotency_next"] - len(order), row["idempotency_next"]))
    if set(order.values()) != set(values) or numbers != expected:
        raise Malformed("the order of idempotency keys does not fit them")


def _verify(name, stream, swarm):
    """Every leaf up to every head, and every head's signature; the chains by their counts."""
    chain, lamport = events.chain_start(swarm, name), 0
    if stream.fork is not None and stream.fork.of is not None:
        chain, lamport = stream.fork.base_chain, stream.fork.base_lamport
    ends, chains = set(stream.ends()), {stream.base: chain}
    for count, record in enumerate(stream.records, stream.base + 1):
        if record.lamport <= lamport:
            raise Malformed("lamports do not rise")
        chain, lamport = events.extend(chain, record.leaf), record.lamport
        chains[count] = chain
        head = stream.heads.get(count)
        if head is not None:
            if (head.chain, head.lamport) != (chain, lamport):
                raise Malformed("a head does not fit the events")
            if not events.head_verifies(head, swarm):
                raise Malformed("a head is not signed by its node")
        elif count in ends:
            raise Malformed("the head at the end of a block is missing")
    return chains


def _read_forks(tables, recovered, row):
    """The rows of forks by stream: those of the tables, and what the journal changed."""
    rows = {key: forks.read_row(key, _checked(key, value))
            for key, value in tables.get("forks", {}).items()}
    rows.update(recovered.forks)
    if rows and row["readable_by"] < 2:
        raise Malformed("a store with forks says that format 1 can read it")
    return rows


def read_store(folder):
    """The store in `folder`, verified. Raises `Malformed` when something does not hold."""
    folder = pathlib.Path(folder)
    tables = lmdb.read_databases((folder / "data.mdb").read_bytes())
    row = _read_store_row(tables["settings"])
    recovered = journal.Recovered()
    if not row["clean"]:
        segments = [(folder / name).read_bytes() for name in ("journal-a", "journal-b")]
        recovered = journal.recover(segments, row["checkpointed"])
    rows = _read_forks(tables, recovered, row)
    streams = _read_tables(tables, rows)
    _check_blocks(streams, tables["events"])
    _add_journal(streams, recovered, rows)
    _check_idempotency(tables, recovered, row)
    chains = {}
    for name, stream in streams.items():
        if stream.latest.count != stream.count():
            raise Malformed("the latest head is not that of the last event")
        stream.heads[stream.latest.count] = stream.latest
        chains[name] = _verify(name, stream, row["swarm"])
    forks.check_forks(rows, lambda name, count: chains[name][count], row["swarm"])
    return Store(row["swarm"], row["seed"], row, streams, recovered.torn)


def main(folder):
    """Prints the events of the store in `folder`; returns the exit status."""
    try:
        store = read_store(folder)
    except (Malformed, KeyError, struct.error, UnicodeDecodeError) as error:
        print(f"{folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    for lamport, stream, offset, record in store.events():
        number = int.from_bytes(stream[32:], "big")
        key = f"{lamport}/{stream[:32].hex()}-{number}"
        print(key, offset, record.kind, record.bytes.hex())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
