"""Reads an LMDB 0.9 file of a 64-bit machine with the little end first, without LMDB.

Written from docs/format.md, "LMDB's file". Begin with `read_databases`. Nothing may
write to the file meanwhile. Not here: what the rows mean (`store`).
"""

import struct

from cbor import Malformed

PAGE_HEADER_BYTES = 16
MAGIC, VERSION = 0xBEEFC0DE, 1
BRANCH, LEAF, OVERFLOW = 1, 2, 4
BIG_DATA, SUB_DATABASE = 1, 2
NOWHERE = 2 ** 64 - 1
DATABASE = struct.Struct("<IHHQQQQQ")


class _File:
    def __init__(self, data):
        self.data = data
        metas = [self._meta(0)]
        self.page_bytes = metas[0]["page_bytes"]
        metas.append(self._meta(self.page_bytes))
        self.meta = max(metas, key=lambda meta: meta["transaction"])

    def _meta(self, at):
        fields = struct.unpack_from("<IIQQ", self.data, at + PAGE_HEADER_BYTES)
        if fields[:2] != (MAGIC, VERSION):
            raise Malformed(f"no LMDB 0.9 meta page at byte {at}")
        free = DATABASE.unpack_from(self.data, at + 40)
        main = DATABASE.unpack_from(self.data, at + 88)
        last, transaction = struct.unpack_from("<QQ", self.data, at + 136)
        return {"page_bytes": free[0], "main": main, "last": last, "transaction": transaction}

    def page(self, number):
        """The flags of a page, and its two bounds."""
        if number > self.meta["last"]:
            raise Malformed(f"page {number} is beyond the last")
        at = number * self.page_bytes
        own, _, flags, lower, upper = struct.unpack_from("<QHHHH", self.data, at)
        if own != number:
            raise Malformed(f"page {number} says that it is page {own}")
        return at, flags, lower, upper

    def rows(self, number):
        """Key, flags and value of each node below page `number`, in order."""
        at, flags, lower, _ = self.page(number)
        for index in range((lower - PAGE_HEADER_BYTES) // 2):
            offset, = struct.unpack_from("<H", self.data, at + PAGE_HEADER_BYTES + 2 * index)
            low, high, node_flags, key_bytes = struct.unpack_from("<HHHH", self.data, at + offset)
            start = at + offset + 8
            if flags & BRANCH:
                yield from self.rows(low | high << 16 | node_flags << 32)
            elif flags & LEAF:
                key = self.data[start:start + key_bytes]
                yield key, node_flags, self._value(start + key_bytes, low | high << 16, node_flags)
            else:
                raise Malformed(f"page {number} is not part of a tree")

    def _value(self, start, length, flags):
        if flags & BIG_DATA:
            number, = struct.unpack_from("<Q", self.data, start)
            at, page_flags, _, _ = self.page(number)
            if not page_flags & OVERFLOW:
                raise Malformed(f"page {number} is no overflow page")
            start = at + PAGE_HEADER_BYTES
        if start + length > len(self.data):
            raise Malformed("a value goes beyond the file")
        return self.data[start:start + length]

    def database(self, fields):
        """All rows of a database as a dict; its keys rise."""
        _, _, _, _, _, _, entries, root = fields
        rows = [] if root == NOWHERE else list(self.rows(root))
        keys = [key for key, _, _ in rows]
        if len(rows) != entries or any(a >= b for a, b in zip(keys, keys[1:])):
            raise Malformed("a database has another number of rows than it says, or in disorder")
        return rows


def read_databases(data):
    """Name → {key: value} of every named database in the bytes of a `data.mdb`."""
    file = _File(bytes(data))
    databases = {}
    for name, flags, value in file.database(file.meta["main"]):
        if not flags & SUB_DATABASE:
            raise Malformed("a row beside the named databases")
        rows = file.database(DATABASE.unpack(value))
        databases[name.decode()] = {key: content for key, _, content in rows}
    return databases
