"""Runs the shop floor: three processes, three nodes, a cut network, a killed process, one order.

`python3 run.py --press … --orders … --quality … --csv FILE --folder DIR` starts the three programs,
shows what happens, and ends with exit status 0 only if all three hold the same events in the same
order. `./dev demo` builds what is needed and calls it.

A program is told its folder, its swarm secret and its peers by its arguments, and what to do by
lines on its standard input: `peer ADDRESS`, `cut`, `heal`, `stop`, `dump FILE`, `quit`. It answers
on its standard output with lines `ticket TEXT`, `status EVENTS PEERS LAG`, `note TEXT`, `stopped`,
`dumped EVENTS` and `error TEXT`. Besides, orders answers `write` with `token TEXT`, that of an
event which it publishes, and quality answers `after TEXT` with `read COUNT`: how many such events
it finds when it reads after that token.
"""

import argparse
import hashlib
import os
import pathlib
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time

NAMES = ("press", "orders", "quality")
LANGUAGES = {"press": "C", "orders": "Node", "quality": "Python"}
RUN_SECONDS = {"cut": 4.0, "kill": 7.0, "heal": 10.0, "stop": 14.0}
START_SECONDS_MAX = 20.0
CONVERGE_SECONDS_MAX = 30.0
REDRAW_SECONDS = 0.5


class Failure(Exception):
    """The demo did not end as it must; the text says what differs."""


class Program:
    """One process of the shop floor, and what it last said."""

    def __init__(self, name, command, heard):
        self.name, self.command, self.heard = name, command, heard
        self.events = self.peers = self.lag = 0
        self.ticket, self.state, self.dumped = None, "starting", None
        self.token = self.read = None
        self.process, self.generation = None, 0

    def start(self):
        """Starts the process, or starts it again."""
        self.generation += 1
        self.ticket, self.state = None, "starting"
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        threading.Thread(target=self._listen, args=(self.process, self.generation),
                         daemon=True).start()

    def _listen(self, process, generation):
        for line in process.stdout:
            self.heard.put((self, generation, line.rstrip("\n")))
        self.heard.put((self, generation, None))

    def tell(self, line):
        """Sends one line to the process."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise Failure(f"{self.name} does not listen any more: {error}") from error

    def hear(self, generation, line):
        """Takes in one line of the process; `None` when it has ended."""
        if generation != self.generation:
            return None
        if line is None:
            ended = self.state in ("killed", "quitting")
            if not ended:
                raise Failure(f"{self.name} ended by itself, with status {self.process.wait()}")
            return None
        word, _, rest = line.partition(" ")
        if word == "ticket":
            self.ticket, self.state = rest, "running"
        elif word == "status":
            self.events, self.peers, self.lag = (int(number) for number in rest.split())
        elif word == "stopped":
            self.state = "stopped"
        elif word == "dumped":
            self.dumped = int(rest)
        elif word == "token":
            self.token = rest
        elif word == "read":
            self.read = int(rest)
        elif word == "error":
            raise Failure(f"{self.name}: {rest}")
        elif word == "note":
            return f"{self.name}: {rest}"
        return None


class Floor:
    """The three programs, the clock, and the table on the screen."""

    def __init__(self, commands, folder):
        self.heard = queue.Queue()
        self.folder = folder
        self.programs = {name: Program(name, commands[name], self.heard) for name in NAMES}
        self.began = time.monotonic()
        self.drawn = 0.0

    def run(self):
        """The whole story; raises `Failure` if it does not end as it must."""
        for program in self.programs.values():
            program.start()
        self.wait("every program to open its node", START_SECONDS_MAX,
                  lambda: all(program.ticket for program in self.programs.values()))
        self.introduce()
        self.wait("every node to have two peers", START_SECONDS_MAX,
                  lambda: all(program.peers == 2 for program in self.programs.values()))
        self.say("every node has found the other two")
        self.began = time.monotonic()
        press, quality = self.programs["press"], self.programs["quality"]
        self.until("cut")
        quality.tell("cut")
        quality.state = "cut off"
        self.say("the network of quality is cut; all three go on publishing")
        self.until("kill")
        press.process.send_signal(signal.SIGKILL)
        press.process.wait()
        press.state, press.peers = "killed", 0
        self.say("press was killed with SIGKILL")
        self.pump(0.7)
        press.start()
        self.wait("press to come back", START_SECONDS_MAX, lambda: press.ticket is not None)
        self.introduce()
        self.say("press is back and goes on where its log ends")
        self.until("heal")
        quality.tell("heal")
        quality.state = "running"
        self.say("the network of quality is back")
        self.until("stop")
        for program in self.programs.values():
            program.tell("stop")
        self.wait("every program to stop publishing", CONVERGE_SECONDS_MAX,
                  lambda: all(p.state == "stopped" for p in self.programs.values()))
        self.read_after_write()
        self.wait("the three logs to become equal", CONVERGE_SECONDS_MAX, self.equal)
        self.compare()

    def introduce(self):
        """Gives every program the tickets of the others."""
        for program in self.programs.values():
            for other in self.programs.values():
                if other is not program:
                    program.tell(f"peer {other.ticket}")

    def read_after_write(self):
        """What one program has written another one reads, in another language, by its token."""
        orders, quality = self.programs["orders"], self.programs["quality"]
        orders.tell("write")
        self.wait("orders to write", CONVERGE_SECONDS_MAX, lambda: orders.token is not None)
        quality.tell(f"after {orders.token}")
        self.wait("quality to read it", CONVERGE_SECONDS_MAX, lambda: quality.read is not None)
        if quality.read != 1:
            raise Failure(f"quality read {quality.read} events after the token of orders, not 1")
        self.say("quality has read what orders had just written, by its token")

    def equal(self):
        """True when the three nodes count the same events and none is missing any."""
        counts = {program.events for program in self.programs.values()}
        return len(counts) == 1 and all(program.lag == 0 for program in self.programs.values())

    def compare(self):
        """Dumps the three logs in their order and holds them against each other."""
        dumps = {name: self.folder / f"{name}.order" for name in NAMES}
        for name, program in self.programs.items():
            program.tell(f"dump {dumps[name]}")
        self.wait("the dumps", CONVERGE_SECONDS_MAX,
                  lambda: all(p.dumped is not None for p in self.programs.values()))
        lines = {name: dumps[name].read_text(encoding="utf-8").splitlines() for name in NAMES}
        self.draw()
        print()
        for name in NAMES:
            digest = hashlib.sha256("\n".join(lines[name]).encode()).hexdigest()
            print(f"{name:8} {len(lines[name]):6} events, hash of the order {digest[:32]}")
        for name in NAMES[1:]:
            difference(lines, NAMES[0], name)
        apps = {line.split(" ")[1] for line in lines["press"]}
        if len(apps) != len(NAMES):
            raise Failure(f"only {sorted(apps)} published")

    def quit(self):
        """Ends every process, by force where words do not help."""
        for program in self.programs.values():
            if program.process and program.process.poll() is None:
                program.state = "quitting"
                try:
                    program.tell("quit")
                    program.process.wait(timeout=10)
                except (Failure, subprocess.TimeoutExpired):
                    program.process.kill()
                    program.process.wait()

    def until(self, moment):
        """Goes on until a moment of the story."""
        self.pump(self.began + RUN_SECONDS[moment] - time.monotonic())

    def pump(self, seconds):
        """Takes in what the programs say for some time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.take(min(left, REDRAW_SECONDS))

    def wait(self, what, seconds, condition):
        """Takes in what the programs say until `condition` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                states = ", ".join(
                    f"{p.name} has {p.events} events, {p.peers} peers, lag {p.lag}"
                    for p in self.programs.values())
                raise Failure(f"waited {seconds:.0f} s for {what}: {states}")
            self.take(REDRAW_SECONDS)

    def take(self, seconds):
        """One line of a program, or the time passes; redraws the table now and then."""
        try:
            program, generation, line = self.heard.get(timeout=seconds)
            note = program.hear(generation, line)
            if note:
                self.say(note)
        except queue.Empty:
            pass
        if time.monotonic() - self.drawn > REDRAW_SECONDS:
            self.draw()

    def say(self, text):
        """A line that stays."""
        print(f"{time.monotonic() - self.began:5.1f} s  {text}", flush=True)

    def draw(self):
        """The table: one compact line with events, peers and lag of each node."""
        self.drawn = time.monotonic()
        cells = " │ ".join(
            f"{p.name} ({LANGUAGES[p.name]}) {p.events:5} events {p.peers} peers lag {p.lag:3}"
            f" {p.state:8}" for p in self.programs.values())
        print(f"{self.drawn - self.began:5.1f} s  {cells}", flush=True)


def difference(lines, left, right):
    """Raises what differs first between two dumps, if anything does."""
    if lines[left] == lines[right]:
        return
    pairs = zip(lines[left], lines[right])
    at = next((i for i, (a, b) in enumerate(pairs) if a != b),
              min(len(lines[left]), len(lines[right])))
    shown = [dump[at][:200] if at < len(dump) else "nothing"
             for dump in (lines[left], lines[right])]
    raise Failure(f"{left} and {right} differ at event {at} of the order:\n"
                  f"  {left}: {shown[0]}\n  {right}: {shown[1]}")


def main():
    """Reads the arguments, runs the floor, says how it ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in NAMES:
        parser.add_argument(f"--{name}", required=True, help="the program, split at spaces")
    parser.add_argument("--csv", required=True, type=pathlib.Path)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="leave the stores for a look")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    secret = secrets.token_hex(32)
    commands = {}
    for name in NAMES:
        program = getattr(arguments, name).split(" ")
        commands[name] = [*program, str(folder / name), secret]
    commands["press"].append(str(arguments.csv.resolve()))
    floor = Floor(commands, folder)
    try:
        floor.run()
        print("the three nodes hold the same events in the same order")
        status = 0
    except Failure as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        status = 1
    finally:
        floor.quit()
    if arguments.keep or status:
        print(f"the stores are in {os.path.relpath(folder)}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
