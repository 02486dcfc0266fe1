"""The frames of the protocol, and what ends a session: written from docs/protocol.md alone.

Begin with `read_frame` and `Receiver`. Not here: what a session sends, and when.
"""

import hmac
import ipaddress

import blocks
import events
from cbor import Malformed
from hashes import blake3_derive_key, blake3_keyed

VERSION = 1
STRANGER_FRAME_BYTES_MAX = 4096
FRAME_BYTES_MAX = 1790128
IGNORABLE = 0x80
LIMITS = [1048576, 64, 255, 32, 1065136, FRAME_BYTES_MAX]
REASONS = {
    1: "wrong_secret", 2: "not_allowed", 3: "version_unsupported", 4: "limits_unsupported",
    5: "oversized", 6: "malformed", 7: "unexpected", 8: "message_unsupported", 9: "forged",
    10: "credit_exceeded", 11: "too_many_peers", 12: "duplicate_connection",
    13: "admission_timeout", 14: "silent", 15: "backing_off", 16: "shutting_down",
    17: "same_node", 18: "removed", 19: "enough_peers", 255: "unknown",
}


class Refused(Exception):
    """The session ends; the argument is the reason's name."""


def stream_text(stream):
    """The text form of a stream id of 40 bytes."""
    return f"{stream[:32].hex()}-{int.from_bytes(stream[32:], 'big')}"


def admission_key(secret, swarm=b""):
    """What both sides of an admission prove to have; `swarm` for a later secret of a swarm."""
    return blake3_derive_key("millpond 2026 admission v0", swarm + secret)


def proof(key, binding, prover_dialed, prover, verifier):
    """What `prover` shows `verifier` in its hello."""
    return _keyed(key, b"millpond admission v1", binding, prover_dialed, prover, verifier)


def heard_mask(key, binding, prover_dialed, prover, verifier):
    """What hides what `prover` says that it has heard of `verifier`: nothing looks like this."""
    domain = b"millpond was heard v1"
    return _keyed(key, domain, binding, prover_dialed, prover, verifier)[:16]


def _keyed(key, domain, binding, prover_dialed, prover, verifier):
    role = b"\0" if prover_dialed else b"\1"
    return blake3_keyed(key, domain + binding + role + prover + verifier)


def read_frame(frame):
    """The name and the fields of a frame; ("ignorable", …) for one that is to be skipped.

    Raises `Malformed`, or `Refused` for what is of a version that is not known here.
    """
    source = events.Bytes(frame)
    kind = source.take(1)[0]
    if kind not in MESSAGES:
        if kind >= IGNORABLE:
            return "ignorable", {"type": kind}
        raise Refused("message_unsupported")
    name, read = MESSAGES[kind]
    fields = read(source)
    if "foreign" not in fields:
        source.finish()
    return name, fields


def _number(source, least, most):
    number = source.varint()
    if not least <= number <= most:
        raise Malformed(f"{number} is not between {least} and {most}")
    return number


def _count(source):
    return _number(source, 0, events.LAMPORT_MAX)


def _hello(source):
    low, high = source.take(2)
    if low > high:
        raise Malformed("an empty range of versions")
    if not low <= VERSION <= high:
        return {"foreign": True}
    fields = {"version_min": low, "version_max": high, "instance": source.take(8).hex(),
              "proof": source.take(32).hex()}
    fields["limits"] = [source.varint() for _ in range(_number(source, 6, 32))]
    fields["extensions"] = []
    for _ in range(_number(source, 0, 32)):
        number = source.varint()
        fields["extensions"].append({"id": number, "bytes": source.counted(1024).hex()})
        if number % 2:
            return {"foreign": True}
        if number == 2:
            _further_proofs(fields["extensions"])
        if number == 4:
            _heard(fields["extensions"])
        if number == 6:
            _carries_cargo(fields["extensions"])
    return fields


def _further_proofs(extensions):
    found = [bytes.fromhex(one["bytes"]) for one in extensions if one["id"] == 2]
    if len(found) > 1 or len(found[0]) not in (32, 64, 96, 128):
        raise Malformed("further proofs stand once and are 1 to 4")
    return [found[0][start:start + 32] for start in range(0, len(found[0]), 32)]


def _heard(extensions):
    found = [bytes.fromhex(one["bytes"]) for one in extensions if one["id"] == 4]
    if len(found) > 1 or len(found[0]) != 16:
        raise Malformed("what was heard stands once and is 16 bytes")


def _carries_cargo(extensions):
    found = [one["bytes"] for one in extensions if one["id"] == 6]
    if found != ["01"]:
        raise Malformed("who carries cargo says so once, by the byte 01")


def _going_on(_source):
    return {}


def _proofs(source):
    return {"proofs": [source.take(32).hex() for _ in range(_number(source, 1, 5))]}


def _goodbye(source):
    code = source.varint()
    return {"code": code, "reason": REASONS.get(code, "unknown")}


def _echo(source):
    return {"number": int.from_bytes(source.take(8), "little")}


def _head(head):
    return {"stream": stream_text(head.stream), "count": head.count, "lamport": head.lamport,
            "chain": head.chain.hex(), "signature": head.signature.hex()}


def _summary(source):
    flag = source.take(1)[0]
    if flag > 1:
        raise Malformed(f"the flag {flag}")
    heads = [events.read_head(source) for _ in range(_number(source, 0, 256))]
    return {"is_last": flag == 1, "heads": [_head(head) for head in heads], "raw": heads}


def _progress(source):
    credit = source.varint()
    held = [[stream_text(source.take(40)), _count(source)]
            for _ in range(_number(source, 0, 512))]
    return {"credit": credit, "held": held}


def _want(source):
    stream, start, end = stream_text(source.take(40)), _count(source), _count(source)
    if start > end:
        raise Malformed("a request that ends before it begins")
    return {"stream": stream, "from": start, "to": end}


def _range(source):
    chain = source.take(32)
    head, records = events.read_range(source.take(len(source.rest())))
    return {"chain_before": chain.hex(), "head": _head(head), "first": head.count - len(records),
            "records": [record.bytes.hex() for record in records], "raw": (head, records)}


def _block(source):
    chain = source.take(32)
    head, records = blocks.read_packed_range(source.take(len(source.rest())))
    return {"chain_before": chain.hex(), "head": _head(head), "first": head.count - len(records),
            "record_bytes": sum(len(record.bytes) for record in records), "raw": (head, records)}


def _peers(source):
    nodes = [source.take(32) for _ in range(_number(source, 0, 1024))]
    if any(a >= b for a, b in zip(nodes, nodes[1:])):
        raise Malformed("nodes do not rise")
    return {"nodes": [node.hex() for node in nodes]}


def _preview(source):
    number, first = source.varint(), _count(source)
    chain, count = source.take(32), _number(source, 1, 1024)
    if len(source.rest()) > 65536:
        raise Malformed("a long preview")
    records = [events.read_record(source) for _ in range(count)]
    return {"number": number, "first": first, "chain_before": chain.hex(),
            "records": [record.bytes.hex() for record in records]}


def _live(source):
    flag = source.take(1)[0]
    if flag > 1:
        raise Malformed(f"the flag {flag}")
    return {"is_wanted": flag == 1}


def _priority(source):
    length = _number(source, 1, 1024)
    try:
        return {"query": source.take(length).decode("utf-8")}
    except UnicodeDecodeError as error:
        raise Malformed(str(error)) from None


def _prune(source):
    return {"streams": [stream_text(source.take(40)) for _ in range(_number(source, 0, 512))]}


def _addresses(source):
    nodes = []
    for _ in range(_number(source, 0, 256)):
        node = source.take(32)
        if nodes and nodes[-1][0] >= node.hex():
            raise Malformed("nodes do not rise")
        nodes.append([node.hex(), [_address(source) for _ in range(_number(source, 0, 4))]])
    return {"nodes": nodes}


def _address(source):
    family = source.take(1)[0]
    if family not in (4, 6):
        raise Malformed(f"the family {family}")
    ip = ipaddress.ip_address(bytes(source.take(4 if family == 4 else 16)))
    port = int.from_bytes(source.take(2), "big")
    return f"{ip}:{port}" if family == 4 else f"[{ip}]:{port}"


MESSAGES = {1: ("hello", _hello), 2: ("goodbye", _goodbye), 3: ("ping", _echo), 4: ("pong", _echo),
            5: ("summary", _summary), 6: ("progress", _progress), 7: ("want", _want),
            8: ("range", _range), 9: ("peers", _peers),
            10: ("block", _block), 0x81: ("prune", _prune), 0x82: ("addresses", _addresses),
            0x83: ("preview", _preview), 0x84: ("live", _live),
            0x85: ("priority", _priority), 0x86: ("going_on", _going_on), 0x8b: ("proofs", _proofs)}


class Receiver:
    """One side of a session, as far as it judges what it hears. It holds no events."""

    def __init__(self, secret, swarm, binding, own, peer, peer_dialed):
        self.swarm = swarm
        self.proof = proof(admission_key(secret), binding, peer_dialed, peer, own)
        self.admitted = False

    def hear(self, frame):
        """Takes a frame. Returns the reason for which the session ends, or None."""
        try:
            self._hear(frame)
        except Refused as refused:
            return refused.args[0]
        except (Malformed, UnicodeDecodeError):
            return "malformed"
        return None

    def _hear(self, frame):
        if len(frame) > (FRAME_BYTES_MAX if self.admitted else STRANGER_FRAME_BYTES_MAX):
            raise Refused("oversized")
        name, fields = read_frame(frame)
        if name not in ("ignorable", "goodbye") and self.admitted == (name == "hello"):
            raise Refused("unexpected")
        if name == "hello":
            self._greet(fields)
        elif name == "proofs":
            self._check([bytes.fromhex(proof) for proof in fields["proofs"]])
        elif name == "going_on":
            # It was never told that anything was heard.
            raise Refused("unexpected")
        elif name == "summary":
            for head in fields["raw"]:
                self._judge(head)
        elif name in ("range", "block"):
            self._receive(fields)

    def _greet(self, hello):
        if "foreign" in hello:
            raise Refused("version_unsupported")
        proofs = [bytes.fromhex(hello["proof"])]
        if any(one["id"] == 2 for one in hello["extensions"]):
            proofs += _further_proofs(hello["extensions"])
        self._check(proofs)
        if any(theirs < ours for theirs, ours in zip(hello["limits"], LIMITS)):
            raise Refused("limits_unsupported")
        self.admitted = True

    def _check(self, proofs):
        if not any([hmac.compare_digest(proof, self.proof) for proof in proofs]):
            raise Refused("wrong_secret")

    def _judge(self, head):
        if not events.head_verifies(head, self.swarm):
            raise Refused("forged")

    def _receive(self, fields):
        head, records = fields["raw"]
        self._judge(head)
        number = int.from_bytes(head.stream[32:], "big")
        if 4096 <= number < 8192 or (fields["first"] > 0 and number < 4096):
            return
        chain, lamport = bytes.fromhex(fields["chain_before"]), 0
        if fields["first"] == 0 and chain != events.chain_start(self.swarm, head.stream):
            raise Refused("forged")
        for record in records:
            if record.lamport <= lamport:
                raise Refused("forged")
            chain, lamport = events.extend(chain, record.leaf), record.lamport
        if (chain, lamport) != (head.chain, head.lamport):
            raise Refused("forged")
