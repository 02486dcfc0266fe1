"""Blobs: ids, trees, pieces, and the frames about them: written from docs/protocol.md alone.

Begin with `Tree` for what a blob's bytes give, `piece_verifies`, and `read_frame`.
"""

import functools

import events
from cbor import Malformed
from hashes import IV, PARENT, ROOT, _chunk, _compress

GROUP_BYTES = 65536
BLOB_BYTES_MAX = 2 ** 40
GROUPS_MAX = 2 ** 24
CHUNK_BYTES = 1024


def group_count(size):
    """How many groups a blob of `size` bytes has: at least one."""
    return max(1, -(-size // GROUP_BYTES))


def _left(count):
    """Of `count` leaves, how many are in the left subtree: the largest power of two below."""
    return 1 << (count - 1).bit_length() - 1


def _words(value):
    return b"".join(word.to_bytes(4, "little") for word in value)


@functools.cache
def _chunk_value(data, number, is_root):
    return _words(_chunk(data, number, IV, 0, is_root))


def _parent(pair, is_root):
    return _words(_compress(IV, pair, 0, 64, PARENT | (ROOT if is_root else 0)))


def _subtree(data, number, is_root):
    """The value of some bytes that begin at chunk `number`."""
    chunks = max(1, -(-len(data) // CHUNK_BYTES))
    if chunks == 1:
        return _chunk_value(data, number, is_root)
    left = _left(chunks)
    split = left * CHUNK_BYTES
    pair = _subtree(data[:split], number, False) + _subtree(data[split:], number + left, False)
    return _parent(pair, is_root)


class Tree:
    """The hash pairs above the groups of a blob."""

    def __init__(self, data):
        self.size, self.count = len(data), group_count(len(data))
        self.groups = [data[start:start + GROUP_BYTES]
                       for start in range(0, max(1, len(data)), GROUP_BYTES)]
        self.post_order, self._pairs = b"", {}
        self.id = self._build(0, self.count, True)

    def _build(self, first, count, is_root):
        if count == 1:
            return _subtree(self.groups[first], first * GROUP_BYTES // CHUNK_BYTES, is_root)
        left = _left(count)
        pair = (self._build(first, left, False)
                + self._build(first + left, count - left, False))
        self._pairs[first, count] = pair
        self.post_order += pair
        return _parent(pair, is_root)

    def pairs_to(self, group):
        """The pairs from the root down to a group."""
        pairs, first, count = b"", 0, self.count
        while count > 1:
            pairs += self._pairs[first, count]
            left = _left(count)
            first, count = (first, left) if group < first + left else (first + left, count - left)
        return pairs


def piece_verifies(blob, size, group, piece):
    """True when `piece` is that group of the blob with this id and size."""
    expected, first, count, is_root = blob, 0, group_count(size), True
    while count > 1:
        pair, piece = piece[:64], piece[64:]
        if len(pair) < 64 or _parent(pair, is_root) != expected:
            return False
        left, is_root = _left(count), False
        if group < first + left:
            count, expected = left, pair[:32]
        else:
            first, count, expected = first + left, count - left, pair[32:]
    length = min(GROUP_BYTES, size - group * GROUP_BYTES)
    number = group * GROUP_BYTES // CHUNK_BYTES
    return len(piece) == length and _subtree(piece, number, is_root) == expected


def read_frame(frame):
    """The name and the fields of a frame about blobs; none for a type that may be skipped."""
    source = events.Bytes(frame)
    kind = source.take(1)[0]
    if kind not in MESSAGES:
        return None
    name, fields = MESSAGES[kind](source)
    source.finish()
    return name, fields


def _number(source, least, most):
    number = source.varint()
    if not least <= number <= most:
        raise Malformed(f"{number} is not between {least} and {most}")
    return number


def _byte(source, most):
    byte = source.take(1)[0]
    if byte > most:
        raise Malformed(f"the byte {byte}")
    return byte


def _each(source, one):
    return {"blobs": [{"id": source.take(32).hex(), **one(source)}
                      for _ in range(_number(source, 1, 64))]}


def _find(source):
    return "find", _each(source, lambda source: {"watch": _byte(source, 1) == 1})


def _holding(source):
    state = _byte(source, 2)
    holding = {"state": state}
    if state:
        holding["size"] = _number(source, 0, BLOB_BYTES_MAX)
    if state == 1:
        holding["spans"], end = [], 0
        for index in range(_number(source, 1, 64)):
            first = end + _number(source, 1 if index else 0, GROUPS_MAX)
            end = first + _number(source, 1, GROUPS_MAX)
            if end > group_count(holding["size"]):
                raise Malformed("a span behind the end")
            holding["spans"].append([first, end])
    others = [source.take(32) for _ in range(_number(source, 0, 8))]
    if any(a >= b for a, b in zip(others, others[1:])):
        raise Malformed("others do not rise")
    return {"holding": holding, "others": [node.hex() for node in others]}


def _ask(source):
    fields = {"transfer": source.varint(), "id": source.take(32).hex(),
              "size": _number(source, 0, BLOB_BYTES_MAX),
              "first": source.varint(), "groups": _number(source, 1, 12)}
    if fields["first"] + fields["groups"] > group_count(fields["size"]):
        raise Malformed("an ask behind the end")
    return "ask", fields


def _piece(source):
    transfer, group = source.varint(), _number(source, 0, GROUPS_MAX - 1)
    piece = source.take(len(source.rest()))
    return "piece", {"transfer": transfer, "group": group, "piece": piece.hex()}


def _stop(source):
    if _byte(source, 1) == 0:
        return "stop", {"transfer": source.varint()}
    return "stopped", {"transfer": source.varint(), "reason": _byte(source, 255)}


MESSAGES = {
    0x90: _find,
    0x91: lambda source: ("have", _each(source, _holding)),
    0x92: _ask,
    0x93: _piece,
    0x94: _stop,
    0x95: lambda source: ("keep", _each(source, lambda source: {"word": _byte(source, 255)})),
}
