"""Claims about accounts and claims: the second reader comes to what the vectors say."""

import escrow
import texts
from vectors import load


def _stream(text):
    node = texts.read_stream_id(text)
    return node[:32], int.from_bytes(node[32:], "big")


def _key(text):
    lamport, stream = text.split("/")
    return int(lamport), _stream(stream)


def _folded(story, is_claim):
    parents = {_stream(branch): _stream(fork["of"])
               for fork in story["forks"] for branch in fork["branches"]}
    fold = escrow.Fold(story["name"], parents, is_claim)
    events = sorted((_key(event["key"]), event["payload"]) for event in story["events"])
    for key, payload in events:
        fold.apply(key, bytes.fromhex(payload))
    return fold


def _holders(account):
    held = [(account.pool(stream), stream) for stream in account.streams()]
    return [(amount, stream) for amount, stream in held if amount > 0]


def _compare(account, told):
    assert account.balance == int(told["balance"])
    held = [(own["amount"], _stream(own["stream"])) for own in told["holdings"]]
    assert held == sorted(_holders(account), key=lambda own: (-own[0], own[1]))
    for own in told["holdings"]:
        assert account.is_frozen(_stream(own["stream"])) == own["is_frozen"]
    uncovered = [(_key(own["key"]), own["available"]) for own in told["uncovered"]]
    assert uncovered == account.uncovered
    short = [(stream, -account.pool(stream)) for stream in sorted(account.streams())
             if account.pool(stream) < 0]
    assert short == [(_stream(own["stream"]), own["by"]) for own in told["overdrawn"]]
    asked = sorted((key, left) for stream, (key, left) in account.requests.items()
                   if left and not account.is_frozen(stream))
    assert asked == [(_key(own["key"]), own["outstanding"]) for own in told["requests"]]


def accounts_come_to_what_the_vectors_say():
    for story in load("escrow.json")["accounts"]:
        fold, told = _folded(story, False), story["comes_to"]
        assert (fold.unread, fold.first()[0].hex()) == (told["unread"], told["first"])
        assert [account["id"] for account in told["accounts"]] == sorted(
            name.hex() for name in fold.accounts)
        for account in told["accounts"]:
            _compare(fold.accounts[bytes.fromhex(account["id"])], account)


def a_name_means_what_the_vectors_say():
    for story in load("escrow.json")["accounts"]:
        fold = _folded(story, False)
        meant = [fold.meant_by(bytes([node]) * 32).hex() for node in (1, 2, 3)]
        assert meant == story["comes_to"]["meant"]


def rights_are_neither_made_nor_lost():
    for story in load("escrow.json")["accounts"]:
        for account in _folded(story, False).accounts.values():
            held = sum(account.pool(stream) for stream in account.streams())
            assert held == account.balance - account.floor


def claims_come_to_what_the_vectors_say():
    for story in load("escrow.json")["claims"]:
        name, account = _folded(story, True).first()
        assert name.hex() == story["comes_to"]["id"]
        held = sorted((-account.fence(stream), stream) for _, stream in _holders(account))
        told = story["comes_to"]["holders"]
        assert held == [(-own["fence"], _stream(own["stream"])) for own in told]


def optimistic_claims_come_to_what_the_vectors_say():
    for story in load("escrow.json")["doings"]:
        events = [(_key(event["key"]), bytes.fromhex(event["payload"]))
                  for event in story["events"]]
        told = story["comes_to"]
        assert sum(escrow.doing(payload) is None for _, payload in events) == told["unread"]
        standing = escrow.doings(sorted(events))
        lost = {_key(own["key"]): own["lost_to"] and _key(own["lost_to"])
                for own in told["standing"]}
        assert standing == lost


CLAIMS = [
    accounts_come_to_what_the_vectors_say,
    a_name_means_what_the_vectors_say,
    rights_are_neither_made_nor_lost,
    claims_come_to_what_the_vectors_say,
    optimistic_claims_come_to_what_the_vectors_say,
]
