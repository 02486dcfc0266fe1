"""Zstandard decompression in plain Python, without dictionaries: slow, short.

Written from RFC 8878. Begin with `decompress`. The checksum that a frame may end with is not
checked: everything that is read here has one of its own around it.
"""

from cbor import Malformed

MAGIC = b"\x28\xb5\x2f\xfd"
BLOCK_BYTES_MAX = 128 << 10

# Most accuracy and the default distribution of literals lengths, offsets and match lengths.
LITERALS = (9, 6, [4, 3] + [2] * 11 + [1] * 3 + [2] * 9 + [3, 2] + [1] * 5 + [-1] * 4)
OFFSETS = (8, 5, [1] * 6 + [2] * 3 + [1] * 15 + [-1] * 5)
MATCHES = (9, 6, [1, 4, 3] + [2] * 6 + [1] * 37 + [-1] * 7)
LITERALS_BITS = [0] * 16 + [1] * 4 + [2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
MATCHES_BITS = [0] * 32 + [1] * 4 + [2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]


def _bases(first, bits):
    bases = []
    for width in bits:
        bases.append(first)
        first += 1 << width
    return bases


LITERALS_BASE, MATCHES_BASE = _bases(0, LITERALS_BITS), _bases(3, MATCHES_BITS)


class Backwards:
    """Bits from the end of some bytes on, below the highest set bit of the last one."""

    def __init__(self, data):
        if not data or not data[-1]:
            raise Malformed("a bit stream has no end")
        self.data = data
        self.left = len(data) * 8 - 9 + data[-1].bit_length()

    def peek(self, count):
        """The next bits, 32 at most; zeros come after the last."""
        low = max(self.left - count, 0)
        word = int.from_bytes(self.data[low >> 3:(low >> 3) + 5], "little") >> (low & 7)
        return (word & (1 << self.left - low) - 1) << count - (self.left - low)

    def read(self, count):
        bits = self.peek(count)
        self.left -= count
        if self.left < 0:
            raise Malformed("a bit stream ends too early")
        return bits

    def finish(self):
        if self.left:
            raise Malformed("bits are left over")


class Forwards:
    """Takes bytes off the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if count > len(self.data) - self.at:
            raise Malformed("the bytes end too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "little")


def _read_distribution(source, accuracy_max):
    """The accuracy and the shares of the symbols of a table (RFC 8878, 4.1.1)."""
    value = int.from_bytes(source.data[source.at:source.at + 512], "little")
    accuracy, used = (value & 15) + 5, 4
    if accuracy > accuracy_max:
        raise Malformed("a table is too accurate")
    left, shares = 1 << accuracy, []
    while left > 0:
        width = (left + 1).bit_length()
        spare = (1 << width) - 2 - left
        low = value >> used & (1 << width - 1) - 1
        if low < spare:
            share, used = low, used + width - 1
        else:
            share, used = value >> used & (1 << width) - 1, used + width
            if share >= 1 << width - 1:
                share -= spare
        shares.append(share - 1)
        left -= abs(share - 1)
        while share == 1:
            run = value >> used & 3
            used += 2
            shares += [0] * run
            if run < 3:
                break
    if left < 0 or len(shares) > 256:
        raise Malformed("a table has too many symbols")
    source.take((used + 7) // 8)
    return accuracy, shares


def _table(accuracy, shares):
    """For each state its symbol, the bits to read, and what they are added to."""
    size = 1 << accuracy
    symbols, high = [0] * size, size - 1
    for symbol, share in enumerate(shares):
        if share < 0:
            symbols[high], high = symbol, high - 1
    at, step = 0, (size >> 1) + (size >> 3) + 3
    for symbol, share in enumerate(shares):
        for _ in range(share):
            symbols[at] = symbol
            at = at + step & size - 1
            while at > high:
                at = at + step & size - 1
    next_state = [abs(share) for share in shares]
    rows = []
    for symbol in symbols:
        state = next_state[symbol]
        next_state[symbol] += 1
        bits = accuracy - state.bit_length() + 1
        rows.append((symbol, bits, (state << bits) - size))
    return accuracy, rows


def _weights(source):
    """The weights of a Huffman tree, without the last (RFC 8878, 4.2.1)."""
    header = source.take(1)[0]
    if header >= 128:
        count = header - 127
        packed = source.take((count + 1) // 2)
        return [packed[i // 2] >> 4 - i % 2 * 4 & 15 for i in range(count)]
    part = Forwards(source.take(header))
    accuracy, rows = _table(*_read_distribution(part, 6))
    bits = Backwards(part.data[part.at:])
    states = [bits.read(accuracy), bits.read(accuracy)]
    weights, turn = [], 0
    while True:
        symbol, width, base = rows[states[turn]]
        weights.append(symbol)
        if bits.left < width:
            weights.append(rows[states[1 - turn]][0])
            return weights
        states[turn] = base + bits.read(width)
        turn = 1 - turn


def _huffman(source):
    """The longest code, and for each of that many bits the symbol and its code's length."""
    weights = _weights(source)
    total = sum(1 << weight >> 1 for weight in weights)
    longest = total.bit_length()
    rest = (1 << longest) - total
    if not total or rest & rest - 1 or longest > 11 or len(weights) > 255:
        raise Malformed("the weights of a Huffman tree do not fit")
    weights.append(rest.bit_length())
    rows = []
    for weight in range(1, longest + 1):
        for symbol, own in enumerate(weights):
            if own == weight:
                rows += [(symbol, longest + 1 - weight)] * (1 << weight - 1)
    return longest, rows


def _literals_of(tree, data, count):
    longest, rows = tree
    bits, out = Backwards(data), bytearray()
    for _ in range(count):
        symbol, width = rows[bits.peek(longest)]
        bits.read(width)
        out.append(symbol)
    bits.finish()
    return bytes(out)


def _copy(out, offset, count):
    if not 1 <= offset <= len(out):
        raise Malformed("a match lies before the beginning")
    start = len(out) - offset
    while count > 0:
        piece = out[start:start + count]
        out += piece
        count -= len(piece)


class Frame:
    """What one block leaves behind for the next: trees, tables, offsets, and the content."""

    def __init__(self):
        self.out, self.tree, self.tables, self.recent = bytearray(), None, {}, [1, 4, 8]

    def block(self, data):
        source = Forwards(data)
        literals = self._literals(source)
        self._sequences(source, literals)

    def _literals(self, source):
        first = source.data[source.at] if source.at < len(source.data) else 0
        kind, form = first & 3, first >> 2 & 3
        if kind < 2:
            size, shift = ((1, 3), (2, 4), (1, 3), (3, 4))[form]
            count = source.number(size) >> shift
            return source.take(count) if kind == 0 else source.take(1) * count
        size, width = ((3, 10), (3, 10), (4, 14), (5, 18))[form]
        header = source.number(size) >> 4
        count, packed = header & (1 << width) - 1, Forwards(source.take(header >> width))
        if kind == 2:
            self.tree = _huffman(packed)
        if self.tree is None:
            raise Malformed("no Huffman tree is there yet")
        if form == 0:
            return _literals_of(self.tree, packed.data[packed.at:], count)
        sizes = [packed.number(2) for _ in range(3)]
        each = (count + 3) // 4
        parts = [_literals_of(self.tree, packed.take(length), each) for length in sizes]
        rest = packed.data[packed.at:]
        return b"".join(parts) + _literals_of(self.tree, rest, count - 3 * each)

    def _pick(self, name, mode, source, defaults):
        accuracy_max, accuracy, shares = defaults
        if mode == 0:
            self.tables[name] = _table(accuracy, shares)
        elif mode == 1:
            self.tables[name] = 0, [(source.take(1)[0], 0, 0)]
        elif mode == 2:
            self.tables[name] = _table(*_read_distribution(source, accuracy_max))
        elif name not in self.tables:
            raise Malformed("no table is there yet")
        return self.tables[name]

    def _sequences(self, source, literals):
        count = source.take(1)[0]
        if count >= 128:
            low = source.take(1)[0]
            count = count - 128 << 8 if count < 255 else source.number(1) * 256 + 32512
            count += low
        if count == 0:
            self.out += literals + source.take(0)
            if source.at != len(source.data):
                raise Malformed("bytes are left over in a block")
            return
        modes = source.take(1)[0]
        tables = [self._pick("literals", modes >> 6, source, LITERALS),
                  self._pick("offsets", modes >> 4 & 3, source, OFFSETS),
                  self._pick("matches", modes >> 2 & 3, source, MATCHES)]
        bits = Backwards(source.data[source.at:])
        states = [bits.read(accuracy) for accuracy, _ in tables]
        used, most = 0, len(self.out) + BLOCK_BYTES_MAX
        for left in range(count, 0, -1):
            rows = [table[1][state] for table, state in zip(tables, states)]
            literal, code, match = (row[0] for row in rows)
            if literal > 35 or code > 31 or match > 52:
                raise Malformed("a code is out of range")
            offset = (1 << code) + bits.read(code)
            length = MATCHES_BASE[match] + bits.read(MATCHES_BITS[match])
            run = LITERALS_BASE[literal] + bits.read(LITERALS_BITS[literal])
            self.out += literals[used:used + run]
            used += run
            _copy(self.out, self._offset(offset, run), length)
            if len(self.out) > most:
                raise Malformed("a block has too much content")
            if left > 1:
                for which in (0, 2, 1):
                    states[which] = rows[which][2] + bits.read(rows[which][1])
        bits.finish()
        if used > len(literals):
            raise Malformed("a block has too few literals")
        self.out += literals[used:]

    def _offset(self, value, run):
        """The offset that `value` stands for, with the three latest ones in mind."""
        if value > 3:
            self.recent = [value - 3, *self.recent[:2]]
            return value - 3
        which = value - 1 + (run == 0)
        offset = self.recent[which] if which < 3 else self.recent[0] - 1
        if which > 0:
            self.recent.insert(0, offset)
            del self.recent[min(which, 2) + 1]
        return offset


def decompress(data, most):
    """The content of `data`, which is one frame of at most `most` bytes of content."""
    source = Forwards(bytes(data))
    if source.take(4) != MAGIC:
        raise Malformed("not a Zstandard frame")
    descriptor = source.take(1)[0]
    single = descriptor >> 5 & 1
    if descriptor & 8 or descriptor & 3:
        raise Malformed("a frame with a dictionary or a reserved bit")
    if not single:
        source.take(1)
    size_bytes = (single, 2, 4, 8)[descriptor >> 6]
    size = source.number(size_bytes) + (256 if size_bytes == 2 else 0)
    frame, last = Frame(), False
    while not last:
        header = source.number(3)
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        if kind == 3 or length > BLOCK_BYTES_MAX:
            raise Malformed("a reserved block or one that is too large")
        if kind == 2:
            frame.block(source.take(length))
        else:
            frame.out += source.take(length) if kind == 0 else source.take(1) * length
        if len(frame.out) > most:
            raise Malformed(f"the content exceeds {most} bytes")
    source.take(descriptor & 4)
    if source.at != len(source.data) or (size_bytes and size != len(frame.out)):
        raise Malformed("bytes are left over, or the content has another size")
    return bytes(frame.out)
