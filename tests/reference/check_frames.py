"""Claims about frames: those of the vectors, and the examples and tables of docs/protocol.md."""

import re

import frames
from cbor import Malformed
from hashes import blake3_derive_key
from vectors import document, load


def _receiver(vectors, state):
    secret, swarm, binding = (bytes.fromhex(vectors[name])
                              for name in ("swarm_secret", "swarm_id", "binding"))
    own, peer = (bytes.fromhex(vectors[name]["node_id"]) for name in ("receiver", "sender"))
    receiver = frames.Receiver(secret, swarm, binding, own, peer, vectors["sender_dialed"])
    receiver.admitted = state == "admitted"
    return receiver


def true_frames_read_as_the_vectors_say():
    vectors = load("frames.json")
    for vector in vectors["taken"]:
        frame = bytes.fromhex(vector["bytes"])
        name, fields = frames.read_frame(frame)
        fields.pop("raw", None)
        assert (name, fields) == (vector["message"], vector["fields"]), vector
        assert _receiver(vectors, vector["state"]).hear(frame) is None, vector


def broken_frames_end_the_session_for_the_reason_of_the_vectors():
    vectors = load("frames.json")
    for vector in vectors["refused"]:
        frame = bytes.fromhex(vector["bytes"]) + bytes(vector.get("zeros", 0))
        reason = _receiver(vectors, vector["state"]).hear(frame)
        assert reason == vector["reason"], (vector["why"], reason)


def a_true_frame_with_a_byte_less_or_more_is_malformed():
    for vector in load("frames.json")["taken"]:
        frame = bytes.fromhex(vector["bytes"])
        if vector["message"] == "ignorable":
            continue
        for other in [frame[:length] for length in range(len(frame))] + [frame + b"\0"]:
            try:
                frames.read_frame(other)
            except Malformed:
                continue
            raise AssertionError(f"{other.hex()} was read")


def proofs_are_those_of_the_vectors():
    vectors = load("frames.json")
    key = frames.admission_key(bytes.fromhex(vectors["swarm_secret"]))
    assert key.hex() == vectors["admission_key"]
    later = frames.admission_key(bytes.fromhex(vectors["later_secret"]),
                                 bytes.fromhex(vectors["swarm_id"]))
    assert later.hex() == vectors["later_admission_key"]
    binding, sender, receiver = (bytes.fromhex(text) for text in (
        vectors["binding"], vectors["sender"]["node_id"], vectors["receiver"]["node_id"]))
    both = [frames.proof(one, binding, True, sender, receiver).hex() for one in (later, key)]
    assert {"proofs": both} in [vector["fields"] for vector in vectors["taken"]]
    for told in vectors["proofs"]:
        binding, prover, verifier = (bytes.fromhex(told[name])
                                     for name in ("binding", "prover", "verifier"))
        proof = frames.proof(key, binding, told["prover_dialed"], prover, verifier)
        assert proof.hex() == told["proof"]
        mask = frames.heard_mask(key, binding, told["prover_dialed"], prover, verifier)
        assert mask.hex() == told["nothing_heard"]


def the_worked_example_of_the_document_is_in_the_vectors():
    section = document("protocol.md").split("## Worked example")[1].split("\n## ")[0]
    blocks = [block for fence in section.split("```")[1::2] for block in fence.split("\n\n")]
    shown = {"".join(block.split()) for block in blocks}
    known = {vector["bytes"] for vector in load("frames.json")["taken"]}
    assert len(shown) == 9 and shown <= known


def the_codes_and_the_tag_of_the_document_are_right():
    page = document("protocol.md")
    rows = re.findall(r"^\| (\d+) \| `(\w+)`", page, re.MULTILINE)
    assert {int(code): name for code, name in rows} == frames.REASONS
    swarm = bytes.fromhex(load("frames.json")["swarm_id"])
    assert f"`{blake3_derive_key('millpond mdns', swarm)[:8].hex()}`" in page


CLAIMS = [
    true_frames_read_as_the_vectors_say,
    broken_frames_end_the_session_for_the_reason_of_the_vectors,
    a_true_frame_with_a_byte_less_or_more_is_malformed,
    proofs_are_those_of_the_vectors,
    the_worked_example_of_the_document_is_in_the_vectors,
    the_codes_and_the_tag_of_the_document_are_right,
]
