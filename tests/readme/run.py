"""Runs the samples of README.md as a new user would, and looks at what they print and store; and
the tests that docs/testing.md shows.

    run.py [LANGUAGE …]     closes on `N passed, N failed[, N skipped]`

Needs what `./dev test` builds. A sample is the first fenced block of its language; around it stands
here only what it leaves to the reader, such as the secret in C, and what brings an endless loop to
its end: a fault is published when something was printed, and the node closed when it arrived. Each
sample runs in a network of its own without a way out, because a node looks for peers by default.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120

PYTHON = '''
import builtins

def print(*words):
    builtins.print(*words, flush=True)
    if words[0] == "fault on":
        node.close()
    else:
        node.publish({"machine": "M-017"}, tags=["kind:fault"])

README
'''

JAVASCRIPT = '''
const say = console.log
console.log = (...words) => {
  say(...words)
  if (words[0] === 'fault on') node.close()
  else node.publish({ tags: ['kind:fault'], payload: { machine: 'M-017' } })
}

README
'''

# Its loop has an end, and it is a whole program.
RUST = "README"

CPP = "README"

C = r'''
README

int main(void) {
    return run("0707070707070707070707070707070707070707070707070707070707070707");
}
'''


@dataclass
class Sample:
    """How to run the block of one language, and what must come of it."""

    fence: str
    program: str
    around: str
    prepare: Callable[[Path], list[str]]
    """Compiles where that is needed; gives the command to run in the folder."""
    printed: list[str]
    """A pattern for each line."""
    stored: list[str]
    """A tag for each event of the store, in order."""
    adapt: Callable[[str], str] = str
    """What else is done to the block, which is run as it stands otherwise."""


def run(command: list[str], folder: Path) -> str:
    """Standard output; raises with everything that was said when the command fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8",
                          timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        said = done.stdout + done.stderr
        raise AssertionError(f"{command} ended with {done.returncode}:\n{said}")
    return done.stdout


def prepare_node(folder: Path) -> list[str]:
    modules = folder / "node_modules"
    modules.mkdir()
    (modules / "millpond").symlink_to(ROOT / "node")
    return ["node", "sample.mjs"]


def prepare_rust(folder: Path) -> list[str]:
    built = ROOT / "target/debug"
    run(["rustc", "--edition", "2024", "-D", "warnings", "-L", f"dependency={built / 'deps'}",
         "--extern", f"millpond={built / 'libmillpond.rlib'}", "sample.rs", "-o", "sample"], folder)
    return ["./sample"]


def prepare_c(folder: Path) -> list[str]:
    shutil.copy(ROOT / "target/debug/libmillpond.so", folder / "libmillpond.so.0")
    (folder / "libmillpond.so").symlink_to("libmillpond.so.0")
    run([os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Wextra", "-Werror",
         f"-I{ROOT / 'include'}", "sample.c", "-o", "sample", "-L.", "-lmillpond",
         "-Wl,-rpath,$ORIGIN"], folder)
    return ["./sample"]


def prepare_cpp(folder: Path) -> list[str]:
    shutil.copy(ROOT / "target/debug/libmillpond.so", folder / "libmillpond.so.0")
    (folder / "libmillpond.so").symlink_to("libmillpond.so.0")
    run([os.environ.get("CXX", "c++"), "-std=c++17", "-Wall", "-Wextra", "-Werror",
         f"-I{ROOT / 'include'}", "sample.cpp", "-o", "sample", "-L.", "-lmillpond",
         "-Wl,-rpath,$ORIGIN"], folder)
    return ["./sample"]


SAMPLES = {
    "python": Sample(
        "python", "sample.py", PYTHON, lambda _: [sys.executable, "sample.py"],
        [r".*machine:M-017.*812.*", r"fault on M-017"], ["kind:stroke", "kind:fault"]),
    "javascript": Sample(
        "js", "sample.mjs", JAVASCRIPT, prepare_node,
        [r".*O-00012.*25.*", r"fault on M-017"], ["kind:order", "kind:fault"]),
    "rust": Sample(
        "rust", "sample.rs", RUST, prepare_rust, [r".*grams.*812\.0.*"], ["kind:stroke"]),
    "c": Sample("c", "sample.c", C, prepare_c, [], ["kind:stroke"]),
    "cpp": Sample(
        "cpp", "sample.cpp", CPP, prepare_cpp, [r".*grams.*812.*"], ["kind:stroke"]),
}


def prepare_pytest(folder: Path) -> list[str]:
    # Ours is not installed, so pytest does not find the plugin by itself.
    plugins = ["-p", "no:cacheprovider", "-p", "_millpond_pytest"]
    return [sys.executable, "-m", "pytest", "-q", *plugins, "test_sample.py"]


def prepare_rust_test(folder: Path) -> list[str]:
    built = ROOT / "target/debug"
    run(["rustc", "--edition", "2024", "--test", "-D", "warnings", "-L",
         f"dependency={built / 'deps'}", "--extern", f"millpond={built / 'libmillpond.rlib'}",
         "sample.rs", "-o", "sample"], folder)
    return ["./sample"]


def prepare_node_test(folder: Path) -> list[str]:
    prepare_node(folder)
    return ["node", "--test", "--test-reporter=tap", "sample.test.mjs"]


@dataclass
class ShownTest:
    """How to run a block of one language in docs/testing.md, and what it must say."""

    fence: str
    program: str
    prepare: Callable[[Path], list[str]]
    said: str
    number: int = 0


PYTEST = ShownTest("python", "test_sample.py", prepare_pytest, r"\b100 passed")
NODE_TEST = ShownTest("js", "sample.test.mjs", prepare_node_test, r"# pass 100\b")
RUST_TEST = ShownTest("rust", "sample.rs", prepare_rust_test, r"ok. 1 passed")
TESTS = {
    "testing-python": PYTEST,
    "testing-javascript": NODE_TEST,
    "testing-rust": RUST_TEST,
    "scarce-python": replace(PYTEST, number=1),
    "scarce-javascript": replace(NODE_TEST, number=1),
    "scarce-rust": replace(RUST_TEST, number=1),
}


def block_of(fence: str, page: str = "README.md", number: int = 0) -> str:
    """The first block of a page that is fenced as this language, or a later one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{fence}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(found) > number, f"{page} has no block {number} of {fence}"
    block: str = found[number]
    return block


def apart() -> list[str] | None:
    """What puts a command into a network of its own, where the system lets us."""
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return command if tried.returncode == 0 else None


def check(sample: Sample, apart_from_all: list[str], folder: Path) -> None:
    """Runs one sample and holds what it printed and stored against what must come of it."""
    program = folder / sample.program
    around, block = sample.around, block_of(sample.fence)
    program.write_text(around.replace("README", sample.adapt(block)), encoding="utf-8")
    command = sample.prepare(folder)
    printed = run([*apart_from_all, *command], folder).splitlines()
    matches = [re.fullmatch(pattern, line) for pattern, line in zip(sample.printed, printed)]
    assert len(printed) == len(sample.printed) and all(matches), f"it printed {printed}"
    reader = [sys.executable, str(ROOT / "tests/reference/store.py"), "store"]
    events = run(reader, folder).splitlines()
    found = [tag.encode().hex() in line for tag, line in zip(sample.stored, events)]
    assert len(events) == len(sample.stored) and all(found), f"it stored {events}"


def check_test(shown: ShownTest, apart_from_all: list[str], folder: Path) -> None:
    """Runs a test that docs/testing.md shows."""
    block = block_of(shown.fence, "docs/testing.md", shown.number)
    (folder / shown.program).write_text(block, encoding="utf-8")
    said = run([*apart_from_all, *shown.prepare(folder)], folder)
    assert re.search(shown.said, said), f"it said {said}"


def main(names: list[str]) -> int:
    """Runs the samples of these names, or all; gives the number that failed."""
    every: dict[str, Sample | ShownTest] = {**SAMPLES, **TESTS}
    chosen = {name: every[name] for name in names or every}
    apart_from_all = apart()
    if apart_from_all is None:
        print("skipped: no network of our own here (unshare is refused or missing)")
        print(f"0 passed, 0 failed, {len(chosen)} skipped")
        return 0
    failed = 0
    for name, sample in chosen.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                if isinstance(sample, Sample):
                    check(sample, apart_from_all, Path(folder))
                else:
                    check_test(sample, apart_from_all, Path(folder))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"FAILED {name}: {error}")
            else:
                print(f"ok     {name}")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
