"""Claims about blobs: their ids, trees, pieces and frames read as the vectors say."""

import blobs
from cbor import Malformed
from hashes import blake3
from vectors import load


def _data(size):
    return bytes(at % 251 for at in range(size))


def blobs_have_the_ids_trees_and_pieces_of_the_vectors():
    for told in load("blobs.json")["blobs"]:
        tree = blobs.Tree(_data(told["size"]))
        assert tree.id.hex() == told["id"], told["size"]
        assert tree.post_order.hex() == told["tree"], told["size"]
        assert [tree.pairs_to(group).hex() for group in range(tree.count)] == told["pairs"]


def the_id_is_the_plain_hash():
    for told in load("blobs.json")["blobs"]:
        if told["size"] < 20000:
            assert blake3(_data(told["size"])).hex() == told["id"], told["size"]


def a_piece_verifies_and_one_flipped_bit_does_not():
    for told in load("blobs.json")["blobs"]:
        size, blob = told["size"], bytes.fromhex(told["id"])
        group = len(told["pairs"]) - 1
        data = _data(size)[group * blobs.GROUP_BYTES:]
        piece = bytes.fromhex(told["pairs"][group]) + data
        assert blobs.piece_verifies(blob, size, group, piece), size
        for at in {0, len(piece) - 1} if piece else ():
            other = piece[:at] + bytes([piece[at] ^ 1]) + piece[at + 1:]
            assert not blobs.piece_verifies(blob, size, group, other), (size, at)
        assert not blobs.piece_verifies(blob, size + 1, group, piece + b"\0"), size


def true_frames_about_blobs_read_as_the_vectors_say():
    for told in load("blobs.json")["taken"]:
        frame = bytes.fromhex(told["bytes"])
        assert blobs.read_frame(frame) == (told["message"], told["fields"]), told


def broken_frames_about_blobs_are_refused():
    vectors = load("blobs.json")
    frames = [bytes.fromhex(told["bytes"]) for told in vectors["refused"]]
    for told in vectors["taken"]:
        frame = bytes.fromhex(told["bytes"])
        if told["message"] != "piece":
            frames += [frame[:length] for length in range(1, len(frame))] + [frame + b"\0"]
    for frame in frames:
        try:
            blobs.read_frame(frame)
        except Malformed:
            continue
        raise AssertionError(f"{frame.hex()} was read")


CLAIMS = [
    blobs_have_the_ids_trees_and_pieces_of_the_vectors,
    the_id_is_the_plain_hash,
    a_piece_verifies_and_one_flipped_bit_does_not,
    true_frames_about_blobs_read_as_the_vectors_say,
    broken_frames_about_blobs_are_refused,
]
