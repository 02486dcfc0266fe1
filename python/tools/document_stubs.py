"""Writes into `src/millpond/_native.pyi` what the native module says of its public things.

Editors show the stubs, `help()` shows the native module: both are to say the same.
`document_stubs.py` writes the file, `document_stubs.py --check` fails when it would change.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from pathlib import Path
from typing import TypeAlias

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "millpond"
STUBS = PACKAGE / "_native.pyi"

Stub: TypeAlias = ast.ClassDef | ast.FunctionDef


def documented(text: str, native: object, shown: object) -> str:
    """The stubs in `text`, with the docstrings of what `shown` shows of `native`."""
    lines = text.splitlines()
    # From the end, so that the lines above keep their numbers.
    for stub in reversed(ast.parse(text).body):
        if not isinstance(stub, ast.ClassDef | ast.FunctionDef):
            continue
        thing = getattr(native, stub.name)
        if getattr(shown, stub.name, None) is not thing:
            continue
        if isinstance(stub, ast.ClassDef):
            for member in reversed(stub.body):
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                    lines = with_docstring(lines, member, getattr(thing, member.name))
        lines = with_docstring(lines, stub, thing)
    return "\n".join(lines) + "\n"


def with_docstring(lines: list[str], stub: Stub, thing: object) -> list[str]:
    """`lines` with the docstring of `thing` at `stub`, in the place of what is there."""
    said = inspect.getdoc(thing)
    assert said is not None, f"{stub.name} is public and says nothing"
    first = stub.body[0]
    # A docstring or `...`; a class without either has nothing to be replaced.
    is_replaced = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    # `def name(self) -> Kind: ...`, or the end of a signature over several lines.
    head = lines[first.lineno - 1][: first.col_offset].rstrip()
    before = lines[: first.lineno - 1] + ([head] if head else [])
    assert is_replaced, f"begin {stub.name} with a docstring"
    margin = " " * (stub.col_offset + 4)
    quoted = f'"""{said}\n"""' if "\n" in said else f'"""{said}"""'
    docstring = textwrap.indent(quoted, margin).splitlines()
    after = lines[first.end_lineno or first.lineno :]
    return before + docstring + after


def main() -> int:
    """Writes or checks; the exit status says whether the stubs are fresh."""
    sys.path.insert(0, str(PACKAGE.parent))
    import millpond
    from millpond import _native

    before = STUBS.read_text("utf-8")
    after = documented(before, _native, millpond)
    if sys.argv[1:] == ["--check"]:
        fresh = after == before
        print(f"{STUBS.name} is {'fresh' if fresh else 'stale: run tools/document_stubs.py'}")
        return 0 if fresh else 1
    STUBS.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
