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


def _below(entries, lamport):
    """Of (lamport, value) pairs, the values of smaller lamports than `lamport`; of all for None."""
    return [value for at, value in entries if lamport is None or at < lamport]


class Account:
    """One account. Streams are pairs of node id and number.

    What others may know of a stream is kept with its lamport: it counts for events with greater
    ones only.
    """

    def __init__(self, key, creation, parents):
        self.created, self.parents, self.creation = key, parents, creation
        self.floor, self.balance = creation["floor"], creation["amount"]
        self.credits, self.income, self.outgo, self.fences = {}, {}, {}, {}
        self.blocked, self.uncovered, self.recoveries, self.requests = set(), [], [], {}
        # Where the creation stands, and what of the income is counted in several histories.
        self.begun, self.doubled = set(), {}
        for node, number, amount in creation["shares"]:
            if (node, number) != trunk(key[1]):
                self._add(self.credits, (node, number), (key[0], amount))
                self._add(self.fences, ("credit", (node, number)), (key[0], 1))
        self._begin(key)

    def _begin(self, key):
        own = trunk(key[1])
        shared = sum(amount for node, number, amount in self.creation["shares"]
                     if (node, number) != own)
        rest = self.creation["amount"] - self.floor - shared
        if self.begun:
            self.doubled[own] = self.doubled.get(own, 0) + rest
        self.begun.add(key[1])
        self._add(self.income, key[1], (key[0], rest))
        self._add(self.fences, ("own", key[1]), (key[0], 1))

    def create_again(self, key):
        """The creation once more; False when it is in the same history."""
        if self.begun.intersection(self._history(key[1])):
            return False
        self._begin(key)
        return True

    @staticmethod
    def _add(table, place, entry):
        table.setdefault(place, []).append(entry)

    def _history(self, stream):
        history = [stream]
        while history[-1] in self.parents:
            history.append(self.parents[history[-1]])
        return history

    def _credit(self, stream, lamport=None):
        return sum(_below(self.credits.get(stream, []), lamport))

    def left(self, stream, lamport):
        """What the history that ends in `stream` has left for an event of it."""
        own = sum(sum(_below(self.income.get(part, []), lamport)) - self.outgo.get(part, 0)
                  for part in self._history(stream))
        return self._credit(trunk(stream), lamport) + own

    def _earned(self, stream, lamport=None):
        earned = sum(sum(_below(entries, lamport)) for own, entries in self.income.items()
                     if trunk(own) == stream)
        return earned - self.doubled.get(stream, 0)

    def pool(self, stream):
        """What all histories of a stream together have left."""
        spent = sum(amount for own, amount in self.outgo.items() if trunk(own) == stream)
        recovered = sum(one["amount"] for one in self.recoveries if one["from"] == stream)
        return self._credit(stream) + self._earned(stream) - spent - recovered

    def fence(self, stream, lamport=None):
        """How often what `stream` holds has changed hands."""
        places = [("own", part) for part in self._history(stream)]
        places.append(("credit", trunk(stream)))
        known = [_below(self.fences.get(place, []), lamport) for place in places]
        return max(sum(known, []), default=0)

    def _covers(self, key, amount, left):
        stream = key[1]
        if amount <= left and not self.blocked.intersection(self._history(stream)):
            return True
        self.blocked.add(stream)
        self.uncovered.append((key, max(left, 0)))
        return False

    def apply(self, key, said):
        """Goes on by an event of this account."""
        op, (lamport, stream), amount = said["op"], key, said["amount"]
        if op == "deposit":
            self._add(self.income, stream, (lamport, amount))
            self.balance += amount
        elif op == "request":
            self.requests[trunk(stream)] = [key, amount]
        elif op == "recover":
            self._recover(key, said)
        elif self._covers(key, amount, self.left(stream, lamport)):
            self.outgo[stream] = self.outgo.get(stream, 0) + amount
            if op == "withdraw":
                self.balance -= amount
                return
            to = tuple(said["to"])
            self._add(self.credits, to, (lamport, amount))
            fence = self.fence(stream, lamport) + 1
            self._add(self.fences, ("credit", to), (lamport, fence))
            request = self.requests.get(to)
            if request and request[0][0] < lamport:
                request[1] = max(0, request[1] - amount)

    def _recover(self, key, said):
        (lamport, stream), amount = key, said["amount"]
        source = (stream[0], said["from"])
        history = self._history(stream)
        before = sum(one["amount"] for one in self.recoveries
                     if one["from"] == source and one["key"][1] in history)
        left = self._credit(source, lamport) + said["income"] - said["outgo"] - before
        known = said["income"] <= self._earned(source, lamport)
        if self._covers(key, amount if known else left + 1, left):
            own = [_below(entries, lamport) for (kind, part), entries in self.fences.items()
                   if trunk(part) == source]
            fence = max(sum(own, []), default=0) + 1
            self.recoveries.append({"key": key, "from": source, "amount": amount})
            self._add(self.income, stream, (lamport, amount))
            self._add(self.fences, ("own", stream), (lamport, fence))

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
        self.accounts, self.unread, self.acted_in = {}, 0, {}

    def apply(self, key, payload):
        """Goes on by an event; `key` is (lamport, (node, number))."""
        node = key[1][0]
        name = self._take(key, payload)
        if name is None:
            self.unread += 1
        else:
            self.acted_in.setdefault(node, name)

    def _take(self, key, payload):
        said, stream = read(payload), key[1]
        if said is None or not self._is_sound(said, trunk(stream)):
            return None
        if said["op"] == "create":
            name = account_id(self.name, stream[0], payload)
            if name in self.accounts:
                return name if self.accounts[name].create_again(key) else None
            self.accounts[name] = Account(key, said, self.parents)
            return name
        account = self.accounts.get(said["account"])
        if account is None or account.created[0] >= key[0]:
            return None
        account.apply(key, said)
        return said["account"]

    def _is_sound(self, said, own):
        if self.is_claim and said["op"] in ("deposit", "withdraw"):
            return False
        if self.is_claim and said["op"] == "create" and (said["amount"], said["floor"]) != (1, 0):
            return False
        if said["stream"] != own[1] or said["op"] == "recover" and said["from"] == own[1]:
            return False
        return said["op"] != "grant" or tuple(said["to"]) != own

    def first(self):
        """The account that was created first, and its id."""
        def age(item):
            lamport, stream = item[1].created
            return lamport, trunk(stream), item[0]
        return min(self.accounts.items(), key=age)

    def meant_by(self, node):
        """The id of the account that the name means to a node."""
        return self.acted_in.get(node) or self.first()[0]


def doing(payload):
    """What an event of an optimistic claim says: `claim`, `release`, or None."""
    said = cbor.decode(payload)
    if type(said) is not dict or said.get("op") not in ("claim", "release"):
        return None
    keys = set(said) - {"op"} - ({"note"} if said["op"] == "claim" else set())
    return None if keys else said["op"]


def doings(events):
    """The optimistic claims that stand after (key, payload) pairs in key order: for each key the
    key of the one that it has lost to, or None."""
    standing, winner = {}, None
    for key, payload in events:
        said, stream = doing(payload), key[1]
        own = [one for one in standing if one[1] in (stream, trunk(stream))]
        if said == "claim" and not own:
            standing[key] = winner
            winner = winner or key
        elif said == "release":
            gone = [one for one in standing if one[1][0] == stream[0]]
            winner = None if winner in gone else winner
            standing = {one: lost for one, lost in standing.items() if one not in gone}
    return standing
