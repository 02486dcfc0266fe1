"""BLAKE3, Ed25519 verification and CRC32C in plain Python: slow, short, independent of the core.

Written from the published specifications (BLAKE3 paper, RFC 8032, RFC 3720 appendix B.4).
Begin with `blake3`, `blake3_derive_key`, `blake3_keyed`, `ed25519_verify`, `crc32c`.
"""

import hashlib

MASK = 0xFFFFFFFF
IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
      0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED, CONTEXT, MATERIAL = (1 << i for i in range(7))


def _rotate(value, bits):
    return (value >> bits | value << (32 - bits)) & MASK


def _mix(state, a, b, c, d, x, y):
    state[a] = (state[a] + state[b] + x) & MASK
    state[d] = _rotate(state[d] ^ state[a], 16)
    state[c] = (state[c] + state[d]) & MASK
    state[b] = _rotate(state[b] ^ state[c], 12)
    state[a] = (state[a] + state[b] + y) & MASK
    state[d] = _rotate(state[d] ^ state[a], 8)
    state[c] = (state[c] + state[d]) & MASK
    state[b] = _rotate(state[b] ^ state[c], 7)


def _compress(chaining, block, counter, length, flags):
    words = [int.from_bytes(block[i:i + 4], "little") for i in range(0, 64, 4)]
    state = chaining + IV[:4] + [counter & MASK, counter >> 32, length, flags]
    for _ in range(7):
        for column in range(4):
            _mix(state, column, 4 + column, 8 + column, 12 + column,
                 words[2 * column], words[2 * column + 1])
        for diagonal in range(4):
            _mix(state, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4,
                 12 + (diagonal + 3) % 4, words[8 + 2 * diagonal], words[9 + 2 * diagonal])
        words = [words[i] for i in PERMUTATION]
    return [state[i] ^ state[i + 8] for i in range(8)]


def _chunk(data, counter, key, flags, root):
    """Chaining value of one chunk of at most 1,024 bytes."""
    chaining = key
    blocks = [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    for index, block in enumerate(blocks):
        block_flags = flags
        if index == 0:
            block_flags |= CHUNK_START
        if index == len(blocks) - 1:
            block_flags |= CHUNK_END | (ROOT if root else 0)
        padded = block + bytes(64 - len(block))
        chaining = _compress(chaining, padded, counter, len(block), block_flags)
    return chaining


def _tree(data, counter, key, flags, root):
    if len(data) <= 1024:
        return _chunk(data, counter, key, flags, root)
    left_chunks = 1
    while left_chunks * 2 * 1024 < len(data):
        left_chunks *= 2
    split = left_chunks * 1024
    children = (_tree(data[:split], counter, key, flags, False)
                + _tree(data[split:], counter + left_chunks, key, flags, False))
    block = b"".join(word.to_bytes(4, "little") for word in children)
    return _compress(key, block, 0, 64, flags | PARENT | (ROOT if root else 0))


def _words(key):
    return [int.from_bytes(key[i:i + 4], "little") for i in range(0, 32, 4)]


def _hash(data, key, flags):
    words = _tree(bytes(data), 0, key, flags, True)
    return b"".join(word.to_bytes(4, "little") for word in words)


def blake3(data):
    """The 32-byte BLAKE3 hash of `data`."""
    return _hash(data, IV, 0)


def blake3_keyed(key, data):
    """The 32-byte keyed BLAKE3 hash of `data`; `key` has 32 bytes."""
    return _hash(data, _words(key), KEYED)


def blake3_derive_key(context, material):
    """The 32-byte key that BLAKE3 derives from `material` for the text `context`."""
    context_key = _hash(context.encode(), IV, CONTEXT)
    return _hash(material, _words(context_key), MATERIAL)


P = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def _recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x = _recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _base():
    y = 4 * pow(5, P - 2, P) % P
    x = _recover_x(y, 0)
    return (x, y, 1, x * y % P)


def _is_of_small_order(point):
    x, y, z, _ = _multiply(8, point)
    return x % P == 0 and (y - z) % P == 0


def ed25519_verify(public, message, signature):
    """True when `signature` (64 bytes) over `message` is by the key `public` (32 bytes).

    Strict: canonical points and scalar, none of small order, and no factor of 8 in the equation.
    """
    point, commitment = _decompress(public), _decompress(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if point is None or commitment is None or scalar >= ORDER:
        return False
    if _is_of_small_order(point) or _is_of_small_order(commitment):
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    left = _multiply(scalar, _base())
    right = _add(commitment, _multiply(challenge, point))
    return ((left[0] * right[2] - right[0] * left[2]) % P == 0
            and (left[1] * right[2] - right[1] * left[2]) % P == 0)


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data, before=0):
    """The CRC32C of `data`, continued from the checksum `before`."""
    crc = before ^ MASK
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ MASK
