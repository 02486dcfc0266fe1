"""Runs `./dev demo` as a user does and looks at how it ends.

    run.py     closes on `N passed, N failed`

Three runs: the shipped table, a table of the user's own, and a file that is no table with a header.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300
NAMES = ["press", "orders", "quality"]

OWN_TABLE = 'machine,"druck, bar",zustand\nM-1,12.5,"läuft, ""leise"""\nM-2,13,steht\n'


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """One run; what it says comes back, and goes on where it fails."""
    # Not where a user's run keeps its stores.
    environment = {**os.environ, "MILLPOND_DEMO_FOLDER": ".dev/demo-test"}
    return subprocess.run([ROOT / "dev", "demo", *arguments], cwd=ROOT, env=environment,
                          capture_output=True, encoding="utf-8", timeout=SECONDS_MAX, check=False)


def stores(said: str) -> Path | None:
    """Where a run says that its stores are."""
    found = re.search(r"^the stores are in (.+)$", said, re.MULTILINE)
    return ROOT / found.group(1) if found else None


def check_end(done: subprocess.CompletedProcess[str]) -> None:
    """It ended well: three equal counts and hashes, after a cut and a kill."""
    said = "\n".join([*done.stdout.splitlines()[-3:], *done.stderr.splitlines()[-12:]])
    assert done.returncode == 0, f"it ended with {done.returncode}\n{said}"
    ends = re.findall(r"^(\w+) +(\d+) events, hash of the order ([0-9a-f]{32})$", done.stdout,
                      re.MULTILINE)
    assert [name for name, _, _ in ends] == NAMES, f"it closed on {ends}"
    assert len({(events, digest) for _, events, digest in ends}) == 1, f"they differ: {ends}"
    assert int(ends[0][1]) > 300, f"only {ends[0][1]} events"
    for step in ["the network of quality is cut", "press was killed with SIGKILL",
                 "press is back", "the network of quality is back",
                 "quality has read what orders had just written, by its token"]:
        assert step in done.stdout, f"it never said: {step}"


def the_shop_floor_ends_with_one_order() -> subprocess.CompletedProcess[str]:
    done = demo()
    check_end(done)
    assert stores(done.stdout) is None, "nobody asked for the stores"
    return done


def a_table_of_ones_own_is_published() -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "own table.csv"
        table.write_text(OWN_TABLE, encoding="utf-8")
        done = demo("--keep", "--csv", str(table))
    check_end(done)
    kept = stores(done.stdout)
    assert kept is not None, "it does not say where the stores are"
    row = ["machine", "M-1", "druck, bar", "zustand", 'läuft, "leise"']
    for name in NAMES:
        reader = [sys.executable, str(ROOT / "tests/reference/store.py"), str(kept / name)]
        lines = subprocess.check_output(reader, encoding="utf-8").splitlines()
        held = [all(text.encode().hex() in line for text in row) for line in lines]
        assert sum(held) > 50, f"{name} holds the row {sum(held)} times"
    return done


def a_file_without_a_header_is_refused_and_the_stores_stay() -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "numbers.csv"
        table.write_text("1,2.5,3\n4,5.5,6\n", encoding="utf-8")
        done = demo("--csv", str(table))
    assert done.returncode == 1, f"it ended with {done.returncode}"
    failed = [line for line in done.stderr.splitlines() if line.startswith("FAILED: press: ")]
    assert len(failed) == 1 and "numbers.csv" in failed[0], f"it said {done.stderr[-500:]!r}"
    assert "the table has no header" in failed[0], f"it said {failed[0]}"
    kept = stores(done.stdout)
    assert kept is not None and kept.is_dir(), "a failed run must leave its stores and say where"
    return done


CLAIMS: list[Callable[[], subprocess.CompletedProcess[str]]] = [
    the_shop_floor_ends_with_one_order,
    a_table_of_ones_own_is_published,
    a_file_without_a_header_is_refused_and_the_stores_stay,
]


def main() -> int:
    """Runs every claim; gives the number that failed."""
    failed = 0
    os.environ.pop("MILLPOND_LONG", None)
    for claim in CLAIMS:
        name = claim.__name__.replace("_", " ")
        try:
            done = claim()
        except Exception as error:  # Whatever it is, the other claims are still made.
            failed += 1
            print(f"FAILED {name}: {error}", flush=True)
        else:
            print("\n".join(done.stdout.splitlines()[-5:]))
            print(f"ok     {name}", flush=True)
    print(f"{len(CLAIMS) - failed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
