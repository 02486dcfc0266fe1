"""Holds the vectors against the second reader. Run: `python3 tests/reference/check.py`.

Exit status 0 when every vector reads as it says; the last line is `N passed, N failed`.
"""

import re
import sys
import traceback

import cbor
import check_blobs
import check_escrow
import check_frames
import check_texts
import events
from hashes import blake3_derive_key, crc32c, ed25519_verify
from vectors import document, load

REFUSED = ["1817", "f97c00", "f97e00", "fa3f800000", "fb3ff0000000000000", "f7", "c000", "9fff",
           "a10102", "a2616200616100", "a2616100616100", "61ff", "0000", "",
           "5bffffffffffffffff", "3b8000000000000000"]


def value_of(described):
    """The value that a vector describes; see `to_json` in tests/it/vectors.rs."""
    if isinstance(described, list):
        return [value_of(item) for item in described]
    if not isinstance(described, dict):
        return described
    (form, inner), = described.items()
    if form == "map":
        return {key: value_of(item) for key, item in inner}
    return {"integer": int, "float": float, "bytes": bytes.fromhex}[form](inner)


def payloads_encode_and_decode_as_the_vectors_say():
    for vector in load("payloads.json"):
        value, data = value_of(vector["value"]), bytes.fromhex(vector["bytes"])
        assert cbor.encode(value) == data, vector
        again = cbor.decode(data)
        assert again == value and repr(again) == repr(value_of(vector["value"])) or \
            isinstance(value, dict) and again == value, vector


def every_other_payload_encoding_is_refused():
    for text in REFUSED:
        try:
            cbor.decode(bytes.fromhex(text))
        except (cbor.Malformed, UnicodeDecodeError):
            continue
        raise AssertionError(f"{text} was accepted")


def events_chains_and_heads_read_and_verify():
    vector = load("events.json")
    swarm, stream = bytes.fromhex(vector["swarm_id"]), bytes.fromhex(vector["stream_bytes"])
    secret = bytes.fromhex(vector["swarm_secret"])
    assert blake3_derive_key("millpond 2026 swarm id v0", secret) == swarm
    chain, lamport = events.chain_start(swarm, stream), 0
    assert chain.hex() == vector["chain_start"]
    for told in vector["ranges"]:
        data = bytes.fromhex(told["bytes"])
        head, records = events.read_range(data)
        assert chain.hex() == told["chain_before"]
        assert head.count - len(records) == told["first"]
        for record, expected, leaf in zip(records, told["events"], told["leaves"], strict=True):
            assert record.bytes.hex() == expected["bytes"]
            assert record.leaf.hex() == leaf
            for field in ("kind", "lamport", "time", "app_id", "tags"):
                assert getattr(record, field) == expected[field], field
            assert cbor.encode(record.payload).hex() == expected["payload"]
        assert events.range_verifies(data, swarm, chain, lamport)
        chain, lamport = head.chain, head.lamport
        assert chain.hex() == told["chain_after"]


def branches_have_their_names_and_the_heads_of_their_trunk():
    vector = load("events.json")
    swarm, stream = bytes.fromhex(vector["swarm_id"]), bytes.fromhex(vector["stream_bytes"])
    for told in vector["branches"]:
        branch = events.branch(stream, bytes.fromhex(told["first_chain"]))
        assert branch.hex() == told["branch_bytes"] and branch[32:] != stream[32:]
        assert told["branch"] == f"{branch[:32].hex()}-{int.from_bytes(branch[32:], 'big')}"
        assert events.branch(branch, bytes.fromhex(told["first_chain"])) == branch
        assert events.chain_start(swarm, branch).hex() == vector["chain_start"]
        head = events.read_head(events.Bytes(bytes.fromhex(told["head"])))
        assert head.stream == branch and events.head_verifies(head, swarm)


def of_later_events_only_what_every_version_has_is_read():
    for told in load("events.json")["later"]:
        source = events.Bytes(bytes.fromhex(told["bytes"]))
        record = events.read_record(source)
        source.finish()
        for field in ("kind", "lamport", "time"):
            assert getattr(record, field) == told[field], field
        assert record.leaf.hex() == told["leaf"]


def the_examples_of_the_document_are_the_first_range_of_the_vectors():
    told = load("events.json")["ranges"][0]
    blocks = document("format.md").split("```")[1::2]
    hexes = ["".join(re.findall(r"^ *([0-9a-f]{2}[0-9a-f ]*?)(?:   .*)?$", block, re.MULTILINE))
             for block in blocks]
    hexes = [text.replace(" ", "") for text in hexes]
    assert told["events"][0]["bytes"] in hexes and told["bytes"] in hexes
    for shown in (told["chain_before"], told["chain_after"], told["leaves"][0]):
        assert any(shown in block for block in blocks)


def one_flipped_bit_in_a_range_is_noticed():
    vector = load("events.json")
    swarm, told = bytes.fromhex(vector["swarm_id"]), vector["ranges"][0]
    data, chain = bytes.fromhex(told["bytes"]), bytes.fromhex(told["chain_before"])
    assert events.range_verifies(data, swarm, chain)
    for bit in range(0, len(data) * 8, 5):
        if 32 <= bit // 8 < 38 or (bit // 8 == 38 and bit % 8 >= 4):
            continue  # The name of a branch is not signed: it follows from the events.
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        # Which branch it is shows in the chain alone.
        is_signed = events.trunk(bytes(flipped[:40])) != events.trunk(data[:40]) or bit >= 320
        try:
            verifies = events.range_verifies(bytes(flipped), swarm, chain)
            assert verifies != is_signed, bit
        except (cbor.Malformed, UnicodeDecodeError):
            pass


def a_key_for_which_anybody_can_sign_vouches_for_nothing():
    neutral = bytes([1]) + bytes(31)
    assert not ed25519_verify(neutral, b"anything", neutral + bytes(32))


def the_checksum_is_crc32c():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


CLAIMS = [
    payloads_encode_and_decode_as_the_vectors_say,
    every_other_payload_encoding_is_refused,
    events_chains_and_heads_read_and_verify,
    branches_have_their_names_and_the_heads_of_their_trunk,
    of_later_events_only_what_every_version_has_is_read,
    the_examples_of_the_document_are_the_first_range_of_the_vectors,
    one_flipped_bit_in_a_range_is_noticed,
    a_key_for_which_anybody_can_sign_vouches_for_nothing,
    the_checksum_is_crc32c,
    *check_texts.CLAIMS,
    *check_frames.CLAIMS,
    *check_escrow.CLAIMS,
    *check_blobs.CLAIMS,
]


def main():
    """Runs every claim; returns the number that failed."""
    failed = 0
    for claim in CLAIMS:
        try:
            claim()
        except Exception:  # The report of every claim is wanted, whatever it raised.
            failed += 1
            print(f"FAILED {claim.__name__}")
            traceback.print_exc()
        else:
            print(f"ok     {claim.__name__}")
    print(f"{len(CLAIMS) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
