"""Reads the snapshots of a store.

    python3 tests/reference/snapshots.py FOLDER

prints how many there are. Ends with status 1 and a sentence when one is not in its form. Written
from docs/format.md, "Snapshots". Begin with `check_snapshots`.
"""

import pathlib
import sys

import events
import lmdb
from cbor import Malformed
from hashes import crc32c


def _key(source):
    lamport, stream = source.u64_be(), source.take(40)
    if lamport >= 2 ** 53:
        raise Malformed("a lamport that no event has")
    return lamport, stream


def _optional_key(source):
    kind, = source.take(1)
    if kind > 1:
        raise Malformed("neither a key nor none")
    return _key(source) if kind else None


def read_row(key, row):
    """Fish, definition, last key, offset map, key of the last reset and state."""
    crc, length = int.from_bytes(row[:4], "little"), int.from_bytes(row[4:8], "little")
    head, state = row[8:8 + length], row[8 + length:]
    if len(head) != length or crc32c(row[4:8 + length], crc32c(key)) != crc:
        raise Malformed("the head of a snapshot has a wrong checksum")
    source = events.Bytes(head)
    fish, definition = source.counted(255).decode("utf-8"), source.take(32)
    last = _optional_key(source)
    offsets = [(source.take(40), source.varint()) for _ in range(source.varint())]
    reset = _optional_key(source)
    state_crc = int.from_bytes(source.take(4), "little")
    source.finish()
    if not fish or last is None or (reset is not None and reset > last):
        raise Malformed("a snapshot of no fish, of no event, or of none after its reset")
    if any(a[0] >= b[0] for a, b in zip(offsets, offsets[1:])):
        raise Malformed("the streams of a snapshot do not rise")
    if crc32c(state) != state_crc:
        raise Malformed("the state of a snapshot has a wrong checksum")
    return fish, definition, last, offsets, reset, state


def check_snapshots(table):
    """Reads every row of the table; how many there are."""
    for key, row in table.items():
        if len(key) != 8:
            raise Malformed("a snapshot without a number")
        read_row(key, row)
    return len(table)


if __name__ == "__main__":
    try:
        tables = lmdb.read_databases((pathlib.Path(sys.argv[1]) / "data.mdb").read_bytes())
        print(check_snapshots(tables.get("snapshots", {})), "snapshots")
    except Malformed as error:
        sys.exit(f"{sys.argv[1]}: {error}")
