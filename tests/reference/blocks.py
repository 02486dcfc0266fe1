"""Blocks as a store keeps them: columns, shapes and frames, read back into records.

Written from docs/format.md, "Blocks on disk". Begin with `read_block`. Raises `Malformed` on what
is not a block. The term numbers and the postings of "Postings" are here, too.
"""

import struct
from dataclasses import dataclass

import zstd
from cbor import Malformed, encode
from events import BLOCK_BYTES, Bytes, read_record
from events import read_head as read_head_of_stream
from hashes import crc32c

FRAME_EVENTS, BLOCK_EVENTS, BUCKETS, SEGMENT_BLOCKS = 64, 1024, 512, 64
RAW_BYTES_MAX = BLOCK_BYTES + 1065136
DICTIONARY, INTEGER, FLOAT, DECIMAL, DIGITS, HEAP = range(6)


def _varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _unfold(value):
    return -(value + 1) // 2 if value % 2 else value // 2


def _signed(value):
    value %= 1 << 64
    return value - (1 << 64) if value >> 63 else value


def _unpack(data, width, count):
    """`count` numbers of `width` bits, and zero bits behind them."""
    number = int.from_bytes(data, "little")
    numbers = [number >> width * index & (1 << width) - 1 for index in range(count)]
    if number >> width * count:
        raise Malformed("a column has bits behind its numbers")
    return numbers


def _packed_bytes(width, count):
    return (width * count + 7) // 8


class Number:
    """The description of a column."""

    def __init__(self, source):
        self.base, self.step = _unfold(source.varint()), _unfold(source.varint())
        self.width = source.take(1)[0]
        if self.width > 64:
            raise Malformed("a column is too wide")

    def read(self, source, positions):
        """The values of the events at these positions."""
        data = source.take(_packed_bytes(self.width, len(positions)))
        packed = _unpack(data, self.width, len(positions))
        return [_signed(self.base + self.step * position + number)
                for position, number in zip(positions, packed)]


class Slot:
    """One thing that differs between the events of a shape."""

    def __init__(self, source, in_payload):
        self.number, self.in_payload = Number(source), in_payload
        self.coding = source.take(1)[0]
        if self.coding == DICTIONARY:
            count, size = source.varint(), source.varint()
            if count > BLOCK_EVENTS:
                raise Malformed("a dictionary has too many entries")
            width = size.bit_length()
            starts = _unpack(source.take(_packed_bytes(width, count + 1)), width, count + 1)
            entries = source.take(size)
            if starts[0] != 0 or starts[-1] != size or starts != sorted(starts):
                raise Malformed("a dictionary has entries outside of it")
            self.entries = [entries[a:b] for a, b in zip(starts, starts[1:])]
        elif self.coding == DECIMAL:
            self.places = source.take(1)[0]
        elif self.coding == DIGITS:
            self.prefix, self.suffix = source.counted(1 << 22), source.counted(1 << 22)
            self.pad = source.take(1)[0]
        elif self.coding not in (INTEGER, FLOAT, HEAP):
            raise Malformed("a slot has an unknown coding")

    def bytes_of(self, value, heap):
        """The bytes that a value stands for."""
        if self.coding == DICTIONARY:
            if not 0 <= value < len(self.entries):
                raise Malformed("a dictionary lacks an entry")
            return self.entries[value]
        if self.coding == INTEGER:
            return encode(value)
        if self.coding == FLOAT:
            return encode(struct.unpack("<d", struct.pack("<q", value))[0])
        if self.coding == DECIMAL:
            return encode(value / 10 ** self.places)
        if self.coding == HEAP:
            return heap.take(value)
        text = self.prefix + str(value).zfill(self.pad).encode() + self.suffix
        return encode(text.decode()) if self.in_payload else _varint(len(text)) + text


class Shape:
    """Literals and slots, in turns."""

    def __init__(self, source, in_payload):
        self.parts = []
        for _ in range(source.varint()):
            literal = source.counted(1 << 22)
            self.parts.append((literal, Slot(source, in_payload)))
        self.tail = source.counted(1 << 22)
        if len(self.parts) > 64:
            raise Malformed("a shape has too many slots")

    def read_columns(self, source, positions):
        return [slot.number.read(source, positions) for _, slot in self.parts]

    def write(self, columns, heaps, row):
        """What the shape makes of the values in this row of its columns."""
        pieces = []
        for (literal, slot), column, heap in zip(self.parts, columns, heaps):
            pieces += [literal, heap[row] if heap else slot.bytes_of(column[row], None)]
        return b"".join(pieces) + self.tail

    def read_heap(self, columns, heap):
        """The heap's bytes of each column, or nothing for one that has none."""
        return [[slot.bytes_of(value, heap) for value in column] if slot.coding == HEAP else None
                for (_, slot), column in zip(self.parts, columns)]


@dataclass
class Head:
    """What stands before the frames."""

    count: int
    length: int
    numbers: list
    marks: list
    headers: list
    payloads: list
    frames: list
    has_heap: bool


def read_head(data):
    """The head of a block, from what `head_len` stands for."""
    source = Bytes(data)
    count, length = source.varint(), source.varint()
    if not 1 <= count <= BLOCK_EVENTS or length > RAW_BYTES_MAX:
        raise Malformed("a block claims more than a block has")
    numbers = [Number(source) for _ in range(4)]
    marks, headers = [], []
    for _ in range(source.varint()):
        marks.append(source.take(2))
        headers.append(Shape(source, False))
    payloads = [Shape(source, True) for _ in range(source.varint())]
    frames = [struct.unpack("<II", source.take(8)) for _ in range(-(-count // FRAME_EVENTS))]
    source.finish()
    slots = [slot for shape in headers + payloads for _, slot in shape.parts]
    has_heap = any(slot.coding == HEAP for slot in slots)
    return Head(count, length, numbers, marks, headers, payloads, frames, has_heap)


def _read_heap(source, most):
    size = source.varint()
    data = source.rest()
    source.take(len(data))
    if size > most + 1:
        raise Malformed("a heap claims more bytes than its block")
    heap = zstd.decompress(data, size - 1) if size else data
    if size and len(heap) != size - 1:
        raise Malformed("a heap has another length than it says")
    return Bytes(heap)


def _rows_of(shapes, ids):
    """For each shape the rows that have it."""
    if not all(0 <= shape < len(shapes) for shape in ids):
        raise Malformed("an event has a shape that its block lacks")
    return [[row for row, shape in enumerate(ids) if shape == own] for own in range(len(shapes))]


def _read_frame(head, data, positions, all_heaps):
    """The records of a frame; adds the heap's bytes of its columns to `all_heaps`."""
    source = Bytes(data)
    lamports, times, header_ids, payload_ids = [
        number.read(source, positions) for number in head.numbers]
    groups = (list(zip(head.headers, _rows_of(head.headers, header_ids)))
              + list(zip(head.payloads, _rows_of(head.payloads, payload_ids))))
    columns = [shape.read_columns(source, [positions[row] for row in rows])
               for shape, rows in groups]
    heap = _read_heap(source, head.length) if head.has_heap else Bytes(b"")
    heaps = [shape.read_heap(own, heap) for (shape, _), own in zip(groups, columns)]
    heap.finish()
    source.finish()
    all_heaps.append(heaps)
    made = [[shape.write(own, heap, at) for at in range(len(rows))]
            for (shape, rows), own, heap in zip(groups, columns, heaps)]
    fields, payloads = [None] * len(positions), [None] * len(positions)
    for at, (_, rows) in enumerate(groups):
        kept = fields if at < len(head.headers) else payloads
        for row, text in zip(rows, made[at]):
            kept[row] = text
    records = b""
    for row in range(len(positions)):
        time = times[row]
        folded = 2 * time if time >= 0 else -2 * time - 1
        header = (head.marks[header_ids[row]] + _varint(lamports[row] % (1 << 64))
                  + _varint(folded) + _varint(len(payloads[row])) + fields[row])
        records += _varint(len(header)) + header + payloads[row]
    return records


def split_block(block):
    """What the checksum of a row covers of a block, and the frames."""
    source = Bytes(block)
    size = int.from_bytes(source.take(4), "little")
    source.take(size)
    return block[:4 + size], source.rest()


def read_block(block, heaps=None):
    """The records of a block, one after the other; `heaps` gets what each frame has on its heap."""
    covered, frames = split_block(block)
    head = read_head(covered[4:])
    records, start = b"", 0
    for index, (end, checksum) in enumerate(head.frames):
        data = frames[start:end]
        if end > len(frames) or end < start or crc32c(data) != checksum:
            raise Malformed("a frame has a wrong checksum")
        first = index * FRAME_EVENTS
        positions = list(range(first, min(first + FRAME_EVENTS, head.count)))
        records += _read_frame(head, data, positions, [] if heaps is None else heaps)
        start = end
    if start != len(frames) or len(records) != head.length:
        raise Malformed("a block has another length than it says")
    return records


def _block_ends(sizes):
    """True when a block with records of these sizes ends with the last and not before."""
    before = sum(sizes[:-1])
    full = len(sizes) == BLOCK_EVENTS or before + sizes[-1] >= BLOCK_BYTES
    return full and before < BLOCK_BYTES


def _tags_are_whole(head, frames):
    """True when each slot between tags is one tag with its length, and no entry stands twice."""
    outlined = [(at, shape) for at, (marks, shape) in enumerate(zip(head.marks, head.headers))
                if _is_readable(marks) and not (shape.parts and not shape.parts[0][0])]
    for at, shape in outlined:
        for index, (_, slot) in enumerate(shape.parts):
            if slot.coding == DICTIONARY:
                values = slot.entries
                if len(set(values)) < len(values):
                    return False
            elif slot.coding == HEAP:
                values = [value for heaps in frames for value in heaps[at][index]]
            elif slot.coding == DIGITS:
                continue
            else:
                return False
            if not all(_is_one_tag(value) for value in values):
                return False
    return True


def _is_readable(marks):
    return marks[0] == 0 and marks[1] < 2


def _is_one_tag(value):
    source = Bytes(value)
    try:
        source.counted(255)
    except Malformed:
        return False
    return not source.rest()


def read_packed_range(data):
    """The head and the records of a packed range."""
    source = Bytes(data)
    signed, block = read_head_of_stream(source), source.rest()
    covered, _ = split_block(block)
    head = read_head(covered[4:])
    if head.count > signed.count or len(block) > head.length:
        raise Malformed("a block claims more than its head or is longer than its records")
    heaps = []
    source = Bytes(read_block(block, heaps))
    records = [read_record(source) for _ in range(head.count)]
    source.finish()
    if not _tags_are_whole(head, heaps) or not _block_ends([len(one.bytes) for one in records]):
        raise Malformed("a block is not one that may be shipped")
    return signed, records


def _number_of(term):
    return crc32c(term)


def places_of(block, records):
    """(bucket and mark, place) of each term of the records, which are block number `block`."""
    places = set()
    for position, record in enumerate(records):
        place = 16 * block + position // FRAME_EVENTS
        if record.app_id is None:
            continue
        terms = [b"\1" + record.app_id.encode(), *(b"\0" + tag.encode() for tag in record.tags)]
        places |= {(_number_of(term) >> 7, place) for term in terms}
    return places


def segment(key, blocks):
    """The segment of blocks, each given as (key, summary, records)."""
    places = set()
    for at, (_, _, records) in enumerate(blocks):
        places |= places_of(at, records)
    by_term = {}
    for term, place in sorted(places):
        by_term.setdefault(term, []).append(place)
    buckets = [b""] * BUCKETS
    for term, own in by_term.items():
        posting = struct.pack("<H", term & 0xFFFF)
        if len(own) <= 64:
            posting += struct.pack(f"<B{len(own)}H", len(own), *own)
        else:
            frames = [0] * SEGMENT_BLOCKS
            for place in own:
                frames[place >> 4] |= 1 << (place & 15)
            posting += struct.pack("<B64H", 0, *frames)
        buckets[term >> 16] += posting
    ends, body = [], b""
    for number, postings in enumerate(buckets):
        if postings:
            checksum = crc32c(postings, crc32c(struct.pack("<I", number), crc32c(key)))
            body += struct.pack("<I", checksum) + postings
        ends.append(len(body))
    head = struct.pack("<I", len(blocks))
    for block_key, summary, _ in blocks:
        head += block_key[:40] + block_key[40:][::-1] + summary
    head += struct.pack(f"<{BUCKETS}I", *ends)
    return struct.pack("<I", crc32c(head, crc32c(key))) + head + body
