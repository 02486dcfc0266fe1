"""The quality desk: follows the press, computes, publishes inspections. One of three in the demo.

`python3 quality.py FOLDER SECRET` opens a node and obeys lines on standard input; see run.py.
"""

import queue
import statistics
import sys
import threading
import time

import millpond

INSPECT_EVERY = 10
WINDOW = 25
STATUS_SECONDS = 0.25
READ_SECONDS_MAX = 20.0


def say(word, *rest):
    """One line to whoever runs the demo."""
    print(word, *rest, flush=True)


def inspect(node, readings):
    """Publishes what the last readings of each numeric column say."""
    columns = {name for reading in readings for name, value in reading.items()
               if isinstance(value, (int, float)) and not isinstance(value, bool)}
    means = {}
    for name in sorted(columns):
        values = [float(reading[name]) for reading in readings
                  if isinstance(reading.get(name), (int, float))]
        means[name] = round(statistics.fmean(values), 3)
    verdict = "faults" if any(r.get("state") == "fault" for r in readings) else "good"
    node.publish({"means": means, "of": len(readings), "verdict": verdict},
                 tags=["kind:inspection", f"verdict:{verdict}"])


def next_batch(events):
    """What has come, or nothing after a moment without events."""
    try:
        return events.next_batch(timeout=0.1)
    except millpond.Timeout:
        return ()


def follow(node, stopping):
    """Inspects every few telemetry events until told to stop."""
    readings, seen = [], 0
    with node.subscribe("FROM 'kind:telemetry'") as events:
        while not stopping.is_set():
            for event in next_batch(events):
                readings = [*readings, event.payload][-WINDOW:]
                seen += 1
                if seen % INSPECT_EVERY == 0:
                    inspect(node, readings)
    say("stopped")


def report(node):
    """Says how many events, peers and missing events there are."""
    status = node.status()
    peers = [peer for peer in status["peers"] if peer["state"] == "connected"]
    say("status", status["events"], len(peers), max((p["lag"] for p in peers), default=0))


def dump(node, file):
    """Writes every event in the one order, a line each."""
    count = 0
    with open(file, "w", encoding="utf-8") as out:
        for event in node.query("FROM allEvents"):
            tags = ",".join(event.tags)
            out.write(f"{event.key} {event.app} {tags} {event.payload_bytes.hex()}\n")
            count += 1
    say("dumped", count)


def read_after(node, token):
    """Reads what somebody has written, once this node has what its token names."""
    events = node.query("FROM 'kind:last-order'", after=token, timeout=READ_SECONDS_MAX).to_list()
    say("read", len(events))


def connect(node, ticket):
    """Connects, and says so where that was refused; the node goes on trying by itself."""
    try:
        node.connect(ticket)
    except millpond.Error as error:
        if error.reason != "network_off":
            say("note", str(error))


def obey(node, line, stopping):
    """Does what one line of standard input says."""
    word, _, rest = line.strip().partition(" ")
    if word == "peer":
        threading.Thread(target=connect, args=(node, rest), daemon=True).start()
    elif word in ("cut", "heal"):
        node.set_network(word == "heal")
    elif word == "stop":
        stopping.set()
    elif word == "dump":
        dump(node, rest)
    elif word == "after":
        read_after(node, rest)


def main():
    """Opens the node and obeys until `quit` or the end of standard input."""
    _, folder, secret = sys.argv
    lines = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line) for line in sys.stdin], daemon=True)
    with millpond.open(folder, app="quality", swarm=secret, bind=["127.0.0.1:0"],
                       discovery=False) as node:
        stopping = threading.Event()
        say("ticket", node.ticket())
        worker = threading.Thread(target=follow, args=(node, stopping))
        worker.start()
        reader.start()
        next_status = time.monotonic()
        while True:
            try:
                line = lines.get(timeout=max(0.0, next_status - time.monotonic()))
            except queue.Empty:
                report(node)
                next_status = time.monotonic() + STATUS_SECONDS
                continue
            if line.strip() == "quit":
                break
            obey(node, line, stopping)
        stopping.set()
        worker.join()


if __name__ == "__main__":
    main()
