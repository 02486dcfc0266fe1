"""Reads the groups of posting segments of a store and makes them again from its segments.

    python3 tests/reference/groups.py FOLDER

prints how many complete groups there are. Ends with status 1 and a sentence when one is not that of
its segments. Written from docs/format.md alone. Begin with `check_groups`.
"""

import pathlib
import struct
import sys

import lmdb
from cbor import Malformed
from hashes import crc32c

BUCKETS, ENTRY_BYTES, SUMMARY_START = 512, 92, 48
HEAD_PART, PART_BUCKETS = 16, 32


def _row(key, content):
    return struct.pack("<I", crc32c(content, crc32c(key))) + content


def _marks(row, bucket):
    """The marks of a bucket of a segment."""
    count = int.from_bytes(row[4:8], "little")
    head_end = 8 + count * ENTRY_BYTES + BUCKETS * 4
    ends = struct.unpack_from(f"<{BUCKETS}I", row, head_end - BUCKETS * 4)
    at, end = head_end + (ends[bucket - 1] if bucket else 0), head_end + ends[bucket]
    at += 4
    while at < end:
        mark, places = struct.unpack_from("<HB", row, at)
        yield mark
        at += 3 + (2 * places or 128)


def _bounds(row):
    """The bounds of a segment: least and greatest lamport, first stream and offset."""
    count = int.from_bytes(row[4:8], "little")
    entries = [row[8 + at * ENTRY_BYTES:8 + (at + 1) * ENTRY_BYTES] for at in range(count)]
    lamports = [struct.unpack_from("<QQ", entry, SUMMARY_START + 12) for entry in entries]
    firsts = [(entry[:40], int.from_bytes(entry[40:48], "little")) for entry in entries]
    stream, offset = min(firsts)
    least, greatest = min(low for low, _ in lamports), max(high for _, high in lamports)
    return struct.pack("<QQ", least, greatest) + stream + struct.pack("<Q", offset)


def _postings(segments, bucket):
    masks = {}
    for at, segment in enumerate(segments):
        for mark in _marks(segment, bucket):
            masks[mark] = masks.get(mark, 0) | 1 << at
    postings = b""
    for mark, mask in sorted(masks.items()):
        own = mask.to_bytes(8, "little")
        some = [at for at in range(8) if own[at]]
        postings += struct.pack("<HB", mark, sum(1 << at for at in some))
        postings += bytes(own[at] for at in some)
    return postings


def group_rows(level, number, postings):
    """The rows of a group by their keys, made from the segments in the table `postings`."""
    count = 8 ** level
    segments = [postings[(number * count + at).to_bytes(8, "big")] for at in range(count)]
    start = struct.pack(">BQ", level, number)
    rows = {}
    for part in range(HEAD_PART):
        key = start + struct.pack(">H", part)
        ends, body = [], b""
        for bucket in range(part * PART_BUCKETS, (part + 1) * PART_BUCKETS):
            postings = _postings(segments, bucket)
            if postings:
                checksum = crc32c(postings, crc32c(struct.pack("<I", bucket), crc32c(key)))
                body += struct.pack("<I", checksum) + postings
            ends.append(len(body))
        rows[key] = _row(key, struct.pack(f"<{PART_BUCKETS}I", *ends)) + body
    key = start + struct.pack(">H", HEAD_PART)
    rows[key] = _row(key, b"".join(map(_bounds, segments)))
    return rows


def check_groups(groups, postings):
    """Each complete group is that of its segments, and no segment is in two. Returns how many."""
    heads = [key for key in groups if key[9:] == struct.pack(">H", HEAD_PART)]
    named = []
    for key in heads:
        level, number = struct.unpack(">BQ", key[:9])
        if level not in (1, 2):
            raise Malformed("a group has an impossible key")
        stored = {own: row for own, row in groups.items() if own[:9] == key[:9]}
        if stored != group_rows(level, number, postings):
            raise Malformed("a group is not that of its segments")
        named += range(number * 8 ** level, (number + 1) * 8 ** level)
    if len(named) != len(set(named)):
        raise Malformed("a segment is in two groups")
    return len(heads)


def main(folder):
    """Prints how many groups the store in `folder` has; returns the exit status."""
    try:
        tables = lmdb.read_databases((pathlib.Path(folder) / "data.mdb").read_bytes())
        print(check_groups(tables["groups"], tables["postings"]), "groups")
    except (Malformed, KeyError, struct.error) as error:
        print(f"{folder}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
