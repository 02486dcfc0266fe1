"""Escrow accounts and claims, from docs/escrow.md alone: what events of one name come to.

Begin with `Fold`.
"""

import cbor
import hashes

AMOUNT_MAX = 2 ** 53 - 1
STREAMS_MAX = 4096
KEYS = {
    "create": {"stream", "amount", "floor", "shares"},
    "deposit": {"account", "stream", "amount"},
    "withdraw": {"account", "stream", "amount"},
    "request": {"account", "stream", "amount"},
    "grant": {"account", "stream", "amount", "to"},
    "recover": {"account", "stream", "amount", "from", "income", "outgo"},
}


def account_id(name, node, payload):
    """The id of what `node` creates under `name`."""
    name = name.encode()
    material = len(name).to_bytes(8, "little") + name + node + payload
    return hashes.blake3_derive_key("millpond 0 escrow account", material)[:16]


def _whole(value, least, most):
    return type(value) is int and least <= value <= most


def _is_stream(node, number):
    return type(node) is bytes and len(node) == 32 and _whole(number, 0, STREAMS_MAX - 1)


def _is_share(share):
    return (type(share) is list and len(share) == 3 and _is_stream(share[0], share[1])
            and _whole(share[2], 1, AMOUNT_MAX))


def read(payload):
    """What a payload says; None when it is of no form."""
    said = cbor.decode(payload)
    if type(said) is not dict or type(said.get("op")) is not str or said["op"] not in KEYS:
        return None
    op, keys = said["op"], set(said) - {"op"}
    if op != "create":
        keys.discard("note")
    if keys != KEYS[op] or not _whole(said["stream"], 0, STREAMS_MAX - 1):
        return None
    if op == "create":
        bounded = all(_whole(said[key], -AMOUNT_MAX, AMOUNT_MAX) for key in ("amount", "floor"))
        shares = said["shares"]
        if not bounded or type(shares) is not list or len(shares) > 1024:
            return None
        sound = all(map(_is_share, shares))
        left = said["amount"] - said["floor"]
        return said if sound and left >= sum(share[2] for share in shares) else None
    account = said["account"]
    sound = (type(account) is bytes and len(account) == 16
             and _whole(said["amount"], 0 if op == "request" else 1, AMOUNT_MAX))
    if op == "grant":
        to = said["to"]
        sound = sound and type(to) is list and len(to) == 2 and _is_stream(*to)
    if op == "recover":
        sound = (sound and _whole(said["from"], 0, STREAMS_MAX - 1)
                 and all(_whole(said[key], 0, 2 ** 64 - 1) for key in ("income", "outgo")))
    return said if sound else None


def trunk(stream):
    """The stream that is written: (node, number) of a stream or one of its branches."""
    return stream[0], stream[1] % STREAMS_MAX


class Account:
    """One account. Streams are pairs of node id and number."""

    def __init__(self, key, creation, parents):
        self.created, self.parents = key, parents
        self.floor, self.balance = creation["floor"], creation["amount"]
        self.credits, self.income, self.outgo, self.fences = {}, {}, {}, {}
        self.blocked, self.uncovered, self.recoveries, self.requests = set(), [], [], {}
        rest = creation["amount"] - creation["floor"]
        for node, number, amount in creation["shares"]:
            if (node, number) != trunk(key[1]):
                rest -= amount
                self._add(self.credits, (node, number), amount)
                self.fences[("credit", (node, number))] = 1
        self._add(self.income, key[1], rest)
        self.fences[("own", key[1])] = 1

    @staticmethod
    def _add(table, stream, amount):
        table[stream] = table.get(stream, 0) + amount

    def _history(self, stream):
        history = [stream]
        while history[-1] in self.parents:
            history.append(self.parents[history[-1]])
        return history

    def left(self, stream):
        """What the history that ends in `stream` has left."""
        own = sum(self.income.get(part, 0) - self.outgo.get(part, 0)
                  for part in self._history(stream))
        return self.credits.get(trunk(stream), 0) + own

    def _all(self, table, stream):
        return sum(amount for own, amount in table.items() if trunk(own) == stream)

    def pool(self, stream):
        """What all histories of a stream together have left."""
        recovered = sum(one["amount"] for one in self.recoveries if one["from"] == stream)
        return (self.credits.get(stream, 0) + self._all(self.income, stream)
                - self._all(self.outgo, stream) - recovered)

    def fence(self, stream):
        """How often what `stream` holds has changed hands."""
        own = [self.fences.get(("own", part), 0) for part in self._history(stream)]
        return max(own + [self.fences.get(("credit", trunk(stream)), 0)])

    def _covers(self, key, amount, left):
        stream = key[1]
        if amount <= left and not self.blocked.intersection(self._history(stream)):
            return True
        self.blocked.add(stream)
        self.uncovered.append((key, max(left, 0)))
        return False

    def apply(self, key, said):
        """Goes on by an event of this account."""
        op, stream, amount = said["op"], key[1], said["amount"]
        if op == "deposit":
            self._add(self.income, stream, amount)
            self.balance += amount
        elif op == "request":
            self.requests[trunk(stream)] = [key, amount]
        elif op == "recover":
            self._recover(key, said)
        elif self._covers(key, amount, self.left(stream)):
            self._add(self.outgo, stream, amount)
            if op == "withdraw":
                self.balance -= amount
                return
            to = tuple(said["to"])
            self._add(self.credits, to, amount)
            place = ("credit", to)
            self.fences[place] = max(self.fences.get(place, 0), self.fence(stream) + 1)
            if to in self.requests:
                self.requests[to][1] = max(0, self.requests[to][1] - amount)

    def _recover(self, key, said):
        stream, amount = key[1], said["amount"]
        source = (stream[0], said["from"])
        history = self._history(stream)
        before = sum(one["amount"] for one in self.recoveries
                     if one["from"] == source and one["key"][1] in history)
        left = self.credits.get(source, 0) + said["income"] - said["outgo"] - before
        known = said["income"] <= self._all(self.income, source)
        if self._covers(key, amount if known else left + 1, left):
            own = [fence for (kind, part), fence in self.fences.items() if trunk(part) == source]
            self.recoveries.append({"key": key, "from": source, "amount": amount})
            self._add(self.income, stream, amount)
            place = ("own", stream)
            self.fences[place] = max(self.fences.get(place, 0), max(own, default=0) + 1)

    def streams(self):
        """Every stream that has or had something."""
        named = set(self.credits) | {trunk(own) for own in [*self.income, *self.outgo]}
        return named | {one["from"] for one in self.recoveries}

    def is_frozen(self, stream):
        """True when it has two histories, something uncovered, or was recovered from."""
        forked = any(trunk(branch) == stream for branch in self.parents)
        recovered = any(one["from"] == stream for one in self.recoveries)
        return forked or recovered or stream in self.blocked


class Fold:
    """The accounts of one name; `parents` names for each branch the stream it goes on from."""

    def __init__(self, name, parents, is_claim=False):
        self.name, self.parents, self.is_claim = name, parents, is_claim
        self.accounts, self.unread = {}, 0

    def apply(self, key, payload):
        """Goes on by an event; `key` is (lamport, (node, number))."""
        said, stream = read(payload), key[1]
        if said is None or not self._is_sound(said, trunk(stream)):
            self.unread += 1
        elif said["op"] == "create":
            name = account_id(self.name, stream[0], payload)
            self.accounts.setdefault(name, Account(key, said, self.parents))
        elif said["account"] in self.accounts:
            self.accounts[said["account"]].apply(key, said)
        else:
            self.unread += 1

    def _is_sound(self, said, own):
        if self.is_claim and said["op"] in ("deposit", "withdraw"):
            return False
        if self.is_claim and said["op"] == "create" and (said["amount"], said["floor"]) != (1, 0):
            return False
        if said["stream"] != own[1] or said["op"] == "recover" and said["from"] == own[1]:
            return False
        return said["op"] != "grant" or tuple(said["to"]) != own

    def first(self):
        """The account that the name means, and its id."""
        return min(self.accounts.items(), key=lambda item: (item[1].created, item[0]))
