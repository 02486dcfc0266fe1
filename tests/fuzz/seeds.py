"""Writes the seeds of the fuzz targets from the vectors. Run: `python3 tests/fuzz/seeds.py`.

Seeds are committed; what a fuzzer adds goes into `corpus/`, which is not.
"""

import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
QUERIES = [
    "FROM allEvents",
    "FROM 'grain' & ('mill:3' | \"rye\") & isLocal",
    "FROM appId(com.example.mill) & from(2026-01-01T00:00:00Z) & to(2026-02-01)",
    "FROM from(7/" + "ab" * 32 + "-0) | 'it''s'",
]
TICKET = (
    "millpond1aaaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaqcaibaeaqcaibaeaqcaibaeaqcaiba"
    "eaqcaibaeaqcaibaeaqcaicmbkabcqnvsbx5aaaaaaaaaaaaaaaaaaaaaaafdnmuk23ew4"
)


def write(target, name, data):
    """Writes one seed."""
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def write_texts():
    """Writes the seeds of the targets that read texts of several kinds."""
    texts = json.loads((VECTORS / "texts.json").read_text())
    payloads = texts.pop("payloads")
    for index, told in enumerate(payloads["taken"]):
        write("json", f"text-{index:02}", told["text"].encode())
        write("json", f"payload-{index:02}", bytes.fromhex(told["payload"]))
    for index, text in enumerate(payloads["refused"]):
        write("json", f"refused-{index:02}", text.encode())
    for kind in ("event_keys", "peers", "secrets", "stream_ids", "tokens"):
        for fate in ("taken", "refused"):
            for index, told in enumerate(texts[kind][fate]):
                text = told if isinstance(told, str) else told["text"]
                write("text", f"{kind}-{fate}-{index:02}", text.encode())


def write_deeds():
    """Writes the seeds of deeds on accounts and claims, and of texts about them."""
    told = json.loads((VECTORS / "escrow.json").read_text())
    stories = told["accounts"] + told["claims"] + told["doings"]
    for index, story in enumerate(stories):
        branches = story["forks"][0]["branches"] if story["forks"] else []
        name, last = story.get("name", "steel").encode(), 0
        data = bytes([1, len(name)]) + name
        for event in story["events"]:
            lamport, stream = event["key"].split("/")
            node, number = stream.split("-")
            own = int(node[:2], 16) - 1 + 3 * int(number) % 6
            own = 5 + branches.index(stream) if stream in branches else own
            payload = bytes.fromhex(event["payload"])
            later = min(int(lamport) - last, 31)
            data += bytes([own | later << 3]) + len(payload).to_bytes(2, "little") + payload
            last = int(lamport)
        write("deeds", f"story-{index:02}", data)
    payloads = {event["payload"] for story in stories for event in story["events"]}
    folds = [
        b"\xa1dfoldecount",
        b"\xa2boff/amountdfoldcsum",
        b"\xa3bby\xa1ctaghmachine:deach\xa1dfoldecountdfoldegroup",
    ]
    payloads = sorted(bytes.fromhex(payload) for payload in payloads)[::12]
    for index, payload in enumerate(payloads + folds):
        write("deeds", f"payload-{index:02}", b"\0" + payload)
    account, stream = "9b85cd3bb57733c55c08d5a3cc911542", "ab" * 32 + "-0"
    token = json.loads((VECTORS / "texts.json").read_text())["tokens"]["taken"][-1]["text"]
    texts = [account, f"7/{stream}/{account}/3/{stream}", f"7/{stream}@{token}", f"-@{token}"]
    texts.append("/amount/0/a~1b~0c")
    for index, text in enumerate(texts):
        write("text", f"pond-{index}", text.encode())


def write_blob_frames():
    """Writes the seeds of frames about blobs: each alone, and steps with what the target knows."""
    told = json.loads((VECTORS / "blobs.json").read_text())
    for index, frame in enumerate(told["taken"] + told["refused"]):
        write("blob_frame", f"frame-{index:02}", bytes.fromhex(frame["bytes"]))
    held, wanted = bytes([7]) * 32, bytes([8]) * 32
    size, small = b"\x80\x80\xa0\x01", b"\x05"

    def step(action, data=b""):
        return bytes([action]) + len(data).to_bytes(2, "little") + data

    served = (step(0, b"\x90\1" + held + b"\1") + step(2, b"\2")
              + step(0, b"\x92\1" + held + size + b"\2\4") + step(5, b"\0") * 4
              + step(3) + step(0, b"\x92\2" + held + size + b"\0\1") + step(0, b"\x94\0\2"))
    fetched = (step(0, b"\x91\1" + wanted + b"\2" + small + b"\0")
               + step(1, b"\x93\1\0grain") + step(4, b"\0"))
    forged = (step(16, b"\x91\1" + wanted + b"\2" + small + b"\0")
              + step(17, b"\x93\1\0flour") + step(4, b"\1") + step(2, b"\xff") * 3)
    kept = step(32, b"\x95\2" + wanted + b"\1" + held + b"\3") + step(7, b"\1") + step(38)
    for name, data in (("served", served), ("fetched", fetched), ("forged", forged),
                       ("kept", kept), ("all", served + fetched + kept + forged)):
        write("blob_frame", name, data)


def main():
    """Writes all seeds."""
    write_deeds()
    write_blob_frames()
    for index, vector in enumerate(json.loads((VECTORS / "payloads.json").read_text())):
        write("payload", f"payload-{index:02}", bytes.fromhex(vector["bytes"]))
    events = json.loads((VECTORS / "events.json").read_text())
    stream = bytes.fromhex(events["stream_bytes"])
    for index, told in enumerate(events["ranges"]):
        write("range", f"range-{index}", bytes.fromhex(told["bytes"]))
        for event in told["events"]:
            write("record", f"record-{event['lamport']}", bytes.fromhex(event["bytes"]))
    for index, later in enumerate(events["later"]):
        write("record", f"later-{index}", bytes.fromhex(later["bytes"]))
    write("offset_map", "empty", b"\0")
    write("offset_map", "two", b"\x02" + stream + b"\x04" + stream[:39] + b"\1\xac\x02")
    for index, text in enumerate(QUERIES):
        write("query", f"query-{index}", text.encode())
    write("ticket", "ticket", TICKET.encode())
    # Steps of the session target: action, length, bytes; see `take_step` there.
    ping, want = b"\x03" + bytes(8), b"\x07" + stream + b"\x00\x03"
    first = bytes.fromhex(events["ranges"][0]["bytes"])
    frames = [ping, want, b"\x05\x01\x01" + first[:152], b"\x08" + bytes(32) + first, b"\x09\0"]
    frames.append(b"\x81\1" + stream)
    frames.append(b"\x82\1" + stream[:32] + b"\1\4\x0a\0\0\1\x10\4")
    told = json.loads((VECTORS / "frames.json").read_text())
    taken = told["taken"]
    for index, frame in enumerate(taken + told["refused"]):
        write("frame", f"frame-{index:02}", bytes.fromhex(frame["bytes"]))
    packed = next(bytes.fromhex(told["bytes"]) for told in taken if told["message"] == "block")
    write("packed", "block", packed[33:])
    # Behind the head that vouches for it.
    write("block", "block", packed[33 + 152 :])
    # The tables target: postings, a block or a saved state, then changes.
    for name, mode in (("segment", b"\0"), ("row", b"\1"), ("snapshot", b"\2")):
        write("tables", name, mode)
        write("tables", f"{name}-flip", mode + b"\x08\0\1" + b"\xc0\x08\3" + b"\xff\x09\x10")
    # The groups target: which row and what is done, then changes, or the row itself.
    write("groups", "part", b"\x00")
    write("groups", "part-flip", b"\x40" + b"\x00\0\1" + b"\x86\0\3")
    write("groups", "part-ends", b"\x43" + b"\x04\0\xff" + b"\x7c\0\x10")
    write("groups", "head-flip", b"\x50" + b"\x04\0\xff" + b"\x24\0\1" + b"\x60\1\x80")
    write("groups", "head-zeros", b"\x70" + bytes(512))
    write("groups", "head-same", b"\x30" + (bytes(8) + b"\xff" * 8 + stream + bytes(8)) * 8)
    frames.append(packed)
    write_texts()
    sent = [bytes([0]) + len(frame).to_bytes(2, "little") + frame for frame in frames]
    write("session", "frames", b"".join(sent))
    write("session", "truth", b"\x03\x01\x00\x20" + b"\x04\x00\x00\x07\x00\x00" * 4)
    # The journal target: mode, then raw bytes, changes, or the body of one more record.
    write("journal", "empty", b"\0")
    write("journal", "flip", b"\1\0\0\1")
    write("journal", "body", b"\2\1" + bytes([0x80 | len(first) & 0x7F, len(first) >> 7]) + first)
    whole = b"\3" + bytes([0x80 | len(packed[33:]) & 0x7F, len(packed[33:]) >> 7]) + packed[33:]
    write("journal", "block", b"\2" + whole)
    write("session", "altered", b"\x05\x03\x00\x20\x00\x01" + b"\x02\x02\x00\x01\x01")


if __name__ == "__main__":
    main()
