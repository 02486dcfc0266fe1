"""The payload subset of CBOR in its deterministic encoding, both ways, in plain Python.

Begin with `encode` and `decode`. Decoding refuses every encoding but the one `encode` gives.
"""

import math
import struct


class Malformed(ValueError):
    """The bytes are not in the one form that the format allows."""


def _head(major, argument):
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | code]) + argument.to_bytes(size, "big")
    raise Malformed("an integer does not fit 64 bits")


def _float(value):
    if not math.isfinite(value):
        raise Malformed("NaN and infinities are refused")
    for code, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            packed = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, packed)[0] == value:
            return bytes([code]) + packed
    return b"\xfb" + struct.pack(">d", value)


def encode(value):
    """The bytes of `value`: None, bool, int, float, str, bytes, list or dict with str keys."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        if not -2 ** 63 <= value < 2 ** 64:
            raise Malformed("an integer does not fit 64 bits")
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, (bytes, bytearray)):
        return _head(2, len(value)) + bytes(value)
    if isinstance(value, str):
        data = value.encode()
        return _head(3, len(data)) + data
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise Malformed(f"{type(value).__name__} is not part of a payload")


def decode(data):
    """The value that `data` encodes, all of it."""
    value, at = _decode(data, 0, 0)
    if at != len(data) or encode(value) != bytes(data):
        raise Malformed("the payload is not in its deterministic encoding")
    return value


def _decode(data, at, depth):
    if at >= len(data):
        raise Malformed("the bytes end too early")
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return _simple(data, at, low)
    if low > 27:
        raise Malformed("an indefinite or reserved length")
    size = 0 if low < 24 else 1 << low - 24
    argument = low if low < 24 else int.from_bytes(data[at:at + size], "big")
    at += size
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        raw = bytes(data[at:at + argument])
        if len(raw) != argument:
            raise Malformed("the bytes end too early")
        return (raw if major == 2 else raw.decode()), at + argument
    if major == 6 or depth == 32 or argument > len(data):
        raise Malformed("a CBOR tag, too deep, or too long")
    items = []
    for _ in range(argument * (major - 3)):
        item, at = _decode(data, at, depth + 1)
        items.append(item)
    if major == 4:
        return items, at
    keys = items[::2]
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
        raise Malformed("a map key is not text or stands twice")
    return dict(zip(keys, items[1::2])), at


def _simple(data, at, low):
    if low in (20, 21, 22):
        return (False, True, None)[low - 20], at
    form = {25: ">e", 26: ">f", 27: ">d"}.get(low)
    if form is None:
        raise Malformed("a simple value is not part of a payload")
    size = struct.calcsize(form)
    if at + size > len(data):
        raise Malformed("the bytes end too early")
    return struct.unpack(form, data[at:at + size])[0], at + size
