"""Runs every scenario through every adapter and compares each answer, byte for byte.

    run.py [ADAPTER …] [SCENARIO …]     closes on `N passed, N failed`
    UPDATE=1 run.py [SCENARIO …]        writes the answers of the Rust adapter into the scenarios

Notation of scenarios, commands and answers: README.md. Needs what `./dev test` builds, and in
`.dev/bin` the adapters in C and C++. One test is one scenario in one language.
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WAIT = float(os.environ.get("MILLPOND_CONFORMANCE_WAIT", "120"))
"""Seconds after which an answer will not come."""

PYTHON = [sys.executable, "-X", "utf8"]
ADAPTERS: dict[str, list[str]] = {
    "rust": [str(ROOT / "target/debug/conformance")],
    "c": [str(ROOT / ".dev/bin/conformance-c")],
    "cpp": [str(ROOT / ".dev/bin/conformance-cpp")],
    "cpp-noexcept": [str(ROOT / ".dev/bin/conformance-cpp-noexcept")],
    "python": [*PYTHON, str(HERE / "adapter.py")],
    "aio": [*PYTHON, str(HERE / "adapter_aio.py")],
    "node": ["node", str(HERE / "adapter.mjs")],
}
# The same adapter in another form plays only what differs by form: calls, errors, code of fish.
SOME = {"cpp-noexcept": {"publish", "query", "errors", "pond"}}
# What a language has no words for, and why. An adapter answers it with `absent`.
ABSENT = {
    ("rust", "open"): "a secret that is no secret: the core takes 32 bytes, never their text",
    ("rust", "connect"): "a ticket of another swarm: the core connects to addresses",
}


class Adapter:
    """One adapter in a process of its own, with an empty folder."""

    def __init__(self, command: list[str], folder: str) -> None:
        self.process = subprocess.Popen(
            [*command, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.errors: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.removesuffix("\n"))
        self.lines.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def ask(self, command: str) -> list[str]:
        """The lines of the answer; what went wrong with the adapter itself is one of them."""
        assert self.process.stdin is not None
        answer: list[str] = []
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            while (line := self.lines.get(timeout=WAIT)) != ".":
                if line is None:
                    raise BrokenPipeError
                answer.append(line)
        except queue.Empty:
            answer.append(f"(no answer in {WAIT:.0f} s)")
        except BrokenPipeError:
            self.process.wait(timeout=WAIT)
            answer.append(f"(the adapter ended with status {self.process.returncode})")
        return answer

    def finish(self) -> str | None:
        """Ends it; says what is wrong with its end."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            status = self.process.wait(timeout=WAIT)
        except BrokenPipeError:
            status = self.process.wait(timeout=WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return f"it did not end within {WAIT:.0f} s of the last command"
        return None if status == 0 else f"it ended with status {status}"


class Step:
    """A command, its line in the file, and the lines that answer it."""

    def __init__(self, number: int, command: str) -> None:
        self.number, self.command = number, command
        self.expected: list[tuple[int, str]] = []


def read(path: Path) -> list[Step]:
    """The steps of a scenario: `> command`, then its answer; `#` and empty lines do not count."""
    steps: list[Step] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("> "):
            steps.append(Step(number, line[2:]))
        elif line and not line.startswith("#"):
            steps[-1].expected.append((number, line))
    return steps


def expanded(command: str) -> str:
    """`«text*COUNT»` is that text so many times; `{i}` in it counts from 0."""

    def many(match: re.Match[str]) -> str:
        text, count = match[1], int(match[2])
        if "{i}" not in text:
            return text * count
        return "".join(text.replace("{i}", f"{i:04}") for i in range(count))

    return re.sub("«(.*?)[*]([0-9]+)»", many, command)


def ask(adapter: Adapter, command: str) -> list[str]:
    """As `Adapter.ask`; `await COMMAND = LINE` repeats the command until LINE answers it."""
    if not command.startswith("await "):
        return adapter.ask(expanded(command))
    command, _, wanted = command.removeprefix("await ").rpartition(" = ")
    pause = threading.Event()
    for _ in range(int(WAIT * 20)):
        answer = adapter.ask(command)
        if answer == [wanted] or (answer and answer[-1].startswith("(")):
            break
        pause.wait(0.05)  # Polls: another node tells when it has heard.
    return answer


def play(name: str, path: Path) -> list[str]:
    """Runs a scenario in one language; says everything that differs."""
    with tempfile.TemporaryDirectory(prefix="millpond-conformance-") as folder:
        adapter = Adapter(ADAPTERS[name], folder)
        problems: list[str] = []
        for step in read(path):
            answer = ask(adapter, step.command)
            verb = step.command.removeprefix("await ").split(" ")[0]
            if answer == ["absent"] and (name, verb) in ABSENT:
                continue
            problems += compare(name, path, step, answer)
            if answer and answer[-1].startswith("("):
                break
        ending = adapter.finish()
        if ending is not None:
            problems.append(f"{name}: {path.name}: {ending}")
        if problems:
            problems += [f"    {line.rstrip()}" for line in adapter.errors[-20:]]
        return problems


def compare(name: str, path: Path, step: Step, answer: list[str]) -> list[str]:
    expected = [line for _, line in step.expected]
    if answer == expected:
        return []
    same = next((i for i, (a, b) in enumerate(zip(answer, expected)) if a != b), None)
    index = min(len(answer), len(expected)) if same is None else same
    number = step.expected[index][0] if index < len(expected) else step.number
    wanted = expected[index] if index < len(expected) else "(nothing more)"
    got = answer[index] if index < len(answer) else "(nothing more)"
    shown = step.command if len(step.command) <= 120 else step.command[:119] + "…"
    return [
        f"{name}: {path.name}:{number}: {shown}",
        f"    expected  {wanted}",
        f"    got       {got}",
    ]


def update(path: Path) -> None:
    """Writes what the Rust adapter answers; what it has no words for stays as it is."""
    steps = {step.number: step for step in read(path)}
    lines: list[str] = []
    skipping = False
    with tempfile.TemporaryDirectory(prefix="millpond-conformance-") as folder:
        adapter = Adapter(ADAPTERS["rust"], folder)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if number in steps:
                answer = ask(adapter, steps[number].command)
                skipping = answer != ["absent"]
                lines += [line, *(answer if skipping else [])]
            elif not line or line.startswith("#"):
                lines.append(line)
            elif not skipping:
                lines.append(line)
        problem = adapter.finish()
    if problem is not None:
        sys.exit(f"{path.name}: {problem}; nothing was written\n" + "".join(adapter.errors))
    path.write_text("\n".join(lines) + "\n", "utf-8")


def table_differs() -> list[str]:
    """The scenario of the errors says what ffi/errors.json says."""
    rows = json.loads((ROOT / "ffi/errors.json").read_text("utf-8"))
    rows = rows if isinstance(rows, list) else rows["errors"]
    table = [f"{row['number']} {row['name']} {str(row['retryable']).lower()}" for row in rows]
    step = next(step for step in read(HERE / "errors.txt") if step.command == "errors")
    return compare("ffi/errors.json", HERE / "errors.txt", step, table)


def told(name: str, path: Path, problems: list[str]) -> bool:
    """Says how a test ended."""
    print(f"{'FAILED' if problems else 'ok'} {path.stem}, {name}")
    print("".join(f"  {line}\n" for line in problems), end="", flush=True)
    return not problems


def main() -> None:
    words = sys.argv[1:]
    names = [word for word in words if word in ADAPTERS] or list(ADAPTERS)
    paths = sorted(HERE.glob("*.txt"))
    chosen = [word for word in words if word not in ADAPTERS]
    paths = [path for path in paths if not chosen or path.stem in chosen]
    if os.environ.get("UPDATE") == "1":
        for path in paths:
            update(path)
        return
    results: list[bool] = []
    for path in paths:
        if path.stem == "errors":
            results.append(told("ffi/errors.json", path, table_differs()))
        for name in names:
            if path.stem not in SOME.get(name, {path.stem}):
                continue
            results.append(told(name, path, play(name, path)))
    passed, failed = results.count(True), results.count(False)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
