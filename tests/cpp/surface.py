"""Holds the C++ interface against the C one: nothing of C may be missing in it.

    tests/cpp/surface.py [--table]

Reads include/millpond.h, include/millpond/*.hpp and the tests beside it. Ends with status 1 where a
function, a constant or a field of C is not used by the C++ interface, a call has one face only, or
no test calls it. With --table prints which function of C is behind which members.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
C = (ROOT / "include/millpond.h").read_text()
HEADERS = sorted((ROOT / "include/millpond").glob("*.hpp"))
TESTS = "".join(path.read_text() for path in sorted((ROOT / "tests/cpp").glob("*.cpp")))

# Constants that stand for a type, a limit or the header itself; and fields that say nothing.
OTHER_CONSTANTS = re.compile(r"MILLPOND_(H|OK|VERSION_\w+|NO_CANCEL|NO_SESSION|\w+_INIT)$")
MEANINGLESS = {"struct_size", "reserved"}
# Read by whoever handles events, traces, views and texts; not written by options.
HANDED_ON = {"millpond_bytes_t"}

# The name in front of the first "(" of a declaration, at the edge of a file and of a class.
FREE = re.compile(r"^\w.*?((?:\w+::)?\w+)\(")
MEMBER = re.compile(r"^ {4}(?=[\w\[~]).*?(~?\w+|operator\S+)\(")
CLASS = re.compile(r"^(?:class|struct)(?: \[\[nodiscard\]\]| MILLPOND_VISIBLE)? (\w+)")


def without_comments(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def functions() -> list[str]:
    return (ROOT / "tests/c/exports.txt").read_text().split()


def constants() -> list[str]:
    return [
        name
        for name in re.findall(r"^#define (MILLPOND_\w+)", C, flags=re.M)
        if not OTHER_CONSTANTS.match(name)
    ]


def fields() -> list[tuple[str, str]]:
    """(struct, field) of every struct of C that says more than a handle does."""
    found = []
    for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", C, flags=re.S):
        if name in HANDED_ON:
            continue
        for declared in without_comments(body).split(";")[:-1]:
            field = re.findall(r"\w+", declared)[-1]
            if field not in MEANINGLESS:
                found.append((name, field))
    return found


def uses() -> dict[str, set[str]]:
    """By function of C: the members of the C++ interface that call it."""
    used: dict[str, set[str]] = {}
    for path in HEADERS:
        owner = member = ""
        for line in without_comments(path.read_text()).splitlines():
            if found := CLASS.match(line):
                owner, member = found[1], "close"
            elif line == "};":
                owner = member = ""
            elif found := (MEMBER if owner else FREE).match(line):
                if not line.strip().startswith(("return", "using")):
                    member = found[1]
            if line.strip().startswith("using"):
                continue
            for name in re.findall(r"\bmillpond_\w+", line):
                used.setdefault(name, set()).add(f"{owner}::{member}" if owner else member)
    return used


def one_faced(code: str) -> list[str]:
    """Calls that answer by a result and have no twin that throws."""
    tried = set(re.findall(r"> try_(\w+)\(", code))
    return sorted(name for name in tried if not re.search(rf"\btry_{name}\([^;]*\.value\(\)", code))


def untested(code: str) -> list[str]:
    tried = set(re.findall(r"\btry_(\w+)\(", code))
    return sorted(name for name in tried if not re.search(rf"\b(?:try_)?{name}\(", TESTS))


def main() -> int:
    code = without_comments("".join(path.read_text() for path in HEADERS))
    used = uses()
    if "--table" in sys.argv:
        for name in functions():
            print(f"| `{name}` | {', '.join(f'`{m}`' for m in sorted(used.get(name, ())))} |")
    wrong = [f"no member uses {name}" for name in functions() if name not in used]
    wrong += [f"nothing says {name}" for name in constants() if not re.search(rf"\b{name}\b", code)]
    wrong += [
        f"nothing reads or says {struct}.{field}"
        for struct, field in fields()
        if not re.search(rf"(?:\.|->){field}\b", code)
    ]
    wrong += [f"try_{name} has no throwing twin" for name in one_faced(code)]
    wrong += [f"no test calls {name}" for name in untested(code)]
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
